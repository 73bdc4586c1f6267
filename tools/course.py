"""Set the course up and open it, or run its tests, on Linux, macOS and Windows.

    python tools/course.py lab  [flags for JupyterLab]
    python tools/course.py test           every lesson, solution and test
    python tools/course.py test-all       the same, with the repetitions: further seeds, spellings, versions
    python tools/course.py repetitions    only what test-all adds to test
    python tools/course.py setup          all that a maintainer needs, and no more
    python tools/course.py wheels         the packages for a place without network, into the folder wheels
    python tools/course.py wheels windows 3.12    the same for another computer, and for its Python

The first run installs the pinned packages into .venv, and needs the network, unless they lie in the folder
wheels; every later run starts at once. Inside the conda environment of environment.yml it uses that
environment in place of .venv. Only the standard library is used, and nothing newer than Python 3.6, so that
an old Python can say that it is old. What goes wrong for a reason that can be foreseen ends with a sentence
that says what to do.
"""

import os
import re
import sys

try:
    import functools
    import hashlib
    import importlib.util
    import platform
    import shutil
    import socket
    import subprocess
    import tempfile
    from pathlib import Path
except ImportError as error:  # Debian's python3-minimal, say
    sys.exit(
        f"This Python is not complete ({error}). On Debian, Ubuntu: apt update; apt install python3-venv"
    )

ROOT = Path(__file__).resolve().parent.parent
NAME = "honest-ml-imaging"
OLDEST, NEWEST = (3, 11), (3, 14)
LEARNER = "requirements.txt"
NO_DEPS = "requirements-nodeps.txt"  # packages that are installed without what they ask for
# What the computers are called, for which `wheels` can be filled.
SYSTEMS = {
    ("linux", "x86_64"): "linux",
    ("linux", "aarch64"): "linux-arm",
    ("darwin", "arm64"): "macos",
    ("darwin", "x86_64"): "macos-intel",
    ("win32", "amd64"): "windows",
}
IN_CONDA = os.environ.get("CONDA_DEFAULT_ENV") == NAME
PREFIX = Path(sys.prefix) if IN_CONDA else ROOT / ".venv"
IN_VENV = PREFIX / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PYTHON = sys.executable if IN_CONDA else str(IN_VENV)
AGAIN = "then run the same command again."

# What the system, venv or pip says, and what to do about it: the first that fits is shown. Certificates stand
# before the network, and the network before packages that are not found, because pip says both.
REASONS = {
    "No space left|Disk quota exceeded|not enough space|File too large": (
        f"No space is left on the disk. The course takes about 1 GB in {ROOT}: make room, {AGAIN}"
    ),
    "Read-only file system|[Pp]ermission denied|Access is denied|not permitted": (
        f"Something in {ROOT} cannot be written to, or belongs to another user. Copy the course, without its "
        "folder .venv, to a folder of your own, and run the same command there."
    ),
    "CERTIFICATE_VERIFY_FAILED|certificate verify failed|SSLError": (
        "The package index answers, but its certificate is not trusted here. Check this computer's date; if "
        f"your network has a certificate of its own, set PIP_CERT to its file, {AGAIN}"
    ),
    "Connection(Reset|Refused)?Error|NameResolution|Max retries|[Tt]imed? ?out|ProxyError|IncompleteRead": (
        "The packages cannot be downloaded: the package index does not answer. The first run needs the "
        "network, or the folder wheels that somebody has filled for this kind of computer (see the README): "
        f"connect this computer (behind a proxy, set HTTPS_PROXY) or bring that folder, {AGAIN}"
    ),
    "No matching distribution": (
        "A package has no ready-made form for this computer and this Python. The course runs on 64-bit "
        "Linux, macOS and Windows, with the usual Python (of the system, of python.org or of conda)."
    ),
    "Refusing to create a venv": (f"The path {ROOT} has a '{os.pathsep}' in it. Rename that folder, {AGAIN}"),
}


def sentence(text):
    """What to do about an error, given by what a program printed; or those words, where nobody foresaw it."""
    for pattern, advice in REASONS.items():
        if re.search(pattern, text):
            return advice
    return f"{text.strip()}\nThat did not work, for the reason above. Mend it, {AGAIN}"


def check_python():
    version = "{}.{}".format(*sys.version_info[:2])
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit(
            f"The course needs Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}, and "
            f"{sys.executable} is Python {version}. Install one of them if there is none, and name it like "
            "this: make lab PYTHON=python3.12, or without make: python3.12 tools/course.py lab"
        )
    lacks = [name for name in ("_ssl", "_sqlite3", "_ctypes", "zlib") if not importlib.util.find_spec(name)]
    if lacks:
        sys.exit(
            f"{sys.executable} was built without {', '.join(name.strip('_') for name in lacks)}. Name a "
            "complete Python like this: make lab PYTHON=python3.12"
        )
    if not IN_CONDA and not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        sys.exit(
            "This Python cannot make virtual environments. On Debian and Ubuntu, install what is missing, as "
            f"root or with sudo: apt update; apt install python{version}-venv"
        )


