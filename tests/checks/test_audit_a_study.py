"""Exercise 09: right answers, however written, pass; each wrong one gets its own reason."""

import numpy as np
import pandas as pd
from answers import Answers
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from checks import audit_a_study

book = Answers(audit_a_study)


# Task 1: the share of each flaw


@book.right("shares_of_flaws")
def comprehension(study, flaws):
    return {name: study(flaws) - study([other for other in flaws if other != name]) for name in flaws}


@book.right("shares_of_flaws")
def rounded(study, flaws):
    return {
        name: round(study(flaws) - study([other for other in flaws if other != name]), 2) for name in flaws
    }


@book.right("shares_of_flaws")
def with_sets(study, flaws):
    published = study(set(flaws))
    shares = {}
    for name in flaws:
        shares[name] = published - study(set(flaws) - {name})
    return shares


@book.right("shares_of_flaws")
def a_series(study, flaws):
    without = [study(flaws[:k] + flaws[k + 1 :]) for k in range(len(flaws))]
    return pd.Series(study(flaws) - np.array(without), index=flaws)


@book.right("shares_of_flaws")
def with_a_copy(study, flaws):
    shares = {}
    for name in flaws:
        rest = flaws.copy()
        rest.remove(name)
        shares[name] = study(flaws) - study(rest)
    return shares


@book.wrong("shares_of_flaws", "changes the flaws")
def eats_the_list(study, flaws):
    shares, published = {}, study(flaws)
    for name in list(flaws):
        flaws.remove(name)
        shares[name] = published - study(flaws)
    return shares


@book.wrong("shares_of_flaws", "It lacks")
def without_the_first(study, flaws):
    shares = comprehension(study, flaws)
    return {name: shares[name] for name in flaws[1:]}


book.short_wrongs(
    "shares_of_flaws",
    a_list=(lambda study, flaws: list(comprehension(study, flaws).values()), "a dict"),
    a_name_for_a_list=(
        lambda study, flaws: {name: study(flaws) - study(name) for name in flaws},
        "study([name])",
    ),
)


# Task 2: an interval that counts people


def per_person(right, subject):
    return pd.Series(right).groupby(np.asarray(subject)).mean().to_numpy()


@book.right("interval_by_subject")
def means_of_people(right, subject):
    means = per_person(right, subject)
    half = 1.96 * means.std(ddof=1) / np.sqrt(len(means))
    return means.mean() - half, means.mean() + half


@book.right("interval_by_subject")
def student(right, subject):
    means = per_person(right, subject)
    return stats.t.interval(0.95, len(means) - 1, means.mean(), stats.sem(means))


@book.right("interval_by_subject")
def bootstrap_of_people(right, subject):
    rng = np.random.default_rng(0)
    people = np.unique(subject)
    rows = [np.flatnonzero(subject == one) for one in people]
    scores = []
    for _ in range(500):
        drawn = rng.integers(0, len(people), len(people))
        scores.append(right[np.concatenate([rows[one] for one in drawn])].mean())
    return tuple(np.quantile(scores, [0.025, 0.975]))


@book.right("interval_by_subject")
def robust_standard_error(right, subject):
    right = np.asarray(right, float)
    residual = pd.Series(right - right.mean()).groupby(np.asarray(subject)).sum()
    half = 1.96 * np.sqrt((residual**2).sum()) / len(right)
    return [right.mean() - half, right.mean() + half]


@book.wrong("interval_by_subject", "eight scans of a person")
def as_if_one_answer_each(right, subject):
    n = len(np.unique(subject))
    return stats.binomtest(round(np.mean(right) * n), n).proportion_ci(method="wilson")


@book.wrong("interval_by_subject", "eight scans of a person")
def binomial_with_people(right, subject):
    share, people = right.mean(), len(np.unique(subject))
    half = 1.96 * np.sqrt(share * (1 - share) / people)
    return share - half, share + half


