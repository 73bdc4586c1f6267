"""The exercise on overfitting: right answers, however written, pass; each wrong one gets its own reason."""

import numpy as np
import pytest
from answers import answers
from scipy import stats
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from utils import checks

RIGHT, WRONG, right, wrong = answers()
DEPTHS = range(1, 11)


def tree(depth):
    return DecisionTreeClassifier(max_depth=depth, random_state=0)


# Task 1: reading a learning curve


@right("learning_curves")
def last_step_rises(sizes, training, unseen):
    return unseen[-1] - unseen[-2] > 0.01


@right("learning_curves")
def slope_over_the_logarithm(sizes, training, unseen):
    return bool(np.polyfit(np.log(sizes), unseen, 1)[0] > 0.015)


@right("learning_curves")
def from_first_to_last(sizes, training, unseen):
    return 1 if max(unseen) > unseen[0] + 0.03 else 0


@right("learning_curves")
def extrapolated(sizes, training, unseen):
    slope, level = np.polyfit(1 / np.sqrt(sizes), unseen, 1)
    return level + slope / np.sqrt(4 * sizes[-1]) - unseen[-1] > 0.02


@wrong("learning_curves", "A gap alone promises nothing")
def there_is_a_gap(sizes, training, unseen):
    return training[-1] - unseen[-1] > 0.1


@wrong("learning_curves", "still climbing at the right end")
def not_if_training_falls(sizes, training, unseen):
    return training[-1] >= training[0] and unseen[-1] > unseen[0] + 0.03


@wrong("learning_curves", "says nothing against more scans")
def not_if_training_is_perfect(sizes, training, unseen):
    return training[-1] < 0.999 and unseen[-1] - unseen[-2] > 0.01


@wrong("learning_curves", "Unseen is flat all the same")
def if_training_is_perfect(sizes, training, unseen):
    return training[-1] > 0.999 or unseen[-1] - unseen[-2] > 0.01


@wrong("learning_curves", "Both curves have met")
def until_95_percent(sizes, training, unseen):
    return 0.55 < unseen[-1] < 0.95


@wrong("learning_curves", "to every learning curve")
def more_is_always_better(sizes, training, unseen):
    return True


@wrong("learning_curves", "wrong way round")
def turned_round(sizes, training, unseen):
    return unseen[-1] - unseen[-2] < 0.01


@wrong("learning_curves", "True or False")
def in_words(sizes, training, unseen):
    return "more scans"


# Task 2: the depth of a tree


@right("depth_of_a_tree")
def cross_validation(X, y):
    scores = [cross_val_score(tree(d), X, y, cv=5).mean() for d in DEPTHS]
    return int(np.argmax(scores)) + 1


@right("depth_of_a_tree")
def grid_search(X, y):
    grid = {"max_depth": list(DEPTHS)}
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), grid, cv=KFold(10, shuffle=True, random_state=1))
    return search.fit(X, y).best_params_["max_depth"]


@right("depth_of_a_tree")
def one_standard_error(X, y):
    scores = np.array([cross_val_score(tree(d), X, y, cv=10) for d in DEPTHS])
    best = scores.mean(axis=1).argmax()
    enough = scores[best].mean() - scores[best].std(ddof=1) / np.sqrt(10)
    return np.flatnonzero(scores.mean(axis=1) >= enough)[0] + 1


@right("depth_of_a_tree")
def validation_half(X, y):
    X_fit, X_look, y_fit, y_look = train_test_split(X, y, test_size=0.5, random_state=0)
    return 1.0 + np.argmax([tree(d).fit(X_fit, y_fit).score(X_look, y_look) for d in DEPTHS])


@wrong("depth_of_a_tree", "always fits the training scans best")
def deepest(X, y):
    return 10


@wrong("depth_of_a_tree", "too deep")
def nearly_the_best_training_score(X, y):
    scores = [tree(d).fit(X, y).score(X, y) for d in DEPTHS]
    return int(np.flatnonzero(np.array(scores) > max(scores) - 0.03)[0]) + 1


@wrong("depth_of_a_tree", "too shallow")
def one_question(X, y):
    return 1


@wrong("depth_of_a_tree", "whatever the data are")
def three_questions(X, y):
    return 3


@wrong("depth_of_a_tree", "not its score")
def best_score(X, y):
    return max(cross_val_score(tree(d), X, y, cv=5).mean() for d in DEPTHS)


@wrong("depth_of_a_tree", "not its score")
def the_tree_itself(X, y):
    return tree(3)


@wrong("depth_of_a_tree", "the depth 0")
def counted_from_zero(X, y):
    return 0


@wrong("depth_of_a_tree", "returns nothing")
def no_return(X, y):
    np.argmax([tree(d).fit(X, y).score(X, y) for d in DEPTHS])


# Task 3: tested once


@right("tested_once")
def chosen_then_tested(X, y, X_test, y_test):
    return tree(cross_validation(X, y)).fit(X, y).score(X_test, y_test)


@right("tested_once")
def search_then_tested(X, y, X_test, y_test):
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2, 3]}, cv=3).fit(X, y)
    return np.mean(search.predict(X_test) == y_test)


@right("tested_once")
def fixed_in_advance(X, y, X_test, y_test):
    return GaussianNB().fit(X, y).score(X_test, y_test)


@right("tested_once")
def fitted_to_a_part(X, y, X_test, y_test):
    return tree(int(validation_half(X, y))).fit(X[:40], y[:40]).score(X_test, y_test)


