"""The simulated cohort against published numbers, closed forms and its own parameters.

Ranges are about three Monte-Carlo standard errors; the formula stands beside where it is not obvious.
"""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy.special import expit
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from utils.cohort import (
    BINDING,
    RELIABILITY,
    SOURCES,
    bayes_accuracy,
    bayes_auc,
    parameter_table,
    render_slices,
    simulate_cohort,
    striatal_ratio,
    two_gaussians,
)

PLAIN = {"n_sites": 1, "site_shift": 0.0, "site_scale": 0.0}  # nothing but persons


@pytest.fixture(scope="module")
def large():
    """40,000 persons without site effects, one session each."""
    return simulate_cohort(n_subjects=40_000, **PLAIN, n_noise_features=2, seed=1)


@pytest.fixture(scope="module")
def twice():
    """10,000 persons without site effects, two sessions each."""
    return simulate_cohort(n_subjects=10_000, sessions_per_subject=2, **PLAIN, n_noise_features=2, seed=2)


def scale_of_model(cohort):
    """Features on the scale where the model is normal: the motor score on the log scale."""
    return cohort.complete.assign(motor_score=np.log(cohort.complete["motor_score"]))


def lda_auc_and_accuracy(cohort, columns, n_train):
    Z, y = scale_of_model(cohort)[columns].to_numpy(), cohort.true
    rule = LinearDiscriminantAnalysis().fit(Z[:n_train], y[:n_train])
    score = rule.decision_function(Z[n_train:])
    return roc_auc_score(y[n_train:], score), np.mean((score > 0) == y[n_train:])


# Closed forms


def test_two_gaussians_of_r21():
    assert round(bayes_accuracy(1.5), 3) == 0.773
    assert round(float(bayes_auc(1.5)), 3) == 0.856


@pytest.mark.parametrize("informative", [1, 5, 20])
def test_two_gaussians_by_simulation(informative):
    X, y = two_gaussians(40_000, 20, 1.5, informative=informative, seed=3)
    oracle = X[:, :informative].sum(1)
    assert np.mean((oracle > 0) == y) == pytest.approx(0.773, abs=0.0064)  # 3 sqrt(.773 .227 / 40000)
    assert roc_auc_score(y, oracle) == pytest.approx(0.856, abs=0.006)
    rule = LinearDiscriminantAnalysis().fit(X[:20_000], y[:20_000])
    assert rule.score(X[20_000:], y[20_000:]) == pytest.approx(0.773, abs=0.010)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_accuracy_at_another_prevalence(p):
    X, y = two_gaussians(60_000, 1, 1.2, prevalence=p, seed=4)
    cut = -np.log(p / (1 - p)) / 1.2
    assert y.mean() == pytest.approx(p, abs=1e-4)
    assert np.mean((X[:, 0] > cut) == y) == pytest.approx(bayes_accuracy(1.2, p), abs=0.006)


def test_accuracy_without_separation_is_that_of_the_majority():
    assert bayes_accuracy(0, 0.7) == 0.7
    assert bayes_accuracy(1.5, 1) == 1.0


# Published numbers


def test_ceiling_of_regional_mri():
    cohort = simulate_cohort(n_subjects=20)
    assert cohort.bayes_auc("thickness") == pytest.approx(0.61, abs=0.005)
    assert cohort.bayes_auc(["thickness", "volume"]) == pytest.approx(0.63, abs=0.005)
    best = max(cohort.bayes_auc(f) for f in cohort.features["thickness"] + cohort.features["volume"])
    assert best == pytest.approx(0.55, abs=0.005)


def test_ceiling_is_reached_by_lda_with_many_persons(large):
    columns = large.features["thickness"] + large.features["volume"]
    auc, accuracy = lda_auc_and_accuracy(large, columns, 30_000)
    assert auc == pytest.approx(large.bayes_auc(columns), abs=0.018)  # SE of 5000/5000 is .0056
    assert accuracy == pytest.approx(large.bayes_accuracy(columns), abs=0.016)


def test_effect_sizes_of_every_feature(large):
    table = parameter_table().set_index("feature")
    Z = scale_of_model(large)
    patients, controls = Z[large.true == 1], Z[large.true == 0]
    pooled = np.sqrt((patients.var() + controls.var()) / 2)
    d = ((patients.mean() - controls.mean()) / pooled)[table.index]
    error = np.sqrt(4 / len(Z) + table["d"] ** 2 / (2 * len(Z)))
    assert (np.abs(d - table["d"]) < 4 * error).all()  # 47 features at once
    assert d["thickness_inferiorparietal"] == pytest.approx(-0.191, abs=0.03)
    assert d["volume_putamen"] == pytest.approx(-0.136, abs=0.03)
    assert np.allclose(pooled[table.index] / table["sd"], 1, atol=0.02)


