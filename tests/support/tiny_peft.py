"""Small models of `transformers` with adapters of PEFT, their data, and trainers for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
)

KINDS = ("llama", "bert", "vit")
_SIZE = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_TARGETS = {
    "llama": ["q_proj", "v_proj"],
    "bert": ["query", "value"],
    "vit": ["q_proj", "v_proj", "query", "value"],
}


def tiny_base(kind: str, **options: Any) -> Any:
    """Return an untrained model, the same for equal arguments."""
    torch.manual_seed(0)
    if kind == "llama":
        config = LlamaConfig(**_SIZE | options, num_key_value_heads=2, vocab_size=30)
        return LlamaForCausalLM(config)
    if kind == "bert":
        sizes = {"vocab_size": 30, "max_position_embeddings": 12, "num_labels": 3}
        model = BertForSequenceClassification(BertConfig(**_SIZE, **sizes, **options))
        model.accepts_loss_kwargs = False  # it takes num_items_in_batch and ignores it
        return model
    return ViTForImageClassification(
        ViTConfig(**_SIZE, image_size=8, patch_size=4, num_labels=3, **options)
    )


def tiny_model(kind: str, *, base: dict[str, Any] | None = None, **lora: Any) -> PeftModel:
    """Return a model with a LoRA adapter none of whose factors is zero."""
    config = LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": _TARGETS[kind]} | lora)
    return randomised(get_peft_model(tiny_base(kind, **base or {}), config))


def randomised(model: PeftModel) -> PeftModel:
    """Draw the factors of all adapters."""
    draws = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.copy_(0.4 * torch.randn(weight.shape, generator=draws))
    return model


def tiny_data(kind: str, count: int = 8) -> list[dict[str, Tensor]]:
    """Return inputs with labels; those of the language model are of different lengths."""
    draws = torch.Generator().manual_seed(4)
    labels = torch.arange(count) % 3
    if kind == "vit":
        pixels = torch.randn(count, 3, 8, 8, generator=draws)
        return [{"pixel_values": pixels[n], "labels": labels[n]} for n in range(count)]
    tokens = torch.randint(0, 30, (count, 8), generator=draws)
    if kind == "bert":
        return [{"input_ids": tokens[n], "labels": labels[n]} for n in range(count)]
    beyond = torch.arange(8) >= 8 - labels[:, None] * 2
    targets = tokens.masked_fill(beyond, -100)
    return [{"input_ids": tokens[n], "labels": targets[n]} for n in range(count)]


class Gradients(TrainerCallback):
    """Keeps the gradients of every optimiser step, by parameter."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Tensor]] = []

    def on_pre_optimizer_step(self, *_: Any, model: Any, **__: Any) -> None:
        """Copy them before they are used."""
        self.steps.append(
            {
                name: weight.grad.clone()
                for name, weight in model.named_parameters()
                if weight.grad is not None
            }
        )


def arguments(folder: Path, **options: Any) -> TrainingArguments:
    """Return arguments of a short run on the CPU, whose inputs come in their order."""
    return TrainingArguments(
        **{
            "output_dir": str(folder),
            "use_cpu": True,
            "max_steps": 2,
            "per_device_train_batch_size": 4,
            "learning_rate": 0.01,
            "max_grad_norm": 0.0,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "train_sampling_strategy": "sequential",
        }
        | options
    )


def trained(trainer: Trainer, **options: Any) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    """Train; return the adapter's weights and the gradients of each step."""
    kept = Gradients()
    trainer.add_callback(kept)
    trainer.train(**options)
    weights = {
        name: weight.detach().clone()
        for name, weight in trainer.model.named_parameters()
        if weight.requires_grad
    }
    return weights, kept.steps
