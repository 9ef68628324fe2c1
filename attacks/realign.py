"""A rearranged checkpoint is put back beside the pretrained weights, and then merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from attacks.parts.alignment import gauge_fixed, matched, reordered
from mergebench.contracts import InformedMerger, Suspected
from mergebench.errors import check_choice
from mergebench.symmetries import Checkpoint, Pair, PairPaths, Units, pair_paths, unit_parameters
from mergebench.updates import MergePath, Update

Method = Literal["permutation", "aga", "gauge"]


@dataclass(frozen=True, kw_only=True)
class Realign(InformedMerger):
    """`W0 + α f(τ'_p, τ_i, i ≠ p)`: rearrangements of the protected checkpoint are undone first.

    `method`: "permutation" puts the units of MLPs where they are most like the pretrained ones.
    "gauge" does so and takes, of all pairs `A Q, A⁻ᵀ K` and `C V, O C⁻¹` of the same function, the
    nearest to the pretrained one; whatever invertible maps a protection drew, the result is the
    same. "aga" maps Q, K, V and O each for itself instead, which changes the function.
    Only W0 is needed. An MLP or pair that the update changes in part, as an adapter of weights
    alone does, was not rearranged, and stays; the bias of a key, which has no part in the function,
    need not be changed.
    """

    name: ClassVar[str] = "realign"
    version: ClassVar[int] = 2  # norms relative to what was merged; before: was given
    paper: ClassVar[str] = "mergebench: gauge fixing; AGA, https://arxiv.org/abs/2606.30360"

    method: Method = "gauge"

    def __post_init__(self) -> None:
        """Check the method."""
        super().__post_init__()
        check_choice(f"attack {self.name}: method", self.method, Method)

    def path(self, given: Suspected) -> MergePath:
        """Return the merge of all updates, the protected one realigned."""
        updates = given.with_protected(self.undone(given))
        return MergePath(direction=given.merged(updates), merged=updates)

    def undone(self, given: Suspected) -> Update:
        """Return the protected update realigned, computed once for all points of a search."""
        key = f"{Realign.name} {self.method}"
        if key not in given.kept:
            checkpoint = Checkpoint(backbone=given.backbone, update=given.protected)
            given.kept[key] = self.realigned(checkpoint)
        return given.kept[key]

    def realigned(self, checkpoint: Checkpoint) -> Update:
        """Return the update of the realigned checkpoint; the given one if nothing is to be done."""
        parts, weights = checkpoint.backbone.parts, dict[str, Tensor]()
        for mlp in parts.mlps():
            if checkpoint.changes_all(unit_parameters(mlp)):
                units = Units.read(mlp, checkpoint.released)
                base = Units.read(mlp, checkpoint.pretrained)
                weights |= reordered(units, base).written(mlp)
        pairs = [pair for both in pair_paths(parts) for pair in both]
        for pair in pairs if self.method != "permutation" else ():
            # A protection may leave the bias of keys as it was: attention does not depend on it.
            for paths in (pair, pair.without_key_bias()):
                if checkpoint.changes_all(paths.parameters):
                    weights |= paths.written(self._aligned(checkpoint, paths))
                    break
        return checkpoint.with_weights(weights) if weights else checkpoint.update

    def _aligned(self, checkpoint: Checkpoint, paths: PairPaths) -> Pair:
        pair, base = paths.read(checkpoint.released), paths.read(checkpoint.pretrained)
        if self.method == "gauge":
            return gauge_fixed(pair, base)
        return matched(pair, base, right_has_bias=paths.right_has_bias)
