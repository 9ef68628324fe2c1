"""The verbs for data: fetch and check those of the suites on disk, build the embedded suite's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from mergebench.commands.runs.suite_data import own_data, refuse
from mergebench.errors import InputError
from mergebench.missing import MissingItem
from mergebench.suites import (
    OWN,
    SUITES_ON_DISK,
    DataState,
    SuiteOptions,
    UnreachableError,
    default_cache,
    default_data_root,
    fetch_data,
    inputs_of,
    is_decoded,
    is_offline,
    survey_suite,
)
from mergebench.terminal import make_console, say

_INCOMPLETE = 2


def run_build(options: argparse.Namespace) -> None:
    """Rebuild the embedded suite."""
    from mergebench.provenance.suite import build_suite
    from mergebench.suites.mini8 import MINI8_FOLDER

    build_suite(MINI8_FOLDER, options.cache)


def run_check(options: argparse.Namespace) -> int:
    """Say which data sets are there; 2 if one is missing."""
    states = _surveyed(options)
    root = options.data_root
    if root is not None and not root.is_dir():
        say(f"--data-root {root}: there is no such folder; correct it, or fetch data into it")
    if options.hashes:
        for state in states:
            state.verify()
    _print(_suite(options), states, make_console())
    for note in (note for state in states for note in state.notes):
        say(note)
    return _report([state.missing for state in states if state.missing is not None])


def run_fetch(options: argparse.Namespace) -> int:
    """Download what is missing; 2 if something still is."""
    states = _surveyed(options)
    missing = [state.missing for state in states if state.missing is not None]
    if missing and is_offline():
        say("HF_HUB_OFFLINE is set, nothing is downloaded")
        return _report(missing)
    fetched = []
    for state in states:
        try:
            fetched.append(fetch_data(state) if state.problem else state)
        except UnreachableError as error:
            say(f"no download: {error}")
            return _report(missing)
        print(f"{state.row.name}: {fetched[-1].outcome}")
    return _report([state.missing for state in fetched if state.missing is not None])


def _surveyed(options: argparse.Namespace) -> list[DataState]:
    suite = _suite(options)
    for name in () if is_decoded(suite) else ("cache", "resolution", "hashes"):
        if getattr(options, name, None) and not (suite == OWN and name == "hashes"):
            raise InputError(f"--{name}: no {inputs_of(suite)} are decoded; leave it out")
    found = SuiteOptions(
        data_root=options.data_root or default_data_root(),
        cache=options.cache or default_cache(),
        partial=options.partial,
        own=own_data(options) if suite == OWN else None,
    )
    if options.resolution is not None:
        found = replace(found, resolution=options.resolution)
    return survey_suite(suite, options.tasks or None, found)


def _suite(options: argparse.Namespace) -> str:
    """Return the suite that the options are about: that of `--data` if it is given."""
    if options.data:
        refuse(options, ("suite",), "--data takes the place of a suite")
        refuse(options, ("data_root",), "--data says where the data are")
        return OWN
    refuse(options, ("template", "names"), "says what classes of --data are called")
    return str(options.suite or SUITES_ON_DISK[0])


def _report(missing: Sequence[MissingItem]) -> int:
    """Print a line for each missing item; 2 if there is any."""
    for item in missing:
        say(str(item), start="missing")
    return _INCOMPLETE if missing else 0


def _print(suite: str, states: Sequence[DataState], console: Console) -> None:
    table = Table()
    for heading in states[0].facts:
        table.add_column(heading, overflow="fold")
    for state in states:
        table.add_row(*state.facts.values())
    console.print(table)
    if is_decoded(suite):
        from mergebench.suites.vision8 import space_needed

        console.print(space_needed(states), highlight=False, soft_wrap=True)
