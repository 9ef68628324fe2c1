"""What splits are made of, whether texts or images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from mergebench.suites.split_names import SplitName

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Example(Generic[T]):
    """An input and its label.

    `key`: what it shares with every other copy of the same input; `draw`: what draws hang on, which
    no other input of the task has.
    """

    value: T
    label: int
    key: object
    draw: str


Labelled: TypeAlias = Mapping[SplitName, Sequence[Example[T]]]
"""Examples by split."""
