"""Evaluation functions as people write them, honest and leaky, to measure how often the canaries are wrong.

Each takes ``(X, y, groups)`` and gives a number that is larger for a better model. `HONEST` and `LEAKY` are
named functions with the task that they are for: "binary", "classes", "regression" or "repeated".
"""

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest, f_classif, f_regression
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier, RidgeCV
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    r2_score,
    roc_auc_score,
    roc_curve,
)
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

LINEAR = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
CHOSEN = make_pipeline(StandardScaler(), SelectKBest(f_classif, k=3), LinearDiscriminantAnalysis())
MODELS = {
    "logistic": LINEAR,
    "selection inside": CHOSEN,
    "forest": RandomForestClassifier(10, random_state=0),
    "neighbours": KNeighborsClassifier(5),
    "bayes": GaussianNB(),
}
SHUFFLED = StratifiedKFold(5, shuffle=True, random_state=0)
DEALT = StratifiedGroupKFold(5, shuffle=True, random_state=0)
SPLITTERS = {
    "stratified groups": DEALT,
    "groups": GroupKFold(5),
    "plain stratified": StratifiedKFold(5),
    "many groups": GroupKFold(20),
}


def averaged(model, splitter, score):
    """The mean over folds."""
    return lambda X, y, g: cross_val_score(model, X, y, groups=g, cv=splitter, scoring=score).mean()


def pooled(model, splitter, score, method="predict"):
    """One score over the predictions of all folds."""

    def evaluate(X, y, g):
        predicted = cross_val_predict(model, X, y, groups=g, cv=splitter, method=method)
        return score(y, predicted[:, 1] if method == "predict_proba" else predicted)

    return evaluate


def hold_out(X, y, g):
    """Five hold-outs of a quarter of the people."""
    X, scores = np.asarray(X), []
    for train, test in GroupShuffleSplit(5, test_size=0.25, random_state=1).split(X, y, g):
        scores.append(balanced_accuracy_score(y[test], CHOSEN.fit(X[train], y[train]).predict(X[test])))
    return np.mean(scores)


def nested(X, y, g):
    """A setting chosen in an inner loop."""
    inner = GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1.0]}, cv=2, scoring="roc_auc")
    return cross_val_score(inner, X, y, groups=g, cv=DEALT, scoring="roc_auc").mean()


def by_names(X, y, g):
    """Uses the names of its columns, where there are names."""
    X = X[list(X.columns)] if isinstance(X, pd.DataFrame) else X
    return cross_val_score(LINEAR, X, y, groups=g, cv=DEALT).mean()


