"""The record of a released adapter: what it was made with, and all that was counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mergebench.measure import Measurements, OnValidation, plain
from mergebench.report import CardFacts, Sweep

RECORD_FORMAT = 1


def record_of(
    facts: CardFacts, options: Mapping[str, Any], training: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the record in JSON's types: options, counts by scale and on test, hashes, versions.

    `options`: of the request; `training`: what was recorded when the adapter was trained.
    """
    context = facts.measurements.context
    record: dict[str, Any] = plain(
        {
            "format": RECORD_FORMAT,
            "release": facts.release,
            "task": facts.task,
            "classes": facts.classes,
            "backbone": facts.backbone,
            "base_model": facts.base_model,
            "strength": facts.strength,
            "options": options,
            "command": context.command,
            "date": context.date,
            "device": context.device,
            "versions": context.versions,
            "revisions": context.revisions,
            "sizes": facts.sizes,
            "sha256": facts.sha256,
            "test": _test(facts.measurements),
            "scale_curves": _curves(facts.measurements),
            "sweep": None if facts.sweep is None else _sweep(facts.sweep),
            "training": training,
            "notes": context.notes,
        }
    )
    return record


def _test(measurements: Measurements) -> dict[str, Any]:
    return {
        row.release: {
            "correct": row.correct,
            "size": row.size,
            "warnings": [f"{one.kind}: {one.detail}" for one in row.warnings],
        }
        for row in measurements.standalone
    }


def _curves(measurements: Measurements) -> dict[str, Any]:
    return {
        curve.release: {"scales": curve.scales, "correct": curve.correct, "size": curve.size}
        for curve in measurements.curves
    }


def _sweep(sweep: Sweep) -> dict[str, Any]:
    return {
        "rule": "within the margin of the plain update's validation accuracy at scale 1, rounded "
        "up to a whole input, the lowest mean accuracy at the off-nominal scales",
        "margin": sweep.margin,
        "chosen": sweep.chosen.strength,
        "validation": [_validated(one) for one in (sweep.plain, *sweep.tried)],
    }


def _validated(one: OnValidation) -> dict[str, Any]:
    return {
        "strength": one.strength,
        "correct": one.correct,
        "off_nominal": {f"{scale:g}": count for scale, count in one.off_nominal.items()},
        "size": one.size,
    }
