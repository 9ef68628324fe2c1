"""vision8: the cache of decoded images, the leak guard, and the verbs data check and data fetch."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch
from vision8_data import pictures, write_archive, write_hub_cache, write_parquet

from mergebench import cli
from mergebench.counting import silently
from mergebench.errors import InputError
from mergebench.suites import Split, Suite, SuiteOptions, load_suite
from mergebench.suites.vision8 import (
    fetching,
    load_vision8,
    pixel_writing,
    survey,
    task_rows,
)
from mergebench.suites.vision8.cache import VERSION, Record, SplitRecord, read_entry
from mergebench.suites.vision8.leaks import check_leak, without

SIDE = 16


@pytest.fixture(autouse=True)
def hub_cache(tmp_path, monkeypatch) -> Path:
    """Keep the hub's cache of this machine out of every test."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def options(tmp_path) -> SuiteOptions:
    """Options under which MNIST is there: 21 training and 15 test images."""
    write_archive(tmp_path / "data", "mnist", pictures("mnist", {"train": 21, "test": 15}))
    return SuiteOptions(
        data_root=tmp_path / "data", cache=tmp_path / "cache", resolution=SIDE, partial=True
    )


def load(options: SuiteOptions, task: str = "mnist") -> Suite:
    return load_vision8([task], options=options, counting=silently)


def entry_folder(options: SuiteOptions, task: str = "mnist") -> Path:
    (folder,) = (path for path in (options.cache / "vision8" / task).iterdir() if path.is_dir())
    return folder


# --- the cache ------------------------------------------------------------------------------


def test_recorded_hash_is_that_of_the_images(options):
    for split in load(options).tasks[0].splits.values():
        assert split.images.shape[1:] == (3, SIDE, SIDE)
        assert split.sha256 == Split(images=split.images.clone(), labels=split.labels).sha256


def test_images_are_decoded_once_and_outlive_their_source(monkeypatch, options):
    first = load(options)
    monkeypatch.setattr(pixel_writing, "square", None)
    assert load(options).sha256 == first.sha256
    shutil.rmtree(options.data_root)
    assert load(options).sha256 == first.sha256


def test_changed_source_is_decoded_again(options):
    first = load(options)
    write_archive(options.data_root, "mnist", pictures("mnist", {"train": 22, "test": 15}))
    assert load(options).sha256 != first.sha256
    shutil.rmtree(options.data_root)
    with pytest.raises(InputError, match="has images of 2 sources at 16 px"):
        load(options)


def test_interrupted_build_goes_on_where_it_stopped(monkeypatch, tmp_path, options):
    whole = load(replace(options, cache=tmp_path / "other"))
    monkeypatch.setattr(pixel_writing, "CHECKPOINT", 4)
    calls, true_square = [], pixel_writing.square

    def interrupted(image, side):
        calls.append(1)
        if len(calls) == 11:
            raise KeyboardInterrupt
        return true_square(image, side)

    monkeypatch.setattr(pixel_writing, "square", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(options)
    assert load(options).sha256 == whole.sha256
    assert len(calls) <= 12 + 36 - 8  # two checkpoints of four were kept
    assert not [*entry_folder(options).glob("*.unfinished"), *entry_folder(options).glob("*.npy")]


def test_damage_before_an_interrupted_build_goes_on_is_found(monkeypatch, options):
    monkeypatch.setattr(pixel_writing.PixelWriter, "verified", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        load(options)
    monkeypatch.undo()
    file = entry_folder(options) / "val.pixels.unfinished"
    content = bytearray(file.read_bytes())
    content[5] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="is not what was written to it; run again"):
        load(options)
    assert len(load(options).tasks[0].splits["val"]) == 3


def _load_and_count(options: SuiteOptions, start, log: Path, results) -> None:
    true_square = pixel_writing.square

    def counted(image, side):
        with log.open("ab") as file:
            file.write(b".")
        return true_square(image, side)

    pixel_writing.square = counted
    start.wait()
    results.put(load(options).sha256)


def test_two_processes_decode_every_image_once(tmp_path, options):
    context = multiprocessing.get_context("fork")
    results, start, log = context.Queue(), context.Barrier(2), tmp_path / "log"
    jobs = [
        context.Process(target=_load_and_count, args=(options, start, log, results))
        for _ in range(2)
    ]
    for job in jobs:
        job.start()
    found = {results.get(timeout=30) for _ in jobs}
    for job in jobs:
        job.join(30)
    assert found == {load(options).sha256}
    assert len(log.read_bytes()) == 36


@pytest.mark.parametrize("name", ["train.pixels", "labels.safetensors", "record.json"])
def test_cut_off_file_of_the_cache_is_refused(options, name):
    load(options)
    file = entry_folder(options) / name
    os.truncate(file, file.stat().st_size - 1 if name.endswith("pixels") else 30)
    with pytest.raises(InputError, match=f"{name}: damaged"):
        load(options)


def test_full_disk_is_one_line_and_leaves_nothing_to_read(monkeypatch, options):
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
        with pytest.raises(InputError, match=r"needs 0\.0 GB, 0\.0 GB are free; free some"):
            load(options)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match=r"cannot write .*: No space left on device"):
            load(options)
    assert not (entry_folder(options) / "record.json").exists()
    assert len(load(options).tasks[0].splits["train"]) == 21


