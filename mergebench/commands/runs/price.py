"""The verb that measures the price of theft."""

from __future__ import annotations

import argparse

from mergebench.commands.parser import names_in
from mergebench.commands.runs.experiments import (
    announced_experiment,
    checkpoints,
    say_written,
)
from mergebench.commands.runs.file_names import stem
from mergebench.errors import InputError
from mergebench.experiment import Monitor, measure_price, price_attacks, price_budgets
from mergebench.report import print_price, write_price
from mergebench.terminal import make_console


def run_price(options: argparse.Namespace) -> None:
    """Measure what numbers of inputs give, and write the price of theft."""
    if dense := checkpoints(options):
        raise InputError(f"the price of theft is of adapters, and {dense[0]} releases none")
    experiment, console = announced_experiment(options), make_console()
    if len(experiment.workbench().suite.task_names) < 2:
        raise InputError("a price of theft needs two tasks: without others there is no mixture")
    attacks = price_attacks(experiment)
    budgets = price_budgets(experiment, tuple(map(_budget, names_in(options.budgets))))
    measured = measure_price(experiment, budgets, Monitor(console), processes=options.jobs)
    free, yardsticks = attacks.levels[0], attacks.yardsticks
    folder, name = options.results / options.backbone, stem("price", options, experiment)
    files = write_price(measured, folder, name, free=free, yardsticks=yardsticks)
    print_price(measured, console, free=free, yardsticks=yardsticks)
    say_written(console, files)


def _budget(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:8]) <= 1_000_000:
        raise InputError(f"--budgets: {text} is no whole number from 1 to 1000000")
    return int(text)
