"""Lesson 06's experiments against scikit-learn and closed forms, and the directions of its panels.

The rows of the table of proof stand in tools/reference.py and are asserted in test_reference.py; here is what is no
row. Ranges are about three Monte-Carlo standard errors.
"""

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from utils import replicates
from utils.experiments import (
    external_scaling,
    harmonised_sites,
    prevalence_shift,
    site_shortcut,
    sites_of_a_consortium,
)


def standard_error(values):
    return values.std(ddof=1) / np.sqrt(len(values))


def test_r27_a_scanner_shift_moves_the_training_scaling_and_no_other():
    still, shifted = (external_scaling(scanner_shift=s, prevalence=0.5, n_external=5000, repeats=100).draws for s in (0, 1))
    assert shifted["sensitivity"].mean(axis=0) == pytest.approx([norm.cdf(1.75), 0.7734, 0.7734], abs=0.005)
    assert shifted["specificity"].mean(axis=0) == pytest.approx([norm.cdf(-0.25), 0.7734, 0.7734], abs=0.005)
    np.testing.assert_allclose(still["AUC"], shifted["AUC"])
    assert still["AUC"].mean() == pytest.approx(norm.cdf(1.5 / np.sqrt(2)), abs=0.002)


def test_r28_auc_sensitivity_and_specificity_stay_and_the_predictive_value_falls():
    draws = prevalence_shift(n_external=4000, repeats=300).draws
    error = np.array([standard_error(column) for column in draws["outside"].T])
    stays = slice(0, 3)  # AUC, sensitivity, specificity
    np.testing.assert_array_less(np.abs(draws["outside"].mean(axis=0) - draws["inside"][0])[stays], 3.5 * error[stays])
    assert draws["inside"][0, 0] == pytest.approx(norm.cdf(1.5 / np.sqrt(2)))
    assert draws["inside"][0, 3] - draws["outside"][:, 3].mean() > 0.4  # the positive predictive value falls


def test_r28_the_regressions_are_maximum_likelihood():
    draws = prevalence_shift(n_external=200, repeats=20, seed=3).draws
    rng = np.random.default_rng([3, 0])
    labels = (np.arange(200) < 40).astype(int)
    log_odds = 1.5 * (rng.standard_normal((20, 200)) + 1.5 * labels - 0.75) + logit(0.683)
    for row, intercept, slope in zip(log_odds, draws["intercept"], draws["slope"], strict=True):
        assert np.mean(1 / (1 + np.exp(-row - intercept))) == pytest.approx(0.2, abs=1e-6)
        model = LogisticRegression(C=np.inf, tol=1e-8).fit(row[:, None], labels)
        assert slope == pytest.approx(model.coef_[0, 0], abs=1e-3)


def test_r31_more_sites_report_less_and_get_more():
    draws = sites_of_a_consortium(repeats=400).draws
    reported, true = draws["reported"].mean(axis=0), draws["true"].mean(axis=0)
    assert np.all(np.diff(reported) < 0.001) and np.all(np.diff(true) > -0.001)
    assert reported[0] - true[0] > 0.08 and abs(reported[-1] - true[-1]) < 0.012


def test_r31_is_scikit_learns_least_squares():
    """The pooled folds, the sites left out, and the exact accuracy, for the first study of a block."""
    outcome = sites_of_a_consortium(site_counts=(5,), repeats=1)
    rng = np.random.default_rng([0, 0])
    noise = rng.standard_normal((4, 400, 20))
    common = np.r_[np.full(5, 1.2 / np.sqrt(5)), np.zeros(15)]
    new = (common + 0.25 * rng.standard_normal((4, 10, 20)))[0]
    rng.standard_normal(4)
    own = (common + 0.25 * rng.standard_normal((4, 5, 20)))[0]
    labels, site = np.arange(400) % 2, np.arange(400) // 80
    X = noise[0] + own[site] * (labels[:, None] - 0.5)
    model = LinearRegression()
    folds = {"reported": PredefinedSplit(np.arange(400) % 5), "honest": PredefinedSplit(site)}
    for name, cv in folds.items():
        predicted = cross_val_predict(model, X, 2 * labels - 1, cv=cv) > 0
        assert outcome.draws[name][0, 0] == pytest.approx(np.mean(predicted == labels))
    model.fit(X, 2 * labels - 1)
    people = np.arange(100_000) % 2
    right = [np.mean((model.predict(rng.standard_normal((100_000, 20)) + one * (people[:, None] - 0.5)) > 0) == people)
             for one in new[:3]]
    length = np.linalg.norm(model.coef_)
    exact = [(norm.cdf((model.coef_ @ one / 2 + model.intercept_) / length)
              + norm.cdf((model.coef_ @ one / 2 - model.intercept_) / length)) / 2 for one in new]
    assert right == pytest.approx(exact[:3], abs=0.005)
    assert outcome.draws["true"][0, 0] == pytest.approx(np.mean(exact))


