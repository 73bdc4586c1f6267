"""The checks of exercise 04: agreement and ceiling, labels judged out of fold, an audit of test labels."""

import numpy as np
from scipy import stats

from checks.judge import NotYet, Row, Table, check, numbers, reader, score, scores_on_noise
from checks.mistakes import mistakes

# Task 1: agreement, and what it implies


def raters(draw):
    """Pairs of raters, by how often each is wrong and how common the disease is."""
    found = {}
    for i, (error, prevalence) in enumerate(((0.15, 0.5), (0.3, 0.5), (0.05, 0.5), (0.15, 0.1))):
        rng = draw(i)
        truth = (rng.random(6000) < prevalence).astype(int)
        pair = [np.where(rng.random(6000) < error, 1 - truth, truth) for _ in range(2)]
        found[f"two raters, each wrong in {error:.0%}, {prevalence:.0%} patients"] = tuple(pair)
    one = draw(9).permutation(np.arange(40) % 2)
    found["two raters who agree in 0.45 of 40 scans"] = one, np.where(np.arange(40) < 22, 1 - one, one)
    found["two raters who never agree"] = one, 1 - one
    return found


def agree(one, two):
    return np.mean(one == two)


def kappa(one, two):
    chance = one.mean() * two.mean() + (1 - one.mean()) * (1 - two.mean())
    return (agree(one, two) - chance) / (1 - chance)


def highest(agreement):
    """The ceiling: 1 - e, where agreement = (1 - e)² + e²; a coin's where they agree in half or less."""
    return (1 + np.sqrt(max(2 * agreement - 1, 0))) / 2


def with_ceiling(ceiling):
    return lambda one, two: (agree(one, two), ceiling(one, two))


CEILING = Table(
    raters,
    with_ceiling(lambda one, two: highest(agree(one, two))),
    mistakes(
        turned=(
            lambda one, two: (highest(agree(one, two)), agree(one, two)),
            "The second number is the agreement. → Return the agreement first, then the ceiling.",
        ),
        first_kappa=(
            lambda one, two: (kappa(one, two), highest(agree(one, two))),
            "The first number is kappa. → The agreement is the share of scans with the same label.",
        ),
        never_below=(
            lambda one, two: (max(agree(one, two), 0.5), highest(agree(one, two))),
            "Two raters who agree less than a coin would do so: only their ceiling is 0.5. → Return the "
            "agreement as it is.",
        ),
        agreement=(
            with_ceiling(agree),
            "That is the agreement. When two raters disagree, only one of them is wrong, so each alone is "
            "right more often than they agree. → Solve agreement = (1 - e)² + e² for e.",
        ),
        second_kappa=(
            with_ceiling(kappa),
            "The second number is kappa, which is not an accuracy. → The ceiling is 1 - e.",
        ),
        root=(
            with_ceiling(lambda one, two: np.sqrt(agree(one, two))),
            "That is the root of the agreement, as if they agreed only where both are right. → They agree as "
            "well where both are wrong.",
        ),
        half=(
            with_ceiling(lambda one, two: 1 - (1 - agree(one, two)) / 2),
            "That splits the disagreements between the two, and forgets the scans on which both are wrong. → "
            "There they agree.",
        ),
        error=(
            with_ceiling(lambda one, two: 1 - highest(agree(one, two))),
            "That is how often a rater is wrong. → The ceiling is the rest.",
        ),
        by_kappa=(
            with_ceiling(lambda one, two: highest((kappa(one, two) + 1) / 2)),
            "It is computed from kappa, which depends on how common the disease is. → Use the agreement.",
        ),
    ),
    "Agreement and ceiling are right for four pairs of raters, one of them where few are ill; two raters who "
    "agree less than a coin get 0.50.",
    same=lambda one, other: np.allclose(
        one, other, atol=0.0101
    ),  # two digits will do, and a grid of values for e
    told=lambda name, data, got, right: (
        f"{name[0].upper()}{name[1:]}: the function returns {got[0]:.2f} and {got[1]:.2f}, and "
        f"{right[0]:.2f} and {right[1]:.2f} are right. → Solve agreement = (1 - e)² + e² for e; the ceiling "
        f"is 1 - e, and 0.5 where they agree in half of the scans or less."
    ),
)


@reader("agreement and the ceiling")
def two_shares(value) -> np.ndarray:
    found = numbers("agreement", "ceiling")(value)
    if found.max() > 1 + 1e-9:
        raise NotYet(f"The function returns {found.max():.4g}. → Give shares from 0 to 1, not percentages.")
    return found


