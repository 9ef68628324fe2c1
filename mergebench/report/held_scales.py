"""At which scale merges hold the target's update, and what they keep of its gain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from mergebench.measure import DEGENERATE, UNPROTECTED, ZERO_SHOT, Measurements, ScaleCurve
from mergebench.plurals import how_many
from mergebench.report.doubts import legend, marks
from mergebench.report.grid import Grid, Row
from mergebench.report.labels import protection_label
from mergebench.report.merged_accuracies import AttackInSpace, Table2
from mergebench.report.spread import Spread, percent, spread
from mergebench.report.table2 import table2
from mergebench.report.table2_text import columns
from mergebench.updates import LEAST_GAP

_READING = (
    "The scale at which a merge holds the target's update, averaged over the choices of target: "
    "⟨Δ, τ⟩ / ⟨τ, τ⟩, where Δ is all that the merge adds to W0 and τ is the update. 1 is its "
    "nominal scale. What the other updates have in the direction of τ counts as well. Leading "
    "directions: the same of those singular directions of τ that hold three quarters of its "
    "squared norm, site by site; a merger that cuts spectra holds these at another scale than τ."
)

KEPT = (
    "The share in percent of fine-tuning's gain on the target that a merge keeps, 0 being "
    "zero-shot and 100 the unprotected update alone, on test inputs; below it what the target's "
    "update keeps alone at the very scale at which the merge holds it, on the validation inputs of "
    "its training record. Where the two are near each other, the scale says what the merge does to "
    "the target; where they are not, something else does."
)


@dataclass(frozen=True, kw_only=True)
class HeldUpdate:
    """The target's update in one merge: `scale`, and accuracy on the target in percent.

    `leading`: the scale of its leading directions alone, of which `which_lead_is_rounding` says
    whether they end between equal singular values.
    `kept`: the share of what fine-tuning gains on the target that the merge keeps, in percent, 0 at
    zero-shot and 100 at the unprotected update alone. `alone`: the share that the target's update
    keeps alone, deployed at `scale`, between the scales of its curve linearly. None where
    fine-tuning gains nothing, and without a curve or outside it.
    """

    protection: str
    column: AttackInSpace
    target: str
    seed: int
    scale: float
    leading: float
    which_lead_is_rounding: bool
    accuracy: float
    kept: float | None
    alone: float | None


Value = Callable[[HeldUpdate], float | None]


@dataclass(frozen=True, kw_only=True)
class HeldScales:
    """The merges of a table, each seen from its targets.

    `curves`: by protection the share that updates keep alone, `(scale, percent)`, mean over targets
    and seeds; nothing where a target has no curve.
    """

    table: Table2
    updates: tuple[HeldUpdate, ...]
    curves: Mapping[str, tuple[tuple[float, float], ...]]

    def of(self, protection: str, column: AttackInSpace) -> list[HeldUpdate]:
        """Return the merges of one cell of the table."""
        return [one for one in self.updates if (one.protection, one.column) == (protection, column)]


def held_scales(measurements: Measurements) -> HeldScales:
    """Summarise at which scale updates are held.

    Raises `ValueError` as `table2`, and where scales were not asked for.
    """
    table, shares = table2(measurements), _Shares(measurements)
    return HeldScales(
        table=table,
        updates=tuple(_updates(measurements, table, shares)),
        curves={
            protection: shares.mean(protection, table.targets) for protection in table.protections
        },
    )


def scale_grid(held: HeldScales) -> Grid:
    """Return the mean scale over targets, and below it that of the leading directions."""
    grid = _grid(held, lambda one: one.scale, "leading directions", lambda one: one.leading, 2)
    rows = list(grid.rows)
    for place, protection in enumerate(held.table.protections):
        cells = (held.of(protection, column) for column in held.table.columns)
        letters = tuple(marks(_doubts(cell)) for cell in cells)
        rows[2 * place + 1] = replace(rows[2 * place + 1], marks=letters)
    return replace(grid, rows=tuple(rows))


def scale_reading(held: HeldScales) -> str:
    """Return what scales are, and what a letter beside them means where there is one."""
    group = how_many(len(held.updates), "merged update")
    return " ".join((_READING, *legend({group: _doubts(held.updates)}, held.table.inputs)))


def _doubts(updates: Sequence[HeldUpdate]) -> dict[str, int]:
    return {DEGENERATE: sum(one.which_lead_is_rounding for one in updates)}


def kept_grid(held: HeldScales) -> Grid:
    """Return the gain that merges keep, and below it what updates keep alone at the same scales."""
    beside = "the update alone at that scale"
    return _grid(held, lambda one: one.kept, beside, lambda one: one.alone, 0)


def _grid(held: HeldScales, value: Value, beside: str, other: Value, digits: int) -> Grid:
    """Return two rows per protection, of means over targets; `beside` names the second."""
    table, rows = held.table, []
    for protection in table.protections:
        cells = [held.of(protection, column) for column in table.columns]
        label = protection_label(protection)
        for name, what in ((label, value), (f"{label}, {beside}", other)):
            rows.append(Row(label=name, values=tuple(_mean(cell, what) for cell in cells)))
    return Grid(columns=columns(table), rows=tuple(rows), digits=digits)


def _mean(updates: list[HeldUpdate], value: Value) -> Spread | None:
    """Return the mean over targets; None where one of them has no value."""
    by_seed: dict[int, list[float]] = {}
    for one in updates:
        found = value(one)
        if found is None:
            return None
        by_seed.setdefault(one.seed, []).append(found)
    return spread({seed: fmean(values) for seed, values in by_seed.items()})


def _updates(measurements: Measurements, table: Table2, shares: _Shares) -> Iterator[HeldUpdate]:
    tested = {
        (one.release, one.task, one.seed): percent(one.correct, one.size)
        for one in measurements.standalone
    }
    for view in table.views:
        merged, target = view.merged, view.target
        if target not in merged.held:
            raise ValueError(f"a merge by {merged.name} has no scale for {target}")
        scale = merged.held[target]
        yield HeldUpdate(
            protection=merged.protection,
            column=(merged.attack, merged.space),
            target=target,
            seed=merged.seed,
            scale=scale,
            leading=merged.held[f"{target} leading"],
            which_lead_is_rounding=merged.held.get(f"{target} gap", LEAST_GAP) < LEAST_GAP,
            accuracy=view.accuracy,
            kept=share(
                view.accuracy,
                tested[ZERO_SHOT, target, merged.seed],
                tested[UNPROTECTED, target, merged.seed],
            ),
            alone=shares.at(scale, merged.protection, target, merged.seed),
        )


def share(accuracy: float, zero_shot: float, fine_tuned: float) -> float | None:
    """Return what of fine-tuning's gain is kept, in percent; None where it gains nothing."""
    gain = fine_tuned - zero_shot
    return 100 * (accuracy - zero_shot) / gain if gain > 0 else None


