"""Check the links of all pages and notebooks: `make check-links`.

A link into the course must lead to a file, and to a heading where it names one; what does not is listed, and
the command ends with 1. Addresses elsewhere are listed, and not asked: open them now and then.
"""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
MADE = re.compile(
    r"(^|/)(\.venv|\.git|__pycache__|build|wheels|[^/]*_cache|[^/]*\.egg-info|\.ipynb_checkpoints)/"
)
# Their links are those of what is made from them.
SOURCES = ("source/", "tools/pages/")


def tracked(*patterns):
    """The files of the repository; of a copy without git, those that are not made on the computer."""
    patterns = patterns or ("*",)
    if (ROOT / ".git").exists() and shutil.which("git"):
        command = ["git", "ls-files", "-z", "--", *patterns]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
    files = {path for pattern in patterns for path in ROOT.rglob(pattern) if path.is_file()}
    return sorted(path for path in files if not MADE.search(path.relative_to(ROOT).as_posix()))


def prose(path):
    """A page's text, or that of a notebook's cells, without code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    text = re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def links(path):
    """The targets of a page's links and pictures."""
    text = prose(path)
    written = re.findall(r"\]\(([^)\s]+)", text) + re.findall(r"^\[[^\]]+\]:\s*(\S+)", text, re.M)
    return written + re.findall(r"(?:href|src)=\"([^\"]+)\"", text)


def anchors(path):
    """The names under which the headings of a page can be reached on GitHub."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def broken():
    """Links into the course that lead nowhere, one sentence each; and how often each address is named."""
    wrong, elsewhere = [], Counter()
    for path in tracked("*.md", "*.ipynb", "*.html"):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(SOURCES):
            continue
        for target in links(path):
            if re.match(r"[a-z]+:", target):
                elsewhere[target] += 1
                continue
            place, _, heading = target.partition("#")
            there = path.parent / place if place else path
            if not there.exists():
                wrong.append(f"{name}: there is no {target}")
            elif heading and there.suffix == ".md" and heading not in anchors(there):
                wrong.append(f"{name}: there is no heading {target}")
    return wrong, elsewhere


def main():
    wrong, elsewhere = broken()
    for address, times in sorted(elsewhere.items()):
        print(f"not asked: {address}" + (f" ({times} times)" if times > 1 else ""))
    for sentence in wrong:
        print(sentence)
    print(f"{len(wrong)} links into the course lead nowhere; {len(elsewhere)} addresses were not asked.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
