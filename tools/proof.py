"""Recompute the reference results and write the table of proof: `make reference`.

    python tools/proof.py           all rows at full size, into REFERENCE.md
    python tools/proof.py R05 B12   these rows, shown and not written

Ends with 1 if a figure is not reproduced. Runs on all cores; elsewhere with joblib.parallel_config (see CONTRIBUTING.md).
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
PACKAGES = ("numpy", "scipy", "scikit-learn", "joblib")
HEAD = "| | expected | tolerance | obtained | standard error | verdict |\n|-|-|-|-|-|-|\n"


def number(value):
    if abs(value - round(value)) < 1e-12:
        return str(round(value))
    return f"{value:.{5 if abs(value) < 0.001 else 4}f}".rstrip("0").rstrip(".")


def verdict(came_out):
    return "reproduced" if came_out else "**not reproduced**"


def lines_of(row, obtained, verdicts):
    """One line of the table for each figure, and for each direction."""
    for name, (expected, tolerance) in row.expected.items():
        value, error = obtained[name]
        shown = "exact" if tolerance <= reference.NEVER_MIND else f"± {number(tolerance)}"
        yield f"| {name} | {number(expected)} | {shown} | {number(value)} | {number(error)} | {verdict(verdicts[name])} |"
    for names in row.rising:
        name = reference.direction(names)
        yield f"| direction: {name} | | | | | {verdict(verdicts[name])} |"


def block_of(row, obtained, verdicts):
    doi = f" [doi:{row.doi}](https://doi.org/{row.doi})" if row.doi else ""
    studies = f" {row.full:,} simulated studies." if row.full > 1 else ""
    title = f"### {row.id}: {verdict(all(verdicts.values()))}\n\nLesson {row.lessons}. {row.source}.{doi}\n\n"
    return f"{title}{row.setting}{studies}\n\n{HEAD}" + "\n".join(lines_of(row, obtained, verdicts)) + "\n"


def page(found, seconds, today):
    """The text of REFERENCE.md for `found`: (row, figures, verdicts) of every row."""
    figures = [came_out for _, _, verdicts in found for came_out in verdicts.values()]
    good = sum(all(verdicts.values()) for *_, verdicts in found)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    wide = [row.id for row, obtained, _ in found
            if any(3 * error > row.expected[name][1] for name, (_, error) in obtained.items())]
    missing = "\n".join(f"| {id} | {source} | {why} |" for id, (source, why) in reference.NOT_RECOMPUTED.items())
    return f"""# The table of proof

Published results and closed forms, recomputed with the simulations of this course. Made by `make reference`, not typed; `make test` runs the same rows with fewer studies.

**{good} of {len(found)} rows reproduced** ({sum(figures)} of {len(figures)} figures and directions). {today}, Python {platform.python_version()}, {versions}, {os.cpu_count()} cores, {seconds / 60:.0f} minutes.

A figure is *reproduced* when it lies within its tolerance of what is expected, or within three Monte-Carlo standard errors. The tolerance is the rounding of an exact figure; or the range that the source gives; or, where the figure was obtained by a simulation, about three standard errors of that simulation. The standard error is a jackknife over independent blocks of studies; it is 0 for what is calculated and not simulated. The number of simulated studies is given for each row; within a row, costly figures may have fewer and cheap ones more. A direction says that figures come in that order. A row is reproduced when all of its figures and directions are.

The tolerance decides, except in {", ".join(wide) or "no row"}: there, three standard errors of some figure are wider than its tolerance.

{chr(10).join(block_of(*one) for one in found)}
## Not recomputed

| row | source | why |
|-|-|-|
{missing}
"""


def bar(done, total, text):
    """A progress bar on standard error, where somebody looks at it."""
    if sys.stderr.isatty():
        filled = 30 * done // total
        print(f"\r[{'#' * filled}{'.' * (30 - filled)}] {done}/{total} {text:<12}", end="", file=sys.stderr, flush=True)


def main(wanted=(), n_jobs=-1, path=PAGE):
    rows = [row for row in reference.ROWS if not wanted or row.id in wanted]
    if unknown := set(wanted) - {row.id for row in rows}:
        sys.exit(f"There is no row {', '.join(sorted(unknown))}. The rows are {', '.join(row.id for row in reference.ROWS)}.")
    found, start = [], time.perf_counter()
    for done, row in enumerate(rows):
        bar(done, len(rows), row.id)
        began = time.perf_counter()
        obtained = row.compute(reference.Run(row.full, n_jobs=n_jobs, full=True))
        verdicts = row.verdicts(obtained)
        found.append((row, obtained, verdicts))
        bar(done + 1, len(rows), "")
        print(f"\r{row.id}: {row.source} ({time.perf_counter() - began:.0f} s)\n{HEAD}" + "\n".join(lines_of(*found[-1])) + "\n", flush=True)
    failed = [row.id for row, _, verdicts in found if not all(verdicts.values())]
    if not wanted:
        path.write_text(page(found, time.perf_counter() - start, datetime.date.today().isoformat()), encoding="utf-8")
        print(f"Written: {path.name}")
    print(f"Not reproduced: {', '.join(failed)}" if failed else f"All {len(rows)} rows reproduced.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
