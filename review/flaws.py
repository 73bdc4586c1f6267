"""What can be wrong with a study (`flaws.toml`), and what even a sound one leaves open (`limits.toml`)."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from utils.simulation import refuse


@dataclass(frozen=True)
class Flaw:
    """Something that can be wrong with a study; `flaws.toml` says what each part is."""

    title: str
    why: str
    kind: str
    flawed: tuple[str, ...] = ()
    sound: tuple[str, ...] = ()
    effect: str = "moves the score by {share}"
    sound_with: dict[str, tuple[str, ...]] = field(default_factory=dict)
    implies: tuple[str, ...] = ()
    not_with: tuple[str, ...] = ()

    @property
    def moves_score(self) -> bool:
        return self.kind == "score"

    @property
    def accusation(self) -> str:
        """The title without its capital, for the middle of a sentence."""
        return self.title[0].lower() + self.title[1:]


def _table(name: str) -> dict[str, dict]:
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


FLAWS = {name: Flaw(**row) for name, row in _table("flaws.toml").items()}
LIMITS = {name: Flaw(**row, kind="limit") for name, row in _table("limits.toml").items()}
# For a list to choose from: the flaws that move the score, by their titles.
MOVING = {flaw.title: name for name, flaw in FLAWS.items() if flaw.moves_score}


def conflict(flaws: Iterable[str]) -> str:
    """Two of these flaws that cannot stand together, as "one and other"; empty if there are none."""
    for name in (flaws := named(flaws)):
        if found := set(flaws) & set(FLAWS[name].not_with):
            return f"{name} and {min(found)}"
    return ""


def named(flaws: Iterable[str], among: Iterable[str] = tuple(FLAWS)) -> tuple[str, ...]:
    """The flaws in their order, each once; raises for an unknown name."""
    flaws = list(flaws) if isinstance(flaws, Iterable) and not isinstance(flaws, str) else [flaws]
    for name in flaws:
        if not isinstance(name, str) or name not in among:
            refuse("flaws", name, "among " + ", ".join(among))
    return tuple(name for name in among if name in flaws)


def with_companions(flaws: Iterable[str]) -> tuple[str, ...]:
    """The flaws as they are planted: "harmonised" brings "sites", as alone it does next to nothing."""
    flaws = set(named(flaws))
    return named(flaws | {"sites"} if "harmonised" in flaws else flaws)


def drawn(rng) -> tuple[str, ...]:
    """Three to five flaws that can stand together; one or two of them are claims."""
    number = int(rng.integers(3, 6))
    claims = [name for name in FLAWS if FLAWS[name].kind == "claim"]
    chosen = set(map(str, rng.permutation(claims)[: 1 + int(number == 5)]))
    for name in rng.permutation([name for name in FLAWS if name not in claims]):
        together = chosen | set(with_companions([str(name)]))
        if len(together) <= number and not conflict(together):
            chosen = together
    return named(chosen)