@pytest.mark.parametrize("region, d", [("putamen", 2.6), ("caudate", 1.8)])
def test_binding_ratios_are_those_of_the_published_table(large, region, d):
    control, patient, sd0, sd1 = BINDING[region]
    ratio = large.complete[f"sbr_{region}_left"]
    assert ratio[large.true == 0].mean() == pytest.approx(control, abs=0.015)
    assert ratio[large.true == 1].mean() == pytest.approx(patient, abs=0.015)
    pooled = np.sqrt((ratio[large.true == 0].var() + ratio[large.true == 1].var()) / 2)
    assert pooled == pytest.approx(np.sqrt((sd0**2 + sd1**2) / 2), rel=0.012)
    shift = ratio[large.true == 0].mean() - ratio[large.true == 1].mean()
    assert shift / pooled == pytest.approx(d, abs=0.06)


def test_disease_is_asymmetric_and_the_side_is_random(large):
    difference = large.complete["sbr_putamen_left"] - large.complete["sbr_putamen_right"]
    controls, patients = difference[large.true == 0], difference[large.true == 1]
    assert patients.abs().mean() > 2 * controls.abs().mean()
    assert patients.mean() == pytest.approx(0, abs=0.01)
    assert np.sqrt(patients.var() - controls.var()) == pytest.approx(0.40, abs=0.01)


def test_moments_and_correlations_of_the_regions(large):
    controls = large.complete[large.true == 0]
    thickness = controls[large.features["thickness"]]
    assert thickness.mean().mean() == pytest.approx(2.55, abs=0.003)
    assert controls["volume_putamen"].std() == pytest.approx(731, rel=0.02)
    R = np.corrcoef(controls[large.features["thickness"] + large.features["volume"]].T)
    apart = R[np.triu_indices(len(R), 1)]
    assert np.median(apart) == pytest.approx(0.20, abs=0.01)
    assert np.abs(apart - 0.20).max() < 4.5 / np.sqrt(len(controls))


def test_hemispheres_correlate_and_allow_what_their_average_allows(large):
    cohort = simulate_cohort(n_subjects=20_000, hemispheres=True, **PLAIN, seed=5)
    left = cohort.complete["thickness_precuneus_left"]
    right = cohort.complete["thickness_precuneus_right"]
    controls = cohort.true == 0
    assert len(cohort.features["thickness"]) == 66
    assert np.corrcoef(left[controls], right[controls])[0, 1] == pytest.approx(0.58, abs=0.02)
    average, d = (left + right) / 2, -0.174
    assert average[controls].std() == pytest.approx(0.15, abs=0.004)
    shift = average[~controls].mean() - average[controls].mean()
    assert shift / 0.15 == pytest.approx(d, abs=3 * np.sqrt(4 / 20_000))
    for group in ("thickness", "volume", ["thickness", "volume"]):
        assert cohort.bayes_auc(group) == pytest.approx(large.bayes_auc(group), abs=1e-9)


def test_age_and_sex(large):
    age, sex = large.table["age"], large.table["sex"]
    for diagnosis, male in ((0, 0.60), (1, 0.66)):
        rows = large.true == diagnosis
        assert age[rows].mean() == pytest.approx(62, abs=0.25)
        assert age[rows].std() == pytest.approx(10, abs=0.2)
        assert (sex[rows] == "M").mean() == pytest.approx(male, abs=0.011)
    controls = large.true == 0
    assert np.corrcoef(age[controls], large.complete["volume_ventricle"][controls])[0, 1] > 0.35
    assert np.corrcoef(age[controls], large.complete["thickness_insula"][controls])[0, 1] < -0.2


def test_noise_means_nothing(large):
    Z = large.complete[large.features["noise"]]
    assert Z.std().to_numpy() == pytest.approx(1, abs=0.02)
    assert large.bayes_auc("noise") == 0.5
    assert roc_auc_score(large.true, Z["noise_1"]) == pytest.approx(0.5, abs=0.009)


