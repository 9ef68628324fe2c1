"""A small ViT as a backbone, the same tower in float64 NumPy, and updates and images for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import open_clip
import torch
from open_clip.model import CLIPTextCfg, CLIPVisionCfg
from scipy.special import erf
from torch import nn

from mergebench.backbones import Backbone, ClipBackbone, split_attention
from mergebench.suites import Split, Task
from mergebench.updates.update import Dense, LowRank, Update

WIDTH, HEADS, LAYERS, PATCH, SIDE = 16, 2, 2, 16, 32
LINEARS = ("attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.out_proj", "mlp.c_fc", "mlp.c_proj")
SITES = tuple(f"transformer.resblocks.{n}.{site}" for n in range(LAYERS) for site in LINEARS)
GROUPS = (
    ("attn.q_proj", "attn.k_proj", "attn.v_proj"),
    ("attn.out_proj",),
    ("mlp.c_fc",),
    ("mlp.c_proj",),
)

Arrays = dict[str, np.ndarray]


def small_backbone() -> ClipBackbone:
    """Return a ViT of two blocks of width 16 on five tokens, no norm of which is trivial."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = open_clip.CLIP(
            8,
            CLIPVisionCfg(
                layers=LAYERS, width=WIDTH, head_width=8, patch_size=PATCH, image_size=32
            ),
            CLIPTextCfg(context_length=4, vocab_size=8, width=8, heads=1, layers=1),
        )
        split_attention(model)
        for module in model.visual.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.normal_(0, 0.3)
            elif isinstance(module, nn.Conv2d):
                module.weight.data.normal_(0, 0.1)
            elif isinstance(module, nn.Linear):
                module.weight.data.normal_(0, 0.3)
                module.bias.data.normal_(0, 0.3)
    return ClipBackbone(
        name="small",
        model=model,
        tokenize=lambda texts: torch.zeros(len(texts), 4, dtype=torch.int64),
        resolution=SIDE,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        sha256="small",
        site_pattern=r"(attn|mlp)\.\w+$",
        untrained_pattern=r"^proj$",
    )


def tasks_of(count: int, *, images: int = 40) -> tuple[Task, ...]:
    """Return tasks of images of 16 random colours, every task in its own range of brightness."""
    draws = torch.Generator().manual_seed(8)

    def split(index: int) -> Split:
        shape = (images, 3, 4, 4)
        colours = torch.randint(20 * index, 180 + 20 * index, shape, generator=draws)
        pixels = colours.repeat_interleave(SIDE // 4, 2).repeat_interleave(SIDE // 4, 3)
        return Split(inputs=pixels.to(torch.uint8), labels=torch.arange(images) % 2)

    return tuple(
        Task(
            name=f"task {index}",
            classes=("even", "odd"),
            templates=("{}",),
            splits={name: split(index) for name in ("train", "val", "test")},
        )
        for index in range(count)
    )


def low_rank_updates(count: int, sites: Sequence[str] = SITES, seed: int = 0) -> list[Update]:
    """Return updates of rank 3 of some linears."""
    shapes = {name: value.shape for name, value in parameters(small_backbone()).items()}
    draws = torch.Generator().manual_seed(seed)

    def factors(site: str) -> LowRank:
        rows, columns = shapes[f"{site}.weight"]
        return LowRank(
            up=0.4 * torch.randn(rows, 3, generator=draws),
            down=0.4 * torch.randn(3, columns, generator=draws),
        )

    return [
        Update(sites={site: factors(site) for site in sites}, label=f"update {index}")
        for index in range(count)
    ]


def full_updates(count: int) -> list[Update]:
    """Return updates of every parameter but the projection: matrices, kernels and vectors."""
    draws = torch.Generator().manual_seed(1)
    sites = [
        (name.removesuffix(".weight") if name.removesuffix(".weight") in SITES else name, value)
        for name, value in small_backbone().tower.named_parameters()
        if name != "proj"
    ]
    return [
        Update(
            sites={
                site: Dense(delta=0.15 * torch.randn(value.shape, generator=draws))
                for site, value in sites
            },
            label=f"update {index}",
        )
        for index in range(count)
    ]


def parameters(backbone: Backbone) -> Arrays:
    """Return the tower's parameters in float64."""
    return {
        name: value.detach().double().numpy() for name, value in backbone.tower.named_parameters()
    }


def changes(update: Update, known: Mapping[str, np.ndarray]) -> Arrays:
    """Return the changes of an update by parameter name, in float64."""
    return {
        f"{site}.weight" if f"{site}.weight" in known else site: change.dense().double().numpy()
        for site, change in update.sites.items()
    }


def linear_inputs(weights: Arrays, images: torch.Tensor) -> Arrays:
    """Return what every linear is given, `(tokens, n)`, when the NumPy tower sees `images`."""
    hidden, seen = _embedded(weights, images), Arrays()
    for number in range(LAYERS):
        block = f"transformer.resblocks.{number}"

        def linear(site: str, given: np.ndarray, block: str = block) -> np.ndarray:
            seen[f"{block}.{site}"] = given.reshape(-1, given.shape[-1])
            path = f"{block}.{site}"
            return given @ weights[f"{path}.weight"].T + weights[f"{path}.bias"]

        normed = _normed(weights, f"{block}.ln_1", hidden)
        q, k, v = (_heads(linear(f"attn.{which}_proj", normed)) for which in "qkv")
        logits = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
        shares = np.exp(logits - logits.max(-1, keepdims=True))
        attended = (shares / shares.sum(-1, keepdims=True)) @ v
        joined = attended.swapaxes(1, 2).reshape(hidden.shape)
        hidden = hidden + linear("attn.out_proj", joined)
        wide = linear("mlp.c_fc", _normed(weights, f"{block}.ln_2", hidden))
        hidden = hidden + linear("mlp.c_proj", wide * (1 + erf(wide / np.sqrt(2))) / 2)
    return seen


def _embedded(weights: Arrays, images: torch.Tensor) -> np.ndarray:
    pixels = (images.double().numpy() / 255 - 0.5) / 0.25
    count, side = len(pixels), SIDE // PATCH
    patches = pixels.reshape(count, 3, side, PATCH, side, PATCH).transpose(0, 2, 4, 1, 3, 5)
    kernel = weights["conv1.weight"].reshape(WIDTH, -1)
    tokens = patches.reshape(count, side * side, -1) @ kernel.T
    first = np.broadcast_to(weights["class_embedding"], (count, 1, WIDTH))
    hidden = np.concatenate([first, tokens], axis=1) + weights["positional_embedding"]
    return _normed(weights, "ln_pre", hidden)


def _normed(weights: Arrays, path: str, hidden: np.ndarray) -> np.ndarray:
    centred = hidden - hidden.mean(-1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return unit * weights[f"{path}.weight"] + weights[f"{path}.bias"]


def _heads(projected: np.ndarray) -> np.ndarray:
    count, tokens, width = projected.shape
    return projected.reshape(count, tokens, HEADS, width // HEADS).swapaxes(1, 2)
