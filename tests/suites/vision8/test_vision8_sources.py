"""vision8: the same images from every source and format, and sources that are damaged."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image
from vision8_data import (
    COMMIT,
    labels,
    pictures,
    write_archive,
    write_hub_cache,
    write_image_folders,
    write_parquet,
)
from vision8_loading import NAMES, SIDE, content, load, sizes_of, state_of

from mergebench.errors import InputError
from mergebench.suites import SuiteOptions
from mergebench.suites.images import square
from mergebench.suites.vision8.archives import find_archive
from mergebench.suites.vision8.prompts import prompts_of

# --- the same images from every source ------------------------------------------------------


@pytest.mark.parametrize("task", NAMES)
def test_every_source_gives_the_same_images(task, options, tmp_path, hub_cache):
    splits = pictures(task, sizes_of(task))
    writers = {
        "image folders": lambda root: write_image_folders(root, task, splits),
        "Parquet": lambda root: write_parquet(root / task / "data", task, splits, shards=2),
        "archive": lambda root: write_archive(root, task, splits),
        "hub": lambda root: write_hub_cache(hub_cache, task, splits),
    }
    if task in ("resisc45", "eurosat"):  # an unsplit archive, and none at all
        del writers["archive"]
    found, formats = [], set()
    for name, write in writers.items():
        own = replace(options, data_root=tmp_path / name)
        write(own.data_root)
        formats.add(state_of(task, own).source.format)
        found.append(load(task, own))
    assert len(formats) == len(writers)
    for other in found:
        assert other.splits["val"].sha256 == found[0].splits["val"].sha256
        assert other.splits["test"].sha256 == found[0].splits["test"].sha256
        assert content(other, "train") == content(found[0], "train")


@pytest.mark.parametrize("task", NAMES)
def test_images_are_the_pictures_that_were_written(task, options):
    splits = pictures(task, sizes_of(task))
    write_parquet(options.data_root / task, task, splits, shards=3)
    loaded = load(task, options)
    files = (io.BytesIO(picture.content) for picture in splits["train"])
    expected = [square(Image.open(file), SIDE) for file in files]
    assert np.array_equal(loaded.splits["train"].inputs.numpy(), np.stack(expected))
    assert loaded.splits["train"].labels.tolist() == labels(splits, "train").tolist()


_TORCHVISION = {
    "cars": lambda root, split: torchvision.datasets.StanfordCars(root, split),
    "dtd": lambda root, split: torchvision.datasets.DTD(root, split),
    "gtsrb": lambda root, split: torchvision.datasets.GTSRB(root, split),
    "mnist": lambda root, split: torchvision.datasets.MNIST(root, train=split == "train"),
    "aircraft": lambda root, split: torchvision.datasets.FGVCAircraft(root, split),
    "eurosat": lambda root, split: torchvision.datasets.EuroSAT(root),
}


@pytest.mark.parametrize("task", sorted(_TORCHVISION))
def test_archives_are_read_as_torchvision_reads_them(task, tmp_path):
    sizes = {"all": 30} if task == "eurosat" else sizes_of(task)
    classes = len(prompts_of(task).labels) if task in ("dtd", "eurosat") else 3
    if classes > 13:
        sizes = dict.fromkeys(sizes, classes)  # torchvision numbers the classes that it sees
    write_archive(tmp_path, task, pictures(task, sizes, classes=classes))
    if task == "mnist":
        raw = tmp_path / "MNIST" / "raw"
        for file in raw.glob("*.gz"):
            torchvision.datasets.utils.extract_archive(str(file), str(raw))
    source = find_archive(tmp_path, prompts_of(task), partial=True)
    for name, split in source.splits.items():
        reference = _TORCHVISION[task](tmp_path, name)
        assert split.count == len(reference)
        ours = [square(image, SIDE) for image in split.images(np.arange(split.count))]
        theirs = [square(image, SIDE) for image, _ in reference]
        pairs = sorted(zip(map(bytes, ours), split.labels.tolist(), strict=True))
        known = [int(label) for _, label in reference]
        assert pairs == sorted(zip(map(bytes, theirs), known, strict=True))
        if task != "eurosat":  # listed by class there; here in the order of file names
            assert split.labels.tolist() == known


def test_sources_are_tried_in_order(options, hub_cache):
    splits = pictures("dtd", sizes_of("dtd"))
    formats = []
    for write in (
        lambda: write_archive(options.data_root, "dtd", splits),
        lambda: write_hub_cache(hub_cache, "dtd", splits),
        lambda: write_parquet(options.data_root / "dtd", "dtd", splits),
        lambda: write_image_folders(options.data_root, "dtd", splits),
    ):
        write()
        formats.append(state_of("dtd", options).source.format)
    stated = f"Parquet of tanganke/dtd@{COMMIT[:12]}"
    assert formats == ["original archive", stated, "Parquet", "image folders"]


def test_copy_on_the_hub_without_validation_is_passed_over(options, hub_cache):
    splits = pictures("dtd", sizes_of("dtd"))
    write_hub_cache(hub_cache, "dtd", {name: splits[name] for name in ("train", "test")})
    assert state_of("dtd", options).problem == "not found"
    write_archive(options.data_root, "dtd", splits)
    assert state_of("dtd", options).source.format == "original archive"


def _cut(files: Path) -> None:
    file = files / "train-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:-20])


def _misnamed(files: Path) -> None:
    names = [*prompts_of("dtd").labels[:-1], "tartan"]
    write_parquet(files, "dtd", pictures("dtd", sizes_of("dtd")), names=names)


def _mislabelled(files: Path) -> None:
    splits = pictures("dtd", sizes_of("dtd"))
    splits["val"][2] = replace(splits["val"][2], label=47)
    write_parquet(files, "dtd", splits, named=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_cut, "train-00000-of-00001.parquet: not a complete Parquet file"),
        (_misnamed, "'tartan' among its classes"),
        (_mislabelled, "val has the label 47, expected 0 to 46"),
    ],
)
def test_copy_on_the_hub_that_cannot_be_used_is_no_matter_beside_an_archive(
    options, hub_cache, change, message
):
    splits = pictures("dtd", sizes_of("dtd"))
    change(write_hub_cache(hub_cache, "dtd", splits))
    assert message in state_of("dtd", options).problem
    write_archive(options.data_root, "dtd", splits)
    state = state_of("dtd", options)
    assert (state.problem, state.source.format) == ("", "original archive")


def test_other_configurations_and_splits_on_the_hub_are_not_read(options, hub_cache):
    splits = pictures("svhn", sizes_of("svhn"))
    files = write_hub_cache(hub_cache, "svhn", splits, config="cropped_digits")
    other = pictures("svhn", {"train": 5, "test": 5}, seed=1)
    write_parquet(files.parent / "full_numbers", "svhn", other)
    write_parquet(files, "svhn", {"extra": other["train"]})
    assert state_of("svhn", options).source.counts == {"train": 13, "test": 11}


# --- damaged sources ------------------------------------------------------------------------


def _parquet(options: SuiteOptions, **kind) -> Path:
    folder = options.data_root / "dtd"
    write_parquet(folder, "dtd", pictures("dtd", sizes_of("dtd")), **kind)
    return folder


def test_missing_shard_is_refused(options):
    (_parquet(options, shards=3) / "train-00001-of-00003.parquet").unlink()
    assert "has 2 of the 3 files" in state_of("dtd", options).problem


def test_broken_parquet_is_refused(options):
    file = _parquet(options) / "train-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    assert f"{file}: not a complete Parquet file" in state_of("dtd", options).problem


def test_wrong_columns_are_refused(options):
    _parquet(options, label_column="texture")
    assert "has the columns image, texture; expected image and" in state_of("dtd", options).problem


def test_wrong_names_in_parquet_are_refused(options):
    _parquet(options, names=[*prompts_of("dtd").labels[:-1], "tartan"])
    assert "'tartan' among its classes" in state_of("dtd", options).problem


def test_label_outside_the_classes_is_refused(options):
    splits = pictures("dtd", sizes_of("dtd"))
    splits["val"][2] = replace(splits["val"][2], label=47)
    write_parquet(options.data_root / "dtd", "dtd", splits, named=False)
    assert "val has the label 47, expected 0 to 46" in state_of("dtd", options).problem


@pytest.mark.parametrize("write", [write_image_folders, None])
def test_image_that_cannot_be_decoded_is_named(options, write):
    splits = pictures("dtd", sizes_of("dtd"))
    broken = splits["test"][4]
    splits["test"][4] = replace(broken, content=broken.content[: len(broken.content) // 2])
    if write:
        write(options.data_root, "dtd", splits)
        name = r"00004\.jpg"
    else:
        write_parquet(options.data_root / "dtd", "dtd", splits)
        name = "test-00000-of-00001.parquet, row 4"
    with pytest.raises(InputError, match=f"{name}: cannot be decoded"):
        load("dtd", options)


@pytest.mark.parametrize(
    ("task", "file"),
    [
        ("cars", "stanford_cars/devkit/cars_meta.mat"),
        ("cars", "stanford_cars/cars_test_annos_withlabels.mat"),
        ("dtd", "dtd/dtd/labels/val1.txt"),
        ("gtsrb", "gtsrb/GT-final_test.csv"),
        ("mnist", "MNIST/raw/train-images-idx3-ubyte"),
        ("aircraft", "fgvc-aircraft-2013b/data/images_variant_train.txt"),
        ("svhn", "test_32x32.mat"),
    ],
)
def test_damaged_annotations_are_named(options, task, file):
    write_archive(options.data_root, task, pictures(task, sizes_of(task)))
    path = options.data_root / file
    path.write_bytes(b"nothing\nof use to anybody\n" * 20)
    problem = state_of(task, options).problem
    assert str(path) in problem
    assert "fetch it again" in problem


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("train-images-idx3-ubyte", (13, 784), "(N, 28, 28)"),
        ("train-images-idx3-ubyte", (13, 14, 56), "(N, 28, 28)"),
        ("t10k-labels-idx1-ubyte", (11, 1), "(N,)"),
        ("t10k-labels-idx1-ubyte", (), "(N,)"),
    ],
)
def test_idx_files_of_other_shapes_are_refused(options, name, shape, expected):
    write_archive(options.data_root, "mnist", pictures("mnist", sizes_of("mnist")))
    path = options.data_root / "MNIST" / "raw" / name
    head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    path.write_bytes(head + bytes(int(np.prod(shape))))
    problem = state_of("mnist", options).problem
    assert problem == f"{path}: has the shape {shape}, expected {expected}; fetch it again"
