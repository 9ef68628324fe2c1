"""The verb that makes a page of a folder of results."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands.help_pages import NUMBERS
from mergebench.commands.options import DEFAULT_STORE
from mergebench.commands.parser import Later, Verbs, named_folder


def add_verbs(verbs: Verbs) -> None:
    """Add report."""
    verb = verbs.add_parser(
        "report", heading=NUMBERS, help="one HTML page of the tables in a folder of results"
    )
    verb.add_argument("folder", type=Path, metavar="FOLDER", help="such as results/mini_vit")
    verb.add_argument(
        "--out", type=Path, required=True, metavar="FILE.html", help="the page to write"
    )
    verb.add_argument(
        "--store",
        type=named_folder,
        metavar="DIR",
        help=f"whose cells numbers lead to (default: {DEFAULT_STORE} if it is there)",
    )
    verb.add_argument("--force", action="store_true", help="replace what this did not write")
    verb.set_defaults(run=Later("reporting", "report"))
