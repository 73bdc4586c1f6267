"""Columns that know too much, of every kind; and tables in which nothing leaks, of every kind too."""

import numpy as np
import pandas as pd
import pytest
from harness import repetitions

from audit import audit

N = 240


def table(rng, classes=2):
    return (
        pd.DataFrame(rng.standard_normal((N, 6)))
        .add_prefix("v")
        .assign(dx=rng.permutation(N) % classes, id=np.arange(N))
    )


def gap(t, rng):
    t.loc[t.dx == 0, "v2"] = np.nan
    return t


def text(t, rng):
    return t.assign(arm=np.where(t.dx == 1, rng.choice(["a", "b"], N), "c"))


def text_with_errors(t, rng):
    return t.assign(ward=np.where((t.dx == 1) ^ (rng.random(N) < 0.02), "east", "west"))


def drug_of_many_doses(t, rng):
    doses = [f"drug {k} mg" for k in rng.integers(200, size=N)]
    return t.assign(medication=np.where(t.dx == 1, doses, "none"))


def notes_on_patients(t, rng):
    return t.assign(note=[f"seen {i}" if sick else None for i, sick in enumerate(t.dx)])


def date_of_visit(t, rng):
    days = pd.to_timedelta(400 * t.dx + rng.integers(300, size=N), unit="D")
    return t.assign(scan=(pd.Timestamp("2020-01-01") + days).dt.strftime("%d.%m.%Y"))


def not_monotone(t, rng):
    return t.assign(v3=np.where(t.dx == 1, rng.choice([-3, 3], N), 0) + 0.3 * rng.standard_normal(N))


def sum_score(t, rng):
    items = rng.integers(0, 5, (N, 12))
    return pd.DataFrame(items).add_prefix("q").assign(dx=(items.sum(1) > 24).astype(int), id=np.arange(N))


def difference(t, rng):
    return t.assign(dx=(t.v1 - t.v4 > 0).astype(int))


def one_of_three(t, rng):
    return t.assign(dx=np.array(["a", "b", "c"])[rng.permutation(N) % 3]).assign(
        v5=lambda t: 4 * (t.dx == "b") + 0.2 * rng.standard_normal(N)
    )


def number(t, rng):
    return t.assign(dx=t.v0 + rng.standard_normal(N)).assign(
        v1=lambda t: np.exp(t.dx) + 0.01 * rng.standard_normal(N)
    )


def means_of_the_own_class(t, rng):
    values = t.filter(like="v").to_numpy() + 0.3 * t[["dx"]].to_numpy()
    missing = rng.random(values.shape) < 0.3
    shown = pd.DataFrame(values).mask(missing)
    means = shown.groupby(t.dx).transform("mean").to_numpy()
    return t.assign(**pd.DataFrame(np.where(missing, means, values)).add_prefix("v"))


def time_of_day(t, rng):
    hour, minute = rng.integers(3, size=N) + 9 + 6 * (t.dx == 0), rng.integers(60, size=N)
    return t.assign(acquired=[f"{h:02d}:{m:02d}" for h, m in zip(hour, minute, strict=True)])


KINDS = [means_of_the_own_class, time_of_day]
KINDS += [gap, text, text_with_errors, drug_of_many_doses, notes_on_patients, date_of_visit, not_monotone]
KINDS += [sum_score, difference, one_of_three, number]


@pytest.mark.parametrize("leak", KINDS)
def test_a_leak_of_any_shape_is_found(leak):
    for seed in range(repetitions(1, 6)):
        rng = np.random.default_rng(seed)
        finding = audit(leak(table(rng), rng), label="dx", subject="id", only=["target leakage"])[
            "target leakage"
        ]
        assert finding.level == "stop", finding


@pytest.mark.parametrize("kind", ["normal", "log-normal", "heavy tails", "text", "gaps", "three", "number"])
def test_a_table_without_a_leak_is_not_accused(kind):
    for seed in range(repetitions(1, 8)):
        rng = np.random.default_rng(seed)
        t = table(rng, 3 if kind == "three" else 2)
        t[["v0", "v1"]] += 0.8 * t[["dx"]].to_numpy()
        if kind == "log-normal":
            t[["v0", "v1", "v2"]] = np.exp(t[["v0", "v1", "v2"]])
        if kind == "heavy tails":
            t["v1"] = rng.standard_t(2, N)
        if kind == "text":
            t["hand"] = rng.choice(["left", "right", "both"], N)
        if kind == "gaps":
            t.loc[rng.random(N) < 0.3, "v3"] = np.nan
        if kind == "number":
            t["dx"] = t["v0"] + rng.standard_normal(N)
        finding = audit(t, label="dx", subject="id", only=["target leakage"])["target leakage"]
        assert finding.level == "fine", finding


