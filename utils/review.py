"""A simulated published study, to be reviewed: what it says, what is wrong with it, and what is true.

A study recruits patients and controls, scans them, and reports how well a classifier tells them apart.
Some flaws are planted in it. Nothing is made up: every printed number comes from running the flawed
analysis on the simulated scans, and the paper says what was done, so that a careful reader can find every
flaw. The true score is that of the study's own final model on many new people at new sites.

`utils.study` carries the studies out; here they are written up and reviewed.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy import stats
from threadpoolctl import ThreadpoolController

from utils.experiments import experiment, require
from utils.study import (
    FEATURES,
    SITES,
    Design,
    Result,
    carry_out,
    carry_out_stack,
    directions,
    exact_truth,
    plan,
    plan_stacks,
    stream,
)


@dataclass(frozen=True)
class Flaw:
    """Something that can be wrong with a study.

    Attributes
    ----------
    title : str
        The accusation, for a list to tick.
    why : str
        What it does, in one sentence.
    moves_score : bool
        True if it changes the reported score; False if it misstates how certain or how general that is.
    flawed, sound : tuple of str
        What the paper says where the flaw is, and where it is not, in several wordings. Empty: the paper
        shows it by its numbers alone.
    """

    title: str
    why: str
    moves_score: bool
    flawed: tuple[str, ...]
    sound: tuple[str, ...]


FLAWS = {
    "duplicates": Flaw(
        "Some people are in the data twice",
        "Who is in the data twice is in training and test folds: the classifier has seen the answer.",
        True,
        ("The tables of the first and the second data release were joined.",
         "Records of the pilot phase and of the main phase were pooled."),
        ("The tables of the first and the second data release were joined; who was in both was identified by "
         "the images' checksums and kept once.",
         "Records of the pilot phase and of the main phase were pooled after a search for people in both.")),
    "exclusions": Flaw(
        "Cases were left out because of their result",
        "Leaving out cases that the classifier gets wrong leaves the easy ones.",
        True,
        ("{excluded} people were excluded because of motion. After a first run of the analysis, {outliers} more "
         "whose scans fitted the classifier poorly were removed as outliers, and the analysis was repeated.",
         "{excluded} people were excluded because of motion, and {outliers} others when an inspection of the "
         "misclassified cases suggested insufficient image quality."),
        ("{excluded} people were excluded because of motion, by a reader who knew neither diagnoses nor results.",
         "Before the analysis, {excluded} people were excluded because of motion in their images; nobody was "
         "excluded later.")),
    "rereading": Flaw(
        "Diagnoses were revised in the light of the result",
        "Asking again only where the classifier disagrees moves the labels towards the classifier.",
        True,
        ("Where classifier and clinical diagnosis disagreed, a neurologist reconsidered the case, and {revised} "
         "diagnoses were revised.",
         "Discordant cases were adjudicated by an expert who saw the classifier's output; this changed "
         "{revised} diagnoses."),
        ("Diagnoses were made by two neurologists who did not see the images, and not changed afterwards.",
         "All diagnoses were confirmed after two years by a neurologist who knew no result of this study.")),
    "target": Flaw(
        "A feature is a consequence of the diagnosis",
        "Such a feature tells that somebody has been diagnosed, and nothing about those who have not been yet.",
        True,
        ("{features} regional measures of thickness and volume and the daily dose of levodopa entered the "
         "classifier.",
         "The classifier was given {features} regional measures of thickness and volume, and the number of "
         "visits to the movement clinic in the past year."),
        ("{features} regional measures of thickness and volume, and no clinical variable, entered the classifier.",
         "The classifier was given {features} regional measures of thickness and volume. Medication and visits "
         "were recorded but not given to it.")),
    "sites": Flaw(
        "The diagnosis goes with the site",
        "The classifier can tell the scanners apart instead of the groups, which fails at every other site.",
        True, (), ()),
    "harmonised": Flaw(
        "Harmonisation used the diagnoses of the test scans",
        "Preserving the diagnosis over all scans writes the diagnoses of the test scans into the features.",
        True,
        ("Site effects were removed from all scans with a model that preserved the effect of diagnosis; the "
         "harmonised features were used in everything that follows.",
         "Before cross-validation the features were harmonised across sites, with diagnosis as a covariate to "
         "be preserved."),
        ("The mean of each site, estimated from training scans without their diagnoses, was subtracted.",
         "Features were centred per site within the training folds; diagnoses played no part in it.")),
    "selection": Flaw(
        "Features were chosen with the test scans",
        "Among many features some agree with the diagnoses by luck, those of the test scans included.",
        True,
        ("The {kept} measures that differed most between the groups (t-test, all participants) were kept.",
         "To reduce dimensionality, group comparisons identified the {kept} most discriminative measures, which "
         "then entered cross-validation."),
        ("Within each training fold the {kept} measures that differed most between the groups were kept.",
         "The {kept} most discriminative measures were identified anew in the training scans of every fold.")),
    "tuning": Flaw(
        "Settings were chosen by the very score that is reported",
        "The best of many noisy scores is too good on average.",
        True,
        ("We compared {settings} combinations of measures and penalties, and report the one with the highest "
         "cross-validated performance.",
         "Of {settings} configurations the most accurate in cross-validation was retained as the final model."),
        ("The penalty and the set of measures were fixed before the analysis.",
         "Nothing was tuned: all settings were taken from a registered analysis plan.")),
    "oversampling": Flaw(
        "Scans were multiplied before the split",
        "Copies and mixtures of a test scan are among the training scans.",
        True,
        ("To balance the groups, {synthetic} synthetic scans of controls were created (SMOTE), and the enlarged "
         "data set was divided for cross-validation.",
         "The smaller group was first enlarged by {synthetic} synthetic scans, interpolated between similar "
         "ones; cross-validation followed."),
        ("Scans were weighted so that both groups count equally; no synthetic scans were added.",
         "The classifier used class weights, and no scan was copied or synthesised.")),
    "repeated": Flaw(
        "Folds were made of scans, although people have several",
        "It is enough to recognise the person.",
        True,
        ("The {scans} scans were divided at random into five folds, with equal shares of patients.",
         "Performance was estimated by stratified five-fold cross-validation over the {scans} scans."),
        ("The participants, with all scans they had, were divided into five folds.",
         "Performance was estimated by five-fold cross-validation over people: nobody's scans were in "
         "training and test folds.")),
    "seeds": Flaw(
        "The luckiest of several splits is reported",
        "Of ten deals of the folds, the kindest is too kind.",
        True,
        ("Of ten random seeds for the division, the one with the best performance is reported.",
         "The division was repeated with ten seeds; results are given for the most favourable one."),
        ("The seed of the division was fixed in advance.",
         "The folds were drawn once, with a seed written down beforehand.")),
    "threshold": Flaw(
        "The cut-off was chosen on the test scans",
        "The best cut-off for these very scans is not the best for others.",
        True,
        ("The cut-off that maximised the {metric} of the cross-validated outputs was used.",
         "An optimal cut-off was determined from the pooled outputs of all test folds."),
        ("The cut-off was that of the classifier (an output of 0), fixed in advance.",
         "Outputs above 0 counted as patients; this cut-off was not adjusted.")),
    "majority": Flaw(
        "Guessing “patient” would nearly reach that score",
        "If most are patients, an accuracy needs its baseline beside it: the share of patients.",
        True,
        ("Performance is reported as accuracy.",
         "The primary measure was the share of scans classified correctly."),
        ("Performance is reported as balanced accuracy, the mean of sensitivity and specificity, which is 0.50 "
         "for guessing.",
         "The primary measure was the balanced accuracy (mean of sensitivity and specificity; guessing: 0.50).")),
    "error_bar": Flaw(
        "The error bar counts splits, not people",
        "More splits make this bar shorter, although not one person was added.",
        False,
        ("Uncertainty is given as the standard error over the 100 test folds of 20 repetitions.",
         "We repeated cross-validation 20 times and give the standard error of the mean over the 100 folds."),
        ("Uncertainty is given as a 95 % interval that counts people, not scans or folds; it is the least that "
         "is uncertain.",
         "The 95 % interval rests on the number of people; that of a cross-validated score is wider still.")),
    "t_test": Flaw(
        "A t-test over folds gives the p-value",
        "Folds share their training scans, so they are no independent measurements.",
        False,
        ("Performance was compared with chance by a one-sample t-test over the 100 test folds of 20 repetitions.",
         "Significance was assessed with a t-test on the fold-wise performances of 20 repetitions."),
        ("No p-value is given.",
         "We made no test of significance, since the folds are not independent.")),
    "absence": Flaw(
        "“Not significant” is taken for “no effect”",
        "A difference that was not found in so few people can still be there.",
        False,
        ("{region} did not differ between the groups (p = {region_p}) and so plays no part in the disease.",
         "There was no difference in {region_low} (p = {region_p}), which rules this region out."),
        ("A difference in {region_low} could not be shown: {region_d} standard deviations, 95 % interval "
         "{region_from} to {region_to}.",
         "{region} differed by {region_d} standard deviations (95 % interval {region_from} to {region_to}), so "
         "a difference in either direction is possible.")),
    "generalises": Flaw(
        "The claim goes beyond what was tested",
        "Nothing was tested at other sites, nor on people whose diagnosis is in doubt.",
        False,
        ("The method is ready to support diagnosis in clinical practice.",
         "These findings establish a generalisable imaging marker of the disease."),
        ("Before any use, the model must be tested at other sites.",
         "Whether this holds at other sites, or in people whose diagnosis is in doubt, was not tested.")),
}  # fmt: skip

# For a list to choose from: the flaws that move the score, by their titles.
MOVING = {flaw.title: name for name, flaw in FLAWS.items() if flaw.moves_score}

# What cannot stand together in one study, because one would undo the other or leave it without meaning.
_CONFLICTS = ({"majority", "oversampling"}, {"majority", "sites"}, {"oversampling", "sites"})
# The informative features, as the paper calls them.
_REGIONS = ("precuneus thickness", "fusiform thickness", "cuneus thickness", "insular thickness",
            "entorhinal thickness", "lingual thickness", "putamen volume", "amygdala volume", "hippocampal volume",
            "pallidum volume", "accumbens volume", "thalamus volume")


@functools.cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all libraries of the process, which takes a while


def _one_thread():
    """The matrices are small: a second thread would only get in the way."""
    return _threads().limit(limits=1)


def _named(flaws: Iterable[str]) -> tuple[str, ...]:
    """The flaws in the order of `FLAWS`; raises for an unknown name."""
    flaws = list(flaws) if isinstance(flaws, Iterable) and not isinstance(flaws, str) else [flaws]
    for name in flaws:
        require(isinstance(name, str) and name in FLAWS, "flaws", name, "among " + ", ".join(FLAWS))
    return tuple(name for name in FLAWS if name in flaws)


def _draw_flaws(seed: int) -> tuple[str, ...]:
    """Three to five flaws that can stand together; one or two of them do not move the score."""
    rng = stream(seed, "flaws")
    number = int(rng.integers(3, 6))
    claims = 1 + int(number == 5)
    chosen = list(rng.permutation([name for name in FLAWS if not FLAWS[name].moves_score])[:claims])
    for name in rng.permutation([name for name in FLAWS if FLAWS[name].moves_score]):
        new = {"harmonised", "sites"} if name == "harmonised" else {str(name)}
        together = set(chosen) | new
        if len(together) <= number and not any(pair <= together for pair in _CONFLICTS):
            chosen = list(together)
    return _named(chosen)

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

    @functools.cached_property
    def done_right(self) -> Result:
        """The same study carried out with all flaws repaired."""
        with _one_thread():
            return carry_out(self._design, ())

    @functools.cached_property
    def shares(self) -> dict[str, float]:
        """By how much each flaw raises the reported score: as printed, minus with this flaw alone repaired."""
        with _one_thread():
            return {name: self.result.reported - carry_out(self._design, set(self.planted) - {name}, truth=False).reported
                    for name in self.planted if FLAWS[name].moves_score}

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
        n = design.per_site * len(SITES)
        _, first = np.unique(rows.person, return_index=True)
        y, site = rows.y[first], rows.site[first]
        shift = directions(design)
        X, shift = rows.X[first][:, shift != 0], shift[shift != 0]
        if "sites" not in self.planted:
            X = X - np.array([X[site == k].mean(0) for k in range(len(SITES))])[site]
        test = stats.ttest_ind(X[y == 1], X[y == 0])
        # A region that the study fails to find, though it differs; the paper calls it by name.
        region = int(np.argmax(test.pvalue > 0.1)) if np.any(test.pvalue > 0.1) else int(np.argmax(test.pvalue))
        half = 1.96 * np.sqrt(1 / np.sum(y == 1) + 1 / np.sum(y == 0))
        d = test.statistic[region] * np.sqrt(1 / np.sum(y == 1) + 1 / np.sum(y == 0))
        right = (result.output > result.cut) == (result.y == 1)
        sensitivity, specificity = right[result.y == 1].mean(), right[result.y == 0].mean()
        known = result.reported * (1 - result.reported) / len(y)
        if "majority" not in self.planted:
            known = (sensitivity * (1 - sensitivity) / np.sum(y == 1)
                     + specificity * (1 - specificity) / np.sum(y == 0)) / 4
        interval = 1.96 * np.sqrt(known)
        folds = result.fold_scores
        return {
            "features": str(FEATURES), "settings": str(result.counts["settings"]),
            "kept": "10, 20 or 40" if "tuning" in self.planted else str(design.kept),
            "enrolled": str(n + design.excluded), "excluded": str(design.excluded),
            "outliers": str(result.counts["outliers"]), "revised": str(result.counts["revised"]),
            "synthetic": str(result.counts["synthetic"]), "scans": str(result.counts["scans"]),
            "people": str(len(y)), "patients": str(np.sum(y == 1)), "controls": str(np.sum(y == 0)),
            "metric": "accuracy" if "majority" in self.planted else "balanced accuracy",
            "score": f"{result.reported:.2f}", "sensitivity": f"{sensitivity:.2f}", "specificity": f"{specificity:.2f}",
            "low": f"{max(result.reported - interval, 0):.2f}", "high": f"{min(result.reported + interval, 1):.2f}",
            "half": f"{interval:.2f}",
            "error": f"{folds.std(ddof=1) / np.sqrt(len(folds)):.3f}" if len(folds) else "",
            "p": _p_value(stats.ttest_1samp(folds, 0.5).pvalue) if len(folds) else "",
            "region": _REGIONS[region].capitalize(), "region_low": _REGIONS[region],
            "region_p": f"{test.pvalue[region]:.2f}", "region_d": f"{d:+.2f}", "region_from": f"{d - half:+.2f}",
            "region_to": f"{d + half:+.2f}", "region_true": f"{shift[region]:+.2f}",
        }

    def says(self, name: str) -> str:
        """The sentence of the paper on the matter of one flaw; empty where its numbers say it."""
        flaw, planted = FLAWS[name], set(self.planted)
        variants = flaw.flawed if name in planted else flaw.sound
        if name == "harmonised" and "sites" in planted and name not in planted:
            variants = ("Features were used as the scanners gave them.", "No adjustment for site was made.")
        elif name == "selection" and name not in planted and "tuning" in planted:
            variants = ("Where measures were selected, this was done anew in the training scans of every fold.",)
        elif name == "selection" and name not in planted and self._design.kept is None:
            variants = ("All measures entered; none was selected.", "There was no selection of measures.")
        elif name == "oversampling" and "majority" in planted:
            variants = ("No scan was weighted, copied or synthesised.",)
        if not variants:
            return ""
        word = stream(self.seed, "words", list(FLAWS).index(name)).integers(len(variants))
        return variants[word].format(**self.facts)

    @functools.cached_property
    def paper(self) -> str:
        """The publication, in Markdown."""
        facts, planted, say = self.facts, set(self.planted), self.says
        rng = stream(self.seed, "words")
        title = rng.choice(["Can regional brain morphometry tell Parkinson's disease? A study at four sites",
                            "Classification of Parkinson's disease and controls from structural MRI",
                            "A multi-centre classifier of Parkinson's disease from structural MRI"])
        aim = rng.choice(["We asked whether regional thickness and volume can tell patients from controls.",
                          "Structural MRI is part of the clinical work-up. We examined what a classifier can read in it."])
        if "error_bar" in planted:
            bar = f"{facts['score']} ± {facts['error']}"
        else:
            bar = f"{facts['score']} (95 % interval {facts['low']} to {facts['high']})"
        p = f", p {facts['p']}" if "t_test" in planted else ""
        scans = "Everybody was scanned two or three times" if self._design.repeated else "Everybody was scanned once"
        rates = ("" if "majority" in planted
                 else f" Sensitivity was {facts['sensitivity']}, specificity {facts['specificity']}.")
        article = "an" if "majority" in planted else "a"
        rows, lines = self.result.counts["rows"], []
        _, first = np.unique(rows.person, return_index=True)
        for k, letter in enumerate(SITES):
            here = first[rows.site[first] == k]
            numbers = [np.sum(rows.y[here] == label) for label in (1, 0)]
            lines.append(f"| {letter} | {numbers[0]} | {numbers[1]} | {rows.age[here].mean():.1f} |")
        body = {
            "Abstract": f"{aim} In {facts['people']} data sets from four sites ({facts['patients']} of patients, "
                        f"{facts['controls']} of controls) a linear classifier reached a cross-validated "
                        f"{facts['metric']} of {bar}{p}. {say('generalises')}",
            "Participants": f"{facts['enrolled']} people were enrolled at four sites. {say('exclusions')} "
                            f"{say('duplicates')} Table 1 shows the data sets analysed. {say('rereading')}",
            "Imaging": f"{scans} ({facts['scans']} scans in the analysis). {say('target')} {say('harmonised')}",
            "Classifier": f"A linear classifier with a ridge penalty was used. {say('selection')} {say('tuning')} "
                          f"{say('oversampling')}",
            "Evaluation": f"{say('repeated')} {say('seeds')} {say('threshold')} {say('majority')} "
                          f"{say('error_bar')} {say('t_test')}",
            "Results": f"The classifier reached {article} {facts['metric']} of {bar}{p} (Figure 1).{rates} {say('absence')}",
            "Figure 1": f"Left: output of the classifier in the test folds, one dot per scan; the line is the "
                        f"cut-off. Right: {facts['metric']}; the bar is "
                        + ("its standard error." if "error_bar" in planted else "its 95 % interval."),
        }
        table = ("**Table 1.** Data sets analysed.\n\n| Site | Patients | Controls | Mean age |\n|---|---|---|---|\n"
                  + "\n".join(lines))
        parts = [f"**{title}**"]
        for heading, text in body.items():
            parts.append(f"**{heading}.** " + " ".join(text.split()))
            if heading == "Participants":
                parts.append(table)
        return "\n\n".join(parts)

    def _repr_markdown_(self) -> str:
        return self.paper

    def review(self, flaws: Iterable[str] = (), score: float | None = None) -> "Review":
        """Compare a review with the truth.

        Parameters
        ----------
        flaws : iterable of str
            What is wrong with the study: names of `FLAWS`.
        score : float, optional
            The balanced accuracy that the reviewer expects at new sites, from 0 to 1.

        Returns
        -------
        Review
        """
        if score is not None:
            require(isinstance(score, (int, float, np.number)) and 0 <= score <= 1, "score", score,
                    "a number from 0 to 1")
        return Review(self, _named(flaws), None if score is None else float(score))


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2f}" if p >= 0.01 else f"= {p:.3f}"


@dataclass(frozen=True)
class Review:
    """A review beside the truth.

    Attributes
    ----------
    study : Study
    ticked : tuple of str
    score : float or None
    """

    study: Study
    ticked: tuple[str, ...]
    score: float | None

    @property
    def found(self) -> tuple[str, ...]:
        return tuple(name for name in self.study.planted if name in self.ticked)

    @property
    def missed(self) -> tuple[str, ...]:
        return tuple(name for name in self.study.planted if name not in self.ticked)

    @property
    def accused(self) -> tuple[str, ...]:
        """Flaws that the study does not have."""
        return tuple(name for name in self.ticked if name not in self.study.planted)

    @staticmethod
    def title(name: str) -> str:
        """A flaw as the accusation that reviewers tick, without a capital."""
        return FLAWS[name].title[0].lower() + FLAWS[name].title[1:]

    @property
    def sentence(self) -> str:
        """What came out, in a few sentences."""
        study, result = self.study, self.study.result
        reported, true = round(result.reported, 2), round(result.true, 2)
        guess = ""
        if self.score is not None:
            guess = f" You said {self.score:.2f}, which is {abs(round(self.score, 2) - true):.2f} from it."
        number = len(study.planted)
        flaws = f"{number} planted {'flaw' if number == 1 else 'flaws'}"
        review = (f"You found {len(self.found)} of {flaws} and accused the study wrongly of {len(self.accused)}."
                  if number else f"No flaw was planted. You accused the study wrongly of {len(self.accused)}.")
        return (f"The study reports {reported:.2f}; the truth is {true:.2f}; optimism {reported - true:+.2f}.{guess} "
                f"Done right, the same study would report {study.done_right.reported:.2f}. {review}")

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """Of every flaw that was planted or ticked: title, whether it is there, the review, what it does."""
        study, facts = self.study, self.study.facts
        does = {
            "error_bar": f"misstates the uncertainty: ± {facts['error']} is printed; a 95 % interval that counts "
                         f"people is ± {facts['half']}",
            "t_test": f"misstates the evidence: p {facts['p']} is not what it seems",
            "absence": f"wrong claim: in truth the groups differ there by {facts['region_true']} standard deviations",
            "generalises": f"wrong claim: at new sites the model gets {study.result.true:.2f}",
        }
        rows = []
        for name, flaw in FLAWS.items():
            if name in study.planted:
                effect = does.get(name) or f"moves the score by {study.shares[name]:+.2f}"
                rows.append((flaw.title, "yes", "found" if name in self.ticked else "missed", f"{effect}. {flaw.why}"))
            elif name in self.ticked:
                said = study.says(name)
                rows.append((flaw.title, "no", "accused wrongly",
                             f"the paper says: {said}" if said else "the numbers of the paper do not show it"))
        return rows

    def _repr_markdown_(self) -> str:
        if not self.rows:
            return self.sentence
        lines = [" | ".join(row) for row in [("flaw", "in the study", "your review", "what it does"), ("---",) * 4, *self.rows]]
        return f"{self.sentence}\n\n" + "\n".join(f"| {line} |" for line in lines)


def simulate_study(seed: int = 0, *, flaws: Iterable[str] | None = None) -> Study:
    """A published study with planted flaws.

    Parameters
    ----------
    seed : int
        0 or more. The same seed gives the same paper.
    flaws : iterable of str, optional
        Names of `FLAWS`; by default three to five that the seed decides. "harmonised" brings "sites" with
        it, because without that it would do next to nothing.

    Returns
    -------
    Study

    Raises
    ------
    utils.experiments.ParameterError
        For a flaw that does not exist, or two that cannot stand together.
    """
    require(isinstance(seed, (int, np.integer)) and seed >= 0, "seed", seed, "a whole number, 0 or more")
    planted = _draw_flaws(seed) if flaws is None else _named(flaws)
    if "harmonised" in planted:
        planted = _named({*planted, "sites"})
    for pair in _CONFLICTS:
        require(not pair <= set(planted), "flaws", planted, f"without {' and '.join(sorted(pair))} together")
    design = plan(int(seed), planted)
    # The error bar that counts splits needs many of them.
    repetitions = 20 if {"error_bar", "t_test"} & set(planted) else 0
    with _one_thread():
        return Study(int(seed), planted, carry_out(design, planted, repetitions=repetitions), design)


def _read_flaw(draws, parameters):
    reported, honest, true = (draws[name].mean() for name in ("reported", "honest", "true"))
    return (f"{4 * parameters['per_site']} people, one flaw ({FLAWS[parameters['flaw']].title[0].lower()}"
            f"{FLAWS[parameters['flaw']].title[1:]}): the study reports {reported:.2f}; without the flaw it would "
            f"report {honest:.2f}; the truth is {true:.2f}.")


# What leaves the first run as it is: it is the study without the flaw.
_LATER = {"exclusions", "rereading", "tuning", "seeds", "threshold"}


@experiment(_read_flaw, block=10)
def one_flaw(*, flaw: str = "selection", per_site: int = 25, rng: np.random.Generator,
             repeats: int) -> dict[str, np.ndarray]:
    """Many studies with one and the same flaw.

    Parameters
    ----------
    flaw : str
        A name of `FLAWS` that moves the score. With "harmonised" comes "sites"; both are repaired.
    per_site : int
        People at each of the four sites, 10 or more.

    Returns
    -------
    Outcome
        Draws "reported", "honest" (the same study without the flaw), "true": shape (repeats,).
    """
    require(flaw in FLAWS and FLAWS[flaw].moves_score, "flaw", flaw, "one of those that move the score")
    require(per_site >= 10, "per_site", per_site, "10 or more")
    planted = _named({flaw, "sites"} if flaw == "harmonised" else {flaw})
    draws = {name: np.empty(repeats) for name in ("reported", "honest", "true")}
    with _one_thread():
        for studies, design in plan_stacks(rng, planted, per_site, repeats):
            result = carry_out_stack(design, planted, truth=exact_truth)
            draws["reported"][studies], draws["true"][studies] = result.reported, result.true
            honest = result.first if flaw in _LATER else carry_out_stack(design, ()).reported
            draws["honest"][studies] = honest
    return draws
