"""The checks of exercise 05: selection, repeated scans, tuning, resampling, both at once, permutation."""

from functools import partial

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from checks.identities import opposite
from checks.judge import (
    ANOTHER,
    CLEAR,
    NotYet,
    Row,
    Scores,
    Signal,
    accuracy_on_blank,
    blank,
    check,
    hide,
    score,
)

FITTED = "the model is scored on scans that it was fitted to. → Fit it to some scans, and score it on others."
LOT = "subjects whose label was drawn by lot"

# Data


def scans(rng, n=50, p=1000, *, effect=0.0, rare=0.5, shifted=100):
    """X, y: one scan per subject; `shifted` features are higher by `effect` in class 1, the rare one."""
    y = rng.permutation((np.arange(n) < round(n * rare)).astype(int))
    X = rng.standard_normal((n, p))
    X[:, :shifted] += effect * y[:, None]
    return X, y


def hidden(rng, n=100, p=300):
    """X, y: a fifth are patients, and most of these look like controls, so that measures differ.

    Who learns has an accuracy of .74 (a tree) to .88, and a recall, precision or F1 far from that.
    """
    y = rng.permutation((np.arange(n) < n // 5).astype(int))
    X = rng.standard_normal((n, p))
    X[:, :60] += 3 * hide(rng, y)[:, None]
    return X, y


def scanned(rng, X, y, n_scans=4, spread=0.1):
    """X, y, subjects: several scans of every person, more or less alike, in random order."""
    who = rng.permutation(np.repeat(np.arange(len(y)), n_scans))
    names = rng.choice(np.arange(100, 1000), len(y), replace=False)
    return X[who] + spread * rng.standard_normal((len(who), X.shape[1])), y[who], names[who]


def repeated(rng, n=40, p=60, *, effect=0.0, spread=None):
    """X, y, subjects: each subject's label is drawn by lot."""
    return scanned(rng, *scans(rng, n, p, effect=effect), spread=spread or rng.choice([0.1, 0.5]))


def hidden_repeated(rng):
    return scanned(rng, *hidden(rng, 60), 3)


# Tasks 1 and 2: the best features; the same subject again


def _selection_leaks(learner, draw, mean):
    # With 20 features there is nothing to choose, so what remains is no selection leak.
    few = learner.maybe([scans(draw(900 + i), p=20) for i in range(6)])
    if few > 0.72:
        return f"with 20 features, where nothing needs to be selected, it is {few:.2f}, so {FITTED}"
    return (
        "the selection saw the labels of the test fold, or something else was chosen by the score. → Choose "
        "the features anew in every fold, from the training scans alone."
    )


def few_features(rng):
    """X, y: so few features are informative that models of all, or of others, learn little."""
    X, y = scans(rng, 80, 1000, effect=1.6, shifted=8)
    return X[:, rng.permutation(1000)], y


NOT_THE_BEST = (
    "Whoever keeps the 20 best features gets that. → Choose the 20 features that go best with the label, in "
    "every fold anew, and train on these, with their own labels."
)
SELECTION = Scores(
    partial(scans, p=2500),  # so many that a filter on all scans leaks, though the folds select once more
    50, _selection_leaks,
    (Signal(few_features, 0.82, 1.0, NOT_THE_BEST, "eight informative features among a thousand"),
     Signal(hidden, 0.66, 0.95, ANOTHER, "hidden patients")),
    least=0.05, exact=partial(accuracy_on_blank, make=hidden),
)  # fmt: skip


@check("X", "y", read=score("accuracy"))
def selection(learner, draw):
    """``evaluate(X, y)``: features chosen inside the folds, accuracy returned."""
    SELECTION.judge(learner, draw)


def repeated_leaks(person, alone):
    """What leaks where a person has several scans; `alone`: what to say if one scan of each is as high."""

    def leak(learner, draw, mean):
        single = learner.maybe([(*scans(draw(900 + i), p=60), np.arange(50) + 100) for i in range(12)])
        if single > 0.72:
            return f"with one scan of each {person} it is {single:.2f}, so {alone}"
        if mean < 0.75 and single > 0.545:
            return (
                f"with one scan of each {person} it is {single:.2f}, so the {person}s are not the reason: "
                "features or settings were chosen with labels of the test scans, or by the score. → Do that "
                "inside the folds."
            )
        X, y, whose = repeated(draw(910), p=20, spread=2)
        mixed = [learner.maybe([(X, y, draw(i).permutation(whose))]) for i in (910, 911)]
        start = f"the same {person} stands on both sides of the split."
        if np.ptp([*mixed, learner.maybe([(X, y, whose)])]) < 1e-12:
            return (
                f"{start} The score does not change when the {person}s are mixed up, so `{person}s` has no "
                "effect on the folds. → Take a splitter that knows groups (GroupKFold, say); others ignore "
                "`groups`."
            )
        return (
            f"{start} `{person}s` has an effect, but does not keep a {person}'s scans together. → Split by "
            f"{person}."
        )

    return leak


REPEATED = Scores(
    repeated, 40, repeated_leaks("subject", FITTED),
    (Signal(partial(repeated, effect=3), 0.75, 1.0),
     Signal(hidden_repeated, 0.66, 0.95, ANOTHER, "hidden patients")),
    LOT, least=0.05, exact=partial(accuracy_on_blank, make=hidden_repeated),
)  # fmt: skip


@check("X", "y", "subjects", read=score("accuracy"))
def repeated_scans(learner, draw):
    """``evaluate(X, y, subjects)``: no subject on both sides of a split, accuracy returned."""
    REPEATED.judge(learner, draw)


# Tasks 3 and 5: the best of many settings, with one scan or several of each subject


class Quick(ClassifierMixin, BaseEstimator):
    """A classifier whose accuracy is counted at once: to look at all labels again takes most of a search."""

    def score(self, X, y, sample_weight=None):
        return float(np.average(self.predict(X) == y, weights=sample_weight))


class ByHeart(Quick):
    """A model that knows by heart whom it has seen, and looks at one measure, number `rule`, in all others.

    All scans of a person have the same first feature, by which the model knows the person. Rule 0 makes no
    mistake in people whom it knows, and guesses in all others, otherwise after every fit; other rules make a
    slip in every tenth scan of people whom they know. So who chooses by scans of known people takes rule 0,
    and fails in new ones. A contrary model always says the opposite.
    """

    def __init__(self, rule=0, contrary=False):
        self.rule, self.contrary = rule, contrary

    def fit(self, X, y):
        X, y = np.asarray(X), np.asarray(y)
        self.classes_ = np.unique(y)
        self.label_ = dict(zip(X[:, 0], (y == self.classes_[-1]).astype(int), strict=True))
        self.middle_ = (X.min(axis=0) + X.max(axis=0)) / 2  # between the two heaps of every measure
        self.lot_ = 1e4 * np.abs(X[:, 1]).sum()
        return self

    def decision_function(self, X):
        X = np.asarray(X)
        lot = np.floor(self.lot_ * np.abs(X[:, 1])).astype(int)  # has nothing to do with the label
        guess = X[:, self.rule] > self.middle_[self.rule] if self.rule else lot % 2
        slip = (lot % 10 == 0) & (self.rule > 0)
        known = np.array([self.label_.get(who, -1) for who in X[:, 0]])
        return (2.0 * np.where(known < 0, guess, known ^ slip) - 1) * (-1 if self.contrary else 1)

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0) * (len(self.classes_) - 1)]


