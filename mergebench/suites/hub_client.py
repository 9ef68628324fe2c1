"""The Hugging Face hub: what its cache on this machine holds, its lists of files, and downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from mergebench.errors import InputError
from mergebench.suites.hub_copy import HubCopy

#: Seconds to wait for the hub's list of files.
TIMEOUT_S = 10.0


class RefusedError(Exception):
    """The hub answers, but does not give what was asked for."""


class UnreachableError(Exception):
    """The hub does not answer, or the download broke off."""


def is_offline() -> bool:
    """Whether the user forbids downloads (`HF_HUB_OFFLINE`)."""
    return constants.is_offline_mode()


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files that a revision of a repository has for each split."""

    revision: str
    files: Mapping[str, list[str]]


def list_files(
    copy: HubCopy, chosen: Callable[[Sequence[str]], Mapping[str, list[str]]], what: str
) -> Listing:
    """Ask the hub for the files of a data set, on the first revision that has any.

    `chosen` picks them, by split, from the names of all files; `what` they are, in words. Raises
    `RefusedError` when there is no such data set or no such file, and `UnreachableError`.
    """
    for revision in copy.revisions:
        with _asking(copy):
            about = huggingface_hub.HfApi().dataset_info(
                copy.repository, revision=revision, timeout=TIMEOUT_S
            )
        files = chosen([entry.rfilename for entry in about.siblings or ()])
        if files:
            return Listing(revision=revision, files=files)
    raise RefusedError(f"{copy.repository} has no {what} of train, validation or test")


def download(copy: HubCopy, listing: Listing) -> None:
    """Download the listed files into the hub's cache; what is there already is kept.

    Raises `RefusedError` and `UnreachableError`.
    """
    wanted = [name for names in listing.files.values() for name in names]
    with _asking(copy):
        huggingface_hub.snapshot_download(
            copy.repository,
            repo_type="dataset",
            revision=listing.revision,
            cache_dir=constants.HF_HUB_CACHE,
            allow_patterns=wanted,
        )


def snapshots(copy: HubCopy) -> Iterator[Path]:
    """Yield the folders of the revisions that are in the hub's cache, without the network.

    Raises `InputError` for a cache that is damaged.
    """
    for revision in copy.revisions:
        try:
            folder = huggingface_hub.snapshot_download(
                copy.repository,
                repo_type="dataset",
                revision=revision,
                cache_dir=constants.HF_HUB_CACHE,
                local_files_only=True,
            )
        except LocalEntryNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise InputError(f"{constants.HF_HUB_CACHE}: {error}; fetch the data again") from error
        yield Path(str(folder))


def stated(copy: HubCopy, snapshot: Path) -> str:
    """Return what captions call a snapshot: repository and commit."""
    return f"{copy.repository}@{snapshot.name[:12]}"


@contextmanager
def _asking(copy: HubCopy) -> Iterator[None]:
    try:
        yield
    except HfHubHTTPError as error:
        raise RefusedError(f"{copy.repository}: {error}") from error
    except Exception as error:  # the client does not wrap what its transport raises
        raise UnreachableError(f"{copy.repository}: {error}") from error
