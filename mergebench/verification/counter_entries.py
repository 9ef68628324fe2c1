"""Counter-evaluations held against the merged update that they are about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mergebench.errors import InputError
from mergebench.experiment import Experiment, counter_merge, file_sha256, released_hashes
from mergebench.measure import CounterMerge
from mergebench.report import Counter, Entry


def counter_file(file: Path) -> Path:
    """Return where the merged update of the entry in `file` lies."""
    return file.with_suffix(".safetensors")


def counter_differences(
    entry: Entry, file: Path, experiment: Experiment
) -> tuple[CounterMerge | None, list[str]]:
    """Return what the merged update of the entry in `file` reaches, and what is not as it says.

    None where it cannot be measured. The update that it was made against is compared by its hash,
    trained first if it is not there.
    """
    counter = entry.counter
    assert counter is not None
    merged = counter_file(file)
    try:
        sha256 = file_sha256(merged)
        if sha256 != counter.merged:
            return None, [f"{merged.name} has the hash {sha256}, not {counter.merged}"]
        found = counter_merge(
            experiment,
            merged,
            name=entry.name,
            protection=entry.protection,
            target=counter.target,
            seed=counter.seed,
            level=counter.level,
        )
    except InputError as error:
        return None, [str(error)]
    return found, [*_counts(counter, found), *_update(entry, counter, experiment)]


def _counts(counter: Counter, found: CounterMerge) -> Iterator[str]:
    merged = found.merged
    for what, stated, here in (
        ("test", counter.correct, merged.correct),
        ("validation", counter.validated, merged.validated),
    ):
        for task in sorted({*stated, *here}):
            if stated.get(task) != here.get(task):
                yield f"{stated.get(task)} {what} inputs of {task} there, {here.get(task)} here"


def _update(entry: Entry, counter: Counter, experiment: Experiment) -> Iterator[str]:
    name = f"{counter.target}-{entry.protection}-{counter.seed}"
    here = released_hashes(experiment, entry.protection).get(name)
    if entry.adapters.get(name) != here:
        yield f"it was made against another {name}: {entry.adapters.get(name)}, here it is {here}"
