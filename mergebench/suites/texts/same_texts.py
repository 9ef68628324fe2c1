"""When two texts are the same."""

from __future__ import annotations

import unicodedata


def key_of(text: str) -> str:
    """Return what equal texts have in common: neither case, white space nor Unicode form counts.

    So sources that were tokenised ("do n't !") and others ("don't!") are compared.

    >>> key_of("Do  n't go !") == key_of("don't go!")
    True
    """
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
