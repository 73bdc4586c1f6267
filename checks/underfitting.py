"""The checks of exercise 03: a test that sees more than lines, such a model, a word, the gain of a model."""

import operator
from functools import partial

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

from checks.intervals import Around
from checks.judge import (
    ANOTHER,
    NotYet,
    Row,
    Scores,
    Signal,
    blank,
    check,
    hide,
    numbers,
    reader,
    score,
)

# Data


def hidden(rng, shape, n=200, p=4, strength=2.0):
    """X, y: `shape` names what tells the groups apart; "line and exclusive or" holds both."""
    y = rng.permutation(np.arange(n) % 2)
    X = rng.standard_normal((n, p))
    if "exclusive or" in shape:
        side = rng.choice([-1, 1], n)
        X[:, :2] += strength * np.column_stack([side, side * np.where(y, 1, -1)])
    if shape == "spread":
        X[:, : max(p - 1, 1)] *= 1 + (strength * y)[:, None]
    if "line" in shape:
        X[:, -1] += (1 if "exclusive or" in shape else strength) * y
    return X, y


# Task 1: a test of both measures

SHAPES = {
    "straight line": (1.0, "a plain difference of the means"),
    "exclusive or": (1.5, "an exclusive or"),
    "spread": (1.0, "a difference of the spread alone"),
}
CORRECT = (
    "Several tests need a correction (multiply the smallest p by their number, and count those that you only "
    "look at when another finds nothing), neither tests nor folds of the same scans are independent, and a "
    "score needs scans that the model was not trained on."
)


# A p-value of noise is at most so small in at most this share of data sets; a test whose p-value holds for
# many scans (a likelihood ratio, say) may be off by a tenth with 200, and by more far out. Whoever takes the
# folds for independent gives noise a p of .01 ten times too often, which few sets are enough to see.
LEVELS = {0.05: 0.056, 0.2: 0.22, 0.5: 0.53, 0.01: 0.0125, 0.001: 0.0016}
BROKEN = 0.08  # a share of p-values up to 0.05 that is clearly too many


def nothing(rng, i):
    """X, y: pure noise. In every second set the measures are alike and far from 0, as real ones often are.

    Then tests of the measures, their squares and their product depend on each other. In the first forty they
    are ratings from 1 to 3: what luck shows in the training folds, it shows in the test folds as well.
    """
    X, y = hidden(rng, "noise", p=2)
    if i < 40:
        return np.digitize(X, [-0.5, 0.5]) + 1.0, y
    return (X @ [[1, 0.8], [0, 0.6]] + 3 if i % 2 else X), y


def false_alarms(learner, draw, most):
    """p-values of noise: until it is clear whether the promise is kept or broken, or the time is over.

    A slow function gets eight seconds, and more where its first p-values are suspicious.
    """
    values, started = [], learner.seconds
    while len(values) < most:
        start = len(values)
        values += [learner(*nothing(draw(1000 + i), i)) for i in range(start, start + 20)]
        null, seconds = np.array(values), learner.seconds - started
        if broken(null, 1e-7) or stats.binom.cdf(np.sum(null <= 0.05 + 1e-9), len(null), BROKEN) < 1e-4:
            break
        if len(values) >= 40 and seconds > (30 if broken(null, 0.01) else 8):
            break
    return np.array(values)


def broken(null, doubt):
    """The first of LEVELS at which there are more p-values than luck allows, or None."""
    counts = {level: np.sum(null <= level + 1e-9) for level in LEVELS}
    return next((a for a, k in counts.items() if k > stats.binom.isf(doubt, len(null), LEVELS[a])), None)


