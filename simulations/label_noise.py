"""Lesson 04: wrong labels, in training and test, of several kinds, shared, against architecture, a budget."""

from functools import partial

import numpy as np
from scipy.special import expit
from scipy.stats import binom, norm
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from utils import batched
from utils.drawing import (
    COLOURS,
    DASHED,
    DOTTED,
    Chart,
    above,
    axis,
    by_row,
    chance_line,
    chart,
    curves,
    end_labels,
    handle,
    layer,
    table,
    tips,
)
from utils.simulation import (
    Among,
    Number,
    Several,
    Studies,
    Whole,
    counted,
    exact_accuracy,
    linear_rule,
    simulation,
)

PER_CENT = partial(Number, unit="%")

# Labels as recorded, at several positions of a scale: training and test of one rule


def group_means(effect: float, n_features: int) -> np.ndarray:
    """Means of controls and patients, shape (2, n_features): the first feature carries the whole effect."""
    return np.outer([-effect / 2, effect / 2], np.arange(n_features) == 0)


def train_and_test(model, study) -> dict:
    """Train on labels as recorded; test with labels as recorded ("reported") and with right ones ("true")."""
    reported, true = [], []
    for n, recorded, test_recorded in zip(study.sizes, study.recorded, study.test_recorded, strict=True):
        model.fit(study.X[:n], recorded[:n])
        reported.append(model.score(study.new, test_recorded))
        if isinstance(model, KNeighborsClassifier):
            true.append(model.score(study.new, study.test_labels))
        else:
            true.append(exact_accuracy(*linear_rule(model), study.means))
    return {"reported": np.array(reported), "true": np.array(true), "ceiling": study.ceiling}


def train_and_test_all(rule: str, s) -> dict[str, np.ndarray]:
    """What `train_and_test` finds in every study: draws of shape (repeats, positions)."""
    called, true = np.empty(s.test_recorded.shape, bool), np.empty(s.test_recorded.shape[:2])
    for n in dict.fromkeys(s.sizes):
        at = np.flatnonzero(np.array(s.sizes) == n)
        recorded = s.recorded[:, at, :n]
        if rule == "nearest neighbour":
            called[:, at] = batched.neighbours(s.X[:, :n], recorded, s.new, 1)
            true[:, at] = (called[:, at] == s.test_labels).mean(axis=2)
            continue
        rows = np.broadcast_to(s.X[:, None, :n], (*recorded.shape, s.X.shape[2]))
        ridge = batched.linear_rule(rows, 2.0 * recorded - 1, 1.0) if rule == "ridge" else None
        weights, level = ridge or batched.centroids(rows, recorded)
        called[:, at] = weights @ np.swapaxes(s.new, 1, 2) + level[..., None] > 0
        true[:, at] = batched.accuracy_on_new_subjects(weights, level, s.means)
    reported = (called == s.test_recorded).mean(axis=2)
    return {"reported": reported, "true": true, "ceiling": np.broadcast_to(s.ceiling, true.shape)}


RULES = ("nearest centroid", "nearest neighbour")
LINE, SD = partial(curves, log=False), "standard deviations"
SHARES = partial(LINE, form=".0%")
PERFECT = {"ceiling": "a perfect\nmodel\nreports"}


def expected_accuracy(p, right):
    """Theory for every share of wrong labels; `right`: the accuracy with right ones, for the neighbour."""
    kept = 1 - 2 * np.array(p.rates, float) * (p.where != "test only")
    if p.rule == "nearest neighbour":
        return right * kept + (1 - kept) / 2
    worth = np.maximum(p.n_scans * kept**2, 1e-300)  # as many scans with right labels
    return norm.cdf(p.effect / 2 / np.sqrt(1 + 4 * p.n_features / (p.effect**2 * worth))) + 0 * right


