"""How an exercise is judged: a learner's function is called on data whose truth is known, and gets a verdict.

What a check looks at is what the function does, never how it is written. A verdict says first what was
right, then what was wrong, then the next step in one sentence, and shows the scores that it rests on.

Two engines serve the tasks. `Table` is for a determined answer: data, the right answer as a function, and
named mistakes as functions, each with its reason. `Scores` is for a score: noise, on which an honest score
is a coin's, and signal, on which it lies in a known range. A task adds an identity that holds exactly for a
right answer where there is one (`checks/identities.py`).
"""

import ast
import copy
import functools
import html
import inspect
import itertools
import linecache
import logging
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

# Without a handler of their own, the log's errors would be printed into the learner's notebook.
log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())

PATIENCE = 120  # seconds of a processor, after which a function is called no more
CLEAR = 4.5  # standard errors above chance, which honest scores reach once in 300,000 checks
LEAK = 0.08  # by so much at least is a score on noise too high where something leaks
DOTS = "Your code goes where the three dots stand."


class NotYet(Exception):
    """The function is not right yet. The text says what is wrong and, after " → ", the next step."""


@dataclass(frozen=True)
class Row:
    """A line of a verdict's picture: scores as dots, chance or a limit as a line, a tick or a cross."""

    label: str
    scores: tuple[float, ...]
    good: bool
    mark: tuple[str, float] | None = None

    @property
    def sentence(self) -> str:
        found, right = np.asarray(self.scores), "right" if self.good else "not right"
        if not len(found):
            return f"{self.label}: {right}."
        spread = f"{len(found)} from {found.min():.2f} to {found.max():.2f}, mean {found.mean():.2f}"
        mark = "" if self.mark is None else f"; {self.mark[0]} {self.mark[1]:.2f}"
        return f"{self.label}: {spread}{mark}: {right}."


def picture(rows: tuple[Row, ...]) -> str:
    """The rows as an SVG that is the same in every run. Its label says in words what it shows."""
    parts, left, width, height = [], 240, 250, 4

    def line(x1, x2, y1, y2, more=""):
        parts.append(f'<line x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}" stroke="currentColor"{more}/>')

    for row in rows:
        middle, stacked = height + (24 if row.scores else 10), {}
        height = middle + 16 if row.scores else middle + 8
        sign = "✓" if row.good else "✗"
        parts.append(f'<text x="0" y="{middle + 4}">{sign} {html.escape(row.label)}</text>')
        if row.scores:
            line(left, left + width, middle + 8, middle + 8)
        if row.mark is not None:
            name, x = row.mark[0], left + round(width * min(max(row.mark[1], 0), 1))
            line(x, x, middle - 12, middle + 13, ' stroke-width="2" stroke-dasharray="4 2"')
            parts.append(f'<text x="{x + 4}" y="{middle - 8}" font-size="10">{name} {row.mark[1]:.2f}</text>')
        for score in row.scores:
            x = left + 5 * round(width / 5 * min(max(score, 0), 1))
            stacked[x] = stacked.get(x, 0) + 1
            y = middle + 7 - 3 * min(stacked[x], 7)
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="currentColor" fill-opacity="0.45"/>')
    words = html.escape(" ".join(row.sentence for row in rows))
    size = f'width="{left + width + 60}" height="{height}" font-size="12" fill="currentColor"'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{words}" {size}>'
    return f"{start}{''.join(parts)}</svg>"


@dataclass(frozen=True, repr=False)
class Verdict:
    """Whether a check passed; what was right, what was not, the next step, and the picture's rows."""

    passed: bool
    right: str = ""
    wrong: str = ""
    step: str = ""
    rows: tuple[Row, ...] = ()

    @property
    def reason(self) -> str:
        return " ".join(part for part in (self.right, self.wrong, self.step) if part)

    def __repr__(self) -> str:
        return f"{'Passed.' if self.passed else 'Not yet.'} {self.reason}"

    def _repr_html_(self) -> str:
        line, word = ("solid", "Passed.") if self.passed else ("dashed", "Not yet.")
        parts = "".join(f"<p>{html.escape(part)}</p>" for part in (self.right, self.wrong, self.step) if part)
        return (
            f'<div style="border-left: 0.3em {line}; padding-left: 0.7em; max-width: 46em"><strong>{word}'
            f"</strong>{parts}{picture(self.rows) if self.rows else ''}</div>"
        )


