"""The verbs that make tables and figures."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from rich.console import Console

from mergebench.commands.parser import Parser
from mergebench.commands.runs.experiments import checked_experiment
from mergebench.commands.runs.file_names import stem
from mergebench.commands.tables import MERGES, add_verbs
from mergebench.contracts import DataUse
from mergebench.device import AUTO
from mergebench.errors import InputError
from mergebench.experiment import (
    WORST_CASE,
    YARDSTICKS,
    Experiment,
    Monitor,
    levels,
    measure_merges,
    measure_recovery,
    measure_standalone,
    replay,
)
from mergebench.measure import get_rule
from mergebench.report import (
    print_leaderboard,
    print_table1,
    print_table2,
    write_figure2,
    write_leaderboard,
    write_recovery,
    write_table1,
    write_table2,
)
from mergebench.suites import OWN
from mergebench.terminal import make_console, say

_COUNTED = ("table1", "table2", "table3", "table4", "table5")


def makes_counts(command: str) -> bool:
    """Whether the command of a caption measures cells that `stated_experiment` knows how to."""
    return command.split()[1:2] in [[verb] for verb in _COUNTED]


def stated_experiment(
    command: str,
    *,
    store: Path,
    weights: str | None = None,
    device: str = AUTO,
    data: Sequence[Path] = (),
    names: Path | None = None,
) -> Experiment:
    """Return the experiment that the command of a caption measures, to be measured into `store`.

    `weights`, `data`, `names`: the files and folders, as captions state their names alone; what is
    not among `data` is where the command says. Raises `InputError` for wrong names in the command,
    which has to be one that `makes_counts`.
    """
    parser = Parser(prog="mergebench")
    add_verbs(parser.add_subparsers(dest="verb", metavar="VERB"))
    words = shlex.split(command)[1:]
    options = parser.parse_args(words)
    options.words = words
    options.store, options.results, options.device = store, store, device
    options.weights = weights or options.weights
    lying = {path.resolve().name: path for path in data}
    options.data = [lying.get(path.name, path) for path in options.data]
    options.names = names or options.names
    return checked_experiment(options)


def run_standalone(options: argparse.Namespace) -> None:
    """Measure and write table 1 or 3."""
    experiment, console = _announced(options), make_console()
    measured = measure_standalone(experiment, Monitor(console), processes=options.jobs)
    folder = options.results / options.backbone
    files = write_table1(measured, folder, stem=stem(f"table{options.table}", options, experiment))
    print_table1(measured, console)
    _say_written(console, files)


def run_merges(options: argparse.Namespace) -> None:
    """Measure and write table 2, 4 or 5."""
    experiment, console = _announced(options), make_console()
    measured = measure_merges(experiment, Monitor(console), processes=options.jobs)
    folder, name = options.results / options.backbone, f"table{options.table}"
    files = write_table2(
        measured, folder, stem=stem(name, options, experiment), number=options.table
    )
    print_table2(measured, console, number=options.table)
    _say_written(console, files)


def run_replay(options: argparse.Namespace) -> None:
    """Write a table of merges under another selection rule."""
    rule = get_rule(options.rule)
    vars(options).update(MERGES[options.table])
    experiment, console = _announced(options), make_console()
    replayed = replay(experiment, rule, table=options.table)
    name = f"{stem(f'table{options.table}', options, experiment)}_rule_{rule.name}"
    folder = options.results / options.backbone
    files = write_table2(replayed, folder, stem=name, number=options.table)
    print_table2(replayed, console, number=options.table)
    _say_written(console, files)


def run_leaderboard(options: argparse.Namespace) -> None:
    """Measure the standard set and write the leaderboard."""
    if options.attacks:
        raise InputError("--attacks: the leaderboard's set of attacks is fixed; leave it out")
    if options.release == "full" and options.levels != "none":
        raise InputError(
            f"--levels {options.levels}: the set's attacks with data are for adapters; "
            "leave it out with --release full"
        )
    kinds = get_args(DataUse)
    chosen = levels(options.release, data=kinds[: kinds.index(options.levels) + 1])
    options.default_attacks = (*YARDSTICKS, *(name for one in chosen for name in one.attacks))
    experiment, console = _announced(options), make_console()
    if len(experiment.workbench().suite.task_names) < 2:
        raise InputError("a leaderboard needs two tasks: without others there is no mixture")
    measured = measure_merges(experiment, Monitor(console), processes=options.jobs)
    name = "leaderboard" if options.levels == "none" else f"leaderboard_{options.levels}"
    files = write_leaderboard(
        measured,
        options.results / options.backbone,
        stem(name if options.release == "lora" else f"{name}_full", options, experiment),
        levels=chosen,
        yardsticks=YARDSTICKS,
        version=WORST_CASE,
    )
    print_leaderboard(measured, console, chosen, YARDSTICKS)
    _say_written(console, files)


def run_recovery(options: argparse.Namespace) -> None:
    """Measure and draw accuracy against labelled inputs."""
    experiment, console = _announced(options), make_console()
    measured = measure_recovery(experiment, Monitor(console), processes=options.jobs)
    name, folder = stem("recovery", options, experiment), options.results / options.backbone
    _say_written(console, write_recovery(measured, folder, stem=name))


def run_figure2(options: argparse.Namespace) -> None:
    """Measure and draw accuracy against scale."""
    experiment, console = _announced(options), make_console()
    measured = measure_standalone(experiment, Monitor(console), processes=options.jobs, curves=True)
    name, folder = stem("figure2", options, experiment), options.results / options.backbone
    _say_written(console, write_figure2(measured, folder, stem=name))


def _announced(options: argparse.Namespace) -> Experiment:
    """Return the checked experiment; what was made of the user's own data is said at once."""
    experiment = checked_experiment(options)
    if experiment.setting.suite == OWN:
        for note in experiment.workbench().suite.notes:
            say(note)
    return experiment


def _say_written(console: Console, files: Sequence[Path]) -> None:
    for file in files:
        console.print(f"wrote {file}", highlight=False, soft_wrap=True)
