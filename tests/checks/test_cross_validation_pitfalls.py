"""The exercise on cross-validation: right answers, however written, pass; wrong ones get their own reason."""

import numpy as np
import pytest
from answers import Answers
from scipy.stats import ttest_ind
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    ParameterGrid,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    permutation_test_score,
    train_test_split,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from checks import cross_validation_pitfalls as checks

NEAREST = KNeighborsClassifier(n_neighbors=1)
LINEAR = LogisticRegression(max_iter=500)
SHUFFLED = StratifiedKFold(5, shuffle=True, random_state=0)
GROUPED = StratifiedGroupKFold(5, shuffle=True, random_state=0)
MODELS = (NEAREST, LINEAR, GaussianNB())
FOLDS = (SHUFFLED, StratifiedKFold(4, shuffle=True, random_state=3), StratifiedKFold(10))
GROUPS = (GroupKFold(4), GROUPED, GroupKFold(10))

book = Answers(checks)

# Task 1: selection


@book.right("selection", cv=(SHUFFLED, 10))
def pipeline_of_the_solution(X, y, cv=SHUFFLED):
    return cross_val_score(make_pipeline(SelectKBest(f_classif, k=20), NEAREST), X, y, cv=cv).mean()


@book.right("selection")
def loop_with_mean_differences(X, y):
    order = np.random.default_rng(1).permutation(len(y))
    hits = []
    for test in np.array_split(order, 10):
        train = np.setdiff1d(order, test)
        strength = abs(X[train][y[train] == 1].mean(axis=0) - X[train][y[train] == 0].mean(axis=0))
        best = np.argsort(strength)[-20:]
        model = GaussianNB().fit(X[np.ix_(train, best)], y[train])
        hits.extend(model.predict(X[np.ix_(test, best)]) == y[test])
    return sum(hits) / len(hits)


@book.right("selection")
def leave_one_out(X, y):
    return np.mean(cross_val_predict(make_pipeline(SelectKBest(k=20), LINEAR), X, y, cv=LeaveOneOut()) == y)


@book.right("selection", share=(0.5, 0.25))
def one_held_out_part(X, y, share):
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=share, stratify=y, random_state=0)
    selector = SelectKBest(k=20).fit(X_train, y_train)
    return LINEAR.fit(selector.transform(X_train), y_train).score(selector.transform(X_test), y_test)


@book.wrong("selection", "selection saw the labels of the test fold", model=MODELS, cv=FOLDS)
def selected_on_all_scans(X, y, model, cv):
    return cross_val_score(model, SelectKBest(k=20).fit_transform(X, y), y, cv=cv).mean()


