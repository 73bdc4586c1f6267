"""The papers: a careful reader finds every flaw in the text, and no others; the numbers agree."""

import functools
import itertools
import re
import string

import numpy as np
import pytest
from harness import repetitions
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from review import FLAWS, simulate_study
from review.flaws import MOVING, conflict, drawn
from utils.simulation import ParameterError

MANY = repetitions(60, 300)
simulate = functools.cache(simulate_study)


def papers():
    return map(simulate, range(MANY))


@functools.cache
def sound_studies():
    return [simulate_study(seed, flaws=()) for seed in range(40)]


# The table of flaws


def test_the_table_of_flaws_is_whole():
    assert {flaw.kind for flaw in FLAWS.values()} == {"score", "measure", "claim"}
    facts = simulate(0).facts
    for name, flaw in FLAWS.items():
        assert {*flaw.implies, *flaw.not_with} <= set(FLAWS) - {name}
        assert set(flaw.sound_with) <= {*FLAWS, "all measures"} - {name}
        assert not set(flaw.implies) & set(flaw.not_with)
        assert flaw.moves_score == (flaw.effect == "moves the score by {share}") == (name in MOVING.values())
        special = itertools.chain(*flaw.sound_with.values())
        sentences = [flaw.effect, *flaw.flawed, *flaw.sound, *special]
        for sentence in sentences:
            used = {part for _, part, _, _ in string.Formatter().parse(sentence) if part}
            assert used <= {*facts, "share"}, sentence
        assert all(sentence[0].isupper() or sentence[0] == "{" for sentence in sentences[1:])
        assert flaw.accusation[1:] == flaw.title[1:] and not flaw.title.endswith(".")


def test_flaws_are_three_to_five_and_all_occur():
    planted = [drawn(np.random.default_rng(seed)) for seed in range(400)]
    assert {len(flaws) for flaws in planted} == {3, 4, 5}
    assert {name for flaws in planted for name in flaws} == set(FLAWS)
    for flaws in planted:
        assert any(FLAWS[name].kind == "claim" for name in flaws)
        assert any(FLAWS[name].moves_score for name in flaws)
        assert conflict(flaws) == ""
        assert "sites" in flaws or "harmonised" not in flaws


def test_what_cannot_stand_together_cannot_the_other_way_round():
    assert conflict(["sites", "majority"]) == "majority and sites"
    assert conflict(["oversampling", "majority"]) == "majority and oversampling"
    assert conflict(["sites", "oversampling"]) == "oversampling and sites"


# What a reader finds


def table(paper):
    """Patients and controls of every site, as the paper prints them."""
    rows = re.findall(r"^\| [A-D] \| (\d+) \| (\d+) \|", paper, re.M)
    return np.array([[int(cell) for cell in row] for row in rows])


def a_careful_reader(paper):
    """Find the flaws in the text alone."""

    def has(*patterns):
        return any(re.search(pattern, paper) for pattern in patterns)

    counts = table(paper)
    assert counts.shape == (4, 2)
    enrolled = int(re.search(r"(\d+) people were enrolled", paper)[1])
    left_out = int(re.search(r"(\d+) people were excluded", paper)[1])
    later = re.search(r"(\d+) (?:more whose|others when)", paper)
    left_out += int(later[1]) if later else 0
    share = counts[:, 0] / counts.sum(1)
    found = {
        "duplicates": counts.sum() != enrolled - left_out,
        "exclusions": later is not None,
        "rereading": has("diagnoses were revised", "adjudicated by an expert who saw"),
        "target": has("levodopa entered", r"measures of thickness and volume, and the number of visits"),
        "sites": np.ptp(share) > 0.5,
        "harmonised": has("preserved the effect of diagnosis", "diagnosis as a covariate"),
        "selection": has("all participants", "which then entered cross-validation"),
        "tuning": has(
            "highest cross-validated performance", "most accurate in cross-validation was retained"
        ),
        "oversampling": has(r"\d synthetic scans"),
        "repeated": has("scans were divided at random into five folds", r"over the \d+ scans"),
        "seeds": has("with the best performance is reported", "most favourable"),
        "threshold": has("cut-off that maximised", "optimal cut-off"),
        "majority": not has("balanced accuracy") and counts[:, 0].sum() > 0.7 * counts.sum(),
        "error_bar": has("standard error"),
        "t_test": has("t-test over the 100", "t-test on the fold-wise"),
        "absence": has("plays no part", "rules this region out"),
        "generalises": has("ready to support", "generalisable imaging marker"),
    }
    assert list(found) == list(FLAWS)
    return tuple(name for name in FLAWS if found[name])


