"""Lesson 02's experiments, formulas and sentences reproduce published results and closed forms.

Ranges are about three Monte-Carlo standard errors of the figures asserted, on top of the tolerance that
the source itself allows. Names R01 and so on are rows of the course's table of reference results.
"""

from math import comb

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linprog
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import PredefinedSplit, cross_val_score

from utils import cohort, experiments
from utils.experiments import (
    REGIONS,
    complexity_of_the_model,
    learning_curve_of_lda,
    publication_filter,
    regional_mri,
)


def standard_error(values):
    return values.std(ddof=1) / np.sqrt(len(values))


def test_r06_small_test_samples_of_one_model_with_61_percent():
    """Flint 2021: true 61 %; up to 95 % with 20 subjects and up to 75 % with 100. Exact quantiles."""
    for n, rare, rarer in ((20, 0.90, 0.95), (100, 0.76, 0.78)):
        assert stats.binom.ppf(0.999, n, 0.61) / n == pytest.approx(rare, abs=1e-9)
        assert stats.binom.ppf(0.9999, n, 0.61) / n == pytest.approx(rarer, abs=1e-9)
    # As the lesson does it, with 1000 studies of each size.
    rng = np.random.default_rng(0)
    assert rng.binomial(20, 0.61, 1000).max() / 20 == pytest.approx(0.95, abs=0.051)
    assert rng.binomial(100, 0.61, 1000).max() / 100 == pytest.approx(0.76, abs=0.021)


def test_r21_r22_learning_curve_of_lda():
    """Ceiling Phi(d/2) = .773; theory within .01 of the simulation, which is at .649, .745 and .770."""
    assert stats.norm.cdf(0.75) == pytest.approx(0.773, abs=0.0005)
    assert cohort.bayes_auc(1.5) == pytest.approx(0.856, abs=0.0005)
    outcome = learning_curve_of_lda(repeats=1000)
    np.testing.assert_allclose(outcome.draws["ceiling"], stats.norm.cdf(0.75))
    true, theory = outcome.draws["true"], outcome.draws["theory"][0]
    sizes = list(outcome.parameters["sizes"])
    for n, simulated, closed_form in ((20, 0.649, 0.650), (100, 0.745, 0.744), (1000, 0.770, 0.770)):
        i = sizes.index(n)
        assert theory[i] == pytest.approx(closed_form, abs=0.0006)
        assert true[:, i].mean() == pytest.approx(simulated, abs=0.001 + 3 * standard_error(true[:, i]))
    np.testing.assert_allclose(true.mean(axis=0), theory, atol=0.01)
    assert np.all(np.diff(true.mean(axis=0)) > 0) and np.all(np.diff(outcome.draws["training"].mean(axis=0)) < 0)


def test_r22_nearest_centroid_has_no_covariance_to_learn():
    lda, centroid = (learning_curve_of_lda(rule=rule, repeats=400) for rule in ("LDA", "nearest centroid"))
    np.testing.assert_allclose(centroid.draws["true"].mean(axis=0), centroid.draws["theory"][0], atol=0.01)
    assert np.all(centroid.draws["true"].mean(axis=0) >= lda.draws["true"].mean(axis=0))


def test_learning_curve_is_scikit_learns_lda():
    X = np.random.default_rng([0, 0]).standard_normal((10, 1000, 10))
    labels = np.arange(1000) % 2
    X[..., 0] += np.where(labels, 0.75, -0.75)
    training = learning_curve_of_lda(repeats=10).draws["training"]
    for study, row in zip(X, training, strict=True):
        for n, score in zip((20, 30, 50, 100, 200, 500, 1000), row, strict=True):
            lda = LinearDiscriminantAnalysis(solver="lsqr").fit(study[:n], labels[:n])
            assert lda.score(study[:n], labels[:n]) == pytest.approx(score)


