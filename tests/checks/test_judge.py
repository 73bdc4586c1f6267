"""How a learner's function is called, and what a verdict says and shows."""

import html
import importlib
import re
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from answers import is_check
from harness import trials
from hypothesis import given
from hypothesis import strategies as st

import checks as wing
from checks import judge
from checks.judge import Learner, NotYet, Row, Table, Verdict, check, numbers, reader, score, scores_on_noise

LESSONS = sorted(
    path.stem for path in Path(wing.__file__).parent.glob("*.py") if path.stem not in ("__init__", "judge")
)
CHECKS = [
    one
    for name in LESSONS
    for one in vars(importlib.import_module(f"checks.{name}")).values()
    if is_check(one)
]


@check("X", "y", read=score("accuracy"))
def half(learner, draw):
    """A check for these tests: the mean of a function's answers to three tables is .5 or more."""
    found = learner.all([(draw(i).standard_normal((4, 2)), np.arange(4) % 2) for i in range(3)])
    learner.rows.append(Row("three tables", tuple(found), found.mean() >= 0.5, ("least", 0.5)))
    learner.right.append("It runs.")
    if found.mean() < 0.5:
        raise NotYet(f"The mean is {found.mean():.2f} < 0.5. → Return more.")


def broken(X, y):
    first = len(y)
    return first / (first - len(y))


def writes(X, y):
    X[0] = 0
    return 0.5


def halves(X, y):
    yield 0.5


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (..., "three dots"),
        (0.5, "without brackets"),
        (None, "type NoneType"),
        (lambda X: 0.5, "but yours takes (X)"),
        (
            broken,
            "in its line 3, `return first / (first - len(y))` with ZeroDivisionError: division by zero.",
        ),
        (writes, "X.copy()"),
        (lambda X, y: None, "still empty"),
        (lambda X, y: print(end=""), "returns nothing"),
        (lambda X, y: ..., "three dots"),
        (lambda X, y: exit(), "SystemExit"),
        (lambda X, y: True, "type bool"),
        (lambda X, y: "0.5", "type str"),
        (lambda X, y: (0.5, X), "tuple"),
        (lambda X, y: np.full((2, 2), 0.5), "type ndarray"),
        (lambda X, y: [0.5, 0.6], "2 numbers"),
        (lambda X, y: -0.2, "below 0"),
        (lambda X, y: 50, "divide it by 100"),
        (lambda X, y: float("inf"), "inf"),
        (lambda X, y: 0.25, "0.25 < 0.5"),
    ],
)
def test_what_is_no_right_answer_is_named(function, words):
    verdict = half(function)
    assert not verdict.passed and words in verdict.reason and repr(verdict).startswith("Not yet. ")


@pytest.mark.parametrize(
    "form", [float, np.float64, np.float32, np.array, lambda number: [number], pd.Series]
)
def test_one_number_may_have_any_form(form):
    assert half(lambda X, y: form(0.5)).passed


def test_what_is_yielded_is_read_like_a_list():
    assert half(halves).passed


@pytest.mark.parametrize(
    "data", [np.zeros(3), pd.DataFrame({"a": [1.0]}), [1, 2], {"a": 1}, np.array([np.nan])]
)
def test_the_learner_works_on_copies_and_is_told_of_changes(data):
    def change(one):
        if isinstance(one, pd.DataFrame | dict):
            one["b"] = 2
        else:
            one[0] = 5
        return 1.0

    with pytest.raises(NotYet, match="Work on a copy"):
        Learner(change, ("data",), score())(data)
    assert len(data) and "b" not in data and Learner(lambda one: 0.5, ("data",), score())(data) == 0.5


def test_a_check_stops_when_it_takes_too_long(monkeypatch):
    monkeypatch.setattr(judge, "PATIENCE", -1)
    assert "too long" in half(lambda X, y: 0.5).reason


def test_answers_that_differ_from_run_to_run_are_noted():
    deals = iter(range(1000))
    learner = Learner(lambda x: next(deals) / 1000, ("x",), score())
    learner.twice(1)
    assert "random_state" in learner.note


def test_what_was_right_comes_first_and_the_picture_says_in_words_what_it_shows():
    verdict = half(lambda X, y: 0.25)
    assert (verdict.right, verdict.wrong, verdict.step) == (
        "It runs.",
        "The mean is 0.25 < 0.5.",
        "Return more.",
    )
    page = verdict._repr_html_()
    assert (
        page.index("It runs.") < page.index("0.25 &lt; 0.5") < page.index("Return more.") < page.index("<svg")
    )
    picture = ElementTree.fromstring(re.search("<svg.*</svg>", page)[0])
    assert picture.get("role") == "img" and len(picture.findall("{*}circle")) == 3
    assert picture.get("aria-label") == html.unescape(
        "three tables: 3 from 0.25 to 0.25, mean 0.25; least 0.50: not right."
    )
    assert page == half(lambda X, y: 0.25)._repr_html_()
    assert (
        "<script>"
        not in Verdict(False, wrong="<script>", rows=(Row("<script>", (0.5,), True),))._repr_html_()
    )


