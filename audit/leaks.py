"""Findings on columns that know too much: the label in another form, or gaps that tell it."""

import re

import numpy as np
import pandas as pd
from scipy import stats

from audit import pictures
from audit.checks import check
from audit.models import auc, auc_error
from audit.reading import as_dates
from audit.sites import missing_block
from audit.table import ALPHA, cut_name
from audit.words import count, some

BINS = 12
LATER = (
    r"(?i).*(follow|(^|_)fu(_|$)|surviv|time_?to|days_?to|months_?to|event|death|died|censor|outcome|treat|therap|medic|"
    r"drug|dose|relapse|recur|discharge|futime|(^|[_. ])(time|os|pfs|dfs|rfs|efs|ttp)($|[_. ])).*"
)


class Alone:
    """How well one column alone tells the label: the AUC of the class told best, or a correlation."""

    def __init__(self, study):
        self.study = study
        rng = np.random.default_rng([study.seed, 3])
        self.fold = rng.permutation(len(study.starts))[study.subject] % 5
        self.m = len(study.starts)

    def _value(self, score):
        """The best over classes of the AUC of one score per class, and a lower bound (99.5 %)."""
        study = self.study
        if study.classes is None:
            value = (
                abs(np.corrcoef(stats.rankdata(score[:, 0]), stats.rankdata(study.y))[0, 1])
                if np.ptp(score) > 0
                else 0.0
            )
            return value, float(
                np.tanh(np.arctanh(min(value, 1 - 1e-9)) - 2.58 / np.sqrt(max(self.m - 3, 1)))
            )
        found = []
        for j, code in enumerate([1] if study.kind == "binary" else range(len(study.classes))):
            own = study.y == code
            value = auc(score[:, j if score.shape[1] > 1 else 0], own)
            few = own.mean() * self.m
            found.append(
                (value, value - 2.58 * float(auc_error(min(value, 1 - 0.5 / self.m), few, self.m - few)))
            )
        return max(found)

    def number(self, x):
        """Of a column of numbers: in order, up or down, or by bins (so that curves and gaps count)."""
        there = np.isfinite(x)
        if there.sum() < 10 or np.ptp(x[there]) == 0:
            return self.codes(there.astype(int))
        cuts = np.unique(np.quantile(x[there], np.linspace(0, 1, BINS)[1:-1]))
        return max(
            *(self._value(sign * np.where(there, x, np.median(x[there]))[:, None]) for sign in (1.0, -1.0)),
            self.codes(np.where(there, np.searchsorted(cuts, x, side="right") + 1, 0)),
        )

    def codes(self, codes):
        """Of a column of categories: the mean label of each in the other folds."""
        Y, cell = self.study.target, codes * 5 + self.fold
        size, prior = 5 * (codes.max() + 1), Y.mean(0)
        number = np.bincount(cell, minlength=size).reshape(-1, 5)
        predicted = np.empty(Y.shape)
        for k in range(Y.shape[1]):
            total = np.bincount(cell, weights=Y[:, k], minlength=size).reshape(-1, 5)
            total, others = total.sum(1, keepdims=True) - total, number.sum(1, keepdims=True) - number
            predicted[:, k] = ((total + prior[k]) / (others + 1))[codes, self.fold]
        return self._value(predicted)

    def text(self, values):
        """Of a column of text, whatever can be read from it: gaps, categories, letters, numbers, dates."""
        try:
            kinds = {"values": pd.factorize(values)[0] + 1}
        except TypeError:  # lists and the like
            return {}
        words = values.astype(object).where(values.notna(), "").astype(str).str.strip()
        kinds["gaps"] = (words != "").to_numpy(int)
        kinds["letters"] = pd.factorize(words.str.replace(r"\d+", "#", regex=True))[0]
        found = {
            kind: self.codes(codes)
            for kind, codes in kinds.items()
            if np.ptp(codes) and len(np.unique(codes)) <= len(codes) / 3
        }
        last = words.str.extract(r"(\d{1,15})\D*$")[0].astype(float)
        numbers, date = [last, last % 2], as_dates(values)
        if date.notna().sum() > 0.5 * (words != "").sum():
            numbers.append(date)
        if (parts := words.str.findall(r"\d{1,15}")).str.len().nunique() == 1:
            numbers += [parts.str[k].astype(float) for k in range(min(parts.str.len().iloc[0], 5) - 1)]
        if numbers := [self.number(one.to_numpy()) for one in numbers if one.nunique() > 1]:
            found["number"] = max(numbers)  # the most telling reading, of up to seven
        return found


