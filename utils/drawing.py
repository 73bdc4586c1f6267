"""The visual language of the course: ridges, bars and curves of what an `Outcome` holds.

The reported score, the true score and chance have one colour each, everywhere; they differ in lightness,
position and label too, so that nothing rests on colour alone (the colours are from Okabe and Ito's palette).
The same quantity has the same axis. A figure draws what an outcome holds and computes nothing but means,
shares and quantiles.

A figure function takes an outcome and gives a matplotlib figure. Given a figure that it made before, it moves
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
from matplotlib.ticker import PercentFormatter
from scipy.ndimage import gaussian_filter1d

COLOURS = {
    "reported": "#D55E00",
    "honest": "#009E73",
    "true": "#0072B2",
    "chance": "#595959",
    "training": "#AA4499",
    "ceiling": "#1A1A1A",
}
ROWS = {
    "reported": "the study\nreports",
    "honest": "done right,\nit reports",
    "true": "it would\nreally get",
}
SIZE = (7.0, 3.8)  # inches
TEXT = 13  # points; readable from the back of a room when the picture fills half the projector
LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # behind labels: no line strikes them through
DASHED, DOTTED = (0, (4, 3)), (0, (1, 1))
_GRID = np.linspace(0, 1, 201)

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


# Figures and axes


class Picture(Figure):
    """A figure outside pyplot that a notebook shows when it is the last value of a cell."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        FigureCanvasAgg(self).print_png(buffer)
        return buffer.getvalue()


def new_figure(
    ratios: tuple[float, ...] = (1,), size: tuple[float, float] = SIZE, kind: type[Figure] = Figure, **more
) -> tuple[Figure, list]:
    """A figure outside pyplot (nothing to close, no window state shared) and its axes, side by side.

    `ratios` are the widths of the axes, `more` goes to ``Figure.subplots``.
    """
    figure = kind(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12)
    axes = figure.subplots(1, len(ratios), width_ratios=ratios, squeeze=False, **more)[0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=TEXT - 1)
        one.xaxis.label.set_size(TEXT)
        one.yaxis.label.set_size(TEXT)
    return figure, list(axes)


def hand_over(figure: Figure, parts: SimpleNamespace, moving: list) -> SimpleNamespace:
    """Lay out once (again at every redraw would double its time and make the picture jump); keep `parts`."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    figure.parts, figure.moving = parts, moving
    for artist in moving:
        artist.set_animated(True)
    return parts


def name_rows(axes, names: list[str]) -> None:
    """Names at the left of rows, the first at the top, at len - 1; the axes have no line there."""
    axes.set_yticks(np.arange(len(names))[::-1], names)
    axes.tick_params(axis="y", length=0, labelsize=TEXT)
    axes.spines["left"].set_visible(False)


def legend(figure: Figure, words: dict[str, tuple[float, str]], top: float = 0.93) -> None:
    """A line of bold words above the axes: text by (place from 0 to 1, colour or its name in COLOURS)."""
    for text, (place, colour) in words.items():
        figure.text(
            *(place, 0.985, text),
            color=COLOURS.get(colour, colour),
            fontsize=TEXT,
            fontweight="bold",
            va="top",
        )
    figure.get_layout_engine().set(rect=(0, 0, 1, top))


def mark_chance(axes, chance: float, words: str = "chance", *, at: float | None = None) -> None:
    """The dashed line of guessing: across ridges, or, with `at` (where its name stands), along curves."""
    line = {"color": COLOURS["chance"], "linestyle": DASHED, "linewidth": 1.5, "zorder": 0}
    text = {"color": COLOURS["chance"], "fontsize": TEXT - 1}
    if at is None:
        axes.axvline(chance, **line)
        axes.text(chance, axes.get_ylim()[1], words, ha="center", va="bottom", **text)
    else:
        axes.axhline(chance, **line)
        axes.text(at, chance - 0.012, words, va="top", **text)


def spread_labels(heights: np.ndarray, sizes: np.ndarray, low: float, high: float) -> np.ndarray:
    """Heights of labels near those wished for, in their order, `sizes` high each, between low and high."""
    order = np.argsort(heights, kind="stable")
    placed, sizes = np.asarray(heights, float)[order], np.asarray(sizes)[order]
    for _ in range(60):  # neighbours that overlap step aside, each by half
        overlap = np.maximum((sizes[1:] + sizes[:-1]) / 2 - np.diff(placed), 0) / 2
        placed += np.r_[0, overlap] - np.r_[overlap, 0]
        placed = np.clip(placed, low + sizes / 2, high - sizes / 2)
    return placed[np.argsort(order)]


def area(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Corners, shape (2 n, 2), of the area between two curves over x."""
    return np.column_stack([np.r_[x, x[::-1]], np.r_[low, high[::-1]]])


