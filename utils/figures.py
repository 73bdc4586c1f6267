"""Pictures of outcomes, in one visual language.

The reported score, the true score and chance have one colour each, everywhere; they differ in lightness,
position and label too, so that nothing rests on colour alone (the colours are from Okabe and Ito's
palette). The same quantity has the same axis. A figure draws what an `Outcome` holds and computes nothing.

Every function takes an outcome and gives a matplotlib figure. Given a figure that it made before, it moves
that figure's artists instead of making new ones. What moves is listed in ``figure.moving`` and marked as
animated, so that a panel can keep the rest (axes, ticks, labels) as a picture and redraw it never.
"""

import functools
from textwrap import fill
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from scipy.ndimage import gaussian_filter1d

COLOURS = {"reported": "#D55E00", "honest": "#009E73", "true": "#0072B2", "chance": "#595959"}
ROWS = {
    "reported": "the study\nreports",
    "honest": "done right,\nit reports",
    "true": "it would\nreally get",
}
SIZE = (7.0, 3.8)  # inches
TEXT = 13  # points; readable from the back of a room when the picture fills half the projector

# Labels stand on white, so that a line behind them does not strike them through.
_LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 1}
_GRID = np.linspace(0, 1, 201)


# A learner who calls sns.set_theme() must not change the panels. The backend is left as it is.
_STYLE = {key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")}
_STYLE["font.family"] = "DejaVu Sans"


def _in_house_style(draw):
    """Make a figure function independent of the notebook's matplotlib settings."""

    @functools.wraps(draw)
    def drawn(*arguments, **settings):
        with mpl.rc_context(_STYLE):
            return draw(*arguments, **settings)

    return drawn


def _new_figure() -> tuple[Figure, object]:
    """A figure outside pyplot: nothing to close, and no window state shared between panels."""
    figure = Figure(figsize=SIZE, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TEXT - 1)
    return figure, axes


def _hand_over(figure: Figure, moving: list) -> None:
    """Lay out once (again at every redraw would double its time and make the picture jump)."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    figure.moving = moving
    for artist in moving:
        artist.set_animated(True)


def _ridge(scores: np.ndarray, base: float) -> np.ndarray:
    """Outline of the smoothed distribution of scores between 0 and 1, standing on ``base``."""
    edges = np.append(_GRID - 0.0025, _GRID[-1] + 0.0025)
    counts = np.histogram(np.clip(scores, 0, 1), edges)[0].astype(float)
    height = gaussian_filter1d(counts, 4, mode="constant")
    height *= 0.72 / height.max()
    return np.column_stack([np.r_[_GRID, _GRID[::-1]], np.r_[base + height, np.full(len(_GRID), base)]])


@_in_house_style
def score_distributions(outcome, figure: Figure | None = None, *, score: str = "Accuracy",
                        chance: float = 0.5) -> Figure:
    """Distributions of the reported, the honest and the true score over the simulated studies.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        With draws "reported" and "true", and "honest" where there is one: scores between 0 and 1.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    score : str
        Name of the score, for the axis.
    chance : float
        Score of guessing.
    """
    names = [name for name in ROWS if name in outcome.draws]
    if figure is None:
        figure, axes = _new_figure()
        axes.set(xlim=(0, 1), ylim=(-0.12, len(names)), xlabel=f"{score}, over many simulated studies")
        axes.xaxis.label.set_size(TEXT)
        axes.set_yticks(np.arange(len(names))[::-1] + 0.3, [ROWS[name] for name in names])
        axes.tick_params(axis="y", length=0, labelsize=TEXT)
        axes.spines["left"].set_visible(False)
        axes.axvline(chance, color=COLOURS["chance"], linestyle=(0, (4, 3)), linewidth=1.5, zorder=0)
        axes.text(chance, len(names), "chance", color=COLOURS["chance"], fontsize=TEXT - 1, ha="center", va="bottom")
        parts = SimpleNamespace(axes=axes, ridges={}, means={}, texts={})
        for row, name in enumerate(reversed(names)):
            colour = COLOURS[name]
            parts.ridges[name], = axes.fill([0, 1, 1], [row, row, row], facecolor=colour, alpha=0.45,
                                            edgecolor=colour, linewidth=1.5)
            parts.means[name], = axes.plot([0.5, 0.5], [row, row + 0.75], color=colour, linewidth=3)
            parts.texts[name] = axes.text(0.5, row + 0.78, "", color=colour, fontsize=TEXT + 1,
                                          fontweight="bold", ha="center", va="bottom", bbox=_LABEL)
        figure.parts = parts
        _hand_over(figure, [*parts.ridges.values(), *parts.means.values(), *parts.texts.values()])
    parts = figure.parts
    for row, name in enumerate(reversed(names)):
        mean = outcome.draws[name].mean()
        parts.ridges[name].set_xy(_ridge(outcome.draws[name], row))
        parts.means[name].set_xdata([mean, mean])
        parts.texts[name].set_x(min(max(mean, 0.03), 0.97))
        parts.texts[name].set_text(f"{mean:.2f}")
    return figure


@_in_house_style
def false_alarms(outcome, figure: Figure | None = None) -> Figure:
    """How often tests that promise 5 % false alarms raise one.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        Its draws are p-values, by name of the test, of studies in which there is nothing to find.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before for the same tests, to be changed in place.
    """
    names = list(outcome.draws)
    rows = np.arange(len(names))[::-1]
    if figure is None:
        figure, axes = _new_figure()
        axes.set(xlim=(0, 1), ylim=(-0.6, len(names) - 0.1))
        axes.set_xlabel("Studies with a false alarm", size=TEXT)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set_yticks(rows, [fill(name, 20) for name in names])
        axes.tick_params(axis="y", length=0, labelsize=TEXT)
        axes.axvline(0.05, color=COLOURS["reported"], linestyle=(0, (4, 3)), linewidth=2, zorder=3)
        axes.text(0.05, len(names) - 0.1, "promised: 5 %", color=COLOURS["reported"], fontsize=TEXT,
                  fontweight="bold", va="bottom")
        bars = axes.barh(rows, 0.0, height=0.62, color=COLOURS["true"])
        texts = [axes.text(0, row, "", color=COLOURS["true"], fontsize=TEXT + 1, fontweight="bold",
                           va="center", bbox=_LABEL) for row in rows]
        figure.parts = SimpleNamespace(bars=list(bars), texts=texts)
        _hand_over(figure, [*bars, *texts])
    for name, bar, text in zip(names, figure.parts.bars, figure.parts.texts, strict=True):
        rate = np.mean(outcome.draws[name] <= 0.05)
        bar.set_width(rate)
        text.set_x(max(rate, 0.05) + 0.02 if rate < 0.85 else 0.85)
        text.set_text(f"really {100 * rate:.0f} %")
    return figure


@_in_house_style
def errors_of_cross_validation(outcome, figure: Figure | None = None) -> Figure:
    """Reported minus true accuracy over the simulated studies, beside the error bar that they claim.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        With draws "reported", "true" and "claimed" (half width of the study's 90 % interval).
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    """
    if figure is None:
        figure, axes = _new_figure()
        axes.set(xlim=(-0.4, 0.4), ylim=(-0.1, 2.6))
        axes.set_yticks([0.72, 0.22], ["nine studies\nin ten", "what the error\nbar claims"])
        axes.tick_params(axis="y", length=0, labelsize=TEXT)
        axes.set_xlabel("Reported accuracy minus true accuracy", size=TEXT)
        axes.xaxis.set_major_formatter("{x:+.1f}")
        axes.spines["left"].set_visible(False)
        axes.axvline(0, color=COLOURS["true"], linewidth=2, zorder=0)
        axes.text(0, 2.6, "the truth", color=COLOURS["true"], fontsize=TEXT, ha="center", va="bottom")
        parts = SimpleNamespace(brackets={}, texts={})
        parts.ridge, = axes.fill([0, 1, 1], [1, 1, 1], facecolor=COLOURS["reported"], alpha=0.45,
                                 edgecolor=COLOURS["reported"], linewidth=1.5)
        for name, height, colour in (("needed", 0.72, "true"), ("claimed", 0.22, "reported")):
            parts.brackets[name], = axes.plot([0, 0], [height, height], color=COLOURS[colour], linewidth=4,
                                              marker="|", markersize=16, markeredgewidth=3)
            parts.texts[name] = axes.text(0, height, "", color=COLOURS[colour], fontsize=TEXT,
                                          fontweight="bold", va="center", bbox=_LABEL)
        figure.parts = parts
        _hand_over(figure, [parts.ridge, *parts.brackets.values(), *parts.texts.values()])
    parts = figure.parts
    error = outcome.draws["reported"] - outcome.draws["true"]
    ridge = _ridge(error + 0.5, 0)
    parts.ridge.set_xy(np.column_stack([ridge[:, 0] - 0.5, 1 + 2 * ridge[:, 1]]))
    half = np.median(outcome.draws["claimed"])
    for name, (low, high) in {"needed": np.quantile(error, [0.05, 0.95]), "claimed": (-half, half)}.items():
        parts.brackets[name].set_xdata([low, high])
        parts.texts[name].set_x(min(high, 0.16) + 0.02)
        parts.texts[name].set_text(f"±{half:.2f}" if name == "claimed" else f"{low:+.2f} to {high:+.2f}")
    return figure
