"""Findings on models: subjects enough, fit, who is kept apart, chance, calibration, the own split."""

import itertools
import warnings

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audit import pictures
from audit.checks import check
from audit.models import WORDS, auc_error, ridge
from audit.pictures import COLOURS
from audit.table import ALPHA, within
from audit.words import count, some


@check("sample size")
def sample_size(study):
    """Whether there are enough subjects for a score that means something."""
    subject, y = study.full[1:]
    m, p = len(np.unique(subject)), study.models.X.shape[1]
    score = study.models.stated(study.models.evaluate("linear", "grouped"))[0]
    if study.classes is None:
        events, r = m, np.sqrt(max(score, 0.0))
        ends = np.tanh(np.arctanh(min(r, 0.99)) + np.array([-1.96, 1.96]) / np.sqrt(m - 3)) ** 2
        half = np.ptp(ends) / 2 if r > 0 else 1.96 / np.sqrt(m)
    else:
        events = min(len(np.unique(subject[y == c])) for c in range(len(study.classes)))
        half = 1.96 * float(auc_error(np.clip(score, 0.5, 0.99), events, m - events))
    counted = (
        f"{m} subjects, "
        + ("" if study.classes is None else f"{events} subjects in the smallest class, ")
        + count(p, "feature")
    )
    study.answers["size"] = counted
    curve = _learning_curve(study)
    last = list(curve.values())
    what = "the score of the smallest class against the others" if study.kind == "classes" else "a score"
    text = (
        f"{counted}: {events / p:.1f} per feature. With so many subjects {what} is known to about ±"
        f" {half:.2f} at best. With half the training subjects the linear model has {study.unit}"
        f" {last[min(1, len(last) - 1)]:.2f}, with all {last[-1]:.2f}."
    )

    def draw(axes):
        axes.plot(list(curve), last, "o-", color=COLOURS["true"], linewidth=3)
        axes.axhline(study.chance, color=COLOURS["chance"], linestyle="--")
        axes.set(xlabel="training subjects", ylabel=f"{study.unit}, new subjects")

    return "stop" if half > 0.2 else "warn" if half > 0.1 or events / p < 10 else "fine", text, draw


def _learning_curve(study):
    """Score on new subjects of the linear model trained on a part of the training subjects."""
    curve = {}
    for part in (0.25, 0.5, 0.75):
        scores, sizes = [], []
        for train, test in study.models.folds("grouped"):
            people = study.rng.permutation(np.unique(study.subject[train]))
            few = train[np.isin(study.subject[train], people[: max(int(part * len(people)), 5)])]
            if study.classes is None or len(np.unique(study.y[few])) > 1:
                predicted = study.models.fitted("linear", few, test)[1]
                scores.append(study.models.score(study.y[test], predicted))
                sizes.append(len(np.unique(study.subject[few])))
        if scores:
            curve[round(np.mean(sizes))] = float(np.nanmean(scores))
    curve[round(len(study.starts) * 0.8)] = float(np.nanmean(study.models.evaluate("linear", "grouped")[3]))
    return curve


@check("over- and underfitting")
def fit(study):
    """Whether restraint, or freedom, helps on new subjects; whether a score is too good or too bad."""
    models = study.models
    runs = {name: models.evaluate(name, "grouped") for name in WORDS}
    train = {name: float(np.nanmean(run[2])) for name, run in runs.items()}
    mean = {name: models.pooled(run) for name, run in runs.items()}
    said = _odd_scores(study, runs, train, mean)
    scores = "; ".join(f"{WORDS[n]}: training {train[n]:.2f}, new subjects {mean[n]:.2f}" for n in WORDS)
    text = " ".join([*(said or ["Neither over- nor underfitting."]), f"{scores} ({study.unit})."])

    def draw(axes):
        for values, mark, colour, word in (
            (train, "D", "training", "training"),
            (mean, "o", "true", "new subjects"),
        ):
            axes.plot(
                [values[n] for n in WORDS], range(3), mark, color=COLOURS[colour], markersize=9, label=word
            )
        for i, name in enumerate(WORDS):
            axes.plot([mean[name], train[name]], [i, i], color="#bbbbbb", linewidth=2, zorder=0)
        axes.axvline(study.chance, color=COLOURS["chance"], linestyle="--", zorder=0)
        axes.set_yticks(range(3), list(WORDS.values()))
        axes.set(xlabel=study.unit, ylim=(2.5, -0.5))
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.22), ncols=2, frameon=False)

    return "warn" if said else "fine", text, draw


