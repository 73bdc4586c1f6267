"""Many small studies fitted at once: stacks of cohorts in, cross-validated predictions out.

A stack is an array of shape (repeats, n, p): `repeats` simulated studies of n scans with p features.
scikit-learn fits one study at a time; a picture of 1000 studies then takes a minute. Here the same rules
are written as array operations over the whole stack. Tests hold each of them to scikit-learn, fold by
fold. The lessons use scikit-learn itself.

Labels are 0 and 1. ``folds`` holds, for every scan, the number of the fold in which it is tested. All
studies of a stack may share labels and folds (shape (n,)) or have their own (shape (repeats, n)).
"""

import numpy as np
from sklearn.model_selection import StratifiedKFold


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
    folds = np.empty(len(labels), dtype=int)
    for fold, (_, test) in enumerate(StratifiedKFold(n_folds).split(labels[:, None], labels)):
        folds[test] = fold
    return folds


def select_by_correlation(
    X: np.ndarray, labels: np.ndarray, n_selected: int, *, signed: bool = False, rows: np.ndarray | None = None
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
    return np.argpartition(strength, p - n_selected, axis=-1)[..., p - n_selected:]


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


def nearest_centroid(products: np.ndarray, train_products: np.ndarray, train_labels: np.ndarray,
                     allowed: np.ndarray) -> np.ndarray:
    """Score (above 0: label 1) of the nearest-centroid rule, from scalar products.

    Parameters
    ----------
    products : numpy.ndarray, shape (..., tests, trains)
    train_products : numpy.ndarray, shape (..., trains, trains)
    train_labels : numpy.ndarray, shape (trains,) or (repeats, trains)
    allowed : numpy.ndarray of bool, shape (tests, trains)
        Which training scans a test scan's rule may be made of.

    Returns
    -------
    numpy.ndarray, shape (..., tests)
    """
    scores = 0
    for label, sign in ((1, 1), (0, -1)):
        weights = (allowed & (train_labels == label)[..., None, :]).astype(products.dtype)
        weights /= weights.sum(axis=-1, keepdims=True)
        towards = np.einsum("...ij,...ij->...i", products, weights)
        # Squared length of the centroid: the mean of all scalar products of its scans.
        squared = np.einsum("...ij,...ij->...i", weights @ train_products, weights)
        scores = scores + sign * (towards - squared / 2)
    return scores
