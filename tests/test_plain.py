"""The experiments find the same as a plain scikit-learn loop over the very same studies."""

import itertools

import pytest
from plain import PLAIN, compare, differences, plain_studies

from utils import experiments

# Small settings, one for every branch of the simulation: an experiment may stand here several times.
CASES = [
    # lesson 05
    ("selection_outside_folds", {"n_features": 200, "n_new": 40, "effect": 0.5}),
    ("selection_outside_folds", {"n_features": 60, "n_selected": 60, "rule": "nearest centroid"}),
    ("selection_outside_folds", {"n_features": 200, "signed": True, "n_folds": 4}),
    ("cross_validation_error", {"n_scans": 40}),
    ("cross_validation_error", {"n_scans": 40, "scheme": "leave-one-out"}),
    ("cross_validation_error", {"n_scans": 30, "scheme": "50 random splits", "effect": 0.0}),
    ("cross_validation_error", {"n_scans": 20, "n_features": 60, "ridge": 0.5, "penalise_intercept": True}),
]


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=[
    "-".join([name, *(str(value) for value in parameters.values())]) for name, parameters in CASES])
def test_the_fast_form_finds_what_the_plain_loop_finds(name, parameters):
    fast = getattr(experiments, name)
    found = list(itertools.islice(plain_studies(name, seed=5, **parameters), 3))
    largest = differences(fast._draw(5, 0, fast.defaults | parameters), found)
    assert max(largest.values()) < 1e-6, largest


def test_every_plain_experiment_is_tried():
    assert {name for name, _ in CASES} == set(PLAIN)


def test_comparison():
    row = compare("cross_validation_error", seconds=0.01, n_scans=20)
    assert row["difference"] < 1e-6 and row["studies"] >= 4 and row["block"] == 10
    assert row["ratio"] == pytest.approx(row["batched_per_second"] / row["plain_per_second"])