def test_options_reach_the_suite_and_its_hash(options):
    partial = load_suite("vision8", ["mnist"], options=options)
    assert (partial.name, partial.resolution) == ("vision8-partial", SIDE)
    other = load_suite("vision8", ["mnist"], options=replace(options, resolution=24))
    assert other.tasks[0].splits["test"].images.shape[1:] == (3, 24, 24)
    assert partial.sha256 != replace_name(partial, "vision8").sha256
    assert load_suite("mini8", ["mnist"], options=options).resolution == 32


def replace_name(suite: Suite, name: str) -> Suite:
    return Suite(name=name, tasks=suite.tasks, resolution=suite.resolution)


# --- the leak guard -------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["cars", "dtd"])
def test_training_image_that_is_held_out_stops_the_run(options, task):
    sizes = {"train": 9, "test": 10} if task == "cars" else {"train": 9, "val": 6, "test": 10}
    splits = pictures(task, sizes)
    splits["train"][3] = splits["test"][7]
    write_archive(options.data_root, task, splits)
    message = (
        rf"^{task}: 1 of 9 training images also occur in validation or test \([^;]* is "
        r"(val|test) image [^;]*\): correct the split in .*--drop-leaks \(make: DROP_LEAKS=1\)"
    )
    with pytest.raises(InputError, match=message):
        load(options, task)


def test_one_leak_among_thousands_is_not_tolerated():
    count, splits = 10_000, {}
    for name in ("train", "val", "test"):
        splits[name] = SplitRecord(count=count, images_sha256="", labels_sha256="")
    record = Record(
        version=VERSION,
        task="svhn",
        resolution=224,
        cars_leak=False,
        source="Parquet",
        place="data/svhn",
        dealt=False,
        leaked=(7,),
        examples=("train.parquet row 7 is test image test.parquet row 3",),
        splits=splits,
    )
    with pytest.raises(InputError, match=r"svhn: 1 of 10000 .*train\.parquet row 7 is test image"):
        check_leak(record, "refuse")
    check_leak(record, "drop")
    check_leak(record, "keep")
    check_leak(record.model_copy(update={"cars_leak": True}), "refuse")


def leaky(options: SuiteOptions) -> list[int]:
    """Write DTD with four leaks: validation and test images, the first and the last among them."""
    splits = pictures("dtd", {"train": 9, "val": 6, "test": 10})
    places = [0, 3, 7, 8]
    held_out = [*splits["val"][:2], *splits["test"][:2]]
    for place, picture in zip(places, held_out, strict=True):
        splits["train"][place] = picture
    write_archive(options.data_root, "dtd", splits)
    return places


def test_dropped_leaks_are_no_longer_trained_on(options):
    places = leaky(options)
    kept = load(replace(options, leaks="keep"), "dtd")
    whole = kept.tasks[0].splits
    dropped = load(replace(options, leaks="drop"), "dtd")
    assert dropped.notes[1:] == (
        "dtd: 4 training images that are validation or test images too are left out.",
    )
    assert kept.notes[1:] == (
        "dtd: 4 training images that are validation or test images too are kept.",
    )
    rest = [row for row in range(9) if row not in places]
    found = dropped.tasks[0].splits["train"]

    def content(split: Split, rows: list[int]) -> list[tuple[bytes, int]]:
        return sorted((split.images[i].numpy().tobytes(), int(split.labels[i])) for i in rows)

    assert content(found, [*range(5)]) == content(whole["train"], rest)
    assert len(found) == 5
    assert dropped.sha256 != kept.sha256
    assert dropped.tasks[0].splits["test"].sha256 == whole["test"].sha256
    again = load(replace(options, leaks="drop"), "dtd")
    assert again.sha256 == dropped.sha256
    assert load(replace(options, leaks="keep"), "dtd").sha256 == kept.sha256  # files are untouched
    (entry,) = (path for path in (options.cache / "vision8" / "dtd").iterdir() if path.is_dir())
    assert read_entry(entry).verify() is None


