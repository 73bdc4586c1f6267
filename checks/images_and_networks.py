"""The checks of exercise 08: copies and slices, the epoch, scores by group."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from checks.cross_validation_pitfalls import (
    ANOTHER,
    FITTED,
    LOT,
    accuracy_on_blank,
    hidden_repeated,
    repeated,
    scans,
)
from checks.judge import NotYet, Scores, Signal, Table, check, reader, say_of, score
from checks.mistakes import mistakes

# Task 1: copies and slices


def _copies_leak(learner, draw, mean):
    single = learner.maybe([(*scans(draw(900 + i), p=60), np.arange(50) + 100) for i in range(6)])
    if single > 0.72:
        return (
            f"with one slice of each person it is {single:.2f}, so the same slice stands on both sides of "
            "the split, as a copy or as itself. → Split first; then make copies of the training slices alone."
        )
    X, y, persons = repeated(draw(910), p=20, spread=2)
    mixed = [learner.maybe([(X, y, draw(i).permutation(persons))]) for i in (910, 911)]
    start = "slices of the same person stand on both sides of the split."
    if np.ptp([*mixed, learner.maybe([(X, y, persons)])]) < 1e-12:
        return (
            f"{start} The score does not change when the persons are mixed up, so `persons` has no effect on "
            "the folds. → Take a splitter that knows groups (GroupKFold, say); others ignore `groups`."
        )
    return f"{start} `persons` has an effect, but does not keep them together. → Split by person."


SLICES = Scores(
    repeated, 40, _copies_leak,
    (Signal(partial(repeated, effect=3), 0.75, 1.0),
     Signal(hidden_repeated, 0.705, 0.95, ANOTHER, "hidden patients")),
    LOT,
)  # fmt: skip


@check("X", "y", "persons", read=score("accuracy"))
def copies_and_slices(learner, draw):
    """``evaluate(X, y, persons)``: no person and no copy on both sides of a split, accuracy returned."""
    SLICES.judge(learner, draw)
    accuracy_on_blank(learner, [hidden_repeated(draw(700 + i)) for i in range(3)])


# Task 2: the epoch

N_TEST = 37


def halves(rng, effect=0.0, n=60, p=20, n_test=N_TEST, scale=1):
    """X, y, X_test, y_test: the classes differ by `effect` in every feature.

    Half of the scans to train on are of patients, and a quarter of the test scans, so that measures differ.
    """
    y = np.concatenate([rng.permutation(np.arange(n) % 2), rng.permutation(np.arange(n_test) < n_test // 4)])
    X = rng.standard_normal((n + n_test, p)) + effect * (y[:, None] - 0.5)
    return scale * X[:n], y[:n], scale * X[n:], y[n:]


def _measured_on_the_test(learner, draw):
    """With predictions that no test label has changed, labels turned round turn the accuracy round."""
    data = halves(draw(40), effect=0.8)
    real, turned = learner(*data), learner(*data[:3], 1 - data[3])
    if abs(real - turned) < 1e-9:  # of an odd number of scans, no half can be right
        raise NotYet(
            f"The score is {real:.2f}, and it stays so when all labels of the test scans are turned round: "
            "it is not measured on them. A score in training or validation is no test. → Score the chosen "
            "epoch on X_test and y_test."
        )


def _test_labels_speak(learner, draw):
    """Where the test labels choose nothing, they are only counted: an identity holds exactly."""
    parts = []
    for i in range(6):  # epochs may be so alike that in one set none is better than the others
        X, y, X_test, y_test = halves(draw(50 + i), p=50, scale=3)
        # Labels in another order, within each half, so that every sum of labels stays as it is.
        other = np.concatenate([draw(70 + i).permutation(half) for half in np.array_split(y_test, 2)])
        say, scores = say_of(learner, (X, y, X_test, y_test), 3, other)
        parts += scores
        if not abs(say) > 0.021:  # a score may be rounded; without any seed there is no exact answer
            continue
        X[:, 0], X_test[:, 0] = 0, 9 * (2 * y_test - 1)
        if learner(X, y, X_test, y_test) > 0.95:
            raise NotYet(
                "Test scans are among those that the network was trained on: where a feature is the label in "
                "the test scans alone, it is right in nearly all. → Train on X and y alone."
            )
        raise NotYet(
            "When two sets of test labels exchange one half, the sum of their scores changes. So the test "
            "labels had a say in the choice, as when the best epoch on the test scans is kept. → Choose the "
            "epoch by a part of X and y, then use the test scans once."
        )
    learner.right.append("The test labels have no say in the choice: they are only counted.")
    parts = N_TEST * np.array(parts)
    if np.abs(parts - np.round(parts)).max() > 0.2:
        raise NotYet(
            f"With {N_TEST} test scans an accuracy is a whole number of {N_TEST}ths, and this score is not. "
            "→ Choose one epoch, and return the accuracy of the network as it was then."
        )


EPOCH = Scores(halves, N_TEST, lambda *found: f"{FITTED}", (Signal(partial(halves, effect=0.8), 0.85, 1.0),))


@check("X", "y", "X_test", "y_test", read=score("accuracy"))
def epoch(learner, draw):
    """``honest_score(X, y, X_test, y_test)``: the test scans choose no epoch, and give the accuracy."""
    _measured_on_the_test(learner, draw)
    _test_labels_speak(learner, draw)
    EPOCH.judge(learner, draw)


# Task 3: scores by group


def people(rng, sizes, prevalence, found):
    """Diagnoses, predictions and groups: of each group its size, and the shares that are ill and found."""
    group = np.repeat(list(sizes), list(sizes.values()))
    ill, of_ill = (np.array([share[name] for name in group]) for share in (prevalence, found))
    y = (rng.random(len(group)) < ill).astype(int)
    predicted = (rng.random(len(group)) < np.where(y == 1, of_ill, 0.2)).astype(int)
    order = rng.permutation(len(group))
    return y[order], predicted[order], group[order]


def groups(draw):
    """Cases by name; no group is without patients, but in the last."""
    cases = {}
    for i, (name, sizes) in enumerate(
        {
            "two groups": {"men": 120, "women": 80},
            "three sites, one small": {"A": 200, "B": 150, "C": 15},
            "five scanners": dict.fromkeys("PQRST", 60),
        }.items()
    ):
        rng = draw(i)
        shares = {one: rng.uniform(0.3, 0.7) for one in sizes}, {one: rng.uniform(0.4, 0.9) for one in sizes}
        cases[name] = people(rng, sizes, *shares)
    y = np.array([1, 1, 1, 0, 0, 0, 1, 0])
    predicted = np.array([1, 0, 1, 1, 0, 0, 1, 1])
    cases["a group without patients"] = y, predicted, np.array(list("aaaabbcc"))
    return cases


def by_group(y, predicted, group):
    patients = {name: (group == name) & (y == 1) for name in np.unique(group)}
    return {name: (np.mean(predicted[who]), who.sum()) for name, who in patients.items() if who.any()}


def share_of(right, counted):
    """A function like `by_group`: the share of `right` among those `counted`, and their number."""

    def scored(y, predicted, group):
        found = {}
        for name in np.unique(group):
            one = y[group == name], predicted[group == name]
            rows = counted(*one)
            if rows.any():
                found[name] = np.mean(right(*one)[rows]), rows.sum()
        return found

    return scored


def whole_groups(y, predicted, group):
    return {
        name: (share, np.sum(group == name)) for name, (share, _) in by_group(y, predicted, group).items()
    }


def not_by_group(y, predicted, group):
    patients = y == 1
    return {name: (np.mean(predicted[patients]), n) for name, (_, n) in by_group(y, predicted, group).items()}


def with_nothing(y, predicted, group):
    return {name: (0.0, 0) for name in np.unique(group)} | by_group(y, predicted, group)


def number_first(y, predicted, group):
    return {name: pair[::-1] for name, pair in by_group(y, predicted, group).items()}


def in_per_cent(y, predicted, group):
    return {name: (100 * share, n) for name, (share, n) in by_group(y, predicted, group).items()}


def same_scores(one, other):
    return one.keys() == other.keys() and all(
        np.allclose(one[name], other[name], atol=0.006, equal_nan=True) for name in one
    )


def told(name, data, got, right):
    missing = [one for one in right if one not in got]
    if missing:
        return f"{name}: the group {missing[0]!r} is missing. → Every group with patients belongs in it."
    wrong = next(
        (one for one in got if one not in right or not np.allclose(got[one], right[one], atol=0.006)), None
    )
    share, n = got[wrong]
    if wrong not in right:
        return f"{name}: the group {wrong!r} has no patients, and should not be there."
    return (
        f"{name}: of {wrong!r} the function returns {share:.2f} and {n:g}, and {right[wrong][0]:.2f} of "
        f"{right[wrong][1]} patients is right."
    )


OF_PATIENTS = "→ Among the patients of a group (y == 1), the share that was predicted to be patients."
GROUPS = Table(
    groups,
    by_group,
    mistakes(
        accuracy=(
            share_of(lambda y, predicted: predicted == y, lambda y, predicted: np.full(len(y), True)),
            f"These are accuracies: controls are counted too. {OF_PATIENTS}",
        ),
        specificity=(
            share_of(lambda y, predicted: predicted == 0, lambda y, predicted: y == 0),
            f"These are specificities: they say how many controls were found healthy. {OF_PATIENTS}",
        ),
        precision=(
            share_of(lambda y, predicted: y == 1, lambda y, predicted: predicted == 1),
            "These are positive predictive values: they count among those who were predicted to be patients. "
            f"{OF_PATIENTS}",
        ),
        missed=(
            share_of(lambda y, predicted: predicted == 0, lambda y, predicted: y == 1),
            f"These are the shares of patients that were missed. {OF_PATIENTS}",
        ),
        whole_groups=(
            whole_groups,
            "The sensitivities are right, and n is the size of the whole group. A sensitivity rests on the "
            "patients alone. → Count the patients.",
        ),
        not_by_group=(
            not_by_group,
            "Every group has the same sensitivity, that of all patients together. → Count within each group.",
        ),
        with_nothing=(
            with_nothing,
            "A group without any patient has no sensitivity, and a 0 would read as a total failure. → Leave "
            "such a group out.",
        ),
        number_first=(number_first, "The number comes first. → Return the sensitivity, then the number."),
        in_per_cent=(in_per_cent, "The sensitivities are in per cent. → Give them as shares from 0 to 1."),
    ),
    "Sensitivities and numbers of patients are right in all groups, small ones too.",
    same_scores,
    told,
)


@reader("dictionary")
def scores_by_group(value) -> dict:
    if hasattr(value, "to_dict") and not isinstance(value, Mapping):
        value = value.to_dict()
    if not isinstance(value, Mapping):
        raise NotYet(
            f"The function returns a value of type {type(value).__name__}. → Return a dictionary from the "
            "name of a group to (sensitivity, number of patients)."
        )
    found = {}
    for name, pair in value.items():
        try:
            share, number = (float(one) for one in pair)
        except (TypeError, ValueError):
            raise NotYet(
                f"For the group {name!r} the function returns {pair!r}. → Return two numbers for each group: "
                "the sensitivity and the number of patients."
            ) from None
        found[str(name)] = share, number
    return found


@check("y", "predicted", "group", read=scores_by_group)
def sensitivity_by_group(learner, draw):
    """``by_group(y, predicted, group)``: each group's sensitivity and number of patients."""
    GROUPS.judge(learner, draw)
