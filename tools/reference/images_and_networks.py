"""Lesson 08: images and networks. All of it are closed forms; some are approximate, and say so."""

from math import comb

import numpy as np

from simulations.images_and_networks import (
    PLACES,
    TAUGHT,
    TRACES,
    architecture_or_labels,
    best_epoch,
    copies_slices_persons,
    learnt_by_heart,
    seen_in_pretraining,
    what_a_map_shows,
)

from .rows import phi, row, studies


def remembered(h):
    """How often a label is fitted of which the share h of its own fitted value is its own."""
    return phi(np.sqrt(h / (1 - h)))


@row("N1")
def by_heart():
    for n_scans in (60, 200):
        widths = (5, 10, 20, 40)
        found = studies(learnt_by_heart, n_scans=n_scans, units=(*widths, 320), n_new=100)
        for i, units in enumerate(widths):
            yield (
                f"{n_scans} scans, {units} units",
                (remembered(units / n_scans), 0.01, found.mean("training", i)),
            )
        yield f"{n_scans} scans, 320 units", (1, 0.0006, found.mean("training", 4))
        yield f"{n_scans} scans, new subjects", (0.5, 0.006, found.mean("true", 3))


@row("N2")
def epochs():
    def beyond_the_truth(draw):
        return lambda draws: np.mean(draws[draw] - draws["true"])

    for effect in (0.0, 2.0):
        once, many = (studies(best_epoch, epochs=epochs, effect=effect) for epochs in (1, 30))
        yield (
            f"effect {effect:g}, one epoch, where it is chosen",
            (0, 0.006, once(beyond_the_truth("reported"))),
        )
        yield f"effect {effect:g}, best of 30, elsewhere", (0, 0.006, many(beyond_the_truth("honest")))
    yield "effect 0, one epoch, truth", (0.5, 0.006, studies(best_epoch, epochs=1).mean("true"))


def siblings_found(siblings):
    """Five folds, 20 persons: right where a sibling is in training, else another person at random."""
    units, fold = 20 * siblings, 4 * siblings
    alone = comb(units - siblings, fold - siblings) / comb(units - 1, fold - 1)
    return 1 - alone + alone * 9 / 19


@row("N3")
def dealt():
    for copies in (2, 3):
        found = studies(copies_slices_persons, n_slices=1, n_copies=copies, n_new=2)
        yield f"{copies} copies, dealt by copy", (siblings_found(copies), 0.01, found.mean("reported"))
    for slices in (2, 3):
        found = studies(copies_slices_persons, n_slices=slices, n_copies=1, alike=0.95, n_new=2)
        yield f"{slices} slices, dealt by slice", (siblings_found(slices), 0.01, found.mean("slices"))
    one = studies(copies_slices_persons, n_slices=1, n_copies=1, n_new=2)
    yield "one picture of each person", (9 / 19, 0.01, one.mean("honest"))


@row("N4")
def pretrained():
    for people in (100, 200, 1000):
        found = studies(seen_in_pretraining, 100 / min(people, 250), n_people=people, n_scans=100)
        yield f"{people} people, ours among them", (remembered(50 / people), 0.015, found.mean("reported"))
        yield f"{people} people, others", (0.5, 0.015, found.mean("honest"))
    for taught in TAUGHT[1:]:
        found = studies(seen_in_pretraining, taught=taught, n_scans=100)
        yield f"taught {taught}", (0.5, 0.015, found.mean("reported"))


@row("N5")
def lesion():
    place = {"place": PLACES[1], "contrast": 2.0, "n_test": 400}
    known = studies(architecture_or_labels, 1 / 5, n_scans=10_000, smaller={"n_scans": 3000}, **place)
    anywhere = studies(architecture_or_labels, 4, wrong=0.2)

    def beyond(architecture):
        """Reported minus what wrong test labels make of the truth: a (1 - 2r) + r."""
        return lambda draws: np.mean(draws["reported"] - (0.6 * draws["true"] + 0.2), axis=0)[architecture]

    return {
        "one place, many scans, linear": (phi(1), 0.01, known.mean("true", 0)),
        "anywhere, linear": (0.5, 0.01, anywhere.mean("true", 0)),
        "linear, reported minus formula": (0, 0.01, anywhere(beyond(1))),
        "convolution, reported minus formula": (0, 0.01, anywhere(beyond(3))),
    }


def with_endless_scans(effect, size, agreement):
    """Accuracy reported and elsewhere: the disease, and the trace that agrees with it so often."""
    w = np.array([effect, size * (2 * agreement - 1) / (1 + size**2 * agreement * (1 - agreement))])
    helped, misled = (phi((w[0] * effect + side * w[1] * size) / 2 / np.linalg.norm(w)) for side in (1, -1))
    return agreement * helped + (1 - agreement) * misled, (helped + misled) / 2


@row("N6")
def maps():
    for effect in (1.0, 0.0):
        reported, true = with_endless_scans(effect, 3.0, 0.9)
        for trace in TRACES:
            found = studies(what_a_map_shows, 1 / 2, trace=trace, effect=effect, n_scans=4000)
            yield f"effect {effect:g}, trace {trace}: reported", (reported, 0.004, found.mean("reported"))
            yield f"effect {effect:g}, trace {trace}: elsewhere", (true, 0.004, found.mean("true"))