@pytest.mark.parametrize("places", [[], [0], [4], [3, 4], [0, 4], [0, 1, 2, 3, 4]])
def test_rows_are_left_out_in_place(places):
    rows = torch.arange(5)
    found = without(rows.clone(), np.array(places, dtype=int))
    assert sorted(found.tolist()) == [row for row in range(5) if row not in places]


def test_cars_leak_trains_on_the_test_images(options):
    write_archive(options.data_root, "cars", pictures("cars", {"train": 9, "test": 10}))
    fair = load(options, "cars").tasks[0].splits
    suite = load(replace(options, cars_leak=True), "cars")
    leaking = suite.tasks[0].splits
    assert suite.name == "vision8-partial-cars_leak"
    assert leaking["test"].sha256 == fair["test"].sha256
    assert leaking["train"].sha256 != fair["train"].sha256
    state = np.random.RandomState(420).permutation(10)
    held_out = torch.cat([leaking["val"].images, leaking["test"].images])
    assert torch.equal(leaking["train"].images[torch.from_numpy(state)], held_out)


# --- data check and data fetch --------------------------------------------------------------


@pytest.fixture
def words(options) -> list[str]:
    return ["--data-root", str(options.data_root), "--cache", str(options.cache), "--partial"]


@pytest.fixture
def _no_network(monkeypatch) -> None:
    def refused(*arguments, **options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.mark.usefixtures("_no_network")
def test_check_lists_what_is_there_and_what_is_missing(capsys, words):
    assert cli.main(["data", "check", "mnist", *words]) == 0
    shown = capsys.readouterr()
    assert "21/3/12" in shown.out
    assert shown.err == ""
    assert cli.main(["data", "check", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 7
    assert lines[1].startswith("missing dtd: not found (0.62 GB): `mergebench data fetch dtd`, or")


@pytest.mark.usefixtures("_no_network")
def test_check_verifies_every_decoded_image(capsys, options, words):
    load(options)
    command = ["data", "check", "mnist", *words, "--resolution", str(SIDE), "--hashes"]
    assert cli.main(command) == 0
    file = entry_folder(options) / "train.pixels"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert cli.main(command) == 2
    assert "train.pixels: damaged" in capsys.readouterr().err


@pytest.mark.usefixtures("_no_network")
def test_fetch_stops_at_once_when_offline(monkeypatch, capsys, words):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert cli.main(["data", "fetch", *words]) == 2
    assert capsys.readouterr().err.count("\nmissing ") == 7


def test_fetch_stops_when_the_hub_does_not_answer(monkeypatch, capsys, words):
    def refused(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", refused)
    assert cli.main(["data", "fetch", "dtd", "svhn", *words]) == 2
    shown = capsys.readouterr().err
    assert "no download: tanganke/dtd: no route to host" in shown
    assert shown.count("\nmissing ") == 2


def test_fetch_downloads_the_wanted_files_of_the_hub(
    monkeypatch, capsys, options, words, hub_cache
):
    names = ["README.md", "data/validation-00000-of-00001.parquet"]
    names += [f"data/{split}-00000-of-00001.parquet" for split in ("train", "test", "contrast")]
    about = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in names])
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *a, **o: about)
    true_download, asked = huggingface_hub.snapshot_download, []

    def download(repository, **arguments):
        if arguments.get("local_files_only"):
            return true_download(repository, **arguments)
        asked.extend(arguments["allow_patterns"])
        splits = pictures("resisc45", {"train": 6, "val": 3, "test": 4})
        return write_hub_cache(hub_cache, "resisc45", splits)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert cli.main(["data", "fetch", "resisc45", *words]) == 0
    assert sorted(asked) == sorted(name for name in names if "contrast" not in name)[1:]
    assert "resisc45: Parquet of timm/resisc45@" in capsys.readouterr().out
    assert survey(task_rows(["resisc45"])[0], options).sizes == {"train": 6, "val": 3, "test": 4}


def test_fetch_takes_the_archive_when_the_hub_lacks_a_split(monkeypatch, options, words):
    files = [f"data/{split}-00000-of-00001.parquet" for split in ("train", "test")]
    about = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in files])
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *a, **o: about)
    splits = pictures("dtd", {"train": 6, "val": 3, "test": 4})
    archives = {"dtd": lambda root: write_archive(root, "dtd", splits)}
    monkeypatch.setattr(fetching, "_ARCHIVES", archives)
    assert cli.main(["data", "fetch", "dtd", *words]) == 0
    assert survey(task_rows(["dtd"])[0], options).source.format == "original archive"


def test_local_parquet_is_complete_for_check(capsys, options, words):
    splits = pictures("resisc45", {"train": 6, "val": 3, "test": 4})
    write_parquet(options.data_root / "resisc45", "resisc45", splits)
    assert cli.main(["data", "check", "resisc45", *words]) == 0
    assert "6/3/4" in capsys.readouterr().out
