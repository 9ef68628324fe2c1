"""RegMean and Chain of Merges on whole weights in float64 NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from small_tower import Arrays, changes, parameters

from attacks.chain_of_merges import ChainOfMerges
from mergebench.backbones import Backbone
from mergebench.suites import Task
from mergebench.updates.update import Update


@dataclass(frozen=True, kw_only=True)
class NumpyTower:
    """A tower of which NumPy computes what each linear is given, from a suite's inputs.

    `blocks`: the module paths of its blocks; `groups`: the linears of a block that are given the
    same, in the order in which they run; `linear_inputs`: of weights and inputs, by site.
    """

    backbone: Backbone
    blocks: Sequence[str]
    groups: Sequence[Sequence[str]]
    linear_inputs: Callable[[Arrays, torch.Tensor], Arrays]

    @property
    def linears(self) -> set[str]:
        """The weights of all linears in blocks."""
        return {
            f"{block}.{site}.weight"
            for block in self.blocks
            for group in self.groups
            for site in group
        }

    def merged(self, attack: Any, updates: Sequence[Update], tasks: Sequence[Task]) -> Arrays:
        """Return the merge by parameter; every input is from a run of the whole tower."""
        base = parameters(self.backbone)
        deltas = [changes(update, base) for update in updates]
        experts = [
            base | {name: base[name] + delta for name, delta in own.items()} for own in deltas
        ]
        model = dict(base)
        for name in deltas[0].keys() - self.linears:
            model[name] = base[name] + sum(delta[name] for delta in deltas) / len(deltas)
        inputs = [task.splits["train"].inputs for task in tasks]
        own = [self.linear_inputs(*pair) for pair in zip(experts, inputs, strict=True)]
        chain = isinstance(attack, ChainOfMerges)
        for block in self.blocks:
            finished: Arrays = {}
            for group in self.groups:
                given = own
                if chain:
                    running = [self._running(attack, block, model, expert) for expert in experts]
                    given = [
                        self.linear_inputs(*pair) for pair in zip(running, inputs, strict=True)
                    ]
                for site in (f"{block}.{site}" for site in group):
                    if f"{site}.weight" in deltas[0]:
                        finished[f"{site}.weight"] = _weight(
                            attack, site, experts, base, own, given
                        )
                if chain and attack.schedule == "linear":
                    model |= finished
            model |= finished
        return {name: model[name] - base[name] for name in deltas[0]}

    @staticmethod
    def _running(attack: ChainOfMerges, block: str, model: Arrays, expert: Arrays) -> Arrays:
        """Return the weights of a tower that gives a linear of `block` its inputs."""
        if attack.schedule == "linear":
            return model
        return model | {key: one for key, one in expert.items() if key.startswith(block)}


def _weight(
    attack: Any,
    site: str,
    experts: Sequence[Arrays],
    base: Arrays,
    own: Sequence[Arrays],
    given: Sequence[Arrays],
) -> np.ndarray:
    """Return the merged weight; `own`: of each task what its expert gives all linears, `given`:
    what the merge does."""
    name, chain = f"{site}.weight", isinstance(attack, ChainOfMerges)
    target = attack.target if chain else "weights"
    weighting = attack.weighting if chain else "none"
    numerator, gram = 0.0, 0.0
    for expert, of_expert, of_merge in zip(experts, own, given, strict=True):
        inputs = of_merge[site]
        moment = shrunk_moment(inputs, inputs, attack.shrink)
        cross = moment
        if target == "outputs":
            cross = shrunk_moment(of_expert[site], inputs, attack.shrink)
        trace = np.trace(moment)
        weight = {"none": 1.0, "trace": trace, "inv_trace": 1 / trace}[weighting]
        numerator = numerator + weight * expert[name] @ cross
        gram = gram + weight * moment
    ridge = attack.ridge * np.mean(np.diag(gram))
    regularised = gram + ridge * np.eye(len(gram))
    return np.linalg.solve(regularised, (numerator + ridge * base[name]).T).T


def shrunk_moment(left: np.ndarray, right: np.ndarray, a: float) -> np.ndarray:
    """Return the second moment of tokens, off-diagonal entries times `a`."""
    moment = left.T @ right / len(left)
    return a * moment + (1 - a) * np.diag(np.diag(moment))
