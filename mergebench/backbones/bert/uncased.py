"""BERT's uncased tokenizer, made of a vocabulary, and whether another one is it.

Files say the same in many ways, which change from version to version of the library, so what is
compared is what comes out: the numbers of texts on which tokenizers are known to differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LONGEST_WORD = 100
_PROBES = (
    "A Dull FILM, Or A GOOD ONE",
    "caf\u00e9 \u00dcn\u00eft\u00e9 e\u0301 stra\u00dfe \u0130",
    "good\u4e2d\u6587bad",
    "don't stop-now: it's (3.5%) of #a_b@c!",
    "tab\tline\nno\u00a0break\u3000wide",
    "a\u0000b\ufffdc\u200bd\u00ade",
    "\ufb01ne \u2460 \uff21\uff22 fun\U0001f600ny",
    "a" * _LONGEST_WORD,
    "a" * (_LONGEST_WORD + 1),
    "[UNK] ##a [MASK]",
)


def uncased_tokenizer(vocabulary: Mapping[str, int]) -> Tokenizer:
    """Return the tokenizer of BERT's uncased models with these numbers of tokens."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    model = WordPiece(dict(vocabulary), unk_token="[UNK]", max_input_chars_per_word=_LONGEST_WORD)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    sep, cls = (("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    tokenizer.post_processor = BertProcessing(sep, cls)
    return tokenizer


def vocabulary_sha256(vocabulary: Mapping[str, int]) -> str:
    """Return the SHA-256 of the `vocab.txt` of a vocabulary: its tokens in order, one a line."""
    digest = hashlib.sha256()
    for token in sorted(vocabulary, key=vocabulary.__getitem__):
        digest.update(f"{token}\n".encode())
    return digest.hexdigest()


def split_otherwise(tokenizer: Tokenizer) -> str | None:
    """Return a text that `tokenizer` splits otherwise than BERT's uncased one of its vocabulary.

    None if there is none among those tried. `tokenizer` neither pads nor cuts.
    """
    expected = uncased_tokenizer(tokenizer.get_vocab())
    for text in (*_PROBES, *_around_added(tokenizer)):
        if tokenizer.encode(text).ids != expected.encode(text).ids:
            return text
    return None


def _around_added(tokenizer: Tokenizer) -> Iterator[str]:
    """Yield words that have in them what was added to the vocabulary, which goes before it."""
    for added in tokenizer.get_added_tokens_decoder().values():
        yield f"a{added.content}b"
