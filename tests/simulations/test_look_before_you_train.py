"""What lesson 01 says about its panels, its pictures and its real tables."""

import itertools

import numpy as np
import pandas as pd
import pytest
from harness import ROOT, repetitions
from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from audit import AuditError, read_bids
from simulations.look_before_you_train import (
    LOOKS,
    first_look,
    planted_defect,
    scanner_mark,
    slice_parts,
    two_sites_paradox,
)
from utils.cohort import render_slices, simulate_cohort
from utils.data import load

TWICE, SIDES, GAIN, BLOCK = list(LOOKS)[1:5]
UNIT, UNIT_THAT_MATTERS, SITE, GAPS, ANSWER, SCATTERED = list(LOOKS)[5:]


def means(defect, repeats=300, **at):
    draws = planted_defect(defect=defect, repeats=repeats, **at).draws
    return (draws[name].mean() for name in ("reported", "honest", "true"))


def found(defect, repeats=300, **at):
    return planted_defect(defect=defect, repeats=repeats, **at).draws["found"].mean()


# The panel of defects


@pytest.mark.parametrize("defect", [TWICE, SIDES, GAIN, UNIT])
def test_defects_in_what_the_model_does_not_use_leave_the_score_where_it_was(defect):
    reported, honest, _ = means(defect)
    assert reported == pytest.approx(honest, abs=0.01)


def test_a_unit_error_in_the_column_that_matters_ruins_the_panels_model():
    reported, honest, true = means(UNIT_THAT_MATTERS)
    assert honest > 0.8 and 0.48 < reported < 0.55 and 0.48 < true < 0.55
    assert found(UNIT_THAT_MATTERS) == 1


