"""What is used per backbone: the suite, the search subset, and the options of the protections.

The recipes and the options of Trap² of the embedded backbones were chosen on validation inputs, the
latter at nominal and off-nominal scales of one update (docs/embedded_suite.md). Accuracy of merges
with a protected update played no part. `search_per_task` is what keeps a cold table 2 within ten
minutes on two cores. Fine-tuning on few inputs keeps learning rate and logit scale of the embedded
backbones' adapters, with batches of 32 and at most 100 steps: from the unprotected merge of
`mini_vit`, the selected ones of 200 were the first 125 at most. The paper's backbones have the
reference's recipe, without its defects unless a protocol asks for them, and the attacks' own
options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mergebench.backbones import Precision
from mergebench.contracts import Attack, Protection
from mergebench.errors import InputError, unknown_name
from mergebench.experiment.protection_names import (
    is_post_hoc,
    named_options,
    plain_name,
    protection_class,
)
from mergebench.registry import registry
from mergebench.train import (
    FullRecipe,
    PaperFullRecipe,
    PaperRecipe,
    Recipe,
    ReleaseKind,
    TrainingRecipe,
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The suite and the recipes that belong to one backbone.

    `recipe` is that of all protections, unless `protections`, which holds options by protection
    name, has another one. `attacks`: likewise options of attacks.
    `search_per_task`: class-balanced validation inputs per task on which merges are tuned (None:
    all). `precision`: arithmetic of the tower in every evaluation. `published`: whether the paper
    has numbers of the backbone, which the defects of its reference are part of.
    """

    suite: str
    recipe: TrainingRecipe
    protections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    attacks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    search_per_task: int | None = None
    precision: Precision = "bf16"
    published: bool = False

    def __post_init__(self) -> None:
        """Check that all protections release what the recipe says."""
        for name in self.protections:
            kind = self.options(name)["recipe"].release
            if kind != self.release:
                raise InputError(
                    f"setting: the recipe of {name} releases {kind}, and the others {self.release}"
                )

    def __hash__(self) -> int:
        """Leave out the mappings, which have no hash; equal settings still hash alike."""
        return hash((self.suite, self.recipe, self.search_per_task, self.precision))

    @property
    def release(self) -> ReleaseKind:
        """In which form updates are released."""
        return self.recipe.release

    def options(self, protection: str) -> dict[str, Any]:
        """Return the options with which `protection` is used on this backbone."""
        return {"recipe": self.recipe, **self.changed_options(protection)}

    def changed_options(self, protection: str) -> dict[str, Any]:
        """Return those that are not its own defaults: of the backbone, then in its name."""
        return {**self.protections.get(plain_name(protection), {}), **named_options(protection)}

    def protection(self, name: str) -> Protection:
        """Return the protection with the options that it has on this backbone."""
        return protection_class(name).configured(**self.options(name))

    def has_factors(self, protection: str) -> bool:
        """Whether what it releases here has low-rank factors: full checkpoints have none."""
        return self.release == "lora" and not is_post_hoc(protection)

    def attack(self, name: str) -> Attack:
        """Return the attack, `name` or `name:rule`, with its options on this backbone."""
        attack, _, rule = name.partition(":")
        options = dict(self.attacks.get(attack, {}))
        if rule:
            options["rule"] = self.attack(rule)
        return registry().get(Attack, attack).configured(**options)

    def with_options(self, protection: str, **options: Any) -> Setting:
        """Return the setting with other options of one protection."""
        merged = {**self.protections.get(protection, {}), **options}
        return replace(self, protections={**self.protections, protection: merged})

    def with_attack_options(self, attack: str, **options: Any) -> Setting:
        """Return the setting with other options of one attack."""
        merged = {**self.attacks.get(attack, {}), **options}
        return replace(self, attacks={**self.attacks, attack: merged})

    def trained_in(self, precision: Precision) -> Setting:
        """Return the setting with another arithmetic of the tower in every training.

        That is of updates, and of attacks that train by a recipe.
        """
        setting = replace(self, recipe=replace(self.recipe, precision=precision))
        for name, options in self.protections.items():
            if "recipe" in options:
                own = replace(options["recipe"], precision=precision)
                setting = setting.with_options(name, recipe=own)
        for name in (found.plugin.name for found in registry().all(Attack)):
            options = self.attack(name).options()
            if isinstance(options.get("recipe"), TrainingRecipe):
                own = replace(options["recipe"], precision=precision)
                setting = setting.with_attack_options(name, recipe=own)
        return setting


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


def _few_steps(recipe: Recipe, learning_rate: float | None = None) -> Mapping[str, Any]:
    """Return the options of attacks that train on few inputs; those with labels select a step.

    The latter have `learning_rate`, if it is given, in the place of the recipe's.
    """
    tuned = replace(
        recipe,
        learning_rate=learning_rate or recipe.learning_rate,
        batch_size=32,
        steps=100,
        warmup_steps=0,
        evaluate_every=25,
        probe_scales=(),
    )
    return {
        "finetune": {"recipe": tuned},
        "distil": {"recipe": recipe},
        "flatten": {"recipe": tuned},
        "flatten_labelled": {"recipe": tuned},
        "relearn": {"recipe": tuned},
    }


