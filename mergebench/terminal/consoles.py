"""The console that every verb prints on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from mergebench.terminal.escapes import printable


def make_console(
    file: IO[str] | None = None, *, stderr: bool = False, width: int | None = None
) -> Console:
    """Return a console for text from outside: no markup, no emoji codes, nothing highlighted.

    `file`: None for the standard output, or with `stderr` the error stream. `width`: in characters,
    None for that of the terminal.
    """
    return _PlainConsole(
        file=file, stderr=stderr, width=width, markup=False, emoji=False, highlight=False
    )


class _PlainConsole(Console):
    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:  # our own: bars that move the cursor
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)
