"""A small imaging study, carried out with as many flaws as one likes.

Patients and controls are scanned at four sites, and a linear classifier is cross-validated. Every flaw is
really committed on the simulated scans. The true score is that of the study's own final model on many new
people at new sites.

All random numbers belong to the seed, and every step has a stream of its own. So a study can be carried
out again with one flaw repaired and everything else, people, scans and folds, the same.

The flaws, by name: "duplicates", "exclusions", "rereading", "target", "sites", "harmonised", "selection",
"tuning", "oversampling", "repeated", "seeds", "threshold", "majority". `utils.review.FLAWS` says what they
are.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace

import numpy as np
from scipy.linalg import lapack

SITES = "ABCD"
FEATURES, INFORMATIVE = 120, 12  # the first half are thicknesses, the second half volumes
SITE_OFFSET = 0.6  # standard deviation over features, in units of that between people
RELIABILITY = 0.85  # share of a feature's variance that is the same in every scan of a person
FOLDS, SEEDS = 5, 10
PENALTY, PENALTIES, KEPT = 30.0, (3.0, 300.0), (10, 20, 40)
NEW_SITES, NEW_PER_SITE = 10, 300

_STREAMS = ("flaws", "design", "people", "scans", "sites", "target", "twins", "luck", "mixing", "folds", "new",
            "words", "ages")


def stream(seed: int, name: str, *more: int) -> np.random.Generator:
    """The random numbers of one step of one study."""
    return np.random.default_rng([seed, _STREAMS.index(name), *more])


@dataclass(frozen=True)
class Design:
    """What stays the same when a flaw is repaired."""

    seed: int
    per_site: int
    patients: float  # share
    repeated: bool  # several scans of each person
    kept: int | None
    excluded: int
    strength: float  # distance of the groups in one informative feature
    harmonises: bool


def plan(seed: int, planted: tuple[str, ...], per_site: int | None = None) -> Design:
    rng = stream(seed, "design")
    drawn = int(rng.integers(20, 31))
    several, chosen = rng.random(2) < (0.4, 0.5)
    excluded, strength = int(rng.integers(3, 9)), rng.uniform(0.3, 0.45)
    patients = 0.8 if "majority" in planted else 0.7 if "oversampling" in planted else 0.5
    # Copies of people give most away to a classifier that sees all features.
    leaks = {"duplicates", "repeated", "oversampling"} & set(planted)
    kept = 20 if "selection" in planted or (chosen and not leaks) else None
    return Design(seed, drawn if per_site is None else per_site, patients, bool(several) or "repeated" in planted,
                   kept, excluded, strength, "harmonised" in planted)


@dataclass
class _Rows:
    """Scans: features without the target column, that column, diagnosis, person, site, age."""

    X: np.ndarray
    dose: np.ndarray
    y: np.ndarray
    person: np.ndarray
    site: np.ndarray
    age: np.ndarray

    def take(self, rows: np.ndarray) -> "_Rows":
        return _Rows(*(getattr(self, one.name)[rows] for one in fields(self)))


def directions(design: Design) -> np.ndarray:
    """The shift of patients in every feature; the informative ones are spread over both halves."""
    shift = np.zeros(FEATURES)
    at = np.arange(INFORMATIVE) * (FEATURES // INFORMATIVE)
    shift[at] = design.strength * np.where(np.arange(INFORMATIVE) % 2, 1, -1)
    return shift


@functools.lru_cache(maxsize=1)  # a study is carried out again with a flaw repaired
def _recruit(design: Design, active: frozenset[str]) -> _Rows:
    """All scans that the study has, before anything is left out. Not to be changed in place."""
    n = design.per_site * len(SITES)
    site = np.repeat(np.arange(len(SITES)), design.per_site)
    shares = np.full(len(SITES), design.patients)
    if "sites" in active:
        shares += np.array([0.4, 0.3, -0.3, -0.4])
    y = np.concatenate([np.arange(design.per_site) < round(share * design.per_site) for share in shares]).astype(int)
    people = stream(design.seed, "people").standard_normal((n, FEATURES))
    offsets = SITE_OFFSET * stream(design.seed, "sites").standard_normal((len(SITES), FEATURES))
    rng = stream(design.seed, "scans")
    person = np.repeat(np.arange(n), rng.integers(2, 4, n) if design.repeated else 1)
    noise = rng.standard_normal((len(person), FEATURES))
    # A dose has to be known for nine patients in ten; it is noisy, as records are.
    rng = stream(design.seed, "target")
    dose = rng.standard_normal(n) + 2.5 * y * (rng.random(n) < 0.9)
    X = np.sqrt(RELIABILITY) * people[person] + np.sqrt(1 - RELIABILITY) * noise + offsets[site[person]]
    X += y[person, None] * directions(design)
    age = stream(design.seed, "ages").normal(63, 8, n)
    rows = _Rows(X, dose[person], y[person], person, site[person], age[person])
    if "duplicates" in active:
        rng = stream(design.seed, "twins")
        twins = rng.choice(n, n // 4, replace=False)
        again = rows.take(np.flatnonzero(np.isin(person, twins)))
        again.X = again.X + 0.1 * rng.standard_normal(again.X.shape)
        again.person = again.person + n  # a number of their own
        rows = _joined(rows, again)
    return rows


def _joined(one: _Rows, other: _Rows) -> _Rows:
    return _Rows(*(np.concatenate([getattr(one, part.name), getattr(other, part.name)]) for part in fields(one)))


def _harmonised(rows: _Rows) -> np.ndarray:
    """Features without site effects, estimated from all scans beside an effect of diagnosis that is kept."""
    design = np.column_stack([rows.site[:, None] == np.arange(len(SITES)), rows.y - rows.y.mean()]).astype(float)
    effects = np.linalg.lstsq(design, rows.X)[0]
    return rows.X - design[:, :-1] @ effects[:-1]


def _mixed(design: Design, rows: _Rows) -> _Rows:
    """The rows and synthetic controls: mixtures of a control and one of its five nearest controls."""
    rng = stream(design.seed, "mixing")
    minority = np.flatnonzero(rows.y == 0)
    missing = len(rows.y) - 2 * len(minority)
    X = rows.X[minority]
    products = X @ X.T
    squares = np.diag(products)
    distance = squares[:, None] + squares - 2 * products
    near = np.argsort(distance + np.where(rows.person[minority, None] == rows.person[minority], np.inf, 0), axis=1)
    first = rng.integers(0, len(minority), missing)
    second = near[first, rng.integers(0, 5, missing)]
    share = rng.uniform(0, 0.5, missing)[:, None]
    new = rows.take(minority[first])
    new.X = X[first] + share * (X[second] - X[first])
    new.person = rows.person.max() + 1 + np.arange(missing)
    return _joined(rows, new)


def _differences(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How much every column differs between the groups: the size of t."""
    one, other = X[y == 1], X[y == 0]
    return np.abs((one.mean(0) - other.mean(0)) / np.sqrt(one.var(0) / len(one) + other.var(0) / len(other)))


