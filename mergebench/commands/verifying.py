"""The verb that measures a sample of committed tables, or entries, again."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands import numbers
from mergebench.commands.help_pages import NUMBERS
from mergebench.commands.options import add_data_options, add_jobs_option, add_place_options
from mergebench.commands.parser import Later, Verbs, add_plugin_option, named_folder

CELLS = 12
"""So many take a few minutes on two cores: nine adapters of `mini_vit` and about eight merges."""


def add_verbs(verbs: Verbs) -> None:
    """Add verify."""
    verb = verbs.add_parser(
        "verify", heading=NUMBERS, help="measure a sample of committed cells again"
    )
    verb.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER|ENTRY.json",
        help="tables, such as results/mini_vit; entries, such as results/leaderboard; or one entry",
    )
    verb.add_argument("--cells", type=numbers.cells, default=CELLS, help="how many cells")
    verb.add_argument("--sample-seed", type=numbers.seed, default=0, help="which cells")
    verb.add_argument(
        "--tolerance",
        type=numbers.inputs,
        default=0,
        metavar="INPUTS",
        help="by which a count may differ",
    )
    add_jobs_option(verb)
    verb.add_argument(
        "--store",
        type=named_folder,
        metavar="DIR",
        help="recall from it what it holds (default: all is measured)",
    )
    add_place_options(verb)
    add_data_options(verb)
    verb.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="where data of your own lie that captions name; repeatable",
    )
    verb.add_argument(
        "--names", type=Path, metavar="FILE", help="likewise what their classes are called"
    )
    add_plugin_option(verb)
    verb.set_defaults(run=Later("verifying", "verify"))