# Ridges: distributions of scores, one above the other


def outline(scores: np.ndarray, base: float, height: float = 0.72) -> np.ndarray:
    """Corners of the smoothed distribution of scores between 0 and 1, standing on `base`."""
    edges = np.append(_GRID - 0.0025, _GRID[-1] + 0.0025)
    counts = np.histogram(np.clip(scores, 0, 1), edges)[0].astype(float)
    smooth = gaussian_filter1d(counts, 4, mode="constant")
    return area(_GRID, np.full(len(_GRID), base), base + smooth * height / smooth.max())[::-1]


class Ridges:
    """Rows of distributions on axes from 0 to 1; `move` puts scores into them.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    rows : list of (str, str)
        Name and colour (a name in COLOURS) of every row, from the top.
    label : str
        For the axis.
    chance : float
    said : callable
        What is written above the mean.
    """

    def __init__(self, axes, rows, label: str, chance: float = 0.5, said: Callable = "{:.2f}".format):
        self.said = said
        axes.set(xlim=(0, 1), ylim=(-0.12, len(rows)), xlabel=label)
        name_rows(axes, [name for name, _ in rows])
        axes.set_yticks(axes.get_yticks() + 0.3, [name for name, _ in rows])
        mark_chance(axes, chance)
        self.shapes, self.means, self.texts = [], [], []
        for row, (_, name) in zip(range(len(rows))[::-1], rows, strict=True):
            colour = COLOURS[name]
            shape = {"facecolor": colour, "alpha": 0.45, "edgecolor": colour, "linewidth": 1.5}
            self.shapes += axes.fill([0, 1, 1], [row] * 3, **shape)
            self.means += axes.plot([0.5, 0.5], [row, row + 0.7], color=colour, linewidth=3)
            text = {"color": colour, "fontsize": TEXT + 1, "fontweight": "bold", "bbox": LABEL}
            self.texts.append(axes.text(0.5, row + 0.72, "", ha="center", va="bottom", **text))
        self.moving = [*self.shapes, *self.means, *self.texts]

    def move(self, scores: list[np.ndarray]) -> None:
        axes = self.shapes[0].axes
        edge = 0.24 / (axes.get_position().width * axes.figure.get_figwidth())  # half a number, in inches
        rows = zip(scores, self.shapes, self.means, self.texts, strict=True)
        for row, (values, shape, mean, text) in zip(range(len(scores))[::-1], rows, strict=True):
            at = values.mean()
            shape.set_xy(outline(values, row, 0.66))
            mean.set_xdata([at, at])
            text.set_x(min(max(at, edge), 1 - edge))  # the number stays inside the picture
            text.set_text(self.said(at))


@house_style
def ridges(
    outcome,
    figure: Figure | None = None,
    *,
    rows: dict[str, tuple[str, str]] | None = None,
    label: str = "Accuracy, over many simulated studies",
    chance: float = 0.5,
    ceiling: str = "",
    truth: str = "",
    size: tuple[float, float] = SIZE,
) -> Figure:
    """Distributions of scores over the simulated studies: reported, honest and true, or other `rows`.

    Parameters
    ----------
    outcome : utils.simulation.Outcome
        Its draws are scores between 0 and 1; a draw of shape (repeats, rows) fills all rows.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before, to be changed in place.
    rows : dict of str to (str, str)
        Words and colour (a name in COLOURS) of every row, by the name of its draw.
    label : str
        For the axis.
    chance : float
        Score of guessing.
    ceiling : str
        Words for the mean of the draw "ceiling"; it gets a dotted line.
    truth : str
        Words for diamonds at the means of the draw "true", shape (repeats, rows).
    size : (float, float)
        Inches.
    """
    draws = outcome.draws
    rows = rows or {name: (words, name) for name, words in ROWS.items() if name in draws}
    if figure is None:
        figure, (axes,) = new_figure(size=size)
        parts = SimpleNamespace(rows=Ridges(axes, list(rows.values()), label, chance), diamonds=[], more=[])
        if ceiling:
            style = {"color": COLOURS["ceiling"], "linewidth": 2, "linestyle": DOTTED}
            (parts.ceiling,) = axes.plot([1, 1], [-0.12, len(rows)], **style)
            above = {"color": COLOURS["ceiling"], "fontsize": TEXT - 1, "va": "bottom"}
            parts.name = axes.text(1, len(rows), "", **above)
            parts.more = [parts.ceiling, parts.name]
        if truth:
            style = {"color": COLOURS["true"], "marker": "D", "markersize": 10, "markeredgecolor": "white"}
            for row in range(len(rows))[::-1]:
                parts.diamonds += axes.plot([0.5], [row + 0.08], linestyle="none", zorder=5, **style)
            legend(figure, {f"◆ {truth}": (0.6, "true")})
        hand_over(figure, parts, [*parts.more[:1], *parts.rows.moving, *parts.more[1:], *parts.diamonds])
    parts = figure.parts
    parts.rows.move(list(draws["reported"].T) if truth else [draws[name] for name in rows])
    if ceiling:
        best = draws["ceiling"].mean()
        parts.ceiling.set_xdata([best, best])
        # Above the axes, and to the right of "chance" however low the ceiling is.
        parts.name.set_x(min(max(best - 0.02, chance + 0.09), 0.72))
        parts.name.set_text(f"{ceiling} {best:.2f}")
    for diamond, true in zip(parts.diamonds, draws["true"].mean(axis=0) if truth else (), strict=True):
        diamond.set_xdata([true])
    return figure