def test_r34_explained_variance_of_noise():
    """Least squares on pure noise: the expected training R2 is p / (n - 1), .510 with n = 50, p = 25."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((1000, 50, 25)), rng.standard_normal((1000, 50, 1))
    X, y = X - X.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    left = y - X @ np.linalg.solve(np.swapaxes(X, 1, 2) @ X, np.swapaxes(X, 1, 2) @ y)
    R2 = 1 - (left**2).sum(axis=(1, 2)) / (y**2).sum(axis=(1, 2))
    assert 25 / 49 == pytest.approx(0.510, abs=0.0005)
    assert R2.mean() == pytest.approx(25 / 49, abs=3 * standard_error(R2))


def separable(X, signs):
    """Whether a linear rule through the origin classifies all scans: a linear programme."""
    return linprog(np.zeros(X.shape[1]), A_ub=-signs[:, None] * X, b_ub=-np.ones(len(X)),
                   bounds=(None, None)).status == 0


@pytest.mark.parametrize(("N", "d"), [(40, 20), (40, 15), (20, 20)])
def test_r34_cover_pure_noise_is_separated(N, d):
    """Cover 1965: 2^(1-N) sum of C(N-1, k) for k < d; one half at N = 2d, one at d >= N."""
    exact = sum(comb(N - 1, k) for k in range(d)) / 2 ** (N - 1)
    assert stats.binom.cdf(d - 1, N - 1, 0.5) == pytest.approx(exact)  # as the lesson computes it
    if N == 2 * d:
        assert exact == pytest.approx(0.5)
    if d >= N:
        assert exact == 1
    rng = np.random.default_rng(N + d)
    rate = np.mean([separable(rng.standard_normal((N, d)), rng.choice([-1, 1], N)) for _ in range(300)])
    assert rate == pytest.approx(exact, abs=3 * np.sqrt(exact * (1 - exact) / 300) + 1e-9)


def test_r34_least_squares_separates_noise_once_there_are_as_many_features_as_scans():
    outcome = complexity_of_the_model(effect=0, repeats=100)
    counts = np.array(outcome.parameters["feature_counts"])
    assert np.all(outcome.draws["training"][:, counts >= 40] == 1)
    assert np.all(np.diff(outcome.draws["training"].mean(axis=0)) >= 0)
    assert outcome.draws["true"] == pytest.approx(0.5, abs=1e-12)
    np.testing.assert_allclose(outcome.draws["reported"].mean(axis=0), 0.5, atol=0.035)


def test_r35_training_and_test_error_of_least_squares():
    """Training error s2 (1 - p/n), error on new scans s2 (1 + p/(n-p-1)): .667 and 1.513 at n=60, p=20."""
    n, p = 60, 20
    assert 1 - p / n == pytest.approx(0.667, abs=0.0005)
    assert 1 + p / (n - p - 1) == pytest.approx(1.513, abs=0.0005)
    rng = np.random.default_rng(0)
    X, noise = rng.standard_normal((2000, n, p)), rng.standard_normal((2000, n, 1))
    error = np.linalg.solve(np.swapaxes(X, 1, 2) @ X, np.swapaxes(X, 1, 2) @ noise)  # of the weights
    training = ((noise - X @ error) ** 2).mean(axis=(1, 2))
    test = 1 + (error**2).sum(axis=(1, 2))
    assert training.mean() == pytest.approx(1 - p / n, abs=3 * standard_error(training))
    assert test.mean() == pytest.approx(1 + p / (n - p - 1), abs=3 * standard_error(test))


@pytest.mark.parametrize(("share", "expected"), [(0.5, 0.25), (2, 0.75), (5, 0.863)])
def test_r36_double_descent_of_the_shortest_least_squares(share, expected):
    """Hastie 2022: s2 g/(1-g) below one, r2 (1-1/g) + s2/(g-1) above, with r2 = 1 and s2 = .25."""
    r2, s2, g, n = 1, 0.25, share, 200
    closed_form = s2 * g / (1 - g) if g < 1 else r2 * (1 - 1 / g) + s2 / (g - 1)
    assert closed_form == pytest.approx(expected, abs=0.0005)
    p = round(g * n)
    risks = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        beta = rng.standard_normal(p)
        beta /= np.linalg.norm(beta)
        X = rng.standard_normal((n, p))
        fitted = np.linalg.pinv(X) @ (X @ beta + np.sqrt(s2) * rng.standard_normal(n))
        risks.append(np.sum((fitted - beta) ** 2))
    assert np.mean(risks) == pytest.approx(closed_form, abs=0.01 + 3 * standard_error(np.array(risks)))


def test_r36_the_panel_descends_twice_and_stays_below_its_first_peak():
    outcome = complexity_of_the_model(repeats=300)
    counts, true = list(outcome.parameters["feature_counts"]), outcome.draws["true"].mean(axis=0)
    assert counts[true.argmax()] == 5  # what carries the effect
    assert true[counts.index(40)] < true[counts.index(20)] and true[counts.index(40)] < true[counts.index(100)]
    assert true[counts.index(100)] < true[counts.index(5)] - 0.1
    strong = complexity_of_the_model(repeats=300, ridge=100.0).draws["true"].mean(axis=0)
    assert strong[counts.index(40)] > true[counts.index(40)] + 0.08  # a penalty removes the dip


def test_complexity_is_scikit_learns_ridge_classifier():
    outcome = complexity_of_the_model(repeats=2, ridge=5.0)
    X = np.random.default_rng([0, 0]).standard_normal((5, 40, 150))
    labels = np.arange(40) % 2
    X[..., :5] += np.where(labels, 1, -1)[:, None] * 0.75 / np.sqrt(5)
    folds = PredefinedSplit(np.tile(np.arange(5), 8))
    for study in range(2):
        for i, count in enumerate(outcome.parameters["feature_counts"]):
            model, some = RidgeClassifier(alpha=5.0), X[study, :, :count]
            assert model.fit(some, labels).score(some, labels) == pytest.approx(outcome.draws["training"][study, i])
            assert (cross_val_score(model, some, labels, cv=folds).mean()
                    == pytest.approx(outcome.draws["reported"][study, i]))


def test_choosing_complexity_by_cross_validation_is_optimistic_too():
    outcome = complexity_of_the_model(repeats=400)
    rows, chosen = np.arange(400), outcome.draws["reported"].argmax(axis=1)
    optimism = outcome.draws["reported"][rows, chosen] - outcome.draws["true"][rows, chosen]
    assert optimism.mean() == pytest.approx(0.07, abs=0.02)  # the lesson says about .07


def test_r37_winners_curse_of_a_small_correlation():
    """Marek 2022: r = .1, n = 25: power .074, significant |r| .47 on average, wrong sign in 10 %."""
    rng = np.random.default_rng(0)
    x, e = rng.standard_normal((2, 60_000, 25))
    y = 0.1 * x + np.sqrt(1 - 0.01) * e
    x, y = (v - v.mean(axis=1, keepdims=True) for v in (x, y))
    r = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    p = 2 * stats.t.sf(np.abs(r) * np.sqrt(23 / (1 - r**2)), 23)
    found = r[p < 0.05]
    assert np.mean(p < 0.05) == pytest.approx(0.074, abs=0.0005 + 3 * np.sqrt(0.074 * 0.926 / 60_000))
    assert np.abs(found).mean() == pytest.approx(0.47, abs=0.01)
    assert np.mean(found < 0) == pytest.approx(0.10, abs=0.005 + 3 * np.sqrt(0.09 / len(found)))
    low, high = np.quantile(r, [0.005, 0.995])
    assert (high - low) / 2 == pytest.approx(0.50, abs=0.015)


def riley(n, p, R2):
    """Expected shrinkage of a linear regression, as in the lesson."""
    apparent = (R2 * (n - p - 1) + p) / (n - 1)
    return 1 + (p - 2) / (n * np.log(1 - apparent))


def test_r39_subjects_for_25_parameters():
    """Riley 2019: 25 parameters need 918 subjects; with an R2 of .2 that is a shrinkage of .9."""
    assert riley(918, 25, 0.2) >= 0.9 > riley(917, 25, 0.2)
    # Criterion (ii) of the paper, apparent minus adjusted R2 at most .05, asks for less.
    assert (25 * (1 - 0.2)) / 917 < 0.05


def hanley_mcneil(A, n1, n0):
    Q1, Q2 = A / (2 - A), 2 * A**2 / (1 + A)
    return np.sqrt((A * (1 - A) + (n1 - 1) * (Q1 - A**2) + (n0 - 1) * (Q2 - A**2)) / (n1 * n0))


def test_r42_standard_error_of_an_auc():
    """Hanley and McNeil 1982: .0445 at AUC .8 with 50 and 50; simulated .0430, so a little conservative."""
    assert hanley_mcneil(0.8, 50, 50) == pytest.approx(0.0445, abs=0.0001)
    d = np.sqrt(2) * stats.norm.ppf(0.8)
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 50)
    scores = rng.standard_normal((20_000, 100)) + d * labels
    aucs = experiments._auc(scores, labels)
    assert aucs[0] == pytest.approx(roc_auc_score(labels, scores[0]))
    assert aucs.mean() == pytest.approx(0.8, abs=0.001)
    assert aucs.std() == pytest.approx(0.0430, abs=0.0008)
    assert aucs.std() == pytest.approx(0.0445, rel=0.10) and aucs.std() < 0.0445


def test_publication_filter_lets_small_lucky_studies_pass():
    outcome = publication_filter(repeats=1000)
    published = outcome.draws["reported"] >= 0.7 - 1e-9
    share = published.mean(axis=0)
    assert share[0] > 0.10 and share[-1] < 0.005 and np.all(np.diff(share) <= 0.02)
    assert outcome.draws["reported"][published].mean() > outcome.draws["true"][published].mean() + 0.15
    # Nobody cheats: without the filter the reports are right on average, and slightly pessimistic.
    gap = outcome.draws["reported"].mean() - outcome.draws["true"].mean()
    assert -0.01 < gap < 0.002
    spread = (outcome.draws["reported"] - outcome.draws["true"]).std(axis=0)
    assert np.all(np.diff(spread) < 0)


@pytest.mark.parametrize(("regions", "groups", "ceiling"), [
    (REGIONS[0], "thickness", 0.607), (REGIONS[1], ["thickness", "volume"], 0.634), (REGIONS[2], "volume_putamen", 0.538),
])
def test_regional_mri_has_the_ceiling_of_the_cohort(regions, groups, ceiling):
    found = regional_mri(regions=regions, repeats=2).draws["ceiling"]
    study = cohort.simulate_cohort(n_subjects=10, n_sites=1)
    assert np.ptp(found) == 0
    assert found[0, 0] == pytest.approx(study.bayes_auc(groups), abs=1e-6)
    assert found[0, 0] == pytest.approx(ceiling, abs=0.0006)


def test_regional_mri_reports_by_size():
    """All 41 measures. datasets.md: 40 subjects .50 (sd .13), 100 .54 (.09), 400 .575 (.04), 3539 .61 (.01)."""
    outcome = regional_mri(regions=REGIONS[1], repeats=150)
    reported, true = outcome.draws["reported"], outcome.draws["true"]
    for i, (mean, sd) in enumerate([(0.50, 0.13), (0.54, 0.09), (0.575, 0.04), (0.61, 0.01)]):
        assert reported[:, i].mean() == pytest.approx(mean, abs=0.015 + 3 * sd / np.sqrt(150))
        assert reported[:, i].std() == pytest.approx(sd, rel=0.3)
    assert np.all(true <= outcome.draws["ceiling"] + 1e-9)
    assert np.all(np.diff(outcome.draws["training"].mean(axis=0)) < 0)


def test_significant_is_not_predictive():
    """d = .14 with 2357 patients and 1182 controls: power .975, accuracy of the best threshold 52.8 %."""
    root = np.sqrt(2357 * 1182 / 3539)
    power = stats.nct.sf(stats.t.isf(0.025, 3537), 3537, 0.14 * root)
    assert power == pytest.approx(0.975, abs=0.002)
    assert stats.norm.cdf(0.07) == pytest.approx(0.528, abs=0.0005)
