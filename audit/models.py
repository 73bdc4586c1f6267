"""Plain models, cross-validated in the ways that matter, with intervals that count subjects."""

import functools
import warnings

import numpy as np
from scipy import stats
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeCV
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TREES = 50
WORDS = {"free": "linear, no penalty", "linear": "linear, penalty", "flexible": "flexible (forest)"}


class Models:
    """The models of one study, each fitted once. `X` are the features that they get."""

    def __init__(self, study, X):
        self.study, self.X, self.cache = study, X, {}

    def folds(self, scheme):
        """Lists of (train, test): "shuffled" by row, "grouped" by subject, "site" one site at a time."""
        key = "folds", scheme
        if key not in self.cache:
            self.cache[key] = self._dealt(scheme)
        return self.cache[key]

    def _dealt(self, scheme):
        study, how = self.study, {"n_splits": 5, "shuffle": True, "random_state": self.study.seed}
        X = np.zeros(len(study.y))
        if scheme == "grouped" and len(study.starts) == len(study.y):  # one row each: the same, and faster
            scheme = "shuffled"
        if scheme == "shuffled":
            splitter = KFold(**how) if study.kind == "regression" else StratifiedKFold(**how)
            return list(splitter.split(X, study.y))
        if scheme == "grouped":
            splitter = GroupKFold(**how) if study.kind == "regression" else StratifiedGroupKFold(**how)
            return list(splitter.split(X, study.y, study.subject))
        splitter = LeaveOneGroupOut() if len(study.sites) <= 12 else GroupKFold(10)
        pairs = splitter.split(X, study.y, study.site)
        # Somebody seen at two sites is tested, never trained on.
        return [(a[~np.isin(study.subject[a], study.subject[b])], b) for a, b in pairs]

    def model(self, name):
        """A plain pipeline: "linear", "free" (linear without a penalty) or "flexible" (a forest)."""
        steps = [SimpleImputer(strategy="median"), StandardScaler()]
        regression = self.study.kind == "regression"
        if name == "flexible":
            forest = RandomForestRegressor if regression else RandomForestClassifier
            return make_pipeline(steps[0], forest(TREES, max_features="sqrt", random_state=self.study.seed))
        if regression:
            return make_pipeline(
                *steps, LinearRegression() if name == "free" else RidgeCV(np.logspace(-1, 4, 6))
            )
        free = LinearDiscriminantAnalysis()
        return make_pipeline(*steps, free if name == "free" else LogisticRegression(max_iter=200, tol=1e-3))

    def fitted(self, name, train, test, X=None):
        """Predictions of a model for the rows that it was fitted to, and for others."""
        X, y = self.X if X is None else X, self.study.y
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a model that has not converged is part of the picture
            model = clone(self.model(name)).fit(X[train], y[train])
            return [self._predict(model, X[rows]) for rows in (train, test)]

    def evaluate(self, name, scheme, X=None):
        """Cross-validate a model once: predictions out of fold, folds of rows, training and test scores."""
        key = name, scheme
        if X is None and key in self.cache:
            return self.cache[key]
        study = self.study
        predicted = np.full((len(study.y), 1 if study.classes is None else len(study.classes)), np.nan)
        fold, training, tests = np.full(len(study.y), -1), [], []
        for k, (train, test) in enumerate(self.folds(scheme)):
            if study.classes is not None and len(np.unique(study.y[train])) < 2:
                continue
            both = self.fitted(name, train, test, X)
            predicted[test], fold[test] = both[1], k
            training.append(self.score(study.y[train], both[0]))
            tests.append(self.score(study.y[test], both[1]))
        found = predicted, fold, np.array(training), np.array(tests)
        if X is None:
            self.cache[key] = found
        return found

    def _predict(self, model, X):
        if self.study.classes is None:
            return model.predict(X)[:, None]
        wide = np.zeros((len(X), len(self.study.classes)))
        wide[:, model.classes_] = model.predict_proba(X)
        return wide

    def score(self, y, predicted, weights=None):
        """AUC (averaged over one class against the rest if there are more than two), or R2.

        With weights of the rows, shape (samples, n), one score for each sample.
        """
        if self.study.classes is None:
            W = np.ones((1, len(y))) if weights is None else weights
            y, error = y - y.mean(), (y - predicted[:, 0]) ** 2
            total = np.maximum(W.sum(1), 1e-12)
            around = W @ y**2 - (W @ y) ** 2 / total
            there = around > 1e-12 * (W @ y**2)
            scores = 1 - np.divide(W @ error, around, out=np.full(len(W), np.nan), where=there)
            return scores[0] if weights is None else scores
        codes = [1] if self.study.kind == "binary" else range(len(self.study.classes))
        scores = np.array([auc(predicted[:, c], y == c, weights) for c in codes])
        known = np.isfinite(scores)
        return np.divide(
            np.where(known, scores, 0).sum(0),
            known.sum(0),
            out=np.full(scores[0].shape, np.nan),
            where=known.any(0),
        )[()]

    def pooled(self, evaluation, weights=None):
        """The score within folds, averaged over folds by their size; with weights as for `score`."""
        predicted, fold, _, _ = evaluation
        W = np.ones((1, len(fold))) if weights is None else weights
        total, size = np.zeros(len(W)), np.zeros(len(W))
        for k in range(fold.max() + 1):
            rows = np.flatnonzero(fold == k)
            scores = self.score(self.study.y[rows], predicted[rows], W[:, rows])
            here = W[:, rows].sum(1) * np.isfinite(scores)
            total, size = total + here * np.nan_to_num(scores), size + here
        scores = np.divide(total, size, out=np.full(len(W), np.nan), where=size > 0)
        return scores[0] if weights is None else scores

    @functools.cached_property
    def resamples(self):
        """How often each row is in 100 bootstrap samples of subjects, which all comparisons share."""
        m = len(self.study.starts)
        draws = np.random.default_rng([self.study.seed, 99]).integers(m, size=(100, m))
        return np.array([np.bincount(draw, minlength=m) for draw in draws], float)[:, self.study.subject]

    def resampled(self, evaluation):
        """The score in every bootstrap sample of subjects, shape (100,)."""
        key = "resampled", id(evaluation)
        if key not in self.cache:  # the evaluation is kept too, so that its id is not given to another
            self.cache[key] = self.pooled(evaluation, self.resamples), evaluation
        return self.cache[key][0]

    def clearly_above(self, high, low, errors=2.0):
        """Whether one evaluation scores at least .05, and so many errors over subjects, above another.

        The models are taken as they are, so an error is a little short; the margin makes up for it.
        """
        gap = self.pooled(high) - self.pooled(low)
        return gap > 0.05 and gap > errors * np.nanstd(self.resampled(high) - self.resampled(low))

    def stated(self, evaluation):
        """(score, lower, upper): the score and its 95 % interval over subjects."""
        score = self.pooled(evaluation)
        error = np.nanstd(self.resampled(evaluation)) if np.isfinite(score) else np.nan
        return (
            score,
            max(score - 1.96 * error, 0.0 if self.study.classes else -1.0),
            min(score + 1.96 * error, 1.0),
        )


