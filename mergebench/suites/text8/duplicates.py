"""Texts that occur more than once: each is kept in one split, once."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from mergebench.suites.split_names import SplitName
from mergebench.suites.text8.labelled_texts import Texts


@dataclass(frozen=True, kw_only=True)
class Example:
    """A text, its label, and the `key` that it shares with every spelling of the same text."""

    text: str
    label: int
    key: str


@dataclass(frozen=True, kw_only=True)
class Distinct:
    """The texts that are kept, by split in the source's order, and how many are not.

    `left_out` counts by (split of the text, split that has it already); `contradicting` are those
    of them whose label is another.
    """

    examples: Mapping[SplitName, list[Example]]
    left_out: Mapping[tuple[SplitName, SplitName], int]
    contradicting: int


def key_of(text: str) -> str:
    """Return what equal texts have in common: neither case, white space nor Unicode form counts.

    So sources that were tokenised ("do n't !") and others ("don't!") are compared.

    >>> key_of("Do  n't go !") == key_of("don't go!")
    True
    """
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def distinct(files: Mapping[SplitName, Texts]) -> Distinct:
    """Keep each text once: in test if it is there, else in validation, else in training.

    Within a split the first occurrence is kept with its label.
    """
    home: dict[str, tuple[SplitName, int]] = {}
    kept: dict[SplitName, list[Example]] = {}
    left_out: Counter[tuple[SplitName, SplitName]] = Counter()
    contradicting = 0
    order: tuple[SplitName, ...] = ("test", "val", "train")
    for split in order:
        if split not in files:
            continue
        kept[split] = []
        for text, label in zip(files[split].texts, files[split].labels, strict=True):
            key = key_of(text)
            if key in home:
                left_out[split, home[key][0]] += 1
                contradicting += label != home[key][1]
                continue
            home[key] = (split, label)
            kept[split].append(Example(text=text, label=label, key=key))
    return Distinct(examples=kept, left_out=left_out, contradicting=contradicting)
