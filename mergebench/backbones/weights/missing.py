"""The weights that a command is given, or lacks, before any is read."""

from __future__ import annotations

from pathlib import Path

from mergebench.backbones.sources import EMBEDDED, find_source
from mergebench.backbones.weights.finding import weights_file
from mergebench.missing import MissingItem

RANDOM = "random"
"""The value of `weights` that asks for an untrained backbone."""


def missing_weights(name: str, weights: str | Path | None = None) -> MissingItem | None:
    """Return which weights are missing and how to get them; None if none are.

    Arguments as of `load_backbone`. Asks the Hugging Face Hub, for seconds at most, only where a
    download would be needed. Raises `InputError` for weights that are given but are not those of
    the backbone, as far as can be said without reading their values.
    """
    source = find_source(name)
    if weights == RANDOM or (weights is None and not source.repository):
        return None
    if weights is None:
        from mergebench.backbones.weights.hub import missing_file

        return missing_file(source)
    if name in EMBEDDED:
        from mergebench.backbones.weights.checkpoint import read_checkpoint

        read_checkpoint(Path(weights), name)
    else:
        from mergebench.backbones.weights.fitting import check_weights

        check_weights(weights_file(Path(weights)), source)
    return None
