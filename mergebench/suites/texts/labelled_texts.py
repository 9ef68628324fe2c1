"""Texts and labels of a task, as its tokenisation reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mergebench.suites.split_names import SplitName
from mergebench.suites.splitting import Example
from mergebench.suites.texts.same_texts import key_of


@dataclass(frozen=True, kw_only=True)
class Texts:
    """The texts of one split and their labels, places in the task's classes.

    Raises `ValueError` when their counts differ.
    """

    texts: tuple[str, ...]
    labels: tuple[int, ...]

    def __post_init__(self) -> None:
        """Compare the counts."""
        if len(self.texts) != len(self.labels):
            raise ValueError(f"{len(self.texts)} texts have {len(self.labels)} labels")

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.texts)


@dataclass(frozen=True, kw_only=True)
class TextTask:
    """One task: its classes, its prompts, and disjoint splits `train`, `val` and `test`.

    `source` is what captions call the place that the texts are from; `notes` are what they state of
    the splits, one sentence each.
    """

    name: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    splits: Mapping[SplitName, Texts]
    source: str
    notes: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """SHA-256 of the texts and labels of every split, before any tokeniser."""
        content = {name: (own.texts, own.labels) for name, own in self.splits.items()}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def examples_of(texts: Texts) -> list[Example[str]]:
    """Return texts as what splits are made of; draws hang on what the spellings of one share."""
    pairs = zip(texts.texts, texts.labels, strict=True)
    return [
        Example(value=text, label=label, key=(key := key_of(text)), draw=key)
        for text, label in pairs
    ]


def texts_of(examples: Sequence[Example[str]]) -> Texts:
    """Return the texts of one split."""
    return Texts(
        texts=tuple(example.value for example in examples),
        labels=tuple(example.label for example in examples),
    )