@check("rater_1", "rater_2", read=two_shares)
def agreement_and_ceiling(learner, draw):
    """``ceiling(rater_1, rater_2)``: share of equal labels, and the best accuracy against one rater."""
    CEILING.judge(learner, draw)


# Task 2: which labels would a model doubt?


@reader("probabilities")
def trusts(value) -> np.ndarray:
    try:
        trust = np.asarray(value, float)
    except (TypeError, ValueError):
        trust = np.array(np.nan)
    if trust.ndim == 2 and trust.shape[1] == 2:
        raise NotYet(
            "The function returns two probabilities for every scan, one per class. → Return one: that of the "
            "label that is recorded for this scan."
        )
    if trust.ndim != 1:
        raise NotYet(
            f"The function returns a value of type {type(value).__name__}. → Return a flat array with one "
            "probability for every scan."
        )
    if not np.all(np.isfinite(trust)):
        raise NotYet(
            "Some of the returned probabilities are no numbers. → Is every scan in a test fold once?"
        )
    if trust.min() < -1e-9 or trust.max() > 1 + 1e-9:
        raise NotYet(
            f"The returned values go from {trust.min():.2f} to {trust.max():.2f}. → Return probabilities, "
            f"from 0 to 1."
        )
    return trust


def mislabelled(rng, n=300, p=10, distance=4.0, rate=0.15):
    """X, recorded labels, and which of them are wrong: two clear groups."""
    y = rng.permutation(np.arange(n) % 2)
    X = rng.standard_normal((n, p)) + distance / np.sqrt(p) * (y - 0.5)[:, None]
    wrong = np.zeros(n, bool)
    wrong[rng.choice(n, round(rate * n), replace=False)] = True
    return X, np.where(wrong, 1 - y, y), wrong


def told_apart(trust, wrong):
    """How often a wrong label is trusted less than a right one (ties count half)."""
    below, n = stats.rankdata(trust), wrong.sum()
    return 1 - (below[wrong].sum() - n * (n + 1) / 2) / (n * (len(wrong) - n))


def memory(learner, rng):
    """How far opinions follow labels that were turned round, with its error; and of labels turned one by one.

    A model that has not seen a label believes of its scan what it believed before. With so many features, a
    linear model that has seen it remembers it. A trace of memory has the same sign in every scan.
    """
    X, y, _ = mislabelled(rng, p=150, distance=8.0)
    before, turned = learner(X, y), np.zeros(len(y), bool)
    turned[rng.choice(len(y), 60, replace=False)] = True
    again = learner(X, np.where(turned, 1 - y, y))
    moved = np.where(turned, again, 1 - again) - (1 - before)  # towards the label that is recorded now
    spread = [moved[one].std() / np.sqrt(one.sum()) for one in (turned, ~turned)]
    alone, started = [], learner.seconds
    for i in rng.choice(len(y), 20, replace=False):
        if learner.seconds - started > 6:
            break
        other = np.where(np.arange(len(y)) == i, 1 - y, y)
        alone.append(learner(X, other)[i] + before[i] - 1)
        if alone[-1] <= 1e-9:  # it did not follow
            break
    return moved[turned].mean() - moved[~turned].mean(), np.hypot(*spread), np.array(alone)


def _labels_by_lot(learner, draw):
    """Where labels are by lot, a model that has not seen a label agrees with it as a coin does."""

    def agreed(trust):
        return float(np.mean(trust > 0.5) + np.mean(trust == 0.5) / 2)

    def lot(i):
        rng = draw(20 + i)
        return rng.standard_normal((60, (120, 12)[i % 2])), rng.permutation(np.arange(60) % 2)

    scores, high = scores_on_noise(learner, lot, 60, score=agreed)
    learner.rows.append(Row("labels by lot: trusted", tuple(scores), not high, ("chance", 0.5)))
    told = f"Where all labels are by lot, {np.mean(scores):.0%} of them are trusted, and half would be right:"
    if high and np.mean(scores) > 0.85:
        raise NotYet(
            f"{told} it has seen the label that it is to judge. → Use a model that was trained without "
            "this scan."
        )
    if high:
        raise NotYet(
            f"{told} something has seen the labels that it is to judge, such as a choice of columns before "
            "the folds, or a model of all scans. → Do all that looks at labels inside the folds."
        )


