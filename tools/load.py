"""Twenty learners on one Jupyter server: how long a move takes, and how much memory it needs: `make load`.

    python tools/load.py                 1, 2, 5, 10 and 20 learners, into LOAD.md (about eight minutes)
    python tools/load.py 1 2 4           these numbers, shown and not written
    python tools/load.py 4 --seconds 10 --set OMP_NUM_THREADS=1

A learner is a kernel of their own and what JupyterLab's page says to it: a session, a websocket, the cells of
the lesson, and the moves of the sliders, held back and merged while the kernel is busy as ipywidgets does it.
One real browser among twenty shows that the figures are those of a page.

Ends with 1 if a move was lost or something went wrong.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import httpx
import numpy as np
import psutil
from bench_panels import WATCH
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from live_lab import Browser, find_chromium, serve
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "LOAD.md"
LESSON = next((ROOT / "lessons").glob("05_*.ipynb"))
SIZES = (1, 2, 5, 10, 20)
SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"

# A person: seconds from the beginning of one move to that of the next, between these, evenly.
PAUSE = (1.0, 3.0)
DRAGS = 0.2  # the share of the moves that are drags
POSITIONS, DRAG = 10, 0.6  # positions of a drag, and the seconds that it takes
PATIENCE = 60  # seconds after the last move, in which a late picture may come
POLL = 10  # seconds between JupyterLab's questions about sessions and kernels

FAILURE = "This simulation cannot be shown"  # how utils.explorable begins, when an experiment or a figure fails


@dataclasses.dataclass
class Move:
    """A move of a slider, or a drag: its last position is the one that must be shown."""

    turn: int
    sent: float
    drag: bool = False
    first: float | None = None  # when the picture came
    refined: float | None = None
    overtaken: bool = False  # the learner moved on, and the first picture was of that newer position
    problem: str = ""
    bytes: int = 0  # received for this panel until its next move
    pictures: int = 0
    during: int = 0  # bytes received before the last position of a drag

    @property
    def lost(self) -> bool:
        return self.first is None


class View:
    """A panel as the page holds it.

    What ipywidgets' WidgetModel does (`save_changes`, `sync`, `_handle_status`): while a change is on its way,
    that is until the kernel is idle after it, newer ones are merged, and sent in one message.
    """

    def __init__(self, comm: str, state: dict, send):
        self.comm, self._send = comm, send
        self.position = state["position"]
        self.ends = {control["name"]: len(control["texts"]) - 1 for control in state["controls"]}
        self.pending, self.held = 0, None
        self.moves: list[Move] = []
        self.shown_turn = 0
        self.refined_turn = None
        self._pictures = 0

    def set(self, at: dict) -> None:
        self.position = {**self.position, "turn": self.position["turn"] + 1, "at": at}
        if self.pending >= 1:
            self.held = self.position
        else:
            self._deliver(self.position)

    def _deliver(self, position):
        self._send(self, {"method": "update", "state": {"position": position}, "buffer_paths": []})
        self.pending += 1

    def idle(self) -> None:
        """The kernel has dealt with a change that this panel had sent."""
        self.pending = max(0, self.pending - 1)
        if self.held is not None and self.pending < 1:
            position, self.held = self.held, None
            self._deliver(position)

    def begin(self, steps: int, now: float) -> Move:
        """Begin a move of so many steps; what arrives from now on is counted as its own."""
        self.moves.append(Move(self.position["turn"] + steps, now, drag=steps > 1))
        return self.moves[-1]

    def update(self, state: dict, has_picture: bool, size: int, now: float) -> str:
        """What the kernel sends; gives a complaint, or nothing."""
        self._pictures += has_picture
        if self.moves:
            self.moves[-1].bytes += size
            self.moves[-1].pictures += has_picture
        shown = state.get("shown")
        if shown is None:
            return ""
        turn, self.shown_turn = shown["turn"], shown["turn"]
        done = bool(shown["problem"]) or shown["repeats"] >= shown["of"]
        if done:
            self.refined_turn = turn
        complete = bool(shown["problem"]) or self._pictures > 0
        for move in self.moves:
            if complete and move.first is None and turn >= move.turn:
                move.first, move.overtaken, move.problem = now, turn > move.turn, shown["problem"]
            if done and move.refined is None and turn == move.turn:
                move.refined = now
        return shown["problem"] if FAILURE in shown["problem"] else ""

    @property
    def quiet(self) -> bool:
        """Everything that was asked for is shown and refined."""
        return self.held is None and (not self.moves or self.refined_turn == self.position["turn"])


class Learner:
    """What one open page says to its kernel, and what it hears; `send` takes channel and message."""

    def __init__(self, send, clock=time.perf_counter):
        self._send_message, self._clock = send, clock
        self.session = uuid.uuid4().hex
        self.views: list[View] = []
        self.complaints: list[str] = []
        self.received = 0  # bytes
        self.started = self.ready = None
        self._by_comm, self._by_message, self._cells = {}, {}, set()
        self._subshell = None  # None: not asked for. "": asked for.
        self._done = asyncio.Event()

    def _send(self, channel, kind, content, **header):
        message = {
            "header": {"msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "", "session": self.session,
                       "date": datetime.datetime.now(datetime.UTC).isoformat(), "version": "5.4", **header},
            "parent_header": {}, "metadata": {}, "content": content}
        self._send_message(channel, message)
        return message["header"]["msg_id"]

    def _send_state(self, view, data):
        # JupyterLab hands the messages of all widgets to one subshell, once the kernel has named it.
        header = {"subshell_id": self._subshell} if self._subshell else {}
        sent = self._send("shell", "comm_msg", {"comm_id": view.comm, "data": data}, **header)
        self._by_message[sent] = view

    def run(self, cells: list[str]) -> None:
        """Run all cells, as JupyterLab does: all requests at once, and none after one that failed."""
        self.started, self.ready = self._clock(), None
        self._done.clear()
        self._cells = {self._send("shell", "execute_request", {
            "code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True,
            "stop_on_error": True}) for code in cells}

    async def finished(self) -> None:
        await self._done.wait()

    def receive(self, channel: str, message: dict, size: int, buffers: int) -> None:
        """Take a message of the kernel; `size` in bytes, and how many `buffers` it has."""
        self.received += size
        kind, content = message["header"]["msg_type"], message["content"]
        parent = message["parent_header"].get("msg_id")
        if kind == "status" and content["execution_state"] == "idle" and parent in self._by_message:
            self._by_message.pop(parent).idle()
        elif kind == "status" and content["execution_state"] in ("dead", "restarting"):
            self.complaints.append(f"the kernel is {content['execution_state']}")
        elif kind == "comm_open" and content["target_name"] == "jupyter.widget":
            if self._subshell is None:
                self._subshell = ""
                self._send("control", "create_subshell_request", {})
            state = content["data"]["state"]
            if "position" in state and "controls" in state:
                view = View(content["comm_id"], state, self._send_state)
                self._by_comm[view.comm] = view
                self.views.append(view)
        elif kind == "create_subshell_reply":
            self._subshell = content["subshell_id"]
        elif kind == "comm_msg" and content["comm_id"] in self._by_comm:
            data = content["data"]
            if data.get("method") == "update":
                pictures = [path for path in data.get("buffer_paths", []) if path == ["picture"]]
                complaint = self._by_comm[content["comm_id"]].update(
                    data["state"], bool(pictures) and buffers > 0, size, self._clock())
                if complaint:
                    self.complaints.append(complaint)
        elif kind == "error":
            self.complaints.append(f"{content['ename']}: {content['evalue']}")
        elif kind == "stream" and content["name"] == "stderr":
            self.complaints.append(content["text"].strip())
        elif kind == "execute_reply" and parent in self._cells:
            self._cells.discard(parent)
            if content["status"] != "ok":
                self.complaints.append(f"a cell ended with {content['status']!r}")
            if not self._cells:
                self.ready = self._clock()
                self._done.set()

    async def play(self, seconds: float, rng: np.random.Generator) -> None:
        """Move the sliders of one panel after the other."""
        first = len(self.views) and rng.integers(len(self.views))
        begin = self._clock()
        at, number = rng.uniform(0, PAUSE[1]), 0
        while at < seconds:
            await asyncio.sleep(max(0, begin + at - self._clock()))
            view = self.views[(first + number // 5) % len(self.views)]
            drag = rng.random() < DRAGS
            path = positions(view, POSITIONS if drag else 1, rng)
            start = self._clock()
            move = view.begin(len(path), start)
            for step, position in enumerate(path):
                await asyncio.sleep(max(0, start + step * DRAG / (POSITIONS - 1) - self._clock()))
                move.sent, move.during = self._clock(), move.bytes
                view.set(position)
            at += rng.uniform(*PAUSE)
            number += 1

    async def settle(self) -> None:
        """Wait until everything is shown and refined, with some patience."""
        patience = self._clock() + PATIENCE
        while not all(view.quiet for view in self.views) and self._clock() < patience:
            await asyncio.sleep(0.05)

    @property
    def moves(self) -> list[Move]:
        return [move for view in self.views for move in view.moves]


def positions(view: View, count: int, rng: np.random.Generator) -> list[dict]:
    """Where a learner moves a slider: `count` steps of one control, on from where it is, back at an end."""
    name = list(view.ends)[rng.integers(len(view.ends))]
    at, end, step = view.position["at"][name], view.ends[name], rng.choice([-1, 1])
    path = []
    for _ in range(count):
        if not 0 <= at + step <= end:
            step = -step
        at = int(at + step)
        path.append({**view.position["at"], name: at})
    return path


class Page:
    """A learner's connection to the server."""

    def __init__(self, address: str, folder: Path, name: str):
        self.address, self.name = address, name
        (folder / name).mkdir()
        shutil.copy(LESSON, folder / name)
        self.path = f"{name}/{LESSON.name}"
        self.learner = Learner(self._send)
        self._closing = False
        self._tasks = []

    async def open(self) -> None:
        """Load the notebook, start its kernel, and connect to it."""
        self._http = httpx.AsyncClient(base_url=self.address, timeout=120)
        await self._http.get("/lab")  # gives the cookie without which a server takes no orders
        self._http.headers["X-XSRFToken"] = self._http.cookies["_xsrf"]
        notebook = (await self._http.get(f"/api/contents/{self.path}", params={"content": 1})).raise_for_status().json()
        self.cells = ["".join(cell["source"]) for cell in notebook["content"]["cells"] if cell["cell_type"] == "code"]
        session = await self._http.post("/api/sessions", json={
            "path": self.path, "name": LESSON.name, "type": "notebook", "kernel": {"name": "python3"}})
        kernel = session.raise_for_status().json()["kernel"]["id"]
        socket = f"{self.address}/api/kernels/{kernel}/channels?session_id={self.learner.session}"
        cookies = "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())
        self._socket = await websocket_connect(
            HTTPRequest(socket.replace("http", "ws", 1), headers={"Cookie": cookies}, connect_timeout=120),
            subprotocols=[SUBPROTOCOL], max_message_size=2**28, on_message_callback=self._receive)
        if self._socket.selected_subprotocol != SUBPROTOCOL:
            raise RuntimeError(f"The server does not speak {SUBPROTOCOL}.")
        self._tasks.append(asyncio.create_task(self._poll()))

    async def _poll(self):
        while True:
            await asyncio.sleep(POLL)
            for what in ("sessions", "kernels"):
                await self._http.get(f"/api/{what}")

    def _send(self, channel, message):
        self._socket.write_message(serialize_msg_to_ws_v1(message, channel, lambda part: json.dumps(part).encode()), binary=True)

    def _receive(self, data):
        if data is None:
            if not self._closing:
                self.learner.complaints.append("the websocket was closed")
                self.learner._done.set()
            return
        channel, parts = deserialize_msg_from_ws_v1(data)
        header, parent, _, content = (json.loads(part) for part in parts[:4])
        self.learner.receive(channel, {"header": header, "parent_header": parent, "content": content}, len(data), len(parts) - 4)

    async def close(self) -> None:
        self._closing = True
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            self._socket.close()
        await self._http.aclose()