def test_a_careful_reader_finds_all_flaws_in_the_paper_and_no_others():
    for one in papers():
        assert a_careful_reader(one.paper) == one.planted, one.seed


def test_a_careful_reader_finds_nothing_in_a_sound_paper():
    for one in sound_studies():
        assert a_careful_reader(one.paper) == ()


def test_papers_have_no_gaps():
    for one in [*papers(), *sound_studies()]:
        assert not re.search(r"[{}]|None|nan|inf\b|  | $|\.\.| [.,]|\ba accuracy|± *[.,)]", one.paper, re.M)
        for name, flaw in FLAWS.items():
            said = one.says(name)
            assert said in one.paper
            assert said or not (flaw.flawed if name in one.planted else flaw.sound)


def test_both_wordings_occur():
    for name, flaw in FLAWS.items():
        said = {re.sub(r"\d+|[+-]", "", one.says(name)) for one in papers() if name in one.planted}
        assert len(said) >= len(flaw.flawed)


# Its numbers


def test_numbers_of_a_paper_agree_with_each_other():
    for one in papers():
        counts = table(one.paper)
        people = r"In (\d+) data sets from four sites \((\d+) of patients, (\d+) of controls\)"
        abstract = re.search(people, one.paper)
        assert [int(number) for number in abstract.groups()] == [counts.sum(), *counts.sum(0)]
        scores = re.findall(r"accuracy of (\d\.\d\d)", one.paper)
        assert len(scores) == 2 and scores[0] == scores[1] == f"{one.result.reported:.2f}"


def test_the_score_is_that_of_the_outputs():
    for seed in range(20):
        one = simulate(seed)
        metric = accuracy_score if one.by_accuracy else balanced_accuracy_score
        guesses = one.result.output > one.result.cut
        assert one.result.reported == pytest.approx(metric(one.result.y, guesses))
        assert one.by_accuracy == ("balanced accuracy" not in one.paper)


def test_a_region_said_to_be_without_effect_was_not_significant_and_has_one():
    studies = [one for one in papers() if "absence" in one.planted]
    assert len(studies) > MANY / 7
    for one in studies:
        assert float(one.facts["region_p"]) > 0.05
        assert abs(float(one.facts["region_true"])) >= 0.3


def test_shares_are_what_repairing_one_flaw_takes_away():
    for seed in (2, 3):
        one = simulate(seed)
        assert list(one.shares) == [name for name in one.planted if name in MOVING.values()]
        for name, share in one.shares.items():
            assert share == one.result.reported - one.without(name)
    assert one.without() == one.result.reported


def test_seeds():
    assert simulate_study(7).paper == simulate_study(7).paper
    assert len({simulate(seed).paper for seed in range(20)}) == 20


# What cannot be


@pytest.mark.parametrize(
    ("flaws", "message"),
    [
        (["selektion"], "selektion"),
        ("everything", "everything"),
        (["majority", "oversampling"], "majority and oversampling"),
        (["sites", "majority"], "sites"),
        (["harmonised", "oversampling"], "oversampling and sites"),
        ([3], "flaws"),
        (7, "flaws"),
        ([["sites"]], "flaws"),
    ],
)
def test_flaws_that_cannot_be_are_named(flaws, message):
    with pytest.raises(ParameterError, match=message):
        simulate_study(0, flaws=flaws)


@pytest.mark.parametrize("seed", [-1, 1.5, None, "3", True, float("nan"), [1], {}])
def test_seeds_that_cannot_be_are_named(seed):
    with pytest.raises(ParameterError, match="seed is"):
        simulate_study(seed)


@pytest.mark.parametrize("size", [-0.1, 1.5, None, "3", True, float("nan"), [1]])
def test_differences_between_sites_that_cannot_be_are_named(size):
    with pytest.raises(ParameterError, match="site_effects is"):
        simulate_study(0, flaws=(), site_effects=size)