def _best(differences: np.ndarray, columns: np.ndarray, kept: int | None) -> np.ndarray:
    """The columns that differ most between the groups, of those given."""
    if kept is None or kept >= len(columns):
        return columns
    return columns[np.sort(np.argsort(-differences[columns], kind="stable")[:kept])]


@dataclass
class _Model:
    """Ridge regression on the labels -1 and +1, with what it learnt about sites and features."""

    columns: np.ndarray
    means: np.ndarray  # of every site, or zeros
    centre: np.ndarray
    weights: np.ndarray
    intercept: float

    def output(self, X: np.ndarray, site: np.ndarray) -> np.ndarray:
        # As if means and centre were subtracted from X first.
        return X[:, self.columns] @ self.weights + self.intercept - ((self.means + self.centre) @ self.weights)[site]


def _site_means(X: np.ndarray, site: np.ndarray, regional: int) -> np.ndarray:
    """What is subtracted at each site: the means of the regional measures, and 0 from any other column."""
    means = np.zeros((len(SITES), X.shape[1]))
    if regional:
        here = (site == np.arange(len(SITES))[:, None]).astype(float)
        means[:, :regional] = here @ X[:, :regional] / here.sum(1, keepdims=True)
    return means


class _Training:
    """What training scans teach, and these alone, for models of any of their columns.

    Sites' means, centre, scale and the difference between the groups belong to one column each, and ridge
    regression needs no more than the products of the columns. So they are computed once, and a model of some
    columns is a small system of equations.
    """

    def __init__(self, X, y, site, *, regional: int, weighted: bool):
        self.means = _site_means(X, site, regional)
        self._X, self._y = X - self.means[site], y
        weights = np.where(y == 1, 0.5 / np.mean(y == 1), 0.5 / np.mean(y == 0)) if weighted else np.ones(len(y))
        target = 2.0 * y - 1
        share = weights / weights.sum()
        self.centre, self.middle = share @ self._X, share @ target
        self.scale = self._X.std(0)
        root = np.sqrt(weights)[:, None]
        A = root * ((self._X - self.centre) / self.scale)
        self._products, self._towards = A.T @ A, A.T @ (root[:, 0] * (target - self.middle))

    @functools.cached_property
    def differences(self) -> np.ndarray:
        return _differences(self._X, self._y)

    def fit(self, columns: np.ndarray, kept: int | None, penalty: float) -> _Model:
        """A model of the best `kept` of some columns."""
        if kept is not None:
            columns = _best(self.differences, columns, kept)
        inner = self._products[np.ix_(columns, columns)]
        inner.flat[:: len(columns) + 1] += penalty
        _, weights, _ = lapack.dposv(inner.T, self._towards[columns], lower=True, overwrite_a=True)
        return _Model(columns, self.means[:, columns], self.centre[columns], weights / self.scale[columns], self.middle)


