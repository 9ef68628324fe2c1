"""The embedded architectures, made known to timm and open_clip."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import open_clip
import torch
from timm.models import ConvNeXt, is_model, register_model
from torch import Tensor, nn

from mergebench.backbones.clip.attention import split_attention
from mergebench.backbones.clip.convolutional_stem import ConvolutionalStem
from mergebench.backbones.sources import EMBEDDED


class FloatConv2d(nn.Conv2d):
    """A convolution that stays in float32 under autocast.

    The CPU's backward pass of a depthwise 7x7 convolution is two to three times slower in bfloat16.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `(N, C, H, W)` in float32."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


def mini_convnext(pretrained: bool = False, **options: Any) -> ConvNeXt:
    """Return a ConvNeXt (Liu et al., 2022) of depths 1-2-4-1 and a stem of patch 2, for 32 px."""
    if pretrained:
        raise ValueError("timm has no weights for mini_convnext")
    options.pop("cache_dir", None)
    options.pop("pretrained_cfg", None)
    options.pop("pretrained_cfg_overlay", None)
    shape: dict[str, Any] = {"depths": (1, 2, 4, 1), "dims": (48, 96, 192, 384), "patch_size": 2}
    model: Any = ConvNeXt(**shape, ls_init_value=0.1, **options)
    for stage in model.stages:
        for block in stage.blocks:
            width = block.conv_dw.in_channels
            block.conv_dw = FloatConv2d(width, width, kernel_size=7, padding=3, groups=width)
    model.default_cfg = {"pool_size": (2, 2)}  # tells open_clip that features are maps, not tokens
    result: ConvNeXt = model
    return result


def create_model(architecture: str, device: str = "cpu") -> open_clip.CLIP:
    """Return the open_clip model of that name on `device`, float32, untrained, attention split.

    Both towers have `SplitAttention` in place of the fused module (see there); `mini_vit` has a
    `ConvolutionalStem` in place of linear patches.
    """
    _register()
    root = logging.getLogger()
    root.addFilter(_is_unexpected)
    try:
        model = open_clip.create_model(architecture, device=device)
    finally:
        root.removeFilter(_is_unexpected)
    split_attention(model)
    if architecture == "mini_vit":
        model.visual.conv1 = ConvolutionalStem(model.visual.conv1.out_channels)
    return model


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Drop open_clip's warning about random weights: here they are asked for or replaced."""
    return "No pretrained weights loaded" not in record.getMessage()


def _register() -> None:
    if not is_model("mini_convnext"):
        register_model(mini_convnext)
    if not set(EMBEDDED) <= set(open_clip.list_models()):
        for name in EMBEDDED:
            open_clip.add_model_config(Path(__file__).parent / f"{name}.json")
