"""What lesson 07 says about its panel of single flaws holds, at the ends of its slider too."""

import functools

import numpy as np

from utils.review import FLAWS, one_flaw

REPEATS = 16


@functools.cache
def optimism(flaw, per_site):
    draws = one_flaw(flaw=flaw, per_site=per_site, repeats=REPEATS).draws
    difference = draws["reported"] - draws["true"]
    return difference.mean(), difference.std(ddof=1) / np.sqrt(REPEATS)


def test_more_people_make_flaws_of_choice_smaller():
    for flaw in ("selection", "seeds", "threshold", "tuning"):
        (few, error), (many, other) = optimism(flaw, 15), optimism(flaw, 100)
        assert few - many > 2 * np.hypot(error, other)


def test_more_people_do_not_help_against_scanners_and_consequences():
    (few, error), (many, other) = optimism("sites", 15), optimism("sites", 100)
    assert many > 0.15 and abs(few - many) < 0.08
    (few, error), (many, other) = optimism("target", 15), optimism("target", 100)
    assert many - few > 2 * np.hypot(error, other)


def test_the_worst_flaws():
    found = {name: optimism(name, 25)[0] for name, flaw in FLAWS.items() if flaw.moves_score}
    order = sorted(found, key=found.get, reverse=True)
    assert set(order[:5]) == {"repeated", "oversampling", "sites", "majority", "harmonised"}
    assert order[0] == "repeated"
    assert {"seeds", "threshold"} == set(order[-2:])
