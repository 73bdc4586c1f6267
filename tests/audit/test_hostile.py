"""Hostile files, cells and names, and a disk that is full: what is lost, what is said?"""

import csv
import gzip
import os
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audit_rates import ROLES, cohort
from pages import Page

from audit import AuditError, audit, read_table, reading

TABLE = cohort(0)


def test_a_report_and_a_checklist_survive(broken_disk):
    folder, break_it, sentence = broken_disk
    report = audit(TABLE, **ROLES, only=["columns"])
    saved = [report.save(folder / "report.html"), report.save_checklist(folder / "checklist.csv")]
    before = [path.read_bytes() for path in saved]
    break_it()
    listed = sorted(os.listdir(folder))
    for save, name in (
        (report.save, "report.html"),
        (report.save_checklist, "checklist.csv"),
        (report.save, "new.html"),
    ):
        with pytest.raises(
            AuditError, match=f"{name} cannot be written to .*disk: {sentence}. Give another path"
        ):
            save(folder / name)
    assert [path.read_bytes() for path in saved] == before and sorted(os.listdir(folder)) == listed


# Hostile files


def refused(path, words, **how):
    with pytest.raises(AuditError, match=words) as error:
        read_table(path, **how)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
    with pytest.raises(AuditError):
        audit(path, label="y")


def test_a_small_file_that_unpacks_to_a_huge_one(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LARGEST_FILE", 3e6)
    bomb = tmp_path / "bomb.csv.gz"
    bomb.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1_000_000))
    assert bomb.stat().st_size < 50_000
    refused(bomb, r"bomb.csv.gz unpacks to more than 0.0 GB, and up to 0.0 GB can be read.*usecols")
    few = tmp_path / "few.csv.gz"
    few.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1000))
    assert read_table(few).shape == (1000, 2)
    # Packed twice: what comes out is no text.
    few.write_bytes(gzip.compress(gzip.compress(b"a,b\n1,2\n")))
    refused(few, "few.csv.gz is a packed file")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("ran",)


@pytest.mark.parametrize(
    "name",
    ["t.pkl", "t.pickle", "t.PKL", "t.csv", "t.tsv", "t.txt", "t.pkl.gz", "t.csv.gz", "t.parquet", "t"],
)
def test_a_pickle_is_never_opened_whatever_its_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(Evil())
    Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    refused(name, "refused|damaged|not text|not a csv|is no parquet|pyarrow")
    assert not Path("ran").exists()


def test_a_spreadsheet_is_told_even_under_another_name(tmp_path):
    for name in ("t.xls", "t.xlsm", "t.ods"):
        (tmp_path / name).write_bytes(b"x")
        refused(tmp_path / name, "is not a csv, tsv, xlsx or parquet file. Save the table as csv")
    (tmp_path / "t.xlsx").write_bytes(b"x")
    refused(tmp_path / "t.xlsx", "is damaged or no xlsx file")
    bomb = tmp_path / "t.csv"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/worksheets/sheet1.xml", "<a/>" * 1_000_000)
        file.writestr("xl/externalLinks/externalLink1.xml", '<externalLink Target="https://example.org/x"/>')
    refused(
        bomb,
        r"t.csv is a spreadsheet \(xlsx\) or another zip file, whatever its name says.*save the table as csv",
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,\0\n", "holds bytes of value 0.*Save it as 'CSV UTF-8'"),
        ("a,b\n1,2\n".encode("utf-16-le"), "holds bytes of value 0.*encoding='utf-16'"),
        ("a,b\nø,2\n".encode("utf-16"), "holds bytes of value 0|is not text in UTF-8"),
        ("a,b\nø,2\n".encode("cp1252"), "is not text in UTF-8. Save it as 'CSV UTF-8', or .*cp1252"),
        (b"\xff\xfe\xfd", "is not text in UTF-8"),
        (b"a,b\n1,2,3,4\n5,6,7,8,9\n", "cannot be read as a table"),
        (b'a,b\n"1,2\n', "cannot be read as a table"),
        (b"", "cannot be read as a table"),
        (b"\n\n\n", "cannot be read as a table"),
        (b"PAR1....", "is a parquet file, whatever its name"),
    ],
)
def test_bytes_that_are_no_table(tmp_path, content, words):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    refused(path, words)


def test_text_of_other_encodings_is_read_when_named(tmp_path):
    path = tmp_path / "t.csv"
    for encoding in ("utf-16", "utf-16-le", "cp1252"):
        path.write_text("a,b\nø,2\n", encoding=encoding)
        assert read_table(path, encoding=encoding).iloc[0].tolist() == ["ø", 2]
    refused(path, "There is no encoding 'klingon'. Usual ones are 'utf-8'", encoding="klingon")
    refused(path, "There is no encoding 'base64'", encoding="base64")


