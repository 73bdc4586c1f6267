"""What every set of training scans teaches, for stacks of studies: ridge regression, all steps inside."""

import numpy as np
from scipy.linalg import lapack


def best(differences: np.ndarray, columns: np.ndarray, kept: int | None) -> np.ndarray:
    """The columns that differ most between the groups, of those given: shape (..., kept)."""
    columns = np.broadcast_to(columns, (*differences.shape[:-1], columns.shape[-1]))
    if kept is None or kept >= columns.shape[-1]:
        return columns
    found = np.take_along_axis(differences, columns, -1)
    order = np.argsort(-found, axis=-1, kind="stable")
    return np.take_along_axis(columns, np.sort(order[..., :kept]), -1)


def _grouped(group: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of every group, shape (studies, groups, longest), and which of these places are filled.

    Rows whose group is -1 belong to none.
    """
    sizes = (group[:, None] == np.arange(number)[:, None]).sum(-1)
    order = np.argsort(group, axis=-1, kind="stable")
    start = np.sum(group < 0, axis=-1)[:, None] + np.cumsum(sizes, axis=-1) - sizes
    turn = np.arange(sizes.max())
    place = np.minimum(start[..., None] + turn, group.shape[-1] - 1)
    rows = np.take_along_axis(order, place.reshape(len(group), -1), -1).reshape(place.shape)
    return rows, turn < sizes[..., None]


class Training:
    """What every set of training scans teaches, and that alone, for models of any of its columns.

    The sets of a study are its scans without one fold each, and last, with `whole`, all its scans. Sites'
    means, centre, scale and the difference between the groups follow from sums, and ridge regression (on the
    labels -1 and +1) needs no more than the products of the columns. So both are computed once for every fold
    and diagnosis; a set is all of them without those of its fold, and a model of some columns is a small
    system of equations.

    Parameters
    ----------
    X : numpy.ndarray, shape (studies, scans, columns)
    y, fold : numpy.ndarray of int, shape (studies or 1, scans)
        A fold of -1 means that the scan is not in the study.
    site : numpy.ndarray of int, shape (scans,)
    centred : int
        So many of the columns, the first ones, have each site's mean subtracted.
    weighted, whole : bool
        Both groups count the same; the last set are all scans.

    Attributes
    ----------
    scale, centre, differences : numpy.ndarray, shape (studies, sets, columns)
        Standard deviations, weighted means, differences between groups in units of their standard errors.
    middle : numpy.ndarray, shape (studies, sets, 1)
        The output of every model at the centre.
    """

    def __init__(self, X, y, site, fold, *, folds: int, centred: int, weighted: bool, whole: bool = True):
        self._folds, self._scans = folds, X.shape[1]
        self._rows, self._there = _grouped(np.where(fold < 0, -1, 2 * fold + y), 2 * folds)
        self._site, sites = site[self._rows], site.max() + 1
        self._X = X[np.arange(len(X))[:, None, None], self._rows]
        if not self._there.all():
            self._X *= self._there[..., None]
        self._sum_up(sites, centred, weighted, whole)

    def _sets(self, parts: np.ndarray, whole: bool) -> np.ndarray:
        """From folds to training sets: everything without a fold, and everything."""
        parts = parts.reshape(len(parts), self._folds, 2, *parts.shape[2:])
        total = parts.sum(1, keepdims=True)
        return np.concatenate([total - parts, total] if whole else [total - parts], axis=1)

    def _sum_up(self, sites, centred, weighted, whole):
        """Sums of each set, diagnosis and site, and what follows from them."""
        X, kind = self._X, self._X.dtype
        # What has no columns is the same in all studies, or in none.
        here = (self._site[:, :, None] == np.arange(sites)[:, None]) & self._there[:, :, None]
        sums = self._sets(here.astype(kind) @ X, whole)
        counts = self._sets(here.sum(-1), whole).astype(kind)[..., None]
        squares = self._sets(np.einsum("rgmp,rgmp->rgp", X, X), whole)
        means = np.zeros((len(X), *np.delete(sums.shape[1:], 1)), kind)
        if centred:
            means[..., :centred] = (sums.sum(2) / counts.sum(2))[..., :centred]

        # Of the columns as they are after that, for either diagnosis.
        taken = counts * means[:, :, None]
        inside = (sums - taken).sum(3)
        squares = squares - ((2 * sums - taken) * means[:, :, None]).sum(3)
        n = counts.sum(3)
        every = n.sum(2)
        self.scale = np.sqrt(squares.sum(2) / every - np.square(inside.sum(2) / every))
        averages = inside / n
        spread = ((squares / n - np.square(averages)) / n).sum(2)
        self.differences = np.abs(averages[:, :, 1] - averages[:, :, 0]) / np.sqrt(spread)

        weights = every[:, :, None] / (2 * n) if weighted else np.ones_like(n)
        total = (weights * n).sum(2)
        self.centre = (weights * inside).sum(2) / total
        target = np.array([[-1], [1]], kind)
        self.middle = (weights * n * target).sum(2) / total
        about = target - self.middle[:, :, None]
        self._towards = (weights * about * (inside - n * self.centre[:, :, None])).sum(2)

        # For the products: what each fold and diagnosis counts in a set, and what means and centre take away.
        in_set = np.concatenate([1 - np.eye(self._folds), np.ones((1, self._folds))])[: counts.shape[1]]
        shares = in_set.astype(kind)[:, :, None] * weights[:, :, None, :, 0]
        shares = shares.reshape(-1, len(in_set), 2 * self._folds)
        self._shares = np.broadcast_to(shares, (len(X), *shares.shape[1:]))
        self._away = means + self.centre[:, :, None]
        weights = weights[:, :, :, None]
        half = (weights * sums).sum(2) - (weights * counts).sum(2) * self._away / 2
        self._less = np.concatenate([half, self._away], 2), np.concatenate([self._away, half], 2)

    def fit(self, settings: list[tuple]) -> np.ndarray:
        """Models of every setting: columns, how many of these to keep in each study (None: all), penalties.

        Returns
        -------
        numpy.ndarray, shape (settings and their penalties, studies, sets, columns)
            Weights, 0 in columns without any.
        """
        chosen = [self._choose(columns, kept) for columns, kept, _ in settings]
        number = sum(len(penalties) for *_, penalties in settings)
        models = np.zeros((number, *self.scale.shape), self.scale.dtype)
        # Study by study: the products of one fit into the processor's own memory.
        for one, (X, shares, left, right) in enumerate(zip(self._X, self._shares, *self._less, strict=True)):
            p = X.shape[-1]
            products = (shares @ (np.swapaxes(X, -1, -2) @ X).reshape(len(X), -1)).reshape(-1, p, p)
            products -= np.swapaxes(left, -1, -2) @ right
            of_study = iter(models[:, one])
            for found, (*_, penalties) in zip(chosen, settings, strict=True):
                for penalty in penalties:
                    self._solve(next(of_study), products, found[one], penalty, one)
        return models

    def _choose(self, columns, kept):
        """The columns of every model, by study: shape (sets, as many as are kept)."""
        if len(set(kept)) == 1:
            return best(self.differences, columns, kept[0])
        return [
            best(differences, columns, one) for differences, one in zip(self.differences, kept, strict=True)
        ]

    def _solve(self, models, products, columns, penalty, one):
        """The models of a study, one for each of its training sets; the penalty is for columns of scale 1."""
        each = np.arange(len(products))[:, None]
        every = columns.shape[-1] == products.shape[-1]
        systems = (
            products.copy() if every else products[each[..., None], columns[:, :, None], columns[:, None]]
        )
        np.einsum("kii->ki", systems)[:] += penalty * np.square(self.scale[one])[each, columns]
        solve = lapack.sposv if models.dtype == np.float32 else lapack.dposv
        towards = self._towards[one][each, columns]
        models[each, columns] = [
            solve(system.T, right_side, lower=True, overwrite_a=True)[1]
            for system, right_side in zip(systems, towards, strict=True)
        ]

    def outputs(self, weights: np.ndarray) -> np.ndarray:
        """What models say of the scans in their test folds, shape (studies, scans); NaN: in none."""
        folds, weights = self._folds, weights[:, : self._folds]
        studies, p = len(weights), weights.shape[-1]
        # As if means and centre were subtracted first.
        level = self.middle[:, :folds] - (self._away[:, :folds] @ weights[..., None])[..., 0]
        X = self._X.reshape(studies, folds, -1, p)
        site = np.broadcast_to(self._site.reshape(len(self._site), folds, -1), X.shape[:-1])
        found = (X @ weights[..., None])[..., 0] + np.take_along_axis(level, site, -1)
        # Places that are not filled are sent behind the end.
        rows = np.where(self._there, self._rows, self._scans).reshape(len(self._rows), -1)
        outputs = np.full((studies, self._scans + 1), np.nan)
        outputs[np.arange(studies)[:, None], rows] = found.reshape(studies, -1)
        return outputs[:, :-1]
