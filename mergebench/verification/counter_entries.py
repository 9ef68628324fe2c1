"""Counter-evaluations held against the merged update that they are about."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError
from mergebench.experiment import Experiment, counter_merge, file_sha256, released_hashes
from mergebench.measure import CounterMerge
from mergebench.report import Counter, Entry


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A sentence on what is not as it is stated, and by how many `inputs` a count differs.

    None for another update, as training makes one on another processor; infinity for what no
    processor explains.
    """

    text: str
    inputs: float | None = math.inf

    def within(self, tolerance: int) -> bool:
        """Whether a tolerance in inputs, above 0 where another processor is meant, explains it."""
        return tolerance > 0 if self.inputs is None else self.inputs <= tolerance


def counter_file(file: Path) -> Path:
    """Return where the merged update of the entry in `file` lies."""
    return file.with_suffix(".safetensors")


def counter_differences(
    entry: Entry, file: Path, experiment: Experiment
) -> tuple[CounterMerge | None, list[Difference]]:
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
            text = f"{merged.name} has the hash {sha256}, not {counter.merged}"
            return None, [Difference(text=text)]
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
        return None, [Difference(text=str(error))]
    return found, [*_counts(counter, found), *_update(entry, counter, experiment)]


def _counts(counter: Counter, found: CounterMerge) -> Iterator[Difference]:
    merged = found.merged
    for what, stated, here in (
        ("test", counter.correct, merged.correct),
        ("validation", counter.validated, merged.validated),
    ):
        for task in sorted({*stated, *here}):
            right, now = stated.get(task), here.get(task)
            if right != now:
                yield Difference(
                    text=f"{right} {what} inputs of {task} there, {now} here",
                    inputs=math.inf if right is None or now is None else abs(right - now),
                )


def _update(entry: Entry, counter: Counter, experiment: Experiment) -> Iterator[Difference]:
    name = f"{counter.target}-{entry.protection}-{counter.seed}"
    here = released_hashes(experiment, entry.protection).get(name)
    if entry.adapters.get(name) != here:
        text = f"it was made against another {name}: {entry.adapters.get(name)}, here it is {here}"
        yield Difference(text=text, inputs=None)
