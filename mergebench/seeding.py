"""Random generators derived from names, so that no draw depends on what was drawn before it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derived_seed(*parts: object) -> int:
    """Return a 63-bit seed that depends on every part and on their order.

    `parts` are joined by their `repr`, so `("a", 1)` and `("a", "1")` give different seeds.
    """
    text = "\x1f".join(repr(part) for part in parts)
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: object, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator for one purpose, e.g. `generator(seed, "dare", task, site)`."""
    import torch

    return torch.Generator(device=device).manual_seed(derived_seed(*parts))
