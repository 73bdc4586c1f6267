"""The visual language of the course: ridges, bars and curves, drawn in the browser by Vega-Lite.

The reported score, the true score and chance have one colour each, everywhere; they differ in lightness,
position and label too, so that nothing rests on colour alone (the colours are from Okabe and Ito's palette).
The same quantity has the same axis. A figure draws what an outcome holds and computes nothing but means,
shares and quantiles.

A figure function takes an outcome and gives one or more `Chart`s, side by side: what to draw, as a Vega-Lite
specification (https://vega.github.io/vega-lite/docs/), and the numbers, in named tables. Specifications are
plain dicts, made by `chart`, `layer` and `axis`. While only numbers change, a panel sends only numbers. The
table "guess" is filled by the panel, and a table whose name ends in BEFORE with what its namesake held at
the position of the sliders before.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

COLOURS = {
    "reported": "#D55E00",
    "honest": "#009E73",
    "true": "#0072B2",
    "chance": "#595959",
    "training": "#AA4499",
    "ceiling": "#1A1A1A",
    "before": "#8C8C8C",
    "page": "#FFFFFF",
}
ROWS = {
    "reported": "the study\nreports",
    "honest": "done right,\nit reports",
    "true": "it would\nreally get",
}
INK, BEFORE = "#212121", " before"
TEXT = 13  # pixels on the page, whatever the width of the picture
HEIGHT = 300  # pixels
DASHED, DOTTED = [6, 4], [2, 2]
_GRID = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Chart:
    """One pair of axes.

    Attributes
    ----------
    spec : dict
        Vega-Lite, without numbers, width, or the size of the page.
    data : dict of str to dict
        The numbers: named tables, each a dict of columns. A column is a list, or one value for all rows.
    share : float
        Its width, relative to those of its neighbours.
    """

    spec: dict
    data: dict[str, dict]
    share: float = 1


def table(**columns) -> dict:
    """A table of a `Chart`: arrays become lists of numbers with as many digits as can be seen."""

    def numbers(column):
        # In single precision 0.3 would be sent as 0.30000001192092896.
        double = column.astype(float) if column.dtype == np.float32 else column
        return np.round(double, 4).tolist()

    return {
        name: numbers(column) if isinstance(column, np.ndarray) else column
        for name, column in columns.items()
    }


# Parts of a specification

CONFIG = {
    "font": "sans-serif",
    "aria": False,
    "view": {"stroke": None},
    "axisX": {"titleAnchor": "end"},  # so that a long title has room at its left in a small window
    "axis": {
        "labelFontSize": TEXT - 1,
        "titleFontSize": TEXT,
        "titleFontWeight": "normal",
        "labelColor": INK,
        "titleColor": INK,
        "domainColor": COLOURS["before"],
        "tickColor": COLOURS["before"],
        "labelLimit": 400,
        "labelSeparation": 5,
        "labelLineHeight": 15,
    },
}


def axis(
    label: str = "",
    ends: tuple[float, float] = (0, 1),
    *,
    at: Sequence[float] | None = None,
    words: Sequence[str] | None = None,
    log: bool = False,
    form: str = "",
    line: bool = True,
    grid: bool = False,
) -> dict:
    """A quantitative axis.

    `at` are its ticks, and `words` what stands there (a line break makes a second line); `form` is a format
    of d3; without a `line` there are only words.
    """
    look = {"title": label or None, "grid": grid, "domain": line, "ticks": line, "labelPadding": 4}
    if at is not None:
        look["values"] = [float(value) for value in at]
        if words is not None:
            texts = ", ".join("'" + word.replace("'", "’").replace("\n", "|") + "'" for word in words)
            nearest = f"indexof({look['values']}, datum.value)"
            look["labelExpr"] = f"split([{texts}][{nearest}], '|')"
    if form:
        look["format"] = form
    if form.endswith("%"):
        look["labelExpr"] = "replace(datum.label, '%', ' %')"
    scale = {"domain": [float(end) for end in ends], "nice": False, "zero": False}
    if log:
        scale["type"] = "log"
    return {"type": "quantitative", "scale": scale, "axis": look}


def tips(**fields: str) -> list[dict]:
    """What is read when the pointer rests on a mark: title by column, the format after a bar ("x|.2f")."""
    parts = {title.replace("_", " "): field.partition("|")[::2] for title, field in fields.items()}
    return [
        {"field": name, "title": title, "type": "nominal"}
        | ({"format": form, "type": "quantitative"} if form else {})
        for title, (name, form) in parts.items()
    ]


def layer(kind: str, data: str, colour: str = INK, *, encoding: Mapping = {}, **look) -> dict:
    """Marks of a kind at x and y of every row of a table.

    Kinds are those of Vega-Lite, and "upright" and "level": lines across the whole picture at x, or at y.
    `colour` is a name in COLOURS or any colour. `look` goes to the mark.
    """
    if kind == "halo":
        # Letters in the colour of the page, under the same letters in a colour: no line strikes them.
        return layer("text", data, "page", encoding=encoding, stroke=COLOURS["page"], strokeWidth=5, **look)
    across = {
        "upright": {"y": {"value": 0}, "y2": {"value": "height"}},
        "level": {"x": {"value": 0}, "x2": {"value": "width"}},
    }
    colour = COLOURS.get(colour, colour)
    mark = {"type": "rule" if kind in across else kind, "color": colour, "clip": False} | look
    if kind == "text":
        mark = {"fontSize": TEXT, "baseline": "middle"} | mark
        encoding = {"text": {"field": "text"}} | dict(encoding)
    if kind == "area" and "line" in look and "color" not in encoding:
        mark["line"] = {"color": colour} | look["line"]  # its upper edge
    if kind == "line":
        encoding = {"order": {"field": "x", "type": "quantitative"}} | dict(encoding)
    encoding = across.get(kind, {}) | {
        channel: {"field": to} if isinstance(to, str) else to for channel, to in encoding.items()
    }
    return {"data": {"name": data}, "mark": mark, "encoding": encoding}


def chart(
    layers: list[dict],
    data: dict[str, dict],
    x: dict,
    y: dict,
    *,
    height: int = HEIGHT,
    top: int = 24,
    right: int = 24,
    title: str = "",
    share: float = 1,
) -> Chart:
    """A `Chart` of layers over the same axes; `top` and `right` are pixels left free for words."""
    spec = {
        "height": height,
        "padding": {"left": 6, "top": top, "right": right, "bottom": 6},
        "encoding": {"x": {"field": "x", **x}, "y": {"field": "y", **y}},
        "layer": sorted(layers, key=lambda one: one["mark"]["type"] == "text"),  # no mark strikes a word
        "config": CONFIG,
    }
    if title:
        spec["title"] = {"text": title, "fontSize": TEXT + 1, "anchor": "start", "offset": top - 4}
    return Chart(spec, data, share)


# People in a scatter: patients, and controls
DOT = {"filled": True, "opacity": 1, "size": 30}
HOLLOW = DOT | {"fill": COLOURS["page"], "stroke": COLOURS["chance"], "strokeWidth": 1.3, "strokeOpacity": 1}


def above(name: str, colour: str = INK, *, line: int = 0, **look) -> dict:
    """The layer of words above a picture, from its left edge: in the first line over it, or a higher one."""
    edge = {"x": {"value": 0}, "y": {"value": 0}}
    return layer("text", name, colour, encoding=edge, **{"align": "left", "dy": -10 - 17 * line} | look)


def by_row(colours: Sequence[str]) -> dict:
    """The encoding of a colour for every value of the column "row"."""
    shades = [COLOURS.get(colour, colour) for colour in colours]
    scale = {"domain": list(range(len(shades))), "range": shades}
    return {"field": "row", "type": "nominal", "scale": scale, "legend": None}


def chance_line(chance: float, words: str = "chance", *, level: bool = False) -> tuple[list, dict]:
    """Layers and data of the dashed line of guessing: upright, or, across curves, `level`."""
    where = {"align": "left", "dy": 10, "dx": 4} if level else {"align": "center", "dy": -9}
    place = {"x": {"value": 0}} if level else {"y": {"value": 0}}
    layers = [
        layer("level" if level else "upright", "chance", "chance", strokeDash=DASHED, strokeWidth=1.5),
        *(layer(kind, "chance", "chance", encoding=place, **where) for kind in ("halo", "text")),
    ]
    return layers, {"chance": table(**{"y" if level else "x": [chance], "text": [words]})}


def guess_line(level: bool = False) -> list[dict]:
    """The layers of the learner's guess, at the column x or y that the panel fills in."""
    edge = {"x": {"value": "width"}} if level else {"y": {"value": "height"}}
    place = {"dy": -9 if level else -20, "encoding": edge | {"text": {"value": "your guess"}}}
    layers = [layer("level" if level else "upright", "guess", strokeWidth=3)]
    # Where there is no room on the right of the line, the words stand on its left.
    for align, dx, where in (("right", -5, "x > 0.75"), ("left", 6, "x <= 0.75"))[: 1 if level else 2]:
        look = place | {"align": align, "dx": dx}
        wanted = {} if level else {"transform": [{"filter": f"datum.{where}"}]}
        layers += [layer(kind, "guess", **look) | wanted for kind in ("halo", "text")]
    return layers


