"""Right and wrong answers to an exercise, kept by task, for tests/test_checks*.py."""


def answers():
    """Two empty tables, and the decorators that fill them.

    Returns
    -------
    RIGHT : dict
        Function by task and name.
    WRONG : dict
        Function, and words of the reason that it must get, by task and name.
    right, wrong : callable
        ``@right("task")`` and ``@wrong("task", "words of the reason", ...)``.
    """
    RIGHT, WRONG = {}, {}

    def right(task):
        def keep(function):
            RIGHT[task, function.__name__] = function
            return function

        return keep

    def wrong(task, *words):
        def keep(function):
            WRONG[task, function.__name__] = function, words
            return function

        return keep

    return RIGHT, WRONG, right, wrong
