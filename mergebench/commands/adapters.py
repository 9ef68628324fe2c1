"""The verbs for adapters of anybody, and for what can be used on them."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands.parser import Later, Verbs, add_plugin_option
from mergebench.updates import LAYOUTS

LISTS = ("attacks", "spaces", "protections", "backbones", "suites", "protocols")
"""What `list` shows."""


def add_verbs(verbs: Verbs) -> None:
    """Add merge, export and list."""
    _add_merge(verbs)
    exporting = verbs.add_parser("export", help="write an adapter in another layout")
    exporting.add_argument("adapter", metavar="ADAPTER", help="PEFT folder or safetensors")
    exporting.add_argument("--backbone", required=True)
    exporting.add_argument("--layout", required=True, choices=LAYOUTS)
    exporting.add_argument("--out", type=Path, required=True, metavar="DIR")
    exporting.set_defaults(run=Later("adapters", "export"))
    listing = verbs.add_parser("list", help="show the plug-ins, backbones and suites there are")
    listing.add_argument("kind", metavar="KIND", help=" | ".join(LISTS))
    add_plugin_option(listing)
    listing.set_defaults(run=Later("listing", "list"))


def _add_merge(verbs: Verbs) -> None:
    adapters = verbs.add_parser("merge", help="merge adapters into one update")
    adapters.add_argument(
        "adapters", nargs="+", metavar="ADAPTER", help="PEFT folder or safetensors"
    )
    adapters.add_argument("--backbone", required=True)
    adapters.add_argument("--attack", required=True, metavar="NAME[@SPACE]")
    adapters.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings"
    )
    adapters.add_argument(
        "--alpha", default="1", help="merging coefficient that D is multiplied by"
    )
    adapters.add_argument("--seed", type=int, default=0, help="for attacks that draw at random")
    adapters.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    add_plugin_option(adapters)
    adapters.set_defaults(run=Later("adapters", "merge"))
