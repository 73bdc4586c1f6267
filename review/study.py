"""Small imaging studies, carried out with as many flaws as one likes.

Patients and controls are scanned at four sites, and a linear classifier is cross-validated. Every flaw is
really committed on the simulated scans. The true score is that of the study's own final model on many new
people at new sites.

Studies come in stacks: arrays of shape (studies, scans, features). The studies of a stack share who is
scanned where and how often, who is a patient and how the folds are dealt, until a flaw makes them differ. A
paper's study is a stack of one.

All random numbers belong to the seed, and every step has a stream of its own. So a study can be carried
out again with one flaw repaired and everything else, people, scans and folds, the same.

The flaws go by their names in `flaws.toml`, where it stands what they are.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace

import numpy as np
from scipy.special import ndtr
from threadpoolctl import ThreadpoolController

from review.training import Training, best

SITES = "ABCD"
FEATURES, INFORMATIVE = 120, 12  # the first half are thicknesses, the second half volumes
SITE_OFFSET = 0.6  # standard deviation over features, in units of that between people
RELIABILITY = 0.85  # share of a feature's variance that is the same in every scan of a person
FOLDS, SEEDS = 5, 10
PENALTY, PENALTIES, KEPT = 30.0, (3.0, 300.0), (10, 20, 40)
CAUGHT = 0.3  # share of those whom a first run gets wrong that are left out, or read again
NEW_SITES, NEW_PER_SITE = 10, 300
# What leaves the first run as it is: it is the study without the flaw.
LATER = {"exclusions", "rereading", "tuning", "seeds", "threshold"}

_STREAMS = (
    *("flaws", "design", "people", "scans", "sites", "target", "twins", "luck", "mixing", "folds", "new"),
    *("words", "ages", "effects"),
)


def stream(seed: int, name: str, *more: int) -> np.random.Generator:
    """The random numbers of one step of one study, or of one stack."""
    return np.random.default_rng([seed, _STREAMS.index(name), *more])


# The design: what stays the same when a flaw is repaired


@dataclass(frozen=True)
class Design:
    """What stays the same when a flaw is repaired; `kept` and `strength` are of each study of a stack."""

    seed: int
    per_site: int
    patients: float  # their share
    repeated: bool  # several scans of each person
    excluded: int  # people, because of motion
    harmonises: bool  # where the diagnosis goes with the site, what sites add is removed all the same
    kept: tuple[int | None, ...]  # so many features are selected, if any are
    strength: tuple[float, ...]  # distance of the groups in one informative feature, in standard deviations
    site_effects: float = 0.0  # standard deviation over sites of the shift of patients, in every feature

    @property
    def studies(self) -> int:
        return len(self.strength)

    @property
    def people(self) -> int:
        return self.per_site * len(SITES)

    @property
    def kind(self) -> type:
        """Of the scans. Single precision is enough for a panel; papers stay as they are to the last digit."""
        return np.float64 if self.studies == 1 else np.float32


def _designed(seed, planted, per_site, several, chosen, excluded, strength) -> Design:
    patients = 0.8 if "majority" in planted else 0.7 if "oversampling" in planted else 0.5
    # Copies of people give most away to a classifier that sees all features.
    leaks = {"duplicates", "repeated", "oversampling"} & set(planted)
    kept = tuple(20 if "selection" in planted or (one and not leaks) else None for one in chosen)
    several = several or "repeated" in planted
    return Design(seed, per_site, patients, several, excluded, "harmonised" in planted, kept, strength)


def plan(seed: int, planted: tuple[str, ...]) -> Design:
    """The design of a paper's study."""
    rng = stream(seed, "design")
    per_site = int(rng.integers(20, 31))
    several, chosen = rng.random(2) < (0.4, 0.5)
    excluded, strength = int(rng.integers(3, 9)), rng.uniform(0.3, 0.45)
    return _designed(seed, planted, per_site, bool(several), (chosen,), excluded, (strength,))


