"""Files as they come."""

import gzip

import numpy as np
import pandas as pd
import pytest

from audit import AuditError, audit, read_bids, read_table

# Files


def test_tables_in_many_dresses(tmp_path):
    small = pd.DataFrame({"id": ["001", "002"], "x": [1.5, np.nan], "name": ["Møller", "Ó"]})
    small.to_csv(tmp_path / "a.csv", index=False)
    small.to_csv(tmp_path / "b.tsv", index=False, sep="\t", na_rep="n/a")
    small.to_csv(tmp_path / "c.csv", index=False, sep=";", decimal=",", encoding="utf-8-sig")
    small.to_csv(tmp_path / "d.csv.gz", index=False)
    for name in ("a.csv", "b.tsv", "c.csv", "d.csv.gz"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name, text=("id",)), small, check_dtype=False)
    small.to_csv(tmp_path / "e.csv", index=False, encoding="cp1252")
    with pytest.raises(AuditError, match=r"e.csv is not text in UTF-8. Save it as 'CSV UTF-8', or .*cp1252"):
        read_table(tmp_path / "e.csv")
    assert read_table(tmp_path / "e.csv", encoding="cp1252")["name"][0] == "Møller"


def test_files_that_are_refused(tmp_path, monkeypatch):
    for name in ("t.pkl", "t.pickle", "t.joblib", "t.npz"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(AuditError, match="is refused: opening such a file can run any program"):
            read_table(tmp_path / name)
    (tmp_path / "t.xlsx").write_bytes(b"x")
    with pytest.raises(AuditError, match="Save the table as csv"):
        read_table(tmp_path / "t.xlsx")
    with pytest.raises(AuditError, match="There is no file 'none"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    with pytest.raises(AuditError, match="cannot be read as a table"):
        audit(tmp_path / "empty.csv", label="y")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 100)[:-20])
    with pytest.raises(AuditError, match="cannot be read as a table"):
        read_table(tmp_path / "cut.csv.gz")

    def lacking(*_):
        raise ImportError("pyarrow")

    (tmp_path / "t.parquet").write_bytes(b"x")
    monkeypatch.setattr(pd, "read_parquet", lacking)
    with pytest.raises(AuditError, match=r"needs the package pyarrow\. Install it, or save the table as csv"):
        read_table(tmp_path / "t.parquet")
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(3_000_000_000)  # takes no room on the disk
    with pytest.raises(AuditError, match=r"large.csv has 3.0 GB, and up to 1.5 GB can be read. .*usecols"):
        read_table(tmp_path / "large.csv")


def test_a_bids_folder_is_joined(tmp_path):
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tage\tgroup\nsub-01\t60\tPD\nsub-02\t61\tHC\nsub-03\tn/a\tHC\n", encoding="utf-8"
    )
    (tmp_path / "t.tsv").write_text(
        "participant_id\tsession_id\tputamen\n01\t1\t.8\nsub-01\tses-2\t.7\n02\tses-1\tn/a\n",
        encoding="utf-8",
    )
    (tmp_path / "u.csv").write_text(
        "participant_id,session_id,cortex\nsub-01,ses-1,2.5\nsub-01,2,2.4\n02,1,2.6\n", encoding="utf-8"
    )
    joined = read_bids(tmp_path, tmp_path / "t.tsv", tmp_path / "u.csv")
    assert joined[["participant_id", "session_id", "age", "cortex"]].to_numpy().tolist() == [
        ["sub-01", "ses-1", 60, 2.5],
        ["sub-01", "ses-2", 60, 2.4],
        ["sub-02", "ses-1", 61, 2.6],
    ]
    assert joined["putamen"].isna().tolist() == [False, False, True] and joined.attrs["left_out"] == 1

    def given(text):
        (tmp_path / "v.csv").write_text(text, encoding="utf-8")
        return tmp_path / "v.csv"

    for text, sentence in (
        ("subject,x\n1,2\n", "v.csv has no column 'participant_id'. Its columns: subject, x"),
        ("participant_id,x\n01,2\nsub-01,3\n", "v.csv has participant_id sub-01 more than once"),
        ("participant_id,age\n01,2\n", "v.csv has columns that an earlier table has too: age"),
        ("participant_id,x\n77,2\n", "No participant of v.csv is in the tables before it: sub-77 there"),
    ):
        with pytest.raises(AuditError, match=sentence):
            read_bids(tmp_path, given(text))
