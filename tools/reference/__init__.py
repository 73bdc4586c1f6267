"""The table of proof: published results and closed forms that the course's simulations must reproduce.

One file per lesson holds the figures, rows.toml the words; `rows` says what a row is. `make reference`
(tools/proof.py) computes all of them at full size and writes REFERENCE.md; tests/tools/test_reference.py does
so at reduced size.

A tolerance is, in this order: the rounding of an exact figure; the range that the source gives or, where the
source is a simulation, what chance allows it; for B rows (designs made for this course, obtained once before
with independent code) three standard errors of that run.
"""

import csv
from pathlib import Path

from . import (
    an_external_table,
    cross_validation_pitfalls,
    images_and_networks,
    label_noise,
    look_before_you_train,
    other_sites,
    overfitting,
    underfitting,
)
from .rows import NEVER_MIND, Figure, Row, Run, jackknife, reproduced

LESSONS = (
    look_before_you_train,
    overfitting,
    underfitting,
    label_noise,
    cross_validation_pitfalls,
    other_sites,
    an_external_table,
    images_and_networks,
)
ROWS: list[Row] = [row for lesson in LESSONS for row in vars(lesson).values() if isinstance(row, Row)]

#: What reference results of the literature the course knows and does not recompute: row to (source, why).
with Path(__file__).with_name("not_recomputed.csv").open(encoding="utf-8", newline="") as table:
    NOT_RECOMPUTED = {line["row"]: (line["source"], line["why"]) for line in csv.DictReader(table)}

__all__ = [
    "NEVER_MIND",
    "NOT_RECOMPUTED",
    "ROWS",
    "Figure",
    "Row",
    "Run",
    "jackknife",
    "reproduced",
]
