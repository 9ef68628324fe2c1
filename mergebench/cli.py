"""The `mergebench` command: one verb per table, and the tools for adapters, data and backbones."""

from __future__ import annotations

import argparse
import math
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from rich.console import Console

from mergebench.adapters import load_update, save_dense
from mergebench.atomic import check_writable
from mergebench.backbones import load_backbone
from mergebench.contracts import Merger, Protection, Space
from mergebench.errors import InputError
from mergebench.executors import JobError
from mergebench.experiment import TABLE2, Experiment, check_attack
from mergebench.listing import LISTS, print_list
from mergebench.measurements import UNPROTECTED
from mergebench.merging import merge
from mergebench.monitor import Monitor
from mergebench.pretrain import COMMITTED, PretrainOptions, pretrain
from mergebench.protocols import get_protocol
from mergebench.registry import parse_options, registry, unknown_name
from mergebench.report import (
    print_table1,
    print_table2,
    write_figure2,
    write_table1,
    write_table2,
)
from mergebench.runner import measure_merges, measure_standalone
from mergebench.settings import get_setting

DEFAULT_BACKBONE = "mini_vit"
DEFAULT_STORE = Path("runs")
DEFAULT_RESULTS = Path("results")


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the command, as every other error is said.

    Options are not abbreviated, so that captions state one command in one way.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.+)' \(choose from (.+)\)", message)
        if wrong:
            message = unknown_name("word", wrong[1], re.findall(r"[\w-]+", wrong[2]))
        print(f"mergebench: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 on success, 2 on wrong input, 1 when a job fails, each with one line.

    `arguments`: as after the program's name; None for those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(words)
    options.command = _command(words)
    run: Callable[[argparse.Namespace], None] = options.run
    try:
        run(options)
    except InputError as error:
        _complain(str(error))
        return 2
    except JobError as error:
        _complain(f"{error}; what was measured before is kept")
        return 1
    except KeyboardInterrupt:
        _complain("interrupted; what was measured is kept")
        return 130
    return 0


def _complain(text: str) -> None:
    """Print one line, whatever a library or plug-in put into its message."""
    print("mergebench:", " ".join(text.splitlines()), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="mergebench",
        description="Measure how well protections of fine-tuned updates resist model merging.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_measuring_verbs(verbs)
    _add_merge_verb(verbs)
    listing = verbs.add_parser("list", help="show the plug-ins, backbones and suites there are")
    listing.add_argument("kind", metavar="KIND", help=" | ".join(LISTS))
    listing.add_argument("--plugin", type=Path, action="append", default=[], metavar="FILE.py")
    listing.set_defaults(run=_list)
    data = verbs.add_parser("data", help="rebuild the embedded suite")
    data.add_argument("action", choices=["build"])
    data.add_argument("--cache", type=Path, default=Path(".cache/mini8"), metavar="DIR")
    data.set_defaults(run=_data)
    pretrain = verbs.add_parser("pretrain", help="pretrain an embedded backbone (resumable)")
    pretrain.add_argument("--backbone", default=DEFAULT_BACKBONE)
    pretrain.add_argument("--cache", type=Path, default=Path(".cache/mini8"), metavar="DIR")
    pretrain.add_argument("--out", type=Path, default=None, metavar="DIR")
    pretrain.set_defaults(run=_pretrain)
    return parser


def _add_measuring_verbs(verbs: argparse._SubParsersAction[_Parser]) -> None:
    common = _Parser(add_help=False)
    common.add_argument("--backbone", default=DEFAULT_BACKBONE)
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


def _add_merge_verb(verbs: argparse._SubParsersAction[_Parser]) -> None:
    adapters = verbs.add_parser("merge", help="merge adapters into one update")
    adapters.add_argument(
        "adapters", nargs="+", metavar="ADAPTER", help="PEFT folder or safetensors"
    )
    adapters.add_argument("--backbone", required=True)
    adapters.add_argument("--attack", required=True, metavar="NAME[@SPACE]")
    adapters.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings"
    )
    adapters.add_argument(
        "--alpha", default="1", help="merging coefficient that D is multiplied by"
    )
    adapters.add_argument("--seed", type=int, default=0, help="for attacks that draw at random")
    adapters.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    adapters.add_argument("--plugin", type=Path, action="append", default=[], metavar="FILE.py")
    adapters.set_defaults(run=_merge)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _command(words: Sequence[str]) -> str:
    """Return the command for a caption; what does not change the numbers is left out."""
    kept, skip = [], False
    for word in words:
        if skip or word.startswith(("--jobs=", "--store=", "--results=")):
            skip = False
        elif word in ("--jobs", "--store", "--results"):
            skip = True
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
        command=options.command,
        tasks=_names(options.tasks) or None,
        attacks=names,
        protections=protections,
        plugins=tuple(options.plugin),
    )
    check_writable(options.results / options.backbone)
    experiment.workbench()
    return experiment


