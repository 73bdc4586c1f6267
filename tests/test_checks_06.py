"""The exercise on external validation: right answers, however written, pass; each wrong one gets its own reason."""

import numpy as np
import pandas as pd
import pytest
from answers import answers
from scipy import stats
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils import checks

RIGHT, WRONG, right, wrong = answers()


# Task 1: the same columns


@right("same_columns")
def code_then_unit(ours, theirs, factors, missing_code):
    common = [name for name in ours if name in theirs]
    theirs = theirs[common].replace(missing_code, np.nan)
    for name, factor in factors.items():
        theirs[name] = theirs[name] * factor
    return ours[common], theirs


@right("same_columns")
def sorted_and_masked(ours, theirs, factors, missing_code):
    common = sorted(set(ours.columns) & set(theirs.columns))
    scale = pd.Series(factors).reindex(common).fillna(1)
    return ours[common].copy(), theirs[common].mask(theirs[common] == missing_code).mul(scale)


@right("same_columns")
def unit_then_the_converted_code(ours, theirs, factors, missing_code):
    theirs = theirs.copy()
    gaps = theirs == missing_code
    for name in factors:
        theirs[name] *= factors[name]
    theirs[gaps] = None
    common = ours.columns.intersection(theirs.columns)
    return [ours.loc[:, common], theirs.loc[:, common]]


@right("same_columns")
def column_by_column(ours, theirs, factors, missing_code):
    kept = {}
    for name in theirs:
        if name in ours:
            values = theirs[name].to_numpy(float)
            kept[name] = np.where(values == missing_code, np.nan, values * factors.get(name, 1))
    return ours[list(kept)], pd.DataFrame(kept, index=theirs.index)


@wrong("same_columns", "in theirs now", "drop it now")
def filled_with_our_mean(ours, theirs, factors, missing_code):
    theirs = theirs.replace(missing_code, np.nan)
    for name in ours:
        theirs[name] = theirs[name] * factors.get(name, 1) if name in theirs else ours[name].mean()
    return ours, theirs[list(ours)]


@wrong("same_columns", "still in ours")
def only_theirs_is_cut(ours, theirs, factors, missing_code):
    return ours, code_then_unit(ours, theirs, factors, missing_code)[1]


@wrong("same_columns", "not in the same order")
def two_orders(ours, theirs, factors, missing_code):
    a, b = code_then_unit(ours, theirs, factors, missing_code)
    return a, b[sorted(b.columns, reverse=True)]


@wrong("same_columns", "Replace the code first")
def unit_then_code(ours, theirs, factors, missing_code):
    common = [name for name in ours if name in theirs]
    theirs = theirs[common].copy()
    for name, factor in factors.items():
        theirs[name] *= factor
    return ours[common], theirs.replace(missing_code, np.nan)


@wrong("same_columns", "still holds the code")
def code_forgotten(ours, theirs, factors, missing_code):
    common = [name for name in ours if name in theirs and name not in factors]
    a, b = code_then_unit(ours, theirs, factors, missing_code)
    b[common] = theirs[common]
    return a, b


@wrong("same_columns", "the unit is still theirs")
def unit_forgotten(ours, theirs, factors, missing_code):
    return code_then_unit(ours, theirs, {}, missing_code)


@wrong("same_columns", "The factor is to multiply with")
def divided(ours, theirs, factors, missing_code):
    return code_then_unit(ours, theirs, {name: 1 / factor for name, factor in factors.items()}, missing_code)


@wrong("same_columns", "Our own column")
def both_converted(ours, theirs, factors, missing_code):
    a, b = code_then_unit(ours, theirs, factors, missing_code)
    return a.assign(**{name: a[name] / 1000 for name in factors}), b


@wrong("same_columns", "keep every row")
def complete_rows(ours, theirs, factors, missing_code):
    a, b = code_then_unit(ours, theirs, factors, missing_code)
    return a.dropna(), b.dropna()


@wrong("same_columns", "Leave it np.nan")
def filled_with_their_median(ours, theirs, factors, missing_code):
    a, b = code_then_unit(ours, theirs, factors, missing_code)
    return a, b.fillna(b.median())


@wrong("same_columns", "missing values were filled in")
def ours_filled(ours, theirs, factors, missing_code):
    a, b = code_then_unit(ours, theirs, factors, missing_code)
    return a.fillna(0), b


@wrong("same_columns", "changes the table `theirs`")
def in_place(ours, theirs, factors, missing_code):
    theirs.replace(missing_code, np.nan, inplace=True)
    return code_then_unit(ours, theirs, factors, missing_code)


