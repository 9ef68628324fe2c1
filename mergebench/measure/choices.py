"""What an attacker takes: among the merges of one target, the best on validation inputs.

In two stages, as searches may look at few inputs, on which the luckiest of many attacks is seldom
the best one: first the finalists by those inputs, then the best of them on all validation inputs.
Every level has finalists of its own among those of who knows or is given more, so that more attacks
to choose from are never worse on all validation inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mergebench.measure.measurements import UNPROTECTED, Merged, MergeKey

FINALISTS = 4
"""How many merges of each level are held against each other on all validation inputs."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The merges that one is chosen from: of each level the best by the inputs of their searches.

    `taking`: what is empty takes no update, and is chosen where all are.
    """

    finalists: tuple[Merged, ...]
    taking: bool

    @classmethod
    def among(
        cls, levels: Iterable[Sequence[Merged]], *, taking: bool, others: Iterable[Merged] = ()
    ) -> Choice:
        """Return the choice among the merges of some levels, of equals in their order.

        `others` are finalists besides: nobody knows on which inputs they were chosen.
        """

        def rank(one: Merged) -> tuple[bool, Fraction]:
            return not (taking and one.empty), validated(one)

        own = [
            one for merges in levels for one in sorted(merges, key=rank, reverse=True)[:FINALISTS]
        ]
        return cls(finalists=(*own, *others), taking=taking)

    @property
    def best(self) -> Merged:
        """The best mean accuracy over all tasks on all validation inputs; of equals the first.

        Raises `ValueError`, naming it, for a finalist that is not confirmed there.
        """
        return max(
            self.finalists, key=lambda one: (not (self.taking and one.empty), confirmed(one))
        )


class Choices:
    """Merges by what they are of; an unprotected one of no target is every target's."""

    def __init__(self, merges: Iterable[Merged]) -> None:
        self._found = {one.key: one for one in merges}

    def taking(
        self,
        protection: str,
        levels: Iterable[Iterable[str]],
        target: str,
        seed: int,
        *,
        others: Iterable[Merged] = (),
    ) -> Choice:
        """Return the choice among the merges of a target's update with this protection.

        `levels`: the attacks of each, as `attack@space`; `others`: as of `Choice.among`, of
        anything, those of the same update being taken. Raises `ValueError` naming an attack that
        was not measured.
        """
        place = protection, target, seed
        more = [one for one in others if (one.protection, one.target, one.seed) == place]
        own = [
            [self.of(protection, attack, target, seed) for attack in attacks] for attacks in levels
        ]
        return Choice.among(own, taking=True, others=more)

    def leaving_out(self, yardsticks: Iterable[str], target: str, seed: int) -> Choice:
        """Return the choice among the merges without the target's update.

        W0 is among them if it was. Raises as `taking`.
        """
        own = [self.of(UNPROTECTED, attack, target, seed) for attack in yardsticks]
        return Choice.among([own], taking=False)

    def of(self, protection: str, attack: str, target: str, seed: int) -> Merged:
        """Return the merge of one attack; raises as `taking`."""
        for whose in (target, None):
            found = self._found.get(MergeKey(protection, attack, whose, seed))
            if found is not None:
                return found
        raise ValueError(f"{attack} of {target}, {protection}, seed {seed} was not measured")


def validated(merged: Merged) -> Fraction:
    """Return the mean accuracy over all tasks on the inputs of the search, exactly."""
    return _mean(merged.validated, merged.validation_sizes)


def confirmed(merged: Merged) -> Fraction:
    """Return the mean accuracy over all tasks on all validation inputs, exactly.

    Raises `ValueError` for a merge that was not looked at there.
    """
    if not merged.confirmed:
        place = f"{merged.target}, {merged.protection}, seed {merged.seed}"
        raise ValueError(f"{merged.name} of {place} was not confirmed on all validation inputs")
    return _mean(merged.confirmed, merged.confirmation_sizes)


def _mean(correct: Mapping[str, int], sizes: Mapping[str, int]) -> Fraction:
    shares = [Fraction(correct[task], size) for task, size in sizes.items()]
    return sum(shares, Fraction(0)) / len(shares)
