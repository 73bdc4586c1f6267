"""The live panel: sliders, the picture of a simulation beside or below them, and a sentence that reads it.

A panel brings three things together and does none of their work: a `utils.simulation.Simulation` computes,
the figure function of its description says what to draw, and the browser (panel.js, with Vega-Lite) draws.
The kernel sends numbers; native HTML controls move the parameters.

Studies can be seen all at once, or one by one, piling up. A panel with a `guess` first asks for it.

The newest position wins. A move is answered with a first picture, made of the few simulated studies that
fit into a sixtieth of a second. Then the kernel adds studies in blocks, and listens for the next move
between them; a move ends the refinement of the position before it. So nothing is queued, and the kernel
stays free for other cells. Where many kernels share a machine, refinements make room for first pictures.
Where no event loop runs (a plain Python script), a move computes everything before it returns.

The output of a cell that ends in a panel holds the widget and, for front ends without a kernel (GitHub,
nbviewer, an exported page), the picture and the sentence of the settings at the start.
"""

import asyncio
import base64
import importlib.util
import io
import logging
import math
import os
import re
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import anywidget
import numpy as np
import traitlets
from ipywidgets import widget_serialization

from utils.code import code_of_one_study
from utils.drawing import FEW, SHARES, Chart, shown_number, takes_dots, whole
from utils.simulation import Among, Parameter, ParameterError, Several, Simulation, with_minus

# Without a handler of their own, the log's errors would be printed into the learner's notebook.
log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())

STILL = 560  # pixels: width of the picture that is kept in a notebook

# Seconds.
FIRST_LOOK = 0.008  # of simulating before the first picture
REDRAW = 0.2  # between pictures while refining, if by then there are so many times the studies of the last:
GROWN = 1.5
LISTEN = 0.015  # between pauses, in which a new move is heard
PAUSE = 0.002
# Many kernels may share a processor. A pause is longer by so many times what a refinement had to wait for its
# turn, at most by YIELD_MOST, so that first pictures come before refinements, whoever's they are (measured in
# LOAD.md).
YIELD, YIELD_MOST = 4, 0.25


def _own_time() -> float:
    """Seconds of work without those of others; all of them where a platform, as a browser, cannot tell."""
    return getattr(time, "thread_time", time.perf_counter)()


@dataclass(frozen=True)
class Control:
    """A slider over numbers, or a list to choose from: the values, and what the learner reads for each."""

    label: str
    values: list
    texts: list[str]
    kind: str  # "slider" or "choice"


def _read(value: float, unit: str) -> str:
    """A value with its unit, as the learner reads it."""
    value = 100 * value if unit.startswith("%") else value
    return with_minus(f"{value:.10g} {unit.removesuffix('s') if value == 1 else unit}".strip())


def _control(kind: Parameter, at) -> Control:
    """The control of a parameter at the positions `at`: values, or a dict from what is read to the value."""
    if isinstance(at, Mapping):
        return Control(kind.label, list(at.values()), list(at), "choice")
    if isinstance(kind, Among):
        return Control(kind.label, list(at), [str(value) for value in at], "choice")
    # Rounded, because 3 * 0.1 is 0.30000000000000004; and Python's own, for the code of one study.
    values = [round(value.item() if isinstance(value, np.generic) else value, 10) for value in at]
    return Control(kind.label, values, [_read(value, kind.unit) for value in values], "slider")


