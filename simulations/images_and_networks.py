"""Lesson 08: what networks and images add to the pitfalls, in models whose truth is known."""

from functools import partial

import numpy as np
from scipy.ndimage import correlate
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import PredefinedSplit, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from simulations.dealing import dealt_and_scored, first_fold
from utils import batched
from utils.drawing import INK, curves, ridges
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

EFFECT = partial(Number, label="True effect", unit="standard deviations")
QUARTERS = (0, 0.25, 0.5, 0.75, 1)
TENTHS = np.arange(11) / 10


def group_means(effect: float, n_features: int) -> np.ndarray:
    """Means of controls and patients, so far apart, the difference spread over all features."""
    return np.outer([-0.5, 0.5], np.full(n_features, effect / np.sqrt(n_features)))


# Learnt by heart

PENALTIES = {"none": 1e-4, "weak": 10.0, "strong": 300.0}
WIDTHS = (5, 10, 20, 40, 60, 80, 160, 320)
BY_WIDTH = partial(
    curves,
    along="units",
    label="Units of the hidden layer",
    words={"training": "on its\nown scans", "true": "on new\nsubjects"},
)


@simulation(block=10, draw=BY_WIDTH)
class learnt_by_heart:
    """A network is trained on labels of which a share was decided by a coin.

    The network has one hidden layer whose weights are drawn at random and stay as they are; only the layer
    behind it is fitted, by RidgeClassifier. A wider network has all units of a narrower one, and more. Two
    normal classes of equal size. Draws, one for each width: accuracies "training" (on its own scans and
    labels) and "true" (on new subjects and their right labels).

    Where all labels are a coin's, heads as often as tails, and there is no penalty, a scan's fitted value is
    h times its own label and noise of variance h (1 - h), with h = units / scans, so that the training
    accuracy is about Phi(sqrt(h / (1 - h))). Zhang and others (2017), ICLR, arXiv:1611.03530.
    """

    coin = Share(1.0, label="Labels decided by a coin", unit="%", at=QUARTERS)
    n_scans = Whole(60, 4, of=2, label="Scans", at=(40, 60, 100, 200))
    penalty = Number(1e-4, 1e-4, label="Penalty on the weights", at=PENALTIES)
    effect = EFFECT(3.0, at=(0, 1, 2, 3, 4))
    n_pixels = Whole(30, 1)
    units = Several(Whole(5, 1, 2000), WIDTHS, rising=True, doc="Widths of the hidden layer.")
    n_new = Whole(200, 2, of=2, doc="New subjects, half of them patients.")

    def recruit(p, rng, repeats):
        labels, means = np.arange(p.n_scans + p.n_new) % 2, group_means(p.effect, p.n_pixels)
        X = rng.standard_normal((repeats, len(labels), p.n_pixels)) + means[labels]
        tossed = rng.random((repeats, p.n_scans)) < p.coin
        heads = rng.permuted(np.tile(labels[: p.n_scans], (repeats, 1)), axis=1)
        recorded = np.where(tossed, heads, labels[: p.n_scans])
        of_one_class = np.ptp(recorded, axis=1) == 0  # nothing to fit: two right labels, then
        recorded[of_one_class, :2] = labels[:2]
        first_layer = rng.standard_normal((p.n_pixels, p.units[-1])) / np.sqrt(p.n_pixels)
        each = {"X": X[:, : p.n_scans], "recorded": recorded, "new": X[:, p.n_scans :]}
        return Studies(each, new_labels=labels[p.n_scans :], first_layer=first_layer)

    def one(p, study):
        hidden, new = (np.maximum(X @ study.first_layer, 0) for X in (study.X, study.new))
        training, true = [], []
        for width in p.units:
            model = RidgeClassifier(alpha=p.penalty).fit(hidden[:, :width], study.recorded)
            training.append(model.score(hidden[:, :width], study.recorded))
            true.append(model.score(new[:, :width], study.new_labels))
        return {"training": np.array(training), "true": np.array(true)}

    def analyse(p, s):
        hidden, new = (np.maximum(X @ s.first_layer, 0) for X in (s.X, s.new))
        draws = {"training": [], "true": []}
        for width in p.units:
            weights, intercepts = batched.linear_rule(hidden[..., :width], 2.0 * s.recorded - 1, p.penalty)
            for name, rows, labels in (("training", hidden, s.recorded), ("true", new, s.new_labels)):
                scores = (rows[..., :width] @ weights[..., None])[..., 0] + intercepts[:, None]
                draws[name].append(((scores > 0) == labels).mean(axis=1))
        return {name: np.stack(values, axis=1) for name, values in draws.items()}

    def read(p, draws):
        training, true = (draws[name].mean(axis=0) for name in ("training", "true"))
        return (
            f"{p.n_scans} scans, {100 * p.coin:.0f} % of their labels decided by a coin. With "
            f"{p.units[0]} units: {training[0]:.2f} on its own scans, {true[0]:.2f} on new subjects. With "
            f"{p.units[-1]} units: {training[-1]:.2f} and {true[-1]:.2f}."
        )

    def head(p, draws):
        training, true = (draws[name][:, -1].mean() for name in ("training", "true"))
        return f"With {p.units[-1]} units: {training:.2f} on its own scans, {true:.2f} on new subjects."


