"""An experiment that runs in seconds: few images, few steps, few points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mergebench.experiment.settings import Setting
from mergebench.measure.protocols import PAPER
from mergebench.train import Recipe

FEW_IMAGES = Path(__file__).with_name("few_images.py")
TASKS = ("mnist", "fashion")
SETTING = Setting(
    suite="few",
    recipe=Recipe(
        rank=4,
        lora_alpha=4,
        learning_rate=2e-3,
        steps=8,
        batch_size=4,
        warmup_steps=2,
        evaluate_every=4,
        probe_inputs=2,
        precision="fp32",
    ),
    protections={"trap2": {"strength": 0.05}},
    search_per_task=4,
    precision="fp32",
)
PROTOCOL = replace(PAPER, alphas=(0.2, 0.5, 1.0), patience=2)

LITTLE = replace(SETTING, recipe=replace(SETTING.recipe, steps=2, evaluate_every=2))
"""For tests of what is done with updates, whatever they have learnt."""

SHARP = replace(LITTLE, recipe=replace(LITTLE.recipe, learning_rate=0.1, warmup_steps=0))
"""For tests of what is done with updates that change what is answered."""

_PRICED_RECIPE = replace(LITTLE.recipe, learning_rate=1e-2)
PRICED = replace(
    LITTLE,
    attacks={
        "distil": {"recipe": _PRICED_RECIPE, "steps": 2},
        "finetune": {"recipe": _PRICED_RECIPE},
        "relearn": {"recipe": _PRICED_RECIPE},
    },
)
"""`LITTLE` with attacks that train as little."""
