"""ProDistill: coefficients of all updates, learned block by block from unlabelled inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mergebench.backbones import StemOutputs, autocast, joined
from mergebench.contracts import MergeData, SweptMerger
from mergebench.errors import check_choice, check_range
from mergebench.measure import deployed
from mergebench.progress import Reached, part_of
from mergebench.seeding import generator
from mergebench.train import of_like_length
from mergebench.updates import Dense, Update

Granularity = Literal["element", "tensor", "task"]
Weights = Mapping[str, Tensor]
"""Tensors by parameter name within a block."""

_CHUNK = 128
_RANGES = (
    *(("initial", -100, 100), ("learning_rate", 0, 100)),
    *(("epochs", 0, 100_000), ("batch_size", 1, 1_000_000)),
)
"""Options and the least and the largest value that can be computed with."""


@dataclass(frozen=True, kw_only=True)
class ProDistill(SweptMerger):
    """Distil the blocks of all fine-tuned models into `θ = θ_0 + Σ_i a_i ⊙ τ_i`, one by one.

    A block minimises `Σ ‖block_θ(z) - block_i(z_i)‖²` over tokens and features, where `z` is what
    the merged blocks ahead of it make of an input, and `z_i` what those of the model of the input's
    own task make of it; then both streams move on. `a_i` starts at `initial` and has one number per
    entry of each changed parameter (`granularity` "element"), per parameter ("tensor") or per block
    ("task"). Adam with `learning_rate` takes `epochs` passes over all inputs in batches of
    `batch_size`, of like length where inputs differ in it. Parameters outside the blocks are merged
    by task arithmetic with `initial`. Labels are not read, except that the budget is spread over
    classes.

    Held at once: values, gradients and two moments of the coefficients of one block (ViT-L/14,
    adapters of eight tasks: 0.54 GB) beside its updates and products of their size (0.13 GB each),
    and one activation per input and stream, which are advanced in chunks (512 images of 257 x 1024
    float32: 1.1 GB for both). Raises `InputError` for an unknown granularity.
    """

    name: ClassVar[str] = "prodistill"
    title: ClassVar[str] = "ProDistill"
    paper: ClassVar[str] = "ProDistill (Xu et al., 2025), https://arxiv.org/abs/2502.12706"

    split: Literal["train", "val"] = "train"
    inputs_per_task: int = 64
    granularity: Granularity = "element"
    initial: float = 0.3
    learning_rate: float = 0.01
    epochs: int = 100
    batch_size: int = 128

    def __post_init__(self) -> None:
        """Check the granularity."""
        super().__post_init__()
        check_choice(f"attack {self.name}: granularity", self.granularity, Granularity)
        for name, least, most in _RANGES:
            check_range(f"attack {self.name}: {name}", getattr(self, name), least, most)

    def merge(self, given: MergeData) -> Update:
        """Return `Σ_i a_i ⊙ τ_i` of every parameter that the updates change.

        Notes: `scale_<task>`, the mean of the task's coefficients in the blocks weighted by `τ_i²`,
        and `relative_error`, the squared distance of the two streams after the last block over the
        squared norm of the teachers'.
        """
        names = _parameter_names(given)
        paths = given.backbone.parts.blocks()
        inside = {
            path: {site: name for site, name in names.items() if name.startswith(f"{path}.")}
            for path in paths
        }
        found = {site for own in inside.values() for site in own}
        sites = {
            site: Dense(delta=self.initial * _stacked(given, site).sum(0).cpu())
            for site in names
            if site not in found
        }
        streams = _Streams(given, Update(sites=sites, label=self.name))
        scales = torch.zeros(2, len(given.updates), dtype=torch.float64)
        for place, (path, own) in enumerate(inside.items()):
            reached = part_of(given.reached, place, len(inside))
            merged, usage = self._block(given, path, own, streams, reached)
            reached(1.0)
            sites |= merged
            scales += usage
        given.notes["relative_error"] = streams.relative_error()
        for task, (used, whole) in zip(given.tasks, scales.T.tolist(), strict=True):
            given.notes[f"scale_{task.name}"] = used / whole if whole else 0.0
        return Update(sites={site: sites[site] for site in names}, label=repr(self))

    def _block(
        self,
        given: MergeData,
        path: str,
        names: Mapping[str, str],
        streams: _Streams,
        reached: Reached,
    ) -> tuple[dict[str, Dense], Tensor]:
        """Merge one block and advance the streams; its changes by site, and their usage."""
        block = given.backbone.tower.get_submodule(path)
        own = {site: name.removeprefix(f"{path}.") for site, name in names.items()}
        changes = {name: _stacked(given, site) for site, name in own.items()}
        streams.advance_teachers(block, changes)
        draws = generator(given.seed, self.name, path)
        values = self._learnt(block, changes, streams, draws, reached)
        merged = values.weighted()
        streams.advance_student(block, merged)
        sites = {site: Dense(delta=merged[name].cpu()) for site, name in own.items()}
        return sites, values.usage()

    def _learnt(
        self,
        block: nn.Module,
        changes: Weights,
        streams: _Streams,
        draws: torch.Generator,
        reached: Reached,
    ) -> _Coefficients:
        values = _Coefficients(changes, self.granularity, self.initial)
        if not changes:
            return values
        rate = self.learning_rate * self.learning_rate_factor
        optimizer = torch.optim.Adam(values.leaves, lr=rate, fused=True)
        for epoch in range(self.epochs):
            for rows in streams.batches(self.batch_size, draws):
                optimizer.zero_grad()
                streams.loss(block, values.weighted(), rows).backward()
                optimizer.step()
            reached((epoch + 1) / self.epochs)
        for leaf in values.leaves:
            leaf.requires_grad_(False)
        return values


class _Coefficients:
    """The `a_i` of one block, all `initial` at first.

    `changes`: by parameter its `(T, ...)` changes. `leaves`: what is trained.
    """

    def __init__(self, changes: Weights, granularity: Granularity, initial: float) -> None:
        self._changes = changes
        self.leaves: list[Tensor] = []
        self._leaf: dict[str, Tensor] = {}
        for name, change in changes.items():
            if granularity != "task" or not self.leaves:
                shape = change.shape if granularity == "element" else change.shape[:1]
                leaf = torch.full(shape, initial, device=change.device, requires_grad=True)
                self.leaves.append(leaf)
            self._leaf[name] = self.leaves[-1]

    def weighted(self) -> dict[str, Tensor]:
        """Return `Σ_i a_i ⊙ τ_i` by parameter."""
        return {
            name: (self._spread(name) * change).sum(0) for name, change in self._changes.items()
        }

    def usage(self) -> Tensor:
        """Return `Σ a_i ⊙ τ_i²` and `Σ τ_i²` over all entries: `(2, T)` float64 on the CPU."""
        total = torch.zeros(2, 1, dtype=torch.float64)
        for name, change in self._changes.items():
            squares = change.square()
            parts = [self._spread(name) * squares, squares]
            sums = [part.flatten(1).sum(1, dtype=torch.float64).cpu() for part in parts]
            total = total + torch.stack(sums)
        return total

    def _spread(self, name: str) -> Tensor:
        leaf, change = self._leaf[name], self._changes[name]
        return leaf.view(*leaf.shape, *(1,) * (change.dim() - leaf.dim()))


class _Streams:
    """What the student and the teachers make of all inputs so far, `(N, ...)` each.

    `outside`: the merged changes of the parameters that lie outside the blocks.
    """

    def __init__(self, given: MergeData, outside: Update) -> None:
        self._backbone, self._precision = given.backbone, given.precision
        self._parts = given.backbone.parts
        inputs = [task.splits["train"].inputs for task in given.tasks]
        bounds = accumulate((len(own) for own in inputs), initial=0)
        self._rows = [slice(start, stop) for start, stop in pairwise(bounds)]
        students, teachers = [], []
        for own, update in zip(inputs, given.updates, strict=True):
            rest = Update(sites={site: update.sites[site] for site in outside.sites})
            students.append(self._stem(own, outside))
            teachers.append(self._stem(own, rest))
        self._student, self._teacher = joined(students), joined(teachers)
        lengths = [self._backbone.lengths(own) for own in inputs]
        known = [own for own in lengths if own is not None]
        self._lengths = torch.cat(known) if known else None

    def __len__(self) -> int:
        return len(self._student)

    def loss(self, block: nn.Module, change: Weights, rows: Tensor) -> Tensor:
        """Return the summed squared distance of the block, changed so, to its teachers'."""
        rows = rows.to(self._student.device)
        taken, wanted = (self._parts.trimmed(one[rows]) for one in (self._student, self._teacher))
        found = self._run(block, change, taken)
        return (found.float() - wanted.float()).square().sum()

    def batches(self, size: int, draws: torch.Generator) -> Iterator[Tensor]:
        """Yield the rows of all inputs in random batches; those of like length where they differ.

        `size`: of a batch, `(size,)` int64 on the CPU.
        """
        order = torch.randperm(len(self), generator=draws)
        if self._lengths is not None:
            order = of_like_length(order, self._lengths[order], size, draws)
        yield from order.split(size)

    @torch.no_grad()
    def advance_teachers(self, block: nn.Module, changes: Weights) -> None:
        """Run each task's inputs through its own model's block; `changes`: `(T, ...)` each."""
        parts = [
            (rows, {name: change[place] for name, change in changes.items()})
            for place, rows in enumerate(self._rows)
        ]
        self._teacher = self._advanced(self._teacher, block, parts)

    @torch.no_grad()
    def advance_student(self, block: nn.Module, change: Weights) -> None:
        """Run all inputs through the merged block."""
        self._student = self._advanced(self._student, block, [(slice(0, len(self)), change)])

    def relative_error(self) -> float:
        """Return the squared distance of the streams over the squared norm of the teachers'."""
        distance = norm = 0.0
        for student, teacher in zip(
            self._student.split(_CHUNK), self._teacher.split(_CHUNK), strict=True
        ):
            distance += float((student.double() - teacher.double()).square().sum())
            norm += float(teacher.double().square().sum())
        return distance / norm

    def _advanced(
        self, stream: Tensor, block: nn.Module, parts: Sequence[tuple[slice, Weights]]
    ) -> Tensor:
        """Return what the block makes of the stream, in the stream's own memory if it fits."""
        result: Tensor | None = None
        for rows, change in parts:
            for start in range(rows.start, rows.stop, _CHUNK):
                chunk = slice(start, min(start + _CHUNK, rows.stop))
                out = self._run(block, change, stream[chunk])
                if result is None:
                    fits = out.shape[1:] == stream.shape[1:] and out.dtype == stream.dtype
                    result = stream if fits else out.new_empty(len(stream), *out.shape[1:])
                result[chunk] = out
        assert result is not None
        return result

    def _run(self, block: nn.Module, change: Weights, hidden: Tensor) -> Tensor:
        weights = {name: block.get_parameter(name) + delta for name, delta in change.items()}
        with autocast(self._backbone.device, self._precision):
            return self._parts.run(lambda *taken: functional_call(block, weights, taken), hidden)

    def _stem(self, inputs: Tensor, change: Update) -> Tensor:
        with deployed(self._backbone, change):
            outputs = StemOutputs(self._backbone, inputs, precision=self._precision)
            starts = range(0, len(inputs), _CHUNK)
            return joined([outputs.of(slice(start, start + _CHUNK)) for start in starts])


def _parameter_names(given: MergeData) -> dict[str, str]:
    """Return by site the name of the parameter that it changes."""
    known = {name for name, _ in given.backbone.tower.named_parameters()}
    return {
        site: f"{site}.weight" if f"{site}.weight" in known else site
        for site in given.updates[0].sites
    }


def _stacked(given: MergeData, site: str) -> Tensor:
    """Return the changes of one site, `(T, ...)` float32 on the backbone's device."""
    dense = [update.sites[site].dense().float() for update in given.updates]
    return torch.stack(dense).to(given.backbone.device)