def test_every_parameter_has_a_source():
    table = parameter_table(hemispheres=True)
    named = table.filter(like="source_of")
    assert set(named.to_numpy().ravel()) <= set(SOURCES)
    assert (table.loc[table["group"] == "thickness", "source_of_d"] == "ENIGMA-PD").all()


# The truth that a cohort knows


@pytest.mark.parametrize("group", ["clinical", "genetic", ["age", "thickness"], "sbr_putamen_left"])
def test_truth_of_a_group_is_what_the_best_rule_reaches(large, group):
    if group == ["age", "thickness"]:
        Z = scale_of_model(large).assign(age=large.table["age"])[["age", *large.features["thickness"]]]
        rule = LinearDiscriminantAnalysis().fit(Z[:30_000], large.true[:30_000])
        auc = roc_auc_score(large.true[30_000:], rule.decision_function(Z[30_000:]))
        assert auc == pytest.approx(large.bayes_auc(group), abs=0.018)
        return
    name = large.features.get(group, [group])[0]
    sign = -1 if name.startswith("sbr") else 1
    auc = roc_auc_score(large.true, sign * large.complete[name])
    assert auc == pytest.approx(large.bayes_auc(group), abs=0.009)


@pytest.mark.parametrize("prevalence", [0.2, 0.5])
def test_truth_of_asymmetric_features_by_an_oracle(prevalence):
    """The likelihood of controls and of both kinds of patients, on fresh persons."""
    cohort = simulate_cohort(
        n_subjects=40_000, prevalence=prevalence, effect={"binding": 0.5}, **PLAIN, seed=6
    )
    b = np.arange(1, 5)
    model = cohort._model
    Z = (cohort.complete[cohort.features["binding"]].to_numpy() - model.mean[b]) / model.sd[b]
    inverse = np.linalg.inv(model.between[np.ix_(b, b)] + np.diag(model.within[b]))
    means = [model.d[b] + side * model.asymmetry[b] for side in (1, -1)]
    ratios = [Z @ inverse @ m - m @ inverse @ m / 2 for m in means]
    score = np.logaddexp(*ratios) - np.log(2)
    cut = -np.log(prevalence / (1 - prevalence))
    assert roc_auc_score(cohort.true, score) == pytest.approx(cohort.bayes_auc("binding"), abs=0.006)
    accuracy = np.mean((score > cut) == cohort.true)
    assert accuracy == pytest.approx(cohort.bayes_accuracy("binding", prevalence=prevalence), abs=0.006)
    sure = expit(score - cut)  # the posterior; the mean of the larger one is the same with less noise
    expected = np.maximum(sure, 1 - sure).mean()
    assert cohort.bayes_accuracy("binding", prevalence=prevalence) == pytest.approx(expected, abs=0.0022)
    rows = cohort.true == 1
    lda = LinearDiscriminantAnalysis().fit(Z, cohort.true)
    assert roc_auc_score(rows, lda.decision_function(Z)) < cohort.bayes_auc("binding") + 0.003


def test_integration_agrees_with_the_closed_form_where_both_hold():
    """Without an effect on binding the form is closed; with a tiny one the same is integrated."""
    closed = simulate_cohort(n_subjects=10, effect={"binding": 0.0})
    plane = simulate_cohort(n_subjects=10, effect={"binding": 1e-9})
    assert closed.bayes_auc(["binding", "genetic"]) == pytest.approx(closed.bayes_auc("genetic"), abs=1e-12)
    for features in (["binding", "genetic"], ["binding", "clinical"], ["sbr_caudate_left", "thickness"]):
        assert plane.bayes_auc(features) == pytest.approx(closed.bayes_auc(features), abs=3e-4)
        for p in (0.2, 0.5):
            expected = closed.bayes_accuracy(features, prevalence=p)
            assert plane.bayes_accuracy(features, prevalence=p) == pytest.approx(expected, abs=3e-4)


def test_without_effect_nothing_can_be_known():
    cohort = simulate_cohort(n_subjects=4_000, effect=0.0, **PLAIN)
    assert cohort.bayes_auc() == 0.5
    assert cohort.bayes_accuracy(prevalence=0.8) == 0.8
    auc = roc_auc_score(cohort.true, -cohort.complete["sbr_putamen_left"])
    assert auc == pytest.approx(0.5, abs=0.028)


def test_more_features_and_more_sessions_never_tell_less():
    cohort = simulate_cohort(n_subjects=10)
    groups = [["volume"], ["volume", "thickness"], ["volume", "thickness", "genetic"], None]
    known = [cohort.bayes_auc(g) for g in groups]
    assert known == sorted(known)
    assert cohort.bayes_auc("clinical", sessions=4) > cohort.bayes_auc("clinical")


