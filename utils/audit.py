"""An audit of a learner's own table: what could make its score better than the truth?

`audit` takes a table and the names of its columns, and gives a `Report`::

    from utils.audit import audit

    report = audit("study.csv", label="diagnosis", subject="participant_id", site="scanner")
    report.save("report.html")
    report.save_checklist("checklist.csv")

Every check is one small function below. It computes, and hands a `Finding` the numbers to draw. Nothing is
sent anywhere, and the saved report needs no network.

**Which level, and why.** Where a check asks "is there an association?", it permutes subjects (never rows)
and takes the largest statistic over features, so that the number of features does not matter; p at most
.01 is an alarm. Where it asks "is it large?", a bound of a confidence interval must pass a stated limit. On
clean cohorts every check raises a false alarm in at most 5 of 100, and finds a planted flaw of useful size
in at least 95 of 100. `make audit-rates` measures both; with 200 cohorts of each kind it found 0 to 3 % and
96 to 100 %. The flaws and their sizes are listed in ``tools/audit_rates.py``.

`canaries` asks the same of the learner's own evaluation function, on data whose truth is known.
"""

import base64
import difflib
import functools
import gzip
import html
import inspect
import io
import logging
import re
import stat
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from scipy import stats
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeCV
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils import files
from utils.data import DataError
from utils.figures import COLOURS

# A learner who calls sns.set_theme() must not change the pictures.
_PLAIN = {key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")} | {
    "font.family": "DejaVu Sans", "font.size": 12,
    "text.parse_math": False}  # a column may be called "$x_{" and is drawn under that name
LEVELS = {
    "stop": ("■", "#B00020", "Clear this up before any score is reported."),
    "warn": ("▲", "#8A5A00", "Look at this and say in the paper how it was handled."),
    "fine": ("●", "#00664B", "Nothing found that passes this audit's limits. That is no proof that nothing is there."),
    "open": ("○", "#595959", "Cannot tell: the table does not say, or says too little."),
}
log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())

ALPHA = 0.01  # of every test
LARGEST_FILE = 1.5e9  # bytes
LONGEST_LINE = 10e6  # bytes
LARGEST_SAMPLE = 5000, 1e7  # rows, and cells, that models are fitted to


# What an audit gives --------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Finding:
    """One finding of an audit.

    Attributes
    ----------
    name : str
    level : {"stop", "warn", "fine", "open"}
        "open" means that the table lacks what the check needs.
    evidence, why, do, lesson : str
        What was measured, why it matters, what to do, and the lesson that teaches it.
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
            raise DataError(f"The finding {self.name!r} has no picture.")
        # A sign that the font lacks is drawn as a box, and a very long name takes room from the axes. Neither is an error.
        with mpl.rc_context(_PLAIN), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            figure = Figure(figsize=(7, 3), layout="constrained")
            axes = figure.add_subplot()
            self.draw(axes)
            sns.despine(ax=axes)
            figure.draw_without_rendering()
        return figure

    def _repr_png_(self) -> bytes | None:
        if self.draw is None:
            return None
        content = io.BytesIO()
        figure = self.figure()
        with mpl.rc_context(_PLAIN), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            figure.savefig(content, format="png", dpi=90)
        return content.getvalue()

    def _html(self, picture: bool) -> str:
        sign, colour, _ = LEVELS[self.level]
        text = html.escape
        image = ""
        if picture and self.draw is not None:
            code = base64.b64encode(self._repr_png_()).decode()
            image = f'<img src="data:image/png;base64,{code}" alt="{text(self.evidence)}">'
        remedy = "What to do, if it were not fine" if self.level == "fine" else "What to do"
        more = "" if self.level in ("fine", "open") and not picture else (
            f"<p><b>Why it matters.</b> {text(self.why)}</p><p><b>{remedy}.</b> {text(self.do)} "
            f"<i>Lesson {text(self.lesson)}.</i></p>")
        return (f'<section class="{self.level}"><h3><span style="color:{colour}">{sign} {self.level}</span> '
                f"{text(self.name)}</h3><p>{text(self.evidence)}</p>{image}{more}</section>")


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
        What holds for the whole report: rows used, an interruption.
    """

    title: str
    findings: list[Finding]
    scores: pd.DataFrame
    checklist: pd.DataFrame
    notes: list[str]

    def __getitem__(self, name: str) -> Finding:
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(f"no finding {name!r}; there are {', '.join(f.name for f in self.findings)}")

    def _summary(self) -> str:
        counts = {level: sum(f.level == level for f in self.findings) for level in LEVELS}
        return ", ".join(f"{number} {level}" for level, number in counts.items() if number)

    def __repr__(self) -> str:
        return "\n".join([f"{self.title}: {self._summary()}", *self.notes, *map(repr, self.findings)])

    def _repr_html_(self) -> str:
        return self._body(picture=False)

    def _body(self, picture: bool) -> str:
        parts = [f"<h2>{html.escape(self.title)}</h2><p>{self._summary()}</p>"]
        parts += [f"<p>{html.escape(note)}</p>" for note in self.notes]
        if len(self.scores):
            parts += ["<h3>Scores</h3>", _table(self.scores)]
        if len(self.checklist):
            parts += ["<p>Only valid evaluations are listed. The interval counts subjects. It is the least that is uncertain: that another "
                      "sample of subjects would also have trained other models is not in it.</p>"]
        if picture:
            used = [level for level in LEVELS if any(finding.level == level for finding in self.findings)]
            parts += ["<h3>Findings, the worst first</h3><ul>"]
            parts += [f"<li><b>{LEVELS[level][0]} {level}</b>: {LEVELS[level][2]}</li>" for level in used] + ["</ul>"]
            if len(self.checklist):
                parts += [f"<p>A p counts as an alarm from {ALPHA} downwards, since many questions are asked.</p>"]
        parts += [finding._html(picture) for finding in self.findings]
        if picture and len(self.checklist):
            parts += ["<h2>Checklist</h2><p>Topics in the words of this course. Open the guidelines themselves for "
                      "the exact items. What is filled in describes the table and this audit's own models; your "
                      "study has to say it of yours.</p>", _table(self.checklist)]
        return "\n".join(parts)

    def save(self, path: str | Path) -> Path:
        """Write the report as one HTML file that needs no network.

        It holds no row of the table. It names columns, classes and sites, and the positions of suspect rows.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        page = (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            'content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
            f"<title>{html.escape(self.title)}</title><style>{_STYLE}</style></head><body><main>"
            f"{self._body(picture=True)}</main></body></html>")
        return _write(path, page.encode("utf-8", "replace"))

    def save_checklist(self, path: str | Path) -> Path:
        """Write the checklist as csv. No cell can run as a formula in a spreadsheet program."""
        return _write(path, self.checklist.map(_no_formula).to_csv(index=False).encode("utf-8-sig", "replace"))


def _no_formula(cell):
    """A cell of one line that no spreadsheet program takes for a formula. A plain number stays one."""
    text = " ".join(str(cell).split())
    begins = re.match(r"[=+\-@\uff1d\uff0b\uff0d\uff20]", text)
    return f"'{text}" if begins and not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.IGNORECASE) else text


def _write(path, content: bytes) -> Path:
    path = Path(path)
    try:
        files.write(path, content)
    except (OSError, ValueError) as error:
        reason = files.why_not(error, path) if isinstance(error, OSError) else str(error)
        raise DataError(f"{path.name} cannot be written to {path.parent.absolute()}: {reason}. "
                        "Give another path, for instance one in your home folder.") from error
    return path


def _table(frame: pd.DataFrame) -> str:
    cells = ["".join(f"<th>{html.escape(str(c))}</th>" for c in frame.columns)]
    cells += ["".join(f"<td>{html.escape(str(c))}</td>" for c in row) for row in frame.itertuples(index=False)]
    return f'<div class="wide"><table>{"".join(f"<tr>{row}</tr>" for row in cells)}</table></div>'


_STYLE = """
:root{color-scheme:light} body{font:17px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;margin:0}
main{max-width:50em;margin:auto;padding:1em} img{max-width:100%;height:auto}
section{border-left:5px solid #999;padding:.1em 0 .1em 1em;margin:1.5em 0}
section.stop{border-color:#B00020} section.warn{border-color:#8A5A00;border-left-style:dashed}
section.fine{border-color:#00664B;border-left-style:dotted} .wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.9em} td,th{border:1px solid #bbb;padding:.25em .5em;text-align:left;
vertical-align:top} th{background:#eee} p,li{overflow-wrap:anywhere} td{overflow-wrap:break-word} td:nth-child(5){min-width:12em}
@media print{body{font-size:11pt} section,tr{break-inside:avoid} .wide{overflow:visible} main{max-width:none}}
"""


# Reading --------------------------------------------------------------------------------------------


def read_table(path: str | Path, *, encoding: str = "utf-8-sig", text: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a csv, tsv or parquet file (csv and tsv also as .gz).

    Parameters
    ----------
    path : str or Path
    encoding : str
        Of a text file. Older spreadsheet programs write "cp1252".
    text : tuple of str
        Columns to be read as text, for instance ids with leading zeros.

    Raises
    ------
    DataError
        If there is no such file, or it is too large (packed or unpacked), of another kind (pickles are refused,
        because opening one runs what is in it), or damaged.
    """
    path = Path(path)
    kind = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]).lower()
    try:
        about = path.stat()
    except FileNotFoundError:
        folder = f"in the folder {path.parent.absolute()}"
        raise DataError(f"{path.name!r} {folder} is a link that leads nowhere." if path.is_symlink() else
                        f"There is no file {path.name!r} {folder}.") from None
    except (OSError, ValueError) as error:
        name = path.name if len(path.name) <= 60 else f"{path.name[:60]} …"
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{name!r} cannot be opened: the system says “{reason}”. Give the path of a csv, tsv or parquet file.") from error
    if stat.S_ISDIR(about.st_mode):
        raise DataError(f"{path.name!r} is a folder. Give the file in it, or read a BIDS folder with read_bids(folder, "
                        "tables of features).")
    if not stat.S_ISREG(about.st_mode):
        raise DataError(f"{path.name!r} is no ordinary file but a pipe or a device. Save what comes from it as a csv file first.")
    if kind in (".pkl", ".pickle", ".joblib", ".npy", ".npz", ".rds", ".rdata"):
        raise DataError(f"{path.name} is refused: opening such a file can run any program that is hidden in it. "
                        "Save the table as csv where you trust it.")
    if kind not in (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".parquet"):
        raise DataError(f"{path.name} is not a csv, tsv or parquet file. Save the table as csv (UTF-8).")
    if about.st_size > LARGEST_FILE:
        raise _too_large(path, f"has {about.st_size / 1e9:.1f} GB")
    if kind == ".parquet":
        try:
            return pd.read_parquet(path)
        except ImportError as error:
            raise DataError(f"{path.name} is a parquet file, and reading those needs the package pyarrow. Install "
                            "it, or save the table as csv.") from error
        except (OSError, ValueError) as error:
            raise DataError(f"{path.name} is damaged or no parquet file: {error}") from error
    try:
        "".encode(encoding)
    except LookupError:
        raise DataError(f"There is no encoding {encoding!r}. Usual ones are 'utf-8', 'cp1252' and 'utf-16'.") from None
    try:
        head = _look_through(path, kind, encoding)
        first = head.decode(encoding, errors="ignore").partition("\n")[0]
        separator = "\t" if "tsv" in kind else max(",;\t", key=first.count)
        comma = separator == ";" and re.search(rb"\d,\d", head)
        return pd.read_csv(path, sep=separator, decimal="," if comma else ".", encoding=encoding,
                           na_values=["n/a", "N/A"], dtype=dict.fromkeys(text, str), low_memory=False)
    except UnicodeError as error:
        raise DataError(f"{path.name} is not text in {encoding.removesuffix('-sig').upper()}. Save it as 'CSV UTF-8', "
                        "or read it with read_table(path, encoding='cp1252').") from error
    except MemoryError:
        raise _too_large(path, "does not fit into memory") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read as a table: {' '.join(str(error).split())}") from error


def _too_large(path, what):
    return DataError(f"{path.name} {what}, and up to {LARGEST_FILE / 1e9:.1f} GB can be read. "
                     "Read the columns that you need with pandas (usecols=...), and give audit the DataFrame.")


def _look_through(path, kind, encoding) -> bytes:
    """The start of a text file, after a look at all of it (unpacked): is it text, and will it fit?

    Nothing is kept of it, so that a small file that unpacks to an endless one does no harm.
    """
    with (gzip.open if kind.endswith(".gz") else open)(path, "rb") as file:
        head = file.read(100_000)
        for start, what in ((b"PK\3\4", "a spreadsheet (xlsx) or another zip file"), (b"\xd0\xcf\x11\xe0", "an old spreadsheet (xls)"),
                            (b"\x1f\x8b", "a packed file (gz)"), (b"PAR1", "a parquet file")):
            if head.startswith(start):
                raise DataError(f"{path.name} is {what}, whatever its name says. Open it where you trust it, and save the "
                                "table as csv (UTF-8).")
        wide = encoding.lower().replace("-", "").startswith(("utf16", "utf32"))  # every second byte may be 0
        size, line, part = 0, 0, head
        while part:
            size += len(part)
            if size > LARGEST_FILE:
                raise _too_large(path, f"unpacks to more than {LARGEST_FILE / 1e9:.1f} GB")
            codes = np.frombuffer(part, np.uint8)
            if not wide and codes.min() == 0:
                raise DataError(f"{path.name} holds bytes of value 0, so it is damaged or no text in {encoding.removesuffix('-sig').upper()}. "
                                "Save it as 'CSV UTF-8'. If it came from Excel as 'Unicode text', read it with "
                                "read_table(path, encoding='utf-16').")
            ends = np.flatnonzero((codes == 10) | (codes == 13))
            line += ends[0] if len(ends) else len(part)
            if max(line, np.diff(ends).max(initial=0)) > LONGEST_LINE:
                raise DataError(f"{path.name} has a line of more than {LONGEST_LINE / 1e6:.0f} MB. That is no table with a row per "
                                "scan: look whether the ends of the lines were lost.")
            if len(ends):
                line = len(part) - 1 - ends[-1]
            part = file.read(1_000_000)
    return head


def read_bids(participants: str | Path, *feature_tables: str | Path) -> pd.DataFrame:
    """Join a BIDS participants.tsv with tables of features, by participant and, where both have it, session.

    Parameters
    ----------
    participants : str or Path
        The file participants.tsv, or the folder of the data set.
    *feature_tables : str or Path
        Tables with a column participant_id and perhaps session_id; "01" and "sub-01" are the same.

    Returns
    -------
    pandas.DataFrame
        One row per participant, or per participant and session. Only participants with features are kept;
        ``.attrs["left_out"]`` counts the others.

    Raises
    ------
    DataError
        If an id column is missing, an id occurs twice, columns clash, or nobody is in both tables.
    """
    keys = {"participant_id": "sub-", "session_id": "ses-"}

    def tidy(path):
        path = Path(path) / "participants.tsv" if Path(path).is_dir() else Path(path)
        table = read_table(path, text=tuple(keys))
        if "participant_id" not in table:
            raise DataError(f"{path.name} has no column 'participant_id'. Its columns: {_some(table.columns)}.")
        for key, prefix in keys.items():
            if key in table:
                table[key] = prefix + table[key].astype(str).str.strip().str.removeprefix(prefix)
        by = [key for key in keys if key in table]
        if (twice := table.duplicated(by)).any():
            raise DataError(f"{path.name} has {' and '.join(by)} {_some(table.loc[twice, by].agg(' '.join, axis=1))} "
                            "more than once. One row for each is needed to join tables.")
        return path.name, table

    _, joined = tidy(participants)
    everybody = joined["participant_id"]
    for path in feature_tables:
        name, table = tidy(path)
        by = [key for key in keys if key in joined and key in table]
        if clash := [c for c in table.columns if c in joined.columns and c not in by]:
            raise DataError(f"{name} has columns that an earlier table has too: {_some(clash)}. Rename them.")
        before, joined = joined, joined.merge(table, on=by)
        if joined.empty:
            raise DataError(f"No participant of {name} is in the tables before it: {_some(table['participant_id'])} "
                            f"there, {_some(before['participant_id'])} here.")
    joined.attrs["left_out"] = int((~everybody.isin(joined["participant_id"])).sum())
    return joined


def _codes_for_missing(column) -> dict[int, int]:
    """Numbers such as -9 or 999 that lie alone, far outside the other values, and how often each occurs.

    Far is three interquartile ranges beyond the nearest other value (Tukey's "far out" fence, used as a gap), or a negative
    number where no other is.
    """
    values = pd.to_numeric(column.astype(object), errors="coerce").dropna().to_numpy(float)
    codes = [sign * digit for digit in (9, 99, 999, 9999, 99999, 88, 888, 8888, 77, 777, 7777) for sign in (-1, 1)]
    others = values[~np.isin(values, codes)]
    if len(others) < 10 or not (found := sorted({int(v) for v in values if v in codes})):
        return {}
    low, high = others.min(), others.max()
    gap = 3 * max(np.subtract(*np.quantile(others, [0.75, 0.25])), (high - low) / 10, 1e-12)
    return {code: int(np.sum(values == code)) for code in found
            if (code < 0 <= low) or code < low - gap or code > high + gap}


def _is_number(column) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)


