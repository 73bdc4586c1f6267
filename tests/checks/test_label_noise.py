"""The exercise on label noise: right answers, however written, pass; each wrong one gets its own reason."""

import numpy as np
import pytest
from answers import Answers
from scipy.optimize import brentq
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from checks import label_noise

book = Answers(label_noise)


# Task 1: agreement and the ceiling


@book.right("agreement_and_ceiling")
def closed_form(rater_1, rater_2):
    agreement = np.mean(rater_1 == rater_2)
    return agreement, (1 + np.sqrt(max(2 * agreement - 1, 0))) / 2


@book.right("agreement_and_ceiling")
def solved_by_search(rater_1, rater_2):
    agreement = float(np.mean(np.equal(rater_1, rater_2)))
    if agreement <= 0.5:
        return [agreement, 0.5]
    error = brentq(lambda e: (1 - e) ** 2 + e**2 - agreement, 0, 0.5)
    return [agreement, 1 - error]


@book.right("agreement_and_ceiling")
def tried_out_on_a_grid(rater_1, rater_2):
    same = 1 - np.mean(np.abs(rater_1 - rater_2))
    errors = np.linspace(0, 0.5, 2001)
    return np.array([same, 1 - errors[np.argmin(np.abs((1 - errors) ** 2 + errors**2 - same))]])


@book.right("agreement_and_ceiling")
def by_the_number_of_disagreements(rater_1, rater_2):
    differ = sum(a != b for a, b in zip(rater_1, rater_2, strict=True)) / len(rater_1)
    differ_at_most = min(differ, 0.5)
    return 1 - differ, 1 - (1 - (1 - 2 * differ_at_most) ** 0.5) / 2


@book.right("agreement_and_ceiling")
def rounded(rater_1, rater_2):
    return tuple(round(float(one), 2) for one in closed_form(rater_1, rater_2))


@book.wrong("agreement_and_ceiling", "not all are numbers")
def no_root(rater_1, rater_2):
    agreement = np.mean(rater_1 == rater_2)
    return agreement, (1 + np.sqrt(2 * agreement - 1)) / 2


book.short_wrongs(
    "agreement_and_ceiling",
    percentages=(
        lambda rater_1, rater_2: tuple(100 * one for one in closed_form(rater_1, rater_2)),
        "not percentages",
    ),
    only_the_ceiling=(lambda rater_1, rater_2: closed_form(rater_1, rater_2)[1], "Return 2 numbers"),
    number_of_equal_labels=(
        lambda rater_1, rater_2: (1 - np.mean(rater_1 == rater_2), closed_form(rater_1, rater_2)[1]),
        "0.75 and 0.85 are right",
    ),
)


# Task 2: trust in labels, out of fold


def own(probabilities, y):
    return probabilities[np.arange(len(y)), y]


@book.right("trust_in_labels")
def cross_val_predicted(X, y):
    return own(cross_val_predict(LogisticRegression(), X, y, cv=5, method="predict_proba"), y)


@book.right("trust_in_labels")
def forest_in_a_loop(X, y):
    trust = np.full(len(y), np.nan)
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        forest = RandomForestClassifier(50, random_state=0).fit(X[train], y[train])
        for i, p in zip(test, forest.predict_proba(X[test])[:, 1], strict=True):
            trust[i] = p if y[i] == 1 else 1 - p
    return trust


@book.right("trust_in_labels")
def out_of_bag(X, y):
    forest = RandomForestClassifier(100, oob_score=True, random_state=0).fit(X, y)
    return own(forest.oob_decision_function_, y)


@book.right("trust_in_labels")
def fifteen_other_neighbours(X, y):
    neighbours = KNeighborsClassifier(15).fit(X, y).kneighbors(return_distance=False)
    return (y[neighbours] == y[:, None]).mean(axis=1)


@book.right("trust_in_labels")
def three_left_out(X, y):
    return list(own(cross_val_predict(GaussianNB(), X, y, cv=KFold(100), method="predict_proba"), y))


@book.right("trust_in_labels")
def scaled_support_vectors(X, y):
    model = make_pipeline(StandardScaler(), SVC())
    score = cross_val_predict(
        model, X, y, cv=KFold(10, shuffle=True, random_state=1), method="decision_function"
    )
    return 1 / (1 + np.exp(-np.where(y == 1, score, -score)))


@book.right("trust_in_labels")
def contradicted_or_not(X, y):
    return (cross_val_predict(LogisticRegression(), X, y) == y).astype(int)


@book.right("trust_in_labels")
def one_tree(X, y):
    return own(
        cross_val_predict(DecisionTreeClassifier(random_state=0), X, y, cv=5, method="predict_proba"), y
    )


@book.wrong("trust_in_labels", "seen the label", k=(9, 15, 31))
def many_neighbours_with_itself(X, y, k):
    return KNeighborsClassifier(k).fit(X, y).predict_proba(X)[np.arange(len(y)), y]


