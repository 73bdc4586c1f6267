"""The live panel: sliders above, the picture of a simulation below, and one sentence that reads it.

A panel brings three things together and does none of their work: a `utils.simulation.Simulation` computes,
the figure function of its description draws, native HTML controls (panel.js) move the parameters.

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
import io
import logging
import math
import re
import struct
import textwrap
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import anywidget
import numpy as np
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from utils.code import code_of_one_study
from utils.simulation import Among, Parameter, ParameterError, Several, Simulation

# Without a handler of their own, the log's errors would be printed into the learner's notebook.
log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())

# A picture keeps its size in inches x 100 on the page, and has as many dots as the screen that asks for it:
# on a projector or an older screen less than half of those of a sharp one, which halves the time to paint,
# encode, send and decode it. Sharper than 150 is not worth its time. The picture at the start, which is kept
# in the notebook, knows no screen.
DPI = 150
CSS_DPI = 100

# Seconds.
FIRST_LOOK = 0.008  # of simulating before the first picture
REDRAW = (
    0.2  # between pictures while refining, if by then there are so many times the studies of the last one:
)
GROWN = 1.5
LISTEN = 0.015  # between pauses, in which a new move is heard
PAUSE = 0.002
# Many kernels may share a processor. A pause is longer by so many times what a refinement had to wait for its
# turn, at most by YIELD_MOST, so that first pictures come before refinements, whoever's they are (measured in
# LOAD.md).
YIELD, YIELD_MOST = 4, 0.25


@dataclass(frozen=True)
class Control:
    """A slider over numbers, or a list to choose from: the values, and what the learner reads for each."""

    label: str
    values: list
    texts: list[str]
    kind: str  # "slider" or "choice"


def _control(kind: Parameter, at) -> Control:
    """The control of a parameter at the positions `at`: values, or a dict from what is read to the value."""
    if isinstance(at, Mapping):
        return Control(kind.label, list(at.values()), list(at), "choice")
    if isinstance(kind, Among):
        return Control(kind.label, list(at), [str(value) for value in at], "choice")
    # Rounded, because 3 * 0.1 is 0.30000000000000004.
    values = [round(value, 10) for value in at]
    return Control(kind.label, values, [f"{value:.10g} {kind.unit}".strip() for value in values], "slider")


def panel(
    run: Simulation,
    /,
    *,
    start: Mapping = MappingProxyType({}),
    repeats: int = 1000,
    seed: int = 0,
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
        them.
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
    return Panel(run, moved, fixed, first, repeats=repeats, seed=seed)


class Panel(anywidget.AnyWidget):
    """The widget behind `panel`.

    Attributes
    ----------
    position : dict
        Where the controls are: "turn", the running number of the move; "at", the index of every control's
        value, by name; "seed"; and "density", dots of the screen per CSS pixel, if known. The front end
        writes it.
    shown : dict
        What is on display: the position that it answers ("turn", "at", "seed"), the "sentence", the number of
        simulated studies ("repeats") "of" how many, and "problem", a sentence that stands in place of the
        picture.
    picture : bytes
        The picture, a PNG.
    failure : Exception or None
        What went wrong inside the simulation or the figure at the position on display, for a maintainer.
    """

    _esm = Path(__file__).with_name("panel.js")
    _css = Path(__file__).with_name("panel.css")

    controls = traitlets.List().tag(sync=True)
    size = traitlets.List().tag(sync=True)
    start = traitlets.Dict().tag(sync=True)
    # Without the echo: a front end that has moved on would be set back by it.
    position = traitlets.Dict().tag(sync=True, echo_update=False)
    shown = traitlets.Dict().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)

    def __init__(self, run, moved, fixed, start, *, repeats, seed):
        self.run, self.moved, self.fixed, self.repeats = run, moved, fixed, repeats
        self.failure = None
        self._drawing = _Drawing(run.draw)
        # JupyterLab hands messages of widgets to a thread of their own when the kernel lets it (a subshell),
        # so that a move can be heard while a cell runs. One panel still takes one step at a time.
        self._lock = threading.Lock()
        self._newest = object()
        self._tasks = set()
        position = {"turn": 0, "at": start, "seed": seed}
        controls = [
            {"name": name, "kind": control.kind, "label": control.label, "texts": control.texts}
            for name, control in moved.items()
        ]
        super().__init__(controls=controls, start=position, position=position)
        for _ in self._steps(position, refine_only=True):
            pass
        self._default = dict(self.shown)
        self._still = self._drawing.still(self._default["sentence"]) if self.picture else None
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
        """The front end asks for the code of one study, or for a move (or its answer) that was lost."""
        if "code" in content:
            seed = self.position["seed"]
            self.send(
                {"code": code_of_one_study(self.run, self.parameters(), seed), "turn": self.position["turn"]}
            )
        elif content["position"]["turn"] > self.position["turn"]:
            self.set_state(content)
        else:
            self.send_state(["size", "picture", "shown"])

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
        began = listened = time.perf_counter()
        worked = drawn = time.thread_time()
        try:
            for outcome in self.run.stream(
                repeats=self.repeats, seed=position["seed"], **self.parameters(position)
            ):
                now = time.perf_counter()
                block = (now - began) / math.ceil(outcome.repeats / self.run.block)
                # A first picture is never given up for a newer move: while a learner drags, each would give
                # way to the next and none would be seen.
                if pictures == 0:
                    due = now - began >= FIRST_LOOK - block
                else:  # in time of one's own, or a busy machine would do nothing but draw
                    due = time.thread_time() - drawn >= REDRAW and outcome.repeats >= GROWN * shown
                if outcome.repeats >= self.repeats or (not refine_only and due):
                    self._show(position, ticket, outcome)
                    pictures += 1
                    shown = outcome.repeats
                    drawn = time.thread_time()
                now = time.perf_counter()
                if pictures and now - listened >= LISTEN:
                    waited = (now - listened) - (time.thread_time() - worked)
                    # Not 0: messages come and go by other threads, which need a moment to hand them over.
                    yield PAUSE + min(YIELD * max(0, waited), YIELD_MOST)
                    listened, worked = time.perf_counter(), time.thread_time()
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
            picture = self._drawing.png(outcome, position.get("density")) if outcome else b""
            # In one message, so that the sentence and the picture are always of the same outcome.
            with self.hold_sync():
                self.failure = failure
                self.size = self._drawing.size or self.size
                self.picture = picture
                self.shown = {
                    **position,
                    "sentence": outcome.sentence if outcome else "",
                    "repeats": outcome.repeats if outcome else 0,
                    "of": self.repeats,
                    "problem": problem,
                }

    def _repr_mimebundle_(self, **kwargs):
        """The widget, and the picture and sentence of the start for front ends without a kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        sentence = self._default["sentence"] or self._default["problem"]
        data["text/plain"] = sentence
        if self._still:
            data["image/png"] = base64.b64encode(self._still).decode()
            metadata["image/png"] = {"alt": sentence, "width": self.size[0]}
        return data, metadata


