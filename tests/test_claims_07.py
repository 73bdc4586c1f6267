"""What lesson 07 says about its panel of single flaws holds, at the ends of its slider too."""

import functools

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils.data import load
from utils.review import FLAWS, one_flaw, simulate_study

REPEATS = 200


@functools.cache
def optimism(flaw, per_site):
    draws = one_flaw(flaw=flaw, per_site=per_site, repeats=REPEATS).draws
    difference = draws["reported"] - draws["true"]
    return difference.mean(), difference.std(ddof=1) / np.sqrt(REPEATS)


def test_the_second_paper_to_practise_on():
    study = simulate_study(36)
    assert set(study.planted) == {"duplicates", "tuning", "threshold", "error_bar"}
    assert (round(study.result.reported, 2), round(study.result.true, 2)) == (0.79, 0.60)
    text = study.paper
    assert "87 people were enrolled" in text and "7 people were excluded" in text and "100 data sets" in text
    assert "25 combinations" in text and "absence" not in study.planted and "95 % interval" in text.partition("**Results.**")[2]


def test_one_ranking_of_all_sites_scores_below_comparisons_within_folds():
    data = load("mriqc_abide")
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=2000))
    folds = list(LeaveOneGroupOut().split(data.X, data.y, data.groups))
    risk = cross_val_predict(model, data.X, data.y, cv=folds, method="predict_proba")[:, 1]
    y = data.y.to_numpy()
    both = [test for _, test in folds if len(set(y[test])) == 2]
    within = np.average([roc_auc_score(y[test], risk[test]) for test in both], weights=list(map(len, both)))
    assert roc_auc_score(y, risk) < within - 0.03


def test_more_people_make_flaws_of_choice_smaller():
    for flaw in ("selection", "seeds", "threshold", "tuning"):
        (few, error), (many, other) = optimism(flaw, 15), optimism(flaw, 100)
        assert few - many > 2 * np.hypot(error, other)


def test_more_people_do_not_help_against_scanners_and_consequences():
    (few, error), (many, other) = optimism("sites", 15), optimism("sites", 100)
    assert many > 0.15 and abs(few - many) < 0.08
    (few, error), (many, other) = optimism("target", 15), optimism("target", 100)
    assert many - few > 2 * np.hypot(error, other)


def test_the_worst_flaws():
    found = {name: optimism(name, 25)[0] for name, flaw in FLAWS.items() if flaw.moves_score}
    order = sorted(found, key=found.get, reverse=True)
    assert set(order[:5]) == {"repeated", "oversampling", "sites", "majority", "harmonised"}
    assert order[0] == "repeated"
    assert {"seeds", "threshold"} == set(order[-2:])