# The best epoch


@simulation(block=20, draw=ridges)
class best_epoch:
    """After every epoch a network is tested on scans held out, and the best epoch is kept.

    What is trained is the last layer of a network, logistic regression, by gradient descent in batches of ten
    scans from weights of 0; the layers before it are fixed, and give the features. Two normal classes of
    equal size. Two sets of scans of equal size are held out. Draws: accuracies "reported" (in the set by
    which the epoch was chosen), "honest" (the same model in the other set), "true" (the same model on new
    subjects, exact).

    Where there is nothing to learn, "reported" lies between .5 and the best of so many independent coins, of
    which each decides all the answers: the expected maximum of binomial counts.
    """

    epochs = Whole(30, 1, 300, label="Epochs that are tried", at=(1, 3, 10, 30, 100))
    n_held_out = Whole(20, 2, of=2, label="Scans in each set held out", at=(10, 20, 40, 100, 200))
    rate = Number(1.0, 0, 1, open="low", label="Learning rate", at=(0.001, 0.01, 0.1, 1))
    effect = EFFECT(0.0, at=np.arange(0, 3.1, 0.5))
    n_scans = Whole(60, 10, 1000, of=10, doc="Training scans.")
    n_features = Whole(50, 1)

    def recruit(p, rng, repeats):
        means = group_means(p.effect, p.n_features)
        labels = np.arange(p.n_scans + 2 * p.n_held_out) % 2
        X = rng.standard_normal((repeats, len(labels), p.n_features)) + means[labels]
        parts = np.cumsum([p.n_scans, p.n_held_out])
        order = np.array([rng.permutation(p.n_scans).reshape(-1, 10) for _ in range(p.epochs)])
        sets = dict(zip(("train", "chosen_by", "untouched"), np.split(X, parts, axis=1), strict=True))
        return Studies(sets, labels=np.split(labels, parts), batches=order, means=means)

    def one(p, study):
        (y, y_chosen_by, y_untouched), best = study.labels, -1
        weights, intercept = np.zeros(p.n_features), 0.0
        for batches in study.batches:  # an epoch
            for batch in batches:
                error = expit(study.train[batch] @ weights + intercept) - y[batch]
                weights = weights - p.rate * error @ study.train[batch] / len(batch)
                intercept = intercept - p.rate * error.mean()
            reported = np.mean((study.chosen_by @ weights + intercept > 0) == y_chosen_by)
            if reported > best:
                best, kept = reported, (weights, intercept)
        honest = np.mean((study.untouched @ kept[0] + kept[1] > 0) == y_untouched)
        return {"reported": best, "honest": honest, "true": exact_accuracy(*kept, study.means)}

    def analyse(p, s):
        repeats, (y, y_chosen_by, y_untouched) = len(s.train), s.labels
        weights, intercept, best = (
            np.zeros((repeats, p.n_features)),
            np.zeros(repeats),
            np.full(repeats, -1.0),
        )
        kept, kept_intercept = weights, intercept
        for batches in s.batches:
            for batch in batches:
                X = s.train[:, batch]
                error = expit((X @ weights[..., None])[..., 0] + intercept[:, None]) - y[batch]
                weights = weights - p.rate / 10 * (error[:, None] @ X)[:, 0]
                intercept = intercept - p.rate / 10 * error.sum(axis=1)
            scores = (s.chosen_by @ weights[..., None])[..., 0] + intercept[:, None]
            reported = ((scores > 0) == y_chosen_by).mean(axis=1)
            better = reported > best
            best = np.where(better, reported, best)
            kept = np.where(better[:, None], weights, kept)
            kept_intercept = np.where(better, intercept, kept_intercept)
        scores = (s.untouched @ kept[..., None])[..., 0] + kept_intercept[:, None]
        return {
            "reported": best,
            "honest": ((scores > 0) == y_untouched).mean(axis=1),
            "true": batched.accuracy_on_new_subjects(kept, kept_intercept, s.means),
        }

    def read(p, draws):
        return (
            f"The best of {counted(p.epochs, 'epoch')} by {p.n_held_out} scans: {optimism(draws)}. The same "
            f"models on as many scans that chose nothing: {draws['honest'].mean():.2f}."
        )


