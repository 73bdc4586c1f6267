"""Files as they come."""

import gzip
import re
import zipfile

import numpy as np
import openpyxl
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
    with pytest.raises(
        AuditError,
        match=r"needs the package pyarrow\. Install it \(pip install pyarrow\), or save the table as csv",
    ):
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
        ("x,y\n1,2\n", "v.csv has no column 'participant_id'. Its columns: x, y"),
        ("participant_id,x\n01,2\nsub-01,3\n", "v.csv has participant_id sub-01 more than once"),
        ("participant_id,age\n01,2\n", "v.csv has columns that an earlier table has too: age"),
        ("participant_id,x\n77,2\n", "No participant of v.csv is in the tables before it: sub-77 there"),
    ):
        with pytest.raises(AuditError, match=sentence):
            read_bids(tmp_path, given(text))


# Files as other programs write them


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_spreadsheets_that_people_type(tmp_path):
    table = read_table(
        written(
            tmp_path / "a.csv",
            "id;age;volume\nA;61,5;1.234,5\nB;70,0;2.000,25\n\nMean;65,75;1.617,4\nSD;6,0;541,0\n",
        )
    )
    assert table.to_numpy().tolist() == [["A", 61.5, 1234.5], ["B", 70.0, 2000.25]]
    assert (
        "2 rows of sums, means or notes at the foot" in table.attrs["remarks"][0]
        and "age, volume" in table.attrs["remarks"][1]
    )
    table = read_table(
        written(
            tmp_path / "b.csv",
            '# made on Monday\n# by hand\nid,volume,share\n1,"1,234",5 %\n2,"12,034.5",7 %\n',
        )
    )
    assert (
        table.to_numpy().tolist() == [[1, 1234, 5], [2, 12034.5, 7]]
        and "2 lines above the header" in table.attrs["remarks"][0]
    )
    table = read_table(written(tmp_path / "c.tsv", "#id\tx\n01\t1.5\n02\t.\n"))
    assert list(table.columns) == ["id", "x"] and np.isnan(table.x[1])
    table = read_table(written(tmp_path / "e.csv", "id,volume\n1,1234.5 mm3\n2,1300 mm3\n"))
    assert table["volume"].tolist() == [1234.5, 1300]
    table = read_table(written(tmp_path / "d.csv", "id,note\nMeant,1\nSummer,2\nSam,3\n"))
    assert len(table) == 3 and table.attrs["remarks"] == []