# The learner's function


class Learner:
    """The learner's function: called with copies of the data and timed; `read` makes sense of its answer.

    What was right is added to `right`, what the picture shows to `rows`.
    """

    def __init__(self, function: Callable, arguments: tuple[str, ...], read: Callable):
        self.function, self.arguments, self.read = function, arguments, read
        self.calls, self.note = 0, ""
        self.started = time.process_time(), time.monotonic()
        self.right, self.rows = [], []

    def look(self) -> None:
        """See whether it is a function that can be called with these arguments, and the newest one."""
        function, arguments = self.function, self.arguments
        if function is ...:
            raise NotYet(f"The function is not written yet. → {DOTS}")
        if not callable(function):
            raise NotYet(
                f"The check needs the function itself, and got a value of type {type(function).__name__}. → "
                "Write the function's name without brackets after it."
            )
        if older := older_than_its_cell(function):
            raise NotYet(f"{older} → Repair that cell and run it, then run the check again.")
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # some functions written in C tell no signature
            return
        try:
            signature.bind(*arguments)
        except TypeError:
            raise NotYet(
                f"The check calls the function with ({', '.join(arguments)}), in this order, but yours takes "
                f"{signature}."
            ) from None

    @property
    def seconds(self) -> float:
        """Processor time; on a busy machine a function gets an eighth of a processor at least."""
        processor, clock = self.started
        return max(time.process_time() - processor, (time.monotonic() - clock) / 8)

    def __call__(self, *data):
        if self.seconds > PATIENCE:
            raise NotYet(
                f"It takes too long: the check stopped after {self.calls} calls. → Fewer folds, fewer "
                "settings or a faster model will do."
            )
        given = [copy.deepcopy(value) for value in data]
        self.calls += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the learner sees them when running the function
                value = self.function(*given)
                if isinstance(value, Iterator):  # what is yielded piece by piece
                    value = list(itertools.islice(value, 10_000))
        except (Exception, SystemExit) as error:  # exit() in an answer must not end the kernel
            raise NotYet(_told(error, self.function)) from None
        for name, before, after in zip(self.arguments, data, given, strict=True):
            if not _same(before, after):
                raise NotYet(
                    f"The function changes the {name} that it is given, so whatever runs after it works on "
                    f"other data. → Work on a copy: {name}.copy()."
                )
        if value is ... or (value is None and _is_empty(self.function)):
            raise NotYet(f"The function is still empty. → {DOTS}")
        if value is None:
            raise NotYet("The function returns nothing. → Did you forget `return`?")
        try:
            return self.read(value)
        except NotYet:
            raise
        except (
            Exception
        ):  # an array where one word belongs, a number without end: nobody can list all of these
            raise NotYet(
                f"The function returns a value of type {type(value).__name__} that the check cannot read. → "
                f"Return the {self.read.answer}."
            ) from None

    def all(self, sets: list[tuple]) -> np.ndarray:
        return np.array([self(*one) for one in sets])

    def maybe(self, sets: list[tuple]) -> float:
        """The mean answer on data that serve to find a cause; NaN if the function cannot use them."""
        try:
            return float(self.all(sets).mean())
        except NotYet:
            return np.nan

    def twice(self, *data) -> float:
        """The answer, and a note where a second call on the same data gives another one."""
        first, second = self(*data), self(*data)
        if abs(first - second) > 1e-6:
            self.note = (
                f"A note: two runs on the same data gave {first:.3f} and {second:.3f}. With a random_state "
                "for all that is drawn, others can repeat your number."
            )
        return first


def _same(before, after) -> bool:
    """Whether an array, a table, a list or a dict is as it was; of other things nothing is asked."""
    if hasattr(before, "equals"):
        return before.equals(after)
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    return not isinstance(before, list | dict | set) or before == after


def _is_empty(function: Callable) -> bool:
    """Whether the body of a function does nothing at all (`...`, `pass`, a docstring)."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_names:
        return False
    return code.co_nlocals == code.co_argcount + code.co_kwonlyargcount


def _told(error: BaseException, function: Callable) -> str:
    """An exception of the learner's function in one sentence, with the line where it left that function."""
    message = " ".join(str(error).replace("→", "->").split())
    message = message if len(message) <= 220 else message[:220] + " …"
    where, code = "", getattr(inspect.unwrap(function), "__code__", None)
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code is code]
    if lines:
        text = linecache.getline(code.co_filename, lines[-1]).strip()
        where = f" in its line {lines[-1] - code.co_firstlineno + 1}" + (f", `{text}`" if text else "")
    return f"The function stops{where} with {type(error).__name__}: {message}".rstrip(".: ") + "."


