"""Adapters with factors, as they are typed: `ADAPTER:0.7`."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from mergebench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """An adapter, and what its update is multiplied by before the merge."""

    adapter: str
    weight: float = 1.0


def weighted(word: str) -> Weighted:
    """Return what `ADAPTER` or `ADAPTER:WEIGHT` says.

    What is there under the whole name is meant by it. Raises `InputError` for a weight that is no
    finite number after an adapter that is there.
    """
    adapter, colon, text = word.rpartition(":")
    if not colon or os.path.lexists(word):
        return Weighted(adapter=word)
    try:
        weight = float(text)
    except ValueError:
        if not os.path.lexists(adapter):
            return Weighted(adapter=word)
        weight = math.nan
    if not adapter or not math.isfinite(weight) or abs(weight) > 1e9:
        raise InputError(f"{word}: expected ADAPTER:WEIGHT with a number from -1e9 to 1e9")
    return Weighted(adapter=adapter, weight=weight)
