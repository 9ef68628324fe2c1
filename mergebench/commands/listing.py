"""The verb that shows what there is by name."""

from __future__ import annotations

from mergebench.commands.help_pages import PLACE
from mergebench.commands.parser import Later, Verbs, add_plugin_option

LISTS = ("attacks", "spaces", "protections", "backbones", "sites", "suites", "protocols")
"""What `list` shows."""


def add_verbs(verbs: Verbs) -> None:
    """Add list."""
    listing = verbs.add_parser(
        "list", heading=PLACE, help="show the plug-ins, backbones, their sites and suites"
    )
    listing.add_argument("kind", metavar="KIND", help=" | ".join(LISTS))
    listing.add_argument("--backbone", help="whose sites to list")
    listing.add_argument(
        "--short", action="store_true", help="of attacks a line each: what they know and are given"
    )
    add_plugin_option(listing)
    listing.set_defaults(run=Later("listing", "list"))
