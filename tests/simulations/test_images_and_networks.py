"""What lesson 08 says about its panels, what is known of them in closed form, and its PyTorch text."""

import ast
import inspect
import re
from math import comb

import numpy as np
import pytest
from harness import ROOT
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import NearestCentroid
from sklearn.neural_network import MLPClassifier

from simulations.images_and_networks import (
    PENALTIES,
    PLACES,
    SPOT,
    TAUGHT,
    TRACES,
    architecture_or_labels,
    best_epoch,
    copies_slices_persons,
    learnt_by_heart,
    seen_in_pretraining,
    what_a_map_shows,
)


def means(run, repeats=200, **setting):
    return {name: values.mean(axis=0) for name, values in run(repeats=repeats, **setting).draws.items()}


def error(run, draw, repeats=200, **setting):
    """The mean of a draw, and three standard errors."""
    values = run(repeats=repeats, **setting).draws[draw]
    return values.mean(), 3 * values.std() / np.sqrt(repeats)


# Learnt by heart


@pytest.mark.parametrize("n_scans", [60, 100])
def test_a_coins_labels_are_fitted_as_the_formula_says(n_scans):
    units = (5, 10, 20, 40)
    found = means(learnt_by_heart, 400, units=units, n_scans=n_scans, n_new=100)
    h = np.array(units) / n_scans
    np.testing.assert_allclose(found["training"], stats.norm.cdf(np.sqrt(h / (1 - h))), atol=0.014)
    np.testing.assert_allclose(found["true"], 0.5, atol=0.02)


def test_what_the_text_says_of_the_formula():
    h = np.array([20, 40, 59]) / 60
    np.testing.assert_allclose(stats.norm.cdf(np.sqrt(h / (1 - h))), [0.76, 0.92, 1], atol=0.005)


def test_purple_ends_at_one_whatever_the_coin_decides_and_blue_tells():
    units, blue = (60, 320), []
    for coin in (1, 0.5, 0.25, 0):
        found = means(learnt_by_heart, 50, coin=coin, units=units)
        assert found["training"][1] == 1
        blue.append(found["true"])
    assert np.all(np.diff(np.array(blue)[:, 1]) > 0.04)
    assert all(narrow < wide - 0.05 for narrow, wide in blue[1:])  # the dip, where there is anything to learn
    wide = means(learnt_by_heart, 50, coin=1, n_scans=200, units=(320,))
    assert wide["training"][0] > 0.999


def test_a_penalty_keeps_a_wide_network_from_the_coin():
    plain, strong = (
        means(learnt_by_heart, 50, coin=0.25, units=(320,), penalty=penalty)
        for penalty in (PENALTIES["none"], PENALTIES["strong"])
    )
    assert strong["true"] > plain["true"] + 0.05 and strong["training"] < plain["training"] - 0.03
    assert means(learnt_by_heart, 50, units=(320,), penalty=PENALTIES["strong"])["training"] < 0.95


# The best epoch


def test_one_epoch_is_no_choice_and_many_are_less_than_as_many_coins():
    for n_held_out in (10, 20, 200):
        once, wide = error(best_epoch, "reported", epochs=1, n_held_out=n_held_out)
        assert once == pytest.approx(0.5, abs=wide)
        best, wide = error(best_epoch, "reported", n_held_out=n_held_out)
        right = np.arange(n_held_out)
        coins = np.sum(1 - stats.binom.cdf(right, n_held_out, 0.5) ** 30) / n_held_out
        assert 0.5 + wide < best < coins - wide
    assert best_epoch(repeats=100, epochs=1).draws["true"].mean() == pytest.approx(0.5, abs=1e-9)


def test_of_two_epochs_the_better_one_gains_half_of_their_difference():
    """E max(a, b) = E a + E |a - b| / 2 where neither is better; their difference is a walk over the scans
    on which they disagree, so it cannot exceed what coins there would give."""
    two, wide = error(best_epoch, "reported", 400, epochs=2, n_held_out=20)
    differ = sum(abs(2 * k - 20) * comb(20, k) for k in range(21)) / 2**20 / 20  # if they disagreed on all
    assert 0.5 < two < 0.5 + differ / 2 + wide


def test_optimism_of_the_best_epoch():
    for setting, low, high in (
        ({}, 0.06, 0.1),
        ({"n_held_out": 10}, 0.085, 0.125),
        ({"n_held_out": 200}, 0.018, 0.034),
        ({"effect": 2.0}, 0.02, 0.055),
    ):
        draws = best_epoch(repeats=400, **setting).draws
        assert low < np.mean(draws["reported"] - draws["true"]) < high, setting
        gap = draws["honest"] - draws["true"]  # the same model: no bias at all
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(400), setting
    slow = best_epoch(repeats=200, rate=0.01).draws
    assert slow["reported"].mean() < best_epoch(repeats=200).draws["reported"].mean() - 0.01