class _Drawing:
    """A figure that is changed in place: what does not move is painted once and kept as a picture."""

    def __init__(self, draw: Callable[..., Figure]):
        self._draw = draw
        self._figure = None

    @property
    def size(self) -> list[int]:
        """Width and height on the page, in CSS pixels."""
        return [round(inches * CSS_DPI) for inches in self._figure.get_size_inches()] if self._figure else []

    def png(self, outcome, density: float | None = None) -> bytes:
        """The picture of an outcome, for a screen with so many dots per CSS pixel."""
        try:
            self._paint(outcome, min(max(CSS_DPI * density, CSS_DPI), DPI) if density else DPI)
        except Exception:
            self._figure = None  # half changed, perhaps: begin anew next time
            raise
        return _fast_png(np.asarray(self._canvas.buffer_rgba()))

    def still(self, sentence: str) -> bytes:
        """The picture painted last with its sentence in it, small enough to be kept in a notebook."""
        width, dots = self._figure.get_size_inches()[0], np.asarray(self._canvas.buffer_rgba())
        lines = [*_wrap(sentence, width), "To move the controls, run this cell in JupyterLab."]
        strip = Figure((width, 0.24 * len(lines) + 0.12), dpi=DPI)
        for number, line in enumerate(reversed(lines)):
            strip.text(
                0.12 / width,
                (0.24 * number + 0.14) / strip.get_figheight(),
                line,
                fontsize=11,
                style="normal" if number else "italic",
                color="black" if number else "#595959",
            )
        canvas = FigureCanvasAgg(strip)
        canvas.draw()
        pixels = np.vstack([dots, np.asarray(canvas.buffer_rgba())])[:, :, :3]
        buffer = io.BytesIO()
        # A chart has few colours: a palette of them looks the same and takes less than half the bytes.
        Image.fromarray(pixels).quantize(256, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
        return buffer.getvalue()

    def _paint(self, outcome, dpi: float = DPI) -> None:
        if self._figure is None:
            self._figure = self._draw(outcome)
            self._canvas = FigureCanvasAgg(self._figure)
            self._background = None
        else:
            self._draw(outcome, self._figure)
        if self._background is None or self._figure.dpi != dpi:
            self._figure.set_dpi(dpi)
            self._background = None
        moving = getattr(self._figure, "moving", [])
        # What moves does not make its figure stale. So a stale figure has changed in its background.
        if self._background is None or self._figure.stale or not moving:
            self._canvas.draw()
            self._background = self._canvas.copy_from_bbox(self._figure.bbox)
        else:
            self._canvas.restore_region(self._background)
        for artist in sorted(moving, key=lambda artist: artist.get_zorder()):
            self._figure.draw_artist(artist)


def _fast_png(pixels: np.ndarray) -> bytes:
    """Encode red, green, blue and alpha, shape (height, width, 4), in less than half of Pillow's time.

    It tries no filters: they help photographs, and here they only take time.
    """
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # every row begins with its filter, 0 for none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _wrap(sentence: str, width: float) -> list[str]:
    """Lines of text for a strip that is so many inches wide."""
    return textwrap.wrap(sentence, int(width * 12.5))