def test_b12_is_scikit_learns_least_squares():
    outcome = site_shortcut(repeats=1, n_per_site=50)
    rng = np.random.default_rng([0, 0])
    site = np.repeat([0, 1], 50)
    labels = np.r_[np.arange(50) < 40, np.arange(50) >= 40].astype(int)
    X = rng.standard_normal((20, 100, 11))[0]
    X[:, 0] += 0.5 * labels
    X[:, 1:] += 3.16 * (site[:, None] - 0.5) / np.sqrt(10)
    folds = np.arange(100) % 5
    held_out = cross_val_predict(LinearRegression(), X, 2 * labels - 1, cv=PredefinedSplit(folds))
    auc = [roc_auc_score(labels[folds == f], held_out[folds == f]) for f in range(5)]
    assert outcome.draws["reported"][0] == pytest.approx(np.mean(auc))
    left_out = [roc_auc_score(labels[site == s], LinearRegression().fit(X[site != s], labels[site != s]).predict(X[site == s]))
                for s in (0, 1)]
    assert outcome.draws["site left out"][0] == pytest.approx(np.mean(left_out))
    weights = LinearRegression().fit(X, labels).coef_
    new = np.random.default_rng(1).standard_normal((200_000, 11)) + 2  # another scanner
    diagnosis = np.arange(200_000) % 2
    new[:, 0] += 0.5 * diagnosis
    assert outcome.draws["true"][0] == pytest.approx(roc_auc_score(diagnosis, new @ weights), abs=0.004)


def test_b10_what_harmonisation_does_beside_the_figures_of_the_table():
    draws = harmonised_sites(score="accuracy", site_mark=0, repeats=150).draws["reported"]
    # No test diagnosis leaks, and the sites' shares of patients stay in the features.
    assert draws[:, 4].mean() > 0.58
    # Balanced sites: no bias, but for sites that are unbalanced by chance only.
    balanced = harmonised_sites(imbalance=0, repeats=300).draws["reported"]
    assert balanced.mean(axis=0) == pytest.approx(0.5, abs=0.06)
    draws = harmonised_sites(n_sites=2, n_subjects=200, n_features=50, site_mark=0.7, repeats=50).draws
    assert draws["reported"][:, 1].mean() < 0.45
    np.testing.assert_allclose(draws["true"], 0.5)


def test_the_true_auc_within_a_site_is_that_of_new_subjects():
    outcome = harmonised_sites(repeats=1, n_features=3, effect=1.5, n_sites=2)
    rng = np.random.default_rng([0, 0])
    site = np.repeat([0, 1], 30)
    labels = (rng.random(60) < np.array([0.2, 0.8])[site]).astype(int)
    rng.random(60)
    X = rng.standard_normal((5, 60, 3))[:1]
    X[..., 0] += 1.5 * labels
    means = np.array([X[0, site == s].mean(axis=0) for s in (0, 1)])
    sds = np.array([X[0, site == s].std(axis=0) for s in (0, 1)])
    weights, _ = replicates.linear_rule((X - means[site]) / sds[site], 2.0 * labels - 1, 10.0)
    diagnosis = np.arange(200_000) % 2
    new = rng.standard_normal((200_000, 3))
    new[:, 0] += 1.5 * diagnosis
    measured = np.mean([roc_auc_score(diagnosis, (new / sds[s]) @ weights[0]) for s in (0, 1)])
    assert outcome.draws["true"][0, 1] == pytest.approx(measured, abs=0.004)
