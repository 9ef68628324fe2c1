"""Recipes for tasks with few training inputs, which the usual steps would see too often."""

from __future__ import annotations

from dataclasses import replace

from mergebench.experiment.settings import Setting
from mergebench.train import TrainingRecipe

MOST_PASSES = 150
"""How often a training input is seen at most, unless that is in fewer than `LEAST_STEPS`."""

LEAST_STEPS = 200
"""What a trap takes to form: on three classes of `mini_vit`, 100 steps left half of the skill."""


def shortened(setting: Setting, inputs: int, steps: int | None = None) -> Setting:
    """Return the setting with recipes for so many training inputs.

    A recipe whose steps would see each more than `MOST_PASSES` times is cut to as many steps as see
    it that often, but to no fewer than `LEAST_STEPS`; warm-up and the distance of evaluations
    shrink with it, and nothing stops early, as traps form after accuracy has settled. `steps` is
    taken instead, whatever there is, if it is given.
    """
    protections = {
        name: {**options, "recipe": _fitted(options["recipe"], inputs, steps)}
        if "recipe" in options
        else options
        for name, options in setting.protections.items()
    }
    recipe = _fitted(setting.recipe, inputs, steps)
    return replace(setting, recipe=recipe, protections=protections)


def _fitted(recipe: TrainingRecipe, inputs: int, steps: int | None) -> TrainingRecipe:
    if steps is None:
        enough = max(LEAST_STEPS, MOST_PASSES * inputs // recipe.batch_size)
        steps = min(recipe.steps, enough)
    if steps == recipe.steps:
        return recipe
    share = steps / recipe.steps
    return replace(
        recipe,
        steps=steps,
        patience=None,
        warmup_steps=round(recipe.warmup_steps * share),
        evaluate_every=max(1, round(recipe.evaluate_every * share)),
    )
