"""Twenty learners on one Jupyter server: how long a move takes, and how much memory they need: `make load`.

    python tools/load.py                 20, 10, 5, 2 and 1 learners, into LOAD.md (about fifteen minutes)
    python tools/load.py 4 2 --panels 3  these numbers, only the first panels, shown and not written
    python tools/load.py 4 --gap 1 --set OMP_NUM_THREADS=1

A learner is a kernel of their own and what JupyterLab's page says to it (learners.py, classroom.py): a
session, a websocket, the cells of the lesson, and the moves of the sliders, held back and merged while the
kernel is busy as ipywidgets does it. One of them is a real browser, which shows that the figures are those
of a page. All start at once. Then some leave, so that the same server is measured with fewer. At the end one
runs the lesson alone.

Ends with 1 if a move was lost or something went wrong. The page's text stands in pages/load.md.
"""

import argparse
import asyncio
import datetime
import importlib.metadata
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from classroom import POLL, Meter, Page, Person, server_of
from learners import DRAG, PAUSE, POSITIONS, Move
from live_lab import find_chromium, serve

PAGE = Path(__file__).resolve().parent.parent / "LOAD.md"
TEXT = Path(__file__).with_name("pages") / "load.md"
SIZES = (20, 10, 5, 2, 1)
PACKAGES = ("jupyterlab", "jupyter-server", "ipykernel", "ipywidgets", "numpy", "matplotlib")
AIM = 350  # MB of memory for each learner
GOOD = 0.3  # seconds: an answer that the panel itself does not call late yet (COMPUTING in panel.js)


# What is measured


@dataclass
class Row:
    """What was measured with so many learners; times in seconds, memory in bytes."""

    learners: int
    moves: list[Move]
    seconds: float
    memory: np.ndarray  # Meter's peak
    processor: float  # cores that the server and its kernels used, on average
    own: float  # the same for this program (and nothing of the browser)
    others: float  # and for all others: the browser, the rest of the machine

    @property
    def answered(self) -> np.ndarray:
        """Seconds to the first picture of every move that got one. (A setting without a study gets a
        sentence.)"""
        good = (move for move in self.moves if not move.lost and not move.problem)
        return np.array([move.first - move.sent for move in good])

    @property
    def refined(self) -> np.ndarray:
        """Seconds to the refined picture; infinite where the learner moved on before."""
        possible = (move for move in self.moves if not move.problem)
        return np.array([move.refined - move.sent if move.refined else np.inf for move in possible])

    @property
    def lost(self) -> int:
        return sum(move.lost for move in self.moves)

    @property
    def overtaken(self) -> int:
        return sum(move.overtaken for move in self.moves)

    def waited(self, share: float) -> str:
        """A quantile of the times to the first picture."""
        return ms(quantile(self.answered, share))

    @property
    def worst(self) -> str:
        return ms(max(self.answered, default=np.nan))


@dataclass
class Found:
    """All that a run has measured. Seconds: opened until the kernel answers, "run all" until ..., by
    learner."""

    rows: list[Row] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    opening: list[float] = field(default_factory=list)
    panel: list[float] = field(default_factory=list)  # ... the first panel
    ready: list[float] = field(default_factory=list)  # ... the last cell
    alone: tuple[float, float, float] = (np.nan,) * 3  # the same three for one learner
    start_memory: np.ndarray | None = None
    start_processor: float = np.nan  # seconds of processor time for one learner's lesson
    start_others: float = np.nan
    lesson_bytes: float = np.nan  # received while the lesson ran
    person: Person | None = None


def quantile(values: np.ndarray, share: float) -> float:
    """A quantile without interpolation, because a refinement may be infinitely far."""
    return float(np.quantile(values, share, method="higher")) if len(values) else np.nan


async def tell(pages: list[Page], say) -> None:
    """How far the start is."""
    while True:
        await asyncio.sleep(15)
        cells = [page.learner.total for page in pages if page.learner.started]
        left = sum(page.learner.left for page in pages)
        say(f"  {len(cells)} kernels, {sum(cells) - left} of {sum(cells)} cells done")


