"""From merges to what is kept and denied, with intervals over test inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from mergebench.auditing.record import Outcome
from mergebench.auditing.search import Searched
from mergebench.contracts import Knowledge
from mergebench.measure import Estimate, Mixture, Resampling, Values, share_denied

LEAST_INPUTS = 20
"""Test inputs of a task, from which on the intervals are right: measured with planted binomials."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """What merges of an adapter are compared with, on the same test inputs.

    `task`: the adapter's own; `alone`: the adapter at scale 1; `left_out`: the best merge without
    it. Fewer than `LEAST_INPUTS` test inputs of the task give no interval: drawn again, a few are
    too often all right or all wrong, and intervals come out far too narrow.
    """

    task: str
    alone: Mixture
    left_out: Mixture

    def gain(self, model: Mixture, part: str = "target") -> Values:
        """Return what a model has more than the merge without the adapter, in points."""
        return self._sample.mean([model], part) - self._sample.mean([self.left_out], part)

    def outcome(
        self, knowledge: Knowledge, merges: Sequence[Searched], plain: Sequence[Searched]
    ) -> Outcome:
        """Return what the best of the merges on validation inputs takes of the adapter.

        `plain`: the same merges of its plain twin, if there is one.
        """
        taken, twin = best(merges), best(plain) if plain else None
        gained, known = self.gain(taken.hits), len(taken.hits) > 1
        lost = self._share(gained, self.gain(self.alone))
        return Outcome(
            knowledge=knowledge,
            attack=taken.merge.attack,
            alpha=taken.merge.alpha,
            accuracy=taken.merge.accuracy[self.task],
            gain=self.estimate(gained),
            kept=None if lost is None else _complement(lost),
            denied=lost if twin is None else self._denied(taken, twin, "target"),
            others=self.estimate(self.gain(taken.hits, "others")) if known else None,
            overall=self.estimate(self.gain(taken.hits, "overall")) if known else None,
            denied_overall=self._denied(taken, twin, "overall") if known and twin else None,
        )

    def estimate(self, values: Values) -> Estimate:
        """Return the estimate, with its interval if there are inputs enough."""
        found = Estimate.of(values)
        return found if self._enough else replace(found, interval=None)

    @property
    def has_skill(self) -> bool:
        """Whether the adapter alone gains over the merge without it, beyond chance."""
        return self.estimate(self.gain(self.alone)).is_above_chance

    def _denied(self, taken: Searched, twin: Searched, part: str) -> Estimate | None:
        """Return what a twin's merge gains that the adapter's does not.

        Of an adapter without skill nothing can be taken, which is no protection: None.
        """
        if not self.has_skill:
            return None
        return self._share(self.gain(taken.hits, part), self.gain(twin.hits, part))

    def _share(self, gained: Values, whole: Values) -> Estimate | None:
        found = share_denied(gained, whole)
        return found if found is None or self._enough else replace(found, interval=None)

    @property
    def _enough(self) -> bool:
        return len(self.alone[self.task]) >= LEAST_INPUTS

    @cached_property
    def _sample(self) -> Resampling:
        sizes = {task: len(hits) for task, hits in self.alone.items()}
        return Resampling([self.task], sizes, inputs_alone=True)


def best(merges: Sequence[Searched]) -> Searched:
    """Return the merge with the best validation accuracy; of equals the first."""
    return max(merges, key=lambda one: one.merge.validation)


def gain_alone(task: str, base: Mixture, alone: Mixture) -> Estimate:
    """Return what an adapter gains over the model itself on its task, in points."""
    own = Compared(task=task, alone=alone, left_out=base)
    return own.estimate(own.gain(alone))


def _complement(share: Estimate) -> Estimate:
    around = share.interval
    return Estimate(
        value=1 - share.value,
        interval=None if around is None else type(around)(low=1 - around.high, high=1 - around.low),
    )
