"""What lesson 02 says about its panels, and the numbers that stand in its text alone."""

import itertools
import re

import numpy as np
import pytest
from harness import ROOT, repetitions
from scipy import optimize, special, stats
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from simulations.overfitting import (
    REGIONS,
    complexity_of_the_model,
    learning_curve_of_lda,
    publication_filter,
    regional_mri,
)
from utils import cohort

PENALTIES = (1e-4, 10.0, 100.0)


def means(outcome):
    return {name: values.mean(axis=0) for name, values in outcome.draws.items()}


@pytest.mark.parametrize(
    ("n_scans", "effect"),
    repetitions([(20, 3), (40, 0), (60, 1.5)], list(itertools.product((20, 40, 60), (0, 1.5, 3)))),
)
def test_training_only_rises_and_ends_at_one(n_scans, effect):
    for ridge in PENALTIES:
        outcome = complexity_of_the_model(n_scans=n_scans, effect=effect, ridge=ridge, repeats=100)
        training = means(outcome)["training"]
        counts = np.array(outcome.parameters["feature_counts"])
        assert np.all(np.diff(training) > -0.002) and training[-1] > 0.99
        if ridge == PENALTIES[0]:
            assert np.all(outcome.draws["training"][:, counts >= n_scans] == 1)
        elif ridge == PENALTIES[2]:
            assert training[np.flatnonzero(counts >= n_scans)[0]] < 0.999


def test_truth_is_best_with_the_true_features_and_a_penalty_fills_the_dip():
    fallen = []
    for ridge in PENALTIES:
        outcome = complexity_of_the_model(ridge=ridge, repeats=300)
        true = means(outcome)["true"]
        assert outcome.parameters["feature_counts"][true.argmax()] == 5
        fallen.append(true.max() - true.min())
        at_40 = true[outcome.parameters["feature_counts"].index(40)]
        assert (at_40 < true[-1] - 0.03) == (ridge == PENALTIES[0])
    assert fallen[0] > fallen[1] > fallen[2]


def test_cross_validation_follows_except_about_the_dip_and_its_band_is_wide():
    outcome = complexity_of_the_model(repeats=1000)
    counts, found = list(outcome.parameters["feature_counts"]), means(outcome)
    off = dict(zip(counts, found["reported"] - found["true"], strict=True))
    assert all(abs(off[count]) < 0.03 for count in counts if not 20 <= count <= 60)
    assert off[30] < -0.03 and off[40] > 0.03  # its own dip comes earlier
    low, high = np.quantile(outcome.draws["reported"][:, counts.index(5)], [0.05, 0.95])
    assert found["true"][counts.index(5)] == pytest.approx(0.74, abs=0.01)
    assert low == pytest.approx(0.60, abs=0.026) and high == pytest.approx(
        0.85, abs=0.026
    )  # in steps of 1/40


@pytest.mark.parametrize("effect", [0, 1.5])
def test_a_cross_validated_score_scatters_more_than_a_count_of_right_answers(effect):
    outcome = complexity_of_the_model(effect=effect, repeats=500)
    true = means(outcome)["true"]
    ratio = outcome.draws["reported"].std(axis=0) / np.sqrt(true * (1 - true) / 40)
    assert np.all((ratio > 1.05) & (ratio < 1.5))


@pytest.mark.parametrize("model", [KNeighborsClassifier(1), DecisionTreeClassifier(random_state=0)])
def test_the_gap_of_a_model_that_remembers_every_scan_does_not_close(model):
    rng = np.random.default_rng(0)
    for n_scans in (1000, 3000):
        y = np.arange(n_scans) % 2
        X, X_new = rng.normal(size=(2, n_scans, 10)) + 1.5 * y[:, None] * (np.arange(10) == 0)
        assert 0.28 < model.fit(X, y).score(X, y) - model.score(X_new, y) < 0.39


@pytest.mark.parametrize("n_features", repetitions([2, 15], [2, 5, 10, 15]))
@pytest.mark.parametrize("rule", ["LDA", "nearest centroid"])
def test_circles_lie_on_the_line(n_features, rule):
    for effect in (0.5, 1.5, 3):
        found = means(learning_curve_of_lda(n_features=n_features, effect=effect, rule=rule, repeats=200))
        np.testing.assert_allclose(found["true"], found["theory"], atol=0.013)
        assert np.all(np.diff(found["training"]) < 0.005) and np.all(np.diff(found["true"]) > -0.002)


