"""Findings on labels: what was asked, which labels look wrong, how raters agree."""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from audit import pictures
from audit.checks import check
from audit.table import ALPHA
from audit.words import count, quoted, some


def question(study) -> str:
    """What is predicted, from whom, and what guessing gets: the first line of a report."""
    _, subject, y = study.full
    name, m = study.names["label"], len(np.unique(subject))
    who = f"{count(len(y), 'row')} of {count(m, 'subject')}" if m < len(y) else count(m, "row")
    if study.classes is None:
        text = f"Regression: {quoted(name)} (mean {y.mean():.3g}, standard deviation {y.std():.3g}) in {who}."
    else:
        numbers = [f"{c} {np.sum(y == i)}" for i, c in enumerate(study.classes)]
        most = np.bincount(y).max() / len(y)
        text = (
            f"Classification: {quoted(name)}, {len(numbers)} classes ({some(numbers, 20)}) in {who}. Always"
            f" naming the largest is right in {100 * most:.0f} %."
        )
    return text + (f" Taken as given: {'; '.join(study.assumed)}." if study.assumed else "")


@check("label", "label")
def label(study):
    """What was taken to be the question."""
    text = question(study)
    if study.classes is not None and len(study.classes) > 2:
        text += " If two of these classes are to be compared, keep their rows only."
    draw = None
    if study.classes is not None:
        draw = pictures.bars(dict(zip(study.classes, np.bincount(study.full[2]), strict=True)), "rows")
    return "warn" if study.doubtful else "fine", text, draw


@check("suspect labels")
def suspect_labels(study):
    """Which labels lie, out of fold, where those of another class lie."""
    # Of features as normal scores, so that long tails of a feature make none of the predictions.
    X = study.models.X
    ranks = stats.rankdata(X, axis=0, nan_policy="omit")
    X = stats.norm.ppf((ranks - 0.5) / np.maximum(np.isfinite(X).sum(0), 1))
    predicted, _, _, _ = evaluation = study.models.evaluate("linear", "grouped", X=X)
    score, who = study.models.pooled(evaluation), np.arange(len(study.y))
    if study.classes is None:
        return _suspect_numbers(study, predicted[:, 0], score)
    if score < 0.75:
        text = (
            f"The model separates the classes too weakly ({study.unit} {score:.2f}) to judge single labels."
        )
        return "open", text, None
    L, y = np.log(np.clip(predicted, 1e-6, 1)), study.y
    if study.steady:
        L, y, who = study.per_subject(L), y[study.starts], study.starts
    z, away = np.empty(len(y)), np.empty(len(y))
    for code in range(len(study.classes)):
        margin = L[:, code] - np.delete(L, code, axis=1).max(1)  # of this class against the best other one
        own = y == code
        z[own] = _robust(margin[own])
        away[own] = (np.median(margin[~own]) - np.median(margin[own])) / max(_spread(margin[own]), 1e-12)
    # A label is right, or its row lies where another class lies: which share of wrong ones fits best?
    right, wrong = stats.norm.pdf(z) + 1e-300, stats.norm.pdf(z - away) + 1e-300
    shares = np.linspace(0, 0.4, 81)
    fits = np.array([np.log((1 - e) * right + e * wrong) for e in shares])  # (81, n)
    share = shares[np.argmax(fits.sum(1))]
    suspect = share * wrong > (1 - share) * right
    gain = fits - fits[0]
    alarm = 2 * gain.sum(1).max() > 12
    text = (
        f"{suspect.sum()} of {len(y)}"
        f" labels{' (one per subject, copies once)' if len(y) < len(study.y) else ''} lie, out of fold, where"
        f" those of another class lie; the share of wrong labels that fits best is {100 * share:.0f} %"
        + ("." if alarm or not share else ", but none fits nearly as well.")
    )
    draw = pictures.stacked(
        z[~suspect], z[suspect], "how well the label agrees with the prediction (robust z)"
    )
    if alarm and (doubt := _doubt(z, y, gain)):
        return "open", f"Cannot tell whether labels are wrong: {doubt}. {text}", draw
    if alarm:
        rows = study.rows[who[np.flatnonzero(suspect)[np.argsort(z[suspect])]]]
        text += f" Rows {some(rows, 10)} (counted from 0)."
    return "warn" if alarm else "fine", text, draw


def _doubt(z, y, gain) -> str:
    """Why a tail of the margins need not be wrong labels.

    The better half of a class (margins above its median) holds no wrong labels. If that half is not like a
    normal distribution's, neither is the other, and a tail says nothing. A tail in one class only is as
    well a mild form.
    """
    both, better = [], []
    for code in np.unique(y):
        own = y == code
        # The better half in units of its own median: 0.674 standard deviations of a normal distribution.
        good = z[own & (z > 0)]
        if len(good) < 15:
            return f"a class of {own.sum()} is too small for it"
        better.append(good / np.median(good) * stats.norm.ppf(0.75))
        both.append(2 * gain[:, own].sum(1).max())
    better = np.concatenate(better)
    far = stats.binom.sf(np.sum(better > 2.5) - 1, len(better), 2 * stats.norm.sf(2.5))
    if stats.kstest(better, stats.halfnorm.cdf).pvalue < 0.01 or far < 0.01:
        return "the predictions within a class are not normally distributed: a long tail is to be expected"
    if min(both) < 3:
        return "only one class has a tail, which a mild or an early form would have as well"
    return ""


