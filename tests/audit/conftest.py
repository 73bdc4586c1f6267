"""What holds for all tests of the audit."""

import pytest
from harness import REPETITIONS

from audit import audit, models
from utils.data import load


@pytest.fixture(scope="session", autouse=True)
def _small_forests():
    """Forests of ten trees: no test looks at a forest's score so closely, and they take most of an audit."""
    usual, models.TREES = models.TREES, models.TREES if REPETITIONS else 10
    yield
    models.TREES = usual


@pytest.fixture(scope="session")
def voice():
    data = load("parkinsons_voice")
    return audit(data.table, label="status", subject="subject_id", features=data.features)
