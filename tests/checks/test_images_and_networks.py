"""The exercise on images and networks: right answers, however written, pass; wrong ones get their reason."""

import copy

import numpy as np
import pandas as pd
import pytest
from answers import Answers, with_settings
from harness import repetitions
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.neighbors import KNeighborsClassifier

from checks import images_and_networks as checks
from checks.identities import say_of

book = Answers(checks)
NEAREST = KNeighborsClassifier(1)


def copied(X, y, *more):
    return np.concatenate([X, 1.1 * X, 0.9 * X]), np.tile(y, 3), *(np.tile(one, 3) for one in more)


# Task 1: copies and slices


@book.right("copies_and_slices", model=(NEAREST, RidgeClassifier()))
def copied_inside(X, y, persons, model):
    right = []
    for train, test in GroupKFold(5).split(X, y, persons):
        right.append(model.fit(*copied(X[train], y[train])).score(X[test], y[test]))
    return np.mean(right)


@book.right("copies_and_slices")
def grouped_with_their_copies(X, y, persons):
    X, y, persons = copied(X, y, persons)
    folds = StratifiedGroupKFold(4, shuffle=True, random_state=1)
    return cross_val_score(NEAREST, X, y, groups=persons, cv=folds).mean()


@book.right("copies_and_slices")
def one_row_for_each_person(X, y, persons):
    names = np.unique(persons)
    means = np.array([X[persons == name].mean(axis=0) for name in names])
    labels = np.array([y[persons == name][0] for name in names])
    return cross_val_score(NEAREST, means, labels, cv=StratifiedKFold(5)).mean()


@book.wrong("copies_and_slices", "as a copy or as itself", folds=(KFold, StratifiedKFold))
def copies_dealt(X, y, persons, folds):
    return cross_val_score(NEAREST, *copied(X, y), cv=folds(5, shuffle=True, random_state=0)).mean()


@book.wrong("copies_and_slices", "`persons` has no effect", cv=(5, 4, 10))
def slices_dealt(X, y, persons, cv):
    slices = np.tile(np.arange(len(y)), 3)
    return cross_val_score(NEAREST, *copied(X, y), groups=slices, cv=GroupKFold(cv)).mean()


@book.wrong("copies_and_slices", "`persons` has no effect")
def groups_ignored(X, y, persons):
    folds = KFold(5, shuffle=True, random_state=0)
    return cross_val_score(NEAREST, X, y, groups=persons, cv=folds).mean()


@book.wrong("copies_and_slices", "does not keep a person's scans together")
def half_of_the_persons_kept_together(X, y, persons):
    names = np.where(persons % 2 == 0, persons, 10_000 + np.arange(len(y)))
    return cross_val_score(NEAREST, X, y, groups=names, cv=GroupKFold(5)).mean()


@book.wrong("copies_and_slices", "Return the accuracy: the share", scoring=("balanced_accuracy", "f1"))
def another_measure(X, y, persons, scoring):
    return cross_val_score(NEAREST, X, y, groups=persons, cv=GroupKFold(5), scoring=scoring).mean()


@book.wrong("copies_and_slices", "whatever the data are", number=(0.5, 0.49))
def what_noise_gives(X, y, persons, number):
    return number


@book.wrong("copies_and_slices", "5 numbers")
def all_folds(X, y, persons):
    return cross_val_score(NEAREST, X, y, groups=persons, cv=GroupKFold(5))


# Task 2: the epoch


def layers(X, y, epochs=15, rate=0.3):
    """The last layer after each epoch."""
    layer = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=rate, random_state=0)
    for _ in range(epochs):
        layer.partial_fit(X, y, classes=[0, 1])
        yield copy.deepcopy(layer)


@book.right("epoch", seed=(0, 1))
def chosen_by_a_part(X, y, X_test, y_test, seed):
    X_fit, X_look, y_fit, y_look = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
    best = max(layers(X_fit, y_fit), key=lambda layer: layer.score(X_look, y_look))
    return best.score(X_test, y_test)


@book.right("epoch")
def chosen_by_folds(X, y, X_test, y_test):
    scores = []
    for train, look in StratifiedKFold(3).split(X, y):
        scores.append([layer.score(X[look], y[look]) for layer in layers(X[train], y[train])])
    epochs = int(np.mean(scores, axis=0).argmax()) + 1
    *_, last = layers(X, y, epochs)
    return round(last.score(X_test, y_test), 2)


@book.right("epoch", epochs=(15, 5))
def fixed_in_advance(X, y, X_test, y_test, epochs):
    *_, last = layers(X, y, epochs)
    return last.score(X_test, y_test)


