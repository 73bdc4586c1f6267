"""Lesson 01: what a first look finds, and two classics of looking."""

import numpy as np
from scipy import stats

from simulations.look_before_you_train import planted_defect, two_sites_paradox

from .rows import NEVER_MIND, ROUNDED, row, studies

DEFECTS = {
    "the same subject twice": (0.995, 0.005),
    "a unit error in one column": (0.995, 0.005),
    "the site goes with the diagnosis": (0.995, 0.005),
    "the gaps go with the diagnosis": (0.983, ROUNDED),
    "a column that is the diagnosis": (0.995, 0.005),
}


@row("EDA")
def planted_defects():

    def falls(draws):
        clean = draws["honest"]
        return np.mean(draws["reported"] < clean - 2 * np.sqrt(clean * (1 - clean) / 300))

    for defect, found in DEFECTS.items():
        planted = studies(planted_defect, defect=defect, effect=0.8)
        yield f"found: {defect}", (*found, planted.mean("found"))
        yield f"flagged: {defect}", (0.015, 0.015, planted(falls))
    cases, controls = np.meshgrid(np.arange(151), np.arange(151), indexing="ij")
    chance = stats.binom.pmf(cases, 150, 0.25) * stats.binom.pmf(controls, 150, 0.05)
    share = (cases + controls) / 300
    seen = np.abs(cases - controls) / 150 > 3 * np.sqrt(share * (1 - share) * 2 / 150)
    yield "gaps, binomial distribution", (0.983, ROUNDED, chance[seen].sum())


X = np.array([10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5])
ANSCOMBE = (
    (X, [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68]),
    (X, [9.14, 8.14, 8.74, 8.77, 9.26, 8.10, 6.13, 3.10, 9.13, 7.26, 4.74]),
    (X, [7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73]),
    ([8] * 7 + [19] + [8] * 3, [6.58, 5.76, 7.71, 8.84, 8.47, 7.04, 5.25, 12.50, 5.56, 7.91, 6.89]),
)


@row("R40a")
def anscombe():
    for number, (x, y) in enumerate(ANSCOMBE, 1):
        slope, intercept = np.polyfit(x, y, 1)
        yield f"mean of x, set {number}", (9, NEVER_MIND, np.mean(x))
        yield f"mean of y, set {number}", (7.50, 0.005, np.mean(y))
        yield f"correlation, set {number}", (0.816, 0.001, np.corrcoef(x, y)[0, 1])
        yield f"slope, set {number}", (0.5, 0.005, slope)
        yield f"intercept, set {number}", (3.0, 0.005, intercept)


@row("R40b")
def simpsons_paradox():
    closed = {d: ((d / 2) ** 2 - 0.5) / ((d / 2) ** 2 + 1) for d in (0, 1, 3, 5)}
    found = {d: studies(two_sites_paradox, distance=float(d), n_per_site=2000) for d in closed}
    yield "closed form, b = 1.5", (0.538, ROUNDED, closed[3])
    yield "within", (-0.5, 0.005, found[3].mean("within"))
    for d in closed:
        yield f"pooled, b = {d / 2:g}", (closed[d], 0.005, found[d].mean("pooled"))
