"""The exercise on a first look: right answers pass, however written; wrong ones get their reason."""

import numpy as np
import pandas as pd
from answers import Answers
from scipy.spatial.distance import pdist, squareform
from scipy.stats import mannwhitneyu, rankdata
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_auc_score
from sklearn.model_selection import (
    LeaveOneGroupOut,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from checks import look_before_you_train as checks

FOLDS = StratifiedKFold(5, shuffle=True, random_state=0)
book = Answers(checks)


# Task 1: the same scan twice


def close_pairs(X, limit):
    distance = squareform(pdist(StandardScaler().fit_transform(X)))
    return [(i, j) for i in range(len(X)) for j in range(i) if distance[i, j] < limit]


@book.right("same_scan_twice")
def small_distance(X):
    return close_pairs(X, 0.1)


@book.right("same_scan_twice")
def correlation_of_standardised_rows(X):
    alike = np.triu(np.corrcoef((X - X.mean(axis=0)) / X.std(axis=0)), 1)
    return np.argwhere(alike > 0.999)


@book.right("same_scan_twice")
def nearest_neighbour_both_ways(X):
    Z = StandardScaler().fit_transform(X)
    distance, index = NearestNeighbors(n_neighbors=2).fit(Z).kneighbors(Z)
    # Of two rows that are equal, either may come first.
    return {(i, int(index[i][index[i] != i][0])) for i in range(len(X)) if distance[i, 1] < 0.05}


@book.right("same_scan_twice")
def every_column_agrees(X):
    spread = X.std(axis=0)
    return [
        [i, j]
        for i in range(len(X))
        for j in range(i + 1, len(X))
        if np.all(abs(X[i] - X[j]) < 0.01 * spread)
    ]


@book.right("same_scan_twice")
def relative_difference_of_raw_values(X):
    return [
        (i, j) for i in range(len(X)) for j in range(i) if np.isclose(X[i], X[j], rtol=1e-3, atol=0).all()
    ]


book.short_wrongs(
    "same_scan_twice",
    correlation_of_raw_rows=(
        lambda X: np.argwhere(np.triu(np.corrcoef(X), 1) > 0.999),
        "of different people",
    ),
    with_itself=(lambda X: [(i, i) for i in range(len(X))], "pairs a row with itself"),
    small_numbers_ignored=(
        lambda X: np.argwhere(np.triu(np.isclose(X[:, None], X, 1e-3, 0.01).all(axis=2), 1)),
        "of different people",
    ),
    only_their_number=(lambda X: len(close_pairs(X, 0.1)), "list of pairs of row numbers", "int"),
)


@book.wrong("same_scan_twice", "changes the X")
def scaled_in_place(X):
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    return close_pairs(X, 0.1)


@book.wrong("same_scan_twice", "Rounding tears pairs apart", digits=(2, 1))
def equal_after_rounding(X, digits):
    t = pd.DataFrame(StandardScaler().fit_transform(X)).round(digits) + 0.0
    return [tuple(g.index) for _, g in t.groupby(list(t.columns)) if len(g) == 2]


@book.wrong("same_scan_twice", "Rounding tears pairs apart", digits=(3, 2))
def equal_significant_digits(X, digits):
    step = 10.0 ** (np.floor(np.log10(np.abs(X))) - digits + 1)
    whole = np.round(X / step) * step
    return [(i, j) for i in range(len(X)) for j in range(i) if np.allclose(whole[i], whole[j], rtol=1e-9)]


@book.wrong("same_scan_twice", "The last row is never compared", limit=(0.1, 0.05, 0.2))
def without_the_last_row(X, limit):
    return [pair for pair in close_pairs(X, limit) if max(pair) < len(X) - 1]


@book.wrong("same_scan_twice", "agree in half of the columns", limit=(0.1, 0.05, 0.2))
def half_of_the_columns(X, limit):
    return close_pairs(X[:, : X.shape[1] // 2], limit)


# Task 2: the site alone


def as_column(site):
    return np.asarray(site).reshape(-1, 1)


BY_NAME = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())


@book.right("site_alone")
def one_column_for_each_site(site, y):
    return cross_val_score(BY_NAME, as_column(site), y, cv=FOLDS, scoring="roc_auc").mean()


@book.right("site_alone")
def share_in_the_training_folds(site, y):
    predicted = np.zeros(len(y))
    for train, test in FOLDS.split(site, y):
        share = pd.Series(y[train]).groupby(site[train]).mean()
        predicted[test] = pd.Series(site[test]).map(share).fillna(y[train].mean())
    return roc_auc_score(y, predicted)


@book.right("site_alone")
def dummies_and_ten_folds(site, y):
    X = pd.get_dummies(pd.Series(site)).to_numpy(float)
    predicted = cross_val_predict(LogisticRegression(C=10), X, y, cv=10, method="predict_proba")
    return roc_auc_score(y, predicted[:, 1])


@book.right("site_alone")
def naive_bayes_of_categories(site, y):
    X = as_column(LabelEncoder().fit_transform(site))
    model = CategoricalNB(min_categories=int(X.max()) + 1)
    return cross_val_score(model, X, y, cv=StratifiedKFold(5), scoring="roc_auc").mean()


@book.right("site_alone")
def half_held_out(site, y):
    train, test = train_test_split(np.arange(len(y)), test_size=0.5, stratify=y, random_state=1)
    fitted = BY_NAME.fit(as_column(site[train]), y[train])
    return roc_auc_score(y[test], fitted.predict_proba(as_column(site[test]))[:, 1])


@book.right("site_alone")
def a_quarter_held_out(site, y):
    train, test = train_test_split(np.arange(len(y)), stratify=y, random_state=0)
    fitted = BY_NAME.fit(as_column(site[train]), y[train])
    return roc_auc_score(y[test], fitted.predict_proba(as_column(site[test]))[:, 1])


@book.right("site_alone")
def a_tree_of_codes(site, y):
    model = make_pipeline(OrdinalEncoder(), DecisionTreeClassifier(random_state=0))
    return cross_val_score(model, as_column(site), y, cv=FOLDS, scoring="roc_auc").mean()


@book.wrong("site_alone", "have no order")
def sites_as_numbers(site, y):
    model = make_pipeline(OrdinalEncoder(), LogisticRegression())
    return cross_val_score(model, as_column(site), y, cv=FOLDS, scoring="roc_auc").mean()


@book.wrong("site_alone", "a better direction", cv=(5, 4, 10))
def better_direction_of_every_fold(site, y, cv):
    scores = cross_val_score(BY_NAME, as_column(site), y, cv=StratifiedKFold(cv), scoring="roc_auc")
    return np.maximum(scores, 1 - scores).mean()


@book.wrong("site_alone", "Split the people, not the sites")
def one_site_left_out(site, y):
    predicted = cross_val_predict(
        BY_NAME, as_column(site), y, groups=site, cv=LeaveOneGroupOut(), method="predict_proba"
    )
    return roc_auc_score(y, predicted[:, 1])


book.short_wrongs(
    "site_alone",
    auc_of_yes_and_no=(
        lambda site, y: roc_auc_score(y, cross_val_predict(BY_NAME, as_column(site), y, cv=FOLDS)),
        "not its yes or no",
    ),
    share_of_everybody=(
        lambda site, y: roc_auc_score(y, pd.Series(y).groupby(site).transform("mean")),
        "learnt from the same people",
    ),
    accuracy_of_the_site=(
        lambda site, y: cross_val_score(BY_NAME, as_column(site), y, cv=FOLDS).mean(),
        "accuracy. Return the AUC",
    ),
    probability_of_controls=(
        lambda site, y: 1 - one_column_for_each_site(site, y),
        "less than chance",
        "probability of class 0",
    ),
    no_model=(
        lambda site, y: cross_val_score(
            DummyClassifier(), as_column(site), y, cv=FOLDS, scoring="roc_auc"
        ).mean(),
        "whatever the data are",
    ),
    one_for_every_fold=(
        lambda site, y: cross_val_score(BY_NAME, as_column(site), y, cv=FOLDS, scoring="roc_auc"),
        "5 numbers",
    ),
)


# Task 3: gaps by label


@book.right("gaps_by_label")
def mask_and_mean(table, y):
    return table[y == 1].isna().mean() - table[y == 0].isna().mean()


@book.right("gaps_by_label")
def column_by_column(table, y):
    return {
        c: np.mean(pd.isna(table[c].to_numpy()[y == 1])) - np.mean(pd.isna(table[c].to_numpy()[y == 0]))
        for c in table
    }


@book.right("gaps_by_label")
def grouped_by_an_array(table, y):
    share = table.isna().groupby(y).mean()
    return share.loc[1] - share.loc[0]


@book.right("gaps_by_label")
def differences_of_rows(table, y):
    return table.isnull().astype(float).groupby(np.asarray(y)).mean().diff().iloc[-1]


@book.wrong("gaps_by_label", "matched by its index")
def series_with_another_index(table, y):
    share = table.isna().groupby(pd.Series(y)).mean()
    return (share.loc[1] - share.loc[0]) if len(share) else pd.Series(np.nan, index=table.columns)


@book.wrong("gaps_by_label", "KeyError", "with such an index the function runs")
def rows_by_number(table, y):
    return {c: np.mean([pd.isna(table.loc[i, c]) for i in np.flatnonzero(y == 1)])
            - np.mean([pd.isna(table.loc[i, c]) for i in np.flatnonzero(y == 0)]) for c in table}  # fmt: skip


book.short_wrongs(
    "gaps_by_label",
    the_largest_alone=(
        lambda table, y: float(mask_and_mean(table, y).max()),
        "one number for each column",
        "float",
    ),
)


@book.wrong("gaps_by_label", "changes the table")
def filled_in_place(table, y):
    answer = mask_and_mean(table, y)
    table["volume"] = table["volume"].fillna(0)
    return answer


# Task 4: the site in the features


@book.right("site_from_features")
def scaled_logistic(X, site):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return cross_val_score(model, X, site, cv=FOLDS, scoring="balanced_accuracy").mean()


@book.right("site_from_features")
def forest(X, site):
    model = RandomForestClassifier(15, class_weight="balanced", random_state=0)
    return balanced_accuracy_score(site, cross_val_predict(model, X, site, cv=FOLDS))


@book.right("site_from_features")
def mean_recall_of_naive_bayes(X, site):
    predicted = cross_val_predict(GaussianNB(), X, site, cv=3)
    return recall_score(site, predicted, average="macro", zero_division=0)


@book.right("site_from_features")
def scaled_neighbours(X, site):
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(5))
    return balanced_accuracy_score(site, cross_val_predict(model, X, site, cv=10))


@book.right("site_from_features")
def one_split(X, site):
    X_train, X_test, site_train, site_test = train_test_split(
        X, site, test_size=0.3, stratify=site, random_state=0
    )
    return balanced_accuracy_score(
        site_test, LinearDiscriminantAnalysis().fit(X_train, site_train).predict(X_test)
    )


@book.wrong("site_from_features", "Return the balanced accuracy")
def plain_accuracy(X, site):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return cross_val_score(model, X, site, cv=FOLDS).mean()


@book.wrong("site_from_features", "fitted to. Cross-validate")
def training_score(X, site):
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(1)).fit(X, site)
    return balanced_accuracy_score(site, model.predict(X))