class Meter:
    """Memory and processor time of a server and its kernels, as long as it is entered."""

    def __init__(self, server: psutil.Process, every: float = 2.0):
        self._server, self._every = server, every
        self.samples = []  # (PSS, RSS, largest kernel's PSS) in bytes

    def family(self):
        return [self._server, *self._server.children(recursive=True)]

    def sample(self) -> None:
        pss, rss = [], []
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                memory = process.memory_full_info()
                pss.append(getattr(memory, "pss", memory.uss))
                rss.append(memory.rss)
        self.samples.append((sum(pss), sum(rss), max(pss[1:], default=0)))

    def processor(self) -> float:
        """Seconds of processor time that the server and its kernels have used."""
        total = 0
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                total += sum(process.cpu_times()[:2])
        return total

    def __enter__(self):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._began, self._used, self._own = time.perf_counter(), self.processor(), time.process_time()
        self._all = busy()
        self._thread.start()
        return self

    def _watch(self):
        while not self._stop.wait(self._every):
            self.sample()

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join()
        self.sample()
        self.seconds = time.perf_counter() - self._began
        self.used = self.processor() - self._used
        self.own = time.process_time() - self._own
        self.others = max(0.0, busy() - self._all - self.used - self.own)


def busy() -> float:
    """Seconds of processor time that all programs of this machine have used."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0) - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0)


async def start(pages: list[Page], gap: float) -> None:
    """Open the lesson on these pages, `gap` seconds apart, and run all cells; wait for the last of them."""
    async def one(page, wait):
        await asyncio.sleep(wait)
        await page.open()
        page.learner.run([cell for cell in page.cells if "panel(" in cell] if PANELS else page.cells)
        await page.learner.finished()

    await asyncio.gather(*(one(page, gap * number) for number, page in enumerate(pages)))


async def move(pages: list[Page], seconds: float, meter: Meter) -> None:
    seeds = np.random.SeedSequence(len(pages)).spawn(len(pages))
    with meter:
        await asyncio.gather(*(page.learner.play(seconds, np.random.default_rng(seed))
                               for page, seed in zip(pages, seeds, strict=True)))
    await asyncio.gather(*(page.learner.settle() for page in pages))


def server_of(address: str) -> psutil.Process:
    """The process of a server that this one has started."""
    port = f"--port={address.rpartition(':')[2]}"
    return next(child for child in psutil.Process().children() if port in child.cmdline())


async def grow(address, folder, sizes, seconds, say):
    """Let the number of learners grow on one server."""
    server, pages, rows = server_of(address), [], []
    for size in sizes:
        new = [Page(address, folder, f"learner-{number:02}") for number in range(len(pages) + 1, size + 1)]
        meter = Meter(server)
        with meter:
            await start(new, gap=1)
        pages += new
        starts = [page.learner.ready - page.learner.started for page in new]
        say(f"{size}: started {len(new)} in {max(starts):.0f} s (cpu {meter.used:.0f} s in {meter.seconds:.0f} s, others {meter.others:.1f})")
        for page in pages:
            for view in page.learner.views:
                view.moves.clear()
        play = Meter(server)
        await move(pages, seconds, play)
        moves = [m for page in pages for m in page.learner.moves]
        first = np.array([m.first - m.sent for m in moves if not m.lost and not m.problem])
        refined = np.array([m.refined - m.sent if m.refined else np.inf for m in moves if not m.problem])
        say(f"  {len(moves)} moves: first median {np.median(first):.3f} p95 {np.percentile(first, 95):.3f} worst {first.max():.3f}; "
            f"refined median {np.percentile(refined, 50, method='higher'):.2f} p95 {np.percentile(refined, 95, method='higher'):.2f} share {np.isfinite(refined).mean():.2f}; "
            f"lost {sum(m.lost for m in moves)} overtaken {sum(m.overtaken for m in moves)} problems {sum(bool(m.problem) for m in moves)}")
        pss, rss, top = np.max(meter.samples + play.samples, axis=0) / 1e6
        say(f"  memory {pss:.0f} MB PSS, {rss:.0f} RSS, per learner {pss/size:.0f}, largest kernel {top:.0f}; cpu {play.used/play.seconds/os.cpu_count():.0%} own {play.own/play.seconds/os.cpu_count():.0%} others {play.others/play.seconds/os.cpu_count():.0%}")
        say(f"  bytes per move {np.mean([m.bytes for m in moves])/1e3:.0f} kB, pictures {np.mean([m.pictures for m in moves]):.1f}; complaints {[c for p in pages for c in p.learner.complaints]}")
    for page in pages:
        await page.close()
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--panels", action="store_true")
    arguments = parser.parse_args()
    environment = dict(pair.split("=") for pair in arguments.set)
    global PANELS
    PANELS = arguments.panels
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), **environment) as address:
        asyncio.run(grow(address, Path(folder), arguments.sizes or SIZES, arguments.seconds, lambda text: print(text, flush=True)))


if __name__ == "__main__":
    sys.exit(main())
