"""The exercise on auditing: right answers, however written, pass; each wrong one gets its own reason."""

import numpy as np
import pandas as pd
import pytest
from answers import answers
from scipy import stats
from sklearn.metrics import roc_auc_score

from utils import checks

RIGHT, WRONG, right, wrong = answers()


# Task 1: the share of each flaw


@right("shares_of_flaws")
def comprehension(study, flaws):
    return {name: study(flaws) - study([other for other in flaws if other != name]) for name in flaws}


@right("shares_of_flaws")
def rounded(study, flaws):
    return {name: round(study(flaws) - study([other for other in flaws if other != name]), 2) for name in flaws}


@right("shares_of_flaws")
def with_sets(study, flaws):
    published = study(set(flaws))
    shares = {}
    for name in flaws:
        shares[name] = published - study(set(flaws) - {name})
    return shares


@right("shares_of_flaws")
def a_series(study, flaws):
    without = [study(flaws[:k] + flaws[k + 1:]) for k in range(len(flaws))]
    return pd.Series(study(flaws) - np.array(without), index=flaws)


@right("shares_of_flaws")
def with_a_copy(study, flaws):
    shares = {}
    for name in flaws:
        rest = flaws.copy()
        rest.remove(name)
        shares[name] = study(flaws) - study(rest)
    return shares


@wrong("shares_of_flaws", "adds one flaw to a sound study")
def added_to_a_sound_study(study, flaws):
    return {name: study([name]) - study([]) for name in flaws}


@wrong("shares_of_flaws", "turned round")
def turned_round(study, flaws):
    return {name: -share for name, share in comprehension(study, flaws).items()}


@wrong("shares_of_flaws", "one flaw after the other")
def one_after_the_other(study, flaws):
    shares, rest = {}, list(flaws)
    for name in flaws:
        before = study(rest)
        rest.remove(name)
        shares[name] = before - study(rest)
    return shares


@wrong("shares_of_flaws", "scores after a repair")
def repaired_scores(study, flaws):
    return {name: study([other for other in flaws if other != name]) for name in flaws}


@wrong("shares_of_flaws", "keeps one flaw")
def keeps_one(study, flaws):
    return {name: study(flaws) - study([name]) for name in flaws}


@wrong("shares_of_flaws", "Work on a copy")
def eats_the_list(study, flaws):
    shares, published = {}, study(flaws)
    for name in list(flaws):
        flaws.remove(name)
        shares[name] = published - study(flaws)
    return shares


@wrong("shares_of_flaws", "parts of their sum")
def parts(study, flaws):
    shares = comprehension(study, flaws)
    return {name: share / sum(shares.values()) for name, share in shares.items()}


@wrong("shares_of_flaws", "a dict")
def a_list(study, flaws):
    return list(comprehension(study, flaws).values())


@wrong("shares_of_flaws", "It lacks seeds")
def without_the_first(study, flaws):
    shares = comprehension(study, flaws)
    return {name: shares[name] for name in flaws[1:]}


@wrong("shares_of_flaws", "study([name])")
def a_name_for_a_list(study, flaws):
    return {name: study(flaws) - study(name) for name in flaws}


# Task 2: an interval that counts people


def per_person(right, subject):
    return pd.Series(right).groupby(np.asarray(subject)).mean().to_numpy()


@right("interval_by_subject")
def means_of_people(right, subject):
    means = per_person(right, subject)
    half = 1.96 * means.std(ddof=1) / np.sqrt(len(means))
    return means.mean() - half, means.mean() + half


@right("interval_by_subject")
def student(right, subject):
    means = per_person(right, subject)
    return stats.t.interval(0.95, len(means) - 1, means.mean(), stats.sem(means))


@right("interval_by_subject")
def bootstrap_of_people(right, subject):
    rng = np.random.default_rng(0)
    people = np.unique(subject)
    rows = [np.flatnonzero(subject == one) for one in people]
    scores = []
    for _ in range(500):
        drawn = rng.integers(0, len(people), len(people))
        scores.append(right[np.concatenate([rows[one] for one in drawn])].mean())
    return tuple(np.quantile(scores, [0.025, 0.975]))


@right("interval_by_subject")
def robust_standard_error(right, subject):
    right = np.asarray(right, float)
    residual = pd.Series(right - right.mean()).groupby(np.asarray(subject)).sum()
    half = 1.96 * np.sqrt((residual**2).sum()) / len(right)
    return [right.mean() - half, right.mean() + half]


@right("interval_by_subject")
def as_if_one_answer_each(right, subject):
    n = len(np.unique(subject))
    return stats.binomtest(round(np.mean(right) * n), n).proportion_ci(method="wilson")


@wrong("interval_by_subject", "counts scans")
def textbook(right, subject):
    half = 1.96 * np.sqrt(np.mean(right) * (1 - np.mean(right)) / len(right))
    return np.mean(right) - half, np.mean(right) + half


@wrong("interval_by_subject", "counts scans")
def bootstrap_of_scans(right, subject):
    rng = np.random.default_rng(0)
    scores = [rng.choice(right, len(right)).mean() for _ in range(500)]
    return tuple(np.quantile(scores, [0.025, 0.975]))


@wrong("interval_by_subject", "too narrow")
def one_standard_error(right, subject):
    means = per_person(right, subject)
    half = means.std(ddof=1) / np.sqrt(len(means))
    return means.mean() - half, means.mean() + half


