"""Pictures of outcomes, in one visual language.

The reported score, the true score and chance have one colour each, everywhere; they differ in lightness,
position and label too, so that nothing rests on colour alone (the colours are from Okabe and Ito's
palette). The same quantity has the same axis. A figure draws what an `Outcome` holds and computes nothing.

Every function takes an outcome and gives a matplotlib figure. Given a figure that it made before, it moves
that figure's artists instead of making new ones. What moves is listed in ``figure.moving`` and marked as
animated, so that a panel can keep the rest (axes, ticks, labels) as a picture and redraw it never.
"""

import functools
import io
from collections.abc import Callable
from textwrap import fill
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter
from scipy.ndimage import gaussian_filter1d

COLOURS = {"reported": "#D55E00", "honest": "#009E73", "true": "#0072B2", "chance": "#595959",
           "training": "#AA4499"}
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


# Underfitting -----------------------------------------------------------------------------------------


@_in_house_style
def discoveries(outcome, figure: Figure | None = None) -> Figure:
    """How often tests at the 5 % level find a signal.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        Its draws are p-values, by name of the test.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before for the same tests, to be changed in place.
    """
    names = list(outcome.draws)
    rows = np.arange(len(names))[::-1]
    if figure is None:
        figure, axes = _new_figure()
        axes.set(xlim=(0, 1), ylim=(-0.6, len(names) - 0.1))
        axes.set_xlabel("Studies with p ≤ .05", size=TEXT)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set_yticks(rows, [fill(name, 18) for name in names])
        axes.tick_params(axis="y", length=0, labelsize=TEXT)
        axes.axvline(0.05, color=COLOURS["chance"], linestyle=(0, (4, 3)), linewidth=2, zorder=3)
        axes.text(0.05, len(names) - 0.1, "5 %: nothing to find", color=COLOURS["chance"], fontsize=TEXT, va="bottom")
        bars = axes.barh(rows, 0.0, height=0.62, color=COLOURS["true"])
        texts = [axes.text(0, row, "", color=COLOURS["true"], fontsize=TEXT + 1, fontweight="bold", va="center",
                           bbox=_LABEL) for row in rows]
        figure.parts = SimpleNamespace(bars=list(bars), texts=texts)
        _hand_over(figure, [*bars, *texts])
    for name, bar, text in zip(names, figure.parts.bars, figure.parts.texts, strict=True):
        rate = np.mean(outcome.draws[name] <= 0.05)
        bar.set_width(rate)
        text.set_x(max(rate, 0.05) + 0.02 if rate < 0.85 else 0.87)
        text.set_text(f"{100 * rate:.0f} %")
    return figure


_CEILING = "#1A1A1A"


@_in_house_style
def lost_to_bias_and_variance(outcome, figure: Figure | None = None) -> Figure:
    """Training and true score over the number of scans, for a linear and a flexible model.

    The distance from the ceiling down to the true score is filled in two parts: what endless scans
    would not give back (bias), and what they would (variance).

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        Of `utils.experiments.bias_and_variance`.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    """
    models = ("linear", "flexible")
    n = np.array(outcome.parameters["sizes"], float)
    if figure is None:
        figure = Figure(figsize=(8.2, 4.2), layout="constrained")
        parts = {}
        for axes, model in zip(figure.subplots(1, 2, sharey=True), models, strict=True):
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=TEXT - 2)
            axes.set_xscale("log")
            axes.set(xlim=(n[0], n[-1]), ylim=(0.33, 1.02))
            axes.set_xticks(n, [f"{size:.0f}" for size in n])
            axes.minorticks_off()
            axes.set_title(f"{model} model", size=TEXT + 1, fontweight="bold", pad=8)
            axes.set_xlabel("Scans", size=TEXT)
            axes.axhline(0.5, color=COLOURS["chance"], linestyle=(0, (4, 3)), linewidth=1.5, zorder=0)
            axes.text(n[-1], 0.49, "chance", color=COLOURS["chance"], fontsize=TEXT - 2, ha="right", va="top")
            one = SimpleNamespace(texts={})
            one.bias, = axes.fill([n[0], n[-1], n[-1]], [0.5] * 3, facecolor="#D9D9D9", edgecolor="#8C8C8C", hatch="///",
                                  linewidth=0)
            one.variance, = axes.fill([n[0], n[-1], n[-1]], [0.5] * 3, facecolor=COLOURS["true"], alpha=0.3,
                                      linewidth=0)
            one.ceiling, = axes.plot(n[[0, -1]], [1, 1], color=_CEILING, linewidth=2, linestyle=(0, (1, 1)))
            one.train, = axes.plot(n, n * 0, color=COLOURS["training"], linewidth=3, marker="o", markersize=5)
            one.true, = axes.plot(n, n * 0, color=COLOURS["true"], linewidth=3, marker="s", markersize=5)
            # The words stay, the numbers move: letters are what takes longest to paint.
            below = {"fontsize": TEXT - 2, "va": "top", "color": _CEILING, "transform": axes.transAxes}
            axes.text(0.57, 0.16, "lost to bias (grey):\nto variance (blue):", ha="right", **below)
            one.lost = axes.text(0.59, 0.16, "", ha="left", **below)
            parts[model] = one
        figure.axes[0].set_ylabel("Accuracy", size=TEXT)
        names = [(COLOURS["training"], "on its own training scans"), (COLOURS["true"], "on new subjects"),
                 (_CEILING, "ceiling (dotted)")]
        for place, (colour, name) in zip((0.12, 0.47, 0.73), names, strict=True):
            figure.text(place, 0.985, name, color=colour, fontsize=TEXT - 1, fontweight="bold", va="top")
        figure.get_layout_engine().set(rect=(0, 0, 1, 0.93), w_pad=0.08)
        figure.parts = parts
        _hand_over(figure, [artist for one in parts.values()
                            for artist in (one.bias, one.variance, one.ceiling, one.train, one.true, one.lost)])
    ceiling = outcome.draws["ceiling"].mean()
    for model, one in figure.parts.items():
        limit = outcome.draws[f"{model} limit"].mean()
        true = outcome.draws[f"{model} true"].mean(axis=0)
        one.ceiling.set_ydata([ceiling, ceiling])
        one.train.set_ydata(outcome.draws[f"{model} train"].mean(axis=0))
        one.true.set_ydata(true)
        one.bias.set_xy(np.column_stack([n[[0, -1, -1, 0]], [ceiling, ceiling, limit, limit]]))
        one.variance.set_xy(np.column_stack([np.r_[n, n[-1], n[0]], np.r_[true, limit, limit]]))
        first, last = max(limit - true[0], 0), max(limit - true[-1], 0)
        one.lost.set_text(f"{ceiling - limit:.2f}\n{first:.2f}, at last {last:.2f}")
    return figure