@book.wrong("selection", "selection saw the labels of the test fold", n=(200, 100, 50))
def filtered_on_all_scans_then_selected_in_the_folds(X, y, n):
    Z = SelectKBest(k=min(n, X.shape[1] // 2)).fit_transform(X, y)
    return cross_val_score(make_pipeline(SelectKBest(k=20), NEAREST), Z, y, cv=SHUFFLED).mean()


@book.wrong("selection", "keeps the 20 best", model=(NEAREST, make_pipeline(PCA(20), NEAREST), GaussianNB()))
def no_selection_at_all(X, y, model):
    return cross_val_score(model, X, y, cv=SHUFFLED).mean()


@book.wrong("selection", "keeps the 20 best", first=(True, False))
def twenty_of_them(X, y, first):
    taken = np.arange(20) if first else np.random.default_rng(0).choice(X.shape[1], 20, replace=False)
    return cross_val_score(NEAREST, X[:, taken], y, cv=SHUFFLED).mean()


@book.wrong("selection", "something else was chosen by the score", model=MODELS, slow=True)
def number_of_features_by_the_reported_score(X, y, model):
    ks = (2, 5, 10, 15, 20, 30, 50, 100)
    return max(cross_val_score(make_pipeline(SelectKBest(k=k), model), X, y, cv=SHUFFLED).mean() for k in ks)


@book.wrong(
    "selection", "scored on scans that it was fitted to", model=(NEAREST, SVC(), DecisionTreeClassifier())
)
def score_of_the_training_scans(X, y, model):
    return make_pipeline(SelectKBest(k=20), model).fit(X, y).score(X, y)


@book.wrong(
    "selection", "balanced accuracy or an AUC", scoring=("roc_auc", "balanced_accuracy", "roc_auc"), cv=FOLDS
)
def another_measure(X, y, scoring, cv):
    return cross_val_score(make_pipeline(SelectKBest(k=20), LINEAR), X, y, cv=cv, scoring=scoring).mean()


@book.wrong("selection", "every measure has another value", scoring=("recall", "precision", "f1"))
def a_measure_of_patients(X, y, scoring):
    return cross_val_score(
        make_pipeline(SelectKBest(k=20), NEAREST), X, y, cv=SHUFFLED, scoring=scoring
    ).mean()


@book.wrong("selection", "whatever the data are", number=(0.5, 0.48, 1.0))
def what_noise_should_give(X, y, number):
    return number


@book.wrong("selection", "1 minus the errors", cv=FOLDS)
def share_of_errors(X, y, cv):
    return 1 - pipeline_of_the_solution(X, y, cv)


@book.wrong("selection", "with their own labels", seed=(0, 1, 2))
def labels_shuffled(X, y, seed):
    return pipeline_of_the_solution(X, np.random.default_rng(seed).permutation(y))


# Task 2: repeated scans


@book.right("repeated_scans", cv=(GROUPED, LeaveOneGroupOut()))
def grouped_folds(X, y, subjects, cv):
    return cross_val_score(NEAREST, X, y, groups=subjects, cv=cv).mean()


@book.right("repeated_scans")
def one_subject_out(X, y, subjects):
    hits = []
    for one in np.unique(subjects):
        test = subjects == one
        hits.append(np.mean(NEAREST.fit(X[~test], y[~test]).predict(X[test]) == y[test]))
    return float(np.mean(hits))


@book.right("repeated_scans")
def mean_of_every_subject(X, y, subjects):
    names, first = np.unique(subjects, return_index=True)
    means = np.array([X[subjects == name].mean(axis=0) for name in names])
    return cross_val_score(LINEAR, means, y[first], cv=10).mean()


@book.right("repeated_scans")
def first_scan_of_every_subject(X, y, subjects):
    first = np.unique(subjects, return_index=True)[1]
    return cross_val_score(NEAREST, X[first], y[first], cv=SHUFFLED).mean()


@book.right("repeated_scans")
def random_subjects_out(X, y, subjects):
    splitter = GroupShuffleSplit(5, test_size=0.25)
    return cross_val_score(GaussianNB(), X, y, groups=subjects, cv=splitter).mean()


@book.right("repeated_scans")
def plain_group_folds(X, y, subjects):
    return (cross_val_predict(SVC(), X, y, groups=subjects, cv=GroupKFold(3)) == y).mean()


@book.wrong("repeated_scans", "both sides of the split", "`subjects` has no effect", model=MODELS, cv=FOLDS)
def subjects_ignored(X, y, subjects, model, cv):
    return cross_val_score(model, X, y, groups=subjects, cv=cv).mean()


@book.wrong("repeated_scans", "does not keep a subject's scans together", model=MODELS)
def stratified_by_subject(X, y, subjects, model):
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, subjects))
    return cross_val_score(model, X, y, cv=folds).mean()


@book.wrong("repeated_scans", "scored on scans that it was fitted to", model=(NEAREST, LINEAR, SVC()))
def score_of_the_training_subjects(X, y, subjects, model):
    return model.fit(X, y).score(X, y)


@book.wrong(
    "repeated_scans", "balanced accuracy or an AUC", scoring=("roc_auc", "balanced_accuracy", "roc_auc")
)
def another_measure_in_groups(X, y, subjects, scoring):
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=0)
    return cross_val_score(LINEAR, X, y, groups=subjects, cv=folds, scoring=scoring).mean()


@book.wrong("repeated_scans", cv=GROUPS)
def best_fold(X, y, subjects, cv):
    return cross_val_score(NEAREST, X, y, groups=subjects, cv=cv).max()


@book.wrong("repeated_scans", "ValueError", "groups", cv=GROUPS)
def groups_forgotten(X, y, subjects, cv):
    return cross_val_score(NEAREST, X, y, cv=cv, error_score="raise").mean()


@book.wrong("repeated_scans", "whatever the data are")
def majority(X, y, subjects):
    return (DummyClassifier(strategy="constant", constant=y[0]).fit(X, y).score(X, y) > 0) * 0.5


