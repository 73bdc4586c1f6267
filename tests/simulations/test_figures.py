"""The figure of every simulation, at the ends of what scores can be: drawn as panels are."""

import json

import numpy as np
import pytest
import vl_convert
from harness import every_simulation, repetitions

from utils.drawing import BEFORE, takes_dots, whole
from utils.simulation import Outcome

ALL = every_simulation()
SIGNED = {"weights", "pooled", "within", "intercept", "slope"}  # draws that may be negative
ENDS = {
    "all 0": lambda rng, low, shape: np.zeros(shape),
    "half and half": lambda rng, low, shape: rng.integers(2, size=shape) * (1 - low) + low,
    "all 1": lambda rng, low, shape: np.ones(shape),
    "the middle": lambda rng, low, shape: np.full(shape, 0.5),
    "any": lambda rng, low, shape: rng.uniform(low, 1, shape),
}


@pytest.mark.parametrize("number", range(len(ALL)), ids=ALL)
def test_scores_at_their_ends_are_numbers_that_can_be_drawn(number):
    run = list(ALL.values())[number]
    start = run(repeats=2)
    shape, rng = specifications(run.draw(start)), np.random.default_rng(0)
    ends = list(ENDS)
    for end in repetitions([ends[number % len(ends)]], ends):  # each has its turn
        for repeats in repetitions([1], [1, 2, 4]):
            draws = {}
            for name, values in start.draws.items():
                some = np.repeat(values[:1], repeats, axis=0)
                low = -1 if name in SIGNED else 0
                draws[name] = some if name == "label" else ENDS[end](rng, low, some.shape)
            outcome = Outcome(draws=draws, parameters=start.parameters, read=lambda *_: "Nothing.")
            for dots in [{}, {"dots": True}][: 1 + takes_dots(run.draw)]:
                charts = run.draw(outcome, **dots)
                json.dumps([one.data for one in charts], allow_nan=False)
                assert dots or specifications(charts) == shape, "what is drawn changes with the numbers"


def specifications(charts):
    return [one.spec for one in charts]


@pytest.mark.parametrize("name", ALL)
def test_every_table_is_drawn_and_every_layer_has_its_table(name):
    run = ALL[name]
    outcome = run(repeats=2)
    for dots in [{}, {"dots": True}][: 1 + takes_dots(run.draw)]:
        charts = run.draw(outcome, **dots)
        tables = [table for one in charts for table in one.data]
        assert len({*tables} - {"guess", "chance"}) == len(
            [t for t in tables if t not in ("guess", "chance")]
        )
        for one in charts:
            drawn = {layer["data"]["name"] for layer in one.spec["layer"]}
            # The panel fills in the guess, and empties a chart that has a place for it while it asks.
            assert drawn | {"guess"} == set(one.data) | {"guess"}, name
            assert all(table.removesuffix(BEFORE) in one.data for table in one.data)
        svg = vl_convert.vegalite_to_svg(whole(charts, 600))
        assert svg.count("<path") + svg.count("<text") > 10 and "NaN" not in svg