@_in_house_style
def too_little_to_too_much(outcome, figure: Figure | None = None) -> Figure:
    """Training, cross-validated and true score over the strength of the regularisation.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        Of `utils.experiments.shrinkage_sweep`.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    """
    lines = {"train": ("training", "on its own training scans", "o"),
             "honest": ("honest", "cross-validated", "^"), "true": ("true", "on new subjects", "s")}
    thresholds = outcome.parameters["thresholds"]
    if figure is None:
        figure, axes = _new_figure()
        axes.set(xlim=(thresholds[0], thresholds[-1]), ylim=(0.4, 1.02), ylabel="Accuracy",
                 xlabel="Threshold:  too little shrinking  ←   →  too much")
        axes.xaxis.label.set_size(TEXT)
        axes.yaxis.label.set_size(TEXT)
        axes.axhline(0.5, color=COLOURS["chance"], linestyle=(0, (4, 3)), linewidth=1.5, zorder=0)
        axes.text(0.02, 0.49, "chance", color=COLOURS["chance"], fontsize=TEXT - 1, va="top")
        parts = SimpleNamespace(lines={})
        for place, (name, (colour, label, marker)) in zip((0.1, 0.49, 0.73), lines.items(), strict=True):
            parts.lines[name], = axes.plot(thresholds, np.zeros(len(thresholds)), color=COLOURS[colour], linewidth=3,
                                           marker=marker, markersize=6)
            figure.text(place, 0.985, label, color=COLOURS[colour], fontsize=TEXT, fontweight="bold", va="top")
        parts.ceiling, = axes.plot(thresholds[:: len(thresholds) - 1], [1, 1], color=_CEILING, linewidth=2,
                                   linestyle=(0, (1, 1)))
        parts.name = axes.text(thresholds[-1], 1, "ceiling", color=_CEILING, fontsize=TEXT - 1, ha="right",
                               va="bottom")
        figure.get_layout_engine().set(rect=(0, 0, 1, 0.93))
        figure.parts = parts
        _hand_over(figure, [*parts.lines.values(), parts.ceiling, parts.name])
    ceiling = outcome.draws["ceiling"].mean()
    for name, line in figure.parts.lines.items():
        line.set_ydata(outcome.draws[name].mean(axis=0))
    figure.parts.ceiling.set_ydata([ceiling, ceiling])
    figure.parts.name.set_y(min(ceiling, 0.97))
    return figure


@_in_house_style
def scores_below_a_ceiling(outcome, figure: Figure | None = None) -> Figure:
    """Distributions of the true accuracies of several models, and the ceiling that none can pass.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        Its draws are true accuracies, by name of the model, and "ceiling".
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before for the same models, to be changed in place.
    """
    names = [name for name in outcome.draws if name != "ceiling"]
    if figure is None:
        figure, axes = _new_figure()
        axes.set(xlim=(0, 1), ylim=(-0.12, len(names)))
        axes.set_xlabel("Accuracy on new subjects, over many simulated studies", size=TEXT)
        axes.set_yticks(np.arange(len(names))[::-1] + 0.3, [fill(name, 10) for name in names])
        axes.tick_params(axis="y", length=0, labelsize=TEXT)
        axes.spines["left"].set_visible(False)
        axes.axvline(0.5, color=COLOURS["chance"], linestyle=(0, (4, 3)), linewidth=1.5, zorder=0)
        axes.text(0.5, len(names), "chance", color=COLOURS["chance"], fontsize=TEXT - 1, ha="center", va="bottom")
        parts = SimpleNamespace(ridges={}, means={}, texts={})
        for row, name in enumerate(reversed(names)):
            colour = COLOURS["true"]
            parts.ridges[name], = axes.fill([0, 1, 1], [row, row, row], facecolor=colour, alpha=0.45, edgecolor=colour,
                                            linewidth=1.5)
            parts.means[name], = axes.plot([0.5, 0.5], [row, row + 0.75], color=colour, linewidth=3)
            parts.texts[name] = axes.text(0.5, row + 0.78, "", color=colour, fontsize=TEXT + 1, fontweight="bold",
                                          ha="center", va="bottom", bbox=_LABEL)
        parts.ceiling, = axes.plot([1, 1], [-0.12, len(names)], color=_CEILING, linewidth=2, linestyle=(0, (1, 1)))
        parts.name = axes.text(1, len(names), "", color=_CEILING, fontsize=TEXT - 1, ha="center", va="bottom")
        figure.parts = parts
        _hand_over(figure, [*parts.ridges.values(), *parts.means.values(), parts.ceiling, *parts.texts.values(),
                            parts.name])
    parts = figure.parts
    for row, name in enumerate(reversed(names)):
        mean = outcome.draws[name].mean()
        parts.ridges[name].set_xy(_ridge(outcome.draws[name], row))
        parts.means[name].set_xdata([mean, mean])
        parts.texts[name].set_x(min(max(mean, 0.03), 0.97))
        parts.texts[name].set_text(f"{mean:.2f}")
    ceiling = outcome.draws["ceiling"].mean()
    parts.ceiling.set_xdata([ceiling, ceiling])
    # Above the axes, and to the right of "chance" however low the ceiling is.
    parts.name.set_x(min(max(ceiling, 0.69), 0.93))
    parts.name.set_text(f"ceiling {ceiling:.2f}")
    return figure


# Scores along a scale: the number of features, or of scans

_CURVES = {
    "training": ("training", COLOURS["training"], (0, (5, 2)), 2.5),
    "reported": ("reported\n(nine in ten)", COLOURS["reported"], "-", 2.5),
    "true": ("truth", COLOURS["true"], "-", 3.5),
    "theory": ("theory", COLOURS["true"], "none", 0),
    "ceiling": ("best possible", COLOURS["chance"], (0, (1, 1.5)), 2.5),
}


def _apart(heights: np.ndarray, sizes: np.ndarray, low: float, high: float) -> np.ndarray:
    """Heights of labels near those wished for, in their order, `sizes` high each, between low and high."""
    order = np.argsort(heights, kind="stable")
    placed, sizes = np.asarray(heights, float)[order], np.asarray(sizes)[order]
    for _ in range(60):  # neighbours that overlap step aside, each by half
        overlap = np.maximum((sizes[1:] + sizes[:-1]) / 2 - np.diff(placed), 0) / 2
        placed += np.r_[0, overlap] - np.r_[overlap, 0]
        placed = np.clip(placed, low + sizes / 2, high - sizes / 2)
    return placed[np.argsort(order)]


