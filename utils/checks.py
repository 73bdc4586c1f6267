"""Checks of the exercises: what a learner wrote is run on data whose truth is known.

Such data are called canaries here: pure noise, on which an honest score is a coin's; noise with repeated
scans of the same subjects; and data with real signal, which an honest analysis finds. A check takes the
learner's function and gives a `Verdict`: passed or not yet, with one reason in plain words. It looks at
what the function does and never at how it is written, so every right answer passes.

A score on noise counts as too high when it lies above chance by a one-sided t-test over the canaries at
1 in 20,000, and by a margin that only a leak gives. The scatter in the test is the learner's own, so a
small test set or a single split is no reason to fail. A check rather misses a leak than accuses wrongly.
"""

import functools
import html
import inspect
import linecache
import logging
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from utils import experiments

# Without a handler of their own, the log's errors would be printed into the learner's notebook.
log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())

PATIENCE = 180  # seconds, after which no further canary is run
DOTS = "Your code goes where the three dots stand."


@dataclass(frozen=True, repr=False)
class Verdict:
    """Whether a check passed, and why.

    Attributes
    ----------
    passed : bool
    reason : str
        What the function did on the canaries; if it did not pass, what to look at.
    """

    passed: bool
    reason: str

    @property
    def _word(self) -> str:
        return "Passed." if self.passed else "Not yet."

    def __repr__(self) -> str:
        return f"{self._word} {self.reason}"

    def _repr_html_(self) -> str:
        line = "solid" if self.passed else "dashed"
        return (
            f'<p style="border-left: 0.3em {line}; padding-left: 0.7em; max-width: 46em">'
            f"<strong>{self._word}</strong> {html.escape(self.reason)}</p>"
        )


class _NotYet(Exception):
    """The learner's function is not right yet; the message says why."""


class _Learner:
    """The learner's function: called with copies of the data, its answer checked to be one number."""

    def __init__(self, function: Callable, arguments: tuple[str, ...], answer: str):
        self.function, self.arguments, self.answer = function, arguments, answer
        self.started, self.calls, self.note = time.monotonic(), 0, ""
        if function is ...:
            raise _NotYet(f"The function is not written yet. {DOTS}")
        if not callable(function):
            raise _NotYet(
                f"The check needs the function itself, and got a value of type "
                f"{type(function).__name__}. Write the function's name without brackets after it."
            )
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # some functions written in C tell no signature
            return
        try:
            signature.bind(*arguments)
        except TypeError:
            raise _NotYet(
                f"The check calls the function with ({', '.join(arguments)}), in this order, but yours "
                f"takes {signature}."
            ) from None

    def __call__(self, *data) -> float:
        if time.monotonic() - self.started > PATIENCE:
            raise _NotYet(
                f"It takes too long: the check stopped after {self.calls} calls. Fewer folds, fewer "
                "settings or a faster model will do."
            )
        given = [value.copy() if isinstance(value, np.ndarray) else value for value in data]
        self.calls += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the learner sees them when running the function
                value = self.function(*given)
        except (Exception, SystemExit) as error:  # exit() in an answer must not end the kernel
            raise _NotYet(_told(error, self.function)) from None
        for name, before, after in zip(self.arguments, data, given, strict=True):
            if isinstance(before, np.ndarray) and not np.array_equal(before, after):
                raise _NotYet(
                    f"The function changes the {name} that it is given, so whatever runs after it works "
                    f"on other data. Work on a copy: {name}.copy()."
                )
        try:
            return self._number(value)
        except _NotYet:
            raise
        except Exception:  # an array where one word belongs, a number without end: nobody can list all of these
            raise _NotYet(
                f"The function returns a value of type {type(value).__name__} that the check cannot read. Return the "
                f"{self.answer}."
            ) from None

    def _number(self, value) -> float:
        if value is ... or (value is None and _is_empty(self.function)):
            raise _NotYet(f"The function is still empty. {DOTS}")
        if value is None:
            raise _NotYet("The function returns nothing. Did you forget `return`?")
        try:
            if isinstance(value, str | bool | np.bool_):
                raise TypeError
            numbers = np.asarray(value, dtype=float)
            if numbers.ndim > 1:
                raise ValueError
        except (TypeError, ValueError):
            raise _NotYet(
                f"The function returns a value of type {type(value).__name__}, not one number. "
                f"Return the {self.answer} alone."
            ) from None
        if numbers.size != 1:
            raise _NotYet(
                f"The function returns {numbers.size} numbers. If they are the scores of the folds, "
                f"return their mean: one number, the {self.answer}."
            )
        number = float(numbers.ravel()[0])
        if not np.isfinite(number):
            raise _NotYet(
                f"The function returns {number}. Often the cause is a fold that holds one class only, a "
                "category that the training folds lack, or a mean over no folds."
            )
        if number > 1 + 1e-9:
            raise _NotYet(
                f"The function returns {number:.4g}, but a {self.answer} lies between 0 and 1. "
                + ("If it is a percentage, divide it by 100." if number > 1.5 else "If a formula corrects the score, what it "
                   "assumes does not hold for these data.")
            )
        if number < -1e-9:
            raise _NotYet(
                f"The function returns {number:.4g}, which is below 0, but a {self.answer} lies between "
                "0 and 1."
            )
        return number

    def twice(self, *data) -> float:
        """Call it twice on the same data, and note it when the answers differ."""
        first, second = self(*data), self(*data)
        if abs(first - second) > 1e-6:
            self.note = (
                f" A note: two runs on the same data gave {first:.3f} and {second:.3f}. With a "
                "random_state for all that is drawn, others can repeat your number."
            )
        return first


class _Other(_Learner):
    """A learner's function whose answer is no score: `_read` makes sense of it or says what is wrong."""

    def _number(self, value):
        if value is ... or (value is None and _is_empty(self.function)):
            raise _NotYet(f"The function is still empty. {DOTS}")
        if value is None:
            raise _NotYet("The function returns nothing. Did you forget `return`?")
        return self._read(value)


def _is_empty(function: Callable) -> bool:
    """Whether the body of a function does nothing at all (`...`, `pass`, a docstring)."""
    code = getattr(function, "__code__", None)
    return (
        code is not None
        and not code.co_names
        and code.co_nlocals == code.co_argcount + code.co_kwonlyargcount
    )


def _told(error: Exception, function: Callable) -> str:
    """An exception of the learner's function in one sentence, with the line where it left that function."""
    message = " ".join(str(error).split())
    message = message if len(message) <= 220 else message[:220] + " …"
    where = ""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is not None:
        lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code is code]
        if lines:
            text = linecache.getline(code.co_filename, lines[-1]).strip()
            where = f" in its line {lines[-1] - code.co_firstlineno + 1}" + (f", `{text}`" if text else "")
    return f"The function stops{where} with {type(error).__name__}: {message}".rstrip(".: ") + "."


def _one_line(text: str, most: int = 1500) -> str:
    """A reason on one line. Of a very long one, with a whole array in it, the beginning and the end."""
    text = text if "\n" not in text else " ".join(text.split())
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"


def _check(*arguments: str, answer: str = "score", kind: type = _Learner) -> Callable[[Callable], Callable]:
    """Turn ``check(learner, draw) -> text`` into ``check(function, *, seed=0) -> Verdict``.

    `draw(i)` is the generator of canary i; the text says what a right function did. `kind` reads the answer.
    """

    def decorate(check):
        def run(function: Callable, *, seed: int = 0) -> Verdict:
            try:
                learner = kind(function, arguments, answer)
                # The canaries are small: threads would cost more than they give.
                with threadpool_limits(1):
                    text = check(learner, lambda i: np.random.default_rng([seed, i]))
                return Verdict(True, text + learner.note)
            except _NotYet as found:
                return Verdict(False, _one_line(str(found)))
            except Exception as error:
                log.exception("the check %s failed", check.__name__)
                return Verdict(False, _one_line(
                    f"The check cannot make sense of what the function returns ({type(error).__name__}: {error}). Return "
                    f"the {answer}, in the form that the task describes."))

        functools.update_wrapper(run, check, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
        del run.__wrapped__  # the signature is that of `run`
        return run

    return decorate


# Canaries


def _scans(rng, n=50, p=1000, *, effect=0.0, rare=0.5):
    """X, y: one scan per subject; every feature is shifted by `effect` in class 1, the rare one."""
    y = rng.permutation((np.arange(n) < round(n * rare)).astype(int))
    return rng.standard_normal((n, p)) + effect * y[:, None], y


def _repeated(rng, n_subjects=40, n_scans=4, p=60, *, effect=0.0, spread=0.1):
    """X, y, subjects: several scans of each subject, almost alike, in random order; one label per subject."""
    label = rng.permutation(np.arange(n_subjects) % 2)
    centre = rng.standard_normal((n_subjects, p)) + effect * label[:, None]
    return _scanned(rng, centre, label, n_scans, spread)


def _families(rng, n_families=8, n_scans=10, p=16):
    """X, y, subjects: whoever trusts the most similar subject is wrong, whoever asks several is right.

    Three subjects of one label stand around a lookalike with the other label. The nearest other subject
    therefore has the wrong label, the majority of the neighbourhood the right one (three times out of four).
    """
    side = np.arange(n_families) % 2
    middle = 2 * rng.standard_normal((n_families, p)) + 3 * side[:, None]
    around = rng.standard_normal((n_families, 4, p))
    around *= 3 / np.linalg.norm(around, axis=2, keepdims=True)
    around[:, 0] = 0
    label = np.repeat(side[:, None], 4, axis=1)
    label[:, 0] = 1 - side
    return _scanned(rng, (middle[:, None] + around).reshape(-1, p), label.ravel(), n_scans)


def _scanned(rng, centre, label, n_scans, spread=0.1):
    who = rng.permutation(np.repeat(np.arange(len(label)), n_scans))
    names = rng.choice(np.arange(100, 1000), len(label), replace=False)
    return centre[who] + spread * rng.standard_normal((len(who), centre.shape[1])), label[who], names[who]


def _blank(data: tuple) -> tuple:
    """The same data with an empty table X, from which nothing can be learnt."""
    return tuple(np.zeros_like(one) if np.ndim(one) == 2 else one for one in data)


def _alone(X, y):
    """Every scan from a subject of its own."""
    return X, y, np.arange(len(y)) + 100


# What the checks of scores have in common


def _too_high(scores: np.ndarray, at_least: float) -> bool:
    """Whether the mean of scores on noise is at least so high, and further above chance than luck explains."""
    error = scores.std(ddof=1) / np.sqrt(len(scores))
    return scores.mean() >= max(at_least, 0.5 + stats.t.isf(5e-5, len(scores) - 1) * error)


def _scores(learner: _Learner, data: list[tuple]) -> np.ndarray:
    return np.array([learner(*one) for one in data])


def _on(learner: _Learner, data: list[tuple]) -> float:
    """The mean score on data that serve to find the cause of a leak; NaN if the function cannot use them."""
    try:
        return _scores(learner, data).mean()
    except _NotYet:
        return np.nan


def _honest(learner, noise, signal, leak, at_least=0.54) -> tuple[float, float]:
    """Run the function on noise and on signal; give both mean scores, or raise what is wrong.

    `leak(mean)` is called when the score on noise is too high, `at_least` or more, and says why.
    """
    found = np.array([learner.twice(*signal[0]), *_scores(learner, signal[1:])])
    reported = _scores(learner, noise)
    if np.ptp([*found, *reported]) < 1e-12 and (found[0] < 1 or _on(learner, [_blank(signal[0])]) == 1):
        raise _NotYet(
            f"The function returns {found[0]:.2f} whatever the data are: noise and real signal get the same "
            "score. The score must be measured on X and y."
        )
    if found.mean() < 0.4:
        raise _NotYet(
            f"Where there is strong real signal, the function returns {found.mean():.2f}, less than a coin "
            "would get. Is it the share of errors? Return the score, that is 1 minus the errors."
        )
    if _too_high(reported, at_least):
        raise _NotYet(leak(reported.mean()))
    if found.mean() < 0.65:
        raise _NotYet(
            f"On pure noise the function is honest ({reported.mean():.2f}), but it misses strong real signal: "
            f"{found.mean():.2f}, where a simple analysis gets more than 0.90. Look whether the model learns "
            "from the training scans with their own labels."
        )
    return reported.mean(), found.mean()


def _trained_on_test(score: float, where: str) -> str:
    return (
        f"{where} the function reports {score:.2f}, and chance is 0.50. The model is scored on scans that it was "
        "fitted to. Fit it to some scans, score it on others."
    )


def _passed(noise: float, signal: float, sort: str = "pure noise") -> str:
    return f"On {sort} it reports {noise:.2f}, and chance is 0.50. On data with real signal it reports {signal:.2f}."


# The tasks


@_check("X", "y")
def selection(learner, draw):
    """``evaluate(X, y)``: features chosen inside the folds, accuracy returned."""

    def leak(mean):
        # With 20 features there is nothing to choose, so what remains is no selection leak.
        few = _on(learner, [_scans(draw(i), p=20) for i in range(20, 26)])
        if few > 0.72:
            return _trained_on_test(few, "On noise with 20 features, where nothing needs to be selected,")
        return (
            f"On pure noise the function reports {mean:.2f}, and chance is 0.50: the selection saw the labels of the "
            "test fold. Choose the features anew in every fold, from the training scans alone."
        )

    noise = [_scans(draw(i)) for i in range(10)]
    signal = [_scans(draw(i), effect=3) for i in range(10, 12)]
    for X, _ in signal:  # 100 features carry the signal
        X[:, 100:] = draw(12).standard_normal((len(X), X.shape[1] - 100))
    return _passed(*_honest(learner, noise, signal, leak, 0.65))


@_check("X", "y", "subjects")
def repeated_scans(learner, draw):
    """``evaluate(X, y, subjects)``: no subject on both sides of a split, accuracy returned."""

    def leak(mean):
        single = _on(learner, [_alone(*_scans(draw(i), p=60)) for i in range(20, 26)])
        if single > 0.72:
            return _trained_on_test(single, "On noise with one scan per subject")
        X, y, subjects = _repeated(draw(18), p=20, spread=2)
        mixed = [_on(learner, [(X, y, draw(i).permutation(subjects))]) for i in (18, 19)]
        start = (
            f"Each subject's label was drawn by lot, and still the function reports {mean:.2f}, where chance is 0.50: "
            "the same subject stands on both sides of the split."
        )
        if np.ptp([*mixed, _on(learner, [(X, y, subjects)])]) < 1e-12:
            return (
                f"{start} The score does not change when the subjects are mixed up, so `subjects` has no effect on the "
                "folds. A splitter must know groups (GroupKFold, say); others ignore `groups`."
            )
        return f"{start} `subjects` has an effect, but does not keep a subject's scans together. Split by subject."

    noise = [_repeated(draw(i)) for i in range(10)]
    signal = [_repeated(draw(i), effect=3) for i in range(10, 12)]
    return _passed(*_honest(learner, noise, signal, leak, 0.65), "subjects whose label was drawn by lot")


class _Guess(ClassifierMixin, BaseEstimator):
    """A model that learns nothing: `rule` says how it guesses, and on noise every rule is a coin of its own."""

    def __init__(self, rule=0):
        self.rule = rule

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return np.asarray(X) @ np.random.default_rng(self.rule).standard_normal(np.shape(X)[1])

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0) * (len(self.classes_) - 1)]


