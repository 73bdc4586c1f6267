"""The exercise on an external table: right answers pass, however written; wrong ones get their reason."""

import numpy as np
import pandas as pd
from answers import Answers
from scipy import stats
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from checks import an_external_table as checks

book = Answers(checks)


# Task 1: the same columns


@book.right("same_columns")
def code_then_unit(ours, theirs, factors, missing_code):
    common = [name for name in ours if name in theirs]
    theirs = theirs[common].replace(missing_code, np.nan)
    for name, factor in factors.items():
        theirs[name] = theirs[name] * factor
    return ours[common], theirs


@book.right("same_columns")
def sorted_and_masked(ours, theirs, factors, missing_code):
    common = sorted(set(ours.columns) & set(theirs.columns))
    scale = pd.Series(factors).reindex(common).fillna(1)
    return ours[common].copy(), theirs[common].mask(theirs[common] == missing_code).mul(scale)


@book.right("same_columns")
def unit_then_the_converted_code(ours, theirs, factors, missing_code):
    theirs = theirs.copy()
    gaps = theirs == missing_code
    for name in factors:
        theirs[name] *= factors[name]
    theirs[gaps] = None
    common = ours.columns.intersection(theirs.columns)
    return [ours.loc[:, common], theirs.loc[:, common]]


@book.right("same_columns")
def column_by_column(ours, theirs, factors, missing_code):
    kept = {}
    for name in theirs:
        if name in ours:
            values = theirs[name].to_numpy(float)
            kept[name] = np.where(values == missing_code, np.nan, values * factors.get(name, 1))
    return ours[list(kept)], pd.DataFrame(kept, index=theirs.index)


@book.wrong("same_columns", "in their table", "is still there")
def filled_with_our_mean(ours, theirs, factors, missing_code):
    theirs = theirs.replace(missing_code, np.nan)
    for name in ours:
        theirs[name] = theirs[name] * factors.get(name, 1) if name in theirs else ours[name].mean()
    return ours, theirs[list(ours)]


@book.wrong("same_columns", "Keep every row")
def complete_rows(ours, theirs, factors, missing_code):
    a, b = code_then_unit(ours, theirs, factors, missing_code)
    return a.dropna(), b.dropna()


@book.wrong("same_columns", "Leave it np.nan")
def filled_with_their_median(ours, theirs, factors, missing_code):
    a, b = code_then_unit(ours, theirs, factors, missing_code)
    return a, b.fillna(b.median())


@book.wrong("same_columns", "in our table", "Leave it np.nan")
def ours_filled(ours, theirs, factors, missing_code):
    a, b = code_then_unit(ours, theirs, factors, missing_code)
    return a.fillna(0), b


@book.wrong("same_columns", "changes the theirs")
def in_place(ours, theirs, factors, missing_code):
    theirs.replace(missing_code, np.nan, inplace=True)
    return code_then_unit(ours, theirs, factors, missing_code)


book.short_wrongs(
    "same_columns",
    only_theirs_is_cut=(
        lambda ours, theirs, factors, missing_code: (
            ours,
            code_then_unit(ours, theirs, factors, missing_code)[1],
        ),
        "in our table",
        "is still there",
    ),
    one_table=(
        lambda ours, theirs, factors, missing_code: pd.concat(
            code_then_unit(ours, theirs, factors, missing_code)
        ),
        "Return two tables",
    ),
)


@book.wrong("same_columns", "field_strength")
def their_column_kept(ours, theirs, factors, missing_code):
    a, b = code_then_unit(ours, theirs, factors, missing_code)
    return a.assign(field_strength=np.nan), b.assign(field_strength=theirs["field_strength"])


# Task 2: the AUC with an interval


def standard_error(auc, m, n):
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    return np.sqrt((auc * (1 - auc) + (m - 1) * (q1 - auc**2) + (n - 1) * (q2 - auc**2)) / (m * n))


def pairs_won(y, risk):
    return (risk[y == 1][:, None] > risk[y == 0]) + 0.5 * (risk[y == 1][:, None] == risk[y == 0])