# Reliability


def test_reliability_of_every_group_is_recovered(twice):
    Z = scale_of_model(twice)
    for group, columns in twice.features.items():
        values = Z[columns].to_numpy()[twice.true == 0]
        if group == "genetic":
            assert np.array_equal(values[::2], values[1::2])
            continue
        icc = [np.corrcoef(values[::2, j], values[1::2, j])[0, 1] for j in range(len(columns))]
        error = (1 - RELIABILITY[group] ** 2) / np.sqrt(len(values) / 2)
        assert np.abs(np.array(icc) - RELIABILITY[group]).max() < 4 * error


def test_lower_reliability_attenuates(twice):
    noisy = simulate_cohort(
        n_subjects=20_000, reliability={"genetic": 0.7}, effect={"genetic": 1.6}, **PLAIN, seed=7
    )
    expected = norm.cdf(0.8 * np.sqrt(0.7) / np.sqrt(2))  # R38: .682
    assert expected == pytest.approx(0.682, abs=5e-4)
    assert noisy.bayes_auc("genetic") == pytest.approx(expected, abs=1e-9)
    assert roc_auc_score(noisy.true, noisy.complete["genetic_risk"]) == pytest.approx(expected, abs=0.012)
    assert noisy.bayes_auc("genetic", sessions=10_000) == pytest.approx(norm.cdf(0.8 / np.sqrt(2)), abs=1e-4)


def test_average_of_sessions_reaches_what_is_promised(twice):
    mean = scale_of_model(twice).groupby(twice.subjects, sort=False)["motor_score"].mean()
    auc = roc_auc_score(twice.true[::2], mean)
    assert auc == pytest.approx(twice.bayes_auc("clinical", sessions=2), abs=0.004)


# Sites


def test_site_shift_scale_and_prevalence_are_recovered():
    plan = (0.2, 0.5, 0.8, 0.683)
    cohort = simulate_cohort(
        n_subjects=40_000, n_sites=4, prevalence=plan, site_shift=(0.0, 0.35, 0.5, 1.5), site_scale=0.1, seed=8
    )
    effects = cohort.site_effects
    assert list(effects["plan", "n_subjects"]) == [10_000] * 4
    table = parameter_table().set_index("feature")
    for s, name in enumerate(effects.index):
        rows = cohort.sites == name
        assert cohort.true[rows].mean() == pytest.approx(plan[s], abs=1e-4)
        controls = cohort.complete[rows & (cohort.true == 0)]
        n = len(controls)
        for column in cohort.features["thickness"] + cohort.features["volume"]:
            sd, mean = table.loc[column, "sd"], table.loc[column, "controls"]
            shift, scale = effects.loc[name, ("shift", column)], effects.loc[name, ("scale", column)]
            assert (controls[column].mean() - mean) / sd == pytest.approx(shift, abs=5 * scale / np.sqrt(n))
            assert controls[column].std() / sd == pytest.approx(scale, rel=5 / np.sqrt(2 * n))
    assert (effects["shift"].iloc[0] == 0).all()
    spread = effects["shift"].std(axis=1)
    assert spread.iloc[1] == pytest.approx(0.35, abs=0.12)
    assert spread.iloc[3] == pytest.approx(1.5, abs=0.5)
    assert np.log(effects["scale"]).to_numpy().std() == pytest.approx(0.1, abs=0.016)


def test_effect_size_within_a_site_survives_its_offset_and_factor():
    cohort = simulate_cohort(n_subjects=20_000, n_sites=2, site_shift=1.0, site_scale=0.3, seed=9)
    for site in cohort.site_effects.index:
        rows = cohort.sites == site
        auc = roc_auc_score(cohort.true[rows], -cohort.complete["sbr_putamen_left"][rows])
        assert auc == pytest.approx(cohort.bayes_auc("sbr_putamen_left"), abs=0.006)


def test_scanners_leave_genes_motor_score_and_age_alone():
    here = simulate_cohort(n_subjects=100, site_shift=1.0, site_scale=0.3)
    there = simulate_cohort(n_subjects=100, site_shift=0.0, site_scale=0.0)
    for column in ("age", "motor_score", "genetic_risk"):
        assert np.array_equal(here.table[column], there.table[column])
    assert not np.allclose(here.table["volume_putamen"], there.table["volume_putamen"])


