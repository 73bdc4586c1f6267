"""What lesson 09 says of its panel of single flaws, its papers and its prediction interval holds."""

import functools

import numpy as np
import pytest
from harness import repetitions
from scipy import stats
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline

from review import simulate_study
from review.study import INFORMATIVE, directions, plan
from simulations.audit_a_study import one_flaw
from utils.cohort import simulate_cohort
from utils.data import load

REPEATS = repetitions(60, 400)
FLAWS = one_flaw.kinds["flaw"].options


@functools.cache
def optimism(flaw, per_site):
    draws = one_flaw(flaw=flaw, per_site=per_site, repeats=REPEATS).draws
    difference = draws["reported"] - draws["true"]
    return difference.mean(), difference.std(ddof=1) / np.sqrt(REPEATS)


def test_more_people_make_flaws_of_choice_smaller():
    for flaw in ("selection", "seeds", "threshold", "tuning"):
        (few, error), (many, other) = optimism(flaw, 15), optimism(flaw, 100)
        assert few - many > 2 * np.hypot(error, other)


def test_more_people_do_not_help_against_scanners_and_consequences():
    (few, error), (many, other) = optimism("sites", 15), optimism("sites", 100)
    assert many > 0.15 and abs(few - many) < 0.08
    (few, error), (many, other) = optimism("target", 15), optimism("target", 100)
    assert many - few > 2 * np.hypot(error, other)


def test_more_people_hardly_help_against_cases_that_are_left_out_or_read_again():
    for flaw in ("exclusions", "rereading"):
        assert optimism(flaw, 100)[0] > 0.6 * optimism(flaw, 15)[0] > 0.03


def test_the_worst_flaws():
    found = {name: optimism(name, 25)[0] for name in FLAWS}
    order = sorted(found, key=found.get, reverse=True)
    assert set(order[:5]) == {"repeated", "oversampling", "sites", "harmonised", "target"}
    assert order[0] == "repeated"
    assert {"seeds", "threshold"} == set(order[-2:])
    assert len(FLAWS) == 12 and "majority" not in FLAWS


def test_the_signal_is_stronger_than_that_of_enigma():
    """As the lesson says: the weakest of the studies against the effects of regional MRI in lesson 02."""
    published = simulate_cohort(n_subjects=4, n_sites=1).bayes_auc(["thickness", "volume"])
    weakest = 0.3 * np.sqrt(INFORMATIVE)  # the shortest distance of the groups, in independent features
    assert stats.norm.cdf(weakest / np.sqrt(2)) > published + 0.1
    for seed in range(20):
        assert np.linalg.norm(directions(plan(seed, ()))) >= weakest


def test_the_papers_of_the_text():
    study = simulate_study(4)
    assert study.planted == ("duplicates", "exclusions", "oversampling", "error_bar", "absence")
    assert (f"{study.result.reported:.2f}", f"{study.result.true:.2f}") == ("0.94", "0.56")
    for words in (
        "104 people were",
        "8 people were excluded",
        "7 more",
        "In 113 data",
        "47 synthetic",
        "p = 0.72",
    ):
        assert words in study.paper
    one, other, both = (
        study.without("duplicates"),
        study.without("oversampling"),
        study.without("duplicates", "oversampling"),
    )
    published = study.without()
    assert [f"{published - left:.2f}" for left in (one, other, both)] == ["0.04", "0.10", "0.25"]
    sound = simulate_study(11, flaws=[])
    assert f"{sound.result.reported:.2f} (95 % interval 0.48 to 0.68)" in sound.paper
    assert sound.result.true > study.result.true


def test_the_second_paper_to_practise_on():
    study = simulate_study(36)
    assert set(study.planted) == {"duplicates", "tuning", "threshold", "error_bar"}
    assert (round(study.result.reported, 2), round(study.result.true, 2)) == (0.79, 0.60)
    text = study.paper
    assert "87 people were enrolled" in text and "7 people were excluded" in text and "100 data sets" in text
    assert "25 combinations" in text and "95 % interval" in text.partition("**Results.**")[2]


# The scans of section 7, with whole sites held out


@functools.cache
def held_out():
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    data = load("mriqc_abide")
    once = ~data.X.duplicated()  # one image has two names
    assert once.sum() == len(once) - 1
    X, y = data.X[once], data.y[once].to_numpy()
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=2000))
    folds = list(LeaveOneGroupOut().split(X, y, data.groups[once]))
    risk = cross_val_predict(model, X, y, cv=folds, method="predict_proba")[:, 1]
    return y, risk, [test for _, test in folds if len(set(y[test])) == 2]


def test_one_ranking_of_all_sites_scores_below_comparisons_within_folds():
    y, risk, both = held_out()
    within = np.average([roc_auc_score(y[test], risk[test]) for test in both], weights=list(map(len, both)))
    assert roc_auc_score(y, risk) < within - 0.03


@functools.cache
def new_site():
    """The lesson's own function, from its source."""
    from harness import ROOT

    text = (ROOT / "source" / "lessons" / "09_audit_a_study.md").read_text(encoding="utf-8")
    start, names = text.index("def new_site("), {"np": np, "stats": stats}
    exec(text[start : text.index("\ndef ", start)], names)
    return names["new_site"]


def test_a_new_site_may_see_anything():
    y, risk, both = held_out()
    sites = []
    for test in both:
        cases, controls = y[test].sum(), (1 - y[test]).sum()
        sites.append((roc_auc_score(y[test], risk[test]), cases, controls))
    alone = np.array(sites)
    assert f"{alone[:, 0].min():.2f} {alone[:, 0].max():.2f}" == "0.27 1.00"
    enough = alone[alone[:, 1:].min(1) >= 5]
    assert [f"{one:.2f}" for one in new_site()(*enough.T)] == ["0.94", "0.16", "1.00"] and len(enough) == 9


@pytest.mark.parametrize(("spread", "sites"), [(0.0, 9), (0.3, 9), (0.8, 9), (1.2, 9), (0.8, 25)])
def test_the_prediction_interval_holds_the_auc_of_a_new_site(spread, sites):
    """Sites whose true AUC differs: the interval for one more holds its true AUC 95 times in 100 or more."""
    rng, held = np.random.default_rng(3), []
    for _ in range(repetitions(300, 1000)):
        distance = 1.3 + spread * rng.normal(size=sites + 1)
        cases, controls = rng.integers(5, 50, sites), rng.integers(20, 90, sites)
        auc = []
        for d, n, m in zip(distance, cases, controls, strict=False):
            below = np.searchsorted(np.sort(rng.normal(size=m)), rng.normal(size=n) + d)
            auc.append(below.mean() / m)
        _, low, high = new_site()(np.array(auc), cases, controls)
        held.append(low <= stats.norm.cdf(distance[-1] / np.sqrt(2)) <= high)
    assert np.mean(held) > 0.95 - 2.5 * np.sqrt(0.05 * 0.95 / len(held))
