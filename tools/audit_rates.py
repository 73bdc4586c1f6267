"""How often the audit and its canaries are wrong: `make audit-rates`.

    python tools/audit_rates.py [--cohorts 200] [--kinds binary regression classes log-normal ...] [--runs 20]

Simulates clean cohorts and cohorts with one planted flaw, audits them all, and prints two Markdown tables:
the share of clean cohorts in which each check raises an alarm ("warn" or "stop"), and the share of flawed
ones in which the check that the flaw is for does. The kinds after the first three are cohorts of two classes
whose features are not Gaussian. The simulation is plain numpy and knows nothing of the audit. Then the
functions of ``tools/evaluations.py`` meet the canaries on so many data sets each.
"""

import argparse
import sys
import time
from collections import Counter

import numpy as np
import pandas as pd
from evaluations import HONEST, LEAKY, study

from audit import CHECKS, audit, canaries

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
    classes = {"classes": 3, "regression": 0}.get(kind, 2)
    label = rng.permutation(np.arange(n) % classes) if classes else rng.standard_normal(n)
    site = rng.permutation(np.arange(n) % 4)
    if flaw in ("sites differ in prevalence, .2 to .8", "site mark and site prevalence"):
        label = (rng.random(n) < np.array([0.2, 0.2, 0.8, 0.8])[site]).astype(int)
    X = np.sqrt(0.9) * rng.standard_normal((n, p)) + np.sqrt(0.1) * rng.standard_normal((n, 1))
    signs = (-1.0) ** np.arange(p)
    if kind == "classes":  # each class is raised in features of its own
        X += 1.3 * (np.arange(p) % 3 == label[:, None])
    elif kind == "regression":
        X += 0.5 * label[:, None] * signs
    elif flaw == "the label is an exclusive or":
        X[:, 0] = (2 * rng.integers(2, size=n) - 1) + 0.4 * X[:, 0]
        X[:, 1] = np.sign(X[:, 0]) * (1 - 2 * label) * 1.0 + 0.4 * X[:, 1]
    elif flaw != "no signal":
        effect = 0.5 if flaw == "100 features, predictions too extreme" else 0.85
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


def filled_in(rng, flaw, classes, label, site, X):
    """The table of these features: with gaps, dates, ages, sexes and a second reader."""
    n = len(X)
    age, date = 62 + 10 * rng.standard_normal(n), rng.integers(0, 700, n).astype(float)
    age += 8.0 * label * (flaw == "groups differ in age by .8 sd")
    date += 160.0 * label * (flaw == "groups differ in date by .8 sd")
    X[rng.random(X.shape) < 0.02] = np.nan
    if flaw == "missing in 30 % of cases, 5 % of controls":
        X[rng.random(n) < np.where(label == 1, 0.30, 0.05), 2] = np.nan
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
    classes = {"classes": 3, "regression": 0}.get(kind, 2)
    table = filled_in(rng, flaw, classes, label, site, shape(X))
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


def false_alarms(cohorts, kind="binary", only=None):
    """Share of clean cohorts in which each check raises an alarm."""
    counts = Counter(name for seed in range(cohorts) for name in alarms(seed, kind=kind, only=only))
    return {name: counts[name] / cohorts for name in only or CHECKS}


def found(cohorts, flaw, kind="binary"):
    """Share of cohorts with a flaw in which its check raises an alarm."""
    # Some checks read what an earlier one found, as in a whole audit.
    only = [FLAWS[flaw]]
    return np.mean([FLAWS[flaw] in alarms(10_000 + seed, flaw, kind, only=only) for seed in range(cohorts)])


def accused(evaluate, task, runs):
    """Share of data sets on which the canaries name a leak in this function."""
    worst = [canaries(evaluate, *study(task, seed), seed=seed).worst for seed in range(runs)]
    return np.mean([level in ("warn", "stop") for level in worst])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--kinds", nargs="+", default=["binary", "classes", "regression", *SHAPES])
    parser.add_argument(
        "--runs", type=int, default=20, help="data sets for each function that meets the canaries"
    )
    asked = parser.parse_args()
    started, bad = time.monotonic(), False
    clean = {kind: false_alarms(asked.cohorts, kind) for kind in asked.kinds}
    print(
        f"Clean cohorts with an alarm, of {asked.cohorts}\n\n| check | {' | '.join(clean)}"
        f" |\n|---|{'---|' * len(clean)}"
    )
    for name in CHECKS:
        print(f"| {name} | {' | '.join(f'{100 * rates[name]:.1f} %' for rates in clean.values())} |")
        bad |= any(rates[name] > 0.05 for rates in clean.values())
    shapes = [kind for kind in asked.kinds if kind in SHAPES]
    print(
        f"\nFlawed cohorts in which it is found, of {asked.cohorts}\n\n| flaw | check | Gaussian |"
        f" {' | '.join(shapes)} |"
    )
    print(f"|---|---|---|{'---|' * len(shapes)}", flush=True)
    for flaw, name in FLAWS.items():
        rates = [found(asked.cohorts, flaw, kind) for kind in ("binary", *shapes)]
        print(f"| {flaw} | {name} | {' | '.join(f'{100 * rate:.1f} %' for rate in rates)} |", flush=True)
        bad |= rates[0] < 0.95
    print(
        f"\nFunctions in which canaries name a leak, on {asked.runs} data sets each\n\n| function | honest |"
        " named |\n|---|---|---|"
    )
    for functions, honest in ((HONEST, True), (LEAKY, False)):
        for name, (task, evaluate) in functions.items() if asked.runs else ():
            rate = accused(evaluate, task, asked.runs)
            print(f"| {name} | {'yes' if honest else 'no'} | {100 * rate:.0f} % |", flush=True)
            bad |= rate > 0.05 if honest else rate < 0.95
    print(f"\n{time.monotonic() - started:.0f} s")
    sys.exit("A rate is out of bounds: at most 5 % false alarms, at least 95 % found." if bad else 0)


if __name__ == "__main__":
    main()
