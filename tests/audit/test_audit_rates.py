"""The page of measured rates: it speaks of the checks, flaws and functions that there are."""

import re

import audit_rates
import evaluations
import pytest

from audit import CHECKS


def names(heading):
    """The first column of the tables under a heading of the page."""
    part = audit_rates.PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \|", part, re.MULTILINE)
    return rows[1:]


def test_the_page_names_every_check_flaw_and_function():
    assert names("Clean tables") == list(CHECKS)
    assert names("Tables with one flaw") == list(audit_rates.FLAWS)
    assert names("Functions") == [*evaluations.HONEST, *evaluations.LEAKY]
    assert set(audit_rates.FLAWS.values()) <= set(CHECKS)


@pytest.mark.parametrize("kind", audit_rates.KINDS)
def test_a_cohort_is_of_its_kind_and_the_same_for_the_same_seed(kind):
    one, two = (audit_rates.cohort(3, kind=kind) for _ in range(2))
    assert one.equals(two) and set(audit_rates.ROLES["demographics"]) <= set(one)
    features, classes = one.filter(like="feature"), audit_rates.CLASSES.get(kind, 2)
    assert not classes or one["diagnosis"].nunique() == classes
    skew = features.skew().mean()
    assert (skew > 1) == (kind in ("log-normal", "zero-inflated"))
    assert (features.isna().groupby(one["scanner"]).mean().max().max() > 0.2) == (kind == "missing by site")


def test_a_rate_is_called_too_high_when_chance_does_not_make_it_so():
    assert not audit_rates.too_many(1, 10) and audit_rates.too_many(4, 10)
    assert not audit_rates.too_many(0, 30) and audit_rates.too_many(6, 30)