def auc(values, positive, weights=None):
    """Share of pairs in the right order. Shapes (n,), (n,); with weights (samples, n) one for each sample."""
    k, n = positive.sum(), len(positive)
    if k in (0, n):
        return np.nan if weights is None else np.full(len(weights), np.nan)
    if weights is None and k * (n - k) >= 20_000:  # below, counting pairs is faster
        return (stats.rankdata(values)[positive].sum() - k * (k + 1) / 2) / (k * (n - k))
    above, below = values[positive][:, None], values[~positive]
    pairs = (above > below) + 0.5 * (above == below)
    if weights is None:
        return float(pairs.mean())
    of, against = weights[:, positive], weights[:, ~positive]
    number = of.sum(1) * against.sum(1)
    right = ((of @ pairs) * against).sum(1)
    return np.divide(right, number, out=np.full(len(weights), np.nan), where=number > 0)


def auc_error(value, n1, n0):
    """Standard error of an AUC (Hanley and McNeil 1982)."""
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    variance = value * (1 - value) + (n1 - 1) * (q1 - value**2) + (n0 - 1) * (q2 - value**2)
    return np.sqrt(np.maximum(variance, 0) / np.maximum(n1 * n0, 1))


def ridge(X, Y):
    """Weights of ridge regression with a penalty of p, in the smaller of two equal forms."""
    n, p = X.shape
    if p <= n:
        return np.linalg.solve(X.T @ X + p * np.eye(p), X.T @ Y)
    return X.T @ np.linalg.solve(X @ X.T + p * np.eye(n), Y)


def onehot(codes):
    """One column per code."""
    return np.eye(codes.max() + 1)[codes]
