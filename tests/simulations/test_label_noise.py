"""What lesson 04 says about its panels, and elsewhere without printing it, holds at the sliders."""

import itertools

import numpy as np
import pytest
from harness import ROOT, repetitions
from scipy import stats
from scipy.special import expit, logit
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from simulations.label_noise import (
    KINDS,
    MODEL_SETS,
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

MISSED, CALLED, MILD, BORDERLINE, CHANCE = KINDS
ALIKE, ITSELF = SHARED


def means(outcome):
    return {name: values.mean(axis=0) for name, values in outcome.draws.items()}


def place(outcome):
    """The mean threshold in standard deviations from the middle between the groups."""
    return outcome.draws["threshold"].mean() * 7 - 3.5  # the scale reaches 2.5 beyond means at -1 and +1


# Wrong labels in training and in the test


@pytest.mark.parametrize("effect", repetitions([1, 3], [1, 1.5, 2, 3]))
def test_in_training_they_cost_little_with_scans_enough_and_much_with_few(effect):
    few, many = (
        means(wrong_labels(where="training only", n_scans=n, effect=effect, repeats=300))["true"]
        for n in (50, 1000)
    )
    at_20, at_30 = 4, 6
    assert many[0] - many[at_20] < 0.025
    assert few[0] - few[at_30] > max(0.05, 2 * (many[0] - many[at_30]))


@pytest.mark.parametrize("rule", ["nearest centroid", "nearest neighbour"])
@pytest.mark.parametrize("effect", repetitions([0.5, 3], [0.5, 1.5, 3]))
def test_in_the_test_the_report_falls_along_a_line_and_the_truth_stays(rule, effect):
    found = means(wrong_labels(where="test only", rule=rule, effect=effect, repeats=500))
    rates = np.array(wrong_labels.defaults["rates"])
    assert np.ptp(found["true"]) < 1e-12
    np.testing.assert_allclose(found["reported"], found["true"][0] * (1 - 2 * rates) + rates, atol=0.008)


@pytest.mark.parametrize("rule", ["nearest centroid", "nearest neighbour"])
@pytest.mark.parametrize("n_scans", [50, 200, 1000])
def test_with_both_the_truth_is_better_than_the_report(rule, n_scans):
    found = means(wrong_labels(rule=rule, n_scans=n_scans, repeats=300))
    assert np.all(found["true"][1:] > found["reported"][1:])
    if rule == "nearest centroid" and n_scans >= 200:
        # Most of the fall is the examiner's: at 20 %, the report is further below than the truth.
        assert found["true"][4] - found["reported"][4] > 2 * (found["true"][0] - found["true"][4])


def test_with_few_scans_or_a_small_effect_the_models_error_is_about_as_large():
    for settings in ({"n_scans": 50}, {"effect": 0.5}):
        found = means(wrong_labels(repeats=300, **settings))
        assert 0.5 < (found["true"][4] - found["reported"][4]) / (found["true"][0] - found["true"][4]) < 2
    small = means(wrong_labels(n_scans=50, effect=0.5, repeats=300))["true"]
    assert small[0] - small[6] < 0.03  # little to lose


def test_for_the_nearest_neighbour_training_and_test_cost_the_same_and_scans_do_not_help():
    lost = {}
    for where in ("training only", "test only"):
        for n_scans in (100, 1000):
            found = means(
                wrong_labels(rule="nearest neighbour", where=where, n_scans=n_scans, effect=3, repeats=300)
            )
            lost[where, n_scans] = found["reported"][0] - found["reported"][4]
    assert lost["training only", 1000] == pytest.approx(lost["test only", 1000], abs=0.01)
    assert lost["training only", 1000] >= lost["training only", 100] - 0.01


@pytest.mark.parametrize(("prevalence", "lost"), [(0.5, 0), (0.2, 0.07)])
def test_errors_by_chance_cost_the_nearest_centroid_for_good_if_groups_are_unequal(prevalence, lost):
    rng, y = np.random.default_rng(0), np.arange(20_000) < 20_000 * prevalence
    X, X_new = rng.normal(size=(2, len(y), 20)) + 1.5 * y[:, None] * (np.arange(20) == 0)
    recorded = np.where(rng.random(len(y)) < 0.2, ~y, y)
    right, noisy = (NearestCentroid().fit(X, labels).score(X_new, y) for labels in (y, recorded))
    assert right - noisy == pytest.approx(lost, abs=0.012)


# Kinds of errors


@pytest.mark.parametrize(
    ("n_scans", "prevalence"),
    repetitions([(100, 0.3), (2000, 0.8)], [(100, 0.3), (100, 0.5), (2000, 0.2), (2000, 0.5), (2000, 0.8)]),
)
def test_missed_patients_and_called_controls_move_the_threshold_for_good(prevalence, n_scans):
    settings = {"prevalence": prevalence, "n_scans": n_scans, "repeats": 200}
    for kind, direction in ((MISSED, 1), (MILD, 1), (CALLED, -1)):
        outcome = kinds_of_wrong_labels(kind=kind, rate=0.2, **settings)
        moved = outcome.draws["threshold"] - outcome.draws["threshold, right labels"]
        assert direction * moved.mean() > 0.008
        found = means(outcome)
        assert direction * (found["best sensitivity"] - found["sensitivity"]) > 0
        assert direction * (found["specificity"] - found["best specificity"]) > 0


@pytest.mark.parametrize("seed", range(3))
def test_a_threshold_moved_back_repairs_the_model_and_its_labels_cannot_tell(seed):
    learnt, moved = (means(kinds_of_wrong_labels(moved=by, repeats=200, seed=seed)) for by in (0, -0.5))
    assert learnt["true"] == pytest.approx(0.81, abs=0.005)
    assert moved["true"] == pytest.approx(0.84, abs=0.005)
    assert learnt["reported"] == pytest.approx(0.772, abs=0.003)
    assert moved["reported"] == pytest.approx(learnt["reported"], abs=0.003)


def test_with_very_unequal_groups_the_drift_can_hide_the_shift():
    """10 % patients: one control in ten called a patient, and yet the threshold goes up."""
    outcome = kinds_of_wrong_labels(kind=CALLED, rate=0.1, prevalence=0.1, n_scans=2000, repeats=200)
    assert np.mean(outcome.draws["threshold"] - outcome.draws["threshold, right labels"]) > 0.01
    clean = place(kinds_of_wrong_labels(rate=0, prevalence=0.2, n_scans=2000, repeats=200))
    assert (
        0.6 < clean < 0.8
    )  # patients are rare, so the threshold lies deeper among them, with right labels too


def test_more_scans_make_the_band_narrower_and_leave_the_shift():
    few, many = (kinds_of_wrong_labels(n_scans=n, repeats=500).draws for n in (100, 2000))
    assert np.ptp(np.quantile(many["threshold"], [0.05, 0.95])) < 0.4 * np.ptp(
        np.quantile(few["threshold"], [0.05, 0.95])
    )
    shift = [d["threshold"].mean() - d["threshold, right labels"].mean() for d in (few, many)]
    assert shift[1] == pytest.approx(shift[0], abs=0.015) and shift[1] > 0.05


def test_errors_by_chance_leave_the_threshold_between_equal_groups():
    for rate in (0.2, 0.4):
        assert place(
            kinds_of_wrong_labels(kind=CHANCE, rate=rate, n_scans=2000, repeats=150)
        ) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(("prevalence", "side"), [(0.2, 1), (0.8, -1)])
def test_with_unequal_groups_it_drifts_into_the_smaller_one(prevalence, side):
    clean, noisy = (
        place(kinds_of_wrong_labels(kind=CHANCE, rate=rate, prevalence=prevalence, n_scans=2000, repeats=200))
        for rate in (0, 0.3)
    )
    assert 0.1 < side * (noisy - clean) < 0.35


def test_with_few_patients_the_reported_sensitivity_is_far_too_low():
    found = means(kinds_of_wrong_labels(kind=CHANCE, rate=0.2, prevalence=0.2, n_scans=2000, repeats=300))
    assert found["sensitivity"] - found["reported sensitivity"] > 0.2


@pytest.mark.parametrize("rate", [0.2, 0.4])
def test_borderline_errors_hardly_move_the_threshold(rate):
    assert place(
        kinds_of_wrong_labels(kind=BORDERLINE, rate=rate, n_scans=2000, repeats=150)
    ) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(("prevalence", "outwards"), [(0.1, -1), (0.9, 1)])
def test_with_unequal_groups_borderline_errors_pull_the_threshold_out_of_the_smaller_one(
    prevalence, outwards
):
    clean, mild, strong = (
        place(
            kinds_of_wrong_labels(
                kind=BORDERLINE, rate=rate, prevalence=prevalence, n_scans=2000, repeats=150
            )
        )
        for rate in (0, 0.2, 0.4)
    )
    assert 0.2 < outwards * (mild - clean) < outwards * (strong - clean)
    assert outwards * (strong - clean) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(
    ("rate", "prevalence"),
    repetitions(
        [(0.1, 0.1), (0.1, 0.9), (0.4, 0.7)], list(itertools.product((0.1, 0.4), (0.1, 0.3, 0.7, 0.9)))
    ),
)
def test_with_mild_patients_missed_the_sensitivity_is_too_good_whatever_the_prevalence(rate, prevalence):
    found = means(
        kinds_of_wrong_labels(kind=MILD, rate=rate, prevalence=prevalence, n_scans=2000, repeats=150)
    )
    assert found["reported sensitivity"] > found["sensitivity"] + 0.03
    if (rate, prevalence) == (0.1, 0.9):
        assert -0.02 < found["reported"] - found["true"] < -0.003
    else:
        assert found["reported"] > found["true"]


@pytest.mark.parametrize("rate", repetitions([0.1, 0.2, 0.4], [0.1, 0.2, 0.3, 0.4]))
def test_with_mild_patients_missed_the_report_is_too_good(rate):
    found = means(kinds_of_wrong_labels(kind=MILD, rate=rate, repeats=500))
    assert found["reported"] > found["true"] + 0.01
    assert found["reported sensitivity"] > found["sensitivity"] + 0.03
    if rate == 0.2:
        assert found["reported"] == pytest.approx(0.86, abs=0.012) and found["true"] == pytest.approx(
            0.82, abs=0.008
        )


# Shared errors


@pytest.mark.parametrize(
    ("effect", "rater_accuracy"),
    repetitions(
        [(1, 0.6), (1, 0.95), (2, 0.8), (3, 0.6), (3, 0.95)],
        list(itertools.product((1, 2, 3), (0.6, 0.7, 0.8, 0.9, 0.95))),
    ),
)
def test_the_report_rises_and_with_a_look_alike_the_truth_falls(effect, rater_accuracy):
    settings = {"effect": effect, "rater_accuracy": rater_accuracy, "repeats": 200}
    alike, scan = (means(shared_errors(through=through, **settings)) for through in (ALIKE, ITSELF))
    assert alike["reported"][-1] > alike["reported"][0] and scan["reported"][-1] > scan["reported"][0]
    assert np.all(np.diff(alike["true"]) < 0)
    assert np.all(np.diff(scan["true"]) > -0.003) and scan["true"][-1] > scan["true"][0]
    assert np.all(scan["theory"][1:] < scan["reported"][1:] + 1e-9)


def test_at_the_start_the_lines_cross_and_the_scan_itself_passes_what_is_possible():
    alike, scan = (means(shared_errors(through=through, repeats=300)) for through in (ALIKE, ITSELF))
    assert alike["reported"][0] < alike["true"][0] and alike["reported"][-1] > alike["true"][-1]
    assert scan["reported"][-1] > scan["ceiling"][-1] + 0.05


def test_whether_the_report_passes_the_truth_depends():
    strong = means(shared_errors(through=ITSELF, effect=3, rater_accuracy=0.7, repeats=200))
    assert strong["reported"][-1] < strong["true"][-1]


def test_a_better_rater_leaves_less_room():
    for through in SHARED:
        room = []
        for accuracy in (0.6, 0.8, 0.95):
            found = means(shared_errors(through=through, rater_accuracy=accuracy, repeats=200))
            room.append(np.ptp(found["reported"]) + np.ptp(found["true"]))
        assert room[2] < room[1] < room[0]


# Labels or architecture


def shares(**settings):
    draws = labels_or_architecture(repeats=100, **settings).draws
    return {name: draws[name].mean() for name in ("labels", "model", "study")}


def test_the_answer_at_the_start_and_how_to_turn_it_round():
    linear, xor = shares(), shares(signal="XOR")
    assert linear["labels"] > 2 * linear["model"] and xor["model"] > 0.88
    # The linear signal, made to say the opposite in two ways: better labels, or a poor model more.
    mild = shares(worst=0.1)
    assert mild["model"] > 3 * mild["labels"] and mild["study"] > mild["model"] + mild["labels"]
    poor = shares(models="these and a poor one")
    assert poor["model"] > 1.5 * poor["labels"]
    # XOR, with the two models that are suited to it.
    suited = shares(signal="XOR", models="two flexible ones")
    assert suited["labels"] > 0.4 and suited["model"] < 0.03
    worse = shares(signal="XOR", models="two flexible ones", worst=0.45)
    assert worse["labels"] > 0.75
    assert MODEL_SETS["two flexible ones"] == ("kernel", "15 neighbours")


@pytest.mark.parametrize("n_scans", repetitions([52, 300], [52, 100, 200, 300]))
def test_linear_models_are_at_chance_on_xor_whatever_the_labels(n_scans):
    true = means(
        labels_or_architecture(signal="XOR", models="three linear ones", n_scans=n_scans, repeats=100)
    )["true"]
    np.testing.assert_allclose(true, 0.5, atol=0.03)


# The budget


def best(**settings):
    true = means(scans_or_raters(repeats=200, **settings))["true"]
    return 1 + 2 * true.argmax(), true


@pytest.mark.parametrize("budget", [100, 200, 500])
def test_cheap_poor_ratings_ask_for_raters_and_dear_good_ones_for_scans(budget):
    assert best(rating_cost=0.02, rater_error=0.3, budget=budget)[0] >= 7
    for rater_error in (0.05, 0.1, 0.2):
        assert best(rating_cost=1, rater_error=rater_error, budget=budget)[0] == 1


@pytest.mark.parametrize("rater_error", [0.3, 0.4])
def test_very_poor_ratings_as_dear_as_scans_come_to_about_the_same(rater_error):
    for budget in (100, 200, 500):
        assert np.ptp(best(rating_cost=1, rater_error=rater_error, budget=budget)[1][:3]) < 0.025


@pytest.mark.parametrize(
    ("rater_error", "rating_cost"),
    repetitions(
        [(0.1, 1), (0.2, 0.25), (0.3, 0.1)], list(itertools.product((0.1, 0.2, 0.3), (0.1, 0.25, 1)))
    ),
)
def test_raters_who_are_deceived_together_buy_nothing(rater_error, rating_cost):
    _, true = best(shared=1, rater_error=rater_error, rating_cost=rating_cost)
    assert np.all(np.diff(true) < 0.001) and true[-1] < true[0] - 0.008


@pytest.mark.parametrize("rating_cost", repetitions([0.02, 1], [0.02, 0.1, 0.5, 1]))
def test_for_the_nearest_neighbour_better_labels_are_worth_more_than_scans(rating_cost):
    for rater_error in (0.1, 0.3):
        assert best(rule="nearest neighbour", rating_cost=rating_cost, rater_error=rater_error)[0] >= 3


def test_with_good_raters_as_dear_as_scans_it_can_come_to_the_same():
    for budget, rater_error in ((100, 0.05), (500, 0.05), (100, 0.1)):
        true = best(rule="nearest neighbour", rating_cost=1, rater_error=rater_error, budget=budget)[1]
        assert true.max() < true[0] + 0.004


@pytest.mark.parametrize(
    ("rating_cost", "rater_error"),
    repetitions(
        [(0.02, 0.2), (0.1, 0.2), (0.25, 0.1)], list(itertools.product((0.02, 0.1, 0.25), (0.1, 0.2)))
    ),
)
def test_the_report_gains_more_than_the_model(rating_cost, rater_error):
    found = means(scans_or_raters(rating_cost=rating_cost, rater_error=rater_error, repeats=400))
    gain = {name: found[name].max() - found[name][0] for name in ("true", "reported")}
    assert gain["true"] < 0.035 and gain["reported"] > 1.8 * gain["true"]


# Real data


def auc_of_draws(y, score, times):
    """AUC of every draw, shape (draws,); `times`, shape (draws, scans): how often each scan was drawn."""
    ill, well = times[:, y == 1], times[:, y == 0]
    with np.errstate(invalid="ignore"):  # without scans of both kinds there is none
        pairs = np.einsum("dp,pc,dc->d", ill, score[y == 1][:, None] > score[y == 0], well, optimize=True)
        return pairs / ill.sum(axis=1) / well.sum(axis=1)


def test_the_examiner_matters_in_the_scans_of_rater_1_whatever_the_sites_the_folds_and_the_penalty():
    mriqc = load("mriqc_abide")
    scans = mriqc.table["rater_1"].notna().to_numpy()
    X, sites = mriqc.X.to_numpy()[scans], np.unique(mriqc.groups[scans], return_inverse=True)[1]
    excluded = (mriqc.table.loc[scans, ["rater_1", "rater_3"]] == -1).to_numpy(int).T
    n = sites.max() + 1  # the first draw: each site once
    drawn = np.vstack([np.ones(n, int), np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), 100)])
    for C in (0.1, 0.01):
        model, auc = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=5000)), []
        for deal in range(repetitions(4, 12)):
            for train, test in GroupKFold(5, shuffle=True, random_state=deal).split(X, groups=sites):
                scores = [model.fit(X[train], y[train]).decision_function(X[test]) for y in excluded]
                times = drawn[:, sites[test]]
                auc.append([[auc_of_draws(y[test], score, times) for y in excluded] for score in scores])
        auc = np.nanmean(auc, axis=0)  # teacher, examiner, draw
        examiner, teacher = auc[:, 1] - auc[:, 0], auc[1] - auc[0]
        assert examiner[:, 0].min() > 0.07 and np.abs(teacher[:, 0]).max() < 0.04
        assert np.quantile(examiner[:, 1:], 0.025, axis=1).min() > 0.02


