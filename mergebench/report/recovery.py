"""The recovery figure: accuracy on the target against the number of inputs that an attack saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from mergebench.contracts import DataUse
from mergebench.measure import Measurements, Recovered
from mergebench.report.labels import release_order
from mergebench.report.spread import Spread, percent, spread


@dataclass(frozen=True, kw_only=True)
class RecoveryLine:
    """Accuracy in percent on average over targets, by inputs per class, from one kind of start.

    `values` are in the order of `Recovery.budgets`.
    """

    protection: str
    values: tuple[Spread, ...]


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """A line per start; a budget of 0 is the start itself.

    `inputs`: what the tasks have, as of `Context`; `budgets`: how many of them per class; `data`:
    whether they had labels.
    """

    inputs: str
    budgets: tuple[int, ...]
    targets: tuple[str, ...]
    lines: tuple[RecoveryLine, ...]
    data: DataUse = "labelled"


def recovery(measurements: Measurements) -> Recovery:
    """Summarise what the inputs gave back.

    Raises `ValueError` if nothing was measured, something twice, or not every budget and target
    from every start.
    """
    found: dict[tuple[str, int, str, int], Recovered] = {}
    for one in measurements.recovered:
        place = one.protection, one.inputs_per_class, one.target, one.seed
        if place in found:
            raise ValueError(f"two recoveries of {place}")
        found[place] = one
    budgets = tuple(sorted({one.inputs_per_class for one in found.values()}))
    seen = {one.target for one in found.values()}
    targets = tuple(task for task in measurements.context.tasks if task in seen)
    seeds = sorted({one.seed for one in found.values()})
    starts = sorted({one.protection for one in found.values()}, key=release_order)
    if len(found) != len(starts) * len(budgets) * len(targets) * len(seeds) or not found:
        raise ValueError(f"{len(found)} recoveries are not all starts, budgets, targets and seeds")
    lines = tuple(
        RecoveryLine(
            protection=start,
            values=tuple(
                _mean({seed: [found[start, budget, t, seed] for t in targets] for seed in seeds})
                for budget in budgets
            ),
        )
        for start in starts
    )
    inputs = measurements.context.inputs
    data = measurements.recovered[0].data
    return Recovery(inputs=inputs, budgets=budgets, targets=targets, lines=lines, data=data)


def _mean(by_seed: Mapping[int, list[Recovered]]) -> Spread:
    value = spread(
        {
            seed: fmean(percent(one.correct, one.size) for one in members)
            for seed, members in by_seed.items()
        }
    )
    assert value is not None
    return value
