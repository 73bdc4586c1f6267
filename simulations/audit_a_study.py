"""Lesson 09: what single flaws do to a study.

The study itself, its people and its flaws, stands in `review.study`, which also carries out many studies at
once; the same study in plain scikit-learn stands here.
"""

import functools
import itertools

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from review.flaws import FLAWS, MOVING, with_companions
from review.study import (
    FEATURES,
    LATER,
    SITE_OFFSET,
    SITES,
    carry_out_stack,
    deal,
    directions,
    one_thread,
    plan_stacks,
    recruit_scans,
    stream,
)
from utils.drawing import ridges
from utils.simulation import Among, Studies, Whole, simulation

# One study, in plain scikit-learn


class BySite(TransformerMixin, BaseEstimator):
    """Subtract each site's mean from the features; the last column names the site, and is dropped."""

    def __init__(self, centred=True):
        self.centred = centred

    def fit(self, X, y=None):
        self.means_ = np.zeros((len(SITES), X.shape[1] - 1))
        for site in range(len(SITES)):
            self.means_[site, :FEATURES] = X[X[:, -1] == site, :FEATURES].mean(0) if self.centred else 0
        return self

    def transform(self, X):
        return X[:, :-1] - self.means_[X[:, -1].astype(int)]


def difference(X, y):
    """The difference between the groups in every column, in units of its standard error."""
    one, other = X[y == 1], X[y == 0]
    return np.abs(one.mean(0) - other.mean(0)) / np.sqrt(one.var(0) / len(one) + other.var(0) / len(other))


def with_synthetic_controls(X, y, person, site, rng):
    """Mixtures of a control and one of its five nearest ones, until there are as many as patients."""
    controls = np.flatnonzero(y == 0)
    missing = np.sum(y == 1) - len(controls)
    first, turn, share = (
        rng.integers(0, len(controls), missing),
        rng.integers(0, 5, missing),
        rng.uniform(0, 0.5, missing),
    )
    mixtures = []
    for one, number, part in zip(controls[first], turn, share, strict=True):
        others = controls[person[controls] != person[one]]
        nearest = NearestNeighbors(n_neighbors=5).fit(X[others]).kneighbors(X[[one]])[1][0]
        mixtures.append(X[one] + part * (X[others[nearest[number]]] - X[one]))
    people = np.append(person, person.max() + 1 + np.arange(missing))
    return (
        np.vstack([X, mixtures]),
        np.append(y, np.zeros(missing, int)),
        people,
        np.append(site, site[controls[first]]),
    )


def table_of(study, flaws):
    """The table that enters cross-validation (features, in the last column the site), diagnoses, people."""
    scans = recruit_scans(study.design, flaws).of_study(study.number)
    X, y, person, site = scans.X.astype(float), scans.y, scans.person, scans.site
    if "harmonised" in flaws:
        effects = np.column_stack([site[:, None] == np.arange(len(SITES)), y - y.mean()])
        X = X - effects[:, :-1] @ LinearRegression(fit_intercept=False).fit(effects, X).coef_[:, :-1].T
    if "oversampling" in flaws:
        rng = stream(study.design.seed, "mixing")
        X, y, person, site = with_synthetic_controls(X, y, person, site, rng)
    if "target" in flaws:
        X = np.column_stack([X, scans.dose])
    return np.column_stack([X, site]), y, person


def model_of(columns, kept, penalty, centred):
    """Site means, columns to choose from, the best of them, ridge regression on the labels."""
    return make_pipeline(
        BySite(centred),
        FunctionTransformer(np.take, kw_args={"indices": columns, "axis": 1}),
        SelectKBest(difference, k="all" if kept is None else min(kept, len(columns))),
        StandardScaler(),
        RidgeClassifier(alpha=penalty, class_weight="balanced"),
    )


def true_score(model, cut, study, columns, centred, harmonised):
    """Balanced accuracy of the model in endless people at ten new sites, before anybody is diagnosed."""
    # The model is linear: its weights are read off at 0 and at one unit of each column, all at one site.
    probes = np.vstack([np.zeros(columns), np.eye(columns)])
    level, *others = model.decision_function(np.column_stack([probes, np.zeros(columns + 1)]))
    weights = np.array(others) - level
    level += weights @ model[0].means_[0] - cut
    weights, of_dose = weights[:FEATURES], weights[FEATURES:]
    distance, sd = weights @ directions(study.design)[study.number], np.linalg.norm(weights)
    if centred or harmonised:
        # A new site is centred by the mean of 300 people of whom each is one; the dose is not.
        offsets, sd = -study.design.patients * distance, np.linalg.norm([sd * np.sqrt(299 / 300), *of_dose])
    else:
        new = stream(study.design.seed, "new").standard_normal((study.design.studies, 10))
        offsets = SITE_OFFSET * sd * new[study.number]
    specificity, sensitivity = norm.cdf(0, level + offsets, sd), norm.sf(0, level + offsets + distance, sd)
    return np.mean((sensitivity + specificity) / 2)


