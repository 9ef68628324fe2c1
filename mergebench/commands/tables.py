"""The verbs that make tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from mergebench.commands.options import common_options
from mergebench.commands.parser import Later, Verbs, names_word
from mergebench.contracts import DataUse, Knowledge
from mergebench.experiment import PRICE, RECOVERY, TABLE2, TABLE4, TABLE5
from mergebench.measure import RULES

MERGES: Mapping[int, Mapping[str, object]] = {
    2: {"release": "lora", "default_attacks": TABLE2},
    4: {"release": "full", "default_attacks": TABLE4},
    5: {"release": "lora", "default_attacks": TABLE5},
}
"""What the paper's tables of merges are about."""


def add_verbs(verbs: Verbs) -> None:
    """Add the tables, the figures and replay."""
    common = common_options()
    for number, runs, merges, text in (
        (1, "standalone", 2, "standalone accuracy per task"),
        (2, "merges", 2, "merged accuracy per attack@space"),
        (3, "standalone", 4, "as table1, of full fine-tuning"),
        (4, "merges", 4, "as table2, of full fine-tuning"),
        (5, "merges", 5, "merged accuracy of attacks that look at inputs"),
    ):
        added = verbs.add_parser(f"table{number}", parents=[common], help=text)
        added.set_defaults(run=Later("tables", runs), table=number, **MERGES[merges])
        added.set_defaults(merges=runs == "merges")
    mergers = verbs.add_parser(
        "mergers", parents=[common], help="every merger, without data unless --levels adds some"
    )
    mergers.add_argument("--release", choices=("lora", "full"), default="lora")
    mergers.add_argument(
        "--levels", choices=get_args(DataUse), default="none", help="the most that mergers get"
    )
    mergers.set_defaults(run=Later("tables", "mergers"), default_attacks=None)
    figure = verbs.add_parser(
        "figure2", parents=[common], help="accuracy against the deployed scale"
    )
    figure.set_defaults(run=Later("tables", "figure2"), release="lora", default_attacks=TABLE2)
    figure.set_defaults(merges=False)
    recovery = verbs.add_parser(
        "recovery", parents=[common], help="accuracy after an attack against its number of inputs"
    )
    recovery.set_defaults(
        run=Later("tables", "recovery"), release="lora", default_attacks=(RECOVERY,)
    )
    priced = verbs.add_parser(
        "price", parents=[common], help="how many inputs of the target's task its theft takes"
    )
    priced.add_argument("--budgets", type=names_word, help="numbers of inputs of the target's task")
    priced.add_argument(
        "--targets", type=names_word, help="whose updates, of the tasks; all by default"
    )
    priced.set_defaults(run=Later("price", "price"), release="lora", default_attacks=PRICE)
    priced.set_defaults(swept=True)
    board = verbs.add_parser(
        "leaderboard", parents=[common], help="protections against the standard set of attacks"
    )
    board.add_argument("--release", choices=("lora", "full"), default="lora")
    board.add_argument(
        "--levels", choices=get_args(DataUse), default="none", help="the most that attackers get"
    )
    board.add_argument("--enter", metavar="NAME", help="write an entry of this name as well")
    board.add_argument("--who", metavar="NAME", help="who enters it")
    board.add_argument(
        "--merged", type=Path, metavar="FILE", help="enter this merged update as counter-evaluation"
    )
    board.add_argument("--target", metavar="TASK", help="whose update it was made against")
    board.add_argument("--knowledge", choices=get_args(Knowledge), help="what it was made with")
    board.set_defaults(run=Later("leaderboard", "leaderboard"), swept=True)
    again = verbs.add_parser("replay", parents=[common], help="merges under another selection rule")
    again.add_argument("--rule", required=True, help=" | ".join(RULES))
    again.add_argument(
        "--table", type=int, choices=[*MERGES], default=2, help="which table's merges"
    )
    again.set_defaults(run=Later("tables", "replay"))