@book.wrong("trust_in_labels", "seen the label", C=(1e-4, 1e-2))
def penalised_line_that_saw_it(X, y, C):
    return LogisticRegression(C=C).fit(X, y).predict_proba(X)[np.arange(len(y)), y]


@book.wrong("trust_in_labels", "no numbers")
def one_fold_only(X, y):
    trust = np.full(len(y), np.nan)
    train, test = next(KFold(5).split(X))
    trust[test] = own(LogisticRegression().fit(X[train], y[train]).predict_proba(X[test]), y[test])
    return trust


book.short_wrongs(
    "trust_in_labels",
    forest_that_saw_it=(
        lambda X, y: own(RandomForestClassifier(15, random_state=0).fit(X, y).predict_proba(X), y),
        "seen the label",
    ),
    line_that_saw_it=(
        lambda X, y: own(LogisticRegression(max_iter=1000).fit(X, y).predict_proba(X), y),
        "seen the label",
    ),
    neighbours_with_itself=(
        lambda X, y: own(KNeighborsClassifier(3).fit(X, y).predict_proba(X), y),
        "seen the label",
    ),
    five_neighbours_with_itself=(
        lambda X, y: own(KNeighborsClassifier(5).fit(X, y).predict_proba(X), y),
        "seen the label",
    ),
    how_sure_it_is=(
        lambda X, y: cross_val_predict(LogisticRegression(), X, y, method="predict_proba").max(axis=1),
        "larger of the two",
    ),
    as_a_column=(lambda X, y: cross_val_predicted(X, y)[:, None], "flat array"),
    tree_that_saw_it=(
        lambda X, y: own(DecisionTreeClassifier(random_state=0).fit(X, y).predict_proba(X), y),
        "Every label gets the same value",
    ),
    probability_of_class_1=(
        lambda X, y: cross_val_predict(LogisticRegression(), X, y, method="predict_proba")[:, 1],
        "to which class a scan belongs",
    ),
    both_probabilities=(
        lambda X, y: cross_val_predict(LogisticRegression(), X, y, method="predict_proba"),
        "Return one",
    ),
    doubt=(lambda X, y: 1 - cross_val_predicted(X, y), "Wrong labels get higher values"),
    in_another_order=(lambda X, y: np.sort(cross_val_predicted(X, y)), "order of the values"),
    scores_of_a_line=(
        lambda X, y: cross_val_predict(LogisticRegression(), X, y, method="decision_function") * (2 * y - 1),
        "from 0 to 1",
    ),
    the_suspects=(
        lambda X, y: np.flatnonzero(cross_val_predicted(X, y) < 0.5) / 1000,
        "300 scans, and the function returns",
    ),
    ranks=(lambda X, y: (np.argsort(np.argsort(cross_val_predicted(X, y))) + 1) / len(y), "no probabilities"),
)


@book.wrong("trust_in_labels", "all labels are by lot", share=(0.25, 0.2))
def columns_chosen_before_the_folds(X, y, share):
    strength = abs(X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0))
    return cross_val_predicted(X[:, np.argsort(-strength)[: max(2, round(share * X.shape[1]))]], y)


# Task 3: an audit


@book.right("audited_accuracy")
def at_random(predicted, recorded, review, budget):
    shown = np.random.default_rng(0).choice(len(predicted), budget, replace=False)
    return np.mean(predicted[shown] == review(shown))


