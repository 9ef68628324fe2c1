"""The standard streams while a verb runs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

BROKEN_PIPE = 128 + signal.SIGPIPE
"""The exit status of programs whose reader went away."""


class LastingStream:
    """A standard stream whose failure is kept in `failure` and not raised; later text is dropped.

    What the stream's encoding lacks is replaced by question marks. All else is the stream's.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write what can be encoded."""
        encoding = self._stream.encoding or "utf-8"
        shown = text.encode(encoding, "replace").decode(encoding)
        self._try(lambda: self._stream.write(shown))
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._try(self._stream.flush)

    def _try(self, action: Callable[[], object]) -> None:
        if self.failure is None:
            try:
                action()
            except OSError as error:
                self.failure = error
                _discard(self._stream)


@contextmanager
def lasting_streams() -> Iterator[LastingStream | None]:
    """Make both standard streams lasting; give that of the output, None where there is none."""
    before = sys.stdout, sys.stderr
    output, errors = (None if stream is None else LastingStream(stream) for stream in before)
    sys.stdout, sys.stderr = output, errors
    try:
        yield output
    finally:
        for stream in filter(None, (output, errors)):
            stream.flush()
        sys.stdout, sys.stderr = before


def status_after(output: LastingStream | None, status: int) -> tuple[int, str]:
    """Return the exit status of a verb that ended with `status`, and what there is to say.

    That the reader of a pipe went away needs no words. Other failures to print are an error, unless
    there was another.
    """
    if output is None:
        return status, ""
    output.flush()
    if output.failure is None:
        return status, ""
    if isinstance(output.failure, BrokenPipeError):
        return status or BROKEN_PIPE, ""
    reason = output.failure.strerror or output.failure
    return status or 1, f"cannot print: {reason}; files that the command writes are complete"


def _discard(stream: TextIO) -> None:
    """Let what a broken stream still holds go nowhere, or Python would complain as it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
