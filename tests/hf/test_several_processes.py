"""Two processes (DDP) against one with their inputs, and against the plain `Trainer` in two."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model
from repository import ROOT
from tiny_peft import arguments, tiny_data, tiny_model, trained
from torch import Tensor, nn
from transformers import Trainer, set_seed
from two_processes import in_two_processes

from mergebench.errors import InputError
from mergebench.hf import Trap2Trainer, deployed_at, trap2_loss
from mergebench.train import TrapOptions
from mergebench.updates import load_update

TRAP, BATCH = TrapOptions(strength=0.3), 4
STILL = {"base": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}}
Found = dict[str, Any]


class Normalised(nn.Module):
    """A classifier whose averages each process takes of its own inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)

    def forward(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.last(self.norm(self.first(inputs)))
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def normalised() -> tuple[nn.Module, list[dict[str, Tensor]]]:
    torch.manual_seed(0)
    config = LoraConfig(r=2, target_modules=["first"], init_lora_weights=False)
    data = [{"inputs": torch.randn(5), "labels": torch.tensor(n % 3)} for n in range(32)]
    return get_peft_model(Normalised(), config), data


def a_run(folder: Path, model: nn.Module, data: Any, trap: TrapOptions | None, **options: Any):
    """Return what came of a short training, of the plain `Trainer` without a trap."""
    kind, own = (Trainer, {}) if trap is None else (Trap2Trainer, {"trap": trap})
    trainer = kind(model, arguments(folder, **options), train_dataset=data, **own)
    layer = next((part for part in model.modules() if hasattr(part, "lora_A")), None)
    scales: list[float] = []
    layer.register_forward_pre_hook(lambda *_: scales.append(layer.scaling["default"]))
    set_seed(0)
    weights, gradients = trained(trainer)
    assert (type(trainer.model_wrapped).__name__ == "DistributedDataParallel") == (
        trainer.args.world_size == 2
    )
    return {
        "weights": weights,
        "gradients": gradients,
        "scales": scales,
        "buffers": {name: buffer.clone() for name, buffer in model.named_buffers()},
        "losses": logged(trainer, "loss"),
        "off_nominal_losses": logged(trainer, "off_nominal_loss"),
    }


def logged(trainer: Trainer, what: str) -> list[float]:
    return [entry[what] for entry in trainer.state.log_history if what in entry]


def same_inputs(folder: Path, size: int) -> Found:
    """Train on batches of `size` per process: what two and one process are compared in."""
    options = {"per_device_train_batch_size": size, "gradient_accumulation_steps": 2}
    capped = TrapOptions(strength=0.3, cap=0.9)
    grouped = TrapOptions(strength=0.3, scales_per_step=2)
    whole = {"modules_to_save": ["classifier", "LayerNorm"], **STILL}
    rows = tiny_data("llama", 32)
    unlabelled = [
        {**row, "labels": row["labels"] if n % 8 < BATCH else torch.full_like(row["labels"], -100)}
        for n, row in enumerate(rows)  # the second process has no labels at all
    ]
    return {
        "plain": a_run(folder, tiny_model("llama"), rows, None, **options),
        "llama": a_run(folder, tiny_model("llama"), rows, TRAP, **options),
        "capped": a_run(folder, tiny_model("llama"), rows, capped, **options),
        "unlabelled": a_run(folder, tiny_model("llama"), unlabelled, capped, **options),
        "recomputed": a_run(
            folder, tiny_model("llama"), rows, TRAP, gradient_checkpointing=True, **options
        ),
        "bert": a_run(
            folder, tiny_model("bert", **whole), tiny_data("bert", 32), grouped, **options
        ),
        "vit": a_run(
            folder, tiny_model("vit"), tiny_data("vit", 32), TRAP, per_device_train_batch_size=size
        ),
        "own loop": own_loop(size),
    }


def against_the_plain(folder: Path) -> Found:
    """Train with dropout and clipping, with a trap of no strength, and of hardly any."""
    options = {"gradient_accumulation_steps": 2, "max_grad_norm": 1.0}
    rows, traps = tiny_data("llama", 32), [None, *(TrapOptions(strength=s) for s in (0, 1e-30))]
    return {
        "llama": [
            a_run(folder, tiny_model("llama", lora_dropout=0.3), rows, trap, **options)
            for trap in traps
        ],
        "normalised": [
            a_run(folder, *normalised(), trap, max_steps=3, **options) for trap in traps
        ],
    }


def own_loop(size: int) -> Found:
    """Take a step of the loop of docs/trainer.md, as `accelerate` prepares it."""
    accelerator = Accelerator(cpu=True)
    plain = tiny_model("bert", **STILL)
    model = accelerator.prepare(plain)
    rank, rows = accelerator.process_index, tiny_data("bert", 8)
    own = rows[rank * size : (rank + 1) * size]
    batch = {key: torch.stack([row[key] for row in own]) for key in own[0]}

    def loss_at(scale: float) -> Tensor:
        with deployed_at(model, scale):
            return model(**batch).loss

    accelerator.backward(trap2_loss(loss_at, TRAP, scale=0.5))
    weights = {name: w for name, w in plain.named_parameters() if w.requires_grad}
    gradients = {name: weight.grad.clone() for name, weight in weights.items()}
    return {"gradients": [gradients]}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Found, Found], Found]:
    folder = tmp_path_factory.mktemp("processes")
    two = in_two_processes(
        folder, lambda: same_inputs(folder, BATCH) | {"plain or not": against_the_plain(folder)}
    )
    gc.freeze()  # the collector, which every `train` calls, passes over what is there
    return two, same_inputs(folder, 2 * BATCH)


