"""Downloads the images of a task: from the hub, else its original archive through torchvision."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torchvision import datasets

from mergebench.suites.hub_client import TIMEOUT_S, RefusedError, download
from mergebench.suites.vision8.hub import list_parquet
from mergebench.suites.vision8.task_state import TaskState, survey

_ARCHIVES: Mapping[str, Callable[[Path], object]] = {
    "dtd": lambda root: datasets.DTD(root, download=True),
    "eurosat": lambda root: datasets.EuroSAT(root, download=True),
    "gtsrb": lambda root: [datasets.GTSRB(root, s, download=True) for s in ("train", "test")],
    "mnist": lambda root: datasets.MNIST(root, download=True),
    "aircraft": lambda root: datasets.FGVCAircraft(root / "aircraft", download=True),
    "svhn": lambda root: [
        datasets.SVHN(root / "svhn", s, download=True) for s in ("train", "test")
    ],
}


def fetch(state: TaskState) -> TaskState:
    """Download what a task lacks and return what there is then; `problem` tells of failures.

    A copy on the hub that lacks a split is not downloaded. Raises `UnreachableError` when the hub
    does not answer.
    """
    reasons = []
    for attempt in (_from_hub, _from_archive):
        reason = attempt(state)
        found = survey(state.row, state.options)
        if not found.problem:
            return found
        reasons.append(reason or found.problem)
    return TaskState(
        row=state.row, options=state.options, sizes={}, problem="; ".join(filter(None, reasons))
    )


def _from_hub(state: TaskState) -> str:
    """Download from the hub; return why not, or nothing."""
    hub = state.row.hub
    try:
        listing = list_parquet(hub)
        absent = [split for split in state.row.sizes if split not in listing.files]
        if absent:
            return f"{hub.repository} has no {' and no '.join(absent)} images"
        download(hub, listing)
    except RefusedError as error:
        return str(error)
    return ""


def _from_archive(state: TaskState) -> str:
    """Download and unpack the original archive; return why not, or nothing."""
    download = _ARCHIVES.get(state.row.name)
    if download is None:
        return "torchvision downloads no archive of it"
    try:
        state.options.data_root.mkdir(parents=True, exist_ok=True)
        with _timeout():
            download(state.options.data_root)
    except (OSError, RuntimeError) as error:
        return f"archive: {error}"
    return ""


@contextmanager
def _timeout() -> Iterator[None]:
    """Let no connection that torchvision opens wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
