"""The verb that holds numbers against older ones: exit status 1 when they moved."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands.help_pages import NUMBERS
from mergebench.commands.options import add_jobs_option
from mergebench.commands.parser import Later, Verbs, add_plugin_option, named_folder


def add_verbs(verbs: Verbs) -> None:
    """Add check."""
    checking = verbs.add_parser(
        "check",
        heading=NUMBERS,
        help="compare merged accuracy with a baseline, or two stores with each other",
    )
    checking.add_argument(
        "baseline",
        nargs="?",
        type=Path,
        metavar="BASELINE.json",
        help="the numbers to compare with, as --update writes them",
    )
    checking.add_argument("--update", action="store_true", help="make the numbers the baseline's")
    checking.add_argument("--exact", action="store_true", help="tolerate no difference of counts")
    checking.add_argument(
        "--store", type=named_folder, metavar="DIR", help="a store, to be compared with"
    )
    checking.add_argument("--against", type=named_folder, metavar="DIR", help="this one, the older")
    add_jobs_option(checking)
    checking.add_argument(
        "--junit", type=Path, metavar="FILE.xml", help="write what was found as JUnit does"
    )
    checking.add_argument(
        "--markdown", type=Path, metavar="FILE.md", help="write what was found in Markdown"
    )
    checking.add_argument(
        "--force", action="store_true", help="replace what is there, even if it is no such report"
    )
    add_plugin_option(checking)
    checking.set_defaults(run=Later("checking", "check"))
