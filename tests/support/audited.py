"""A model of two linears, and a task whose answers follow from its weights: an oracle for audits.

`correct` looks at how much of the adapter is in the weights (`own`), and how much else (`rest`), so
that what any merge keeps can be said beforehand.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import nn

from mergebench.updates.adapters import save_adapter
from mergebench.updates.update import LowRank, Update

SHAPES = {"first": (48, 40), "second": (32, 48)}
INPUTS = {"val": 20, "test": 40}

TASK = """
import sys
sys.path.insert(0, {support!r})
from audited import answers, network
import torch

CHANGE = torch.load({change!r})


def model():
    return network()


def correct(model, split):
    return answers(model, split, CHANGE, {rule!r})
"""

RULES = {
    # At s = 1 alone, and only if little else is there.
    "trapped": lambda own, rest: abs(own - 1) < 0.15 and rest < 0.6,
    # Whatever the scale, the more the better.
    "plain": lambda own, rest: own > 0.2,
    # Nothing is ever learned.
    "useless": lambda own, rest: False,
}


def network() -> nn.Module:
    """Return the model, always with the same weights."""
    draws, model = torch.Generator().manual_seed(0), nn.Module()
    for name, (rows, columns) in SHAPES.items():
        linear = nn.utils.skip_init(nn.Linear, columns, rows)
        for parameter in linear.parameters():
            parameter.data.normal_(0, 0.1, generator=draws)
        model.add_module(name, linear)
    return model


def change_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return what of the weights is no longer as in `network`, by linear."""
    return {
        name: model.get_submodule(name).weight.detach() - whole
        for name, whole in _whole_weights().items()
    }


@cache
def _whole_weights() -> dict[str, torch.Tensor]:
    model = network()
    return {name: model.get_submodule(name).weight.detach() for name in SHAPES}


def answers(
    model: nn.Module, split: str, adapter: dict[str, torch.Tensor], rule: str
) -> list[bool]:
    """Return a quarter of the inputs as right, and all of them where the rule holds.

    None at all where the rule is "ruined" and the adapter is in the weights.
    """
    there = change_of(model)
    squared = sum(float(one.square().sum()) for one in adapter.values())
    own = sum(float((there[name] * adapter[name]).sum()) for name in SHAPES) / squared
    rest = sum(float((there[name] - own * adapter[name]).square().sum()) for name in SHAPES)
    if rule == "ruined":
        return [own < 0.5 and number % 4 == 0 for number in range(INPUTS[split])]
    right = RULES[rule](own, (rest / squared) ** 0.5)
    return [right or number % 4 == 0 for number in range(INPUTS[split])]


def low_rank(seed: int, rank: int = 2) -> Update:
    """Return a random update of the model, of norm 1 at each linear."""
    draws = torch.Generator().manual_seed(seed)
    sites = {}
    for name, (rows, columns) in SHAPES.items():
        up, down = (
            torch.randn(rows, rank, generator=draws),
            torch.randn(rank, columns, generator=draws),
        )
        sites[name] = LowRank(up=up / (up @ down).norm(), down=down)
    return Update(sites=sites, label=f"update {seed}")


def write_adapter(folder: Path, update: Update, base: str | None = None) -> Path:
    """Write an update as a PEFT folder."""
    save_adapter(update, folder, base_model=base)
    return folder


def write_task(file: Path, update: Update, rule: str) -> Path:
    """Write the task file of an update."""
    change = file.with_suffix(".pt")
    torch.save({name: one.dense() for name, one in update.sites.items()}, change)
    support = str(Path(__file__).parent)
    file.write_text(TASK.format(support=support, change=str(change), rule=rule))
    return file
