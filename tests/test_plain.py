"""The experiments find the same as a plain scikit-learn loop over the very same studies."""

import itertools

import numpy as np
import pytest
from plain import FAST, PLAIN, compare, differences, plain_studies

from utils import experiments
from utils.review import MOVING

COSTLY = {"permutation_tests", "tuned_kernel_ridge"}  # hundreds of fits per study
# Small settings, one for every branch of the simulation: an experiment may stand here several times.
CASES = [
    # lesson 05
    ("selection_outside_folds", {"n_features": 200, "n_new": 40, "effect": 0.5}),
    ("selection_outside_folds", {"n_features": 60, "n_selected": 60, "rule": "nearest centroid"}),
    ("selection_outside_folds", {"n_features": 200, "signed": True, "n_folds": 4}),
    ("repeated_scans", {"effect": 0.5, "n_subjects": 22}),
    ("repeated_scans", {"effect": 0.5, "n_subjects": 22, "rule": "linear"}),
    ("best_of_many", {"varied": "coin tosses"}),
    ("best_of_many", {"varied": "seeds", "effect": 0.5, "n_scans": 40}),
    ("best_of_many", {"varied": "analyses", "effect": 0.5, "likeness": 0.5, "n_scans": 40, "n_tried": 4, "n_folds": 4}),
    ("tuned_kernel_ridge", {"n_scans": 12, "n_folds": 2}),
    ("cross_validation_error", {"n_scans": 40}),
    ("cross_validation_error", {"n_scans": 30, "scheme": "leave-one-out"}),
    ("cross_validation_error", {"n_scans": 30, "scheme": "50 random splits", "effect": 0.0}),
    ("cross_validation_error", {"n_scans": 20, "n_features": 60, "ridge": 0.5, "penalise_intercept": True}),
    ("two_equal_learners", {"n_scans": 40, "n_splits": 5}),
    ("two_equal_learners", {"n_scans": 10, "n_splits": 2, "test_share": 0.4}),
    ("permutation_tests", {"n_subjects": 12, "n_features": 3, "n_folds": 2}),
    ("permutation_tests", {"n_subjects": 12, "n_features": 3, "n_folds": 2, "scans_per_subject": 2}),
    # lesson 02
    ("complexity_of_the_model", {"feature_counts": (1, 5, 40)}),
    ("complexity_of_the_model", {"feature_counts": (60, 100), "ridge": 1e-6}),  # as good as no penalty
    ("learning_curve_of_lda", {}),
    ("learning_curve_of_lda", {"rule": "nearest centroid"}),
    ("publication_filter", {"sizes": (20, 40, 200)}),
    ("regional_mri", {"sizes": (40, 101), "regions": "cortex"}),
    ("regional_mri", {"sizes": (13, 40), "regions": "cortex and subcortical volumes", "strength": 2.0}),
    ("regional_mri", {"sizes": (40, 1000), "regions": "putamen alone"}),
    ("regional_mri", {"sizes": (1003,), "strength": 2.0}),
    ("regional_mri", {"sizes": (20, 1009), "regions": "cortex and subcortical volumes"}),
    # lesson 03
    *[("tests_of_hidden_signal", {"shape": shape}) for shape in experiments.SHAPES],
    ("bias_and_variance", {"sizes": (20, 40, 160)}),
    ("bias_and_variance", {"sizes": (8, 20), "straight": 0.0, "n_noise": 0}),
    ("shrinkage_sweep", {"n_features": 30}),
    ("shrinkage_sweep", {"thresholds": (1.0, 9.0), "n_folds": 3, "effect": -2.0}),
    *[("region_mean", {"place": place, "n_voxels": 12}) for place in experiments.PLACES],
    # lesson 04
    ("wrong_labels", {"rates": (0, 0.2, 0.5)}),
    ("wrong_labels", {"rates": (0.3,), "where": "test only", "rule": "nearest neighbour", "n_scans": 50}),
    ("wrong_labels", {"rates": (0, 0.4), "where": "training only", "n_scans": 20}),
    *(("kinds_of_wrong_labels", {"kind": kind, "prevalence": 0.3, "n_scans": 100}) for kind in experiments.KINDS),
    # Nearly separable: the regression needs more steps than usual.
    ("kinds_of_wrong_labels", {"kind": "mild patients missed", "rate": 0.4, "prevalence": 0.1, "n_scans": 100}),
    *(("shared_errors", {"through": through, "shares": (0, 1), "n_scans": 60}) for through in experiments.SHARED),
    ("labels_or_architecture", {"models": "these and a poor one", "n_scans": 60, "n_new": 40}),
    ("labels_or_architecture", {"models": "two flexible ones", "signal": "XOR", "n_scans": 60, "n_new": 40}),
    ("scans_or_raters", {"raters": (1, 5)}),
    ("scans_or_raters", {"raters": (3,), "rule": "nearest neighbour", "shared": 0.5, "rating_cost": 0.5}),
    # lesson 01
    *(("planted_defect", {"defect": defect, "n_scans": 100, "effect": 1.0}) for defect in experiments.DEFECTS),
    ("two_sites_paradox", {}),
    ("scanner_mark", {"n_scans": 40, "size": 16}),
    # lesson 06
    ("site_shortcut", {"n_per_site": 50}),
    ("harmonised_sites", {"n_features": 8, "site_mark": 0.5, "effect": 1.0}),
    ("harmonised_sites", {"n_features": 80, "n_sites": 2, "score": "accuracy"}),
    ("harmonised_sites", {"n_features": 80, "ridge": 1e-6, "effect": 1.0}),
    ("external_scaling", {"scanner_shift": 1.0}),
    ("prevalence_shift", {}),
    ("prevalence_shift", {"prevalence_outside": 0.9, "prevalence_inside": 0.2, "effect": 0.5}),  # nobody is called ill
    ("sites_of_a_consortium", {"n_subjects": 80, "n_features": 4, "n_informative": 2, "site_counts": (1, 4)}),
    # lesson 07
    *(("one_flaw", {"flaw": flaw, "per_site": 11}) for flaw in MOVING.values()),
    ("one_flaw", {"flaw": "rereading", "per_site": 40}),
]


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=[
    "-".join([name, *(str(value) for value in parameters.values())]) for name, parameters in CASES])
