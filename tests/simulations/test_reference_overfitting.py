"""Lesson 02: directions of the panels, and closed forms.

What is a row of the table of proof stands in tools/reference. Ranges are about three Monte-Carlo standard
errors.
"""

import numpy as np
import pytest
from scipy import stats

from simulations.overfitting import (
    REGIONS,
    complexity_of_the_model,
    learning_curve_of_lda,
    publication_filter,
    regional_mri,
)
from utils import cohort


def test_learning_curves_close_and_the_nearest_centroid_has_no_covariance_to_learn():
    lda, centroid = (
        learning_curve_of_lda(rule=rule, repeats=400).draws for rule in ("LDA", "nearest centroid")
    )
    assert np.all(centroid["true"].mean(axis=0) >= lda["true"].mean(axis=0))
    np.testing.assert_allclose(lda["ceiling"], stats.norm.cdf(0.75))
    assert np.all(np.diff(lda["true"].mean(axis=0)) > 0) and np.all(np.diff(lda["training"].mean(axis=0)) < 0)


def test_r34_least_squares_separates_noise_once_there_are_as_many_features_as_scans():
    outcome = complexity_of_the_model(effect=0, repeats=100)
    counts = np.array(outcome.parameters["feature_counts"])
    assert np.all(outcome.draws["training"][:, counts >= 40] == 1)
    assert np.all(np.diff(outcome.draws["training"].mean(axis=0)) >= 0)
    assert outcome.draws["true"] == pytest.approx(0.5, abs=1e-12)
    np.testing.assert_allclose(outcome.draws["reported"].mean(axis=0), 0.5, atol=0.035)


def test_r36_the_panel_descends_twice_and_stays_below_its_first_peak():
    outcome = complexity_of_the_model(repeats=300)
    counts, true = list(outcome.parameters["feature_counts"]), outcome.draws["true"].mean(axis=0)
    assert counts[true.argmax()] == 5  # what carries the effect
    assert (
        true[counts.index(40)] < true[counts.index(20)] and true[counts.index(40)] < true[counts.index(100)]
    )
    assert true[counts.index(100)] < true[counts.index(5)] - 0.1
    strong = complexity_of_the_model(repeats=300, ridge=100.0).draws["true"].mean(axis=0)
    assert strong[counts.index(40)] > true[counts.index(40)] + 0.08  # a penalty removes the dip


def test_choosing_complexity_by_cross_validation_is_optimistic_too():
    outcome = complexity_of_the_model(repeats=400)
    rows, chosen = np.arange(400), outcome.draws["reported"].argmax(axis=1)
    optimism = outcome.draws["reported"][rows, chosen] - outcome.draws["true"][rows, chosen]
    assert optimism.mean() == pytest.approx(0.07, abs=0.02)  # the lesson says about .07


def test_the_other_criterion_of_riley_asks_for_less():
    """Criterion (ii) of the paper, apparent minus adjusted R2 at most .05, with 25 parameters and an R2 of
    .2."""
    assert (25 * (1 - 0.2)) / 917 < 0.05


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


@pytest.mark.parametrize(
    ("regions", "groups", "ceiling"),
    [
        (REGIONS[0], "thickness", 0.607),
        (REGIONS[1], ["thickness", "volume"], 0.634),
        (REGIONS[2], "volume_putamen", 0.538),
    ],
)
def test_regional_mri_has_the_ceiling_of_the_cohort(regions, groups, ceiling):
    found = regional_mri(regions=regions, repeats=2).draws["ceiling"]
    study = cohort.simulate_cohort(n_subjects=10, n_sites=1)
    assert np.ptp(found) == 0
    assert found[0, 0] == pytest.approx(study.bayes_auc(groups), abs=1e-6)
    assert found[0, 0] == pytest.approx(ceiling, abs=0.0006)


def test_regional_mri_reports_by_size():
    """All 41 measures. datasets.md: 40 subjects .50 (sd .13), 100 .54 (.09), 400 .575 (.04), 3539 .61
    (.01)."""
    outcome = regional_mri(regions=REGIONS[1], repeats=150)
    reported, true = outcome.draws["reported"], outcome.draws["true"]
    for i, (mean, sd) in enumerate([(0.50, 0.13), (0.54, 0.09), (0.575, 0.04), (0.61, 0.01)]):
        assert reported[:, i].mean() == pytest.approx(mean, abs=0.015 + 3 * sd / np.sqrt(150))
        assert reported[:, i].std() == pytest.approx(sd, rel=0.3)
    assert np.all(true <= outcome.draws["ceiling"] + 1e-9)
    assert np.all(np.diff(outcome.draws["training"].mean(axis=0)) < 0)
