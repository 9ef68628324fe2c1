"""How a trap is set: its strength, the scales at which it fails, and what they count."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch

from mergebench.errors import InputError, check_choice, check_range

Weighting = Literal["inverse", "inverse_sqrt", "one"]

_RANGES = (
    *(("strength", 0, 1_000_000), ("cap", 0, 1_000_000), ("delay", 0, 1), ("ramp", 0, 1)),
    *(("scale_min", 1e-6, 1), ("scale_max", 1, 1000)),
)
"""Options and the least and the largest value at which the loss can still be computed."""


@dataclass(frozen=True, kw_only=True)
class TrapOptions:
    """Of `L(W0 + ΔW) - λ E_s[w(s) L(W0 + s ΔW)]`: λ, the distribution of s, and w.

    `strength` is λ. `s` is uniform on `[scale_min, 1 - band]` and `[1 + band, scale_max]`;
    `weighting` is w(s): "inverse" 1/s, "inverse_sqrt" 1/√s, or "one". The gradient of the scaled
    loss with respect to what is trained (A and B, or W) carries a factor s, which 1/s cancels.

    Beyond the paper, off by default: `scales_per_step` is the number of groups of a step's inputs
    that have an s of their own; `cap` (0: none) stops pushing an input whose scaled loss exceeds
    that many times the loss of guessing; λ is 0 before the fraction `delay` of all steps and from
    `until` on, and rises linearly over the fraction `ramp` after `delay`.
    Raises `InputError` for values that leave no scale to draw or are not defined.
    """

    strength: float = 0.01
    scale_min: float = 0.05
    scale_max: float = 2.0
    band: float = 0.05
    weighting: Weighting = "inverse"
    scales_per_step: int = 1
    cap: float = 0.0
    delay: float = 0.0
    ramp: float = 0.0
    until: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.scale_min <= 1 - self.band <= 1 + self.band <= self.scale_max:
            raise InputError(
                f"trap2: scales [{self.scale_min}, {self.scale_max}] without the band "
                f"1 ± {self.band} leave no scale on one side; widen them"
            )
        check_choice("trap2: weighting", self.weighting, Weighting)
        for name, least, most in _RANGES:
            check_range(f"trap2: {name}", getattr(self, name), least, most)
        if not self.delay < self.until <= 1:
            raise InputError(
                f"trap2: delay {self.delay} and until {self.until} leave no step; "
                "0 <= delay < until <= 1 is needed"
            )
        check_range("trap2: scales_per_step", self.scales_per_step, 1, self.most_scales)

    @property
    def most_scales(self) -> int:
        """The largest possible `scales_per_step`."""
        return 1_000_000

    def strength_at(self, done: float) -> float:
        """Return λ after the fraction `done` of the steps."""
        if not self.delay <= done < self.until:
            return 0.0
        risen = (done - self.delay) / self.ramp if self.ramp > 0 else 1.0
        return self.strength * min(1.0, risen)

    def draw_scale(self, generator: torch.Generator) -> float:
        """Return one s, uniform on the two intervals together."""
        below, above = 1 - self.band - self.scale_min, self.scale_max - 1 - self.band
        position = float(torch.rand((), generator=generator, dtype=torch.float64)) * (below + above)
        return self.scale_min + position + (2 * self.band if position >= below else 0.0)

    def weight(self, scale: float) -> float:
        """Return w(s)."""
        return {"inverse": 1 / scale, "inverse_sqrt": 1 / math.sqrt(scale), "one": 1.0}[
            self.weighting
        ]

    def groups(self, size: int) -> Iterator[slice]:
        """Yield `scales_per_step` slices of nearly equal length that cover `range(size)`.

        There are fewer where some would be empty.
        """
        count = self.scales_per_step
        bounds = [round(size * index / count) for index in range(count + 1)]
        for start, stop in pairwise(bounds):
            if stop > start:
                yield slice(start, stop)