def _folds(units: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The fold of every row: its unit's, dealt at random with equal shares of patients."""
    names, first, back = np.unique(units, return_index=True, return_inverse=True)
    order = rng.permutation(len(names))
    order = order[np.argsort(y[first][order], kind="stable")]
    fold = np.empty(len(names), int)
    fold[order] = np.arange(len(names)) % FOLDS
    return fold[back]


def _score(output: np.ndarray, y: np.ndarray, cut: float, balanced: bool) -> float:
    right = (output > cut) == (y == 1)
    return float((right[y == 1].mean() + right[y == 0].mean()) / 2 if balanced else right.mean())


def _cut_off(output: np.ndarray, y: np.ndarray, balanced: bool) -> float:
    """The cut-off with the best score on these very outputs; of several, the one nearest to 0."""
    middles = np.sort(output)
    cuts = np.append((middles[1:] + middles[:-1]) / 2, 0.0)
    cuts = cuts[np.argsort(np.abs(cuts))]
    right = (output > cuts[:, None]) == (y == 1)
    scores = (right[:, y == 1].mean(1) + right[:, y == 0].mean(1)) / 2 if balanced else right.mean(1)
    return float(cuts[np.argmax(scores)])


@dataclass(frozen=True)
class Result:
    """One way to carry out a study.

    Attributes
    ----------
    reported, true : float
        The score that is printed, and the balanced accuracy of the final model on new people (NaN where
        that was not asked for).
    output, y : numpy.ndarray, shape (scans,)
        The classifier's outputs in the test folds, and the diagnoses that they were compared with.
    cut : float
        The cut-off.
    counts : dict
        What was counted on the way: people, scans, exclusions and so on.
    """

    reported: float
    true: float
    output: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    cut: float
    counts: dict = field(repr=False)
    fold_scores: np.ndarray | None = field(repr=False, default=None)


def carry_out(design: Design, active: Iterable[str], *, repetitions: int = 0, truth: bool = True) -> Result:
    """Run the study with these flaws.

    `repetitions` more deals of the folds serve its error bar. Without `truth`, nobody new is recruited to find the
    true score, which takes as long as the rest of a simple study.
    """
    active = set(active)
    seed = design.seed
    balanced = "majority" not in active
    # Where the diagnosis goes with the site, a study that does not harmonise keeps the scanners' traces.
    per_site = "harmonised" not in active and ("sites" not in active or design.harmonises)
    rows = _recruit(design, frozenset(active & {"sites", "duplicates"}))
    counts = {"outliers": 0, "revised": 0, "synthetic": 0}
    grid = [(slice(None), design.kept, PENALTY)]
    if "tuning" in active:
        halves = (slice(None), slice(0, FEATURES // 2), slice(FEATURES // 2, None))
        sizes = KEPT if "selection" in active else (*KEPT, None)
        grid += [(half, kept, penalty) for half in halves for kept in sizes for penalty in PENALTIES]
    counts["settings"] = len(grid)

    def prepare(rows):
        """The table that enters cross-validation."""
        X = _harmonised(rows) if "harmonised" in active else rows.X
        rows = replace(rows, X=X)
        return _mixed(design, rows) if "oversampling" in active else rows

    def table(rows):
        return np.column_stack([rows.X, rows.dose]) if "target" in active else rows.X

    def training(rows, chosen):
        return _Training(table(rows)[chosen], rows.y[chosen], rows.site[chosen], regional=FEATURES if per_site else 0,
                         weighted=balanced)

    def candidates(rows):
        """For every setting: the columns to choose from, how many of them to keep, the penalty."""
        columns, found = np.arange(table(rows).shape[1]), []
        if "selection" in active:
            X = table(rows)
            differences = _differences(X - _site_means(X, rows.site, FEATURES if per_site else 0)[rows.site], rows.y)
        for half, kept, penalty in grid:
            some = np.concatenate([columns[:FEATURES][half], columns[FEATURES:]])
            if "selection" in active:
                some, kept = _best(differences, some, kept), None
            found.append((some, kept, penalty))
        return found

    def dealt(rows, number):
        units = np.arange(len(rows.y)) if "repeated" in active else rows.person
        return _folds(units, rows.y, stream(seed, "folds", number))

    def outputs(rows, settings, fold):
        """The outputs in the test folds, for every setting."""
        X, found = table(rows), np.empty((len(settings), len(rows.y)))
        for one in range(FOLDS):
            test = fold == one
            learnt = training(rows, ~test)
            for row, setting in zip(found, settings, strict=True):
                row[test] = learnt.fit(*setting).output(X[test], rows.site[test])
        return found

    def unlike(rows, share):
        """People whom a first run gets wrong (by the mean over their scans); by luck, this share of them."""
        ready = prepare(rows)
        found = outputs(ready, candidates(ready)[:1], dealt(ready, 0))[0, :len(rows.y)]
        people, back = np.unique(rows.person, return_inverse=True)
        mean = np.bincount(back, found) / np.bincount(back)
        wrong = (mean > 0) != (np.bincount(back, rows.y) > 0)
        luck = stream(seed, "luck").random(2 * design.per_site * len(SITES))[people]
        return people[wrong & (luck < share)]

    if "exclusions" in active:
        out = unlike(rows, 0.3)
        counts["outliers"] = len(out)
        rows = rows.take(np.flatnonzero(~np.isin(rows.person, out)))
    if "rereading" in active:
        turned = unlike(rows, 0.3)
        counts["revised"] = len(turned)
        rows = replace(rows, y=np.where(np.isin(rows.person, turned), 1 - rows.y, rows.y))
    ready = prepare(rows)
    counts |= {"scans": len(rows.y), "synthetic": len(ready.y) - len(rows.y), "rows": rows,
               "people": len(np.unique(rows.person))}

    settings = candidates(ready)
    tried = [outputs(ready, settings, dealt(ready, number)) for number in range(SEEDS if "seeds" in active else 1)]
    best = None
    for setting, of_setting in zip(settings, zip(*tried, strict=True), strict=True):
        for found in of_setting:
            cut = _cut_off(found, ready.y, balanced) if "threshold" in active else 0.0
            score = _score(found, ready.y, cut, balanced)
            if best is None or score > best[0] + 1e-9:
                best = score, setting, found, cut
    reported, setting, found, cut = best
    fold_scores = []
    for number in range(SEEDS, SEEDS + repetitions):
        fold = dealt(ready, number)
        again = outputs(ready, [setting], fold)[0]
        fold_scores += [_score(again[fold == one], ready.y[fold == one], cut, balanced) for one in range(FOLDS)]

    true = np.nan
    if truth:
        model = training(ready, np.ones(len(ready.y), bool)).fit(*setting)
        true = _true_score(design, model, cut, adjusted=per_site or "harmonised" in active, target="target" in active)
    return Result(reported, true, found, ready.y, cut, counts, np.array(fold_scores))


def _true_score(design: Design, model: _Model, cut: float, *, adjusted: bool, target: bool) -> float:
    """Balanced accuracy on one scan of each of many people at new sites, before anybody is diagnosed.

    Every new site has the study's share of patients. Where the study centred its sites, a new site is
    centred by its own mean. A consequence of the diagnosis is not there yet: it looks as in controls.
    """
    rng = stream(design.seed, "new")
    scores = []
    y = (np.arange(NEW_PER_SITE) < design.patients * NEW_PER_SITE).astype(int)
    weights = np.zeros(FEATURES + target)
    weights[model.columns] = model.weights
    weights, of_dose = weights[:FEATURES], weights[FEATURES:]
    for _ in range(NEW_SITES):
        # The model is linear: what people, disease and scanner add to its output are added up.
        output = rng.standard_normal((NEW_PER_SITE, FEATURES)) @ weights + y * (directions(design) @ weights)
        output += SITE_OFFSET * rng.standard_normal(FEATURES) @ weights
        dose = rng.standard_normal(NEW_PER_SITE)
        output -= adjusted * output.mean()
        output += (dose[:, None] * of_dose).sum(1) - model.centre @ model.weights + model.intercept
        scores.append(_score(output, y, cut, True))
    return float(np.mean(scores))
