"""Lesson 06: other sites, and harmonisation."""

import numpy as np

from simulations.other_sites import harmonised_sites, site_shortcut, sites_of_a_consortium

from .rows import ROUNDED, row, studies


@row("R29")
def sorted_by_hospital():
    sick = np.array([0.342 * 42396, 0.012 * 112120])
    healthy = np.array([0.658 * 42396, 0.988 * 112120])
    return {"AUC": (0.857, ROUNDED, (1 + sick[0] / sick.sum() - healthy[0] / healthy.sum()) / 2)}


@row("R31")
def consortium():
    found = studies(sites_of_a_consortium, site_counts=(1, 5, 40))
    for i, (k, inside, outside) in enumerate(((1, 0.767, 0.661), (5, 0.720, 0.695), (40, 0.708, 0.707))):
        yield f"cross-validated, K = {k}", (inside, 0.02, found.mean("reported", i))
        yield f"new site, K = {k}", (outside, 0.02, found.mean("true", i))


NONE, ALL_ROWS, PROTECTED, TRAINING_ROWS = range(4)


@row("B10")
def harmonisation():
    noise = {"score": "accuracy", "site_mark": 0}
    few = studies(harmonised_sites, **noise)
    many = studies(harmonised_sites, 1 / 5, n_subjects=210, **noise)
    balanced = studies(harmonised_sites, 1 / 2, imbalance=0, **noise)
    return {
        "none, n = 60": (0.495, 0.02, few.mean("reported", NONE)),
        "all rows, n = 60": (0.338, 0.02, few.mean("reported", ALL_ROWS)),
        "protected, n = 60": (0.646, 0.02, few.mean("reported", PROTECTED)),
        "training rows, n = 60": (0.498, 0.02, few.mean("reported", TRAINING_ROWS)),
        "all rows, n = 210": (0.424, 0.02, many.mean("reported", ALL_ROWS)),
        "protected, n = 210": (0.554, 0.025, many.mean("reported", PROTECTED)),
        "all rows, balanced sites": (0.5, 0.05, balanced.mean("reported", ALL_ROWS)),
        "training rows, balanced sites": (0.5, 0.02, balanced.mean("reported", TRAINING_ROWS)),
    }


@row("B10b")
def site_effect():
    found = studies(harmonised_sites, n_sites=2, n_subjects=200, n_features=50, site_mark=0.7)
    return {
        "none": (0.761, 0.015, found.mean("reported", NONE)),
        "protected": (0.609, 0.025, found.mean("reported", PROTECTED)),
        "training rows": (0.502, 0.012, found.mean("reported", TRAINING_ROWS)),
    }


@row("B12")
def shortcut():
    some, none = (studies(site_shortcut, site_mark=float(np.sqrt(10)), effect=d) for d in (0.5, 0))
    return {
        "cross-validated, d = 0.5": (0.802, 0.012, some.mean("reported")),
        "external, d = 0.5": (0.571, 0.012, some.mean("true")),
        "one site left out, d = 0.5": (0.585, 0.012, some.mean("site left out")),
        "within a site, d = 0.5": (0.561, 0.012, some.mean("within site")),
        "best": (0.638, ROUNDED, some.mean("ceiling")),
        "cross-validated, d = 0": (0.782, 0.006, none.mean("reported")),
        "external, d = 0": (0.5, 0.006, none.mean("true")),
        "one site left out, d = 0": (0.5, 0.006, none.mean("site left out")),
        "within a site, d = 0": (0.5, 0.006, none.mean("within site")),
    }
