"""The checks of exercise 01: the same scan twice, gaps by label, the site (twice), leaks."""

import operator

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial.distance import pdist
from sklearn.metrics import roc_auc_score

from checks.judge import NotYet, Scores, Signal, Table, blank, check, named, reader, score
from checks.mistakes import mistakes

# Task 1: the same scan twice


def copied(draw):
    """Tables whose columns have very different scales; copies agree to the fourth digit, or exactly."""
    found = {}
    for i, (name, pairs) in enumerate((
        ("exact copies", 6), ("copies to the fourth digit", 15), ("more such copies", 15), ("still more", 15),
        ("two people who agree in the column with the largest numbers alone", 0), ("no copies", 0),
        ("people who were scanned with the same settings, and agree in half of the columns or more", 0),
    )):  # fmt: skip
        rng = draw(i)
        X = rng.normal(6, 1, (80, 40)).clip(1.5)
        others = rng.permutation(np.arange(1, 79))
        rows = np.array([0, others[0], 79, *others[1:]])  # the first row and the last one are in two pairs
        for a, b in rows[: 2 * pairs].reshape(-1, 2):
            X[b] = X[a] * (1 + (i > 0) * 1e-4 * rng.uniform(-1, 1, 40))
        if i == 4:
            X[rows[4], -1] = X[rows[5], -1]
        if i == 6:
            for k, part in enumerate((slice(20), slice(6, 40), slice(0, 40, 2), slice(1, 40, 2))):
                X[rows[2 * k], part] = X[rows[2 * k + 1], part]
        found[name] = (X * np.append(np.logspace(-4, 4, 39), 1e9),)
    return found


def pairs_within(X, limit):
    """Pairs of rows at a mean distance below the limit."""
    first, second = np.triu_indices(len(X), 1)
    close = pdist(X) / np.sqrt(X.shape[1]) < limit
    return {(int(a), int(b)) for a, b in zip(first[close], second[close], strict=True)}


def the_same(X):
    return pairs_within((X - X.mean(axis=0)) / X.std(axis=0), 0.01)


def _told_of_pairs(name, data, got, right):
    extra, missed = got - right, right - got
    if extra:
        return (
            f"{name.capitalize()}: of the pairs found, {len(extra)} are of different people, such as "
            f"{sorted(extra)[0]}. → Bring all columns to one scale, and ask that the rows agree in all of "
            f"them, up to a small distance."
        )
    rounded = (
        "" if len(missed) == len(right) else "Rounding tears pairs apart that lie on both sides of an edge. "
    )
    return (
        f"{name.capitalize()}: {len(missed)} of {len(right)} pairs are missed. {rounded}→ Compare every row "
        "with every other one, and ask for a small distance on one scale, not for equal numbers."
    )


