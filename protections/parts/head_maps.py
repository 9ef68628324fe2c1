"""Maps inside the heads of every attention of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from mergebench.backbones import Backbone
from mergebench.errors import InputError
from mergebench.symmetries import Checkpoint, PairPaths, pair_paths

Maps = Callable[[PairPaths, PairPaths, int], tuple[Tensor, Tensor]]
"""Returns the maps `(H, d_h, d_h)` of query with key and of value with output, of `d_h`."""


def mapped_heads(checkpoint: Checkpoint, maps: Maps) -> dict[str, Tensor]:
    """Return the weights by parameter path with every pair of every attention mapped."""
    weights: dict[str, Tensor] = {}
    for both in pair_paths(checkpoint.backbone.parts):
        read = [paths.read(checkpoint.released) for paths in both]
        drawn = maps(*both, read[0].left.shape[1])
        for paths, pair, map_ in zip(both, read, drawn, strict=True):
            weights |= paths.written(pair.mapped(map_))
    return weights


def require_attention(backbone: Backbone, protection: str, otherwise: str) -> None:
    """Raise `InputError` for a tower without attention, ending in what to do instead."""
    if not backbone.parts.attentions():
        raise InputError(
            f"protection {protection}: {backbone.name} has no attention whose heads could be "
            f"mapped; {otherwise}"
        )
