"""The checks of exercise 02: a learning curve, the depth of a tree, a test that is used once, an interval."""

import numpy as np
from scipy import stats
from sklearn.tree import DecisionTreeClassifier

from checks.identities import held_out
from checks.judge import NotYet, Row, Signal, Table, check, numbers, reader, score
from checks.mistakes import mistakes

# Task 1: read a learning curve


def curves(draw):
    """Unseen and training scores by size, and the unseen score with four times as many scans, by name.

    The scores follow a law, so that what more scans bring is known: unseen = limit - gap * sqrt(largest / n).
    """
    rng = draw(0)
    few, many = np.array([20, 30, 40, 60]), np.array([100, 200, 400, 800])
    found = {}

    def add(name, sizes, limit, gap, training, early=0.0, kept=0.05):
        """`training`: at the largest size, and more at the smallest; `early`: the loss at the smallest.

        Of that loss so much is kept from one size to the next.
        """
        limit, gap = limit + rng.uniform(-0.01, 0.01), gap * rng.uniform(0.9, 1.1)
        share = np.sqrt(sizes[-1] / sizes)
        unseen = limit - gap * share - early * kept ** np.arange(len(sizes))
        last, more = training
        seen = np.full(len(sizes), 1.0) if last is None else last + more * (share - 1) / (share[0] - 1)
        found[name] = sizes, np.clip(seen, 0, 1), unseen, limit - gap / 2

    add("a curve that still climbs", many, 0.88, 0.11, (0.84, 0.14))
    add("a flat curve", many, 0.81, 0.003, (0.83, 0.04))
    add("pure noise with a wide gap", few, 0.50, 0.0, (0.78, 0.2))
    add("a model that remembers every scan and still climbs", many, 0.91, 0.12, (None, 0))
    add("a model that remembers every scan and is flat", many, 0.82, 0.002, (None, 0))
    add("a simple model that climbs with a narrow gap", few, 0.80, 0.12, (0.72, -0.06))
    add("a curve that climbed at first and is flat", 50 * 2 ** np.arange(6), 0.80, 0.002, (0.82, 0.1), 0.033)
    add("a curve that climbed a little, once", 50 * 2 ** np.arange(6), 0.7, 0.002, (0.75, 0.1), 0.012)
    add("a curve that climbed far at first", 50 * 2 ** np.arange(6), 0.83, 0.001, (0.84, 0.1), 0.13)
    add("a curve that climbed for long", 50 * 2 ** np.arange(6), 0.86, 0.001, (0.87, 0.1), 0.17, 0.4)
    add("a curve that climbs by a trace", many, 0.83, 0.016, (0.85, 0.05))
    add("a large study that still climbs", 10 * many, 0.93, 0.11, (0.86, 0.1))
    add("a small study that is flat", np.array([20, 24, 28, 32]), 0.74, 0.003, (0.90, 0.05))
    add("a high score that still climbs", many, 1.0, 0.1, (0.96, 0.03))
    add("a score near chance that still climbs", few, 0.66, 0.11, (0.85, 0.1))
    add("a high score that is flat, at 0.97", many, 0.97, 0.001, (0.98, 0.01))
    return found


def worth_more_scans(sizes, training, unseen):
    return unseen[-1] - unseen[-2] > 0.01


