"""The verbs that make tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from mergebench.commands.cluster_options import SLURM_OPTIONS
from mergebench.commands.help_pages import COMPARED, TABLES
from mergebench.commands.options import (
    add_attacks_option,
    add_experiment_options,
    add_merging_options,
    add_protocol_option,
    add_standalone_options,
    add_work_options,
)
from mergebench.commands.parser import Later, Parser, Verbs, names_word
from mergebench.contracts import DataUse, Knowledge
from mergebench.experiment import PRICE, RECOVERY, TABLE2, TABLE4, TABLE5
from mergebench.measure import RULES

ATTACKS: Mapping[int, tuple[str, ...]] = {2: TABLE2, 4: TABLE4, 5: TABLE5}
"""The attacks of the paper's tables of merges."""

MERGES: Mapping[int, Mapping[str, object]] = {
    number: {"release": "full" if number == 4 else "lora", "default_attacks": attacks}
    for number, attacks in ATTACKS.items()
}
"""What the paper's tables of merges are about."""


def add_verbs(verbs: Verbs) -> None:
    """Add the tables, the figures and replay."""
    _add_tables(verbs)
    _add_mergers(verbs)
    _add_figures(verbs)
    _add_price(verbs)
    _add_leaderboard(verbs)
    _add_replay(verbs)


def _add_tables(verbs: Verbs) -> None:
    for number, text in (
        (1, "standalone accuracy per task"),
        (2, "merged accuracy per attack@space"),
        (3, "as table1, of full fine-tuning"),
        (4, "as table2, of full fine-tuning"),
        (5, "merged accuracy of attacks that look at inputs"),
    ):
        verb = verbs.add_parser(f"table{number}", heading=TABLES, help=text)
        if number in MERGES:
            add_merging_options(verb, " ".join(ATTACKS[number]))
            verb.set_defaults(run=Later("tables", "merges"), table=number, **MERGES[number])
        else:
            add_standalone_options(verb)
            verb.set_defaults(run=Later("tables", "standalone"), table=number)
            verb.set_defaults(release="full" if number == 3 else "lora")


def _add_mergers(verbs: Verbs) -> None:
    mergers = verbs.add_parser(
        "mergers", heading=COMPARED, help="every merger, without data unless --levels adds some"
    )
    _add_release(mergers)
    _add_levels(mergers, "mergers")
    add_merging_options(mergers, "all that --levels allows")
    mergers.set_defaults(run=Later("tables", "mergers"), default_attacks=None)


def _add_figures(verbs: Verbs) -> None:
    figure = verbs.add_parser("figure2", heading=TABLES, help="accuracy against the deployed scale")
    add_standalone_options(figure)
    figure.set_defaults(run=Later("tables", "figure2"), release="lora")
    scales = verbs.add_parser(
        "scales", heading=TABLES, help="at which scale merges hold the target's update"
    )
    _add_release(scales)
    add_merging_options(scales, "those of table2, or table4")
    scales.set_defaults(run=Later("tables", "scales"))
    recovery = verbs.add_parser(
        "recovery", heading=COMPARED, help="accuracy after an attack against its number of inputs"
    )
    add_merging_options(recovery, RECOVERY)
    recovery.set_defaults(
        run=Later("tables", "recovery"), release="lora", default_attacks=(RECOVERY,)
    )


def _add_price(verbs: Verbs) -> None:
    priced = verbs.add_parser(
        "price", heading=COMPARED, help="how many inputs of the target's task its theft takes"
    )
    priced.add_argument(
        "--budgets",
        type=names_word,
        help="numbers of inputs of the target's task (default: the usual ones that all tasks have)",
    )
    priced.add_argument(
        "--targets", type=names_word, help="whose updates, of the tasks (default: all)"
    )
    add_merging_options(priced, " ".join(PRICE))
    priced.set_defaults(run=Later("price", "price"), release="lora", default_attacks=PRICE)
    priced.set_defaults(swept=True)


def _add_leaderboard(verbs: Verbs) -> None:
    board = verbs.add_parser(
        "leaderboard", heading=COMPARED, help="protections against the standard set of attacks"
    )
    _add_release(board)
    _add_levels(board, "attackers")
    board.add_argument("--enter", metavar="NAME", help="write an entry of this name as well")
    board.add_argument("--who", metavar="NAME", help="who enters it")
    board.add_argument(
        "--merged", type=Path, metavar="FILE", help="enter this merged update as counter-evaluation"
    )
    board.add_argument("--target", metavar="TASK", help="whose update it was made against")
    board.add_argument("--knowledge", choices=get_args(Knowledge), help="what it was made with")
    add_experiment_options(board)
    add_protocol_option(board)
    add_work_options(board)
    board.refuse("the leaderboard's set of attacks is fixed", "--attacks")
    board.set_defaults(run=Later("leaderboard", "leaderboard"), swept=True)


def _add_replay(verbs: Verbs) -> None:
    again = verbs.add_parser("replay", heading=TABLES, help="merges under another selection rule")
    again.add_argument("--rule", required=True, help=" | ".join(RULES))
    again.add_argument(
        "--table", type=int, choices=[*MERGES], default=2, help="which table's merges"
    )
    add_experiment_options(again)
    add_protocol_option(again)
    add_attacks_option(again, "those of --table")
    again.refuse(
        "nothing is measured here, and all recalled", "--jobs", "--executor", *SLURM_OPTIONS
    )
    again.set_defaults(run=Later("tables", "replay"))


def _add_levels(parser: Parser, who: str) -> None:
    parser.add_argument(
        "--levels", choices=get_args(DataUse), default="none", help=f"the most that {who} get"
    )


def _add_release(verb: Parser) -> None:
    verb.add_argument(
        "--release",
        choices=("lora", "full"),
        default="lora",
        help="the form of the updates: adapters, or full fine-tunings",
    )
