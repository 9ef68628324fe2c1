"""Products of bfloat16 numbers without units for them: the same but for the order of sums."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mergebench.backbones import autocast, load_backbone, rounded_products
from mergebench.backbones.clip.architectures import FloatConv2d
from mergebench.backbones.rounded_products import RoundedProducts
from mergebench.seeding import generator

CPU = torch.device("cpu")
ULP = 2.0**-7
"""Between neighbouring bfloat16 numbers, at most, as a share of them."""


def draw(*shape: int, name: str = "x") -> Tensor:
    return torch.randn(shape, generator=generator(0, name))


def in_both_ways(compute):
    """Return what `compute` gives by the processor's own products, and by rounded ones."""
    with torch.autocast("cpu", torch.bfloat16):
        own = compute()
        with RoundedProducts():
            return own, compute()


@pytest.mark.parametrize(
    "compute",
    [
        lambda: functional.linear(draw(8, 96), draw(64, 96, name="w"), draw(64, name="b")),
        lambda: functional.conv2d(draw(2, 3, 8, 8), draw(4, 3, 3, 3, name="w"), padding=1),
        lambda: draw(2, 8, 96) @ draw(2, 96, 16, name="w"),
        lambda: torch.matmul(draw(8, 96), draw(96, 16, name="w")),
        lambda: torch.addmm(draw(16, name="b"), draw(8, 96), draw(96, 16, name="w")),
    ],
    ids=["linear", "conv2d", "operator", "matmul", "addmm"],
)
def test_products_differ_from_the_processors_own_by_the_last_bit(compute):
    own, rounded = in_both_ways(compute)
    assert own.dtype == rounded.dtype == torch.bfloat16
    # Sums that nearly cancel keep the rounding of their terms.
    scale = own.float().abs().clamp_min(own.float().abs().mean())
    assert ((own.float() - rounded.float()).abs() <= ULP * scale).all()
    exact = torch.autocast("cpu", enabled=False)
    with exact:
        assert not torch.equal(rounded.float(), compute())  # it is rounded


def test_gradients_are_those_of_autocast():
    def gradients():
        layer = nn.Linear(96, 64)
        with torch.no_grad():
            layer.weight.copy_(draw(64, 96, name="w"))
            layer.bias.copy_(draw(64, name="b"))
        x = draw(8, 96).requires_grad_()
        (layer(x).float() * draw(8, 64, name="g")).sum().backward()
        return [x.grad, layer.weight.grad, layer.bias.grad]

    for own, rounded in zip(*in_both_ways(gradients), strict=True):
        assert own.dtype == rounded.dtype == torch.float32
        assert torch.equal(rounded, rounded.bfloat16().float())
        scale = own.abs().clamp_min(own.abs().mean())
        assert ((own - rounded).abs() <= ULP * scale).all()


def test_what_leaves_autocast_is_exact():
    convolution = FloatConv2d(4, 4, kernel_size=3, padding=1)
    x = draw(2, 4, 8, 8)
    expected = convolution(x)
    with torch.autocast("cpu", torch.bfloat16), RoundedProducts():
        assert torch.equal(convolution(x), expected)
    with RoundedProducts():
        assert torch.equal(x @ x, torch.matmul(x, x))
        assert (x @ x).dtype == torch.float32


@pytest.mark.parametrize("units", [True, False])
def test_they_are_for_processors_without_units(monkeypatch, units):
    used = []
    monkeypatch.setattr(rounded_products, "multiplies_bfloat16", lambda: units)
    monkeypatch.setattr(
        rounded_products.RoundedProducts,
        "__torch_function__",
        lambda self, func, types, args=(), kwargs=None: (
            used.append(func) or func(*args, **(kwargs or {}))
        ),
    )
    for asked in ("bf16", "fp32"):
        with autocast(CPU, asked):
            draw(8, 96) @ draw(96, 16, name="w")
        assert bool(used) == (asked == "bf16" and not units)
        used.clear()


@pytest.mark.parametrize("name", ["mini_vit", "mini_convnext"])
def test_embeddings_of_a_tower_differ_as_bfloat16_does(name):
    tower = load_backbone(name).tower
    images = draw(8, 3, 32, 32)
    with torch.inference_mode():
        own, rounded = in_both_ways(lambda: functional.normalize(tower(images).float(), dim=-1))
    assert not torch.equal(own, functional.normalize(tower(images), dim=-1))
    assert (own - rounded).abs().max() < 4e-3


def test_a_build_without_onednn_has_no_units(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    monkeypatch.setattr(torch.ops, "mkldnn", None)
    assert not rounded_products.multiplies_bfloat16.__wrapped__()
