"""The simulations of the course: the score a study would report, beside the score it would really get.

Every experiment is a function that simulates many small studies whose truth is known. It takes keyword
arguments only and gives an `Outcome`: the scores of every simulated study, and one sentence that reads
them. An experiment computes and never draws.

The studies are simulated in blocks. Block *b* of an experiment with seed *s* is drawn from a generator
of its own, seeded with (s, b). The first picture of a panel (a few blocks), the refined one (all blocks)
and a call in a test therefore show the very same studies, and so does a long run on many cores (`Experiment.run`).
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import get_origin

import joblib
import numpy as np
from scipy import stats
from scipy.linalg import lapack
from scipy.special import ndtr

from utils import cohort, replicates


class ParameterError(ValueError):
    """A parameter outside its range, or a combination that no study can have."""


def require(condition: bool, name: str, value: object, allowed: str) -> None:
    """Raise a `ParameterError` that names the parameter, its value and what is allowed."""
    if not condition:
        told = repr(value)
        told = told if len(told) <= 200 else f"{told[:200]} …"
        raise ParameterError(f"{name} is {told}, but it must be {allowed}.")


# The largest count that a parameter may be, and the size of other numbers, unless they are 0. Beyond them,
# memory or the precision of floating-point numbers would end a simulation, not a thought about studies.
LARGEST_COUNT = 100_000
SMALLEST, LARGEST = 1e-9, 1e3


def _of_kind(name: str, value: object, kind: type, whole: bool) -> object:
    """The value of a parameter, if it is of its kind: a `ParameterError` if not.

    `kind` is bool, int, float, str or tuple; `whole` says of a tuple that its numbers are counts.
    """
    if kind is bool:
        require(isinstance(value, bool | np.bool_), name, value, "True or False")
        return bool(value)
    if kind is str:
        require(isinstance(value, str), name, value, "text, one of the names that the parameter knows")
        return str(value)
    if kind is tuple:
        require(isinstance(value, tuple | list | range | np.ndarray) and 0 < len(value) <= 1000, name, value,
                "numbers in brackets, such as (1, 2, 3), at most 1000")
        for one in value:
            try:
                _of_kind(name, one, int if whole else float, False)
            except ParameterError as error:
                raise ParameterError(f"{name} is {value!r}. {error}") from None
        return tuple(value)
    number = isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool | np.bool_)
    if kind is int:
        require(number, name, value, "a whole number")
        require(abs(value) <= LARGEST_COUNT, name, value, f"at most {LARGEST_COUNT}")
    else:
        require(number and abs(value) < np.inf, name, value, "a finite number")
        require(value == 0 or SMALLEST <= abs(value) <= LARGEST, name, value, f"0, or between {SMALLEST:g} and {LARGEST:g} in size")
    return value


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
    read : callable
        Makes the sentence of the draws and the parameters.
    """

    draws: dict[str, np.ndarray]
    parameters: dict[str, object]
    read: Callable[[dict, dict], str] = field(repr=False)

    @functools.cached_property
    def sentence(self) -> str:
        """One sentence that reads the result: for the line under the picture and for its alternative text."""
        return self.read(self.draws, self.parameters)  # not before it is asked for: a panel shows few of its outcomes

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
        self._kinds = {p.name: get_origin(p.annotation) or p.annotation for p in own}
        extra = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
                 for name, default in (("repeats", 1000), ("seed", 0))]
        self.__signature__ = signature.replace(parameters=own + extra, return_annotation=Outcome)

    def stream(self, *, repeats: int = 1000, seed: int = 0, **parameters) -> Iterator[Outcome]:
        """Yield an `Outcome` after every block of studies; the last one holds all `repeats`."""
        parameters = self._checked(repeats, seed, parameters)
        count = -(-repeats // self.block)
        draws = {}
        for number in range(count):
            start, end = number * self.block, (number + 1) * self.block
            for name, values in self._draw(seed, number, parameters).items():
                if number == 0:
                    draws[name] = np.empty((count * self.block, *values.shape[1:]), values.dtype)
                draws[name][start:end] = values
            # Every outcome is a view: what has been simulated is not copied again with each block.
            yield self._outcome({name: values[:min(end, repeats)] for name, values in draws.items()}, parameters)

    def __call__(self, *, repeats: int = 1000, seed: int = 0, **parameters) -> Outcome:
        return self.run(repeats=repeats, seed=seed, n_jobs=1, **parameters)

    def run(self, *, repeats: int = 1000, seed: int = 0, n_jobs: int | None = None, **parameters) -> Outcome:
        """The same studies as a call, with the blocks handed to joblib: for long runs on many cores.

        Parameters
        ----------
        repeats, seed, **parameters
            As in a call.
        n_jobs : int, optional
            Workers; -1 for one per core. By default what ``joblib.parallel_config`` says, else one. The back end
            is joblib's own (processes), or the one that ``joblib.parallel_config`` names, for example "dask" with
            a Dask client. Nothing of this changes the result: every block has a generator of its own.
        """
        parameters = self._checked(repeats, seed, parameters)
        blocks = joblib.Parallel(n_jobs=n_jobs)(
            joblib.delayed(self._draw)(seed, number, parameters) for number in range(-(-repeats // self.block)))
        draws = {name: np.concatenate([block[name] for block in blocks])[:repeats] for name in blocks[0]}
        return self._outcome(draws, parameters)

    def __reduce__(self) -> str:
        return self.__name__  # to a worker it goes by name, as a function does

    def _checked(self, repeats: int, seed: int, parameters: dict) -> dict:
        for name, value, low in (("repeats", repeats, 1), ("seed", seed, 0)):
            require(isinstance(value, Integral) and not isinstance(value, bool) and value >= low, name, value,
                    f"a whole number, {low} or more")
        require(repeats <= 10**9, "repeats", repeats, "at most 1,000,000,000")
        unknown = sorted(set(parameters) - set(self.defaults))
        if unknown:
            raise ParameterError(f"{self.__name__} has no parameter {unknown[0]!r}. "
                                 f"Its parameters are {', '.join(self.defaults)}, repeats and seed.")
        for name, value in parameters.items():
            whole = self._kinds[name] is tuple and all(isinstance(one, int) for one in self.defaults[name])
            parameters[name] = _of_kind(name, value, self._kinds[name], whole)
        return self.defaults | parameters

    def _draw(self, seed: int, number: int, parameters: dict) -> dict[str, np.ndarray]:
        # A block is always simulated whole, so that its studies do not depend on `repeats`.
        try:
            return self._simulate(rng=np.random.default_rng([seed, number]), repeats=self.block, **parameters)
        except MemoryError:
            counts = {name: np.max(value) for name, value in parameters.items() if self._kinds[name] in (int, tuple)}
            name = max(counts, key=counts.get)
            raise ParameterError(f"{name} is {parameters[name]!r}, which with the other parameters needs more memory than "
                                 "there is. Make it smaller.") from None

    def _outcome(self, draws: dict[str, np.ndarray], parameters: dict) -> Outcome:
        return Outcome(draws=draws, parameters=parameters, read=self._read)


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
        New subjects on whom each study's true score is measured. The measured score varies around the
        study's own true score by binomial noise (standard deviation .035 with 200).

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
    require(n_new >= 1, "n_new", n_new, "1 or more")
    labels = np.repeat([0, 1], n_scans // 2)
    folds = replicates.stratified_folds(labels, n_folds)
    shift = np.zeros(n_features, np.float32)
    shift[:n_informative] = effect
    X = rng.standard_normal((repeats, n_scans, n_features), dtype=np.float32)
    X[:, n_scans // 2:, :n_informative] += shift[:n_informative]

    def correct(train, test, test_labels, seen):
        """Whether the rule made of the training scans `seen` is right about the test scans."""
        train = train[:, seen]
        if rule == "nearest centroid":
            predicted = replicates.nearest_centroid(test, train, labels[seen]) > 0
        else:
            squares = np.einsum("...ij,...ij->...i", train, train)
            predicted = replicates.nearest_neighbour(replicates.gram(test, train), squares, labels[seen], True)
        return predicted == test_labels

    # The first set of rows is all scans, the others are the training scans of every fold.
    rows = np.vstack([np.ones((1, n_scans), bool), folds != np.arange(n_folds)[:, None]])
    chosen = replicates.select_by_correlation(X, labels, n_selected, signed=signed, rows=rows)
    # Study by study, because the scans of one study stay in the processor's cache.
    kept = np.stack([study[:, columns] for study, columns in zip(X, chosen, strict=True)]).swapaxes(1, 2)
    best, inside = kept[:, 0], kept[:, 1:]
    reported, honest = np.empty((2, repeats, n_scans))
    for fold in range(n_folds):
        test = folds == fold
        reported[:, test] = correct(best, best[:, test], labels[test], ~test)
        honest[:, test] = correct(inside[:, fold], inside[:, fold, test], labels[test], ~test)
    # Features are independent, so new subjects need only the chosen ones.
    new_labels = np.arange(n_new) % 2
    new = rng.standard_normal((repeats, n_new, n_selected), dtype=np.float32)
    new += new_labels[:, None] * shift[chosen[:, 0]][:, None, :]
    true = correct(best, new, new_labels, np.ones(n_scans, bool))
    return {"reported": reported.mean(axis=1), "honest": honest.mean(axis=1), "true": true.mean(axis=1)}


def _subjects(parameters):
    scans = parameters["scans_per_subject"]
    return f"{parameters['n_subjects']} subjects with {scans} {'scan' if scans == 1 else 'scans'} each"


def _read_repeated(draws, parameters):
    return (f"{_subjects(parameters)}: {_optimism(draws)}. With whole subjects held out it would report {draws['honest'].mean():.2f}.")


@experiment(_read_repeated, block=5)
def repeated_scans(
    *, n_subjects: int = 40, scans_per_subject: int = 3, reliability: float = 0.9, effect: float = 0.0,
    n_features: int = 50, rule: str = "nearest neighbour", n_folds: int = 5, n_new: int = 100,
    rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Several scans (or slices) of every subject, dealt into folds one by one or subject by subject.

    Every feature has variance 1: the share `reliability` differs between subjects and stays the same from
    scan to scan, the rest is new in every scan. Half of the subjects are patients.

    Parameters
    ----------
    n_subjects, scans_per_subject : int
    reliability : float
        Intraclass correlation of the features, from 0 to 1. High reliability and many features make a
        subject recognisable.
    effect : float
        Distance between the group means in standard deviations of a single scan (Mahalanobis distance,
        all features together); 0: the diagnosis is pure chance.
    n_features : int
    rule : {"nearest neighbour", "linear"}
        The classifier; "linear" is ridge regression on the labels with penalty 1.
    n_folds : int
    n_new : int
        New subjects, one scan each, on whom the nearest neighbour's true score is measured (that of the
        linear rule is exact).

    Returns
    -------
    Outcome
        Draws "reported" (folds by scan), "honest" (folds by subject), "true" (new subjects): accuracies,
        shape (repeats,).

    References
    ----------
    Yagis and others (2021), Scientific Reports 11:22544, doi:10.1038/s41598-021-01681-w.
    """
    require(n_subjects >= 4 and n_subjects % 2 == 0, "n_subjects", n_subjects, "an even number, 4 or more")
    require(scans_per_subject >= 1, "scans_per_subject", scans_per_subject, "1 or more")
    require(0 <= reliability <= 1, "reliability", reliability, "from 0 to 1")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(n_features >= 1, "n_features", n_features, "1 or more")
    require(rule in ("nearest neighbour", "linear"), "rule", rule, "'nearest neighbour' or 'linear'")
    require(2 <= n_folds <= n_subjects // 2, "n_folds", n_folds,
            f"from 2 to half the number of subjects, here {n_subjects // 2}")
    require(n_new >= 1, "n_new", n_new, "1 or more")
    subjects = np.repeat(np.arange(n_subjects), scans_per_subject)
    labels = subjects % 2
    n_scans = len(subjects)
    # Subjects and scans are exchangeable, so one random deal serves all studies of a block.
    by_scan = rng.permutation(np.arange(n_scans) % n_folds)
    by_subject = rng.permutation(np.arange(n_subjects) % n_folds)[subjects]
    shift = np.float32(effect / np.sqrt(n_features))
    between = rng.standard_normal((repeats, n_subjects, n_features), dtype=np.float32)
    X = np.float32(np.sqrt(1 - reliability)) * rng.standard_normal((repeats, n_scans, n_features),
                                                                   dtype=np.float32)
    X += np.float32(np.sqrt(reliability)) * between[:, subjects]
    X[:, labels == 1] += shift
    if rule == "linear":
        targets = 2.0 * labels - 1
        X = X.astype(float)
        H = replicates.hat_matrix(X, ridge=1.0)
        weights, intercepts = replicates.linear_rule(X, targets, ridge=1.0)
        means = np.outer([0, 1], np.full(n_features, shift))
        scores = {"true": replicates.accuracy_on_new_subjects(weights, intercepts, means)}
        for name, folds in (("reported", by_scan), ("honest", by_subject)):
            tests = [np.flatnonzero(folds == fold) for fold in range(n_folds)]
            held_out = replicates.held_out_scores(H, targets, tests)
            right = [(score > 0) == (labels[test] == 1) for score, test in zip(held_out, tests, strict=True)]
            scores[name] = np.concatenate(right, axis=1).mean(axis=1)
        return scores
    products = replicates.gram(X, X)
    squares = np.einsum("rii->ri", products)
    scores = {}
    for name, folds in (("reported", by_scan), ("honest", by_subject)):
        predicted = replicates.nearest_neighbour(products, squares, labels, folds[:, None] != folds)
        scores[name] = (predicted == labels).mean(axis=1)
    new_labels = np.arange(n_new) % 2
    new = rng.standard_normal((repeats, n_new, n_features), dtype=np.float32) + shift * new_labels[:, None]
    everyone = np.ones((n_new, n_scans), bool)
    predicted = replicates.nearest_neighbour(replicates.gram(new, X), squares, labels, everyone)
    scores["true"] = (predicted == new_labels).mean(axis=1)
    return scores


def _read_best(draws, parameters):
    return (f"The best of {parameters['n_tried']} {parameters['varied']}, {parameters['n_scans']} scans: "
            f"{_optimism(draws)}. Done right, it would report {draws['honest'].mean():.2f}.")


@experiment(_read_best, block=10)
def best_of_many(
    *, varied: str = "analyses", n_tried: int = 20, n_scans: int = 100, effect: float = 0.0,
    likeness: float = 0.0, n_features: int = 5, n_folds: int = 5,
    rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Try many analyses, seeds or coin tosses, and report the score of the best one.

    Parameters
    ----------
    varied : {"analyses", "seeds", "coin tosses"}
        "analyses": every analysis (preprocessing, atlas, hyperparameters) gives features of its own; each
        is cross-validated. "seeds": one analysis, many random splits that hold out a quarter of the
        scans. "coin tosses": every analysis guesses.
    n_tried : int
    n_scans : int
        Scans, one per subject, half of them patients; a multiple of 2 * n_folds.
    effect : float
        Cohen's d between the classes in one of each analysis's features (not used by "coin tosses").
    likeness : float
        Correlation between the features of any two analyses, from 0 to 1 ("analyses" only).
    n_features : int
        Features of each analysis.
    n_folds : int

    Returns
    -------
    Outcome
        Draws "reported" (best score), "honest" ("analyses": nested cross-validation, which picks the
        best analysis anew within the training part of every fold; "seeds": the mean over all seeds;
        "coin tosses": one toss chosen beforehand), "true" (the chosen rule on new subjects, exact), and
        "sd", the standard deviation over what was tried: accuracies, shape (repeats,).

    References
    ----------
    Cawley and Talbot (2010), Journal of Machine Learning Research 11:2079.
    """
    require(varied in ("analyses", "seeds", "coin tosses"), "varied", varied,
            "'analyses', 'seeds' or 'coin tosses'")
    require(n_tried >= 1, "n_tried", n_tried, "1 or more")
    require(n_folds >= 3, "n_folds", n_folds, "3 or more")
    require(n_scans >= 2 * n_folds and n_scans % (2 * n_folds) == 0, "n_scans", n_scans,
            f"a multiple of {2 * n_folds}, so that every fold holds as many patients as controls")
    require(0 <= likeness <= 1, "likeness", likeness, "from 0 to 1")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(n_features >= 1, "n_features", n_features, "1 or more")
    if varied == "coin tosses":
        scores = rng.binomial(n_scans, 0.5, (repeats, n_tried)) / n_scans
        return {"reported": scores.max(axis=1), "honest": scores[:, 0], "true": np.full(repeats, 0.5),
                "sd": scores.std(axis=1)}
    means = np.zeros((2, n_features))
    means[1, 0] = effect
    labels = np.arange(n_scans) % 2
    if varied == "seeds":
        X = rng.standard_normal((repeats, n_scans, n_features)) + means[labels]
        n_test = n_scans // 4
        held_out = np.zeros((n_tried, n_scans), bool)
        np.put_along_axis(held_out, rng.random((n_tried, n_scans)).argsort(axis=1)[:, :n_test], True, axis=1)
        centroids = []
        for label in (0, 1):
            train = (~held_out & (labels == label)).astype(float)
            centroids.append((train / np.maximum(train.sum(axis=1, keepdims=True), 1)) @ X)
        weights = centroids[1] - centroids[0]
        intercepts = -np.sum(weights * (centroids[0] + centroids[1]), axis=-1) / 2
        predicted = np.swapaxes(X @ np.swapaxes(weights, 1, 2), 1, 2) + intercepts[..., None] > 0
        scores = ((predicted == labels) & held_out).sum(axis=2) / n_test
        honest = scores.mean(axis=1)
    else:
        shape = (repeats, n_tried, n_folds, n_scans // n_folds, n_features)
        X = np.sqrt(likeness) * rng.standard_normal((repeats, 1, *shape[2:]))
        X = X + np.sqrt(1 - likeness) * rng.standard_normal(shape)
        labels = labels[: n_scans // n_folds]  # the same in every fold
        X += means[labels]
        per_class = n_scans // n_folds // 2
        sums = np.stack([X[..., labels == label, :].sum(axis=3) for label in (0, 1)])
        total = sums.sum(axis=3, keepdims=True)

        def rule(left_out, n_left_out):
            """Nearest-centroid rules from the sums over the folds that are not left out."""
            low, high = (total - left_out) / ((n_folds - n_left_out) * per_class)
            weights = high - low
            return weights, -np.sum(weights * (low + high), axis=-1) / 2

        def right(weights, intercepts):
            """Accuracy in every fold g of rules [..., g, feature]."""
            scores = np.einsum("...gip,...gp->...gi", X, weights) + intercepts[..., None]
            return ((scores > 0) == labels).mean(axis=-1)

        outer = right(*rule(sums, 1))  # (repeats, tried, fold): trained without that fold
        scores = outer.mean(axis=-1)
        # Nested: the choice for fold f rests on the other folds g, by rules that saw neither f nor g.
        honest = np.zeros(repeats)
        for fold in range(n_folds):
            others = np.arange(n_folds) != fold
            inner = right(*rule(sums + sums[..., fold, None, :], 2))[..., others].mean(axis=-1)
            honest += outer[np.arange(repeats), inner.argmax(axis=1), fold] / n_folds
        low, high = total[..., 0, :] / (n_folds * per_class)
        weights = high - low
        intercepts = -np.sum(weights * (low + high), axis=-1) / 2
    best = (np.arange(repeats), scores.argmax(axis=1))
    return {"reported": scores[best], "honest": honest, "sd": scores.std(axis=1),
            "true": replicates.accuracy_on_new_subjects(weights[best], intercepts[best], means)}


def _read_tuned(draws, parameters):
    return (f"The best of 30 settings of kernel ridge regression, {parameters['n_scans']} scans of noise: "
            f"{_optimism(draws)}. Nested cross-validation would report {draws['honest'].mean():.2f}.")


@experiment(_read_tuned, block=5)
def tuned_kernel_ridge(
    *, n_scans: int = 40, n_features: int = 10, n_folds: int = 5, rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Tune one model over a grid of 30 settings on pure noise, and report the best grid score.

    Kernel ridge regression on labels -1 and +1 (radial kernel, six widths, five penalties), folds dealt
    at random. The labels mean nothing, so the true accuracy is one half.

    Parameters
    ----------
    n_scans : int
        Even.
    n_features, n_folds : int

    Returns
    -------
    Outcome
        Draws "reported" (best of the grid), "honest" (nested), "true" (0.5): shape (repeats,).

    References
    ----------
    Cawley and Talbot (2010), Journal of Machine Learning Research 11:2079.
    """
    require(n_folds >= 2, "n_folds", n_folds, "2 or more")
    require(n_scans >= 2 * n_folds and n_scans % 2 == 0, "n_scans", n_scans,
            f"an even number, {2 * n_folds} or more")
    require(n_features >= 1, "n_features", n_features, "1 or more")
    targets = np.where(np.arange(n_scans) % 2, 1.0, -1.0)
    X = rng.standard_normal((repeats, n_scans, n_features))
    products = replicates.gram(X, X)
    squares = np.einsum("rii->ri", products)
    distance = squares[:, :, None] + squares[:, None, :] - 2 * products
    widths = np.geomspace(0.01, 1, 6) / n_features
    kernels = np.exp(-widths[:, None, None, None] * distance)
    penalties = np.geomspace(0.01, 100, 5)

    def grid_scores(kernels, targets, folds):
        """Cross-validated accuracy of all settings, shape (repeats, 30), and their held-out predictions."""
        n = len(targets)
        K = np.stack([kernels] * len(penalties), axis=1).reshape(-1, n, n)
        ridge = np.broadcast_to(penalties[None, :, None], (len(widths), len(penalties), repeats)).reshape(-1)
        H = np.linalg.solve(K + ridge[:, None, None] * np.eye(n), K)
        tests = [np.flatnonzero(folds == fold) for fold in range(n_folds)]
        right = np.empty((len(K), n), bool)
        for test, scores in zip(tests, replicates.held_out_scores(H, targets, tests), strict=True):
            right[:, test] = (scores > 0) == (targets[test] > 0)
        return right.reshape(-1, repeats, n).swapaxes(0, 1)

    def deal(targets):
        """Stratified folds, dealt out at random."""
        folds = np.empty(len(targets), int)
        folds[np.lexsort((rng.random(len(targets)), targets))] = np.arange(len(targets)) % n_folds
        return folds

    folds = deal(targets)
    right = grid_scores(kernels, targets, folds)
    honest = np.zeros(repeats)
    for fold in range(n_folds):
        train = np.flatnonzero(folds != fold)
        inner = grid_scores(kernels[:, :, train[:, None], train], targets[train], deal(targets[train]))
        inner = inner.mean(axis=2)
        chosen = right[np.arange(repeats), inner.argmax(axis=1)]
        honest += chosen[:, folds == fold].sum(axis=1) / n_scans
    return {"reported": right.mean(axis=2).max(axis=1), "honest": honest, "true": np.full(repeats, 0.5)}


SCHEMES = ("leave-one-out", "10-fold", "5-fold", "2-fold", "50 random splits")


def _read_error(draws, parameters):
    error = draws["reported"] - draws["true"]
    low, high = np.quantile(error, [0.05, 0.95])
    missed = np.mean(np.abs(error) > draws["claimed"])
    return (f"{parameters['n_scans']} scans, {parameters['scheme']}: nine reported accuracies in ten lie "
            f"between {low:+.2f} and {high:+.2f} of the truth. The usual error bar is "
            f"±{np.median(draws['claimed']):.2f}; it should miss the truth in 10 % of studies and misses it "
            f"in {100 * missed:.0f} %.")


@experiment(_read_error, block=10)
def cross_validation_error(
    *, n_scans: int = 100, scheme: str = "5-fold", effect: float = 1.35, n_features: int = 10,
    ridge: float = 1.0, penalise_intercept: bool = False, rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """How far the cross-validated accuracy of one study lies from the truth of its own model.

    Two normal classes of equal size and a linear rule (ridge regression on the labels). The rule treats
    all directions alike, so it does not matter how the effect is spread over the features.

    Parameters
    ----------
    n_scans : int
        Scans, one per subject, half of them patients; divisible by the number of folds.
    scheme : str
        One of `SCHEMES`; random splits hold out 20 %.
    effect : float
        Mahalanobis distance between the classes; 0 for pure noise.
    n_features : int
    ridge : float
        Penalty, above 0.
    penalise_intercept : bool
        As in LinearSVC; see `utils.replicates.hat_matrix`.

    Returns
    -------
    Outcome
        Draws "reported" (cross-validated accuracy), "true" (the rule fitted to all scans, on new
        subjects, exact), "claimed" (half width of the usual 90 % interval: 1.645 standard errors of the
        mean over the folds or splits; with leave-one-out, over the scans): shape (repeats,).

    References
    ----------
    Varoquaux (2018), NeuroImage 180:68, doi:10.1016/j.neuroimage.2017.06.061: 300 features,
    effect 2.31, LinearSVC (``ridge=0.5, penalise_intercept=True``).
    """
    require(scheme in SCHEMES, "scheme", scheme, "one of " + ", ".join(SCHEMES))
    require(n_scans >= 10 and n_scans % 2 == 0, "n_scans", n_scans, "an even number, 10 or more")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(n_features >= 1, "n_features", n_features, "1 or more")
    require(ridge > 0, "ridge", ridge, "above 0")
    labels = np.repeat([0, 1], n_scans // 2)
    if scheme == "50 random splits":
        tests = np.array([rng.permutation(n_scans)[: n_scans // 5] for _ in range(50)])
    else:
        n_folds = n_scans if scheme == "leave-one-out" else int(scheme.split("-")[0])
        require(n_scans % n_folds == 0, "n_scans", n_scans,
                f"a multiple of {n_folds} for {scheme} cross-validation, so that all folds are of one size")
        # Dealing the sorted scans out in turn gives folds of one size in which the classes are balanced.
        tests = np.arange(n_scans).reshape(-1, n_folds).T
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    X = rng.standard_normal((repeats, n_scans, n_features)) + means[labels]
    settings = {"ridge": ridge, "penalise_intercept": penalise_intercept}
    weights, intercepts = replicates.linear_rule(X, 2.0 * labels - 1, **settings)
    held_out = replicates.cross_validated_scores(X, 2.0 * labels - 1, tests, **settings)
    scores = ((held_out > 0) == (labels[tests] == 1)).mean(axis=2)
    claimed = 1.645 * scores.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])
    return {"reported": scores.mean(axis=1), "claimed": claimed,
            "true": replicates.accuracy_on_new_subjects(weights, intercepts, means)}


def _false_alarms(draws):
    return ", ".join(f"{name} {100 * np.mean(p <= 0.05):.0f} %" for name, p in draws.items())


def _read_learners(draws, parameters):
    return (f"Two equally good models, {parameters['n_splits']} random splits of {parameters['n_scans']} "
            f"scans. A test at the 5 % level should find a difference in 5 % of studies. "
            f"It finds one in: {_false_alarms(draws)}.")


@experiment(_read_learners, block=10)
def two_equal_learners(
    *, n_scans: int = 100, n_splits: int = 15, test_share: float = 0.1, effect: float = 1.0,
    n_features: int = 5, rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """A t-test over the splits of cross-validation, comparing two models that are equally good.

    Each model (nearest centroid) has features of its own, drawn alike, so neither is better.

    Parameters
    ----------
    n_scans : int
        Scans, one per subject, half of them patients.
    n_splits : int
        Random splits into training and test scans, 2 or more.
    test_share : float
        Share of the scans held out in every split.
    effect : float
        Cohen's d between the classes in one feature of each model.
    n_features : int
        Features of each model.

    Returns
    -------
    Outcome
        Draws "plain t-test" and "corrected t-test": two-sided p-values, shape (repeats,).

    References
    ----------
    Nadeau and Bengio (2003), Machine Learning 52:239: the variance of the mean over J splits is the
    variance of the differences times 1/J + n_test/n_train, instead of times 1/J.
    """
    require(n_scans >= 10 and n_scans % 2 == 0, "n_scans", n_scans, "an even number, 10 or more")
    require(n_splits >= 2, "n_splits", n_splits, "2 or more")
    n_test = round(test_share * n_scans)
    require(1 <= n_test <= n_scans // 2, "test_share", test_share,
            "a share of the scans, at most one half, that holds out at least one scan")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(n_features >= 1, "n_features", n_features, "1 or more")
    labels = np.arange(n_scans) % 2
    held_out = np.zeros((n_splits, n_scans), bool)
    np.put_along_axis(held_out, rng.random((n_splits, n_scans)).argsort(axis=1)[:, :n_test], True, axis=1)
    right = []
    for _ in range(2):
        X = rng.standard_normal((repeats, n_scans, n_features))
        X[:, labels == 1, 0] += effect
        low, high = ((train / train.sum(axis=1, keepdims=True)) @ X
                     for train in ((~held_out & (labels == label)).astype(float) for label in (0, 1)))
        weights = high - low
        intercepts = -np.sum(weights * (low + high), axis=-1) / 2
        predicted = weights @ np.swapaxes(X, 1, 2) + intercepts[..., None] > 0
        right.append(((predicted == labels) & held_out).sum(axis=2))
    difference = (right[1] - right[0]) / n_test
    mean, variance = difference.mean(axis=1), difference.var(axis=1, ddof=1)
    scattered = np.ptp(difference, axis=1) > 0  # the variance of equal numbers may be 0 but for rounding
    p = {}
    for name, factor in (("plain t-test", 1 / n_splits),
                         ("corrected t-test", 1 / n_splits + n_test / (n_scans - n_test))):
        error = np.sqrt(factor * variance)
        # Two models that differ in no split: nothing speaks for a difference. By the same amount in every
        # split: t is endless.
        t = np.divide(mean, error, out=np.where(mean == 0, 0, np.inf), where=scattered)
        p[name] = 2 * stats.t.sf(np.abs(t), n_splits - 1)
    return p


def _read_permutation(draws, parameters):
    return (f"{_subjects(parameters)}, and "
            f"nothing to find. A test at the 5 % level should raise 5 % false alarms. "
            f"It raises: {_false_alarms(draws)}.")


@experiment(_read_permutation, block=10)
def permutation_tests(
    *, n_subjects: int = 40, scans_per_subject: int = 1, reliability: float = 0.9, n_features: int = 10,
    n_folds: int = 5, n_permutations: int = 19, rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Four ways to a p-value for a cross-validated accuracy, on data in which there is nothing to find.

    Folds hold whole subjects and are stratified; the classifier is least squares on the labels.

    Parameters
    ----------
    n_subjects : int
        Half of them patients; a multiple of 2 * n_folds.
    scans_per_subject : int
    reliability : float
        Intraclass correlation of the features, from 0 to 1.
    n_features, n_folds : int
    n_permutations : int
        19 or more, so that p can reach 1/20.

    Returns
    -------
    Outcome
        p-values, shape (repeats,): "binomial test" (every scan taken for an independent coin toss),
        "shuffling scans" (labels permuted between scans, folds fixed), "shuffling subjects, folds kept"
        and "shuffling subjects, folds drawn anew". With one scan per subject, the second and the third
        are the same test with other random numbers.

    References
    ----------
    Noirhomme and others (2014), NeuroImage: Clinical 4:687, doi:10.1016/j.nicl.2014.04.004.
    """
    require(n_folds >= 2, "n_folds", n_folds, "2 or more")
    require(n_subjects >= 2 * n_folds and n_subjects % (2 * n_folds) == 0, "n_subjects", n_subjects,
            f"a multiple of {2 * n_folds}, so that every fold holds as many patients as controls")
    require(scans_per_subject >= 1, "scans_per_subject", scans_per_subject, "1 or more")
    require(0 <= reliability <= 1, "reliability", reliability, "from 0 to 1")
    n_scans = n_subjects * scans_per_subject
    require(1 <= n_features < n_scans * (n_folds - 1) / n_folds - 1, "n_features", n_features,
            "1 or more, and fewer than the scans that a fold is trained on")
    require(n_permutations >= 19, "n_permutations", n_permutations, "19 or more")
    subjects = np.repeat(np.arange(n_subjects), scans_per_subject)
    labels = np.where(np.arange(n_subjects) % 2, 1.0, -1.0)  # of subjects
    # Neighbouring subjects are a patient and a control, so these folds are stratified.
    folds = np.repeat(np.arange(n_folds), n_subjects // n_folds)
    tests = np.array([np.flatnonzero(folds[subjects] == fold) for fold in range(n_folds)])
    X = np.sqrt(reliability) * rng.standard_normal((repeats, n_subjects, n_features))[:, subjects]
    X += np.sqrt(1 - reliability) * rng.standard_normal(X.shape)
    H = replicates.hat_matrix(X, ridge=1e-6)
    order = tests.ravel()

    def operator(H):
        """Matrices (repeats, n, n) that turn labels into held-out scores, in the order of `order`."""
        inside = np.eye(tests.shape[1]) - H[:, tests[:, :, None], tests[:, None, :]]
        residual = (np.eye(n_scans) - H)[:, tests]
        return (np.eye(n_scans)[tests] - np.linalg.solve(inside, residual)).reshape(repeats, n_scans, n_scans)

    def accuracy(scores, truth):
        return ((scores > 0) == (truth > 0)).mean(axis=1)

    def p_value(observed, permuted):
        # Equal scores count against the finding; the tolerance is for sums that differ by rounding only.
        return (1 + (permuted >= observed[:, None] - 1e-9).sum(axis=1)) / (1 + n_permutations)

    fixed = operator(H)
    scan_labels = labels[subjects]
    observed = accuracy(fixed @ scan_labels, scan_labels[order])

    def kept_folds(shuffled):
        """p-value with the labels of `shuffled` (scans, permutations) in the folds as they are."""
        return p_value(observed, accuracy(fixed @ shuffled, shuffled[order]))

    by_subject = np.stack([rng.permutation(labels) for _ in range(n_permutations)], axis=1)[subjects]
    by_scan = np.stack([rng.permutation(scan_labels) for _ in range(n_permutations)], axis=1)
    p = {"binomial test": stats.binom.sf(np.round(observed * n_scans) - 1, n_scans, 0.5),
         "shuffling scans": kept_folds(by_scan),
         "shuffling subjects, folds kept": kept_folds(by_subject)}
    # Labels shuffled and stratified folds drawn anew: the same as shuffling the subjects beneath both.
    redrawn = []
    for _ in range(n_permutations):
        rows = (rng.permutation(n_subjects)[:, None] * scans_per_subject
                + np.arange(scans_per_subject)).ravel()
        shuffled = np.empty(n_scans)
        shuffled[rows] = scan_labels
        scores = replicates.held_out_scores(H, shuffled, rows[tests])
        redrawn.append(accuracy(scores.reshape(repeats, -1), scan_labels[order]))
    p["shuffling subjects, folds drawn anew"] = p_value(observed, np.stack(redrawn, axis=1))
    return p


# Wrong labels: in training and in test, of several kinds, shared with the model, against architecture, a budget


def _flipped(rng, labels: np.ndarray, rate) -> np.ndarray:
    """Copies of the labels, each wrong with probability `rate` (a number, or an array as in broadcasting)."""
    return np.where(rng.random(np.broadcast_shapes(labels.shape, np.shape(rate))) < rate, 1 - labels, labels)


def _centroids(X: np.ndarray, recorded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (..., p) and intercepts (...) of the nearest-centroid rule for recorded labels (..., n)."""
    groups = []
    for label in (0, 1):
        members = (recorded == label).astype(X.dtype)
        members /= np.maximum(members.sum(axis=-1, keepdims=True), 1)
        groups.append((members[..., None, :] @ X)[..., 0, :])
    low, high = groups
    return high - low, -np.sum((high - low) * (low + high), axis=-1) / 2


def _nearest(X: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Index of the nearest row of X (r, n, p) for every row of new (r, m, p)."""
    nearest = np.empty(new.shape[:-1], int)
    # Study by study: the table of distances of one fits into the processor's cache, that of all does not.
    for study, asked, found in zip(X, new, nearest, strict=True):
        products = asked @ study.T
        products -= np.square(study).sum(axis=1) / 2
        products.argmax(axis=1, out=found)
    return nearest


WRONG_AMONG = ("training and test", "training only", "test only")


def _read_wrong(draws, parameters):
    rates = np.array(parameters["rates"])
    i = int(np.abs(rates - 0.2).argmin())
    reported, true = draws["reported"].mean(axis=0), draws["true"].mean(axis=0)
    return (f"{parameters['n_scans']} scans, {parameters['rule']}, wrong labels in {parameters['where']}. With right "
            f"labels the truth is {true[0]:.2f}. With {100 * rates[i]:.0f} % wrong labels the study reports "
            f"{reported[i]:.2f} and the truth is {true[i]:.2f}; a perfect model would report "
            f"{draws['ceiling'][0, i]:.2f}.")


@experiment(_read_wrong, block=20)
def wrong_labels(
    *, where: str = "training and test", n_scans: int = 200, n_features: int = 20, effect: float = 1.5,
    rule: str = "nearest centroid", rates: tuple = (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4), n_test: int = 200,
    rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """More and more wrong labels, each as likely as any other, among the training scans, the test scans or both.

    Two normal classes of equal size and unit variance; one feature carries the effect. The same scans for
    every share of wrong labels.

    Parameters
    ----------
    where : str
        One of `WRONG_AMONG`.
    n_scans : int
        Training scans, even.
    n_features : int
    effect : float
        Mahalanobis distance of the classes, above 0.
    rule : {"nearest centroid", "nearest neighbour"}
    rates : tuple of float
        Shares of wrong labels, from 0 to .5.
    n_test : int
        Test scans, even.

    Returns
    -------
    Outcome
        Draws, shape (repeats, len(rates)): "true", accuracy on new subjects with right labels (exact for the
        nearest centroid, on the test scans for the nearest neighbour); "reported", accuracy on the test scans
        with their labels as recorded; "theory" of "true"; "ceiling", what a perfect model would report.

    Notes
    -----
    Theory. The nearest centroid of n scans with a share r of wrong labels is as good as that of n (1 - 2r)^2
    scans with right ones: Phi(d/2 / sqrt(1 + 4p / (d^2 n (1 - 2r)^2))), an approximation. The nearest
    neighbour copies one label, so its accuracy a becomes a (1 - 2r) + r, exactly.
    """
    require(where in WRONG_AMONG, "where", where, "one of " + ", ".join(WRONG_AMONG))
    require(n_scans >= 4 and n_scans % 2 == 0, "n_scans", n_scans, "an even number, 4 or more")
    require(n_features >= 1, "n_features", n_features, "1 or more")
    require(np.isfinite(effect) and effect > 0, "effect", effect, "a number above 0")
    require(rule in ("nearest centroid", "nearest neighbour"), "rule", rule,
            "'nearest centroid' or 'nearest neighbour'")
    require(len(rates) > 0 and all(0 <= r <= 0.5 for r in rates), "rates", rates, "numbers from 0 to 0.5")
    require(n_test >= 2 and n_test % 2 == 0, "n_test", n_test, "an even number, 2 or more")
    labels, test_labels = np.arange(n_scans) % 2, np.arange(n_test) % 2
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    X = rng.standard_normal((repeats, n_scans, n_features)) + means[labels]
    new = rng.standard_normal((repeats, n_test, n_features)) + means[test_labels]
    # One random number per label: who is wrong at a small share is wrong at a larger one too.
    luck, test_luck = rng.random((repeats, n_scans)), rng.random((repeats, n_test))
    nearest = _nearest(X, new) if rule == "nearest neighbour" else None
    scores = {"reported": [], "true": [], "theory": []}
    for rate in rates:
        recorded = np.where(luck < rate * (where != "test only"), 1 - labels, labels)
        test_recorded = np.where(test_luck < rate * (where != "training only"), 1 - test_labels, test_labels)
        kept = 1 - 2 * rate * (where != "test only")
        if rule == "nearest centroid":
            weights, intercepts = _centroids(X, recorded)
            predicted = (new @ weights[..., None])[..., 0] + intercepts[:, None] > 0
            scores["true"].append(replicates.accuracy_on_new_subjects(weights, intercepts, means))
            spread = np.inf if kept == 0 else 1 + 4 * n_features / (effect**2 * n_scans * kept**2)
            scores["theory"].append(np.full(repeats, ndtr(effect / 2 / np.sqrt(spread))))
        else:
            predicted = np.take_along_axis(recorded, nearest, axis=1)
            scores["true"].append((predicted == test_labels).mean(axis=1))
            right = (labels[nearest] == test_labels).mean(axis=1)
            scores["theory"].append(right * kept + (1 - kept) / 2)
        scores["reported"].append((predicted == test_recorded).mean(axis=1))
    scores = {name: np.stack(values, axis=1) for name, values in scores.items()}
    ceiling = 1 - np.array(rates, float) * (where != "training only")
    return scores | {"ceiling": np.broadcast_to(ceiling, scores["true"].shape).copy()}


KINDS = ("anyone, by chance", "patients missed", "controls called patients", "mild patients missed",
         "borderline scans, either way")


def _chance_of_error(kind: str, rate: float, x: np.ndarray, groups: np.ndarray, effect: float) -> np.ndarray:
    """Chance of a wrong label for true controls and true patients at every point x: shape (2, len(x)).

    `groups`, shape (2, len(x)), is how many of each there are. The mean chance, over those whom the kind
    concerns, is `rate`.
    """
    chance = np.zeros((2, len(x)))
    if kind == "patients missed":
        chance[1] = rate
    elif kind == "controls called patients":
        chance[0] = rate
    elif kind == "anyone, by chance" or rate == 0:
        chance[:] = rate
    else:
        if kind == "mild patients missed":
            who, fall = groups[1], lambda level: 1 / (1 + np.exp(np.clip(effect * x - level, -500, 500)))
        else:
            # Around the best cut, where a scan speaks for neither group; at most a coin toss.
            cut = np.log(groups[0].sum() / groups[1].sum()) / effect
            who, fall = groups.sum(axis=0), lambda level: np.minimum(0.5, np.exp(np.minimum(level - 2 * np.abs(x - cut), 0)))
        low, high = -100.0, 100.0
        for _ in range(60):  # the level at which the mean chance is as asked for
            middle = (low + high) / 2
            low, high = (middle, high) if np.sum(fall(middle) * who) < rate * who.sum() else (low, middle)
        chance[1] = fall(low)
        if kind == "borderline scans, either way":
            chance[0] = chance[1]
    return chance


def _logistic_cuts(x: np.ndarray, recorded: np.ndarray) -> np.ndarray:
    """Where logistic regression of one feature says one half: x (r, n), labels (r, n); a penalty of nearly 0."""
    powers = np.stack([np.ones_like(x), x, x * x], axis=-1)
    cuts = np.empty(len(x))
    rows, slope, level = np.arange(len(x)), np.zeros(len(x)), np.zeros(len(x))
    for _ in range(50):  # Newton's method: six steps or so, more where the groups hardly overlap
        half = np.tanh((slope[:, None] * x + level[:, None]) / 2) / 2  # the probability minus one half
        w = np.maximum(0.25 - half * half, 1e-9)
        a, b, c = (w[:, None] @ powers)[:, 0].T
        up, tilt, _ = ((recorded - 0.5 - half)[:, None] @ powers)[:, 0].T
        c, tilt = c + 1e-3, tilt - 1e-3 * slope
        rise, turn = np.stack([c * up - b * tilt, a * tilt - b * up]) / (a * c - b * b)
        level, slope = level + rise, slope + turn
        cuts[rows] = -level / np.where(np.abs(slope) < 1e-6, 1e-6, slope)
        on = np.abs(rise) + np.abs(turn) > 1e-9 * (1 + np.abs(level) + np.abs(slope))
        if not on.any():
            break
        if not on.all():
            rows, slope, level = rows[on], slope[on], level[on]
            x, powers, recorded = x[on], powers[on], recorded[on]
    return cuts


def _read_kinds(draws, parameters):
    mean = {name: draws[name].mean() for name in ("sensitivity", "reported sensitivity", "specificity",
                                                   "reported specificity", "reported", "true")}
    moved = draws["threshold"].mean() - draws["threshold, right labels"].mean()
    side = "towards the patients" if moved > 0 else "towards the controls"
    cut = f"moves {side}" if abs(moved) > 0.006 else "stays"
    return (f"{parameters['kind'][0].upper()}{parameters['kind'][1:]}, {100 * parameters['rate']:.0f} %; "
            f"{100 * parameters['prevalence']:.0f} % are patients. The threshold {cut}. The study reports sensitivity "
            f"{mean['reported sensitivity']:.2f}, specificity {mean['reported specificity']:.2f}, accuracy "
            f"{mean['reported']:.2f}; the truth is {mean['sensitivity']:.2f}, {mean['specificity']:.2f} and {mean['true']:.2f}.")


@experiment(_read_kinds, block=25)
def kinds_of_wrong_labels(
    *, kind: str = "patients missed", rate: float = 0.2, prevalence: float = 0.5, n_scans: int = 400,
    effect: float = 2.0, rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Who is labelled wrongly decides where the threshold goes.

    One measure of the scan, normal with unit variance in controls and in patients, who lie higher. Logistic
    regression is fitted to the recorded labels and cuts at one half. Its sensitivity and specificity are
    those on endless new subjects: with their true labels, and as measured with labels of the same kind.

    Parameters
    ----------
    kind : str
        One of `KINDS`. By class: every patient, or every control, is as likely to be labelled wrongly. By
        feature: the milder a patient, the more likely; or the nearer to the best threshold, up to a coin toss.
    rate : float
        Share of wrong labels, from 0 to .4: of all scans, of the patients, or of the controls, as the kind says.
    prevalence : float
        Share of true patients, from .05 to .95.
    n_scans : int
        Training scans, 20 or more.
    effect : float
        Cohen's d, above 0.

    Returns
    -------
    Outcome
        Draws, shape (repeats,): "threshold" and "threshold, right labels", as positions on a scale from 0 to
        1 that reaches 2.5 standard deviations beyond the means of both groups (thresholds beyond stand at its
        end); "sensitivity", "specificity" and "true" (accuracy), with "reported sensitivity" and so on, and
        "best sensitivity" and "best specificity" of the model trained on right labels. Shape (repeats, 121):
        "controls", "patients" and, of these, "wrong controls" and "wrong patients": how many there are along
        that scale, the highest 1.
    """
    require(kind in KINDS, "kind", kind, "one of " + ", ".join(KINDS))
    require(0 <= rate <= 0.4, "rate", rate, "from 0 to 0.4")
    require(0.05 <= prevalence <= 0.95, "prevalence", prevalence, "from 0.05 to 0.95")
    require(n_scans >= 20, "n_scans", n_scans, "20 or more")
    require(np.isfinite(effect) and effect > 0, "effect", effect, "a number above 0")
    end = effect / 2 + 2.5
    grid = np.linspace(-end - 3, end + 3, 2001)
    groups = np.array([(1 - prevalence) * stats.norm.pdf(grid, -effect / 2), prevalence * stats.norm.pdf(grid, effect / 2)])
    groups /= groups.sum()
    chance = _chance_of_error(kind, rate, grid, groups, effect)
    # A fixed number of patients, or a small study of a rare disease could have none.
    labels = (np.arange(n_scans) < round(n_scans * prevalence)).astype(int)
    x = rng.standard_normal((repeats, n_scans)) + effect * (labels - 0.5)
    wrong = np.empty(x.shape)
    for label in (0, 1):
        wrong[:, labels == label] = np.interp(x[:, labels == label], grid, chance[label])
    recorded = np.where(rng.random(x.shape) < wrong, 1 - labels, labels)
    cuts = {"": _logistic_cuts(x, recorded), "best ": _logistic_cuts(x, np.broadcast_to(labels, x.shape))}
    # How many of each true group lie below a cut, by what is recorded of them.
    below = {(true, said): np.cumsum(groups[true] * (chance[true] if said != true else 1 - chance[true]))
             for true in (0, 1) for said in (0, 1)}
    found = {}
    for name, cut in cuts.items():
        share = {key: np.interp(cut, grid, values) for key, values in below.items()}
        for what, kept in (("", lambda key: key[0]), ("reported ", lambda key: key[1])):
            totals, lows = [0.0, 0.0], [0.0, 0.0]
            for key, values in below.items():
                totals[kept(key)] += values[-1]
                lows[kept(key)] = lows[kept(key)] + share[key]
            if name == "" or what == "":
                found[f"{what}{name}sensitivity"] = 1 - lows[1] / totals[1]
                found[f"{what}{name}specificity"] = lows[0] / totals[0]
            if name == "":
                found[f"{what}accuracy"] = lows[0] + totals[1] - lows[1]
    seen = np.linspace(-end, end, 121)
    shapes = {"controls": groups[0], "patients": groups[1], "wrong controls": groups[0] * chance[0],
              "wrong patients": groups[1] * chance[1]}
    top = groups.max()
    drawn = {name: np.tile(np.interp(seen, grid, values) / top, (repeats, 1)) for name, values in shapes.items()}
    return drawn | {
        "threshold": np.clip((cuts[""] + end) / (2 * end), 0, 1),
        "threshold, right labels": np.clip((cuts["best "] + end) / (2 * end), 0, 1),
        "reported": found.pop("reported accuracy"), "true": found.pop("accuracy"),
    } | {name: np.clip(values, 0, 1) for name, values in found.items()}


SHARED = ("the scan itself", "a look-alike in the scan")


def _read_shared(draws, parameters):
    reported, true = draws["reported"].mean(axis=0), draws["true"].mean(axis=0)
    return (f"A rater who is right in {100 * parameters['rater_accuracy']:.0f} % of the cases. If the rater's errors have "
            f"nothing to do with the scan, the study reports {reported[0]:.2f} and the truth is {true[0]:.2f}. If they "
            f"all come from {parameters['through']}, it reports {reported[-1]:.2f} and the truth is {true[-1]:.2f}.")


@experiment(_read_shared, block=20)
def shared_errors(
    *, through: str = "a look-alike in the scan", rater_accuracy: float = 0.8, effect: float = 2.0, n_scans: int = 200,
    n_features: int = 10, shares: tuple = (0, 0.2, 0.4, 0.6, 0.8, 1), n_test: int = 200,
    rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """A reference whose errors are more and more those of the model.

    The rater's impression of a subject is the truth plus an error, and the label is its sign. A share of the
    error's variance comes from the scan that the model sees, the rest from elsewhere. However large that
    share, the rater is right equally often. A linear model (ridge regression) is trained on such labels and
    tested on other subjects with such labels; no scan leaks.

    Parameters
    ----------
    through : str
        One of `SHARED`. "the scan itself": the rater's error is the noise in the very feature that carries
        the disease. "a look-alike in the scan": it is a second feature, which has nothing to do with the disease.
    rater_accuracy : float
        From .55 to .99.
    effect : float
        Cohen's d in the first feature, above 0.
    n_scans : int
        Training scans, even.
    n_features : int
        2 or more; all but the first are the same in both groups.
    shares : tuple of float
        Shares of the variance of the rater's error that come from the scan, from 0 to 1.
    n_test : int
        Test scans, even.

    Returns
    -------
    Outcome
        Draws, shape (repeats, len(shares)): accuracies "reported" (on the test scans, with the rater's
        labels), "true" (exact), "theory" (what would be reported if the errors were independent:
        a (1 - 2r) + r) and "ceiling" (the best possible true accuracy).

    References
    ----------
    Vacek (1985), Biometrics 41:959. Walter and others (2012), Statistics in Medicine 31:1129,
    doi:10.1002/sim.4444.
    """
    require(through in SHARED, "through", through, "one of " + ", ".join(SHARED))
    require(0.55 <= rater_accuracy <= 0.99, "rater_accuracy", rater_accuracy, "from 0.55 to 0.99")
    require(np.isfinite(effect) and effect > 0, "effect", effect, "a number above 0")
    require(n_scans >= 4 and n_scans % 2 == 0, "n_scans", n_scans, "an even number, 4 or more")
    require(n_features >= 2, "n_features", n_features, "2 or more")
    require(len(shares) > 0 and all(0 <= s <= 1 for s in shares), "shares", shares, "numbers from 0 to 1")
    require(n_test >= 2 and n_test % 2 == 0, "n_test", n_test, "an even number, 2 or more")
    labels = np.arange(n_scans + n_test) % 2
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    noise = rng.standard_normal((repeats, n_scans + n_test, n_features))
    X, source = noise + means[labels], noise[..., SHARED.index(through)]
    elsewhere = rng.standard_normal(source.shape)
    impression = stats.norm.ppf(rater_accuracy) * (2.0 * labels - 1)
    X, new = X[:, :n_scans], X[:, n_scans:]
    scores = {"reported": [], "true": []}
    for share in shares:
        recorded = impression + np.sqrt(share) * source + np.sqrt(1 - share) * elsewhere > 0
        weights, intercepts = replicates.linear_rule(X, 2.0 * recorded[:, :n_scans] - 1, 1.0)
        predicted = (new @ weights[..., None])[..., 0] + intercepts[:, None] > 0
        scores["reported"].append((predicted == recorded[:, n_scans:]).mean(axis=1))
        scores["true"].append(replicates.accuracy_on_new_subjects(weights, intercepts, means))
    scores = {name: np.stack(values, axis=1) for name, values in scores.items()}
    theory = scores["true"] * (2 * rater_accuracy - 1) + 1 - rater_accuracy
    return scores | {"theory": theory, "ceiling": np.full_like(theory, ndtr(effect / 2))}


MODELS = ("linear", "nearest centroid", "naive Bayes", "kernel", "15 neighbours", "1 neighbour")
MODEL_SETS = {"five of different kinds": MODELS[:5], "these and a poor one": MODELS, "three linear ones": MODELS[:3],
              "two flexible ones": MODELS[3:5]}
SIGNALS = ("linear", "XOR")


def _kernel_ridge(X: np.ndarray, targets: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Labels of the kernel model in one study: X (n, p), targets (n, sets) of -1 and +1, new (m, p); (sets, m)."""
    # Two columns more, and a scalar product is the exponent itself, minus the squared distance by the width.
    scale = np.sqrt(2 / (X.shape[1] * X.var()))
    X, new = X * scale, new * scale
    left = np.column_stack([X, np.full(len(X), -1.0), -np.square(X).sum(axis=1) / 2])
    right = np.column_stack([X, np.square(X).sum(axis=1) / 2, np.ones(len(X))])
    asked = np.column_stack([new, np.full(len(new), -1.0), -np.square(new).sum(axis=1) / 2])
    alike = left @ right.T
    np.exp(alike, out=alike)
    alike.flat[:: len(X) + 1] += 1  # the penalty
    _, dual, _ = lapack.dposv(alike.T, targets, lower=True, overwrite_a=True)
    alike = asked @ right.T
    return (np.exp(alike, out=alike) @ dual > 0).T


def _predictions(model: str, X: np.ndarray, recorded: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Labels that a model gives to new scans: X (s, n, p), recorded (s, sets, n), new (s, m, p); (s, sets, m).

    "linear" is ridge regression with a penalty of 10; "kernel" is the same with a Gaussian kernel of width
    gamma = 1 / (p variance) and a penalty of 1, a cousin of the support vector machine.
    """
    if model in ("linear", "kernel"):
        # One matrix for all sets of labels: only the right-hand side differs.
        targets = np.swapaxes(2.0 * recorded - 1, 1, 2)
        if model == "linear":
            centre, level = X.mean(axis=1, keepdims=True), targets.mean(axis=1, keepdims=True)
            turned = np.swapaxes(X - centre, 1, 2)
            weights = np.linalg.solve(turned @ (X - centre) + 10 * np.eye(X.shape[2]), turned @ (targets - level))
            return np.swapaxes((new - centre) @ weights + level > 0, 1, 2)
        return np.stack([_kernel_ridge(*study) for study in zip(X, targets, new, strict=True)])
    if model in ("nearest centroid", "naive Bayes"):
        score = 0.0
        for label, sign in ((1, 1), (0, -1)):
            members = (recorded == label).astype(float)
            size = np.maximum(members.sum(axis=-1, keepdims=True), 1)
            mean = members @ X / size
            variance = np.ones_like(mean)
            if model == "naive Bayes":
                variance = np.maximum(members @ np.square(X) / size - mean**2, 1e-9)
                score = score + sign * np.log(size / X.shape[1])
            # Log density of a normal distribution with independent features, but for a constant.
            precise = np.swapaxes(1 / variance, 1, 2)
            quadratic = np.square(new) @ precise - 2 * new @ np.swapaxes(mean / variance, 1, 2)
            constant = (mean**2 / variance + np.log(variance)).sum(axis=-1)[:, None]
            score = score - sign * np.swapaxes(quadratic + constant, 1, 2) / 2
        return score > 0
    if model == "1 neighbour":
        return np.take_along_axis(recorded, _nearest(X, new)[:, None], axis=-1) > 0
    count = int(model.split()[0])
    predicted = np.empty((*recorded.shape[:2], new.shape[1]), bool)
    # Study by study, as in `_nearest`.
    for study, labels, asked, found in zip(X, recorded.astype(np.float32), new, predicted, strict=True):
        near = asked @ study.T
        near -= np.square(study).sum(axis=1) / 2
        # The neighbours are those at least as near as the last of them: no two distances are equal.
        last = np.partition(near, len(study) - count, axis=1)[:, len(study) - count, None]
        found[:] = labels @ (near >= last).T.astype(np.float32) > count / 2
    return predicted


def shares_of_variance(scores: np.ndarray) -> dict[str, float]:
    """What the differences in a balanced table of scores are due to: shares of its sum of squares.

    Parameters
    ----------
    scores : numpy.ndarray, shape (studies, levels, models)
        The same models at the same levels of label noise in several studies, one score in every cell.

    Returns
    -------
    dict of str to float
        Eta squared: "labels" and "model" (main effects), "both together" (their interaction), "study" (the
        studies are blocks) and "rest"; they add up to 1.
    """
    middle = scores.mean()
    total = np.sum((scores - middle) ** 2)
    study, level, model = (scores.mean(axis=axes) - middle for axes in ((1, 2), (0, 2), (0, 1)))
    both = scores.mean(axis=0) - middle - level[:, None] - model
    studies, levels, models = scores.shape
    parts = {"labels": studies * models * np.sum(level**2), "model": studies * levels * np.sum(model**2),
             "both together": studies * np.sum(both**2), "study": levels * models * np.sum(study**2)}
    shares = {name: float(part / total) if total > 0 else 0.0 for name, part in parts.items()}
    return shares | {"rest": max(1 - sum(shares.values()), 0.0)}


def _read_architecture(draws, parameters):
    share = {name: draws[name].mean() for name in ("labels", "model")}
    levels = _noise_levels(parameters["worst"])
    names, mean = MODEL_SETS[parameters["models"]], draws["true"].mean(axis=0)
    best, worst = mean[0].argmax(), mean[0].argmin()
    return (f"{parameters['signal'] if parameters['signal'] == 'XOR' else 'Linear'} signal, {parameters['n_scans']} scans, "
            f"{levels[0]:.0%} to {levels[-1]:.0%} wrong training labels, {len(names)} models. Label quality explains "
            f"{100 * share['labels']:.0f} % of the differences in true accuracy, the model {100 * share['model']:.0f} %. "
            f"With right labels: {names[best]} {mean[0, best]:.2f}, {names[worst]} {mean[0, worst]:.2f}; with the worst "
            f"labels {mean[-1, best]:.2f} and {mean[-1, worst]:.2f}.").replace("%", " %").replace("  %", " %")


def _noise_levels(worst: float) -> np.ndarray:
    """Four shares of wrong labels, equally far apart, from none to the worst."""
    return np.linspace(0, worst, 4)


@experiment(_read_architecture, block=10)
def labels_or_architecture(
    *, signal: str = "linear", worst: float = 0.3, models: str = "five of different kinds", n_scans: int = 200,
    effect: float = 2.0, centre: float = 1.5, n_new: int = 200, rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """The same labels, better and worse, for several models: what explains the differences in accuracy?

    Linear signal: 20 features, five of which share the effect. XOR: four features; the label depends on
    whether the first two, at plus or minus `centre`, agree in sign, so that neither alone says anything.
    Training labels are flipped at random at four levels; test labels are right. The ten studies of a block
    are one experiment with a balanced table of scores, study x level x model.

    Parameters
    ----------
    signal : {"linear", "XOR"}
    worst : float
        The highest share of wrong training labels, above 0, up to .45. The levels are 0, a third, two
        thirds of it, and it.
    models : str
        One of `MODEL_SETS`.
    n_scans : int
        Training scans; a multiple of 4, 20 or more.
    effect : float
        Mahalanobis distance of the classes, for the linear signal.
    centre : float
        For XOR: the four centres lie at plus or minus this.
    n_new : int
        New scans on whom each study's accuracy is measured; a multiple of 4.

    Returns
    -------
    Outcome
        Draws "true", shape (repeats, 4, models): accuracy on new scans with right labels; and of shape
        (repeats,), the same for all studies of an experiment: the shares "labels", "model", "both together",
        "study" and "rest" of `shares_of_variance`.
    """
    require(signal in SIGNALS, "signal", signal, "'linear' or 'XOR'")
    require(0 < worst <= 0.45, "worst", worst, "above 0, up to 0.45")
    require(models in MODEL_SETS, "models", models, "one of " + ", ".join(MODEL_SETS))
    require(n_scans >= 20 and n_scans % 4 == 0, "n_scans", n_scans, "a multiple of 4, 20 or more")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(np.isfinite(centre), "centre", centre, "a finite number")
    require(n_new >= 4 and n_new % 4 == 0, "n_new", n_new, "a multiple of 4")
    kinds = np.arange(n_scans + n_new) % 4
    if signal == "linear":
        labels, at = kinds % 2, np.zeros((n_scans + n_new, 20))
        at[:, :5] = effect / np.sqrt(5) * (labels[:, None] - 0.5)
    else:
        labels, at = (kinds % 2 == kinds // 2).astype(int), np.zeros((n_scans + n_new, 4))
        at[:, :2] = centre * (2 * np.stack([kinds % 2, kinds // 2], axis=1) - 1)
    X = rng.standard_normal((repeats, *at.shape)) + at
    X, new = X[:, :n_scans], X[:, n_scans:]
    recorded = _flipped(rng, labels[:n_scans], np.broadcast_to(_noise_levels(worst)[:, None], (repeats, 4, n_scans)))
    names = MODEL_SETS[models]
    true = np.stack([(_predictions(name, X, recorded, new) == labels[n_scans:]).mean(axis=-1) for name in names], axis=-1)
    return {"true": true} | {name: np.full(repeats, share) for name, share in shares_of_variance(true).items()}


def majority_error(rater_error: float, n_raters: int, shared: float = 0.0) -> float:
    """How often the majority of an odd number of equally good raters is wrong.

    With probability `shared` a scan deceives all raters or none, otherwise they err independently.
    """
    apart = stats.binom.sf(n_raters // 2, n_raters, rater_error)
    return float(shared * rater_error + (1 - shared) * apart)


def _scans_paid(budget: float, rating_cost: float, n_raters: int) -> int:
    """Scans (an even number) that can be made and rated for the budget, in costs of a scan."""
    return int(budget / (1 + n_raters * rating_cost) / 2 + 1e-9) * 2


def _read_budget(draws, parameters):
    raters, true = np.array(parameters["raters"]), draws["true"].mean(axis=0)
    paid = [_scans_paid(parameters["budget"], parameters["rating_cost"], k) for k in raters]
    best = true.argmax()

    def told(i):
        return f"{raters[i]} rater{'s' if raters[i] > 1 else ''} and {paid[i]} scans"

    start = f"For the price of {parameters['budget']:g} unrated scans, a rating costing {parameters['rating_cost']:g} of a scan: "
    worst = true.argmin()
    if round(true[best], 2) == round(true[worst], 2):
        model = f"it hardly matters for the model ({true[best]:.2f})"
    else:
        model = f"the best model comes from {told(best)} ({true[best]:.2f}), the worst from {told(worst)} ({true[worst]:.2f})"
    return (f"{start}{model}. The study reports {draws['reported'][:, 0].mean():.2f} with {raters[0]} and "
            f"{draws['reported'][:, -1].mean():.2f} with {raters[-1]} raters.")


@experiment(_read_budget, block=10)
def scans_or_raters(
    *, rating_cost: float = 0.1, rater_error: float = 0.2, shared: float = 0.0, budget: float = 200,
    rule: str = "nearest centroid", effect: float = 1.5, n_features: int = 20, raters: tuple = (1, 3, 5, 7, 9),
    n_test: int = 200, rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """A fixed sum of money: more scans, or more raters for each?

    Every scan is rated by the same odd number of raters, and the majority decides. The more raters, the
    fewer scans can be paid. The test scans are labelled in the same way; they cost nothing here.

    Parameters
    ----------
    rating_cost : float
        Cost of one rating, in costs of a scan; from 0 to 1.
    rater_error : float
        Share of wrong labels of a single rater, from 0 to .45.
    shared : float
        Share of the scans, from 0 to 1, that deceive either all raters or none.
    budget : float
        In costs of a scan, 100 to 1000.
    rule : {"nearest centroid", "nearest neighbour"}
    effect : float
        Mahalanobis distance of the classes, above 0.
    n_features : int
    raters : tuple of int
        Odd numbers from 1 to 9.
    n_test : int
        Test scans, even.

    Returns
    -------
    Outcome
        Draws, shape (repeats, len(raters)): accuracies "true" (exact for the nearest centroid), "reported"
        (on the test scans, with the majority's labels) and "ceiling" (what a perfect model would report).

    References
    ----------
    Sheng, Provost, Ipeirotis (2008), KDD, pages 614 to 622.
    """
    require(0 <= rating_cost <= 1, "rating_cost", rating_cost, "from 0 to 1")
    require(0 <= rater_error <= 0.45, "rater_error", rater_error, "from 0 to 0.45")
    require(0 <= shared <= 1, "shared", shared, "from 0 to 1")
    require(100 <= budget <= 1000, "budget", budget, "from 100 to 1000")
    require(rule in ("nearest centroid", "nearest neighbour"), "rule", rule,
            "'nearest centroid' or 'nearest neighbour'")
    require(np.isfinite(effect) and effect > 0, "effect", effect, "a number above 0")
    require(n_features >= 1, "n_features", n_features, "1 or more")
    require(len(raters) > 0 and all(1 <= k <= 9 and k % 2 == 1 for k in raters), "raters", raters,
            "odd numbers from 1 to 9")
    require(n_test >= 2 and n_test % 2 == 0, "n_test", n_test, "an even number, 2 or more")
    paid = [_scans_paid(budget, rating_cost, k) for k in raters]
    n_scans = max(paid)
    labels = np.arange(n_scans + n_test) % 2
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    X = rng.standard_normal((repeats, n_scans + n_test, n_features)) + means[labels]
    X, new = X[:, :n_scans], X[:, n_scans:]
    alone = rng.random((repeats, n_scans + n_test, max(raters))) < rater_error
    together = rng.random((repeats, n_scans + n_test)) < shared
    deceived = rng.random((repeats, n_scans + n_test)) < rater_error
    scores = {"reported": [], "true": [], "ceiling": []}
    for k, n in zip(raters, paid, strict=True):
        wrong = np.where(together, deceived, alone[..., :k].sum(axis=-1) > k / 2)
        recorded = np.where(wrong, 1 - labels, labels)
        if rule == "nearest centroid":
            weights, intercepts = _centroids(X[:, :n], recorded[:, :n])
            predicted = (new @ weights[..., None])[..., 0] + intercepts[:, None] > 0
            scores["true"].append(replicates.accuracy_on_new_subjects(weights, intercepts, means))
        else:
            predicted = np.take_along_axis(recorded[:, :n], _nearest(X[:, :n], new), axis=1)
            scores["true"].append((predicted == labels[n_scans:]).mean(axis=1))
        scores["reported"].append((predicted == recorded[:, n_scans:]).mean(axis=1))
        scores["ceiling"].append(np.full(repeats, 1 - majority_error(rater_error, k, shared)))
    return {name: np.stack(values, axis=1) for name, values in scores.items()}


# Overfitting: complexity, learning curves, many small studies, regional MRI


def _alternating(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels 0, 1, 0, 1, ... of n scans, and five test sets of one size, shape (5, n // 5).

    Where five does not divide n, the few scans left over are in every training set. With n a multiple of
    10 every test set holds as many patients as controls.
    """
    return np.arange(n) % 2, np.arange(n - n % 5).reshape(-1, 5).T


def _read_complexity(draws, parameters):
    counts = np.array(parameters["feature_counts"])
    chosen = draws["reported"].argmax(axis=1)
    rows = np.arange(len(chosen))
    most = f"{counts[-1]} features: training {draws['training'][:, -1].mean():.2f}, truth {draws['true'][:, -1].mean():.2f}"
    best = draws["true"].mean(axis=0).argmax()
    truth = (f"the truth is best with {counts[best]} ({draws['true'][:, best].mean():.2f})"
             if parameters["effect"] else "there is nothing to find")
    picked = {"reported": draws["reported"][rows, chosen], "true": draws["true"][rows, chosen]}
    return (f"{parameters['n_scans']} scans: {truth}. With all {most}. If the number of features with the "
            f"best cross-validated score is chosen: {_optimism(picked)}.")


@experiment(_read_complexity, block=5)
def complexity_of_the_model(
    *, n_scans: int = 40, effect: float = 1.5, n_informative: int = 5, ridge: float = 1e-4,
    feature_counts: tuple = (1, 2, 3, 5, 10, 20, 30, 40, 60, 100, 150),
    rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """The same scans, given to linear models with more and more features.

    Two normal classes of equal size. The first `n_informative` features share the effect in equal parts,
    the others are noise. The rule is ridge regression on the labels; with the smallest penalty it is
    least squares, and with more features than scans the shortest of the many rules that fit perfectly.

    Parameters
    ----------
    n_scans : int
        A multiple of 10.
    effect : float
        Mahalanobis distance of the classes; 0 for pure noise.
    n_informative : int
    ridge : float
        Penalty, above 0.
    feature_counts : tuple of int
        How many features the models have, rising.

    Returns
    -------
    Outcome
        Draws "training", "reported" (5-fold cross-validation) and "true" (the rule fitted to all scans,
        on new subjects, exact): accuracies, shape (repeats, len(feature_counts)).

    References
    ----------
    Hastie, Montanari, Rosset, Tibshirani (2022), Annals of Statistics 50:949, on what comes beyond as
    many features as scans.
    """
    require(n_scans >= 10 and n_scans % 10 == 0, "n_scans", n_scans, "a multiple of 10")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(n_informative >= 1, "n_informative", n_informative, "1 or more")
    require(ridge > 0, "ridge", ridge, "above 0")
    require(len(feature_counts) > 0 and all(a < b for a, b in zip((0, *feature_counts), feature_counts, strict=False)),
            "feature_counts", feature_counts, "whole numbers from 1, rising")
    labels, tests = _alternating(n_scans)
    targets = 2.0 * labels - 1
    means = np.zeros((2, feature_counts[-1]))
    means[:, :n_informative] = np.array([[-1], [1]]) * effect / 2 / np.sqrt(n_informative)
    X = rng.standard_normal((repeats, n_scans, feature_counts[-1])) + means[labels]
    scores = {"training": [], "reported": [], "true": []}
    for count in feature_counts:
        some = X[..., :count]
        weights, intercepts = replicates.linear_rule(some, targets, ridge)
        fitted = (some @ weights[..., None])[..., 0] + intercepts[:, None]
        held_out = replicates.cross_validated_scores(some, targets, tests, ridge)
        scores["training"].append(((fitted > 0) == labels).mean(axis=1))
        scores["reported"].append(((held_out > 0) == labels[tests]).mean(axis=(1, 2)))
        scores["true"].append(replicates.accuracy_on_new_subjects(weights, intercepts, means[:, :count]))
    return {name: np.stack(values, axis=1) for name, values in scores.items()}


def _read_learning(draws, parameters):
    sizes = parameters["sizes"]
    training, true = draws["training"].mean(axis=0), draws["true"].mean(axis=0)
    return (f"{parameters['n_features']} features: with {sizes[0]} scans training {training[0]:.2f}, truth "
            f"{true[0]:.2f}; with {sizes[-1]} scans training {training[-1]:.2f}, truth {true[-1]:.2f}. "
            f"The best possible is {draws['ceiling'][0, 0]:.2f}.")


@experiment(_read_learning, block=10)
def learning_curve_of_lda(
    *, n_features: int = 10, effect: float = 1.5, rule: str = "LDA",
    sizes: tuple = (20, 30, 50, 100, 200, 500, 1000), rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """A study that grows: its training score falls, its true score rises, towards the same ceiling.

    Two normal classes of equal size and unit variance; one feature carries the effect. With equal classes,
    linear discriminant analysis (LDA) is least squares on the labels.

    Parameters
    ----------
    n_features : int
    effect : float
        Mahalanobis distance of the classes, above 0.
    rule : {"LDA", "nearest centroid"}
    sizes : tuple of int
        Scans, even and rising; the smallest at least `n_features` + 4.

    Returns
    -------
    Outcome
        Draws "training" and "true" (exact), "theory" (Raudys and Okamoto's approximation of the mean of
        "true") and "ceiling" (the best possible rule): accuracies, shape (repeats, len(sizes)).

    Notes
    -----
    Theory: Phi(d/2 / sqrt(Tm Ts)) with Tm = 1 + 2p / (d^2 n1) for the unknown means and, for LDA,
    Ts = 1 + p / (N - p) for the unknown covariance; n1 = N / 2 scans per class.
    """
    require(rule in ("LDA", "nearest centroid"), "rule", rule, "'LDA' or 'nearest centroid'")
    require(np.isfinite(effect) and effect > 0, "effect", effect, "a number above 0")
    require(len(sizes) > 0 and all(n % 2 == 0 for n in sizes)
            and all(a < b for a, b in zip((2, *sizes), sizes, strict=False)), "sizes", sizes,
            "even numbers from 4, rising")
    require(1 <= n_features <= sizes[0] - 4, "n_features", n_features, f"from 1 to {sizes[0] - 4}, "
            "four fewer than the smallest number of scans")
    labels = np.arange(sizes[-1]) % 2
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    X = rng.standard_normal((repeats, sizes[-1], n_features)) + means[labels]
    scores = {"training": [], "true": [], "theory": []}
    for n in sizes:
        some = X[:, :n]
        if rule == "LDA":
            weights, intercepts = replicates.linear_rule(some, 2.0 * labels[:n] - 1, 1e-9)
        else:
            low, high = some[:, 0::2].mean(axis=1), some[:, 1::2].mean(axis=1)
            weights, intercepts = high - low, -np.sum((high - low) * (low + high), axis=1) / 2
        fitted = (some @ weights[..., None])[..., 0] + intercepts[:, None]
        scores["training"].append(((fitted > 0) == labels[:n]).mean(axis=1))
        scores["true"].append(replicates.accuracy_on_new_subjects(weights, intercepts, means))
        spread = 1 + 4 * n_features / (effect**2 * n)
        if rule == "LDA":
            spread *= 1 + n_features / (n - n_features)
        scores["theory"].append(np.full(repeats, ndtr(effect / 2 / np.sqrt(spread))))
    scores = {name: np.stack(values, axis=1) for name, values in scores.items()}
    return scores | {"ceiling": np.full_like(scores["true"], ndtr(effect / 2))}


def _read_filter(draws, parameters):
    published = draws["reported"] >= parameters["publish_from"] - 1e-9
    start = f"A study is published if it reports {parameters['publish_from']:.2f} or more"
    everyone = f"all studies together report {draws['reported'].mean():.2f}; their models get {draws['true'].mean():.2f}"
    if not published.any():
        return f"{start}: none is. Published or not, {everyone}."
    picked = {name: draws[name][published] for name in ("reported", "true")}
    small = published[:, 0].mean()
    large = published[:, -1].mean()
    return (f"{start}: {100 * small:.0f} % of those with {parameters['sizes'][0]} scans and {100 * large:.0f} % "
            f"of those with {parameters['sizes'][-1]}. Of what is published, {_optimism(picked)}. "
            f"Published or not, {everyone}.")


@experiment(_read_filter, block=20)
def publication_filter(
    *, effect: float = 0.56, publish_from: float = 0.7, n_features: int = 10, ridge: float = 1.0,
    sizes: tuple = (20, 30, 40, 60, 100, 200, 400), rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Many honest studies of one question, small and large, and those of them that are published.

    Every study draws subjects of its own, half of them patients, fits ridge regression on the labels and
    reports its cross-validated accuracy. Nobody leaks, tunes or cheats.

    Parameters
    ----------
    effect : float
        Mahalanobis distance of the classes; .56 allows an accuracy of .61.
    publish_from : float
        A study is published if it reports at least this accuracy.
    n_features : int
    ridge : float
        Penalty, above 0.
    sizes : tuple of int
        Scans of the studies, multiples of 10, rising; one study of every size in each repeat.

    Returns
    -------
    Outcome
        Draws "reported" (5-fold cross-validation) and "true" (the study's own model on new subjects,
        exact): accuracies, shape (repeats, len(sizes)).

    References
    ----------
    Flint and others (2021), Neuropsychopharmacology 46:1510, doi:10.1038/s41386-021-01020-7. Varoquaux
    (2018), NeuroImage 180:68, doi:10.1016/j.neuroimage.2017.06.061.
    """
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(0 <= publish_from <= 1, "publish_from", publish_from, "from 0 to 1")
    require(n_features >= 1, "n_features", n_features, "1 or more")
    require(ridge > 0, "ridge", ridge, "above 0")
    require(len(sizes) > 0 and all(n % 10 == 0 for n in sizes)
            and all(a < b for a, b in zip((0, *sizes), sizes, strict=False)), "sizes", sizes,
            "multiples of 10, rising")
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    reported, true = [], []
    for n in sizes:
        labels, tests = _alternating(n)
        X = rng.standard_normal((repeats, n, n_features)) + means[labels]
        weights, intercepts = replicates.linear_rule(X, 2.0 * labels - 1, ridge)
        held_out = replicates.cross_validated_scores(X, 2.0 * labels - 1, tests, ridge)
        reported.append(((held_out > 0) == labels[tests]).mean(axis=(1, 2)))
        true.append(replicates.accuracy_on_new_subjects(weights, intercepts, means))
    return {"reported": np.stack(reported, axis=1), "true": np.stack(true, axis=1)}


def _auc(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """AUC along the last axis; labels 0 and 1, of the shape of one row of scores; no ties expected."""
    ranks = np.arange(1, len(labels) + 1)
    high = labels.sum()
    return (labels[scores.argsort(axis=-1)] @ ranks - high * (high + 1) / 2) / (high * (len(labels) - high))


REGIONS = ("cortex", "cortex and subcortical volumes", "putamen alone")


def _read_regional(draws, parameters):
    sizes = parameters["sizes"]
    low, high = np.quantile(draws["reported"][:, 0], [0.05, 0.95])
    training, reported, true = (draws[name].mean(axis=0) for name in ("training", "reported", "true"))
    return (f"The best possible AUC is {draws['ceiling'][0, 0]:.2f}. Nine studies in ten with {sizes[0]} subjects report "
            f"{low:.2f} to {high:.2f} (training {training[0]:.2f}, truth {true[0]:.2f}). {sizes[-1]} subjects report "
            f"{reported[-1]:.2f} (training {training[-1]:.2f}, truth {true[-1]:.2f}).")


_LARGE = 1000  # subjects, from which on a study is drawn as below


def _large_study(rng, repeats: int, n: int, d: np.ndarray, covariance: np.ndarray, ridge: float) -> tuple[np.ndarray, ...]:
    """The scores of the subjects of large studies, whose measures are never drawn.

    A linear rule and its folds need no more of the measures than the mean and the scatter of each fold's controls and
    of its patients. Of normal measures these can be drawn as such (a Wishart matrix, by Bartlett's decomposition). And
    given these, what tells the scores of a group's subjects apart points in a uniformly random direction. So the
    scores have the very distribution that they have when every subject is drawn, in a fifth of the time.

    Returns the weights (repeats, p); every subject's score by the rule of all, and by the rule of the other folds, both
    of shape (repeats, 5, 2, m) by fold and diagnosis; and which of these subjects there are, shape (5, 2, m): groups
    differ by one in size.
    """
    p = len(d)
    number = np.array([[len(group) for group in np.array_split(np.arange((n + 1 - label) // 2), 5)] for label in (0, 1)]).T
    root = np.linalg.cholesky(covariance)
    spread = np.zeros((repeats, 5, 2, p, p))
    spread[(..., *np.tril_indices(p, -1))] = rng.standard_normal((repeats, 5, 2, p * (p - 1) // 2))
    spread[..., range(p), range(p)] = np.sqrt(rng.chisquare(number[..., None] - 1.0 - np.arange(p), (repeats, 5, 2, p)))
    spread = root @ spread
    means = rng.standard_normal((repeats, 5, 2, p)) / np.sqrt(number)[..., None] @ root.T
    means[:, :, 1] += d
    apart = rng.standard_normal((repeats, 5, 2, number.max(), 2))

    # Sums of products of the measures and a constant 1, the latter also with the diagnosis as -1 and +1.
    half = np.zeros((repeats, 5, 2, p + 1, p + 1))
    half[..., :p, :p] = spread
    half[..., p] = np.sqrt(number)[..., None] * np.concatenate([means, np.ones((repeats, 5, 2, 1))], axis=-1)
    products = half @ np.swapaxes(half, -1, -2)
    inner, towards = products.sum(axis=2), products[:, :, 1, :, p] - products[:, :, 0, :, p]
    everybody = inner.sum(axis=1, keepdims=True) + ridge * np.diag(np.r_[np.ones(p), 0])
    all_towards = towards.sum(axis=1, keepdims=True)
    rules = np.linalg.solve(np.concatenate([everybody, everybody - inner], axis=1),
                            np.concatenate([all_towards, all_towards - towards], axis=1)[..., None])[..., 0]
    pairs = np.stack([np.broadcast_to(rules[:, :1], rules[:, 1:].shape), rules[:, 1:]], axis=-1)[:, :, None]

    there = np.arange(number.max()) < number[..., None]
    apart -= (apart * there[..., None]).sum(axis=3, keepdims=True) / number[..., None, None]
    apart *= there[..., None]
    seen = np.swapaxes(spread, -1, -2) @ pairs[..., :p, :]
    wanted, given = (np.linalg.cholesky(np.swapaxes(one, -1, -2) @ one) for one in (seen, apart))
    scores = apart @ np.swapaxes(wanted @ np.linalg.inv(given), -1, -2)
    scores += means[..., None, :] @ pairs[..., :p, :] + pairs[..., p:, :]
    return rules[:, 0, :p], scores[..., 0], scores[..., 1], there


@experiment(_read_regional, block=4)
def regional_mri(
    *, regions: str = "cortex", strength: float = 1.0, ridge: float = 1e-3,
    sizes: tuple = (40, 100, 400, 3539), rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Parkinson's disease from regional MRI, with the effect sizes of ENIGMA-PD: a study that grows.

    The regions are jointly normal with the correlation of the course's cohort (.20 between any two), one
    site, no site effect, half of the subjects patients. The rule is linear (ridge regression on the
    diagnosis). The subjects of a small study are among those of the next one; studies of 1000 or more have their own.

    Parameters
    ----------
    regions : str
        One of `REGIONS`: 33 cortical thicknesses, these with 8 subcortical volumes, or the putamen.
    strength : float
        Factor on all effect sizes, above 0; 1 is what was found.
    ridge : float
        Penalty, above 0, in units of the regions' variance.
    sizes : tuple of int
        Subjects, 10 or more, rising.

    Returns
    -------
    Outcome
        Draws "training", "reported" (mean over 5 folds), "true" (exact) and "ceiling" (the best possible
        rule): AUC, shape (repeats, len(sizes)).

    References
    ----------
    Laansma and others (2021), Movement Disorders 36:2583, doi:10.1002/mds.28706; see `utils.cohort`.
    """
    require(regions in REGIONS, "regions", regions, "one of " + ", ".join(REGIONS))
    require(np.isfinite(strength) and strength > 0, "strength", strength, "a number above 0")
    require(ridge > 0, "ridge", ridge, "above 0")
    require(len(sizes) > 0 and all(a < b for a, b in zip((9, *sizes), sizes, strict=False)), "sizes", sizes,
            "whole numbers from 10, rising")
    cortex = list(cohort.THICKNESS_D.values())
    volumes = {name: row[0] for name, row in cohort.VOLUME.items()}
    d = strength * np.array({REGIONS[0]: cortex, REGIONS[1]: [*cortex, *volumes.values()],
                             REGIONS[2]: [volumes["putamen"]]}[regions])
    r = cohort.REGIONAL_R
    covariance = np.full((len(d), len(d)), r) + (1 - r) * np.eye(len(d))
    small = [n for n in sizes if n < _LARGE or len(d) == 1]
    X = rng.standard_normal((repeats, max(small, default=0), len(d)))
    X *= np.sqrt(1 - r)
    X += np.sqrt(r) * rng.standard_normal((*X.shape[:2], 1))
    X[:, 1::2] += d
    scores = {"training": [], "reported": [], "true": []}
    for n in sizes:
        if n in small:
            some, (own, tests) = X[:, :n], _alternating(n)
            held_out, weights, _ = replicates.cross_validated_rule(some, 2.0 * own - 1, tests, ridge)
            scores["training"].append(_auc((some @ weights[..., None])[..., 0], own))
            folds = [_auc(held_out[:, fold], own[test]) for fold, test in enumerate(tests)]
        else:
            weights, fitted, held_out, there = _large_study(rng, repeats, n, d, covariance, ridge)
            own = np.broadcast_to([[0], [1]], there.shape)
            scores["training"].append(_auc(fitted[:, there], own[there]))
            folds = [_auc(held_out[:, fold, there[fold]], own[fold][there[fold]]) for fold in range(5)]
        scores["reported"].append(np.mean(folds, axis=0))
        width = np.sqrt(2 * np.einsum("rp,pq,rq->r", weights, covariance, weights))
        scores["true"].append(ndtr(weights @ d / width))
    scores = {name: np.stack(values, axis=1) for name, values in scores.items()}
    ceiling = cohort.bayes_auc(np.sqrt(d @ np.linalg.solve(covariance, d)))
    return scores | {"ceiling": np.full_like(scores["true"], ceiling)}


# Underfitting: signal that a model cannot see ---------------------------------------------------------


def _quadratic_terms(X: np.ndarray) -> np.ndarray:
    """The measures, their squares and their products of two: shape (..., p) to (..., p * (p + 3) / 2)."""
    first, second = np.triu_indices(X.shape[-1])
    return np.concatenate([X, X[..., first] * X[..., second]], axis=-1)


def _p_of_regression(terms: np.ndarray, y: np.ndarray) -> np.ndarray:
    """p-value of the F-test that none of the terms (repeats, n, k) helps to predict y (repeats, n)."""
    n, k = terms.shape[-2:]
    terms = terms - terms.mean(axis=-2, keepdims=True)
    y = (y - y.mean(axis=-1, keepdims=True))[..., None]
    turned = np.swapaxes(terms, -1, -2)
    towards = turned @ y
    explained = (np.swapaxes(towards, -1, -2) @ np.linalg.solve(turned @ terms, towards))[..., 0, 0]
    rest = np.maximum((y**2).sum(axis=(-2, -1)) - explained, 1e-12)
    return stats.f.sf(explained / k / (rest / (n - k - 1)), k, n - k - 1)


SHAPES = ("straight line", "exclusive or", "U-shape", "spread only")


def _read_hidden(draws, parameters):
    found = ", ".join(f"{name} {100 * np.mean(p <= 0.05):.0f} %" for name, p in draws.items())
    return (f"Signal of the shape “{parameters['shape']}”, strength {parameters['strength']:g}, "
            f"{parameters['n_scans']} scans. Share of studies with p ≤ .05: {found}.")


@experiment(_read_hidden, block=20)
def tests_of_hidden_signal(
    *, shape: str = "exclusive or", n_scans: int = 200, strength: float = 1.0, rng: np.random.Generator,
    repeats: int,
) -> dict[str, np.ndarray]:
    """Which tests find a signal, if it is not a straight line.

    Two image measures, independent normal noise of variance 1 in each.

    Parameters
    ----------
    shape : str
        One of `SHAPES`. "straight line": patients' first measure is shifted by `strength`. "exclusive
        or": a patient's two measures both lie high or both low, a control's on opposite sides, at plus
        and minus `strength`. "U-shape": no groups; a clinical score is `strength` times the square of the
        first measure, plus noise of variance 2. "spread only": the first measure's standard deviation is
        1 in controls and 1 + `strength` in patients.
    n_scans : int
        Scans, one per subject, half of them patients.
    strength : float
        0 for no signal at all.

    Returns
    -------
    Outcome
        p-values, shape (repeats,): "straight line, one measure" (t-test or correlation), "straight lines,
        both measures" and "squares and product added" (F-tests of a regression).

    References
    ----------
    Closed forms: the straight-line test of the exclusive or finds nothing beyond its false alarms; with
    the U-shape its error rate is not the nominal one, because the scatter about the line is not even.
    """
    require(shape in SHAPES, "shape", shape, "one of " + ", ".join(SHAPES))
    require(n_scans >= 10 and n_scans % 2 == 0, "n_scans", n_scans, "an even number, 10 or more")
    require(np.isfinite(strength) and strength >= 0, "strength", strength, "a finite number, 0 or more")
    patient = np.arange(n_scans) % 2
    X = rng.standard_normal((repeats, n_scans, 2))
    y = np.broadcast_to(patient.astype(float), (repeats, n_scans))
    if shape == "straight line":
        X[..., 0] += strength * patient
    elif shape == "exclusive or":
        side = rng.choice([-1.0, 1.0], (repeats, n_scans))
        X[..., 0] += strength * side
        X[..., 1] += strength * side * np.where(patient, 1, -1)
    elif shape == "U-shape":
        y = strength * X[..., 0] ** 2 + np.sqrt(2) * rng.standard_normal((repeats, n_scans))
    else:
        X[..., 0] *= 1 + strength * patient
    return {"straight line, one measure": _p_of_regression(X[..., :1], y),
            "straight lines, both measures": _p_of_regression(X, y),
            "squares and product added": _p_of_regression(_quadratic_terms(X), y)}


STUDY_SIZES = (20, 40, 80, 160, 320, 640)


@functools.lru_cache(maxsize=64)
def straight_and_hidden_limits(straight: float, hidden: float) -> dict[str, float]:
    """Accuracies that models reach with endless scans when a straight and a hidden signal are present.

    A third measure is shifted by `straight` in patients; the first two hold an exclusive or with centres
    at plus and minus `hidden`; noise is normal with variance 1.

    Returns
    -------
    dict
        "ceiling" (Bayes rule), "linear" and "flexible" (least squares on the measures alone, and with
        their squares and products).
    """
    grid = np.linspace(-hidden - 6, hidden + 6, 601)
    density = [np.exp(-((grid - centre) ** 2) / 2) for centre in (hidden, -hidden)]
    weight = sum(np.outer(one, one) for one in density)
    weight /= weight.sum()
    x1, x2 = grid[:, None], grid[None, :]

    def reached(score):
        """Share of patients right, if `score` of the first two is added to `straight` times the third."""
        if straight == 0:
            return float((weight * (0.5 * (score == 0) + (score > 0))).sum())
        return float((weight * ndtr(straight / 2 + score / straight)).sum())

    log_ratio = np.logaddexp(hidden * (x1 + x2), -hidden * (x1 + x2)) - np.logaddexp(
        hidden * (x1 - x2), -hidden * (x1 - x2))
    product = 2 * hidden**2 / (1 + 2 * hidden**2) * x1 * x2
    return {"ceiling": reached(log_ratio), "linear": float(ndtr(straight / 2)), "flexible": reached(product)}


def _read_bias(draws, parameters):
    last = f"With {parameters['sizes'][-1]} scans"
    ceiling = draws["ceiling"].mean()
    words = [f"the {name} model gets {draws[f'{name} true'][:, -1].mean():.2f} and training score "
             f"{draws[f'{name} train'][:, -1].mean():.2f} (lost to bias "
             f"{ceiling - draws[f'{name} limit'].mean():.2f})" for name in ("linear", "flexible")]
    return (f"{last} {words[0]}, {words[1]}. The ceiling is {ceiling:.2f}. With "
            f"{parameters['sizes'][0]} scans they get {draws['linear true'][:, 0].mean():.2f} and "
            f"{draws['flexible true'][:, 0].mean():.2f}.")


@experiment(_read_bias, block=5)
def bias_and_variance(
    *, straight: float = 1.0, hidden: float = 1.5, n_noise: int = 2, sizes: tuple[int, ...] = STUDY_SIZES,
    n_new: int = 300, rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Learning curves of a linear and a flexible model, and what each loses to bias and to variance.

    Lost to bias: the ceiling minus what the model reaches with endless scans. Lost to variance: that
    minus what it reaches with n scans. (In books on learning: approximation and estimation error.) Both
    models are ridge regressions on the labels with penalty 1; the flexible one also sees the squares of
    the measures and their products of two.

    Parameters
    ----------
    straight : float
        Cohen's d between the classes in one measure.
    hidden : float
        Two further measures hold an exclusive or with centres at plus and minus this many standard
        deviations.
    n_noise : int
        Measures that hold nothing.
    sizes : tuple of int
        Numbers of scans, rising; one per subject, half of them patients.
    n_new : int
        New subjects on whom true accuracies are measured (the same for the studies of a block).

    Returns
    -------
    Outcome
        Draws "linear train", "linear true", "flexible train", "flexible true": accuracies, shape
        (repeats, len(sizes)); "ceiling", "linear limit", "flexible limit": accuracies with endless
        scans, shape (repeats,), the same in every study.

    References
    ----------
    Hastie, Tibshirani, Friedman (2009), The Elements of Statistical Learning, 2nd edition, chapter 7.
    The exclusive or alone has the ceiling Phi(a)^2 + (1 - Phi(a))^2.
    """
    require(np.isfinite(straight) and straight >= 0, "straight", straight, "a finite number, 0 or more")
    require(np.isfinite(hidden) and hidden >= 0, "hidden", hidden, "a finite number, 0 or more")
    require(n_noise >= 0, "n_noise", n_noise, "0 or more")
    require(len(sizes) > 0 and all(n >= 4 and n % 2 == 0 for n in sizes) and list(sizes) == sorted(sizes), "sizes", sizes,
            "even numbers, 4 or more, that rise")
    require(n_new >= 2 and n_new % 2 == 0, "n_new", n_new, "an even number, 2 or more")

    def recruit(*shape):
        patient = np.broadcast_to(np.arange(shape[-1]) % 2, shape)
        X = rng.standard_normal((*shape, 3 + n_noise))
        side = rng.choice([-hidden, hidden], shape)
        X[..., 0] += side
        X[..., 1] += side * np.where(patient, 1, -1)
        X[..., 2] += straight * patient
        return X, 2.0 * patient[..., :] - 1

    X, targets = recruit(repeats, sizes[-1])
    new, new_targets = recruit(n_new)
    draws = {name: np.full(repeats, limit) for name, limit in straight_and_hidden_limits(straight, hidden).items()}
    draws = {name if name == "ceiling" else f"{name} limit": values for name, values in draws.items()}
    for name, terms in (("linear", lambda X: X), ("flexible", _quadratic_terms)):
        known, unknown = terms(X), terms(new)
        train, true = [], []
        for n in sizes:
            weights, intercepts = replicates.linear_rule(known[:, :n], targets[:, :n], ridge=1.0)
            for scores, one, truth in ((train, known[:, :n], targets[:, :n]), (true, unknown, new_targets)):
                fitted = (one @ weights[..., None])[..., 0] + intercepts[:, None]
                scores.append(((fitted > 0) == (truth > 0)).mean(axis=1))
        draws[f"{name} train"], draws[f"{name} true"] = np.stack(train, axis=1), np.stack(true, axis=1)
    return draws


THRESHOLDS = tuple(np.arange(0, 3.01, 0.25).tolist())


def _read_shrinkage(draws, parameters):
    true = draws["true"].mean(axis=0)
    best = int(true.argmax())
    return (f"{parameters['n_scans']} scans, {parameters['n_features']} features, {parameters['n_informative']} of "
            f"them with signal: the true score is {true[0]:.2f} without shrinking, {true[best]:.2f} at the best "
            f"threshold ({parameters['thresholds'][best]:.2f}) and {true[-1]:.2f} at the largest. The ceiling is "
            f"{draws['ceiling'].mean():.2f}.")


@experiment(_read_shrinkage, block=5)
def shrinkage_sweep(
    *, n_scans: int = 60, n_features: int = 200, n_informative: int = 20, effect: float = 2.0,
    thresholds: tuple[float, ...] = THRESHOLDS, n_folds: int = 5, rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Regularisation from too little to too much: nearest shrunken centroids over a grid of thresholds.

    The difference between the class means is shrunk towards 0 in every feature; features whose
    difference is smaller than the threshold drop out. The rule is scikit-learn's
    ``NearestCentroid(shrink_threshold=...)``.

    Parameters
    ----------
    n_scans : int
        Scans, one per subject, half of them patients; a multiple of 2 * n_folds.
    n_features, n_informative : int
        Features measured, and features that differ between the classes, all by the same amount.
    effect : float
        Mahalanobis distance between the classes, all features together.
    thresholds : tuple of float
        Values of ``shrink_threshold``; 0 for no shrinking (None in scikit-learn).
    n_folds : int

    Returns
    -------
    Outcome
        Draws "train", "honest" (cross-validated), "true" (exact): accuracies, shape
        (repeats, len(thresholds)); "ceiling", shape (repeats,).

    References
    ----------
    Tibshirani, Hastie, Narasimhan, Chu (2002), PNAS 99:6567, doi:10.1073/pnas.082099299.
    """
    require(n_folds >= 2, "n_folds", n_folds, "2 or more")
    require(n_scans >= 4 * n_folds and n_scans % (2 * n_folds) == 0, "n_scans", n_scans,
            f"a multiple of {2 * n_folds}, {4 * n_folds} or more")
    require(n_features >= 1, "n_features", n_features, "1 or more")
    require(1 <= n_informative <= n_features, "n_informative", n_informative,
            f"from 1 to the number of features, here {n_features}")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(len(thresholds) > 0 and min(thresholds) >= 0, "thresholds", thresholds, "numbers, 0 or more")
    labels = np.arange(n_scans) % 2
    means = np.zeros((2, n_features))
    means[1, :n_informative] = effect / np.sqrt(n_informative)
    X = rng.standard_normal((repeats, n_scans, n_features)) + means[labels]

    def right(rules, X, labels):
        weights, intercepts = rules
        return ((X @ np.swapaxes(weights, 1, 2) + intercepts[:, None] > 0) == (labels == 1)[:, None]).mean(axis=1)

    rules = replicates.shrunken_centroids(X, labels, thresholds)
    honest = 0
    # Neighbouring scans are a patient and a control, so these folds are balanced.
    for test in np.array_split(np.arange(n_scans), n_folds):
        train = np.setdiff1d(np.arange(n_scans), test)
        inner = replicates.shrunken_centroids(X[:, train], labels[train], thresholds)
        honest = honest + right(inner, X[:, test], labels[test]) / n_folds
    return {"train": right(rules, X, labels), "honest": honest,
            "true": replicates.accuracy_on_new_subjects(*rules, means),
            "ceiling": np.full(repeats, ndtr(abs(effect) / 2))}


PLACES = ("the same in all patients", "elsewhere in every patient")


def _read_region(draws, parameters):
    got = ", ".join(f"{name} {draws[name].mean():.2f}" for name in draws if name != "ceiling")
    return (f"The effect fills {parameters['n_affected']} of {parameters['n_voxels']} voxels, its place is "
            f"{parameters['place']}; {parameters['n_scans']} scans. Accuracy on new subjects: {got}. The ceiling is "
            f"{draws['ceiling'].mean():.2f}.")


@experiment(_read_region, block=5)
def region_mean(
    *, n_scans: int = 100, n_affected: int = 4, effect: float = 2.0, place: str = PLACES[0], n_voxels: int = 64,
    likeness: float = 0.3, n_new: int = 200, rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """A focal effect, seen through the mean of its region, through all voxels, or through the highest voxel.

    Every voxel has variance 1; the share `likeness` is common to all voxels of a subject. In patients,
    `n_affected` neighbouring voxels are raised (the region is a ring, so that all places are alike).

    Parameters
    ----------
    n_scans : int
        Scans to learn from, one per subject, half of them patients.
    n_affected, n_voxels : int
        Voxels raised, and voxels of the region.
    effect : float
        By how many standard deviations the affected voxels are raised.
    place : str
        One of `PLACES`.
    likeness : float
        Correlation between the voxels of one subject, from 0 to below 1.
    n_new : int
        New subjects on whom accuracy is measured (the same for the studies of a block).

    Returns
    -------
    Outcome
        Draws "region mean" and "highest voxel" (one number per scan, cut half-way between the two
        groups), "all voxels" (ridge regression on the labels, penalty 10), "ceiling" (the Bayes rule):
        accuracies on new subjects, shape (repeats,).
    """
    require(n_scans >= 4 and n_scans % 2 == 0, "n_scans", n_scans, "an even number, 4 or more")
    require(n_voxels >= 2, "n_voxels", n_voxels, "2 or more")
    require(1 <= n_affected <= n_voxels, "n_affected", n_affected, f"from 1 to the number of voxels, here {n_voxels}")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(place in PLACES, "place", place, " or ".join(PLACES))
    require(0 <= likeness < 1, "likeness", likeness, "from 0 to below 1")
    require(n_new >= 2 and n_new % 2 == 0, "n_new", n_new, "an even number, 2 or more")

    def recruit(*shape):
        labels = np.arange(shape[-1]) % 2
        X = np.sqrt(1 - likeness) * rng.standard_normal((*shape, n_voxels))
        X += np.sqrt(likeness) * rng.standard_normal((*shape, 1))
        if place == PLACES[0]:
            X[..., 1::2, :n_affected] += effect
        else:
            first = rng.integers(n_voxels, size=shape)
            raised = (np.arange(n_voxels) - first[..., None]) % n_voxels < n_affected
            X += effect * (raised & (labels == 1)[:, None])
        return X, labels

    X, labels = recruit(repeats, n_scans)
    new, new_labels = recruit(n_new)
    draws = {}
    for name, summary in (("region mean", lambda X: X.mean(axis=-1)), ("highest voxel", lambda X: X.max(axis=-1))):
        known = summary(X)
        low, high = known[:, labels == 0].mean(axis=1), known[:, labels == 1].mean(axis=1)
        above = summary(new) > ((low + high) / 2)[:, None]
        draws[name] = ((above == (high > low)[:, None]) == new_labels).mean(axis=1)
    weights, intercepts = replicates.linear_rule(X, 2.0 * labels - 1, ridge=10.0)
    draws["all voxels"] = ((weights @ new.T + intercepts[:, None] > 0) == new_labels).mean(axis=1)
    # The log-likelihood ratio of every place, with the common part taken out; then its mean over places.
    common = likeness / (1 - likeness + likeness * n_voxels)
    cleaned = (new - common * new.sum(axis=1, keepdims=True)) / (1 - likeness)
    ends = np.cumsum(np.concatenate([np.zeros((n_new, 1)), cleaned, cleaned[:, :n_affected]], axis=1), axis=1)
    sums = ends[:, n_affected : n_affected + n_voxels] - ends[:, :n_voxels]
    squared = n_affected * (1 - common * n_affected) / (1 - likeness)
    ratios = effect * sums - effect**2 * squared / 2
    ratio = ratios[:, 0] if place == PLACES[0] else np.logaddexp.reduce(ratios, axis=1) - np.log(n_voxels)
    return draws | {"ceiling": np.full(repeats, ((ratio > 0) == new_labels).mean())}


# Looking before training: planted defects, Simpson's paradox, a mark of the scanner

DEFECTS = (
    "nothing", "the same subject twice", "left and right swapped", "one site with another gain",
    "labels swapped in a block", "a unit error in one column", "the site goes with the diagnosis",
    "the gaps go with the diagnosis", "a column that is the diagnosis", "wrong labels here and there",
)  # fmt: skip


def _first_look(defect: str, X: np.ndarray, gaps: np.ndarray, y: np.ndarray, side: np.ndarray,
                site: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a first look at the tables sees: one number per scan to draw (0 to 1), and whether it finds the defect."""
    repeats, n = X.shape[:2]
    sites = (site == np.arange(4)[:, None]).astype(float)
    disease = X[..., 0] - 10
    if defect in ("nothing", "wrong labels here and there"):
        alarms = [_first_look(one, X, gaps, y, side, site)[1] for one in DEFECTS[1:-1]]
        return 0.5 + disease / 10, np.any(alarms, axis=0)
    if defect == "the same subject twice":  # the correlation of a scan with the one that resembles it most
        Z = (X - X.mean(axis=1, keepdims=True)).astype(np.float32)
        Z /= Z.std(axis=1, keepdims=True)
        Z -= Z.mean(axis=2, keepdims=True)
        Z /= np.linalg.norm(Z, axis=2, keepdims=True)
        products = replicates.gram(Z, Z)
        products[:, np.arange(n), np.arange(n)] = -1
        nearest = products.max(axis=2)
        return nearest, nearest.max(axis=1) > 0.95
    if defect == "left and right swapped":  # the side differences of patients, turned to the side of the symptoms
        turned = np.where(y == 1, X[..., 1] * side, X[..., 1])
        patients = sites * y
        return 0.5 + turned / 10, ((turned @ patients.T) / patients.sum(axis=1)).min(axis=1) < 0
    if defect == "one site with another gain":
        level = X.mean(axis=2)
        apart = np.abs(level @ sites.T / sites.sum(axis=1) - level.mean(axis=1, keepdims=True)).max(axis=1)
        return (level - 8.5) / 3, apart > 4 * level.std(axis=1) / np.sqrt(n / 4)
    if defect == "labels swapped in a block":
        width = n // 10
        with_label = (disease - disease.mean(axis=1, keepdims=True)) * (1 - 2 * y)
        sums = np.cumsum(with_label, axis=1)
        runs = (sums[:, width:] - sums[:, :-width]) / width
        return 0.5 + disease / 10, runs.min(axis=1) < -2.5 / np.sqrt(width)
    if defect == "a unit error in one column":
        column = X[..., 2]
        distance = np.abs(column - np.median(column, axis=1, keepdims=True))
        return column / 125, distance.max(axis=1) > 8 * 1.4826 * np.median(distance, axis=1)
    if defect == "the site goes with the diagnosis":
        table = np.stack([sites @ y, sites @ (1 - y)])
        p = stats.chi2_contingency(table, correction=False).pvalue
        return 0.5 + disease / 10, np.full(repeats, p < 0.001)
    if defect == "the gaps go with the diagnosis":
        cases, controls, share = (gaps[:, rows].mean(axis=1) for rows in (y == 1, y == 0, y >= 0))
        error = np.sqrt(share * (1 - share) * (1 / (y == 1).sum() + 1 / (y == 0).sum()))
        return np.where(gaps, 0.03, 0.5 + (X[..., 3] - 10) / 10), np.abs(cases - controls) > 3 * error
    low, high = X[:, y == 0], X[:, y == 1]
    apart = np.abs(high.mean(axis=1) - low.mean(axis=1)) / np.sqrt((high.var(axis=1) + low.var(axis=1)) / 2)
    return 0.5 + (X[..., 4] - 10) / 8, apart.max(axis=1) > 2.8


def _read_defect(draws, parameters):
    defect, found = parameters["defect"], 100 * draws["found"].mean()
    reported, honest, true = (draws[name].mean() for name in ("reported", "honest", "true"))
    if defect == "nothing":
        return (f"Nothing is planted: the study reports {reported:.2f}, and the truth is {true:.2f}. The first look "
                f"raises a false alarm in {found:.0f} % of the studies.")
    name = defect[0].upper() + defect[1:]
    return (f"{name}: the study reports {reported:.2f}; without the defect it would report {honest:.2f}; on new "
            f"subjects its model gets {true:.2f}. The first look raises an alarm in {found:.0f} % of the studies.")


@experiment(_read_defect, block=10)
def planted_defect(
    *, defect: str = "labels swapped in a block", n_scans: int = 300, effect: float = 2.0,
    rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """A table with one planted defect: what a first look sees, and what the cross-validated score says.

    Four sites of equal size, half of the scans of patients, 20 independent normal columns with mean 10 and
    standard deviation 1 (the second, the difference of the two sides, has mean 0). The first column
    carries the disease (patients lie lower); in patients the second one leans by 1.5 to the side of the symptoms. The model is
    a linear rule (ridge regression on the labels, penalty 1), cross-validated in five stratified folds.

    The defects: a tenth of the scans are near copies of others; the sides are swapped at one site; all
    columns of one site are multiplied by 1.1; a tenth of the labels, in neighbouring rows, are swapped; five
    values of the third column are ten times too large; two sites have 80 % patients and two 20 %, and a
    column tells them apart; the fourth column is missing, and filled with zeros, in 25 % of patients and 5 %
    of controls; the fifth column is the diagnosis with an error of 0.3; a tenth of the labels are swapped in
    scattered rows.

    Parameters
    ----------
    defect : str
        One of `DEFECTS`.
    n_scans : int
        A multiple of 100.
    effect : float
        Cohen's d of the disease in the first column.

    Returns
    -------
    Outcome
        Draws "reported" (cross-validated accuracy of the study with the defect), "honest" (of the same study
        without it), "true" (the model with the defect on new, sound subjects from balanced sites, on whom
        a column that is the diagnosis is not known yet; exact), "found" (1 where the first look raises its
        finger): shape (repeats,). "evidence" (what is drawn of every scan, scaled to 0 to 1) and "label" (as
        recorded): shape (repeats, n_scans).

    Notes
    -----
    The checks were written for the defects that are planted, so that they find them is true by
    construction. Where nothing is planted, or labels are wrong here and there, "found" says whether any
    of the eight checks raises an alarm.
    """
    require(defect in DEFECTS, "defect", defect, "one of " + ", ".join(DEFECTS))
    require(n_scans >= 100 and n_scans % 100 == 0, "n_scans", n_scans, "a multiple of 100")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    n = n_scans
    rows = np.arange(n)
    site = rows // (n // 4)
    y = rows % 2
    if defect == "the site goes with the diagnosis":
        # Fives of rows keep the fold, the row modulo 5, apart from the label.
        y = np.where(site < 2, rows // 5 % 5 != 0, rows // 5 % 5 == 0).astype(int)
    clean = rng.standard_normal((repeats, n, 20))
    clean[..., 0] -= (y - 0.5) * effect
    side = rng.choice([-1.0, 1.0], (repeats, n))
    clean[..., 1] += 1.5 * side * y
    X, label = clean.copy(), y
    gaps = np.zeros((repeats, n), bool)
    level = np.where(np.arange(20) == 1, 0.0, 10.0)
    kept = np.ones(20)
    means = np.zeros((4, 2, 20))  # of new subjects: symptoms left or right, site of one half or the other
    means[:, :, 0] = effect / 2, -effect / 2
    means[:, 1, 1] = np.repeat([-1.5, 1.5], 2)
    if defect == "the same subject twice":
        copies = rows[-(n // 10):]
        away = n // 2 + 2 if (n // 2 + 2) % 5 else n // 2 + 4  # another fold, the same label
        X[:, copies] = X[:, copies - away] + 0.05 * rng.standard_normal((repeats, len(copies), 20))
        side[:, copies] = side[:, copies - away]
    elif defect == "left and right swapped":
        X[:, site == 2, 1] *= -1
    elif defect == "one site with another gain":
        X[:, site == 2] = 1.1 * (X[:, site == 2] + level) - level
    elif defect == "labels swapped in a block":
        label = np.where((rows >= n // 2) & (rows < n // 2 + n // 10), 1 - y, y)
    elif defect == "a unit error in one column":
        wrong = rng.permuted(np.tile(rows, (repeats, 1)), axis=1)[:, :5]
        X[np.arange(repeats)[:, None], wrong, 2] = 10 * (X[np.arange(repeats)[:, None], wrong, 2] + 10) - 10
    elif defect == "the site goes with the diagnosis":
        X[..., 5] += 1.5 * np.where(site < 2, 1, -1)
        means[:, :, 5] = np.tile([-1.5, 1.5], 2)[:, None]
    elif defect == "the gaps go with the diagnosis":
        gaps = rng.random((repeats, n)) < np.where(y == 1, 0.25, 0.05)
        X[..., 3][gaps] = -10
    elif defect == "a column that is the diagnosis":
        X[..., 4] = y - 0.5 + 0.3 * X[..., 4]
        kept[4] = 0
    elif defect == "wrong labels here and there":
        label = np.where(rows % 10 == rows // 10 * 3 % 10, 1 - y, y)
    tests = rows.reshape(-1, 5).T

    def study(X, label):
        held_out, *rule = replicates.cross_validated_rule(X, 2.0 * label - 1, tests, 1.0)
        return ((held_out > 0) == (label[tests] == 1)).mean(axis=(1, 2)), *rule

    reported, weights, intercepts = study(X, label)
    true = np.mean([replicates.accuracy_on_new_subjects(weights * kept, intercepts, m) for m in means], axis=0)
    evidence, found = _first_look(defect, X + level, gaps, label, side, site)
    return {
        "reported": reported, "honest": study(clean, y)[0], "true": true, "found": found.astype(float),
        "evidence": np.clip(evidence, 0, 1).astype(np.float32),
        "label": np.broadcast_to(label, (repeats, n)).astype(np.float32),
    }


def _read_paradox(draws, parameters):
    pooled, within = draws["pooled"].mean(), draws["within"].mean()
    return (f"Two sites, {parameters['n_per_site']} subjects each: over all subjects the correlation is {pooled:+.2f}; "
            f"within a site it is {within:+.2f}.")


@experiment(_read_paradox, block=50)
def two_sites_paradox(
    *, n_per_site: int = 60, distance: float = 3.0, within: float = -0.5, rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Simpson's paradox: a correlation within two sites, and another one over all their subjects.

    Two measurements with standard deviation 1 and correlation `within` at each of two sites. The second
    site lies `distance` higher in both.

    Parameters
    ----------
    n_per_site : int
    distance : float
        Between the sites, in standard deviations within a site.
    within : float
        Correlation within each site, above -1 and below 1.

    Returns
    -------
    Outcome
        Draws "pooled" and "within" (mean of the two sites): correlations, shape (repeats,). "x" and "y": the
        measurements on a scale on which 0 to 1 is -6 to 6 standard deviations around the common mean,
        site after site, shape (repeats, 2 * n_per_site).

    Notes
    -----
    With b half the distance, the pooled correlation is (b^2 + within) / (b^2 + 1): .538 at a distance of 3
    and a correlation of -.5.

    References
    ----------
    Simpson (1951), Journal of the Royal Statistical Society B 13:238.
    """
    require(n_per_site >= 3, "n_per_site", n_per_site, "3 or more")
    require(np.isfinite(distance), "distance", distance, "a finite number")
    require(-1 < within < 1, "within", within, "above -1 and below 1")
    x, other = rng.standard_normal((2, repeats, 2, n_per_site))
    y = within * x + np.sqrt(1 - within**2) * other
    shift = np.array([[-distance / 2], [distance / 2]])

    def correlation(x, y):
        x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
        return (x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))

    each = correlation(x, y).mean(axis=1)
    x, y = ((values + shift).reshape(repeats, -1) for values in (x, y))
    return {"pooled": correlation(x, y), "within": each,
            "x": np.clip(0.5 + x / 12, 0, 1), "y": np.clip(0.5 + y / 12, 0, 1)}


def _read_mark(draws, parameters):
    agreement = 100 * parameters["agreement"]
    return (f"The mark is on {agreement:.0f} % of the patients' scans and {100 - agreement:.0f} % of the controls': "
            f"{_optimism(draws)}. Of the distance that the model sees between patients and controls, "
            f"{100 * draws['share'].mean():.0f} % is the mark.")


@functools.cache
def _slice_parts(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A healthy slice, its two putamina alone, and a letter in the corner: size x size pixels each."""
    background, caudate_left, caudate_right, left, right = cohort._templates(size, 0.03 * size)[:5]
    letter = np.zeros((size, size))
    for row, line in enumerate(cohort._GLYPH):
        letter[1 + row, 1 : 1 + len(line)] = [dot == "#" for dot in line]
    return background + 2 * (caudate_left + caudate_right) + 1.2 * (left + right), np.stack([left, right]), letter


@experiment(_read_mark, block=10)
def scanner_mark(
    *, agreement: float = 0.9, brightness: float = 2.0, effect: float = 2.0, n_scans: int = 80, size: int = 24,
    rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """A letter that a scanner burns into a corner of the picture, and a linear model of the pixels.

    Small pictures like slices of a dopamine-transporter SPECT, half of them of patients, whose putamen is
    darker on both sides. The mark is on a share of the patients' pictures and on the rest of the controls'.
    The model is ridge regression on all pixels (penalty: 20), cross-validated in five folds.

    Parameters
    ----------
    agreement : float
        Share of the patients' pictures with the mark, and of the controls' without it; .5: no relation.
    brightness : float
        Of the mark, in units of the uptake of the background, 0 or more.
    effect : float
        Difference of the uptake of a putamen between patients and controls, in its standard deviation.
    n_scans : int
        A multiple of 20.
    size : int
        Pixels per side, 16 or more.

    Returns
    -------
    Outcome
        Draws "reported" (cross-validated accuracy), "true" (accuracy on new subjects, with a mark that has
        nothing to do with the diagnosis; exact), "share" (of the distance that the model puts between the
        mean patient and the mean control of the study, what comes from the mark; 0 to 1): shape (repeats,).
        "weights" (of every pixel, divided by their largest size): shape (repeats, size, size). "patient"
        and "control" (a picture of each, the patient's with the mark; 0 to 1): likewise.
    """
    require(0.5 <= agreement <= 1, "agreement", agreement, "from 0.5 to 1")
    require(np.isfinite(brightness) and brightness >= 0, "brightness", brightness, "0 or more")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(n_scans >= 20 and n_scans % 20 == 0, "n_scans", n_scans, "a multiple of 20")
    require(size >= 16, "size", size, "16 or more")
    sd, noise = 0.4, 0.4
    base, putamen, letter = _slice_parts(size)
    base, putamen, letter = base.ravel(), putamen.reshape(2, -1).astype(np.float32), brightness * letter.ravel()
    labels = np.arange(n_scans) % 2
    # Sides correlate .85. The mark is dealt anew to every study.
    common, own = rng.standard_normal((repeats, n_scans, 1)), rng.standard_normal((repeats, n_scans, 2))
    uptake = sd * (np.sqrt(0.85) * common + np.sqrt(0.15) * own - effect * (labels[:, None] - 0.5))
    marked = rng.random((repeats, n_scans)) < np.where(labels == 1, agreement, 1 - agreement)
    # What differs between the scans. The base, which is the same in all, moves only the intercept.
    X = rng.standard_normal((repeats, n_scans, size * size), dtype=np.float32)
    X *= np.float32(noise)
    X += uptake.astype(np.float32) @ putamen
    on = np.flatnonzero(letter)
    X[..., on] += marked[..., None] * letter[on].astype(np.float32)
    tests = np.arange(n_scans).reshape(-1, 5).T
    held_out, weights, level = replicates.cross_validated_rule(X, 2.0 * labels - 1, tests, 20.0)
    # The distance between the mean patient and the mean control, as the model sees it.
    fitted = (X @ weights[..., None])[..., 0]
    gap = fitted[:, labels == 1].mean(axis=1, dtype=float) - fitted[:, labels == 0].mean(axis=1, dtype=float)
    weights = weights.astype(float)
    # New subjects: the score is normal for each class, with the mark and without it.
    to_sides, to_mark = weights @ putamen.T, weights @ letter
    spread = np.sqrt((noise * np.linalg.norm(weights, axis=1)) ** 2 + sd**2 * (
        0.85 * to_sides.sum(axis=1) ** 2 + 0.15 * (to_sides**2).sum(axis=1)))
    right = []
    for sign in (-1, 1):
        for mark in (0, 1):
            mean = level - sign * effect * sd / 2 * to_sides.sum(axis=1) + mark * to_mark
            right.append(ndtr(sign * mean / spread))
    by_mark = marked[:, labels == 1].mean(axis=1) - marked[:, labels == 0].mean(axis=1)
    share = by_mark * to_mark / gap
    shape = (repeats, size, size)
    # For the picture: the first patient with the mark, and the first control without it.
    who = {"patient": np.argmax(marked & (labels == 1), axis=1), "control": np.argmax(~marked & (labels == 0), axis=1)}
    pictures = {name: np.clip((X[np.arange(repeats), first] + base) / 4, 0, 1).reshape(shape).astype(np.float32)
                for name, first in who.items()}
    return {
        "reported": ((held_out > 0) == (labels[tests] == 1)).mean(axis=(1, 2)), "true": np.mean(right, axis=0),
        "share": np.clip(share, 0, 1), **pictures,
        "weights": (weights / np.abs(weights).max(axis=1, keepdims=True)).reshape(shape).astype(np.float32),
    }


# External validation: sites, harmonisation, scaling, prevalence, the number of sites


def _read_shortcut(draws, parameters):
    got = {name: values.mean() for name, values in draws.items()}
    return (f"{100 * parameters['prevalence']:.0f} % patients at one site and {100 * (1 - parameters['prevalence']):.0f} % at the "
            f"other: the study reports an AUC of {got['reported']:.2f}; at a new site its model gets {got['true']:.2f}. The same "
            f"scores give {got['within site']:.2f} within a site, leaving one site out gives {got['site left out']:.2f}, and "
            f"the best possible is {got['ceiling']:.2f}.")


@experiment(_read_shortcut, block=20)
def site_shortcut(
    *, prevalence: float = 0.8, site_mark: float = 3.16, effect: float = 0.5, n_per_site: int = 200,
    rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Two sites that differ in their scanners and in their share of patients: the model learns the site.

    One feature carries the disease. Ten further features do not, but each site adds its own offset to
    them. The rule is least squares on the labels; a new site has an offset of its own, which moves all
    of its scores alike and so leaves its AUC as it is.

    Parameters
    ----------
    prevalence : float
        Share of patients at the first site, from .1 to .9; the second site has the rest.
    site_mark : float
        Distance of the two sites in the ten features, in standard deviations.
    effect : float
        Cohen's d of the disease in its feature.
    n_per_site : int
        Subjects at each site, a multiple of 50.

    Returns
    -------
    Outcome
        Draws "reported" (5-fold cross-validation, sites mixed), "within site" (the same held-out scores,
        compared within a site only), "site left out" (trained at one site, tested at the other), "true"
        (at a new site, exact) and "ceiling" (the feature with the disease alone): AUC, shape (repeats,).

    References
    ----------
    A design made for this course. Zech and others (2018), PLoS Medicine 15:e1002683,
    doi:10.1371/journal.pmed.1002683, show it with chest radiographs.
    """
    require(0.1 <= prevalence <= 0.9, "prevalence", prevalence, "from .1 to .9")
    require(np.isfinite(site_mark) and site_mark >= 0, "site_mark", site_mark, "a finite number, 0 or more")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(n_per_site >= 50 and n_per_site % 50 == 0, "n_per_site", n_per_site, "a multiple of 50")
    n, patients = n_per_site, 5 * round(n_per_site * prevalence / 5)
    site = np.repeat([0, 1], n)
    labels = np.r_[np.arange(n) < patients, np.arange(n) >= patients].astype(int)
    # Rows of one site and label follow each other, and their numbers are multiples of 5: dealt out in turn,
    # they give folds of one size with the same share of each.
    tests = np.arange(2 * n).reshape(-1, 5).T
    X = rng.standard_normal((repeats, 2 * n, 11))
    X[..., 0] += effect * labels
    X[..., 1:] += site_mark * (site[:, None] - 0.5) / np.sqrt(10)
    targets = 2.0 * labels - 1
    held_out, weights, _ = replicates.cross_validated_rule(X, targets, tests)
    true = ndtr(weights[:, 0] * effect / np.sqrt(2) / np.linalg.norm(weights, axis=1))
    reported = np.mean([_auc(held_out[:, f], labels[tests[f]]) for f in range(5)], axis=0)
    within = np.mean([_auc(held_out[:, f][:, site[tests[f]] == s], labels[tests[f]][site[tests[f]] == s])
                      for f in range(5) for s in (0, 1)], axis=0)
    left_out = []
    for s in (0, 1):
        weights, _ = replicates.linear_rule(X[:, site != s], targets[site != s])
        left_out.append(_auc((X[:, site == s] @ weights[..., None])[..., 0], labels[site == s]))
    return {"reported": reported, "within site": within, "site left out": np.mean(left_out, axis=0), "true": true,
            "ceiling": np.full(repeats, ndtr(abs(effect) / np.sqrt(2)))}


HARMONISATIONS = (
    "no harmonisation", "outside the folds", "outside, diagnosis protected", "inside the folds",
    "inside, diagnosis protected",
)  # fmt: skip


def _read_harmonisation(draws, parameters):
    imbalance = parameters["imbalance"]
    sites = (f"{100 * (0.5 - imbalance):.0f} to {100 * (0.5 + imbalance):.0f} % patients at the {parameters['n_sites']} sites"
             if imbalance else f"as many patients as controls at each of {parameters['n_sites']} sites")
    reported, true = draws["reported"].mean(axis=0), draws["true"].mean(axis=0)
    got = "; ".join(f"{name} {r:.2f} (within a site really {t:.2f})"
                    for name, r, t in zip(HARMONISATIONS, reported, true, strict=True))
    return f"{parameters['n_subjects']} subjects, {sites}. Reported {parameters['score']}: {got}."


@experiment(_read_harmonisation, block=5)
def harmonised_sites(
    *, n_subjects: int = 60, imbalance: float = 0.3, site_mark: float = 0.0, effect: float = 0.0,
    n_sites: int = 3, n_features: int = 100, ridge: float = 10.0, score: str = "AUC",
    rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """Site effects removed before cross-validation or inside its folds, blind to the diagnosis or protecting it.

    Harmonisation is the core of ComBat without its empirical Bayes step: every feature is shifted and
    scaled so that the sites agree in mean and standard deviation. "Protected" estimates the sites' means
    and standard deviations in a regression that also holds the diagnosis, and leaves its effect in.
    Inside the folds the estimates come from the training rows, and a test row is transformed without its
    diagnosis. The rule is ridge regression on the labels, in five folds, stratified by diagnosis and dealt
    at random. Diagnoses and folds are drawn anew for every block of studies.

    Parameters
    ----------
    n_subjects : int
        A multiple of 5 and of `n_sites`, 60 or more; sites are of one size.
    imbalance : float
        The probability of being a patient rises from .5 - imbalance at the first site to .5 + imbalance at
        the last one, from 0 to .4.
    site_mark : float
        Standard deviation of the offsets of the sites, in every feature.
    effect : float
        Cohen's d of the disease in one feature; 0 for pure noise.
    n_sites : int
        2 or more, of 10 subjects at least.
    n_features : int
    ridge : float
        Penalty, above 0.
    score : {"AUC", "accuracy"}
        What "reported" holds.

    Returns
    -------
    Outcome
        Draws "reported" (cross-validated; AUC: mean over the folds) and "true" (AUC of the final model
        among new subjects of one of the same sites, where the site gives nothing away; exact, mean over
        sites): shape (repeats, 5), in the order of `HARMONISATIONS`.

    References
    ----------
    Johnson, Li, Rabinovic (2007), Biostatistics 8:118, doi:10.1093/biostatistics/kxj037 (ComBat). Nygaard,
    Rodland, Hovig (2016), Biostatistics 17:29, doi:10.1093/biostatistics/kxv027, on protecting the groups.
    Snoek, Miletic, Scholte (2019), NeuroImage 184:741, doi:10.1016/j.neuroimage.2018.09.074, on scores
    below chance.
    """
    require(n_sites >= 2, "n_sites", n_sites, "2 or more")
    require(n_subjects >= 60 and n_subjects % 5 == 0 and n_subjects % n_sites == 0, "n_subjects", n_subjects,
            f"a multiple of 5 and of the number of sites, here {n_sites}; 60 or more")
    require(n_subjects >= 10 * n_sites, "n_sites", n_sites, f"from 2 to a tenth of the subjects, here {n_subjects // 10}")
    require(0 <= imbalance <= 0.4, "imbalance", imbalance, "from 0 to .4")
    require(np.isfinite(site_mark) and site_mark >= 0, "site_mark", site_mark, "a finite number, 0 or more")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(n_features >= 1, "n_features", n_features, "1 or more")
    require(ridge > 0, "ridge", ridge, "above 0")
    require(score in ("AUC", "accuracy"), "score", score, "'AUC' or 'accuracy'")
    site = np.repeat(np.arange(n_sites), n_subjects // n_sites)
    chance = np.linspace(0.5 - imbalance, 0.5 + imbalance, n_sites)
    # Five patients and five controls at least, or a fold would hold one class only.
    labels = np.zeros(n_subjects, int)
    while not 5 <= labels.sum() <= n_subjects - 5:
        labels = (rng.random(n_subjects) < chance[site]).astype(int)
    targets = 2.0 * labels - 1
    tests = np.lexsort((rng.random(n_subjects), labels)).reshape(-1, 5).T
    X = rng.standard_normal((repeats, n_subjects, n_features))
    X[..., 0] += effect * labels
    X += (site_mark * rng.standard_normal((repeats, n_sites, n_features)))[:, site]

    # What sites look like to everybody, and to the training scans of every fold: from sums over the patients and the
    # controls of each site, for all of them at once.
    seen = np.ones((6, n_subjects), bool)
    for number, test in enumerate(tests, 1):
        seen[number, test] = False
    group = np.arange(2 * n_sites)[:, None]
    members = (seen[:, None] & (2 * site + labels == group)).astype(float)
    size = members.sum(axis=-1)
    sums, squares = (members @ table[:, None] for table in (X, np.square(X)))
    if ridge >= 1:  # single precision is quicker, and exact enough, but for models that rest on a tiny penalty alone
        X = X.astype(np.float32)

    def fitted(protect):
        """Means and standard deviations of the sites, shape (repeats, 6, sites, features), and the effect that is kept."""
        design = np.vstack([group.T // 2 == np.arange(n_sites)[:, None], *[group.T % 2] * protect]).astype(float)
        B = np.linalg.pinv(design * size[:, None] @ design.T, hermitian=True) @ (design @ sums)
        expected = design.T @ B
        rest, at_site = design[:n_sites] @ (squares + (size[..., None] * expected - 2 * sums) * expected), design[:n_sites] @ size[..., None]
        # A site of which one subject is left has no spread: it is only shifted.
        sds = np.where(at_site > 1, np.sqrt(np.maximum(rest, 1e-18) / np.maximum(at_site, 1)), 1)
        return B[:, :, :n_sites], sds, B[:, :, n_sites:]

    def transformed(fit, number):
        """All rows as the training rows of a set say; these keep the effect of the diagnosis, the others have none."""
        means, sds, kept = (part[:, number].astype(X.dtype) for part in fit)
        table = X - means[:, site]
        table *= (1 / sds)[:, site]
        if kept.size:
            effect = (labels * seen[number]).astype(X.dtype)[:, None] * kept
            table += effect - effect / sds[:, site]
        return table

    def scored(held_out):
        right = labels[tests]
        if score == "accuracy":
            return ((held_out > 0) == right).mean(axis=(1, 2))
        return np.mean([_auc(held_out[:, fold], right[fold]) for fold in range(5)], axis=0)

    fits = {"blind": fitted(False), "protected": fitted(True)}
    reported, true = {}, {}
    for name, kind in (("no harmonisation", None), ("outside the folds", "blind"), ("outside, diagnosis protected", "protected")):
        table, sds = (transformed(fits[kind], 0), fits[kind][1][:, 0]) if kind else (X, 1.0)
        held_out, weights, _ = replicates.cross_validated_rule(table, targets, tests, ridge)
        reported[name] = scored(held_out)
        # A new subject is scaled by the standard deviations of its site.
        weights = weights[:, None] / sds
        true[name] = ndtr(weights[..., 0] * effect / np.sqrt(2) / np.linalg.norm(weights, axis=2)).mean(axis=1)
    for name, kind in (("inside the folds", "blind"), ("inside, diagnosis protected", "protected")):
        held_out = []
        for fold, test in enumerate(tests, 1):
            train = np.flatnonzero(seen[fold])
            table = transformed(fits[kind], fold)
            table -= (seen[fold] / len(train)).astype(X.dtype) @ table[:, None]
            level = targets[train].mean()
            products = replicates.gram(table, table[:, train]).astype(float)
            dual = replicates.solve_definite(products[:, train] + ridge * np.eye(len(train)), targets[train] - level)
            held_out.append((products[:, test] @ dual[..., None])[..., 0] + level)
        reported[name] = scored(np.stack(held_out, axis=1))
        true[name] = true[name.replace("inside the", "outside the").replace("inside,", "outside,")]  # the same final model
    reported, true = ([values[name] for name in HARMONISATIONS] for values in (reported, true))
    return {"reported": np.stack(reported, axis=1), "true": np.stack(true, axis=1)}


SCALINGS = ("by the training cohort", "by its own mean", "by its own controls")


def _read_scaling(draws, parameters):
    sensitivity, specificity = (draws[name].mean(axis=0) for name in ("sensitivity", "specificity"))
    got = "; ".join(f"{name} {a:.2f} and {b:.2f}" for name, a, b in zip(SCALINGS, sensitivity, specificity, strict=True))
    low, high = np.quantile(draws["AUC"], [0.05, 0.95])
    return (f"External cohort of {parameters['n_external']} with {100 * parameters['prevalence']:.0f} % patients, scanner shift "
            f"{parameters['scanner_shift']:+.2g}. Sensitivity and specificity at the internal threshold, if the cohort is scaled: "
            f"{got}. Inside both were {draws['inside'].mean():.2f}. The AUC is the same for all three; nine cohorts in ten "
            f"measure {low:.2f} to {high:.2f}.")


@experiment(_read_scaling, block=50)
def external_scaling(
    *, prevalence: float = 0.8, scanner_shift: float = 0.0, effect: float = 1.5, n_external: int = 200,
    rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """An external cohort is scaled in three ways before it meets the threshold that was chosen inside.

    One normal feature of variance 1 in either class. Inside, half are patients, there are endless subjects,
    and the threshold lies half-way between the classes.

    Parameters
    ----------
    prevalence : float
        Share of patients in the external cohort, from .05 to .95.
    scanner_shift : float
        What the external scanner adds to the feature, in standard deviations within a class.
    effect : float
        Cohen's d, above 0.
    n_external : int
        Subjects of the external cohort, 40 or more.

    Returns
    -------
    Outcome
        Draws "sensitivity" and "specificity", shape (repeats, 3) in the order of `SCALINGS`: with the mean
        and standard deviation of the training cohort, of the external cohort, or of the controls of either
        cohort; measured in one external cohort each. "AUC" (the same for all three) and "inside" (true
        sensitivity, and specificity, in the training cohort): shape (repeats,).

    Notes
    -----
    With endless external subjects and no shift, scaling by the own mean gives sensitivity Phi((1 - q) d) and
    specificity Phi(q d) for prevalence q; with the scanner shift s, the training mean gives Phi(d / 2 + s) and
    Phi(d / 2 - s).
    """
    require(0.05 <= prevalence <= 0.95, "prevalence", prevalence, "from .05 to .95")
    require(np.isfinite(scanner_shift), "scanner_shift", scanner_shift, "a finite number")
    require(np.isfinite(effect) and effect > 0, "effect", effect, "a number above 0")
    require(n_external >= 40, "n_external", n_external, "40 or more")
    labels = (np.arange(n_external) < round(prevalence * n_external)).astype(int)
    x = rng.standard_normal((repeats, n_external)) + effect * labels + scanner_shift
    controls = x[:, labels == 0]
    # The scale changes nothing here: in units of either cohort the threshold is at 0, or d / 2 above the controls.
    above = np.stack([x > effect / 2, x > x.mean(axis=1, keepdims=True),
                      (x - controls.mean(axis=1, keepdims=True)) > effect / 2 * controls.std(axis=1, ddof=1, keepdims=True)],
                     axis=1)
    return {"sensitivity": above[..., labels == 1].mean(axis=2), "specificity": 1 - above[..., labels == 0].mean(axis=2),
            "AUC": _auc(x, labels), "inside": np.full(repeats, ndtr(effect / 2))}


AT_THE_CUT = ("AUC", "sensitivity", "specificity", "positive predictive value", "negative predictive value")


def _read_prevalence(draws, parameters):
    inside, outside = draws["inside"].mean(axis=0), draws["outside"].mean(axis=0)
    moved = ", ".join(f"{name} {a:.2f} to {b:.2f}" for name, a, b in zip(AT_THE_CUT, inside, outside, strict=True))
    return (f"{100 * parameters['prevalence_inside']:.0f} % patients inside, {100 * parameters['prevalence_outside']:.0f} % outside: "
            f"{moved}. Calibration intercept {draws['intercept'].mean():+.2f} "
            f"(nine cohorts in ten {np.quantile(draws['intercept'], 0.05):+.2f} to "
            f"{np.quantile(draws['intercept'], 0.95):+.2f}), slope {draws['slope'].mean():.2f}.")


@experiment(_read_prevalence, block=20)
def prevalence_shift(
    *, prevalence_inside: float = 0.683, prevalence_outside: float = 0.2, effect: float = 1.5, n_external: int = 400,
    rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """A perfectly calibrated model meets a cohort in which the disease is rarer or more frequent.

    One normal feature, the same in patients inside and outside, the same in controls: only the share of
    patients changes. The model gives the true risk of the inside world, and calls a patient whom it gives
    50 % or more.

    Parameters
    ----------
    prevalence_inside, prevalence_outside : float
        From .02 to .98.
    effect : float
        Cohen's d, above 0.
    n_external : int
        Subjects of the external cohort, of whom 8 at least are patients and 8 are controls.

    Returns
    -------
    Outcome
        Draws "outside" (measured in one external cohort each) and "inside" (exact), shape (repeats, 5) in the
        order of `AT_THE_CUT`. "intercept" (with the slope held at 1) and "slope" of a logistic regression of the
        diagnosis on the log odds of the predicted risk, shape (repeats,). "predicted" and "observed": mean risk
        and share of patients in tenths of the cohort, by predicted risk, shape (repeats, 10).

    Notes
    -----
    With endless subjects the intercept is logit(outside) - logit(inside), the slope 1, and the AUC, the
    sensitivity and the specificity are those of inside.
    """
    for name, value in (("prevalence_inside", prevalence_inside), ("prevalence_outside", prevalence_outside)):
        require(0.02 <= value <= 0.98, name, value, "from .02 to .98")
    require(np.isfinite(effect) and effect > 0, "effect", effect, "a number above 0")
    patients = round(n_external * prevalence_outside)
    require(min(patients, n_external - patients) >= 8, "n_external", n_external,
            "large enough for 8 patients and 8 controls")
    labels = (np.arange(n_external) < patients).astype(int)
    x = rng.standard_normal((repeats, n_external)) + effect * labels
    log_odds = effect * (x - effect / 2) + np.log(prevalence_inside / (1 - prevalence_inside))
    risk = 1 / (1 + np.exp(-np.clip(log_odds, -500, 500)))
    called = log_odds > 0

    def rates(sensitivity, specificity, prevalence, auc):
        true_positive, false_positive = prevalence * sensitivity, (1 - prevalence) * (1 - specificity)
        true_negative, false_negative = (1 - prevalence) * specificity, prevalence * (1 - sensitivity)
        # Where nobody is called ill (or well) there is nothing to be right about: half, as a coin.
        shares = [np.divide(a, a + b, out=np.full(np.shape(a), 0.5), where=a + b > 0)
                  for a, b in ((true_positive, false_positive), (true_negative, false_negative))]
        return np.stack([auc, sensitivity, specificity, *shares], axis=-1)

    cut = effect / 2 - np.log(prevalence_inside / (1 - prevalence_inside)) / effect
    inside = rates(ndtr(effect - cut), ndtr(cut), prevalence_inside, cohort.bayes_auc(effect))
    outside = rates(called[:, labels == 1].mean(axis=1), 1 - called[:, labels == 0].mean(axis=1),
                    patients / n_external, _auc(x, labels))
    # Newton's method for both regressions. The likelihood is concave; a separable cohort ends at a large slope.
    offset, (a, b) = np.zeros((repeats, 1)), (np.zeros((repeats, 1)), np.ones((repeats, 1)))
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(offset + log_odds, -30, 30)))
        offset += np.clip((labels - p).sum(axis=1, keepdims=True) / (p * (1 - p)).sum(axis=1, keepdims=True), -2, 2)
        p = 1 / (1 + np.exp(-np.clip(a + b * log_odds, -30, 30)))
        w, left = p * (1 - p) + 1e-12, labels - p
        w0, w1, w2 = ((w * log_odds**k).sum(axis=1, keepdims=True) for k in range(3))
        g0, g1 = left.sum(axis=1, keepdims=True), (left * log_odds).sum(axis=1, keepdims=True)
        determinant = w0 * w2 - w1**2 + 1e-12
        a = a + np.clip((w2 * g0 - w1 * g1) / determinant, -2, 2)
        b = b + np.clip((w0 * g1 - w1 * g0) / determinant, -2, 2)
    order = risk.argsort(axis=1)
    tenths = np.array_split(np.arange(n_external), 10)
    sorted_risk, sorted_labels = np.take_along_axis(risk, order, axis=1), labels[order]
    return {"inside": np.broadcast_to(inside, (repeats, 5)).copy(), "outside": outside,
            "intercept": offset[:, 0], "slope": b[:, 0],
            "predicted": np.stack([sorted_risk[:, tenth].mean(axis=1) for tenth in tenths], axis=1),
            "observed": np.stack([sorted_labels[:, tenth].mean(axis=1) for tenth in tenths], axis=1)}


def _read_consortium(draws, parameters):
    counts = parameters["site_counts"]
    reported, true = draws["reported"].mean(axis=0), draws["true"].mean(axis=0)
    low, high = np.quantile(draws["external"][:, -1], [0.05, 0.95])
    return (f"{parameters['n_subjects']} subjects in all. From {counts[0]} {'site' if counts[0] == 1 else 'sites'}: the study "
            f"reports {reported[0]:.2f} and a new site gets {true[0]:.2f}. From {counts[-1]} sites: reports {reported[-1]:.2f}, "
            f"new site {true[-1]:.2f}. One external site of {parameters['n_external']} subjects measures {low:.2f} to "
            f"{high:.2f}, nine times in ten.")


@experiment(_read_consortium, block=4)
def sites_of_a_consortium(
    *, n_subjects: int = 400, heterogeneity: float = 0.25, effect: float = 1.2, n_external: int = 100,
    site_counts: tuple = (1, 2, 5, 10, 20, 40), n_features: int = 20, n_informative: int = 5, n_new_sites: int = 10,
    rng: np.random.Generator, repeats: int,
) -> dict[str, np.ndarray]:
    """The same number of subjects, from one site or from many: what the study reports, and what a new site gets.

    Two normal classes of equal size at every site. The disease does not look quite the same everywhere:
    every site's difference between the classes is the common one plus noise. The rule is least squares on
    the pooled subjects.

    Parameters
    ----------
    n_subjects : int
        In all; four times every number of sites divides it, and so does 10.
    heterogeneity : float
        Standard deviation of the site's own part of the difference, in every feature; 0: all sites alike.
    effect : float
        Mahalanobis distance of the common difference, spread over the first `n_informative` features.
    n_external : int
        Subjects of the one external site that is measured; even.
    site_counts : tuple of int
        Numbers of sites, rising.
    n_features, n_informative, n_new_sites : int

    Returns
    -------
    Outcome
        Draws "reported" (5-fold cross-validation of the pooled subjects), "true" (mean over new sites, exact)
        and "external" (one new site, with `n_external` subjects): accuracies, shape (repeats,
        len(site_counts)). "honest" (leaving one site out in turn): likewise, for the numbers of sites above 1.

    References
    ----------
    A design made for this course.
    """
    require(len(site_counts) > 0 and all(a < b for a, b in zip((0, *site_counts), site_counts, strict=False)), "site_counts",
            site_counts, "whole numbers from 1, rising")
    require(n_subjects >= 40 and n_subjects % 10 == 0 and all(n_subjects % (2 * k) == 0 for k in site_counts), "n_subjects",
            n_subjects, "a multiple of 10 and of twice every number of sites; 40 or more")
    require(np.isfinite(heterogeneity) and heterogeneity >= 0, "heterogeneity", heterogeneity, "a finite number, 0 or more")
    require(np.isfinite(effect), "effect", effect, "a finite number")
    require(n_external >= 2 and n_external % 2 == 0, "n_external", n_external, "an even number, 2 or more")
    require(1 <= n_features < n_subjects // 2 - 2, "n_features", n_features, "1 or more, and fewer than half of the subjects")
    require(1 <= n_informative <= n_features, "n_informative", n_informative,
            f"from 1 to the number of features, here {n_features}")
    require(n_new_sites >= 1, "n_new_sites", n_new_sites, "1 or more")
    common = np.zeros(n_features)
    common[:n_informative] = effect / np.sqrt(n_informative)

    def own_effects(k):
        return common + heterogeneity * rng.standard_normal((repeats, k, n_features))

    labels = np.arange(n_subjects) % 2
    targets = 2.0 * labels - 1
    # Every second subject of a site is a patient, and so is every second one of those dealt out in turn.
    pooled = np.arange(n_subjects).reshape(-1, 5).T
    noise = rng.standard_normal((repeats, n_subjects, n_features))
    new = own_effects(n_new_sites)
    luck = rng.standard_normal(repeats)
    scores = {"reported": [], "honest": [], "true": [], "external": []}
    for k in site_counts:
        site = np.arange(n_subjects) // (n_subjects // k)
        X = own_effects(k)[:, site]
        X *= labels[:, None] - 0.5
        X += noise
        # One site alone cannot be left out.
        partitions = {"reported": pooled, "honest": np.arange(n_subjects).reshape(k, -1)} if k > 1 else {"reported": pooled}
        held_out, weights, intercepts = replicates.rule_from_sums(X, targets, *partitions.values())
        for (name, tests), found in zip(partitions.items(), held_out, strict=True):
            scores[name].append(((found > 0) == labels[tests]).mean(axis=(1, 2)))
        length = np.linalg.norm(weights, axis=1)[:, None]
        half = np.einsum("rp,rkp->rk", weights, new) / 2
        right = (ndtr((half + intercepts[:, None]) / length) + ndtr((half - intercepts[:, None]) / length)) / 2
        scores["true"].append(right.mean(axis=1))
        scores["external"].append(right[:, 0])
    scores = {name: np.stack(values, axis=1) for name, values in scores.items() if values}
    # One new site, measured on so many subjects: what they get right is binomial; the same luck for every k.
    return scores | {"external": stats.binom.ppf(ndtr(luck)[:, None], n_external, scores["external"]) / n_external}
