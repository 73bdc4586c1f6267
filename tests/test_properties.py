"""Properties of every public function of utils, tried with many random inputs.

Any valid parameters give finite results in range, and any invalid ones an error that names the parameter;
whatever a learner's table or function is like, the answer is a report, a verdict or a sentence, never a
traceback of ours. The inputs are drawn by hypothesis, the same in every run. To look deeper::

    EXAMPLES=2000 python -m pytest -p no:nbval tests/test_properties.py

With EXAMPLES set, the inputs differ from run to run (``--hypothesis-seed=3`` repeats one).
"""

import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from utils import experiments, review
from utils.experiments import Experiment, ParameterError

MANY = int(os.environ.get("EXAMPLES", 0))


def trials(few):
    """So many examples, or as many as the variable EXAMPLES says."""
    return settings(max_examples=MANY or few, derandomize=not MANY, deadline=None, database=None,
                    suppress_health_check=list(HealthCheck), print_blob=False)


# Experiments: the parameters that their docstrings allow, small. `one` draws from a strategy.

WHOLE = [value for value in vars(experiments).values() if isinstance(value, Experiment)] + [review.one_flaw]
IDS = [one.__name__ for one in WHOLE]
# Sizes of an effect: what a study has, and the ends of what is allowed.
ABOVE = st.floats(0.05, 4) | st.sampled_from([1e-6, 0.001, 30.0, 1000.0])
ANY = st.just(0.0) | ABOVE | ABOVE.map(lambda size: -size)
FROM_0 = st.just(0.0) | ABOVE
SHARE = st.floats(0, 1).map(lambda share: 0.0 if share < 1e-6 else share) | st.sampled_from([0, 1])
PENALTY = st.sampled_from([1e-6, 1e-4, 0.01, 1.0, 30.0, 1000.0])
DISTANCE_RULES = st.sampled_from(["nearest neighbour", "nearest centroid"])
SIGNED = {"weights", "pooled", "within", "intercept", "slope"}  # draws that may be negative


def between(low, high):
    return st.floats(low, high, allow_subnormal=False)


