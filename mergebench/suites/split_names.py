"""The splits of a task, and what folders and files call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

SplitName = Literal["train", "val", "test"]
#: The splits that every task of a suite has.
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "val", "test")
#: How folders and files call a split -> the name of the split here.
SPLIT_ALIASES: Mapping[str, str] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
#: The only split of a source that is not split.
WHOLE = "all"
