"""Every task of the exercises: right answers, however written, pass; each wrong one gets its own reason."""

import numpy as np
import pytest
from answers import answers
from sklearn.base import clone
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
    RepeatedStratifiedKFold,
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

from utils import checks

NEAREST = KNeighborsClassifier(n_neighbors=1)
SHUFFLED = StratifiedKFold(5, shuffle=True, random_state=0)
GROUPED = StratifiedGroupKFold(5, shuffle=True, random_state=0)

RIGHT, WRONG, right, wrong = answers()


# Task 1: selection


@right("selection")
def pipeline_of_the_solution(X, y):
    return cross_val_score(make_pipeline(SelectKBest(f_classif, k=20), NEAREST), X, y, cv=SHUFFLED).mean()


@right("selection")
def loop_with_correlations(X, y):
    order = np.random.default_rng(1).permutation(len(y))
    hits = []
    for test in np.array_split(order, 10):
        train = np.setdiff1d(order, test)
        strength = abs(X[train][y[train] == 1].mean(axis=0) - X[train][y[train] == 0].mean(axis=0))
        best = np.argsort(strength)[-20:]
        model = GaussianNB().fit(X[np.ix_(train, best)], y[train])
        hits.extend(model.predict(X[np.ix_(test, best)]) == y[test])
    return sum(hits) / len(hits)


@right("selection")
def leave_one_out(X, y):
    model = make_pipeline(SelectKBest(k=20), KNeighborsClassifier(3))
    return np.mean(cross_val_predict(model, X, y, cv=LeaveOneOut()) == y)


@right("selection")
def one_held_out_half(X, y):
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
    selector = SelectKBest(k=10).fit(X_train, y_train)
    return (
        LogisticRegression()
        .fit(selector.transform(X_train), y_train)
        .score(selector.transform(X_test), y_test)
    )


@right("selection")
def no_selection_at_all(X, y):
    return cross_validate(make_pipeline(StandardScaler(), SVC()), X, y, cv=3)["test_score"].mean()


@right("selection")
def repeated_auc_without_a_seed(X, y):
    model = make_pipeline(SelectKBest(k=20), LogisticRegression())
    return cross_val_score(model, X, y, cv=RepeatedStratifiedKFold(n_repeats=2), scoring="roc_auc").mean()


@wrong("selection", "selection saw the labels of the test fold")
def selected_on_all_scans(X, y):
    return cross_val_score(NEAREST, SelectKBest(k=20).fit_transform(X, y), y, cv=SHUFFLED).mean()


@wrong("selection", "scored on scans that it was fitted to")
def score_of_the_training_scans(X, y):
    return make_pipeline(SelectKBest(k=20), NEAREST).fit(X, y).score(X, y)


@wrong("selection", "0.50 whatever the data are")
def what_noise_should_give(X, y):
    return 0.5


@wrong("selection", "1 minus the errors")
def share_of_errors(X, y):
    return 1 - pipeline_of_the_solution(X, y)


@wrong("selection", "divide it by 100")
def percentage(X, y):
    return 100 * pipeline_of_the_solution(X, y)


@wrong("selection", "5 numbers", "mean")
def every_fold(X, y):
    return cross_val_score(make_pipeline(SelectKBest(k=20), NEAREST), X, y, cv=SHUFFLED)


@wrong("selection", "misses strong real signal")
def labels_shuffled(X, y):
    return pipeline_of_the_solution(X, np.random.default_rng(0).permutation(y))


@wrong("selection", "changes the X", "X.copy()")
def scaled_in_place(X, y):
    X -= X.mean(axis=0)
    return pipeline_of_the_solution(X, y)


@wrong("selection", "below 0")
def log_loss(X, y):
    return cross_val_score(make_pipeline(SelectKBest(k=20), NEAREST), X, y, scoring="neg_log_loss").mean()


# Task 2: repeated scans


@right("repeated_scans")
def grouped_folds(X, y, subjects):
    return cross_val_score(NEAREST, X, y, groups=subjects, cv=GROUPED).mean()


@right("repeated_scans")
def one_subject_out(X, y, subjects):
    hits = [
        np.mean(
            NEAREST.fit(X[subjects != one], y[subjects != one]).predict(X[subjects == one])
            == y[subjects == one]
        )
        for one in np.unique(subjects)
    ]
    return float(np.mean(hits))


