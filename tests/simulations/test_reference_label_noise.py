"""Lesson 04: directions of the panels, and closed forms.

What is a row of the table of proof stands in tools/reference. Ranges are about three Monte-Carlo standard
errors.
"""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from simulations.label_noise import (
    KINDS,
    SHARED,
    chance_of_error,
    kinds_of_wrong_labels,
    labels_or_architecture,
    majority_error,
    scans_or_raters,
    shared_errors,
    shares_of_variance,
    wrong_labels,
)
from utils.data import load


def standard_error(values):
    return values.std(ddof=1) / np.sqrt(len(values))


def flipped(labels, rate, rng):
    return np.where(rng.random(np.shape(labels)) < rate, 1 - labels, labels)


def test_r23_in_the_panel():
    """With wrong labels in the test alone, every study reports a (1 - 2r) + r of its own true accuracy a."""
    for rule in ("nearest centroid", "nearest neighbour"):
        draws = wrong_labels(where="test only", rule=rule, repeats=1000).draws
        rates = np.array(wrong_labels.defaults["rates"])
        off = draws["reported"] - (draws["true"] * (1 - 2 * rates) + rates)
        assert np.all(np.abs(off.mean(axis=0)) < 3.5 * off.std(axis=0, ddof=1) / np.sqrt(1000) + 1e-12)
        np.testing.assert_allclose(draws["ceiling"][0], 1 - rates)
        assert np.ptp(draws["true"], axis=1).max() == 0  # the model does not know


def test_wrong_training_labels_are_worth_as_many_right_ones_as_the_formula_says():
    """200 scans with 20 % wrong labels against 200 (1 - 2r)^2 = 72 with right ones."""
    fewer = wrong_labels(where="training only", n_scans=72, rates=(0,), repeats=2000).draws["true"]
    noisy = wrong_labels(where="training only", n_scans=200, rates=(0.2,), repeats=2000, seed=1).draws["true"]
    assert noisy.mean() == pytest.approx(fewer.mean(), abs=0.006)


def test_the_nearest_neighbour_inherits_wrong_labels_one_by_one():
    for n_scans in (50, 400):
        draws = wrong_labels(
            where="training only", rule="nearest neighbour", n_scans=n_scans, repeats=1000
        ).draws
        off = draws["true"] - draws["theory"]
        assert np.all(np.abs(off.mean(axis=0)) < 3.5 * off.std(axis=0, ddof=1) / np.sqrt(1000) + 1e-12)


def test_b14_in_the_panel():
    """Fast models, so other shares, in the same direction."""
    linear, xor = (labels_or_architecture(signal=signal, repeats=200).draws for signal in ("linear", "XOR"))
    assert linear["labels"].mean() > 0.3 and linear["labels"].mean() > 1.8 * linear["model"].mean()
    assert xor["model"].mean() > 0.88 and xor["labels"].mean() < 0.04
    for draws in (linear, xor):
        total = sum(draws[name] for name in ("labels", "model", "both together", "study", "rest"))
        np.testing.assert_allclose(total, 1)


def test_shares_of_variance_are_those_of_an_analysis_of_variance():
    """Sums of squares by least squares on indicator columns, one factor after the other (balanced: the order
    is of no account)."""
    rng = np.random.default_rng(0)
    scores = rng.random((5, 4, 3)) + np.arange(3) * 0.3 + np.arange(4)[:, None] * 0.1
    study, level, model = (i.ravel() for i in np.indices(scores.shape))
    y = scores.ravel() - scores.mean()

    def explained(*factors):
        X = np.column_stack([f[:, None] == np.unique(f) for f in factors]).astype(float)
        return np.sum((X @ np.linalg.lstsq(X, y)[0]) ** 2) / np.sum(y**2)

    found = shares_of_variance(scores)
    both = level * 10 + model
    assert found["labels"] == pytest.approx(explained(level))
    assert found["model"] == pytest.approx(explained(model))
    assert found["both together"] == pytest.approx(explained(both) - explained(level) - explained(model))
    assert found["study"] == pytest.approx(explained(study))
    assert found["rest"] == pytest.approx(1 - explained(both, study))


@pytest.mark.parametrize("kind", KINDS)
def test_sensitivities_of_the_panel_hold_on_simulated_subjects(kind):
    """The panel's figures come from sums over a grid. Here they are counted, among subjects drawn one by
    one."""
    settings = {"kind": kind, "rate": 0.3, "prevalence": 0.3, "n_scans": 2000, "effect": 2.0}
    draws = kinds_of_wrong_labels(**settings, repeats=25).draws
    end, n = 3.5, 400_000
    cut = draws["threshold"][0] * 2 * end - end
    rng = np.random.default_rng(1)
    truth = (rng.random(n) < 0.3).astype(int)
    x = rng.standard_normal(n) + 2 * (truth - 0.5)
    grid = np.linspace(-end - 3, end + 3, 2001)
    groups = np.array([0.7 * stats.norm.pdf(grid, -1), 0.3 * stats.norm.pdf(grid, 1)])
    chance = chance_of_error(kind, 0.3, grid, groups / groups.sum(), 2.0)
    wrong = rng.random(n) < np.where(truth == 1, np.interp(x, grid, chance[1]), np.interp(x, grid, chance[0]))
    concerned = np.array(KINDS[kind])[truth] == 1
    assert wrong[concerned].mean() == pytest.approx(0.3, abs=0.004)
    called, recorded = x > cut, np.where(wrong, 1 - truth, truth)
    for name, labels in (("", truth), ("reported ", recorded)):
        assert draws[f"{name}sensitivity"][0] == pytest.approx(called[labels == 1].mean(), abs=0.006)
        assert draws[f"{name}specificity"][0] == pytest.approx(1 - called[labels == 0].mean(), abs=0.006)
    assert draws["true"][0] == pytest.approx(np.mean(called == truth), abs=0.004)
    assert draws["reported"][0] == pytest.approx(np.mean(called == recorded), abs=0.004)