def find(study) -> None:
    """What each column alone knows, kept in the study: `alone` (values, bounds), `elsewhere`, `leaks`."""
    alone = Alone(study)
    X = study.X
    if study.steady and study.classes is not None:  # the mean of a subject's rows, which share one label
        there = np.add.reduceat(~study.missing, study.starts)
        means = np.add.reduceat(np.nan_to_num(X), study.starts) / np.maximum(there, 1)
        X = np.where(there > 0, means, np.nan)[study.subject]
    study.alone = np.array([alone.number(X[:, j]) for j in range(X.shape[1])]).T
    study.leaks = study.alone[1] >= 0.90
    study.filled = [c for c, column in zip(study.features, study.X.T, strict=True) if _filled(study, column)]
    study.elsewhere = {}
    for c, values in study.text.items():
        if found := alone.text(values.iloc[np.searchsorted(study.positions, study.rows)]):
            study.elsewhere[c] = max(found.values())
    study.known = {"the position in the table": alone.number(study.rows.astype(float))}
    if study.names["subject"] is not None:
        found = alone.text(study.part[study.names["subject"]])
        study.known |= {f"the {one} of the id": found[one] for one in ("letters", "number") if one in found}


@check("columns", "features")
def columns(study):
    """Which columns are used, which are not, and what is odd about them."""
    taken = [f"{some(columns, 3)} ({why})" for why, columns in study.dropped.items()]
    odd = list(study.odd)
    pairs = _same(study)
    if pairs:
        odd.append(f"Columns that say the same: {some([f'{p}' for p in pairs], 3)}. Keep one of each.")
    known = [what for what, (_, bound) in study.known.items() if bound >= 0.80]
    if known:
        odd.append(
            f"The label goes with {some(known)}, as where a table is sorted by group. Shuffle before any"
            " split by position, and let neither an index nor an id become a feature."
        )
    text = f"{count(len(study.features), 'feature')} {'is' if len(study.features) == 1 else 'are'} used."
    if taken:
        text += f" Taken out: {'; '.join(taken)}."
    counts = {"used": len(study.features)} | {why: len(columns) for why, columns in study.dropped.items()}
    level = "warn" if "counts the rows, like an index" in study.dropped or odd else "fine"
    return level, " ".join([*odd, text, *study.remarks]), pictures.bars(counts, "columns") if taken else None


def _same(study):
    """Names of features that correlate so highly that one says what the other says."""
    Z = study.Z[:, : (most := 2000)].astype(np.float32)
    high = np.abs(Z.T @ Z) > 0.9995 * len(Z)
    first = high.argmax(0)
    groups = pd.Series(study.features[:most]).groupby(first)
    return [some(group, 3) for _, group in groups if len(group) > 1]


