"""Plain fine-tuning: the unprotected baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mergebench.train import FineTuned, Losses, Step, nominal_losses


@dataclass(frozen=True, kw_only=True)
class Unprotected(FineTuned):
    """Fine-tuning on the cross entropy at nominal scale only."""

    name: ClassVar[str] = "none"
    title: ClassVar[str] = "unprotected"
    paper: ClassVar[str] = "LoRA (Hu et al., 2021), https://arxiv.org/abs/2106.09685"

    def backward(self, step: Step) -> Losses:
        """Minimise the mean loss of the batch."""
        return nominal_losses(step)
