"""Measure how fast the course is, and write BENCHMARK.md: `make bench`.

    python tools/benchmark.py                       all parts, about forty minutes
    python tools/benchmark.py panels simulations    only these, the others stay as they stand in the page

Every part of the page says when and with what it was measured; its text stands in pages/benchmark.md. The
machine should have nothing else to do.
"""

import datetime
import functools
import importlib
import importlib.metadata
import itertools
import os
import pkgutil
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import bench_panels
import numpy as np
from nbclient import NotebookClient
from nbformat import read
from nbformat.v4 import new_code_cell
from threadpoolctl import threadpool_limits

import simulations as rooms
from utils.simulation import Simulation

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "BENCHMARK.md"
TEXT = Path(__file__).with_name("pages") / "benchmark.md"
PACKAGES = ("numpy", "scipy", "scikit-learn", "matplotlib", "jupyterlab", "anywidget")

# To reach. First picture and refined picture in ms, memory in MB, ratio to the plain loop.
FIRST, REFINED, MEMORY, RATIO, LEAST_RATIO = 50, 2000, 350, 50, 10
OFTEN = 75  # ms in 95 of 100 moves

# Simulations with a number of scans (or subjects) and of features, and settings that let both grow.
GROWING = {
    "selection_outside_folds": {"n_scans": [20, 40, 80, 160], "n_features": [250, 500, 1000, 2000]},
    "repeated_scans": {"n_subjects": [10, 20, 40, 80], "n_features": [25, 50, 100, 200]},
    "cross_validation_error": {"n_scans": [50, 100, 200, 400], "n_features": [5, 10, 20, 40]},
    "wrong_labels": {"n_scans": [100, 200, 400, 800], "n_features": [5, 10, 20, 40]},
}


def simulations() -> dict[str, Simulation]:
    """All simulations by name, in the order of the panels; those without a panel come last."""
    found = {}
    for room in pkgutil.iter_modules(rooms.__path__, "simulations."):
        module = importlib.import_module(room.name)
        own = (one for one in vars(module).values() if isinstance(one, Simulation))
        found |= {one.__name__: one for one in own if one.__module__ == module.__name__}
    notebooks = bench_panels.notebooks_with_panels()
    order = [name for notebook in notebooks for name in bench_panels.panel_names(notebook)]
    return {name: found[name] for name in dict.fromkeys([*order, *found]) if name in found}


def verdict(reached: bool) -> str:
    return "reached" if reached else "**not reached**"


def shown(lines: Iterator[str]) -> list[str]:
    """Lines of a table, printed as they come."""
    kept = []
    for line in lines:
        print(line, flush=True)
        kept.append(line)
    return kept


# Panels


def panels() -> dict:
    """Fields of the part on panels."""
    found = []
    for notebook in bench_panels.notebooks_with_panels():
        for panel in bench_panels.panels(notebook):
            found.append(panel)
            print(bench_panels.row(panel), flush=True)
    slow_first = [panel for panel in found if np.median(panel["first"]) > FIRST]
    slow = [panel for panel in found if np.median(panel["refined"]) > REFINED]
    often = np.percentile(np.concatenate([panel["first"] for panel in found]), 95)

    def spread(name):
        times = np.concatenate([panel[name] for panel in found])
        return f"median {np.median(times):.0f} ms, 95th percentile {np.percentile(times, 95):.0f} ms"

    def named(panels):
        return ", ".join(f"{panel['lesson']}.{panel['number']}" for panel in panels) or "none"

    return {name: spread(name) for name in ("first", "lag", "refined")} | {
        "first_aim": FIRST,
        "first_verdict": verdict(not slow_first),
        "often_aim": OFTEN,
        "often_verdict": verdict(often <= OFTEN),
        "first_slower": named(slow_first),
        "refined_aim": REFINED / 1000,
        "refined_verdict": verdict(not slow),
        "refined_slower": named(slow),
        "table": "\n".join([bench_panels.HEAD, *map(bench_panels.row, found)]),
    }


# Simulations


def differences(block: dict, found: list[dict]) -> float:
    """The largest absolute difference between a block and its first studies one by one.

    A block may hold draws that no single study has, such as an analysis of variance over the studies.
    """
    largest = 0.0
    for name in found[0]:
        if name not in block:
            raise ValueError(f"The draw {name!r} is in one form only; the other has {sorted(block)}.")
        fast, plain = block[name][: len(found)], np.stack([study[name] for study in found])
        if fast.shape != plain.shape:
            raise ValueError(f"The draw {name!r} has shapes {fast.shape} and {plain.shape}.")
        largest = np.max([largest, np.abs(fast - plain).max()])  # not max(), which loses a NaN
    return float(largest)


