"""Merging and exporting of adapters of anybody."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from itertools import chain

import torch

from mergebench.backbones import (
    BACKBONES,
    BackboneSource,
    ClipSource,
    base_of,
    find_source,
    site_shapes,
    tensor_shapes,
)
from mergebench.contracts import Attack, DataMerger, Merger, Space
from mergebench.errors import InputError
from mergebench.experiment import check_attack
from mergebench.files import Output
from mergebench.merging import merge
from mergebench.registry import parse_options, registry
from mergebench.terminal import make_console, say
from mergebench.updates import (
    EXPORT_FILES,
    Update,
    files_of,
    is_exported,
    is_merged,
    load_update,
    note_export,
    save_adapter,
    save_dense,
)


def run_merge(options: argparse.Namespace) -> None:
    """Merge adapters into one update file."""
    for plugin in options.plugin:
        registry().add_file(plugin)
    attack, space = check_attack(options.attack)
    if issubclass(registry().get(Attack, attack), DataMerger):
        raise InputError(
            f"--attack {attack} looks at inputs, which this command does not read; "
            "choose one that looks at none"
        )
    Output(
        option="--out",
        inputs=[*options.plugin, *chain.from_iterable(map(files_of, options.adapters))],
        is_own=is_merged,
        force=options.force,
        suffix=".safetensors",
    ).check_file(options.out)
    merger = registry().get(Merger, attack)
    merger_options = parse_options(merger, options.settings)
    alpha = _number(options.alpha)
    shapes, every = site_shapes(options.backbone), tensor_shapes(options.backbone)
    updates = [_load(adapter, options, shapes, dense_shapes=every) for adapter in options.adapters]
    configured = merger.configured(**merger_options)
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
    make_console().print(
        f"{len(updates)} updates merged by {configured!r}@{space}, alpha {alpha:g}: {options.out}",
        soft_wrap=True,
    )


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > torch.finfo(torch.float32).max:
        raise InputError(f"--alpha {text}: expected a finite number within float32")
    return number


def run_export(options: argparse.Namespace) -> None:
    """Write an adapter in another layout."""
    source = find_source(options.backbone)
    _check_layout(options, source)
    Output(
        option="--out",
        inputs=files_of(options.adapter),
        is_own=is_exported,
        force=options.force,
    ).check_folder(options.out, EXPORT_FILES)
    update = _load(options.adapter, options, site_shapes(options.backbone))
    base_model = source.huggingface if options.layout == "huggingface" else options.backbone
    save_adapter(update, options.out, base_model=base_model, layout=options.layout)
    note_export(
        options.out,
        {"adapter": options.adapter, "backbone": options.backbone, "layout": options.layout},
    )
    make_console().print(
        f"{len(update.sites)} sites of {options.adapter} as {options.layout}: {options.out}",
        soft_wrap=True,
    )


def _check_layout(options: argparse.Namespace, source: BackboneSource) -> None:
    """Raise `InputError` for a layout that is of no model with the backbone's tower."""
    if options.layout == "huggingface":
        others = [name for name, one in BACKBONES.items() if one.huggingface]
        known = bool(source.huggingface)
    else:
        others = [name for name, one in BACKBONES.items() if isinstance(one, ClipSource)]
        known = isinstance(source, ClipSource)
    if not known:
        raise InputError(
            f"--layout {options.layout}: backbone {options.backbone} has no counterpart there; "
            f"use it for {', '.join(others)}"
        )


def _load(
    adapter: str,
    options: argparse.Namespace,
    shapes: Mapping[str, tuple[int, ...]],
    dense_shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Update:
    update = load_update(
        adapter,
        shapes,
        options.backbone,
        dense_shapes=dense_shapes,
        base=base_of(options.backbone),
        other_base=options.other_base,
        vision_tower=options.vision_tower,
    )
    if update.left_out:
        say(
            f"{adapter}: left out {' and '.join(update.left_out)}, saved whole: a head is no part "
            f"of the tower of {options.backbone}, whose heads are made of class names"
        )
    return update
