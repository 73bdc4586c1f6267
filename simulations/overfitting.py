"""Lesson 02: models that fit the scans at hand, and what a published score is worth."""

import functools

import numpy as np
from scipy.special import ndtr
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import PredefinedSplit, cross_val_score
from sklearn.neighbors import NearestCentroid

from utils import batched, cohort
from utils.drawing import BEFORE, DASHED, DOTTED, Chart, axis, chart, curves, end_labels, layer, table, tips
from utils.simulation import (
    Among,
    Number,
    Several,
    Share,
    Studies,
    Whole,
    counted,
    exact_accuracy,
    linear_rule,
    optimism,
    simulation,
)

SD = "standard deviations"


def five_folds(n: int) -> PredefinedSplit:
    """Five folds of one size, dealt out in turn; the few scans left over are always in training."""
    return PredefinedSplit(np.where(np.arange(n) < n - n % 5, np.arange(n) % 5, -1))


def _tests(n: int) -> np.ndarray:
    """The test scans of `five_folds`, shape (5, n // 5)."""
    return np.arange(n - n % 5).reshape(-1, 5).T


def _fitted(X, weights, intercepts) -> np.ndarray:
    """Scores of the scans of every study by its own linear rule."""
    return (X @ weights[..., None])[..., 0] + intercepts[:, None]


def _nine_in_ten(draws) -> str:
    """What nine of ten of the smallest studies report, or the only one."""
    low, high = np.quantile(draws["reported"][:, 0], [0.05, 0.95])
    return f"{low:.2f} to {high:.2f}" if len(draws["reported"]) > 1 else f"{low:.2f}"


def _columns(found: list[dict]) -> dict[str, np.ndarray]:
    """From one dict per size to one array per draw, sizes in the last axis."""
    return {name: np.stack([one[name] for one in found], axis=-1) for name in found[0]}


@simulation(
    block=5, draw=functools.partial(curves, along="feature_counts", label="Features that the model is given")
)
class complexity_of_the_model:
    """The same scans, given to linear models with more and more features.

    Two normal classes of equal size. The first `n_informative` features share the effect in equal parts, the
    others are noise. The rule is ridge regression on the labels; with the smallest penalty it is least
    squares, and with more features than scans the shortest of the many rules that fit perfectly. Draws, one
    for each count of features: accuracies "training", "reported" (5-fold cross-validation) and "true" (the
    rule fitted to all scans, on new subjects, exact).

    Hastie, Montanari, Rosset, Tibshirani (2022), Annals of Statistics 50:949, on what comes beyond as many
    features as scans.
    """

    n_scans = Whole(40, 10, of=10, label="Scans", at=[20, 30, 40, 60])
    effect = Number(
        1.5, label="True effect of the first five features", unit=SD, at=np.arange(0, 3.1, 0.5), doc="Of all."
    )
    n_informative = Whole(5, 1)
    ridge = Number(1e-4, 0, open="low", label="Penalty", at={"none": 1e-4, "moderate": 10.0, "strong": 100.0})
    feature_counts = Several(Whole(1, 1), (1, 2, 3, 5, 10, 20, 30, 40, 60, 100, 150), rising=True)

    def recruit(p, rng, repeats):
        labels = np.arange(p.n_scans) % 2
        means = np.zeros((2, p.feature_counts[-1]))
        means[:, : p.n_informative] = np.array([[-1], [1]]) * p.effect / 2 / np.sqrt(p.n_informative)
        X = rng.standard_normal((repeats, p.n_scans, p.feature_counts[-1])) + means[labels]
        return Studies({"X": X}, labels=labels, means=means)

    def one(p, study):
        model, y = RidgeClassifier(alpha=p.ridge), study.labels
        folds = five_folds(p.n_scans)
        draws = {"training": [], "reported": [], "true": []}
        for count in p.feature_counts:
            X = study.X[:, :count]
            draws["reported"].append(cross_val_score(model, X, y, cv=folds).mean())
            draws["training"].append(model.fit(X, y).score(X, y))
            draws["true"].append(exact_accuracy(*linear_rule(model), study.means[:, :count]))
        return draws

    def analyse(p, s):
        targets, tests, found = 2.0 * s.labels - 1, _tests(p.n_scans), []
        for count in p.feature_counts:
            X = s.X[..., :count]
            rule = batched.linear_rule(X, targets, p.ridge)
            held_out = batched.cross_validated_scores(X, targets, tests, p.ridge)
            found.append(
                {
                    "training": ((_fitted(X, *rule) > 0) == s.labels).mean(axis=1),
                    "reported": ((held_out > 0) == s.labels[tests]).mean(axis=(1, 2)),
                    "true": batched.accuracy_on_new_subjects(*rule, s.means[:, :count]),
                }
            )
        return _columns(found)

    def read(p, draws):
        training, true = draws["training"].mean(axis=0), draws["true"].mean(axis=0)
        chosen, rows = draws["reported"].argmax(axis=1), np.arange(len(draws["true"]))
        best = true.argmax()
        truth = "there is nothing to find"
        if p.effect:
            truth = f"the truth is best with {counted(p.feature_counts[best], 'feature')} ({true[best]:.2f})"
        picked = {name: draws[name][rows, chosen] for name in ("reported", "true")}
        return (
            f"{p.n_scans} scans: {truth}. With all {p.feature_counts[-1]} features: training "
            f"{training[-1]:.2f}, truth {true[-1]:.2f}. If the number of features with the best "
            f"cross-validated score is chosen: {optimism(picked)}."
        )

    def head(p, draws):
        training, true = (draws[name][:, -1].mean() for name in ("training", "true"))
        return f"With all {p.feature_counts[-1]} features: training {training:.2f}, really {true:.2f}."


