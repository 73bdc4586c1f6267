"""Lesson 05: what cross-validation says when it is done wrongly, and how uncertain it is when done right."""

import functools
import itertools
from math import lcm

import numpy as np
from scipy import stats
from sklearn.feature_selection import SelectKBest, f_classif, r_regression
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import PredefinedSplit, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline

from simulations.dealing import dealt_and_scored, first_fold
from utils import batched
from utils.drawing import DOTTED, Chart, axis, bars, by_row, chart, density, layer, ridges, table
from utils.simulation import (
    Among,
    Flag,
    Number,
    Share,
    Studies,
    Whole,
    counted,
    exact_accuracy,
    linear_rule,
    optimism,
    simulation,
)

EFFECT = functools.partial(Number, label="True effect", unit="standard deviations")
RELIABILITY = functools.partial(Share, 0.9, label="Reliability of the scans (intraclass correlation)")
PAIRS = ("twice the number of folds", lambda p: 2 * p.n_folds)  # each fold with as many patients as controls
TENTHS = np.arange(11) / 10
ENDS = (-0.5, 0.5)  # of the axis of errors
OF_MODELS = {"when": lambda p: p.varied != "coin tosses"}
OF_ANALYSES = {"when": lambda p: p.varied == "analyses" and p.n_tried > 1}


