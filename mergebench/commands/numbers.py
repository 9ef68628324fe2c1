"""Options that are numbers: whole ones within what can be measured in a lifetime, and factors."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

from mergebench.errors import InputError

_LARGEST = 3.4028234663852886e38
"""The largest number that float32 has."""


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number from `least` to `most`, for argparse to call."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            shown = text if len(text) <= 40 else f"{text[:40]}..."
            raise argparse.ArgumentTypeError(f"{shown!r} is no whole number from {least} to {most}")
        return value

    return read


def finite(option: str, text: str) -> float:
    """Return the factor that an option gives; `InputError` unless it is finite within float32."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > _LARGEST:
        raise InputError(f"{option} {text}: expected a finite number within float32")
    return number


seed = whole(0, 2**32 - 1)
seeds = whole(1, 100)
jobs = whole(1, 1024)
peers = whole(0, 64)
cells = whole(1, 100_000)
inputs = whole(0, 1_000_000)
ranks = whole(1, 65_536)
pixels = whole(1, 1024)
seconds = whole(1, 86_400)