@simulation(block=10, draw=functools.partial(curves, along="sizes", label="Scans"))
class learning_curve_of_lda:
    """A study that grows: its training score falls, its true score rises, towards the same ceiling.

    Two normal classes of equal size and unit variance; one feature carries the effect. With equal classes,
    linear discriminant analysis (LDA) is least squares on the labels. Draws, one for each size: accuracies
    "training", "true" (exact), "theory" (Raudys and Okamoto's approximation of the mean of "true") and
    "ceiling" (the best possible rule).

    Theory: Phi(d/2 / sqrt(Tm Ts)) with Tm = 1 + 2p / (d^2 n1) for the unknown means and, for LDA, Ts = 1 +
    p / (N - p) for the unknown covariance; n1 = N / 2 scans per class.
    """

    sizes = Several(
        Whole(4, 6, of=2), (20, 30, 50, 100, 200, 500, 1000), rising=True, doc="Scans of the study."
    )
    n_features = Whole(
        10,
        1,
        ("four fewer than the smallest number of scans", lambda p: p.sizes[0] - 4),
        label="Features",
        at=[2, 5, 10, 15],
    )
    effect = Number(1.5, 0, open="low", label="True effect", unit=SD, at=np.arange(0.5, 3.1, 0.5))
    rule = Among("LDA", "nearest centroid", label="Classifier")

    def recruit(p, rng, repeats):
        labels = np.arange(p.sizes[-1]) % 2
        means = np.zeros((2, p.n_features))
        means[:, 0] = -p.effect / 2, p.effect / 2
        X = rng.standard_normal((repeats, p.sizes[-1], p.n_features)) + means[labels]
        return Studies({"X": X}, labels=labels, means=means)

    def one(p, study):
        model = LinearDiscriminantAnalysis() if p.rule == "LDA" else NearestCentroid()
        draws = {"training": [], "true": [], "theory": [], "ceiling": []}
        for n in p.sizes:
            X, y = study.X[:n], study.labels[:n]
            draws["training"].append(model.fit(X, y).score(X, y))
            draws["true"].append(exact_accuracy(*linear_rule(model), study.means))
            means_unknown = 1 + 2 * p.n_features / (p.effect**2 * n / 2)
            covariance_unknown = 1 + p.n_features / (n - p.n_features) if p.rule == "LDA" else 1
            draws["theory"].append(norm.cdf(p.effect / 2 / np.sqrt(means_unknown * covariance_unknown)))
            draws["ceiling"].append(norm.cdf(p.effect / 2))
        return draws

    def analyse(p, s):
        found = []
        for n in p.sizes:
            X, labels = s.X[:, :n], s.labels[:n]
            spread = 1 + 4 * p.n_features / (p.effect**2 * n)
            if p.rule == "LDA":
                weights, intercepts = batched.linear_rule(X, 2.0 * labels - 1, 1e-9)
                spread *= 1 + p.n_features / (n - p.n_features)
            else:
                low, high = X[:, 0::2].mean(axis=1), X[:, 1::2].mean(axis=1)
                weights, intercepts = high - low, -np.sum((high - low) * (low + high), axis=1) / 2
            found.append(
                {
                    "training": ((_fitted(X, weights, intercepts) > 0) == labels).mean(axis=1),
                    "true": batched.accuracy_on_new_subjects(weights, intercepts, s.means),
                    "theory": np.full(len(X), ndtr(p.effect / 2 / np.sqrt(spread))),
                    "ceiling": np.full(len(X), ndtr(p.effect / 2)),
                }
            )
        return _columns(found)

    def read(p, draws):
        training, true = draws["training"].mean(axis=0), draws["true"].mean(axis=0)
        return (
            f"{p.n_features} features: with {p.sizes[0]} scans training {training[0]:.2f}, truth "
            f"{true[0]:.2f}; with {p.sizes[-1]} scans training {training[-1]:.2f}, truth {true[-1]:.2f}. "
            f"The best possible is {draws['ceiling'][0, 0]:.2f}."
        )

    def head(p, draws):
        training, true = (draws[name][:, 0].mean() for name in ("training", "true"))
        return f"With {p.sizes[0]} scans: training {training:.2f}, really {true:.2f}."


