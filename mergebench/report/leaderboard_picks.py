"""What attackers take at each level, target by target: chosen on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mergebench.measure import BOUNDS, UNPROTECTED, Choices, Level, Measurements, Merged, confirmed


@dataclass(frozen=True, kw_only=True)
class Pick:
    """What an attacker takes for one target and seed, and what that is compared with.

    `taken`: with the protected update, `unprotected` with an unprotected one, both the best on
    validation of what his level allows; `left_out`: without it. `finalists`: what `taken` was
    chosen from in the end, as `attack@space`, with mean accuracies on all validation inputs.
    `thefts`: by bound, the best on the target within it; None where every mixture costs the others
    more.
    """

    target: str
    seed: int
    taken: Merged
    unprotected: Merged
    left_out: Merged
    finalists: Mapping[str, Fraction]
    thefts: Mapping[int, Merged | None]


class Picks:
    """What attackers take, from all that was measured."""

    def __init__(
        self, measurements: Measurements, levels: Sequence[Level], yardsticks: Sequence[str]
    ) -> None:
        self._choices = Choices(measurements.merged)
        self._levels = levels
        self._counters, self._run_on = measurements.counters, measurements.run_on
        self._yardsticks = yardsticks
        context = measurements.context
        self._pairs = [(target, seed) for seed in context.seeds for target in context.tasks]
        self._thefts = {
            (one.protection, one.level, one.target, one.seed, one.bound): one.merged
            for one in measurements.thefts
        }

    def of(self, protection: str, level: Level) -> tuple[Pick, ...]:
        """Return a pick per target and seed; ValueError naming what was not measured.

        An unprotected update is compared under the attacks that were run on the protected one.
        """
        others = [one.merged for one in self._counters if level.allows(one.level)]
        allowed = [one.attacks for one in self._levels if level.allows(one)]
        usable = [self._run_on(protection, attacks) for attacks in allowed]
        return tuple(
            Pick(
                target=target,
                seed=seed,
                taken=choice.best,
                unprotected=self._choices.taking(UNPROTECTED, usable, target, seed).best,
                left_out=self._choices.leaving_out(self._yardsticks, target, seed).best,
                finalists={one.name: confirmed(one) for one in choice.finalists},
                thefts={
                    bound: self._thefts[key]
                    for bound in BOUNDS
                    if (key := (protection, level, target, seed, bound)) in self._thefts
                },
            )
            for target, seed in self._pairs
            for choice in [self._choices.taking(protection, usable, target, seed, others=others)]
        )
