"""One plain and one trapped adapter, from the first loss to a released update."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from training import TINY, assert_unchanged, synthetic_task, tiny_backbone, weights_of

from mergebench.backbones import Backbone, Precision
from mergebench.contracts import Protection, Release
from mergebench.progress import Silent
from mergebench.registry import registry

pytestmark = pytest.mark.gpu

STEPS = 12


def backbone_on(device: torch.device | str) -> Backbone:
    backbone = tiny_backbone()
    backbone.model.to(device)
    return backbone


def released(
    backbone: Backbone, protection: str, precision: Precision, dropout: float = 0.0
) -> Release:
    recipe = replace(
        TINY,
        steps=STEPS,
        evaluate_every=STEPS,
        learning_rate=5e-3,
        dropout=dropout,
        precision=precision,
    )
    method = registry().get(Protection, protection)(recipe=recipe)
    return method(backbone, synthetic_task(), seed=0, progress=Silent())


@pytest.mark.parametrize("protection", ["none", "trap2"])
def test_losses_in_float32_are_those_of_the_cpu(protection: str, device: torch.device) -> None:
    """Those of the first steps: rounding grows with every step, as Adam divides by its size."""
    backbone = backbone_on(device)
    before = weights_of(backbone)
    there = released(backbone, protection, "fp32")
    here = released(backbone_on("cpu"), protection, "fp32")
    assert_unchanged(backbone, before)
    losses = torch.tensor([there.record["losses"], here.record["losses"]])
    torch.testing.assert_close(losses[0, :2], losses[1, :2], rtol=1e-3, atol=1e-3)
    assert float(losses[0, -1]) < float(losses[0, 0])
    assert all(change.device.type == "cpu" for change in there.update.sites.values())


@pytest.mark.parametrize("protection", ["none", "trap2"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_training_in_bf16_learns(protection: str, dropout: float, device: torch.device) -> None:
    backbone = backbone_on(device)
    before, state = weights_of(backbone), torch.get_rng_state()
    losses = released(backbone, protection, "bf16", dropout).record["losses"]
    assert losses[-1] < losses[0]
    assert_unchanged(backbone, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_same_training_twice_gives_nearly_the_same_update(
    dropout: float, device: torch.device
) -> None:
    first, second = (
        released(backbone_on(device), "trap2", "fp32", dropout).record["losses"] for _ in range(2)
    )
    torch.testing.assert_close(torch.tensor(first), torch.tensor(second), rtol=1e-2, atol=1e-2)
