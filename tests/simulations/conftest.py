"""Tests that ask for the same studies share them."""

import pytest

from utils.simulation import Simulation

simulated = {}
block_of = Simulation.block_of


def shared(run, p, seed=0, number=0):
    """A block of studies follows from its parameters, seed and number; each is simulated once in a file."""
    key = (run.__name__, repr(sorted(vars(p).items())), seed, number)
    if key not in simulated:
        simulated[key] = block_of(run, p, seed, number)
    return simulated[key]


@pytest.fixture(autouse=True, scope="module")
def each_block_once(request):
    with pytest.MonkeyPatch.context() as patch:
        # Where it is tested that they do follow from these, they are simulated anew.
        if request.path.stem != "test_simulations":
            patch.setattr(Simulation, "block_of", shared)
        yield
    simulated.clear()