def drawn(y, risk, draws, rng):
    """AUCs of samples with replacement, of all subjects: how often everyone is drawn is a weight."""
    weight = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), draws)
    a, b = weight[:, y == 1], weight[:, y == 0]
    return np.sum(a @ pairs_won(y, risk) * b, axis=1) / (a.sum(axis=1) * b.sum(axis=1))


@book.right("auc_with_interval", draws=(1000, 300, 200))
def bootstrap(y, risk, draws):
    found = drawn(y, risk, draws, np.random.default_rng(0))
    return roc_auc_score(y, risk), *np.quantile(found, [0.025, 0.975])


@book.wrong("auc_with_interval", "too narrow", ends=((0.05, 0.95), (0.1, 0.9), (0.25, 0.75)))
def other_quantiles(y, risk, ends):
    return roc_auc_score(y, risk), *np.quantile(drawn(y, risk, 500, np.random.default_rng(0)), ends)


@book.wrong("auc_with_interval", "scale of the logit", times=(1.96, 2))
def plus_and_minus_the_scatter_of_the_draws(y, risk, times):
    auc, scatter = roc_auc_score(y, risk), drawn(y, risk, 500, np.random.default_rng(0)).std()
    return auc, auc - times * scatter, auc + times * scatter


def hanley_mcneil(y, risk):
    auc = roc_auc_score(y, risk)
    return auc, standard_error(auc, y.sum(), len(y) - y.sum())


def delong(y, risk):
    wins = pairs_won(y, risk)
    variance = wins.mean(axis=1).var(ddof=1) / y.sum() + wins.mean(axis=0).var(ddof=1) / (1 - y).sum()
    return wins.mean(), variance**0.5


FORMULAS = {"Hanley": hanley_mcneil, "DeLong": delong}


def on_the_logit(auc, error, times=1.96):
    half = times * error / (auc * (1 - auc))
    return auc, expit(logit(auc) - half), expit(logit(auc) + half)


@book.right("auc_with_interval", formula=("Hanley", "DeLong"))
def formula_on_the_logit_scale(y, risk, formula):
    return [round(float(one), 4) for one in on_the_logit(*FORMULAS[formula](y, risk))]


@book.right("auc_with_interval")
def bootstrap_within_groups_unseeded(y, risk):
    rng = np.random.default_rng()
    a, b = risk[y == 1], risk[y == 0]
    drawn = [(rng.choice(a, len(a))[:, None] > rng.choice(b, len(b))).mean() for _ in range(300)]
    return (roc_auc_score(y, risk), *np.quantile(drawn, [0.025, 0.975]))


@book.wrong("auc_with_interval", "too narrow", times=(1, 1.645, 1.3))
def too_few_standard_errors(y, risk, times):
    return on_the_logit(*delong(y, risk), times)


@book.wrong("auc_with_interval", "too wide", times=(2.576, 3.29, 2 * 1.96))
def too_many_standard_errors(y, risk, times):
    return on_the_logit(*delong(y, risk), times)


@book.wrong("auc_with_interval", "The rarer group decides", times=(1.05, 1.1, 1.15))
def all_subjects_alike(y, risk, times):
    auc = roc_auc_score(y, risk)
    return on_the_logit(auc, np.sqrt(auc * (1 - auc) / len(y)) * times)


@book.wrong("auc_with_interval", "where each of the two numbers stands")
def groups_exchanged(y, risk):
    auc = roc_auc_score(y, risk)
    return on_the_logit(auc, standard_error(auc, len(y) - y.sum(), y.sum()))


@book.wrong("auc_with_interval", "scale of the logit", formula=("Hanley", "DeLong"))
def plus_and_minus(y, risk, formula):
    auc, error = FORMULAS[formula](y, risk)
    return auc, auc - 1.96 * error, auc + 1.96 * error


