"""What a merger gains by taking an update, against the merge without it; how much is denied.

Source: the yardstick is what every merger has anyway, the merge of the other updates. All numbers
are in points of accuracy, averaged over targets, with percentile intervals of 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mergebench.measure.measurements import Merged
from mergebench.measure.resampling import (
    ROUNDING,
    Estimate,
    Mixture,
    Resampling,
    Values,
    mixture_of,
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One target and seed: the model with its protected update, and what it is compared with.

    `taken`: with the protected update; `left_out`: of the other updates; `unprotected`: with the
    target's unprotected update. All on the same test inputs of the same tasks.
    """

    target: str
    seed: int
    taken: Mixture
    left_out: Mixture
    unprotected: Mixture

    @classmethod
    def of(
        cls, target: str, seed: int, *, taken: Merged, left_out: Merged, unprotected: Merged
    ) -> Case:
        """Return the case of three merges."""
        return cls(
            target=target,
            seed=seed,
            taken=mixture_of(taken),
            left_out=mixture_of(left_out),
            unprotected=mixture_of(unprotected),
        )


LITTLE = 0.1
"""The share up to which the interval of what is denied may reach where nothing is."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What taking the update is worth, in points.

    `overall`: mean over all tasks of the merge with it minus that without; `target`: on the target
    alone; `others`: on the other tasks, with a blind merge the damage. `denied`, `denied_target`:
    `1 - max(0, G) / G⁰`, the share of what an unprotected update gives, `G⁰`, that the protected
    one does not; None where an unprotected one gives nothing.
    """

    overall: Estimate
    target: Estimate
    others: Estimate
    denied: Estimate | None
    denied_target: Estimate | None

    @property
    def nothing_denied(self) -> bool:
        """Whether an attacker gains all that an unprotected update gives, on the target as well.

        Both shares are at most 0, and their intervals end at `LITTLE` at most.
        """
        return all(
            one is not None
            and one.value <= ROUNDING
            and one.interval is not None
            and one.interval.high <= LITTLE
            for one in (self.denied, self.denied_target)
        )


def gain_of_taking(cases: Sequence[Case]) -> Gain:
    """Return the gains over all cases; `ValueError` if there are none or their tasks differ.

    Intervals are as of `Resampling`: equal cases, equal intervals.
    """
    sizes = {task: len(hits) for case in cases[:1] for task, hits in case.taken.items()}
    sample = Resampling([case.target for case in cases], sizes)
    taken, left_out, unprotected = (
        [getattr(case, name) for case in cases] for name in ("taken", "left_out", "unprotected")
    )

    def difference(models: Sequence[Mixture], part: str) -> Values:
        return sample.mean(models, part) - sample.mean(left_out, part)

    overall, target = (difference(taken, part) for part in ("overall", "target"))
    whole, own = (difference(unprotected, part) for part in ("overall", "target"))
    return Gain(
        overall=Estimate.of(overall),
        target=Estimate.of(target),
        others=Estimate.of(difference(taken, "others")),
        denied=share_denied(overall, whole),
        denied_target=share_denied(target, own),
    )


def share_denied(gained: Values, unprotected: Values) -> Estimate | None:
    """Return `1 - max(0, G) / G⁰` of two gains; None where the unprotected one, `G⁰`, is none."""
    if unprotected[0] <= ROUNDING:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(unprotected > ROUNDING, 1 - np.maximum(0, gained) / unprotected, np.nan)
    return Estimate.of(shares)
