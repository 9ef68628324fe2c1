"""Thefts by number of inputs whose price is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from report_data import CONTEXT

from mergebench.contracts import DataUse
from mergebench.measure import COST, FROM_BASE, Level, Measurements, Merged, Theft
from mergebench.measure.cell import packed

TARGETS = ("a", "b", "c")
SIZE = 100
INPUTS = (0, 16, 256)
FREE = Level(knowledge="informed", data="none", attacks=("ta@full", "tsv@full"))
YARDSTICKS = ("leave_out:ta@full",)
GAINS: dict[tuple[DataUse, str], tuple[int | None, ...]] = {
    ("unlabelled", "none"): (20, 20, 20),
    ("unlabelled", "trap2"): (None, 5, 19),
    ("labelled", "none"): (20, 20, 22),
    ("labelled", "trap2"): (None, 18, 24),
    ("labelled", FROM_BASE): (None, 3, 12),
}
"""By curve the gain on the target, in points, of each number of inputs; None: there is none."""


def merge(protection: str, target: str | None, name: str, gain: int, validated: int) -> Merged:
    """Return a merge with 50 + `gain` % on the target, 60 % on the others."""
    attack, space = name.split("@")
    hits = {task: np.arange(SIZE) < (50 + gain if task == target else 60) for task in TARGETS}
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
        sizes=dict.fromkeys(TARGETS, SIZE),
        hits={task: packed(own.tolist()) for task, own in hits.items()},
        validated=dict.fromkeys(TARGETS, validated),
        validation_sizes=dict.fromkeys(TARGETS, 10),
        confirmed=dict.fromkeys(TARGETS, validated),
        confirmation_sizes=dict.fromkeys(TARGETS, 10),
    )


def thefts() -> tuple[Theft, ...]:
    """Return one per curve, number of inputs and target."""
    return tuple(
        Theft(
            protection=protection,
            target=target,
            seed=0,
            level=Level(
                knowledge="blind" if protection == FROM_BASE else "informed",
                data=data,
                attacks=("x@full",),
            ),
            bound=COST,
            inputs=inputs,
            merged=None if gain is None else merge(protection, target, "x@full", gain, 5),
        )
        for (data, protection), gains in GAINS.items()
        for inputs, gain in zip(INPUTS, gains, strict=True)
        for target in TARGETS
    )


MEASURED = Measurements(
    context=replace(CONTEXT, tasks=TARGETS, seeds=(0,)),
    merged=tuple(
        merge("none", target, name, gain, validated)
        for target in TARGETS
        for name, gain, validated in (
            ("leave_out:ta@full", 0, 5),
            ("ta@full", 20, 6),
            ("tsv@full", 30, 4),  # better on test, which does not choose
        )
    ),
    thefts=thefts(),
)
