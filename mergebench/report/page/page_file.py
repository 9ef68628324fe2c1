"""A page as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mergebench.files import Output
from mergebench.report.page.content import Page
from mergebench.report.page.page_html import GENERATOR, page_text
from mergebench.report.writing import write_text

_HEAD = 2000
"""Bytes at the start of a page within which it says what wrote it."""


def write_page(
    page: Page,
    file: Path,
    *,
    option: str = "--out",
    inputs: Sequence[Path] = (),
    force: bool = False,
) -> Path:
    """Write the page and return `file`, whose name has to end in `.html`.

    What is there is replaced if it is a page that this wrote, or with `force`. `option` and
    `inputs`: as of `Output`. Raises `InputError` where the page may or can not be written.
    """
    check_page_file(file, option=option, inputs=inputs, force=force)
    return write_text(file, page_text(page))


def check_page_file(
    file: Path, *, option: str = "--out", inputs: Sequence[Path] = (), force: bool = False
) -> None:
    """Raise `InputError` unless a page may be written there: before anything is computed."""
    place = Output(option=option, inputs=inputs, is_own=_is_page, force=force, suffix=".html")
    place.check_file(file)


def _is_page(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return GENERATOR.encode() in stream.read(_HEAD)
    except OSError:
        return False
