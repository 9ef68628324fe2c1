"""The verbs for adapters of anybody, and for what can be used on them."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from rich.console import Console

from mergebench.backbones import find_source, site_shapes, tensor_shapes
from mergebench.commands.listing import LISTS, print_list
from mergebench.commands.parser import Verbs
from mergebench.contracts import Attack, DataMerger, Merger, Space
from mergebench.errors import InputError
from mergebench.experiment import check_attack
from mergebench.merging import merge
from mergebench.registry import parse_options, registry
from mergebench.updates import LAYOUTS, load_update, save_adapter, save_dense


def add_verbs(verbs: Verbs) -> None:
    """Add merge, export and list."""
    _add_merge(verbs)
    exporting = verbs.add_parser("export", help="write an adapter in another layout")
    exporting.add_argument("adapter", metavar="ADAPTER", help="PEFT folder or safetensors")
    exporting.add_argument("--backbone", required=True)
    exporting.add_argument("--layout", required=True, choices=LAYOUTS)
    exporting.add_argument("--out", type=Path, required=True, metavar="DIR")
    exporting.set_defaults(run=_export)
    listing = verbs.add_parser("list", help="show the plug-ins, backbones and suites there are")
    listing.add_argument("kind", metavar="KIND", help=" | ".join(LISTS))
    listing.add_argument("--plugin", type=Path, action="append", default=[], metavar="FILE.py")
    listing.set_defaults(run=_list)


def _add_merge(verbs: Verbs) -> None:
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


def _merge(options: argparse.Namespace) -> None:
    for plugin in options.plugin:
        registry().add_file(plugin)
    attack, space = check_attack(options.attack)
    if issubclass(registry().get(Attack, attack), DataMerger):
        raise InputError(
            f"--attack {attack} needs images, which this command does not read; "
            "choose one that needs none"
        )
    merger = registry().get(Merger, attack)
    merger_options = parse_options(merger, options.settings)
    alpha = _number(options.alpha)
    shapes, every = site_shapes(options.backbone), tensor_shapes(options.backbone)
    updates = [
        load_update(adapter, shapes, options.backbone, dense_shapes=every)
        for adapter in options.adapters
    ]
    configured = merger(**merger_options)
    try:
        merged = merge(configured, updates, space=registry().get(Space, space)(), seed=options.seed)
    except ArithmeticError as error:
        raise InputError(f"{error}; the updates are too large for their dtype") from error
    about = {
        "backbone": options.backbone,
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


def _export(options: argparse.Namespace) -> None:
    source = find_source(options.backbone)
    theirs = options.layout == "huggingface"
    if theirs and not source.huggingface:
        raise InputError(
            f"--layout huggingface: backbone {options.backbone} has no counterpart there; "
            "use it for vit_b32 and vit_l14"
        )
    update = load_update(options.adapter, site_shapes(options.backbone), options.backbone)
    base_model = source.huggingface if theirs else options.backbone
    save_adapter(update, options.out, base_model=base_model, layout=options.layout)
    print(f"{len(update.sites)} sites of {options.adapter} as {options.layout}: {options.out}")


def _list(options: argparse.Namespace) -> None:
    for plugin in options.plugin:
        registry().add_file(plugin)
    print_list(options.kind, Console())
