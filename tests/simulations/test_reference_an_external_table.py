"""Lesson 07: closed forms, and directions of the panels.

What is a row of the table of proof stands in tools/reference. Ranges are about three Monte-Carlo standard
errors.
"""

import numpy as np
import pytest
from scipy.stats import norm

from simulations.an_external_table import external_scaling, prevalence_shift


def standard_error(values):
    return values.std(ddof=1) / np.sqrt(len(values))


def test_r27_a_scanner_shift_moves_the_training_scaling_and_no_other():
    still, shifted = (
        external_scaling(scanner_shift=s, prevalence=0.5, n_external=5000, repeats=100).draws for s in (0, 1)
    )
    assert shifted["sensitivity"].mean(axis=0) == pytest.approx([norm.cdf(1.75), 0.7734, 0.7734], abs=0.005)
    assert shifted["specificity"].mean(axis=0) == pytest.approx([norm.cdf(-0.25), 0.7734, 0.7734], abs=0.005)
    np.testing.assert_allclose(still["AUC"], shifted["AUC"])
    assert still["AUC"].mean() == pytest.approx(norm.cdf(1.5 / np.sqrt(2)), abs=0.002)


def test_r28_auc_sensitivity_and_specificity_stay_and_the_predictive_value_falls():
    draws = prevalence_shift(n_external=4000, repeats=300).draws
    error = np.array([standard_error(column) for column in draws["outside"].T])
    stays = slice(0, 3)  # AUC, sensitivity, specificity
    np.testing.assert_array_less(
        np.abs(draws["outside"].mean(axis=0) - draws["inside"][0])[stays], 3.5 * error[stays]
    )
    assert draws["inside"][0, 0] == pytest.approx(norm.cdf(1.5 / np.sqrt(2)))
    assert draws["inside"][0, 3] - draws["outside"][:, 3].mean() > 0.4  # the positive predictive value falls
