"""The experiments of commands that captions and entries state."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mergebench.backbones import RANDOM
from mergebench.commands.parser import Parser
from mergebench.commands.runs.experiments import (
    checked_experiment,
    described_experiment,
    setting_of,
)
from mergebench.commands.runs.leaderboard import set_attacks
from mergebench.commands.tables import add_verbs
from mergebench.device import AUTO
from mergebench.errors import InputError
from mergebench.experiment import Experiment, Setting
from mergebench.measure import Level, get_protocol
from mergebench.missing import MissingItemsError
from mergebench.registry import registry

_COUNTED = ("table1", "table2", "table3", "table4", "table5", "leaderboard", "mergers")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the files lie of which commands of captions state the name alone, or nothing.

    `weights`, `names`: in the place of those that the command names; `data`, `plugins`: what is not
    among them is where the command says. `data_root`, `cache`, `partial`, `device`: as the options
    of tables; `data_root` is of the suite, so that it is no matter of data of one's own.
    """

    weights: str | None = None
    data: tuple[Path, ...] = ()
    names: Path | None = None
    plugins: tuple[Path, ...] = ()
    data_root: Path | None = None
    cache: Path | None = None
    partial: bool = False
    device: str = AUTO


def makes_counts(command: str) -> bool:
    """Whether the command of a caption measures cells that `stated_experiment` knows how to."""
    return command.split()[1:2] in [[verb] for verb in _COUNTED]


def stated_experiment(command: str, file: Path, *, store: Path, places: Places) -> Experiment:
    """Return the experiment that the command in `file` measures, to be measured into `store`.

    Raises `InputError`, which names the file, for wrong names in the command and for another one
    than `makes_counts`; `MissingItemsError` for what has to be fetched first.
    """
    with _naming(file):
        options, _ = _placed_options(command, store, places)
        options.weights = _weights(options.weights, places.weights)
        return checked_experiment(options)


@dataclass(frozen=True, kw_only=True)
class StatedPlan:
    """What a command measures, of which nothing is loaded.

    `levels`: of a leaderboard, none for other tables. `open_ended`: whether it takes every merger
    that there is, so that there may be more by now.
    """

    experiment: Experiment
    levels: tuple[Level, ...]
    open_ended: bool


def stated_plan(command: str, file: Path, *, places: Places) -> StatedPlan:
    """Return what the command in `file` measures, for which no weights are needed.

    Errors as of `stated_experiment`, but for weights and data that are not there.
    """
    with _naming(file):
        options, levels = _placed_options(command, file.parent, places)
        every = vars(options).get("default_attacks", ()) is None and not options.attacks
        experiment = described_experiment(options)
        return StatedPlan(experiment=experiment, levels=levels, open_ended=every)


def _placed_options(
    command: str, store: Path, places: Places
) -> tuple[argparse.Namespace, tuple[Level, ...]]:
    """Return the options of a command, its files being where `places` has them, and its levels."""
    if not makes_counts(command):
        raise InputError(f"its command `{command}` makes none of: {', '.join(_COUNTED)}")
    options = _stated_options(command)
    options.store, options.results, options.device = store, store, places.device
    options.plugin = _plugins(options.plugin, places.plugins)
    levels = set_attacks(options) if options.verb == "leaderboard" else ()
    options.data = _lying(options.data, places.data)
    options.names = places.names or options.names
    options.data_root = None if options.data else places.data_root
    options.cache = places.cache
    options.partial = options.partial or places.partial
    return options, levels


def stated_setting(command: str, *, plugins: Sequence[Path] = ()) -> Setting | None:
    """Return the setting under which a caption's command measures; None unless it `makes_counts`.

    `plugins`: as of `Places`. Raises `InputError` for wrong names in the command.
    """
    if not makes_counts(command):
        return None
    options = _stated_options(command)
    for plugin in _plugins(options.plugin, plugins):
        registry().add_file(plugin)
    return setting_of(options, get_protocol(options.protocol))


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Name the file in front of what is wrong with its command, but not of what is not here yet."""
    try:
        yield
    except MissingItemsError:
        raise
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _stated_options(command: str) -> argparse.Namespace:
    parser = Parser(prog="mergebench")
    add_verbs(parser.add_subparsers(dest="verb", metavar="VERB"))
    try:
        words = shlex.split(command)[1:]
    except ValueError as error:
        raise InputError(f"its command `{command}` cannot be read: {error}") from error
    try:
        options = parser.parse_args(words)
    except SystemExit:
        raise InputError(f"its command `{command}` measures nothing") from None
    options.words = words
    return options


def _weights(stated: str | None, given: str | None) -> str | None:
    """Return the weights to load: captions state the name of a file, not where it lies."""
    if given is None and stated not in (None, RANDOM) and not Path(str(stated)).exists():
        raise InputError(
            f"the caption names the weights `{stated}`: say where they are with --weights"
        )
    return given or stated


def _plugins(stated: Sequence[Path], given: Sequence[Path]) -> list[Path]:
    """Return the plug-in files to load: captions state their names, not where they lie."""
    found = _lying(stated, given)
    for file in found:
        if not file.exists():
            raise InputError(
                f"the caption names the plug-in `{file}`: say where it is with --plugin"
            )
    return found


def _lying(stated: Sequence[Path], given: Sequence[Path]) -> list[Path]:
    """Return for each path of a command that of this name which is given, else the path itself."""
    places = {path.resolve().name: path for path in given}
    return [places.get(path.name, path) for path in stated]
