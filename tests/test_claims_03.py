"""What lesson 03 says about its panels, and says elsewhere without printing it, holds."""

import numpy as np
import pytest
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils.data import load
from utils.experiments import PLACES, SHAPES, bias_and_variance, region_mean, shrinkage_sweep
from utils.experiments import tests_of_hidden_signal as hidden_signal_tests

LINES = ("straight line, one measure", "straight lines, both measures")
WIDE = "squares and product added"


def found(repeats=2000, **settings):
    return {test: np.mean(p <= 0.05) for test, p in hidden_signal_tests(repeats=repeats, **settings).draws.items()}


@pytest.mark.parametrize("n_scans", [20, 40, 60, 100, 200, 400])
def test_lines_find_lines_only_and_more_scans_do_not_change_it(n_scans):
    for shape in ("exclusive or", "spread only"):
        rates = found(shape=shape, n_scans=n_scans, strength=2)
        assert all(0.03 < rates[line] < 0.085 for line in LINES)
    rates = found(shape="straight line", n_scans=n_scans, strength=2)
    assert all(rates[line] > 0.93 for line in LINES)
    false_slopes = found(shape="U-shape", n_scans=n_scans, strength=2)
    assert all(0.2 < false_slopes[line] < 0.4 for line in LINES)


def test_the_wider_test_finds_all_four_shapes_with_scans_enough():
    for shape in SHAPES:
        assert found(shape=shape, n_scans=200, strength=2)[WIDE] > 0.99
        rates = found(shape=shape, n_scans=200, strength=0)
        assert all(rate == pytest.approx(0.05, abs=0.02) for rate in rates.values())
    assert found(shape="spread only", n_scans=40, strength=2)[WIDE] == pytest.approx(0.5, abs=0.06)
    rates = found(shape="straight line", n_scans=60, strength=0.5)
    assert rates[LINES[0]] > rates[LINES[1]] > rates[WIDE]


def test_which_model_to_choose_with_a_weak_hidden_signal():
    draws = bias_and_variance(hidden=0.5, repeats=600).draws
    ahead = (draws["flexible true"] - draws["linear true"]).mean(axis=0)
    assert ahead[1] < -0.03 and 0.002 < ahead[-1] < 0.02


def test_measures_that_hold_nothing_cost_the_flexible_model_more_and_bring_the_dip():
    none, five = (bias_and_variance(n_noise=n_noise, repeats=300).draws for n_noise in (0, 5))
    for size in range(5):
        lost = {model: (none[f"{model} true"] - five[f"{model} true"])[:, size].mean() for model in ("linear", "flexible")}
        assert lost["flexible"] > lost["linear"] + 0.005
    true = five["flexible true"].mean(axis=0)
    assert true[1] < true[0] - 0.01 < true[2]
    measures = 3 + 5
    assert measures + measures * (measures + 1) // 2 == 44


@pytest.mark.parametrize("n_scans", [20, 60, 200])
@pytest.mark.parametrize("effect", [1, 2, 3])
def test_the_best_threshold_is_a_claim_about_biology(n_scans, effect):
    spread = shrinkage_sweep(n_scans=n_scans, n_informative=200, effect=effect, repeats=100).draws
    assert spread["true"].mean(axis=0).argmax() == 0
    assert np.all(np.diff(spread["true"].mean(axis=0)) < 0.002)
    single = shrinkage_sweep(n_scans=n_scans, n_informative=1, effect=effect, repeats=100).draws
    assert single["true"].mean(axis=0).argmax() >= 3
    for draws in (spread, single):
        assert draws["train"].mean(axis=0)[0] > draws["train"].mean(axis=0).max() - 0.005
        below = (draws["true"] - draws["honest"]).mean(axis=0)
        assert -0.03 < below.min() and (-0.005 if n_scans == 20 else 0) < below.mean() < 0.06


@pytest.mark.parametrize("effect", [0.5, 1, 2])
@pytest.mark.parametrize("n_scans", [20, 100, 200])
def test_the_mean_is_best_only_if_the_effect_fills_the_region(n_scans, effect):
    means = {}
    for n_affected in (32, 64):
        draws = region_mean(n_affected=n_affected, effect=effect, n_scans=n_scans, repeats=60).draws
        means[n_affected] = {name: values.mean() for name, values in draws.items()}
    assert means[32]["all voxels"] > max(means[32]["region mean"], means[32]["highest voxel"]) + 0.05
    assert means[64]["region mean"] > max(means[64]["all voxels"], means[64]["highest voxel"]) + 0.01


@pytest.mark.parametrize("n_affected", [1, 2, 4])
def test_the_highest_voxel_sees_what_moves_unless_it_is_weak(n_affected):
    draws = region_mean(n_affected=n_affected, place=PLACES[1], repeats=60).draws
    assert max(draws["all voxels"].mean(), draws["region mean"].mean()) < 0.56 < draws["highest voxel"].mean()
    weak = region_mean(n_affected=n_affected, effect=0.5, place=PLACES[1], repeats=60).draws
    assert weak["highest voxel"].mean() < 0.53


def test_numbers_that_stand_in_the_text_alone():
    assert 1.96 * np.sqrt(0.875 * 0.125 / 400) == pytest.approx(0.03, abs=0.005)  # "about three points either way"
    assert 0.9**2 + 0.1**2 == pytest.approx(0.82)  # two raters who err in 10 % each
    r, n = 0.05, 120  # question 1
    assert 2 * stats.t.sf(r * np.sqrt((n - 2) / (1 - r**2)), n - 2) == pytest.approx(0.59, abs=0.005)
    d = 2 / 16 / (1 / np.sqrt(64))  # 4 of 64 voxels, independent noise
    assert d == 1


def test_gradient_boosting_is_no_clear_gain_on_the_brain_scans_either():
    abide, external = load("mriqc_abide"), load("mriqc_ds030")
    X, y, sites = abide.X.to_numpy(), abide.y.to_numpy(), abide.groups.to_numpy()
    X_out, y_out = external.X.to_numpy(), external.y.to_numpy()
    models = (HistGradientBoostingClassifier(max_iter=50, random_state=0),
              make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)))
    rows_of = [np.flatnonzero(sites == site) for site in np.unique(sites)]

    def rows(truth):
        return lambda rng: rng.integers(len(truth), size=len(truth))

    def whole_sites(rng):
        return np.concatenate([rows_of[i] for i in rng.integers(len(rows_of), size=len(rows_of))])

    ways = {"shuffled": (StratifiedKFold(5, shuffle=True, random_state=0), y, rows(y)),
            "new sites": (list(LeaveOneGroupOut().split(X, y, sites)), y, whole_sites),
            "external": (None, y_out, rows(y_out))}
    for cv, truth, draw in ways.values():
        ranked = [model.fit(X, y).decision_function(X_out) if cv is None
                  else cross_val_predict(model, X, y, cv=cv, method="decision_function") for model in models]
        rng = np.random.default_rng(0)
        gains = []
        for _ in range(300):
            one = draw(rng)
            gains.append(roc_auc_score(truth[one], ranked[0][one]) - roc_auc_score(truth[one], ranked[1][one]))
        low, high = np.quantile(gains, [0.025, 0.975])
        assert low < 0 < high
