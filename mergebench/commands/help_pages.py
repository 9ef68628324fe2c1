"""What `--help` prints: the sentence of the verb, and for every option what it is by default."""

from __future__ import annotations

import argparse
from typing import Any


class HelpPage(argparse.ArgumentDefaultsHelpFormatter):
    """Ends the help of an option with its default, unless that says nothing: None, False, empty.

    Where a default is None because it depends on something else, the option's own help says on
    what, in the same form: `(default: ...)`.
    """

    def _get_help_string(self, action: argparse.Action) -> str | None:
        empty = action.default is None or action.default is False or action.default in ("", [])
        return action.help if empty else super()._get_help_string(action)


class DescribedVerbs(argparse._SubParsersAction):  # type: ignore[type-arg]
    """Adds verbs whose page begins with the sentence by which the list of verbs describes them."""

    def add_parser(self, name: str, **options: Any) -> Any:
        """Add a verb; its `help` begins with a small letter and has no full stop."""
        text = options["help"]
        return super().add_parser(name, description=f"{text[0].upper()}{text[1:]}.", **options)
