"""Counter-evaluations: merged updates of others, measured as those of the standard set are."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mergebench.backbones import site_shapes, tensor_shapes
from mergebench.errors import InputError
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.single_models import measured_update
from mergebench.files import check_regular
from mergebench.measure import COUNTER, FULL, CounterMerge, Level, Merged
from mergebench.updates import LowRank, Update, load_update


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
    results = measured_update(bench, counter_update(experiment, file)).results
    counts, sizes = results.points[0].counts, results.sizes[FULL]
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
        validated=counts,
        validation_sizes=sizes,
        confirmed=counts,
        confirmation_sizes=sizes,
        warnings=results.warnings,
    )
    return CounterMerge(level=level, merged=merged)


def counter_update(experiment: Experiment, file: Path) -> Update:
    """Return the merged update in `file`.

    Raises `InputError` unless it is one of the backbone that this file holds alone.
    """
    backbone = experiment.backbone
    shapes = tensor_shapes(backbone)
    update = load_update(file, site_shapes(backbone), backbone, dense_shapes=shapes)
    if any(isinstance(change, LowRank) for change in update.sites.values()):
        raise InputError(
            f"{file} is an adapter, which is nothing without its configuration in another file: "
            "give a merged update as `mergebench merge --out FILE` writes it"
        )
    return update


def file_sha256(file: Path) -> str:
    """Return the hash of a file's content, of any size; `InputError` if it cannot be read."""
    try:
        check_regular(file)
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