def panel(
    run: Simulation,
    /,
    *,
    start: Mapping = MappingProxyType({}),
    repeats: int = 1000,
    seed: int = 0,
    guess: Mapping = MappingProxyType({}),
    **given,
) -> "Panel":
    """Make a simulation explorable: labels, units, positions and figure come from its description.

    Parameters
    ----------
    run : utils.simulation.Simulation
    start : dict
        Where a slider starts, by the parameter's name, if not where the description says.
    repeats : int
        Simulated studies behind the refined picture.
    seed : int
        Seed of the first sample. "New sample" adds 1, "Reset" goes back.
    guess : dict
        What the learner is asked before anything is shown: a question by the name of the draw that answers
        it, with its mean, or, where the figure shows how often p-values are small, with that share. Of a draw
        with several positions it is the last one, or that of a pair (name, position).
    **given
        A sequence or a dict replaces the positions of a parameter; a single value fixes it.

    Returns
    -------
    Panel
        A widget. As the last expression of a cell it is shown.

    Raises
    ------
    ValueError
        When a name is no parameter, or a slider has fewer than two positions or does not start at one of
        them, or a guess is asked for where the figure cannot show it.
    """
    if unknown := [name for name in [*given, *start] if name not in run.kinds]:
        raise ValueError(
            f"{run.__name__} has no parameter {unknown[0]!r}. Its parameters are {', '.join(run.kinds)}."
        )
    moved, fixed, first = {}, {}, {}
    for name, kind in run.kinds.items():
        at = given.get(name, kind.at)
        # A parameter that takes several numbers is fixed by a sequence of them; no panel moves it.
        if (
            isinstance(kind, Several)
            or not isinstance(at, Sequence | Mapping | np.ndarray)
            or isinstance(at, str)
        ):
            fixed |= {name: at} if name in given else {}
            continue
        if len(at) == 0:
            continue
        control = _control(kind, at)
        value = start.get(name, kind.default if kind.start is None else kind.start)
        if len(control.values) < 2 or value not in control.values:
            raise ValueError(
                f"{control.label!r} ({name}) starts at {value!r}. It needs two positions or more, and "
                f"starts at one of them: {', '.join(map(str, control.values))}."
            )
        moved[name], first[name] = control, control.values.index(value)
    if guess and not takes_dots(run.draw):
        raise ValueError(f"The picture of {run.__name__} has no place for a guess.")
    return Panel(run, moved, fixed, first, repeats=repeats, seed=seed, guess=guess)


class _Library(anywidget.AnyWidget):
    """The drawing library, sent to a page once for all its panels. It is never shown."""

    _esm = Path(__file__).with_name("vega.js")


def _library(made: list = []) -> _Library:  # noqa: B006  (one for the whole kernel)
    if not made or made[0].comm is None:
        made[:] = [_Library()]
    return made[0]


