"""What is used per backbone: the suite, the search subset, and the options of the protections.

The recipes and the options of Trap² were chosen on validation images, the latter at nominal and
off-nominal scales of one update (docs/embedded_suite.md). Accuracy of merges with a protected
update played no part. `search_per_task` is what keeps a cold table 2 within ten minutes on two
cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mergebench.backbones import BACKBONES, Precision
from mergebench.errors import InputError
from mergebench.registry import unknown_name
from mergebench.train import Recipe


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The suite and the recipes that belong to one backbone.

    `recipe` is that of all protections, unless `protections`, which holds options by protection
    name, has another one.
    `search_per_task`: class-balanced validation images per task on which merges are tuned (None:
    all). `precision`: arithmetic of the tower in every evaluation.
    """

    suite: str
    recipe: Recipe
    protections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    search_per_task: int | None = None
    precision: Precision = "bf16"

    def __hash__(self) -> int:
        """Leave out `protections`: a mapping has no hash, and equal settings still hash alike."""
        return hash((self.suite, self.recipe, self.search_per_task, self.precision))

    def options(self, protection: str) -> dict[str, Any]:
        """Return the options with which `protection` is used on this backbone."""
        return {"recipe": self.recipe, **self.protections.get(protection, {})}


_VIT_RECIPE = Recipe(learning_rate=2e-3, steps=450, logit_scale=12.0)
_CONVNEXT_RECIPE = Recipe(learning_rate=1e-3, steps=400)
_MINI_TRAP: Mapping[str, Any] = {"scale_max": 1.36, "band": 0.35, "cap": 1.0, "until": 0.45}
_VIT_TRAP: Mapping[str, Any] = {"strength": 0.35, **_MINI_TRAP}
# At 1e-3 no trap forms; at 1.5e-3 plain updates would only grow larger and merge worse.
_CONVNEXT_TRAP: Mapping[str, Any] = {
    "recipe": replace(_CONVNEXT_RECIPE, learning_rate=1.5e-3, steps=500),
    "strength": 0.7,
    **_MINI_TRAP,
}

SETTINGS: Mapping[str, Setting] = {
    "mini_vit": Setting(
        suite="mini8",
        recipe=_VIT_RECIPE,
        protections={"trap2": _VIT_TRAP},
        search_per_task=64,
    ),
    "mini_convnext": Setting(
        suite="mini8",
        recipe=_CONVNEXT_RECIPE,
        protections={"trap2": _CONVNEXT_TRAP},
        search_per_task=64,
    ),
}


def get_setting(backbone: str) -> Setting:
    """Return the setting of a backbone.

    Raises `InputError` with the nearest names for an unknown one, and for a backbone whose suite
    this version does not have.
    """
    if backbone in SETTINGS:
        return SETTINGS[backbone]
    if backbone in BACKBONES:
        raise InputError(
            f"backbone {backbone} can be loaded, but its suite is not in this version; "
            f"tables can be made for: {', '.join(SETTINGS)}"
        )
    raise InputError(unknown_name("backbone", backbone, [*BACKBONES]))