_GUESS = _Guess(), {"rule": list(range(8))}
_NEIGHBOURS = KNeighborsClassifier(), {"n_neighbors": [1, 5, 25]}


@_check("model", "grid", "X", "y")
def tuning(learner, draw):
    """``evaluate(model, grid, X, y)``: settings chosen and tested on different scans, accuracy returned."""

    def leak(mean):
        memory = KNeighborsClassifier(), {"n_neighbors": [1]}
        single = _on(learner, [(*memory, *_scans(draw(i), p=20)) for i in range(30, 36)])
        if single > 0.72:
            return _trained_on_test(single, "On noise, with a single setting to choose from,")
        return (
            f"On pure noise, with {len(_GUESS[1]['rule'])} settings to choose from, the function reports "
            f"{mean:.2f}, and chance is 0.50. The scans that chose "
            "the setting also gave the score. Tune within the training scans, then score on scans that chose nothing."
        )

    noise = [(*_GUESS, *_scans(draw(i), n=30, p=20)) for i in range(18)]
    signal = [(*_NEIGHBOURS, *_scans(draw(i), n=80, p=20, effect=3)) for i in range(40, 42)]
    return _passed(*_honest(learner, noise, signal, leak, 0.58))


@_check("X", "y", answer="balanced accuracy")
def oversampling(learner, draw):
    """``evaluate(X, y)``: no copy of a test scan in training, balanced accuracy returned."""

    def without_information(i):
        X, y = _scans(draw(i), n=120, p=60, rare=0.2)
        return X[draw(i).integers(2, size=len(y))], y  # every scan is one of two pictures

    alike = _scores(learner, [without_information(i) for i in range(30, 36)])
    plain = (
        f"Among scans that look all the same, a fifth of them patients, the function reports {alike.mean():.2f}. There "
        "is nothing to learn, so it is the size of the larger class that counts. Return the balanced accuracy, not the "
        "plain accuracy, and have both classes in every test fold; then chance is 0.50."
    )

    def leak(mean):
        if alike.mean() > 0.6:
            return plain
        even = _on(learner, [_scans(draw(i), n=60, p=60) for i in range(20, 26)])
        if even > 0.72:
            return _trained_on_test(even, "On noise with classes of equal size")
        return (
            f"On pure noise with a rare class the function reports {mean:.2f}, and chance is 0.50. Where the classes "
            "are "
            f"equal and nothing is resampled it reports {even:.2f}. Copies of the same scan stand on both sides of the "
            "split. Split first; resample the training scans alone."
        )

    if np.ptp(alike) > 0 and _too_high(alike, 0.6):
        raise _NotYet(plain)
    noise = [_scans(draw(i), n=120, p=60, rare=0.2) for i in range(10)]
    signal = [_scans(draw(i), n=120, p=60, rare=0.2, effect=3) for i in range(10, 12)]
    return _passed(*_honest(learner, noise, signal, leak, 0.62), "pure noise with a rare class")


@_check("model", "grid", "X", "y", "subjects")
def nested_grouped(learner, draw):
    """``nested_grouped(model, grid, X, y, subjects)``: tuned in grouped folds inside grouped folds."""

    def leak(mean):
        single = _on(learner, [(*_NEIGHBOURS, *_alone(*_scans(draw(i), n=80, p=20))) for i in range(30, 36)])
        if single > 0.72:
            return _trained_on_test(single, "On noise with one scan per subject")
        return (
            f"Each subject's label was drawn by lot, and still the function reports {mean:.2f}, where chance is 0.50: "
            "the same subject stands on both sides of the outer split. Group the outer folds by subject."
        )

    noise = [(*_NEIGHBOURS, *_repeated(draw(i), 20, 10, 20)) for i in range(60, 66)]
    signal = [(*_NEIGHBOURS, *_repeated(draw(i), 20, 10, 20, effect=3)) for i in range(10, 12)]
    reported, found = _honest(learner, noise, signal, leak, 0.7)

    lookalikes = [_families(draw(i)) for i in range(20, 22)]
    free = _scores(learner, [(*_NEIGHBOURS, *data) for data in lookalikes]).mean()
    if free < 0.4:
        fixed = _scores(
            learner, [(_NEIGHBOURS[0], {"n_neighbors": [25]}, *data) for data in lookalikes]
        ).mean()
        if fixed < 0.4:
            raise _NotYet(
                f"With 25 neighbours as the only setting of the grid the function gets {fixed:.2f}, where 25 "
                "neighbours get about 0.70: the settings of the grid do not reach the model that is scored."
            )
        raise _NotYet(
            f"The subjects here have lookalikes with the other label. With 25 neighbours fixed, the function gets "
            f"{fixed:.2f}; when it may choose, only {free:.2f}, because it chooses to trust the nearest scan. "
            "Where it chooses, the same subject stands on both sides of the inner split. Group the inner folds "
            "too, with the subjects of the training rows."
        )

    guesses = _scores(learner, [(*_GUESS, *_alone(*_scans(draw(i), n=30, p=20))) for i in range(40, 58)])
    if _too_high(guesses, 0.58):
        raise _NotYet(
            f"The folds are grouped, but on pure noise with {len(_GUESS[1]['rule'])} settings to choose "
            f"from the function reports {guesses.mean():.2f}. The subjects that chose the setting also gave the "
            "score. Tune within the training subjects of each outer fold."
        )
    return (
        f"{_passed(reported, found, 'subjects whose label was drawn by lot')} Where trusting the nearest scan is a "
        "trap "
        f"it chooses more neighbours and gets {free:.2f}. With many settings and no signal it reports "
        f"{guesses.mean():.2f}."
    )


class _Witness(ClassifierMixin, BaseEstimator):
    """Nearest centroid, with a memory of its fits and of subjects that it was fitted to and tested on.

    All scans of a subject have the same first feature, by which the witness knows the subject.
    """

    fits: list[tuple[np.ndarray, np.ndarray]] = []  # noqa: RUF012 (one list for all clones is the point)
    shared = False

    def fit(self, X, y):
        X, y = np.asarray(X), np.asarray(y)
        self.known_ = X[:, 0]
        _Witness.fits.append((self.known_, y))
        self.classes_ = np.unique(y)
        self.centres_ = np.array([X[y == one].mean(axis=0) for one in self.classes_])
        return self

    def decision_function(self, X):
        distance = ((np.asarray(X)[:, None] - self.centres_) ** 2).sum(axis=2)
        return distance[:, 0] - distance[:, -1]

    def predict(self, X):
        who = np.asarray(X)[:, 0]
        # To predict exactly the training rows is a training score, which is no split.
        if not np.array_equal(who, self.known_) and np.isin(who, self.known_).any():
            _Witness.shared = True
        return self.classes_[(self.decision_function(X) > 0) * (len(self.classes_) - 1)]


@_check("model", "X", "y", "subjects", "n_permutations", answer="p-value")
def permutation(learner, draw):
    """``permutation_p(model, X, y, subjects, n_permutations)``: labels permuted between subjects."""
    rounds = 19

    def canary(i, **settings):
        X, y, subjects = _repeated(draw(i), **settings)
        _, who = np.unique(subjects, return_inverse=True)
        X[:, 0] = draw(i + 1000).standard_normal(who.max() + 1)[who]
        return _Witness(), X, y, subjects, rounds

    strong = canary(0, n_subjects=20, n_scans=5, effect=3)
    _Witness.fits, _Witness.shared = [], False
    found = learner.twice(*strong)
    fits = _Witness.fits
    _Witness.fits = []
    _, X, y, _, _ = strong
    label = dict(zip(X[:, 0], y, strict=True))
    known = [(who, given) for who, given in fits if set(who) <= set(label)]
    null = _scores(learner, [canary(i, n_subjects=12, n_scans=8) for i in range(1, 17)])

    if np.ptp([found, *null]) < 1e-12 and not fits:
        raise _NotYet(
            f"The function returns {found:.2f} whatever the data are. The p-value must come from X and y."
        )
    if any(len(set(given[who == one])) > 1 for who, given in known for one in set(who)):
        raise _NotYet(
            "In a permutation the scans of one subject got different labels: the labels were permuted scan by "
            "scan. Permute them between subjects, so that all scans of a subject keep one label."
        )
    if _Witness.shared:
        raise _NotYet(
            "The same subject stands on both sides of the split, so every labelling scores well and the true "
            "one cannot stand out. Group the folds by subject, as in the analysis itself."
        )
    if known and len(known) == len(fits):
        recorded = [
            len({(label[w], g) for w, g in zip(who, given, strict=True)}) <= 2 for who, given in known
        ]
        if all(recorded):
            if len(fits) < 2 * rounds:  # two calls
                raise _NotYet(
                    f"With {rounds} permutations the model was fitted {len(fits) // 2} times, always to the labels "
                    "as recorded. Fit and score it anew for every permutation: the test is of the whole "
                    "analysis, learning included."
                )
            raise _NotYet(
                "The model was fitted anew, but always to the labels as recorded: where it learns, nothing was "
                "permuted. Labels exchanged within a subject do not change; exchange them between subjects."
            )
    if min(found, *null) <= 0:
        raise _NotYet(
            f"The function returns p = 0, but {rounds} permutations cannot show that. The labels as recorded are "
            "one possible labelling too: p = (1 + number at least as good) / (1 + number of permutations)."
        )
    if min(found, *null) < 1 / (1 + rounds) - 1e-9:
        raise _NotYet(
            f"With n_permutations = {rounds} the smallest possible p is 1 / {1 + rounds} = 0.05, but the function "
            f"returns {min(found, *null):.4f}. Does it use n_permutations?"
        )
    alarms = int((null <= 0.05 + 1e-9).sum())
    if alarms > 6:
        raise _NotYet(
            f"In {alarms} of {len(null)} data sets without any signal p is 0.05 or less; about one would be right. "
            "The permuted scores must be made exactly as the reported one is, with labels that differ between "
            "subjects only."
        )
    if found > 0.8:
        raise _NotYet(
            f"Where there is strong real signal, p is {found:.2f}. Count the permutations that score at least "
            "as well as the labels as recorded, not those that score worse."
        )
    if found > 0.15:
        raise _NotYet(
            f"Where there is strong real signal, p is {found:.2f}; with {rounds} permutations 0.05 is possible. "
            "Compare the score with the labels as recorded to the scores with permuted labels."
        )
    return (
        f"On strong real signal p is {found:.2f}; with {rounds} permutations it cannot be below 0.05. Without signal "
        f"p is 0.05 or less in {alarms} of {len(null)} data sets; about one is expected. Subjects keep one label, and "
        "p is never 0."
    )


# A first look at a cohort: doubles, the site alone, gaps, the site in the features, columns that are too good


class _Looker(_Other):
    """A learner's function that gets tables: they must come back unchanged."""

    def __call__(self, *data):
        given = [value.copy() if isinstance(value, pd.DataFrame) else value for value in data]
        answer = super().__call__(*given)
        for name, before, after in zip(self.arguments, data, given, strict=True):
            if isinstance(before, pd.DataFrame) and not before.equals(after):
                raise _NotYet(
                    f"The function changes the {name} that it is given: the next step of the first look would see "
                    f"another one. Work on a copy: {name}.copy()."
                )
        return answer


class _Pairs(_Looker):
    def _read(self, value) -> set[tuple[int, int]]:
        try:
            pairs = {tuple(sorted(int(row) for row in pair)) for pair in list(value)}
            if any(len(pair) != 2 for pair in pairs):
                raise ValueError
        except (TypeError, ValueError):
            raise _NotYet(
                "Return a list of pairs of row numbers, such as [(0, 7), (3, 12)], and an empty list if there are "
                f"none. The function returns a value of type {type(value).__name__} that is no such list."
            ) from None
        if any(first == second for first, second in pairs):
            raise _NotYet("The function pairs a row with itself. Every scan is like itself; leave these pairs out.")
        return pairs


class _PerColumn(_Looker):
    def _read(self, value) -> dict[str, float]:
        try:
            return {str(name): float(number) for name, number in dict(value).items()}
        except (TypeError, ValueError):
            raise _NotYet(
                "Return one number for each column: a pandas Series with the columns' names as its index, or a dict. "
                f"The function returns a value of type {type(value).__name__} that is neither."
            ) from None


