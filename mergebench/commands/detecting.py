"""The verb that says whether an update is scale-trapped."""

from __future__ import annotations

from mergebench.commands.adapter_options import ADAPTER, add_insisting
from mergebench.commands.help_pages import ADAPTERS
from mergebench.commands.options import add_standalone_options
from mergebench.commands.parser import Later, Verbs, path_word


def add_verbs(verbs: Verbs) -> None:
    """Add detect."""
    verb = verbs.add_parser(
        "detect",
        heading=ADAPTERS,
        help="score how sharply updates turn at their nominal scale, as traps do",
    )
    verb.add_argument(
        "adapters",
        nargs="*",
        type=path_word,
        metavar="ADAPTER",
        help=f"{ADAPTER}; none: the releases of the suite, and a table and ROC",
    )
    verb.add_argument("--json", action="store_true", help="print curves and scores as JSON")
    add_insisting(verb)
    add_standalone_options(verb)
    verb.set_defaults(run=Later("detecting", "detect"), release="lora")