def test_the_simpler_rule_wins_with_few_scans_only():
    lda, simple = (
        means(learning_curve_of_lda(n_features=15, rule=rule, repeats=200))
        for rule in ("LDA", "nearest centroid")
    )
    assert lda["training"][0] > 0.97 and lda["true"][0] < 0.62
    ahead = simple["true"] - lda["true"]
    assert ahead[0] > 0.07 and abs(ahead[-1]) < 0.004


def published_by_size(outcome):
    published = outcome.draws["reported"] >= outcome.parameters["publish_from"] - 1e-9
    some = published.sum(axis=0) >= 3

    def of(name):
        return np.array([outcome.draws[name][published[:, i], i].mean() for i in np.flatnonzero(some)])

    return published.mean(axis=0), of("reported"), of("true")


def test_the_smaller_a_published_study_the_better_its_score_if_the_effect_is_weak():
    for effect, n_features in ((0.56, 10), (0.28, 10), (0.56, 2)):
        _, reported, true = published_by_size(
            publication_filter(effect=effect, n_features=n_features, repeats=1000)
        )
        assert np.all(np.diff(reported) < 0.006) and reported[0] > reported[-1] + 0.015
        assert np.all(np.diff(true) > -0.005)
    share, reported, _ = published_by_size(publication_filter(effect=2, repeats=1000))
    assert share[-3] > 0.98 and reported[-1] > reported[0] + 0.03


def test_a_strict_filter_passes_small_studies_with_ordinary_models():
    outcome = publication_filter(publish_from=0.8, repeats=1000)
    share, reported, true = published_by_size(outcome)
    assert share[0] > 0.02 and np.all(share[3:] < 0.003)
    assert np.all(reported > 0.8) and true[0] == pytest.approx(outcome.draws["true"][:, 0].mean(), abs=0.015)
    share, reported, true = published_by_size(publication_filter(publish_from=0.8, effect=0, repeats=1000))
    assert share[0] > 0.01 and reported[0] > 0.8 and true[0] == pytest.approx(0.5, abs=1e-9)


def test_regional_mri_what_each_control_does():
    cortex, penalty, putamen = (
        means(regional_mri(repeats=100, **settings))
        for settings in ({}, {"ridge": 300.0}, {"regions": REGIONS[2]})
    )
    assert cortex["true"][0] == pytest.approx(0.51, abs=0.01) and penalty["true"][0] == pytest.approx(
        0.53, abs=0.01
    )
    assert cortex["ceiling"][0] - cortex["true"][2] > 0.03 > 0.02 > cortex["ceiling"][0] - cortex["true"][3]
    assert cortex["reported"][3] == pytest.approx(cortex["ceiling"][0], abs=0.02)
    for size in range(3):
        short = [found["ceiling"][0] - found["true"][size] for found in (putamen, cortex)]
        assert putamen["ceiling"][0] < cortex["ceiling"][0] and short[0] < short[1] / 2
    reported = regional_mri(sizes=(40,), repeats=2000).draws["reported"]
    assert np.quantile(reported, 0.05) < 0.4 and 0.035 < np.mean(reported >= 0.7 - 1e-9) < 0.065
    strong = [
        means(regional_mri(strength=3, sizes=(40, 100), ridge=ridge, repeats=600)) for ridge in (1e-3, 300.0)
    ]
    assert strong[0]["ceiling"][0] == pytest.approx(0.79, abs=0.006)
    assert strong[0]["true"][1] == pytest.approx(0.68, abs=0.006)
    assert strong[1]["true"][1] == pytest.approx(0.73, abs=0.006)


def hanley_mcneil(auc, patients, controls):
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (patients - 1) * (q1 - auc**2) + (controls - 1) * (q2 - auc**2)
    return np.sqrt(variance / (patients * controls))


def test_near_1_an_interval_of_the_auc_holds_its_promise_on_the_logit_scale_only():
    n, auc = 20, 0.98
    rng = np.random.default_rng(0)
    controls, patients = rng.standard_normal((2, 4000, n, 1))
    patients = patients + np.sqrt(2) * stats.norm.ppf(auc)
    found = (patients > np.swapaxes(controls, 1, 2)).mean(axis=(1, 2))
    found = found[found < 1]  # at 1 neither has a width; so both are judged where they have one
    half = 1.96 * hanley_mcneil(found, n, n)
    plain = np.mean(np.abs(found - auc) <= half)
    logit = np.mean(np.abs(special.logit(found) - special.logit(auc)) <= half / (found * (1 - found)))
    assert logit > 0.94 and plain < logit - 0.02
    assert np.mean(found + half > 1) > 0.5


