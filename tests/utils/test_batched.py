"""The stacked rules are scikit-learn's, fold by fold."""

import numpy as np
import pytest
from harness import trials
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.svm import LinearSVC

from utils import batched

REPEATS = 4


def studies(n, p, effect=0.5):
    labels = np.repeat([0, 1], n // 2)
    X = np.random.default_rng(1).standard_normal((REPEATS, n, p))
    X[:, labels == 1, 0] += effect
    return X, labels


def test_folds_are_those_of_scikit_learn():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1], [23, 14]))
    folds = batched.stratified_folds(labels, 5)
    for fold, (_, test) in enumerate(StratifiedKFold(5).split(labels[:, None], labels)):
        np.testing.assert_array_equal(np.flatnonzero(folds == fold), test)


@pytest.mark.parametrize("n_selected", [1, 7, 60])
def test_selection_is_that_of_select_k_best(n_selected):
    X, labels = studies(24, 60)
    rows = np.vstack([np.ones(24, bool), np.arange(24) % 3 != 0])
    chosen = batched.select_by_correlation(X, labels, n_selected, rows=rows)
    for study, sets in zip(X, chosen, strict=True):
        for row, found in zip(rows, sets, strict=True):
            selector = SelectKBest(f_classif, k=n_selected).fit(study[row], labels[row])
            assert set(found) == set(selector.get_support(indices=True))


def test_signed_selection_takes_the_highest_correlations():
    X, labels = studies(24, 60)
    chosen = batched.select_by_correlation(X, labels, 5, signed=True)[:, 0]
    for study, found in zip(X, chosen, strict=True):
        correlation = [np.corrcoef(feature, labels)[0, 1] for feature in study.T]
        assert set(found) == set(np.argsort(correlation)[-5:])


@pytest.mark.parametrize("rule", ["nearest neighbour", "nearest centroid"])
def test_distance_rules_are_those_of_scikit_learn(rule):
    X, labels = studies(30, 8)
    folds = batched.stratified_folds(labels, 5)
    products = batched.gram(X, X)
    apart = folds[:, None] != folds
    if rule == "nearest neighbour":
        model = KNeighborsClassifier(1)
        squares = np.einsum("rii->ri", products)
        predicted = batched.nearest_neighbour(products, squares, labels, apart)
    else:
        model = NearestCentroid()
        predicted = np.empty(X.shape[:2], int)
        for fold in range(5):
            test = folds == fold
            predicted[:, test] = batched.nearest_centroid(X[:, test], X[:, ~test], labels[~test]) > 0
    for study, found in zip(X, predicted, strict=True):
        np.testing.assert_array_equal(found, cross_val_predict(model, study, labels, cv=StratifiedKFold(5)))


