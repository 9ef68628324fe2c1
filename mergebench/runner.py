"""Runs an experiment: what is missing on several processes, the rest from the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mergebench.cell import Cell
from mergebench.executors import execute
from mergebench.experiment import Experiment, check_attack
from mergebench.jobs import MergeJob, ReleaseJob, ZeroShotJob
from mergebench.measurements import UNPROTECTED, Context, Measurements
from mergebench.monitor import Monitor
from mergebench.progress import Silent
from mergebench.rows import merged_row, scale_curve, standalone_row, zero_shot_rows
from mergebench.search import FULL
from mergebench.train import Recipe
from mergebench.workbench import NotMeasuredError

Job = ReleaseJob | ZeroShotJob | MergeJob


def measure_standalone(
    experiment: Experiment, monitor: Monitor, *, processes: int, curves: bool = False
) -> Measurements:
    """Return the standalone accuracies (and scale curves), training what is missing."""
    _run([ZeroShotJob(experiment=experiment)], monitor, "zero-shot", 1, processes)
    jobs = [
        ReleaseJob(
            experiment=experiment, protection=protection, task=task, seed=seed, with_curve=curves
        )
        for protection, task, seed in experiment.releases()
    ]
    _run(jobs, monitor, "adapters", len(jobs), processes)
    return _recalled_standalone(experiment, curves=curves)


def _recalled_standalone(experiment: Experiment, *, curves: bool) -> Measurements:
    bench = experiment.workbench()
    zero_shot = bench.zero_shot()
    cells, rows, lines = [zero_shot], zero_shot_rows(zero_shot, experiment.seeds), []
    for protection, task, seed in experiment.releases():
        cell = bench.standalone(protection, task, seed, Silent())
        cells.append(cell)
        rows.append(standalone_row(cell, protection, task))
        if curves:
            curve = bench.scale_curve(protection, task, seed, Silent())
            cells.append(curve)
            lines.append(scale_curve(curve, protection, task))
    context = _context(experiment, cells)
    return Measurements(context=context, standalone=tuple(rows), curves=tuple(lines))


def measure_merges(experiment: Experiment, monitor: Monitor, *, processes: int) -> Measurements:
    """Return the merged accuracies of all attacks, measuring what is missing."""
    alone = measure_standalone(experiment, monitor, processes=processes)
    jobs = _merge_jobs(experiment)
    _run(jobs, monitor, "merges", sum(len(job.attacks) for job in jobs), processes)
    return _with_merges(experiment, alone)[0]


def recall_merges(experiment: Experiment) -> tuple[Measurements, list[Cell]]:
    """Return what `measure_merges` returns, and the cells of the merges, from the store alone.

    Raises `NotMeasuredError` if something was not measured.
    """
    with experiment.workbench().recalling_only():
        return _with_merges(experiment, _recalled_standalone(experiment, curves=False))


def _with_merges(experiment: Experiment, alone: Measurements) -> tuple[Measurements, list[Cell]]:
    cells = [cell for job in _merge_jobs(experiment) for cell in job.cells()]
    order = {name: place for place, name in enumerate(experiment.attacks)}
    pairs = sorted(
        ((merged_row(cell), cell) for cell in cells),
        key=lambda pair: (pair[0].seed, order[f"{pair[0].attack}@{pair[0].space}"]),
    )
    context = _context(experiment, [*cells, experiment.workbench().zero_shot()])
    rows = tuple(row for row, _ in pairs)
    measured = Measurements(context=context, standalone=alone.standalone, merged=rows)
    return measured, [cell for _, cell in pairs]


def _merge_jobs(experiment: Experiment) -> list[MergeJob]:
    by_space: dict[str, list[str]] = {}
    for name in experiment.attacks:
        attack, space = check_attack(name)
        by_space.setdefault(space, []).append(attack)
    return [
        MergeJob(
            experiment=experiment,
            space=space,
            attacks=tuple(attacks),
            protection=protection,
            target=target,
            seed=seed,
        )
        for protection, target, seed in experiment.merges()
        for space, attacks in by_space.items()
    ]


def _run(
    jobs: Sequence[Job],
    monitor: Monitor,
    what: str,
    cells: int,
    processes: int,
) -> None:
    """Do the jobs; those that are in the store occupy no process."""
    with monitor.stage(what, cells):
        missing = [job for job in jobs if not _recalled(job, monitor)]
        for _ in execute(missing, processes=processes, on_event=monitor.event):
            pass


def _recalled(job: Job, monitor: Monitor) -> bool:
    """Whether all that the job measures is in the store; it is shown as done then."""
    events: list[Any] = []
    try:
        with job.experiment.workbench().recalling_only():
            job.run(events.append)
    except NotMeasuredError:
        return False
    for event in events:
        monitor.event(0, event)
    return True


def _context(experiment: Experiment, cells: Sequence[Cell]) -> Context:
    newest = max(cells, key=lambda cell: cell.run.finished)
    bench = experiment.workbench()
    versions: Mapping[str, str] = newest.run.versions
    return Context(
        command=experiment.command,
        date=newest.run.finished[:10],
        backbone=bench.backbone.name,
        backbone_sha256=bench.backbone.sha256,
        suite=bench.suite.name,
        suite_sha256=bench.suite.sha256,
        tasks=bench.suite.task_names,
        protocol=experiment.protocol.name,
        seeds=experiment.seeds,
        precision=bench.setting.precision,
        device=newest.run.place,
        versions=versions,
        revisions=tuple(sorted({cell.run.revision for cell in cells if cell.run.revision})),
        notes=(*bench.suite.notes, *_notes(experiment, cells)),
    )


def _notes(experiment: Experiment, cells: Sequence[Cell]) -> Iterator[str]:
    """Yield what else the numbers depend on: recipe, options, search subset, mixed versions."""
    setting = experiment.setting
    if setting.published:
        stated = ", ".join(experiment.protocol.defects.stated())
        yield f"Defects of the reference (docs/paper_setting.md): {stated}."
    yield f"Adapters: {_recipe(setting.recipe)}."
    for name in (UNPROTECTED, *experiment.protections):
        options = dict(setting.protections.get(name, {}))
        recipe = options.pop("recipe", setting.recipe)
        if recipe != setting.recipe:
            yield f"Adapters of {name}: {_recipe(recipe)}."
        if options:
            shown = ", ".join(f"{key} {value}" for key, value in options.items())
            yield f"Options of {name}: {shown}."
    if setting.published or setting.recipe.precision != setting.precision:
        yield f"Training computes in {setting.recipe.precision}."
    if setting.search_per_task is not None:
        yield (
            f"Merges are tuned on {setting.search_per_task} class-balanced validation images "
            "per task."
        )
    if experiment.protocol.race is not None:
        seen, exhaustive = searched_images(cells)
        yield (
            f"The searches looked at {seen} validation images, where exhaustive ones would have "
            f"looked at {exhaustive} ({100 * seen / max(1, exhaustive):.0f} %)."
        )
    places = sorted({cell.run.place for cell in cells})
    if len(places) > 1:
        yield f"The cells were measured on {len(places)} kinds of device: {', '.join(places)}."
    versions = {tuple(sorted(cell.run.versions.items())) for cell in cells}
    if len(versions) > 1:
        yield f"The cells were measured with {len(versions)} sets of package versions."


def _recipe(recipe: Recipe) -> str:
    temperature = "" if recipe.logit_scale is None else f", logit scale {recipe.logit_scale:g}"
    decay = f", weight decay {recipe.weight_decay:g}" if recipe.weight_decay else ""
    clipping = ", gradients not clipped" if recipe.clip_norm is None else ""
    steps = f"{recipe.steps} steps" if recipe.patience is None else f"at most {recipe.steps} steps"
    return (
        f"LoRA of rank {recipe.rank}, learning rate {recipe.learning_rate:g}, "
        f"{steps} of {recipe.batch_size} images{temperature}{decay}{clipping}"
    )


def searched_images(cells: Sequence[Cell]) -> tuple[int, int]:
    """Return how many images the searches of the cells looked at, and all points times all images.

    The second is what the same searches cost without a race.
    """
    seen = exhaustive = 0
    for results in (cell.results for cell in cells if cell.inputs.attack is not None):
        seen += sum(sum(results.sizes[point.stage].values()) for point in results.points)
        exhaustive += len(results.points) * sum(results.sizes[FULL].values())
    return seen, exhaustive