TWICE = Table(
    copied,
    the_same,
    mistakes(
        none_found=(lambda X: set(), "The function finds no pair, even of exact copies. → Compare all rows."),
        equal=(
            lambda X: pairs_within(X, 1e-12),
            "Exact copies are found, but not copies that agree only up to about the fourth digit, as after "
            "another version of the software. → Ask for a small distance, not for equal numbers.",
        ),
        raw=(
            lambda X: pairs_within(X, 5e-4 * X.std(axis=0).max() / np.sqrt(X.shape[1])),
            "People who agree in the column with the largest numbers are called the same scan. → Bring all "
            "columns to one scale first.",
        ),
        one_too_high=(
            lambda X: {(a + 1, b + 1) for a, b in the_same(X)},
            "The row numbers are one too high. → The first row has the number 0.",
        ),
        in_half=(
            lambda X: pairs_within(X[:, : X.shape[1] // 2] / X.std(axis=0)[: X.shape[1] // 2], 0.01),
            "People who agree in half of the columns, as after a scan with the same settings, are called the "
            "same scan. → Ask that the rows agree in all columns.",
        ),
        without_the_last=(
            lambda X: the_same(X[:-1]),
            "The last row is never compared. → Let the loops run to the end.",
        ),
        without_the_first=(
            lambda X: {(a, b) for a, b in the_same(X) if a},
            "The first row is never compared. → Its number is 0.",
        ),
    ),
    "Exact copies and copies to the fourth digit are found, and no pair where all people differ.",
    same=operator.eq,
    told=_told_of_pairs,
)


@reader("list of pairs of row numbers")
def pairs(value) -> set:
    found = [tuple(sorted(map(int, pair))) for pair in value]
    if any(len(pair) != 2 for pair in found):
        raise NotYet(
            f"The function returns {value!r:.100}. → Return pairs of row numbers: [(0, 7), (3, 12)]."
        )
    if any(a == b for a, b in found):
        raise NotYet(
            "The function pairs a row with itself, and every scan is like itself. → Leave these out."
        )
    return set(found)


@check("X", read=pairs)
def same_scan_twice(learner, draw):
    """``find_twice(X)``: pairs of rows that are the same scan, exactly or up to the fourth digit."""
    TWICE.judge(learner, draw)


# Task 2: gaps by label

GAPS_IN = ("age", "volume", "score", "handedness", "dose")


def with_gaps(draw):
    found = {}
    for i, (name, ones) in enumerate((("a table", 80), ("a table whose rows have other numbers", 60))):
        rng, n = draw(i), 200
        y = rng.permutation(np.arange(n) < ones).astype(int)
        table = pd.DataFrame(
            {"age": rng.normal(62, 10, n), "volume": rng.normal(5400, 700, n),
             "score": rng.poisson(1 + y).astype(float), "handedness": rng.choice(["left", "right"], n),
             "dose": rng.normal(300, 50, n)}, index=(rng.permutation(n) + 1000) if i else range(n),
        )  # fmt: skip
        for column, *shares in (
            ("age", 0.13, 0.09), ("volume", 0.29, 0.05), ("handedness", 0.11, 0.26), ("dose", 0.05, 0.58),
        ):  # fmt: skip
            for label, share in zip((1, 0), shares, strict=True):
                rows = rng.permutation(np.flatnonzero(y == label))[: round(share * (y == label).sum())]
                table.loc[table.index[rows], column] = None
        found[name] = table, y
    return found


def difference(table, y):
    return (table[y == 1].isna().mean() - table[y == 0].isna().mean()).to_dict()


def of_counts(table, y):
    return {one: float(table[y == 1][one].isna().sum() - table[y == 0][one].isna().sum()) for one in table}


GAPS = Table(
    with_gaps,
    difference,
    mistakes(
        sign=(
            lambda table, y: {name: -one for name, one in difference(table, y).items()},
            "The sign is the wrong way round. → Class 1 minus class 0: more gaps in patients are positive.",
        ),
        percent=(
            lambda table, y: {name: 100 * one for name, one in difference(table, y).items()},
            "The numbers are per cent. → Return shares between -1 and 1.",
        ),
        absolute=(
            lambda table, y: {name: abs(one) for name, one in difference(table, y).items()},
            "The direction is lost. → Return the difference itself, not its absolute value.",
        ),
        counts=(of_counts, "These are differences of counts. → The classes differ in size: compare shares."),
        of_all=(
            lambda table, y: {name: one / len(y) for name, one in of_counts(table, y).items()},
            "The counts are divided by all people. → Divide each by the size of its own class.",
        ),
        together=(
            lambda table, y: table.isna().mean().to_dict(),
            "This is the share missing in all people. → Compare the two classes.",
        ),
        zeros=(
            lambda table, y: difference(table.mask(table == 0), y),
            "Zeros were counted as missing. → A zero is a value here.",
        ),
        only_numbers=(
            lambda table, y: difference(table.select_dtypes("number"), y),
            "There is nothing on the column 'handedness'. → Give a number for every column, text too.",
        ),
        rounded=(
            lambda table, y: {name: round(one, 1) for name, one in difference(table, y).items()},
            "The differences are rounded to one digit. → Two digits at least, or do not round.",
        ),
        of_some_rows=(
            lambda table, y: difference(table[table["age"].notna()], y[table["age"].notna().to_numpy()]),
            "Rows with a gap were left out first, and their other gaps with them. → Keep every row.",
        ),
    ),
    "For every column, text included, the share missing in class 1 minus that in class 0 is right, whatever "
    "the numbers of the rows.",
    same=lambda one, other: all(abs(one.get(c, 9) - other.get(c, 9)) < 0.006 for c in GAPS_IN),
    told=lambda name, data, got, right: next(
        f"{name.capitalize()}: for {c!r} the function gives {got.get(c, 'nothing')}, and {right[c]:+.3f} is "
        "right. → Use the array y itself, as in table[y == 1]; a Series of labels is matched by its index."
        for c in GAPS_IN
        if not abs(got.get(c, 9) - right[c]) < 0.006
    ),
)


@check("table", "y", read=named("Series, or a dict, with one number for each column", "{'age': 0.1}"))
def gaps_by_label(learner, draw):
    """``gaps_by_label(table, y)``: share of missing values in class 1 minus that in class 0, by column."""
    try:
        GAPS.judge(learner, draw)
    except NotYet as stopped:
        if "stops" in str(stopped) and learner.calls == 2:
            raise NotYet(
                f"{stopped} The table's index is not 0, 1, 2, …: with such an index the function runs. → Use "
                f"the array y itself, as in table[y == 1], and .iloc for rows by number."
            ) from None
        raise


# Task 3: the site, twice

SHARES = np.array([0.02, 0.4, 0.05, 0.0, 0.3, 0.05])  # so that the order of the names says nothing


def sites(rng, shares=SHARES, size=100, *, lot=False):
    """site, y: a site with each share of patients, in random order; or labels by lot."""
    names = np.sort(rng.permutation([f"site_{i}" for i in range(100, 200)])[: len(shares)])
    order = rng.permutation(len(shares) * size)
    labels = np.concatenate([np.arange(size) < round(p * size) for p in shares]).astype(int)
    return np.repeat(names, size)[order], (rng.permutation(labels) if lot else labels)[order]


def possible(shares):
    """The AUC of a model that knows each site's share of patients."""
    won = (shares[:, None] > shares) + 0.5 * (shares[:, None] == shares)
    weight = shares[:, None] * (1 - shares)
    return float((weight * won).sum() / weight.sum())


def _not_the_site(learner, draw, mean):
    return (
        f"Where a model that knows each site's share of patients gets an AUC of {possible(SHARES):.2f}, the "
        f"function returns {mean:.2f}. → Names of sites have no order, so they need a column each; every "
        f"site must occur in the training folds too; and an AUC needs a graded answer, such as a "
        f"probability, not its yes or no."
    )


def _not_graded(learner, draw, mean):
    return (
        "At two sites nearly all are patients, at two nearly none, at two one half: whatever says only yes "
        f"or no has a balanced accuracy of 0.75 or so there, and an AUC tells the three apart and is "
        f"{possible(GRADED):.2f}. The function returns {mean:.2f}. → Make the AUC of the probabilities, not "
        "of their yes or no, and return no other measure."
    )


# The AUC is far above the balanced accuracy of any yes or no: the sites in the middle are ranked in between.
GRADED = np.array([0.5, 0.97, 0.03, 0.5, 0.03, 0.97])
ALONE = Scores(
    lambda rng: sites(rng, np.full(10, 0.5), 6, lot=True), 60,
    lambda *found: (
        "the share of patients at a site was learnt from the same people that it is tested on, or a "
        "better direction or the best of several scores was taken. → Cross-validate once, and average the "
        "AUCs as they are."
    ),
    (Signal(sites, possible(SHARES) - 0.1, possible(SHARES) + 0.1, _not_the_site,
            "sites that differ in patients"),
     Signal(lambda rng: sites(rng, GRADED, 40), possible(GRADED) - 0.07, 1.0, _not_graded,
            "sites of three kinds")),
    "labels by lot at 10 sites", least=0.06,
)  # fmt: skip


@check("site", "y", read=score("AUC"))
def site_alone(learner, draw):
    """``site_alone(site, y)``: cross-validated AUC of a model that sees the name of the site only."""
    found = learner(*sites(draw(500)))
    rare = learner(*sites(draw(600), np.full(6, 0.05), lot=True))
    if rare > 0.8:
        raise NotYet(
            f"With 5 % patients and labels by lot the function returns {rare:.2f}, which is what always "
            f"saying “control” gets as accuracy. → Return the AUC."
        )
    if found < 0.42 and learner.all([ALONE.noise(draw(i)) for i in range(4)]).mean() < 0.35:
        raise NotYet(
            f"Where the site says much about the label, the function returns {found:.2f}, less than chance, "
            f"and so it does where labels are by lot: every site was tested by a model that had never seen "
            f"it. → Split the people, not the sites."
        )
    if found < 0.42:
        raise NotYet(
            f"Where the site says much about the label, the function returns {found:.2f}, less than chance. "
            f"→ Make it from the probability of class 1, not from the probability of class 0."
        )
    ALONE.judge(learner, draw)


def features(rng):
    """X, site: three features, with the smallest numbers of all, tell three sites of different size."""
    code = rng.permutation(np.repeat([0, 1, 2], [120, 30, 30]))
    Z = rng.standard_normal((180, 10))
    Z[:, :3] += np.array([[2, 0, -2], [-2, 2, 0], [0, -2, 2]])[code]
    return np.logspace(-1, 3, 10) * Z, np.array(["north", "east", "south"])[code]


def no_features(rng):
    """Small, with many columns: a model that is scored on its own scans knows them all. Sites differ."""
    site = rng.permutation(np.repeat(["a", "b", "c"], [32, 14, 14]))
    return np.logspace(-1, 3, 40) * rng.standard_normal((60, 40)), site


SCALE = "The features that tell it have the smallest numbers of all. → Scale the features, inside the folds."


def _features_leak(learner, draw, mean):
    if mean > 0.9:
        return "the model is scored on scans that it was fitted to. → Cross-validate."
    return (
        "something has seen the sites of the test scans: copies of them in training, a choice of columns "
        "before the split, the best of several scores. → Do inside the folds all that looks at the sites."
    )


IN_FEATURES = Scores(
    no_features, 52,  # a third of a balanced accuracy rests on each site: it scatters like that of 52
    _features_leak,
    (Signal(features, 0.7, 1.0, SCALE, "features that tell the site"),),
    "features that know nothing of the site", 1 / 3,
)  # fmt: skip


@check("X", "site", read=score("balanced accuracy"))
def site_from_features(learner, draw):
    """``site_from_features(X, site)``: cross-validated balanced accuracy of predicting the site."""
    strong = features(draw(500))
    found = learner(*strong)
    alike = learner.maybe([blank(strong)])
    if abs(alike - 1 / 3) > 0.03 and abs(alike - found) > 1e-9:
        raise NotYet(
            f"With features that are all alike the function returns {alike:.2f}, and naming one of three "
            f"sites always is a balanced accuracy of 0.33. (An accuracy is 0.67 there, an AUC 0.50, an F1 "
            f"less.) → Return the balanced accuracy."
            if found > 0.35
            else f"Where features tell the site, the function returns {found:.2f}, less than guessing. → If "
            "it is the share of errors, return 1 minus the errors."
        )
    IN_FEATURES.judge(learner, draw)


# Task 4: too good to be true

LIMIT = "→ Compare every column's AUC with 0.95."
LEAKS = {
    "dose": "Its AUC is above 0.95: patients have the higher values.",
    "memory": "Its AUC is below 0.05, as patients have the lower values, which tells as much.",
    "rating": "Four in ten values are missing; on the others its AUC is above 0.95. Leave the gaps out, do "
    "not fill them.",
    "titre": "Its AUC is above 0.95. A few huge values spoil a correlation or a mean, but an AUC uses ranks.",
    "asymmetry": "Its AUC is 0.97. The limit is one of the AUC, not of the accuracy or of another measure.",
}
HONEST = {
    "volume": "Its AUC is about 0.8: an honest, useful feature. The limit is 0.95.",
    "uptake": "Its AUC is 0.92, and the limit is 0.95. It is higher only in rows in which all columns are "
    "known: judge each column by its own rows.",
}


def suspects(draw):
    """A table with five columns that give the label away, and one of noise."""
    rng, n = draw(0), 300
    y = rng.permutation(np.arange(n) % 2)
    steps = stats.norm.ppf((np.arange(n // 2) + 0.5) / (n // 2))  # so that an AUC is the same in every sample

    def column(auc):
        values = np.empty(n)
        values[y == 0], values[y == 1] = (rng.permutation(steps) for _ in range(2))
        return values + y * stats.norm.ppf(auc) * np.sqrt(2)

    uptake, biopsy = column(0.92), np.full(n, np.nan)
    # Known in few people: in these the uptake gives the label away, and the biopsy itself says nothing.
    clear = [np.argsort(np.where(y == one, (1 - 2 * one) * uptake, np.inf))[:20] for one in (1, 0)]
    biopsy[np.concatenate(clear)] = np.tile(rng.permutation(20), 2)
    table = pd.DataFrame(
        {"thickness": column(0.5), "dose": column(0.995), "memory": 30 - 5 * column(0.995),
         "volume": column(0.8), "rating": np.where(rng.random(n) < 0.4, np.nan, column(0.997)),
         "titre": np.exp(3 * column(0.995)),
         "asymmetry": column(0.97), "uptake": uptake, "biopsy": biopsy, "scanner": np.ones(n),
         "age": 60 + 10 * column(0.55)}, index=rng.permutation(n) + 1000,
    )  # fmt: skip
    noise = pd.DataFrame(draw(1).standard_normal((n, 30)), columns=[f"noise_{i}" for i in range(30)])
    return {"a table with leaks": (table, y), "a table of noise": (noise, y)}


def above(table, y, limit=0.95):
    known = {name: table[name].notna().to_numpy() for name in table}
    aucs = {name: roc_auc_score(y[known[name]], table[name][known[name]]) for name in table}
    return {name for name, auc in aucs.items() if max(auc, 1 - auc) >= limit}


def _told_of_columns(name, data, got, right):
    for column, why in LEAKS.items():
        if column in right - got:
            return f"The column {column!r} is missing from the answer. {why} {LIMIT}"
    column = next((one for one in HONEST if one in got), sorted(got - right)[0])
    why = HONEST.get(column, "It has nothing to do with the label.")
    return f"In {name} the answer has the column {column!r}. {why} {LIMIT}"


LEAKING = Table(
    suspects,
    above,
    {},
    "The five columns that give the label away are named (high, low, with gaps, with huge values, "
    "overlapping), and no other.",
    same=operator.eq,
    told=_told_of_columns,
)


@reader("list of names of columns")
def names(value) -> set:
    if isinstance(value, str | dict | pd.DataFrame):
        raise NotYet(f"The function returns a {type(value).__name__}. → Return a list of column names.")
    for one in value:
        if not isinstance(one, str):
            raise NotYet(f"The list holds {one!r}, which is no name. → Return the names of the columns.")
    return set(value)


@check("table", "y", read=names)
def too_good(learner, draw):
    """``too_good(table, y)``: columns that alone separate the classes with an AUC of .95 or more."""
    LEAKING.judge(learner, draw)
