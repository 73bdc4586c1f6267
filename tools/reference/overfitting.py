"""Lesson 02: small studies, learning curves, pure noise, and significance."""

from math import comb

import numpy as np
from scipy import integrate, stats
from scipy.optimize import linprog

from simulations.overfitting import learning_curve_of_lda
from utils import batched, cohort
from utils.simulation import Number, Whole

from .rows import NEVER_MIND, ROUNDED, drawn, phi, row, studies


@row("R06")
def range_of_small_studies():
    for n, q, expected in ((20, 0.999, 0.90), (20, 0.9999, 0.95), (100, 0.999, 0.76), (100, 0.9999, 0.78)):
        yield f"{n} subjects, {100 * q:g} %", (expected, NEVER_MIND, stats.binom.ppf(q, n, 0.61) / n)


@row("R21")
def two_classes():
    return {"accuracy": (0.773, ROUNDED, phi(0.75)), "AUC": (0.856, ROUNDED, cohort.bayes_auc(1.5))}


@row("R22")
def learning_curves():

    def furthest(draws):
        return np.abs(draws["true"].mean(axis=0) - draws["theory"][0]).max()

    lda = studies(learning_curve_of_lda)
    centroid = studies(learning_curve_of_lda, 1 / 2, rule="nearest centroid")
    for how, draw, tolerance in (("closed form", "theory", ROUNDED), ("simulated", "true", 0.01)):
        for n, expected in ((20, 0.650), (100, 0.744), (1000, 0.770)):
            at = learning_curve_of_lda.defaults["sizes"].index(n)
            yield f"{how}, n = {n}", (expected, tolerance, lda.mean(draw, at))
    yield "largest difference, LDA", (0, 0.01, lda(furthest))
    yield "largest difference, nearest centroid", (0, 0.01, centroid(furthest))


# Pure noise


def solved(X, y):
    """What least squares, without an intercept, leaves of every study's targets, and its weights."""
    Xt = np.swapaxes(X, 1, 2)
    weights = np.linalg.solve(Xt @ X, Xt @ y)
    return y - X @ weights, weights


@drawn(100, n=Whole(60, 3), p=Whole(20, 1))
def least_squares_on_noise(p, rng, repeats):
    """With an intercept: the explained variance. Without: the errors in training and on new scans, noise
    1."""
    X, y = rng.standard_normal((repeats, p.n, p.p)), rng.standard_normal((repeats, p.n, 1))
    left, weights = solved(X, y)
    training, new = (left**2).mean(axis=(1, 2)), 1 + (weights**2).sum(axis=(1, 2))
    X, y = X - X.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    explained = 1 - (solved(X, y)[0] ** 2).sum(axis=(1, 2)) / (y**2).sum(axis=(1, 2))
    return {"training": training, "new": new, "explained": explained}


@drawn(10, n=Whole(40, 1), d=Whole(20, 1))
def separated_by_a_plane(p, rng, repeats):
    """Whether a linear rule through the origin classifies all scans of pure noise: a linear programme."""

    def separable():
        X, signs = rng.standard_normal((p.n, p.d)), rng.choice([-1, 1], p.n)
        rule = linprog(np.zeros(p.d), A_ub=-signs[:, None] * X, b_ub=-np.ones(p.n), bounds=(None, None))
        return float(rule.status == 0)

    return {"separated": np.array([separable() for _ in range(repeats)])}


@row("R34")
def noise_explained():

    def cover(n, d):
        return sum(comb(n - 1, k) for k in range(d)) / 2 ** (n - 1)

    noise = studies(least_squares_on_noise, 20, n=50, p=25)
    yield "closed form of the explained variance", (0.510, ROUNDED, 25 / 49)
    yield "explained variance, simulated", (0.510, 0.002, noise.mean("explained"))
    # The closed form is computed as the lesson computes it, with the binomial distribution.
    yield "closed form, N = 2d", (0.5, NEVER_MIND, stats.binom.cdf(19, 39, 0.5))
    yield "closed form, d = N", (1, NEVER_MIND, stats.binom.cdf(19, 19, 0.5))
    yield "closed form, N = 40, d = 15", (cover(40, 15), NEVER_MIND, stats.binom.cdf(14, 39, 0.5))
    for n, d, within in ((40, 20, 0.03), (40, 15, 0.03), (20, 20, NEVER_MIND)):
        found = studies(separated_by_a_plane, n=n, d=d).mean("separated")
        yield f"separated, simulated, N = {n}, d = {d}", (cover(n, d), within, found)


@row("R35")
def training_and_new():
    found = studies(least_squares_on_noise)
    return {
        "training, closed form": (0.667, ROUNDED, 1 - 20 / 60),
        "new scans, closed form": (1.513, ROUNDED, 1 + 20 / 39),
        "training, simulated": (0.667, 0.003, found.mean("training")),
        "new scans, simulated": (1.513, 0.005, found.mean("new")),
    }