@book.wrong("repeated_scans", "has an effect, but does not keep", times=(1, 10))
def subject_as_a_column(X, y, subjects, times):
    return cross_val_score(NEAREST, np.column_stack([X, times * subjects]), y, cv=SHUFFLED).mean()


@book.wrong("repeated_scans", "the subjects are not the reason", k=(10, 8))
def features_chosen_before_the_grouped_folds(X, y, subjects, k):
    best = SelectKBest(k=min(k, X.shape[1])).fit_transform(X, y)
    return cross_val_score(NEAREST, best, y, groups=subjects, cv=GroupKFold(5)).mean()


@book.wrong("repeated_scans", "the subjects are not the reason", cv=(GROUPED, StratifiedGroupKFold(4)))
def number_of_neighbours_by_the_score(X, y, subjects, cv):
    models = [KNeighborsClassifier(k) for k in range(1, 20, 2)]
    return max(cross_val_score(one, X, y, groups=subjects, cv=cv).mean() for one in models)


# Task 3: tuning


@book.right("tuning")
def nested(model, grid, X, y):
    return cross_val_score(GridSearchCV(model, grid, cv=2), X, y, cv=3).mean()


@book.right("tuning")
def nested_by_hand(model, grid, X, y):
    scores = []
    for train, test in StratifiedKFold(4, shuffle=True).split(X, y):
        candidates = [clone(model).set_params(**setting) for setting in ParameterGrid(grid)]
        inner = [cross_val_score(one, X[train], y[train], cv=3).mean() for one in candidates]
        scores.append(candidates[int(np.argmax(inner))].fit(X[train], y[train]).score(X[test], y[test]))
    return np.mean(scores)


@book.right("tuning", share=(0.25, 0.4))
def tuned_here_tested_there(model, grid, X, y, share):
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=share, stratify=y, random_state=3)
    return GridSearchCV(model, grid).fit(X_train, y_train).score(X_test, y_test)


@book.right("tuning")
def chosen_by_a_validation_part(model, grid, X, y):
    third = np.random.default_rng(0).permutation(np.arange(len(y)) % 3)
    fitted = [clone(model).set_params(**one).fit(X[third == 0], y[third == 0]) for one in ParameterGrid(grid)]
    best = max(fitted, key=lambda one: one.score(X[third == 1], y[third == 1]))
    return best.score(X[third == 2], y[third == 2])


@book.right("tuning")
def nested_random_splits(model, grid, X, y):
    outer = StratifiedShuffleSplit(6, test_size=0.2, random_state=0)
    return cross_validate(GridSearchCV(model, grid, cv=3), X, y, cv=outer)["test_score"].mean()


@book.wrong("tuning", "scans that chose the setting also gave the score", cv=FOLDS)
def best_of_the_grid(model, grid, X, y, cv):
    return GridSearchCV(model, grid, cv=cv).fit(X, y).best_score_


@book.wrong("tuning", "scans that chose the setting also gave the score", cv=FOLDS)
def best_setting_scored_again(model, grid, X, y, cv):
    return cross_val_score(GridSearchCV(model, grid, cv=5).fit(X, y).best_estimator_, X, y, cv=cv).mean()


@book.wrong("tuning", "scored on scans that it was fitted to", cv=FOLDS)
def refitted_and_scored(model, grid, X, y, cv):
    return GridSearchCV(model, grid, cv=cv).fit(X, y).score(X, y)


@book.wrong("tuning", "do not reach the model", cv=FOLDS)
def grid_ignored(model, grid, X, y, cv):
    return cross_val_score(model, X, y, cv=cv).mean()


@book.wrong("tuning", "does not find the good one", at=(0, 1, -1))
def one_setting_without_looking(model, grid, X, y, at):
    setting = {name: values[at if len(values) > 1 else 0] for name, values in grid.items()}
    return cross_val_score(clone(model).set_params(**setting), X, y, cv=10).mean()


@book.wrong("tuning", "every measure has another value", scoring=("balanced_accuracy", "f1", "recall"))
def nested_with_another_measure(model, grid, X, y, scoring):
    return cross_val_score(GridSearchCV(model, grid, cv=3), X, y, cv=SHUFFLED, scoring=scoring).mean()


@book.wrong("tuning", "the score was chosen", n=(3, 2, 5))
def best_of_some_runs(model, grid, X, y, n):
    outer = [StratifiedKFold(5, shuffle=True, random_state=i) for i in range(n)]
    return max(cross_val_score(GridSearchCV(model, grid, cv=4), X, y, cv=one).mean() for one in outer)