@wrong("same_columns", "Return two tables")
def one_table(ours, theirs, factors, missing_code):
    return pd.concat(code_then_unit(ours, theirs, factors, missing_code))


@wrong("same_columns", "which only the others have")
def their_column_kept(ours, theirs, factors, missing_code):
    a, b = code_then_unit(ours, theirs, factors, missing_code)
    return a.assign(field_strength=np.nan), b.assign(field_strength=theirs["field_strength"])


@wrong("same_columns", "Keep all common columns")
def converted_columns_dropped(ours, theirs, factors, missing_code):
    a, b = code_then_unit(ours, theirs, factors, missing_code)
    return a.drop(columns=list(factors)), b.drop(columns=list(factors))


# Task 2: the AUC with an interval


def standard_error(auc, m, n):
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    return np.sqrt((auc * (1 - auc) + (m - 1) * (q1 - auc**2) + (n - 1) * (q2 - auc**2)) / (m * n))


@right("auc_with_interval")
def bootstrap(y, risk):
    rng = np.random.default_rng(0)
    drawn = []
    while len(drawn) < 200:
        rows = rng.integers(0, len(y), len(y))
        if 0 < y[rows].sum() < len(y):
            drawn.append(roc_auc_score(y[rows], risk[rows]))
    return roc_auc_score(y, risk), np.quantile(drawn, 0.025), np.quantile(drawn, 0.975)


@right("auc_with_interval")
def hanley_mcneil(y, risk):
    auc = roc_auc_score(y, risk)
    half = stats.norm.isf(0.025) * standard_error(auc, y.sum(), len(y) - y.sum())
    return [auc, max(auc - half, 0), min(auc + half, 1)]


@right("auc_with_interval")
def delong(y, risk):
    wins = (risk[y == 1][:, None] > risk[y == 0]) + 0.5 * (risk[y == 1][:, None] == risk[y == 0])
    auc = wins.mean()
    variance = wins.mean(axis=1).var(ddof=1) / y.sum() + wins.mean(axis=0).var(ddof=1) / (1 - y).sum()
    return np.array([auc, auc - 1.96 * variance**0.5, auc + 1.96 * variance**0.5])


@right("auc_with_interval")
def bootstrap_within_groups_unseeded(y, risk):
    rng = np.random.default_rng()
    a, b = risk[y == 1], risk[y == 0]
    drawn = [(rng.choice(a, len(a))[:, None] > rng.choice(b, len(b))).mean() for _ in range(300)]
    return (roc_auc_score(y, risk), *np.quantile(drawn, [0.025, 0.975]))


@wrong("auc_with_interval", "1.96 times to either side")
def one_standard_error(y, risk):
    auc = roc_auc_score(y, risk)
    se = standard_error(auc, y.sum(), len(y) - y.sum())
    return auc, auc - se, auc + se


@wrong("auc_with_interval", "The rarer group decides")
def all_subjects_alike(y, risk):
    auc = roc_auc_score(y, risk)
    half = 1.96 * np.sqrt(auc * (1 - auc) / len(y))
    return auc, auc - half, auc + half


@wrong("auc_with_interval", "not calls at a threshold")
def of_the_calls(y, risk):
    auc = roc_auc_score(y, risk > 0.5)
    return auc, auc - 0.1, auc + 0.1


@wrong("auc_with_interval", "turned round")
def reversed_risk(y, risk):
    auc = roc_auc_score(y, -risk)
    return auc, auc - 0.1, auc + 0.1


@wrong("auc_with_interval", "The lower one comes first")
def upper_first(y, risk):
    auc, low, high = hanley_mcneil(y, risk)
    return auc, high, low


@wrong("auc_with_interval", "3 numbers, in this order")
def no_interval(y, risk):
    return roc_auc_score(y, risk)


@wrong("auc_with_interval", "times of what it should be")
def the_range_of_the_draws(y, risk):
    auc, low, high = hanley_mcneil(y, risk)
    return auc, auc - 2 * (auc - low), auc + 2 * (high - auc)


@wrong("auc_with_interval", "the draws are for the interval only")
def middle_of_the_draws(y, risk):
    auc, low, high = hanley_mcneil(y, risk)
    return auc + 0.002, low, high


@wrong("auc_with_interval", "Return the AUC first")
def auc_in_the_middle(y, risk):
    auc, low, high = hanley_mcneil(y, risk)
    return low, auc, high