def older_than_its_cell(function: Callable) -> str | None:
    """What to say when the newest cell that defines this function did not run: an older one is judged."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    name, code = getattr(function, "__name__", ""), getattr(function, "__code__", None)
    if shell is None or code is None or shell.user_ns.get(name) is not function:
        return None
    cells = [cell.strip() for cell in shell.user_ns.get("In", [])]
    begins = re.compile(rf"^def\s+{re.escape(name)}\b", re.MULTILINE)
    newest = next((cell for cell in reversed(cells) if begins.search(cell)), "")
    try:
        ast.parse(newest)
    except SyntaxError as error:
        why = f"has a syntax error in line {error.lineno} ({error.msg})"
        return (
            f"The newest cell with `def {name}` {why}, so Python knows only an older version of the function."
        )
    own = "".join(linecache.getlines(code.co_filename)).strip()
    if own in cells and own != newest and begins.search(own):
        why = "stopped with an error before it reached the function"
        return f"The newest cell with `def {name}` {why}, so Python knows only an older version of it."
    return None


def check(*arguments: str, read: Callable) -> Callable[[Callable], Callable]:
    """Turn ``judge(learner, draw)`` into ``check(function, *, seed=0) -> Verdict``.

    Parameters
    ----------
    *arguments : str
        What the learner's function is called with, in this order.
    read : callable
        Makes sense of the answer, or raises `NotYet`; `read.answer` is its name.

    `draw(i)` is the generator of data set i. `judge` raises `NotYet`, or adds to ``learner.right``.
    """

    def decorate(judge):
        @functools.wraps(judge, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
        def run(function: Callable, *, seed: int = 0) -> Verdict:
            learner, wrong = Learner(function, arguments, read), ""
            try:
                learner.look()
                with threadpool_limits(1):  # the data are small: threads would cost more than they give
                    judge(learner, lambda i: np.random.default_rng([seed, i]))
            except NotYet as found:
                wrong = str(found)
            except Exception as error:
                log.exception("the check %s failed", judge.__name__)
                wrong = (
                    f"The check cannot make sense of what the function returns ({type(error).__name__}: "
                    f"{error}). → Return the {read.answer}, in the form that the task describes."
                )
            right = [*learner.right, *([] if wrong else [learner.note])]
            wrong, _, step = wrong.partition(" → ")
            words = (_one_line(text) for text in (" ".join(filter(None, right)), wrong, step))
            return Verdict(not wrong, *words, tuple(learner.rows))

        del run.__wrapped__  # the signature is that of `run`
        return run

    return decorate


def _one_line(text: str, most: int = 1200) -> str:
    """A text on one line. Of a very long one, with a whole array in it, the beginning and the end."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"


# What an answer may be. A reader takes any value, and gives what the check works with or raises `NotYet`.


def reader(answer: str) -> Callable:
    """Name what a reader reads: ``@reader("depth")``."""

    def name(read):
        read.answer = answer
        return read

    return name


def score(answer: str = "score") -> Callable:
    """A reader of one number from 0 to 1."""

    @reader(answer)
    def read(value) -> float:
        try:
            if isinstance(value, str | bool | np.bool_) or np.ndim(value) > 1:
                raise TypeError
            found = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            kind = type(value).__name__
            raise NotYet(
                f"The function returns a value of type {kind}, not one number. → Return the {answer} alone."
            ) from None
        if found.size != 1:
            raise NotYet(
                f"The function returns {found.size} numbers. → If they are the scores of the folds, return "
                f"their mean: one number, the {answer}."
            )
        number = float(found.ravel()[0])
        if not np.isfinite(number):
            raise NotYet(
                f"The function returns {number}. Often the cause is a fold that holds one class only, a "
                "category that the training folds lack, or a mean over no folds."
            )
        if not -1e-9 <= number <= 1 + 1e-9:
            side = ", which is below 0, but" if number < 0 else ", but"
            step = " → If it is a percentage, divide it by 100." if number > 1.5 else ""
            raise NotYet(f"The function returns {number:.4g}{side} the {answer} lies between 0 and 1.{step}")
        return number

    return read


