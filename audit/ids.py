"""What the ids of a table give away: visits, slices, eyes and copies of the same person."""

import re

import numpy as np
import pandas as pd

_DAY, _MONTH, _YEAR = "(?:[12]\\d|3[01]|0?[1-9])", "(?:1[0-2]|0?[1-9])", "(?:19|20)\\d\\d"
DATE = (
    rf"{_YEAR}[-_.]?{_MONTH}(?:[-_.]?{_DAY})?(?:t?\d{{4,6}}|[t_-]\d{{5,6}})?|{_DAY}[-_.]{_MONTH}[-_.]{_YEAR}"
)
REPEAT = re.compile(
    r"[-_. ]*(?:(?:ses|session|visit|vis|scan|run|slice|slc|sl|img|image|im|frame|patch|crop|tile|roi|view|"
    r"acq|echo|"
    r"aug|augm|augmented|copy|dup|flip|rot|noise|rep|repeat|repetition|trial|rec|recording|sample|tp|timepoint|time|"
    r"wave|month|week|year|day|mon|yr|wk|fu|followup|follow[-_]up|bl|baseline|screening|pre|post|retest|test|eye|"
    r"left|right|lh|rh|od|os|part|seg|segment|z)(?:[-_. ]?[a-z]*\d{0,4}[a-z]*)?|[tvmwy]\d{1,3}|d\d{1,4}|[lr]|"
    rf"[ts]\d|{DATE})(?:[-_. ]+(?:run|rep|slice|scan|echo|acq|aug)[-_]?\w{{0,4}})*"
)
PLACE = r"(site|cent(er|re)|hospital|hosp|scanner|family|fam|lab)[-_. ]?\w{1,3}"
BEFORE = r"[lr]h?|left|right|od|os|ses(sion)?-?\w*|vis(it)?-?\d*|[tv]\d{1,2}|baseline|followup|pre|post"
IMAGE = r"nii|gz|dcm|png|jpe?g|tiff?|bmp|mg[hz]|mha|mhd|nrrd|npy|npz|csv|tsv|txt|json|mat|h5|wav|edf"
FILE = rf"(?i)(\.long\..*|\.({IMAGE}))+$"
MOST = 8  # ids for each person: more than so many, on average, and a tail without a word is no visit


def persons(ids: pd.Series, label: np.ndarray) -> tuple[pd.Series, str]:
    """The person that each id names, and a sentence if that is not the id itself.

    A tail of the id is taken off if it reads like a visit, a slice, a side or a date, or if most persons that
    remain share the same few tails (``101b``, ``101f``).
    """
    plain = ids.astype(str).str.strip()
    folded = _names(plain).str.casefold().str.replace(r"^sub-?(?=\w)", "", regex=True)
    folded = folded.str.replace(r"(?<!\d)0+(?=\d)", "", regex=True)
    n, m = plain.nunique(), folded.nunique()
    said = "" if m == n else f"{n} ids, but {m} once capitals, zeros in front and “sub-” are ignored. "
    best = None
    for stem, tail, word in _cuts(folded):
        named = bool((tail != "").any()) and tail[tail != ""].str.fullmatch(word).mean() > 0.9
        if (named or word is REPEAT) and _is_a_person(stem, tail, folded, named):
            stems = stem.nunique()
            if best is None or (named and (not best[2] or stems <= best[0])):
                best = stems, stem, named
    if best is None:
        return folded, said
    stems, stem, _ = best
    mixed = pd.Series(label).groupby(stem.to_numpy()).nunique()
    several = folded.groupby(stem).nunique()
    if (mixed[several > 1] > 1).mean() > 0.8:
        text = f"The ids fall into {stems} groups whose members have different labels, like matched pairs."
        return folded, f"{said}{text} They were taken for different persons. "
    text = f"The ids contain a visit, a slice or the like: {n} ids, but only {stems} without it."
    return stem, f"{said}{text} What remains was taken for the person. "


def _names(ids):
    """Names of files without folders and endings, and without what the ends of all names have in common."""
    short = ids.str.replace(FILE, "", regex=True)
    ids = short.where(short != "", ids)
    last = ids.str.extract(r"([^/\\]*)$")[0]
    ids = last if last.nunique() == ids.nunique() else ids
    for _ in range(4):
        tail = ids.str.extract(r"(?<=.)([-_. ]+[^-_. ]+)$")[0]
        if tail.isna().any() or tail.nunique() > 1:
            break
        ids = ids.str.slice(0, -len(tail.iloc[0]))
    return ids


def _cuts(ids):
    """Ways to cut ids in two, with the words that may be cut off: at separators, between letters and digits.

    Or before the first separator, or where what remains is an id as well (``101`` and ``101b``).
    """
    unique = pd.Series(ids.unique())
    known = set(unique)
    for pattern, most in ((r"[^-_. /\\]+", 4), (r"[a-z]+|\d+|[^a-z\d]+", 2)):
        starts = [[part.start() for part in re.finditer(pattern, one)] for one in unique]
        for k in range(1, most + 1):
            at = [s[-k] if len(s) > k else len(one) for s, one in zip(starts, unique, strict=True)]
            stem = {one: one[:a].rstrip("-_. /\\") for one, a in zip(unique, at, strict=True)}
            tail = {one: one[a:] for one, a in zip(unique, at, strict=True)}
            yield ids.map(stem), ids.map(tail), REPEAT
            if k == 1:
                also = {one: cut if cut in known else one for one, cut in stem.items()}
                yield ids.map(also), ids.map({one: one[len(cut) :] for one, cut in also.items()}), REPEAT
    parts = ids.str.partition("_") if ids.str.contains("_").all() else ids.str.partition(".")
    yield parts[2].where(parts[2] != "", ids), parts[0].where(parts[2] != "", ""), BEFORE


def _is_a_person(stem, tail, ids, named) -> bool:
    pairs = pd.DataFrame({"stem": stem, "tail": tail, "id": ids}).drop_duplicates()
    n, m = len(pairs), pairs["stem"].nunique()
    size = pairs.groupby("stem").size()
    if (
        m < 10
        or m >= n
        or (stem == "").any()
        or (size > 1).sum() < 3
        or stem.str.fullmatch(PLACE).mean() > 0.5
    ):
        return False
    if named:
        return True
    shared = pairs.groupby("tail")["stem"].nunique() / m
    usual = pairs["tail"].map(shared) >= 0.25
    return n / m <= MOST and shared.max() >= 0.5 and usual.mean() >= 0.7 and (size > 1).mean() >= 0.2
