"""The error that stands for wrong input from outside, and the words that its lines share."""

from __future__ import annotations

from collections.abc import Sequence


class InputError(ValueError):
    """Wrong outside input: one line that names the file, key, shape or option, and the fix."""


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as an error line shows it.

    >>> shape_text((768, 16))
    '768×16'
    """
    return "×".join(str(size) for size in shape)
