"""What the training of an experiment's updates cost, as a caption states it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from mergebench.experiment.experiment import Experiment
from mergebench.measure import UNPROTECTED
from mergebench.progress import Silent


def training_costs(experiment: Experiment) -> Iterator[str]:
    """Yield a sentence on time per step and peak memory, protected beside plain training.

    Nothing where updates were not trained here, or before costs were recorded.
    """
    if experiment.adapters is not None:
        return
    by_protection: dict[str, list[dict[str, Any]]] = {UNPROTECTED: []}
    for protection, task, seed in experiment.releases():
        record = experiment.workbench().training_record(protection, task, seed, Silent())
        if "step_seconds" not in record:
            return
        by_protection.setdefault(protection, []).append(record)
    costs = "; ".join(
        f"{'plain' if name == UNPROTECTED else name} {_cost(own)}"
        for name, own in by_protection.items()
    )
    yield f"Training, medians over updates, beside whatever else ran: {costs}."


def _cost(records: list[dict[str, Any]]) -> str:
    mean = median(record["step_seconds"]["mean"] for record in records)
    memory = median(record["peak_memory_bytes"] for record in records)
    return f"{1000 * mean:.0f} ms per step{_passes(records)}, peak memory {memory / 2**30:.2f} GiB"


def _passes(records: list[dict[str, Any]]) -> str:
    """Return the times of steps with and without a pass away from nominal scale, if there were."""
    shown = []
    for kind, what in (("off_nominal", "with the second pass"), ("nominal", "without")):
        seconds = [record["step_seconds"][kind] for record in records]
        measured = [one for one in seconds if one is not None]
        if measured:
            shown.append(f"{1000 * median(measured):.0f} {what}")
    return f" ({', '.join(shown)})" if len(shown) > 1 else ""
