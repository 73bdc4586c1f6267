"""The simulations of the course: the score a study would report, beside the score it would really get.

Every experiment is a function that simulates many small studies whose truth is known. It takes keyword
arguments only and gives an `Outcome`: the scores of every simulated study, and one sentence that reads
them. An experiment computes and never draws.

The studies are simulated in blocks. Block *b* of an experiment with seed *s* is drawn from a generator
of its own, seeded with (s, b). The first picture of a panel (a few blocks), the refined one (all blocks)
and a call in a test therefore show the very same studies.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from utils import replicates


class ParameterError(ValueError):
    """A parameter outside its range, or a combination that no study can have."""


def require(condition: bool, name: str, value: object, allowed: str) -> None:
    """Raise a `ParameterError` that names the parameter, its value and what is allowed."""
    if not condition:
        raise ParameterError(f"{name} is {value!r}, but it must be {allowed}.")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an experiment found.

    Attributes
    ----------
    draws : dict of str to numpy.ndarray, shape (repeats,) or (repeats, ...)
        One row per simulated study. "reported" is the score that the study would publish, "true" the
        score that its model really gets on new subjects; the experiment's docstring names the others.
    parameters : dict
        The parameters of the simulation.
    sentence : str
        One sentence that reads the result: for the line under the picture and for its alternative text.
    """

    draws: dict[str, np.ndarray]
    parameters: dict[str, object]
    sentence: str

    @property
    def repeats(self) -> int:
        """Number of simulated studies."""
        return len(next(iter(self.draws.values())))


class Experiment:
    """A simulation that can be run at once (call it) or in steps (`stream`), with equal results."""

    def __init__(self, simulate: Callable, read: Callable, block: int):
        self._simulate, self._read, self.block = simulate, read, block
        functools.update_wrapper(self, simulate)
        signature = inspect.signature(simulate)
        own = [p for p in signature.parameters.values() if p.name not in ("rng", "repeats")]
        self.defaults = {p.name: p.default for p in own}
        extra = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
                 for name, default in (("repeats", 1000), ("seed", 0))]
        self.__signature__ = signature.replace(parameters=own + extra, return_annotation=Outcome)

    def stream(self, *, repeats: int = 1000, seed: int = 0, **parameters) -> Iterator[Outcome]:
        """Yield an `Outcome` after every block of studies; the last one holds all `repeats`."""
        require(isinstance(repeats, (int, np.integer)) and repeats >= 1, "repeats", repeats,
                "a whole number, 1 or more")
        require(isinstance(seed, (int, np.integer)) and seed >= 0, "seed", seed, "a whole number, 0 or more")
        unknown = sorted(set(parameters) - set(self.defaults))
        if unknown:
            raise ParameterError(f"{self.__name__} has no parameter {unknown[0]!r}. "
                                 f"Its parameters are {', '.join(self.defaults)}, repeats and seed.")
        parameters = self.defaults | parameters
        blocks: list[dict[str, np.ndarray]] = []
        done = 0
        while done < repeats:
            # A block is always simulated whole, so that its studies do not depend on `repeats`.
            rng = np.random.default_rng([seed, len(blocks)])
            draws = self._simulate(rng=rng, repeats=self.block, **parameters)
            keep = min(self.block, repeats - done)
            blocks.append({name: values[:keep] for name, values in draws.items()})
            done += keep
            joined = {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}
            yield Outcome(draws=joined, parameters=parameters, sentence=self._read(joined, parameters))

    def __call__(self, *, repeats: int = 1000, seed: int = 0, **parameters) -> Outcome:
        *_, outcome = self.stream(repeats=repeats, seed=seed, **parameters)
        return outcome


def experiment(read: Callable[[dict, dict], str], *, block: int) -> Callable[[Callable], Experiment]:
    """Turn ``simulate(*, rng, repeats, ...) -> dict of arrays`` into an `Experiment`.

    Parameters
    ----------
    read : callable
        Takes the draws and the parameters, gives the sentence.
    block : int
        Studies per block: small enough for a block to take a few hundredths of a second.
    """
    return lambda simulate: Experiment(simulate, read, block)


def _optimism(draws: dict[str, np.ndarray]) -> str:
    """The end of most sentences: what is reported, what is true, and the difference."""
    reported, true = draws["reported"].mean(), draws["true"].mean()
    # The difference of the rounded figures, so that the three numbers agree with each other.
    optimism = round(reported, 2) - round(true, 2)
    return f"the study reports {reported:.2f}; the truth is {true:.2f}; optimism {optimism:+.2f}"