def test_a_coins_labels_are_separated_as_often_as_cover_counted():
    found = 0
    studies = repetitions(100, 300)
    for study in range(studies):
        rng = np.random.default_rng(study)
        X, y = rng.normal(size=(40, 19)), rng.integers(0, 2, size=40)
        rows = (2 * y - 1)[:, None] * np.column_stack([X, np.ones(40)])
        found += optimize.linprog(np.zeros(20), -rows, -np.ones(40), bounds=(None, None)).status == 0
    expected = stats.binom.cdf(19, 39, 0.5)
    assert found / studies == pytest.approx(expected, abs=3 * np.sqrt(0.25 / studies))


def test_numbers_that_stand_in_the_text_alone():
    d = np.sqrt(2) * stats.norm.ppf(0.61)
    assert d**2 / (d**2 + 4) == pytest.approx(0.04, abs=0.005)  # R2 of an AUC of .61, groups of equal size
    assert 1.96 * np.sqrt(0.84 * 0.16 / 400) == pytest.approx(0.04, abs=0.005)  # question 1
    # McNemar's test, exact: 5 % of 400 are 20 people, whoever else the models disagree about.
    assert stats.binomtest(30, 40).pvalue == pytest.approx(0.002, abs=0.0005)
    assert stats.binomtest(65, 110).pvalue == pytest.approx(0.07, abs=0.005)
    assert 30 - 10 == 65 - 45 == round(0.05 * 400)
    t = stats.t.isf(0.025, 23)
    assert t / np.sqrt(23 + t**2) == pytest.approx(0.40, abs=0.005)  # significant with 25 subjects


def cell_of_the_lesson(first):
    """What the cell that begins so defines; what it prints is not of interest here."""
    text = (ROOT / "source" / "lessons" / "02_overfitting.md").read_text(encoding="utf-8")
    start = text.index(f"\n{first}\n")
    names = {"np": np, "norm": stats.norm, "print": lambda *_: None}
    exec(text[start : text.index("```", start)], names)
    return names


def test_subjects_for_a_diagnosis_are_those_of_riley_and_others():
    """Their model for Chagas disease (24 parameters, 17.4 % ill, AUC .89) needs 4.8 patients a parameter."""
    lesson = cell_of_the_lesson("from math import ceil")
    needed = max(lesson["subjects_for_a_diagnosis"](24, 0.89, 0.174))
    assert needed * 0.174 / 24 == pytest.approx(4.8, abs=0.05)
    assert lesson["subjects_for_a_diagnosis"](33, 0.61, 0.5) == [7745, 847, 385]
    # R2 as the package finds it, from a simulated million: within two per cent or so.
    for seed in range(2):
        rng = np.random.default_rng(seed)
        ill = rng.random(1_000_000) < 0.5
        log_odds = (
            np.sqrt(2) * stats.norm.ppf(0.61) * (rng.normal(size=ill.size) + 0.279 * np.sqrt(2) * (ill - 0.5))
        )
        risk = special.expit(log_odds)
        found = 1 - np.exp(-2 * (np.log(2) + np.mean(np.log(np.where(ill, risk, 1 - risk)))))
        assert found == pytest.approx(lesson["cox_snell"](0.61, 0.5)[0], rel=0.04)


def test_the_model_that_lesson_02_writes_out_is_the_one_that_it_names():
    text = (ROOT / "source/lessons/02_overfitting.md").read_text(encoding="utf-8")
    names = {"np": np}
    exec(re.search(r"^def predict\(X, y, X_new\):\n(?: .*\n)+", text, re.MULTILINE)[0], names)
    named = make_pipeline(StandardScaler(), NearestCentroid())
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(530, 30)) * rng.uniform(0.1, 100, 30), np.arange(530) % 2
        found = names["predict"](X[:30], y[:30], X[30:])
        np.testing.assert_array_equal(found, named.fit(X[:30], y[:30]).predict(X[30:]))


# Closed forms and directions, beside the rows of the table of proof (tools/reference)


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