@book.wrong("tuning", "1 minus the errors")
def nested_errors(model, grid, X, y):
    return 1 - nested(model, grid, X, y)


# Task 4: oversampling


def copied(X, y, seed=0):
    """The rows with copies of the rare class, so that both classes have the same size."""
    rare = int(np.mean(y) < 0.5)
    missing = max(int(np.sum(y != rare) - np.sum(y == rare)), 0)
    copies = np.random.default_rng(seed).choice(np.flatnonzero(y == rare), missing)
    rows = np.concatenate([np.arange(len(y)), copies])
    return X[rows], y[rows]


def copied_in_the_folds(X, y, model, measure):
    scores = []
    for train, test in SHUFFLED.split(X, y):
        fitted = clone(model).fit(*copied(X[train], y[train]))
        scores.append(measure(y[test], fitted.predict(X[test])))
    return np.mean(scores)


@book.right("oversampling", model=(NEAREST, LINEAR))
def copies_inside_the_folds(X, y, model):
    return copied_in_the_folds(X, y, model, balanced_accuracy_score)


@book.right("oversampling", cv=(SHUFFLED, 3))
def class_weights(X, y, cv=SHUFFLED):
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    return cross_val_score(model, X, y, cv=cv, scoring="balanced_accuracy").mean()


@book.right("oversampling")
def nothing_resampled(X, y):
    return cross_val_score(NEAREST, X, y, cv=10, scoring="balanced_accuracy").mean()


@book.right("oversampling")
def pooled_predictions(X, y):
    predicted = cross_val_predict(DecisionTreeClassifier(class_weight="balanced", max_depth=2), X, y, cv=5)
    return balanced_accuracy_score(y, predicted)


@book.right("oversampling")
def fewer_controls(X, y):
    controls = np.random.default_rng(0).choice(np.flatnonzero(y == 0), np.sum(y == 1), replace=False)
    keep = np.concatenate([np.flatnonzero(y == 1), controls])
    return cross_val_score(NEAREST, X[keep], y[keep], cv=SHUFFLED, scoring="balanced_accuracy").mean()


@book.wrong("oversampling", "Copies of the same scan", model=(NEAREST, LINEAR, DecisionTreeClassifier()))
def copied_before_the_split(X, y, model):
    return cross_val_score(model, *copied(X, y), cv=SHUFFLED, scoring="balanced_accuracy").mean()


@book.wrong("oversampling", "plain accuracy", model=MODELS)
def plain_accuracy(X, y, model):
    return cross_val_score(model, X, y, cv=SHUFFLED).mean()


@book.wrong("oversampling", "plain accuracy", model=MODELS)
def plain_accuracy_with_copies_inside(X, y, model):
    return copied_in_the_folds(X, y, model, lambda y, said: np.mean(y == said))


@book.wrong("oversampling", "not the plain accuracy", scoring=("recall", "precision", "f1"))
def measure_of_patients_alone(X, y, scoring):
    return cross_val_score(NEAREST, X, y, cv=SHUFFLED, scoring=scoring).mean()


@book.wrong("oversampling", "not an AUC", model=(LINEAR, GaussianNB(), LinearDiscriminantAnalysis()))
def area_under_the_curve(X, y, model):
    return cross_val_score(model, X, y, cv=SHUFFLED, scoring="roc_auc").mean()


@book.wrong("oversampling", "not an AUC", k=(7, 9, 15))
def auc_of_neighbours(X, y, k):
    return cross_val_score(KNeighborsClassifier(k), X, y, cv=SHUFFLED, scoring="roc_auc").mean()


@book.wrong("oversampling", "scored on scans that it was fitted to", model=(NEAREST, SVC(), LINEAR))
def balanced_training_score(X, y, model):
    return balanced_accuracy_score(y, model.fit(*copied(X, y)).predict(X))


@book.wrong("oversampling", "returns nan", n=(5, 4, 3))
def folds_with_one_class(X, y, n):
    order = np.argsort(y)
    return cross_val_score(LINEAR, X[order], y[order], cv=KFold(n), scoring="balanced_accuracy").mean()


@book.wrong("oversampling", "1 minus the errors", cv=FOLDS)
def balanced_errors(X, y, cv):
    return 1 - class_weights(X, y, cv)