@right("repeated_scans")
def mean_of_every_subject(X, y, subjects):
    names, first = np.unique(subjects, return_index=True)
    means = np.array([X[subjects == name].mean(axis=0) for name in names])
    return cross_val_score(LogisticRegression(), means, y[first], cv=10).mean()


@right("repeated_scans")
def first_scan_of_every_subject(X, y, subjects):
    first = np.unique(subjects, return_index=True)[1]
    return cross_val_score(NEAREST, X[first], y[first], cv=SHUFFLED).mean()


@right("repeated_scans")
def random_subjects_out(X, y, subjects):
    splitter = GroupShuffleSplit(5, test_size=0.25)
    return cross_val_score(DecisionTreeClassifier(), X, y, groups=subjects, cv=splitter).mean()


@right("repeated_scans")
def plain_group_folds(X, y, subjects):
    return (cross_val_predict(SVC(), X, y, groups=subjects, cv=GroupKFold(3)) == y).mean()


@wrong("repeated_scans", "both sides of the split", "`subjects` has no effect")
def subjects_ignored(X, y, subjects):
    return cross_val_score(NEAREST, X, y, cv=SHUFFLED).mean()


@wrong("repeated_scans", "both sides of the split", "does not keep a subject's scans together")
def stratified_by_subject(X, y, subjects):
    folds = list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, subjects))
    return cross_val_score(NEAREST, X, y, cv=folds).mean()


@wrong("repeated_scans", "scored on scans that it was fitted to", "one scan per subject")
def score_of_the_training_subjects(X, y, subjects):
    return NEAREST.fit(X, y).score(X, y)


@wrong("repeated_scans", "but yours takes (X, y)")
def without_subjects(X, y):
    return cross_val_score(NEAREST, X, y).mean()


@wrong("repeated_scans", "returns nothing", "return")
def no_return(X, y, subjects):
    cross_val_score(NEAREST, X, y, groups=subjects, cv=GROUPED).mean()


@wrong("repeated_scans", "ValueError", "groups", "cross_val_score")
def groups_forgotten(X, y, subjects):
    return cross_val_score(NEAREST, X, y, cv=GroupKFold(5), error_score="raise").mean()


@wrong("repeated_scans", "whatever the data are")
def majority(X, y, subjects):
    return cross_val_score(DummyClassifier(), X, y).mean()


# Task 3: tuning


@right("tuning")
def nested(model, grid, X, y):
    return cross_val_score(GridSearchCV(model, grid, cv=5), X, y, cv=SHUFFLED).mean()


@right("tuning")
def nested_by_hand(model, grid, X, y):
    scores = []
    for train, test in StratifiedKFold(4, shuffle=True).split(X, y):
        candidates = [clone(model).set_params(**setting) for setting in ParameterGrid(grid)]
        inner = [cross_val_score(one, X[train], y[train], cv=3).mean() for one in candidates]
        scores.append(candidates[int(np.argmax(inner))].fit(X[train], y[train]).score(X[test], y[test]))
    return np.mean(scores)


@right("tuning")
def tuned_here_tested_there(model, grid, X, y):
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=3)
    return GridSearchCV(model, grid).fit(X_train, y_train).score(X_test, y_test)


@right("tuning")
def first_setting_without_looking(model, grid, X, y):
    setting = {name: values[0] for name, values in grid.items()}
    return cross_val_score(clone(model).set_params(**setting), X, y, cv=10).mean()


@right("tuning")
def nested_random_splits(model, grid, X, y):
    outer = StratifiedShuffleSplit(6, test_size=0.2, random_state=0)
    return cross_validate(GridSearchCV(model, grid, cv=3), X, y, cv=outer)["test_score"].mean()


@wrong("tuning", "scans that chose the setting also gave the score")
def best_of_the_grid(model, grid, X, y):
    return GridSearchCV(model, grid, cv=SHUFFLED).fit(X, y).best_score_


@wrong("tuning", "scans that chose the setting also gave the score")
def best_setting_scored_again(model, grid, X, y):
    return cross_val_score(GridSearchCV(model, grid, cv=5).fit(X, y).best_estimator_, X, y, cv=5).mean()


@wrong("tuning", "scored on scans that it was fitted to", "single setting")
def refitted_and_scored(model, grid, X, y):
    return GridSearchCV(model, grid).fit(X, y).score(X, y)