def processor_times(steps: Iterator) -> Iterator[tuple[float, object]]:
    """The seconds of processor time that each step of an iterator took, and what it gave."""
    start = time.process_time()
    for step in steps:
        yield time.process_time() - start, step
        start = time.process_time()


def until(steps: Iterator, seconds: float, least: int) -> tuple[list[float], list]:
    """Times and results of the steps of an iterator that fit into some seconds, and at least so many."""
    times, results = [], []
    for taken, result in processor_times(steps):
        times.append(taken)
        results.append(result)
        if len(times) >= least and sum(times) >= seconds:
            break
    return times, results


def compare(run: Simulation, seconds: float = 2.0, *, seed: int = 0, **given) -> dict:
    """Time a simulation in both forms, with one BLAS thread, and compare what they find.

    Parameters
    ----------
    run : Simulation
    seconds : float
        Measure each form for about so long (at least five blocks, and four studies of the plain loop).
    seed : int
    **given
        Settings; by default its own.

    Returns
    -------
    dict
        "name"; "block" (studies per block); "batched_per_second" and "plain_per_second" (studies per second
        of processor time, which other programs disturb little: by the median time of a block, and by the
        median time of a study together with its share of the drawing); "ratio"; "difference" (largest
        absolute difference of any draw over the studies that the plain loop analysed) and "studies" (how
        many).
    """
    p = run.checked(given)

    def one_by_one():
        for number in itertools.count():
            yield from run.plain(p, seed, number)

    with threadpool_limits(1):
        run.block_of(p, seed)  # a warm-up, as the next line for the plain loop
        next(run.plain(p, seed))
        times, blocks = until((run.block_of(p, seed, number) for number in itertools.count()), seconds, 5)
        drawing, _ = until((run.recruited(p, seed, number) for number in itertools.count()), 0, 5)
        studies, found = until(itertools.islice(one_by_one(), len(blocks) * run.block), seconds, 4)
    parts = [found[at : at + run.block] for at in range(0, len(found), run.block)]
    worst = np.max([differences(block, part) for block, part in zip(blocks, parts, strict=False)])
    batched = run.block / np.median(times)
    # The first study of a block holds the drawing of all of them: the median leaves it out.
    plain = 1 / (np.median(studies) + np.median(drawing) / run.block)
    return {
        "name": run.__name__,
        "block": run.block,
        "batched_per_second": float(batched),
        "plain_per_second": float(plain),
        "ratio": float(batched / plain),
        "difference": float(worst),
        "studies": len(found),
    }


def compared() -> dict:
    """Fields of the part on simulations."""
    rows = []

    def lines():
        for run in simulations().values():
            rows.append(row := compare(run))
            yield (
                f"| {row['name']} | {row['block']} | {row['batched_per_second']:,.0f} "
                f"| {row['plain_per_second']:,.1f} | {row['ratio']:.0f} | {row['difference']:.1g} "
                f"| {row['studies']} |"
            )

    table = shown(lines())
    ratios = [row["ratio"] for row in rows]
    slow = [row["name"] for row in rows if row["ratio"] < LEAST_RATIO]
    return {
        "aim": RATIO,
        "median": statistics.median(ratios),
        "verdict": verdict(statistics.median(ratios) >= RATIO),
        "least_aim": LEAST_RATIO,
        "least": min(ratios),
        "least_verdict": verdict(not slow),
        "below": f"; below: {', '.join(slow)}" if slow else "",
        "table": "\n".join(table),
    }


# Growth


def processor_time(run, seconds: float = 0.5) -> float:
    """Median processor time of calls of `run`, after a warm-up."""
    run()
    return statistics.median(until(iter(run, None), seconds, 3)[0])


def exponent(sizes, times) -> float:
    return np.polyfit(np.log(sizes), np.log(times), 1)[0]


def growth() -> dict:
    """Fields of the part on growth."""

    def lines():
        for name, growing in GROWING.items():
            run = simulations()[name]
            counts = [100, 300, 1000, 3000]
            times = [processor_time(functools.partial(run, repeats=count), 0) for count in counts]
            cells = [name, f"{exponent(counts, times):.2f}"]
            for parameter, sizes in growing.items():
                calls = [functools.partial(run, repeats=100, **{parameter: size}) for size in sizes]
                power = exponent(sizes, list(map(processor_time, calls)))
                cells.append(f"{power:.2f} ({sizes[0]} to {sizes[-1]})")
            yield f"| {' | '.join(cells)} |"

    with threadpool_limits(1):
        return {"table": "\n".join(shown(lines()))}


# Imports and memory

