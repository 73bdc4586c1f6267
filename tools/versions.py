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
TESTS = ["experiments", "properties", "hostile", "replicates", "reference", "explorable", "audit", "welcome", "review", "data", "cohort"]
# What these assert is that the pinned versions are installed.
PINNED = ["a_sound_installation", "another_version_and_a_missing_package_are_named"]
NOTEBOOKS = [f"{folder}/{name}" for name in ("05_cross_validation_pitfalls.ipynb", "07_audit_a_study.ipynb")
             for folder in ("lessons", "solutions")]


def environment(which, folder):
    """Make an environment and give its Python."""
    for python in PYTHONS[which]:
        if subprocess.run(["uv", "venv", "--quiet", "--python", python, folder], capture_output=True, check=False).returncode == 0:
            break
    else:
        sys.exit(f"uv finds no Python {' or '.join(PYTHONS[which])}.")
    install = ["uv", "pip", "install", "--quiet", "--python", folder]
    subprocess.run([*install, "--resolution", HOW[which], "-r", "pyproject.toml", "--extra", "test"], cwd=ROOT, check=True)
    subprocess.run([*install, "--no-deps", "-r", "requirements-nodeps.txt"], cwd=ROOT, check=True)
    return str(Path(folder) / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def main(wanted):
    failed = []
    for which in wanted:
        with tempfile.TemporaryDirectory() as folder:
            python = environment(which, folder)
            shown = subprocess.run([python, "-c", SHOW], cwd=ROOT, capture_output=True, text=True, check=True).stdout
            print(f"{which}: {shown}", flush=True)
            # The kernels of the notebooks must be those of the new environment.
            settings = {"env": {**os.environ, "PYTHONPATH": str(ROOT)}, "cwd": ROOT, "check": False}
            tests = [f"tests/test_{name}.py" for name in TESTS]
            unit = [python, "-m", "pytest", "-p", "no:nbval", "-q", *tests, "-k", " and ".join(f"not {name}" for name in PINNED)]
            notebooks = [python, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", *NOTEBOOKS]
            failed += [which for command in (unit, notebooks) if subprocess.run(command, **settings).returncode]
    sys.exit(f"failed with the versions: {', '.join(dict.fromkeys(failed))}" if failed else 0)


SHOW = ("import sys, numpy, scipy, pandas, sklearn, matplotlib; print(f'Python {sys.version.split()[0]}', *("
        "f'{m.__name__} {m.__version__}' for m in (numpy, scipy, pandas, sklearn, matplotlib)), sep=', ')")

if __name__ == "__main__":
    main(sys.argv[1:] or list(HOW))
