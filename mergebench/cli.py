"""The `mergebench` command: one verb per table, and the tools for adapters, data and backbones."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mergebench.ending import DEBUG, status_of

if TYPE_CHECKING:
    from mergebench.commands.parser import Later, Parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 on success, 2 on wrong input, 1 when a job fails, each with one line.

    Of several things that have to be fetched each has a line of its own. `status_of` says what else
    may end a command.

    `check`, `doctor` and `verify` also return 1 when numbers have moved, `gpu-check` when a test
    failed, `audit` when what is required is not so. An output stream that
    breaks ends no verb: then 1 with one line, or 141 where the reader of a pipe went away.

    `arguments`: as after the program's name; None for those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = DEBUG in words  # wherever it stands; captions do not state it
    return status_of(lambda: _run([word for word in words if word != DEBUG]), debug=debug)


def _run(words: Sequence[str]) -> int | None:
    options = make_parser().parse_args(words)
    options.words = words
    run: Later = options.run
    try:
        return run(options)
    except SystemExit as error:  # a library or a plug-in; only the parser may
        raise RuntimeError(f"something asked to exit with status {error.code}") from error


def make_parser() -> Parser:
    """Return the parser of all verbs, without what they import."""
    # Here, so that whatever happens during these imports ends the command as it should.
    from mergebench.commands import (
        adapters,
        auditing,
        building,
        checking,
        data,
        detecting,
        doctor,
        gpu_checking,
        listing,
        packing,
        protecting,
        reporting,
        tables,
        verifying,
    )
    from mergebench.commands.parser import Parser

    parser = Parser(
        prog="mergebench",
        description="Measure how well protections of fine-tuned updates resist model merging.",
    )
    parser.add_argument(DEBUG, action="store_true", help="show tracebacks (may follow the verb)")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    every = (
        *(tables, protecting, auditing, detecting, adapters),
        *(reporting, checking, verifying, packing),
        *(listing, doctor, gpu_checking, data, building),
    )
    for module in every:
        module.add_verbs(verbs)
    return parser