def test_a_line_without_end(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1," + b"9" * 12_000_000)
    refused(path, "has a line of more than 10 MB.*ends of the lines")
    path.write_text(
        "\n".join(["id," + ",".join(f"feature_{i}" for i in range(1000)), "1," + ",".join(["2"] * 1000)])
    )
    assert read_table(path).shape == (1, 1001)  # many features are no such line


@pytest.mark.skipif(os.name == "nt", reason="links, pipes and rights of files are others on Windows")
def test_paths_that_lead_to_no_file(tmp_path):
    refused(tmp_path, "is a folder. Give the file in it")
    (tmp_path / "folder.csv").mkdir()
    refused(tmp_path / "folder.csv", "'folder.csv' is a folder")
    refused(tmp_path / "none.csv", "There is no file 'none.csv' in the folder")
    refused(tmp_path / "none" / "none.csv", "There is no file 'none.csv' in the folder")
    refused("a" * 5000 + ".csv", "cannot be opened: the system says “File name too long”. Give the path")
    refused("a\0.csv", "cannot be opened.*Give the path")
    (tmp_path / "a.csv").symlink_to(tmp_path / "b.csv")
    refused(tmp_path / "a.csv", "'a.csv' in the folder .* is a link that leads nowhere")
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")
    refused(tmp_path / "a.csv", "cannot be opened: the system says “Too many levels of symbolic links”")
    (tmp_path / "file.csv").write_text("a\n1\n")
    refused(tmp_path / "file.csv" / "t.csv", "cannot be opened: the system says “Not a directory”")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.csv")
        refused(tmp_path / "pipe.csv", "is no ordinary file but a pipe or a device. Save what comes from it")


# Hostile cells


FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://x","y")',
    "\uff1d1+1",
    "\uff0b1",
    "-5 to 3",
    "+49 30 1234",
    "x\r=1+1",
    "x\n=1+1",
]
PLAIN = ["-5", "-0.25", "+3", "-1e-5", "-.5", "5", "text", "1=1", "", "a@b.org"]


def test_formulas_are_escaped_and_numbers_stay_numbers(tmp_path):
    report = audit(TABLE, **ROLES, only=["columns"])
    cells = report.checklist["from the table"].to_numpy(object, copy=True)
    cells[: len(FORMULAS) + len(PLAIN)] = FORMULAS + PLAIN
    report.checklist["from the table"] = cells
    with report.save_checklist(tmp_path / "c.csv").open(encoding="utf-8-sig", newline="") as file:
        back = [row["from the table"] for row in csv.DictReader(file)]
    # On one line each, so that no cell can begin a row of its own.
    assert back[: len(FORMULAS)] == [
        ("" if cell.startswith("x") else "'") + " ".join(cell.split()) for cell in FORMULAS
    ]
    assert back[len(FORMULAS) :][: len(PLAIN)] == PLAIN
    assert not [cell for cell in back if re.match(r"[=@\t\r\n]", cell)]
    assert pd.read_csv(tmp_path / "c.csv").shape == report.checklist.shape


EVIL = [
    '"><img src=x onerror=alert(1)>',
    "<script>alert(1)</script>",
    "' onmouseover='alert(1)",
    "</title><script>",
    "-->",
    "&lt;b&gt;",
    "<svg onload=alert(1)>",
    "javascript:alert(1)",
    "]]>",
    "<style>*{display:none}</style>",
]
TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "h2",
    "h3",
    "p",
    "b",
    "i",
    "ul",
    "li",
    "div",
    "table",
    "tr",
    "th",
    "td",
    "section",
    "span",
    "img",
    "a",
    "details",
    "summary",
}


@pytest.mark.parametrize(
    "evil", [EVIL[0], *(pytest.param(e, marks=pytest.mark.repetition) for e in EVIL[1:])]
)
def test_no_name_or_value_becomes_html(evil, tmp_path, monkeypatch):
    monkeypatch.setattr("audit.report._png", lambda *_, **__: b"a picture")  # drawn in test_report.py
    names = {
        "feature_0": f"f {evil}",
        "scanner": f"s {evil}",
        "person": f"p {evil}",
        "diagnosis": f"d {evil}",
        "age": f"a {evil}",
    }
    table = TABLE.rename(columns=names).replace({"A": f"site {evil}"})
    table[names["diagnosis"]] = np.where(table[names["diagnosis"]] == 1, f"PD {evil}", "HC")
    table[names["person"]] = [f"{evil}{one}" for one in table[names["person"]]]
    table["more"] = evil
    table = pd.concat([table, table.head(3)], ignore_index=True)
    table.loc[:20, names["feature_0"]] = np.nan
    path = tmp_path / "evil.csv"
    table.to_csv(path, index=False)
    roles = {role: names.get(column, column) for role, column in ROLES.items() if isinstance(column, str)}
    roles |= {"second_rater": None, "demographics": [names["age"]]}
    only = [
        "columns",
        "subjects",
        "duplicates",
        "site and label",
        "target leakage",
        "missing values and label",
        "missing values and site",
    ]
    report = audit(path, **roles, only=only)
    for text in (report.save(tmp_path / "report.html").read_text(encoding="utf-8"), report._repr_html_()):
        page = Page(text)
        assert page.tags <= TAGS and not [name for name, _ in page.attributes if name.startswith("on")]
        assert all(
            value.startswith(("data:image/png", "#"))
            for name, value in page.attributes
            if name in ("src", "href")
        )
        assert evil in "".join(page.text)  # told as it is, as text
    report.save_checklist(tmp_path / "c.csv")
    assert len(pd.read_csv(tmp_path / "c.csv")) == len(report.checklist)


def test_a_name_with_signs_of_mathematics_or_another_script_is_drawn_as_it_is(recwarn):
    names = {
        "feature_0": "$a_{$ and $",
        "feature_1": "体積",
        "feature_2": "x^2 $\\frac$",
        "scanner": "$\\site$",
        "feature_3": "🧠 volume",
    }
    table = TABLE.rename(columns=names)
    table.loc[:9, list(names.values())[:3]] = np.nan
    report = audit(
        table,
        **{**ROLES, "site": "$\\site$"},
        only=["site and label", "target leakage", "missing values and label"],
    )
    drawn = [
        text.get_text()
        for finding in report.findings
        if finding.draw
        for text in finding.figure().axes[0].get_yticklabels()
    ]
    assert "$a_{$ and $" in drawn and "体積" in drawn
    for finding in report.findings:
        assert finding._repr_png_()[:4] == b"\x89PNG"
    assert [str(warning.message) for warning in recwarn] == []
