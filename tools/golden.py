"""Today's behaviour in a file of fingerprints, so that nothing is lost when the house is rebuilt.

    python tools/golden.py check                    every simulation that already stands in `simulations`
    python tools/golden.py check repeated_scans ... these; what differs is named, with the settings
    python tools/golden.py record OLD               makes tests/golden.json anew, from the old layout

Of every simulation, at the settings of the old tests and at both ends of every control of every panel, one
block at two seeds: the draws (their exact bytes, and rounded to ten significant digits), the sentence, the
pixels of the figure. The verdicts of the checks and the findings of the audit are only recorded: their texts
change on purpose.
"""

import ast
import hashlib
import importlib
import json
import os
import pkgutil
import re
import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

ROOT = Path(__file__).resolve().parent.parent
if sys.argv[1:2] == ["check"]:
    sys.path.insert(0, str(ROOT))
PAGE = ROOT / "tests" / "golden.json"
SEEDS = (0, 1)


def short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def array_print(values: np.ndarray) -> list[str]:
    """Shape and kind, mean, exact fingerprint, fingerprint of ten significant digits."""
    values = np.ascontiguousarray(values)
    text = " ".join(f"{value:.9e}" for value in values.astype(float).ravel())
    text = text.replace("-0.000000000e+00", "0.000000000e+00")
    about = f"{values.dtype}{list(values.shape)}".replace(" ", "")
    return [about, f"{values.astype(float).mean():.8g}", short(values.tobytes()), short(text.encode())]


def pixels(figure) -> str:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for artist in sorted(getattr(figure, "moving", []), key=lambda artist: artist.get_zorder()):
        figure.draw_artist(artist)
    dots = np.asarray(canvas.buffer_rgba())
    return f"{dots.shape[1]}x{dots.shape[0]} {short(dots.tobytes())}"


def fingerprint(run, draw, settings: dict, seed: int) -> dict:
    try:
        outcome = run(**settings, repeats=run.block, seed=seed)
    except ValueError as error:  # a panel can be moved to a setting that no study can have
        if type(error).__name__ != "ParameterError":
            raise
        return {"draws": {}, "sentence": "refused: " + str(error).partition(" is ")[0], "picture": "refused"}
    found = {"draws": {name: array_print(values) for name, values in sorted(outcome.draws.items())}}
    found["sentence"] = short(outcome.sentence.encode()) + " " + outcome.sentence[:60]
    try:
        found["picture"] = pixels(draw(outcome))
    except Exception as error:
        found["picture"] = f"none: {type(error).__name__}"
    return found


def restored(settings: dict) -> dict:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


# What is compared: the new layout


def simulations() -> dict:
    """Every simulation of the new layout, by name."""
    found = {}
    for package in ("simulations", "review"):
        try:
            place = importlib.import_module(package)
        except ModuleNotFoundError:
            continue
        modules = [
            importlib.import_module(f"{package}.{one.name}")
            for one in pkgutil.iter_modules(place.__path__)
            if not one.name.startswith("__")
        ]
        for module in modules:
            for name, value in vars(module).items():
                if hasattr(value, "block") and hasattr(value, "kinds"):
                    found.setdefault(name, value)
    return found


def compared(name: str, run) -> int:
    """Print what differs for one simulation, and return for how many settings; pictures are only counted."""
    bad = rounding = drawings = 0
    entries = [one for one in json.loads(PAGE.read_text())["simulations"] if one["name"] == name]
    for entry in entries:
        try:
            new = fingerprint(run, run.draw, restored(entry["settings"]), entry["seed"])
        except Exception as error:
            bad += 1
            print(
                f"  {name} {entry['settings']} seed {entry['seed']} ({entry['from']}): "
                f"{type(error).__name__}: {error}"
            )
            continue
        told = []
        for draw in sorted(set(entry["draws"]) | set(new["draws"])):
            old, now = entry["draws"].get(draw), new["draws"].get(draw)
            if old is None or now is None:
                told.append(f"draw {draw!r} is only in the {'new' if old is None else 'old'} layout")
            elif old[3] != now[3] or old[0] != now[0]:
                told.append(f"draw {draw!r} was {old[:2]}, is {now[:2]}")
            else:
                rounding += old[2] != now[2]
        if entry["sentence"] != new["sentence"]:
            told.append(f"sentence was {entry['sentence'][17:]!r}, is {new['sentence'][17:]!r}")
        drawings += entry["picture"] != new["picture"]
        if told:
            bad += 1
            print(f"  {name} {entry['settings']} seed {entry['seed']} ({entry['from']}): {'; '.join(told)}")
    print(
        f"{name}: {len(entries) - bad} of {len(entries)} settings as before; {drawings} other pictures; "
        f"{rounding} arrays equal but for the eleventh digit"
    )
    return bad


def check(names: list[str]) -> int:
    there = simulations()
    known = dict.fromkeys(one["name"] for one in json.loads(PAGE.read_text())["simulations"])
    missing = [name for name in names or known if name not in there]
    if missing:
        print("Not in the new layout: " + ", ".join(missing))
    bad = sum(compared(name, there[name]) for name in names or known if name in there)
    return bad or (len(missing) if names else 0)


# What is recorded: the old layout


def panels(lessons: Path):
    """(lesson.number, experiment, figure function, controls) of every panel of the old lessons."""
    for path in sorted(lessons.glob("*.md")):
        number, names, calls = 0, {}, []

        def kept(experiment, draw, /, *, repeats=1000, seed=0, calls=calls, **controls):
            calls.append((experiment, draw, controls))

        for cell in re.findall(
            r"^```\{code-cell\}.*?\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL
        ):
            if not re.search(r"^panel\(", cell, re.MULTILINE):
                continue
            for node in ast.parse(cell).body:
                source = ast.get_source_segment(cell, node)
                if isinstance(node, ast.Import | ast.ImportFrom):
                    exec(source, names)
                elif source.startswith("panel("):
                    exec(source, names | {"panel": kept})
        for number, (experiment, draw, controls) in enumerate(calls, 1):
            yield f"{path.name[:2]}.{number}", experiment, draw, controls