@book.wrong("site_from_features", "On features that know nothing", "Cross-validate")
def training_score_of_a_linear_model(X, site):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(X, site)
    return balanced_accuracy_score(site, model.predict(X))


@book.wrong("site_from_features", "an AUC 0.50")
def auc_in_place_of_accuracy(X, site):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return cross_val_score(model, X, site, cv=FOLDS, scoring="roc_auc_ovr").mean()


@book.wrong("site_from_features", "an F1 less", folds=(5, 4, 10))
def macro_f1(X, site, folds):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return cross_val_score(model, X, site, cv=folds, scoring="f1_macro").mean()


book.short_wrongs(
    "site_from_features",
    unscaled_neighbours=(
        lambda X, site: cross_val_score(
            KNeighborsClassifier(3), X, site, cv=FOLDS, scoring="balanced_accuracy"
        ).mean(),
        "the smallest numbers of all",
    ),
    errors=(lambda X, site: 1 - scaled_logistic(X, site), "share of errors"),
    guessing=(
        lambda X, site: cross_val_score(
            DummyClassifier(), X, site, cv=FOLDS, scoring="balanced_accuracy"
        ).mean(),
        "whatever the data are",
    ),
    in_per_cent_again=(lambda X, site: 100 * scaled_logistic(X, site), "divide it by 100"),
)


