"""Lesson 05: directions beside the rows of the table of proof.

What is a row of the table of proof stands in tools/reference. Ranges are about three Monte-Carlo standard
errors.
"""

import numpy as np
import pytest

from simulations.cross_validation_pitfalls import permutation_tests, repeated_scans


def test_permuting_scans_of_the_same_subjects_raises_false_alarms():
    outcome = permutation_tests(n_subjects=40, scans_per_subject=3, n_features=10)
    alarms = {name: np.mean(p <= 0.05) for name, p in outcome.draws.items()}
    assert alarms["shuffling scans"] > 0.10
    assert alarms["shuffling subjects, folds drawn anew"] < 0.07


def test_r17_no_leak_where_subjects_cannot_be_recognised():
    outcome = repeated_scans(n_subjects=40, scans_per_subject=3, reliability=0, repeats=300)
    assert outcome.draws["reported"].mean() == pytest.approx(0.5, abs=0.02)