@check("target leakage")
def target_leakage(study):
    """Whether a column, or all of them together, nearly are the label."""
    value, bound = study.alone
    what = "correlation with the label" if study.classes is None else "AUC"
    order = np.argsort(-value)[:8]
    best = {study.features[j]: float(value[j]) for j in order}
    texts = {c: one for c, one in study.elsewhere.items() if one[1] >= 0.80}
    named = [study.features[j] for j in order if bound[j] >= 0.80]
    leaks = [f for f, leak in zip(study.features, study.leaks, strict=True) if leak]
    sure = bool(leaks) or any(one[1] >= 0.90 for one in texts.values())
    every = {**dict(zip(study.features, study.alone.T, strict=True)), **study.elsewhere}
    surely = {c for c, one in every.items() if one[1] >= (0.6 if study.classes else 0.3)} - {*named, *texts}
    later = [c for c in every if c in surely and re.fullmatch(LATER, str(c))]
    text = (
        f"The best single feature, {cut_name(study.features[order[0]])}, alone has"
        f" {'a' if study.classes is None else 'an'} {what} of {value[order[0]]:.2f}."
    )
    if named or texts:
        text = (
            f"{'Nearly the label itself' if sure else 'Close to the label'}: {some([*named, *texts])}. {text}"
        )
    if texts:
        text += (
            " Text that tells the label:"
            f" {some([f'{cut_name(c)} ({what} {one[0]:.2f})' for c, one in texts.items()])}."
        )
    gone = [f for f in named if study.missing[:, study.features.index(f)].any() and _gap_tells(study, f)]
    if gone:
        text += f" It is the gaps that tell in {some(gone)}: for one class the value is missing."
    if study.filled:
        text += f" The same value stands in many rows, all of one class, in {some(study.filled)}."
        text += " Were gaps filled with the mean of each class?"
    linear = study.models.pooled(study.models.evaluate("linear", "grouped"))
    if leaks and study.models.X is not study.X:
        study.answers["leaks"] = some(leaks, 2)
        study.answers["with"] = study.models.stated(study.models.evaluate("linear", "grouped", X=study.X))
        text += (
            f" The linear model has {study.unit} {study.answers['with'][0]:.2f} with and {linear:.2f} without"
            f" {study.answers['leaks']}. All other models of this audit do without."
        )
    perfect = linear > (0.98 if study.classes else 0.95)
    if perfect:
        text = (
            f"All features together give the label away: the linear model has {study.unit} {linear:.2f} on"
            f" new subjects. Is the label made from them (a sum score above a cut-off, a difference)? {text}"
        )
    if later:
        text += (
            f" By its name, {some(later)} may be known only after the diagnosis, and it goes with the label."
        )
    colours = dict.fromkeys(named, pictures.COLOURS["reported"])
    draw = pictures.dots(best, f"{what} of a single feature", chance=study.chance, colours=colours)
    sure |= bool(perfect or study.filled)
    return "stop" if sure else "warn" if named or texts or later else "fine", text, draw


def _filled(study, x) -> bool:
    """Whether values that stand in many rows, among others that differ, stand in rows of one class only."""
    if study.classes is None or not study.steady:
        return False
    values, where, counts = np.unique(x[np.isfinite(x)], return_inverse=True, return_counts=True)
    again = counts >= 8
    if not 0 < again.sum() <= 20:
        return False
    mine, share = study.y[np.isfinite(x)], np.bincount(study.y) / len(study.y)
    pure = [np.ptp(mine[where == j]) == 0 for j in np.flatnonzero(again)]
    by_chance = [(share**k).sum() for k in counts[again]]
    people = len(study.starts) / len(study.y)
    return len(values) > len(x) / 5 and all(pure) and people * np.log(by_chance).sum() < np.log(1e-6)


def _gap_tells(study, feature) -> bool:
    gap = study.missing[:, study.features.index(feature)].astype(float)
    y = study.y if study.classes is not None else study.y > np.median(study.y)
    return any(abs(auc(gap, y == c) - 0.5) > 0.3 for c in np.unique(y))


@check("missing values and label")
def missing_values_and_label(study):
    """Whether gaps in the features tell the label."""
    share = study.missing.mean()
    study.answers["missing"] = share
    if not study.missing.any():
        return "fine", "No feature value is missing.", None
    p, best, _ = missing_block(study, study.per_subject(study.target))
    most = np.argsort(-study.missing.mean(0))[:6]
    alarm = p <= ALPHA and best > 0.01
    text = (
        f"{'Gaps go with the label' if alarm else 'Gaps do not clearly go with the label'}: p = {p:.3f}."
        f" {100 * share:.1f} % of the feature values are missing, most in {cut_name(study.features[most[0]])}"
        f" ({100 * study.missing[:, most[0]].mean():.0f} %)."
    )
    worst = 0.0
    if study.classes is not None:
        rates = np.array([study.missing[study.y == c].mean(0) for c in range(len(study.classes))])
        j = int(np.argmax(np.ptp(rates, axis=0)))
        worst, high, low = np.ptp(rates[:, j]), rates[:, j].argmax(), rates[:, j].argmin()
        text += (
            f" The largest difference: {cut_name(study.features[j])} is missing in {100 * rates[high, j]:.0f}"
            f" % of {study.classes[high]} and in {100 * rates[low, j]:.0f} % of {study.classes[low]}."
        )
    counts = {study.features[j]: 100 * study.missing[:, j].mean() for j in most if study.missing[:, j].any()}
    return (
        "stop" if alarm and worst > 0.8 else "warn" if alarm else "fine",
        text,
        pictures.bars(counts, "missing, %"),
    )
