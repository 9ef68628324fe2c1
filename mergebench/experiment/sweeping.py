"""Seeds and learning rates that attacks which train are given where their best is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mergebench.contracts import Attack, SweptMerger
from mergebench.experiment.settings import Setting
from mergebench.registry import registry

SWEEP: Mapping[str, Any] = {"attempts": 3, "learning_rate_factors": (1.0, 0.3, 3.0)}
"""The recipe's own learning rate comes first, at which searches by coordinate begin."""


def swept(setting: Setting) -> Setting:
    """Return the setting with `SWEEP` in every attack that trains, but for what it sets itself."""
    for found in registry().all(Attack):
        if issubclass(found.plugin, SweptMerger):
            name = found.plugin.name
            chosen = {**SWEEP, **setting.attacks.get(name, {})}
            setting = setting.with_attack_options(name, **chosen)
    return setting
