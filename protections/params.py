"""PaRaMS: the units of MLPs are put in another order, and attention is scaled inside its heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from mergebench.backbones import Backbone
from mergebench.errors import InputError, check_choice
from mergebench.seeding import generator
from mergebench.symmetries import Checkpoint, PairPaths, Units
from mergebench.train import PostHoc
from mergebench.updates import Update
from protections.parts.head_maps import mapped_heads, require_attention
from protections.parts.random_maps import gaussian, log_uniform, orthogonal, uniform

Variant = Literal["diagonal", "symmetric", "nonsymmetric", "none"]

_LEAST, _MOST = 0.05, 20.0
_LEAST_NONSYMMETRIC, _MOST_NONSYMMETRIC, _RIDGE = 0.1, 15.0, 1e-3


@dataclass(frozen=True, kw_only=True)
class Params(PostHoc):
    """Rearranges MLPs to be least like the pretrained ones, and scales attention at random.

    MLP: with `A = W1 W1⁰ᵀ + b1 b1⁰ᵀ + W2ᵀ W2⁰` the units take the order that assigns rows of A to
    columns at the least sum. As in the public code they take the assignment itself, whose inverse
    would be the exact minimiser; A is nearly symmetric. `mlp`: whether they do.

    Attention: per head `Q ← A Q, K ← A⁻ᵀ K, V ← A V, O ← O A⁻¹`, biases alike. `attention` is
    "diagonal" (entries uniform on [0.05, 20]), "symmetric" (`U diag(e) Uᵀ`, U random orthogonal, e
    log-uniform on [0.05, 20]), "nonsymmetric" (`(G + 0.001 I) diag(e)`, G Gaussian, e log-uniform
    on [0.1, 15]) or "none". The paper's pruning, which the code does not do, is left out.
    Raises `InputError` for attention of a tower that has none.
    """

    name: ClassVar[str] = "params"
    title: ClassVar[str] = "PaRaMS"
    paper: ClassVar[str] = "PaRaMS, https://arxiv.org/abs/2503.07661"

    mlp: bool = True
    attention: Variant = "diagonal"

    def __post_init__(self) -> None:
        """Check the variant."""
        super().__post_init__()
        check_choice(f"{self.name}: attention", self.attention, Variant)
        if self.attention == "none" and not self.mlp:
            raise InputError("params: with attention none and mlp false nothing is protected")

    def check(self, backbone: Backbone) -> None:
        """Refuse a tower without attention, unless it is left alone."""
        if self.attention != "none":
            otherwise = "set params.attention=none for the order of its MLPs alone"
            require_attention(backbone, self.name, otherwise)

    def changed(self, backbone: Backbone, update: Update, key: tuple[object, ...]) -> Update:
        """Return the update of the rearranged and scaled checkpoint."""
        self.check(backbone)
        checkpoint = Checkpoint(backbone=backbone, update=update)
        weights: dict[str, Tensor] = {}
        if self.attention != "none":

            def maps(query: PairPaths, _: PairPaths, size: int) -> tuple[Tensor, Tensor]:
                drawn = self._map(query.heads, size, generator(*key, query.left))
                return drawn, drawn

            weights |= mapped_heads(checkpoint, maps)
        for mlp in backbone.parts.mlps() if self.mlp else ():
            units = Units.read(mlp, checkpoint.released)
            alike = units.likeness(Units.read(mlp, checkpoint.pretrained))
            weights |= units.ordered(_assignment(alike)).written(mlp)
        return checkpoint.with_weights(weights)

    def _map(self, heads: int, size: int, draws: torch.Generator) -> Tensor:
        if self.attention == "diagonal":
            return torch.diag_embed(uniform((heads, size), _LEAST, _MOST, draws))
        if self.attention == "symmetric":
            bases = orthogonal(heads, size, draws)
            return bases * log_uniform((heads, 1, size), _LEAST, _MOST, draws) @ bases.mT
        ridge = _RIDGE * torch.eye(size, dtype=torch.float64)
        least, most = _LEAST_NONSYMMETRIC, _MOST_NONSYMMETRIC
        scales = log_uniform((heads, 1, size), least, most, draws)
        return (gaussian(heads, size, draws) + ridge) * scales


def _assignment(alike: Tensor) -> Tensor:
    """Return the column of each row in the assignment of the least sum, `(h,)` int64."""
    _, columns = linear_sum_assignment(alike.numpy(), maximize=False)
    return torch.from_numpy(columns)
