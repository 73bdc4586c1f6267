"""Findings on people: who is in several rows, under several names, or known by age, sex or date."""

import re

import numpy as np
import pandas as pd
from scipy import stats

from audit import pictures
from audit.checks import check
from audit.reading import as_dates
from audit.table import ALPHA, association, cut_name
from audit.words import count, some

PERSON = (
    r"(?i)(.*[^a-z])?(sub|subj|subject|patient|participant|person|proband|case|record|pat|pid|rid|mrn|name|"
    r"code|ids?)([^a-z].*|id|no|nr|number|code|name)?"
)


def looks_like_a_person(study) -> str:
    """A column that was given no role and repeats its values as a person does, or ""."""
    frame, found, leaks = study.full[0], [], np.array(study.features)[study.leaks].tolist()
    used = {*study.names["demographics"]}
    used |= {study.names[role] for role in ("label", "site", "session", "second_rater", "split")}
    for c in frame.columns:
        values = frame[c]
        try:
            codes, levels = pd.factorize(values)
        except TypeError:
            continue
        if c in used or c in leaks or not 10 <= len(levels) <= len(values) / 1.4:
            continue
        if (
            pd.api.types.is_float_dtype(values) and (values.dropna() % 1 != 0).any()
        ) or pd.api.types.is_bool_dtype(values):
            continue
        groups = pd.Series(study.full[2]).groupby(codes)
        several = groups.size() > 1
        steady = (groups.nunique() == 1)[several]
        called = re.fullmatch(PERSON, str(c)) is not None
        if several.sum() >= 5 and ((steady.mean() > 0.95 and several.sum() >= 8) or called):
            found.append((called, steady.mean(), c))
    return max(found, key=lambda one: one[:2])[2] if found else ""


@check("subjects", "subject")
def subjects(study):
    """Whether people have several rows."""
    subject, unsure = study.full[1], _alike(study)
    if study.names["subject"] is None:
        return _without_a_name(study, unsure)
    n, rows = len(subject), np.bincount(subject)
    counts = {count(k, "row"): int(np.sum(rows == k)) for k in np.unique(rows)[:12].tolist()}
    draw = pictures.bars(counts, "subjects")
    study.answers["groups"] = f"audit: folds by {study.names['subject']}, so that no subject is on both sides"
    if study.undated and len(rows) < n:
        text = f"{n} rows, but {len(rows)} people. {study.undated}"
        return "stop", f"{text}Give a column that names the person and nothing else.", draw
    if rows.max() == 1 and unsure:
        text = f"{len(rows)} subjects by name, one row each, but perhaps fewer people. "
        return "warn" if study.matched else "stop", f"{text}{study.undated}{unsure.strip()}", None
    if rows.max() == 1:
        text = f"{len(rows)} subjects, one row each. {study.undated}"
        return "warn" if study.undated else "fine", text.strip(), None
    text = f"{n} rows, but {len(rows)} subjects: {np.sum(rows > 1)} have several rows (up to {rows.max()}), "
    return (
        "stop",
        f"{text}and {'' if study.steady else 'not all '}keep one label{' in all of them' * study.steady}.",
        draw,
    )


def _without_a_name(study, unsure):
    """What is said where no column for the subject was named."""
    n, column = len(study.full[1]), looks_like_a_person(study)
    if column == "":
        text = (
            f"No column for the subject was named, so each of the {n} rows was taken for a subject of its"
            " own. "
        )
        level = "open" if not unsure else "warn" if study.matched else "stop"
        return level, f"{text}If that is wrong, every score below is too good.{unsure}", None
    people = study.full[0][column].nunique()
    text = (
        f"{n} rows, but perhaps {people} people: the column {cut_name(column)} has {people} different values."
        f" No column for the subject was named. If this one is it, audit again with subject={column!r}. Until"
        " that is answered, nobody can say how to split, and every score below may be too good."
    )
    return "warn", text, None


def _alike(study) -> str:
    """A sentence if rows of different names are as alike as those of one person."""
    near = study.near
    if not (near.clustered or near.in_file or len(near.rows) > 0.05 * len(study.y)):
        return ""
    text = " But rows under different names resemble each other as those of one person do"
    if near.clustered:
        text += f" (in groups of about {near.peak_at + 1})"
        if study.matched:
            return (
                f"{text}, and mostly have different labels, as matched controls do. Keep a match in one fold."
            )
    text += (
        f"; for {100 * near.beside:.0f} % of rows the nearest one is the row before or after"
        if near.in_file
        else ""
    )
    return text + ". Are they slices, copies, visits or eyes of the same people? Name the person."


