"""Exercise 03: right answers, however written, pass; each wrong one gets its own reason."""

import numpy as np
import pandas as pd
from answers import Answers
from scipy import stats
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC

from checks import underfitting

FOLDS = StratifiedKFold(5, shuffle=True, random_state=0)
book = Answers(underfitting)


def columns(X):
    return np.column_stack([X, X**2, X[:, 0] * X[:, 1]])


def correlations(X, y):
    return [stats.pearsonr(column, y).pvalue for column in columns(X).T]


# Task 1: a test that sees more than lines


@book.right("hidden_signal")
def bonferroni(X, y):
    return min(1, 5 * min(correlations(X, y)))


@book.right("hidden_signal")
def f_test(X, y):
    Z = columns(X) - columns(X).mean(axis=0)
    e = y - y.mean()
    rest = np.sum((e - Z @ np.linalg.lstsq(Z, e, rcond=None)[0]) ** 2)
    return stats.f.sf((np.sum(e**2) - rest) / 5 / (rest / (len(y) - 6)), 5, len(y) - 6)


@book.right("hidden_signal")
def several_named_tests(X, y):
    a, b = X[y == 1], X[y == 0]
    p = [
        stats.ttest_ind(a[:, 0], b[:, 0]).pvalue,
        stats.ttest_ind(a[:, 1], b[:, 1]).pvalue,
        stats.levene(a[:, 0], b[:, 0]).pvalue,
        stats.levene(a[:, 1], b[:, 1]).pvalue,
        stats.mannwhitneyu(a[:, 0] * a[:, 1], b[:, 0] * b[:, 1]).pvalue,
    ]
    return min(1.0, len(p) * np.min(p))


@book.right("hidden_signal")
def permuted_quadratic_score(X, y):
    rng, Z = np.random.default_rng(0), columns((X - X.mean(axis=0)) / X.std(axis=0))
    Z = Z - Z.mean(axis=0)
    Q = np.linalg.qr(Z)[0]

    def score(labels):
        return np.sum((Q.T @ (labels - labels.mean())) ** 2)

    return (1 + sum(score(rng.permutation(y)) >= score(y) for _ in range(99))) / 100


@book.wrong("hidden_signal", "misses a difference of the spread alone")
def lines_and_product_only(X, y):
    p = correlations(X, y)
    return min(1, 3 * min(p[0], p[1], p[4]))


@book.wrong("hidden_signal", "only look at", k=(2, 3))
def looks_again(X, y, k):
    first = min(1, 2 * min(correlations(X, y)[:2]))
    return first if first <= 0.05 else min(1, k * min(correlations(X, y)[2:]))


@book.wrong("hidden_signal", "data sets of pure noise", slow=True)
def best_of_models(X, y):
    models = LogisticRegression(), QuadraticDiscriminantAnalysis(), KNeighborsClassifier(9), GaussianNB()
    best = max((cross_val_predict(model, X, y, cv=FOLDS) == y).sum() for model in models)
    return stats.binomtest(int(best), len(y), 0.5, alternative="greater").pvalue


@book.wrong("hidden_signal", "nor folds of the same scans", k=(5, 3, 4), slow=True)
def t_test_of_the_folds(X, y, k):
    folds = RepeatedStratifiedKFold(n_splits=k, n_repeats=3, random_state=0)
    scores = cross_val_score(RandomForestClassifier(25, random_state=0), X, y, cv=folds)
    return stats.ttest_1samp(scores, 0.5, alternative="greater").pvalue


@book.wrong("hidden_signal", "neither tests", slow=True)
def sum_of_logs(X, y):
    more = [stats.mannwhitneyu(X[y == 1, k], X[y == 0, k]).pvalue for k in (0, 1)]
    more += [stats.levene(X[y == 1, k], X[y == 0, k]).pvalue for k in (0, 1)]
    return stats.combine_pvalues([*correlations(X, y), *more]).pvalue


book.short_wrongs(
    "hidden_signal",
    t_tests=(
        lambda X, y: min(1, 2 * min(stats.ttest_ind(X[y == 1, j], X[y == 0, j]).pvalue for j in (0, 1))),
        "blind",
        "test of means or lines",
    ),
    smallest_of_five=(lambda X, y: min(correlations(X, y)), "data sets of pure noise", "correction"),
    always_significant=(lambda X, y: 0.01, "whatever the data are"),
    one_minus_p=(lambda X, y: 1 - bonferroni(X, y), "turned round"),
    no_product=(lambda X, y: min(1, 4 * min(correlations(X, y)[:4])), "misses an exclusive or"),
    by_lot=(lambda X, y: np.random.default_rng(int(1e6 * abs(X).sum())).random(), "finds none of the three"),
    all_p_values=(lambda X, y: correlations(X, y), "5 numbers"),
)


