"""A simulated published study, to be reviewed: what it says, what is wrong with it, and what is true.

A study recruits patients and controls, scans them, and reports how well a classifier tells them apart.
Some flaws are planted in it. Nothing is made up: every printed number comes from running the flawed
analysis on the simulated scans, and the paper says what was done, so that a careful reader can find every
flaw. The true score is that of the study's own final model on many new people at new sites.

`review.study` carries the studies out; here they are written up, from `paper.md` and `flaws.toml`.
"""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path

import numpy as np
from scipy import stats

from review.flaws import FLAWS, conflict, drawn, named, with_companions
from review.study import FEATURES, SITES, Design, Result, carry_out, directions, plan, stream
from review.verdict import Review
from utils.simulation import refuse

_TEMPLATE = Path(__file__).with_name("paper.md").read_text(encoding="utf-8")
_TITLES = (
    "Can regional brain morphometry tell Parkinson's disease? A study at four sites",
    "Classification of Parkinson's disease and controls from structural MRI",
    "A multi-centre classifier of Parkinson's disease from structural MRI",
)
_AIMS = (
    "We asked whether regional thickness and volume can tell patients from controls.",
    "Structural MRI is part of the clinical work-up. We examined what a classifier can read in it.",
)
# The informative features, as the paper calls them.
_REGIONS = (
    *("precuneus thickness", "fusiform thickness", "cuneus thickness", "insular thickness"),
    *("entorhinal thickness", "lingual thickness", "putamen volume", "amygdala volume", "hippocampal volume"),
    *("pallidum volume", "accumbens volume", "thalamus volume"),
)


