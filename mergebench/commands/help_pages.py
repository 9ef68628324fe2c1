"""What `--help` prints: verbs under headings, a verb's sentence, and options with defaults."""

from __future__ import annotations

import argparse
from typing import Any

TABLES = "tables and figures"
COMPARED = "attacks and protections compared"
ADAPTERS = "adapters of your own"
NUMBERS = "numbers that are there"
PLACE = "this installation: plug-ins, data, weights, devices"


class HelpPage(argparse.ArgumentDefaultsHelpFormatter):
    """Ends the help of an option with its default, unless that says nothing: None, False, empty.

    Where a default is None because it depends on something else, the option's own help says on
    what, in the same form: `(default: ...)`.
    """

    def _get_help_string(self, action: argparse.Action) -> str | None:
        empty = action.default is None or action.default is False or action.default in ("", [])
        return action.help if empty else super()._get_help_string(action)


class _Heading(argparse.Action):
    """A line of the list of verbs, with those below it that belong there."""

    def __init__(self, text: str) -> None:
        super().__init__(option_strings=[], dest=text, metavar=text)
        self.verbs: list[argparse.Action] = []

    def _get_subactions(self) -> list[argparse.Action]:
        return self.verbs


class DescribedVerbs(argparse._SubParsersAction):  # type: ignore[type-arg]
    """Adds verbs whose page begins with the sentence by which the list of verbs describes them.

    Verbs of one heading stand together, and headings in the order in which they are first named.
    """

    def add_parser(self, name: str, *, heading: str = "", **options: Any) -> Any:
        """Add a verb; its `help` begins with a small letter and has no full stop."""
        text = options["help"]
        verb = super().add_parser(name, description=f"{text[0].upper()}{text[1:]}.", **options)
        if heading:
            listed = self._choices_actions.pop()
            self._under(heading).verbs.append(listed)
        return verb

    def _under(self, text: str) -> _Heading:
        for one in self._choices_actions:
            if isinstance(one, _Heading) and one.metavar == text:
                return one
        heading = _Heading(text)
        self._choices_actions.append(heading)
        return heading
