"""The experiments of the course, written as a plain scikit-learn loop over the studies.

`utils.experiments` simulates many studies at once, with array operations that are held to be the same as
fitting one model after the other. Here nothing is batched: every study is analysed as a researcher would
write it, with scikit-learn's estimators and cross-validation and SciPy's tests. It serves two purposes: to
check that the fast form finds the same in the very same studies, and to measure how much faster it is.

    python tools/plain.py                       all experiments, compared
    python tools/plain.py best_of_many          this one

**The contract.** A plain experiment is a generator with the name and the parameters of the experiment. It
draws the numbers of a whole block from `rng`, in the order in which the experiment draws them, so that both
see the same subjects. Then, in a loop, it analyses study by study and yields, for each, a dict with the
experiment's draws. Where the fast form uses an identity (held-out scores from the hat matrix, sums minus the
test scans), the plain one fits anew. Parameters are documented in `utils.experiments`; their defaults and
checks stand there as well.
"""

import itertools
import sys
import time
from collections.abc import Iterator

import numpy as np
from scipy.stats import norm
from sklearn.feature_selection import SelectKBest, f_classif, r_regression
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import PredefinedSplit, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

from utils import experiments, replicates


def exact_accuracy(weights, intercept, means):
    """Accuracy of a linear rule on endless new subjects: two equally frequent normal classes of variance 1."""
    low, high = means @ np.ravel(weights) + np.ravel(intercept)
    sd = np.linalg.norm(weights)
    if sd == 0:  # every new subject gets the same label
        return 0.5
    return (norm.cdf(-low / sd) + norm.cdf(high / sd)) / 2


# Lesson 05: cross-validation ---------------------------------------------------------------------------


