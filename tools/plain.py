"""The experiments of the course, written as a plain scikit-learn loop over the studies.

`utils.experiments` (and `utils.study`, for lesson 07) simulates many studies at once, with array operations
that are held to be the same as fitting one model after the other. Here nothing is batched: every study is
analysed as a researcher would write it, with scikit-learn's estimators and cross-validation and SciPy's
tests. It serves two purposes: to check that the fast form finds the same in the very same studies, and to
measure how much faster it is.

    python tools/plain.py                       all experiments, compared
    python tools/plain.py best_of_many          this one

**The contract.** A plain experiment is a generator with the name and the parameters of the experiment. It
draws the numbers of a whole block from `rng`, in the order in which the experiment draws them, so that both
see the same subjects. Then, in a loop, it analyses study by study and yields, for each, a dict with the
experiment's draws. Where the fast form uses an identity (held-out scores from the hat matrix, sums minus the
test scans), the plain one fits anew. Parameters are documented with the experiment; their defaults and
checks stand there as well. The plain form of `one_flaw` takes people and folds from `utils.study`, which only
draws them, and does everything that is done with them itself.
"""

import itertools
import sys
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, f_classif, r_regression
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import (
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from threadpoolctl import threadpool_limits

import utils.study
from utils import cohort, experiments, replicates, review
from utils.experiments import DEFECTS, HARMONISATIONS


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
    best = np.linalg.solve(covariance, d)
    large = [n for n in sizes if n >= experiments._LARGE and len(d) > 1]
    n_small = max(set(sizes) - set(large), default=0)
    own = rng.standard_normal((repeats, n_small, len(d)))
    common = rng.standard_normal((repeats, n_small, 1))
    labels = np.arange(n_small) % 2
    studies = np.sqrt(1 - r) * own + np.sqrt(r) * common + labels[:, None] * d
    drawn = {n: _moments(n, len(d), rng, repeats) for n in large}
    model = RidgeClassifier(alpha=ridge)

    def exact_auc(weights):
        return norm.cdf(weights @ d / np.sqrt(2 * weights @ covariance @ weights))

    for number in range(repeats):
        training, reported, true = [], [], []
        for n in sizes:
            if n in large:
                groups = [group[number] for group in drawn[n]]
                X, y, folds = _people(model, groups, d, np.linalg.cholesky(covariance))
                cv = PredefinedSplit(folds)
            else:
                X, y, cv = studies[number, :n], labels[:n], five_folds(n)
            reported.append(cross_val_score(model, X, y, cv=cv, scoring="roc_auc").mean())
            model.fit(X, y)
            training.append(roc_auc_score(y, model.decision_function(X)))
            true.append(exact_auc(np.ravel(model.coef_)))
        yield {"training": training, "reported": reported, "true": true, "ceiling": [exact_auc(best)] * len(sizes)}


def _moments(n, p, rng, repeats):
    """What is drawn of a large study: of each fold's controls and patients, parts of shape (repeats, ...).

    The triangle of Bartlett's decomposition, the mean, and two columns that say how scores are spread over the subjects.
    """
    size = [[len(group) for group in np.array_split(np.arange(-(-(n - label) // 2)), 5)] for label in (0, 1)]
    size = np.transpose(size)
    below = rng.standard_normal((repeats, 5, 2, p * (p - 1) // 2))
    diagonal = np.sqrt(rng.chisquare(size[..., None] - 1.0 - np.arange(p), (repeats, 5, 2, p)))
    means = rng.standard_normal((repeats, 5, 2, p)) / np.sqrt(size)[..., None]
    apart = rng.standard_normal((repeats, 5, 2, size.max(), 2))
    groups = []
    for fold, label in itertools.product(range(5), range(2)):
        triangle = np.zeros((repeats, p, p))
        triangle[(slice(None), *np.tril_indices(p, -1))] = below[:, fold, label]
        triangle[:, range(p), range(p)] = diagonal[:, fold, label]
        groups.append(list(zip(triangle, means[:, fold, label], apart[:, fold, label, : size[fold, label]], strict=True)))
    return groups


def _people(model, groups, d, root):
    """Subjects with these means and scatters, whose scores by the fitted rules are spread as was drawn.

    Any subjects with the same means and scatters lead to the same rules. So the rules are fitted to some, and then
    these are turned, group by group, until their scores point in the direction that was drawn.
    """
    labels, folds = np.tile([0, 1], 5), np.repeat(np.arange(5), 2)

    def measures(directions):
        X = [(mean + U @ triangle.T) @ root.T + label * d
             for U, (triangle, mean, _), label in zip(directions, groups, labels, strict=True)]
        sizes = [len(x) for x in X]
        return np.vstack(X), np.repeat(labels, sizes), np.repeat(folds, sizes)

    def orthonormal(*columns, m, p):
        """m rows, p columns: of length 1, at right angles to each other, to a constant and to the columns given."""
        known = np.column_stack([np.ones(m), *columns])
        return np.linalg.qr(np.column_stack([known, np.cos(np.outer(np.arange(m), 1 + np.arange(p)))]))[0][:, known.shape[1]:]

    X, y, fold = measures([orthonormal(m=len(apart), p=len(d)) for _, _, apart in groups])
    of_all = np.ravel(model.fit(X, y).coef_)
    turned = []
    for (triangle, _, apart), own in zip(groups, folds, strict=True):
        seen = triangle.T @ root.T @ np.column_stack([of_all, np.ravel(model.fit(X[fold != own], y[fold != own]).coef_)])
        apart = apart - apart.mean(axis=0)
        wanted, given = np.linalg.cholesky(seen.T @ seen), np.linalg.cholesky(apart.T @ apart)
        scores = apart @ np.linalg.inv(given).T @ wanted.T
        inverse = np.linalg.pinv(seen)
        rest = orthonormal(scores, m=len(apart), p=len(d))
        turned.append(scores @ inverse + rest @ (np.eye(len(d)) - seen @ inverse))
    return measures(turned)


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


# Lesson 04: wrong labels ------------------------------------------------------------------------------


def _line(model):
    """Weights and intercept of a fitted linear classifier or regression."""
    if isinstance(model, NearestCentroid):
        low, high = model.centroids_
        return high - low, -(high - low) @ (low + high) / 2
    return np.ravel(model.coef_), np.ravel(model.intercept_)[0]


def _by_distance(rule: str):
    return NearestCentroid() if rule == "nearest centroid" else KNeighborsClassifier(1)


def wrong_labels(*, where, n_scans, n_features, effect, rule, rates, n_test, rng, repeats):
    labels, test_labels = np.arange(n_scans) % 2, np.arange(n_test) % 2
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    X = rng.standard_normal((repeats, n_scans, n_features)) + means[labels]
    new = rng.standard_normal((repeats, n_test, n_features)) + means[test_labels]
    luck, test_luck = rng.random((repeats, n_scans)), rng.random((repeats, n_test))
    in_training, in_test = where != "test only", where != "training only"
    for r in range(repeats):
        study = {"reported": [], "true": [], "theory": [], "ceiling": []}
        for rate in rates:
            recorded = np.where(luck[r] < rate * in_training, 1 - labels, labels)
            test_recorded = np.where(test_luck[r] < rate * in_test, 1 - test_labels, test_labels)
            model = _by_distance(rule).fit(X[r], recorded)
            kept = 1 - 2 * rate * in_training
            study["reported"].append(accuracy_score(test_recorded, model.predict(new[r])))
            if rule == "nearest centroid":
                study["true"].append(exact_accuracy(*_line(model), means))
                worth = n_scans * kept**2  # as many scans with right labels
                study["theory"].append(
                    norm.cdf(effect / 2 / np.sqrt(1 + 4 * n_features / (effect**2 * worth))) if worth else 0.5)
            else:
                study["true"].append(accuracy_score(test_labels, model.predict(new[r])))
                right = KNeighborsClassifier(1).fit(X[r], labels).score(new[r], test_labels)
                study["theory"].append(right * kept + (1 - kept) / 2)
            study["ceiling"].append(1 - rate * in_test)
        yield study


def kinds_of_wrong_labels(*, kind, rate, prevalence, n_scans, effect, rng, repeats):
    end = effect / 2 + 2.5
    grid = np.linspace(-end - 3, end + 3, 2001)
    groups = np.array([(1 - prevalence) * norm.pdf(grid, -effect / 2), prevalence * norm.pdf(grid, effect / 2)])
    groups /= groups.sum()
    chance = experiments._chance_of_error(kind, rate, grid, groups, effect)  # who is labelled wrongly, by definition
    labels = (np.arange(n_scans) < round(n_scans * prevalence)).astype(int)
    x = rng.standard_normal((repeats, n_scans)) + effect * (labels - 0.5)
    luck = rng.random(x.shape)
    # All people: a true control or patient, recorded rightly or wrongly, at every value of the measure.
    true, wrong = np.array([[0, 0], [1, 1]]), np.array([[0, 1], [0, 1]])
    people = np.stack([groups * (1 - chance), groups * chance], axis=1)

    def rates(cut, diagnosis):
        """Sensitivity, specificity and accuracy of a cut, by a diagnosis of shape (2, 2), as in `people`."""
        below = [[np.interp(cut, grid, np.cumsum(part)) for part in group] for group in people]
        negatives, positives = diagnosis == 0, diagnosis == 1
        totals, below = people.sum(axis=2), np.array(below)
        caught, cleared = totals[positives].sum() - below[positives].sum(), below[negatives].sum()
        return caught / totals[positives].sum(), cleared / totals[negatives].sum(), caught + cleared

    seen = np.linspace(-end, end, 121)
    shapes = {"controls": groups[0], "patients": groups[1], "wrong controls": people[0, 1], "wrong patients": people[1, 1]}
    for r in range(repeats):
        recorded = np.where(luck[r] < np.where(labels == 1, *(np.interp(x[r], grid, c) for c in chance[::-1])),
                            1 - labels, labels)
        study = {name: np.interp(seen, grid, values) / groups.max() for name, values in shapes.items()}
        for name, diagnosis in (("", recorded), ("best ", labels)):
            model = LogisticRegression(C=1e3, solver="newton-cholesky", tol=1e-14).fit(x[r][:, None], diagnosis)
            cut = -model.intercept_[0] / model.coef_[0, 0]
            study["threshold" if name == "" else "threshold, right labels"] = np.clip((cut + end) / (2 * end), 0, 1)
            study[f"{name}sensitivity"], study[f"{name}specificity"], right = rates(cut, true)
            if name == "":
                study["true"] = right
                study["reported sensitivity"], study["reported specificity"], study["reported"] = rates(cut, true ^ wrong)
        yield study


def shared_errors(*, through, rater_accuracy, effect, n_scans, n_features, shares, n_test, rng, repeats):
    labels = np.arange(n_scans + n_test) % 2
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    noise = rng.standard_normal((repeats, n_scans + n_test, n_features))
    elsewhere = rng.standard_normal((repeats, n_scans + n_test))
    for r in range(repeats):
        X = noise[r] + means[labels]
        in_the_scan = noise[r, :, 0 if through == "the scan itself" else 1]
        study = {"reported": [], "true": [], "theory": [], "ceiling": []}
        for share in shares:
            error = np.sqrt(share) * in_the_scan + np.sqrt(1 - share) * elsewhere[r]
            recorded = (norm.ppf(rater_accuracy) * (2 * labels - 1) + error > 0).astype(int)
            model = RidgeClassifier(alpha=1.0).fit(X[:n_scans], recorded[:n_scans])
            true = exact_accuracy(*_line(model), means)
            study["reported"].append(model.score(X[n_scans:], recorded[n_scans:]))
            study["true"].append(true)
            study["theory"].append(true * rater_accuracy + (1 - true) * (1 - rater_accuracy))
            study["ceiling"].append(norm.cdf(effect / 2))
        yield study


def labels_or_architecture(*, signal, worst, models, n_scans, effect, centre, n_new, rng, repeats):
    kinds = np.arange(n_scans + n_new) % 4
    if signal == "linear":
        labels, at = kinds % 2, np.zeros((n_scans + n_new, 20))
        at[:, :5] = effect / np.sqrt(5) * (labels[:, None] - 0.5)
    else:
        labels, at = (kinds % 2 == kinds // 2).astype(int), np.zeros((n_scans + n_new, 4))
        at[:, 0], at[:, 1] = centre * (2 * (kinds % 2) - 1), centre * (2 * (kinds // 2) - 1)
    X = rng.standard_normal((repeats, n_scans + n_new, at.shape[1])) + at
    luck = rng.random((repeats, 4, n_scans))
    names = experiments.MODEL_SETS[models]
    for r in range(repeats):
        train, new = X[r, :n_scans], X[r, n_scans:]
        make = {
            "linear": RidgeClassifier(alpha=10), "nearest centroid": NearestCentroid(), "naive Bayes": GaussianNB(),
            "kernel": KernelRidge(alpha=1, kernel="rbf", gamma=1 / (train.shape[1] * train.var())),
            "15 neighbours": KNeighborsClassifier(15), "1 neighbour": KNeighborsClassifier(1),
        }
        true = np.empty((4, len(names)))
        for level, rate in enumerate(np.linspace(0, worst, 4)):
            recorded = np.where(luck[r, level] < rate, 1 - labels[:n_scans], labels[:n_scans])
            for m, name in enumerate(names):
                if name == "kernel":  # a regression: its sign is the diagnosis
                    predicted = make[name].fit(train, 2.0 * recorded - 1).predict(new) > 0
                else:
                    predicted = make[name].fit(train, recorded).predict(new)
                true[level, m] = accuracy_score(labels[n_scans:], predicted)
        yield {"true": true}


def scans_or_raters(*, rating_cost, rater_error, shared, budget, rule, effect, n_features, raters, n_test, rng, repeats):
    # An even number of scans; a fraction of a scan buys nothing.
    paid = [int(budget / (1 + k * rating_cost) / 2 + 1e-9) * 2 for k in raters]
    n_scans = max(paid)
    labels = np.arange(n_scans + n_test) % 2
    means = np.zeros((2, n_features))
    means[:, 0] = -effect / 2, effect / 2
    X = rng.standard_normal((repeats, n_scans + n_test, n_features)) + means[labels]
    alone = rng.random((repeats, n_scans + n_test, max(raters))) < rater_error
    together = rng.random((repeats, n_scans + n_test)) < shared
    deceived = rng.random((repeats, n_scans + n_test)) < rater_error
    for r in range(repeats):
        new, study = X[r, n_scans:], {"reported": [], "true": [], "ceiling": []}
        for k, n in zip(raters, paid, strict=True):
            wrong = np.where(together[r], deceived[r], alone[r, :, :k].mean(axis=1) > 0.5)
            recorded = np.where(wrong, 1 - labels, labels)
            model = _by_distance(rule).fit(X[r, :n], recorded[:n])
            study["reported"].append(model.score(new, recorded[n_scans:]))
            study["true"].append(exact_accuracy(*_line(model), means) if rule == "nearest centroid"
                                 else model.score(new, labels[n_scans:]))
            study["ceiling"].append(1 - shared * rater_error - (1 - shared) * stats.binom.sf(k // 2, k, rater_error))
        yield study


# Lesson 01: look before you train -----------------------------------------------------------------------


def _first_look(defect, table, gaps, label, side, site):
    """What a look at one table sees: a number per scan to draw, and whether it finds the defect."""
    n, disease = len(table), table[:, 0] - 10
    if defect in ("nothing", "wrong labels here and there"):
        alarms = [_first_look(one, table, gaps, label, side, site)[1] for one in DEFECTS[1:-1]]
        return 0.5 + disease / 10, any(alarms)
    if defect == "the same subject twice":
        alike = np.corrcoef(StandardScaler().fit_transform(table)) - 2 * np.eye(n)
        return alike.max(axis=1), alike.max() > 0.95
    if defect == "left and right swapped":
        turned = np.where(label == 1, table[:, 1] * side, table[:, 1])
        return 0.5 + turned / 10, min(turned[(site == s) & (label == 1)].mean() for s in range(4)) < 0
    if defect == "one site with another gain":
        level = table.mean(axis=1)
        apart = max(abs(level[site == s].mean() - level.mean()) for s in range(4))
        return (level - 8.5) / 3, apart > 4 * stats.sem(level, ddof=0) * 2
    if defect == "labels swapped in a block":
        width = n // 10
        against = (disease - disease.mean()) * (1 - 2 * label)
        runs = [against[i + 1:i + 1 + width].mean() for i in range(n - width)]
        return 0.5 + disease / 10, min(runs) < -2.5 / np.sqrt(width)
    if defect == "a unit error in one column":
        column = table[:, 2]
        distance = np.abs(column - np.median(column))
        return column / 125, distance.max() > 8 * 1.4826 * np.median(distance)
    if defect == "the site goes with the diagnosis":
        counts = [[np.sum((site == s) & (label == one)) for s in range(4)] for one in (1, 0)]
        return 0.5 + disease / 10, stats.chi2_contingency(counts, correction=False).pvalue < 0.001
    if defect == "the gaps go with the diagnosis":
        cases, controls, share = gaps[label == 1], gaps[label == 0], gaps.mean()
        error = np.sqrt(share * (1 - share) * (1 / len(cases) + 1 / len(controls)))
        return np.where(gaps, 0.03, 0.5 + (table[:, 3] - 10) / 10), abs(cases.mean() - controls.mean()) > 3 * error
    cases, controls = table[label == 1], table[label == 0]
    apart = np.abs(cases.mean(axis=0) - controls.mean(axis=0)) / np.sqrt((cases.var(axis=0) + controls.var(axis=0)) / 2)
    return 0.5 + (table[:, 4] - 10) / 8, apart.max() > 2.8


def planted_defect(*, defect, n_scans, effect, rng, repeats):
    n = n_scans
    rows = np.arange(n)
    site = rows // (n // 4)
    y = rows % 2
    if defect == "the site goes with the diagnosis":
        y = np.where(site < 2, rows // 5 % 5 != 0, rows // 5 % 5 == 0).astype(int)
    clean = rng.standard_normal((repeats, n, 20))
    clean[:, :, 0] -= (y - 0.5) * effect
    side = rng.choice([-1.0, 1.0], (repeats, n))
    clean[:, :, 1] += 1.5 * side * y
    copies = rows[-(n // 10):]
    if defect == "the same subject twice":
        jitter = 0.05 * rng.standard_normal((repeats, n // 10, 20))
    elif defect == "a unit error in one column":
        slips = rng.permuted(np.tile(rows, (repeats, 1)), axis=1)[:, :5]
    elif defect == "the gaps go with the diagnosis":
        missing = rng.random((repeats, n)) < np.where(y == 1, 0.25, 0.05)
    level = np.where(np.arange(20) == 1, 0.0, 10.0)
    means = np.zeros((4, 2, 20))
    means[:, :, 0] = effect / 2, -effect / 2
    means[:, 1, 1] = -1.5, -1.5, 1.5, 1.5
    label, cv = y, PredefinedSplit(rows % 5)
    if defect == "labels swapped in a block":
        label = np.where((rows >= n // 2) & (rows < n // 2 + n // 10), 1 - y, y)
    elif defect == "wrong labels here and there":
        label = np.where(rows % 10 == rows // 10 * 3 % 10, 1 - y, y)
    elif defect == "the site goes with the diagnosis":
        means[:, :, 5] = np.array([[-1.5], [1.5], [-1.5], [1.5]])
    for r in range(repeats):
        X, gaps, own_side = clean[r] + level, np.zeros(n, bool), side[r].copy()
        if defect == "the same subject twice":
            away = n // 2 + 2 if (n // 2 + 2) % 5 else n // 2 + 4
            X[copies] = X[copies - away] + jitter[r]
            own_side[copies] = own_side[copies - away]
        elif defect == "left and right swapped":
            X[site == 2, 1] *= -1
        elif defect == "one site with another gain":
            X[site == 2] *= 1.1
        elif defect == "a unit error in one column":
            X[slips[r], 2] *= 10
        elif defect == "the site goes with the diagnosis":
            X[:, 5] += np.where(site < 2, 1.5, -1.5)
        elif defect == "the gaps go with the diagnosis":
            gaps = missing[r]
            X[gaps, 3] = 0
        elif defect == "a column that is the diagnosis":
            X[:, 4] = 10 + y - 0.5 + 0.3 * (X[:, 4] - 10)
        model = RidgeClassifier(alpha=1.0)
        reported = accuracy_score(label, cross_val_predict(model, X, label, cv=cv))
        honest = accuracy_score(y, cross_val_predict(model, clean[r] + level, y, cv=cv))
        model.fit(X, label)
        if defect == "a column that is the diagnosis":  # in new subjects it says nothing yet, and stands at its mean
            model.intercept_ = model.intercept_ + 10 * model.coef_[..., 4]
            model.coef_[..., 4] = 0
        evidence, found = _first_look(defect, X, gaps, label, own_side, site)
        yield {"reported": reported, "honest": honest,
               "true": np.mean([exact_accuracy(*_line(model), level + of_class) for of_class in means]),
               "found": float(found), "evidence": np.clip(evidence, 0, 1), "label": label}


def two_sites_paradox(*, n_per_site, distance, within, rng, repeats):
    noise, other = rng.standard_normal((2, repeats, 2, n_per_site))
    for r in range(repeats):
        x, y = noise[r], within * noise[r] + np.sqrt(1 - within**2) * other[r]
        shift = distance * (np.array([[0], [1]]) - 0.5)
        at_site = [stats.pearsonr(x[s], y[s]).statistic for s in (0, 1)]
        x, y = (x + shift).ravel(), (y + shift).ravel()
        yield {"pooled": stats.pearsonr(x, y).statistic, "within": np.mean(at_site),
               "x": np.clip(0.5 + x / 12, 0, 1), "y": np.clip(0.5 + y / 12, 0, 1)}


def scanner_mark(*, agreement, brightness, effect, n_scans, size, rng, repeats):
    sd, noise = 0.4, 0.4
    base, putamen, letter = experiments._slice_parts(size)  # the pictures' parts
    base, putamen, letter = base.ravel(), putamen.reshape(2, -1), brightness * letter.ravel()
    labels = np.arange(n_scans) % 2
    common, own = rng.standard_normal((repeats, n_scans, 1)), rng.standard_normal((repeats, n_scans, 2))
    luck = rng.random((repeats, n_scans))
    pixels = rng.standard_normal((repeats, n_scans, size * size), dtype=np.float32)
    for r in range(repeats):
        uptake = sd * (np.sqrt(0.85) * common[r] + np.sqrt(0.15) * own[r] - effect * (labels[:, None] - 0.5))
        marked = luck[r] < np.where(labels == 1, agreement, 1 - agreement)
        X = base + uptake @ putamen + marked[:, None] * letter + noise * pixels[r].astype(float)
        model = RidgeClassifier(alpha=20.0)
        held_out = cross_val_predict(model, X, labels, cv=PredefinedSplit(np.arange(n_scans) % 5))
        weights, intercept = _line(model.fit(X, labels))
        # New subjects, with the mark and without: the scores of either class are normal.
        sides = np.array([[1, 0.85], [0.85, 1]])
        spread = np.sqrt(noise**2 * weights @ weights + sd**2 * (putamen @ weights) @ sides @ (putamen @ weights))
        right = [norm.cdf(sign * (weights @ (base - sign * effect * sd / 2 * putamen.sum(axis=0) + mark * letter)
                                        + intercept) / spread) for sign in (-1, 1) for mark in (0, 1)]
        gap = weights @ (X[labels == 1].mean(axis=0) - X[labels == 0].mean(axis=0))
        by_mark = weights @ letter * (marked[labels == 1].mean() - marked[labels == 0].mean())
        patient, control = (int(np.argmax(who)) for who in (marked & (labels == 1), ~marked & (labels == 0)))
        yield {"reported": accuracy_score(labels, held_out), "true": np.mean(right),
               "share": np.clip(by_mark / gap, 0, 1),
               "patient": np.clip(X[patient] / 4, 0, 1).reshape(size, size),
               "control": np.clip(X[control] / 4, 0, 1).reshape(size, size),
               "weights": (weights / np.abs(weights).max()).reshape(size, size)}


# Lesson 06: other sites ---------------------------------------------------------------------------------


def site_shortcut(*, prevalence, site_mark, effect, n_per_site, rng, repeats):
    n, patients = n_per_site, 5 * round(n_per_site * prevalence / 5)
    site = np.repeat([0, 1], n)
    labels = np.r_[np.arange(n) < patients, np.arange(n) >= patients].astype(int)
    targets, folds = 2.0 * labels - 1, np.arange(2 * n) % 5
    noise = rng.standard_normal((repeats, 2 * n, 11))
    for r in range(repeats):
        X = noise[r].copy()
        X[:, 0] += effect * labels
        X[:, 1:] += site_mark * (site[:, None] - 0.5) / np.sqrt(10)
        held_out = cross_val_predict(LinearRegression(), X, targets, cv=PredefinedSplit(folds))
        reported = [roc_auc_score(labels[folds == f], held_out[folds == f]) for f in range(5)]
        within = [roc_auc_score(labels[rows], held_out[rows])
                  for rows in ((folds == f) & (site == s) for f in range(5) for s in (0, 1))]
        left_out = [roc_auc_score(labels[site == s], LinearRegression().fit(X[site != s], targets[site != s]).predict(X[site == s]))
                    for s in (0, 1)]
        weights, _ = _line(LinearRegression().fit(X, targets))
        yield {"reported": np.mean(reported), "within site": np.mean(within), "site left out": np.mean(left_out),
               "true": norm.cdf(weights[0] * effect / np.sqrt(2) / np.linalg.norm(weights)),
               "ceiling": norm.cdf(abs(effect) / np.sqrt(2))}


class _Harmonise:
    """Sites made alike in mean and standard deviation, with or without the diagnosis in the regression."""

    def __init__(self, protect: bool):
        self.protect = protect

    def fit(self, X, site, labels):
        # Every training part holds every site: with one that is missing, its mean would not be known.
        names = np.unique(site)
        design = (site[:, None] == names).astype(float)
        if self.protect:
            design = np.column_stack([design, labels])
        model = LinearRegression(fit_intercept=False).fit(design, X)
        left = X - model.predict(design)
        self.means = model.coef_[:, :len(names)].T
        self.sds = np.array([np.sqrt(np.mean(left[site == s] ** 2, axis=0)) for s in names])
        self.kept = model.coef_[:, -1] if self.protect else np.zeros(X.shape[1])
        return self

    def transform(self, X, site, labels=None):
        """With the diagnosis its effect is left in; without, nothing is known of it."""
        kept = 0 if labels is None else labels[:, None] * self.kept
        return (X - self.means[site] - kept) / self.sds[site] + kept


def harmonised_sites(*, n_subjects, imbalance, site_mark, effect, n_sites, n_features, ridge, score, rng, repeats):
    site = np.repeat(np.arange(n_sites), n_subjects // n_sites)
    chance = np.linspace(0.5 - imbalance, 0.5 + imbalance, n_sites)
    labels = np.zeros(n_subjects, int)
    while not 5 <= labels.sum() <= n_subjects - 5:
        labels = (rng.random(n_subjects) < chance[site]).astype(int)
    tests = np.lexsort((rng.random(n_subjects), labels)).reshape(-1, 5).T
    noise = rng.standard_normal((repeats, n_subjects, n_features))
    offsets = site_mark * rng.standard_normal((repeats, n_sites, n_features))
    measure = roc_auc_score if score == "AUC" else lambda right, output: accuracy_score(right, output > 0)
    for r in range(repeats):
        X = noise[r] + offsets[r][site]
        X[:, 0] += effect * labels
        study = {"reported": [], "true": []}
        for name in HARMONISATIONS:
            everyone = _Harmonise("protected" in name).fit(X, site, labels)
            table = X if name == "no harmonisation" else everyone.transform(X, site, labels)
            found = []
            for test in tests:
                train = np.setdiff1d(np.arange(n_subjects), test)
                if name.startswith("inside"):
                    inside = _Harmonise("protected" in name).fit(X[train], site[train], labels[train])
                    learnt, asked = inside.transform(X[train], site[train], labels[train]), inside.transform(X[test], site[test])
                else:
                    learnt, asked = table[train], table[test]
                model = RidgeClassifier(alpha=ridge).fit(learnt, labels[train])
                found.append(measure(labels[test], model.decision_function(asked)))
            study["reported"].append(np.mean(found))
            weights, _ = _line(RidgeClassifier(alpha=ridge).fit(table, labels))
            at_site = [weights] if name == "no harmonisation" else weights / everyone.sds
            study["true"].append(np.mean([norm.cdf(w[0] * effect / np.sqrt(2) / np.linalg.norm(w)) for w in at_site]))
        yield study


def external_scaling(*, prevalence, scanner_shift, effect, n_external, rng, repeats):
    labels = (np.arange(n_external) < round(prevalence * n_external)).astype(int)
    noise = rng.standard_normal((repeats, n_external))
    for r in range(repeats):
        x = (noise[r] + effect * labels + scanner_shift)[:, None]
        controls = StandardScaler().fit(x[labels == 0])
        # The training cohort is endless: mean effect / 2, and its controls have mean 0 and standard deviation 1.
        called = [x > effect / 2, StandardScaler().fit_transform(x) > 0,
                  (x - controls.mean_) / x[labels == 0].std(ddof=1) > effect / 2]
        yield {"sensitivity": [recall_score(labels, c[:, 0]) for c in called],
               "specificity": [recall_score(labels, c[:, 0], pos_label=0) for c in called],
               "AUC": roc_auc_score(labels, x[:, 0]), "inside": norm.cdf(effect / 2)}


def prevalence_shift(*, prevalence_inside, prevalence_outside, effect, n_external, rng, repeats):
    labels = (np.arange(n_external) < round(n_external * prevalence_outside)).astype(int)
    noise = rng.standard_normal((repeats, n_external))
    cut = effect / 2 - logit(prevalence_inside) / effect  # of the measure: a risk of one half
    sensitivity, specificity = norm.sf(cut - effect), norm.cdf(cut)
    ill, well = prevalence_inside, 1 - prevalence_inside
    called, cleared = ill * sensitivity + well * (1 - specificity), ill * (1 - sensitivity) + well * specificity
    inside = [norm.cdf(effect / np.sqrt(2)), sensitivity, specificity, ill * sensitivity / called, well * specificity / cleared]
    for r in range(repeats):
        log_odds = effect * (noise[r] + effect * labels - effect / 2) + logit(prevalence_inside)
        positive = (log_odds > 0).astype(int)
        outside = [roc_auc_score(labels, log_odds), recall_score(labels, positive), recall_score(labels, positive, pos_label=0),
                   *(precision_score(labels, positive, pos_label=one) if one in positive else 0.5 for one in (1, 0))]
        # Calibration in the large: the shift of all log odds with which the mean risk is the share of patients.
        intercept = brentq(lambda a, x: expit(x + a).mean() - labels.mean(), -50, 50, args=(log_odds,), xtol=1e-12)
        slope = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(log_odds[:, None], labels).coef_[0, 0]
        tenths = np.array_split(np.argsort(log_odds), 10)
        yield {"inside": inside, "outside": outside, "intercept": intercept, "slope": slope,
               "predicted": [expit(log_odds[tenth]).mean() for tenth in tenths],
               "observed": [labels[tenth].mean() for tenth in tenths]}


def sites_of_a_consortium(*, n_subjects, heterogeneity, effect, n_external, site_counts, n_features, n_informative,
                          n_new_sites, rng, repeats):
    common = np.zeros(n_features)
    common[:n_informative] = effect / np.sqrt(n_informative)
    labels = np.arange(n_subjects) % 2
    targets, folds = 2.0 * labels - 1, np.arange(n_subjects) % 5
    noise = rng.standard_normal((repeats, n_subjects, n_features))
    new = common + heterogeneity * rng.standard_normal((repeats, n_new_sites, n_features))
    luck = rng.standard_normal(repeats)
    own = [common + heterogeneity * rng.standard_normal((repeats, k, n_features)) for k in site_counts]
    for r in range(repeats):
        study = {"reported": [], "honest": [], "true": [], "external": []}
        for k, effects in zip(site_counts, own, strict=True):
            site = np.arange(n_subjects) // (n_subjects // k)
            X = noise[r] + effects[r][site] * (labels[:, None] - 0.5)
            held_out = cross_val_predict(LinearRegression(), X, targets, cv=PredefinedSplit(folds))
            study["reported"].append(accuracy_score(labels, held_out > 0))
            if k > 1:
                held_out = cross_val_predict(LinearRegression(), X, targets, groups=site, cv=LeaveOneGroupOut())
                study["honest"].append(accuracy_score(labels, held_out > 0))
            model = LinearRegression().fit(X, targets)
            at_new_site = [exact_accuracy(*_line(model), np.array([-shift / 2, shift / 2])) for shift in new[r]]
            study["true"].append(np.mean(at_new_site))
            study["external"].append(stats.binom.ppf(norm.cdf(luck[r]), n_external, at_new_site[0]) / n_external)
        yield {name: values for name, values in study.items() if values}


# Lesson 07: whole studies ------------------------------------------------------------------------------


class _BySite(TransformerMixin, BaseEstimator):
    """Each site's mean is subtracted from the features; the last column names the site and is dropped."""

    def fit(self, X, y=None):
        self.means_ = np.zeros((4, X.shape[1] - 1))
        for site in range(4):
            self.means_[site, :utils.study.FEATURES] = X[X[:, -1] == site, :utils.study.FEATURES].mean(0)
        return self

    def transform(self, X):
        return X[:, :-1] - self.means_[X[:, -1].astype(int)]


def _t(X, y):
    """The size of every column's difference in units of its standard error."""
    one, other = X[y == 1], X[y == 0]
    return np.abs(one.mean(0) - other.mean(0)) / np.sqrt(one.var(0) / len(one) + other.var(0) / len(other))


def _with_synthetic_controls(X, y, person, site, rng):
    """Mixtures of a control and one of its five nearest controls, until there are as many controls as patients."""
    controls = np.flatnonzero(y == 0)
    missing = np.sum(y == 1) - len(controls)
    first, turn, share = (rng.integers(0, len(controls), missing), rng.integers(0, 5, missing), rng.uniform(0, 0.5, missing))
    mixtures = []
    for one, number, part in zip(controls[first], turn, share, strict=True):
        others = controls[person[controls] != person[one]]
        nearest = NearestNeighbors(n_neighbors=5).fit(X[others]).kneighbors(X[[one]])[1][0]
        mixtures.append(X[one] + part * (X[others[nearest[number]]] - X[one]))
    return (np.vstack([X, mixtures]), np.append(y, np.zeros(missing, int)),
            np.append(person, person.max() + 1 + np.arange(missing)), np.append(site, site[controls[first]]))


def _one_study(design, r, active, later):
    """Study `r` of a stack, carried out with some flaws.

    Its people are those of the fast form; `later` deals the folds of studies in which people were left out or read
    again, one after the other.
    """
    rows = utils.study._recruit(design, frozenset(active & {"sites", "duplicates"}))
    X, y, dose, person, site = rows.X[r].astype(float), rows.y[0], rows.dose[r], rows.person, rows.site
    kept = design.kept[r] if isinstance(design.kept, tuple) else design.kept
    balanced = "majority" not in active
    score = balanced_accuracy_score if balanced else accuracy_score

    if "harmonised" in active:
        effects = np.column_stack([site[:, None] == np.arange(4), y - y.mean()])
        X = X - effects[:, :4] @ LinearRegression(fit_intercept=False).fit(effects, X).coef_[:, :4].T
    if "oversampling" in active:
        X, y, person, site = _with_synthetic_controls(X, y, person, site, utils.study.stream(design.seed, "mixing"))
    if "target" in active:
        X = np.column_stack([X, dose])
    # A study of one diagnosis at each site, or with harmonised features, leaves the sites as they are.
    by_site = _BySite() if not active & {"sites", "harmonised"} else FunctionTransformer(lambda table: table[:, :-1])
    table = np.column_stack([X, site])

    def model(columns, kept, penalty):
        return make_pipeline(
            by_site, FunctionTransformer(np.take, kw_args={"indices": columns, "axis": 1}),
            SelectKBest(_t, k="all" if kept is None else min(kept, len(columns))), StandardScaler(),
            RidgeClassifier(alpha=penalty, class_weight="balanced" if balanced else None))

    def dealt(number):
        return utils.study.stream(design.seed, "folds", number)

    def outputs(setting, rng):
        fold = utils.study._folds(np.arange(len(y)) if "repeated" in active else person, y, rng)
        return cross_val_predict(model(*setting), table, y, cv=PredefinedSplit(fold), method="decision_function")

    everything = np.arange(X.shape[1])
    if "selection" in active:
        best = SelectKBest(_t, k=kept).fit(by_site.fit_transform(table), y).get_support(indices=True)
        settings = [(best, None, utils.study.PENALTY)]
    else:
        settings = [(everything, kept, utils.study.PENALTY)]
    if "tuning" in active:
        settings += itertools.product([everything, everything[:60], everything[60:]], [10, 20, 40, None], [3, 300])

    deals = [dealt(number) for number in range(10 if "seeds" in active else 1)]
    if active & {"exclusions", "rereading"}:
        means = pd.Series(outputs(settings[0], dealt(0))).groupby(person).mean()
        wrong = (means > 0).to_numpy() != (pd.Series(y).groupby(person).first() == 1).to_numpy()
        luck = utils.study.stream(design.seed, "luck").random((design.studies, 8 * design.per_site))[r, means.index]
        caught = np.isin(person, means.index[wrong & (luck < 0.3)])
        if "exclusions" in active:
            table, y, person = table[~caught], y[~caught], person[~caught]
        else:
            y = np.where(caught, 1 - y, y)
        deals = [later]

    reported = -1
    for setting, (number, rng) in itertools.product(settings, enumerate(deals)):
        found = outputs(setting, rng if len(settings) == 1 else dealt(number))
        cuts = [0.0]
        if "threshold" in active:
            ranked = np.sort(found)
            cuts = sorted([0.0, *(ranked[1:] + ranked[:-1]) / 2], key=abs)
        for cut in cuts:
            if score(y, found > cut) > reported + 1e-9:
                reported, chosen, final = score(y, found > cut), setting, cut

    fitted = model(*chosen).fit(table, y)
    # The model is linear: its weights are read off at 0 and at one unit of each column, everywhere at one site.
    probes = np.column_stack([np.vstack([np.zeros(X.shape[1]), np.eye(X.shape[1])]), np.zeros(X.shape[1] + 1)])
    at_zero, *others = fitted.decision_function(probes)
    weights = np.array(others) - at_zero
    if isinstance(by_site, _BySite):
        at_zero += weights @ fitted[0].means_[0]
    level, weights, of_dose = at_zero - final, weights[:utils.study.FEATURES], weights[utils.study.FEATURES:]
    distance = weights @ utils.study.directions(design)[r]
    length = np.linalg.norm(weights)
    if "sites" in active and "harmonised" not in active:
        offsets = 0.6 * length * utils.study.stream(design.seed, "new").standard_normal((design.studies, 10))[r]
        sd = length
    else:
        # A new site is centred by the mean of 300 people of whom each is one; the dose is not.
        offsets, sd = -design.patients * distance, np.linalg.norm([length * np.sqrt(299 / 300), *of_dose])
    specificity, sensitivity = norm.cdf(0, level + offsets, sd), norm.sf(0, level + offsets + distance, sd)
    return reported, np.mean((sensitivity + specificity) / 2)


def one_flaw(*, flaw, per_site, rng, repeats):
    planted = {flaw, "sites"} if flaw == "harmonised" else {flaw}
    where = {}
    for members, design in utils.study.plan_stacks(rng, tuple(planted), per_site, repeats):
        later = utils.study.stream(design.seed, "folds", 0)
        where |= {number: (design, r, later) for r, number in enumerate(members)}
    for number in range(repeats):
        design, r, later = where[number]
        reported, true = _one_study(design, r, planted, later)
        yield {"reported": reported, "honest": _one_study(design, r, set(), later)[0], "true": true}


# The registry and the comparison -----------------------------------------------------------------------

PLAIN = {plain.__name__: plain for plain in (
    # lesson 05
    selection_outside_folds, repeated_scans, best_of_many, tuned_kernel_ridge, cross_validation_error,
    two_equal_learners, permutation_tests,
    # lesson 02
    complexity_of_the_model, learning_curve_of_lda, publication_filter, regional_mri,
    # lesson 03
    tests_of_hidden_signal, bias_and_variance, shrinkage_sweep, region_mean,
    # lesson 04
    wrong_labels, kinds_of_wrong_labels, shared_errors, labels_or_architecture, scans_or_raters,
    # lesson 01
    planted_defect, two_sites_paradox, scanner_mark,
    # lesson 06
    site_shortcut, harmonised_sites, external_scaling, prevalence_shift, sites_of_a_consortium,
    # lesson 07
    one_flaw,
)}
FAST = {name: value for module in (experiments, review) for name, value in vars(module).items()
        if isinstance(value, experiments.Experiment)}

# Draws of labels_or_architecture that no single study has: an analysis of variance over the studies of a block.
OF_A_BLOCK = {"labels", "model", "both together", "study", "rest"}


def plain_studies(name: str, *, seed: int = 0, number: int = 0, **parameters) -> Iterator[dict]:
    """Block `number` of an experiment, study by study, as the plain loop analyses it."""
    fast = FAST[name]
    return PLAIN[name](rng=np.random.default_rng([seed, number]), repeats=fast.block, **fast.defaults | parameters)


def differences(block: dict, found: list[dict]) -> dict[str, float]:
    """Largest absolute difference between a block of the fast form and its first studies by the plain loop."""
    names = set(block) - OF_A_BLOCK
    if names != set(found[0]):
        raise ValueError(f"The draws are {sorted(names)} in one form and {sorted(found[0])} in the other.")
    largest = {}
    for name in sorted(names):
        fast, plain = block[name][: len(found)], np.stack([study[name] for study in found])
        if fast.shape != plain.shape:
            raise ValueError(f"The draw {name!r} has shape {fast.shape} in one form and {plain.shape} in the other.")
        largest[name] = float(np.abs(fast - plain).max())
    return largest


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
        An experiment of `utils.experiments`, or "one_flaw".
    seconds : float
        Measure each form for about so long (at least five blocks, and four studies of the plain loop).
    seed : int
    **parameters
        Of the experiment; by default its own.

    Returns
    -------
    dict
        "name"; "block" (studies per block of the fast form); "batched_per_second" and "plain_per_second" (studies
        per second of processor time, which other programs disturb little: by the median time of a block, and by
        the median time of a study together with its share of the drawing); "ratio"; "difference" (largest
        absolute difference of any draw over the studies that the plain loop analysed) and "studies" (how many
        these are).
    """
    fast = FAST[name]
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
            worst = np.max([worst, *differences(block, found).values()])  # not max(), which loses a NaN
            studies += len(found)
            if enough:
                break
    # The first step of a block holds the drawing of its random numbers as well.
    study = np.median(later)
    drawing = max(np.median(first) - study, 0) / fast.block
    batched, plain = fast.block / np.median(fast_times), 1 / (study + drawing)
    return {"name": name, "block": fast.block, "batched_per_second": float(batched), "plain_per_second": float(plain),
            "ratio": float(batched / plain), "difference": float(worst), "studies": studies}


def table(seconds: float = 2.0) -> Iterator[dict]:
    """`compare` for every experiment, in the order of `utils.experiments`; the one of `utils.review` last."""
    for name in FAST:
        yield compare(name, seconds)


def main(wanted):
    for row in (compare(name) for name in wanted) if wanted else table():
        print(f"{row['name']}: {row['batched_per_second']:,.0f} studies per second in blocks of {row['block']}, plain "
              f"{row['plain_per_second']:,.1f}; {row['ratio']:.0f} times; largest difference of {row['studies']} "
              f"studies {row['difference']:.1g}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