def test_what_is_named_for_the_time_after_the_diagnosis_is_asked_about():
    rng = np.random.default_rng(0)
    t = table(rng)
    t["months_to_follow_up"] = 30 - 12 * t.dx + 10 * rng.standard_normal(N)
    finding = audit(t, label="dx", subject="id", only=["target leakage"])["target leakage"]
    assert finding.level == "warn" and "months_to_follow_up may be known only after" in finding.evidence
    t["months_to_follow_up"] = 30 + 10 * rng.standard_normal(N)
    assert audit(t, label="dx", subject="id", only=["target leakage"])["target leakage"].level == "fine"


def test_order_ids_and_doubled_columns_are_named():
    rng = np.random.default_rng(1)
    t = table(rng).sort_values("dx", ignore_index=True)
    assert (
        "The label goes with the position in the table"
        in audit(t, label="dx", only=["columns"])["columns"].evidence
    )
    t = table(rng)
    t["id"] = [f"{'PD' if d else 'HC'}{i:03d}" for i, d in enumerate(t.dx)]
    assert "the letters of the id" in audit(t, label="dx", subject="id", only=["columns"])["columns"].evidence
    for form in (lambda i, d: f"{i % 3 + 1:02d}-{2 - d}-{i:03d}", lambda i, d: 2 * i + d + 1000):
        t["id"] = [form(i, d) for i, d in zip(rng.permutation(N), t.dx, strict=True)]
        report = audit(t, label="dx", subject="id", only=["columns"])
        assert "the number of the id" in report["columns"].evidence
    t = table(rng).assign(twice=lambda t: 3 - 2 * t.v4, other=rng.standard_normal(N))
    assert (
        "Columns that say the same: v4, twice."
        in audit(t, label="dx", subject="id", only=["columns"])["columns"].evidence
    )


def test_harmonised_over_all_rows_is_no_good_mark():
    found = []
    for seed in range(repetitions(2, 6)):
        rng = np.random.default_rng(seed)
        t, site = table(rng), rng.integers(6, size=N)
        X = t.filter(like="v").to_numpy() + 0.7 * t[["dx"]].to_numpy() + rng.standard_normal((6, 6))[site]
        d = t.dx.to_numpy()
        goal = np.array([X[d == 0].mean(0), X[d == 1].mean(0)])
        for here in [(site == s) & (d == k) for s in range(6) for k in (0, 1)]:
            X[here] += goal[d[here]] - X[here].mean(
                0
            )  # the mean of every class at every site is that of the class
        t[[f"v{j}" for j in range(6)]] = X
        finding = audit(
            t.assign(site=site), label="dx", subject="id", site="site", only=["site in the features"]
        )["site in the features"]
        found.append(
            finding.level == "warn" and "less of the site than chance would leave" in finding.evidence
        )
    assert all(found)


def test_a_score_that_is_too_good_too_bad_or_learnt_by_heart_is_never_fine():
    rng = np.random.default_rng(2)
    good = table(rng).assign(v0=lambda t: t.dx + 0.1 * rng.standard_normal(N))
    good["v1"] = -good["v0"] + 0.2 * rng.standard_normal(N)
    by_heart = pd.DataFrame(rng.standard_normal((60, 80))).add_prefix("v").assign(dx=rng.permutation(60) % 2)
    for t, words in ((sum_score(good, rng), "is rarely a disease's"), (by_heart, "knows its training rows")):
        finding = audit(t, label="dx", only=["over- and underfitting"])["over- and underfitting"]
        assert finding.level == "warn" and words in finding.evidence, finding


def test_an_interval_over_everything_says_nothing():
    rng = np.random.default_rng(3)
    t = pd.DataFrame(rng.standard_normal((14, 3))).add_prefix("v").assign(dx=rng.standard_normal(14))
    assert "nothing can be said" in set(audit(t, label="dx", only=["sample size"]).scores["95 % interval"])
