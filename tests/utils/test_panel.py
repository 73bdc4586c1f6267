"""The live panel without a browser: its logic, its fallback, and every panel of every lesson at its ends."""

import ast
import asyncio
import base64
import io
import itertools
import json
import threading
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from harness import ROOT, repetitions
from PIL import Image

import utils.panel
from simulations.an_external_table import external_scaling
from simulations.underfitting import tests_of_hidden_signal as hidden_signal
from utils.drawing import FEW, ridges
from utils.panel import _read, panel
from utils.simulation import Among, Number, Several, Studies, Whole, simulation

MOST = 16_000  # bytes of numbers that a move sends; most send less than 10,000
LESSONS = sorted((ROOT / "lessons").glob("*.ipynb"))


def make_tiny(draw=ridges, pause=0.0):
    """A simulation that takes as long as it is told, has a limit, and can break."""

    @simulation(block=10, draw=draw)
    class tiny:
        """Nothing but numbers."""

        n_scans = Whole(20, 1, 50, label="Scans", at=range(20, 61, 10))
        level = Number(0.5, 0, 1, label="Level", unit="points", at=[0, 0.25, 0.5, 0.75, 1])
        rule = Among("one", "other", doc="Not for learners.")
        sizes = Several(Whole(1), (1, 2))

        def recruit(p, rng, repeats):
            time.sleep(pause)
            blocks.append(p.n_scans)
            return Studies({"noise": rng.normal(0, 1 / p.n_scans, (repeats, 2))})

        def one(p, study):
            return {"reported": p.level + study.noise[0], "true": p.level + study.noise[1]}

        def analyse(p, s):
            if p.level == 1:
                raise ZeroDivisionError("a mistake of the authors")
            return {"reported": p.level + s.noise[:, 0], "true": p.level + s.noise[:, 1]}

        def read(p, draws):
            return f"{p.n_scans} scans at {p.level}: {draws['reported'].mean():.4f}"

    blocks = tiny.blocks = []
    return tiny


tiny = make_tiny()


@pytest.fixture
def make():
    return lambda **given: panel(tiny, **given)


@pytest.fixture
def slow():
    """A panel of 20 blocks of 10 ms; its simulation notes the parameters of every block that it computed."""
    return panel(make_tiny(pause=0.01), repeats=200)


def move(target, turn=None, seed=None, studies=None, **at):
    """What the front end does at a move."""
    position = target.position
    target.position = {
        "turn": position["turn"] + 1 if turn is None else turn,
        "at": position["at"] | at,
        "seed": position["seed"] if seed is None else seed,
        "studies": studies,
    }


async def settled(*panels, seconds=20):
    until = time.monotonic() + seconds
    while any(p.shown["turn"] != p.position["turn"] or p.shown["repeats"] != p.repeats for p in panels):
        assert time.monotonic() < until, "never refined"
        await asyncio.sleep(0.005)


# The controls


def test_positions_come_from_the_description_or_from_the_call(make):
    p = make()
    assert [c["label"] for c in p.controls] == ["Scans", "Level"]
    assert p.controls[1]["texts"] == ["0 points", "0.25 points", "0.5 points", "0.75 points", "1 point"]
    p = make(n_scans=[20, 30], rule=["one", "other"], level={"little": 0.25, "much": 0.5})
    assert [c["kind"] for c in p.controls] == ["slider", "choice", "choice"]
    assert p.controls[1]["texts"] == ["little", "much"] and p.parameters()["level"] == 0.5


def test_rounded_positions(make):
    assert make(level=np.arange(0, 1, 0.1), start={"level": 0.3}).moved["level"].texts[3] == "0.3 points"


def test_values_are_read_with_their_unit():
    assert [_read(value, "standard deviations") for value in (-1.5, 0, 1)] == [
        "−1.5 standard deviations", "0 standard deviations", "1 standard deviation",
    ]  # fmt: skip
    assert [_read(value, "%") for value in (0, 0.55, 0.683, 1)] == ["0 %", "55 %", "68.3 %", "100 %"]
    assert [_read(value, "% of a scan") for value in (0.02, 1)] == ["2 % of a scan", "100 % of a scan"]
    assert _read(1, "× background") == "1 × background" and _read(1, "") == "1"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"n_scan": [1, 2]}, r"tiny has no parameter 'n_scan'.*n_scans, level"),
        ({"folds": 5}, "no parameter 'folds'"),
        ({"start": {"fold": 5}}, "no parameter 'fold'"),
        ({"n_scans": [30, 40]}, r"'Scans' \(n_scans\) starts at 20"),
        ({"n_scans": [20]}, "two positions"),
        ({"start": {"n_scans": 25}}, r"'Scans' \(n_scans\) starts at 25"),
    ],
)
def test_an_impossible_panel_is_named(make, given, words):
    with pytest.raises(ValueError, match=words):
        make(**given)


