"""The figure of every simulation, at the ends of what scores can be: changed in place and drawn anew."""

import importlib
import pkgutil
import warnings

import numpy as np
import pytest
from harness import repetitions
from matplotlib.backends.backend_agg import FigureCanvasAgg

import simulations
from utils.simulation import Outcome, Simulation

ROOMS = [f"simulations.{room.name}" for room in pkgutil.iter_modules(simulations.__path__)]
ALL = {
    one.__name__: one
    for room in map(importlib.import_module, ROOMS)
    for one in vars(room).values()
    if isinstance(one, Simulation) and one.__module__ == room.__name__
}
SIGNED = {"weights", "pooled", "within", "intercept", "slope"}  # draws that may be negative
ENDS = {
    "all 0": lambda rng, low, shape: np.zeros(shape),
    "half and half": lambda rng, low, shape: rng.integers(2, size=shape) * (1 - low) + low,
    "all 1": lambda rng, low, shape: np.ones(shape),
    "the middle": lambda rng, low, shape: np.full(shape, 0.5),
    "any": lambda rng, low, shape: rng.uniform(low, 1, shape),
}


def painted(figure):
    """That there is something on it; at few dots, which is quick."""
    figure.set_dpi(30)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for artist in figure.moving:
        figure.draw_artist(artist)
    return np.ptp(canvas.buffer_rgba()) > 100


@pytest.mark.parametrize("number", range(len(ALL)), ids=ALL)
def test_scores_at_their_ends_are_drawn_in_place_and_anew(number):
    run = list(ALL.values())[number]
    start = run(repeats=2)
    made, rng = run.draw(start), np.random.default_rng(0)
    ends = list(ENDS)
    for end in repetitions([ends[number % len(ends)]], ends):  # each has its turn
        for repeats in repetitions([1], [1, 2, 4]):
            draws = {}
            for name, values in start.draws.items():
                some = np.repeat(values[:1], repeats, axis=0)
                low = -1 if name in SIGNED else 0
                draws[name] = some if name == "label" else ENDS[end](rng, low, some.shape)
            outcome = Outcome(draws=draws, parameters=start.parameters, read=lambda *_: "Nothing.")
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert run.draw(outcome, made) is made
                for figure in repetitions([made], [made, run.draw(outcome)]):
                    assert painted(figure), end
