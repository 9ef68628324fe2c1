"""Loops, models and options that a trap cannot be trained with: one line that says why."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_peft import arguments, tiny_base, tiny_data, tiny_model
from torch.nn import functional

from mergebench.errors import InputError
from mergebench.hf import Trap2Trainer
from mergebench.train import TrapOptions


def refused(model: Any, tmp_path: Any, kind: str = "llama", **options: Any) -> str:
    """Return the line with which a trainer, or its first steps, are refused."""
    own = {"trap": TrapOptions(strength=0.3)}
    own |= {key: options.pop(key) for key in ("trap", "compute_loss_func") if key in options}
    with pytest.raises(InputError) as error:
        Trap2Trainer(
            model, arguments(tmp_path, **options), train_dataset=tiny_data(kind), **own
        ).train()
    assert "\n" not in str(error.value)
    return str(error.value)


CAP = TrapOptions(strength=0.3, cap=1.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"torch_compile": True}, "compiles anew for every scale"),
        ({"trap": CAP, "label_smoothing_factor": 0.1}, "cap needs the model's own loss"),
        (
            {"trap": CAP, "compute_loss_func": lambda outputs, labels, **_: outputs.loss},
            "cap needs the model's own loss",
        ),
        ({"trap": TrapOptions(scales_per_step=2)}, "scales_per_step is 2; that many batches"),
    ],
)
def test_a_loop_that_cannot_hold_a_trap(tmp_path, options, message):
    assert message in refused(tiny_model("llama"), tmp_path, **options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("is_deepspeed_enabled", "DeepSpeed takes an optimiser step with every backward pass"),
        ("is_fsdp_enabled", "FSDP was not tested"),
    ],
)
def test_a_framework_that_cannot_hold_a_trap(tmp_path, monkeypatch, name, message):
    original = Trap2Trainer.create_accelerator_and_postprocess

    def pretended(self: Any) -> None:
        original(self)
        self.is_fsdp_enabled = self.is_deepspeed_enabled = False
        setattr(self, name, True)

    monkeypatch.setattr(Trap2Trainer, "create_accelerator_and_postprocess", pretended)
    assert message in refused(tiny_model("llama"), tmp_path)


def test_a_model_without_an_adapter(tmp_path):
    assert "has no adapter of PEFT in it" in refused(tiny_base("llama"), tmp_path)


def test_a_trained_weight_that_no_scale_changes(tmp_path):
    model = tiny_model("llama")
    model.base_model.model.model.norm.weight.requires_grad_(True)
    line = refused(model, tmp_path)
    assert "model.norm.weight is trained and is no part of adapter 'default'" in line


def test_a_cap_on_what_is_no_classification(tmp_path):
    model = tiny_model("bert", base={"problem_type": "multi_label_classification"})
    data = [
        {**row, "labels": functional.one_hot(row["labels"], 3).float()} for row in tiny_data("bert")
    ]
    with pytest.raises(InputError, match="cap is for labels that are classes"):
        Trap2Trainer(model, arguments(tmp_path), train_dataset=data, trap=CAP).train()


def test_a_cap_on_a_loss_that_is_no_cross_entropy(tmp_path):
    class Doubled(Trap2Trainer):
        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            loss, outputs = super().compute_loss(*args, **{**kwargs, "return_outputs": True})
            return (2 * loss, outputs) if kwargs.get("return_outputs") else 2 * loss

    trainer = Doubled(
        tiny_model("vit"), arguments(tmp_path), train_dataset=tiny_data("vit"), trap=CAP
    )
    with pytest.raises(InputError, match="needs a loss that is the cross entropy of logits"):
        trainer.train()


def test_a_cap_on_a_loss_of_each_gpu(tmp_path):
    class Several(Trap2Trainer):
        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            loss, outputs = super().compute_loss(*args, **kwargs)
            return loss.expand(2), outputs

    trainer = Several(
        tiny_model("vit"), arguments(tmp_path), train_dataset=tiny_data("vit"), trap=CAP
    )
    with pytest.raises(InputError, match=r"several GPUs in one process \(DataParallel\)"):
        trainer.train()


def test_a_scaled_loss_that_is_not_finite(tmp_path):
    model = tiny_model("llama")
    trainer = Trap2Trainer(
        model,
        arguments(tmp_path),
        train_dataset=tiny_data("llama"),
        trap=TrapOptions(strength=0.3, scale_max=1000.0, scale_min=0.9, band=0.01),
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.mul_(1e36)
    with pytest.raises(InputError, match=r"the loss at scale \S+ is nan at step 1; lower strength"):
        trainer.train()


def test_a_quantised_base_is_no_error_but_is_said(tmp_path):
    model = tiny_model("llama")
    method = SimpleNamespace(quant_method="bitsandbytes")
    model.base_model.model.is_quantized = True
    model.base_model.model.hf_quantizer = SimpleNamespace(
        quantization_config=method, is_trainable=True, is_qat_trainable=False
    )
    with pytest.warns(UserWarning, match="the base is quantised, so the trap is trained around"):
        Trap2Trainer(model, arguments(tmp_path), train_dataset=tiny_data("llama"))
