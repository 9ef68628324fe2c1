"""Tables under another selection rule, from the counts that the searches left in the store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mergebench.errors import InputError
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.making import NotMeasuredError
from mergebench.experiment.runner import recall_merges
from mergebench.measure import (
    DEGENERATE,
    FULL,
    PROTOCOL_RULE,
    Cell,
    CellWarning,
    Measurements,
    Merged,
    Point,
    SelectionRule,
    edge_of_grid,
)


def replay(experiment: Experiment, rule: SelectionRule, *, table: int = 2) -> Measurements:
    """Return the merges of an experiment at the points that `rule` picks; nothing is measured.

    An unprotected merge has one point per target if the rule depends on the target. Points that
    the protocol did not choose were tested on their target's inputs only. Raises `InputError` when
    a cell is not in the store, and for a protocol that races: it saw few points completely.
    """
    if experiment.protocol.race is not None:
        raise InputError(
            f"protocol {experiment.protocol.name} races, so other rules cannot be replayed; "
            "use PROTOCOL=clean-exhaustive or paper"
        )
    try:
        recalled, cells = recall_merges(experiment)
    except NotMeasuredError as error:
        raise not_measured(experiment.store, experiment.command, table) from error
    rows = tuple(
        row
        for merged, cell in zip(recalled.merged, cells, strict=True)
        for row in _rows(merged, cell, rule, _alphas(experiment, merged))
    )
    note = (
        f"Points chosen again by the rule {rule.name}, of those that the protocol's search "
        "visited; those that it did not choose have test counts of their target only. Their flags "
        "are about α and bases alone, and ns beside them rests on targets alone."
    )
    context = replace(recalled.context, notes=(*recalled.context.notes, note))
    return replace(recalled, context=context, merged=rows)


def not_measured(store: Path, command: str, table: int) -> InputError:
    """Return what says which command measures what `command`, a replay of a table, asks for."""
    kept = re.sub(r" --(rule|table)[= ]\S+", "", command)
    measuring = kept.replace("replay", f"table{table}", 1)
    return InputError(
        f"--store {store}: lacks cells of this table; run `{measuring}` with it first"
    )


def _alphas(experiment: Experiment, row: Merged) -> tuple[float, ...]:
    """Return the coefficients among which that of a row was searched."""
    return experiment.setting.attack(row.attack).all_alphas(experiment.protocol.alphas)


def _rows(
    row: Merged, cell: Cell, rule: SelectionRule, alphas: tuple[float, ...]
) -> Iterator[Merged]:
    targets = cell.inputs.tasks
    for target in targets if row.target is None else (row.target,):
        point = None if rule.name == PROTOCOL_RULE else _choose(cell, rule, target)
        if point is None or point.tested == row.correct:
            yield replace(row, target=target)
        else:
            yield replace(
                row,
                target=target,
                alpha=point.alpha,
                options=point.options,
                correct=point.tested,
                hits={},
                warnings=(*_still_doubtful(row, point), *edge_of_grid(point.alpha, alphas)),
            )


def _still_doubtful(row: Merged, point: Point) -> Iterator[CellWarning]:
    """Yield those of a row's warnings that say nothing of its coefficient, nor of test inputs."""
    if point.options == row.options:
        yield from (one for one in row.warnings if one.kind == DEGENERATE)


def _choose(cell: Cell, rule: SelectionRule, target: str) -> Point:
    point = rule.choose(
        cell.results.points,
        sizes=cell.results.sizes[FULL],
        norms=cell.inputs.protocol["norms"],
        target=target,
        later_wins=cell.inputs.protocol["later_wins"],
    )
    if point is None:
        raise InputError(f"rule {rule.name} needs other tasks than {target}: merge more of them")
    if target not in point.tested:
        raise InputError(
            f"cell {cell.key[:12]} has no test counts where rule {rule.name} ends: it is of older "
            "code, which broke ties otherwise; delete it to measure it again"
        )
    return point
