"""Canaries: honest functions pass in any style, leaky ones are named, and what cannot be run is told."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from evaluations import HONEST, LEAKY, study
from harness import repetitions
from scipy import stats
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score, roc_curve
from sklearn.model_selection import (
    GroupKFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB

from audit import AuditError, canaries
from audit.canaries import LEAST, _Data, _Score

# Canaries


def studied(n=60, rows=2, p=12, seed=0, sites=False):
    """Subjects with several rows that resemble each other, and an effect (or, with sites, a shortcut)."""
    rng = np.random.default_rng(seed)
    y, site = np.arange(n) % 2, rng.integers(2, size=n)
    person = rng.standard_normal((n, p))
    if sites:
        site = np.where(rng.random(n) < 0.9, y, 1 - y)
        person += 3 * site[:, None]
    else:
        person[:, :3] += 0.8 * y[:, None]
    subject = np.repeat(np.arange(n), rows)
    return person[subject] + 0.2 * rng.standard_normal((n * rows, p)), y[subject], subject, site[subject]


def predicted(X, y, groups):
    """Probabilities out of fold, by naive Bayes. By hand: scikit-learn's takes much longer."""
    X, y, value = np.asarray(X), np.unique(y, return_inverse=True)[1], np.empty(len(y))
    fold = pd.factorize(np.asarray(groups))[0] % 5
    for k in range(5):
        log = []
        for c in (0, 1):
            own = X[(fold != k) & (y == c)]
            spread = own.var(0) + 1e-9
            log.append(
                np.log(len(own)) - ((X[fold == k] - own.mean(0)) ** 2 / spread + np.log(spread)).sum(1) / 2
            )
        value[fold == k] = expit(log[1] - log[0])
    return value


def nearest(X, y, new):
    """The label of the nearest row, by hand for the same reason."""
    return y[((new[:, None] - X) ** 2).sum(2).argmin(1)]


def honest_auc(X, y, groups):
    return roc_auc_score(y, predicted(X, y, groups))


def honest_pooled_auc(X, y, groups):
    """One AUC over people left out, by the distance to the mean of each class."""
    value = np.empty(len(y))
    for who in np.unique(groups):
        out = groups == who
        near = [((X[out] - X[~out & (y == c)].mean(0)) ** 2).sum(1) for c in np.unique(y)]
        value[out] = near[0] - near[1]
    return roc_auc_score(y, value)


def honest_loss(X, y, groups):
    return -log_loss(y, predicted(X, y, groups))


def honest_accuracy(X, y, groups):
    return np.mean((predicted(X, y, groups) > 0.5) == y)