# Publication

_SHOWN = 60  # studies drawn of every size; the means and shares are of all


def published_and_unpublished(outcome) -> list[Chart]:
    """Reported scores of many studies by their size, those that pass the publication filter marked."""
    sizes, level = np.array(outcome.parameters["sizes"], float), outcome.parameters["publish_from"]
    reported, true = outcome.draws["reported"], outcome.draws["true"]
    published = reported >= level - 1e-9
    # Studies of one size stand side by side, or their equal scores would hide each other.
    side = np.linspace(-0.1, 0.1, _SHOWN)[np.random.default_rng(0).permutation(_SHOWN)]
    at = np.round(sizes * np.exp(side[: len(reported), None]), 1)
    size = np.broadcast_to(sizes.astype(int), at.shape)
    data = {"truth": table(x=sizes, y=true.mean(axis=0)), "truth before": {"x": []}}
    for name, chosen in (("drawer", ~published[:_SHOWN]), ("published", published[:_SHOWN])):
        of = {"x": at, "y": reported[:_SHOWN], "true": np.round(true[:_SHOWN], 3), "size": size}
        data[name] = table(**{column: values[chosen] for column, values in of.items()})
    data["filter"] = table(x=[sizes[0] / 1.3, sizes[-1] * 1.2], y=[level, level])
    shares = [f"{100 * share:.0f}" for share in published.mean(axis=0)]
    data["shares"] = table(x=sizes) | {"text": shares}
    data["words"] = {"text": ["● published, in per cent:"]}
    data["others"] = {"text": ["○ not published"]}
    ends, last = (0, 1.03), np.array([level, true[:, -1].mean()])
    labels, more = end_labels(
        "labels", ["filter", "truth"], ["reported", "true"], sizes[-1] * 1.2, last, ends
    )
    hover = {"tooltip": tips(scans="size", reported="y|.2f", really="true|.2f")}
    dot, top = {"size": 30, "opacity": 1}, {"y": {"value": 0}}
    bold, left = {"fontWeight": "bold"}, {"x": {"value": 0}}
    layers = [
        layer("point", "drawer", "#737373", strokeWidth=1.3, filled=False, encoding=hover, **dot),
        layer("point", "published", "reported", filled=True, encoding=hover, **dot),
        layer("line", "truth" + BEFORE, "before", strokeDash=DOTTED),
        layer("line", "truth", "true", strokeWidth=3.5),
        layer("line", "filter", "reported", strokeWidth=2, strokeDash=DASHED),
        layer("text", "shares", "reported", dy=-10, encoding=top, **bold),
        layer("text", "words", "reported", dy=-29, align="left", encoding=top | left, **bold),
        layer("text", "others", "#737373", dy=-46, align="left", encoding=top | left),
        *labels,
    ]
    x = axis("Scans in the study", (sizes[0] / 1.3, sizes[-1] * 1.2), at=sizes, form="~g", log=True)
    y = axis("Accuracy reported", ends, at=np.arange(0, 1.1, 0.2), form=".1f")
    return [chart(layers, data | more, x, y, top=62, right=64)]