RULES = {"rule": [0, 1, 2, 3]}


def measured(rng, n, *, informative=None, rare=0.5, share=0.05):
    """X, y: three measures, each in two heaps; one may be informative, and `share` of the patients hide."""
    y = rng.permutation((np.arange(n) < round(n * rare)).astype(int))
    heap = rng.integers(2, size=(n, 4))
    if informative is not None:
        heap[:, informative] = hide(rng, y, share)
    X = (2 * heap - 1) * rng.uniform(1, 2, (n, 4))
    X[:, 0] = rng.permutation(n) - n / 2 + rng.random(n) / 2
    return X, y


def choices(n, wrap, blind):
    """Noise and signals for a function that chooses among `RULES`; `wrap` adds what else it takes."""

    def noise(rng, **one):
        return ByHeart(**one), {"rule": [0]} if one else RULES, *wrap(rng, *measured(rng, n))

    def signal(rng, only=False, **settings):
        good, order = int(rng.integers(1, 4)), rng.permutation(4).tolist()  # so that no place in it is right
        grid = {"rule": [good] if only else order}
        return ByHeart(), grid, *wrap(rng, *measured(rng, 2 * n, informative=good, **settings))

    def wrong(learner, draw, mean):
        fixed = learner.maybe([signal(draw(500 + i), only=True) for i in range(3)])
        start = (
            f"One of four settings is good, and the function reports {mean:.2f}; with that one alone it "
            f"reports {fixed:.2f}."
        )
        if fixed < 0.75:
            return (
                f"{start} The settings of the grid do not reach the model that is scored. → Give the grid to "
                "a search, and score what the search chooses."
            )
        return f"{start} {blind}"

    strong = Signal(signal, 0.8, 1.0, wrong, "one good setting among four")
    few = Signal(partial(signal, rare=0.25, share=0.6), 0.745, 0.95, ANOTHER, "hidden patients")
    return noise, (strong, few)


