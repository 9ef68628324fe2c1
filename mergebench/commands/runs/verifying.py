"""The verb that measures a sample of committed tables again."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console

from mergebench.commands.runs.stated_commands import (
    Places,
    makes_counts,
    stated_experiment,
    stated_plan,
    stated_setting,
)
from mergebench.errors import InputError
from mergebench.experiment import Monitor
from mergebench.registry import registry
from mergebench.report import Entry, read_entry
from mergebench.terminal import make_console
from mergebench.verification import (
    StatedTable,
    Verified,
    check_complete,
    check_numbers,
    compared,
    other_environment,
    other_inputs,
    print_verified,
    print_verified_entry,
    read_tables,
    sample,
    verified_entry,
)

_MAY_DIFFER = "So counts may differ by some inputs, which --tolerance INPUTS allows."


def run_verify(options: argparse.Namespace) -> int:
    """Measure a sample of committed cells again; 1 if counts differ."""
    for plugin in options.plugin:
        registry().add_file(plugin)
    console = make_console()
    entries = _entries(options.folder)
    if entries:
        return _verify_entries(entries, options, console)
    tables = sample(_tables(options, console), options.cells, seed=options.sample_seed)
    with _store(options.store) as store:
        verified = _verified(options, tables, store, console)
    print_verified(verified, console)
    return 0 if verified.passed else 1


def _entries(path: Path) -> dict[Path, Entry]:
    """Return the entries of the leaderboard by file: in a folder, or the one in a file."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    return {file: read_entry(file) for file in files if file.suffix == ".json"}


def _verify_entries(
    entries: Mapping[Path, Entry], options: argparse.Namespace, console: Console
) -> int:
    """Measure entries again; 1 if one is not confirmed."""
    passed = True
    with _store(options.store) as store:
        for file, entry in entries.items():
            experiment = stated_experiment(
                entry.command, file, store=store, places=_places(options)
            )
            verified = verified_entry(
                entry,
                file,
                experiment,
                Monitor(console),
                processes=options.jobs,
                tolerance=options.tolerance,
            )
            print_verified_entry(verified, console)
            passed &= verified.passed
    return 0 if passed else 1


def _tables(options: argparse.Namespace, console: Console) -> list[StatedTable]:
    """Return the tables that can be measured again, and say which cannot.

    Raises `InputError` for one that has not all that its command measures, or contradicts itself.
    """
    known = []
    for table in read_tables(options.folder, partial(stated_setting, plugins=options.plugin)):
        command = table.facts["Command"]
        if makes_counts(command):
            plan = stated_plan(command, table.file, places=_places(options))
            check_complete(table, plan.experiment, plan.levels, open_ended=plan.open_ended)
            check_numbers(table, plan.experiment)
            known.append(table)
        else:
            console.print(f"{table.file.name} is not verified: it was made by `{command}`.")
    if not known:
        raise InputError(
            f"{options.folder} has no table that can be verified: table1 to table5 and leaderboard "
            "can"
        )
    return known


def _places(options: argparse.Namespace) -> Places:
    return Places(
        weights=options.weights,
        data=tuple(options.data),
        names=options.names,
        plugins=tuple(options.plugin),
        data_root=options.data_root,
        cache=options.cache,
        partial=options.partial,
        device=options.device,
    )


@contextmanager
def _store(given: Path | None) -> Iterator[Path]:
    """A new store, from which nothing can be recalled, unless one is given."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)


def _verified(
    options: argparse.Namespace, tables: list[StatedTable], store: Path, console: Console
) -> Verified:
    experiments = [
        stated_experiment(table.facts["Command"], table.file, store=store, places=_places(options))
        for table in tables
    ]
    pairs = list(zip(tables, experiments, strict=True))
    wrong = tuple(text for pair in pairs for text in other_inputs(*pair))
    if wrong:
        return Verified(other_inputs=wrong)
    others = [text for pair in pairs for text in other_environment(*pair)]
    for text in [*others, _MAY_DIFFER] if others else ():
        console.print(text, highlight=False, soft_wrap=True)
    comparisons = [
        one
        for pair in pairs
        for one in compared(
            *pair, Monitor(console), processes=options.jobs, tolerance=options.tolerance
        )
    ]
    return Verified(comparisons=tuple(comparisons))