async def start(pages: list[Page], gap: float, panels: int | None, person: Person | None = None) -> None:
    """Open the lesson on these pages, `gap` seconds apart, and run its cells; wait for all."""

    async def one(page, wait):
        await asyncio.sleep(wait)
        await page.run(panels)

    browsing = [person.call(person.run)] if person else []
    await asyncio.gather(*(one(page, gap * number) for number, page in enumerate(pages)), *browsing)


async def start_all(found: Found, pages: list[Page], meter: Meter, gap, panels, say) -> None:
    """The start of everybody, measured."""
    with meter:
        telling = asyncio.ensure_future(tell(pages, say))
        await start(pages, gap, panels, found.person)
        telling.cancel()
    ready = [page for page in pages if page.learner.ready]
    good = [page.learner for page in ready]
    found.opening = [page.opening for page in ready]
    found.panel = [learner.first_panel - learner.started for learner in good]
    found.ready = [learner.ready - learner.started for learner in good]
    found.lesson_bytes = float(np.mean([learner.received for learner in good])) if good else np.nan
    found.start_memory, found.start_others = meter.peak, meter.others
    say(f"  all cells after {max(found.ready, default=np.nan):.0f} s; others used {meter.others:.2f} cores")


async def play(pages: list[Page], seconds: float, meter: Meter, person: Person | None = None) -> Row:
    """Let everybody move sliders, then wait for the last pictures."""
    playing = [page.learner for page in pages if page.learner.views]
    for learner in playing:
        for view in learner.views:
            view.moves.clear()
    *seeds, browsers = map(
        np.random.default_rng, np.random.SeedSequence(len(playing)).spawn(len(playing) + 1)
    )
    browsing = asyncio.ensure_future(person.call(person.play, seconds, browsers)) if person else None
    with meter:
        games = (learner.play(seconds, rng) for learner, rng in zip(playing, seeds, strict=True))
        await asyncio.gather(*games)
    await asyncio.gather(*(learner.settle() for learner in playing))
    if browsing:
        await browsing
    moves = [move for learner in playing for move in learner.moves]
    size = len(pages) + (person is not None)
    return Row(size, moves, seconds, meter.peak, meter.used, meter.own, meter.others)


async def leave(pages: list[Page]) -> list[str]:
    """Close some pages; what went wrong in them."""
    await asyncio.gather(*(page.close() for page in pages))
    return [complaint for page in pages for complaint in page.learner.complaints]


async def alone(found: Found, page: Page, server, panels: int | None) -> None:
    """One learner runs the lesson alone."""
    used = Meter(server).processor()
    await start([page], 0, panels)
    if (learner := page.learner).ready:
        found.start_processor = Meter(server).processor() - used
        found.alone = (
            page.opening,
            learner.first_panel - learner.started,
            learner.ready - learner.started,
        )
    found.complaints += await leave([page])


async def measure(
    address: str,
    folder: Path,
    sizes,
    seconds: float,
    *,
    gap: float = 0,
    panels: int | None = None,
    browser: bool = False,
    by_oneself: bool = True,
    say=print,
) -> Found:
    """Start the most learners, let them move sliders, and let some leave for every smaller number."""
    found, server, sizes = Found(), server_of(address), sorted(sizes, reverse=True)
    person = None
    if browser:
        say("A browser opens the lesson")
        person = found.person = Person(address, folder, "browser")
        await person.call(person.open)
    pages = [Page(address, folder, f"learner-{number:02}") for number in range(1, sizes[0] + (not browser))]
    say(f"{sizes[0]} learners run the lesson")
    await start_all(found, pages, Meter(server), gap, panels, say)
    for size in sizes:
        if person and size < sizes[0]:
            found.complaints += await person.leave()
            person = None
        leaving, pages = pages[size:], pages[:size]
        found.complaints += await leave(leaving)
        await asyncio.sleep(1)
        found.rows.insert(0, row := await play(pages, seconds, Meter(server), person))
        say(
            f"{size} learners: {len(row.moves)} moves, first picture {row.waited(0.5)}, "
            f"95th percentile {row.waited(0.95)}, worst {row.worst}, {row.lost} lost, {row.overtaken} "
            f"overtaken, {np.isfinite(row.refined).mean():.0%} refined; {mb(row.memory[0])}; "
            f"cores {row.processor:.2f}, this program {row.own:.2f}, others {row.others:.2f}"
        )
    found.complaints += await person.leave() if person else []
    found.complaints += await leave(pages)
    if by_oneself:
        await asyncio.sleep(1)
        say("One learner runs the lesson alone")
        await alone(found, Page(address, folder, "alone"), server, panels)
    return found