def numbers(*names: str) -> Callable:
    """A reader of so many numbers, in this order, such as ``numbers("lower end", "upper end")``."""

    @reader(" and ".join(names))
    def read(value) -> np.ndarray:
        order = f"→ Return {len(names)} numbers, in this order: {', '.join(names)}."
        try:
            found = np.array([float(one) for one in value])
        except (TypeError, ValueError):
            raise NotYet(f"The function returns a value of type {type(value).__name__}. {order}") from None
        if len(found) != len(names):
            raise NotYet(f"The function returns {len(found)} number{'s' * (len(found) != 1)}. {order}")
        if not np.isfinite(found).all():
            listed = ", ".join(f"{one:g}" for one in found)
            raise NotYet(f"The function returns {listed}: not all are numbers. {order}")
        return found

    return read


def named(answer: str, example: str) -> Callable:
    """A reader of a dict, or a Series, from names to numbers."""

    @reader(answer)
    def read(value) -> dict[str, float]:
        try:
            return {str(name): float(number) for name, number in dict(value).items()}
        except (TypeError, ValueError):
            kind = type(value).__name__
            raise NotYet(
                f"The function returns a value of type {kind}. → Return a {answer}, such as {example}."
            ) from None

    return read


# Tasks with a determined answer


@dataclass(frozen=True)
class Table:
    """A task with a determined answer.

    Attributes
    ----------
    cases : callable
        ``cases(draw)``: the learner's arguments (a tuple) by name of the case, from simple to intricate.
    reference : callable
        The right answer.
    mistakes : dict
        Wrong answers as functions, each with its reason and, after " → ", the next step.
    right : str
        What a right function did.
    same : callable
        Whether two answers are the same for this task.
    told : callable
        ``told(name, data, got, right)``: what to say of a case whose wrong answer is no named mistake.
    """

    cases: Callable
    reference: Callable
    mistakes: dict[Callable, str]
    right: str
    same: Callable = np.array_equal
    told: Callable = lambda name, data, got, right: (
        f"{name}: the function returns {got}, and {right} is right."
    )

    def answers(self, function: Callable, cases: dict[str, tuple]) -> dict:
        """The answer to every case; None where a mistake does not run."""
        found = {}
        for name, data in cases.items():
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    found[name] = function(*copy.deepcopy(data))
            except Exception:
                found[name] = None
        return found

    def alike(self, some: dict, others: dict) -> list[str]:
        """The names of the cases with the same answer."""
        return [
            name
            for name, one in some.items()
            if (one is None) == (others[name] is None) and (one is None or self.same(one, others[name]))
        ]

    def judge(self, learner: Learner, draw: Callable) -> None:
        cases = self.cases(draw)
        got = {name: learner(*data) for name, data in cases.items()}
        reference = self.answers(self.reference, cases)
        good = self.alike(got, reference)
        if len(good) == len(cases):
            learner.right.append(self.right)
            return
        if good:
            learner.right.append(f"{len(good)} of {len(cases)} answers are right.")
        learner.rows += [Row(name, (), name in good) for name in cases]
        made = {one: self.answers(one, cases) for one in self.mistakes}
        raise NotYet(self.reason(cases, got, reference, made))

    def reason(self, cases: dict, got: dict, reference: dict, made: dict) -> str:
        """What to say of wrong answers; `made` holds the answers of the named mistakes."""
        good = self.alike(got, reference)
        wrong = [name for name in cases if name not in good]
        # The mistake that explains all wrong answers, and all others but one in ten.
        fits = {one: self.alike(got, answers) for one, answers in made.items()}
        fits = {
            one: len(names)
            for one, names in fits.items()
            if set(wrong) <= set(names) and len(names) >= 0.9 * len(cases)
        }
        if fits:
            return self.mistakes[max(fits, key=fits.get)]
        first = wrong[0]
        return self.told(first, cases[first], got[first], reference[first])

    def faults(self, draw: Callable) -> list[str]:
        """What is wrong with the table itself: mistakes that are right, alike, or told for another one."""
        cases = self.cases(draw)
        reference = self.answers(self.reference, cases)
        made = {one: self.answers(one, cases) for one in self.mistakes}
        pairs = itertools.combinations({self.reference: reference, **made}.items(), 2)
        found = [
            f"{a.__name__} is {b.__name__} in every case"
            for (a, x), (b, y) in pairs
            if len(self.alike(x, y)) == len(cases)
        ]
        for one, got in made.items():
            # Of a mistake that does not run on all data, a learner is told the error.
            if not found and all(answer is not None for answer in got.values()):
                told = self.reason(cases, got, reference, made)
                found += [f"{one.__name__} is told: {told}"] if told != self.mistakes[one] else []
        return found


