"""What lesson 07 says about its panels and its data, where no cell prints it, holds."""

import numpy as np
import pytest
from harness import ROOT, repetitions
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from simulations.an_external_table import external_scaling, prevalence_shift
from utils.cohort import simulate_cohort
from utils.data import load


def means(outcome):
    return {name: values.mean(axis=0) for name, values in outcome.draws.items()}


def test_which_scaling_survives_what():
    for q in (0.1, 0.5, 0.9):
        for s in (-1, 0, 1):
            found = means(external_scaling(prevalence=q, scanner_shift=s, n_external=500, repeats=200))
            right = (
                np.abs(np.stack([found["sensitivity"], found["specificity"]]) - found["inside"]).max(axis=0)
                < 0.02
            )
            assert list(right) == [s == 0, q == 0.5, True]
    few = external_scaling(prevalence=0.1, n_external=50, repeats=200).draws["sensitivity"][:, 0]
    assert set(np.round(5 * few, 9)) <= {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("inside", [0.2, 0.683])
@pytest.mark.parametrize("outside", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("effect", [1, 3])
def test_three_points_stay_in_their_rings(inside, outside, effect):
    found = means(
        prevalence_shift(prevalence_inside=inside, prevalence_outside=outside, effect=effect, repeats=300)
    )
    np.testing.assert_allclose(found["outside"][:3], found["inside"][:3], atol=0.02)
    assert np.abs(found["outside"][3:] - found["inside"][3:]).max() > 0.04
    assert np.sign(found["intercept"]) == np.sign(outside - inside)


def test_the_threshold_moves_neither_the_auc_nor_the_curve():
    low, high = (means(prevalence_shift(threshold=at, repeats=200)) for at in (0.2, 0.8))
    for name in ("intercept", "slope", "predicted", "observed"):
        np.testing.assert_array_equal(low[name], high[name])
    auc, sensitivity, specificity, found, cleared = low["outside"] - high["outside"]
    assert auc == 0 and sensitivity > 0.2 and specificity < -0.2 and found < -0.1 and cleared > 0.02


def test_one_measure_lies_elsewhere_and_is_not_missed():
    """efc: half of ds030 lies below nearly all of ABIDE, and without it the AUC is the same."""
    inside, outside = load("mriqc_abide"), load("mriqc_ds030")
    lesson = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, max_bins=64, random_state=0)
    rest = inside.X.columns.drop("efc")
    assert outside.X["efc"].median() < inside.X["efc"].quantile(0.01)
    both = [
        roc_auc_score(outside.y, lesson.fit(inside.X[c], inside.y).predict_proba(outside.X[c])[:, 1])
        for c in (inside.X.columns, rest)
    ]
    assert both[0] == pytest.approx(both[1], abs=0.005)


@pytest.mark.parametrize(("bins", "interval"), [(64, [0.00, 0.11]), (255, [-0.04, 0.07])])
def test_what_scaling_by_site_gains_outside_and_what_it_loses_inside(bins, interval):
    """The interval of the difference: the same scans are drawn for both."""
    inside, outside = load("mriqc_abide"), load("mriqc_ds030")

    def by_site(data):
        grouped = data.X.groupby(data.groups)
        spread = grouped.transform("quantile", 0.75) - grouped.transform("quantile", 0.25)
        return (data.X - grouped.transform("median")) / spread.where(spread > 0, 1)

    model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, max_bins=bins, random_state=0)
    before = model.fit(inside.X, inside.y).predict_proba(outside.X)[:, 1]
    after = model.fit(by_site(inside), inside.y).predict_proba(by_site(outside))[:, 1]
    n, ill = len(outside.y), outside.y.to_numpy() == 1
    times = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=2000)
    pairs = [(1 + np.sign(risk[ill][:, None] - risk[~ill])) / 2 for risk in (after, before)]
    gain = np.einsum("dp,pc,dc->d", times[:, ill], pairs[0] - pairs[1], times[:, ~ill], optimize=True)
    gain /= times[:, ill].sum(axis=1) * times[:, ~ill].sum(axis=1)
    assert np.quantile(gain, [0.025, 0.975]) == pytest.approx(interval, abs=0.01)
    if bins == 64:
        left_out = {"groups": inside.groups, "cv": LeaveOneGroupOut(), "method": "predict_proba"}
        whole, within = [], []
        for table in (inside.X, by_site(inside)):
            risk = cross_val_predict(model, table, inside.y, **left_out)[:, 1]
            whole.append(roc_auc_score(inside.y, risk))
            scans = inside.table.assign(y=inside.y, risk=risk)
            sites = [one for _, one in scans.groupby("site") if one.y.nunique() == 2]
            aucs = [roc_auc_score(one.y, one.risk) for one in sites]
            within.append(np.average(aucs, weights=[len(one) for one in sites]))
        assert whole == pytest.approx([0.87, 0.73], abs=0.01)
        assert within == pytest.approx([0.87, 0.89], abs=0.005)


