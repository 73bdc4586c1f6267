"""What tests of every wing share. What has to be started and stopped stands in conftest.py."""

import importlib
import os
import pkgutil
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
WINGS = ("utils", "simulations", "checks", "audit", "review")  # the code that a learner's notebook imports

#: Set by `make test-all`: more seeds, more spellings, more random examples of what `make test` tries already.
REPETITIONS = os.environ.get("REPETITIONS", "") not in ("", "0")


def repetitions(few, many):
    """So much for `make test`, or so much for `make test-all`; numbers, or lists of cases."""
    return many if REPETITIONS else few


def trials(few, many):
    """Settings of hypothesis: so many random examples, the same in every run.

    With EXAMPLES in the environment there are that many, and others in every run; ``--hypothesis-seed=3``
    repeats one.
    """
    deeper = int(os.environ.get("EXAMPLES", 0))
    return settings(
        max_examples=deeper or repetitions(few, many),
        derandomize=not deeper,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )


def every_simulation():
    """All simulations of the course, by their names."""
    import simulations
    from utils.simulation import Simulation

    names = [f"simulations.{room.name}" for room in pkgutil.iter_modules(simulations.__path__)]
    found = [(name, one) for name in names for one in vars(importlib.import_module(name)).values()]
    return {
        one.__name__: one for name, one in found if isinstance(one, Simulation) and one.__module__ == name
    }
