"""What holds exactly for a score whose test labels had no say: then no threshold is needed."""

from collections.abc import Callable

import numpy as np

from checks.judge import Learner, NotYet


def off(learner: Callable, sets: list[tuple], weights: tuple = (1, 1), aim: float = 1) -> tuple[float, list]:
    """How far a weighted sum of the scores of these data is from what it should be, and the scores.

    NaN where the sum is off and a second call on the same data gives another score.
    """

    def seeded(data):  # what has no random_state draws from numpy's global generator
        state = np.random.get_state()  # noqa: NPY002
        np.random.seed(0)  # noqa: NPY002
        try:
            return learner(*data)
        finally:
            np.random.set_state(state)  # noqa: NPY002

    scores = [seeded(data) for data in sets]
    found = np.dot(weights, scores) - aim
    return found if abs(found) < 1e-9 or seeded(sets[0]) == scores[0] else np.nan, scores


def say_of(learner: Callable, data: tuple, at: int, other: np.ndarray | None = None) -> tuple[float, list]:
    """How far the score is from one in which the labels `data[at]` had no say: 0 for a right answer, exactly.

    Where predictions are fixed, every label adds its own part to the score, and no more. So the scores
    of labels and of all labels turned round have the sum 1. With `other` labels, of as many patients in
    either half, the scores of both have the same sum when they exchange one half. The scores are given too.
    """
    one = data[at]
    labels, weights, aim = (one, 1 - one), (1, 1), 1
    if other is not None:
        half = np.arange(len(one)) < len(one) // 2
        labels = one, other, np.where(half, one, other), np.where(half, other, one)
        weights, aim = (1, 1, -1, -1), 0
    return off(learner, [(*data[:at], these, *data[at + 1 :]) for these in labels], weights, aim)


def opposite(learner: Learner, draw: Callable, make: Callable) -> None:
    """Judge a score of a model: a contrary one, which always says the opposite, gets exactly the rest.

    ``make(rng, contrary=...)`` gives data with a model whose answers depend on the scans it was fitted to.
    So the best one of several runs, or of several folds, is more than the rest of the contrary one's best.
    """
    for i in range(4):
        more, _ = off(learner, [make(draw(800 + i), contrary=contrary) for contrary in (False, True)])
        if abs(more) > 0.021:  # a score may be rounded; without any seed there is no exact answer
            raise NotYet(
                "With one setting, a model and another one that always says the opposite have accuracies "
                f"with the sum 1, and here the sum is {1 + more:.2f}. So the score was chosen, or changed: "
                "the best of several runs, or of several folds. → Report the mean of one cross-validation, "
                "as it is."
            )
    learner.right.append("A model that says the opposite of everything gets exactly the rest.")


def held_out(learner: Learner, draw: Callable, make: Callable, whose: str) -> None:
    """Judge a score of X, y, X_test, y_test in which the test labels must have no say but in the count.

    ``make(rng, i)`` gives an odd number of test scans, so that no half of them can be right; `whose` is what
    is chosen.
    """

    found, speak = [], None
    for i in range(8):  # what is chosen among may be so alike that in one set none is better than the others
        data = make(draw(50 + i), i)
        say, scores = say_of(learner, data, 3)
        found.append(scores)
        if speak:
            break
        if abs(say) > 0.021:  # a score may be rounded; without any seed there is no exact answer
            speak, total = data, sum(scores)
    if np.ptp(found) == 0 and found[0][0] < 1:
        raise NotYet(
            f"The function returns {found[0][0]:.2f} whatever the data are. → Measure the score on the test "
            "scans."
        )
    if speak and all(one == turned < 1 for one, turned in found[-2:]):
        raise NotYet(
            f"The score is {scores[0]:.2f}, and it stays so when all labels of the test scans are turned "
            "round: it is not measured on the test scans, or it is the better of a score and its opposite. A "
            "score in training or validation, or the best one of a search, is no test. → Score the "
            f"{whose} on X_test and y_test, and return what comes out."
        )
    if speak:
        X, _, X_test, y_test = speak
        X[:, 0], X_test[:, 0] = 0, 9 * (2 * y_test - 1)
        if learner(*speak) > 0.95:
            raise NotYet(
                f"Scans that the {whose} was fitted to are among those that it is scored on: where a feature "
                "is the label in the test scans alone, it is right in nearly all. → Fit it to X and y alone, "
                "and score X_test and y_test alone."
            )
    n = len(data[3])
    if np.abs(n * np.array(found) - np.round(n * np.array(found))).max() > 0.2:
        raise NotYet(
            f"With {n} test scans an accuracy is a whole number of {n}ths, and this score is not. → Choose "
            f"one {whose}, and return its accuracy: no mean over several, no other measure."
        )
    if speak:
        raise NotYet(
            "When all test labels are turned round, what was right is wrong: both accuracies have the sum 1. "
            f"Here the sum is {total:.2f}. So the test labels had a say in the choice, as when every "
            f"{whose} is scored on the test scans and the best is kept. → Choose within X and y, then use "
            "the test scans once."
        )
    learner.right.append("The test labels have no say in the choice: they are only counted.")