def honest_hold_out(X, y, groups):
    people = np.random.default_rng(0).permutation(np.unique(groups))
    test = np.isin(groups, people[: len(people) // 3])
    return [np.mean(nearest(X[~test], y[~test], X[test]) == y[test])]


def ignores_groups(X, y, groups):
    right = np.zeros(len(y), bool)
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        right[test] = nearest(X[train], y[train], X[test]) == y[test]
    return right.mean()


def chooses_outside(X, y, groups):
    return honest_auc(SelectKBest(f_classif, k=5).fit_transform(X, y), y, groups)


def scores_the_training_rows(X, y, groups):
    return GaussianNB().fit(X, y).score(X, y)


def best_of_seeds(X, y, groups):
    X, scores = np.asarray(X), []
    for seed in range(10):
        people = np.random.default_rng(seed).permutation(np.unique(groups))
        test = np.isin(groups, people[: len(people) // 3])
        scores.append(np.mean(nearest(X[~test], y[~test], X[test]) == y[test]))
    return max(scores)


def best_cut_off(X, y, groups):
    value = predicted(X, y, groups)
    return max(np.mean((value > cut) == y) for cut in value)


def honest_average_precision(X, y, groups):
    return average_precision_score(y, predicted(X, y, groups))


def honest_recall(X, y, groups):
    """The mean over classes of the share nearest to the mean of its own, each fifth of the people out."""
    X, y, fold, values = np.asarray(X), np.asarray(y), np.asarray(groups) % 5, np.unique(y)
    right = np.zeros(len(y), bool)
    for k in range(5):
        means = np.array([X[(fold != k) & (y == c)].mean(0) for c in values])
        right[fold == k] = nearest(means, values, X[fold == k]) == y[fold == k]
    return np.mean([right[y == c].mean() for c in values])


def honest_sensitivity(X, y, groups):
    """At a specificity of .9."""
    return np.interp(0.1, *roc_curve(y, predicted(X, y, groups))[:2])


def at_youden(X, y, groups):
    """Accuracy at the cut-off that has the largest Youden index on the same rows."""
    value = predicted(X, y, groups)
    wrong, right, cuts = roc_curve(y, value)
    return np.mean((value >= cuts[np.argmax(right - wrong)]) == y)


def youden(X, y, groups):
    wrong, right, _ = roc_curve(y, predicted(X, y, groups))
    return np.max(right - wrong)


HONEST_HERE = [
    honest_sensitivity,
    honest_auc,
    honest_pooled_auc,
    honest_loss,
    honest_accuracy,
    honest_hold_out,
]
HONEST_HERE += [honest_average_precision, honest_recall]


@pytest.mark.parametrize("evaluate", HONEST_HERE)
def test_honest_pipelines_pass_every_canary(evaluate):
    X, y, groups, site = studied()
    before = X.copy()
    report = canaries(evaluate, X, y, groups, site, repeats=4)
    assert {f.level for f in report.findings} == {"fine"} and len(report.findings) == 7, report
    assert report.notes[-1].startswith("Canaries do not see")
    np.testing.assert_array_equal(X, before)


def test_three_classes_pass_too():
    report = canaries(honest_recall, *study("classes", 1), repeats=4)
    assert {f.level for f in report.findings} == {"fine"} and report.scores["guessing"].iloc[1] == "0.33", (
        report
    )


@pytest.mark.parametrize(
    ("evaluate", "names"),
    [
        (ignores_groups, {"copied subjects", "labels exchanged between subjects"}),
        (chooses_outside, {"very many noise features"}),
        (scores_the_training_rows, {"few noise features", "very many noise features"}),
        (best_of_seeds, {"many noise features"}),
        (best_cut_off, {"many noise features"}),
        (at_youden, {"many noise features"}),
    ],
)
def test_a_leak_is_named(evaluate, names):
    report = canaries(evaluate, *studied()[:3], repeats=6)
    singing = {f.name for f in report.findings if f.level in ("warn", "stop")}
    assert names <= singing, report
    if evaluate is ignores_groups:
        assert singing == names and "groups has no effect" in report["copied subjects"].evidence
    if evaluate is scores_the_training_rows:
        assert "nothing new" in report["copied subjects"].evidence
    assert "Canaries" in report._repr_html_() and report.findings[0].figure()


@pytest.mark.parametrize("seed", repetitions([0, 1], range(10)))
@pytest.mark.parametrize(
    ("evaluate", "least", "most"),
    [
        (at_youden, 0.5, 0.5),
        (youden, 0, 0),
        (honest_sensitivity, 0.1, 0.5),  # put too high: then a small leak is missed, and nobody accused
        (honest_average_precision, 2 / 3, 2 / 3),
    ],
)
def test_what_guessing_gets_is_not_put_too_low_where_a_cut_off_is_chosen(evaluate, least, most, seed):
    """Coins say more than guessing there, and two classes of unequal size do not tell accuracy at once."""
    found = _Score(_Data(evaluate, *study("binary", seed), None, 8, seed)).guess(None)
    assert least - 0.01 < found < most + 0.01


@pytest.mark.parametrize("seed", repetitions([0], [0, 1, 2]))
def test_a_plain_leak_is_found_with_few_repeats_too(seed):
    """Three runs cannot tell surely: where they are above guessing, there are more."""
    report = canaries(chooses_outside, *studied(seed=seed)[:3], repeats=3, seed=seed)
    assert report["very many noise features"].level == "stop", report


def test_a_site_shortcut_is_named_as_one_of_the_data():
    report = canaries(honest_auc, *studied(sites=True), repeats=4)
    assert [f.level for f in report.findings] == ["warn"] + ["fine"] * 6
    assert (
        report.findings[0].name == "labels exchanged within sites"
        and "site alone" in report.findings[0].evidence
    )


def test_canaries_for_numbers_and_for_data_frames():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((120, 4)), columns=list("abcd"))
    y = X["a"].to_numpy() + rng.standard_normal(120)

    def r2(X, y, groups):
        X, error, fold = np.c_[np.ones(len(y)), X[["a", "b", "c", "d"]]], np.empty(len(y)), groups % 5
        for k in range(5):
            error[fold == k] = (y - X @ np.linalg.lstsq(X[fold != k], y[fold != k])[0])[fold == k]
        return 1 - np.mean(error**2) / np.var(y)

    report = canaries(r2, X, y, np.arange(120), repeats=4)
    assert all(f.level == "fine" for f in report.findings), report

    def cheating(X, y, groups):
        return Ridge().fit(X, y).score(X, y)

    assert canaries(cheating, X, y, np.arange(120), repeats=4)["very many noise features"].level == "stop"


@pytest.mark.parametrize(
    ("evaluate", "change", "sentence"),
    [
        (3, {}, "evaluate must be a function"),
        (lambda X, y: 1, {}, "must take three arguments"),
        (
            lambda X, y, groups: None,
            {},
            "evaluate could not be run: TypeError|evaluate could not be run: ValueError",
        ),
        (lambda X, y, groups: 1 / 0, {}, "evaluate could not be run: ZeroDivisionError"),
        (honest_auc, {"y": np.zeros(120)}, "labels that differ"),
        (honest_auc, {"groups": np.zeros(120)}, "at least 10 subjects"),
        (honest_auc, {"y": np.zeros(3)}, "they must agree"),
        (honest_auc, {"repeats": 1}, "repeats is 1 "),
    ],
)
def test_canaries_refuse_with_a_clear_sentence(evaluate, change, sentence):
    X, y, groups, _ = studied()
    with pytest.raises(AuditError, match=sentence):
        canaries(evaluate, **({"X": X, "y": y, "groups": groups} | change))


def test_stopped_canaries_keep_what_was_found():
    lines = []

    def stop(line):
        lines.append(line)
        if len(lines) == 4:
            raise KeyboardInterrupt

    report = canaries(honest_hold_out, *studied()[:3], progress=stop, repeats=3)
    assert len(report.findings) == 3 and "Stopped by hand after 2 of 5" in report.notes[0]


def test_the_error_of_a_fold_is_told_in_one_line():
    X = np.random.default_rng(0).standard_normal((40, 3))
    X[0] = np.nan

    def evaluate(X, y, groups):
        return cross_val_score(LogisticRegression(), X, y, groups=groups, cv=GroupKFold(5)).mean()

    with pytest.raises(AuditError, match="could not be run: ValueError: Input X contains NaN") as caught:
        canaries(evaluate, np.vstack([X, X * np.nan]), np.arange(80) % 2, np.arange(80))
    assert "\n" not in str(caught.value)


def test_further_looks_at_a_canary_need_more():
    """Eight runs that chance makes once in 1400 tell of a leak; sixteen, which are further looks, do not."""
    score = object.__new__(_Score)
    score.data, score.scale = SimpleNamespace(repeats=8), 1.0
    for n, alarm in ((8, True), (16, False)):
        spread = np.resize([0.1, -0.1], n)
        gap = stats.t.isf(0.0007, n - 1) * np.sqrt((spread.var(ddof=1) + LEAST**2) / n)
        assert score.alarm(0.5 + gap + spread, np.array([0.5])) == alarm


def test_a_lucky_start_is_looked_at_again():
    calls = []

    def evaluate(X, y, groups):
        calls.append(len(calls))
        if abs(np.corrcoef(X[:, 0], y)[0, 1]) > 0.9:
            return 1.0
        return (0.6 if 1 <= calls[-1] <= 8 else 0.46) + 0.01 * (calls[-1] % 3)

    report = canaries(evaluate, *study("binary", 0))
    assert report["nothing to learn"].level == "fine" and "0.54" in report["nothing to learn"].evidence


# Functions as people write them: see tools/evaluations.py. `make audit-rates` runs all of them, many times.

QUICK = {"nearest mean by hand, accuracy", "MAE", "selection outside, MAE"}
SLOW = ("nested", "seeds", "sites left out", "forest", "best of", "many groups", "20 folds")


def named(functions):
    """The quick ones; in repetitions all but the slow ones."""
    return [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.repetition)
        for name in functions
        if name in QUICK or not any(word in name for word in SLOW)
    ]


@pytest.mark.parametrize("name", named(HONEST))
def test_an_honest_function_is_not_accused(name):
    task, evaluate = HONEST[name]
    X, y, groups = study(task, 1)
    report = canaries(evaluate, pd.DataFrame(X).add_prefix("f"), y, groups, repeats=3)
    assert {f.level for f in report.findings} == {"fine"}, report


@pytest.mark.parametrize("name", named(LEAKY))
def test_a_leaky_function_is_found(name):
    task, evaluate = LEAKY[name]
    report = canaries(evaluate, *study(task, 1), repeats=6)
    assert report.worst == "stop", report


def test_a_score_that_is_not_a_number_has_a_reason():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3)), np.repeat([0, 1], 20)

    def auc_of_every_site(X, y, groups):
        return cross_val_score(
            LogisticRegression(), X, y, groups=groups, cv=LeaveOneGroupOut(), scoring="roc_auc"
        ).mean()

    with pytest.raises(
        AuditError, match="Fold 1 of 10 tests 4 rows, all of them 0, and an AUC needs both classes"
    ):
        canaries(auc_of_every_site, X, y, np.repeat(np.arange(10), 4))

    def r2_of_every_row(X, y, groups):
        return cross_val_score(Ridge(), X, y, cv=LeaveOneOut(), scoring="r2").mean()

    with pytest.raises(AuditError, match="Fold 1 of 40 tests 1 row, and a score such as R2"):
        canaries(r2_of_every_row, X, rng.standard_normal(40), np.arange(40))