# Wrong diagnoses


def test_symmetric_label_error():
    cohort = simulate_cohort(n_subjects=20_000, label_error=0.194, label_error_kind="symmetric", seed=10)
    errors = cohort.label_errors
    for who in ("all", "true_controls", "true_patients"):
        assert errors[who] == pytest.approx(0.194, abs=0.012)
    assert np.mean(cohort.true == cohort.recorded) == pytest.approx(0.806, abs=0.009)  # R23


def test_label_error_by_class_gives_the_predictive_values():
    """R24: prevalence .6, a reference with sensitivity .9 and specificity .8."""
    cohort = simulate_cohort(
        n_subjects=30_000, prevalence=0.6, label_error=(0.2, 0.1), label_error_kind="by_class", seed=11
    )
    errors = cohort.label_errors
    assert errors["true_controls"] == pytest.approx(0.2, abs=0.011)
    assert errors["true_patients"] == pytest.approx(0.1, abs=0.007)
    ppv, npv = 0.6 * 0.9 / (0.6 * 0.9 + 0.4 * 0.2), 0.4 * 0.8 / (0.4 * 0.8 + 0.6 * 0.1)
    assert errors["recorded_patients"] == pytest.approx(1 - ppv, abs=0.008)
    assert errors["recorded_controls"] == pytest.approx(1 - npv, abs=0.011)
    true_auc = roc_auc_score(cohort.true, cohort.complete["genetic_risk"])
    seen = roc_auc_score(cohort.recorded, cohort.complete["genetic_risk"])
    assert seen - 0.5 == pytest.approx((true_auc - 0.5) * (ppv + npv - 1), abs=0.008)


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_label_error_by_features_strikes_near_the_boundary(rate):
    cohort = simulate_cohort(
        n_subjects=20_000, label_error=rate, label_error_kind="by_features", **PLAIN, seed=12
    )
    wrong = cohort.true != cohort.recorded
    assert wrong.mean() == pytest.approx(rate, abs=0.010)
    putamen = cohort.complete[["sbr_putamen_left", "sbr_putamen_right"]].mean(axis=1)
    middle = np.mean([BINDING["putamen"][0], BINDING["putamen"][1]])
    far = np.abs(putamen - middle)
    quarters = pd.Series(wrong).groupby(pd.qcut(far, 4, labels=False).to_numpy()).mean()
    assert quarters.is_monotonic_decreasing
    assert quarters[0] > 2 * quarters[3]
    assert quarters[0] <= 0.5 + 0.02


def test_a_person_has_one_diagnosis_through_all_sessions():
    cohort = simulate_cohort(
        n_subjects=200, sessions_per_subject=3, label_error=0.3, label_error_kind="symmetric"
    )
    assert cohort.table.groupby("subject")["diagnosis"].nunique().max() == 1
    assert cohort.label_errors["all"] == np.mean(cohort.true != cohort.recorded)


# Missing values


def test_missing_grows_with_severity_and_differs_between_sites():
    cohort = simulate_cohort(n_subjects=4_000, n_sites=6, missing=0.15, seed=13)
    gaps = pd.Series(cohort.table[cohort.feature_names].isna().mean(axis=1))
    assert gaps.mean() == pytest.approx(0.15, abs=0.005)
    severity = pd.qcut(cohort.complete["motor_score"], 4, labels=False)
    by_severity = gaps.groupby(severity.to_numpy()).mean()
    assert by_severity.is_monotonic_increasing
    assert by_severity[3] > 1.8 * by_severity[0]
    by_site = gaps.groupby(cohort.sites).mean()
    assert by_site.max() > 2 * by_site.min()
    assert not cohort.complete.isna().any(axis=None)
    assert not cohort.table[["subject", "session", "site", "age", "sex", "diagnosis"]].isna().any(axis=None)


def test_missing_at_random_when_asked():
    cohort = simulate_cohort(n_subjects=4_000, missing=0.15, missing_severity=0, missing_site=0, seed=14)
    gaps = cohort.table[cohort.feature_names].isna().mean(axis=1)
    by = gaps.groupby([cohort.sites, cohort.true]).mean()
    assert by.to_numpy() == pytest.approx(0.15, abs=0.012)


# One seed, separate streams


