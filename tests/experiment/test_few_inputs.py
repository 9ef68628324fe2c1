"""Recipes for few training inputs."""

from __future__ import annotations

import pytest

from mergebench.experiment import MOST_PASSES, SETTINGS, shortened


@pytest.mark.parametrize("backbone", SETTINGS)
def test_many_inputs_change_nothing(backbone):
    setting = SETTINGS[backbone]
    assert shortened(setting, 100_000) == setting


@pytest.mark.parametrize("backbone", ["mini_convnext", "vit_b32"])
def test_few_inputs_shorten_every_recipe_in_proportion(backbone):
    setting = SETTINGS[backbone]
    for name in ("none", "trap2"):
        usual, fitted = setting.protection(name).recipe, shortened(setting, 120).protection(name)
        recipe = fitted.recipe
        assert recipe.steps == max(200, MOST_PASSES * 120 // usual.batch_size) < usual.steps
        assert recipe.warmup_steps / usual.warmup_steps == pytest.approx(
            recipe.steps / usual.steps, rel=0.2
        )
        assert recipe.evaluate_every < recipe.steps
        assert recipe.patience is None  # a trap forms after accuracy has settled
        assert recipe.learning_rate == usual.learning_rate


def test_steps_that_are_given_are_taken():
    assert shortened(SETTINGS["minilm"], 20, 7).recipe.steps == 7
    assert shortened(SETTINGS["minilm"], 20, 7).protection("trap2").recipe.evaluate_every == 7
    assert shortened(SETTINGS["mini_vit"], 20, 450) == SETTINGS["mini_vit"]
