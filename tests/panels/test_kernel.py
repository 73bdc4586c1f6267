"""A kernel with two panels, without a browser: moves at once, and an interrupt."""

import os
import queue
import time

import pytest
from jupyter_client.manager import start_new_kernel


class Kernel:
    """A kernel and the front end of its widgets: their states, by their numbers."""

    def __init__(self, folder):
        self.manager, self.client = start_new_kernel(
            cwd=str(folder), env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
        )
        self.widgets = {}
        self.history = []

    def listen(self, done, seconds=60):
        until = time.monotonic() + seconds
        while not done():
            try:
                message = self.client.get_iopub_msg(timeout=0.5)
            except queue.Empty:
                assert time.monotonic() < until, "no answer"
                continue
            content, kind = message["content"], message["msg_type"]
            self.history.append((message["parent_header"].get("msg_id"), kind, content))
            if kind == "comm_open":
                self.widgets[content["comm_id"]] = content["data"]["state"]
            if kind in ("comm_open", "comm_msg") and content["data"].get("method", "update") == "update":
                state = self.widgets[content["comm_id"]]
                state |= content["data"]["state"]

    def run(self, code):
        """Run code; give what it raised, if anything."""
        asked = self.client.execute(code)
        self.listen(lambda: self.ended(asked))
        return [
            content["ename"] for parent, kind, content in self.history if parent == asked and kind == "error"
        ]

    def ended(self, asked):
        return any(
            parent == asked and kind == "status" and content["execution_state"] == "idle"
            for parent, kind, content in self.history
        )

    def panels(self):
        return [number for number, state in self.widgets.items() if "shown" in state]

    def move(self, number, turn, **at):
        position = {"turn": turn, "at": self.shown(number)["at"] | at, "seed": 0}
        data = {"method": "update", "state": {"position": position}, "buffer_paths": []}
        session = self.client.session
        self.client.shell_channel.send(session.msg("comm_msg", {"comm_id": number, "data": data}))

    def shown(self, number):
        return self.widgets[number]["shown"]

    def refined(self, number, turn):
        return (
            self.shown(number)["turn"] == turn and self.shown(number)["repeats"] == self.shown(number)["of"]
        )


PANELS = """
from simulations.cross_validation_pitfalls import repeated_scans, selection_outside_folds
from utils.panel import panel

one = panel(selection_outside_folds, repeats=200, n_features=[100, 300], start={"n_features": 100})
two = panel(repeated_scans, repeats=200, scans_per_subject=range(2, 6), start={"scans_per_subject": 3})
"""


@pytest.fixture(scope="module")
def kernel(course):
    kernel = Kernel(course)
    assert kernel.run(PANELS) == []
    yield kernel
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)


def test_two_panels_moved_at_once_show_what_each_shows_alone(kernel):
    one, two = kernel.panels()
    kernel.move(one, 1, n_features=1)
    kernel.move(two, 1, scans_per_subject=2)
    kernel.listen(lambda: kernel.refined(one, 1) and kernel.refined(two, 1))
    quiet = {}
    exec(PANELS, quiet)
    for number, alone in (one, quiet["one"]), (two, quiet["two"]):
        alone.position = {name: kernel.shown(number)[name] for name in ("turn", "at", "seed")}
        assert kernel.shown(number) == alone.shown
        assert kernel.widgets[number]["numbers"] == alone.numbers != []


def test_an_interrupt_ends_the_cell_that_hangs_and_no_panel(kernel):
    one = kernel.panels()[0]
    turn = kernel.shown(one)["turn"]
    kernel.move(one, turn + 1, n_features=0)
    kernel.listen(lambda: kernel.shown(one)["turn"] == turn + 1)
    kernel.manager.interrupt_kernel()  # in the middle of a refinement
    hangs = kernel.client.execute("import time; time.sleep(600)")
    kernel.move(one, turn + 2, n_features=1)
    time.sleep(0.3)
    kernel.manager.interrupt_kernel()
    kernel.listen(lambda: kernel.ended(hangs) and kernel.refined(one, turn + 2))
    raised = [content["ename"] for _, kind, content in kernel.history if kind == "error"]
    assert raised == ["KeyboardInterrupt"]