def everything(**changed):
    options = {
        "n_subjects": 60, "n_sites": 3, "sessions_per_subject": (1, 3), "prevalence": (0.2, 0.5, 0.8),
        "label_error": 0.2, "label_error_kind": "symmetric", "missing": 0.1, "n_noise_features": 3, "seed": 15,
    }  # fmt: skip
    return simulate_cohort(**options | changed)


def test_same_seed_same_cohort_and_another_seed_another():
    one, two, other = everything(), everything(), everything(seed=16)
    assert_frame_equal(one.table, two.table)
    assert np.array_equal(one.true, two.true)
    assert np.array_equal(render_slices(one), render_slices(two))
    assert not np.array_equal(one.true[:50], other.true[:50])
    assert not np.allclose(one.complete.iloc[0], other.complete.iloc[0])


def test_nothing_touches_the_global_state():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    render_slices(everything())
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    "changed",
    [
        {"label_error": 0.0, "label_error_kind": "none"},
        {"label_error": (0.1, 0.3), "label_error_kind": "by_class"},
        {"label_error": 0.1, "label_error_kind": "by_features"},
        {"missing": 0.0},
        {"missing": 0.3, "missing_site": 0.0},
        {"n_noise_features": 0},
    ],
)
def test_an_option_leaves_everything_else_as_it_was(changed):
    base, other = everything(), everything(**changed)
    shared = [c for c in base.complete if c in other.complete]
    assert_frame_equal(base.complete[shared], other.complete[shared])
    identity = ["subject", "session", "site", "age", "sex"]
    assert_frame_equal(base.table[identity], other.table[identity])
    assert np.array_equal(base.true, other.true)
    if "label_error" not in changed:
        assert np.array_equal(base.recorded, other.recorded)
    else:
        assert_frame_equal(base.table[base.feature_names], other.table[base.feature_names])
    assert np.array_equal(render_slices(base), render_slices(other))


def test_sites_do_not_change_persons_nor_do_more_noise_features_change_labels():
    base, moved = everything(), everything(site_shift=0.0, site_scale=0.0)
    assert np.array_equal(base.true, moved.true)
    assert np.array_equal(base.recorded, moved.recorded)
    assert np.array_equal(base.table["motor_score"].isna(), moved.table["motor_score"].isna())


# What a study receives


def test_the_table_is_one_row_per_session():
    cohort = everything()
    table = cohort.table
    assert list(table.columns) == [
        "subject", "session", "site", "age", "sex", *cohort.feature_names, "diagnosis",
    ]  # fmt: skip
    assert cohort.X.shape == (len(table), len(cohort.feature_names)) == cohort.complete.shape
    assert [len(v) for v in cohort.features.values()] == [4, 33, 8, 1, 1, 3]
    assert table["subject"].nunique() == 60
    per_person = table.groupby("subject", sort=False)
    assert set(per_person.size()) == {1, 2, 3}
    assert all(list(v) == list(range(1, len(v) + 1)) for _, v in per_person["session"])
    assert (per_person[["site", "age", "sex"]].nunique() == 1).all(axis=None)
    assert set(cohort.recorded) == {0, 1}


@pytest.mark.parametrize(
    "options",
    [
        {"n_subjects": 1, "n_sites": 1},
        {"n_subjects": 2, "n_sites": 1},
        {"n_subjects": 2, "n_sites": 2},
        {"n_subjects": 7, "n_sites": 3, "prevalence": [0, 1, 0.5]},
        {"n_subjects": 10, "prevalence": 1.0, "missing": 0.5},
        {"n_subjects": 10, "prevalence": 0, "label_error": 0.45, "label_error_kind": "by_features"},
        {"n_subjects": 10, "effect": 0, "label_error": 0.3, "label_error_kind": "by_features"},
        {"n_subjects": 10, "reliability": 1.0, "hemispheres": True, "effect": 10},
        {"n_subjects": 10, "reliability": 0.01, "sessions_per_subject": 50},
    ],
)
def test_edges(options):
    cohort = simulate_cohort(**options)
    assert np.isfinite(cohort.complete.to_numpy()).all()
    assert len(cohort.true) == len(cohort.table)
    assert np.isfinite(render_slices(cohort, size=24)).all()
    assert 0.5 <= cohort.bayes_auc() <= 1 + 1e-9
    plan = cohort.site_effects["plan"]
    for site, p in plan["prevalence"].items():
        if p in (0, 1):
            assert (cohort.true[cohort.sites == site] == p).all()


