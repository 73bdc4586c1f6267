"""What the first and the last lesson need: the learner's stand on the statements, a look at the installation.

The stand is kept in a file beside the notebook and nowhere else. Nothing is sent anywhere.
"""

import json
import re
from importlib import metadata
from pathlib import Path

import anywidget
import traitlets
from matplotlib import font_manager

from utils import files
from utils.simulation import refuse

FILE = Path("my_stand.json")  # in the folder of the notebook, where JupyterLab's list of files shows it
OPINIONS = ("agree", "disagree", "it depends")
TIMES = ("first", "again")
STATEMENTS = {
    "S1": "Model performance is driven more by label quality than by model architecture.",
    "S2": "Cross-validation alone is not enough to assess generalizability in imaging studies.",
    "S3": "Exploratory data analysis often reveals more than model training does.",
    "S4": "High variance (overfitting) is more common than reported in small imaging data sets.",
    "S5": "Underfitting is just as damaging as overfitting: it hides real biology.",
}


class StandError(ValueError):
    """A stand that cannot be kept or read; the message says what to do."""


def stands() -> dict[str, dict[str, tuple[str, int]]]:
    """The stands in the file.

    Returns
    -------
    dict
        For "first" and "again", as far as they are there: opinion and certainty (per cent) by statement.

    Raises
    ------
    StandError
        When the file is there and cannot be read.
    """
    try:
        content = json.loads(FILE.read_text(encoding="utf-8"))
        return {time: _sound(answers) for time, answers in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError):  # StandError is a ValueError
        raise StandError(
            f"{FILE} is there, but it cannot be read as a stand. Delete it in the list of files and "
            "take your stand again."
        ) from None


def keep(answers: dict[str, tuple[str, int]], time: str = "first") -> None:
    """Keep a stand in the file, in place of an earlier one of the same time.

    Parameters
    ----------
    answers : dict
        For one or more statements: "agree", "disagree" or "it depends", and how sure, from 50 to 100 per
        cent.
    time : {"first", "again"}
        Before the course or after it.

    Raises
    ------
    ParameterError
        When an answer makes no sense.
    StandError
        When the file cannot be written, or what is in it cannot be read.

    Examples
    --------
    >>> keep({"S1": ("agree", 80), "S3": ("it depends", 60)})  # doctest: +SKIP
    """
    if not isinstance(time, str) or time not in TIMES:
        refuse("time", time, "'first' or 'again'")
    content = stands() | {time: _sound(answers)}
    try:
        files.write(FILE, (json.dumps(content, indent=1) + "\n").encode())
    except OSError as error:
        raise StandError(
            f"{FILE} cannot be written here: {files.why_not(error, FILE)}. What was kept before is still "
            "there. Make room on the disk or open the course from a folder in which you may save files; "
            "until then, write your stand on paper."
        ) from None


def delete() -> None:
    """Delete the file, both stands with it."""
    try:
        FILE.unlink(missing_ok=True)
    except OSError as error:
        raise StandError(f"{FILE} cannot be deleted ({error.strerror}).") from None


def _sound(answers) -> dict[str, tuple[str, int]]:
    """Answers that make sense, in the order of the statements."""
    if not isinstance(answers, dict) or not answers:
        raise StandError("Take a stand on one statement at least.")
    for name, answer in answers.items():
        if name not in STATEMENTS:
            refuse("The statement", name, f"one of {', '.join(STATEMENTS)}")
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            refuse(f"The answer to {name}", answer, "an opinion and how sure you are, such as ('agree', 80)")
        opinion, sure = answer
        if not isinstance(opinion, str) or opinion not in OPINIONS:
            refuse(f"The opinion on {name}", opinion, f"one of {', '.join(OPINIONS)}")
        if not isinstance(sure, int) or isinstance(sure, bool) or not 50 <= sure <= 100:
            refuse(f"How sure you are of {name}", sure, "a whole number from 50 to 100")
    return {name: tuple(answers[name]) for name in STATEMENTS if name in answers}


class _Box(anywidget.AnyWidget):
    """A widget with a sentence in its place where no Python runs."""

    _esm = Path(__file__).with_name("welcome.js")
    _css = Path(__file__).with_name("welcome.css")
    kind = traitlets.Unicode().tag(sync=True)
    fallback = ""

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, more = bundle
        data["text/plain"] = self.fallback
        return data, more


