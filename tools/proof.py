"""Recompute the reference results and write the table of proof: `make reference`.

    python tools/proof.py           all rows at full size, into REFERENCE.md
    python tools/proof.py R05 B12   these rows, shown and not written

Ends with 1 if a figure is not reproduced. Runs on all cores; elsewhere with joblib.parallel_config (see
CONTRIBUTING.md). The text around the table stands in pages/reference.md.
"""

import datetime
import importlib.metadata
import os
import platform
import sys
import time
from pathlib import Path

import reference

PAGE = Path(__file__).resolve().parent.parent / "REFERENCE.md"
TEXT = Path(__file__).with_name("pages") / "reference.md"
PACKAGES = ("numpy", "scipy", "scikit-learn", "joblib")
HEAD = "| | expected | tolerance | obtained | standard error | verdict |\n|-|-|-|-|-|-|\n"


def number(value):
    if abs(value - round(value)) < 1e-12:
        return str(round(value))
    return f"{value:.{5 if abs(value) < 0.001 else 4}f}".rstrip("0").rstrip(".")


def within(tolerance):
    return "exact" if tolerance <= reference.NEVER_MIND else f"± {number(tolerance)}"


def verdict(came_out):
    return "reproduced" if came_out else "**not reproduced**"


def lines_of(row, obtained, verdicts):
    """One line of the table for each figure, and for each direction."""
    for name, (expected, tolerance, _) in row.figures.items():
        value, error = map(number, obtained[name])
        cells = [name, number(expected), within(tolerance), value, error, verdict(verdicts[name])]
        yield f"| {' | '.join(cells)} |"
    for direction in row.rising:
        yield f"| direction: {direction} | | | | | {verdict(verdicts[direction])} |"


def block_of(row, obtained, verdicts):
    doi = f" [doi:{row.doi}](https://doi.org/{row.doi})" if row.doi else ""
    studies = f" {row.full:,} simulated studies." if row.full > 1 else ""
    title = f"### {row.id}: {verdict(all(verdicts.values()))}\n\nLesson {row.lessons}. {row.source}.{doi}\n\n"
    return f"{title}{row.setting}{studies}\n\n{HEAD}" + "\n".join(lines_of(row, obtained, verdicts)) + "\n"


def page(found, seconds, today):
    """The text of REFERENCE.md for `found`: (row, figures, verdicts) of every row."""
    figures = [came_out for *_, verdicts in found for came_out in verdicts.values()]

    def is_wide(row, obtained):
        return any(3 * error > row.figures[name].tolerance for name, (_, error) in obtained.items())

    left = reference.NOT_RECOMPUTED.items()
    return TEXT.read_text(encoding="utf-8").format(
        good=sum(all(verdicts.values()) for *_, verdicts in found),
        rows=len(found),
        figures_good=sum(figures),
        figures=len(figures),
        today=today,
        python=platform.python_version(),
        versions=", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
        cores=os.cpu_count(),
        minutes=seconds / 60,
        wide=", ".join(row.id for row, obtained, _ in found if is_wide(row, obtained)) or "no row",
        blocks="\n".join(block_of(*one) for one in found),
        missing="\n".join(f"| {id} | {source} | {why} |" for id, (source, why) in left),
    )


def bar(done, total, text):
    """A progress bar on standard error, where somebody looks at it."""
    if sys.stderr.isatty():
        filled = 30 * done // total
        shown = f"\r[{'#' * filled}{'.' * (30 - filled)}] {done}/{total} {text:<12}"
        print(shown, end="", file=sys.stderr, flush=True)


def main(wanted=(), n_jobs=-1, path=PAGE):
    rows = [row for row in reference.ROWS if not wanted or row.id in wanted]
    if unknown := set(wanted) - {row.id for row in rows}:
        known = ", ".join(row.id for row in reference.ROWS)
        sys.exit(f"There is no row {', '.join(sorted(unknown))}. The rows are {known}.")
    found, start = [], time.perf_counter()
    for done, row in enumerate(rows):
        bar(done, len(rows), row.id)
        began = time.perf_counter()
        obtained = row.compute(reference.Run(row.full, n_jobs=n_jobs, full=True))
        found.append((row, obtained, row.verdicts(obtained)))
        bar(done + 1, len(rows), "")
        took = time.perf_counter() - began
        print(
            f"\r{row.id}: {row.source} ({took:.0f} s)\n{HEAD}" + "\n".join(lines_of(*found[-1])) + "\n",
            flush=True,
        )
    failed = [row.id for row, _, verdicts in found if not all(verdicts.values())]
    if not wanted:
        today = datetime.date.today().isoformat()
        path.write_text(page(found, time.perf_counter() - start, today), encoding="utf-8")
        print(f"Written: {path.name}")
    print(f"Not reproduced: {', '.join(failed)}" if failed else f"All {len(rows)} rows reproduced.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
