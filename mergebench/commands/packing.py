"""The verbs that make one file of what was measured, and put it back."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands.help_pages import NUMBERS
from mergebench.commands.options import BACKBONE, DEFAULT_BACKBONE, add_store_option
from mergebench.commands.parser import Later, Verbs


def add_verbs(verbs: Verbs) -> None:
    """Add pack and unpack."""
    packing = verbs.add_parser(
        "pack",
        heading=NUMBERS,
        help="make one small file of what a store has measured of a backbone",
    )
    packing.add_argument(
        "file",
        type=Path,
        metavar="FILE.tar.xz",
        help="such as results/minilm/measured.tar.xz; what is in it already stays in it",
    )
    packing.add_argument("--backbone", default=DEFAULT_BACKBONE, help=BACKBONE)
    add_store_option(packing)
    packing.set_defaults(run=Later("packing", "pack"))
    unpacking = verbs.add_parser(
        "unpack",
        heading=NUMBERS,
        help="put what was packed into a store, from which tables are made again",
    )
    unpacking.add_argument("file", type=Path, metavar="FILE.tar.xz", help="as `pack` wrote it")
    add_store_option(unpacking)
    unpacking.set_defaults(run=Later("packing", "unpack"))
