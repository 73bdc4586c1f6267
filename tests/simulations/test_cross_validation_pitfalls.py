"""What lesson 05 says about its panels and its cells holds, at the positions of the sliders."""

import itertools

import numpy as np
import pytest
from harness import repetitions
from scipy.stats import binomtest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneOut, StratifiedGroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from simulations.cross_validation_pitfalls import (
    best_of_many,
    cross_validation_error,
    permutation_tests,
    repeated_scans,
    selection_outside_folds,
    two_equal_learners,
)
from utils.data import load


def optimism(outcome):
    return (outcome.draws["reported"] - outcome.draws["true"]).mean()


def error(outcome):
    return outcome.draws["reported"] - outcome.draws["true"]


def alarms(outcome):
    return {name: np.mean(p <= 0.05) for name, p in outcome.draws.items()}


def test_selection_needs_a_choice():
    outcome = selection_outside_folds(n_features=10, n_selected=10, repeats=50)
    np.testing.assert_array_equal(outcome.draws["reported"], outcome.draws["honest"])


def test_selection_bias_grows_with_features_and_shrinks_with_scans():
    by_features = [optimism(selection_outside_folds(n_features=p, repeats=200)) for p in (30, 100, 300, 1000)]
    assert np.all(np.diff(by_features) > 0.03)
    by_scans = [optimism(selection_outside_folds(n_scans=n, repeats=200)) for n in (20, 40, 80)]
    assert np.all(np.diff(by_scans) < -0.03)


@pytest.mark.parametrize("effect", [0.5, 1.0])
def test_a_true_effect_does_not_protect(effect):
    outcome = selection_outside_folds(effect=effect, repeats=200)
    assert optimism(outcome) > 0.05
    assert outcome.draws["honest"].mean() == pytest.approx(outcome.draws["true"].mean(), abs=0.05)


def test_a_true_effect_makes_the_leak_smaller_and_with_few_features_removes_it():
    by_effect = [optimism(selection_outside_folds(effect=effect, repeats=200)) for effect in (0, 0.5, 1)]
    assert np.all(np.diff(by_effect) < -0.01)
    few = selection_outside_folds(n_features=30, n_selected=10, n_scans=80, effect=1, repeats=200)
    assert optimism(few) == pytest.approx(0, abs=0.02)


def test_two_settings_remove_the_leak_of_repeated_scans():
    assert optimism(repeated_scans(scans_per_subject=1, repeats=300)) == pytest.approx(0, abs=0.025)
    assert optimism(repeated_scans(reliability=0, repeats=300)) == pytest.approx(0, abs=0.025)
    assert optimism(repeated_scans(reliability=0.2, repeats=300)) > 0.05


def test_more_subjects_do_not_remove_the_leak_and_linear_leaks_less():
    for n_subjects in (10, 20, 40):
        assert optimism(repeated_scans(n_subjects=n_subjects, repeats=200)) > 0.4
    # That is so where scans are good; where they are not, more subjects make the siblings harder to find.
    few, many = (optimism(repeated_scans(n_subjects=n, reliability=0.3, repeats=200)) for n in (10, 40))
    assert many < few - 0.05
    nearest, linear = (
        optimism(repeated_scans(rule=rule, repeats=200)) for rule in ("nearest neighbour", "linear")
    )
    assert 0.2 < linear < nearest - 0.05
    assert optimism(repeated_scans(n_subjects=300, rule="linear", repeats=50)) < 0.15


def test_good_scans_leak_most():
    found = [optimism(repeated_scans(reliability=r, repeats=200)) for r in (0.1, 0.3, 0.5)]
    assert np.all(np.diff(found) > 0.05)


def test_analyses_that_are_alike_cost_less():
    found = [optimism(best_of_many(likeness=likeness)) for likeness in (0, 0.5, 0.9)]
    assert np.all(np.diff(found) < -0.01)


def test_nested_cross_validation_is_honest_about_tuning_and_a_little_pessimistic():
    outcome = best_of_many(effect=0.75, repeats=2000)
    difference = outcome.draws["honest"] - outcome.draws["true"]
    assert -0.03 < difference.mean() < 3 * difference.std() / np.sqrt(2000)
    # Its variation has little to do with the one model that is fitted to everything at the end.
    assert abs(np.corrcoef(outcome.draws["honest"], outcome.draws["true"])[0, 1]) < 0.4