# Tasks that return a score


@dataclass(frozen=True)
class Signal:
    """Data with real signal, and between which the mean of honest scores on them lies, whatever the model.

    `wrong` is what to say of a mean outside, with the next step; or ``wrong(learner, draw, mean)`` says it.
    """

    make: Callable
    low: float
    high: float
    wrong: str | Callable = (
        "The model hardly learns. → Look whether it is trained on the training scans with their own labels."
    )
    sort: str = "real signal"

    def judge(self, learner: Learner, draw: Callable, found: tuple[float, ...] = ()) -> None:
        """`found`: the scores of the first sets, where they are known."""
        found = list(found)
        while len(found) < 3 or (len(found) < 12 and self._unsure(found)):
            found.append(learner(*self.make(draw(500 + len(found)))))
        mean, limits = np.mean(found), f"{self.low:.2f} to {self.high:.2f}"
        good = self.low <= mean <= self.high
        mark = None if good else ("at least", self.low) if mean < self.low else ("at most", self.high)
        learner.rows.append(Row(self.sort, tuple(found), good, mark))
        if good:
            learner.right.append(f"On data with {self.sort} it reports {mean:.2f}, as it should.")
        elif callable(self.wrong):
            raise NotYet(self.wrong(learner, draw, mean))
        else:
            told = f"On data with {self.sort} it reports {mean:.2f}, and an honest score is {limits}."
            raise NotYet(f"{told} {self.wrong}")

    def _unsure(self, found: list[float]) -> bool:
        """Whether a limit lies within three standard errors of the mean."""
        mean, error = np.mean(found), max(np.std(found, ddof=1), 0.03) / np.sqrt(len(found))
        return min(abs(mean - self.low), abs(mean - self.high) if self.high < 1 else 1) < 3 * error


@dataclass(frozen=True)
class Scores:
    """A task that returns a score: noise, on which an honest score is a coin's, and data with real signal.

    Attributes
    ----------
    noise : callable
        ``noise(rng)``: data, as the learner's function takes them.
    units : int
        So many independent people are scored in a set of noise: the scatter of an honest score follows.
    leak : callable
        ``leak(learner, draw, mean)``: the cause of a score on noise that is too high, and the next step.
    signals : tuple of Signal
        The first one is strong.
    sort : str
        What the noise is.
    least : float
        So much above chance is the smallest leak that is looked for; a smaller one takes more sets.
    low : str
        What to say of a score on noise that is far below chance, if that is a fault of its own.
    unseen : str
        What noise does not show; nothing where an identity shows it.
    exact : callable
        ``exact(learner, draw)`` judges by what holds exactly, which takes fewer sets than noise does.
    """

    noise: Callable
    units: int
    leak: Callable
    signals: tuple[Signal, ...]
    sort: str = "pure noise"
    chance: float = 0.5
    least: float = LEAK
    low: str = ""
    unseen: str = " (the best of two or three runs would hardly show)"
    exact: Callable = lambda learner, draw: None

    def judge(self, learner: Learner, draw: Callable) -> None:
        strong = self.signals[0].make
        loud = np.array([learner.twice(*strong(draw(500))), learner(*strong(draw(501)))])
        quiet = learner.all([self.noise(draw(0)), self.noise(draw(1))])
        if np.ptp([*loud, *quiet]) < 1e-12 and (
            loud[0] < 1
            or learner.maybe([blank(strong(draw(500))), mixed_up(strong(draw(500)), draw(9))]) == 1
        ):
            raise NotYet(
                f"The function returns {loud[0]:.2f} whatever the data are: noise and real signal get the "
                "same score. → Measure the score on X and y."
            )
        if loud.mean() < 0.35 < quiet.mean():
            raise NotYet(
                f"Where there is strong real signal, the function returns {loud.mean():.2f}, less than a "
                "coin would get. → If it is the share of errors, return 1 minus the errors."
            )
        leaks = quiet.mean() > self.chance + 0.25  # then the leak is what to say first
        if not leaks:
            self.exact(learner, draw)
        known = {self.signals[0]: tuple(loud)}
        for signal in () if leaks else self.signals:
            signal.judge(learner, draw, known.get(signal, ()))
        noise = (lambda i: self.noise(draw(i))), self.units, self.chance, self.least
        scores, high = scores_on_noise(learner, *noise, known=tuple(quiet))
        mean = np.mean(scores)
        low = bool(self.low) and mean < self.chance - 0.1
        learner.rows.append(Row(self.sort, tuple(scores), not (high or low), ("chance", self.chance)))
        told = f"On {self.sort} it reports {mean:.2f}, and chance is {self.chance:.2f}"
        if low:
            raise NotYet(f"{told}. That is clearly below: {self.low}")
        if high:
            raise NotYet(f"{told}: {self.leak(learner, draw, mean)}")
        learner.right.append(f"{told}{self.unseen}.")
        if leaks:  # they were luck
            self.exact(learner, draw)
            for signal in self.signals:
                signal.judge(learner, draw, known.get(signal, ()))