@book.wrong("oversampling", "whatever the data are")
def always_the_larger_class(X, y):
    return cross_val_score(DummyClassifier(), X, y, scoring="balanced_accuracy").mean()


# Task 5: a nested, grouped evaluation


def outer_loop(model, grid, X, y, subjects, outer, inner, grouped=True):
    scores = []
    for train, test in outer.split(X, y, subjects):
        search = GridSearchCV(model, grid, cv=inner)
        search.fit(X[train], y[train], **({"groups": subjects[train]} if grouped else {}))
        scores.append(search.score(X[test], y[test]))
    return scores


@book.right(
    "nested_grouped",
    outer=(GroupKFold(3), GROUPED, GroupShuffleSplit(4, test_size=0.25)),
    inner=(GroupKFold(2), GroupKFold(3), GroupShuffleSplit(3)),
)
def search_in_a_loop(model, grid, X, y, subjects, outer, inner):
    return np.mean(outer_loop(model, grid, X, y, subjects, outer, inner))


@book.right("nested_grouped")
def by_hand(model, grid, X, y, subjects):
    rng, hits = np.random.default_rng(0), []
    for names in np.array_split(rng.permutation(np.unique(subjects)), 4):
        test = np.isin(subjects, names)
        best, best_score = None, -1
        for setting in ParameterGrid(grid):
            inner = []
            for others in np.array_split(np.unique(subjects[~test]), 3):
                held = np.isin(subjects, others)
                one = clone(model).set_params(**setting).fit(X[~test & ~held], y[~test & ~held])
                inner.append(one.score(X[held], y[held]))
            if np.mean(inner) > best_score:
                best, best_score = setting, np.mean(inner)
        hits.extend(clone(model).set_params(**best).fit(X[~test], y[~test]).predict(X[test]) == y[test])
    return np.mean(hits)


@book.right("nested_grouped")
def lists_of_folds(model, grid, X, y, subjects):
    scores = []
    for train, test in GroupKFold(8).split(X, y, subjects):
        inner = list(GroupKFold(3).split(X[train], y[train], subjects[train]))
        scores.append(GridSearchCV(model, grid, cv=inner).fit(X[train], y[train]).score(X[test], y[test]))
    return float(np.mean(scores))


@book.wrong("nested_grouped", "both sides of the inner split", outer=GROUPS, inner=(3, SHUFFLED, 4))
def inner_folds_not_grouped(model, grid, X, y, subjects, outer, inner):
    return np.mean(outer_loop(model, grid, X, y, subjects, outer, inner, grouped=False))


@book.wrong("nested_grouped", "both sides of the outer split", cv=FOLDS, slow=True)
def nothing_grouped(model, grid, X, y, subjects, cv):
    return cross_val_score(GridSearchCV(model, grid, cv=3), X, y, groups=subjects, cv=cv).mean()


@book.wrong("nested_grouped", "both sides of the outer split", outer=FOLDS, inner=GROUPS)
def outer_folds_not_grouped(model, grid, X, y, subjects, outer, inner):
    return np.mean(outer_loop(model, grid, X, y, subjects, outer, inner))


@book.wrong("nested_grouped", "folds are grouped", "chose the setting also gave the score", cv=GROUPS)
def grouped_but_not_nested(model, grid, X, y, subjects, cv):
    return GridSearchCV(model, grid, cv=cv).fit(X, y, groups=subjects).best_score_


@book.wrong("nested_grouped", "the score was chosen", n=(3, 2, 5))
def best_of_some_nested_runs(model, grid, X, y, subjects, n):
    outer = [StratifiedGroupKFold(5, shuffle=True, random_state=i) for i in range(n)]
    return max(np.mean(outer_loop(model, grid, X, y, subjects, one, GroupKFold(3))) for one in outer)


@book.wrong("nested_grouped", outer=GROUPS)
def best_outer_fold(model, grid, X, y, subjects, outer):
    return max(outer_loop(model, grid, X, y, subjects, outer, GroupKFold(3)))


@book.wrong("nested_grouped", "settings of the grid do not reach the model", cv=GROUPS)
def grid_left_out(model, grid, X, y, subjects, cv):
    return cross_val_score(model, X, y, groups=subjects, cv=cv).mean()


