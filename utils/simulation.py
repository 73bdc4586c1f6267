"""A simulation is described once: its parameters, who is recruited, the analysis, what the result says.

From the description follow the check of every call, the error messages, the "Parameters" of the docstring,
the sliders of the panel, the random settings of the tests, the comparison with scikit-learn, and "The code of
one study".

    @simulation(block=5, draw=ridges)
    class repeated_scans:
        '''What it is, its draws, its source.'''

        n_subjects = Whole(40, 4, of=2, label="Subjects", at=range(10, 41, 10))

        def recruit(p, rng, repeats): ...   # the subjects and scans of many studies: Studies
        def one(p, study): ...              # one study in plain scikit-learn: a dict of draws
        def analyse(p, studies): ...        # all of them at once: a dict of arrays, one row per study
        def read(p, draws): ...             # the sentence
        def head(p, draws): ...             # perhaps: the headline, if not "Reported .80, really .57."
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from numbers import Integral, Real
from types import SimpleNamespace

import joblib
import numpy as np
from scipy.stats import norm

LARGEST_COUNT = 100_000
SMALLEST, LARGEST = 1e-9, 1e3  # sizes of other numbers, unless they are 0: beyond, rounding would decide


class ParameterError(ValueError):
    """A parameter outside its range, or a combination that no study can have."""


def refuse(name: str, value: object, allowed: str) -> None:
    """Raise a `ParameterError` that names the parameter, its value and what is allowed."""
    told = repr(value)
    told = told if len(told) <= 200 else f"{told[:200]} …"
    raise ParameterError(f"{name} is {told}, but it must be {allowed}.")


# Kinds of parameters. A bound is a number, or (its meaning, a function of the parameters above it).


def bound_at(bound, p):
    """A bound as a number, at the parameters `p`."""
    return bound[1](p) if isinstance(bound, tuple) else bound


def _told(bound, p):
    return f"{bound[0]}, here {bound[1](p)}" if isinstance(bound, tuple) else f"{bound:g}"


@dataclass(kw_only=True)
class Parameter:
    """What all kinds have.

    Attributes
    ----------
    label, unit : str
        For a learner: beside the slider. A share whose unit begins with "%" is read in per cent there.
    doc : str
        For a reader of the code.
    at : sequence or dict
        Positions of its slider, or its choices, from what the learner reads to the value. Without any, a
        panel does not offer the parameter.
    start : object
        Where the slider starts; by default at the default.
    when : callable, optional
        Of the parameters: whether this one has any effect there. Where not, its slider is grey.
    """

    label: str = ""
    unit: str = ""
    doc: str = ""
    at: object = ()
    start: object = None
    when: Callable | None = None

    def __set_name__(self, owner, name):
        self.name = name


@dataclass
class Number(Parameter):
    """A number from `low` to `high`, without the ends that are `open`; `whole` numbers are multiples `of`."""

    default: float
    low: float = -LARGEST
    high: float = LARGEST
    open: str = field(default="", kw_only=True)  # "low", "high" or "both"
    of: int = field(default=1, kw_only=True)
    # Random tests go so many steps above `low`: for costly counts.
    reach: int = field(default=20, kw_only=True)
    whole = False
    most = LARGEST

    def says(self, p) -> str:
        """What is allowed, in words, at the parameters `p`."""
        first = last = ""
        if bound_at(self.low, p) > -LARGEST:
            first = ("above " if self.open in ("low", "both") else "from ") + _told(self.low, p)
        if bound_at(self.high, p) < self.most:
            last = ("below " if self.open in ("high", "both") else "to ") + _told(self.high, p)
        kind = "a finite number"
        if self.whole:
            kind = "a whole number" if self.of == 1 else f"a multiple of {_told(self.of, p)}"
        return ", ".join(filter(None, [kind, " ".join(filter(None, [first, last]))]))

    def check(self, value, p):
        """The value, or a `ParameterError`."""
        fits = isinstance(value, Integral if self.whole else Real) and not isinstance(value, bool | np.bool_)
        if fits:
            low, high = bound_at(self.low, p), min(bound_at(self.high, p), self.most)
            inside = low <= value <= high
            inside = inside and not (value == low and self.open in ("low", "both"))
            inside = inside and not (value == high and self.open in ("high", "both"))
            fits = inside and (self.whole or value == 0 or abs(value) >= SMALLEST)
            fits = fits and (not self.whole or value % bound_at(self.of, p) == 0)
        return value if fits else refuse(self.name, value, self.says(p))


@dataclass
class Whole(Number):
    """A count."""

    high: float = LARGEST_COUNT
    whole = True
    most = LARGEST_COUNT


Share = functools.partial(Number, low=0, high=1)


@dataclass(init=False)
class Among(Parameter):
    """One of several names; the first is the default, and a panel offers them all."""

    def __init__(self, *options, **more):
        super().__init__(**{"at": options if more.get("label") else ()} | more)
        self.options, self.default = options, options[0]

    def says(self, p) -> str:
        return "one of " + ", ".join(map(repr, self.options))

    def check(self, value, p):
        value = value.item() if isinstance(value, np.generic) else value
        if any(type(value) is type(option) and value == option for option in self.options):
            return value
        return refuse(self.name, value, self.says(p))


Flag = functools.partial(Among, False, True)


@dataclass
class Several(Parameter):
    """Some numbers of a kind, perhaps rising."""

    each: Number
    default: tuple
    rising: bool = field(default=False, kw_only=True)

    def says(self, p) -> str:
        return f"numbers in brackets, at most 1000{', rising' * self.rising}, each {self.each.says(p)}"

    def check(self, value, p):
        self.each.name = self.name
        try:
            fits = isinstance(value, tuple | list | range | np.ndarray) and 0 < len(value) <= 1000
            fits = fits and all(self.each.check(one, p) is not None for one in value)
            fits = fits and not (self.rising and np.any(np.diff(value) <= 0))
        except ParameterError:
            fits = False
        return tuple(value) if fits else refuse(self.name, value, self.says(p))


# A simulation


class Studies(SimpleNamespace):
    """Recruited studies: the arrays of `each` have one row per study, everything else they share."""

    def __init__(self, each: dict[str, np.ndarray], **same):
        super().__init__(**same, **each)
        self._each, self._same = each, same

    def one(self, number: int) -> SimpleNamespace:
        """The study with this number, alone."""
        return SimpleNamespace(**self._same, **{name: rows[number] for name, rows in self._each.items()})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a simulation found.

    Attributes
    ----------
    draws : dict of str to numpy.ndarray, shape (repeats,) or (repeats, ...)
        One row per simulated study. "reported" is the score that the study would publish, "true" the score
        that its model really gets on new subjects; the simulation's docstring names the others.
    parameters : dict
        The parameters of the simulation.
    """

    draws: dict[str, np.ndarray]
    parameters: dict[str, object]
    read: Callable = field(repr=False)
    head: Callable | None = field(default=None, repr=False)

    @functools.cached_property
    def headline(self) -> str:
        """The result in a few words: what the description says, or what is reported and what is true."""
        if self.head:
            return with_minus(self.head(SimpleNamespace(**self.parameters), self.draws))
        if all(np.ndim(self.draws.get(name)) == 1 for name in ("reported", "true")):
            reported, true = (self.draws[name].mean() for name in ("reported", "true"))
            return f"Reported {reported:.2f}, really {true:.2f}."
        return ""

    @functools.cached_property
    def sentence(self) -> str:
        """One sentence that reads the result: for the line under the picture and for its alternative text."""
        # Not before it is asked for: a panel shows few of its outcomes.
        return with_minus(self.read(SimpleNamespace(**self.parameters), self.draws))

    @property
    def repeats(self) -> int:
        """Number of simulated studies."""
        return len(next(iter(self.draws.values())))