@wrong("tuning", "misses strong real signal")
def worst_of_the_grid(model, grid, X, y):
    return cross_val_score(DummyClassifier(strategy="uniform", random_state=0), X, y, cv=SHUFFLED).mean()


@wrong("tuning", "AttributeError", "best_scores_")
def misspelt(model, grid, X, y):
    return GridSearchCV(model, grid).fit(X, y).best_scores_


@wrong("tuning", "still empty", "three dots")
def untouched(model, grid, X, y):
    # Choose the setting within the training scans.
    ...


@wrong("tuning", "type GridSearchCV", "score alone")
def the_search_itself(model, grid, X, y):
    return GridSearchCV(model, grid).fit(X, y)


@wrong("tuning", "1 minus the errors")
def nested_errors(model, grid, X, y):
    return 1 - nested(model, grid, X, y)


# Task 4: oversampling


def _copied(X, y, rng):
    """The rows with copies of the rare class, so that both classes have the same size."""
    rare = int(np.mean(y) < 0.5)
    rows, missing = np.flatnonzero(y == rare), int(np.sum(y != rare) - np.sum(y == rare))
    all_rows = np.concatenate([np.arange(len(y)), rng.choice(rows, max(missing, 0))])
    return X[all_rows], y[all_rows]


@right("oversampling")
def copies_inside_the_folds(X, y):
    rng, scores = np.random.default_rng(0), []
    for train, test in SHUFFLED.split(X, y):
        model = clone(NEAREST).fit(*_copied(X[train], y[train], rng))
        scores.append(balanced_accuracy_score(y[test], model.predict(X[test])))
    return np.mean(scores)


@right("oversampling")
def class_weights(X, y):
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    return cross_val_score(model, X, y, cv=SHUFFLED, scoring="balanced_accuracy").mean()


@right("oversampling")
def nothing_resampled(X, y):
    return cross_val_score(NEAREST, X, y, cv=10, scoring="balanced_accuracy").mean()


@right("oversampling")
def pooled_predictions(X, y):
    predicted = cross_val_predict(DecisionTreeClassifier(class_weight="balanced", max_depth=2), X, y, cv=5)
    return balanced_accuracy_score(y, predicted)


@right("oversampling")
def area_under_the_curve(X, y):
    return cross_val_score(GaussianNB(), X, y, cv=4, scoring="roc_auc").mean()


@right("oversampling")
def fewer_controls(X, y):
    rng = np.random.default_rng(0)
    keep = np.concatenate(
        [np.flatnonzero(y == 1), rng.choice(np.flatnonzero(y == 0), np.sum(y == 1), replace=False)]
    )
    return cross_val_score(NEAREST, X[keep], y[keep], cv=SHUFFLED, scoring="balanced_accuracy").mean()


@wrong("oversampling", "Copies of the same scan")
def copied_before_the_split(X, y):
    X, y = _copied(X, y, np.random.default_rng(0))
    return cross_val_score(NEAREST, X, y, cv=SHUFFLED, scoring="balanced_accuracy").mean()


@wrong("oversampling", "Copies of the same scan")
def copied_and_a_linear_model(X, y):
    X, y = _copied(X, y, np.random.default_rng(0))
    return cross_val_score(LogisticRegression(), X, y, cv=SHUFFLED).mean()


@wrong("oversampling", "plain accuracy")
def plain_accuracy(X, y):
    return cross_val_score(LogisticRegression(), X, y, cv=SHUFFLED).mean()


@wrong("oversampling", "plain accuracy")
def plain_accuracy_of_the_nearest(X, y):
    return cross_val_score(NEAREST, X, y, cv=SHUFFLED).mean()


@wrong("oversampling", "scored on scans that it was fitted to", "equal size")
def balanced_training_score(X, y):
    return balanced_accuracy_score(y, NEAREST.fit(X, y).predict(X))


@wrong("oversampling", "returns nan")
def folds_with_one_class(X, y):
    order = np.argsort(y)
    return cross_val_score(
        LogisticRegression(), X[order], y[order], cv=KFold(5), scoring="balanced_accuracy"
    ).mean()


@wrong("oversampling", "1 minus the errors")
def balanced_errors(X, y):
    return 1 - class_weights(X, y)


@wrong("oversampling", "type dict", "balanced accuracy alone")
def everything(X, y):
    return cross_validate(NEAREST, X, y, scoring="balanced_accuracy")


