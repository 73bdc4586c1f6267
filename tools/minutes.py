"""How many minutes a lesson takes, by a measure: `.venv/bin/python tools/minutes.py` shows it for all.

Prose and what cells print at 180 words a minute, 6 seconds for a line of code, 4 minutes for a panel, and
some for a form. References, and the appendix that may follow them, are left out, and so is the code of
cells that are folded or show a panel. The minutes that a lesson states are these, rounded up to 5.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
WORDS_A_MINUTE, LINES_A_MINUTE = 180, 10
MOST_MINUTES = 60
MOST_WORDS = 3_600  # of prose, up to the questions at the end
# What a learner does in a cell that shows no text, by the call that shows it.
DONE = {"panel": 4, "Stand": 4, "ReviewForm": 10}
QUESTIONS = re.compile(r"^## (?:Two|Three) questions$", re.MULTILINE)
END = re.compile(r"^## References$", re.MULTILINE)


@dataclass(frozen=True)
class Measure:
    """What there is to read and to do: words of prose and of outputs, lines of code, minutes of doing."""

    prose: int
    up_to_questions: int  # the part of the prose before them
    printed: int
    code: int
    doing: int

    @property
    def minutes(self) -> float:
        return (self.prose + self.printed) / WORDS_A_MINUTE + self.code / LINES_A_MINUTE + self.doing

    @property
    def stated(self) -> int:
        return 5 * math.ceil(self.minutes / 5)


def words(text: str) -> int:
    """The words of a text: between spaces, with a letter or a digit, without tags and addresses."""
    text = re.sub(r"<[^>]+>|\]\([^)]*\)", " ", text)
    return sum(any(sign.isalnum() for sign in word) for word in text.split())


def measure(notebook: nbformat.NotebookNode) -> Measure:
    """What a lesson's notebook, executed, asks of its reader."""
    prose = printed = code = doing = 0
    before = None
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if END.search(cell.source):
                break
            if before is None and QUESTIONS.search(cell.source):
                before = prose
            prose += words(cell.source)
        elif cell.cell_type == "code":
            shown = re.search(rf"^({'|'.join(DONE)})\(", cell.source, re.MULTILINE)
            doing += DONE[shown[1]] if shown else 0
            printed += 0 if shown else sum(words(_text(output)) for output in cell.outputs)
            if not shown and not cell.metadata.get("jupyter", {}).get("source_hidden"):
                code += sum(bool(line.strip()) for line in cell.source.splitlines())
    return Measure(prose, prose if before is None else before, printed, code, doing)


def _text(output) -> str:
    """What an output says in words; a picture says nothing here."""
    data = output.get("data", {})
    if "image/png" in data or ("text/html" in data and "text/plain" not in data):
        return ""
    return output.get("text", "") or data.get("text/plain", "")


def lessons() -> dict[str, Measure]:
    """All lessons by name, measured."""
    return {
        path.stem: measure(nbformat.read(path, as_version=4))
        for path in sorted((ROOT / "lessons").glob("*.ipynb"))
    }


if __name__ == "__main__":
    print(f"{'lesson':32} prose (before) printed code doing minutes stated")
    for name, one in lessons().items():
        print(
            f"{name:32} {one.prose:5} {one.up_to_questions:8} {one.printed:7} {one.code:4}"
            f" {one.doing:5} {one.minutes:7.1f} {one.stated:6}"
        )