def test_a_share_of_gaps_or_of_wrong_labels_next_to_nothing_is_nothing():
    # Such a share has no level at which the search for it could stop.
    study = simulate_cohort(n_subjects=8, missing=1e-98, label_error=1e-98, label_error_kind="by_features")
    assert not study.table.isna().any().any() and (study.true == study.recorded).all()


def test_two_persons_are_a_patient_and_a_control():
    assert sorted(simulate_cohort(n_subjects=2, n_sites=1).true) == [0, 1]


@pytest.mark.parametrize(
    "name, value, others",
    [
        ("n_subjects", 0, {}),
        ("n_subjects", 10.5, {}),
        ("n_subjects", True, {}),
        ("n_sites", 0, {}),
        ("n_sites", 11, {"n_subjects": 10}),
        ("sessions_per_subject", 0, {}),
        ("sessions_per_subject", (3, 1), {}),
        ("sessions_per_subject", (1, 2, 3), {}),
        ("prevalence", 1.1, {}),
        ("prevalence", float("nan"), {}),
        ("prevalence", (0.5, 0.5), {"n_sites": 3}),
        ("prevalence", "half", {}),
        ("site_shift", -0.1, {}),
        ("site_scale", 2.0, {}),
        ("effect", -1.0, {}),
        ("effect", {"cortex": 1.0}, {}),
        ("reliability", 0.0, {}),
        ("reliability", {"binding": 1.2}, {}),
        ("label_error", 0.1, {}),
        ("label_error", 0.6, {"label_error_kind": "symmetric"}),
        ("label_error", 0.46, {"label_error_kind": "by_features"}),
        ("label_error", 0.1, {"label_error_kind": "by_class"}),
        ("label_error", (0.1, 1.1), {"label_error_kind": "by_class"}),
        ("label_error_kind", "random", {}),
        ("missing", 0.95, {}),
        ("missing_severity", 9, {}),
        ("missing_site", -1, {}),
        ("n_noise_features", -1, {}),
        ("hemispheres", "both", {}),
        ("seed", -1, {}),
        ("seed", None, {}),
    ],
)
def test_a_bad_parameter_is_named_with_its_value_and_its_range(name, value, others):
    with pytest.raises(ValueError, match=rf"^{name}.*is not allowed: {name}.* must be ") as refusal:
        simulate_cohort(**others | {name: value})
    worst = [v for v in (value.values() if isinstance(value, dict) else np.atleast_1d(value))]
    assert any(repr(v) in str(refusal.value) or str(v) in str(refusal.value) for v in [value, *worst])


@pytest.mark.parametrize("name, value", [("features", "sex"), ("features", []), ("sessions", 0)])
def test_a_bad_question_about_the_truth_is_refused(name, value):
    cohort = simulate_cohort(n_subjects=4)
    with pytest.raises(ValueError, match=f"^{name}="):
        cohort.bayes_auc(**{name: value} if name == "features" else {"sessions": value})


def test_bad_parameters_of_the_closed_forms_are_refused():
    with pytest.raises(ValueError, match=r"^d="):
        bayes_auc(-1.0)
    with pytest.raises(ValueError, match=r"^d="):
        bayes_accuracy(float("nan"))
    with pytest.raises(ValueError, match=r"^informative=3"):
        two_gaussians(10, 2, 1.0, informative=3)


# Pictures


@pytest.fixture(scope="module")
def pictured():
    cohort = simulate_cohort(n_subjects=180, n_sites=3, seed=17)
    return cohort, render_slices(cohort)


def test_the_ratio_in_the_picture_follows_the_binding_ratio(pictured):
    cohort, pictures = pictured
    assert pictures.shape == (180, 64, 64)
    measured = striatal_ratio(pictures)
    for name in measured:
        assert np.corrcoef(measured[name], cohort.complete[f"sbr_{name}"])[0, 1] > 0.9


def test_the_picture_separates_the_groups(pictured):
    cohort, pictures = pictured
    putamen = striatal_ratio(pictures)[["putamen_left", "putamen_right"]].mean(axis=1)
    assert roc_auc_score(cohort.true, -putamen) > 0.95


def test_left_is_on_the_right_of_the_picture_and_the_front_at_the_top(pictured):
    cohort, pictures = pictured
    difference = pictures[:, :, 32:].sum((1, 2)) - pictures[:, :, :32].sum((1, 2))
    truth = cohort.complete["sbr_putamen_left"] - cohort.complete["sbr_putamen_right"]
    clear = truth.abs() > 0.5
    assert clear.sum() > 15
    level = pictures[clear].mean((1, 2)) * 64 * 64
    assert np.corrcoef((difference[clear] / level), truth[clear])[0, 1] > 0.4
    healthy = pictures[cohort.true == 0].mean(0)
    assert 16 < np.unravel_index(healthy.argmax(), healthy.shape)[0] < 30