@book.wrong("interval_by_subject", "eight scans of a person")
def one_scan_of_each(right, subject):
    first = pd.Series(right).groupby(np.asarray(subject)).first()
    half = 1.96 * first.std() / np.sqrt(len(first))
    return first.mean() - half, first.mean() + half


@book.wrong("interval_by_subject", "counts scans")
def textbook(right, subject):
    half = 1.96 * np.sqrt(np.mean(right) * (1 - np.mean(right)) / len(right))
    return np.mean(right) - half, np.mean(right) + half


@book.wrong("interval_by_subject", "counts scans")
def bootstrap_of_scans(right, subject):
    rng = np.random.default_rng(0)
    scores = [rng.choice(right, len(right)).mean() for _ in range(500)]
    return tuple(np.quantile(scores, [0.025, 0.975]))


@book.wrong("interval_by_subject", "too narrow")
def one_standard_error(right, subject):
    means = per_person(right, subject)
    half = means.std(ddof=1) / np.sqrt(len(means))
    return means.mean() - half, means.mean() + half


@book.wrong("interval_by_subject", "square root of their number")
def spread_of_people(right, subject):
    means = per_person(right, subject)
    return means.mean() - 1.96 * means.std(), means.mean() + 1.96 * means.std()


@book.wrong("interval_by_subject", "percentages")
def in_percent(right, subject):
    low, high = means_of_people(right, subject)
    return 100 * low, 100 * high


@book.wrong("interval_by_subject", "The lower one comes first")
def upper_end_first(right, subject):
    return means_of_people(right, subject)[::-1]


@book.wrong("interval_by_subject", "does not hold the accuracy")
def around_chance(right, subject):
    low, high = means_of_people(right, subject)
    return 0.5 - (high - low) / 2, 0.5 + (high - low) / 2


@book.wrong("interval_by_subject", "2 numbers")
def half_width(right, subject):
    low, high = means_of_people(right, subject)
    return (high - low) / 2


# Task 3: a first audit


def auc(x, y):
    area = roc_auc_score(y, x)
    return max(area, 1 - area)


def distances(X):
    return np.linalg.norm(X[:, None] - X[None], axis=2) + 1e9 * np.eye(len(X))


@book.right("first_audit")
def plain(X, y, subject, site):
    found = []
    if len(set(subject)) < len(subject):
        found.append("repeated")
    i, j = np.nonzero(distances(X) < 1e-6)
    if np.any(subject[i] != subject[j]):
        found.append("twice")
    first = np.unique(subject, return_index=True)[1]
    if stats.chi2_contingency(pd.crosstab(site[first], y[first])).pvalue < 0.01:
        found.append("site")
    if max(auc(x, y) for x in X.T) > 0.95:
        found.append("leak")
    return found


@book.right("first_audit")
def with_pandas(X, y, subject, site):
    table = pd.DataFrame(X)
    found = set()
    if pd.Series(subject).duplicated().any():
        found.add("repeated")
    if table.assign(who=subject).groupby(list(table))["who"].nunique().max() > 1:
        found.add("twice")
    share = pd.Series(y).groupby(site).mean()
    if share.max() - share.min() > 0.4:
        found.add("site")
    if np.abs(table.corrwith(pd.Series(y))).max() > 0.9:
        found.add("leak")
    return found


@book.right("first_audit")
def with_tests(X, y, subject, site):
    tests = {
        "repeated": np.unique(subject, return_counts=True)[1].max() > 1,
        "twice": len(np.unique(X, axis=0)) < len(X),
        "site": any(
            stats.binomtest(int(y[site == s].sum()), int((site == s).sum())).pvalue < 0.001 for s in set(site)
        ),
        "leak": any(abs(stats.ttest_ind(x[y == 1], x[y == 0]).statistic) > 20 for x in X.T),
    }
    return tuple(word for word, there in tests.items() if there)


