"""Lesson 03: signals that a test, a model, a penalty or an average does not see."""

import functools

import numpy as np
from scipy.special import logsumexp, ndtr
from scipy.stats import f, multivariate_normal, norm, pearsonr, ttest_ind
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures

from utils import batched
from utils.drawing import (
    DOT,
    DOTTED,
    HEIGHT,
    HOLLOW,
    LEVEL,
    SHARES,
    TEXT,
    Chart,
    above,
    axis,
    bars,
    chance_line,
    chart,
    curves,
    end_labels,
    layer,
    ridges,
    table,
    tips,
)
from utils.simulation import Among, Number, Several, Studies, Whole, exact_accuracy, linear_rule, simulation

SD = "standard deviations"


def quadratic_terms(X: np.ndarray) -> np.ndarray:
    """The measures, their squares and their products of two: shape (..., p) to (..., p * (p + 3) / 2)."""
    first, second = np.triu_indices(X.shape[-1])
    return np.concatenate([X, X[..., first] * X[..., second]], axis=-1)


# The wrong test


def p_of_regression(terms, y):
    """p-value of the F-test that none of the terms helps to predict y."""
    n, k = terms.shape
    explained = LinearRegression().fit(terms, y).score(terms, y)
    return f.sf(explained / k / ((1 - explained) / (n - k - 1)), k, n - k - 1)