@simulation(block=20, draw=published_and_unpublished)
class publication_filter:
    """Many honest studies of one question, small and large, and those of them that are published.

    Every study draws subjects of its own, half of them patients, fits ridge regression on the labels and
    reports its cross-validated accuracy. Nobody leaks, tunes or cheats. Draws, one for each size: accuracies
    "reported" (5-fold cross-validation) and "true" (the study's own model on new subjects, exact).

    Flint and others (2021), Neuropsychopharmacology 46:1510, doi:10.1038/s41386-021-01020-7. Varoquaux
    (2018), NeuroImage 180:68, doi:10.1016/j.neuroimage.2017.06.061.
    """

    publish_from = Share(0.7, label="Published from an accuracy of", at=np.arange(0.5, 0.91, 0.05))
    effect = Number(
        0.56,
        label="True effect",
        unit=SD,
        at=[0, 0.28, 0.56, 1, 1.5, 2],
        doc=".56 allows an accuracy of .61.",
    )
    n_features = Whole(10, 1, label="Features", at=[2, 5, 10, 20])
    ridge = Number(1.0, 0, open="low", doc="Penalty.")
    sizes = Several(
        Whole(10, 10, of=10), (20, 30, 40, 60, 100, 200, 400), rising=True, doc="Scans; one study of each."
    )

    def recruit(p, rng, repeats):
        means = np.zeros((2, p.n_features))
        means[:, 0] = -p.effect / 2, p.effect / 2
        studies = {
            f"X of {n}": rng.standard_normal((repeats, n, p.n_features)) + means[np.arange(n) % 2]
            for n in p.sizes
        }
        return Studies(studies, means=means)

    def one(p, study):
        model, draws = RidgeClassifier(alpha=p.ridge), {"reported": [], "true": []}
        for n in p.sizes:
            X, y = getattr(study, f"X of {n}"), np.arange(n) % 2
            folds = five_folds(n)
            draws["reported"].append(cross_val_score(model, X, y, cv=folds).mean())
            draws["true"].append(exact_accuracy(*linear_rule(model.fit(X, y)), study.means))
        return draws

    def analyse(p, s):
        found = []
        for n in p.sizes:
            X, labels, tests = getattr(s, f"X of {n}"), np.arange(n) % 2, _tests(n)
            rule = batched.linear_rule(X, 2.0 * labels - 1, p.ridge)
            held_out = batched.cross_validated_scores(X, 2.0 * labels - 1, tests, p.ridge)
            right = ((held_out > 0) == labels[tests]).mean(axis=(1, 2))
            found.append({"reported": right, "true": batched.accuracy_on_new_subjects(*rule, s.means)})
        return _columns(found)

    def read(p, draws):
        published = draws["reported"] >= p.publish_from - 1e-9
        start = f"A study is published if it reports {p.publish_from:.2f} or more"
        everyone = (
            f"all studies together report {draws['reported'].mean():.2f}; "
            f"their models get {draws['true'].mean():.2f}"
        )
        if not published.any():
            return f"{start}: none is. Published or not, {everyone}."
        picked = {name: draws[name][published] for name in ("reported", "true")}
        small, large = (100 * published[:, end].mean() for end in (0, -1))
        return (
            f"{start}: {small:.0f} % of those with {p.sizes[0]} scans and {large:.0f} % of those with "
            f"{p.sizes[-1]}. Of what is published, {optimism(picked)}. Published or not, {everyone}."
        )

    def head(p, draws):
        published = draws["reported"] >= p.publish_from - 1e-9
        if not published.any():
            return "None is published."
        reported, true = (draws[name][published].mean() for name in ("reported", "true"))
        return f"What is published reports {reported:.2f}, really {true:.2f}."


# Regional MRI

REGIONS = ("cortex", "cortex and subcortical volumes", "putamen alone")


def effects_of_regions(regions: str) -> np.ndarray:
    """Cohen's d of every region, Parkinson's disease against controls, as ENIGMA-PD found them."""
    cortex = list(cohort.THICKNESS_D.values())
    volumes = {name: row[0] for name, row in cohort.VOLUME.items()}
    of = {REGIONS[0]: cortex, REGIONS[1]: [*cortex, *volumes.values()], REGIONS[2]: [volumes["putamen"]]}
    return np.array(of[regions])


