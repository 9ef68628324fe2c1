"""What jobs report of the cells that they measure or recall, one after the other."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterable

from mergebench.experiment.events import CellDone, CellStarted
from mergebench.experiment.executors import Report
from mergebench.experiment.workbench import Workbench
from mergebench.measure import FULL, Cell, CellResults


def report_cells(
    report: Report,
    bench: Workbench,
    cells: Generator[Cell, None, None],
    labels: Iterable[str],
    outcome: Callable[[CellResults], str],
) -> None:
    """Report that each of `cells` begins, under its label, and with what `outcome` it ends.

    What `bench` had to measure for them leaves memory afterwards.
    """
    measured_before = bench.measured
    for label in labels:
        report(CellStarted(label=label))
        measured = bench.measured
        results = next(cells).results
        recalled = bench.measured == measured
        report(CellDone(label=label, recalled=recalled, outcome=outcome(results)))
    if bench.measured > measured_before:
        # A cycle that some attack left may hold a problem and the gigabyte that it keeps.
        cells.close()
        gc.collect()


def accuracy_reached(results: CellResults) -> str:
    """Return the test accuracy over all inputs; without any, that of the chosen point's inputs."""
    split, counts, sizes = "test", results.correct, results.sizes.get("test", {})
    if results.chosen is not None and not counts:
        split, counts, sizes = "validation", results.chosen.counts, results.sizes[FULL]
    return f"{split} accuracy {100 * sum(counts.values()) / sum(sizes.values()):.1f}"