@dataclass
class Study:
    """A published study: `paper` is what its readers get; `review` compares a review with the truth.

    Attributes
    ----------
    seed : int
    planted : tuple of str
        Names of its flaws, in the order of `FLAWS`. Not for reviewers.
    result : Result
    """

    seed: int
    planted: tuple[str, ...] = field(repr=False)
    result: Result = field(repr=False)
    _design: Design = field(repr=False)

    @property
    def by_accuracy(self) -> bool:
        """The paper reports the accuracy; all others report the balanced accuracy."""
        return "majority" in self.planted

    @functools.cached_property
    def done_right(self) -> Result:
        """The same study carried out with all flaws repaired."""
        return carry_out(self._design, ())

    def without(self, *repaired: str) -> float:
        """What the same study reports, on the same people, scans and folds, with some of its flaws repaired."""
        left = set(self.planted) - set(named(repaired))
        return carry_out(self._design, left, truth=None).reported

    @functools.cached_property
    def shares(self) -> dict[str, float]:
        """By how much each flaw raises the reported score: as printed, minus with this flaw alone repaired."""
        moving = [name for name in self.planted if FLAWS[name].moves_score]
        return {name: self.result.reported - self.without(name) for name in moving}

    @property
    def bar(self) -> tuple[float, float]:
        """The ends of the error bar, as the paper prints it."""
        facts, reported = self.facts, self.result.reported
        if "error_bar" in self.planted:
            return reported - float(facts["error"]), reported + float(facts["error"])
        return float(facts["low"]), float(facts["high"])

    @functools.cached_property
    def facts(self) -> dict[str, str]:
        """What the sentences of the paper are filled with."""
        design, result, rows = self._design, self.result, self.result.counts["rows"]
        _, first = np.unique(rows.person, return_index=True)
        y, folds = rows.y[first], result.fold_scores
        counts = {
            name: str(result.counts[name])
            for name in ("settings", "outliers", "revised", "synthetic", "scans")
        }
        return (
            counts
            | self._facts_of_scores()
            | self._facts_of_a_region()
            | {
                "features": str(FEATURES),
                "kept": "10, 20 or 40" if "tuning" in self.planted else str(design.kept[0]),
                "enrolled": str(design.people + design.excluded),
                "excluded": str(design.excluded),
                "people": str(len(y)),
                "patients": str(np.sum(y == 1)),
                "controls": str(np.sum(y == 0)),
                "error": f"{folds.std(ddof=1) / np.sqrt(len(folds)):.3f}" if len(folds) else "",
                "p": _p_value(stats.ttest_1samp(folds, 0.5).pvalue) if len(folds) else "",
            }
        )

    def _facts_of_scores(self) -> dict[str, str]:
        result, rows = self.result, self.result.counts["rows"]
        n = np.bincount(rows.y[np.unique(rows.person, return_index=True)[1]])
        right = (result.output > result.cut) == (result.y == 1)
        sensitivity, specificity = right[result.y == 1].mean(), right[result.y == 0].mean()
        if self.by_accuracy:
            variance = result.reported * (1 - result.reported) / n.sum()
        else:
            variance = (sensitivity * (1 - sensitivity) / n[1] + specificity * (1 - specificity) / n[0]) / 4
        half = 1.96 * np.sqrt(variance)
        found = {
            "score": result.reported,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "half": half,
            "low": max(result.reported - half, 0),
            "high": min(result.reported + half, 1),
            "true": result.true,
            "balanced": result.balanced,
            "baseline": n[1] / n.sum(),
        }
        metric = "accuracy" if self.by_accuracy else "balanced accuracy"
        return {name: f"{number:.2f}" for name, number in found.items()} | {"metric": metric}

    def _facts_of_a_region(self) -> dict[str, str]:
        """A region that the study fails to find, though it differs; the paper calls it by name."""
        rows, shift = self.result.counts["rows"], directions(self._design)[0]
        _, first = np.unique(rows.person, return_index=True)
        y, site = rows.y[first], rows.site[first]
        X, shift = rows.X[first][:, shift != 0], shift[shift != 0]
        if "sites" not in self.planted:
            X = X - np.array([X[site == k].mean(0) for k in range(len(SITES))])[site]
        test = stats.ttest_ind(X[y == 1], X[y == 0])
        missed = test.pvalue > 0.1
        region = int(np.argmax(missed if missed.any() else test.pvalue))
        error = np.sqrt(1 / np.sum(y == 1) + 1 / np.sum(y == 0))
        d, half = test.statistic[region] * error, 1.96 * error
        signed = {"region_d": d, "region_from": d - half, "region_to": d + half, "region_true": shift[region]}
        return {name: f"{number:+.2f}" for name, number in signed.items()} | {
            "region": _REGIONS[region].capitalize(),
            "region_low": _REGIONS[region],
            "region_p": f"{test.pvalue[region]:.2f}",
        }

    def says(self, name: str) -> str:
        """The sentence of the paper on the matter of one flaw; empty where its numbers say it."""
        flaw, here = FLAWS[name], {*self.planted, *["all measures"] * (self._design.kept[0] is None)}
        variants = flaw.flawed
        if name not in self.planted:
            special = [wording for other, wording in flaw.sound_with.items() if other in here]
            variants = [*special, flaw.sound][0]
        if not variants:
            return ""
        word = stream(self.seed, "words", list(FLAWS).index(name)).integers(len(variants))
        return variants[word].format(**self.facts)

    @functools.cached_property
    def paper(self) -> str:
        """The publication, in Markdown."""
        facts, planted, rng = self.facts, self.planted, stream(self.seed, "words")
        bar = "{score} (95 % interval {low} to {high})"
        if "error_bar" in planted:
            bar = "{score} ± {error}"
        rates = "Sensitivity was {sensitivity}, specificity {specificity}."
        words = {
            "title": rng.choice(_TITLES),
            "aim": rng.choice(_AIMS),
            "bar": bar.format(**facts),
            "what_bar": "standard error" if "error_bar" in planted else "95 % interval",
            "with_p": f", p {facts['p']}" if "t_test" in planted else "",
            "times": "two or three times" if self._design.repeated else "once",
            "rates": "" if self.by_accuracy else rates.format(**facts),
            "article": "an" if self.by_accuracy else "a",
            "table": self._table(),
        }
        text = _TEMPLATE.format(**facts, **words, **{name: self.says(name) for name in FLAWS})
        # Where a sentence is missing, so is its space.
        return re.sub(r" +", " ", text).replace(" \n", "\n").strip()

    def _table(self) -> str:
        rows, lines = self.result.counts["rows"], []
        _, first = np.unique(rows.person, return_index=True)
        for k, letter in enumerate(SITES):
            here = first[rows.site[first] == k]
            patients, age = np.sum(rows.y[here]), rows.age[here].mean()
            lines.append(f"| {letter} | {patients} | {len(here) - patients} | {age:.1f} |")
        return "\n".join(lines)

    def _repr_markdown_(self) -> str:
        return self.paper

    def review(self, flaws: Iterable[str] = (), score: float | None = None) -> Review:
        """Compare a review with the truth.

        Parameters
        ----------
        flaws : iterable of str
            What is wrong with the study: names of `FLAWS`.
        score : float, optional
            What the reviewer expects at new sites, in the measure that the paper reports, from 0 to 1.
        """
        if score is not None and not (isinstance(score, Real) and 0 <= score <= 1):
            refuse("score", score, "a number from 0 to 1")
        return Review(self, named(flaws), None if score is None else float(score))


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2f}" if p >= 0.01 else f"= {p:.3f}"


def simulate_study(seed: int = 0, *, flaws: Iterable[str] | None = None) -> Study:
    """A published study with planted flaws.

    Parameters
    ----------
    seed : int
        0 or more. The same seed gives the same paper.
    flaws : iterable of str, optional
        Names of `FLAWS`; by default three to five that the seed decides. "harmonised" brings "sites" with
        it, because without that it would do next to nothing.

    Raises
    ------
    utils.simulation.ParameterError
        For a flaw that does not exist, or two that cannot stand together.
    """
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        refuse("seed", seed, "a whole number, 0 or more")
    seed = int(seed)
    planted = drawn(stream(seed, "flaws")) if flaws is None else with_companions(flaws)
    if pair := conflict(planted):
        refuse("flaws", planted, f"without {pair} together")
    design = plan(seed, planted)
    # The error bar that counts splits needs many of them.
    repetitions = 20 if {"error_bar", "t_test"} & set(planted) else 0
    return Study(seed, planted, carry_out(design, planted, repetitions=repetitions), design)
