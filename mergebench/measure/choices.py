"""What an attacker takes: among the merges of one target, the best on validation inputs."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from mergebench.measure.measurements import UNPROTECTED, Merged


class Choices:
    """Merges by what they are of; an unprotected one of no target is every target's."""

    def __init__(self, merges: Iterable[Merged]) -> None:
        self._found = {(one.protection, one.name, one.target, one.seed): one for one in merges}

    def best(
        self,
        protection: str,
        attacks: Iterable[str],
        target: str,
        seed: int,
        *,
        others: Iterable[Merged] = (),
    ) -> Merged:
        """Return the merge with the best mean validation accuracy; of equals the first.

        One that is empty is taken where all are. `attacks`: as `attack@space`; `others`: further
        merges, of anything, those of this target and seed with an update of this protection being
        candidates. Raises `ValueError` naming an attack that was not measured.
        """
        place = protection, target, seed
        more = (one for one in others if (one.protection, one.target, one.seed) == place)
        own = (self.of(protection, attack, target, seed) for attack in attacks)
        return max((*own, *more), key=lambda one: (not one.empty, validated(one)))

    def left_out(self, yardsticks: Iterable[str], target: str, seed: int) -> Merged:
        """Return the best of the merges without the target's update, W0 among them if it was.

        Raises as `best`.
        """
        found = (self.of(UNPROTECTED, attack, target, seed) for attack in yardsticks)
        return max(found, key=validated)

    def of(self, protection: str, attack: str, target: str, seed: int) -> Merged:
        """Return the merge of one attack; raises as `best`."""
        for whose in (target, None):
            found = self._found.get((protection, attack, whose, seed))
            if found is not None:
                return found
        raise ValueError(f"{attack} of {target}, {protection}, seed {seed} was not measured")


def validated(merged: Merged) -> Fraction:
    """Return the mean validation accuracy over all tasks, exactly."""
    shares = [Fraction(merged.validated[task], n) for task, n in merged.validation_sizes.items()]
    return sum(shares, Fraction(0)) / len(shares)
