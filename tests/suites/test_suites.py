"""Suites: the embedded one as it is shipped, its verification, and the packing of a tiny one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from mergebench.backbones import load_backbone
from mergebench.errors import InputError
from mergebench.measure.evaluate import Evaluator
from mergebench.provenance.suite.packages import Package, PackageCache
from mergebench.provenance.suite.packing import pack_suite, pixel_hashes
from mergebench.provenance.suite.splitting import deal
from mergebench.provenance.suite.task_images import SPLITS, LabelledImages, TaskImages
from mergebench.suites import (
    SPLIT_NAMES,
    Split,
    Suite,
    Task,
    inputs_of,
    load_suite,
    tensor_sha256,
)
from mergebench.suites.mini8 import MINI8_FOLDER, load_mini8, read_manifest
from mergebench.suites.mini8.loading import PIXEL_HASHES_FILE
from mergebench.suites.sprites import pack_sheet, unpack_sheet

MANIFEST = read_manifest()


@pytest.fixture(scope="module")
def mini8() -> Suite:
    return load_suite("mini8")


def noise(count: int, seed: int) -> LabelledImages:
    generator = np.random.default_rng(seed)
    return LabelledImages(
        images=generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8),
        labels=np.arange(count, dtype=np.int64) % 3,
    )


def tiny_task(name: str = "tiny") -> TaskImages:
    sizes = {"train": 50, "val": 6, "test": 9, "captioned": 5}
    return TaskImages(
        name=name,
        classes=("a", "b", "c"),
        templates=("a photo of {}",),
        sources=(),
        note="",
        rendered=True,
        splits=deal(noise(70, seed=len(name)), sizes, np.random.default_rng(1)),
    )


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    folder = tmp_path / "suite"
    pack_suite("tiny", [tiny_task()], folder)
    return folder


# --- the embedded suite ---------------------------------------------------------------------


def test_embedded_suite_is_the_one_in_its_manifest(mini8: Suite) -> None:
    assert mini8.sha256 == MANIFEST.sha256
    assert mini8.task_names == tuple(entry.name for entry in MANIFEST.tasks)
    assert mini8.size == 32


def test_the_embedded_suite_says_images(mini8: Suite) -> None:
    assert mini8.inputs == inputs_of("mini8")


def test_embedded_suite_is_small() -> None:
    assert sum(entry.bytes for entry in MANIFEST.files.values()) <= 12e6
    files = {
        path.name for path in MINI8_FOLDER.iterdir() if path.suffix in {".webp", ".safetensors"}
    }
    assert files == set(MANIFEST.files)


@pytest.mark.parametrize("task", [entry.name for entry in MANIFEST.tasks])
def test_every_class_is_in_every_split(mini8: Suite, task: str) -> None:
    for name in SPLIT_NAMES:
        split = mini8.task(task).splits[name]
        assert split.inputs.shape[1:] == (3, 32, 32)
        assert set(split.labels.tolist()) == set(range(len(mini8.task(task).classes)))


@pytest.mark.parametrize("entry", MANIFEST.tasks, ids=lambda entry: str(entry.name))
def test_task_says_where_its_pixels_come_from(entry) -> None:  # type: ignore[no-untyped-def]
    assert entry.sources
    assert all(source.licence and source.version for source in entry.sources)
    assert all(template.count("{}") == 1 for template in entry.templates)
    assert len(set(entry.classes)) == len(entry.classes)


def test_no_image_is_in_two_splits_nor_in_the_pretraining_corpus() -> None:
    hashes = load_file(MINI8_FOLDER / PIXEL_HASHES_FILE)
    for entry in MANIFEST.tasks:
        counts = {name: split.count for name, split in entry.splits.items()}
        counts["captioned"] = entry.captioned
        assert {s: len(hashes[f"{entry.name}.{s}"]) for s in SPLITS} == counts
    everything = np.concatenate(list(hashes.values()))
    assert len(np.unique(everything)) == len(everything)


def test_lossless_sheets_have_the_hashed_pixels(mini8: Suite) -> None:
    hashes = load_file(MINI8_FOLDER / PIXEL_HASHES_FILE)
    lossless = [
        (entry.name, name)
        for entry in MANIFEST.tasks
        for name, split in entry.splits.items()
        if split.lossless
    ]
    assert lossless
    for task, name in lossless:
        images = mini8.task(task).splits[name].inputs.permute(0, 2, 3, 1).contiguous().numpy()
        assert np.array_equal(pixel_hashes(images), hashes[f"{task}.{name}"])


def test_decoded_pixels_of_lossy_sheets_are_disjoint_too(mini8: Suite) -> None:
    images = torch.cat([split.inputs for task in mini8.tasks for split in task.splits.values()])
    found = pixel_hashes(images.permute(0, 2, 3, 1).contiguous().numpy())
    assert len(np.unique(found)) == len(found)


def test_labels_name_what_the_images_show(mini8: Suite) -> None:
    """No label map that is shifted by some classes fits zero-shot predictions as well."""
    sizes = dict.fromkeys(SPLIT_NAMES, 96)
    evaluator = Evaluator(load_backbone("mini_vit"), mini8.tasks, per_task=sizes)
    for split in SPLIT_NAMES:
        labels = evaluator.labels(split)
        for task, predicted in evaluator.predictions(split).items():
            classes = len(mini8.task(task).classes)
            fits = [
                int(predicted.eq((labels[task] + shift) % classes).sum())
                for shift in range(classes)
            ]
            assert fits[0] > max(fits[1:]), (split, task)


def test_subset_keeps_the_order_of_the_suite() -> None:
    first, *_, last = (entry.name for entry in MANIFEST.tasks)
    assert load_suite("mini8", tasks=[last, first]).task_names == (first, last)


# --- refusals -------------------------------------------------------------------------------


def test_unknown_suite_and_task_are_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown suite 'mini9'; did you mean mini8"):
        load_suite("mini9")
    with pytest.raises(InputError, match="unknown task 'cars'; choose from: mnist, "):
        load_suite("mini8", tasks=["cars"])


@pytest.mark.parametrize("name", ["tiny-val.webp", "labels.safetensors"])
def test_changed_file_is_refused_by_name(tiny: Path, name: str) -> None:
    content = bytearray((tiny / name).read_bytes())
    content[-1] ^= 1
    (tiny / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: SHA-256 is .* the manifest has"):
        load_mini8(folder=tiny)


def test_missing_file_and_manifest_are_named(tiny: Path) -> None:
    (tiny / "tiny-test.webp").unlink()
    with pytest.raises(InputError, match=r"tiny-test\.webp: not found"):
        load_mini8(folder=tiny)
    shutil.rmtree(tiny)
    with pytest.raises(InputError, match=r"manifest\.json: not found"):
        load_mini8(folder=tiny)


def test_malformed_manifest_names_the_key(tiny: Path) -> None:
    path = tiny / "manifest.json"
    path.write_text(path.read_text().replace('"resolution": 32', '"resolution": "wide"'))
    with pytest.raises(InputError, match=r"manifest\.json: resolution: ") as caught:
        load_mini8(folder=tiny)
    assert "\n" not in str(caught.value)


def test_sheet_that_decodes_otherwise_is_refused(tiny: Path) -> None:
    path = tiny / "manifest.json"
    manifest = read_manifest(tiny)
    pixels = manifest.tasks[0].splits["test"].pixels_sha256
    path.write_text(path.read_text().replace(pixels, "0" * 64))
    with pytest.raises(InputError, match=r"tiny-test\.webp: decodes to other pixels"):
        load_mini8(folder=tiny)


def test_split_and_task_refuse_what_does_not_fit() -> None:
    images, labels = torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="uint8"):
        Split(inputs=images.float(), labels=labels)
    with pytest.raises(ValueError, match="int64"):
        Split(inputs=images, labels=labels[:1])
    split = Split(inputs=images, labels=labels)
    splits = dict.fromkeys(SPLIT_NAMES, split)
    with pytest.raises(ValueError, match="a label is not among"):
        Task(name="t", classes=("a",), templates=("{}",), splits=splits)
    with pytest.raises(ValueError, match="splits must be"):
        Task(name="t", classes=("a", "b"), templates=("{}",), splits={"train": split})


# --- packing --------------------------------------------------------------------------------


def test_packing_twice_gives_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    pack_suite("tiny", [tiny_task()], tmp_path / "again")
    files = sorted(path.name for path in tiny.iterdir())
    assert files == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in files:
        assert (tiny / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_packed_suite_loads_with_its_labels(tiny: Path) -> None:
    suite = load_mini8(folder=tiny)
    task = tiny_task()
    assert suite.sha256 == read_manifest(tiny).sha256
    for name in SPLIT_NAMES:
        loaded = suite.task("tiny").splits[name]
        assert torch.equal(loaded.labels, torch.from_numpy(task.splits[name].labels))
        assert tensor_sha256(loaded.inputs) == (
            read_manifest(tiny).tasks[0].splits[name].pixels_sha256
        )


def test_packing_again_removes_sheets_of_dropped_tasks(tiny: Path) -> None:
    pack_suite("tiny", [tiny_task("other")], tiny)
    assert sorted(path.name for path in tiny.glob("*.webp")) == [
        "other-test.webp",
        "other-train.webp",
        "other-val.webp",
    ]


def test_packing_refuses_an_image_in_two_splits(tmp_path: Path) -> None:
    task = tiny_task()
    splits = dict(task.splits) | {"captioned": task.splits["test"]}
    leaking = TaskImages(**{**vars(task), "splits": splits})
    with pytest.raises(ValueError, match=r"an image of tiny\.captioned is also in tiny\.test"):
        pack_suite("tiny", [leaking], tmp_path)


@pytest.mark.parametrize("count", [1, 40, 41])
def test_lossless_sheet_returns_the_same_pixels(count: int) -> None:
    images = noise(count, seed=0).images
    sheet = pack_sheet(images, lossless=True)
    assert np.array_equal(unpack_sheet(sheet, count=count, side=32), images)


def test_sheet_of_another_size_is_refused() -> None:
    sheet = pack_sheet(noise(41, seed=0).images, lossless=True)
    with pytest.raises(ValueError, match="does not hold 40 tiles"):
        unpack_sheet(sheet, count=40, side=32)


def test_dealing_is_disjoint_balanced_and_counts_equal_images_once() -> None:
    pool = noise(60, seed=0)
    doubled = LabelledImages(
        images=np.concatenate([pool.images] * 2), labels=np.concatenate([pool.labels] * 2)
    )
    splits = deal(doubled, {"train": 30, "test": 30}, np.random.default_rng(0))
    for split in splits.values():
        assert np.bincount(split.labels).tolist() == [10, 10, 10]
    found = np.concatenate([pixel_hashes(split.images) for split in splits.values()])
    assert len(np.unique(found)) == 60
    with pytest.raises(ValueError, match="60 distinct images"):
        deal(doubled, {"train": 61}, np.random.default_rng(0))


def test_package_with_another_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Package(registry="npm", name="@scope/name", version="1.0.0", sha256="0" * 64)
    touch = ["touch", "scope-name-1.0.0.tgz"]
    monkeypatch.setattr(Package, "download_command", lambda self: touch)
    with pytest.raises(
        InputError, match=r"npm package @scope/name 1\.0\.0: archive has SHA-256 e3b0"
    ):
        PackageCache(tmp_path).path(package)
    monkeypatch.setattr(Package, "download_command", lambda self: ["false"])
    with pytest.raises(InputError, match="false: failed: no archive came"):
        PackageCache(tmp_path).path(package)
