"""Merges of a leaderboard whose answer is known."""

from __future__ import annotations

import numpy as np
from report_data import CONTEXT, FINE_TUNED, SIZES, TASKS, TRAPPED, ZERO_SHOT, standalone

from mergebench.measure import Level, Measurements, Merged
from mergebench.measure.cell import packed

BLIND = Level(knowledge="blind", data="none", attacks=("ta@full", "tsv@core"))
INFORMED = Level(knowledge="informed", data="none", attacks=("hold:ta@full",))
YARDSTICKS = ("leave_out:ta@full", "leave_out:tsv@full")
LEVELS = (BLIND, INFORMED)


def merge(protection: str, target: str | None, name: str, share: float, valid: float) -> Merged:
    """Return a merge that has `share` of all test inputs right, of the target half of that."""
    attack, space = name.split("@")
    shares = {task: share / 2 if task == target else share for task in TASKS}
    hits = {task: np.arange(SIZES[task]) < shares[task] * SIZES[task] for task in TASKS}
    return Merged(
        seed=0,
        protection=protection,
        target=target,
        attack=attack,
        space=space,
        alpha=0.3,
        options={},
        points=1,
        correct={task: int(own.sum()) for task, own in hits.items()},
        sizes=SIZES,
        hits={task: packed(own.tolist()) for task, own in hits.items()},
        validated={task: round(10 * valid) for task in TASKS},
        validation_sizes=dict.fromkeys(TASKS, 10),
        confirmed={task: round(10 * valid) for task in TASKS},
        confirmation_sizes=dict.fromkeys(TASKS, 10),
    )


MERGES = (
    *(merge("none", None, "ta@full", 0.6, 0.5), merge("none", None, "tsv@core", 0.8, 0.7)),
    *(
        merge(protection, target, name, share, valid)
        for target in TASKS
        for protection, name, share, valid in (
            ("none", "leave_out:ta@full", 0.4, 0.6),
            ("none", "leave_out:tsv@full", 0.2, 0.3),
            ("none", "hold:ta@full", 0.8, 0.6),
            ("trap2", "ta@full", 0.4, 0.4),
            ("trap2", "tsv@core", 0.2, 0.5),
            ("trap2", "hold:ta@full", 0.6, 0.8),
        )
    ),
)
MEASURED = Measurements(
    context=CONTEXT,
    standalone=(
        *standalone("trap2", TRAPPED),
        *standalone("none", FINE_TUNED),
        *standalone("zero_shot", ZERO_SHOT),
    ),
    merged=MERGES,
)
