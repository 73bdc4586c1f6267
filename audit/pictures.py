"""The pictures of a report: each function gives one that draws on matplotlib axes."""

from collections.abc import Callable

import matplotlib as mpl
import numpy as np

from utils.drawing import COLOURS


def short(name, most: int = 31) -> str:
    """A name on one line of a picture."""
    text = " ".join(str(name).split()).encode("utf-8", "replace").decode()
    return text if len(text) <= most else text[: most - 3] + "..."


def _name_rows(axes, names, **how) -> None:
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.tick_params(axis="y", labelsize=9 if len(names) > 8 else 11)
    axes.set(ylim=(len(names) - 0.5, -0.5), **how)


def dots(values: dict, label: str, *, chance: float, colours: dict) -> Callable:
    """One dot per row, with its value beside it."""

    def draw(axes):
        for i, (name, value) in enumerate(values.items()):
            colour = colours.get(name, COLOURS["true"])
            axes.plot(value, i, "o", color=colour, markersize=9)
            beside = {"xytext": (8, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate(f"{value:.2f}", (value, i), color=colour, **beside)
        axes.axvline(chance, color=COLOURS["chance"], linestyle="--", zorder=0)
        _name_rows(axes, list(values), xlabel=f"{label} (dashed: guessing)")
        axes.margins(x=0.15)

    return draw


def intervals(values: dict, label: str) -> Callable:
    """Scores with their intervals; the first is guessing."""

    def draw(axes):
        for i, (score, low, high) in enumerate(values.values()):
            if low is not None:
                axes.plot([low, high], [i, i], color=COLOURS["true"], linewidth=3, alpha=0.5)
            axes.plot(score, i, "o", color=COLOURS["chance" if low is None else "true"], markersize=9)
        axes.axvline(next(iter(values.values()))[0], color=COLOURS["chance"], linestyle="--", zorder=0)
        _name_rows(axes, list(values), xlabel=f"{label}, 95 % interval over subjects")

    return draw


def bars(counts: dict, label: str) -> Callable:
    """One bar per row."""

    def draw(axes):
        axes.barh(range(len(counts)), list(counts.values()), color=COLOURS["true"])
        _name_rows(axes, list(counts), xlabel=label)

    return draw


def shares(groups, names, study) -> Callable:
    """The label by group: shares of classes, or boxes of numbers."""
    y, classes = study.y, study.classes

    def draw(axes):
        shown = np.argsort(-np.bincount(groups))[:15]
        where = [short(names[g], 18) for g in shown]
        if classes is None:
            axes.boxplot([y[groups == g] for g in shown], orientation="horizontal", tick_labels=where)
            axes.set_xlabel(short(study.names["label"]))
            return
        left = np.zeros(len(shown))
        for code, name in enumerate(classes):
            share = np.array([np.mean(y[groups == g] == code) for g in shown])
            how = {"edgecolor": "white", "hatch": ["", "//", "..", "xx"][code % 4]}
            how["color"] = mpl.colormaps["cividis"](code / max(len(classes) - 1, 1))
            axes.barh(range(len(where)), share, left=left, label=short(name), **how)
            left += share
        _name_rows(axes, where, xlabel="share of rows", xlim=(0, 1))
        axes.legend(
            title=short(study.names["label"]), loc="center left", bbox_to_anchor=(1, 0.5), frameon=False
        )

    return draw


def null(values, observed, label: str) -> Callable:
    """What chance alone gives, and what was observed."""

    def draw(axes):
        axes.hist(values, bins=25, color=COLOURS["chance"], alpha=0.6)
        axes.axvline(observed, color=COLOURS["reported"], linewidth=3)
        axes.set(xlabel=f"{label} (grey: labels exchanged; line: observed)", ylabel="permutations")

    return draw


def stacked(usual, odd, label: str, words=("as expected", "suspect")) -> Callable:
    """Two parts of one distribution."""

    def draw(axes):
        colours = [COLOURS["true"], COLOURS["reported"]]
        axes.hist([usual, odd], bins=40, stacked=True, color=colours, label=words)
        axes.legend(frameon=False)
        axes.set(xlabel=label, ylabel="rows")

    return draw


def agreement(table, classes, names) -> Callable:
    """How often two raters said what."""

    def draw(axes):
        axes.imshow(table, cmap="Blues", aspect="auto")
        for (i, j), number in np.ndenumerate(table):
            colour = "white" if number > table.max() / 2 else "black"
            axes.text(j, i, str(number), ha="center", va="center", color=colour)
        axes.set_xticks(range(len(classes)), [short(c) for c in classes])
        _name_rows(axes, classes, xlabel=short(names["second_rater"]), ylabel=short(names["label"]))

    return draw


def against(x, y, across, up) -> Callable:
    """Points."""

    def draw(axes):
        axes.plot(x, y, "o", color=COLOURS["true"], alpha=0.5)
        axes.set(xlabel=short(across), ylabel=short(up))

    return draw
