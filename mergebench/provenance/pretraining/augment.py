"""Random views of RGBA images: affine maps, backgrounds and colours, batched on tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

UNMOVED = 0.3
"""Share of views without rotation, shear and zoom, so that unresampled pixels are seen as well."""


def augment(
    images: Tensor, extent: Tensor, strength: Tensor, size: int, generator: torch.Generator
) -> Tensor:
    """Return random views `(N, 3, size, size)`, float32 in [0, 1].

    `images`: `(N, 4, S, S)` uint8 RGBA; `extent`: `(N,)` side in pixels of the centred square that
    a view shows on average; `strength`: `(N,)` factor on all random amounts, 0 for none.
    """
    pixels = images.float() / 255
    opacity = pixels[:, 3:]
    layered = torch.cat([pixels[:, :3] * opacity, opacity], 1)  # premultiplied: no dark fringes
    grid = functional.affine_grid(
        _random_affine(extent / images.shape[-1], strength, generator),
        [len(images), 4, size, size],
        align_corners=False,
    )
    seen = functional.grid_sample(layered, grid, align_corners=False)
    backgrounds = _random_backgrounds(pixels[:, :3], size, generator)
    return _random_colours(
        seen[:, :3] + (1 - seen[:, 3:]) * backgrounds, strength.view(-1, 1, 1, 1), generator
    )


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _random_affine(zoom: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    """Return `(N, 2, 3)` maps from view to image coordinates in [-1, 1]."""
    count = len(zoom)
    moved = strength * (torch.rand(count, generator=generator) >= UNMOVED)
    angle = moved * _uniform((count,), -0.35, 0.35, generator)
    shear = moved * _uniform((count,), -0.25, 0.25, generator)
    scale = zoom * torch.exp(moved * _uniform((count,), -0.25, 0.25, generator))
    stretch = torch.exp(moved * _uniform((count,), -0.12, 0.12, generator))
    shift = strength[:, None] * _uniform((count, 2), -0.15, 0.15, generator)
    cosine, sine = angle.cos(), angle.sin()
    first = torch.stack([cosine * stretch, shear * cosine - sine], 1) * scale[:, None]
    second = torch.stack([sine * stretch, shear * sine + cosine], 1) * scale[:, None]
    return torch.cat([torch.stack([first, second], 1), shift[:, :, None]], 2)


def _random_backgrounds(colours: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Return white, one colour, a gradient of two, or a crop of another image, equally often."""
    count, border = len(colours), (colours.shape[-1] - size) // 2
    start = torch.rand(count, 3, 1, 1, generator=generator)
    end = torch.rand(count, 3, 1, 1, generator=generator)
    angle = _uniform((count, 1, 1, 1), 0, 2 * math.pi, generator)
    axis = torch.linspace(-0.5, 0.5, size)
    ramp = 0.5 + angle.cos() * axis.view(1, 1, 1, -1) + angle.sin() * axis.view(1, 1, -1, 1)
    order = torch.randperm(count, generator=generator)
    others = colours[order, :, border : border + size, border : border + size]
    kind = torch.randint(4, (count, 1, 1, 1), generator=generator)
    plain = torch.where(kind == 0, torch.ones(()), start)
    mixed = torch.where(kind == 2, torch.lerp(start, end, ramp.clamp(0, 1)), plain)
    return torch.where(kind == 3, others, mixed)


def _random_colours(views: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    """Mix the channels, change saturation, contrast and brightness, add noise; clamp to [0, 1]."""
    count = (len(views), 1, 1, 1)
    mixing = 0.12 * torch.randn(len(views), 3, 3, generator=generator) * strength[:, 0]
    views = torch.einsum("nij,njhw->nihw", torch.eye(3) + mixing, views)
    grey = views.mean(1, keepdim=True)
    saturation = 1 + strength * _uniform(count, -0.5, 0.5, generator)
    saturation = saturation * (torch.rand(count, generator=generator) >= 0.1 * strength)
    views = torch.lerp(grey, views, saturation)
    contrast = torch.exp(strength * _uniform(count, -0.4, 0.4, generator))
    brightness = strength * _uniform(count, -0.2, 0.2, generator)
    middle = grey.mean((2, 3), keepdim=True)
    noise = torch.randn(views.shape, generator=generator)
    noise = noise * (0.05 * strength * torch.rand(count, generator=generator))
    return ((views - middle) * contrast + middle + brightness + noise).clamp(0, 1)
