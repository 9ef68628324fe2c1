"""What is shown of a merge that takes long, and of how far it is."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from mergebench.experiment.events import CellDone, CellStarted, Making, ReportingProgress
from mergebench.experiment.monitor import Monitor

LABEL = "prodistill@full, trec trap2, seed 0"


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """A clock that stands still where it is not set: its only entry, in seconds."""
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_long_merge_says_how_far_it_is_once_a_minute(clock) -> None:
    shown = io.StringIO()
    watched = Monitor(Console(file=shown, width=200))
    with watched.stage("merges", 2):
        watched.event(0, CellStarted(label=LABEL))
        for twentieth in range(20):
            watched.event(0, Making(share=twentieth / 20))
            clock[0] += 7
        watched.event(0, CellDone(label=LABEL, recalled=False))
    lines = shown.getvalue().splitlines()
    shares = [line for line in lines if "of a merge" in line]
    assert shares == [f"merges 0/2: {LABEL}: {share} % of a merge" for share in ("45", "90")]


def test_a_terminal_shows_how_far_a_merge_is_in_its_row() -> None:
    shown = io.StringIO()
    watched = Monitor(Console(file=shown, width=160, force_terminal=True))
    with watched.stage("merges", 1):
        watched.event(0, CellStarted(label=LABEL))
        watched.event(0, Making(share=0.42))
        assert watched._bars is not None
        watched._bars.refresh()
        assert "42 %" in shown.getvalue()
        assert "of a merge" in shown.getvalue()
        watched.event(0, CellDone(label=LABEL, recalled=False))


def test_how_far_a_merge_is_travels_once_a_second(clock) -> None:
    sent: list[object] = []
    progress = ReportingProgress(sent.append, "texts")
    for tenth in range(35):
        clock[0] += 0.1
        progress.reached(tenth / 35)
    assert [one.share for one in sent if isinstance(one, Making)] == [
        share / 35 for share in (0, 11, 22, 33)
    ]
