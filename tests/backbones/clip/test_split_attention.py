"""The paper's towers with split attention compute what open_clip's own compute, and learn alike."""

from __future__ import annotations

import copy

import open_clip
import pytest
import torch
from torch import Tensor, nn

from mergebench.backbones import SplitAttention, split_attention
from mergebench.seeding import generator


def random_tower(architecture: str) -> nn.Module:
    """Return open_clip's vision tower with weights of the size of trained ones."""
    with torch.device("meta"):  # its own initialisation takes seconds
        model = open_clip.CLIP(**open_clip.get_model_config(architecture))
    tower = model.visual.to_empty(device="cpu").eval()
    draws = generator("tower")
    with torch.no_grad():
        for name, parameter in tower.named_parameters():
            parameter.normal_(std=0.02, generator=draws)
            if "ln_" in name and name.endswith("weight"):
                parameter.add_(1)
    return tower


def run(model: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the output, and the gradient of a sum of squares with respect to the input."""
    leaf = inputs.clone().requires_grad_()
    output = model(leaf)
    (output.double().square().sum() / output.detach().double().square().sum()).backward()
    assert leaf.grad is not None
    return output.detach(), leaf.grad


def assert_close(found: Tensor, expected: Tensor) -> None:
    """Compare relative to the largest value: 1e-5 for outputs and gradients alike."""
    bound = 1e-5 * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=bound)


def assert_same_attention_gradients(fused: nn.Module, split: nn.Module) -> int:
    """Compare the gradients of the four projections of every attention; return how many."""
    pairs = [
        (module, split.get_submodule(name))
        for name, module in fused.named_modules()
        if isinstance(module, nn.MultiheadAttention)
    ]
    for theirs, ours in pairs:
        assert isinstance(ours, SplitAttention)
        projections = (ours.q_proj, ours.k_proj, ours.v_proj)
        assert_close(torch.cat([p.weight.grad for p in projections]), theirs.in_proj_weight.grad)
        assert_close(ours.out_proj.weight.grad, theirs.out_proj.weight.grad)
    return len(pairs)


@pytest.mark.parametrize(
    ("architecture", "blocks"),
    [
        ("ViT-B-32-quickgelu", 12),
        pytest.param("ViT-L-14-quickgelu", 24, marks=pytest.mark.slow),
    ],
)
def test_vision_towers(architecture: str, blocks: int) -> None:
    fused = random_tower(architecture)
    split = copy.deepcopy(fused)
    split_attention(split)
    images = torch.randn(2, 3, 224, 224, generator=generator("images"))
    expected, found = run(fused, images), run(split, images)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs)
    assert assert_same_attention_gradients(fused, split) == blocks


@pytest.mark.slow
def test_text_tower_and_convnext() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fused = open_clip.create_model("convnext_base_w").eval()
    split = copy.deepcopy(fused)
    split_attention(split)
    images = torch.randn(2, 3, 256, 256, generator=generator("images"))
    for ours, theirs in zip(run(split.visual, images), run(fused.visual, images), strict=True):
        assert torch.equal(ours, theirs)  # it has no attention
    texts = torch.randint(49408, (2, 77), generator=generator("texts"))
    expected, found = fused.encode_text(texts), split.encode_text(texts)
    expected.square().sum().backward()
    found.square().sum().backward()
    assert_close(found.detach(), expected.detach())
    assert assert_same_attention_gradients(fused.transformer, split.transformer) == 12