def test_suspects_are_seldom_wrong_where_labels_are_good():
    """Of those that the forest contradicts out of fold, one in five with 5 % wrong labels, half with 20 %."""
    cells = load("cells")
    train = (cells.table["case"] == "Train").to_numpy()
    X, y = cells.X.to_numpy()[train], cells.y.to_numpy()[train]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for rate, low, high in ((0.05, 0.15, 0.25), (0.2, 0.42, 0.55)):
        recorded = np.where(np.random.default_rng(0).random(len(y)) < rate, 1 - y, y)
        forest = RandomForestClassifier(25, random_state=0)
        contradicted = cross_val_predict(forest, X, recorded, cv=folds) != recorded
        assert low < np.mean((recorded != y)[contradicted]) < high


# What the text says of threshold, effect sizes and independent errors


@pytest.mark.parametrize("seed", range(3))
def test_logistic_regression_goes_twice_as_far_as_the_half_and_half_point_and_a_smooth_curve_does_not(seed):
    rng = np.random.default_rng(seed)
    truth = np.arange(20_000) % 2
    scan = (rng.normal(size=20_000) + 2.0 * (truth - 0.5))[:, None]
    recorded = np.where((truth == 1) & (rng.random(20_000) < 0.2), 0, truth)
    logistic = LogisticRegression(C=1000).fit(scan, recorded)
    smooth = make_pipeline(SplineTransformer(n_knots=6), LogisticRegression(C=1000)).fit(scan, recorded)
    assert np.log(0.625 / 0.375) / 2 == pytest.approx(0.255, abs=0.001)
    assert -logistic.intercept_[0] / logistic.coef_[0, 0] == pytest.approx(0.52, abs=0.04)
    assert logistic.predict(scan)[truth == 1].mean() == pytest.approx(0.68, abs=0.015)
    assert smooth.predict(scan)[truth == 1].mean() == pytest.approx(0.775, abs=0.02)


