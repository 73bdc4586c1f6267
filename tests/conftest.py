"""Which tests are run, in what order and where, and what several of them start: a server and a browser."""

import contextlib
import functools
import os
import shutil
import subprocess
import sys

import pytest
from harness import REPETITIONS, ROOT, WINGS
from jupyter_client.launcher import launch_kernel
from jupyter_client.provisioning import local_provisioner
from kernels import Copy

# Repetitions: tests that try once more what `make test` tries already


def pytest_configure(config):
    config.pluginmanager.register(Notebooks())
    config.addinivalue_line(
        "markers", "repetition: tries once more what another test tries; `make test-all` runs it"
    )


def pytest_report_header():
    return f"repetitions: {'run' if REPETITIONS else 'left for `make test-all`'}"


def pytest_collection_modifyitems(config, items):
    left = [] if REPETITIONS else [item for item in items if item.get_closest_marker("repetition")]
    config.repetitions_left = len(left)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("repetition")]
    # The browser is begun first: it takes longest, and mostly waits.
    items.sort(key=lambda item: "chromium" not in getattr(item, "fixturenames", ()))


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["repetitions_left"] = session.config.repetitions_left


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.repetitions_left = getattr(node, "workeroutput", {}).get("repetitions_left", 0)


def pytest_terminal_summary(terminalreporter, config):
    if left := getattr(config, "repetitions_left", 0):
        terminalreporter.write_line(f"{left} repetitions were left for `make test-all`.")


class Notebooks:
    """How nbval runs notebooks. (A plugin, since hooks of this file hear only of tests in its folder.)"""

    @pytest.hookimpl(tryfirst=True)  # before the kernel is started
    def pytest_runtest_setup(self, item):
        notebook = item.path.suffix == ".ipynb"
        # nbval compares no picture, so panels make none; tests/simulations/test_figures.py renders them all.
        os.environ["STILLS"] = "0" if notebook else "1"
        Copy.hidden = [str(ROOT / folder) for folder in ("", "tools", "tests")]
        local_provisioner.launch_kernel = Copy if notebook and sys.platform == "linux" else launch_kernel


# A server and a browser


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


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """A copy of the course, in a folder whose name a careless program would not survive."""
    folder = tmp_path_factory.mktemp("x") / "Kurs ä 研究 (1)"
    for name in (*WINGS, "datasets", "lessons", "exercises"):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "requirements.txt", folder)
    return folder


@pytest.fixture(scope="session")
def server(course, chromium):
    """The address of a JupyterLab that serves the copy."""
    from live_lab import serve

    # The tests run beside each other. Kernels with several threads each would wait for one another.
    with serve(course, OMP_NUM_THREADS="1", PYTHONPATH=str(course)) as address:
        yield address


@pytest.fixture(scope="module")
def lab(server, chromium):
    """The address of the server, and a browser with an account of its own."""
    from live_lab import Browser

    # Not for the session: while a browser is driven, no other test can begin a loop of events of its own.
    with Browser(chromium) as browser:
        browser.context.on("page", look_seldom)
        yield server, browser


def look_seldom(page):
    """Look at conditions ten times a second: at every frame, as is usual, most of the work is painting."""
    page.wait_for_function = functools.partial(page.wait_for_function, polling=100)


# A disk on which nothing more can be written


@pytest.fixture(params=["a full disk", "a disk that becomes read-only"])
def broken_disk(request, tmp_path):
    """A folder, a function that breaks the disk under it, and the words that must be said of it."""
    if sys.platform != "linux":
        pytest.skip("a disk of its own can be mounted on Linux only")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a disk of its own needs the rights of root: {done.stderr.strip()}")

    def fill():
        with open(folder / "ballast", "wb", buffering=0) as file:
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)

    def freeze():
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)

    try:
        if request.param == "a full disk":
            yield folder, fill, "the disk is full"
        else:
            yield folder, freeze, "the folder or the file is read-only"
    finally:
        subprocess.run(["umount", str(folder)], check=True)