CHOSE = (
    "that chose the setting also gave the score. → Tune within the training scans, then score on scans that "
    "chose nothing."
)
TUNING_NOISE, TUNING_SIGNALS = choices(
    30,
    lambda rng, X, y: (X, y),
    "So it does not find the good one. → Choose the setting by its score on scans that the model was not "
    "fitted to.",
)

TUNING = Scores(
    TUNING_NOISE, 30,
    lambda *all: FITTED if all[-1] > 0.8 else f"the scans {CHOSE}",
    TUNING_SIGNALS, "pure noise with four settings", unseen="", exact=partial(opposite, make=TUNING_NOISE),
)  # fmt: skip


@check("model", "grid", "X", "y", read=score("accuracy"))
def tuning(learner, draw):
    """``evaluate(model, grid, X, y)``: settings chosen and tested on different scans, accuracy returned."""
    TUNING.judge(learner, draw)


def _nested_leaks(learner, draw, mean):
    if mean < 0.8:
        return f"the folds are grouped, but the subjects {CHOSE}"
    alone = [(ByHeart(), RULES, *measured(draw(i), 30), np.arange(30) + 100) for i in (900, 901)]
    if learner.maybe(alone) > 0.8:
        return f"with one scan per subject it is as high, so {FITTED}"
    return "the same subject stands on both sides of the outer split. → Group the outer folds by subject."


NESTED_NOISE, NESTED_SIGNALS = choices(
    24, partial(scanned, n_scans=6, spread=0),
    "When it may choose, it takes a setting that knows people by heart: where it chooses, the same subject "
    "stands on both sides of the inner split. → Group the inner folds too, with the subjects of the "
    "training rows.",
)  # fmt: skip
NESTED = Scores(
    NESTED_NOISE,
    24,
    _nested_leaks,
    NESTED_SIGNALS,
    LOT,
    unseen="",
    exact=partial(opposite, make=NESTED_NOISE),
)


@check("model", "grid", "X", "y", "subjects", read=score("accuracy"))
def nested_grouped(learner, draw):
    """``nested_grouped(model, grid, X, y, subjects)``: tuned in grouped folds inside grouped folds."""
    NESTED.judge(learner, draw)


