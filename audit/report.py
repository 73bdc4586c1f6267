"""What an audit gives: findings, their pictures, and a page that needs no network."""

import base64
import contextlib
import datetime
import html
import io
import os
import re
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from audit import pictures
from audit.words import AuditError

VERSION = "2"
# A learner who calls sns.set_theme() must not change the pictures.
_PLAIN = {key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")} | {
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "text.parse_math": False,  # a column may be called "$x_{" and is drawn under that name
    "axes.spines.top": False,
    "axes.spines.right": False,
}
LEVELS = {
    "stop": ("■", "#B00020", "Clear this up before any score is reported."),
    "warn": ("▲", "#8A5A00", "Look at this and say in the paper how it was handled."),
    "fine": (
        "●",
        "#00664B",
        "Nothing found that passes this audit's limits. That is no proof that nothing is there.",
    ),
    "open": ("○", "#595959", "Cannot tell: the table does not say, or says too little."),
}


@dataclass(frozen=True, repr=False)
class Finding:
    """One finding of an audit.

    Attributes
    ----------
    name : str
    level : {"stop", "warn", "fine", "open"}
        "open" means that the table lacks what the check needs.
    evidence, why, do, lesson : str
        What was measured (its first sentence is the heading), why it matters, what to do, and the lesson
        that teaches it.
    draw : callable or None
        Takes matplotlib axes and draws the evidence.
    """

    name: str
    level: str
    evidence: str
    why: str
    do: str
    lesson: str
    draw: Callable | None = None

    def __repr__(self) -> str:
        return f"{self.level.upper()} {self.name}: {self.evidence}"

    def figure(self) -> Figure:
        """The picture of the evidence, on a new matplotlib figure."""
        if self.draw is None:
            raise AuditError(f"The finding {self.name!r} has no picture.")
        figure = _figure(self.draw)
        with _plainly():
            figure.draw_without_rendering()
        return figure

    def _repr_png_(self) -> bytes | None:
        return None if self.draw is None else _png(self.draw)

    def _html(self, picture: bool) -> str:
        sign, colour, _ = LEVELS[self.level]
        colour = colour if picture else "inherit"  # a notebook may be dark
        text = html.escape
        first, _, rest = self.evidence.partition(". ")
        more = f"<p>{text(rest)}</p>" if rest else ""
        if picture and self.draw is not None:
            more += _image(self.draw, self.evidence)
        if picture or self.level in ("stop", "warn"):
            remedy = "What to do, if it were not fine" if self.level == "fine" else "What to do"
            more += (
                f"<p><b>Why it matters.</b> {text(self.why)}</p><p><b>{remedy}.</b> {text(self.do)} "
                f"<i>Lesson {text(self.lesson)}.</i></p>"
            )
        return (
            f'<section class="{self.level}" id="{_anchor(self.name)}"><h3><span style="color:{colour}">{sign}'
            f" {self.level}</span> "
            f"{text(first.rstrip('.'))}</h3><p><i>{text(self.name)}</i></p>{more}</section>"
        )


@dataclass(frozen=True, repr=False)
class Report:
    """What `audit` and `canaries` give.

    Attributes
    ----------
    title : str
    findings : list of Finding
        The worst first.
    scores : pandas.DataFrame
        Every valid score, baselines included, with a 95 % interval over subjects.
    checklist : pandas.DataFrame
        Items of TRIPOD+AI, CLAIM and REFORMS, filled as far as the table can answer.
    notes : list of str
        What holds for the whole report; the first says what was asked of which rows.
    intervals : dict
        Name to (score, lower, upper), for the picture of the scores.
    """

    title: str
    findings: list[Finding]
    scores: pd.DataFrame
    checklist: pd.DataFrame
    notes: list[str]
    intervals: dict = field(default_factory=dict)

    def __getitem__(self, name: str) -> Finding:
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(f"no finding {name!r}; there are {', '.join(f.name for f in self.findings)}")

    @property
    def worst(self) -> str:
        """The level of the worst finding: "stop", "warn", "fine" or "open"."""
        return next((level for level in LEVELS if any(f.level == level for f in self.findings)), "fine")

    def _summary(self) -> str:
        counts = {level: sum(f.level == level for f in self.findings) for level in LEVELS}
        return ", ".join(f"{number} {level}" for level, number in counts.items() if number)

    def __repr__(self) -> str:
        return "\n".join([f"{self.title}: {self._summary()}", *self.notes, *map(repr, self.findings)])

    def _repr_html_(self) -> str:
        return self._body(picture=False)

    def _body(self, picture: bool) -> str:
        made = f" Made on {datetime.date.today():%d %B %Y} by audit {VERSION}." if picture else ""
        parts = [f"<h2>{html.escape(self.title)}</h2><p>{self._summary()}.{made}</p>"]
        parts += [f"<p>{html.escape(note)}</p>" for note in self.notes]
        if picture:
            entries = [
                f'<li><a href="#{_anchor(f.name)}">{LEVELS[f.level][0]} {f.level}:'
                f" {html.escape(f.evidence.partition('. ')[0])}</a></li>"
                for f in self.findings
            ]
            parts += [f"<h3>Contents</h3><ul>{''.join(entries)}</ul>"]
        if len(self.scores):
            parts += ["<h3>Scores</h3>"]
            if picture and self.intervals:
                draw = pictures.intervals(self.intervals, self.scores.columns[1])
                parts += [_image(draw, "The scores of the table below.")]
            parts += [_table(self.scores)]
        if len(self.checklist):
            parts += [
                "<p>Only valid evaluations are listed. The interval counts subjects. It is the least that is"
                " uncertain: that another sample of subjects would also have trained other models is not in"
                " it.</p>"
            ]
        if picture:
            used = [level for level in LEVELS if any(finding.level == level for finding in self.findings)]
            parts += ["<h3>Findings, the worst first</h3><ul>"]
            parts += [f"<li><b>{LEVELS[level][0]} {level}</b>: {LEVELS[level][2]}</li>" for level in used]
            parts += ["</ul>"]
            if len(self.checklist):
                parts += ["<p>A p counts as an alarm from 0.01 downwards, as many questions are asked.</p>"]
        for levels, fold in ((("stop", "warn", "open"), None), (("fine",), "Nothing found")):
            some = [finding._html(picture) for finding in self.findings if finding.level in levels]
            parts += _folded(f"{fold} ({len(some)})", some) if fold and picture and some else some
        if picture and len(self.checklist):
            words = (
                "<p>Topics in the words of this course. Open the guidelines themselves for the exact items."
                " What is filled in describes the table and this audit's own models; your study has to say it"
                " of yours.</p>"
            )
            parts += _folded("Checklist", [words, _table(self.checklist)])
        return "\n".join(parts)

    def save(self, path: str | Path) -> Path:
        """Write the report as one HTML file that needs no network.

        It holds no cell of the table: it names columns, classes and sites, and the positions of suspect rows.

        Raises
        ------
        AuditError
            If the file cannot be written.
        """
        page = (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            'content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
            f"<title>{html.escape(self.title)}</title><style>{_STYLE}</style></head><body><main>"
            f"{self._body(picture=True)}</main></body></html>"
        )
        return _write(path, page.encode("utf-8", "replace"))

    def save_checklist(self, path: str | Path) -> Path:
        """Write the checklist as csv. No cell can run as a formula in a spreadsheet program."""
        return _write(
            path, self.checklist.map(_no_formula).to_csv(index=False).encode("utf-8-sig", "replace")
        )