@book.right("audited_accuracy")
def both_kinds_weighted(predicted, recorded, review, budget):
    rng, score = np.random.default_rng(1), 0
    for kind in (predicted == recorded, predicted != recorded):
        scans = np.flatnonzero(kind)
        shown = rng.permutation(scans)[: budget // 2]
        score += len(scans) / len(predicted) * np.mean(predicted[shown] == review(shown))
    return score


@book.right("audited_accuracy")
def report_and_correction(predicted, recorded, review, budget):
    shown = np.random.default_rng().permutation(len(predicted))[:budget]
    truth = review(shown)
    correction = (predicted[shown] == truth).mean() - (predicted[shown] == recorded[shown]).mean()
    return min(max(np.mean(predicted == recorded) + correction, 0), 1)


@book.right("audited_accuracy")
def every_fourth(predicted, recorded, review, budget):
    shown = range(1, len(predicted), len(predicted) // budget)
    return sum(predicted[i] == review([i])[0] for i in shown) / len(shown)


@book.right("audited_accuracy")
def with_a_mask(predicted, recorded, review, budget):
    shown = np.zeros(len(predicted), bool)
    shown[np.random.default_rng(5).choice(len(predicted), budget - 10, replace=False)] = True
    return (review(shown) == predicted[shown]).mean()


@book.wrong("audited_accuracy", "only scans on which model and label disagree")
def discrepant_analysis(predicted, recorded, review, budget):
    repaired = recorded.copy()
    shown = np.flatnonzero(predicted != recorded)[:budget]
    repaired[shown] = review(shown)
    return np.mean(predicted == repaired)


@book.wrong("audited_accuracy", "only scans on which model and label disagree")
def disagreements_alone(predicted, recorded, review, budget):
    shown = np.random.default_rng(0).permutation(np.flatnonzero(predicted != recorded))[:budget]
    return np.mean(predicted[shown] == review(shown))


@book.wrong("audited_accuracy", "predictive value", answer=(1, 0))
def one_answer_only(predicted, recorded, review, budget, answer):
    shown = np.random.default_rng(0).permutation(np.flatnonzero(predicted == answer))[:budget]
    return np.mean(predicted[shown] == review(shown))


@book.wrong("audited_accuracy", "only scans on which model and label agree")
def agreements_alone(predicted, recorded, review, budget):
    shown = np.flatnonzero(predicted == recorded)[:budget]
    return np.mean(predicted[shown] == review(shown))


@book.wrong("audited_accuracy", "lies between 0 and 1")
def corrected_by_formula(predicted, recorded, review, budget):
    shown = np.random.default_rng(2).choice(len(predicted), budget, replace=False)
    rate = np.mean(recorded[shown] != review(shown))
    return (np.mean(predicted == recorded) - rate) / (1 - 2 * rate)


@book.wrong("audited_accuracy", "labels that nobody has reviewed still count")
def partly_repaired(predicted, recorded, review, budget):
    repaired = recorded.copy()
    shown = np.random.default_rng(0).choice(len(predicted), budget, replace=False)
    repaired[shown] = review(shown)
    return np.mean(predicted == repaired)


@book.wrong("audited_accuracy", "weight each kind")
def both_kinds_without_weights(predicted, recorded, review, budget):
    rng = np.random.default_rng(1)
    shown = np.r_[
        rng.permutation(np.flatnonzero(predicted == recorded))[:70],
        rng.permutation(np.flatnonzero(predicted != recorded))[:30],
    ]
    return np.mean(predicted[shown] == review(shown))


@book.wrong("audited_accuracy", "room to do better")
def ten_scans(predicted, recorded, review, budget):
    shown = np.random.default_rng().choice(len(predicted), 10, replace=False)
    return np.mean(predicted[shown] == review(shown))


book.short_wrongs(
    "audited_accuracy",
    as_recorded=(
        lambda predicted, recorded, review, budget: np.mean(predicted == recorded),
        "never asks the expert",
    ),
    everything=(
        lambda predicted, recorded, review, budget: np.mean(predicted == review(np.arange(len(predicted)))),
        "the budget is 100",
    ),
    corrected_and_cut_off=(
        lambda predicted, recorded, review, budget: min(
            corrected_by_formula(predicted, recorded, review, budget), 1
        ),
        "assumes that model and labels err independently",
    ),
    the_first_ones=(
        lambda predicted, recorded, review, budget: np.mean(predicted[:budget] == review(range(budget))),
        "the first scans",
    ),
    share_of_errors=(
        lambda predicted, recorded, review, budget: 1 - at_random(predicted, recorded, review, budget),
        "share of the model's answers that are wrong",
    ),
)


@book.wrong("audited_accuracy", "fair weight", kind=("predicted", "recorded"))
def half_of_the_budget_for_each_class(predicted, recorded, review, budget, kind):
    labels, rng = {"predicted": predicted, "recorded": recorded}[kind], np.random.default_rng(0)
    rows = [rng.permutation(np.flatnonzero(labels == one))[: budget // 2] for one in (0, 1)]
    rows = np.concatenate(rows)
    return np.mean(predicted[rows] == review(rows))


test_right, test_wrong, test_each_task, test_tables = book.tests()


@pytest.mark.repetition
def test_a_right_answer_with_folds_of_its_own_is_not_refused_by_chance():
    """A linear model with as many features as here moves by chance; other folds, other chance."""
    deals = iter(range(10_000))

    def with_other_folds(X, y):
        folds = StratifiedKFold(5, shuffle=True, random_state=next(deals))
        found = cross_val_predict(LogisticRegression(C=0.1), X, y, cv=folds, method="predict_proba")
        return found[np.arange(len(y)), y]

    for seed in range(2, 10):
        verdict = label_noise.trust_in_labels(with_other_folds, seed=seed)
        assert verdict.passed, verdict


@pytest.mark.parametrize("shared", [False, True])
def test_the_test_sets_are_as_the_exercise_says(shared):
    """Right in three quarters, a fifth of the labels wrong; errors in common make the report too high."""
    sets = [label_noise.one_test_set(np.random.default_rng(i), shared) for i in range(300)]
    true = np.mean([np.mean(t == p) for t, p, _ in sets])
    recorded = np.mean([np.mean(t == r) for t, _, r in sets])
    reported = np.mean([np.mean(p == r) for _, p, r in sets])
    assert true == pytest.approx(0.75, abs=0.01) and recorded == pytest.approx(0.8, abs=0.01)
    assert reported == pytest.approx(0.9 if shared else 0.65, abs=0.015)
