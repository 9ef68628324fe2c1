"""A stand-in for MergeGuard, of which only summaries were at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from mergebench.backbones import Backbone
from mergebench.errors import check_range
from mergebench.train import Losses, PostHoc, Step
from mergebench.updates import Dense, SiteUpdate, Update


@dataclass(frozen=True, kw_only=True)
class MergeGuardLike(PostHoc):
    """Trains with `CE + penalty Σ_l ‖ΔW_l‖²`, then `θ ← θ - M (θ - W0)`: some entries go back.

    A stand-in, which is no claim about MergeGuard: how that measures importance is not known. Here
    a layer is a tensor of two dimensions or more, the critical ones, in which M is 0, are the share
    `critical` with the largest `‖ΔW_l‖ / ‖W0_l‖`, and in the others the share `reverted` of the
    entries, those that changed the most, goes back to W0. None of the three values was tuned. It
    does not preserve the function.
    """

    name: ClassVar[str] = "mergeguard_like"
    title: ClassVar[str] = "MergeGuard-like (stand-in)"
    paper: ClassVar[str] = "stand-in for MergeGuard, https://arxiv.org/abs/2511.11851"

    penalty: float = 0.01
    critical: float = 0.5
    reverted: float = 0.1

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check_range("mergeguard_like: penalty", self.penalty, 0, 1_000_000)
        for name in ("critical", "reverted"):
            check_range(f"mergeguard_like: {name}", getattr(self, name), 0, 1)

    @property
    def starts_from_plain(self) -> bool:
        """Only without the penalty."""
        return self.penalty == 0

    def backward(self, step: Step) -> Losses:
        """Minimise the mean loss and the penalty."""
        losses = super().backward(step)
        (self.penalty * step.classifier.tower.squared_norm()).backward()
        return losses

    def changed(self, backbone: Backbone, update: Update, key: tuple[object, ...]) -> Update:
        """Return the update without the entries that go back."""
        weights = backbone.tensors
        ratios = {
            site: change.squared_norm() / float(weights[site].detach().double().square().sum())
            for site, change in update.sites.items()
            if len(change.shape) > 1 and weights[site].any()
        }
        ordered = sorted(ratios, key=lambda site: ratios[site])
        chosen = ordered[: len(ordered) - round(self.critical * len(ordered))]
        sites: dict[str, SiteUpdate] = {
            site: Dense(delta=self._thinned(change.dense()) if site in chosen else change.dense())
            for site, change in update.sites.items()
        }
        return replace(update, sites=sites)

    def _thinned(self, delta: Tensor) -> Tensor:
        """Return a change without its largest entries."""
        count = round(self.reverted * delta.numel())
        largest = delta.abs().flatten().topk(count).indices
        return delta.flatten().index_fill(0, largest, 0.0).reshape(delta.shape)