@wrong("auc_with_interval", "drawn with replacement")
def without_replacement(y, risk):
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(200):
        rows = rng.permutation(len(y))[: int(0.8 * len(y))]
        drawn.append(roc_auc_score(y[rows], risk[rows]))
    return roc_auc_score(y, risk), *np.quantile(drawn, [0.025, 0.975])


@wrong("auc_with_interval", "does not hold the AUC")
def half_widths(y, risk):
    auc, low, high = hanley_mcneil(y, risk)
    return auc, auc - high, auc - low


# Task 3: calibration


def shift(y, log_odds):
    return brentq(lambda a: expit(log_odds + a).mean() - y.mean(), -20, 20)


@right("calibration")
def root_and_regression(y, risk):
    log_odds = logit(risk)
    return shift(y, log_odds), LogisticRegression(C=1e8).fit(log_odds[:, None], y).coef_[0, 0]


@right("calibration")
def likelihood(y, risk):
    log_odds = np.log(risk / (1 - risk))

    def loss(a, b):
        eta = a + b * log_odds
        return np.sum(np.logaddexp(0, eta) - y * eta)

    return [minimize(lambda p: loss(p[0], 1.0), [0.0]).x[0], minimize(lambda p: loss(*p), [0.0, 1.0]).x[1]]


@right("calibration")
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


@wrong("calibration", "Hold the slope at 1")
def both_free(y, risk):
    model = LogisticRegression(C=np.inf).fit(logit(risk)[:, None], y)
    return model.intercept_[0], model.coef_[0, 0]


@wrong("calibration", "C=np.inf")
def with_the_penalty(y, risk):
    return shift(y, logit(risk)), LogisticRegression().fit(logit(risk)[:, None], y).coef_[0, 0]


@wrong("calibration", "scale of the log odds")
def difference_of_shares(y, risk):
    return y.mean() - risk.mean(), root_and_regression(y, risk)[1]


@wrong("calibration", "compares the log odds of two averages")
def log_odds_of_the_mean_risk(y, risk):
    return logit(y.mean()) - logit(risk.mean()), root_and_regression(y, risk)[1]


@wrong("calibration", "compares the log odds of two averages")
def mean_of_the_log_odds(y, risk):
    return logit(y.mean()) - logit(risk).mean(), root_and_regression(y, risk)[1]


@wrong("calibration", "about the risk itself")
def slope_of_the_risk(y, risk):
    return shift(y, logit(risk)), LogisticRegression(C=np.inf).fit(risk[:, None], y).coef_[0, 0]


@wrong("calibration", "The intercept comes first")
def slope_first(y, risk):
    return root_and_regression(y, risk)[::-1]


@wrong("calibration", "turned round")
def sign_turned(y, risk):
    intercept, slope = root_and_regression(y, risk)
    return -intercept, slope


@wrong("calibration", "2 numbers, in this order")
def brier(y, risk):
    return np.mean((y - risk) ** 2)


@wrong("calibration", "Look at the slope")
def slope_of_the_means(y, risk):
    return shift(y, logit(risk)), np.polyfit(risk, y, 1)[0]


# Task 4: the operating point


def youden(y, risk):
    false_positive, true_positive, cuts = roc_curve(y, risk)
    return cuts[np.argmax(true_positive - false_positive)]


def rates(y, called):
    return called[y == 1].mean(), 1 - called[y == 0].mean()


LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


@right("operating_point")
def cross_validated_youden(X, y, X_external, y_external):
    risk = cross_val_predict(LOGISTIC, X, y, cv=5, method="predict_proba")[:, 1]
    return rates(y_external, LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1] >= youden(y, risk))


@right("operating_point")
def fixed_beforehand(X, y, X_external, y_external):
    return np.array(rates(y_external, LinearDiscriminantAnalysis().fit(X, y).predict(X_external) == 1))


@right("operating_point")
def equal_rates_inside(X, y, X_external, y_external):
    model = GaussianNB().fit(X, y)
    risk = model.predict_proba(X)[:, 1]
    cuts = np.linspace(0.05, 0.95, 91)
    gap = [abs((risk[y == 1] >= c).mean() - (risk[y == 0] < c).mean()) for c in cuts]
    return list(rates(y_external, model.predict_proba(X_external)[:, 1] >= cuts[np.argmin(gap)]))


