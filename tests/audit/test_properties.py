"""Any table gives a report or a sentence, never a traceback: tried with many random inputs.

The inputs are drawn by hypothesis, the same in every run. To look deeper::

    EXAMPLES=2000 python -m pytest -p no:nbval tests/audit/test_properties.py
"""

import gzip
import os
import warnings

import numpy as np
import pandas as pd
from harness import trials
from hypothesis import given
from hypothesis import strategies as st
from pages import Page

from audit import CHECKS, LEVELS, AuditError, audit, read_table

MANY = int(os.environ.get("EXAMPLES", 0))

NAMES = ["a", "b", "site", "age", "$x_{", "", " ", "体", "a\nb", "=1+1", "<b>", "x" * 5000]
NAMES += [3, ("p", "q"), 2.5, True, "\ud800"]


def numbers(rng, n, normal, few):
    """Columns that are numbers, or letters."""
    return {
        "normal": lambda: normal,
        "whole": lambda: rng.integers(-5, 100, n),
        "few": lambda: few,
        "constant": lambda: np.full(n, 3.5),
        "missing": lambda: np.full(n, np.nan),
        "mostly missing": lambda: np.where(rng.random(n) < 0.9, np.nan, normal),
        "huge": lambda: 1e150 * normal,
        "overflow": lambda: np.where(few, 1.7e308, -1.7e308),
        "infinite": lambda: np.where(few, np.inf, normal),
        "tiny": lambda: 1e-300 * normal,
        "text": lambda: rng.choice(["a", "b", "c"], n),
        "long": lambda: np.array(["x" * 20_000] * n, object),
        "unicode": (
            lambda: rng.choice(["ä", "体", "🧠", "a\u0301", "\u202eabc", "\ud800"], n).astype(object)
        ),
    }


def others(rng, n, normal, few):
    """Columns that are something else, or numbers in disguise."""
    return {
        "words": lambda: np.array([f"w{i}" for i in rng.integers(1000, size=n)], object),
        "date": lambda: pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(1000, size=n), "D"),
        "dates as text": lambda: np.array(
            [f"2021-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)], object
        ),
        "mixed": lambda: np.array(
            [[1, "a", None, 2.5, True, pd.Timestamp("2020-01-01")][i] for i in rng.integers(6, size=n)],
            object,
        ),
        "yes or no": lambda: few.astype(bool),
        "category": lambda: pd.Categorical(rng.choice(["u", "v"], n), categories=["v", "u", "never"]),
        "nullable": lambda: pd.array(
            np.where(rng.random(n) < 0.2, None, rng.integers(5, size=n)), dtype="Int64"
        ),
        "index": lambda: np.arange(n),
        "ids": lambda: np.array([f"sub-{i // 2:03d}_ses-{i % 2}" for i in range(n)], object),
        "numbers as text": lambda: normal.astype(str).astype(object),
        "complex": lambda: normal + 1j,
        "lists": lambda: pd.Series([[1, 2]] * n, dtype=object).to_numpy(),
        "big whole": lambda: np.array([10**30 + i for i in range(n)], object),
        "span": lambda: pd.to_timedelta(rng.integers(9, size=n), "h"),
        "bytes": lambda: np.array([b"x"] * n, object),
        "one far": lambda: np.where(np.arange(n) == 0, 1e12, normal),
        "python numbers": lambda: np.array([int(i) for i in rng.integers(50, size=n)], object),
    }


