"""A tower as a sequence: its stem, its blocks one after the other, and its suffix."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from mergebench.backbones.block_paths import AttentionPaths, MlpPaths


class TowerParts(ABC):
    """How the towers of one kind are taken apart.

    Between the parts runs a stream, `(N, ...)`. That of a kind whose inputs differ in length is
    `(N, L, d)`, with zeros behind the end of each, and its parts keep them so.

    `tower`: a module of that kind, perhaps with adapters in its linears.
    """

    keeps_stem_outputs: ClassVar[bool] = True
    """Whether the stem costs more than to look up what it gave before."""

    def __init__(self, tower: nn.Module) -> None:
        self.tower: Any = tower

    def of(self, tower: nn.Module) -> Self:
        """Return the parts of another tower of the same kind."""
        return type(self)(tower)

    @abstractmethod
    def stem(self, prepared: Tensor) -> Tensor:
        """Return the stream ahead of the first block, of what `Backbone.prepare` returns."""

    @abstractmethod
    def stem_parameters(self) -> Sequence[nn.Parameter]:
        """Return the parameters that the stem's outputs depend on."""

    @abstractmethod
    def blocks(self) -> dict[str, nn.Module]:
        """Return by module path what is applied to the stem's output, in that order.

        The parameters of a path's module are those of its step.
        """

    def attentions(self) -> tuple[AttentionPaths, ...]:
        """Return the attentions, from the first block on; none, for a kind that has none."""
        return ()

    def mlps(self) -> tuple[MlpPaths, ...]:
        """Return the MLPs, from the first block on; none, for a kind that has none."""
        return ()

    def run(self, block: Callable[..., Tensor], stream: Tensor) -> Tensor:
        """Return the stream behind one of `blocks`, or behind what computes as it does."""
        return block(stream)

    @abstractmethod
    def suffix(self, stream: Tensor) -> Tensor:
        """Return the embeddings `(N, d)` of the last block's output."""

    def trimmed(self, stream: Tensor) -> Tensor:
        """Return a stream without the positions that are behind the end of all its inputs."""
        counted = self.counted(stream)
        return stream if counted is None else stream[:, : int(counted.sum(1).max())]

    def counted(self, stream: Tensor) -> Tensor | None:
        """Return which positions of a stream belong to an input, `(N, L)` bool; None if all do."""
        return None


def joined(streams: Sequence[Tensor]) -> Tensor:
    """Return the streams of several batches as one, the shorter ones with zeros behind their end.

    `streams`: `(n_i, ...)` each, alike in all that follows the second dimension.
    """
    longest = max(stream.shape[1] for stream in streams)
    if all(stream.shape[1] == longest for stream in streams):
        return torch.cat([*streams])
    padded = [
        functional.pad(one, (0, 0) * (one.ndim - 2) + (0, longest - one.shape[1]))
        for one in streams
    ]
    return torch.cat(padded)
