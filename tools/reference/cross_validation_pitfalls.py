"""Lesson 05: leaks, tuning, and the error of cross-validation."""

from math import comb

import numpy as np
from scipy import integrate, stats
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from simulations.cross_validation_pitfalls import (
    best_of_many,
    cross_validation_error,
    permutation_tests,
    repeated_scans,
    selection_outside_folds,
    tuned_kernel_ridge,
    two_equal_learners,
)
from utils import batched

from .rows import NEVER_MIND, ROUNDED, drawn, phi, row, studies


@row("R01")
def selection():
    noise = {"n_scans": 50, "n_features": 5000, "n_selected": 100}
    signed, absolute = (studies(selection_outside_folds, signed=signed, **noise) for signed in (True, False))

    def error(draws):
        return 1 - draws["reported"].mean()

    return {
        "error, by signed correlation": (0.035, 0.015, signed(error)),
        "error, by absolute correlation": (0.013, 0.007, absolute(error)),
        "chosen inside the folds": (0.5, 0.03, absolute.mean("honest")),
        "on new subjects": (0.5, 0.02, absolute.mean("true")),
    }


@row("R04")
def not_binomial():

    def binomial_test(draws):
        return np.mean(stats.binom.sf(np.round(draws["reported"] * 100) - 1, 100, 0.5) <= 0.05)

    null = studies(cross_validation_error, n_scans=100, effect=0)
    tests = studies(permutation_tests, 1 / 2, n_subjects=100, n_features=2, n_permutations=19)
    nominal = stats.binom.sf(stats.binom.isf(0.05, 100, 0.5), 100, 0.5)
    yield "standard deviation, relative", (1.275, 0.075, null(lambda d: d["reported"].std() / 0.05))
    yield "false alarms, binomial test", (0.085, 0.015, null(binomial_test))
    yield "nominal", (0.044, ROUNDED, nominal)
    for folds, expected, within in (("kept", 0.075, 0.025), ("drawn anew", 0.043, 0.019)):
        found = tests.alarms(f"shuffling subjects, folds {folds}")
        yield f"false alarms, permutation, folds {folds}", (expected, within, found)


# Errors of the estimate

VAROQUAUX = {
    ("leave-one-out", 30): (-0.195, -0.001, 0.181),
    ("50 random splits", 30): (-0.185, -0.010, 0.153),
    ("leave-one-out", 100): (-0.102, 0.000, 0.100),
    ("50 random splits", 100): (-0.100, -0.010, 0.078),
}


def error_quantile(q):
    return lambda draws: np.quantile(draws["reported"] - draws["true"], q)


@row("R05")
def error_bars():
    like_svc = {"n_features": 300, "effect": 2.31, "ridge": 0.5, "penalise_intercept": True}
    found = {}
    for (scheme, n), quantiles in VAROQUAUX.items():
        found[n] = studies(cross_validation_error, n_scans=n, scheme=scheme, **like_svc)
        for q, expected in zip((0.05, 0.5, 0.95), quantiles, strict=True):
            yield f"{scheme}, n = {n}, {100 * q:g} %", (expected, 0.02, found[n](error_quantile(q)))
    yield "true accuracy, n = 30", (0.646, 0.01, found[30].mean("true"))
    yield "true accuracy, n = 100", (0.708, 0.01, found[100].mean("true"))


@row("B5")
def simple_error_bars():

    def spread_over_error(draws):
        return (draws["reported"] - draws["true"]).std() / (np.median(draws["claimed"]) / 1.645)

    found = {}
    for n, bar in {30: (-0.21, 0.17), 100: (-0.099, 0.080), 1000: (-0.031, 0.031)}.items():
        found[n] = studies(cross_validation_error, n_scans=n, scheme="50 random splits")
        for q, expected in zip((2.5, 97.5), bar, strict=True):
            yield f"n = {n}, {q} %", (expected, 0.02, found[n](error_quantile(q / 100)))
    yield "spread over standard error", (3.5, 0.6, found[100](spread_over_error))


# Choosing the best


@row("R09")
def tuning():
    for n, best, times in ((20, 0.61, 1), (40, 0.58, 1), (100, 0.55, 1 / 5), (200, 0.55, 1 / 15)):
        found = studies(tuned_kernel_ridge, times, n_scans=n)
        yield f"best, n = {n}", (best, 0.03, found.mean("reported"))
        yield f"nested, n = {n}", (0.5, 0.03, found.mean("honest"))


COINS = {50: (0.608, 0.676), 100: (0.577, 0.625), 500: (0.534, 0.556)}


@row("R10")
def best_of_coins():
    for n, best in COINS.items():
        for m, expected in zip((10, 100), best, strict=True):
            closed = np.sum(1 - stats.binom.cdf(np.arange(n), n, 0.5) ** m) / n
            found = studies(best_of_many, varied="coin tosses", n_scans=n, n_tried=m)
            yield f"closed form, n = {n}, m = {m}", (expected, ROUNDED, closed)
            yield f"simulated, n = {n}, m = {m}", (expected, 0.002, found.mean("reported"))