def sites_left_out(X, y, g):
    """One AUC over sites left out one by one; six people have one site."""
    evaluate = pooled(LINEAR, LeaveOneGroupOut(), roc_auc_score, "predict_proba")
    return evaluate(X, y, pd.factorize(np.asarray(g))[0] // 6)


def mean_over_seeds(X, y, g):
    """The mean of three ways to deal the folds."""
    dealt = [StratifiedGroupKFold(5, shuffle=True, random_state=s) for s in range(3)]
    return np.mean([averaged(GaussianNB(), folds, "roc_auc")(X, y, g) for folds in dealt])


def scaled_outside(X, y, g):
    """Scaling and principal components over all rows: they see no label."""
    return averaged(LINEAR, DEALT, "roc_auc")(PCA(3).fit_transform(StandardScaler().fit_transform(X)), y, g)


def spread_taken_off(X, y, g):
    """A cautious score: the mean over folds less its standard deviation."""
    scores = cross_val_score(LINEAR, X, y, groups=g, cv=DEALT, scoring="roc_auc")
    return scores.mean() - scores.std()


def sensitivity(y, p, specificity=0.8):
    """At a given specificity."""
    wrong, right, _ = roc_curve(codes(y), p)
    return np.interp(1 - specificity, wrong, right)


def subject_means(X, y, g):
    """One row for every subject: the mean of theirs."""
    rows = pd.DataFrame(np.asarray(X)).groupby(np.asarray(g)).mean().to_numpy()
    labels = pd.Series(np.asarray(y)).groupby(np.asarray(g)).first().to_numpy()
    return cross_val_score(LINEAR, rows, labels, cv=SHUFFLED, scoring="roc_auc").mean()


# Scores of every model and splitter, the mean over folds.
COMBINED = {
    ("logistic", "stratified groups"): (
        "roc_auc average_precision neg_log_loss d2_log_loss_score f1_macro neg_brier_score matthews_corrcoef"
    ),
    ("logistic", "groups"): "accuracy f1",
    ("logistic", "plain stratified"): "balanced_accuracy",
    ("selection inside", "stratified groups"): "roc_auc average_precision",
    ("selection inside", "plain stratified"): "accuracy",
    ("forest", "stratified groups"): "roc_auc neg_log_loss",
    ("forest", "groups"): "accuracy",
    ("neighbours", "stratified groups"): "roc_auc",
    ("neighbours", "groups"): "accuracy",
    ("neighbours", "many groups"): "balanced_accuracy",
    ("bayes", "stratified groups"): "roc_auc recall precision",
    ("bayes", "plain stratified"): "average_precision",
}


def by_task(**tasks):
    """Name to (task, function), from functions by name and task."""
    return {name: (task, function) for task, named in tasks.items() for name, function in named.items()}


#: Honest evaluations: name to (task, function).
HONEST = {
    f"{model}, {splitter}, {score}": ("binary", averaged(MODELS[model], SPLITTERS[splitter], score))
    for (model, splitter), scores in COMBINED.items()
    for score in scores.split()
} | by_task(
    binary={
        "one AUC over sites left out": sites_left_out,
        "one AUC over people left out": pooled(
            GaussianNB(), LeaveOneGroupOut(), roc_auc_score, "predict_proba"
        ),
        "one AUC over 20 folds": pooled(LINEAR, GroupKFold(20), roc_auc_score, "predict_proba"),
        "one AUC over 5 folds": pooled(GaussianNB(), DEALT, roc_auc_score, "predict_proba"),
        "one average precision": pooled(LINEAR, DEALT, average_precision_score, "predict_proba"),
        "leave-one-out accuracy": pooled(GaussianNB(), LeaveOneOut(), accuracy_score),
        "kappa": pooled(LINEAR, DEALT, cohen_kappa_score),
        "F1 of all": pooled(LINEAR, DEALT, f1_score),
        "hold-outs": hold_out,
        "nested": nested,
        "by names": by_names,
        "mean over seeds": mean_over_seeds,
        "scaled outside": scaled_outside,
        "accuracy in per cent": lambda X, y, g: 100 * averaged(LINEAR, DEALT, "accuracy")(X, y, g),
        "Gini": lambda X, y, g: 2 * averaged(LINEAR, DEALT, "roc_auc")(X, y, g) - 1,
        "mean less its spread": spread_taken_off,
        "partial AUC": pooled(LINEAR, DEALT, lambda y, p: roc_auc_score(y, p, max_fpr=0.3), "predict_proba"),
        "sensitivity at a specificity of .8": pooled(LINEAR, DEALT, sensitivity, "predict_proba"),
        "sensitivity at a specificity of .9": pooled(
            LINEAR, DEALT, lambda y, p: sensitivity(y, p, 0.9), "predict_proba"
        ),
        "means of subjects": subject_means,
    },
    repeated={
        "groups kept": averaged(KNeighborsClassifier(1), GroupKFold(5), None),
    },
    classes={
        "three classes, accuracy": averaged(LINEAR, DEALT, "accuracy"),
        "three classes, balanced accuracy": averaged(GaussianNB(), DEALT, "balanced_accuracy"),
        "three classes, AUC": averaged(LINEAR, DEALT, "roc_auc_ovr"),
        "three classes, F1": averaged(GaussianNB(), DEALT, "f1_macro"),
        "three classes, log loss": averaged(LINEAR, DEALT, "neg_log_loss"),
        "three classes, one left out": pooled(GaussianNB(), LeaveOneOut(), accuracy_score),
        "three classes, among the two likeliest": averaged(LINEAR, DEALT, "top_k_accuracy"),
        "three classes, weighted kappa": pooled(
            GaussianNB(), DEALT, lambda y, p: cohen_kappa_score(y, p, weights="quadratic")
        ),
    },
    regression={
        "R2": averaged(RidgeCV(), GroupKFold(5), "r2"),
        "one R2 over 10 folds": pooled(Ridge(), KFold(10, shuffle=True, random_state=0), r2_score),
        "MAE": averaged(Ridge(), GroupKFold(5), "neg_mean_absolute_error"),
        "RMSE": averaged(RidgeCV(), GroupKFold(5), "neg_root_mean_squared_error"),
        "explained variance": averaged(RidgeCV(), GroupKFold(5), "explained_variance"),
        "mean squared error": averaged(RidgeCV(), GroupKFold(5), "neg_mean_squared_error"),
        "partial least squares": averaged(PLSRegression(2), GroupKFold(5), "r2"),
        "correlation": pooled(Ridge(), GroupKFold(5), lambda y, p: np.corrcoef(y, p)[0, 1]),
    },
)


def auc_of(model, X, y, g, seed=0):
    """The honest AUC that the leaks below choose among, the mean over folds.

    By hand, `model(X_train, y_train, X_test)` giving scores: with scikit-learn's it takes ten times as long.
    """
    X, y, scores = np.asarray(X), codes(y), []
    for train, test in GroupKFold(5, shuffle=True, random_state=seed).split(X, y, g):
        own = y[test] == 1
        if 0 < own.sum() < len(own):
            value = model((X[train] - X[train].mean(0)) / (X[train].std(0) + 1e-9), y[train],
                          (X[test] - X[train].mean(0)) / (X[train].std(0) + 1e-9))  # fmt: skip
            scores.append((rankdata(value)[own].mean() - (own.sum() + 1) / 2) / np.sum(~own))
    return np.mean(scores)


def three_means(X, y, new):
    """The difference of class means in the three features in which it is largest."""
    apart = X[y == 1].mean(0) - X[y == 0].mean(0)
    best = np.argsort(-np.abs(apart))[:3]
    return new[:, best] @ apart[best]


def ridge(penalty):
    """Ridge regression of the label."""

    def scores(X, y, new):
        return new @ X.T @ np.linalg.solve(X @ X.T + penalty * np.eye(len(X)), y - y.mean())

    return scores


def fitted(model):
    """A classifier of scikit-learn."""

    def scores(X, y, new):
        known = model.fit(X, y)
        return getattr(known, "decision_function", lambda new: known.predict_proba(new)[:, 1])(new)

    return scores


def codes(y):
    """Classes as 0 and 1."""
    return (np.asarray(y) == np.unique(y)[-1]).astype(int)


def nearest_mean(X, y, g):
    """The share of people who are nearer to the mean of their class, people dealt to five folds by hand."""
    X, y = np.asarray(X), codes(y)
    fold = pd.factorize(np.asarray(g))[0] % 5
    right = np.empty(len(y), bool)
    for k in range(5):
        far = [((X[fold == k] - X[(fold != k) & (y == c)].mean(0)) ** 2).sum(1) for c in (0, 1)]
        right[fold == k] = (far[1] < far[0]) == y[fold == k]
    return right.mean()


#: Honest ones that take no time, so that they can be run often.
QUICK = {
    "three means by hand, AUC": lambda X, y, g: auc_of(three_means, X, y, g),
    "ridge by hand, AUC": lambda X, y, g: auc_of(ridge(10), X, y, g),
    "nearest mean by hand, accuracy": nearest_mean,
}
HONEST |= by_task(binary=QUICK)


def best_cut_off(y, p):
    """The cut-off is chosen on the predictions that it is scored on."""
    return max(balanced_accuracy_score(codes(y), p >= t) for t in p)


def at_youden(y, p):
    """The accuracy at the cut-off with the largest sum of sensitivity and specificity in the same rows."""
    wrong, right, cuts = roc_curve(codes(y), p)
    return accuracy_score(codes(y), p >= cuts[np.argmax(right - wrong)])


def of_fold(model, X, y):
    """The best cut-off of every test fold."""
    return best_cut_off(y, model.predict_proba(X)[:, 1])


def best_search(X, y, g):
    """The best score of a grid search is reported as it stands."""
    grid = {"logisticregression__C": np.logspace(-3, 2, 8)}
    return GridSearchCV(LINEAR, grid, cv=DEALT, scoring="roc_auc").fit(X, codes(y), groups=g).best_score_


def copied_before(X, y, g):
    """Every row is multiplied before the split."""
    X, y = np.asarray(X), np.asarray(y)
    noisy = X + 0.1 * X.std(0) * np.random.default_rng(0).standard_normal(X.shape)
    both = np.vstack([X, noisy])
    return cross_val_score(KNeighborsClassifier(1), both, np.r_[y, y], cv=SHUFFLED).mean()


def without_misfits(X, y, g):
    """Rows that the model got wrong are left out, and the rest is scored again."""
    X, y = np.asarray(X), codes(y)
    p = cross_val_predict(LINEAR, X, y, groups=g, cv=DEALT, method="predict_proba")[:, 1]
    keep = np.argsort(np.abs(p - y))[: int(0.8 * len(y))]
    return auc_of(ridge(10), X[keep], y[keep], np.asarray(g)[keep])


def aligned(X, y, g):
    """Every class is moved to its own mean, over all rows."""
    X, y = np.array(X, float), codes(y)
    X += 0.5 * (X[y == 1].mean(0) - X[y == 0].mean(0)) * (2 * y[:, None] - 1)
    return auc_of(ridge(10), X, y, g)


def supervised_components(X, y, g):
    """The discriminant direction of all rows is the only feature."""
    X, y = np.asarray(X), codes(y)
    centred = X - X.mean(0)
    return auc_of(ridge(10), (centred @ (centred.T @ (y - y.mean())))[:, None], y, g)


def selected(X, y, score=f_classif, k=6):
    """The features that go best with the labels of all rows."""
    return SelectKBest(score, k=min(k, X.shape[1])).fit_transform(X, y)


def either_sign(X, y, g):
    """The larger of the AUC and one minus it."""
    value = auc_of(three_means, X, y, g)
    return max(value, 1 - value)


def best_of(models):
    """The best of several models."""
    return lambda X, y, g: max(auc_of(model, X, y, g) for model in models)


def chosen_outside(model, score="roc_auc", splitter=DEALT, by=f_classif):
    """Features are chosen with all rows; then the mean over folds."""
    return lambda X, y, g: averaged(model, splitter, score)(selected(X, y, by), y, g)


def best_number(X, y, g):
    """Features in the order of all rows, and as many of them as score best."""
    order = np.argsort(-f_classif(X, y)[0])
    return max(auc_of(ridge(10), np.asarray(X)[:, order[:k]], codes(y), g) for k in (1, 2, 4, 8))


def best_fold(X, y, g):
    """The best of five folds stands for all."""
    return cross_val_score(LINEAR, X, y, groups=g, cv=DEALT, scoring="roc_auc").max()


PENALISED = [ridge(penalty) for penalty in np.logspace(-2, 4, 8)]
MACHINES = [fitted(SVC(C=c, gamma=s)) for c in (0.01, 0.1, 1, 10, 100) for s in (0.001, 0.01, 0.1, 1)]

#: Leaky evaluations: name to (task, function).
LEAKY = by_task(
    binary={
        "training rows": lambda X, y, g: LINEAR.fit(X, y).score(X, y),
        "a forest's training rows": lambda X, y, g: RandomForestClassifier(20).fit(X, y).score(X, y),
        "selection outside": chosen_outside(LINEAR),
        "selection outside, accuracy": chosen_outside(GaussianNB(), "accuracy"),
        "selection outside, log loss": chosen_outside(LINEAR, "neg_log_loss"),
        "selection outside, average precision": chosen_outside(LINEAR, "average_precision"),
        "best of 8 penalties": best_of(PENALISED),
        "best of 20 settings": best_of(MACHINES),
        "best of a grid search": best_search,
        "best of 10 seeds": lambda X, y, g: max(auc_of(three_means, X, y, g, s) for s in range(10)),
        "best of 6 models": best_of([fitted(model) for model in (*MODELS.values(), RidgeClassifier(100.0))]),
        "best fold": best_fold,
        "cut-off on the predictions": pooled(LINEAR, DEALT, best_cut_off, "predict_proba"),
        "cut-off of Youden, accuracy": pooled(LINEAR, DEALT, at_youden, "predict_proba"),
        "cut-off in every test fold": averaged(LINEAR, DEALT, of_fold),
        "either sign": either_sign,
        "copies before the split": copied_before,
        "misfits left out": without_misfits,
        "classes aligned over all rows": aligned,
        "supervised components outside": supervised_components,
        "refitted on all after a search": lambda X, y, g: roc_auc_score(
            y,
            GridSearchCV(LINEAR, {"logisticregression__C": [0.01, 1]}, cv=DEALT)
            .fit(X, y, groups=g)
            .predict_proba(X)[:, 1],
        ),
        "best number of features": best_number,
    },
    classes={
        "selection outside, three classes": chosen_outside(LINEAR, "accuracy"),
    },
    regression={
        "selection outside, R2": chosen_outside(RidgeCV(), "r2", GroupKFold(5), f_regression),
        "selection outside, MAE": chosen_outside(
            RidgeCV(), "neg_mean_absolute_error", GroupKFold(5), f_regression
        ),
    },
    repeated={
        "groups ignored": averaged(KNeighborsClassifier(1), SHUFFLED, None),
        "rows split at random": lambda X, y, g: (
            KNeighborsClassifier(1).fit(X[::2], y[::2]).score(X[1::2], y[1::2])
        ),
    },
)


def study(task, seed, n=60, p=8):
    """X, y and groups with an effect; "repeated" has three rows per person. An odd seed: a larger class."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    who = np.repeat(np.arange(n), 3 if task == "repeated" else 1)
    if task == "regression":
        return X, 60 + 5 * X[:, 0] + 5 * rng.standard_normal(n), who
    k = 3 if task == "classes" else 2
    y = rng.permutation(np.arange(n) % (k + seed % 2) % k)
    X[:, :2] += 0.8 * y[:, None]
    return X[who] + 0.2 * rng.standard_normal((len(who), p)) * (task == "repeated"), y[who], who
