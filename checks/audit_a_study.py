"""The checks of exercise 09: the share of each flaw, an interval that counts people, a first audit."""

import numpy as np
from scipy.stats import norm

from checks.judge import NotYet, Row, Table, check, named, numbers, reader
from checks.mistakes import mistakes

# Task 1: the share of each flaw

NAMES = ("seeds", "selection", "twins", "slices", "scanner", "cut-off")


DICT = named("dict from the name of a flaw to its share", "{'seeds': 0.03}")


@reader(DICT.answer)
def shares(value) -> dict[str, float]:
    found = DICT(value)
    missing, extra = sorted(set(NAMES) - set(found)), sorted(set(found) - set(NAMES))
    if missing or extra:
        told = f"It lacks {', '.join(missing)}." if missing else f"It also holds {', '.join(extra)}."
        raise NotYet(f"{told} → The dict must hold every flaw once, and nothing else.")
    return found


def studies(draw):
    """Studies as functions of their flaws: two give the same scans away, two need each other, one harms."""
    return {f"study {i + 1}": (_study(draw(i)), list(draw(10 + i).permutation(NAMES))) for i in range(3)}


def _study(rng):
    own, base = dict(zip(NAMES, rng.uniform(0.02, 0.09, len(NAMES)), strict=True)), rng.uniform(0.55, 0.6)

    def study(flaws):
        if isinstance(flaws, str):
            raise TypeError("the study got one name where it needs a list of names, as in study([name])")
        flaws = set(flaws)
        if flaws - set(own):
            unknown = sorted(map(str, flaws - set(own)))[0]
            raise ValueError(f"the study got {unknown!r}, which is none of its flaws")
        score = base + sum(own[name] for name in flaws if name not in ("twins", "slices", "scanner"))
        score += 0.12 * bool(flaws & {"twins", "slices"})  # either gives the same scans away
        score += 0.08 * ({"scanner", "selection"} <= flaws)  # neither does much alone
        return score - 2 * own["cut-off"] * ("cut-off" in flaws)

    return study


def repaired(study, flaws):
    """The scores with one flaw repaired and all others kept."""
    return {name: study([other for other in flaws if other != name]) for name in flaws}


def fall(study, flaws):
    return {name: study(flaws) - score for name, score in repaired(study, flaws).items()}


def one_after_the_other(study, flaws):
    return {name: study(flaws[k:]) - study(flaws[k + 1 :]) for k, name in enumerate(flaws)}


def parts(study, flaws, whole=1):
    found = fall(study, flaws)
    return {name: whole * share / sum(found.values()) for name, share in found.items()}


def scaled(study, flaws):
    return parts(study, flaws, study(flaws) - study([]))


def _alike(one, other):
    """Equal, or rounded to two digits as the lesson prints them."""
    a, b = (np.array([found[name] for name in NAMES]) for found in (one, other))
    return np.allclose(a, b, atol=1e-6) or (np.allclose(a, a.round(2)) and np.abs(a - b).max() < 0.005 + 1e-6)


SHARES = Table(
    studies,
    fall,
    mistakes(
        turned=(
            lambda study, flaws: {name: -share for name, share in fall(study, flaws).items()},
            "The signs are turned round. → A flaw that makes the score too good has a positive share.",
        ),
        scores=(repaired, "These are the scores after a repair. → The share is what the score lost by it."),
        added=(
            lambda study, flaws: {name: study([name]) - study([]) for name in flaws},
            "The function adds one flaw to a sound study. Where two flaws give the same scans away, that is "
            "another answer. → Repair one flaw in the study as it was published.",
        ),
        kept=(
            lambda study, flaws: {name: study(flaws) - study([name]) for name in flaws},
            "The function keeps one flaw and repairs all others. → Repair one, and keep all others.",
        ),
        in_turn=(
            one_after_the_other,
            "One flaw after the other was repaired. → Put each flaw back before the next one is repaired: "
            "then the shares need not add up.",
        ),
        adds_up=(
            scaled,
            "The shares were scaled so that they add up to the whole optimism. → They need not: give each "
            "fall as it is.",
        ),
        of_the_sum=(parts, "These are parts of their sum. → Give the shares as differences of scores."),
    ),
    "Each share is the score as published minus the score with this one flaw repaired, and the list of flaws "
    "stays whole.",
    same=_alike,
    told=lambda name, data, got, right: (
        f"In {name}, one share is {max(NAMES, key=lambda flaw: abs(got[flaw] - right[flaw]))!r} "
        f"{max((got[flaw] - right[flaw] for flaw in NAMES), key=abs):+.3f} away from what the score falls."
    ),
)


