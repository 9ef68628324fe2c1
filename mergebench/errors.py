"""The error that stands for wrong input from outside."""

from __future__ import annotations


class InputError(ValueError):
    """Wrong outside input: one line that names the file, key, shape or option, and the fix."""
