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
from mergebench.measure import FULL, Cell, Measurements, Merged, Point, SelectionRule


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
        for row in _rows(merged, cell, rule)
    )
    note = (
        f"Points chosen again from stored validation counts by the rule {rule.name}; those that "
        "the protocol did not choose have test counts of their target only."
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


def _rows(row: Merged, cell: Cell, rule: SelectionRule) -> Iterator[Merged]:
    targets = cell.inputs.tasks
    for target in targets if row.target is None else (row.target,):
        point = _choose(cell, rule, target)
        if point.tested == row.correct:
            yield replace(row, target=target)
        else:
            yield replace(
                row,
                target=target,
                alpha=point.alpha,
                options=point.options,
                correct=point.tested,
                hits={},
                warnings=(),
            )


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
    return point
