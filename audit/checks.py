"""The register of checks. What each is called, why it matters and what to do stands in ``checks.csv``."""

import csv
import logging
from collections.abc import Callable
from pathlib import Path

from audit.report import Finding
from audit.words import AuditError

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())


def read_texts(name: str) -> list[dict[str, str]]:
    """The rows of a csv file of this package."""
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


TEXTS = {row["name"]: row for row in read_texts("checks.csv")}
CHECKS: dict[str, Callable] = {}


def finding(name, level, evidence, draw=None) -> Finding:
    """A finding with the texts that belong to its name."""
    text = TEXTS[name]
    return Finding(name, level, evidence, text["why"], text["do"], text["lesson"], draw)


def check(name: str, role: str | None = None):
    """Register a check: a function of the study that gives (level, evidence, draw), or None.

    If the column of its `role` could not be used, the finding says why.
    """

    def register(function):
        def run(study) -> Finding | None:
            if role in study.problems:
                return finding(name, "open", study.problems[role])
            try:
                found = function(study)
            except AuditError as error:
                found = "open", str(error), None
            except (
                Exception
            ) as error:  # one check that a table defeats must not take the others' findings with it
                log.exception("the check %r failed", name)
                found = "open", f"This check could not be run on this table ({type(error).__name__}).", None
            return None if found is None else finding(name, *found)

        CHECKS[name] = run
        return function

    return register
