"""Set the course up and open it, or run its tests, on Linux, macOS and Windows.

    python tools/course.py lab  [flags for JupyterLab]
    python tools/course.py test
    python tools/course.py setup    all that a maintainer needs, and no more

The first run installs the pinned packages into .venv, and needs the network; every later run starts at
once. Inside the conda environment of environment.yml it uses that environment in place of .venv. Only the
standard library is used, and nothing newer than Python 3.6, so that an old Python can say that it is old.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "honest-ml-imaging"
OLDEST, NEWEST = (3, 11), (3, 14)
NO_DEPS = "requirements-nodeps.txt"  # packages that are installed without what they ask for
IN_CONDA = os.environ.get("CONDA_DEFAULT_ENV") == NAME
PREFIX = Path(sys.prefix) if IN_CONDA else ROOT / ".venv"
IN_VENV = PREFIX / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PYTHON = sys.executable if IN_CONDA else str(IN_VENV)


def check_python():
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit(
            f"The course needs Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}, and "
            f"{sys.executable} is Python {sys.version_info[0]}.{sys.version_info[1]}. Name another one "
            "like this: make lab PYTHON=python3.12"
        )
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        sys.exit(
            "This Python cannot make virtual environments. On Debian and Ubuntu, install what is "
            "missing with: sudo apt install python3-venv"
        )


def works(*command):
    try:
        return subprocess.call([PYTHON, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def stamp(wanted):
    """The file that says that the requirement files `wanted` are installed, and what must stand in it."""
    files = [ROOT / "pyproject.toml", ROOT / NO_DEPS, *(ROOT / name for name in wanted)]
    content = b"".join(path.read_bytes() for path in files) + str(ROOT).encode()
    return PREFIX / f".{Path(wanted[-1]).stem}.stamp", hashlib.sha256(content).hexdigest()


def install(wanted, sentence):
    """Install the requirement files `wanted`, unless just these were installed by an earlier run."""
    path, content = stamp(wanted)
    if path.exists() and path.read_text(encoding="utf-8") == content and works("-c", ""):
        return
    check_python()
    print(sentence, flush=True)
    if not IN_CONDA and not works("-m", "pip", "--version"):
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", str(PREFIX)])
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "--editable", "."]
    for name in wanted:
        command += ["--requirement", name]
    for step in command, [*pip, "--no-deps", "--requirement", NO_DEPS]:
        if subprocess.call(step, cwd=str(ROOT)):
            sys.exit(
                "Not everything could be installed; pip says why above. Run the same command to try again."
            )
    # JupyterLab's defaults: no news pop-up, no search for updates.
    settings = PREFIX / "share/jupyter/lab/settings/overrides.d"
    settings.mkdir(parents=True, exist_ok=True)
    shutil.copy(str(ROOT / "tools/jupyterlab.json"), str(settings / f"{NAME}.json"))
    # matplotlib lists the fonts of a machine once. Done here, it does not happen in the first lesson.
    works("-c", "import matplotlib.pyplot")
    for end in range(1, len(wanted) + 1):
        path, content = stamp(wanted[:end])
        path.write_text(content, encoding="utf-8")


def install_course():
    install(
        ["requirements.txt"],
        f"Installing the course into {PREFIX.name}, once. This takes a minute or two.",
    )


def install_all():
    # requirements-test.txt is apart, because the browser driver alone is larger than any package that a
    # learner installs.
    install(
        ["requirements.txt", "requirements-test.txt"],
        f"Installing the course and its test tools into {PREFIX.name}, once. This takes about two minutes.",
    )


def run(*command):
    """Run a command of the environment in the course's folder and wait for it, Ctrl-C or not."""
    process = subprocess.Popen([PYTHON, *command], cwd=str(ROOT))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # JupyterLab and pytest hear Ctrl-C too, and end in their own way


def lab(*flags):
    install_course()
    first = next(iter(sorted((ROOT / "lessons").glob("*.ipynb"))), None)
    page = f"/lab/tree/lessons/{first.name}" if first else "/lab"
    return run("-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url={page}", *flags)


def test():
    install_all()
    # As many programs as cores run beside each other; with several threads each they would wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print("1 of 2: the code, the data, the set-up and the browser", flush=True)
    # Four on two cores, because two of them mostly wait for a browser. In the order of their names those begin early:
    # they take longest.
    unit = run("-m", "pytest", "-p", "no:nbval", "-n", "4", "--dist", "loadfile", "--no-loadscope-reorder", "tests")
    print("2 of 2: every lesson and solution, run anew, outputs compared", flush=True)
    notebooks = run(
        *("-m", "pytest", "--nbval", "--nbval-current-env", "-n", "2", "--dist", "loadfile"),
        *("lessons", "solutions"),
    )
    for part, failed in ("code, data, set-up and browser", unit), ("lessons and solutions", notebooks):
        print(f"{part}: {'failed' if failed else 'passed'}")
    return unit or notebooks


if __name__ == "__main__":
    commands = {"lab": lab, "test": test, "setup": install_all}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    sys.exit(commands[sys.argv[1]](*sys.argv[2:]))
