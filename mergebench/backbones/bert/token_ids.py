"""Texts to token ids, by the tokenizer that a model was published with."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mergebench.backbones.bert.uncased import (
    split_otherwise,
    uncased_tokenizer,
    vocabulary_sha256,
)
from mergebench.backbones.sources import BertSource
from mergebench.backbones.weights import readable
from mergebench.errors import InputError, shown

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


class TokenIds:
    """Texts to `(N, context)` int32 ids, padded with 0; what exceeds the context is cut off.

    The special tokens of the model are around every text, also around one that was cut. None is
    inside: a text that has `[PAD]` in it has a word in brackets.
    """

    def __init__(self, tokenizer: Tokenizer, context: int) -> None:
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        tokenizer.enable_truncation(context)
        self._tokenizer = tokenizer
        self.context = context

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return the ids of the texts."""
        ids = torch.zeros(len(texts), self.context, dtype=torch.int32)
        for row, encoding in zip(ids, self._tokenizer.encode_batch([*texts]), strict=True):
            row[: len(encoding.ids)] = torch.tensor(encoding.ids, dtype=torch.int32)
        return ids


def read_tokenizer(file: Path, source: BertSource) -> TokenIds:
    """Return the tokenizer in a `tokenizer.json`.

    Raises InputError for a file that cannot be read, for one of another vocabulary or order of it,
    and for one that splits texts otherwise than BERT's uncased tokenizer.
    """
    from tokenizers import Tokenizer

    fix = f"copy the one of {source.repository}"
    with readable(file, "a tokenizer.json"):
        tokenizer = Tokenizer.from_file(str(file))
        numbers = tokenizer.get_vocab()
        size = max(numbers.values(), default=-1) + 1
        if size != source.vocabulary or numbers.get("[PAD]") != 0:
            raise InputError(
                f"{file} has {size} tokens and [PAD] is {numbers.get('[PAD]')}; "
                f"{source.architecture} expects {source.vocabulary} and 0: {fix}"
            )
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True
        _check_behaviour(file, tokenizer, source, fix)
    return TokenIds(tokenizer, source.context)


def _check_behaviour(file: Path, tokenizer: Tokenizer, source: BertSource, fix: str) -> None:
    """Raise InputError unless `tokenizer` makes of every text what `source` was trained on.

    Other numbers for the same words, or capitals that are kept, give wrong embeddings silently.
    """
    around = tokenizer.encode("").tokens
    if around != ["[CLS]", "[SEP]"]:
        raise InputError(
            f"{file} puts {shown(' '.join(around))} around a text; {source.architecture} "
            f"expects [CLS] [SEP]: {fix}"
        )
    found = vocabulary_sha256(tokenizer.get_vocab())
    if found != source.vocabulary_sha256:
        raise InputError(
            f"{file} has other tokens, or in another order, than {source.architecture} (sha256 "
            f"of its vocab.txt {found[:12]}, not {source.vocabulary_sha256[:12]}): {fix}"
        )
    text = split_otherwise(tokenizer)
    if text is not None:
        pieces = " ".join(tokenizer.encode(text).tokens)
        raise InputError(
            f"{file} makes {shown(pieces)} of {shown(repr(text))}, as the uncased "
            f"{source.architecture} does not (lowercase, accents, punctuation, added tokens): {fix}"
        )


def letter_tokenizer(source: BertSource) -> TokenIds:
    """Return a tokenizer of single ASCII characters, for untrained weights."""
    marks = string.ascii_lowercase + string.digits + string.punctuation
    tokens = [*_SPECIAL, *marks, *(f"##{mark}" for mark in marks)]
    vocabulary = {token: number for number, token in enumerate(tokens[: source.vocabulary])}
    return TokenIds(uncased_tokenizer(vocabulary), source.context)
