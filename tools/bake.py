"""Compute the panels of the lessons at many settings, for a page without Python: see tools/website.py.

A panel of the course asks Python at every move. A page has none, so its panels are computed beforehand: the
same panel, made by the same cell, stands at some positions of every slider, and what it would send to the
browser (charts, numbers, headline, sentence) is kept. utils/panel.js draws it, as in the course.
"""

import ast
import base64
import gzip
import hashlib
import itertools
import json
import math
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from utils import panel as panels  # noqa: E402
from utils.code import code_of_one_study  # noqa: E402
from utils.simulation import ParameterError, Simulation  # noqa: E402

SETTINGS = 150  # of one panel, at most, unless each slider has its fewest positions
FEWEST = 3
SAMPLES = 4  # seeds
# So many studies, one by one: where the panel starts, and at its other settings.
PILES = {True: (*range(1, 11), 20, 50, 101, 201, math.inf), False: (1, 2, 3, 101)}
HEAVY = 15_000  # letters of a picture of which one study is kept, and all
LARGEST = 1_000_000  # bytes of a panel's file
FINE = 1000  # steps of a long column: a pixel of the picture, or less


class Call(NamedTuple):
    """A panel as a lesson makes it: `utils.panel.panel(run, **given)`."""

    name: str  # of its file: the lesson's number, the cell's, the simulation's name
    lesson: Path
    cell: int
    run: Simulation
    given: dict


def calls(path: Path) -> Iterator[Call]:
    """The panels of a lesson, from the cells that end in one."""
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type != "code" or "from utils.panel import panel" not in cell.source:
            continue
        *before, last = ast.parse(cell.source).body
        names = {}
        exec(compile(ast.Module(before, []), str(path), "exec"), names)
        names["panel"] = lambda run, /, **given: (run, given)
        run, given = eval(compile(ast.Expression(last.value), str(path), "eval"), names)
        yield Call(f"{path.name[:2]}_{number:02}_{run.__name__}", path, number, run, given)


def thinned(one: panels.Panel, most: int = SETTINGS) -> dict[str, list[int]]:
    """Which positions of a slider are kept: the first, the start, the last, some between; all of a choice."""
    kept = {name: list(range(len(control.values))) for name, control in one.moved.items()}
    sliders = [name for name in reversed(kept) if one.moved[name].kind == "slider"]
    while math.prod(map(len, kept.values())) > most:
        name = max(sliders, key=lambda name: len(kept[name]))
        if len(kept[name]) <= FEWEST:
            break
        count, last, start = len(kept[name]) - 1, len(one.moved[name].values) - 1, one.start["at"][name]
        at = [round(i * last / (count - 1)) for i in range(count)]
        if start not in at:
            inner = range(1, count - 1)
            at[min(inner, key=lambda i: abs(at[i] - start))] = start
        kept[name] = at
    return kept


def _rounded(column):
    """A long column with as many digits as can be seen in the picture."""
    if not isinstance(column, list) or len(column) < 50 or not isinstance(column[0], float | int):
        return column
    span = np.ptp(column)
    digits = math.ceil(math.log10(FINE / span)) if span else 4
    return np.round(column, digits).tolist()


class _Baking:
    """Charts and columns that are kept once, however many settings share them, and what was shown where."""

    def __init__(self):
        self.charts, self.columns, self.states = {}, {}, {}

    def add(self, key: str, one: panels.Panel) -> None:
        """Keep what a panel shows."""
        numbers = [
            {
                table: {
                    name: self._number(self.columns, _rounded(column)) for name, column in columns.items()
                }
                for table, columns in tables.items()
            }
            for tables in one.numbers
        ]
        shown = {name: value for name, value in one.shown.items() if name != "turn"}
        self.states[key] = [self._number(self.charts, one.charts), numbers, shown]

    @staticmethod
    def _number(pool: dict, thing) -> int:
        return pool.setdefault(json.dumps(thing, separators=(",", ":")), len(pool))


def key(at: dict, seed: int, studies: int | None) -> str:
    """The name of a state; site.js makes the same."""
    return f"{','.join(map(str, at.values()))}|{seed}|{studies or 0}"