@check("study", "flaws", read=shares)
def shares_of_flaws(learner, draw):
    """``shares(study, flaws)``: by how much the score falls when one flaw is repaired and all others stay."""
    SHARES.judge(learner, draw)


# Task 2: an interval that counts people


def answers(rng, n, scans, *, likeness=0.8, accuracy=0.75):
    """right, subject: whether each scan was classified rightly; a person's scans are more or less alike."""
    a, b = accuracy * (1 / likeness - 1), (1 - accuracy) * (1 / likeness - 1)
    subject = np.repeat(rng.choice(np.arange(1000, 2000), n, replace=False), scans)
    order = rng.permutation(len(subject))
    right = (rng.random(len(subject)) < np.repeat(rng.beta(a, b, n), scans)).astype(int)
    return right[order], subject[order]


def widths(learner, sets):
    """Widths of the learner's intervals, those of intervals over people, and over scans."""
    found = []
    for right, subject in sets:
        low, high = learner(right, subject)
        means = np.array([right[subject == one].mean() for one in np.unique(subject)])
        seen = sorted([right.mean(), means.mean()])  # of scans and of people
        for bad, why in (
            (high > 2, "→ Give shares from 0 to 1, not percentages."),
            (low > high, "→ The lower one comes first."),
            (low > seen[1] + 1e-9 or high < seen[0] - 1e-9,
             f"It does not hold the accuracy that was seen, {right.mean():.2f}."),
        ):  # fmt: skip
            if bad:
                raise NotYet(f"The interval is {low:.4g} to {high:.4g}. {why}")
        people = 2 * 1.96 * means.std(ddof=1) / np.sqrt(len(means))
        scans = 2 * 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / len(right))
        found.append((high - low, people, scans))
    return np.array(found).T


@check("right", "subject", read=numbers("lower end", "upper end"))
def interval_by_subject(learner, draw):
    """``interval(right, subject)``: a 95 % interval for the accuracy that counts people, not scans."""
    ratios = {}
    for likeness in (0.8, 0.25):
        sets = [answers(draw(int(100 * likeness) + i), 60, 8, likeness=likeness) for i in range(6)]
        got, people, scans = widths(learner, sets)
        ratios[likeness] = ratio = np.mean(got / people)
        good = 0.9 < ratio < 1.25
        label = f"scans of a person {'alike' if likeness > 0.5 else 'not much alike'}: width ÷ 2"
        learner.rows.append(Row(label, tuple(got / people / 2), bool(good), ("right", 0.5)))
        told = f"480 scans of 60 people: the interval is {ratio:.2f} times as wide as one over people."
        for bad, why in (
            (0.85 < np.mean(got / scans) < 1.15,
             "It counts scans. → The scans of one person are right or wrong together: count people."),
            (ratio <= 0.9, "That is too narrow for 95 %."),
            (ratio >= 2, "→ The spread of the people is divided by the square root of their number."),
            (likeness < 0.5, "Scans of a person are not much alike here: eight scans of a person tell more "
             "than one answer. → Use all scans, and let the people's own means say how much they differ."),
            (True, "That is too wide for 95 %."),
        ):  # fmt: skip
            if bad and not good:
                raise NotYet(f"{told} {why}")
    (got,), (_,), (usual,) = widths(learner, [answers(draw(10), 200, 1)])
    if not 0.9 < got / usual < 1.15:
        raise NotYet(
            f"With one scan of each of 200 people the interval is {got / usual:.2f} times as wide as the "
            f"usual one. → There it should be the usual one."
        )
    learner(*answers(draw(11), 40, draw(12).integers(1, 9, 40)))  # people with unequal numbers of scans
    learner.right.append(
        f"Its width is {np.mean(list(ratios.values())):.2f} times that of an interval over people, and with "
        f"one scan of each person it is the usual one."
    )


# Task 3: a first audit

FINDINGS = {
    "repeated": "several scans of one subject",
    "twice": "the same scan under two subject ids",
    "site": "a site that goes with the diagnosis",
    "leak": "a column that gives the diagnosis away",
}
SOUND = {
    "repeated": "Everybody in it was scanned once.",
    "twice": "No scan in it has two subject ids, though scans of one subject may resemble each other.",
    "site": "Its sites have 37 to 60 % patients, as by luck in 30 people each. Count people, not scans.",
    "leak": "Its best columns separate the groups with an AUC of about .8 each, which a good column may.",
}
PLANS = [
    (), ("repeated",), ("twice",), ("site",), ("leak",), (), ("repeated", "site"), ("twice", "leak"),
    ("repeated", "twice"), ("site", "leak"), (),
]  # fmt: skip


