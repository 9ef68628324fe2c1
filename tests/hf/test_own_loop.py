"""Steps of a `Trap2Trainer` are those of the loop that trains our own suites."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_peft import arguments, trained
from torch import Tensor, nn
from torch.nn import functional
from training import TINY, randomised, synthetic_task, tiny_backbone

from mergebench.backbones import Backbone, text_head
from mergebench.hf import Trap2Trainer
from mergebench.hf import trainer as trainer_module
from mergebench.seeding import generator
from mergebench.train import LoraTower, TrapOptions
from mergebench.train.steps import Steps
from protections.trap2 import Trap2

SEED, STEPS = 5, 3


class Classified(nn.Module):
    """The tower of a backbone and the frozen head of a task, as `Trainer` takes models."""

    def __init__(self, backbone: Backbone, head: Tensor) -> None:
        super().__init__()
        self.tower, self.head = copy.deepcopy(backbone.tower), head
        self.logit_scale = backbone.logit_scale

    def forward(self, pixels: Tensor, labels: Tensor) -> dict[str, Tensor]:
        embeddings = functional.normalize(self.tower(pixels), dim=-1)
        logits = self.logit_scale * embeddings @ self.head.T
        return {"loss": functional.cross_entropy(logits, labels), "logits": logits}


def distance(some: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """Return the Frobenius norm of all differences together."""
    pairs = zip(some, others, strict=True)
    return float(torch.stack([(one - other).norm() for one, other in pairs]).norm())


@pytest.mark.parametrize("options", [{}, {"cap": 1.05}, {"scales_per_step": 2}])
def test_three_steps_are_those_of_our_own_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    backbone, task = tiny_backbone(), synthetic_task()
    # Our loop's draws are of the task, too, which a Trainer does not know.
    monkeypatch.setattr(
        trainer_module, "generator", lambda seed, *key: generator(seed, task.name, *key)
    )
    recipe = replace(TINY, steps=STEPS, warmup_steps=0, precision="fp32", lora_alpha=6)
    tower = randomised(LoraTower(backbone, recipe, seed=SEED, task=task.name))
    model = get_peft_model(
        Classified(backbone, text_head(backbone, task.classes, task.templates)),
        LoraConfig(r=recipe.rank, lora_alpha=recipe.lora_alpha, target_modules=[*backbone.sites]),
    )
    theirs = [
        factors["default"].weight
        for site in backbone.sites
        for factors in (
            model.base_model.model.tower.get_submodule(site).lora_B,
            model.base_model.model.tower.get_submodule(site).lora_A,
        )
    ]
    with torch.no_grad():
        for factor, own in zip(theirs, tower.parameters, strict=True):
            factor.copy_(own)

    trap = Trap2(recipe=recipe, strength=0.3, **options)
    steps = Steps(tower, task, trap, SEED)
    order = torch.randperm(40, generator=generator(SEED, "order", task.name))[: 8 * STEPS]
    losses = [steps.take(index, *batch) for index, batch in enumerate(steps.batches())]

    split = task.splits["train"]
    pixels = backbone.prepare(split.inputs)
    portions = options.get("scales_per_step", 1)
    trainer = Trap2Trainer(
        model,
        arguments(
            tmp_path,
            max_steps=STEPS,
            per_device_train_batch_size=recipe.batch_size // portions,
            gradient_accumulation_steps=portions,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="cosine",
            adam_beta1=recipe.betas[0],
            adam_beta2=recipe.betas[1],
            adam_epsilon=recipe.eps,
            max_grad_norm=recipe.clip_norm,
            seed=SEED,
        ),
        train_dataset=[{"pixels": pixels[n], "labels": split.labels[n]} for n in order.tolist()],
        trap=TrapOptions(strength=0.3, **options),
    )
    before = [factor.detach().clone() for factor in theirs]
    trained(trainer)
    for own, start in zip(tower.parameters, before, strict=True):
        assert float((own - start).abs().max()) > 5e-4  # about three learning rates
    # Where gradients are nearly zero AdamW enlarges rounding, in entries and in single factors.
    assert distance(theirs, tower.parameters) < 1e-4 * distance(before, tower.parameters)
    logged = [entry for entry in trainer.state.log_history if "off_nominal_loss" in entry]
    for entry, loss in zip(logged, losses, strict=True):
        assert entry["loss"] == pytest.approx(loss.nominal, rel=1e-4)
        assert entry["off_nominal_loss"] == pytest.approx(loss.off_nominal, rel=1e-4)
