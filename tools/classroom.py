"""A room of learners on one Jupyter server: their connections, a browser among them, and what the server
needs.

For the load test, tools/load.py.
"""

import asyncio
import concurrent.futures
import contextlib
import json
import shutil
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
from bench_panels import WATCH
from jupyter_client.jsonutil import json_default
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from learners import DRAG, DRAGS, PAUSE, POSITIONS, Learner
from live_lab import Browser
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

LESSON = next((Path(__file__).resolve().parent.parent / "lessons").glob("05_*.ipynb"))
SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"
LATE = 5  # seconds after the last move, in which a late picture may come to the browser
START = 1500  # seconds at most until everybody's lesson has run
POLL = 10  # seconds between JupyterLab's questions about sessions and kernels


def copy_lesson(folder: Path, name: str) -> str:
    """Give somebody a copy of the lesson; its path on the server."""
    (folder / name).mkdir()
    shutil.copy(LESSON, folder / name)
    return f"{name}/{LESSON.name}"


class Page:
    """A learner's connection to the server."""

    def __init__(self, address: str, folder: Path, name: str):
        self.address, self.path = address, copy_lesson(folder, name)
        self.learner = Learner(self._send)
        self._closing = False
        self._tasks = []

    async def open(self) -> None:
        """Load the notebook, start its kernel, and connect to it."""
        began = time.perf_counter()
        self._http = httpx.AsyncClient(base_url=self.address, timeout=120)
        await self._http.get("/lab")  # gives the cookie without which a server takes no orders
        self._http.headers["X-XSRFToken"] = self._http.cookies["_xsrf"]
        notebook = await self._http.get(f"/api/contents/{self.path}", params={"content": 1})
        cells = notebook.raise_for_status().json()["content"]["cells"]
        self.cells = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        wanted = {"path": self.path, "name": LESSON.name, "type": "notebook", "kernel": {"name": "python3"}}
        session = (await self._http.post("/api/sessions", json=wanted)).raise_for_status().json()
        self._session = session["id"]
        channels = f"/api/kernels/{session['kernel']['id']}/channels?session_id={self.learner.session}"
        cookies = "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())
        request = HTTPRequest(
            self.address.replace("http", "ws", 1) + channels,
            headers={"Cookie": cookies},
            connect_timeout=120,
            request_timeout=120,
        )
        self._socket = await websocket_connect(
            request,
            subprotocols=[SUBPROTOCOL],
            max_message_size=2**28,
            on_message_callback=self._receive,
        )
        if self._socket.selected_subprotocol != SUBPROTOCOL:
            raise RuntimeError(f"The server does not speak {SUBPROTOCOL}.")
        self._tasks.append(asyncio.create_task(self._poll()))
        self.opening = time.perf_counter() - began

    async def run(self, panels: int | None) -> None:
        """Open the lesson and run its cells, or those of its first `panels`."""
        try:
            await self.open()
            cells = [cell for cell in self.cells if "panel(" in cell][:panels] if panels else self.cells
            self.learner.run(cells)
            await asyncio.wait_for(self.learner.finished(), START)
        except Exception as error:
            self.learner.complaints.append(f"the lesson did not start: {error!r}")

    async def _poll(self):
        while True:
            await asyncio.sleep(POLL)
            for what in ("sessions", "kernels"):
                await self._http.get(f"/api/{what}")

    def _send(self, channel, message):
        packed = serialize_msg_to_ws_v1(
            message, channel, lambda part: json.dumps(part, default=json_default).encode()
        )
        self._socket.write_message(packed, binary=True)

    def _receive(self, data):
        if data is not None:
            channel, parts = deserialize_msg_from_ws_v1(data)
            header, parent, _, content = (json.loads(part) for part in parts[:4])
            message = {"header": header, "parent_header": parent, "content": content}
            self.learner.receive(channel, message, len(data), len(parts) - 4)
        elif not self._closing:
            self.learner.fail("the websocket was closed")

    async def close(self) -> None:
        """Stop the kernel and leave."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(httpx.HTTPError, AttributeError):
            await self._http.delete(f"/api/sessions/{self._session}")
            self._socket.close()
            await self._http.aclose()


# The bytes of everything that a page has loaded.
LOADED = """() => ['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))
    .reduce((sum, entry) => sum + entry.transferSize, 0)"""
# Milliseconds from the key of a move to the first frame with a picture of it, or of a newer one.
ANSWER = """(panel, turn) => Math.min(...Object.entries(panel.bench.shown)
    .filter(([of]) => of >= turn).map(([of, time]) => time)) - panel.bench.keys[turn - 1]"""


class Person:
    """A learner with a real browser. Playwright wants to be called from one thread only: `call` does that."""

    def __init__(self, address: str, folder: Path, name: str):
        self._address, self._path = address, copy_lesson(folder, name)
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
            self.loads.append(self._notebook.page.evaluate(LOADED))
            if visit == 1:
                self._notebook.close()

    def run(self) -> None:
        began = time.perf_counter()
        self._notebook.run_all(START)
        self.starting = time.perf_counter() - began
        self.complaints += self._notebook.errors()
        self._panels = self._notebook.page.locator(".explorable").all()
        for panel in self._panels:
            show = panel.get_by_role("button", name="Show me")
            if show.is_visible():  # instead of a guess
                show.click()
            panel.evaluate(WATCH)

    def play(self, seconds: float, rng: np.random.Generator) -> None:
        """As `Learner.play`, with keys on the sliders; then "first", seconds to each picture."""
        turns, ends, begin = [0] * len(self._panels), [], time.perf_counter()
        at, number = rng.uniform(0, PAUSE[1]), 0
        while at < seconds:
            time.sleep(max(0, begin + at - time.perf_counter()))
            which = number // 5 % len(self._panels)
            turns[which] += self._move(self._panels[which], rng)
            ends.append((which, turns[which]))
            at += rng.uniform(*PAUSE)
            number += 1
        self._notebook.page.wait_for_timeout(1000 * LATE)
        self.first = []
        for which, turn in ends:
            answer = self._panels[which].evaluate(ANSWER, turn)
            if answer is None or not np.isfinite(answer):
                self.complaints.append("the browser never showed a move")
            else:
                self.first.append(answer / 1000)
        self.complaints += self._notebook.errors() + self._browser.complaints

    def _move(self, panel, rng) -> int:
        """Move a slider of a panel, or drag it; the number of keys."""
        sliders = panel.locator(".settings input[type=range]").all()
        slider = sliders[rng.integers(len(sliders))]
        value, last = int(slider.input_value()), int(slider.get_attribute("max"))
        step = rng.choice([-1, 1])
        slider.focus()
        start, keys = time.perf_counter(), POSITIONS if rng.random() < DRAGS else 1
        for key in range(keys):
            time.sleep(max(0, start + key * DRAG / (POSITIONS - 1) - time.perf_counter()))
            step = step if 0 <= value + step <= last else -step
            value += step
            self._notebook.page.keyboard.press("ArrowRight" if step > 0 else "ArrowLeft")
        return keys

    async def leave(self) -> list[str]:
        """Close the browser; what went wrong in it."""
        await self.call(self._notebook.close)
        await self.call(self._browser.__exit__)
        return [f"browser: {complaint}" for complaint in self.complaints]


class Meter:
    """Memory and processor time of a server and its kernels, as long as it is entered.

    Afterwards: `peak` (PSS of all, RSS of all, PSS of the largest kernel and of the server, in bytes), and
    the cores that were `used` by them, by this program (`own`) and by all `others`, on average.
    """

    def __init__(self, server: psutil.Process, every: float = 5.0):
        self._server, self._every = server, every
        self._samples = []

    def _family(self):
        return [self._server, *self._server.children(recursive=True)]

    def sample(self) -> None:
        pss, rss = [], []
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                memory = process.memory_full_info()
                pss.append(getattr(memory, "pss", memory.uss))
                rss.append(memory.rss)
        self._samples.append((sum(pss), sum(rss), max(pss[1:], default=0), pss[0]))

    def processor(self) -> float:
        """Seconds of processor time that the server and its kernels have used."""
        total = 0
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                total += sum(process.cpu_times()[:2])
        return total

    def _clocks(self) -> np.ndarray:
        return np.array([time.perf_counter(), self.processor(), time.process_time(), busy()])

    def __enter__(self):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._began = self._clocks()
        self._thread.start()
        return self

    def _watch(self):
        while not self._stop.wait(self._every):
            self.sample()

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join()
        self.sample()
        self.peak = np.max(self._samples, axis=0)
        seconds, used, own, everything = self._clocks() - self._began
        self.used, self.own = used / seconds, own / seconds
        self.others = max(0.0, everything - used - own) / seconds


def busy() -> float:
    """Seconds of processor time that all programs of this machine have used."""
    times = psutil.cpu_times()
    idle = ("idle", "iowait", "guest", "guest_nice")
    return sum(times) - sum(getattr(times, name, 0) for name in idle)


def server_of(address: str) -> psutil.Process:
    """The process of a server that this one has started."""
    port = f"--port={address.rpartition(':')[2]}"
    return next(child for child in psutil.Process().children() if port in child.cmdline())
