"""How fast the live panels of a lesson answer, in a real browser, and beside them `ipywidgets.interact`.

    python tools/bench_panels.py [notebook ...] [--moves 24]

Prints a Markdown table; tools/benchmark.py takes the same figures into BENCHMARK.md. A move is timed from the
key to the first frame after the new picture is loaded; all times are taken inside the page. The moves are
0.3 s apart, so that most of them interrupt a refinement. The fast moves come 20 at a time, 30 ms apart, as a
held key sends them.

The panel of `interact` is what a learner would write: the plain loop over the studies (tools/plain.py), a new
figure at every move, sliders of ipywidgets. It simulates one block of studies, as many as the first picture of
the live panel has at least, or fewer where these would take more than two seconds.
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
import plain
from live_lab import Browser, serve
from playwright.sync_api import TimeoutError

ROOT = Path(__file__).resolve().parent.parent
FAST = 20
PANEL = re.compile(r"^panel\(\s*(\w+)", re.MULTILINE)

WATCH = """panel => {
    const image = panel.querySelector('.stage img');
    const log = panel.bench = { keys: [], shown: {}, refined: {} };
    panel.addEventListener('keydown', () => log.keys.push(performance.now()), true);
    panel.addEventListener('change', event => {
        if (event.target.tagName === 'SELECT') log.keys.push(performance.now());
    }, true);
    const note = (list, turn) => requestAnimationFrame(() => { list[turn] ??= performance.now(); });
    image.addEventListener('load', () => {
        note(log.shown, image.dataset.turn);
        if (panel.dataset.state === 'refined') note(log.refined, image.dataset.turn);
    });
    // A setting without a picture is answered too.
    new MutationObserver(() => {
        if (!image.hidden) return;
        note(log.shown, panel.dataset.turn);
        note(log.refined, panel.dataset.turn);
    }).observe(panel, { attributes: true, attributeFilter: ['data-turn'] });
}"""

WATCH_OUTPUT = """area => {
    const log = area.bench = { keys: [], shown: [] };
    area.addEventListener('keydown', () => log.keys.push(performance.now()), true);
    new MutationObserver(changes => {
        for (const change of changes) for (const node of change.addedNodes) {
            const image = node.querySelector?.('img');
            image?.addEventListener('load', () => requestAnimationFrame(() => log.shown.push(performance.now())));
        }
    }).observe(area, { childList: true, subtree: true });
}"""

# Run before the panels' cells, it makes `panel` what a learner would write without this course.
INTERACT = """
import itertools
import sys
import time

import ipywidgets
import numpy as np
from IPython.display import display
from matplotlib import pyplot as plt

sys.path.append({tools!r})
import plain
import utils.explorable
from utils.experiments import Outcome

def interactive(experiment, draw, /, *, repeats=1000, seed=0, **controls):
    widgets, fixed = {{}}, {{}}
    for name, control in controls.items():
        if not hasattr(control, "values"):
            fixed[name] = control
            continue
        options = list(zip(control.texts, control.values))
        value = experiment.defaults[name] if control.value is None else control.value
        kind = ipywidgets.SelectionSlider if control.kind == "slider" else ipywidgets.Dropdown
        widgets[name] = kind(options=options, value=value, description=control.label)

    def show(**values):
        start, found = time.perf_counter(), []
        for study in plain.plain_studies(experiment.__name__, seed=seed, **fixed, **values):
            found.append(study)
            if time.perf_counter() - start > 2:
                break
        draws = {{name: np.array([study[name] for study in found]) for name in found[0]}}
        parameters = experiment.defaults | fixed | values
        figure = draw(Outcome(draws=draws, parameters=parameters, read=lambda *_: ""))
        display(figure)
        print(len(found), "studies")

    ipywidgets.interact(show, **widgets)

