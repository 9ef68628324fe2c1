"""Tasks of classification in memory, as every backbone and attack reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from mergebench.suites.split_names import SPLIT_NAMES


def tensor_sha256(tensor: Tensor) -> str:
    """SHA-256 (hexadecimal) of a tensor's values, dtype and shape; it may be on any device."""
    values = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{values.dtype}{tuple(values.shape)}".encode())
    digest.update(values.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Split:
    """What a backbone takes, and the labels `(N,)` int64.

    `inputs`: images `(N, 3, H, W)` uint8 RGB, or token ids `(N, L)` int32 with zeros behind the end
    of each text. `inputs_sha256`: what tells them from others where it is known (`tensor_sha256`,
    or a hash of that and of what was left out), so that what is on disk need not be read for it.
    Raises `ValueError` when shapes, dtypes or counts disagree.
    """

    inputs: Tensor
    labels: Tensor
    inputs_sha256: str | None = None

    def __post_init__(self) -> None:
        """Check dtypes and shapes."""
        shape, dtype = tuple(self.inputs.shape), self.inputs.dtype
        images = dtype == torch.uint8 and len(shape) == 4 and shape[1] == 3
        if not images and not (dtype == torch.int32 and len(shape) == 2):
            raise ValueError(
                f"inputs must be images (N, 3, H, W) uint8 or token ids (N, L) int32, not {shape} "
                f"{dtype}"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != shape[:1]:
            raise ValueError(
                f"labels must be ({len(self.inputs)},) int64, not {tuple(self.labels.shape)} "
                f"{self.labels.dtype}"
            )

    def __len__(self) -> int:
        """Return the number of inputs."""
        return len(self.inputs)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of inputs and labels."""
        both = (self.inputs_sha256 or tensor_sha256(self.inputs)) + tensor_sha256(self.labels)
        return hashlib.sha256(both.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Task:
    """One classification task.

    `classes` are display names in label order; `templates` are prompts with one `{}` for the class
    name; `splits` has the keys `train`, `val` and `test`, and labels that are withheld are all -1.
    Raises `ValueError` when a label lies outside the classes or a split is missing.
    """

    name: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    splits: Mapping[str, Split]

    def __post_init__(self) -> None:
        """Check the splits and the range of their labels."""
        if tuple(self.splits) != SPLIT_NAMES:
            raise ValueError(f"{self.name}: splits must be {SPLIT_NAMES}, not {(*self.splits,)}")
        for name, split in self.splits.items():
            if not len(split) or bool(split.labels.eq(-1).all()):
                continue
            if not 0 <= split.labels.min() <= split.labels.max() < len(self.classes):
                raise ValueError(f"{self.name}/{name}: a label is not among {self.classes}")

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of everything that a measurement on this task depends on."""
        content = {
            "name": self.name,
            "classes": self.classes,
            "templates": self.templates,
            "splits": {name: split.sha256 for name, split in self.splits.items()},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Tasks in a fixed order, all of `inputs` (how captions call them) of one `size`.

    `size`: side of an image, or most tokens of a text, in `unit`. `notes` are what captions state
    of the inputs beside name and hash, one sentence each.
    """

    name: str
    tasks: tuple[Task, ...]
    size: int
    inputs: str = "images"
    unit: str = "px"
    notes: tuple[str, ...] = ()

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names of the tasks in suite order."""
        return tuple(task.name for task in self.tasks)

    def task(self, name: str) -> Task:
        """Return one task by name; raises `KeyError` with the known names."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise KeyError(f"no task {name!r} in suite {self.name}: {', '.join(self.task_names)}")

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the suite's name, its order and all task contents; a subset has its own."""
        content = [self.name, self.size, [task.sha256 for task in self.tasks]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()