@pytest.mark.parametrize(("only_patients", "expected"), [(False, 0.79), (True, 1.115)])
def test_mixed_groups_cost_half_of_an_effect_and_patients_who_are_none_a_quarter(only_patients, expected):
    rng = np.random.default_rng(0)
    group, wrong = np.arange(400_000) % 2, rng.random(400_000) < 0.194
    truth = np.where(wrong, 0 if only_patients else 1 - group, group)
    feature = rng.normal(size=400_000) + 1.5 * truth
    low, high = feature[group == 0], feature[group == 1]
    d = (high.mean() - low.mean()) / np.sqrt((low.var() + high.var()) / 2)
    assert d == pytest.approx(expected, abs=0.012)


@pytest.mark.parametrize(
    ("prevalence", "sensitivity", "specificity", "missed", "called", "true", "reported"),
    [
        (0.3, 0.35, 0.97, 0.2, 0, 0.784, 0.802),
        (0.68, 0.9, 0.4, 0, 0.25, 0.740, 0.756),
        (0.3, 0.8, 0.8, 0.2, 0, 0.8, 0.764),
    ],
)
def test_independent_errors_can_raise_a_report(
    prevalence, sensitivity, specificity, missed, called, true, reported
):
    rng, n = np.random.default_rng(0), 500_000
    truth = rng.random(n) < prevalence
    model = np.where(truth, rng.random(n) < sensitivity, rng.random(n) > specificity)
    recorded = np.where(truth, rng.random(n) > missed, rng.random(n) < called)
    assert np.mean(model == truth) == pytest.approx(true, abs=0.0025)
    assert np.mean(model == recorded) == pytest.approx(reported, abs=0.0025)