@simulation(block=4, draw=functools.partial(curves, along="sizes", label="Subjects", score="AUC"))
class regional_mri:
    """Parkinson's disease from regional MRI, with the effect sizes of ENIGMA-PD: a study that grows.

    The regions are jointly normal with the correlation of the course's cohort (.20 between any two), one
    site, no site effect, half of the subjects patients. The rule is linear (ridge regression on the
    diagnosis). The subjects of a study are among those of the next one. Draws, one for each size: AUC,
    "training", "reported" (mean over 5 folds), "true" (exact) and "ceiling" (the best possible rule).

    Laansma and others (2021), Movement Disorders 36:2583, doi:10.1002/mds.28706; see `utils.cohort`.
    """

    regions = Among(
        *REGIONS, label="Measures", doc="33 cortical thicknesses, these and 8 volumes, or the putamen."
    )
    strength = Number(1.0, 0, open="low", label="Size of the effects", unit="× ENIGMA-PD", at=[1, 2, 3, 5])
    ridge = Number(
        1e-3,
        0,
        open="low",
        label="Penalty",
        at={"none": 1e-3, "strong": 300.0},
        when=lambda p: p.regions != REGIONS[2],  # an AUC of one measure is that of its sign
        doc="Of standardised measures.",
    )
    sizes = Several(Whole(10, 10), (40, 100, 400, 3539), rising=True, doc="Subjects.")

    def recruit(p, rng, repeats):
        d, r = p.strength * effects_of_regions(p.regions), cohort.REGIONAL_R
        covariance = np.full((len(d), len(d)), r) + (1 - r) * np.eye(len(d))
        # In single precision, which halves the time of drawing so many numbers.
        X = rng.standard_normal((repeats, p.sizes[-1], len(d)), dtype=np.float32)
        X *= np.float32(np.sqrt(1 - r))
        X += np.float32(np.sqrt(r)) * rng.standard_normal((*X.shape[:2], 1), dtype=np.float32)
        X[:, 1::2] += d.astype(np.float32)
        return Studies({"X": X}, d=d, covariance=covariance, best=np.linalg.solve(covariance, d))

    def one(p, study):
        model = RidgeClassifier(alpha=p.ridge)
        draws = {"training": [], "reported": [], "true": [], "ceiling": []}
        for n in p.sizes:
            X, y = study.X[:n].astype(float), np.arange(n) % 2
            folds = five_folds(n)
            draws["reported"].append(cross_val_score(model, X, y, cv=folds, scoring="roc_auc").mean())
            model.fit(X, y)
            draws["training"].append(roc_auc_score(y, model.decision_function(X)))
            for name, weights in (("true", np.ravel(model.coef_)), ("ceiling", study.best)):
                spread = np.sqrt(2 * weights @ study.covariance @ weights)
                draws[name].append(norm.cdf(weights @ study.d / spread))
        return draws

    def analyse(p, s):
        found = []
        for n in p.sizes:
            X, labels, tests = s.X[:, :n], np.arange(n) % 2, _tests(n)
            if n < 1000:  # a small penalty needs the precision, unless there are subjects enough
                X = X.astype(float)
            held_out, weights, _ = batched.cross_validated_rule(X, 2.0 * labels - 1, tests, p.ridge)
            width = np.sqrt(2 * np.einsum("rp,pq,rq->r", weights, s.covariance, weights))
            of_folds = [batched.auc(held_out[:, fold], labels[test]) for fold, test in enumerate(tests)]
            found.append(
                {
                    "training": batched.auc((X @ weights[..., None].astype(X.dtype))[..., 0], labels),
                    "reported": np.mean(of_folds, axis=0),
                    "true": ndtr(weights @ s.d / width),
                    "ceiling": np.full(len(X), ndtr(np.sqrt(s.d @ s.best / 2))),
                }
            )
        return _columns(found)

    def read(p, draws):
        training, reported, true = (draws[name].mean(axis=0) for name in ("training", "reported", "true"))
        studies = "Nine studies in ten" if len(draws["true"]) > 1 else "This study"
        return (
            f"The best possible AUC is {draws['ceiling'][0, 0]:.2f}. {studies} with {p.sizes[0]} subjects: "
            f"reported {_nine_in_ten(draws)} (training {training[0]:.2f}, truth {true[0]:.2f}). "
            f"{p.sizes[-1]} subjects report {reported[-1]:.2f} (training {training[-1]:.2f}, truth "
            f"{true[-1]:.2f})."
        )

    def head(p, draws):
        true = draws["true"][:, 0].mean()
        return f"With {p.sizes[0]} subjects: reported {_nine_in_ten(draws)}, really {true:.2f}."
