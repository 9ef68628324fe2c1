"""vision8: the same images from every source and format, class lists, sizes and splits."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torchvision.datasets
from PIL import Image
from torchvision import transforms
from vision8_data import (
    COMMIT,
    labels,
    pictures,
    write_archive,
    write_hub_cache,
    write_image_folders,
    write_parquet,
)

from mergebench.counting import silently
from mergebench.errors import InputError
from mergebench.suites import SuiteOptions, Task
from mergebench.suites.vision8 import load_vision8, missing_items, survey, tasks
from mergebench.suites.vision8.archives import find_archive
from mergebench.suites.vision8.decoding import square
from mergebench.suites.vision8.prompts import prompts_of
from mergebench.suites.vision8.splitting import parts_of, split_sizes, stored_shuffle
from mergebench.suites.vision8.tasks import TASKS, task_rows

NAMES = tuple(row.name for row in TASKS)
WITH_VALIDATION = ("dtd", "eurosat", "resisc45", "aircraft")
SIDE = 16


def sizes_of(task: str) -> dict[str, int]:
    return (
        {"train": 13, "val": 7, "test": 9} if task in WITH_VALIDATION else {"train": 13, "test": 11}
    )


@pytest.fixture(autouse=True)
def hub_cache(tmp_path, monkeypatch) -> Path:
    """Keep the hub's cache of this machine out of every test."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def options(tmp_path) -> SuiteOptions:
    return SuiteOptions(
        data_root=tmp_path / "data", cache=tmp_path / "cache", resolution=SIDE, partial=True
    )


def load(task: str, options: SuiteOptions) -> Task:
    return load_vision8([task], options=options, counting=silently).tasks[0]


def content(task: Task, split: str) -> list[tuple[bytes, int]]:
    """Return the images and labels of a split whatever their order."""
    data = task.splits[split]
    images = (image.numpy().tobytes() for image in data.images)
    return sorted(zip(images, data.labels.tolist(), strict=True))


def state_of(task: str, options: SuiteOptions):
    return survey(task_rows([task])[0], options)


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
    assert np.array_equal(loaded.splits["train"].images.numpy(), np.stack(expected))
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


def test_other_configurations_and_splits_on_the_hub_are_not_read(options, hub_cache):
    splits = pictures("svhn", sizes_of("svhn"))
    files = write_hub_cache(hub_cache, "svhn", splits, config="cropped_digits")
    other = pictures("svhn", {"train": 5, "test": 5}, seed=1)
    write_parquet(files.parent / "full_numbers", "svhn", other)
    write_parquet(files, "svhn", {"extra": other["train"]})
    assert state_of("svhn", options).source.counts == {"train": 13, "test": 11}


# --- classes --------------------------------------------------------------------------------


def test_prompts_are_complete():
    for row in TASKS:
        prompts = prompts_of(row.name)
        assert prompts.task == row.name
        assert len(set(prompts.labels)) == len(set(prompts.classes)) == len(prompts.labels)
        assert all(template.count("{}") == 1 for template in prompts.templates)
        assert prompts.provenance["labels"]
        assert prompts.order_of(prompts.labels, "", partial=False) == [*range(len(prompts.labels))]
        assert prompts.order_of(prompts.classes, "", partial=False) == [*range(len(prompts.labels))]
    counts = [len(prompts_of(row.name).labels) for row in TASKS]
    assert counts == [196, 47, 10, 43, 10, 45, 100, 10]
    assert [len(prompts_of(row.name).templates) for row in TASKS] == [8, 8, 3, 3, 1, 18, 1, 1]


@pytest.mark.parametrize("kind", ["numbers", "strings"])
def test_parquet_classes_are_known_by_name_in_any_order(options, kind):
    splits = pictures("eurosat", {"train": 20, "val": 20, "test": 20}, classes=10)
    names = list(prompts_of("eurosat").classes)  # a copy may carry the phrases of the prompts
    shuffled = [names[(7 * i) % 10] for i in range(10)]
    place = {names.index(name): number for number, name in enumerate(shuffled)}
    renumbered = {
        split: [replace(picture, label=place[picture.label]) for picture in content]
        for split, content in splits.items()
    }
    folder = options.data_root / "eurosat"
    write_parquet(folder, "eurosat", renumbered, names=shuffled)
    if kind == "strings":
        _replace_labels_by_names(folder, shuffled)
    loaded = load("eurosat", options)
    assert loaded.splits["train"].labels.tolist() == labels(splits, "train").tolist()


def _replace_labels_by_names(folder: Path, names: list[str]) -> None:
    for file in folder.glob("*.parquet"):
        table = pq.read_table(file).replace_schema_metadata(None)
        texts = pa.array([names[number] for number in table["label"].to_pylist()])
        pq.write_table(table.set_column(1, "label", texts), file)


