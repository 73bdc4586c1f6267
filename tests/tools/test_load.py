"""The load test: what it counts, and two learners on a real server."""

import asyncio

import learners
import load
import numpy as np
import pytest
from live_lab import serve


class Kernel:
    """A kernel with one panel that answers at once; `loses` names turns that it never answers."""

    def __init__(self, loses=(), problem="", slow=False):
        self.learner, self.loses, self.problem, self.slow = None, loses, problem, slow
        self.heard, self.unanswered = [], []

    def hear(self, channel, message):
        content = message["content"]
        if message["header"]["msg_type"] == "create_subshell_request":
            assert channel == "control"
            self.say("create_subshell_reply", {"subshell_id": "sub"}, channel="control")
        elif message["header"]["msg_type"] == "comm_msg":
            assert (
                channel == "shell" and message["header"]["subshell_id"] == "sub" and content["comm_id"] == "c"
            )
            assert list(content["data"]["state"]) == ["position"]
            self.heard.append(content["data"]["state"]["position"])
            self.unanswered.append((message, self.heard[-1]))
            if not self.slow:
                self.answer()

    def answer(self):
        """Deal with the oldest change: idle, a first picture, the refined one."""
        message, position = self.unanswered.pop(0)
        self.say("status", {"execution_state": "idle"}, parent=message["header"]["msg_id"])
        if position["turn"] not in self.loses:
            for repeats in (10, 1000):
                self.show(position["turn"], repeats)

    def show(self, turn, repeats):
        shown = {"turn": turn, "sentence": "", "repeats": repeats, "of": 1000, "problem": self.problem}
        data = {"method": "update", "state": {"shown": shown, "numbers": [{}]}}
        self.say("comm_msg", {"comm_id": "c", "data": data}, size=5000)

    def say(self, kind, content, parent=None, channel="iopub", buffers=0, size=100):
        message = {"header": {"msg_type": kind}, "parent_header": {"msg_id": parent}, "content": content}
        self.learner.receive(channel, message, size, buffers)

    def open(self):
        self.learner = learners.Learner(self.hear)
        controls = [{"name": "n", "texts": ["20", "30", "40", "50"]}, {"name": "effect", "texts": ["0", "1"]}]
        state = {"position": {"turn": 0, "at": {"n": 2, "effect": 0}, "seed": 0}, "controls": controls}
        for comm, data in ("c", {"state": state}), ("layout", {"state": {"width": None}}):
            self.say("comm_open", {"target_name": "jupyter.widget", "comm_id": comm, "data": data})
        return self.learner.views[0]


def moved(view, *path):
    move = view.begin(len(path), 0)
    for n in path:
        view.set({"n": n, "effect": 0})
    return move


def row(*moves):
    return load.Row(1, list(moves), 1, np.ones(4), 0, 0, 0)


def test_a_move_that_is_answered_is_timed_until_its_first_picture():
    kernel = Kernel()
    view = kernel.open()
    move = moved(view, 1)
    assert (move.turn, move.drag, move.lost, move.overtaken) == (1, False, False, False)
    assert move.first > 0 and move.refined >= move.first
    assert (move.bytes, move.first_bytes) == (10_000, 5000)
    assert view.quiet and not kernel.learner.complaints


def test_a_move_that_the_server_loses_is_counted_as_lost():
    kernel = Kernel(loses=[2])
    view = kernel.open()
    moves = moved(view, 1), moved(view, 0)
    assert [move.lost for move in moves] == [False, True]
    assert row(*moves).lost == 1 and not view.quiet
    assert len(row(*moves).answered) == 1 and np.isinf(row(*moves).refined[1])


def test_a_move_that_is_answered_by_a_newer_picture_is_overtaken_and_not_lost():
    kernel = Kernel(loses=[1])
    view = kernel.open()
    moves = moved(view, 1), moved(view, 0)
    assert [(move.lost, move.overtaken) for move in moves] == [(False, True), (False, False)]
    assert row(*moves).overtaken == 1 and moves[0].refined is None


def test_an_older_picture_answers_nothing():
    kernel = Kernel(loses=[1, 2])
    view = kernel.open()
    move = moved(view, 1, 0)
    kernel.show(1, 10)
    assert move.lost
    kernel.show(2, 10)
    assert not move.lost and move.refined is None and not view.quiet


def test_a_message_without_a_picture_answers_nothing_before_there_is_one():
    kernel = Kernel(loses=[1])
    view = kernel.open()
    move = moved(view, 1)
    shown = {"turn": 1, "sentence": "", "repeats": 10, "of": 1000, "problem": ""}
    kernel.say("comm_msg", {"comm_id": "c", "data": {"method": "update", "state": {"shown": shown}}})
    assert move.lost


def test_changes_are_held_back_and_merged_while_the_kernel_is_busy():
    """As ipywidgets' WidgetModel does: one message on its way, and then one more with the newest state."""
    kernel = Kernel(slow=True)
    view = kernel.open()
    move = moved(view, 1, 0, 1, 2, 3)
    assert [position["turn"] for position in kernel.heard] == [1]
    kernel.answer()
    assert [position["turn"] for position in kernel.heard] == [1, 5] and kernel.heard[-1]["at"]["n"] == 3
    assert move.lost
    kernel.answer()
    assert not move.lost and not move.overtaken and move.during == 0
    assert view.pending == 0 and view.held is None


