"""The verbs that merge, measure and rewrite adapters of anybody."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands import numbers
from mergebench.commands.adapter_options import (
    ADAPTER,
    add_force_option,
    add_insisting,
    add_missing_option,
)
from mergebench.commands.help_pages import ADAPTERS
from mergebench.commands.options import (
    BACKBONE,
    add_data_options,
    add_own_data_options,
    add_place_options,
    add_tasks_option,
    add_weights_option,
    known_tasks,
)
from mergebench.commands.parser import (
    Later,
    Parser,
    Verbs,
    add_plugin_option,
    path_word,
)
from mergebench.suites import SPLIT_NAMES
from mergebench.updates import LAYOUTS


def add_verbs(verbs: Verbs) -> None:
    """Add merge, evaluate and export."""
    _add_merge(verbs)
    _add_evaluate(verbs)
    _add_export(verbs)


def _add_export(verbs: Verbs) -> None:
    exporting = verbs.add_parser(
        "export", heading=ADAPTERS, help="write an adapter in another layout"
    )
    exporting.add_argument("adapter", type=path_word, metavar="ADAPTER", help=ADAPTER)
    exporting.add_argument("--backbone", required=True, help=BACKBONE)
    exporting.add_argument(
        "--layout", required=True, choices=LAYOUTS, help="whose names of modules are written"
    )
    exporting.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the PEFT folder to write"
    )
    add_force_option(exporting)
    add_insisting(exporting)
    exporting.set_defaults(run=Later("adapters", "export"))


def _add_merge(verbs: Verbs) -> None:
    adapters = verbs.add_parser("merge", heading=ADAPTERS, help="merge adapters into one update")
    adapters.add_argument(
        "adapters",
        nargs="+",
        type=path_word,
        metavar="ADAPTER[:WEIGHT]",
        help=f"{ADAPTER}, and a factor of it, which may be negative (default: 1)",
    )
    adapters.add_argument("--backbone", required=True, help=BACKBONE)
    _add_attack(adapters)
    add_missing_option(adapters)
    _add_merged(adapters)
    add_force_option(adapters)
    add_weights_option(adapters, ", for attacks that compare with them")
    add_plugin_option(adapters)
    add_insisting(adapters)
    adapters.set_defaults(run=Later("merging", "merge"))


def _add_attack(adapters: Parser) -> None:
    adapters.add_argument(
        "--attack",
        required=True,
        metavar="NAME[:RULE][@SPACE]",
        help="as `mergebench list attacks` shows (default: the rule ta, the attack's first space)",
    )
    adapters.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="an option of the attack or of its rule, e.g. top_k=20; repeatable",
    )
    adapters.add_argument(
        "--protected",
        type=path_word,
        metavar="ADAPTER",
        help="which of them may be protected, for an informed attack",
    )
    adapters.add_argument(
        "--alpha", default="1", help="merging coefficient that D is multiplied by"
    )
    adapters.add_argument(
        "--seed", type=numbers.seed, default=0, help="for attacks that draw at random"
    )


def _add_merged(adapters: Parser) -> None:
    adapters.add_argument(
        "--rank",
        type=numbers.ranks,
        help="cut the result to this rank, and write it as a PEFT adapter",
    )
    adapters.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.safetensors",
        help="the merged update to write; with --rank a folder",
    )


def _add_evaluate(verbs: Verbs) -> None:
    evaluating = verbs.add_parser(
        "evaluate",
        heading=ADAPTERS,
        help="accuracy of an adapter or a merged update, beside zero-shot",
    )
    evaluating.add_argument("update", type=path_word, metavar="UPDATE", help=ADAPTER)
    evaluating.add_argument("--scale", default="1", help="factor that the update is deployed with")
    evaluating.add_argument("--backbone", required=True, help=BACKBONE)
    add_place_options(evaluating)
    add_tasks_option(evaluating)
    evaluating.add_argument(
        "--split", choices=SPLIT_NAMES, default="test", help="which inputs are counted"
    )
    evaluating.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_data_options(evaluating)
    add_own_data_options(evaluating)
    add_insisting(evaluating)
    evaluating.check(known_tasks)
    evaluating.set_defaults(run=Later("evaluating", "evaluate"), drop_leaks=False)