@simulation(block=20, draw=partial(SHARES, along="rates", label="Wrong labels", words=PERFECT))
class wrong_labels:
    """More and more wrong labels, each as likely as any other, in training, in the test or in both.

    Two normal classes of equal size and unit variance; one feature carries the effect. The same scans for
    every share of wrong labels. Draws, one for each share: "true", accuracy on new subjects with right labels
    (exact for the nearest centroid, on the test scans for the nearest neighbour); "reported", accuracy on the
    test scans with their labels as recorded; "theory" of "true"; "ceiling", what a perfect model reports.

    Theory. The nearest centroid of n scans with a share r of wrong labels is about as good as that of
    n (1 - 2r)^2 with right ones. The nearest neighbour's accuracy a becomes a (1 - 2r) + r, exactly.
    """

    where = Among("training and test", "training only", "test only", label="Wrong labels in")
    n_scans = Whole(200, 20, of=2, label="Training scans", at=(50, 100, 200, 400, 1000))
    n_features = Whole(20, 1)
    effect = Number(1.5, 0, open="low", label="True effect", unit=SD, at=(0.5, 1, 1.5, 2, 3))
    rule = Among(*RULES, label="Classifier")
    rates = Several(Number(0, 0, 0.5), tuple(i / 20 for i in range(9)), doc="Shares of wrong labels.")
    n_test = Whole(200, 2, of=2, doc="Test scans.")

    def recruit(p, rng, repeats):
        labels, test_labels = np.arange(p.n_scans) % 2, np.arange(p.n_test) % 2
        means = group_means(p.effect, p.n_features)
        X = rng.standard_normal((repeats, p.n_scans, p.n_features)) + means[labels]
        new = rng.standard_normal((repeats, p.n_test, p.n_features)) + means[test_labels]
        # One random number per label: who is wrong at a small share is wrong at a larger one too.
        luck, test_luck = rng.random((repeats, 1, p.n_scans)), rng.random((repeats, 1, p.n_test))
        rates = np.array((0, *p.rates))  # the first for the theory: all labels right
        in_training, in_test = rates * (p.where != "test only"), rates * (p.where != "training only")
        recorded = np.where(luck < in_training[:, None], 1 - labels, labels)
        test_recorded = np.where(test_luck < in_test[:, None], 1 - test_labels, test_labels)
        each = {"X": X, "recorded": recorded, "new": new, "test_recorded": test_recorded}
        sizes = [p.n_scans] * len(rates)
        return Studies(each, test_labels=test_labels, means=means, sizes=sizes, ceiling=1 - in_test)

    def one(p, study):
        model = NearestCentroid() if p.rule == "nearest centroid" else KNeighborsClassifier(1)
        draws = train_and_test(model, study)
        theory = expected_accuracy(p, draws["true"][0])
        return {name: values[1:] for name, values in draws.items()} | {"theory": theory}

    def analyse(p, s):
        draws = train_and_test_all(p.rule, s)
        theory = expected_accuracy(p, draws["true"][:, :1])
        return {name: values[:, 1:] for name, values in draws.items()} | {"theory": theory}

    def head(p, draws):
        i = int(np.abs(np.array(p.rates) - 0.2).argmin())
        reported, true = (draws[name][:, i].mean() for name in ("reported", "true"))
        return f"With {100 * p.rates[i]:.0f} % wrong labels reported {reported:.2f}, really {true:.2f}."

    def read(p, draws):
        i = int(np.abs(np.array(p.rates) - 0.2).argmin())
        reported, true = draws["reported"].mean(axis=0), draws["true"].mean(axis=0)
        return (
            f"{p.n_scans} scans, {p.rule}, wrong labels in {p.where}. With right labels the truth is "
            f"{true[0]:.2f}. With {100 * p.rates[i]:.0f} % wrong labels the study reports {reported[i]:.2f} "
            f"and the truth is {true[i]:.2f}; a perfect model would report {draws['ceiling'][0, i]:.2f}."
        )


# Who is labelled wrongly

TEN_OF_EACH = "enough for ten of each", lambda p: int(10 / min(p.prevalence, 1 - p.prevalence) + 1 - 1e-6)
KINDS = {  # which of controls and patients it concerns
    "patients missed": (0, 1),
    "controls called patients": (1, 0),
    "mild patients missed": (0, 1),
    "borderline scans, either way": (1, 1),
    "anyone, by chance": (1, 1),
}


def chance_of_error(kind: str, rate: float, x: np.ndarray, groups: np.ndarray, effect: float) -> np.ndarray:
    """Chance of a wrong label for true controls and true patients at every point x: shape (2, len(x)).

    `groups`, shape (2, len(x)), is how many of each there are. The mean chance, over those whom the kind
    concerns, is `rate`.
    """
    concerned = np.array(KINDS[kind])[:, None]
    # Around the best cut a scan speaks for neither group; there it is a coin toss at most.
    cut, toss = np.log(groups[0].sum() / groups[1].sum()) / effect, np.log(0.5)
    by_feature = {
        "mild patients missed": lambda level: expit(level - effect * x),
        "borderline scans, either way": lambda level: np.exp(np.minimum(level - 2 * np.abs(x - cut), toss)),
    }
    if kind not in by_feature or rate == 0:
        return concerned * np.full(len(x), rate)
    who, low, high = (groups * concerned).sum(axis=0), -100.0, 100.0
    for _ in range(60):  # the level at which the mean chance is as asked for
        middle = (low + high) / 2
        too_low = np.sum(by_feature[kind](middle) * who) < rate * who.sum()
        low, high = (middle, high) if too_low else (low, middle)
    return concerned * by_feature[kind](low)


def logistic_cuts(x: np.ndarray, recorded: np.ndarray) -> np.ndarray:
    """Where logistic regression of one feature, nearly without a penalty, says one half: x, labels (r, n)."""
    powers = np.stack([np.ones_like(x), x, x * x], axis=-1)
    slope, level = np.zeros(len(x)), np.zeros(len(x))
    for _ in range(50):  # Newton's method: six steps or so, more where the groups hardly overlap
        half = np.tanh((slope[:, None] * x + level[:, None]) / 2) / 2  # the probability minus one half
        a, b, c = (np.maximum(0.25 - half * half, 1e-9)[:, None] @ powers)[:, 0].T
        up, tilt, _ = ((recorded - 0.5 - half)[:, None] @ powers)[:, 0].T
        c, tilt = c + 1e-3, tilt - 1e-3 * slope
        rise, turn = np.stack([c * up - b * tilt, a * tilt - b * up]) / (a * c - b * b)
        level, slope = level + rise, slope + turn
        if np.all(np.abs(rise) + np.abs(turn) <= 1e-9 * (1 + np.abs(level) + np.abs(slope))):
            break
    return -level / np.where(np.abs(slope) < 1e-6, 1e-6, slope)