def rising(low, high, *, most=4, step=1):
    numbers = st.lists(st.integers(low // step, high // step), min_size=1, max_size=most, unique=True)
    return numbers.map(lambda chosen: tuple(step * number for number in sorted(chosen)))


def even(low, high):
    return st.integers(low // 2, high // 2).map(lambda half: 2 * half)


def multiple(of, low, high):
    return st.integers(-(-low // of), high // of).map(lambda times: of * times)


def valid(name, one):
    """Parameters that the experiment of this name must accept."""
    features = st.integers(1, 30)
    if name == "selection_outside_folds":
        n, p = one(even(4, 30)), one(features)
        return {"n_scans": n, "n_features": p, "n_selected": one(st.integers(1, p)), "effect": one(ANY),
                "n_informative": one(st.integers(0, 40)), "rule": one(DISTANCE_RULES), "signed": one(st.booleans()),
                "n_folds": one(st.integers(2, n // 2)), "n_new": one(st.integers(1, 20))}
    if name == "repeated_scans":
        n = one(even(4, 20))
        return {"n_subjects": n, "scans_per_subject": one(st.integers(1, 4)), "reliability": one(SHARE), "effect": one(ANY),
                "n_features": one(features), "rule": one(st.sampled_from(["nearest neighbour", "linear"])),
                "n_folds": one(st.integers(2, n // 2)), "n_new": one(st.integers(1, 20))}
    if name == "best_of_many":
        folds = one(st.integers(3, 6))
        return {"varied": one(st.sampled_from(["analyses", "seeds", "coin tosses"])), "n_tried": one(st.integers(1, 8)),
                "n_folds": folds, "n_scans": one(multiple(2 * folds, 2 * folds, 40)), "likeness": one(SHARE),
                "effect": one(ANY), "n_features": one(features)}
    if name == "tuned_kernel_ridge":
        folds = one(st.integers(2, 4))
        return {"n_scans": one(even(2 * folds, 20)), "n_features": one(features), "n_folds": folds}
    if name == "cross_validation_error":
        scheme = one(st.sampled_from(experiments.SCHEMES))
        return {"scheme": scheme, "n_scans": one(multiple(10, 10, 40)), "effect": one(ANY), "n_features": one(features),
                "ridge": one(PENALTY), "penalise_intercept": one(st.booleans())}
    if name == "two_equal_learners":
        n = one(even(10, 40))
        return {"n_scans": n, "n_splits": one(st.integers(2, 10)), "test_share": one(between(1 / n, 0.5)), "effect": one(ANY),
                "n_features": one(features)}
    if name == "permutation_tests":
        folds, scans = one(st.integers(2, 4)), one(st.integers(1, 3))
        n = one(multiple(2 * folds, 2 * folds, 24))
        most = int(n * scans * (folds - 1) / folds - 1 - 1e-9)
        assume(most >= 1)
        return {"n_subjects": n, "scans_per_subject": scans, "reliability": one(SHARE), "n_folds": folds,
                "n_features": one(st.integers(1, most)), "n_permutations": one(st.integers(19, 25))}
    if name == "wrong_labels":
        return {"where": one(st.sampled_from(experiments.WRONG_AMONG)), "n_scans": one(even(4, 40)), "n_features": one(features),
                "effect": one(ABOVE), "rule": one(DISTANCE_RULES), "n_test": one(even(2, 20)),
                "rates": tuple(one(st.lists(SHARE.map(lambda share: share / 2), min_size=1, max_size=4)))}
    if name == "kinds_of_wrong_labels":
        return {"kind": one(st.sampled_from(experiments.KINDS)), "rate": one(SHARE.map(lambda share: 0.4 * share)),
                "prevalence": one(between(0.05, 0.95)), "n_scans": one(st.integers(20, 60)), "effect": one(ABOVE)}
    if name == "shared_errors":
        return {"through": one(st.sampled_from(experiments.SHARED)), "rater_accuracy": one(between(0.55, 0.99)),
                "effect": one(ABOVE), "n_scans": one(even(4, 40)), "n_features": one(st.integers(2, 30)),
                "shares": tuple(one(st.lists(SHARE, min_size=1, max_size=4))), "n_test": one(even(2, 20))}
    if name == "labels_or_architecture":
        return {"signal": one(st.sampled_from(experiments.SIGNALS)), "worst": one(between(0.001, 0.45)), "centre": one(ANY),
                "models": one(st.sampled_from(list(experiments.MODEL_SETS))), "n_scans": one(multiple(4, 20, 40)),
                "effect": one(ANY), "n_new": one(multiple(4, 4, 20))}
    if name == "scans_or_raters":
        raters = st.lists(st.sampled_from([1, 3, 5, 7, 9]), min_size=1, max_size=4)
        return {"rating_cost": one(SHARE), "rater_error": one(SHARE.map(lambda share: 0.45 * share)), "shared": one(SHARE),
                "budget": one(between(100, 160)), "rule": one(DISTANCE_RULES), "effect": one(ABOVE), "n_features": one(features),
                "raters": tuple(one(raters)), "n_test": one(even(2, 20))}
    if name == "complexity_of_the_model":
        return {"n_scans": one(multiple(10, 10, 40)), "effect": one(ANY), "n_informative": one(st.integers(1, 40)),
                "ridge": one(PENALTY), "feature_counts": one(rising(1, 60))}
    if name == "learning_curve_of_lda":
        sizes = one(rising(6, 60, step=2))
        return {"sizes": sizes, "n_features": one(st.integers(1, sizes[0] - 4)), "effect": one(ABOVE),
                "rule": one(st.sampled_from(["LDA", "nearest centroid"]))}
    if name == "publication_filter":
        return {"effect": one(ANY), "publish_from": one(SHARE), "n_features": one(features), "ridge": one(PENALTY),
                "sizes": one(rising(10, 60, step=10))}
    if name == "regional_mri":
        return {"regions": one(st.sampled_from(experiments.REGIONS)), "strength": one(ABOVE), "ridge": one(PENALTY),
                "sizes": one(rising(10, 80))}
    if name == "tests_of_hidden_signal":
        return {"shape": one(st.sampled_from(experiments.SHAPES)), "n_scans": one(even(10, 40)), "strength": one(FROM_0)}
    if name == "bias_and_variance":
        return {"straight": one(FROM_0), "hidden": one(FROM_0), "n_noise": one(st.integers(0, 4)),
                "sizes": one(rising(4, 40, step=2)), "n_new": one(even(2, 20))}
    if name == "shrinkage_sweep":
        folds, p = one(st.integers(2, 4)), one(features)
        return {"n_folds": folds, "n_scans": one(multiple(2 * folds, 4 * folds, 40)), "n_features": p, "effect": one(ANY),
                "n_informative": one(st.integers(1, p)), "thresholds": tuple(one(st.lists(FROM_0, min_size=1, max_size=4)))}
    if name == "region_mean":
        p = one(st.integers(2, 30))
        return {"n_scans": one(even(4, 30)), "n_voxels": p, "n_affected": one(st.integers(1, p)), "effect": one(ANY),
                "place": one(st.sampled_from(experiments.PLACES)), "likeness": one(SHARE.map(lambda share: 0.99 * share)),
                "n_new": one(even(2, 20))}
    if name == "planted_defect":
        return {"defect": one(st.sampled_from(experiments.DEFECTS)), "n_scans": one(st.sampled_from([100, 200])), "effect": one(ANY)}
    if name == "two_sites_paradox":
        return {"n_per_site": one(st.integers(3, 30)), "distance": one(ANY), "within": one(between(-0.999, 0.999).map(_visible))}
    if name == "scanner_mark":
        return {"agreement": one(between(0.5, 1)), "brightness": one(FROM_0), "effect": one(ANY),
                "n_scans": one(multiple(20, 20, 40)), "size": one(st.integers(16, 20))}
    if name == "site_shortcut":
        return {"prevalence": one(between(0.1, 0.9)), "site_mark": one(FROM_0), "effect": one(ANY),
                "n_per_site": one(st.sampled_from([50, 100]))}
    if name == "harmonised_sites":
        sites = one(st.integers(2, 9))
        return {"n_sites": sites, "n_subjects": one(multiple(int(np.lcm(5, sites)), max(60, 10 * sites), 120)), "effect": one(ANY),
                "imbalance": one(SHARE.map(lambda share: 0.4 * share)), "site_mark": one(FROM_0), "n_features": one(features),
                "ridge": one(PENALTY), "score": one(st.sampled_from(["AUC", "accuracy"]))}
    if name == "external_scaling":
        return {"prevalence": one(between(0.05, 0.95)), "scanner_shift": one(ANY), "effect": one(ABOVE),
                "n_external": one(st.integers(40, 80))}
    if name == "prevalence_shift":
        inside, outside = one(between(0.02, 0.98)), one(between(0.02, 0.98))
        n = one(st.integers(20, 500))
        assume(8 <= round(n * outside) <= n - 8)
        return {"prevalence_inside": inside, "prevalence_outside": outside, "effect": one(ABOVE), "n_external": n}
    if name == "sites_of_a_consortium":
        counts = one(st.sampled_from([(1,), (2,), (1, 2, 4), (2, 10), (1, 5), (4, 20)]))
        n, p = one(multiple(40, 40, 80)), one(st.integers(1, 15))
        return {"n_subjects": n, "site_counts": counts, "heterogeneity": one(FROM_0), "effect": one(ANY), "n_features": p,
                "n_external": one(even(2, 30)), "n_informative": one(st.integers(1, p)), "n_new_sites": one(st.integers(1, 4))}
    if name == "one_flaw":
        return {"flaw": one(st.sampled_from(list(review.MOVING.values()))), "per_site": one(st.integers(10, 16))}
    raise NotImplementedError(f"{name} needs its parameters here")


def _visible(number):
    return 0.0 if abs(number) < 1e-6 else number


def read(sentence):
    assert sentence and "\n" not in sentence
    assert not {"nan", "inf", "-inf"} & set(sentence.replace("(", " ").replace(",", " ").replace(";", " ").lower().split()), sentence


@pytest.mark.parametrize("run", WHOLE, ids=IDS)
def test_valid_parameters_give_finite_scores_in_range(run):
    @trials(6)
    @given(st.data())
    def check(data):
        parameters = valid(run.__name__, data.draw)
        repeats = data.draw(st.integers(1, run.block + 1))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            outcome = run(**parameters, repeats=repeats, seed=data.draw(st.integers(0, 2**40)))
        read(outcome.sentence)
        assert outcome.repeats == repeats
        for name, values in outcome.draws.items():
            assert len(values) == repeats and np.isfinite(values).all(), name
            if name in SIGNED:
                assert name in ("intercept", "slope") or np.abs(values).max() <= 1 + 1e-9, name
            else:
                assert values.min() >= 0 and values.max() <= 1 + 1e-9, (name, values.min(), values.max())

    check()


NONE_OF_ANY = [None, "", "3", "many", [], {}, 1j, object(), [[1]], float("nan")]
WRONG = {
    int: [2.5, 3.0, float("inf"), -1, -(10**9), 10**12, 10**400, True, (1,), np.float64(3)],
    float: [float("inf"), -float("inf"), 1e300, -1e300, 10**400, 1e-300, True, (0.5,)],
    bool: [2, 0, "yes"],
    str: ["no such name", 3, ("linear",), ["linear"]],
    tuple: [5, (), "123", ("a",), (float("nan"),), (float("inf"),), (-1,), (True,), {1, 2}, ((1,),), (2, 1e300), range(10**7)],
}


@pytest.mark.parametrize("run", WHOLE, ids=IDS)
def test_invalid_parameters_are_named(run):
    for name, kind in [*run._kinds.items(), ("repeats", int), ("seed", int)]:
        for value in [*NONE_OF_ANY, *WRONG[kind]]:
            if name == "seed" and isinstance(value, int) and value > 1:
                continue  # a seed may be any number from 0
            with pytest.raises(ParameterError) as error:
                run(**{"repeats": 1, name: value})
            assert name in str(error.value) and len(str(error.value)) < 1000, (name, value)
