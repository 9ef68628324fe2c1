"""The gradient of a batch that the memory of a GPU does not hold whole: in equal parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import torch
from torch import nn

from mergebench.train.objective import Losses, Objective, Step


class Accumulation:
    """Accumulates the gradient of an objective into `parameters`, step by step.

    A batch that does not fit is computed again in more parts of equal size, and so are all after
    it; a single input that does not fit raises PyTorch's error. The mean over parts is the mean
    over the batch. What differs from the whole batch is rounding, and the dropout masks, of which
    each part has its own. A scale that the objective draws is that of the whole step; of
    several per step each part draws the first ones, for as many groups of its own inputs.
    `parts` is their number.
    """

    def __init__(self, objective: Objective, parameters: Sequence[nn.Parameter]) -> None:
        self.objective = objective
        self.parameters = parameters
        self.parts = 1

    def backward(self, step: Step) -> Losses:
        """Add the step's gradient to that of the parameters, which have none before."""
        size = len(step.labels)
        while True:
            try:
                return self._in_parts(step)
            except torch.OutOfMemoryError:
                if self.parts >= size:
                    raise
            for parameter in self.parameters:
                parameter.grad = None
            torch.cuda.empty_cache()  # outside the handler, whose traceback holds the tensors
            self.parts = next(n for n in range(self.parts + 1, size + 1) if size % n == 0)

    def _in_parts(self, step: Step) -> Losses:
        if self.parts == 1:
            return self.objective.backward(step)
        pieces = zip(step.hidden.chunk(self.parts), step.labels.chunk(self.parts), strict=True)
        losses = [
            self.objective.backward(replace(step, hidden=hidden, labels=labels, portion=number))
            for number, (hidden, labels) in enumerate(pieces)
        ]
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad /= self.parts
        off_nominal = [one.off_nominal for one in losses if one.off_nominal is not None]
        return Losses(
            nominal=fmean(one.nominal for one in losses),
            off_nominal=fmean(off_nominal) if off_nominal else None,
        )