class _Shares:
    """The share of fine-tuning's gain that updates keep alone, by scale."""

    def __init__(self, measurements: Measurements) -> None:
        self._curves = {(one.release, one.task, one.seed): one for one in measurements.curves}

    def at(self, scale: float, release: str, task: str, seed: int) -> float | None:
        """Return it in percent; None without a curve, or outside it."""
        own = self._curves.get((release, task, seed))
        plain = self._curves.get((UNPROTECTED, task, seed))
        if own is None or plain is None or not own.scales[0] <= scale <= own.scales[-1]:
            return None
        return share(_on(own, scale), _on(own, 0.0), _on(plain, 1.0))

    def mean(self, release: str, tasks: Sequence[str]) -> tuple[tuple[float, float], ...]:
        """Return the mean over tasks and seeds at every scale of the curves of a release."""
        curves = self._curves.values()
        own = [one for one in curves if one.release == release and one.task in tasks]
        if {one.task for one in own} != set(tasks):
            return ()
        points = []
        for scale in own[0].scales:
            found = [self.at(scale, release, one.task, one.seed) for one in own]
            known = [value for value in found if value is not None]
            if len(known) < len(own):
                return ()
            points.append((scale, fmean(known)))
        return tuple(points)


def _on(curve: ScaleCurve, scale: float) -> float:
    """Return the accuracy in percent at a scale, linearly between those of the curve."""
    return 100 * float(np.interp(scale, curve.scales, curve.correct)) / curve.size