def test_comma_in_health_and_full_stop_in_disease(pictured):
    """What a reader sees, brighter than a third of the peak: a long shape in health, a short one in PD."""
    cohort, pictures = pictured
    background = np.median(pictures[:, 40:50, 24:40], axis=(1, 2))[:, None, None]
    bright = pictures - background > (pictures.max((1, 2), keepdims=True) - background) / 3
    rows = np.arange(64)[None, :, None]
    depth = np.where(bright, rows, 0).max((1, 2)) - np.where(bright, rows, 64).min((1, 2)) + 1
    area = bright.sum((1, 2))
    health, disease = cohort.true == 0, cohort.true == 1
    assert depth[health].mean() > depth[disease].mean() + 1.5
    assert area[health].mean() > 1.15 * area[disease].mean()


def test_the_back_of_the_putamen_goes_first(pictured):
    cohort, _ = pictured
    pictures = render_slices(cohort, gain=1.0, counts=1000.0) / 1000
    front, back = (pictures[:, rows].max((1, 2)) - 1 for rows in (slice(20, 28), slice(32, 36)))
    loss = [1 - v[cohort.true == 1].mean() / v[cohort.true == 0].mean() for v in (front, back)]
    assert loss[1] > loss[0] + 0.08


def test_gain_multiplies_and_the_ratio_does_not_mind(pictured):
    cohort, _ = pictured
    one = render_slices(cohort, gain=1.0)
    each = render_slices(cohort, gain=(1.0, 2.0, 0.5))
    for site, factor in zip(cohort.site_effects.index, (1.0, 2.0, 0.5), strict=True):
        rows = cohort.sites == site
        assert np.allclose(each[rows], factor * one[rows], rtol=1e-5)
    assert np.allclose(striatal_ratio(each), striatal_ratio(one), rtol=1e-4)
    drawn = [render_slices(cohort)[cohort.sites == s].mean() / one[cohort.sites == s].mean() for s in
             cohort.site_effects.index]  # fmt: skip
    assert len({round(float(g), 3) for g in drawn}) == 3


def test_the_mark_is_in_the_corner_of_the_named_sites_only(pictured):
    cohort, plain = pictured
    marked = render_slices(cohort, mark=["site_2"])
    changed = np.abs(marked - plain).max((1, 2)) > 0
    assert np.array_equal(changed, cohort.sites == "site_2")
    rows, columns = np.nonzero((marked != plain).any(0))
    assert rows.max() < 12 and columns.max() < 10
    corner = marked[changed][:, :12, :10].max((1, 2))
    assert (corner > 1.5 * plain[changed][:, 40:50, 24:40].mean((1, 2))).all()
    assert (np.abs(render_slices(cohort, mark=True) - plain).max((1, 2)) > 0).all()


def test_counts_and_blur_do_what_they_say(pictured):
    cohort, _ = pictured
    calm, rough = (render_slices(cohort, gain=1.0, counts=c) / c for c in (1000.0, 10.0))
    patch = (slice(None), slice(40, 50), slice(24, 40))
    assert rough[patch].std() / calm[patch].std() == pytest.approx(10, rel=0.15)
    assert calm[patch].mean() == pytest.approx(1, abs=0.01)
    sharp, soft = (render_slices(cohort, gain=1.0, blur=b).max() for b in (0.0, 0.06))
    assert sharp > 1.4 * soft


@pytest.mark.parametrize(
    "name, value",
    [
        ("size", 10),
        ("counts", 0),
        ("gain", 0.0),
        ("gain", (1.0, 2.0)),
        ("blur", 0.5),
        ("mark", ["nowhere"]),
        ("mark", "site_1"),
    ],
)
def test_bad_parameters_of_a_picture_are_refused(pictured, name, value):
    with pytest.raises(ValueError, match=f"^{name}"):
        render_slices(pictured[0], **{name: value})


def test_pictures_need_a_cohort_and_the_ratio_needs_pictures():
    with pytest.raises(ValueError, match=r"^cohort="):
        render_slices(np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"^pictures="):
        striatal_ratio(np.zeros((64, 64)))
