"""Data sets of the Hugging Face hub: what its cache on this machine holds, and downloads to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from mergebench.errors import InputError
from mergebench.suites.vision8.parquet import find_parquet
from mergebench.suites.vision8.prompts import Prompts
from mergebench.suites.vision8.source import SPLIT_ALIASES, Source
from mergebench.suites.vision8.tasks import Hub

_SPLIT = re.compile(r"(?:^|/)(?P<split>[a-z]+)(?:-\d{5}-of-\d{5}|/\d+)?\.parquet$")
#: Seconds to wait for the hub's list of files.
TIMEOUT_S = 10.0


class RefusedError(Exception):
    """The hub answers, but does not give what was asked for."""


class UnreachableError(Exception):
    """The hub does not answer, or the download broke off."""


def is_offline() -> bool:
    """Whether the user forbids downloads (`HF_HUB_OFFLINE`)."""
    return constants.is_offline_mode()


def find_in_hub_cache(hub: Hub, prompts: Prompts, *, partial: bool) -> Source | None:
    """Find a downloaded data set in the hub's cache, without the network; None if there is none.

    Raises `InputError` for an incomplete download and for wrong classes.
    """
    for revision in hub.revisions:
        folder = _snapshot(hub, revision)
        found = folder and find_parquet(
            folder,
            prompts,
            partial=partial,
            config=hub.config,
            label_columns=hub.label_columns,
        )
        if folder and found:
            stated = f"Parquet of {hub.repository}@{folder.name[:12]}"
            return Source(format=stated, place=found.place, splits=found.splits)
    return None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The Parquet files that a branch of a repository has for each split."""

    revision: str
    files: dict[str, list[str]]


def list_files(hub: Hub) -> Listing:
    """Ask the hub for the Parquet files of a data set, on the first branch that has any.

    Raises `RefusedError` when there is no such data set or no such file, and `UnreachableError`.
    """
    for revision in hub.revisions:
        with _asking(hub):
            about = huggingface_hub.HfApi().dataset_info(
                hub.repository, revision=revision, timeout=TIMEOUT_S
            )
        files: dict[str, list[str]] = {}
        names = [entry.rfilename for entry in about.siblings or ()]
        for name in [name for name in names if hub.config in name.split("/")[:-1]] or names:
            match = _SPLIT.search(name)
            split = SPLIT_ALIASES.get(match["split"]) if match else None
            if split is not None:
                files.setdefault(split, []).append(name)
        if files:
            return Listing(revision=revision, files=files)
    raise RefusedError(f"{hub.repository} has no Parquet files of train, validation or test")


def download(hub: Hub, listing: Listing) -> None:
    """Download the listed files into the hub's cache; what is there already is kept.

    Raises `RefusedError` and `UnreachableError`.
    """
    wanted = [name for names in listing.files.values() for name in names]
    with _asking(hub):
        huggingface_hub.snapshot_download(
            hub.repository,
            repo_type="dataset",
            revision=listing.revision,
            cache_dir=constants.HF_HUB_CACHE,
            allow_patterns=wanted,
        )


@contextmanager
def _asking(hub: Hub) -> Iterator[None]:
    try:
        yield
    except HfHubHTTPError as error:
        raise RefusedError(f"{hub.repository}: {error}") from error
    except Exception as error:  # the client does not wrap what its transport raises
        raise UnreachableError(f"{hub.repository}: {error}") from error


def _snapshot(hub: Hub, revision: str) -> Path | None:
    try:
        folder = huggingface_hub.snapshot_download(
            hub.repository,
            repo_type="dataset",
            revision=revision,
            cache_dir=constants.HF_HUB_CACHE,
            local_files_only=True,
        )
    except LocalEntryNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{constants.HF_HUB_CACHE}: {error}; fetch the data again") from error
    return Path(str(folder))