LESSON = (ROOT / "source" / "lessons" / "07_an_external_table.md").read_text(encoding="utf-8")


def of_the_lesson(name, *others, **names):
    """A function of the lesson, from its source, with what it needs."""
    for one in (*others, name):
        start = LESSON.index(f"def {one}(")
        ends = (LESSON.find(end, start) for end in ("\n\n", "```"))
        exec(LESSON[start : min(end for end in ends if end > 0)], names)
    return names[name]


def test_a_guessed_measure_gives_risks_that_are_too_extreme():
    """The lesson's three ways, in other cohorts: slopes well below 1, and about 1 for the sub-model."""
    calibration = of_the_lesson("calibration", np=np, logit=logit, expit=expit, brentq=brentq,
                                LogisticRegression=LogisticRegression)  # fmt: skip
    putamen = ["sbr_putamen_left", "sbr_putamen_right"]
    common = ["age", "sbr_caudate_left", "sbr_caudate_right", "volume_putamen", "genetic_risk"]
    for seed in (1, 11, 21):
        ours, more = (
            simulate_cohort(n_subjects=n, n_sites=k, prevalence=0.6, effect={"binding": 0.7}, seed=s).table
            for n, k, s in ((400, 4, seed), (2000, 2, seed + 1))
        )
        guess = LinearRegression().fit(ours[common], ours[putamen])
        guessed = more.assign(**dict(zip(putamen, guess.predict(more[common]).T, strict=True)))
        slopes, aucs = [], []
        for columns, table in (([*common, *putamen], guessed), (common, more)):
            model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
            risk = model.fit(ours[columns], ours["diagnosis"]).predict_proba(table[columns])[:, 1]
            slopes.append(calibration(more["diagnosis"], risk)[1])
            aucs.append(roc_auc_score(more["diagnosis"], risk))
        assert slopes[0] < 0.85 and 0.9 < slopes[1] < 1.1
        assert aucs[0] == pytest.approx(aucs[1], abs=0.01)


@pytest.mark.parametrize("share", repetitions([0.2], [0.5, 0.2]))
def test_external_cohorts_of_the_size_that_is_asked_for_are_as_certain_as_it_says(share):
    """Intercept and slope: 1.96 standard deviations over cohorts are .2; of the AUC .05 at most, about."""
    names = {"np": np, "expit": expit, "logit": logit, "brentq": brentq}
    calibration = of_the_lesson("calibration", LogisticRegression=LogisticRegression, **names)
    people, subjects = of_the_lesson("people", **names), of_the_lesson("subjects", **names)
    rng, inside = np.random.default_rng(4), norm.cdf(1.5 / np.sqrt(2))

    def log_odds(measure):
        return 1.5 * (measure[:, 0] - 0.75) + logit(share)

    needed = subjects(log_odds(people(share, 200_000, rng)[0]), inside, share).round().astype(int)
    for k, half in enumerate((0.2, 0.2, 0.05)):
        found = []
        for _ in range(repetitions(120, 300)):
            measure, truth = people(share, needed[k], rng)
            one = calibration(truth, expit(log_odds(measure))) if k < 2 else None
            found.append(roc_auc_score(truth, measure[:, 0]) if k == 2 else one[k])
        wide = 1.96 * np.std(found)
        assert (0.7 if k == 2 else 0.85) * half < wide < 1.15 * half