@book.wrong("auc_with_interval", "as far down as up", formula=("Hanley", "DeLong"))
def plus_and_minus_clipped(y, risk, formula):
    auc, low, high = plus_and_minus(y, risk, formula)
    return auc, max(low, 0), min(high, 1)


@book.wrong("auc_with_interval", "not calls at a threshold")
def of_the_calls(y, risk):
    auc = roc_auc_score(y, risk > 0.5)
    return auc, auc - 0.1, auc + 0.1


@book.wrong("auc_with_interval", "turned round")
def reversed_risk(y, risk):
    auc = roc_auc_score(y, -risk)
    return auc, auc - 0.1, auc + 0.1


@book.wrong("auc_with_interval", "The lower end comes first")
def upper_first(y, risk):
    auc, low, high = on_the_logit(*hanley_mcneil(y, risk))
    return auc, high, low


@book.wrong("auc_with_interval", "3 numbers, in this order")
def no_interval(y, risk):
    return roc_auc_score(y, risk)


@book.wrong("auc_with_interval", "draws are for the interval")
def middle_of_the_draws(y, risk):
    auc, low, high = on_the_logit(*hanley_mcneil(y, risk))
    return auc + 0.002, low, high


@book.wrong("auc_with_interval", "Return the AUC first")
def auc_in_the_middle(y, risk):
    auc, low, high = on_the_logit(*hanley_mcneil(y, risk))
    return low, auc, high


@book.wrong("auc_with_interval", "with replacement", slow=True)
def without_replacement(y, risk):
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(200):
        rows = rng.permutation(len(y))[: int(0.8 * len(y))]
        drawn.append(roc_auc_score(y[rows], risk[rows]))
    return roc_auc_score(y, risk), *np.quantile(drawn, [0.025, 0.975])


@book.wrong("auc_with_interval", "does not hold the AUC")
def half_widths(y, risk):
    auc, low, high = on_the_logit(*hanley_mcneil(y, risk))
    return auc, auc - high, auc - low


# Task 3: calibration


def shift(y, log_odds):
    return brentq(lambda a: expit(log_odds + a).mean() - y.mean(), -20, 20)


@book.right("calibration")
def root_and_regression(y, risk):
    log_odds = logit(risk)
    return shift(y, log_odds), LogisticRegression(C=1e8).fit(log_odds[:, None], y).coef_[0, 0]


@book.right("calibration")
def likelihood(y, risk):
    log_odds = np.log(risk / (1 - risk))

    def loss(a, b):
        eta = a + b * log_odds
        return np.sum(np.logaddexp(0, eta) - y * eta)

    return [minimize(lambda p: loss(p[0], 1.0), [0.0]).x[0], minimize(lambda p: loss(*p), [0.0, 1.0]).x[1]]


@book.right("calibration")
def newton(y, risk):
    log_odds = logit(risk)
    answers = []
    for offset, X in ((log_odds, np.ones((len(y), 1))), (0, np.column_stack([np.ones(len(y)), log_odds]))):
        beta = np.zeros(X.shape[1])
        for _ in range(30):
            p = expit(offset + X @ beta)
            beta += np.linalg.solve((X * (p * (1 - p))[:, None]).T @ X, X.T @ (y - p))
        answers.append(beta[-1])
    return np.array(answers)


book.short_wrongs(
    "calibration",
    brier=(lambda y, risk: np.mean((y - risk) ** 2), "2 numbers, in this order"),
)


# Task 4: the operating point


def youden(y, risk):
    false_positive, true_positive, cuts = roc_curve(y, risk)
    return cuts[np.argmax(true_positive - false_positive)]


def rates(y, called):
    return called[y == 1].mean(), 1 - called[y == 0].mean()


LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


@book.right("operating_point")
def cross_validated_youden(X, y, X_external, y_external):
    risk = cross_val_predict(LOGISTIC, X, y, cv=5, method="predict_proba")[:, 1]
    return rates(y_external, LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1] >= youden(y, risk))


