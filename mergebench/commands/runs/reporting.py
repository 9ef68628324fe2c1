"""The verb that makes a page of a folder of results."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from mergebench.commands.options import DEFAULT_STORE
from mergebench.commands.runs.experiments import say_written
from mergebench.experiment import existing_store
from mergebench.measure import Cell
from mergebench.report.page import check_page_file, write_page
from mergebench.report.results_page import results_page
from mergebench.terminal import make_console


def run_report(options: argparse.Namespace) -> None:
    """Write the tables of a folder as one page."""
    read = [*options.folder.glob("*.csv"), *options.folder.glob("*.md")]
    check_page_file(options.out, inputs=read, force=options.force)
    page = results_page(options.folder, _cells(options.store))
    write_page(page, options.out, inputs=read, force=options.force)
    say_written(make_console(), [options.out])


def _cells(store: Path | None) -> Iterator[Cell]:
    """Yield the cells of a store, if it is there; one that was named has to be."""
    if store is not None or (DEFAULT_STORE / "cells").is_dir():
        yield from existing_store(store or DEFAULT_STORE).cells()
