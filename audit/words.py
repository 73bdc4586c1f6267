"""What every part of the audit says in the same way: errors, lists, names that are too long."""


class AuditError(ValueError):
    """Something cannot be audited as asked. The message names what is wrong, and what to do."""


def cut(text) -> str:
    """Text of at most 100 signs."""
    text = str(text)
    return text if len(text) <= 100 else f"{text[:100]} …"


def quoted(value) -> str:
    """A value as it would be written in Python."""
    return repr(cut(value)) if isinstance(value, str) else cut(value)


def some(values, most: int = 4) -> str:
    """The first few values, and how many more there are."""
    values = [cut(value) for value in values]
    return ", ".join(values[:most]) + (f" and {len(values) - most} more" if len(values) > most else "")


def count(number, noun: str) -> str:
    """``1 row``, ``2 rows``, ``1,200 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 'es' if noun.endswith('s') else 's'}"