@check("duplicates")
def duplicates(study):
    """Whether rows are copies, or nearer to another subject's than chance allows."""
    frame, subject, _ = study.full
    copies, near = study.copies, study.near
    exact = int(copies.sum())
    across = exact and pd.Series(subject[copies]).groupby(study.keys[copies]).nunique().gt(1).any()
    unsorted = study.rows[np.argsort(study.sorting)]  # positions in the order in which neighbours were sought
    rows = unsorted[near.rows]
    rows = rows[~copies[np.searchsorted(study.positions, rows)]]
    repeated = 0
    if study.names["session"] and study.names["subject"]:
        seen = pd.DataFrame({"s": subject, "t": frame[study.names["session"]].to_numpy()})
        repeated = int(seen.duplicated().sum())
    text = f"{exact} rows have an exact copy"
    if across:
        text += (
            f" under another subject (rows {some(study.positions[copies], 6)}; the folds below keep these"
            " together)"
        )
    other = pd.Series(study.full[2][copies]).groupby(study.keys[copies]).transform("nunique").gt(1).sum()
    if other:
        text += f"; {other} of these with another label, so that one of two is wrong"
    if not study.telling:
        text += "; copies cannot be told, since whole rows agree by chance where columns have few values"
    elif near.p is None:
        text += "; near copies cannot be told, since too few columns have many different values"
    else:
        text += f"; {len(rows)} more are nearer to a row of another subject than chance allows"
    if len(rows):
        where = "the folds below keep these together where that can be told"
        text += f" (rows {some(np.sort(rows), 6)}; {where})"
    if repeated:
        text += f"; {count(repeated, 'row')} repeat the same subject and {study.names['session']}"
    text += ". Rows are counted from 0." if exact or len(rows) else "."
    unsure = "" if study.names["subject"] is not None and study.several else _alike(study)
    text += unsure
    draw = None
    if near.p is not None:
        strength = -np.log10(np.maximum(near.p, 1e-16))
        odd = near.p * len(near.p) < ALPHA
        draw = pictures.stacked(
            strength[~odd],
            strength[odd],
            "nearness to rows of other subjects, as -log10 p",
            ("usual", "too near"),
        )
    level = "stop" if across or len(rows) or (unsure and not study.matched) else "fine"
    level = "warn" if level == "fine" and (exact or repeated or unsure) else level
    level = "open" if level == "fine" and not study.telling else level
    return level, text, draw


@check("demographics and label", "demographics")
def demographics_and_label(study):
    """Whether age, sex and the like predict the label."""
    if not study.people:
        return None
    block = np.column_stack(study.people)
    p, share, null = association(
        study,
        study.per_subject((block - block.mean(0)) / np.maximum(block.std(0), 1e-12)),
        study.per_subject(study.target),
    )
    alone = study.answers["people alone"] = study.models.stated(
        study.models.evaluate("linear", "grouped", X=block)
    )
    alarm = p <= ALPHA and share > 0.01
    text = (
        f"{some(study.names['demographics'], 6)} alone"
        f" {'predict the label' if alarm else 'do not clearly predict the label'}: cross-validated"
        f" {study.unit} of {alone[0]:.2f} (guessing: {study.chance:.2f}); association p = {p:.3f}."
    )
    return "warn" if alarm else "fine", text, pictures.null(null, share, "variance of the label explained")


@check("date and label", "session")
def date_and_label(study):
    """Whether patients and controls were seen at different times."""
    column = study.names["session"]
    if column is None:
        return None
    values = study.part[column]
    if not pd.api.types.is_numeric_dtype(values):
        dates = as_dates(values)
        whole = values.notna() & dates.isna()
        ordered = pd.factorize(values, sort=True)[0] if whole.any() else dates
        values = pd.Series(ordered, index=values.index)
    time = values.astype(float).replace([np.inf, -np.inf], np.nan)
    mean = study.per_subject(time.fillna(time.median()).fillna(0).clip(-1e100, 1e100).to_numpy())
    if np.std(mean) == 0:
        text = f"{cut_name(column)} has the same mean for all subjects, as a number of the visit has. It does"
        return "open", f"{text} not say who was seen when: name a column with the date.", None
    p, share, null = association(
        study, np.column_stack([mean, stats.rankdata(mean)]), study.per_subject(study.target)
    )
    alarm = p <= ALPHA and share > 0.01
    text = (
        f"{cut_name(column)} {'goes with the label' if alarm else 'does not clearly go with the label'}: it"
        f" explains {100 * share:.0f} % of the label's variance between subjects; p = {p:.3f}."
    )
    return "warn" if alarm else "fine", text, pictures.null(null, share, "variance of the label explained")
