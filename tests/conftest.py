"""What several tests share."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium or Chrome. Without one, browser tests are skipped, but fail where CI is set."""
    from live_lab import find_chromium

    path = find_chromium()
    if path is None:
        message = "no Chromium or Chrome found; install one, or set CHROMIUM to its path"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of the course, so that the notebooks of this one stay as they are."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("lessons", "exercises", "datasets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    return folder


@pytest.fixture(scope="module")
def lab(course, chromium):
    """The address of a JupyterLab that serves the copy, and a browser."""
    from live_lab import Browser, serve

    # The tests run beside each other. Kernels with several threads each would wait for one another.
    with serve(course, OMP_NUM_THREADS="1") as address, Browser(chromium) as browser:
        yield address, browser
