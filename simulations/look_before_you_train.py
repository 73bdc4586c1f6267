"""Lesson 01: what a first look at the data shows, beside what the score of a model says."""

import functools
from types import SimpleNamespace

import numpy as np
from scipy import stats
from scipy.special import ndtr
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from utils import batched
from utils.cohort import LETTER, striatal_templates
from utils.drawing import (
    DASHED,
    DOT,
    HEIGHT,
    HOLLOW,
    NO_GUESS,
    TEXT,
    Chart,
    above,
    axis,
    chance_line,
    chart,
    guess_line,
    layer,
    ridge_rows,
    table,
    tips,
)
from utils.simulation import (
    Among,
    Number,
    Studies,
    Whole,
    counted,
    exact_accuracy,
    linear_rule,
    optimism,
    simulation,
)

EFFECT = functools.partial(Number, unit="standard deviations")


# First looks. Each takes a study, or many at once: X, shape (..., n, 20), the labels as recorded and the
# sites, shape (n,), the side of the symptoms and the gaps in the fourth column, shape (..., n). It gives a
# number per scan to be drawn, from 0 to 1, and whether a simple rule finds the defect.


def _by_site(s):
    return (s.site == np.arange(4)[:, None]).astype(float)


def _uptake(s):
    return 0.5 + (s.X[..., 0] - 10) / 10


def _alike(s):
    """The correlation of a scan with the one that resembles it most."""
    Z = (s.X - s.X.mean(axis=-2, keepdims=True)).astype(np.float32)
    Z /= Z.std(axis=-2, keepdims=True)
    Z -= Z.mean(axis=-1, keepdims=True)
    Z /= np.linalg.norm(Z, axis=-1, keepdims=True)
    products, rows = batched.gram(Z, Z), np.arange(Z.shape[-2])
    products[..., rows, rows] = -1
    nearest = products.max(axis=-1)
    return nearest, nearest.max(axis=-1) > 0.95


def _sides(s):
    """The side differences of patients, turned to the side of the symptoms, in the mean of each site."""
    turned = np.where(s.label == 1, s.X[..., 1] * s.side, s.X[..., 1])
    patients = _by_site(s) * s.label
    return 0.5 + turned / 10, (turned @ patients.T / patients.sum(axis=1)).min(axis=-1) < 0


def _level(s):
    """The mean of all columns: is a site further from the others than chance takes it?"""
    level, sites = s.X.mean(axis=-1), _by_site(s)
    apart = np.abs(level @ sites.T / sites.sum(axis=1) - level.mean(axis=-1, keepdims=True)).max(axis=-1)
    return (level - 8.5) / 3, apart > 4 * level.std(axis=-1) / np.sqrt(s.X.shape[-2] / 4)


def _runs(s):
    """Is there a run of neighbouring rows in which the groups have changed places?"""
    width, disease = s.X.shape[-2] // 10, s.X[..., 0] - 10
    sums = np.cumsum((disease - disease.mean(axis=-1, keepdims=True)) * (1 - 2 * s.label), axis=-1)
    runs = (sums[..., width:] - sums[..., :-width]) / width
    return _uptake(s), runs.min(axis=-1) < -2.5 / np.sqrt(width)


def _outliers(s, column):
    values = s.X[..., column]
    distance = np.abs(values - np.median(values, axis=-1, keepdims=True))
    return values / 125, distance.max(axis=-1) > 8 * 1.4826 * np.median(distance, axis=-1)


def _site_by_label(s):
    sites = _by_site(s)
    p = stats.chi2_contingency(np.stack([sites @ s.label, sites @ (1 - s.label)]), correction=False).pvalue
    return _uptake(s), np.full(s.X.shape[:-2], p < 0.001)


def _gap_by_label(s):
    cases, controls, share = (
        s.gaps[..., who].mean(axis=-1) for who in (s.label == 1, s.label == 0, s.label >= 0)
    )
    error = np.sqrt(share * (1 - share) * (1 / (s.label == 1).sum() + 1 / (s.label == 0).sum()))
    return np.where(s.gaps, 0.03, 0.5 + (s.X[..., 3] - 10) / 10), np.abs(cases - controls) > 3 * error