@right("operating_point")
def unseeded_folds(X, y, X_external, y_external):
    folds = StratifiedKFold(5, shuffle=True)
    risk = cross_val_predict(LOGISTIC, X, y, cv=folds, method="predict_proba")[:, 1]
    return rates(y_external, LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1] >= youden(y, risk))


@wrong("operating_point", "scaled by its own mean")
def scaled_by_its_own_mean(X, y, X_external, y_external):
    X, X_external = StandardScaler().fit_transform(X), StandardScaler().fit_transform(X_external)
    return cross_validated_youden(X, y, X_external, y_external)


@wrong("operating_point", "these diagnoses had a say")
def threshold_from_outside(X, y, X_external, y_external):
    risk = LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1]
    return rates(y_external, risk >= youden(y_external, risk))


@wrong("operating_point", "these diagnoses had a say")
def fitted_outside(X, y, X_external, y_external):
    return rates(y_external, LOGISTIC.fit(X_external, y_external).predict(X_external) == 1)


@wrong("operating_point", "had a say in the fit")
def fitted_to_both(X, y, X_external, y_external):
    model = LOGISTIC.fit(np.r_[X, X_external], np.r_[y, y_external])
    cut = youden(y, model.predict_proba(X)[:, 1])
    return rates(y_external, model.predict_proba(X_external)[:, 1] >= cut)


@wrong("operating_point", "do not depend on the share of patients")
def moved_by_the_external_share(X, y, X_external, y_external):
    """Adds the difference of the shares to the log odds: right for risks, but then the threshold is no longer the one of inside."""
    risk = cross_val_predict(LOGISTIC, X, y, cv=5, method="predict_proba")[:, 1]
    log_odds = logit(LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1]) + logit(y_external.mean()) - logit(y.mean())
    return rates(y_external, expit(log_odds) >= youden(y, risk))


@wrong("operating_point", "not measured in the external cohort")
def measured_at_home(X, y, X_external, y_external):
    risk = cross_val_predict(LOGISTIC, X, y, cv=5, method="predict_proba")[:, 1]
    return rates(y, risk >= youden(y, risk))


@wrong("operating_point", "The sensitivity comes first")
def specificity_first(X, y, X_external, y_external):
    return cross_validated_youden(X, y, X_external, y_external)[::-1]


@wrong("operating_point", "return what is right")
def the_errors(X, y, X_external, y_external):
    return [1 - one for one in cross_validated_youden(X, y, X_external, y_external)]


@wrong("operating_point", "percentages")
def in_percent(X, y, X_external, y_external):
    return [100 * one for one in cross_validated_youden(X, y, X_external, y_external)]


@wrong("operating_point", "whatever the data are")
def what_theory_says(X, y, X_external, y_external):
    return 0.84, 0.84


@wrong("operating_point", "adjusted to the external cohort")
def as_many_as_at_home(X, y, X_external, y_external):
    """Calls half of the external cohort, as half are patients at home, but of the small one only."""
    risk = LOGISTIC.fit(X, y).predict_proba(X_external)[:, 1]
    cut = np.median(risk) if 0.3 < y_external.mean() < 0.7 else 0.5
    return rates(y_external, risk >= cut)


@pytest.mark.parametrize(("task", "name"), RIGHT)
@pytest.mark.parametrize("seed", [0, 1])
def test_right_answers_pass(task, name, seed):
    verdict = getattr(checks, task)(RIGHT[task, name], seed=seed)
    assert verdict.passed, verdict


@pytest.mark.parametrize(("task", "name"), WRONG)
def test_wrong_answers_get_their_reason(task, name):
    function, words = WRONG[task, name]
    verdict = getattr(checks, task)(function, seed=3)
    assert not verdict.passed, verdict
    for word in words:
        assert word in verdict.reason, verdict.reason


def test_an_interval_as_narrow_as_one_of_90_percent_is_remarked():
    def of_90_percent(y, risk):
        auc, low, high = delong(y, risk)
        return auc, auc - (auc - low) * 1.645 / 1.96, auc + (high - auc) * 1.645 / 1.96

    assert "is yours an interval of 95 %?" in checks.auc_with_interval(of_90_percent, seed=0).reason
    assert "is yours" not in checks.auc_with_interval(delong, seed=0).reason


@pytest.mark.parametrize("task", sorted({task for task, _ in RIGHT}))
def test_the_unwritten_function_is_told_so(task):
    assert "not written yet" in getattr(checks, task)(...).reason
    assert sum(t == task for t, _ in RIGHT) >= 3 and sum(t == task for t, _ in WRONG) >= 5
