"""What a row of the table of proof is: figures, each with what is expected beside how it is obtained.

    @row("R21")  # source, setting and number of studies stand in rows.toml
    def two_classes():
        found = studies(learning_curve, effect=1.5)
        return {"accuracy": (0.773, ROUNDED, phi(0.75)), "simulated": (0.773, 0.005, found.mean("true"))}

A figure is (expected, tolerance, obtained). What is obtained is a number that was calculated, or a statistic
of simulated studies. Nothing is simulated before a `Run` asks for it, and the same `studies` are simulated
once for all the figures of their row.
"""

import functools
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from utils.simulation import Simulation, simulation

ROUNDED = 0.0006  # of an exact figure printed with three digits; a little more than half a digit
NEVER_MIND = 1e-9  # rounding of the machine

#: The words of the rows, by id.
TEXTS = tomllib.loads(Path(__file__).with_name("rows.toml").read_text(encoding="utf-8"))

Draws = dict[str, np.ndarray]


class Statistic(NamedTuple):
    """A statistic of some studies, not computed yet."""

    studies: "Studies"
    function: Callable[[Draws], float]


@dataclass(frozen=True, eq=False)
class Studies:
    """Studies of a simulation, not run yet: `times` as many as their row has, with the `settings`.

    Called with a function of the draws, they give a `Statistic`. `smaller` settings are used at reduced size.
    """

    simulation: Simulation
    times: float
    settings: dict
    smaller: dict = field(default_factory=dict)

    def __call__(self, function: Callable[[Draws], float]) -> Statistic:
        return Statistic(self, function)

    def mean(self, draw: str, *index) -> Statistic:
        return self(lambda draws: draws[draw][(slice(None), *index)].mean())

    def alarms(self, draw: str) -> Statistic:
        """The share of p-values of .05 or less."""
        return self(lambda draws: np.mean(draws[draw] <= 0.05))


def studies(run: Simulation, times: float = 1, smaller: dict | None = None, **settings) -> Studies:
    """Studies of a simulation with these settings."""
    return Studies(run, times, settings, smaller or {})


class Run:
    """Computes figures with so many studies per row: value and standard error. `n_jobs` is joblib's."""

    def __init__(self, studies: int, *, seed: int = 0, n_jobs: int | None = None, full: bool = False):
        self.studies, self.seed, self.n_jobs, self.full = studies, seed, n_jobs, full
        self._draws: dict[Studies, Draws] = {}

    def __call__(self, obtained: Statistic | float) -> tuple[float, float]:
        if not isinstance(obtained, Statistic):
            return float(obtained), 0.0
        return jackknife(self.draws(obtained.studies), obtained.studies.simulation.block, obtained.function)

    def draws(self, wanted: Studies) -> Draws:
        """The draws of some studies, simulated when they are asked for first: whole blocks, two at least."""
        if wanted not in self._draws:
            block = wanted.simulation.block
            repeats = block * max(2, -(-int(round(wanted.times * self.studies, 6)) // block))
            settings = wanted.settings | ({} if self.full else wanted.smaller)
            outcome = wanted.simulation(repeats=repeats, seed=self.seed, n_jobs=self.n_jobs, **settings)
            self._draws[wanted] = outcome.draws
        return self._draws[wanted]


def jackknife(draws: Draws, block: int, statistic: Callable[[Draws], float]) -> tuple[float, float]:
    """A statistic and its standard error. Whole blocks are left out: their studies may share labels and
    folds."""
    blocks = len(next(iter(draws.values()))) // block
    groups = min(blocks, 25)
    edges = np.linspace(0, blocks, groups + 1).round().astype(int) * block

    def without(a, b):
        return statistic({name: np.delete(values, slice(a, b), axis=0) for name, values in draws.items()})

    left = np.array([without(a, b) for a, b in pairwise(edges)])
    error = np.sqrt((groups - 1) / groups * np.sum((left - left.mean()) ** 2))
    return float(statistic(draws)), float(error)


class Figure(NamedTuple):
    """What is expected, within which tolerance, and how it is obtained."""

    expected: float
    tolerance: float
    obtained: Statistic | float


@dataclass(frozen=True)
class Row:
    """One row, made by `row`; `rising` holds names of figures whose values come in that order, as "a < b".

    `full` and `reduced` are numbers of studies: for the page, and for the tests.
    """

    id: str
    lessons: str
    source: str
    setting: str
    make: Callable[[], object]
    doi: str = ""
    full: int = 1
    reduced: int = 1
    rising: list[str] = field(default_factory=list)

    @functools.cached_property
    def figures(self) -> dict[str, Figure]:
        """What is expected and how it is obtained, by the name of the figure."""
        return {name: Figure(*figure) for name, figure in dict(self.make()).items()}

    def compute(self, run: Run) -> dict[str, tuple[float, float]]:
        """Value and standard error of every figure."""
        return {name: run(figure.obtained) for name, figure in self.figures.items()}

    def verdicts(self, obtained: dict[str, tuple[float, float]]) -> dict[str, bool]:
        """Whether each figure, and each direction, came out."""
        if obtained.keys() != self.figures.keys():
            raise KeyError(f"{self.id}: computed {list(obtained)}, expected {list(self.figures)}")
        found = {}
        for name, (expected, tolerance, _) in self.figures.items():
            found[name] = reproduced(expected, tolerance, *obtained[name])
        for direction in self.rising:
            values = [obtained[name][0] for name in direction.split(" < ")]
            found[direction] = bool(np.all(np.diff(values) > 0))
        return found


def reproduced(expected: float, tolerance: float, value: float, error: float) -> bool:
    """Within the tolerance or within three Monte-Carlo standard errors."""
    return bool(abs(value - expected) <= max(tolerance, 3 * error) + NEVER_MIND)


def row(id: str) -> Callable[[Callable], Row]:
    """Turn a function that gives figures by name, as a dict or one after the other, into a row."""

    def made(figures):
        text = dict(TEXTS[id])
        full, reduced = text.pop("studies", (1, 1))
        return Row(id, make=figures, full=full, reduced=reduced, **text)

    return made


def drawn(block: int, **parameters) -> Callable[[Callable], Simulation]:
    """Turn ``draw(p, rng, repeats)``, which gives draws at once, into a simulation of the table's own."""

    def made(draw):
        description = {
            "__doc__": draw.__doc__ or "Draws for the table of proof.",
            "__module__": draw.__module__,
            "recruit": draw,
            "analyse": lambda p, draws: draws,
            "read": lambda p, draws: "",
        }
        return simulation(block=block)(type(draw.__name__, (), parameters | description))

    return made


def phi(x):
    """The normal distribution function."""
    return stats.norm.cdf(x)
