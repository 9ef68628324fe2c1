"""A small backbone, task and recipe on which training is tested, and what must stay as it was."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mergebench.backbones import Backbone, load_backbone, word_tokenizer
from mergebench.suites import Split, Task
from mergebench.train import LoraTower, Recipe

TINY = Recipe(
    rank=4, lora_alpha=4, steps=6, batch_size=8, warmup_steps=2, evaluate_every=3, probe_inputs=4
)


def tiny_backbone(name: str = "mini_vit") -> Backbone:
    """Return the untrained backbone with the words of the synthetic task."""
    backbone = load_backbone(name, weights="random")
    words = ("a", "bright", "dark", "image")
    return replace(backbone, tokenize=word_tokenizer(backbone.model, words))


def synthetic_task(name: str = "stripes") -> Task:
    """Two classes of bright and dark images with noise."""

    def split(count: int, seed: int) -> Split:
        draws = torch.Generator().manual_seed(seed)
        labels = torch.arange(count) % 2
        noise = torch.randint(0, 90, (count, 3, 32, 32), generator=draws)
        images = (noise + 120 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
        return Split(inputs=images, labels=labels)

    return Task(
        name=name,
        classes=("dark", "bright"),
        templates=("a {} image",),
        splits={"train": split(40, 1), "val": split(10, 2), "test": split(10, 3)},
    )


def weights_of(backbone: Backbone) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in backbone.tower.state_dict().items()}


def assert_unchanged(backbone: Backbone, before: dict[str, Tensor]) -> None:
    after = backbone.tower.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not any(parameter.requires_grad for parameter in backbone.tower.parameters())


def randomised(tower: LoraTower) -> LoraTower:
    draws = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for factor in tower.parameters:
            factor.copy_(0.1 * torch.randn(factor.shape, generator=draws))
    return tower
