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
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from pathlib import Path

import numpy as np
from scipy import stats

from review.flaws import FLAWS, LIMITS, conflict, drawn, named, with_companions
from review.study import FEATURES, SITES, Design, Result, Rows, carry_out, directions, plan, stream
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
        """What the study reports with some flaws repaired, on the same people, scans and folds."""
        left = set(self.planted) - set(named(repaired))
        return carry_out(self._design, left, truth=False).reported

    @functools.cached_property
    def shares(self) -> dict[str, float]:
        """By how much each flaw raises the score: as printed, minus with this flaw alone repaired."""
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
    def _people(self) -> Rows:
        """One row of everybody in the table: the first scan."""
        rows = self.result.counts["rows"]
        _, first = np.unique(rows.person, return_index=True)
        return Rows(*(part[first] for part in rows.parts().values()))

    @functools.cached_property
    def facts(self) -> dict[str, str]:
        """What the sentences of the paper are filled with."""
        design, result, folds = self._design, self.result, self.result.fold_scores
        controls, patients = np.bincount(self._people.y)
        right = (result.output > result.cut) == (result.y == 1)
        sensitivity, specificity = right[result.y == 1].mean(), right[result.y == 0].mean()
        variance = sensitivity * (1 - sensitivity) / patients + specificity * (1 - specificity) / controls
        if self.by_accuracy:
            variance = 4 * result.reported * (1 - result.reported) / (patients + controls)
        half = 1.96 * np.sqrt(variance / 4)
        found = {
            **{name: number for name, number in result.counts.items() if name != "rows"},
            **{
                "features": FEATURES,
                "enrolled": design.people + design.excluded,
                "excluded": design.excluded,
            },
            **{"people": patients + controls, "patients": patients, "controls": controls},
            **{"score": result.reported, "true": result.true, "balanced": result.balanced},
            **{"sensitivity": sensitivity, "specificity": specificity, "half": half},
            **{"low": max(result.reported - half, 0.0), "high": min(result.reported + half, 1.0)},
            "metric": "accuracy" if self.by_accuracy else "balanced accuracy",
            "baseline": patients / (patients + controls),
            "kept": "10, 20 or 40" if "tuning" in self.planted else design.kept[0],
            "error": f"{folds.std(ddof=1) / np.sqrt(len(folds)):.3f}" if len(folds) else "",
            "p": _p_value(stats.ttest_1samp(folds, 0.5).pvalue) if len(folds) else "",
        }
        rounded = {name: f"{one:.2f}" if isinstance(one, float) else str(one) for name, one in found.items()}
        return rounded | self._facts_of_a_region()

    def _facts_of_a_region(self) -> dict[str, str]:
        """A region that the study fails to find, though it differs; the paper calls it by name."""
        people, shift = self._people, directions(self._design)[0]
        X, shift, patient = people.X[:, shift != 0], shift[shift != 0], people.y == 1
        if "sites" not in self.planted:
            X = X - np.array([X[people.site == k].mean(0) for k in range(len(SITES))])[people.site]
        test = stats.ttest_ind(X[patient], X[~patient])
        missed = test.pvalue > 0.1
        region = int(np.argmax(missed if missed.any() else test.pvalue))
        error = np.sqrt(1 / patient.sum() + 1 / (~patient).sum())
        d, half = test.statistic[region] * error, 1.96 * error
        signed = {"region_d": d, "region_from": d - half, "region_to": d + half, "region_true": shift[region]}
        names = {"region": _REGIONS[region].capitalize(), "region_low": _REGIONS[region]}
        p = {"region_p": f"{test.pvalue[region]:.2f}"}
        return names | p | {name: f"{number:+.2f}" for name, number in signed.items()}

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
        bar = "{score} ± {error}" if "error_bar" in planted else "{score} (95 % interval {low} to {high})"
        rates = "" if self.by_accuracy else "Sensitivity was {sensitivity}, specificity {specificity}."
        words = {
            "title": rng.choice(_TITLES),
            "aim": rng.choice(_AIMS),
            "bar": bar.format(**facts),
            "what_bar": "standard error" if "error_bar" in planted else "95 % interval",
            "with_p": f", p {facts['p']}" if "t_test" in planted else "",
            "times": "two or three times" if self._design.repeated else "once",
            "rates": rates.format(**facts),
            "article": "an" if self.by_accuracy else "a",
            "table": self._table(),
        }
        text = _TEMPLATE.format(**facts, **words, **{name: self.says(name) for name in FLAWS})
        # Where a sentence is missing, so is its space.
        return re.sub(r" +", " ", text).replace(" \n", "\n").strip()

    def _table(self) -> str:
        people, lines = self._people, []
        for k, letter in enumerate(SITES):
            y, age = people.y[people.site == k], people.age[people.site == k].mean()
            lines.append(f"| {letter} | {np.sum(y == 1)} | {np.sum(y == 0)} | {age:.1f} |")
        return "\n".join(lines)

    def _repr_markdown_(self) -> str:
        return self.paper

    def review(self, flaws: Iterable[str] = (), score: float | None = None) -> Review:
        """Compare a review with the truth.

        Parameters
        ----------
        flaws : iterable of str
            What is wrong with the study: names of `FLAWS` and `LIMITS`.
        score : float, optional
            What the reviewer expects at new sites, in the measure that the paper reports, from 0 to 1.
        """
        if score is not None and not (isinstance(score, Real) and 0 <= score <= 1):
            refuse("score", score, "a number from 0 to 1")
        ticked = named(flaws, (*FLAWS, *LIMITS))
        return Review(self, ticked, None if score is None else float(score))


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2f}" if p >= 0.01 else f"= {p:.3f}"


def simulate_study(seed: int = 0, *, flaws: Iterable[str] | None = None, site_effects: float = 0.0) -> Study:
    """A published study with planted flaws.

    Parameters
    ----------
    seed : int
        0 or more. The same seed gives the same paper.
    flaws : iterable of str, optional
        Names of `FLAWS`; by default three to five that the seed decides. "harmonised" brings "sites" with
        it, because without that it would do next to nothing.
    site_effects : float
        From 0 to 1: by how much the disease looks different from site to site, as the standard deviation of
        the shift of patients in every feature. In papers it is 0: their sites differ by an offset only.

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
    if not isinstance(site_effects, Real) or isinstance(site_effects, bool) or not 0 <= site_effects <= 1:
        refuse("site_effects", site_effects, "a number from 0 to 1")
    design = replace(plan(seed, planted), site_effects=float(site_effects))
    # The error bar that counts splits needs many of them.
    repetitions = 20 if {"error_bar", "t_test"} & set(planted) else 0
    return Study(seed, planted, carry_out(design, planted, repetitions=repetitions), design)