def _too_good(s):
    """The distance of the groups in every column, in standard deviations."""
    low, high = s.X[..., s.label == 0, :], s.X[..., s.label == 1, :]
    spread = np.sqrt((high.var(axis=-2) + low.var(axis=-2)) / 2)
    apart = np.abs(high.mean(axis=-2) - low.mean(axis=-2)) / spread
    return 0.5 + (s.X[..., 4] - 10) / 8, apart.max(axis=-1) > 2.8


def _any_alarm(s):
    return _uptake(s), np.any([look(s)[1] for look, _ in list(LOOKS.values())[1:-1]], axis=0)


UPTAKE = "uptake of the striatum"
# Every defect: how a first look looks for it, and what is drawn.
LOOKS = {
    "nothing": (_any_alarm, UPTAKE),
    "the same subject twice": (_alike, "likeness with the most similar scan"),
    "left and right swapped": (_sides, "side difference (up: fits the symptoms)"),
    "one site with another gain": (_level, "mean of all columns of the scan"),
    "labels swapped in a block": (_runs, UPTAKE),
    "a unit error in one column": (functools.partial(_outliers, column=2), "volume of the putamen"),
    "a unit error in a column that matters": (functools.partial(_outliers, column=0), UPTAKE),
    "the site goes with the diagnosis": (_site_by_label, UPTAKE),
    "the gaps go with the diagnosis": (_gap_by_label, "thickness (at the bottom: missing)"),
    "a column that is the diagnosis": (_too_good, "dose of the medication"),
    "wrong labels here and there": (_any_alarm, UPTAKE),
}
DEFECTS = ("labels swapped in a block", *(name for name in LOOKS if name != "labels swapped in a block"))


def first_look(defect, study):
    """A number for each scan to be drawn, from 0 to 1, and whether a simple rule finds the defect."""
    evidence, found = LOOKS[defect][0](study)
    return np.clip(evidence, 0, 1), found


