"""What a scale must be."""

from __future__ import annotations

import math

from mergebench.errors import InputError


def check_scale(scale: float) -> None:
    """Raise `InputError` unless `scale` is a finite number."""
    if not math.isfinite(scale):
        raise InputError(f"scale is {scale}; give a finite number, 1 for the trained model")