@st.composite
def tables(draw):
    """A table with columns of all kinds, and the roles that some of them are said to have."""
    n = draw(st.sampled_from([0, 1, 9, 12, 25, 40, 40, 60, 60, 60]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))

    def column():
        given = rng, n, rng.standard_normal(n), rng.integers(2, size=n)
        kinds = numbers(*given) | others(*given)
        return kinds[draw(st.sampled_from(["normal", "normal", *kinds]))]()

    some = st.sampled_from(NAMES) | st.text(max_size=5)
    names = draw(st.lists(some, min_size=2, max_size=8, unique=draw(st.integers(0, 19)) > 0))
    columns = [column() for _ in names]
    # A label that can be audited more often than chance would make one.
    if n and draw(st.integers(0, 9)):
        turn = np.arange(n) % 2
        labels = [turn, np.arange(n) % 3, rng.standard_normal(n), np.where(turn, "PD", "HC")]
        columns[0], columns[1] = draw(st.sampled_from(labels)), rng.standard_normal(n)
    table = pd.concat([pd.Series(one).reset_index(drop=True) for one in columns], axis=1)
    table.columns = pd.Index(names, dtype=object)
    if draw(st.booleans()):
        table.index = [0] * len(table)
    other = st.sampled_from([*names, None, "no such column"])
    roles = {"label": names[0]} | {
        role: draw(other)
        for role in ("subject", "site", "session", "second_rater")
        if draw(st.integers(0, 5)) == 0
    }
    if draw(st.integers(0, 9)) == 0:
        roles["features"] = draw(st.lists(st.sampled_from(names), max_size=4))
    if draw(st.integers(0, 5)) == 0:
        roles["demographics"] = draw(st.lists(st.sampled_from(names), max_size=2))
    if draw(st.integers(0, 9)) == 0:
        roles["task"] = draw(st.sampled_from(["classification", "regression", "guess"]))
    if draw(st.integers(0, 9)) == 0:
        roles["positive"] = draw(st.sampled_from([1, "PD", None, [], float("nan")]))
    return table, roles


@trials(4, 25)
@given(tables(), st.data())
def test_any_table_gives_a_report_or_a_named_error(tmp_path_factory, given_table, data):
    table, roles = given_table
    # All checks in a long search; here three of them each time.
    roles["only"] = (
        None
        if MANY
        else data.draw(st.lists(st.sampled_from(list(CHECKS)), min_size=3, max_size=3, unique=True))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            report = audit(table, **roles)
        except AuditError as error:
            assert 10 < len(str(error)) < 6000, str(error)  # it quotes a name of the column, however long
            return
        folder = tmp_path_factory.getbasetemp()
        page = report.save(folder / "report.html").read_text(encoding="utf-8")
        back = pd.read_csv(report.save_checklist(folder / "checklist.csv"), keep_default_na=False)
    Page(page)
    Page(report._repr_html_())
    assert len(page) < 3_000_000 and len(repr(report)) < 100_000
    assert (
        back.shape == report.checklist.shape
        and not back.astype(str).map(lambda cell: cell[:1] in ("=", "@", "+")).to_numpy().any()
    )
    for finding in report.findings:
        assert finding.level in LEVELS and finding.evidence
        assert "could not be run" not in finding.evidence, finding


@trials(4, 25)
@given(tables(), st.data())
def test_any_table_comes_through_a_file(tmp_path_factory, given_table, data):
    table, roles = given_table
    path = tmp_path_factory.getbasetemp() / "table.csv"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.write_bytes(
            table.to_csv(index=False, sep=data.draw(st.sampled_from([",", ";", "\t"]))).encode(
                "utf-8", "replace"
            )
        )
        try:
            audit(path, label=str(roles["label"]), only=["columns", "subjects"]).save(
                path.with_suffix(".html")
            )
        except AuditError as error:
            assert 10 < len(str(error)) < 6000


@trials(40, 300)
@given(
    st.binary(max_size=200) | st.text("ab,;\t\n\r\"'1.5-=", max_size=200).map(str.encode),
    st.sampled_from([".csv", ".tsv", ".csv.gz", ".txt"]),
)
def test_any_bytes_are_a_table_or_a_named_error(tmp_path_factory, content, ending):
    path = tmp_path_factory.getbasetemp() / f"bytes{ending}"
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") and content[:1] != b"\x1f" else content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert isinstance(read_table(path), pd.DataFrame)
        except AuditError as error:
            assert "\n" not in str(error)
