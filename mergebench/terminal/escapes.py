"""Characters that steer whoever shows them."""

from __future__ import annotations

import re

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and newline, changes of direction, and halves of surrogate pairs."""


def printable(text: str) -> str:
    r"""Return `text` with the characters that steer a terminal or an editor as escapes.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return _STEERING.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
