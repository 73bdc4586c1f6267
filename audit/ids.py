"""What the ids of a table give away: visits, slices, eyes and copies of the same person."""

import re

import numpy as np
import pandas as pd

SEP = r"[-_. ()]"
_DAY, _MONTH, _YEAR = "(?:[12]\\d|3[01]|0?[1-9])", "(?:1[0-2]|0?[1-9])", "(?:19|20)\\d\\d"
DATE = (
    rf"{_YEAR}[-_.]?{_MONTH}(?:[-_.]?{_DAY})?(?:t?\d{{4,6}}|[t_-]\d{{5,6}})?|{_DAY}[-_.]{_MONTH}[-_.]{_YEAR}"
)
REPEAT = re.compile(
    rf"{SEP}*(?:(?:early|late|1st|2nd|3rd|\d?\dth)[-_. ]+)?(?:(?:ses|session|visit|vis|scan|re-?scan|run|"
    r"slice|slc|sl|img|image|im|frame|patch|crop|tile|roi|view|acq|echo|"
    r"aug|augm|augmented|copy|dup|flip|rot|noise|rep|repeat|repetition|trial|rec|recording|sample|tp|timepoint|time|"
    r"wave|month|week|year|day|mon|yr|wk|fu|followup|follow[-_]up|bl|baseline|screening|pre|post|retest|test|eye|"
    r"left|right|lh|rh|od|os|part|seg|segment|z)(?:[-_. ]?[a-z]*\d{0,4}[a-z]*)?|[tvmwy]\d{1,3}|d\d{1,4}|[lr]|"
    rf"[ts]\d|{DATE})(?:[-_. ]+(?:(?:run|rep|slice|scan|echo|acq|aug)[-_]?\w{{0,4}}|\d{{1,4}}|op))*{SEP}*"
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
    stem, named = _shortest(folded)
    while named and (again := _shortest(stem))[1]:  # a side, and before it a session
        stem = again[0]
    stems = stem.nunique()
    if stems == m:
        return folded, said
    if label.dtype.kind != "f":
        rng, mixed = np.random.default_rng(0), _mixed(label, stem, folded)
        by_chance = [_mixed(rng.permutation(label), stem, folded) for _ in range(50)]
        paired = mixed > max(0.8, np.mean(by_chance) + 3 * np.std(by_chance))
        # Of one person labels agree; unless the id says "run": then they may be those of rest and task.
        if not named and mixed > np.mean(by_chance) / 2:
            if paired:
                said += (
                    f"The ids fall into {stems} groups whose members have different labels, like matched "
                    "pairs. They were taken for different persons. "
                )
            return folded, said
    text = f"The ids contain a visit, a slice or the like: {n} ids, but only {stems} without it."
    return stem, f"{said}{text} What remains was taken for the person. "


def _shortest(ids):
    """What remains of the ids, and whether what was taken off reads like a visit; the ids if nothing was."""
    unique, best, usual = ids.unique(), None, False
    for stem, tail, word in _cuts(unique):
        if "" in stem or not 10 <= (m := len(set(stem))) < len(unique):
            continue
        words = [re.fullmatch(word, one) is not None for one in tail if one]
        named = sum(words) > 0.9 * len(words)
        if (named or word is REPEAT) and _is_a_person(pd.Series(stem), pd.Series(tail), named):
            if best is None or (named and (not usual or m <= len(set(best)))):
                best, usual = stem, named
    return ids if best is None else ids.map(dict(zip(unique, best, strict=True))), usual


def _mixed(label, stem, ids) -> float:
    """The share of persons with several ids who have several labels."""
    several = ids.groupby(stem).nunique() > 1
    return (pd.Series(label).groupby(stem.to_numpy()).nunique()[several] > 1).mean()


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

    Or before whatever reads like a visit, after the first part, or where what remains is an id as well
    (``101`` and ``101b``).
    """
    known = set(ids)
    for pattern, most in ((r"[^-_. /\\]+", 4), (r"[a-z]+|\d+|[^a-z\d]+", 2)):
        starts = [[part.start() for part in re.finditer(pattern, one)] for one in ids]
        for k in range(1, most + 1):
            stem = [
                (one[: s[-k]] if len(s) > k else one).rstrip("-_. /\\")
                for s, one in zip(starts, ids, strict=True)
            ]
            tail = [one[s[-k] :] if len(s) > k else "" for s, one in zip(starts, ids, strict=True)]
            yield stem, tail, REPEAT
            if k == 1:
                also = [cut if cut in known else one for one, cut in zip(ids, stem, strict=True)]
                yield also, [one[len(cut) :] for one, cut in zip(ids, also, strict=True)], REPEAT
    stem = [re.sub(rf"(?<=\w){SEP}+{REPEAT.pattern}$", "", one) for one in ids]
    shorter = {cut for one, cut in zip(ids, stem, strict=True) if one != cut}
    if {one for one, cut in zip(ids, stem, strict=True) if one == cut} <= shorter:
        yield stem, [one[len(cut) :] for one, cut in zip(ids, stem, strict=True)], REPEAT
    mark = "_" if all("_" in one for one in ids) else "."
    parts = [one.partition(mark) for one in ids]
    yield (
        [end or one for (_, _, end), one in zip(parts, ids, strict=True)],
        [a if b else "" for a, _, b in parts],
        BEFORE,
    )


def _is_a_person(stem, tail, named) -> bool:
    n, size = len(stem), stem.value_counts()
    m = len(size)
    if (size > 1).sum() < 3 or stem.str.fullmatch(PLACE).mean() > 0.5:
        return False
    if named:
        return True
    shared = stem.groupby(tail).nunique() / m
    usual = tail.map(shared) >= 0.25
    return n / m <= MOST and shared.max() >= 0.5 and usual.mean() >= 0.7 and (size > 1).mean() >= 0.2
