"""Fisher merging: each entry weighted by how much its model's predictions depend on it."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Literal

import torch
from torch import Tensor

from attacks.parts.task_logits import TaskLogits
from mergebench.contracts import DataMerger, MergeData
from mergebench.errors import check_range
from mergebench.updates import Dense, SiteUpdate, Update


@dataclass(frozen=True, kw_only=True)
class Fisher(DataMerger):
    """`D = Σ_i c_i (F_i + ε) ⊙ τ_i / Σ_i c_i (F_i + ε)`, with `c_i = 1 / (‖F_i‖ + ε)`.

    `F_i = (1/N) Σ_batches (∇ Σ_batch Σ_y √p_y log p_y)²`, entry by entry, at the weights of expert
    `i`, with its own predictions `p` of unlabelled inputs and `√p_y` held fixed; ε is `floor`. For
    a batch of one input that is the diagonal of the Fisher information up to the products of
    different classes; in a larger one, as in the public code, those of different inputs enter too.
    `‖F_i‖` is over all parameters that the updates change, adapters being taken as the changes of
    weights that they are.
    """

    name: ClassVar[str] = "fisher"
    title: ClassVar[str] = "Fisher"
    paper: ClassVar[str] = "Matena and Raffel, 2021, https://arxiv.org/abs/2111.09832"
    version: ClassVar[int] = 2  # norms without the floor, as in the public code; before: with it

    split: Literal["train", "val"] = "train"
    inputs_per_task: int = 256
    batch_size: int = 32
    floor: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("batch_size", self.batch_size, 1, 1_000_000)
        check_range("floor", self.floor, 1e-30, 1e30)

    def merge(self, given: MergeData) -> Update:
        """Return the weighted mean. Notes: `norm of F of <task>`."""
        logits = TaskLogits(given)
        sums: dict[str, Tensor] = {}
        weights: dict[str, Tensor] = {}
        for place, update in enumerate(given.updates):
            information = self._information(given, logits, place)
            norm = sqrt(sum(float(own.double().square().sum()) for own in information.values()))
            given.notes[f"norm of F of {given.tasks[place].name}"] = norm
            for site, own in information.items():
                weight = (own + self.floor) / (norm + self.floor)
                part = weight * update.sites[site].dense().to(weight)
                sums[site] = sums[site] + part if site in sums else part
                weights[site] = weights[site] + weight if site in weights else weight
            given.reached((place + 1) / len(given.updates))
        sites: dict[str, SiteUpdate] = {
            site: Dense(delta=(own / weights[site]).float().cpu()) for site, own in sums.items()
        }
        return Update(sites=sites, label=repr(self))

    def _information(self, given: MergeData, logits: TaskLogits, place: int) -> dict[str, Tensor]:
        """Return `F_i` by site."""
        changes = given.updates[place].sites
        leaves = {site: logits.changed(site, change) for site, change in changes.items()}
        total = {site: torch.zeros_like(leaf) for site, leaf in leaves.items()}
        inputs = given.tasks[place].splits["train"].inputs
        for batch in inputs.split(self.batch_size):
            log_p = logits.of(leaves, place, batch).log_softmax(dim=1)
            value = (log_p.detach().exp().sqrt() * log_p).sum()
            gradients = torch.autograd.grad(value, [*leaves.values()])
            for own, gradient in zip(total.values(), gradients, strict=True):
                own += gradient.square()
        return {site: own / len(inputs) for site, own in total.items()}
