"""Racing: of the many points of a search, the clearly beaten leave before they saw every image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mergebench.evaluate import Counts

Hits = Mapping[str, Tensor]
"""By task, which images are classified correctly: `(n,)` bool."""


@dataclass(frozen=True, kw_only=True)
class Race:
    """The rules: how many images the rounds show, and how sure an elimination is.

    The first round shows `first_per_task` class-balanced images of each task, every further one
    `growth` times as many in all, the last one all of them. A point leaves when it is behind
    another by more than the images that neither has seen are likely to turn around, with a
    probability of at most `risk` per comparison (`is_beaten`).
    """

    first_per_task: int = 8
    growth: float = 1.25
    risk: float = 0.05

    def rounds(self, per_task: int) -> list[range]:
        """Return the ranks of the images that each round adds, from 0 to `per_task`."""
        ends = [min(self.first_per_task, per_task)]
        while ends[-1] < per_task:
            ends.append(min(per_task, max(ends[-1] + 1, round(ends[-1] * self.growth))))
        return [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]


@dataclass(kw_only=True, eq=False)
class Entrant:
    """One point in a race, with its hits on the images that it has seen, in the order of rounds."""

    options: Mapping[str, Any]
    alpha: float
    hits: dict[str, Tensor] = field(default_factory=dict)

    def see(self, more: Hits) -> None:
        """Add the hits of one round."""
        for task, seen in more.items():
            known = self.hits.get(task)
            self.hits[task] = seen if known is None else torch.cat([known, seen])

    @property
    def counts(self) -> Counts:
        """Correct counts on the images seen so far, by task."""
        return {task: int(hits.sum()) for task, hits in self.hits.items()}


@dataclass(frozen=True, kw_only=True)
class Track:
    """What all entrants are measured by.

    `sizes`: images by task; `norms`: by which each task's accuracy is divided, as in the search's
    objective; `race`: the rules.
    """

    sizes: Counts
    norms: Mapping[str, float]
    race: Race

    def run(
        self,
        entrants: Sequence[Entrant],
        champion: Entrant | None,
        look: Callable[[Entrant, range], Hits],
    ) -> Entrant:
        """Return the best of `entrants` and `champion`, who has seen all images; ties stay first.

        `look` evaluates an entrant on the images of some ranks. Those who leave keep what they saw.
        """
        alive = list(entrants)
        for ranks in self.race.rounds(max(self.sizes.values())):
            for entrant in alive:
                entrant.see(look(entrant, ranks))
            ahead = max(alive, key=self._merit)
            rivals = [ahead] if champion is None else [ahead, champion]
            alive = [one for one in alive if not any(self.is_beaten(one, by) for by in rivals)]
            if not alive:
                break
        finished = [] if champion is None else [champion]
        return max([*finished, *alive], key=self._merit)

    def is_beaten(self, entrant: Entrant, rival: Entrant) -> bool:
        """Return whether `rival` is ahead by more than the unseen images would likely turn around.

        Compares both on the images that `entrant` has seen, in pairs. Where they differ on `d_t` of
        the `n_t` images seen of task `t`, of `N_t`, and neither is better, the lead exceeds
        `sqrt(2 ln(1 / risk) Σ_t w_t² d_t (1 - n_t / N_t))` with a probability of at most `risk`,
        where `w_t` is the weight of one image. Source: Serfling, 1974, Probability inequalities for
        the sum in sampling without replacement, for the signs of the differing pairs; it has
        `1 - (n_t - 1) / N_t`, from which an image is left out here to make the last round exact.
        """
        lead = doubt = 0.0
        for task, seen in entrant.hits.items():
            theirs = rival.hits[task][: len(seen)]
            weight = 1 / (len(seen) * self.norms[task])
            lead += weight * (int(theirs.sum()) - int(seen.sum()))
            unseen = 1 - len(seen) / self.sizes[task]
            doubt += weight**2 * int((theirs != seen).sum()) * unseen
        return lead > math.sqrt(2 * math.log(1 / self.race.risk) * doubt)

    def _merit(self, entrant: Entrant) -> float:
        parts = [
            int(hits.sum()) / len(hits) / self.norms[task] for task, hits in entrant.hits.items()
        ]
        return sum(parts) / len(parts)