def _table1(options: argparse.Namespace) -> None:
    experiment, console = _experiment(options), Console()
    measured = measure_standalone(experiment, Monitor(console), processes=options.jobs)
    print_table1(measured, console)
    _say_written(console, write_table1(measured, options.results / options.backbone))


def _table2(options: argparse.Namespace) -> None:
    experiment, console = _experiment(options), Console()
    measured = measure_merges(experiment, Monitor(console), processes=options.jobs)
    print_table2(measured, console)
    protocol = experiment.protocol.name
    stem = "table2" if protocol == "paper" else f"table2_{protocol}"
    _say_written(console, write_table2(measured, options.results / options.backbone, stem=stem))


def _figure2(options: argparse.Namespace) -> None:
    experiment, console = _experiment(options), Console()
    measured = measure_standalone(experiment, Monitor(console), processes=options.jobs, curves=True)
    _say_written(console, write_figure2(measured, options.results / options.backbone))


def _say_written(console: Console, files: Sequence[Path]) -> None:
    for file in files:
        console.print(f"wrote {file}", highlight=False, soft_wrap=True)


def _merge(options: argparse.Namespace) -> None:
    for plugin in options.plugin:
        registry().add_file(plugin)
    attack, space = check_attack(options.attack)
    merger = registry().get(Merger, attack)
    merger_options = parse_options(merger, options.settings)
    alpha = _number(options.alpha)
    backbone = load_backbone(options.backbone, weights="random")  # only the shapes matter
    shapes = {name: (site.out_features, site.in_features) for name, site in backbone.sites.items()}
    updates = [load_update(adapter, shapes, backbone.name) for adapter in options.adapters]
    configured = merger(**merger_options)
    try:
        merged = merge(configured, updates, space=registry().get(Space, space)(), seed=options.seed)
    except ArithmeticError as error:
        raise InputError(f"{error}; the updates are too large for their dtype") from error
    about = {
        "backbone": backbone.name,
        "attack": f"{attack}@{space}",
        "options": configured.options(),
        "alpha": alpha,
        "seed": options.seed,
        "adapters": options.adapters,
    }
    save_dense(merged.scaled(alpha), options.out, about)
    print(
        f"{len(updates)} updates merged by {configured!r}@{space}, alpha {alpha:g}: {options.out}"
    )


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > torch.finfo(torch.float32).max:
        raise InputError(f"--alpha {text}: expected a finite number within float32")
    return number


def _list(options: argparse.Namespace) -> None:
    for plugin in options.plugin:
        registry().add_file(plugin)
    print_list(options.kind, Console())


def _data(options: argparse.Namespace) -> None:
    from mergebench.suites.build.suite_builder import build_suite
    from mergebench.suites.mini8 import FOLDER

    build_suite(FOLDER, options.cache)


def _pretrain(options: argparse.Namespace) -> None:
    out = options.out or Path("runs") / "pretraining" / options.backbone
    committed = COMMITTED.get(options.backbone, {})
    print(
        pretrain(
            PretrainOptions(backbone=options.backbone, corpus=options.cache, out=out, **committed)
        )
    )
