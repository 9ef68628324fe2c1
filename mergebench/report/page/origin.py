"""Where the numbers of a page come from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a click on a number shows.

    `command`: what measures it again; `facts`: `(what, value)` in a few words; `record`: of the
    measurement, as JSON; `parts`: what a mean is over. Any of these may be empty. Equal origins
    are written once.
    """

    title: str
    command: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    record: str = ""
    parts: tuple[Origin, ...] = ()
