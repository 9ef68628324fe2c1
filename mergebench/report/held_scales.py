"""At which scale merges hold the target's update, and what they keep of its gain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from mergebench.measure import UNPROTECTED, ZERO_SHOT, Measurements
from mergebench.report.grid import Grid, Row
from mergebench.report.labels import protection_label
from mergebench.report.merged_accuracies import AttackInSpace, Table2
from mergebench.report.spread import Spread, percent, spread
from mergebench.report.table2 import table2
from mergebench.report.table2_text import columns

READING = (
    "The scale at which a merge holds the target's update, averaged over the choices of target: "
    "⟨Δ, τ⟩ / ⟨τ, τ⟩, where Δ is all that the merge adds to W0 and τ is the update. 1 is its "
    "nominal scale. What the other updates have in the direction of τ counts as well."
)


@dataclass(frozen=True, kw_only=True)
class HeldUpdate:
    """The target's update in one merge: `scale`, and accuracy on the target in percent.

    `kept`: the share of what fine-tuning gains on the target that the merge keeps, in percent, 0 at
    zero-shot and 100 at the unprotected update alone; None where that gains nothing.
    """

    protection: str
    column: AttackInSpace
    target: str
    seed: int
    scale: float
    accuracy: float
    kept: float | None


@dataclass(frozen=True, kw_only=True)
class HeldScales:
    """The merges of a table, each seen from its targets."""

    table: Table2
    updates: tuple[HeldUpdate, ...]

    def of(self, protection: str, column: AttackInSpace) -> list[HeldUpdate]:
        """Return the merges of one cell of the table."""
        return [one for one in self.updates if (one.protection, one.column) == (protection, column)]


def held_scales(measurements: Measurements) -> HeldScales:
    """Summarise at which scale updates are held.

    Raises `ValueError` as `table2`, and where scales were not asked for.
    """
    table = table2(measurements)
    return HeldScales(table=table, updates=tuple(_updates(measurements, table)))


def scale_grid(held: HeldScales) -> Grid:
    """Return the mean scale over targets, with its spread over seeds, as the table has its rows."""
    table = held.table
    rows = (
        Row(
            label=protection_label(protection),
            values=tuple(_mean(held.of(protection, column)) for column in table.columns),
        )
        for protection in table.protections
    )
    return Grid(columns=columns(table), rows=tuple(rows), digits=2)


def _mean(updates: list[HeldUpdate]) -> Spread | None:
    by_seed: dict[int, list[float]] = {}
    for one in updates:
        by_seed.setdefault(one.seed, []).append(one.scale)
    return spread({seed: fmean(scales) for seed, scales in by_seed.items()})


def _updates(measurements: Measurements, table: Table2) -> Iterator[HeldUpdate]:
    alone = {
        (one.release, one.task, one.seed): percent(one.correct, one.size)
        for one in measurements.standalone
    }
    for view in table.views:
        merged, target = view.merged, view.target
        if target not in merged.held:
            raise ValueError(f"a merge by {merged.name} has no scale for {target}")
        base = alone[ZERO_SHOT, target, merged.seed]
        gain = alone[UNPROTECTED, target, merged.seed] - base
        yield HeldUpdate(
            protection=merged.protection,
            column=(merged.attack, merged.space),
            target=target,
            seed=merged.seed,
            scale=merged.held[target],
            accuracy=view.accuracy,
            kept=100 * (view.accuracy - base) / gain if gain > 0 else None,
        )
