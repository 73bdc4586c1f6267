"""Reading a table as it comes: csv, tsv, xlsx, parquet, and the tables of a BIDS folder."""

import csv
import gzip
import re
import stat
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from audit.words import AuditError, count, quoted, some

LARGEST_FILE = 1.5e9  # bytes
LONGEST_LINE = 10e6  # bytes
TEXT = (".csv", ".tsv", ".txt", ".dat", ".csv.gz", ".tsv.gz")
UNSAFE = (".pkl", ".pickle", ".joblib", ".npy", ".npz", ".rds", ".rdata")
MISSING = ["n/a", "N/A", ".", "?", "-", "n.a.", "NaN", "missing"]
MISSING += ["#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!"]
MAGIC = {
    b"PK\3\4": "a spreadsheet (xlsx) or another zip file",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (xls)",
    b"\x1f\x8b": "a packed file (gz)",
    b"PAR1": "a parquet file",
}
FOOT = (
    r"(?i)\s*(mean|average|avg|total|sum|sd|std|std?\.? ?dev\.?|standard deviation|median|min|max|count|n|"
    r"p.?value|mittelwert|moyenne)(\b.{0,12}|:)"
)


def read_table(path: str | Path, *, encoding: str = "utf-8-sig", text: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a csv, tsv, xlsx or parquet file (csv and tsv also as .gz).

    Decimal commas, thousands separators, lines of comments above the header and rows of sums or means at
    the foot are recognised; what was done is kept in ``.attrs["remarks"]`` and told by the audit.

    Parameters
    ----------
    path : str or Path
    encoding : str
        Of a text file. Older spreadsheet programs write "cp1252".
    text : tuple of str
        Columns to be read as text, for instance ids with leading zeros.

    Raises
    ------
    AuditError
        If there is no such file, or it is too large (packed or unpacked), of another kind (pickles are
        refused, because opening one runs what is in it), or damaged.
    """
    path = Path(path)
    kind = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]).lower()
    _check_file(path, kind)
    try:
        if kind in TEXT:
            return _tidied(_read_text(path, kind, encoding, text), text)
        if kind == ".parquet":
            return _tidied(pd.read_parquet(path), text)
        with zipfile.ZipFile(path) as parts:
            if sum(part.file_size for part in parts.infolist()) > LARGEST_FILE:
                raise _too_large(path, f"unpacks to more than {LARGEST_FILE / 1e9:.1f} GB")
        sheets = pd.read_excel(path, sheet_name=None, header=None, nrows=20)
        sheet = max(sheets, key=lambda name: sheets[name].notna().sum().sum())
        head = _header(sheets[sheet].to_numpy(object))
        types = dict.fromkeys(text, str)
        table = pd.read_excel(path, sheet_name=sheet, header=head, na_values=MISSING, dtype=types)
        if len(sheets) > 1:
            table.attrs["remarks"] = [f"Of {len(sheets)} sheets, {quoted(sheet)} was read."]
        return _tidied(table, text)
    except ImportError as error:
        package = "pyarrow" if kind == ".parquet" else "openpyxl"
        raise AuditError(
            f"{path.name} is a {kind[1:]} file, and reading those needs the package {package}. Install "
            f"it (pip install {package}), or save the table as csv."
        ) from error
    except UnicodeError as error:
        raise AuditError(
            f"{path.name} is not text in {encoding.removesuffix('-sig').upper()}. Save it as 'CSV UTF-8', "
            "or read it with read_table(path, encoding='cp1252')."
        ) from error
    except MemoryError:
        raise _too_large(path, "does not fit into memory") from None
    except AuditError:
        raise
    except (ValueError, KeyError, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        what = "cannot be read as a table" if kind in TEXT else f"is damaged or no {kind[1:]} file"
        why = " ".join(str(error).split())[:300]
        raise AuditError(f"{path.name} {what}: {why}. Save the table as csv (UTF-8).") from error


def _check_file(path, kind) -> None:
    try:
        about = path.stat()
    except FileNotFoundError:
        folder = f"in the folder {path.parent.absolute()}"
        what = "is a link that leads nowhere." if path.is_symlink() else None
        raise AuditError(
            f"{path.name!r} {folder} {what}" if what else f"There is no file {path.name!r} {folder}."
        ) from None
    except (OSError, ValueError) as error:
        name = path.name if len(path.name) <= 60 else f"{path.name[:60]} …"
        reason = getattr(error, "strerror", None) or error
        raise AuditError(
            f"{name!r} cannot be opened: the system says “{reason}”. Give the path of a csv, tsv, xlsx or"
            " parquet file."
        ) from error
    if stat.S_ISDIR(about.st_mode):
        raise AuditError(
            f"{path.name!r} is a folder. Give the file in it, or read a BIDS folder with read_bids(folder, "
            "tables of features)."
        )
    if not stat.S_ISREG(about.st_mode):
        raise AuditError(
            f"{path.name!r} is no ordinary file but a pipe or a device. Save what comes from it as a csv file"
            " first."
        )
    if kind in UNSAFE:
        raise AuditError(
            f"{path.name} is refused: opening such a file can run any program that is hidden in it. "
            "Save the table as csv where you trust it."
        )
    if kind not in (*TEXT, ".parquet", ".xlsx"):
        raise AuditError(
            f"{path.name} is not a csv, tsv, xlsx or parquet file. Save the table as csv (UTF-8)."
        )
    if about.st_size > LARGEST_FILE:
        raise _too_large(path, f"has {about.st_size / 1e9:.1f} GB")


def _too_large(path, what):
    return AuditError(
        f"{path.name} {what}, and up to {LARGEST_FILE / 1e9:.1f} GB can be read. "
        "Read the columns that you need with pandas (usecols=...), and give audit the DataFrame."
    )


def _read_text(path, kind, encoding, text) -> pd.DataFrame:
    try:
        "".encode(encoding)
    except LookupError:
        raise AuditError(
            f"There is no encoding {encoding!r}. Usual ones are 'utf-8', 'cp1252' and 'utf-16'."
        ) from None
    lines = (
        _look_through(path, kind, encoding).decode(encoding, errors="ignore").lstrip("\ufeff").splitlines()
    )
    told = re.fullmatch(r"sep=(.)", lines[0]) if lines else None
    body = [line for line in lines[:200] if line.strip() and not line.startswith(("#", "%"))]
    # The sign that stands equally often in the most lines: a decimal comma is missing from the header.
    often = {sign: [n for line in body if (n := line.count(sign))] or [0] for sign in ";\t|,"}
    usual = max(
        often, key=lambda sign: max(often[sign].count(n) for n in set(often[sign])) * (often[sign] != [0])
    )
    separator = "\t" if "tsv" in kind else told[1] if told else usual if any(often[usual]) else r"\s+"
    above = _header([_cells(line, separator) for line in lines[:200]])
    if above and len(_cells(lines[above - 1], separator)) == len(_cells(lines[above], separator)) > 1:
        if lines[above - 1].startswith(("#", "%")):  # the header itself begins with #
            above -= 1
    table = pd.read_csv(
        path,
        sep=separator,
        encoding=encoding,
        dtype=dict.fromkeys(text, str),
        skiprows=above,
        na_values=MISSING,
        skipinitialspace=True,
        low_memory=False,
    )
    table = table.rename(columns={table.columns[0]: table.columns[0].lstrip("#% ")})
    table.attrs["comma"] = separator == ";"
    if above > 0 and not told:
        table.attrs["remarks"] = [f"{count(above, 'line')} above the header were skipped."]
    return table


def _cells(line, separator):
    return line.split() if separator == r"\s+" else next(csv.reader([line], delimiter=separator), [])


def _header(rows) -> int:
    """The row with the names of columns: the first that is as full as the others, with each name once.

    Titles, comments and names of groups of columns stand above it.
    """
    filled = [[str(cell).strip() for cell in row if not pd.isna(cell) and str(cell).strip()] for row in rows]
    usual = 0.8 * np.median([len(row) for row in filled if row] or [0])
    for i, row in enumerate(filled[:20]):
        if not row or len(row) < usual or row[0].startswith(("#", "%")):
            continue
        if all(re.fullmatch(r"[-+.,\d]+", cell) for cell in row):
            return 0
        below = filled[i + 1] if i + 1 < len(filled) else []
        names = len(below) >= len(row) and not any(re.search(r"^[-+.,]?\d", cell) for cell in below)
        return i + 1 if names and len(set(row)) < len(row) and len(set(below)) == len(below) else i
    return 0


def _look_through(path, kind, encoding) -> bytes:
    """The start of a text file, after a look at all of it (unpacked): is it text, and will it fit?

    Nothing is kept of it, so that a small file that unpacks to an endless one does no harm.
    """
    with (gzip.open if kind.endswith(".gz") else open)(path, "rb") as file:
        head = file.read(100_000)
        for start, what in MAGIC.items():
            if head.startswith(start):
                raise AuditError(
                    f"{path.name} is {what}, whatever its name says. Open it where you trust it, and save the"
                    " table as csv (UTF-8)."
                )
        wide = encoding.lower().replace("-", "").startswith(("utf16", "utf32"))  # every second byte may be 0
        size, line, part = 0, 0, head
        while part:
            size += len(part)
            if size > LARGEST_FILE:
                raise _too_large(path, f"unpacks to more than {LARGEST_FILE / 1e9:.1f} GB")
            codes = np.frombuffer(part, np.uint8)
            if not wide and codes.min() == 0:
                raise AuditError(
                    f"{path.name} holds bytes of value 0, so it is damaged or no text in"
                    f" {encoding.removesuffix('-sig').upper()}. Save it as 'CSV UTF-8'. If it came from Excel"
                    " as 'Unicode text', read it with read_table(path, encoding='utf-16')."
                )
            ends = np.flatnonzero((codes == 10) | (codes == 13))
            line += ends[0] if len(ends) else len(part)
            if max(line, np.diff(ends).max(initial=0)) > LONGEST_LINE:
                raise AuditError(
                    f"{path.name} has a line of more than {LONGEST_LINE / 1e6:.0f} MB. That is no table with"
                    " a row per scan: look whether the ends of the lines were lost."
                )
            if len(ends):
                line = len(part) - 1 - ends[-1]
            part = file.read(1_000_000)
    return head


def _tidied(table, text) -> pd.DataFrame:
    """Without rows of sums at the foot and empty rows or columns; numbers that were text are numbers."""
    remarks, comma = table.attrs.pop("remarks", []), table.attrs.pop("comma", False)
    if not table.shape[1]:
        raise AuditError("The table is empty.")
    comment = table.iloc[:, 0].astype(str).str.startswith("#") & table.iloc[:, 1:].isna().all(axis=1)
    table = table[~comment].dropna(how="all")
    table = table.loc[
        :, ~(table.columns.astype(str).str.startswith("Unnamed:") & table.isna().all().to_numpy())
    ]
    foot, cells = 0, table.astype(object).to_numpy()
    while foot < min(6, len(table)) and _is_foot(cells[-1 - foot], cells[: -1 - foot]):
        foot += 1
    if foot:
        table = table.iloc[: len(table) - foot]
        remarks.append(f"{count(foot, 'row')} of sums, means or notes at the foot of the file were left out.")
    if len(table) > 5 and _units(table):
        table = table.iloc[1:].infer_objects()
        remarks.append("A row of units or the like below the header was left out.")
    changed, table = [], table.reset_index(drop=True).copy()
    for j, (column, kind) in enumerate(zip(table.columns, table.dtypes, strict=True)):
        if column in text or is_number(kind):
            continue
        values = table.iloc[:, j]
        if not values.map(lambda cell: isinstance(cell, str)).any():
            continue
        number = as_numbers(values, comma)
        if (number.notna() == values.notna()).all():
            changed.append(column)
            table.isetitem(j, number)
    if changed:
        what = "Decimal commas" if comma else "Decimal commas, thousands separators or the like"
        remarks.append(f"{what} were read as numbers in {some(changed)}.")
    table.attrs["remarks"] = remarks
    return table


def _is_foot(row, above) -> bool:
    """Whether a row holds sums or means, or one note alone, and no such word stands in the rows above."""
    words = [(j, cell) for j, cell in enumerate(row) if isinstance(cell, str)]
    if len(row) > 3 and len(words) == 1 and pd.notna(row).sum() == 1 and not re.search(r"\d", words[0][1]):
        return True
    return any(re.fullmatch(FOOT, cell) and cell not in above[:, j] for j, cell in words)


def _units(table) -> bool:
    """Whether the first row alone keeps columns from being numbers."""
    found = [
        as_numbers(column.iloc[1:]).notna().equals(column.iloc[1:].notna())
        and isinstance(column.iloc[0], str)
        and pd.isna(as_numbers(column.iloc[:1])).all()
        for _, column in table.items()
        if not is_number(column) and column.iloc[1:].notna().any()
    ]
    return sum(found) >= max(2, len(found) / 2)


def is_number(column) -> bool:
    """Whether a column, or its type, is one of numbers (not complex ones, not yes or no as text)."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)


def as_numbers(column, comma: bool = False) -> pd.Series:
    """Text as numbers, with decimal commas, thousands separators, per cent. NaN where a cell is none."""
    plain = pd.to_numeric(column.astype(object), errors="coerce")
    if (plain.notna() == column.notna()).all():
        return plain.astype(float) if plain.dtype == object else plain
    cells = column.astype(object).where(column.notna(), "").astype(str).str.strip().str.replace("\u2212", "-")
    cells = (
        cells.str.replace(r"(?<=\d)[\u00a0\u202f '\u2019](?=\d{3})", "", regex=True)
        .str.removesuffix("%")
        .str.strip()
    )
    unit = cells[cells != ""].str.extract(r"\d( +[^\d\s]\S*)$")[0]
    if unit.notna().all() and unit.nunique() == 1:
        cells = cells.str.removesuffix(unit.iloc[0])
    cells = cells.where(~cells.str.fullmatch(r"[+-]?\d{1,3}(\.\d{3}){2,}"), cells.str.replace(".", ""))
    decimal = cells.str.fullmatch(r"[+-]?\d*,(\d{1,2}|\d{4,})") | cells.str.fullmatch(
        r"[+-]?(0,\d+|\d{1,3}(\.\d{3})+,\d+)"
    )
    if comma or (decimal.any() and not cells.str.contains(r",\d{3}\.").any()):
        cells = cells.where(~cells.str.contains(","), cells.str.replace(".", "")).str.replace(",", ".")
    else:
        grouped = cells.str.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
        cells = cells.where(~grouped, cells.str.replace(",", ""))
    return pd.to_numeric(cells, errors="coerce")


def as_dates(column) -> pd.Series:
    """Dates as numbers of days; NaN where a cell is none."""
    text = column.astype(object).where(column.notna(), "").astype(str)
    text = text.where(text.str.contains(r"\d[-/. ]\w+[-/. ]\d"))
    if text.isna().all():
        return pd.Series(np.nan, column.index)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ways = [
            pd.to_datetime(text, errors="coerce", utc=True, dayfirst=first, format="mixed")
            for first in (False, True)
        ]
    dates = max(ways, key=lambda found: found.notna().sum())
    # In seconds: a cell such as 49-02-01 may be read as a year that nanoseconds do not reach.
    return (dates.dt.as_unit("s") - pd.Timestamp(0, unit="s", tz="UTC")) / pd.Timedelta(days=1)


# The tables of a BIDS folder, and of FreeSurfer ---------------------------------------------------------

IDS = ("participant_id", "bids_name", "subject_id", "subject", "sub", "id", "src_subject_id")


def read_bids(participants: str | Path, *feature_tables: str | Path) -> pd.DataFrame:
    """Join a BIDS participants.tsv with tables of features, by participant and, where both have it, session.

    Parameters
    ----------
    participants : str or Path
        The file participants.tsv, or the folder of the data set.
    *feature_tables : str or Path
        Tables with a column participant_id (or bids_name, as MRIQC has, or the first column that
        asegstats2table and aparcstats2table write), and perhaps session_id. Without any, those in the
        folder's ``phenotype``. "1", "001" and "sub-001" are the same if no two participants differ in zeros
        only.

    Returns
    -------
    pandas.DataFrame
        One row per participant, or per participant and session. Only participants with features are kept;
        ``.attrs["left_out"]`` counts the others, ``.attrs["remarks"]`` names them.

    Raises
    ------
    AuditError
        If an id column is missing, an id occurs twice, columns clash, or nobody is in both tables.
    """
    folder = Path(participants)
    if folder.is_dir() and not feature_tables:
        feature_tables = sorted((folder / "phenotype").glob("*.tsv"))
    _, joined, remarks = _with_keys(folder / "participants.tsv" if folder.is_dir() else folder)
    everybody = joined["participant_id"]
    for path in feature_tables:
        name, table, more = _with_keys(Path(path))
        known, own = (frame["participant_id"].map(_folded) for frame in (joined, table))
        spelt = dict(zip(known, joined["participant_id"], strict=True))
        if (
            joined.groupby(known)["participant_id"].nunique().max()
            == 1
            == table.groupby(own)["participant_id"].nunique().max()
        ):
            table["participant_id"] = own.map(spelt).fillna(table["participant_id"])
        by = [key for key in ("participant_id", "session_id") if key in joined and key in table]
        clash = [c for c in table.columns if c in joined.columns and c not in by]
        both = joined.merge(table, on=by, suffixes=("", "\0"))
        if both.empty:
            raise AuditError(
                f"No participant of {name} is in the tables before it: {some(table['participant_id'])} "
                f"there, {some(joined['participant_id'])} here."
            )
        if differ := [c for c in clash if not both[c].equals(both[f"{c}\0"])]:
            raise AuditError(
                f"{name} has columns that an earlier table has too: {some(differ)}. Rename them."
            )
        lost = set(joined["participant_id"]) - set(both["participant_id"])
        unknown = set(table["participant_id"]) - set(both["participant_id"])
        more += [f"{len(lost)} participants have no row in {name}: {some(sorted(lost), 10)}."] * bool(lost)
        more += [
            f"{len(unknown)} in {name} are not in the tables before it: {some(sorted(unknown), 10)}."
        ] * bool(unknown)
        joined, remarks = both.drop(columns=[f"{c}\0" for c in clash]), remarks + more
    joined.attrs |= {"left_out": int((~everybody.isin(joined["participant_id"])).sum()), "remarks": remarks}
    return joined


def _with_keys(path):
    """Name, table and remarks of a file; the ids as text in ``participant_id`` and ``session_id``."""
    first = read_table(path)
    heads = [c for key in IDS for c in first if str(c).casefold() == key] or [
        c for c in first.columns[:1] if re.match(r"Measure:|[lr]h\.|(?i:participant|subject)", str(c))
    ]
    if not heads:
        raise AuditError(f"{path.name} has no column 'participant_id'. Its columns: {some(first.columns)}.")
    table = read_table(path, text=(heads[0], "session_id")).rename(columns={heads[0]: "participant_id"})
    ids = table["participant_id"].astype(str).str.strip()
    if ids.str.fullmatch(r"\d+\.0").all():  # whole numbers, after a program that knows only broken ones
        ids = ids.str.removesuffix(".0")
    parts = ids.str.extract(
        r"^(?i:sub[-_])?(?P<who>.+?)(?:_ses-(?P<ses>[^_.]+))?(?:_.*?run-(?P<run>[^_.]+).*|_.*|\.long\..*)?$"
    )
    bids = ids.str.match(r"(?i:sub)[-_]|.*_ses-")
    table["participant_id"] = "sub-" + parts["who"].where(bids, ids)
    if "session_id" not in table and parts["ses"].notna().all():
        table.insert(1, "session_id", parts["ses"])
    if "session_id" in table:
        table["session_id"] = "ses-" + table["session_id"].astype(str).str.strip().str.removeprefix("ses-")
    if "run" not in table and parts["run"].notna().any():
        table.insert(1, "run", parts["run"].str.lstrip("0").fillna("1"))
    by = [key for key in ("participant_id", "session_id", "run") if key in table]
    if (twice := table.duplicated(by)).any():
        raise AuditError(
            f"{path.name} has {' and '.join(by)} {some(table.loc[twice, by].agg(' '.join, axis=1))} "
            "more than once. One row for each is needed to join tables."
        )
    return path.name, table, first.attrs["remarks"]


def _folded(name) -> str:
    """An id without what spellings differ in: case, leading zeros, ``sub-``."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", str(name).casefold().strip().removeprefix("sub-"))