@book.right("operating_point")
def youden_of_the_discriminant(X, y, X_external, y_external):
    model = LinearDiscriminantAnalysis()
    cut = youden(y, cross_val_predict(model, X, y, cv=10, method="decision_function"))
    return np.array(rates(y_external, model.fit(X, y).decision_function(X_external) >= cut))


@book.right("operating_point")
def forest_with_its_out_of_bag_risks(X, y, X_external, y_external):
    model = RandomForestClassifier(100, min_samples_leaf=5, oob_score=True, random_state=0).fit(X, y)
    cut = youden(y, model.oob_decision_function_[:, 1])
    return rates(y_external, model.predict_proba(X_external)[:, 1] >= cut)


@book.wrong("operating_point", "any number fixed beforehand", cut=(0.5, 0.3, 0.2))
def fixed_beforehand(X, y, X_external, y_external, cut):
    return rates(y_external, LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1] >= cut)


@book.wrong("operating_point", "predictions of the very scans", trees=(100, 60, 150), slow=True)
def threshold_of_a_forest_on_its_training_scans(X, y, X_external, y_external, trees):
    model = RandomForestClassifier(trees, random_state=0).fit(X, y)
    cut = youden(y, model.predict_proba(X)[:, 1])
    return rates(y_external, model.predict_proba(X_external)[:, 1] >= cut)


@book.wrong("operating_point", "too sure of the scans", model=(LOGISTIC, GaussianNB(), LOGISTIC))
def threshold_of_a_model_on_its_training_scans(X, y, X_external, y_external, model):
    cut = youden(y, model.fit(X, y).predict_proba(X)[:, 1])
    return rates(y_external, model.predict_proba(X_external)[:, 1] >= cut)


@book.wrong("operating_point", "these diagnoses had a say", cuts=((0.4, 0.5, 0.6), (0.3, 0.5), (0.5, 0.55)))
def best_of_two_or_three_outside(X, y, X_external, y_external, cuts):
    risk = LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1]
    return max((rates(y_external, risk >= cut) for cut in cuts), key=sum)


@book.wrong("operating_point", "predictive values")
def predictive_values(X, y, X_external, y_external):
    called = LOGISTIC.fit(X, y).predict(X_external)
    both = [np.mean(y_external[called == one] == one) if np.any(called == one) else 0.0 for one in (1, 0)]
    return both


@book.right("operating_point")
def equal_rates_inside(X, y, X_external, y_external):
    risk = cross_val_predict(GaussianNB(), X, y, cv=5, method="predict_proba")[:, 1]
    cuts = np.unique(risk)
    gap = [abs((risk[y == 1] >= c).mean() - (risk[y == 0] < c).mean()) for c in cuts]
    called = GaussianNB().fit(X, y).predict_proba(X_external)[:, 1] >= cuts[np.argmin(gap)]
    return list(rates(y_external, called))


@book.right("operating_point")
def unseeded_folds(X, y, X_external, y_external):
    folds = StratifiedKFold(5, shuffle=True)
    risk = cross_val_predict(LOGISTIC, X, y, cv=folds, method="predict_proba")[:, 1]
    return rates(y_external, LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1] >= youden(y, risk))


@book.wrong("operating_point", "scaled by its own mean")
def scaled_by_its_own_mean(X, y, X_external, y_external):
    X, X_external = StandardScaler().fit_transform(X), StandardScaler().fit_transform(X_external)
    return cross_validated_youden(X, y, X_external, y_external)


@book.wrong("operating_point", "who else is in the external table", C=(1, 0.3, 0.1))
def scaled_together(X, y, X_external, y_external, C):
    scaler, model = StandardScaler().fit(np.r_[X, X_external]), LogisticRegression(C=C)
    X, X_external = scaler.transform(X), scaler.transform(X_external)
    cut = youden(y, cross_val_predict(model, X, y, cv=5, method="predict_proba")[:, 1])
    return rates(y_external, model.fit(X, y).predict_proba(X_external)[:, 1] >= cut)


@book.wrong("operating_point", "these diagnoses had a say")
def threshold_from_outside(X, y, X_external, y_external):
    risk = LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1]
    return rates(y_external, risk >= youden(y_external, risk))