# Bars: how often a test raises an alarm


@house_style
def bars(
    outcome,
    figure: Figure | None = None,
    *,
    label: str,
    mark: str,
    said: str = "{:.0f} %",
    colour: str = "chance",
) -> Figure:
    """How often tests at the 5 % level find something.

    Parameters
    ----------
    outcome : utils.simulation.Outcome
        Its draws are p-values, by name of the test.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before for the same tests, to be changed in place.
    label, mark : str
        For the axis, and for the dashed line at 5 %.
    said : str
        Format of the per cent beside a bar.
    colour : str
        Of the dashed line, a name in COLOURS.
    """
    names = list(outcome.draws)
    if figure is None:
        figure, (axes,) = new_figure()
        axes.set(xlim=(0, 1), ylim=(-0.6, len(names) - 0.1), xlabel=label)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        name_rows(axes, [fill(name, 20) for name in names])
        axes.axvline(0.05, color=COLOURS[colour], linestyle=DASHED, linewidth=2, zorder=3)
        axes.text(0.05, len(names) - 0.1, mark, color=COLOURS[colour], fontsize=TEXT, va="bottom")
        rows = np.arange(len(names))[::-1]
        parts = SimpleNamespace(bars=list(axes.barh(rows, 0.0, height=0.62, color=COLOURS["true"])))
        text = {
            "color": COLOURS["true"],
            "fontsize": TEXT + 1,
            "fontweight": "bold",
            "va": "center",
            "bbox": LABEL,
        }
        parts.texts = [axes.text(0, row, "", **text) for row in rows]
        hand_over(figure, parts, [*parts.bars, *parts.texts])
    for name, bar, text in zip(names, figure.parts.bars, figure.parts.texts, strict=True):
        rate = np.mean(outcome.draws[name] <= 0.05)
        bar.set_width(rate)
        text.set_x(max(rate, 0.05) + 0.02 if rate < 0.84 else 0.84)
        text.set_text(said.format(100 * rate))
    return figure


# Curves: scores along a scale, such as the number of scans

# What each draw is called, its line, width and marker.
CURVES = {
    "training": ("training", (0, (5, 2)), 2.5, ""),
    "reported": ("reported", "-", 2.5, ""),
    "honest": ("done right", (0, (5, 2)), 2.5, "^"),
    "true": ("truth", "-", 3.5, ""),
    "theory": ("theory", "none", 0, "o"),
    "ceiling": ("best possible", (0, (1, 1.5)), 2.5, ""),
}