# Copies, slices, persons

DEALT = {
    "reported": ("dealt by\ncopy", "reported"),
    "slices": ("dealt by\nslice", "reported"),
    "honest": ("dealt by\nperson", "honest"),
    "true": ("new\npersons", "true"),
}


WAYS = {name: words for name, (words, _) in DEALT.items() if name != "true"}


@simulation(
    block=5,
    draw=partial(dealt_and_scored, dealt=WAYS, persons="n_persons", scan="picture", rows=DEALT),
)
class copies_slices_persons:
    """Slices of some persons, augmented copies of every slice, and three ways to deal them into folds.

    A slice has unit variance, of which the share `alike` is the person's. A copy adds a little noise to its
    slice (`jitter`, in standard deviations; the first copy is the slice itself). Half of the persons are
    patients. The classifier is the nearest neighbour. Draws: accuracies "reported" (copies dealt one by one),
    "slices" (a slice with all its copies), "honest" (a person with all slices; copies are made of the
    training slices alone), "true" (on new persons, one slice each); for the picture, each with " test", 1 for
    a picture in the first fold.

    Where slices of one person are sure to be recognised and the diagnosis means nothing, the first two follow
    from counting: see ``tests/simulations/test_images_and_networks.py``. Yagis and others (2021), Scientific
    Reports 11:22544, doi:10.1038/s41598-021-01681-w.
    """

    n_persons = Whole(20, 10, of=2, label="Persons", at=(10, 20, 30))
    n_slices = Whole(3, 1, 100, reach=3, label="Slices of each person", at=(1, 2, 3, 4))
    n_copies = Whole(3, 1, 100, reach=3, label="Copies of each slice", at=(1, 2, 3))
    alike = Share(
        0.8,
        label="How alike the slices of a person are (correlation)",
        at=TENTHS,
        when=lambda p: p.n_slices > 1,
    )
    effect = EFFECT(0.0, at=np.arange(0, 3.1, 0.5))
    jitter = Number(0.2, 0, 10, doc="Of the copies, in standard deviations of a slice.")
    n_features = Whole(50, 1)
    n_new = Whole(100, 2, of=2)

    def recruit(p, rng, repeats):
        slices = np.repeat(np.arange(p.n_persons * p.n_slices), p.n_copies)
        persons = slices // p.n_slices
        # All are exchangeable, so one random deal serves all studies of a block.
        names = {"reported": np.arange(len(slices)), "slices": slices, "honest": persons}
        folds = {name: rng.permutation(np.arange(who[-1] + 1) % 5)[who] for name, who in names.items()}
        means = group_means(p.effect, p.n_features)
        person = rng.standard_normal((repeats, p.n_persons, p.n_features))
        X = np.sqrt(p.alike) * person[:, np.arange(p.n_persons).repeat(p.n_slices)]
        X += np.sqrt(1 - p.alike) * rng.standard_normal(X.shape)
        first = np.arange(len(slices)) % p.n_copies == 0
        X = X[:, slices] + np.where(first, 0, p.jitter)[:, None] * rng.standard_normal(
            (repeats, len(slices), p.n_features)
        )
        y, new_y = persons % 2, np.arange(p.n_new) % 2
        new = rng.standard_normal((repeats, p.n_new, p.n_features)) + means[new_y]
        return Studies({"X": X + means[y], "new": new}, y=y, new_y=new_y, folds=folds, first=first)

    def one(p, study):
        model, right = KNeighborsClassifier(1), {}
        for name, folds in study.folds.items():
            right[name] = cross_val_predict(model, study.X, study.y, cv=PredefinedSplit(folds)) == study.y
        right["honest"] = right["honest"][study.first]  # copies are for training alone
        true = model.fit(study.X, study.y).score(study.new, study.new_y)
        draws = {name: values.mean() for name, values in right.items()} | {"true": true}
        return draws | {name: one[0] for name, one in first_fold(study.folds, 1).items()}

    def analyse(p, s):
        held_out, of_new = batched.neighbours_in_folds(s.X, s.y, s.folds, s.new)
        right = {name: called == s.y for name, called in held_out.items()}
        right["honest"] = right["honest"][:, s.first]
        draws = {name: values.mean(axis=1) for name, values in right.items()}
        return draws | first_fold(s.folds, len(s.X)) | {"true": (of_new == s.new_y).mean(axis=1)}

    def read(p, draws):
        return (
            f"{p.n_persons} persons, {p.n_slices} × {p.n_copies} pictures of each: dealt by copy, "
            f"{optimism(draws)}. Dealt by slice it would report {draws['slices'].mean():.2f}, by person "
            f"{draws['honest'].mean():.2f}."
        )