def test_a_unit_error_in_the_column_that_matters_ruins_linear_models_and_spares_a_forest():
    """As the lesson says of its cell, for several seeds and in plain scikit-learn."""
    models = [
        RidgeClassifier(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        RandomForestClassifier(50, random_state=0),
    ]
    folds, scores = StratifiedKFold(5, shuffle=True, random_state=0), []
    for seed in range(repetitions(2, 6)):
        rng = np.random.default_rng(seed)
        y = np.arange(300) % 2
        X = 10 + rng.normal(size=(300, 20))
        X[y == 1, 0] -= 2
        X[rng.choice(300, 5, replace=False), 0] *= 10
        scores.append([cross_val_score(model, X, y, cv=folds).mean() for model in models])
    ridge, logistic, forest = np.mean(scores, axis=0)
    assert ridge < 0.6 and logistic < 0.62 and forest > 0.77


def test_doubles_help_a_linear_model_in_small_studies_and_without_an_effect():
    for at in ({"n_scans": 100}, {"effect": 0.0}, {"n_scans": 100, "effect": 0.0}):
        reported, honest, true = means(TWICE, repeats=600, **at)
        assert 0.01 < reported - honest < 0.055 and true <= honest + 0.01


def test_a_model_that_remembers_single_scans_gains_from_doubles():
    gains = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        y = np.arange(300) % 2
        X = rng.normal(size=(300, 20))
        X[y == 1, 0] -= 2
        X_twice = X.copy()
        X_twice[-30:] = X[:30] + 0.05 * rng.normal(size=(30, 20))
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        before, after = (
            cross_val_score(KNeighborsClassifier(1), Z, y, cv=folds).mean() for Z in (X, X_twice)
        )
        gains.append(after - before)
    assert np.mean(gains) > 0.03


@pytest.mark.parametrize(
    ("defect", "effect", "gain"), [(SITE, 2, 0.03), (ANSWER, 2, 0.12), (SITE, 0.8, 0.1), (ANSWER, 0.8, 0.25)]
)
def test_two_defects_raise_the_score_and_new_subjects_do_not_get_it(defect, effect, gain):
    reported, honest, true = means(defect, effect=effect)
    assert reported > honest + gain and true < honest


@pytest.mark.parametrize(("effect", "low", "high"), [(2.0, 0, 0.015), (0.5, 0.03, 0.06), (0.0, 0.05, 0.08)])
def test_gaps_raise_it_when_the_disease_is_weak(effect, low, high):
    reported, honest, _ = means(GAPS, effect=effect)
    assert low < reported - honest < high


@pytest.mark.parametrize("defect", [BLOCK, SCATTERED])
def test_swapped_labels_lower_it_and_the_model_is_better_than_its_score(defect):
    reported, honest, true = means(defect, repeats=400)
    assert reported == pytest.approx(0.745, abs=0.005) and honest == pytest.approx(0.825, abs=0.005)
    assert reported + 0.05 < true < honest


def test_what_the_first_look_misses_and_what_it_sees_in_noise():
    assert found(BLOCK) > 0.98 and found(GAPS) > 0.95 and found(SCATTERED) < 0.01
    assert found(BLOCK, n_scans=100) < 0.9 and found(BLOCK, effect=0.5) < 0.4
    assert found(GAPS, n_scans=100) < 0.6
    # No effect at all: false alarms, of the search for blocks.
    assert 0.17 < found("nothing", effect=0.0) < 0.33
    assert found("nothing") < 0.01


@pytest.mark.parametrize("defect", [TWICE, UNIT, SITE, GAPS, ANSWER])
def test_the_numbers_of_the_verdict(defect):
    draws = planted_defect(defect=defect, effect=0.8, repeats=400).draws
    reported, honest = draws["reported"], draws["honest"]
    assert draws["found"].mean() >= 0.97
    assert np.mean(reported < honest - 2 * np.sqrt(honest * (1 - honest) / 300)) < 0.01


def test_the_exception_of_the_verdict():
    draws = planted_defect(defect=UNIT_THAT_MATTERS, effect=0.8, repeats=200).draws
    reported, honest = draws["reported"], draws["honest"]
    assert draws["found"].mean() == 1
    assert np.mean(reported < honest - 2 * np.sqrt(honest * (1 - honest) / 300)) > 0.8


@pytest.mark.parametrize("effect", [0.8, 2.0])
def test_the_truth_of_the_sound_study_is_that_of_a_linear_rule(effect):
    """Just below the best possible one, Phi(d / 2), for 300 scans and 20 columns."""
    *_, true = means("nothing", effect=effect)
    assert stats.norm.cdf(effect / 2) - 0.04 < true < stats.norm.cdf(effect / 2)


def plain_look(defect, s):
    """What a look at one table sees, written anew."""
    X, label, site, n = s.X, s.label, s.site, len(s.X)
    if defect == TWICE:
        alike = np.corrcoef(StandardScaler().fit_transform(X)) - 2 * np.eye(n)
        return alike.max(axis=1), alike.max() > 0.95
    if defect == SIDES:
        turned = np.where(label == 1, X[:, 1] * s.side, X[:, 1])
        return 0.5 + turned / 10, pd.Series(turned)[label == 1].groupby(site[label == 1]).mean().min() < 0
    if defect == GAIN:
        level = pd.Series(X.mean(axis=1))
        apart = (level.groupby(site).mean() - level.mean()).abs().max()
        return (level - 8.5) / 3, apart > 4 * stats.sem(level, ddof=0) * 2
    if defect == BLOCK:
        against = (X[:, 0] - X[:, 0].mean()) * (1 - 2 * label)
        runs = pd.Series(against).rolling(n // 10).mean()[n // 10 :]
        return X[:, 0] / 10 - 0.5, runs.min() < -2.5 / np.sqrt(n // 10)
    if defect in (UNIT, UNIT_THAT_MATTERS):
        column = X[:, 2 if defect == UNIT else 0]
        return column / 125, np.abs(column - np.median(column)).max() > 8 * stats.median_abs_deviation(
            column, scale=1 / 1.4826
        )
    if defect == SITE:
        p = stats.chi2_contingency(pd.crosstab(label, site), correction=False).pvalue
        return X[:, 0] / 10 - 0.5, p < 0.001
    if defect == GAPS:
        cases, controls, share = s.gaps[label == 1], s.gaps[label == 0], s.gaps.mean()
        error = np.sqrt(share * (1 - share) * (1 / len(cases) + 1 / len(controls)))
        return np.where(s.gaps, 0.03, X[:, 3] / 10 - 0.5), abs(cases.mean() - controls.mean()) > 3 * error
    cases, controls = X[label == 1], X[label == 0]
    apart = (cases.mean(axis=0) - controls.mean(axis=0)) / np.sqrt(
        (cases.var(axis=0) + controls.var(axis=0)) / 2
    )
    return X[:, 4] / 8 - 0.75, np.abs(apart).max() > 2.8


@pytest.mark.parametrize(("planted", "looked_for"), [
    *((defect, defect) for defect in list(LOOKS)[1:-1]),
    *((SCATTERED, defect) for defect in list(LOOKS)[1:-1]),
])  # fmt: skip
def test_a_first_look_is_what_its_words_say(planted, looked_for):
    studies = planted_defect.recruited(planted_defect.checked({"defect": planted, "n_scans": 100}), seed=1)
    evidence, alarms = first_look(looked_for, studies)
    for number in range(3):
        expected, alarm = plain_look(looked_for, studies.one(number))
        np.testing.assert_allclose(evidence[number], np.clip(expected, 0, 1), atol=1e-5)
        assert alarms[number] == alarm


def test_any_alarm_is_any_of_the_looks():
    studies = planted_defect.recruited(planted_defect.checked({"effect": 0.0, "defect": "nothing"}), seed=0)
    each = [first_look(defect, studies)[1] for defect in list(LOOKS)[1:-1]]
    np.testing.assert_array_equal(first_look("nothing", studies)[1], np.any(each, axis=0))


# The mark of a scanner


def mark(repeats=200, **at):
    draws = scanner_mark(**{"brightness": 3.0, "agreement": 1.0, "repeats": repeats} | at).draws
    return draws["reported"].mean(), draws["true"].mean(), draws


def brightest(weights):
    """Mean size of the weights on the letter and on the two putamina, in the mean map of the panel."""
    _, putamina, letter = slice_parts(24)
    mean = np.abs(weights.mean(axis=0)).ravel()
    return mean[letter > 0].mean(), mean[putamina.sum(axis=0) > 0.5].mean()


def test_a_mark_that_is_always_right_replaces_the_brain():
    reported, true, draws = mark(100)
    letter, putamen = brightest(draws["weights"])
    assert letter > 8 * putamen and draws["share"].mean() > 0.9
    assert reported > 0.995 and true == pytest.approx(0.5, abs=0.005)


def test_at_nine_in_ten_the_map_shows_the_striata_and_the_model_is_hardly_better_than_a_coin():
    reported, true, draws = mark(100, agreement=0.9)
    letter, putamen = brightest(draws["weights"])
    assert putamen > letter and reported > 0.88 and true < 0.56


def test_a_faint_mark_is_used_and_an_unrelated_one_does_no_harm():
    absent, best, _ = mark(brightness=0.0)
    assert best == pytest.approx(0.79, abs=0.01) and absent == pytest.approx(best, abs=0.02)
    reported, true, _ = mark(brightness=0.5)
    assert reported == pytest.approx(0.96, abs=0.01) and true == pytest.approx(0.66, abs=0.015)
    assert 0.045 < mark(brightness=0.25)[0] - absent < 0.085
    for agreement, recovered in ((0.8, 0.63), (0.7, 0.73)):
        assert mark(agreement=agreement)[1] == pytest.approx(recovered, abs=0.02)
    reported, true, _ = mark(agreement=0.5)
    assert true == pytest.approx(best, abs=0.02) and reported == pytest.approx(true, abs=0.02)


def test_the_truth_of_the_mark_is_that_of_new_pictures():
    """The closed form against new subjects drawn from the same simulation, scored by scikit-learn."""
    settings = {"agreement": 0.8, "brightness": 0.5, "size": 20}
    p = scanner_mark.checked(settings)
    new = scanner_mark.recruited(scanner_mark.checked(settings | {"agreement": 0.5, "n_scans": 400}), seed=1)
    X_new, y_new = new.X.reshape(-1, 400), np.tile(new.y, len(new.X))
    exact = scanner_mark(repeats=10, **settings).draws["true"]
    studies = scanner_mark.recruited(p)
    drawn = [RidgeClassifier(alpha=20).fit(X, studies.y).score(X_new, y_new) for X in studies.X]
    assert np.mean(drawn) == pytest.approx(exact.mean(), abs=0.02)
    np.testing.assert_allclose(drawn, exact, rtol=0, atol=0.04)


def test_the_weight_maps_of_the_worked_example():
    study = simulate_cohort(n_subjects=160, n_sites=4, site_shift=0.05, site_scale=0.02, seed=3)
    sound, marked = (render_slices(study, size=40, gain=1, mark=mark) for mark in (False, True))
    patient = study.recorded == 1
    letter = (marked - sound).mean(axis=0) > 50
    sizes = []
    for chance in (1.0, 0.9):
        has_mark = np.random.default_rng(1).random(160) < np.where(patient, chance, 1 - chance)
        X = np.where(has_mark[:, None, None], marked, sound).reshape(160, -1) / 100
        weights = np.abs(RidgeClassifier(alpha=100).fit(X, study.recorded).coef_.reshape(40, 40))
        sizes.append((weights[letter].mean(), weights[~letter].max()))
    assert sizes[0][0] > 8 * sizes[0][1]  # always right: next to nothing beside the letter
    assert sizes[1][0] < sizes[1][1]  # right in nine of ten: the striata are back


# Two sites


def test_more_subjects_make_the_wrong_correlation_more_certain():
    few, many = (two_sites_paradox(n_per_site=n, repeats=400).draws["pooled"] for n in (20, 200))
    assert few.mean() == pytest.approx(many.mean(), abs=0.02) and many.std() < 0.4 * few.std()
    assert two_sites_paradox(distance=1.25, n_per_site=200, repeats=400).draws["pooled"].mean() < 0
    assert two_sites_paradox(distance=1.5, n_per_site=200, repeats=400).draws["pooled"].mean() > 0


def test_the_distance_at_which_the_pooled_correlation_is_zero():
    draws = two_sites_paradox(distance=2 * np.sqrt(0.5), n_per_site=2000, repeats=200).draws
    assert draws["pooled"].mean() == pytest.approx(0, abs=0.005)
    assert 2 * np.sqrt(0.5) == pytest.approx(1.41, abs=0.005)  # as the lesson says


# The real tables


def test_mriqc_at_first_sight():
    scans = load("mriqc_abide")
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    site = scans.table["site"]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    assert cross_val_score(model, scans.X, site, cv=folds).mean() > 0.985
    assert site.value_counts(normalize=True).max() == pytest.approx(0.167, abs=0.001)
    only_site = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    auc = cross_val_score(only_site, site.to_frame(), scans.y, cv=folds, scoring="roc_auc").mean()
    assert auc == pytest.approx(0.79, abs=0.01)
    prevalence = scans.y.groupby(site).mean()
    assert prevalence.min() == 0 and prevalence.max() == pytest.approx(0.68, abs=0.01)
    twice = scans.table.loc[scans.X.duplicated(keep=False), ["subject_id", "site"]]
    assert twice.to_numpy().tolist() == [[50279, "UM"], [50286, "UM"]]
    black = scans.X["summary_bg_median"] == 0
    assert black.sum() == 102 and set(site[black]) == {"UM"} and (site == "UM").sum() > 102


@pytest.mark.parametrize("seed", repetitions([0], [0, 1, 2]))
def test_a_part_of_the_score_over_all_scans_is_the_site(seed):
    scans = load("mriqc_abide")
    y, site = scans.y.to_numpy(), scans.table["site"].to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    score = cross_val_predict(model, scans.X, y, cv=folds, method="decision_function")
    same = [
        (s, t)
        for s, t in itertools.product(np.flatnonzero(y == 1), np.flatnonzero(y == 0))
        if site[s] == site[t]
    ]
    one, other = np.transpose(same)
    assert roc_auc_score(y, score) == pytest.approx(0.92, abs=0.01)
    assert np.mean(score[one] > score[other]) == pytest.approx(0.84, abs=0.015)


def test_comparing_sites_raises_the_score_of_a_measure_that_knows_no_site():
    """So the score within sites is what is left without comparing them, and the rest need be no shortcut."""
    rng, site, over_all, within = np.random.default_rng(0), np.repeat(np.arange(17), 65), [], []
    for _ in range(20):
        quality = 0.8 * rng.normal(size=17)[site] + rng.normal(size=len(site))
        measure = quality + rng.normal(size=len(site))
        y = quality < np.quantile(quality, 0.14)
        over_all.append(roc_auc_score(y, -measure))
        lower = (measure[y][:, None] < measure[~y])[site[y][:, None] == site[~y]]
        within.append(lower.mean())
    assert np.mean(over_all) > np.mean(within) + 0.03


def test_oasis_at_first_sight():
    visits = load("oasis2").table
    gap = visits["SES"].isna()
    assert gap.sum() == 19 and set(visits.loc[gap, "Group"]) == {"Demented"}
    people = visits.groupby("Subject.ID").agg(gap=("SES", lambda s: s.isna().any()), group=("Group", "first"))
    assert people["gap"].sum() == 8
    table = pd.crosstab(people["gap"], people["group"] != "Nondemented")
    assert table.to_numpy().tolist() == [[72, 70], [0, 8]]
    assert 0.005 < stats.fisher_exact(table).pvalue < 0.01
    converted = visits[visits["Group"] == "Converted"]
    assert len(converted) == 37 and (converted["CDR"] == 0).sum() == 18
    demented_since = converted[converted["CDR"] > 0].groupby("Subject.ID")["MR.Delay"].min()
    well = converted[converted["CDR"] == 0]
    years = (well["Subject.ID"].map(demented_since) - well["MR.Delay"]) / 365.25
    assert (years > 0).sum() == 17 and (years > 2).sum() == 14
    assert ((visits["Group"] == "Nondemented") & (visits["CDR"] > 0)).sum() == 2


# The appendix


def cell(first):
    """The code of the cell of the lesson that begins so."""
    text = (ROOT / "source" / "lessons" / "01_look_before_you_train.md").read_text(encoding="utf-8")
    start = text.index(f"\n{first}")
    return text[start : text.index("```", start)]


def test_three_files_are_joined_by_the_audit_as_the_lesson_says():
    exec(cell("import tempfile"), names := {})
    folder = names["folder"]
    paths = [folder / name for name in ("participants.tsv", "lh_thickness.tsv", "group_T1w.tsv")]
    with pytest.raises(AuditError, match="sub-05 more than once"):
        read_bids(*paths)
    lines = paths[1].read_text(encoding="utf-8").splitlines()
    paths[1].write_text("\n".join(line for line in lines if "rerun" not in line) + "\n", encoding="utf-8")
    joined = read_bids(*paths)
    assert list(joined["participant_id"]) == [f"sub-0{number}" for number in (1, 2, 4, 5, 6)]
    assert joined.attrs["left_out"] == 1 and "sub-03" in joined.attrs["remarks"][0]


@pytest.mark.parametrize("seed", [1, 2])
def test_movement_alone_beats_the_cortex_where_the_disease_does_nothing_to_it(seed):
    said = []
    names = {
        "np": np,
        "simulate_cohort": simulate_cohort,
        "cross_val_score": cross_val_score,
        "print": said.append,
    }
    names["measures"] = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    names["folds"] = StratifiedKFold(5, shuffle=True, random_state=0)
    exec(
        cell("study = simulate_cohort(n_subjects=300")
        .replace("seed=0", f"seed={seed}")
        .replace("rng(0)", f"rng({seed})"),
        names,
    )
    no_image, cortex, both = (float(line.split()[-1]) for line in said)
    assert no_image > both > cortex > 0.6
