"""The figure of a simulated paper, and the picture of what was wrong with it, by matplotlib."""

import functools
import io
from collections.abc import Callable
from textwrap import fill

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from review.flaws import FLAWS
from utils.drawing import COLOURS

TEXT = 13  # points
LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # behind labels: no line strikes them through

# A learner who calls sns.set_theme() must not change the panels. The backend is left as it is.
_STYLE = {key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")}
_STYLE["font.family"] = "DejaVu Sans"


def house_style(draw: Callable) -> Callable:
    """Make a figure function independent of the notebook's matplotlib settings."""

    @functools.wraps(draw)
    def drawn(*arguments, **settings):
        with mpl.rc_context(_STYLE):
            return draw(*arguments, **settings)

    return drawn


class Picture(Figure):
    """A figure outside pyplot that a notebook shows when it is the last value of a cell."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        FigureCanvasAgg(self).print_png(buffer)
        return buffer.getvalue()


def new_figure(ratios: tuple[float, ...], size: tuple[float, float]) -> tuple[Picture, list]:
    """A figure outside pyplot and its axes side by side, whose widths are as `ratios`."""
    figure = Picture(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12)
    axes = figure.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=TEXT - 1)
        one.xaxis.label.set_size(TEXT)
        one.yaxis.label.set_size(TEXT)
    return figure, list(axes)


def _aside(values: np.ndarray, width: float) -> np.ndarray:
    """Sideways places of dots, so that dots of nearly the same height stand beside each other."""
    bins = np.digitize(values, np.linspace(values.min(), values.max() + 1e-9, 41))
    aside = np.zeros(len(values))
    for one in np.unique(bins):
        here = np.flatnonzero(bins == one)
        aside[here] = np.arange(len(here)) - (len(here) - 1) / 2
    return aside * min(0.06, width / max(np.abs(aside).max(), 1e-9))


@house_style
def published_study(study) -> Figure:
    """The figure of a simulated publication: outputs of its classifier, and its score with the error bar.

    Parameters
    ----------
    study : review.paper.Study
    """
    figure, (left, right) = new_figure((1.7, 1), (7.6, 3.8))
    result, (low, high) = study.result, study.bar
    for group, (marker, inside) in enumerate((("D", "white"), ("o", "black"))):
        outputs = result.output[result.y == group]
        style = {"marker": marker, "markersize": 4, "markerfacecolor": inside}
        left.plot(group + _aside(outputs, 0.42), outputs, linestyle="none", color="black", **style)
    left.axhline(result.cut, color="#737373", linewidth=1.5)
    left.set_xticks([0, 1], ["controls", "patients"])
    left.set(xlim=(-0.5, 1.5), ylabel="Output of the classifier")
    left.tick_params(axis="x", length=0, labelsize=TEXT)
    right.bar([0], [result.reported], width=0.5, color="#BFBFBF")
    ends, line = [[result.reported - low], [high - result.reported]], {"linewidth": 2, "capthick": 2}
    right.errorbar([0], [result.reported], ends, color="black", capsize=8, **line)
    right.set(xlim=(-0.6, 0.6), ylim=(0, 1), xticks=[], ylabel=study.facts["metric"].capitalize())
    return figure


def _scores(review) -> list[tuple[str, float, str, str]]:
    """What the picture shows from the top: words, score, its colour's name, marker."""
    study, result = review.study, review.study.result
    balanced = " (balanced accuracy)" if study.by_accuracy else ""
    rows = [("the study reports", result.reported, "reported", "o")]
    for name, share in study.shares.items():
        rows.append((f"without: {FLAWS[name].accusation}", result.reported - share, "", "s"))
    rows.append((f"all of it done right, it reports{balanced}", study.done_right.reported, "honest", "^"))
    rows.append(("it would really get", result.true, "true", "D"))
    if balanced:
        rows.append((f"it would really get{balanced}", result.balanced, "true", "d"))
    return rows if review.score is None else [*rows, ("you said", review.score, "chance", "X")]


@house_style
def what_was_wrong(review) -> Figure:
    """The reported score of a reviewed study, what each flaw adds to it, and the truth.

    Parameters
    ----------
    review : review.verdict.Review
    """
    rows = _scores(review)
    reported = rows[0][1]
    figure, (axes,) = new_figure((1,), (8.6, 1.0 + 0.52 * len(rows)))
    axes.spines["left"].set_visible(False)
    low = min(0.4, min(score for _, score, _, _ in rows) - 0.09)
    axes.set(xlim=(low, 1.03), ylim=(len(rows) - 0.5, -0.9), xlabel="Score (dashed: tossing a coin)")
    axes.set_yticks(np.arange(len(rows)), [fill(row[0], 38) for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.axvline(0.5, color=COLOURS["chance"], linestyle=(0, (4, 3)), linewidth=1.5, zorder=0)
    axes.axvline(reported, color=COLOURS["reported"], linewidth=1.5, zorder=0)
    for at, (_, score, name, marker) in enumerate(rows):
        colour, side = COLOURS.get(name, "black"), 1 if score >= reported else -1
        axes.plot([reported, score], [at, at], color=colour, linewidth=3, alpha=0.5, zorder=1)
        axes.plot([score], [at], marker=marker, markersize=10, color=colour, zorder=2)
        words = {"fontsize": TEXT, "fontweight": "bold", "color": colour, "bbox": LABEL, "zorder": 1.5}
        beside = {"textcoords": "offset points", "ha": "left" if side > 0 else "right", "va": "center"}
        axes.annotate(f"{score:.2f}", (score, at), (9 * side, 0), **beside, **words)
    return figure
