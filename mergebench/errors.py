"""The errors that end a command with one line, and the words that such lines share."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class InputError(ValueError):
    """Wrong outside input: one line that names the file, key, shape or option, and the fix."""


class JobError(RuntimeError):
    """A job failed or its process died; the message names the job and the cause."""


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as an error line shows it.

    >>> shape_text((768, 16))
    '768×16'
    """
    return "×".join(str(size) for size in shape)


def unknown_name(what: str, name: str, known: Sequence[str]) -> str:
    """Return the one-line message for a name that is not in `known`, with the nearest ones."""
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"unknown {what} {name!r}; {hint}choose from: {', '.join(known)}"
