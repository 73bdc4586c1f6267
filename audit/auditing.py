"""The audit of a table: all checks, one after the other, and what they add up to."""

from pathlib import Path

import numpy as np
import pandas as pd

from audit import labels, leaks, models, people, sites, training  # noqa: F401 - each registers its checks
from audit.checks import CHECKS, TEXTS, read_texts
from audit.labels import question
from audit.models import Models
from audit.reading import read_table
from audit.report import LEVELS, Report
from audit.table import Study
from audit.words import AuditError, quoted, some

ORDER = [name for name in TEXTS if name in CHECKS]


def audit(table, *, label, subject=None, site=None, session=None, second_rater=None, split=None,
          features=None, demographics=(), positive=None, task=None, only=None, seed=0,
          progress=None) -> Report:  # fmt: skip
    """Check a table for what makes a score better than the truth.

    Parameters
    ----------
    table : pandas.DataFrame, str or Path
        One row per scan, or a file for `read_table`.
    label : str
        The column to be predicted: classes, or numbers. Blanks, "unknown" and codes such as -9 are no class.
    subject, site, session, second_rater, split : str, optional
        Columns with the person, the scanner or centre, the session or date, a second judgement of the
        label, and your own division into training and test rows.
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
        Interrupted (the stop button, Ctrl+C), it holds the findings made so far. A column that cannot be
        used in its role is named in the notes and in the finding that needs it; the rest goes on.

    Raises
    ------
    AuditError
        If there is no table, label or subject to audit. The message says why and what to do.

    Notes
    -----
    Time of one core, all checks, two classes, four sites: about 2.5 s for 200 rows and 500 features, 75 s
    for 5,000 rows and 1,000 features. Larger tables are drawn down to `LARGEST_SAMPLE`, so they take no
    longer in the models.
    """
    name = Path(table).name if isinstance(table, str | Path) else "a table"
    if isinstance(table, str | Path):
        table = read_table(table)
    if not isinstance(table, pd.DataFrame):
        raise AuditError(f"The table must be a DataFrame or the path of a file, not {type(table).__name__}.")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise AuditError(f"seed is {quoted(seed)}, but it must be a whole number from 0 on.")
    given = {
        "label": label,
        "subject": subject,
        "site": site,
        "session": session,
        "second_rater": second_rater,
        "split": split,
    }
    for role, column in given.items():
        if isinstance(column, list | dict | set | np.ndarray | pd.Series) or (
            role == "label" and column is None
        ):
            raise AuditError(
                f"{role} is {type(column).__name__}, but it must be the name of one column. The table has"
                f" {some(table.columns, 12)}."
            )
    names = given | {"features": _listed(features, None), "demographics": _listed(demographics, [])}
    wanted = _listed(only, ORDER)
    if unknown := [one for one in wanted if one not in CHECKS]:
        raise AuditError(f"There is no check {quoted(unknown[0])}. There are: {', '.join(ORDER)}.")
    study = Study(table, names, task, positive, int(seed))
    prepare(study)
    shown = progress or (progress is None and study.X.size > 200_000)
    tell = progress if callable(progress) else line if shown else lambda text: None
    findings = []
    for i, one in enumerate(wanted):
        try:
            tell(f"{i + 1} of {len(wanted)}: {one}")
            study.rng = np.random.default_rng([study.seed, ORDER.index(one)])  # the same, whatever ran before
            findings += [found for found in [CHECKS[one](study)] if found is not None]
        except KeyboardInterrupt:
            study.notes.append(
                f"Stopped by hand after {i} of {len(wanted)} checks. The findings are those made so far."
            )
            break
    if tell is line:
        tell("")
    findings.sort(key=lambda finding: list(LEVELS).index(finding.level))
    scores, intervals = _scores(study)
    notes = [question(study), *study.problems.values(), *study.remarks, *study.notes]
    return Report(f"Audit of {name}: {label}", findings, scores, _checklist(study), notes, intervals)


def _listed(value, otherwise):
    if value is None or (isinstance(value, str) and not value):
        return otherwise
    return [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)


def prepare(study) -> None:
    """Find the columns that are the label in another form; models do without them."""
    leaks.find(study)
    keep = ~study.leaks if study.leaks.any() and not study.leaks.all() else slice(None)
    study.models = Models(study, study.X if isinstance(keep, slice) else study.X[:, keep])


def line(text: str) -> None:
    """Progress on one line."""
    print(f"\r{text:<60}", end="\r" if not text else "", flush=True)


