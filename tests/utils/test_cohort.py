"""The simulated cohort against published numbers, closed forms and its own parameters.

Ranges are about three Monte-Carlo standard errors; the formula stands beside where it is not obvious.
"""

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
from harness import trials
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from utils import cohort as module
from utils.cohort import (
    BINDING,
    GENETIC_D,
    GROUPS,
    MOTOR_D,
    RELIABILITY,
    THICKNESS_D,
    THICKNESS_MM,
    VOLUME,
    bayes_auc,
    render_slices,
    simulate_cohort,
    striatal_ratio,
)
from utils.simulation import ParameterError

PLAIN = {"n_sites": 1, "site_shift": 0.0, "site_scale": 0.0}  # nothing but persons


@pytest.fixture(scope="module")
def large():
    """40,000 persons without site effects, one session each."""
    return simulate_cohort(n_subjects=40_000, **PLAIN, seed=1)


@pytest.fixture(scope="module")
def twice():
    """10,000 persons without site effects, two sessions each."""
    return simulate_cohort(n_subjects=10_000, sessions_per_subject=2, **PLAIN, seed=2)


def features(cohort):
    """On the scale where the model is normal: the motor score on the log scale."""
    names = [name for group in cohort.features.values() for name in group]
    return cohort.table[names].assign(motor_score=np.log(cohort.table["motor_score"]))


# Published numbers


def test_auc_of_two_normal_classes():
    assert bayes_auc(1.5) == pytest.approx(0.856, abs=0.0005)
    assert bayes_auc(0) == 0.5 and bayes_auc(np.inf) == 1
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal(40_000), np.arange(40_000) % 2
    assert roc_auc_score(y, X + 1.5 * y) == pytest.approx(bayes_auc(1.5), abs=0.006)


def test_ceiling_of_regional_mri():
    cohort = simulate_cohort(n_subjects=20)
    assert cohort.bayes_auc("thickness") == pytest.approx(0.61, abs=0.005)
    assert cohort.bayes_auc(["thickness", "volume"]) == pytest.approx(0.63, abs=0.005)
    best = max(cohort.bayes_auc(f) for f in cohort.features["thickness"] + cohort.features["volume"])
    assert best == pytest.approx(0.55, abs=0.005)


def test_effect_sizes_of_every_feature(large):
    Z = features(large)
    patients, controls = Z[large.true == 1], Z[large.true == 0]
    pooled = np.sqrt((patients.var() + controls.var()) / 2)
    expected = pd.Series(
        {f"thickness_{name}": d for name, d in THICKNESS_D.items()}
        | {f"volume_{name}": d for name, (d, _, _) in VOLUME.items()}
        | {"motor_score": MOTOR_D, "genetic_risk": GENETIC_D}
    )
    for region, (control, patient, sd0, sd1) in BINDING.items():
        for side in ("left", "right"):
            expected[f"sbr_{region}_{side}"] = (patient - control) / np.sqrt((sd0**2 + sd1**2) / 2)
    d = ((patients.mean() - controls.mean()) / pooled)[expected.index]
    error = np.sqrt(4 / len(Z) + expected**2 / (2 * len(Z)))
    assert len(d) == 47 and (np.abs(d - expected) < 4 * error).all()  # 47 features at once
    assert d["thickness_inferiorparietal"] == pytest.approx(-0.191, abs=0.03)
    assert d["sbr_putamen_left"] == pytest.approx(-2.6, abs=0.06)
    assert d["sbr_caudate_left"] == pytest.approx(-1.8, abs=0.06)


