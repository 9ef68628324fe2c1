"""What a regression check compares: correct test counts under a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mergebench.experiment import Store
from mergebench.measure import Cell, Counts


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

    Names state backbone, tasks, protocol and seed as well. Of cells with one name, as older
    versions of a method leave them, the newest counts.
    """
    newest: dict[str, Cell] = {}
    for cell in store.cells():
        if "test" not in cell.results.sizes or cell.inputs.protocol.get("name") == "scale_curve":
            continue
        name = " · ".join([*_setting(cell), outcome_name(cell)])
        if name not in newest or newest[name].run.finished < cell.run.finished:
            newest[name] = cell
    return {name: outcome_of(newest[name], trained=True) for name in sorted(newest)}


def _setting(cell: Cell) -> Iterator[str]:
    inputs = cell.inputs
    yield inputs.backbone
    yield f"{inputs.suite} {' '.join(inputs.tasks)}"
    if inputs.attack is not None:
        yield f"protocol {inputs.protocol['name']}"
    yield f"seed {inputs.seed}"
