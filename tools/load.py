"""Twenty learners on one Jupyter server: how long a move takes, and how much memory they need: `make load`.

    python tools/load.py                 20, 10, 5, 2 and 1 learners, into LOAD.md (about fifteen minutes)
    python tools/load.py 4 2 --panels 3  these numbers, only the first panels, shown and not written
    python tools/load.py 4 --gap 1 --set OMP_NUM_THREADS=1

A learner is a kernel of their own and what JupyterLab's page says to it: a session, a websocket, the cells of
the lesson, and the moves of the sliders, held back and merged while the kernel is busy as ipywidgets does it.
One of them is a real browser, which shows that the figures are those of a page. All start at once. Then some
leave, so that the same server is measured with fewer. At the end one runs the lesson alone.

Ends with 1 if a move was lost or something went wrong.
"""

import argparse
import asyncio
import concurrent.futures
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
SIZES = (20, 10, 5, 2, 1)
SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"

PACKAGES = ("jupyterlab", "jupyter-server", "ipykernel", "ipywidgets", "numpy", "matplotlib")
AIM = 350e6  # bytes of memory for each learner
GOOD = 0.3  # seconds: an answer that the panel itself does not call late yet (COMPUTING in explorable.js)

# A person: seconds from the beginning of one move to that of the next, between these, evenly.
PAUSE = (1.0, 3.0)
DRAGS = 0.2  # the share of the moves that are drags
POSITIONS, DRAG = 10, 0.6  # positions of a drag, and the seconds that it takes
PATIENCE = 60  # seconds after the last move, in which a late picture may come
LATE = 5  # the same for the browser
START = 1500  # seconds at most until everybody's lesson has run
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
    first_bytes: int = 0  # of the first picture
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
        self.pending += 1
        self._send(self, {"method": "update", "state": {"position": position}, "buffer_paths": []})

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
                move.first, move.first_bytes = now, size
                move.overtaken, move.problem = turn > move.turn, shown["problem"]
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
        self.total = 0  # cells that were to be run
        self.started = self.first_panel = self.ready = None
        self._by_comm, self._by_message, self._cells = {}, {}, set()
        self._subshell = None  # None: not asked for. "": asked for.
        self._done = asyncio.Event()

    def _send(self, channel, kind, content, view=None, **header):
        message = {
            "header": {"msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "", "session": self.session,
                       "date": datetime.datetime.now(datetime.UTC).isoformat(), "version": "5.4", **header},
            "parent_header": {}, "metadata": {}, "content": content}
        if view:
            self._by_message[message["header"]["msg_id"]] = view
        self._send_message(channel, message)
        return message["header"]["msg_id"]

    def _send_state(self, view, data):
        # JupyterLab hands the messages of all widgets to one subshell, once the kernel has named it.
        header = {"subshell_id": self._subshell} if self._subshell else {}
        self._send("shell", "comm_msg", {"comm_id": view.comm, "data": data}, view, **header)

    def run(self, cells: list[str]) -> None:
        """Run all cells, as JupyterLab does: all requests at once, and none after one that failed."""
        self.started, self.ready, self.total = self._clock(), None, len(cells)
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
                self.first_panel = self.first_panel or self._clock()
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
        first = rng.integers(len(self.views))
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
        began = time.perf_counter()
        self._http = httpx.AsyncClient(base_url=self.address, timeout=120)
        await self._http.get("/lab")  # gives the cookie without which a server takes no orders
        self._http.headers["X-XSRFToken"] = self._http.cookies["_xsrf"]
        notebook = (await self._http.get(f"/api/contents/{self.path}", params={"content": 1})).raise_for_status()
        self.cells = ["".join(cell["source"]) for cell in notebook.json()["content"]["cells"] if cell["cell_type"] == "code"]
        session = await self._http.post("/api/sessions", json={
            "path": self.path, "name": LESSON.name, "type": "notebook", "kernel": {"name": "python3"}})
        self._session = session.raise_for_status().json()["id"]
        kernel = session.json()["kernel"]["id"]
        socket = f"{self.address}/api/kernels/{kernel}/channels?session_id={self.learner.session}"
        cookies = "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())
        self._socket = await websocket_connect(
            HTTPRequest(socket.replace("http", "ws", 1), headers={"Cookie": cookies}, connect_timeout=120, request_timeout=120),
            subprotocols=[SUBPROTOCOL], max_message_size=2**28, on_message_callback=self._receive)
        if self._socket.selected_subprotocol != SUBPROTOCOL:
            raise RuntimeError(f"The server does not speak {SUBPROTOCOL}.")
        self._tasks.append(asyncio.create_task(self._poll()))
        self.opening = time.perf_counter() - began

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
        """Stop the kernel and leave."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(httpx.HTTPError, AttributeError):
            await self._http.delete(f"/api/sessions/{self._session}")
            self._socket.close()
            await self._http.aclose()


class Meter:
    """Memory and processor time of a server and its kernels, as long as it is entered."""

    def __init__(self, server: psutil.Process, every: float = 5.0):
        self._server, self._every = server, every
        self.samples = []  # PSS of all, RSS of all, PSS of the largest kernel and of the server, in bytes

    def family(self):
        return [self._server, *self._server.children(recursive=True)]

    def sample(self) -> None:
        pss, rss = [], []
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                memory = process.memory_full_info()
                pss.append(getattr(memory, "pss", memory.uss))
                rss.append(memory.rss)
        self.samples.append((sum(pss), sum(rss), max(pss[1:], default=0), pss[0]))

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


class Person:
    """A learner with a real browser. Playwright wants to be called from one thread only: `call` does that."""

    def __init__(self, address: str, folder: Path, name: str):
        (folder / name).mkdir()
        shutil.copy(LESSON, folder / name)
        self._address, self._path = address, f"{name}/{LESSON.name}"
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self.complaints: list[str] = []

    async def call(self, what, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self._thread, what, *arguments)

    def open(self) -> None:
        """Open the lesson twice, and look how many bytes came over the wire."""
        self._browser = Browser()
        self._browser.context.add_init_script("performance.setResourceTimingBufferSize(10000)")
        self.loads = []
        for visit in (1, 2):
            self._notebook = self._browser.open(self._address, self._path)
            self._notebook.page.wait_for_timeout(1000)
            self.loads.append(self._notebook.page.evaluate("""() => ['navigation', 'resource']
                .flatMap(kind => performance.getEntriesByType(kind)).reduce((sum, entry) => sum + entry.transferSize, 0)"""))
            if visit == 1:
                self._notebook.close()

    def run(self) -> None:
        began = time.perf_counter()
        self._notebook.run_all(START)
        self.starting = time.perf_counter() - began
        self.complaints += self._notebook.errors()
        self._panels = self._notebook.page.locator(".explorable").all()
        for panel in self._panels:
            panel.evaluate(WATCH)

    def play(self, seconds: float, rng: np.random.Generator) -> None:
        """As `Learner.play`, with keys on the sliders."""
        turns, ends, begin = [0] * len(self._panels), [], time.perf_counter()
        at, number = rng.uniform(0, PAUSE[1]), 0
        while at < seconds:
            time.sleep(max(0, begin + at - time.perf_counter()))
            which = number // 5 % len(self._panels)
            sliders = self._panels[which].locator("input[type=range]").all()
            slider = sliders[rng.integers(len(sliders))]
            value, last = int(slider.input_value()), int(slider.get_attribute("max"))
            step = rng.choice([-1, 1])
            slider.focus()
            start = time.perf_counter()
            for number_of_key in range(POSITIONS if rng.random() < DRAGS else 1):
                time.sleep(max(0, start + number_of_key * DRAG / (POSITIONS - 1) - time.perf_counter()))
                step = step if 0 <= value + step <= last else -step
                value += step
                self._notebook.page.keyboard.press("ArrowRight" if step > 0 else "ArrowLeft")
                turns[which] += 1
            ends.append((which, turns[which]))
            at += rng.uniform(*PAUSE)
            number += 1
        self._notebook.page.wait_for_timeout(1000 * LATE)
        self.first = []  # seconds from the key to the frame with the picture
        for which, turn in ends:
            answer = self._panels[which].evaluate("""(panel, turn) => Math.min(...Object.entries(panel.bench.shown)
                .filter(([of]) => of >= turn).map(([of, time]) => time)) - panel.bench.keys[turn - 1]""", turn)
            if answer is None or not np.isfinite(answer):
                self.complaints.append("the browser never showed a move")
            else:
                self.first.append(answer / 1000)
        self.complaints += self._notebook.errors() + self._browser.complaints

    def close(self) -> None:
        self._notebook.close()
        self._browser.__exit__()


async def start(pages: list[Page], gap: float, panels: int | None, person: Person | None = None) -> None:
    """Open the lesson on these pages, `gap` seconds apart, and run its cells (or its first `panels`); wait for all."""
    async def one(page, wait):
        await asyncio.sleep(wait)
        try:
            await page.open()
            page.learner.run([cell for cell in page.cells if "panel(" in cell][:panels] if panels else page.cells)
            await asyncio.wait_for(page.learner.finished(), START)
        except Exception as error:
            page.learner.complaints.append(f"the lesson did not start: {error!r}")

    await asyncio.gather(*(one(page, gap * number) for number, page in enumerate(pages)),
                         *([person.call(person.run)] if person else []))


async def tell(pages: list[Page], say) -> None:
    """How far the start is."""
    while True:
        await asyncio.sleep(15)
        cells = [page.learner.total for page in pages if page.learner.started]
        left = sum(len(page.learner._cells) for page in pages)
        say(f"  {len(cells)} kernels, {sum(cells) - left} of {sum(cells)} cells done")


async def play(pages: list[Page], seconds: float, meter: Meter, person: Person | None = None) -> None:
    """Let everybody move sliders, then wait for the last pictures."""
    pages = [page for page in pages if page.learner.views]
    for page in pages:
        for view in page.learner.views:
            view.moves.clear()
    seeds = np.random.SeedSequence(len(pages)).spawn(len(pages) + 1)
    browsing = asyncio.ensure_future(person.call(person.play, seconds, np.random.default_rng(seeds[-1]))) if person else None
    with meter:
        await asyncio.gather(*(page.learner.play(seconds, np.random.default_rng(seed))
                               for page, seed in zip(pages, seeds[:-1], strict=True)))
    await asyncio.gather(*(page.learner.settle() for page in pages))
    if browsing:
        await browsing


def server_of(address: str) -> psutil.Process:
    """The process of a server that this one has started."""
    port = f"--port={address.rpartition(':')[2]}"
    return next(child for child in psutil.Process().children() if port in child.cmdline())


@dataclasses.dataclass
class Row:
    """What was measured with so many learners; times in seconds, memory in bytes."""

    learners: int
    moves: list[Move]
    seconds: float
    memory: np.ndarray  # the peaks of Meter's samples
    processor: float  # cores that the server and its kernels used, on average
    own: float  # the same for this program (and nothing of the browser)
    others: float  # and for all others: the browser, the rest of the machine

    @property
    def answered(self) -> np.ndarray:
        """Seconds to the first picture, for every move that got one. (A setting without a study gets a sentence.)"""
        return np.array([move.first - move.sent for move in self.moves if not move.lost and not move.problem])

    @property
    def refined(self) -> np.ndarray:
        """Seconds to the refined picture; infinite where the learner moved on before."""
        return np.array([move.refined - move.sent if move.refined else np.inf
                         for move in self.moves if not move.problem])

    @property
    def lost(self) -> int:
        return sum(move.lost for move in self.moves)

    @property
    def overtaken(self) -> int:
        return sum(move.overtaken for move in self.moves)


def quantile(values: np.ndarray, share: float) -> float:
    """A quantile without interpolation, because a refinement may be infinitely far."""
    return float(np.quantile(values, share, method="higher")) if len(values) else np.nan


@dataclasses.dataclass
class Found:
    """All that a run has measured."""

    rows: list[Row] = dataclasses.field(default_factory=list)
    complaints: list[str] = dataclasses.field(default_factory=list)
    opening: list[float] = dataclasses.field(default_factory=list)  # opened until the kernel answers
    panel: list[float] = dataclasses.field(default_factory=list)  # "run all" until the first panel
    ready: list[float] = dataclasses.field(default_factory=list)  # "run all" until the last cell
    alone: tuple[float, float, float] = (np.nan,) * 3  # the same three for one learner
    start_memory: np.ndarray | None = None
    start_processor: float = np.nan  # seconds of processor time for one learner's lesson
    start_others: float = np.nan
    lesson_bytes: float = np.nan  # received while the lesson ran
    person: Person | None = None


async def measure(address: str, folder: Path, sizes, seconds: float, *, gap: float = 0, panels: int | None = None,
                  browser: bool = False, alone: bool = True, say=print) -> Found:
    """Start as many learners as the largest size, let them move sliders, and let some leave for every smaller size."""
    found, server, sizes = Found(), server_of(address), sorted(sizes, reverse=True)
    person = None
    if browser:
        say("A browser opens the lesson")
        person = found.person = Person(address, folder, "browser")
        await person.call(person.open)
    pages = [Page(address, folder, f"learner-{number:02}") for number in range(1, sizes[0] + (not browser))]
    say(f"{sizes[0]} learners run the lesson")
    with Meter(server) as meter:
        telling = asyncio.ensure_future(tell(pages, say))
        await start(pages, gap, panels, person)
        telling.cancel()
    good = [page.learner for page in pages if page.learner.ready]
    found.opening = [page.opening for page in pages if page.learner.ready]
    found.panel = [learner.first_panel - learner.started for learner in good]
    found.ready = [learner.ready - learner.started for learner in good]
    found.lesson_bytes = float(np.mean([learner.received for learner in good])) if good else np.nan
    found.start_memory = np.max(meter.samples, axis=0)
    found.start_others = meter.others / meter.seconds
    say(f"  all cells after {max(found.ready, default=np.nan):.0f} s; other programs used {found.start_others:.2f} cores meanwhile")
    for size in sizes:
        if person and size < sizes[0]:
            found.complaints += [f"browser: {complaint}" for complaint in person.complaints]
            await person.call(person.close)
            person = None
        leaving, pages = pages[size:], pages[:size]
        found.complaints += [complaint for page in leaving for complaint in page.learner.complaints]
        await asyncio.gather(*(page.close() for page in leaving))
        await asyncio.sleep(1)
        meter = Meter(server)
        await play(pages, seconds, meter, person)
        row = Row(size, [move for page in pages for move in page.learner.moves], seconds, np.max(meter.samples, axis=0),
                  meter.used / meter.seconds, meter.own / meter.seconds, meter.others / meter.seconds)
        found.rows.insert(0, row)
        say(f"{size} learners: {len(row.moves)} moves, first picture {1000 * quantile(row.answered, 0.5):.0f} ms, "
            f"95th percentile {1000 * quantile(row.answered, 0.95):.0f} ms, worst {1000 * max(row.answered, default=np.nan):.0f} ms, "
            f"{row.lost} lost, {row.overtaken} overtaken, {np.isfinite(row.refined).mean():.0%} refined; "
            f"{row.memory[0] / 1e6:.0f} MB; cores {row.processor:.2f}, this program {row.own:.2f}, others {row.others:.2f}")
    if person:
        found.complaints += [f"browser: {complaint}" for complaint in person.complaints]
        await person.call(person.close)
    found.complaints += [complaint for page in pages for complaint in page.learner.complaints]
    await asyncio.gather(*(page.close() for page in pages))
    if alone:
        await asyncio.sleep(1)
        say("One learner runs the lesson alone")
        page = Page(address, folder, "alone")
        used = Meter(server).processor()
        await start([page], 0, panels)
        if page.learner.ready:
            learner = page.learner
            found.start_processor = Meter(server).processor() - used
            found.alone = (page.opening, learner.first_panel - learner.started, learner.ready - learner.started)
        found.complaints += page.learner.complaints
        await page.close()
    return found


def ms(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms"


def mb(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"


def line(x, y) -> tuple[float, float, float]:
    """Intercept and slope of a straight line through points, and the largest distance from it."""
    slope, intercept = np.polyfit(x, y, 1)
    return float(intercept), float(slope), float(np.abs(np.polyval([slope, intercept], x) - y).max())


def answers_line(row: Row) -> str:
    refined = f"{quantile(row.refined, 0.5):.1f} s" if np.isfinite(quantile(row.refined, 0.5)) else "not in time"
    return (f"| {row.learners} | {len(row.moves)} | {ms(quantile(row.answered, 0.5))} | {ms(quantile(row.answered, 0.95))} "
            f"| {ms(max(row.answered, default=np.nan))} | {row.lost} | {row.overtaken} | {refined} "
            f"| {np.isfinite(row.refined).mean():.0%} |")


def resources_line(row: Row) -> str:
    return (f"| {row.learners} | {mb(row.memory[0])} | {mb(row.memory[0] / row.learners)} | {mb(row.memory[1])} "
            f"| {row.processor:.2f} | {row.own:.2f} | {row.others:.2f} |")



def page(found: Found, today: str, minutes: float, panels: int | None = None, gap: float = 0) -> str:
    """The text of LOAD.md."""
    rows = found.rows
    last, one = rows[-1], rows[0]
    sizes = [row.learners for row in rows]
    base, each, off = line(sizes, [row.memory[0] for row in rows])
    start, growth, distance = line(sizes, [1000 * quantile(row.answered, 0.95) for row in rows])
    moves = [move for row in rows for move in row.moves if not move.problem and not move.lost]
    single = [move for move in moves if not move.drag]
    drags = [move for move in moves if move.drag]
    answers = last.answered
    lost, overtaken = sum(row.lost for row in rows), sum(row.overtaken for row in rows)
    problems = sum(bool(move.problem) for row in rows for move in row.moves)
    kilobytes = {
        "first": np.mean([move.first_bytes for move in single]) / 1000,
        "move": np.mean([move.bytes for move in single]) / 1000,
        "minute": np.mean([move.during for move in drags]) / DRAG * 60 / 1e6 if drags else np.nan,
    }
    traffic = sum(move.bytes for move in last.moves) / last.seconds * 8 / 1e6
    # On a hub everybody has a server of their own: what one learner needs here.
    own = max(one.memory[0], one.memory[2] + one.memory[3])
    limit = -(-1.4 * own // 50e6) * 50e6
    quiet = [row for row in rows if quantile(row.answered, 0.95) <= GOOD]
    cores = max(row.processor / row.learners for row in rows)
    room = (f"With up to {max(row.learners for row in quiet)} learners on these {os.cpu_count()} cores" if quiet
            else "Not even with one learner")
    most = max(row.memory[0] / row.learners for row in rows)
    verdict = "No move was lost and nothing went wrong." if not lost and not found.complaints else (
        f"**{lost} moves were lost and {len(found.complaints)} other things went wrong.**")
    wrong = "".join(f"- `{complaint[:200]}`\n" for complaint in sorted(set(found.complaints)))
    browser = found.person
    cells = f"only the cells of its first {panels} panels" if panels else "all of its cells"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return f"""# Many learners on one server