class Simulation:
    """Made by `simulation` from a description; called, it gives an `Outcome`.

    Block b of seed s has a generator of its own, seeded with (s, b). So the first picture of a panel, the
    refined one, a call in a test and a long run on many cores see the very same studies.

    Attributes
    ----------
    kinds : dict of str to Parameter
    defaults : dict
    block : int
        Studies in a block: small enough for a block to take a few hundredths of a second.
    draw : callable
        ``draw(outcome)`` makes its figure, ``draw(outcome, figure)`` changes it.
    """

    def __init__(self, description: type, block: int, draw: Callable | None):
        self.block, self.draw, self.description = block, draw, description
        self.kinds = {name: kind for name, kind in vars(description).items() if isinstance(kind, Parameter)}
        self.defaults = {name: kind.default for name, kind in self.kinds.items()}
        functools.update_wrapper(self, description, updated=())
        p = SimpleNamespace(**self.defaults)
        lines = []
        for name, kind in self.kinds.items():
            unit = f" ({kind.unit})" if kind.unit and not kind.unit.startswith("%") else ""
            said = ". ".join(text.rstrip(".") for text in (kind.label + unit, kind.doc) if text)
            lines.append(f"{name} : {kind.says(p)}; by default {kind.default!r}\n    {said}")
        self.__doc__ = "\n".join(
            [inspect.cleandoc(description.__doc__), "", "Parameters", "----------", *lines]
        )
        keyword = inspect.Parameter.KEYWORD_ONLY
        self.__signature__ = inspect.Signature(
            [
                inspect.Parameter(name, keyword, default=default)
                for name, default in (self.defaults | {"repeats": 1000, "seed": 0, "n_jobs": 1}).items()
            ]
        )

    def checked(self, given: dict, repeats: int = 1, seed: int = 0) -> SimpleNamespace:
        """All parameters, those `given` and the others' defaults, or a `ParameterError`."""
        for name, value, low, high in (("repeats", repeats, 1, 10**9), ("seed", seed, 0, None)):
            whole = isinstance(value, Integral) and not isinstance(value, bool)
            if not whole or value < low or (high and value > high):
                refuse(
                    name, value, f"a whole number, {low} or more" + (f", at most {high:,}" if high else "")
                )
        if unknown := [name for name in given if name not in self.kinds]:
            raise ParameterError(
                f"{self.__name__} has no parameter {unknown[0]!r}. "
                f"Its parameters are {', '.join(self.kinds)}, repeats and seed."
            )
        p = SimpleNamespace(**self.defaults | given)
        for name, kind in self.kinds.items():
            setattr(p, name, kind.check(getattr(p, name), p))
        return p

    def recruited(self, p: SimpleNamespace, seed: int = 0, number: int = 0) -> Studies:
        """The studies of a block, not yet analysed."""
        return self.description.recruit(p, np.random.default_rng([seed, number]), self.block)

    def block_of(self, p: SimpleNamespace, seed: int = 0, number: int = 0) -> dict[str, np.ndarray]:
        """The draws of a block, always simulated whole, so that its studies do not depend on `repeats`."""
        try:
            return self.description.analyse(p, self.recruited(p, seed, number))
        except MemoryError:
            counts = {}
            for name, kind in self.kinds.items():
                if isinstance(kind, Whole) or isinstance(getattr(kind, "each", None), Whole):
                    counts[name] = np.max(getattr(p, name))
            name = max(counts, key=counts.get)
            raise ParameterError(
                f"{name} is {getattr(p, name)!r}, which with the other parameters needs more memory than "
                "there is. Make it smaller."
            ) from None

    def plain(self, p: SimpleNamespace, seed: int = 0, number: int = 0) -> Iterator[dict]:
        """The draws of the same studies, one by one, as a researcher would analyse them with scikit-learn."""
        studies = self.recruited(p, seed, number)
        return (self.description.one(p, studies.one(r)) for r in range(self.block))

    def stream(self, *, repeats: int = 1000, seed: int = 0, **given) -> Iterator[Outcome]:
        """An `Outcome` after every block of studies; the last one holds all `repeats`."""
        p, draws, count = self.checked(given, repeats, seed), {}, -(-repeats // self.block)
        for number in range(count):
            start, end = number * self.block, (number + 1) * self.block
            for name, values in self.block_of(p, seed, number).items():
                if number == 0:
                    draws[name] = np.empty((count * self.block, *values.shape[1:]), values.dtype)
                draws[name][start:end] = values
            # Views: what has been simulated is not copied again with each block.
            yield self._outcome(p, {name: values[: min(end, repeats)] for name, values in draws.items()})

    def __call__(self, *, repeats: int = 1000, seed: int = 0, n_jobs: int | None = 1, **given) -> Outcome:
        """Simulate.

        `n_jobs` is the number of workers, -1 for one per core, None for what ``joblib.parallel_config`` says
        (for example a Dask cluster). It does not change the result.
        """
        p = self.checked(given, repeats, seed)
        blocks = joblib.Parallel(n_jobs=n_jobs)(
            joblib.delayed(self.block_of)(p, seed, number) for number in range(-(-repeats // self.block))
        )
        return self._outcome(
            p, {name: np.concatenate([block[name] for block in blocks])[:repeats] for name in blocks[0]}
        )

    def _outcome(self, p, draws):
        head = getattr(self.description, "head", None)
        return Outcome(draws=draws, parameters=vars(p), read=self.description.read, head=head)

    def __reduce__(self) -> str:
        return self.__name__  # to a worker it goes by name, as a function does


def simulation(*, block: int, draw: Callable | None = None) -> Callable[[type], Simulation]:
    """Turn a class that describes a simulation into one that can be run: see the top of this file."""
    return lambda description: Simulation(description, block, draw)


def optimism(draws: dict[str, np.ndarray]) -> str:
    """The end of most sentences: what is reported, what is true, and the difference."""
    reported, true = draws["reported"].mean(), draws["true"].mean()
    # The difference of the rounded figures, so that the three numbers agree with each other.
    difference = round(reported, 2) - round(true, 2)
    return f"the study reports {reported:.2f}; the truth is {true:.2f}; optimism {difference:+.2f}"


def with_minus(words: str) -> str:
    """Words in which a hyphen before a number, but not within a word, is a minus sign: it is read out."""
    return re.sub(r"(?<![\w.])-(?=[\d.])", "−", words)


def counted(number: int, noun: str) -> str:
    """A number and its noun: "1 scan", "3 scans"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def exact_accuracy(weights, intercept, means) -> float:
    """Accuracy of a linear rule on endless new subjects: two equally frequent normal classes, variance 1.

    `weights` has shape (p,), `means` (2, p); a score above 0 means the second class.
    """
    low, high = means @ np.ravel(weights) + np.ravel(intercept)[0]
    sd = np.linalg.norm(weights)
    return (norm.cdf(-low / sd) + norm.cdf(high / sd)) / 2 if sd else 0.5


def linear_rule(model) -> tuple[np.ndarray, float]:
    """Weights and intercept of a fitted linear model or `NearestCentroid`, for `exact_accuracy`."""
    if hasattr(model, "centroids_"):
        low, high = model.centroids_
        return high - low, -(high - low) @ (low + high) / 2
    return np.ravel(model.coef_), np.ravel(model.intercept_)[0]