class Panel(anywidget.AnyWidget):
    """The widget behind `panel`.

    Attributes
    ----------
    position : dict
        Where the controls are: "turn", the running number of the move; "at", the index of every control's
        value, by name; "seed"; and "studies", how many are shown one by one, or None for the distribution of
        all. The front end writes it.
    shown : dict
        What is on display: the position that it answers ("turn", "at", "seed", "studies"), the "headline" and
        the "sentence", the number of simulated studies ("repeats") "of" how many, the "answer" to the guess,
        the positions of each control that are "closed" with the others where they are, the controls that are
        "idle", and "problem", a sentence that stands in place of the picture.
    charts, numbers : list
        What to draw, and the numbers in it: of each `utils.drawing.Chart` its specification and share, and
        its tables.
    failure : Exception or None
        What went wrong inside the simulation or the figure at the position on display, for a maintainer.
    """

    _esm = Path(__file__).with_name("panel.js")
    _css = Path(__file__).with_name("panel.css")

    controls = traitlets.List().tag(sync=True)
    library = traitlets.Instance(_Library).tag(sync=True, **widget_serialization)
    guess = traitlets.Dict().tag(sync=True)
    one_by_one = traitlets.Int().tag(sync=True)
    start = traitlets.Dict().tag(sync=True)
    # Without the echo: a front end that has moved on would be set back by it.
    position = traitlets.Dict().tag(sync=True, echo_update=False)
    shown = traitlets.Dict().tag(sync=True)
    charts = traitlets.List().tag(sync=True)
    numbers = traitlets.List().tag(sync=True)

    def __init__(self, run, moved, fixed, start, *, repeats, seed, guess):
        self.run, self.moved, self.fixed, self.repeats = run, moved, fixed, repeats
        self.failure = None
        # JupyterLab hands messages of widgets to a thread of their own when the kernel lets it (a subshell),
        # so that a move can be heard while a cell runs. One panel still takes one step at a time.
        self._lock = threading.Lock()
        self._newest = object()
        self._tasks = set()
        self._asked_for = next(iter(guess), "")
        position = {"turn": 0, "at": start, "seed": seed, "studies": None}
        controls = [{"name": name, **vars(control)} for name, control in moved.items()]
        super().__init__(
            controls=controls,
            start=position,
            position=position,
            library=_library(),
            guess={"question": guess[self._asked_for]} if guess else {},
            one_by_one=min(FEW, repeats) if takes_dots(run.draw) else 0,
        )
        for _ in self._steps(position, refine_only=True):
            pass
        self._default = dict(self.shown)
        self._first = self._pictures
        self.observe(self._move, "position")
        self.on_msg(self._asked)

    def parameters(self, position: dict | None = None) -> dict:
        """The simulation's parameters at a position, by default the present one."""
        at = (position or self.position)["at"]
        return self.fixed | {name: control.values[at[name]] for name, control in self.moved.items()}

    @traitlets.validate("position")
    def _never_back(self, proposal):
        # The first moves come by the thread of the cells, the later ones perhaps by another that is free
        # sooner. What was held up there must not overtake.
        newer = proposal["value"]["turn"] >= self.position.get("turn", 0)
        return proposal["value"] if newer else self.position

    def _asked(self, _, content, buffers) -> None:
        """The front end asks whether Python is there, for the code of one study, or for a lost move."""
        if "hello" in content:
            self.send({"hello": True})
        elif "code" in content:
            seed = self.position["seed"]
            self.send(
                {"code": code_of_one_study(self.run, self.parameters(), seed), "turn": self.position["turn"]}
            )
        elif content["position"]["turn"] > self.position["turn"]:
            self.set_state(content)
        else:
            self.send_state(["charts", "numbers", "shown"])

    def _move(self, change) -> None:
        position, self._newest = change["new"], object()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            for _ in self._steps(position):
                pass
            return
        # This returns at once, so that the front end may send the next move while this one is computed.
        task = loop.create_task(self._refine(position, self._newest))
        self._tasks.add(task)  # a loop itself does not keep its tasks alive
        task.add_done_callback(self._tasks.discard)

    async def _refine(self, position: dict, ticket: object) -> None:
        await asyncio.sleep(0)
        if ticket is not self._newest:
            return
        for pause in self._steps(position, ticket):
            await asyncio.sleep(pause)
            if ticket is not self._newest:
                return

    def _steps(self, position: dict, ticket: object = None, refine_only: bool = False) -> Iterator[float]:
        """Compute and show what belongs to a position; yield, for some seconds, where a move may be heard."""
        pictures = shown = 0
        repeats = position.get("studies") or self.repeats
        began = listened = time.perf_counter()
        worked = drawn = _own_time()
        try:
            for outcome in self.run.stream(
                repeats=repeats, seed=position["seed"], **self.parameters(position)
            ):
                now = time.perf_counter()
                block = (now - began) / math.ceil(outcome.repeats / self.run.block)
                # A first picture is never given up for a newer move: while a learner drags, each would give
                # way to the next and none would be seen.
                if pictures == 0:
                    due = now - began >= FIRST_LOOK - block
                else:  # in time of one's own, or a busy machine would do nothing but draw
                    due = _own_time() - drawn >= REDRAW and outcome.repeats >= GROWN * shown
                if outcome.repeats >= repeats or (not refine_only and due):
                    self._show(position, ticket, outcome)
                    pictures += 1
                    shown = outcome.repeats
                    drawn = _own_time()
                now = time.perf_counter()
                if pictures and now - listened >= LISTEN:
                    waited = (now - listened) - (_own_time() - worked)
                    # Not 0: messages come and go by other threads, which need a moment to hand them over.
                    yield PAUSE + min(YIELD * max(0, waited), YIELD_MOST)
                    listened, worked = time.perf_counter(), _own_time()
        except ParameterError as error:
            # The simulation speaks of its parameters; the learner knows the controls by their labels.
            names = "|".join(map(re.escape, self.moved))
            message = re.sub(rf"\b({names})\b", lambda name: f"“{self.moved[name[0]].label}”", str(error))
            self._show(position, ticket, problem=f"{message} Move a slider back, or press Reset.")
        except Exception as error:
            log.exception("%s failed at %s", self.run.__name__, position)
            self._show(
                position,
                ticket,
                failure=error,
                problem="This simulation cannot be shown with these settings "
                f"({type(error).__name__}). Move a slider back, or press Reset.",
            )

    def _show(self, position, ticket, outcome=None, problem="", failure=None) -> None:
        with self._lock:
            if ticket is not None and ticket is not self._newest:
                return
            few = {"dots": True} if position.get("studies") else {}
            pictures = self.run.draw(outcome, **few) if outcome else []
            # In one message, so that the sentence and the picture are always of the same outcome.
            with self.hold_sync():
                self.failure, self._pictures = failure, pictures
                self.charts = [[one.spec, one.share] for one in pictures]
                self.numbers = [one.data for one in pictures]
                self.shown = {
                    **position,
                    "headline": outcome.headline if outcome else "",
                    "sentence": outcome.sentence if outcome else "",
                    "repeats": outcome.repeats if outcome else 0,
                    "of": position.get("studies") or self.repeats,
                    "answer": self._answer(outcome) if outcome and self._asked_for else None,
                    "problem": problem,
                    **self._limits(position),
                }

    def _answer(self, outcome) -> float | None:
        """What the learner was asked for; a share of studies is nothing that one of them could tell."""
        if outcome.repeats == 1 and getattr(self.run.draw, "func", self.run.draw) in SHARES:
            return None
        name, at = self._asked_for if isinstance(self._asked_for, tuple) else (self._asked_for, -1)
        return float(np.ravel(shown_number(self.run.draw, outcome.draws[name]))[at])

    def _limits(self, position: dict) -> dict:
        """The positions of every control that are closed by the others, and controls without effect."""
        here, closed = self.parameters(position), {}
        for name, control in self.moved.items():
            for i, value in enumerate(control.values):
                try:
                    self.run.checked(here | {name: value})
                except ParameterError:
                    closed.setdefault(name, []).append(i)
        p = SimpleNamespace(**self.run.defaults | here)
        idle = [name for name in self.moved if (when := self.run.kinds[name].when) and not when(p)]
        return {"closed": closed, "idle": idle}

    def _repr_mimebundle_(self, **kwargs):
        """The widget, and the picture and sentence of the start for front ends without a kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        sentence = self._default["sentence"] or self._default["problem"]
        data["text/plain"] = sentence
        if self._first and (still := _still(self._first, sentence)):
            png, width = still
            data["image/png"] = base64.b64encode(png).decode()
            metadata["image/png"] = {"alt": sentence, "width": width}
        return data, metadata


def _still(pictures: list[Chart], sentence: str) -> tuple[bytes, int] | None:
    """The picture as a PNG with its sentence in it, and its width in pixels of the page.

    None where the library that makes it is not installed (a learner does not need its 84 MB), and with
    STILLS=0 in the environment, as when notebooks are run to compare their words.
    """
    if os.environ.get("STILLS") == "0" or importlib.util.find_spec("vl_convert") is None:
        return None
    import vl_convert
    from PIL import Image

    lines = [*textwrap.wrap(sentence, STILL // 7), "To move the controls, run this cell in JupyterLab."]
    png = vl_convert.vegalite_to_png(whole(pictures, STILL, lines), scale=1.5)
    buffer = io.BytesIO()
    # A chart has few colours: a palette of them looks the same and takes less than half the bytes.
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(buffer, "png", optimize=True)
    return buffer.getvalue(), round(picture.width / 1.5)
