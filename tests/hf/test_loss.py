"""The objective for a loop of one's own is that of `protections.trap2`."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_peft import tiny_data, tiny_model
from torch import Tensor, nn
from torch.nn import functional

from mergebench.errors import InputError
from mergebench.hf import deployed_at, deployed_from, start_of, trap2_loss
from mergebench.train import TrapOptions
from protections.trap2 import Trap2


def losses_of(model: nn.Module, scale: float) -> Tensor:
    rows = tiny_data("bert")
    labels = torch.stack([row["labels"] for row in rows])
    with deployed_at(model, scale):
        logits = model(input_ids=torch.stack([row["input_ids"] for row in rows])).logits
    return functional.cross_entropy(logits, labels, reduction="none")


def gradients(model: nn.Module) -> dict[str, Tensor]:
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}
    for weight in model.parameters():
        weight.grad = None
    return found


@pytest.mark.parametrize("options", [{}, {"cap": 0.9, "weighting": "one"}, {"delay": 0.6}])
def test_it_has_the_value_and_the_gradient_of_our_objective(options):
    model = tiny_model("bert").eval().double()
    trap = Trap2(strength=0.3, **options)
    step = SimpleNamespace(
        labels=torch.zeros(8),
        index=2,
        steps=4,
        guessing_loss=1.1,
        losses=lambda scale, part=slice(None): losses_of(model, scale)[part],
        generator=lambda purpose: torch.Generator().manual_seed(7),
    )
    losses = trap.backward(step)
    ours = gradients(model)
    scale = trap.draw_scale(torch.Generator().manual_seed(7))
    loss = trap2_loss(
        lambda s: losses_of(model, s),
        TrapOptions(strength=0.3, **options),
        scale=scale,
        done=0.5,
        guessing_loss=1.1,
    )
    loss.backward()
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, ours[name], rtol=1e-12, atol=1e-15)
    if options == {}:
        expected = losses.nominal - 0.3 / scale * losses.off_nominal
        assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_both_passes_have_the_same_dropout_masks():
    model = tiny_model("bert", lora_dropout=0.5).train()
    seen: list[Tensor] = []

    def losses_at(scale: float) -> Tensor:
        seen.append(losses_of(model, 1.0))
        return seen[-1]

    torch.manual_seed(3)
    trap2_loss(losses_at, TrapOptions(), scale=0.5)
    state = torch.get_rng_state()
    assert torch.equal(seen[0], seen[1])
    torch.manual_seed(3)
    assert torch.equal(losses_of(model, 1.0), seen[0])
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(losses_of(model, 1.0), seen[0])


def averaged(*, whole: bool, strength: float) -> list[Tensor]:
    """Return what batch normalisation has averaged after two losses and their gradients."""
    torch.manual_seed(0)
    model: nn.Module = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    norm, inputs, base = model[1], torch.randn(8, 5), start_of(model)
    config = LoraConfig(r=2, target_modules=["0"], init_lora_weights=False)
    if whole:
        torch.nn.init.ones_(model[0].weight)
    else:
        model = get_peft_model(model, config)

    def losses_at(scale: float) -> Tensor:
        with deployed_from(model, base, scale) if whole else deployed_at(model, scale):
            return model(inputs).square().mean(1)

    buffers = list(norm.buffers())
    for _ in range(2):
        trap2_loss(losses_at, TrapOptions(strength=strength), scale=0.5).backward()
    assert [id(buffer) for buffer in buffers] == [id(buffer) for buffer in norm.buffers()]
    assert int(norm.num_batches_tracked) == 2
    return buffers


@pytest.mark.parametrize("whole", [False, True])
def test_batch_statistics_are_those_of_nominal_passes(whole):
    plain, trapped = (averaged(whole=whole, strength=strength) for strength in (0.0, 0.3))
    assert all(torch.equal(*pair) for pair in zip(plain, trapped, strict=True))


def test_a_cap_needs_losses_of_inputs():
    with pytest.raises(InputError, match="cap needs guessing_loss"):
        trap2_loss(lambda s: torch.ones(()) * s, TrapOptions(cap=1.2), scale=0.5, guessing_loss=1.0)
    with pytest.raises(InputError, match="cap needs guessing_loss"):
        trap2_loss(lambda s: torch.ones(3) * s, TrapOptions(cap=1.2), scale=0.5)