@wrong("tested_once", "the test labels had a say in the choice")
def best_of_the_test_scores(X, y, X_test, y_test):
    return max(DecisionTreeClassifier(max_depth=d, max_features=3, random_state=d).fit(X, y).score(X_test, y_test)
               for d in DEPTHS)


@wrong("tested_once", "the test labels had a say in the choice")
def best_depth_on_the_test(X, y, X_test, y_test):
    return max(tree(d).fit(X, y).score(X_test, y_test) for d in DEPTHS)


@wrong("tested_once", "scans that the tree was fitted to")
def scored_on_everything(X, y, X_test, y_test):
    return tree(10).fit(X, y).score(np.vstack([X, X_test]), np.r_[y, y_test])


@wrong("tested_once", "scans that the tree was fitted to")
def fitted_to_everything(X, y, X_test, y_test):
    return tree(10).fit(np.vstack([X, X_test]), np.r_[y, y_test]).score(X_test, y_test)


@wrong("tested_once", "not measured on the test scans")
def score_of_the_search(X, y, X_test, y_test):
    return GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3]}).fit(X, y).best_score_


@wrong("tested_once", "whatever the data are")
def what_noise_gives(X, y, X_test, y_test):
    return 0.5


@wrong("tested_once", "1 minus the errors")
def errors(X, y, X_test, y_test):
    return 1 - chosen_then_tested(X, y, X_test, y_test)


@wrong("tested_once", "10 numbers")
def all_depths(X, y, X_test, y_test):
    return [tree(d).fit(X, y).score(X_test, y_test) for d in DEPTHS]


# Task 4: an interval


@right("interval_of_an_accuracy")
def wilson(n_right, n):
    return stats.binomtest(n_right, n).proportion_ci(0.95, method="wilson")


@right("interval_of_an_accuracy")
def clopper_pearson(n_right, n):
    low = stats.beta.ppf(0.025, n_right, n - n_right + 1) if n_right else 0
    return low, stats.beta.ppf(0.975, n_right + 1, n - n_right) if n_right < n else 1


@right("interval_of_an_accuracy")
def wilson_by_hand(n_right, n):
    share, z2 = n_right / n, 1.96**2
    middle, half = share + z2 / 2 / n, 1.96 * np.sqrt(share * (1 - share) / n + z2 / 4 / n**2)
    return np.array([middle - half, middle + half]) / (1 + z2 / n)


@right("interval_of_an_accuracy")
def agresti_coull(n_right, n):
    share = (n_right + 2) / (n + 4)
    half = 1.96 * (share * (1 - share) / (n + 4)) ** 0.5
    return [max(0, share - half), min(1, share + half)]


@right("interval_of_an_accuracy")
def equal_tails_of_a_posterior(n_right, n):
    return stats.beta.ppf([0.025, 0.975], n_right + 1, n - n_right + 1)


@right("interval_of_an_accuracy")
def jeffreys(n_right, n):
    return tuple(stats.beta(n_right + 0.5, n - n_right + 0.5).interval(0.95))


@wrong("interval_of_an_accuracy", "below 0 or above 1")
def plus_minus(n_right, n):
    share = n_right / n
    half = 1.96 * np.sqrt(share * (1 - share) / n)
    return share - half, share + half


@wrong("interval_of_an_accuracy", "as if nothing could go wrong")
def plus_minus_cut_off(n_right, n):
    low, high = plus_minus(n_right, n)
    return max(low, 0), min(high, 1)


@wrong("interval_of_an_accuracy", "too narrow")
def ninety_percent(n_right, n):
    return stats.binomtest(n_right, n).proportion_ci(0.8, method="wilson")


@wrong("interval_of_an_accuracy", "times as wide")
def nearly_certain(n_right, n):
    return stats.binomtest(n_right, n).proportion_ci(0.999, method="wilson")


@wrong("interval_of_an_accuracy", "two numbers")
def half_width(n_right, n):
    return 1.96 * np.sqrt(n_right / n * (1 - n_right / n) / n)


@wrong("interval_of_an_accuracy", "The lower one comes first")
def upper_end_first(n_right, n):
    low, high = wilson(n_right, n)
    return high, low


@wrong("interval_of_an_accuracy", "percentages by 100")
def in_percent(n_right, n):
    low, high = wilson(n_right, n)
    return 100 * low, 100 * high


@wrong("interval_of_an_accuracy", "does not contain the accuracy that was seen")
def around_chance(n_right, n):
    return stats.binomtest(n // 2, n).proportion_ci(0.95, method="wilson")


@pytest.mark.parametrize(("task", "name"), RIGHT)
@pytest.mark.parametrize("seed", [0, 1])
def test_right_answers_pass(task, name, seed):
    verdict = getattr(checks, task)(RIGHT[task, name], seed=seed)
    assert verdict.passed, verdict


@pytest.mark.parametrize(("task", "name"), WRONG)
def test_wrong_answers_get_their_reason(task, name):
    function, words = WRONG[task, name]
    verdict = getattr(checks, task)(function)
    assert not verdict.passed, verdict
    for word in words:
        assert word in verdict.reason, verdict.reason


@pytest.mark.parametrize("task", sorted({task for task, _ in RIGHT}))
def test_the_unwritten_function_is_told_so(task):
    assert "not written yet" in getattr(checks, task)(...).reason
    assert sum(t == task for t, _ in RIGHT) >= 3 and sum(t == task for t, _ in WRONG) >= 5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_curves_are_as_clear_as_the_check_says(seed):
    for name, _sizes, _training, unseen, later, worth in checks._curves(seed):
        assert (later - unseen[-1] > 0.03) if worth else (abs(later - unseen[-1]) < 0.012), name