@book.wrong("first_audit", "does not say 'leak'")
def one_direction(X, y, subject, site):
    found = [word for word in plain(X, y, subject, site) if word != "leak"]
    return found + ["leak"] * bool(max(roc_auc_score(y, x) for x in X.T) > 0.95)


@book.wrong("first_audit", "accused wrongly of 'site'")
def any_difference(X, y, subject, site):
    found = {word for word in plain(X, y, subject, site) if word != "site"}
    return found | ({"site"} if pd.Series(y).groupby(site).mean().nunique() > 1 else set())


@book.wrong("first_audit", "accused wrongly of 'leak'")
def any_significant_feature(X, y, subject, site):
    found = [word for word in plain(X, y, subject, site) if word != "leak"]
    return found + ["leak"] * bool(min(stats.ttest_ind(x[y == 1], x[y == 0]).pvalue for x in X.T) < 0.001)


@book.wrong("first_audit", "accused wrongly of 'leak'")
def model_of_all_columns(X, y, subject, site):
    found = [word for word in plain(X, y, subject, site) if word != "leak"]
    model, Z = LogisticRegression(max_iter=3000), (X - X.mean(axis=0)) / X.std(axis=0)
    return found + ["leak"] * bool(model.fit(Z, y).score(Z, y) > 0.9)


@book.wrong(
    "first_audit",
    "does not say 'site'",
    by=(pd.factorize, lambda site: np.unique(site, return_inverse=True)[::-1]),
)
def numbers_for_sites(X, y, subject, site, by):
    found = [word for word in plain(X, y, subject, site) if word != "site"]
    return found + ["site"] * bool(abs(np.corrcoef(by(site)[0], y)[0, 1]) > 0.3)


@book.wrong("first_audit", "accused wrongly of 'twice'", "resemble")
def near_is_twice(X, y, subject, site):
    found = [word for word in plain(X, y, subject, site) if word != "twice"]
    return found + ["twice"] * bool(distances(X).min() < 1.2)


@book.wrong("first_audit", "accused wrongly of 'twice'", "has two subject ids")
def twice_within_a_person(X, y, subject, site):
    found = [word for word in plain(X, y, subject, site) if word != "twice"]
    return found + ["twice"] * bool(distances(X).min() < 1e-6)


@book.wrong("first_audit", "Count people", limit=(0.001, 0.01, 0.05))
def site_by_scans(X, y, subject, site, limit):
    found = [word for word in plain(X, y, subject, site) if word != "site"]
    return found + ["site"] * bool(stats.chi2_contingency(pd.crosstab(site, y)).pvalue < limit)


@book.wrong("first_audit", "does not say 'repeated'", every=(True, False))
def repeated_if_many_are(X, y, subject, site, every):
    found = [word for word in plain(X, y, subject, site) if word != "repeated"]
    beside = (subject[1:] == subject[:-1]).any()
    return found + ["repeated"] * bool(len(set(subject)) < len(y) / 2 if every else beside)


@book.wrong("first_audit", "A cohort has a column that gives the diagnosis away")
def leak_only_if_perfect(X, y, subject, site):
    found = [word for word in plain(X, y, subject, site) if word != "leak"]
    return found + ["leak"] * bool(max(auc(x, y) for x in X.T) == 1)


book.short_wrongs(
    "first_audit",
    trusts_the_ids=(
        lambda X, y, subject, site: [word for word in plain(X, y, subject, site) if word != "twice"],
        "does not say 'twice'",
    ),
    says_nothing=(lambda X, y, subject, site: [], "does not say 'repeated'"),
    accuses_everybody=(lambda X, y, subject, site: ["repeated", "twice", "site", "leak"], "accused wrongly"),
    one_word=(lambda X, y, subject, site: "site", "a list of words"),
    other_words=(lambda X, y, subject, site: ["confounding"], "The words are"),
)


test_right, test_wrong, test_each_task, test_tables = book.tests()
