"""Counter-evaluations: merged updates of others, measured as those of the standard set are."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mergebench.backbones import site_shapes, tensor_shapes
from mergebench.errors import InputError
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.single_models import measured_update
from mergebench.files import content_of
from mergebench.measure import COUNTER, FULL, CounterMerge, Level, Merged
from mergebench.updates import load_update


def counter_merge(
    experiment: Experiment,
    file: Path,
    *,
    name: str,
    protection: str,
    target: str,
    seed: int,
    level: Level,
) -> CounterMerge:
    """Return what the merged update in `file` reaches against `protection` of `target`'s update.

    `name`: of its entry; `level`: what whoever made it knew and was given. Raises `InputError` for
    a file that holds no update of the backbone, and for what the experiment does not measure.
    """
    bench = experiment.workbench()
    for what, value, known in (
        ("protection", protection, experiment.protections),
        ("task", target, bench.suite.task_names),
        ("seed", seed, experiment.seeds),
    ):
        if value not in known:
            shown = ", ".join(map(str, known))
            raise InputError(f"{what} {value} is not measured here; choose from: {shown}")
    backbone = experiment.backbone
    update = load_update(
        file, site_shapes(backbone), backbone, dense_shapes=tensor_shapes(backbone)
    )
    results = measured_update(bench, update).results
    merged = Merged(
        seed=seed,
        protection=protection,
        target=target,
        attack=f"{COUNTER}:{name}",
        space="full",
        alpha=1.0,
        options={},
        points=1,
        correct=results.correct,
        sizes=results.sizes["test"],
        hits=results.hits,
        validated=results.points[0].counts,
        validation_sizes=results.sizes[FULL],
        warnings=results.warnings,
    )
    return CounterMerge(level=level, merged=merged)


def file_sha256(file: Path) -> str:
    """Return the hash of a file's content; `InputError` if it cannot be read."""
    try:
        return hashlib.sha256(content_of(file)).hexdigest()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
