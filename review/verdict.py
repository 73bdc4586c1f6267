"""A review of a simulated study beside the truth."""

from dataclasses import dataclass

from review.flaws import FLAWS, LIMITS


@dataclass(frozen=True)
class Review:
    """A review beside the truth: of a `review.paper.Study`, the names of flaws, and a score at new sites."""

    study: object
    ticked: tuple[str, ...]
    score: float | None

    @property
    def found(self) -> tuple[str, ...]:
        return tuple(name for name in self.study.planted if name in self.ticked)

    @property
    def missed(self) -> tuple[str, ...]:
        return tuple(name for name in self.study.planted if name not in self.ticked)

    @property
    def true_as_well(self) -> dict[str, str]:
        """Remarks that are true because of a flaw with another name, and the name of that flaw."""
        causes = {other: name for name in self.study.planted for other in FLAWS[name].implies}
        more = [name for name in self.ticked if name in causes and name not in self.study.planted]
        return {name: causes[name] for name in more}

    @property
    def accused(self) -> tuple[str, ...]:
        """Flaws that the study does not have."""
        right = {*self.study.planted, *self.true_as_well, *LIMITS}
        return tuple(name for name in self.ticked if name not in right)

    @property
    def sentence(self) -> str:
        """What came out, in a few sentences."""
        study, result = self.study, self.study.result
        reported, true = round(result.reported, 2), round(result.true, 2)
        measure, metric = ("an accuracy of ", "a balanced accuracy of ") if study.by_accuracy else ("", "")
        said = [f"The study reports {measure}{reported:.2f}; the truth is {true:.2f};"]
        said.append(f"optimism {reported - true:+.2f}.")
        if study.by_accuracy:
            said.append(f"(The balanced accuracy is {result.balanced:.2f} in truth; guessing gets 0.50.)")
        if self.score is not None:
            off = abs(round(self.score, 2) - true)
            said.append(f"You said {self.score:.2f}, which is {off:.2f} from it.")
        said.append(f"Done right, the same study would report {metric}{study.done_right.reported:.2f}.")
        number = len(study.planted)
        if number:
            flaws = f"{number} planted {'flaw' if number == 1 else 'flaws'}"
            said.append(f"You found {len(self.found)} of {flaws} and")
        else:
            said.append("No flaw was planted. You")
        said.append(f"accused the study wrongly of {len(self.accused)}.")
        if more := len(self.true_as_well):
            said.append(f"{more} more {'remark is' if more == 1 else 'remarks are'} true as well.")
        named = sum(name in LIMITS for name in self.ticked)
        said.append(f"Of the {len(LIMITS)} limits that it shares with most such papers you named {named}.")
        return " ".join(said)

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """Of every flaw that was planted or ticked: title, whether it is there, the review, what it does."""
        here = {*self.study.planted, *self.ticked}
        listed = (FLAWS | LIMITS).items()
        return [(flaw.title, *self._row(name, flaw)) for name, flaw in listed if name in here]

    def _row(self, name, flaw):
        study = self.study
        if name in study.planted:
            share = f"{study.shares[name]:+.2f}" if flaw.moves_score else ""
            effect = flaw.effect.format(**study.facts, share=share)
            return "yes", "found" if name in self.ticked else "missed", f"{effect}. {flaw.why}"
        if name in LIMITS:
            return "yes, as in most", "true as well", flaw.why
        if name in self.true_as_well:
            cause = FLAWS[self.true_as_well[name]]
            return "yes", "true as well", f"follows from another flaw: {cause.accusation}"
        said = study.says(name)
        why = f"the paper says: {said}" if said else "the numbers of the paper do not show it"
        return "no", "accused wrongly", why

    def _repr_markdown_(self) -> str:
        if not self.rows:
            return self.sentence
        rows = [("flaw", "in the study", "your review", "what it does"), ("---",) * 4, *self.rows]
        return f"{self.sentence}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)
