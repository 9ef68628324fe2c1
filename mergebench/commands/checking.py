"""The verbs that hold numbers against older ones: exit status 1 when they moved."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from mergebench.commands.parser import Verbs
from mergebench.errors import InputError
from mergebench.experiment import Monitor, Store
from mergebench.files import replacing
from mergebench.registry import registry
from mergebench.regression import (
    Checked,
    Tolerance,
    changes,
    check,
    junit,
    markdown,
    print_checked,
    store_outcomes,
    update,
)

STORE_TOLERANCE = Tolerance(merges=0.5, training=0.5)
"""Points by which a task may differ between two stores; both hold numbers of one machine."""


def add_verbs(verbs: Verbs) -> None:
    """Add check."""
    checking = verbs.add_parser(
        "check", help="compare merged accuracy with a baseline, or two stores with each other"
    )
    checking.add_argument("baseline", nargs="?", type=Path, metavar="BASELINE.json")
    checking.add_argument("--update", action="store_true", help="make the numbers the baseline's")
    checking.add_argument("--exact", action="store_true", help="tolerate no difference of counts")
    checking.add_argument("--store", type=Path, metavar="DIR", help="a store, to be compared with")
    checking.add_argument("--against", type=Path, metavar="DIR", help="this one, the older")
    checking.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    checking.add_argument("--junit", type=Path, metavar="FILE.xml")
    checking.add_argument("--markdown", type=Path, metavar="FILE.md")
    checking.add_argument("--plugin", type=Path, action="append", default=[], metavar="FILE.py")
    checking.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    for plugin in options.plugin:
        registry().add_file(plugin)
    console = Console()
    if options.against is not None or options.store is not None:
        found = _compare_stores(options)
    elif options.baseline is None:
        raise InputError("check what? Give a BASELINE.json, or --store DIR --against DIR")
    elif options.update and options.exact:
        raise InputError("--exact says what a check tolerates; --update checks nothing: drop one")
    elif options.update:
        found = update(options.baseline, Monitor(console), processes=options.jobs)
        print_checked(found, console)
        console.print(f"wrote {options.baseline}", highlight=False, soft_wrap=True)
        return 0
    else:
        found = check(
            options.baseline, Monitor(console), processes=options.jobs, exact=options.exact
        )
    print_checked(found, console)
    _write(options, found)
    return 0 if found.passed else 1


def _compare_stores(options: argparse.Namespace) -> Checked:
    if options.store is None or options.against is None:
        raise InputError("two stores are needed: --store DIR --against DIR")
    if options.baseline is not None or options.update:
        raise InputError("a baseline or two stores can be compared, not both")
    older, newer = (_store(folder) for folder in (options.against, options.store))
    found = changes(
        store_outcomes(older), store_outcomes(newer), STORE_TOLERANCE, exact=options.exact
    )
    return Checked(changes=tuple(found))


def _store(folder: Path) -> Store:
    cells = folder / "cells"
    if not cells.is_dir():
        raise InputError(f"no store in {folder}: it has no folder cells")
    return Store(cells)


def _write(options: argparse.Namespace, found: Checked) -> None:
    if options.junit is not None:
        with replacing(options.junit) as file:
            file.write_bytes(junit(found))
    if options.markdown is not None:
        with replacing(options.markdown) as file:
            file.write_text(markdown(found), encoding="utf-8")
