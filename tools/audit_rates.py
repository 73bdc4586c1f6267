"""How often the audit and its canaries are wrong: `make audit-rates` writes AUDIT_RATES.md.

    python tools/audit_rates.py [clean] [flaws] [functions] [--cohorts 20] [--flawed 6] [--runs 8] [--new]

Audits clean cohorts of eight kinds, and counts in how many each check raises an alarm ("warn" or "stop");
audits cohorts with one planted flaw, and counts in how many the check that the flaw is for does. Then every
function of ``tools/evaluations.py`` meets the canaries, on so many data sets (with ``--new``, on those
that its figures on the page lack).
The simulation is plain numpy and knows nothing of the audit; its seeds are not those of the tests. Parts
that are named are measured anew, and the others stay as they are on the page.
"""

import argparse
import datetime
import importlib.metadata
import platform
import re
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from evaluations import HONEST, LEAKY, QUICK, study
from scipy.stats import beta, binom

from audit import CHECKS, audit, canaries, models
from audit.canaries import BLIND

PAGE = Path(__file__).resolve().parent.parent / "AUDIT_RATES.md"
START = 1000  # the first seed of the page; tests begin at 0
OFTEN = 200  # runs of each honest function that is quick
TREES = 20  # of a forest, where the audit has 50: they take most of its time
ROLES = {
    "label": "diagnosis",
    "subject": "person",
    "site": "scanner",
    "session": "date",
    "second_rater": "reader_2",
    "demographics": ["age", "sex"],
}

#: Features that are not Gaussian, made from Gaussian ones.
SHAPES = {
    "log-normal": lambda X: np.exp(0.8 * X),
    "heavy tails": lambda X: np.sinh(1.3 * X),
    "zero-inflated": lambda X: np.maximum(X + 0.2, 0),
    "categories": lambda X: np.clip(np.round(X), -2, 2),
}
CLASSES = {"classes": 3, "regression": 0}
KINDS = ["binary", "classes", "regression", *SHAPES, "missing by site"]

#: Where a check must give the alarm: the cohort has what it looks for.
RIGHTLY = {("missing values and site", "missing by site")}

#: Flaw to the check that must find it.
FLAWS = {
    "a column counts the rows": "columns",
    "several rows per subject": "subjects",
    "ids contain dates": "subjects",
    "10 rows nearly copied under new ids": "duplicates",
    "sites differ in prevalence, .2 to .8": "site and label",
    "every site shifts features by .5 sd": "site in the features",
    "groups differ in age by .8 sd": "demographics and label",
    "groups differ in date by .8 sd": "date and label",
    "a feature is the label plus noise of .3": "target leakage",
    "missing in 30 % of cases, 5 % of controls": "missing values and label",
    "one site lacks a feature in 40 %": "missing values and site",
    "40 subjects, 40 features": "sample size",
    "150 features, 8 informative": "over- and underfitting",
    "the label is an exclusive or": "over- and underfitting",
    "3 rows per subject, and a model that remembers": "ways to split",
    "site mark and site prevalence": "ways to split",
    "no signal": "better than chance",
    "10 % of labels swapped, 500 subjects": "suspect labels",
    "raters disagree in 20 %": "agreement of raters",
    "100 features, predictions too extreme": "calibration",
}


def measures(rng, flaw, kind, n, p):
    """Labels, sites, and features of everybody before they take their shape."""
    classes = CLASSES.get(kind, 2)
    label = rng.permutation(np.arange(n) % classes) if classes else rng.standard_normal(n)
    site = rng.permutation(np.arange(n) % 4)
    if flaw in ("sites differ in prevalence, .2 to .8", "site mark and site prevalence"):
        label = (rng.random(n) < np.array([0.2, 0.2, 0.8, 0.8])[site]).astype(int)
    X = np.sqrt(0.9) * rng.standard_normal((n, p)) + np.sqrt(0.1) * rng.standard_normal((n, 1))
    signs = (-1.0) ** np.arange(p)
    if kind == "classes":  # each class is raised in features of its own
        X += 0.9 * (np.arange(p) % 3 == label[:, None])
    elif kind == "regression":
        X += 0.5 * label[:, None] * signs
    elif flaw == "the label is an exclusive or":
        X[:, 0] = (2 * rng.integers(2, size=n) - 1) + 0.4 * X[:, 0]
        X[:, 1] = np.sign(X[:, 0]) * (1 - 2 * label) * 1.0 + 0.4 * X[:, 1]
    elif flaw != "no signal":
        # Clean cohorts have an AUC of .94: of .96, one in twelve is above .98 by luck, which is never fine.
        effect = 0.75 if flaw is None else 0.5 if flaw == "100 features, predictions too extreme" else 0.85
        X += effect * (label[:, None] - 0.5) * signs
    noise = {"150 features, 8 informative": 142, "100 features, predictions too extreme": 92}.get(flaw, 0)
    if noise:
        X = np.column_stack([X, rng.standard_normal((n, noise))])
    if flaw == "every site shifts features by .5 sd":
        X += 0.5 * rng.standard_normal((4, p))[site]
    if flaw == "site mark and site prevalence":
        X[:] = rng.standard_normal((n, p)) + 1.5 * rng.standard_normal((4, p))[site]
        X[:, 0] += 0.5 * label
    if flaw == "a feature is the label plus noise of .3":
        X[:, 3] = label + 0.3 * rng.standard_normal(n)
    return label, site, X


