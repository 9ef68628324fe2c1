"""Progress events in a file: a job appends them, the process that shows them reads on."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LENGTH = 8


class EventWriter:
    """Appends events to `file`, until that fails once: work does not end because of its display."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lost = False

    def __call__(self, index: int, event: Any) -> None:
        """Append an event of piece `index` of the job."""
        if self._lost:
            return
        content = pickle.dumps((index, event))
        framed = len(content).to_bytes(_LENGTH, "little") + content
        try:
            with self._file.open("ab", buffering=0) as stream:
                self._lost = stream.write(framed) != len(framed)
        except OSError:
            self._lost = True


class EventReader:
    """Reads the events of `file`, each once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._read = 0

    def new(self) -> Iterator[tuple[int, Any]]:
        """Yield piece and event of what was appended since; nothing of a file that is not there."""
        try:
            with self.file.open("rb") as stream:
                stream.seek(self._read)
                content = stream.read()
        except OSError:
            return
        while len(content) >= _LENGTH:
            end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
            if len(content) < end:
                return  # the rest is not written yet
            index, event = pickle.loads(content[_LENGTH:end])
            content = content[end:]
            self._read += end
            yield index, event
