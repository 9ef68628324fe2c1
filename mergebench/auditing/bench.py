"""Where adapters are audited: a source of accuracies, and what reads adapters for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from mergebench.auditing.peers import Peer
from mergebench.auditing.request import Request
from mergebench.auditing.source import Source
from mergebench.updates import Update


class Bench(ABC):
    """One model and its tasks, for any number of adapters."""

    def __init__(self, request: Request) -> None:
        self.request = request

    @property
    @abstractmethod
    def source(self) -> Source:
        """The model, and what it has right."""

    @abstractmethod
    def load(self, adapter: str) -> Update:
        """Return an adapter of this model; `InputError` in one line for anything else."""

    @abstractmethod
    def suite_peers(self) -> Sequence[Peer]:
        """Return the releases of the suite that are there; none for a task file."""

    def notes_on(self, update: Update) -> Sequence[str]:
        """Return what has to be known of how an adapter is deployed here, a sentence each."""
        return ()
