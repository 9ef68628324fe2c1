"""The hyper-parameters that protected and unprotected fine-tuning share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from mergebench.backbones import Precision
from mergebench.errors import InputError, check_choice

ReleaseKind = Literal["lora", "full"]
"""In which form providers release their updates: low-rank adapters, or every weight's change."""

_LARGEST = 10_000_000


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe(ABC):
    """How an update is fine-tuned, whatever is trained; the defaults suit the embedded backbones.

    Optimiser: AdamW with `learning_rate`, `weight_decay`, `betas`, `eps`; gradients clipped to the
    global norm `clip_norm` (None: not clipped); `steps` steps of `batch_size` inputs;
    `warmup_steps` of linear warm-up, then half a cosine down to zero.

    Loss: cross entropy of `logit_scale` times cosine similarity (None: the backbone's own scale,
    about 100 for CLIP; the Trap² reference applies it twice, which amounts to 10000).

    Selection: validation accuracy at nominal scale every `evaluate_every` steps. The most accurate
    evaluation is released; if the objective seeks failure, the one whose accuracy exceeds that of
    `probe_inputs` validation inputs at `probe_scales` the most (their mean); of equals the latest.
    Training stops early after `patience` evaluations (None: never) that did not raise the best
    accuracy by more than `min_improvement`.

    `precision`: arithmetic of the tower; "bf16" is autocast with weights, update and loss in
    float32. Raises `InputError` for values outside their range.
    """

    release: ClassVar[ReleaseKind]
    stored_as: ClassVar[Mapping[str, str]] = {"probe_inputs": "probe_images"}
    """What records call fields that were renamed since."""

    learning_rate: float = 5e-4
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    clip_norm: float | None = 1.0
    batch_size: int = 64
    steps: int = 600
    warmup_steps: int = 50
    logit_scale: float | None = None
    evaluate_every: int = 100
    patience: int | None = None
    min_improvement: float = 0.001
    probe_scales: tuple[float, ...] = (0.1, 0.3, 0.6, 1.5)
    probe_inputs: int = 128
    precision: Precision = "bf16"

    def __post_init__(self) -> None:
        """Check the ranges."""
        self._check_positive(
            "batch_size", "steps", "evaluate_every", "probe_inputs", "learning_rate"
        )
        if self.warmup_steps < 0 or (self.patience is not None and self.patience < 1):
            raise InputError(
                f"recipe: warmup_steps is {self.warmup_steps} and patience {self.patience}; "
                "they must be at least 0 and 1"
            )
        check_choice("recipe: precision", self.precision, Precision)

    def shuffles(self, task: str) -> bool:
        """Return whether a task's training inputs are visited in random order."""
        return True

    @abstractmethod
    def trained(self, trainable: str) -> str:
        """Return what is trained, as a caption names it; `trainable`: as of `summary`."""

    def summary(self, inputs: str, trainable: str) -> str:
        """Return what is trained and how, in a line.

        `inputs`: what the task has, as of `Suite.inputs`; `trainable`: what of the backbone can be
        trained, as of `BackboneSource.trainable`.
        """
        temperature = "" if self.logit_scale is None else f", logit scale {self.logit_scale:g}"
        decay = f", weight decay {self.weight_decay:g}" if self.weight_decay else ""
        clipping = ", gradients not clipped" if self.clip_norm is None else ""
        steps = f"{self.steps} steps" if self.patience is None else f"at most {self.steps} steps"
        return (
            f"{self.trained(trainable)}, learning rate {self.learning_rate:g}, "
            f"{steps} of {self.batch_size} {inputs}{temperature}{decay}{clipping}"
        )

    @property
    def draws_masks(self) -> bool:
        """Whether a training step draws dropout masks."""
        return False

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of step `step` (from 0)."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    def _check_positive(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if not 0 < value <= _LARGEST:
                raise InputError(
                    f"recipe: {name} is {value}; give a positive number up to {_LARGEST}"
                )


@dataclass(frozen=True, kw_only=True)
class Recipe(TrainingRecipe):
    """How a LoRA adapter is fine-tuned (see `TrainingRecipe`).

    `rank`, `lora_alpha` and `dropout` of LoRA (Hu et al., 2021). `shared_init` gives every task of
    a seed the same initial factor A, as the Trap² reference does by seeding before each adapter;
    off, each task draws its own.
    """

    release: ClassVar[ReleaseKind] = "lora"

    rank: int = 16
    lora_alpha: int = 16
    dropout: float = 0.0
    shared_init: bool = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        self._check_positive("rank", "lora_alpha")
        super().__post_init__()
        if not 0 <= self.dropout < 1:
            raise InputError(f"recipe: dropout is {self.dropout}; it must be in [0, 1)")

    def trained(self, trainable: str) -> str:
        """Return what is trained, as a caption names it."""
        return f"LoRA of rank {self.rank}"

    @property
    def draws_masks(self) -> bool:
        """Whether a training step draws dropout masks."""
        return self.dropout > 0


@dataclass(frozen=True, kw_only=True)
class FullRecipe(TrainingRecipe):
    """How every weight of the tower is fine-tuned but those that its source leaves alone."""

    release: ClassVar[ReleaseKind] = "full"

    def trained(self, trainable: str) -> str:
        """Return what is trained, as a caption names it."""
        return trainable


@dataclass(frozen=True, kw_only=True)
class ReferenceRecipe(TrainingRecipe):
    """A recipe of the paper's backbones, which can have two defects of the public reference.

    `unshuffled`: tasks whose training inputs are visited class by class. `schedule_offset`: the
    schedule is applied after each step, so that the first step has the full learning rate and every
    other the one that belongs to the step before it.
    """

    unshuffled: tuple[str, ...] = ()
    schedule_offset: bool = False

    def shuffles(self, task: str) -> bool:
        """Return whether a task's training inputs are visited in random order."""
        return task not in self.unshuffled

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of step `step` (from 0)."""
        if not self.schedule_offset:
            return super().learning_rate_at(step)
        return self.learning_rate if step == 0 else super().learning_rate_at(step - 1)


@dataclass(frozen=True, kw_only=True)
class PaperRecipe(ReferenceRecipe, Recipe):
    """A LoRA recipe of the paper's backbones."""


@dataclass(frozen=True, kw_only=True)
class PaperFullRecipe(ReferenceRecipe, FullRecipe):
    """A recipe of full fine-tuning of the paper's backbones."""