IMPORTS = (
    "simulations.cross_validation_pitfalls",
    "utils.panel",
    "checks.cross_validation_pitfalls",
    "audit",
)
ASK = (
    "import psutil, time\nme = psutil.Process()\n"
    "print(me.memory_info().rss / 1e6, me.memory_full_info().uss / 1e6, time.process_time())"
)


def children_time() -> float:
    """Processor time of all processes that this one has waited for."""
    times = os.times()
    return times.children_user + times.children_system


def import_time(module: str) -> float:
    """Processor time of a new Python that imports a module."""
    taken = []
    for _ in range(5):
        start = children_time()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True, cwd=ROOT)
        taken.append(children_time() - start)
    return statistics.median(taken)


def kernel_after(notebook: Path) -> tuple[float, float, float]:
    """Memory in MB, resident and its own, and processor time in seconds of a kernel that has run a
    notebook."""
    where = {"metadata": {"path": str(notebook.parent)}}
    client = NotebookClient(read(notebook, as_version=4), timeout=600, resources=where)
    client.nb.cells.append(asking := new_code_cell(ASK))
    with client.setup_kernel():
        for number, cell in enumerate(client.nb.cells):
            if cell.cell_type == "code":
                client.execute_cell(cell, number)
    return tuple(map(float, asking.outputs[0].text.split()))


def imports_and_memory() -> dict:
    """Fields of the part on imports and memory."""
    resident = []

    def lines():
        for notebook in sorted((ROOT / "lessons").glob("*.ipynb")):
            memory, own, taken = kernel_after(notebook)
            resident.append(memory)
            yield f"| {notebook.stem} | {taken:.0f} s | {memory:.0f} MB | {own:.0f} MB |"

    imports = shown(f"| `import {module}` | {import_time(module):.1f} s |" for module in IMPORTS)
    table = shown(lines())
    return {
        "imports": "\n".join(imports),
        "aim": MEMORY,
        "verdict": verdict(max(resident) <= MEMORY),
        "most": max(resident),
        "table": "\n".join(table),
    }


# Set-up and tests


def setup_and_tests() -> dict:
    """Fields of the part on the set-up, in a fresh clone."""
    # The base Python, as a new user has it: this one's environment must not be found.
    base = Path(sys.base_prefix) / "bin/python3"
    free = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def lines(folder):
        steps = (("set-up, with the download", "setup"), ("set-up again", "setup"), ("all tests", "test"))
        for text, command in steps:
            start = time.perf_counter()
            done = subprocess.run(
                [base, "tools/course.py", command], cwd=folder, env=free, text=True, capture_output=True
            )
            taken = time.perf_counter() - start
            counts = "; ".join(re.findall(r"=+ ([\w, ]*passed[\w, ]*?) in ", done.stdout))
            outcome = ("" if done.returncode == 0 else " **failed**") + (f" ({counts})" if counts else "")
            if done.returncode:
                print(done.stdout, done.stderr, flush=True)
            yield f"| {text} | {f'{taken:.0f} s' if taken < 100 else f'{taken / 60:.1f} min'}{outcome} |"

    with tempfile.TemporaryDirectory(prefix="a clone ") as folder:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        return {"table": "\n".join(shown(lines(folder)))}


# The page

PARTS = {
    "panels": ("Panels in the browser", panels),
    "simulations": ("Simulations against the plain loop", compared),
    "growth": ("Growth", growth),
    "memory": ("Imports and memory", imports_and_memory),
    "setup": ("Set-up and tests", setup_and_tests),
}


def measured() -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return (
        f"*Measured on {datetime.date.today().isoformat()}: {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}.*"
    )


def parts_of(page: str) -> dict[str, str]:
    """The parts that stand in a page, by their titles."""
    parts = [part.partition("\n") for part in re.split(r"^## ", page, flags=re.MULTILINE)[1:]]
    return {title: text.strip() for title, _, text in parts}


def main(wanted):
    if unknown := set(wanted) - set(PARTS):
        sys.exit(f"There is no part {', '.join(sorted(unknown))}. The parts are {', '.join(PARTS)}.")
    template = TEXT.read_text(encoding="utf-8")
    for name in wanted or PARTS:
        title, measure = PARTS[name]
        print(f"{title}:", flush=True)
        parts = parts_of(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
        parts[title] = f"{measured()}\n\n{parts_of(template)[title].format(**measure())}"
        there = [f"## {title}\n\n{parts[title]}\n" for title in parts_of(template) if title in parts]
        PAGE.write_text("\n".join([template.partition("## ")[0].strip() + "\n", *there]), encoding="utf-8")
    print(f"Written: {PAGE.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
