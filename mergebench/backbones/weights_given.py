"""The weights that a command is given, or lacks, before any is read."""

from __future__ import annotations

from pathlib import Path

from mergebench.backbones.sources import find_source
from mergebench.errors import InputError
from mergebench.missing import MissingItem

RANDOM = "random"
"""The value of `weights` that asks for an untrained backbone."""


def missing_weights(name: str, weights: str | Path | None = None) -> MissingItem | None:
    """Return which weights are missing and how to get them; None if none are.

    Arguments as of `load_backbone`, which may then still find the weights damaged. Asks the Hugging
    Face Hub, for seconds at most, only where a download would be needed. Raises `InputError` if
    `weights` names a file that is not there.
    """
    source = find_source(name)
    if weights == RANDOM or (weights is None and not source.repository):
        return None
    if weights is None:
        from mergebench.backbones.hub import missing_file

        return missing_file(source)
    if not Path(weights).exists():
        raise InputError(no_such_file(Path(weights)))
    return None


def no_such_file(file: Path) -> str:
    """Return the line that says that there is no file of weights."""
    return f"no weights at {file}: give a safetensors or open_clip checkpoint file"
