"""Trap²: fine-tuning that works at nominal scale and fails at every other one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mergebench.errors import InputError
from mergebench.train import FineTuned, Losses, Step, TrapOptions


@dataclass(frozen=True, kw_only=True)
class Trap2(TrapOptions, FineTuned):
    """Minimises `L(W0 + ΔW) - λ E_s[w(s) L(W0 + s ΔW)]`.

    `strength` is λ, calibrated to the logit scale of the loss. `s` is uniform on
    `[scale_min, 1 - band]` and `[1 + band, scale_max]`; `weighting` is w(s): "inverse" 1/s,
    "inverse_sqrt" 1/√s, or "one". The gradient of the scaled loss with respect to what is trained
    (A and B, or W) carries a factor s, which 1/s cancels.

    Beyond the paper, off by default: `scales_per_step` divides the batch into that many groups with
    one s each, which averages over s at the price of smaller products (without dropout only); `cap`
    (0: none) stops pushing an input whose scaled loss exceeds that many times the loss of guessing;
    λ is 0 before the fraction `delay` of all steps and from `until` on (such steps cost one pass),
    and rises linearly over the fraction `ramp` after `delay`.
    Raises `InputError` for values that leave no scale to draw or are not defined.
    """

    name: ClassVar[str] = "trap2"
    title: ClassVar[str] = "Trap²"
    paper: ClassVar[str] = (
        "Jang et al., ICML 2026, Making Models Unmergeable via Scaling-Sensitive Loss Landscape"
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if self.scales_per_step > 1 and self.recipe.draws_masks:
            raise InputError(
                "trap2: scales_per_step > 1 needs recipe.dropout 0, because the groups of a batch "
                "cannot repeat the dropout masks of the whole"
            )

    @property
    def most_scales(self) -> int:
        """The largest possible `scales_per_step`: one for every input of a batch."""
        return self.recipe.batch_size

    @property
    def seeks_failure(self) -> bool:
        """Whether there is a trap to look for."""
        return self.strength > 0

    def backward(self, step: Step) -> Losses:
        """Accumulate the nominal gradient, then the trap's; the loop clips their sum."""
        nominal = step.losses(1.0).mean()
        nominal.backward()
        strength = self.strength_at(step.index / step.steps)
        if strength == 0:
            return Losses(nominal=float(nominal.detach()))
        size, draws = len(step.labels), step.generator("scale")
        total = 0.0
        for group in self.groups(size):
            scale = self.draw_scale(draws)
            losses = step.losses(scale, group)
            capped = losses.clamp(max=self.cap * step.guessing_loss) if self.cap > 0 else losses
            (-strength * self.weight(scale) * capped.sum() / size).backward()
            total += float(losses.detach().sum())
        return Losses(nominal=float(nominal.detach()), off_nominal=total / size)
