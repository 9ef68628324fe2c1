"""The verb that rebuilds the embedded backbones."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands.options import DEFAULT_BACKBONE
from mergebench.commands.parser import Later, Verbs


def add_verbs(verbs: Verbs) -> None:
    """Add pretrain."""
    pretraining = verbs.add_parser("pretrain", help="pretrain an embedded backbone (resumable)")
    pretraining.add_argument("--backbone", default=DEFAULT_BACKBONE)
    pretraining.add_argument("--cache", type=Path, default=Path(".cache/mini8"), metavar="DIR")
    pretraining.add_argument("--out", type=Path, default=None, metavar="DIR")
    pretraining.set_defaults(run=Later("building", "pretrain"))
