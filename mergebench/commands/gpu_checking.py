"""The verb that measures what a GPU does here."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands import numbers
from mergebench.commands.help_pages import PLACE
from mergebench.commands.options import add_results_option
from mergebench.commands.parser import Later, Verbs, path_word
from mergebench.device import AUTO, CHOICES


def add_verbs(verbs: Verbs) -> None:
    """Add gpu-check."""
    checking = verbs.add_parser(
        "gpu-check",
        heading=PLACE,
        help="tests, speeds, merges and tables on a GPU, in one run of minutes",
    )
    checking.add_argument("--device", default=AUTO, help=CHOICES)
    checking.add_argument(
        "--size",
        choices=("full", "tiny"),
        default="full",
        help="the paper's backbones on a GPU, or tiny ones anywhere",
    )
    checking.add_argument(
        "--budget", type=numbers.seconds, default=420, metavar="SECONDS", help="for all parts"
    )
    checking.add_argument(
        "--parts",
        default="",
        help="tests, speeds, merging, tables, separated by spaces or commas (default: all)",
    )
    checking.add_argument(
        "--jobs", type=numbers.jobs, help="processes that make a table (default: as --size says)"
    )
    checking.add_argument(
        "--weights", type=path_word, metavar="FILE", help="of minilm, whose table is then made too"
    )
    checking.add_argument(
        "--data-root",
        type=Path,
        metavar="DIR",
        help="data sets of text8, with --weights "
        "(default: $MERGEBENCH_DATA, or data in the user's cache of mergebench)",
    )
    add_results_option(checking)
    checking.set_defaults(run=Later("gpu_checking", "gpu_check"))
