"""Reading and exporting of adapters of anybody."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from mergebench.backbones import (
    BACKBONES,
    BackboneSource,
    ClipSource,
    base_of,
    find_source,
    site_shapes,
)
from mergebench.errors import InputError
from mergebench.files import Output
from mergebench.plurals import how_many
from mergebench.terminal import make_console, say
from mergebench.updates import (
    EXPORT_FILES,
    Update,
    files_of,
    is_exported,
    load_update,
    note_export,
    save_adapter,
)


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
    update = load_adapter(options.adapter, options, site_shapes(options.backbone))
    base_model = source.huggingface if options.layout == "huggingface" else options.backbone
    save_adapter(update, options.out, base_model=base_model, layout=options.layout)
    note_export(
        options.out,
        {"adapter": options.adapter, "backbone": options.backbone, "layout": options.layout},
    )
    make_console().print(
        f"{how_many(len(update.sites), 'site')} of {options.adapter} as {options.layout}: "
        f"{options.out}",
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


def load_adapter(
    adapter: str,
    options: argparse.Namespace,
    shapes: Mapping[str, tuple[int, ...]],
    dense_shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Update:
    """Return an adapter that a verb is given, and say what of it is left out.

    `options`: the backbone, and what the user insists on. Parameters and errors as of
    `load_update`.
    """
    update = load_update(
        adapter,
        shapes,
        options.backbone,
        dense_shapes=dense_shapes,
        base=base_of(options.backbone),
        other_base=options.other_base,
        vision_tower=options.vision_tower,
    )
    if not update.norm():
        say(f"{adapter}: changes nothing: all of it is zero (lora_alpha, or untrained factors)")
    if update.left_out:
        say(
            f"{adapter}: left out {' and '.join(update.left_out)}, saved whole: a head is no part "
            f"of the tower of {options.backbone}, whose heads are made of class names"
        )
    return update