def can_write(folder):
    try:
        with tempfile.TemporaryFile(dir=str(folder)) as file:
            file.write(bytes(2**16))
            file.flush()
        return True
    except OSError:
        return False


@functools.lru_cache(maxsize=1)
def environment():
    """The variables of what is started: the user's, without another Python's, and a home that can be used."""
    others = ("PYTHONHOME", "PYTHONPATH")
    variables = {name: value for name, value in os.environ.items() if name not in others}
    variables.update(PYTHONNOUSERSITE="1", PIP_USER="0")
    home = os.path.expanduser("~")
    # What lies inside is looked at too: after a "sudo", it may belong to root.
    inside = (
        "",
        ".jupyter",
        ".ipython",
        ".local/share",
        ".local/share/jupyter",
        ".local/share/jupyter/runtime",
    )
    places = [os.path.join(home, name) for name in (*inside, "Library/Jupyter")]
    usable = os.path.isdir(home) and all(can_write(place) for place in places if os.path.isdir(place))
    if os.name == "posix" and not usable:
        other = str(PREFIX / "home") if can_write(PREFIX) else tempfile.mkdtemp(prefix=NAME)
        os.makedirs(other, mode=0o700, exist_ok=True)
        print(f"The home folder {home} cannot be written to; settings go to {other}.", flush=True)
        variables["HOME"] = other
    return variables


def works(*command):
    try:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.call([PYTHON, *command], cwd=str(ROOT), env=environment(), **quiet) == 0
    except OSError:
        return False


def step(*command, **variables):
    """Run a step of the set-up, with a dot every five seconds, or end with a sentence on what went wrong."""
    process = subprocess.Popen(
        command,
        cwd=str(ROOT),
        env=dict(environment(), **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        errors="replace",
    )
    while True:
        try:
            output, _ = process.communicate(timeout=5)
            break
        except subprocess.TimeoutExpired:
            print(".", end="", flush=True)
    if process.returncode == -9:
        sys.exit(f"\nThe system ended the set-up, most likely for want of memory: free about 1 GB, {AGAIN}")
    if process.returncode:
        sys.exit("\n" + sentence(output))


def stamp(wanted):
    """The file that says that the requirement files `wanted` are installed, and what must stand in it."""
    files = [ROOT / "pyproject.toml", ROOT / NO_DEPS, *(ROOT / name for name in wanted)]
    content = b"".join(path.read_bytes() for path in files) + str(ROOT).encode()
    return PREFIX / f".{Path(wanted[-1]).stem}.stamp", hashlib.sha256(content).hexdigest()


def this_computer():
    """The name of this kind of computer and its Python, as the folders in wheels are named."""
    machine = platform.machine().lower()
    system = SYSTEMS.get((sys.platform, machine), f"{sys.platform}-{machine}")
    return "{}-{}.{}".format(system, *sys.version_info[:2])


def brought_along():
    """Variables that let pip take the packages from the folder wheels and ask nobody, if they are there.

    As an address, since pip cuts a path at its blanks; as variables, since the pip that builds the course's
    own package, in a process of its own, must know them too.
    """
    folder = ROOT / "wheels" / this_computer()
    if folder.is_dir():
        print(f"The packages come from wheels/{folder.name}; no network is needed.", flush=True)
        return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": folder.as_uri(), "PIP_CONFIG_FILE": os.devnull}
    if folder.parent.is_dir():
        print(f"In the folder wheels there is no {folder.name}, so the network is asked.", flush=True)
    return {}


def install(wanted, announcement):
    """Install the requirement files `wanted`, unless just these were installed by an earlier run."""
    path, content = stamp(wanted)
    # After an upgrade of the system's Python, the environment runs and has lost its packages.
    there = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('jupyterlab'))"
    if path.exists() and path.read_text(encoding="utf-8") == content and works("-c", there):
        return
    check_python()
    print(announcement, flush=True)
    if not IN_CONDA and not works("-m", "pip", "--version"):
        if shutil.disk_usage(str(ROOT)).free < 1e9:
            sys.exit(sentence("No space left"))
        step(sys.executable, "-m", "venv", "--clear", str(PREFIX))
    # Only ready-made packages: without a compiler, minutes of trying would end in pages of its messages.
    # Retries are what pip speaks of where the network is at fault.
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "3"]
    pip += ["--only-binary", ":all:"]
    files = [part for name in wanted for part in ("--requirement", name)]
    where = brought_along() if wanted == [LEARNER] else {}  # the test tools are not brought along
    step(*pip, "--editable", ".", *files, **where)
    step(*pip, "--no-deps", "--requirement", NO_DEPS, **where)
    # JupyterLab's defaults: no news pop-up, no search for updates.
    settings = PREFIX / "share/jupyter/lab/settings/overrides.d"
    settings.mkdir(parents=True, exist_ok=True)
    shutil.copy(str(ROOT / "tools/jupyterlab.json"), str(settings / f"{NAME}.json"))
    # A package that is there may still not load (a system library that is missing, a disk that runs nothing).
    # And matplotlib lists the fonts of a machine once: done here, it does not happen in the first lesson.
    step(PYTHON, "-c", "import jupyterlab, matplotlib.pyplot, pandas, scipy.stats, sklearn, zmq")
    for end in range(1, len(wanted) + 1):
        path, content = stamp(wanted[:end])
        path.write_text(content, encoding="utf-8")
    print(flush=True)


