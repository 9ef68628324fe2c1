"""Shows on the error stream how far a long count is: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mergebench.terminal import make_console

Advance: TypeAlias = Callable[[int], None]
"""Takes how many more things are done."""
Counting: TypeAlias = Callable[[str, int], AbstractContextManager[Advance]]
"""Takes what is counted, in words, and how many things there are."""

_LINE_S = 10.0


@contextmanager
def silently(label: str, total: int) -> Iterator[Advance]:
    """Show nothing."""
    yield lambda count: None


@contextmanager
def on_stderr(label: str, total: int) -> Iterator[Advance]:
    """Show a bar with the time left or, where there is no terminal, a line every ten seconds."""
    console = make_console(stderr=True)
    if not console.is_terminal:
        yield _Lines(label, total).advance
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as shown:
        row = shown.add_task(label, total=total)
        yield lambda count: shown.advance(row, count)


class _Lines:
    def __init__(self, label: str, total: int) -> None:
        self._label, self._total = label, total
        self._done, self._said = 0, time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        if self._done == self._total or time.monotonic() - self._said > _LINE_S:
            self._said = time.monotonic()
            print(f"{self._label}: {self._done}/{self._total}", file=sys.stderr, flush=True)