@book.wrong("nested_grouped", "ValueError", "inconsistent numbers of samples")
def groups_of_all_rows(model, grid, X, y, subjects):
    search = GridSearchCV(model, grid, cv=GroupKFold(3))
    return np.mean(
        [search.fit(X[a], y[a], groups=subjects).score(X[b], y[b]) for a, b in GROUPED.split(X, y, subjects)]
    )


@book.wrong("nested_grouped", "scored on scans that it was fitted to", "one scan per subject", cv=GROUPS)
def refitted_and_scored_on_all(model, grid, X, y, subjects, cv):
    return GridSearchCV(model, grid, cv=cv).fit(X, y, groups=subjects).score(X, y)


# Task 6: a permutation test that respects subjects


def between_subjects(y, subjects, rng, draw=None):
    _, first, who = np.unique(subjects, return_index=True, return_inverse=True)
    return (draw or rng.permutation)(y[first])[who]


def grouped_score(model, X, y, subjects, cv=GROUPS[0]):
    return cross_val_score(model, X, y, groups=subjects, cv=cv).mean()


def scores_of(model, X, y, subjects, n, cv=GROUPS[0], **settings):
    """The score of the real labels, then of n permutations."""
    rng = np.random.default_rng(0)
    permuted = [between_subjects(y, subjects, rng, **settings) for _ in range(n)]
    return np.array([grouped_score(model, X, labels, subjects, cv) for labels in [y, *permuted]])


def p_of(scores):
    return np.mean(scores >= scores[0])


@book.right("permutation", cv=(GroupKFold(4), GROUPED, LeaveOneGroupOut()))
def labels_between_subjects(model, X, y, subjects, n_permutations, cv):
    return p_of(scores_of(model, X, y, subjects, n_permutations, cv))


@book.right("permutation")
def dictionary_and_loop_without_a_seed(model, X, y, subjects, n_permutations=99):
    label = {name: y[subjects == name][0] for name in subjects}
    real, count = grouped_score(model, X, y, subjects, GroupKFold(3)), 1
    for _ in range(n_permutations):
        shuffled = dict(zip(label, np.random.permutation(list(label.values())), strict=True))  # noqa: NPY002
        fake = np.array([shuffled[name] for name in subjects])
        count += grouped_score(model, X, fake, subjects, GroupKFold(3)) >= real
    return round(count / (n_permutations + 1), 3)


@book.right("permutation")
def one_row_per_subject(model, X, y, subjects, n_permutations):
    names, first = np.unique(subjects, return_index=True)
    means = np.array([X[subjects == name].mean(axis=0) for name in names])
    return permutation_test_score(
        model, means, y[first], cv=4, n_permutations=n_permutations, random_state=0
    )[2]


@book.right("permutation")
def scaled_and_with_another_model(model, X, y, subjects, n_permutations):
    return p_of(scores_of(make_pipeline(StandardScaler(), GaussianNB()), X, y, subjects, n_permutations))


@book.wrong("permutation", "scan by scan", cv=GROUPS)
def row_by_row(model, X, y, subjects, n_permutations, cv):
    rng = np.random.default_rng(0)
    labels = [y, *(rng.permutation(y) for _ in range(n_permutations))]
    return p_of(np.array([grouped_score(model, X, one, subjects, cv) for one in labels]))


@book.wrong("permutation", "same subject stands on both sides", cv=FOLDS)
def folds_not_grouped(model, X, y, subjects, n_permutations, cv):
    return p_of(scores_of(model, X, y, subjects, n_permutations, cv))


@book.wrong("permutation", "drawn anew", seed=(0, 1, 2))
def labels_drawn_with_replacement(model, X, y, subjects, n_permutations, seed):
    rng = np.random.default_rng(seed)
    return p_of(
        scores_of(model, X, y, subjects, n_permutations, draw=lambda labels: rng.choice(labels, len(labels)))
    )


@book.wrong("permutation", "always to the labels as recorded", "Fit and score it anew", cv=GROUPS)
def model_never_refitted(model, X, y, subjects, n_permutations, cv):
    rng = np.random.default_rng(0)
    predicted = cross_val_predict(model, X, y, groups=subjects, cv=cv)
    labels = [y, *(between_subjects(y, subjects, rng) for _ in range(n_permutations))]
    return p_of(np.array([np.mean(predicted == one) for one in labels]))


@book.wrong("permutation", "within a subject", cv=GROUPS)
def permuted_within_subjects(model, X, y, subjects, n_permutations, cv):
    return permutation_test_score(model, X, y, groups=subjects, cv=cv, n_permutations=n_permutations)[2]


