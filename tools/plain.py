"""The experiments of the course, written as a plain scikit-learn loop over the studies.

`utils.experiments` simulates many studies at once, with array operations that are held to be the same as
fitting one model after the other. Here nothing is batched: every study is analysed as a researcher would
write it, with scikit-learn's estimators and cross-validation and SciPy's tests. It serves two purposes: to
check that the fast form finds the same in the very same studies, and to measure how much faster it is.

    python tools/plain.py                       all experiments, compared
    python tools/plain.py best_of_many          this one

**The contract.** A plain experiment is a generator with the name and the parameters of the experiment. It
draws the numbers of a whole block from `rng`, in the order in which the experiment draws them, so that both
see the same subjects. Then, in a loop, it analyses study by study and yields, for each, a dict with the
experiment's draws. Where the fast form uses an identity (held-out scores from the hat matrix, sums minus the
test scans), the plain one fits anew. Parameters are documented in `utils.experiments`; their defaults and
checks stand there as well.
"""

import itertools
import sys
import time
from collections.abc import Iterator

import numpy as np
from scipy import stats
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, f_classif, r_regression
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    KFold,
    PredefinedSplit,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures
from threadpoolctl import threadpool_limits

from utils import cohort, experiments, replicates


def exact_accuracy(weights, intercept, means):
    """Accuracy of a linear rule on endless new subjects: two equally frequent normal classes of variance 1."""
    low, high = means @ np.ravel(weights) + np.ravel(intercept)
    sd = np.linalg.norm(weights)
    if sd == 0:  # every new subject gets the same label
        return 0.5
    return (norm.cdf(-low / sd) + norm.cdf(high / sd)) / 2


def linear_rule(model):
    """Weights and intercept of a fitted linear model or nearest centroid."""
    if isinstance(model, NearestCentroid):
        low, high = model.centroids_
        return high - low, -(high - low) @ (low + high) / 2
    return np.ravel(model.coef_), model.intercept_


# Lesson 05: cross-validation ---------------------------------------------------------------------------