@check("X", "y", read=trusts)
def trust_in_labels(learner, draw):
    """``trust(X, y)``: for every scan, the probability of its label by a model that has not seen it."""
    apart = []
    for i in range(2):
        X, y, wrong = mislabelled(draw(i))
        trust = learner(X, y)
        if trust.shape != y.shape:
            raise NotYet(f"There are {len(y)} scans, and the function returns {len(trust)} values.")
        if np.ptp(trust) < 1e-12:
            raise NotYet(f"Every label gets the same value, {trust[0]:.2f}. Nothing is suspect then.")
        apart.append(told_apart(trust, wrong))
        if apart[-1] < 0.25:
            raise NotYet(
                f"Wrong labels get higher values than right ones ({1 - apart[-1]:.0%} of the time). → Return "
                f"the probability that the label is right."
            )
        if apart[-1] < 0.65 and trust.min() > 0.499:
            raise NotYet(
                "No value is below 0.5. That is the larger of the two probabilities: how sure the model is "
                "of its own answer. → Return the probability of the recorded label."
            )
        of_class = told_apart(1 - trust, y == 1)
        if apart[-1] < 0.65 and abs(of_class - 0.5) > 0.25:
            raise NotYet(
                "The values say to which class a scan belongs, whatever is recorded. → Return the "
                "probability of the recorded label: that of class 1 where y is 1, that of class 0 where y is "
                "0."
            )
    if (doubted := np.mean(trust < 0.5)) > 0.4:
        raise NotYet(
            f"15 % of the labels are wrong, and {doubted:.0%} get less than 0.5: the values say which label "
            "is trusted less, but they are no probabilities. → Return what predict_proba gives."
        )
    _labels_by_lot(learner, draw)
    good = np.mean(apart) >= 0.65
    learner.rows.append(Row("wrong labels trusted less", tuple(apart), bool(good), ("chance", 0.5)))
    if not good:
        raise NotYet(
            f"A wrong label is trusted less than a right one in {np.mean(apart):.0%} of the pairs; 50 % "
            f"would be chance, and a simple model gets well above 90 %. → Does the order of the values fit "
            f"the order of the scans?"
        )
    shift, error, alone = memory(learner, draw(10))
    # If i turned moves j, then j moves i by as much: the mean shift varies by up to 1.6 times this error
    # (measured on right answers), so 6 errors are about four standard deviations.
    if shift > max(0.08, 6 * error) or (len(alone) >= 20 and np.all(alone > 1e-9)):
        raise NotYet(
            "When the recorded label of a scan is turned round, the model's opinion of this very scan "
            f"follows, by {max(shift, alone.mean() if len(alone) else 0):.2g} on average: it has seen the "
            f"label that it is to judge. → Use a model that was trained without this scan."
        )
    learner.right.append(
        f"A wrong label is trusted less than a right one in {np.mean(apart):.0%} of the pairs, and no "
        f"opinion follows a label that is turned round."
    )
    if np.all((trust == 0) | (trust == 1)):
        learner.right.append(
            "All values are 0 or 1, so the suspects cannot be ranked; the probabilities of a model that says "
            "how sure it is could."
        )


# Task 3: an expert has an hour

BUDGET, SETS = 100, 50


