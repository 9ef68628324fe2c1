"""Racing: of the many points of a search, the clearly beaten leave before they saw every input."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mergebench.measure.counts import Counts, counted
from mergebench.measure.race import Race

Hits = Mapping[str, Tensor]
"""By task, which inputs are classified correctly: `(n,)` bool."""


@dataclass(kw_only=True, eq=False)
class Entrant:
    """One point in a race, with its hits on the inputs that it has seen, in the order of rounds."""

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
        """Correct counts on the inputs seen so far, by task."""
        return counted(self.hits)


@dataclass(frozen=True, kw_only=True)
class Track:
    """What all entrants are measured by.

    `sizes`: inputs by task; `norms`: by which each task's accuracy is divided, as in the search's
    objective; `race`: the rules.
    """

    sizes: Counts
    norms: Mapping[str, float]
    race: Race

    def run(
        self,
        entrants: Sequence[Entrant],
        earlier: Sequence[Entrant],
        look: Callable[[Entrant, range], Hits],
    ) -> None:
        """Show inputs to `entrants` until they have seen all, or are beaten.

        They race against each other and `earlier` entrants, whether those were beaten or not.
        `look` evaluates an entrant on the inputs of some ranks.
        """
        alive, left = list(entrants), list(earlier)
        for ranks in self.race.rounds(max(self.sizes.values())):
            for entrant in alive:
                entrant.see(look(entrant, ranks))
            beaten = self.beaten(alive, left)
            left += itertools.compress(alive, beaten)
            alive = [one for one, leaves in zip(alive, beaten, strict=True) if not leaves]
            if not alive:
                break

    def beaten(self, alive: Sequence[Entrant], others: Sequence[Entrant]) -> list[bool]:
        """Return which of `alive` are beaten, by another of them or by one of `others`.

        All of `alive` have seen the same inputs; others are compared if they have seen these.
        Where two differ on `d_t` of the `n_t` inputs seen of task `t`, of `N_t`, and neither is
        better, the lead exceeds `sqrt(2 ln(1 / risk) Σ_t w_t² d_t (1 - n_t / N_t))` with a
        probability of at most `risk`, where `w_t` is the weight of one input. Source: Serfling,
        1974, Probability inequalities for the sum in sampling without replacement, for the signs of
        the differing pairs; it has `1 - (n_t - 1) / N_t`, from which an input is left out here to
        make the last round exact.
        """
        seen = {task: len(hits) for task, hits in alive[0].hits.items()}
        enough = [one for one in others if all(len(one.hits[task]) >= seen[task] for task in seen)]
        rivals = [*alive, *enough]
        device = next(iter(alive[0].hits.values())).device
        lead = doubt = torch.zeros(len(alive), len(rivals), dtype=torch.float64, device=device)
        for task, count in seen.items():
            own = torch.stack([one.hits[task] for one in alive]).float()
            theirs = torch.stack([one.hits[task][:count] for one in rivals]).float()
            own_sum, their_sum = own.sum(1, keepdim=True), theirs.sum(1)
            differing = own_sum + their_sum - 2 * own @ theirs.T
            weight = 1 / (count * self.norms[task])
            lead = lead + weight * (their_sum - own_sum).double()
            unseen = 1 - count / self.sizes[task]
            doubt = doubt + weight**2 * unseen * differing.double()
        least = (2 * math.log(1 / self.race.risk) * doubt).sqrt()
        ahead: list[bool] = (lead > least).any(dim=1).tolist()
        return ahead