@reader("list of findings")
def findings(value) -> set[str]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise NotYet(
            f"The function returns a {type(value).__name__}. → Return a list of words, an empty one if "
            f"nothing was found."
        )
    if unknown := [word for word in value if word not in FINDINGS]:
        raise NotYet(f"The list holds {unknown[0]!r}. → The words are {', '.join(map(repr, FINDINGS))}.")
    return set(value)


def _steps(rng, y):
    """Normal scores within either class, so that an AUC hardly differs from sample to sample."""
    found = np.empty(len(y))
    for one in (0, 1):
        n = np.sum(y == one)
        found[y == one] = rng.permutation(norm.ppf((np.arange(n) + 0.5) / n))
    return found


def cohort(rng, flaws, number, n=120, p=12):
    """X, y, subject, site with these flaws; without any, sites differ by luck and some columns are good.

    A leak has either sign. Patients may gather at sites whose names are next to each other, or are not: a
    number for each name would miss them. In every second cohort six columns are good, so that a model of all
    is very good.
    """
    per, names = n // 4, np.array(["east", "north", "south", "west"])
    site = np.repeat(names, per)
    crowded = ([0.9, 0.1, 0.1, 0.9], [0.9, 0.8, 0.2, 0.1], [0.1, 0.9, 0.9, 0.1])[number % 3]
    patients = crowded if "site" in flaws else rng.permutation([11, 11, 16, 18]) / per
    y = np.concatenate([rng.permutation(np.arange(per) < round(share * per)) for share in patients]).astype(
        int
    )
    X = rng.standard_normal((n, p))
    X[:, : 6 if number % 2 else 1] += 1.2 * y[:, None]
    subject = rng.choice(np.arange(1000, 9999), n, replace=False)
    if "leak" in flaws:
        X[:, 7] = (-1) ** number * (4.5 * y + _steps(rng, y))
    if "repeated" in flaws:
        # So many scans of everybody that a test that counts scans is sure, or another scan of a few people.
        again = np.append(np.arange(n), np.arange(12)) if "twice" in flaws else np.repeat(np.arange(n), 4)
        X, y, subject, site = X[again], y[again], subject[again], site[again]
        X = X + 0.3 * rng.standard_normal(X.shape)
        one = np.flatnonzero(subject == subject[0])
        X[one[1]] = X[one[0]]  # entered twice under its own id, which is another matter
    if "twice" in flaws:
        first = rng.choice(len(y), 6, replace=False)
        X, y, site = np.vstack([X, X[first]]), np.append(y, y[first]), np.append(site, site[first])
        subject = np.append(subject, np.arange(10_000, 10_006))
    order = rng.permutation(len(y))
    while "twice" in flaws and (np.diff(subject[order]) == 0).any():
        order = rng.permutation(len(y))  # the few scans of one subject do not stand beside each other
    # The sites appear in the order of their names, so that numbers by appearance are those by name.
    front = [np.flatnonzero(site[order] == name)[0] for name in names]
    order = np.concatenate([order[front], np.delete(order, front)])
    return np.logspace(-2, 3, p) * X[order], y[order], subject[order], site[order]


@check("X", "y", "subject", "site", read=findings)
def first_audit(learner, draw):
    """``audit(X, y, subject, site)``: which of the four flaws of FINDINGS a cohort has."""
    found = [learner(*cohort(draw(i), planted, i)) for i, planted in enumerate(PLANS)]
    for word in FINDINGS:
        good = all((word in one) == (word in planted) for one, planted in zip(found, PLANS, strict=True))
        learner.rows.append(Row(FINDINGS[word], (), good))
    for got, planted in zip(found, PLANS, strict=True):
        if missed := sorted(set(planted) - got):
            raise NotYet(f"A cohort has {FINDINGS[missed[0]]}, and the function does not say {missed[0]!r}.")
        if extra := sorted(got - set(planted)):
            raise NotYet(f"A cohort is accused wrongly of {extra[0]!r}. {SOUND[extra[0]]}")
    learner.right.append(
        f"In {len(PLANS)} cohorts, three of them without any flaw, it finds what is there and accuses nobody "
        f"else."
    )
