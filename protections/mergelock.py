"""MergeLock: attention behind random pairs of inverse matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from mergebench.backbones import Backbone
from mergebench.errors import check_range
from mergebench.seeding import generator
from mergebench.symmetries import Checkpoint, PairPaths
from mergebench.train import PostHoc
from mergebench.updates import Update
from protections.parts.head_maps import mapped_heads, require_attention
from protections.parts.random_maps import log_uniform, orthogonal


@dataclass(frozen=True, kw_only=True)
class MergeLock(PostHoc):
    """Per head two independent random matrices: for query and key, and for value and output.

    `Q ← A Q, K ← A⁻ᵀ K, V ← C V, O ← O C⁻¹`, biases alike. How the paper draws them is not known;
    ours are `Q_1 diag(e) Q_2`, both Q random orthogonal, e log-uniform on [1/kappa, kappa].
    Raises `InputError` for a tower without attention.
    """

    name: ClassVar[str] = "mergelock"
    title: ClassVar[str] = "MergeLock"
    paper: ClassVar[str] = "MergeLock, https://arxiv.org/abs/2509.01548"

    kappa: float = 10.0

    def __post_init__(self) -> None:
        """Check the range."""
        super().__post_init__()
        check_range("mergelock: kappa", self.kappa, 1, 1000)

    def check(self, backbone: Backbone) -> None:
        """Refuse a tower without attention."""
        require_attention(backbone, self.name, "it has nothing that mergelock locks")

    def changed(self, backbone: Backbone, update: Update, key: tuple[object, ...]) -> Update:
        """Return the update of the locked checkpoint."""
        self.check(backbone)

        def maps(query: PairPaths, value: PairPaths, size: int) -> tuple[Tensor, Tensor]:
            return self._map(query, size, key), self._map(value, size, key)

        checkpoint = Checkpoint(backbone=backbone, update=update)
        return checkpoint.with_weights(mapped_heads(checkpoint, maps))

    def _map(self, paths: PairPaths, size: int, key: tuple[object, ...]) -> Tensor:
        draws = generator(*key, paths.left)
        left, right = (orthogonal(paths.heads, size, draws) for _ in range(2))
        scales = log_uniform((paths.heads, 1, size), 1 / self.kappa, self.kappa, draws)
        return left * scales @ right
