"""The picture of lessons 05 and 08: who is tested in the first fold, and who of the same person trained."""

from collections.abc import Mapping

import numpy as np

from utils.drawing import DOT, HOLLOW, Chart, above, axis, chart, layer, ridges, table, tips

SHOWN = 10  # persons


def first_fold(folds: Mapping[str, np.ndarray], repeats: int) -> dict[str, np.ndarray]:
    """The draws that `dealt_and_scored` shows: 1 where a scan is tested first, shape (repeats, scans)."""
    return {
        f"{name} test": np.tile(fold == 0, (repeats, 1)).astype(np.float32) for name, fold in folds.items()
    }


def dealt_and_scored(
    outcome, *, dealt: Mapping[str, str], persons: str, scan: str = "scan", dots: bool = False, **of_ridges
) -> list[Chart]:
    """The first fold of one study, beside the distributions of scores.

    Parameters
    ----------
    outcome : utils.simulation.Outcome
        With the draws of `first_fold`; the scans of a person are neighbours.
    dealt : dict of str to str
        How the scans are dealt, from the top: words by the name of the draw.
    persons : str
        The parameter that says how many persons there are.
    scan : str
        What is dealt.
    dots : bool
        Whether every study is shown as a dot.
    **of_ridges
        For `utils.drawing.ridges`.
    """
    count, height = outcome.parameters[persons], 0.8 / len(dealt)
    places = {"trained on": [], "tested": [], "seen": []}
    for level, name in enumerate(reversed(dealt)):
        tested = outcome.draws[f"{name} test"][0].reshape(count, -1)[:SHOWN] > 0.5
        alone = tested.all(axis=1, keepdims=True)  # nothing of this person is in the training
        for kind, which in zip(places, (~tested, tested & alone, tested & ~alone), strict=True):
            person, number = np.nonzero(which)
            y = level / len(dealt) + height * (number + 0.5) / tested.shape[1]
            places[kind] += list(zip(person + 1, y.round(3), strict=True))
    data = {
        name: table(**dict(zip("xy", np.array(rows).reshape(-1, 2).T, strict=True)))
        for name, rows in places.items()
    }
    data["fold"] = {"text": ["First fold: ○ training, ● test"]}
    data["known"] = {"text": [f"● test, person’s {scan} in training"]}
    hover = {"tooltip": tips(person="x")}
    layers = [
        layer("point", "trained on", **HOLLOW, encoding=hover),
        layer("point", "tested", **DOT, encoding=hover),
        layer("point", "seen", "reported", **DOT, encoding=hover),
        above("fold", line=1),
        above("known", "reported"),
    ]
    x = axis(f"The first {SHOWN} persons of one study", (0, SHOWN + 1), at=[], line=False)
    at = np.arange(len(dealt))[::-1] / len(dealt) + height / 2
    y = axis(at=at, words=list(dealt.values()), line=False)
    (scores,) = ridges(outcome, dots=dots, **of_ridges)
    return [chart(layers, data, x, y, height=scores.spec["height"], top=42, right=8, share=1.1), scores]
