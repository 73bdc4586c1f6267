"""The live panel without a browser: its logic, its fallback, and every panel of every lesson at its ends."""

import ast
import asyncio
import base64
import io
import itertools
import threading
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from utils import explorable
from utils.experiments import experiment, require, selection_outside_folds
from utils.explorable import Choice, Slider, panel
from utils.figures import score_distributions

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "lessons").glob("*.ipynb"))


def read(draws, parameters):
    return f"{parameters['n_scans']} scans at {parameters['level']}: {draws['reported'].mean():.4f}"


@experiment(read, block=10)
def tiny(*, n_scans: int = 20, level: float = 0.5, rng: np.random.Generator, repeats: int):
    """A simulation that takes no time, has a limit, and can break."""
    require(n_scans <= 50, "n_scans", n_scans, "at most 50")
    if level == 1:
        raise ZeroDivisionError("a mistake of the authors")
    return {name: rng.normal(level, 1 / n_scans, repeats) for name in ("reported", "true")}


@pytest.fixture
def make():
    def make(**options):
        controls = {"n_scans": Slider("Scans", 20, 60, step=10), "level": Slider("Level", 0, 1, step=0.25)}
        return panel(tiny, score_distributions, **controls | options)

    return make


@pytest.fixture
def slow():
    """An experiment of 20 blocks of 10 ms, and a list of the parameters of every block that it computed."""
    blocks = []

    @experiment(read, block=10)
    def slow(*, n_scans: int = 20, level: float = 0.5, rng: np.random.Generator, repeats: int):
        blocks.append(n_scans)
        time.sleep(0.01)
        return {name: rng.normal(level, 0.1, repeats) for name in ("reported", "true")}

    slow.blocks = blocks
    return slow


def move(target, turn=None, seed=None, **at):
    """What the front end does at a move."""
    position = target.position
    target.position = {"turn": position["turn"] + 1 if turn is None else turn,
                       "at": position["at"] | at, "seed": position["seed"] if seed is None else seed}


async def settled(*panels, seconds=20):
    until = time.monotonic() + seconds
    while any(p.shown["turn"] != p.position["turn"] or p.shown["repeats"] != p.repeats for p in panels):
        assert time.monotonic() < until, "never refined"
        await asyncio.sleep(0.005)


# The controls


def test_positions_of_a_slider():
    assert Slider("x", 0, 1, step=0.1).values == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    assert Slider("x", 20, 85, step=10).values == [20, 30, 40, 50, 60, 70, 80]
    assert Slider("x", values=[10, 1000], unit="scans").texts == ["10 scans", "1000 scans"]


@pytest.mark.parametrize("wrong", [dict(), dict(low=1), dict(low=2, high=1), dict(low=0, high=1, step=0),
                                   dict(values=[1]), dict(low=0, high=1, values=[0, 1])])
def test_impossible_slider(wrong):
    with pytest.raises(ValueError, match="Scans"):
        Slider("Scans", **wrong)


def test_choice_with_names():
    choice = Choice("Shuffled", {"no": False, "yes": True})
    assert (choice.values, choice.texts) == ([False, True], ["no", "yes"])


def test_unknown_parameter_is_named(make):
    with pytest.raises(ValueError, match=r"tiny has no parameter 'n_scan'.*n_scans, level"):
        make(n_scan=Slider("Scans", 1, 2))
    with pytest.raises(ValueError, match="no parameter 'folds'"):
        make(folds=5)


def test_start_must_be_a_position(make):
    with pytest.raises(ValueError, match=r"'Scans' \(n_scans\) starts at 25"):
        make(n_scans=Slider("Scans", 20, 40, step=10, value=25))


def test_plain_value_fixes_a_parameter(make):
    fixed = make(n_scans=30)
    assert [control["name"] for control in fixed.controls] == ["level"]
    assert fixed.shown["sentence"].startswith("30 scans at 0.5")


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


def test_picture_changed_in_place_is_the_picture_made_anew():
    features = Slider("Features", values=[100, 30], value=100)
    p = panel(selection_outside_folds, score_distributions, repeats=30, n_features=features)
    move(p, n_features=1)
    features.value = 30
    anew = panel(selection_outside_folds, score_distributions, repeats=30, n_features=features)
    one, other = (np.asarray(Image.open(io.BytesIO(q.picture)).convert("RGB"), int) for q in (p, anew))
    assert one.shape == other.shape == (570, 1050, 3)
    assert np.array_equal(one, other)