@row("R11")
def best_of_seeds():
    maximum = integrate.quad(lambda x: x * 20 * stats.norm.pdf(x) * phi(x) ** 19, -10, 10)[0]

    def gain(draws):
        spread = draws["sd"].mean() * np.sqrt(20 / 19)
        return (draws["reported"] - draws["honest"]).mean() / (maximum * spread)

    found = studies(best_of_many, varied="seeds", n_scans=200, n_tried=20, effect=1)
    bias = found(lambda draws: (draws["honest"] - draws["true"]).mean())
    return {
        "expected maximum": (1.867, ROUNDED, maximum),
        "gain over prediction": (1, 0.05, found(gain)),
        "mean over the seeds minus truth": (0, 0.01, bias),
    }


@row("R12")
def t_test_over_splits():
    few, many = (studies(two_equal_learners, n_splits=J) for J in (15, 100))
    return {
        "plain, J = 15": (0.23, 0.05, few.alarms("plain t-test")),
        "plain, J = 100": (0.56, 0.05, many.alarms("plain t-test")),
        "corrected, J = 15": (0.058, 0.03, few.alarms("corrected t-test")),
        "corrected, J = 100": (0.068, 0.03, many.alarms("corrected t-test")),
    }


@row("R13")
def interval_of_cross_validation():

    def missed(n):
        def share(draws):
            a = draws["reported"]
            return np.mean(np.abs(a - draws["true"]) > 1.645 * np.sqrt(a * (1 - a) / n))

        return share

    def correlation(draws):
        return np.corrcoef(draws["reported"], draws["true"])[0, 1]

    for n, p, expected in ((100, 20, 0.18), (100, 50, 0.22), (400, 20, 0.13)):
        found = studies(cross_validation_error, n_scans=n, n_features=p)
        yield f"missed, n = {n}, p = {p}", (expected, 0.038, found(missed(n)))
        yield f"correlation, n = {n}, p = {p}", (0.14, 0.095, found(correlation))


# Leave-one-out


@row("R14")
def leave_one_out():
    X, labels = np.zeros((40, 1)), np.repeat([0, 1], 20)
    majority = cross_val_predict(DummyClassifier(strategy="most_frequent"), X, labels, cv=LeaveOneOut())
    mean = cross_val_predict(DummyRegressor(), X, labels.astype(float), cv=LeaveOneOut())
    return {
        "accuracy of the majority rule": (0, NEVER_MIND, accuracy_score(labels, majority)),
        "correlation of the mean": (-1, NEVER_MIND, np.corrcoef(labels, mean)[0, 1]),
        "AUC of the mean": (0, NEVER_MIND, roc_auc_score(labels, mean)),
        "R² of the mean": (-0.0519, 0.00006, r2_score(labels, mean)),
    }


@row("R15")
def spread_by_scheme():
    small = {"n_scans": 50, "n_features": 5, "effect": 1.35, "ridge": 1e-9}
    for scheme, sd in (("2-fold", 0.084), ("5-fold", 0.073), ("10-fold", 0.069), ("leave-one-out", 0.068)):
        found = studies(cross_validation_error, scheme=scheme, **small)
        yield scheme, (sd, 0.006, found(lambda draws: draws["reported"].std()))


# The same subjects on both sides


def with_siblings(S, r):
    N, m = S * r, S * r // 5
    alone = comb(N - r, m - r) / comb(N - 1, m - 1)  # no sibling is left in the training folds
    return 1 - alone + alone * (S / 2 - 1) / (S - 1)


@row("R17")
def siblings():
    for r, expected in {2: 0.901, 3: 0.981, 5: 0.999}.items():
        found = studies(repeated_scans, n_subjects=100, scans_per_subject=r)
        yield f"closed form, r = {r}", (expected, ROUNDED, with_siblings(100, r))
        yield f"folds by scan, r = {r}", (expected, 0.01, found.mean("reported"))
        yield f"folds by subject, r = {r}", (0.495, 0.01, found.mean("honest"))
        yield f"new subjects, r = {r}", (0.5, 0.01, found.mean("true"))


# Steps without the labels


def scaled(learn, rows):
    return (rows - learn.mean(axis=1, keepdims=True)) / learn.std(axis=1, keepdims=True)


def ten_components(learn, rows):
    mean = learn.mean(axis=1, keepdims=True)
    directions = np.linalg.svd(learn - mean, full_matrices=False)[2][:, :10]
    return (rows - mean) @ np.swapaxes(directions, 1, 2)


@drawn(20)
def preprocessing_outside_folds(p, rng, repeats):
    """Noise, 60 scans, 100 features: the gain in accuracy when scaling, or PCA, is fitted to all scans."""
    targets = np.where(np.arange(60) % 2, 1.0, -1.0)
    tests = np.arange(60).reshape(6, 5, 2).swapaxes(0, 1).reshape(5, 12)
    X = rng.standard_normal((repeats, 60, 100))
    gains = {}
    for name, step in (("scaling", scaled), ("PCA", ten_components)):
        right = np.zeros((2, repeats))
        for test in tests:
            train = np.setdiff1d(np.arange(60), test)
            for i, learn in enumerate((X, X[:, train])):
                weights, intercepts = batched.linear_rule(step(learn, X[:, train]), targets[train], 10.0)
                scores = (step(learn, X[:, test]) @ weights[..., None])[..., 0] + intercepts[:, None]
                right[i] += ((scores > 0) == (targets[test] > 0)).mean(axis=1) / len(tests)
        gains[name] = right[0] - right[1]
    return gains


@row("R19")
def unsupervised():
    found = studies(preprocessing_outside_folds)
    return {name: (0, 0.006, found.mean(name)) for name in ("scaling", "PCA")}