def test_an_error_given_as_a_score_is_told():
    def error(X, y, groups):
        return -cross_val_score(
            Ridge(), X, y, groups=groups, cv=GroupKFold(5), scoring="neg_mean_absolute_error"
        ).mean()

    X, y, groups = study("regression", 0)
    with pytest.raises(AuditError, match="It must be larger for a better model: return minus an error"):
        canaries(error, X, y, groups)


def test_a_score_where_there_is_nothing_is_a_stop():
    with pytest.raises(AuditError, match="larger for a better model"):
        canaries(lambda X, y, groups: -np.mean(y), *study("binary", 0))
    report = canaries(
        lambda X, y, groups: float(
            np.mean(
                RandomForestClassifier(5, random_state=0)
                .fit(X + np.arange(len(X))[:, None], y)
                .predict(X + np.arange(len(X))[:, None])
                == y
            )
        ),
        *study("binary", 0),
        repeats=3,
    )
    assert report["nothing to learn"].level == "stop"


@pytest.mark.parametrize("dress", ["series", "words", "columns"])
def test_data_are_passed_in_the_form_that_they_came_in(dress):
    X, y, groups = study("binary", 2)
    frame = pd.DataFrame(X).add_prefix("f").set_index(np.arange(60) + 7)
    label = (
        pd.Series(np.where(y, "PD", "HC"), frame.index) if dress != "series" else pd.Series(y, frame.index)
    )

    def evaluate(X, y, groups):
        assert isinstance(X, pd.DataFrame) and {"f0", "f7"} <= set(X.columns)
        chosen = X[["f0", "f1", "f2"]] if dress == "columns" else X
        return roc_auc_score(y, predicted(chosen, y, groups))

    report = canaries(evaluate, frame, label, groups, repeats=3)
    assert {f.level for f in report.findings} == {"fine"}, report
