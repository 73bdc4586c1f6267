"""The exercise on overfitting: right answers, however written, pass; each wrong one gets its own reason."""

import numpy as np
import pytest
from answers import Answers, with_settings
from harness import repetitions
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from checks import overfitting as checks
from checks.identities import say_of

book = Answers(checks)
DEPTHS = range(1, 11)


def tree(depth, **settings):
    return DecisionTreeClassifier(max_depth=depth, **{"random_state": 0, **settings})


# Task 1: reading a learning curve


@book.right("learning_curves", least=(0.01, 0.015, 0.02))
def last_step_rises(sizes, training, unseen, least=0.01):
    return unseen[-1] - unseen[-2] > least


@book.right("learning_curves")
def slope_over_the_logarithm(sizes, training, unseen):
    return bool(np.polyfit(np.log(sizes), unseen, 1)[0] > 0.015)


@book.right("learning_curves")
def slope_of_the_last_three(sizes, training, unseen):
    return 1 if np.polyfit(np.log2(sizes[-3:]), unseen[-3:], 1)[0] > 0.01 else 0


@book.right("learning_curves", last=(4, 3))
def extrapolated(sizes, training, unseen, last):
    slope, level = np.polyfit(1 / np.sqrt(sizes[-last:]), unseen[-last:], 1)
    return level + slope / np.sqrt(4 * sizes[-1]) - unseen[-1] >= 0.03


@book.wrong("learning_curves", "A gap alone promises nothing", least=(0.1, 0.08, 0.12))
def there_is_a_gap(sizes, training, unseen, least):
    return training[-1] - unseen[-1] > least


@book.wrong("learning_curves", "Training falls in most models that still learn", least=(0.01, 0.015, 0.02))
def not_if_training_falls(sizes, training, unseen, least):
    return training[-1] >= training[0] and last_step_rises(sizes, training, unseen, least)


@book.wrong("learning_curves", "says nothing against more scans", least=(0.01, 0.015, 0.02))
def not_if_training_is_perfect(sizes, training, unseen, least):
    return training[-1] < 0.999 and last_step_rises(sizes, training, unseen, least)


@book.wrong("learning_curves", "unseen is flat all the same", least=(0.01, 0.015, 0.02))
def if_training_is_perfect(sizes, training, unseen, least):
    return training[-1] > 0.999 or last_step_rises(sizes, training, unseen, least)


@book.wrong("learning_curves", "A curve that climbed at first", least=(0.03, 0.025, 0.028))
def from_first_to_last(sizes, training, unseen, least):
    return bool(max(unseen) > unseen[0] + least)


@book.wrong("learning_curves", "A gain per scan", least=(3e-4, 2e-4, 5e-4))
def slope_per_scan(sizes, training, unseen, least):
    return (unseen[-1] - unseen[-2]) / (sizes[-1] - sizes[-2]) > least


@book.wrong("learning_curves", "A straight line in the number", least=(0.05, 0.03, 0.04))
def straight_line_in_n(sizes, training, unseen, least):
    return 3 * sizes[-1] * (unseen[-1] - unseen[0]) / (sizes[-1] - sizes[0]) > least


@book.wrong("learning_curves", "A score may be low and flat", least=(0.95, 0.96, 0.94))
def until_it_is_good(sizes, training, unseen, least):
    return unseen[-1] < least


@book.wrong("learning_curves", "to every learning curve", answer=(True, False, 1))
def the_same_for_all(sizes, training, unseen, answer):
    return answer


@book.wrong("learning_curves", "wrong way round", least=(0.01, 0.015, 0.02))
def turned_round(sizes, training, unseen, least):
    return not last_step_rises(sizes, training, unseen, least)


@book.wrong("learning_curves", "True or False", answer=("more scans", 0.03, [True]))
def in_words(sizes, training, unseen, answer):
    return answer


@book.wrong("learning_curves", "still climbed in the middle", least=(0.01, 0.015))
def step_in_the_middle(sizes, training, unseen, least):
    k = len(sizes) // 2
    return unseen[k] - unseen[k - 1] > least


