"""Pack the course as it is committed: `make release` writes build/honest-ml-imaging-VERSION.zip.

The version is that of pyproject.toml; CHANGELOG.md and CITATION.cff must name the same. What is changed and
not committed would not be in the archive, so the command refuses it. Unpacked, the archive is the course.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "honest-ml-imaging"
WHERE = {
    "pyproject.toml": r'^version = "(.*?)"',
    "CHANGELOG.md": r"^## ([^\s,]+)",
    "CITATION.cff": r"^version: \"?([^\s\"]+)",
}


def version(root=ROOT):
    """The version, or an error where the files that name it differ."""
    found = {}
    for name, line in WHERE.items():
        match = re.search(line, (root / name).read_text(encoding="utf-8"), re.M)
        found[name] = match[1] if match else "none"
    if len(set(found.values())) > 1:
        told = ", ".join(f"{name} says {number}" for name, number in found.items())
        raise ValueError(f"The versions differ: {told}. Make them one.")
    return found["pyproject.toml"]


def git(*words, root=ROOT):
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout


def pack(target, root=ROOT):
    """Write the archive into a folder, and give its path."""
    if changed := git("status", "--porcelain", "--untracked-files=no", root=root):
        raise ValueError(f"These files are changed and not committed:\n{changed}Commit them, then pack.")
    base = f"{NAME}-{version(root)}"
    target.mkdir(parents=True, exist_ok=True)
    archive = target / f"{base}.zip"
    git("archive", "--format=zip", f"--prefix={base}/", f"--output={archive}", "HEAD", root=root)
    return archive


def main():
    try:
        archive = pack(ROOT / "build")
    except ValueError as error:
        sys.exit(str(error))
    print(f"build/{archive.name}: {archive.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