@drawn(3, share=Number(2.0, 0, open="low"))
def shortest_least_squares(p, rng, repeats):
    """Minimum-norm least squares, n = 200, share * n features: the error of the weights, signal 1, noise
    .25."""

    def risk():
        columns = round(p.share * 200)
        beta = rng.standard_normal(columns)
        beta /= np.linalg.norm(beta)
        X = rng.standard_normal((200, columns))
        # The shortest solution, by the smaller of the two Gram matrices.
        y = X @ beta + 0.5 * rng.standard_normal(200)
        few = columns < 200
        fitted = np.linalg.solve(X.T @ X, X.T @ y) if few else X.T @ np.linalg.solve(X @ X.T, y)
        return np.sum((fitted - beta) ** 2)

    return {"risk": np.array([risk() for _ in range(repeats)])}


@row("R36")
def double_descent():
    for g, expected in ((0.5, 0.25), (2, 0.75), (5, 0.863)):
        closed = 0.25 * g / (1 - g) if g < 1 else 1 - 1 / g + 0.25 / (g - 1)
        simulated = studies(shortest_least_squares, share=float(g)).mean("risk")
        yield f"closed form, g = {g:g}", (expected, ROUNDED, closed)
        yield f"simulated, g = {g:g}", (expected, 0.01, simulated)


# Significance


@drawn(2000)
def small_correlation(p, rng, repeats):
    """True correlation .1, 25 subjects: the correlation that is seen, and its p-value."""
    n, r = 25, 0.1
    x, e = rng.standard_normal((2, repeats, n))
    y = r * x + np.sqrt(1 - r**2) * e
    x, y = (v - v.mean(axis=1, keepdims=True) for v in (x, y))
    seen = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return {"r": seen, "p": 2 * stats.t.sf(np.abs(seen) * np.sqrt((n - 2) / (1 - seen**2)), n - 2)}


@row("R37")
def winners_curse():

    def significant(draws):
        return draws["r"][draws["p"] < 0.05]

    def power_given(
        squares,
    ):  # the sum of squares of the first measure, chi-squared with 24 degrees of freedom
        centre, cut = 0.1 / np.sqrt(0.99) * np.sqrt(squares), stats.t.isf(0.025, 23)
        power = stats.nct.sf(cut, 23, centre) + stats.nct.cdf(-cut, 23, centre)
        return power * stats.chi2.pdf(squares, 24)

    def half_width(draws):
        return np.diff(np.quantile(draws["r"], [0.005, 0.995]))[0] / 2

    found = studies(small_correlation)
    return {
        "power, exact": (0.076, ROUNDED, integrate.quad(power_given, 0, 120)[0]),
        "power, simulated": (0.076, 0.001, found.alarms("p")),
        "mean |r| when significant": (0.47, 0.005, found(lambda d: np.abs(significant(d)).mean())),
        "wrong sign when significant": (0.10, 0.005, found(lambda d: np.mean(significant(d) < 0))),
        "half width of the central 99 %": (0.50, 0.015, found(half_width)),
    }


@row("R39")
def subjects_for_a_shrinkage():

    def shrinkage(n, p=25, R2=0.2):
        return 1 + (p - 2) / (n * np.log(1 - (R2 * (n - p - 1) + p) / (n - 1)))

    return {"subjects": (918, NEVER_MIND, next(n for n in range(30, 5000) if shrinkage(n) >= 0.9))}


@drawn(500)
def auc_of_two_groups(p, rng, repeats):
    labels = np.repeat([0, 1], 50)
    return {
        "AUC": batched.auc(
            rng.standard_normal((repeats, 100)) + np.sqrt(2) * stats.norm.ppf(0.8) * labels, labels
        )
    }


@row("R42")
def error_of_an_auc():
    A, n = 0.8, 50
    Q1, Q2 = A / (2 - A), 2 * A**2 / (1 + A)
    formula = np.sqrt((A * (1 - A) + (n - 1) * (Q1 - A**2) + (n - 1) * (Q2 - A**2)) / n**2)
    simulated = studies(auc_of_two_groups)(lambda draws: draws["AUC"].std())
    return {"formula": (0.0445, 0.00006, formula), "simulated": (0.0430, 0.0043, simulated)}


@row("C")
def significant_is_not_predictive():

    def power(n1, n2, d=0.14):
        df, centre = n1 + n2 - 2, d * np.sqrt(n1 * n2 / (n1 + n2))
        cut = stats.t.isf(0.025, df)
        return stats.nct.sf(cut, df, centre) + stats.nct.cdf(-cut, df, centre)

    enough = next(n for n in range(2, 5000) if power(n, n) >= 0.8)
    return {
        "power, 2357 patients and 1182 controls": (0.975, ROUNDED, power(2357, 1182)),
        "power, 423 and 196": (0.37, 0.006, power(423, 196)),
        "power, 50 and 50": (0.11, 0.006, power(50, 50)),
        "subjects per group for a power of .8": (801, 1, enough),
        "AUC": (0.539, ROUNDED, phi(0.14 / np.sqrt(2))),
        "accuracy of the best threshold": (0.528, ROUNDED, phi(0.07)),
    }
