"""Every simulation, from its description: valid settings give the same as scikit-learn, others are named."""

import ast
import contextlib
import importlib
import io
import re
import warnings
from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import pytest
from harness import ROOT, every_simulation, trials
from hypothesis import given
from hypothesis import strategies as st

from utils.code import code_of_one_study
from utils.panel import panel
from utils.simulation import Among, ParameterError, Several, Simulation, Whole, bound_at

ALL = every_simulation()
every = pytest.mark.parametrize("run", ALL.values(), ids=ALL)
# Hundreds of fits in every study: the plain form of one study takes seconds.
COSTLY = {"permutation_tests", "tuned_kernel_ridge", "labels_or_architecture", "one_flaw"}


def strategy(kind, p):
    """Valid and small values, by the kind of a parameter and the parameters above it."""
    if isinstance(kind, Among):
        return st.sampled_from(kind.options)
    if isinstance(kind, Several):
        some = st.lists(strategy(kind.each, p), min_size=1, max_size=4, unique=True)
        return some.map(sorted).map(tuple)
    low, high = bound_at(kind.low, p), bound_at(kind.high, p)
    if isinstance(kind, Whole):
        of = bound_at(kind.of, p)
        return st.integers(-(-low // of), min(high, low + kind.reach * of) // of).map(
            lambda times: of * times
        )
    ends = {"low": low, "high": high}
    ends = [end for at, end in ends.items() if kind.open not in (at, "both") and abs(end) < 1e3]
    inside = st.floats(max(low, -4), min(high, 4)).filter(lambda x: abs(x) > 1e-9 and low < x < high)
    return inside | st.sampled_from([*ends, *[0.0] * (low < 0 < high)] or [(max(low, -4) + min(high, 4)) / 2])


def drawn(run, data):
    """Random valid settings; in order, because a bound may depend on the parameters above it."""
    p = SimpleNamespace(**run.defaults)
    for name, kind in run.kinds.items():
        setattr(p, name, data.draw(strategy(kind, p), label=name))
    return vars(p)


def wrong(kind, p):
    """Values that a parameter cannot have."""
    yield from (None, [], {}, 1j, [[1]], float("nan"))
    if isinstance(kind, Among):
        yield from ("no such name", 3.5, (kind.options[0],))
    elif isinstance(kind, Several):
        yield from (5, (), "123", ("a",), (float("inf"),), (True,), *((one,) for one in wrong(kind.each, p)))
    else:
        low, high, of = (bound_at(one, p) for one in (kind.low, kind.high, kind.of))
        yield from (
            "3",
            True,
            (low,),
            float("inf"),
            10**400,
            1e-300 if not kind.whole else low + of / 2 + 0.3,
        )
        yield from (high + of, low - of)
        yield from [low + 1] if of > 1 else []
        yield from [end for at, end in (("low", low), ("high", high)) if kind.open in (at, "both")]


def pasted(run, setting, seed, number):
    """The code of one study, run in an empty cell: its parameters, and the draws of the study of a number."""
    *lines, show = ast.parse(code_of_one_study(run, setting, seed)).body
    names = {"__name__": "__main__"}
    exec(compile(ast.Module(lines, []), "a cell", "exec"), names)
    draws = names["one"](names["p"], names["studies"].one(number))
    names["one"] = lambda p, study: draws  # the last lines of the cell print it
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module([show], []), "a cell", "exec"), names)
    assert printed.getvalue() == "".join(f"{name} {np.round(value, 3)}\n" for name, value in draws.items())
    return vars(names["p"]), draws


def holds_to_one_by_one(run, setting, seed, number):
    """The batched draws of a setting are finite, and those of one study are what its code gives."""
    p = run.checked(setting)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        block = run.block_of(p, seed)
    written, plain = pasted(run, setting, seed, number)
    assert written == vars(p)
    for name, values in block.items():
        assert len(values) == run.block and np.isfinite(values).all(), (name, setting)
    # A draw that belongs to all studies of a block together (a share of variance) has no plain form.
    assert plain and set(plain) <= set(block)
    for name, value in plain.items():
        near = 1e-5 if np.float32 in (np.asarray(value).dtype, block[name].dtype) else 1e-6
        np.testing.assert_allclose(block[name][number], value, atol=near, err_msg=f"{name} {setting}")


