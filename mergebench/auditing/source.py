"""Where accuracies come from: a model, its weights as they stand, and what it has right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from torch import nn

from mergebench.measure import Hits

AuditSplit = Literal["val", "test"]
"""Coefficients are chosen on `val` and numbers reported on `test`."""


class Source(Protocol):
    """A model whose accuracy is known on one task, the adapter's, and perhaps on its peers'."""

    @property
    def name(self) -> str:
        """What messages and records call the model."""

    @property
    def sha256(self) -> str | None:
        """Identity of its weights, where that is known."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks on which accuracy is known, the adapter's own first."""

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """The weights that updates may change, by the names that updates have for them."""

    def hits(self, split: AuditSplit, tasks: Sequence[str] | None = None) -> dict[str, Hits]:
        """Return which inputs the model as it stands has right, `(N,)` bool by task.

        `tasks`: of these alone.
        """
