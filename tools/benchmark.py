"""Measure how fast the course is, and write BENCHMARK.md: `make bench`.

    python tools/benchmark.py                       all parts, about forty minutes
    python tools/benchmark.py panels experiments    only these, the others stay as they stand in the page

Every part of the page says when and with what it was measured. The machine should have nothing else to do.
"""

import datetime
import functools
import importlib.metadata
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench_panels
import numpy as np
import plain
from nbclient import NotebookClient
from nbformat import read
from nbformat.v4 import new_code_cell
from threadpoolctl import threadpool_limits

from utils import experiments

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "BENCHMARK.md"
PACKAGES = ("numpy", "scipy", "scikit-learn", "matplotlib", "jupyterlab", "anywidget")

# To reach. First picture and refined picture in ms, memory in MB, ratio to the plain loop.
FIRST, REFINED, STUDIES, MEMORY, RATIO, LEAST_RATIO = 100, 2000, 1000, 350, 50, 10

# Experiments with a number of scans (or subjects) and a number of features, and settings that let both grow.
GROWING = {
    "selection_outside_folds": ("n_scans", [20, 40, 80, 160], "n_features", [250, 500, 1000, 2000], {}),
    "repeated_scans": ("n_subjects", [10, 20, 40, 80], "n_features", [25, 50, 100, 200], {}),
    "cross_validation_error": ("n_scans", [50, 100, 200, 400], "n_features", [5, 10, 20, 40], {"scheme": "5-fold"}),
    "wrong_labels": ("n_scans", [100, 200, 400, 800], "n_features", [5, 10, 20, 40], {}),
}


def verdict(reached: bool) -> str:
    return "reached" if reached else "**not reached**"


def panels() -> str:
    found = []
    for notebook in bench_panels.notebooks_with_panels():
        for panel in bench_panels.panels(notebook):
            found.append(panel)
            print(bench_panels.row(panel), flush=True)
    slow_first = [p for p in found if np.median(p["first"]) > FIRST]
    slow = [p for p in found if np.median(p["refined"]) > REFINED or p["repeats"] < STUDIES]
    every = {name: np.concatenate([p[name] for p in found]) for name in ("first", "lag", "refined")}

    def named(panels):
        return ", ".join(f"{p['lesson']}.{p['number']}" for p in panels) or "none"

    def spread(times):
        return f"median {np.median(times):.0f} ms, 95th percentile {np.percentile(times, 95):.0f} ms"

    return f"""Times in ms, in Chromium, with JupyterLab and its kernel on the same machine. *First picture*: from the key that moves a slider to the first frame with a picture of the new position, made of the few simulated studies that fit into that time. *After 20 fast moves*: the same after the last of 20 keys, 30 ms apart. *Refined*: from a key to the picture of all simulated studies; measured after the fast moves, at both ends of every slider and for every choice of every list. `interact`: what a learner would write without this course: the plain scikit-learn loop over one block of studies (or over what fits into two seconds), and a new figure at every move; it has no refined picture.

All panels: first picture {spread(every["first"])}; after 20 fast moves {spread(every["lag"])}; refined {spread(every["refined"])}.

- First picture at most {FIRST} ms in the median of every panel: {verdict(not slow_first)} (slower: {named(slow_first)}).
- {STUDIES} studies or more within {REFINED / 1000:.0f} s in the median of every panel: {verdict(not slow)} (slower, or fewer studies: {named(slow)}).

{bench_panels.HEAD}
""" + "\n".join(map(bench_panels.row, found))


def experiments_part() -> str:
    rows = []
    for row in plain.table():
        rows.append(row)
        print(row["name"], f"{row['ratio']:.0f}", flush=True)
    ratios = [row["ratio"] for row in rows]
    slow = [row["name"] for row in rows if row["ratio"] < LEAST_RATIO]
    lines = "\n".join(
        f"| {row['name']} | {row['block']} | {row['batched_per_second']:,.0f} | {row['plain_per_second']:,.1f} "
        f"| {row['ratio']:.0f} | {row['difference']:.1g} | {row['studies']} |" for row in rows)
    return f"""Simulated studies per second of processor time (one thread), with each experiment's own settings: the batched form of `utils/experiments.py` (and of `utils/review.py`, for lesson 07) against the same studies analysed one by one with scikit-learn (`tools/plain.py`). *Difference*: the largest absolute difference between any two results of the two forms, over as many studies as the plain loop analysed.

- At least {RATIO} times the plain loop in the median: {verdict(statistics.median(ratios) >= RATIO)} ({statistics.median(ratios):.0f} times).
- Never below {LEAST_RATIO} times: {verdict(not slow)} (least {min(ratios):.0f} times{"; below: " + ", ".join(slow) if slow else ""}).

| experiment | block | batched, per second | plain, per second | ratio | difference | studies compared |
|-|-|-|-|-|-|-|
{lines}"""


def processor_time(run, seconds: float = 0.5) -> float:
    """Median processor time of calls of `run`, after a warm-up."""
    run()
    times = []
    while sum(times) < seconds or len(times) < 3:
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times)


def exponent(sizes, times) -> float:
    return np.polyfit(np.log(sizes), np.log(times), 1)[0]


