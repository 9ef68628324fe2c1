"""From merges to what is kept and denied, with intervals over test inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from mergebench.auditing.record import Outcome
from mergebench.auditing.search import Searched
from mergebench.contracts import Knowledge
from mergebench.measure import Estimate, Mixture, Resampling, Values, share_denied


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """What merges of an adapter are compared with, on the same test inputs.

    `task`: the adapter's own; `alone`: the adapter at scale 1; `left_out`: the best merge without
    it.
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
        gained, whole = self.gain(taken.hits), self.gain(self.alone)
        lost = share_denied(gained, whole)
        known = len(taken.hits) > 1
        return Outcome(
            knowledge=knowledge,
            attack=taken.merge.attack,
            alpha=taken.merge.alpha,
            accuracy=taken.merge.accuracy[self.task],
            gain=Estimate.of(gained),
            kept=None if lost is None else _complement(lost),
            denied=lost if twin is None else share_denied(gained, self.gain(twin.hits)),
            others=Estimate.of(self.gain(taken.hits, "others")) if known else None,
            overall=Estimate.of(self.gain(taken.hits, "overall")) if known else None,
            denied_overall=self._denied_overall(taken, twin) if known else None,
        )

    def _denied_overall(self, taken: Searched, twin: Searched | None) -> Estimate | None:
        if twin is None:
            return None
        return share_denied(self.gain(taken.hits, "overall"), self.gain(twin.hits, "overall"))

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
    return Estimate.of(own.gain(alone))


def _complement(share: Estimate) -> Estimate:
    around = share.interval
    return Estimate(
        value=1 - share.value,
        interval=None if around is None else type(around)(low=1 - around.high, high=1 - around.low),
    )