@pytest.mark.parametrize(("n", "p", "ridge"), [(40, 10, 1.0), (40, 10, 1e-8), (30, 60, 2.0), (30, 60, 1e-6)])
def test_linear_rule_is_ridge_classifier(n, p, ridge):
    X, labels = studies(n, p)
    targets = 2.0 * labels - 1
    tests = np.random.default_rng(2).permutation(n)[: n // 5 * 5].reshape(5, -1)
    weights, intercepts = batched.linear_rule(X, targets, ridge)
    direct = batched.cross_validated_scores(X, targets, tests, ridge)
    at_once = batched.cross_validated_rule(X, targets, tests, ridge)
    for one, other in zip(at_once, (direct, weights, intercepts), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10)
    from_hat = batched.held_out_scores(batched.hat_matrix(X, ridge), targets, list(tests))
    for study in range(REPEATS):
        model = RidgeClassifier(alpha=ridge).fit(X[study], labels)
        np.testing.assert_allclose(weights[study], np.ravel(model.coef_), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(intercepts[study], np.ravel(model.intercept_)[0], rtol=1e-6, atol=1e-8)
        for fold, test in enumerate(tests):
            train = np.setdiff1d(np.arange(n), test)
            scores = (
                RidgeClassifier(alpha=ridge)
                .fit(X[study][train], labels[train])
                .decision_function(X[study][test])
            )
            np.testing.assert_allclose(direct[study, fold], scores, rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(from_hat[fold][study], scores, rtol=1e-6, atol=1e-8)


def test_held_out_scores_are_exact_where_the_rule_fits_all_scans():
    """Hardly any penalty, more features than scans: the difference of nearly equal numbers is not lost."""
    X, labels = studies(40, 60)
    targets, tests = 2.0 * labels - 1, np.arange(40).reshape(-1, 5).T
    scores = batched.cross_validated_scores(X, targets, tests, 1e-4)
    for study in range(REPEATS):
        for fold, test in enumerate(tests):
            model = Ridge(1e-4, solver="svd").fit(np.delete(X[study], test, axis=0), np.delete(targets, test))
            np.testing.assert_allclose(scores[study, fold], model.predict(X[study][test]), atol=1e-10)


def test_leave_one_out_from_the_hat_matrix():
    X, labels = studies(20, 3)
    tests = np.arange(20)[:, None]
    scores = batched.cross_validated_scores(X, 2.0 * labels - 1, tests, 1.0)[..., 0]
    for study in range(REPEATS):
        for test in range(20):
            train = np.arange(20) != test
            model = RidgeClassifier(alpha=1.0).fit(X[study][train], labels[train])
            assert scores[study, test] == pytest.approx(model.decision_function(X[study][[test]])[0])


def test_penalised_intercept_is_one_more_feature():
    X, labels = studies(30, 50)
    targets = 2.0 * labels - 1
    weights, intercepts = batched.linear_rule(X, targets, 0.5, penalise_intercept=True)
    H = batched.hat_matrix(X, 0.5, penalise_intercept=True)
    for study in range(REPEATS):
        with_one = np.column_stack([X[study], np.ones(30)])
        model = Ridge(0.5, fit_intercept=False, tol=1e-10).fit(with_one, targets)
        np.testing.assert_allclose(np.append(weights[study], intercepts[study]), model.coef_, atol=1e-6)
        np.testing.assert_allclose(H[study] @ targets, model.predict(with_one), atol=1e-6)


def test_linear_svc_is_this_rule_where_every_scan_is_a_support_vector():
    X, labels = studies(20, 1000)
    weights, intercepts = batched.linear_rule(X, 2.0 * labels - 1, 0.5, penalise_intercept=True)
    for study in range(REPEATS):
        model = LinearSVC(C=1, tol=1e-10, max_iter=100_000).fit(X[study], labels)
        np.testing.assert_allclose(weights[study], np.ravel(model.coef_), atol=1e-6)
        assert intercepts[study] == pytest.approx(np.ravel(model.intercept_)[0], abs=1e-6)


def test_accuracy_on_new_subjects_is_that_of_a_large_sample():
    rng = np.random.default_rng(3)
    weights, intercepts = np.array([[1.0, -0.5, 0.2], [0.0, 0.0, 0.0]]), np.array([-0.3, 1.0])
    means = np.array([[0.0, 0.0, 0.0], [1.0, -0.4, 0.0]])
    exact = batched.accuracy_on_new_subjects(weights, intercepts, means)
    labels = np.arange(200_000) % 2
    new = rng.standard_normal((200_000, 3)) + means[labels]
    measured = ((new @ weights[0] + intercepts[0] > 0) == labels).mean()
    assert exact[0] == pytest.approx(measured, abs=3 * 0.5 / np.sqrt(200_000))
    assert exact[1] == pytest.approx(0.5)  # a rule without weights gives every subject the same label


@trials(10, 200)
@given(st.data())
def test_rules_of_any_stack_are_finite_and_fulfil_their_equations(data):
    one = data.draw
    n, p, repeats = 2 * one(st.integers(2, 6)), one(st.integers(1, 15)), one(st.integers(1, 3))
    X = np.random.default_rng(one(st.integers(0, 1000))).standard_normal((repeats, n, p))
    X *= one(st.sampled_from([1e-3, 1.0, 1e3]))
    ridge, penalised = one(st.sampled_from([0.1, 1.0, 100.0])), {"penalise_intercept": one(st.booleans())}
    labels, tests = np.arange(n) % 2, np.arange(n).reshape(-1, 2)
    targets = 2.0 * labels - 1

    def rule(rows):
        return batched.linear_rule(X[:, rows], targets[rows], ridge, **penalised)

    def scored(rule, rows):
        return np.einsum("rnp,rp->rn", X[:, rows], rule[0]) + rule[1][:, None]

    weights, intercepts = rule(np.arange(n))
    hat = batched.hat_matrix(X, ridge, **penalised)
    np.testing.assert_allclose(hat @ targets, scored((weights, intercepts), np.arange(n)), atol=1e-6)
    scores = batched.cross_validated_scores(X, targets, tests, ridge, **penalised)
    fold = one(st.integers(0, len(tests) - 1))
    left = scored(rule(np.setdiff1d(np.arange(n), tests[fold])), tests[fold])
    np.testing.assert_allclose(scores[:, fold], left, rtol=1e-5, atol=1e-5)
    accuracy = batched.accuracy_on_new_subjects(weights, intercepts, np.array([np.zeros(p), np.ones(p)]))
    assert accuracy.shape == (repeats,) and ((accuracy >= 0) & (accuracy <= 1)).all()
    chosen = batched.select_by_correlation(X, labels, one(st.integers(1, p)), signed=one(st.booleans()))
    assert all(len(set(row)) == len(row) for study in chosen for row in study)
    assert chosen.min() >= 0 and chosen.max() < p
    folds, products = batched.stratified_folds(labels, 2), batched.gram(X, X)
    apart = folds[:, None] != folds
    nearest = batched.nearest_neighbour(products, np.einsum("rii->ri", products), labels, apart)
    distance = np.where(apart, np.linalg.norm(X[:, :, None] - X[:, None], axis=-1), np.inf)
    first, second = np.sort(distance, axis=-1)[..., :2].transpose(2, 0, 1)
    clear = second - first > 1e-6 * second
    np.testing.assert_array_equal(nearest[clear], labels[distance.argmin(axis=-1)][clear])
    assert np.isfinite(batched.nearest_centroid(X, X, labels)).all()
    W, B = batched.shrunken_centroids(X, labels, [0, one(st.floats(0, 100))])
    assert np.isfinite(W).all() and np.isfinite(B).all()
    assert (np.abs(W[:, 1]) <= np.abs(W[:, 0]) + 1e-12).all()


def test_auc_of_every_row_is_scikit_learns():
    rng = np.random.default_rng(0)
    labels, scores = rng.permutation(np.repeat([0, 1], [23, 14])), rng.standard_normal((3, 4, 37))
    found = batched.auc(scores, labels)
    assert found.shape == (3, 4)
    for row, one in zip(scores.reshape(-1, 37), found.ravel(), strict=True):
        assert one == pytest.approx(roc_auc_score(labels, row))