@wrong("oversampling", "whatever the data are")
def always_the_larger_class(X, y):
    return cross_val_score(DummyClassifier(), X, y, scoring="balanced_accuracy").mean()


# Task 5: a nested, grouped evaluation


@right("nested_grouped")
def search_in_a_loop(model, grid, X, y, subjects):
    scores = []
    for train, test in GROUPED.split(X, y, subjects):
        search = GridSearchCV(model, grid, cv=StratifiedGroupKFold(4))
        search.fit(X[train], y[train], groups=subjects[train])
        scores.append(search.score(X[test], y[test]))
    return np.mean(scores)


@right("nested_grouped")
def by_hand(model, grid, X, y, subjects):
    rng = np.random.default_rng(0)
    hits = []
    for names in np.array_split(rng.permutation(np.unique(subjects)), 4):
        test = np.isin(subjects, names)
        best, best_score = None, -1
        for setting in ParameterGrid(grid):
            inner = []
            for others in np.array_split(rng.permutation(np.unique(subjects[~test])), 3):
                held = np.isin(subjects, others)
                one = clone(model).set_params(**setting).fit(X[~test & ~held], y[~test & ~held])
                inner.append(one.score(X[held], y[held]))
            if np.mean(inner) > best_score:
                best, best_score = setting, np.mean(inner)
        hits.append(clone(model).set_params(**best).fit(X[~test], y[~test]).score(X[test], y[test]))
    return sum(hits) / len(hits)


@right("nested_grouped")
def lists_of_folds(model, grid, X, y, subjects):
    scores = []
    for train, test in GroupKFold(10).split(X, y, subjects):
        inner = list(GroupKFold(3).split(X[train], y[train], subjects[train]))
        scores.append(GridSearchCV(model, grid, cv=inner).fit(X[train], y[train]).score(X[test], y[test]))
    return float(np.mean(scores))


@right("nested_grouped")
def random_subjects_unseeded(model, grid, X, y, subjects):
    scores = []
    for train, test in GroupShuffleSplit(4, test_size=0.25).split(X, y, subjects):
        search = GridSearchCV(model, grid, cv=GroupShuffleSplit(3, test_size=0.3))
        scores.append(search.fit(X[train], y[train], groups=subjects[train]).score(X[test], y[test]))
    return np.mean(scores)


@wrong("nested_grouped", "both sides of the inner split")
def inner_folds_not_grouped(model, grid, X, y, subjects):
    return cross_val_score(GridSearchCV(model, grid, cv=3), X, y, groups=subjects, cv=GROUPED).mean()


@wrong("nested_grouped", "both sides of the outer split")
def nothing_grouped(model, grid, X, y, subjects):
    return cross_val_score(GridSearchCV(model, grid, cv=3), X, y, cv=SHUFFLED).mean()


@wrong("nested_grouped", "both sides of the outer split")
def outer_folds_not_grouped(model, grid, X, y, subjects):
    scores = []
    for train, test in SHUFFLED.split(X, y):
        search = GridSearchCV(model, grid, cv=GroupKFold(3)).fit(X[train], y[train], groups=subjects[train])
        scores.append(search.score(X[test], y[test]))
    return np.mean(scores)


@wrong("nested_grouped", "folds are grouped", "chose the setting also gave the score")
def grouped_but_not_nested(model, grid, X, y, subjects):
    return GridSearchCV(model, grid, cv=GROUPED).fit(X, y, groups=subjects).best_score_


@wrong("nested_grouped", "settings of the grid do not reach the model")
def grid_ignored(model, grid, X, y, subjects):
    return cross_val_score(model, X, y, groups=subjects, cv=GROUPED).mean()


@wrong("nested_grouped", "ValueError", "inconsistent numbers of samples")
def groups_of_all_rows(model, grid, X, y, subjects):
    scores = []
    for train, test in GROUPED.split(X, y, subjects):
        search = GridSearchCV(model, grid, cv=GroupKFold(3)).fit(X[train], y[train], groups=subjects)
        scores.append(search.score(X[test], y[test]))
    return np.mean(scores)


@wrong("nested_grouped", "scored on scans that it was fitted to", "one scan per subject")
def refitted_and_scored_on_all(model, grid, X, y, subjects):
    search = GridSearchCV(model, {"n_neighbors": [1]}) if "n_neighbors" in grid else GridSearchCV(model, grid)
    return search.fit(X, y).score(X, y)