# Task 4: the rare class


def _copies_leak(learner, draw, mean):
    even = learner.maybe([scans(draw(900 + i), 60, 60) for i in range(6)])
    if even > 0.72:
        return f"with classes of equal size it is {even:.2f}, so {FITTED}"
    return (
        f"where the classes are equal and nothing is resampled it is {even:.2f}. Copies of the same scan "
        "stand on both sides of the split, or the test labels had another say. → Split first; resample the "
        "training scans alone."
    )


def three_kinds(rng, n=300):
    """X, y: half of the patients are clear, half of the controls, and the others of both look alike.

    The balanced accuracy of every rule that tells the three kinds apart is .75, and its AUC is .87.
    """
    rows = rng.permutation(n)
    y = (rows < n // 5).astype(int)
    kind = (rows < n // 10).astype(int) + (rows < 6 * n // 10)
    X = rng.standard_normal((n, 4))
    X[:, 0] += 8 * kind
    return X, y


OVERLAP = (
    "Half of the patients cannot be told from half of the controls there, so that whatever is called, the "
    "balanced accuracy is 0.75. → Return the balanced accuracy, not an AUC or another measure, and score on "
    "scans that had no say."
)
rare_scans = partial(scans, n=120, p=60, rare=0.2)
OVERSAMPLING = Scores(
    rare_scans, 48,  # half of a balanced accuracy rests on the 24 patients, so it scatters like that of 48
    _copies_leak,
    (Signal(partial(rare_scans, effect=3), 0.75, 1.0),
     Signal(three_kinds, 0.6, 0.8, OVERLAP, "patients and controls who look alike")),
    "pure noise with a rare class", least=0.05,  # as of a cut-off chosen by the score
)  # fmt: skip


@check("X", "y", read=score("balanced accuracy"))
def oversampling(learner, draw):
    """``evaluate(X, y)``: no copy of a test scan in training, balanced accuracy returned."""
    sets = [rare_scans(draw(700 + i)) for i in range(4)]
    first = learner(*sets[0])
    alike = np.array([learner.maybe([blank(one)]) for one in sets])
    off = np.nan_to_num(alike - 0.5)  # exactly 0, but for folds of unequal shares; a model need not run
    if np.ptp([*alike, first]) > 0 and (
        np.abs(off).max() > 0.12 or (abs(off.mean()) > 0.03 and off.std() < 0.01)
    ):
        learner.rows.append(Row("scans that are all alike", tuple(alike), False, ("chance", 0.5)))
        raise NotYet(
            "Among scans that are all alike, a fifth of them of patients, the function reports "
            f"{alike[0]:.2f}. There is nothing to learn, so it is the size of the classes that counts. → "
            "Return the balanced accuracy, not the plain accuracy, and have both classes in every test "
            "fold; then chance is 0.50."
        )
    OVERSAMPLING.judge(learner, draw)


# Task 6: could it be luck?


class Witness(Quick):
    """Nearest centroid, with a memory of its fits and of subjects that it was fitted to and tested on.

    All scans of a subject have the same first feature, by which the witness knows the subject. A contrary
    witness says the opposite of what it has learnt.
    """

    fits: list[tuple[np.ndarray, np.ndarray]] = []  # noqa: RUF012 (one list for all clones is the point)
    shared = False

    def __init__(self, contrary=False):
        self.contrary = contrary

    def fit(self, X, y):
        X, y = np.asarray(X), np.asarray(y)
        self.known_ = X[:, 0]
        Witness.fits.append((self.known_, y))
        self.classes_ = np.unique(y)
        self.centres_ = np.array([X[y == one].mean(axis=0) for one in self.classes_])
        return self

    def decision_function(self, X):
        distance = ((np.asarray(X)[:, None] - self.centres_) ** 2).sum(axis=2)
        return (distance[:, 0] - distance[:, -1]) * (-1 if self.contrary else 1)

    def predict(self, X):
        who = np.asarray(X)[:, 0]
        # To predict exactly the training rows is a training score, which is no split.
        if not np.array_equal(who, self.known_) and np.isin(who, self.known_).any():
            Witness.shared = True
        return self.classes_[(self.decision_function(X) > 0) * (len(self.classes_) - 1)]


ROUNDS = 19


def witnessed(rng, n=12, *, effect=0.0, contrary=False, rounds=ROUNDS, one_class=False):
    X, y = scans(rng, n, 20, effect=effect)
    X, y, subjects = scanned(rng, X, np.zeros_like(y) if one_class else y, 5)
    X[:, 0] = subjects / 100
    return Witness(contrary), X, y, subjects, rounds


def _look_at_fits(fits, X, y):
    """Judge what the witness was fitted to; how many different parts had the recorded labels, and any."""
    label = dict(zip(X[:, 0], y, strict=True))
    known = [(who, given) for who, given in fits if set(who) <= set(label)]
    each = [dict(zip(who, given, strict=True)) for who, given in known]
    if any(
        (given != [one[name] for name in who]).any() for (who, given), one in zip(known, each, strict=True)
    ):
        raise NotYet(
            "In a permutation the scans of one subject got different labels: the labels were permuted scan "
            "by scan. → Permute them between subjects, so that all scans of a subject keep one label."
        )
    if Witness.shared:
        raise NotYet(
            "The same subject stands on both sides of the split, so every labelling scores well and the "
            "true one cannot stand out. → Group the folds by subject, as in the analysis itself."
        )
    if each and min(map(len, each)) == len(label):
        raise NotYet(
            "The model was fitted to all subjects every time, so none was left to score it on. → Score it "
            "in folds grouped by subject."
        )
    had = np.bincount(list(label.values()))
    if any((np.bincount(list(one.values()), minlength=2) > had).any() for one in each):
        raise NotYet(
            f"{had[1]} of {had.sum()} subjects are patients, and in a permutation there are more or fewer: "
            "the labels were drawn anew. → Permute them, so that every label is given exactly once."
        )
    if (
        known
        and len(known) == len(fits)
        and all(len({(label[w], g) for w, g in one.items()}) <= 2 for one in each)
    ):
        raise NotYet(
            f"With {ROUNDS} permutations the model was fitted {len(fits)} times, always to the labels as "
            "recorded: where it learns, nothing was permuted. "
            + (
                "→ Fit and score it anew for every permutation: the test is of the whole analysis, learning "
                "included."
                if len(fits) < ROUNDS
                else "Labels exchanged within a subject do not change. → Exchange them between subjects."
            )
        )

    parts = {frozenset(one.items()) for one in each}
    if len(each) > ROUNDS and len(parts) < len(each) / 5:
        raise NotYet(
            "The labels were given to the subjects in the same new order again and again. → Make the "
            "generator once, before the loop, so that every permutation is another one."
        )
    kept = [name for name, one in label.items() if all(found.get(name, one) == one for found in each)]
    if len(each) > ROUNDS and len(kept) > 2:
        raise NotYet(
            f"In {ROUNDS} permutations {len(kept)} of {len(label)} subjects never got another label: only a "
            "part of the labels was permuted. → Permute the labels of all subjects."
        )
    return sum(one <= label.items() for one in parts), len(parts)


def _scored_alike(recorded, parts):
    """Of so many different training parts, so many have the recorded labels: one in `ROUNDS` + 1."""
    if parts > ROUNDS and recorded > 1.5 * (parts - recorded) / ROUNDS:
        raise NotYet(
            f"The labels as recorded were scored in {recorded} different training parts, and every "
            f"permutation in {(parts - recorded) / ROUNDS:.0f}: not exactly alike. The best of several "
            "runs, say, beats one run of a permutation. → Score the permutations as the recorded labels."
        )


def _possible(found, rounds=ROUNDS):
    """p is (1 + b) / (1 + m) with a whole number b; it may be rounded."""
    steps = np.array(found) * (1 + rounds)
    off = np.abs(steps - np.maximum(np.round(steps), 1))
    if min(found) <= 0:
        raise NotYet(
            f"The function returns p = 0, but {rounds} permutations cannot show that: the labels as recorded "
            "are one possible labelling too. → Take p = (1 + number at least as good) / (1 + number of "
            "permutations)."
        )
    if max(off) > 0.12:
        raise NotYet(
            f"With n_permutations = {rounds}, p is one of 1 / {1 + rounds}, 2 / {1 + rounds} and so on, but "
            f"the function returns {found[int(np.argmax(off))]:.4f}. Does it use n_permutations? → Take (1 + "
            "number at least as good) / (1 + n_permutations)."
        )


@check("model", "X", "y", "subjects", "n_permutations", read=score("p-value"))
def permutation(learner, draw):
    """``permutation_p(model, X, y, subjects, n_permutations)``: labels permuted between subjects."""
    strong = witnessed(draw(0), 20, effect=3)
    Witness.fits, Witness.shared = [], False
    found = learner(*strong)
    fits, Witness.fits = Witness.fits, []
    if not fits and np.ptp([found, *learner.all([witnessed(draw(i)) for i in (1, 2, 3)])]) < 1e-12:
        raise NotYet(f"The function returns {found:.2f} whatever the data are. → Compute p from X and y.")
    parts = _look_at_fits(fits, *strong[1:3])
    learner.right.append("Every subject keeps one label, and stands on one side of every split.")
    _possible([found])
    _possible([learner(*witnessed(draw(1), 20, effect=3, rounds=10))], 10)
    _scored_alike(*parts)
    learner.twice(*strong)
    if found > 0.15:
        raise NotYet(
            f"Where there is strong real signal, p is {found:.2f}; with {ROUNDS} permutations 0.05 is "
            "possible. → Count the permutations that score at least as well as the labels as recorded, not "
            "those that score worse."
        )
    learner.right.append(f"On strong real signal p is {found:.2f}.")
    if fits:  # with another model than the witness, the two answers are not known exactly
        tied = learner.maybe([witnessed(draw(3), one_class=True)])
        if tied < 0.99:
            raise NotYet(
                "Where all subjects have the same label, every permutation is the recorded labelling again "
                f"and p is 1, but the function returns {tied:.2f}. → Count the permutations that score at "
                "least as well: >=, not >."
            )
        worse = learner.maybe([witnessed(draw(4), 20, effect=3, contrary=True)])
        if worse < 0.85:
            raise NotYet(
                "A model that is always wrong scores less than permuted labels do, so p is near 1, but the "
                f"function returns {worse:.2f}. → Count the permutations that score at least as well, on one "
                "side only."
            )
    _without_signal(learner, draw)


def _without_signal(learner, draw):
    """Without signal p is one of 1/10 … 10/10, each as often as the others, or larger where scores tie."""
    null, low = [], 3
    while 1 < low < CLEAR and len(null) < 80:
        null += [learner(*witnessed(draw(100 + len(null) + i), rounds=9)) for i in range(16)]
        low = (0.55 - np.mean(null)) / (0.288 / np.sqrt(len(null)))
    _possible(null, 9)
    few = f"0.1 or less in {sum(p < 0.101 for p in null)} of {len(null)} sets"
    learner.rows.append(Row("p without any signal", tuple(null), low < CLEAR, ("mean about", 0.5)))
    if low >= CLEAR:
        raise NotYet(
            f"On data sets without any signal p is {np.mean(null):.2f} on average, where 0.5 would be right, "
            f"and {few}. → Make the permuted scores exactly as the reported one, with labels that differ "
            "between subjects only."
        )
    learner.right.append(f"Without any signal p is {np.mean(null):.2f} on average, and {few}.")