def filled_in(rng, flaw, kind, label, site, X):
    """The table of these features: with gaps, dates, ages, sexes and a second reader."""
    n, classes = len(X), CLASSES.get(kind, 2)
    age, date = 62 + 10 * rng.standard_normal(n), rng.integers(0, 700, n).astype(float)
    age += 8.0 * label * (flaw == "groups differ in age by .8 sd")
    date += 160.0 * label * (flaw == "groups differ in date by .8 sd")
    X[rng.random(X.shape) < 0.02] = np.nan
    if flaw == "missing in 30 % of cases, 5 % of controls":
        X[rng.random(n) < np.where(label == 1, 0.30, 0.05), 2] = np.nan
    if kind == "missing by site":
        X[(site == 1)[:, None] & (rng.random(X.shape) < 0.3) & (np.arange(X.shape[1]) < 3)] = np.nan
    if flaw == "one site lacks a feature in 40 %":
        X[rng.random(n) < 0.4 * (site == 1), 2] = np.nan
    if classes:
        wrong = rng.random(n) < (0.20 if flaw == "raters disagree in 20 %" else 0.02)
        second = np.where(wrong, (label + 1) % classes, label)
    else:
        second = label + 0.2 * rng.standard_normal(n)
    if flaw == "10 % of labels swapped, 500 subjects":
        swap = rng.permutation(n)[: n // 10]
        label[swap] = 1 - label[swap]
    return pd.DataFrame(X, columns=[f"feature_{j}" for j in range(X.shape[1])]).assign(
        person=[f"sub-{i:04d}" for i in range(n)],
        diagnosis=label,
        scanner=np.array(list("ABCD"))[site],
        date=(pd.Timestamp("2020-01-01") + pd.to_timedelta(date // 1, unit="D")).strftime("%Y-%m-%d"),
        reader_2=second,
        age=age,
        sex=rng.choice(["f", "m"], n),
    )


def cohort(seed, flaw=None, kind="binary", n=200, p=8):
    """A cohort as a DataFrame: clean, or with one flaw. One row per subject, unless that is the flaw."""
    rng, shape = np.random.default_rng(seed), SHAPES.get(kind, lambda X: X)
    if flaw == "40 subjects, 40 features":
        n, p = 40, 40
    n = 300 if kind == "classes" else 500 if flaw == "10 % of labels swapped, 500 subjects" else n
    label, site, X = measures(rng, flaw, kind, n, p)
    table = filled_in(rng, flaw, kind, label, site, shape(X))
    features = [c for c in table if c.startswith("feature")]
    if flaw == "a column counts the rows":
        table = table.sort_values("diagnosis", ignore_index=True).rename_axis("Unnamed: 0").reset_index()
    if flaw == "10 rows nearly copied under new ids":
        copies = table.iloc[:10].assign(person=[f"sub-9{i}" for i in range(10)])
        copies[features] += 0.05 * rng.standard_normal((10, len(features)))
        table = pd.concat([table, copies], ignore_index=True)
    if flaw in ("several rows per subject", "ids contain dates"):
        table = table.iloc[np.r_[np.arange(n), np.arange(30)]].reset_index(drop=True)
        table.loc[n:, features] += rng.standard_normal((30, len(features)))
    if flaw == "ids contain dates":
        months, days = rng.integers(10, 13, len(table)), np.r_[np.full(n, 10), np.full(30, 25)]
        table["person"] += [f"_2021-{month}-{day}" for month, day in zip(months, days, strict=True)]
    if flaw == "3 rows per subject, and a model that remembers":
        rows = np.repeat(np.arange(60), 3)
        table = table.iloc[rows].reset_index(drop=True)
        table[features] = rng.standard_normal((60, p))[rows] + 0.2 * rng.standard_normal((180, p))
    return table


def alarms(seed, flaw=None, kind="binary", only=None):
    """The checks that raise an alarm on one cohort."""
    report = audit(cohort(seed, flaw, kind), **ROLES, only=only, seed=seed, progress=False)
    return [finding.name for finding in report.findings if finding.level in ("warn", "stop")]


def false_alarms(cohorts, kind="binary", only=None, start=0):
    """Share of clean cohorts in which each check raises an alarm."""
    seeds = range(start, start + cohorts)
    counts = Counter(name for seed in seeds for name in alarms(seed, kind=kind, only=only))
    return {name: counts[name] / cohorts for name in only or CHECKS}


def found(cohorts, flaw, kind="binary", start=10_000):
    """Share of cohorts with a flaw in which its check raises an alarm."""
    only = [FLAWS[flaw]]
    return np.mean([FLAWS[flaw] in alarms(start + i, flaw, kind, only=only) for i in range(cohorts)])


def accused(name, function, numbers):
    """In how many of these runs the canaries name a leak; the data of each are this function's own."""
    task, evaluate = function
    seeds = [START + zlib.crc32(name.encode()) // 100 * 100 + number for number in numbers]
    return sum(canaries(evaluate, *study(task, seed), seed=seed).worst in ("warn", "stop") for seed in seeds)


# The page


def too_many(count, of, most=0.05):
    """Whether so many are more than chance makes of a rate of `most` (once in a hundred)."""
    return bool(binom.sf(count - 1, of, most) < 0.01)


def row(*cells):
    return f"| {' | '.join(map(str, cells))} |"


def rated(count, of, bad):
    return f"**{count} of {of}**" if bad else f"{count} of {of}"


def clean_part(cohorts):
    """The table of false alarms, and what is above its bound."""
    shown, bad = {}, []
    for kind in KINDS:
        rates = false_alarms(cohorts, kind, start=START)
        shown[kind] = {name: round(rate * cohorts) for name, rate in rates.items()}
        bad += [
            f"false alarms of “{name}” ({kind})"
            for name, n in shown[kind].items()
            if too_many(n, cohorts) and (name, kind) not in RIGHTLY
        ]
        print(kind, {name: n for name, n in shown[kind].items() if n}, flush=True)
    lines = [row("check", *KINDS), "|-|" + "-|" * len(KINDS)]
    for name in CHECKS:
        cells = []
        for kind in KINDS:
            n = shown[kind][name]
            right = (name, kind) in RIGHTLY
            cells.append("a flaw here" if right else f"**{n}**" if too_many(n, cohorts) else n or "")
        lines.append(row(name, *cells))
    return "\n".join(lines), bad


def flaw_part(cohorts):
    """The table of planted flaws, and what is below its bound."""
    kinds = ["binary", *SHAPES]
    lines, bad = [row("flaw", "check", *kinds), "|-|-|" + "-|" * len(kinds)], []
    for flaw, name in FLAWS.items():
        cells = []
        for kind in kinds:
            n = round(found(cohorts, flaw, kind, 100 * START) * cohorts)
            missed = too_many(cohorts - n, cohorts)
            bad += [f"{flaw} ({kind})"] * missed
            cells.append(f"**{n}**" if missed else n)
        lines.append(row(flaw, name, *cells))
        print(lines[-1], flush=True)
    return "\n".join(lines), bad


def rate(count, of):
    """A count and its share in per cent, with a 95 % interval (Clopper and Pearson)."""
    ends = beta.ppf([0.025, 0.975], [count, count + 1], [of - count + 1, of - count])
    low, high = 100 * np.where(np.isnan(ends), [0, 1], ends)
    return f"{count} of {of} runs: {100 * count / of:.1f} %, 95 % interval {low:.1f} to {high:.1f} %"


def function_part(runs, group):
    """The tables of honest and leaky functions, and what is out of bounds; of a group, what is lacking."""
    page, lines, bad, totals = PAGE.read_text(encoding="utf-8"), [], [], []
    known = re.findall(r"^\| (.+) \| \w+ \| \**(\d+) of (\d+)", page, re.MULTILINE) if group else []
    known = {name: (int(n), int(of)) for name, n, of in known}
    groups = {
        "honest": ("Honest functions were accused", {n: f for n, f in HONEST.items() if n not in QUICK}),
        "quick": ("Quick honest functions were accused", {name: HONEST[name] for name in QUICK}),
        "leaky": ("Leaks were found", LEAKY),
    }
    for one, (said, functions) in groups.items():
        total, honest = Counter(), functions is not LEAKY
        for name, function in functions.items():
            n, of = known.get(name, (0, 0))
            most = 0 if group not in (None, "all", one) else OFTEN if name in QUICK else runs
            n, of = n + accused(name, function, range(of, most)), max(of, most)
            wrong = too_many(n if honest else of - n, of)
            bad += [f"{name} ({'honest' if honest else 'leaky'})"] * wrong
            total += Counter(named=n, runs=of)
            lines.append(row(name, "honest" if honest else "leaky", rated(n, of, wrong)))
            print(lines[-1], flush=True)
        n, of = total["named"], total["runs"]
        if too_many(n, of, 0.01) if honest else too_many(of - n, of):
            bad.append(f"{said} in {n} of {of} runs")
        totals.append(f"{said} in {rate(n, of)} ({len(functions)} functions).")
    return "\n".join([row("function", "is", "named"), "|-|-|-|", *lines, "", *totals]), bad


HEAD = """# How often the audit is wrong

Made by `make audit-rates`, not typed. The seeds are not those of the tests.

A figure in bold is worse than its bound, by more than chance would make of it (once in a hundred): more
than 5 % false alarms, or less than 95 % found. Of honest functions in all, 1 % at most may be accused.
Small counts leave room, with 95 % confidence: {room}.
"""
PARTS = {
    "clean": """## Clean tables

{cohorts} cohorts of each kind, 200 subjects (three classes: 300), eight features, four sites, dates,
ages and two readers; forests of {trees} trees. In how many each check gave the alarm (“warn” or “stop”):

{table}

*Missing by site* has gaps at one site, so its check is right there. The true AUC of two classes is .94: a
score above .98 is never called fine, however honest, so a task that is really so easy gets two warnings.
""",
    "flaws": """## Tables with one flaw

In how many of {flawed} cohorts the check that the flaw is for gave the alarm:

{table}
""",
    "functions": """## Functions

Functions as people write them, on studies of 60 people with eight features
([tools/evaluations.py](tools/evaluations.py)). In how many runs, each with data of its own, the
canaries named a leak (in every second run a class is twice as large as another):

{table}
""",
}
TAIL = f"""## What is not found

{BLIND} A scanner that goes with the diagnosis is none of theirs: the audit of the table looks for that.

Near copies of few rows are not found among few features of few values or many zeros (eight, in the table
above), nor copies with left and right exchanged; a tenth of the people with a second row is seen
among 25 such features. Wrong labels are found mostly where a model reaches an AUC of about .98. Where its AUC
is .95 the audit misses, or cannot tell, in every third table; and it never tells wrong labels of one class
from a mild form of that class.
"""


def written(done):
    """The page with the parts that were measured, and the others as they were."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    room = [f"none of {n} for a rate of {100 * (1 - 0.05 ** (1 / n)):.0f} %" for n in (4, 10, 20, 50, 300)]
    parts = [HEAD.format(room=", ".join(room))]
    for name, text in PARTS.items():
        title = text.partition("\n")[0]
        before = re.search(rf"^{title}\n.*?(?=^## |\Z)", old, re.MULTILINE | re.DOTALL)
        parts.append(done.get(name) or (before[0].rstrip() + "\n" if before else ""))
    return "\n".join([*filter(None, parts), TAIL])


def measured(name, asked):
    """One part of the page, and what is out of bounds in it."""
    began = time.process_time()
    if name == "clean":
        table, bad = clean_part(asked.cohorts)
    elif name == "flaws":
        table, bad = flaw_part(asked.flawed)
    else:
        table, bad = function_part(asked.runs, asked.new)
    minutes = (time.process_time() - began) / 60
    versions = ", ".join(f"{one} {importlib.metadata.version(one)}" for one in ("numpy", "scikit-learn"))
    made = (
        f"*{datetime.date.today()}, Python {platform.python_version()}, {versions}; {minutes:.0f} minutes of"
    )
    text = PARTS[name].format(table=table, trees=TREES, **vars(asked))
    made += f" one processor{' for the runs added last' * bool(asked.new)}.*"
    return f"{text}\nOut of bounds: {'; '.join(bad) or 'nothing'}.\n\n{made}\n", bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; without any, all")
    parser.add_argument("--cohorts", type=int, default=20, help="clean cohorts of each kind")
    parser.add_argument("--flawed", type=int, default=6, help="cohorts with each flaw")
    parser.add_argument("--runs", type=int, default=8, help="of each function (8)")
    parser.add_argument(
        "--new",
        nargs="?",
        const="all",
        metavar="GROUP",
        help="only the runs that the page has not yet, of all functions or the honest, quick or leaky",
    )
    asked, models.TREES = parser.parse_args(), TREES
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    done, worse = {}, []
    for name in asked.parts or PARTS:
        done[name], bad = measured(name, asked)
        worse += bad
        PAGE.write_text(written(done), encoding="utf-8")
    print(f"Written: {PAGE.name}. Out of bounds: {'; '.join(worse) or 'nothing'}.")


if __name__ == "__main__":
    main()
