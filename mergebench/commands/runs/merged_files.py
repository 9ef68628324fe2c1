"""What `merge` writes: a dense update, or an adapter of a given rank."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import chain

from mergebench.backbones import ClipSource, find_source, site_shapes
from mergebench.files import Output
from mergebench.measure import degenerate_bases
from mergebench.terminal import say
from mergebench.updates import (
    EXPORT_FILES,
    LEAST_GAP,
    Update,
    files_of,
    is_exported,
    is_merged,
    note_export,
    save_adapter,
    save_dense,
    truncated,
)


def check_output(options: argparse.Namespace, adapters: Sequence[str]) -> None:
    """Raise `InputError` unless the merge may be written where `--out` says."""
    inputs = [*options.plugin, *chain.from_iterable(map(files_of, adapters))]
    if options.rank is None:
        place = Output(
            option="--out",
            inputs=inputs,
            is_own=is_merged,
            force=options.force,
            suffix=".safetensors",
        )
        place.check_file(options.out)
    else:
        place = Output(option="--out", inputs=inputs, is_own=is_exported, force=options.force)
        place.check_folder(options.out, EXPORT_FILES)


def write_merged(merged: Update, options: argparse.Namespace, about: Mapping[str, object]) -> str:
    """Write the merge as `about` says it was made; return what of it was kept, in words.

    Raises `InputError` when an adapter cannot hold it, and as the writing does.
    """
    if options.rank is None:
        save_dense(merged, options.out, about)
        return ""
    cut = truncated(merged, options.rank, site_shapes(options.backbone))
    what = f"smallest relative gap at the cut to rank {options.rank}"
    warn({what: cut.gap}, {what: LEAST_GAP})
    clip = isinstance(find_source(options.backbone), ClipSource)
    save_adapter(
        cut.update,
        options.out,
        base_model=options.backbone if clip else find_source(options.backbone).huggingface,
        layout="open_clip" if clip else "huggingface",
    )
    note_export(options.out, {**about, "rank": options.rank, "kept": round(cut.kept, 6)})
    return f", rank {options.rank} ({100 * cut.kept:.1f} % of its squared norm)"


def warn(notes: Mapping[str, float], limits: Mapping[str, float]) -> None:
    """Say of which notes about bases and spectra the merge is doubtful, a line each."""
    for warning in degenerate_bases(notes, limits):
        say(f"{warning.kind}: {warning.detail}: rounding decides a part of the result")