def test_background_is_painted_anew_when_it_changes(make):
    def draw(outcome, figure=None):
        figure = score_distributions(outcome, figure)
        figure.axes[0].set_xlabel(outcome.sentence)
        return figure

    def foot(p):
        return np.asarray(Image.open(io.BytesIO(p.picture)))[-60:]

    p = panel(tiny, draw, n_scans=Slider("Scans", 20, 40, step=10), repeats=10)
    before = foot(p)
    move(p, n_scans=1)
    assert not np.array_equal(before, foot(p))


def test_new_sample_and_back(make):
    p = make()
    before = p.shown["sentence"], p.picture
    move(p, seed=1)
    assert p.shown["sentence"] == tiny(seed=1).sentence != before[0]
    move(p, seed=0)
    assert (p.shown["sentence"], p.picture) == before


def test_impossible_setting_gives_a_sentence_and_loses_nothing(make):
    p = make()
    sentence = p.shown["sentence"]
    move(p, n_scans=4)
    assert p.shown["problem"] == ("“Scans” is 60, but it must be at most 50. "
                                  "Move a slider back, or press Reset.")
    assert p.picture == b"" and p.failure is None
    move(p, n_scans=0)
    assert not p.shown["problem"] and p.shown["sentence"] == sentence and p.picture


def test_mistake_gives_a_sentence_and_is_logged(make, caplog, capsys):
    p = make()
    move(p, level=4)
    assert "cannot be shown with these settings (ZeroDivisionError)" in p.shown["problem"]
    assert isinstance(p.failure, ZeroDivisionError)
    assert "a mistake of the authors" in caplog.text
    assert "Traceback" not in "".join(capsys.readouterr())
    move(p, level=0)
    assert p.failure is None and p.picture


def test_mistake_in_the_figure_is_no_dead_end(make):
    def draw(outcome, figure=None):
        if outcome.parameters["level"] == 0:
            raise KeyError("nothing to draw")
        return score_distributions(outcome, figure)

    p = panel(tiny, draw, repeats=10, level=Slider("Level", 0, 0.5, step=0.5))
    move(p, level=0)
    assert "KeyError" in p.shown["problem"]
    move(p, level=1)
    assert not p.shown["problem"] and p.picture


def test_start_that_cannot_be_shown(make):
    p = make(n_scans=Slider("Scans", 20, 60, step=10, value=60))
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
    assert Image.open(io.BytesIO(png)).width == 1.5 * metadata["image/png"]["width"]


def test_output_is_the_same_every_time(make):
    one, other = make()._repr_mimebundle_()[0], make()._repr_mimebundle_()[0]
    assert all(one[kind] == other[kind] for kind in ("text/plain", "image/png"))


# With an event loop: the newest position wins


def test_moves_are_answered_at_once_and_then_refined(slow):
    async def scenario():
        p = panel(slow, score_distributions, repeats=200, n_scans=Slider("Scans", 20, 60, step=10))
        seen = []
        p.observe(lambda change: seen.append(change["new"]["repeats"]), "shown")
        began = time.perf_counter()
        move(p, n_scans=1)
        assert time.perf_counter() - began < 0.05, "the handler has to return at once"
        await settled(p)
        assert seen[0] < 60 and seen[-1] == 200 and seen == sorted(seen)
        assert p.shown["sentence"] == slow(repeats=200, n_scans=30).sentence

    asyncio.run(scenario())


def test_of_many_moves_at_once_only_the_newest_is_computed(slow):
    async def scenario():
        p = panel(slow, score_distributions, repeats=200, n_scans=Slider("Scans", 20, 60, step=10))
        slow.blocks.clear()
        for at in (1, 2, 3, 4):
            move(p, n_scans=at)
        await settled(p)
        assert set(slow.blocks) == {60} and len(slow.blocks) == 20

    asyncio.run(scenario())


def test_move_ends_the_refinement_before_it(slow):
    async def scenario():
        p = panel(slow, score_distributions, repeats=200, n_scans=Slider("Scans", 20, 60, step=10))
        seen = []
        p.observe(lambda change: seen.append((change["new"]["turn"], change["new"]["repeats"])), "shown")
        slow.blocks.clear()
        move(p, n_scans=1)
        while not seen:
            await asyncio.sleep(0.002)
        move(p, n_scans=2)
        await settled(p)
        assert slow.blocks.count(30) < 20 and slow.blocks.count(40) == 20
        assert (1, 200) not in seen and seen[-1] == (2, 200)
        assert [turn for turn, _ in seen] == sorted(turn for turn, _ in seen)

    asyncio.run(scenario())


