"""Single lines on the error stream."""

from __future__ import annotations

import sys

from mergebench.terminal.escapes import printable


def say(text: str, start: str = "mergebench:") -> None:
    """Print one line, whatever a library, a file or a plug-in put into `text`."""
    print(start, printable(" ".join(text.splitlines())), file=sys.stderr, flush=True)
