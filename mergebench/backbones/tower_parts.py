"""A vision tower as a sequence: its stem, its blocks one after the other, and its suffix."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def check_tower(tower: nn.Module) -> None:
    """Raise TypeError unless `tower` is open_clip's ViT or a ConvNeXt."""
    from open_clip.timm_model import TimmModel

    convnext = isinstance(tower, TimmModel) and hasattr(tower.trunk, "stages")
    if not convnext and not is_vit(tower):
        raise TypeError(f"{type(tower).__name__} is neither a ViT of open_clip nor a ConvNeXt")


def is_vit(tower: nn.Module) -> bool:
    """Return whether `tower` is open_clip's ViT."""
    from open_clip.transformer import VisionTransformer

    return isinstance(tower, VisionTransformer)


def stem(tower: Any, pixels: Tensor) -> Tensor:
    """Return what `tower` computes of normalised `(N, 3, H, W)` images ahead of its first block.

    For a ViT these are the patch embedding, positions and first norm.
    """
    hidden: Tensor = tower._embeds(pixels) if is_vit(tower) else tower.trunk.stem(pixels)
    return hidden


def blocks(tower: Any) -> dict[str, nn.Module]:
    """Return by module path what `tower` applies to the stem's output, in that order.

    Each maps one stream `(N, ...)` to the next. They are the residual blocks and, between the
    stages of a ConvNeXt, the downsampling layers.
    """
    if is_vit(tower):
        layers = tower.transformer.resblocks
        return {f"transformer.resblocks.{index}": layer for index, layer in enumerate(layers)}
    found: dict[str, nn.Module] = {}
    for number, stage in enumerate(tower.trunk.stages):
        path = f"trunk.stages.{number}"
        if not isinstance(stage.downsample, nn.Identity):
            found[f"{path}.downsample"] = stage.downsample
        found |= {f"{path}.blocks.{index}": block for index, block in enumerate(stage.blocks)}
    return found


def suffix(tower: Any, hidden: Tensor) -> Tensor:
    """Return the embeddings `(N, d)` that `tower` makes of its last block's output.

    For a ViT these are the last norm, pooling and projection.
    """
    embeddings: Tensor
    if is_vit(tower):
        pooled, _ = tower._pool(hidden)
        embeddings = pooled if tower.proj is None else pooled @ tower.proj
    else:
        trunk: Any = tower.trunk
        embeddings = tower.head(trunk.forward_head(trunk.norm_pre(hidden)))
    return embeddings