@house_style
def curves(
    outcome,
    figure: Figure | None = None,
    *,
    along: str,
    label: str,
    score: str = "Accuracy",
    chance: float = 0.5,
    log: bool = True,
    words: dict[str, str] | None = None,
    band: str = "reported",
    ends: tuple[float, float] = (0.28, 1.03),
) -> Figure:
    """Mean scores along a scale, with a band that holds nine studies in ten.

    Parameters
    ----------
    outcome : utils.simulation.Outcome
        With draws of shape (repeats, positions), or (repeats,) for a level, among those of CURVES: scores
        between 0 and 1. A draw with fewer positions has the last ones.
    figure : matplotlib.figure.Figure, optional
        A figure that this function made before for the same positions, to be changed in place.
    along : str
        The parameter that holds the positions on the scale (for a log scale, numbers above 0).
    label, score : str
        For the axes.
    chance : float
        Score of guessing.
    log : bool
        Whether the scale is logarithmic.
    words : dict
        What a curve, or the band, is called, where it is not called as usual.
    band : str
        The draw whose 5 and 95 % quantiles bound the band; "" for none.
    ends : (float, float)
        Ends of the axis of scores.
    """
    draws, at = outcome.draws, np.array(outcome.parameters[along], float)
    names = [name for name in CURVES if name in draws]
    band = band if band in draws else ""
    called = {name: CURVES[name][0] for name in names} | (words or {})
    if band in names and band not in (words or {}):
        called[band] += "\n(nine in ten)"
    labels = [*names, *([band] if band and band not in names else [])]
    if figure is None:
        figure, parts = _curve_axes(at, log, label, score, chance, ends)
        colour = COLOURS["reported" if band == "reported" else "true"]
        parts.band = parts.axes.fill([at[0]] * 3, [0] * 3, facecolor=colour, alpha=0.2, linewidth=0)
        right = {
            "transform": parts.axes.get_yaxis_transform(),
            "fontsize": TEXT,
            "va": "center",
            "linespacing": 1,
        }
        for name in labels:
            if name in names:
                _, style, width, marker = CURVES[name]
                dots = {"marker": marker, "markersize": 9, "markeredgewidth": 2, "markerfacecolor": "white"}
                x, shade = at[-_positions(draws[name], at) :], COLOURS["true" if name == "theory" else name]
                (parts.lines[name],) = parts.axes.plot(
                    x, np.zeros(len(x)), color=shade, linestyle=style, linewidth=width, **dots
                )
            bold = {"fontweight": "bold" if name in names else "normal"}
            shade = COLOURS.get("true" if name == "theory" else name, COLOURS["true"])
            parts.texts[name] = parts.axes.text(1.02, 0.5, called[name], color=shade, **right, **bold)
        hand_over(figure, parts, [*parts.band, *parts.lines.values(), *parts.texts.values()])
    parts, last = figure.parts, {}
    for name, line in parts.lines.items():
        means = draws[name].mean(axis=0)
        line.set_ydata(np.broadcast_to(means, len(line.get_xdata())))
        last[name] = line.get_ydata()[-1]
    if band:
        low, high = np.quantile(draws[band], [0.05, 0.95], axis=0)
        parts.band[0].set_xy(area(at, low.clip(ends[0]), high.clip(*ends)))
        last.setdefault(band, low[-1] + 0.04)
    sizes = np.array([0.093 * np.ptp(ends) * (1 + called[name].count("\n")) for name in labels])
    heights = spread_labels(np.array([last[name] for name in labels]), sizes, *ends)
    for name, height in zip(labels, heights, strict=True):
        parts.texts[name].set_y(height)
    return figure


def _positions(draw: np.ndarray, at: np.ndarray) -> int:
    """How many positions of the scale a draw has: all of them for a level."""
    return draw.shape[1] if draw.ndim > 1 else len(at)


def _curve_axes(at, log, label, score, chance, ends) -> tuple[Figure, SimpleNamespace]:
    """The axes of `curves`, with the line of chance."""
    figure, (axes,) = new_figure()
    length, distance = np.ptp(np.log(at) if log else at), lambda a, b: np.log(b / a) if log else b - a
    sides = (at[0] / 1.1, at[-1] * 1.1) if log else (at[0] - 0.03 * length, at[-1] + 0.03 * length)
    axes.set(xscale="log" if log else "linear", ylim=ends, xlim=sides, xlabel=label, ylabel=score)
    # The positions are named where there is room between them.
    ticks = [at[-1]]
    for position in at[-2::-1]:
        if distance(position, ticks[-1]) > 0.075 * length:
            ticks.append(position)
    axes.set_xticks(ticks, [f"{position:g}" for position in ticks])
    axes.set_xticks(at, minor=True)
    axes.xaxis.set_minor_formatter("")
    mark_chance(axes, chance, at=at[0] / 1.08 if log else at[0] - 0.02 * length)
    return figure, SimpleNamespace(axes=axes, lines={}, texts={})
