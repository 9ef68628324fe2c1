"""The verbs that make one file of what was measured, and put it back."""

from __future__ import annotations

import argparse
from pathlib import Path

from mergebench.commands.runs.experiments import say_written
from mergebench.errors import InputError
from mergebench.experiment import Archived, archived, pack, unpack
from mergebench.files import Output
from mergebench.plurals import how_many
from mergebench.terminal import make_console, say


def run_pack(options: argparse.Namespace) -> None:
    """Write what a store has of a backbone into an archive."""
    place = Output(
        option="archive",
        inputs=[options.store],
        is_own=_is_archive,
        force=None,
        suffix=".tar.xz",
    )
    place.check_file(options.file)
    packed = pack(options.store, options.backbone, options.file)
    console = make_console()
    console.print(f"{_counted(packed)}, {options.file.stat().st_size / 2**20:.1f} MiB")
    say_written(console, [options.file])


def run_unpack(options: argparse.Namespace) -> None:
    """Put what an archive holds into a store."""
    unpacked = unpack(options.file, options.store)
    make_console().print(
        f"{_counted(unpacked.archived)}: {unpacked.new} were not in {options.store}"
    )
    if unpacked.others:
        say(
            f"{options.store} has another update in {how_many(len(unpacked.others), 'folder')}, "
            f"such as {unpacked.others[0]}: what was unpacked of it is not found from there; "
            "unpack into an empty store (--store) to have all tables from it"
        )
    if unpacked.unlike:
        say(
            f"{options.store} has other results in {how_many(len(unpacked.unlike), 'cell')}, such "
            f"as {unpacked.unlike[0]}, as another kind of processor makes them: they stay; unpack "
            "into an empty store (--store) to have all tables from it"
        )


def _counted(found: Archived) -> str:
    return (
        f"{how_many(len(found.cells), 'cell')} and the records of "
        f"{how_many(len(found.records), 'training')}"
    )


def _is_archive(file: Path) -> bool:
    try:
        archived(file)
    except InputError:
        return False
    return True
