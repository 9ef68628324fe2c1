"""One process at a time has a piece of work; those that die lose it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from mergebench.errors import InputError
from mergebench.files import claims as claims_module
from mergebench.files.claims import EXPIRY_S, ClaimedError, Claims
from mergebench.files.process import Process

FORK = multiprocessing.get_context("fork")
ELSEWHERE = Process(pid=7, started="5", host="node12", pids="pid:[1]", boot="b")
NAMESAKE = replace(Process.this(), started="1", boot="of another machine of that name")
ENDED = replace(Process.this(), started="1")  # the number of a process is given again


def claim_of(folder: Path, process: Process | None, *, age: float = 0) -> Path:
    """Write the claim of a process on `work`, last touched `age` seconds ago."""
    file = folder / "work"
    folder.mkdir(exist_ok=True)
    file.write_text("" if process is None else json.dumps(process.record()))
    os.utime(file, (time.time() - age,) * 2)
    return file


def test_what_is_claimed_is_held_until_it_is_let_go(tmp_path: Path) -> None:
    mine, theirs = Claims(tmp_path / "claims"), Claims(tmp_path / "claims")
    assert not theirs.is_held("work")
    with mine.claimed("work"), theirs.claimed("other"):
        assert theirs.is_held("work")
        with pytest.raises(ClaimedError) as caught, theirs.claimed("work"):
            pass
        assert caught.value.name == "work"
        assert caught.value.holder == f"process {os.getpid()} on {os.uname().nodename}"
        assert str(caught.value).startswith("work is being made by process ")
    assert not theirs.is_held("work")
    with pytest.raises(KeyError), mine.claimed("work"):
        raise KeyError
    with theirs.claimed("work"):
        pass
    assert [*(tmp_path / "claims").iterdir()] == []


@pytest.mark.parametrize(
    ("process", "age", "held"),
    [
        (Process.this(), 0, True),
        (Process.this(), EXPIRY_S + 60, False),
        (ENDED, 0, False),
        (ELSEWHERE, EXPIRY_S - 60, True),
        (ELSEWHERE, EXPIRY_S + 60, False),
        (NAMESAKE, EXPIRY_S - 60, True),
        (NAMESAKE, EXPIRY_S + 60, False),
        (None, 0, True),
        (None, EXPIRY_S + 60, False),
        (ELSEWHERE, 60 - EXPIRY_S, True),
        (ELSEWHERE, -EXPIRY_S - 60, False),
    ],
    ids=[
        *("alive", "silent", "ended", "elsewhere", "silent elsewhere"),
        *("namesake", "silent namesake", "empty", "old and empty", "soon", "clock set back"),
    ],
)
def test_a_claim_is_void_when_its_process_is_gone_or_silent(
    tmp_path: Path, process: Process | None, age: float, held: bool
) -> None:
    claim_of(tmp_path, process, age=age)
    claims = Claims(tmp_path)
    assert claims.is_held("work") is held
    if held:
        with pytest.raises(ClaimedError), claims.claimed("work"):
            pass
    else:
        with claims.claimed("work"):
            assert Process.of_record((tmp_path / "work").read_bytes()) == Process.this()
    claims.remove_void()
    assert (tmp_path / "work").exists() is held
    assert len([*tmp_path.iterdir()]) == held


def test_a_claim_that_others_alone_may_read_is_held_by_another_process(
    tmp_path: Path, monkeypatch
) -> None:
    file = claim_of(tmp_path, ELSEWHERE)
    really_open = os.open

    def guarded(path: Path, flags: int, *mode: int) -> int:
        if path == file and not flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, flags, *mode)

    monkeypatch.setattr(os, "open", guarded)
    claims = Claims(tmp_path)
    claims.remove_void()
    assert claims.is_held("work")
    with pytest.raises(ClaimedError) as caught, claims.claimed("work"):
        pass
    assert caught.value.holder == "another process"
    os.utime(file, (0, 0))
    assert not claims.is_held("work")


def test_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work").symlink_to(tmp_path / "nothing")
    claims = Claims(tmp_path)
    claims.remove_void()
    message = f"^{tmp_path / 'work'} is a symbolic link, no claim: delete it$"
    with pytest.raises(InputError, match=message), claims.claimed("work"):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["work"]


def test_a_folder_is_no_claim_and_blocks_no_other(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    void = claim_of(tmp_path, ENDED)
    claims = Claims(tmp_path)
    claims.remove_void()
    assert not void.exists()
    message = f"^{tmp_path / 'folder'} is a folder, no claim: delete it$"
    with pytest.raises(InputError, match=message):
        claims.is_held("folder")
    with pytest.raises(InputError, match=message), claims.claimed("folder"):
        pass
    with claims.claimed("work"):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"pid": 7}', b"\xff", b"[" * 4000, b'{"pid": "7"}']
)
def test_what_is_no_process_is_none(content: bytes) -> None:
    assert Process.of_record(content) is None


@pytest.mark.parametrize("pid", [0, -1, 2**31, "7", None])
def test_a_number_that_is_no_process_is_none(pid: object) -> None:
    assert Process.of_record(json.dumps({**ELSEWHERE.record(), "pid": pid}).encode()) is None


def test_the_time_is_that_of_the_file_system(tmp_path: Path, monkeypatch) -> None:
    claim_of(tmp_path, ELSEWHERE)
    monkeypatch.setattr(time, "time", lambda: 2e9)  # a machine whose clock is wrong
    assert Claims(tmp_path).is_held("work")


def test_a_holder_shows_that_it_lives(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(claims_module, "HEARTBEAT_S", 0.01)
    file = tmp_path / "work"
    with Claims(tmp_path).claimed("work"):
        os.utime(file, (0, 0))
        deadline = time.monotonic() + 10
        while file.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert file.stat().st_mtime > 0


def test_who_was_silent_leaves_the_claim_of_the_next_alone(tmp_path: Path) -> None:
    silent, next_one = Claims(tmp_path), Claims(tmp_path)
    with silent.claimed("work"):
        os.utime(tmp_path / "work", (0, 0))
        taken = next_one.claimed("work")
        taken.__enter__()
    assert next_one.is_held("work")
    taken.__exit__(None, None, None)
    assert not next_one.is_held("work")


def hold(folder: Path, claimed: Event) -> None:
    with Claims(folder).claimed("work"):
        claimed.set()
        time.sleep(60)


def test_the_claim_of_a_killed_process_is_void_at_once(tmp_path: Path) -> None:
    claimed = FORK.Event()
    child = FORK.Process(target=hold, args=(tmp_path, claimed))
    child.start()
    assert claimed.wait(10)
    claims = Claims(tmp_path)
    assert claims.is_held("work")
    os.kill(child.pid or 0, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while claims.is_held("work") and time.monotonic() < deadline:  # nobody has waited for it yet
        time.sleep(0.01)
    with claims.claimed("work"):
        pass
    child.join()
    assert [*tmp_path.iterdir()] == []


def race(folder: Path, journal: Path, start: Event, rounds: int) -> None:
    """Do each piece of work unless it is done, noting it, while others do the same."""
    claims = Claims(folder / "claims")
    start.wait()
    for number in range(rounds):
        done = folder / f"done{number}"
        while not done.exists():
            try:
                with claims.claimed(f"work{number}"):
                    if not done.exists():
                        with journal.open("a") as lines:
                            lines.write(f"{number}\n")
                        time.sleep(0.001)
                        done.touch()
            except ClaimedError:
                time.sleep(0.0005)


def test_of_many_that_come_to_void_claims_one_has_the_work(tmp_path: Path) -> None:
    rounds = 40
    (tmp_path / "claims").mkdir()
    for number in range(rounds):
        claim_of(tmp_path / "claims", ENDED).rename(tmp_path / "claims" / f"work{number}")
    start = FORK.Event()
    children = [
        FORK.Process(target=race, args=(tmp_path, tmp_path / f"journal{index}", start, rounds))
        for index in range(6)
    ]
    for child in children:
        child.start()
    start.set()
    for child in children:
        child.join()
        assert child.exitcode == 0
    journals = [file.read_text().split() for file in tmp_path.glob("journal*")]
    done = sorted(int(number) for numbers in journals for number in numbers)
    assert done == [*range(rounds)]
    assert [*(tmp_path / "claims").iterdir()] == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    claims = Claims(tmp_path / "file" / "claims")
    message = "cannot write in .*file/claims.*choose another directory"
    with pytest.raises(InputError, match=message), claims.claimed("work"):
        pass
