"""Pairs of linears that meet, head by head, in a product alone: query and key, value and output."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mergebench.backbones import TowerParts
from mergebench.symmetries.checkpoint import Weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Two linears of an attention whose function depends on `leftᵀ right` of each head alone.

    `left`: `(H, d_h, n)`, `right`: `(H, d_h, m)`, float64: `[W_Q b_Q]` and `[W_K b_K]` or `W_K`, or
    `[W_V b_V]` and `W_Oᵀ`.
    """

    left: Tensor
    right: Tensor

    def mapped(self, maps: Tensor) -> Pair:
        """Return `A left` and `A⁻ᵀ right`, which has the same function; `maps`: `(H, d_h, d_h)`."""
        return Pair(left=maps @ self.left, right=torch.linalg.solve(maps.mT, self.right))

    def product(self) -> Tensor:
        """Return `leftᵀ right` of each head, `(H, n, m)`: all that the function depends on."""
        return self.left.mT @ self.right


@dataclass(frozen=True, kw_only=True)
class PairPaths:
    """Where a pair is: the module paths of its linears, and the number of heads.

    `meets_outputs`: whether the right one is that of outputs, the inputs of which are the heads'.
    `key_bias`: whether the bias of a key is of the pair. Attention does not depend on it: it adds
    the same to all that a query is compared with.
    """

    left: str
    right: str
    heads: int
    meets_outputs: bool
    key_bias: bool = True

    @property
    def parameters(self) -> tuple[str, ...]:
        """The paths of the parameters that a map changes."""
        own = (f"{self.left}.weight", f"{self.left}.bias", f"{self.right}.weight")
        return (*own, f"{self.right}.bias") if self.right_has_bias else own

    @property
    def right_has_bias(self) -> bool:
        """Whether the last column of the right one is a bias."""
        return self.key_bias and not self.meets_outputs

    def without_key_bias(self) -> PairPaths:
        """Return the pair whose key's bias stays as it is."""
        return replace(self, key_bias=False)

    def read(self, weights: Weights) -> Pair:
        """Return the pair of a checkpoint."""
        right = weights(f"{self.right}.weight")
        if self.meets_outputs:
            right = right.T
        if self.right_has_bias:
            right = self._with_bias(weights, self.right)
        left = self._with_bias(weights, self.left)
        heads = (self.heads, -1)
        return Pair(left=left.unflatten(0, heads), right=right.unflatten(0, heads))

    def written(self, pair: Pair) -> dict[str, Tensor]:
        """Return the weights of a pair by parameter path."""
        left, right = pair.left.flatten(0, 1), pair.right.flatten(0, 1)
        found = {f"{self.left}.weight": left[:, :-1], f"{self.left}.bias": left[:, -1]}
        if self.meets_outputs:
            return {**found, f"{self.right}.weight": right.T}
        if not self.right_has_bias:
            return {**found, f"{self.right}.weight": right}
        return {**found, f"{self.right}.weight": right[:, :-1], f"{self.right}.bias": right[:, -1]}

    def _with_bias(self, weights: Weights, path: str) -> Tensor:
        return torch.cat([weights(f"{path}.weight"), weights(f"{path}.bias")[:, None]], dim=1)


def pair_paths(parts: TowerParts) -> list[tuple[PairPaths, PairPaths]]:
    """Return query with key, and value with output, of every attention of a tower."""
    return [
        (
            PairPaths(left=one.query, right=one.key, heads=one.heads, meets_outputs=False),
            PairPaths(left=one.value, right=one.output, heads=one.heads, meets_outputs=True),
        )
        for one in parts.attentions()
    ]