@wrong("nested_grouped", "4 numbers")
def outer_scores(model, grid, X, y, subjects):
    search = GridSearchCV(model, grid, cv=3)
    return list(cross_val_score(search, X, y, groups=subjects, cv=GroupKFold(4)))


# Task 6: a permutation test that respects subjects


def _between_subjects(y, subjects, rng):
    _, first, who = np.unique(subjects, return_index=True, return_inverse=True)
    return rng.permutation(y[first])[who]


def _grouped_score(model, X, y, subjects, splitter=GROUPED):
    return cross_val_score(model, X, y, groups=subjects, cv=splitter).mean()


@right("permutation")
def labels_between_subjects(model, X, y, subjects, n_permutations):
    rng = np.random.default_rng(0)
    real = _grouped_score(model, X, y, subjects)
    permuted = [
        _grouped_score(model, X, _between_subjects(y, subjects, rng), subjects) for _ in range(n_permutations)
    ]
    return (1 + np.sum(np.array(permuted) >= real)) / (1 + n_permutations)


@right("permutation")
def dictionary_and_loop_without_a_seed(model, X, y, subjects, n_permutations=99):
    label = {name: y[subjects == name][0] for name in subjects}
    names = list(label)
    count = 1
    real = _grouped_score(model, X, y, subjects, GroupKFold(3))
    for _ in range(n_permutations):
        shuffled = dict(zip(names, np.random.permutation(list(label.values())), strict=True))  # noqa: NPY002
        fake = np.array([shuffled[name] for name in subjects])
        count += _grouped_score(model, X, fake, subjects, GroupKFold(3)) >= real
    return count / (n_permutations + 1)


@right("permutation")
def one_row_per_subject(model, X, y, subjects, n_permutations):
    names, first = np.unique(subjects, return_index=True)
    means = np.array([X[subjects == name].mean(axis=0) for name in names])
    return permutation_test_score(
        model, means, y[first], cv=4, n_permutations=n_permutations, random_state=0
    )[2]


@right("permutation")
def one_subject_out_scaled(model, X, y, subjects, n_permutations):
    rng = np.random.default_rng(5)
    model = make_pipeline(StandardScaler(), model)
    scores = [
        _grouped_score(model, X, labels, subjects, LeaveOneGroupOut())
        for labels in [y] + [_between_subjects(y, subjects, rng) for _ in range(n_permutations)]
    ]
    return np.mean(np.array(scores) >= scores[0])


@right("permutation")
def own_model(model, X, y, subjects, n_permutations):
    return labels_between_subjects(GaussianNB(), X, y, subjects, n_permutations)


@wrong("permutation", "scan by scan")
def row_by_row(model, X, y, subjects, n_permutations):
    rng = np.random.default_rng(0)
    real = _grouped_score(model, X, y, subjects)
    permuted = [_grouped_score(model, X, rng.permutation(y), subjects) for _ in range(n_permutations)]
    return (1 + np.sum(np.array(permuted) >= real)) / (1 + n_permutations)


@wrong("permutation", "same subject stands on both sides")
def folds_not_grouped(model, X, y, subjects, n_permutations):
    rng = np.random.default_rng(0)
    scores = [
        cross_val_score(model, X, labels, cv=SHUFFLED).mean()
        for labels in [y] + [_between_subjects(y, subjects, rng) for _ in range(n_permutations)]
    ]
    return np.mean(np.array(scores) >= scores[0])


@wrong("permutation", "always to the labels as recorded", "Fit and score it anew")
def model_never_refitted(model, X, y, subjects, n_permutations):
    rng = np.random.default_rng(0)
    predicted = cross_val_predict(model, X, y, groups=subjects, cv=GROUPED)
    permuted = [np.mean(predicted == _between_subjects(y, subjects, rng)) for _ in range(n_permutations)]
    return (1 + np.sum(np.array(permuted) >= np.mean(predicted == y))) / (1 + n_permutations)


@wrong("permutation", "within a subject")
def permuted_within_subjects(model, X, y, subjects, n_permutations):
    return permutation_test_score(
        model, X, y, groups=subjects, cv=GROUPED, n_permutations=n_permutations, random_state=0
    )[2]


