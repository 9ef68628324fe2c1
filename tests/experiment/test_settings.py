"""The paper's setting is the reference's, and a trap of it can be made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mergebench.backbones import BACKBONES
from mergebench.contracts import Attack, DataMerger, Protection
from mergebench.errors import InputError
from mergebench.experiment.settings import (
    FULL_SETTINGS,
    SETTINGS,
    STRENGTHS,
    Setting,
    get_full_setting,
    get_setting,
)
from mergebench.measure.cell import Method, plain
from mergebench.registry import registry
from mergebench.train import FullRecipe, Recipe


def test_every_backbone_has_a_setting():
    assert set(BACKBONES) == set(SETTINGS) == set(FULL_SETTINGS)


@pytest.mark.parametrize("backbone", ["vit_b32", "vit_l14", "convnext"])
def test_the_papers_recipe(backbone):
    setting = get_setting(backbone)
    recipe = setting.recipe
    assert (setting.suite, setting.search_per_task) == ("vision8", None)
    assert (recipe.rank, recipe.lora_alpha, recipe.dropout) == (16, 16, 0.1)
    assert (recipe.learning_rate, recipe.weight_decay, recipe.clip_norm) == (3e-4, 0, 1)
    assert (recipe.betas, recipe.eps) == ((0.9, 0.98), 1e-6)
    assert (recipe.batch_size, recipe.steps, recipe.warmup_steps) == (32, 100_000, 500)
    assert (recipe.evaluate_every, recipe.patience, recipe.min_improvement) == (2_000, 5, 0.001)
    assert recipe.learning_rate_at(499) == pytest.approx(3e-4)
    assert recipe.learning_rate_at(99_999) < 1e-9
    trap = registry().get(Protection, "trap2")(**setting.options("trap2"))
    assert (trap.scale_min, trap.scale_max, trap.band) == (0.05, 2.0, 0.05)
    assert trap.strength in STRENGTHS  # none of them was validated; 0.01 belongs to scale 10,000
    assert (recipe.logit_scale, recipe.shared_init) == (None, False)
    assert (trap.weighting, trap.cap, trap.until) == ("inverse", 0, 1)
    assert not trap.recipe.probe_scales


@pytest.mark.parametrize("backbone", ["vit_b32", "vit_l14", "convnext"])
def test_the_papers_full_recipe(backbone):
    setting = get_full_setting(backbone)
    lora = get_setting(backbone)
    assert setting.release == "full"
    assert setting.recipe.learning_rate == 1e-5
    shared = ("weight_decay", "betas", "eps", "clip_norm", "batch_size", "steps", "warmup_steps")
    shared += ("logit_scale", "evaluate_every", "patience", "probe_scales", "precision")
    for name in shared:
        assert getattr(setting.recipe, name) == getattr(lora.recipe, name), name
    trap = registry().get(Protection, "trap2")(**setting.options("trap2"))
    assert trap.strength in STRENGTHS
    assert (trap.weighting, trap.cap) == ("inverse", 0)


@pytest.mark.parametrize("backbone", ["mini_vit", "mini_convnext"])
def test_full_fine_tuning_differs_in_its_recipes_alone(backbone):
    full, lora = get_full_setting(backbone), get_setting(backbone)
    assert (full.release, lora.release) == ("full", "lora")
    assert replace(full, recipe=lora.recipe, protections=lora.protections) == lora


def test_protections_release_what_the_setting_says():
    own = {"trap2": {"recipe": Recipe()}}
    with pytest.raises(InputError, match="recipe of trap2 releases lora, and the others full"):
        Setting(suite="mini8", recipe=FullRecipe(), protections=own)


def test_a_recipe_of_adapters_is_hashed_as_before_there_were_others():
    """The contents of stored releases: a field more would make every adapter be trained again."""
    names = {
        *("rank", "lora_alpha", "dropout", "shared_init", "learning_rate", "weight_decay"),
        *("betas", "eps", "clip_norm", "batch_size", "steps", "warmup_steps", "logit_scale"),
        *("evaluate_every", "patience", "min_improvement", "probe_scales", "probe_images"),
        "precision",
    }
    assert set(plain(Recipe())) == names
    assert plain(FullRecipe()).keys() < names


@pytest.mark.parametrize("name", ["finetune", "regmean"])
def test_budgets_are_stored_under_the_names_that_they_had_first(name):
    """Cells of attacks that look at inputs: another name and each would be measured again."""
    options = Method.of(SETTINGS["mini_vit"].attack(name)).options
    assert {"split", "images_per_task", "images_per_class"} <= options.keys()
    assert not any(option.startswith("inputs") for option in options)


@pytest.mark.parametrize("backbone", SETTINGS)
def test_options_of_attacks_are_options_that_they_have(backbone):
    for name, options in get_setting(backbone).attacks.items():
        attack = registry().get(DataMerger, name)(**options)
        assert {key: attack.options()[key] for key in options} == dict(options)


def test_fine_tuning_on_few_images_suits_the_backbone():
    """Embedded towers keep their own logit scale; the paper's have the issue's recipe."""
    recipes = {
        name: registry()
        .get(DataMerger, "finetune")(**get_setting(name).attacks.get("finetune", {}))
        .recipe
        for name in SETTINGS
    }
    assert recipes["mini_vit"].logit_scale == get_setting("mini_vit").recipe.logit_scale
    paper = recipes["vit_b32"]
    assert (paper.learning_rate, paper.batch_size, paper.steps) == (3e-4, 32, 1000)
    assert (paper.logit_scale, paper.rank) == (100, 16)


def test_options_of_an_attack_are_its_backbones():
    setting = get_setting("mini_vit").with_attack_options("ties", top_k=50.0)
    assert setting.attack("ties").top_k == 50
    assert setting.attack("dare_ties").top_k == registry().get(Attack, "dare_ties")().top_k
    assert setting != get_setting("mini_vit")
    assert setting.attack("finetune") == get_setting("mini_vit").attack("finetune")
