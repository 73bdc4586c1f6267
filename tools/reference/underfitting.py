"""Lesson 03: signals that a straight line does not see."""

import numpy as np
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from simulations.underfitting import tests_of_hidden_signal

from .rows import ROUNDED, drawn, phi, row, studies

STRAIGHT = "straight line, one measure"


@drawn(2)
def exclusive_or_with_scikit_learn(p, rng, repeats):
    linear, product = np.empty((2, repeats))
    for i in range(repeats):
        y, side = np.arange(400) % 2, rng.choice([-1.5, 1.5], 400)
        X = rng.normal(size=(400, 2)) + np.column_stack([side, side * np.where(y, 1, -1)])
        wide = np.column_stack([X, X[:, 0] * X[:, 1]])
        linear[i], product[i] = (cross_val_score(LogisticRegression(), some, y).mean() for some in (X, wide))
    return {"linear": linear, "product": product}


@row("R32")
def exclusive_or():
    fitted = studies(exclusive_or_with_scikit_learn)
    tested = studies(tests_of_hidden_signal, 200, shape="exclusive or", strength=1.5, n_scans=200)
    return {
        "best accuracy": (0.875, ROUNDED, phi(1.5) ** 2 + (1 - phi(1.5)) ** 2),
        "linear": (0.50, 0.025, fitted.mean("linear")),
        "with the product": (0.866, 0.015, fitted.mean("product")),
        "false alarms of the straight-line test": (0.05, 0.012, tested.alarms(STRAIGHT)),
    }


@drawn(10)
def levene_of_two_spreads(p, rng, repeats):
    draws = [stats.levene(rng.normal(0, 1, 100), rng.normal(0, 2, 100)).pvalue for _ in range(repeats)]
    return {"p": np.array(draws)}


@row("R33")
def u_shape_and_spread():
    at = {"strength": 1.0, "n_scans": 200}
    u, spread = (studies(tests_of_hidden_signal, shape=shape, **at) for shape in ("U-shape", "spread only"))
    cut = np.sqrt(2 * np.log(2) / (1 - 1 / 4))  # where the two densities cross
    return {
        "U-shape, linear test": (0.247, 0.015, u.alarms(STRAIGHT)),
        "spread, t-test": (0.046, 0.012, spread.alarms(STRAIGHT)),
        "spread, Levene": (1, 0.02, studies(levene_of_two_spreads, 1 / 20).alarms("p")),
        "spread, best accuracy": (0.661, ROUNDED, (phi(cut) - phi(-cut) + 2 * phi(-cut / 2)) / 2),
    }
