"""Progress events in a file."""

from __future__ import annotations

from mergebench.cluster.events import EventReader, EventWriter


def test_every_event_is_read_once_and_in_order(tmp_path):
    file = tmp_path / "events"
    write, reader = EventWriter(file), EventReader(file)
    assert list(reader.new()) == []
    write(0, "began")
    write(1, {"step": 3})
    assert list(reader.new()) == [(0, "began"), (1, {"step": 3})]
    write(1, "done")
    assert list(reader.new()) == [(1, "done")]
    assert list(reader.new()) == []


def test_an_event_that_is_half_written_is_read_when_it_is_whole(tmp_path):
    file = tmp_path / "events"
    EventWriter(file)(0, "x" * 100)
    whole, reader = file.read_bytes(), EventReader(file)
    for size in (3, 8, len(whole) - 1):
        file.write_bytes(whole[:size])
        assert list(reader.new()) == []
    file.write_bytes(whole)
    assert list(reader.new()) == [(0, "x" * 100)]


def test_a_display_that_cannot_be_written_ends_nothing(tmp_path):
    write = EventWriter(tmp_path / "missing" / "events")
    write(0, "began")
    (tmp_path / "missing").mkdir()
    write(0, "done")  # a reader would take what comes after a torn event for its rest
    assert list((tmp_path / "missing").iterdir()) == []
