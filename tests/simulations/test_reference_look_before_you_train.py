"""Lesson 01: planted defects, Simpson's paradox, a scanner's mark, and the real tables at first sight.

What is a row of the table of proof stands in tools/reference. Ranges are about three Monte-Carlo standard
errors.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from simulations.look_before_you_train import DEFECTS, planted_defect, scanner_mark, two_sites_paradox
from utils.data import load


def test_the_score_rises_where_the_defect_gives_the_answer_away():
    for defect, low in (("a column that is the diagnosis", 0.25), ("the site goes with the diagnosis", 0.1)):
        draws = planted_defect(defect=defect, effect=0.8, repeats=300).draws
        assert draws["reported"].mean() - draws["honest"].mean() > low
        assert draws["true"].mean() < draws["honest"].mean()


def test_a_first_look_is_calm_where_nothing_is_planted_and_blind_for_scattered_label_errors():
    assert planted_defect(defect="nothing", repeats=600).draws["found"].mean() < 0.01
    assert planted_defect(defect="wrong labels here and there", repeats=600).draws["found"].mean() < 0.01
    assert planted_defect(defect="labels swapped in a block", repeats=600).draws["found"].mean() > 0.98


def test_what_the_lesson_says_of_its_panel_of_defects():
    found = {d: planted_defect(defect=d, repeats=400) for d in DEFECTS}
    reported = {d: o.draws["reported"].mean() for d, o in found.items()}
    honest = {d: o.draws["honest"].mean() for d, o in found.items()}
    for d in (
        "the same subject twice",
        "left and right swapped",
        "one site with another gain",
        "a unit error in one column",
        "the gaps go with the diagnosis",
    ):
        assert abs(reported[d] - honest[d]) < 0.015
    for d in ("labels swapped in a block", "wrong labels here and there"):
        assert 0.06 < honest[d] - reported[d] < 0.1
    assert abs(reported["labels swapped in a block"] - reported["wrong labels here and there"]) < 0.01
    # A block of swapped labels is found less often in small studies and with a weak effect.
    block = [
        planted_defect(defect="labels swapped in a block", repeats=400, **at).draws["found"].mean()
        for at in ({"n_scans": 100}, {"effect": 1.0}, {"effect": 0.0})
    ]
    assert block[0] < 0.9 and block[1] < 0.9 and block[2] < 0.6


def test_the_truth_of_the_sound_study_is_that_of_a_linear_rule():
    """Nothing planted: the exact score is just below the best possible one, Phi(d / 2), for 300 scans, 20
    columns."""
    for effect in (0.8, 2.0):
        true = planted_defect(defect="nothing", effect=effect, repeats=300).draws["true"].mean()
        assert stats.norm.cdf(effect / 2) - 0.04 < true < stats.norm.cdf(effect / 2)


def test_the_distance_at_which_the_pooled_correlation_is_zero():
    draws = two_sites_paradox(distance=2 * np.sqrt(0.5), n_per_site=2000, repeats=200).draws
    assert draws["pooled"].mean() == pytest.approx(0, abs=0.005)
    assert 2 * np.sqrt(0.5) == pytest.approx(1.41, abs=0.005)  # as the lesson says


def test_a_mark_of_the_scanner():
    marked = scanner_mark(repeats=300).draws
    assert marked["reported"].mean() == pytest.approx(0.90, abs=0.02)  # what the mark alone would give
    assert marked["true"].mean() < 0.56
    absent = scanner_mark(brightness=0.0, repeats=300).draws
    assert absent["reported"].mean() == pytest.approx(absent["true"].mean(), abs=0.02)
    unrelated = scanner_mark(agreement=0.5, repeats=300).draws
    assert unrelated["reported"].mean() == pytest.approx(unrelated["true"].mean(), abs=0.02)
    assert unrelated["true"].mean() > 0.75
    faint = scanner_mark(brightness=0.5, repeats=300).draws
    assert marked["true"].mean() < faint["true"].mean() < absent["true"].mean()


def test_the_truth_of_the_mark_is_that_of_new_pictures():
    """The closed form against new subjects drawn from the same simulation, scored by scikit-learn's ridge
    rule."""

    def pictures(seed, **settings):
        studies = scanner_mark.recruited(
            scanner_mark.checked({"brightness": 0.5, "size": 20} | settings), seed
        )
        return studies.X + studies.base, studies.y

    exact = scanner_mark(repeats=10, agreement=0.8, brightness=0.5, size=20).draws["true"]
    X, y = pictures(0, agreement=0.8)
    new, new_y = pictures(1, agreement=0.5, n_scans=400)
    new, new_y = new.reshape(-1, new.shape[2]), np.tile(new_y, 10)
    drawn = [RidgeClassifier(alpha=20).fit(study, y).score(new, new_y) for study in X]
    assert np.mean(drawn) == pytest.approx(exact.mean(), abs=0.02)
    np.testing.assert_allclose(drawn, exact, rtol=0, atol=0.04)


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


def test_oasis_at_first_sight():
    visits = load("oasis2").table
    gap = visits["SES"].isna()
    assert gap.sum() == 19 and set(visits.loc[gap, "Group"]) == {"Demented"}
    people = visits.groupby("Subject.ID").agg(gap=("SES", lambda s: s.isna().any()), group=("Group", "first"))
    assert people["gap"].sum() == 8
    table = pd.crosstab(people["gap"], people["group"] != "Nondemented")
    assert table.to_numpy().tolist() == [[72, 70], [0, 8]]
    p = stats.fisher_exact(table).pvalue
    assert 0.005 < p < 0.01
    converted = visits[visits["Group"] == "Converted"]
    assert len(converted) == 37 and (converted["CDR"] == 0).sum() == 18
    demented_since = converted[converted["CDR"] > 0].groupby("Subject.ID")["MR.Delay"].min()
    well = converted[converted["CDR"] == 0]
    years = (well["Subject.ID"].map(demented_since) - well["MR.Delay"]) / 365.25
    assert (years > 0).sum() == 17 and (years > 2).sum() == 14
    assert ((visits["Group"] == "Nondemented") & (visits["CDR"] > 0)).sum() == 2