@pytest.mark.parametrize(
    "kind, content, complaint",
    [
        ("error", {"ename": "ValueError", "evalue": "no"}, "ValueError: no"),
        ("stream", {"name": "stderr", "text": "a warning\n"}, "a warning"),
        ("status", {"execution_state": "dead"}, "the kernel is dead"),
    ],
)
def test_what_goes_wrong_is_noted(kind, content, complaint):
    kernel = Kernel()
    kernel.open()
    kernel.say("stream", {"name": "stdout", "text": "fine"})
    assert not kernel.learner.complaints
    kernel.say(kind, content)
    assert kernel.learner.complaints == [complaint]


def test_a_failed_figure_is_noted_and_an_impossible_setting_is_not():
    kernel = Kernel(problem="Too many features. Move a slider back, or press Reset.")
    move = moved(kernel.open(), 1)
    assert not move.lost and move.problem and not kernel.learner.complaints and not len(row(move).answered)
    kernel = Kernel(problem=f"{learners.FAILURE} with these settings (ValueError).")
    moved(kernel.open(), 1)
    assert set(kernel.learner.complaints) == {kernel.problem}


def test_a_cell_that_fails_is_noted():
    sent, done = [], []
    learner = learners.Learner(lambda channel, message: sent.append(message["header"]["msg_id"]))

    async def scenario():
        learner.run(["1", "2"])
        for parent, status in zip(sent, ("ok", "error"), strict=True):
            done.append(learner.ready)
            learner.receive(
                "shell",
                {
                    "header": {"msg_type": "execute_reply"},
                    "parent_header": {"msg_id": parent},
                    "content": {"status": status},
                },
                10,
                0,
            )
        await asyncio.wait_for(learner.finished(), 1)

    asyncio.run(scenario())
    assert done == [None, None] and learner.ready and learner.complaints == ["a cell ended with 'error'"]


def test_a_person_moves_from_where_the_slider_is_and_never_beyond_its_ends():
    view, rng = Kernel().open(), np.random.default_rng(0)
    for _ in range(100):
        path = learners.positions(view, learners.POSITIONS, rng)
        assert len(path) == learners.POSITIONS
        for before, after in zip([view.position["at"], *path], path, strict=False):
            steps = [abs(after[name] - before[name]) for name in before]
            assert sorted(steps) == [0, 1] and all(0 <= after[name] <= view.ends[name] for name in after)


def test_the_line_through_the_figures():
    assert load.line([1, 2, 5], [12, 14, 20]) == pytest.approx((10, 2, 0))


def test_two_learners_lose_no_move(tmp_path):
    """Two panels of lesson 05 on a real server."""
    with serve(tmp_path) as address:
        found = asyncio.run(load.measure(address, tmp_path, [2], 5, panels=2, by_oneself=False))
    moves = found.rows[0].moves
    assert found.complaints == [] and len(found.ready) == 2
    assert len(moves) >= 3 and not any(move.lost for move in moves)
    assert all(move.first > move.sent for move in moves)
    assert any(move.refined for move in moves)
    assert found.rows[0].memory[0] > 2e8 and found.rows[0].processor > 0
    assert all(move.problem or move.first_bytes > 5000 for move in moves)


class Browsing:
    """What a browser has found."""

    def __init__(self):
        self.loads, self.first, self.starting, self.complaints = [12e6, 3e5], [0.1, 0.2], 80.0, []


def found(*, complaints=(), lost=False):
    rows = []
    for size in (1, 20):
        moves = [
            learners.Move(1, 0.0, first=0.1 * size, refined=2.0, bytes=90_000, first_bytes=30_000),
            learners.Move(2, 0.0, drag=True, first=0.1, bytes=90_000, first_bytes=30_000, during=60_000),
        ]
        if lost:
            moves.append(learners.Move(3, 0.0))
        rows.append(load.Row(size, moves, 35, np.array([3e8, 4e8, 2e8, 1e8]) * size, 0.2 * size, 0.01, 0.02))
    return load.Found(
        rows,
        list(complaints),
        [1.0],
        [2.0],
        [30.0],
        (1.0, 2.0, 30.0),
        np.array([7e9, 8e9, 3e8, 1e8]),
        25.0,
        0.05,
        1.2e6,
        Browsing(),
    )


def test_page():
    text = load.page(found(), "2026-01-01", 9)
    assert (
        "No move was lost and nothing went wrong." in text
        and "nan" not in text
        and "inf" not in text.replace("inform", "")
    )
    table = [line.split("|") for line in text.splitlines() if line.startswith(("| 1 |", "| 20 |"))]
    assert [[cell.strip() for cell in line[1:6]] for line in table] == [
        ["1", "2", "100 ms", "100 ms", "100 ms"],
        ["20", "2", "2,000 ms", "2,000 ms", "2,000 ms"],
        ["1", "300 MB", "300 MB", "400 MB", "0.20"],
        ["20", "6,000 MB", "300 MB", "8,000 MB", "4.00"],
    ]
    assert "Memory is about 0 MB + 300 MB for each learner" in text
    assert "at most 350 MB for each learner: reached" in text and "With up to 1 learners" in text
    text = load.page(found(complaints=["ValueError: no"], lost=True), "2026-01-01", 9)
    assert "**2 moves were lost and 1 other things went wrong.**" in text and "- `ValueError: no`" in text