def test_a_single_value_fixes_a_parameter(make):
    fixed = make(n_scans=30, rule="other", sizes=(3, 4))
    assert [control["name"] for control in fixed.controls] == ["level"]
    assert fixed.shown["sentence"].startswith("30 scans at 0.5")
    assert fixed.fixed == {"n_scans": 30, "rule": "other", "sizes": (3, 4)}


def test_the_code_of_one_study_is_sent_when_it_is_asked_for(make, monkeypatch):
    p, sent = make(), []
    monkeypatch.setattr(p, "send", lambda content, **more: sent.append(content))
    move(p, n_scans=1)
    p._asked(p, {"code": True}, [])
    assert "n_scans=30," in sent[0]["code"] and "def one(p, study):" in sent[0]["code"]


# What is shown


def test_first_thing_shown_is_refined(make):
    shown = make().shown
    assert shown["repeats"] == shown["of"] == 1000
    assert shown["sentence"] == tiny().sentence
    assert not shown["problem"]


def test_move_without_a_loop_computes_everything(make):
    p = make()
    move(p, n_scans=1, level=1)
    assert p.shown["sentence"] == tiny(n_scans=30, level=0.25).sentence
    assert p.shown["turn"] == 1 and p.shown["repeats"] == 1000


def test_only_numbers_are_sent_while_only_numbers_change(make, monkeypatch):
    p, sent = make(repeats=30), []
    monkeypatch.setattr(p, "_send", lambda message, buffers=None: sent.append(message))
    p.comm = p.comm or True
    move(p, n_scans=1)
    anew = make(repeats=30, start={"n_scans": 30})
    assert (p.charts, p.numbers) == (anew.charts, anew.numbers)
    changed = [set(message.get("state", ())) for message in sent]
    assert any("numbers" in one for one in changed) and not any("charts" in one for one in changed)


def test_a_chart_that_changes_is_sent():
    def draw(outcome):
        (only,) = ridges(outcome, label=outcome.sentence)
        return [only]

    p = panel(make_tiny(draw), repeats=10)
    before = p.charts
    move(p, n_scans=1)
    assert p.charts != before


def test_studies_one_by_one(make):
    p = make(repeats=500)
    assert p.one_by_one == FEW == 300
    move(p, studies=1)
    assert p.shown["repeats"] == p.shown["of"] == p.shown["studies"] == 1
    assert len(p.numbers[0]["dots"]["x"]) == 2 and p.numbers[0]["ridges"] == {"x": []}
    first = p.numbers[0]["dots"]["x"]
    move(p, studies=101)
    dots = p.numbers[0]["dots"]
    assert len(dots["x"]) == 202 and (dots["x"][0], dots["x"][101]) == tuple(first)
    assert max(dots["y"]) < 2, "they pile up inside the picture"
    move(p)
    assert p.numbers[0]["dots"] == {"x": []} and len(p.numbers[0]["ridges"]["x"]) > 100
    assert p.shown["repeats"] == 500


def test_a_figure_without_dots_has_no_steps_and_no_guess():
    def draw(outcome):
        return ridges(outcome)

    assert panel(make_tiny(draw), repeats=10).one_by_one == 0
    with pytest.raises(ValueError, match="tiny has no place for a guess"):
        panel(make_tiny(draw), repeats=10, guess={"reported": "How much?"})


def test_the_answer_to_a_guess(make):
    p = make(guess={"reported": "How much?"})
    assert p.guess == {"question": "How much?"}
    assert p.shown["answer"] == pytest.approx(tiny().draws["reported"].mean())
    assert make().guess == {} and make().shown["answer"] is None


def test_the_answer_may_be_one_position_or_how_often_p_is_small():
    p = panel(external_scaling, repeats=50, guess={("sensitivity", 1): "By its own mean?"})
    own_mean = external_scaling(repeats=50, **p.parameters()).draws["sensitivity"][:, 1]
    assert p.shown["answer"] == pytest.approx(own_mean.mean())
    test = "straight line, one measure"
    p = panel(hidden_signal, repeats=100, guess={test: "How often?"})
    found = hidden_signal(repeats=100, **p.parameters()).draws[test] <= 0.05
    assert p.shown["answer"] == found.mean() > 0


