"""Run tests with the lowest versions that pyproject.toml allows, and with the newest: `make versions`.

Two environments are made in a temporary folder, and the tests that need no browser are run in each. Needs uv
(`pip install uv`) and the network. Of what asks for the pinned versions themselves, nothing is run.

    python tools/versions.py [lowest | newest] ...
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = {"lowest": ("3.11",), "newest": ("3.14", "3.13", "3.12")}  # the first one that uv can get
HOW = {"lowest": "lowest-direct", "newest": "highest"}
TESTS = ("utils", "simulations", "checks", "audit", "review", "tools/test_reference.py")
# What these assert is that the pinned versions are installed.
PINNED = ("a_sound_installation", "another_version_and_a_missing_package_are_named")
NOTEBOOKS = ("05_cross_validation_pitfalls.ipynb", "09_audit_a_study.ipynb")
SHOW = """
import sys, numpy, scipy, pandas, sklearn, matplotlib
packages = (numpy, scipy, pandas, sklearn, matplotlib)
print("Python", sys.version.split()[0], *(f"{one.__name__} {one.__version__}" for one in packages))
"""


def environment(which, folder):
    """Make an environment and give its Python."""
    for python in PYTHONS[which]:
        if not subprocess.run(["uv", "venv", "-q", "--python", python, folder], check=False).returncode:
            break
    else:
        sys.exit(f"uv finds no Python {' or '.join(PYTHONS[which])}.")
    install = ["uv", "pip", "install", "--quiet", "--python", folder]
    declared = ["--resolution", HOW[which], "-r", "pyproject.toml", "--extra", "test"]
    subprocess.run([*install, *declared], cwd=ROOT, check=True)
    subprocess.run([*install, "--no-deps", "-r", "requirements-nodeps.txt"], cwd=ROOT, check=True)
    return str(Path(folder) / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def failures(python):
    """How many of the two runs of pytest fail: that of the tests, and that of the notebooks."""
    # The kernels of the notebooks must be those of the new environment.
    settings = {"env": {**os.environ, "PYTHONPATH": str(ROOT)}, "cwd": ROOT, "check": False}
    run = [python, "-m", "pytest", "-q"]
    tests = ["-p", "no:nbval", *(f"tests/{name}" for name in TESTS)]
    tests += ["-k", " and ".join(f"not {name}" for name in PINNED)]
    places = [f"{folder}/{name}" for name in NOTEBOOKS for folder in ("lessons", "solutions")]
    notebooks = ["--nbval", "--nbval-current-env", *places]
    return sum(subprocess.run([*run, *what], **settings).returncode != 0 for what in (tests, notebooks))


def main(wanted):
    failed = []
    for which in wanted:
        with tempfile.TemporaryDirectory() as folder:
            python = environment(which, folder)
            print(f"{which}:", flush=True)
            subprocess.run([python, "-c", SHOW], cwd=ROOT, check=True)
            failed += [which] * (failures(python) > 0)
    sys.exit(f"failed with the versions: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:] or list(HOW))
