"""The verb that says whether this machine, its weights and its data can make the tables."""

from __future__ import annotations

from mergebench.commands.help_pages import PLACE
from mergebench.commands.options import add_merging_options
from mergebench.commands.parser import Later, Verbs
from mergebench.experiment import TABLE2


def add_verbs(verbs: Verbs) -> None:
    """Add doctor."""
    verb = verbs.add_parser(
        "doctor",
        heading=PLACE,
        help="zero-shot accuracies against published ones, and how long tables will take",
    )
    add_merging_options(verb, " ".join(TABLE2))
    verb.set_defaults(run=Later("doctor", "doctor"), release="lora", default_attacks=TABLE2)