NO_GUESS = {"guess": {"x": [], "y": []}}  # empty until the panel fills it in


def handle(slider: str, at: float, *, per: float = 1, level: bool = False) -> tuple[list[dict], dict]:
    """Layers and data of a line that a learner can drag, `level` or upright, and of the grip at its end.

    It moves the slider of that parameter by one of its units for every `per` units of the axis.
    """
    kind, cursor, sign = ("level", "ns-resize", "↕") if level else ("upright", "ew-resize", "↔")
    name, end = f"drag_{slider}", {"x": {"value": "width"}} if level else {"y": {"value": "height"}}
    look = {"cursor": cursor, "encoding": {"tooltip": {"value": "Drag it, or move the slider."}}}
    grip = {"fontSize": 22, "dx": -12 if level else 0, "dy": 0 if level else -12}
    layers = [layer(kind, name, opacity=0, strokeWidth=14, **look)]
    look["encoding"] = look["encoding"] | end
    layers += [layer(one, name, "chance", **grip, **look) for one in ("halo", "text")]
    numbers = table(**{"y" if level else "x": [at], "per": [per], "text": [sign]})
    return [one | {"name": f"{name}_{i}"} for i, one in enumerate(layers)], {name: numbers}


def spread_labels(heights: np.ndarray, sizes: np.ndarray, low: float, high: float) -> np.ndarray:
    """Heights of labels near those wished for, in their order, `sizes` high each, between low and high."""
    order = np.argsort(heights, kind="stable")
    placed, sizes = np.asarray(heights, float)[order], np.asarray(sizes)[order]
    for _ in range(60):  # neighbours that overlap step aside, each by half
        overlap = np.maximum((sizes[1:] + sizes[:-1]) / 2 - np.diff(placed), 0) / 2
        placed += np.r_[0, overlap] - np.r_[overlap, 0]
        placed = np.clip(placed, low + sizes / 2, high - sizes / 2)
    return placed[np.argsort(order)]


