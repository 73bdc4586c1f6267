"""The rows of the table of proof: published results and closed forms that the course's simulations must reproduce.

Each row is plain data (source, setting, expected figures with their tolerances, numbers of studies) and one small
function that computes the figures. `make reference` (tools/proof.py) runs all rows at full size and writes
REFERENCE.md; tests/test_reference.py runs the same rows at reduced size.

A tolerance is, in this order: the rounding of an exact figure; the range that the source gives or, where the
source is a simulation, what chance allows it; for B rows (designs made for this course, obtained once before with
independent code) three standard errors of that run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import comb

import numpy as np
from scipy import integrate, special, stats
from scipy.optimize import linprog
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from utils import cohort, replicates
from utils import experiments as E
from utils.experiments import experiment

ROUNDED = 0.0006  # of an exact figure printed with three digits; a little more than half a digit
NEVER_MIND = 1e-9  # rounding of the machine


@dataclass(frozen=True)
class Row:
    """One row: `expected` holds (value, tolerance) by the name of the figure, `rising` groups of names in order."""

    id: str
    lessons: str
    source: str
    doi: str
    setting: str
    full: int
    reduced: int
    expected: dict[str, tuple[float, float]]
    rising: tuple[tuple[str, ...], ...]
    compute: Callable[["Run"], dict[str, tuple[float, float]]]

    def verdicts(self, obtained: dict[str, tuple[float, float]]) -> dict[str, bool]:
        """Whether each figure, and each direction, came out."""
        if obtained.keys() != self.expected.keys():
            raise KeyError(f"{self.id}: computed {list(obtained)}, expected {list(self.expected)}")
        found = {name: reproduced(*self.expected[name], *obtained[name]) for name in obtained}
        for names in self.rising:
            values = [obtained[name][0] for name in names]
            found[direction(names)] = bool(np.all(np.diff(values) > 0))
        return found


def reproduced(expected: float, tolerance: float, value: float, error: float) -> bool:
    """Within the tolerance or within three Monte-Carlo standard errors."""
    return bool(abs(value - expected) <= max(tolerance, 3 * error) + NEVER_MIND)


def direction(names: tuple[str, ...]) -> str:
    return " < ".join(names)


class Run:
    """Runs experiments for one row: `run(experiment, **settings)` gives `Found`. `n_jobs` is joblib's."""

    def __init__(self, studies: int, *, seed: int = 0, n_jobs: int | None = None, full: bool = False):
        self.studies, self.seed, self.n_jobs, self.full = studies, seed, n_jobs, full

    def __call__(self, simulation: E.Experiment, studies: int | None = None, **settings) -> "Found":
        blocks = max(2, -(-(studies or self.studies) // simulation.block))
        outcome = simulation.run(repeats=blocks * simulation.block, seed=self.seed, n_jobs=self.n_jobs, **settings)
        return Found(outcome.draws, simulation.block)


class Found:
    """The studies of one simulation: called with a statistic of the draws, it gives value and standard error."""

    def __init__(self, draws: dict[str, np.ndarray], block: int):
        self.draws, self.block = draws, block

    def __call__(self, statistic: Callable[[dict], float]) -> tuple[float, float]:
        """The error is the jackknife's. Whole blocks are left out: studies of a block may share labels and folds."""
        n = len(next(iter(self.draws.values())))
        groups = min(n // self.block, 25)
        edges = np.linspace(0, n // self.block, groups + 1).round().astype(int) * self.block
        without = np.array([statistic({name: np.delete(values, slice(a, b), axis=0) for name, values in self.draws.items()})
                            for a, b in pairwise(edges)])
        error = np.sqrt((groups - 1) / groups * np.sum((without - without.mean()) ** 2))
        return float(statistic(self.draws)), float(error)

    def mean(self, name: str, *index) -> tuple[float, float]:
        return self(lambda draws: draws[name][(slice(None), *index)].mean())

    def alarms(self, name: str) -> tuple[float, float]:
        return self(lambda draws: np.mean(draws[name] <= 0.05))


def exact(value: float) -> tuple[float, float]:
    return float(value), 0.0


ROWS: list[Row] = []


def row(id, *, lessons, source, setting, expected, doi="", studies=(1, 1), rising=()):
    """Add the decorated function, which takes a `Run` and gives the figures, to `ROWS`."""
    def add(compute):
        ROWS.append(Row(id, lessons, source, doi, setting, *studies, expected, tuple(rising), compute))
        return compute
    return add


def simulation(block):
    """An experiment of this file: only its draws are wanted, no sentence."""
    return experiment(lambda draws, parameters: "", block=block)


def phi(x):
    return stats.norm.cdf(x)


# Lesson 01


DEFECTS = ("the same subject twice", "a unit error in one column", "the site goes with the diagnosis",
           "the gaps go with the diagnosis", "a column that is the diagnosis")  # fmt: skip


@row("EDA", lessons="01", source="A design made for this course",
     setting="Five planted defects, 300 subjects, 20 columns, d = .8. Found: a first look sees it (99 to 100 %). Flagged: "
             "the cross-validated score lies two standard errors or more below that without the defect (0 to 3 %). The gaps "
             "are found less often than the design's 99 to 100 %: the alarm of this course asks for three standard errors, for "
             "which the binomial distribution gives 98.3 % (2.6 would give 99.5 %). That is what is expected here.",
     studies=(6000, 600),
     expected={f"{what}: {defect}": value for defect in DEFECTS
               for what, value in (("found", (0.995, 0.005)), ("flagged", (0.015, 0.015)))}
     | {"found: the gaps go with the diagnosis": (0.983, ROUNDED), "gaps, binomial distribution": (0.983, ROUNDED)})
def eda(run):
    def falls(draws):
        clean = draws["honest"]
        return np.mean(draws["reported"] < clean - 2 * np.sqrt(clean * (1 - clean) / 300))

    cases, controls = np.meshgrid(np.arange(151), np.arange(151), indexing="ij")
    chance = stats.binom.pmf(cases, 150, 0.25) * stats.binom.pmf(controls, 150, 0.05)
    share = (cases + controls) / 300
    seen = np.abs(cases - controls) / 150 > 3 * np.sqrt(share * (1 - share) * 2 / 150)
    figures = {"gaps, binomial distribution": exact(chance[seen].sum())}
    for defect in DEFECTS:
        studies = run(E.planted_defect, defect=defect, effect=0.8)
        figures |= {f"found: {defect}": studies.mean("found"), f"flagged: {defect}": studies(falls)}
    return figures


ANSCOMBE_X = np.array([10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5])
ANSCOMBE = (
    (ANSCOMBE_X, [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68]),
    (ANSCOMBE_X, [9.14, 8.14, 8.74, 8.77, 9.26, 8.10, 6.13, 3.10, 9.13, 7.26, 4.74]),
    (ANSCOMBE_X, [7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73]),
    ([8] * 7 + [19] + [8] * 3, [6.58, 5.76, 7.71, 8.84, 8.47, 7.04, 5.25, 12.50, 5.56, 7.91, 6.89]),
)
OF_ANSCOMBE = {"mean of x": (9, NEVER_MIND), "mean of y": (7.50, 0.005), "correlation": (0.816, 0.001),
               "slope": (0.5, 0.005), "intercept": (3.0, 0.005)}


@row("R40a", lessons="01", source="Anscombe 1973, The American Statistician 27:17", doi="10.1080/00031305.1973.10478966",
     setting="Four sets of eleven points, the same figures in each.",
     expected={f"{name}, set {number}": value for number in (1, 2, 3, 4) for name, value in OF_ANSCOMBE.items()})
def anscombe(run):
    figures = {}
    for number, (x, y) in enumerate(ANSCOMBE, 1):
        slope, intercept = np.polyfit(x, y, 1)
        values = (np.mean(x), np.mean(y), np.corrcoef(x, y)[0, 1], slope, intercept)
        figures |= {f"{name}, set {number}": exact(value) for name, value in zip(OF_ANSCOMBE, values, strict=True)}
    return figures


def simpson(distance):
    b = distance / 2
    return (b**2 - 0.5) / (b**2 + 1)


@row("R40b", lessons="01", source="Simpson 1951, Journal of the Royal Statistical Society B 13:238; closed form",
     doi="10.1111/j.2517-6161.1951.tb00088.x",
     setting="Two sites, correlation -.5 within each, means 2b apart: pooled (b² - .5) / (b² + 1). 2000 subjects per site.",
     studies=(2000, 200),
     expected={"closed form, b = 1.5": (0.538, ROUNDED), "within": (-0.5, 0.005)}
     | {f"pooled, b = {d / 2:g}": (simpson(d), 0.005) for d in (0, 1, 3, 5)})
def simpsons_paradox(run):
    found = {d: run(E.two_sites_paradox, distance=float(d), n_per_site=2000) for d in (0, 1, 3, 5)}
    return {"closed form, b = 1.5": exact(simpson(3)), "within": found[3].mean("within"),
            **{f"pooled, b = {d / 2:g}": studies.mean("pooled") for d, studies in found.items()}}


# Lesson 02


@row("R06", lessons="02", source="Flint and others 2021, Neuropsychopharmacology 46:1510", doi="10.1038/s41386-021-01020-7",
     setting="True accuracy 61 %; the paper saw up to 95 % with 20 subjects and up to 75 % with 100. Binomial quantiles.",
     expected={"20 subjects, 99.9 %": (0.90, NEVER_MIND), "20 subjects, 99.99 %": (0.95, NEVER_MIND),
               "100 subjects, 99.9 %": (0.76, NEVER_MIND), "100 subjects, 99.99 %": (0.78, NEVER_MIND)})
def flint(run):
    return {f"{n} subjects, {100 * q:g} %": exact(stats.binom.ppf(q, n, 0.61) / n) for n in (20, 100) for q in (0.999, 0.9999)}


@row("R21", lessons="all", source="Closed form", setting="Two normal classes, d = 1.5: best accuracy Φ(d/2), AUC Φ(d/√2).",
     expected={"accuracy": (0.773, ROUNDED), "AUC": (0.856, ROUNDED)})
def two_classes(run):
    return {"accuracy": exact(phi(0.75)), "AUC": exact(cohort.bayes_auc(1.5))}


@row("R22", lessons="02", source="Raudys and Okamoto; closed form, approximate",
     setting="Linear discriminant analysis, d = 1.5, 10 features, n subjects in all. The simulation is to be within .01 of "
             "the closed form, for the nearest centroid too (largest difference over seven sizes).",
     studies=(10_000, 1000), rising=[("simulated, n = 20", "simulated, n = 100", "simulated, n = 1000")],
     expected={"closed form, n = 20": (0.650, ROUNDED), "closed form, n = 100": (0.744, ROUNDED),
               "closed form, n = 1000": (0.770, ROUNDED), "simulated, n = 20": (0.650, 0.01),
               "simulated, n = 100": (0.744, 0.01), "simulated, n = 1000": (0.770, 0.01),
               "largest difference, LDA": (0, 0.01), "largest difference, nearest centroid": (0, 0.01)})
def learning_curve(run):
    def furthest(draws):
        return np.abs(draws["true"].mean(axis=0) - draws["theory"][0]).max()

    sizes = list(E.learning_curve_of_lda.defaults["sizes"])
    lda, centroid = run(E.learning_curve_of_lda), run(E.learning_curve_of_lda, studies=run.studies // 2, rule="nearest centroid")
    figures = {"largest difference, LDA": lda(furthest), "largest difference, nearest centroid": centroid(furthest)}
    for n in (20, 100, 1000):
        figures[f"closed form, n = {n}"] = exact(lda.draws["theory"][0, sizes.index(n)])
        figures[f"simulated, n = {n}"] = lda.mean("true", sizes.index(n))
    return figures


@simulation(block=100)
def least_squares_on_noise(*, n: int = 60, p: int = 20, rng, repeats):
    """With an intercept: the explained variance. Without: the error in training and on new scans, noise variance 1."""
    X, y = rng.standard_normal((repeats, n, p)), rng.standard_normal((repeats, n, 1))
    weights = np.linalg.solve(np.swapaxes(X, 1, 2) @ X, np.swapaxes(X, 1, 2) @ y)
    training, new = ((y - X @ weights) ** 2).mean(axis=(1, 2)), 1 + (weights**2).sum(axis=(1, 2))
    X, y = X - X.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    left = y - X @ np.linalg.solve(np.swapaxes(X, 1, 2) @ X, np.swapaxes(X, 1, 2) @ y)
    return {"training": training, "new": new, "explained": 1 - (left**2).sum(axis=(1, 2)) / (y**2).sum(axis=(1, 2))}


@simulation(block=10)
def separated_by_a_plane(*, n: int = 40, d: int = 20, rng, repeats):
    """Whether a linear rule through the origin classifies all scans of pure noise: a linear programme."""
    def separable():
        X, signs = rng.standard_normal((n, d)), rng.choice([-1, 1], n)
        return linprog(np.zeros(d), A_ub=-signs[:, None] * X, b_ub=-np.ones(n), bounds=(None, None)).status == 0

    return {"separated": np.array([float(separable()) for _ in range(repeats)])}


def cover(n, d):
    return sum(comb(n - 1, k) for k in range(d)) / 2 ** (n - 1)


NOISE_SIZES = ((40, 20), (40, 15), (20, 20))


@row("R34", lessons="02", source="Closed form; Cover 1965, IEEE Transactions on Electronic Computers EC-14:326",
     doi="10.1109/PGEC.1965.264137",
     setting="Pure noise. Explained variance p / (n - 1) with n = 50, p = 25; probability that N scans with d features "
             "are separated by a plane through the origin, 2^(1-N) Σ C(N-1, k) for k < d.",
     studies=(3000, 200),
     expected={"closed form of the explained variance": (0.510, ROUNDED), "explained variance, simulated": (0.510, 0.002),
               "closed form, N = 2d": (0.5, NEVER_MIND), "closed form, d = N": (1, NEVER_MIND),
               "closed form, N = 40, d = 15": (cover(40, 15), NEVER_MIND)}
     | {f"separated, simulated, N = {n}, d = {d}": (cover(n, d), 0.03 if d < n else NEVER_MIND) for n, d in NOISE_SIZES})
def noise_explained(run):
    # The closed form is computed as the lesson computes it, with the binomial distribution.
    figures = {"closed form of the explained variance": exact(25 / 49),
               "explained variance, simulated": run(least_squares_on_noise, studies=20 * run.studies, n=50, p=25).mean("explained"),
               "closed form, N = 2d": exact(stats.binom.cdf(19, 39, 0.5)), "closed form, d = N": exact(stats.binom.cdf(19, 19, 0.5)),
               "closed form, N = 40, d = 15": exact(stats.binom.cdf(14, 39, 0.5))}
    for n, d in NOISE_SIZES:
        figures[f"separated, simulated, N = {n}, d = {d}"] = run(separated_by_a_plane, n=n, d=d).mean("separated")
    return figures


@row("R35", lessons="02", source="Closed form", studies=(40_000, 2000),
     setting="Least squares, n = 60, p = 20, noise variance 1: training error 1 - p/n, error on new scans 1 + p / (n - p - 1).",
     expected={"training, closed form": (0.667, ROUNDED), "new scans, closed form": (1.513, ROUNDED),
               "training, simulated": (0.667, 0.003), "new scans, simulated": (1.513, 0.005)})
def training_and_new(run):
    studies = run(least_squares_on_noise)
    return {"training, closed form": exact(1 - 20 / 60), "new scans, closed form": exact(1 + 20 / 39),
            "training, simulated": studies.mean("training"), "new scans, simulated": studies.mean("new")}


@simulation(block=3)
def shortest_least_squares(*, share: float = 2.0, rng, repeats):
    """Minimum-norm least squares with n = 200 and share * n features: the error of the weights, signal 1, noise .25."""
    def risk():
        p = round(share * 200)
        beta = rng.standard_normal(p)
        beta /= np.linalg.norm(beta)
        X = rng.standard_normal((200, p))
        # The shortest solution, by the smaller of the two Gram matrices.
        y = X @ beta + 0.5 * rng.standard_normal(200)
        fitted = np.linalg.solve(X.T @ X, X.T @ y) if p < 200 else X.T @ np.linalg.solve(X @ X.T, y)
        return np.sum((fitted - beta) ** 2)

    return {"risk": np.array([risk() for _ in range(repeats)])}


def hastie(g):
    return 0.25 * g / (1 - g) if g < 1 else 1 - 1 / g + 0.25 / (g - 1)


@row("R36", lessons="02", source="Hastie and others 2022, Annals of Statistics 50:949", doi="10.1214/21-AOS2133",
     setting="Shortest least squares, g = p/n, signal 1, noise variance .25: g/4/(1-g) below 1, 1 - 1/g + 1/4/(g-1) above. "
             "The closed form is asymptotic; simulated with n = 200.",
     studies=(1500, 180),
     expected={f"{how}, g = {g:g}": (value, tolerance) for g, value in ((0.5, 0.25), (2, 0.75), (5, 0.863))
               for how, tolerance in (("closed form", ROUNDED), ("simulated", 0.01))})
def double_descent(run):
    return {f"{how}, g = {g:g}": value for g in (0.5, 2, 5) for how, value in
            (("closed form", exact(hastie(g))), ("simulated", run(shortest_least_squares, share=float(g)).mean("risk")))}


@simulation(block=2000)
def small_correlation(*, r: float = 0.1, n: int = 25, rng, repeats):
    x, e = rng.standard_normal((2, repeats, n))
    y = r * x + np.sqrt(1 - r**2) * e
    x, y = (v - v.mean(axis=1, keepdims=True) for v in (x, y))
    seen = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return {"r": seen, "p": 2 * stats.t.sf(np.abs(seen) * np.sqrt((n - 2) / (1 - seen**2)), n - 2)}


@row("R37", lessons="02", source="Marek and others 2022, Nature 603:654", doi="10.1038/s41586-022-04492-9",
     setting="True correlation .1, 25 subjects, test at .05. The power is the non-central t distribution, averaged over what the "
             "25 may be.", studies=(1_000_000, 60_000),
     expected={"power, exact": (0.076, ROUNDED), "power, simulated": (0.076, 0.001), "mean |r| when significant": (0.47, 0.005), "wrong sign when significant": (0.10, 0.005),
               "half width of the central 99 %": (0.50, 0.015)})
def winners_curse(run):
    studies = run(small_correlation)

    def significant(draws):
        return draws["r"][draws["p"] < 0.05]

    def power_given(squares):  # the sum of squares of the first measure, chi-squared with 24 degrees of freedom
        centre, cut = 0.1 / np.sqrt(0.99) * np.sqrt(squares), stats.t.isf(0.025, 23)
        return (stats.nct.sf(cut, 23, centre) + stats.nct.cdf(-cut, 23, centre)) * stats.chi2.pdf(squares, 24)

    return {"power, exact": exact(integrate.quad(power_given, 0, 120)[0]), "power, simulated": studies.alarms("p"), "mean |r| when significant": studies(lambda d: np.abs(significant(d)).mean()),
            "wrong sign when significant": studies(lambda d: np.mean(significant(d) < 0)),
            "half width of the central 99 %": studies(lambda d: np.diff(np.quantile(d["r"], [0.005, 0.995]))[0] / 2)}


@row("R39", lessons="02", source="Riley and others 2019, Statistics in Medicine 38:1262", doi="10.1002/sim.7993",
     setting="25 parameters, R² .2: the fewest subjects with an expected shrinkage of .9.",
     expected={"subjects": (918, NEVER_MIND)})
def riley(run):
    def shrinkage(n, p=25, R2=0.2):
        return 1 + (p - 2) / (n * np.log(1 - (R2 * (n - p - 1) + p) / (n - 1)))

    return {"subjects": exact(next(n for n in range(30, 5000) if shrinkage(n) >= 0.9))}


@simulation(block=500)
def auc_of_two_groups(*, auc: float = 0.8, rng, repeats):
    labels = np.repeat([0, 1], 50)
    return {"AUC": E._auc(rng.standard_normal((repeats, 100)) + np.sqrt(2) * stats.norm.ppf(auc) * labels, labels)}


@row("R42", lessons="02, 06", source="Hanley and McNeil 1982, Radiology 143:29", doi="10.1148/radiology.143.1.7063747",
     setting="Standard error of an AUC of .8, 50 patients and 50 controls. The formula is a little conservative (10 %).",
     studies=(200_000, 20_000), rising=[("simulated", "formula")],
     expected={"formula": (0.0445, 0.00006), "simulated": (0.0430, 0.0043)})
def hanley_mcneil(run):
    A, n = 0.8, 50
    Q1, Q2 = A / (2 - A), 2 * A**2 / (1 + A)
    formula = np.sqrt((A * (1 - A) + (n - 1) * (Q1 - A**2) + (n - 1) * (Q2 - A**2)) / n**2)
    studies = run(auc_of_two_groups)
    return {"formula": exact(formula), "simulated": studies(lambda d: d["AUC"].std())}


def power_of_t_test(d, n1, n2):
    df, centre = n1 + n2 - 2, d * np.sqrt(n1 * n2 / (n1 + n2))
    cut = stats.t.isf(0.025, df)
    return stats.nct.sf(cut, df, centre) + stats.nct.cdf(-cut, df, centre)


@row("C", lessons="02, 03", source="Closed form, with the sizes of ENIGMA-PD (Laansma and others 2021, Movement Disorders 36:2583)",
     doi="10.1002/mds.28706",
     setting="Significant is not predictive: d = .14 (putamen), two-sided t-test at .05.",
     expected={"power, 2357 patients and 1182 controls": (0.975, ROUNDED), "power, 423 and 196": (0.37, 0.006),
               "power, 50 and 50": (0.11, 0.006), "subjects per group for a power of .8": (801, 1),
               "AUC": (0.539, ROUNDED), "accuracy of the best threshold": (0.528, ROUNDED)})
def significant_is_not_predictive(run):
    enough = next(n for n in range(2, 5000) if power_of_t_test(0.14, n, n) >= 0.8)
    return {"power, 2357 patients and 1182 controls": exact(power_of_t_test(0.14, 2357, 1182)),
            "power, 423 and 196": exact(power_of_t_test(0.14, 423, 196)), "power, 50 and 50": exact(power_of_t_test(0.14, 50, 50)),
            "subjects per group for a power of .8": exact(enough), "AUC": exact(phi(0.14 / np.sqrt(2))),
            "accuracy of the best threshold": exact(phi(0.07))}


# Lesson 03


@simulation(block=2)
def exclusive_or_with_scikit_learn(*, rng, repeats):
    linear, product = np.empty((2, repeats))
    for i in range(repeats):
        y, side = np.arange(400) % 2, rng.choice([-1.5, 1.5], 400)
        X = rng.normal(size=(400, 2)) + np.column_stack([side, side * np.where(y, 1, -1)])
        wide = np.column_stack([X, X[:, 0] * X[:, 1]])
        linear[i], product[i] = (cross_val_score(LogisticRegression(), some, y, cv=5).mean() for some in (X, wide))
    return {"linear": linear, "product": product}


STRAIGHT = "straight line, one measure"


@row("R32", lessons="03", source="Closed form; simulation", studies=(300, 20),
     setting="Exclusive or, centres ±1.5: best accuracy Φ² + (1 - Φ)²; logistic regression, 400 scans, 5-fold, without and "
             "with the product of the two measures; share of p < .05 of a t-test (200 scans).",
     expected={"best accuracy": (0.875, ROUNDED), "linear": (0.50, 0.025), "with the product": (0.866, 0.015),
               "false alarms of the straight-line test": (0.05, 0.012)})
def exclusive_or(run):
    studies = run(exclusive_or_with_scikit_learn)
    tests = run(E.tests_of_hidden_signal, studies=200 * run.studies, shape="exclusive or", strength=1.5, n_scans=200)
    return {"best accuracy": exact(phi(1.5) ** 2 + (1 - phi(1.5)) ** 2), "linear": studies.mean("linear"),
            "with the product": studies.mean("product"), "false alarms of the straight-line test": tests.alarms(STRAIGHT)}


@simulation(block=10)
def levene_of_two_spreads(*, rng, repeats):
    return {"p": np.array([stats.levene(rng.normal(0, 1, 100), rng.normal(0, 2, 100)).pvalue for _ in range(repeats)])}


@row("R33", lessons="03", source="Closed form; simulation", studies=(60_000, 6000),
     setting="U-shape, y = x² + noise of sd √2, 200 scans: the linear correlation test at .05. Spread only, sd 1 and 2, 100 "
             "scans each: t-test, Levene's test, best accuracy.",
     expected={"U-shape, linear test": (0.247, 0.015), "spread, t-test": (0.046, 0.012), "spread, Levene": (1, 0.02),
               "spread, best accuracy": (0.661, ROUNDED)})
def u_shape(run):
    u, spread = (run(E.tests_of_hidden_signal, shape=shape, strength=1.0, n_scans=200) for shape in ("U-shape", "spread only"))
    cut = np.sqrt(2 * np.log(2) / (1 - 1 / 4))  # where the two densities cross
    return {"U-shape, linear test": u.alarms(STRAIGHT), "spread, t-test": spread.alarms(STRAIGHT),
            "spread, Levene": run(levene_of_two_spreads, studies=run.studies // 20).alarms("p"),
            "spread, best accuracy": exact((phi(cut) - phi(-cut) + 2 * phi(-cut / 2)) / 2)}


# Lesson 04


@simulation(block=10)
def imperfect_labels(*, rng, repeats):
    """Studies of 2000 subjects: recorded labels with errors beside the truth."""
    shape = (repeats, 2000)

    def flipped(labels, rate):
        return np.where(rng.random(shape) < rate, 1 - labels, labels)

    truth = rng.integers(0, 2, shape)
    draws = {f"agree, {a:g} and {r:g}": (flipped(truth, 1 - a) == flipped(truth, r)).mean(axis=1)
             for a, r in ((0.9, 0.1), (1.0, 0.194))}
    # An imperfect reference: sensitivity .9, specificity .8, prevalence .6.
    patient = rng.random(shape) < 0.6
    recorded = np.where(patient, rng.random(shape) < 0.9, rng.random(shape) > 0.8)
    score = rng.standard_normal(shape) + 2 * patient
    called = np.where(patient, rng.random(shape) < 0.95, rng.random(shape) > 0.9)
    draws["AUC"] = np.array([roc_auc_score(*study) for study in zip(recorded, score, strict=True)])
    draws["sensitivity"] = (called & recorded).sum(axis=1) / recorded.sum(axis=1)
    draws["specificity"] = (~called & ~recorded).sum(axis=1) / (~recorded).sum(axis=1)
    # The difference that is seen when labels are wrong.
    x, recorded = rng.standard_normal(shape) + 1.5 * truth, flipped(truth, 0.194)
    d = [(row[label == 1].mean() - row[label == 0].mean()) / np.sqrt((row[label == 0].var() + row[label == 1].var()) / 2)
         for row, label in zip(x, recorded, strict=True)]
    return draws | {"d": np.array(d)}


@row("R23", lessons="04", source="Closed form", studies=(4000, 200),
     setting="Independent errors in test labels: a model that is right in a is reported as a (1 - 2r) + r.",
     expected={f"{how}, a = {a}, r = {r}": (value, tolerance) for a, r, value in ((0.9, 0.1, 0.82), (1, 0.194, 0.806))
               for how, tolerance in (("closed form", NEVER_MIND), ("simulated", 0.002))})
def wrong_test_labels(run):
    studies = run(imperfect_labels)
    return {f"{how}, a = {a}, r = {r}": value for a, r in ((0.9, 0.1), (1, 0.194)) for how, value in
            (("closed form", exact(a * (1 - 2 * r) + r)), ("simulated", studies.mean(f"agree, {a:g} and {r:g}")))}


@row("R24", lessons="04", source="Closed form, AUC as in Menon and others 2015, PMLR 37:125",
     setting="The reference has sensitivity .9 and specificity .8, prevalence .6; the model has AUC .921 (d = 2), or "
             "sensitivity .95 and specificity .90; errors are independent.",
     studies=(4000, 200),
     expected={"true AUC": (0.921, ROUNDED), "AUC, closed form": (0.800, ROUNDED), "sensitivity, closed form": (0.840, ROUNDED),
               "specificity, closed form": (0.766, ROUNDED), "AUC, simulated": (0.800, 0.002),
               "sensitivity, simulated": (0.840, 0.002), "specificity, simulated": (0.766, 0.002)})
def imperfect_reference(run):
    said = 0.6 * 0.9 + 0.4 * 0.2
    ppv, npv = 0.6 * 0.9 / said, 0.4 * 0.8 / (1 - said)
    auc = phi(2 / np.sqrt(2))
    studies = run(imperfect_labels)
    return {"true AUC": exact(auc), "AUC, closed form": exact(0.5 + (auc - 0.5) * (ppv + npv - 1)),
            "sensitivity, closed form": exact(0.95 * ppv + 0.1 * (1 - ppv)),
            "specificity, closed form": exact(0.9 * npv + 0.05 * (1 - npv)),
            **{f"{name}, simulated": studies.mean(name) for name in ("AUC", "sensitivity", "specificity")}}


CENTROID = {0: 0.755, 0.1: 0.747, 0.194: 0.732, 0.3: 0.697}


@row("R25", lessons="04", source="Closed form, approximate", studies=(20_000, 2000),
     setting="Nearest centroid, d = 1.5, 20 features, 200 scans, a share r of the training labels wrong: as good as with "
             "n (1 - 2r)² right ones. The difference that is seen: d (1 - 2r) / √(1 + d² r (1 - r)).",
     rising=[tuple(f"simulated, r = {r:g}" for r in reversed(CENTROID))],
     expected={f"{how}, r = {r:g}": (value, tolerance) for r, value in CENTROID.items()
               for how, tolerance in (("closed form", 0.002), ("simulated", 0.005))}
     | {"seen d, closed form": (0.790, ROUNDED), "seen d, simulated": (0.790, 0.005)})
def wrong_training_labels(run):
    studies = run(E.wrong_labels, where="training only", rates=tuple(CENTROID))
    r, d = 0.194, 1.5
    figures = {"seen d, closed form": exact(d * (1 - 2 * r) / np.sqrt(1 + d**2 * r * (1 - r))),
               "seen d, simulated": run(imperfect_labels, studies=run.studies // 10).mean("d")}
    for i, rate in enumerate(CENTROID):
        figures |= {f"closed form, r = {rate:g}": exact(studies.draws["theory"][0, i]),
                    f"simulated, r = {rate:g}": studies.mean("true", i)}
    return figures


@simulation(block=10)
def unreliable_measures(*, rng, repeats):
    """Studies of 2000 subjects: true correlation .5, reliabilities .8 and .6; groups .8 apart, reliability .7."""
    n = 2000
    x, e, noise_x, noise_y, base, scanner = rng.standard_normal((6, repeats, n))
    y = np.sqrt(0.6) * (0.5 * x + np.sqrt(0.75) * e) + np.sqrt(0.4) * noise_y
    x = np.sqrt(0.8) * x + np.sqrt(0.2) * noise_x
    high = y > np.median(y, axis=1, keepdims=True)
    labels = np.arange(n) % 2
    measured = np.sqrt(0.7) * (base + 0.8 * labels) + np.sqrt(0.3) * scanner

    def correlations(a, b):
        return np.array([np.corrcoef(one, two)[0, 1] for one, two in zip(a, b, strict=True)])

    return {"r": correlations(x, y), "split": correlations(x, high), "AUC": E._auc(measured, labels)}


@row("R38", lessons="04", source="Closed form; Spearman 1904, American Journal of Psychology 15:72", studies=(4000, 200),
     setting="Attenuation: r √(rel rel) with r = .5 and reliabilities .8 and .6; AUC Φ(d √ICC / √2) with d = .8, ICC .7; a "
             "median split takes a factor √(2/π).",
     expected={"r, closed form": (0.346, ROUNDED), "AUC, closed form": (0.682, ROUNDED), "median split, closed form": (0.798, ROUNDED),
               "r, simulated": (0.346, 0.002), "AUC, simulated": (0.682, 0.002), "median split, simulated": (0.798, 0.005)})
def attenuation(run):
    studies = run(unreliable_measures)
    return {"r, closed form": exact(0.5 * np.sqrt(0.8 * 0.6)), "AUC, closed form": exact(phi(0.8 * np.sqrt(0.7) / np.sqrt(2))),
            "median split, closed form": exact(np.sqrt(2 / np.pi)), "r, simulated": studies.mean("r"),
            "AUC, simulated": studies.mean("AUC"),
            "median split, simulated": studies(lambda d: d["split"].mean() / d["r"].mean())}


@simulation(block=1)
def labels_or_models(*, signal: str = "linear", trees: int = 100, n_test: int = 2000, rng, repeats):
    """Accuracies (noise levels, models) on clean test subjects, with models of scikit-learn."""
    models = (LogisticRegression(C=0.1), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), KNeighborsClassifier(15),
              SVC(), RandomForestClassifier(trees, min_samples_leaf=3, random_state=0), GaussianNB())
    n, scores = 200 + n_test, np.empty((repeats, 4, len(models)))
    for study in scores:
        if signal == "linear":
            y = np.arange(n) % 2
            X = rng.standard_normal((n, 20))
            X[:, :5] += 2 / np.sqrt(5) * (y[:, None] - 0.5)
        else:
            signs = rng.choice([-1, 1], size=(n, 2))
            X = rng.standard_normal((n, 4))
            X[:, :2] += 1.5 * signs
            y = (signs[:, 0] == signs[:, 1]).astype(int)
        for level, rate in enumerate((0, 0.1, 0.2, 0.3)):
            recorded = np.where(rng.random(200) < rate, 1 - y[:200], y[:200])
            study[level] = [model.fit(X[:200], recorded).score(X[200:], y[200:]) for model in models]
    return {"scores": scores}


@row("B14", lessons="04", source="A design made for this course",
     setting="200 training scans, 0 to 30 % of their labels wrong, six models of scikit-learn, 2000 clean test subjects: shares "
             "of the variance of the accuracy. Expected from one run of 20 seeds. The shares depend on the levels that are "
             "chosen. (Reduced size: 25 trees for 100, 1000 test subjects.)",
     studies=(100, 9), rising=[("linear: model", "linear: labels"), ("XOR: labels", "XOR: model")],
     expected={"linear: labels": (0.564, 0.12), "linear: model": (0.157, 0.08), "XOR: labels": (0.020, 0.025),
               "XOR: model": (0.920, 0.05)})
def architecture(run):
    size = {} if run.full else {"trees": 25, "n_test": 1000}
    figures = {}
    for signal in ("linear", "XOR"):
        studies = run(labels_or_models, signal=signal, **size)
        for share in ("labels", "model"):
            figures[f"{signal}: {share}"] = studies(lambda d, share=share: E.shares_of_variance(d["scores"])[share])
    return figures


# Lesson 05


@row("R01", lessons="05", source="Hastie, Tibshirani, Friedman 2009, The Elements of Statistical Learning, 2nd edition, 7.10.2",
     setting="50 scans, 5000 features of noise, the 100 best chosen from all scans, nearest neighbour, 5-fold. The book's 3 % "
             "come out when the highest *signed* correlations are taken.",
     studies=(1000, 50), rising=[("error, by absolute correlation", "error, by signed correlation")],
     expected={"error, by signed correlation": (0.035, 0.015), "error, by absolute correlation": (0.013, 0.007),
               "chosen inside the folds": (0.5, 0.03), "on new subjects": (0.5, 0.02)})
def selection(run):
    signed, absolute = (run(E.selection_outside_folds, signed=signed, n_scans=50, n_features=5000, n_selected=100)
                        for signed in (True, False))
    return {"error, by signed correlation": signed(lambda d: 1 - d["reported"].mean()),
            "error, by absolute correlation": absolute(lambda d: 1 - d["reported"].mean()),
            "chosen inside the folds": absolute.mean("honest"), "on new subjects": absolute.mean("true")}


@row("R04", lessons="05", source="Noirhomme and others 2014, NeuroImage: Clinical 4:687", doi="10.1016/j.nicl.2014.04.004",
     setting="Null data, 100 scans, 5-fold: cross-validated accuracy is not binomial. Standard deviation over the binomial one "
             "(1.2 to 1.35); false alarms of the binomial test at .05 (.07 to .10; exactly binomial: .044). Permutation test, "
             "two features: the folds held while labels are permuted, or drawn anew.",
     studies=(20_000, 3000),
     rising=[("nominal", "false alarms, binomial test"),
             ("false alarms, permutation, folds drawn anew", "false alarms, permutation, folds kept")],
     expected={"standard deviation, relative": (1.275, 0.075), "false alarms, binomial test": (0.085, 0.015),
               "nominal": (0.044, ROUNDED), "false alarms, permutation, folds kept": (0.075, 0.025),
               "false alarms, permutation, folds drawn anew": (0.043, 0.019)})
def not_binomial(run):
    studies = run(E.cross_validation_error, n_scans=100, effect=0)

    def alarms(draws):
        return np.mean(stats.binom.sf(np.round(draws["reported"] * 100) - 1, 100, 0.5) <= 0.05)

    tests = run(E.permutation_tests, studies=run.studies // 2, n_subjects=100, n_features=2, n_permutations=19)
    return {"standard deviation, relative": studies(lambda d: d["reported"].std() / 0.05),
            "false alarms, binomial test": studies(alarms),
            "nominal": exact(stats.binom.sf(stats.binom.isf(0.05, 100, 0.5), 100, 0.5)),
            "false alarms, permutation, folds kept": tests.alarms("shuffling subjects, folds kept"),
            "false alarms, permutation, folds drawn anew": tests.alarms("shuffling subjects, folds drawn anew")}


VAROQUAUX = {("leave-one-out", 30): (-0.195, -0.001, 0.181), ("50 random splits", 30): (-0.185, -0.010, 0.153),
             ("leave-one-out", 100): (-0.102, 0.000, 0.100), ("50 random splits", 100): (-0.100, -0.010, 0.078)}
QUANTILES = {"5 %": 0.05, "50 %": 0.5, "95 %": 0.95}


def error_quantile(q):
    return lambda draws: np.quantile(draws["reported"] - draws["true"], q)


@row("R05", lessons="02, 05", source="Varoquaux 2018, NeuroImage 180:68", doi="10.1016/j.neuroimage.2017.06.061",
     setting="Cross-validated minus true accuracy, 300 features, d = 2.31; quantiles of the paper's released results. "
             "LinearSVC is least squares as long as every scan is a support vector; at 100 scans that holds nearly.",
     studies=(10_000, 1500),
     expected={f"{scheme}, n = {n}, {name}": (value, 0.02) for (scheme, n), values in VAROQUAUX.items()
               for name, value in zip(QUANTILES, values, strict=True)}
     | {"true accuracy, n = 30": (0.646, 0.01), "true accuracy, n = 100": (0.708, 0.01)})
def error_bars(run):
    figures = {}
    for scheme, n in VAROQUAUX:
        studies = run(E.cross_validation_error, n_scans=n, scheme=scheme, n_features=300, effect=2.31, ridge=0.5, penalise_intercept=True)
        figures |= {f"{scheme}, n = {n}, {name}": studies(error_quantile(q)) for name, q in QUANTILES.items()}
        figures[f"true accuracy, n = {n}"] = studies.mean("true")
    return figures


SIMPLE = {30: (-0.21, 0.17), 100: (-0.099, 0.080), 1000: (-0.031, 0.031)}


@row("B5", lessons="02, 05", source="Varoquaux 2018 in a small form; a design made for this course",
     doi="10.1016/j.neuroimage.2017.06.061",
     setting="Ten features, 1.35 apart, 50 random splits: the central 95 % of reported minus true; and how much wider the "
             "errors spread than the usual standard error over the splits says (100 scans).",
     studies=(5000, 600),
     expected={f"n = {n}, {q} %": (value, 0.02) for n, values in SIMPLE.items() for q, value in zip((2.5, 97.5), values, strict=True)}
     | {"spread over standard error": (3.5, 0.6)})
def simple_error_bars(run):
    figures = {}
    for n in SIMPLE:
        studies = run(E.cross_validation_error, n_scans=n, scheme="50 random splits")
        figures |= {f"n = {n}, {q} %": studies(error_quantile(q / 100)) for q in (2.5, 97.5)}
        if n == 100:
            figures["spread over standard error"] = studies(
                lambda d: (d["reported"] - d["true"]).std() / (np.median(d["claimed"]) / 1.645))
    return figures


TUNED = {20: (0.61, 1), 40: (0.58, 1), 100: (0.55, 5), 200: (0.55, 15)}


@row("R09", lessons="05", source="Cawley and Talbot 2010, Journal of Machine Learning Research 11:2079",
     setting="Best of 30 settings of kernel ridge regression on noise, n scans; nested cross-validation beside it.",
     studies=(1500, 90),
     expected={f"{how}, n = {n}": (value, 0.03) for n, (flat, _) in TUNED.items() for how, value in (("best", flat), ("nested", 0.5))})
def tuning(run):
    figures = {}
    for n, (_, fewer) in TUNED.items():
        studies = run(E.tuned_kernel_ridge, studies=run.studies // fewer, n_scans=n)
        figures |= {f"best, n = {n}": studies.mean("reported"), f"nested, n = {n}": studies.mean("honest")}
    return figures


COINS = {(50, 10): 0.608, (50, 100): 0.676, (100, 10): 0.577, (100, 100): 0.625, (500, 10): 0.534, (500, 100): 0.556}


@row("R10", lessons="05", source="Closed form (order statistics)", studies=(20_000, 2000),
     setting="The best of m results of n coin tosses, on average.",
     expected={f"{how}, n = {n}, m = {m}": (value, tolerance) for (n, m), value in COINS.items()
               for how, tolerance in (("closed form", ROUNDED), ("simulated", 0.002))})
def best_of_coins(run):
    figures = {}
    for n, m in COINS:
        figures[f"closed form, n = {n}, m = {m}"] = exact(np.sum(1 - stats.binom.cdf(np.arange(n), n, 0.5) ** m) / n)
        figures[f"simulated, n = {n}, m = {m}"] = run(E.best_of_many, varied="coin tosses", n_scans=n, n_tried=m).mean("reported")
    return figures


def expected_maximum(k):
    return integrate.quad(lambda x: x * k * stats.norm.pdf(x) * phi(x) ** (k - 1), -10, 10)[0]


@row("R11", lessons="05", source="Closed form, approximate", studies=(10_000, 1000),
     setting="Best of 20 seeds, 200 scans: the gain is the spread over the seeds times the expected maximum of 20 normal "
             "numbers, within 5 %.",
     expected={"expected maximum": (1.867, ROUNDED), "gain over prediction": (1, 0.05), "mean over the seeds minus truth": (0, 0.01)})
def best_of_seeds(run):
    studies = run(E.best_of_many, varied="seeds", n_scans=200, n_tried=20, effect=1)

    def gain(draws):
        return (draws["reported"] - draws["honest"]).mean() / (expected_maximum(20) * draws["sd"].mean() * np.sqrt(20 / 19))

    return {"expected maximum": exact(expected_maximum(20)), "gain over prediction": studies(gain),
            "mean over the seeds minus truth": studies(lambda d: (d["honest"] - d["true"]).mean())}


@row("R12", lessons="05", source="Nadeau and Bengio 2003, Machine Learning 52:239", doi="10.1023/A:1024068626366",
     setting="Two equal models, 100 scans, t-test over J random splits with 10 % test, at .05: false alarms of the plain and "
             "of the corrected test.",
     studies=(20_000, 3000), rising=[("corrected, J = 15", "plain, J = 15"), ("corrected, J = 100", "plain, J = 100")],
     expected={"plain, J = 15": (0.23, 0.05), "plain, J = 100": (0.56, 0.05), "corrected, J = 15": (0.058, 0.03),
               "corrected, J = 100": (0.068, 0.03)})
def t_test_over_splits(run):
    figures = {}
    for J in (15, 100):
        studies = run(E.two_equal_learners, n_splits=J)
        figures |= {f"{name}, J = {J}": studies.alarms(f"{name} t-test") for name in ("plain", "corrected")}
    return figures


MISSED = {(100, 20): 0.18, (100, 50): 0.22, (400, 20): 0.13}


@row("R13", lessons="05", source="Bates, Hastie, Tibshirani 2024, Journal of the American Statistical Association 119:1434",
     doi="10.1080/01621459.2023.2197686",
     setting="How often the naive 90 % interval (accuracy ± 1.645 √(a (1 - a) / n)) misses the truth of the study's own model, and the "
             "correlation of reported and true accuracy (.09 to .19). n scans, p features, d = 1.35, 5-fold. Expected from 1000 "
             "studies each; three of their standard errors are tolerated.",
     studies=(20_000, 2000),
     expected={f"{what}, n = {n}, p = {p}": value for (n, p), missed in MISSED.items()
               for what, value in (("missed", (missed, 0.038)), ("correlation", (0.14, 0.095)))})
def interval_of_cross_validation(run):
    def missed(n):
        def share(draws):
            a = draws["reported"]
            return np.mean(np.abs(a - draws["true"]) > 1.645 * np.sqrt(a * (1 - a) / n))
        return share

    figures = {}
    for n, p in MISSED:
        studies = run(E.cross_validation_error, n_scans=n, n_features=p)
        figures[f"missed, n = {n}, p = {p}"] = studies(missed(n))
        figures[f"correlation, n = {n}, p = {p}"] = studies(lambda d: np.corrcoef(d["reported"], d["true"])[0, 1])
    return figures


@row("R14", lessons="05", source="Closed form", setting="Leave-one-out of rules that learnt nothing, 20 patients and 20 controls: the "
     "majority rule, and the mean.",
     expected={"accuracy of the majority rule": (0, NEVER_MIND), "correlation of the mean": (-1, NEVER_MIND),
               "AUC of the mean": (0, NEVER_MIND), "R² of the mean": (-0.0519, 0.00006)})
def leave_one_out(run):
    X, labels = np.zeros((40, 1)), np.repeat([0, 1], 20)
    majority = cross_val_predict(DummyClassifier(strategy="most_frequent"), X, labels, cv=LeaveOneOut())
    mean = cross_val_predict(DummyRegressor(), X, labels.astype(float), cv=LeaveOneOut())
    return {"accuracy of the majority rule": exact(accuracy_score(labels, majority)),
            "correlation of the mean": exact(np.corrcoef(labels, mean)[0, 1]), "AUC of the mean": exact(roc_auc_score(labels, mean)),
            "R² of the mean": exact(r2_score(labels, mean))}


SPREADS = {"2-fold": 0.084, "5-fold": 0.073, "10-fold": 0.069, "leave-one-out": 0.068}


@row("R15", lessons="05", source="Simulation with independent code", studies=(20_000, 3000),
     setting="Standard deviation of the cross-validated accuracy, least squares, 50 scans, 5 features: leave-one-out does not "
             "vary most.",
     rising=[("leave-one-out", "5-fold", "2-fold")], expected={scheme: (sd, 0.006) for scheme, sd in SPREADS.items()})
def spread_by_scheme(run):
    return {scheme: run(E.cross_validation_error, n_scans=50, n_features=5, effect=1.35, ridge=1e-9, scheme=scheme)(
        lambda d: d["reported"].std()) for scheme in SPREADS}


SIBLINGS = {2: 0.901, 3: 0.981, 5: 0.999}


def with_siblings(S, r):
    N, m = S * r, S * r // 5
    alone = comb(N - r, m - r) / comb(N - 1, m - 1)  # no sibling is left in the training folds
    return 1 - alone + alone * (S / 2 - 1) / (S - 1)


@row("R17", lessons="05", source="Closed form for Yagis and others 2021, Scientific Reports 11:22544 (96 % against 50 %)",
     doi="10.1038/s41598-021-01681-w",
     setting="Random labels, 100 subjects with r scans each, nearest neighbour, folds by scan or by subject (.495, not .5).",
     studies=(2000, 100),
     expected={f"{what}, r = {r}": value for r, closed in SIBLINGS.items() for what, value in
               (("closed form", (closed, ROUNDED)), ("folds by scan", (closed, 0.01)), ("folds by subject", (0.495, 0.01)),
                ("new subjects", (0.5, 0.01)))})
def repeated_scans(run):
    figures = {}
    for r in SIBLINGS:
        studies = run(E.repeated_scans, n_subjects=100, scans_per_subject=r)
        figures |= {f"closed form, r = {r}": exact(with_siblings(100, r)), f"folds by scan, r = {r}": studies.mean("reported"),
                    f"folds by subject, r = {r}": studies.mean("honest"), f"new subjects, r = {r}": studies.mean("true")}
    return figures


@simulation(block=20)
def preprocessing_outside_folds(*, rng, repeats):
    """Noise, 60 scans, 100 features: the gain in accuracy when scaling, or PCA, is fitted to all scans."""
    targets, tests = np.where(np.arange(60) % 2, 1.0, -1.0), np.arange(60).reshape(6, 5, 2).swapaxes(0, 1).reshape(5, 12)
    X = rng.standard_normal((repeats, 60, 100))

    def scaled(learn, rows):
        return (rows - learn.mean(axis=1, keepdims=True)) / learn.std(axis=1, keepdims=True)

    def ten_components(learn, rows):
        mean = learn.mean(axis=1, keepdims=True)
        directions = np.linalg.svd(learn - mean, full_matrices=False)[2][:, :10]
        return (rows - mean) @ np.swapaxes(directions, 1, 2)

    gains = {}
    for name, step in (("scaling", scaled), ("PCA", ten_components)):
        right = np.zeros((2, repeats))
        for test in tests:
            train = np.setdiff1d(np.arange(60), test)
            for i, learn in enumerate((X, X[:, train])):
                weights, intercepts = replicates.linear_rule(step(learn, X[:, train]), targets[train], 10.0)
                scores = (step(learn, X[:, test]) @ weights[..., None])[..., 0] + intercepts[:, None]
                right[i] += ((scores > 0) == (targets[test] > 0)).mean(axis=1) / len(tests)
        gains[name] = right[0] - right[1]
    return gains


@row("R19", lessons="01, 05, 06", source="Moscovich and Rosset 2022, Journal of the Royal Statistical Society B 84:1474",
     doi="10.1111/rssb.12537",
     setting="Independent noise, 60 scans, 100 features: accuracy with scaling or PCA (10 components) fitted to all scans, minus "
             "accuracy with either fitted inside the folds. In other data the bias can be of either sign.",
     studies=(2000, 100), expected={"scaling": (0, 0.006), "PCA": (0, 0.006)})
def unsupervised(run):
    studies = run(preprocessing_outside_folds)
    return {name: studies.mean(name) for name in ("scaling", "PCA")}


# Lesson 06


SCALED = ("by the training cohort", "by its own mean", "by its own controls")


@row("R27", lessons="06", source="Closed form", studies=(4000, 200),
     setting="An external cohort (5000 subjects, prevalence .8, d = 1.5) is scaled by its own mean: sensitivity Φ((1-q)d), "
             "specificity Φ(qd); by its controls, or by the training cohort, Φ(d/2) each.",
     expected={f"{what}, {how}": (value, tolerance) for what, values in (("sensitivity", (0.774, 0.618, 0.774)),
                                                                         ("specificity", (0.774, 0.885, 0.774)))
               for how, value, tolerance in zip(SCALED, values, (0.004,) * 3, strict=True)}
     | {"sensitivity, closed form": (0.618, ROUNDED), "specificity, closed form": (0.885, ROUNDED)}
     | {f"{what}, by its own mean, q = {q}": (phi(((1 - q) if what == "sensitivity" else q) * 1.5), 0.004)
        for q in (0.2, 0.5) for what in ("sensitivity", "specificity")})
def own_scaling(run):
    studies = run(E.external_scaling, n_external=5000)
    figures = {f"{what}, {how}": studies.mean(what, i) for what in ("sensitivity", "specificity") for i, how in enumerate(SCALED)}
    figures |= {"sensitivity, closed form": exact(phi(0.2 * 1.5)), "specificity, closed form": exact(phi(0.8 * 1.5))}
    for q in (0.2, 0.5):
        other = run(E.external_scaling, studies=run.studies // 2, prevalence=q, n_external=5000)
        figures |= {f"{what}, by its own mean, q = {q}": other.mean(what, 1) for what in ("sensitivity", "specificity")}
    return figures


@row("R28", lessons="06", source="Closed form", studies=(4000, 300),
     setting="Prevalence .683 inside, .2 outside, the classes as they were: calibration intercept logit(.2) - logit(.683), "
             "slope 1, the same AUC. 4000 external subjects.",
     expected={"intercept, closed form": (-2.154, ROUNDED), "intercept, simulated": (-2.154, 0.004), "slope, simulated": (1, 0.004),
               "AUC, simulated": (0.856, 0.002)})
def other_prevalence(run):
    studies = run(E.prevalence_shift, n_external=4000)
    return {"intercept, closed form": exact(special.logit(0.2) - special.logit(0.683)), "intercept, simulated": studies.mean("intercept"),
            "slope, simulated": studies.mean("slope"), "AUC, simulated": studies.mean("outside", 0)}


@row("R29", lessons="01, 06", source="Zech and others 2018, PLOS Medicine 15:e1002683", doi="10.1371/journal.pmed.1002683",
     setting="Sorting by hospital alone: AUC .861 in the paper; (1 + true - false positive rate) / 2 with the numbers of its "
             "abstract, which are rounded.",
     expected={"AUC": (0.857, ROUNDED)})
def sorted_by_hospital(run):
    sick, healthy = np.array([0.342 * 42396, 0.012 * 112120]), np.array([0.658 * 42396, 0.988 * 112120])
    return {"AUC": exact((1 + sick[0] / sick.sum() - healthy[0] / healthy.sum()) / 2)}


@row("R31", lessons="06", source="A design made for this course", studies=(4000, 400),
     setting="400 subjects in all, from K sites whose effects differ: cross-validated accuracy, and accuracy at a new site.",
     rising=[("new site, K = 1", "new site, K = 5", "new site, K = 40"),
             ("cross-validated, K = 40", "cross-validated, K = 5", "cross-validated, K = 1")],
     expected={f"{what}, K = {k}": (value, 0.02) for k, values in ((1, (0.767, 0.661)), (5, (0.720, 0.695)), (40, (0.708, 0.707)))
               for what, value in zip(("cross-validated", "new site"), values, strict=True)})
def consortium(run):
    studies = run(E.sites_of_a_consortium, site_counts=(1, 5, 40))
    return {f"{what}, K = {k}": studies.mean(name, i) for i, k in enumerate((1, 5, 40))
            for what, name in (("cross-validated", "reported"), ("new site", "true"))}


@row("R41", lessons="04, 06", source="Arithmetic, with the 423 patients and 196 controls of PPMI (Marek and others 2018)",
     doi="10.1002/acn3.644", setting="Accuracy of calling everybody a patient; positive predictive value with sensitivity and "
     "specificity .9.",
     expected={"majority rule": (0.683, ROUNDED), "predictive value at 0.683": (0.95, 0.005), "predictive value at 0.1": (0.50, 0.005),
               "predictive value at 0.02": (0.155, ROUNDED)})
def predictive_values(run):
    return {"majority rule": exact(423 / (423 + 196)),
            **{f"predictive value at {q}": exact(0.9 * q / (0.9 * q + 0.1 * (1 - q))) for q in (0.683, 0.1, 0.02)}}


@row("B10", lessons="06", source="A design made for this course, after Nygaard and others 2016, Biostatistics 17:29, and Snoek and "
     "others 2019, NeuroImage 184:741", doi="10.1093/biostatistics/kxv027",
     setting="Pure noise, 100 features, 3 sites with 20, 50 and 80 % patients: cross-validated accuracy without harmonisation, and "
             "with site means and scales removed from all rows, from all rows with the diagnosis protected, or from training "
             "rows. 60 subjects; 210 (the figures expected are for 200); 60 with 50 % patients everywhere.",
     studies=(4000, 400), rising=[("all rows, n = 60", "all rows, n = 210", "protected, n = 210", "protected, n = 60")],
     expected={"none, n = 60": (0.495, 0.02), "all rows, n = 60": (0.338, 0.02), "protected, n = 60": (0.646, 0.02),
               "training rows, n = 60": (0.498, 0.02), "all rows, n = 210": (0.424, 0.02), "protected, n = 210": (0.554, 0.025),
               "all rows, balanced sites": (0.5, 0.05), "training rows, balanced sites": (0.5, 0.02)})
def harmonisation(run):
    few = run(E.harmonised_sites, score="accuracy", site_mark=0)
    many = run(E.harmonised_sites, studies=run.studies // 5, score="accuracy", site_mark=0, n_subjects=210)
    balanced = run(E.harmonised_sites, studies=run.studies // 2, score="accuracy", site_mark=0, imbalance=0)
    return {"none, n = 60": few.mean("reported", 0), "all rows, n = 60": few.mean("reported", 1),
            "protected, n = 60": few.mean("reported", 2), "training rows, n = 60": few.mean("reported", 3),
            "all rows, n = 210": many.mean("reported", 1), "protected, n = 210": many.mean("reported", 2),
            "all rows, balanced sites": balanced.mean("reported", 1), "training rows, balanced sites": balanced.mean("reported", 3)}


@row("B10b", lessons="06", source="A design made for this course", studies=(4000, 400),
     setting="Two sites with 20 and 80 % patients and offsets of sd .7, no disease effect, 200 subjects, 50 features: "
             "cross-validated AUC.",
     expected={"none": (0.761, 0.015), "protected": (0.609, 0.025), "training rows": (0.502, 0.012)})
def site_effect(run):
    studies = run(E.harmonised_sites, n_sites=2, n_subjects=200, n_features=50, site_mark=0.7)
    return {name: studies.mean("reported", i) for name, i in (("none", 0), ("protected", 2), ("training rows", 3))}


SHORTCUT = {"reported": "cross-validated", "true": "external", "site left out": "one site left out", "within site": "within a site"}


@row("B12", lessons="06", source="A design made for this course", studies=(10_000, 1000),
     setting="Two sites of 200 with 80 and 20 % patients, one feature with d = .5, ten with a site offset of length √10: AUC. The "
             "same with d = 0.",
     expected={"cross-validated, d = 0.5": (0.802, 0.012), "external, d = 0.5": (0.571, 0.012), "one site left out, d = 0.5": (0.585, 0.012),
               "within a site, d = 0.5": (0.561, 0.012), "best": (0.638, ROUNDED), "cross-validated, d = 0": (0.782, 0.006),
               "external, d = 0": (0.5, 0.006), "one site left out, d = 0": (0.5, 0.006), "within a site, d = 0": (0.5, 0.006)})
def shortcut(run):
    figures = {}
    for d in (0.5, 0):
        studies = run(E.site_shortcut, site_mark=np.sqrt(10), effect=d)
        figures |= {f"{name}, d = {d}": studies.mean(draw) for draw, name in SHORTCUT.items()}
        if d:
            figures["best"] = exact(studies.draws["ceiling"][0])
    return figures


# What reference results of the literature the course knows and does not recompute, and why.
NOT_RECOMPUTED = {
    "R02": ("Ambroise and McLachlan 2002, PNAS 99:6562", "Cited in lesson 05. A finding without a figure of its own: that selection "
            "inside the folds removes the \"zero\" error; R01 shows it."),
    "R03": ("Combrisson and Jerbi 2015, Journal of Neuroscience Methods 250:126", "Not used. Its thresholds are binomial, which is right "
            "for one test set and too lenient for cross-validation (R04); the course teaches permutation tests."),
    "R07": ("Varma and Simon 2006, BMC Bioinformatics 7:91", "Not used. Its grid of thresholds could not be checked; tuning without "
            "nesting is held by R09."),
    "R08": ("Vabalas and others 2019, PLOS ONE 14:e0224365", "Not used. Its settings could not be checked; R01 and R09 hold the two "
            "biases that it compares."),
    "R16": ("Yagis and others 2021, Scientific Reports 11:22544", "Cited in lesson 05. Its figures are of real images that cannot be "
            "redistributed; R17 is the closed form."),
    "R18": ("Rosenblatt and others 2024, Nature Communications 15:1829", "Not used. Its figures are of connectomes that the course does not "
            "have, and could not be checked."),
    "R20": ("Nygaard and others 2016; Snoek and others 2019", "Recomputed as B10 and B10b."),
    "R26": ("Northcutt and others 2021, NeurIPS Datasets and Benchmarks", "Cited in lesson 04: counts of wrong labels in real test sets."),
    "R30": ("Yu and others 2022; Makarious and others 2022", "Cited in lesson 06: counts of published studies, and a cohort under access "
            "control."),
    "R43": ("Kapoor and Narayanan 2023; Roberts and others 2021; Wen and others 2020", "Cited: counts of published studies."),
}  # fmt: skip
