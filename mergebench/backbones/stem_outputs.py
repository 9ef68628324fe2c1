"""A tower in two stages: its stem, which no update of the sites changes, and its body."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mergebench.backbones.backbone import Backbone
from mergebench.backbones.inputs import Inputs
from mergebench.backbones.precision import Precision, autocast
from mergebench.backbones.tower_parts import TowerParts
from mergebench.batching import Batches

KEPT_BYTES = 1 << 28
"""Stem outputs of one set of inputs are kept up to this size, which holds the embedded suite's."""

_BATCH = 128


class Body(nn.Module):
    """What a tower computes after its stem: `(N, ...)` stem outputs to `(N, d)` embeddings.

    It shares the modules of the tower, whose parameters it has under `tower.`.
    """

    def __init__(self, parts: TowerParts) -> None:
        super().__init__()
        self.tower: nn.Module = parts.tower
        self._parts = parts

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the embeddings `(N, d)` of the stem outputs."""
        for block in self._parts.blocks().values():
            hidden = self._parts.run(block, hidden)
        return self._parts.suffix(hidden)


class StemOutputs:
    """What the body of a backbone takes, for a fixed set of a suite's inputs.

    `inputs`: a tensor, or inputs on the backbone's device. Computed once and kept if that is worth
    its memory (`KEPT_BYTES`, `TowerParts.keeps_stem_outputs`); else, and from the first write to a
    parameter of the stem on, computed from the inputs at every request. Neither changes the values.
    """

    def __init__(
        self, backbone: Backbone, inputs: Tensor | Inputs, *, precision: Precision
    ) -> None:
        self.backbone = backbone
        if isinstance(inputs, Tensor):
            inputs = Inputs([inputs], backbone)
        self.inputs = inputs
        self.precision = precision
        self._parts = backbone.parts
        self._kept: Tensor | None = None
        self._versions: Sequence[int] = ()
        self._undecided = self._parts.keeps_stem_outputs
        self._batches = Batches(_BATCH)

    def of(self, rows: Tensor | slice) -> Tensor:
        """Return the stem outputs of these inputs, `(n, ...)`, in the tower's arithmetic."""
        with torch.inference_mode(False), torch.no_grad():
            if self._undecided:
                self._keep_if_small()
            if self._kept is not None and self._versions != self._written():
                self._kept = None  # a version never comes back, also where the values do
            if self._kept is not None:
                return self._kept[rows]
            return self._compute(self.inputs.of(rows))

    def lengths(self, rows: Tensor) -> Tensor | None:
        """Return the lengths of these inputs, `(n,)`; None if all cost alike."""
        return self.inputs.lengths(rows)

    def _compute(self, inputs: Tensor) -> Tensor:
        with autocast(self.backbone.device, self.precision):
            return self._parts.stem(self.backbone.prepare(inputs))

    def _keep_if_small(self) -> None:
        self._undecided = False
        if self._compute(self.inputs.of(slice(1))).nbytes * len(self.inputs) <= KEPT_BYTES:
            self._versions = self._written()
            rows = torch.arange(
                len(self.inputs), device=self.backbone.device if self.inputs.resident else "cpu"
            )
            self._kept = self._batches.of(lambda batch: self._compute(self.inputs.of(batch)), rows)

    def _written(self) -> list[int]:
        """Return how often each parameter of the stem was written to in place."""
        return [parameter._version for parameter in self._parts.stem_parameters()]