# Features that have seen the test subjects

TAUGHT = ("the diagnosis", "another trait", "nothing, pictures alone")


@simulation(block=10, draw=ridges)
class seen_in_pretraining:
    """Features come from a network that was pretrained on many people, among them the study's own subjects.

    The pretrained layer is linear and has one unit: ridge regression (penalty 1) on the diagnosis or on
    another trait, which has nothing to do with it, or the first principal component of the pictures alone. On
    that unit the study trains a nearest centroid, in five folds. Draws: accuracies "reported" (a share of the
    study's subjects were in the pretraining), "honest" (as many other people in their place), "true" (of the
    network of "reported", on new subjects, exact).

    Where there is nothing to find, a subject who was in the pretraining is classified rightly with
    probability Phi(sqrt(h / (1 - h))), about, with h = pixels / people in the pretraining.
    """

    taught = Among(*TAUGHT, label="What it was pretrained to tell")
    n_people = Whole(200, 10, of=2, reach=30, label="People in the pretraining", at=(100, 200, 500, 1000))
    seen = Share(1.0, label="Subjects of the study who were among them", unit="%", at=QUARTERS)
    effect = EFFECT(0.0, at=np.arange(0, 2.1, 0.25))
    n_scans = Whole(60, 10, ("the number of people", lambda p: p.n_people), of=2)
    n_pixels = Whole(50, 1)

    def recruit(p, rng, repeats):
        means, y = group_means(p.effect, p.n_pixels), np.arange(p.n_people + p.n_scans) % 2
        X = rng.standard_normal((repeats, len(y), p.n_pixels)) + means[y]
        trait = rng.permutation(y)
        target = {TAUGHT[0]: 2.0 * y - 1, TAUGHT[1]: 2.0 * trait - 1}.get(p.taught)
        own = p.n_people + np.arange(p.n_scans)  # the rows of the study itself; the others come first
        seen = rng.permutation(own)[: round(p.seen * p.n_scans)]
        rows = {"reported": np.r_[np.arange(len(seen), p.n_people), seen], "honest": np.arange(p.n_people)}
        return Studies({"X": X}, y=y, own=own, target=target, rows=rows, means=means)

    def one(p, study):
        X, y, draws = study.X[study.own], study.y[study.own], {}
        head, folds = NearestCentroid(), StratifiedKFold(5)
        for name, rows in study.rows.items():
            if study.target is None:
                unit = PCA(1, svd_solver="covariance_eigh").fit(study.X[rows]).components_[0]
            else:
                unit = Ridge(alpha=1).fit(study.X[rows], study.target[rows]).coef_
            feature = X @ unit[:, None]
            draws[name] = accuracy_score(y, cross_val_predict(head, feature, y, cv=folds))
            if name == "reported":
                weight, intercept = linear_rule(head.fit(feature, y))
                draws["true"] = exact_accuracy(weight * unit, intercept, study.means)
        return draws

    def analyse(p, s):
        X, y, draws = s.X[:, s.own], s.y[s.own], {}
        folds = batched.stratified_folds(y, 5)
        for name, rows in s.rows.items():
            if s.target is None:
                centred = s.X[:, rows] - s.X[:, rows].mean(axis=1, keepdims=True)
                unit = np.linalg.eigh(np.swapaxes(centred, 1, 2) @ centred)[1][..., -1]
            else:
                unit = batched.linear_rule(s.X[:, rows], s.target[rows], ridge=1.0)[0]
            feature = X @ unit[..., None]
            right = np.empty((len(X), p.n_scans))
            for fold in range(5):
                test = folds == fold
                scores = batched.nearest_centroid(feature[:, test], feature[:, ~test], y[~test])
                right[:, test] = (scores > 0) == y[test]
            draws[name] = right.mean(axis=1)
            if name == "reported":
                low, high = (feature[:, y == label, 0].mean(axis=1) for label in (0, 1))
                rule = (high - low)[:, None] * unit, (low**2 - high**2) / 2
                draws["true"] = batched.accuracy_on_new_subjects(*rule, s.means)
        return draws

    def read(p, draws):
        taught = "without any labels" if p.taught == TAUGHT[2] else f"to tell {p.taught}"
        return (
            f"Pretrained on {p.n_people} people {taught}, {100 * p.seen:.0f} % of the study's "
            f"{p.n_scans} subjects among them: {optimism(draws)}. Pretrained on other people it would "
            f"report {draws['honest'].mean():.2f}."
        )


