"""How fast the live panels of a lesson answer, in a real browser, and beside them `ipywidgets.interact`.

    python tools/bench_panels.py [notebook ...] [--moves 24]

Prints a Markdown table; tools/benchmark.py takes the same figures into BENCHMARK.md. A move is timed from the
key to the first frame after the new picture is drawn; all times are taken inside the page. The moves are 0.3
s apart, so that most of them interrupt a refinement. The fast moves come 20 at a time, 30 ms apart, as a held
key sends them.

The panel of `interact` is what a learner would write: one study after the other with scikit-learn (the
description's `one`), a new figure at every move, sliders of ipywidgets. It simulates one block of studies, as
many as the first picture of the live panel has at least, or fewer where these would take more than two
seconds.
"""

import argparse
import itertools
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
from live_lab import Browser, serve
from playwright.sync_api import TimeoutError

ROOT = Path(__file__).resolve().parent.parent
FAST = 20
PATIENCE = 60_000  # ms
PANEL = re.compile(r"^panel\(\s*(\w+)", re.MULTILINE)

WATCH = Path(__file__).with_name("watch_panel.js").read_text(encoding="utf-8")
WATCH_OUTPUT = Path(__file__).with_name("watch_output.js").read_text(encoding="utf-8")

# Run before the panels' cells, it makes `panel` what a learner would write without this course.
INTERACT = """
import time

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

import utils.panel

original = utils.panel.panel

def interactive(run, /, *, seed=0, repeats=1, guess=None, **given):
    live = original(run, seed=seed, **given | {"repeats": 1})
    widgets = {}
    for name, control in live.moved.items():
        options = list(zip(control.texts, control.values))
        value = control.values[live.position["at"][name]]
        kind = ipywidgets.SelectionSlider if control.kind == "slider" else ipywidgets.Dropdown
        widgets[name] = kind(options=options, value=value, description=control.label)

    def show(**values):
        start, found, p = time.perf_counter(), [], run.checked(live.fixed | values)
        for study in run.plain(p, seed):
            found.append(study)
            if time.perf_counter() - start > 2:
                break
        draws = {name: np.array([study[name] for study in found]) for name in found[0]}
        # One histogram for every draw that is one number a study: what a learner would draw.
        plain = {name: values for name, values in draws.items() if values.ndim == 1 and len(values)}
        figure, axes = plt.subplots(max(len(plain), 1), sharex=True, squeeze=False)
        for one, (name, values) in zip(axes[:, 0], plain.items()):
            one.hist(values, bins=20)
            one.set_ylabel(name)
        plt.show()
        print(len(found), "studies")

    ipywidgets.interact(show, **widgets)

utils.panel.panel = interactive
"""


def back_and_forth(at: int, last: int) -> Iterator[str]:
    """Keys that each move a slider by one position, from end to end and back."""
    step = 1 if at < last else -1
    while True:
        if not 0 <= at + step <= last:
            step = -step
        at += step
        yield "ArrowRight" if step > 0 else "ArrowLeft"


