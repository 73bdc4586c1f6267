"""Which rows are nearer to each other than rows of different people can be."""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

LIMIT = 0.01  # of the whole table, not of one row
OTHERS, RARE = 60, 0.02  # columns of few values that are looked at; the least chance that one may give
ENOUGH = 5  # dimensions of columns with many values
FAR, CLOSE = 60, 11  # neighbours that give the scale; those that are tested (larger groups may be sites)


@dataclass
class Neighbours:
    """What `neighbours` gives; arrays are in the order of the rows.

    Attributes
    ----------
    p : array of shape (n,) or None
        How likely a row's closest gap is by chance, all tested gaps counted. None: cannot tell.
    gap : array of shape (n,)
        After so many neighbours.
    order : array of shape (n, CLOSE)
        The neighbours.
    peak : float
        The mean gap, where it is largest, in units of what chance gives (1).
    peak_at : int
    beside : float
        Share of rows whose nearest neighbour is the row before or after.
    """

    p: np.ndarray | None = None
    gap: np.ndarray | None = None
    order: np.ndarray | None = None
    peak: float = 1.0
    peak_at: int = 0
    beside: float = 0.0

    @property
    def rows(self):
        """The rows that are too near to another: beyond doubt each, or together more than chance gives."""
        if self.p is None:
            return np.zeros(0, int)
        sure, likely = self.p * len(self.p) < LIMIT, self.p < 1e-3
        pairs = likely.sum() // 2  # two rows make one likeness
        return np.flatnonzero(likely if stats.binom.sf(pairs - 1, len(self.p), 1e-3) < 1e-4 else sure)

    @property
    def clustered(self):
        """Whether rows resemble each other in groups, even if no single row is beyond doubt."""
        return self.p is not None and self.peak > max(1.6, 1 + 6 / np.sqrt(len(self.p)))

    @property
    def in_file(self):
        """Whether rows that stand beside each other in the file resemble each other."""
        return self.p is not None and self.beside > max(
            0.25, 8 / len(self.p) + 4 * np.sqrt(2 / len(self.p)) / 2
        )

    def exchanged(self, y) -> bool:
        """Whether rows that resemble each other have different labels more often than by chance."""
        if not self.clustered:
            return False
        near = self.order[:, : self.peak_at]
        same, share = int(np.sum(y[near] == y[:, None])), np.sum((np.bincount(y) / len(y)) ** 2)
        return bool(stats.binom.cdf(same, near.size, share) < LIMIT)

    def joined(self, subject):
        """Subjects, with rows that are too near under one of them, unless that makes everybody one."""
        rows = self.rows
        if not len(rows):
            return subject
        pairs = [(r, other) for r in rows for other in self.order[r, : self.gap[r]]]
        left, right = np.array(pairs).T
        left, right = subject[left], subject[right]
        size = int(subject.max()) + 1
        label = connected_components(
            coo_matrix((np.ones(len(left)), (left, right)), shape=(size, size)), False
        )[1]
        return subject if np.bincount(label[subject]).max() > max(60, len(subject) / 5) else label[subject]