def one_test_set(rng, shared, n=400):
    """Truth, a model's answers, recorded labels, which err alone or with the model.

    The first hundred scans are easy, one in five is a patient, and the model errs more among these.
    """
    truth = rng.permutation((np.arange(n) < 0.2 * n).astype(int))
    place, group = np.where(np.arange(n) < n // 4, 0.13, 0.29), np.where(truth == 1, 2.6, 0.6)
    model_errs = rng.random(n) < place * group
    label_errs = rng.random(n) < (np.where(model_errs, 0.7, 0.03) if shared else 0.2)
    return truth, np.where(model_errs, 1 - truth, truth), np.where(label_errs, 1 - truth, truth)


def expert(truth, seen):
    """Tells the truth about the positions it is asked for, and notes them in `seen`."""

    def review(positions):
        positions = np.atleast_1d(np.asarray(positions))
        if positions.dtype == bool:
            if len(positions) != len(truth):
                raise ValueError("a mask must have one entry for every scan")
            positions = np.flatnonzero(positions)
        seen.update(int(p) % len(truth) for p in positions)
        return truth[positions]

    return review


def audits(learner, draw, shared):
    """Of many test sets: the error of the learner's accuracy, that of the labels, and who was reviewed."""
    found = []
    for i in range(SETS):
        truth, predicted, recorded = one_test_set(draw(i + 100 * shared), shared)
        seen = set()
        answer = learner(predicted, recorded, expert(truth, seen), BUDGET)
        if len(seen) > BUDGET:
            raise NotYet(
                f"The function had {len(seen)} scans reviewed, and the budget is {BUDGET}. → The expert's "
                f"time is limited: choose which scans to show."
            )
        rows, true = sorted(seen), np.mean(predicted == truth)
        of_them = predicted[rows] == recorded[rows], rows, predicted[rows]
        shown = [np.mean(one) if rows else np.nan for one in of_them]
        found.append([answer - true, np.mean(predicted == recorded) - true, len(seen), *shown])
    return np.array(found).T


@check("predicted", "recorded", "review", "budget", read=score("accuracy"))
def audited_accuracy(learner, draw):
    """``audited(predicted, recorded, review, budget)``: an honest accuracy from a few reviews."""
    apart, together = audits(learner, draw, False), audits(learner, draw, True)
    errors, by_label = np.array([apart[0], together[0]]), np.array([apart[1].mean(), together[1].mean()])
    used, agreed, place, called = np.concatenate([apart, together], axis=1)[2:]
    bias, allowed = errors.mean(axis=1), np.maximum(0.03, 4.5 * errors.std(axis=1, ddof=1) / np.sqrt(SETS))
    off = np.abs(bias) > allowed
    for name, error, wrong in zip(("errors apart", "errors shared"), errors, off, strict=True):
        learner.rows.append(Row(f"{name}: 0.5 + error", tuple(0.5 + error), not wrong, ("right", 0.5)))
    if used.max() == 0:
        raise NotYet(
            f"The function never asks the expert. Against the recorded labels the accuracy is off by "
            f"{by_label[0]:+.2f} if model and labels err independently, and by {by_label[1]:+.2f} if they "
            f"share errors. → Call review(positions)."
        )
    if off.any():
        size = (
            f"by {bias[0]:+.2f} if model and labels err independently, by {bias[1]:+.2f} if they share errors"
        )
        told = _why_off(bias, off, by_label, agreed, place, called)
        raise NotYet(f"The accuracy is off {size}. {told}")
    spread = errors.std(axis=1, ddof=1).max()
    if spread > 0.08:
        raise NotYet(
            f"On average the accuracy is right, but from one test set to the next it is off by {spread:.2f} "
            f"(standard deviation). With {used.mean():.0f} reviews used of {BUDGET}, there is room to do "
            f"better."
        )
    learner.right.append(
        f"Off by {bias[0]:+.3f} on average if model and labels err independently and by {bias[1]:+.3f} if "
        f"they share errors, where the recorded labels are off by {by_label[0]:+.2f} and {by_label[1]:+.2f}."
    )


def _why_off(bias, off, by_label, agreed, place, called):
    """What to say of an accuracy that is off, by whom the expert was shown."""
    if np.nanmax(agreed) == 0:
        return (
            "The expert was shown only scans on which model and label disagree, so labels that are wrong in "
            "the same way as the model were never found. → Show scans chosen at random."
        )
    if np.nanmin(agreed) == 1:
        return (
            "The expert was shown only scans on which model and label agree, so the model's other answers "
            "were never judged. → Show scans chosen at random, agreeing or not."
        )
    if np.nanmin(called) == 1 or np.nanmax(called) == 0:
        return (
            "The expert was shown scans with one answer of the model only. Among those the share of right "
            "ones is a predictive value. → Show scans chosen at random, whatever the model says."
        )
    if np.nanmean(place) < 130:
        return (
            "The expert was shown the first scans, and these are not like the others (here they are easier). "
            "→ Choose at random."
        )
    if np.all(np.abs(bias + 0.5) < 0.05):
        return "That is the share of the model's answers that are wrong. → Return the share that are right."
    if off[1] and not off[0]:
        return (
            "The scans were chosen well, but the formula assumes that model and labels err independently. → "
            "Score the model on the reviewed scans."
        )
    if np.all(bias * by_label > 0) and abs(np.nanmean(agreed) - 0.75) < 0.08:
        return (
            "The scans were chosen well, but labels that nobody has reviewed still count, with all their "
            "errors. → Score the reviewed scans alone."
        )
    return (
        "Scans on which model and label agree must have their fair weight. → If you review more of one kind, "
        "weight each kind by how common it is."
    )