@book.wrong("operating_point", "these diagnoses had a say")
def fitted_to_both(X, y, X_external, y_external):
    model = LOGISTIC.fit(np.r_[X, X_external], np.r_[y, y_external])
    cut = youden(y, model.predict_proba(X)[:, 1])
    return rates(y_external, model.predict_proba(X_external)[:, 1] >= cut)


@book.wrong("operating_point", "these diagnoses had a say")
def moved_by_the_external_share(X, y, X_external, y_external):
    """Right for risks, but then the threshold is no longer the one of inside."""
    risk = cross_val_predict(LOGISTIC, X, y, cv=5, method="predict_proba")[:, 1]
    log_odds = (
        logit(LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1]) + logit(y_external.mean()) - logit(y.mean())
    )
    return rates(y_external, expit(log_odds) >= youden(y, risk))


@book.wrong("operating_point", "Measure both in the external cohort")
def measured_at_home(X, y, X_external, y_external):
    risk = cross_val_predict(LOGISTIC, X, y, cv=5, method="predict_proba")[:, 1]
    return rates(y, risk >= youden(y, risk))


book.short_wrongs(
    "operating_point",
    fitted_outside=(
        lambda X, y, X_external, y_external: rates(
            y_external, LOGISTIC.fit(X_external, y_external).predict(X_external) == 1
        ),
        "these diagnoses had a say",
    ),
    specificity_first=(
        lambda X, y, X_external, y_external: cross_validated_youden(X, y, X_external, y_external)[::-1],
        "The sensitivity comes first",
    ),
    the_errors=(
        lambda X, y, X_external, y_external: [
            1 - one for one in cross_validated_youden(X, y, X_external, y_external)
        ],
        "Return what is right",
    ),
    in_percent=(
        lambda X, y, X_external, y_external: [
            100 * one for one in cross_validated_youden(X, y, X_external, y_external)
        ],
        "percentages",
    ),
    what_theory_says=(lambda X, y, X_external, y_external: (0.84, 0.84), "0.84 and 0.84, and so it does"),
)


@book.wrong("operating_point", "adjusted to the external cohort")
def as_many_as_at_home(X, y, X_external, y_external):
    """Calls half of the external cohort, as half are patients at home, but of the small one only."""
    risk = LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1]
    cut = np.median(risk) if 0.3 < y_external.mean() < 0.7 else 0.5
    return rates(y_external, risk >= cut)


@book.wrong("operating_point", "it buys the one with the other", share=(0.05, 0.95, 0.1))
def few_patients_missed_at_any_price(X, y, X_external, y_external, share):
    risk = cross_val_predict(LOGISTIC, X, y, cv=5, method="predict_proba")[:, 1]
    cut = np.quantile(risk[y == 1], share) if share < 0.5 else np.quantile(risk[y == 0], share)
    return rates(y_external, LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1] >= cut)


test_right, test_wrong, test_each_task, test_tables = book.tests()


def test_what_the_text_says_of_intervals_near_one():
    """With an AUC of 0.98 in 30 and 30: plus and minus, quantiles of a bootstrap, the scale of the logit."""
    rng, held = np.random.default_rng(0), []
    while len(held) < 500:
        y, risk = checks.risks(rng, 30, 30, stats.norm.ppf(0.98) * np.sqrt(2))
        auc, error = delong(y, risk)
        if auc == 1:
            continue
        ends = [
            (auc - 1.96 * error, auc + 1.96 * error),
            np.quantile(drawn(y, risk, 200, rng), [0.025, 0.975]),
            on_the_logit(auc, error)[1:],
            on_the_logit(*hanley_mcneil(y, risk))[1:],
        ]
        held.append([low <= 0.98 <= high for low, high in ends])
    plain, bootstrap, of_delong, of_hanley = np.mean(held, axis=0)
    assert plain + 0.05 < of_delong < of_hanley
    assert plain < bootstrap < of_delong