def performance(study, cut, best):
    """What a cut learnt from recorded labels gets and is reported to get; `best`: learnt from right ones."""
    draws = {}
    for name, at in (("threshold", cut), ("threshold, right labels", best)):
        draws[name] = np.clip((at + study.end) / (2 * study.end), 0, 1)
    for name, at, by in (("", cut, 1), ("reported ", cut, 0), ("best ", best, 1)):
        negatives, positives = study.below.sum(axis=by)  # in truth, or as recorded
        low, high = np.interp(at, study.x, negatives), np.interp(at, study.x, positives)
        draws[f"{name}sensitivity"] = np.clip(1 - high / positives[-1], 0, 1)
        draws[f"{name}specificity"] = np.clip(low / negatives[-1], 0, 1)
        draws[f"{name}accuracy"] = low + positives[-1] - high
    del draws["best accuracy"]
    return draws | {"true": draws.pop("accuracy"), "reported": draws.pop("reported accuracy")}


def _groups_and_threshold(draws, p) -> Chart:
    """Left half of `threshold_and_errors`."""
    names = ("controls", "patients", "wrong controls", "wrong patients")
    groups = {name: draws[name][0, ::2] for name in names}
    at = np.linspace(0, 1, len(groups["controls"]))
    low, high = np.quantile(draws["threshold"], [0.05, 0.95])
    cuts = np.array([draws["threshold"].mean(), draws["threshold, right labels"].mean()])
    grip, where = handle("moved", cuts[0], per=1 / (p["effect"] + 5))
    flanks = np.array([12, 48])  # of both hills: there stand their names
    data = {
        "groups": table(x=at, **groups),
        "group names": table(x=at[flanks] + [-0.02, 0.02])
        | {"y": [float(groups["controls"][12]), float(groups["patients"][48])], "text": list(names[:2])},
        "wrong": {"text": ["■ labelled wrongly"]},
        "band": table(x=np.array([low]), x2=np.array([high]), y=[0], y2=[1.04]),
        "cuts": table(x=cuts, beside=cuts.clip(0.25, 0.75), y=[0, 0], y2=[1.04, 1.04], height=[1.17, 1.09])
        | {"row": [0, 1], "text": [f"threshold {'moved' if p['moved'] else 'learnt'}", "with right labels"]},
        "cuts before": {"x": []},
    }
    layers = []
    for name, opacity in zip(names, (0, 0.4, 0.8, 0.8), strict=True):
        line = {} if name.startswith("wrong") else {"line": {"strokeWidth": 1.5}}
        place = {"y": name, "y2": {"datum": 0}}
        layers.append(layer("area", "groups", "chance", fillOpacity=opacity, encoding=place, **line))
    row, upright = {"color": by_row(["reported", "true"])}, {"y2": "y2"}
    dash = {"strokeDash": {"condition": {"test": "datum.row == 0", "value": [1, 0]}, "value": DASHED}}
    layers += [
        layer("rect", "band", "reported", opacity=0.25, encoding={"x2": "x2", "y2": "y2"}),
        layer("rule", "cuts before", "before", strokeWidth=1.5, strokeDash=DOTTED, encoding=upright),
        layer("rule", "cuts", strokeWidth=3, encoding=upright | row | dash | {"tooltip": tips(what="text")}),
        layer("text", "cuts", fontWeight="bold", encoding=row | {"x": "beside", "y": "height"}),
        above("wrong", "chance", dy=-14),
        *(layer(kind, "group names", "chance") for kind in ("halo", "text")),
        *grip,
    ]
    x = axis("How ill the scan looks →", at=[])
    return chart(layers, data | where, x, axis(ends=(0, 1.22), at=[], line=False), top=32, share=1.4)


def threshold_and_errors(outcome) -> list[Chart]:
    """Both groups along one measure with those labelled wrongly, the threshold, and what it gets."""
    draws, words = outcome.draws, ["reported", "truth", "right labels"]
    kinds = ("reported ", "", "best ")
    names = [f"{kind}{score}" for score in ("sensitivity", "specificity") for kind in kinds]
    means = np.array([draws[name].mean() for name in names])
    data = {
        "marks": table(x=means, beside=means.clip(0.2, 0.8), y=np.array([1.3, 1, 0.7, 0.3, 0, -0.3]))
        | {"row": [0, 1, 2] * 2, "text": [f"{words[i % 3]} {mean:.2f}" for i, mean in enumerate(means)]},
        "marks before": {"x": []},
    }
    row = {"color": by_row(["reported", "true", "true"])}
    shape = {"shape": {"field": "row", "type": "nominal", "legend": None}}
    shape["shape"]["scale"] = {"domain": [0, 1, 2], "range": ["diamond", "circle", "triangle-up"]}
    look = {"size": 130, "filled": True, "opacity": 1}
    layers = [
        layer("point", "marks before", "before", size=40, filled=True, opacity=1),
        layer("point", "marks", **look, encoding=row | shape | {"tooltip": tips(mean="x|.3f", of="text")}),
        layer("text", "marks", dy=-16, fontWeight="bold", encoding=row | {"x": "beside"}),
    ]
    x = axis("Mean over many studies", at=[0, 0.5, 1], form=".1f")
    y = axis(ends=(-0.6, 1.6), at=[1, 0], words=["Sensitivity", "Specificity"], line=False)
    return [_groups_and_threshold(draws, outcome.parameters), chart(layers, data, x, y, top=32)]