def test_positions_that_the_others_close_and_controls_without_effect():
    @simulation(block=10, draw=ridges)
    class tied:
        """The folds cannot outnumber the scans; the rate counts with the second rule alone."""

        n_scans = Whole(10, 1, label="Scans", at=[5, 10, 20])
        n_folds = Whole(5, 2, ("the number of scans", lambda p: p.n_scans), label="Folds", at=[2, 5, 10, 20])
        rule = Among("one", "other", label="Rule")
        rate = Number(0.5, 0, 1, label="Rate", at=[0, 0.5], when=lambda p: p.rule == "other")

        def recruit(p, rng, repeats):
            return Studies({"noise": rng.random((repeats, 2))})

        def analyse(p, s):
            return {"reported": s.noise[:, 0], "true": s.noise[:, 1]}

        def read(p, draws):
            return "Nothing."

    p = panel(tied, repeats=10)
    assert p.shown["closed"] == {"n_folds": [3]} and p.shown["idle"] == ["rate"]
    move(p, n_folds=2, rule=1)
    assert p.shown["closed"] == {"n_scans": [0], "n_folds": [3]} and p.shown["idle"] == []


def test_new_sample_and_back(make):
    p = make()
    before = p.shown["sentence"], p.numbers
    move(p, seed=1)
    assert p.shown["sentence"] == tiny(seed=1).sentence != before[0]
    move(p, seed=0)
    assert (p.shown["sentence"], p.numbers) == before


def test_impossible_setting_gives_a_sentence_and_loses_nothing(make):
    p = make()
    sentence = p.shown["sentence"]
    move(p, n_scans=4)
    assert p.shown["problem"] == (
        "“Scans” is 60, but it must be a whole number, from 1 to 50. Move a slider back, or press Reset."
    )
    assert p.numbers == [] and p.failure is None
    move(p, n_scans=0)
    assert not p.shown["problem"] and p.shown["sentence"] == sentence and p.numbers


def test_mistake_gives_a_sentence_and_is_logged(make, caplog, capsys):
    p = make()
    move(p, level=4)
    assert "cannot be shown with these settings (ZeroDivisionError)" in p.shown["problem"]
    assert isinstance(p.failure, ZeroDivisionError)
    assert "a mistake of the authors" in caplog.text
    assert "Traceback" not in "".join(capsys.readouterr())
    move(p, level=0)
    assert p.failure is None and p.numbers


def test_mistake_in_the_figure_is_no_dead_end(make):
    def draw(outcome):
        if outcome.parameters["level"] == 0:
            raise KeyError("nothing to draw")
        return ridges(outcome)

    p = panel(make_tiny(draw), repeats=10, level=[0, 0.5])
    move(p, level=0)
    assert "KeyError" in p.shown["problem"]
    move(p, level=1)
    assert not p.shown["problem"] and p.numbers


def test_start_that_cannot_be_shown(make):
    p = make(start={"n_scans": 60})
    data, _ = p._repr_mimebundle_()
    assert data["text/plain"] == p.shown["problem"] != ""
    assert "image/png" not in data


# Without a kernel


def test_output_holds_picture_and_sentence_of_the_start(make):
    p = make()
    first = p._repr_mimebundle_()
    move(p, n_scans=1)
    data, metadata = p._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert (data, metadata) == first
    assert data["text/plain"] == tiny().sentence == metadata["image/png"]["alt"]
    png = base64.b64decode(data["image/png"])
    assert len(png) <= 60_000
    # Sharp on a good screen, and not blurred by being stretched.
    assert Image.open(io.BytesIO(png)).width == pytest.approx(1.5 * metadata["image/png"]["width"], abs=1)


def test_a_learner_without_the_library_of_stills_gets_the_words(make, monkeypatch):
    monkeypatch.setattr(utils.panel.importlib.util, "find_spec", lambda name: None)
    data, metadata = make()._repr_mimebundle_()
    assert data["text/plain"] == tiny().sentence and "image/png" not in data and "image/png" not in metadata


def test_the_library_that_draws_is_sent_once_for_all_panels(make):
    one, other = make(), make()
    assert one.library is other.library and len(one.library._esm) > 500_000
    assert len(one._esm) < 40_000


def test_output_is_the_same_every_time(make):
    one, other = make()._repr_mimebundle_()[0], make()._repr_mimebundle_()[0]
    assert all(one[kind] == other[kind] for kind in ("text/plain", "image/png"))