def test_moments_and_correlations(large):
    controls = large.table[large.true == 0]
    thickness = controls[large.features["thickness"]]
    assert thickness.mean().mean() == pytest.approx(2.55, abs=0.003)
    assert thickness.std().mean() == pytest.approx(THICKNESS_MM[1], rel=0.01)
    assert controls["volume_putamen"].std() == pytest.approx(731, rel=0.02)
    R = np.corrcoef(controls[large.features["thickness"] + large.features["volume"]].T)
    apart = R[np.triu_indices(len(R), 1)]
    assert np.median(apart) == pytest.approx(0.20, abs=0.01)
    assert np.abs(apart - 0.20).max() < 4.5 / np.sqrt(len(controls))
    for region, (control, patient, sd0, sd1) in BINDING.items():
        ratio = large.table[f"sbr_{region}_left"]
        assert ratio[large.true == 0].mean() == pytest.approx(control, abs=0.015)
        assert ratio[large.true == 1].mean() == pytest.approx(patient, abs=0.015)
        pooled = np.sqrt((ratio[large.true == 0].var() + ratio[large.true == 1].var()) / 2)
        assert pooled == pytest.approx(np.sqrt((sd0**2 + sd1**2) / 2), rel=0.012)


def test_disease_is_asymmetric_and_the_side_is_random(large):
    difference = large.table["sbr_putamen_left"] - large.table["sbr_putamen_right"]
    controls, patients = difference[large.true == 0], difference[large.true == 1]
    assert patients.abs().mean() > 2 * controls.abs().mean()
    assert patients.mean() == pytest.approx(0, abs=0.01)
    assert np.sqrt(patients.var() - controls.var()) == pytest.approx(0.40, abs=0.01)


def test_age_and_sex(large):
    age, sex = large.table["age"], large.table["sex"]
    for diagnosis, male in ((0, 0.60), (1, 0.66)):
        rows = large.true == diagnosis
        assert age[rows].mean() == pytest.approx(62, abs=0.25)
        assert age[rows].std() == pytest.approx(10, abs=0.2)
        assert (sex[rows] == "M").mean() == pytest.approx(male, abs=0.011)
    controls = large.true == 0
    assert np.corrcoef(age[controls], large.table["volume_ventricle"][controls])[0, 1] > 0.35
    assert np.corrcoef(age[controls], large.table["thickness_insula"][controls])[0, 1] < -0.2


# The truth that a cohort knows


@pytest.mark.parametrize(
    "names", [["thickness", "volume"], ["age", "thickness"], "clinical", "genetic", "sbr_putamen_left"]
)
def test_truth_of_features_is_what_the_best_rule_reaches(large, names):
    wanted = [names] if isinstance(names, str) else names
    columns = [column for name in wanted for column in large.features.get(name, [name])]
    Z = features(large).assign(age=large.table["age"])[columns].to_numpy()
    rule = LinearDiscriminantAnalysis().fit(Z[:30_000], large.true[:30_000])
    auc = roc_auc_score(large.true[30_000:], rule.decision_function(Z[30_000:]))
    assert auc == pytest.approx(large.bayes_auc(names), abs=0.018)  # SE of 5000/5000 is .0056


@pytest.mark.parametrize("prevalence", [0.2, 0.5])
def test_truth_of_asymmetric_features_by_an_oracle(prevalence):
    """The likelihood of controls and of both kinds of patients, on fresh persons."""
    cohort = simulate_cohort(
        n_subjects=40_000, prevalence=prevalence, effect={"binding": 0.5}, **PLAIN, seed=6
    )
    b, known = cohort.features["binding"], module._VARIABLES
    Z = ((cohort.table[b] - known["mean"][b]) / known["sd"][b]).to_numpy()
    at = known.index.get_indexer(b)
    inverse = np.linalg.inv(module._R[np.ix_(at, at)])
    means = [0.5 * (known["d"] + side * known["asymmetry"])[b].to_numpy() for side in (1, -1)]
    score = np.logaddexp(*[Z @ inverse @ m - m @ inverse @ m / 2 for m in means])
    assert roc_auc_score(cohort.true, score) == pytest.approx(cohort.bayes_auc("binding"), abs=0.006)
    lda = LinearDiscriminantAnalysis().fit(Z, cohort.true)
    assert roc_auc_score(cohort.true, lda.decision_function(Z)) < cohort.bayes_auc("binding") + 0.003


