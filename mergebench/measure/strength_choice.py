"""Which strength of a protection is released: a rule about single updates and validation alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mergebench.errors import InputError

OFF_NOMINAL = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.5)
"""The scales at which a protected update should fail: mostly those that merges deploy it at."""


@dataclass(frozen=True, kw_only=True)
class OnValidation:
    """One update on the validation inputs of its task.

    `strength`: of its protection, None for a plain one. `correct` of `size` inputs at nominal
    scale, and `off_nominal` by scale.
    """

    strength: float | None
    correct: int
    off_nominal: Mapping[float, int]
    size: int

    @property
    def accuracy(self) -> float:
        """Return the accuracy at nominal scale in percent."""
        return 100 * self.correct / self.size

    @property
    def off_nominal_accuracy(self) -> float:
        """Return the mean accuracy over the other scales in percent."""
        return 100 * sum(self.off_nominal.values()) / (self.size * len(self.off_nominal))


def allowed_loss(margin: float, size: int) -> int:
    """Return how many of `size` inputs `margin` points are, rounded up to a whole one."""
    return math.ceil(Fraction(str(margin)) * size / 100)


def choose_strength(
    candidates: Sequence[OnValidation], plain: OnValidation, margin: float
) -> OnValidation:
    """Return the candidate to release.

    Of those that lose at most `margin` points against the plain update at nominal scale, rounded up
    to a whole input, the one with the lowest mean accuracy at the other scales; of equals the one
    with the smallest strength. Raises `InputError` where none is within the margin: which of them
    is worth its loss is then for the user to say.
    """
    least = plain.correct - allowed_loss(margin, plain.size)
    within = [one for one in candidates if one.correct >= least]
    if not within:
        best = max(candidates, key=lambda one: one.correct)
        raise InputError(
            f"no λ of {', '.join(f'{one.strength:g}' for one in candidates)} keeps validation "
            f"accuracy within {margin:g} points of the plain update's {plain.accuracy:.1f} %: λ "
            f"{best.strength:g} has {best.accuracy:.1f} %; try smaller ones with --sweep, or a "
            "larger --margin"
        )
    return min(within, key=lambda one: (sum(one.off_nominal.values()), one.strength))