def _cut(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]} …"


def _quoted(value) -> str:
    return repr(_cut(value)) if isinstance(value, str) else _cut(str(value))


def _some(values, most: int = 4) -> str:
    values = [_cut(str(value)) for value in values]
    return ", ".join(values[:most]) + (f" and {len(values) - most} more" if len(values) > most else "")


# The study: the table, checked and coded ------------------------------------------------------------

_DATE = r"(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|[12]\d|3[01])[-_.](?:0[1-9]|1[0-2])[-_.](?:19|20)\d\d"
_VISIT = rf"[-_. ]*(?:{_DATE}|(?:ses|session|visit|scan|run)[-_]?\w{{1,4}})|[-_. ](?i:[vt]\d{{1,2}}|m\d\d|bl|fu\d{{0,2}})$"
_VISITS = 8  # More visits for each person than this, on average, and what was taken for a date or a visit is none.


class _Study:
    """The rows that are audited, sorted by subject. Shapes: n rows, p features, m subjects."""

    def __init__(self, table, names, task, positive, seed):
        self.names, self.seed = names, seed
        self.rng = np.random.default_rng(seed)
        self.notes, self.remarks, self.odd, self.cache, self.answers = [], [], [], {}, {}
        if isinstance(table.columns, pd.MultiIndex) or table.columns.isna().any():
            raise DataError("Every column needs one name. This table has columns without a name, or with names on several levels.")
        columns = [*(names[k] for k in ("label", "subject", "site", "session", "second_rater") if names[k] is not None),
                   *names["demographics"], *(names["features"] or [])]
        for column in columns:
            if column not in table.columns:
                near = difflib.get_close_matches(str(column), map(str, table.columns), 1)
                raise DataError(f"There is no column {column!r}." + (f" Did you mean {near[0]!r}?" if near else "")
                                + f" The table has {_some(table.columns, 12)}.")
        roles = {}
        for role in ("label", "subject", "site", "session", "second_rater"):
            if names[role] is not None and (other := roles.setdefault(names[role], role)) != role:
                raise DataError(f"The column {names[role]!r} is named as {other} and as {role}. A column has one role.")
        if (twice := table.columns[table.columns.duplicated()]).size:
            raise DataError(f"Two columns have the name {twice[0]!r}. Rename one.")
        if not len(table):
            raise DataError("The table has no rows.")
        label = table[names["label"]]
        if label.isna().all():
            raise DataError(f"The label {names['label']!r} is missing in every row.")
        if label.isna().any():
            self.remarks.append(f"{label.isna().sum()} rows without a label were left out.")
        table = table[label.notna().to_numpy()]
        self.all_rows, self.positions = len(table), np.flatnonzero(label.notna())
        self._code_label(table[names["label"]], task, positive)
        self._code_subjects(table)
        self._choose_features(table)
        self._find_copies(table)
        self._sample(table)

    def _code_label(self, label, task, positive):
        numeric = _is_number(label) and not pd.api.types.is_bool_dtype(label)
        if task not in (None, "classification", "regression"):
            raise DataError(f"task is {task!r}, but it must be 'classification' or 'regression'.")
        task = task or ("regression" if numeric and label.nunique() > 10 else "classification")
        try:
            label.nunique()
        except TypeError as error:
            raise DataError(f"The label {self.names['label']!r} holds lists or the like. Write one word or number in each row.") from error
        if label.nunique() < 2:
            raise DataError(f"The label {self.names['label']!r} is {_quoted(label.iloc[0])} in every row. There is nothing to "
                            "tell apart.")
        if task == "regression":
            if not numeric:
                raise DataError(f"The label {self.names['label']!r} holds text, so it cannot be a number to predict.")
            self.kind, self.classes, self.y = "regression", None, label.to_numpy(float)
            if not np.isfinite(self.y).all():
                raise DataError(f"The label {self.names['label']!r} has infinite values.")
            return
        label = label.astype(object)
        try:
            classes = sorted(label.unique(), key=lambda c: (isinstance(c, str), c))
        except TypeError as error:
            raise DataError(f"The label {self.names['label']!r} holds values that have no order among them, such as "
                            f"{_quoted(label.iloc[0])}. Write the classes as words or as whole numbers.") from error
        plain = pd.Series([str(c).strip().casefold() for c in classes])
        if plain.duplicated().any():
            alike = [c for c, twice in zip(classes, plain.duplicated(keep=False), strict=True) if twice]
            raise DataError(f"Classes of {self.names['label']!r} differ only in capitals or spaces: {_some(map(_quoted, alike))}. "
                            "Write them alike.")
        if len(classes) > 20:
            raise DataError(f"The label {self.names['label']!r} has {len(classes)} classes, and at most 20 can be "
                            f"audited: {_some(classes)}. Is it an id, or a number (task='regression')?")
        if positive is not None:
            if positive not in classes:
                raise DataError(f"positive={positive!r} is no class of {self.names['label']!r}, which has {_some(classes)}.")
            classes = [c for c in classes if c != positive] + [positive]
        self.kind = "binary" if len(classes) == 2 else "classes"
        whole = all(isinstance(c, float) and c.is_integer() for c in classes)
        self.classes = [str(int(c) if whole else c) for c in classes]
        self.y = label.map({c: i for i, c in enumerate(classes)}).to_numpy(int)
        self.values = classes

    def _code_subjects(self, table):
        names = self.names
        self.undated = ""
        if names["subject"] is None:
            self.subject = np.arange(len(table))
        else:
            ids = table[names["subject"]]
            if ids.isna().any():
                raise DataError(f"{ids.isna().sum()} rows have no subject in {names['subject']!r}. Fill it, or leave "
                                "these rows out: nobody knows in which fold they belong.")
            ids = ids.astype(str).str.strip()
            bare = ids.str.replace(_VISIT, "", regex=True)
            # An id that is seen in several sessions is a person's already, whatever stands in it.
            session = names["session"]
            spans = session is not None and table[session].groupby(ids.to_numpy()).nunique().median() > 1
            if (bare.ne(ids).mean() > 0.5 and bare.ne("").all() and not spans
                    and ids.nunique() / _VISITS <= bare.nunique() < ids.nunique()):
                self.undated = (f"The ids in {names['subject']!r} contain a date or a visit: {ids.nunique()} ids, but "
                                f"only {bare.nunique()} without it. The audit takes what remains as the subject.")
                ids = bare
            self.subject = pd.factorize(ids)[0]
        if (m := self.subject.max() + 1) < 10:
            raise DataError(f"There {'is one subject' if m == 1 else f'are {m} subjects'}. At least 10 are needed to "
                            "say anything about new ones.")
        if self.classes is not None:
            for code, name in enumerate(self.classes):
                k = len(np.unique(self.subject[self.y == code]))
                if k < 5:
                    raise DataError(f"The class {name!r} has {k} subject{'s' * (k != 1)}, and five folds need at least 5. "
                                    "Merge it with another class, or leave it out.")

    def _choose_features(self, table):
        names = self.names
        own = {k: names[k] for k in ("label", "subject", "site", "session", "second_rater") if names[k] is not None}
        if names["features"] is None:
            skip = {*own.values(), *names["demographics"]}
            numeric = [c for c in table.columns if c not in skip and _is_number(table[c])]
            if unused := [c for c in table.columns if c not in skip and c not in numeric]:
                self.remarks.append(f"Not numbers, so not used as features: {_some(unused, 8)}.")
            for c in unused:  # numbers with a few words among them, such as "unknown" or "< 0.5"
                number = pd.to_numeric(table[c].astype(object), errors="coerce")
                wrong = table[c][number.isna() & table[c].notna()]
                if 0 < len(wrong) < 0.2 * table[c].notna().sum():
                    self.odd.append(f"{c!r} holds numbers, but is left out because of the text {_some(map(_quoted, wrong.unique()), 3)} "
                                    f"in {len(wrong)} row{'s' * (len(wrong) != 1)}.")
        else:
            numeric = list(dict.fromkeys(names["features"]))
            for role, column in own.items():
                if column in numeric:
                    raise DataError(f"The column {column!r} is the {role.replace('_', ' ')} and a feature. Take it out of "
                                    "the features.")
        kept, dropped = [], {"counts the rows, like an index": [], "is always the same": [], "is missing everywhere": []}
        for c in numeric:
            column = table[c]
            if not _is_number(column):
                number = pd.to_numeric(column, errors="coerce")
                if (wrong := column[number.isna() & column.notna()].unique()).size:
                    raise DataError(f"The feature {c!r} holds text: {_some(map(_quoted, wrong))}. Turn it into numbers, or "
                                    "leave it out of the features.")
                column = number
            spread = float("nan") if column.isna().all() else float(column.max()) - float(column.min())
            if column.isna().all():
                dropped["is missing everywhere"].append(c)
            elif spread == 0:
                dropped["is always the same"].append(c)
            elif spread < 1.1 * len(column) and column.nunique() == len(column) and (column % 1 == 0).all():
                dropped["counts the rows, like an index"].append(c)
            else:
                kept.append(c)
        self.dropped = {why: columns for why, columns in dropped.items() if columns}
        if not kept:
            raise DataError("No feature is left: the table needs at least one column of numbers that vary.")
        self.features = kept
        coded = {}
        for c in dict.fromkeys([*kept, *names["demographics"], *([names["label"]] if self.kind == "regression" else [])]):
            for code, count in _codes_for_missing(table[c]).items():
                coded.setdefault(code, []).append((c, count))
        for code, found in coded.items():
            if (rows := sum(count for _, count in found)) > 1:
                self.odd.append(f"{code} may stand for a missing value in {_some([c for c, _ in found])} ({rows} cells, far from "
                                "all others). It was taken as a number here.")

    def _find_copies(self, table):
        """Rows that are equal in all features, unless that can be chance; and one fold for all of them."""
        features = table[self.features]
        self.keys = pd.util.hash_pandas_object(features, index=False).to_numpy()
        again = pd.Series(self.keys).duplicated(keep=False).to_numpy()
        self.copies = again & features.notna().any(axis=1).to_numpy()
        # Columns of few values agree by chance. A pair of rows agrees in all columns with the product of the chances
        # to agree in each, over columns that do not follow from each other (eTIV and ASF in OASIS do).
        part = features.iloc[:5000, :: max(1, len(self.features) // 50)].apply(pd.to_numeric).astype(float)
        alike, n = part.rank().corr().abs().fillna(0).to_numpy(), len(part)
        used, by_chance = [], len(table) ** 2 / 2
        for j, c in enumerate(part):
            if not used or alike[j, used].max() < 0.5:
                counts = part[c].value_counts(dropna=False).to_numpy()
                by_chance *= max((np.sum(counts**2) - n) / (n * (n - 1)), 1 / n**2)
                used.append(j)
        if by_chance > ALPHA:
            self.copies[:] = False
        self.together = self.subject.copy()
        for rows in pd.Series(np.flatnonzero(self.copies)).groupby(self.keys[self.copies]).apply(list):
            self.together[np.isin(self.together, self.together[rows])] = self.together[rows].min()

    def _sample(self, table):
        """Draw whole subjects if there are too many rows for models; then sort by subject."""
        most = int(min(LARGEST_SAMPLE[0], max(500, LARGEST_SAMPLE[1] // len(self.features))))
        rows = np.arange(len(table))
        if len(rows) > most:
            order = self.rng.permutation(self.subject.max() + 1)
            rank = np.argsort(order)[self.subject].astype(float)
            if self.classes is not None:  # every class keeps its share, and a rare one at least an eighth of a fair one
                for code in range(len(self.classes)):
                    mine = np.unique(self.subject[self.y == code], return_index=True)[1]
                    few = most // (8 * len(self.classes))
                    if len(mine) * most / len(rows) < few:
                        early = np.flatnonzero(self.y == code)[np.argsort(rank[self.y == code], kind="stable")][:few]
                        rank[np.isin(self.subject, self.subject[early])] -= len(rows)
            last = np.sort(rank)[most]
            rows = np.flatnonzero(rank < last)
            self.notes.append(f"Models and tests used {len(rows):,} of {len(table):,} rows, whole subjects drawn at "
                              "random. Rows per subject, exact copies and counts are of all rows.")
        self.full = table, self.subject, self.y
        self.several = len(np.unique(self.subject)) < len(table)
        self.subject = self.together
        rows = rows[np.argsort(self.subject[rows], kind="stable")]
        self.rows, self.y = self.positions[rows], self.y[rows]
        self.subject = np.unique(self.subject[rows], return_inverse=True)[1]
        self.starts = np.flatnonzero(np.r_[True, np.diff(self.subject) > 0])
        part = table.iloc[rows]
        X = np.array(part[self.features].apply(pd.to_numeric).to_numpy(float, na_value=np.nan))  # pandas' own is read-only
        if np.isinf(X).any():
            self.remarks.append(f"{np.isinf(X).sum()} infinite values were taken as missing.")
            X[np.isinf(X)] = np.nan
        self.X, self.missing = X, np.isnan(X)
        self.site, self.sites = self._codes(part, self.names["site"])
        self.people = [self._numbers(part[c]) for c in self.names["demographics"]]
        self.part = part

    def _codes(self, part, column):
        if column is None:
            return None, None
        codes, values = pd.factorize(part[column].astype(object).where(part[column].notna(), "(missing)"), sort=False)
        if len(values) < 2:
            self.remarks.append(f"{column!r} has one value only, {values[0]!r}, so nothing can be said about sites.")
            return None, None
        if len(values) > len(part) / 5 or len(values) > 200:
            raise DataError(f"{column!r} has {len(values)} values in {len(part)} rows. That is no site. Is it an id?")
        return codes, [str(v) for v in values]

    def _numbers(self, column):
        if _is_number(column) and not pd.api.types.is_bool_dtype(column):
            column = column.fillna(column.median()) if column.notna().any() else column.fillna(0)
            return column.to_numpy(float)[:, None]
        if column.nunique() > 20:
            raise DataError(f"The demographic column {column.name!r} is text with {column.nunique()} different values.")
        return pd.get_dummies(column.astype(str), drop_first=column.nunique() > 1).to_numpy(float)

    # Small derived things

    def per_subject(self, values):
        """Means over each subject's rows, shape (m, ...)."""
        values = np.asarray(values, float)
        return np.add.reduceat(values, self.starts) / np.diff(np.r_[self.starts, len(values)]).reshape(
            -1, *[1] * (values.ndim - 1))

    @functools.cached_property
    def target(self):
        """The label as numbers for linear algebra, shape (n, 1) or (n, classes)."""
        if self.kind == "regression":
            return self.y[:, None].astype(float)
        return self.y[:, None].astype(float) if self.kind == "binary" else np.eye(len(self.classes))[self.y]

    @functools.cached_property
    def steady(self):
        """Whether every subject keeps one label."""
        return bool((np.maximum.reduceat(self.y, self.starts) == np.minimum.reduceat(self.y, self.starts)).all())

    @functools.cached_property
    def Z(self):
        """Features standardised, missing values at the median: for tests that are no models. Shape (n, p)."""
        X = np.where(self.missing, np.nanmedian(self.X, axis=0), self.X)
        return (X - X.mean(0)) / np.where(X.std(0) > 0, X.std(0), 1)

    @functools.cached_property
    def alone(self):
        """How well each feature alone orders the label, and a lower bound (99.5 %) of that. Two arrays of shape (p,)."""
        steady = self.steady and self.classes is not None
        X, y, m = np.where(self.missing, np.nan, self.X), self.y, len(self.starts)
        if steady and m < len(y):
            there = np.add.reduceat(~self.missing, self.starts)
            X = np.where(there > 0, np.add.reduceat(np.nan_to_num(X), self.starts) / np.maximum(there, 1), np.nan)
            y = y[self.starts]
        value = np.array([_alone(X[:, j], y, self) for j in range(X.shape[1])])
        if self.classes is None:
            return value, np.tanh(np.arctanh(np.minimum(value, 1 - 1e-9)) - 2.58 / np.sqrt(max(m - 3, 1)))
        few = min(np.bincount(y, minlength=len(self.classes))) * m / len(y)
        many = m - few if self.kind == "binary" else few
        return value, value - 2.58 * _auc_error(np.minimum(value, 1 - 0.5 / m), few, many)

    @functools.cached_property
    def leaks(self):
        """Which features nearly are the label, shape (p,)."""
        return self.alone[1] >= 0.90

    @functools.cached_property
    def X_model(self):
        """The features that models get: without those that nearly are the label, unless there are no others."""
        return self.X if self.leaks.all() or not self.leaks.any() else self.X[:, ~self.leaks]

    @property
    def unit(self):
        return "R2" if self.kind == "regression" else "AUC"

    @property
    def chance(self):
        return 0.0 if self.kind == "regression" else 0.5

    def folds(self, scheme):
        """Lists of (train, test): "shuffled" by row, "grouped" by subject, "site" one site at a time."""
        how = {"n_splits": 5, "shuffle": True, "random_state": self.seed}
        X = np.zeros(len(self.y))
        if scheme == "shuffled":
            splitter = KFold(**how) if self.kind == "regression" else StratifiedKFold(**how)
            return list(splitter.split(X, self.y))
        if scheme == "grouped":
            if len(self.starts) == len(self.y):  # one row each: the same, and faster
                return self.folds("shuffled")
            splitter = GroupKFold(**how) if self.kind == "regression" else StratifiedGroupKFold(**how)
            return list(splitter.split(X, self.y, self.subject))
        splitter = LeaveOneGroupOut() if len(self.sites) <= 12 else GroupKFold(10)
        pairs = splitter.split(X, self.y, self.site)
        # Somebody seen at two sites is tested, never trained on.
        return [(a[~np.isin(self.subject[a], self.subject[b])], b) for a, b in pairs]

    def model(self, name):
        """A plain scikit-learn pipeline: "linear", "free" (linear without a penalty) or "flexible" (a forest)."""
        steps = [SimpleImputer(strategy="median"), StandardScaler()]
        if name == "flexible":
            forest = RandomForestRegressor if self.kind == "regression" else RandomForestClassifier
            return make_pipeline(steps[0], forest(50, max_features="sqrt", random_state=self.seed))
        if self.kind == "regression":
            return make_pipeline(*steps, LinearRegression() if name == "free" else RidgeCV(np.logspace(-1, 4, 6)))
        return make_pipeline(*steps, LinearDiscriminantAnalysis() if name == "free" else
                             LogisticRegression(max_iter=200, tol=1e-3))

    def evaluate(self, name, scheme, X=None):
        """Cross-validate a model once: out-of-fold predictions, fold of each row, training and test scores."""
        key = name, scheme
        if X is not None or key not in self.cache:
            X_all = self.X_model if X is None else X
            predicted = np.full((len(self.y), 1 if self.classes is None else len(self.classes)), np.nan)
            fold, training, tests = np.full(len(self.y), -1), [], []
            for k, (train, test) in enumerate(self.folds(scheme)):
                if self.classes is not None and len(np.unique(self.y[train])) < 2:
                    continue
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # a model that has not converged is part of the picture
                    model = clone(self.model(name)).fit(X_all[train], self.y[train])
                    both = [self._predict(model, X_all[rows]) for rows in (train, test)]
                predicted[test], fold[test] = both[1], k
                training.append(self.score(self.y[train], both[0]))
                tests.append(self.score(self.y[test], both[1]))
            found = predicted, fold, np.array(training), np.array(tests)
            if X is not None:
                return found
            self.cache[key] = found
        return self.cache[key]

    def _predict(self, model, X):
        if self.classes is None:
            return model.predict(X)[:, None]
        wide = np.zeros((len(X), len(self.classes)))
        wide[:, model.classes_] = model.predict_proba(X)
        return wide

    def score(self, y, predicted):
        """AUC (averaged over one class against the rest if there are more than two), or R2."""
        if self.classes is None:
            around = np.sum((y - y.mean()) ** 2)
            return 1 - np.sum((y - predicted[:, 0]) ** 2) / around if len(y) > 1 and around > 0 else np.nan
        codes = [1] if self.kind == "binary" else range(len(self.classes))
        scores = [_auc(predicted[:, c], y == c) for c in codes]
        return np.nanmean(scores) if np.isfinite(scores).any() else np.nan

    def pooled(self, evaluation, rows=None):
        """The score within folds, averaged over folds by their size; of resampled `rows` if given."""
        predicted, fold, _, _ = evaluation
        rows = np.flatnonzero(fold >= 0) if rows is None else rows[fold[rows] >= 0]
        parts = [rows[fold[rows] == k] for k in range(fold.max() + 1)]
        scores = np.array([self.score(self.y[r], predicted[r]) if len(r) > 1 else np.nan for r in parts])
        weights = np.array([len(r) for r in parts]) * np.isfinite(scores)
        return np.sum(weights * np.nan_to_num(scores)) / weights.sum() if weights.sum() else np.nan

    @functools.cached_property
    def resamples(self):
        """Rows of 100 bootstrap samples of subjects (the same for all, so that differences are paired)."""
        ends = np.r_[self.starts[1:], len(self.y)]
        draws = np.random.default_rng([self.seed, 99]).integers(len(self.starts), size=(100, len(self.starts)))
        if len(self.starts) == len(self.y):
            return list(draws)
        return [np.concatenate([np.arange(self.starts[s], ends[s]) for s in draw]) for draw in draws]

    def resampled(self, evaluation):
        """The score in every bootstrap sample of subjects, shape (100,)."""
        key = "resampled", id(evaluation)
        if key not in self.cache:  # the evaluation is kept too, so that its id is not given to another
            self.cache[key] = np.array([self.pooled(evaluation, rows) for rows in self.resamples]), evaluation
        return self.cache[key][0]

    def clearly_above(self, high, low, errors=2.0):
        """Whether one evaluation scores at least .05 above another, by so many errors over resampled subjects.

        The models are taken as they are, so an error is a little short; the margin makes up for it.
        """
        gap = self.pooled(high) - self.pooled(low)
        return gap > 0.05 and gap > errors * np.nanstd(self.resampled(high) - self.resampled(low))

    def stated(self, evaluation):
        """(score, lower, upper): the score and its 95 % interval over subjects."""
        score, error = self.pooled(evaluation), np.nanstd(self.resampled(evaluation))
        return score, max(score - 1.96 * error, 0.0 if self.classes else -1.0), min(score + 1.96 * error, 1.0)


def _auc(values, positive):
    k, n = positive.sum(), len(positive)
    if k in (0, n):
        return np.nan
    if k * (n - k) < 20_000:  # counting pairs is faster
        above, below = values[positive][:, None], values[~positive]
        return float(np.mean(above > below) + 0.5 * np.mean(above == below))
    return (stats.rankdata(values)[positive].sum() - k * (k + 1) / 2) / (k * (n - k))


def _onehot(codes):
    return np.eye(codes.max() + 1)[codes]


def _within(rng, strata, m):
    """A random order of m subjects that exchanges them only within strata."""
    order = np.arange(m)
    if strata is None:
        return rng.permutation(m)
    for s in np.unique(strata):
        mine = np.flatnonzero(strata == s)
        order[mine] = rng.permutation(mine)
    return order


def _association(study, A, B, *, strata=None, largest=False, repeats=None):
    """Permutation test of a linear association between two blocks of columns, by subject.

    Returns p, the share of the variance of B's columns that A explains, and the permuted shares. With
    `largest`, the statistic is that of the best column of B, so that p is right however many there are.
    """
    B = B[:, study.rng.permutation(B.shape[1])[:2000]]
    A, B = A - A.mean(0), B - B.mean(0)
    B = B[:, B.std(0) > 1e-12]
    U, singular, _ = np.linalg.svd(A, full_matrices=False)
    Q = U[:, singular > 1e-9 * max(singular.max(initial=0), 1e-300)]
    if not Q.shape[1] or not B.shape[1]:
        return 1.0, 0.0, np.zeros(1)
    B = (B / np.sqrt((B**2).sum(0))).astype(np.float32)
    Q = Q.astype(np.float32)

    def statistic(order):
        explained = ((Q[order].T @ B) ** 2).sum(0)
        return float(explained.max() if largest else explained.mean())

    repeats = repeats or (499 if B.size < 1e6 else 199)
    observed = statistic(np.arange(len(B)))
    null = np.array([statistic(_within(study.rng, strata, len(B))) for _ in range(repeats)])
    return (1 + np.sum(null >= observed - 1e-9)) / (1 + repeats), observed, null


# Pictures: each gives a function that draws on axes ---------------------------------------------------


def _short(name, most: int = 31) -> str:
    """A name on one line of a picture."""
    text = " ".join(str(name).split()).encode("utf-8", "replace").decode()
    return text if len(text) <= most else text[: most - 3] + "..."


def _rows(values: dict, label: str, *, chance: float, colours: dict) -> Callable:
    """One dot per row, with its value beside it."""

    def draw(axes):
        names = list(values)[::-1]
        for i, name in enumerate(names):
            colour = colours.get(name, COLOURS["true"])
            axes.plot(values[name], i, "o", color=colour, markersize=9)
            axes.annotate(f"{values[name]:.2f}", (values[name], i), xytext=(8, 0), textcoords="offset points",
                          va="center", color=colour, fontweight="bold")
        axes.set_yticks(range(len(names)), [_short(name) for name in names])
        axes.axvline(chance, color=COLOURS["chance"], linestyle="--", zorder=0)
        axes.set(xlabel=f"{label} (dashed: guessing)", ylim=(-0.5, len(names) - 0.5))
        axes.margins(x=0.15)

    return draw


def _bars(counts: dict, label: str) -> Callable:
    def draw(axes):
        names = [_short(name) for name in counts]
        axes.barh(range(len(names)), list(counts.values()), color=COLOURS["true"])
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set(xlabel=label, ylabel="")

    return draw


def _shares(groups, names, study) -> Callable:
    """The label by group: shares of classes, or boxes of numbers."""
    y, classes = study.y, study.classes

    def draw(axes):
        shown = np.argsort(-np.bincount(groups))[:15]
        where = [_short(names[g], 18) for g in shown]
        if classes is None:
            axes.boxplot([y[groups == g] for g in shown], orientation="horizontal", tick_labels=where)
            axes.set_xlabel(_short(study.names["label"]))
            return
        left = np.zeros(len(shown))
        for code, colour in zip(range(len(classes)), sns.color_palette("colorblind", len(classes)), strict=True):
            share = np.array([np.mean(y[groups == g] == code) for g in shown])
            axes.barh(range(len(where)), share, left=left, color=colour, label=_short(classes[code]), edgecolor="white",
                      hatch=["", "//", "..", "xx"][code % 4])
            left += share
        axes.set_yticks(range(len(where)), where)
        axes.tick_params(axis="y", labelsize=9 if len(shown) > 8 else 11)
        axes.set(xlabel="share of rows", xlim=(0, 1))
        axes.invert_yaxis()
        axes.legend(title=_short(study.names["label"]), loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)

    return draw


def _null(null, observed, label: str) -> Callable:
    """What chance alone gives, and what was observed."""

    def draw(axes):
        axes.hist(null, bins=25, color=COLOURS["chance"], alpha=0.6)
        axes.axvline(observed, color=COLOURS["reported"], linewidth=3)
        axes.set(xlabel=f"{label} (grey: labels exchanged; line: observed)", ylabel="permutations")

    return draw


# The checks -------------------------------------------------------------------------------------------
#
# Each takes the study and gives (level, evidence, draw), or None if the table has no such column.

CHECKS: dict[str, Callable] = {}


def _check(name: str, lesson: str, why: str, do: str):
    def register(function):
        def check(study) -> Finding | None:
            try:
                found = function(study)
            except DataError:
                raise
            except Exception as error:  # one check that a table defeats must not take the others' findings with it
                log.exception("the check %r failed", name)
                found = "open", f"This check could not be run on this table ({type(error).__name__}).", None
            return None if found is None else Finding(name, *found[:2], why, do, lesson, found[2])

        CHECKS[name] = check
        return function

    return register


@_check("columns", "01", "A column that counts the rows, or an id, can carry the label: tables are often sorted by "
        "group. A model then reads the order of the table. And a code such as -9 for a missing value is a number to a model.",
        "Name the features explicitly, and look at what was left out. Leave cells without a value empty.")
def _columns(study):
    taken = [f"{_some(columns, 3)} ({why})" for why, columns in study.dropped.items()]
    text = f"{len(study.features)} features are used."
    if taken:
        text += f" Taken out: {'; '.join(taken)}."
    index = "counts the rows, like an index" in study.dropped
    counts = {"used": len(study.features)} | {why: len(columns) for why, columns in study.dropped.items()}
    return "warn" if index or study.odd else "fine", " ".join([text, *study.odd, *study.remarks]), _bars(counts, "columns") if taken else None


@_check("subjects", "05", "Rows of one subject resemble each other. If some are in training and others in the test, a "
        "model is praised for recognising people.",
        "Split by subject: StratifiedGroupKFold(...).split(X, y, groups=subject), GroupKFold for a number to predict; in "
        "every inner loop too. Count subjects, not rows, wherever n is stated. "
        "Several visits are no fault. Folds by row are one.")
def _subjects(study):
    _, subject, _ = study.full
    if study.names["subject"] is None:
        return "open", (f"No column for the subject was named, so each of the {len(subject)} rows was taken for "
                        "a subject of its own. If that is wrong, every score below is too good."), None
    rows = np.bincount(subject)
    counts = {f"{k} row{'s' * (k != 1)}": int(np.sum(rows == k)) for k in np.unique(rows)[:12].tolist()}
    study.answers["groups"] = f"audit: folds by {study.names['subject']}, so that no subject is on both sides"
    if study.undated:
        return "stop", study.undated + " Give a column that names the person and nothing else.", _bars(counts, "subjects")
    if rows.max() == 1:
        return "fine", f"{len(rows)} subjects, one row each.", None
    constant = "and keep one label in all of them" if study.steady else "and not all keep one label"
    return "stop", (f"{len(subject)} rows, but {len(rows)} subjects: {np.sum(rows > 1)} have several rows (up to "
                    f"{rows.max()}), {constant}."), _bars(counts, "subjects")


@_check("duplicates", "01", "A copy in the test fold is a row that the model has already seen.",
        "Find out where the copies come from. Keep one of each, or give them one subject, before any split.")
def _duplicates(study):
    table, subject, _ = study.full
    copies = study.copies
    exact = int(copies.sum())
    across = exact and pd.Series(subject[copies]).groupby(study.keys[copies]).nunique().gt(1).any()
    u, names = _nearness(study)
    near = [] if u is None else [r for r, p in zip(names, u, strict=True) if p * len(u) < ALPHA]
    near = [r for r in near if not copies[np.searchsorted(study.positions, r)]]
    others = None if u is None else ~copies[np.searchsorted(study.positions, names)]
    repeated = 0
    if study.names["session"] and study.names["subject"]:
        repeated = int(pd.Series(subject).to_frame("s").assign(t=table[study.names["session"]].to_numpy()).duplicated().sum())
    text = f"{exact} rows have an exact copy"
    if across:
        text += f" under another subject (rows {_some(study.positions[copies], 6)}; the folds below keep these together)"
    text += f"; {len(near)} more are nearer to a row of another subject than chance allows"
    if near:
        text += f" (rows {_some(np.sort(near), 6)})"
    if repeated:
        text += f"; {repeated} rows repeat the same subject and {study.names['session']}"
    draw = None if u is None else lambda axes: (
        axes.hist(-np.log10(np.maximum(u[others], 1e-16)), bins=40, color=COLOURS["true"], log=True),
        axes.axvline(-np.log10(ALPHA / len(u)), color=COLOURS["reported"], linewidth=3),
        axes.set(xlabel="nearness to a row of another subject, as -log10 p\n(line: the limit; exact copies are not drawn)",
                 ylabel="rows"),
        axes.yaxis.set_major_formatter("{x:g}"))
    if exact or near:
        text += ". Rows are counted from 0"
    return "stop" if across or near else "warn" if exact or repeated else "fine", text + ".", draw


def _nearness(study, m=5):
    """p of every row: is its nearest row of another subject too near, given the distance of the m-th?

    In k dimensions the volume ratio u = (r_1 / r_m)^k follows Beta(1, m - 1) [the idea of Facco and others 2017,
    doi:10.1038/s41598-017-11873-y]; k is estimated from the median. With few dimensions nothing is suspicious.
    """
    n = len(study.Z)
    columns, rounding = [], 0.0
    for j in study.rng.permutation(study.Z.shape[1])[:500]:
        values = np.unique(study.Z[:, j])
        if len(values) > min(20, n / 2):  # few values say little about distance
            columns.append(j)
            rounding += np.diff(values).min() ** 2 / 6  # rounded values that agree are so far apart, on average
    if len(study.starts) < 4 * m or len(columns) < 2:
        return None, None
    Z = study.Z[:, columns].astype(np.float32)
    squares = (Z**2).sum(1)
    nearest, far = np.empty(n), np.empty(n)
    for start in range(0, n, 1000):
        rows = slice(start, min(start + 1000, n))
        distance = squares[rows, None] + squares - 2 * Z[rows] @ Z.T
        distance[study.subject[rows, None] == study.subject] = np.inf
        part = np.partition(distance, (0, m - 1), axis=1)
        nearest[rows], far[rows] = part[:, 0], part[:, m - 1]
    ratio = np.sqrt((np.maximum(nearest, 0) + rounding + 1e-9) / (np.maximum(far, 0) + rounding + 1e-9))
    usual = np.median(np.log(np.clip(ratio, 1e-12, 1)))
    if usual > -1e-6:
        return None, None
    k = np.log(1 - 0.5 ** (1 / (m - 1))) / usual
    return 1 - (1 - np.clip(ratio, 0, 1) ** k) ** (m - 1), study.rows


@_check("site and label", "01", "If sites differ in the share of patients, whatever marks a site predicts the label.",
        "Show the site-only score beside yours. Test on sites that the model has not seen (LeaveOneGroupOut), recruit both "
        "groups at every site, or compare within sites.")
def _site_label(study):
    if study.site is None:
        return None
    site = study.site[study.starts]
    p, share, _ = _association(study, _onehot(site), study.per_subject(study.target))
    alone = study.stated(study.evaluate("linear", "grouped", X=_onehot(study.site)))
    study.answers["site alone"] = alone
    single = 0
    if study.classes is not None:
        single = sum(len(np.unique(study.y[study.site == s])) == 1 for s in range(len(study.sites)))
    text = (f"{len(study.sites)} sites. A model that knows only the site has a cross-validated {study.unit} of "
            f"{alone[0]:.2f} (guessing: {study.chance:.2f}); association p = {p:.3f}."
            + (f" {single} sites have one class only." if single else ""))
    alarm = p <= ALPHA and share > 0.01
    level = "fine" if not alarm else "stop" if share > 0.25 or single > len(study.sites) / 2 else "warn"
    study.answers["site alarm"] = alarm
    return level, text, _shares(study.site, study.sites, study)


@_check("site in the features", "06", "Scanners leave their mark. Where a model can tell the site, it can use the site.",
        "Report scores on unseen sites. If you harmonise, fit that inside the training folds, and never with labels of "
        "test rows.")
def _site_features(study):
    if study.site is None:
        return None
    site, strata = study.site[study.starts], None
    Z = study.per_subject(study.Z)
    if study.classes is not None and study.steady:  # a difference that the label explains is no mark of the site
        strata = study.y[study.starts]
        for code in np.unique(strata):
            Z[strata == code] -= Z[strata == code].mean(0)
    p, share, null = _association(study, _onehot(site), Z, strata=strata)
    p_one, best, _ = _association(study, _onehot(site), Z, strata=strata, largest=True)
    alarm = min(p, p_one) <= ALPHA / 2 and (share - null.mean() > 0.01 or best > 0.05)
    known, usual = _site_accuracy(study)
    text = (f"From the features, a linear model names the site of {100 * known:.0f} % of new subjects (always naming the "
            f"largest: {100 * usual:.0f} %). Sites explain {100 * share:.0f} % of a feature's variance on average, "
            f"{100 * null.mean():.0f} % expected by chance; p = {min(1, 2 * min(p, p_one)):.3f}.")
    level = "fine" if not alarm else "stop" if study.answers.get("site alarm") else "warn"
    return level, text, _null(null, share, "share of variance that sites explain")


def _site_accuracy(study):
    """Accuracy of naming the site of new subjects, and of always naming the largest site."""
    first = study.starts
    site, Z = study.site[first], study.per_subject(study.Z)
    right = np.zeros(len(site), bool)
    target = _onehot(site)
    for train, test in KFold(5, shuffle=True, random_state=study.seed).split(Z):
        weights = _ridge(Z[train], target[train] - target[train].mean(0))
        right[test] = np.argmax(Z[test] @ weights + target[train].mean(0), axis=1) == site[test]
    return right.mean(), np.bincount(site).max() / len(site)


def _ridge(X, Y):
    """Weights of ridge regression with a penalty of p, in the smaller of two equal forms."""
    n, p = X.shape
    if p <= n:
        return np.linalg.solve(X.T @ X + p * np.eye(p), X.T @ Y)
    return X.T @ np.linalg.solve(X @ X.T + p * np.eye(n), Y)


@_check("demographics and label", "01", "If age or sex already predict the label, a model can be an age meter.",
        "Show the demographics-only score beside yours. What your features add to it is your result.")
def _demographics(study):
    if not study.people:
        return None
    block = np.column_stack(study.people)
    p, share, null = _association(study, study.per_subject((block - block.mean(0)) / np.maximum(block.std(0), 1e-12)),
                                  study.per_subject(study.target))
    alone = study.answers["people alone"] = study.stated(study.evaluate("linear", "grouped", X=block))
    text = (f"{_some(study.names['demographics'], 6)} alone have a cross-validated {study.unit} of {alone[0]:.2f} "
            f"(guessing: {study.chance:.2f}); association p = {p:.3f}.")
    return "warn" if p <= ALPHA and share > 0.01 else "fine", text, _null(null, share, "variance of the label explained")


@_check("date and label", "01", "Patients scanned in spring and controls in autumn differ by whatever changed in summer: "
        "software, coil, staff.", "Compare within periods, or recruit both groups all the time. Test on later subjects.")
def _dates(study):
    column = study.names["session"]
    if column is None:
        return None
    values = study.part[column]
    if not _is_number(values):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dates = pd.to_datetime(values, errors="coerce")
        whole = values.notna() & dates.isna()
        values = pd.Series(pd.factorize(values, sort=True)[0] if whole.any() else dates.map(pd.Timestamp.toordinal, "ignore"),
                           index=values.index)
    time = values.astype(float).fillna(values.astype(float).median()).to_numpy()
    mean = study.per_subject(time)
    if np.std(mean) == 0:
        return "open", (f"{column!r} has the same mean for all subjects, as a number of the visit has. It does not say who was "
                        "seen when: name a column with the date."), None
    p, share, null = _association(study, np.column_stack([mean, stats.rankdata(mean)]), study.per_subject(study.target))
    text = f"{column!r} explains {100 * share:.0f} % of the label's variance between subjects; p = {p:.3f}."
    return "warn" if p <= ALPHA and share > 0.01 else "fine", text, _null(null, share, "variance of the label explained")


@_check("target leakage", "05", "A feature that nearly is the label was often used to make the label, or was measured "
        "because of it. Grouped folds do not catch that.", "Ask of each named feature: could I know it at the moment when "
        "the model is used, without knowing the diagnosis? If not, take it out. If it is the biomarker itself, say so.")
def _leakage(study):
    value, bound = study.alone
    what = "rank correlation with the label" if study.classes is None else "AUC"
    order = np.argsort(-value)[:8]
    best = {study.features[j]: float(value[j]) for j in order}
    named = [study.features[j] for j in order if bound[j] >= 0.80]
    level = "stop" if study.leaks.any() else "warn" if named else "fine"
    text = (f"The best single feature, {study.features[order[0]]!r}, alone has {'a' if study.classes is None else 'an'} {what} "
            f"of {value[order[0]]:.2f}.")
    if named:
        text += f" {'Nearly the label itself' if level == 'stop' else 'Close to the label'}: {_some(named)}."
    if level == "stop" and study.X_model is not study.X:
        study.answers["leaks"] = _some([f for f, leak in zip(study.features, study.leaks, strict=True) if leak], 2)
        study.answers["with"] = study.stated(study.evaluate("linear", "grouped", X=study.X))
        without = study.pooled(study.evaluate("linear", "grouped"))
        text += (f" The linear model has {study.unit} {study.answers['with'][0]:.2f} with and {without:.2f} without "
                 f"{study.answers['leaks']}. All other models of this audit do without.")
    return level, text, _rows(best, f"{what} of a single feature", chance=study.chance,
                              colours=dict.fromkeys(named, COLOURS["reported"]))


def _alone(x, y, study):
    """How well one feature orders the label: |rank correlation|, or the mean AUC over pairs of classes."""
    there = np.isfinite(x)
    x, y = x[there], y[there]
    if len(x) < 10 or x.min() == x.max():
        return 0.0 if study.classes is None else 0.5
    if study.classes is None:
        return abs(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1]) if len(np.unique(y)) > 1 else 0.0
    pairs = []
    for a in range(len(study.classes)):
        for b in range(a):
            rows = (y == a) | (y == b)
            auc = _auc(x[rows], y[rows] == a)
            pairs.append(max(auc, 1 - auc) if np.isfinite(auc) else 0.5)
    return float(np.mean(pairs))


def _auc_error(auc, n1, n0):
    """Standard error of an AUC (Hanley and McNeil 1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n1 - 1) * (q1 - auc**2) + (n0 - 1) * (q2 - auc**2)
    return np.sqrt(np.maximum(variance, 0) / np.maximum(n1 * n0, 1))


def _missing(study, A, strata=None):
    M = study.missing
    some = M.any(0)
    block = np.column_stack([M[:, some], M.sum(1)]).astype(float)
    return _association(study, A, study.per_subject(block), strata=strata, largest=True)


@_check("missing values and label", "01", "A value can be missing because of the disease, or because of how patients were "
        "recruited. Then the gap itself predicts the label, here and perhaps nowhere else.",
        "Find out why the values are missing. Impute inside the folds. Do not give the model flags of missingness unless "
        "they will mean the same where it is used.")
def _missing_label(study):
    share = study.missing.mean()
    study.answers["missing"] = share
    if not study.missing.any():
        return "fine", "No feature value is missing.", None
    p, best, _ = _missing(study, study.per_subject(study.target))
    most = np.argsort(-study.missing.mean(0))[:6]
    text = (f"{100 * share:.1f} % of the feature values are missing, most in {study.features[most[0]]!r} "
            f"({100 * study.missing[:, most[0]].mean():.0f} %). Missingness against the label: p = {p:.3f}.")
    if study.classes is not None:
        worst = np.argmax([np.ptp([study.missing[study.y == c, j].mean() for c in range(len(study.classes))])
                           for j in range(len(study.features))])
        by = [f"{name} {100 * study.missing[study.y == c, worst].mean():.0f} %" for c, name in enumerate(study.classes)]
        text += f" Largest difference: {study.features[worst]!r}, {_some(by, 5)}."
    counts = {study.features[j]: 100 * study.missing[:, j].mean() for j in most if study.missing[:, j].any()}
    return "warn" if p <= ALPHA and best > 0.01 else "fine", text, _bars(counts, "missing, %")


@_check("missing values and site", "01", "If sites miss different values, filling them in writes the site into the features.",
        "Compare what each site measured. Impute inside the folds, and test on unseen sites.")
def _missing_site(study):
    if study.site is None or not study.missing.any():
        return None
    p, best, _ = _missing(study, _onehot(study.site[study.starts]))
    by_site = {study.sites[s]: 100 * study.missing[study.site == s].mean() for s in range(len(study.sites))}
    worst = sorted(by_site, key=by_site.get)[::-1]
    text = (f"Missing values per site: from {by_site[worst[-1]]:.1f} % ({worst[-1]}) to {by_site[worst[0]]:.1f} % "
            f"({worst[0]}); p = {p:.3f}.")
    return ("warn" if p <= ALPHA and best > 0.01 else "fine"), text, _bars({s: by_site[s] for s in worst[:12]}, "missing, %")


@_check("sample size", "02", "A small sample gives a model that follows noise, and a score that luck moves far.",
        "State subjects, events and features. Report the interval. Use fewer features or a strong penalty, and plan the next "
        "study from the width that you need. Ten events per feature is a rule of thumb for models without a penalty, no law.")
def _size(study):
    m, p = len(np.bincount(study.full[1])), study.X_model.shape[1]
    score = study.stated(study.evaluate("linear", "grouped"))[0]
    if study.classes is None:
        events, what = m, "subjects"
        r = np.sqrt(max(score, 0.0))
        half = np.ptp(np.tanh(np.arctanh(min(r, 0.99)) + np.array([-1.96, 1.96]) / np.sqrt(m - 3)) ** 2) / 2 if r > 0 else 1.96 / np.sqrt(m)
    else:
        by_class = [len(np.unique(study.full[1][study.full[2] == c])) for c in range(len(study.classes))]
        events, what = min(by_class), "subjects in the smallest class"
        half = 1.96 * float(_auc_error(np.clip(score, 0.5, 0.99), events, m - events))
    counted = f"{m} subjects, " + ("" if study.classes is None else f"{events} {what}, ") + f"{p} features"
    study.answers["size"] = counted
    curve = _learning_curve(study)
    last = list(curve.values())
    what = "the score of the smallest class against the others" if study.kind == "classes" else "a score"
    text = (f"{counted}: {events / p:.1f} per feature. With so many subjects {what} is "
            f"known to about ± {half:.2f} at best. With half the training subjects the linear model has {study.unit} "
            f"{last[1]:.2f}, with all {last[-1]:.2f}.")
    level = "stop" if half > 0.2 else "warn" if half > 0.1 or events / p < 10 else "fine"
    draw = lambda axes: (axes.plot(list(curve), last, "o-", color=COLOURS["true"], linewidth=3),  # noqa: E731
                         axes.axhline(study.chance, color=COLOURS["chance"], linestyle="--"),
                         axes.set(xlabel="training subjects", ylabel=f"{study.unit}, new subjects"))
    return level, text, draw


def _learning_curve(study):
    """Score on new subjects of the linear model trained on a part of the training subjects."""
    curve = {}
    for part in (0.25, 0.5, 0.75):
        scores, sizes = [], []
        for train, test in study.folds("grouped"):
            people = study.rng.permutation(np.unique(study.subject[train]))
            few = train[np.isin(study.subject[train], people[: max(int(part * len(people)), 5)])]
            if study.classes is not None and len(np.unique(study.y[few])) < 2:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = study.model("linear").fit(study.X_model[few], study.y[few])
            scores.append(study.score(study.y[test], study._predict(model, study.X_model[test])))
            sizes.append(len(np.unique(study.subject[few])))
        if scores:
            curve[round(np.mean(sizes))] = float(np.nanmean(scores))
    curve[round(len(study.starts) * 0.8)] = float(np.nanmean(study.evaluate("linear", "grouped")[3]))
    return curve


@_check("over- and underfitting", "03", "A model that is too free follows noise; one that is too stiff misses what is there. "
        "The training score tells neither: a forest has a perfect one and may still be the best.",
        "If the penalty helps, tune it inside the folds. If the forest is clearly better, look for curves and interactions, "
        "or use the forest. Judge by scores on new subjects only.")
def _fit(study):
    runs = {name: study.evaluate(name, "grouped") for name in ("free", "linear", "flexible")}
    train = {name: float(np.nanmean(run[2])) for name, run in runs.items()}
    mean = {name: study.pooled(run) for name, run in runs.items()}

    over = study.clearly_above(runs["linear"], runs["free"])
    under = study.clearly_above(runs["flexible"], runs["linear"]) and mean["flexible"] > mean["free"]
    words = {"free": "linear, no penalty", "linear": "linear, penalty", "flexible": "flexible (forest)"}
    text = "; ".join(f"{words[n]}: training {train[n]:.2f}, new subjects {mean[n]:.2f}" for n in words) + f" ({study.unit})."
    if over:
        text += " Without a penalty the linear model overfits: restraint makes it better on new subjects."
    if under:
        text += " The linear model underfits: the flexible one finds more in new subjects."

    def draw(axes):
        for i, name in enumerate(list(words)[::-1]):
            axes.plot([mean[name], train[name]], [i, i], color="#bbbbbb", linewidth=2, zorder=0)
            axes.plot(train[name], i, "D", color=COLOURS["training"], markersize=9, label="training" if i == 0 else None)
            axes.plot(mean[name], i, "o", color=COLOURS["true"], markersize=9, label="new subjects" if i == 0 else None)
        axes.axvline(study.chance, color=COLOURS["chance"], linestyle="--", zorder=0)
        axes.set_yticks(range(3), list(words.values())[::-1])
        axes.set(xlabel=study.unit, ylim=(-0.5, 2.5))
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.22), ncols=2, frameon=False)

    return "warn" if over or under else "fine", text, draw


@_check("ways to split", "05", "The same model and the same rows: only who is kept apart differs. A drop shows what the model "
        "knew that it will not know of new people or new sites.",
        "State the score of the split that fits the use: new subjects for your own sites, unseen sites for anybody else's. "
        "The shuffled score is shown as a warning only.")
def _splits(study):
    several = study.several
    if not several and study.site is None:
        return "fine", "One row per subject and no sites: shuffled folds are the right ones.", None
    rows, colours, level, parts = {}, {}, "fine", []
    for name, word in (("linear", "linear"), ("flexible", "forest")):
        runs = {"grouped": study.evaluate(name, "grouped")}
        if several:
            runs["shuffled"] = study.evaluate(name, "shuffled")
        if study.site is not None:
            runs["site"] = study.evaluate(name, "site")
        scores = {scheme: study.pooled(run) for scheme, run in runs.items()}
        for scheme, said in (("shuffled", "rows shuffled"), ("grouped", "new subjects"), ("site", "unseen sites")):
            if scheme in scores and np.isfinite(scores[scheme]):
                rows[f"{word}, {said}"] = scores[scheme]
                colours[f"{word}, {said}"] = COLOURS["reported" if scheme == "shuffled" else "true"]
        for high, low in (("shuffled", "grouped"), ("grouped", "site")):
            if high in scores and low in scores and np.isfinite(scores[low]):
                drop = scores[high] - scores[low]
                if study.clearly_above(runs[high], runs[low]):
                    level = "stop" if drop > 0.1 or level == "stop" else "warn"
                    parts.append(f"{word}: {drop:.2f} lower on {'new subjects' if low == 'grouped' else 'unseen sites'}")
    text = "; ".join(f"{name} {value:.2f}" for name, value in rows.items()) + f" ({study.unit})."
    text += f" Clear drop, {'; '.join(parts)}." if parts else " No clear drop."
    return level, text, _rows(rows, study.unit, chance=study.chance, colours=colours)


@_check("better than chance", "05", "With few subjects, guessing can look like a finding.",
        "Do not claim a signal on this table. It may be there and need more subjects, or another kind of model.")
def _permutation(study):
    m = len(study.starts)
    counts = np.diff(np.r_[study.starts, len(study.y)])
    strata = np.zeros(m, int) if study.site is None else study.site[study.starts].astype(int)
    if not study.steady:  # whole label sequences change hands, between subjects with as many rows
        strata = strata * (counts.max() + 1) + counts
    orders = [np.arange(len(study.y))]
    inside = np.arange(len(study.y)) - study.starts[study.subject]
    for _ in range(199):
        order = _within(study.rng, strata, m)
        orders.append(study.starts[order][study.subject] + (0 if study.steady else inside))
    orders = np.array(orders)  # (200, n): the row whose label each row gets
    # Folds are dealt blind to the labels, so the true labelling has no advantage in them; several deals steady them.
    total, deals = np.zeros(len(orders)), 3 if len(study.y) * len(study.features) < 1e5 else 1
    for deal in range(deals):
        splitter = GroupKFold(5, shuffle=True, random_state=study.seed + 100 + deal)
        scores = []
        for train, test in splitter.split(study.X, groups=study.subject):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tidy = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(study.X_model[train])
                A, B = tidy.transform(study.X_model[train]), tidy.transform(study.X_model[test])
            k = study.target.shape[1]
            Y = study.target[orders]  # (200, n, k)
            center = Y[:, train].mean(1, keepdims=True)
            weights = _ridge(A, (Y[:, train] - center).transpose(1, 0, 2).reshape(len(train), -1))
            predicted = (B @ weights).reshape(len(test), len(orders), k) + center.transpose(1, 0, 2)
            scores.append(_many_scores(study, predicted, Y[:, test].transpose(1, 0, 2)))
        total += np.nanmean(scores, axis=0) / deals
    p = (1 + np.sum(total[1:] >= total[0] - 1e-12)) / len(orders)
    study.answers["p"] = p
    where = "between subjects" + ("" if study.site is None else ", within sites")
    text = (f"Labels exchanged {where}, 199 times: {study.unit} {total[0]:.2f} with the true labels, "
            f"{np.median(total[1:]):.2f} with exchanged ones (a linear model); p = {p:.3f}.")
    level = "fine" if p <= ALPHA else "warn"
    return level, text + (" Chance is not ruled out." if level == "warn" else ""), _null(total[1:], total[0], study.unit)


def _many_scores(study, predicted, truth):
    """The score of every permutation. Shapes (rows, permutations, columns) give (permutations,)."""
    if study.classes is None:
        around = ((truth - truth.mean(0)) ** 2).sum((0, 2))
        return 1 - ((truth - predicted) ** 2).sum((0, 2)) / np.where(around > 0, around, np.nan)
    ranks, yes = stats.rankdata(predicted, axis=0), truth > 0.5
    k, n = yes.sum(0), len(yes)
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.nanmean(((ranks * yes).sum(0) - k * (k + 1) / 2) / np.where(k * (n - k) > 0, k * (n - k), np.nan), axis=1)


@_check("suspect labels", "04", "Wrong labels cost accuracy in training, and in the test they punish the right answer.",
        "Let somebody look at these rows without seeing the model's opinion. Look at as many others, drawn at random, in the "
        "same way: repairing only what the model disputes makes the score too good.")
def _suspects(study):
    predicted, _, _, _ = evaluation = study.evaluate("linear", "grouped")
    score, who = study.pooled(evaluation), np.arange(len(study.y))
    if study.classes is None:
        if score < 0.3:
            return "open", f"The model predicts the label too weakly (R2 {score:.2f}) to judge single values.", None
        z = -np.abs(_robust(predicted[:, 0] - study.y))
        suspect = z < -3
        people = len(np.unique(study.subject[suspect]))
        share = 2 * stats.norm.cdf(-3.0)
        alarm = people > 3 and stats.binom.sf(people - 1, len(study.starts), 1.5 * share) <= ALPHA
        text = f"{people} of {len(study.starts)} subjects have a value more than 3 robust standard deviations from its prediction."
    else:
        if score < 0.75:
            return "open", f"The model separates the classes too weakly ({study.unit} {score:.2f}) to judge single labels.", None
        L, y = np.log(np.clip(predicted, 1e-6, 1)), study.y
        if study.steady:
            L, y, who = study.per_subject(L), y[study.starts], study.starts
        z, away = np.empty(len(y)), np.empty(len(y))
        for code in range(len(study.classes)):
            margin = L[:, code] - np.delete(L, code, axis=1).max(1)  # of this class against the best other one
            own = y == code
            z[own] = _robust(margin[own])
            away[own] = (np.median(margin[~own]) - np.median(margin[own])) / max(_spread(margin[own]), 1e-12)
        # A label is right, or its row lies where rows of another class lie: how large a share of wrong ones fits best?
        right, wrong = stats.norm.pdf(z) + 1e-300, stats.norm.pdf(z - away) + 1e-300
        shares = np.linspace(0, 0.4, 81)
        fits = [np.sum(np.log((1 - e) * right + e * wrong)) for e in shares]
        share = shares[np.argmax(fits)]
        suspect, alarm = share * wrong > (1 - share) * right, 2 * (max(fits) - fits[0]) > 12
        text = (f"{suspect.sum()} of {len(y)} labels{' (one per subject, copies once)' if len(y) < len(study.y) else ''} lie, out of "
                "fold, where those of another class lie; "
                f"the share of wrong labels that fits best is {100 * share:.0f} %"
                + ("." if alarm or not share else ", but none fits nearly as well."))
    rows = study.rows[who[np.flatnonzero(suspect)[np.argsort(z[suspect])]]]
    if alarm:
        text += f" Rows {_some(rows, 10)} (counted from 0)."

    def draw(axes):
        axes.hist([z[~suspect], z[suspect]], bins=40, stacked=True, color=[COLOURS["true"], COLOURS["reported"]],
                  label=["as expected", "suspect"])
        axes.legend(frameon=False)
        axes.set(xlabel="how well the label agrees with the prediction (robust z)", ylabel="labels")

    return "warn" if alarm else "fine", text, draw


def _spread(values):
    """A robust standard deviation."""
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def _robust(values):
    """Distance from the median in robust standard deviations."""
    spread = _spread(values)
    return (values - np.median(values)) / (spread if spread > 0 else max(np.std(values), 1e-12))


@_check("agreement of raters", "04", "A label is somebody's judgement. Where two raters disagree, at least one is wrong, and a "
        "model that is right there is counted as wrong by the other.",
        "Report agreement and how disagreement was settled. Use a consensus for the test set. Read scores against the ceiling.")
def _raters(study):
    if study.names["second_rater"] is None:
        return None
    second = study.part[study.names["second_rater"]]
    both = second.notna().to_numpy()
    if both.sum() < 10:
        return "open", f"Only {both.sum()} rows have a second judgement.", None
    if study.classes is None:
        r = np.corrcoef(study.y[both], pd.to_numeric(second[both], errors="coerce"))[0, 1]
        upper = np.tanh(np.arctanh(r) + 1.96 / np.sqrt(max(both.sum() - 3, 1)))
        study.answers["raters"] = f"correlation {r:.2f} in {both.sum()} rows"
        text = (f"{both.sum()} rows were measured twice, correlation {r:.2f}. If both measurements are equally good and their "
                f"errors independent, no model can have an R2 above about {max(r, 0):.2f} against one of them.")
        return "stop" if upper < 0.5 else "warn" if upper < 0.8 else "fine", text, lambda axes: (
            axes.plot(study.y[both], pd.to_numeric(second[both], errors="coerce"), "o", color=COLOURS["true"], alpha=0.5),
            axes.set(xlabel=_short(study.names["label"]), ylabel=_short(study.names["second_rater"])))
    code = {v: i for i, v in enumerate(study.values)}
    if unknown := [v for v in second[both].unique() if v not in code]:
        raise DataError(f"The second rater says {_some(map(_quoted, unknown))}, and the label's classes are "
                        f"{_some(map(_quoted, study.values))}. Code both alike.")
    a, b = study.y[both], second[both].map(code).to_numpy(int)
    agree, n, c = np.mean(a == b), int(both.sum()), len(study.classes)
    kappa = cohen_kappa_score(a, b, labels=list(range(c)))
    expected = np.sum(np.bincount(a, minlength=c) * np.bincount(b, minlength=c)) / n**2
    error = np.sqrt(max(agree * (1 - agree), 1 / n**2) / (n * max(1 - expected, 1e-9) ** 2))
    wrong = (1 - np.sqrt(max(1 - c / (c - 1) * (1 - agree), 0))) * (c - 1) / c  # each rater's, if alike and independent
    study.answers["raters"] = f"agreement {agree:.2f}, Cohen's kappa {kappa:.2f} in {n} rows"
    text = (f"{n} rows were judged twice: agreement {100 * agree:.0f} %, Cohen's kappa {kappa:.2f} ({max(kappa - 1.96 * error, -1):.2f} to "
            f"{min(kappa + 1.96 * error, 1):.2f}). If both raters err equally often and independently, each is wrong in about "
            f"{100 * wrong:.0f} %, and a perfect model would reach an accuracy of about {1 - wrong:.2f} against one of them. "
            "If they share their errors, that ceiling is not one.")
    upper = kappa + 1.96 * error
    table = pd.crosstab(pd.Categorical(a, range(c)), pd.Categorical(b, range(c)), dropna=False).to_numpy()

    def draw(axes):
        sns.heatmap(table, annot=True, fmt="d", cmap="Blues", cbar=False, ax=axes, xticklabels=[*map(_short, study.classes)],
                    yticklabels=[*map(_short, study.classes)])
        axes.set(xlabel=_short(study.names["second_rater"]), ylabel=_short(study.names["label"]))

    return "stop" if upper < 0.4 else "warn" if upper < 0.8 else "fine", text, draw


@_check("calibration", "06", "A probability of .9 that comes true six times in ten misleads whoever acts on it, however good the "
        "AUC is.", "Show the calibration curve. A slope below 1 says that predictions are too extreme: more penalty, fewer "
        "features or more subjects. At another prevalence the intercept changes as well.")
def _calibration(study):
    predicted, fold, _, _ = study.evaluate("linear", "grouped")
    rows = np.flatnonzero(fold >= 0)
    if study.classes is None:
        x, y, what = predicted[rows, 0], study.y[rows], "predicted"
        x = x - x.mean()
        if np.std(x) < 1e-9:
            return "open", "The model predicts the same value for everybody.", None
    else:
        code = 1 if study.kind == "binary" else int(np.argmax(np.bincount(study.y)))
        x, y = logit(np.clip(predicted[rows, code], 1e-6, 1 - 1e-6)), (study.y[rows] == code).astype(float)
        what = f"predicted probability of {_short(study.classes[code])}"
    slope, error = _slope(x, y, study.subject[rows], study.classes is not None)
    over, timid = slope + 2.58 * error < 0.8, slope - 2.58 * error > 1.25
    known = study.pooled(study.evaluate("linear", "grouped")) > study.chance + 0.05
    text = f"Calibration slope of the linear model {slope:.2f} (1 is right), 95 % interval {slope - 1.96 * error:.2f} to {slope + 1.96 * error:.2f}."
    if over:
        text += " Its predictions are too extreme."
    elif timid:
        text += " Its predictions are too timid."
    elif abs(slope - 1) > 1.96 * error:
        text += " That is hardly 1, but not surely beyond 0.8 or 1.25, where this audit begins to warn."
    elif error > 0.2:
        text += " With so wide an interval nothing can be said."
    shown = predicted[rows, 0 if study.classes is None else code]
    bins = np.array_split(np.argsort(shown), 8 if len(rows) >= 80 else 4)

    def draw(axes):
        axes.plot([shown.min(), shown.max()], [shown.min(), shown.max()], color=COLOURS["chance"], linestyle="--")
        axes.plot([shown[b].mean() for b in bins], [y[b].mean() for b in bins], "o-", color=COLOURS["true"], linewidth=3)
        axes.set(xlabel=what, ylabel="observed share" if study.classes else "observed")

    level = "warn" if over or (timid and known) else "open" if error > 0.2 and not timid else "fine"
    return level, text, draw


def _slope(x, y, subject, logistic):
    """Slope of y on x (logistic or straight) and its standard error with subjects as clusters."""
    A = np.column_stack([np.ones_like(x), x])
    if logistic:
        beta = LogisticRegression(C=np.inf, fit_intercept=False, max_iter=1000).fit(A, y).coef_[0]
    else:
        beta = np.linalg.lstsq(A, y)[0]
    mean = expit(A @ beta) if logistic else A @ beta
    weight = np.maximum(mean * (1 - mean), 1e-6) if logistic else np.ones_like(mean)
    bread = np.linalg.inv(A.T @ (A * weight[:, None]))
    by_subject = np.column_stack([np.bincount(subject, weights=A[:, j] * (y - mean)) for j in (0, 1)])
    return beta[1], np.sqrt((bread @ (by_subject.T @ by_subject) @ bread)[1, 1])


# The audit --------------------------------------------------------------------------------------------


def audit(table, *, label: str, subject: str | None = None, site: str | None = None, session: str | None = None,
          second_rater: str | None = None, features=None, demographics=(), positive=None, task: str | None = None,
          only=None, seed: int = 0, progress=None) -> Report:
    """Check a table for what makes a score better than the truth.

    Parameters
    ----------
    table : pandas.DataFrame, str or Path
        One row per scan, or a file for `read_table`.
    label : str
        The column to be predicted: classes, or numbers.
    subject, site, session, second_rater : str, optional
        Columns with the person, the scanner or centre, the session or date, and a second judgement of the label.
    features : list of str, optional
        Without it, every column of numbers that has no other role.
    demographics : str or list of str
        Age, sex and the like: for the baseline, not for the models.
    positive : optional
        The class that is the finding, if there are two; the last in order otherwise.
    task : {"classification", "regression"}, optional
        Otherwise numbers with more than ten different values are predicted as numbers.
    only : list of str, optional
        Names of the checks to run, out of `CHECKS`.
    seed : int
        At least 0.
    progress : bool or callable, optional
        Show a line per check, or hand it to a function; by default from 200,000 cells on.

    Returns
    -------
    Report
        Interrupted (the stop button, Ctrl+C), it holds the findings made so far.

    Raises
    ------
    DataError
        If the table cannot be audited as asked. The message says why and what to do.

    Notes
    -----
    Time of one core, all checks, two classes, four sites: about 2.5 s for 200 rows and 500 features, 75 s for 5,000 rows and
    1,000 features (measured under load as processor time, so a quiet machine needs about that). Larger tables are drawn down
    to `LARGEST_SAMPLE`, so they take no longer in the models.
    """
    if not isinstance(table, pd.DataFrame):
        if not isinstance(table, str | Path):
            raise DataError(f"The table must be a DataFrame or the path of a file, not {type(table).__name__}.")
        table = read_table(table)
    if only is not None and (unknown := [name for name in only if name not in CHECKS]):
        raise DataError(f"There is no check {unknown[0]!r}. There are: {', '.join(CHECKS)}.")
    listed = {"features": features, "demographics": demographics}
    names = {k: [v] if isinstance(v, str) else None if v is None else list(v) for k, v in listed.items()}
    names |= {"label": label, "subject": subject, "site": site, "session": session, "second_rater": second_rater}
    names["demographics"] = names["demographics"] or []
    study = _Study(table, names, task, positive, seed)
    if progress is None:
        progress = study.X.size > 200_000
    tell = progress if callable(progress) else _line if progress else lambda text: None
    findings, wanted = [], list(CHECKS if only is None else only)
    for i, name in enumerate(wanted):
        try:
            tell(f"{i + 1} of {len(wanted)}: {name}")
            study.rng = np.random.default_rng([seed, list(CHECKS).index(name)])  # the same, whatever ran before
            if (finding := CHECKS[name](study)) is not None:
                findings.append(finding)
        except KeyboardInterrupt:
            study.notes.append(f"Stopped by hand after {i} of {len(wanted)} checks. The findings are those made so far.")
            break
    if tell is _line:
        tell("")
    findings.sort(key=lambda finding: list(LEVELS).index(finding.level))
    scores = _scores(study)
    return Report(f"Audit of {label}", findings, scores, _checklist(study), study.notes)


def _line(text: str) -> None:
    print(f"\r{text:<60}", end="\r" if not text else "", flush=True)


def _scores(study) -> pd.DataFrame:
    """Baselines first, then the valid evaluations; never shuffled rows of repeated subjects."""
    rows = [("guessing", study.chance, None, None)]
    rows += [(name, *study.answers[key]) for name, key in (("the site alone", "site alone"),
             ("demographics alone", "people alone")) if key in study.answers]
    for name, said in (("linear", "linear model"), ("flexible", "forest")):
        for scheme, where in (("grouped", "new subjects"), ("site", "unseen sites")):
            if (name, scheme) in study.cache:
                rows.append((f"{said}, {where}", *study.stated(study.cache[name, scheme])))
    if "with" in study.answers:
        rows.append((f"with {study.answers['leaks']}, nearly the label", *study.answers["with"]))
    study.answers["scores"] = {row[0]: row[1:] for row in rows}
    spans = ["" if row[2] is None or np.isnan(row[1]) else f"{row[2]:.2f} to {row[3]:.2f}" for row in rows]
    values = ["not defined: no site has both classes" if np.isnan(row[1]) else f"{row[1]:.2f}" for row in rows]
    return pd.DataFrame({"predicted from": [row[0] for row in rows], study.unit: values, "95 % interval": spans})


# Items as in TRIPOD+AI (Collins and others 2024, doi:10.1136/bmj-2023-078378), CLAIM (Tejani and others 2024,
# doi:10.1148/ryai.240300) and REFORMS (Kapoor and others 2024, doi:10.1126/sciadv.adk3452). The topics are in
# our words. A name in brackets says which answer of the audit belongs there.
_ITEMS = {
    "TRIPOD+AI": """1 title; 2 abstract; 3a clinical context; 3b intended users and population; 3c health inequalities;
    4 aims; 5a source of the data [rows]; 5b dates of the data; 6a setting and centres [sites]; 6b who was eligible;
    6c treatments; 7 preprocessing and quality checks [quality]; 8a the outcome: what, how, when [label]; 8b who judged
    the outcome [raters]; 8c blinding to predictors; 9a choice of predictors; 9b definition of predictors [features]; 9c who
    judged predictors; 10 sample size [size]; 11 missing data [missing]; 12a use and partition of the data [groups]; 12b
    handling of predictors; 12c model, tuning, internal validation [model]; 12d differences between clusters, methods
    [clusters]; 12e performance measures [measures]; 12f model updating; 12g how predictions are computed; 13 class imbalance
    [balance]; 14 fairness; 15 what the model gives out; 16 development against evaluation data; 17 ethics; 18a funding;
    18b interests; 18c protocol; 18d registration; 18e data sharing; 18f code sharing; 19 patients and public; 20a flow of
    participants, with and without the outcome [balance]; 20b characteristics and missing values [missing]; 20c
    development and evaluation compared; 21 numbers in each analysis [size]; 22 the full model; 23a performance with
    intervals [scores]; 23b differences between clusters, results [clusters]; 24 results of updating; 25 interpretation;
    26 limitations; 27a poor or missing input in use; 27b interaction and expertise of users; 27c next steps""",
    "CLAIM": """1 title; 2 abstract; 3 background and role; 4 aims; 5 prospective or retrospective; 6 goal; 7 data sources
    [rows]; 8 who was included; 9 preprocessing; 10 selection of subsets; 11 de-identification; 12 missing data [missing];
    13 acquisition protocol; 14 reference standard: method [label]; 15 reference standard: why; 16 reference standard:
    who annotated; 17 annotation of the test set; 18 variability of raters [raters]; 19 assignment to partitions [groups];
    20 level at which partitions are separate [groups]; 21 intended sample size [size]; 22 the model [model]; 23 software;
    24 starting values; 25 training; 26 choice of the final model; 27 ensembles; 28 metrics [measures]; 29 significance and
    uncertainty [uncertainty]; 30 robustness [clusters]; 31 explanation of predictions; 32 internal testing [scores]; 33
    external testing; 34 trial registration; 35 numbers included and excluded [rows]; 36 characteristics by partition; 37
    performance and uncertainty [scores]; 38 diagnostic performance and precision; 39 failures; 40 limitations; 41
    meaning for practice; 42 protocol or details; 43 availability of software and data; 44 funding""",
    "REFORMS": """1a population of the claim; 1b why this population; 1c why machine learning; 2a the data set and where it
    is; 2b the code and where it is; 2c computers used; 2d instructions; 2e a script that reproduces; 3a data sources and
    annotation [label]; 3b sampling frame; 3c why these data; 3d the outcome and its distribution [balance]; 3e sample size
    and outcomes [size]; 3f missing values [missing]; 3g is the sample representative; 4a samples left out [rows]; 4b impossible
    or damaged values [quality]; 4c transformations; 5a every model tried [model]; 5b why these models; 5c how models are
    evaluated [groups]; 5d how the model is chosen; 5e tuning; 5f suitable baselines [baselines]; 6a preprocessing inside
    training [inside]; 6b dependence and duplicates across the split [quality]; 6c is every feature legitimate [leakage];
    7a metrics [measures]; 7b uncertainty [uncertainty]; 7c tests and their assumptions [test]; 8a external validity
    [clusters]; 8b where it will not hold""",
}


def _checklist(study) -> pd.DataFrame:
    """The items of the guidelines, with what this table can answer."""
    a, names = study.answers, study.names
    scores = a.get("scores", {})

    def told(*wanted):
        found = {k: v for k, v in scores.items() if any(w in k for w in wanted) and np.isfinite(v[0])}
        return "; ".join(f"{k}: {study.unit} {v[0]:.2f}" + ("" if v[1] is None else f" ({v[1]:.2f} to {v[2]:.2f})")
                         for k, v in found.items())

    _, subject, y = study.full
    by = "" if study.classes is None else ", ".join(f"{c} {np.sum(y == i)}" for i, c in enumerate(study.classes))
    if study.classes is None:
        by = f"mean {y.mean():.3g}, standard deviation {y.std():.3g}"
    known = {
        "rows": f"{study.all_rows} rows with a label, {len(np.unique(subject))} subjects",
        "sites": f"{len(study.sites)} values in column {names['site']}" if study.sites else "",
        "label": f"column {names['label']}, {study.kind.replace('classes', 'several classes')}", "balance": f"rows: {by}",
        "quality": "looked for copies, near copies, constant and index-like columns: see the findings",
        "raters": a.get("raters", ""), "features": f"{len(study.features)} columns: {_some(study.features, 10)}",
        "size": a.get("size", ""), "groups": a.get("groups", ""), "leakage": "single features were tested: see the findings",
        "missing": f"{100 * a['missing']:.1f} % of feature values; audit: median, inside the folds" if "missing" in a else "",
        "model": ("audit: ridge regression (penalty by leave-one-out in the training rows)" if study.classes is None else
                  "audit: LogisticRegression as it comes") + ", a forest of 50 trees; 5 folds",
        "measures": f"{study.unit}, calibration slope", "inside": "audit: imputation and scaling inside the folds. Yours: "
        "run canaries()", "uncertainty": "audit: 95 % interval, bootstrap over subjects" if scores else "",
        "test": f"audit: permutation of labels between subjects, p = {a['p']:.3f}" if "p" in a else "",
        "scores": told("linear", "forest"), "baselines": told("alone", "guessing"), "clusters": told("unseen sites") and f"audit, within the table: {told('unseen sites')}"}
    rows = []
    for guideline, text in _ITEMS.items():
        for entry in " ".join(text.split()).split("; "):
            item, topic, key = re.fullmatch(r"(\w+) (.*?)(?: \[(\w+)\])?", entry).groups()
            answer = known[key].strip() if key else ""
            rows.append((guideline, item, topic, "partly" if answer else "open", answer))
    return pd.DataFrame(rows, columns=["guideline", "item", "topic", "status", "from the table"])


# Canaries for a pipeline --------------------------------------------------------------------------------


def canaries(evaluate: Callable, X, y, groups, sites=None, *, repeats: int = 8, seed: int = 0, progress=None) -> Report:
    """Run a learner's own evaluation on versions of their data whose truth is known.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(X, y, groups) -> score``, a number that is larger for a better model.
    X : array or DataFrame of shape (n, p)
    y : array of shape (n,)
        Classes or numbers.
    groups : array of shape (n,)
        Subjects.
    sites : array of shape (n,), optional
    repeats : int
        Runs of each canary, at least 3.
    seed : int
    progress : bool or callable, optional
        Show a line per canary, or hand it to a function.

    Returns
    -------
    Report
        One finding per canary. "stop" names a leak, "open" says why a canary could not be run.

    Notes
    -----
    The first three canaries are simulated, 120 subjects each; the others are the learner's own features with
    labels that mean nothing. What guessing scores is measured: with labels drawn by lot and features that are one
    coin per subject, in which nobody can be recognised. So any score will do. A canary gives the alarm if its mean lies above
    guessing by a t-test over the runs at .005, and by a twentieth of the way to the score on the real data, at
    least .02; or clearly below. Copies of the data are passed, so nothing of the learner's is changed.
    """
    if not callable(evaluate):
        raise DataError("evaluate must be a function, evaluate(X, y, groups) -> score. Write its name without brackets.")
    try:
        inspect.signature(evaluate).bind(X, y, groups)
    except TypeError as error:
        raise DataError("evaluate must take three arguments: X, y and groups, in this order.") from error
    except ValueError:
        pass
    y, subject = np.asarray(y), pd.factorize(np.asarray(groups))[0]
    frame = X if isinstance(X, pd.DataFrame) else None
    if not len(y) == len(subject) == len(X) or (sites is not None and len(sites) != len(y)):
        raise DataError(f"X has {len(X)} rows, y {len(y)}, groups {len(subject)}: they must agree (sites too).")
    if len(np.unique(y)) < 2 or subject.max() < 9:
        raise DataError("Canaries need labels that differ and at least 10 subjects.")
    if repeats < 3:
        raise DataError(f"repeats is {repeats}, but it must be 3 or more.")
    first, p = np.unique(subject, return_index=True)[1], X.shape[1]
    m, k = len(first), 120  # subjects of the learner's data, and of simulated data
    numbers = y.dtype.kind == "f" and len(np.unique(y)) > 10
    lot = np.arange(k) / k if numbers else np.unique(y)[np.arange(k) % len(np.unique(y))]

    def run(X, y, groups):
        value = evaluate(X.copy(), y.copy(), groups.copy())
        value = float(np.squeeze(np.asarray(value, float)))
        if not np.isfinite(value):
            raise ValueError(f"it returned {value}")
        return value

    def like(values):
        return values if frame is None or values.shape[1] != p else pd.DataFrame(values, columns=frame.columns)

    def exchanged(rng, strata=None):
        """Every subject gets the label (or labels) of another, as many as it has rows."""
        order, new = _within(rng, strata, m), np.empty_like(y)
        for s in range(m):
            new[subject == s] = np.resize(y[subject == order[s]], np.sum(subject == s))
        return new

    def coin(rng):
        return like(np.repeat(rng.integers(2, size=(k, 1)), p, axis=1).astype(float)), rng.permutation(lot), np.arange(k)

    def coins(rng):
        faces = np.repeat(rng.integers(2, size=(m, 1))[subject], p, axis=1).astype(float)
        return like(faces), exchanged(rng), np.asarray(groups)

    def noise(width):
        return lambda rng: (like(rng.standard_normal((k, width))), rng.permutation(lot), np.arange(k))

    def triplets(rng):
        order = rng.permutation(np.repeat(np.arange(k), 3))
        return like(rng.standard_normal((k, p))[order] + 0.01 * rng.standard_normal((3 * k, p))), rng.permutation(lot)[order], order

    def permuted(rng):
        return X, exchanged(rng), np.asarray(groups)

    def inside(rng):
        return X, exchanged(rng, pd.factorize(np.asarray(sites))[0][first]), np.asarray(groups)

    kinds = [
        ("few noise features", noise(p), "The model, or a choice before it, saw the labels of the rows that it is tested on.",
         "Score only rows that were in no fit: cross_val_score of a pipeline, or a test set that fit has not seen.", "02"),
        ("very many noise features", noise(max(p, 1000)), "Something chose with the labels of the test rows: features, settings "
         "or the best of several models.", "Put the choice into the pipeline, so that it is made anew in every training fold.", "05"),
        ("copied subjects", triplets, "Rows of one subject stand on both sides of the split: groups has no effect, or not the "
         "right one.", "Split with GroupKFold or StratifiedGroupKFold, and hand them groups, in inner loops too.", "05"),
        ("labels exchanged between subjects", permuted, "A subject's rows, or something else that is tied to the labels, "
         "crosses the split.", "Compare with the other canaries: they say which kind of leak it is.", "05"),
    ]
    if sites is not None:
        kinds.append(("labels exchanged within sites", inside, "So much of the score is had from the site alone: the labels "
                      "mean nothing within a site, and still the score is away from guessing. That is a shortcut of the data, "
                      "not of your code.", "Report scores on unseen sites, or within sites.", "06"))
    tell = progress if callable(progress) else _line if progress else lambda text: None
    findings, notes, shown, few = [], [], [], np.full(1, -np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tell("the real data")
            real = run(X, y, np.asarray(groups))
            guesses = [np.array([run(*make(np.random.default_rng([seed, 99, i]))) for i in range(2 * repeats)])
                       for make in (coin, coins)]
        except KeyboardInterrupt:
            raise
        except Exception as error:
            causes = re.findall(r"^\w+Error: .+$", str(error), re.MULTILINE)  # scikit-learn quotes those of the folds
            what = causes[-1] if causes else f"{type(error).__name__}: {error}"
            raise DataError(f"evaluate could not be run: {what}") from error
        level, lucky = "fine", guesses[0].mean()
        text = f"Labels drawn by lot, and nothing in the features that could be learnt: mean score {lucky:.2f}."
        if stats.ttest_1samp(guesses[0], 0.0 if numbers else 0.5, alternative="greater").pvalue < 1e-3 and lucky > 0.02 + 0.5 * (not numbers):
            level = "warn"
            text += (" An accuracy or an AUC would be 0.50 here." if not numbers else " An R2 would not be above 0 here.")
        findings.append(Finding(
            "nothing to learn", level, text, "Reporting the best of several tries (seeds, models, settings) lifts the score even "
            "where there is nothing. So does testing on training rows. (A score that is .67 for always saying yes, like F1, is "
            "no fault.)", "Report the mean over seeds. Nest every choice in an inner loop.", "05",
            functools.partial(_draw_canary, guesses[0], guesses[1], real)))
        shown.append(("your data", f"{real:.2f}", "", f"{guesses[1].mean():.2f}"))
        for number, (name, make, cause, do, lesson) in enumerate(kinds, 1):
            guess = guesses[name.startswith("labels")]
            try:
                tell(f"{number} of {len(kinds)}: {name}")
                found = np.array([run(*make(np.random.default_rng([seed, number, i]))) for i in range(repeats)])
            except KeyboardInterrupt:
                notes.append(f"Stopped by hand after {number - 1} of {len(kinds)} canaries.")
                break
            except Exception as error:
                text = f"Your function cannot be run on this canary ({type(error).__name__}: {error})."
                findings.append(Finding(name, "open", text, cause, do, lesson))
                continue
            gap = found.mean() - guess.mean()
            # One-sided above guessing. Below, only what no honest model does: in accuracy, one that has learnt noise may
            # well fall below always naming the larger class, and an R2 may be negative.
            above = stats.ttest_ind(found, guess + 1e-12 * np.arange(len(guess)), equal_var=False, alternative="greater").pvalue
            floor = min(guess.mean(), 1 / len(np.unique(y)))
            below = 1.0 if numbers else stats.ttest_1samp(found + 1e-12 * np.arange(repeats), floor, alternative="less").pvalue
            sunk = below < 0.005 and found.mean() < floor - 0.05
            alarm = sunk or (above < 0.005 and gap > max(0.02, 0.05 * abs(real - guess.mean())))
            text = f"Mean score {found.mean():.2f} over {repeats} runs; guessing {guess.mean():.2f}."
            few = found if number == 1 else few
            if alarm and 1 < number < 4 and few.mean() - guess.mean() > 0.02 and found.mean() - few.mean() < 0.05:
                cause = "The same leak as on few noise features: this one tells nothing new."
            if sunk:
                cause = "Below guessing: the test rows tell the training something about themselves with the sign turned."
                do = "Typical causes: leave-one-out with a majority rule, or site means removed from all rows before the split."
            level = "fine" if not alarm else "warn" if name.endswith("sites") else "stop"
            draw = functools.partial(_draw_canary, found, guess, real)
            findings.append(Finding(name, level, f"{text} {cause}" if alarm else text, cause, do, lesson, draw))
            shown.append((name, f"{found.mean():.2f}", f"{found.min():.2f} to {found.max():.2f}", f"{guess.mean():.2f}"))
    if tell is _line:
        tell("")
    findings.sort(key=lambda finding: list(LEVELS).index(finding.level))
    table = pd.DataFrame(shown, columns=["version of the data", "mean score", "range of the runs", "guessing"])
    return Report("Canaries", findings, table, pd.DataFrame(), notes)


def _draw_canary(found, guess, real, axes) -> None:
    for i, (values, colour) in enumerate(((found, COLOURS["reported"]), (guess, COLOURS["chance"]))):
        axes.plot(np.sort(values), np.full(len(values), 1 - i), "o", color=colour, alpha=0.7, markersize=9)
    axes.axvline(real, color=COLOURS["true"], linewidth=3)
    axes.set_yticks([1, 0], ["canary", "guessing"])
    axes.set(xlabel="score (line: your data)", ylim=(-0.5, 1.5))