def test_independent_errors_lower_the_report_of_a_model_that_is_mostly_right_in_both_groups():
    rng = np.random.default_rng(1)
    for _ in range(500):
        prevalence, missed, called = rng.random(3)
        sensitivity, specificity = rng.uniform(0.5, 1, 2)
        right = np.array([sensitivity, specificity])
        agree = right * (1 - np.array([missed, called])) + (1 - right) * np.array([missed, called])
        weights = [prevalence, 1 - prevalence]
        assert agree @ weights <= right @ weights + 1e-12
        wrong = np.array([missed, called]) / 2  # most labels of each group are right
        for right in rng.random((3, 2)):
            assert (right * (1 - wrong) + (1 - right) * wrong) @ weights <= 1 - wrong @ weights + 1e-12


@pytest.mark.parametrize("reliability", [1, 0.6])
def test_a_median_split_costs_a_fifth_of_the_correlation_however_reliable_the_score(reliability):
    rng = np.random.default_rng(0)
    brain, error, other = rng.normal(size=(3, 400_000))
    score = np.sqrt(reliability) * (0.5 * brain + np.sqrt(0.75) * other) + np.sqrt(1 - reliability) * error
    halves = np.corrcoef(brain, score > np.median(score))[0, 1]
    assert halves / np.corrcoef(brain, score)[0, 1] == pytest.approx(np.sqrt(2 / np.pi), abs=0.008)