def plant(defect, rng, s):
    """Plant a defect in the sound tables `s.X`, shape (studies, scans, 20)."""
    X, n = s.X, s.X.shape[1]
    rows, studies = np.arange(n), np.arange(len(X))[:, None]
    if defect == "the same subject twice":
        copies = rows[-(n // 10) :]
        originals = copies - (n // 2 + 2 if (n // 2 + 2) % 5 else n // 2 + 4)  # another fold, the same label
        X[:, copies] = X[:, originals] + 0.05 * rng.standard_normal((len(X), len(copies), 20))
        s.side[:, copies] = s.side[:, originals]
    elif defect == "left and right swapped":
        X[:, s.site == 2, 1] *= -1
    elif defect == "one site with another gain":
        X[:, s.site == 2] *= 1.1
    elif defect == "labels swapped in a block":
        s.label = np.where((rows >= n // 2) & (rows < n // 2 + n // 10), 1 - s.y, s.y)
    elif defect.startswith("a unit error"):
        wrong = rng.permuted(np.tile(rows, (len(X), 1)), axis=1)[:, :5]
        X[studies, wrong, 0 if defect.endswith("matters") else 2] *= 10
    elif defect == "the site goes with the diagnosis":
        X[..., 5] += np.where(s.site < 2, 1.5, -1.5)
    elif defect == "the gaps go with the diagnosis":
        s.gaps = rng.random((len(X), n)) < np.where(s.y == 1, 0.25, 0.05)
        X[..., 3][s.gaps] = 0
    elif defect == "a column that is the diagnosis":
        X[..., 4] = 10 + s.y - 0.5 + 0.3 * (X[..., 4] - 10)
    elif defect == "wrong labels here and there":
        s.label = np.where(rows % 10 == rows // 10 * 3 % 10, 1 - s.y, s.y)


def before_the_diagnosis(defect, weights, intercept):
    """The rule on new subjects: a column that is the diagnosis is not known yet, and stands at its mean."""
    if defect != "a column that is the diagnosis":
        return weights, intercept
    return np.where(np.arange(20) == 4, 0, weights), intercept + 10 * weights[..., 4]


def _scores(draws, rows, dots, height=HEIGHT):
    """The chart of the scores of many studies, beside pictures of one: `rows` are words by draw."""
    named = [(words, name) for name, words in rows.items()]
    layers, data, names = ridge_rows([draws[name] for name in rows], named, dots=dots)
    guessing, more = chance_line(0.5)
    x = axis("Accuracy, over many studies", at=np.arange(0, 1.1, 0.2), form=".1f")
    layers, data = [*guessing, *guess_line(), *layers], data | more | NO_GUESS
    return chart(layers, data, x, names, height=height, top=42)


def defect_and_score(outcome, *, dots: bool = False) -> list[Chart]:
    """One study as a first look sees it, one dot per scan, beside the scores of many such studies."""
    evidence, label = outcome.draws["evidence"][0], outcome.draws["label"][0]
    at, look = (np.arange(len(label)) + 0.5) / len(label), LOOKS[outcome.parameters["defect"]][1]
    data = {
        "sites": table(x=np.arange(1, 4) / 4),
        "what": {"text": [look[0].upper() + look[1:]]},
        "whose": {"text": ["● patient, ○ control (one study)"]},
    }
    for name, who in (("controls", label == 0), ("patients", label == 1)):
        dots_at = {"x": at[who].round(3), "y": evidence[who].astype(float).round(3)}
        data[name] = table(**dots_at, scan=np.flatnonzero(who) + 1) | {"name": name[:-1]}
    hover = {"tooltip": tips(scan="scan", recorded_as="name")}
    layers = [
        layer("upright", "sites", "#BFBFBF"),
        layer("point", "controls", **HOLLOW, encoding=hover),
        layer("point", "patients", **DOT, encoding=hover),
        above("what", line=1, fontWeight="bold"),
        above("whose", fontSize=TEXT - 1),
    ]
    sites = [f"site {s}" for s in range(1, 5)]
    x = axis("Scans, in the order of the table", at=np.arange(4) / 4 + 0.125, words=sites, line=False)
    y = axis(ends=(-0.03, 1.03), at=[], line=False)
    rows = {"reported": "the study\nreports", "honest": "without\nthe defect", "true": "on new\nsubjects"}
    return [chart(layers, data, x, y, top=42, share=1.2), _scores(outcome.draws, rows, dots)]


@simulation(block=10, draw=defect_and_score)
class planted_defect:
    """A table with one planted defect: what a first look sees, and what the cross-validated score says.

    Four sites of equal size, half of the scans of patients, 20 independent normal columns with mean 10 and
    standard deviation 1 (the second, the difference of the two sides, has mean 0). The first column carries
    the disease (patients lie lower); in patients the second one leans by 1.5 to the side of the symptoms. The
    model is a linear rule, RidgeClassifier, cross-validated in five stratified folds.

    The defects: a tenth of the scans are near copies of others; the sides are swapped at one site; all
    columns of one site are multiplied by 1.1; a tenth of the labels, in neighbouring rows, are swapped; five
    values of the third column, or of the first, are ten times too large; two sites have 80 % patients and two
    20 %, and a column tells them apart; the fourth column is missing, and filled with zeros, in 25 % of
    patients and 5 % of controls; the fifth column is the diagnosis with an error of 0.3; a tenth of the
    labels are swapped in scattered rows.

    Draws: accuracies "reported" (cross-validated, of the study with the defect), "honest" (of the same study
    without it), "true" (the model with the defect on new, sound subjects from balanced sites, on whom a
    column that is the diagnosis is not known yet; exact); "found" (1 where the first look raises an alarm);
    "evidence" (what is drawn of every scan, 0 to 1) and "label" (as recorded), shape (repeats, n_scans).

    The looks were written for the defects that are planted: that they find them is true by construction.
    Where nothing is planted, or labels are wrong here and there, "found" says whether any look raises an
    alarm.
    """

    defect = Among(*DEFECTS, label="Planted", at=list(LOOKS), start="left and right swapped")
    n_scans = Whole(300, 100, of=100, label="Scans", at=[100, 200, 300])
    effect = EFFECT(2.0, label="True effect of the disease", doc="Cohen's d.", at=np.arange(0, 2.1, 0.5))

    def recruit(p, rng, repeats):
        rows = np.arange(p.n_scans)
        site, y = rows // (p.n_scans // 4), rows % 2
        level, means = np.where(np.arange(20) == 1, 0.0, 10.0), np.zeros((4, 2, 20))
        # Of new subjects: symptoms left or right, site of one half or the other.
        means[:, :, 0] = p.effect / 2, -p.effect / 2
        means[:, 1, 1] = np.repeat([-1.5, 1.5], 2)
        if p.defect == "the site goes with the diagnosis":
            # Fives of rows keep the fold, the row modulo 5, apart from the label.
            y = np.where(site < 2, rows // 5 % 5 != 0, rows // 5 % 5 == 0).astype(int)
            means[:, :, 5] = np.tile([-1.5, 1.5], 2)[:, None]
        X = rng.standard_normal((repeats, p.n_scans, 20))
        X[..., 0] -= (y - 0.5) * p.effect
        side = rng.choice([-1.0, 1.0], X.shape[:2])
        X[..., 1] += 1.5 * side * y
        X += level
        s = SimpleNamespace(X=X.copy(), side=side, gaps=np.zeros(side.shape, bool), y=y, label=y, site=site)
        plant(p.defect, rng, s)
        each = {"X": s.X, "sound": X, "side": s.side, "gaps": s.gaps}
        return Studies(each, y=y, label=s.label, site=site, means=means + level, folds=rows % 5)

    def one(p, study):
        model, cv = RidgeClassifier(), PredefinedSplit(study.folds)
        found = {
            "reported": accuracy_score(study.label, cross_val_predict(model, study.X, study.label, cv=cv)),
            "honest": accuracy_score(study.y, cross_val_predict(model, study.sound, study.y, cv=cv)),
        }
        rule = before_the_diagnosis(p.defect, *linear_rule(model.fit(study.X, study.label)))
        found["true"] = np.mean([exact_accuracy(*rule, means) for means in study.means])
        found["evidence"], alarm = first_look(p.defect, study)
        return found | {"found": float(alarm), "label": study.label}

    def analyse(p, s):
        tests = np.arange(p.n_scans).reshape(-1, 5).T

        def accuracy_and_rule(X, y):
            scores, *rule = batched.cross_validated_rule(X, 2.0 * y - 1, tests, 1.0)
            return ((scores > 0) == (y[tests] == 1)).mean(axis=(1, 2)), rule

        reported, rule = accuracy_and_rule(s.X, s.label)
        rule = before_the_diagnosis(p.defect, *rule)
        evidence, found = first_look(p.defect, s)
        return {
            "reported": reported,
            "honest": accuracy_and_rule(s.sound, s.y)[0],
            "true": np.mean([batched.accuracy_on_new_subjects(*rule, means) for means in s.means], axis=0),
            "found": found.astype(float),
            "evidence": evidence.astype(np.float32),
            "label": np.broadcast_to(s.label, evidence.shape).astype(np.float32),
        }

    def read(p, draws):
        reported, honest, true = (f"{draws[name].mean():.2f}" for name in ("reported", "honest", "true"))
        alarm = f"alarm in {100 * draws['found'].mean():.0f} % of the studies."
        if len(draws["found"]) == 1:
            alarm = "alarm." if draws["found"][0] else "alarm in 0 of 1 study."
        if p.defect == "nothing":
            planted = f"Nothing is planted: the study reports {reported}, and the truth is {true}."
            return f"{planted} The first look raises a false {alarm}"
        return (
            f"{p.defect[0].upper()}{p.defect[1:]}: the study reports {reported}; without the defect it would "
            f"report {honest}; on new subjects its model gets {true}. The first look raises an {alarm}"
        )


def _signed(correlation):
    return f"{correlation:+.2f}".replace("-", "−")


def correlation_by_site(outcome, *, dots: bool = False) -> list[Chart]:
    """Subjects of two sites, the lines over all and of each site, and both correlations of many studies."""
    x, y = (12 * (outcome.draws[name][0].astype(float) - 0.5) for name in ("x", "y"))
    halves = [slice(len(x) // 2), slice(len(x) // 2, None), slice(None)]
    data = {f"site {n}": table(x=x[half], y=y[half]) for n, half in enumerate(halves[:2], 1)}
    lines = np.array([_line(x[half], y[half]) for half in halves])
    data["line of a site"] = table(x=lines[:2, 0].ravel(), y=lines[:2, 1].ravel()) | {"row": [1, 1, 2, 2]}
    data["line of all"] = table(x=lines[2, 0], y=lines[2, 1])
    data |= {
        "of a site": {"text": ["— within a site"]},
        "of all": {"text": ["– – over all subjects"]},
        "whose": {"text": ["● site 1, ○ site 2 (one study)"]},
    }
    hover = {"tooltip": tips(uptake="x|.2f", score="y|.2f")}
    bold = {"fontWeight": "bold"}
    layers = [
        layer("point", "site 1", **DOT, encoding=hover),
        layer("point", "site 2", **HOLLOW, encoding=hover),
        layer("line", "line of all", "reported", strokeWidth=4, strokeDash=DASHED),
        layer("line", "line of a site", "honest", strokeWidth=4, encoding={"detail": "row"}),
        above("whose", line=2, fontSize=TEXT - 1),
        above("of all", "reported", line=1, **bold),
        above("of a site", "honest", **bold),
    ]
    x, y = (
        axis(f"{name} (standard deviations)", (-6, 6), at=range(-6, 7, 3), form="~g")
        for name in ("Uptake of the striatum", "Score of a test")
    )
    both = [outcome.draws[name] for name in ("pooled", "within")]
    rows = [("over all\nsubjects", "reported"), ("within\na site", "honest")]
    ridges, more, names = ridge_rows(both, rows, dots=dots, ends=(-1, 1), said=_signed)
    none, zero = chance_line(0, "no correlation")
    r = axis("Correlation, over many studies", (-1, 1), at=np.arange(-1, 1.1, 0.5), form="~g")
    return [
        chart(layers, data, x, y, top=60, share=1.1),
        chart([*none, *ridges], more | zero, r, names, top=60),
    ]


def _line(x, y):
    """Both ends, [x, y], of the line through points."""
    # Sites that are very far apart lie at the ends of the scale, all points of one in one place.
    slope, height = np.polyfit(x, y, 1) if np.ptp(x) > 0 else (0.0, y.mean())
    ends = np.array([x.min(), x.max()])
    return ends, slope * ends + height


def _correlation(x, y):
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    return (x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))


@simulation(block=50, draw=correlation_by_site)
class two_sites_paradox:
    """Simpson's paradox: a correlation within two sites, and another one over all their subjects.

    Two measurements with standard deviation 1 and correlation `within` at each of two sites. The second site
    lies `distance` higher in both. Draws: correlations "pooled" and "within" (mean of the two sites); "x" and
    "y", the measurements, where 0 to 1 is -6 to 6 standard deviations around the common mean, site after
    site, shape (repeats, 2 * n_per_site). With b half the distance, the pooled correlation is (b^2 + within)
    / (b^2 + 1).

    Simpson (1951), Journal of the Royal Statistical Society B 13:238.
    """

    distance = EFFECT(3.0, label="Distance between the sites", at=np.arange(0, 5.1, 0.25))
    within = Number(-0.5, -1, 1, open="both", label="Correlation within a site", at=np.arange(-9, 10) / 10)
    n_per_site = Whole(60, 3, label="Subjects of each site", at=[20, 40, 60, 100, 200])

    def recruit(p, rng, repeats):
        x, other = rng.standard_normal((2, repeats, 2, p.n_per_site))  # shape (studies, sites, subjects)
        y = p.within * x + np.sqrt(1 - p.within**2) * other
        shift = np.array([[-p.distance / 2], [p.distance / 2]])
        return Studies({"x": x + shift, "y": y + shift})

    def one(p, study):
        x, y = study.x.ravel(), study.y.ravel()
        sites = [stats.pearsonr(*site).statistic for site in zip(study.x, study.y, strict=True)]
        scaled = {name: np.clip(0.5 + values / 12, 0, 1) for name, values in (("x", x), ("y", y))}
        return {"pooled": stats.pearsonr(x, y).statistic, "within": np.mean(sites)} | scaled

    def analyse(p, s):
        within = _correlation(s.x, s.y).mean(axis=1)
        x, y = (values.reshape(len(s.x), -1) for values in (s.x, s.y))
        scaled = {name: np.clip(0.5 + values / 12, 0, 1) for name, values in (("x", x), ("y", y))}
        return {"pooled": _correlation(x, y), "within": within} | scaled

    def read(p, draws):
        return (
            f"Two sites, {p.n_per_site} subjects each: over all subjects the correlation is "
            f"{draws['pooled'].mean():+.2f}; within a site it is {draws['within'].mean():+.2f}."
        )

    def head(p, draws):
        within, pooled = (_signed(draws[name].mean()) for name in ("within", "pooled"))
        return f"Correlation within a site {within}, over all subjects {pooled}."


GREY = ["#000000", "#FFFFFF"]
SPEAKS = ["#2D004B", "#8073AC", "#F7F7F7", "#E08214", "#7F3B08"]  # for "control", and for "patient"
SIDE = 156  # of a picture, in pixels of the page


def _picture(name, values, ends, shades, title, below):
    """The chart of a picture, in shades evenly between two ends, with two lines of words above and below."""
    size = len(values)
    # Row after row: the places of the pixels need not be sent.
    data = {name: table(shade=np.round(values.ravel().astype(float), 2))}
    places = {"x": f"(datum.n - 1) % {size} + 0.5", "y": f"floor((datum.n - 1) / {size}) + 0.5"}
    placed = [{"window": [{"op": "row_number", "as": "n"}]}]
    placed += [{"calculate": place, "as": channel} for channel, place in places.items()]
    data[f"{name} title"] = {"text": [title]}
    scale = {"domain": np.linspace(*ends, len(shades)).tolist(), "range": shades, "clamp": True}
    colour = {"field": "shade", "type": "quantitative", "scale": scale, "legend": None}
    layers = [
        # A little larger than they are, so that nothing shines through between them.
        layer("square", name, size=(SIDE / size + 0.5) ** 2, opacity=1, encoding={"color": colour})
        | {"transform": placed},
        above(f"{name} title", line=1, fontWeight="bold", lineHeight=17),
    ]
    x, y = (
        axis(ends=(0, size), at=[size / 2], words=[below], line=False),
        axis(ends=(size, 0), at=[], line=False),
    )
    x["scale"]["range"] = [0, SIDE]  # square, however wide the chart is
    return chart(layers, data, x, y, height=SIDE, top=42, right=8, share=0.72)


def picture_and_weights(outcome, *, dots: bool = False) -> list[Chart]:
    """A picture of the first study, the mean weights of at most 200 models, and the scores of all of them."""
    draws, some = outcome.draws, outcome.draws["weights"][:200]
    weights, models = some.mean(axis=0), counted(len(some), "model")
    weights, speaks = weights / (np.abs(weights).max() or 1), "orange: “patient”\npurple: “control”"
    scan, mean = ["A patient’s scan", "(one study)"], ["Weights, mean", f"of {models}"]
    rows = {"reported": "the study\nreports", "true": "it would\nreally get"}
    return [
        _picture("scan", draws["patient"][0], (0, 0.7), GREY, scan, "bright: much\nuptake"),
        _picture("weights", weights, (-1, 1), SPEAKS, mean, speaks),
        _scores(draws, rows, dots, height=SIDE),
    ]


@functools.cache
def slice_parts(size):
    """A healthy slice, its two putamina alone, and a letter in the corner: all pixels in a row."""
    background, caudate_left, caudate_right, left, right = striatal_templates(size, 0.03 * size)[:5]
    letter = np.zeros((size, size))
    for row, line in enumerate(LETTER):
        letter[1 + row, 1 : 1 + len(line)] = [dot == "#" for dot in line]
    healthy = background + 2 * (caudate_left + caudate_right) + 1.2 * (left + right)
    return healthy.ravel(), np.stack([left.ravel(), right.ravel()]), letter.ravel()


AGREEMENT, QUARTERS = "Agreement of the mark with the diagnosis", np.arange(13) / 4
UPTAKE_SD, NOISE, SIDES_R = 0.4, 0.4, 0.85  # of a putamen, of a pixel, between the sides


@simulation(block=10, draw=picture_and_weights)
class scanner_mark:
    """A letter that a scanner burns into a corner of the picture, and a linear model of the pixels.

    Small pictures like slices of a dopamine-transporter SPECT, half of them of patients, whose putamen is
    darker on both sides. The mark is on a share of the patients' pictures and on the rest of the controls'.
    The model is RidgeClassifier(alpha=20) of all pixels, cross-validated in five folds.

    Draws: accuracies "reported" (cross-validated), "true" (new subjects, with a mark that has nothing to do
    with the diagnosis; exact); "share" (of the distance that the model puts between the mean patient and the
    mean control of the study, what comes from the mark; 0 to 1); "weights" (of every pixel, divided by their
    largest size), "patient" and "control" (a picture of each, the patient's with the mark; 0 to 1), shape
    (repeats, size, size).
    """

    agreement = Number(0.9, 0.5, 1, label=AGREEMENT, unit="%", at=[0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1], start=1)
    brightness = Number(2.0, 0, label="Brightness of the mark", unit="× background", at=QUARTERS, start=3)
    effect = EFFECT(2.0, label="True effect in the putamen", at=np.arange(0, 3.1, 0.5))
    n_scans = Whole(80, 20, of=20, reach=3, label="Scans", at=[40, 80, 120])
    size = Whole(24, 16, 1000, reach=9, doc="Pixels per side.")

    def recruit(p, rng, repeats):
        base, putamina, letter = slice_parts(p.size)
        y = np.arange(p.n_scans) % 2
        common, own = (
            rng.standard_normal((repeats, p.n_scans, 1)),
            rng.standard_normal((repeats, p.n_scans, 2)),
        )
        uptake = np.sqrt(SIDES_R) * common + np.sqrt(1 - SIDES_R) * own - p.effect * (y[:, None] - 0.5)
        # The mark is dealt anew to every study.
        marked = rng.random((repeats, p.n_scans)) < np.where(y == 1, p.agreement, 1 - p.agreement)
        X = rng.standard_normal((repeats, p.n_scans, p.size**2), dtype=np.float32)
        X *= np.float32(NOISE)
        X += (UPTAKE_SD * uptake).astype(np.float32) @ putamina.astype(np.float32)
        on = np.flatnonzero(letter)
        X[..., on] += marked[..., None] * (p.brightness * letter[on]).astype(np.float32)
        # What differs between the scans: the healthy slice, the same in all, moves only the intercept.
        return Studies(
            {"X": X, "marked": marked}, y=y, base=base, putamina=putamina, letter=p.brightness * letter
        )

    def one(p, study):
        X, y, marked = study.X + study.base, study.y, study.marked
        model = RidgeClassifier(alpha=20.0)
        held_out = cross_val_predict(model, X, y, cv=PredefinedSplit(np.arange(p.n_scans) % 5))
        weights, intercept = linear_rule(model.fit(X, y))
        # New subjects, with the mark and without: the scores of either class are normal.
        to_sides, to_mark = study.putamina @ weights, study.letter @ weights
        sides = UPTAKE_SD**2 * np.array([[1, SIDES_R], [SIDES_R, 1]])
        spread = np.sqrt(NOISE**2 * weights @ weights + to_sides @ sides @ to_sides)
        healthy = intercept + weights @ study.base
        right = [
            stats.norm.cdf(
                sign * (healthy - sign * p.effect * UPTAKE_SD / 2 * to_sides.sum() + mark) / spread
            )
            for sign in (-1, 1)
            for mark in (0, to_mark)
        ]
        gap = weights @ (X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0))
        by_mark = to_mark * (marked[y == 1].mean() - marked[y == 0].mean())
        patient, control = (X[np.argmax(who)] for who in (marked & (y == 1), ~marked & (y == 0)))
        shape = (p.size, p.size)
        return {
            "reported": accuracy_score(y, held_out),
            "true": np.mean(right),
            "share": np.clip(by_mark / gap, 0, 1),
            "patient": np.clip(patient / 4, 0, 1).reshape(shape),
            "control": np.clip(control / 4, 0, 1).reshape(shape),
            "weights": (weights / np.abs(weights).max()).reshape(shape),
        }

    def analyse(p, s):
        tests = np.arange(p.n_scans).reshape(-1, 5).T
        held_out, weights, level = batched.cross_validated_rule(s.X, 2.0 * s.y - 1, tests, 20.0)
        # The distance between the mean patient and the mean control, as the model sees it.
        fitted = (s.X @ weights[..., None])[..., 0]
        gap = fitted[:, s.y == 1].mean(axis=1, dtype=float) - fitted[:, s.y == 0].mean(axis=1, dtype=float)
        weights = weights.astype(float)
        to_sides, to_mark = weights @ s.putamina.astype(np.float32).T, weights @ s.letter
        both = SIDES_R * to_sides.sum(axis=1) ** 2 + (1 - SIDES_R) * (to_sides**2).sum(axis=1)
        spread = np.sqrt((NOISE * np.linalg.norm(weights, axis=1)) ** 2 + UPTAKE_SD**2 * both)
        right = []
        for sign in (-1, 1):
            for mark in (0, 1):
                mean = level - sign * p.effect * UPTAKE_SD / 2 * to_sides.sum(axis=1) + mark * to_mark
                right.append(ndtr(sign * mean / spread))
        by_mark = s.marked[:, s.y == 1].mean(axis=1) - s.marked[:, s.y == 0].mean(axis=1)
        # For the picture: the first patient with the mark, and the first control without it.
        first = {"patient": s.marked & (s.y == 1), "control": ~s.marked & (s.y == 0)}
        studies, shape = np.arange(len(s.X)), (len(s.X), p.size, p.size)
        pictures = {name: s.X[studies, np.argmax(who, axis=1)] + s.base for name, who in first.items()}
        pictures = {name: np.clip(one / 4, 0, 1).reshape(shape) for name, one in pictures.items()}
        pictures["weights"] = (weights / np.abs(weights).max(axis=1, keepdims=True)).reshape(shape)
        return {
            "reported": ((held_out > 0) == (s.y[tests] == 1)).mean(axis=(1, 2)),
            "true": np.mean(right, axis=0),
            "share": np.clip(by_mark * to_mark / gap, 0, 1),
        } | {name: one.astype(np.float32) for name, one in pictures.items()}

    def read(p, draws):
        return (
            f"The mark is on {100 * p.agreement:.0f} % of the patients' scans and "
            f"{100 - 100 * p.agreement:.0f} % of the controls': {optimism(draws)}. Of the distance that the "
            f"model sees between patients and controls, {100 * draws['share'].mean():.0f} % is the mark."
        )