def end_labels(
    name: str,
    words: Sequence[str],
    colours: Sequence[str],
    x: float,
    ends_at: np.ndarray,
    ends,
    beside: float | None = None,
) -> tuple[list[dict], dict]:
    """Layers and data of words at the right ends of lines, at `x` and `ends_at`, led to where there is room.

    `ends` are those of the axis. Where `x` changes, give the words a place `beside`: a picture is laid out
    once, with room for words where they are then. A `name` of their own keeps several charts apart.
    """
    words = [word.split("\n") for word in words]
    lines, height = np.array([len(word) for word in words]), 0.062 * np.ptp(ends)
    middle, row = spread_labels(ends_at, height * lines, *ends), {"color": by_row(colours)}
    # Two lines of text begin above their place by half a line.
    data = table(
        y=middle + (lines - 1) * 0.4 * height,
        middle=middle,
        end=np.asarray(ends_at),
        row=list(range(len(words))),
    )
    data |= table(x=np.full(len(words), x if beside is None else beside), last=np.full(len(words), x))
    lead = {"x": "last", "x2": "x", "y": "end", "y2": "middle"}
    look = {"align": "left", "dx": 14, "fontWeight": "bold", "lineHeight": 15}
    layers = [
        layer("rule", name, xOffset=5, x2Offset=12, strokeWidth=1, encoding=lead | row),
        layer("halo", name, **look),
        layer("text", name, **look, encoding=row),
    ]
    return layers, {name: data | {"text": words}}


