"""How the command ends, whatever ends it: one line, an exit status, and no traceback unasked.

It imports nothing heavy, so that it is in force while everything else is imported.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from mergebench.errors import InputError, JobError, PluginError, lacks_memory, reason
from mergebench.missing import MissingItemsError
from mergebench.terminal import lasting_streams, say, status_after

DEBUG = "--debug"

_WORDS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "hung up",
}
_SHOW_CURSOR = b"\x1b[?25h"


class Ended(KeyboardInterrupt):
    """A signal asked the command to end: what unwinds on Ctrl-C unwinds on it."""


def status_of(run: Callable[[], int | None], *, debug: bool = False) -> int:
    """Run the command and return its exit status; whatever it raises is told in one line.

    2 for wrong input and for plug-ins that break their contract, 128 + n for signal n (Ctrl-C,
    SIGTERM, SIGHUP; a second one ends the process at once), 1 for everything else. A standard
    stream that breaks ends nothing: 1 with one line after all is done, or 141 where the reader of a
    pipe went away. `debug`: show tracebacks too.
    """
    with lasting_streams() as output, _signals() as signals:
        try:
            status = run() or 0
        except SystemExit as leaving:  # --help and wrong words
            status = int(leaving.code or 0)
        except BaseException as error:
            signals.ending = True  # what follows is not to be interrupted, only ended
            if debug:
                traceback.print_exception(error)
            lines, status = _outcome(error, signals.asked)
            _complain(lines)
        signals.ending = True
        status, complaint = status_after(output, status)
        _complain([complaint] if complaint else [])
        return status


def _outcome(error: BaseException, asked: signal.Signals | None) -> tuple[Sequence[str], int]:
    """Return the lines that tell of an error, and the exit status."""
    if asked is not None or isinstance(error, KeyboardInterrupt):
        return _asked_to_end(asked or signal.SIGINT)
    if isinstance(error, JobError):
        return [f"{reason(error)}; what was measured before is kept"], 1
    if lacks_memory(error):
        return [f"{reason(error)}; what was measured is kept: free some, or run fewer jobs"], 1
    if isinstance(error, MissingItemsError):
        return error.lines(), 2
    if isinstance(error, InputError | PluginError):
        return [reason(error)], 2
    if isinstance(error, OSError) and error.filename:  # of which nothing better is said elsewhere
        return [f"{error.filename}: {error.strerror or reason(error)}"], 2
    return [f"internal error: {reason(error)}; run again with {DEBUG} for the traceback"], 1


def _asked_to_end(asked: signal.Signals) -> tuple[Sequence[str], int]:
    return [f"{_WORDS[asked]}; what was measured is kept"], 128 + asked


def _complain(lines: Sequence[str]) -> None:
    """Print one line each, whatever a library or plug-in put into its message."""
    for number, text in enumerate(lines):
        say(text, start=" " if number else "mergebench:")


class _Signals:
    """Raises `Ended` on the first signal, wherever the program is, and ends it on the second.

    `asked`: the first one; `ending`: the program has its outcome, any signal ends it.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self.ending = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked is not None, self.asked or signal.Signals(number)
        if self.ending or again:
            self.end_at_once(quietly=self.ending)
        raise Ended

    def end_at_once(self, *, quietly: bool = False) -> NoReturn:
        """End this process; workers notice that it is gone, and files are complete or not there."""
        lines, status = _asked_to_end(self.asked or signal.SIGINT)
        with suppress(OSError):
            if sys.__stdout__ is not None and sys.__stdout__.isatty():
                os.write(1, _SHOW_CURSOR)  # progress bars hide it
            if not quietly:
                os.write(2, f"mergebench: {lines[0]}\n".encode())
        os._exit(status)


@contextmanager
def _signals() -> Iterator[_Signals]:
    """Handle the signals in the context, but for those that the caller lets be ignored (nohup).

    Once one has come they stay handled, since the process is about to end.
    """
    found = _Signals()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    before = {number: signal.getsignal(number) for number in _WORDS}
    told = sys.unraisablehook

    def unraisable(lost: Any) -> None:
        if isinstance(lost.exc_value, Ended):  # raised where nothing can be: in a finaliser
            found.end_at_once()
        told(lost)

    sys.unraisablehook = unraisable
    for number, handler in before.items():
        if handler not in (signal.SIG_IGN, None):
            signal.signal(number, found)
    try:
        yield found
    finally:
        if found.asked is None:
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)
            sys.unraisablehook = told
