"""Data sets of vision8 on the Hugging Face hub: found in its cache, listed for a download."""

from __future__ import annotations

from functools import partial as bound

from mergebench.suites.hub_client import Listing, list_files, snapshots, stated
from mergebench.suites.images import Source
from mergebench.suites.prompts import Prompts
from mergebench.suites.split_files import split_files
from mergebench.suites.vision8.parquet import find_parquet
from mergebench.suites.vision8.tasks import Hub


def find_in_hub_cache(hub: Hub, prompts: Prompts, *, partial: bool) -> Source | None:
    """Find a downloaded data set in the hub's cache, without the network; None if there is none.

    Raises `InputError` for an incomplete download and for wrong classes.
    """
    for folder in snapshots(hub):
        found = find_parquet(
            folder,
            prompts,
            partial=partial,
            config=hub.config,
            label_columns=hub.label_columns,
        )
        if found:
            name = f"Parquet of {stated(hub, folder)}"
            return Source(format=name, place=found.place, splits=found.splits)
    return None


def list_parquet(hub: Hub) -> Listing:
    """Ask the hub for the Parquet files of a data set, on the first branch that has any.

    Raises `RefusedError` when there is no such data set or no such file, and `UnreachableError`.
    """
    return list_files(hub, bound(split_files, config=hub.config), "Parquet files")
