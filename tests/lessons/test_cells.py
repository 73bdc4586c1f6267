"""Cells in any order, or twice: what a learner gets who does not run a notebook from the top."""

import ast
import builtins
import re

import nbformat
import pytest
from harness import ROOT

import utils.panel

LESSONS = sorted((ROOT / "lessons").glob("*.ipynb"))
EXERCISES = sorted((ROOT / "exercises").glob("*.ipynb"))


def by_name(path):
    return path.stem


def code_cells(notebook):
    return [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]


def panel_cells():
    """Every cell with a panel, for `parametrize`."""
    for lesson in LESSONS:
        for number, source in enumerate(code_cells(lesson)):
            if re.search(r"^panel\(", source, re.MULTILINE):
                yield pytest.param(source, id=f"{lesson.stem}-{number}")


@pytest.mark.parametrize("source", list(panel_cells()))
def test_a_panels_cell_can_be_the_first_that_is_run_and_is_short(source, monkeypatch):
    """After a restart the panel says "run this cell again", and that must be enough."""
    made = []
    monkeypatch.setattr(utils.panel, "panel", lambda *given, **controls: made.append(given))
    exec(compile(source, "cell", "exec"), {})
    assert len(made) == 1
    assert len([line for line in source.splitlines() if line.strip()]) <= 5


@pytest.mark.parametrize("lesson", LESSONS, ids=by_name)
def test_the_first_panel_asks_for_a_guess(lesson):
    first = next(source for source in code_cells(lesson) if re.search(r"^panel\(", source, re.MULTILINE))
    assert "guess={" in first


def names(source):
    """What a cell takes from others, and what it gives to others: two sets of names."""
    code = "\n".join(line for line in source.splitlines() if not line.startswith(("%", "!")))
    taken, given = set(), set()
    for statement in ast.parse(code).body:
        nodes = list(ast.walk(statement))
        own = {node.arg for node in nodes if isinstance(node, ast.arg)}
        stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        stored |= {(node.asname or node.name).split(".")[0] for node in nodes if isinstance(node, ast.alias)}
        defined = ast.FunctionDef | ast.ClassDef | ast.ExceptHandler
        stored |= {node.name for node in nodes if isinstance(node, defined) and node.name}
        loaded = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        # A loop or a function sets its own names before it reads them; an assignment reads first.
        reads_first = isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr)
        targets = [node.target for node in nodes if isinstance(node, ast.comprehension)]
        bound = {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
        inner = own | bound | (set() if reads_first else stored)
        taken |= {name for name in loaded - given - inner if not hasattr(builtins, name)}
        given |= stored
    return taken, given


@pytest.mark.parametrize("lesson", LESSONS, ids=by_name)
def test_a_cell_run_too_early_misses_a_name_that_stands_above_it(lesson):
    """A NameError is then Python's own, and names what is missing; no cell waits for one below it."""
    known = set()
    for source in code_cells(lesson):
        taken, given = names(source)
        assert taken <= known, source
        known |= given


def test_what_a_cell_takes_and_gives():
    assert names("import numpy as np\ny = f(np.array(x))") == ({"f", "x"}, {"np", "y"})
    assert names("x = x + 1") == ({"x"}, {"x"})
    assert names("[i * k for i in range(3)]") == ({"k"}, {"i"})
    assert names("for i in range(3):\n    print(i, j)") == ({"j"}, {"i"})
    assert names("def f(a, *, b=c):\n    return a + d") == ({"c", "d"}, {"f"})


@pytest.mark.parametrize("exercise", EXERCISES, ids=by_name)
def test_checks_asked_before_anything_is_written_and_again_say_so(exercise):
    """The functions as they are handed out: no traceback, no check passes, and twice the same is said."""
    verdicts, space = [], {}
    for source in code_cells(exercise):
        if re.search(r"^checks?\.\w+\(\w+\)$", source, re.MULTILINE):
            verdicts += [str(eval(source.splitlines()[-1], space)) for _ in range(1 if verdicts else 2)]
            continue
        # What the checks need; the rest of an exercise is for the learner.
        kinds = ast.Import | ast.ImportFrom | ast.FunctionDef
        given = [part for part in ast.parse(source).body if isinstance(part, kinds)]
        exec(compile(ast.Module(given, []), "cell", "exec"), space)
    assert len(verdicts) >= 4 and verdicts[0] == verdicts[1]
    assert not [verdict for verdict in verdicts if "Passed" in verdict]