def _odd_scores(study, runs, train, mean) -> list[str]:
    """What is odd about the scores of three models, in sentences."""
    models, best = study.models, max(mean, key=mean.get)
    low = models.stated(runs["linear"])
    said = [
        (
            models.clearly_above(runs["linear"], runs["free"]),
            "Without a penalty the linear model overfits: restraint makes it better on new subjects.",
        ),
        (
            models.clearly_above(runs["flexible"], runs["linear"]) and mean["flexible"] > mean["free"],
            "The linear model underfits: the flexible one finds more in new subjects.",
        ),
        (
            mean[best] > (0.98 if study.classes else 0.95),
            (
                f"A score of {mean[best]:.2f} ({WORDS[best]}) is rarely a disease's: look for copies and for"
                " columns made from the label."
            ),
        ),
        (
            train["linear"] - mean["linear"] > (0.3 if study.classes else 0.6),
            (
                f"The linear model knows its training rows ({train['linear']:.2f}) and little else"
                f" ({mean['linear']:.2f})."
            ),
        ),
        (
            study.classes is not None and low[0] < 0.45 and low[0] + 1.3 * (low[0] - low[1]) < 0.5,
            (
                f"A score clearly below guessing ({low[0]:.2f}) is no bad luck: something ties test rows to"
                " training rows with the sign turned, such as labels dealt evenly, or means taken away over"
                " all rows."
            ),
        ),
    ]
    return [sentence for true, sentence in said if true]


@check("ways to split")
def splits(study):
    """What the score loses where people, or sites, are kept apart."""
    from audit.people import looks_like_a_person

    if study.names["subject"] is None and (column := looks_like_a_person(study)) != "":
        return (
            "open",
            f"No split can be called right before it is known who is who. Is {some([column])} the person?",
            None,
        )
    alike = study.near.clustered or study.near.in_file
    if not study.several and study.site is None:
        if alike:
            text = "No split can be called right: rows resemble each other as those of one person do."
            return "open", f"{text} See “duplicates”.", None
        return "fine", "One row per subject and no sites: shuffled folds are the right ones.", None
    rows, colours, level, parts, models = {}, {}, "fine", [], study.models
    said = {"shuffled": "rows shuffled", "grouped": "new subjects", "site": "unseen sites"}
    for name, word in (("linear", "linear"), ("flexible", "forest")):
        wanted = [*["shuffled"] * study.several, "grouped", *["site"] * (study.site is not None)]
        runs = {scheme: models.evaluate(name, scheme) for scheme in wanted}
        scores = {scheme: models.pooled(run) for scheme, run in runs.items()}
        for scheme in wanted:
            if np.isfinite(scores[scheme]):
                rows[f"{word}, {said[scheme]}"] = scores[scheme]
                colours[f"{word}, {said[scheme]}"] = COLOURS["reported" if scheme == "shuffled" else "true"]
        for high, low in itertools.pairwise(wanted):
            if np.isfinite(scores[low]) and models.clearly_above(runs[high], runs[low]):
                drop = scores[high] - scores[low]
                level = "stop" if drop > 0.1 or level == "stop" else "warn"
                parts.append(f"{word}: {drop:.2f} lower on {said[low]}")
    found = f"Clear drop, {'; '.join(parts)}." if parts else "No clear drop."
    text = f"{found} {'; '.join(f'{name} {value:.2f}' for name, value in rows.items())} ({study.unit})."
    return level, text, pictures.dots(rows, study.unit, chance=study.chance, colours=colours)


