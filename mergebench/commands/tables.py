"""The verbs that make tables and figures."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from mergebench.commands.experiments import checked_experiment, common_options
from mergebench.commands.parser import Parser, Verbs
from mergebench.device import AUTO
from mergebench.experiment import (
    RECOVERY,
    TABLE2,
    TABLE4,
    TABLE5,
    Experiment,
    Monitor,
    measure_merges,
    measure_recovery,
    measure_standalone,
    replay,
)
from mergebench.measure import RULES, get_rule
from mergebench.report import (
    print_table1,
    print_table2,
    write_figure2,
    write_recovery,
    write_table1,
    write_table2,
)

_MERGES: Mapping[int, Mapping[str, object]] = {
    2: {"release": "lora", "default_attacks": TABLE2},
    4: {"release": "full", "default_attacks": TABLE4},
    5: {"release": "lora", "default_attacks": TABLE5},
}
"""What the paper's tables of merges are about."""

_COUNTED = ("table1", "table2", "table3", "table4", "table5")


def add_verbs(verbs: Verbs) -> None:
    """Add the tables, the figures and replay."""
    common = common_options()
    for number, merges, text in (
        (1, 2, "standalone accuracy per task"),
        (3, 4, "as table1, of full fine-tuning"),
    ):
        added = verbs.add_parser(f"table{number}", parents=[common], help=text)
        added.set_defaults(run=_standalone, table=number, **_MERGES[merges])
    for number, text in (
        (2, "merged accuracy per attack@space"),
        (4, "as table2, of full fine-tuning"),
        (5, "merged accuracy of attacks that look at images"),
    ):
        added = verbs.add_parser(f"table{number}", parents=[common], help=text)
        added.set_defaults(run=_merges, table=number, **_MERGES[number])
    figure = verbs.add_parser(
        "figure2", parents=[common], help="accuracy against the deployed scale"
    )
    figure.set_defaults(run=_figure2, release="lora", default_attacks=TABLE2)
    recovery = verbs.add_parser(
        "recovery", parents=[common], help="accuracy of fine-tuned merges against labelled images"
    )
    recovery.set_defaults(run=_recovery, release="lora", default_attacks=(RECOVERY,))
    again = verbs.add_parser("replay", parents=[common], help="merges under another selection rule")
    again.add_argument("--rule", required=True, help=" | ".join(RULES))
    again.add_argument(
        "--table", type=int, choices=[*_MERGES], default=2, help="which table's merges"
    )
    again.set_defaults(run=_replay)


def makes_counts(command: str) -> bool:
    """Whether the command of a caption measures cells that `stated_experiment` knows how to."""
    return command.startswith(tuple(f"mergebench {verb} " for verb in _COUNTED))


def stated_experiment(
    command: str, *, store: Path, weights: str | None = None, device: str = AUTO
) -> Experiment:
    """Return the experiment that the command of a caption measures, to be measured into `store`.

    `weights`: the file, as captions state its name alone. Raises `InputError` for wrong names in
    the command, which has to be one that `makes_counts`.
    """
    parser = Parser(prog="mergebench")
    add_verbs(parser.add_subparsers(dest="verb", metavar="VERB"))
    words = shlex.split(command)[1:]
    options = parser.parse_args(words)
    options.words = words
    options.store, options.results, options.device = store, store, device
    options.weights = weights or options.weights
    return checked_experiment(options)


def _standalone(options: argparse.Namespace) -> None:
    experiment, console = checked_experiment(options), Console()
    measured = measure_standalone(experiment, Monitor(console), processes=options.jobs)
    print_table1(measured, console)
    folder, stem = options.results / options.backbone, f"table{options.table}"
    _say_written(console, write_table1(measured, folder, stem=stem))


def _merges(options: argparse.Namespace) -> None:
    experiment, console = checked_experiment(options), Console()
    measured = measure_merges(experiment, Monitor(console), processes=options.jobs)
    print_table2(measured, console, number=options.table)
    folder, stem = options.results / options.backbone, _stem(f"table{options.table}", experiment)
    _say_written(console, write_table2(measured, folder, stem=stem, number=options.table))


def _replay(options: argparse.Namespace) -> None:
    rule = get_rule(options.rule)
    vars(options).update(_MERGES[options.table])
    experiment, console = checked_experiment(options), Console()
    replayed = replay(experiment, rule, table=options.table)
    print_table2(replayed, console, number=options.table)
    stem = f"{_stem(f'table{options.table}', experiment)}_rule_{rule.name}"
    folder = options.results / options.backbone
    _say_written(console, write_table2(replayed, folder, stem=stem, number=options.table))


def _stem(table: str, experiment: Experiment) -> str:
    protocol = experiment.protocol.name
    return table if protocol == "paper" else f"{table}_{protocol}"


def _recovery(options: argparse.Namespace) -> None:
    experiment, console = checked_experiment(options), Console()
    measured = measure_recovery(experiment, Monitor(console), processes=options.jobs)
    folder, stem = options.results / options.backbone, _stem("recovery", experiment)
    _say_written(console, write_recovery(measured, folder, stem=stem))


def _figure2(options: argparse.Namespace) -> None:
    experiment, console = checked_experiment(options), Console()
    measured = measure_standalone(experiment, Monitor(console), processes=options.jobs, curves=True)
    _say_written(console, write_figure2(measured, options.results / options.backbone))


def _say_written(console: Console, files: Sequence[Path]) -> None:
    for file in files:
        console.print(f"wrote {file}", highlight=False, soft_wrap=True)
