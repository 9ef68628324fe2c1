"""A merger that takes its time: as long as the file named by `WAIT_WHILE` is there."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from mergebench.contracts import Merger, Site


@dataclass(frozen=True, kw_only=True)
class SlowSum(Merger):
    """The sum of all updates, when it may be."""

    name: ClassVar[str] = "slow_sum"
    paper: ClassVar[str] = "none: for tests"
    spaces: ClassVar[tuple[str, ...]] = ("full",)

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Wait, then return the sum."""
        file = Path(os.environ.get("WAIT_WHILE", "/nowhere"))
        while file.exists():
            time.sleep(0.05)
        return stack.sum(0)