# Ridges: distributions of scores, one above the other

FEW = 300  # so many studies, at most, are shown one by one


def density(scores: np.ndarray, ends: tuple[float, float] = (0, 1)) -> tuple[np.ndarray, np.ndarray]:
    """A grid between two ends, and the smoothed distribution of scores there, at most 1."""
    grid = ends[0] + (ends[1] - ends[0]) * _GRID
    half = (grid[1] - grid[0]) / 2
    counts = np.histogram(np.clip(scores, *ends), np.append(grid - half, grid[-1] + half))[0]
    smooth = gaussian_filter1d(counts.astype(float), 2, mode="constant")
    return grid, smooth / smooth.max()


def _pile(scores: np.ndarray, ends: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Dots that lie on each other where scores are alike: places, and levels from 0 to 1."""
    width = (ends[1] - ends[0]) / 60
    bins = np.round(scores / width)
    level = np.array([np.sum(bins[:i] == one) for i, one in enumerate(bins)])
    return bins * width, level / max(level.max() + 1, 12)


def ridge_rows(
    scores: list[np.ndarray],
    rows: Sequence[tuple[str, str]],
    *,
    dots: bool = False,
    ends: tuple[float, float] = (0, 1),
    said: Callable = "{:.2f}".format,
) -> tuple[list[dict], dict, dict]:
    """Layers, data and the y axis of distributions, one a row: `rows` are (name, colour) from the top.

    With `dots`, every study is a dot, and they pile up.
    """
    base = np.arange(len(rows))[::-1]
    colour, words = by_row([colour for _, colour in rows]), [name.replace("\n", " ") for name, _ in rows]
    means = np.array([np.mean(one) for one in scores])
    data = {
        "means": table(x=means, y=base - 0.04, y2=base + 0.7, row=list(range(len(rows))))
        | {"text": [said(mean) for mean in means], "name": words}
    }
    if dots:
        piles = [_pile(one, ends) for one in scores]
        data["dots"] = table(
            x=np.concatenate([x for x, _ in piles]).round(3),
            y=np.concatenate(
                [low + 0.05 + 0.62 * level for low, (_, level) in zip(base, piles, strict=True)]
            ).round(2),
            row=np.repeat(np.arange(len(rows)), [len(one) for one in scores]),
        )
        data |= {"ridges": {"x": []}}
    else:
        shapes = [density(one, ends) for one in scores]
        row = np.repeat(np.arange(len(rows)), len(_GRID))
        data["ridges"] = table(
            x=np.concatenate([grid for grid, _ in shapes]),
            y=np.concatenate([low + 0.66 * height for low, (_, height) in zip(base, shapes, strict=True)]),
            y2=base[row],
            row=row,
        )
        data |= {"dots": {"x": []}}
    data |= {"ridges" + BEFORE: {"x": []}}
    row = {"color": colour}
    number = {"fontSize": TEXT + 2, "fontWeight": "bold", "baseline": "bottom", "dy": -1}
    number["encoding"] = {"y": "y2"}
    hover = {"tooltip": tips(row="name", mean="x|.3f")}
    ghost = {"strokeDash": DOTTED, "strokeWidth": 1.5, "encoding": {"detail": "row"}}
    layers = [
        layer("line", "ridges" + BEFORE, "before", **ghost),
        layer("area", "ridges", fillOpacity=0.4, line={"strokeWidth": 1.5}, encoding={"y2": "y2"} | row),
        layer("rule", "means", strokeWidth=3, encoding={"y2": "y2"} | row | hover),
        layer("circle", "dots", size=70, opacity=0.8, encoding=row | {"tooltip": tips(study="x|.2f")}),
        layer("halo", "means", **number),
        layer("text", "means", **number | {"encoding": {"y": "y2"} | row | hover}),
    ]
    names = axis(ends=(-0.1, len(rows)), at=base + 0.3, words=[name for name, _ in rows], line=False)
    return layers, data, names


def ridges(
    outcome,
    *,
    dots: bool = False,
    rows: dict[str, tuple[str, str]] | None = None,
    label: str = "Accuracy, over many simulated studies",
    chance: float = 0.5,
    ceiling: str = "",
    truth: str = "",
) -> list[Chart]:
    """Distributions of scores over the simulated studies: reported, honest and true, or other `rows`.

    Parameters
    ----------
    outcome : utils.simulation.Outcome
        Its draws are scores between 0 and 1; a draw of shape (repeats, rows) fills all rows.
    dots : bool
        Whether every study is shown as a dot.
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
    """
    draws = outcome.draws
    rows = rows or {name: (words, name) for name, words in ROWS.items() if name in draws}
    scores = list(draws["reported"].T) if truth else [draws[name] for name in rows]
    layers, data, names = ridge_rows(scores, list(rows.values()), dots=dots)
    guessing, more = chance_line(chance)
    data |= more | NO_GUESS
    if ceiling:
        best = draws["ceiling"].mean()
        # The words stay inside the picture.
        data["ceiling"] = table(x=best.reshape(1), beside=best.reshape(1).clip(0.14, 0.88))
        data["ceiling"]["text"] = [f"{ceiling} {best:.2f}"]
        above = {"dy": -26, "encoding": {"x": "beside", "y": {"value": 0}}}
        guessing.append(layer("upright", "ceiling", "ceiling", strokeDash=DOTTED, strokeWidth=2))
        guessing.append(layer("text", "ceiling", "ceiling", **above))
    if truth:
        base = np.arange(len(rows))[::-1]
        data["truth"] = table(x=draws["true"].mean(axis=0), y=base + 0.08)
        data["truth words"] = {"text": [f"◆ {truth}"]}
        end = {"x": {"value": "width"}, "y": {"value": 0}}
        diamond = {"shape": "diamond", "size": 170, "filled": True, "stroke": "white", "opacity": 1}
        layers.append(layer("point", "truth", "true", encoding={"tooltip": tips(truth="x|.3f")}, **diamond))
        layers.append(
            layer("text", "truth words", "true", align="right", dy=-26, fontWeight="bold", encoding=end)
        )
    height = max(HEIGHT, 62 * len(rows)) if len(rows) > 2 else 220
    x = axis(label, at=np.arange(0, 1.1, 0.2), form=".1f")
    top = 42 if ceiling or truth else 24
    return [chart([*guessing, *guess_line(), *layers], data, x, names, height=height, top=top)]


# Bars: how often a test raises an alarm

LEVEL = 0.05  # of a test


def bars(
    outcome,
    *,
    label: str,
    mark: str,
    names: Sequence[str] = (),
    said: str = "{:.0f} %",
    colour: str = "chance",
    dots: bool = False,
) -> list[Chart]:
    """How often tests at the 5 % level find something.

    Parameters
    ----------
    outcome : utils.simulation.Outcome
        Its draws are p-values, by name of the test.
    label, mark : str
        For the axis, and for the dashed line at 5 %.
    names : sequence of str
        The draws that are p-values, if not all are.
    said : str
        Format of the per cent beside a bar.
    colour : str
        Of the dashed line, a name in COLOURS.
    dots : bool
        Whether the studies are few, and counted.
    """
    names = list(names or outcome.draws)
    base, values = np.arange(len(names))[::-1], np.array([outcome.draws[name] for name in names])
    rates = np.mean(values <= LEVEL, axis=1)
    texts = [said.format(100 * one) for one in rates]
    if dots:
        found = np.sum(values <= LEVEL, axis=1)
        texts = [f"{one} of {outcome.repeats}" for one in found]
    if outcome.repeats == 1:
        texts = [f"p = {p:.2f}" if p >= 0.005 else "p < 0.01" for p in values[:, 0]]
    data = {"rates": table(x=rates, y=base, after=rates.clip(LEVEL)) | {"text": texts}} | NO_GUESS
    data["level"] = {"x": [LEVEL], "text": [mark]}
    data["rates" + BEFORE] = {"x": []}
    from_zero = {"x2": {"datum": 0}, "tooltip": tips(share="x|.1%")}
    look, bold = {"orient": "horizontal", "size": 30}, {"fontSize": TEXT + 2, "fontWeight": "bold"}
    ghost = {"stroke": COLOURS["before"], "strokeDash": DOTTED}
    layers = [
        *guess_line(),
        layer("bar", "rates", "true", **look, encoding=from_zero),
        layer("bar", "rates" + BEFORE, "transparent", **look, **ghost, encoding=from_zero),
        layer("upright", "level", colour, strokeDash=DASHED, strokeWidth=2),
        layer("text", "level", colour, align="left", dx=-8, dy=-9, encoding={"y": {"value": 0}}),
        layer("halo", "rates", align="left", dx=7, encoding={"x": "after"}, **bold),
        layer("text", "rates", "true", align="left", dx=7, encoding={"x": "after"}, **bold),
    ]
    x, words = axis(label, at=np.arange(0, 1.1, 0.2), form=".0%"), [wrapped(name) for name in names]
    at = base + [0.12 * name.count("\n") for name in words]  # a second line hangs below the first
    y = axis(ends=(-0.6, len(names) - 0.4), at=at, words=words, line=False)
    right = 14 + 8.6 * max(len(said.format(100)), len(f"{FEW} of {FEW}"))
    return [chart(layers, data, x, y, height=62 * len(names) + 30, right=int(right))]


SHARES = {bars}  # the figure functions that show how often p-values are small


def wrapped(text: str, width: int = 22) -> str:
    """Text in lines of at most so many letters, where words allow."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


# Curves: scores along a scale, such as the number of scans

# What each draw is called, its dashes, width and marker.
CURVES = {
    "training": ("training", DASHED, 2.5, ""),
    "reported": ("reported", [1, 0], 2.5, ""),
    "honest": ("done right", DASHED, 2.5, "triangle-up"),
    "true": ("truth", [1, 0], 3.5, ""),
    "theory": ("theory", None, 0, "circle"),
    "ceiling": ("best possible", DOTTED, 2.5, ""),
}


def curves(
    outcome,
    *,
    along: str,
    label: str,
    dots: bool = False,
    score: str = "Accuracy",
    chance: float = 0.5,
    log: bool = True,
    words: dict[str, str] | None = None,
    band: str = "reported",
    ends: tuple[float, float] = (0.28, 1.03),
    form: str = "~g",
) -> list[Chart]:
    """Mean scores along a scale, with a band that holds nine studies in ten.

    Parameters
    ----------
    outcome : utils.simulation.Outcome
        With draws of shape (repeats, positions), or (repeats,) for a level, among those of CURVES: scores
        between 0 and 1. A draw with fewer positions has the last ones.
    along : str
        The parameter that holds the positions on the scale (for a log scale, numbers above 0).
    label, score : str
        For the axes.
    dots : bool
        Whether every study is shown as a thin line.
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
    form : str
        Format of the positions, one of d3.
    """
    draws, at = outcome.draws, np.array(outcome.parameters[along], float)
    names = [name for name in CURVES if name in draws]
    band = band if band in draws else ""
    called = {name: CURVES[name][0] for name in names} | (words or {})
    if band in names and band not in (words or {}) and not (dots and outcome.repeats == 1):
        called[band] += "\n(nine in ten)"
    guessing, data = chance_line(chance, level=True)
    data |= NO_GUESS
    layers, last = list(guessing), {}
    if band:
        low, high = np.quantile(draws[band], [0.05, 0.95], axis=0)
        data["band"] = table(x=at, y=low.clip(*ends), y2=high.clip(*ends))
        shade = "reported" if band == "reported" else "true"
        layers.append(layer("area", "band", shade, opacity=0.2, encoding={"y2": "y2"}))
        last[band] = (low[-1] + high[-1]) / 2
    if dots:
        layers += _thin_lines(data, draws, [name for name in (band, "true") if name in draws], at)
    for name in names:
        means = draws[name].mean(axis=0)
        means = np.broadcast_to(means, means.shape or len(at))
        data[name] = table(x=at[-len(means) :], y=means)
        if CURVES[name][1]:  # points without a line leave no ghost
            data[name + BEFORE] = {"x": []}
        layers += _curve(name, label, form, level=draws[name].ndim == 1)
        last[name] = means[-1]
    labels = [*names, *([band] if band and band not in names else [])]
    shades = ["true" if name == "theory" or name not in names else name for name in labels]
    more, said = end_labels(
        "labels", [called[name] for name in labels], shades, at[-1], [last[name] for name in labels], ends
    )
    x = axis(label, _sides(at, log), at=_ticks(at, log), form=form, log=log)
    y = axis(score, ends, at=np.arange(np.ceil(10 * ends[0]) / 10, ends[1] + 1e-9, 0.1), form=".1f")
    width = 20 + 7.4 * max(len(line) for name in labels for line in called[name].split("\n"))
    layers = [*guess_line(level=True), *layers, *more]
    return [chart(layers, data | said, x, y, right=int(width), top=10)]


def _curve(name: str, label: str, form: str, level: bool) -> list[dict]:
    """The layers of one curve: as it was before, and as it is; a `level` has no points."""
    _, dash, width, marker = CURVES[name]
    colour = COLOURS["true" if name == "theory" else name]
    hover = {"tooltip": tips(**{"mean": "y|.3f", label.replace(" ", "_"): f"x|{form}"})}
    layers = []
    if dash:
        layers.append(layer("line", name + BEFORE, "before", strokeWidth=1.5, strokeDash=DOTTED))
        layers.append(layer("line", name, colour, strokeWidth=width, strokeDash=dash))
    if level:
        return layers
    point = {"shape": marker or "circle", "filled": not marker, "size": 80 if marker else 60, "opacity": 1}
    point |= {"fill": "white", "strokeWidth": 2} if marker else {}
    layers.append(layer("point", name, colour, encoding=hover, **point))
    return layers


def _thin_lines(data, draws, names, at) -> list[dict]:
    """Layers of one thin line for every study; their numbers go into `data`."""
    layers = []
    for name in names:
        rows = np.broadcast_to(draws[name].reshape(len(draws[name]), -1), (len(draws[name]), len(at)))
        data[f"{name} studies"] = table(x=np.tile(at, len(rows)), y=rows.ravel()) | {
            "row": np.repeat(np.arange(len(rows)), len(at)).tolist()
        }
        layers.append(
            layer("line", f"{name} studies", name, strokeWidth=1, opacity=0.5, encoding={"detail": "row"})
        )
    return layers


def _sides(at, log) -> tuple[float, float]:
    return (at[0] / 1.1, at[-1] * 1.1) if log else (at[0] - 0.03 * np.ptp(at), at[-1] + 0.03 * np.ptp(at))


def _ticks(at, log) -> list[float]:
    """The positions that are named: those with room between them."""
    length = np.ptp(np.log(at) if log else at)
    ticks = [at[-1]]
    for position in at[-2::-1]:
        distance = np.log(ticks[-1] / position) if log else ticks[-1] - position
        if distance > 0.09 * length:
            ticks.append(position)
    return ticks


# Pictures that do not move


def takes_dots(draw: Callable) -> bool:
    """Whether a figure function can show studies one by one."""
    return "dots" in inspect.signature(draw).parameters


def shown_number(draw: Callable, values: np.ndarray) -> np.ndarray:
    """The number that a figure function shows of a draw: the mean over studies, or of p-values the share."""
    return np.mean(values <= LEVEL if getattr(draw, "func", draw) in SHARES else values, axis=0)


def rows_of(columns: Mapping) -> list[dict]:
    """The rows of a table, as Vega-Lite wants them."""
    count = max((len(column) for column in columns.values() if isinstance(column, list)), default=0)
    return [
        {name: column[i] if isinstance(column, list) else column for name, column in columns.items()}
        for i in range(count)
    ]


def whole(charts: list[Chart], width: int, lines: Sequence[str] = ()) -> dict:
    """One specification of charts side by side with their numbers, and lines of words under them."""
    parts, shares = [], sum(one.share for one in charts)
    for one in charts:
        layers = [
            mark | {"data": {"values": rows_of(one.data[mark["data"]["name"]])}} for mark in one.spec["layer"]
        ]
        part = {name: value for name, value in one.spec.items() if name not in ("padding", "config")}
        parts.append(part | {"width": int((width - 110) * one.share / shares), "layer": layers})
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": "white",
        "padding": 12,
        "hconcat": parts,
        # In a panel, too, every chart has colours and shapes of its own.
        "resolve": {"scale": dict.fromkeys(("color", "shape", "strokeDash"), "independent")},
        "title": {"text": list(lines), "orient": "bottom", "anchor": "start", "fontWeight": "normal"},
        "config": CONFIG,
    }
