"""fp16 with its gradient scaler, which `accelerate` makes on accelerators and here tests make.

`accelerate` takes `fp16=True` on the CPU and trains in float32 without a scaler, so these tests put
in the trainer's `Accelerator` what it would have on a GPU: PyTorch's scaler and autocast for CPUs.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_peft import arguments, tiny_data, tiny_model, trained
from torch import Tensor
from transformers import Trainer, set_seed

from mergebench.errors import InputError
from mergebench.hf import Trap2Trainer, deployed_at
from mergebench.train import TrapOptions

TRAP, FACTOR = TrapOptions(strength=0.3), 2.0**10


class _Scaling(Trainer):
    """A trainer in fp16 with a scaler, also on the CPU."""

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        assert self.accelerator.mixed_precision == "fp16"
        self.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=FACTOR)
        self.accelerator.native_amp = True


class Plain(_Scaling):
    pass


class Trapped(Trap2Trainer, _Scaling):
    pass


def a_trainer(folder: Any, trap: TrapOptions | None, **options: Any) -> Trainer:
    kind, own = (Plain, {}) if trap is None else (Trapped, {"trap": trap})
    lora = options.pop("lora", {})
    settings = arguments(folder, fp16=True, **options)
    return kind(tiny_model("vit", **lora), settings, train_dataset=tiny_data("vit"), **own)


def run(folder: Any, trap: TrapOptions | None, **options: Any) -> Any:
    trainer = a_trainer(folder, trap, **options)
    set_seed(0)
    return *trained(trainer), trainer


def test_both_terms_are_scaled_and_unscaled_together(tmp_path):
    _, (gradients, *_), trainer = run(tmp_path, TRAP, max_steps=1)
    model, rows = tiny_model("vit"), tiny_data("vit")[:4]
    batch = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    scale = trainer.scale_of(0)

    def backward(factor: float) -> None:
        with torch.autocast("cpu", torch.float16):
            loss = model(**batch).loss
        (FACTOR * factor * loss.float()).backward()

    backward(1.0)
    with deployed_at(model, scale):
        backward(-0.3 / scale)
    for name, weight in model.named_parameters():
        if weight.grad is not None:
            expected = weight.grad / FACTOR
            near = 1e-5 * float(expected.abs().max())
            torch.testing.assert_close(gradients[name], expected, rtol=0, atol=near)
    exact = Trap2Trainer(
        tiny_model("vit"),
        arguments(tmp_path, max_steps=1),
        train_dataset=tiny_data("vit"),
        trap=TRAP,
    )
    _, (full, *_) = trained(exact)
    rounded = [float((full[name] - gradients[name]).abs().max()) for name in full]
    assert 0 < max(rounded) < 0.02 * max(float(one.abs().max()) for one in full.values())


def test_gradients_are_clipped_by_their_own_size(tmp_path):
    _, (unclipped, *_), _ = run(tmp_path, TRAP, max_steps=1)
    _, (clipped, *_), _ = run(tmp_path, TRAP, max_steps=1, max_grad_norm=1e-3)
    norm = torch.stack([one.norm() for one in unclipped.values()]).norm()
    assert norm > 1e-3
    for name, gradient in clipped.items():
        expected = 1e-3 / norm * unclipped[name]
        torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("strength", [0.0, 1e-30])
def test_without_strength_it_is_the_plain_trainer_bit_for_bit(tmp_path, strength):
    options = {
        "gradient_accumulation_steps": 2,
        "max_grad_norm": 1.0,
        "lora": {"lora_dropout": 0.3},
    }
    weights, gradients, _ = run(tmp_path, TrapOptions(strength=strength), **options)
    expected, plain, _ = run(tmp_path, None, **options)
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    for own, other in zip(gradients, plain, strict=True):
        assert all(torch.equal(own[name], other[name]) for name in other)


def test_a_step_that_overflows_is_skipped_and_the_factor_halved(tmp_path):
    """Only the trap's term overflows: at scale 1 the activations are within fp16."""
    far = TrapOptions(strength=0.3, scale_min=0.9, scale_max=1000.0, band=0.01)
    trainer = a_trainer(tmp_path, far, max_steps=1)
    with torch.no_grad():
        for name, weight in factors(trainer, copied=False).items():
            weight.mul_(100 if "lora_B" in name else 1)
    before = factors(trainer)
    trained(trainer)
    assert trainer.accelerator.scaler.get_scale() == FACTOR / 2
    assert all(torch.equal(weight, before[name]) for name, weight in factors(trainer).items())
    nominal, *_ = (entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    assert 0 < nominal < 10


def factors(trainer: Trainer, *, copied: bool = True) -> dict[str, Tensor]:
    assert trainer.model is not None
    found = {n: w for n, w in trainer.model.named_parameters() if w.requires_grad}
    return {n: w.detach().clone() for n, w in found.items()} if copied else found


def test_without_a_scaler_what_is_not_finite_is_an_error_still(tmp_path):
    model = tiny_model("llama")
    trainer = Trap2Trainer(
        model,
        arguments(tmp_path, fp16=True),
        train_dataset=tiny_data("llama"),
        trap=TrapOptions(strength=0.3, scale_max=1000.0, scale_min=0.9, band=0.01),
    )
    assert trainer.accelerator.scaler is None  # accelerate makes none on the CPU
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.mul_(1e36)
    with pytest.raises(InputError, match=r"the loss at scale \S+ is nan at step 1"):
        trainer.train()
