"""The packages for a place without network: what is asked of pip, and that nothing else is asked then."""

import itertools
import os
import platform
import shutil
import subprocess
import sys
from types import SimpleNamespace

import course
import pytest
import wheels
from harness import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TARGETS = list(itertools.product(wheels.PLATFORMS, wheels.PYTHONS))


@pytest.mark.parametrize(("system", "python"), TARGETS)
def test_a_folder_is_to_hold_all_pins_of_its_system_and_what_builds_the_course(system, python):
    wanted = {canonicalize_name(Requirement(line).name): line for line in wheels.packages(system, python)}
    for always in ("numpy", "jupyterlab", "combatlearn", "setuptools", "wheel"):
        assert always in wanted
    assert not any(";" in line for line in wanted.values())
    assert ("pywinpty" in wanted) == (system == "windows") != ("ptyprocess" in wanted)
    assert ("appnope" in wanted) == system.startswith("macos")
    assert ("overrides" in wanted) == (python == "3.11")
    assert "pytest-xdist" not in wanted  # nothing of a maintainer's


@pytest.mark.parametrize(("system", "python"), TARGETS[::3])
def test_what_is_asked_of_pip(system, python, tmp_path, monkeypatch, capsys):
    asked = []

    def step(*command):
        asked.append(command)
        folder = command[command.index("--dest") + 1]
        os.makedirs(folder)
        (tmp_path / folder / "one.whl").write_bytes(bytes(1000))

    for name in ("pyproject.toml", course.LEARNER, course.NO_DEPS):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(course, "step", step)
    older = tmp_path / "wheels" / f"{system}-{python}" / "older.whl"
    older.parent.mkdir(parents=True)
    older.touch()
    wheels.main([system, python])
    [command] = asked
    assert command[:4] == (sys.executable, "-m", "pip", "download")
    assert {"--no-deps", ":all:", python, *wheels.PLATFORMS[system]} <= set(command)
    assert set(wheels.packages(system, python)) <= set(command)
    # The folder appears when it is whole, in place of an older one.
    assert [path.name for path in tmp_path.glob("wheels/*")] == [f"{system}-{python}"]
    assert [path.name for path in tmp_path.glob("wheels/*/*")] == ["one.whl"]
    assert f"wheels/{system}-{python}: 1 packages" in capsys.readouterr().out


def test_a_download_that_breaks_off_leaves_the_earlier_folder(tmp_path, monkeypatch):
    def step(*command):
        sys.exit("no network")

    earlier = tmp_path / "wheels/linux-3.12/one.whl"
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    monkeypatch.setattr(wheels, "packages", lambda *_: [])
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(course, "step", step)
    with pytest.raises(SystemExit, match="no network"):
        wheels.main(["linux", "3.12"])
    assert earlier.exists()


@pytest.mark.parametrize("words", [[], ["windows"], ["vax", "3.12"], ["windows", "3.9"], ["a", "b", "c"]])
def test_another_computer_than_these_is_refused_in_a_sentence(words):
    with pytest.raises(SystemExit, match=r"Name a system .*macos-intel.* and a Python .*3\.14"):
        wheels.main(words)


def test_the_names_are_those_under_which_the_first_run_looks(monkeypatch):
    assert set(course.SYSTEMS.values()) == set(wheels.PLATFORMS)
    for (system, machine), name in course.SYSTEMS.items():
        fake = SimpleNamespace(platform=system, version_info=(3, 12, 1))
        monkeypatch.setattr(course, "sys", fake)
        monkeypatch.setattr(platform, "machine", lambda machine=machine: machine.upper())
        assert course.this_computer() == f"{name}-3.12"
    calls = []
    monkeypatch.setattr(course, "install_course", lambda: None)
    monkeypatch.setattr(course, "run", lambda *command: calls.append(command))
    course.wheels()
    course.wheels("macos", "3.13")
    assert calls == [("tools/wheels.py", name, "3.12"), ("tools/wheels.py", "macos", "3.13")]
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert course.this_computer().rsplit("-", 1)[0] not in wheels.PLATFORMS


def test_packages_that_were_brought_along_are_installed_and_nobody_is_asked(tmp_path, monkeypatch, capsys):
    """Only for a learner's packages: the test tools are not in the folder."""
    steps = []
    monkeypatch.setattr(course, "ROOT", tmp_path / "my course, ä")
    monkeypatch.setattr(course, "PREFIX", tmp_path)
    monkeypatch.setattr(course, "works", lambda *_: True)
    monkeypatch.setattr(course, "stamp", lambda wanted: (tmp_path / "stamp", str(len(steps))))
    monkeypatch.setattr(course.shutil, "copy", lambda *_: None)
    monkeypatch.setattr(course, "step", lambda *command, **more: steps.append((command, more)))

    def installs(*wanted):
        steps.clear()
        (tmp_path / "stamp").unlink(missing_ok=True)
        course.install(list(wanted), "")
        return [more for command, more in steps if "install" in command]

    assert installs(course.LEARNER) == [{}, {}]
    (course.ROOT / "wheels").mkdir(parents=True)
    assert installs(course.LEARNER) == [{}, {}]
    assert f"no {course.this_computer()}, so the network is asked" in capsys.readouterr().out
    (course.ROOT / "wheels" / course.this_computer()).mkdir()
    for more in installs(course.LEARNER):
        assert more["PIP_NO_INDEX"] == "1" and more["PIP_CONFIG_FILE"] == os.devnull
        assert more["PIP_FIND_LINKS"].startswith("file:///") and " " not in more["PIP_FIND_LINKS"]
    assert "no network is needed" in capsys.readouterr().out
    assert installs(course.LEARNER, "requirements-test.txt") == [{}, {}]


def test_a_step_hears_its_variables(tmp_path):
    said = "import os, sys; sys.exit(os.environ['PIP_NO_INDEX'] + ' heard')"
    with pytest.raises(SystemExit, match="1 heard"):
        course.step(sys.executable, "-c", said, PIP_NO_INDEX="1")


@pytest.mark.skipif(not shutil.which("git"), reason="asks git")
def test_no_package_is_committed():
    if not (ROOT / ".git").exists():
        pytest.skip("a copy without git")
    ignored = subprocess.run(["git", "check-ignore", "-q", "wheels/linux-3.12/one.whl"], cwd=ROOT)
    assert ignored.returncode == 0