def test_the_cut_goes_where_recorded_labels_are_half_and_half():
    """With errors by class, the best cut for recorded labels has a true probability of (.5 - e0) / (1 - e0 -
    e1)."""
    for kind, e0, e1 in (
        ("anyone, by chance", 0.2, 0.2),
        ("patients missed", 0, 0.2),
        ("controls called patients", 0.2, 0),
    ):
        best = (
            np.log((0.5 - e0) / (0.5 - e1)) / 2
        )  # of the log odds 2 x, where they are (.5 - e0) / (.5 - e1)
        cut = kinds_of_wrong_labels(kind=kind, n_scans=2000, repeats=200).draws["threshold"].mean() * 7 - 3.5
        # Logistic regression goes in the same direction, and further: its curve does not fit such labels.
        assert np.sign(np.round(cut, 1)) == np.sign(np.round(best, 1)) and abs(cut) >= abs(best) - 0.02


def test_a_rater_is_right_as_often_wherever_the_errors_come_from():
    for through in SHARED:
        draws = shared_errors(through=through, rater_accuracy=0.8, shares=(0, 0.5, 1), repeats=400).draws
        # Independent errors: the report is a (1 - 2r) + r.
        off = draws["reported"][:, 0] - draws["theory"][:, 0]
        assert abs(off.mean()) < 3.5 * standard_error(off)
    rng = np.random.default_rng(0)
    impression = (
        stats.norm.ppf(0.8)
        + np.sqrt(0.5) * rng.standard_normal(200_000)
        + np.sqrt(0.5) * rng.standard_normal(200_000)
    )
    assert np.mean(impression > 0) == pytest.approx(0.8, abs=0.003)


def test_bounds_of_the_true_accuracy():
    """|A - r| and 1 - |1 - A - r|: no table of model, reference and truth goes beyond, and some reach
    them."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        both_right, model_wrong, label_wrong, both_wrong = rng.dirichlet([1, 0.5, 0.5, 0.5])
        A, r, a = both_right + both_wrong, label_wrong + both_wrong, both_right + label_wrong
        assert model_wrong >= 0
        assert abs(A - r) - 1e-12 <= a <= 1 - abs(1 - A - r) + 1e-12
    for A, r in ((0.82, 0.1), (0.9, 0.2), (0.05, 0.2)):
        for both_wrong, end in ((min(r, A), abs(A - r)), (max(0, A + r - 1), 1 - abs(1 - A - r))):
            assert A - both_wrong + (r - both_wrong) == pytest.approx(end)


def test_majority_of_raters():
    for k in (1, 3, 9):
        votes = np.random.default_rng(k).random((200_000, k)) < 0.3
        assert majority_error(0.3, k) == pytest.approx(np.mean(votes.sum(axis=1) > k / 2), abs=0.004)
        assert majority_error(0.3, k, 1.0) == pytest.approx(0.3)


def test_the_budget_follows_the_exchange_rate():
    """More raters pay where n (1 - 2r)^2 rises: the panel's truth has the same order."""
    for cost, error in ((0.02, 0.3), (0.1, 0.2), (1, 0.1)):
        raters = np.array([1, 3, 5, 7, 9])
        worth = [200 / (1 + k * cost) * (1 - 2 * majority_error(error, k)) ** 2 for k in raters]
        true = scans_or_raters(rating_cost=cost, rater_error=error, repeats=1000).draws["true"].mean(axis=0)
        theory = stats.norm.cdf(0.75 / np.sqrt(1 + 4 * 20 / (1.5**2 * np.array(worth))))
        np.testing.assert_allclose(true, theory, atol=0.012)


def test_discrepant_analysis_reports_a_plus_what_both_have_wrong():
    """Miller 1998: too high even with a perfect expert; a + (1 - a) r for independent errors."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 400_000)
    model, recorded = flipped(truth, 0.2, rng), flipped(truth, 0.2, rng)
    repaired = np.where(model != recorded, truth, recorded)
    assert np.mean(model == repaired) == pytest.approx(0.8 + 0.2 * 0.2, abs=0.003)


def test_real_raters_as_measured():
    """datasets.md: raters 1 and 2 shared 99 images, 57.6 % agreement and kappa .39 on three answers, .53 on
    two."""
    ratings = load("mriqc_abide").table[["rater_1", "rater_2", "rater_3"]]
    both = ratings[["rater_1", "rater_2"]].dropna()
    one, two = both["rater_1"].astype(int), both["rater_2"].astype(int)
    assert len(both) == 99
    assert np.mean(one == two) == pytest.approx(0.576, abs=0.0005)
    assert cohen_kappa_score(one, two) == pytest.approx(0.39, abs=0.005)
    assert cohen_kappa_score(one == -1, two == -1) == pytest.approx(0.53, abs=0.005)
    shares = [(ratings[name].dropna() == -1).mean() for name in ratings]
    np.testing.assert_allclose(shares, [0.288, 0.322, 0.142], atol=0.0005)
