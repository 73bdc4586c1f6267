"""What lesson 06 says about ComBat and the package combatlearn; its panel goes the same way as ComBat."""

import numpy as np
import pandas as pd
import pytest
from combatlearn import ComBat
from harness import repetitions
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from simulations.other_sites import HARMONISATIONS, harmonised_sites


def study(seed, n=60, p=100, scanner=0.5):
    """As in the lesson: pure noise from three sites with 20, 50 and 80 % patients."""
    rng = np.random.default_rng(seed)
    subjects = [f"sub-{number:02d}" for number in range(n)]
    place = pd.Series(np.repeat(["A", "B", "C"], n // 3), index=subjects)
    diagnosis = pd.Series(
        (rng.random(n) < place.map({"A": 0.2, "B": 0.5, "C": 0.8})).astype(int), index=subjects
    )
    offsets = pd.DataFrame(scanner * rng.normal(size=(3, p)), index=["A", "B", "C"])
    table = pd.DataFrame(rng.normal(size=(n, p)), index=subjects) + offsets.loc[place].to_numpy()
    return table.add_prefix("region_"), diagnosis, place


@pytest.fixture
def halves():
    table, diagnosis, place = study(0)
    return table, diagnosis, place, table.index[::2], table.index[1::2]


def test_it_learns_from_the_rows_that_it_is_fitted_to_and_corrects_new_rows_of_the_same_sites(halves):
    table, _, place, train, test = halves
    combat = ComBat(place).fit(table.loc[train])
    inside, outside = combat.transform(table.loc[train]), combat.transform(table.loc[test])

    def distance(rows):
        return rows.groupby(place).mean().std().mean()

    assert distance(inside) < 0.3 * distance(table.loc[train])
    assert distance(outside) < 0.75 * distance(table.loc[test])
    changed = table.copy()
    changed.loc[test] += 5
    pd.testing.assert_frame_equal(ComBat(place).fit(changed.loc[train]).transform(table.loc[test]), outside)


def test_rows_are_looked_up_by_their_names(halves):
    table, _, place, train, test = halves
    combat = ComBat(place.sample(frac=1, random_state=0)).fit(table.loc[train])
    one = combat.transform(table.loc[test])
    pd.testing.assert_frame_equal(combat.transform(table.loc[test[::-1]]).loc[test], one)
    # Without names, in the folds of a cross-validation, it says so.
    with pytest.raises(ValueError, match="label-aligned"):
        ComBat(place.to_numpy()).fit(table.loc[train].to_numpy())


def test_an_unseen_site_is_refused(halves):
    table, diagnosis, place, *_ = halves
    with pytest.raises(ValueError, match="Unseen batch levels"):
        ComBat(place).fit(table[place != "C"]).transform(table[place == "C"])
    with pytest.raises(ValueError, match="Unseen batch levels"):
        cross_val_score(
            make_pipeline(ComBat(place), RidgeClassifier(10)),
            table,
            diagnosis,
            groups=place,
            cv=LeaveOneGroupOut(),
            error_score="raise",
        )


def test_a_protected_diagnosis_of_a_test_row_is_looked_up_and_changes_the_row(halves):
    table, diagnosis, place, train, test = halves
    combat = ComBat(place, discrete_covariates=diagnosis, method="fortin").fit(table.loc[train])
    known = combat.transform(table.loc[test])
    combat.discrete_covariates = 1 - diagnosis
    assert np.abs(combat.transform(table.loc[test]) - known).to_numpy().max() > 0.05
    combat.discrete_covariates = diagnosis.loc[train]  # a patient whose diagnosis is not known yet
    with pytest.raises(KeyError):
        combat.transform(table.loc[test])


def test_outside_the_folds_the_error_goes_either_way_and_the_panel_agrees():
    """AUC of pure noise, the mean of studies; the panel has no empirical Bayes step and goes the same way."""
    found = []
    for seed in range(repetitions(3, 6)):
        table, diagnosis, place = study(seed)
        protecting = ComBat(place, discrete_covariates=diagnosis, method="fortin")
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        tables = {
            "no harmonisation": table,
            "outside the folds": ComBat(place).fit_transform(table),
            "outside, diagnosis protected": protecting.fit_transform(table),
        }
        row = {
            name: cross_val_score(RidgeClassifier(10), one, diagnosis, cv=folds, scoring="roc_auc").mean()
            for name, one in tables.items()
        }
        for name, combat in (
            ("inside the folds", ComBat(place)),
            ("inside, diagnosis protected", protecting),
        ):
            model = make_pipeline(combat, RidgeClassifier(10))
            row[name] = cross_val_score(model, table, diagnosis, cv=folds, scoring="roc_auc").mean()
        found.append(row)
    combat = pd.DataFrame(found).mean()
    panel = dict(
        zip(
            HARMONISATIONS,
            harmonised_sites(site_mark=0.5, repeats=200).draws["reported"].mean(axis=0),
            strict=True,
        )
    )
    for scores in (combat, panel):
        assert scores["outside the folds"] < 0.42
        assert scores["outside, diagnosis protected"] > 0.6
        assert scores["inside, diagnosis protected"] > scores["inside the folds"] + 0.04
        assert 0.44 < scores["inside the folds"] < 0.6
        assert scores["no harmonisation"] > 0.53


def published(X, site):
    """ComBat's parametric empirical Bayes as published (Johnson 2007): priors over the features of a site."""
    X = X.to_numpy()
    grand = X.mean(axis=0)
    means = site.to_numpy()
    centre = np.stack([X[means == s].mean(axis=0) for s in means])
    sd = np.sqrt(((X - centre) ** 2).mean(axis=0))
    Z, out = (X - grand) / sd, np.empty_like(X)
    for s in np.unique(means):
        rows = means == s
        gamma, delta, n = Z[rows].mean(axis=0), Z[rows].var(axis=0, ddof=1), rows.sum()
        prior, spread, m, v = gamma.mean(), gamma.var(ddof=1), delta.mean(), delta.var(ddof=1)
        a, b = (2 * v + m**2) / v, (m * v + m**3) / v
        g, d = gamma, delta
        for _ in range(200):
            g = (spread * n * gamma + d * prior) / (spread * n + d)
            d = (0.5 * ((Z[rows] - g) ** 2).sum(axis=0) + b) / (n / 2 + a - 1)
        out[rows] = (Z[rows] - g) / np.sqrt(d)
    return out * sd + grand


def test_how_far_the_package_is_from_combat_as_published():
    """The lesson says .06 standard deviations, of a correction of about .4: shrunk otherwise."""
    differences = []
    for seed in range(3):
        table, _, place = study(seed)
        corrected = ComBat(place).fit_transform(table).to_numpy()
        differences.append(np.sqrt(np.mean((corrected - published(table, place)) ** 2)))
        moved = np.sqrt(np.mean((corrected - table.to_numpy()) ** 2))
        assert moved == pytest.approx(0.4, abs=0.05)
    assert np.mean(differences) == pytest.approx(0.06, abs=0.005)