def test_twenty_to_fifty_coin_tossers_report_sixty_percent():
    assert best_of_many(varied="coin tosses", n_tried=20).draws["reported"].mean() < 0.60
    assert best_of_many(varied="coin tosses", n_tried=50).draws["reported"].mean() > 0.60


@pytest.mark.parametrize("scheme", ["leave-one-out", "10-fold", "5-fold", "2-fold", "50 random splits"])
def test_about_ten_points_either_way_with_a_hundred_scans(scheme):
    low, high = np.quantile(error(cross_validation_error(scheme=scheme, effect=1.25)), [0.05, 0.95])
    assert -0.13 < low < -0.07 and 0.05 < high < 0.10


def test_the_error_bar_of_fifty_splits_is_several_times_too_short():
    outcome = cross_validation_error(scheme="50 random splits", effect=1.25)
    low, high = np.quantile(error(outcome), [0.05, 0.95])
    assert (high - low) / 2 > 3 * np.median(outcome.draws["claimed"])


def test_more_folds_are_less_pessimistic_and_hardly_more_certain():
    errors = {
        scheme: error(cross_validation_error(scheme=scheme, effect=1.25, repeats=2000))
        for scheme in ("2-fold", "5-fold", "10-fold", "leave-one-out")
    }
    assert errors["2-fold"].mean() < errors["5-fold"].mean() < 0
    spread = {scheme: e.std() for scheme, e in errors.items()}
    assert spread["leave-one-out"] > 0.85 * spread["5-fold"]


def test_less_error_if_the_classes_are_nearly_separate():
    low, high = np.quantile(error(cross_validation_error(effect=3)), [0.05, 0.95])
    assert -0.08 < low < 0 < high < 0.06


@pytest.mark.parametrize("scheme", ["leave-one-out", "10-fold", "5-fold", "2-fold", "50 random splits"])
def test_about_twenty_points_either_way_with_twenty_scans(scheme):
    low, high = np.quantile(
        error(cross_validation_error(n_scans=20, scheme=scheme, effect=1.25)), [0.05, 0.95]
    )
    assert -0.30 < low < -0.19 and 0.14 < high < 0.25


@pytest.mark.parametrize(("n_scans", "low", "high"), [(20, 0.20, 0.28), (100, 0.115, 0.18)])
@pytest.mark.parametrize("scheme", ["leave-one-out", "10-fold", "5-fold"])
def test_an_error_bar_that_counts_subjects_is_nearly_honest(scheme, n_scans, low, high):
    outcome = cross_validation_error(n_scans=n_scans, scheme=scheme, effect=1.25, repeats=2000)
    p = outcome.draws["reported"]
    bar = 1.645 * np.sqrt(p * (1 - p) / n_scans)
    assert low < np.mean(np.abs(error(outcome)) > bar) < high
    if scheme == "leave-one-out":  # it claims this very bar
        np.testing.assert_allclose(outcome.draws["claimed"], bar * np.sqrt(n_scans / (n_scans - 1)))


@pytest.mark.parametrize("n_scans", [40, 200])
@pytest.mark.parametrize("test_share", [0.1, 0.5])
def test_more_splits_make_anything_significant_and_the_corrected_test_keeps_its_word(n_scans, test_share):
    few, many = (
        alarms(two_equal_learners(n_scans=n_scans, n_splits=J, test_share=test_share)) for J in (5, 100)
    )
    assert many["plain t-test"] > max(0.4, few["plain t-test"])
    for found in (few, many):
        assert found["corrected t-test"] < 0.10


@pytest.mark.parametrize(
    ("n_subjects", "scans_per_subject", "n_features", "reliability"),
    repetitions(
        [(20, 1, 2, 0.1), (20, 3, 10, 0.1), (40, 1, 10, 0.9), (40, 3, 2, 0.9)],
        list(itertools.product((20, 40), (1, 3), (2, 10), (0.1, 0.9))),
    ),
)
def test_permuting_subjects_with_new_folds_keeps_its_word(
    n_subjects, scans_per_subject, n_features, reliability
):
    outcome = permutation_tests(
        n_subjects=n_subjects,
        scans_per_subject=scans_per_subject,
        n_features=n_features,
        reliability=reliability,
        repeats=500,
    )
    assert alarms(outcome)["shuffling subjects, folds drawn anew"] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 500)


def test_drawing_folds_anew_matters_with_few_features():
    with_two, with_ten = (alarms(permutation_tests(n_features=p, repeats=2000)) for p in (2, 10))
    gap = [
        found["shuffling subjects, folds kept"] - found["shuffling subjects, folds drawn anew"]
        for found in (with_two, with_ten)
    ]
    assert gap[0] > 0.02 and abs(gap[1]) < 0.02


