"""What a caption of measured cells states: what they were measured with, and on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mergebench.contracts import DataMerger
from mergebench.experiment.attack_names import check_attack
from mergebench.experiment.experiment import Experiment
from mergebench.measure import FULL, UNPROTECTED, Cell, Context
from mergebench.train import TrainingRecipe


def context_of(experiment: Experiment, cells: Sequence[Cell]) -> Context:
    """Return what a caption of these cells states."""
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
        inputs=bench.suite.inputs,
        tasks=bench.suite.task_names,
        protocol=experiment.protocol.name,
        release=experiment.setting.release,
        seeds=experiment.seeds,
        precision=bench.setting.precision,
        device=newest.run.place,
        versions=versions,
        revisions=tuple(sorted({cell.run.revision for cell in cells if cell.run.revision})),
        notes=(
            *bench.backbone.notes,
            *bench.suite.notes,
            *_notes(experiment, cells, bench.suite.inputs),
        ),
    )


def _notes(experiment: Experiment, cells: Sequence[Cell], inputs: str) -> Iterator[str]:
    """Yield what else the numbers depend on: recipe, options, search subset, mixed versions.

    `inputs`: as of `Suite.inputs`.
    """
    setting = experiment.setting
    if setting.published:
        stated = ", ".join(experiment.protocol.defects.stated())
        yield f"Defects of the reference (docs/paper_setting.md): {stated}."
    yield from _of_updates(experiment, inputs)
    yield from _undefined(experiment)
    yield from _of_attacks(experiment, inputs)
    if setting.published or setting.recipe.precision != setting.precision:
        yield f"Training computes in {setting.recipe.precision}."
    if any(cell.inputs.attack is not None for cell in cells):
        yield from _of_searches(experiment, cells, inputs)
    yield from _of_machines(cells)
    yield from _of_training(experiment, cells)


def _of_updates(experiment: Experiment, inputs: str) -> Iterator[str]:
    """Yield how the released updates were trained."""
    setting, trainable = experiment.setting, experiment.trainable
    updates = "Adapters" if setting.release == "lora" else "Updates"
    yield f"{updates}: {setting.recipe.summary(inputs, trainable)}."
    for name in (UNPROTECTED, *experiment.protections):
        options = setting.changed_options(name)
        recipe = options.pop("recipe", setting.recipe)
        if recipe != setting.recipe:
            yield f"{updates} of {name}: {recipe.summary(inputs, trainable)}."
        if options:
            shown = ", ".join(f"{key} {value}" for key, value in options.items())
            yield f"Options of {name}: {shown}."


def _of_attacks(experiment: Experiment, inputs: str) -> Iterator[str]:
    """Yield what attacks look at, and how those train that do."""
    setting = experiment.setting
    for attack in experiment.attacks:
        merger = setting.attack(check_attack(attack)[0])
        if isinstance(merger, DataMerger):
            yield described(merger, inputs, experiment.trainable)
            own = merger.options().get("recipe")
            if isinstance(own, TrainingRecipe) and own.precision != setting.recipe.precision:
                yield f"{merger.label} trains in {own.precision}."


def _of_searches(experiment: Experiment, cells: Sequence[Cell], inputs: str) -> Iterator[str]:
    """Yield on how many validation inputs merges were tuned."""
    if experiment.setting.search_per_task is not None:
        yield (
            f"Merges are tuned on {experiment.setting.search_per_task} class-balanced validation "
            f"{inputs} per task."
        )
    if experiment.protocol.race is not None:
        seen, exhaustive = searched_inputs(cells)
        yield (
            f"The searches looked at {seen} validation {inputs}, where exhaustive ones would have "
            f"looked at {exhaustive} ({100 * seen / max(1, exhaustive):.0f} %)."
        )


def _of_machines(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield on how many kinds of device and sets of packages cells were measured, if on several."""
    places = sorted({cell.run.place for cell in cells})
    if len(places) > 1:
        yield f"The cells were measured on {len(places)} kinds of device: {', '.join(places)}."
    versions = {tuple(sorted(cell.run.versions.items())) for cell in cells}
    if len(versions) > 1:
        yield f"The cells were measured with {len(versions)} sets of package versions."


def _of_training(experiment: Experiment, cells: Sequence[Cell]) -> Iterator[str]:
    """Yield where updates were trained that were measured elsewhere."""
    trained = {
        experiment.workbench().training_place(sha256)
        for cell in cells
        for sha256 in cell.inputs.updates
    }
    elsewhere = sorted({place for place in trained if place} - {cell.run.place for cell in cells})
    if elsewhere:
        yield f"Updates were trained elsewhere than measured: {', '.join(elsewhere)}."


def _undefined(experiment: Experiment) -> Iterator[str]:
    """Yield which merges there are not, of what protections release, and why."""
    for protection in experiment.protections:
        names = [name for name in experiment.attacks if not experiment.defined(name, protection)]
        if names:
            yield (
                f"Not defined for {protection}, which releases a full checkpoint, W0 + BA changed, "
                f"without the low-rank factors that these need: {', '.join(names)}."
            )


def described(merger: DataMerger, inputs: str, trainable: str) -> str:
    """Return in a sentence what an attack looks at, and its other hyper-parameters.

    `inputs`, `trainable`: as of `TrainingRecipe.summary`.
    """
    shown = (
        value.summary(inputs, trainable) if isinstance(value, TrainingRecipe) else f"{name} {value}"
        for name, value in merger.stated().items()
    )
    return f"{'; '.join([f'{merger.label} looks at {merger.budget(inputs)}', *shown])}."


def searched_inputs(cells: Sequence[Cell]) -> tuple[int, int]:
    """Return how many inputs the searches of the cells looked at, and all points times all inputs.

    The second is what the same searches cost without a race.
    """
    seen = exhaustive = 0
    for results in (cell.results for cell in cells if cell.inputs.attack is not None):
        seen += sum(sum(results.sizes[point.stage].values()) for point in results.points)
        exhaustive += len(results.points) * sum(results.sizes[FULL].values())
    return seen, exhaustive