# The page


def ms(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms"


def mb(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"


def line(x, y) -> tuple[float, float, float]:
    """Intercept and slope of a straight line through points, and the largest distance from it."""
    slope, intercept = np.polyfit(x, y, 1)
    return float(intercept), float(slope), float(np.abs(np.polyval([slope, intercept], x) - y).max())


def answers_line(row: Row) -> str:
    middle = quantile(row.refined, 0.5)
    refined = f"{middle:.1f} s" if np.isfinite(middle) else "not in time"
    return (
        f"| {row.learners} | {len(row.moves)} | {row.waited(0.5)} | {row.waited(0.95)} | {row.worst} "
        f"| {row.lost} | {row.overtaken} | {refined} | {np.isfinite(row.refined).mean():.0%} |"
    )


def resources_line(row: Row) -> str:
    memory = [row.memory[0], row.memory[0] / row.learners, row.memory[1]]
    cores = [row.processor, row.own, row.others]
    return f"| {' | '.join([str(row.learners), *map(mb, memory), *(f'{used:.2f}' for used in cores)])} |"


def outcome_fields(found: Found) -> dict:
    """Fields of the page: whether all went well, and how long the moves took."""
    rows, last = found.rows, found.rows[-1]
    lost = sum(row.lost for row in rows)
    moves = [move for row in rows for move in row.moves]
    verdict = "No move was lost and nothing went wrong."
    if lost or found.complaints:
        verdict = f"**{lost} moves were lost and {len(found.complaints)} other things went wrong.**"
    quiet = [row.learners for row in rows if quantile(row.answered, 0.95) <= GOOD]
    room = f"With up to {max(quiet)} learners on these {os.cpu_count()} cores" if quiet else ""
    intercept, growth, distance = line(
        [row.learners for row in rows], [1000 * quantile(row.answered, 0.95) for row in rows]
    )
    return {
        "verdict": verdict,
        "wrong": "".join(f"- `{complaint[:200]}`\n" for complaint in sorted(set(found.complaints))),
        "answers": "\n".join(map(answers_line, rows)),
        "moves": len(moves),
        "overtaken": sum(row.overtaken for row in rows),
        "problems": sum(bool(move.problem) for move in moves),
        "room": room or "Not even with one learner",
        "waited": last.waited(0.95),
        "browser": browser_line(found.person, last),
        "intercept": intercept,
        "growth": growth,
        "distance": distance,
    }


def resource_fields(found: Found) -> dict:
    """Fields of the page: memory in MB, cores."""
    rows, one = found.rows, found.rows[0]
    base, each, off = line([row.learners for row in rows], [row.memory[0] / 1e6 for row in rows])
    most = max(row.memory[0] / row.learners for row in rows) / 1e6
    # On a hub everybody has a server of their own: what one learner needs here.
    own = max(one.memory[0], one.memory[2] + one.memory[3]) / 1e6
    limit = -(-1.4 * own // 50) * 50
    cores = max(row.processor / row.learners for row in rows)
    return {
        "resources": "\n".join(map(resources_line, rows)),
        "base": base,
        "server": max(base, 0),
        "each": each,
        "off": off,
        "aim": AIM,
        "aim_verdict": "reached" if most <= AIM else "**not reached**",
        "kernel": max(row.memory[2] for row in rows) / 1e6,
        "own": own,
        "own_gb": own / 1000,
        "limit": limit,
        "twenty": (20 * limit + 128) / 1000,
        "start_memory": found.start_memory[0] / 1e6,
        "cores": cores,
        "hour": 3600 / cores / 60,
    }


def network_fields(found: Found) -> dict:
    """Fields of the page: MB of the visits and of a minute of dragging, kB of a move, Mbit/s of a room."""
    last = found.rows[-1]
    moves = [move for row in found.rows for move in row.moves if not move.problem and not move.lost]
    single, drags = ([move for move in moves if move.drag is drag] for drag in (False, True))
    return {
        "visits": [size / 1e6 for size in found.person.loads],
        "lesson": found.lesson_bytes / 1e6,
        "first": np.mean([move.first_bytes for move in single]) / 1000,
        "move": np.mean([move.bytes for move in single]) / 1000,
        "minute": np.mean([move.during for move in drags]) / DRAG * 60 / 1e6 if drags else np.nan,
        "traffic": sum(move.bytes for move in last.moves) / last.seconds * 8 / 1e6,
    }


def browser_line(person: Person, row: Row) -> str:
    first = np.array(person.first)
    middle, late = (ms(quantile(first, share)) for share in (0.5, 0.95))
    return (
        f"Its {len(first)} moves took {middle} in the median and {late} at the 95th percentile; those of "
        f"the {row.learners - 1} others {row.waited(0.5)} and "
        f"{row.waited(0.95)}. Its last cell was done after {person.starting:.0f} s."
    )


def page(found: Found, today: str, minutes: float, panels: int | None = None, gap: float = 0) -> str:
    """The text of LOAD.md."""
    together = "at the same moment, which is the worst moment of a workshop"
    starts = (found.opening, found.panel, found.ready)
    return TEXT.read_text(encoding="utf-8").format(
        found=found,
        last=found.rows[-1],
        slowest=list(map(max, starts)),
        median=list(map(np.median, starts)),
        today=today,
        minutes=minutes,
        machine=os.cpu_count(),
        python=platform.python_version(),
        versions=", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
        cells=f"only the cells of its first {panels} panels" if panels else "all of its cells",
        when=f"{gap:.0f} s apart" if gap else together,
        poll=POLL,
        pause=PAUSE,
        mean_pause=np.mean(PAUSE),
        positions=POSITIONS,
        drag=1000 * DRAG,
        good=1000 * GOOD,
        **outcome_fields(found),
        **resource_fields(found),
        **network_fields(found),
    )


def asked():
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("sizes", nargs="*", type=int, help="numbers of learners; without them, all, and the page is written")
    add("--seconds", type=float, default=35, help="of moving, for each number")
    add("--gap", type=float, default=0, help="seconds between the starts of two learners")
    add("--panels", type=int, help="run only the cells of so many panels")
    add("--browser", action="store_true", help="with a real browser, even if no page is written")
    add("--write", action="store_true", help="write the page for these numbers")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="for the server's environment")
    return parser.parse_args()


def main():
    wanted = asked()
    whole = not wanted.sizes or wanted.write
    if whole and not find_chromium():
        sys.exit("The page needs a browser. Install Chromium or Chrome, or set CHROMIUM to its path.")
    began = time.perf_counter()

    def say(text):
        print(f"{time.perf_counter() - began:4.0f} s  {text}", flush=True)

    environment = dict(pair.split("=", 1) for pair in wanted.set)
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), **environment) as address:
        how = {"gap": wanted.gap, "panels": wanted.panels, "browser": whole or wanted.browser, "say": say}
        found = asyncio.run(measure(address, Path(folder), wanted.sizes or SIZES, wanted.seconds, **how))
    kernel, panel, cells = found.alone
    say(f"alone: kernel {kernel:.1f} s, first panel {panel:.1f} s, all cells {cells:.0f} s")
    for complaint in found.complaints:
        print(f"WRONG: {complaint}")
    if whole:
        minutes = (time.perf_counter() - began) / 60
        text = page(found, datetime.date.today().isoformat(), minutes, wanted.panels, wanted.gap)
        PAGE.write_text(text, encoding="utf-8")
        print(f"Written: {PAGE.name}")
    lost = sum(row.lost for row in found.rows)
    print(f"Lost moves: {lost}. Other complaints: {len(found.complaints)}.")
    return 1 if lost or found.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