@pytest.fixture(scope="module")
def voices():
    voice = load("parkinsons_voice")
    model, X = make_pipeline(StandardScaler(), RidgeClassifier()), voice.X.to_numpy()

    def auc(labels, seed):
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        return cross_val_score(model, X, labels, cv=folds, groups=voice.groups, scoring="roc_auc").mean()

    return voice, auc, np.array([auc(voice.y, seed) for seed in range(20)])


def test_the_deal_of_the_folds_moves_the_score_of_32_voices(voices):
    voice, _, observed = voices
    assert voice.groups.nunique() == 32 and voice.y.groupby(voice.groups).first().sum() == 24
    assert set(voice.groups.value_counts()) == {6, 7}
    assert observed.min() == pytest.approx(0.60, abs=0.015) and observed.max() == pytest.approx(
        0.81, abs=0.015
    )


def test_the_deal_of_the_folds_decides_whether_32_voices_are_significant(voices):
    voice, auc, observed = voices
    diagnosis = voice.y.groupby(voice.groups).first()
    rng = np.random.default_rng(0)
    permuted = []
    for seed in range(1, repetitions(40, 200)):
        shuffled = dict(zip(diagnosis.index, rng.permutation(diagnosis), strict=True))
        permuted.append(auc(voice.groups.map(shuffled), seed))
    p = (1 + np.sum(np.array(permuted) >= observed[:, None], axis=1)) / (1 + len(permuted))
    assert p.min() < 0.05 and p.max() > 0.08


def test_pooled_over_leave_one_out_a_model_that_knows_nothing_is_below_chance():
    y, X = np.repeat([0, 1], 20), np.zeros((40, 1))
    predicted = cross_val_predict(DummyRegressor(), X, y.astype(float), cv=LeaveOneOut())
    assert np.corrcoef(y, predicted)[0, 1] == pytest.approx(-1)
    assert roc_auc_score(y, predicted) == 0
    # A model with weights does it too, if they are shrunken; within folds nothing of it is left.
    pooled, within = [], []
    for seed in range(repetitions(5, 20)):
        X, model = np.random.default_rng(seed).normal(size=(40, 5)), RidgeClassifier(alpha=1e5)
        scores = cross_val_predict(model, X, y, cv=LeaveOneOut(), method="decision_function")
        pooled.append(roc_auc_score(y, scores))
        within.append(cross_val_score(model, X, y, cv=5, scoring="roc_auc").mean())
    assert np.mean(pooled) < 0.05
    assert np.mean(within) == pytest.approx(0.5, abs=3 * np.std(within, ddof=1) / np.sqrt(len(within)))


def test_wilsons_interval_keeps_a_width_where_the_usual_one_has_none():
    usual = 1.645 * np.sqrt(1.0 * (1 - 1.0) / 20)
    low, high = binomtest(20, 20).proportion_ci(0.90, method="wilson")
    assert usual == 0 and low == pytest.approx(0.881, abs=0.001) and high == 1


def test_scaling_before_the_folds_changes_next_to_nothing_on_noise():
    difference, y = [], np.repeat([0, 1], 25)
    for seed in range(repetitions(10, 100)):
        X = np.random.default_rng(seed).normal(size=(50, 20))
        outside = cross_val_score(RidgeClassifier(), StandardScaler().fit_transform(X), y, cv=5).mean()
        inside = cross_val_score(make_pipeline(StandardScaler(), RidgeClassifier()), X, y, cv=5).mean()
        difference.append(outside - inside)
    assert abs(np.mean(difference)) < 0.01


# Closed forms and directions, beside the rows of the table of proof (tools/reference)


def test_permuting_scans_of_the_same_subjects_raises_false_alarms():
    outcome = permutation_tests(n_subjects=40, scans_per_subject=3, n_features=10)
    alarms = {name: np.mean(p <= 0.05) for name, p in outcome.draws.items()}
    assert alarms["shuffling scans"] > 0.10
    assert alarms["shuffling subjects, folds drawn anew"] < 0.07


def test_r17_no_leak_where_subjects_cannot_be_recognised():
    outcome = repeated_scans(n_subjects=40, scans_per_subject=3, reliability=0, repeats=300)
    assert outcome.draws["reported"].mean() == pytest.approx(0.5, abs=0.02)
