"""Lesson 04: wrong labels and unreliable measures."""

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from simulations.label_noise import shares_of_variance, wrong_labels
from utils import batched
from utils.simulation import Among, Whole

from .rows import NEVER_MIND, ROUNDED, drawn, phi, row, studies


@drawn(10)
def imperfect_labels(p, rng, repeats):
    """Studies of 2000 subjects: recorded labels with errors beside the truth."""
    shape = (repeats, 2000)

    def flipped(labels, rate):
        return np.where(rng.random(shape) < rate, 1 - labels, labels)

    def seen(x, label):
        """The difference between the groups as labelled, in their own standard deviations."""
        well, ill = x[label == 0], x[label == 1]
        return (ill.mean() - well.mean()) / np.sqrt((well.var() + ill.var()) / 2)

    truth = rng.integers(0, 2, shape)
    draws = {
        f"agree, {a:g} and {r:g}": (flipped(truth, 1 - a) == flipped(truth, r)).mean(axis=1)
        for a, r in ((0.9, 0.1), (1.0, 0.194))
    }
    # An imperfect reference: sensitivity .9, specificity .8, prevalence .6.
    patient = rng.random(shape) < 0.6
    recorded = np.where(patient, rng.random(shape) < 0.9, rng.random(shape) > 0.8)
    score = rng.standard_normal(shape) + 2 * patient
    called = np.where(patient, rng.random(shape) < 0.95, rng.random(shape) > 0.9)
    draws["AUC"] = np.array([roc_auc_score(*study) for study in zip(recorded, score, strict=True)])
    draws["sensitivity"] = (called & recorded).sum(axis=1) / recorded.sum(axis=1)
    draws["specificity"] = (~called & ~recorded).sum(axis=1) / (~recorded).sum(axis=1)
    x, recorded = rng.standard_normal(shape) + 1.5 * truth, flipped(truth, 0.194)
    return draws | {"d": np.array([seen(*study) for study in zip(x, recorded, strict=True)])}


@row("R23")
def wrong_test_labels():
    found = studies(imperfect_labels)
    for a, r, expected in ((0.9, 0.1, 0.82), (1, 0.194, 0.806)):
        yield f"closed form, a = {a}, r = {r}", (expected, NEVER_MIND, a * (1 - 2 * r) + r)
        yield f"simulated, a = {a}, r = {r}", (expected, 0.002, found.mean(f"agree, {a:g} and {r:g}"))


@row("R24")
def imperfect_reference():
    said = 0.6 * 0.9 + 0.4 * 0.2  # the share that the reference calls ill
    ppv, npv = 0.6 * 0.9 / said, 0.4 * 0.8 / (1 - said)
    true = phi(2 / np.sqrt(2))
    found = studies(imperfect_labels)
    return {
        "true AUC": (0.921, ROUNDED, true),
        "AUC, closed form": (0.800, ROUNDED, 0.5 + (true - 0.5) * (ppv + npv - 1)),
        "sensitivity, closed form": (0.840, ROUNDED, 0.95 * ppv + 0.1 * (1 - ppv)),
        "specificity, closed form": (0.766, ROUNDED, 0.9 * npv + 0.05 * (1 - npv)),
        "AUC, simulated": (0.800, 0.002, found.mean("AUC")),
        "sensitivity, simulated": (0.840, 0.002, found.mean("sensitivity")),
        "specificity, simulated": (0.766, 0.002, found.mean("specificity")),
    }


CENTROID = {0: 0.755, 0.1: 0.747, 0.194: 0.732, 0.3: 0.697}


@row("R25")
def wrong_training_labels():
    found = studies(wrong_labels, where="training only", rates=tuple(CENTROID))
    for i, (r, expected) in enumerate(CENTROID.items()):
        yield f"closed form, r = {r:g}", (expected, 0.002, found.mean("theory", i))
        yield f"simulated, r = {r:g}", (expected, 0.005, found.mean("true", i))
    r, d = 0.194, 1.5
    seen = d * (1 - 2 * r) / np.sqrt(1 + d**2 * r * (1 - r))
    yield "seen d, closed form", (0.790, ROUNDED, seen)
    yield "seen d, simulated", (0.790, 0.005, studies(imperfect_labels, 1 / 10).mean("d"))