How many people one machine can serve, and what to plan for each of them. Measured and written by `make load`, not typed.

{today}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}; {minutes:.0f} minutes. {verdict}

{wrong}
How long a move takes, while all of them move sliders:

| learners | moves | first picture, median | 95th percentile | worst | lost | overtaken | refined, median | refined in time |
|-|-|-|-|-|-|-|-|-|
{chr(10).join(map(answers_line, rows))}

What that needs:

| learners | memory | per learner | (sum of RSS) | cores, server and kernels | this program | all others |
|-|-|-|-|-|-|-|
{chr(10).join(map(resources_line, rows))}

**Growth.** Memory is about {base / 1e6:.0f} MB + {each / 1e6:.0f} MB for each learner (the table differs from this line by {off / 1e6:.0f} MB at most). The aim was at most {mb(AIM)} for each learner: {"reached" if most <= AIM else "**not reached**"}. The 95th percentile of a move is about {start:.0f} ms + {growth:.0f} ms for each learner (the table differs by {distance:.0f} ms at most).

**The start.** {last.learners} learners opened lesson 05 and ran {cells} {f"{gap:.0f} s apart" if gap else "at the same moment, which is the worst moment of a workshop"}. Slowest and median of them, and one learner alone:

| | {last.learners} learners, slowest | median | alone |
|-|-|-|-|
| opened until the kernel answers | {max(found.opening):.0f} s | {np.median(found.opening):.0f} s | {found.alone[0]:.1f} s |
| "run all" until the first panel | {max(found.panel):.0f} s | {np.median(found.panel):.0f} s | {found.alone[1]:.1f} s |
| "run all" until the last cell is done | {max(found.ready):.0f} s | {np.median(found.ready):.0f} s | {found.alone[2]:.0f} s |