@check("better than chance")
def permutation(study):
    """Whether the linear model beats exchanged labels."""
    m = len(study.starts)
    counts = np.diff(np.r_[study.starts, len(study.y)])
    strata = np.zeros(m, int) if study.site is None else study.site[study.starts].astype(int)
    if not study.steady:  # whole label sequences change hands, between subjects with as many rows
        strata = strata * (counts.max() + 1) + counts
    orders = [np.arange(len(study.y))]
    inside = np.arange(len(study.y)) - study.starts[study.subject]
    for _ in range(199):
        order = within(study.rng, strata, m)
        orders.append(study.starts[order][study.subject] + (0 if study.steady else inside))
    orders = np.array(orders)  # (200, n): the row whose label each row gets
    # Folds are dealt blind to the labels: the true labelling has no advantage. Several deals steady them.
    total, deals = np.zeros(len(orders)), 3 if len(study.y) * len(study.features) < 1e5 else 1
    for deal in range(deals):
        total += _permuted_scores(study, orders, study.seed + 100 + deal) / deals
    p = (1 + np.sum(total[1:] >= total[0] - 1e-12)) / len(orders)
    study.answers["p"] = p
    where = "between subjects" + ("" if study.site is None else ", within sites")
    alike = study.near.clustered or study.near.in_file
    level = "fine" if p <= ALPHA and not alike else "warn"
    found = "Better than chance" if level == "fine" else "Chance is not ruled out"
    if p <= ALPHA and alike:
        found = "Better than chance only if all rows are of different people"
    text = (
        f"{found}: p = {p:.3f}. Labels"
        f" exchanged {where}, 199 times: {study.unit} {total[0]:.2f} with the true labels,"
        f" {np.median(total[1:]):.2f} with exchanged ones (a linear model)."
    )
    return level, text, pictures.null(total[1:], total[0], study.unit)


def _permuted_scores(study, orders, seed):
    """The score of every labelling, by ridge regression in five folds."""
    scores, X = [], study.models.X
    for train, test in GroupKFold(5, shuffle=True, random_state=seed).split(X, groups=study.subject):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tidy = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(X[train])
            A, B = tidy.transform(X[train]), tidy.transform(X[test])
        Y = study.target[orders]  # (200, n, k)
        center = Y[:, train].mean(1, keepdims=True)
        weights = ridge(A, (Y[:, train] - center).transpose(1, 0, 2).reshape(len(train), -1))
        predicted = (B @ weights).reshape(len(test), len(orders), -1) + center.transpose(1, 0, 2)
        scores.append(_many_scores(study, predicted, Y[:, test].transpose(1, 0, 2)))
    return np.nanmean(scores, axis=0)


def _many_scores(study, predicted, truth):
    """The score of every permutation. Shapes (rows, permutations, columns) give (permutations,)."""
    if study.classes is None:
        around = ((truth - truth.mean(0)) ** 2).sum((0, 2))
        return 1 - ((truth - predicted) ** 2).sum((0, 2)) / np.where(around > 0, around, np.nan)
    ranks, yes = stats.rankdata(predicted, axis=0), truth > 0.5
    k, n = yes.sum(0), len(yes)
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.nanmean(
            ((ranks * yes).sum(0) - k * (k + 1) / 2) / np.where(k * (n - k) > 0, k * (n - k), np.nan), axis=1
        )


@check("own split", "split")
def own_split(study):
    """The learner's own training and test rows: people and copies across them, classes, and the score."""
    name = study.names["split"]
    if name is None:
        return None
    words = study.part[name].astype(object).fillna("").astype(str).str.strip().str.casefold()
    test = words.str.match(r"test|hold|ext|eval").to_numpy()
    train = words.str.match(r"train|dev|deriv|disc").to_numpy()
    if not test.any() or not train.any():  # 0 and 1, or other words: the larger part is taken for training
        sizes = words.value_counts()
        if not train.any() and not test.any() and 3 <= len(sizes) <= 20:
            return _own_folds(study, words)
        train = (words == sizes.index[0]).to_numpy()
        test = ~train
    if not test.any():
        return "open", f"{some([name])} has one value only, so there is no test set.", None
    both = np.intersect1d(study.subject[train], study.subject[test])
    text = f"{count(int(train.sum()), 'training row')}, {count(int(test.sum()), 'test row')}"
    if len(both):
        text = f"{len(both)} people (copies counted as one) are in training and test: {text}"
    text += "."
    level = "stop" if len(both) else "fine"
    if study.classes is not None:
        table = [np.bincount(study.y[part], minlength=len(study.classes)) for part in (train, test)]
        counts = [f"{c}: {a} and {b}" for c, a, b in zip(study.classes, *table, strict=True)]
        text += f" {'; '.join(counts)}."
        if np.min(table) == 0:
            return "stop", f"{text} A class is missing in one part.", None
        if stats.chi2_contingency(table).pvalue < ALPHA:
            level, text = "stop" if level == "stop" else "warn", f"{text} The shares of the classes differ."
    predicted = study.models.fitted("linear", np.flatnonzero(train), np.flatnonzero(test))[1]
    score = study.models.score(study.y[test], predicted)
    fresh = ~np.isin(study.subject[test], both)
    text += f" The linear model has {study.unit} {score:.2f} on these test rows"
    if len(both) and fresh.sum() > 10:
        text += (
            f", {study.models.score(study.y[test][fresh], predicted[fresh]):.2f} on those of people it has"
            " not seen"
        )
    return level, text + ".", None