@_in_house_style
def score_curves(outcome, figure: Figure | None = None, *, along: str, label: str,
                 score: str = "Accuracy", chance: float = 0.5, log: bool = True,
                 words: dict[str, str] | None = None) -> Figure:
    """Mean scores along a scale, with the range of nine reports in ten.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        With draws of shape (repeats, positions) among "training", "reported", "true", "theory" and
        "ceiling": scores between 0 and 1.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before for the same positions, to be changed in place.
    along : str
        The parameter that holds the positions on the scale (for a log scale, numbers above 0).
    label : str
        What the scale is, for the axis.
    score : str
        Name of the score, for the axis.
    chance : float
        Score of guessing.
    log : bool
        Whether the scale is logarithmic.
    words : dict, optional
        What a curve is called, where it is not called as usual.
    """
    names = [name for name in _CURVES if name in outcome.draws]
    called = {name: _CURVES[name][0] for name in names} | (words or {})
    at = np.array(outcome.parameters[along], float)
    bottom, top = 0.28, 1.03
    if figure is None:
        figure, axes = _new_figure()
        length, distance = np.ptp(np.log(at) if log else at), lambda a, b: np.log(b / a) if log else b - a
        ends = (at[0] / 1.1, at[-1] * 1.1) if log else (at[0] - 0.03 * length, at[-1] + 0.03 * length)
        axes.set(xscale="log" if log else "linear", ylim=(bottom, top), xlim=ends)
        axes.set_xlabel(label, size=TEXT)
        axes.set_ylabel(score, size=TEXT)
        # The positions are named where there is room between them.
        ticks = [at[-1]]
        for position in at[-2::-1]:
            if distance(position, ticks[-1]) > 0.075 * length:
                ticks.append(position)
        axes.set_xticks(ticks, [f"{position:g}" for position in ticks])
        axes.set_xticks(at, minor=True)
        axes.xaxis.set_minor_formatter("")
        axes.axhline(chance, color=COLOURS["chance"], linestyle=(0, (4, 3)), linewidth=1.5, zorder=0)
        axes.text(at[0] / 1.08 if log else at[0] - 0.02 * length, chance - 0.012, "chance", color=COLOURS["chance"], fontsize=TEXT - 1, va="top")
        parts = SimpleNamespace(lines={}, texts={}, band=None)
        if "reported" in names:
            parts.band, = axes.fill([at[0]] * 3, [0] * 3, facecolor=COLOURS["reported"], alpha=0.22, linewidth=0)
        for name in names:
            _, colour, style, width = _CURVES[name]
            marker = {"marker": "o", "markersize": 9, "markerfacecolor": "white", "markeredgewidth": 2}
            parts.lines[name], = axes.plot(at, np.zeros(len(at)), color=colour, linestyle=style, linewidth=width,
                                           **(marker if name == "theory" else {}))
            parts.texts[name] = axes.text(1.02, 0.5, called[name], transform=axes.get_yaxis_transform(), color=colour,
                                          fontsize=TEXT, fontweight="bold", va="center", linespacing=1)
        figure.parts = parts
        band = [parts.band] if parts.band else []
        _hand_over(figure, [*band, *parts.lines.values(), *parts.texts.values()])
    parts = figure.parts
    means = {name: outcome.draws[name].mean(axis=0) for name in names}
    for name in names:
        parts.lines[name].set_ydata(means[name])
    if parts.band:
        low, high = np.quantile(outcome.draws["reported"], [0.05, 0.95], axis=0)
        parts.band.set_xy(np.column_stack([np.r_[at, at[::-1]], np.r_[low, high[::-1]].clip(bottom)]))
    sizes = np.array([0.07 * (1 + called[name].count("\n")) for name in names])
    ends = np.array([means[name][-1] for name in names])
    for name, height in zip(names, _apart(ends, sizes, bottom, top), strict=True):
        parts.texts[name].set_y(height)
    return figure


@_in_house_style
def published_and_unpublished(outcome, figure: Figure | None = None, *, score: str = "Accuracy",
                              shown: int = 60) -> Figure:
    """Reported scores of many studies by their size, those that pass the publication filter marked.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        With draws "reported" and "true" of shape (repeats, sizes) and the parameters "sizes" and
        "publish_from".
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before for the same sizes, to be changed in place.
    score : str
        Name of the score, for the axis.
    shown : int
        Studies drawn of every size; the means and shares are of all.
    """
    sizes, publish_from = np.array(outcome.parameters["sizes"], float), outcome.parameters["publish_from"]
    reported, true = outcome.draws["reported"], outcome.draws["true"]
    published = reported >= publish_from - 1e-9
    if figure is None:
        figure, axes = _new_figure()
        axes.set(xscale="log", xlim=(sizes[0] / 1.3, sizes[-1] * 1.2), ylim=(-0.02, 1.03))
        axes.set_xlabel("Scans in the study", size=TEXT)
        axes.set_ylabel(f"{score} reported", size=TEXT)
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        # Studies of one size stand side by side, or their equal scores would hide each other.
        side = np.tile(np.linspace(-0.1, 0.1, shown)[np.random.default_rng(0).permutation(shown)], (len(sizes), 1)).T
        parts = SimpleNamespace(x=sizes * np.exp(side))
        dots = {"linestyle": "none", "marker": "o", "markersize": 5}
        parts.others, = axes.plot([], [], **dots, markerfacecolor="none", markeredgecolor="#8C8C8C")
        parts.published, = axes.plot([], [], **dots, color=COLOURS["reported"])
        parts.true, = axes.plot(sizes, sizes, color=COLOURS["true"], linewidth=3.5)
        parts.filter, = axes.plot(axes.get_xlim(), [0, 0], color=COLOURS["reported"], linestyle=(0, (4, 3)), linewidth=2)
        right = {"transform": axes.get_yaxis_transform(), "fontsize": TEXT, "fontweight": "bold", "va": "center",
                 "linespacing": 1}
        parts.texts = [axes.text(1.02, 0.5, "published:\nreport 0.00,\ntruth 0.00", color=COLOURS["reported"], **right),
                       axes.text(1.02, 0.5, "truth", color=COLOURS["true"], **right),
                       axes.text(1.02, 0.5, "not\npublished", color="#737373", **right)]
        parts.shares = [axes.text(size, 0, "", color=COLOURS["reported"], fontsize=TEXT - 1, ha="center",
                                  va="bottom", fontweight="bold") for size in sizes]
        axes.text(0.5, 0.065, "published, of every hundred:", transform=axes.get_yaxis_transform(),
                  color=COLOURS["reported"], fontsize=TEXT - 1, ha="center", va="bottom")
        figure.parts = parts
        _hand_over(figure, [parts.others, parts.published, parts.true, parts.filter, *parts.texts, *parts.shares])
    parts = figure.parts
    few = slice(min(shown, len(reported)))
    x = parts.x[few]
    for dots, chosen in ((parts.others, ~published[few]), (parts.published, published[few])):
        dots.set_data(x[chosen], reported[few][chosen])
    mean = true.mean(axis=0)
    parts.true.set_ydata(mean)
    parts.filter.set_ydata([publish_from, publish_from])
    words = "none is\npublished"
    if published.any():
        words = f"published:\nreport {reported[published].mean():.2f},\ntruth {true[published].mean():.2f}"
    parts.texts[0].set_text(words)
    heights = _apart(np.array([min(publish_from + 0.1, 0.9), mean[-1], mean[-1] - 0.15]), np.array([0.26, 0.09, 0.17]),
                     0, 1.03)
    for text, height in zip(parts.texts, heights, strict=True):
        text.set_y(height)
    for text, share in zip(parts.shares, published.mean(axis=0), strict=True):
        text.set_text(f"{100 * share:.0f}")
    return figure


# Wrong labels: where the threshold goes, and what explains the differences


