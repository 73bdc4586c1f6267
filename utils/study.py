"""Small imaging studies, carried out with as many flaws as one likes.

Patients and controls are scanned at four sites, and a linear classifier is cross-validated. Every flaw is
really committed on the simulated scans. The true score is that of the study's own final model on many new
people at new sites.

Studies come in stacks: arrays of shape (studies, scans, features). The studies of a stack share who is scanned
where and how often, who is a patient and how the folds are dealt, until a flaw makes them differ. A paper's
study is a stack of one.

All random numbers belong to the seed, and every step has a stream of its own. So a study can be carried
out again with one flaw repaired and everything else, people, scans and folds, the same.

The flaws, by name: "duplicates", "exclusions", "rereading", "target", "sites", "harmonised", "selection",
"tuning", "oversampling", "repeated", "seeds", "threshold", "majority". `utils.review.FLAWS` says what they
are.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace

import numpy as np
from scipy.linalg import lapack
from scipy.special import ndtr

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
    """The random numbers of one step of one study, or of one stack."""
    return np.random.default_rng([seed, _STREAMS.index(name), *more])


@dataclass(frozen=True)
class Design:
    """What stays the same when a flaw is repaired."""

    seed: int
    per_site: int
    patients: float  # share
    repeated: bool  # several scans of each person
    kept: int | tuple[int | None, ...] | None  # a tuple: of each study of a stack, where they differ; so too strength
    excluded: int
    strength: float | tuple[float, ...]  # distance of the groups in one informative feature
    harmonises: bool
    studies: int = 1

    @property
    def kind(self) -> type:
        """Of the scans. Single precision is enough for a panel; papers stay as they are to the last digit."""
        return np.float64 if self.studies == 1 else np.float32


def plan(seed: int, planted: tuple[str, ...]) -> Design:
    """The design of a paper's study."""
    rng = stream(seed, "design")
    drawn = int(rng.integers(20, 31))
    several, chosen = rng.random(2) < (0.4, 0.5)
    excluded, strength = int(rng.integers(3, 9)), rng.uniform(0.3, 0.45)
    return _designed(seed, planted, drawn, bool(several), bool(chosen), excluded, strength)


def plan_stacks(rng: np.random.Generator, planted: tuple[str, ...], per_site: int,
                studies: int) -> Iterable[tuple[np.ndarray, Design]]:
    """Designs like those of `plan`, for many studies: the numbers of the studies of each stack, and its design.

    What `plan` draws with probabilities 0.4 and 0.5 is done here in two fifths and in half of the studies.
    """
    strength, number = rng.uniform(0.3, 0.45, studies), np.arange(studies)
    alike = {}
    for one in number:
        design = _designed(0, planted, per_site, bool(one % 5 < 2), bool(one % 2), 0, strength[one])
        alike.setdefault(design.repeated, []).append((one, design))
    for together in alike.values():
        members, designs = zip(*together, strict=True)
        kept = tuple(one.kept for one in designs)
        yield np.array(members), replace(
            designs[0], seed=int(rng.integers(2**31)), studies=len(designs), kept=kept if len(set(kept)) > 1 else kept[0],
            strength=tuple(one.strength for one in designs))


def _designed(seed, planted, per_site, several, chosen, excluded, strength) -> Design:
    patients = 0.8 if "majority" in planted else 0.7 if "oversampling" in planted else 0.5
    # Copies of people give most away to a classifier that sees all features.
    leaks = {"duplicates", "repeated", "oversampling"} & set(planted)
    kept = 20 if "selection" in planted or (chosen and not leaks) else None
    return Design(seed, per_site, patients, several or "repeated" in planted, kept, excluded, strength,
                  "harmonised" in planted)


