"""A word-level tokenizer over the vocabulary of the pretraining corpus."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_WORD = re.compile(r"[^\W_]+|[^\w\s]")
PADDING, UNKNOWN = 0, 1
_FUNCTION_WORDS = frozenset(
    ["a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"]
)
_SPECIAL = 3  # padding, unknown word, end of text


def words_of(text: str) -> list[str]:
    """Split lower-cased text into runs of letters and digits, and single other marks."""
    return _WORD.findall(text.lower())


def content_words(text: str) -> list[str]:
    """Return the words of a text that say what it is about; all if it has no such.

    >>> content_words("the Eiffel-tower"), content_words("A")
    (['eiffel', 'tower'], ['a'])
    """
    words = words_of(text)
    return [word for word in words if word.isalnum() and word not in _FUNCTION_WORDS] or words


def vocabulary_of(
    captions: Iterable[str], size: int, always: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the words of a tokenizer with `size` identifiers, most frequent first.

    Words of the texts in `always` come before all others; ties are broken by spelling.
    """
    counts = Counter(word for caption in captions for word in words_of(caption))
    fixed = sorted({word for text in always for word in words_of(text)})
    ranked = sorted(counts.keys() - set(fixed), key=lambda word: (-counts[word], word))
    return tuple((fixed + ranked)[: size - _SPECIAL])


@dataclass(frozen=True, kw_only=True)
class WordTokenizer:
    """Texts to identifiers: one per known word, then an end mark, then padding.

    `vocabulary`: the words, at most `size - 3`; `size`: identifiers in all; `context_length`:
    tokens per text, the end mark included; longer texts are cut. The end mark has the largest
    identifier, because open_clip's text tower reads its embedding at the largest one.
    """

    vocabulary: tuple[str, ...]
    size: int
    context_length: int

    def __post_init__(self) -> None:
        if len(self.vocabulary) > self.size - _SPECIAL:
            raise ValueError(f"{len(self.vocabulary)} words do not fit {self.size} identifiers")
        index = {word: 2 + position for position, word in enumerate(self.vocabulary)}
        object.__setattr__(self, "_index", index)

    def knows(self, word: str) -> bool:
        """Return whether a word, as `words_of` gives it, has an identifier of its own."""
        return word in self.__dict__["_index"]

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return the identifiers `(len(texts), context_length)`, int64."""
        tokens = torch.full((len(texts), self.context_length), PADDING)
        index: dict[str, int] = self.__dict__["_index"]
        for row, text in zip(tokens, texts, strict=True):
            words = words_of(text)[: self.context_length - 1]
            ids = [index.get(word, UNKNOWN) for word in words] + [self.size - 1]
            row[: len(ids)] = torch.tensor(ids)
        return tokens