# Task 2: a flexible model, scored on unseen scans


@book.right("flexible_score", slow=True)
def forest(X, y):
    return cross_val_score(RandomForestClassifier(15, random_state=0), X, y, cv=FOLDS).mean()


@book.right("flexible_score")
def curved_support_vectors(X, y):
    return np.mean(cross_val_predict(make_pipeline(StandardScaler(), SVC()), X, y, cv=4) == y)


@book.right("flexible_score")
def squares_and_products(X, y):
    model = make_pipeline(PolynomialFeatures(2), StandardScaler(), LogisticRegression())
    return cross_val_score(model, X, y, cv=10).mean()


@book.right("flexible_score")
def neighbours_on_a_held_out_third(X, y):
    a, b, c, d = train_test_split(X, y, test_size=0.33, random_state=1, stratify=y)
    return KNeighborsClassifier(9).fit(a, c).score(b, d)


@book.wrong("flexible_score", "Products alone are not enough")
def products_only(X, y):
    model = make_pipeline(PolynomialFeatures(2, interaction_only=True), LogisticRegression())
    return cross_val_score(model, X, y, cv=FOLDS).mean()


class Squares:
    @staticmethod
    def of(X):
        return np.column_stack([X, X**2])


@book.wrong("flexible_score", "chosen by the very score", n=(3, 5, 8), slow=True)
def best_of_a_search(X, y, n):
    grid = {"svc__C": np.logspace(-1, 2, n), "svc__gamma": np.logspace(-2, 1, 5)}
    return GridSearchCV(make_pipeline(StandardScaler(), SVC()), grid, cv=FOLDS).fit(X, y).best_score_


@book.wrong("flexible_score", "chosen by the very score", k=(3, 5, 10))
def best_fold(X, y, k):
    return cross_val_score(
        KNeighborsClassifier(9), X, y, cv=StratifiedKFold(k, shuffle=True, random_state=0)
    ).max()


@book.wrong("flexible_score", "the better of it", slow=True)
def flipped(X, y):
    found = cross_val_score(RandomForestClassifier(15, random_state=0), X, y, cv=FOLDS).mean()
    return max(found, 1 - found)


book.short_wrongs(
    "flexible_score",
    logistic=(
        lambda X, y: cross_val_score(LogisticRegression(), X, y, cv=FOLDS).mean(),
        "not bound to lines",
    ),
    training_score=(
        lambda X, y: RandomForestClassifier(15, random_state=0).fit(X, y).score(X, y),
        "scored on scans that it was fitted to",
    ),
    squares_only=(
        lambda X, y: cross_val_score(LogisticRegression(max_iter=1000), Squares.of(X), y, cv=FOLDS).mean(),
        "must combine two",
    ),
    naive_bayes=(lambda X, y: cross_val_score(GaussianNB(), X, y, cv=FOLDS).mean(), "must combine two"),
    errors=(lambda X, y: 1 - forest(X, y), "share of errors"),
    ceiling_by_heart=(lambda X, y: 0.875, "whatever the data are"),
)


@book.wrong("flexible_score", "Did you forget `return`?")
def nothing_returned(X, y):
    score = forest(X, y)
    score += 0


@book.wrong(
    "flexible_score",
    "every measure has another value",
    scoring=("recall", "f1", "roc_auc", "balanced_accuracy"),
)
def a_measure_of_patients(X, y, scoring):
    return cross_val_score(make_pipeline(StandardScaler(), SVC()), X, y, cv=FOLDS, scoring=scoring).mean()


@book.wrong("flexible_score", "chosen by the very score", most=(20, 15, 10))
def number_of_neighbours_by_the_score(X, y, most):
    every = range(1, most, 2)
    return max(cross_val_score(KNeighborsClassifier(k), X, y, cv=FOLDS).mean() for k in every)


# Task 3: the word


def scores(X, y, model=None):
    flexible = KNeighborsClassifier(15) if model is None else model
    return (
        cross_val_score(LogisticRegression(), X, y, cv=FOLDS).mean(),
        cross_val_score(flexible, X, y, cv=FOLDS).mean(),
    )


def word(linear, flexible, margin=0.1):
    if flexible - linear > margin:
        return "underfitted"
    return "linear is enough" if linear > 0.6 else "no signal"