def scores_on_noise(
    learner: Learner,
    make: Callable,
    units: int,
    chance: float = 0.5,
    least: float = LEAK,
    *,
    known: tuple[float, ...] = (),
    most: int = 120,
    score: Callable = float,
) -> tuple[list[float], bool]:
    """Scores on sets of noise, and whether their mean is further above chance than luck explains.

    The scatter is the learner's own, within what an honest score can have: at least a coin's over all
    `units`, at most three times that, as in a hold-out of a ninth. From eight sets on, sets are added until
    the mean lies three standard errors below the smallest leak, or is clearly above chance. `known` are the
    scores of the first sets; ``score(answer)`` makes one of an answer that is none.
    """
    scores, coin = list(known), np.sqrt(chance * (1 - chance) / units)
    while True:
        scores.append(score(learner(*make(len(scores)))))
        # An honest score is as often below chance as above it; the better of it and its opposite never is.
        if len(scores) < 8 or len(scores) % 4 or (len(scores) < 20 and min(scores) > chance):
            continue
        if len(scores) == 20 and min(scores) > chance:
            return scores, True
        error = np.clip(np.std(scores, ddof=1), coin, 3 * coin) / np.sqrt(len(scores))
        # Fewer than 20 are too few to trust their own scatter where it speaks against the learner.
        doubt = error if len(scores) >= 20 else 3 * coin / np.sqrt(len(scores))
        above = np.mean(scores) - chance
        late = len(scores) >= most or learner.seconds > 0.8 * PATIENCE
        if above < least - 3 * error or above >= CLEAR * doubt or late:
            return scores, above >= CLEAR * doubt


def blank(data: tuple) -> tuple:
    """The same data with an empty table X, from which nothing can be learnt."""
    return tuple(np.zeros_like(one) if np.ndim(one) == 2 else one for one in data)


def mixed_up(data: tuple, rng: np.random.Generator) -> tuple:
    """The same data with labels, and subjects, in another order: of no row is known what it was."""
    return tuple(
        rng.permutation(one) if isinstance(one, np.ndarray) and one.ndim == 1 else one for one in data
    )


def hide(rng, y, share=0.6):
    """Labels as they show in the features: so many patients look like controls."""
    patients = rng.permutation(np.flatnonzero(y))
    return np.where(np.isin(np.arange(len(y)), patients[: round(share * len(patients))]), 0, y)


ANOTHER = (
    "Most patients look like controls, so that every measure has another value. → Return the accuracy: the "
    "share of all scans that are classified correctly, over all folds."
)


def accuracy_on_blank(learner, draw, make):
    """Where X is empty, an accuracy is the share of a class; other measures are exactly .5, 0 or 1."""
    try:
        found = learner.all([blank(make(draw(700 + i))) for i in range(3)])
    except NotYet:  # a model need not run on an empty table
        return
    if np.all(np.abs(found - 0.5) < 1e-9) or np.all((found < 0.02) | (found > 0.98)):
        raise NotYet(
            f"With an empty X, and a fifth of the scans from patients, it reports {found[0]:.2f}. An "
            "accuracy is the share of one class there, so this is another measure, such as a balanced "
            "accuracy or an AUC. → Return the accuracy."
        )
