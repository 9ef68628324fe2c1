"""The verb that rebuilds the embedded backbones."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands.help_pages import PLACE
from mergebench.commands.options import DEFAULT_BACKBONE, MINI8_CACHE
from mergebench.commands.parser import Later, Verbs


def add_verbs(verbs: Verbs) -> None:
    """Add pretrain."""
    pretraining = verbs.add_parser(
        "pretrain", heading=PLACE, help="pretrain an embedded backbone (resumable)"
    )
    pretraining.add_argument("--backbone", default=DEFAULT_BACKBONE, help="which embedded one")
    pretraining.add_argument(
        "--cache", type=Path, default=MINI8_CACHE, metavar="DIR", help="where the corpus lies"
    )
    pretraining.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where it is written, and resumed (default: runs/pretraining/BACKBONE)",
    )
    pretraining.set_defaults(run=Later("building", "pretrain"))
