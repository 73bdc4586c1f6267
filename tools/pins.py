"""Make requirements.txt and requirements-test.txt anew from pyproject.toml: `make pins`.

Pins stay as they are unless pyproject.toml asks for others; `make pins UPGRADE=1` takes the newest. Needs
uv (`pip install uv`) and the network. At the end it asks the index whether every pin that a learner needs
can be installed without a compiler on Linux, macOS and Windows, with every Python that the course allows.
"""

import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
)
COMPILE = [
    *("uv", "pip", "compile", "pyproject.toml", "--universal", "--fork-strategy", "fewest", "--quiet"),
    *("--python-version", PYTHONS[0], "--no-emit-index-url", "--no-header", "--no-annotate"),
]


def main(upgrade):
    learner, tester = ROOT / "requirements.txt", ROOT / "requirements-test.txt"
    flags = ["--upgrade"] if upgrade else []
    subprocess.run([*COMPILE, *flags, "-o", learner.name], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder) / "both.txt"
        if not upgrade:
            both.write_text(learner.read_text(encoding="utf-8") + tester.read_text(encoding="utf-8"))
        test = ["--extra", "test", "-c", learner.name, "-o", str(both)]
        subprocess.run([*COMPILE, *test], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        # By name: the same pin may stand there for fewer systems, but for all that the course runs on.
        known = {line.split("==")[0] for line in learner.read_text(encoding="utf-8").splitlines()}
        lines = both.read_text(encoding="utf-8").splitlines()
        more = (line for line in lines if line.split("==")[0] not in known)
        tester.write_text("".join(f"{line}\n" for line in more), encoding="utf-8")
        for platform, python in itertools.product(PLATFORMS, PYTHONS):
            print(f"{platform}, Python {python}", flush=True)
            where = ["--target", folder, "--python-platform", platform, "--python-version", python]
            check = ["uv", "pip", "install", "--quiet", "--dry-run", "--only-binary", ":all:"]
            subprocess.run([*check, *where, "-r", learner.name], cwd=ROOT, check=True)


if __name__ == "__main__":
    main(upgrade=len(sys.argv) > 1)
