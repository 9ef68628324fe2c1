"""The verb that makes the leaderboard."""

from __future__ import annotations

import argparse
from typing import get_args

from mergebench.commands.runs.experiments import checked_experiment, say_written
from mergebench.commands.runs.file_names import stem
from mergebench.contracts import DataUse
from mergebench.errors import InputError
from mergebench.experiment import (
    WORST_CASE,
    YARDSTICKS,
    Monitor,
    levels,
    measure_worst_case,
)
from mergebench.measure import Level
from mergebench.report import print_leaderboard, write_leaderboard
from mergebench.terminal import make_console


def run_leaderboard(options: argparse.Namespace) -> None:
    """Measure the standard set and write the leaderboard."""
    chosen = set_attacks(options)
    experiment, console = checked_experiment(options), make_console()
    if len(experiment.workbench().suite.task_names) < 2:
        raise InputError("a leaderboard needs two tasks: without others there is no mixture")
    measured = measure_worst_case(
        experiment, chosen, YARDSTICKS, Monitor(console), processes=options.jobs
    )
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
    say_written(console, files)


def set_attacks(options: argparse.Namespace) -> tuple[Level, ...]:
    """Set the attacks of the verb to those of the standard set; return its levels.

    Raises `InputError` for options that would change the set.
    """
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
    return chosen
