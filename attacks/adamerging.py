"""AdaMerging: coefficients that make the merged model sure of what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Literal

import torch
from torch import Tensor

from attacks.parts.task_logits import TaskLogits
from mergebench.contracts import MergeData, SweptMerger
from mergebench.errors import InputError, check_choice, check_range
from mergebench.seeding import generator
from mergebench.updates import Dense, LowRank, SiteUpdate, Update

Granularity = Literal["layer", "task"]


@dataclass(frozen=True, kw_only=True)
class AdaMerging(SweptMerger):
    """`D = Σ_i a_il τ_il`: minimise the sum over tasks of the mean entropy of predictions.

    `granularity`: one coefficient per task and parameter tensor `l` ("layer") or per task ("task").
    They start at `initial`; Adam with `learning_rate` takes `steps` steps, each on `batch_size`
    unlabelled inputs of every task, heads fixed, coefficients not clamped. The published method
    learns on test inputs; here on those of its budget, which are no test inputs.
    """

    name: ClassVar[str] = "adamerging"
    title: ClassVar[str] = "AdaMerging"
    paper: ClassVar[str] = "Yang et al., 2024, https://arxiv.org/abs/2310.02575"

    granularity: Granularity = "layer"
    initial: float = 0.3
    learning_rate: float = 1e-3
    steps: int = 1000
    batch_size: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("granularity", self.granularity, Granularity)
        check_range("initial", self.initial, -100, 100)
        check_range("learning_rate", self.learning_rate, 0, 100)
        check_range("steps", self.steps, 0, 1_000_000)
        check_range("batch_size", self.batch_size, 1, 1_000_000)

    def merge(self, given: MergeData) -> Update:
        """Return the sum with the coefficients of the last step.

        Notes: `coefficient of <task>`, the mean over tensors, and `entropy` of the last step in
        nats, the mean over tasks. Raises `InputError` when the entropy stops being finite.
        """
        logits, changes = TaskLogits(given), _on_device(given)
        layers = len(changes) if self.granularity == "layer" else 1
        values = torch.full((len(given.updates), layers), self.initial)
        rate = self.learning_rate * self.learning_rate_factor
        optimizer = torch.optim.Adam([values], lr=rate)
        batches = [self._batches(given, place) for place in range(len(given.tasks))]
        for step in range(self.steps):
            merged = _totals(changes, values)
            weights = {site: logits.changed(site, change) for site, change in merged.items()}
            given.notes["entropy"] = _backward(logits, weights, batches)
            if not isfinite(given.notes["entropy"]):
                raise InputError(
                    f"attack {self.name}: the entropy is not finite after {step} steps: "
                    "lower learning_rate or initial"
                )
            slopes = _slopes(changes, weights)
            values.grad = slopes if layers > 1 else slopes.sum(dim=1, keepdim=True)
            optimizer.step()
            given.reached((step + 1) / self.steps)
        for task, own in zip(given.tasks, values.detach(), strict=True):
            given.notes[f"coefficient of {task.name}"] = float(own.mean())
        sites = {
            site: Dense(delta=change.delta.cpu())
            for site, change in _totals(changes, values).items()
        }
        return Update(sites=sites, label=repr(self))

    def _batches(self, given: MergeData, place: int) -> Iterator[Tensor]:
        """Yield batches of a task's inputs: permutations of all, one after the other."""
        task = given.tasks[place]
        inputs = task.splits["train"].inputs
        draws = generator(given.seed, self.name, task.name)
        left = torch.empty(0, dtype=torch.int64)
        while True:
            while len(left) < self.batch_size:
                left = torch.cat([left, torch.randperm(len(inputs), generator=draws)])
            yield inputs[left[: self.batch_size]]
            left = left[self.batch_size :]


def _on_device(given: MergeData) -> dict[str, list[SiteUpdate]]:
    """Return by site the changes of all updates, float32 on the backbone's device."""
    device = given.backbone.device
    return {
        site: [update.sites[site].to(device, torch.float32) for update in given.updates]
        for site in given.updates[0].sites
    }


def _totals(changes: Mapping[str, Sequence[SiteUpdate]], values: Tensor) -> dict[str, Dense]:
    """Return `Σ_i a_il τ_il` of every site; `values`: `(T, L)`, or `(T, 1)` for all sites alike."""
    spread = values.detach().expand(-1, len(changes)).T.tolist()
    totals = {}
    for (site, own), coefficients in zip(changes.items(), spread, strict=True):
        pairs = zip(own, coefficients, strict=True)
        parts = [change.scaled(value).dense() for change, value in pairs]
        totals[site] = Dense(delta=torch.stack(parts).sum(dim=0))
    return totals


def _backward(
    logits: TaskLogits, weights: Mapping[str, Tensor], batches: list[Iterator[Tensor]]
) -> float:
    """Add the gradients of the entropies to those of `weights`; return the mean entropy."""
    total = 0.0
    for place, batch in enumerate(batches):
        log_p = logits.of(weights, place, next(batch)).log_softmax(dim=1)
        entropy = -(log_p.exp() * log_p).sum(dim=1).mean()
        entropy.backward()
        total += float(entropy.detach())
    return total / len(batches)


def _slopes(changes: Mapping[str, Sequence[SiteUpdate]], weights: Mapping[str, Tensor]) -> Tensor:
    """Return the derivative by each coefficient, `⟨∇_l, τ_il⟩`: `(T, L)` float32 on the CPU."""
    rows = [[_inner(one, weights[site].grad) for one in own] for site, own in changes.items()]
    return torch.tensor(rows).T.contiguous()


def _inner(change: SiteUpdate, gradient: Tensor | None) -> float:
    """Return `⟨∇, τ⟩`; 0 for a weight that took no part."""
    if gradient is None:
        return 0.0
    if isinstance(change, LowRank):
        return float(((gradient @ change.down.T) * change.up).sum())
    return float((gradient * change.delta).sum())