def p_of_regressions(terms: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same for many studies: terms (repeats, n, k), y (repeats, n)."""
    n, k = terms.shape[-2:]
    terms = terms - terms.mean(axis=-2, keepdims=True)
    y = (y - y.mean(axis=-1, keepdims=True))[..., None]
    turned = np.swapaxes(terms, -1, -2)
    towards = turned @ y
    explained = (np.swapaxes(towards, -1, -2) @ np.linalg.solve(turned @ terms, towards))[..., 0, 0]
    rest = np.maximum((y**2).sum(axis=(-2, -1)) - explained, 1e-12)
    return f.sf(explained / k / (rest / (n - k - 1)), k, n - k - 1)


TESTS = ("straight line, one measure", "straight lines, both measures", "squares and product added")


def study_and_alarms(outcome, *, dots: bool = False) -> list[Chart]:
    """The measures of the scans of one study, beside how often each test finds something."""
    draws, curved = outcome.draws, outcome.parameters["shape"] == "U-shape"
    first, second, patient = (draws[name][0] for name in ("first", "second", "patient"))
    x, y = (
        span * (values.astype(float) - 0.5) for span, values in ((12, first), (48 if curved else 12, second))
    )
    groups = {"patients": patient > 0.5, "controls": patient < 0.5}
    data = {name: table(x=x[who].round(2), y=y[who].round(2)) for name, who in groups.items()}
    data["whose"] = {"text": ["one dot per subject" if curved else "● patient, ○ control"]}
    layers = [
        layer("point", "controls", **HOLLOW, clip=True),
        layer("point", "patients", **DOT, clip=True),
        above("whose", fontSize=TEXT - 1),
    ]
    names = ("First measure", "Clinical score" if curved else "Second measure")
    x = axis(f"{names[0]} (one study)", (-6, 6), at=range(-6, 7, 3))
    y = axis(names[1], (-6, 24 if curved else 6), at=range(-6, 25, 6 if curved else 3))
    told = {"label": "Studies with p ≤ .05", "mark": "5 %: nothing to find"}
    (alarms,) = bars(outcome, names=TESTS, dots=dots, **told)
    return [chart(layers, data, x, y, height=alarms.spec["height"], top=24, right=8, share=0.62), alarms]


SHARES.add(study_and_alarms)
SHAPES = ("exclusive or", "straight line", "U-shape", "spread only")


@simulation(block=20, draw=study_and_alarms)
class tests_of_hidden_signal:
    """Which tests find a signal, if it is not a straight line.

    Two image measures, independent normal noise of variance 1 in each. "Straight line": patients' first
    measure is shifted by `strength`. "Exclusive or": a patient's two measures both lie high or both low, a
    control's on opposite sides, at plus and minus `strength`. "U-shape": no groups; a clinical score is
    `strength` times the square of the first measure, plus noise of variance 2. "Spread only": the first
    measure's standard deviation is 1 in controls and 1 + `strength` in patients.

    Draws, p-values: "straight line, one measure" (t-test or correlation), "straight lines, both measures" and
    "squares and product added" (F-tests of a regression). For the picture, shape (repeats, n_scans): "first"
    and "second", the measures, where 0 to 1 is -6 to 6 (with the U-shape "second" is the clinical score, -24
    to 24), and "patient" (with the U-shape 1 for all).

    Closed forms: the straight-line test of the exclusive or finds nothing beyond its false alarms; with the
    U-shape its error rate is not the nominal one, because the scatter about the line is not even.
    """

    shape = Among(*SHAPES, label="Shape of the signal")
    n_scans = Whole(200, 10, of=2, label="Scans", at=(20, 40, 60, 100, 200, 400), doc="Half of patients.")
    strength = Number(
        1.0, 0, label="Strength of the signal", at=np.arange(9) / 4, start=1.5, doc="0: no signal at all."
    )

    def recruit(p, rng, repeats):
        patient = np.arange(p.n_scans) % 2
        X = rng.standard_normal((repeats, p.n_scans, 2))
        y = np.tile(patient.astype(float), (repeats, 1))
        if p.shape == "straight line":
            X[..., 0] += p.strength * patient
        elif p.shape == "exclusive or":
            side = p.strength * rng.choice([-1.0, 1.0], (repeats, p.n_scans))
            X[..., 0] += side
            X[..., 1] += side * np.where(patient, 1, -1)
        elif p.shape == "U-shape":
            y = p.strength * X[..., 0] ** 2 + np.sqrt(2) * rng.standard_normal((repeats, p.n_scans))
        else:
            X[..., 0] *= 1 + p.strength * patient
        return Studies({"X": X, "y": y})

    def one(p, study):
        X, y = study.X, study.y
        if p.shape == "U-shape":
            line = pearsonr(X[:, 0], y)
        else:
            line = ttest_ind(X[y == 1, 0], X[y == 0, 0])
        wide = PolynomialFeatures(2, include_bias=False).fit_transform(X)
        found = line.pvalue, p_of_regression(X, y), p_of_regression(wide, y)
        return dict(zip(TESTS, found, strict=True)) | shown_scans(p, X, y)

    def analyse(p, s):
        terms = s.X[..., :1], s.X, quadratic_terms(s.X)
        return {
            name: p_of_regressions(some, s.y) for name, some in zip(TESTS, terms, strict=True)
        } | shown_scans(p, s.X, s.y)

    def head(p, draws):
        line, _, curved = (100 * np.mean(draws[name] <= LEVEL) for name in TESTS)
        return (
            f"A straight line is found in {line:.0f} % of studies; with squares and product, {curved:.0f} %."
        )

    def read(p, draws):
        found = ", ".join(f"{name} {100 * np.mean(draws[name] <= LEVEL):.0f} %" for name in TESTS)
        return (
            f"Signal of the shape “{p.shape}”, strength {p.strength:g}, {p.n_scans} scans. Share of studies "
            f"with p ≤ .05: {found}."
        )


def shown_scans(p, X, y):
    """What `study_and_alarms` draws of the scans, from 0 to 1."""
    curved = p.shape == "U-shape"
    second = 0.5 + (y / 48 if curved else X[..., 1] / 12)
    scans = {"first": 0.5 + X[..., 0] / 12, "second": second, "patient": np.ones_like(y) if curved else y}
    return {name: np.clip(values, 0, 1).astype(np.float32) for name, values in scans.items()}


# The wrong shape


@functools.lru_cache(maxsize=64)
def limits(straight: float, hidden: float) -> dict[str, float]:
    """Accuracies that models reach with endless scans when a straight and a hidden signal are present.

    A third measure is shifted by `straight` in patients; the first two hold an exclusive or with centres at
    plus and minus `hidden`; noise is normal with variance 1. "ceiling" is that of the Bayes rule; "linear"
    and "flexible" are where least squares ends, on the measures alone and with their squares and products;
    "best straight cut" is the best of all straight cuts, which least squares need not find.
    """
    grid = np.linspace(-hidden - 6, hidden + 6, 601)
    density = [np.exp(-((grid - centre) ** 2) / 2) for centre in (hidden, -hidden)]
    weight = sum(np.outer(one, one) for one in density)
    weight /= weight.sum()
    x1, x2 = grid[:, None], grid[None, :]

    def reached(score):
        """Share of patients right, if `score` of the first two is added to `straight` times the third."""
        if straight == 0:
            return float((weight * (0.5 * (score == 0) + (score > 0))).sum())
        return float((weight * ndtr(straight / 2 + score / straight)).sum())

    same, opposite = (hidden * (x1 + sign * x2) for sign in (1, -1))
    log_ratio = np.logaddexp(same, -same) - np.logaddexp(opposite, -opposite)
    product = 2 * hidden**2 / (1 + 2 * hidden**2) * x1 * x2
    return {
        "ceiling": reached(log_ratio),
        "linear": float(ndtr(straight / 2)),
        "flexible": reached(product),
        "best straight cut": best_straight_cut(straight, hidden),
    }


def best_straight_cut(straight: float, hidden: float) -> float:
    """The accuracy of the best straight cut through the two groups of `limits`, found on a fine grid."""
    # By symmetry it leans as much to the first measure as to the second, and to the third as much as `turn`
    # says: on such a line controls have one centre, at 0, and patients two.
    turn = np.linspace(0, 2 * np.pi, 181)[:, None]
    cut = straight / 2 + (straight + hidden + 3) * np.linspace(-1, 1, 401)
    third, apart = straight * np.sin(turn), np.sqrt(2) * hidden * np.cos(turn)
    patients = (ndtr(third + apart - cut) + ndtr(third - apart - cut)) / 2
    return float(np.max(ndtr(cut) + patients) / 2)


MODELS = ("linear", "flexible")


ENDS = (0.3, 1.02)  # of accuracies in `lost_to_bias_and_variance`
LINES = {"train": ("training score", "training"), "true": ("on new subjects", "true")}


def _learning_curves(model, draws, sizes) -> Chart:
    """One half of `lost_to_bias_and_variance`."""
    train, true = (draws[f"{model} {name}"].mean(axis=0) for name in LINES)
    limit, ceiling, best = (draws[name].mean() for name in (f"{model} limit", "ceiling", "best straight cut"))
    bias, variance = max(ceiling - limit, 0), np.maximum(limit - true, 0)
    level, ends = np.ones(len(sizes)), sizes[[0, -1]]
    guessing, data = chance_line(0.5, level=True)
    data |= {
        f"{model} bias": table(x=ends, y=limit * level[:2], y2=ceiling * level[:2], lost=bias * level[:2]),
        f"{model} variance": table(x=sizes, y=np.minimum(true, limit), y2=limit * level, lost=variance),
        f"{model} ceiling": table(x=ends, y=ceiling * level[:2]),
        f"{model} lost to bias": {"text": [f"■ lost to bias {bias:.2f}"]},
        f"{model} lost to variance": {"text": [f"■ lost to variance {variance[0]:.2f} → {variance[-1]:.2f}"]},
    }
    layers = list(guessing)
    for lost, colour, height in (("bias", "ceiling", 48), ("variance", "true", 29)):
        name, lower = f"{model} {lost}", {"x": {"value": 4}, "y": {"value": HEIGHT - height}}
        tip = {"tooltip": tips(**{f"lost_to_{lost}": "lost|.2f"})}
        layers.append(layer("area", name, colour, opacity=0.25, encoding={"y2": "y2"} | tip))
        layers.append(layer("text", f"{model} lost to {lost}", colour, align="left", encoding=lower))
    layers.append(layer("line", f"{model} ceiling", "ceiling", strokeDash=DOTTED, strokeWidth=2))
    if model == "linear":
        lower = {"x": {"value": 4}, "y": {"value": HEIGHT - 10}}
        data["best cut"] = table(x=ends, y=best * level[:2])
        data["best cut words"] = {"text": [f"– · – best straight cut {best:.2f}"]}
        layers.append(layer("line", "best cut", "ceiling", strokeDash=[8, 3, 2, 3], strokeWidth=1.5))
        layers.append(layer("text", "best cut words", "ceiling", align="left", encoding=lower))
    for name, means in (("train", train), ("true", true)):
        line, colour = f"{model} {name}", LINES[name][1]
        data |= {line: table(x=sizes, y=means), f"{line} before": {"x": []}}
        tip = {"tooltip": tips(mean="y|.3f", scans="x|.0f")}
        layers.append(layer("line", f"{line} before", "before", strokeWidth=1.5, strokeDash=DOTTED))
        layers.append(layer("line", line, colour, strokeWidth=3))
        layers.append(layer("circle", line, colour, size=60, opacity=1, encoding=tip))
    if model == "flexible":  # the lines are named once, at the right
        words, colours = zip(*LINES.values(), ("ceiling", "ceiling"), strict=True)
        found = end_labels("names", words, colours, sizes[-1], np.array([train[-1], true[-1], ceiling]), ENDS)
        layers, data = layers + found[0], data | found[1]
    x = axis("Scans", ends, at=sizes, form="d", log=True)
    y = axis("Accuracy" if model == "linear" else "", ENDS, at=np.arange(4, 11) / 10, form=".1f")
    named = {"right": 12, "share": 1 if model == "linear" else 1.4}
    return chart(layers, data, x, y, title=f"{model} model", **named)


def lost_to_bias_and_variance(outcome) -> list[Chart]:
    """Training and true score over the number of scans; the distance to the ceiling, filled in two parts."""
    sizes = np.array(outcome.parameters["sizes"], float)
    return [_learning_curves(model, outcome.draws, sizes) for model in MODELS]


@simulation(block=5, draw=lost_to_bias_and_variance)
class bias_and_variance:
    """Learning curves of a linear and a flexible model, and what each loses to bias and to variance.

    Lost to bias: the ceiling minus what the fitted model reaches with endless scans. Lost to variance: that
    minus what it reaches with n scans. Both models are ridge regressions on the labels with penalty 1; the
    flexible one also sees the squares of the measures and their products of two.

    Draws: "linear train", "linear true", "flexible train", "flexible true": accuracies, shape (repeats,
    sizes); the same in every study, accuracies with endless scans: "ceiling", "linear limit", "flexible
    limit", and "best straight cut". Between that and "linear limit" lies what least squares loses although a
    straight cut could have it: bias of the fitting, and not of the shape.

    Hastie, Tibshirani, Friedman (2009), The Elements of Statistical Learning, 2nd edition, chapter 7. The
    exclusive or alone has the ceiling Phi(a)^2 + (1 - Phi(a))^2.
    """

    straight = Number(1.0, 0, label="Straight signal in one measure", unit=SD, at=np.arange(9) / 4)
    hidden = Number(
        1.5, 0, label="Hidden signal (exclusive or) in two measures", unit=SD, at=np.arange(9) / 4
    )
    n_noise = Whole(2, 0, label="Measures that hold nothing", at=range(6))
    sizes = Several(Whole(20, 4, of=2), (20, 40, 80, 160, 320, 640), rising=True, doc="Half are patients.")
    n_new = Whole(300, 2, of=2, doc="New subjects for true accuracies, the same for the studies of a block.")

    def recruit(p, rng, repeats):
        def people(*shape):
            patient = np.arange(shape[-1]) % 2
            X = rng.standard_normal((*shape, 3 + p.n_noise))
            side = rng.choice([-p.hidden, p.hidden], shape)
            X[..., 0] += side
            X[..., 1] += side * np.where(patient, 1, -1)
            X[..., 2] += p.straight * patient
            return X, patient

        X, labels = people(repeats, p.sizes[-1])
        new, new_labels = people(p.n_new)
        return Studies({"X": X}, labels=labels, new=new, new_labels=new_labels)

    def one(p, study):
        squares_and_products = PolynomialFeatures(2, include_bias=False)
        models = {
            "linear": RidgeClassifier(),
            "flexible": make_pipeline(squares_and_products, RidgeClassifier()),
        }
        draws = {}
        for name, model in models.items():
            draws[f"{name} train"], draws[f"{name} true"] = [], []
            for n in p.sizes:
                X, y = study.X[:n], study.labels[:n]
                draws[f"{name} train"].append(model.fit(X, y).score(X, y))
                draws[f"{name} true"].append(model.score(study.new, study.new_labels))
        return draws

    def analyse(p, s):
        draws = {
            name if name in ("ceiling", "best straight cut") else f"{name} limit": np.full(len(s.X), limit)
            for name, limit in limits(p.straight, p.hidden).items()
        }
        for name, terms in (("linear", lambda X: X), ("flexible", quadratic_terms)):
            known, unknown, train, true = terms(s.X), terms(s.new), [], []
            for n in p.sizes:
                rule = batched.linear_rule(known[:, :n], 2.0 * s.labels[:n] - 1, ridge=1.0)
                train.append((called_patients(*rule, known[:, :n]) == s.labels[:n]).mean(axis=1))
                true.append((called_patients(*rule, unknown) == s.new_labels).mean(axis=1))
            draws[f"{name} train"], draws[f"{name} true"] = np.stack(train, axis=1), np.stack(true, axis=1)
        return draws

    def head(p, draws):
        lost = [
            f"the {name} model {(draws['ceiling'] - draws[f'{name} limit']).mean():.2f}" for name in MODELS
        ]
        return f"Lost to bias: {' and '.join(lost)}."

    def read(p, draws):
        ceiling = draws["ceiling"].mean()
        words = [
            f"the {name} model gets {draws[f'{name} true'][:, -1].mean():.2f}, in training "
            f"{draws[f'{name} train'][:, -1].mean():.2f} (lost to bias "
            f"{ceiling - draws[f'{name} limit'].mean():.2f})"
            for name in MODELS
        ]
        first = [draws[f"{name} true"][:, 0].mean() for name in MODELS]
        return (
            f"With {p.sizes[-1]} scans {words[0]}, {words[1]}. The ceiling is {ceiling:.2f}; the best "
            f"straight cut would get {draws['best straight cut'].mean():.2f}. With {p.sizes[0]} scans they "
            f"get {first[0]:.2f} and {first[1]:.2f}."
        )


def called_patients(weights: np.ndarray, intercepts: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Which rows of X, (r, n, p) or (n, p), linear rules, (r, p) and (r,), call patients: shape (r, n)."""
    return (X @ weights[..., None])[..., 0] + intercepts[:, None] > 0


# Too much regularisation


too_little_to_too_much = functools.partial(
    curves,
    along="thresholds",
    label="Threshold: too little shrinking ← → too much",
    log=False,
    words={
        "training": "on its own\ntraining scans",
        "honest": "cross-\nvalidated",
        "true": "on new\nsubjects",
        "ceiling": "ceiling",
    },
    band="",
    ends=(0.4, 1.02),
)


@simulation(block=5, draw=too_little_to_too_much)
class shrinkage_sweep:
    """Regularisation from too little to too much: nearest shrunken centroids over a grid of thresholds.

    The difference between the class means is shrunk towards 0 in every feature; features whose difference is
    smaller than the threshold drop out: scikit-learn's ``NearestCentroid(shrink_threshold=...)``.

    Draws: "training", "honest" (cross-validated), "true" (exact): accuracies, shape (repeats, thresholds);
    "ceiling".

    Tibshirani, Hastie, Narasimhan, Chu (2002), PNAS 99:6567, doi:10.1073/pnas.082099299.
    """

    n_folds = Whole(5, 2)
    n_scans = Whole(
        60,
        ("four times the number of folds", lambda p: 4 * p.n_folds),
        of=("twice the number of folds", lambda p: 2 * p.n_folds),
        label="Scans",
        at=(20, 40, 60, 100, 200),
    )
    n_features = Whole(200, 1)
    n_informative = Whole(
        20,
        1,
        ("the number of features", lambda p: p.n_features),
        label="Features with signal, of 200",
        at=(1, 5, 20, 50, 200),
    )
    effect = Number(
        2.0, label="True effect, all features together", unit=SD, at=(1, 1.5, 2, 2.5, 3), doc="Mahalanobis."
    )
    thresholds = Several(
        Number(0, 0), tuple(i / 4 for i in range(13)), rising=True, doc="Of shrinking; 0: none."
    )

    def recruit(p, rng, repeats):
        labels = np.arange(p.n_scans) % 2
        means = np.zeros((2, p.n_features))
        means[1, : p.n_informative] = p.effect / np.sqrt(p.n_informative)
        X = rng.standard_normal((repeats, p.n_scans, p.n_features)) + means[labels]
        return Studies({"X": X}, labels=labels, means=means)

    def one(p, study):
        X, y = study.X, study.labels
        train, honest, true = [], [], []
        for threshold in p.thresholds:
            model = NearestCentroid(shrink_threshold=threshold or None)
            # Neighbouring scans are a patient and a control, so unshuffled folds are balanced.
            honest.append(cross_val_score(model, X, y, cv=KFold(p.n_folds)).mean())
            train.append(model.fit(X, y).score(X, y))
            true.append(exact_accuracy(*linear_rule(model), study.means))
        return {"training": train, "honest": honest, "true": true, "ceiling": norm.cdf(abs(p.effect) / 2)}

    def analyse(p, s):
        def right(rules, X, labels):
            weights, intercepts = rules
            score = X @ np.swapaxes(weights, 1, 2) + intercepts[:, None]
            return ((score > 0) == (labels == 1)[:, None]).mean(axis=1)

        rules, honest = batched.shrunken_centroids(s.X, s.labels, p.thresholds), 0
        for test in np.array_split(np.arange(p.n_scans), p.n_folds):
            train = np.setdiff1d(np.arange(p.n_scans), test)
            inner = batched.shrunken_centroids(s.X[:, train], s.labels[train], p.thresholds)
            honest = honest + right(inner, s.X[:, test], s.labels[test]) / p.n_folds
        return {
            "training": right(rules, s.X, s.labels),
            "honest": honest,
            "true": batched.accuracy_on_new_subjects(*rules, s.means),
            "ceiling": np.full(len(s.X), ndtr(abs(p.effect) / 2)),
        }

    def head(p, draws):
        true = draws["true"].mean(axis=0)
        return (
            f"Truly {true[0]:.2f} without shrinking, {true.max():.2f} at best, {true[-1]:.2f} with the most."
        )

    def read(p, draws):
        true = draws["true"].mean(axis=0)
        best = int(true.argmax())
        return (
            f"{p.n_scans} scans, {p.n_features} features, {p.n_informative} of them with signal: the true "
            f"score is {true[0]:.2f} without shrinking, {true[best]:.2f} at the best threshold "
            f"({p.thresholds[best]:.2f}) and {true[-1]:.2f} at the largest. The ceiling is "
            f"{draws['ceiling'].mean():.2f}."
        )


# Too much averaging

PLACES = ("the same in all patients", "elsewhere in every patient")
SUMMARIES = {
    "region mean": ("region\nmean", "true"),
    "highest voxel": ("highest\nvoxel", "true"),
    "all voxels": ("all\nvoxels", "true"),
}
PEOPLE = 8  # whose voxels are shown


def shown_voxels(X):
    """What `voxels_and_scores` draws of a study's first scans: 0 is two standard deviations below 0."""
    return {"shown": np.clip(X[..., :PEOPLE, :] / 6 + 1 / 3, 0, 1).astype(np.float32)}


def voxels_and_scores(outcome, **shown) -> list[Chart]:
    """The voxels of some people of one study, beside the distributions of scores."""
    voxels = outcome.draws["shown"][0]
    controls, patients = voxels[::2], voxels[1::2]
    y, x = np.indices(voxels.shape)
    y += y >= len(controls)  # a gap between the groups
    words = f"datum.value == 0 ? 'controls' : datum.value == {len(controls) + 1} ? 'patients' : ''"
    shade = {"field": "value", "type": "quantitative", "scale": {"domain": [0, 1], "range": [0, 1]}}
    layers = [layer("rect", "voxels", encoding={"opacity": shade | {"legend": None}})]
    data = {"voxels": table(x=x.ravel(), y=y.ravel(), value=np.vstack([controls, patients]).ravel().round(2))}
    bare = {"domain": False, "ticks": False}
    across = {"type": "ordinal", "axis": bare | {"labels": False}}
    across["axis"]["title"] = [f"Voxels of {len(voxels)} people;", "stronger is higher"]
    down = {"type": "ordinal", "axis": bare | {"labelExpr": words, "title": None}}
    down["scale"] = {"domain": list(range(len(voxels) + 1))}
    shown |= {"rows": SUMMARIES, "label": "Accuracy on new subjects, over many studies", "ceiling": "ceiling"}
    (scores,) = ridges(outcome, **shown)
    people = chart(layers, data, across, down, height=scores.spec["height"], right=8)
    return [people, scores]


@simulation(block=5, draw=voxels_and_scores)
class region_mean:
    """A focal effect, seen through the mean of its region, through all voxels, or through the highest voxel.

    Every voxel has variance 1; the share `likeness` is common to all voxels of a subject. In patients,
    `n_affected` neighbouring voxels are raised (the region is a ring, so that all places are alike).

    Draws, accuracies on new subjects (the same for the studies of a block): "region mean" and "highest voxel"
    (one number per scan, nearest centroid), "all voxels" (ridge regression on the labels, penalty 10),
    "ceiling" (the Bayes rule). For the picture: "shown", the voxels of the first scans, from 0 to 1.
    """

    n_scans = Whole(100, 4, of=2, label="Scans", at=(20, 40, 100, 200), doc="Half are patients.")
    n_voxels = Whole(64, 2)
    n_affected = Whole(
        4,
        1,
        ("the number of voxels", lambda p: p.n_voxels),
        label="Affected voxels, of 64",
        at=(1, 2, 4, 8, 16, 32, 64),
        when=lambda p: p.effect != 0,
    )
    effect = Number(2.0, label="Effect in an affected voxel", unit=SD, at=np.arange(9) / 2)
    place = Among(
        *PLACES,
        label="Where the effect lies",
        when=lambda p: p.effect != 0 and p.n_affected < p.n_voxels,
    )
    likeness = Number(0.3, 0, 1, open="high", doc="Correlation between the voxels of one subject.")
    n_new = Whole(200, 2, of=2, doc="New subjects.")

    def recruit(p, rng, repeats):
        moves = p.place == "elsewhere in every patient"

        def people(*shape):
            labels = np.arange(shape[-1]) % 2
            X = np.sqrt(1 - p.likeness) * rng.standard_normal((*shape, p.n_voxels))
            X += np.sqrt(p.likeness) * rng.standard_normal((*shape, 1))
            first = rng.integers(p.n_voxels, size=shape) if moves else np.zeros(shape, int)
            raised = (np.arange(p.n_voxels) - first[..., None]) % p.n_voxels < p.n_affected
            return X + p.effect * (raised & (labels == 1)[:, None]), labels

        X, labels = people(repeats, p.n_scans)
        new, new_labels = people(p.n_new)
        return Studies({"X": X}, labels=labels, new=new, new_labels=new_labels, moves=moves)

    def one(p, study):
        def one_number(summary):
            summed_up = FunctionTransformer(lambda X: summary(X, axis=1, keepdims=True))
            return make_pipeline(summed_up, NearestCentroid())

        draws = {}
        for name, model in (
            ("region mean", one_number(np.mean)),
            ("highest voxel", one_number(np.max)),
            ("all voxels", RidgeClassifier(alpha=10)),
        ):
            draws[name] = model.fit(study.X, study.labels).score(study.new, study.new_labels)
        # The ceiling: the densities of patients, for every place that the effect may have, and of controls.
        noise = multivariate_normal(cov=p.likeness + (1 - p.likeness) * np.eye(p.n_voxels))
        region = p.effect * (np.arange(p.n_voxels) < p.n_affected)
        places = range(p.n_voxels if study.moves else 1)
        patients = [noise.logpdf(study.new - np.roll(region, first)) for first in places]
        ratio = logsumexp(patients, axis=0) - np.log(len(places)) - noise.logpdf(study.new)
        draws["ceiling"] = np.mean((ratio > 1e-9) == study.new_labels)
        return draws | shown_voxels(study.X)

    def analyse(p, s):
        draws = shown_voxels(s.X)
        for name, summary in (("region mean", np.mean), ("highest voxel", np.max)):
            known = summary(s.X, axis=-1)
            low, high = known[:, s.labels == 0].mean(axis=1), known[:, s.labels == 1].mean(axis=1)
            above = summary(s.new, axis=-1) > ((low + high) / 2)[:, None]
            draws[name] = ((above == (high > low)[:, None]) == s.new_labels).mean(axis=1)
        weights, intercepts = batched.linear_rule(s.X, 2.0 * s.labels - 1, ridge=10.0)
        draws["all voxels"] = ((weights @ s.new.T + intercepts[:, None] > 0) == s.new_labels).mean(axis=1)
        # The log-likelihood ratio of every place, with the common part taken out; then its mean over places.
        common = p.likeness / (1 - p.likeness + p.likeness * p.n_voxels)
        cleaned = (s.new - common * s.new.sum(axis=1, keepdims=True)) / (1 - p.likeness)
        around = np.concatenate([np.zeros((p.n_new, 1)), cleaned, cleaned[:, : p.n_affected]], axis=1)
        ends = np.cumsum(around, axis=1)
        sums = ends[:, p.n_affected : p.n_affected + p.n_voxels] - ends[:, : p.n_voxels]
        squared = p.n_affected * (1 - common * p.n_affected) / (1 - p.likeness)
        ratios = p.effect * sums - p.effect**2 * squared / 2
        ratio = np.logaddexp.reduce(ratios, axis=1) - np.log(p.n_voxels) if s.moves else ratios[:, 0]
        return draws | {"ceiling": np.full(len(s.X), ((ratio > 1e-9) == s.new_labels).mean())}

    def head(p, draws):
        mean, voxels, ceiling = (draws[name].mean() for name in ("region mean", "all voxels", "ceiling"))
        return f"Mean of the region {mean:.2f}, all voxels {voxels:.2f}, at best {ceiling:.2f}."

    def read(p, draws):
        got = ", ".join(f"{name} {draws[name].mean():.2f}" for name in SUMMARIES)
        return (
            f"The effect fills {p.n_affected} of {p.n_voxels} voxels, its place is {p.place}; {p.n_scans} "
            f"scans. Accuracy on new subjects: {got}. The ceiling is {draws['ceiling'].mean():.2f}."
        )