@simulation(block=25, draw=threshold_and_errors)
class kinds_of_wrong_labels:
    """Who is labelled wrongly decides where the threshold goes.

    One measure of the scan, normal with unit variance in controls and in patients, who lie higher. Logistic
    regression (C = 1000, nearly without a penalty) is fitted to the recorded labels and cuts at one half. By
    class: every patient, or every control, is as likely to be labelled wrongly. By feature: the milder a
    patient, the more likely; or the nearer to the best threshold, up to a coin toss.

    Draws: "threshold" and "threshold, right labels", on a scale from 0 to 1 that reaches 2.5 standard
    deviations beyond the means of both groups; "sensitivity", "specificity", "true" (accuracy) on endless new
    subjects; "reported sensitivity" and so on, with labels of the same kind; "best sensitivity" and so on, of
    the model trained on right labels. For the picture, shape (repeats, 121): how many "controls", "patients"
    and, of these, "wrong controls" and "wrong patients" there are along that scale, at most 1.
    """

    kind = Among(*KINDS, label="Who is labelled wrongly", when=lambda p: p.rate > 0)
    rate = PER_CENT(0.2, 0, 0.4, label="How many of these", at=(0, 0.1, 0.2, 0.3, 0.4))
    prevalence = Number(0.5, 0.05, 0.95, label="Share of patients", unit="%", at=np.linspace(0.1, 0.9, 9))
    n_scans = Whole(400, TEN_OF_EACH, label="Training scans", at=(100, 400, 2000))
    moved = Number(0.0, label="Move the threshold by", unit=SD, at=np.arange(-6, 7) / 4, doc="By hand.")
    effect = Number(2.0, 0, open="low", doc="Cohen's d.")

    def recruit(p, rng, repeats):
        # The population: how many controls and patients at every x, how likely they are labelled wrongly.
        end = p.effect / 2 + 2.5
        x = np.linspace(-end - 3, end + 3, 2001)
        controls, patients = norm.pdf(x, -p.effect / 2), norm.pdf(x, p.effect / 2)
        groups = np.array([(1 - p.prevalence) * controls, p.prevalence * patients])
        groups /= groups.sum()
        chance = chance_of_error(p.kind, p.rate, x, groups, p.effect)
        said = np.array([[1 - chance[0], chance[0]], [chance[1], 1 - chance[1]]])  # by truth, label, x
        # The studies. A fixed number of patients, or a small study of a rare disease could have none.
        n = round(p.n_scans * p.prevalence)
        labels = (np.arange(p.n_scans) < n).astype(int)
        scans = rng.standard_normal((repeats, p.n_scans)) + p.effect * (labels - 0.5)
        wrong = np.hstack([np.interp(scans[:, :n], x, chance[1]), np.interp(scans[:, n:], x, chance[0])])
        recorded = np.where(rng.random(scans.shape) < wrong, 1 - labels, labels)
        below = np.cumsum(groups[:, None] * said, axis=2)  # how many people lie below x
        each = {"scans": scans, "recorded": recorded}
        return Studies(each, labels=labels, x=x, end=end, groups=groups, chance=chance, below=below)

    def one(p, study):
        cuts = []
        for labels in (study.recorded, study.labels):
            model = LogisticRegression(C=1e3, solver="newton-cholesky", tol=1e-14)
            model.fit(study.scans[:, None], labels)
            cuts.append(-model.intercept_[0] / model.coef_[0, 0])
        return performance(study, cuts[0] + p.moved, cuts[1])

    def analyse(p, s):
        right = np.broadcast_to(s.labels, s.scans.shape)
        draws = performance(s, logistic_cuts(s.scans, s.recorded) + p.moved, logistic_cuts(s.scans, right))
        seen, top = np.linspace(-s.end, s.end, 121), s.groups.max()
        shapes = {"controls": s.groups[0], "patients": s.groups[1]}
        shapes |= {"wrong controls": s.groups[0] * s.chance[0], "wrong patients": s.groups[1] * s.chance[1]}
        for name, values in shapes.items():
            draws[name] = np.tile(np.interp(seen, s.x, values) / top, (len(s.scans), 1))
        return draws

    def read(p, draws):
        mean = {name: draws[name].mean() for name in draws}
        moved = mean["threshold"] - mean["threshold, right labels"]
        cut = f"is moved by {p.moved:+g} {SD}" if p.moved else "stays"
        if not p.moved and abs(moved) > 0.006:
            cut = f"moves towards the {'patients' if moved > 0 else 'controls'}"
        return (
            f"{p.kind[0].upper()}{p.kind[1:]}, {100 * p.rate:.0f} %; {100 * p.prevalence:.0f} % are patients."
            f" The threshold {cut}. The study reports sensitivity {mean['reported sensitivity']:.2f}, "
            f"specificity {mean['reported specificity']:.2f}, accuracy {mean['reported']:.2f}; the truth is "
            f"{mean['sensitivity']:.2f}, {mean['specificity']:.2f} and {mean['true']:.2f}."
        )