@book.wrong("site_alone", "AUC of the probabilities", scoring=("balanced_accuracy", "average_precision"))
def another_measure_of_the_site(site, y, scoring):
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(class_weight="balanced"))
    return cross_val_score(model, as_column(site), y, cv=FOLDS, scoring=scoring).mean()


@book.wrong("site_alone", "a better direction", n=(10, 15, 20))
def best_of_many_shufflings(site, y, n):
    deals = [StratifiedKFold(5, shuffle=True, random_state=i) for i in range(n)]
    return max(cross_val_score(BY_NAME, as_column(site), y, cv=cv, scoring="roc_auc").mean() for cv in deals)


@book.wrong("site_from_features", "has seen the sites of the test scans")
def small_sites_filled_up_before_the_folds(X, site):
    rng, groups = np.random.default_rng(0), [np.flatnonzero(site == one) for one in np.unique(site)]
    rows = np.concatenate([np.append(g, rng.choice(g, max(map(len, groups)) - len(g))) for g in groups])
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(1))
    return cross_val_score(model, X[rows], site[rows], cv=FOLDS, scoring="balanced_accuracy").mean()


# Task 5: columns that are too good


@book.right("too_good")
def auc_of_every_column(table, y):
    names = []
    for name in table:
        known = table[name].notna().to_numpy()
        auc = roc_auc_score(y[known], table[name][known])
        if max(auc, 1 - auc) >= 0.95:
            names.append(name)
    return names