class _Columns(_Looker):
    def _read(self, value) -> set[str]:
        if isinstance(value, str | int | float | dict | pd.DataFrame) or not hasattr(value, "__iter__"):
            raise _NotYet(f"Return a list of column names. The function returns a value of type {type(value).__name__}.")
        names = list(value)
        if any(not isinstance(name, str) for name in names):
            raise _NotYet(f"Return the names of the columns. The list holds {names[0]!r}, which is no name.")
        return set(names)


def _copied(rng, kind, n=60, p=20):
    """A table whose columns have very different scales, and its pairs of the same scan (or of lookalikes)."""
    scale = np.append(np.logspace(-3, 4, p - 1), 1e9)
    Z = rng.standard_normal((n, p))
    rows = [int(row) for row in rng.permutation(n)[:6]]
    if kind == "lookalike":  # two people who agree in the column with the largest numbers, and in nothing else
        Z[rows[1], -1] = Z[rows[0], -1]
    elif kind != "none":
        for first, second in zip(rows[::2], rows[1::2], strict=True):
            Z[second] = Z[first] + (1e-4 * rng.standard_normal(p) if kind == "nearly" else 0)
    pairs = {tuple(sorted(rows[i : i + 2])) for i in (0, 2, 4)[: {"none": 0, "lookalike": 1}.get(kind, 3)]}
    return scale * (Z + 5), pairs


@_check("X", answer="list of pairs", kind=_Pairs)
def same_scan_twice(learner, draw):
    """``find_twice(X)``: pairs of rows that are the same scan, exactly or up to the fourth digit."""
    X, pairs = _copied(draw(0), "exactly")
    found = learner(X)
    missed = len(pairs - found)
    if found == {(first + 1, second + 1) for first, second in pairs}:
        raise _NotYet("All pairs are found, but their numbers are one too high. The first row has the number 0.")
    if missed:
        raise _NotYet(
            f"Three pairs of rows are exact copies, and the function misses {('', 'one', 'two', 'all')[missed]} of "
            "them. Compare every row with every other one."
        )
    for i in (1, 2):
        X, pairs = _copied(draw(i), "nearly")
        missed = len(pairs - learner(X))
        if missed:
            raise _NotYet(
                "Exact copies are found. But of three pairs that agree only up to about a ten-thousandth of a column's "
                f"spread, as after another version of the software, {('', 'one is', 'two are', 'all are')[missed]} "
                "missed. Ask for a small distance, not for equal numbers."
            )
    for kind, i in (("lookalike", 3), ("none", 4), ("none", 5)):
        X, pair = _copied(draw(i), kind)
        found = learner(X)
        if found >= pair and 0 < len(pair) <= len(found) <= 3:
            raise _NotYet(
                "Two people agree in the column with the largest numbers and in no other, and the function calls them "
                "the same scan. Bring all columns to one scale first."
            )
        if len(found):
            raise _NotYet(
                f"In a table of {len(X)} different people the function finds "
                f"{'a pair' if len(found) == 1 else f'{len(found)} pairs'}. If it compares raw "
                "rows, the columns with large numbers decide alone; bring all columns to one scale. If it does that "
                "already, its limit is too generous."
            )
    return "It finds exact copies and copies that differ in the fourth digit, and no pair where all people differ."


_PREVALENCE = np.array([0.02, 0.4, 0.05, 0.0, 0.3, 0.05])  # in the order of the names, so that codes 0, 1, 2 … say nothing


def _sites_with_label(rng, prevalence, size):
    """site, y: a site with each share of patients, in random order."""
    names = np.sort(rng.permutation([f"site_{i}" for i in range(100, 200)])[: len(prevalence)])
    order = rng.permutation(len(prevalence) * size)
    labels = np.concatenate([np.arange(size) < round(p * size) for p in prevalence]).astype(int)
    return np.repeat(names, size)[order], labels[order]


@_check("site", "y", answer="AUC")
def site_alone(learner, draw):
    """``site_alone(site, y)``: cross-validated AUC of a model that sees the name of the site only."""
    signal = [_sites_with_label(draw(i), _PREVALENCE, 100) for i in range(4)]
    more = _PREVALENCE[:, None] > _PREVALENCE
    equal = _PREVALENCE[:, None] == _PREVALENCE
    pairs = _PREVALENCE[:, None] * (1 - _PREVALENCE)
    right = float((pairs * (more + 0.5 * equal)).sum() / pairs.sum())
    chance = []
    for i in range(10, 20):
        site, y = _sites_with_label(draw(i), np.full(20, 0.5), 6)
        chance.append((site, draw(i + 10).permutation(y)))
    found = np.array([learner.twice(*signal[0]), *_scores(learner, signal[1:])])
    lot, y = _sites_with_label(draw(4), np.full(5, 0.5), 40)
    if np.ptp([*found, learner(lot, draw(5).permutation(y))]) < 1e-12:
        raise _NotYet(f"The function returns {found[0]:.2f} whatever the sites and labels are.")
    if found.mean() < 0.42:
        start = f"Where the site says much about the label, the function returns {found.mean():.2f}, less than chance."
        if _on(learner, chance[:5]) < 0.42:
            raise _NotYet(
                f"{start} So it does where labels are by lot: every site was tested by a model that had never seen it. "
                "Split the people, not the sites."
            )
        raise _NotYet(f"{start} Is it made from the probability of class 0? Use that of class 1.")
    rare = learner(np.repeat(lot[:5], 100), draw(6).permutation(np.arange(500) < 25).astype(int))
    if rare > 0.8:  # by lot, so that an AUC is about 0.5
        raise _NotYet(
            f"With 5 % patients and labels by lot the function returns {rare:.2f}, which is what always saying "
            "“control” gets as accuracy. Return the AUC."
        )
    if found.mean() < right - 0.12:
        raise _NotYet(
            f"Where a model that knows each site's share of patients gets an AUC of {right:.2f}, the function returns "
            f"{found.mean():.2f}. Three things can be the cause. Names of sites have no order, so they need a column "
            "each. Every site must occur in the training folds too. And an AUC needs a graded answer of the model, "
            "such as a probability, not its yes or no."
        )
    if found.mean() > right + 0.1:
        raise _NotYet(
            f"The function returns {found.mean():.2f}, where knowing each site's share of patients gives an AUC of "
            f"{right:.2f}. Is it another score than the AUC?"
        )
    noise = _scores(learner, chance)
    if _too_high(noise, 0.62):
        raise _NotYet(
            f"With 20 sites of 6 people and labels by lot the function returns {noise.mean():.2f}; chance is 0.50. The "
            "share of patients at a site was learnt from the same people that it is tested on. Cross-validate."
        )
    return f"Where the site says much it returns {found.mean():.2f} (possible: {right:.2f}), with labels by lot {noise.mean():.2f}."


@_check("table", "y", answer="Series", kind=_PerColumn)
def gaps_by_label(learner, draw):
    """``gaps_by_label(table, y)``: share of missing values in class 1 minus that in class 0, for every column."""
    rng = draw(0)
    n = 200
    y = rng.permutation(np.arange(n) < 80).astype(int)
    table = pd.DataFrame(
        {"age": rng.normal(62, 10, n), "volume": rng.normal(5400, 700, n), "score": rng.poisson(2, n).astype(float),
         "handedness": rng.choice(["left", "right"], n), "dose": rng.normal(300, 50, n)},
        index=rng.permutation(n) + 1000,
    )  # fmt: skip
    shares = {"volume": (0.25, 0.05), "handedness": (0.1, 0.1), "dose": (0.05, 0.55)}
    for column, (cases, controls) in shares.items():
        for label, share in ((1, cases), (0, controls)):
            rows = rng.permutation(np.flatnonzero(y == label))[: round(share * (y == label).sum())]
            table.loc[table.index[rows], column] = None
    right = {column: shares.get(column, (0, 0))[0] - shares.get(column, (0, 0))[1] for column in table}
    try:
        found = learner(table, y)
    except _NotYet as stopped:
        try:
            learner(table.reset_index(drop=True), y)
        except _NotYet:
            raise stopped from None
        raise _NotYet(
            f"{stopped} The table's index is not 0, 1, 2, …: with such an index the function runs. Use the array y "
            "itself, as in table[y == 1], and .iloc for rows by number."
        ) from None
    missing = [column for column in table if column not in found]
    if missing:
        raise _NotYet(
            f"The answer has nothing on the column {missing[0]!r}. Give a number for every column, 0 if nothing is missing."
        )
    got = np.array([found[column] for column in table])
    want = np.array([right[column] for column in table])
    if np.isnan(got).any():
        raise _NotYet(
            "Some numbers are NaN. The table's index is not 0, 1, 2, …, and pandas matches a Series of labels by index. "
            "Use the array y itself, as in table[y == 1]."
        )
    if np.allclose(got, want, atol=1e-6):
        return "For every column, text included, the share missing in class 1 minus that in class 0 is right."
    counts = np.array([table.loc[y == 1, c].isna().sum() - table.loc[y == 0, c].isna().sum() for c in table])
    zeros = np.array([(table.loc[y == 1, c] == 0).mean() - (table.loc[y == 0, c] == 0).mean() for c in table])
    for wrong, why in (
        (-want, "The sign is the wrong way round: class 1 minus class 0, so that more gaps in patients are positive."),
        (100 * want, "The numbers are per cent. Return shares between -1 and 1."),
        (np.abs(want), "The direction is lost: return the difference itself, not its absolute value."),
        (counts, "These are differences of counts. The classes differ in size, so compare shares."),
        (table.isna().mean().to_numpy(), "This is the share missing in all people. Compare the two classes."),
        (want + zeros, "Zeros were counted as missing. A zero is a value here."),
    ):
        if np.allclose(got, wrong, atol=1e-6):
            raise _NotYet(why)
    off = list(table)[int(np.abs(got - want).argmax())]
    raise _NotYet(
        f"For {off!r} the function gives {found[off]:.2f}. {shares.get(off, (0, 0))[0]:.0%} are missing in class 1 and "
        f"{shares.get(off, (0, 0))[1]:.0%} in class 0, so {right[off]:+.2f} is right."
    )


@_check("X", "site", answer="balanced accuracy")
def site_from_features(learner, draw):
    """``site_from_features(X, site)``: cross-validated balanced accuracy of predicting the site."""
    names = np.repeat(["north", "east", "south"], [120, 30, 30])
    scale = np.logspace(-1, 3, 10)
    offset = np.array([[2, 0, -2], [-2, 2, 0], [0, -2, 2]])[np.unique(names, return_inverse=True)[1]]

    def canary(i):
        rng = draw(i)
        Z = rng.standard_normal((len(names), 10))
        Z[:, :3] += offset
        order = rng.permutation(len(names))
        return (scale * Z)[order], names[order]

    def chance(i):  # small, with many columns: a model that is scored on its own scans knows them all
        rng = draw(i)
        return np.logspace(-1, 3, 40) * rng.standard_normal((60, 40)), rng.permutation(np.repeat(names[[0, 120, 150]], 20))

    signal = [canary(i) for i in (0, 1)]
    found = np.array([learner.twice(*signal[0]), *_scores(learner, signal[1:])])
    noise = _scores(learner, [chance(i) for i in range(10, 20)])
    blind = _on(learner, [_blank(signal[0])])
    if np.ptp([*found, *noise]) < 1e-12 and found[0] < 1:
        raise _NotYet(f"The function returns {found[0]:.2f} whatever the features are.")
    if found.mean() < 0.25:
        raise _NotYet(
            f"Where the features tell the site, the function returns {found.mean():.2f}, less than guessing. Is it the "
            "share of errors?"
        )
    if 0.6 < blind < 0.75:
        raise _NotYet(
            f"With features that are all alike the function returns {blind:.2f}: two thirds of the scans are from one "
            "site, and naming it always gets that accuracy. Return the balanced accuracy; then guessing gets 0.33."
        )
    if abs(blind - 0.5) < 1e-3:
        raise _NotYet(
            f"With features that are all alike the function returns {blind:.2f}, and guessing among three sites gets a "
            "balanced accuracy of 0.33. Is it an AUC?"
        )
    error = noise.std(ddof=1) / np.sqrt(len(noise))
    if noise.mean() > max(0.45, 1 / 3 + stats.t.isf(5e-5, len(noise) - 1) * error):
        raise _NotYet(
            f"On features that know nothing of the site the function returns {noise.mean():.2f}, and guessing gets 0.33. "
            "The model is scored on scans that it was fitted to. Cross-validate."
        )
    if found.mean() < 0.7:
        raise _NotYet(
            f"Three features together tell the site almost surely, and the function returns {found.mean():.2f}. They "
            "have the smallest numbers of all; scale the features, inside the folds."
        )
    return f"Where features tell the site it returns {found.mean():.2f}, where none does {noise.mean():.2f} (guessing: 0.33)."


