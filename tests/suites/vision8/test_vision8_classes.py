"""vision8: class lists and prompts, whatever the order and the names of a copy; completeness."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from vision8_data import (
    labels,
    pictures,
    write_archive,
    write_image_folders,
    write_parquet,
)
from vision8_loading import NAMES, load, sizes_of

from mergebench.counting import silently
from mergebench.errors import InputError
from mergebench.suites.images import pixel_writing
from mergebench.suites.vision8 import load_vision8, survey, task_rows, tasks
from mergebench.suites.vision8.prompts import prompts_of
from mergebench.suites.vision8.tasks import TASKS


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
    (row,) = task_rows(["dtd"])
    assert survey(row, complete).missing is None
    change(options.data_root / "dtd")
    item = survey(row, complete).missing
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


@pytest.mark.parametrize(
    ("task", "sizes", "lacking"),
    [
        ("mnist", {"train": 13, "test": 4}, "val has no images"),
        ("mnist", {"train": 13, "test": 0}, "val has no images, test has no images"),
        ("mnist", {"train": 0, "test": 11}, "train has no images"),
        ("dtd", {"train": 5, "val": 0, "test": 3}, "val has no images"),
    ],
)
def test_partial_data_without_images_of_a_split_are_refused(
    monkeypatch, options, task, sizes, lacking
):
    write_image_folders(options.data_root, task, pictures(task, sizes))
    for split in sizes:
        name = prompts_of(task).labels[0]
        (options.data_root / task / split / name).mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(pixel_writing, "square", None)
    (row,) = task_rows([task])
    place = f"image folders in {options.data_root / task}"
    assert survey(row, options).problem == f"{place}: {lacking}"
    with pytest.raises(InputError, match=f"{place}: {lacking}"):
        load(task, options)


def test_everything_missing_is_named_at_once(options):
    write_archive(options.data_root, "mnist", pictures("mnist", sizes_of("mnist")))
    states = [survey(row, options) for row in task_rows()]
    items = [state.missing for state in states if state.missing is not None]
    assert [item.name for item in items] == [name for name in NAMES if name != "mnist"]
    with pytest.raises(InputError, match=r"^7 missing: cars: not found \(1\.96 GB\): `mergebench"):
        load_vision8(options=options)


def test_prompt_files_are_plain_facts():
    folder = Path(tasks.__file__).parent / "prompts"
    assert sorted(file.stem for file in folder.glob("*.json")) == sorted(NAMES)
    for file in folder.glob("*.json"):
        allowed = {"task", "provenance", "templates", "labels", "classes"}
        assert set(json.loads(file.read_text())) <= allowed
