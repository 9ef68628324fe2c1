"""Options that are whole numbers, each within what can be measured in a lifetime."""

from __future__ import annotations

import argparse
from collections.abc import Callable


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


seed = whole(0, 2**32 - 1)
seeds = whole(1, 100)
jobs = whole(1, 1024)
cells = whole(1, 100_000)
inputs = whole(0, 1_000_000)
ranks = whole(1, 65_536)
pixels = whole(1, 1024)
seconds = whole(1, 86_400)
