"""The weights of a CLIP that a command is given, or lacks, before any is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mergebench.backbones.sources import EMBEDDED, ClipSource
from mergebench.backbones.weights import weights_file
from mergebench.missing import MissingItem

if TYPE_CHECKING:
    from mergebench.backbones.weights import HubFile

FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""Under which names open_clip publishes weights, the preferred one first."""


def published_file(source: ClipSource) -> HubFile:
    """Return where the published weights are."""
    from mergebench.backbones.weights import HubFile

    return HubFile(
        repository=source.repository,
        names=FILES,
        what=f"weights {source.architecture}/{source.tag}",
        megabytes=source.megabytes,
        otherwise="or give a local file by --weights FILE (make: WEIGHTS=FILE)",
    )


def missing_clip(name: str, source: ClipSource, weights: str | Path | None) -> MissingItem | None:
    """Return what is missing of a CLIP; as `missing_weights`, which knows untrained ones."""
    if weights is None:
        if not source.repository:
            return None
        published = published_file(source)
        return None if published.available else published.missing
    if name in EMBEDDED:
        from mergebench.backbones.clip.checkpoint import read_checkpoint

        read_checkpoint(Path(weights), name)
    else:
        from mergebench.backbones.clip.fitting import check_weights

        check_weights(weights_file(Path(weights)), source)
    return None