def selection_outside_folds(*, n_scans, n_features, n_selected, effect, n_informative, rule, signed, n_folds, n_new,
                            rng, repeats):
    labels = np.repeat([0, 1], n_scans // 2)
    shift = np.zeros(n_features, np.float32)
    shift[:n_informative] = effect
    studies = rng.standard_normal((repeats, n_scans, n_features), dtype=np.float32)
    studies[:, labels == 1] += shift
    noise = rng.standard_normal((repeats, n_new, n_selected), dtype=np.float32)
    new_labels = np.arange(n_new) % 2

    model = NearestCentroid() if rule == "nearest centroid" else KNeighborsClassifier(1)
    selector = SelectKBest(r_regression if signed else f_classif, k=n_selected)
    cv = StratifiedKFold(n_folds)
    for X, new in zip(studies.astype(float), noise, strict=True):
        chosen = selector.fit(X, labels).get_support(indices=True)
        leaky = cross_val_predict(model, X[:, chosen], labels, cv=cv)
        clean = cross_val_predict(make_pipeline(selector, model), X, labels, cv=cv)
        # The numbers of the new subjects were drawn for the chosen features only. Which column belongs to
        # which feature is an accident of the fast form's sorting; it is asked, so that the subjects are the same.
        [[columns]] = replicates.select_by_correlation(
            X[None].astype(np.float32), labels, n_selected, signed=signed)
        new = (new + new_labels[:, None] * shift[columns])[:, np.argsort(columns)]
        predicted = model.fit(X[:, chosen], labels).predict(new.astype(float))
        yield {"reported": np.mean(leaky == labels), "honest": np.mean(clean == labels),
               "true": np.mean(predicted == new_labels)}


def cross_validation_error(*, n_scans, scheme, effect, n_features, ridge, penalise_intercept, rng, repeats):
    labels = np.repeat([0, 1], n_scans // 2)
    scans = np.arange(n_scans)
    if scheme == "50 random splits":
        tests = [rng.permutation(n_scans)[: n_scans // 5] for _ in range(50)]
        cv = [(np.setdiff1d(scans, test), test) for test in tests]
    else:
        n_folds = n_scans if scheme == "leave-one-out" else int(scheme.split("-")[0])
        cv = PredefinedSplit(scans % n_folds)
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    studies = rng.standard_normal((repeats, n_scans, n_features)) + means[labels]

    if penalise_intercept:  # the weight of one more feature that is 1 in everybody
        add_one = FunctionTransformer(lambda X: np.column_stack([X, np.ones(len(X))]))
        model = make_pipeline(add_one, RidgeClassifier(alpha=ridge, fit_intercept=False))
    else:
        model = make_pipeline(RidgeClassifier(alpha=ridge))
    for X in studies:
        scores = cross_val_score(model, X, labels, cv=cv)
        fitted = model.fit(X, labels)[-1]
        weights, intercept = np.ravel(fitted.coef_), fitted.intercept_
        if penalise_intercept:
            weights, intercept = weights[:-1], weights[-1]
        yield {"reported": scores.mean(), "claimed": 1.645 * scores.std(ddof=1) / np.sqrt(len(scores)),
               "true": exact_accuracy(weights, intercept, means)}


# The registry and the comparison -----------------------------------------------------------------------

PLAIN = {plain.__name__: plain for plain in (
    # lesson 05
    selection_outside_folds, cross_validation_error,
)}


def plain_studies(name: str, *, seed: int = 0, number: int = 0, **parameters) -> Iterator[dict]:
    """Block `number` of an experiment, study by study, as the plain loop analyses it."""
    fast = getattr(experiments, name)
    return PLAIN[name](rng=np.random.default_rng([seed, number]), repeats=fast.block, **fast.defaults | parameters)


def differences(block: dict, found: list[dict]) -> dict[str, float]:
    """Largest absolute difference between a block of the fast form and its first studies by the plain loop."""
    if set(block) != set(found[0]):
        raise ValueError(f"The draws are {sorted(block)} in one form and {sorted(found[0])} in the other.")
    return {name: float(np.abs(values[: len(found)] - np.stack([study[name] for study in found])).max())
            for name, values in block.items()}


def _timed(steps) -> Iterator[tuple[float, dict]]:
    """The seconds of processor time that each step of an iterator took, and what it gave."""
    start = time.process_time()
    for step in steps:
        yield time.process_time() - start, step
        start = time.process_time()


def compare(name: str, seconds: float = 2.0, *, seed: int = 0, **parameters) -> dict:
    """Time an experiment in both forms, with one BLAS thread, and compare what they find.

    Parameters
    ----------
    name : str
        An experiment of `utils.experiments`.
    seconds : float
        Measure each form for about so long (at least five blocks, and four studies of the plain loop).
    seed : int
    **parameters
        Of the experiment; by default its own.

    Returns
    -------
    dict
        "name"; "block" (studies per block of the fast form); "batched_per_second" and "plain_per_second" (studies
        per second of processor time, which other programs disturb little: by the median time of a block, and by the
        median time of a study together with its share of the drawing); "ratio"; "difference" (largest absolute difference of any draw over the studies that the plain
        loop analysed) and "studies" (how many these are).
    """
    fast = getattr(experiments, name)
    settings = fast.defaults | parameters
    blocks, fast_times = [], []
    first, later, worst, studies = [], [], 0.0, 0
    with threadpool_limits(1):
        fast._draw(seed, 0, settings)  # a warm-up, as the next line for the plain loop
        next(plain_studies(name, seed=seed, **parameters))
        for taken, block in _timed(fast._draw(seed, number, settings) for number in itertools.count()):
            fast_times.append(taken)
            blocks.append(block)
            if len(blocks) >= 5 and sum(fast_times) >= seconds:
                break
        for number, block in enumerate(blocks):
            found = []
            for taken, study in _timed(plain_studies(name, seed=seed, number=number, **parameters)):
                (later if found else first).append(taken)
                found.append(study)
                if enough := studies + len(found) >= 4 and sum(first + later) >= seconds:
                    break
            worst = max(worst, *differences(block, found).values())
            studies += len(found)
            if enough:
                break
    # The first step of a block holds the drawing of its random numbers as well.
    study = np.median(later)
    drawing = max(np.median(first) - study, 0) / fast.block
    batched, plain = fast.block / np.median(fast_times), 1 / (study + drawing)
    return {"name": name, "block": fast.block, "batched_per_second": float(batched), "plain_per_second": float(plain),
            "ratio": float(batched / plain), "difference": worst, "studies": studies}


def table(seconds: float = 2.0) -> Iterator[dict]:
    """`compare` for every experiment, in the order of `utils.experiments`."""
    for name, value in vars(experiments).items():
        if isinstance(value, experiments.Experiment):
            yield compare(name, seconds)


def main(wanted):
    for row in (compare(name) for name in wanted) if wanted else table():
        print(f"{row['name']}: {row['batched_per_second']:,.0f} studies per second in blocks of {row['block']}, plain "
              f"{row['plain_per_second']:,.1f}; {row['ratio']:.0f} times; largest difference of {row['studies']} "
              f"studies {row['difference']:.1g}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