# Cells that did not run


@pytest.fixture
def shell():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    shell.run_cell("from checks import judge", store_history=True)
    yield shell
    InteractiveShell.clear_instance()


def told(shell, *cells):
    for cell in cells:
        shell.run_cell(cell, store_history=True, silent=False)
    return judge.older_than_its_cell(shell.user_ns["evaluate"])


GOOD, OTHER = "def evaluate(X, y):\n    return 0.5", "def evaluate(X, y):\n    return 0.6"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ((GOOD,), None),
        ((GOOD, "x = 1"), None),
        ((GOOD, OTHER), None),
        ((GOOD, "def evaluate(X, y):\n    return (0.5", GOOD), None),
        ((GOOD, "%%time\n" + OTHER), None),
        ((GOOD, "def evaluate(X, y):\n    return (0.5"), "syntax error in line 2"),
        ((GOOD, "import no_such_module\n" + OTHER), "stopped with an error"),
        ((GOOD, "old = evaluate", "1 / 0\n" + OTHER), "stopped with an error"),
    ],
)
def test_an_older_function_is_not_judged_without_a_word(shell, capsys, cells, words):
    found = told(shell, *cells)
    assert found is None if words is None else words in found


# The engines


def test_a_table_names_the_mistake_and_tests_itself():
    def mean(x):
        return np.mean(x)

    def median(x):
        return np.median(x)

    def total(x):
        return np.sum(x)

    cases = {"one": ([1.0],), "three": ([1.0, 2.0, 9.0],)}
    table = Table(lambda draw: cases, mean, {median: "A median. → Take the mean."}, "Right.")

    @check("x", read=reader("mean")(lambda value: float(value)))
    def means(learner, draw):
        table.judge(learner, draw)

    assert means(mean).right == "Right." and means(mean).passed
    assert means(median).reason == "1 of 2 answers are right. A median. Take the mean."
    assert "three: the function returns 12.0, and 4.0 is right." in means(total).reason
    assert [row.good for row in means(median).rows] == [True, False]
    assert table.faults(None) == []
    blind = Table(lambda draw: {"one": ([1.0],)}, mean, {median: "", total: ""}, "")
    assert len(blind.faults(None)) == 3


@pytest.mark.parametrize(("centre", "high"), [(0.5, False), (0.45, False), (0.7, True), (0.9, True)])
@pytest.mark.parametrize("seed", range(20))
def test_a_score_on_noise_is_too_high_only_where_luck_cannot_explain_it(centre, high, seed):
    rng = np.random.default_rng(seed)
    for people in (40, 10):  # all people of a set, or a hold-out of a quarter
        learner = Learner(lambda i, people=people: rng.binomial(people, centre) / people, ("i",), score())
        assert scores_on_noise(learner, lambda i: (i,), 40)[1] == high


def test_readers_name_what_they_want():
    assert list(numbers("lower end", "upper end")((0, 1))) == [0, 1]
    for value in (3, "ab", (1, 2, 3), (1, None), (np.nan, 1)):
        with pytest.raises(NotYet, match="Return 2 numbers, in this order: lower end, upper end"):
            numbers("lower end", "upper end")(value)


# Any answer of a learner gets a verdict

ANSWERS = [None, ..., True, "", "x" * 10_000, b"0", 0.5, -1, 1e300, float("nan"), 1 + 2j, object(), print]
ANSWERS += [
    [],
    [[]],
    [None],
    {},
    {"a": 1},
    (0.2, 0.8),
    range(3),
    np.zeros(3),
    np.zeros((2, 2)),
    np.array(["a"]),
]
ANSWERS += [np.array([], dtype=object), pd.Series([0.1, 0.2]), pd.DataFrame({"a": [1, 2]})]


def fails(error):
    def function(*data):
        raise error

    return function


ERRORS = (
    ValueError("x" * 10_000),
    KeyError("a"),
    StopIteration(),
    MemoryError(),
    SystemExit(3),
    RuntimeError("<b> →"),
)
FUNCTIONS = [lambda *data, answer=answer: answer for answer in ANSWERS] + [fails(error) for error in ERRORS]
FUNCTIONS += [lambda *data: data, lambda *data: (n for n in iter(int, 1)), lambda: 1, len, ValueError]
FUNCTIONS += [3, "evaluate", None, ...]


def test_there_are_checks():
    assert len(CHECKS) >= 10 and all(one.__doc__ for one in CHECKS)


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.__name__)
@trials(15, 60)
@given(st.data())
def test_any_answer_of_a_learner_gets_a_verdict(one, data):
    function = data.draw(st.sampled_from(FUNCTIONS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict = one(function, seed=0)
    assert isinstance(verdict, Verdict) and 10 < len(verdict.reason) < 4000 and "\n" not in verdict.reason
    assert "cannot make sense" not in verdict.reason  # that net is for what nobody thought of
    assert not verdict.passed and "<b>" not in verdict._repr_html_()
