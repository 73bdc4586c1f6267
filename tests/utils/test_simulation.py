"""The kinds of parameters, and what a simulation made of them says; the simulations: tests/simulations."""

import numpy as np
import pytest

from utils.simulation import (
    Among,
    Flag,
    Number,
    ParameterError,
    Several,
    Share,
    Studies,
    Whole,
    counted,
    exact_accuracy,
    simulation,
    with_minus,
)


@simulation(block=4)
class tiny:
    """Nothing but numbers."""

    n_subjects = Whole(40, 4, of=2, label="Subjects")
    n_folds = Whole(5, 2, ("half the number of subjects", lambda p: p.n_subjects // 2))
    share = Share(0.5, label="Share", unit="of all", doc="So much.")
    effect = Number(1.0, 0, open="low")
    rule = Among("one", "other")
    signed = Flag()
    sizes = Several(Whole(1, 1, 50), (10, 20), rising=True)

    def recruit(p, rng, repeats):
        return Studies({"noise": rng.standard_normal((repeats, len(p.sizes)))}, n=p.n_subjects)

    def one(p, study):
        return {"true": study.noise.mean()}

    def analyse(p, studies):
        return {"true": studies.noise.mean(axis=1)}

    def read(p, draws):
        return f"{counted(p.n_subjects, 'subject')}: {draws['true'].mean():.2f}"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"n_subjects": 2}, "n_subjects is 2, but it must be a multiple of 2, from 4."),
        ({"n_subjects": 7}, "n_subjects is 7, but it must be a multiple of 2, from 4."),
        ({"n_subjects": 10, "n_folds": 6}, "from 2 to half the number of subjects, here 5."),
        ({"share": 1.5}, "share is 1.5, but it must be a finite number, from 0 to 1."),
        ({"effect": 0}, "effect is 0, but it must be a finite number, above 0."),
        ({"rule": "third"}, "rule is 'third', but it must be one of 'one', 'other'."),
        ({"signed": 1}, "signed is 1, but it must be one of False, True."),
        ({"sizes": (20, 10)}, "at most 1000, rising, each a whole number, from 1 to 50."),
        ({"n_scans": 3}, "tiny has no parameter 'n_scans'. Its parameters are n_subjects, n_folds, share"),
        ({"repeats": 0}, "repeats is 0, but it must be a whole number, 1 or more"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_what_is_allowed(setting, words):
    with pytest.raises(ParameterError) as error:
        tiny(**setting)
    assert words in str(error.value)


def test_the_docstring_says_what_is_checked():
    assert "n_subjects : a multiple of 2, from 4; by default 40\n    Subjects" in tiny.__doc__
    assert "share : a finite number, from 0 to 1; by default 0.5\n    Share (of all). So much" in tiny.__doc__


def test_a_list_or_an_array_or_a_numpy_number_serves_as_well():
    first = tiny(sizes=(10, 20), n_subjects=20, signed=True, repeats=3)
    for sizes, n, signed in (([10, 20], np.int64(20), np.True_), (np.array([10, 20]), np.int32(20), True)):
        other = tiny(sizes=sizes, n_subjects=n, signed=signed, repeats=3)
        np.testing.assert_array_equal(first.draws["true"], other.draws["true"])
    assert first.sentence.startswith("20 subjects: ")


def test_the_same_studies_by_steps_by_calls_and_one_by_one():
    whole = tiny(repeats=10, seed=3)
    steps = [step.draws["true"] for step in tiny.stream(repeats=10, seed=3)]
    assert [len(step) for step in steps] == [4, 8, 10]
    np.testing.assert_array_equal(steps[-1], whole.draws["true"])
    np.testing.assert_array_equal(steps[0], whole.draws["true"][:4])
    np.testing.assert_array_equal([one["true"] for one in tiny.plain(tiny.checked({}), 3)], steps[0])
    assert not np.array_equal(tiny(repeats=10, seed=4).draws["true"], whole.draws["true"])


def test_what_does_not_fit_into_memory_is_named(monkeypatch):
    def too_much(*given):
        raise MemoryError

    monkeypatch.setattr(tiny.description, "recruit", too_much)
    with pytest.raises(ParameterError, match=r"n_subjects is 9998, which .* needs more memory than there is"):
        tiny(n_subjects=9998, repeats=1)


def test_exact_accuracy_is_that_of_many_new_subjects():
    rng = np.random.default_rng(0)
    weights, means = rng.standard_normal(3), np.array([np.zeros(3), [1.0, 0.5, 0.0]])
    y = np.arange(200_000) % 2
    X = means[y] + rng.standard_normal((len(y), 3))
    right = ((X @ weights - 0.3 > 0) == y).mean()
    assert exact_accuracy(weights, [-0.3], means) == pytest.approx(right, abs=3 * 0.5 / np.sqrt(len(y)))
    assert exact_accuracy(np.zeros(3), 0, means) == 0.5


def test_a_minus_sign_is_no_hyphen():
    said = "5-fold, off by -0.10 to +0.07 (-.3), leave-one-out, 1996-2004"
    assert with_minus(said) == "5-fold, off by −0.10 to +0.07 (−.3), leave-one-out, 1996-2004"
