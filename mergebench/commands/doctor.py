"""The verb that says whether this machine, its weights and its data can make the tables."""

from __future__ import annotations

from mergebench.commands.options import common_options
from mergebench.commands.parser import Later, Verbs
from mergebench.experiment import TABLE2


def add_verbs(verbs: Verbs) -> None:
    """Add doctor."""
    common = common_options(TABLE2)
    text = "zero-shot accuracies against published ones, and how long tables will take"
    verbs.add_parser("doctor", parents=[common], help=text).set_defaults(
        run=Later("doctor", "doctor"), release="lora", default_attacks=TABLE2
    )