def _own_folds(study, words):
    """Folds that the learner has dealt: who is in several of them, and the mean score where one can learn."""
    fold, names = pd.factorize(words.where(words != ""))
    dealt = fold >= 0
    parts = pd.Series(fold).where(dealt).groupby(study.subject).nunique()
    scores = []
    for k in range(len(names)):
        test = np.flatnonzero(fold == k)
        away = np.flatnonzero((fold != k) & ~np.isin(study.subject, study.subject[test]))
        if len(away) > 10 and (study.classes is None or len(set(study.y[away])) == len(study.classes)):
            scores.append(study.models.score(study.y[test], study.models.fitted("linear", away, test)[1]))
    text = f"{len(names)} folds of {np.bincount(fold[dealt]).min()} to {np.bincount(fold[dealt]).max()} rows"
    if across := int((parts > 1).sum()):
        text = f"{across} people (copies counted as one) are in several folds: {text}"
    if np.isfinite(scores).any():
        text += f". Trained on others, the linear model has a mean {study.unit} of {np.nanmean(scores):.2f}"
    return "stop" if across else "fine", f"{text}.", None


@check("calibration")
def calibration(study):
    """Whether predicted probabilities come true."""
    predicted, fold, _, _ = study.models.evaluate("linear", "grouped")
    rows = np.flatnonzero(fold >= 0)
    if study.classes is None:
        x, y, shown, what = predicted[rows, 0], study.y[rows], predicted[rows, 0], "predicted"
        x = x - x.mean()
        if np.std(x) < 1e-9:
            return "open", "The model predicts the same value for everybody.", None
    else:
        code = 1 if study.kind == "binary" else int(np.argmax(np.bincount(study.y)))
        shown = predicted[rows, code]
        x, y = logit(np.clip(shown, 1e-6, 1 - 1e-6)), (study.y[rows] == code).astype(float)
        what = f"predicted probability of {pictures.short(study.classes[code])}"
    slope, error = _slope(x, y, study.subject[rows], study.classes is not None)
    over, timid = slope + 2.58 * error < 0.8, slope - 2.58 * error > 1.25
    known = study.models.pooled(study.models.evaluate("linear", "grouped")) > study.chance + 0.05
    vague = error > 0.2 and not timid and not over
    found = "are too extreme" if over else "are too timid" if timid else "are about right"
    found = "may or may not be right" if vague else found
    text = (
        f"Predictions of the linear model {found}: calibration slope {slope:.2f} (1 is right), 95 % interval"
        f" {slope - 1.96 * error:.2f} to {slope + 1.96 * error:.2f}."
    )
    if vague:
        text += " With so wide an interval nothing can be said."
    elif not over and not timid and abs(slope - 1) > 1.96 * error:
        text += " That is hardly 1, but not surely beyond 0.8 or 1.25, where this audit begins to warn."
    bins = np.array_split(np.argsort(shown), 8 if len(rows) >= 80 else 4)

    def draw(axes):
        axes.plot(
            [shown.min(), shown.max()], [shown.min(), shown.max()], color=COLOURS["chance"], linestyle="--"
        )
        axes.plot(
            [shown[b].mean() for b in bins],
            [y[b].mean() for b in bins],
            "o-",
            color=COLOURS["true"],
            linewidth=3,
        )
        axes.set(xlabel=what, ylabel="observed share" if study.classes else "observed")

    return "warn" if over or (timid and known) else "open" if vague else "fine", text, draw


def _slope(x, y, subject, logistic):
    """Slope of y on x (logistic or straight) and its standard error with subjects as clusters."""
    A = np.column_stack([np.ones_like(x), x])
    if logistic:
        beta = LogisticRegression(C=np.inf, fit_intercept=False, max_iter=1000).fit(A, y).coef_[0]
    else:
        beta = np.linalg.lstsq(A, y)[0]
    mean = expit(A @ beta) if logistic else A @ beta
    weight = np.maximum(mean * (1 - mean), 1e-6) if logistic else np.ones_like(mean)
    bread = np.linalg.inv(A.T @ (A * weight[:, None]))
    by_subject = np.column_stack([np.bincount(subject, weights=A[:, j] * (y - mean)) for j in (0, 1)])
    return beta[1], np.sqrt((bread @ (by_subject.T @ by_subject) @ bread)[1, 1])
