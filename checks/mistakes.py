"""Named mistakes of a table, written as rows."""

from collections.abc import Callable


def mistakes(**rows: tuple[Callable, str]) -> dict[Callable, str]:
    """The mistakes of a `Table` from rows ``name=(function, reason)``: a lambda gets the name of its row."""
    for name, (function, _) in rows.items():
        function.__name__ = name
    return {function: reason for function, reason in rows.values()}
