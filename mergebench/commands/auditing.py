"""The verb that says how mergeable an adapter is: exit status 1 when a requirement is not met."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands import numbers
from mergebench.commands.adapter_options import ADAPTER, add_insisting, add_missing_option
from mergebench.commands.help_pages import ADAPTERS
from mergebench.commands.options import DEFAULT_STORE, add_classifier_options, add_data_options
from mergebench.commands.parser import Later, Once, Parser, Verbs, named_folder, path_word


def add_verbs(verbs: Verbs) -> None:
    """Add audit."""
    verb = verbs.add_parser(
        "audit",
        heading=ADAPTERS,
        help="how much of an adapter's skill merging takes, in words and numbers",
    )
    verb.add_argument(
        "adapters",
        nargs="+",
        type=path_word,
        metavar="ADAPTER",
        help=f"{ADAPTER}; several are audited one after the other",
    )
    _add_model(verb)
    _add_peers(verb)
    verb.add_argument("--json", type=Path, metavar="FILE.json", help="write all of it there")
    verb.add_argument(
        "--html", type=Path, metavar="FILE.html", help="write it as a page to look at"
    )
    verb.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="NAME>=NUMBER",
        help="exit status 1 unless it holds, e.g. kept<=0.2, or with --plain denied>=0.8; "
        "repeatable",
    )
    verb.add_argument(
        "--force", action="store_true", help="replace what is there, even if it is no audit"
    )
    verb.set_defaults(run=Later("auditing", "audit"))


def _add_model(verb: Parser) -> None:
    verb.add_argument(
        "--task",
        action=Once,
        type=Path,
        metavar="FILE.py",
        help="a file with model() and correct(model, split), for any torch model (docs/audit.md)",
    )
    verb.add_argument("--backbone", help="or a backbone, with --data or --target")
    verb.add_argument(
        "--data",
        action=Once,
        type=Path,
        metavar="PATH",
        help="data of the adapter's task (docs/own_data.md)",
    )
    verb.add_argument(
        "--target",
        action=Once,
        metavar="TASK",
        help="or a task of the backbone's suite, by name",
    )
    add_classifier_options(verb)
    add_data_options(verb)
    add_insisting(verb)


def _add_peers(verb: Parser) -> None:
    verb.add_argument(
        "--with",
        action="append",
        default=[],
        type=path_word,
        metavar="PEER",
        dest="peers",
        help="an adapter to merge with (default: releases of the suite in --store, else synthetic)",
    )
    verb.add_argument(
        "--synthetic",
        type=numbers.peers,
        metavar="N",
        help="merge with N random updates of the adapter's norms and spectra; 0: with nothing",
    )
    verb.add_argument(
        "--plain",
        action=Once,
        type=path_word,
        metavar="ADAPTER",
        help="an unprotected adapter of the same task, to say what protection denies",
    )
    verb.add_argument(
        "--store",
        type=named_folder,
        metavar="DIR",
        help=f"where releases of the suite are looked for (default: {DEFAULT_STORE}, if any are)",
    )
    verb.add_argument("--seed", type=numbers.seed, default=0, help="of releases and draws")
    add_missing_option(verb)