@book.right("diagnosis")
def with_neighbours(X, y):
    return word(*scores(X, y))


@book.right("diagnosis")
def with_a_forest(X, y):
    return word(*scores(X, y, RandomForestClassifier(15, random_state=0)))


@book.right("diagnosis")
def with_squares(X, y):
    return word(*scores(X, y, make_pipeline(PolynomialFeatures(2), LogisticRegression(max_iter=1000))))


@book.right("diagnosis")
def with_tests_of_the_hits(X, y):
    hits = [cross_val_predict(m, X, y, cv=FOLDS) == y for m in (LogisticRegression(), SVC())]
    only = [np.sum(hits[1] & ~hits[0]), np.sum(hits[0] & ~hits[1])]
    better = only[0] > only[1] and stats.binomtest(int(only[0]), int(sum(only)), 0.5).pvalue < 0.001
    if better:
        return "underfitted"
    return (
        "linear is enough" if stats.binomtest(int(hits[0].sum()), len(y), 0.5).pvalue < 0.001 else "no signal"
    )


@book.wrong("diagnosis", "Always compare the two")
def linear_first(X, y):
    linear, flexible = scores(X, y)
    if linear > 0.58:
        return "linear is enough"
    return "underfitted" if flexible > 0.6 else "no signal"


@book.wrong("diagnosis", "First ask whether")
def never_no_signal(X, y):
    linear, flexible = scores(X, y)
    return "underfitted" if flexible - linear > 0.1 else "linear is enough"


@book.wrong("diagnosis", "A gain must exceed", margin=(0.0, 0.005))
def any_difference(X, y, margin):
    return word(*scores(X, y, SVC()), margin)


@book.wrong("diagnosis", "far above chance", bar=(0.72, 0.75, 0.8))
def high_bar(X, y, bar):
    linear, flexible = scores(X, y)
    if flexible - linear > 0.1:
        return "underfitted"
    return "linear is enough" if linear > bar else "no signal"


book.short_wrongs(
    "diagnosis",
    by_training_scores=(
        lambda X, y: word(
            LogisticRegression().fit(X, y).score(X, y),
            RandomForestClassifier(15, random_state=0).fit(X, y).score(X, y),
        ),
        "in training, a flexible model is better even on noise",
    ),
    only_linear=(
        lambda X, y: "linear is enough" if scores(X, y)[0] > 0.6 else "no signal",
        "linear model at chance is no proof",
    ),
    flexible_above_chance_is_enough=(
        lambda X, y: "underfitted" if scores(X, y)[1] > 0.6 else "no signal",
        "A gain must exceed what luck gives",
    ),
    always_underfitted=(lambda X, y: "underfitted", "of all data"),
    other_words=(lambda X, y: "overfitted", "is one of"),
)


@book.wrong("diagnosis", "far above chance")
def blind_for_lines(X, y):
    answer = with_neighbours(X, y)
    return "no signal" if answer == "linear is enough" else answer


# Task 4: the interval of a difference


def auc(y, score):
    """As roc_auc_score gives it, by ranks, in a tenth of the time."""
    n, rank = np.sum(y), stats.rankdata(score)
    return (rank[y == 1].sum() - n * (n + 1) / 2) / (n * (len(y) - n))


def difference(y, simple, flexible):
    return auc(y, flexible) - auc(y, simple)


def by_rows(y, simple, flexible, draw, n=300):
    """The gain, and the central 95 % of gains in rows that ``draw(rng)`` gives."""
    rng, drawn = np.random.default_rng(0), []
    for _ in range(n):
        rows = draw(rng)
        drawn.append(difference(y[rows], simple[rows], flexible[rows]))
    return difference(y, simple, flexible), *np.quantile(drawn, [0.025, 0.975])


@book.right("gain_with_interval")
def paired_draws(y, simple, flexible):
    return by_rows(y, simple, flexible, lambda rng: rng.integers(len(y), size=len(y)))


@book.right("gain_with_interval")
def draws_within_the_groups(y, simple, flexible):
    groups = [np.flatnonzero(y == one) for one in (0, 1)]
    return by_rows(y, simple, flexible, lambda rng: np.concatenate([rng.choice(g, len(g)) for g in groups]))


@book.right("gain_with_interval", z=(1.96, 2))
def formula_of_delong(y, simple, flexible, z):
    found = []
    for score in (simple, flexible):
        wins = (score[y == 1][:, None] > score[y == 0]) + 0.5 * (score[y == 1][:, None] == score[y == 0])
        found.append((wins.mean(axis=1), wins.mean(axis=0)))
    patients, controls = (b - a for a, b in zip(*found, strict=True))
    half = z * np.sqrt(patients.var(ddof=1) / len(patients) + controls.var(ddof=1) / len(controls))
    return [round(patients.mean(), 3), patients.mean() - half, patients.mean() + half]


