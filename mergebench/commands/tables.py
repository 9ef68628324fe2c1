"""The verbs that make tables and figures."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mergebench.atomic import check_writable
from mergebench.backbones import missing_weights
from mergebench.commands.parser import Parser, Verbs
from mergebench.contracts import Protection
from mergebench.device import AUTO, CHOICES, choose_device
from mergebench.errors import InputError
from mergebench.experiment import TABLE2, Experiment, check_attack
from mergebench.measurements import UNPROTECTED
from mergebench.monitor import Monitor
from mergebench.protocols import get_protocol
from mergebench.registry import registry
from mergebench.replay import replay
from mergebench.report import (
    print_table1,
    print_table2,
    write_figure2,
    write_table1,
    write_table2,
)
from mergebench.runner import measure_merges, measure_standalone
from mergebench.selection_rules import RULES, get_rule
from mergebench.settings import get_setting

DEFAULT_BACKBONE = "mini_vit"
DEFAULT_STORE = Path("runs")
DEFAULT_RESULTS = Path("results")
_COUNTED = ("table1", "table2")
_UNSTATED = ("--jobs", "--store", "--results", "--device")


def add_verbs(verbs: Verbs) -> None:
    """Add table1, table2, figure2 and replay."""
    common = Parser(add_help=False)
    common.add_argument("--backbone", default=DEFAULT_BACKBONE)
    common.add_argument("--weights", metavar="FILE", help="local weights of the backbone")
    common.add_argument("--device", default=AUTO, help=CHOICES)
    common.add_argument("--protocol", default="paper", help="paper | clean | clean-exhaustive")
    common.add_argument("--tasks", default="", help="task names, separated by spaces or commas")
    common.add_argument("--attacks", default="", help="attack[@space] names, likewise")
    common.add_argument("--protections", default="trap2", help="protection names, likewise")
    common.add_argument("--seed", type=int, default=0, help="the first seed")
    common.add_argument("--seeds", type=int, default=1, help="how many seeds")
    common.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    common.add_argument("--store", type=Path, default=DEFAULT_STORE, metavar="DIR")
    common.add_argument("--results", type=Path, default=DEFAULT_RESULTS, metavar="DIR")
    common.add_argument("--plugin", type=Path, action="append", default=[], metavar="FILE.py")
    for verb, run, text in (
        ("table1", _table1, "standalone accuracy per task"),
        ("table2", _table2, "merged accuracy per attack@space"),
        ("figure2", _figure2, "accuracy against the deployed scale"),
    ):
        verbs.add_parser(verb, parents=[common], help=text).set_defaults(run=run)
    again = verbs.add_parser("replay", parents=[common], help="table2 under another selection rule")
    again.add_argument("--rule", required=True, help=" | ".join(RULES))
    again.set_defaults(run=_replay)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _command(words: Sequence[str]) -> str:
    """Return the command for a caption; what does not change the numbers is left out."""
    kept: list[str] = []
    skip = False
    for word in words:
        if skip or word.startswith(tuple(f"{option}=" for option in _UNSTATED)):
            skip = False
        elif word in _UNSTATED:
            skip = True
        elif kept[-1:] == ["--weights"]:
            kept.append(Path(word).name)  # which folder it lies in is nobody else's business
        else:
            kept.append(word)
    return shlex.join(["mergebench", *kept])


def _experiment(options: argparse.Namespace) -> Experiment:
    """Return the checked experiment: every wrong name is reported before anything runs."""
    setting = get_setting(options.backbone)
    for plugin in options.plugin:
        registry().add_file(plugin)
    if options.seeds < 1 or options.jobs < 1:
        raise InputError("--seeds and --jobs must be at least 1")
    attacks = _names(options.attacks) or TABLE2
    names = tuple(dict.fromkeys("@".join(check_attack(name)) for name in attacks))
    protections = tuple(
        name for name in dict.fromkeys(_names(options.protections)) if name != UNPROTECTED
    )
    for name in protections:
        registry().get(Protection, name)
    experiment = Experiment(
        backbone=options.backbone,
        setting=setting,
        protocol=get_protocol(options.protocol),
        seeds=tuple(range(options.seed, options.seed + options.seeds)),
        store=options.store,
        command=_command(options.words),
        tasks=_names(options.tasks) or None,
        attacks=names,
        protections=protections,
        plugins=tuple(options.plugin),
        weights=options.weights,
        device=options.device,
    )
    choose_device(options.device)
    missing = missing_weights(options.backbone, options.weights)
    if missing is not None:
        raise InputError(missing)
    check_writable(options.results / options.backbone)
    experiment.workbench()
    return experiment


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
    return _experiment(options)


def _table1(options: argparse.Namespace) -> None:
    experiment, console = _experiment(options), Console()
    measured = measure_standalone(experiment, Monitor(console), processes=options.jobs)
    print_table1(measured, console)
    _say_written(console, write_table1(measured, options.results / options.backbone))


def _table2(options: argparse.Namespace) -> None:
    experiment, console = _experiment(options), Console()
    measured = measure_merges(experiment, Monitor(console), processes=options.jobs)
    print_table2(measured, console)
    stem = _table2_stem(experiment)
    _say_written(console, write_table2(measured, options.results / options.backbone, stem=stem))


def _replay(options: argparse.Namespace) -> None:
    rule = get_rule(options.rule)
    experiment, console = _experiment(options), Console()
    replayed = replay(experiment, rule)
    print_table2(replayed, console)
    stem = f"{_table2_stem(experiment)}_rule_{rule.name}"
    _say_written(console, write_table2(replayed, options.results / options.backbone, stem=stem))


def _table2_stem(experiment: Experiment) -> str:
    protocol = experiment.protocol.name
    return "table2" if protocol == "paper" else f"table2_{protocol}"


def _figure2(options: argparse.Namespace) -> None:
    experiment, console = _experiment(options), Console()
    measured = measure_standalone(experiment, Monitor(console), processes=options.jobs, curves=True)
    _say_written(console, write_figure2(measured, options.results / options.backbone))


def _say_written(console: Console, files: Sequence[Path]) -> None:
    for file in files:
        console.print(f"wrote {file}", highlight=False, soft_wrap=True)