@book.right("too_good")
def mann_whitney(table, y):
    names = set()
    for name in table.columns:
        high, low = table.loc[y == 1, name].dropna(), table.loc[y == 0, name].dropna()
        auc = mannwhitneyu(high, low).statistic / (len(high) * len(low))
        if abs(auc - 0.5) >= 0.45:
            names.add(name)
    return names


@book.right("too_good")
def from_ranks(table, y):
    def auc(column):
        known = column.notna().to_numpy()
        ranks, label = rankdata(column[known]), y[known]
        ones = label.sum()
        return (ranks[label == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(label) - ones))

    found = table.apply(auc)
    return found.index[(found > 0.95) | (found < 0.05)]


@book.right("too_good")
def cross_validated_model_of_each_column(table, y):
    model = make_pipeline(StandardScaler(), LogisticRegression())
    known = {name: table[name].notna().to_numpy() for name in table}
    found = {
        name: cross_val_score(model, table.loc[rows, [name]], y[rows], cv=3, scoring="roc_auc").mean()
        for name, rows in known.items()
    }
    return np.array([name for name, auc in found.items() if auc >= 0.95])


@book.wrong("too_good", "AUC", "column")  # with few rows left, another may be the first that is wrong
def complete_rows_only(table, y):
    complete = table.notna().all(axis=1).to_numpy()
    return auc_of_every_column(table[complete], y[complete])


@book.wrong("too_good", "'uptake'", "the limit is 0.95")
def limit_a_little_too_low(table, y):
    aucs = {n: roc_auc_score(y[table[n].notna()], table[n].dropna()) for n in table}
    return [n for n, auc in aucs.items() if max(auc, 1 - auc) >= 0.9]


@book.wrong("too_good", "'asymmetry'", "not of the accuracy")
def accuracy_of_a_cut_off(table, y):
    names = []
    for name in table:
        known = table[name].notna().to_numpy()
        X, label = table.loc[known, [name]], y[known]
        if DecisionTreeClassifier(max_depth=1).fit(X, label).score(X, label) >= 0.95:
            names.append(name)
    return names


@book.wrong("too_good", "'titre'", "uses ranks")
def correlation(table, y):
    r = table.apply(lambda column: column.corr(pd.Series(y, index=table.index)))
    return list(table.columns[r.abs() > 0.8])


@book.wrong("too_good", "'volume'", "honest, useful feature")
def limit_too_low(table, y):
    aucs = {n: roc_auc_score(y[table[n].notna()], table[n].dropna()) for n in table}
    return [n for n, auc in aucs.items() if max(auc, 1 - auc) > 0.7]


book.short_wrongs(
    "too_good",
    one_direction=(
        lambda table, y: [n for n in table if roc_auc_score(y[table[n].notna()], table[n].dropna()) >= 0.95],
        "'memory'",
        "tells as much",
    ),
    filled=(
        lambda table, y: auc_of_every_column(table.fillna(table.median()), y),
        "'rating'",
        "Leave the gaps out",
    ),
    the_aucs=(
        lambda table, y: [float(roc_auc_score(y[table[n].notna()], table[n].dropna())) for n in table],
        "names of the columns",
        "which is no name",
    ),
    all_columns=(lambda table, y: list(table), "'volume'"),
    the_best_one=(lambda table, y: auc_of_every_column(table, y)[0], "a list of column names", "str"),
)


@book.wrong("too_good", "nothing to do with the label")
def best_five(table, y):
    aucs = {n: roc_auc_score(y[table[n].notna()], table[n].dropna()) for n in table}
    return sorted(aucs, key=lambda name: -abs(aucs[name] - 0.5))[:5]


test_right, test_wrong, test_each_task, test_tables = book.tests()