def selection_outside_folds(*, n_scans, n_features, n_selected, effect, n_informative, rule, signed, n_folds, n_new,
                            rng, repeats):
    labels = np.repeat([0, 1], n_scans // 2)
    shift = np.zeros(n_features, np.float32)
    shift[:n_informative] = effect
    studies = rng.standard_normal((repeats, n_scans, n_features), dtype=np.float32)
    studies[:, labels == 1] += shift
    noise = rng.standard_normal((repeats, n_new, n_selected), dtype=np.float32)
    new_labels = np.arange(n_new) % 2

    model = NearestCentroid() if rule == "nearest centroid" else KNeighborsClassifier(1)
    selector = SelectKBest(r_regression if signed else f_classif, k=n_selected)
    cv = StratifiedKFold(n_folds)
    for X, new in zip(studies.astype(float), noise, strict=True):
        chosen = selector.fit(X, labels).get_support(indices=True)
        leaky = cross_val_predict(model, X[:, chosen], labels, cv=cv)
        clean = cross_val_predict(make_pipeline(selector, model), X, labels, cv=cv)
        # The numbers of the new subjects were drawn for the chosen features only. Which column belongs to
        # which feature is an accident of the fast form's sorting; it is asked, so that the subjects are the same.
        [[columns]] = replicates.select_by_correlation(
            X[None].astype(np.float32), labels, n_selected, signed=signed)
        new = (new + new_labels[:, None] * shift[columns])[:, np.argsort(columns)]
        predicted = model.fit(X[:, chosen], labels).predict(new.astype(float))
        yield {"reported": np.mean(leaky == labels), "honest": np.mean(clean == labels),
               "true": np.mean(predicted == new_labels)}


def repeated_scans(*, n_subjects, scans_per_subject, reliability, effect, n_features, rule, n_folds, n_new, rng, repeats):
    subjects = np.repeat(np.arange(n_subjects), scans_per_subject)
    labels = subjects % 2
    by_scan = PredefinedSplit(rng.permutation(np.arange(len(subjects)) % n_folds))
    by_subject = PredefinedSplit(rng.permutation(np.arange(n_subjects) % n_folds)[subjects])
    shift = np.float32(effect / np.sqrt(n_features))
    between = rng.standard_normal((repeats, n_subjects, n_features), dtype=np.float32)
    within = rng.standard_normal((repeats, len(subjects), n_features), dtype=np.float32)
    studies = np.float32(np.sqrt(1 - reliability)) * within + np.float32(np.sqrt(reliability)) * between[:, subjects]
    studies[:, labels == 1] += shift
    if rule == "linear":
        model, new = RidgeClassifier(alpha=1.0), [None] * repeats
    else:
        model, new = KNeighborsClassifier(1), rng.standard_normal((repeats, n_new, n_features), dtype=np.float32)
    new_labels = np.arange(n_new) % 2
    means = np.outer([0, 1], np.full(n_features, shift))

    for X, others in zip(studies.astype(float), new, strict=True):
        reported = cross_val_predict(model, X, labels, cv=by_scan)
        honest = cross_val_predict(model, X, labels, cv=by_subject)
        model.fit(X, labels)
        if rule == "linear":
            true = exact_accuracy(*linear_rule(model), means)
        else:
            true = model.score((others + shift * new_labels[:, None]).astype(float), new_labels)
        yield {"reported": np.mean(reported == labels), "honest": np.mean(honest == labels), "true": true}


def best_of_many(*, varied, n_tried, n_scans, effect, likeness, n_features, n_folds, rng, repeats):
    if varied == "coin tosses":
        for heads in rng.binomial(n_scans, 0.5, (repeats, n_tried)):
            scores = heads / n_scans
            yield {"reported": scores.max(), "honest": scores[0], "true": 0.5, "sd": scores.std()}
        return

    means = np.zeros((2, n_features))
    means[1, 0] = effect
    labels = np.arange(n_scans) % 2
    model = NearestCentroid()
    if varied == "seeds":
        studies = rng.standard_normal((repeats, n_scans, n_features)) + means[labels]
        shuffled = rng.random((n_tried, n_scans)).argsort(axis=1)
        splits = [(scans[n_scans // 4:], scans[: n_scans // 4]) for scans in shuffled]
        for X in studies:
            scores = cross_val_score(model, X, labels, cv=splits)
            train, _ = splits[scores.argmax()]
            model.fit(X[train], labels[train])
            yield {"reported": scores.max(), "honest": scores.mean(), "sd": scores.std(),
                   "true": exact_accuracy(*linear_rule(model), means)}
        return

    common = rng.standard_normal((repeats, 1, n_scans, n_features))
    own = rng.standard_normal((repeats, n_tried, n_scans, n_features))
    studies = np.sqrt(likeness) * common + np.sqrt(1 - likeness) * own + means[labels]
    folds = np.repeat(np.arange(n_folds), n_scans // n_folds)
    for analyses in studies:
        scores = np.array([cross_val_score(model, X, labels, cv=PredefinedSplit(folds)).mean() for X in analyses])
        honest = []
        for fold in range(n_folds):  # nested: the choice anew, without this fold
            train, test = folds != fold, folds == fold
            inner = [cross_val_score(model, X[train], labels[train], cv=PredefinedSplit(folds[train])).mean()
                     for X in analyses]
            X = analyses[np.argmax(inner)]
            honest.append(model.fit(X[train], labels[train]).score(X[test], labels[test]))
        model.fit(analyses[scores.argmax()], labels)
        yield {"reported": scores.max(), "honest": np.mean(honest), "sd": scores.std(),
               "true": exact_accuracy(*linear_rule(model), means)}


def tuned_kernel_ridge(*, n_scans, n_features, n_folds, rng, repeats):
    targets = np.where(np.arange(n_scans) % 2, 1.0, -1.0)
    studies = rng.standard_normal((repeats, n_scans, n_features))

    def deal(targets):
        """Stratified folds, dealt out at random."""
        folds = np.empty(len(targets), int)
        folds[np.lexsort((rng.random(len(targets)), targets))] = np.arange(len(targets)) % n_folds
        return folds

    folds = deal(targets)
    inner_folds = [deal(targets[folds != fold]) for fold in range(n_folds)]
    models = [KernelRidge(kernel="rbf", gamma=gamma, alpha=alpha)
              for gamma in np.geomspace(0.01, 1, 6) / n_features for alpha in np.geomspace(0.01, 100, 5)]

    def accuracy(model, X, targets, folds):
        return np.mean((cross_val_predict(model, X, targets, cv=PredefinedSplit(folds)) > 0) == (targets > 0))

    for X in studies:
        reported = max(accuracy(model, X, targets, folds) for model in models)
        right = 0
        for fold in range(n_folds):
            train, test = folds != fold, folds == fold
            best = np.argmax([accuracy(model, X[train], targets[train], inner_folds[fold]) for model in models])
            predicted = models[best].fit(X[train], targets[train]).predict(X[test])
            right += np.sum((predicted > 0) == (targets[test] > 0))
        yield {"reported": reported, "honest": right / n_scans, "true": 0.5}


def cross_validation_error(*, n_scans, scheme, effect, n_features, ridge, penalise_intercept, rng, repeats):
    labels = np.repeat([0, 1], n_scans // 2)
    scans = np.arange(n_scans)
    if scheme == "50 random splits":
        tests = [rng.permutation(n_scans)[: n_scans // 5] for _ in range(50)]
        cv = [(np.setdiff1d(scans, test), test) for test in tests]
    else:
        n_folds = n_scans if scheme == "leave-one-out" else int(scheme.split("-")[0])
        cv = PredefinedSplit(scans % n_folds)
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    studies = rng.standard_normal((repeats, n_scans, n_features)) + means[labels]

    if penalise_intercept:  # the weight of one more feature that is 1 in everybody
        add_one = FunctionTransformer(lambda X: np.column_stack([X, np.ones(len(X))]))
        model = make_pipeline(add_one, RidgeClassifier(alpha=ridge, fit_intercept=False))
    else:
        model = make_pipeline(RidgeClassifier(alpha=ridge))
    for X in studies:
        scores = cross_val_score(model, X, labels, cv=cv)
        fitted = model.fit(X, labels)[-1]
        weights, intercept = np.ravel(fitted.coef_), fitted.intercept_
        if penalise_intercept:
            weights, intercept = weights[:-1], weights[-1]
        yield {"reported": scores.mean(), "claimed": 1.645 * scores.std(ddof=1) / np.sqrt(len(scores)),
               "true": exact_accuracy(weights, intercept, means)}


def two_equal_learners(*, n_scans, n_splits, test_share, effect, n_features, rng, repeats):
    labels = np.arange(n_scans) % 2
    n_test = round(test_share * n_scans)
    shuffled = rng.random((n_splits, n_scans)).argsort(axis=1)
    splits = [(scans[n_test:], scans[:n_test]) for scans in shuffled]
    one, other = rng.standard_normal((2, repeats, n_scans, n_features))
    for features in (one, other):
        features[:, labels == 1, 0] += effect

    for X, Z in zip(one, other, strict=True):
        difference = (cross_val_score(NearestCentroid(), Z, labels, cv=splits)
                      - cross_val_score(NearestCentroid(), X, labels, cv=splits))
        if np.ptp(difference) < 1e-9:  # the same in every split: nothing, or something without any scatter
            p = 1.0 if abs(difference[0]) < 1e-9 else 0.0
            yield {"plain t-test": p, "corrected t-test": p}
            continue
        error = np.sqrt((1 / n_splits + n_test / (n_scans - n_test)) * difference.var(ddof=1))
        yield {"plain t-test": stats.ttest_1samp(difference, 0).pvalue,
               "corrected t-test": 2 * stats.t.sf(abs(difference.mean()) / error, n_splits - 1)}


def permutation_tests(*, n_subjects, scans_per_subject, reliability, n_features, n_folds, n_permutations, rng, repeats):
    subjects = np.repeat(np.arange(n_subjects), scans_per_subject)
    labels = np.where(np.arange(n_subjects) % 2, 1.0, -1.0)  # of subjects
    scan_labels = labels[subjects]
    # Neighbouring subjects are a patient and a control, so these folds are stratified.
    folds = np.repeat(np.arange(n_folds), n_subjects // n_folds)[subjects]
    between = rng.standard_normal((repeats, n_subjects, n_features))[:, subjects]
    studies = np.sqrt(reliability) * between + np.sqrt(1 - reliability) * rng.standard_normal(between.shape)
    by_subject = [rng.permutation(labels)[subjects] for _ in range(n_permutations)]
    by_scan = [rng.permutation(scan_labels) for _ in range(n_permutations)]
    redrawn = []  # subjects in another order: the labels and the folds of all of their scans
    for _ in range(n_permutations):
        order = rng.permutation(n_subjects)
        place = np.argsort(order)[subjects]
        redrawn.append((labels[place], folds[::scans_per_subject][place]))

    def accuracy(X, labels, folds):
        return cross_val_score(RidgeClassifier(alpha=1e-6), X, labels, cv=PredefinedSplit(folds)).mean()

    def p_value(observed, permuted):
        # Equal scores count against the finding, also if they differ by rounding.
        return (1 + np.sum(np.array(permuted) >= observed - 1e-9)) / (1 + n_permutations)

    for X in studies:
        observed = accuracy(X, scan_labels, folds)
        right = round(observed * len(subjects))
        yield {
            "binomial test": stats.binomtest(right, len(subjects), 0.5, alternative="greater").pvalue,
            "shuffling scans": p_value(observed, [accuracy(X, shuffled, folds) for shuffled in by_scan]),
            "shuffling subjects, folds kept": p_value(
                observed, [accuracy(X, shuffled, folds) for shuffled in by_subject]),
            "shuffling subjects, folds drawn anew": p_value(observed, [accuracy(X, *both) for both in redrawn]),
        }


# Lesson 02: overfitting --------------------------------------------------------------------------------


def five_folds(n):
    """Five folds of one size, dealt out in turn; scans left over are always in training."""
    return PredefinedSplit(np.where(np.arange(n) < n - n % 5, np.arange(n) % 5, -1))


def complexity_of_the_model(*, n_scans, effect, n_informative, ridge, feature_counts, rng, repeats):
    labels = np.arange(n_scans) % 2
    means = np.zeros((2, feature_counts[-1]))
    means[:, :n_informative] = np.array([[-1], [1]]) * effect / 2 / np.sqrt(n_informative)
    studies = rng.standard_normal((repeats, n_scans, feature_counts[-1])) + means[labels]

    model = RidgeClassifier(alpha=ridge)
    for X in studies:
        training, reported, true = [], [], []
        for count in feature_counts:
            reported.append(cross_val_score(model, X[:, :count], labels, cv=five_folds(n_scans)).mean())
            training.append(model.fit(X[:, :count], labels).score(X[:, :count], labels))
            true.append(exact_accuracy(*linear_rule(model), means[:, :count]))
        yield {"training": training, "reported": reported, "true": true}


def learning_curve_of_lda(*, n_features, effect, rule, sizes, rng, repeats):
    labels = np.arange(sizes[-1]) % 2
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    studies = rng.standard_normal((repeats, sizes[-1], n_features)) + means[labels]

    model = LinearDiscriminantAnalysis() if rule == "LDA" else NearestCentroid()
    theory = []
    for n in sizes:
        means_unknown = 1 + 2 * n_features / (effect**2 * n / 2)
        covariance_unknown = 1 + n_features / (n - n_features) if rule == "LDA" else 1
        theory.append(norm.cdf(effect / 2 / np.sqrt(means_unknown * covariance_unknown)))
    for X in studies:
        training, true = [], []
        for n in sizes:
            training.append(model.fit(X[:n], labels[:n]).score(X[:n], labels[:n]))
            true.append(exact_accuracy(*linear_rule(model), means))
        yield {"training": training, "true": true, "theory": theory, "ceiling": [norm.cdf(effect / 2)] * len(sizes)}


def publication_filter(*, effect, publish_from, n_features, ridge, sizes, rng, repeats):
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    of_size = [rng.standard_normal((repeats, n, n_features)) + means[np.arange(n) % 2] for n in sizes]

    model = RidgeClassifier(alpha=ridge)
    for studies in zip(*of_size, strict=True):
        reported, true = [], []
        for X in studies:
            labels = np.arange(len(X)) % 2
            reported.append(cross_val_score(model, X, labels, cv=five_folds(len(X))).mean())
            true.append(exact_accuracy(*linear_rule(model.fit(X, labels)), means))
        yield {"reported": reported, "true": true}


def regional_mri(*, regions, strength, ridge, sizes, rng, repeats):
    putamen_alone, with_volumes = regions == "putamen alone", regions == "cortex and subcortical volumes"
    volumes = {name: d for name, (d, _, _) in cohort.VOLUME.items()}
    cortex = [] if putamen_alone else list(cohort.THICKNESS_D.values())
    d = strength * np.array([*cortex, *(volumes.values() if with_volumes else [volumes["putamen"]] * putamen_alone)])
    r = cohort.REGIONAL_R
    covariance = np.full((len(d), len(d)), r) + (1 - r) * np.eye(len(d))
    labels = np.arange(sizes[-1]) % 2
    own = rng.standard_normal((repeats, sizes[-1], len(d)))
    common = rng.standard_normal((repeats, sizes[-1], 1))
    studies = np.sqrt(1 - r) * own + np.sqrt(r) * common + labels[:, None] * d
    best = np.linalg.solve(covariance, d)

    def exact_auc(weights):
        return norm.cdf(weights @ d / np.sqrt(2 * weights @ covariance @ weights))

    model = RidgeClassifier(alpha=ridge)
    for everybody in studies:
        training, reported, true = [], [], []
        for n in sizes:
            X, y = everybody[:n], labels[:n]
            reported.append(cross_val_score(model, X, y, cv=five_folds(n), scoring="roc_auc").mean())
            model.fit(X, y)
            training.append(roc_auc_score(y, model.decision_function(X)))
            true.append(exact_auc(np.ravel(model.coef_)))
        yield {"training": training, "reported": reported, "true": true, "ceiling": [exact_auc(best)] * len(sizes)}


# Lesson 03: underfitting -------------------------------------------------------------------------------


def p_of_regression(terms, y):
    """p-value of the F-test that none of the terms helps to predict y."""
    n, k = terms.shape
    explained = LinearRegression().fit(terms, y).score(terms, y)
    return stats.f.sf(explained / k / ((1 - explained) / (n - k - 1)), k, n - k - 1)


def tests_of_hidden_signal(*, shape, n_scans, strength, rng, repeats):
    patient = np.arange(n_scans) % 2
    studies = rng.standard_normal((repeats, n_scans, 2))
    outcome = np.tile(patient.astype(float), (repeats, 1))
    if shape == "straight line":
        studies[..., 0] += strength * patient
    elif shape == "exclusive or":
        side = rng.choice([-1.0, 1.0], (repeats, n_scans))
        studies[..., 0] += strength * side
        studies[..., 1] += strength * side * np.where(patient, 1, -1)
    elif shape == "U-shape":
        outcome = strength * studies[..., 0] ** 2 + np.sqrt(2) * rng.standard_normal((repeats, n_scans))
    else:
        studies[..., 0] *= 1 + strength * patient

    for X, y in zip(studies, outcome, strict=True):
        if shape == "U-shape":
            one = stats.pearsonr(X[:, 0], y).pvalue
        else:
            one = stats.ttest_ind(X[patient == 1, 0], X[patient == 0, 0]).pvalue
        squares_and_product = PolynomialFeatures(2, include_bias=False).fit_transform(X)
        yield {"straight line, one measure": one,
               "straight lines, both measures": p_of_regression(X, y),
               "squares and product added": p_of_regression(squares_and_product, y)}


def bias_and_variance(*, straight, hidden, n_noise, sizes, n_new, rng, repeats):
    def recruit(*shape):
        patient = np.arange(shape[-1]) % 2
        X = rng.standard_normal((*shape, 3 + n_noise))
        side = rng.choice([-hidden, hidden], shape)
        X[..., 0] += side
        X[..., 1] += side * np.where(patient, 1, -1)
        X[..., 2] += straight * patient
        return X, patient

    studies, labels = recruit(repeats, sizes[-1])
    new, new_labels = recruit(n_new)
    limits = experiments.straight_and_hidden_limits(straight, hidden)  # an integral, the same for all studies
    models = {"linear": RidgeClassifier(alpha=1.0),
              "flexible": make_pipeline(PolynomialFeatures(2, include_bias=False), RidgeClassifier(alpha=1.0))}
    for X in studies:
        found = {"ceiling": limits["ceiling"]}
        for name, model in models.items():
            train, true = [], []
            for n in sizes:
                train.append(model.fit(X[:n], labels[:n]).score(X[:n], labels[:n]))
                true.append(model.score(new, new_labels))
            found |= {f"{name} train": train, f"{name} true": true, f"{name} limit": limits[name]}
        yield found


def shrinkage_sweep(*, n_scans, n_features, n_informative, effect, thresholds, n_folds, rng, repeats):
    labels = np.arange(n_scans) % 2
    means = np.zeros((2, n_features))
    means[1, :n_informative] = effect / np.sqrt(n_informative)
    studies = rng.standard_normal((repeats, n_scans, n_features)) + means[labels]

    for X in studies:
        train, honest, true = [], [], []
        for threshold in thresholds:
            model = NearestCentroid(shrink_threshold=threshold or None)
            # Neighbouring scans are a patient and a control, so unshuffled folds are balanced.
            honest.append(cross_val_score(model, X, labels, cv=KFold(n_folds)).mean())
            train.append(model.fit(X, labels).score(X, labels))
            true.append(exact_accuracy(*linear_rule(model), means))
        yield {"train": train, "honest": honest, "true": true, "ceiling": norm.cdf(abs(effect) / 2)}


def region_mean(*, n_scans, n_affected, effect, place, n_voxels, likeness, n_new, rng, repeats):
    moves = place == "elsewhere in every patient"

    def recruit(*shape):
        labels = np.arange(shape[-1]) % 2
        own = rng.standard_normal((*shape, n_voxels))
        common = rng.standard_normal((*shape, 1))
        first = rng.integers(n_voxels, size=shape) if moves else np.zeros(shape, int)
        raised = (np.arange(n_voxels) - first[..., None]) % n_voxels < n_affected
        X = np.sqrt(1 - likeness) * own + np.sqrt(likeness) * common
        return X + effect * (raised & (labels == 1)[:, None]), labels

    studies, labels = recruit(repeats, n_scans)
    new, new_labels = recruit(n_new)
    # The ceiling: the densities of patients, for every place that the effect may have, and of controls.
    covariance = np.full((n_voxels, n_voxels), likeness) + (1 - likeness) * np.eye(n_voxels)
    centred = stats.multivariate_normal(cov=covariance)
    region = effect * (np.arange(n_voxels) < n_affected)
    patients = [centred.pdf(new - np.roll(region, first)) for first in range(n_voxels if moves else 1)]
    ceiling = np.mean((np.mean(patients, axis=0) > centred.pdf(new)) == new_labels)

    def one_number(summary):
        return make_pipeline(FunctionTransformer(lambda X: summary(X, axis=1, keepdims=True)), NearestCentroid())

    models = {"region mean": one_number(np.mean), "highest voxel": one_number(np.max),
              "all voxels": RidgeClassifier(alpha=10.0)}
    for X in studies:
        yield {name: model.fit(X, labels).score(new, new_labels) for name, model in models.items()} | {"ceiling": ceiling}


# The registry and the comparison -----------------------------------------------------------------------

PLAIN = {plain.__name__: plain for plain in (
    # lesson 05
    selection_outside_folds, repeated_scans, best_of_many, tuned_kernel_ridge, cross_validation_error,
    two_equal_learners, permutation_tests,
    # lesson 02
    complexity_of_the_model, learning_curve_of_lda, publication_filter, regional_mri,
    # lesson 03
    tests_of_hidden_signal, bias_and_variance, shrinkage_sweep, region_mean,
)}


def plain_studies(name: str, *, seed: int = 0, number: int = 0, **parameters) -> Iterator[dict]:
    """Block `number` of an experiment, study by study, as the plain loop analyses it."""
    fast = getattr(experiments, name)
    return PLAIN[name](rng=np.random.default_rng([seed, number]), repeats=fast.block, **fast.defaults | parameters)


def differences(block: dict, found: list[dict]) -> dict[str, float]:
    """Largest absolute difference between a block of the fast form and its first studies by the plain loop."""
    if set(block) != set(found[0]):
        raise ValueError(f"The draws are {sorted(block)} in one form and {sorted(found[0])} in the other.")
    return {name: float(np.abs(values[: len(found)] - np.stack([study[name] for study in found])).max())
            for name, values in block.items()}


def _timed(steps) -> Iterator[tuple[float, dict]]:
    """The seconds of processor time that each step of an iterator took, and what it gave."""
    start = time.process_time()
    for step in steps:
        yield time.process_time() - start, step
        start = time.process_time()


def compare(name: str, seconds: float = 2.0, *, seed: int = 0, **parameters) -> dict:
    """Time an experiment in both forms, with one BLAS thread, and compare what they find.

    Parameters
    ----------
    name : str
        An experiment of `utils.experiments`.
    seconds : float
        Measure each form for about so long (at least five blocks, and four studies of the plain loop).
    seed : int
    **parameters
        Of the experiment; by default its own.

    Returns
    -------
    dict
        "name"; "block" (studies per block of the fast form); "batched_per_second" and "plain_per_second" (studies
        per second of processor time, which other programs disturb little: by the median time of a block, and by the
        median time of a study together with its share of the drawing); "ratio"; "difference" (largest absolute difference of any draw over the studies that the plain
        loop analysed) and "studies" (how many these are).
    """
    fast = getattr(experiments, name)
    settings = fast.defaults | parameters
    blocks, fast_times = [], []
    first, later, worst, studies = [], [], 0.0, 0
    with threadpool_limits(1):
        fast._draw(seed, 0, settings)  # a warm-up, as the next line for the plain loop
        next(plain_studies(name, seed=seed, **parameters))
        for taken, block in _timed(fast._draw(seed, number, settings) for number in itertools.count()):
            fast_times.append(taken)
            blocks.append(block)
            if len(blocks) >= 5 and sum(fast_times) >= seconds:
                break
        for number, block in enumerate(blocks):
            found = []
            for taken, study in _timed(plain_studies(name, seed=seed, number=number, **parameters)):
                (later if found else first).append(taken)
                found.append(study)
                if enough := studies + len(found) >= 4 and sum(first + later) >= seconds:
                    break
            worst = max(worst, *differences(block, found).values())
            studies += len(found)
            if enough:
                break
    # The first step of a block holds the drawing of its random numbers as well.
    study = np.median(later)
    drawing = max(np.median(first) - study, 0) / fast.block
    batched, plain = fast.block / np.median(fast_times), 1 / (study + drawing)
    return {"name": name, "block": fast.block, "batched_per_second": float(batched), "plain_per_second": float(plain),
            "ratio": float(batched / plain), "difference": worst, "studies": studies}


def table(seconds: float = 2.0) -> Iterator[dict]:
    """`compare` for every experiment, in the order of `utils.experiments`."""
    for name, value in vars(experiments).items():
        if isinstance(value, experiments.Experiment):
            yield compare(name, seconds)


def main(wanted):
    for row in (compare(name) for name in wanted) if wanted else table():
        print(f"{row['name']}: {row['batched_per_second']:,.0f} studies per second in blocks of {row['block']}, plain "
              f"{row['plain_per_second']:,.1f}; {row['ratio']:.0f} times; largest difference of {row['studies']} "
              f"studies {row['difference']:.1g}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
