"""Markdown: text and code from outside that is shown as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mergebench.terminal import printable

# An underscore between letters, as in a name, is no emphasis.
_SPECIAL = re.compile(
    r"[\\`*\[\]<>~|]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|:(?=//)|(?<=www)\.", re.I
)
_CODE = re.compile(r"(`+)( ?)(.*)\2\1")


def markdown_text(text: str) -> str:
    r"""Return one line of `text` such that Markdown shows it as it is: no tags, links or emphasis.

    >>> markdown_text("<b> [here](https://a.b) top_k")
    '\\<b\\> \\[here\\](https\\://a.b) top_k'
    """
    return _SPECIAL.sub(lambda match: "\\" + match[0], printable(_one_line(text)))


def stated_text(markdown: str) -> str:
    """Return what `markdown_text` was given, but for steering characters."""
    return re.sub(r"\\([!-/:-@[-`{-~])", r"\1", markdown)


def code_span(text: str) -> str:
    """Return one line of `text` as code, between more backticks than follow each other in it."""
    shown = printable(_one_line(text))
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def stated_code(markdown: str) -> str:
    """Return what `code_span` was given, but for steering characters."""
    found = _CODE.fullmatch(markdown)
    return found[3] if found else markdown


def pipes(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; what stands in it is Markdown already."""
    lines = [headings, ("---",) * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))
