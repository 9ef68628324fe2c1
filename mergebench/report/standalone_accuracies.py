"""What a table of updates alone holds: accuracies by task, and their average."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mergebench.measure import Interval, Measurements
from mergebench.report.spread import Spread


@dataclass(frozen=True, kw_only=True)
class StandaloneRow:
    """Accuracies in percent of one release: by task, and the unweighted average over tasks.

    A seed counts in the average if all tasks were measured with it. The spread over seeds of
    zero-shot is none, as the backbone does not depend on the seed. `interval`: of the average, over
    other tasks. `warnings`: by task, how many of its measurements carry one, by kind.
    """

    release: str
    tasks: Mapping[str, Spread | None]
    average: Spread | None
    interval: Interval | None
    warnings: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class Table1:
    """The rows zero-shot, fine-tuned and one per protection, over the measured tasks.

    `inputs`: what the tasks have, as of `Context`.
    """

    tasks: tuple[str, ...]
    inputs: str
    rows: tuple[StandaloneRow, ...]


def shown_tasks(measurements: Measurements, measured: Iterable[str]) -> tuple[str, ...]:
    """Return the measured tasks in the suite's order; `ValueError` for one not in the context."""
    found = set(measured)
    unknown = sorted(found.difference(measurements.context.tasks))
    if unknown:
        raise ValueError(f"measured tasks that the context does not list: {', '.join(unknown)}")
    return tuple(task for task in measurements.context.tasks if task in found)
