"""What a regression check compares: correct test counts under a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mergebench.experiment import Store
from mergebench.measure import Cell, Counts, plain, sha256_of


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One measurement: correct of `sizes` test inputs by task, and which (`cell.packed`).

    `trained`: whether a training run is part of it, so that another machine gives other numbers.
    `target`: the protected task, where there is one. `methods`: versions of what it was made by,
    such as `{"attack ties": 1}`. `alpha` and `options`: the point that a search chose.
    """

    correct: Counts
    sizes: Counts
    hits: Mapping[str, str] = field(default_factory=dict)
    trained: bool = False
    target: str | None = None
    methods: Mapping[str, int] = field(default_factory=dict)
    alpha: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def point(self) -> str:
        """The chosen point in a few words; empty where nothing was searched."""
        if self.alpha is None:
            return ""
        settings = (f"{name} {value:g}" for name, value in self.options.items())
        return ", ".join([f"alpha {self.alpha:g}", *settings])


def outcome_of(cell: Cell, *, trained: bool) -> Outcome:
    """Return what a cell measured on test inputs."""
    inputs, results = cell.inputs, cell.results
    methods = {"attack": inputs.attack, "space": inputs.space, "protection": inputs.protection}
    return Outcome(
        correct=results.correct,
        sizes=results.sizes["test"],
        hits=results.hits,
        trained=trained,
        target=inputs.target,
        methods={f"{kind} {one.name}": one.version for kind, one in methods.items() if one},
        alpha=results.alpha if inputs.attack else None,
        options=results.options,
    )


def outcome_name(cell: Cell) -> str:
    """Return what a cell measured, without hashes and versions: `ties@core of flags trap2`."""
    inputs = cell.inputs
    if inputs.protection is None:
        return "zero-shot"
    whose = f"{inputs.target} {inputs.protection.name}" if inputs.target else "all unprotected"
    if inputs.attack is None or inputs.space is None:
        return f"{whose} alone"
    return f"{inputs.attack.name}@{inputs.space.name} of {whose}"


def store_outcomes(store: Store) -> dict[str, Outcome]:
    """Return the outcomes of all cells of a store that hold test counts, by name.

    Names state backbone, tasks, protocol and seed as well, and end with some digits of the hash of
    all that was asked for (`_asked`), such as recipes and hyper-parameters: what differs in these
    is not compared. Of cells with one name, as older versions of a method leave them, the newest
    counts.
    """
    newest: dict[str, Cell] = {}
    for cell in store.cells():
        if not _is_compared(cell):
            continue
        name = " · ".join([*_setting(cell), outcome_name(cell), sha256_of(_asked(cell))[:8]])
        if name not in newest or newest[name].run.finished < cell.run.finished:
            newest[name] = cell
    return {name: outcome_of(newest[name], trained=True) for name in sorted(newest)}


def _is_compared(cell: Cell) -> bool:
    """Whether a cell holds test counts, other than those of figure 2; a mere search has none."""
    results, protocol = cell.results, cell.inputs.protocol
    tested = "test" in results.sizes and bool(results.correct)
    return tested and protocol.get("name") != "scale_curve"


def _setting(cell: Cell) -> Iterator[str]:
    inputs, protocol = cell.inputs, dict(cell.inputs.protocol)
    yield inputs.backbone
    yield f"{inputs.suite} {' '.join(inputs.tasks)}"
    if protocol:
        searched = "alphas" in protocol
        details = {} if searched else {key: protocol[key] for key in protocol if key != "name"}
        stated = "".join(f", {key} {value}" for key, value in details.items())
        yield f"protocol {protocol['name']}{stated}"
    yield f"seed {inputs.seed}"


def _asked(cell: Cell) -> Any:
    """Return the inputs of a cell without what moves with numbers: versions, hashes, norms."""
    inputs = plain(cell.inputs)
    protocol = {key: one for key, one in inputs["protocol"].items() if key not in _MEASURED}
    kept = {key: one for key, one in inputs.items() if key not in _HASHES}
    return _without_versions({**kept, "protocol": protocol})


_HASHES = ("backbone_sha256", "suite_sha256", "updates")
_MEASURED = ("norms", "start")
"""What a search's record says of measurements before it."""


def _without_versions(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_versions(one) for key, one in value.items() if key != "version"}
    return [_without_versions(one) for one in value] if isinstance(value, list) else value
