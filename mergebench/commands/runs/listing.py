"""What `mergebench list` shows: plug-ins, backbones and suites, with where they come from."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from functools import partial

from rich.console import Console
from rich.table import Table

from mergebench.backbones import BACKBONES
from mergebench.contracts import Attack, Plugin, Protection, Space
from mergebench.errors import InputError, unknown_name
from mergebench.experiment import FULL_SETTINGS, SETTINGS
from mergebench.measure import PROTOCOLS
from mergebench.registry import registry
from mergebench.suites.mini8 import read_manifest
from mergebench.suites.vision8 import prompts_of, split_sizes, task_rows

_KINDS: Mapping[str, type[Plugin]] = {
    "attacks": Attack,
    "spaces": Space,
    "protections": Protection,
}


def run_list(options: argparse.Namespace) -> None:
    """Print what there is of one kind."""
    for plugin in options.plugin:
        registry().add_file(plugin)
    print_list(options.kind, Console())


def print_list(kind: str, console: Console) -> None:
    """Print the table of one kind, a key of `LISTS`; `InputError` with the nearest otherwise."""
    if kind not in LISTS:
        raise InputError(unknown_name("kind", kind, list(LISTS)))
    LISTS[kind](console)


def _print_plugins(kind: type[Plugin], console: Console) -> None:
    table = Table("name", "hyper-parameters", "paper, where from")
    for found in registry().all(kind):
        plugin = found.plugin
        name = plugin.name
        if issubclass(plugin, Attack):
            name += "\n" + "\n".join(f"  @{space}" for space in plugin.spaces)
        options = "\n".join(_option(item) for item in fields(plugin))
        table.add_row(name, options or "-", f"{plugin.paper}\n{found.origin}")
    console.print(table)
    for broken in registry().broken:
        console.print(f"not usable: {broken.origin}: {broken.error}", highlight=False)


def _option(item: Field[object]) -> str:
    """Return `name=default`; a nested recipe is only named."""
    if item.default is not MISSING:
        return f"{item.name}={item.default!r}"
    if item.default_factory is not MISSING:
        value = item.default_factory()
        return f"{item.name}={type(value).__name__}()" if is_dataclass(value) else item.name
    return f"{item.name} (required)"


def _print_backbones(console: Console) -> None:
    table = Table("name", "suite", "validation", "precision", "recipes")
    table.columns[0].no_wrap = True
    for name in BACKBONES:
        setting = SETTINGS.get(name)
        if setting is None:
            table.add_row(name, "none yet", "-", "-", "-")
            continue
        images = "all" if setting.search_per_task is None else str(setting.search_per_task)
        recipes = setting.recipe.summary, FULL_SETTINGS[name].recipe.summary
        table.add_row(
            name, setting.suite, f"{images} per task", setting.precision, "\n".join(recipes)
        )
    console.print(table)


def _print_suites(console: Console) -> None:
    table = Table("suite", "task", "classes", "train", "val", "test")
    for task in read_manifest().tasks:
        counts = (str(split.count) for split in task.splits.values())
        table.add_row("mini8", task.name, str(len(task.classes)), *counts)
    for row in task_rows():
        classes = len(prompts_of(row.name).classes)
        table.add_row("vision8", row.name, str(classes), *map(str, split_sizes(row).values()))
    console.print(table)


def _print_protocols(console: Console) -> None:
    table = Table("name", "strategy", "alphas", "race", "defects of the reference")
    for protocol in PROTOCOLS.values():
        alphas = f"{len(protocol.alphas)} from {protocol.alphas[0]:g} to {protocol.alphas[-1]:g}"
        stop = "" if protocol.patience is None else f", patience {protocol.patience}"
        on = [name for name, value in asdict(protocol.defects).items() if value]
        table.add_row(
            protocol.name,
            protocol.strategy,
            alphas + stop,
            "no" if protocol.race is None else "yes",
            ", ".join(on) or "none",
        )
    console.print(table)


LISTS: Mapping[str, Callable[[Console], None]] = {
    **{name: partial(_print_plugins, kind) for name, kind in _KINDS.items()},
    "backbones": _print_backbones,
    "suites": _print_suites,
    "protocols": _print_protocols,
}