def test_early_stopping_of_scikit_learn_knows_no_groups():
    assert list(inspect.signature(MLPClassifier.fit).parameters)[:3] == ["self", "X", "y"]
    assert "groups" not in inspect.signature(MLPClassifier.fit).parameters
    assert MLPClassifier().validation_fraction == 0.1


# Copies, slices, persons


def counted(units, siblings):
    """Accuracy of who is right about a sibling, and otherwise takes another person at random.

    Five folds; `units` are dealt, `siblings` of a person or slice resemble each other; 20 persons.
    """
    fold = units // 5
    alone = comb(units - siblings, fold - siblings) / comb(units - 1, fold - 1) if siblings <= fold else 0
    return 1 - alone + alone * 9 / 19


def test_siblings_are_found_as_often_as_counting_says():
    for setting, draw, siblings in (
        ({"n_slices": 1, "n_copies": 2}, "reported", 2),
        ({"n_slices": 1, "n_copies": 3}, "reported", 3),
        ({"n_slices": 2, "n_copies": 1, "alike": 0.95}, "slices", 2),
        ({"n_slices": 3, "n_copies": 1, "alike": 0.95}, "slices", 3),
    ):
        units = 20 * siblings
        found, wide = error(copies_slices_persons, draw, 200, n_new=2, **setting)
        # One deal serves the five studies of a block: their scores are not independent.
        assert found == pytest.approx(counted(units, siblings), abs=2.3 * wide), setting


def test_by_person_it_is_honest_but_for_the_person_who_is_missing():
    for n_persons in (10, 20, 30):
        found, wide = error(copies_slices_persons, "honest", 400, n_persons=n_persons, n_copies=1, n_new=2)
        assert found == pytest.approx((n_persons / 2 - 1) / (n_persons - 1), abs=1.5 * wide)


def test_each_level_of_dealing_leaks_what_it_leaves_apart():
    def at(**setting):
        return means(copies_slices_persons, 150, **setting)

    one = at(n_slices=1, n_copies=3)
    assert one["reported"] > 0.95 and abs(one["slices"] - one["honest"]) < 0.04
    two = at(n_slices=1, n_copies=2)
    assert two["reported"] == pytest.approx(0.9, abs=0.03)
    none = at(n_slices=1, n_copies=1)
    assert np.ptp([none[name] for name in ("reported", "slices", "honest")]) < 0.04
    weak, faint, no = at(alike=0.3), at(alike=0.1), at(alike=0.0)
    assert weak["slices"] > 0.65 and weak["reported"] > 0.95 and abs(no["slices"] - no["true"]) < 0.03
    assert 0.02 < faint["slices"] - faint["honest"] < 0.1


# Features that have seen the test subjects


@pytest.mark.parametrize("n_people", [100, 200, 1000])
def test_what_the_pretrained_unit_remembers_follows_the_formula(n_people):
    found = means(seen_in_pretraining, 100, n_people=n_people)
    h = 50 / n_people
    assert found["reported"] == pytest.approx(stats.norm.cdf(np.sqrt(h / (1 - h))), abs=0.03)
    assert found["honest"] == pytest.approx(0.5, abs=0.03) and found["true"] == pytest.approx(0.5, abs=1e-9)


def test_the_leak_goes_by_labels_and_not_by_our_share_of_the_people():
    full = means(seen_in_pretraining, 300)["reported"]
    few = means(seen_in_pretraining, 300, n_scans=20)["reported"]
    assert few == pytest.approx(full, abs=0.035)
    half = means(seen_in_pretraining, 300, seen=0.5)["reported"]
    assert 0.3 < (half - 0.5) / (full - 0.5) < 0.55
    assert means(seen_in_pretraining, 100, n_people=1000)["reported"] == pytest.approx(0.58, abs=0.02)
    for taught in TAUGHT[1:]:
        found, wide = error(seen_in_pretraining, "reported", 200, taught=taught)
        assert found == pytest.approx(0.5, abs=wide)


