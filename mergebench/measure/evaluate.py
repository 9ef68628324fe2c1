"""Correct counts of a deployed update, `W0 + alpha D`, on the tasks of a suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import torch
from torch import Tensor, nn

from mergebench.backbones import (
    NO_CLASS,
    Backbone,
    Body,
    Inputs,
    Precision,
    StemOutputs,
    autocast,
    text_head,
)
from mergebench.batching import Batches
from mergebench.errors import InputError
from mergebench.measure.counts import Counts, counted
from mergebench.seeding import generator
from mergebench.suites import Task, in_turns
from mergebench.updates import MergePath, SiteUpdate, Update


class Deployment:
    """A backbone that carries `W0 + F + alpha D` while the context is open.

    `update`: a path, or D alone, F then being nothing. Each `set` computes the weights from the
    saved `W0 + F`, never from the last ones; leaving the context, also by an exception, restores
    `W0` bit for bit. Only `W0`, `W0 + F` and `D` of the changed parameters are held, so that a
    further alpha is one addition per parameter. Raises `InputError` when the update changes a
    parameter that the backbone lacks, or of another shape.
    """

    def __init__(self, backbone: Backbone, update: Update | MergePath) -> None:
        path = MergePath(direction=update) if isinstance(update, Update) else update
        self._targets = _targets(backbone, path.direction)
        self._fixed = {} if path.fixed is None else _targets(backbone, path.fixed)
        self._saved: dict[nn.Parameter, Tensor] = {}
        self._origins: dict[nn.Parameter, Tensor] = {}

    def __enter__(self) -> Self:
        self._saved = {
            parameter: parameter.detach().clone() for parameter in {**self._targets, **self._fixed}
        }
        self._origins = {
            parameter: original + self._fixed[parameter] if parameter in self._fixed else original
            for parameter, original in self._saved.items()
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with torch.no_grad():
            for parameter, original in self._saved.items():
                parameter.copy_(original)

    @torch.no_grad()
    def set(self, alpha: float) -> None:
        """Write `W0 + F + alpha D` into the weights."""
        for parameter, origin in self._origins.items():
            if parameter in self._targets:
                torch.add(origin, self._targets[parameter], alpha=alpha, out=parameter)
            else:
                parameter.copy_(origin)


@contextmanager
def deployed(backbone: Backbone, update: Update | MergePath, alpha: float = 1.0) -> Iterator[None]:
    """Let the backbone carry `W0 + F + alpha D` inside the context, and `W0` again after it."""
    with Deployment(backbone, update) as deployment:
        deployment.set(alpha)
        yield


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pool:
    """The inputs of one split of all tasks in one sequence, with each task's first row.

    `ranks`: the place of each input in its task's class-balanced order, on the CPU. `chosen`: what
    was looked at before, so that a device is not asked again for what does not change.
    """

    inputs: StemOutputs
    starts: Counts
    labels: Mapping[str, Tensor]
    ranks: Mapping[str, Tensor]
    chosen: dict[tuple[range | None, tuple[str, ...]], _Chosen] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Chosen:
    """Inputs of a pool: their rows, where inputs are taken from, and by task their labels.

    `lengths`: as of `Inputs.lengths`.
    """

    rows: Tensor
    labels: Mapping[str, Tensor]
    lengths: Tensor | None


class Evaluator:
    """Counts correct predictions of a backbone, as its weights stand, on cached inputs.

    They are kept as the suite has them on the backbone's device if they fit there (`Inputs`), with
    what the tower computes ahead of its blocks if that is small (`StemOutputs`); text heads are
    computed once. `per_task` limits a split to a fixed class-balanced subset of that many inputs
    per task, e.g. `{"val": 120}`. `batch_size` is halved where a GPU's memory does not suffice.
    """

    def __init__(
        self,
        backbone: Backbone,
        tasks: Sequence[Task],
        *,
        per_task: Mapping[str, int] | None = None,
        batch_size: int = 256,
        precision: Precision = "bf16",
    ) -> None:
        self.backbone = backbone
        self.tasks = tuple(tasks)
        self.precision = precision
        self._batches = Batches(batch_size)
        self._body = Body(backbone.parts)
        self._per_task = dict(per_task or {})
        self._heads = {
            task.name: text_head(backbone, task.classes, task.templates) for task in tasks
        }
        self._pools: dict[str, _Pool] = {}

    def sizes(self, split: str) -> Counts:
        """Return the number of inputs that `correct` looks at, by task."""
        return {name: len(labels) for name, labels in self._pool(split).labels.items()}

    def labels(self, split: str) -> Mapping[str, Tensor]:
        """Return the true classes of the inputs that `correct` looks at, by task."""
        return self._pool(split).labels

    def correct(self, split: str) -> Counts:
        """Return the correct counts of the current weights on one split, by task."""
        return counted(self.hits(split))

    def hits(self, split: str, ranks: range | None = None) -> dict[str, Tensor]:
        """Return for each task which inputs are classified correctly: `(N,)` bool.

        `ranks`: look only at the inputs at these places of a class-balanced order (see
        `class_balanced`), which are returned in the order of the split.
        """
        labels = self._chosen(split, ranks, None).labels
        return {
            name: predicted.eq(labels[name])
            for name, predicted in self.predictions(split, ranks).items()
        }

    @torch.inference_mode()
    def predictions(
        self, split: str, ranks: range | None = None, tasks: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """Return for each task the predicted classes: `(N,)` int64.

        `NO_CLASS` where the model gives an embedding that is not finite, as overflowing merges do:
        such an input is wrong, whatever its class. `ranks`: as in `hits`; `tasks`: look at the
        inputs of these only.
        """
        inputs, chosen = self._pool(split).inputs, self._chosen(split, ranks, tasks)
        features = self._batches.of(
            lambda batch: self._features(inputs.of(batch)), chosen.rows, chosen.lengths
        ).split([len(labels) for labels in chosen.labels.values()])
        return {
            name: (own @ self._heads[name].T).argmax(1).where(own.isfinite().all(1), NO_CLASS)
            for own, name in zip(features, chosen.labels, strict=True)
        }

    def _features(self, hidden: Tensor) -> Tensor:
        # An argmax over unit rows does not depend on the length of the feature vector.
        with autocast(hidden.device, self.precision):
            features: Tensor = self._body(hidden)
        return features.float()

    def _chosen(self, split: str, ranks: range | None, tasks: Sequence[str] | None) -> _Chosen:
        """Return the inputs at these ranks of these tasks; found once."""
        pool = self._pool(split)
        names = tuple(name for name in pool.ranks if tasks is None or name in tasks)
        if (ranks, names) not in pool.chosen:
            places = {name: _places(pool.ranks[name], ranks) for name in names}
            rows = torch.cat([pool.starts[name] + own for name, own in places.items()])
            device = self.backbone.device
            pool.chosen[ranks, names] = _Chosen(
                rows=rows.to(device) if pool.inputs.inputs.resident else rows,
                labels={
                    name: pool.labels[name] if ranks is None else pool.labels[name][own.to(device)]
                    for name, own in places.items()
                },
                lengths=pool.inputs.lengths(rows),
            )
        return pool.chosen[ranks, names]

    def _pool(self, split: str) -> _Pool:
        if split not in self._pools:
            subsets, starts, labels, ranks, start = [], {}, {}, {}, 0
            for task in self.tasks:
                data = task.splits[split]
                chosen = torch.arange(len(data.labels))
                if split in self._per_task:
                    chosen = class_balanced(data.labels, self._per_task[split])
                subsets.append(chosen)
                ranks[task.name] = _ranks(data.labels[chosen])
                labels[task.name] = data.labels[chosen].to(self.backbone.device)
                starts[task.name] = start
                start += len(chosen)
            parts = [task.splits[split].inputs for task in self.tasks]
            inputs = Inputs(parts, self.backbone, subsets)
            outputs = StemOutputs(self.backbone, inputs, precision=self.precision)
            self._pools[split] = _Pool(inputs=outputs, starts=starts, labels=labels, ranks=ranks)
        return self._pools[split]


def class_balanced(labels: Tensor, count: int) -> Tensor:
    """Return the indices, ascending, of `count` inputs spread evenly over the classes.

    `labels`: `(N,)` int64. The first inputs of every class are taken in turns, so that a smaller
    subset is part of a larger one; all indices are returned when `count >= N`.
    """
    return in_turns(labels)[:count].sort().values


def _ranks(labels: Tensor) -> Tensor:
    """Return in which order a race looks at the inputs, `(N,)` int64 from 0.

    Class by class where these are equally frequent. Else that would show the rare ones first, and
    a lead among them is none on all inputs: in random order, always the same.
    """
    counts = labels.unique(return_counts=True)[1]
    if len(counts) and int(counts.max() - counts.min()) > 1:
        return torch.randperm(len(labels), generator=generator(0, "order of a race", len(labels)))
    ranks = torch.empty_like(labels)
    order = in_turns(labels)
    ranks[order] = torch.arange(len(labels))
    return ranks


def _places(own: Tensor, ranks: range | None) -> Tensor:
    """Return the indices, ascending, of the inputs whose rank is in `ranks`; None means all."""
    if ranks is None:
        return torch.arange(len(own))
    return ((own >= ranks.start) & (own < ranks.stop)).nonzero().flatten()


def _targets(backbone: Backbone, update: Update) -> dict[nn.Parameter, Tensor]:
    """Return the change of every parameter that `update` changes, on the backbone's device.

    Factors are multiplied there, of which less is to be copied than of their product.
    """
    parameters, device = dict(backbone.tower.named_parameters()), backbone.device
    return {
        _parameter(backbone, parameters, site, change, update.label): change.to(device).dense()
        for site, change in update.sites.items()
    }


def _parameter(
    backbone: Backbone,
    parameters: Mapping[str, nn.Parameter],
    site: str,
    change: SiteUpdate,
    label: str,
) -> nn.Parameter:
    parameter = parameters.get(f"{site}.weight", parameters.get(site))
    if parameter is None:
        raise InputError(f"{label}: backbone {backbone.name} has no site {site}")
    if tuple(parameter.shape) != tuple(change.shape):
        raise InputError(
            f"{label}: site {site} has shape {tuple(change.shape)}, "
            f"but {tuple(parameter.shape)} in backbone {backbone.name}"
        )
    return parameter