def test_the_fast_form_finds_what_the_plain_loop_finds(name, parameters):
    fast = FAST[name]
    found = list(itertools.islice(plain_studies(name, seed=5, **parameters), 2 if name in COSTLY else 3))
    largest = differences(fast._draw(5, 0, fast.defaults | parameters), found)
    assert all(difference < 1e-6 for difference in largest.values()), largest


def test_every_experiment_has_a_plain_form_that_is_tried():
    assert set(FAST) == set(PLAIN) == {name for name, _ in CASES}


@pytest.mark.parametrize(("spoilt", "error"), [
    ({"reported": 0.7, "claimed": 0.1}, "in the other"), ({"reported": [0.7], "claimed": 0.1, "true": 0.5}, "shape"),
])
def test_draws_that_cannot_be_compared_are_named(spoilt, error):
    block = {"reported": np.array([0.7, 0.6]), "claimed": np.array([0.1, 0.1]), "true": np.array([0.5, 0.5])}
    assert differences(block, [{"reported": 0.7, "claimed": 0.3, "true": 0.5}])["claimed"] == pytest.approx(0.2)
    with pytest.raises(ValueError, match=error):
        differences(block, [spoilt])


def test_comparison():
    row = compare("cross_validation_error", seconds=0.01, n_scans=20)
    assert row["difference"] < 1e-6 and row["studies"] >= 4 and row["block"] == 10
    assert row["ratio"] == pytest.approx(row["batched_per_second"] / row["plain_per_second"])