@book.wrong("learning_curves", "The last slope per scan", least=(0.03, 0.035))
def last_slope_goes_on(sizes, training, unseen, least):
    return (unseen[-1] - unseen[-2]) / (sizes[-1] - sizes[-2]) * 3 * sizes[-1] > least


# Task 2: the depth of a tree


@book.right("depth_of_a_tree", cv=(5, 10))
def cross_validation(X, y, cv=5):
    scores = [cross_val_score(tree(d), X, y, cv=cv).mean() for d in DEPTHS]
    return int(np.argmax(scores)) + 1


@book.right("depth_of_a_tree")
def grid_search(X, y):
    search = GridSearchCV(tree(None), {"max_depth": list(DEPTHS)}, cv=KFold(4, shuffle=True, random_state=1))
    return search.fit(X, y).best_params_["max_depth"]


@book.right("depth_of_a_tree")
def one_standard_error(X, y):
    scores = np.array([cross_val_score(tree(d), X, y, cv=10) for d in DEPTHS])
    best = scores.mean(axis=1).argmax()
    enough = scores[best].mean() - scores[best].std(ddof=1) / np.sqrt(10)
    return np.flatnonzero(scores.mean(axis=1) >= enough)[0] + 1


@book.right("depth_of_a_tree")
def validation_half(X, y):
    X_fit, X_look, y_fit, y_look = train_test_split(X, y, test_size=0.5, random_state=0)
    return 1.0 + np.argmax([tree(d).fit(X_fit, y_fit).score(X_look, y_look) for d in DEPTHS])


@book.wrong("depth_of_a_tree", "always fits the training scans best", depth=(10, 10.0, np.int64(10)))
def deepest(X, y, depth):
    return depth


@book.wrong("depth_of_a_tree", "too deep", less=(0.03, 0.02, 0.01))
def nearly_the_best_training_score(X, y, less):
    scores = np.array([tree(d).fit(X, y).score(X, y) for d in DEPTHS])
    return int(np.flatnonzero(scores > max(scores) - less)[0]) + 1


@book.wrong("depth_of_a_tree", "too shallow", most=(2, 3, 4))
def shallow_depths_only(X, y, most):
    return 1 + int(np.argmax([cross_val_score(tree(d), X, y, cv=5).mean() for d in DEPTHS[:most]]))


@book.wrong("depth_of_a_tree", "such trees get", depth=(1, 3, 6))
def fixed_depth(X, y, depth):
    return depth


@book.wrong("depth_of_a_tree", "not its score", cv=(3, 4, 5))
def best_score(X, y, cv):
    return max(cross_val_score(tree(d), X, y, cv=cv).mean() for d in DEPTHS) - 1e-9


@book.wrong("depth_of_a_tree", "not its score", depth=(1, 3, 6))
def the_tree_itself(X, y, depth):
    return tree(depth)


@book.wrong("depth_of_a_tree", "the depth 0", cv=(3, 5, 10))
def counted_from_zero(X, y, cv):
    return cross_validation(X, y, cv) - 1


@book.wrong("depth_of_a_tree", "returns nothing", cv=(2, 3, 4))
def no_return(X, y, cv):
    cross_validation(X, y, cv)


@book.wrong("depth_of_a_tree", "mind the step from a place in a list")
def one_too_deep(X, y):
    return min(cross_validation(X, y) + 1, 10)


# Task 3: tested once


@book.right("tested_once")
def chosen_then_tested(X, y, X_test, y_test):
    return tree(cross_validation(X, y, cv=2)).fit(X, y).score(X_test, y_test)


@book.right("tested_once")
def search_then_tested(X, y, X_test, y_test):
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": list(DEPTHS)}, cv=3).fit(X, y)
    return round(np.mean(search.predict(X_test) == y_test), 2)


@book.right("tested_once")
def chosen_by_a_part(X, y, X_test, y_test):
    return tree(int(validation_half(X, y))).fit(X, y).score(X_test, y_test)


SPEAK = "the test labels had a say in the choice"
TREES = ({}, {"random_state": 1}, {"criterion": "entropy"})


@book.wrong("tested_once", SPEAK, settings=TREES, depths=(DEPTHS, range(2, 11), range(1, 6)))
def best_depth_on_the_test(X, y, X_test, y_test, settings, depths):
    return max(tree(d, **settings).fit(X, y).score(X_test, y_test) for d in depths)


