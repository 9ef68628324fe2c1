"""The options of verbs that measure an experiment."""

from __future__ import annotations

import argparse
from pathlib import Path

from mergebench.commands import numbers
from mergebench.commands.cluster_options import add_executor_options
from mergebench.commands.parser import (
    Options,
    Parser,
    add_plugin_option,
    named_folder,
    names_in,
    names_word,
    path_word,
)
from mergebench.device import AUTO, CHOICES
from mergebench.measure import PROTOCOLS
from mergebench.suites import all_tasks, check_tasks

DEFAULT_BACKBONE = "mini_vit"
DEFAULT_PROTECTION = DEFAULT_PROTECTIONS = "trap2"
DEFAULT_STORE = Path("runs")
DEFAULT_RESULTS = Path("results")
_PROMPTS = "(default: 'a photo of a {}.', of texts '{}')"
MINI8_CACHE = Path(".cache/mini8")
"""Where the embedded suite and its corpus are built."""

BACKBONE = "its name, as `mergebench list backbones` shows"


def add_standalone_options(verb: Parser) -> None:
    """Add what verbs take that measure single updates, and say that they merge nothing."""
    add_experiment_options(verb)
    add_protocol_option(verb, "; nothing is searched here, and its defects alone count")
    add_work_options(verb)
    verb.refuse("nothing is merged here", "--attacks")
    verb.set_defaults(default_attacks=())


def add_merging_options(verb: Parser, attacks: str) -> None:
    """Add what verbs take that measure merges; `attacks`: as of `add_attacks_option`."""
    add_experiment_options(verb)
    add_protocol_option(verb)
    add_attacks_option(verb, attacks)
    add_work_options(verb)


def add_experiment_options(verb: Parser) -> None:
    """Add what says which updates of which model an experiment is about, and where it is kept."""
    model = verb.add_argument_group("model and tasks")
    model.add_argument("--backbone", default=DEFAULT_BACKBONE, help=BACKBONE)
    add_place_options(model)
    add_tasks_option(model)
    verb.check(known_tasks)
    add_data_options(model)
    add_own_data_options(model)
    add_leak_option(model)
    _add_update_options(verb.add_argument_group("updates"))
    files = verb.add_argument_group("files")
    add_store_option(files)
    add_results_option(files)


def add_tasks_option(parser: Options) -> None:
    """Add which tasks of a suite there are, for verbs that check that they are `known_tasks`."""
    parser.add_argument(
        "--tasks",
        type=names_word,
        help="names, separated by spaces or commas (default: all of the suite)",
    )


def known_tasks(options: argparse.Namespace) -> None:
    """Raise `InputError` for tasks that the backbone's suite does not have.

    Those of the user's own data are known when these are looked at, no sooner.
    """
    from mergebench.experiment import SETTINGS

    if options.tasks and not options.data and options.backbone in SETTINGS:
        check_tasks(names_in(options.tasks), all_tasks(SETTINGS[options.backbone].suite))


def _add_update_options(updates: Options) -> None:
    updates.add_argument(
        "--protections",
        type=names_word,
        default=DEFAULT_PROTECTIONS,
        help="names, separated by spaces or commas",
    )
    updates.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME.KEY=VALUE",
        dest="settings",
        help="an option of a protection or an attack, e.g. trap2.strength=0.1; repeatable",
    )
    add_plugin_option(updates)
    updates.add_argument(
        "--train-precision",
        choices=("fp32", "bf16"),
        help="arithmetic of training (default: the recipe's)",
    )
    updates.add_argument("--seed", type=numbers.seed, default=0, help="the first seed")
    updates.add_argument("--seeds", type=numbers.seeds, default=1, help="how many seeds")


def add_protocol_option(verb: Parser, use: str = "") -> None:
    """Add how merges are searched; `use`: what else the help says."""
    verb.add_argument("--protocol", default="paper", help=" | ".join(PROTOCOLS) + use)


def add_attacks_option(verb: Parser, attacks: str) -> None:
    """Add what merges; `attacks`: which are taken where none is named, in words."""
    verb.add_argument(
        "--attacks",
        type=names_word,
        help=f"attack[@space] names, separated by spaces or commas (default: {attacks})",
    )


def add_work_options(verb: Parser) -> None:
    """Add who does the work of an experiment: processes of this machine, or jobs of Slurm."""
    add_jobs_option(verb)
    add_executor_options(verb)


def add_weights_option(parser: Options, use: str = "") -> None:
    """Add where the weights of the backbone lie; `use`: what for, after a comma."""
    parser.add_argument(
        "--weights",
        type=path_word,
        metavar="FILE",
        help=f"local weights of the backbone{use} (default: those it comes with, or of the hub)",
    )


def add_place_options(parser: Options) -> None:
    """Add where the weights of the backbone lie, and where it computes."""
    add_weights_option(parser)
    parser.add_argument("--device", default=AUTO, help=CHOICES)


def add_jobs_option(parser: Parser) -> None:
    """Add how many processes share the work."""
    parser.add_argument("--jobs", type=numbers.jobs, default=1, help="processes, one thread each")


def add_store_option(parser: Options) -> None:
    """Add the folder of what was measured, for verbs that keep what they measure."""
    parser.add_argument(
        "--store",
        type=named_folder,
        default=DEFAULT_STORE,
        metavar="DIR",
        help="what is trained and measured is kept there, and recalled",
    )


def add_results_option(parser: Options) -> None:
    """Add the folder of tables and figures."""
    parser.add_argument(
        "--results",
        type=named_folder,
        default=DEFAULT_RESULTS,
        metavar="DIR",
        help="results are written there, into a folder below it",
    )


def add_data_options(parser: Options) -> None:
    """Add what every verb takes that looks for the data of a suite."""
    parser.add_argument(
        "--data-root",
        type=named_folder,
        metavar="DIR",
        help="local copies of data sets (default: $MERGEBENCH_DATA, or data in the cache)",
    )
    parser.add_argument(
        "--cache",
        type=named_folder,
        metavar="DIR",
        help="where decoded data are kept "
        "(default: $MERGEBENCH_CACHE, or mergebench among the user's caches)",
    )
    parser.add_argument("--partial", action="store_true", help="accept data sets that lack some")


def add_own_data_options(parser: Options) -> None:
    """Add what names data of the user's own."""
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="data of your own, a task each, in place of the suite (docs/own_data.md)",
    )
    _add_class_name_options(parser, "their prompt", "what their classes are called: label -> name")


def add_leak_option(parser: Options) -> None:
    """Add what verbs take that train on the data."""
    parser.add_argument(
        "--drop-leaks",
        action="store_true",
        help="leave training inputs out that are validation or test inputs too",
    )


def add_classifier_options(parser: Parser) -> None:
    """Add what one task of `--data` is classified with: prompts, class names, a backbone."""
    _add_class_name_options(parser, "prompt of --data", "what the classes of --data are called")
    add_place_options(parser)


def _add_class_name_options(parser: Options, prompt: str, names: str) -> None:
    """Add prompts and class names; `prompt`, `names`: what the help says that they are."""
    parser.add_argument(
        "--template",
        action="append",
        default=[],
        metavar="TEXT",
        help=f"{prompt}, with {{}} for the class name; several are averaged {_PROMPTS}",
    )
    parser.add_argument(
        "--names", type=Path, metavar="FILE", help=f"{names} (default: as their labels)"
    )
