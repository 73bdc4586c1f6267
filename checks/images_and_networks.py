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
    repeated_leaks,
)
from checks.identities import held_out
from checks.judge import NotYet, Scores, Signal, Table, check, reader, score
from checks.mistakes import mistakes

# Task 1: copies and slices


SLICES = Scores(
    repeated, 40,
    repeated_leaks(
        "person", "the same slice stands on both sides of the split, as a copy or as itself. → Split first; "
        "then make copies of the training slices alone.",
    ),
    (Signal(partial(repeated, effect=3), 0.75, 1.0),
     Signal(hidden_repeated, 0.705, 0.95, ANOTHER, "hidden patients")),
    LOT, least=0.05, exact=partial(accuracy_on_blank, make=hidden_repeated),
)  # fmt: skip


@check("X", "y", "persons", read=score("accuracy"))
def copies_and_slices(learner, draw):
    """``evaluate(X, y, persons)``: no person and no copy on both sides of a split, accuracy returned."""
    SLICES.judge(learner, draw)
    learner.right.append(
        "Not tested: which copies are made, and whether an accuracy counts slices or persons."
    )


# Task 2: the epoch

N_TEST = 37


def halves(rng, effect=0.0, n=60, p=20, n_test=N_TEST, scale=1):
    """X, y, X_test, y_test: the classes differ by `effect` in every feature.

    Half of the scans to train on are of patients, and a quarter of the test scans, so that measures differ.
    """
    y = np.concatenate([rng.permutation(np.arange(n) % 2), rng.permutation(np.arange(n_test) < n_test // 4)])
    X = rng.standard_normal((n + n_test, p)) + effect * (y[:, None] - 0.5)
    return scale * X[:n], y[:n], scale * X[n:], y[n:]


EPOCH = Scores(
    halves, N_TEST, lambda *found: FITTED, (Signal(partial(halves, effect=0.8), 0.85, 1.0),), unseen=""
)


@check("X", "y", "X_test", "y_test", read=score("accuracy"))
def epoch(learner, draw):
    """``honest_score(X, y, X_test, y_test)``: the test scans choose no epoch, and give the accuracy."""
    # So few features, and so large ones, that the network comes to no rest: every epoch is another one.
    held_out(learner, draw, lambda rng, i: halves(rng, p=10, scale=3), "epoch")
    EPOCH.judge(learner, draw)
    learner.right.append("Not tested: whether another epoch would have been a better choice.")


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
    """Cases by name; groups that are hard to count come last."""
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
    y = np.array([1, 1, 1, 0, 0, 0, 1, 0, 1, 1, 1, 0])
    predicted = np.array([1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1])
    cases["groups without patients, without controls, of whom nobody is found"] = (
        y, predicted, np.array(list("aaaabbccddee")),
    )  # fmt: skip
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


def then(change):
    """The right answer, and then changed: ``change(share, n, y, predicted, here)``."""
    return lambda y, predicted, group: {
        name: change(share, n, y, predicted, group == name)
        for name, (share, n) in by_group(y, predicted, group).items()
    }


def same_scores(one, other):
    return one.keys() == other.keys() and all(
        np.allclose(one[name], other[name], atol=0.006, equal_nan=True) for name in one
    )


def told(name, data, got, right):
    def wrong(one):
        return not (one in got and one in right and np.allclose(got[one], right[one], atol=0.006))

    one = next(filter(wrong, sorted({*got, *right})))
    start = f"{name}: the group {one!r}"
    if one not in got:
        return f"{start} is missing. → Every group with patients belongs in it."
    if one not in right:
        return f"{start} has no patients, and should not be there."
    (share, n), (true, patients) = got[one], right[one]
    return f"{start} gets {share:.2f} and {n:g}, and {true:.2f} of {patients} patients is right."


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
            then(lambda share, n, y, predicted, here: (share, here.sum())),
            "The sensitivities are right, and n is the size of the whole group. A sensitivity rests on the "
            "patients alone. → Count the patients.",
        ),
        not_by_group=(
            then(lambda share, n, y, predicted, here: (np.mean(predicted[y == 1]), n)),
            "Every group has the same sensitivity, that of all patients together. → Count within each group.",
        ),
        with_nothing=(
            lambda y, predicted, group: dict.fromkeys(group, (0.0, 0)) | by_group(y, predicted, group),
            "A group without any patient has no sensitivity, and a 0 would read as a total failure. → Leave "
            "such a group out.",
        ),
        number_first=(
            then(lambda share, n, *_: (n, share)),
            "The number comes first. → Return the sensitivity, then the number.",
        ),
        in_per_cent=(
            then(lambda share, n, *_: (100 * share, n)),
            "The sensitivities are in per cent. → Give them as shares from 0 to 1.",
        ),
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
