"""Figure 2: accuracy against the scale `s` at which an update is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from mergebench.measure import Measurements, ScaleCurve
from mergebench.report.labels import release_order
from mergebench.report.spread import Spread, percent, spread
from mergebench.report.standalone_accuracies import shown_tasks


@dataclass(frozen=True, kw_only=True)
class Series:
    """Accuracy in percent at every scale, of one release on one task or on average over tasks."""

    release: str
    scales: tuple[float, ...]
    values: tuple[Spread, ...]


@dataclass(frozen=True, kw_only=True)
class Figure2:
    """One panel per task, and the mean over tasks; in each a series per release.

    A seed counts in the mean if all tasks were measured with it.
    """

    tasks: Mapping[str, tuple[Series, ...]]
    mean: tuple[Series, ...]


Curves = dict[tuple[str, str, int], ScaleCurve]


def figure2(measurements: Measurements) -> Figure2:
    """Summarise the scale curves.

    Raises `ValueError` if there is none, one was measured twice, or their scales differ.
    """
    curves: Curves = {}
    for curve in measurements.curves:
        place = curve.release, curve.task, curve.seed
        if place in curves:
            raise ValueError(f"two scale curves of {curve.release}, {curve.task}, {curve.seed}")
        curves[place] = curve
    grids = {curve.scales for curve in measurements.curves}
    if len(grids) != 1:
        raise ValueError(f"figure 2 needs curves on one grid of scales, got {len(grids)} grids")
    tasks = shown_tasks(measurements, (task for _, task, _ in curves))
    return Figure2(
        tasks={task: _panel(curves, (task,)) for task in tasks}, mean=_panel(curves, tasks)
    )


def _panel(curves: Curves, tasks: tuple[str, ...]) -> tuple[Series, ...]:
    """Return the mean over `tasks` of every release that was measured on all of them."""
    panel = []
    for release in sorted({release for release, _, _ in curves}, key=release_order):
        by_seed = {
            seed: [curves[release, task, seed] for task in tasks]
            for seed in sorted({seed for _, _, seed in curves})
            if all((release, task, seed) in curves for task in tasks)
        }
        if by_seed:
            panel.append(_series(release, by_seed))
    return tuple(panel)


def _series(release: str, by_seed: Mapping[int, list[ScaleCurve]]) -> Series:
    scales = next(iter(by_seed.values()))[0].scales
    values = []
    for point in range(len(scales)):
        value = spread(
            {
                seed: fmean(percent(curve.correct[point], curve.size) for curve in curves)
                for seed, curves in by_seed.items()
            }
        )
        assert value is not None
        values.append(value)
    return Series(release=release, scales=scales, values=tuple(values))
