"""The embedded architectures, made known to timm and open_clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
from timm.models import ConvNeXt, is_model, register_model
from torch import nn

from mergebench.backbones.attention import split_attention

EMBEDDED = ("mini_vit", "mini_convnext")


def mini_convnext(pretrained: bool = False, **options: Any) -> ConvNeXt:
    """Return a ConvNeXt (Liu et al., 2022) of depths 1-2-4-1 and a stem of patch 2, for 32 px."""
    if pretrained:
        raise ValueError("timm has no weights for mini_convnext")
    options.pop("cache_dir", None)
    options.pop("pretrained_cfg", None)
    options.pop("pretrained_cfg_overlay", None)
    shape: dict[str, Any] = {"depths": (1, 2, 4, 1), "dims": (48, 96, 192, 384), "patch_size": 2}
    model = ConvNeXt(**shape, ls_init_value=0.1, **options)
    model.default_cfg = {"pool_size": (2, 2)}  # tells open_clip that features are maps, not tokens
    return model


def create_model(architecture: str, pretrained: str | None = None) -> nn.Module:
    """Return the open_clip model of that name on the CPU, float32, its attention split.

    `pretrained`: an open_clip tag or a checkpoint file; None for random weights. Both towers have
    `SplitAttention` in place of the fused module (see there).
    """
    _register()
    model: nn.Module = open_clip.create_model(
        architecture, pretrained=pretrained, load_weights=pretrained is not None
    )
    split_attention(model)
    return model


def _register() -> None:
    if not is_model("mini_convnext"):
        register_model(mini_convnext)
    if EMBEDDED[0] not in open_clip.list_models():
        for name in EMBEDDED:
            open_clip.add_model_config(Path(__file__).parent / f"{name}.json")


