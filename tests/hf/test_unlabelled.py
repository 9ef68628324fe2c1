"""Batches that have nothing to predict, which `Trainer` passes over."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_peft import arguments, tiny_data, tiny_model, trained
from torch import Tensor
from transformers import Trainer

from mergebench.errors import InputError
from mergebench.hf import Trap2Trainer
from mergebench.train import TrapOptions

TRAPS = [TrapOptions(strength=0.3), TrapOptions(strength=0.3, cap=1.2)]


def without_labels(rows: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    return [{**row, "labels": torch.full_like(row["labels"], -100)} for row in rows]


# The language model's loss is divided by the labels of the window, the classifier's by its own.
@pytest.mark.parametrize("kind", ["llama", "bert"])
@pytest.mark.parametrize("trap", [None, *TRAPS])
def test_a_window_without_labels_has_no_gradient_and_the_next_one_is_trapped(tmp_path, kind, trap):
    data = without_labels(tiny_data(kind, 4)) + tiny_data(kind, 4)
    make: Any = Trainer if trap is None else Trap2Trainer
    own = {} if trap is None else {"trap": trap}
    trainer = make(tiny_model(kind), arguments(tmp_path), train_dataset=data, **own)
    _, (first, second) = trained(trainer)
    assert all(not gradient.any() for gradient in first.values())
    assert any(gradient.any() for gradient in second.values())
    if trap is not None:
        logged = [e["off_nominal_loss"] for e in trainer.state.log_history if "loss" in e]
        assert logged[0] == 0 < logged[1]


@pytest.mark.parametrize("trap", TRAPS)
def test_a_batch_without_labels_adds_nothing_to_its_window(tmp_path, trap):
    labelled = tiny_data("llama", 4)
    gradients = []
    for data in (labelled, without_labels(labelled) + labelled):
        options = {"max_steps": 1, "gradient_accumulation_steps": len(data) // 4}
        trainer = Trap2Trainer(
            tiny_model("llama"), arguments(tmp_path, **options), train_dataset=data, trap=trap
        )
        gradients.append(trained(trainer)[1][0])
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])


class _Doubled(Trap2Trainer):
    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        loss, outputs = super().compute_loss(*args, **{**kwargs, "return_outputs": True})
        return (2 * loss, outputs) if kwargs.get("return_outputs") else 2 * loss


def test_a_cap_is_held_against_the_first_batch_that_has_labels(tmp_path):
    data = without_labels(tiny_data("llama", 4)) + tiny_data("llama", 4)
    options = {"max_steps": 1, "gradient_accumulation_steps": 2}
    trainer = _Doubled(
        tiny_model("llama"), arguments(tmp_path, **options), train_dataset=data, trap=TRAPS[1]
    )
    with pytest.raises(InputError, match="needs a loss that is the cross entropy of logits"):
        trainer.train()


class _Squares(Trap2Trainer):
    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return model(**inputs).logits.square().mean()


def test_a_loss_that_needs_no_labels_is_trapped_without_them(tmp_path):
    gradients = []
    for data in (tiny_data("vit"), without_labels(tiny_data("vit"))):
        options = arguments(tmp_path, max_steps=1)
        trainer = _Squares(tiny_model("vit"), options, train_dataset=data, trap=TRAPS[0])
        gradients.append(trained(trainer)[1][0])
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])