@wrong("permutation", "p = 0", "1 + number")
def without_the_one(model, X, y, subjects, n_permutations):
    p = labels_between_subjects(model, X, y, subjects, n_permutations)
    return (p * (1 + n_permutations) - 1) / n_permutations


@wrong("permutation", "not those that score worse")
def the_wrong_tail(model, X, y, subjects, n_permutations):
    rng = np.random.default_rng(0)
    real = _grouped_score(model, X, y, subjects)
    permuted = [
        _grouped_score(model, X, _between_subjects(y, subjects, rng), subjects) for _ in range(n_permutations)
    ]
    return (1 + np.sum(np.array(permuted) <= real)) / (1 + n_permutations)


@wrong("permutation", "Does it use n_permutations?")
def its_own_number(model, X, y, subjects, n_permutations):
    return labels_between_subjects(model, X, y, subjects, 39)


@wrong("permutation", "data sets without any signal")
def binomial_test_of_the_scans(model, X, y, subjects, n_permutations):
    from scipy.stats import ttest_ind

    return max(0.05, ttest_ind(X[y == 0].mean(axis=1), X[y == 1].mean(axis=1)).pvalue)


@wrong("permutation", "whatever the data are")
def always_significant(model, X, y, subjects, n_permutations):
    return 0.05


@wrong("permutation", "but yours takes (X, y)")
def too_few_arguments(X, y):
    return 0.05


@pytest.mark.parametrize(("task", "name"), RIGHT)
def test_right_answers_pass(task, name):
    verdict = getattr(checks, task)(RIGHT[task, name])
    assert verdict.passed, verdict


@pytest.mark.parametrize(("task", "name"), WRONG)
def test_wrong_answers_get_their_reason(task, name):
    function, words = WRONG[task, name]
    verdict = getattr(checks, task)(function)
    assert not verdict.passed, verdict
    for word in words:
        assert word in verdict.reason


def test_every_task_has_enough_answers():
    for task in {task for task, _ in RIGHT}:
        assert sum(one == task for one, _ in RIGHT) >= 3
        # Each wrong answer is told by words that no other reason of the task holds.
        assert len({words for (one, _), (_, words) in WRONG.items() if one == task}) >= 5


def untouched_stub(X, y): ...


def broken(X, y):
    first = len(y)
    return first / (first - len(y))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (untouched_stub, "three dots"),
        (..., "three dots"),
        (0.5, "without brackets"),
        (None, "type NoneType"),
        (
            broken,
            "in its line 3, `return first / (first - len(y))` with ZeroDivisionError: division by zero.",
        ),
        (lambda X, y: True, "type bool"),
        (lambda X, y: "0.5", "type str"),
        (lambda X, y: (0.5, X), "tuple"),
        (lambda X, y: np.full((2, 2), 0.5), "type ndarray"),
        (lambda X, y: -0.2, "below 0"),
        (lambda X, y: float("inf"), "inf"),
    ],
)
def test_what_is_no_answer_is_named(function, words):
    verdict = checks.selection(function)
    assert not verdict.passed
    assert words in verdict.reason


def test_one_number_may_have_any_form():
    for form in (np.float64, np.array, lambda number: [number], np.float32):
        learner = checks._Learner(lambda x, form=form: form(0.25), ("x",), "score")
        assert learner(1) == 0.25


def test_a_check_stops_when_it_takes_too_long(monkeypatch):
    monkeypatch.setattr(checks, "PATIENCE", -1)
    assert "too long" in checks.selection(what_noise_should_give).reason


def test_answers_that_differ_from_run_to_run_are_noted_and_pass():
    # Another deal at every call, as without a seed; but seeded, since two deals may agree by chance.
    deals = iter(range(1000))

    def unseeded(X, y):
        deal = next(deals)
        splitter = StratifiedKFold(5, shuffle=True, random_state=deal)
        return cross_val_score(DecisionTreeClassifier(random_state=deal), X, y, cv=splitter).mean()

    verdict = checks.selection(unseeded)
    assert verdict.passed
    assert "random_state" in verdict.reason


def test_a_verdict_says_in_words_what_it_shows():
    passed, failed = checks.Verdict(True, "Well <done>."), checks.Verdict(False, "Look again.")
    assert repr(passed) == "Passed. Well <done>."
    assert repr(failed) == "Not yet. Look again."
    assert "Passed." in passed._repr_html_() and "&lt;done&gt;" in passed._repr_html_()
    assert "Not yet." in failed._repr_html_()
