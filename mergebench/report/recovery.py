"""The recovery figure: accuracy on the target against the number of labelled images of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from mergebench.measurements import Measurements, Recovered
from mergebench.report.captions import headline, plain_caption
from mergebench.report.labels import RELEASE_FORM, protection_key, release_order
from mergebench.report.spread import Spread, fixed, percent, spread
from mergebench.report.writing import write_bytes, write_csv


@dataclass(frozen=True, kw_only=True)
class RecoveryLine:
    """Accuracy in percent on average over targets, by images per class, from one kind of start.

    `values` are in the order of `Recovery.budgets`.
    """

    protection: str
    values: tuple[Spread, ...]


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """A line per start; 0 images per class is the start itself."""

    budgets: tuple[int, ...]
    targets: tuple[str, ...]
    lines: tuple[RecoveryLine, ...]


def recovery(measurements: Measurements) -> Recovery:
    """Summarise what fine-tuning gave back.

    Raises `ValueError` if nothing was measured, something twice, or not every budget and target
    from every start.
    """
    found: dict[tuple[str, int, str, int], Recovered] = {}
    for one in measurements.recovered:
        place = one.protection, one.images_per_class, one.target, one.seed
        if place in found:
            raise ValueError(f"two recoveries of {place}")
        found[place] = one
    budgets = tuple(sorted({one.images_per_class for one in found.values()}))
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
    return Recovery(budgets=budgets, targets=targets, lines=lines)


def _mean(by_seed: Mapping[int, list[Recovered]]) -> Spread:
    value = spread(
        {
            seed: fmean(percent(one.correct, one.size) for one in members)
            for seed, members in by_seed.items()
        }
    )
    assert value is not None
    return value


def write_recovery(measurements: Measurements, folder: Path, stem: str = "recovery") -> list[Path]:
    """Write the figure as PNG and SVG, and its points, with those of every target, as CSV.

    Returns the files. Raises `InputError` when one cannot be written, `ValueError` as `recovery`.
    """
    from mergebench.report.drawing import draw_recovery, rendered  # Matplotlib takes a second.

    shown = recovery(measurements)
    context = measurements.context
    files = []
    for kind in ("png", "svg"):
        figure = draw_recovery(shown, footer=headline(context))
        content = rendered(figure, kind, description=plain_caption(context))
        files.append(write_bytes(folder / f"{stem}.{kind}", content))
    header = ["backbone", "release", "protection", "target", "images_per_class", "images", "seed"]
    header += ["accuracy", "accuracy_std", "correct", "total"]
    place = [context.backbone, RELEASE_FORM]
    rows: list[list[object]] = [
        [
            *(*place, protection_key(line.protection), "average", budget, "", ""),
            *(fixed(value.mean, 2), fixed(value.std, 2), "", ""),
        ]
        for line in shown.lines
        for budget, value in zip(shown.budgets, line.values, strict=True)
    ]
    rows += [
        [
            *(*place, protection_key(one.protection), one.target, one.images_per_class),
            *(one.images, one.seed, fixed(percent(one.correct, one.size), 2), ""),
            *(one.correct, one.size),
        ]
        for one in sorted(measurements.recovered, key=lambda one: _order(one, shown))
    ]
    return [*files, write_csv(folder / f"{stem}.csv", header, rows)]


def _order(one: Recovered, shown: Recovery) -> tuple[object, ...]:
    start = release_order(one.protection)
    return start, shown.targets.index(one.target), one.images_per_class, one.seed