@dataclass
class _Rows:
    """Scans of a stack: features without the target column, that column, diagnosis, who is still in the study
    (each with the studies first, or 1 where they agree); person, site, age (the same in all studies)."""

    X: np.ndarray
    dose: np.ndarray
    y: np.ndarray
    present: np.ndarray
    person: np.ndarray
    site: np.ndarray
    age: np.ndarray

    def take(self, rows: np.ndarray) -> "_Rows":
        parts = (getattr(self, one.name) for one in fields(self))
        return _Rows(*(part[rows] if part.ndim == 1 else part[:, rows] for part in parts))

    def of_one(self) -> "_Rows":
        """The scans of the first study, without those that were left out."""
        here = self.take(np.flatnonzero(self.present[0]))
        return _Rows(here.X[0], here.dose[0], here.y[0], here.present[0], here.person, here.site, here.age)


def directions(design: Design) -> np.ndarray:
    """The shift of patients in every feature; the informative ones are spread over both halves."""
    shift = np.zeros(FEATURES)
    at = np.arange(INFORMATIVE) * (FEATURES // INFORMATIVE)
    shift[at] = np.where(np.arange(INFORMATIVE) % 2, 1, -1)
    return np.multiply.outer(design.strength, shift)


@functools.lru_cache(maxsize=1)  # a study is carried out again with a flaw repaired
def _scan(design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Everybody's scans at their sites as if all were controls, and whose they are. Not to be changed in place."""
    n, kind = design.per_site * len(SITES), design.kind
    rng = stream(design.seed, "scans")
    scans = rng.integers(2, 4, n) if design.repeated else np.ones(n, int)
    person = np.repeat(np.arange(n), scans)
    X = rng.standard_normal((design.studies, len(person), FEATURES), kind)
    if design.studies == 1:
        own = np.sqrt(RELIABILITY) * stream(design.seed, "people").standard_normal((1, n, FEATURES))
    elif design.repeated:
        # The same with fewer random numbers: the scans' own mean is made to vary enough to hold the person as well.
        first = np.cumsum(scans) - scans
        own = X[:, first]
        for one in (1, 2):
            own[:, scans > one] += X[:, first[scans > one] + one]
        own *= ((np.sqrt(scans * RELIABILITY + 1 - RELIABILITY) - np.sqrt(1 - RELIABILITY)) / scans)[:, None].astype(kind)
    else:
        own = X  # in one scan of each, nobody can tell people from noise, and the variance of both together is 1
    offsets = SITE_OFFSET * stream(design.seed, "sites").standard_normal((design.studies, len(SITES), FEATURES), kind)
    own.reshape(design.studies, len(SITES), design.per_site, FEATURES)[:] += offsets[:, :, None]
    if own is not X:
        X *= kind(np.sqrt(1 - RELIABILITY))
        X += own[:, person]
    return X, person


@functools.lru_cache(maxsize=1)
def _recruit(design: Design, active: frozenset[str]) -> _Rows:
    """All scans that the study has, before anything is left out. Not to be changed in place."""
    n = design.per_site * len(SITES)
    X, person = _scan(design)
    shares = np.full(len(SITES), design.patients)
    if "sites" in active:
        shares += np.array([0.4, 0.3, -0.3, -0.4])
    y = np.concatenate([np.arange(design.per_site) < round(share * design.per_site) for share in shares]).astype(int)
    # A dose has to be known for nine patients in ten; it is noisy, as records are.
    rng = stream(design.seed, "target")
    size = design.studies, n
    dose = rng.standard_normal(size) + 2.5 * y * (rng.random(size) < 0.9)
    shift = directions(design).astype(design.kind).reshape(-1, 1, FEATURES)
    sick, moved = np.flatnonzero(y[person]), np.flatnonzero(shift.any((0, 1)))
    X = X.copy()
    X[:, sick[:, None], moved] += shift[..., moved]
    age = stream(design.seed, "ages").normal(63, 8, n)
    site = np.repeat(np.arange(len(SITES)), design.per_site)
    rows = _Rows(X, dose[:, person], y[None, person], np.ones((1, len(person)), bool), person, site[person], age[person])
    if "duplicates" in active:
        rng = stream(design.seed, "twins")
        twins = rng.choice(n, n // 4, replace=False)
        again = rows.take(np.flatnonzero(np.isin(person, twins)))
        again.X = again.X + design.kind(0.1) * rng.standard_normal(again.X.shape, design.kind)
        again.person = again.person + n  # a number of their own
        rows = _joined(rows, again)
    return rows


def _joined(one: _Rows, other: _Rows) -> _Rows:
    pairs = [(getattr(one, part.name), getattr(other, part.name)) for part in fields(one)]
    return _Rows(*(np.concatenate(pair, axis=min(pair[0].ndim - 1, 1)) for pair in pairs))


def _harmonised(rows: _Rows) -> np.ndarray:
    """Features without site effects, estimated from all scans beside an effect of diagnosis that is kept."""
    [y], [here] = rows.y, rows.present  # the same in all studies
    design = np.column_stack([rows.site[:, None] == np.arange(len(SITES)), y - y[here].mean()]).astype(float)
    effects = np.linalg.pinv(design[here]).astype(rows.X.dtype) @ rows.X[:, here]
    return rows.X - effects[:, rows.site]


def _mixed(design: Design, rows: _Rows) -> _Rows:
    """The rows and synthetic controls: mixtures of a control and one of its five nearest controls."""
    rng = stream(design.seed, "mixing")
    [y], [here] = rows.y, rows.present
    minority = np.flatnonzero((y == 0) & here)
    missing = here.sum() - 2 * len(minority)
    X = rows.X[:, minority]
    products = X @ np.swapaxes(X, -1, -2)
    squares = np.einsum("rii->ri", products)
    distance = squares[:, :, None] + squares[:, None] - 2 * products
    same = rows.person[minority, None] == rows.person[minority]
    distance = np.where(same, np.inf, distance)
    near = np.argpartition(distance, 5, axis=-1)[..., :5]
    near = np.take_along_axis(near, np.argsort(np.take_along_axis(distance, near, -1), axis=-1), -1)
    first = rng.integers(0, len(minority), missing)
    second = near[:, first, rng.integers(0, 5, missing)]
    share = rng.uniform(0, 0.5, missing).astype(X.dtype)[:, None]
    new = rows.take(minority[first])
    new.X = X[:, first] + share * (X[np.arange(len(X))[:, None], second] - X[:, first])
    new.person = rows.person.max() + 1 + np.arange(missing)
    return _joined(rows, new)


def _best(differences: np.ndarray, columns: np.ndarray, kept: int | None) -> np.ndarray:
    """The columns that differ most between the groups, of those given: shape (..., kept)."""
    columns = np.broadcast_to(columns, (*differences.shape[:-1], columns.shape[-1]))
    if kept is None or kept >= columns.shape[-1]:
        return columns
    found = np.take_along_axis(differences, columns, -1)
    return np.take_along_axis(columns, np.sort(np.argsort(-found, axis=-1, kind="stable")[..., :kept]), -1)


def _grouped(group: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of every group, shape (studies, groups, longest), and which of these places are filled.

    Rows whose group is -1 belong to none.
    """
    sizes = (group[:, None] == np.arange(number)[:, None]).sum(-1)
    order = np.argsort(group, axis=-1, kind="stable")
    start = np.sum(group < 0, axis=-1)[:, None] + np.cumsum(sizes, axis=-1) - sizes
    turn = np.arange(sizes.max())
    place = np.minimum(start[..., None] + turn, group.shape[-1] - 1)
    rows = np.take_along_axis(order, place.reshape(len(group), -1), -1).reshape(place.shape)
    return rows, turn < sizes[..., None]


class _Training:
    """What every set of training scans teaches, and that alone, for models of any of its columns.

    The sets of a study are its scans without one fold each, and last, with `whole`, all its scans. Sites' means,
    centre, scale and the difference between the groups follow from sums, and ridge regression (on the labels -1 and
    +1) needs no more than the products of the columns. So both are computed once for every fold and diagnosis; a set
    is all of them without those of its fold, and a model of some columns is a small system of equations.

    Parameters
    ----------
    X : numpy.ndarray, shape (studies, scans, columns)
    y, fold : numpy.ndarray of int, shape (studies or 1, scans)
        A fold of -1 means that the scan is not in the study.
    site : numpy.ndarray of int, shape (scans,)
    adjusted : bool
        Each site's mean of the features is subtracted from them.
    weighted : bool
        Both groups count the same.
    """

    def __init__(self, X, y, site, fold, *, adjusted: bool, weighted: bool, whole: bool = True):
        studies, _, p = X.shape
        kind = X.dtype
        self._scans = X.shape[1]
        self._rows, self._there = _grouped(np.where(fold < 0, -1, 2 * fold + y), 2 * FOLDS)
        self._site = site[self._rows]
        self._X = X[np.arange(studies)[:, None, None], self._rows]
        if not self._there.all():
            self._X *= self._there[..., None]

        def sets(parts):
            """From folds to training sets: everything without a fold, and everything."""
            total = parts.sum(1, keepdims=True)
            return np.concatenate([total - parts, total] if whole else [total - parts], axis=1)

        # Sums of each fold (or set), diagnosis and site; what has no columns is the same in all studies, or in none.
        here = (self._site[:, :, None] == np.arange(len(SITES))[:, None]) & self._there[:, :, None]
        sums = sets((here.astype(kind) @ self._X).reshape(studies, FOLDS, 2, len(SITES), p))
        counts = sets(here.sum(-1).reshape(-1, FOLDS, 2, len(SITES))).astype(kind)[..., None]
        squares = sets(np.einsum("rgmp,rgmp->rgp", self._X, self._X).reshape(studies, FOLDS, 2, p))
        means = sums.sum(2) / counts.sum(2) if adjusted else np.zeros((studies, counts.shape[1], len(SITES), p), kind)
        means[..., FEATURES:] = 0

        # Of the features as they are after that, for either diagnosis.
        taken = counts * means[:, :, None]
        inside = (sums - taken).sum(3)
        squares = squares - ((2 * sums - taken) * means[:, :, None]).sum(3)
        n = counts.sum(3)
        every = n.sum(2)
        self.scale = np.sqrt(squares.sum(2) / every - np.square(inside.sum(2) / every))
        averages = inside / n
        spread = ((squares / n - np.square(averages)) / n).sum(2)
        self.differences = np.abs(averages[:, :, 1] - averages[:, :, 0]) / np.sqrt(spread)

        weights = every[:, :, None] / (2 * n) if weighted else np.ones_like(n)
        total = (weights * n).sum(2)
        self.centre = (weights * inside).sum(2) / total
        target = np.array([[-1], [1]], kind)
        self.middle = (weights * n * target).sum(2) / total
        self._towards = (weights * (target - self.middle[:, :, None]) * (inside - n * self.centre[:, :, None])).sum(2)

        # For the products: what each fold and diagnosis counts in a set, and what means and centre take away.
        in_set = np.concatenate([1 - np.eye(FOLDS), np.ones((1, FOLDS))])[:counts.shape[1]].astype(kind)
        shares = (in_set[:, :, None] * weights[:, :, None, :, 0]).reshape(-1, len(in_set), 2 * FOLDS)
        self._shares = np.broadcast_to(shares, (studies, *shares.shape[1:]))
        self._away = means + self.centre[:, :, None]
        weights = weights[:, :, :, None]
        half = (weights * sums).sum(2) - (weights * counts).sum(2) * self._away / 2
        self._less = np.concatenate([half, self._away], 2), np.concatenate([self._away, half], 2)

    def fit(self, settings: list[tuple]) -> np.ndarray:
        """Models of every setting: columns, how many of these to keep (the best; None: all), penalties.

        Returns
        -------
        numpy.ndarray, shape (settings and their penalties, studies, sets, columns)
            Weights, 0 in columns without any.
        """
        chosen = [[_best(differences, columns, one) for differences, one in zip(self.differences, kept, strict=True)]
                  if isinstance(kept, tuple) else _best(self.differences, columns, kept) for columns, kept, _ in settings]
        models = np.zeros((sum(len(penalties) for *_, penalties in settings), *self.scale.shape), self.scale.dtype)
        p = models.shape[-1]
        solve = lapack.sposv if models.dtype == np.float32 else lapack.dposv
        # Study by study: the products of one fit into the processor's own memory.
        for one, (X, shares, left, right) in enumerate(zip(self._X, self._shares, *self._less, strict=True)):
            products = (shares @ (np.swapaxes(X, -1, -2) @ X).reshape(len(X), -1)).reshape(-1, p, p)
            products -= np.swapaxes(left, -1, -2) @ right
            scales, each = np.square(self.scale[one]), np.arange(len(products))[:, None]
            of_study = iter(models[:, one])
            for found, (*_, penalties) in zip(chosen, settings, strict=True):
                columns = found[one]
                every = columns.shape[-1] == p
                inner = products if every else products[each[..., None], columns[:, :, None], columns[:, None]]
                towards, squares = self._towards[one][each, columns], scales[each, columns]
                for penalty in penalties:
                    # The penalty is for features of scale 1.
                    systems = inner.copy()
                    np.einsum("kii->ki", systems)[:] += penalty * squares
                    next(of_study)[each, columns] = [solve(system.T, right_side, lower=True, overwrite_a=True)[1]
                                                     for system, right_side in zip(systems, towards, strict=True)]
        return models

    def outputs(self, weights: np.ndarray) -> np.ndarray:
        """What models say of the scans in their test folds: shape (studies, scans), NaN where there is none."""
        weights = weights[:, :FOLDS]
        studies, p = len(weights), weights.shape[-1]
        # As if means and centre were subtracted first.
        level = self.middle[:, :FOLDS] - (self._away[:, :FOLDS] @ weights[..., None])[..., 0]
        site = np.broadcast_to(self._site.reshape(len(self._site), FOLDS, -1), (studies, FOLDS, self._X[0].size // p // FOLDS))
        found = (self._X.reshape(studies, FOLDS, -1, p) @ weights[..., None])[..., 0] + np.take_along_axis(level, site, -1)
        # Places that are not filled are sent behind the end.
        rows = np.where(self._there, self._rows, self._scans).reshape(len(self._rows), -1)
        outputs = np.full((studies, self._scans + 1), np.nan)
        outputs[np.arange(studies)[:, None], rows] = found.reshape(studies, -1)
        return outputs[:, :-1]


def _folds(units: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The fold of every row: its unit's, dealt at random with equal shares of patients."""
    names, first, back = np.unique(units, return_index=True, return_inverse=True)
    order = rng.permutation(len(names))
    order = order[np.argsort(y[first][order], kind="stable")]
    fold = np.empty(len(names), int)
    fold[order] = np.arange(len(names)) % FOLDS
    return fold[back]


def _rate(sick: np.ndarray, well: np.ndarray, counts: tuple, balanced: bool) -> np.ndarray:
    """The score of so many patients and controls who are right, of so many that there are."""
    return (sick / counts[0] + well / counts[1]) / 2 if balanced else (sick + well) / (counts[0] + counts[1])


def _score(output: np.ndarray, y: np.ndarray, among: np.ndarray, cut: np.ndarray, balanced: bool) -> np.ndarray:
    """Scores of outputs of shape (studies, scans) at one cut-off for each study, among some of the scans."""
    high, sick, well = output > cut[:, None], among & (y == 1), among & (y == 0)
    return _rate((high & sick).sum(-1), (~high & well).sum(-1), (sick.sum(-1), well.sum(-1)), balanced)


def _cut_off(output: np.ndarray, y: np.ndarray, among: np.ndarray, balanced: bool) -> np.ndarray:
    """The cut-offs with the best scores on these very outputs; of several, the one nearest to 0."""
    order = np.argsort(output, axis=-1)  # who is not in the study (NaN) stands last
    ranked = np.take_along_axis(output, order, -1)
    sick, well = (np.take_along_axis(np.broadcast_to(among & (y == label), output.shape), order, -1) for label in (1, 0))
    counts = sick.sum(-1, keepdims=True), well.sum(-1, keepdims=True)
    below, zero = np.cumsum(well, axis=-1)[:, :-1], (ranked <= 0)
    above = counts[0] - np.cumsum(sick, axis=-1)[:, :-1]
    cuts = np.append((ranked[:, 1:] + ranked[:, :-1]) / 2, np.zeros((len(output), 1)), axis=-1)
    above = np.append(above, (sick & ~zero).sum(-1, keepdims=True), axis=-1)
    below = np.append(below, (well & zero).sum(-1, keepdims=True), axis=-1)
    scores = np.where(np.isnan(cuts), -1, _rate(above, below, counts, balanced))
    best = scores == scores.max(-1, keepdims=True)
    return np.take_along_axis(cuts, np.argmin(np.where(best, np.abs(cuts), np.inf), axis=-1)[:, None], -1)[:, 0]


@dataclass(frozen=True)
class Result:
    """One way to carry out a study, or a stack of studies: then everything but `counts` has the studies first.

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
    fold_scores : numpy.ndarray
        The scores of the test folds, for the error bar.
    first : float
        The score of the first run: before anybody was left out or read again, with the first setting, the first
        deal of the folds and no cut-off chosen.
    """

    reported: float
    true: float
    output: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    cut: float
    counts: dict = field(repr=False)
    fold_scores: np.ndarray | None = field(repr=False, default=None)
    first: float = field(repr=False, default=np.nan)


def carry_out(design: Design, active: Iterable[str], *, repetitions: int = 0, truth: bool = True) -> Result:
    """Run the study with these flaws.

    `repetitions` more deals of the folds serve its error bar. Without `truth`, nobody new is recruited to find the
    true score, which takes as long as the rest of a simple study.
    """
    all_of_it = carry_out_stack(design, active, repetitions=repetitions, truth=sampled_truth if truth else None)
    counts = dict(all_of_it.counts)
    here, rows = counts.pop("present")[0], counts.pop("rows").of_one()
    counts = {name: int(np.ravel(number)[0]) for name, number in counts.items()}
    counts |= {"scans": len(rows.y), "synthetic": int(here.sum()) - len(rows.y), "rows": rows,
               "people": len(np.unique(rows.person))}
    return Result(float(all_of_it.reported[0]), float(all_of_it.true[0]), all_of_it.output[0, here], all_of_it.y[0, here],
                  float(all_of_it.cut[0]), counts, all_of_it.fold_scores[0], float(all_of_it.first[0]))


def carry_out_stack(design: Design, active: Iterable[str], *, repetitions: int = 0, truth: Callable | None = None) -> Result:
    """Run a stack of studies with these flaws; `truth` is `sampled_truth` or `exact_truth`."""
    active = set(active)
    seed, studies = design.seed, design.studies
    balanced = "majority" not in active
    # Where the diagnosis goes with the site, a study that does not harmonise keeps the scanners' traces.
    per_site = "harmonised" not in active and ("sites" not in active or design.harmonises)
    rows = _recruit(design, frozenset(active & {"sites", "duplicates"}))
    grid = [(slice(None), design.kept, (PENALTY,))]
    if "tuning" in active:
        halves = (slice(None), slice(0, FEATURES // 2), slice(FEATURES // 2, None))
        sizes = KEPT if "selection" in active else (*KEPT, None)
        grid += [(half, kept, PENALTIES) for half in halves for kept in sizes]
    counts = {"outliers": 0, "revised": 0, "settings": sum(len(penalties) for *_, penalties in grid)}
    no_cut = np.zeros(studies)

    def prepare(rows):
        """The table that enters cross-validation."""
        rows = replace(rows, X=_harmonised(rows)) if "harmonised" in active else rows
        rows = _mixed(design, rows) if "oversampling" in active else rows
        if "target" in active:
            rows = replace(rows, X=np.concatenate([rows.X, rows.dose[..., None].astype(rows.X.dtype)], axis=-1))
        return rows

    def dealt(rows, number):
        """The fold of every scan; those that were left out have none."""
        rng = stream(seed, "folds", number)
        units = np.arange(len(rows.site)) if "repeated" in active else rows.person
        y, present = np.broadcast_arrays(rows.y, rows.present)
        fold = np.full(y.shape, -1)
        for one, label, here in zip(fold, y, present, strict=True):
            one[here] = _folds(units[here], label[here], rng)
        return fold

    def training(rows, fold, whole):
        return _Training(rows.X, rows.y, rows.site, fold, adjusted=per_site, weighted=balanced, whole=whole)

    def candidates(learnt):
        """The settings: columns to choose from, how many of them to keep, penalties."""
        columns, found = np.arange(learnt.scale.shape[-1]), []
        for half, kept, penalties in grid:
            some = np.concatenate([columns[:FEATURES][half], columns[FEATURES:]])
            if "selection" in active:
                # The last set are all scans.
                some, kept = _best(learnt.differences[:, -1:], some, kept), None
            found.append((some, kept, penalties))
        return found

    def unlike(rows, share):
        """Scans of people whom a first run gets wrong (by the mean over their scans); by luck, this share of them.

        Also how many people these are, and the score of that run.
        """
        ready = prepare(rows)
        learnt = training(ready, dealt(ready, 0), whole="selection" in active)
        found = learnt.outputs(learnt.fit(candidates(learnt)[:1])[0])
        score = _score(found, ready.y, ready.present, no_cut, balanced)
        # Everybody's scans stand one after the other.
        people, start, back, scans = np.unique(rows.person, return_index=True, return_inverse=True, return_counts=True)
        mean = np.add.reduceat(found[:, :len(rows.person)], start, axis=-1) / scans
        wrong = ((mean > 0) != (rows.y[:, start] > 0)) & rows.present[:, start]
        luck = stream(seed, "luck").random((studies, 2 * design.per_site * len(SITES)))[:, people]
        wrong &= luck < share
        return wrong[:, back], wrong.sum(-1), score

    first = None
    if "exclusions" in active:
        out, counts["outliers"], first = unlike(rows, 0.3)
        rows = replace(rows, present=rows.present & ~out)
    if "rereading" in active:
        turned, counts["revised"], score = unlike(rows, 0.3)
        first = score if first is None else first
        rows = replace(rows, y=np.where(turned, 1 - rows.y, rows.y))
    ready = prepare(rows)
    counts |= {"rows": rows, "present": ready.present}

    deals = range(SEEDS if "seeds" in active else 1)
    tried = [training(ready, dealt(ready, number), whole=number == 0 and (truth is not None or "selection" in active))
             for number in deals]
    settings = candidates(tried[0])
    models = [learnt.fit(settings) for learnt in tried]
    best, cut, chosen = np.full(studies, -1.0), no_cut, np.zeros(studies, int)
    output = np.zeros((studies, len(ready.site)))
    for number in range(len(models[0])):
        for learnt, of_deal in zip(tried, models, strict=True):
            found = learnt.outputs(of_deal[number])
            if first is None:
                first = _score(found, ready.y, ready.present, no_cut, balanced)
            cuts = _cut_off(found, ready.y, ready.present, balanced) if "threshold" in active else no_cut
            score = _score(found, ready.y, ready.present, cuts, balanced)
            better = score > best + 1e-9
            best, cut, chosen = (np.where(better, *pair) for pair in ((score, best), (cuts, cut), (number, chosen)))
            output[better] = found[better]
    fold_scores = []
    for number in range(SEEDS, SEEDS + repetitions):
        fold = dealt(ready, number)
        again = training(ready, fold, whole=False)
        found = again.outputs(again.fit(settings)[chosen[0]])  # only papers have an error bar
        fold_scores += [_score(found, ready.y, fold == one, cut, balanced) for one in range(FOLDS)]

    true = np.full(studies, np.nan)
    if truth is not None:
        weights, learnt = models[0][chosen, np.arange(studies), -1], tried[0]
        level = (learnt.middle[:, -1] - (learnt.centre[:, -1:] @ weights[..., None])[..., 0])[:, 0]
        true = truth(design, weights, level, cut, per_site or "harmonised" in active)
    y = np.broadcast_to(ready.y, output.shape)
    return Result(best, true, output, y, cut, counts, np.array(fold_scores).T.reshape(studies, -1), first)


def sampled_truth(design: Design, weights: np.ndarray, level: np.ndarray, cut: np.ndarray, adjusted: bool) -> np.ndarray:
    """Balanced accuracy on one scan of each of many people at new sites, before anybody is diagnosed.

    Every new site has the study's share of patients. Where the study centred its sites, a new site is
    centred by its own mean. A consequence of the diagnosis is not there yet: it looks as in controls.

    Parameters
    ----------
    design : Design
        Of a single study.
    weights : numpy.ndarray, shape (1, columns)
    level, cut : numpy.ndarray, shape (1,)
        Output at 0, and the cut-off.
    adjusted : bool

    Returns
    -------
    numpy.ndarray, shape (1,)
    """
    rng = stream(design.seed, "new")
    scores = []
    y = (np.arange(NEW_PER_SITE) < design.patients * NEW_PER_SITE).astype(int)
    [[*of_dose]], [weights] = weights[:, FEATURES:], weights[:, :FEATURES]
    for _ in range(NEW_SITES):
        # The model is linear: what people, disease and scanner add to its output are added up.
        output = rng.standard_normal((NEW_PER_SITE, FEATURES)) @ weights + y * (directions(design) @ weights)
        output += SITE_OFFSET * rng.standard_normal(FEATURES) @ weights
        dose = rng.standard_normal(NEW_PER_SITE)
        output -= adjusted * output.mean()
        output += (dose[:, None] * np.array(of_dose)).sum(1) + level
        scores.append(_score(output[None], y[None], np.ones((1, NEW_PER_SITE), bool), cut, True))
    return np.mean(scores, axis=0)


def exact_truth(design: Design, weights: np.ndarray, level: np.ndarray, cut: np.ndarray, adjusted: bool) -> np.ndarray:
    """As `sampled_truth`, for a stack, and on endless people at each of the new sites: there outputs are normal."""
    weights, of_dose = weights[:, :FEATURES].astype(float), weights[:, FEATURES:].astype(float)
    distance = (np.reshape(directions(design), (-1, FEATURES)) * weights).sum(-1)[:, None]
    squares = np.square(weights).sum(-1)[:, None]
    low = (level - cut)[:, None]
    if adjusted:
        # By the mean of people of whom each is one.
        low, spread = low - design.patients * distance, 1 - 1 / NEW_PER_SITE
    else:
        sites = stream(design.seed, "new").standard_normal((design.studies, NEW_SITES))
        low, spread = low + SITE_OFFSET * np.sqrt(squares) * sites, 1
    sd = np.sqrt(spread * squares + np.square(of_dose).sum(-1)[:, None])
    return ((ndtr((low + distance) / sd) + ndtr(-low / sd)) / 2).mean(-1)