@_in_house_style
def threshold_and_errors(outcome, figure: Figure | None = None) -> Figure:
    """Both groups along one measure with those labelled wrongly, the threshold, and what it gets.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        Of `utils.experiments.kinds_of_wrong_labels`.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    """
    at = np.linspace(0, 1, outcome.draws["controls"].shape[1])
    rows = ("sensitivity", "specificity")
    if figure is None:
        figure, (left, right) = _beside([1.5, 1], 9.0)
        left.set(xlim=(0, 1), ylim=(0, 1.22), xticks=[], yticks=[])
        left.spines["left"].set_visible(False)
        left.set_xlabel("How ill the scan looks  →", size=TEXT)
        left.text(0, 1.1, "left, white: controls   right, grey: patients\nhatched: labelled wrongly", transform=left.transAxes,
                  fontsize=TEXT - 2, va="center", linespacing=1.3)
        parts = SimpleNamespace(groups={}, cuts={}, words={}, marks={}, texts={})
        for name, colour in (("controls", "white"), ("patients", "#BFBFBF")):
            parts.groups[name], = left.fill([0, 1, 1], [0] * 3, facecolor=colour, edgecolor="#595959", linewidth=1.5,
                                            alpha=0.75)
        for name in ("wrong controls", "wrong patients"):
            parts.groups[name], = left.fill([0, 1, 1], [0] * 3, facecolor="none", edgecolor="#333333", hatch="////", linewidth=1)
        parts.band, = left.fill([0, 0, 0, 0], [0, 1.04, 1.04, 0], facecolor=COLOURS["reported"], alpha=0.25, linewidth=0)
        for name, colour, style, height in (("threshold, right labels", COLOURS["true"], (0, (4, 2)), 1.08),
                                            ("threshold", COLOURS["reported"], "-", 1.17)):
            parts.cuts[name], = left.plot([0, 0], [0, 1.03], color=colour, linewidth=3, linestyle=style)
            parts.words[name] = left.text(0, height, "threshold learnt" if name == "threshold" else "with right labels",
                                          color=colour, fontsize=TEXT - 1, fontweight="bold", va="center", bbox=_LABEL)
        right.set(xlim=(-0.06, 1.06), ylim=(-0.55, 1.75), xticks=[0, 0.5, 1])
        right.set_yticks([1.2, 0], [row.capitalize() for row in rows])
        right.tick_params(axis="y", length=0, labelsize=TEXT)
        right.spines["left"].set_visible(False)
        right.set_xlabel("Mean over many studies", size=TEXT)
        shapes = {"reported": ("D", COLOURS["reported"], 0.27, "reported"), "": ("s", COLOURS["true"], 0, "truth"),
                  "best": ("|", COLOURS["true"], -0.27, "right labels")}
        for row, base in zip(rows, (1.2, 0), strict=True):
            for name, (shape, colour, step, words) in shapes.items():
                key = f"{name} {row}".strip()
                parts.marks[key], = right.plot([0], [base + step], marker=shape, markersize=11, markeredgewidth=3 if name == "best" else 1,
                                               color=colour, linestyle="none")
                parts.texts[key] = right.text(0, base + step, "", color=colour, fontsize=TEXT - 1, va="center",
                                              fontweight="bold" if name != "best" else "normal")
                parts.texts[key].said = words
        figure.parts = parts
        _hand_over(figure, [*parts.groups.values(), parts.band, *parts.cuts.values(), *parts.words.values(),
                            *parts.marks.values(), *parts.texts.values()])
    parts, draws = figure.parts, outcome.draws
    for name, shape in parts.groups.items():
        shape.set_xy(np.column_stack([np.r_[at, at[::-1]], np.r_[draws[name][0], np.zeros(len(at))]]))
    means = {name: draws[name].mean() for name in parts.cuts}
    low, high = np.quantile(draws["threshold"], [0.05, 0.95])
    parts.band.set_xy(np.array([[low, 0], [low, 1.04], [high, 1.04], [high, 0]]))
    for name, cut in parts.cuts.items():
        cut.set_xdata([means[name]] * 2)
        leftwards = means[name] > 0.6
        parts.words[name].set_x(means[name] + (-0.015 if leftwards else 0.015))
        parts.words[name].set_horizontalalignment("right" if leftwards else "left")
    for key, mark in parts.marks.items():
        value = draws[key].mean()
        mark.set_xdata([value])
        leftwards = value > 0.48
        parts.texts[key].set_x(value + (-0.06 if leftwards else 0.06))
        parts.texts[key].set_horizontalalignment("right" if leftwards else "left")
        parts.texts[key].set_text(f"{parts.texts[key].said} {value:.2f}")
    return figure


# Lines of models differ in lightness, marker and name; the colours of scores mean something else.
_LINES = {"linear": ("#000000", "o", "-"), "nearest centroid": ("#737373", "s", "-"), "naive Bayes": ("#A6A6A6", "^", "-"),
          "kernel": ("#000000", "D", (0, (4, 2))), "15 neighbours": ("#737373", "v", (0, (4, 2))),
          "1 neighbour": ("#A6A6A6", "X", (0, (1, 1.2)))}


@_in_house_style
def models_and_shares(outcome, figure: Figure | None = None, *, sets: dict[str, tuple[str, ...]]) -> Figure:
    """True accuracy of several models over the share of wrong labels, beside what explains the differences.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        Of `utils.experiments.labels_or_architecture`.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    sets : dict of str to tuple of str
        The models of each set: `utils.experiments.MODEL_SETS`.
    """
    causes = {"labels": "label\nquality", "model": "the\nmodel", "both together": "both\ntogether", "study": "luck of\nthe study",
              "rest": "the rest"}
    if figure is None:
        figure, (left, right) = _beside([1.5, 1], 9.4)
        left.set(xlim=(-0.012, 0.68), ylim=(0.44, 0.96))
        left.set_xticks([0, 0.1, 0.2, 0.3, 0.4], ["0", "10 %", "20 %", "30 %", "40 %"])
        left.set_xlabel("Wrong training labels", size=TEXT)
        left.xaxis.set_label_coords(0.33, -0.11)
        left.set_ylabel("True accuracy", size=TEXT)
        left.plot([-0.012, 0.46], [0.5, 0.5], color=COLOURS["chance"], linestyle=(0, (4, 3)), linewidth=1.5, zorder=0)
        left.text(0, 0.493, "chance", color=COLOURS["chance"], fontsize=TEXT - 2, va="top")
        parts = SimpleNamespace(lines={}, names={}, links={})
        for name, (colour, marker, style) in _LINES.items():
            parts.lines[name], = left.plot([], [], color=colour, marker=marker, markersize=7, linewidth=2.5, linestyle=style)
            parts.links[name], = left.plot([], [], color=colour, linewidth=1)
            parts.names[name] = left.text(0.3, 0.7, name, fontsize=TEXT - 1, va="center", color="#333333", bbox=_LABEL)
        right.set(xlim=(0, 1.0), ylim=(-0.5, len(causes) - 0.5))
        right.set_yticks(np.arange(len(causes))[::-1], list(causes.values()))
        right.tick_params(axis="y", length=0, labelsize=TEXT - 1)
        right.xaxis.set_major_formatter(PercentFormatter(1))
        right.set_xticks([0, 0.5, 1])
        right.set_xlabel("Share of the differences", size=TEXT)
        fills = {"labels": "#000000", "model": "#595959"}
        parts.bars = dict(zip(causes, right.barh(np.arange(len(causes))[::-1], 0.0, height=0.6,
                                                 color=[fills.get(name, "#BFBFBF") for name in causes]), strict=True))
        parts.texts = {name: right.text(0, row, "", fontsize=TEXT, va="center", fontweight="bold")
                       for name, row in zip(causes, np.arange(len(causes))[::-1], strict=True)}
        figure.parts = parts
        _hand_over(figure, [*parts.lines.values(), *parts.links.values(), *parts.names.values(), *parts.bars.values(),
                            *parts.texts.values()])
    parts = figure.parts
    names = sets[outcome.parameters["models"]]
    mean = outcome.draws["true"].mean(axis=0)
    levels = np.linspace(0, outcome.parameters["worst"], mean.shape[0])
    heights = _apart(mean[-1], np.full(len(names), 0.042), 0.44, 0.96)
    for name in _LINES:
        shown = name in names
        for artists in (parts.lines, parts.links, parts.names):
            artists[name].set_visible(shown)
        if not shown:
            continue
        i = names.index(name)
        parts.lines[name].set_data(levels, mean[:, i])
        parts.links[name].set_data([levels[-1], levels[-1] + 0.03], [mean[-1, i], heights[i]])
        parts.names[name].set_position((levels[-1] + 0.035, heights[i]))
    for name, bar in parts.bars.items():
        share = outcome.draws[name].mean()
        bar.set_width(share)
        inside = share > 0.75
        parts.texts[name].set_x(share + (-0.02 if inside else 0.02))
        parts.texts[name].set_horizontalalignment("right" if inside else "left")
        parts.texts[name].set_color("white" if inside else "#1A1A1A")
        parts.texts[name].set_text(f"{100 * share:.0f} %")
    return figure