def distance(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    """Return the largest difference as a part of the largest entry."""
    assert first.keys() == second.keys()
    size = max(float(one.abs().max()) for one in first.values())
    assert size > 0
    return max(float((first[name] - second[name]).abs().max()) for name in first) / size


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


WHAT = ("plain", "llama", "capped", "unlabelled", "recomputed", "bert", "vit")


@pytest.mark.parametrize("what", WHAT)
def test_processes_hold_the_same_weights_and_see_the_same_scales(found, what):
    (first, second), one = found
    assert equal(first[what]["weights"], second[what]["weights"])
    assert first[what]["scales"] == second[what]["scales"] == one[what]["scales"]
    expected = 1 if what == "plain" else {"bert": 5, "vit": 3}.get(what, 3)
    assert len(set(first[what]["scales"])) == expected


@pytest.mark.parametrize("what", [*WHAT, "own loop"])
def test_two_processes_do_what_one_does_with_their_inputs(found, what):
    """Within what sums in another order differ by, which the plain `Trainer` shows too."""
    (first, _), one = found
    assert len(first[what]["gradients"]) == len(one[what]["gradients"]) > 0
    for own, expected in zip(first[what]["gradients"], one[what]["gradients"], strict=True):
        assert distance(expected, own) < 3e-6
    for kind in [kind for kind in first[what] if "losses" in kind]:
        steps = (
            0 if kind == "off_nominal_losses" and what == "plain" else len(one[what]["gradients"])
        )
        assert len(first[what][kind]) == steps
        assert first[what][kind] == pytest.approx(one[what][kind], rel=1e-5)


def test_the_terms_of_both_are_not_those_of_one_process_alone(found):
    """The comparisons above would not see a term that is left out of the sum, if it were small."""
    (first, _), _ = found
    assert distance(first["plain"]["gradients"][0], first["llama"]["gradients"][0]) > 0.05
    assert distance(first["llama"]["gradients"][0], first["capped"]["gradients"][0]) > 1e-3


@pytest.mark.parametrize("model", ["llama", "normalised"])
def test_without_strength_it_is_the_plain_trainer_bit_for_bit(found, model):
    for rank in found[0]:
        plain, *others = rank["plain or not"][model]
        for other in others:
            assert equal(plain["weights"], other["weights"])
            assert equal(plain["buffers"], other["buffers"])
            for own, expected in zip(other["gradients"], plain["gradients"], strict=True):
                assert equal(own, expected)
            assert other["losses"] == plain["losses"]


def test_an_adapter_within_another_module_is_refused_as_it_is_alone():
    class Wrapped(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.module = module

    model = tiny_model("llama", init_lora_weights="pissa")
    with pytest.raises(InputError, match="starts by pissa, which changes the base weights"):
        deployed_at(Wrapped(model), 0.5).__enter__()


@pytest.mark.slow
def test_the_script_of_the_page_runs_in_two_processes(tmp_path):
    page = (ROOT / "docs" / "trainer.md").read_text()
    script = tmp_path / "script.py"
    script.write_text(re.findall(r"```python\n(.+?)```", page, re.DOTALL)[0])
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", *launcher, script.name]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("eval_at_0.5_loss") >= 2  # both processes print what both measured
    layers = [
        f"encoder.layer.{n}.attention.self.{kind}" for n in (0, 1) for kind in ("query", "value")
    ]
    update = load_update(tmp_path / "adapter", dict.fromkeys(layers, (32, 32)), "minilm")
    assert set(update.sites) == set(layers)
