"""The verbs that hold numbers against older ones: exit status 1 when they moved."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

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


def run_check(options: argparse.Namespace) -> int:
    """Compare with a baseline, or two stores; 1 when numbers moved."""
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
