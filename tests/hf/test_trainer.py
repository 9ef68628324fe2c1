"""A `Trap2Trainer` against the plain `Trainer`, and against itself in other circumstances."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from tiny_peft import KINDS, arguments, tiny_data, tiny_model, trained
from torch import Tensor, nn
from transformers import Trainer, set_seed

from mergebench.hf import Trap2Trainer, deployed_at
from mergebench.train import TrapOptions

TRAP = TrapOptions(strength=0.3)


def run(folder: Any, kind: str = "llama", trap: TrapOptions = TRAP, **options: Any) -> Any:
    """Return weights, gradients and the trainer of a short run."""
    lora = options.pop("lora", {})
    resume = options.pop("resume", None)
    own = {key: options.pop(key) for key in ("evaluation_scales", "adapter") if key in options}
    model = tiny_model(kind, **lora)
    trainer = Trap2Trainer(
        model, arguments(folder, **options), train_dataset=tiny_data(kind), trap=trap, **own
    )
    set_seed(0)
    weights, gradients = trained(trainer, resume_from_checkpoint=resume)
    return weights, gradients, trainer


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def assert_near(first: dict[str, Tensor], second: dict[str, Tensor], within: float = 1e-5) -> None:
    assert first.keys() == second.keys()
    size = max(float(gradient.abs().max()) for gradient in first.values())
    assert size > 0
    for name, gradient in first.items():
        torch.testing.assert_close(gradient, second[name], rtol=0, atol=within * size)


# A strength of 1e-30 runs both passes, but its gradients vanish in the sum: what is left of the
# second pass is what it consumes of the random generators.
@pytest.mark.parametrize("strength", [0.0, 1e-30])
@pytest.mark.parametrize("kind", KINDS)
def test_without_strength_it_is_the_plain_trainer_bit_for_bit(tmp_path, kind, strength):
    options = {"gradient_accumulation_steps": 2, "max_grad_norm": 1.0}
    lora = {"lora_dropout": 0.3, "task_type": {"bert": "SEQ_CLS"}.get(kind)}
    trap = TrapOptions(strength=strength)
    trapped, gradients, first = run(tmp_path, kind, trap, lora=lora, **options)
    after = torch.get_rng_state()
    plain = Trainer(
        tiny_model(kind, **lora), arguments(tmp_path, **options), train_dataset=tiny_data(kind)
    )
    set_seed(0)
    weights, expected = trained(plain)
    assert_equal(trapped, weights)
    for one, other in zip(gradients, expected, strict=True):
        assert_equal(one, other)
    assert torch.equal(after, torch.get_rng_state())
    losses = [[entry.get("loss") for entry in t.state.log_history] for t in (first, plain)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"cap": 0.9}])
def test_accumulated_batches_have_the_gradient_of_the_whole(tmp_path, kind, options):
    trap = TrapOptions(strength=0.3, **options)
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    whole, parts = (
        run(
            tmp_path,
            kind,
            trap,
            lora={"base": no_dropout if kind == "bert" else {}},
            per_device_train_batch_size=8 // count,
            gradient_accumulation_steps=count,
            max_steps=1,
        )
        for count in (1, 4)
    )
    assert_near(whole[1][0], parts[1][0])
    assert parts[2].state.log_history[0]["off_nominal_loss"] == pytest.approx(
        whole[2].state.log_history[0]["off_nominal_loss"], rel=1e-5
    )


def test_groups_of_accumulated_batches_have_scales_of_their_own(tmp_path):
    trap = TrapOptions(strength=0.3, scales_per_step=2)
    options = {"max_steps": 1, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    _, gradients, trainer = run(tmp_path, "vit", trap, **options)
    scales = [trainer.scale_of(0, portion) for portion in range(4)]
    assert scales[0] == scales[1] != scales[2] == scales[3]
    assert trainer.scale_of(0, 4) == scales[3]
    model, rows = tiny_model("vit"), tiny_data("vit")
    for portion, scale in enumerate(scales):
        part = rows[2 * portion : 2 * portion + 2]
        batch = {key: torch.stack([row[key] for row in part]) for key in part[0]}
        (model(**batch).loss / 4).backward()
        with deployed_at(model, scale):
            (-0.3 / scale * model(**batch).loss / 4).backward()
    expected = {name: w.grad for name, w in model.named_parameters() if w.grad is not None}
    assert_near(expected, gradients[0])


def test_gradient_checkpointing_changes_nothing(tmp_path):
    lora = {"lora_dropout": 0.3}
    plain = run(tmp_path, lora=lora)
    for reentrant in (False, True):
        checkpointed = run(
            tmp_path,
            lora=lora,
            gradient_checkpointing=True,
            gradient_checkpointing_kwargs={"use_reentrant": reentrant},
        )
        assert checkpointed[2].model.is_gradient_checkpointing
        assert_near(plain[1][0], checkpointed[1][0], 1e-6)
        assert_near(plain[1][1], checkpointed[1][1], 1e-6)


def test_a_run_that_goes_on_from_a_checkpoint_is_the_uninterrupted_one(tmp_path):
    options = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    lora = {"lora_dropout": 0.3}
    whole, _, _ = run(tmp_path, lora=lora, **options)
    rest, gradients, _ = run(tmp_path, lora=lora, resume=str(tmp_path / "checkpoint-2"), **options)
    assert len(gradients) == 2
    assert_equal(rest, whole)


def test_mixed_precision_is_that_of_the_nominal_pass(tmp_path):
    _, gradients, trainer = run(tmp_path, "vit", max_steps=1, bf16=True)
    model, rows = tiny_model("vit"), tiny_data("vit")[:4]
    batch = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    scale = trainer.scale_of(0)
    with torch.autocast("cpu", torch.bfloat16):
        nominal = model(**batch).loss.float()
    nominal.backward()
    with deployed_at(model, scale):
        with torch.autocast("cpu", torch.bfloat16):
            scaled = model(**batch).loss.float()
        (-0.3 / scale * scaled).backward()
    expected = {name: w.grad for name, w in model.named_parameters() if w.grad is not None}
    assert_near(expected, gradients[0], 1e-6)
    exact = run(tmp_path, "vit", max_steps=1)[1][0]
    assert not torch.equal(exact[min(exact)], expected[min(exact)])


def test_only_the_active_adapter_is_trained_and_trapped(tmp_path):
    model = tiny_model("llama")
    model.add_adapter("other", LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    trainer = Trap2Trainer(model, arguments(tmp_path), train_dataset=tiny_data("llama"), trap=TRAP)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    set_seed(0)
    weights, _ = trained(trainer)
    alone, _, _ = run(tmp_path)
    assert_equal(weights, alone)
    assert all(
        torch.equal(before[name], w) for name, w in model.named_parameters() if "other" in name
    )


def test_a_head_learns_from_the_nominal_loss_alone(tmp_path):
    lora = {"task_type": "SEQ_CLS"}
    trapped = run(tmp_path, "bert", lora=lora, max_steps=1)[1][0]
    plain = run(tmp_path, "bert", TrapOptions(strength=0.0), lora=lora, max_steps=1)[1][0]
    heads = [name for name in plain if "classifier" in name]
    assert heads
    assert all(torch.equal(plain[name], trapped[name]) for name in heads)
    others = plain.keys() - set(heads)
    assert all(not torch.equal(plain[name], trapped[name]) for name in others)


def test_lora_plus_is_an_optimiser_like_others(tmp_path):
    model = tiny_model("llama")
    optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=0.01, loraplus_lr_ratio=4.0)
    trainer = Trap2Trainer(
        model,
        arguments(tmp_path),
        train_dataset=tiny_data("llama"),
        trap=TRAP,
        optimizers=(optimizer, None),
    )
    set_seed(0)
    weights, gradients = trained(trainer)
    plain, expected, _ = run(tmp_path)
    assert_equal(gradients[0], expected[0])
    assert not all(torch.equal(plain[name], weights[name]) for name in plain)


class _Twice(Trap2Trainer):
    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        loss, outputs = super().compute_loss(*args, **{**kwargs, "return_outputs": True})
        return (2 * loss, outputs) if kwargs.get("return_outputs") else 2 * loss


def test_a_loss_of_a_subclass_is_trapped_too(tmp_path):
    model = tiny_model("vit")
    trainer = _Twice(
        model, arguments(tmp_path, max_steps=1), train_dataset=tiny_data("vit"), trap=TRAP
    )
    set_seed(0)
    gradients = trained(trainer)[1][0]
    once = run(tmp_path, "vit", max_steps=1)[1][0]
    assert_equal(gradients, {name: 2 * gradient for name, gradient in once.items()})


def test_a_loss_that_is_set_on_the_trainer_is_that_of_all_steps(tmp_path):
    def squares(model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        outputs = model(**inputs)
        loss = outputs.logits.square().mean()
        return (loss, outputs) if return_outputs else loss

    class Squares(Trap2Trainer):
        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            return squares(*args, **kwargs)

    found = {}
    for kind in (Trap2Trainer, Squares):
        data = tiny_data("vit")
        trainer = kind(tiny_model("vit"), arguments(tmp_path), train_dataset=data, trap=TRAP)
        if kind is Trap2Trainer:
            trainer.compute_loss = squares
        set_seed(0)
        found[kind] = trained(trainer)[1]
        assert trainer.__dict__.get("compute_loss") is (squares if kind is Trap2Trainer else None)
    assert len(found[Squares]) == 2
    for one, other in zip(*found.values(), strict=True):
        assert_equal(one, other)


def test_the_trap_ends_where_the_options_say_so(tmp_path):
    trap = TrapOptions(strength=0.3, until=0.5)
    _, _, trainer = run(tmp_path, trap=trap)
    found = ["off_nominal_loss" in entry for entry in trainer.state.log_history if "loss" in entry]
    assert found == [True, False]


def test_evaluation_looks_at_other_scales_and_disturbs_nothing(tmp_path):
    lora = {"lora_dropout": 0.3}
    options = {"eval_strategy": "steps", "eval_steps": 1}
    data = {"one": tiny_data("llama"), "two": tiny_data("llama", 4)}
    weights = {}
    for scales in ((), (0.0, 0.5)):
        model = tiny_model("llama", **lora)
        trainer = Trap2Trainer(
            model,
            arguments(tmp_path, **options),
            train_dataset=tiny_data("llama"),
            eval_dataset=data,
            trap=TRAP,
            evaluation_scales=scales,
        )
        set_seed(0)
        weights[scales], _ = trained(trainer)
    assert_equal(weights[()], weights[0.0, 0.5])
    logged = {key for entry in trainer.state.log_history for key in entry}
    assert {"eval_one_loss", "eval_one_at_0_loss", "eval_two_at_0.5_loss"} <= logged
    metrics = trainer.evaluate()
    with deployed_at(model, 0.5):
        expected = Trainer(model, arguments(tmp_path), eval_dataset=data["two"]).evaluate()
    assert metrics["eval_two_at_0.5_loss"] == expected["eval_loss"] != metrics["eval_two_loss"]


class _Normalised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)

    def forward(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.last(self.norm(self.first(inputs)))
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def test_batch_statistics_are_those_of_nominal_passes(tmp_path):
    statistics = []
    for strength in (0.0, 0.3):
        torch.manual_seed(0)
        config = LoraConfig(r=2, target_modules=["first"], init_lora_weights=False)
        model = get_peft_model(_Normalised(), config)
        data = [{"inputs": torch.randn(5), "labels": torch.tensor(n % 3)} for n in range(8)]
        arguments_ = arguments(tmp_path, max_steps=1)
        trap = TrapOptions(strength=strength)
        Trap2Trainer(model, arguments_, train_dataset=data, trap=trap).train()
        statistics.append(dict(model.base_model.model.norm.named_buffers()))
    assert_equal(*statistics)