# Looking before training: what the eye sees, beside what the score says

# What is drawn of every scan, by defect. The values that a first look would print are scaled to 0 to 1.
_LOOKS = {
    "nothing": "uptake of the striatum",
    "the same subject twice": "likeness with the most similar scan",
    "left and right swapped": "side difference (up: fits the symptoms)",
    "one site with another gain": "mean of all columns of the scan",
    "labels swapped in a block": "uptake of the striatum",
    "a unit error in one column": "volume of the putamen",
    "the site goes with the diagnosis": "uptake of the striatum",
    "the gaps go with the diagnosis": "thickness (at the bottom: missing)",
    "a column that is the diagnosis": "dose of the medication",
    "wrong labels here and there": "uptake of the striatum",
}


def _beside(ratios: list[float], width: float = 8.6, kind: type[Figure] = Figure) -> tuple[Figure, list]:
    """A figure with several axes side by side."""
    figure = kind(figsize=(width, 4.0), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1)
    axes = figure.subplots(1, len(ratios), width_ratios=ratios)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=TEXT - 1)
    return figure, list(axes)


def _score_rows(axes, rows: dict[str, str], label: str, *, chance: float = 0.5, ticks=None) -> SimpleNamespace:
    """Empty ridges for distributions of scores on a scale from 0 to 1, one above the other."""
    axes.set(xlim=(0, 1), ylim=(-0.12, len(rows)))
    axes.set_xlabel(label, size=TEXT)
    axes.set_yticks(np.arange(len(rows))[::-1] + 0.3, list(rows.values()))
    axes.tick_params(axis="y", length=0, labelsize=TEXT)
    axes.spines["left"].set_visible(False)
    if ticks:
        axes.set_xticks(*ticks)
    axes.axvline(chance, color=COLOURS["chance"], linestyle=(0, (4, 3)), linewidth=1.5, zorder=0)
    parts = SimpleNamespace(ridges={}, means={}, texts={})
    for row, name in enumerate(reversed(rows)):
        colour = COLOURS[name]
        parts.ridges[name], = axes.fill([0, 1, 1], [row] * 3, facecolor=colour, alpha=0.45, edgecolor=colour,
                                        linewidth=1.5)
        parts.means[name], = axes.plot([0.5, 0.5], [row, row + 0.66], color=colour, linewidth=3)
        parts.texts[name] = axes.text(0.5, row + 0.68, "", color=colour, fontsize=TEXT + 1, fontweight="bold",
                                      ha="center", va="bottom", bbox=_LABEL)
    parts.moving = [*parts.ridges.values(), *parts.means.values(), *parts.texts.values()]
    return parts


def _move_rows(parts: SimpleNamespace, scores: dict[str, np.ndarray], said: Callable[[float], str]) -> None:
    """Put distributions into the rows that `_score_rows` made."""
    for row, name in enumerate(parts.ridges):  # made from the bottom up
        mean = scores[name].mean()
        outline = _ridge(scores[name], row)
        outline[:, 1] = row + 0.85 * (outline[:, 1] - row)  # leave room for the number below the next row
        parts.ridges[name].set_xy(outline)
        parts.means[name].set_xdata([mean, mean])
        parts.texts[name].set_x(min(max(mean, 0.08), 0.92))
        parts.texts[name].set_text(said(mean))


@_in_house_style
def defect_and_score(outcome, figure: Figure | None = None) -> Figure:
    """One study as a first look sees it, one dot per scan, beside the scores of many such studies.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        With draws "evidence" and "label" of shape (repeats, scans), "reported", "honest" and "true", and
        the parameter "defect".
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    """
    if figure is None:
        figure, (left, right) = _beside([1.3, 1])
        left.set(xlim=(-0.01, 1.01), ylim=(-0.03, 1.03), yticks=[])
        left.set_xticks(np.arange(4) / 4 + 0.125, [f"site {s}" for s in range(1, 5)])
        left.tick_params(axis="x", length=0, labelsize=TEXT)
        left.set_xlabel("Scans, in the order of the table", size=TEXT)
        for edge in (0.25, 0.5, 0.75):
            left.axvline(edge, color="#BFBFBF", linewidth=1, zorder=0)
        # Above the axes, where no dot can be.
        what = left.text(0, 1.085, "Uptake", transform=left.transAxes, fontsize=TEXT, fontweight="bold", va="bottom")
        dot = {"linestyle": "none", "marker": "o", "markersize": 5}
        controls, = left.plot([], [], **dot, markerfacecolor="white", markeredgecolor="#737373")
        patients, = left.plot([], [], **dot, color="black")
        left.text(0, 1.02, "● patient   ○ control   (one study)", transform=left.transAxes,
                  fontsize=TEXT - 2, va="bottom")
        rows = {"reported": "the study\nreports", "honest": "without\nthe defect", "true": "on new\nsubjects"}
        scores = _score_rows(right, rows, "Accuracy, over many studies")
        figure.parts = SimpleNamespace(what=what, dots=[controls, patients], scores=scores)
        _hand_over(figure, [what, controls, patients, *scores.moving])
    parts = figure.parts
    evidence, label = outcome.draws["evidence"][0], outcome.draws["label"][0]
    at = (np.arange(len(label)) + 0.5) / len(label)
    for value, dots in enumerate(parts.dots):
        dots.set_data(at[label == value], evidence[label == value])
    look = _LOOKS[outcome.parameters["defect"]]
    parts.what.set_text(look[0].upper() + look[1:])
    _move_rows(parts.scores, outcome.draws, lambda mean: f"{mean:.2f}")
    return figure


