"""A CLIP as a backbone: its vision tower, and its text tower for the heads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from mergebench.backbones.backbone import Backbone
from mergebench.backbones.clip.towers import parts_of
from mergebench.backbones.tower_parts import TowerParts

if TYPE_CHECKING:
    from open_clip import CLIP


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipBackbone(Backbone):
    """A CLIP whose vision tower is merged and attacked; its text tower only makes heads.

    `model`: the open_clip model; `resolution`: height and width of its input in pixels; `mean`,
    `std`: normalisation of the three channels of an image in [0, 1].
    """

    model: CLIP
    resolution: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def tower(self) -> nn.Module:
        """The vision tower: normalised `(N, 3, H, W)` float to `(N, d)` embeddings."""
        tower: nn.Module = self.model.visual
        return tower

    @property
    def parts(self) -> TowerParts:
        """The vision tower as a sequence of parts."""
        return parts_of(self.tower)

    @property
    def logit_scale(self) -> float:
        """The factor on cosine similarities that makes logits (not its logarithm)."""
        scale: Tensor = self.model.logit_scale
        return float(scale.detach().exp())

    def prepare(self, inputs: Tensor) -> Tensor:
        """Normalise `(N, 3, S, S)` uint8 images to float32 at the tower's resolution and device.

        Images of another size are resized bicubically. Raises ValueError for another dtype or
        shape.
        """
        square = inputs.ndim == 4 and inputs.shape[1] == 3 and inputs.shape[2] == inputs.shape[3]
        if inputs.dtype != torch.uint8 or not square:
            raise ValueError(
                f"{self.name} takes images, uint8 of shape (N, 3, S, S), "
                f"not {inputs.dtype} of shape {tuple(inputs.shape)}"
            )
        pixels = inputs.to(self.device).float()
        if pixels.shape[-1] != self.resolution:
            size = (self.resolution, self.resolution)
            pixels = functional.interpolate(pixels, size, mode="bicubic", antialias=True)
            pixels = pixels.clamp_(0, 255)
        return (pixels - _of_255(self.mean, self.device)) / _of_255(self.std, self.device)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Return the text tower's embeddings `(N, d)`."""
        encode: Callable[[Tensor], Tensor] = self.model.encode_text
        return encode(tokens)


@lru_cache
def _of_255(shares: tuple[float, ...], device: torch.device) -> Tensor:
    """Return one number per channel, `(3, 1, 1)` float32; copied to a device once."""
    with torch.inference_mode(False):  # it serves training too
        return 255 * torch.tensor(shares, device=device).view(3, 1, 1)