# Errors that reference and model share

SHARED = ("a look-alike in the scan", "the scan itself")
INDEPENDENT = {"theory": "expected if\nindependent"}
IN_THE_SCAN = "Share of the rater's error that is in the scan"


@simulation(block=20, draw=partial(SHARES, along="shares", label=IN_THE_SCAN, words=INDEPENDENT))
class shared_errors:
    """A reference whose errors are more and more those of the model.

    The rater's impression of a subject is the truth plus an error, and the label is its sign. A share of the
    error's variance comes from the scan that the model sees, the rest from elsewhere; the rater is right
    equally often for every share. A linear model (ridge regression on the labels, penalty 1) is trained on
    such labels and tested on other subjects with such labels. "The scan itself": the error is the noise in
    the feature that carries the disease. "A look-alike": it is another feature, the same in both groups.

    Draws, one for each share: accuracies "reported" (on the test scans, with the rater's labels), "true"
    (exact), "theory" (the report if the errors were independent: a (1 - 2r) + r), "ceiling" (best true one).

    Vacek (1985), Biometrics 41:959. Walter and others (2012), doi:10.1002/sim.4444.
    """

    through = Among(*SHARED, label="The rater's errors come from")
    rater_accuracy = PER_CENT(0.8, 0.55, 0.99, label="The rater is right in", at=(0.6, 0.7, 0.8, 0.9, 0.95))
    effect = Number(2.0, 0, open="low", label="True effect in the scan", unit=SD, at=(1, 2, 3))
    n_scans = Whole(200, 20, of=2, doc="Training scans.")
    n_features = Whole(10, 2, doc="All but the first are the same in both groups.")
    shares = Several(
        Number(0, 0, 1), (0, 0.2, 0.4, 0.6, 0.8, 1), doc="Of the error's variance, from the scan."
    )
    n_test = Whole(200, 2, of=2, doc="Test scans.")

    def recruit(p, rng, repeats):
        labels = np.arange(p.n_scans + p.n_test) % 2
        means = group_means(p.effect, p.n_features)
        noise = rng.standard_normal((repeats, len(labels), p.n_features))
        in_the_scan = noise[:, None, :, 0 if p.through == "the scan itself" else 1]
        elsewhere = rng.standard_normal((repeats, 1, len(labels)))
        shares, truth = np.array(p.shares, float)[:, None], norm.ppf(p.rater_accuracy) * (2.0 * labels - 1)
        recorded = (truth + np.sqrt(shares) * in_the_scan + np.sqrt(1 - shares) * elsewhere > 0).astype(int)
        X = noise + means[labels]
        each = {"X": X[:, : p.n_scans], "recorded": recorded[..., : p.n_scans]}
        each |= {"new": X[:, p.n_scans :], "test_recorded": recorded[..., p.n_scans :]}
        ceiling = np.full(len(shares), norm.cdf(p.effect / 2))
        return Studies(each, means=means, sizes=[p.n_scans] * len(shares), ceiling=ceiling)

    def one(p, study):
        draws = train_and_test(RidgeClassifier(alpha=1.0), study)
        return draws | {"theory": draws["true"] * (2 * p.rater_accuracy - 1) + 1 - p.rater_accuracy}

    def analyse(p, s):
        draws = train_and_test_all("ridge", s)
        return draws | {"theory": draws["true"] * (2 * p.rater_accuracy - 1) + 1 - p.rater_accuracy}

    def head(p, draws):
        reported, true = (draws[name][:, -1].mean() for name in ("reported", "true"))
        return f"If all errors are shared, reported {reported:.2f}, really {true:.2f}."

    def read(p, draws):
        reported, true = draws["reported"].mean(axis=0), draws["true"].mean(axis=0)
        return (
            f"A rater who is right in {100 * p.rater_accuracy:.0f} % of the cases. If the rater's errors "
            f"have nothing to do with the scan, the study reports {reported[0]:.2f} and the truth is "
            f"{true[0]:.2f}. If they all come from {p.through}, it reports {reported[-1]:.2f} and the truth "
            f"is {true[-1]:.2f}."
        )


# Labels or architecture

MODELS = ("linear", "nearest centroid", "naive Bayes", "kernel", "15 neighbours", "1 neighbour")
MODEL_SETS = {
    "five of different kinds": MODELS[:5],
    "these and a poor one": MODELS,
    "three linear ones": MODELS[:3],
    "two flexible ones": MODELS[3:5],
}


