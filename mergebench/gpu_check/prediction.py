"""Tables 1 and 2 of a backbone's own setting in hours, from the speeds that were measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from mergebench.backbones import Precision
from mergebench.contracts import Merger
from mergebench.experiment import (
    TABLE2,
    Duration,
    Rates,
    get_setting,
    merging_estimate,
    sizes_of,
    training_estimate,
)
from mergebench.gpu_check.record import EvaluationSpeed, MergeTime, Record, TrainingSpeed
from mergebench.measure import PROTOCOLS, UNPROTECTED, Protocol
from mergebench.registry import registry

_PROTOCOLS = ("paper", "clean")


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Hours of one device for one table of a backbone.

    `work`: what is done, in a few words; training ends between `least` and `most`, by its patience.
    """

    backbone: str
    table: int
    work: str
    least: float
    most: float


def predictions(record: Record) -> list[Prediction]:
    """Return what can be said from the entries that are there, by backbone."""
    backbones = dict.fromkeys(one.backbone for one in record.of(EvaluationSpeed))
    return [found for name in backbones for found in _of_backbone(record, name)]


def _of_backbone(record: Record, backbone: str) -> Iterator[Prediction]:
    setting = get_setting(backbone)
    sizes = sizes_of(setting.suite)
    evaluated = _evaluated(record, backbone, setting.precision)
    if evaluated is None:
        return
    for precision in ("fp32", "bf16"):
        rates = _rates(record, backbone, precision, evaluated)
        if rates is not None:
            updates = [(name, task) for name in (UNPROTECTED, "trap2") for task in sizes]
            hours = training_estimate(setting, updates, sizes, rates)
            yield _prediction(backbone, 1, f"training in {precision}", hours)
    rates = Rates(evaluated=evaluated, step_seconds=0.0)
    merges = len(TABLE2) * (1 + len(sizes))
    for name in _PROTOCOLS:
        hours = merging_estimate(setting, name, merges, sizes, rates)
        yield _prediction(backbone, 2, f"evaluation, protocol {name}", hours)
        yield from _algebra(record, backbone, PROTOCOLS[name], sets=1 + len(sizes))


def _algebra(
    record: Record, backbone: str, protocol: Protocol, *, sets: int
) -> Iterator[Prediction]:
    """Yield hours of the linear algebra of all merges, by device, where each column was timed."""
    for device in ("cpu", "cuda"):
        times = {
            one.column: one
            for one in record.of(MergeTime)
            if (one.backbone, one.device) == (backbone, device)
        }
        if set(TABLE2) <= set(times):
            seconds = sum(
                times[column].first + structural_points(protocol, column) * times[column].point
                for column in TABLE2
            )
            where = "one thread of the CPU" if device == "cpu" else "the GPU"
            hours = Duration(least=sets * seconds, most=sets * seconds)
            yield _prediction(backbone, 2, f"merging on {where}, protocol {protocol.name}", hours)


def structural_points(protocol: Protocol, column: str) -> int:
    """Return how many structural points of an attack a protocol visits beside its defaults."""
    merger = registry().get(Merger, column.partition("@")[0])()
    grids = [protocol.grids.get(key, values) for key, values in merger.searched.items()]
    if not grids:
        return 0
    return sum(map(len, grids)) if protocol.strategy == "coordinate" else prod(map(len, grids))


def _prediction(backbone: str, table: int, work: str, seconds: Duration) -> Prediction:
    least, most = seconds.least / 3600, seconds.most / 3600
    return Prediction(backbone=backbone, table=table, work=work, least=least, most=most)


def _evaluated(record: Record, backbone: str, precision: Precision) -> float | None:
    for one in record.of(EvaluationSpeed):
        if (one.backbone, one.precision) == (backbone, precision):
            return one.images_per_second
    return None


def _rates(record: Record, backbone: str, precision: Precision, evaluated: float) -> Rates | None:
    """Return the rates of training in `precision`; None unless both kinds were measured."""
    steps = {
        one.protection: one.step_seconds
        for one in record.of(TrainingSpeed)
        if (one.backbone, one.precision) == (backbone, precision)
    }
    if not {UNPROTECTED, "trap2"} <= set(steps):
        return None
    return Rates(
        evaluated=evaluated, step_seconds=steps[UNPROTECTED], trapped_seconds=steps["trap2"]
    )
