"""What one job of the cluster does, in this process."""

from __future__ import annotations

import os
import pickle
import signal
from dataclasses import dataclass

import pytest
from miniature import FEW_IMAGES

from mergebench.cluster.events import EventReader
from mergebench.cluster.task import Outcome, Task
from mergebench.errors import InputError, PluginError
from mergebench.experiment.executors import Report


@dataclass(frozen=True)
class Piece:
    """Reports and returns its number, or ends otherwise."""

    number: int
    fault: str = ""
    cells: int = 1

    @property
    def label(self) -> str:
        return f"piece {self.number}"

    def run(self, report: Report) -> int:
        report(self.number)
        if self.fault == "input":
            raise InputError("x.pt is truncated: fetch it again")
        if self.fault == "plugin":
            raise PluginError("attack x breaks")
        if self.fault == "defect":
            raise KeyError("weight")
        if self.fault:
            os.kill(os.getpid(), signal.Signals[self.fault])
        return self.number


def outcome(tmp_path, *pieces: Piece) -> Outcome:
    task = Task(
        pieces=pickle.dumps(list(pieces)), plugins=(FEW_IMAGES,), events=tmp_path / "events"
    )
    return task.run()


def test_pieces_are_done_in_order_and_report_their_place(tmp_path):
    assert outcome(tmp_path, Piece(5), Piece(6)) == Outcome(results=(5, 6))
    assert list(EventReader(tmp_path / "events").new()) == [(0, 5), (1, 6)]


@pytest.mark.parametrize(
    ("fault", "ending", "kind"),
    [
        ("input", "x.pt is truncated: fetch it again", InputError),
        ("plugin", "attack x breaks", PluginError),
        ("defect", "piece 6: KeyError: 'weight'", None),
        ("SIGTERM", "was cancelled or preempted", None),
        ("SIGUSR2", "came to its time limit", None),
    ],
)
def test_what_is_done_is_kept_whatever_ends_the_job(tmp_path, capfd, fault, ending, kind):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)]
    found = outcome(tmp_path, Piece(5), Piece(6, fault), Piece(7))
    assert found == Outcome(results=(5,), ending=ending, kind=kind)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)] == before
    log = capfd.readouterr().err
    assert ("Traceback" in log) == (not fault.startswith("SIG"))
    assert ending.split(": ")[-1] in log


def test_a_plugin_that_is_missing_on_the_node_is_named(tmp_path):
    task = Task(pieces=pickle.dumps([]), plugins=(tmp_path / "x.py",), events=tmp_path / "events")
    assert task.run() == Outcome(
        results=(), ending=f"--plugin {tmp_path / 'x.py'}: no such file", kind=InputError
    )