def _suspect_numbers(study, predicted, score):
    if score < 0.3:
        text = f"The model predicts the label too weakly (R2 {score:.2f}) to judge single values."
        return "open", text, None
    residual = _robust(predicted - study.y)
    z = -np.abs(residual)
    suspect = z < -3
    people = len(np.unique(study.subject[suspect]))
    alarm = people > 3 and stats.binom.sf(people - 1, len(study.starts), 3 * stats.norm.cdf(-3.0)) <= ALPHA
    text = (
        f"{people} of {len(study.starts)} subjects have a value more than 3 robust standard deviations from"
        " its prediction."
    )
    draw = pictures.stacked(
        z[~suspect], z[suspect], "how well the value agrees with the prediction (robust z)"
    )
    # Right values alone: their tails, up to 2.5, must be those of a normal distribution; and a skewed label
    # (three standard errors by its deciles, at least) has a long tail of right values.
    inner = np.abs(residual[np.abs(residual) < 2.5])
    odd = len(inner) > 20 and stats.kstest(inner, stats.truncnorm(0, 2.5).cdf).pvalue < 0.10
    low, middle, high = np.quantile(study.y, [0.1, 0.5, 0.9])
    if alarm and (odd or abs(low + high - 2 * middle) > max(0.3, 4 / np.sqrt(len(z))) * (high - low)):
        doubt = "Cannot tell whether values are wrong: the errors of prediction are not normally distributed."
        return "open", f"{doubt} {text}", draw
    if alarm:
        text += (
            f" Rows {some(study.rows[np.flatnonzero(suspect)[np.argsort(z[suspect])]], 10)} (counted from 0)."
        )
    return "warn" if alarm else "fine", text, draw


def _spread(values):
    """A robust standard deviation."""
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def _robust(values):
    """Distance from the median in robust standard deviations."""
    spread = _spread(values)
    return (values - np.median(values)) / (spread if spread > 0 else max(np.std(values), 1e-12))


@check("agreement of raters", "second_rater")
def agreement_of_raters(study):
    """How well two raters agree, and the ceiling that follows."""
    if study.names["second_rater"] is None:
        return None
    second = study.part[study.names["second_rater"]]
    both = second.notna().to_numpy()
    if both.sum() < 10:
        return "open", f"Only {both.sum()} rows have a second judgement.", None
    if study.classes is None:
        return _two_measurements(study, pd.to_numeric(second, errors="coerce").to_numpy(float), both)
    code = {v: i for i, v in enumerate(study.values)}
    if unknown := second[both].map(lambda v: not np.isscalar(v) or v not in code).sum():
        text = f"The second rater gives {count(int(unknown), 'row')} a value that is no class of the label"
        return "open", f"{text} ({some(map(quoted, study.values))}). Code both alike.", None
    a, b = study.y[both], second[both].map(code).to_numpy(int)
    agree, n, c = np.mean(a == b), int(both.sum()), len(study.classes)
    kappa = cohen_kappa_score(a, b, labels=list(range(c)))
    expected = np.sum(np.bincount(a, minlength=c) * np.bincount(b, minlength=c)) / n**2
    error = np.sqrt(max(agree * (1 - agree), 1 / n**2) / (n * max(1 - expected, 1e-9) ** 2))
    wrong = (
        (1 - np.sqrt(max(1 - c / (c - 1) * (1 - agree), 0))) * (c - 1) / c
    )  # each rater's, if alike and independent
    study.answers["raters"] = f"agreement {agree:.2f}, Cohen's kappa {kappa:.2f} in {n} rows"
    text = (
        f"Two raters agree in {100 * agree:.0f} % of {n} rows: Cohen's kappa {kappa:.2f}"
        f" ({max(kappa - 1.96 * error, -1):.2f} to {min(kappa + 1.96 * error, 1):.2f}). If both raters err"
        f" equally often and independently, each is wrong in about {100 * wrong:.0f} %, and a perfect model"
        f" would reach an accuracy of about {1 - wrong:.2f} against one of them. If they share their errors,"
        " that ceiling is not one."
    )
    upper = kappa + 1.96 * error
    table = np.array([[np.sum((a == i) & (b == j)) for j in range(c)] for i in range(c)])
    return (
        "stop" if upper < 0.4 else "warn" if upper < 0.8 else "fine",
        text,
        pictures.agreement(table, study.classes, study.names),
    )


def _two_measurements(study, second, both):
    both = both & np.isfinite(second)
    if both.sum() < 10 or np.std(second[both]) == 0:
        return "open", "The second measurement has no numbers that vary.", None
    r = np.corrcoef(study.y[both], second[both])[0, 1]
    upper = np.tanh(np.arctanh(np.clip(r, -1 + 1e-9, 1 - 1e-9)) + 1.96 / np.sqrt(max(both.sum() - 3, 1)))
    study.answers["raters"] = f"correlation {r:.2f} in {both.sum()} rows"
    text = (
        f"Two measurements of {both.sum()} rows correlate with {r:.2f}. If both are equally good and their "
        f"errors independent, no model can have an R2 above about {max(r, 0):.2f} against one of them."
    )
    draw = pictures.against(study.y[both], second[both], study.names["label"], study.names["second_rater"])
    return "stop" if upper < 0.5 else "warn" if upper < 0.8 else "fine", text, draw