def test_shuffled_diagnoses_do_not_find_a_network_that_was_pretrained_on_the_true_ones():
    """The control of section 1 passes: the unit remembers the true diagnoses, not the shuffled ones."""
    p = seen_in_pretraining.checked({})
    studies, scores = seen_in_pretraining.recruited(p), []
    for number in range(10):
        study = studies.one(number)
        unit = Ridge(alpha=1).fit(study.X[study.rows["reported"]], study.target[study.rows["reported"]]).coef_
        feature, y = study.X[study.own] @ unit[:, None], study.y[study.own]
        shuffled = np.random.default_rng(number).permutation(y)
        folds = StratifiedKFold(5, shuffle=True, random_state=number)
        scores.append(
            [cross_val_score(NearestCentroid(), feature, one, cv=folds).mean() for one in (y, shuffled)]
        )
    true, control = np.mean(scores, axis=0)
    assert true > 0.65 and control == pytest.approx(0.5, abs=0.05)


# Architecture or labels


def test_the_lesion_is_what_the_description_says():
    assert SPOT.sum() == pytest.approx(0, abs=1e-12) and np.linalg.norm(SPOT) == pytest.approx(1)
    known = means(architecture_or_labels, 40, place=PLACES[1], n_scans=1000, contrast=2.0, n_test=400)
    assert known["true"][0] == pytest.approx(stats.norm.cdf(1), abs=0.02)  # the best rule, nearly learnt


def test_anywhere_architecture_decides_and_at_one_place_it_depends():
    def true(repeats=60, **setting):
        return means(architecture_or_labels, repeats, **setting)["true"]

    anywhere, more = true(), true(n_scans=200)
    np.testing.assert_allclose(anywhere[:2], 0.5, atol=0.02)
    np.testing.assert_allclose(more[:2], 0.5, atol=0.02)
    assert anywhere[2] > 0.82 and 0.03 < anywhere[2] - anywhere[3] < 0.09
    place = true(place=PLACES[1])
    assert place[0] == pytest.approx(0.99, abs=0.01) and place[2] == pytest.approx(0.85, abs=0.015)
    assert 0.04 < place[0] - place[1] < 0.075 and 0.035 < place[2] - place[3] < 0.075
    few, many = true(300, place=PLACES[1], n_scans=40), true(place=PLACES[1], n_scans=200)
    assert few[0] - few[1] > few[0] - few[2] + 0.02 and few[0] - few[1] == pytest.approx(0.2, abs=0.025)
    assert few[0] - few[2] == pytest.approx(0.15, abs=0.02)
    for model in (0, 2):  # more scans buy back what wrong labels cost
        assert many[model] - many[model + 1] < (few[model] - few[model + 1]) / 1.5


def test_wrong_labels_in_the_test_lower_the_report_as_lesson_04_says():
    found = means(architecture_or_labels, 100, wrong=0.2)
    for row, r in enumerate((0, 0.2, 0, 0.2)):
        expected = found["true"][row] * (1 - 2 * r) + r
        assert found["reported"][row] == pytest.approx(expected, abs=0.015)


# What a map shows


def test_only_the_map_knows_where_the_trace_lies():
    found = {trace: means(what_a_map_shows, 300, trace=trace) for trace in TRACES}
    corner, organ, over = found.values()
    for other in (organ, over):
        assert other["reported"] == pytest.approx(corner["reported"], abs=0.01)
        assert other["true"] == pytest.approx(corner["true"], abs=0.006)
    assert corner["reported"] > corner["true"] + 0.2 and corner["organ"] < 0.2 < 0.45 < organ["organ"]
    disease = np.where(TRACES["on the organ"][0], 0.5, 0)
    for where, pattern in TRACES.values():  # at right angles to the disease, whatever pixels they share
        trace = np.zeros(36)
        trace[where] = pattern
        assert np.linalg.norm(trace) == pytest.approx(1) and trace @ disease == pytest.approx(0, abs=1e-12)


def test_a_map_on_the_organ_is_no_acquittal():
    nothing = means(what_a_map_shows, 200, trace="on the organ", effect=0)
    assert nothing["true"] == pytest.approx(0.5, abs=1e-9) and nothing["reported"] > 0.75
    honest = means(what_a_map_shows, 200, size=0)
    assert honest["organ"] < nothing["organ"] - 0.1 and nothing["organ"] == pytest.approx(0.5, abs=0.05)
    same, wide = error(what_a_map_shows, "reported", 300, agreement=0.5)
    assert same == pytest.approx(means(what_a_map_shows, 300, agreement=0.5)["true"], abs=wide + 0.01)


# The text


def test_the_pytorch_text_is_python_and_splits_before_it_scales():
    text = (ROOT / "source/lessons/08_images_and_networks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    ast.parse(code)
    assert code.index("GroupShuffleSplit(1") < code.index(".mean()") < code.index("loader =")
    assert code.count("tensors(test)") == 1