def test_integration_agrees_with_the_closed_form_where_both_hold():
    """Without an effect on binding the form is closed; with a tiny one the same is integrated."""
    closed = simulate_cohort(n_subjects=10, effect={"binding": 0.0})
    plane = simulate_cohort(n_subjects=10, effect={"binding": 1e-9})
    assert closed.bayes_auc(["binding", "genetic"]) == pytest.approx(closed.bayes_auc("genetic"), abs=1e-12)
    for names in (["binding", "genetic"], ["binding", "clinical"], ["sbr_caudate_left", "thickness"]):
        assert plane.bayes_auc(names) == pytest.approx(closed.bayes_auc(names), abs=3e-4)


def test_without_effect_nothing_can_be_known():
    cohort = simulate_cohort(n_subjects=4_000, effect=0, **PLAIN)
    assert cohort.bayes_auc() == 0.5
    auc = roc_auc_score(cohort.true, -cohort.table["sbr_putamen_left"])
    assert auc == pytest.approx(0.5, abs=0.028)


def test_more_features_never_tell_less():
    cohort = simulate_cohort(n_subjects=10)
    groups = [["volume"], ["volume", "thickness"], ["volume", "thickness", "genetic"], None]
    known = [cohort.bayes_auc(names) for names in groups]
    assert known == sorted(known)


def test_reliability_of_every_group_is_recovered(twice):
    Z = features(twice)
    for group, columns in twice.features.items():
        values = Z[columns].to_numpy()[twice.true == 0]
        if group == "genetic":
            assert np.array_equal(values[::2], values[1::2])
            continue
        icc = [np.corrcoef(values[::2, j], values[1::2, j])[0, 1] for j in range(len(columns))]
        error = (1 - RELIABILITY[group] ** 2) / np.sqrt(len(values) / 2)
        assert np.abs(np.array(icc) - RELIABILITY[group]).max() < 4 * error


# Sites


def test_site_offsets_factors_and_prevalences_are_those_asked_for():
    plan = (0.2, 0.5, 0.8, 0.683)
    settings = {"n_subjects": 8_000, "prevalence": plan, "seed": 8}
    moved = simulate_cohort(**settings, site_shift=0.5, site_scale=0.1)
    still = simulate_cohort(**settings, site_shift=0, site_scale=0)
    assert np.array_equal(moved.true, still.true) and np.array_equal(moved.recorded, still.recorded)
    touched = [name for group in ("binding", "thickness", "volume") for name in moved.features[group]]
    offsets, factors = [], []
    for site, share in zip(np.unique(moved.sites), plan, strict=True):
        rows = moved.sites == site
        assert rows.sum() == 2_000 and moved.true[rows].mean() == pytest.approx(share, abs=1e-3)
        for name in touched:
            # The same persons measured elsewhere: a line through all of them, exactly.
            before, after = still.table[name][rows].to_numpy(), moved.table[name][rows].to_numpy()
            factor, offset = np.polyfit(before, after, 1)
            np.testing.assert_allclose(factor * before + offset, after, rtol=1e-8)
            variable = module._VARIABLES.loc[name]
            offsets.append((offset + (factor - 1) * variable["mean"]) / variable["sd"])
            factors.append(factor)
    assert np.std(offsets) == pytest.approx(0.5, abs=3 * 0.5 / np.sqrt(2 * len(offsets)))
    assert np.std(np.log(factors)) == pytest.approx(0.1, abs=3 * 0.1 / np.sqrt(2 * len(factors)))
    for name in ("age", "motor_score", "genetic_risk"):
        assert np.array_equal(moved.table[name], still.table[name])


def test_effect_size_within_a_site_survives_its_offset_and_factor():
    cohort = simulate_cohort(n_subjects=20_000, n_sites=2, site_shift=1.0, site_scale=0.3, seed=9)
    for site in np.unique(cohort.sites):
        rows = cohort.sites == site
        auc = roc_auc_score(cohort.true[rows], -cohort.table["sbr_putamen_left"][rows])
        assert auc == pytest.approx(cohort.bayes_auc("sbr_putamen_left"), abs=0.006)


# Wrong diagnoses


