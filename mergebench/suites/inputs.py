"""What the tasks of a suite are made of, in words, for those who do not load it."""

from __future__ import annotations

from collections.abc import Mapping

_INPUTS: Mapping[str, str] = {"mini8": "images", "vision8": "images", "text8": "texts"}


def inputs_of(suite: str) -> str:
    """Return what `Suite.inputs` of that suite is; "inputs" for one of a plug-in."""
    return _INPUTS.get(suite, "inputs")