def _anchor(name) -> str:
    return re.sub(r"[^a-z]+", "-", name.lower())


def _folded(title, parts) -> list[str]:
    return [f"<details><summary>{html.escape(title)}</summary>", *parts, "</details>"]


def _table(frame: pd.DataFrame) -> str:
    cells = ["".join(f"<th>{html.escape(str(c))}</th>" for c in frame.columns)]
    cells += [
        "".join(f"<td>{html.escape(str(c))}</td>" for c in row) for row in frame.itertuples(index=False)
    ]
    return f'<div class="wide"><table>{"".join(f"<tr>{row}</tr>" for row in cells)}</table></div>'


@contextlib.contextmanager
def _plainly():
    """A sign that the font lacks is a box, and a very long name takes room from the axes: no errors."""
    with mpl.rc_context(_PLAIN), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _figure(draw) -> Figure:
    with _plainly():
        figure = Figure(figsize=(7, 3), layout="constrained")
        draw(figure.add_subplot())
    return figure


def _png(draw, dpi=90) -> bytes:
    content = io.BytesIO()
    with _plainly():
        _figure(draw).savefig(content, format="png", dpi=dpi)
    return content.getvalue()


def _image(draw, words) -> str:
    code = base64.b64encode(_png(draw, dpi=180)).decode()
    return f'<img src="data:image/png;base64,{code}" alt="{html.escape(words)}">'


def _no_formula(cell):
    """A cell of one line that no spreadsheet program takes for a formula. A plain number stays one."""
    text = " ".join(str(cell).split())
    begins = re.match(r"[=+\-@\uff1d\uff0b\uff0d\uff20]", text)
    number = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.IGNORECASE)
    return f"'{text}" if begins and not number else text


def _write(path, content: bytes) -> Path:
    """Write a file whole, or leave an earlier one as it was."""
    path, beside = Path(path), None
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and (not target.is_file() or not os.access(target, os.W_OK)):
            target.write_bytes(content)  # a device, or an error
            return path
        handle, beside = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, target.stat().st_mode & 0o777 if target.exists() else 0o644)
        os.replace(beside, target)
    except (OSError, ValueError) as error:
        raise AuditError(
            f"{path.name} cannot be written to {path.parent.absolute()}: {_why_not(error, path)}. "
            "Give another path, for instance one in your home folder."
        ) from error
    finally:
        if beside and os.path.exists(beside):
            os.unlink(beside)
    return path


def _why_not(error, path) -> str:
    if not isinstance(error, OSError):
        return str(error)
    if error.errno in (28, 27, 122):  # ENOSPC, EFBIG, EDQUOT
        return "the disk is full"
    if path.is_dir():
        return "it is a folder"
    if not path.parent.is_dir():
        return "there is no such folder"
    if error.errno in (30, 13, 1):  # EROFS, EACCES, EPERM
        return "the folder or the file is read-only"
    return f"the system says “{error.strerror or error}”"


_STYLE = """
:root{color-scheme:light} body{font:17px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;margin:0}
main{max-width:50em;margin:auto;padding:1em} img{max-width:100%;height:auto}
section{border-left:5px solid #999;padding:.1em 0 .1em 1em;margin:1.5em 0}
section.stop{border-color:#B00020} section.warn{border-color:#8A5A00;border-left-style:dashed}
section.fine{border-color:#00664B;border-left-style:dotted} .wide{overflow-x:auto}
summary{font-weight:bold;cursor:pointer}
table{border-collapse:collapse;font-size:.9em} td,th{border:1px solid #bbb;padding:.25em .5em;text-align:left;
vertical-align:top} th{background:#eee} p,li,h3{overflow-wrap:anywhere} td{overflow-wrap:break-word}
td:nth-child(5){min-width:12em}
@media print{body{font-size:11pt} section,tr{break-inside:avoid} .wide{overflow:visible} main{max-width:none}
details::details-content{content-visibility:visible;block-size:auto}}
"""