@book.wrong("permutation", "p = 0", "1 + number", cv=GROUPS)
def without_the_one(model, X, y, subjects, n_permutations, cv):
    scores = scores_of(model, X, y, subjects, n_permutations, cv)
    return np.mean(scores[1:] >= scores[0])


@book.wrong("permutation", "same new order again and again", seed=(0, 1, 2))
def one_permutation_many_times(model, X, y, subjects, n_permutations, seed):
    again = [between_subjects(y, subjects, np.random.default_rng(seed)) for _ in range(n_permutations)]
    return p_of(np.array([grouped_score(model, X, labels, subjects) for labels in [y, *again]]))


@book.wrong("permutation", "fitted to all subjects every time", seed=(0, 1, 2))
def training_scores(model, X, y, subjects, n_permutations, seed):
    rng = np.random.default_rng(seed)
    labels = [y, *(between_subjects(y, subjects, rng) for _ in range(n_permutations))]
    return p_of(np.array([clone(model).fit(X, one).score(X, one) for one in labels]))


@book.wrong("permutation", "not those that score worse", cv=GROUPS)
def the_wrong_tail(model, X, y, subjects, n_permutations, cv):
    scores = scores_of(model, X, y, subjects, n_permutations, cv)
    return np.mean(scores <= scores[0])


@book.wrong("permutation", ">=, not >", cv=GROUPS)
def strictly_better(model, X, y, subjects, n_permutations, cv):
    scores = scores_of(model, X, y, subjects, n_permutations, cv)
    return (1 + np.sum(scores > scores[0])) / len(scores)


@book.wrong("permutation", "on one side only", cv=GROUPS)
def two_sided(model, X, y, subjects, n_permutations, cv):
    scores = np.abs(scores_of(model, X, y, subjects, n_permutations, cv) - 0.5)
    return p_of(scores)


@book.wrong("permutation", "Does it use n_permutations?", n=(10, 39, 99))
def its_own_number(model, X, y, subjects, n_permutations, n):
    return p_of(scores_of(model, X, y, subjects, n))


@book.wrong("permutation", "without any signal")
def real_labels_scored_in_training(model, X, y, subjects, n_permutations):
    scores = scores_of(model, X, y, subjects, n_permutations)
    scores[0] = clone(model).fit(X, y).score(X, y)
    return p_of(scores)


@book.wrong("permutation", "not exactly alike", n=(2, 5, 15))
def best_of_many_shufflings(model, X, y, subjects, n_permutations, n):
    scores = scores_of(model, X, y, subjects, n_permutations)
    deals = [GroupKFold(4, shuffle=True, random_state=i) for i in range(n)]
    scores[0] = max(grouped_score(model, X, y, subjects, cv) for cv in deals)
    return p_of(scores)


@book.wrong("permutation", "only a part of the labels", share=(0.25, 0.5, 0.3))
def some_labels_permuted(model, X, y, subjects, n_permutations, share):
    rng = np.random.default_rng(0)

    def draw(labels):
        few = round(share * len(labels))
        return np.append(rng.permutation(labels[:few]), labels[few:])

    return p_of(scores_of(model, X, y, subjects, n_permutations, draw=draw))


book.short_wrongs(
    "permutation",
    t_test_of_the_scans=(
        lambda model, X, y, subjects, n_permutations: max(
            0.05, ttest_ind(X[y == 0].mean(axis=1), X[y == 1].mean(axis=1)).pvalue
        ),
        "Does it use n_permutations?",
    ),
    always_significant=(lambda model, X, y, subjects, n_permutations: 0.05, "whatever the data are"),
)


test_right, test_wrong, test_each_task, test_tables = book.tests()


@pytest.mark.parametrize("seed", range(3))
def test_by_heart_is_right_in_known_people_and_a_coin_in_new_ones(seed):
    X, y = checks.measured(np.random.default_rng(seed), 400, informative=2)
    known, new = slice(0, 200), slice(200, 400)
    score = {rule: checks.ByHeart(rule).fit(X[known], y[known]) for rule in range(4)}
    assert score[0].score(X[known], y[known]) == 1 and 0.85 < score[2].score(X[known], y[known]) < 0.95
    assert abs(score[0].score(X[new], y[new]) - 0.5) < 0.15 and score[2].score(X[new], y[new]) > 0.93
