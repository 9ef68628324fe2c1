"""Merging linear by linear, by regression on what each is given: RegMean and its relatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from attacks.parts.grams import MeanProduct, product, shrunk, solved
from attacks.parts.tower_walk import Step, Stream, Walk
from mergebench.contracts import MergeData
from mergebench.errors import InputError, check_choice, check_range
from mergebench.updates import Dense, SiteUpdate, Update

Target = Literal["weights", "outputs"]
Weighting = Literal["none", "inv_trace", "trace"]
Whose = Literal["expert", "merged"]


@dataclass(frozen=True, kw_only=True)
class Regression:
    """What the merged weight of a linear is fitted to, over the data of all tasks.

    With `G̃_i` the shrunk second moment (see `shrunk`) of task `i`'s inputs `X̃_i`, `C̃_i` that of
    `X_i X̃_iᵀ`, where `X_i` are its inputs in expert `i`, and task weights `c_i`:

    - target `weights`: `D = (Σ c_i τ_i G̃_i)(Σ c_i G̃_i)⁻¹`, which minimises `Σ c_i ‖(D-τ_i) X̃_i‖²`;
    - target `outputs`: `W = W0 + (Σ c_i ((W0+τ_i) C̃_i - W0 G̃_i))(Σ c_i G̃_i)⁻¹`, which minimises
      `Σ c_i ‖W X̃_i - (W0+τ_i) X_i‖²` and also corrects what `W0` does to drifted inputs.

    `ridge`, relative to the mean diagonal of `Σ c_i G̃_i`, is added to that diagonal: of all fits it
    prefers the one near `W0`. `c_i`: 1 (`none`), `1/tr G̃_i` (`inv_trace`) or `tr G̃_i` (`trace`).
    `prefix`: through which blocks the inputs `X̃_i` of a block come, the expert's or those merged
    already; `block`: whose weights the block itself has meanwhile. With a merged block every linear
    is merged on what those before it, merged, give it. `emphasis`: what `c_i` of the target's task
    is multiplied by, if there is a target.
    """

    prefix: Whose
    block: Whose
    target: Target = "weights"
    weighting: Weighting = "none"
    shrink: float = 1.0
    ridge: float = 1e-6
    emphasis: float = 1.0

    def __post_init__(self) -> None:
        check_range("shrink", self.shrink, 0, 1)
        check_range("ridge", self.ridge, 0, 1_000_000)
        check_choice("target", self.target, Target)
        check_choice("weighting", self.weighting, Weighting)


def merged_by_regression(given: MergeData, regression: Regression) -> Update:
    """Return the merge of `given.updates`, `Dense` float32 on the CPU, block by block.

    What is not the weight of a linear is averaged, also while inputs are gathered. Held at a time
    are the inputs of one block for all data, twice if both prefixes are needed, and the moments
    of one linear. Notes for each task `weight of <task>`, `c_i / Σ_j c_j`, and `share of <task>`,
    `c_i tr G̃_i / Σ_j c_j tr G̃_j`, both averaged over the linears.

    Raises `InputError` for a linear without inputs and for moments that determine no solution.
    """
    return _Merge(given, regression).run()


class _Merge:
    def __init__(self, given: MergeData, regression: Regression) -> None:
        self.given = given
        self.regression = regression
        first = given.updates[0].sites
        self.walk = Walk(given.backbone, tuple(first), given.precision)
        self.merged: dict[str, SiteUpdate] = {
            site: Dense(delta=_mean([update.sites[site] for update in given.updates]))
            for site in first
            if site not in self.walk.linears
        }
        self.weights: list[Tensor] = []
        self.shares: list[Tensor] = []

    def run(self) -> Update:
        experts = [update.sites for update in self.given.updates]
        own: list[Stream] = []
        if self.regression.prefix == "expert" or self.regression.target == "outputs":
            own = self._start(experts)
        shared: list[Stream] = []
        if self.regression.prefix == "merged":
            shared = self._start([self.merged] * len(experts))
        for number, step in enumerate(self.walk.steps, start=1):
            for group in self.walk.groups(step, (own or shared)[0][0][:1]):
                self._merge(step, group, own, shared)
            for task, stream in enumerate(own):
                self.walk.advance(step, stream, experts[task])
            for stream in shared:
                self.walk.advance(step, stream, self.merged)
            self.given.reached(number / len(self.walk.steps))
        self._note()
        return Update(sites={site: self.merged[site] for site in experts[0]})

    def _start(self, carried: Sequence[Mapping[str, SiteUpdate]]) -> list[Stream]:
        return [
            self.walk.start(task.splits["train"].inputs, changes)
            for task, changes in zip(self.given.tasks, carried, strict=True)
        ]

    def _merge(
        self, step: Step, group: tuple[str, ...], own: list[Stream], shared: list[Stream]
    ) -> None:
        """Merge the linears of one group, which have their inputs in common."""
        total: Tensor | None = None
        products: dict[str, Tensor] = {}
        weights, traces = [], []
        for task, update in enumerate(self.given.updates):
            gram, cross = self._moments(step, group[0], task, own, shared)
            weight = self._weight(gram, group[0], task)
            weights.append(weight)
            traces.append(float(gram.trace()))
            total = weight * gram if total is None else total.add_(gram, alpha=weight)
            for site in group:
                fitted = product(update.sites[site], gram if cross is None else cross)
                if cross is not None:
                    fitted += step.linears[site].weight.double() @ (cross - gram)
                products[site] = products.get(site, 0) + weight * fitted
        assert total is not None
        for site, change in solved(products, total, self.regression.ridge, of=group[0]).items():
            self.merged[site] = Dense(delta=change.float().cpu())
        weight_of, trace_of = torch.tensor([weights, traces], dtype=torch.float64)
        self.weights += [weight_of / weight_of.sum()] * len(group)
        share_of = weight_of * trace_of
        self.shares += [share_of / share_of.sum()] * len(group)

    def _moments(
        self, step: Step, site: str, task: int, own: list[Stream], shared: list[Stream]
    ) -> tuple[Tensor, Tensor | None]:
        """Return `G̃_i` and, for the target `outputs`, `C̃_i`, both `(n, n)` float64."""
        rule, expert = self.regression, self.given.updates[task].sites
        carried = expert if rule.block == "expert" else self.merged
        stream = own[task] if rule.prefix == "expert" else shared[task]
        gram, cross = MeanProduct(), MeanProduct()
        for index, hidden in enumerate(stream):
            drifted = self.walk.inputs(step, site, hidden, carried)
            gram.add(drifted, drifted)
            if rule.target == "outputs":
                cross.add(self.walk.inputs(step, site, own[task][index], expert), drifted)
        if rule.target == "weights":
            return shrunk(gram.mean(), rule.shrink), None
        return shrunk(gram.mean(), rule.shrink), shrunk(cross.mean(), rule.shrink)

    def _weight(self, gram: Tensor, site: str, task: int) -> float:
        trace = float(gram.trace())
        if not 0 < trace < float("inf"):
            raise InputError(
                f"site {site}: the inputs of task {self.given.tasks[task].name} are all zero or "
                f"not finite (mean squared norm {trace:g}): look at its data and its update"
            )
        weight = {"none": 1.0, "inv_trace": 1 / trace, "trace": trace}[self.regression.weighting]
        targeted = self.given.tasks[task].name == self.given.target
        return weight * self.regression.emphasis if targeted else weight

    def _note(self) -> None:
        if not self.weights:
            return
        for what, found in (("weight", self.weights), ("share", self.shares)):
            for task, mean in zip(self.given.tasks, torch.stack(found).mean(0), strict=True):
                self.given.notes[f"{what} of {task.name}"] = float(mean)


def _mean(changes: Sequence[SiteUpdate]) -> Tensor:
    total = changes[0].dense().clone()
    for change in changes[1:]:
        total += change.dense()
    return (total / len(changes)).float()
