"""Lesson 07: other scales, and other shares of patients."""

from scipy.special import logit

from simulations.an_external_table import external_scaling, prevalence_shift

from .rows import ROUNDED, phi, row, studies


@row("R27")
def own_scaling():
    found = studies(external_scaling, n_external=5000)
    for what, values in (("sensitivity", (0.774, 0.618, 0.774)), ("specificity", (0.774, 0.885, 0.774))):
        for i, by in enumerate(("the training cohort", "its own mean", "its own controls")):
            yield f"{what}, by {by}", (values[i], 0.004, found.mean(what, i))
    yield "sensitivity, closed form", (0.618, ROUNDED, phi(0.2 * 1.5))
    yield "specificity, closed form", (0.885, ROUNDED, phi(0.8 * 1.5))
    for q in (0.2, 0.5):
        found = studies(external_scaling, 1 / 2, prevalence=q, n_external=5000)
        for what, share in (("sensitivity", 1 - q), ("specificity", q)):
            yield f"{what}, by its own mean, q = {q}", (phi(share * 1.5), 0.004, found.mean(what, 1))


@row("R28")
def other_prevalence():
    found = studies(prevalence_shift, n_external=4000)
    return {
        "intercept, closed form": (-2.154, ROUNDED, logit(0.2) - logit(0.683)),
        "intercept, simulated": (-2.154, 0.004, found.mean("intercept")),
        "slope, simulated": (1, 0.004, found.mean("slope")),
        "AUC, simulated": (0.856, 0.002, found.mean("outside", 0)),
    }


@row("R41")
def predictive_values():
    yield "majority rule", (0.683, ROUNDED, 423 / (423 + 196))
    for q, expected, within in ((0.683, 0.95, 0.005), (0.1, 0.50, 0.005), (0.02, 0.155, ROUNDED)):
        yield f"predictive value at {q}", (expected, within, 0.9 * q / (0.9 * q + 0.1 * (1 - q)))
