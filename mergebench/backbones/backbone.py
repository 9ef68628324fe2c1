"""A vision tower as named linear sites, with its preprocessing, text tower and logit scale."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from mergebench.backbones.tower_shapes import tensor_paths

if TYPE_CHECKING:
    from open_clip import CLIP

_TEXT_BATCH = 512


@dataclass(frozen=True, kw_only=True, eq=False)
class Backbone:
    """A CLIP whose vision tower is merged and attacked; its text tower only makes heads.

    `model`: the open_clip model; `tokenize`: texts to its identifiers `(N, context)`; `resolution`:
    height and width of its input in pixels; `mean`, `std`: normalisation of the three channels of
    an image in [0, 1]; `sha256`: identity of the weights (of the checkpoint's bytes where there is
    a file); `site_pattern`: regular expression found in the module paths of the sites. The towers
    are in evaluation mode and their parameters frozen.
    """

    name: str
    model: CLIP
    tokenize: Callable[[Sequence[str]], Tensor]
    resolution: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    sha256: str
    site_pattern: str

    def __post_init__(self) -> None:
        self.model.eval().requires_grad_(False)

    @property
    def visual(self) -> nn.Module:
        """The vision tower: normalised `(N, 3, H, W)` float to `(N, d)` embeddings."""
        tower: nn.Module = self.model.visual
        return tower

    @property
    def sites(self) -> dict[str, nn.Linear]:
        """The sites by module path in the tower, in module order.

        They are the linears whose path matches `site_pattern`.
        """
        return linear_sites(self.visual, self.site_pattern)

    @property
    def tensor_paths(self) -> dict[str, str]:
        """The parameters that full fine-tuning changes (see `tensor_paths`): path by name."""
        shapes = {path: value.shape for path, value in self.visual.named_parameters()}
        return tensor_paths(shapes, self.site_pattern)

    @property
    def tensors(self) -> dict[str, nn.Parameter]:
        """The parameters of `tensor_paths`, by the same names."""
        parameters = dict(self.visual.named_parameters())
        return {name: parameters[path] for name, path in self.tensor_paths.items()}

    @property
    def logit_scale(self) -> float:
        """The factor on cosine similarities that makes logits (not its logarithm)."""
        scale: Tensor = self.model.logit_scale
        return float(scale.detach().exp())

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        scale: Tensor = self.model.logit_scale
        return scale.device

    def preprocess(self, images: Tensor) -> Tensor:
        """Normalise `(N, 3, H, W)` uint8 images to float32 at the tower's resolution and device.

        Square images of another size are resized bicubically. Raises ValueError for another dtype
        or shape.
        """
        square = images.ndim == 4 and images.shape[1] == 3 and images.shape[2] == images.shape[3]
        if images.dtype != torch.uint8 or not square:
            raise ValueError(
                "images must be uint8 of shape (N, 3, S, S), "
                f"got {images.dtype} of shape {tuple(images.shape)}"
            )
        pixels = images.to(self.device).float()
        if pixels.shape[-1] != self.resolution:
            size = (self.resolution, self.resolution)
            pixels = functional.interpolate(pixels, size, mode="bicubic", antialias=True)
            pixels = pixels.clamp_(0, 255)
        mean = 255 * torch.tensor(self.mean, device=self.device).view(3, 1, 1)
        std = 255 * torch.tensor(self.std, device=self.device).view(3, 1, 1)
        return (pixels - mean) / std

    def features(self, images: Tensor) -> Tensor:
        """Return unit embeddings `(N, d)` float32 of `(N, 3, S, S)` uint8 images."""
        return functional.normalize(self.visual(self.preprocess(images)).float(), dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Return the text tower's embeddings `(len(texts), d)`, float32, not normalised."""
        encode: Callable[[Tensor], Tensor] = self.model.encode_text
        batches = [texts[i : i + _TEXT_BATCH] for i in range(0, len(texts), _TEXT_BATCH)]
        return torch.cat(
            [encode(self.tokenize(batch).to(self.device)).float() for batch in batches]
        )


def linear_sites(tower: nn.Module, pattern: str) -> dict[str, nn.Linear]:
    """Return the linears of `tower` whose module path matches `pattern`, in module order."""
    return {
        path: module
        for path, module in tower.named_modules()
        if isinstance(module, nn.Linear) and re.search(pattern, path)
    }
