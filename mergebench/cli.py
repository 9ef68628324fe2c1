"""The `mergebench` command: one verb per table, and the tools for adapters, data and backbones."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mergebench.commands import adapters, building, checking, data, doctor, tables, verifying
from mergebench.commands.parser import Later, Parser
from mergebench.errors import InputError, JobError
from mergebench.missing import MissingItemsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 on success, 2 on wrong input, 1 when a job fails, each with one line.

    Of several things that have to be fetched each has a line of its own.

    `check`, `doctor` and `verify` also return 1 when numbers have moved.

    `arguments`: as after the program's name; None for those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = make_parser().parse_args(words)
    options.words = words
    run: Later = options.run
    try:
        return run(options)
    except MissingItemsError as error:
        _complain(*error.lines())
        return 2
    except InputError as error:
        _complain(str(error))
        return 2
    except JobError as error:
        _complain(f"{error}; what was measured before is kept")
        return 1
    except KeyboardInterrupt:
        _complain("interrupted; what was measured is kept")
        return 130


def _complain(first: str, *others: str) -> None:
    """Print one line each, whatever a library or plug-in put into its message."""
    print("mergebench:", " ".join(first.splitlines()), file=sys.stderr)
    for text in others:
        print(" ", " ".join(text.splitlines()), file=sys.stderr)


def make_parser() -> Parser:
    """Return the parser of all verbs, without what they import."""
    parser = Parser(
        prog="mergebench",
        description="Measure how well protections of fine-tuned updates resist model merging.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for module in (tables, doctor, adapters, checking, verifying, data, building):
        module.add_verbs(verbs)
    return parser