def _scores(study):
    """Baselines first, then the valid evaluations; never shuffled rows of repeated subjects."""
    rows = {"guessing": (study.chance, None, None)}
    for key, name in (("site alone", "the site alone"), ("people alone", "demographics alone")):
        if key in study.answers:
            rows[name] = study.answers[key]
    for name, said in (("linear", "linear model"), ("flexible", "forest")):
        for scheme, where in (("grouped", "new subjects"), ("site", "unseen sites")):
            if (name, scheme) in study.models.cache:
                rows[f"{said}, {where}"] = study.models.stated(study.models.cache[name, scheme])
    if "with" in study.answers:
        rows[f"with {study.answers['leaks']}, nearly the label"] = study.answers["with"]
    study.answers["scores"] = rows
    values, spans = [], []
    for score, low, high in rows.values():
        vague = low is not None and (high - low > 0.9 * (1 if study.classes else 2))
        values.append(f"not defined: {_why_no_score(study)}" if np.isnan(score) else f"{score:.2f}")
        told = low is not None and np.isfinite(score)
        spans.append("" if not told else "nothing can be said" if vague else f"{low:.2f} to {high:.2f}")
    known = {name: row for name, row in rows.items() if np.isfinite(row[0])}
    return pd.DataFrame({"predicted from": list(rows), study.unit: values, "95 % interval": spans}), known


def _why_no_score(study) -> str:
    """Why there is none for unseen sites."""
    if all(len(set(study.y[train])) < 2 for train, _ in study.models.folds("site")):
        return "without the people of a site, too few are left to learn from"
    return "no site has both classes"


def _checklist(study) -> pd.DataFrame:
    """The items of the guidelines, in the words of this course, with what this table can answer.

    TRIPOD+AI (Collins and others 2024, doi:10.1136/bmj-2023-078378), CLAIM (Tejani and others 2024,
    doi:10.1148/ryai.240300), REFORMS (Kapoor and others 2024, doi:10.1126/sciadv.adk3452). The column
    `answer` of ``checklist.csv`` says which answer of the audit belongs there.
    """
    known = _answers(study)
    items = pd.DataFrame(read_texts("checklist.csv"))
    items["from the table"] = [known[key].strip() if key else "" for key in items.pop("answer")]
    items.insert(3, "status", np.where(items["from the table"] == "", "open", "partly"))
    return items


def _answers(study) -> dict[str, str]:
    a, names, scores = study.answers, study.names, study.answers["scores"]

    def told(*wanted):
        found = {k: v for k, v in scores.items() if any(w in k for w in wanted) and np.isfinite(v[0])}
        spans = {k: "" if v[1] is None else f" ({v[1]:.2f} to {v[2]:.2f})" for k, v in found.items()}
        return "; ".join(f"{k}: {study.unit} {v[0]:.2f}{spans[k]}" for k, v in found.items())

    _, subject, y = study.full
    if study.classes is None:
        balance = f"mean {y.mean():.3g}, standard deviation {y.std():.3g}"
    else:
        balance = "rows: " + ", ".join(f"{c} {np.sum(y == i)}" for i, c in enumerate(study.classes))
    linear = (
        "LogisticRegression as it comes"
        if study.classes
        else "ridge regression (penalty by leave-one-out in the training rows)"
    )
    return {
        "rows": f"{study.all_rows} rows with a label, {len(np.unique(subject))} subjects",
        "sites": f"{len(study.sites)} values in column {names['site']}" if study.sites else "",
        "label": f"column {names['label']}, {study.kind.replace('classes', 'several classes')}",
        "balance": balance,
        "quality": "looked for copies, near copies, constant and index-like columns: see the findings",
        "raters": a.get("raters", ""),
        "features": f"{len(study.features)} columns: {some(study.features, 10)}",
        "size": a.get("size", ""),
        "groups": a.get("groups", ""),
        "leakage": "single features were tested: see the findings",
        "missing": (
            f"{100 * a['missing']:.1f} % of feature values; audit: median, inside the folds"
            if "missing" in a
            else ""
        ),
        "model": f"audit: {linear}, a forest of {models.TREES} trees; 5 folds",
        "measures": f"{study.unit}, calibration slope",
        "inside": "audit: imputation and scaling inside the folds. Yours: run canaries()",
        "uncertainty": "audit: 95 % interval, bootstrap over subjects" if scores else "",
        "test": f"audit: permutation of labels between subjects, p = {a['p']:.3f}" if "p" in a else "",
        "scores": told("linear", "forest"),
        "baselines": told("alone", "guessing"),
        "clusters": told("unseen sites") and f"audit, within the table: {told('unseen sites')}",
    }
