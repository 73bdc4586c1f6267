"""A value with its interval, where both are known: the AUC of a model, or the gain of one over another."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from checks.judge import Learner, NotYet


def standard_error(y, *scores):
    """DeLong's standard error of an AUC, or of the difference of two AUCs of the same scans (1988)."""
    wins = [np.sign(score[y == 1][:, None] - score[y == 0]) / 2 for score in scores]
    last = wins[-1] - (wins[0] if len(wins) > 1 else 0)
    return np.sqrt(sum(last.mean(axis=k).var(ddof=1) / last.shape[1 - k] for k in (0, 1)))


@dataclass(frozen=True)
class Around:
    """A task that returns a value, and the lower and the upper end of its interval.

    Attributes
    ----------
    truth : callable
        ``truth(y, *scores)``: the value that is right.
    name : str
        What the value is.
    opposite : callable
        The value of a function that takes one side for the other.
    turned, calls : str
        What to say then, and of any other value.
    """

    truth: Callable
    name: str
    opposite: Callable
    turned: str
    calls: str

    def seen(self, learner: Learner, *data: np.ndarray) -> tuple[float, float, float]:
        """The learner's three numbers, where the value is right and inside its interval."""
        (value, low, high), truth = learner(*data), self.truth(*data)
        right = abs(value - truth) < 6e-4  # it may be rounded to three digits
        for bad, why in (
            (not right and abs(value - self.opposite(truth)) < 6e-4, self.turned),
            (not right and abs(low - truth) < 6e-4, f"→ Return the {self.name} first, then both ends."),
            (not right and abs(value - truth) < 0.004 and low < value < high,
             f"→ Return the {self.name} of the data as they are, not rounded; draws are for the interval."),
            (not right, self.calls),
        ):  # fmt: skip
            if bad:
                raise NotYet(f"The first number is {value:.4f}, and the {self.name} is {truth:.4f}. {why}")
        told = f"With {truth:.3f} as the {self.name}, the interval is {low:.3f} to {high:.3f}."
        if low > high:
            raise NotYet(f"{told} → The lower end comes first.")
        if not low - 1e-9 <= value <= high + 1e-9:
            raise NotYet(f"{told} It does not hold the {self.name} that was seen. → Put it around that.")
        return value, low, high

    def width(self, learner: Learner, *data: np.ndarray) -> float:
        """The width, as a multiple of 1.96 of DeLong's standard errors to either side."""
        _, low, high = self.seen(learner, *data)
        return (high - low) / (2 * 1.96 * standard_error(*data))

    def widths(self, learner: Learner, make: Callable, low: float, high: float) -> float:
        """The mean width in ``make(i)``: of three sets, and of more while a limit is within three errors."""
        found, doubt = [], True
        while len(found) < 3 or (doubt and len(found) < 12):
            found.append(self.width(learner, *make(len(found))))
            error = max(np.std(found), 0.02) / np.sqrt(len(found))
            doubt = min(abs(np.mean(found) - low), abs(np.mean(found) - high)) < 3 * error
        return float(np.mean(found))
