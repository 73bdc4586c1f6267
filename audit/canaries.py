"""Canaries: the learner's own evaluation, run on versions of the data whose truth is known."""

import functools
import inspect
import re
import warnings
from collections.abc import Callable
from unittest import mock

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit

from audit.auditing import line
from audit.checks import TEXTS, finding
from audit.pictures import COLOURS
from audit.report import LEVELS, Report
from audit.table import within
from audit.words import AuditError, quoted

ALPHA = 0.001  # of every canary, since several are asked
LEAST = 0.04  # of the way from guessing to a perfect score: less is no leak worth a word
SUBJECTS = 60  # of simulated data, or twelve of each class
CHOICES = "many noise features"  # the canary for choices, which has more runs
BLIND = (
    "Canaries do not see: choices among settings that are scored by a loss or by R2 (on noise the best choice"
    " is to learn nothing, which is no better than guessing); groups that only an inner loop ignores; leaks"
    " worth less than 4 % of the way from guessing to a perfect score; what was tried and dropped before the"
    " function was written. The best of a few seeds, models or cut-offs they see mostly, not always; the best"
    " of a few penalties less often; and a cut-off chosen for its F1 hardly ever."
)
WIDE = 1000  # features: the more, the surer is a choice among them found


def canaries(
    evaluate: Callable, X, y, groups, sites=None, *, repeats: int = 8, seed: int = 0, progress=None
) -> Report:
    """Run a learner's own evaluation on versions of their data whose truth is known.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(X, y, groups) -> score``, a number that is larger for a better model.
    X : array or DataFrame of shape (n, p)
    y : array of shape (n,)
        Classes or numbers.
    groups : array of shape (n,)
        Subjects.
    sites : array of shape (n,), optional
    repeats : int
        Runs of each canary, at least 3: half of them at first, the others if those are above guessing, and
        up to three times as many where choices are sought. With 8, the function is called about 60 times,
        mostly on 60 rows.
    seed : int
    progress : bool or callable, optional
        Show a line per canary, or hand it to a function.

    Returns
    -------
    Report
        One finding per canary. "stop" names a leak, "open" says why a canary could not be run.

    Notes
    -----
    The noise is simulated; the last canaries are the learner's own features with labels that mean nothing.
    What guessing gets is asked of the function itself: on coins that nobody can be recognised by, with
    classes of equal and of unequal size, it shows what kind of score it has (an AUC, an accuracy, an average
    precision, a loss ...). A canary gives the alarm if its mean lies above guessing by a t-test
    at .001 and by 4 % of the way to a perfect score. A score below guessing is none: scores of rows left
    out one by one, or pooled over folds, fall there where nothing can be learnt. What they do not see
    stands in the notes of the report. Copies of the data are passed.
    """
    data = _Data(evaluate, X, y, groups, sites, repeats, seed)
    tell = progress if callable(progress) else line if progress else lambda text: None
    findings, notes, shown = [], [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tell("the real data")
        score = _Score(data)
        findings.append(score.nothing_to_learn())
        shown.append(("your data", f"{score.real:.2f}", "", f"{score.guess(data.y):.2f}"))
        kinds, few = data.kinds(), None
        for number, (name, make) in enumerate(kinds, 1):
            try:
                tell(f"{number} of {len(kinds)}: {name}")
                found, guess = score.runs(number, name, make)
            except KeyboardInterrupt:
                notes.append(f"Stopped by hand after {number - 1} of {len(kinds)} canaries.")
                break
            except Exception as error:  # whatever a learner's function raises is told
                findings.append(
                    finding(name, "open", f"Your function cannot be run on this canary ({_cause(error)}).")
                )
                continue
            few = found if number == 1 else few
            same = few if name.endswith("features") or name.startswith("copied") else None
            findings.append(_judge(name, found, guess, score, same))
            span = f"{found.min():.2f} to {found.max():.2f}"
            shown.append((name, f"{found.mean():.2f}", span, f"{guess.mean():.2f}"))
        if data.rows_each == 1:
            text = "One row per subject, so that nobody can stand on both sides of a split."
            findings.append(finding("copied subjects", "fine", text))
    if tell is line:
        tell("")
    notes.append(BLIND)
    findings.sort(key=lambda one: list(LEVELS).index(one.level))
    table = pd.DataFrame(
        shown, columns=["version of the data", "mean score", "range of the runs", "guessing"]
    )
    return Report("Canaries", findings, table, pd.DataFrame(), notes)


def _judge(name, found, guess, score, few):
    """The finding for one canary: its runs against guessing."""
    gap, draw = found.mean() - guess.mean(), functools.partial(_draw, found, guess, score.real)
    text = f"ean score {found.mean():.2f} over {len(found)} runs; guessing {guess.mean():.2f}."
    if not score.alarm(found, guess):
        if gap < -LEAST * score.scale:
            text += (
                " Below guessing, as scores that are pooled, or of rows left out one by one, are where"
                " nothing can be learnt."
            )
        return finding(name, "fine", f"M{text}", draw)
    text = f"A leak: m{text} {TEXTS[name]['why']}"
    before = few is not None and few is not found and few.mean() - guess.mean() > 0.02
    if before and found.mean() - few.mean() < 0.05:
        text += " The same leak as on few noise features: this one tells nothing new."
    return finding(name, "warn" if name.endswith("sites") else "stop", text, draw)


class _Data:
    """The learner's function and data, and what is simulated in their likeness."""

    def __init__(self, evaluate, X, y, groups, sites, repeats, seed):
        if not callable(evaluate):
            raise AuditError(
                "evaluate must be a function, evaluate(X, y, groups) -> score. Write its name without"
                " brackets."
            )
        try:
            inspect.signature(evaluate).bind(X, y, groups)
        except TypeError as error:
            raise AuditError("evaluate must take three arguments: X, y and groups, in this order.") from error
        except ValueError:
            pass
        if (
            not isinstance(repeats, int | np.integer)
            or repeats < 3
            or not isinstance(seed, int | np.integer)
            or seed < 0
        ):
            raise AuditError(
                f"repeats is {quoted(repeats)} and seed {quoted(seed)}; they must be whole numbers, at least"
                " 3 and 0."
            )
        self.evaluate, self.repeats, self.seed, self.jitter = evaluate, int(repeats), int(seed), 0.0
        self.unit = 1.0
        self.frame = X if isinstance(X, pd.DataFrame) else None
        self.X = X if self.frame is not None else np.asarray(X)
        self.series = isinstance(y, pd.Series), isinstance(groups, pd.Series)
        self.y, self.groups = np.asarray(y), np.asarray(groups)
        if self.y.ndim != 1 or self.groups.ndim != 1:
            raise AuditError("y and groups must have one value per row: a label, and the subject.")
        self.subject = pd.factorize(self.groups)[0]
        self.sites = None if sites is None else pd.factorize(np.asarray(sites))[0]
        if not len(self.y) == len(self.subject) == len(self.X) or (
            sites is not None and len(sites) != len(self.y)
        ):
            raise AuditError(
                f"X has {len(self.X)} rows, y {len(self.y)}, groups {len(self.subject)}: they must agree"
                " (sites too)."
            )
        if self.X.ndim != 2 or pd.isna(self.y).any():
            raise AuditError("X must have rows and columns, and y no missing values.")
        self.values = np.unique(self.y)
        if len(self.values) < 2 or self.subject.max() < 9:
            raise AuditError("Canaries need labels that differ and at least 10 subjects.")
        self.first, self.p = np.unique(self.subject, return_index=True)[1], self.X.shape[1]
        self.numbers = self.y.dtype.kind in "fiu" and len(self.values) > 10
        self.k = SUBJECTS if self.numbers else max(SUBJECTS, 12 * len(self.values))
        self.rows_each = np.bincount(self.subject).max()

    def labels(self, k, shares=None):
        """Labels for k simulated subjects: as many of each class, or the learner's own numbers."""
        if self.numbers:
            return np.quantile(self.y, (np.arange(k) + 0.5) / k)
        if shares is None:
            return self.values[np.arange(k) % len(self.values)]
        return np.repeat(self.values, np.diff(np.round(np.r_[0, np.cumsum(shares)] * k).astype(int)))

    def run(self, X, y, groups) -> float:
        """The learner's score on copies of the data, in the types that they have given."""
        if self.frame is not None and not isinstance(X, pd.DataFrame):
            more = [f"noise_{j}" for j in range(X.shape[1] - self.p)]
            X = pd.DataFrame(X, columns=[*self.frame.columns, *more])
        y, groups = (pd.Series(v, X.index if self.frame is not None else None) if is_series else v.copy()
                     for v, is_series in zip((y, groups), self.series, strict=True))  # fmt: skip
        value = self.evaluate(X.copy(), y, groups)
        value = float(np.squeeze(np.asarray(value, float)))
        if not np.isfinite(value):
            raise ValueError(f"it returned {value}{_why_nan(self.evaluate, X, y, groups)}")
        return value / self.unit

    def exchanged(self, rng, strata=None):
        """Every subject gets the label (or labels) of another, as many as it has rows."""
        order, new = within(rng, strata, len(self.first)), np.empty_like(self.y)
        for s in range(len(self.first)):
            new[self.subject == s] = np.resize(self.y[self.subject == order[s]], np.sum(self.subject == s))
        return new

    def coin(self, rng, shares=None):
        """One coin per subject, as every feature; labels by lot."""
        faces = np.repeat(rng.integers(2, size=(self.k, 1)), self.p, axis=1).astype(float)
        labels = rng.permutation(self.labels(self.k, shares))
        return faces + self.jitter * rng.standard_normal(faces.shape), labels, np.arange(self.k)

    def coins(self, rng):
        """The same for the learner's own subjects."""
        faces = rng.integers(2, size=(len(self.first), 1))[self.subject]
        return np.repeat(faces, self.p, axis=1).astype(float), self.exchanged(rng), self.groups

    def noise(self, width, alike=False):
        """Noise features; `alike`: few directions with most of the variance, so that settings matter."""

        def make(rng):
            X = rng.standard_normal((self.k, width))
            if alike:
                X = (X / np.arange(1, width + 1)) @ np.linalg.qr(rng.standard_normal((width, width)))[0]
            return X, rng.permutation(self.labels(self.k)), np.arange(self.k)

        return make

    def triplets(self, rng):
        """Three rows for everybody, nearly alike."""
        k = 2 * self.k // 3
        order = rng.permutation(np.repeat(np.arange(k), 3))
        X = rng.standard_normal((k, self.p))[order] + 0.01 * rng.standard_normal((len(order), self.p))
        return X, rng.permutation(self.labels(k))[order], order

    def kinds(self):
        """Name and maker of every canary."""

        def swapped(strata=None):
            return lambda rng: (self.X, self.exchanged(rng, strata), self.groups)

        kinds = [
            ("few noise features", self.noise(self.p)),
            ("very many noise features", self.noise(max(self.p, WIDE))),
            (CHOICES, self.noise(max(self.p, 20), alike=True)),
        ]
        if self.rows_each > 1:
            kinds.append(("copied subjects", self.triplets))
        kinds.append(("labels exchanged between subjects", swapped()))
        if self.sites is not None:
            kinds.append(("labels exchanged within sites", swapped(self.sites[self.first])))
        return kinds


class _Score:
    """What kind of score the learner's function has, and what guessing and knowing get with it."""

    def __init__(self, data):
        self.data, self.noise = data, []
        try:
            self.real = data.run(data.X, data.y, data.groups)
            try:
                self.coin = self._many(data.coin, 99)
            except Exception:  # some models want columns that differ a little
                data.jitter = 1e-6
                self.coin = self._many(data.coin, 99)
        except Exception as error:
            raise AuditError(f"evaluate could not be run: {_cause(error)}") from error
        self.best = self._probe(self._known)
        if not data.numbers and 50 < self.best <= 100 and self.coin.min() >= 0:  # per cent
            data.unit = 100.0
            self.real, self.coin, self.best = (v / data.unit for v in (self.real, self.coin, self.best))
        self.flat = self._probe(self._flat)
        self.kind = self._kind()
        top = self.best if np.isfinite(self.best) else max(self.real, self.coin.mean())
        self.scale = max(top - self.guess(None), 1e-9)
        little = 0.02 * max(abs(self.coin.mean()), 1e-12)
        if top < self.coin.mean() + (little if self.kind == "loss" else -2 * little):
            raise AuditError(
                f"evaluate gives {top:.2f} where the features are the label itself, and"
                f" {self.coin.mean():.2f} where they are coins. It must be larger for a better model: return"
                " minus an error, or the mean of cross_val_score."
            )

    def _rng(self, *key):
        return np.random.default_rng([self.data.seed, *key])

    def _many(self, make, number, runs=None, start=0):
        runs = runs or self.data.repeats
        return np.array([self.data.run(*make(self._rng(number, start + i))) for i in range(runs)])

    def _probe(self, make, number=98, runs=1) -> float:
        try:
            return self._many(make, number, runs).mean()
        except Exception:  # some functions cannot do without variance, or without as many of each class
            return np.nan

    def _flat(self, rng):
        return np.zeros((self.data.k, self.data.p)), *self.data.coin(rng)[1:]

    def _known(self, rng):
        _, y, groups = self.data.coin(rng)
        code = y.astype(float) if self.data.numbers else np.searchsorted(self.data.values, y).astype(float)
        code = (code - code.mean()) / code.std()
        return code[:, None] + 0.05 * rng.standard_normal((len(y), self.data.p)), y, groups

    def _kind(self) -> str:
        """A "loss", "zero" (R2, kappa), "even" (AUC), "share" (accuracy), "class" (balanced), "two" (of
        the two likeliest), or "other".

        Told by what coins get where classes differ in size. What cannot be told is "other", whose guess is
        the highest.
        """
        coin, k = self.coin.mean(), len(self.data.values)
        if coin < -0.05 and not self.best > 0.5:
            return "loss"
        if self.data.numbers:
            return "zero"
        shares = [[0.25, 0.75], [0.75, 0.25]] if k == 2 else [np.r_[0.6, np.full(k - 1, 0.4 / (k - 1))]]
        make = [functools.partial(self.data.coin, shares=share) for share in shares]
        self.uneven = u = np.array([self._probe(one, 96, self.data.repeats) for one in make])
        # On features without variance Youden's index is 0, also at its best cut-off, which is more on coins;
        # a sensitivity at a specificity of .9 is not.
        most = 0.22 if abs(self.flat) < 0.02 else 0.15
        if np.abs([coin, *u]).max() < most and not self.flat > 0.02:  # flat may not be defined
            return "zero"
        if (np.abs(u - 0.5) < (0.08 if k == 2 else 0.06)).all():
            return "even"
        if k > 2 and abs(u[0] - 0.6 - 0.4 / (k - 1)) + abs(coin - 2 / k) < 0.1:
            return "two"  # among the two likeliest
        if u.min() > 0.55 and np.ptp(u) < 0.15:  # the larger class, or the best of several
            return "share"
        return "class" if k > 2 and abs(u[0] - 1 / k) < 0.08 else "other"

    def guess(self, y) -> float:
        """What guessing gets with labels y (None: as many of each class)."""
        k = len(self.data.values)
        shares = (
            [1 / k] * k if y is None else sorted((np.mean(y == v) for v in self.data.values), reverse=True)
        )
        share = shares[0]
        if self.kind == "loss":
            return float(np.nanmax([self.coin.mean(), self.flat]))
        if self.kind == "other":  # average precision and F1, in a fold of six rows, say more than .5 by luck
            if y is None and k == 2 and np.ptp(self.uneven) < 0.25:
                return 0.5  # those two care which class is the larger; accuracy at a chosen cut-off does not
            share = 0.5 if k > 2 else share
            few, rows = max(round(6 * share), 1), np.arange(1, 7)
            return float(max(np.mean((few - 1) / 5 * (rows - 1) / rows + 1 / rows), 2 * share / (1 + share)))
        # A low F1 of many classes looks like a kappa.
        even = 1 / k if k > 2 and not self.data.numbers else 0.0
        return {"zero": even, "even": 0.5, "share": share, "class": 1 / k, "two": sum(shares[:2])}[self.kind]

    def alarm(self, found, guess) -> bool:
        """Whether the runs are above guessing, surely and by more than little."""
        gap, little = found.mean() - guess.mean(), LEAST * self.scale
        # A few accuracies may agree by chance: no spread is taken as less than what is called little.
        error = (found.var(ddof=1) + little**2) / len(found)
        error += guess.var(ddof=1) / len(guess) if len(guess) > 1 else 0
        alpha = ALPHA / (3 if len(found) > self.data.repeats else 1)  # further runs are further looks
        return bool(gap > little and stats.t.sf(gap / np.sqrt(error), len(found) - 1) < alpha)

    def runs(self, number, name, make):
        """The scores on one canary, and of guessing: half of the runs, and more if those are above guessing.

        Where choices are sought, there are more.
        """
        data, own, half = self.data, name.startswith("labels"), max((self.data.repeats + 1) // 2, 3)
        guess = np.array([self.guess(data.y if own else None)])
        if self.kind == "loss":
            guess = self._many(data.coins, 97) if own else self.coin
        # Three runs alone, however far above guessing, cannot tell surely: six can.
        found, most = self._many(make, number, half), max(data.repeats, 6) * (3 if name == CHOICES else 1)
        while len(found) < most and found.mean() > guess.mean() and not self.alarm(found, guess):
            found = np.r_[found, self._many(make, number, half, start=len(found))]
        if name.endswith("features"):
            self.noise.append(found)
            # The best of several seeds is a little above guessing everywhere: then all noise together tells.
            if name == CHOICES and not self.alarm(found, guess) and self.alarm(np.hstack(self.noise), guess):
                found = np.hstack(self.noise)
        return found, guess

    def nothing_to_learn(self):
        """Whether the function finds something in coins."""
        guess = self.guess(None)

        def alarm():
            return self.kind != "loss" and self.alarm(self.coin, np.array([guess]))

        if alarm():  # eight lucky runs are none: as many again
            self.coin = np.r_[self.coin, self._many(self.data.coin, 99, start=len(self.coin))]
        mean = self.coin.mean()
        text = (
            f"Labels by lot, and nothing in the features that could be learnt: mean score {mean:.2f},"
            f" guessing {guess:.2f}."
        )
        level = "fine"
        if alarm():
            level = "stop" if mean - guess > 0.3 * self.scale or mean > 0.9 else "warn"
            text = f"A score where there is nothing: {text[0].lower()}{text[1:]}"
        return finding(
            "nothing to learn", level, text, functools.partial(_draw, self.coin, np.array([guess]), self.real)
        )


def _cause(error) -> str:
    causes = re.findall(r"^\w+Error: .+$", str(error), re.MULTILINE)  # scikit-learn quotes those of the folds
    return " ".join((causes[-1] if causes else f"{type(error).__name__}: {error}").split())[:300]


def _why_nan(evaluate, X, y, groups) -> str:
    """The fold that makes a score impossible, found in a second run that looks at the splits."""
    folds = []

    def watched(split):
        def spy(self, X, y=None, groups=None):
            for train, test in split(self, X, y, groups):
                folds.append(test)
                yield train, test

        return spy

    with (
        mock.patch.object(BaseCrossValidator, "split", watched(BaseCrossValidator.split)),
        mock.patch.object(BaseShuffleSplit, "split", watched(BaseShuffleSplit.split)),
    ):
        try:
            evaluate(X.copy(), y.copy(), groups.copy())
        except Exception:
            return ""
    y = np.asarray(y)
    for i, test in enumerate(folds, 1):
        where = f". Fold {i} of {len(folds)} tests {len(test)} row{'s' * (len(test) != 1)}"
        if len(test) == 1:
            return (
                f"{where}, and a score such as R2 or an AUC needs several. Pool the predictions of all folds,"
                " and score once"
            )
        if len(np.unique(y[test])) == 1:
            return (
                f"{where}, all of them {quoted(y[test][0])}, and an AUC needs both classes. Use"
                " StratifiedGroupKFold, or pool the predictions of all folds and score once"
            )
    return ""


def _draw(found, guess, real, axes) -> None:
    for i, (values, colour) in enumerate(((found, COLOURS["reported"]), (guess, COLOURS["chance"]))):
        axes.plot(np.sort(values), np.full(len(values), 1 - i), "o", color=colour, alpha=0.7, markersize=9)
    axes.axvline(real, color=COLOURS["true"], linewidth=3)
    axes.set_yticks([1, 0], ["canary", "guessing"])
    axes.set(xlabel="score (line: your data)", ylim=(-0.5, 1.5))