def neighbours(X, subject, copies, seed) -> Neighbours:
    """Compare every row's distances to its neighbours of other subjects.

    In k dimensions the volume within the j-th neighbour grows so that j k log(r_{j+1} / r_j) follows an
    exponential distribution of mean 1, wherever the row lies [the idea of Facco and others 2017,
    doi:10.1038/s41598-017-11873-y, for later neighbours]. k comes from *far* neighbours, so that any number
    of repeats leaves it as it is. A person with c rows makes one large gap, after c - 1 neighbours.
    Features are turned into normal scores, so that skewed or heavy tails do no harm, and made uncorrelated.
    Where those are few, columns of few values or with many zeros add minus the log of the chance that two
    rows are so near in them: k log r is such a sum too.
    """
    n = len(X)
    Y, ranks, alike = _uncorrelated(X, np.random.default_rng([seed, 7]))
    if Y.shape[1] >= ENOUGH:  # the others are often marks of the site, and then they blur the scale
        ranks, alike = ranks[:, :0], alike[:, :0]
    if Y.shape[1] + 0.5 * ranks.shape[1] < 2 or n < 30:
        return Neighbours()
    far = min(FAR, n // 3)
    close = min(CLOSE, far // 2)
    order, raw, tail = np.empty((n, close), int), np.empty((n, far + 1)), np.empty((n, far + 1))
    first = np.flatnonzero(~copies | ~_later(X))  # of exact copies, one counts
    again = np.setdiff1d(np.arange(n), first)
    squares = (Y**2).sum(1)
    for start in range(0, n, 1000):
        rows = np.arange(start, min(start + 1000, n))
        distance = squares[rows, None] + squares - 2 * Y[rows] @ Y.T
        distance = 0.5 * Y.shape[1] * np.log(np.maximum(distance, 1e-9))
        likeness = np.zeros_like(distance)
        for rank, share in zip(ranks.T, alike.T, strict=True):
            chance = np.maximum(2 * np.abs(rank[rows, None] - rank), np.maximum(share[rows, None], share))
            likeness -= np.log(np.minimum(chance, 1, out=chance), out=chance)
        for log, other in ((raw, likeness), (tail, _surprise(likeness))):
            whole = distance - other
            whole[(subject[rows, None] == subject)] = np.inf
            whole[:, again] = np.inf
            near = np.argsort(whole, axis=1)[:, : far + 1]
            log[rows] = np.take_along_axis(whole, near, axis=1)
            if log is raw:
                order[rows] = near[:, :close]
    if not np.isfinite(raw).all():
        return Neighbours()
    gaps, sure = (_gaps(log, first, close) for log in (tail, raw))
    if gaps is None or sure is None:
        return Neighbours()
    p = np.minimum(np.exp(-np.minimum(sure.max(1), 700)) * close, 1)
    means = np.minimum(gaps[first], 20).mean(0)
    beside = np.mean(np.abs(order[first, 0] - first) == 1)
    return Neighbours(
        p, sure.argmax(1) + 1, order, float(means.max()), int(means.argmax()) + 1, float(beside)
    )


def _gaps(log, first, close):
    """The first gaps of every row, in units of those at far neighbours."""
    gaps = np.diff(log, axis=1) * np.arange(1, log.shape[1])
    own = gaps[:, gaps.shape[1] // 2 :].mean(1, keepdims=True)
    typical = np.median(own[first])
    # A row with fewer zeros than most has more dimensions than they, and longer gaps.
    return gaps[:, :close] / np.maximum(0.75 * own, typical) if typical > 1e-9 else None


def _surprise(likeness):
    """Minus the log of how often two rows are as alike by chance, from a gamma distribution of the pairs.

    Its tail holds on average, for all rows together; for the one row that is most alike it is too light.
    """
    mean, variance = likeness.mean(dtype=float), likeness.var(dtype=float)
    if variance < 1e-9:
        return likeness
    grid = np.linspace(0, likeness.max(), 400)
    return np.interp(likeness, grid, -stats.gamma.logsf(grid, mean**2 / variance, scale=variance / mean))


def _later(X):
    """Whether an equal row stands before."""
    _, index = np.unique(np.nan_to_num(X, nan=-np.inf), axis=0, return_index=True)
    later = np.ones(len(X), bool)
    later[index] = False
    return later


def _uncorrelated(X, rng):
    """Normal scores of the columns with many values, as principal components of unit variance.

    Of at most so many others as `OTHERS`: ranks, from 0 to 1, and what share of the rows has the same value.
    """
    n, columns, ranks, alike = len(X), [], [], []
    others = np.clip(2e8 / n**2, 10, OTHERS)
    for j in rng.permutation(X.shape[1])[:500]:
        there = np.isfinite(X[:, j])
        values, where, counts = np.unique(X[there, j], return_inverse=True, return_counts=True)
        if there.mean() < 0.8 or counts.max() > 0.95 * n:
            continue
        if len(values) <= min(20, n / 2) or counts.max() > 0.1 * n:
            if len(ranks) < others:
                ranks.append(np.full(n, 0.5, np.float32))
                alike.append(np.ones(n, np.float32))  # a gap is no likeness
                ranks[-1][there] = stats.rankdata(X[there, j]) / there.sum()
                alike[-1][there] = np.maximum(counts[where] / there.sum(), RARE)
            continue
        rank = np.empty(there.sum())
        rank[np.lexsort((rng.random(there.sum()), X[there, j]))] = (
            np.arange(there.sum()) + 0.5
        )  # rounded values agree by chance
        score = rng.standard_normal(n) * ~there  # two gaps are no likeness
        score[there] = stats.norm.ppf(rank / there.sum())
        columns.append(score)
    others = [np.column_stack(some) if ranks else np.zeros((n, 0)) for some in (ranks, alike)]
    if not columns:
        return np.zeros((n, 0)), *others
    Z = np.column_stack(columns)
    U, s, _ = np.linalg.svd(Z - Z.mean(0), full_matrices=False)
    keep = (s > 0.05 * s.max()) & (np.arange(len(s)) < n / 5)
    return (U[:, keep] * np.sqrt(n)).astype(np.float32), *others
