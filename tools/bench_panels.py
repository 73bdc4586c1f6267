"""How fast the live panels of a lesson answer, in a real browser: `make bench`.

    python tools/bench_panels.py [notebook] [--moves 36]

Prints a Markdown table. A move is timed from the key to the first frame after the new picture is loaded;
all times are taken inside the page. The moves are 0.3 s apart, so that most of them interrupt a
refinement. The fast moves come 20 at a time, 30 ms apart, as a held key sends them.
"""

import argparse
import itertools
import platform
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil
from live_lab import Browser, serve

ROOT = Path(__file__).resolve().parent.parent
FAST = 20

WATCH = """panel => {
    const image = panel.querySelector('.stage img');
    const log = panel.bench = { keys: [], shown: {}, refined: {} };
    panel.addEventListener('keydown', () => log.keys.push(performance.now()), true);
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


def bench_panel(page, panel, moves):
    """Answer times, lags after fast moves and times to the refined picture, in ms."""
    panel.evaluate(WATCH)
    sliders = panel.locator("input[type=range]").all()
    answers, lags, refined = [], [], []

    def turn():
        return int(panel.get_attribute("data-turn"))

    def settle():
        page.wait_for_function("panel => panel.dataset.state === 'refined'", arg=panel.element_handle(), timeout=60_000)
        page.wait_for_timeout(100)

    def press(slider, key):
        """A key that moves the slider; times of the press and of what it brought."""
        before = turn()
        slider.press(key)
        page.wait_for_function("([panel, turn]) => panel.bench.shown[turn]", arg=[panel.element_handle(), before + 1],
                               timeout=60_000)
        return panel.evaluate("(panel, turn) => panel.bench.shown[turn] - panel.bench.keys.at(-1)", before + 1)

    def back_and_forth(slider):
        """Keys that each move the slider, from end to end and back."""
        at, last = int(slider.input_value()), int(slider.get_attribute("max"))
        step = 1 if at < last else -1
        while True:
            if not 0 <= at + step <= last:
                step = -step
            at += step
            yield "ArrowRight" if step > 0 else "ArrowLeft"

    for slider in sliders:
        slider.focus()
        for key in itertools.islice(back_and_forth(slider), -(-moves // len(sliders))):
            answers.append(press(slider, key))
            page.wait_for_timeout(300)
        settle()
        before = turn()
        for key in itertools.islice(back_and_forth(slider), FAST):
            page.keyboard.press(key)
            page.wait_for_timeout(30)
        page.wait_for_function("([panel, turn]) => panel.bench.refined[turn]",
                               arg=[panel.element_handle(), before + FAST], timeout=60_000)
        last = panel.evaluate("""(panel, turn) => {
            const key = panel.bench.keys.at(-1);
            return [panel.bench.shown[turn] - key, panel.bench.refined[turn] - key];
        }""", before + FAST)
        lags.append(last[0])
        refined.append(last[1])
        panel.get_by_role("button", name="Reset").click()
        page.wait_for_timeout(200)
        settle()
    return answers, lags, refined


def kernel_memory():
    """Resident memory, in MB, of the kernels that this process has started."""
    found = [p for p in psutil.Process().children(recursive=True) if any("ipykernel" in part for part in p.cmdline())]
    return max((p.memory_info().rss for p in found), default=0) / 1e6


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("notebook", nargs="?", help="by default the lesson on cross-validation pitfalls")
    arguments.add_argument("--moves", type=int, default=36, help="single moves per panel")
    arguments = arguments.parse_args()
    if arguments.notebook:
        notebook = Path(arguments.notebook).resolve()
    else:
        notebook = next(iter(sorted((ROOT / "lessons").glob("05_*.ipynb"))), None)
    if notebook is None or not notebook.exists():
        sys.exit("There is no lesson 05 yet; name another notebook.")
    # A copy is served, because JupyterLab saves what it shows.
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as address, Browser() as browser:
        shutil.copy(notebook, folder)
        opened = browser.open(address, notebook.name)
        opened.run_all(300)
        panels = opened.page.locator(".explorable").all()
        if not panels:
            sys.exit(f"{notebook.name} has no panel.")
        print(f"{notebook.name}, {psutil.cpu_count()} cores, Python {platform.python_version()}\n")
        print("| panel | key to picture, median | 95th percentile | after 20 fast moves, worst "
              "| refined, median | worst |")
        print("|-|-|-|-|-|-|")
        for number, panel in enumerate(panels, 1):
            answers, lags, refined = bench_panel(opened.page, panel, arguments.moves)
            figures = (np.median(answers), np.percentile(answers, 95), max(lags), np.median(refined), max(refined))
            print(f"| {number} |", " | ".join(f"{value:.0f} ms" for value in figures), "|", flush=True)
        print(f"\nMemory of the kernel: {kernel_memory():.0f} MB")


if __name__ == "__main__":
    main()
