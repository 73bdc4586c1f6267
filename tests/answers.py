"""Right and wrong answers to an exercise, kept by task, and the tests that every exercise's checks pass."""

import inspect
import os
from types import ModuleType

import numpy as np
import pytest
from harness import repetitions

# In `make test` the first right answer to a task, and the first wrong one with a given reason, run at one
# seed. The repetitions run all of them; over its variants together, an answer runs at so many seeds.
RIGHT_SEEDS, WRONG_SEEDS = int(os.environ.get("SEEDS", 3)), int(os.environ.get("SEEDS", 5))


class Answers:
    """The answers to the tasks of one exercise.

    ``@answers.right("task")`` and ``@answers.wrong("task", "words of the reason", ...)`` keep a function. A
    setting with several values makes variants of it: ``@answers.wrong("task", "words", k=(10, 20, 40))`` for
    ``def f(X, y, k)`` (the first variant takes the first value of every setting, and so on). With
    ``slow=True`` only the repetitions run it: another answer gets the same reason.
    """

    def __init__(self, checks: ModuleType):
        self.checks, self.rights, self.wrongs = checks, [], []

    def _keep(self, kept, task, words, settings):
        slow = settings.pop("slow", False)

        def keep(function):
            variants = max((len(values) for values in settings.values()), default=1)
            for i in range(variants):
                chosen = {name: values[i % len(values)] for name, values in settings.items()}
                # By name: the address of a function differs between the programs that run beside each other.
                told = ", ".join(str(getattr(value, "__name__", value)) for value in chosen.values())
                name = function.__name__ + (f"[{told}]" if chosen else "")
                kept.append((task, name, with_settings(function, chosen), words, (i, variants), slow))
            return function

        return keep

    def right(self, task, **settings):
        return self._keep(self.rights, task, (), settings)

    def wrong(self, task, *words, **settings):
        return self._keep(self.wrongs, task, words, settings)

    def short_wrongs(self, task, **answers):
        """Keep short wrong answers to a task as rows: ``name=(lambda X, y: ..., "words", ...)``."""
        for name, (function, *words) in answers.items():
            function.__name__ = name
            self.wrong(task, *words)(function)

    @property
    def tasks(self):
        return sorted(name for name, one in vars(self.checks).items() if is_check(one))

    def tests(self):
        """The test functions of an exercise; a test file gives them names."""

        def named(kept, *alike):
            """In `make test` the first of those that agree in these values stands for all of them."""
            seen, found = set(), []
            for one in kept:
                *one, slow = one
                kind = tuple(one[i] for i in alike)
                again = slow or kind in seen
                seen |= set() if slow else {kind}
                marks = [pytest.mark.repetition] if again else []
                found.append(pytest.param(*one, id=f"{one[0]}-{one[1]}", marks=marks))
            return found

        cases = "task", "name", "function", "words", "variant"

        @pytest.mark.parametrize(cases, named(self.rights, 0))
        def right_answers_pass(task, name, function, words, variant):
            for seed in seeds(*variant, RIGHT_SEEDS):
                verdict = getattr(self.checks, task)(function, seed=seed)
                assert verdict.passed, f"seed {seed}: {verdict}"
                assert not verdict.wrong and verdict.right

        @pytest.mark.parametrize(cases, named(self.wrongs, 0, 3))
        def wrong_answers_get_their_reason(task, name, function, words, variant):
            for seed in seeds(*variant, WRONG_SEEDS):
                verdict = getattr(self.checks, task)(function, seed=seed)
                assert not verdict.passed, f"seed {seed}: {verdict}"
                assert all(word in verdict.reason for word in words), f"seed {seed}: {verdict}"

        @pytest.mark.parametrize("task", self.tasks)
        def every_task_has_its_answers(task):
            assert sum(one[0] == task for one in self.rights) >= 3
            # Each wrong answer is told by words that no other reason of the task holds. The named mistakes of
            # a table are tested with the table.
            assert len({one[3] for one in self.wrongs if one[0] == task}) >= 1
            assert "not written yet" in getattr(self.checks, task)(...).reason

        @pytest.mark.parametrize("seed", repetitions([0, 1], range(10)))
        def tables_test_themselves(seed):
            for name, table in vars(self.checks).items():
                if hasattr(table, "faults") and not isinstance(table, type):
                    assert table.faults(lambda i: np.random.default_rng([seed, i])) == [], name

        return (
            right_answers_pass,
            wrong_answers_get_their_reason,
            every_task_has_its_answers,
            tables_test_themselves,
        )


def seeds(variant, variants, many):
    """The seeds of a variant: one in `make test`; in the repetitions the variants share them out."""
    return repetitions([variant], range(variant, max(many, variants), variants))


def is_check(one) -> bool:
    return inspect.isfunction(one) and "seed" in inspect.signature(one).parameters


def with_settings(function, settings):
    """The function with these settings, as a learner would have written it: its signature has no others."""
    if not settings:
        return function

    def chosen(*data):
        return function(*data, **settings)

    whole = inspect.signature(function)
    chosen.__signature__ = whole.replace(
        parameters=[one for name, one in whole.parameters.items() if name not in settings]
    )
    return chosen