def test_one_label_error_for_everybody():
    cohort = simulate_cohort(n_subjects=20_000, label_error=0.194, seed=10)
    for who in ("all", "true_controls", "true_patients"):
        assert cohort.label_errors[who] == pytest.approx(0.194, abs=0.012)
    assert np.mean(cohort.true == cohort.recorded) == pytest.approx(0.806, abs=0.009)  # Rizzo and others 2016


def test_label_error_by_class_gives_the_predictive_values():
    """Prevalence .6, a reference standard with sensitivity .9 and specificity .8."""
    cohort = simulate_cohort(n_subjects=30_000, prevalence=0.6, label_error=(0.2, 0.1), seed=11)
    errors = cohort.label_errors
    assert errors["true_controls"] == pytest.approx(0.2, abs=0.011)
    assert errors["true_patients"] == pytest.approx(0.1, abs=0.007)
    ppv, npv = 0.6 * 0.9 / (0.6 * 0.9 + 0.4 * 0.2), 0.4 * 0.8 / (0.4 * 0.8 + 0.6 * 0.1)
    assert errors["recorded_patients"] == pytest.approx(1 - ppv, abs=0.008)
    assert errors["recorded_controls"] == pytest.approx(1 - npv, abs=0.011)
    true_auc = roc_auc_score(cohort.true, cohort.table["genetic_risk"])
    seen = roc_auc_score(cohort.recorded, cohort.table["genetic_risk"])
    assert seen - 0.5 == pytest.approx((true_auc - 0.5) * (ppv + npv - 1), abs=0.008)


# One seed, separate streams


def small(**changed):
    options = {"n_subjects": 60, "n_sites": 3, "sessions_per_subject": 2, "prevalence": (0.2, 0.5, 0.8)}
    return simulate_cohort(**options | {"label_error": 0.2, "seed": 15} | changed)


def test_same_seed_same_cohort_and_another_seed_another():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two, other = small(), small(), small(seed=16)
    assert_frame_equal(one.table, two.table)
    assert np.array_equal(one.true, two.true)
    assert np.array_equal(render_slices(one), render_slices(two))
    assert not np.array_equal(one.true[:50], other.true[:50])
    assert not np.allclose(features(one).iloc[0], features(other).iloc[0])
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("error", [0, (0.1, 0.3)])
def test_another_label_error_leaves_everything_else_as_it_was(error):
    base, other = small(), small(label_error=error)
    assert_frame_equal(base.table.drop(columns="diagnosis"), other.table.drop(columns="diagnosis"))
    assert np.array_equal(base.true, other.true) and not np.array_equal(base.recorded, other.recorded)
    assert np.array_equal(render_slices(base), render_slices(other))


# What a study receives


def test_the_table_is_one_row_per_session():
    cohort = small()
    table = cohort.table
    columns = [name for group in cohort.features.values() for name in group]
    assert list(table.columns) == ["subject", "session", "site", "age", "sex", *columns, "diagnosis"]
    assert [len(names) for names in cohort.features.values()] == [4, 33, 8, 1, 1]
    assert not table.isna().any(axis=None) and np.isfinite(features(cohort).to_numpy()).all()
    per_person = table.groupby("subject", sort=False)
    assert len(per_person) == 60 and set(per_person.size()) == {2}
    assert all(list(numbers) == [1, 2] for _, numbers in per_person["session"])
    assert (per_person[["site", "age", "sex", "diagnosis"]].nunique() == 1).all(axis=None)
    assert set(cohort.recorded) == {0, 1} and list(cohort.subjects) == list(table["subject"])
    assert cohort.label_errors["all"] == np.mean(cohort.true != cohort.recorded)


