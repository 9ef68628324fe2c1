"""Rows of tables and figures from measured cells."""

from __future__ import annotations

from collections.abc import Sequence

from mergebench.contracts import Attack
from mergebench.measure.cell import Cell
from mergebench.measure.cell_warnings import multipliers_at_edge
from mergebench.measure.measurements import (
    FROM_BASE,
    ZERO_SHOT,
    Merged,
    ScaleCurve,
    Standalone,
    Stored,
)


def zero_shot_rows(cell: Cell, seeds: Sequence[int]) -> list[Standalone]:
    """Return the rows of the backbone itself, the same for every seed."""
    return [
        Standalone(
            seed=seed,
            release=ZERO_SHOT,
            task=task,
            correct=cell.results.correct[task],
            size=cell.results.sizes["test"][task],
            hits=cell.results.hits[task],
        )
        for seed in seeds
        for task in cell.inputs.tasks
    ]


def standalone_row(cell: Cell, protection: str, task: str) -> Standalone:
    """Return the row of one update on its own task."""
    return Standalone(
        seed=cell.inputs.seed,
        release=protection,
        task=task,
        correct=cell.results.correct[task],
        size=cell.results.sizes["test"][task],
        hits=cell.results.hits[task],
        warnings=cell.results.warnings,
    )


def stored_row(cell: Cell, protection: str, task: str, dtype: str) -> Stored:
    """Return the row of one update on its own task, its checkpoint stored in a dtype."""
    return Stored(
        seed=cell.inputs.seed,
        release=protection,
        task=task,
        dtype=dtype,
        correct=cell.results.correct[task],
        size=cell.results.sizes["test"][task],
        hits=cell.results.hits[task],
    )


def scale_curve(cell: Cell, protection: str, task: str) -> ScaleCurve:
    """Return the counts of one update by deployed scale."""
    return ScaleCurve(
        seed=cell.inputs.seed,
        release=protection,
        task=task,
        scales=tuple(point.alpha for point in cell.results.points),
        correct=tuple(point.counts[task] for point in cell.results.points),
        size=cell.results.sizes["test"][task],
    )


def merged_row(cell: Cell, *, attack: Attack, protection: str, from_base: bool = False) -> Merged:
    """Return the row of one merge; `from_base`: of an attack on W0, which stands in its place.

    `attack`: as it was asked for; `protection`: what the experiment calls that of the target's
    update.
    """
    inputs, results = cell.inputs, cell.results
    assert inputs.attack is not None
    assert inputs.space is not None
    assert results.alpha is not None
    chosen = results.chosen
    at_edge = attack.with_options(**results.options).at_edge()
    return Merged(
        seed=inputs.seed,
        protection=FROM_BASE if from_base else protection,
        target=inputs.target,
        attack=inputs.attack.name,
        space=inputs.space.name,
        alpha=results.alpha,
        options=results.options,
        points=len(results.points),
        correct=results.correct,
        sizes=results.sizes["test"],
        hits=results.hits,
        validated={} if chosen is None else chosen.counts,
        validation_sizes={} if chosen is None else results.sizes[chosen.stage],
        warnings=(*results.warnings, *multipliers_at_edge(at_edge)),
        empty=not attack.contains(results.alpha) or results.leaves_base,
        alphas=tuple(inputs.protocol.get("alphas", ())),
    )