def test_an_xlsx_file_without_its_package(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as file:
        file.writestr("xl/workbook.xml", "<a/>")

    def lacking(*_, **__):
        raise ImportError("openpyxl")

    monkeypatch.setattr(pd, "read_excel", lacking)
    with pytest.raises(
        AuditError,
        match=r"needs the package openpyxl. Install it \(pip install openpyxl\), or save the table as csv",
    ):
        read_table(tmp_path / "t.xlsx")


BODY = [f"s{i:02d},{60 + i}.5,{1000 + i},{'PC'[i % 2]}" for i in range(12)]


DRESSED = pytest.mark.parametrize(
    ("head", "foot"),
    [
        (["Study of 2021", "", "id,age,volume,dx"], []),
        (["Study of 2021,,,", ",,,", "id,age,volume,dx"], ["", "* read twice,,,"]),
        (["left,left,right,right", "id,age,volume,dx"], ["Mean,66,1005,", "N,12,12,"]),
        (["id,age,volume,dx", ",years,mm3,"], ["Std. Dev.,3.6,3.6,"]),
        (["# by hand", "id,age,volume,dx", "# centre A"], ["Mittelwert:,66,1005,", "p-value,.5,.4,"]),
    ],
)


@DRESSED
@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_titles_groups_units_and_notes_are_no_rows(tmp_path, head, foot, separator):
    text = "\n".join([*head, *BODY, *foot]).replace(",", separator)
    table = read_table(written(tmp_path / "t.csv", text))
    assert list(table.columns) == ["id", "age", "volume", "dx"] and len(table) == 12
    assert table.age.mean() == 66 and table.volume.mean() == 1005.5


@DRESSED
def test_a_spreadsheet_is_read_like_a_csv_file(tmp_path, head, foot):
    book = openpyxl.Workbook()
    book.active.append(["made by hand"])
    sheet = book.create_sheet("data")
    for line in [*head, *BODY, *foot]:
        cells = line.split(",")
        sheet.append([float(one) if re.fullmatch(r"-?[0-9.]+", one) else one or None for one in cells])
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert list(table.columns) == ["id", "age", "volume", "dx"] and len(table) == 12
    assert table.age.mean() == 66 and table.volume.mean() == 1005.5
    assert "Of 2 sheets, 'data' was read." in table.attrs["remarks"]


def test_a_name_that_stands_twice_does_not_make_a_row_the_header(tmp_path):
    table = read_table(written(tmp_path / "t.csv", "id,x,x\ns1,1,2\ns2,3,4\n"))
    assert len(table) == 2 and table.columns[0] == "id"


def people(tmp_path):
    return written(
        tmp_path / "participants.tsv",
        "participant_id\tgroup\n"
        + "".join(f"sub-{i:03d}\t{'PD' if i % 2 else 'HC'}\n" for i in range(1, 31)),
    )


def test_tables_of_freesurfer_are_joined(tmp_path):
    lh, rh = (
        written(
            tmp_path / f"{h}.txt",
            f"{h}.aparc.thickness\t{h}_cuneus_thickness\teTIV\n"
            + "".join(
                f"{name}\t{2 + i / 100}\t{1500 + i}\n"
                for i, name in enumerate(["sub-001", "sub-002", "sub-003"])
            ),
        )
        for h in ("lh", "rh")
    )
    aseg = written(
        tmp_path / "aseg.txt", "Measure:volume\tLeft-Putamen\nsub-001\t5000\nsub-002\t5100\nsub-040\t5200\n"
    )
    joined = read_bids(people(tmp_path), lh, rh, aseg)
    assert list(joined.columns) == [
        "participant_id",
        "group",
        "lh_cuneus_thickness",
        "eTIV",
        "rh_cuneus_thickness",
        "Left-Putamen",
    ]
    assert joined["participant_id"].tolist() == ["sub-001", "sub-002"] and joined.attrs["left_out"] == 28
    assert "1 in aseg.txt are not in the tables before it: sub-040." in joined.attrs["remarks"]
    assert any(
        "27 participants have no row in lh.txt: sub-004" in remark for remark in joined.attrs["remarks"]
    )


def test_ids_that_were_written_in_another_way_are_reconciled(tmp_path):
    radiomics = written(
        tmp_path / "r.csv",
        "ID,diagnostics_Versions,firstorder_Mean\n" + "".join(f"{i},v3.0,{i / 7}\n" for i in range(1, 31)),
    )
    joined = read_bids(people(tmp_path), radiomics)
    assert len(joined) == 30 and joined["firstorder_Mean"].iloc[6] == 1.0
    report = audit(joined, label="group", subject="participant_id", only=["columns", "label"])
    assert "1 feature is used" in report["columns"].evidence and "PD 15" in report.notes[0]


@pytest.mark.parametrize("form", ["{}.0", "sub_{:03d}", "SUB-{:02d}"])
def test_ids_of_other_programs_are_reconciled(tmp_path, form):
    rows = "".join(f"{form.format(i)},{i / 7}\n" for i in range(1, 31))
    joined = read_bids(people(tmp_path), written(tmp_path / "f.csv", f"id,x\n{rows}"))
    assert len(joined) == 30 and joined["x"].iloc[6] == 1.0 and joined["participant_id"].iloc[6] == "sub-007"


@pytest.mark.parametrize("run", ["run-{}", "run-0{}"])
def test_people_of_whom_some_have_two_runs_are_joined(tmp_path, run):
    names = [f"sub-{i:03d}" for i in range(3, 31)]
    names += [f"sub-{i:03d}_{run.format(k)}" for i in (1, 2) for k in (1, 2)]
    table = written(tmp_path / "T1w.tsv", "bids_name\tsnr\n" + "".join(f"{one}_T1w\t1\n" for one in names))
    joined = read_bids(people(tmp_path), table)
    assert len(joined) == 32 and set(joined["run"]) == {"1", "2"}


def test_the_image_quality_of_mriqc_and_a_folder_of_phenotypes(tmp_path):
    mriqc = written(
        tmp_path / "T1w.tsv",
        "bids_name\tcnr\tsnr\n"
        + "".join(f"sub-{i:03d}_ses-{s}_T1w\t{i}\t{s}\n" for i in range(1, 6) for s in (1, 2)),
    )
    joined = read_bids(people(tmp_path), mriqc)
    assert joined.shape == (10, 5) and joined["session_id"].tolist()[:2] == ["ses-1", "ses-2"]
    (tmp_path / "phenotype").mkdir()
    written(
        tmp_path / "phenotype" / "moca.tsv",
        "participant_id\tmoca\n" + "".join(f"sub-{i:03d}\t{20 + i % 9}\n" for i in range(1, 29)),
    )
    joined = read_bids(tmp_path)
    assert list(joined.columns) == ["participant_id", "group", "moca"] and joined.attrs["left_out"] == 2
    notes = audit(joined, label="group", subject="participant_id", only=["label"]).notes
    assert any("2 participants have no row in moca.tsv: sub-029, sub-030" in note for note in notes)