END = "→ Look at the right end of the unseen scores."
CURVES = Table(
    lambda draw: {name: data[:3] for name, data in curves(draw).items()},
    worth_more_scans,
    mistakes(
        wide_gap=(
            lambda sizes, training, unseen: training[-1] - unseen[-1] > 0.1,
            f"A gap alone promises nothing: on pure noise it is wide, and training closes it. {END}",
        ),
        always=(
            lambda sizes, training, unseen: True,
            f"The function says True to every learning curve, and half of them are flat. {END}",
        ),
        never=(
            lambda sizes, training, unseen: False,
            f"The function says False to every learning curve, and half of them still climb. {END}",
        ),
        turned_round=(
            lambda sizes, training, unseen: unseen[-1] - unseen[-2] <= 0.01,
            "Every answer is the wrong way round. → Return True where more scans would help.",
        ),
        first_to_last=(
            lambda sizes, training, unseen: unseen[-1] - unseen[0] > 0.03,
            f"A curve that climbed at first may be flat by now. {END}",
        ),
        by_scan=(
            lambda sizes, training, unseen: (unseen[-1] - unseen[-2]) / (sizes[-1] - sizes[-2]) > 3e-4,
            "A gain per scan is small in every large study, and large in every small one. → Compare what a "
            "doubling brings.",
        ),
        in_the_middle=(
            lambda sizes, training, unseen: np.diff(unseen)[len(sizes) // 2 - 1] > 0.01,
            f"A curve that still climbed in the middle may be flat by now. {END}",
        ),
        last_per_scan=(
            lambda sizes, training, unseen: (
                3 * sizes[-1] * (unseen[-1] - unseen[-2]) / (sizes[-1] - sizes[-2]) > 0.03
            ),
            "The last slope per scan promises too much, since curves flatten. → Compare what a doubling "
            "brings.",
        ),
        straight_on=(
            lambda sizes, training, unseen: (unseen[-1] - unseen[0]) / (1 - sizes[0] / sizes[-1]) > 0.05 / 3,
            "A straight line in the number of scans promises too much. → Compare what a doubling brings.",
        ),
        low_score=(
            lambda sizes, training, unseen: unseen[-1] < 0.95,
            f"A score may be low and flat, or high and still climb. {END}",
        ),
        training_falls=(
            lambda sizes, training, unseen: training[-1] < training[0] - 0.005,
            f"Training falls on pure noise too, and says nothing of what more scans bring. {END}",
        ),
        not_if_perfect=(
            lambda sizes, training, unseen: (
                training[-1] < 0.999 and worth_more_scans(sizes, training, unseen)
            ),
            "Training is 1.00 because the model remembers every scan. That says nothing against more scans. "
            "→ Leave the training score out.",
        ),
        if_perfect=(
            lambda sizes, training, unseen: training[-1] > 0.999 or worth_more_scans(sizes, training, unseen),
            "Training is 1.00 because the model remembers every scan, and unseen is flat all the same. → "
            "Leave the training score out.",
        ),
        not_if_training_falls=(
            lambda s, training, unseen: training[-1] >= training[0] and worth_more_scans(s, training, unseen),
            "Training falls in most models that still learn. → Leave the training score out.",
        ),
    ),
    "All sixteen curves are read rightly: six still climb and ten do not, among them pure noise with a "
    "wide gap, a model with 1.00 in training at every size, and a curve that climbed at first.",
    told=lambda name, data, got, right: (
        f"The function says {got} to {name}: training {data[1][0]:.2f} to {data[1][-1]:.2f}, unseen "
        f"{data[2][0]:.2f} to {data[2][-1]:.2f}, from {data[0][0]} to {data[0][-1]} scans. {END}"
    ),
)


@reader("True or False")
def yes_no(value) -> bool:
    if not isinstance(value, bool | np.bool_ | int | float | np.number) or value not in (0, 1):
        raise NotYet(f"The function returns {value}. → Answer the question by True or False.")
    return bool(value)


@check("sizes", "training", "unseen", read=yes_no)
def learning_curves(learner, draw):
    """``worth_more_scans(sizes, training, unseen)``: would four times as many scans help?"""
    CURVES.judge(learner, draw)


# Task 2: the depth of a tree


def stump(rng, n):
    """One question decides; a quarter of the labels are wrong."""
    X = rng.standard_normal((n, 10))
    return X, ((X[:, 0] > 0) ^ (rng.random(n) < 0.25)).astype(int)


def bands(rng, n):
    """Eight bands with labels in turn: several questions are needed; all labels are right."""
    X = rng.standard_normal((n, 10))
    return X, np.digitize(X[:, 0], stats.norm.ppf(np.arange(1, 8) / 8)) % 2


@reader("depth")
def depth(value) -> int:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or value % 1 != 0:
        raise NotYet(
            f"The function returns {value}. → Return the chosen depth, a whole number, not its score."
        )
    if not 1 <= value <= 10:
        raise NotYet(f"The function returns the depth {int(value)}. → Choose from the depths 1 to 10.")
    return int(value)


def by_depth(X, y, new):
    """The accuracy in new subjects of trees of depth 1 to 10."""
    trees = [DecisionTreeClassifier(max_depth=d, random_state=0).fit(X, y) for d in range(1, 11)]
    return np.array([tree.score(*new) for tree in trees])


@check("X", "y", read=depth)
def depth_of_a_tree(learner, draw):
    """``choose_depth(X, y)``: the depth, 1 to 10, of a tree that does well on new subjects."""
    taken = []
    for make, n, sets, allowed, what in (
        (stump, 200, range(12), 0.05, "one question is enough and a quarter of the labels are wrong"),
        (bands, 400, range(20, 23), 0.07, "several questions are needed"),
    ):
        depths, got, best = [], [], []
        for i in sets:
            X, y = make(draw(i), n)
            truth = by_depth(X, y, make(draw(i + 100), 2000))
            depths.append(learner(X, y))
            got.append(truth[depths[-1] - 1])
            best.append(truth.max())
            if len(got) == 6 and 1 in depths and np.mean(best) - np.mean(got) < 0.03:
                break  # the other sets serve where it is in doubt
        taken += depths
        listed, lost = ", ".join(map(str, depths)), np.mean(best) - np.mean(got)
        learner.rows.append(
            Row(f"new subjects, {make.__name__}", tuple(got), lost <= allowed, ("best", np.mean(best)))
        )
        told = (
            f"Where {what} it takes the depths {listed}, and such trees get {np.mean(got):.2f} in new "
            f"subjects ({np.mean(best):.2f} is possible)."
        )
        if make is stump and min(depths) > 1 and lost <= allowed:
            raise NotYet(
                f"{told} One question is the depth 1, and in none of {len(depths)} data sets was it taken. "
                "→ The first depth that is tried is 1: mind the step from a place in a list to a depth."
            )
        if lost <= allowed:
            learner.right.append(told)
        elif make is bands:
            raise NotYet(
                f"{told} They are too shallow, or chosen by luck. → Score every depth from 1 to 10 on scans "
                "that the trees have not seen."
            )
        else:
            raise NotYet(
                f"{told} They are too deep: a deep tree always fits the training scans best, wrong labels "
                "included. → Choose by scans that the tree has not seen."
            )
    if len(set(taken)) == 1:
        raise NotYet(f"It takes the depth {taken[0]} whatever the data are. → Let the data choose.")


# Task 3: tested once


def study(rng, make, n=60, n_test=37):
    """X, y, X_test, y_test."""
    X, y = make(rng, n + n_test)
    return X[:n], y[:n], X[n:], y[n:]


def coin(rng, n):
    return rng.standard_normal((n, 20)), rng.permutation(np.arange(n) % 2)


def _not_chosen(learner, draw, mean):
    if mean < 0.35:
        return f"It reports {mean:.2f} where a tree learns much. → Return 1 minus the errors: the accuracy."
    return (
        f"It is honest, but a depth chosen well gets more: {mean:.2f} is too little. → Choose the depth as "
        "in task 2, by scans of X that the trees have not seen."
    )


CHOSEN = (
    Signal(lambda rng: study(rng, bands, 400, 97), 0.86, 1.0, _not_chosen, "several questions to ask"),
    Signal(lambda rng: study(rng, stump, 200, 597), 0.685, 0.8, _not_chosen, "one question to ask"),
)  # fmt: skip


@check("X", "y", "X_test", "y_test", read=score("accuracy"))
def tested_once(learner, draw):
    """``honest_score(X, y, X_test, y_test)``: the test scans choose nothing, and give the accuracy."""
    held_out(learner, draw, lambda rng, i: study(rng, (coin, bands, stump)[i % 3]), "tree")
    # Where the labels have no say, noise can show nothing more.
    CHOSEN[0].judge(learner, draw, (learner.twice(*CHOSEN[0].make(draw(500))),))
    CHOSEN[1].judge(learner, draw)


# Task 4: an interval


def _look_at_ends(n, low, high):
    share = np.arange(n + 1) / n
    percent = "→ Give shares from 0 to 1: divide by n, and percentages by 100."
    beyond = (
        "No accuracy lies below 0 or above 1; the simple formula with ± does so near the ends. → Take "
        "Wilson's."
    )
    sure = (
        "That is as if nothing could go wrong any more: the scatter of what was seen is 0 there. → Take a "
        "formula that does not rest on it, such as Wilson's."
    )
    elsewhere = "It does not contain the accuracy that was seen. → Put the interval around n_right / n."
    for bad, why in (
        (high > 2, percent),
        (low > high, "→ The lower one comes first."),
        ((low < -1e-9) | (high > 1 + 1e-9), beyond),
        ((high - low < 1e-6) & (share % 1 == 0), sure),
        # At 0 and n right, an interval with equal tails (Jeffreys, Bayes) ends a hair inside 0 and 1.
        ((share < low - 0.005) | (share > high + 0.005), elsewhere),
    ):
        if bad.any():
            k = np.flatnonzero(bad)[-1]
            raise NotYet(f"With {k} of {n} right the function gives {low[k]:.4g} to {high[k]:.4g}. {why}")


@check("n_right", "n", read=numbers("lower end", "upper end"))
def interval_of_an_accuracy(learner, draw):
    """``interval(n_right, n)``: a 95 % interval for the accuracy of a model that was tested on n subjects."""
    truths, held, least, widths = np.linspace(0.5, 0.95, 46), [], [], []
    for n in (20, 50, 150):
        low, high = learner.all([(k, n) for k in range(n + 1)]).T
        _look_at_ends(n, low, high)
        chance = stats.binom.pmf(np.arange(n + 1)[:, None], n, truths)
        holds = np.sum(chance * ((low[:, None] <= truths) & (truths <= high[:, None])), axis=0)
        held.append(holds.mean())
        least.append(holds.min())
        k = np.arange(1, n)
        exact = stats.beta.ppf(0.975, k + 1, n - k) - stats.beta.ppf(0.025, k, n - k + 1)
        widths.append(np.mean((high - low)[1:-1]) / exact.mean())
    learner.right.append("It never leaves 0 to 1, and has a width even when every answer is right.")
    # Wilson, Jeffreys and the like: 0.946 on average and 0.885 at least, no wider than Clopper and Pearson's.
    narrow = min(held) < 0.94 or min(least) < 0.87
    good = not narrow and max(widths) <= 1.13
    learner.rows.append(Row("studies whose interval holds the truth", tuple(held), good, ("wanted", 0.95)))
    if narrow:
        n = (20, 50, 150)[int(np.argmin(held))]
        raise NotYet(
            f"With {n} subjects, the interval holds the true accuracy in {100 * min(held):.0f} % of the "
            f"studies, for one accuracy or another in no more than {100 * min(least):.0f} %, and 95 % was "
            "asked for: it is too narrow. → Look at the factor 1.96, at the square root, and at what "
            "happens near 0 and n right."
        )
    if max(widths) > 1.13:
        raise NotYet(
            f"The interval holds the truth often enough, but it is up to {max(widths):.2f} times as wide as "
            "a careful 95 % interval needs to be, and so hides what a study did find. → Look at the factor "
            "1.96 and at the square root."
        )
    learner.right.append(
        f"It holds the true accuracy in {100 * min(held):.0f} to {100 * max(held):.0f} % of the studies."
    )
