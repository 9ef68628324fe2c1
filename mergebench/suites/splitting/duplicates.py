"""Inputs that occur more than once: each is kept in one split, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from mergebench.suites.split_names import SplitName
from mergebench.suites.splitting.examples import Example, Labelled, T


@dataclass(frozen=True, kw_only=True)
class Distinct(Generic[T]):
    """The examples that are kept, by split in the source's order, and how many are not.

    `left_out` counts by (split of the example, split that has it already); `contradicting` are
    those of them whose label is another.
    """

    examples: Mapping[SplitName, list[Example[T]]]
    left_out: Mapping[tuple[SplitName, SplitName], int]
    contradicting: int


def distinct(files: Labelled[T]) -> Distinct[T]:
    """Keep each input once: in test if it is there, else in validation, else in training.

    Within a split the first occurrence is kept with its label.
    """
    home: dict[object, tuple[SplitName, int]] = {}
    kept: dict[SplitName, list[Example[T]]] = {}
    left_out: Counter[tuple[SplitName, SplitName]] = Counter()
    contradicting = 0
    order: tuple[SplitName, ...] = ("test", "val", "train")
    for split in order:
        if split not in files:
            continue
        kept[split] = []
        for example in files[split]:
            if example.key in home:
                left_out[split, home[example.key][0]] += 1
                contradicting += example.label != home[example.key][1]
                continue
            home[example.key] = (split, example.label)
            kept[split].append(example)
    return Distinct(examples=kept, left_out=left_out, contradicting=contradicting)