@trials(12, 100)
@given(st.data())
def test_any_cohort_is_finite_and_knows_its_truth(data):
    one, share = data.draw, st.floats(0, 1).map(lambda x: 0.0 if x < 1e-9 else x)
    size = st.floats(0, 10).map(lambda x: 0.0 if x < 1e-9 else x)
    sites = one(st.integers(1, 5))
    settings = {
        "n_subjects": one(st.integers(sites, 40)),
        "n_sites": sites,
        "sessions_per_subject": one(st.integers(1, 4)),
        "prevalence": one(share | st.lists(share, min_size=sites, max_size=sites)),
        "site_shift": one(size),
        "site_scale": one(share),
        "effect": one(size | st.dictionaries(st.sampled_from(GROUPS), size, max_size=2)),
        "label_error": one(share | st.tuples(share, share)),
        "seed": one(st.integers(0, 2**40)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = simulate_cohort(**settings)
        pictures = render_slices(study, size=24, mark=one(st.booleans()))
        ratios = striatal_ratio(pictures)
    assert np.isfinite(features(study).to_numpy()).all()
    assert np.isfinite(pictures).all() and pictures.min() >= 0
    assert len(study.table) == len(study.true) == len(pictures) == len(ratios)
    assert study.table["subject"].nunique() == settings["n_subjects"]
    assert study.table["site"].nunique() == sites
    for site, planned in zip(
        np.unique(study.sites), np.broadcast_to(settings["prevalence"], sites), strict=True
    ):
        if planned in (0, 1):
            assert (study.true[study.sites == site] == planned).all()
    assert all(np.isnan(error) or 0 <= error <= 1 for error in study.label_errors.values())
    group = one(st.sampled_from([*GROUPS[1:], "age", ["thickness", "age"]]))  # integration is slow
    assert 0.5 <= study.bayes_auc(group) <= 1 + 1e-9


def test_two_persons_are_a_patient_and_a_control():
    assert sorted(simulate_cohort(n_subjects=2, n_sites=1).true) == [0, 1]


# What is refused, and how


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_subjects": 0}, "n_subjects is 0, but it must be a whole number, from 1"),
        ({"n_subjects": 10.5}, "n_subjects is 10.5"),
        ({"n_sites": 11, "n_subjects": 10}, "n_sites is 11, .* from 1 to the number of subjects, here 10"),
        ({"sessions_per_subject": 51}, "sessions_per_subject is 51, .* from 1 to 50"),
        ({"prevalence": 1.1}, "prevalence is 1.1, but it must be a finite number, from 0 to 1"),
        ({"prevalence": (0.5, 0.5)}, r"prevalence is \(0.5, 0.5\), .* or 4 of them, one for each site"),
        ({"prevalence": (0.5, 0.5, 2, 0.5)}, "prevalence is 2"),
        ({"effect": {"cortex": 1.0}}, "effect is .* keys among binding, .*, not 'cortex'"),
        ({"effect": {"binding": -1}}, "effect is -1, .* from 0 to 10"),
        ({"label_error": (0.1, 1.1)}, "label_error is 1.1"),
        ({"label_error": (0.1,)}, "label_error is .* or 2 of them, of true controls and of true patients"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_a_bad_setting_is_named_with_its_value_and_what_is_allowed(settings, words):
    with pytest.raises(ParameterError, match=words):
        simulate_cohort(**settings)


ODD = [
    None, "", "3", [], {}, 1j, object(), [[1, 2], [3, 4]], float("nan"), float("inf"), -float("inf"), -7,
    1e300, 10**400, True, "ä" * 500, np.array(["a"]), b"x", (None,), {"binding": "x"}, {3: 1}, [1, [2]],
]  # fmt: skip
STUDY = simulate_cohort(n_subjects=4)
ASKED = {
    **{
        name: lambda odd, name=name: simulate_cohort(**{"n_subjects": 4, name: odd})
        for name in inspect.signature(simulate_cohort).parameters
    },
    **{name: lambda odd, name=name: render_slices(STUDY, **{name: odd}) for name in ("size", "gain", "mark")},
    "cohort": render_slices,
    "pictures": striatal_ratio,
    "features": STUDY.bayes_auc,
    "d": bayes_auc,
}


@pytest.mark.parametrize("name", ASKED)
def test_any_odd_setting_is_named_or_taken(name):
    refused = 0
    for odd in ODD:
        try:
            ASKED[name](odd)
        except ParameterError as error:
            refused += 1
            assert name in str(error) and "must be" in str(error) and len(str(error)) < 1000, odd
    assert refused >= len(ODD) // 2


# Pictures


@pytest.fixture(scope="module")
def pictured():
    cohort = simulate_cohort(n_subjects=180, n_sites=3, seed=17)
    return cohort, render_slices(cohort)


def test_the_ratio_in_the_picture_follows_the_binding_ratio_and_separates_the_groups(pictured):
    cohort, pictures = pictured
    assert pictures.shape == (180, 64, 64)
    measured = striatal_ratio(pictures)
    for name in measured:
        assert np.corrcoef(measured[name], cohort.table[f"sbr_{name}"])[0, 1] > 0.9
    putamen = measured[["putamen_left", "putamen_right"]].mean(axis=1)
    assert roc_auc_score(cohort.true, -putamen) > 0.95


def test_left_is_on_the_right_of_the_picture_and_the_front_at_the_top(pictured):
    cohort, pictures = pictured
    difference = pictures[:, :, 32:].sum((1, 2)) - pictures[:, :, :32].sum((1, 2))
    truth = cohort.table["sbr_putamen_left"] - cohort.table["sbr_putamen_right"]
    clear = truth.abs() > 0.5
    assert clear.sum() > 15
    level = pictures[clear].mean((1, 2)) * 64 * 64
    assert np.corrcoef((difference[clear] / level), truth[clear])[0, 1] > 0.4
    healthy = pictures[cohort.true == 0].mean(0)
    assert 16 < np.unravel_index(healthy.argmax(), healthy.shape)[0] < 30


def test_comma_in_health_and_full_stop_in_disease(pictured):
    """What a reader sees, brighter than a third of the peak: a long shape in health, a short one in PD."""
    cohort, pictures = pictured
    health, disease = cohort.true == 0, cohort.true == 1
    background = np.median(pictures[:, 40:50, 24:40], axis=(1, 2))[:, None, None]
    bright = pictures - background > (pictures.max((1, 2), keepdims=True) - background) / 3
    rows = np.arange(64)[None, :, None]
    depth = np.where(bright, rows, 0).max((1, 2)) - np.where(bright, rows, 64).min((1, 2)) + 1
    area = bright.sum((1, 2))
    assert depth[health].mean() > depth[disease].mean() + 1.5
    assert area[health].mean() > 1.15 * area[disease].mean()
    # The back of the putamen goes first.
    calm = render_slices(cohort, gain=1) / 60
    front, back = (calm[:, rows].max((1, 2)) - 1 for rows in (slice(20, 28), slice(32, 36)))
    loss = [1 - values[disease].mean() / values[health].mean() for values in (front, back)]
    assert loss[1] > loss[0] + 0.08


def test_every_scanner_has_a_gain_and_the_ratio_does_not_mind(pictured):
    cohort, pictures = pictured
    one, two = render_slices(cohort, gain=1), render_slices(cohort, gain=2)
    np.testing.assert_allclose(two, 2 * one, rtol=1e-5)
    gains = {
        site: pictures[cohort.sites == site].mean() / one[cohort.sites == site].mean()
        for site in cohort.sites
    }
    assert len({round(float(gain), 3) for gain in gains.values()}) == 3
    for site, gain in gains.items():
        np.testing.assert_allclose(
            pictures[cohort.sites == site], gain * one[cohort.sites == site], rtol=1e-4
        )
    assert np.allclose(striatal_ratio(pictures), striatal_ratio(one), rtol=1e-4)


def test_the_mark_is_bright_and_in_the_corner(pictured):
    cohort, plain = pictured
    marked = render_slices(cohort, mark=True)
    assert (np.abs(marked - plain).max((1, 2)) > 0).all()
    rows, columns = np.nonzero((marked != plain).any(0))
    assert rows.max() < 12 and columns.max() < 10
    corner = marked[:, :12, :10].max((1, 2))
    assert (corner > 1.5 * plain[:, 40:50, 24:40].mean((1, 2))).all()
