"""A record that is on disk after every entry, whatever ends the run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from mergebench.errors import reason
from mergebench.gpu_check.budget import Deadline
from mergebench.gpu_check.files import write_record
from mergebench.gpu_check.record import Entry, Missed, Record

LATE = "the time of this part was over"


class Notebook:
    """Takes down what is measured, and writes `<device>.{md,csv,json}` into `folder` each time.

    `say`: called with a line for each entry. Raises `InputError` for a file that cannot be written.
    """

    def __init__(self, record: Record, folder: Path, say: Callable[[str], None]) -> None:
        self.record = record
        self._folder = folder
        self._say = say
        self.files = write_record(record, folder, self.stem)

    @property
    def stem(self) -> str:
        """The name of the files: the device's, and the size unless it is `full`."""
        name = re.sub(r"[^a-z0-9]+", "-", self.record.machine.device.lower()).strip("-")
        return name if self.record.size == "full" else f"{name}-{self.record.size}"

    def add(self, *entries: Entry) -> None:
        """Take down entries."""
        self.record.entries += entries
        self.files = write_record(self.record, self._folder, self.stem)
        for entry in entries:
            self._say(str(entry))

    @contextmanager
    def attempt(self, part: str, what: str) -> Iterator[None]:
        """Take down an error as a reason why `what` was not measured, and go on after it."""
        try:
            yield
        except Exception as error:
            self.add(Missed(part=part, what=what, why=reason(error)))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # outside the handler, whose traceback holds the tensors

    def in_time(self, deadline: Deadline, part: str, what: str) -> bool:
        """Whether there is time for `what`; take down that it was not measured otherwise."""
        if deadline.passed:
            self.add(Missed(part=part, what=what, why=LATE))
        return not deadline.passed