def install_course():
    once = f"Installing the course into {PREFIX.name}, once. This takes a minute or two"
    install([LEARNER], f"{once}, and longer over a slow network.")


def install_all():
    # requirements-test.txt is apart, because the browser driver alone is larger than any package that a
    # learner installs.
    once = f"Installing the course and its test tools into {PREFIX.name}, once. This takes two minutes"
    install([LEARNER, "requirements-test.txt"], f"{once}, and longer over a slow network.")


def run(*command):
    """Run a command of the environment in the course's folder and wait for it, Ctrl-C or not."""
    process = subprocess.Popen([PYTHON, *command], cwd=str(ROOT), env=environment())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # JupyterLab and pytest hear Ctrl-C too, and end in their own way


def address():
    """Flags for where the lessons are served, or the end: this computer must be able to talk to itself."""
    with socket.socket() as server, socket.socket() as client:
        try:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            client.settimeout(10)
            client.connect(server.getsockname())
        except OSError:
            sys.exit(
                "This computer cannot talk to itself at 127.0.0.1, where the lessons are served. "
                "On Linux, root brings that up with: ip link set lo up"
            )
    try:
        socket.getaddrinfo("localhost", None)
    except OSError:  # a very small container does not know the name
        return ["--ip=127.0.0.1"]
    return []


def lab(*flags):
    install_course()
    first = next(iter(sorted((ROOT / "lessons").glob("*.ipynb"))), None)
    page = f"/lab/tree/lessons/{first.name}" if first else "/lab"
    added = [f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url={page}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        print(
            "You are root, and JupyterLab is told that this is meant (--allow-root): whoever has the address "
            "with its token may do everything on this computer."
        )
        added.append("--allow-root")
    if not can_write(ROOT):
        print(
            f"Nothing can be saved in {ROOT}: the lessons run, but to keep your work, copy the course to a "
            "folder of your own."
        )
    screen = {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"} & set(os.environ)
    if sys.platform.startswith("linux") and not screen:
        print("No browser can be opened from here: open the last address below in one.")
        added.append("--no-browser")  # or else a browser for text may take the terminal
    if not any("ip=" in flag for flag in flags):
        added += address()
    sys.stdout.flush()
    return run("-m", "jupyterlab", *added, *flags)


def tests():
    """The files of all tests and notebooks, those first that take long and mostly wait for a browser."""
    patterns = ("tests/**/test_browser*.py", "solutions/*.ipynb", "lessons/*.ipynb", "tests/**/test_*.py")
    files = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return list(dict.fromkeys(str(path.relative_to(ROOT)) for path in files))


def pytest(*selection):
    install_all()
    # Programs run beside each other; with several threads each they would wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Three on two cores, because they sometimes wait: for a browser, for a server. (A fourth would spend its
    # first 16 seconds on imports, and the whole took longer.) A file stays in one hand, as the cells of a
    # notebook must, and files begin in the order that is given. (xdist's "loadgroup" groups nothing with
    # pytest 9.2, and does not say so.)
    beside = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
    return run("-m", "pytest", *beside, *selection)


def test():
    return pytest("--nbval", "--nbval-current-env", *tests())


def test_all():
    os.environ["REPETITIONS"] = "1"
    return test()


def repetitions():
    """Only the files of tests in which something is repeated, so that `test` and this are `test-all`."""
    os.environ["REPETITIONS"] = "1"
    repeated = re.compile(r"\b(repetitions?|trials)\b")
    python = [name for name in tests() if name.endswith(".py")]
    again = [name for name in python if repeated.search((ROOT / name).read_text(encoding="utf-8"))]
    return pytest("-p", "no:nbval", *again)


def wheels(*computer):
    """Fill the folder wheels for this computer, or for another one: its system and its Python."""
    install_course()
    return run("tools/wheels.py", *(computer or this_computer().rsplit("-", 1)))


COMMANDS = {
    "lab": lab,
    "test": test,
    "test-all": test_all,
    "repetitions": repetitions,
    "setup": install_all,
    "wheels": wheels,
}
MORE_WORDS = ("lab", "wheels")  # the commands that take further words

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS or (sys.argv[2:] and sys.argv[1] not in MORE_WORDS):
        sys.exit(__doc__)
    try:
        sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(f"\nStopped. To go on, {AGAIN[5:]}")
    except OSError as error:
        sys.exit(sentence(str(error)))
