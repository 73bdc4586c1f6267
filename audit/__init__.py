"""An audit of a learner's own table and code: what could make a score better than the truth?

`audit` takes a table and the names of its columns, and gives a `Report`::

    from audit import audit

    report = audit("study.csv", label="diagnosis", subject="participant_id", site="scanner")
    report.save("report.html")
    report.save_checklist("checklist.csv")

The same from a terminal: ``python -m audit study.csv --label diagnosis --subject participant_id --site
scanner``. `canaries` asks the same of the learner's own evaluation function, on data whose truth is known.
Nothing is sent anywhere, and the saved report needs no network.

**Which level, and why.** Where a check asks "is there an association?", it permutes subjects (never rows)
and takes the largest statistic over features, so that the number of features does not matter; p at most
.01 is an alarm. Where it asks "is it large?", a bound of a confidence interval must pass a stated limit.
`make audit-rates` measures how often each check is wrong.
"""

from audit.auditing import audit
from audit.canaries import canaries
from audit.checks import CHECKS
from audit.reading import read_bids, read_table
from audit.report import LEVELS, Finding, Report
from audit.words import AuditError

__all__ = [
    "CHECKS",
    "LEVELS",
    "AuditError",
    "Finding",
    "Report",
    "audit",
    "canaries",
    "read_bids",
    "read_table",
]
