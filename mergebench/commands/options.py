"""The options of verbs that measure an experiment."""

from __future__ import annotations

from pathlib import Path

from mergebench.commands import numbers
from mergebench.commands.cluster_options import add_executor_options
from mergebench.commands.parser import Parser, add_plugin_option, names_word, path_word
from mergebench.device import AUTO, CHOICES
from mergebench.measure import PROTOCOLS

DEFAULT_BACKBONE = "mini_vit"
DEFAULT_PROTECTION = DEFAULT_PROTECTIONS = "trap2"
DEFAULT_STORE = Path("runs")
DEFAULT_RESULTS = Path("results")


def common_options() -> Parser:
    """Return the options of every verb that measures an experiment."""
    common = Parser(add_help=False)
    common.add_argument("--backbone", default=DEFAULT_BACKBONE)
    common.add_argument(
        "--weights", type=path_word, metavar="FILE", help="local weights of the backbone"
    )
    common.add_argument("--device", default=AUTO, help=CHOICES)
    common.add_argument("--protocol", default="paper", help=" | ".join(PROTOCOLS))
    common.add_argument("--tasks", type=names_word, help="names, separated by spaces or commas")
    common.add_argument("--attacks", type=names_word, help="attack[@space] names, likewise")
    common.add_argument(
        "--protections",
        type=names_word,
        default=DEFAULT_PROTECTIONS,
        help="protection names, likewise",
    )
    common.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME.KEY=VALUE",
        dest="settings",
        help="an option of a protection or an attack, e.g. trap2.strength=0.1",
    )
    common.add_argument(
        "--train-precision", choices=("fp32", "bf16"), help="arithmetic of training, by the recipe"
    )
    common.add_argument("--seed", type=numbers.seed, default=0, help="the first seed")
    common.add_argument("--seeds", type=numbers.seeds, default=1, help="how many seeds")
    common.add_argument("--jobs", type=numbers.jobs, default=1, help="processes, one thread each")
    common.add_argument("--store", type=Path, default=DEFAULT_STORE, metavar="DIR")
    common.add_argument("--results", type=Path, default=DEFAULT_RESULTS, metavar="DIR")
    add_executor_options(common)
    add_plugin_option(common)
    add_data_options(common)
    add_own_data_options(common)
    add_leak_option(common)
    return common


def add_data_options(parser: Parser) -> None:
    """Add what every verb takes that looks for the data of a suite."""
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="local copies of data sets")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where decoded data are kept")
    parser.add_argument("--partial", action="store_true", help="accept data sets that lack some")


def add_own_data_options(parser: Parser) -> None:
    """Add what names data of the user's own."""
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="data of your own, a task each, in place of the suite (docs/own_data.md)",
    )
    parser.add_argument(
        "--template",
        action="append",
        default=[],
        metavar="TEXT",
        help="their prompt, with {} for the class name; several are averaged",
    )
    parser.add_argument(
        "--names", type=Path, metavar="FILE", help="what their classes are called: label -> name"
    )


def add_leak_option(parser: Parser) -> None:
    """Add what verbs take that train on the data."""
    parser.add_argument(
        "--drop-leaks",
        action="store_true",
        help="leave training inputs out that are validation or test inputs too",
    )


def add_classifier_options(parser: Parser) -> None:
    """Add what one task of `--data` is classified with: prompts, class names, a backbone."""
    parser.add_argument(
        "--template",
        action="append",
        default=[],
        metavar="TEXT",
        help="prompt of --data, with {} for the class name; several are averaged",
    )
    parser.add_argument(
        "--names", type=Path, metavar="FILE", help="what the classes of --data are called"
    )
    parser.add_argument(
        "--weights", type=path_word, metavar="FILE", help="local weights of the backbone"
    )
    parser.add_argument("--device", default=AUTO, help=CHOICES)