@wrong("interval_by_subject", "square root of their number")
def spread_of_people(right, subject):
    means = per_person(right, subject)
    return means.mean() - 1.96 * means.std(), means.mean() + 1.96 * means.std()


@wrong("interval_by_subject", "percentages")
def in_percent(right, subject):
    low, high = means_of_people(right, subject)
    return 100 * low, 100 * high


@wrong("interval_by_subject", "The lower one comes first")
def upper_end_first(right, subject):
    return means_of_people(right, subject)[::-1]


@wrong("interval_by_subject", "does not hold the accuracy")
def around_chance(right, subject):
    low, high = means_of_people(right, subject)
    return 0.5 - (high - low) / 2, 0.5 + (high - low) / 2


@wrong("interval_by_subject", "two numbers")
def half_width(right, subject):
    low, high = means_of_people(right, subject)
    return (high - low) / 2


# Task 3: a first audit


def auc(x, y):
    area = roc_auc_score(y, x)
    return max(area, 1 - area)


def distances(X):
    return np.linalg.norm(X[:, None] - X[None], axis=2) + 1e9 * np.eye(len(X))


@right("first_audit")
def plain(X, y, subject, site):
    found = []
    if len(set(subject)) < len(subject):
        found.append("repeated")
    i, j = np.nonzero(distances(X) < 1e-6)
    if np.any(subject[i] != subject[j]):
        found.append("twice")
    if stats.chi2_contingency(pd.crosstab(site, y)).pvalue < 0.01:
        found.append("site")
    if max(auc(x, y) for x in X.T) > 0.95:
        found.append("leak")
    return found


@right("first_audit")
def with_pandas(X, y, subject, site):
    table = pd.DataFrame(X)
    found = set()
    if pd.Series(subject).duplicated().any():
        found.add("repeated")
    if table.round(6).duplicated().any():
        found.add("twice")
    share = pd.Series(y).groupby(site).mean()
    if share.max() - share.min() > 0.4:
        found.add("site")
    if np.abs(table.corrwith(pd.Series(y))).max() > 0.9:
        found.add("leak")
    return found


@right("first_audit")
def with_tests(X, y, subject, site):
    tests = {
        "repeated": np.unique(subject, return_counts=True)[1].max() > 1,
        "twice": len(np.unique(X, axis=0)) < len(X),
        "site": any(stats.binomtest(int(y[site == s].sum()), int((site == s).sum())).pvalue < 0.001 for s in set(site)),
        "leak": any(abs(stats.ttest_ind(x[y == 1], x[y == 0]).statistic) > 20 for x in X.T),
    }
    return tuple(word for word, there in tests.items() if there)


@wrong("first_audit", "does not say 'twice'")
def trusts_the_ids(X, y, subject, site):
    return [word for word in plain(X, y, subject, site) if word != "twice"]


@wrong("first_audit", "does not say 'leak'")
def one_direction(X, y, subject, site):
    found = [word for word in plain(X, y, subject, site) if word != "leak"]
    return found + ["leak"] * bool(max(roc_auc_score(y, x) for x in X.T) > 0.95)


@wrong("first_audit", "accused wrongly of 'site'")
def any_difference(X, y, subject, site):
    found = {word for word in plain(X, y, subject, site) if word != "site"}
    return found | ({"site"} if pd.Series(y).groupby(site).mean().nunique() > 1 else set())


@wrong("first_audit", "accused wrongly of 'leak'")
def any_significant_feature(X, y, subject, site):
    found = [word for word in plain(X, y, subject, site) if word != "leak"]
    return found + ["leak"] * bool(min(stats.ttest_ind(x[y == 1], x[y == 0]).pvalue for x in X.T) < 0.001)


@wrong("first_audit", "accused wrongly of 'twice'", "resemble")
def near_is_twice(X, y, subject, site):
    found = [word for word in plain(X, y, subject, site) if word != "twice"]
    return found + ["twice"] * bool(distances(X).min() < 1.2)


@wrong("first_audit", "does not say 'repeated'")
def says_nothing(X, y, subject, site):
    return []


@wrong("first_audit", "accused wrongly")
def accuses_everybody(X, y, subject, site):
    return ["repeated", "twice", "site", "leak"]


@wrong("first_audit", "a list of words")
def one_word(X, y, subject, site):
    return "site"


@wrong("first_audit", "The words are")
def other_words(X, y, subject, site):
    return ["confounding"]


@pytest.mark.parametrize(("task", "name"), RIGHT)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_right_answers_pass(task, name, seed):
    verdict = getattr(checks, task)(RIGHT[task, name], seed=seed)
    assert verdict.passed, verdict


@pytest.mark.parametrize(("task", "name"), WRONG)
@pytest.mark.parametrize("seed", [0, 1])
def test_wrong_answers_get_their_reason(task, name, seed):
    function, words = WRONG[task, name]
    verdict = getattr(checks, task)(function, seed=seed)
    assert not verdict.passed, verdict
    for word in words:
        assert word in verdict.reason, verdict.reason


@pytest.mark.parametrize("task", sorted({task for task, _ in RIGHT}))
def test_the_unwritten_function_is_told_so(task):
    assert "not written yet" in getattr(checks, task)(...).reason
    assert sum(t == task for t, _ in RIGHT) >= 3 and sum(t == task for t, _ in WRONG) >= 5