# With an event loop: the newest position wins


def test_moves_are_answered_at_once_and_then_refined(slow):
    async def scenario():
        p = slow
        seen = []
        p.observe(lambda change: seen.append(change["new"]["repeats"]), "shown")
        began = time.perf_counter()
        move(p, n_scans=1)
        assert time.perf_counter() - began < 0.05, "the handler has to return at once"
        await settled(p)
        assert seen[0] < 60 and seen[-1] == 200 and seen == sorted(seen)
        assert p.shown["sentence"] == tiny(repeats=200, n_scans=30).sentence

    asyncio.run(scenario())


def test_of_many_moves_at_once_only_the_newest_is_computed(slow):
    async def scenario():
        p = slow
        p.run.blocks.clear()
        for at in (2, 1, 3):
            move(p, n_scans=at)
        await settled(p)
        assert set(p.run.blocks) == {50} and len(p.run.blocks) == 20

    asyncio.run(scenario())


def test_move_ends_the_refinement_before_it(slow):
    async def scenario():
        p = slow
        seen = []
        p.observe(lambda change: seen.append((change["new"]["turn"], change["new"]["repeats"])), "shown")
        p.run.blocks.clear()
        move(p, n_scans=1)
        while not seen:
            await asyncio.sleep(0.002)
        move(p, n_scans=2)
        await settled(p)
        assert p.run.blocks.count(30) < 20 and p.run.blocks.count(40) == 20
        assert (1, 200) not in seen and seen[-1] == (2, 200)
        assert [turn for turn, _ in seen] == sorted(turn for turn, _ in seen)

    asyncio.run(scenario())