_PAPER_SCHEDULE: Mapping[str, Any] = {
    "batch_size": 32,
    "steps": 100_000,
    "warmup_steps": 500,
    "evaluate_every": 2_000,
    "patience": 5,
    "probe_scales": (),
    "precision": "fp32",
}

_PAPER = Setting(
    suite="vision8",
    recipe=PaperRecipe(dropout=0.1, shared_init=False, learning_rate=3e-4, **_PAPER_SCHEDULE),
    protections={"trap2": {"strength": 0.1}},
    published=True,
)
"""The reference's recipe of LoRA Trap² on its three backbones, for protected and plain updates.

Source: the public reference (ml-postech/Trap2), defaults of its vision scripts. It selects by
accuracy at nominal scale alone. Its λ is calibrated to losses of scale 10,000 (`reproducing`); the
λ here, for the model's own scale, was not validated on any of these backbones: try STRENGTHS. On
ConvNeXt the reference also crops at random and drops paths in training; here it does neither.
"""

STRENGTHS = (0.01, 0.03, 0.1, 0.3)
"""Candidates of Trap²'s λ at the paper's backbones' own logit scale, to be chosen on validation."""

_MINILM_SCHEDULE: Mapping[str, Any] = {
    "batch_size": 32,
    "steps": 200,
    "warmup_steps": 20,
    "evaluate_every": 200,
    "logit_scale": 20.0,
    "precision": "fp32",
}
_MINILM_RECIPE = Recipe(learning_rate=4e-3, **_MINILM_SCHEDULE)
_MINILM = Setting(
    suite="text8",
    recipe=_MINILM_RECIPE,
    protections={"trap2": {"strength": 0.1}},
    attacks=_few_steps(_MINILM_RECIPE, learning_rate=1.2e-3),
    search_per_task=16,
    precision="fp32",
)
"""Chosen on validation texts (docs/minilm.md).

Float32 throughout: processors without bf16 units compute it fastest. `search_per_task` and the
number of steps are small for what a cold table 2 costs.
"""

SETTINGS: Mapping[str, Setting] = {
    "minilm": _MINILM,
    "mini_vit": Setting(
        suite="mini8",
        recipe=_VIT_RECIPE,
        protections={"trap2": _VIT_TRAP},
        attacks=_few_steps(_VIT_RECIPE),
        search_per_task=64,
    ),
    "mini_convnext": Setting(
        suite="mini8",
        recipe=_CONVNEXT_RECIPE,
        protections={"trap2": _CONVNEXT_TRAP},
        attacks=_few_steps(_CONVNEXT_RECIPE),
        search_per_task=64,
    ),
    "vit_b32": _PAPER,
    "vit_l14": _PAPER,
    "convnext": _PAPER,
}


_VIT_FULL = FullRecipe(learning_rate=4e-4, steps=350, logit_scale=12.0)
_CONVNEXT_FULL = FullRecipe(learning_rate=8e-4, steps=400)
_VIT_FULL_TRAP: Mapping[str, Any] = {"strength": 0.35, **_MINI_TRAP, "until": 0.4}
_CONVNEXT_FULL_TRAP: Mapping[str, Any] = {"strength": 0.5, **_MINI_TRAP, "until": 0.35}

_PAPER_FULL = replace(
    _PAPER,
    recipe=PaperFullRecipe(learning_rate=1e-5, **_PAPER_SCHEDULE),
)
"""The reference's recipe of full fine-tuning with Trap², for protected and plain updates.

Source: the public reference (ml-postech/Trap2), defaults of its script for ViT-B/32, which is all
that it has; its README has λ 0.005. The larger ViT and the ConvNeXt have the same here. What
`_PAPER` says of plain updates holds here too.
"""

_MINILM_FULL = FullRecipe(learning_rate=1e-4, **_MINILM_SCHEDULE)
# At 1e-4 no trap below s = 1 forms against 77 classes; plain updates of 3e-4 merge worse.
_MINILM_FULL_CAPPED: Mapping[str, Any] = {"recipe": replace(_MINILM_FULL, learning_rate=3e-4)}

FULL_SETTINGS: Mapping[str, Setting] = {
    "minilm": replace(
        _MINILM,
        recipe=_MINILM_FULL,
        protections={**_MINILM.protections, "trap2_capped": _MINILM_FULL_CAPPED},
    ),
    "mini_vit": replace(
        SETTINGS["mini_vit"], recipe=_VIT_FULL, protections={"trap2": _VIT_FULL_TRAP}
    ),
    "mini_convnext": replace(
        SETTINGS["mini_convnext"],
        recipe=_CONVNEXT_FULL,
        protections={"trap2": _CONVNEXT_FULL_TRAP},
    ),
    "vit_b32": _PAPER_FULL,
    "vit_l14": _PAPER_FULL,
    "convnext": _PAPER_FULL,
}


def get_setting(backbone: str) -> Setting:
    """Return the setting of a backbone for LoRA releases.

    Raises `InputError` with the nearest names for an unknown one.
    """
    return _find(SETTINGS, backbone)


def get_full_setting(backbone: str) -> Setting:
    """Return the setting of a backbone for full fine-tuning; errors as of `get_setting`."""
    return _find(FULL_SETTINGS, backbone)


def _find(settings: Mapping[str, Setting], backbone: str) -> Setting:
    if backbone in settings:
        return settings[backbone]
    raise InputError(unknown_name("backbone", backbone, [*settings]))
