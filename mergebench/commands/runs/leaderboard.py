"""The verb that makes the leaderboard."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from mergebench.commands.runs.counter_entries import check_counter, enter_counter, with_counters
from mergebench.commands.runs.experiments import announced_experiment, checkpoints, say_written
from mergebench.commands.runs.file_names import stem
from mergebench.contracts import DataUse
from mergebench.errors import InputError, shown
from mergebench.experiment import (
    WORST_CASE,
    Experiment,
    Monitor,
    levels,
    measure_worst_case,
    released_hashes,
    yardsticks,
)
from mergebench.measure import Level, Measurements
from mergebench.report import (
    Entry,
    check_name,
    entry_of,
    print_leaderboard,
    read_entry,
    write_entry,
    write_leaderboard,
)
from mergebench.terminal import make_console
from mergebench.verification import counter_file

ENTRIES = "leaderboard"
"""The folder of entries, among the results of all backbones."""


def run_leaderboard(options: argparse.Namespace) -> None:
    """Measure the standard set and write the leaderboard."""
    chosen, without = set_attacks(options), yardsticks(options.release)
    experiment, console = announced_experiment(options), make_console()
    if len(experiment.workbench().suite.task_names) < 2:
        raise InputError("a leaderboard needs two tasks: without others there is no mixture")
    _check_entry(options, experiment)
    measured = measure_worst_case(
        experiment, chosen, without, Monitor(console), processes=options.jobs
    )
    entries = _enter(options, experiment, measured, chosen) if options.enter else []
    measured = with_counters(measured, experiment, chosen, options.results / ENTRIES, console)
    name = "leaderboard" if options.levels == "none" else f"leaderboard_{options.levels}"
    files = write_leaderboard(
        measured,
        options.results / options.backbone,
        stem(name if options.release == "lora" else f"{name}_full", options, experiment),
        levels=chosen,
        yardsticks=without,
        version=WORST_CASE,
    )
    print_leaderboard(measured, console, chosen, without)
    say_written(console, [*files, *entries])


def _enter(
    options: argparse.Namespace,
    experiment: Experiment,
    measured: Measurements,
    chosen: tuple[Level, ...],
) -> list[Path]:
    """Write the entry of the one protection that was measured, or against it; return its files."""
    (protection,) = experiment.protections
    folder = options.results / ENTRIES
    about = {
        "name": options.enter,
        "who": options.who,
        "worst_case": WORST_CASE,
        "adapters": released_hashes(experiment, protection),
    }
    if options.merged:
        return enter_counter(options, experiment, measured, folder, about)
    entry = entry_of(
        measured, chosen, yardsticks(options.release), protection=protection, about=about
    )
    return [write_entry(entry, folder)]


def _check_entry(options: argparse.Namespace, experiment: Experiment) -> None:
    """Raise `InputError` for an entry that cannot be written, before anything is measured."""
    if bool(options.enter) != bool(options.who):
        raise InputError("--enter NAME and --who NAME: an entry has both")
    if options.enter and len(experiment.protections) != 1:
        raise InputError("--enter: an entry is of one protection; name it with --protections")
    if options.enter:
        check_name(options.enter)
    check_counter(options, experiment)
    folder = options.results / ENTRIES
    entries = {file.stem: read_entry(file) for file in sorted(folder.glob("*.json"))}
    if options.enter:
        _check_free(options, folder / f"{options.enter}.json", entries.get(options.enter))


def _check_free(options: argparse.Namespace, file: Path, there: Entry | None) -> None:
    """Raise `InputError` if writing `file`, and a counter's update, replaces what others entered.

    `there`: the entry in it, which may be replaced by whoever entered it, by one of its kind.
    """
    update, whose = counter_file(file), None
    if there is None:
        if options.merged and update.exists() and not update.samefile(options.merged):
            whose = f"{update} is there already"
    elif there.who != options.who:
        whose = f"{file} is an entry of {shown(there.who)}"
    elif bool(there.counter) != bool(options.merged):
        whose = f"{file} is {'a' if there.counter else 'no'} counter-evaluation"
    if whose:
        raise InputError(f"{whose}: choose another --enter name than {options.enter}")


def set_attacks(options: argparse.Namespace) -> tuple[Level, ...]:
    """Set the attacks of the verb to those of the standard set; return its levels.

    Raises `InputError` for levels that the set does not have.
    """
    dense = [f"--release {options.release}"] if options.release == "full" else checkpoints(options)
    if dense and options.levels != "none":
        raise InputError(
            f"--levels {options.levels}: the set's attacks with data are for adapters; "
            f"leave it out with {dense[0]}"
        )
    kinds = get_args(DataUse)
    data = kinds[: kinds.index(options.levels) + 1]
    chosen = levels(options.release, data=data, checkpoints=bool(dense))
    attacks = (name for one in chosen for name in one.attacks)
    options.default_attacks = (*yardsticks(options.release), *attacks)
    return chosen