def net_benefit(truth, excluded, threshold):
    """From the four cells of the table: found, minus the false alarms at the odds of the threshold."""
    table = np.array([[np.mean((truth == k) & (excluded == e)) for e in (0, 1)] for k in (0, 1)])
    return table[1, 1] - table[0, 1] * threshold / (1 - threshold)


def test_a_model_with_an_auc_of_071_is_worth_less_than_excluding_all_until_it_is_updated():
    """ds030 at the threshold .20, whatever the folds of the update; nearly all risks lie below it."""
    inside, outside = load("mriqc_abide"), load("mriqc_ds030")
    truth = outside.y.to_numpy()
    model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, max_bins=64, random_state=0)
    risk = model.fit(inside.X, inside.y).predict_proba(outside.X)[:, 1]
    assert np.mean(risk < 0.2) > 0.9
    assert net_benefit(truth, risk >= 0.2, 0.2) == pytest.approx(0.030, abs=0.0005)
    assert net_benefit(truth, risk >= 0, 0.2) == pytest.approx(0.104, abs=0.0005)
    log_odds, gains, levels = logit(risk), [], []
    for seed in range(20):
        updated = np.empty(len(truth))
        for known, rest in StratifiedKFold(5, shuffle=True, random_state=seed).split(log_odds, truth):
            level, share = log_odds[known], truth[known].mean()
            shift = brentq(lambda a, level=level, share=share: expit(level + a).mean() - share, -15, 15)
            updated[rest] = expit(log_odds[rest] + shift)
        gains.append(net_benefit(truth, updated >= 0.2, 0.2))
        levels.append(updated.mean() - truth.mean())
    assert min(gains) > 0.11 and gains[0] == pytest.approx(0.130, abs=0.0005)
    assert np.abs(levels).max() < 0.01


# Closed forms and directions, beside the rows of the table of proof (tools/reference)


def standard_error(values):
    return values.std(ddof=1) / np.sqrt(len(values))


def test_r27_a_scanner_shift_moves_the_training_scaling_and_no_other():
    still, shifted = (
        external_scaling(scanner_shift=s, prevalence=0.5, n_external=5000, repeats=100).draws for s in (0, 1)
    )
    assert shifted["sensitivity"].mean(axis=0) == pytest.approx([norm.cdf(1.75), 0.7734, 0.7734], abs=0.005)
    assert shifted["specificity"].mean(axis=0) == pytest.approx([norm.cdf(-0.25), 0.7734, 0.7734], abs=0.005)
    np.testing.assert_allclose(still["AUC"], shifted["AUC"])
    assert still["AUC"].mean() == pytest.approx(norm.cdf(1.5 / np.sqrt(2)), abs=0.002)


def test_r28_auc_sensitivity_and_specificity_stay_and_the_predictive_value_falls():
    draws = prevalence_shift(n_external=4000, repeats=300).draws
    error = np.array([standard_error(column) for column in draws["outside"].T])
    stays = slice(0, 3)  # AUC, sensitivity, specificity
    np.testing.assert_array_less(
        np.abs(draws["outside"].mean(axis=0) - draws["inside"][0])[stays], 3.5 * error[stays]
    )
    assert draws["inside"][0, 0] == pytest.approx(norm.cdf(1.5 / np.sqrt(2)))
    assert draws["inside"][0, 3] - draws["outside"][:, 3].mean() > 0.4  # the positive predictive value falls
