"""Where on the Hugging Face hub a data set lies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class HubCopy:
    """A data set repository of the Hugging Face hub.

    `config`: folder of the files when the repository has several data sets. The commit that a
    branch of `revisions` pointed to when it was downloaded stays in the hub's cache and is stated
    with the data. Revisions are tried in order; `refs/convert/parquet` is the hub's own conversion.
    """

    repository: str
    config: str = ""
    revisions: tuple[str, ...] = ("main", "refs/convert/parquet")
