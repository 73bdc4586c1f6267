"""Cells in any order, or twice: what a learner gets who does not run a notebook from the top."""

import ast
import builtins
import itertools
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


def test_a_panel_makes_as_many_studies_as_the_text_says():
    said, found = r"The panel[^.]*? (\d{3,}) (?:such |smaller )?(?:studies|models|pairs|of them)", []
    for lesson in LESSONS:
        for text, cell in itertools.pairwise(nbformat.read(lesson, as_version=4).cells):
            if (number := re.search(said, text.source)) and "\npanel(" in cell.source:
                makes = (re.search(r"repeats=(\d+)", cell.source) or ["", "1000"])[1]
                found.append((lesson.name, number[1], makes))
    assert [one for one in found if one[1] != one[2]] == [] and len(found) > 5


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


# What the text around a panel asks for, or says to have found, can be reached on its sliders

#: By lesson and simulation, the settings that "Try this" and "What you will have found" speak of.
SPOKEN_OF = {
    "00 selection_outside_folds": [{"n_features": 20}, {"n_scans": 80}],
    "01 planted_defect": [
        {"defect": "wrong labels here and there"},
        {"defect": "labels swapped in a block", "n_scans": 100},
        {"defect": "labels swapped in a block", "effect": 0.5},
        {"defect": "the same subject twice", "effect": 0},
    ],
    "01 scanner_mark": [{"brightness": 0.5}, {"agreement": 0.9}, {"agreement": 0.5}],
    "01 two_sites_paradox": [{"distance": 1.5}, {"distance": 0}, {"n_per_site": 200}],
    "02 complexity_of_the_model": [{"effect": 0}, {"ridge": 10}],
    "02 learning_curve_of_lda": [{"n_features": 15, "rule": "nearest centroid"}],
    "02 publication_filter": [{"publish_from": 0.8}, {"effect": 0}, {"effect": 2}],
    "02 regional_mri": [{"regions": "putamen alone"}, {"strength": 3, "ridge": 300}],
    "03 tests_of_hidden_signal": [
        {"shape": "straight line", "strength": 0.5, "n_scans": 60},
        {"shape": "spread only", "strength": 2, "n_scans": 40},
        {"shape": "U-shape", "strength": 0},
    ],
    "03 bias_and_variance": [{"straight": 0}, {"straight": 1, "hidden": 0.5}, {"hidden": 0}],
    "03 shrinkage_sweep": [{"n_informative": 5}, {"n_informative": 200}],
    "03 region_mean": [*({"n_affected": n} for n in (1, 32, 64)), {"place": "elsewhere in every patient"}],
    "04 wrong_labels": [
        {"where": "training only", "n_scans": 50},
        {"where": "test only"},
        {"where": "training and test", "effect": 0.5},
        {"rule": "nearest neighbour"},
    ],
    "04 kinds_of_wrong_labels": [
        {"kind": "mild patients missed", "rate": 0.2},
        {"kind": "anyone, by chance", "prevalence": 0.2},
        {"moved": -0.5},
    ],
    "04 shared_errors": [{"through": "the scan itself"}],
    "04 labels_or_architecture": [{"signal": "XOR"}, {"worst": 0.1}, {"models": "three linear ones"}],
    "04 scans_or_raters": [{"shared": 0.5}, {"rule": "nearest neighbour"}],
    "05 selection_outside_folds": [{"n_features": 100}, {"effect": 1.0}],
    "05 repeated_scans": [
        {"reliability": 0.1},
        {"n_subjects": 40, "rule": "linear"},
        {"scans_per_subject": 1},
    ],
    "05 best_of_many": [{"varied": "coin tosses", "n_scans": 100}, {"varied": "analyses", "likeness": 0.9}],
    "05 cross_validation_error": [{"n_scans": 20}, {"n_scans": 500}, {"n_scans": 100, "scheme": "10-fold"}],
    "05 permutation_tests": [
        {"scans_per_subject": 1, "n_features": 2},
        {"scans_per_subject": 3, "n_features": 10},
    ],
    "05 two_equal_learners": [{"n_splits": 100}],
    "06 site_shortcut": [{"effect": 0}, {"prevalence": 0.5}, {"site_mark": 0}],
    "06 harmonised_sites": [
        {"imbalance": 0},
        {"site_mark": 0},
        {"effect": 2},
        {"n_subjects": 300},
        {"n_subjects": 1200},
    ],
    "06 sites_of_a_consortium": [{"heterogeneity": 0}, {"heterogeneity": 0.5}, {"n_subjects": 1200}],
    "07 external_scaling": [{"prevalence": 0.5}, {"scanner_shift": 1}, {"n_external": 50, "prevalence": 0.1}],
    "07 prevalence_shift": [
        {"prevalence_outside": 0.05},
        {"prevalence_outside": 0.9},
        {"prevalence_outside": 0.2, "threshold": 0.2},
        {"n_external": 200},
    ],
    "08 learnt_by_heart": [{"coin": 1}, {"coin": 0}, {"penalty": 300}, {"n_scans": 200}],
    "08 best_epoch": [
        {"epochs": 1},
        {"epochs": 30, "n_held_out": 10},
        {"n_held_out": 200},
        {"rate": 0.001},
        {"effect": 2},
    ],
    "08 copies_slices_persons": [
        {"n_slices": 1, "n_copies": 3},
        {"n_slices": 3, "n_copies": 1},
        {"alike": 0.3},
        {"n_slices": 1, "n_copies": 1},
    ],
    "08 seen_in_pretraining": [
        {"n_people": 1000},
        {"taught": "another trait"},
        {"taught": "nothing, pictures alone"},
    ],
    "08 architecture_or_labels": [
        {"place": "always at the same place", "n_scans": 100},
        {"place": "always at the same place", "n_scans": 40, "wrong": 0.2},
        {"n_scans": 200, "wrong": 0.4},
    ],
    "08 what_a_map_shows": [{"trace": "on the organ", "effect": 0}, {"effect": 1, "size": 0}],
    "09 one_flaw": [{"per_site": 15}, {"per_site": 100}],
}


@pytest.mark.parametrize("cell", [pytest.param(*one.values, id=one.id) for one in panel_cells()])
def test_what_the_text_speaks_of_is_on_the_sliders(cell, request, monkeypatch):
    made = []
    monkeypatch.setattr(utils.panel, "Panel", lambda *given, **more: made.append(given))
    exec(compile(cell, "cell", "exec"), {})
    ((run, moved, fixed, first),) = made
    start = {name: control.values[first[name]] for name, control in moved.items()}
    for setting in SPOKEN_OF[f"{request.node.callspec.id[:2]} {run.__name__}"]:
        assert {name: setting[name] for name in setting if setting[name] not in moved[name].values} == {}
        run.checked(fixed | start | setting)  # no other slider closes it


def test_every_entry_is_of_a_panel():
    cells = [(one.id[:2], one.values[0]) for one in panel_cells()]
    for entry in SPOKEN_OF:
        lesson, simulation = entry.split()
        assert any(lesson == number and f"panel({simulation}" in source for number, source in cells), entry
