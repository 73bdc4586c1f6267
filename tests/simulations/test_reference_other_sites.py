"""Lesson 06: closed forms, and directions of the panels.

What is a row of the table of proof stands in tools/reference. Ranges are about three Monte-Carlo standard
errors.
"""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

from simulations.other_sites import harmonised_sites, site_shortcut, sites_of_a_consortium
from utils import batched


def test_r31_more_sites_report_less_and_get_more():
    draws = sites_of_a_consortium(repeats=400).draws
    reported, true = draws["reported"].mean(axis=0), draws["true"].mean(axis=0)
    assert np.all(np.diff(reported) < 0.001) and np.all(np.diff(true) > -0.001)
    assert reported[0] - true[0] > 0.08 and abs(reported[-1] - true[-1]) < 0.012


def fitted(run, **settings):
    """The first study, its recruits, and scikit-learn's least squares fitted to them: the truth is counted
    below."""
    p = run.checked(settings)
    study = run.recruited(p).one(0)
    return study, run.block_of(p)["true"][0], np.arange(200_000) % 2


def test_r31_the_truth_is_that_of_new_people_at_the_new_sites():
    study, true, y = fitted(sites_of_a_consortium, site_counts=(5,))
    site = np.arange(400) // 80
    X = study.noise + getattr(study, "effects of 5")[site] * (study.labels[:, None] - 0.5)
    model = LinearRegression().fit(X, 2 * study.labels - 1)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((len(y), 20))
    right = [np.mean((model.predict(noise + one * (y[:, None] - 0.5)) > 0) == y) for one in study.new]
    assert true[0] == pytest.approx(np.mean(right), abs=0.003)


def test_b12_the_truth_is_that_of_new_people_at_another_scanner():
    study, true, y = fitted(site_shortcut, n_per_site=50)
    weights = LinearRegression().fit(study.X, study.labels).coef_
    new = np.random.default_rng(1).standard_normal((len(y), 11)) + 2  # another scanner
    new[:, 0] += 0.5 * y
    assert true == pytest.approx(roc_auc_score(y, new @ weights), abs=0.004)


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
    weights, _ = batched.linear_rule((X - means[site]) / sds[site], 2.0 * labels - 1, 10.0)
    diagnosis = np.arange(200_000) % 2
    new = rng.standard_normal((200_000, 3))
    new[:, 0] += 1.5 * diagnosis
    measured = np.mean([roc_auc_score(diagnosis, (new / sds[s]) @ weights[0]) for s in (0, 1)])
    assert outcome.draws["true"][0, 1] == pytest.approx(measured, abs=0.004)
