"""Writing a file so that an earlier one survives: a full disk, a stop in the middle, links, pipes, rights."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT

from utils import files

ON_POSIX = pytest.mark.skipif(
    os.name == "nt", reason="links, pipes and rights of files are others on Windows"
)


def test_an_earlier_file_survives_a_broken_disk(broken_disk):
    folder, break_it, words = broken_disk
    files.write(folder / "a", b"one")
    break_it()
    before = sorted(os.listdir(folder))
    for name in ("a", "new"):
        with pytest.raises(OSError) as error:
            files.write(folder / name, b"two" * 10_000)
        assert files.why_not(error.value, folder / name) == words
    assert (folder / "a").read_bytes() == b"one" and sorted(os.listdir(folder)) == before


def test_an_earlier_file_survives_a_limit_on_the_size_of_files(tmp_path):
    """The same without the rights of root: the system refuses in the middle of the writing."""
    pytest.importorskip("resource", reason="Windows knows no such limit")
    path = tmp_path / "report.html"
    path.write_text("the earlier one")
    # The file alone, without the numerical libraries that the package begins with.
    code = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        "runpy.run_path(sys.argv[1])['write'](sys.argv[2], b'x' * 100_000)"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, ROOT / "utils" / "files.py", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "OSError" in done.stderr and "File too large" in done.stderr
    assert path.read_text() == "the earlier one" and os.listdir(tmp_path) == ["report.html"]


def test_a_stopped_save_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "a"
    files.write(path, b"one")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, b"two")
    assert path.read_bytes() == b"one" and os.listdir(tmp_path) == ["a"]


@ON_POSIX
def test_links_pipes_devices_and_rights_of_a_file_stay(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"one")
    real.chmod(0o640)
    link.symlink_to(real)
    files.write(link, b"two")
    assert link.is_symlink() and real.read_bytes() == b"two" and real.stat().st_mode & 0o777 == 0o640
    files.write(tmp_path / "new", b"x")
    (tmp_path / "usual").write_bytes(b"x")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode
    if Path("/dev/full").exists():
        with pytest.raises(OSError, match="No space left"):
            files.write("/dev/full", b"x")
        assert Path("/dev/full").is_char_device()


@ON_POSIX
def test_why_a_file_cannot_be_written(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path, words in (
        (tmp_path / "file" / "below", "there is no such folder"),
        (tmp_path / "none" / "below", "there is no such folder"),
        (tmp_path / "folder", "it is a folder"),
        (tmp_path / ("a" * 300), "the system says “File name too long”"),
    ):
        with pytest.raises(OSError) as error:
            files.write(path, b"x")
        assert files.why_not(error.value, path) == words
