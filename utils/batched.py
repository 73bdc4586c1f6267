"""Many small studies fitted at once: stacks of cohorts in, cross-validated predictions out.

A stack is an array of shape (repeats, n, p): `repeats` simulated studies of n scans with p features.
scikit-learn fits one study at a time; a picture of 1000 studies then takes a minute. Here the same rules
are written as array operations over the whole stack. Tests hold each of them to scikit-learn, fold by
fold. The lessons use scikit-learn itself.

Labels are 0 and 1. ``folds`` holds, for every scan, the number of the fold in which it is tested. All
studies of a stack may share labels and folds (shape (n,)) or have their own (shape (repeats, n)).
"""

import numpy as np
from scipy.linalg import lapack
from scipy.special import ndtr


def stratified_folds(labels: np.ndarray, n_folds: int) -> np.ndarray:
    """Fold of every scan, as scikit-learn's `StratifiedKFold` (unshuffled) deals them.

    Parameters
    ----------
    labels : numpy.ndarray, shape (n,)
        Labels, 0 or 1.
    n_folds : int
        Number of folds, at most the size of the smaller class.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
    """
    second = np.asarray(labels) != labels[0]
    in_turn = np.sort(second)
    folds = np.empty(len(labels), dtype=int)
    for kind in (False, True):
        sizes = [np.count_nonzero(in_turn[fold::n_folds] == kind) for fold in range(n_folds)]
        folds[second == kind] = np.repeat(np.arange(n_folds), sizes)
    return folds


