"""Counter-evaluations among the entries of the leaderboard: written, and put into its table."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from mergebench.errors import InputError, unknown_name
from mergebench.experiment import (
    WORST_CASE,
    Experiment,
    counter_merge,
    counter_update,
    file_sha256,
)
from mergebench.files import replacing
from mergebench.measure import CounterMerge, Level, Measurements
from mergebench.report import Entry, counter_entry, read_entry, write_entry
from mergebench.verification import Difference, counter_differences, counter_file


def check_counter(options: argparse.Namespace, experiment: Experiment) -> None:
    """Raise `InputError` for a counter-evaluation that lacks something, before it is measured."""
    given = (options.merged, options.target, options.knowledge)
    if not any(given):
        return
    if not all(given) or not options.enter:
        raise InputError(
            "a counter-evaluation is --merged FILE --target TASK --knowledge blind or informed "
            "with --enter NAME and --who NAME"
        )
    if len(experiment.seeds) != 1:
        raise InputError("--merged: it is against an update of one seed; leave --seeds out")
    tasks = experiment.workbench().suite.task_names
    if options.target not in tasks:
        raise InputError(unknown_name("--target", options.target, tasks))
    file_sha256(options.merged)  # that it is a file, as a folder may hold an update too
    counter_update(experiment, options.merged)


def enter_counter(
    options: argparse.Namespace,
    experiment: Experiment,
    measured: Measurements,
    folder: Path,
    about: dict[str, Any],
) -> list[Path]:
    """Measure a merged update and write its entry and a copy of it; return the files.

    `about`: as of `counter_entry`.
    """
    (protection,) = experiment.protections
    found = counter_merge(
        experiment,
        options.merged,
        name=options.enter,
        protection=protection,
        target=options.target,
        seed=experiment.seeds[0],
        level=Level(knowledge=options.knowledge, data=options.levels, attacks=()),
    )
    sha256 = file_sha256(options.merged)
    entry = counter_entry(found, measured.context, merged=sha256, about=about)
    file = write_entry(entry, folder)
    copy = counter_file(file)
    if copy.resolve() != options.merged.resolve():
        with replacing(copy) as temporary:
            shutil.copyfile(options.merged, temporary)
    return [file, copy]


def with_counters(
    measured: Measurements,
    experiment: Experiment,
    levels: Sequence[Level],
    folder: Path,
    console: Console,
) -> Measurements:
    """Return what was measured with the counter-evaluations in `folder` that are confirmed.

    Those of other backbones, protections, seeds and levels are passed over; one that does not come
    out as it says is named and left out.
    """
    return replace(measured, counters=tuple(_confirmed(experiment, levels, folder, console)))


def _confirmed(
    experiment: Experiment, levels: Sequence[Level], folder: Path, console: Console
) -> Iterator[CounterMerge]:
    for file in sorted(folder.glob("*.json")):
        entry = read_entry(file)
        counter = entry.counter
        if counter is None or not _fits(entry, experiment):
            continue
        if not any(level.allows(counter.level) for level in levels):
            continue
        found, differences = None, [_of_another_set(entry)]
        if entry.worst_case == WORST_CASE:
            found, differences = counter_differences(entry, file, experiment)
        for one in differences:
            console.print(f"left out: {entry.name}: {one.text}", markup=False, soft_wrap=True)
        if found is not None and not differences:
            yield found


def _of_another_set(entry: Entry) -> Difference:
    text = f"it was entered against version {entry.worst_case} of the set, this is {WORST_CASE}"
    return Difference(text=text)


def _fits(entry: Entry, experiment: Experiment) -> bool:
    """Whether an entry is about updates that the experiment merges."""
    counter, bench = entry.counter, experiment.workbench()
    return (
        counter is not None
        and entry.backbone_sha256 == bench.backbone.sha256
        and entry.suite_sha256 == bench.suite.sha256
        and entry.release == experiment.setting.release
        and entry.protection in experiment.protections
        and counter.seed in experiment.seeds
    )