@book.wrong(
    "tested_once", SPEAK, settings=({"min_samples_leaf": 5}, {"max_features": 3}, {"splitter": "random"})
)
def best_of_other_trees(X, y, X_test, y_test, settings):
    return max(tree(d, **settings).fit(X, y).score(X_test, y_test) for d in DEPTHS)


@book.wrong("tested_once", SPEAK, cv=(5, 3, 4))
def chosen_by_cross_validation_in_the_test(X, y, X_test, y_test, cv):
    return tree(cross_validation(X_test, y_test, cv)).fit(X, y).score(X_test, y_test)


@book.wrong("tested_once", SPEAK, part=(2, 3, 4))
def chosen_by_a_part_of_the_test(X, y, X_test, y_test, part):
    few = len(y_test) // part
    best = max(DEPTHS, key=lambda d: tree(d).fit(X, y).score(X_test[:few], y_test[:few]))
    return tree(best).fit(X, y).score(X_test, y_test)


@book.wrong("tested_once", "was fitted to are among", settings=TREES)
def scored_on_everything(X, y, X_test, y_test, settings):
    everything = np.vstack([X, X_test]), np.r_[y, y_test]
    return tree(10, **settings).fit(*everything).score(*everything)


@book.wrong("tested_once", "was fitted to are among", depth=(10, 3, 1))
def fitted_to_everything(X, y, X_test, y_test, depth):
    return tree(depth).fit(np.vstack([X, X_test]), np.r_[y, y_test]).score(X_test, y_test)


@book.wrong("tested_once", "not measured on the test scans", cv=(3, 5, 10))
def score_of_the_search(X, y, X_test, y_test, cv):
    return GridSearchCV(tree(None), {"max_depth": [1, 2, 3]}, cv=cv).fit(X, y).best_score_


@book.wrong("tested_once", "whole number of 37ths", settings=TREES)
def mean_over_the_depths(X, y, X_test, y_test, settings):
    return np.mean([tree(d, **settings).fit(X, y).score(X_test, y_test) for d in DEPTHS])


@book.wrong(
    "tested_once", "whole number of 37ths", measure=(balanced_accuracy_score, f1_score, roc_auc_score)
)
def another_measure(X, y, X_test, y_test, measure):
    return measure(y_test, tree(cross_validation(X, y, 3)).fit(X, y).predict(X_test))


@book.wrong("tested_once", "a depth chosen well gets more", depth=(1, 3, 10))
def fixed_in_advance(X, y, X_test, y_test, depth):
    return tree(depth).fit(X, y).score(X_test, y_test)


@book.wrong("tested_once", "a depth chosen well gets more", settings=TREES)
def chosen_by_the_training_score(X, y, X_test, y_test, settings):
    best = max(DEPTHS, key=lambda d: tree(d, **settings).fit(X, y).score(X, y))
    return tree(best, **settings).fit(X, y).score(X_test, y_test)


@book.wrong("tested_once", "whatever the data are", number=(0.5, 0.48, 0.0))
def what_noise_gives(X, y, X_test, y_test, number):
    return number


book.short_wrongs(
    "tested_once",
    no_tree_at_all=(
        lambda X, y, X_test, y_test: GaussianNB().fit(X, y).score(X_test, y_test),
        "a depth chosen well gets more",
    ),
    errors=(lambda X, y, X_test, y_test: 1 - chosen_then_tested(X, y, X_test, y_test), "1 minus the errors"),
    all_depths=(
        lambda X, y, X_test, y_test: [tree(d).fit(X, y).score(X_test, y_test) for d in DEPTHS],
        "10 numbers",
    ),
)


# Task 4: an interval


@book.right("interval_of_an_accuracy")
def wilson(n_right, n):
    return stats.binomtest(n_right, n).proportion_ci(0.95, method="wilson")


@book.right("interval_of_an_accuracy")
def wilson_with_correction(n_right, n):
    return stats.binomtest(n_right, n).proportion_ci(method="wilsoncc")