@check("X", "y", read=score("p-value"))
def hidden_signal(learner, draw):
    """``p_value(X, y)``: two measures; finds a line, an exclusive or, a spread; 5 % false alarms."""
    found = {}
    for number, (shape, (strength, _)) in enumerate(SHAPES.items()):
        sets = [hidden(draw(10 * number + i), shape, p=2, strength=strength) for i in range(5)]
        found[shape] = np.array([learner.twice(*sets[0]), *learner.all(sets[1:])])
        good = np.sum(found[shape] <= 0.05 + 1e-9) >= 3
        learner.rows.append(Row(f"p: {shape}", tuple(found[shape]), bool(good), ("limit", 0.05)))
    seen = [shape for shape in SHAPES if np.sum(found[shape] <= 0.05 + 1e-9) >= 3]
    # Where a signal is missed, few sets of noise are enough: that it is missed is to be said anyhow.
    null = false_alarms(learner, draw, 2000 if len(seen) == len(SHAPES) else 100)
    values = np.concatenate(list(found.values()))
    if np.ptp([*values, *null]) < 1e-12:
        raise NotYet(
            f"The function returns {null[0]:.2f} whatever the data are. → Compute the p-value from X and y."
        )
    if values.mean() > 0.9:
        raise NotYet(
            f"Where there is strong signal, p is {values.mean():.2f} on average: the p-value seems turned "
            "round. → Small p means signal."
        )
    level = broken(null, 1e-5)
    alarms = int((null <= (level or 0.05) + 1e-9).sum())
    label = f"p up to {level or 0.05} on noise"
    learner.rows.append(Row(label, (), level is None))  # a number would depend on how fast the machine is
    if level is not None:
        raise NotYet(
            f"In {alarms} of {len(null)} data sets of pure noise p is {level} or less; about "
            f"{level * len(null):.2g} would be right. → {CORRECT}"
        )
    missed = [shape for shape in SHAPES if shape not in seen]
    if not seen:
        raise NotYet("It finds none of the three signals, not even a plain difference of the means.")
    if missed == ["exclusive or", "spread"]:
        raise NotYet(
            "It finds a plain difference of the means and misses both the exclusive or and the difference of "
            "the spread: to these, a test of means or lines is blind. → Let it see the measures, their "
            "squares and their product."
        )
    if missed:
        raise NotYet(
            f"It misses {' and '.join(SHAPES[shape][1] for shape in missed)}, and finds "
            f"{' and '.join(SHAPES[shape][1] for shape in seen)}. → Let the test see the measures, their "
            "squares and their product."
        )
    # How many sets of noise there were depends on the machine, so it is not told.
    learner.right.append(
        "It finds the line, the exclusive or and the spread, and raises no more false alarms on pure noise "
        "than 5 % and chance allow."
    )
    if len(null) < 400:
        learner.right.append(
            "It is slow, so that few sets of noise were tried: 10 or 20 % false alarms might not have shown."
        )


# Task 2: a model that is not bound to lines


def _leaks(learner, draw, mean):
    if mean > 0.75:
        return (
            "the model is scored on scans that it was fitted to. → Fit it to some scans, and score it on "
            "others."
        )
    return (
        "something was chosen by the very score that is reported: the best fold, the best setting, the best "
        "model, the better of it and its opposite. → Choose inside the training folds, and report the mean "
        "over all test folds."
    )


def _stiff(learner, draw, mean):
    """What to say where one of the shapes gets a low score."""
    shapes = ("exclusive or", "spread")
    got = {shape: learner.all([hidden(draw(600 + i), shape) for i in range(2)]).mean() for shape in shapes}
    told = " and ".join(f"{value:.2f} for {SHAPES[shape][1]}" for shape, value in got.items())
    low = [shape for shape in shapes if got[shape] < 0.72]
    if len(low) == 2:
        return (
            f"It gets {told}, where a flexible model gets more than 0.80. The model underfits. → Choose one "
            "that is not bound to lines."
        )
    if low == ["spread"]:
        return (
            f"It gets {told}. Products alone are not enough. → Squares, neighbours or trees see the spread "
            f"too."
        )
    return f"It gets {told}. Each measure by itself is not enough. → The model must combine two."