def select_by_correlation(
    X: np.ndarray,
    labels: np.ndarray,
    n_selected: int,
    *,
    signed: bool = False,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """The features most correlated with the label, for several sets of rows of every study.

    With ``signed=False`` this is the ranking of scikit-learn's ``SelectKBest(f_classif)``.

    Parameters
    ----------
    X : numpy.ndarray, shape (repeats, n, p)
    labels : numpy.ndarray, shape (n,)
    n_selected : int
    signed : bool
        Take the highest correlations instead of the highest absolute correlations.
    rows : numpy.ndarray of bool, shape (sets, n), optional
        The rows that each selection may see; by default one set with all rows.

    Returns
    -------
    numpy.ndarray of int, shape (repeats, sets, n_selected)
        Indices of the chosen features, in no particular order.
    """
    n, p = X.shape[1:]
    rows = np.ones((1, n), bool) if rows is None else rows
    weights = rows.astype(X.dtype)
    size = weights.sum(axis=1)[:, None]
    share = (weights @ labels.astype(X.dtype))[:, None] / size
    total = weights @ X
    covariance = (weights * labels.astype(X.dtype)) @ X - share * total
    variance = weights @ np.square(X) - total**2 / size
    correlation = covariance / np.sqrt(np.maximum(variance, np.finfo(X.dtype).tiny))
    if n_selected == p:
        return np.broadcast_to(np.arange(p), (*correlation.shape[:2], p))
    strength = correlation if signed else np.abs(correlation)
    return np.argpartition(strength, p - n_selected, axis=-1)[..., p - n_selected :]


def gram(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Scalar products of the rows of A (..., a, p) with the rows of B (..., b, p): shape (..., a, b)."""
    return A @ np.swapaxes(B, -1, -2)


def nearest_neighbour(
    products: np.ndarray, train_squares: np.ndarray, train_labels: np.ndarray, allowed: np.ndarray
) -> np.ndarray:
    """Label of the nearest allowed training scan (Euclidean distance), from scalar products.

    Parameters
    ----------
    products : numpy.ndarray, shape (..., tests, trains)
        Scalar product of every test scan with every training scan.
    train_squares : numpy.ndarray, shape (..., trains)
        Squared length of every training scan.
    train_labels : numpy.ndarray, shape (trains,) or (repeats, trains)
    allowed : numpy.ndarray of bool, broadcastable to ``products``
        Which training scans a test scan may look at.

    Returns
    -------
    numpy.ndarray, shape (..., tests)
    """
    # The test scan's own squared length is the same for all its neighbours and is left out.
    distance = np.where(allowed, train_squares[..., None, :] - 2 * products, np.inf)
    nearest = distance.argmin(axis=-1)
    if train_labels.ndim == 1:
        return train_labels[nearest]
    return np.take_along_axis(train_labels, nearest, axis=-1)


def neighbours_in_folds(
    X: np.ndarray, y: np.ndarray, folds: dict[str, np.ndarray], new: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Labels by the nearest neighbour: of all scans, for every way to deal the folds, and of new subjects.

    X has shape (repeats, n, p), y and a deal (n,), new (repeats or 1, new, p).
    """
    products = gram(X, X)
    squares = np.einsum("rii->ri", products)
    held_out = {
        name: nearest_neighbour(products, squares, y, fold[:, None] != fold) for name, fold in folds.items()
    }
    return held_out, nearest_neighbour(gram(new, X), squares, y, np.True_)


def nearest_centroid(test: np.ndarray, train: np.ndarray, train_labels: np.ndarray) -> np.ndarray:
    """Score (above 0: label 1) of the nearest-centroid rule.

    Parameters
    ----------
    test : numpy.ndarray, shape (..., tests, p)
    train : numpy.ndarray, shape (..., trains, p)
    train_labels : numpy.ndarray, shape (trains,)

    Returns
    -------
    numpy.ndarray, shape (..., tests)
    """
    low, high = (train[..., train_labels == label, :].mean(axis=-2, keepdims=True) for label in (0, 1))
    middle = (high + low) / 2
    return ((test - middle) @ np.swapaxes(high - low, -1, -2))[..., 0]


def hat_matrix(X: np.ndarray, ridge: float = 0.0, *, penalise_intercept: bool = False) -> np.ndarray:
    """The matrix H that turns labels into fitted scores, ``fitted = H @ y``, for least squares.

    With labels -1 and +1 this is scikit-learn's ``RidgeClassifier(alpha=ridge)`` (``ridge=0``: least
    squares, whose direction is that of linear discriminant analysis). With a penalised intercept and
    ``ridge=1 / (2 C)`` it is ``LinearSVC(C=C)`` as long as every scan is a support vector, which is the
    rule, not the exception, where features outnumber scans.

    Parameters
    ----------
    X : numpy.ndarray, shape (repeats, n, p)
    ridge : float
        Penalty; must be above 0 if p is not smaller than n - 1.
    penalise_intercept : bool
        Treat the intercept as the weight of one more feature, as LinearSVC does.

    Returns
    -------
    numpy.ndarray, shape (repeats, n, n)
    """
    n, p = X.shape[-2:]
    if penalise_intercept:
        K = gram(X, X) + 1
        return np.linalg.solve(K + ridge * np.eye(n), K)
    X = X - X.mean(axis=-2, keepdims=True)
    if p < n:
        inner = np.swapaxes(X, -1, -2) @ X + ridge * np.eye(p)
        return X @ np.linalg.solve(inner, np.swapaxes(X, -1, -2)) + 1 / n
    K = gram(X, X)
    # Centred features say nothing about the mean. In that direction the inverse of K + ridge would be 1 /
    # ridge, and with a small penalty its rounding errors would drown the rest. So it is filled up and taken
    # out again.
    level = np.trace(K, axis1=-2, axis2=-1)[..., None, None] / n
    inverse = np.linalg.inv(K + level + ridge * np.eye(n))
    return np.eye(n) - ridge * (inverse - 1 / (n * (ridge + n * level)))


def held_out_scores(H: np.ndarray, targets: np.ndarray, tests) -> np.ndarray:
    """Scores of the scans of every test set by the rule fitted to all other scans.

    Nothing is fitted again. If e are the residuals of the rule that saw every scan, the residuals of test
    set T under the rule that never saw T are ``inv(I - H[T, T]) @ e[T]``, exactly (with one scan in T,
    the well-known e / (1 - h) of leave-one-out).

    Parameters
    ----------
    H : numpy.ndarray, shape (repeats, n, n)
        From `hat_matrix`.
    targets : numpy.ndarray, shape (n,) or (repeats, n)
        Labels as -1 and +1, or any numbers to regress on.
    tests : numpy.ndarray of int, shape (sets, m), or list of arrays of indices
        The scans of every test set. An array is worked through at once, a list set by set.

    Returns
    -------
    numpy.ndarray, shape (repeats, sets, m), or a list of arrays of shape (repeats, m)
    """
    if isinstance(tests, list):
        return [held_out_scores(H, targets, test[None, :])[:, 0] for test in tests]
    targets = np.broadcast_to(targets, H.shape[:-1])
    residuals = targets - (H @ targets[..., None])[..., 0]
    tests = np.asarray(tests)
    inside = np.eye(tests.shape[1]) - H[:, tests[:, :, None], tests[:, None, :]]
    unseen = np.linalg.solve(inside, residuals[:, tests][..., None])[..., 0]
    return targets[:, tests] - unseen


def linear_rule(
    X: np.ndarray, targets: np.ndarray, ridge: float = 0.0, *, penalise_intercept: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Weights, shape (..., p), and intercepts, shape (...), of the rule of `hat_matrix`.

    ``X`` has shape (..., n, p), ``targets`` shape (n,) or (..., n).
    """
    n, p = X.shape[-2:]
    targets = np.broadcast_to(targets, X.shape[:-1])[..., None]
    centre = 0 if penalise_intercept else X.mean(axis=-2, keepdims=True)
    level = 0 if penalise_intercept else targets.mean(axis=-2, keepdims=True)
    centred, towards = X - centre, targets - level
    if p < n and not penalise_intercept:
        inner = np.swapaxes(centred, -1, -2) @ centred + ridge * np.eye(p)
        weights = np.linalg.solve(inner, np.swapaxes(centred, -1, -2) @ towards)
        return weights[..., 0], (level - centre @ weights)[..., 0, 0]
    inner = gram(centred, centred) + penalise_intercept + ridge * np.eye(n)
    if n < 50 or X.ndim != 3:
        dual = np.linalg.solve(inner, towards)
    else:
        dual = solve_definite(inner, towards[..., 0])[..., None]
    weights = np.swapaxes(centred, -1, -2) @ dual
    intercept = dual.sum(axis=-2) if penalise_intercept else (level - centre @ weights)[..., 0]
    return weights[..., 0], intercept[..., 0]


def cross_validated_scores(
    X: np.ndarray,
    targets: np.ndarray,
    tests: np.ndarray,
    ridge: float = 0.0,
    *,
    penalise_intercept: bool = False,
) -> np.ndarray:
    """Scores of the scans of every test set by the rule of `linear_rule` fitted to all other scans.

    Parameters
    ----------
    X : numpy.ndarray, shape (repeats, n, p)
    targets : numpy.ndarray, shape (n,)
        Labels as -1 and +1.
    tests : numpy.ndarray of int, shape (sets, m)
    ridge, penalise_intercept
        As in `hat_matrix`.

    Returns
    -------
    numpy.ndarray, shape (repeats, sets, m)
    """
    if tests.shape[1] == 1 or penalise_intercept:
        return held_out_scores(hat_matrix(X, ridge, penalise_intercept=penalise_intercept), targets, tests)
    return cross_validated_rule(X, targets, tests, ridge)[0]


def cross_validated_rule(
    X: np.ndarray, targets: np.ndarray, tests: np.ndarray, ridge: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `cross_validated_scores` (no penalised intercept) and `linear_rule` give, in half of their time.

    Both rest on the same matrix of scalar products.

    Parameters
    ----------
    X : numpy.ndarray, shape (repeats, n, p)
    targets : numpy.ndarray, shape (n,)
        Labels as -1 and +1.
    tests : numpy.ndarray of int, shape (sets, m)
    ridge : float
        Penalty; must be above 0 if p is not smaller than n - m - 1.

    Returns
    -------
    scores : numpy.ndarray, shape (repeats, sets, m)
    weights : numpy.ndarray, shape (repeats, p)
    intercepts : numpy.ndarray, shape (repeats,)
    """
    n, p = X.shape[-2:]
    if p + 1 < n - tests.shape[1]:
        (scores,), weights, intercepts = rule_from_sums(X, targets, tests, ridge=ridge)
        return scores, weights, intercepts
    centre, level = X.mean(axis=-2, keepdims=True), targets.mean()
    X = X - centre
    products = gram(X, X)
    # Centred products say nothing of the direction in which all scans are alike. For the inverse it gets a
    # weight like the others', and is taken out again.
    weight = np.einsum("rii->r", products)[:, None, None].astype(float) / n
    inverse = _inverses(products + ridge * np.eye(n) + weight / n) - 1 / (n * (ridge + weight))
    dual = inverse @ targets
    # As in `held_out_scores`, where I - H is the inverse times the penalty, and the residuals are dual times
    # it.
    inside = inverse[:, tests[:, :, None], tests[:, None, :]]
    scores = targets[tests] - np.linalg.solve(inside, dual[:, tests][..., None])[..., 0]
    weights = (dual.astype(X.dtype)[:, None] @ X)[:, 0]
    return scores, weights, level - np.einsum("rp,rp->r", centre[:, 0], weights)


def rule_from_sums(
    X: np.ndarray, targets: np.ndarray, *partitions: np.ndarray, ridge: float = 0.0
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """What `cross_validated_rule` gives, for several ways to make test sets; fewer features than scans.

    The test scans are subtracted from the sums over all scans, which costs less than an n by n matrix.

    Parameters
    ----------
    X, targets, ridge
        As in `cross_validated_rule`.
    *partitions : numpy.ndarray of int, shape (sets, m)
        Test sets.

    Returns
    -------
    scores : list of numpy.ndarray, shape (repeats, sets, m)
    weights : numpy.ndarray, shape (repeats, p)
    intercepts : numpy.ndarray, shape (repeats,)
    """
    n, p = X.shape[-2:]
    X = np.concatenate([X, np.ones((*X.shape[:-1], 1), X.dtype)], axis=-1)
    own = targets.astype(X.dtype)
    asked = [_rows(X, tests) for tests in partitions]
    inner = [np.swapaxes(rows, -1, -2) @ rows for rows in asked]
    towards = [
        np.swapaxes(rows, -1, -2) @ own[tests][..., None]
        for rows, tests in zip(asked, partitions, strict=True)
    ]
    # The sums over all scans: those over the test sets and over the scans that stand in none, if sets share
    # no scan.
    tested = np.bincount(partitions[0].ravel(), minlength=n)
    others = np.flatnonzero(tested == 0) if tested.max() == 1 else np.arange(n)
    all_inner, all_towards = (
        sums[0].sum(axis=1, keepdims=True) * (tested.max() == 1) for sums in (inner, towards)
    )
    if len(others):
        turned = np.swapaxes(X[:, None, others], -1, -2)
        all_inner += turned @ X[:, None, others]
        all_towards += turned @ own[others][:, None]
    np.einsum("rfpp->rfp", all_inner)[..., :p] += ridge
    rules = np.linalg.solve(
        np.concatenate([all_inner, *(all_inner - sums for sums in inner)], axis=1),
        np.concatenate([all_towards, *(all_towards - sums for sums in towards)], axis=1),
    )
    ends = np.cumsum([1, *(len(tests) for tests in partitions)])
    scores = [
        (rows @ rules[:, start:end].astype(X.dtype))[..., 0]
        for rows, start, end in zip(asked, ends[:-1], ends[1:], strict=True)
    ]
    return scores, rules[:, 0, :p, 0], rules[:, 0, p, 0]


def solve_definite(stack: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve systems with symmetric positive definite matrices, in half of `numpy.linalg.solve`'s time.

    Parameters
    ----------
    stack : numpy.ndarray, shape (repeats, n, n)
        Large enough for a loop to pay, about 50 rows or more. Spoilt, if in double precision.
    right : numpy.ndarray, shape (n,) or (repeats, n)

    Returns
    -------
    numpy.ndarray, shape (repeats, n)
    """
    right = np.broadcast_to(right, stack.shape[:-1])
    found = np.empty(right.shape)
    for one, towards, solution in zip(stack.astype(float, copy=False), right, found, strict=True):
        _, solution[:], failed = lapack.dposv(one.T, towards, lower=True, overwrite_a=True)
        _require_definite(failed)
    return found


def _rows(X: np.ndarray, tests: np.ndarray) -> np.ndarray:
    """The rows of every test set, X[:, tests]; no copy where they were dealt out in turn or in a row."""
    sets, m = tests.shape
    in_order = np.arange(tests.size)
    if np.array_equal(tests, in_order.reshape(m, sets).T):
        return np.swapaxes(X[:, : tests.size].reshape(len(X), m, sets, -1), 1, 2)
    if np.array_equal(tests.ravel(), in_order):
        return X[:, : tests.size].reshape(len(X), sets, m, -1)
    return X[:, tests]


def _require_definite(failed: int) -> None:
    if failed:
        raise np.linalg.LinAlgError("A matrix is not positive definite; the penalty is too small.")


def _inverses(stack: np.ndarray) -> np.ndarray:
    """Inverses of symmetric positive definite matrices, three times as fast as numpy's; spoils them."""
    halves = np.empty_like(stack)
    for matrix, half in zip(stack, halves, strict=True):
        factor, failed = lapack.dpotrf(matrix.T, lower=True, overwrite_a=True)
        _require_definite(failed)
        # One triangle, the other is 0.
        half[:] = lapack.dpotri(factor, lower=True, overwrite_c=True)[0].T
    inverses = halves + np.swapaxes(halves, -1, -2)
    np.einsum("...ii->...i", inverses)[:] /= 2
    return inverses


def accuracy_on_new_subjects(weights: np.ndarray, intercepts: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Exact accuracy of linear rules on endless new subjects from two equally frequent normal classes.

    Parameters
    ----------
    weights : numpy.ndarray, shape (..., p)
    intercepts : numpy.ndarray, shape (...)
    means : numpy.ndarray, shape (2, p)
        Means of the two classes; every feature has variance 1 within the class and is independent.

    Returns
    -------
    numpy.ndarray, shape (...)
    """
    length = np.linalg.norm(weights, axis=-1)
    length = np.where(length > 0, length, 1)
    against, towards = (ndtr((weights @ mean + intercepts) / length) for mean in means)
    return (towards + 1 - against) / 2


def auc(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """AUC along the last axis; labels 0 and 1, of the shape of one row of scores; no ties expected."""
    ranks = np.arange(1, len(labels) + 1)
    high = labels.sum()
    return (labels[scores.argsort(axis=-1)] @ ranks - high * (high + 1) / 2) / (high * (len(labels) - high))


# Shrunken centroids -----------------------------------------------------------------------------------


def shrunken_centroids(X: np.ndarray, labels: np.ndarray, thresholds) -> tuple[np.ndarray, np.ndarray]:
    """Nearest shrunken centroids for several thresholds, as scikit-learn's ``NearestCentroid`` makes them.

    Parameters
    ----------
    X : numpy.ndarray, shape (repeats, n, p)
    labels : numpy.ndarray, shape (n,)
        Labels 0 and 1, as many of the one as of the other.
    thresholds : sequence of float
        Values of ``shrink_threshold``.

    Returns
    -------
    weights : numpy.ndarray, shape (repeats, thresholds, p)
    intercepts : numpy.ndarray, shape (repeats, thresholds)
        A score above 0 means label 1. Where every feature has dropped out, all are 0.
    """
    n = X.shape[1]
    low, high = (X[:, labels == label].mean(axis=1) for label in (0, 1))
    squares = np.einsum("rij,rij->rj", X, X) - n / 2 * (low**2 + high**2)
    spread = np.sqrt(np.maximum(squares, 0) / (n - 2))
    unit = (spread + np.median(spread, axis=1, keepdims=True))[:, None] / np.sqrt(n)
    half = ((high - low) / 2)[:, None]
    weights = np.sign(half) * np.maximum(np.abs(half) - unit * np.asarray(thresholds, float)[:, None], 0)
    return weights, -np.einsum("rtp,rp->rt", weights, (low + high) / 2)


# Several labels of the same scans ---------------------------------------------------------------------


def centroids(X: np.ndarray, recorded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (..., p) and intercepts (...) of the nearest-centroid rule for recorded labels (..., n)."""
    groups = []
    for label in (0, 1):
        members = (recorded == label).astype(X.dtype)
        members /= np.maximum(members.sum(axis=-1, keepdims=True), 1)
        groups.append((members[..., None, :] @ X)[..., 0, :])
    low, high = groups
    return high - low, -np.sum((high - low) * (low + high), axis=-1) / 2


def neighbours(X: np.ndarray, recorded: np.ndarray, new: np.ndarray, count: int) -> np.ndarray:
    """Labels by the majority of the nearest scans: X (r, n, p), recorded (r, sets, n), new (r, m, p)."""
    called = np.empty((*recorded.shape[:2], new.shape[1]), bool)
    # Study by study: the table of distances of one fits into the processor's cache, that of all does not.
    for study, labels, asked, found in zip(X, recorded, new, called, strict=True):
        near = asked @ study.T
        near -= np.square(study).sum(axis=1) / 2
        if count == 1:
            found[:] = labels[:, near.argmax(axis=1)]
        else:  # the neighbours are those at least as near as the last of them: no two distances are equal
            last = np.partition(near, -count, axis=1)[:, -count, None]
            found[:] = labels.astype(np.float32) @ (near >= last).T.astype(np.float32) > count / 2
    return called


def kernel_ridge(X: np.ndarray, targets: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Labels by the kernel model in one study: X (n, p), targets (sets, n), new (m, p); shape (sets, m)."""
    X, new = (rows * np.sqrt(2 / (X.shape[1] * X.var())) for rows in (X, new))
    own, others = (np.square(rows).sum(axis=1) / 2 for rows in (X, new))
    alike = X @ X.T - own
    alike -= own[:, None]
    np.exp(alike, out=alike)
    alike.flat[:: len(X) + 1] += 1  # the penalty
    _, dual, _ = lapack.dposv(alike.T, targets.T, lower=True, overwrite_a=True)
    alike = new @ X.T - own
    alike -= others[:, None]
    return (np.exp(alike, out=alike) @ dual > 0).T


def naive_bayes(X: np.ndarray, recorded: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Labels by Gaussian naive Bayes; arrays as in `neighbours`."""
    score = 0.0
    for label, sign in ((1, 1), (0, -1)):
        members = (recorded == label).astype(float)
        size = np.maximum(members.sum(axis=-1, keepdims=True), 1)
        mean = members @ X / size
        variance = np.maximum(members @ np.square(X) / size - mean**2, 1e-9)
        # Log density of a normal distribution with independent features, but for a constant.
        precise = np.swapaxes(1 / variance, 1, 2)
        quadratic = np.square(new) @ precise - 2 * new @ np.swapaxes(mean / variance, 1, 2)
        constant = (mean**2 / variance + np.log(variance)).sum(axis=-1)[:, None]
        score = score + sign * (np.log(size) - np.swapaxes(quadratic + constant, 1, 2) / 2)
    return score > 0