@book.right("gain_with_interval")
def standard_error_of_the_draws(y, simple, flexible):
    table = pd.DataFrame({"y": y, "simple": simple, "flexible": flexible})
    drawn = [difference(*table.sample(frac=1, replace=True, random_state=i).to_numpy().T) for i in range(300)]
    gain = difference(y, simple, flexible)
    return gain, gain - 2 * np.std(drawn), gain + 2 * np.std(drawn)


def drawn_apart(y, score, seed, n=200):
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(y), size=(n, len(y)))
    return np.array([auc(y[one], score[one]) for one in rows])


@book.wrong("gain_with_interval", "come from different draws", seeds=((1, 2), (0, 5), (3, 4)))
def two_models_drawn_apart(y, simple, flexible, seeds):
    drawn = drawn_apart(y, flexible, seeds[1]) - drawn_apart(y, simple, seeds[0])
    return difference(y, simple, flexible), *np.quantile(drawn, [0.025, 0.975])


@book.wrong("gain_with_interval", "come from different draws", level=(0.95, 0.9, 0.99))
def ends_of_two_intervals(y, simple, flexible, level):
    ends = (1 - level) / 2, (1 + level) / 2
    one, other = (np.quantile(drawn_apart(y, score, 0), ends) for score in (simple, flexible))
    return difference(y, simple, flexible), other[0] - one[1], other[1] - one[0]


@book.wrong("gain_with_interval", "too narrow", level=(0.8, 0.68, 0.85))
def fewer_than_asked(y, simple, flexible, level):
    rng = np.random.default_rng(0)
    rows = rng.integers(len(y), size=(300, len(y)))
    drawn = [difference(y[one], simple[one], flexible[one]) for one in rows]
    return difference(y, simple, flexible), *np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])


@book.wrong("gain_with_interval", "too narrow", share=(0.8, 0.9, 0.7))
def without_replacement(y, simple, flexible, share):
    few = int(share * len(y))
    return by_rows(y, simple, flexible, lambda rng: rng.permutation(len(y))[:few])


@book.wrong("gain_with_interval", "too wide", share=(0.5, 0.3, 0.6))
def half_as_many_scans(y, simple, flexible, share):
    return by_rows(y, simple, flexible, lambda rng: rng.integers(len(y), size=int(share * len(y))))


@book.wrong("gain_with_interval", "Flexible minus simple", n=(100, 200, 300))
def simple_minus_flexible(y, simple, flexible, n):
    return by_rows(y, flexible, simple, lambda rng: rng.integers(len(y), size=len(y)), n)


@book.wrong("gain_with_interval", "the gain first", n=(100, 200, 300))
def gain_in_the_middle(y, simple, flexible, n):
    gain, low, high = by_rows(y, simple, flexible, lambda rng: rng.integers(len(y), size=len(y)), n)
    return low, gain, high


@book.wrong("gain_with_interval", "The lower end comes first", n=(100, 200, 300))
def from_above(y, simple, flexible, n):
    gain, low, high = by_rows(y, simple, flexible, lambda rng: rng.integers(len(y), size=len(y)), n)
    return gain, high, low


@book.wrong("gain_with_interval", "the AUC of the scores themselves", threshold=(0.5, 0.0, 1.0))
def accuracy_of_calls(y, simple, flexible, threshold):
    gain = np.mean((flexible > threshold) == y) - np.mean((simple > threshold) == y)
    return gain, gain - 0.1, gain + 0.1


@book.wrong("gain_with_interval", "the AUC of the scores themselves", threshold=(0.5, 0.0, 1.0))
def auc_of_calls(y, simple, flexible, threshold):
    return by_rows(
        y, simple > threshold, flexible > threshold, lambda rng: rng.integers(len(y), size=len(y)), 100
    )


@book.wrong("gain_with_interval", "Return 3 numbers")
def gain_alone(y, simple, flexible):
    return difference(y, simple, flexible)


@book.wrong("gain_with_interval", "lost its sign")
def never_below_zero(y, simple, flexible):
    gain, low, high = formula_of_delong(y, simple, flexible, 1.96)
    return abs(gain), *((low, high) if gain > 0 else (-high, -low))


test_right, test_wrong, test_each_task, test_tables = book.tests()