class LivePanel:
    """A panel in a page. `times` are in ms: "first" picture of a move, "lag" after fast moves, "refined"."""

    def __init__(self, page, panel):
        self.page, self.panel = page, panel
        self.times = {"first": [], "lag": [], "refined": []}
        panel.scroll_into_view_if_needed()
        show = panel.get_by_role("button", name="Show me")
        if show.is_visible():  # instead of a guess
            show.click()
            page.wait_for_timeout(1000)
        panel.evaluate(WATCH)

    def turn(self) -> int:
        return int(self.panel.get_attribute("data-turn"))

    def inputs(self) -> int:
        """Moves so far: keys that a slider at its end, or stopped by another one, has not taken are none."""
        return self.panel.evaluate("panel => panel.bench.inputs")

    def seconds_to(self, what: str, turn: int) -> float:
        """Wait until a position is "shown" or "refined"; ms since the last key."""
        at = [self.panel.element_handle(), what, turn]
        self.page.wait_for_function(
            "([panel, what, turn]) => panel.bench[what][turn]", arg=at, timeout=PATIENCE
        )
        return self.panel.evaluate(
            "(panel, [what, turn]) => panel.bench[what][turn] - panel.bench.keys.at(-1)", [what, turn]
        )

    def note_refined(self, turn: int) -> None:
        self.times["refined"].append(self.seconds_to("refined", turn))

    def reset(self) -> None:
        before = self.turn()
        self.panel.get_by_role("button", name="Reset").click()
        self.seconds_to("shown", before + 1)
        self.page.wait_for_timeout(300)

    def move_slider(self, slider, moves: int) -> None:
        """Single moves, fast ones, and a move to both ends, where the slowest settings often are."""

        def keys(count):
            at, last = int(slider.input_value()), int(slider.get_attribute("max"))
            return itertools.islice(back_and_forth(at, last), count)

        if slider.is_disabled():  # another setting has made it one that does nothing
            return
        slider.focus()
        for key in keys(moves):
            before, inputs = self.turn(), self.inputs()
            slider.press(key)
            if self.inputs() > inputs:
                self.times["first"].append(self.seconds_to("shown", before + 1))
            self.page.wait_for_timeout(300)
        last = self.turn() - self.inputs()
        for key in keys(FAST):
            self.page.keyboard.press(key)
            self.page.wait_for_timeout(30)
        last += self.inputs()
        self.note_refined(last)
        self.times["lag"].append(self.seconds_to("shown", last))
        for key in ("Home", "End"):
            before, inputs = self.turn(), self.inputs()
            slider.press(key)
            if self.inputs() > inputs:
                self.note_refined(before + 1)
        self.reset()

    def choose(self, choice) -> None:
        """Every option of a list."""
        for option in choice.locator("option").all():
            before, at = self.turn(), choice.input_value()
            if option.get_attribute("value") != at:
                choice.select_option(option.get_attribute("value"))
                self.note_refined(before + 1)
        self.reset()

    def measure(self, moves: int) -> dict[str, list[float] | int]:
        """The times of all moves, and the number of simulated studies ("repeats")."""
        sliders = self.panel.locator(".settings input[type=range]").all()
        for slider in sliders:
            self.move_slider(slider, -(-moves // len(sliders)))
        for choice in self.panel.locator("select").all():
            self.choose(choice)
        self.page.wait_for_function(
            "panel => panel.dataset.state === 'refined'", arg=self.panel.element_handle(), timeout=PATIENCE
        )
        status = self.panel.locator(".status").inner_text()
        return self.times | {"repeats": int(re.match(r"\d+", status)[0])}


def bench_interact(page, area, moves: int) -> tuple[list[float], list[int]]:
    """Times in ms from a key to the new picture, and the studies behind each of the pictures."""
    area.scroll_into_view_if_needed()
    area.evaluate(WATCH_OUTPUT)
    times, studies = [], []
    handle = area.locator(".noUi-handle").first
    handle.focus()
    ways = ["ArrowRight", "ArrowLeft"]
    if handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax"):
        ways.reverse()
    for key in itertools.islice(itertools.cycle(ways), moves):
        seen = area.evaluate("area => area.bench.shown.length")
        handle.press(key)
        try:
            page.wait_for_function(
                "([area, seen]) => area.bench.shown.length > seen",
                arg=[area.element_handle(), seen],
                timeout=PATIENCE / 2,
            )
        except TimeoutError:  # no picture at all: an error in its place, or more than half a minute
            print(f"No picture of interact: {area.inner_text()[-300:]}", file=sys.stderr)
            break
        times.append(area.evaluate("area => area.bench.shown.at(-1) - area.bench.keys.at(-1)"))
        # The line below the picture comes after it.
        page.wait_for_function(
            "area => /[0-9]+ studies/.test(area.innerText)", arg=area.element_handle(), timeout=PATIENCE / 2
        )
        studies.append(int(re.search(r"(\d+) studies", area.inner_text())[1]))
        page.wait_for_timeout(200)
    return times, studies


def panel_cells(notebook: Path) -> list:
    """The cells of a notebook that end in a panel."""
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code" and PANEL.search(cell.source)]


def panel_names(notebook: Path) -> list[str]:
    """The simulations of its panels."""
    return [PANEL.search(cell.source)[1] for cell in panel_cells(notebook)]


def notebooks_with_panels() -> list[Path]:
    return [path for path in sorted((ROOT / "lessons").glob("*.ipynb")) if panel_cells(path)]


def write_notebook(path: Path, like: Path, sources: list[str]) -> None:
    """A notebook of these cells, with the metadata of another."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    metadata = nbformat.read(like, as_version=4).metadata
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)


def panels(notebook: Path, moves: int = 24, slow_moves: int = 3) -> Iterator[dict]:
    """Measure every panel of a notebook, live and with `interact`.

    Yields a dict for each: "lesson", "number" and "simulation"; "first", "lag" and "refined", lists of ms;
    "repeats", the simulated studies of the refined picture; "interact", a list of ms, and "studies" behind
    its pictures.
    """
    sources, found = [cell.source for cell in panel_cells(notebook)], []
    with tempfile.TemporaryDirectory() as folder:
        write_notebook(Path(folder) / "live.ipynb", notebook, sources)
        write_notebook(Path(folder) / "interact.ipynb", notebook, [INTERACT, *sources])
        with serve(Path(folder)) as address, Browser() as browser:
            live = browser.open(address, "live.ipynb")
            live.run_all(300)
            live.page.wait_for_timeout(500)
            for element in live.page.locator(".explorable").all():
                found.append(LivePanel(live.page, element).measure(moves))
            live.close()
            slow = browser.open(address, "interact.ipynb")
            slow.run_all(300)
            areas = slow.page.locator(".jp-OutputArea:has(> .jp-OutputArea-child .widget-interact)").all()
            beside = [bench_interact(slow.page, area, slow_moves) for area in areas]
            slow.close()
    for number, (name, panel, (interact, studies)) in enumerate(
        zip(panel_names(notebook), found, beside, strict=True), 1
    ):
        head = {"lesson": notebook.name[:2], "number": number, "simulation": name}
        yield head | panel | {"interact": interact, "studies": studies}


def row(panel: dict) -> str:
    """A line of the table."""
    cells = [f"{panel['lesson']}.{panel['number']}", panel["simulation"]]
    for times in (panel["first"], panel["lag"], panel["refined"]):
        cells += [f"{np.median(times):.0f}", f"{np.percentile(times, 95):.0f}"]
    cells.insert(6, str(panel["repeats"]))
    slow = "–"
    if panel["interact"]:
        slow = f"{np.median(panel['interact']):.0f} ({np.median(panel['studies']):.0f})"
    return f"| {' | '.join([*cells, slow])} |"


COLUMNS = (
    "panel",
    "simulation",
    "first picture, median",
    "95th percentile",
    "after 20 fast moves, median",
    "95th percentile",
    "studies",
    "refined, median",
    "95th percentile",
    "`interact` with the plain loop, median (studies)",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'-|' * len(COLUMNS)}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("notebooks", nargs="*", type=Path, help="by default all lessons")
    arguments.add_argument("--moves", type=int, default=24, help="single moves per panel")
    arguments = arguments.parse_args()
    print(HEAD)
    for notebook in arguments.notebooks or notebooks_with_panels():
        for panel in panels(notebook.resolve(), arguments.moves):
            print(row(panel), flush=True)


if __name__ == "__main__":
    main()
