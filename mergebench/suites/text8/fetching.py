"""Downloads the texts of a task from the hub."""

from __future__ import annotations

from dataclasses import replace

from mergebench.suites.hub_client import RefusedError, download, list_files
from mergebench.suites.hub_copy import HubCopy
from mergebench.suites.text8.finding import chosen_files
from mergebench.suites.text8.task_state import TextState, survey


def fetch(state: TextState) -> TextState:
    """Download what a task lacks and return what there is then; `problem` tells of failures.

    The repositories of a task are tried in order, and of each the revisions, until one has the
    task. Raises `UnreachableError` when the hub does not answer.
    """
    reasons = []
    for copy in state.row.hub:
        for revision in copy.revisions:
            reason = _download(replace(copy, revisions=(revision,)))
            found = survey(state.row, state.options)
            if not found.problem:
                return found
            reasons.append(reason or found.problem)
    return replace(state, problem="; ".join(dict.fromkeys(reasons)))


def _download(copy: HubCopy) -> str:
    """Download from the hub; return why not, or nothing."""
    try:
        listing = list_files(
            copy, lambda names: chosen_files(names, copy.config)[1], "JSON lines or Parquet files"
        )
        download(copy, listing)
    except RefusedError as error:
        return str(error)
    return ""
