"""Experiments: the same in steps and at once, and clear about impossible parameters."""

import numpy as np
import pytest

from utils import experiments
from utils.experiments import Experiment, ParameterError

ALL = [value for value in vars(experiments).values() if isinstance(value, Experiment)]
IDS = [e.__name__ for e in ALL]


def test_there_are_experiments():
    assert len(ALL) >= 7


@pytest.mark.parametrize("run", ALL, ids=IDS)
def test_steps_and_one_call_simulate_the_same_studies(run):
    repeats = 2 * run.block + 1
    *_, last = run.stream(repeats=repeats, seed=3)
    whole = run(repeats=repeats, seed=3)
    longer = run(repeats=repeats + run.block, seed=3)
    other = run(repeats=repeats, seed=4)
    assert last.sentence == whole.sentence
    assert whole.repeats == repeats
    for name, values in whole.draws.items():
        assert len(values) == repeats
        low = -1 if name in ("pooled", "within", "weights") else 0  # correlations and weights have a sign
        assert np.all(np.isfinite(values))
        if name not in ("intercept", "slope"):  # of a calibration curve: any number
            assert np.all((values >= low) & (values <= 1))
        np.testing.assert_array_equal(values, last.draws[name])
        np.testing.assert_array_equal(values, longer.draws[name][:repeats])
    assert any(not np.array_equal(whole.draws[name], other.draws[name]) for name in whole.draws)


@pytest.mark.parametrize("run", ALL, ids=IDS)
@pytest.mark.parametrize(("name", "value"), [("repeats", 0), ("repeats", 1.5), ("seed", -1), ("n_typo", 3)])
def test_impossible_calls_are_named(run, name, value):
    with pytest.raises(ParameterError, match=name):
        run(**{name: value})


BAD = {
    "selection_outside_folds": {"n_scans": 51, "n_features": 0, "n_selected": 2000, "n_folds": 1,
                                "effect": np.nan, "n_informative": -1, "rule": "forest", "n_new": 0},
    "repeated_scans": {"n_subjects": 3, "scans_per_subject": 0, "reliability": 1.2, "n_features": 0,
                       "effect": np.inf, "rule": "forest", "n_folds": 21, "n_new": 0},
    "best_of_many": {"varied": "luck", "n_tried": 0, "n_scans": 33, "n_folds": 2, "likeness": -0.1,
                     "effect": np.nan, "n_features": 0},
    "tuned_kernel_ridge": {"n_scans": 9, "n_features": 0, "n_folds": 1},
    "cross_validation_error": {"n_scans": 9, "scheme": "7-fold", "n_features": 0, "ridge": 0, "effect": np.nan},
    "two_equal_learners": {"n_scans": 8, "n_splits": 1, "test_share": 0.7, "effect": np.nan, "n_features": 0},
    "permutation_tests": {"n_subjects": 33, "scans_per_subject": 0, "reliability": -1, "n_features": 60,
                          "n_permutations": 5, "n_folds": 1},
    "complexity_of_the_model": {"n_scans": 25, "effect": np.nan, "n_informative": 0, "ridge": 0,
                                "feature_counts": (5, 3)},
    "learning_curve_of_lda": {"n_features": 17, "effect": 0, "rule": "forest", "sizes": (20, 15)},
    "publication_filter": {"effect": np.inf, "publish_from": 70, "n_features": 0, "ridge": 0, "sizes": (20, 25)},
    "planted_defect": {"defect": "a typo", "n_scans": 150, "effect": np.nan},
    "two_sites_paradox": {"n_per_site": 2, "distance": np.inf, "within": -1},
    "scanner_mark": {"agreement": 0.4, "brightness": -1, "effect": np.inf, "n_scans": 30, "size": 12},
    "tests_of_hidden_signal": {"shape": "a typo", "n_scans": 3, "strength": np.nan},
    "bias_and_variance": {"straight": np.nan, "hidden": np.inf, "n_noise": -1},
    "shrinkage_sweep": {"n_scans": 3, "n_features": 0, "effect": np.nan, "n_folds": 1},
    "region_mean": {"n_scans": 3, "n_affected": 0, "effect": np.nan, "place": "nowhere"},
    "wrong_labels": {"where": "nowhere", "n_scans": 51, "n_features": 0, "effect": 0, "rule": "forest", "rates": (0.2, 0.7),
                     "n_test": 5},
    "kinds_of_wrong_labels": {"kind": "a typo", "rate": 0.6, "prevalence": 1, "n_scans": 10, "effect": 0},
    "shared_errors": {"through": "nothing", "rater_accuracy": 0.5, "effect": 0, "n_scans": 51, "n_features": 1,
                      "shares": (0, 1.5), "n_test": 5},
    "labels_or_architecture": {"signal": "U", "worst": 0, "models": "all", "n_scans": 50, "effect": np.nan,
                               "centre": np.inf, "n_new": 10},
    "scans_or_raters": {"rating_cost": 2, "rater_error": 0.5, "shared": -1, "budget": 10, "rule": "forest", "effect": 0,
                        "n_features": 0, "raters": (1, 2), "n_test": 5},
    "site_shortcut": {"prevalence": 0.95, "site_mark": -1, "effect": np.nan, "n_per_site": 60},
    "harmonised_sites": {"n_subjects": 62, "imbalance": 0.5, "site_mark": -0.5, "effect": np.nan, "n_sites": 1,
                         "n_features": 0, "ridge": 0, "score": "F1"},
    "external_scaling": {"prevalence": 0, "scanner_shift": np.inf, "effect": 0, "n_external": 20},
    "prevalence_shift": {"prevalence_inside": 0, "prevalence_outside": 1, "effect": -1, "n_external": 30},
    "sites_of_a_consortium": {"n_subjects": 410, "heterogeneity": -1, "effect": np.nan, "n_external": 3,
                              "site_counts": (5, 2), "n_features": 300, "n_informative": 21, "n_new_sites": 0},
    "regional_mri": {"regions": "liver", "strength": 0, "ridge": 0, "sizes": (5, 40)},
}


def test_more_sites_than_their_spread_can_be_measured_at():
    # With two subjects at a site its standard deviation was rounding, and the scores with it.
    with pytest.raises(ParameterError, match="n_sites is 30, but it must be from 2 to a tenth of the subjects, here 6"):
        experiments.harmonised_sites(n_sites=30, repeats=1)


@pytest.mark.parametrize(("run", "name", "value"), [
    pytest.param(run, name, value, id=f"{run.__name__}-{name}")
    for run in ALL for name, value in BAD[run.__name__].items()
])
def test_a_parameter_out_of_range_is_named_with_its_value(run, name, value):
    with pytest.raises(ParameterError) as error:
        run(repeats=1, **{name: value})
    assert name in str(error.value) and repr(value) in str(error.value)


def test_the_sentence_does_not_contradict_itself():
    sentence = experiments.selection_outside_folds(repeats=20).sentence
    reported, true, optimism = (float(sentence.split(word)[1].split(";")[0].split(". ")[0])
                                for word in ("reports ", "truth is ", "optimism "))
    assert optimism == pytest.approx(reported - true, abs=1e-9)