def growth() -> str:
    lines = []
    with threadpool_limits(1):
        for name, (n, scans, p, features, fixed) in GROWING.items():
            run = functools.partial(getattr(experiments, name), **fixed)
            found = []
            for parameter, sizes in ((n, scans), (p, features)):
                times = [processor_time(functools.partial(run, repeats=100, **{parameter: size})) for size in sizes]
                found.append(f"{exponent(sizes, times):.2f} ({sizes[0]} to {sizes[-1]})")
            counts = [100, 300, 1000, 3000]
            times = [processor_time(functools.partial(run, repeats=count), 0) for count in counts]
            lines.append(f"| {name} | {exponent(counts, times):.2f} | {found[0]} | {found[1]} |")
            print(lines[-1], flush=True)
    return """How processor time grows, fitted as a power: 1 is proportional, 2 quadratic, and below 1 there is a part that does not grow. Repeats from 100 to 3000.

| experiment | with repeats | with scans or subjects | with features |
|-|-|-|-|
""" + "\n".join(lines)


def children_time() -> float:
    """Processor time of all processes that this one has waited for."""
    times = os.times()
    return times.children_user + times.children_system


def start_and_memory() -> str:
    seconds = {}
    for modules in ("utils.experiments", "utils.explorable, utils.experiments, utils.figures", "utils.checks", "utils.audit"):
        taken = []
        for _ in range(5):
            start = children_time()
            subprocess.run([sys.executable, "-c", f"import {modules}"], check=True, cwd=ROOT)
            taken.append(children_time() - start)
        seconds[modules] = statistics.median(taken)
        print(modules, f"{seconds[modules]:.1f}", flush=True)
    lines, worst = [], 0
    for notebook in sorted((ROOT / "lessons").glob("*.ipynb")):
        client = NotebookClient(read(notebook, as_version=4), timeout=600, resources={"metadata": {"path": str(notebook.parent)}})
        ask = "import psutil, time\nme = psutil.Process()\nprint(me.memory_info().rss, me.memory_full_info().uss, time.process_time())"
        with client.setup_kernel():
            for number, cell in enumerate(client.nb.cells):
                if cell.cell_type == "code":
                    client.execute_cell(cell, number)
            client.nb.cells.append(asking := new_code_cell(ask))
            client.execute_cell(asking, len(client.nb.cells) - 1)
        resident, own, taken = map(float, asking.outputs[0].text.split())
        resident, own = resident / 1e6, own / 1e6
        worst = max(worst, resident)
        lines.append(f"| {notebook.stem} | {taken:.0f} s | {resident:.0f} MB | {own:.0f} MB |")
        print(lines[-1], flush=True)
    imports = "\n".join(f"| `import {modules}` | {taken:.1f} s |" for modules, taken in seconds.items())
    return f"""A new Python that imports, and ends: processor time, median of five.

| | |
|-|-|
{imports}

A kernel after each lesson, run from top to bottom. *Resident* counts what the kernel shares with other processes in full; *its own* is what one more kernel adds.

- At most {MEMORY} MB per learner: {verdict(worst <= MEMORY)} (most {worst:.0f} MB).

| lesson | processor time | resident | its own |
|-|-|-|-|
{chr(10).join(lines)}"""


def setup_and_tests() -> str:
    lines = []
    with tempfile.TemporaryDirectory(prefix="a clone ") as folder:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        # The base Python, as a new user has it: this one's environment must not be found.
        base = Path(sys.base_prefix) / "bin/python3"
        free = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        for text, command in (("set-up, with the download", "setup"), ("set-up again", "setup"), ("all tests", "test")):
            start = time.perf_counter()
            done = subprocess.run([base, "tools/course.py", command], cwd=folder, env=free, text=True, capture_output=True)
            taken = time.perf_counter() - start
            counts = "; ".join(re.findall(r"=+ ([\w, ]*passed[\w, ]*?) in ", done.stdout))
            outcome = ("" if done.returncode == 0 else " **failed**") + (f" ({counts})" if counts else "")
            lines.append(f"| {text} | {f'{taken:.0f} s' if taken < 100 else f'{taken / 60:.1f} min'}{outcome} |")
            print(lines[-1], flush=True)
            if done.returncode:
                print(done.stdout, done.stderr, flush=True)
    return "In a fresh clone, with the base Python. *Set-up* installs the course and its test tools.\n\n| | |\n|-|-|\n" + "\n".join(lines)


PARTS = {
    "panels": ("Panels in the browser", panels),
    "experiments": ("Experiments against the plain loop", experiments_part),
    "growth": ("Growth", growth),
    "memory": ("Imports and memory", start_and_memory),
    "setup": ("Set-up and tests", setup_and_tests),
}
INTRODUCTION = """# How fast the course is

Made by `make bench`, not typed. What twenty learners on one server get stands in [LOAD.md](LOAD.md).
"""


def measured() -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return (f"*Measured on {datetime.date.today().isoformat()}: {os.cpu_count()} cores, {platform.system()}, "
            f"Python {platform.python_version()}, {versions}.*")


def parts_of(page: str) -> dict[str, str]:
    """The parts that stand in a page, by their titles."""
    return {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in re.split(r"^## ", page, flags=re.MULTILINE)[1:]}


def main(wanted):
    if unknown := set(wanted) - set(PARTS):
        sys.exit(f"There is no part {', '.join(sorted(unknown))}. The parts are {', '.join(PARTS)}.")
    for name in wanted or PARTS:
        title, measure = PARTS[name]
        print(f"{title}:", flush=True)
        text = f"{measured()}\n\n{measure()}"
        parts = parts_of(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
        parts[title] = text
        page = "\n".join([INTRODUCTION, *(f"## {title}\n\n{parts[title]}\n" for title, _ in PARTS.values() if title in parts)])
        PAGE.write_text(page, encoding="utf-8")
    print(f"Written: {PAGE.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