# Architecture or labels

SIDE = 12  # pixels
SPOT = np.pad(np.array([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]), 1)
SPOT = np.where(SPOT == 0, -SPOT.sum() / 16, SPOT)  # bright, with a dark ring: of mean 0
FILTERS = np.array(
    [
        [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        [[1, 2, 1], [2, 4, 2], [1, 2, 1]],
        [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
    ],
    float,
)  # a pixel, a soft spot, an edge below, an edge at the right
FILTERS -= FILTERS.mean(axis=(1, 2), keepdims=True)
FILTERS /= np.linalg.norm(FILTERS, axis=(1, 2), keepdims=True)
SPOT /= np.linalg.norm(SPOT)
PLACES = ("anywhere", "always at the same place")
TABLE = (
    "linear,\nright labels",
    "linear,\nsome wrong",
    "convolution,\nright labels",
    "convolution,\nsome wrong",
)
FOUR = partial(
    ridges,
    rows={words: (words, "reported") for words in TABLE},
    truth="really, on right labels",
)


def pooled(pictures: np.ndarray) -> np.ndarray:
    """A convolution layer with fixed filters: the largest answer of each filter anywhere, bright and dark."""
    found = []
    for filter in FILTERS:
        answers = correlate(pictures, filter[None], mode="wrap")
        found += [answers.max(axis=(1, 2)), -answers.min(axis=(1, 2))]
    return np.column_stack(found)


@simulation(block=4, draw=FOUR)
class architecture_or_labels:
    """Two architectures, each with right labels and with some wrong ones: which of the two matters more?

    Small pictures of noise; those of patients have a lesion, a bright spot with a dark ring whose mean is 0,
    anywhere or always at the same place. "linear": RidgeClassifier on the pixels (penalty 1000).
    "convolution": four small fixed filters, of each the largest answer anywhere in the picture, and
    RidgeClassifier on these. Labels are wrong by chance, in training and test. Draws, shape (repeats, 4), in
    the order of `TABLE`: accuracies "reported" (on the test scans as labelled) and "true" (on the same scans
    with right labels).

    With the lesion anywhere both groups have the same mean picture, and least squares, which goes by means,
    has nothing to find, however many scans it gets. At one place, the best rule is linear and has an accuracy
    of Phi(contrast / 2).
    """

    place = Among(*PLACES, label="The lesion lies")
    wrong = Number(
        0.2, 0, 0.45, label="Wrong labels, where some are", unit="%", at=(0.05, 0.1, 0.2, 0.3, 0.4)
    )
    n_scans = Whole(100, 10, of=2, label="Training scans", at=(40, 100, 200))
    contrast = Number(
        5.0, 0, 100, label="Contrast of the lesion", unit="standard deviations", at=(4, 5, 6, 8)
    )
    n_test = Whole(100, 2, of=2)

    def recruit(p, rng, repeats):
        y = np.arange(p.n_scans + p.n_test) % 2
        X = rng.standard_normal((repeats, len(y), SIDE, SIDE), dtype=np.float32)
        lesion = np.zeros((SIDE, SIDE), np.float32)
        lesion[:5, :5] = p.contrast * SPOT
        anywhere = [np.roll(lesion, (down, right), (0, 1)) for down in range(SIDE) for right in range(SIDE)]
        lesions = np.array(anywhere if p.place == "anywhere" else [lesion])
        X[:, y == 1] += lesions[rng.integers(len(lesions), size=(repeats, len(y) // 2))]
        recorded = np.where(rng.random((repeats, len(y))) < p.wrong, 1 - y, y)
        of_one_class = np.ptp(recorded[:, : p.n_scans], axis=1) == 0  # nothing to fit: two right labels, then
        recorded[of_one_class, :2] = y[:2]
        return Studies({"X": X, "recorded": recorded}, y=y)

    def one(p, study):
        n, draws = p.n_scans, {"reported": [], "true": []}
        linear = RidgeClassifier(alpha=1000)
        convolution = make_pipeline(StandardScaler(), RidgeClassifier())
        for model, X in ((linear, study.X.reshape(len(study.X), -1)), (convolution, pooled(study.X))):
            for labels in (study.y, study.recorded):
                predicted = model.fit(X[:n].astype(float), labels[:n]).predict(X[n:].astype(float))
                draws["reported"].append(np.mean(predicted == labels[n:]))
                draws["true"].append(np.mean(predicted == study.y[n:]))
        return {name: np.array(values) for name, values in draws.items()}

    def analyse(p, s):
        n, draws = p.n_scans, {"reported": [], "true": []}
        flat = s.X.reshape(*s.X.shape[:2], -1).astype(float)
        features = pooled(s.X.reshape(-1, SIDE, SIDE)).reshape(*s.X.shape[:2], -1).astype(float)
        features -= features[:, :n].mean(axis=1, keepdims=True)
        features /= features[:, :n].std(axis=1, keepdims=True)
        for X, penalty in ((flat, 1000.0), (features, 1.0)):
            for labels in (np.broadcast_to(s.y, s.recorded.shape), s.recorded):
                weights, intercepts = batched.linear_rule(X[:, :n], 2.0 * labels[:, :n] - 1, penalty)
                predicted = (X[:, n:] @ weights[..., None])[..., 0] + intercepts[:, None] > 0
                draws["reported"].append((predicted == labels[:, n:]).mean(axis=1))
                draws["true"].append((predicted == s.y[n:]).mean(axis=1))
        return {name: np.stack(values, axis=1) for name, values in draws.items()}

    def read(p, draws):
        linear, linear_wrong, network, network_wrong = draws["true"].mean(axis=0)
        return (
            f"The lesion lies {p.place}; {p.n_scans} training scans. Really, the linear model gets "
            f"{linear:.2f} and the convolution {network:.2f}; with {100 * p.wrong:.0f} % wrong labels "
            f"{linear_wrong:.2f} and {network_wrong:.2f}, and the study reports "
            f"{draws['reported'][:, 1].mean():.2f} and {draws['reported'][:, 3].mean():.2f}."
        )

    def head(p, draws):
        linear, linear_wrong, network, network_wrong = draws["true"].mean(axis=0)
        return (
            f"Really: linear {linear:.2f}, convolution {network:.2f}; with wrong labels {linear_wrong:.2f} "
            f"and {network_wrong:.2f}."
        )


# What a map shows

TILES = np.kron(np.arange(9).reshape(3, 3), np.ones((2, 2), int)).ravel()  # 6 x 6 pixels in nine tiles
ORGAN, CORNER = TILES == 4, TILES == 0
EVEN, CHEQUERED = np.array([0.5, 0.5, 0.5, 0.5]), np.array([0.5, -0.5, -0.5, 0.5])  # in a tile, of length 1
TRACES = {
    "in a corner": (CORNER, EVEN),
    "on the organ": (ORGAN, CHEQUERED),
    "all over the picture": (TILES >= 0, np.where(np.arange(36) // 6 % 2, -1, 1) / 6),
}
MAPPED = {
    "reported": ("the study\nreports", "reported"),
    "true": ("it gets\nelsewhere", "true"),
    "organ": ("share of the map\non the organ", INK),
}


def elsewhere(weights, intercept, disease, trace):
    """Accuracy of a linear rule, or of many, where both scanners serve patients and controls alike."""
    means = [(sign * disease + 0.5 * side * trace) for side in (-1, 1) for sign in (-0.5, 0.5)]
    both = [
        batched.accuracy_on_new_subjects(weights, intercept, np.array(two)) for two in (means[:2], means[2:])
    ]
    return np.mean(both, axis=0)


@simulation(block=20, draw=partial(ridges, rows=MAPPED, label="Accuracy, and share of the map"))
class what_a_map_shows:
    """A model has two things to go by: the disease, in the organ, and the trace of the scanner.

    Pictures of 6 x 6 pixels of unit noise. The organ is the tile in the middle. One of two scanners leaves a
    trace; it took a share `agreement` of the patients, and as many of the controls did the other. The model
    is RidgeClassifier (penalty 10), its map made by occlusion: each of nine tiles is replaced by its mean
    over the scans, and what counts is the mean change of the score. Draws: "reported" (accuracy in ten
    folds), "true" (of the same model where the scanner has nothing to do with the diagnosis, exact), "organ"
    (share of the map that lies on the organ).

    Disease and trace are at right angles, and ridge regression is the same in all directions. So "reported"
    and "true" have the same distribution wherever the trace lies: only the map differs.
    """

    trace = Among(*TRACES, label="The scanner leaves its trace", when=lambda p: p.size > 0)
    size = Number(3.0, 0, 100, label="Size of the trace", unit="standard deviations", at=(0, 1, 2, 3, 4))
    effect = Number(
        1.0, 0, 100, label="True effect in the organ", unit="standard deviations", at=(0, 0.5, 1, 2, 3)
    )
    agreement = Number(
        0.9,
        0.5,
        1,
        label="Patients from the one scanner, controls from the other",
        unit="%",
        at=(0.5, 0.6, 0.7, 0.8, 0.9, 1),
        when=lambda p: p.size > 0,
    )
    n_scans = Whole(200, 20, of=20)

    def recruit(p, rng, repeats):
        y, disease, trace = np.arange(p.n_scans) % 2, np.zeros(36), np.zeros(36)
        disease[ORGAN] = p.effect * EVEN
        where, pattern = TRACES[p.trace]
        trace[where] = p.size * pattern
        agrees = np.arange(p.n_scans) // 2 < round(p.agreement * p.n_scans / 2)
        scanner = np.where(agrees, y, 1 - y)
        shift = np.outer(y - 0.5, disease) + np.outer(scanner - 0.5, trace)
        X = rng.standard_normal((repeats, p.n_scans, 36)) + shift
        folds = rng.permutation(p.n_scans // 2).repeat(2) % 10
        return Studies({"X": X}, y=y, folds=folds, disease=disease, trace=trace)

    def one(p, study):
        X, y, model = study.X, study.y, RidgeClassifier(alpha=10)
        predicted = cross_val_predict(model, X, y, cv=PredefinedSplit(study.folds))
        model.fit(X, y)
        scores, mean, changes = model.decision_function(X), X.mean(axis=0), []
        for tile in range(9):
            occluded = np.where(TILES == tile, mean, X)
            changes.append(np.abs(model.decision_function(occluded) - scores).mean())
        return {
            "reported": accuracy_score(y, predicted),
            "true": elsewhere(*linear_rule(model), study.disease, study.trace),
            "organ": changes[4] / sum(changes),
        }

    def analyse(p, s):
        tests = np.argsort(s.folds, kind="stable").reshape(10, -1)
        scores, weights, intercepts = batched.cross_validated_rule(s.X, 2.0 * s.y - 1, tests, 10.0)
        parts = weights[:, None] * (s.X - s.X.mean(axis=1, keepdims=True))
        changes = np.abs(parts @ (TILES[:, None] == np.arange(9))).mean(axis=1)
        return {
            "reported": ((scores > 0) == s.y[tests]).mean(axis=(1, 2)),
            "true": elsewhere(weights, intercepts, s.disease, s.trace),
            "organ": changes[:, 4] / changes.sum(axis=1),
        }

    def read(p, draws):
        agrees = f"the scanner agrees with the diagnosis in {100 * p.agreement:.0f} %"
        trace = f"The trace lies {p.trace}, {agrees}" if p.size else "No scanner leaves a trace"
        share = f"{100 * draws['organ'].mean():.0f} %"
        return f"{trace}: {optimism(draws)}. {share} of the map lies on the organ."

    def head(p, draws):
        reported, true, organ = (draws[name].mean() for name in ("reported", "true", "organ"))
        return f"Reported {reported:.2f}, elsewhere {true:.2f}; {100 * organ:.0f} % of the map on the organ."
