"""The archive of a release: what is committed, under one version, and a course when it is unpacked."""

import subprocess
import sys
import zipfile

import pytest
import release
from harness import ROOT


@pytest.fixture
def repository(tmp_path):
    """A repository with the three files that name the version, and one that is not committed."""
    folder = tmp_path / "course"
    folder.mkdir()
    for name in release.WHERE:
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "first")):
        release.git(*words, root=folder)
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    return folder


def test_the_archive_holds_what_is_committed_under_its_version(repository, tmp_path):
    archive = release.pack(tmp_path / "build", repository)
    base = f"honest-ml-imaging-{release.version()}"
    assert archive.name == f"{base}.zip"
    files = {name for name in zipfile.ZipFile(archive).namelist() if not name.endswith("/")}
    assert files == {f"{base}/{name}" for name in release.WHERE}


def test_what_is_changed_and_not_committed_is_refused(repository, tmp_path):
    with (repository / "CHANGELOG.md").open("a", encoding="utf-8") as file:
        file.write("- One more thing.\n")
    with pytest.raises(ValueError, match=r"CHANGELOG\.md\nCommit them"):
        release.pack(tmp_path / "build", repository)


def test_versions_that_differ_are_refused(repository):
    text = (repository / "CITATION.cff").read_text(encoding="utf-8")
    (repository / "CITATION.cff").write_text(text.replace(release.version(), "9.9"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"CITATION\.cff says 9\.9"):
        release.version(repository)


def test_the_archive_is_a_course(tmp_path):
    """What is committed, unpacked elsewhere: its own panel, data and audit work there, without git."""
    if not (ROOT / ".git").exists():
        pytest.skip("an archive is made where there is git")
    archive = tmp_path / "course.zip"
    release.git("archive", "--format=zip", f"--output={archive}", "HEAD")
    zipfile.ZipFile(archive).extractall(tmp_path / "unpacked")
    code = (
        "from simulations.an_external_table import external_scaling as run\n"
        "from utils.data import load\n"
        "from utils.panel import panel\n"
        "import audit, pathlib, utils\n"
        "assert pathlib.Path(utils.__file__).is_relative_to(pathlib.Path.cwd())\n"
        "print(panel(run, repeats=20).shown['headline'], len(load('parkinsons_voice').table))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path / "unpacked", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("195")