def baked(run: Simulation, given: dict, most: int = SETTINGS) -> dict:
    """All that site.js needs to show a panel and to move it."""
    whole = panels.panel(run, **given)
    at = {}
    for name, kept in thinned(whole, most).items():
        control = whole.moved[name]
        texts, values = ([of[i] for i in kept] for of in (control.texts, control.values))
        at[name] = dict(zip(texts, values, strict=True)) if control.kind == "choice" else values
    one, baking = panels.panel(run, **{**given, **at}), _Baking()
    for place in itertools.product(*(range(len(control.values)) for control in one.moved.values())):
        where = dict(zip(one.moved, place, strict=True))
        try:
            run.checked(one.parameters({"at": where}))
        except ParameterError:
            continue  # closed: no slider leads there
        _bake(one, where, baking)
    return {
        "controls": one.controls,
        "start": one.start,
        "guess": one.guess,
        "one_by_one": one.one_by_one,
        "samples": SAMPLES,
        "code": _code(one),
        "values": {name: [repr(value) for value in control.values] for name, control in one.moved.items()},
        "settings": [math.prod(len(control.values) for control in of.moved.values()) for of in (one, whole)],
        "charts": [json.loads(text) for text in baking.charts],
        "columns": [json.loads(text) for text in baking.columns],
        "states": baking.states,
    }


def _code(one: panels.Panel) -> str:
    """The code of one study, with places for what the controls say and for the seed."""
    code = code_of_one_study(one.run, one.parameters(), one.start["seed"])
    for name, value in one.parameters().items():
        if name in one.moved:
            code = _put(code, f"\n    {name}={value!r},", f"\n    {name}=⟦{name}⟧,")
    return _put(code, f"default_rng([{one.start['seed']}, 0])", "default_rng([⟦seed⟧, 0])")


def _put(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise ValueError(f"{old!r} stands {text.count(old)} times in the code of one study.")
    return text.replace(old, new)


def _bake(one: panels.Panel, where: dict, baking: _Baking) -> None:
    """Keep what a panel shows with its controls at `where`: all studies, a few of them, other samples."""
    start, few = where == one.start["at"], one.one_by_one
    piles = sorted({min(few, count) for count in PILES[start]}) if few else []
    first = one.start["seed"]
    for seed in range(first, first + SAMPLES):
        # Every sample in full at the start only: elsewhere the first one, and single studies of the others.
        full = start or seed == first
        views = [None, *piles] if full else piles[:1]
        if not views:
            continue
        repeats = max(view or one.repeats for view in views)
        outcome = one.run(repeats=repeats, seed=seed, **one.parameters({"at": where}))
        for studies in views:
            # The first studies of many are those of few: every block has a seed of its own.
            draws = {name: rows[: studies or one.repeats] for name, rows in outcome.draws.items()}
            some = type(outcome)(
                draws=draws, parameters=outcome.parameters, read=outcome.read, head=outcome.head
            )
            position = {"turn": 0, "at": where, "seed": seed, "studies": studies}
            one._show(position, None, some)  # a move would simulate the same studies for every view
            baking.add(key(where, seed, studies), one)
            if studies is None and not start and len(json.dumps(one.numbers)) > HEAVY:
                del views[2:]


def fingerprint(call: Call) -> str:
    """Changes with whatever a panel's file depends on: code, settings, versions."""
    code = sorted([*(ROOT / "utils").glob("*.[pt]*"), *(ROOT / "review").glob("*.*"), Path(__file__)])
    # The room of the simulation, and those from which it has taken a function or a class.
    names = {getattr(value, "__module__", "") for value in vars(sys.modules[call.run.__module__]).values()}
    code += sorted(Path(sys.modules[name].__file__) for name in names if str(name).startswith("simulations."))
    found = hashlib.sha256(repr((call.run.__name__, sorted(call.given.items()))).encode())
    for path in code:
        if path.is_file():
            found.update(path.read_bytes())
    found.update("".join(map(version, ("numpy", "scipy", "scikit-learn"))).encode())
    return found.hexdigest()[:20]


def _packed(call: Call, most: int) -> tuple[str, int]:
    """A panel as letters, and at how many settings it stands."""
    found = baked(call.run, call.given, most)
    text = json.dumps(found, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode(), found["settings"][0]


def script(call: Call, folder: Path, most: int = SETTINGS) -> str:
    """The text of a panel's file, a script that hands the panel to site.js; kept in a folder."""
    kept = folder / f"{call.name}.{fingerprint(call)}.{most}.js"
    if not kept.is_file():
        packed, settings = _packed(call, most)
        while len(packed) > LARGEST:  # pictures of pixels: with half as many settings
            packed, fewer = _packed(call, settings // 2)
            if fewer == settings:
                raise ValueError(f"{call.name} has {len(packed):,} bytes, more than {LARGEST:,}.")
            settings = fewer
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{call.name}.*.{most}.js"):
            old.unlink()
        kept.write_text(f'honestPanels.baked("{call.name}", "{packed}");\n', encoding="utf-8")
    return kept.read_text(encoding="utf-8")