@_in_house_style
def correlation_by_site(outcome, figure: Figure | None = None) -> Figure:
    """Subjects of two sites, with the line over all and the line of each site, and both correlations of many studies.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        With draws "x" and "y", shape (repeats, subjects), site after site, and "pooled" and "within".
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    """
    if figure is None:
        figure, (left, right) = _beside([1.15, 1])
        left.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
        left.set_xlabel("Uptake of the striatum", size=TEXT)
        left.set_ylabel("Score of a test", size=TEXT)
        left.text(0, 1.02, "● site 1   ○ site 2   (one study)", transform=left.transAxes, fontsize=TEXT - 2, va="bottom")
        dot = {"linestyle": "none", "marker": "o", "markersize": 6}
        sites = [left.plot([], [], **dot, color="black", zorder=2)[0],
                 left.plot([], [], **dot, markerfacecolor="white", markeredgecolor="#595959", zorder=2)[0]]
        lines = [left.plot([], [], color=COLOURS["reported"], linewidth=4, linestyle=(0, (4, 1.5)), zorder=3)[0],
                 *(left.plot([], [], color=COLOURS["honest"], linewidth=4, zorder=3)[0] for _ in range(2))]
        scores = _score_rows(right, {"reported": "over all\nsubjects", "honest": "within\na site"},
                             "Correlation, over many studies", ticks=([0, 0.25, 0.5, 0.75, 1], ["−1", "−0.5", "0", "0.5", "1"]))
        figure.parts = SimpleNamespace(sites=sites, lines=lines, scores=scores)
        _hand_over(figure, [*sites, *lines, *scores.moving])
    parts = figure.parts
    x, y = outcome.draws["x"][0], outcome.draws["y"][0]
    halves = [slice(None), slice(len(x) // 2), slice(len(x) // 2, None)]
    for dots, half in zip(parts.sites, halves[1:], strict=True):
        dots.set_data(x[half], y[half])
    for line, half in zip(parts.lines, halves, strict=True):
        # Sites that are very far apart lie at the ends of the scale, all points of one in one place.
        slope, height = np.polyfit(x[half], y[half], 1) if np.ptp(x[half]) > 0 else (0.0, y[half].mean())
        ends = np.array([x[half].min(), x[half].max()])
        line.set_data(ends, slope * ends + height)
    scores = {"reported": outcome.draws["pooled"], "honest": outcome.draws["within"]}
    _move_rows(parts.scores, {name: (r + 1) / 2 for name, r in scores.items()}, lambda mean: f"{2 * mean - 1:+.2f}".replace("-", "−"))
    return figure


@_in_house_style
def picture_and_weights(outcome, figure: Figure | None = None) -> Figure:
    """A picture that a model was trained on, the weights of its pixels, and the scores of many such models.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        With draws "patient" (0 to 1) and "weights" (-1 to 1), shape (repeats, size, size), "reported" and "true".
        The picture is of the first study; the weights are the mean of at most 200 studies.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    """
    if figure is None:
        figure, (left, middle, right) = _beside([1, 1, 1.35])
        size = outcome.draws["patient"].shape[1:]
        pictures = [left.imshow(np.zeros(size), cmap="gray", vmin=0, vmax=0.7),
                    middle.imshow(np.zeros(size), cmap="PuOr_r", vmin=-1, vmax=1)]
        for axes, title in ((left, "a patient's scan"), (middle, "weights, mean of\nmany models")):
            axes.axis("off")
            axes.set_title(title, fontsize=TEXT, fontweight="bold")
        middle.text(0.5, -0.03, "orange: “patient”\npurple: “control”", transform=middle.transAxes, fontsize=TEXT - 1,
                    ha="center", va="top")
        scores = _score_rows(right, {"reported": "the study\nreports", "true": "it would\nreally get"},
                             "Accuracy, over many studies")
        figure.parts = SimpleNamespace(pictures=pictures, scores=scores)
        _hand_over(figure, [*pictures, *scores.moving])
    parts = figure.parts
    weights = outcome.draws["weights"][:200].mean(axis=0)
    parts.pictures[0].set_data(outcome.draws["patient"][0])
    parts.pictures[1].set_data(weights / (np.abs(weights).max() or 1))
    _move_rows(parts.scores, outcome.draws, lambda mean: f"{mean:.2f}")
    return figure


def _swarm(values: np.ndarray, width: float) -> np.ndarray:
    """Sideways places of dots, so that dots of nearly the same height stand beside each other."""
    bins = np.digitize(values, np.linspace(values.min(), values.max() + 1e-9, 41))
    aside = np.zeros(len(values))
    for one in np.unique(bins):
        here = np.flatnonzero(bins == one)
        aside[here] = np.arange(len(here)) - (len(here) - 1) / 2
    return aside * min(0.06, width / max(np.abs(aside).max(), 1e-9))


class Picture(Figure):
    """A figure outside pyplot that a notebook shows when it is the last value of a cell."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        FigureCanvasAgg(self).print_png(buffer)
        return buffer.getvalue()


@_in_house_style
def published_study(study) -> Figure:
    """The figure of a simulated publication: outputs of its classifier, and its score with the error bar.

    Parameters
    ----------
    study : utils.review.Study
    """
    figure, (left, right) = _beside([1.7, 1], width=7.6, kind=Picture)
    result = study.result
    for group in (0, 1):
        outputs = result.output[result.y == group]
        left.plot(group + _swarm(outputs, 0.42), outputs, linestyle="none", marker="o" if group else "D",
                  markersize=4, color="black", markerfacecolor="black" if group else "white")
    left.axhline(result.cut, color="#737373", linewidth=1.5)
    left.set_xticks([0, 1], ["controls", "patients"])
    left.set(xlim=(-0.5, 1.5))
    left.tick_params(axis="x", length=0, labelsize=TEXT)
    left.set_ylabel("Output of the classifier", size=TEXT)
    low, high = study.bar
    right.bar([0], [result.reported], width=0.5, color="#BFBFBF")
    right.errorbar([0], [result.reported], [[result.reported - low], [high - result.reported]], color="black",
                   capsize=8, linewidth=2, capthick=2)
    right.set(xlim=(-0.6, 0.6), ylim=(0, 1), xticks=[])
    right.set_ylabel(study.facts["metric"].capitalize(), size=TEXT)
    return figure


@_in_house_style
def what_was_wrong(review) -> Figure:
    """The reported score of a reviewed study, what each flaw adds to it, and the truth.

    Parameters
    ----------
    review : utils.review.Review
    """
    study = review.study
    reported = study.result.reported
    rows = [("the study reports", reported, "reported", "o")]
    for name, share in study.shares.items():
        rows.append((f"without: {review.title(name)}", reported - share, None, "s"))
    rows += [("all of it done right, it reports", study.done_right.reported, "honest", "^"),
             ("it would really get", study.result.true, "true", "D")]
    if review.score is not None:
        rows.append(("you said", review.score, "chance", "X"))
    figure = Picture(figsize=(8.6, 1.0 + 0.52 * len(rows)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12)
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    low = min(0.4, min(score for _, score, _, _ in rows) - 0.09)
    axes.set(xlim=(low, 1.03), ylim=(len(rows) - 0.5, -0.9))
    axes.set_yticks(np.arange(len(rows)), [fill(row[0], 38) for row in rows])
    axes.tick_params(labelsize=TEXT - 1)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Score (dashed: tossing a coin)", size=TEXT)
    axes.axvline(0.5, color=COLOURS["chance"], linestyle=(0, (4, 3)), linewidth=1.5, zorder=0)
    axes.axvline(reported, color=COLOURS["reported"], linewidth=1.5, zorder=0)
    for at, (_, score, name, marker) in enumerate(rows):
        colour = COLOURS.get(name, "black")
        axes.plot([reported, score], [at, at], color=colour, linewidth=3, alpha=0.5, zorder=1)
        axes.plot([score], [at], marker=marker, markersize=10, color=colour, zorder=2)
        right_of = score >= reported
        axes.annotate(f"{score:.2f}", (score, at), (9 if right_of else -9, 0), textcoords="offset points",
                      ha="left" if right_of else "right", va="center", fontsize=TEXT, fontweight="bold",
                      color=colour, bbox=_LABEL, zorder=1.5)
    return figure


# External validation: evaluations side by side, operating points, calibration, sites


def _rows_of_ridges(axes, rows: list[tuple[str, str]], label: str) -> SimpleNamespace:
    """Empty ridges for distributions of scores, one above the other; `rows` holds (name, colour) from the top."""
    axes.set(xlim=(0, 1), ylim=(-0.12, len(rows)))
    axes.set_xlabel(label, size=TEXT)
    axes.set_yticks(np.arange(len(rows))[::-1] + 0.3, [name for name, _ in rows])
    axes.tick_params(axis="y", length=0, labelsize=TEXT)
    axes.spines["left"].set_visible(False)
    axes.axvline(0.5, color=COLOURS["chance"], linestyle=(0, (4, 3)), linewidth=1.5, zorder=0)
    axes.text(0.5, len(rows), "chance", color=COLOURS["chance"], fontsize=TEXT - 1, ha="center", va="bottom")
    parts = SimpleNamespace(ridges=[], means=[], texts=[])
    for row, (_, name) in zip(range(len(rows))[::-1], rows, strict=True):
        colour = COLOURS[name]
        parts.ridges.append(axes.fill([0, 1, 1], [row] * 3, facecolor=colour, alpha=0.45, edgecolor=colour,
                                      linewidth=1.5)[0])
        parts.means.append(axes.plot([0.5, 0.5], [row, row + 0.75], color=colour, linewidth=3)[0])
        parts.texts.append(axes.text(0.5, row + 0.4, "", color=colour, fontsize=TEXT + 1, fontweight="bold",
                                     va="center", bbox=_LABEL))
    parts.moving = [*parts.ridges, *parts.means, *parts.texts]
    return parts


def _move_ridges(parts: SimpleNamespace, scores: list[np.ndarray]) -> None:
    """Put distributions into the rows that `_rows_of_ridges` made; the mean stands beside the ridge."""
    for number, (values, ridge, mean, text) in enumerate(zip(scores, parts.ridges, parts.means, parts.texts, strict=True)):
        row, at = len(scores) - 1 - number, values.mean()
        ridge.set_xy(_ridge(values, row))
        mean.set_xdata([at, at])
        # Beside the ridge, on the side where there is more room.
        low, high = np.quantile(values, [0.01, 0.99])
        right = 1 - high > low
        text.set_x(min(high + 0.035, 0.9) if right else max(low - 0.035, 0.1))
        text.set_ha("left" if right else "right")
        text.set_text(f"{at:.2f}")


@_in_house_style
def four_evaluations(outcome, figure: Figure | None = None) -> Figure:
    """The AUC that four evaluations of the same studies give, and the best possible one.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        Of `utils.experiments.site_shortcut`.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    """
    rows = {"reported": ("the study reports\n(sites mixed)", "reported"), "within site": ("the same scores,\nwithin a site", "honest"),
            "site left out": ("leaving one\nsite out", "honest"), "true": ("a new site\nreally gets", "true")}
    if figure is None:
        figure, axes = _new_figure()
        parts = _rows_of_ridges(axes, list(rows.values()), "AUC, over many simulated studies")
        parts.ceiling, = axes.plot([1, 1], [-0.12, 4], color=_CEILING, linewidth=2, linestyle=(0, (1, 1)))
        parts.name = axes.text(1, 4, "", color=_CEILING, fontsize=TEXT - 1, va="bottom")
        figure.parts = parts
        _hand_over(figure, [parts.ceiling, *parts.moving, parts.name])
    parts = figure.parts
    _move_ridges(parts, [outcome.draws[name] for name in rows])
    ceiling = outcome.draws["ceiling"].mean()
    parts.ceiling.set_xdata([ceiling, ceiling])
    parts.name.set_x(min(max(ceiling - 0.02, 0.58), 0.72))
    parts.name.set_text(f"best possible {ceiling:.2f}")
    return figure


@_in_house_style
def harmonisation_rows(outcome, figure: Figure | None = None) -> Figure:
    """What a study reports after each kind of harmonisation, and what its model really gets within a site.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        Of `utils.experiments.harmonised_sites`.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    """
    if figure is None:
        figure, axes = _new_figure()
        figure.set_size_inches(7.4, 4.6)
        names = ["no harmonisation", "outside the folds", "outside, diagnosis\nprotected", "inside the folds",
                 "inside, diagnosis\nprotected"]
        colours = ["reported", "reported", "reported", "honest", "reported"]
        parts = _rows_of_ridges(axes, list(zip(names, colours, strict=True)), f"{outcome.parameters['score']}, over many simulated studies")
        parts.truth = [axes.plot([0.5], [row + 0.08], color=COLOURS["true"], marker="D", markersize=10,
                                 markeredgecolor="white", linestyle="none", zorder=5)[0] for row in range(5)[::-1]]
        figure.text(0.985, 0.985, "◆ really, within a site", color=COLOURS["true"], fontsize=TEXT, fontweight="bold",
                    va="top", ha="right")
        figure.get_layout_engine().set(rect=(0, 0, 1, 0.97))
        figure.parts = parts
        _hand_over(figure, [*parts.moving, *parts.truth])
    parts = figure.parts
    _move_ridges(parts, list(outcome.draws["reported"].T))
    for diamond, true in zip(parts.truth, outcome.draws["true"].mean(axis=0), strict=True):
        diamond.set_xdata([true])
    return figure


@_in_house_style
def operating_points(outcome, figure: Figure | None = None) -> Figure:
    """Sensitivity and specificity of an external cohort at the internal threshold, after each kind of scaling.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        Of `utils.experiments.external_scaling`.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    """
    rates = ("sensitivity", "specificity")
    if figure is None:
        figure, both = _beside([1, 1])
        names = ["scaled by the\ntraining cohort", "scaled by its\nown mean", "scaled by its\nown controls"]
        parts = SimpleNamespace(rows={}, inside=[], name=None)
        for axes, rate in zip(both, rates, strict=True):
            axes.set(xlim=(0, 1), ylim=(-0.5, 2.75))
            axes.set_xlabel(rate.capitalize(), size=TEXT)
            axes.set_yticks([2, 1, 0], names if rate == rates[0] else [])
            axes.tick_params(axis="y", length=0, labelsize=TEXT)
            axes.spines["left"].set_visible(False)
            parts.inside.append(axes.plot([0, 0], [-0.5, 2.75], color=COLOURS["reported"], linewidth=2.5,
                                          linestyle=(0, (4, 2)), zorder=1)[0])
            parts.rows[rate] = []
            for row in (2, 1, 0):
                bar, = axes.plot([0, 0], [row, row], color=COLOURS["true"], linewidth=4, marker="|", markersize=14,
                                 markeredgewidth=3)
                dot, = axes.plot([0], [row], color=COLOURS["true"], marker="o", markersize=11, clip_on=False, zorder=5)
                text = axes.text(0, row + 0.3, "", color=COLOURS["true"], fontsize=TEXT + 1, fontweight="bold",
                                 ha="center", va="center", bbox=_LABEL)
                parts.rows[rate].append((bar, dot, text))
        parts.name = figure.text(0.02, 0.985, "", color=COLOURS["reported"], fontsize=TEXT, fontweight="bold", va="top")
        figure.text(0.98, 0.985, "outside: mean, and nine cohorts in ten", color=COLOURS["true"], fontsize=TEXT,
                    fontweight="bold", va="top", ha="right")
        figure.get_layout_engine().set(rect=(0, 0, 1, 0.93))
        figure.parts = parts
        artists = [artist for rows in parts.rows.values() for row in rows for artist in row]
        _hand_over(figure, [*parts.inside, *artists, parts.name])
    parts = figure.parts
    inside = outcome.draws["inside"].mean()
    parts.name.set_text(f"dashed: inside {inside:.2f}")
    for line, rate in zip(parts.inside, rates, strict=True):
        line.set_xdata([inside, inside])
        ends = np.quantile(outcome.draws[rate], [0.05, 0.95], axis=0).T
        means = outcome.draws[rate].mean(axis=0)
        for (bar, dot, text), end, mean in zip(parts.rows[rate], ends, means, strict=True):
            bar.set_xdata(end)
            dot.set_xdata([mean])
            text.set_x(min(max(mean, 0.07), 0.93))
            text.set_text(f"{mean:.2f}")
    return figure


@_in_house_style
def moved_by_prevalence(outcome, figure: Figure | None = None) -> Figure:
    """What changes with the share of patients and what does not, beside the calibration curve.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        Of `utils.experiments.prevalence_shift`.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    """
    if figure is None:
        figure, (left, right) = _beside([1.25, 1])
        names = ["AUC", "sensitivity", "specificity", "positive\npredictive value", "negative\npredictive value"]
        left.set(xlim=(0, 1), ylim=(-0.6, 4.6))
        left.set_yticks(range(5)[::-1], names)
        left.tick_params(axis="y", length=0, labelsize=TEXT)
        left.set_xlabel("Called ill from a risk of 50 %", size=TEXT)
        left.spines["left"].set_visible(False)
        rows = []
        for row in range(5)[::-1]:
            bar, = left.plot([0, 0], [row, row], color=COLOURS["true"], linewidth=4, marker="|", markersize=13,
                             markeredgewidth=3)
            outside, = left.plot([0], [row], color=COLOURS["true"], marker="o", markersize=11, clip_on=False, zorder=5)
            inside, = left.plot([0], [row], color=COLOURS["reported"], marker="o", markersize=13, markerfacecolor="none",
                                markeredgewidth=3, clip_on=False, zorder=6)
            rows.append((bar, outside, inside))
        right.set(xlim=(0, 1), ylim=(0, 1))
        right.set_xlabel("Predicted risk", size=TEXT)
        right.set_ylabel("Share of patients", size=TEXT)
        right.plot([0, 1], [0, 1], color=COLOURS["reported"], linestyle=(0, (4, 3)), linewidth=2)
        curve, = right.plot([0] * 10, [0] * 10, color=COLOURS["true"], linewidth=3, marker="o", markersize=6)
        band, = right.fill([0, 0, 1], [0, 0, 0], facecolor=COLOURS["true"], alpha=0.25, linewidth=0)
        words = right.text(0.03, 0.97, "", color=COLOURS["true"], fontsize=TEXT, fontweight="bold", va="top", bbox=_LABEL,
                           linespacing=1.1)
        figure.text(0.02, 0.985, "○ inside", color=COLOURS["reported"], fontsize=TEXT, fontweight="bold", va="top")
        figure.text(0.17, 0.985, "● outside, with nine cohorts in ten", color=COLOURS["true"], fontsize=TEXT,
                    fontweight="bold", va="top")
        figure.get_layout_engine().set(rect=(0, 0, 1, 0.93))
        figure.parts = SimpleNamespace(rows=rows, curve=curve, band=band, words=words)
        _hand_over(figure, [band, curve, words, *(artist for row in rows for artist in row)])
    parts, draws = figure.parts, outcome.draws
    ends = np.quantile(draws["outside"], [0.05, 0.95], axis=0).T
    for (bar, outside, inside), end, there, here in zip(parts.rows, ends, draws["outside"].mean(axis=0),
                                                        draws["inside"].mean(axis=0), strict=True):
        bar.set_xdata(end)
        outside.set_xdata([there])
        inside.set_xdata([here])
    at = draws["predicted"].mean(axis=0)
    low, high = np.quantile(draws["observed"], [0.05, 0.95], axis=0)
    parts.curve.set_data(at, draws["observed"].mean(axis=0))
    parts.band.set_xy(np.column_stack([np.r_[at, at[::-1]], np.r_[low, high[::-1]]]))
    parts.words.set_text(f"intercept {draws['intercept'].mean():+.2f}\nslope {draws['slope'].mean():.2f}".replace("-", "−"))
    # The words stand where the curve is not.
    above = draws["observed"].mean() > at.mean()
    parts.words.set_position((0.97, 0.03) if above else (0.03, 0.97))
    parts.words.set_ha("right" if above else "left")
    parts.words.set_va("bottom" if above else "top")
    return figure


@_in_house_style
def scores_by_sites(outcome, figure: Figure | None = None) -> Figure:
    """Reported and true scores of studies of one size from more and more sites, and one external site.

    Parameters
    ----------
    outcome : utils.experiments.Outcome
        Of `utils.experiments.sites_of_a_consortium`.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before for the same numbers of sites, to be changed in place.
    """
    at = np.array(outcome.parameters["site_counts"], float)
    bottom, top = 0.4, 0.95
    words = {"reported": ("reported\n(sites mixed)", "-", 2.5, "o"), "honest": ("one site\nleft out", (0, (5, 2)), 2.5, "^"),
             "true": ("new sites,\non average", "-", 3.5, "s")}
    names = [name for name in words if name in outcome.draws]
    if figure is None:
        figure, axes = _new_figure()
        axes.set(xscale="log", ylim=(bottom, top), xlim=(at[0] / 1.15, at[-1] * 1.15))
        axes.set_xlabel(f"Sites, with {outcome.parameters['n_subjects']} subjects in all", size=TEXT)
        axes.set_ylabel("Accuracy", size=TEXT)
        axes.set_xticks(at, [f"{count:g}" for count in at])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.axhline(0.5, color=COLOURS["chance"], linestyle=(0, (4, 3)), linewidth=1.5, zorder=0)
        axes.text(at[0] / 1.12, 0.493, "chance", color=COLOURS["chance"], fontsize=TEXT - 1, va="top")
        parts = SimpleNamespace(lines={}, texts={}, axes=axes)
        parts.band, = axes.fill([at[0]] * 3, [0] * 3, facecolor=COLOURS["true"], alpha=0.18, linewidth=0)
        right = {"transform": axes.get_yaxis_transform(), "fontsize": TEXT, "fontweight": "bold", "va": "center",
                 "linespacing": 1}
        for name in names:
            text, style, width, marker = words[name]
            x = at[-outcome.draws[name].shape[1]:]
            parts.lines[name], = axes.plot(x, np.zeros(len(x)), color=COLOURS[name], linestyle=style, linewidth=width,
                                           marker=marker, markersize=8)
            parts.texts[name] = axes.text(1.02, 0.5, text, color=COLOURS[name], **right)
        parts.texts["external"] = axes.text(1.02, 0.5, "band: one\nnew site,\nmeasured", color=COLOURS["true"],
                                            **(right | {"fontweight": "normal"}))
        figure.parts = parts
        _hand_over(figure, [parts.band, *parts.lines.values(), *parts.texts.values()])
    parts = figure.parts
    label = f"Sites, with {outcome.parameters['n_subjects']} subjects in all"
    if label != parts.axes.get_xlabel():  # it is in the background, which takes long to paint anew
        parts.axes.set_xlabel(label)
    for name in names:
        parts.lines[name].set_ydata(outcome.draws[name].mean(axis=0))
    low, high = np.quantile(outcome.draws["external"], [0.05, 0.95], axis=0)
    parts.band.set_xy(np.column_stack([np.r_[at, at[::-1]], np.r_[low, high[::-1]].clip(bottom, top)]))
    ends = np.array([*(outcome.draws[name][:, -1].mean() for name in names), low[-1] + 0.04])
    heights = _apart(ends, np.array([0.1] * len(names) + [0.145]), bottom, top)
    for name, height in zip([*names, "external"], heights, strict=True):
        parts.texts[name].set_y(height)
    return figure
