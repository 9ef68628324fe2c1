"""From an adapter in the store to the folder that is published."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from mergebench.experiment import Experiment, Monitor, Setting, measure_on_test
from mergebench.measure import UNPROTECTED, Measurements
from mergebench.progress import Silent
from mergebench.protecting.loading_code import naming_of
from mergebench.protecting.planning import Plan
from mergebench.protecting.record import record_of
from mergebench.protecting.request import Request
from mergebench.protecting.result import Protected, Written
from mergebench.protecting.writing import (
    CARD,
    PICTURE,
    filling,
    write_record,
    write_weights,
)
from mergebench.report import (
    CardFacts,
    Sweep,
    protection_label,
    write_model_card,
    write_scale_picture,
)
from mergebench.train import Recipe, TrainingRecipe

_LOCATED = ("data", "names", "weights")
_UNSTATED = ("out", "store", "cache", "data_root", "command", "force", "device")


def write_adapters(
    request: Request,
    plan: Plan,
    experiment: Experiment,
    sweep: Sweep | None,
    measured: Measurements,
) -> Protected:
    """Write every adapter that was asked for, trained by `experiment`; return what was made."""
    adapters = []
    for release in request.releases:
        facts = _facts(request, experiment, release, sweep, measured)
        with filling(request.folder(release)) as folder:
            _write(request, experiment, facts, folder)
        adapters.append(
            Written(
                release=release,
                folder=request.folder(release),
                strength=facts.strength,
                steps=_steps(experiment.setting, release),
                usual_steps=_steps(plan.usual, release),
            )
        )
    task = plan.task
    return Protected(
        task=task.name,
        backbone=request.backbone,
        classes=len(task.classes),
        sizes={name: len(split) for name, split in task.splits.items()},
        adapters=tuple(adapters),
        sweep=sweep,
        measurements=measured,
    )


def _steps(setting: Setting, release: str) -> int:
    """Return for how many steps a release is trained, whose protection may have its own recipe."""
    recipe: TrainingRecipe = setting.options(release)["recipe"]
    return recipe.steps


def _facts(
    request: Request,
    experiment: Experiment,
    release: str,
    sweep: Sweep | None,
    measured: Measurements,
) -> CardFacts:
    """Return what the card of one adapter states; the plain one's is silent on the protected."""
    bench = experiment.workbench()
    (task,) = bench.suite.tasks
    protection = experiment.setting.protection(release)
    options = protection.options()
    recipe = options["recipe"]
    assert isinstance(recipe, Recipe)
    plain = release == UNPROTECTED
    naming = naming_of(request.backbone, request.called(release))
    update = bench.release(release, task.name, request.seed, Silent())
    return CardFacts(
        release=release,
        task=task.name,
        classes=task.classes,
        backbone=request.backbone,
        base_model=naming.base_model,
        licence=request.licence,
        loading=naming.code,
        rank=recipe.rank,
        measurements=_of_the_plain_one(experiment) if plain else measured,
        method="" if plain else f"{protection_label(release)} ({protection.paper})",
        strength=None if plain else float(options["strength"]),
        sweep=None if plain else sweep,
        sizes={name: len(split) for name, split in task.splits.items()},
        sha256={
            "the update": update.sha256,
            "the base model": bench.backbone.sha256,
            "the task": task.sha256,
        },
    )


def _of_the_plain_one(experiment: Experiment) -> Measurements:
    """Return the measurements as if there were no protection, from what was measured already."""
    alone, silent = replace(experiment, protections=()), Monitor(Console(quiet=True))
    return measure_on_test(alone, (UNPROTECTED,), silent, processes=1)


def _write(request: Request, experiment: Experiment, facts: CardFacts, folder: Path) -> None:
    """Write the files of one adapter; the card comes last."""
    bench = experiment.workbench()
    place = facts.release, facts.task, request.seed, Silent()
    naming = naming_of(request.backbone, request.called(facts.release))
    hashed = write_weights(bench.release(*place), folder, naming)
    facts = replace(facts, sha256={"adapter_model.safetensors": hashed, **facts.sha256})
    write_scale_picture(facts.measurements, folder / PICTURE)
    write_record(record_of(facts, _options(request), bench.training_record(*place)), folder)
    write_model_card(facts, folder / CARD)


def _options(request: Request) -> dict[str, Any]:
    """Return the options as a record states them: files by name alone, nothing of this machine."""
    stated: dict[str, Any] = {}
    for item in fields(request):
        value = getattr(request, item.name)
        if item.name in _LOCATED and value is not None:
            value = Path(value).resolve().name
        if item.name == "plugins":
            value = [one.resolve().name for one in value]
        if item.name not in _UNSTATED:
            stated[item.name] = value
    return stated