@drawn(10)
def unreliable_measures(p, rng, repeats):
    """2000 subjects each: true correlation .5, reliabilities .8 and .6; groups .8 apart, reliability .7."""
    n = 2000
    x, e, noise_x, noise_y, base, scanner = rng.standard_normal((6, repeats, n))
    y = np.sqrt(0.6) * (0.5 * x + np.sqrt(0.75) * e) + np.sqrt(0.4) * noise_y
    x = np.sqrt(0.8) * x + np.sqrt(0.2) * noise_x
    high = y > np.median(y, axis=1, keepdims=True)
    labels = np.arange(n) % 2
    measured = np.sqrt(0.7) * (base + 0.8 * labels) + np.sqrt(0.3) * scanner

    def correlations(a, b):
        return np.array([np.corrcoef(one, two)[0, 1] for one, two in zip(a, b, strict=True)])

    return {"r": correlations(x, y), "split": correlations(x, high), "AUC": batched.auc(measured, labels)}


@row("R38")
def attenuation():
    found = studies(unreliable_measures)
    split = found(lambda draws: draws["split"].mean() / draws["r"].mean())
    return {
        "r, closed form": (0.346, ROUNDED, 0.5 * np.sqrt(0.8 * 0.6)),
        "AUC, closed form": (0.682, ROUNDED, phi(0.8 * np.sqrt(0.7) / np.sqrt(2))),
        "median split, closed form": (0.798, ROUNDED, np.sqrt(2 / np.pi)),
        "r, simulated": (0.346, 0.002, found.mean("r")),
        "AUC, simulated": (0.682, 0.002, found.mean("AUC")),
        "median split, simulated": (0.798, 0.005, split),
    }


@drawn(1, signal=Among("linear", "XOR"), trees=Whole(100, 1), n_test=Whole(2000, 2))
def labels_or_models(p, rng, repeats):
    """Accuracies (noise levels, models) on clean test subjects, with models of scikit-learn."""
    models = (
        LogisticRegression(C=0.1),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        KNeighborsClassifier(15),
        SVC(),
        RandomForestClassifier(p.trees, min_samples_leaf=3, random_state=0),
        GaussianNB(),
    )
    n, scores = 200 + p.n_test, np.empty((repeats, 4, len(models)))
    for study in scores:
        if p.signal == "linear":
            y = np.arange(n) % 2
            X = rng.standard_normal((n, 20))
            X[:, :5] += 2 / np.sqrt(5) * (y[:, None] - 0.5)
        else:
            signs = rng.choice([-1, 1], size=(n, 2))
            X = rng.standard_normal((n, 4))
            X[:, :2] += 1.5 * signs
            y = (signs[:, 0] == signs[:, 1]).astype(int)
        for level, rate in enumerate((0, 0.1, 0.2, 0.3)):
            recorded = np.where(rng.random(200) < rate, 1 - y[:200], y[:200])
            study[level] = [model.fit(X[:200], recorded).score(X[200:], y[200:]) for model in models]
    return {"scores": scores}


@row("B14")
def architecture():
    smaller = {"trees": 25, "n_test": 1000}
    linear, xor = (studies(labels_or_models, smaller=smaller, signal=signal) for signal in ("linear", "XOR"))

    def due_to(part):
        return lambda draws: shares_of_variance(draws["scores"])[part]

    return {
        "linear: labels": (0.564, 0.12, linear(due_to("labels"))),
        "linear: model": (0.157, 0.08, linear(due_to("model"))),
        "XOR: labels": (0.020, 0.025, xor(due_to("labels"))),
        "XOR: model": (0.920, 0.05, xor(due_to("model"))),
    }