@_check("table", "y", answer="list of names", kind=_Columns)
def too_good(learner, draw):
    """``too_good(table, y)``: columns that alone separate the classes with an AUC of .95 or more, in any direction."""
    rng = draw(0)
    n = 300
    y = rng.permutation(np.arange(n) % 2)
    almost = [y + 0.25 * rng.standard_normal(n) for _ in range(4)]
    gappy = np.where(rng.random(n) < 0.4, np.nan, almost[2])
    steps = stats.norm.ppf((np.arange(n // 2) + 0.5) / (n // 2))  # so that an AUC is the same in every sample

    def column(auc):
        values = np.empty(n)
        values[y == 0], values[y == 1] = rng.permutation(steps), rng.permutation(steps) + stats.norm.ppf(auc) * np.sqrt(2)
        return values

    uptake = column(0.92)
    # Known in few people: in these the uptake gives the label away, and the biopsy itself says nothing.
    biopsy = np.full(n, np.nan)
    clear = np.concatenate([np.argsort(np.where(y == 1, -uptake, np.inf))[:20], np.argsort(np.where(y == 0, uptake, np.inf))[:20]])
    biopsy[clear] = np.tile(rng.permutation(20), 2)
    table = pd.DataFrame(
        {"thickness": rng.standard_normal(n), "dose": almost[0], "memory": 30 - 5 * almost[1], "volume": y + 0.8 * rng.standard_normal(n),
         "rating": gappy, "titre": np.exp(9 * almost[3]), "asymmetry": column(0.97), "uptake": uptake, "biopsy": biopsy, "scanner": np.ones(n), "age": 60 + 10 * rng.standard_normal(n)},
        index=rng.permutation(n) + 1000,
    )  # fmt: skip
    right = {
        "dose": "Its AUC is above 0.95: patients have the higher values",
        "memory": "Its AUC is below 0.05, because patients have the lower values. That gives the label away just as well",
        "rating": "Four in ten values are missing. On the others its AUC is above 0.95: leave the gaps out, do not fill them",
        "titre": "Its AUC is above 0.95. A few huge values spoil a correlation or a mean, but not the AUC, which uses ranks",
        "asymmetry": "Its AUC is 0.97. The limit is one of the AUC, not of the accuracy or of another measure",
    }
    found = learner(table, y)
    unknown = [name for name in found if name not in table]
    if unknown:
        raise _NotYet(f"There is no column {unknown[0]!r} in the table. Return names of columns.")
    if found == set(table):
        raise _NotYet("The function names every column, also the one that is the same in all people.")
    for name, why in right.items():
        if name not in found:
            raise _NotYet(f"The column {name!r} is missing from the answer. {why}.")
    useful = {
        "volume": "about 0.8: an honest, useful feature. The limit is 0.95",
        "uptake": "0.92, and the limit is 0.95. It is higher only in the rows in which all columns are known: judge each "
        "column by its own rows",
    }
    for name in sorted(found - set(right), reverse=True):
        if name in useful:
            raise _NotYet(f"The answer has the column {name!r}. Its AUC is {useful[name]}.")
        raise _NotYet(f"The answer has the column {name!r}, which has nothing to do with the label.")
    calm = pd.DataFrame(draw(1).standard_normal((n, 30)), columns=[f"noise_{i}" for i in range(30)])
    if learner(calm, y):
        raise _NotYet("In a table of pure noise the function names columns. Compare the AUC with the limit of 0.95.")
    return "It names the five columns that give the label away (high, low, with gaps, with huge values, overlapping) and no other."


# Overfitting: reading a learning curve, choosing a depth, testing it once, an interval


class _YesNo(_Other):
    def _read(self, value) -> bool:
        if not isinstance(value, bool | np.bool_ | int | float | np.number) or value not in (0, 1):
            raise _NotYet(f"The function returns {value!r}, but the question is answered by True or False.")
        return bool(value)


class _Depth(_Other):
    def _read(self, value) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or value % 1 != 0:
            raise _NotYet(
                f"The function returns {value!r}. Return the chosen depth, a whole number, not its score."
            )
        if not 1 <= value <= 10:
            raise _NotYet(
                f"The function returns the depth {int(value)}, but the depths to choose from are 1 to 10."
            )
        return int(value)


class _Interval(_Other):
    def _read(self, value) -> tuple[float, float]:
        try:
            low, high = np.asarray(value, float)
            low, high = float(low), float(high)
        except (TypeError, ValueError):
            raise _NotYet(
                f"The function returns {value!r}. Return two numbers: the lower and the upper end."
            ) from None
        if not (np.isfinite(low) and np.isfinite(high)):
            raise _NotYet(f"The function returns ({low}, {high}). Both ends must be numbers.")
        return low, high


def _remembered(draw, sizes, pattern):
    """Mean accuracy of the nearest neighbour on new scans, for each size; its training accuracy is 1."""
    unseen = np.zeros(len(sizes))
    for i in range(60):
        rng = draw(i)
        X, new = pattern(rng, sizes[-1]), pattern(rng, 500)
        for k, n in enumerate(sizes):
            unseen[k] += KNeighborsClassifier(1).fit(X[0][:n], X[1][:n]).score(*new) / 60
    return unseen


def _board(rng, n):
    X = 4 * rng.random((n, 2))
    return X, X.astype(int).sum(axis=1) % 2


def _two_groups(rng, n):
    y = np.arange(n) % 2
    return rng.standard_normal((n, 1)) + 1.5 * y[:, None], y


@functools.cache
def _curves(seed):
    """(name, sizes, training, unseen, unseen with four times as many scans, whether more scans are worth it)."""

    def lda(sizes, **settings):
        sizes = (*sizes, 4 * sizes[-1])
        draws = experiments.learning_curve_of_lda(sizes=sizes, repeats=200, seed=seed, **settings).draws
        return sizes, draws["training"].mean(axis=0), draws["true"].mean(axis=0)

    def neighbour(sizes, pattern, stream):
        sizes = (*sizes, 4 * sizes[-1])
        unseen = _remembered(lambda i: np.random.default_rng([seed, stream, i]), sizes, pattern)
        return sizes, np.ones(len(sizes)), unseen

    few, many = (20, 30, 40, 60), (100, 200, 400, 800)
    found = {
        "rising": (lda(few, n_features=15), True),
        "flat": (lda(many, n_features=2, effect=2.0), False),
        "noise": (lda(few, n_features=15, effect=0.001), False),
        "memory, rising": (neighbour((50, 100, 200, 400), _board, 1), True),
        "memory, flat": (neighbour((100, 200, 300, 400), _two_groups, 2), False),
        "simple, rising": (lda(few, n_features=15, rule="nearest centroid", effect=1.0), True),
    }
    return [
        (name, np.array(sizes[:-1]), training[:-1], unseen[:-1], unseen[-1], worth)
        for name, ((sizes, training, unseen), worth) in found.items()
    ]


@_check("sizes", "training", "unseen", answer="True or False", kind=_YesNo)
def learning_curves(learner, draw):
    """``worth_more_scans(sizes, training, unseen)``: would four times as many scans help?"""
    curves = _curves(int(draw(0).integers(3)))
    answers = [learner(*curve[1:4]) for curve in curves]
    truths = [curve[-1] for curve in curves]
    if len(set(answers)) == 1:
        raise _NotYet(
            f"The function says {answers[0]} to every learning curve, but three of the six are worth more "
            "scans and three are not."
        )
    if all(a != t for a, t in zip(answers, truths, strict=True)):
        raise _NotYet("Every answer is the wrong way round. Return True where more scans would help.")
    for (name, sizes, training, unseen, later, worth), answer in zip(curves, answers, strict=True):
        if answer == worth:
            continue
        data = (
            f"training {training[0]:.2f} to {training[-1]:.2f}, unseen {unseen[0]:.2f} to {unseen[-1]:.2f}, from "
            f"{sizes[0]} to {sizes[-1]} scans. With {4 * sizes[-1]} scans, unseen is {later:.2f}"
        )
        why = {
            "rising": "The unseen score is still climbing at the right end of the curve, so more scans help",
            "simple, rising": "The model is simple, and its unseen score is climbing all the same: more scans help",
            "flat": "Both curves have met and are flat, so more scans change nothing",
            "noise": "There is nothing to learn here. The gap between training and unseen is large, and it closes from "
            "above: training falls, unseen stays. A gap alone promises nothing; ask whether unseen rises",
            "memory, rising": "Training is 1.00 because the model remembers every scan. That says nothing against more "
            "scans: unseen rises clearly",
            "memory, flat": "Training is 1.00 because the model remembers every scan, so there is always a gap. Unseen is "
            "flat all the same",
        }[name]
        raise _NotYet(f"The function says {answer} to a curve where {worth} is right: {data}. {why}.")
    return (
        "All six curves are read rightly: three still rise and three do not, among them pure noise with a large gap "
        "and a model with 1.00 in training at every size."
    )


def _stump(rng, n):
    """One question decides; a quarter of the labels are wrong."""
    X = rng.standard_normal((n, 10))
    return X, ((X[:, 0] > 0) ^ (rng.random(n) < 0.25)).astype(int)


def _bands(rng, n):
    """Four bands with labels in turn: several questions are needed; all labels are right."""
    X = rng.standard_normal((n, 10))
    return X, np.digitize(X[:, 0], [-0.67, 0, 0.67]) % 2


@_check("X", "y", answer="depth", kind=_Depth)
def depth_of_a_tree(learner, draw):
    """``choose_depth(X, y)``: the depth, 1 to 10, of a tree that does well on new subjects."""
    results = {}
    for name, make, seeds in (("stump", _stump, range(5)), ("bands", _bands, range(10, 13))):
        depths, lost, got, best = [], [], [], []
        for i in seeds:
            X, y = make(draw(i), 200)
            new = make(draw(i + 100), 3000)
            truth = [
                DecisionTreeClassifier(max_depth=d, random_state=0).fit(X, y).score(*new)
                for d in range(1, 11)
            ]
            depths.append(learner(X, y))
            got.append(truth[depths[-1] - 1])
            best.append(max(truth))
        lost = np.mean(best) - np.mean(got)
        results[name] = depths, np.mean(got), np.mean(best), lost
    depths, got, best, lost = results["stump"]
    listed = ", ".join(map(str, depths))
    if lost > 0.075 and min(depths) == 10:
        raise _NotYet(
            f"Where one question is enough and a quarter of the labels are wrong, the function takes the deepest "
            f"tree every time. It gets {got:.2f} on new subjects, where {best:.2f} is possible. The deepest tree "
            "always fits the training scans best: choose by scans that the tree has not seen."
        )
    if lost > 0.075:
        raise _NotYet(
            f"Where one question is enough and a quarter of the labels are wrong, the function takes the depths "
            f"{listed}. Such trees get {got:.2f} on new subjects, where {best:.2f} is possible. They are too "
            "deep: they have learnt wrong labels."
        )
    bands, seen, possible, missed = results["bands"]
    if missed > 0.1:
        raise _NotYet(
            f"Where several questions are needed, the function takes the depths {', '.join(map(str, bands))}. "
            f"Such trees get {seen:.2f} on new subjects, where {possible:.2f} is possible. They are too shallow: "
            "let the data say when to go deeper."
        )
    if len({*depths, *bands}) == 1:
        raise _NotYet(
            f"The function takes the depth {depths[0]} whatever the data are. Here that does no great harm; with other "
            "data it will. Let the data choose: score every depth on scans that the trees have not seen."
        )
    return (
        f"With wrong labels and one question to ask it takes the depths {listed} and gets {got:.2f} on new subjects "
        f"({best:.2f} is possible). Where several questions are needed it goes to "
        f"{', '.join(map(str, bands))} and gets {seen:.2f} ({possible:.2f})."
    )


@_check("X", "y", "X_test", "y_test")
def tested_once(learner, draw):
    """``honest_score(X, y, X_test, y_test)``: the test scans choose nothing, and give the accuracy."""

    def halves(i, n, n_test, effect=0.0):
        X, y = _scans(draw(i), n=n + n_test, p=20, effect=effect)
        return X[:n], y[:n], X[n:], y[n:]

    first = halves(40, 60, 60, 3)
    right, turned = learner(*first), learner(*first[:3], 1 - first[3])
    empty = learner(np.zeros_like(first[0]), first[1], np.zeros_like(first[2]), first[3])
    if abs(right - turned) < 1e-9 and not right == turned == empty:
        raise _NotYet(
            f"The score is {right:.2f}, and it stays so when all labels of the test scans are turned round: it "
            "is not measured on the test scans. A training score or the best score of a search is no test."
        )

    def leak(mean):
        # A tree that never saw the test scans: what is right with these labels is wrong with those turned round.
        both = [learner(*one) + learner(*one[:3], 1 - one[3]) for one in noise[:8]]
        if np.mean(both) > 1.45:
            return (
                f"On pure noise the function reports {mean:.2f}, and chance is 0.50: scans that the tree was fitted to "
                "are among those that it is scored on. Fit it to X and y alone, and score X_test and y_test alone."
            )
        return (
            f"On pure noise the function reports {mean:.2f}, and chance is 0.50: the test labels had a say in the "
            "choice, as when every depth is scored on the test scans and the best is kept. Choose within X and y, "
            "then use the test scans once."
        )

    noise = [halves(i, 40, 20) for i in range(24)]
    signal = [first, halves(41, 60, 60, 3)]
    return _passed(*_honest(learner, noise, signal, leak))


@_check("n_right", "n", answer="interval", kind=_Interval)
def interval_of_an_accuracy(learner, draw):
    """``interval(n_right, n)``: a 95 % interval for the accuracy of a finished model, tested on n subjects."""
    truths, coverage, widths = np.array([0.5, 0.61, 0.75, 0.9, 0.95]), {}, []
    for n in (20, 50, 150):
        ends = np.array([learner(k, n) for k in range(n + 1)])
        low, high = ends.T
        share = np.arange(n + 1) / n
        if np.max(ends) > 2:
            raise _NotYet(
                f"With {n} of {n} right the function gives {low[-1]:.4g} to {high[-1]:.4g}. Give shares from 0 "
                "to 1: divide by n, and percentages by 100."
            )
        bad = np.flatnonzero(low > high)
        if len(bad):
            raise _NotYet(
                f"With {bad[0]} of {n} right the lower end is {low[bad[0]]:.2f} and the upper end "
                f"{high[bad[0]]:.2f}. The lower one comes first."
            )
        bad = np.flatnonzero((low < -1e-9) | (high > 1 + 1e-9))
        if len(bad):
            k = bad[-1]
            raise _NotYet(
                f"With {k} of {n} right the interval is {low[k]:.2f} to {high[k]:.2f}, and no accuracy lies "
                "below 0 or above 1. The simple formula with ± does so near the ends. Wilson's does not."
            )
        if high[-1] - low[-1] < 1e-6:
            raise _NotYet(
                f"With {n} of {n} right the interval is {low[-1]:.2f} to {high[-1]:.2f}, as if nothing could go "
                "wrong any more. The scatter of what was seen is 0 there; Wilson's formula does not rest on it."
            )
        # At 0 and n right, an interval with equal tails (Jeffreys, Bayes) ends a hair inside 0 and 1.
        outside = np.flatnonzero((share < low - 0.005) | (share > high + 0.005))
        if len(outside):
            k = outside[-1]
            raise _NotYet(
                f"With {k} of {n} right the interval, {low[k]:.2f} to {high[k]:.2f}, does not contain the "
                f"accuracy that was seen, {share[k]:.2f}."
            )
        chance = stats.binom.pmf(np.arange(n + 1)[:, None], n, truths)
        coverage[n] = np.sum(chance * ((low[:, None] <= truths) & (truths <= high[:, None])), axis=0).mean()
        k = np.arange(1, n)
        exact = stats.beta.ppf(0.975, k + 1, n - k) - stats.beta.ppf(0.025, k, n - k + 1)
        widths.append(np.mean((high - low)[1:-1]) / exact.mean())
    n, worst = min(coverage.items(), key=lambda item: item[1])
    if worst < 0.925:
        raise _NotYet(
            f"With {n} subjects, the interval holds the true accuracy in {100 * worst:.0f} % of the studies, and "
            "95 % was asked for. It is too narrow."
        )
    if max(widths) > 1.13:
        raise _NotYet(
            f"The interval holds the truth often enough, but it is up to {max(widths):.2f} times as wide as a "
            "careful 95 % interval needs to be. Such an interval hides what a study did find."
        )
    return (
        f"It holds the true accuracy in {100 * min(coverage.values()):.0f} to {100 * max(coverage.values()):.0f} % of "
        "the studies, never leaves 0 to 1, and has a width even when every answer is right."
    )


# External validation: the same columns, discrimination, calibration, threshold


class _Numbers(_Other):
    """An answer of as many numbers as the task names: "AUC, lower end, upper end"."""

    def __init__(self, function, arguments, answer):
        super().__init__(function, arguments, answer)
        self.wanted = answer.split(", ")

    def _read(self, value) -> np.ndarray:
        order = f"Return {len(self.wanted)} numbers, in this order: {', '.join(self.wanted)}."
        try:
            numbers = np.asarray(value, float)
        except (TypeError, ValueError):
            raise _NotYet(f"The function returns a value of type {type(value).__name__}. {order}") from None
        if numbers.shape != (len(self.wanted),):
            raise _NotYet(f"The function returns {numbers.size} number{'s' * (numbers.size != 1)}. {order}")
        if not np.isfinite(numbers).all():
            raise _NotYet(f"The function returns {', '.join(f'{one:g}' for one in numbers)}: not all are numbers. {order}")
        return numbers


class _Tables(_Other):
    """An answer of two tables."""

    def _read(self, value):
        if not (isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(t, pd.DataFrame) for t in value)):
            kind = ", ".join(type(t).__name__ for t in value) if isinstance(value, tuple | list) else type(value).__name__
            raise _NotYet(f"The function returns {kind}. Return two tables (DataFrames): ours, theirs.")
        return tuple(value)


def _two_tables(rng):
    """Ours, theirs, the codebook, and the column that they lack."""
    means = {"age": (62, 10), "sbr_putamen": (1.3, 0.4), "volume_putamen": (5400, 700), "volume_caudate": (3600, 450),
             "thickness": (2.5, 0.15), "genetic_risk": (0.3, 1.0)}  # fmt: skip
    def people(n):
        return pd.DataFrame({name: rng.normal(m, sd, n).round(4) for name, (m, sd) in means.items()})

    ours, theirs = people(30), people(24)
    ours.index, theirs.index = [f"sub-{i:02d}" for i in range(30)], [f"ext-{i:02d}" for i in range(24)]
    ours = ours.mask(rng.random(ours.shape) < 0.05)
    code = float(rng.choice([-9, -99, 999]))
    theirs[["volume_putamen", "volume_caudate"]] /= 1000
    theirs = theirs.mask(rng.random(theirs.shape) < 0.1, code)
    theirs.iloc[3, :3] = theirs.iloc[5, 3:] = code
    lacking = str(rng.choice(["age", "thickness", "genetic_risk"]))
    theirs = theirs.drop(columns=lacking).assign(field_strength=3.0)
    theirs = theirs[rng.permutation(theirs.columns)]
    return ours, theirs, {"volume_putamen": 1000.0, "volume_caudate": 1000.0}, code, lacking


@_check("ours", "theirs", "factors", "missing_code", answer="tables", kind=_Tables)
def same_columns(learner, draw):
    """``same_columns(ours, theirs, factors, missing_code)``: both tables with the same columns, units and gaps."""
    for i in range(4):
        ours, theirs, factors, code, lacking = _two_tables(draw(i))
        given = ours.copy(), theirs.copy(), dict(factors)
        a, b = learner(*given, code)
        for name, before, after in zip(("ours", "theirs"), (ours, theirs), given, strict=False):
            if not before.equals(after):
                raise _NotYet(f"The function changes the table `{name}` that it is given. Work on a copy: {name}.copy().")
        if given[2] != factors:
            raise _NotYet("The function changes the dictionary `factors` that it is given. Work on a copy.")
        common = [name for name in ours if name in theirs]
        for one in (b, a):
            if lacking in one:
                raise _NotYet(
                    f"The column {lacking} is not in the table of the others, and is "
                    f"{'still in ours' if one is a else 'in theirs now, filled with something'}. A model that uses it can "
                    "never be tested there: drop it now, from both."
                )
            if "field_strength" in one:
                raise _NotYet("The column field_strength, which only the others have, is still there. Keep what both have.")
        for one, whose in ((a, "our"), (b, "their")):
            gone = [name for name in common if name not in one]
            if gone:
                raise _NotYet(f"The column {gone[0]} is in both tables, and {whose} result lacks it. Keep all common columns.")
        if list(a.columns) != list(b.columns):
            raise _NotYet(
                "Both results have the same columns, but not in the same order. A model that gets arrays takes the "
                "first column for the first, whatever its name."
            )
        for one, before, whose in ((a, ours, "ours"), (b, theirs, "theirs")):
            if len(one) != len(before) or list(one.index) != list(before.index):
                raise _NotYet(
                    f"Of {len(before)} rows of `{whose}`, {len(one)} came back (or in another order). Subjects with a "
                    "missing value are subjects: keep every row, and leave the gaps to the imputer."
                )
        for name in common:
            x, y = a[name].to_numpy(float), b[name].to_numpy(float)
            x0, y0 = ours[name].to_numpy(float), theirs[name].to_numpy(float)
            missing, factor = y0 == code, factors.get(name, 1.0)
            if np.isnan(x0).any() and not np.isnan(x[np.isnan(x0)]).all():
                raise _NotYet(f"In our column {name}, missing values were filled in. Leave that to the imputer in the pipeline.")
            if not np.allclose(x, x0, equal_nan=True):
                raise _NotYet(f"Our own column {name} has other values than before. Only the table of the others is converted.")
            if np.isnan(y[~missing]).any():
                raise _NotYet(f"In their column {name}, values that are not missing became missing.")
            filled = y[missing & ~np.isnan(y)]
            if len(filled):
                if np.allclose(filled, code):
                    raise _NotYet(f"Their column {name} still holds the code {code:g} for missing values. Make it np.nan.")
                if np.allclose(filled, code * factor) or np.allclose(filled, code / factor):
                    raise _NotYet(
                        f"Their column {name} holds {filled[0]:g}: the code {code:g} was converted like a value. Replace the "
                        "code first, then convert the unit."
                    )
                raise _NotYet(
                    f"Their column {name} holds {filled[0]:.4g} where a value is missing. Leave it np.nan: the pipeline "
                    "fills it in, with what it learnt from our training rows."
                )
            kept = ~missing
            if np.allclose(y[kept], y0[kept] * factor):
                continue
            if np.allclose(y[kept], y0[kept]):
                raise _NotYet(
                    f"The median of {name} is {np.nanmedian(x):.4g} in our table and {np.median(y[kept]):.4g} in theirs: the unit "
                    "is still theirs."
                )
            if np.allclose(y[kept], y0[kept] / factor):
                raise _NotYet(f"Their column {name} was divided by {factor:g}. The factor is to multiply with.")
            raise _NotYet(f"Their column {name} has values that are neither theirs nor theirs times the factor {factor:g}.")
    return (
        "The column that only one side has is gone from both, the order is the same, the codes became gaps before the "
        "units were converted, and no row was lost."
    )


def _risks(rng, patients, controls, d=1.2):
    """y and risk of a finished model: two normal classes."""
    y = rng.permutation(np.repeat([0, 1], [controls, patients]))
    x = rng.standard_normal(len(y)) + d * y
    return y, 1 / (1 + np.exp(-d * (x - d / 2)))


def _hanley_mcneil(auc, patients, controls):
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (patients - 1) * (q1 - auc**2) + (controls - 1) * (q2 - auc**2)
    return np.sqrt(variance / (patients * controls))


@_check("y", "risk", answer="AUC, lower end, upper end", kind=_Numbers)
def auc_with_interval(learner, draw):
    """``auc_with_interval(y, risk)``: the AUC of an external cohort with its 95 % interval."""
    found = {}
    for patients, controls, enough, seeds in ((60, 60, 0.7, (0, 1)), (30, 470, 0.5, (2, 3, 4))):
        ratios = []
        for i in seeds:
            y, risk = _risks(draw(i), patients, controls)
            auc, low, high = learner(y, risk)
            truth = roc_auc_score(y, risk)
            if abs(auc - (1 - truth)) < 1e-6 < abs(auc - truth):
                raise _NotYet(f"The AUC is {auc:.3f}, and {truth:.3f} is right: it is turned round. High risk means y = 1.")
            if abs(auc - truth) > 1e-6 > abs(low - truth):
                raise _NotYet(f"The second number is the AUC, {truth:.3f}. Return the AUC first, then the lower end, then the upper.")
            if 1e-6 < abs(auc - truth) < 0.01 and low < auc < high:
                raise _NotYet(
                    f"The first number is {auc:.3f}, close to {truth:.3f}, the AUC of this cohort. Return the AUC of the cohort "
                    "as it is; the draws are for the interval only."
                )
            if abs(auc - truth) > 1e-6:
                raise _NotYet(
                    f"The first number is {auc:.3f}, but the AUC of this cohort is {truth:.3f}. (An AUC needs the risks "
                    "themselves, not calls at a threshold, and all subjects, each once.)"
                )
            if low > high:
                raise _NotYet(f"The lower end is {low:.3f} and the upper end {high:.3f}. The lower one comes first.")
            if not low < auc < high:
                raise _NotYet(f"The interval {low:.3f} to {high:.3f} does not hold the AUC that was seen, {auc:.3f}.")
            ratios.append((high - low) / (2 * 1.96 * _hanley_mcneil(auc, patients, controls)))
        ratio, width = np.mean(ratios), high - low
        who = f"With {patients} patients and {controls} controls"
        if ratio < enough and patients < controls:
            raise _NotYet(
                f"{who} the interval is {width:.2f} wide, {ratio:.2f} times of what it should be: as if all {len(y)} subjects "
                "counted alike. The rarer group decides how well an AUC is known."
            )
        if ratio < enough:
            raise _NotYet(
                f"{who} the interval is {width:.2f} wide, {ratio:.2f} times of what it should be. It is too narrow for 95 %. "
                "(A standard error must be taken 1.96 times to either side. Subjects are drawn with replacement, as many as there are.)"
            )
        if ratio > 1.4:
            raise _NotYet(f"{who} the interval is {width:.2f} wide, {ratio:.2f} times of what it should be.")
        found[patients] = ratio
    # A bootstrap of few draws may be as narrow as an interval of 90 % (.84 times), so this is a remark and no verdict.
    narrow = " Between groups of one size about 1.00 is usual: is yours an interval of 95 %?" if found[60] < 0.88 else ""
    return (
        f"The AUC is right, and the interval is {found[60]:.2f} times as wide as by Hanley and McNeil's formula with 60 patients "
        f"and 60 controls, and {found[30]:.2f} times with 30 and 470 (where the formula is cautious).{narrow}"
    )


@_check("y", "risk", answer="intercept, slope", kind=_Numbers)
def calibration(learner, draw):
    """``calibration(y, risk)``: intercept (slope held at 1) and slope of the calibration curve."""
    cases = {"well calibrated": (2000, 1.5, 0.0, 1.0), "disease rarer than the model thinks": (2000, 1.5, -2.0, 1.0),
             "risks too extreme": (2000, 1.5, 1.0, 0.5), "a small cohort": (60, 0.7, 0.0, 1.0)}
    close = 0.03
    for number, (name, (n, spread, a, b)) in enumerate(cases.items()):
        rng = draw(number)
        log_odds = rng.standard_normal(n) * spread
        y = (rng.random(n) < 1 / (1 + np.exp(-(a + b * log_odds)))).astype(int)
        risk = 1 / (1 + np.exp(-log_odds))
        got = learner(y, risk)
        intercept = optimize.brentq(lambda s: np.mean(1 / (1 + np.exp(-log_odds - s)) - y), -20, 20)  # noqa: B023
        joint = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(log_odds[:, None], y)
        slope, both = joint.coef_[0, 0], joint.intercept_[0]
        where = f"On data of the kind “{name}” the function returns {got[0]:.2f} and {got[1]:.2f}; {intercept:.2f} and {slope:.2f} are right."
        if np.allclose(got, [intercept, slope], atol=close):
            continue
        if np.allclose(got[::-1], [intercept, slope], atol=close):
            raise _NotYet(f"{where} The intercept comes first, then the slope.")
        if np.allclose(got, [-intercept, slope], atol=close):
            raise _NotYet(f"{where} The sign of the intercept is turned round: risks that are too high need a negative one.")
        if abs(got[1] - slope) <= close and abs(got[0] - both) <= close:
            raise _NotYet(f"{where} Your intercept is that of a regression with the slope set free. Hold the slope at 1.")
        if abs(got[1] - slope) <= close and abs(abs(got[0]) - abs(np.mean(y) - np.mean(risk))) <= 0.02:
            raise _NotYet(f"{where} Your intercept is a difference of shares. It is wanted on the scale of the log odds.")
        share = np.log(np.mean(y) / (1 - np.mean(y)))
        differences = share - log_odds.mean(), share - np.log(risk.mean() / (1 - risk.mean()))
        if abs(got[1] - slope) <= close and np.min(np.abs(got[0] - np.array(differences))) <= close:
            raise _NotYet(
                f"{where} Your intercept compares the log odds of two averages. Wanted is the number that, added to everybody's "
                "log odds, makes the mean risk equal to the share of patients."
            )
        raw = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(risk[:, None], y).coef_[0, 0]
        if abs(got[1] - raw) <= close * max(1, abs(raw)):
            raise _NotYet(f"{where} Your slope is about the risk itself. It is wanted for the log odds of the risk.")
        if name == "a small cohort" and 0 < got[1] < slope:
            raise _NotYet(
                f"{where} Your slope is pulled towards 0, and only in a small cohort: LogisticRegression has a penalty "
                "unless you switch it off (C=np.inf)."
            )
        wrong = "intercept" if abs(got[1] - slope) <= close else "slope" if abs(got[0] - intercept) <= close else "both numbers"
        raise _NotYet(f"{where} Look at the {wrong}." if wrong != "both numbers" else where)
    return (
        "Right where the model is well calibrated (0 and 1), where the disease is rarer (about −2 and 1), where risks are too "
        "extreme, and in a cohort of 60."
    )


def _cohorts(rng, n, n_external, *, d=2.0, prevalence=0.5, shift=0.0):
    """X, y, X_external, y_external: one of three columns carries the disease; `shift` is added to it outside."""
    def people(n, share, shift):
        y = rng.permutation((np.arange(n) < round(share * n)).astype(int))
        X = rng.standard_normal((n, 3))
        X[:, 0] += d * y + shift
        return X, y

    return *people(n, 0.5, 0.0), *people(n_external, prevalence, shift)


@_check("X", "y", "X_external", "y_external", answer="sensitivity, specificity", kind=_Numbers)
def operating_point(learner, draw):
    """``operating_point(X, y, X_external, y_external)``: threshold chosen inside, measured once outside."""

    def measured(data):
        both = learner(*data)
        if both.max() > 1 + 1e-9 or both.min() < -1e-9:
            raise _NotYet(
                f"The function returns {both[0]:.4g} and {both[1]:.4g}, but both are shares from 0 to 1. If they are "
                "percentages, divide them by 100."
            )
        return both

    def turned(data):
        """The same cohort with all external diagnoses exchanged: whoever was missed is now rightly spared."""
        return (*data[:3], 1 - data[3])

    # An external scanner that adds 1: nearly all patients are found, and half of the controls are called too.
    shifted = [_cohorts(draw(i), 600, 400, shift=1.0) for i in range(3)]
    seen = np.array([measured(data) for data in shifted])
    X, y, X_external, y_external = shifted[0]
    empty = measured((X, y, np.zeros_like(X_external), 1 - y_external))
    if np.ptp([*seen, empty], axis=0).max() < 1e-12:
        raise _NotYet(f"The function returns {seen[0, 0]:.2f} and {seen[0, 1]:.2f} whatever the data are.")
    if np.allclose(empty, seen[0], atol=1e-9):
        raise _NotYet(
            "The two numbers stay as they are when the external table is emptied and its diagnoses are exchanged: they are "
            "not measured in the external cohort."
        )
    noise = [_cohorts(draw(10 + i), 100, 60, d=0.0) for i in range(10)]
    # Nothing to find, so the sum of both is 1 on average. Whoever never saw the diagnoses gets, with all of them
    # exchanged, just as much less as before more.
    surplus = np.mean([measured(one).sum() + measured(turned(one)).sum() - 2 for one in noise])
    if surplus > 0.2:
        raise _NotYet(
            f"On pure noise sensitivity and specificity add up to {1 + surplus / 2:.2f} on average, whichever way round the "
            "external diagnoses are, and 1 is chance: these diagnoses had a say, in the threshold or in the fit. Choose and "
            "fit within X and y."
        )
    # The same with strong signal and many subjects outside: a model that was also fitted to them learns the exchanged ones.
    mostly_outside = _cohorts(draw(50), 100, 600)
    both_ways = measured(mostly_outside).sum() + measured(turned(mostly_outside)).sum() - 2
    if both_ways > 0.3:
        raise _NotYet(
            "With all external diagnoses exchanged, whoever was missed is now rightly spared, so the sums of both numbers must add "
            f"up to 2; here they add up to {2 + both_ways:.2f}: these diagnoses had a say in the fit. Fit within X and y."
        )
    if surplus < -0.2:
        raise _NotYet("On pure noise the two numbers add up to less than 1, whichever way round the external diagnoses are.")
    crowded = [_cohorts(draw(30 + i), 600, 600, prevalence=0.9) for i in range(6)]
    common = np.array([measured(data) for data in crowded])
    # The same people, each control nine times: half are patients now, and the shares among both groups are as before.
    again = [np.concatenate([np.flatnonzero(data[3] == 1), np.repeat(np.flatnonzero(data[3] == 0), 9)]) for data in crowded[:4]]
    even = np.array([measured((*data[:2], data[2][rows], data[3][rows])) for data, rows in zip(crowded, again, strict=False)])
    moved = np.abs((common[:4] - even).mean(axis=0)).max()
    common = common.mean(axis=0)
    seen = seen.mean(axis=0)
    if common.sum() < 1.3:
        raise _NotYet(
            f"Where there is strong signal, the function gets {common[0]:.2f} and {common[1]:.2f}, and 0.84 each is possible. "
            "If these are the errors, return what is right; else look whether the model learns from X and y."
        )
    if seen[1] - seen[0] > 0.2:
        raise _NotYet(
            f"An external scanner adds to every value, so that too many are called ill; the function returns {seen[0]:.2f} as "
            f"sensitivity and {seen[1]:.2f} as specificity. The sensitivity comes first: the share of patients who are called."
        )
    if common[0] < 0.71 and common[1] > 0.88:
        raise _NotYet(
            f"In an external cohort with 90 % patients, measured exactly as ours, the function gets sensitivity {common[0]:.2f} and "
            f"specificity {common[1]:.2f}, where about 0.84 each is right. The external cohort was scaled by its own mean, "
            "and with it disease was taken away. Scale with what was learnt from X."
        )
    if seen[0] - seen[1] < 0.2:
        raise _NotYet(
            f"An external scanner adds a whole standard deviation, so that at our threshold nearly all patients and half of the "
            f"controls are called. The function returns {seen[0]:.2f} and {seen[1]:.2f}: something was adjusted to the external "
            "cohort. Scale and choose with X and y alone, and report what the threshold really does there."
        )
    if moved > 0.2:
        rare = even.mean(axis=0)
        raise _NotYet(
            f"With 90 % patients outside the function gets {common[0]:.2f} and {common[1]:.2f}, with 50 % of the very same kind "
            f"{rare[0]:.2f} and {rare[1]:.2f}. Sensitivity and specificity of a fixed threshold do not depend on the share of "
            "patients: something was adjusted to it. Scale and choose with X and y alone."
        )
    return (
        f"With 90 % patients outside it gets {common[0]:.2f} and {common[1]:.2f} (0.84 each is the truth). With another scanner it "
        f"reports {seen[0]:.2f} and {seen[1]:.2f}, as it must. On noise the external diagnoses had no say."
    )


# Underfitting: a test that sees more than lines, a model that does, and the word for what is there


def _hidden(rng, shape, n=200, p=4, strength=2.0):
    """X, y: `shape` is "noise", "straight line", "exclusive or", "spread" or "line and exclusive or"."""
    y = rng.permutation(np.arange(n) % 2)
    X = rng.standard_normal((n, p))
    if "exclusive or" in shape:
        side = rng.choice([-1, 1], n)
        X[:, :2] += strength * np.column_stack([side, side * np.where(y, 1, -1)])
    if shape == "spread":
        X[:, : max(p - 1, 1)] *= 1 + (strength * y)[:, None]
    if "line" in shape:
        X[:, -1] += (1.0 if "exclusive" in shape else strength) * y
    return X, y


@_check("X", "y", answer="p-value")
def hidden_signal(learner, draw):
    """``p_value(X, y)``: two measures; finds a line, an exclusive or, a spread; 5 % false alarms."""
    signals = {"straight line": "a plain difference of the means", "exclusive or": "an exclusive or",
               "spread": "a difference of the spread alone"}
    found, values = {}, []
    for number, shape in enumerate(signals):
        strength = {"straight line": 1.0, "exclusive or": 1.5, "spread": 1.0}[shape]
        data = [_hidden(draw(10 * number + i), shape, p=2, strength=strength) for i in range(5)]
        p = np.array([learner.twice(*data[0]), *_scores(learner, data[1:])])
        found[shape] = int((p <= 0.05 + 1e-9).sum())
        values.extend(p)
    started = time.monotonic()
    null = list(_scores(learner, [_hidden(draw(100 + i), "noise", n=100, p=2) for i in range(20)]))
    # A permutation test takes its time. How many data sets there were is not told where all is well, because that
    # depends on the machine.
    more = 180 if time.monotonic() - started < 0.4 else 20
    null += list(_scores(learner, [_hidden(draw(200 + i), "noise", n=100, p=2) for i in range(more)]))
    null = np.array(null)
    if np.ptp([*values, *null]) < 1e-12:
        raise _NotYet(f"The function returns {null[0]:.2f} whatever the data are. The p-value must come from X and y.")
    if np.mean(values) > 0.9:
        raise _NotYet(
            f"Where there is strong signal, p is {np.mean(values):.2f} on average: the p-value seems turned round. "
            "Small p means signal."
        )
    alarms = int((null <= 0.05 + 1e-9).sum())
    if alarms > stats.binom.isf(1e-5, len(null), 0.05):
        raise _NotYet(
            f"In {alarms} of {len(null)} data sets of pure noise p is 0.05 or less; about {0.05 * len(null):.0f} would "
            "be right. Several tests need a correction (multiply the smallest p by their number), and a score needs "
            "scans that the model was not trained on."
        )
    missed = [shape for shape in signals if found[shape] < 3]
    if len(missed) == len(signals):
        raise _NotYet("It finds none of the three signals, not even a plain difference of the means.")
    if missed == ["exclusive or", "spread"]:
        raise _NotYet(
            "It finds a plain difference of the means and misses both the exclusive or and the difference of the "
            "spread: to these, a test of means or lines is blind."
        )
    if missed:
        raise _NotYet(
            f"It misses {' and '.join(signals[shape] for shape in missed)}, and finds "
            f"{' and '.join(signals[shape] for shape in signals if shape not in missed)}. "
            "Let the test see the measures, their squares and their product."
        )
    return (
        f"It finds the line, the exclusive or and the spread ({found['straight line']}, {found['exclusive or']} and "
        f"{found['spread']} of 5 each), and raises no more false alarms on pure noise than 5 % and chance allow."
    )


@_check("X", "y")
def flexible_score(learner, draw):
    """``evaluate(X, y)``: accuracy on unseen scans of a model that is not bound to lines."""

    def leak(mean):
        return _trained_on_test(mean, "On pure noise")

    noise = [_hidden(draw(i), "noise", n=100) for i in range(8)]
    line = [_hidden(draw(i), "straight line", strength=3.0) for i in range(10, 12)]
    reported, found = _honest(learner, noise, line, leak, at_least=0.56)
    got = {shape: _scores(learner, [_hidden(draw(i), shape) for i in range(20, 22)]).mean()
           for shape in ("exclusive or", "spread")}
    low = [shape for shape in got if got[shape] < 0.7]
    if len(low) == 2:
        raise _NotYet(
            f"The function is honest on noise ({reported:.2f}) and finds a straight line ({found:.2f}), but gets "
            f"{got['exclusive or']:.2f} for an exclusive or and {got['spread']:.2f} for a difference of the spread, "
            "where a flexible model gets more than 0.80. The model underfits: choose one that is not bound to lines."
        )
    if low == ["spread"]:
        raise _NotYet(
            f"It solves the exclusive or ({got['exclusive or']:.2f}), but a difference of the spread gets "
            f"{got['spread']:.2f}. Products alone are not enough; squares, neighbours or trees see the spread too."
        )
    if low:
        raise _NotYet(
            f"It sees a difference of the spread ({got['spread']:.2f}), but an exclusive or gets "
            f"{got['exclusive or']:.2f}. Each measure by itself is not enough; the model must combine two."
        )
    return (
        f"{_passed(reported, found)} For an exclusive or it reports {got['exclusive or']:.2f}, for a difference of the "
        f"spread {got['spread']:.2f}."
    )


class _Word(_Other):
    words = ("no signal", "linear is enough", "underfitted")

    def _read(self, value) -> str:
        if value not in self.words:
            raise _NotYet(
                f"The function returns {value!r}, but the answer is one of: {', '.join(map(repr, self.words))}."
            )
        return value


@_check("X", "y", answer="word", kind=_Word)
def diagnosis(learner, draw):
    """``diagnose(X, y)``: "no signal", "linear is enough" or "underfitted" (of a linear model)."""
    none, enough, under = _Word.words
    right = {"noise": none, "straight line": enough, "exclusive or": under, "line and exclusive or": under}
    said = {shape: [learner(*_hidden(draw(10 * k + i), shape, n=400)) for i in range(3)]
            for k, shape in enumerate(right)}

    def count(shape, word):
        return said[shape].count(word)

    everything = {word for words in said.values() for word in words}
    blank = _blank(_hidden(draw(0), "noise", n=400))
    if len(everything) == 1 and learner(*blank) in everything:
        raise _NotYet(f"The function says {everything.pop()!r} of all data, noise and signal alike.")
    if count("noise", under) >= 2:
        raise _NotYet(
            f"Of pure noise the function says {under!r} in {count('noise', under)} of 3 data sets. Compare scores on "
            "scans that the models were not trained on: in training, a flexible model is better even on noise."
        )
    if count("noise", enough) >= 2:
        raise _NotYet(
            f"Of pure noise the function says {enough!r} in {count('noise', enough)} of 3 data sets. First ask whether "
            "any model is clearly above chance on unseen scans."
        )
    if count("exclusive or", none) >= 2:
        raise _NotYet(
            f"Of an exclusive or the function says {none!r} in {count('exclusive or', none)} of 3 data sets. A linear "
            "model at chance is no proof: ask a flexible one as well."
        )
    if count("line and exclusive or", enough) >= 2:
        raise _NotYet(
            "One measure holds a straight line, two others a strong exclusive or, and the function says "
            f"{enough!r} in {count('line and exclusive or', enough)} of 3 data sets. The linear model is above chance "
            "there, but a flexible one gets much more: compare the two."
        )
    if count("straight line", under) >= 2:
        raise _NotYet(
            f"Where the signal is a straight line the function says {under!r} in {count('straight line', under)} of 3 "
            "data sets. No model can do better than a linear one there; a gain must exceed what luck gives."
        )
    hits = {shape: count(shape, word) for shape, word in right.items()}
    worst = min(hits, key=hits.get)
    if hits[worst] < 2:
        raise _NotYet(
            f"The right word for data of the kind “{worst}” is {right[worst]!r}. The function says it in {hits[worst]} "
            "of 3 data sets."
        )
    return "Right words: " + ", ".join(f"{shape} {n} of 3" for shape, n in hits.items()) + "."


# Label noise: agreement and the ceiling, labels judged out of fold, an audit of the test labels


class _AgreementAndCeiling(_Other):
    def _read(self, value) -> tuple[float, float]:
        try:
            agreement, ceiling = (float(one) for one in value)
        except (TypeError, ValueError):
            raise _NotYet(
                f"The function returns {value!r}. Return two numbers: the agreement and the ceiling."
            ) from None
        for name, one in (("agreement", agreement), ("ceiling", ceiling)):
            if 1 + 1e-9 < one <= 100:
                raise _NotYet(f"The {name} is {one:.4g}. Give a share from 0 to 1, not a percentage.")
        return agreement, ceiling


class _Trust(_Other):
    def _read(self, value) -> np.ndarray:
        try:
            trust = np.asarray(value, float)
        except (TypeError, ValueError):
            trust = np.array(np.nan)
        if trust.ndim == 2 and trust.shape[1] == 2:
            raise _NotYet(
                "The function returns two probabilities for every scan, one per class. Return one: that of the label "
                "that is recorded for this scan."
            )
        if trust.ndim > 1:
            raise _NotYet(
                f"The function returns an array of shape {trust.shape}. Return a flat one, with one probability for every scan."
            )
        if trust.ndim != 1:
            raise _NotYet(
                f"The function returns a value of type {type(value).__name__}. Return an array with one probability "
                "for every scan."
            )
        if not np.all(np.isfinite(trust)):
            raise _NotYet("Some of the returned probabilities are no numbers. Is every scan in a test fold once?")
        if trust.min() < -1e-9 or trust.max() > 1 + 1e-9:
            raise _NotYet(
                f"The returned values go from {trust.min():.2f} to {trust.max():.2f}. Return probabilities, from 0 to 1."
            )
        return trust


def _wrong_at_random(rng, labels, rate):
    return np.where(rng.random(len(labels)) < rate, 1 - labels, labels)


@_check("rater_1", "rater_2", answer="agreement and the ceiling", kind=_AgreementAndCeiling)
def agreement_and_ceiling(learner, draw):
    """``ceiling(rater_1, rater_2)``: share of equal labels, and the best accuracy against one of the raters."""
    told = []
    for i, (error, prevalence) in enumerate(((0.15, 0.5), (0.3, 0.5), (0.05, 0.5), (0.15, 0.1))):
        rng = draw(i)
        truth = (rng.random(6000) < prevalence).astype(int)
        one, two = _wrong_at_random(rng, truth, error), _wrong_at_random(rng, truth, error)
        agreement, ceiling = learner(one, two)
        same = np.mean(one == two)
        chance = one.mean() * two.mean() + (1 - one.mean()) * (1 - two.mean())
        kappa = (same - chance) / (1 - chance)
        best = (1 + np.sqrt(2 * same - 1)) / 2
        if abs(agreement - same) > 0.0051:  # two decimals will do
            if abs(ceiling - same) < 0.0051:
                raise _NotYet("The second number is the agreement. Return the agreement first, then the ceiling.")
            if abs(agreement - kappa) < 0.0051:
                raise _NotYet(
                    f"The first number is {agreement:.2f}: that is kappa. The agreement is the share of scans with the "
                    f"same label, here {same:.2f}."
                )
            raise _NotYet(
                f"The first number is {agreement:.3f}. Two raters who gave the same label to {same:.3f} of the scans "
                "agree in just this share."
            )
        if abs(ceiling - best) > 0.012:
            start = (
                f"Two raters, each wrong in {100 * error:.0f} % of the scans, agree in {same:.2f}. A perfect model would be "
                f"right in {1 - error:.2f} by the labels of either; the function says {ceiling:.2f}. "
            )
            near = {
                "agreement": same, "kappa": kappa, "root": np.sqrt(same), "half": 1 - (1 - same) / 2,
                "error": 1 - best, "by kappa": (1 + np.sqrt(max(kappa, 0))) / 2,
            }
            why = {
                "agreement": "That is the agreement. When two raters disagree, only one of them is wrong, so each alone is "
                "right more often than they agree.",
                "kappa": "That is kappa, which is not an accuracy.",
                "root": "That is the root of the agreement, as if they agreed only where both are right. They agree as well "
                "where both are wrong.",
                "half": "That splits the disagreements between the two, and forgets the scans on which both are wrong: "
                "there they agree.",
                "error": "That is how often a rater is wrong. The ceiling is the rest.",
                "by kappa": "It is computed from kappa, which depends on how common the disease is. Use the agreement.",
            }
            name = min(near, key=lambda key: abs(near[key] - ceiling))
            close = abs(near[name] - ceiling) < 0.004
            raise _NotYet(start + (why[name] if close else "Solve agreement = (1 - e)² + e² for e; the ceiling is 1 - e."))
        told.append(f"{ceiling:.2f} ({1 - error:.2f})")
    one = np.arange(40) % 2
    two = np.where(np.arange(40) < 22, 1 - one, one)
    try:
        _, ceiling = learner(one, two)
    except _NotYet as found:
        raise _NotYet(
            "Two raters who agree in 0.45 of 40 scans, less than a coin would: there the formula has no solution. "
            f"Return a ceiling of 0.5. Now: {found}"
        ) from None
    if not abs(ceiling - 0.5) < 0.02:
        raise _NotYet(
            f"For two raters who agree in 0.45 of 40 scans, less than a coin would, the ceiling is {ceiling:.2f}. Such "
            "labels tell nothing; return 0.5."
        )
    return (
        f"Ceilings found, and in brackets the true ones: {', '.join(told)}. Two raters who agree less than a coin get 0.50."
    )


def _mislabelled(rng, n=300, p=10, distance=4.0, rate=0.15):
    """X, recorded labels, and which of them are wrong: two clear groups."""
    y = rng.permutation(np.arange(n) % 2)
    X = rng.standard_normal((n, p)) + distance / np.sqrt(p) * (y - 0.5)[:, None]
    wrong = np.zeros(n, bool)
    wrong[rng.choice(n, round(rate * n), replace=False)] = True
    return X, np.where(wrong, 1 - y, y), wrong


def _found(trust, wrong):
    """How often a wrong label is trusted less than a right one (ties count half)."""
    below = stats.rankdata(trust)
    n = wrong.sum()
    return 1 - (below[wrong].sum() - n * (n + 1) / 2) / (n * (len(wrong) - n))


@_check("X", "y", answer="probabilities", kind=_Trust)
def trust_in_labels(learner, draw):
    """``trust(X, y)``: for every scan, the probability of its label by a model that has not seen that label."""
    separated, memory = [], []
    for i in range(2):
        rng = draw(i)
        X, y, wrong = _mislabelled(rng)
        trust = learner(X, y)
        if trust.shape != y.shape:
            raise _NotYet(f"There are {len(y)} scans, and the function returns {len(trust)} values.")
        if np.ptp(trust) < 1e-12:
            raise _NotYet(f"Every label gets the same value, {trust[0]:.2f}. Nothing is suspect then.")
        separated.append(_found(trust, wrong))
        if separated[-1] < 0.25:
            raise _NotYet(
                f"Wrong labels get higher values than right ones ({1 - separated[-1]:.0%} of the time). Return the probability "
                "that the label is right."
            )
        if separated[-1] < 0.65 and trust.min() > 0.499:
            raise _NotYet(
                "No value is below 0.5. That is the larger of the two probabilities: how sure the model is of its own answer. "
                "Return the probability of the recorded label, which is low where the model contradicts it."
            )
        for_class = _found(1 - trust, y == 1)
        if separated[-1] < 0.65 and (for_class > 0.75 or for_class < 0.25):
            raise _NotYet(
                "The values say to which class a scan belongs, whatever is recorded. Return the probability of the "
                "recorded label: that of class 1 where y is 1, that of class 0 where y is 0."
            )
        # Other labels for a fifth of the scans. A model that has not seen them believes what it believed before. With so
        # many features, a linear model that has seen them remembers them too.
        X, y, _ = _mislabelled(rng, p=150, distance=8.0)
        turned = np.zeros(len(y), bool)
        turned[rng.choice(len(y), 60, replace=False)] = True
        trust, again = learner(X, y), learner(X, np.where(turned, 1 - y, y))
        other_side = np.where(turned, again, 1 - again)  # of the label that was recorded before
        moved = other_side - (1 - trust)
        memory.append((moved[turned].mean() - moved[~turned].mean(),
                       np.hypot(moved[turned].std() / np.sqrt(60), moved[~turned].std() / np.sqrt(len(y) - 60))))
    shift, error = np.mean(memory, axis=0) / (1, np.sqrt(2))
    # If i turned moves j, then j moves i by as much: the mean shift varies by up to 1.6 times this error (measured on right
    # answers), so 6 errors are about four standard deviations.
    if shift > max(0.08, 6 * error):
        raise _NotYet(
            f"When the recorded label of a scan is turned round, the model's opinion of this very scan follows, by {shift:.2f} "
            "on average: it has seen the label that it is to judge. Use a model that was trained without this scan."
        )
    if np.mean(separated) < 0.65:
        raise _NotYet(
            f"A wrong label is trusted less than a right one in {np.mean(separated):.0%} of the pairs; 50 % would be chance, and "
            "a simple model gets well above 90 %. Does the order of the values fit the order of the scans?"
        )
    return (
        f"A wrong label is trusted less than a right one in {np.mean(separated):.0%} of the pairs. When a label is turned round, "
        f"the model's opinion of this scan follows by {shift + 0:+.2f} (0 is expected for a label that it has not seen; the check "
        f"notices {max(0.08, 6 * error):.2f})."
        + (" All values are 0 or 1, so the suspects cannot be ranked; the probabilities of a model that says how sure it is could."
           if np.all((trust == 0) | (trust == 1)) else "")
        + (" A model that averages, such as a forest, would see more." if np.mean(separated) < 0.9 else "")
    )


def _test_set(rng, *, shared, n=400):
    """Truth, a model's answers, recorded labels. The first hundred scans are easy. Labels err alone, or with the model."""
    truth = rng.permutation(np.arange(n) % 2)
    model_errs = rng.random(n) < np.where(np.arange(n) < n // 4, 0.13, 0.29)
    label_errs = rng.random(n) < (np.where(model_errs, 0.7, 0.03) if shared else 0.2)
    return truth, np.where(model_errs, 1 - truth, truth), np.where(label_errs, 1 - truth, truth)


@_check("predicted", "recorded", "review", "budget")
def audited_accuracy(learner, draw):
    """``audited(predicted, recorded, review, budget)``: an honest accuracy from a limited number of reviews."""
    budget, errors, reported, asked = 100, {}, {}, []
    for shared in (False, True):
        errors[shared], reported[shared] = [], []
        for i in range(50):
            truth, predicted, recorded = _test_set(draw(i + 100 * shared), shared=shared)
            seen = set()

            def review(positions, truth=truth, seen=seen):
                positions = np.atleast_1d(np.asarray(positions))
                if positions.dtype == bool:
                    if len(positions) != len(truth):
                        raise ValueError("a mask must have one entry for every scan")
                    positions = np.flatnonzero(positions)
                seen.update(int(p) % len(truth) for p in positions)
                return truth[positions]

            answer = learner(predicted, recorded, review, budget)
            if len(seen) > budget:
                raise _NotYet(
                    f"The function had {len(seen)} scans reviewed, and the budget is {budget}. The expert's time is limited: "
                    "choose which scans to show."
                )
            errors[shared].append(answer - np.mean(predicted == truth))
            reported[shared].append(np.mean(predicted == recorded) - np.mean(predicted == truth))
            asked.append((len(seen), np.mean(predicted[list(seen)] == recorded[list(seen)]) if seen else np.nan,
                          np.mean(list(seen)) if seen else np.nan))
    used, agreed, place = np.array(asked).T
    bias = {key: np.mean(values) for key, values in errors.items()}
    off = {key: abs(bias[key]) > max(0.03, 4.5 * np.std(values, ddof=1) / np.sqrt(len(values))) for key, values in errors.items()}
    if used.max() == 0:
        raise _NotYet(
            f"The function never asks the expert. Against the recorded labels the accuracy is off by {np.mean(reported[False]):+.2f} "
            f"if model and labels err independently, and by {np.mean(reported[True]):+.2f} if they share errors. Call "
            "review(positions)."
        )
    if any(off.values()):
        size = f"by {bias[False]:+.2f} if model and labels err independently, by {bias[True]:+.2f} if they share errors"
        if np.nanmax(agreed) == 0:
            raise _NotYet(
                f"The accuracy is off {size}. The expert was shown only scans on which model and label disagree, so labels that "
                "are wrong in the same way as the model were never found. Show scans chosen at random."
            )
        if np.nanmin(agreed) == 1:
            raise _NotYet(
                f"The accuracy is off {size}. The expert was shown only scans on which model and label agree, so the model's "
                "other answers were never judged. Show scans chosen at random, agreeing or not."
            )
        at_random = abs(np.nanmean(agreed) - 0.775) < 0.06 and abs(np.nanmean(place) - 199.5) < 15
        if at_random and all(abs(np.mean(values) + 0.5) < 0.05 for values in errors.values()):
            raise _NotYet("That is the share of the model's answers that are wrong. Return the share that are right.")
        if at_random and off[True] and not off[False]:
            raise _NotYet(
                f"The accuracy is off {size}. The scans were chosen well, but the formula assumes that model and labels err "
                "independently. Score the model on the reviewed scans."
            )
        if np.nanmean(place) < 130:
            raise _NotYet(
                f"The accuracy is off {size}. The expert was shown the first scans, and these are not like the others (here they "
                "are easier). Choose at random."
            )
        if all(bias[key] * np.mean(reported[key]) > 0 for key in bias) and abs(np.nanmean(agreed) - 0.77) < 0.06:
            raise _NotYet(
                f"The accuracy is off {size}. The scans were chosen well, but labels that nobody has reviewed still count, with "
                "all their errors. Score the reviewed scans alone."
            )
        raise _NotYet(
            f"The accuracy is off {size}. Scans on which model and label agree must have their fair weight: if you review more "
            "of one kind, weight each kind by how common it is."
        )
    spread = max(np.std(values, ddof=1) for values in errors.values())
    if spread > 0.08:
        raise _NotYet(
            f"On average the accuracy is right, but from one test set to the next it is off by {spread:.2f} (standard deviation). "
            f"With {used.mean():.0f} reviews used of {budget}, there is room to do better."
        )
    return (
        f"Off by {bias[False]:+.3f} on average if model and labels err independently and by {bias[True]:+.3f} if they share errors, "
        f"where the recorded labels are off by {np.mean(reported[False]):+.2f} and {np.mean(reported[True]):+.2f}."
    )


# Auditing a study: the share of each flaw, an interval that counts people, a first list of findings


class _Shares(_Other):
    def _read(self, value) -> dict[str, float]:
        try:
            return {str(name): float(number) for name, number in dict(value).items()}
        except (TypeError, ValueError):
            raise _NotYet(
                "Return a dict from the name of a flaw to its share, such as {'seeds': 0.03}. The function returns a "
                f"value of type {type(value).__name__} that is no such dict."
            ) from None


def _audited(rng):
    """A study as a function of its flaws: two give the same scans away, two need each other, one does harm."""
    own = dict(zip(("seeds", "selection", "twins", "slices", "scanner", "cut-off"), rng.uniform(0.02, 0.09, 6), strict=True))
    base = rng.uniform(0.55, 0.6)

    def study(flaws):
        if isinstance(flaws, str):
            raise TypeError("the study got one name where it needs a list of names, as in study([name])")
        flaws = set(flaws)
        if flaws - set(own):
            raise ValueError(f"the study got {sorted(map(str, flaws - set(own)))[0]!r}, which is none of its flaws")
        score = base + sum(own[name] for name in flaws if name not in ("twins", "slices", "scanner"))
        score += 0.12 * bool(flaws & {"twins", "slices"})  # either gives the same scans away
        score += 0.08 * ({"scanner", "selection"} <= flaws)  # neither does much alone
        return score - 2 * own["cut-off"] * ("cut-off" in flaws)

    return study, list(own)


@_check("study", "flaws", answer="dict of shares", kind=_Shares)
def shares_of_flaws(learner, draw):
    """``shares(study, flaws)``: by how much the score falls when one flaw is repaired and all others stay."""
    for i in range(3):
        study, flaws = _audited(draw(i))
        given = list(flaws)
        found = learner(study, given)
        if given != flaws:
            raise _NotYet(
                "The function changes the list of flaws that it is given, so the next flaw is judged in another study. "
                "Work on a copy."
            )
        if set(found) != set(flaws):
            missing, extra = sorted(set(flaws) - set(found)), sorted(set(found) - set(flaws))
            raise _NotYet(
                "The dict must hold every flaw once, and nothing else. "
                + (f"It lacks {', '.join(missing)}." if missing else f"It also holds {', '.join(extra)}.")
            )
        got = np.array([found[name] for name in flaws])
        everything = study(flaws)
        repaired = np.array([study([other for other in flaws if other != name]) for name in flaws])
        added = np.array([study([name]) for name in flaws]) - study([])
        one_by_one = np.array([study(flaws[k:]) - study(flaws[k + 1 :]) for k in range(len(flaws))])
        right = everything - repaired
        if np.allclose(got, right, atol=1e-6):
            continue
        if np.allclose(got, np.round(got, 2)) and np.abs(got - right).max() < 0.005 + 1e-6:  # rounded, as the lesson prints them
            continue
        if np.allclose(got, -right, atol=1e-6):
            raise _NotYet("The signs are turned round: a flaw that makes the score too good has a positive share.")
        if np.allclose(got, repaired, atol=1e-6):
            raise _NotYet("These are the scores after a repair. The share is what the score lost by it.")
        if np.allclose(got, added, atol=1e-6):
            raise _NotYet(
                "The function adds one flaw to a sound study. The task is the other way: repair one flaw in the study "
                "as it was published. Where two flaws give the same scans away, the answers differ."
            )
        if np.allclose(got, everything - added - study([]), atol=1e-6):
            raise _NotYet("The function keeps one flaw and repairs all others. Repair one, and keep all others.")
        if np.allclose(got, one_by_one, atol=1e-6) or np.allclose(got.sum(), everything - study([]), atol=1e-6):
            raise _NotYet(
                "The shares add up to the whole optimism, so one flaw after the other was repaired, or they were "
                "scaled. Put each flaw back before the next one is repaired: then they need not add up."
            )
        if np.abs(got.sum() - 1) < 1e-6 or np.allclose(got / 100, right, atol=1e-3):
            raise _NotYet("Give the shares as differences of scores, not as parts of their sum or in per cent.")
        worst = int(np.argmax(np.abs(got - right)))
        raise _NotYet(
            f"For {flaws[worst]!r} the function returns {got[worst]:+.3f}. The study as published scores "
            f"{everything:.3f}, and with this flaw alone repaired {repaired[worst]:.3f}."
        )
    return "Each share is the score as published minus the score with this one flaw repaired, and the list of flaws stays whole."


def _answers(rng, n, scans, *, likeness=0.8, accuracy=0.75):
    """right, subject: whether each scan was classified correctly; the scans of a person succeed or fail together."""
    a, b = accuracy * (1 / likeness - 1), (1 - accuracy) * (1 / likeness - 1)
    subject = np.repeat(rng.choice(np.arange(1000, 2000), n, replace=False), scans)
    order = rng.permutation(len(subject))
    right = (rng.random(len(subject)) < np.repeat(rng.beta(a, b, n), scans)).astype(int)
    return right[order], subject[order]


@_check("right", "subject", answer="interval", kind=_Interval)
def interval_by_subject(learner, draw):
    """``interval(right, subject)``: a 95 % interval for the accuracy that counts people, not scans."""
    ratios, by_scan = [], []
    for i in range(6):
        right, subject = _answers(draw(i), 60, 8)
        low, high = learner(right, subject)
        if high > 2:
            raise _NotYet(f"The interval is {low:.4g} to {high:.4g}. Give shares from 0 to 1, not percentages.")
        if low > high:
            raise _NotYet(f"The lower end is {low:.2f} and the upper one {high:.2f}. The lower one comes first.")
        if not low - 1e-9 <= right.mean() <= high + 1e-9:
            raise _NotYet(
                f"The interval is {low:.2f} to {high:.2f}, and does not hold the accuracy that was seen, "
                f"{right.mean():.2f}."
            )
        means = np.array([right[subject == one].mean() for one in np.unique(subject)])
        ratios.append((high - low) / (2 * 1.96 * means.std(ddof=1) / np.sqrt(60)))
        by_scan.append((high - low) / (2 * 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / len(right))))
    ratio = np.mean(ratios)
    if 0.85 < np.mean(by_scan) < 1.15:
        raise _NotYet(
            f"480 scans of 60 people: the interval is only {ratio:.2f} times as wide as it should be. It counts "
            "scans. The scans of one person are right or wrong together, so they are hardly more than one answer."
        )
    if ratio < 0.9:
        raise _NotYet(f"The interval is {ratio:.2f} times as wide as a 95 % interval over people. It is too narrow.")
    if ratio > 1.4:
        raise _NotYet(
            f"The interval is {ratio:.1f} times as wide as one that counts people needs to be. The spread of the people "
            "is divided by the square root of their number."
        )
    alone = _answers(draw(10), 200, 1)
    low, high = learner(*alone)
    usual = 2 * 1.96 * np.sqrt(alone[0].mean() * (1 - alone[0].mean()) / 200)
    if not 0.9 < (high - low) / usual < 1.15:
        raise _NotYet(
            f"With one scan of each of 200 people the interval is {(high - low) / usual:.2f} times as wide as the usual "
            "one. There it should be the usual one."
        )
    learner(*_answers(draw(11), 40, draw(12).integers(1, 9, 40)))  # people with unequal numbers of scans
    return (
        f"Its width is {ratio:.2f} times that of an interval over people, and with one scan of each person it is the usual "
        "one."
    )


_FINDINGS = {
    "repeated": "several scans of one subject",
    "twice": "the same scan under two subject ids",
    "site": "a site that goes with the diagnosis",
    "leak": "a column that gives the diagnosis away",
}


class _Findings(_Other):
    def _read(self, value) -> set[str]:
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise _NotYet(f"Return a list of words, an empty one if nothing was found, not a {type(value).__name__}.")
        unknown = [word for word in value if word not in _FINDINGS]
        if unknown:
            raise _NotYet(f"The list holds {unknown[0]!r}. The words are {', '.join(map(repr, _FINDINGS))}.")
        return set(value)


def _cohort(rng, flaws, sign=1, n=120, p=12):
    """X, y, subject, site with these flaws (a leak of this sign); without any, one feature is good (AUC .8) and sites differ by luck."""
    per = n // 4
    site = np.repeat(rng.permutation(["north", "east", "south", "west"]), per)
    patients = [0.9, 0.8, 0.2, 0.1] if "site" in flaws else [0.4, 0.47, 0.53, 0.6]
    y = np.concatenate([rng.permutation(np.arange(per) < round(share * per)) for share in patients]).astype(int)
    X = rng.standard_normal((n, p))
    X[:, 0] += 1.2 * y
    subject = rng.choice(np.arange(1000, 9999), n, replace=False)
    if "leak" in flaws:
        X[:, 5] = sign * (4 * y + rng.standard_normal(n) * 0.6)
    if "repeated" in flaws:
        again = np.repeat(np.arange(n), 2)
        X, y, subject, site = X[again], y[again], subject[again], site[again]
        X = X + 0.3 * rng.standard_normal(X.shape)
    if "twice" in flaws:
        first = rng.choice(len(y), 6, replace=False)
        X, y, site = np.vstack([X, X[first]]), np.append(y, y[first]), np.append(site, site[first])
        subject = np.append(subject, np.arange(10_000, 10_006))
    order = rng.permutation(len(y))
    return X[order], y[order], subject[order], site[order]


@_check("X", "y", "subject", "site", answer="list of findings", kind=_Findings)
def first_audit(learner, draw):
    """``audit(X, y, subject, site)``: which of the four flaws of `_FINDINGS` a cohort has."""
    plans = [(), ("repeated",), ("twice",), ("site",), ("leak",), (), ("repeated", "site"), ("twice", "leak"),
             ("repeated", "twice"), ("site", "leak"), ()]
    for i, planted in enumerate(plans):
        found = learner(*_cohort(draw(i), planted, sign=(-1) ** i))
        missed, extra = set(planted) - found, found - set(planted)
        if missed:
            word = sorted(missed)[0]
            raise _NotYet(f"A cohort has {_FINDINGS[word]}, and the function does not say {word!r}.")
        if extra:
            word = sorted(extra)[0]
            reason = {
                "repeated": "Everybody in it was scanned once.",
                "twice": "Scans of one subject resemble each other, but no scan is there twice under two ids."
                         if "repeated" in planted else "No two scans in it are the same.",
                "site": "The shares of patients are 40, 47, 53 and 60 %, as they are by luck in sites of 30 people.",
                "leak": "Its best feature separates the groups with an AUC of about .8, which a good feature may.",
            }[word]
            raise _NotYet(f"A cohort is accused wrongly of {word!r}. {reason}")
    return f"In {len(plans)} cohorts, three of them without any flaw, it finds what is there and accuses nobody else."
