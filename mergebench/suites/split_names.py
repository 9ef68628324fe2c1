"""The splits of a task."""

from __future__ import annotations

from typing import Literal

SplitName = Literal["train", "val", "test"]
#: The splits that every task of a suite has.
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "val", "test")
