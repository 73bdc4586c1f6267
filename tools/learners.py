"""What an open page of JupyterLab says to its kernel, and what it hears: for the load test
(tools/load.py)."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
from jupyter_client.session import Session

# A person: seconds from the beginning of one move to that of the next, between these, evenly.
PAUSE = (1.0, 3.0)
DRAGS = 0.2  # the share of the moves that are drags
POSITIONS, DRAG = 10, 0.6  # positions of a drag, and the seconds that it takes
PATIENCE = 60  # seconds after the last move, in which a late picture may come

FAILURE = "This simulation cannot be shown"  # how utils.panel begins, when a simulation or a figure fails


@dataclass
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
    first_bytes: int = 0  # of the first picture
    during: int = 0  # bytes received before the last position of a drag

    @property
    def lost(self) -> bool:
        return self.first is None


class View:
    """A panel as the page holds it.

    What ipywidgets' WidgetModel does (`save_changes`, `sync`, `_handle_status`): while a change is on its
    way, that is until the kernel is idle after it, newer ones are merged, and sent in one message.
    """

    def __init__(self, comm: str, state: dict, send):
        self.comm, self._send = comm, send
        self.position = state["position"]
        self.ends = {control["name"]: len(control["texts"]) - 1 for control in state["controls"]}
        self.pending, self.held = 0, None
        self.moves: list[Move] = []
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
        shown = state.get("shown")
        if shown is None:
            return ""
        turn, problem = shown["turn"], shown["problem"]
        done = bool(problem) or shown["repeats"] >= shown["of"]
        if done:
            self.refined_turn = turn
        complete = bool(problem) or self._pictures > 0
        for move in self.moves:
            if complete and move.first is None and turn >= move.turn:
                move.first, move.first_bytes = now, size
                move.overtaken, move.problem = turn > move.turn, problem
            if done and move.refined is None and turn == move.turn:
                move.refined = now
        return problem if FAILURE in problem else ""

    @property
    def quiet(self) -> bool:
        """Everything that was asked for is shown and refined."""
        return self.held is None and (not self.moves or self.refined_turn == self.position["turn"])


class Learner:
    """What one open page says to its kernel, and what it hears; `send` takes channel and message."""

    def __init__(self, send, clock=time.perf_counter):
        self._send_message, self._clock = send, clock
        self._session = Session()
        self.views: list[View] = []
        self.complaints: list[str] = []
        self.received = 0  # bytes
        self.total = 0  # cells that were to be run
        self.started = self.first_panel = self.ready = None
        self._by_comm, self._by_message, self._cells = {}, {}, set()
        self._subshell = None  # None: not asked for. "": asked for.
        self._done = asyncio.Event()

    def _send(self, channel, kind, content, view=None, **header):
        message = self._session.msg(kind, content)
        message["header"] |= header
        if view:
            self._by_message[message["msg_id"]] = view
        self._send_message(channel, message)
        return message["msg_id"]

    def _send_state(self, view, data):
        # JupyterLab hands the messages of all widgets to one subshell, once the kernel has named it.
        header = {"subshell_id": self._subshell} if self._subshell else {}
        self._send("shell", "comm_msg", {"comm_id": view.comm, "data": data}, view, **header)

    def run(self, cells: list[str]) -> None:
        """Run all cells, as JupyterLab does: all requests at once, and none after one that failed."""
        self.started, self.ready, self.total = self._clock(), None, len(cells)
        self._done.clear()
        request = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
        request["stop_on_error"] = True
        self._cells = {self._send("shell", "execute_request", {"code": code, **request}) for code in cells}

    @property
    def session(self) -> str:
        return self._session.session

    @property
    def left(self) -> int:
        """Cells that are not done."""
        return len(self._cells)

    async def finished(self) -> None:
        await self._done.wait()

    def fail(self, complaint: str) -> None:
        """Note what ends this learner's lesson."""
        self.complaints.append(complaint)
        self._done.set()

    def receive(self, channel: str, message: dict, size: int, buffers: int) -> None:
        """Take a message of the kernel; `size` in bytes, and how many `buffers` it has."""
        self.received += size
        content, parent = message["content"], message["parent_header"].get("msg_id")
        match message["header"]["msg_type"]:
            case "status" if content["execution_state"] == "idle" and parent in self._by_message:
                self._by_message.pop(parent).idle()
            case "status" if content["execution_state"] in ("dead", "restarting"):
                self.complaints.append(f"the kernel is {content['execution_state']}")
            case "comm_open" if content["target_name"] == "jupyter.widget":
                self._opened(content)
            case "create_subshell_reply":
                self._subshell = content["subshell_id"]
            case "comm_msg" if content["comm_id"] in self._by_comm:
                self._updated(self._by_comm[content["comm_id"]], content["data"], size, buffers)
            case "error":
                self.complaints.append(f"{content['ename']}: {content['evalue']}")
            case "stream" if content["name"] == "stderr":
                self.complaints.append(content["text"].strip())
            case "execute_reply" if parent in self._cells:
                self._cells.discard(parent)
                if content["status"] != "ok":
                    self.complaints.append(f"a cell ended with {content['status']!r}")
                if not self._cells:
                    self.ready = self._clock()
                    self._done.set()

    def _opened(self, content):
        if self._subshell is None:
            self._subshell = ""
            self._send("control", "create_subshell_request", {})
        state = content["data"]["state"]
        if "position" in state and "controls" in state:
            view = View(content["comm_id"], state, self._send_state)
            self._by_comm[view.comm] = view
            self.views.append(view)
            self.first_panel = self.first_panel or self._clock()

    def _updated(self, view, data, size, buffers):
        if data.get("method") == "update":
            if complaint := view.update(data["state"], "numbers" in data["state"], size, self._clock()):
                self.complaints.append(complaint)

    async def play(self, seconds: float, rng: np.random.Generator) -> None:
        """Move the sliders of one panel after the other."""
        first = rng.integers(len(self.views))
        begin = self._clock()
        at, number = rng.uniform(0, PAUSE[1]), 0
        while at < seconds:
            await asyncio.sleep(max(0, begin + at - self._clock()))
            view = self.views[(first + number // 5) % len(self.views)]
            path = positions(view, POSITIONS if rng.random() < DRAGS else 1, rng)
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