# The appendix


def latent_class(votes):
    """The lesson's own function, from its source."""
    text = (ROOT / "source" / "lessons" / "04_label_noise.md").read_text(encoding="utf-8")
    start, names = text.index("def latent_class("), {"np": np}
    exec(text[start : text.index("\ndef show", start)], names)
    return np.concatenate([np.atleast_1d(one) for one in names["latent_class"](votes)])


@pytest.mark.parametrize("deceived", [0.0, 0.1])
def test_three_raters_are_told_apart_without_a_truth_unless_the_same_scans_deceive_them(deceived):
    right = np.array([0.75, 0.85, 0.65, 0.90, 0.85, 0.97])
    for seed in range(4):
        rng = np.random.default_rng(seed)
        bad = rng.random((4000, 1)) < 0.25
        votes = np.where(bad, rng.random((4000, 3)) < right[:3], rng.random((4000, 3)) > right[3:])
        votes = np.where(rng.random((4000, 1)) < deceived, ~bad, votes).astype(float)
        votes[rng.random(votes.shape) < 0.3] = np.nan  # not seen by everybody
        found = latent_class(votes[~np.isnan(votes).all(axis=1)])
        if deceived:
            assert np.all(found[1:] > (1 - deceived) * right + 0.03)
        else:
            np.testing.assert_allclose(found, [0.25, *right], atol=0.08)


def test_a_risk_that_was_learnt_from_wrong_labels_is_taken_back():
    rng, r = np.random.default_rng(0), 0.1
    measure = rng.normal(size=300_000) + 1.5 * (ill := rng.random(300_000) < 0.2)
    right = expit(1.5 * (measure - 0.75) + logit(0.2))
    learnt = right * (1 - 2 * r) + r
    np.testing.assert_allclose((learnt - r) / (1 - 2 * r), right)
    for low, high in ((0.1, 0.15), (0.3, 0.4), (0.6, 0.7)):  # and it is the share of recorded patients
        some = (learnt > low) & (learnt < high)
        recorded = np.where(rng.random(some.sum()) < r, ~ill[some], ill[some])
        assert recorded.mean() == pytest.approx(learnt[some].mean(), abs=0.01)


# Closed forms and directions, beside the rows of the table of proof (tools/reference)


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
