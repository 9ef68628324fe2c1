"""A patch embedding of a few small convolutions, for a ViT that is pretrained on little data."""

from __future__ import annotations

from torch import nn


class ConvolutionalStem(nn.Sequential):
    """Maps `(N, 3, S, S)` to `(N, width, S/8, S/8)`, as the 8x8 patch embedding of a ViT does.

    Three 3x3 convolutions of stride 2, each normalised over its map, then a 1x1 projection. A tower
    of three blocks generalises better from it than from linear patches, and an update of one task
    harms the others less. `width`: a multiple of 4. Source: Xiao et al., 2021, Early
    convolutions help transformers see better, section 4.
    """

    def __init__(self, width: int) -> None:
        layers: list[nn.Module] = []
        channels = 3
        for following in (width // 4, width // 2, width):
            layers += [
                nn.Conv2d(channels, following, 3, stride=2, padding=1, bias=False),
                nn.GroupNorm(1, following),
                nn.GELU(),
            ]
            channels = following
        super().__init__(*layers, nn.Conv2d(channels, width, 1, bias=False))