@simulation(block=10, draw=ridges)
class selection_outside_folds:
    """Choose features with all scans, then cross-validate: the leak that makes noise look like signal.

    Two classes of equal size, independent normal features of unit variance. The best features are chosen by
    their correlation with the label. Draws: accuracies "reported" (chosen once, from all scans), "honest"
    (chosen anew from the training scans of every fold), "true" (of the whole procedure, fitted to all scans,
    on new subjects; it varies around the study's own true score by binomial noise).

    Hastie, Tibshirani, Friedman (2009), The Elements of Statistical Learning, 2nd edition, section 7.10.2: 50
    scans, 5000 features of pure noise, the best 100, nearest neighbour: error 3 %. Ambroise and McLachlan
    (2002), PNAS 99:6562, doi:10.1073/pnas.102102699.
    """

    n_scans = Whole(50, 4, of=2, label="Scans", at=range(20, 81, 10))
    n_features = Whole(1000, 1, label="Features measured", at=[10, 30, 100, 300, 1000])
    n_selected = Whole(
        20, 1, ("the number of features", lambda p: p.n_features), label="Features kept", at=[5, 10, 20, 50]
    )
    effect = EFFECT(0.0, label="True effect in ten of the features", doc="Cohen's d in each.", at=TENTHS)
    n_informative = Whole(10, 0)
    rule = Among("nearest neighbour", "nearest centroid", label="Classifier")
    signed = Flag(doc="Rank by the signed correlation, as the published experiment does, not by its size.")
    n_folds = Whole(5, 2, ("the size of a class", lambda p: p.n_scans // 2), doc="Stratified.")
    n_new = Whole(200, 1, doc="New subjects on whom the true score is measured.")

    def recruit(p, rng, repeats):
        y, new_y = np.repeat([0, 1], p.n_scans // 2), np.arange(p.n_new) % 2
        shift = np.zeros(p.n_features, np.float32)
        shift[: p.n_informative] = p.effect
        X = rng.standard_normal((repeats, p.n_scans, p.n_features), dtype=np.float32)
        X[:, y == 1, : p.n_informative] += shift[: p.n_informative]
        # Features are independent, so new subjects need only those that will be chosen.
        new_noise = rng.standard_normal((repeats, p.n_new, p.n_selected), dtype=np.float32)
        return Studies({"X": X, "new_noise": new_noise}, y=y, new_y=new_y, shift=shift)

    def one(p, study):
        X, y = study.X.astype(float), study.y
        selector = SelectKBest(r_regression if p.signed else f_classif, k=p.n_selected)
        model = NearestCentroid() if p.rule == "nearest centroid" else KNeighborsClassifier(1)
        folds = StratifiedKFold(p.n_folds)
        X_best = selector.fit_transform(X, y)  # with all scans: the leak
        X_new = study.new_noise + np.outer(study.new_y, study.shift[selector.get_support()])
        return {
            "reported": accuracy_score(y, cross_val_predict(model, X_best, y, cv=folds)),
            "honest": accuracy_score(y, cross_val_predict(make_pipeline(selector, model), X, y, cv=folds)),
            "true": model.fit(X_best, y).score(X_new.astype(float), study.new_y),
        }

    def analyse(p, s):
        folds = batched.stratified_folds(s.y, p.n_folds)

        def right(train, test, labels, seen):
            """Whether the rule made of the training scans `seen` is right about the test scans."""
            train = train[:, seen]
            if p.rule == "nearest centroid":
                return (batched.nearest_centroid(test, train, s.y[seen]) > 0) == labels
            squares = np.einsum("...ij,...ij->...i", train, train)
            products = batched.gram(test, train)
            return batched.nearest_neighbour(products, squares, s.y[seen], True) == labels

        # The first set of rows is all scans, the others are the training scans of every fold.
        rows = np.vstack([np.ones((1, p.n_scans), bool), folds != np.arange(p.n_folds)[:, None]])
        chosen = np.sort(batched.select_by_correlation(s.X, s.y, p.n_selected, signed=p.signed, rows=rows))
        # Study by study, because the scans of one study stay in the processor's cache.
        kept = np.stack([X[:, columns] for X, columns in zip(s.X, chosen, strict=True)]).swapaxes(1, 2)
        best, inside = kept[:, 0], kept[:, 1:]
        reported, honest = np.empty((2, len(s.X), p.n_scans))
        for fold in range(p.n_folds):
            test = folds == fold
            reported[:, test] = right(best, best[:, test], s.y[test], ~test)
            honest[:, test] = right(inside[:, fold], inside[:, fold, test], s.y[test], ~test)
        new = s.new_noise + s.new_y[:, None] * s.shift[chosen[:, 0]][:, None, :]
        true = right(best, new, s.new_y, np.ones(p.n_scans, bool))
        return {"reported": reported.mean(axis=1), "honest": honest.mean(axis=1), "true": true.mean(axis=1)}

    def read(p, draws):
        return (
            f"{p.n_scans} scans, {p.n_features} features, of which the {p.n_selected} best are kept: "
            f"{optimism(draws)}. With the selection inside the folds it would report "
            f"{draws['honest'].mean():.2f}."
        )


DEALT = {"reported": "dealt\nby scan", "honest": "dealt by\nsubject"}


@simulation(block=5, draw=functools.partial(dealt_and_scored, dealt=DEALT, persons="n_subjects"))
class repeated_scans:
    """Several scans (or slices) of every subject, dealt into folds one by one or subject by subject.

    Every feature has variance 1: the share `reliability` differs between subjects and stays the same from
    scan to scan, the rest is new in every scan. Half of the subjects are patients; the effect is the
    Mahalanobis distance of the groups, in standard deviations of a single scan. Draws: accuracies "reported"
    (folds by scan), "honest" (folds by subject), "true" (new subjects, one scan each); for the picture,
    "reported test" and "honest test" (1 for a scan in the first fold).

    Yagis and others (2021), Scientific Reports 11:22544, doi:10.1038/s41598-021-01681-w.
    """

    n_subjects = Whole(40, 4, of=2, label="Subjects", at=range(10, 41, 10))
    scans_per_subject = Whole(3, 1, label="Scans of each subject", at=range(1, 6))
    reliability = RELIABILITY(at=TENTHS, when=lambda p: p.scans_per_subject > 1)
    effect = EFFECT(0.0, label="True difference between the groups", at=np.arange(0, 3.1, 0.5))
    n_features = Whole(50, 1)
    rule = Among("nearest neighbour", "linear", label="Classifier", doc="linear: RidgeClassifier")
    n_folds = Whole(5, 2, ("half the number of subjects", lambda p: p.n_subjects // 2))
    n_new = Whole(100, 1, doc="New subjects for the nearest neighbour; the linear rule's score is exact.")

    def recruit(p, rng, repeats):
        subjects = np.repeat(np.arange(p.n_subjects), p.scans_per_subject)
        # Subjects and scans are exchangeable, so one random deal serves all studies of a block.
        by_scan = rng.permutation(np.arange(len(subjects)) % p.n_folds)
        by_subject = rng.permutation(np.arange(p.n_subjects) % p.n_folds)[subjects]
        y, new_y = subjects % 2, np.arange(p.n_new) % 2
        shift = np.float32(p.effect / np.sqrt(p.n_features))
        person = rng.standard_normal((repeats, p.n_subjects, p.n_features), dtype=np.float32)
        X = rng.standard_normal((repeats, len(y), p.n_features), dtype=np.float32)
        X = np.float32(np.sqrt(1 - p.reliability)) * X
        X += np.float32(np.sqrt(p.reliability)) * person[:, subjects]
        X[:, y == 1] += shift
        new = np.empty((repeats, 0))
        if p.rule != "linear":
            new = rng.standard_normal((repeats, p.n_new, p.n_features), dtype=np.float32)
            new = new + shift * new_y[:, None]
        means = np.outer([0, 1], np.full(p.n_features, shift))
        folds = {"reported": by_scan, "honest": by_subject}
        return Studies({"X": X, "new": new}, y=y, new_y=new_y, folds=folds, means=means)

    def one(p, study):
        X, y = study.X.astype(float), study.y
        model = RidgeClassifier() if p.rule == "linear" else KNeighborsClassifier(1)
        draws = {name: one[0] for name, one in first_fold(study.folds, 1).items()}
        for name, folds in study.folds.items():
            draws[name] = accuracy_score(y, cross_val_predict(model, X, y, cv=PredefinedSplit(folds)))
        model.fit(X, y)
        if p.rule == "linear":
            return draws | {"true": exact_accuracy(*linear_rule(model), study.means)}
        return draws | {"true": model.score(study.new.astype(float), study.new_y)}

    def analyse(p, s):
        draws = first_fold(s.folds, len(s.X))
        if p.rule == "linear":
            X, targets = s.X.astype(float), 2.0 * s.y - 1
            H = batched.hat_matrix(X, ridge=1.0)
            rule = batched.linear_rule(X, targets, ridge=1.0)
            for name, folds in s.folds.items():
                tests = [np.flatnonzero(folds == fold) for fold in range(p.n_folds)]
                scores = np.concatenate(batched.held_out_scores(H, targets, tests), axis=1)
                draws[name] = ((scores > 0) == (s.y[np.concatenate(tests)] == 1)).mean(axis=1)
            return draws | {"true": batched.accuracy_on_new_subjects(*rule, s.means)}
        held_out, of_new = batched.neighbours_in_folds(s.X, s.y, s.folds, s.new)
        draws |= {name: (called == s.y).mean(axis=1) for name, called in held_out.items()}
        return draws | {"true": (of_new == s.new_y).mean(axis=1)}

    def read(p, draws):
        return (
            f"{p.n_subjects} subjects with {counted(p.scans_per_subject, 'scan')} each: {optimism(draws)}. "
            f"With whole subjects held out it would report {draws['honest'].mean():.2f}."
        )


def _centroid_rule(low, high):
    """Weights and intercepts of the nearest centroid, from the centroids of both classes."""
    weights = high - low
    return weights, -np.sum(weights * (low + high), axis=-1) / 2


def random_splits(rng, n_splits, n_scans, n_test):
    """Which scans each of some random splits holds out, shape (n_splits, n_scans)."""
    held_out = np.zeros((n_splits, n_scans), bool)
    shuffled = rng.random((n_splits, n_scans)).argsort(axis=1)
    np.put_along_axis(held_out, shuffled[:, :n_test], True, axis=1)
    return held_out


def _scored_splits(X, y, held_out):
    """Nearest-centroid rules of random splits, and how many of the scans held out they get right."""
    centroids = []
    for label in (0, 1):
        train = (~held_out & (y == label)).astype(float)
        centroids.append((train / train.sum(axis=1, keepdims=True)) @ X)
    weights, intercepts = _centroid_rule(*centroids)
    predicted = weights @ np.swapaxes(X, 1, 2) + intercepts[..., None] > 0
    return weights, intercepts, ((predicted == y) & held_out).sum(axis=2)


@simulation(block=10, draw=ridges)
class best_of_many:
    """Try many analyses, seeds or coin tosses, and report the score of the best one.

    The classifier is the nearest centroid. "analyses": every analysis (preprocessing, atlas, hyperparameters)
    gives features of its own; each is cross-validated. "seeds": one analysis, many random splits that hold
    out a quarter of the scans. "coin tosses": every analysis guesses. Draws: accuracies "reported" (the
    best), "honest" (analyses: nested cross-validation; seeds: the mean over all seeds; coin tosses: one toss
    chosen beforehand), "true" (the chosen rule on new subjects, exact), and "sd", the standard deviation over
    what was tried.

    Cawley and Talbot (2010), Journal of Machine Learning Research 11:2079.
    """

    varied = Among("analyses", "seeds", "coin tosses", label="What is tried")
    n_tried = Whole(20, 1, reach=9, label="How many are tried", at=[1, 2, 5, 10, 20, 50])
    n_folds = Whole(5, 3, reach=2)
    n_scans = Whole(100, 2, of=PAIRS, label="Scans", at=[20, 40, 60, 100, 200])
    effect = EFFECT(0.0, doc="In one feature of every analysis.", at=np.arange(0, 1.6, 0.25), **OF_MODELS)
    likeness = Share(0.0, label="How alike the analyses are (correlation)", at=TENTHS[:-1], **OF_ANALYSES)
    n_features = Whole(5, 1, doc="Features of each analysis.")

    def recruit(p, rng, repeats):
        if p.varied == "coin tosses":
            return Studies({"scores": rng.binomial(p.n_scans, 0.5, (repeats, p.n_tried)) / p.n_scans})
        y, means = np.arange(p.n_scans) % 2, np.zeros((2, p.n_features))
        means[1, 0] = p.effect
        if p.varied == "seeds":
            X = rng.standard_normal((repeats, p.n_scans, p.n_features)) + means[y]
            held_out = random_splits(rng, p.n_tried, p.n_scans, p.n_scans // 4)
            return Studies({"X": X}, y=y, means=means, held_out=held_out)
        X = np.sqrt(p.likeness) * rng.standard_normal((repeats, 1, p.n_scans, p.n_features))
        X = X + np.sqrt(1 - p.likeness) * rng.standard_normal((repeats, p.n_tried, *X.shape[2:]))
        X += means[y]
        folds = np.repeat(np.arange(p.n_folds), p.n_scans // p.n_folds)
        return Studies({"X": X}, y=y, means=means, folds=folds)  # X: one table for each analysis

    def one(p, study):
        if p.varied == "coin tosses":
            scores = study.scores
            return {"reported": scores.max(), "honest": scores[0], "true": 0.5, "sd": scores.std()}
        model, y = NearestCentroid(), study.y
        if p.varied == "seeds":
            splits = [(np.flatnonzero(~test), np.flatnonzero(test)) for test in study.held_out]
            scores = cross_val_score(model, study.X, y, cv=splits)
            honest = scores.mean()
            train = splits[scores.argmax()][0]
            model.fit(study.X[train], y[train])
        else:

            def accuracies(scans):
                """Of every analysis, cross-validated within some of the scans."""
                cv = PredefinedSplit(study.folds[scans])
                return np.array([cross_val_score(model, X[scans], y[scans], cv=cv).mean() for X in study.X])

            scores, honest = accuracies(study.folds >= 0), 0
            for fold in range(p.n_folds):  # nested: the choice anew, without this fold
                train, test = study.folds != fold, study.folds == fold
                X = study.X[accuracies(train).argmax()]
                honest += model.fit(X[train], y[train]).score(X[test], y[test]) / p.n_folds
            model.fit(study.X[scores.argmax()], y)
        true = exact_accuracy(*linear_rule(model), study.means)
        return {"reported": scores.max(), "honest": honest, "true": true, "sd": scores.std()}

    def analyse(p, s):
        if p.varied == "coin tosses":
            scores, honest, true = s.scores, s.scores[:, 0], np.full(len(s.scores), 0.5)
        else:
            if p.varied == "seeds":
                weights, intercepts, right = _scored_splits(s.X, s.y, s.held_out)
                scores = right / (p.n_scans // 4)
                honest = scores.mean(axis=1)
            else:
                scores, honest, weights, intercepts = _nested_choice(p, s)
            best = (np.arange(len(s.X)), scores.argmax(axis=1))
            true = batched.accuracy_on_new_subjects(weights[best], intercepts[best], s.means)
        return {"reported": scores.max(axis=1), "honest": honest, "true": true, "sd": scores.std(axis=1)}

    def read(p, draws):
        tried = f"The best of {p.n_tried} {p.varied}" if p.n_tried > 1 else "A single try"
        honest = f"Done right, it would report {draws['honest'].mean():.2f}."
        return f"{tried}, {p.n_scans} scans: {optimism(draws)}. {honest}"


def _nested_choice(p, s):
    """Scores of all analyses, the nested score of the choice among them, and the rules of all scans."""
    per_fold = p.n_scans // p.n_folds
    X = s.X.reshape(*s.X.shape[:2], p.n_folds, per_fold, p.n_features)
    y = s.y[:per_fold]  # the same in every fold
    sums = np.stack([X[..., y == label, :].sum(axis=3) for label in (0, 1)])
    total = sums.sum(axis=3, keepdims=True)

    def right(left_out, n_left_out):
        """Accuracy in every fold of the rules made from the sums over the folds that are not left out."""
        low, high = (total - left_out) / ((p.n_folds - n_left_out) * (per_fold // 2))
        weights, intercepts = _centroid_rule(low, high)
        scores = np.einsum("...gip,...gp->...gi", X, weights) + intercepts[..., None]
        return ((scores > 0) == y).mean(axis=-1)

    outer = right(sums, 1)  # (repeats, tried, fold): trained without that fold
    honest, studies = np.zeros(len(X)), np.arange(len(X))
    # Nested: the choice for fold f rests on the other folds g, by rules that saw neither f nor g.
    for fold in range(p.n_folds):
        others = np.arange(p.n_folds) != fold
        inner = right(sums + sums[..., fold, None, :], 2)[..., others].mean(axis=-1)
        honest += outer[studies, inner.argmax(axis=1), fold] / p.n_folds
    return outer.mean(axis=-1), honest, *_centroid_rule(*(total[..., 0, :] / (p.n_folds * (per_fold // 2))))


WIDTHS, PENALTIES = np.geomspace(0.01, 1, 6), np.geomspace(0.01, 100, 5)


def deal_stratified(rng, targets, n_folds):
    """The fold of every scan: stratified, dealt out at random."""
    folds = np.empty(len(targets), int)
    folds[np.lexsort((rng.random(len(targets)), targets))] = np.arange(len(targets)) % n_folds
    return folds


@simulation(block=5, draw=ridges)
class tuned_kernel_ridge:
    """Tune one model over a grid of 30 settings on pure noise, and report the best grid score.

    Kernel ridge regression on labels -1 and +1 (radial kernel, six widths, five penalties). Draws: accuracies
    "reported" (best of the grid), "honest" (nested), "true" (0.5: the labels mean nothing).

    Cawley and Talbot (2010), Journal of Machine Learning Research 11:2079.
    """

    n_folds = Whole(5, 2, reach=2)
    n_scans = Whole(40, PAIRS, of=2)
    n_features = Whole(10, 1)

    def recruit(p, rng, repeats):
        targets = np.where(np.arange(p.n_scans) % 2, 1.0, -1.0)
        X = rng.standard_normal((repeats, p.n_scans, p.n_features))
        folds = deal_stratified(rng, targets, p.n_folds)
        inner = [deal_stratified(rng, targets[folds != fold], p.n_folds) for fold in range(p.n_folds)]
        return Studies({"X": X}, targets=targets, folds=folds, inner=inner)

    def one(p, study):
        X, y, folds = study.X, study.targets, study.folds
        grid = itertools.product(WIDTHS / p.n_features, PENALTIES)
        models = [KernelRidge(kernel="rbf", gamma=width, alpha=penalty) for width, penalty in grid]

        def accuracies(X, y, folds):
            """Of all models, cross-validated."""
            held_out = [cross_val_predict(model, X, y, cv=PredefinedSplit(folds)) for model in models]
            return np.array([np.mean((predicted > 0) == (y > 0)) for predicted in held_out])

        right = 0
        for fold in range(p.n_folds):  # nested: the whole tuning anew, without this fold
            train, test = folds != fold, folds == fold
            best = models[accuracies(X[train], y[train], study.inner[fold]).argmax()]
            right += np.sum((best.fit(X[train], y[train]).predict(X[test]) > 0) == (y[test] > 0))
        return {"reported": accuracies(X, y, folds).max(), "honest": right / p.n_scans, "true": 0.5}

    def analyse(p, s):
        repeats, n = s.X.shape[:2]
        products = batched.gram(s.X, s.X)
        squares = np.einsum("rii->ri", products)
        distance = squares[:, :, None] + squares[:, None, :] - 2 * products
        kernels = np.exp(-(WIDTHS / p.n_features)[:, None, None, None] * distance)

        def right(kernels, targets, folds):
            """Whether every setting is right about every scan held out, shape (repeats, settings, n)."""
            n = len(targets)
            K = np.stack([kernels] * len(PENALTIES), axis=1).reshape(-1, n, n)
            ridge = np.broadcast_to(PENALTIES[:, None], (len(WIDTHS), len(PENALTIES), repeats)).reshape(-1)
            H = np.linalg.solve(K + ridge[:, None, None] * np.eye(n), K)
            tests = [np.flatnonzero(folds == fold) for fold in range(p.n_folds)]
            found = np.empty((len(K), n), bool)
            for test, scores in zip(tests, batched.held_out_scores(H, targets, tests), strict=True):
                found[:, test] = (scores > 0) == (targets[test] > 0)
            return found.reshape(-1, repeats, n).swapaxes(0, 1)

        outer, honest = right(kernels, s.targets, s.folds), np.zeros(repeats)
        for fold in range(p.n_folds):
            train = np.flatnonzero(s.folds != fold)
            inner = right(kernels[:, :, train[:, None], train], s.targets[train], s.inner[fold]).mean(axis=2)
            chosen = outer[np.arange(repeats), inner.argmax(axis=1)]
            honest += chosen[:, s.folds == fold].sum(axis=1) / n
        best = outer.mean(axis=2).max(axis=1)
        return {"reported": best, "honest": honest, "true": np.full(repeats, 0.5)}

    def read(p, draws):
        return (
            f"The best of 30 settings of kernel ridge regression, {p.n_scans} scans of noise: "
            f"{optimism(draws)}. Nested cross-validation would report {draws['honest'].mean():.2f}."
        )


def errors_of_cross_validation(outcome) -> list[Chart]:
    """Reported minus true accuracy over the simulated studies, beside the error bar that they claim."""
    error = outcome.draws["reported"] - outcome.draws["true"]
    half, (low, high) = np.median(outcome.draws["claimed"]), np.quantile(error, [0.05, 0.95])
    said = [f"{low:+.2f} to {high:+.2f}".replace("-", "−"), f"±{half:.2f}"]
    grid, height, span = *density(error, ENDS), np.clip([[low, -half], [high, half]], *ENDS)
    data = {
        "truth": {"x": [0], "text": ["the truth"]},
        "errors": table(x=grid, y=1 + 1.4 * height, y2=1),
        "errors before": {"x": []},
        "spans": table(x=span[0], x2=span[1], y=[0.72, 0.22], row=[0, 1])
        | {"mid": [round((low + high) / 2, 4), 0], "text": said},
    }
    shades, base = {"color": by_row(["true", "reported"])}, {"y2": "y2"}
    words = {"dy": -16, "fontWeight": "bold"}
    layers = [
        layer("upright", "truth", "true", strokeWidth=2),
        layer("text", "truth", "true", dy=-9, encoding={"y": {"value": 0}}),
        layer("line", "errors before", "before", strokeDash=DOTTED),
        layer("area", "errors", "reported", fillOpacity=0.4, line={"strokeWidth": 1.5}, encoding=base),
        layer("rule", "spans", strokeWidth=4, encoding={"x2": "x2"} | shades),
        *(layer("tick", "spans", thickness=3, size=18, encoding={"x": x} | shades) for x in ("x", "x2")),
        *(layer(kind, "spans", encoding={"x": "mid"} | shades, **words) for kind in ("halo", "text")),
    ]
    names = {"words": ["nine studies\nin ten", "what the error\nbar claims"], "line": False}
    y = axis(ends=(-0.05, 2.5), at=[0.78, 0.28], **names)
    at = {"at": np.arange(-4, 5, 2) / 10, "words": ["−0.4", "−0.2", "0", "+0.2", "+0.4"]}
    x = axis("Reported accuracy minus true accuracy", ENDS, **at)
    return [chart(layers, data, x, y)]


SCHEMES = {"leave-one-out": None, "10-fold": 10, "5-fold": 5, "2-fold": 2, "50 random splits": None}
OTHERS = [name for name in SCHEMES if name != "5-fold"]
BALANCED = ("2 and of the number of folds", lambda p: lcm(2, SCHEMES[p.scheme] or 1))


@simulation(block=10, draw=errors_of_cross_validation)
class cross_validation_error:
    """How far the cross-validated accuracy of one study lies from the truth of its own model.

    Two normal classes of equal size and a linear rule: RidgeClassifier, that is ridge regression on the
    labels. It treats all directions alike, so it does not matter how the effect is spread over the features.
    Draws: "reported" (cross-validated accuracy), "true" (the rule fitted to all scans, on new subjects,
    exact), "claimed" (half width of the usual 90 % interval: 1.645 standard errors of the mean over the folds
    or splits; with leave-one-out, over the scans).

    Varoquaux (2018), NeuroImage 180:68, doi:10.1016/j.neuroimage.2017.06.061: 300 features, effect 2.31,
    LinearSVC (``ridge=0.5, penalise_intercept=True``, see `utils.batched.hat_matrix`).
    """

    scheme = Among("5-fold", *OTHERS, label="Scheme", at=list(SCHEMES), start="50 random splits")
    n_scans = Whole(100, 10, of=BALANCED, label="Scans", at=[20, 40, 60, 100, 200, 500])
    effect = EFFECT(1.35, doc="Mahalanobis distance.", at=np.arange(0, 3.1, 0.25), start=1.25)
    n_features = Whole(10, 1, label="Features", at=[2, 5, 10, 20])
    ridge = Number(1.0, 0, open="low", doc="Penalty.")
    penalise_intercept = Flag(doc="As in LinearSVC.")

    def recruit(p, rng, repeats):
        y = np.repeat([0, 1], p.n_scans // 2)
        if p.scheme == "50 random splits":
            tests = np.array([rng.permutation(p.n_scans)[: p.n_scans // 5] for _ in range(50)])
        else:
            # Dealing the sorted scans out in turn gives folds of one size in which the classes are balanced.
            tests = np.arange(p.n_scans).reshape(-1, SCHEMES[p.scheme] or p.n_scans).T
        means = np.zeros((2, p.n_features))
        means[:, 0] = -p.effect / 2, p.effect / 2
        X = rng.standard_normal((repeats, p.n_scans, p.n_features)) + means[y]
        return Studies({"X": X}, y=y, means=means, tests=tests)

    def one(p, study):
        X, y, means = study.X, study.y, study.means
        model = RidgeClassifier(alpha=p.ridge)
        if p.penalise_intercept:  # as the weight of one more feature, which is 1 in everybody
            model.set_params(fit_intercept=False)
            X, means = (np.column_stack([rows, np.ones(len(rows))]) for rows in (X, means))
        splits = [(np.setdiff1d(np.arange(p.n_scans), test), test) for test in study.tests]
        scores = cross_val_score(model, X, y, cv=splits)
        weights, intercept = linear_rule(model.fit(X, y))
        if p.penalise_intercept:
            weights, intercept, means = weights[:-1], weights[-1], study.means
        return {
            "reported": scores.mean(),
            "true": exact_accuracy(weights, intercept, means),
            "claimed": 1.645 * scores.std(ddof=1) / np.sqrt(len(scores)),
        }

    def analyse(p, s):
        settings = {"ridge": p.ridge, "penalise_intercept": p.penalise_intercept}
        rule = batched.linear_rule(s.X, 2.0 * s.y - 1, **settings)
        held_out = batched.cross_validated_scores(s.X, 2.0 * s.y - 1, s.tests, **settings)
        scores = ((held_out > 0) == (s.y[s.tests] == 1)).mean(axis=2)
        return {
            "reported": scores.mean(axis=1),
            "true": batched.accuracy_on_new_subjects(*rule, s.means),
            "claimed": 1.645 * scores.std(axis=1, ddof=1) / np.sqrt(scores.shape[1]),
        }

    def read(p, draws):
        error = draws["reported"] - draws["true"]
        (low, high), claimed = np.quantile(error, [0.05, 0.95]), np.median(draws["claimed"])
        missed = np.mean(np.abs(error) > draws["claimed"])
        return (
            f"{p.n_scans} scans, {p.scheme}: nine reported accuracies in ten are {low:+.2f} to "
            f"{high:+.2f} off the truth. The usual error bar is ±{claimed:.2f}; it should miss "
            f"the truth in 10 % of studies and misses it in {100 * missed:.0f} %."
        )

    def head(p, draws):
        low, high = np.quantile(draws["reported"] - draws["true"], [0.05, 0.95])
        claimed = np.median(draws["claimed"])
        return f"Nine studies in ten are {low:+.2f} to {high:+.2f} off; the error bar claims ±{claimed:.2f}."


PROMISED = {"mark": "promised: 5 %", "said": "really {:.0f} %", "colour": "reported"}
ALARMS = functools.partial(bars, label="Studies with a false alarm", **PROMISED)
TEST_SHARES = (
    ("half a scan", lambda p: 0.5 / p.n_scans),
    ("what leaves both groups to train on", lambda p: 0.5 if p.n_scans >= 40 else 0.5 - 1 / p.n_scans),
)


def _told(draws):
    return ", ".join(f"{name} {100 * np.mean(p <= 0.05):.0f} %" for name, p in draws.items())


@simulation(block=10, draw=ALARMS)
class two_equal_learners:
    """A t-test over the splits of cross-validation, comparing two models that are equally good.

    Each model (nearest centroid) has features of its own, drawn alike, so neither is better. Draws: "plain
    t-test" and "corrected t-test", two-sided p-values.

    Nadeau and Bengio (2003), Machine Learning 52:239: the variance of the mean over J splits is the variance
    of the differences times 1/J + n_test/n_train, instead of times 1/J.
    """

    n_splits = Whole(15, 2, label="Random splits", at=[5, 10, 15, 30, 50, 100])
    n_scans = Whole(100, 10, of=2, label="Scans", at=[40, 60, 100, 200])
    test_share = Number(0.1, *TEST_SHARES, open="low", label="Held out", unit="%", at=[0.1, 0.2, 0.3, 0.5])
    effect = Number(1.0, doc="Cohen's d in one feature of each model.")
    n_features = Whole(5, 1, doc="Features of each model.")

    def recruit(p, rng, repeats):
        y, n_test = np.arange(p.n_scans) % 2, round(p.test_share * p.n_scans)
        held_out = random_splits(rng, p.n_splits, p.n_scans, n_test)
        A, B = rng.standard_normal((2, repeats, p.n_scans, p.n_features))
        for X in (A, B):
            X[:, y == 1, 0] += p.effect
        return Studies({"A": A, "B": B}, y=y, held_out=held_out, n_test=n_test)

    def one(p, study):
        splits = [(np.flatnonzero(~test), np.flatnonzero(test)) for test in study.held_out]
        a, b = (cross_val_score(NearestCentroid(), X, study.y, cv=splits) for X in (study.A, study.B))
        difference = b - a
        if np.ptp(difference) < 1e-9:  # the same in every split: nothing, or something without any scatter
            return dict.fromkeys(("plain t-test", "corrected t-test"), float(abs(difference[0]) < 1e-9))
        factor = 1 / p.n_splits + study.n_test / (p.n_scans - study.n_test)
        t = difference.mean() / np.sqrt(factor * difference.var(ddof=1))
        return {
            "plain t-test": stats.ttest_1samp(difference, 0).pvalue,
            "corrected t-test": 2 * stats.t.sf(abs(t), p.n_splits - 1),
        }

    def analyse(p, s):
        a, b = (_scored_splits(X, s.y, s.held_out)[-1] for X in (s.A, s.B))
        difference = (b - a) / s.n_test
        mean, variance = difference.mean(axis=1), difference.var(axis=1, ddof=1)
        scattered = np.ptp(difference, axis=1) > 0  # the variance of equal numbers may be 0 but for rounding
        found, overlap = {}, s.n_test / (p.n_scans - s.n_test)
        for name, more in (("plain t-test", 0), ("corrected t-test", overlap)):
            error = np.sqrt((1 / p.n_splits + more) * variance)
            t = np.divide(mean, error, out=np.where(mean == 0, 0, np.inf), where=scattered)
            found[name] = 2 * stats.t.sf(np.abs(t), p.n_splits - 1)
        return found

    def read(p, draws):
        return (
            f"Two equally good models, {p.n_splits} random splits of {p.n_scans} scans. A test at the 5 % "
            f"level should find a difference in 5 % of studies. It finds one in: {_told(draws)}."
        )

    def head(p, draws):
        return f"False alarms: {_told(draws)}; promised: 5 %."


def p_value(observed, permuted):
    """Of a permutation test, along the last axis: equal scores, also but for rounding, count against it."""
    return (1 + np.sum(permuted >= np.expand_dims(observed, -1) - 1e-9, axis=-1)) / (1 + permuted.shape[-1])


@simulation(block=10, draw=ALARMS)
class permutation_tests:
    """Four ways to a p-value for a cross-validated accuracy, on data in which there is nothing to find.

    Folds hold whole subjects and are stratified; the classifier is RidgeClassifier. Draws: p-values
    "binomial test" (every scan taken for an independent coin toss), "shuffling scans" (labels permuted
    between scans, folds fixed), "shuffling subjects, folds kept" and "shuffling subjects, folds drawn anew".
    With one scan per subject, the second and the third are the same test with other random numbers.

    Noirhomme and others (2014), NeuroImage: Clinical 4:687, doi:10.1016/j.nicl.2014.04.004.
    """

    n_folds = Whole(5, 2, reach=2)
    n_subjects = Whole(40, 4, of=PAIRS, reach=4, label="Subjects", at=[20, 30, 40])
    scans_per_subject = Whole(1, 1, reach=2, label="Scans of each subject", at=range(1, 4))
    n_features = Whole(10, 1, label="Features", at=[2, 5, 10], start=2)
    reliability = RELIABILITY(at=TENTHS[1:], when=lambda p: p.scans_per_subject > 1)
    n_permutations = Whole(19, 19, reach=2, doc="So that p can reach 1/20.")

    def recruit(p, rng, repeats):
        subjects = np.repeat(np.arange(p.n_subjects), p.scans_per_subject)
        y = np.where(np.arange(p.n_subjects) % 2, 1.0, -1.0)  # of subjects
        # Neighbouring subjects are a patient and a control, so these folds are stratified.
        folds = np.repeat(np.arange(p.n_folds), p.n_subjects // p.n_folds)
        person = rng.standard_normal((repeats, p.n_subjects, p.n_features))[:, subjects]
        X = np.sqrt(p.reliability) * person
        X += np.sqrt(1 - p.reliability) * rng.standard_normal(X.shape)
        times = range(p.n_permutations)
        by_subject = [rng.permutation(y)[subjects] for _ in times]
        by_scan = [rng.permutation(y[subjects]) for _ in times]
        # Subjects in another order: the labels and the folds of all their scans.
        order = [np.argsort(rng.permutation(p.n_subjects))[subjects] for _ in times]
        return Studies(
            {"X": X},
            y=y[subjects],
            folds=folds[subjects],
            shuffled={"shuffling scans": by_scan, "shuffling subjects, folds kept": by_subject},
            redrawn=[(y[place], folds[place]) for place in order],
        )

    def one(p, study):
        model, n = RidgeClassifier(), len(study.y)

        def accuracy(y, folds):
            return cross_val_score(model, study.X, y, cv=PredefinedSplit(folds)).mean()

        observed = accuracy(study.y, study.folds)
        test = stats.binomtest(round(observed * n), n, 0.5, alternative="greater")
        found = {"binomial test": test.pvalue}
        for name, permutations in study.shuffled.items():
            permuted = np.array([accuracy(y, study.folds) for y in permutations])
            found[name] = p_value(observed, permuted)
        permuted = np.array([accuracy(y, folds) for y, folds in study.redrawn])
        return found | {"shuffling subjects, folds drawn anew": p_value(observed, permuted)}

    def analyse(p, s):
        n, repeats = len(s.y), len(s.X)
        tests = np.arange(n).reshape(p.n_folds, -1)
        H = batched.hat_matrix(s.X, ridge=1.0)
        # Matrices that turn labels into held-out scores, whatever the labels are.
        inside = np.eye(tests.shape[1]) - H[:, tests[:, :, None], tests[:, None, :]]
        residual = (np.eye(n) - H)[:, tests]
        operator = (np.eye(n)[tests] - np.linalg.solve(inside, residual)).reshape(repeats, n, n)

        def accuracy(scores, y):
            return ((scores > 0) == (y > 0)).mean(axis=1)

        observed = accuracy(operator @ s.y, s.y)
        found = {"binomial test": stats.binom.sf(np.round(observed * n) - 1, n, 0.5)}
        for name, permutations in s.shuffled.items():
            y = np.stack(permutations, axis=1)
            found[name] = p_value(observed, accuracy(operator @ y, y))
        permuted = []
        for y, folds in s.redrawn:
            tests = np.argsort(folds, kind="stable").reshape(p.n_folds, -1)
            scores = batched.held_out_scores(H, y, tests).reshape(repeats, n)
            permuted.append(accuracy(scores, y[tests.ravel()]))
        found["shuffling subjects, folds drawn anew"] = p_value(observed, np.stack(permuted, axis=1))
        return found

    def read(p, draws):
        return (
            f"{p.n_subjects} subjects with {counted(p.scans_per_subject, 'scan')} each, and nothing to find. "
            f"A test at the 5 % level should raise 5 % false alarms. It raises: {_told(draws)}."
        )

    def head(p, draws):
        some = {name: draws[name] for name in ("shuffling scans", "shuffling subjects, folds drawn anew")}
        return f"False alarms: {_told(some)}; promised: 5 %."