@pytest.mark.parametrize("share, pause", [(1, 0.002), (0.5, 0.002 + 4 * 0.01), (0, 0.002 + 4 * 0.02)])
def test_refinement_makes_room_where_it_has_to_wait_for_a_processor(slow, monkeypatch, share, pause):
    """`share` of a processor is ours. Two blocks of 10 ms lie between two pauses."""
    now = [0.0]
    monkeypatch.setattr(utils.panel.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(utils.panel.time, "thread_time", lambda: now[0] * share)
    monkeypatch.setattr(utils.panel.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    p = slow
    pauses = list(p._steps(p.position))
    assert len(pauses) >= 5 and pauses == pytest.approx([pause] * len(pauses))
    # However busy the machine is, the refinement goes on.
    monkeypatch.setattr(utils.panel, "LISTEN", 10 * utils.panel.LISTEN)
    assert max(p._steps(p.position)) <= 0.002 + 0.25


def test_a_platform_that_cannot_tell_whose_time_it_is(slow, monkeypatch):
    """As in a browser: the panel refines, and makes the usual pauses."""
    now = [0.0]
    monkeypatch.setattr(utils.panel.time, "perf_counter", lambda: now[0])
    monkeypatch.delattr(utils.panel.time, "thread_time")
    monkeypatch.setattr(utils.panel.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    pauses = list(slow._steps(slow.position))
    assert slow.shown["repeats"] == slow.shown["of"]
    assert len(pauses) >= 5 and pauses == pytest.approx([utils.panel.PAUSE] * len(pauses))


def test_the_code_of_one_study_says_numbers_as_python_does():
    described = panel(
        external_scaling, scanner_shift=np.linspace(0, 1, 3), prevalence=np.array([0.2, 0.5, 0.8])
    )
    assert {type(value) for control in described.moved.values() for value in control.values} <= {int, float}


def test_busy_machine_does_not_spend_its_time_on_pictures(slow, monkeypatch):
    """The refinement takes 4 seconds by the clock, of which it computes in a tenth."""
    now = [0.0]
    monkeypatch.setattr(utils.panel.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(utils.panel.time, "thread_time", lambda: now[0] / 10)
    monkeypatch.setattr(utils.panel.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + 20 * seconds))
    p = panel(slow.run, repeats=200)
    seen = []
    p.observe(lambda change: seen.append(change["new"]["repeats"]), "shown")
    for _ in p._steps({**p.position, "turn": 1}):
        pass
    assert seen == [10, 110, 200]


def test_move_that_was_held_up_does_not_overtake(make):
    p = make()
    move(p, turn=5, n_scans=1)
    move(p, turn=4, n_scans=2)
    assert p.shown["turn"] == p.position["turn"] == 5
    assert p.shown["sentence"].startswith("30 scans")


def test_problem_while_refining_replaces_the_picture(make):
    async def scenario():
        p = make()
        move(p, n_scans=1)
        move(p, n_scans=4)
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert p.shown["problem"] and p.shown["turn"] == 2 and p.numbers == []

    asyncio.run(scenario())


def test_two_panels_moved_at_once(slow):
    async def scenario():
        one, other = (panel(slow.run, repeats=200) for _ in range(2))
        move(one, n_scans=1)
        move(other, n_scans=2)
        await settled(one, other)
        assert one.shown["sentence"].startswith("30 scans") and other.shown["sentence"].startswith("40 scans")

    asyncio.run(scenario())


def test_moves_from_another_thread(slow):
    """JupyterLab can have a widget's messages handled beside the thread in which cells run."""
    p = slow

    async def scenario():
        move(p, n_scans=1)
        await asyncio.sleep(0.05)
        move(p, n_scans=2)
        await settled(p)

    thread = threading.Thread(target=asyncio.run, args=[scenario()])
    thread.start()
    thread.join(30)
    assert p.shown["sentence"].startswith("40 scans") and p.shown["repeats"] == 200


# The panels of the lessons


def panels_of(notebook: Path) -> list:
    """What a notebook's calls of `panel` are given; of its code only what they need is run.

    That is imports, definitions, and assignments of literals. A panel that needs more than that cannot be
    read on its own by a learner either.
    """
    calls = []

    def record(*given, **controls):
        calls.append((given, controls))

    def needed(statement):
        if isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef):
            return True
        if any(isinstance(node, ast.Name) and node.id == "panel" for node in ast.walk(statement)):
            return True
        return isinstance(statement, ast.Assign) and not any(
            isinstance(n, ast.Call) for n in ast.walk(statement)
        )

    original, utils.panel.panel = utils.panel.panel, record
    try:
        names = {}
        for cell in nbformat.read(notebook, as_version=4).cells:
            if cell.cell_type != "code":
                continue
            code = "\n".join(line for line in cell.source.splitlines() if not line.startswith(("%", "!")))
            tree = ast.parse(code)
            for statement in filter(needed, tree.body):
                before = len(calls)
                try:
                    exec(compile(ast.Module([statement], []), notebook.name, "exec"), names)
                except NameError:
                    # An assignment of something computed; a panel that needs it fails here.
                    if before != len(calls) or not isinstance(statement, ast.Assign):
                        raise
    finally:
        utils.panel.panel = original
    return calls


PANELS = [
    pytest.param(*call, id=f"{lesson.stem}-{number}")
    for lesson in LESSONS
    for number, call in enumerate(panels_of(lesson), 1)
]


def test_panels_of_the_lessons_are_found():
    cells = [cell for lesson in LESSONS for cell in nbformat.read(lesson, as_version=4).cells]
    # A panel's output is the only one that says so.
    shown = [
        output
        for cell in cells
        for output in cell.get("outputs", [])
        if output.get("metadata", {}).get("image/png", {}).get("alt")
    ]
    assert len(shown) == len(PANELS)


@pytest.mark.parametrize(("given", "controls"), PANELS)
def test_every_end_gives_a_picture_or_a_sentence(given, controls):
    p = panel(*given, **controls | {"repeats": 2})
    assert p.shown["sentence"] and p.numbers, "the settings at the start must give a picture"
    start = p.position["at"]
    ends = {
        name: range(len(c.values)) if c.kind == "choice" else (0, len(c.values) - 1)
        for name, c in p.moved.items()
    }
    # Every end once: first all low ones, then all high ones, then what else a list has.
    most = max(map(len, ends.values()))
    alone = [{name: several[min(i, len(several) - 1)] for name, several in ends.items()} for i in range(most)]
    alone += [start | {name: end} for name, several in ends.items() for end in (several[0], several[-1])]
    together = [dict(zip(ends, corner, strict=True)) for corner in itertools.product(*ends.values())]
    for at in repetitions(alone[:most], alone + together):
        move(p, **at)
        where = p.parameters()
        assert p.failure is None, f"{where}: {p.failure!r}"
        assert bool(p.numbers) != bool(p.shown["problem"]), where
        assert len(json.dumps(p.numbers)) < MOST, where
        assert p.shown["problem"] or p.shown["sentence"], where
        assert "nan" not in p.shown["sentence"].split(), f"{where}: {p.shown['sentence']}"


@pytest.mark.parametrize(("given", "controls"), PANELS)
def test_controls_have_plain_names(given, controls):
    for control in panel(*given, **controls | {"repeats": 2}).controls:
        assert control["label"] and "_" not in control["label"], control