One lesson takes {found.start_processor:.0f} s of processor time, kernel and imports included. The highest memory during the start was {mb(found.start_memory[0])}.

## What to plan

| for each learner | |
|-|-|
| memory, all on one Jupyter server | {mb(each)}, and {mb(max(base, 0))} for the server |
| memory, with a server of their own (a hub) | {mb(own)}; as a limit {mb(limit)} (40 % more, rounded up) |
| memory, every further notebook that is open at the same time | {mb(max(row.memory[2] for row in rows))}: close those that are done |
| processor, while moving sliders all the time | up to {cores:.2f} cores, where there are enough |
| network, first visit of JupyterLab and this lesson | {browser.loads[0] / 1e6:.1f} MB |
| network, next visit | {browser.loads[1] / 1e6:.1f} MB |
| network, running all cells of the lesson | {found.lesson_bytes / 1e6:.1f} MB |
| network, one move: the first picture | {kilobytes['first']:.0f} kB |
| network, one move with its refinement | {kilobytes['move']:.0f} kB |
| network, a minute of dragging without a pause | {kilobytes['minute']:.1f} MB |

- **One machine for a room** (a laptop or a server with one JupyterLab for all). {room}, 95 of 100 moves were answered within {1000 * GOOD:.0f} ms. {last.learners} learners on these {os.cpu_count()} cores waited {ms(quantile(answers, 0.95))} at the 95th percentile. A room does not move sliders all the time, as these learners did. One JupyterLab for all has one folder and no passwords between people: everybody can read and change everybody's notebooks.
- **"Run all" is the worst moment.** Ask people to run cell by cell, as they read. Or let them open the lesson and run all some minutes before the session begins.
- **A JupyterHub.** The Littlest JupyterHub recommends as memory the largest number of people at the same time × the most that one of them may use + 128 MB, and 20 to 40 % of room above what you measured; as processors the number of people × the most that one uses + 20 % of a core [[The Littlest JupyterHub](https://tljh.jupyter.org/en/latest/howto/admin/resource-estimation.html)]. For 20 people and the limit above that is {(20 * limit + 128e6) / 1e9:.1f} GB. The limit itself: `sudo tljh-config set limits.memory {limit / 1e6:.0f}M`, then `sudo tljh-config reload`.
- **Binder.** mybinder.org guarantees 1 GB of memory to everybody and allows 2 GB at most; a session ends after 10 minutes without activity and lasts up to six hours, or up to one hour of processor time; 100 people at most may use one repository at the same time [[mybinder.org's guidelines](https://mybinder.readthedocs.io/en/latest/about/user-guidelines.html)]. This lesson needs {own / 1e9:.2f} GB and {found.start_processor:.0f} s of processor time; an hour of processor time is also {3600 / cores / 60:.0f} minutes of moving sliders without a pause. So memory is no problem. Start it some minutes early, because the first start of the day may have to fetch or build the course.
- **Weak Wi-Fi.** {last.learners} learners who all moved sliders received {traffic:.0f} Mbit/s in all. Let them load JupyterLab and the lesson before the session ({last.learners} × {browser.loads[0] / 1e6:.1f} MB). Ask them to press the arrow keys, or to click on the slider's track, rather than to drag: a drag asks for a picture of every position on the way. Or let everybody run the course on their own machine; then it needs no network at all.

## How it was measured

A *learner* is a kernel of its own and a program that says to it what JupyterLab's page says: it opens a copy of lesson 05, runs {cells}, asks the server for its sessions every {POLL} seconds, and moves sliders. A move begins every {np.mean(PAUSE):.0f} seconds on average (evenly between {PAUSE[0]:.0f} and {PAUSE[1]:.0f}), whether or not the last one was answered; every fifth is a drag of {POSITIONS} positions within {1000 * DRAG:.0f} ms; after five moves the learner turns to the next panel. While the kernel is busy with a change, newer ones are held back and merged, as ipywidgets does it. Seeds are fixed. Everybody moves for {last.seconds:.0f} s; then some learners leave, their kernels are stopped, and the rest is measured again on the same server.

- *First picture*: from the last position of a move to the arrival of a picture of it. *Refined*: until the picture with all studies. *Refined in time*: the share of the moves that were, before the learner moved the same panel on.
- *Lost*: no picture of this position or a newer one ever came. *Overtaken*: the first picture was of a newer position, because the learner had moved on. {overtaken} of {sum(len(row.moves) for row in rows)} moves were overtaken. {problems} moves went to settings that no study can have; they got their sentence, and count only as not lost.
- *Wrong* would also be any error or warning in a cell, a figure that fails, a kernel that dies, a connection that closes.
- *Memory*: proportional set sizes of the server and its kernels, added, at their highest: what several processes share is counted once. A sum of resident set sizes (RSS) counts it again for each. *Per learner* is the sum divided by the number, the server's share included. A server keeps what it once needed, so the figures for few learners are a little high.
- *Cores* are averages over the moves. The program that plays the learners shares the machine with them. *All others* is everything else that ran: with {last.learners} learners the browser (and the driver that presses its keys), and whatever else this machine had to do; {found.start_others:.2f} cores during the start. On a machine that is busy otherwise, all times are longer.
- *The browser*: one of the {last.learners} was a real one (Chromium, on the same machine), with keys on the sliders, timed from the key to the frame that shows the picture. {browser_line(browser, last)}
- *Not measured*: the time on a network, encryption, and the proxy of a hub.
"""


def browser_line(person: Person, row: Row) -> str:
    return (f"Its {len(person.first)} moves took {ms(quantile(np.array(person.first), 0.5))} in the median and "
            f"{ms(quantile(np.array(person.first), 0.95))} at the 95th percentile; those of the {row.learners - 1} others "
            f"{ms(quantile(row.answered, 0.5))} and {ms(quantile(row.answered, 0.95))}. "
            f"Its last cell was done after {person.starting:.0f} s.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, help="numbers of learners; without them, all, and the page is written")
    parser.add_argument("--seconds", type=float, default=35, help="of moving, for each number")
    parser.add_argument("--gap", type=float, default=0, help="seconds between the starts of two learners")
    parser.add_argument("--panels", type=int, help="run only the cells of so many panels")
    parser.add_argument("--browser", action="store_true", help="with a real browser, even if no page is written")
    parser.add_argument("--write", action="store_true", help="write the page for these numbers")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="for the server's environment")
    arguments = parser.parse_args()
    whole = not arguments.sizes or arguments.write
    if whole and not find_chromium():
        sys.exit("The page needs a browser as well. Install Chromium or Chrome, or set CHROMIUM to its path.")
    began = time.perf_counter()

    def say(text):
        print(f"{time.perf_counter() - began:4.0f} s  {text}", flush=True)

    environment = dict(pair.split("=", 1) for pair in arguments.set)
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), **environment) as address:
        found = asyncio.run(measure(
            address, Path(folder), arguments.sizes or SIZES, arguments.seconds, gap=arguments.gap, say=say,
            panels=arguments.panels, browser=whole or arguments.browser))
    say(f"alone: kernel {found.alone[0]:.1f} s, first panel {found.alone[1]:.1f} s, all cells {found.alone[2]:.0f} s")
    for complaint in found.complaints:
        print(f"WRONG: {complaint}")
    if whole:
        PAGE.write_text(page(found, datetime.date.today().isoformat(), (time.perf_counter() - began) / 60,
                             arguments.panels, arguments.gap), encoding="utf-8")
        print(f"Written: {PAGE.name}")
    lost = sum(row.lost for row in found.rows)
    print(f"Lost moves: {lost}. Other complaints: {len(found.complaints)}.")
    return 1 if lost or found.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
