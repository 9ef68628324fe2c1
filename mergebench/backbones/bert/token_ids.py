"""Texts to token ids, by the tokenizer that a model was published with."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

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

    Raises InputError for a file that cannot be read, for one of another vocabulary, and for one
    that does not put the special tokens around a text.
    """
    from tokenizers import Tokenizer

    with readable(file, "a tokenizer.json"):
        tokenizer = Tokenizer.from_file(str(file))
    numbers = tokenizer.get_vocab()
    size = max(numbers.values(), default=-1) + 1
    if size != source.vocabulary or numbers.get("[PAD]") != 0:
        raise InputError(
            f"{file} has {size} tokens and [PAD] is {numbers.get('[PAD]')}; "
            f"{source.architecture} expects {source.vocabulary} and 0: copy the one of "
            f"{source.repository}"
        )
    tokenize = TokenIds(tokenizer, source.context)
    around = tokenizer.encode("").tokens
    if around != ["[CLS]", "[SEP]"]:
        raise InputError(
            f"{file} puts {shown(' '.join(around))} around a text; {source.architecture} "
            f"expects [CLS] [SEP]: copy the one of {source.repository}"
        )
    return tokenize


def letter_tokenizer(source: BertSource) -> TokenIds:
    """Return a tokenizer of single ASCII characters, for untrained weights."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    marks = string.ascii_lowercase + string.digits + string.punctuation
    tokens = [*_SPECIAL, *marks, *(f"##{mark}" for mark in marks)]
    vocabulary = {token: number for number, token in enumerate(tokens[: source.vocabulary])}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return TokenIds(tokenizer, source.context)
