"""Published weights: what the local cache of the Hugging Face Hub holds, and how to get the rest.

No call here waits long: without a network, or with `HF_HUB_OFFLINE` set, it says so at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub import get_hf_file_metadata as ask_hub
from huggingface_hub.errors import EntryNotFoundError

from mergebench.errors import InputError, reason
from mergebench.missing import MissingItem, MissingItemsError

_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """A file of a repository on the hub.

    `names`: under which it is published, the preferred one first; `revision`: of the repository,
    its newest if empty; `what`: how messages call the file; `otherwise`: what else one can do;
    `beside`: files of the repository that one fetches with it.
    """

    repository: str
    names: tuple[str, ...]
    what: str
    megabytes: int
    otherwise: str
    revision: str = ""
    beside: tuple[str, ...] = ()

    @property
    def cached(self) -> Path | None:
        """Where it is in the local cache, if it is there."""
        for name in self.names:
            found = try_to_load_from_cache(self.repository, name, revision=self._revision)
            if isinstance(found, str):
                return Path(found)
        return None

    @property
    def available(self) -> bool:
        """Whether it is here or can be fetched."""
        return self.cached is not None or self._offered() is not None

    @property
    def missing(self) -> MissingItem:
        """What it is and where it belongs."""
        wanted = " ".join((self.names[0], *self.beside))
        pinned = f" --revision {self.revision}" if self.revision else ""
        return MissingItem(
            name=self.what,
            reason="not found, and the Hugging Face Hub does not offer them now",
            size=self.megabytes * 10**6,
            command=f"hf download {self.repository} {wanted}{pinned}",
            folder=Path(constants.HF_HUB_CACHE) / f"models--{self.repository.replace('/', '--')}",
            otherwise=self.otherwise,
        )

    def fetched(self) -> Path:
        """Return the file, downloaded into the local cache if it was not there.

        Raises InputError, at once where there is no network, saying what is missing.
        """
        cached = self.cached
        if cached is not None:
            return cached
        name = self._offered()
        if name is None:
            raise MissingItemsError(self.missing)
        try:
            return Path(hf_hub_download(self.repository, name, revision=self._revision))
        except Exception as error:  # an open set: transport, disk and hub share no base class
            raise InputError(
                f"cannot download {name} ({self.megabytes} MB) of {self.repository}: "
                f"{reason(error)}; run the command again, which goes on from there, "
                f"{self.otherwise}"
            ) from error

    @property
    def _revision(self) -> str | None:
        return self.revision or None

    def _offered(self) -> str | None:
        """Return the name under which the hub offers it; None where it cannot be asked."""
        for name in self.names:
            url = hf_hub_url(self.repository, name, revision=self._revision)
            try:
                ask_hub(url, timeout=_TIMEOUT_S)
            except EntryNotFoundError:
                continue
            except Exception:  # an open set: see fetched
                return None
            return name
        return None
