"""The merges of a leaderboard of many protections, attacks and tasks, with random counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from report_data import CONTEXT

from mergebench.measure import Level, Measurements, Merged, Standalone
from mergebench.measure.cell import packed

TASKS = tuple(f"task{place}" for place in range(20))
ATTACKS = tuple(f"attack{place}@full" for place in range(30))
YARDSTICKS = ("leave_out:ta@full", "leave_out:tsv@full")
LEVELS = (
    Level(knowledge="blind", data="none", attacks=ATTACKS[:20]),
    Level(knowledge="informed", data="none", attacks=ATTACKS[20:]),
)
_INPUTS = 400
_VALIDATION = 16


def many_merges(protections: int) -> Measurements:
    """Return 600 merges per protection, and what they are compared with."""
    names = [f"trap{place}" for place in range(protections)]
    draws = np.random.default_rng(0)
    merged = [
        *(_merge("none", None, attack, draws) for attack in ATTACKS),
        *(_merge("none", task, attack, draws) for attack in YARDSTICKS for task in TASKS),
        *(_merge(n, task, attack, draws) for n in names for attack in ATTACKS for task in TASKS),
    ]
    alone = [
        Standalone(seed=0, release=release, task=task, correct=300, size=_INPUTS, norm=1.0)
        for release in ("zero_shot", "none", *names)
        for task in TASKS
    ]
    context = replace(CONTEXT, tasks=TASKS)
    return Measurements(context=context, standalone=tuple(alone), merged=tuple(merged))


def _merge(protection: str, target: str | None, name: str, draws: np.random.Generator) -> Merged:
    hits = draws.random((len(TASKS), _INPUTS)) < 0.5
    validated = draws.integers(5, _VALIDATION, len(TASKS)).tolist()
    attack, space = name.split("@")
    return Merged(
        seed=0,
        protection=protection,
        target=target,
        attack=attack,
        space=space,
        alpha=0.3,
        options={},
        points=30,
        correct=dict(zip(TASKS, hits.sum(axis=1).tolist(), strict=True)),
        sizes=dict.fromkeys(TASKS, _INPUTS),
        hits={task: packed(own) for task, own in zip(TASKS, hits, strict=True)},
        validated=dict(zip(TASKS, validated, strict=True)),
        validation_sizes=dict.fromkeys(TASKS, _VALIDATION),
        confirmed=dict(zip(TASKS, validated, strict=True)),
        confirmation_sizes=dict.fromkeys(TASKS, _VALIDATION),
    )