SPEAK = "the test labels had a say in the choice"


@book.wrong("epoch", SPEAK, rate=(0.3, 0.1, 1))
def best_epoch_on_the_test(X, y, X_test, y_test, rate):
    return max(layer.score(X_test, y_test) for layer in layers(X, y, rate=rate))


@book.wrong("epoch", SPEAK)
def chosen_by_a_part_of_the_test(X, y, X_test, y_test):
    best = max(layers(X, y), key=lambda layer: layer.score(X_test[:20], y_test[:20]))
    return best.score(X_test, y_test)


@book.wrong("epoch", "was fitted to are among", rate=(0.3, 1))
def trained_on_everything(X, y, X_test, y_test, rate):
    *_, last = layers(np.vstack([X, X_test]), np.r_[y, y_test], rate=rate)
    return last.score(X_test, y_test)


@book.wrong("epoch", "not measured on the test scans", part=(0.25, 0.5))
def validation_score(X, y, X_test, y_test, part):
    X_fit, X_look, y_fit, y_look = train_test_split(X, y, test_size=part, stratify=y, random_state=0)
    return max(layer.score(X_look, y_look) for layer in layers(X_fit, y_fit))


@book.wrong("epoch", "whole number of 37ths", measure=(balanced_accuracy_score, f1_score))
def measured_otherwise(X, y, X_test, y_test, measure):
    *_, last = layers(X, y)
    return measure(y_test, last.predict(X_test))


book.short_wrongs(
    "epoch",
    mean_over_epochs=(
        lambda X, y, X_test, y_test: np.mean([layer.score(X_test, y_test) for layer in layers(X, y)]),
        "whole number of 37ths",
    ),
    one_feature_only=(
        lambda X, y, X_test, y_test: RidgeClassifier().fit(X[:, :1], y).score(X_test[:, :1], y_test),
        "The model hardly learns",
    ),
    always_healthy=(
        lambda X, y, X_test, y_test: np.mean(y_test == 0),
        "noise and real signal get the same score",
    ),
    errors=(
        lambda X, y, X_test, y_test: 1 - LogisticRegression().fit(X, y).score(X_test, y_test),
        "1 minus the errors",
    ),
    every_epoch=(
        lambda X, y, X_test, y_test: [layer.score(X_test, y_test) for layer in layers(X, y)],
        "15 numbers",
    ),
)


# Task 3: scores by group


@book.right("sensitivity_by_group")
def by_a_loop(y, predicted, group):
    found = {}
    for name in np.unique(group):
        patients = (group == name) & (y == 1)
        if patients.any():
            found[name] = predicted[patients].mean(), patients.sum()
    return found


@book.right("sensitivity_by_group")
def by_pandas(y, predicted, group):
    patients = pd.DataFrame({"found": predicted, "group": group})[y == 1]
    return patients.groupby("group")["found"].agg(["mean", "count"]).T.to_dict("list")


@book.right("sensitivity_by_group")
def by_counting(y, predicted, group):
    names = sorted(set(group[y == 1]))
    pairs = [(predicted[(group == one) & (y == 1)].sum(), np.sum(y[group == one])) for one in names]
    return {one: [round(hits / n, 2), int(n)] for one, (hits, n) in zip(names, pairs, strict=True)}


def changed(how):
    return lambda y, predicted, group: how(by_a_loop(y, predicted, group), y, predicted, group)


for words, function in {
    "Return a dictionary": changed(lambda found, *_: list(found.values())),
    "Return two numbers": changed(lambda found, *_: {name: share for name, (share, _) in found.items()}),
    "is missing": changed(lambda found, *_: dict(list(found.items())[1:])),
    "patients is right": changed(lambda found, *_: {one: (s / 2, n) for one, (s, n) in found.items()}),
    "has no patients": changed(lambda found, y, q, group: {one: (0.5, 1) for one in group} | found),
}.items():
    book.wrong("sensitivity_by_group", words)(function)


test_right, test_wrong, test_each_task, test_tables = book.tests()


@pytest.mark.parametrize("seed", repetitions([0], range(3)))
def test_labels_that_are_only_counted_have_no_say(seed):
    rng = np.random.default_rng(seed)
    leak, right = (
        with_settings(best_epoch_on_the_test, {"rate": 0.3}),
        with_settings(chosen_by_a_part, {"seed": 0}),
    )
    honest, leaking = (
        [abs(say_of(score, checks.halves(rng, p=10, scale=3), 3)[0]) for _ in range(4)]
        for score in (right, leak)
    )
    assert max(honest) < 1e-9 and max(leaking) > 0.02