def ends(controls: dict, defaults: dict):
    """The panel's start, then every control at both ends."""
    moved = {name: control for name, control in controls.items() if hasattr(control, "values")}
    start = {name: value for name, value in controls.items() if name not in moved}
    for name, control in moved.items():
        start[name] = defaults[name] if control.value is None else control.value
    yield start
    for name, control in moved.items():
        for value in (control.values[0], control.values[-1]):
            if value != start[name]:
                yield start | {name: value}
        if control.kind == "choice":
            yield from (start | {name: value} for value in control.values[1:-1] if value != start[name])


def record_simulations(old: Path) -> list[dict]:
    sys.path[:0] = [str(old / "tests"), str(old / "tools")]
    import test_plain
    from plain import FAST

    wanted, figures = [], {}  # the figure of the last panel; where there are two, they are drawn alike
    for place, experiment, draw, controls in panels(old / "source" / "lessons"):
        figures[experiment.__name__] = draw
        wanted += [
            (experiment, f"panel {place}", draw, settings) for settings in ends(controls, experiment.defaults)
        ]
    for name, settings in test_plain.CASES:
        wanted.append((FAST[name], "CASES", figures.get(name), settings))
    found = []
    for experiment, place, draw, settings in wanted:
        for seed in SEEDS:
            found.append(
                {"name": experiment.__name__, "settings": settings, "seed": seed, "from": place}
                | fingerprint(experiment, draw, settings, seed)
            )
        print(experiment.__name__, settings, flush=True)
    return found


def record_checks() -> list[dict]:
    from utils import checks

    found = []
    for number in ("", "_01", "_02", "_03", "_04", "_06", "_07"):
        answers = importlib.import_module(f"test_checks{number}")
        for table, kind in ((answers.RIGHT, "right"), (answers.WRONG, "wrong")):
            for (task, name), function in table.items():
                verdict = getattr(checks, task)(function if kind == "right" else function[0], seed=0)
                found.append(
                    {
                        "table": f"test_checks{number}",
                        "task": task,
                        "answer": name,
                        "kind": kind,
                        "passed": verdict.passed,
                        "reason": verdict.reason,
                    }
                )
    return found


def record_audit() -> list[dict]:
    import test_audit
    from audit_rates import FLAWS, ROLES, cohort
    from utils.audit import audit, canaries

    from utils.data import load

    voice, oasis, mriqc = load("parkinsons_voice"), load("oasis2"), load("mriqc_abide")
    rater = mriqc.table["rater_1"]
    quality = mriqc.table.assign(exclude=mriqc.y, other=(rater == -1).astype(float).where(rater.notna()))
    tables = {
        "voice": (voice.table, {"label": "status", "subject": "subject_id", "features": voice.features}),
        "oasis": (
            oasis.table.assign(demented=oasis.y).drop(columns="Group"),
            {
                "label": "demented",
                "subject": "Subject.ID",
                "session": "Visit",
                "demographics": ["Age", "Gender"],
            },
        ),
        "mriqc": (
            quality,
            {
                "label": "exclude",
                "subject": "subject_id",
                "site": "site",
                "second_rater": "other",
                "features": mriqc.features,
            },
        ),
        "clean": (cohort(1), ROLES),
        "classes": (cohort(1, kind="classes"), ROLES),
        "regression": (cohort(1, kind="regression"), ROLES),
    }
    tables |= {f"flaw: {flaw}": (cohort(10_000, flaw), ROLES | {"only": [FLAWS[flaw]]}) for flaw in FLAWS}
    reports = {
        name: (lambda t=table, r=roles: audit(t, **r, progress=False))
        for name, (table, roles) in tables.items()
    }
    for name in (
        "honest_auc",
        "honest_loop",
        "honest_hold_out",
        "ignores_groups",
        "chooses_outside",
        "scores_the_training_rows",
        "best_of_seeds",
    ):
        reports[f"canaries: {name}"] = lambda name=name: canaries(
            getattr(test_audit, name), *test_audit.studied()[:3], repeats=6
        )
    reports["canaries: honest_auc, a site shortcut"] = lambda: canaries(
        test_audit.honest_auc, *test_audit.studied(sites=True), repeats=6
    )
    found = []
    for name, make in reports.items():
        report = make()
        found.append(
            {
                "table": name,
                "findings": [[one.name, one.level, one.evidence] for one in report.findings],
                "scores": short(report.scores.to_string().encode()) if len(report.scores) else "",
            }
        )
        print("audit", name, flush=True)
    return found


def record(old: Path) -> None:
    os.chdir(old)
    sys.path.insert(0, str(old))
    import utils

    assert Path(utils.__file__).is_relative_to(old), (
        f"utils comes from {utils.__file__}: set PYTHONPATH to {old}"
    )
    parts = {}
    for name, make in (
        ("simulations", lambda: record_simulations(old)),
        ("checks", record_checks),
        ("audit", record_audit),
    ):
        parts[name] = make()
        write(parts)


def write(parts: dict) -> None:
    lines = [
        json.dumps(name) + ": [\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in rows) + "\n]"
        for name, rows in parts.items()
    ]
    PAGE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["record"]:
        record(Path(sys.argv[2]).resolve())
    elif sys.argv[1:2] == ["check"]:
        sys.exit(1 if check(sys.argv[2:]) else 0)
    else:
        sys.exit(__doc__)
