"""What `mergebench list` shows: plug-ins, backbones and suites, with where they come from."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial

from rich.console import Console
from rich.table import Table

from mergebench.backbones import BACKBONES, find_source, site_shapes
from mergebench.commands.listing import LISTS
from mergebench.commands.runs.plugin_descriptions import (
    KINDS,
    Description,
    descriptions,
    keep_descriptions,
    kept_descriptions,
)
from mergebench.errors import InputError, shape_text, unknown_name
from mergebench.experiment import FULL_SETTINGS, SETTINGS
from mergebench.measure import PROTOCOLS
from mergebench.registry import is_scanned, registry
from mergebench.suites import inputs_of, text8, vision8
from mergebench.suites.mini8 import read_manifest
from mergebench.terminal import make_console
from mergebench.updates import huggingface_module

ATTACKS = "attacks"
SITES = "sites"
"""The kind that is listed of one backbone."""

WIDTH = 160
"""Characters of a line that no terminal limits: no link or file is cut short."""


def run_list(options: argparse.Namespace) -> None:
    """Print what there is of one kind; `InputError` with the nearest kinds for an unknown one."""
    for plugin in options.plugin:
        registry().add_file(plugin)
    if options.kind not in LISTS:
        raise InputError(unknown_name("kind", options.kind, LISTS))
    if (options.kind == SITES) != (options.backbone is not None):
        raise InputError(f"list {SITES} needs --backbone NAME, and nothing else takes it")
    if options.short and options.kind != ATTACKS:
        raise InputError(f"--short is of {ATTACKS} alone: leave it out for {options.kind}")
    console = make_console()
    if not console.is_terminal:
        console = make_console(width=max(WIDTH, console.width))
    if options.backbone is not None:
        _print_sites(options.backbone, console)
    elif options.short:
        _print_threats(console)
    else:
        _PRINTED[options.kind](console)


def _print_plugins(kind: str, console: Console) -> None:
    table = Table()
    for heading in ("name", "hyper-parameters", "paper, where from"):
        table.add_column(heading, overflow="fold")
    for one in _described()[kind]:
        spaces = (f"  @{space}" for space in one.spaces)
        name = "\n".join([one.name, *spaces, *(f"  {said}" for said in one.threat)])
        table.add_row(name, "\n".join(one.options) or "-", f"{one.paper}\n{one.origin}")
    console.print(table)
    _print_broken(console)


def _print_threats(console: Console) -> None:
    """Print a line per attack: its name, then its threat model."""
    attacks = _described()[ATTACKS]
    width = max(len(one.name) for one in attacks)
    for one in attacks:
        line = f"{one.name:{width}}  {', '.join(one.threat)}"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    _print_broken(console)


def _print_broken(console: Console) -> None:
    for broken in registry().broken if is_scanned() else ():
        console.print(f"not usable: {broken.origin}: {broken.error}", highlight=False)


def _described() -> Mapping[str, list[Description]]:
    """Return what is kept of all plug-ins; they are imported if code changed, or `--plugin` did."""
    if is_scanned():
        return descriptions()
    kept = kept_descriptions()
    if kept is not None:
        return kept
    found = descriptions()
    if not registry().broken:
        keep_descriptions(found)
    return found


def _print_backbones(console: Console) -> None:
    table = Table("name", "suite", "validation", "precision", "recipes")
    table.columns[0].no_wrap = True
    for name in BACKBONES:
        setting = SETTINGS.get(name)
        if setting is None:
            table.add_row(name, "none yet", "-", "-", "-")
            continue
        looked_at = "all" if setting.search_per_task is None else str(setting.search_per_task)
        recipes = [
            one.recipe.summary(inputs_of(one.suite), BACKBONES[name].trainable)
            for one in (setting, FULL_SETTINGS[name])
        ]
        table.add_row(
            name, setting.suite, f"{looked_at} per task", setting.precision, "\n".join(recipes)
        )
    console.print(table)


def _print_sites(backbone: str, console: Console) -> None:
    """Print a backbone's sites: names, shapes, and their names in Hugging Face's model if any.

    Raises `InputError` that suggests the nearest names for an unknown backbone.
    """
    theirs = bool(find_source(backbone).huggingface)
    rows = [("site", "shape", "Hugging Face" if theirs else "")]
    for site, shape in site_shapes(backbone).items():
        rows.append((site, shape_text(shape), (huggingface_module(site) or "-") if theirs else ""))
    site_width, shape_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    for site, size, module in rows:  # whole names to copy, however narrow the terminal
        line = f"{site:{site_width}}  {size:{shape_width}}  {module}".rstrip()
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _print_suites(console: Console) -> None:
    table = Table("suite", "task", "classes", "train", "val", "test")
    for task in read_manifest().tasks:
        counts = (str(split.count) for split in task.splits.values())
        table.add_row("mini8", task.name, str(len(task.classes)), *counts)
    for row in vision8.task_rows():
        classes = len(vision8.prompts_of(row.name).classes)
        sizes = vision8.split_sizes(row).values()
        table.add_row("vision8", row.name, str(classes), *map(str, sizes))
    for text_row in text8.task_rows():
        classes = len(text8.prompts_of(text_row.name).classes)
        most = (f"<= {size}" for size in text8.split_sizes(text_row).values())
        table.add_row("text8", text_row.name, str(classes), *most)
    console.print(table)


def _print_protocols(console: Console) -> None:
    table = Table("name", "strategy", "alphas", "race", "defects of the reference")
    for protocol in PROTOCOLS.values():
        alphas = f"{len(protocol.alphas)} from {min(protocol.alphas):g} to {max(protocol.alphas):g}"
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


_PRINTED: Mapping[str, Callable[[Console], None]] = {
    **{kind: partial(_print_plugins, kind) for kind in KINDS},
    "backbones": _print_backbones,
    "suites": _print_suites,
    "protocols": _print_protocols,
}
