"""The verbs that make tables and figures."""

from __future__ import annotations

import argparse

from mergebench.commands.runs.experiments import (
    announced_experiment,
    caption_command,
    say_written,
)
from mergebench.commands.runs.file_names import stem
from mergebench.commands.tables import MERGES
from mergebench.errors import InputError
from mergebench.experiment import (
    Monitor,
    measure_held_scales,
    measure_merges,
    measure_recovery,
    measure_standalone,
    not_measured,
    replay,
)
from mergebench.measure import get_rule
from mergebench.report import (
    print_mergers,
    print_scales,
    print_table1,
    print_table2,
    write_figure2,
    write_mergers,
    write_recovery,
    write_scales,
    write_table1,
    write_table2,
)
from mergebench.terminal import make_console


def run_standalone(options: argparse.Namespace) -> None:
    """Measure and write table 1 or 3."""
    experiment, console = announced_experiment(options), make_console()
    measured = measure_standalone(experiment, Monitor(console), processes=options.jobs)
    folder = options.results / options.backbone
    files = write_table1(measured, folder, stem=stem(f"table{options.table}", options, experiment))
    print_table1(measured, console)
    say_written(console, files)


def run_merges(options: argparse.Namespace) -> None:
    """Measure and write table 2, 4 or 5."""
    experiment, console = announced_experiment(options), make_console()
    measured = measure_merges(experiment, Monitor(console), processes=options.jobs)
    folder, name = options.results / options.backbone, f"table{options.table}"
    files = write_table2(
        measured, folder, stem=stem(name, options, experiment), number=options.table
    )
    print_table2(measured, console, number=options.table)
    say_written(console, files)


def run_mergers(options: argparse.Namespace) -> None:
    """Measure every merger and write their ranking."""
    experiment, console = announced_experiment(options), make_console()
    measured = measure_merges(experiment, Monitor(console), processes=options.jobs)
    name = "mergers" if options.levels == "none" else f"mergers_{options.levels}"
    name = name if options.release == "lora" else f"{name}_full"
    folder = options.results / options.backbone
    files = write_mergers(measured, folder, stem=stem(name, options, experiment))
    print_mergers(measured, console)
    say_written(console, files)


def run_scales(options: argparse.Namespace) -> None:
    """Measure and draw at which scale merges hold the target's update."""
    vars(options).update(MERGES[4 if options.release == "full" else 2])
    experiment, console = announced_experiment(options), make_console()
    measured = measure_held_scales(experiment, Monitor(console), processes=options.jobs)
    name = "scales" if options.release == "lora" else "scales_full"
    folder = options.results / options.backbone
    files = write_scales(measured, folder, stem=stem(name, options, experiment))
    print_scales(measured, console)
    say_written(console, files)


def run_replay(options: argparse.Namespace) -> None:
    """Write a table of merges under another selection rule."""
    rule = get_rule(options.rule)
    vars(options).update(MERGES[options.table])
    if not (options.store / "cells").is_dir():  # what only recalls makes no store
        raise not_measured(options.store, caption_command(options.words), options.table)
    experiment, console = announced_experiment(options), make_console()
    replayed = replay(experiment, rule, table=options.table)
    name = f"{stem(f'table{options.table}', options, experiment)}_rule_{rule.name}"
    folder = options.results / options.backbone
    files = write_table2(replayed, folder, stem=name, number=options.table)
    print_table2(replayed, console, number=options.table)
    say_written(console, files)


def run_recovery(options: argparse.Namespace) -> None:
    """Measure and draw accuracy against the inputs that one attack sees."""
    experiment, console = announced_experiment(options), make_console()
    if len(experiment.attacks) != 1:
        raise InputError(f"--attacks {options.attacks}: the figure is about one attack")
    measured = measure_recovery(
        experiment, Monitor(console), processes=options.jobs, attack=experiment.attacks[0]
    )
    name, folder = stem("recovery", options, experiment), options.results / options.backbone
    say_written(console, write_recovery(measured, folder, stem=name))


def run_figure2(options: argparse.Namespace) -> None:
    """Measure and draw accuracy against scale."""
    experiment, console = announced_experiment(options), make_console()
    measured = measure_standalone(experiment, Monitor(console), processes=options.jobs, curves=True)
    name, folder = stem("figure2", options, experiment), options.results / options.backbone
    say_written(console, write_figure2(measured, folder, stem=name))
