"""The verbs for adapters of anybody, and for what can be used on them."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from rich.console import Console

from mergebench.adapters import load_update, save_dense
from mergebench.backbones import load_backbone
from mergebench.commands.parser import Verbs
from mergebench.contracts import Merger, Space
from mergebench.errors import InputError
from mergebench.experiment import check_attack
from mergebench.listing import LISTS, print_list
from mergebench.merging import merge
from mergebench.registry import parse_options, registry


def add_verbs(verbs: Verbs) -> None:
    """Add merge and list."""
    _add_merge(verbs)
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
