"""The verb that makes an adapter to publish."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands import numbers
from mergebench.commands.adapter_options import add_force_option
from mergebench.commands.help_pages import ADAPTERS
from mergebench.commands.options import (
    BACKBONE,
    DEFAULT_PROTECTION,
    add_classifier_options,
    add_data_options,
    add_jobs_option,
    add_store_option,
)
from mergebench.commands.parser import Later, Once, Verbs, add_plugin_option, named_folder


def add_verbs(verbs: Verbs) -> None:
    """Add protect."""
    verb = verbs.add_parser(
        "protect",
        heading=ADAPTERS,
        help="train a plain and a protected adapter on your data, with model cards",
    )
    verb.add_argument("--backbone", required=True, help=BACKBONE)
    verb.add_argument(
        "--data",
        action=Once,
        type=Path,
        metavar="PATH",
        help="what to train on (docs/own_data.md)",
    )
    verb.add_argument(
        "--task", action=Once, metavar="NAME", help="a task of the backbone's suite instead"
    )
    verb.add_argument(
        "--out",
        type=named_folder,
        required=True,
        metavar="DIR",
        help="where plain/ and the protected one, named after its protection, are written",
    )
    verb.add_argument(
        "--protection",
        default=DEFAULT_PROTECTION,
        metavar="NAME[OPTION=VALUE,...]",
        help="one that trains a trap into an adapter",
    )
    add_plugin_option(verb)
    verb.add_argument(
        "--only", metavar="NAME", help="make one of them alone: plain, or of the protection's name"
    )
    verb.add_argument(
        "--sweep",
        nargs="+",
        default=[],
        metavar="LAMBDA",
        help="strengths to choose from (default: half, once and twice its own)",
    )
    verb.add_argument(
        "--margin",
        default="2",
        metavar="POINTS",
        help="what protection may cost alone, on validation",
    )
    verb.add_argument(
        "--steps",
        type=numbers.whole(1, 10_000_000),
        help="of training (default: the recipe's, fewer where there are few inputs)",
    )
    verb.add_argument("--license", default="", metavar="ID", help="the hub's identifier, for cards")
    add_classifier_options(verb)
    verb.add_argument("--seed", type=numbers.seed, default=0, help="of training")
    add_jobs_option(verb)
    add_store_option(verb)
    add_force_option(verb)
    add_data_options(verb)
    verb.set_defaults(run=Later("protecting", "protect"))
