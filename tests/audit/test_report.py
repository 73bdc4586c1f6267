"""Every report: complete, repeatable, safe to open, and silent about what stands in a cell."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from audit_rates import ROLES, cohort

from audit import CHECKS, LEVELS, AuditError, audit
from audit import table as module

CHEAP = ["columns", "subjects", "duplicates", "target leakage", "suspect labels", "better than chance"]


@pytest.fixture(autouse=True)
def _no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(scope="module")
def clean():
    return audit(cohort(1), **ROLES)


@pytest.fixture(scope="module")
def page(clean, tmp_path_factory):
    return clean.save(tmp_path_factory.mktemp("page") / "report.html").read_text(encoding="utf-8")


# Every report


def test_every_finding_is_complete(clean, voice, page):
    assert list(CHECKS) and {f.name for f in clean.findings} <= set(CHECKS)
    drawn = ("subjects", "ways to split")
    for finding in [*clean.findings, *map(voice.__getitem__, drawn)]:
        assert finding.level in LEVELS and finding.lesson in {f"{i:02d}" for i in range(8)}
        assert finding.why.endswith(".") and finding.do.endswith(".") and finding.evidence.endswith(".")
        assert "nan" not in finding.evidence
    pictures = re.findall(
        r'base64,([^"]*)"', page
    )  # one of the scores, and one of every finding that has one
    assert len(pictures) == 1 + sum(finding.draw is not None for finding in clean.findings)
    assert all(5_000 < len(one) < 200_000 for one in pictures)
    assert all(2_000 < len(voice[name]._repr_png_()) < 60_000 for name in drawn)


def test_the_worst_comes_first_and_the_baselines_are_shown(voice, clean):
    order = [list(LEVELS).index(f.level) for f in voice.findings]
    assert order == sorted(order)
    assert list(clean.scores["predicted from"])[:3] == ["guessing", "the site alone", "demographics alone"]


def test_an_audit_is_repeatable_and_changes_nothing():
    table = cohort(2)
    before = table.copy(deep=True)
    np.random.seed(1)  # noqa: NPY002
    one = audit(table, **ROLES, only=CHEAP)
    np.random.seed(2)  # noqa: NPY002
    two = audit(table, **ROLES, only=CHEAP[::-1])
    pd.testing.assert_frame_equal(table, before)
    assert sorted(map(repr, one.findings)) == sorted(map(repr, two.findings))


def test_what_is_positive_is_the_readers_choice():
    table = cohort(2).assign(diagnosis=lambda t: t["diagnosis"].map({0: "PD", 1: "HC"}), reader_2="PD")
    report = audit(table, **ROLES, positive="PD", only=["calibration"])
    drawn = report["calibration"].figure().axes[0].get_xlabel()
    assert drawn == "predicted probability of PD"


def test_the_report_opens_anywhere_and_runs_nothing(clean, page):
    assert not re.search(r"<(script|link|iframe|object)|(src|href)=\"(?!data:|#)|url\(|@import", page)
    assert "default-src 'none'" in page and '<html lang="en">' in page and "width=device-width" in page
    assert page.count("<img ") == page.count(' alt="') >= 8 and len(page) < 2_000_000
    assert "@media print" in page and "details::details-content{content-visibility:visible" in page
    assert LEVELS["fine"][1] in page and not re.search(r"#[0-9a-fA-F]{6}", clean._repr_html_())
    assert "data:image" not in clean._repr_html_() and len(clean._repr_html_()) < 20_000


def test_names_in_the_table_cannot_become_html(tmp_path, monkeypatch):
    monkeypatch.setattr("audit.report._png", lambda *_, **__: b"a picture")  # drawn above
    evil = "<script>alert(1)</script>"
    table = (
        cohort(0)
        .rename(columns={"feature_0": evil, "scanner": "s<b>"})
        .replace({"A": "<img src=x onerror=y>"})
    )
    report = audit(
        table,
        **{**ROLES, "site": "s<b>"},
        only=["columns", "site and label", "target leakage", "missing values and label"],
    )
    page = report.save(tmp_path / "r.html").read_text(encoding="utf-8")
    for text in (page, report._repr_html_()):
        assert "<script" not in text and "<img src=x" not in text and "<b>s" not in text
    assert "&lt;" in page


def test_no_cell_of_the_checklist_is_a_formula(tmp_path):
    table = cohort(0).rename(
        columns={"feature_0": '=HYPERLINK("http://x")', "diagnosis": "@label", "scanner": "+site"}
    )
    report = audit(table, **{**ROLES, "label": "@label", "site": "+site"}, only=["columns"])
    report.checklist.iloc[0, 4] = "=1+1"
    back = pd.read_csv(report.save_checklist(tmp_path / "c.csv"), keep_default_na=False)
    cells = back.astype(str).to_numpy().ravel()
    assert not [c for c in cells if re.match(r"[=+\-@\t\r]", c)] and "'=1+1" in cells


def test_the_checklist_has_every_item_once(clean):
    counts = clean.checklist.groupby("guideline")["item"].agg(["size", "nunique"])
    assert counts.loc["TRIPOD+AI"].tolist() == [52, 52]
    assert counts.loc["CLAIM"].tolist() == [44, 44] and counts.loc["REFORMS"].tolist() == [32, 32]
    assert list(clean.checklist.query("guideline == 'CLAIM'")["item"]) == [str(i) for i in range(1, 45)]
    answers = clean.checklist.set_index(["guideline", "item"])["from the table"]
    assert "200 subjects" in answers["TRIPOD+AI", "10"] and "kappa" in answers["CLAIM", "18"]
    assert "audit: folds by person" in answers["CLAIM", "20"] and "site alone" in answers["REFORMS", "5f"]
    empty = clean.checklist["from the table"] == ""
    assert (clean.checklist["status"] == np.where(empty, "open", "partly")).all() and 0.4 < empty.mean() < 0.8


def test_a_report_that_cannot_be_written(tmp_path):  # read-only or full: see test_hostile.py
    voice = audit(cohort(0), **ROLES, only=["columns"])
    with pytest.raises(AuditError, match="there is no such folder"):
        voice.save(tmp_path / "none" / "report.html")
    with pytest.raises(AuditError, match="it is a folder"):
        voice.save(tmp_path)


def test_a_stopped_audit_keeps_what_it_found(capsys):
    lines = []

    def stop(line):
        lines.append(line)
        if len(lines) == 5:
            raise KeyboardInterrupt

    report = audit(cohort(0), **ROLES, progress=stop)
    assert len(report.findings) == 4 and "Stopped by hand after 4 of 19 checks" in report.notes[-1]
    assert "Stopped by hand" in report._repr_html_()
    assert lines[0] == "1 of 19: label"
    audit(cohort(0), **ROLES, only=["columns"])
    assert capsys.readouterr().out == ""  # nothing to compare in a saved notebook
    audit(cohort(0), **ROLES, only=["columns"], progress=True)
    assert "1 of 1: columns" in capsys.readouterr().out


def test_large_tables_are_sampled_by_subject_and_say_so(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_SAMPLE", (600, 1e7))
    rng = np.random.default_rng(0)
    n = 3000
    y = np.zeros(n, int)
    y[rng.permutation(n // 2)[:60] * 2] = 1
    y[1::2] = y[::2]
    table = pd.DataFrame(rng.standard_normal((n, 3)), columns=list("abc")).assign(y=y, s=np.arange(n) // 2)
    table[["a"]] += y[:, None]
    report = audit(table, label="y", subject="s", only=["subjects", "sample size", "better than chance"])
    assert re.search(r"Models and tests used (\d+) of 3,000 rows, whole subjects", " ".join(report.notes))
    used = int(re.search(r"used (\d+)", report.notes[-1])[1])
    assert 590 <= used <= 600 and "1500 subjects" in report["subjects"].evidence
    assert (
        "60 subjects in the smallest class" in report["sample size"].evidence
        and report["better than chance"].level == "fine"
    )


def test_the_report_says_what_its_levels_mean(clean, page):
    for level, (_, _, words) in LEVELS.items():
        assert (words in page) == any(finding.level == level for finding in clean.findings)
    assert "from 0.01 downwards" in page
