"""The inputs of a task that an attack may look at, within its budget."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mergebench.contracts import DataMerger
from mergebench.errors import InputError
from mergebench.plurals import how_many
from mergebench.seeding import generator
from mergebench.suites import Split, Task, in_turns, turns


def within_budget(task: Task, attack: DataMerger, seed: int) -> Task:
    """Return `task` as `attack` sees it: its budget as split `train`, no test inputs.

    The inputs are drawn class by class from the attack's split, a smaller budget being part of a
    larger one, and stay in the order of the split. Their labels, and those of validation, are -1
    where the attack's data are unlabelled. Raises `InputError` when the split, or a class
    of it, holds fewer than the budget.
    """
    source = task.splits[attack.split]
    order = _shuffled_in_turns(source.labels, task.name, seed)
    if attack.inputs_per_class != 0:
        chosen = _per_class(source.labels[order], order, attack, task)
    else:
        _require(len(source), attack.inputs_per_task, attack, f"task {task.name}")
        chosen = order[: attack.inputs_per_task]
    chosen = chosen.sort().values
    drawn = Split(inputs=source.inputs[chosen], labels=source.labels[chosen])
    empty = Split(inputs=source.inputs[:0].clone(), labels=source.labels[:0].clone())
    splits = {"train": drawn, "val": task.splits["val"], "test": empty}
    if attack.data != "labelled":
        splits = {name: _without_labels(split) for name, split in splits.items()}
    return replace(task, splits=splits)


def without_inputs(task: Task) -> Task:
    """Return `task` as an attack sees it that does not look at it: its classes alone."""
    splits = {
        name: Split(inputs=split.inputs[:0].clone(), labels=split.labels[:0].clone())
        for name, split in task.splits.items()
    }
    return replace(task, splits=splits)


def _without_labels(split: Split) -> Split:
    return replace(split, labels=torch.full_like(split.labels, -1))


def _shuffled_in_turns(labels: Tensor, task: str, seed: int) -> Tensor:
    """Return all indices, a random one of every class first, then the second of each, and so on."""
    shuffled = torch.randperm(len(labels), generator=generator(seed, "samples", task))
    return shuffled[in_turns(labels[shuffled])]


def _per_class(ordered: Tensor, order: Tensor, attack: DataMerger, task: Task) -> Tensor:
    counts = torch.bincount(ordered, minlength=len(task.classes))
    for name, count in zip(task.classes, counts.tolist(), strict=True):
        _require(count, attack.inputs_per_class, attack, f"class {name!r} of task {task.name}")
    return order[turns(ordered) < attack.inputs_per_class]


def _require(found: int, wanted: int, attack: DataMerger, where: str) -> None:
    if wanted < 1:
        raise InputError(
            f"attack {attack.name}: its budget is {wanted} inputs per task; set inputs_per_task or "
            "inputs_per_class to at least 1"
        )
    if found < wanted:
        raise InputError(
            f"attack {attack.name} wants {how_many(wanted, 'input')} of {where}, but split "
            f"{attack.split} has {found}: lower inputs_per_class or inputs_per_task, or draw from "
            "the other split"
        )
