"""vision8: the cache of decoded images."""

from __future__ import annotations

import errno
import io
import multiprocessing
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from vision8_data import (
    Picture,
    Splits,
    pictures,
    write_archive,
    write_image_folders,
    write_parquet,
)
from vision8_loading import SIDE, entry_folder, load_one

from mergebench.errors import InputError
from mergebench.suites import Split, Suite, SuiteOptions, load_suite
from mergebench.suites.images import pixel_writing


@pytest.fixture
def options(options) -> SuiteOptions:
    """Options under which MNIST is there: 21 training and 15 test images."""
    write_archive(options.data_root, "mnist", pictures("mnist", {"train": 21, "test": 15}))
    return options


def test_recorded_hash_is_that_of_the_images(options):
    for split in load_one(options).tasks[0].splits.values():
        assert split.inputs.shape[1:] == (3, SIDE, SIDE)
        assert split.sha256 == Split(inputs=split.inputs.clone(), labels=split.labels).sha256


def test_images_are_decoded_once_and_outlive_their_source(monkeypatch, options):
    first = load_one(options)
    monkeypatch.setattr(pixel_writing, "square", None)
    assert load_one(options).sha256 == first.sha256
    shutil.rmtree(options.data_root)
    assert load_one(options).sha256 == first.sha256


def test_changed_source_is_decoded_again(options):
    first = load_one(options)
    write_archive(options.data_root, "mnist", pictures("mnist", {"train": 22, "test": 15}))
    assert load_one(options).sha256 != first.sha256
    shutil.rmtree(options.data_root)
    with pytest.raises(InputError, match="has images of 2 sources at 16 px"):
        load_one(options)


def negatives(splits: Splits) -> Splits:
    """Return as many pictures of the same labels and shapes."""

    def negative(picture: Picture) -> Picture:
        content, pixels = io.BytesIO(), 255 - picture.pixels
        Image.fromarray(pixels).save(content, "PNG")
        return Picture(pixels=pixels, content=content.getvalue(), label=picture.label)

    return {split: [*map(negative, own)] for split, own in splits.items()}


@pytest.mark.parametrize("form", ["archive", "folders", "parquet"])
def test_other_pictures_under_the_same_names_are_noticed(options, form):
    def write(splits: Splits) -> None:
        if form == "archive":
            write_archive(options.data_root, "mnist", splits)
        elif form == "folders":
            write_image_folders(options.data_root, "mnist", splits)
        else:
            write_parquet(options.data_root / "mnist", "mnist", splits)

    shutil.rmtree(options.data_root)
    splits = pictures("mnist", {"train": 21, "test": 15})
    write(splits)
    before = load_one(options).tasks[0].splits["test"]
    write(negatives(splits))
    after = load_one(options).tasks[0].splits["test"]
    assert before.labels.equal(after.labels)
    assert not before.inputs[:].equal(after.inputs[:])
    shutil.rmtree(options.cache)
    assert load_one(options).tasks[0].splits["test"].sha256 == after.sha256


def test_interrupted_build_goes_on_where_it_stopped(monkeypatch, tmp_path, options):
    whole = load_one(replace(options, cache=tmp_path / "other"))
    monkeypatch.setattr(pixel_writing, "CHECKPOINT", 4)
    calls, true_square = [], pixel_writing.square

    def interrupted(image, side):
        calls.append(1)
        if len(calls) == 11:
            raise KeyboardInterrupt
        return true_square(image, side)

    monkeypatch.setattr(pixel_writing, "square", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_one(options)
    assert load_one(options).sha256 == whole.sha256
    assert len(calls) <= 12 + 36 - 8  # two checkpoints of four were kept
    assert not [*entry_folder(options).glob("*.unfinished"), *entry_folder(options).glob("*.npy")]


def test_damage_before_an_interrupted_build_goes_on_is_found(monkeypatch, options):
    monkeypatch.setattr(pixel_writing.PixelWriter, "verified", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        load_one(options)
    monkeypatch.undo()
    file = entry_folder(options) / "val.pixels.unfinished"
    content = bytearray(file.read_bytes())
    content[5] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="is not what was written to it; run again"):
        load_one(options)
    assert len(load_one(options).tasks[0].splits["val"]) == 3


def _load_and_count(options: SuiteOptions, start, log: Path, results) -> None:
    true_square = pixel_writing.square

    def counted(image, side):
        with log.open("ab") as file:
            file.write(b".")
        return true_square(image, side)

    pixel_writing.square = counted
    start.wait()
    results.put(load_one(options).sha256)


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
    assert found == {load_one(options).sha256}
    assert len(log.read_bytes()) == 36


@pytest.mark.parametrize("name", ["train.pixels", "labels.safetensors", "record.json"])
def test_cut_off_file_of_the_cache_is_refused(options, name):
    load_one(options)
    file = entry_folder(options) / name
    os.truncate(file, file.stat().st_size - 1 if name.endswith("pixels") else 30)
    with pytest.raises(InputError, match=f"{name}: damaged"):
        load_one(options)


def test_full_disk_is_one_line_and_leaves_nothing_to_read(monkeypatch, options):
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
        with pytest.raises(InputError, match=r"needs 0\.0 GB, 0\.0 GB are free; free some"):
            load_one(options)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match=r"cannot write .*: No space left on device"):
            load_one(options)
    assert not (entry_folder(options) / "record.json").exists()
    assert len(load_one(options).tasks[0].splits["train"]) == 21


def test_options_reach_the_suite_and_its_hash(options):
    partial = load_suite("vision8", ["mnist"], options=options)
    assert (partial.name, partial.size) == ("vision8-partial", SIDE)
    other = load_suite("vision8", ["mnist"], options=replace(options, resolution=24))
    assert other.tasks[0].splits["test"].inputs.shape[1:] == (3, 24, 24)
    assert partial.sha256 != replace_name(partial, "vision8").sha256
    assert load_suite("mini8", ["mnist"], options=options).size == 32


def replace_name(suite: Suite, name: str) -> Suite:
    return Suite(name=name, tasks=suite.tasks, size=suite.size)