def plan_stacks(
    rng: np.random.Generator, planted: tuple[str, ...], per_site: int, studies: int
) -> list[tuple[np.ndarray, Design]]:
    """Designs like those of `plan`, of many studies: the numbers of the studies of each stack, its design.

    What `plan` draws with probabilities 0.4 and 0.5 is done here in two fifths and in half of the studies.
    """
    strength, number = rng.uniform(0.3, 0.45, studies), np.arange(studies)
    several = (number % 5 < 2) | ("repeated" in planted)
    stacks = []
    for one in dict.fromkeys(several):  # in the order in which they come
        members = number[several == one]
        design = _designed(0, planted, per_site, bool(one), members % 2, 0, tuple(strength[members]))
        stacks.append((members, replace(design, seed=int(rng.integers(2**31)))))
    return stacks


def directions(design: Design) -> np.ndarray:
    """The shift of patients in every feature, mean of all sites: shape (studies, features).

    The informative features are spread over both halves.
    """
    shift = np.zeros(FEATURES)
    at = np.arange(INFORMATIVE) * (FEATURES // INFORMATIVE)
    shift[at] = np.where(np.arange(INFORMATIVE) % 2, 1, -1)
    return np.multiply.outer(design.strength, shift)


# The scans


@dataclass
class Rows:
    """Scans of a stack: features without the target column, that column, diagnosis, who is still in the study
    (each with the studies first, or 1 where they agree); person, site, age (the same in all studies)."""

    X: np.ndarray
    dose: np.ndarray
    y: np.ndarray
    present: np.ndarray
    person: np.ndarray
    site: np.ndarray
    age: np.ndarray

    def parts(self) -> dict[str, np.ndarray]:
        """All arrays by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def take(self, rows: np.ndarray) -> "Rows":
        """Some of the scans."""
        return Rows(*(part[rows] if part.ndim == 1 else part[:, rows] for part in self.parts().values()))

    def and_also(self, other: "Rows") -> "Rows":
        """These scans and, after them, others."""
        pairs = zip(self.parts().values(), other.parts().values(), strict=True)
        return Rows(*(np.concatenate(pair, axis=min(pair[0].ndim - 1, 1)) for pair in pairs))

    def of_study(self, number: int = 0) -> "Rows":
        """The scans of one study, without those that were left out."""
        present = self.present[number % len(self.present)]
        parts = self.take(np.flatnonzero(present)).parts()
        return Rows(*(part if part.ndim == 1 else part[number % len(part)] for part in parts.values()))


@functools.lru_cache(maxsize=1)  # a study is carried out again with a flaw repaired
def _scan(design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Everybody's scans at their sites as if all were controls, and whose they are."""
    n, kind = design.people, design.kind
    rng = stream(design.seed, "scans")
    scans = rng.integers(2, 4, n) if design.repeated else np.ones(n, int)
    person = np.repeat(np.arange(n), scans)
    X = rng.standard_normal((design.studies, len(person), FEATURES), kind)
    if design.studies == 1:
        own = np.sqrt(RELIABILITY) * stream(design.seed, "people").standard_normal((1, n, FEATURES))
    elif design.repeated:
        # With fewer random numbers: the scans' own mean is made to vary enough to hold the person as well.
        first = np.cumsum(scans) - scans
        own = X[:, first]
        for one in (1, 2):
            own[:, scans > one] += X[:, first[scans > one] + one]
        more = (np.sqrt(scans * RELIABILITY + 1 - RELIABILITY) - np.sqrt(1 - RELIABILITY)) / scans
        own *= more[:, None].astype(kind)
    else:
        own = X  # in one scan of each, nobody can tell people from noise: the variance of both together is 1
    offsets = stream(design.seed, "sites").standard_normal((design.studies, len(SITES), FEATURES), kind)
    by_site = own.reshape(design.studies, len(SITES), design.per_site, FEATURES)
    by_site[:] += SITE_OFFSET * offsets[:, :, None]
    if own is not X:
        X *= kind(np.sqrt(1 - RELIABILITY))
        X += own[:, person]
    return X, person


@functools.lru_cache(maxsize=1)
def _recruit(design: Design, active: frozenset[str]) -> Rows:
    X, person = _scan(design)
    shares = np.full(len(SITES), design.patients)
    if "sites" in active:
        shares += np.array([0.4, 0.3, -0.3, -0.4])
    y = np.concatenate([np.arange(design.per_site) < round(share * design.per_site) for share in shares])
    y = y.astype(int)
    # A dose has to be known for nine patients in ten; it is noisy, as records are.
    rng = stream(design.seed, "target")
    size = design.studies, design.people
    dose = rng.standard_normal(size) + 2.5 * y * (rng.random(size) < 0.9)
    shift = directions(design).astype(design.kind)[:, None]
    sick, moved = np.flatnonzero(y[person]), np.flatnonzero(shift.any((0, 1)))
    X = X.copy()
    X[:, sick[:, None], moved] += shift[..., moved]
    site = np.repeat(np.arange(len(SITES)), design.per_site)[person]
    if design.site_effects:
        size = design.studies, len(SITES), FEATURES
        effects = stream(design.seed, "effects").standard_normal(size, design.kind)
        X[:, sick] += design.site_effects * effects[:, site[sick]]
    age = stream(design.seed, "ages").normal(63, 8, design.people)
    present = np.ones((1, len(person)), bool)
    rows = Rows(X, dose[:, person], y[None, person], present, person, site, age[person])
    if "duplicates" in active:
        rng = stream(design.seed, "twins")
        twins = rng.choice(design.people, design.people // 4, replace=False)
        again = rows.take(np.flatnonzero(np.isin(person, twins)))
        again.X = again.X + design.kind(0.1) * rng.standard_normal(again.X.shape, design.kind)
        again.person = again.person + design.people  # a number of their own
        rows = rows.and_also(again)
    return rows


def recruit_scans(design: Design, active: Iterable[str]) -> Rows:
    """All scans that a study has with these flaws, before any is left out. Not to be changed in place."""
    return _recruit(design, frozenset(active) & {"sites", "duplicates"})


def _harmonised(rows: Rows) -> np.ndarray:
    """Features without site effects, estimated from all scans beside an effect of diagnosis that is kept."""
    [y], [here] = rows.y, rows.present  # the same in all studies
    model = np.column_stack([rows.site[:, None] == np.arange(len(SITES)), y - y[here].mean()]).astype(float)
    effects = np.linalg.pinv(model[here]).astype(rows.X.dtype) @ rows.X[:, here]
    return rows.X - effects[:, rows.site]


def _mixed(design: Design, rows: Rows) -> Rows:
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
    return rows.and_also(new)


def deal(units: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The fold of every row: its unit's, dealt at random with equal shares of patients."""
    names, first, back = np.unique(units, return_index=True, return_inverse=True)
    order = rng.permutation(len(names))
    order = order[np.argsort(y[first][order], kind="stable")]
    fold = np.empty(len(names), int)
    fold[order] = np.arange(len(names)) % FOLDS
    return fold[back]


# The scores


def _rate(sick: np.ndarray, well: np.ndarray, counts: tuple, balanced: bool) -> np.ndarray:
    """The score of so many patients and controls who are right, of so many that there are."""
    if balanced:
        return (sick / counts[0] + well / counts[1]) / 2
    return (sick + well) / (counts[0] + counts[1])


def _score(
    output: np.ndarray, y: np.ndarray, among: np.ndarray, cut: np.ndarray, balanced: bool
) -> np.ndarray:
    """Scores of outputs of shape (studies, scans) at one cut-off for each study, among some of the scans."""
    high, sick, well = output > cut[:, None], among & (y == 1), among & (y == 0)
    right = (high & sick).sum(-1), (~high & well).sum(-1)
    return _rate(*right, (sick.sum(-1), well.sum(-1)), balanced)


def _cut_off(output: np.ndarray, y: np.ndarray, among: np.ndarray, balanced: bool) -> np.ndarray:
    """The cut-offs with the best scores on these very outputs; of several, the one nearest to 0."""
    order = np.argsort(output, axis=-1)  # who is not in the study (NaN) stands last
    ranked = np.take_along_axis(output, order, -1)
    sick, well = (
        np.take_along_axis(np.broadcast_to(among & (y == label), output.shape), order, -1) for label in (1, 0)
    )
    counts = sick.sum(-1, keepdims=True), well.sum(-1, keepdims=True)
    below, zero = np.cumsum(well, axis=-1)[:, :-1], (ranked <= 0)
    above = counts[0] - np.cumsum(sick, axis=-1)[:, :-1]
    cuts = np.append((ranked[:, 1:] + ranked[:, :-1]) / 2, np.zeros((len(output), 1)), axis=-1)
    above = np.append(above, (sick & ~zero).sum(-1, keepdims=True), axis=-1)
    below = np.append(below, (well & zero).sum(-1, keepdims=True), axis=-1)
    scores = np.where(np.isnan(cuts), -1, _rate(above, below, counts, balanced))
    highest = scores == scores.max(-1, keepdims=True)
    nearest = np.argmin(np.where(highest, np.abs(cuts), np.inf), axis=-1)
    return np.take_along_axis(cuts, nearest[:, None], -1)[:, 0]


def _rates(
    design: Design, weights: np.ndarray, low: np.ndarray, adjusted: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivity and specificity at ten new sites, in endless people before anybody is diagnosed.

    Outputs of a linear model are normal there. Every new site has the study's share of patients. Where the
    study centred its sites, a new site is centred by its own mean. A consequence of the diagnosis is not
    there yet: it looks as in controls.

    `weights` has shape (studies, columns), `low`, the output at 0 minus the cut-off, (studies,); each rate
    has (studies, NEW_SITES).
    """
    low, rng = np.repeat(low[:, None], NEW_SITES, axis=1), stream(design.seed, "new")
    weights, of_dose = weights[:, :FEATURES].astype(float), weights[:, FEATURES:].astype(float)
    squares, sites = np.square(weights).sum(-1)[:, None], (design.studies, NEW_SITES)
    distance = (directions(design) * weights).sum(-1)[:, None]
    offsets = SITE_OFFSET * np.sqrt(squares) * rng.standard_normal(sites)
    if design.site_effects:
        distance = distance + design.site_effects * np.sqrt(squares) * rng.standard_normal(sites)
    # A site of 300 is centred by the mean of people of whom each is one.
    low += -design.patients * distance if adjusted else offsets
    spread = 1 - 1 / NEW_PER_SITE if adjusted else 1
    sd = np.sqrt(spread * squares + np.square(of_dose).sum(-1)[:, None])
    return ndtr((low + distance) / sd), ndtr(-low / sd)


# The analysis


@dataclass(frozen=True)
class Result:
    """One way to carry out a study, or a stack: then everything but `counts` has the studies first."""

    reported: float  # the score that is printed
    true: (
        float  # the same score of the final model, on new people at new sites; NaN if that was not asked for
    )
    balanced: float  # the balanced accuracy there; differs from `true` where accuracy is reported
    output: np.ndarray = field(repr=False)  # of the classifier in the test folds, shape (scans,)
    y: np.ndarray = field(repr=False)  # the diagnoses that it was compared with
    cut: float  # the cut-off
    counts: dict = field(repr=False)  # what was counted on the way: exclusions, settings, scans and so on
    fold_scores: np.ndarray = field(repr=False)  # of the test folds, for the error bar
    # Before anybody was left out or read again; the first setting and deal of the folds, no cut-off chosen:
    first: float = field(repr=False)


class _Analysis:
    """The steps of a study with these flaws."""

    def __init__(self, design: Design, active: set[str]):
        self.design, self.active = design, active
        self.balanced = "majority" not in active
        # Where the diagnosis goes with the site, a study that does not harmonise keeps the scanners' traces.
        self.centres = "harmonised" not in active and ("sites" not in active or design.harmonises)
        self.grid = [(slice(None), design.kept, (PENALTY,))]
        if "tuning" in active:
            sizes = KEPT if "selection" in active else (*KEPT, None)
            for half in (slice(None), slice(0, FEATURES // 2), slice(FEATURES // 2, None)):
                self.grid += [(half, (size,) * design.studies, PENALTIES) for size in sizes]
        self.no_cut = np.zeros(design.studies)

    def prepare(self, rows: Rows) -> Rows:
        """The table that enters cross-validation."""
        if "harmonised" in self.active:
            rows = replace(rows, X=_harmonised(rows))
        if "oversampling" in self.active:
            rows = _mixed(self.design, rows)
        if "target" in self.active:
            dose = rows.dose[..., None].astype(rows.X.dtype)
            rows = replace(rows, X=np.concatenate([rows.X, dose], axis=-1))
        return rows

    def dealt(self, rows: Rows, number: int) -> np.ndarray:
        """The fold of every scan; those that were left out have none."""
        units = np.arange(len(rows.site)) if "repeated" in self.active else rows.person
        y, present = np.broadcast_arrays(rows.y, rows.present)
        fold = np.full(y.shape, -1)
        for one, (label, here) in enumerate(zip(y, present, strict=True)):
            # Studies that agree are dealt alike; where they differ, each has random numbers of its own.
            rng = stream(self.design.seed, "folds", number, *([one] if len(y) > 1 else []))
            fold[one, here] = deal(units[here], label[here], rng)
        return fold

    def training(self, rows: Rows, number: int, *, whole: bool) -> Training:
        fold, centred = self.dealt(rows, number), FEATURES * self.centres
        how = {"folds": FOLDS, "centred": centred, "weighted": self.balanced, "whole": whole}
        return Training(rows.X, rows.y, rows.site, fold, **how)

    def settings(self, learnt: Training) -> list[tuple]:
        """Columns to choose from, how many of them to keep, penalties."""
        columns, found = np.arange(learnt.scale.shape[-1]), []
        for half, kept, penalties in self.grid:
            some = np.concatenate([columns[:FEATURES][half], columns[FEATURES:]])
            if "selection" in self.active:
                # The last set are all scans.
                some, kept = best(learnt.differences[:, -1:], some, kept[0]), (None,) * len(kept)
            found.append((some, kept, penalties))
        return found

    def score(self, output: np.ndarray, rows: Rows, cut: np.ndarray) -> np.ndarray:
        return _score(output, rows.y, rows.present, cut, self.balanced)

    def caught(self, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scans of some of the people whom a first run gets wrong (by the mean over their scans).

        Also how many people these are, and the score of that run.
        """
        ready = self.prepare(rows)
        learnt = self.training(ready, 0, whole="selection" in self.active)
        found = learnt.outputs(learnt.fit(self.settings(learnt)[:1])[0])
        # Everybody's scans stand one after the other.
        unique = np.unique(rows.person, return_index=True, return_inverse=True, return_counts=True)
        people, start, back, scans = unique
        mean = np.add.reduceat(found[:, : len(rows.person)], start, axis=-1) / scans
        wrong = ((mean > 0) != (rows.y[:, start] > 0)) & rows.present[:, start]
        luck = stream(self.design.seed, "luck").random((self.design.studies, 2 * self.design.people))
        wrong &= luck[:, people] < CAUGHT
        return wrong[:, back], wrong.sum(-1), self.score(found, ready, self.no_cut)

    def revised(self, rows: Rows) -> tuple[Rows, dict, np.ndarray | None]:
        """The scans after people were left out, or read again, because of a first run; counts; its score."""
        first, counts = None, {"outliers": 0, "revised": 0}
        if "exclusions" in self.active:
            out, counts["outliers"], first = self.caught(rows)
            rows = replace(rows, present=rows.present & ~out)
        if "rereading" in self.active:
            turned, counts["revised"], score = self.caught(rows)
            first = score if first is None else first
            rows = replace(rows, y=np.where(turned, 1 - rows.y, rows.y))
        return rows, counts, first

    def most_favourable(self, ready: Rows, tried: list[Training], models: list[np.ndarray]):
        """The highest score of all settings and deals, its outputs, cut-off and setting; the first score."""
        studies = self.design.studies
        highest, cut, chosen = np.full(studies, -1.0), self.no_cut, np.zeros(studies, int)
        output, first = np.zeros((studies, len(ready.site))), None
        for number in range(len(models[0])):
            for learnt, of_deal in zip(tried, models, strict=True):
                found, cuts = learnt.outputs(of_deal[number]), self.no_cut
                first = self.score(found, ready, cuts) if first is None else first
                if "threshold" in self.active:
                    cuts = _cut_off(found, ready.y, ready.present, self.balanced)
                score = self.score(found, ready, cuts)
                better = score > highest + 1e-9
                pairs = ((score, highest), (cuts, cut), (number, chosen))
                highest, cut, chosen = (np.where(better, *pair) for pair in pairs)
                output[better] = found[better]
        return highest, output, cut, chosen, first


def carry_out_stack(design: Design, active: Iterable[str], *, repetitions=0, truth=True) -> Result:
    """Run a stack of studies with these flaws.

    `repetitions` more deals of the folds serve the error bar. Without `truth` there is no final model.
    """
    way = _Analysis(design, set(active))
    rows, counts, first = way.revised(recruit_scans(design, way.active))
    ready = way.prepare(rows)
    counts |= {"settings": sum(len(penalties) for *_, penalties in way.grid)}
    counts |= {"rows": rows, "present": ready.present}

    deals, needed = range(SEEDS if "seeds" in way.active else 1), truth or "selection" in way.active
    tried = [way.training(ready, number, whole=number == 0 and needed) for number in deals]
    settings = way.settings(tried[0])
    models = [learnt.fit(settings) for learnt in tried]
    highest, output, cut, chosen, first_here = way.most_favourable(ready, tried, models)
    fold_scores = []
    for number in range(SEEDS, SEEDS + repetitions):  # only papers have an error bar
        again, fold = way.training(ready, number, whole=False), way.dealt(ready, number)
        found = again.outputs(again.fit(settings)[chosen[0]])
        fold_scores += [_score(found, ready.y, fold == one, cut, way.balanced) for one in range(FOLDS)]

    true = balanced = np.full(design.studies, np.nan)
    if truth:
        weights, learnt = models[0][chosen, np.arange(design.studies), -1], tried[0]
        level = (learnt.middle[:, -1] - (learnt.centre[:, -1:] @ weights[..., None])[..., 0])[:, 0]
        adjusted = way.centres or "harmonised" in way.active
        sensitivity, specificity = _rates(design, weights, level - cut, adjusted)
        true = balanced = ((sensitivity + specificity) / 2).mean(-1)
        if not way.balanced:
            true = (design.patients * sensitivity + (1 - design.patients) * specificity).mean(-1)
    y, fold_scores = np.broadcast_to(ready.y, output.shape), np.array(fold_scores).T
    first = first_here if first is None else first
    fold_scores = fold_scores.reshape(design.studies, -1)
    return Result(highest, true, balanced, output, y, cut, counts, fold_scores, first)


def carry_out(design: Design, active: Iterable[str], **more) -> Result:
    """Run the study of a paper with these flaws; `more` goes to `carry_out_stack`."""
    with one_thread():
        found = vars(carry_out_stack(design, active, **more))
    counts = dict(found.pop("counts"))
    here, rows = counts.pop("present")[0], counts.pop("rows").of_study()
    counts = {name: int(np.ravel(number)[0]) for name, number in counts.items()}
    counts |= {"scans": len(rows.y), "synthetic": int(here.sum()) - len(rows.y), "rows": rows}
    found = {name: value[0] for name, value in found.items()}
    found |= {name: float(value) for name, value in found.items() if np.ndim(value) == 0}
    return Result(**found | {"output": found["output"][here], "y": found["y"][here], "counts": counts})


@functools.cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all libraries of the process, which takes a while


def one_thread():
    """The matrices are small: a second thread would only get in the way."""
    return _threads().limit(limits=1)