@book.right("interval_of_an_accuracy")
def clopper_pearson(n_right, n):
    low = stats.beta.ppf(0.025, n_right, n - n_right + 1) if n_right else 0
    return low, stats.beta.ppf(0.975, n_right + 1, n - n_right) if n_right < n else 1


@book.right("interval_of_an_accuracy", z=(1.96, 2))
def wilson_by_hand(n_right, n, z):
    share = n_right / n
    middle, half = share + z**2 / 2 / n, z * np.sqrt(share * (1 - share) / n + z**2 / 4 / n**2)
    return np.array([middle - half, middle + half]) / (1 + z**2 / n)


@book.right("interval_of_an_accuracy")
def agresti_coull(n_right, n):
    share = (n_right + 2) / (n + 4)
    half = 1.96 * (share * (1 - share) / (n + 4)) ** 0.5
    return [max(0, share - half), min(1, share + half)]


@book.right("interval_of_an_accuracy", prior=(1, 0.5))
def equal_tails_of_a_posterior(n_right, n, prior):
    return stats.beta.ppf([0.025, 0.975], n_right + prior, n - n_right + prior)


def plus_minus(n_right, n, z=1.96):
    share = n_right / n
    half = z * np.sqrt(share * (1 - share) / n)
    return share - half, share + half


@book.wrong("interval_of_an_accuracy", "below 0 or above 1", z=(1.96, 2, 1.645))
def textbook(n_right, n, z):
    return plus_minus(n_right, n, z)


@book.wrong("interval_of_an_accuracy", "as if nothing could go wrong", z=(1.96, 2, 2.2))
def plus_minus_cut_off(n_right, n, z):
    return tuple(np.clip(plus_minus(n_right, n, z), 0, 1))


@book.wrong("interval_of_an_accuracy", "too narrow", level=(0.8, 0.9, 0.68))
def less_than_asked(n_right, n, level):
    return stats.binomtest(n_right, n).proportion_ci(level, method="wilson")


@book.wrong("interval_of_an_accuracy", "times as wide", level=(0.999, 0.99, 0.998))
def nearly_certain(n_right, n, level):
    return stats.binomtest(n_right, n).proportion_ci(level, method="wilson")


@book.wrong("interval_of_an_accuracy", "number", "in this order", z=(1.96, 2, 1.645))
def half_width(n_right, n, z):
    return z * np.sqrt(n_right / n * (1 - n_right / n) / n)


@book.wrong("interval_of_an_accuracy", "The lower one comes first", method=("wilson", "exact", "wilsoncc"))
def upper_end_first(n_right, n, method):
    return stats.binomtest(n_right, n).proportion_ci(method=method)[::-1]


@book.wrong("interval_of_an_accuracy", "percentages by 100", method=("wilson", "exact", "wilsoncc"))
def in_percent(n_right, n, method):
    return 100 * np.array(stats.binomtest(n_right, n).proportion_ci(method=method))


@book.wrong(
    "interval_of_an_accuracy",
    "does not contain the accuracy that was seen",
    method=("wilson", "exact", "wilsoncc"),
)
def around_chance(n_right, n, method):
    return stats.binomtest(n // 2, n).proportion_ci(method=method)


test_right, test_wrong, test_each_task, test_tables = book.tests()


@pytest.mark.parametrize("seed", range(10))
def test_the_curves_are_as_clear_as_the_text_says(seed):
    for name, (sizes, training, unseen, later) in checks.curves(
        lambda i: np.random.default_rng([seed, i])
    ).items():
        gain = later - unseen[-1]
        assert gain > 0.04 if checks.worth_more_scans(sizes, training, unseen) else abs(gain) < 0.01, name
        assert training.max() <= 1 and np.all(training >= unseen - 1e-9) and unseen.max() <= 1, name


@pytest.mark.parametrize("seed", repetitions([0], range(3)))
def test_labels_that_are_only_counted_have_no_say(seed):
    rng = np.random.default_rng(seed)
    leak = with_settings(best_depth_on_the_test, {"settings": {}, "depths": DEPTHS})
    honest, leaking = [
        [abs(say_of(score, checks.study(rng, checks.coin), 3)[0]) for _ in range(2)]
        for score in (chosen_then_tested, leak)
    ]
    assert max(honest) < 1e-9 and max(leaking) > 0.02
