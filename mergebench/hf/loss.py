"""The objective of Trap² for a training loop of one's own."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from mergebench.errors import InputError
from mergebench.hf.repeated_draws import repeated_draws
from mergebench.train import TrapOptions


def trap2_loss(
    losses_at: Callable[[float], Tensor],
    options: TrapOptions,
    *,
    scale: float,
    done: float = 0.0,
    guessing_loss: float | None = None,
) -> Tensor:
    """Return `L(1) - λ w(s) L(s)`, one number, as `protections.trap2` minimises it.

    `losses_at(s)` computes the loss of a batch under `W0 + s ΔW` (`deployed_at`, `deployed_from`):
    a mean, or one loss per input `(N,)`, of which the mean is taken. `scale`: s, drawn by
    `options.draw_scale(generator)`; `done`: the fraction of the training steps that were taken,
    for `options.strength_at`; `guessing_loss`: the loss of a uniform prediction, ln(classes), which
    `options.cap` multiplies. Both passes draw the same dropout masks, and where λ is 0 there is
    one. The activations of both are held until `backward`; under gradient checkpointing they
    would be computed again at the wrong scale, so call `backward` for each pass inside its context
    there (docs/trainer.md). One s per call: `scales_per_step` is for who draws.
    Raises `InputError` where `cap` has no losses of single inputs or no loss of guessing.
    """
    strength = options.strength_at(done)
    if strength == 0:
        return losses_at(1.0).mean()
    with repeated_draws():
        losses = losses_at(scale)
    if options.cap > 0:
        if guessing_loss is None or losses.ndim != 1:
            raise InputError(
                "trap2_loss: cap needs guessing_loss, ln(classes), and losses_at that returns one "
                f"loss per input; it returned a tensor of {losses.ndim} dimensions"
            )
        losses = losses.clamp(max=options.cap * guessing_loss)
    return losses_at(1.0).mean() - strength * options.weight(scale) * losses.mean()