@every
def test_any_valid_setting_is_the_same_as_one_study_after_the_other(run):
    costly = run.__name__ in COSTLY

    @trials(2 if costly else 5, 12 if costly else 40)
    @given(st.data())
    def check(data):
        holds_to_one_by_one(run, drawn(run, data), seed=5, number=run.block - 1)

    check()


def small(kind):
    """The default of a parameter, or less of what is costly."""
    if isinstance(kind, Several):
        return kind.default[:2]
    costly = isinstance(kind, Whole) and kind.of == 1 and kind.reach < Whole(1).reach
    return min(kind.default, kind.low + kind.reach) if costly else kind.default


def has_branches(run):
    return any(isinstance(kind, Among) for kind in run.kinds.values())


# One that is costly and has no branch is tried above, at random settings.
ONCE_MORE = [
    pytest.param(run, id=name, marks=[pytest.mark.repetition] * (name in COSTLY and not has_branches(run)))
    for name, run in ALL.items()
]


@pytest.mark.parametrize("run", ONCE_MORE)
def test_every_branch_is_the_same_as_one_study_after_the_other(run):
    smaller = {name: small(kind) for name, kind in run.kinds.items()}
    options = [
        {name: option}
        for name, kind in run.kinds.items()
        if isinstance(kind, Among)
        for option in kind.options
    ]
    for one in options or [{}]:
        holds_to_one_by_one(run, smaller | one, seed=1, number=0)


@every
def test_any_other_setting_is_named(run):
    p = SimpleNamespace(**run.defaults)
    for name, kind in run.kinds.items():
        for value in wrong(kind, p):
            with pytest.raises(ParameterError) as error:
                run(**{name: value}, repeats=1)
            assert str(error.value).startswith(name) and len(str(error.value)) < 1000, (name, value)
    for more in ({"no_such_parameter": 1}, {"repeats": 0}, {"repeats": 1.5}, {"seed": -1}, {"seed": True}):
        with pytest.raises(ParameterError, match=next(iter(more))):
            run(**more)


@every
def test_steps_and_one_call_are_the_same(run):
    repeats = 2 * run.block + 1
    *_, last = run.stream(repeats=repeats, seed=3)
    whole, longer = run(repeats=repeats, seed=3), run(repeats=3 * run.block, seed=3)
    assert last.sentence == whole.sentence and last.repeats == whole.repeats == repeats
    for name, values in whole.draws.items():
        np.testing.assert_array_equal(values, last.draws[name])
        np.testing.assert_array_equal(values, longer.draws[name][:repeats])
    assert any(np.ptp(values, axis=0).max() > 0 for values in whole.draws.values()), "every study is alike"


def end_of_every_slider(run, last):
    """The settings of a panel whose controls all stand at their first or at their last position."""
    ends = {}
    for name, kind in run.kinds.items():
        at = list(kind.at.values() if isinstance(kind.at, Mapping) else kind.at)
        ends |= {name: at[-1 if last else 0]} if at else {}
    return ends


@every
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_the_code_of_one_study_has_the_values_of_the_sliders_in_it(run, last):
    setting = end_of_every_slider(run, last)
    try:
        p = run.checked(setting)
    except ParameterError:  # a combination that the panel refuses with a sentence
        return
    lines = ast.parse(code_of_one_study(run, setting)).body
    above = [line for line in lines if isinstance(line, ast.Import | ast.ImportFrom)]
    (values,) = (line for line in lines if isinstance(line, ast.Assign) and line.targets[0].id == "p")
    names = {}
    exec(compile(ast.Module([*above, values], []), "a cell", "exec"), names)
    assert vars(names["p"]) == vars(p)


@pytest.mark.repetition
@every
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_the_ends_of_the_sliders_are_the_same_as_one_study_after_the_other(run, last):
    setting = end_of_every_slider(run, last)
    try:
        run.checked(setting)
    except ParameterError:
        return
    holds_to_one_by_one(run, setting, seed=2, number=0)


def test_the_example_in_contributing_is_a_whole_simulation(tmp_path, monkeypatch):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(import numpy.*?)```", text, re.DOTALL)[1]
    (tmp_path / "example_of_contributing.py").write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    room = importlib.import_module("example_of_contributing")
    (run,) = (one for one in vars(room).values() if isinstance(one, Simulation))
    holds_to_one_by_one(run, {"n_scans": 60}, seed=0, number=1)
    assert panel(run, repeats=20).shown["sentence"] == run(repeats=20).sentence
