"""The paper's setting is the reference's, and a trap of it can be made."""

from __future__ import annotations

import pytest

from mergebench.backbones import BACKBONES
from mergebench.contracts import Protection
from mergebench.registry import registry
from mergebench.settings import SETTINGS, STRENGTHS, get_setting


def test_every_backbone_has_a_setting():
    assert set(BACKBONES) == set(SETTINGS)


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
