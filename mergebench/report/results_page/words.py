"""What is written about a table, in its Markdown file or its figure: title, reading, caption."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError
from mergebench.files import read_bounded
from mergebench.report.captions import listed_facts, plain_facts
from mergebench.report.markdown import stated_text

_LARGEST = 16 * 2**20
_DESCRIPTION = re.compile(r"<dc:description>(.*?)</dc:description>", re.DOTALL)

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Words:
    """`title`: empty where there is none; `paragraphs`: how to read the table; its `facts`."""

    title: str = ""
    paragraphs: tuple[str, ...] = ()
    facts: Facts = ()

    def fact(self, what: str) -> str:
        """Return what is stated first under that name; empty if nothing is."""
        return next((value for name, value in self.facts if name == what), "")


def read_words(folder: Path, stem: str) -> Words:
    """Return what `<stem>.md` says, or else the caption in the figure `<stem>.svg`, if there is.

    Raises `InputError` for a file that cannot be read as text.
    """
    markdown = _text(folder / f"{stem}.md")
    if markdown is not None:
        return _of_markdown(markdown)
    described = _DESCRIPTION.search(_text(folder / f"{stem}.svg") or "")
    return Words(facts=plain_facts(html.unescape(described[1])) if described else ())


def _of_markdown(text: str) -> Words:
    """Return title and paragraphs up to the first heading below the title, and all facts."""
    lines = text.splitlines()
    title = next((line[2:] for line in lines if line.startswith("# ")), "")
    facts = listed_facts(text)
    paragraphs = []
    for line in lines:
        if line.startswith("## "):
            break
        if line and not line.startswith(("# ", "|")) and not listed_facts(line):
            paragraphs.append(stated_text(line.removeprefix("- ")))
    plain = stated_text(title).replace("`", "")
    return Words(title=plain, paragraphs=tuple(paragraphs), facts=facts)


def _text(file: Path) -> str | None:
    try:
        return read_bounded(file, _LARGEST).decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text in UTF-8: write it again") from error
