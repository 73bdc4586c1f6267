"""``python -m audit study.csv --label diagnosis``: the audit of a table from a terminal."""

import argparse
import sys

from audit import AuditError, audit, read_table

STATUS = {"fine": 0, "open": 0, "warn": 1, "stop": 2}


def main(arguments=None) -> int:
    """Audit a file, print the findings, write the page. The status is that of the worst finding."""
    parser = argparse.ArgumentParser(
        prog="python -m audit",
        description="Check a table for what makes a score better than the truth. Nothing is sent anywhere.",
        epilog=(
            "Exit status: 0 nothing found, 1 something to look at, 2 something to clear up, 3 the table"
            " cannot be audited."
        ),
    )
    parser.add_argument("table", help="a csv, tsv, xlsx or parquet file with one row per scan")
    parser.add_argument("--label", required=True, help="the column to be predicted")
    for role, what in {
        "subject": "the person",
        "site": "the scanner or centre",
        "session": "the session or date",
        "second-rater": "a second judgement of the label",
        "split": "your own training and test rows",
        "positive": "the class that is the finding",
    }.items():
        parser.add_argument(f"--{role}", help=what)
    parser.add_argument("--features", nargs="+", help="columns to predict from (otherwise all other numbers)")
    parser.add_argument("--demographics", nargs="+", default=(), help="age, sex and the like: a baseline")
    parser.add_argument("--task", choices=["classification", "regression"])
    parser.add_argument("--encoding", default="utf-8-sig", help="of a text file, for instance cp1252")
    parser.add_argument("--report", default="report.html", help="the page to be written (report.html)")
    parser.add_argument("--checklist", help="a csv file for the reporting checklist")
    asked = vars(parser.parse_args(arguments))
    path, encoding, page, checklist = (asked.pop(one) for one in ("table", "encoding", "report", "checklist"))
    try:
        table = read_table(path, encoding=encoding)
        report = audit(table, **asked)
        written = [report.save(page)] + ([report.save_checklist(checklist)] if checklist else [])
    except AuditError as error:
        print(error, file=sys.stderr)
        return 3
    print(report)
    print(f"Written: {', '.join(map(str, written))}")
    return STATUS[report.worst]


if __name__ == "__main__":
    sys.exit(main())