def test_class_folders_get_the_labels_of_their_names(options):
    for split in ("train", "val", "test"):
        for name in ("polka dotted", "Zigzagged", "banded"):
            folder = options.data_root / "dtd" / split / name
            folder.mkdir(parents=True)
            colour = (len(split), len(name), 7)
            Image.new("RGB", (20, 20), colour).save(folder / f"{name}.png")
    loaded = load("dtd", options)
    classes = [loaded.classes[label] for label in loaded.splits["test"].labels]
    assert classes == ["zigzagged", "banded", "polka-dotted"]  # by file name, capitals first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / "train" / "tartan").mkdir(), r"'tartan' among its classes, not in"),
        (lambda root: (root / "train" / "zigzagged").rename(root / "moved"), r"46 of 47 classes; "),
        (lambda root: next((root / "val" / "woven").iterdir()).unlink(), r"val has 46 images, exp"),
        (lambda root: (root / "test").rename(root / "proof"), r"test has 0 images, expected 47"),
    ],
)
def test_incomplete_image_folders_are_refused_by_name(monkeypatch, options, change, message):
    rows = tuple(
        replace(row, sizes={"train": 47, "val": 47, "test": 47}) if row.name == "dtd" else row
        for row in TASKS
    )
    monkeypatch.setattr(tasks, "TASKS", rows)
    complete = replace(options, partial=False)
    write_image_folders(options.data_root, "dtd", pictures("dtd", rows[1].sizes, classes=47))
    assert missing_items(["dtd"], options=complete) == ()
    change(options.data_root / "dtd")
    (item,) = missing_items(["dtd"], options=complete)
    assert item.command == "mergebench data fetch dtd"
    assert item.folder == options.data_root / "dtd"
    with pytest.raises(InputError, match=message) as caught:
        load_vision8(["dtd"], options=complete, counting=silently)
    assert "\n" not in str(caught.value)


def test_miniature_is_refused_unless_it_is_said_to_be_partial(options):
    write_archive(options.data_root, "mnist", pictures("mnist", sizes_of("mnist")))
    assert load("mnist", options).splits["train"].labels.shape == (13,)
    with pytest.raises(InputError, match="train has 13 images, expected 60000, test has 11 images"):
        load("mnist", replace(options, partial=False))


def test_everything_missing_is_named_at_once(options):
    write_archive(options.data_root, "mnist", pictures("mnist", sizes_of("mnist")))
    items = missing_items(options=options)
    assert [item.name for item in items] == [name for name in NAMES if name != "mnist"]
    with pytest.raises(InputError, match=r"^7 missing: cars: not found \(1\.96 GB\): `mergebench"):
        load_vision8(options=options)


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
        name = "row 4 of its split"
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


# --- splits ---------------------------------------------------------------------------------


def test_shuffles_are_successive_draws():
    """The order that methods 9.1 gives, drawn here with one generator in one go."""
    state = np.random.RandomState(420)
    drawn = {
        name: state.permutation(length)
        for name, length in (
            ("cars", 8041),
            ("gtsrb", 12630),
            ("mnist", 10000),
            ("sun397", 19850),
            ("svhn", 26032),
        )
    }
    del drawn["sun397"]
    for task, order in drawn.items():
        assert np.array_equal(stored_shuffle(task, len(order)), order)


def test_sizes_are_the_papers():
    assert {row.name: tuple(split_sizes(row).values()) for row in TASKS} == {
        "cars": (8144, 1608, 6433),
        "dtd": (1880, 1880, 1880),
        "eurosat": (21600, 2700, 2700),
        "gtsrb": (26640, 2526, 10104),
        "mnist": (60000, 2000, 8000),
        "resisc45": (18900, 6300, 6300),
        "aircraft": (3334, 3333, 3333),
        "svhn": (73257, 5206, 20826),
    }


def test_validation_is_the_first_fifth_of_the_shuffled_test_images(options):
    splits = pictures("gtsrb", {"train": 5, "test": 23})
    write_archive(options.data_root, "gtsrb", splits)
    loaded = load("gtsrb", options)
    state = np.random.RandomState(420)
    state.permutation(8041)
    order = state.permutation(23)
    expected = np.stack([square(Image.fromarray(splits["test"][i].pixels), SIDE) for i in order])
    both = torch.cat([loaded.splits["val"].images, loaded.splits["test"].images])
    assert np.array_equal(both.numpy(), expected)
    assert len(loaded.splits["val"]) == 4
    known = torch.cat([loaded.splits["val"].labels, loaded.splits["test"].labels])
    assert known.tolist() == labels(splits, "test")[order].tolist()


def test_unsplit_archive_is_dealt_by_class(options):
    write_archive(options.data_root, "eurosat", pictures("eurosat", {"all": 200}, classes=10))
    state = state_of("eurosat", options)
    assert state.sizes == {"train": 160, "val": 20, "test": 20}
    parts = parts_of(state.row, state.source)
    together = np.concatenate([part.indices for part in parts.values()])
    assert sorted(together) == list(range(200))
    for split in ("val", "test"):
        counts = np.bincount(state.source.splits["all"].labels[parts[split].indices])
        assert counts.tolist() == [2] * 10
    suite = load_vision8(["eurosat"], options=options, counting=silently)
    assert any("dealt by class" in note for note in suite.notes)


# --- pixels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(40, 60), (61, 33), (224, 224), (500, 340)])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK"])
def test_images_are_resized_and_cropped_as_by_clip(size, mode):
    draws = np.random.default_rng(3)
    image = Image.fromarray(draws.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    image = image.convert(mode)
    resize = transforms.Resize(32, transforms.InterpolationMode.BICUBIC)
    resized = np.asarray(resize(image.convert("RGB"))).transpose(2, 0, 1)
    top, left = ((length - 32) // 2 for length in resized.shape[1:])
    expected = resized[:, top : top + 32, left : left + 32]
    assert np.array_equal(square(image, 32), expected)


def test_prompt_files_are_plain_facts():
    folder = Path(tasks.__file__).parent / "prompts"
    assert sorted(file.stem for file in folder.glob("*.json")) == sorted(NAMES)
    for file in folder.glob("*.json"):
        allowed = {"task", "provenance", "templates", "labels", "classes"}
        assert set(json.loads(file.read_text())) <= allowed