def carried_out(study, flaws):
    """What the study reports with these flaws, and what its final model would really get."""
    design, number = study.design, study.number
    table, y, person = table_of(study, flaws)
    # A study of one diagnosis at each site, or with harmonised features, leaves the sites as they are.
    centred = not {"sites", "harmonised"} & set(flaws)
    everything, kept = np.arange(table.shape[1] - 1), design.kept[number]
    settings = [(everything, kept, 30)]
    if "selection" in flaws:
        best = SelectKBest(difference, k=kept).fit(BySite(centred).fit_transform(table), y)
        settings = [(best.get_support(indices=True), None, 30)]
    if "tuning" in flaws:
        halves = everything, everything[:60], everything[60:]
        settings += itertools.product(halves, [10, 20, 40, None], [3, 300])

    def outputs(setting, *deal_number):
        units = np.arange(len(y)) if "repeated" in flaws else person
        folds = PredefinedSplit(deal(units, y, stream(design.seed, "folds", *deal_number)))
        return cross_val_predict(model_of(*setting, centred), table, y, cv=folds, method="decision_function")

    deals = [(one,) for one in range(10 if "seeds" in flaws else 1)]
    if {"exclusions", "rereading"} & set(flaws):
        means = pd.Series(outputs(settings[0], 0)).groupby(person).mean()
        wrong = (means > 0) != (pd.Series(y).groupby(person).first() == 1)
        luck = stream(design.seed, "luck").random((design.studies, 2 * design.people))[number, means.index]
        caught = np.isin(person, means.index[wrong & (luck < 0.3)])
        if "exclusions" in flaws:
            table, y, person = table[~caught], y[~caught], person[~caught]
        else:
            y = np.where(caught, 1 - y, y)
        deals = [(0, number)]

    reported = -1
    for setting, deal_number in itertools.product(settings, deals):
        found, cuts = outputs(setting, *deal_number), [0.0]
        if "threshold" in flaws:
            ranked = np.sort(found)
            cuts = sorted([0.0, *(ranked[1:] + ranked[:-1]) / 2], key=abs)
        for cut in cuts:
            score = balanced_accuracy_score(y, found > cut)
            if score > reported + 1e-9:
                reported, chosen, final = score, setting, cut
    model = model_of(*chosen, centred).fit(table, y)
    return reported, true_score(model, final, study, len(everything), centred, "harmonised" in flaws)


# Many studies


@simulation(block=10, draw=functools.partial(ridges, label="Balanced accuracy, over many simulated studies"))
class one_flaw:
    """Many studies with one and the same flaw, of those that move the score.

    Draws: balanced accuracies "reported", "honest" (the same study without the flaw) and "true" (the final
    model in endless people at ten new sites). With "harmonised" comes "sites"; both are repaired.
    """

    flaw = Among(
        "selection", *(name for name in MOVING.values() if name != "selection"), label="Flaw", at=MOVING
    )
    per_site = Whole(25, 10, label="People at each of four sites", at=[15, 25, 50, 100])

    def recruit(p, rng, repeats):
        # Some studies scan everybody several times: they stand in a stack of their own. Who is scanned
        # follows from a design and its seed.
        flaws = with_companions([p.flaw])
        stacks = plan_stacks(rng, flaws, p.per_site, repeats)
        places = {
            study: (design, number) for members, design in stacks for number, study in enumerate(members)
        }
        designs, numbers = zip(*(places[study] for study in range(repeats)), strict=True)
        return Studies({"design": designs, "number": numbers}, stacks=stacks, flaws=flaws)

    def one(p, study):
        reported, true = carried_out(study, study.flaws)
        return {"reported": reported, "honest": carried_out(study, ())[0], "true": true}

    def analyse(p, s):
        draws = np.empty((3, sum(design.studies for _, design in s.stacks)))
        with one_thread():
            for members, design in s.stacks:
                flawed = carry_out_stack(design, s.flaws)
                honest = (
                    flawed.first if p.flaw in LATER else carry_out_stack(design, (), truth=False).reported
                )
                draws[:, members] = flawed.reported, honest, flawed.true
        return dict(zip(("reported", "honest", "true"), draws, strict=True))

    def read(p, draws):
        reported, honest, true = (draws[name].mean() for name in ("reported", "honest", "true"))
        return (
            f"{4 * p.per_site} people, one flaw ({FLAWS[p.flaw].accusation}): the study reports "
            f"{reported:.2f}; without the flaw it would report {honest:.2f}; the truth is {true:.2f}."
        )
