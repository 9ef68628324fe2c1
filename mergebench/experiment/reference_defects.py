"""The setting of a paper's backbone with the defects of its public reference."""

from __future__ import annotations

from dataclasses import replace

from mergebench.experiment.settings import Setting
from mergebench.measure import UNPROTECTED, Defects
from mergebench.train import PaperRecipe, ReferenceRecipe

_DOUBLED_SCALE, _PUBLISHED_STRENGTH = 10_000.0, 0.01


def reproducing(defects: Defects, setting: Setting) -> Setting:
    """Return the setting with those of the reference's defects that recipes have.

    The reference's λ, 0.01 (its README has 0.001; which of them made the tables is not known),
    comes with its logit scale, to which it is calibrated. Raises `ValueError` for a setting whose
    numbers were not published.
    """
    recipe = setting.recipe
    if not isinstance(recipe, ReferenceRecipe):
        raise ValueError("the reference's defects are those of the paper's backbones")
    recipe = replace(
        recipe,
        unshuffled=("dtd",) if defects.unshuffled_dtd else (),
        schedule_offset=defects.schedule_offset,
    )
    if isinstance(recipe, PaperRecipe) and defects.shared_initial_a:
        recipe = replace(recipe, shared_init=True)
    if defects.doubled_logit_scale:
        recipe = replace(recipe, logit_scale=_DOUBLED_SCALE)
        setting = setting.with_options("trap2", strength=_PUBLISHED_STRENGTH)
    if defects.unequal_recipes:
        plain = replace(recipe, weight_decay=0.1, betas=(0.9, 0.999), eps=1e-8, clip_norm=None)
        setting = setting.with_options(UNPROTECTED, recipe=plain)
    return replace(setting, recipe=recipe)
