"""The verbs for data: fetch and check those of vision8, build those of the embedded suite."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from mergebench.missing import MissingItem
from mergebench.suites import SplitName, SuiteOptions, default_cache, default_data_root
from mergebench.suites.vision8 import (
    TaskState,
    UnreachableError,
    fetch,
    is_offline,
    split_sizes,
    survey,
    task_rows,
)
from mergebench.terminal import make_console

_INCOMPLETE = 2


def run_build(options: argparse.Namespace) -> None:
    """Rebuild the embedded suite."""
    from mergebench.provenance.suite import build_suite
    from mergebench.suites.mini8 import FOLDER

    build_suite(FOLDER, options.cache)


def run_check(options: argparse.Namespace) -> int:
    """Say which data sets are there; 2 if one is missing."""
    states = _surveyed(options)
    if options.hashes:
        for state in states:
            if state.entry is not None:
                state.entry.verify()
    _print(states, make_console())
    return _report([state.missing for state in states if state.missing is not None])


def run_fetch(options: argparse.Namespace) -> int:
    """Download what is missing; 2 if something still is."""
    states = _surveyed(options)
    missing = [state.missing for state in states if state.missing is not None]
    if missing and is_offline():
        print("mergebench: HF_HUB_OFFLINE is set, nothing is downloaded", file=sys.stderr)
        return _report(missing)
    fetched = []
    for state in states:
        try:
            fetched.append(fetch(state) if state.problem else state)
        except UnreachableError as error:
            print(f"mergebench: no download: {error}", file=sys.stderr)
            return _report(missing)
        print(f"{state.row.name}: {fetched[-1].source or fetched[-1].problem or 'decoded before'}")
    return _report([state.missing for state in fetched if state.missing is not None])


def _surveyed(options: argparse.Namespace) -> list[TaskState]:
    found = SuiteOptions(
        data_root=options.data_root or default_data_root(),
        cache=options.cache or default_cache(),
        resolution=options.resolution,
        partial=options.partial,
    )
    return [survey(row, found) for row in task_rows(options.tasks or None)]


def _report(missing: Sequence[MissingItem]) -> int:
    """Print a line for each missing item; 2 if there is any."""
    for item in missing:
        print(" ".join(f"missing {item}".splitlines()), file=sys.stderr)
    return _INCOMPLETE if missing else 0


def _print(states: Sequence[TaskState], console: Console) -> None:
    table = Table()
    for heading in ("task", "source", "train/val/test", "expected", "classes", "decoded", "GB"):
        table.add_column(heading, overflow="fold")
    for state in states:
        complete = not state.problem
        table.add_row(
            state.row.name,
            str(state.source or ("decoded before" if complete else "-")),
            _sizes(state.sizes or (state.source.counts if state.source else {})),
            _sizes(split_sizes(state.row)),
            "ok" if complete else "-",
            "yes" if state.entry is not None else "no",
            f"{state.cache_bytes / 1e9:.1f}",
        )
    console.print(table)
    side = states[0].options.resolution
    needed = sum(state.cache_bytes for state in states if state.entry is None)
    console.print(
        f"GB: decoded to {side} px; {needed / 1e9:.1f} GB still to be written to "
        f"{states[0].options.cache}",
        highlight=False,
        soft_wrap=True,
    )


def _sizes(sizes: Mapping[str, int] | Mapping[SplitName, int]) -> str:
    return "/".join(str(size) for size in sizes.values()) or "-"
