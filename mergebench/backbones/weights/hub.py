"""Published weights: what the local cache of the Hugging Face Hub holds, and how to get the rest.

No call here waits long: without a network, or with `HF_HUB_OFFLINE` set, it says so at once.
"""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub import get_hf_file_metadata as ask_hub
from huggingface_hub.errors import EntryNotFoundError

from mergebench.backbones.sources import BackboneSource
from mergebench.errors import InputError, reason
from mergebench.missing import MissingItem, MissingItemsError

FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""Under which names open_clip publishes weights, the preferred one first."""

_TIMEOUT_S = 5.0


def cached_file(source: BackboneSource) -> Path | None:
    """Return the published weights if they are in the local cache."""
    for name in FILES:
        found = try_to_load_from_cache(source.repository, name)
        if isinstance(found, str):
            return Path(found)
    return None


def missing_file(source: BackboneSource) -> MissingItem | None:
    """Return what is missing and how to get it; None if the weights are here or can be fetched."""
    if cached_file(source) is not None or _offered(source) is not None:
        return None
    return _missing(source)


def _missing(source: BackboneSource) -> MissingItem:
    """Return what the published weights are and where they belong."""
    return MissingItem(
        name=f"weights {source.architecture}/{source.tag}",
        reason="not found, and the Hugging Face Hub does not offer them now",
        size=source.megabytes * 10**6,
        command=f"hf download {source.repository} {FILES[0]}",
        folder=Path(constants.HF_HUB_CACHE) / f"models--{source.repository.replace('/', '--')}",
        otherwise="or give a local file by --weights FILE (make: WEIGHTS=FILE)",
    )


def fetched_file(source: BackboneSource) -> Path:
    """Return the published weights, downloaded into the local cache if they were not there.

    Raises InputError, at once where there is no network, saying what is missing.
    """
    cached = cached_file(source)
    if cached is not None:
        return cached
    name = _offered(source)
    if name is None:
        raise MissingItemsError(_missing(source))
    try:
        return Path(hf_hub_download(source.repository, name))
    except Exception as error:  # an open set: transport, disk and hub errors share no base class
        raise InputError(
            f"cannot download {name} ({source.megabytes} MB) of {source.repository}: "
            f"{reason(error)}; run the command again, which goes on from there, or give a "
            "file by --weights FILE"
        ) from error


def _offered(source: BackboneSource) -> str | None:
    """Return the name of the file that the hub offers; None where it cannot be asked."""
    for name in FILES:
        try:
            ask_hub(hf_hub_url(source.repository, name), timeout=_TIMEOUT_S)
        except EntryNotFoundError:
            continue
        except Exception:  # an open set: see fetched_file
            return None
        return name
    return None
