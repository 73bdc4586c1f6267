"""`make lab` on other people's computers: it comes up, or says in one sentence what to do."""

import ast
import contextlib
import http.cookiejar
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import course
import nbformat
import pytest
from harness import ROOT

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="made of what Linux offers")
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
FIRST = min(path.name for path in (ROOT / "lessons").glob("*.ipynb"))


# What is started


def bare(home, **more):
    """The variables of a new user on a computer without a screen, and nothing of whoever runs the tests."""
    ours = ("JUPYTER", "PYTHON", "PYTEST", "DISPLAY", "WAYLAND", "BROWSER", "XDG", "IPYTHON", "MPL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    variables = {**kept, "HOME": str(home), **more}
    return {name: value for name, value in variables.items() if value is not None}


@contextlib.contextmanager
def lab(folder, home, *wrapped, **variables):
    """Start the first command as a newcomer does; give its log, its address, and its page's way in."""
    process = subprocess.Popen(
        [*wrapped, sys.executable, "tools/course.py", "lab"],
        cwd=folder,
        env=bare(home, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    log, address = [], None
    patience = threading.Timer(300, os.killpg, (process.pid, signal.SIGKILL))
    patience.start()
    try:
        for line in process.stdout:
            log.append(line)
            if found := re.search(r"(http://127\.0\.0\.1:(\d+))(/lab\S*)\?token=(\w{32,})", line):
                address = SimpleNamespace(server=found[1], port=int(found[2]), page=found[3], token=found[4])
                break
        assert address, "JupyterLab ended before it gave its address:\n" + "".join(log)
        wait_for(address.port)
        yield "".join(log), address
    finally:
        patience.cancel()
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


def wait_for(port, seconds=60):
    """JupyterLab gives its address a moment before it listens there."""
    for _ in range(10 * seconds):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port)).close()
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")


def first_lesson(address):
    """What a browser gets that opens the address: the page, and the first lesson for it."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with browser.open(f"{address.server}{address.page}?token={address.token}") as answer:
        assert answer.status == 200 and "<title>JupyterLab</title>" in answer.read().decode()
    with browser.open(f"{address.server}/api/contents/lessons/{FIRST}?token={address.token}") as answer:
        return json.load(answer)["content"]


@pytest.fixture
def installed(tmp_path):
    """A course in a folder without git, with blanks and other signs in its path, that has been set up.

    The environment in it is one of its own. It borrows the packages of the one in which the tests run.
    """
    folder = tmp_path / "my course, ä (1)"
    copy(folder)
    prefix = folder / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    [there] = prefix.glob("lib/python*/site-packages")
    (there / "borrowed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    for name in ("share", "etc"):
        (prefix / name).symlink_to(Path(sys.prefix) / name)
    stamped = "import course; path, text = course.stamp(['requirements.txt']); path.write_text(text)"
    subprocess.run([sys.executable, "-c", stamped], cwd=folder / "tools", check=True)
    return folder


def copy(folder):
    folder.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", *(path.name for path in ROOT.glob("requirements*.txt"))):
        shutil.copy(ROOT / name, folder)
    (folder / "tools").mkdir()
    for name in ("course.py", "jupyterlab.json"):
        shutil.copy(ROOT / "tools" / name, folder / "tools")
    (folder / "lessons").mkdir()
    shutil.copy(ROOT / "lessons" / FIRST, folder / "lessons")


def refused(folder, *wrapped, python=sys.executable, **variables):
    """Start the first command where it cannot come up, and give the one sentence that it ends with."""
    done = subprocess.run(
        [*wrapped, python, "tools/course.py", "lab"],
        cwd=folder,
        env=bare(**{"home": folder.parent, "TMPDIR": str(folder.parent), **variables}),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    [line] = done.stderr.strip().splitlines()
    return line


# It comes up


def test_it_comes_up_as_it_is_and_shows_the_first_lesson(tmp_path):
    """As whoever runs the tests, root too; no browser can be opened, and the usual port is taken."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # somebody else has it already: as good
            stack.enter_context(socket.create_server(("127.0.0.1", 8888)))
        log, address = stack.enter_context(lab(ROOT, tmp_path))
        assert address.port != 8888
        assert address.page == f"/lab/tree/lessons/{FIRST}"
        assert ("You are root" in log) == AS_ROOT
        assert "No browser can be opened" in log or not sys.platform.startswith("linux")
        stored = nbformat.read(ROOT / "lessons" / FIRST, as_version=4)
        assert sources(first_lesson(address)) == sources(stored)
        with pytest.raises(urllib.error.HTTPError, match="403"):  # without its token, nobody comes in
            urllib.request.urlopen(f"{address.server}/api/contents")
        assert no_news(address)


def sources(notebook):
    return [cell["source"] for cell in notebook["cells"]]


def no_news(address):
    """JupyterLab's pop-up with news and its search for updates are off; panels of closed pages are kept."""
    defaults = {}
    for name in ("@jupyterlab/apputils-extension:notification", "@jupyter-widgets/jupyterlab-manager:plugin"):
        page = f"{address.server}/lab/api/settings/{name}?token={address.token}"
        with urllib.request.urlopen(page) as answer:
            defaults |= json.load(answer)["schema"]["properties"]
    values = {name: defaults[name]["default"] for name in ("fetchNews", "checkForUpdates", "saveState")}
    return values == {"fetchNews": "false", "checkForUpdates": False, "saveState": True}


HOMES = {
    "absent": lambda folder: "/proc/nobody",
    "a file": lambda folder: str(folder / "pyproject.toml"),
    "somebody else's": lambda folder: made(folder.parent / "home", 0o500),
}


def made(folder, mode):
    folder.mkdir()
    folder.chmod(mode)
    return str(folder)


@LINUX
@pytest.mark.parametrize("home", HOMES)
def test_it_comes_up_without_git_and_without_a_home(installed, home):
    place = HOMES[home](installed)
    writable = AS_ROOT and home == "somebody else's"  # root may write everywhere
    with lab(installed, place) as (log, address):
        assert ("cannot be written to; settings go to" in log) != writable
        assert first_lesson(address)["cells"]
        assert (installed / ".venv/home/.local/share/jupyter/runtime").is_dir() != writable


@LINUX
def test_it_comes_up_without_any_network(installed, tmp_path):
    """In a network that holds nothing but this computer, where another program asks for the page."""
    loopback = (
        "import fcntl, socket, struct, sys; s = socket.socket();"
        "fcntl.ioctl(s, 0x8914, struct.pack('16sh14x', b'lo', 1)); s.close();"  # SIOCSIFFLAGS, IFF_UP
        "sys.path[:0] = sys.argv[1:3]; import test_first_command as t;"
        "from pathlib import Path; folder, home = map(Path, sys.argv[3:]);\n"
        "with t.lab(folder, home) as (log, address): print(len(t.first_lesson(address)['cells']))"
    )
    places = [Path(__file__).parent, ROOT / "tests", installed, tmp_path]
    isolated = [*namespace("--net"), sys.executable, "-c", loopback, *map(str, places)]
    done = subprocess.run(
        isolated, env={**os.environ, "PYTHONPATH": str(ROOT / "tools")}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1
    # Where there is not even that, nothing can be served.
    assert "ip link set lo up" in refused(installed, *namespace("--net"), home=tmp_path)


def namespace(*kinds):
    """The beginning of a command that runs in a world of its own, or a skip where none can be made."""
    command = ["unshare", *kinds] if AS_ROOT else ["unshare", "--user", "--map-root-user", *kinds]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("this computer lets no program have a network or a disk of its own")
    return command


@LINUX
def test_it_comes_up_in_a_folder_that_only_others_may_write_to(installed, tmp_path):
    mounted = ["sh", "-c", 'mount --bind -o ro "$0" "$0" && cd "$0" && exec "$@"', str(installed)]
    with lab(installed, tmp_path, *namespace("--mount"), *mounted) as (log, address):
        assert "Nothing can be saved" in log and "copy the course" in log
        assert first_lesson(address)["cells"]


def test_what_is_asked_of_jupyterlab(monkeypatch, capsys):
    """Without root no word about it; with a screen a browser; the user's own flags last."""
    monkeypatch.setattr(course, "install_course", lambda: None)
    monkeypatch.setattr(course, "run", lambda *command: command)
    monkeypatch.setattr(course.os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    asked = course.lab("--port=8899")
    assert asked[-1] == "--port=8899" and not {"--allow-root", "--no-browser"} & set(asked)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(course.os, "geteuid", lambda: 0, raising=False)
    asked = course.lab()
    assert "--allow-root" in asked
    assert len(capsys.readouterr().out.splitlines()) == 1
    # A computer that does not know its own name "localhost"
    monkeypatch.setattr(course.socket, "getaddrinfo", lambda *_: (_ for _ in ()).throw(OSError()))
    assert "--ip=127.0.0.1" in course.lab() and "--ip=127.0.0.1" not in course.lab("--ip=0.0.0.0")


# It says what to do

UNREACHABLE = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9",
    "PIP_FIND_LINKS": None,
    "PIP_EXTRA_INDEX_URL": None,
}


@pytest.fixture
def fresh(tmp_path):
    """A course that has not been set up, in a folder without git and with blanks in its path."""
    copy(tmp_path / "my course")
    return tmp_path / "my course"


def test_a_python_that_is_too_old_or_too_new_says_so(fresh, monkeypatch):
    """Every one that is on this computer, and all others as far as their number goes."""
    ast.parse((ROOT / "tools/course.py").read_text(encoding="utf-8"), feature_version=(3, 6))
    for minor in (*range(6, 11), *range(15, 18)):
        expected = (
            rf"The course needs Python 3\.11 to 3\.14, and .* is Python 3\.{minor}\. .*PYTHON=python3\.12"
        )
        for name in filter(None, [shutil.which(f"python3.{minor}")]):
            asked = subprocess.run(
                [name, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True
            )
            if asked.returncode == 0:
                assert re.match(expected, refused(fresh, python=asked.stdout.strip()))
        with monkeypatch.context() as patch:
            patch.setattr(course.sys, "version_info", (3, minor, 1))
            with pytest.raises(SystemExit, match=expected):
                course.check_python()
    assert not (fresh / ".venv").exists()


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (
            "ensurepip",
            f"cannot make virtual environments.*apt install python3.{sys.version_info[1]}-venv",
        ),
        ("venv", "cannot make virtual environments"),
        ("_sqlite3", "was built without sqlite3"),
        ("shutil", "This Python is not complete.*apt install python3-venv"),
    ],
)
def test_a_python_that_lacks_something_says_so(fresh, tmp_path, module, expected):
    """Debian and Ubuntu split Python up; one compiled at home lacks what its computer lacked."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{module!r}] = None")
    assert re.search(expected, refused(fresh, PYTHONPATH=str(tmp_path)))


def test_a_stopped_set_up_says_how_to_go_on_and_without_the_network_it_says_so(fresh):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes calls and never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "tools/course.py", "lab"],
            cwd=fresh,
            env=bare(fresh.parent, **{**UNREACHABLE, "PIP_INDEX_URL": address}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # What a shell starts in the background is deaf to Ctrl-C, and so would this be, of such tests.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        silent.settimeout(300)
        silent.accept()
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in output
    assert errors.strip() == "Stopped. To go on, run the same command again."
    assert "The first run needs the network" in refused(fresh, **UNREACHABLE)


@LINUX
@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        ('mount -t tmpfs -o size=8m none "$0/.." && cp -r "$1" "$0"', "No space is left on the disk"),
        ('mount --bind -o ro "$0" "$0"', "cannot be written to.*Copy the course"),
    ],
)
def test_a_disk_that_is_full_or_read_only_is_said_to_be(fresh, tmp_path, mount, expected):
    """On disks that really are so."""
    copy(tmp_path / "disk/my course")
    places = [str(tmp_path / "disk/my course"), str(fresh)]
    script = f'{mount} && cd "$0" && shift && exec "$@"'
    assert re.search(expected, refused(fresh, *namespace("--mount"), "sh", "-c", script, *places))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("OSError: [Errno 28] No space left on device: 'pip-unpack'", "make room"),
        ("ERROR: Could not install packages due to an OSError: [Errno 122] Disk quota exceeded", "make room"),
        (
            "after connection broken by 'SSLError(SSLCertVerificationError(1, 'certificate verify failed'",
            "PIP_CERT",
        ),
        ("WARNING: Retrying ... broken by 'NewConnectionError(': Failed to establish'", "needs the network"),
        ("ReadTimeoutError(\"HTTPSConnectionPool(host='x', port=443): Read timed out.", "needs the network"),
        ("ERROR: No matching distribution found for scipy==1.17.1", "64-bit"),
        ("[Errno 13] Permission denied: '/x/.venv'", "belongs to another user"),
        ("Error: Refusing to create a venv in /x:y because it contains the PATH separator :.", "Rename"),
        ("something else", "something else\nThat did not work, for the reason above"),
    ],
)
def test_what_fails_on_the_way_is_explained(words, expected, capsys):
    """What pip and venv say, in their words, on computers that no test can be."""
    saying = "import sys; print('ahead'); print(sys.argv[1], file=sys.stderr); sys.exit(3)"
    with pytest.raises(SystemExit, match=expected):
        course.step(sys.executable, "-c", saying, words)
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(os.name == "nt", reason="Windows ends programs otherwise")
def test_a_set_up_that_the_system_ends_for_want_of_memory_says_so():
    with pytest.raises(SystemExit, match="memory"):
        course.step(sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")


@LINUX
def test_a_path_that_venv_refuses_is_named(tmp_path):
    copy(tmp_path / "my:course")
    assert "Rename that folder" in refused(tmp_path / "my:course")
