"""What lesson 01 says about its panels and its pictures holds at the positions of their sliders."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from utils.cohort import render_slices, simulate_cohort
from utils.experiments import _slice_parts, planted_defect, scanner_mark, two_sites_paradox


def means(outcome):
    return (outcome.draws[name].mean() for name in ("reported", "honest", "true"))


# The panel of defects


@pytest.mark.parametrize("defect", ["the same subject twice", "left and right swapped", "one site with another gain",
                                    "a unit error in one column"])  # fmt: skip
def test_most_defects_leave_the_score_where_it_was(defect):
    reported, honest, _ = means(planted_defect(defect=defect, repeats=300))
    assert reported == pytest.approx(honest, abs=0.01)


def test_doubles_help_a_linear_model_in_small_studies_and_without_an_effect():
    for at in ({"n_scans": 100}, {"effect": 0.0}, {"n_scans": 100, "effect": 0.0}):
        reported, honest, true = means(planted_defect(defect="the same subject twice", repeats=600, **at))
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
        before, after = (cross_val_score(KNeighborsClassifier(1), Z, y, cv=folds).mean() for Z in (X, X_twice))
        gains.append(after - before)
    assert np.mean(gains) > 0.03


def test_two_defects_raise_the_score_and_new_subjects_do_not_get_it():
    for defect, gain in (("the site goes with the diagnosis", 0.03), ("a column that is the diagnosis", 0.12)):
        reported, honest, true = means(planted_defect(defect=defect, repeats=300))
        assert reported > honest + gain and true < honest


def test_gaps_raise_it_when_the_disease_is_weak():
    for effect, low, high in ((2.0, 0, 0.015), (0.5, 0.03, 0.06), (0.0, 0.05, 0.08)):
        reported, honest, _ = means(planted_defect(defect="the gaps go with the diagnosis", effect=effect, repeats=300))
        assert low < reported - honest < high


@pytest.mark.parametrize("defect", ["labels swapped in a block", "wrong labels here and there"])
def test_swapped_labels_lower_it_and_the_model_is_better_than_its_score(defect):
    reported, honest, true = means(planted_defect(defect=defect, repeats=400))
    assert reported == pytest.approx(0.745, abs=0.005) and honest == pytest.approx(0.825, abs=0.005)
    assert reported + 0.05 < true < honest


def test_what_the_first_look_misses_and_what_it_sees_in_noise():
    def found(defect, **at):
        return planted_defect(defect=defect, repeats=300, **at).draws["found"].mean()

    block, gaps = "labels swapped in a block", "the gaps go with the diagnosis"
    assert found(block) > 0.98 and found(gaps) > 0.95
    assert found(block, n_scans=100) < 0.9 and found(block, effect=0.5) < 0.4
    assert found(gaps, n_scans=100) < 0.6
    # No effect at all: false alarms, of the search for blocks.
    assert 0.17 < found("nothing", effect=0.0) < 0.33
    assert found("nothing") < 0.01


def test_the_numbers_of_the_verdict():
    for defect in ("the same subject twice", "a unit error in one column", "the site goes with the diagnosis",
                   "the gaps go with the diagnosis", "a column that is the diagnosis"):  # fmt: skip
        outcome = planted_defect(defect=defect, effect=0.8, repeats=400)
        reported, honest = outcome.draws["reported"], outcome.draws["honest"]
        assert outcome.draws["found"].mean() >= 0.97
        assert np.mean(reported < honest - 2 * np.sqrt(honest * (1 - honest) / 300)) < 0.01


# The mark of a scanner


def brightest(weights):
    """Mean size of the weights on the letter and on the two putamina, in the mean map of the panel."""
    _, putamina, letter = _slice_parts(24)
    mean = np.abs(weights.mean(axis=0))
    return mean[letter > 0].mean(), mean[putamina.sum(axis=0) > 0.5].mean()


def test_a_mark_that_is_always_right_replaces_the_brain():
    draws = scanner_mark(agreement=1, brightness=3.0, repeats=100).draws
    letter, putamen = brightest(draws["weights"])
    assert letter > 8 * putamen
    assert draws["reported"].mean() > 0.995 and draws["true"].mean() == pytest.approx(0.5, abs=0.005)
    assert draws["share"].mean() > 0.9


def test_at_nine_in_ten_the_map_shows_the_striata_and_the_model_is_hardly_better_than_a_coin():
    draws = scanner_mark(agreement=0.9, brightness=3.0, repeats=100).draws
    letter, putamen = brightest(draws["weights"])
    assert putamen > letter
    assert draws["reported"].mean() > 0.88 and draws["true"].mean() < 0.56


def test_a_faint_mark_is_used_and_an_unrelated_one_does_no_harm():
    absent = scanner_mark(agreement=1, brightness=0.0, repeats=200).draws
    faint = scanner_mark(agreement=1, brightness=0.5, repeats=200).draws
    assert faint["reported"].mean() > absent["reported"].mean() + 0.1
    assert faint["true"].mean() < absent["true"].mean() - 0.08
    assert absent["true"].mean() == pytest.approx(0.79, abs=0.01)
    assert faint["reported"].mean() == pytest.approx(0.96, abs=0.01)
    assert faint["true"].mean() == pytest.approx(0.66, abs=0.015)
    fainter = scanner_mark(agreement=1, brightness=0.25, repeats=200).draws
    assert 0.045 < fainter["reported"].mean() - absent["reported"].mean() < 0.085
    for agreement, recovered in ((0.8, 0.63), (0.7, 0.73)):
        draws = scanner_mark(agreement=agreement, brightness=3.0, repeats=200).draws
        assert draws["true"].mean() == pytest.approx(recovered, abs=0.02)
    unrelated = scanner_mark(agreement=0.5, brightness=3.0, repeats=200).draws
    assert unrelated["true"].mean() == pytest.approx(absent["true"].mean(), abs=0.02)
    assert unrelated["reported"].mean() == pytest.approx(unrelated["true"].mean(), abs=0.02)


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
