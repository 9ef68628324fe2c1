"""What a protection costs the updates alone, at their nominal scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mergebench.measure.cell import unpacked
from mergebench.measure.measurements import UNPROTECTED, Standalone
from mergebench.measure.resampling import Estimate, Mixture, Resampling


def cost_alone(
    singles: Sequence[Standalone], protection: str, tasks: Sequence[str]
) -> Estimate | None:
    """Return the accuracy of protected updates minus that of unprotected ones, in points.

    Each on its own task; a mean over those of `tasks` and seeds that have both, with an interval as
    of `Resampling`. None where no task has both, or where it is not known which inputs are correct.
    """
    known = {(one.release, one.task, one.seed): one for one in singles if one.hits}
    pairs = [
        (known[protection, task, seed], known[UNPROTECTED, task, seed])
        for task in tasks
        for seed in sorted({one.seed for one in singles})
        if {(protection, task, seed), (UNPROTECTED, task, seed)} <= known.keys()
    ]
    if not pairs:
        return None
    sizes = {plain.task: plain.size for _, plain in pairs}
    sample = Resampling([plain.task for _, plain in pairs], sizes)
    guarded, plain = (
        sample.mean([_alone(pair[side], sizes) for pair in pairs], "target") for side in (0, 1)
    )
    return Estimate.of(guarded - plain)


def _alone(one: Standalone, sizes: dict[str, int]) -> Mixture:
    """Return what an update has right on its own task, and nothing of the others."""
    own = unpacked(one.hits, one.size)
    return {
        task: own if task == one.task else np.zeros(size, dtype=bool)
        for task, size in sizes.items()
    }