def look_alikes(rng, n=200):
    """X, y: a fifth are patients, and seven in ten of these look like controls, so that measures differ."""
    y = rng.permutation((np.arange(n) < n // 5).astype(int))
    shown = hide(rng, y, 0.7)
    X = rng.standard_normal((n, 4))
    X[:, :2] += 4 * shown[:, None] * rng.choice([-1, 1], n)[:, None]
    return X, y


FLEXIBLE = Scores(
    partial(hidden, shape="noise", n=24),  # so few that the best of several models is far too good
    24,
    _leaks,
    (
        Signal(partial(hidden, shape="straight line", strength=3.0), 0.80, 1.0),
        Signal(partial(hidden, shape="exclusive or"), 0.72, 1.0, _stiff, "an exclusive or"),
        Signal(partial(hidden, shape="spread"), 0.72, 1.0, _stiff, "a difference of the spread"),
        Signal(look_alikes, 0.7, 0.95, ANOTHER, "patients who look like controls"),
    ),
)


@check("X", "y", read=score("accuracy"))
def flexible_score(learner, draw):
    """``evaluate(X, y)``: accuracy on unseen scans of a model that is not bound to lines."""
    FLEXIBLE.judge(learner, draw)


# Task 3: the word

NONE, ENOUGH, UNDER = WORDS = ("no signal", "linear is enough", "underfitted")


@reader("word")
def word(value) -> str:
    if value not in WORDS:
        raise NotYet(
            f"The function returns {value!r}, but the answer is one of: {', '.join(map(repr, WORDS))}."
        )
    return str(value)


LINE, FEW = "a straight line", "a line with seven patients at its wrong end"


def few_at_the_wrong_end(rng):
    """X, y: a clear line. A flexible model gains seven scans of 400, far less than the 0.1 that is clear."""
    X, y = hidden(rng, "straight line", n=400, strength=5.0)
    X[np.flatnonzero(y)[:7], -1] -= 12
    return X, y


# What the data hold, how they are made, and the right word.
KINDS = {
    "pure noise": (partial(hidden, shape="noise", n=400), NONE),
    LINE: (partial(hidden, shape="straight line", n=400), ENOUGH),
    "a weak straight line": (partial(hidden, shape="straight line", n=400, strength=1.05), ENOUGH),
    FEW: (few_at_the_wrong_end, ENOUGH),
    "an exclusive or": (partial(hidden, shape="exclusive or", n=400), UNDER),
    "a line and a strong exclusive or": (partial(hidden, shape="line and exclusive or", n=400), UNDER),
}
GAIN = "No model does better there by 0.1 than a linear one. → A gain must exceed what luck gives."
REASONS = {
    ("pure noise", UNDER): (
        "in training, a flexible model is better even on noise. → Compare scores on scans that the models "
        "were not trained on."
    ),
    ("pure noise", ENOUGH): "First ask whether any model is clearly above chance on unseen scans.",
    ("an exclusive or", NONE): "A linear model at chance is no proof. → Ask a flexible one as well.",
    ("a line and a strong exclusive or", ENOUGH): (
        "The linear model is above chance there, but a flexible one gets much more. → Always compare the two."
    ),
    (LINE, UNDER): GAIN,
    ("a weak straight line", UNDER): GAIN,
    (FEW, UNDER): GAIN,
    ("a weak straight line", NONE): (
        "A linear model gets 0.69 there with 400 scans, which is far above chance. → Ask how far luck alone "
        "would get."
    ),
}


@check("X", "y", read=word)
def diagnosis(learner, draw):
    """``diagnose(X, y)``: "no signal", "linear is enough" or "underfitted" (of a linear model)."""
    said = {}
    for number, (kind, (make, right)) in enumerate(KINDS.items()):
        said[kind] = [learner(*make(draw(10 * number + i))) for i in range(2)]
        if said[kind].count(right) == 1:  # two more where the first two differ
            said[kind] += [learner(*make(draw(10 * number + i))) for i in range(2, 4)]
    every = {one for words in said.values() for one in words}
    if len(every) == 1 and learner(*blank(KINDS[LINE][0](draw(0)))) in every:
        raise NotYet(f"The function says {every.pop()!r} of all data, noise and signal alike.")
    good = {kind: words.count(KINDS[kind][1]) / len(words) for kind, words in said.items()}
    told = {kind: f"{words.count(KINDS[kind][1])} of {len(words)}" for kind, words in said.items()}
    learner.rows += [Row(f"{kind}: {told[kind]}", (), good[kind] > 0.5) for kind in KINDS]
    # A mistake that has its own reason comes first.
    for (kind, wrong), reason in REASONS.items():
        if (times := said[kind].count(wrong)) >= 2:
            many = f"{times} of {len(said[kind])}"
            raise NotYet(f"Of {kind} the function says {wrong!r} in {many} data sets. {reason}")
    worst = min(good, key=good.get)
    if good[worst] <= 0.5:
        raise NotYet(
            f"The right word for data with {worst} is {KINDS[worst][1]!r}. The function says it in "
            f"{told[worst]} data sets."
        )
    learner.right.append("Right words: " + ", ".join(f"{kind} {n}" for kind, n in told.items()) + ".")


# Task 4: how sure is a gain?


def two_models(rng, alike, better=1.3):
    """y, and the scores of two models for the same unseen scans; `alike`: the correlation of their errors."""
    y = rng.permutation(np.repeat([0, 1], 80))
    common, *own = rng.standard_normal((3, len(y)))
    errors = [np.sqrt(alike) * common + np.sqrt(1 - alike) * one for one in own]
    return y, y + errors[0], better * y + errors[1]


def difference(y, simple, flexible):
    return roc_auc_score(y, flexible) - roc_auc_score(y, simple)


GAIN_OF = Around(
    difference, "gain", operator.neg,
    "It is turned round, or has lost its sign. → Flexible minus simple, below 0 where that is worse.",
    "→ Take the AUC of the scores themselves, of all scans as they are, and its sign: no calls, no draws.",
)  # fmt: skip


@check("y", "simple", "flexible", read=numbers("gain", "lower end", "upper end"))
def gain_with_interval(learner, draw):
    """``gain(y, simple, flexible)``: the difference of two AUCs of the same scans, with its 95 % interval."""

    def make(i):
        """Two models that are much alike; the flexible one is better, or worse, or better by far."""
        y, one, other = two_models(draw(i), 0.9, 2.2 if i == 2 else 1.3)
        return (y, other, one) if i % 2 else (y, one, other)

    alike = GAIN_OF.widths(learner, make, 0.89, 1.18)
    learner.right.append("The gain is right.")
    y, simple, flexible = two_models(draw(20), 0.1)
    unlike = GAIN_OF.width(learner, y, simple, flexible)
    _, low, high = GAIN_OF.seen(learner, y, simple, simple) if alike > 1.3 else (0, 0, 0)
    if (width := high - low) > 1e-6:
        raise NotYet(
            "Two models that give every scan the same score have a gain of 0 whatever scans are drawn, but "
            f"the interval is {width:.2f} wide. So the two AUCs come from different draws, or from intervals "
            "of their own. What one model finds hard, the other often finds hard too, and that cancels. → In "
            "every draw, compute both AUCs from the same scans, and keep their difference."
        )
    told = (
        f"Where two models are much alike, the interval is {alike:.2f} times as wide as by DeLong's formula"
    )
    if not 0.89 <= alike <= 1.18:
        raise NotYet(
            f"{told}: too {'narrow' if alike < 1 else 'wide'} for 95 %. → Draw as many scans as there are, "
            "with replacement, some hundred times, and take the quantiles 0.025 and 0.975 of the differences."
        )
    if not 0.75 <= unlike <= 1.35:
        raise NotYet(
            f"Where two models are hardly alike, the interval is {unlike:.2f} times as wide as by DeLong's "
            "formula. → Let the differences of the draws say how wide it is."
        )
    learner.right.append(f"{told}, and where they are hardly alike, {unlike:.2f} times.")
