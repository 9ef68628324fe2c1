"""Cells on disk: addressed by their inputs, whole or named as what they are."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from numbered_cells import INPUTS, TASKS, measured, numbered

from mergebench.errors import InputError
from mergebench.experiment import store as store_module
from mergebench.experiment.store import Store, existing_store
from mergebench.files.leftovers import LEFTOVER_AGE_S
from mergebench.measure.cell import CellRun, Method

# --- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"backbone_sha256": "0" * 64},
        {"suite_sha256": "0" * 64},
        {"tasks": TASKS[::-1]},
        {"seed": 1},
        {"precision": "bf16"},
        {"protection": None},
        {"protection": Method(name="trap2", version=2, options={"strength": 0.1})},
        {"target": "fashion"},
        {"attack": Method(name="ties", version=1, options={"top_k": 10.0})},
        {"space": Method(name="knots", version=1, options={})},
        {"protocol": {"name": "paper", "alphas": (0.2, 0.1), "grids": {"top_k": (10, 20)}}},
        {"updates": INPUTS.updates[::-1]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_input_changes_the_key(change: dict[str, Any]) -> None:
    assert replace(INPUTS, **change).key != INPUTS.key


def test_key_depends_on_nothing_else() -> None:
    reordered = dict(reversed(INPUTS.protocol.items()))
    as_integer = Method(name="ties", version=1, options={"top_k": 20})
    assert replace(INPUTS, protocol=reordered, attack=as_integer).key == INPUTS.key
    cell = measured(INPUTS)
    assert (
        replace(cell, run=replace(cell.run, seconds=99.0, device="cuda", tf32=False)).key
        == cell.key
        == INPUTS.key
    )
    assert re.fullmatch("[0-9a-f]{64}", cell.key)


# --- reading and writing ----------------------------------------------------------------------


def test_a_cell_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs" / "cells")
    assert store.get(INPUTS.key) is None
    plain = replace(
        INPUTS,
        protection=Method(name="none", version=1, options={}),
        protocol={"name": "paper", "alphas": [0.1, 0.2]},
    )
    store.put(measured(plain))
    store.put(measured(INPUTS))
    cell = store.get(plain.key)
    assert cell is not None
    assert (cell.inputs, cell.results) == (plain, measured(plain).results)
    assert set(cell.run.versions) >= {"python", "torch"}
    assert store.keys() == tuple(sorted((plain.key, INPUTS.key)))
    assert [cell.key for cell in store.cells()] == list(store.keys())
    assert len(list(store.root.iterdir())) == 2


def test_writing_again_replaces(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(measured(INPUTS))
    again = replace(measured(INPUTS), run=CellRun.now(7.0, torch.device("cpu")))
    store.put(again)
    cell = store.get(INPUTS.key)
    assert cell is not None
    assert cell.run.seconds == 7.0


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])


def edit(file: Path) -> None:
    record = json.loads(file.read_text())
    record["results"]["correct"]["mnist"] = 999
    file.write_text(json.dumps(record))


def rename(file: Path) -> None:
    Store(file.parent).put(measured(numbered(5)))
    os.replace(file.with_name(f"{numbered(5).key}.json"), file)


def nest(file: Path, depth: int) -> None:
    """Put lists of that depth into a record."""
    start = json.dumps(json.loads(file.read_text()))[:-1]
    file.write_text(f'{start}, "more": {"[" * depth}{"]" * depth}}}')


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, "not valid JSON"),
        (edit, "does not match its checksum"),
        (rename, "holds another cell"),
        (lambda file: file.write_bytes(b""), "not valid JSON"),
        (lambda file: file.write_bytes(bytes(300)), "not valid JSON"),
        (lambda file: file.write_text("{}"), "not a cell of format"),
        (lambda file: file.write_text('["cell"]'), "not a cell of format"),
        (lambda file: file.write_text('{"format": "4"}'), r"damaged \(not a cell of format 3\)"),
        (
            lambda file: file.write_text('{"format": 4}'),
            r"is of another version of mergebench \(not a cell of format 3, which this version "
            r"reads, but of format 4\): read it with that one, or delete it",
        ),
        (lambda file: nest(file, 600), r"damaged \(nested too deeply\)"),
        (lambda file: nest(file, 900), r"damaged \(n"),
        (lambda file: nest(file, 10**5), r"damaged \(not valid JSON\)"),
    ],
    ids=[
        "truncated",
        "edited",
        "renamed",
        "empty",
        "zeroed",
        "no cell",
        "no object",
        "no format",
        "another format",
        600,
        900,
        10**5,
    ],
)
def test_a_damaged_cell_is_named(tmp_path: Path, damage: Any, reason: str) -> None:
    store = Store(tmp_path)
    store.put(measured(INPUTS))
    file = store.path(INPUTS.key)
    damage(file)
    with pytest.raises(InputError, match=reason) as caught:
        store.get(INPUTS.key)
    assert str(file) in str(caught.value)
    assert "delete it" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["pipe", "folder"])
def test_what_is_no_file_is_no_cell(tmp_path: Path, what: str) -> None:
    store = Store(tmp_path)
    file = store.path(INPUTS.key)
    os.mkfifo(file) if what == "pipe" else file.mkdir()
    with pytest.raises(
        InputError, match=r"damaged \(a folder, pipe or device\): delete it to measure"
    ):
        store.get(INPUTS.key)


def test_leftovers_of_killed_writers_are_ignored_and_swept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old, new = (tmp_path / f".{INPUTS.key}.json.{pid}-0123abcd.tmp" for pid in (1, 2))
    for file in (old, new):
        file.write_text('{"half a ce')
    os.utime(old, (0, time.time() - 2 * LEFTOVER_AGE_S))
    assert store.get(INPUTS.key) is None
    assert store.keys() == ()
    Store(tmp_path)
    assert not old.exists()
    assert new.exists()  # its writer may be at work


@pytest.mark.parametrize("root", ["file/cells", "file", "/proc/cells"])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=f"cannot write in .*{root}.*choose another directory"):
        Store(tmp_path / root)


def test_a_store_is_read_where_nothing_can_be_written(tmp_path: Path, monkeypatch) -> None:
    Store(tmp_path / "cells").put(measured(INPUTS))

    def full(folder: Path) -> None:
        raise InputError(f"cannot write in {folder}")

    monkeypatch.setattr(store_module, "check_writable", full)
    assert [cell.key for cell in existing_store(tmp_path).cells()] == [INPUTS.key]
    with pytest.raises(InputError, match="cannot write in"):
        Store(tmp_path / "cells")


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch) -> None:
    store = Store(tmp_path)

    def denied(folder: Path) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", denied)
    with pytest.raises(InputError, match=f"^{tmp_path} cannot be read: Permission denied; make it"):
        store.keys()