@pytest.mark.parametrize("share, pause", [(1, 0.002), (0.5, 0.002 + 4 * 0.01), (0, 0.002 + 4 * 0.02)])
def test_refinement_makes_room_where_it_has_to_wait_for_a_processor(slow, monkeypatch, share, pause):
    """`share` of a processor is ours. Two blocks of 10 ms lie between two pauses."""
    now = [0.0]
    monkeypatch.setattr(explorable.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(explorable.time, "thread_time", lambda: now[0] * share)
    monkeypatch.setattr(explorable.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    p = panel(slow, score_distributions, repeats=200, n_scans=Slider("Scans", 20, 60, step=10))
    pauses = list(p._steps(p.position))
    assert len(pauses) >= 5 and pauses == pytest.approx([pause] * len(pauses))
    # However busy the machine is, the refinement goes on.
    monkeypatch.setattr(explorable, "LISTEN", 10 * explorable.LISTEN)
    assert max(p._steps(p.position)) <= 0.002 + 0.25


def test_busy_machine_does_not_spend_its_time_on_pictures(slow, monkeypatch):
    """The refinement takes 4 seconds by the clock, of which it computes in a tenth."""
    now = [0.0]
    monkeypatch.setattr(explorable.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(explorable.time, "thread_time", lambda: now[0] / 10)
    monkeypatch.setattr(explorable.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + 20 * seconds))
    p = panel(slow, score_distributions, repeats=200, n_scans=Slider("Scans", 20, 60, step=10))
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
        assert p.shown["problem"] and p.shown["turn"] == 2 and p.picture == b""

    asyncio.run(scenario())


def test_two_panels_moved_at_once(slow):
    async def scenario():
        one, other = (panel(slow, score_distributions, repeats=200, n_scans=Slider("Scans", 20, 60, step=10))
                      for _ in range(2))
        move(one, n_scans=1)
        move(other, n_scans=2)
        await settled(one, other)
        assert one.shown["sentence"].startswith("30 scans") and other.shown["sentence"].startswith("40 scans")

    asyncio.run(scenario())


def test_moves_from_another_thread(slow):
    """JupyterLab can have a widget's messages handled beside the thread in which cells run."""
    p = panel(slow, score_distributions, repeats=200, n_scans=Slider("Scans", 20, 60, step=10))

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
        return isinstance(statement, ast.Assign) and not any(isinstance(n, ast.Call) for n in ast.walk(statement))

    original, explorable.panel = explorable.panel, record
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
        explorable.panel = original
    return calls


PANELS = [pytest.param(*call, id=f"{lesson.stem}-{number}") for lesson in LESSONS
          for number, call in enumerate(panels_of(lesson), 1)]


def test_panels_of_the_lessons_are_found():
    cells = [cell for lesson in LESSONS for cell in nbformat.read(lesson, as_version=4).cells]
    # A panel's output is the only one that says so.
    shown = [output for cell in cells for output in cell.get("outputs", [])
             if output.get("metadata", {}).get("image/png", {}).get("alt")]
    assert len(shown) == len(PANELS)


@pytest.mark.parametrize(("given", "controls"), PANELS)
def test_every_combination_of_ends_gives_a_picture_or_a_sentence(given, controls):
    p = panel(*given, **controls | {"repeats": 2})
    assert p.shown["sentence"] and p.picture, "the settings at the start must give a picture"
    ends = [range(len(c.values)) if c.kind == "choice" else (0, len(c.values) - 1) for c in p.moved.values()]
    for combination in itertools.product(*ends):
        move(p, **dict(zip(p.moved, combination, strict=True)))
        where = p.parameters()
        assert p.failure is None, f"{where}: {p.failure!r}"
        assert bool(p.picture) != bool(p.shown["problem"]), where
        assert p.shown["problem"] or p.shown["sentence"], where
        assert "nan" not in p.shown["sentence"].split(), f"{where}: {p.shown['sentence']}"


@pytest.mark.parametrize(("given", "controls"), PANELS)
def test_controls_have_plain_names(given, controls):
    for control in panel(*given, **controls | {"repeats": 2}).controls:
        assert control["label"] and "_" not in control["label"], control


@pytest.mark.parametrize(("density", "dots"), [(None, 150), (1, 100), (1.25, 125), (3, 150), (0.5, 100)])
def test_a_picture_has_the_dots_of_the_screen_that_asks(make, density, dots):
    p = make()
    at_first = Image.open(io.BytesIO(p.picture)).size
    p.position = {**p.position, "turn": 1, "seed": 1, "density": density}
    width, height = Image.open(io.BytesIO(p.picture)).size
    assert (width, height) == tuple(round(size * dots / 100) for size in p.size)
    assert at_first == tuple(round(size * 1.5) for size in p.size)