utils.explorable.panel = interactive
"""


def back_and_forth(at: int, last: int) -> Iterator[str]:
    """Keys that each move a slider by one position, from end to end and back."""
    step = 1 if at < last else -1
    while True:
        if not 0 <= at + step <= last:
            step = -step
        at += step
        yield "ArrowRight" if step > 0 else "ArrowLeft"


def bench_panel(page, panel, moves: int) -> dict[str, list[float]]:
    """Times in ms: "first" picture of each move, "lag" after fast moves, and until "refined"."""
    panel.scroll_into_view_if_needed()
    panel.evaluate(WATCH)
    sliders = panel.locator("input[type=range]").all()
    times = {"first": [], "lag": [], "refined": []}

    def turn():
        return int(panel.get_attribute("data-turn"))

    def press(slider, key):
        before = turn()
        slider.press(key)
        page.wait_for_function("([panel, turn]) => panel.bench.shown[turn]", arg=[panel.element_handle(), before + 1],
                               timeout=60_000)
        return panel.evaluate("(panel, turn) => panel.bench.shown[turn] - panel.bench.keys.at(-1)", before + 1)

    def keys(slider):
        return back_and_forth(int(slider.input_value()), int(slider.get_attribute("max")))

    def refined(turn):
        page.wait_for_function("([panel, turn]) => panel.bench.refined[turn]",
                               arg=[panel.element_handle(), turn], timeout=60_000)
        times["refined"].append(panel.evaluate("(panel, turn) => panel.bench.refined[turn] - panel.bench.keys.at(-1)", turn))

    for slider in sliders:
        slider.focus()
        for key in itertools.islice(keys(slider), -(-moves // len(sliders))):
            times["first"].append(press(slider, key))
            page.wait_for_timeout(300)
        before = turn()
        for key in itertools.islice(keys(slider), FAST):
            page.keyboard.press(key)
            page.wait_for_timeout(30)
        refined(before + FAST)
        times["lag"].append(panel.evaluate("(panel, turn) => panel.bench.shown[turn] - panel.bench.keys.at(-1)", before + FAST))
        for key in ("Home", "End"):  # the slowest settings are often there
            before, at = turn(), slider.input_value()
            slider.press(key)
            if slider.input_value() != at:
                refined(before + 1)
        panel.get_by_role("button", name="Reset").click()
        page.wait_for_timeout(300)
    for choice in panel.locator("select").all():
        for option in choice.locator("option").all():
            before, at = turn(), choice.input_value()
            if option.get_attribute("value") != at:
                choice.select_option(option.get_attribute("value"))
                refined(before + 1)
        panel.get_by_role("button", name="Reset").click()
        page.wait_for_timeout(300)
    page.wait_for_function("panel => panel.dataset.state === 'refined'", arg=panel.element_handle(), timeout=60_000)
    return times


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
            page.wait_for_function("([area, seen]) => area.bench.shown.length > seen",
                                   arg=[area.element_handle(), seen], timeout=30_000)
        except TimeoutError:  # no picture at all: an error in its place, or more than half a minute
            print(f"No picture of interact: {area.inner_text()[-300:]}", file=sys.stderr)
            break
        times.append(area.evaluate("area => area.bench.shown.at(-1) - area.bench.keys.at(-1)"))
        # The line below the picture comes after it.
        page.wait_for_function("area => /[0-9]+ studies/.test(area.innerText)", arg=area.element_handle(), timeout=30_000)
        studies.append(int(re.search(r"(\d+) studies", area.inner_text())[1]))
        page.wait_for_timeout(200)
    return times, studies


def panel_cells(notebook: Path) -> list:
    """The cells of a notebook that end in a panel."""
    return [cell for cell in nbformat.read(notebook, as_version=4).cells
            if cell.cell_type == "code" and PANEL.search(cell.source)]


def notebooks_with_panels() -> list[Path]:
    return [path for path in sorted((ROOT / "lessons").glob("*.ipynb")) if panel_cells(path)]


def panels(notebook: Path, moves: int = 24, slow_moves: int = 3) -> Iterator[dict]:
    """Measure every panel of a notebook, live and with `interact`.

    Yields a dict for each: "lesson", "number" and "experiment"; "first", "lag" and "refined", lists of ms; "repeats",
    the simulated studies of the refined picture; "interact", a list of ms, and "studies" behind its pictures. The
    last two are empty where there is no plain loop.
    """
    cells = panel_cells(notebook)
    found = [{"lesson": notebook.name[:2], "number": number, "experiment": PANEL.search(cell.source)[1],
              "interact": [], "studies": []} for number, cell in enumerate(cells, 1)]
    slow = [cell for cell, panel in zip(cells, found, strict=True) if panel["experiment"] in plain.PLAIN]
    with tempfile.TemporaryDirectory() as folder:
        prelude = nbformat.v4.new_code_cell(INTERACT.format(tools=str(ROOT / "tools")))
        for name, content in ("live", cells), ("interact", [prelude, *slow]):
            fresh = [nbformat.v4.new_code_cell(cell.source) for cell in content]
            metadata = nbformat.read(notebook, as_version=4).metadata
            nbformat.write(nbformat.v4.new_notebook(cells=fresh, metadata=metadata), Path(folder) / f"{name}.ipynb")
        with serve(Path(folder)) as address, Browser() as browser:
            live = browser.open(address, "live.ipynb")
            live.run_all(300)
            live.page.wait_for_timeout(500)
            for panel, element in zip(found, live.page.locator(".explorable").all(), strict=True):
                panel |= bench_panel(live.page, element, moves)
                status = element.locator(".status").inner_text()
                panel["repeats"] = int(re.match(r"\d+", status)[0])
            live.close()
            if slow:
                slowly = browser.open(address, "interact.ipynb")
                slowly.run_all(300)
                areas = slowly.page.locator(".jp-OutputArea:has(> .jp-OutputArea-child .widget-interact)").all()
                beside = [panel for panel in found if panel["experiment"] in plain.PLAIN]
                for panel, area in zip(beside, areas, strict=True):
                    panel["interact"], panel["studies"] = bench_interact(slowly.page, area, slow_moves)
                slowly.close()
    yield from found


def row(panel: dict) -> str:
    """A line of the table."""
    def spread(times):
        return f"{np.median(times):.0f} | {np.percentile(times, 95):.0f}"
    studies = f"{np.median(panel['interact']):.0f} ({np.median(panel['studies']):.0f})" if panel["interact"] else "–"
    return (f"| {panel['lesson']}.{panel['number']} | {panel['experiment']} | {spread(panel['first'])} | {spread(panel['lag'])} "
            f"| {panel['repeats']} | {spread(panel['refined'])} | {studies} |")


HEAD = """| panel | experiment | first picture, median | 95th percentile | after 20 fast moves, median | 95th percentile | studies | refined, median | 95th percentile | `interact` with the plain loop, median (studies) |
|-|-|-|-|-|-|-|-|-|-|"""


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