def predictions(name: str, X: np.ndarray, recorded: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Labels that a model gives to new scans; arrays as in `batched.neighbours`."""
    if name == "naive Bayes":
        return batched.naive_bayes(X, recorded, new)
    if name.endswith(("neighbour", "neighbours")):
        return batched.neighbours(X, recorded, new, int(name.split()[0]))
    targets = 2.0 * recorded - 1
    if name == "kernel":
        return np.stack([batched.kernel_ridge(*study) for study in zip(X, targets, new, strict=True)])
    rows = np.broadcast_to(X[:, None], (*recorded.shape, X.shape[2]))
    linear = name == "linear"
    weights, intercepts = (
        batched.linear_rule(rows, targets, 10.0) if linear else batched.centroids(rows, recorded)
    )
    return weights @ np.swapaxes(new, 1, 2) + intercepts[..., None] > 0


def shares_of_variance(scores: np.ndarray) -> dict[str, float]:
    """What the differences in a balanced table of scores are due to: shares of its sum of squares.

    `scores` has shape (studies, levels of label noise, models). "labels" and "model" are main effects, "both
    together" is their interaction, the studies are blocks; with "rest" they add up to 1 (eta squared).
    """
    middle = scores.mean()
    total = np.sum((scores - middle) ** 2)
    study, level, model = (scores.mean(axis=axes) - middle for axes in ((1, 2), (0, 2), (0, 1)))
    both = scores.mean(axis=0) - middle - level[:, None] - model
    parts = {"labels": level, "model": model, "both together": both, "study": study}
    # Each part stands in scores.size / part.size cells of the table.
    squares = {name: scores.size * np.mean(part**2) for name, part in parts.items()}
    shares = {name: float(part / total) if total > 0 else 0.0 for name, part in squares.items()}
    return shares | {"rest": max(1 - sum(shares.values()), 0.0)}


# Lines of models differ in lightness, marker, dashes and name; the colours of scores mean something else.
SHADES, DASHES = ("ceiling", "chance") * 3, ([1, 0], [1, 0], DASHED, DASHED, DOTTED, DOTTED)
MARKERS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
CAUSES = ("labels", "model", "both together", "study", "rest")
CAUSES_IN_WORDS = ("label\nquality", "the\nmodel", "both\ntogether", "luck of\nthe study", "the rest")


def models_and_shares(outcome) -> list[Chart]:
    """True accuracy of models over the share of wrong labels, beside what explains the differences."""
    names, mean = MODEL_SETS[outcome.parameters["models"]], outcome.draws["true"].mean(axis=0)
    levels, rows = (
        np.linspace(0, outcome.parameters["worst"], len(mean)),
        [MODELS.index(one) for one in names],
    )
    guessing, data = chance_line(0.5, level=True)
    data["models"] = table(x=np.tile(levels, len(names)), y=mean.T.ravel(), row=np.repeat(rows, len(levels)))
    data["models"]["name"] = np.repeat(names, len(levels)).tolist()
    data["models before"] = {"x": []}
    ends, looks = (0.44, 0.96), {"color": by_row(SHADES)}
    for channel, kinds in (("strokeDash", DASHES), ("shape", MARKERS)):
        scale = {"domain": list(range(len(kinds))), "range": list(kinds)}
        looks[channel] = {"field": "row", "type": "nominal", "scale": scale, "legend": None}
    tip = {"tooltip": tips(model="name", accuracy="y|.3f", wrong_labels="x|.0%")}
    point = {"color": looks["color"], "shape": looks.pop("shape")} | tip
    shades = [SHADES[row] for row in rows]
    labels, more = end_labels("names", names, shades, levels[-1], mean[-1].clip(*ends), ends, 0.45)
    detail, before = {"detail": "row"}, {"strokeWidth": 1.5, "strokeDash": DOTTED}
    layers = [
        *guessing,
        layer("line", "models before", "before", **before, encoding=detail),
        layer("line", "models", strokeWidth=2.5, encoding=looks),
        layer("point", "models", size=70, filled=True, opacity=1, encoding=point),
        *labels,
    ]
    x = axis("Wrong training labels", (0, 0.45), at=np.arange(5) / 10, form=".0%")
    y = axis("True accuracy", ends, at=np.arange(5, 10) / 10, form=".1f")
    return [chart(layers, data | more, x, y, right=12, top=10, share=1.7), _shares_of_causes(outcome.draws)]


def _shares_of_causes(draws) -> Chart:
    """Right half of `models_and_shares`."""
    shares, row = np.array([draws[name].mean() for name in CAUSES]), list(range(len(CAUSES)))
    words = {"text": [f"{100 * share:.0f} %" for share in shares], "row": row}
    data = {"shares": table(x=shares, y=row[::-1]) | words, "shares before": {"x": []}}
    bar, from_zero = {"orient": "horizontal", "size": 30}, {"x2": {"datum": 0}}
    shades = {"color": by_row(["ceiling", "chance", *["before"] * 3])}
    outline = {"stroke": COLOURS["before"], "strokeDash": DOTTED} | bar
    layers = [
        layer("bar", "shares", **bar, encoding=from_zero | shades | {"tooltip": tips(share="x|.1%")}),
        layer("bar", "shares before", "transparent", **outline, encoding=from_zero),
        layer("text", "shares", align="left", dx=7, fontWeight="bold"),
    ]
    x = axis("Share of the differences", at=[0, 0.5, 1], form=".0%")
    y = axis(ends=(-0.5, 4.5), at=row[::-1], words=CAUSES_IN_WORDS, line=False)
    return chart(layers, data, x, y, right=44, top=10)


@simulation(block=10, draw=models_and_shares)
class labels_or_architecture:
    """The same labels, better and worse, for several models: what explains the differences in accuracy?

    Linear signal: 20 features, five of which share the effect. XOR: four features; the label depends on
    whether the first two, at plus or minus `centre`, agree in sign, so that neither alone says anything.
    Training labels are flipped at random at four levels, from none to the worst; test labels are right.
    Models: "linear", ridge regression on the labels with penalty 10; "nearest centroid"; "naive Bayes";
    "kernel", ridge regression with a Gaussian kernel and penalty 1, a cousin of the support vector machine;
    "15 neighbours"; and, the poor one, "1 neighbour".

    The ten studies of a block are one experiment with a balanced table of scores, study x level x model.
    Draws: "true", shape (repeats, 4, models), accuracy on new scans with right labels; and, the same for all
    studies of an experiment, the "labels", "model", "both together", "study", "rest" of `shares_of_variance`.
    """

    signal = Among("linear", "XOR", label="Signal")
    worst = PER_CENT(
        0.3, 0, 0.45, open="low", label="Worst labels are wrong in", at=(0.1, 0.2, 0.3, 0.4, 0.45)
    )
    models = Among(*MODEL_SETS, label="Models that are compared")
    n_scans = Whole(200, 20, of=4, label="Training scans", at=(52, 100, 200, 300))
    effect = Number(2.0, doc="Mahalanobis distance of the classes, for the linear signal.")
    centre = Number(1.5, doc="For XOR: the four centres lie at plus or minus this.")
    n_new = Whole(200, 4, of=4, doc="New scans on whom each study's accuracy is measured.")

    def recruit(p, rng, repeats):
        kinds = np.arange(p.n_scans + p.n_new) % 4
        if p.signal == "linear":
            labels, at = kinds % 2, np.zeros((len(kinds), 20))
            at[:, :5] = p.effect / np.sqrt(5) * (labels[:, None] - 0.5)
        else:
            labels, at = (kinds % 2 == kinds // 2).astype(int), np.zeros((len(kinds), 4))
            at[:, :2] = p.centre * (2 * np.stack([kinds % 2, kinds // 2], axis=1) - 1)
        X = rng.standard_normal((repeats, *at.shape)) + at
        wrong = rng.random((repeats, 4, p.n_scans)) < np.linspace(0, p.worst, 4)[:, None]
        recorded = np.where(wrong, 1 - labels[: p.n_scans], labels[: p.n_scans])
        each = {"X": X[:, : p.n_scans], "recorded": recorded, "new": X[:, p.n_scans :]}
        return Studies(each, new_labels=labels[p.n_scans :], names=MODEL_SETS[p.models])

    def one(p, study):
        models = {
            "linear": RidgeClassifier(alpha=10),
            "nearest centroid": NearestCentroid(),
            "naive Bayes": GaussianNB(),
            "kernel": KernelRidge(alpha=1, kernel="rbf", gamma=1 / (study.X.shape[1] * study.X.var())),
            "15 neighbours": KNeighborsClassifier(15),
            "1 neighbour": KNeighborsClassifier(1),
        }
        true = np.empty((4, len(study.names)))
        for level, recorded in enumerate(study.recorded):
            for m, name in enumerate(study.names):
                # The kernel model is a regression on labels of -1 and +1: its sign is the diagnosis.
                predicted = models[name].fit(study.X, 2 * recorded - 1).predict(study.new) > 0
                true[level, m] = np.mean(predicted == study.new_labels)
        return {"true": true}

    def analyse(p, s):
        right = [predictions(name, s.X, s.recorded, s.new) == s.new_labels for name in s.names]
        true = np.stack([one.mean(axis=-1) for one in right], axis=-1)
        shares = shares_of_variance(true)
        return {"true": true} | {name: np.full(len(s.X), share) for name, share in shares.items()}

    def head(p, draws):
        labels, model = (100 * draws[name].mean() for name in ("labels", "model"))
        return f"Label quality explains {labels:.0f} % of the differences, the model {model:.0f} %."

    def read(p, draws):
        names, mean = MODEL_SETS[p.models], draws["true"].mean(axis=0)
        best, worst = mean[0].argmax(), mean[0].argmin()
        share = {name: 100 * draws[name].mean() for name in ("labels", "model")}
        return (
            f"{p.signal[0].upper()}{p.signal[1:]} signal, {p.n_scans} scans, 0 % to {100 * p.worst:.0f} % "
            f"wrong training labels, {len(names)} models. Label quality explains {share['labels']:.0f} % of "
            f"the differences in true accuracy, the model {share['model']:.0f} %. With right labels: "
            f"{names[best]} {mean[0, best]:.2f}, {names[worst]} {mean[0, worst]:.2f}; with the worst labels "
            f"{mean[-1, best]:.2f} and {mean[-1, worst]:.2f}."
        )


# A budget


def majority_error(rater_error: float, n_raters: int, shared: float = 0.0) -> float:
    """How often the majority of an odd number of raters errs; `shared`: scans that deceive all or none."""
    return float(shared * rater_error + (1 - shared) * binom.sf(n_raters // 2, n_raters, rater_error))


def scans_paid(budget: float, rating_cost: float, n_raters: int) -> int:
    """Scans (an even number) that can be made and rated for the budget, in costs of a scan."""
    return int(budget / (1 + n_raters * rating_cost) / 2 + 1e-9) * 2


@simulation(block=10, draw=partial(LINE, along="raters", label="Raters for every scan", words=PERFECT))
class scans_or_raters:
    """A fixed sum of money: more scans, or more raters for each?

    Every scan is rated by the same odd number of raters, and the majority decides. The more raters, the
    fewer scans can be paid. The test scans are labelled in the same way; they cost nothing here.

    Draws, one for each number of raters: accuracies "true" (exact for the nearest centroid), "reported" (on
    the test scans, with the majority's labels) and "ceiling" (what a perfect model would report).

    Sheng, Provost, Ipeirotis (2008), KDD, pages 614 to 622.
    """

    rating_cost = Number(
        0.1, 0, 1, label="A rating costs", unit="% of a scan", at=(0.02, 0.05, 0.1, 0.25, 0.5, 1)
    )
    rater_error = PER_CENT(0.2, 0, 0.45, label="A single rater is wrong in", at=(0.05, 0.1, 0.2, 0.3, 0.4))
    shared = PER_CENT(0.0, 0, 1, label="Scans that deceive all raters or none", at=(0, 0.25, 0.5, 0.75, 1))
    budget = Whole(200, 100, 1000, label="Budget", unit="scans without rating", at=(100, 200, 500))
    rule = Among(*RULES, label="Classifier")
    effect = Number(1.5, 0, open="low", doc="Mahalanobis distance of the classes.")
    n_features = Whole(20, 1)
    raters = Several(Among(1, 3, 5, 7, 9), (1, 3, 5, 7, 9), doc="Numbers of raters, odd.")
    n_test = Whole(200, 2, of=2, doc="Test scans.")

    def recruit(p, rng, repeats):
        paid = [scans_paid(p.budget, p.rating_cost, k) for k in p.raters]
        n_scans = max(paid)
        labels = np.arange(n_scans + p.n_test) % 2
        means = group_means(p.effect, p.n_features)
        X = rng.standard_normal((repeats, len(labels), p.n_features)) + means[labels]
        alone = rng.random((repeats, len(labels), max(p.raters))) < p.rater_error
        together = rng.random((repeats, len(labels))) < p.shared
        deceived = rng.random((repeats, len(labels))) < p.rater_error
        # For every number of raters, the label that the majority records.
        wrong = [np.where(together, deceived, alone[..., :k].sum(axis=-1) > k / 2) for k in p.raters]
        recorded = np.where(np.stack(wrong, axis=1), 1 - labels, labels)
        each = {"X": X[:, :n_scans], "recorded": recorded[..., :n_scans]}
        each |= {"new": X[:, n_scans:], "test_recorded": recorded[..., n_scans:]}
        ceiling = np.array([1 - majority_error(p.rater_error, k, p.shared) for k in p.raters])
        return Studies(each, test_labels=labels[n_scans:], means=means, sizes=paid, ceiling=ceiling)

    def one(p, study):
        model = NearestCentroid() if p.rule == "nearest centroid" else KNeighborsClassifier(1)
        return train_and_test(model, study)

    def analyse(p, s):
        return train_and_test_all(p.rule, s)

    def head(p, draws):
        true, reported = draws["true"].mean(axis=0), draws["reported"].mean(axis=0)
        told = [
            f"{counted(p.raters[i], 'rater')}: reported {reported[i]:.2f}, really {true[i]:.2f}"
            for i in (0, -1)
        ]
        return f"{'; '.join(told)}."

    def read(p, draws):
        true, first, last = draws["true"].mean(axis=0), draws["reported"][:, 0], draws["reported"][:, -1]
        best, worst = true.argmax(), true.argmin()
        paid = {k: scans_paid(p.budget, p.rating_cost, k) for k in p.raters}
        bought = [f"{k} rater{'s' * (k > 1)} and {n} scans" for k, n in paid.items()]
        told = f"it hardly matters for the model ({true[best]:.2f})"
        if round(true[best], 2) != round(true[worst], 2):
            told = f"the best model comes from {bought[best]} ({true[best]:.2f}), "
            told += f"the worst from {bought[worst]} ({true[worst]:.2f})"
        return (
            f"For the price of {p.budget:g} unrated scans, a rating at {100 * p.rating_cost:g} % of a scan: "
            f"{told}. The study reports {first.mean():.2f} with {p.raters[0]} and {last.mean():.2f} with "
            f"{p.raters[-1]} raters."
        )