class Stand(_Box):
    """A form that asks for a stand and keeps it; asked again, it sets the first stand beside the second.

    Parameters
    ----------
    found : dict of str to str, optional
        What the course found for each statement. Given, the form asks for the second stand.
    """

    statements = traitlets.Dict(STATEMENTS).tag(sync=True)
    opinions = traitlets.List(list(OPINIONS)).tag(sync=True)
    time = traitlets.Unicode().tag(sync=True)
    found = traitlets.Dict().tag(sync=True)
    stands = traitlets.Dict().tag(sync=True)
    # "text" and a running "number", so that a repeated text is told anew.
    message = traitlets.Dict().tag(sync=True)
    fallback = (
        "Here stands a form with five statements. It needs Python: open this notebook in JupyterLab and run "
        "the cell. Until then, write your stand on paper."
    )

    def __init__(self, found: dict[str, str] | None = None):
        super().__init__(kind="stand", time="again" if found else "first", found=found or {})
        self._read()
        self.on_msg(self._asked)

    def _read(self):
        try:
            self.stands = stands()
        except ValueError as error:  # whatever is named
            self._say(str(error))

    def _asked(self, _, content, __):
        try:
            if content["do"] == "delete":
                delete()
                self._say(f"Deleted. {FILE} is gone.")
            else:
                keep(content["answers"], self.time)
                self._say(
                    f"Kept in {FILE}, beside this notebook, on this machine. Nothing was sent anywhere."
                )
            self._read()
        except ValueError as error:  # whatever is named
            self._say(str(error))

    def _say(self, text):
        self.message = {"text": text, "number": self.message.get("number", 0) + 1}


class Installation(_Box):
    """A look at the installation: one line for each thing, and one by the browser that shows it."""

    lines = traitlets.List().tag(sync=True)

    def __init__(self):
        super().__init__(kind="installation", lines=[list(line) for line in installation()])

    @property
    def fallback(self):
        problems = [text for fine, text in self.lines if not fine]
        return " ".join(problems) or (
            "Run this cell (Shift+Enter): a list of what was found appears here. If it has run and there is "
            "none, save, stop JupyterLab, and start it again with the first command of the README."
        )


def installation() -> list[tuple[bool, str]]:
    """Whether what the course needs is there.

    Returns
    -------
    list of tuple (bool, str)
        Fine or not, and a sentence that says what was found and, if it is not fine, what to do.
    """
    root = Path(__file__).parent.parent
    try:
        listed = (root / "requirements.txt").read_text(encoding="utf-8")
    except OSError:
        listed = ""
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)", listed, re.MULTILINE))
    other = _other_versions(pins)
    versions = (
        f"Not the versions that the course was tested with: {', '.join(other)}. Some numbers may differ."
    )
    versions = f"{versions} {_AGAIN}" if pins else f"The list of tested versions, requirements.txt, {_LACKS}"
    try:
        font = bool(font_manager.findfont("DejaVu Sans", fallback_to_default=False))
    except ValueError:
        font = False
    # What is fine names no version: these lines stand in stored outputs, which are the same everywhere.
    looked = [
        (pins and not other, "The packages have the versions that the course was tested with.", versions),
        (
            font,
            "The font of the figures is there.",
            f"The font of the figures, DejaVu Sans, is missing. {_AGAIN}",
        ),
        (
            any((root / "datasets").glob("*.csv*")),
            "The data sets are there.",
            f"What should be in the folder datasets {_LACKS}",
        ),
    ]
    return [(bool(fine), yes if fine else no) for fine, yes, no in looked]


_AGAIN = "Stop JupyterLab and start it with the first command of the README, which installs what is missing."
_LACKS = "is not beside the course. Download the course whole."
# What a lesson imports; a difference deeper down is no reason to worry a learner.
_NEEDED = "anywidget ipywidgets jupyterlab matplotlib numpy pandas scikit-learn scipy seaborn".split()


def _other_versions(pins):
    """The packages that are missing or have another version than the pinned one."""
    other = []
    for name in (name for name in pins if name in _NEEDED):
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = "missing"
        if found != pins[name]:
            other.append(f"{name} {found} (tested: {pins[name]})")
    return other
