"""Trained updates on disk: whole after kills, verified when read, never refused for good."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from training import tiny_backbone

from mergebench.backbones import Backbone
from mergebench.errors import InputError
from mergebench.experiment.release_records import (
    find_record,
    load_trained,
    place_of,
    write_trained,
)
from mergebench.experiment.releases import save_release
from mergebench.measure import CellRun, Method, plain
from mergebench.seeding import generator
from mergebench.updates import LowRank, Update

FORK = multiprocessing.get_context("fork")
TRAINING = {"task": "mnist", "losses": [1.5, 1.0], "validation": {"correct": 3, "images": 4}}
RUN = CellRun(seconds=1.5, finished="2026-01-01", device="cpu", versions={"torch": "2"})
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_backbone()


@pytest.fixture(scope="module")
def inputs(backbone: Backbone) -> dict[str, Any]:
    protection = Method(name="none", version=1, options={"rank": 2.0})
    sites = [*backbone.sites]
    return {"backbone": "a" * 64, "sites": sites, "task": "b" * 64, "protection": protection}


def update_of(backbone: Backbone, number: int = 0) -> Update:
    name, site = next(iter(backbone.sites.items()))
    draws = generator(number, "records")
    up = torch.randn(site.out_features, 2, generator=draws)
    down = torch.randn(2, site.in_features, generator=draws)
    return Update(sites={name: LowRank(up=up, down=down)})


@pytest.fixture
def folder(tmp_path: Path, backbone: Backbone, inputs: dict[str, Any]) -> Path:
    folder = tmp_path / "releases" / "mnist-none-0"
    write_trained(update_of(backbone), folder, backbone, inputs, TRAINING, RUN)
    return folder


def read(folder: Path, inputs: dict[str, Any], backbone: Backbone) -> str | None:
    """Return the hash of the update in a folder, None if there is none."""
    record = find_record(folder, inputs, backbone)
    return None if record is None else load_trained(folder, record, backbone).sha256


def test_an_update_comes_back_with_its_record(folder, inputs, backbone):
    record = find_record(folder, inputs, backbone)
    assert record is not None
    assert load_trained(folder, record, backbone).sha256 == update_of(backbone).sha256
    assert record["update_sha256"] == update_of(backbone).sha256
    assert {name: record[name] for name in TRAINING} == plain(TRAINING)
    assert record["run"] == plain(RUN)
    assert place_of(record) == "cpu"
    assert place_of({}) is None  # of one that was trained before this was noted
    assert find_record(folder.with_name("other"), inputs, backbone) is None
    assert sorted(file.name for file in folder.iterdir()) == [
        "adapter_config.json",
        WEIGHTS,
        "record.json",
    ]


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


def edit(file: Path) -> None:
    record = json.loads(file.read_text())
    record["validation"]["correct"] = 4
    file.write_text(json.dumps(record))


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def nest(file: Path, depth: int) -> None:
    """Put lists of that depth into a record."""
    start = json.dumps(json.loads(file.read_text()))[:-1]
    file.write_text(f'{start}, "more": {"[" * depth}{"]" * depth}}}')


def double(file: Path) -> None:
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "lora_alpha": 2 * config["lora_alpha"]}))


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        (WEIGHTS, flip, "its update does not match its checksum"),
        (WEIGHTS, lambda file: os.truncate(file, 400), "is truncated or not a safetensors file"),
        (WEIGHTS, Path.unlink, "is missing"),
        ("adapter_config.json", double, "its update does not match its checksum"),
        ("adapter_config.json", Path.unlink, "adapter_config.json"),
        ("record.json", lambda file: os.truncate(file, 0), "record.json: not valid JSON"),
        ("record.json", lambda file: os.truncate(file, 99), "record.json: not valid JSON"),
        ("record.json", lambda file: file.write_bytes(b"\xff\x00"), "record.json: not valid JSON"),
        ("record.json", lambda file: file.write_text("[" * 10**5), "record.json: not valid JSON"),
        ("record.json", lambda file: file.write_text("[]"), "not the record of this training"),
        ("record.json", lambda file: file.write_text("{}"), "not the record of this training"),
        (
            "record.json",
            lambda file: file.write_text('{"format": 9}'),
            "not a record of format 2, ",
        ),
        ("record.json", lambda file: nest(file, 600), "record.json: nested too deeply"),
        ("record.json", lambda file: nest(file, 900), "record.json: n"),
        ("record.json", edit, "its content does not match its checksum"),
        ("record.json", pipe, "record.json: a folder, pipe or device"),
    ],
)
def test_a_damaged_release_is_named_and_trained_again_when_it_is_deleted(
    folder: Path,
    inputs: dict[str, Any],
    backbone: Backbone,
    name: str,
    damage: Callable[[Path], None],
    reason: str,
) -> None:
    damage(folder / name)
    with pytest.raises(InputError, match=reason) as caught:
        read(folder, inputs, backbone)
    assert str(caught.value).startswith(f"{folder} is damaged (")
    assert str(caught.value).endswith("): delete it to train the update again")
    assert "\n" not in str(caught.value)
    # As another process does.
    write_trained(update_of(backbone), folder, backbone, inputs, TRAINING, RUN)
    assert read(folder, inputs, backbone) == update_of(backbone).sha256
    assert [*folder.parent.iterdir()] == [folder]


def test_the_record_of_another_training_is_refused(folder, inputs, backbone):
    with pytest.raises(InputError, match="it is the record of another training"):
        read(folder, {**inputs, "task": "c" * 64}, backbone)


def test_who_finished_meanwhile_is_kept(folder, inputs, backbone):
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    write_trained(update_of(backbone), folder, backbone, inputs, TRAINING, RUN)
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before


@pytest.mark.parametrize("missing", ["record.json", "all"])
def test_what_is_not_finished_is_replaced(folder, inputs, backbone, missing):
    for file in [*folder.iterdir()]:
        if missing in (file.name, "all"):
            file.unlink()
    assert find_record(folder, inputs, backbone) is None
    (folder / "leftover").write_text("")
    write_trained(update_of(backbone, 1), folder, backbone, inputs, TRAINING, RUN)
    assert read(folder, inputs, backbone) == update_of(backbone, 1).sha256
    assert not (folder / "leftover").exists()


def test_a_release_without_checksums_is_given_them_and_named(tmp_path, inputs, backbone, capfd):
    folder, update = tmp_path / "old", update_of(backbone)
    save_release(update, folder, backbone)
    old = plain({**inputs, **TRAINING})
    (folder / "record.json").write_text(json.dumps(old))
    assert read(folder, inputs, backbone) == update.sha256
    assert capfd.readouterr().err == (
        f"mergebench: {folder} was trained before updates had checksums: taken as it is, "
        f"sha256 {update.sha256[:12]}... is noted; delete it if you would rather train it again\n"
    )
    record = json.loads((folder / "record.json").read_text())
    assert {name: record[name] for name in old} == old
    assert read(folder, inputs, backbone) == update.sha256
    assert capfd.readouterr().err == ""
    flip(folder / WEIGHTS)
    with pytest.raises(InputError, match="its update does not match its checksum"):
        read(folder, inputs, backbone)


def test_a_broken_release_without_checksums_is_damaged(tmp_path, inputs, backbone):
    folder = tmp_path / "old"
    save_release(update_of(backbone), folder, backbone)
    (folder / "record.json").write_text(json.dumps(plain({**inputs, **TRAINING})))
    (folder / "adapter_config.json").unlink()  # as saving again, and being killed, once left it
    with pytest.raises(InputError, match=r"is damaged \(.*delete it to train the update again"):
        read(folder, inputs, backbone)


def test_a_nested_record_without_checksums_is_damaged(tmp_path, inputs, backbone):
    folder = tmp_path / "old"
    save_release(update_of(backbone), folder, backbone)
    (folder / "record.json").write_text(json.dumps(plain({**inputs, **TRAINING})))
    nest(folder / "record.json", 600)
    with pytest.raises(InputError, match=r"is damaged \(record.json: nested too deeply\)"):
        read(folder, inputs, backbone)


def save(folder: Path, backbone: Backbone, inputs: dict[str, Any]) -> None:
    write_trained(update_of(backbone), folder, backbone, inputs, TRAINING, RUN)


def test_kills_of_savers_break_nothing(tmp_path, inputs, backbone):
    moments, seen, number = random.Random(0), set(), 0
    folder = tmp_path / "releases" / "mnist-none-0"
    while True not in seen or number < 20:
        child = FORK.Process(target=save, args=(folder, backbone, inputs))
        child.start()
        time.sleep(moments.expovariate(1 / (0.003 * 1.2**number)))
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        found = read(folder, inputs, backbone)
        assert found in (None, update_of(backbone).sha256)
        assert found is not None or True not in seen  # what was finished stays
        seen.add(found is not None)
        number += 1
    save(folder, backbone, inputs)
    assert read(folder, inputs, backbone) == update_of(backbone).sha256
