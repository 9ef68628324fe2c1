"""The options of verbs that read adapters of anybody."""

from __future__ import annotations

from mergebench.commands.parser import Parser

ADAPTER = "PEFT folder or safetensors"


def add_missing_option(parser: Parser) -> None:
    """Add what merges of adapters that change other sites take."""
    parser.add_argument(
        "--missing",
        choices=("zero",),
        help="take sites that only some of the adapters change as unchanged in the others",
    )


def add_insisting(parser: Parser) -> None:
    """Add the options by which a user insists that an adapter fits."""
    parser.add_argument(
        "--other-base", action="store_true", help="take adapters recorded for another base model"
    )
    parser.add_argument(
        "--vision-tower",
        action="store_true",
        help="take keys that may be of either tower of a CLIP as the vision tower's",
    )


def add_force_option(parser: Parser) -> None:
    """Add what verbs take that write an adapter."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace what is there, even if this command did not write it",
    )