def _read_selection(draws, parameters):
    return (f"{parameters['n_scans']} scans, {parameters['n_features']} features, of which the "
            f"{parameters['n_selected']} best are kept: {_optimism(draws)}. "
            f"With the selection inside the folds it would report {draws['honest'].mean():.2f}.")


@experiment(_read_selection, block=10)
def selection_outside_folds(
    *, n_scans: int = 50, n_features: int = 1000, n_selected: int = 20, effect: float = 0.0,
    n_informative: int = 10, rule: str = "nearest neighbour", signed: bool = False, n_folds: int = 5,
    n_new: int = 200, rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Choose features with all scans, then cross-validate: the leak that makes noise look like signal.

    Two classes of equal size, independent normal features of unit variance. The best features are chosen
    by their correlation with the label, either from all scans ("reported") or anew from the training
    scans of every fold ("honest"). The true score is that of the whole procedure, fitted to all scans, on
    new subjects.

    Parameters
    ----------
    n_scans : int
        Scans, one per subject; half of them patients.
    n_features, n_selected : int
        Features measured, and features kept.
    effect : float
        Cohen's d between the classes in each of the informative features; 0 for pure noise.
    n_informative : int
        How many features carry the effect.
    rule : {"nearest neighbour", "nearest centroid"}
        The classifier.
    signed : bool
        Rank by the signed correlation, as the published experiment does, not by its absolute value.
    n_folds : int
        Folds, stratified.
    n_new : int
        New subjects on whom each study's true score is measured.

    Returns
    -------
    Outcome
        Draws "reported", "honest", "true": accuracies, shape (repeats,).

    References
    ----------
    Hastie, Tibshirani, Friedman (2009), The Elements of Statistical Learning, 2nd edition, section 7.10.2:
    50 scans, 5000 features of pure noise, the best 100, nearest neighbour: error 3 %. Ambroise and
    McLachlan (2002), PNAS 99:6562, doi:10.1073/pnas.102102699.
    """
    require(n_scans >= 4 and n_scans % 2 == 0, "n_scans", n_scans, "an even number, 4 or more")
    require(2 <= n_folds <= n_scans // 2, "n_folds", n_folds,
            f"from 2 to the size of a class, here {n_scans // 2}")
    require(1 <= n_features, "n_features", n_features, "1 or more")
    require(1 <= n_selected <= n_features, "n_selected", n_selected,
            f"from 1 to the number of features, here {n_features}")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(n_informative >= 0, "n_informative", n_informative, "0 or more")
    require(rule in ("nearest neighbour", "nearest centroid"), "rule", rule,
            "'nearest neighbour' or 'nearest centroid'")
    labels = np.repeat([0, 1], n_scans // 2)
    folds = replicates.stratified_folds(labels, n_folds)
    shift = np.zeros(n_features, np.float32)
    shift[:n_informative] = effect
    X = rng.standard_normal((repeats, n_scans, n_features), dtype=np.float32)
    X[:, labels == 1] += shift

    def correct(products, train_products, allowed, test_labels):
        if rule == "nearest centroid":
            predicted = replicates.nearest_centroid(products, train_products, labels, allowed) > 0
        else:
            squares = np.einsum("...ii->...i", train_products)
            predicted = replicates.nearest_neighbour(products, squares, labels, allowed)
        return predicted == test_labels

    # The first set of rows is all scans, the others are the training scans of every fold.
    rows = np.vstack([np.ones((1, n_scans), bool), folds != np.arange(n_folds)[:, None]])
    chosen = replicates.select_by_correlation(X, labels, n_selected, signed=signed, rows=rows)
    apart = folds[:, None] != folds
    honest = np.empty((repeats, n_scans))
    for fold in range(n_folds):
        kept = np.take_along_axis(X, chosen[:, fold + 1, None, :], axis=2)
        train_products = replicates.gram(kept, kept)
        test = folds == fold
        honest[:, test] = correct(train_products[:, test], train_products, apart[test], labels[test])
    kept = np.take_along_axis(X, chosen[:, 0, None, :], axis=2)
    train_products = replicates.gram(kept, kept)
    reported = correct(train_products, train_products, apart, labels)
    # Features are independent, so new subjects need only the chosen ones.
    new_labels = np.arange(n_new) % 2
    new = rng.standard_normal((repeats, n_new, n_selected), dtype=np.float32)
    new += new_labels[:, None] * shift[chosen[:, 0]][:, None, :]
    everyone = np.ones((n_new, n_scans), bool)
    true = correct(replicates.gram(new, kept), train_products, everyone, new_labels)
    return {"reported": reported.mean(axis=1), "honest": honest.mean(axis=1), "true": true.mean(axis=1)}
