"""The tower under other weights as a classifier of every task, differentiable in them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from mergebench.backbones import autocast, text_head
from mergebench.contracts import MergeData
from mergebench.updates import SiteUpdate


class TaskLogits:
    """Logits of the tasks of `given`, with their frozen heads, for weights that are passed in.

    `names`: by site the name of the parameter that the updates change.
    """

    def __init__(self, given: MergeData) -> None:
        self._backbone, self._precision = given.backbone, given.precision
        self._heads = [
            text_head(given.backbone, task.classes, task.templates) for task in given.tasks
        ]
        self._weights = dict(given.backbone.tower.named_parameters())
        self.names = {
            site: f"{site}.weight" if f"{site}.weight" in self._weights else site
            for site in given.updates[0].sites
        }

    def base(self, site: str) -> Tensor:
        """Return the weight of W0 that the updates change at a site; it must not be written to."""
        return self._weights[self.names[site]].detach()

    def changed(self, site: str, change: SiteUpdate) -> Tensor:
        """Return `W0 + ΔW` of a site, float32, a leaf that takes part in gradients."""
        delta = change.dense().to(self.base(site))
        return (self.base(site) + delta).requires_grad_()

    def of(self, weights: Mapping[str, Tensor], task: int, inputs: Tensor) -> Tensor:
        """Return the logits `(N, classes)` float32 of a suite's inputs for the task at a place.

        `weights`: by site.
        """
        parameters = {self.names[site]: weight for site, weight in weights.items()}
        prepared = self._backbone.prepare(inputs)
        with autocast(self._backbone.device, self._precision):
            embeddings: Tensor = functional_call(self._backbone.tower, parameters, (prepared,))
        units = functional.normalize(embeddings.float(), dim=-1)
        return self._backbone.logit_scale * units @ self._heads[task].T
