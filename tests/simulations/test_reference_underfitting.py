"""Lesson 03: directions of the panels, and what models reach with endless scans.

What is a row of the table of proof stands in tools/reference. Ranges are about three Monte-Carlo standard
errors.
"""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import PolynomialFeatures

from simulations.underfitting import (
    PLACES,
    SHAPES,
    bias_and_variance,
    limits,
    region_mean,
    shrinkage_sweep,
)
from simulations.underfitting import (
    tests_of_hidden_signal as hidden_signal_tests,
)

LINE, BOTH, WIDE = "straight line, one measure", "straight lines, both measures", "squares and product added"


def found(test, **settings):
    return np.mean(hidden_signal_tests(**settings).draws[test] <= 0.05)


def exclusive_or(rng, n, extra=0, a=1.5):
    y = np.arange(n) % 2
    side = rng.choice([-a, a], n)
    X = rng.normal(size=(n, 2 + extra))
    X[:, :2] += np.column_stack([side, side * np.where(y, 1, -1)])
    return X, y


def test_the_limits_of_the_exclusive_or():
    reached = limits(0.0, 1.5)
    right = stats.norm.cdf(1.5)
    for name in ("ceiling", "flexible"):
        assert reached[name] == pytest.approx(right**2 + (1 - right) ** 2, abs=0.003)
    assert reached["linear"] == 0.5


def test_what_a_straight_line_cannot_find_the_wider_test_does():
    for n in (40, 400):
        rate = found(LINE, shape="exclusive or", strength=1.5, n_scans=n, repeats=4000)
        assert rate == pytest.approx(0.05, abs=0.012)
    assert found(WIDE, shape="exclusive or", strength=1.5, n_scans=200) > 0.99
    assert found(WIDE, shape="U-shape", strength=1.0, n_scans=200) > 0.99


def test_tests_without_signal_keep_their_promise():
    for shape in SHAPES:
        for test in (LINE, BOTH, WIDE):
            assert found(test, shape=shape, strength=0.0, n_scans=100, repeats=3000) == pytest.approx(
                0.05, abs=0.015
            )


def test_the_wider_test_pays_where_the_signal_is_a_weak_line():
    settings = {"shape": "straight line", "strength": 0.5, "n_scans": 60}
    assert found(LINE, **settings) > found(WIDE, **settings) + 0.15
    for shape in SHAPES:
        assert found(WIDE, shape=shape, strength=2.0, n_scans=200) > 0.95


def test_bias_stays_and_variance_goes():
    draws = bias_and_variance(repeats=300).draws
    for model in ("linear", "flexible"):
        lost = draws[f"{model} limit"].mean() - draws[f"{model} true"].mean(axis=0)
        assert lost[0] > 0.04 and abs(lost[-1]) < 0.015 and lost[0] > lost[2] > lost[-1]
    ceiling = draws["ceiling"].mean()
    assert ceiling - draws["linear limit"].mean() > 0.19
    assert ceiling - draws["flexible limit"].mean() < 0.02
    # The trap: training and test agree, far below the ceiling.
    assert draws["linear train"][:, -1].mean() == pytest.approx(draws["linear true"][:, -1].mean(), abs=0.015)
    assert draws["linear true"][:, -1].mean() < ceiling - 0.18


def test_the_limits_are_those_of_endless_scans():
    reached = limits(1.0, 1.5)
    rng = np.random.default_rng(2)
    X, y = exclusive_or(rng, 200_000, extra=1)
    X[:, 2] += y
    wide = PolynomialFeatures(2, include_bias=False).fit_transform(X)
    for name, terms in (("linear", X), ("flexible", wide)):
        model = RidgeClassifier().fit(terms[:100_000], y[:100_000])
        assert model.score(terms[100_000:], y[100_000:]) == pytest.approx(reached[name], abs=0.006)
    assert reached["ceiling"] > reached["flexible"] > reached["linear"]


def test_a_weak_hidden_signal_is_not_worth_its_variance_with_few_scans():
    draws = bias_and_variance(hidden=0.5, repeats=300).draws
    gain = (draws["flexible true"] - draws["linear true"]).mean(axis=0)
    assert gain[1] < -0.03 and gain[-1] > 0
    draws = bias_and_variance(hidden=0.0, repeats=50).draws
    assert draws["ceiling"].mean() == pytest.approx(draws["linear limit"].mean(), abs=1e-6)


def test_useless_measures_blind_the_nearest_neighbours():
    few, many = [], []
    for seed in range(5):
        X, y = exclusive_or(np.random.default_rng(seed), 400, extra=300)
        few.append(cross_val_score(KNeighborsClassifier(15), X[:, :2], y, cv=5).mean())
        many.append(cross_val_score(KNeighborsClassifier(15), X, y, cv=5).mean())
    assert np.mean(few) > 0.83 and np.mean(many) < 0.62


def test_too_much_shrinking_hides_the_signal_and_how_much_depends_on_its_spread():
    few = shrinkage_sweep(n_informative=5, repeats=200).draws
    assert few["true"].mean(axis=0).argmax() >= 3
    for n in (60, 200):
        all_of_them = shrinkage_sweep(n_informative=200, n_scans=n, repeats=200).draws["true"].mean(axis=0)
        assert all_of_them.argmax() == 0 and np.all(np.diff(all_of_them) < 0.002)
        assert all_of_them[-1] == pytest.approx(0.5, abs=0.01)
    draws = shrinkage_sweep(repeats=300).draws
    assert draws["training"].mean(axis=0).argmax() == 0
    gap = (draws["true"] - draws["honest"]).mean(axis=0)
    assert np.all(gap > -0.01) and np.all(gap < 0.05)


def test_which_summary_sees_the_effect_depends_on_its_extent_and_place():
    focal = region_mean(repeats=200).draws
    assert focal["all voxels"].mean() > 0.9 and focal["region mean"].mean() < 0.6
    diffuse = region_mean(n_affected=64, repeats=200).draws
    assert (
        diffuse["region mean"].mean()
        > max(diffuse["all voxels"].mean(), diffuse["highest voxel"].mean()) + 0.01
    )
    assert diffuse["region mean"].mean() == pytest.approx(diffuse["ceiling"].mean(), abs=0.02)
    moving = region_mean(place=PLACES[1], repeats=200).draws
    assert moving["all voxels"].mean() < 0.55 and moving["highest voxel"].mean() > 0.7
    # Closed form of the region mean: d * k / V over sqrt(rho + (1 - rho) / V).
    d = 2 / np.sqrt(0.3 + 0.7 / 64)
    assert diffuse["region mean"].mean() == pytest.approx(stats.norm.cdf(d / 2), abs=0.015)
