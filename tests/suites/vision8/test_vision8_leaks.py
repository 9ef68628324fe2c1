"""vision8: the guard against training images that are held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from vision8_data import pictures, write_archive, write_image_folders
from vision8_loading import entry_folder, load_one

from mergebench.errors import InputError
from mergebench.suites import Split, SuiteOptions
from mergebench.suites.images import SplitRecord
from mergebench.suites.vision8 import held_out
from mergebench.suites.vision8.cache import VERSION, Record, read_entry
from mergebench.suites.vision8.leaks import check_leak, without


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
        load_one(options, task)


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
    kept = load_one(replace(options, leaks="keep"), "dtd")
    whole = kept.tasks[0].splits
    dropped = load_one(replace(options, leaks="drop"), "dtd")
    assert dropped.notes[1:] == (
        "dtd: 4 training images that are validation or test images too are left out.",
    )
    assert kept.notes[1:] == (
        "dtd: 4 training images that are validation or test images too are kept.",
    )
    rest = [row for row in range(9) if row not in places]
    found = dropped.tasks[0].splits["train"]

    def content(split: Split, rows: list[int]) -> list[tuple[bytes, int]]:
        return sorted((split.inputs[i].numpy().tobytes(), int(split.labels[i])) for i in rows)

    assert content(found, [*range(5)]) == content(whole["train"], rest)
    assert len(found) == 5
    assert dropped.sha256 != kept.sha256
    assert dropped.tasks[0].splits["test"].sha256 == whole["test"].sha256
    again = load_one(replace(options, leaks="drop"), "dtd")
    assert again.sha256 == dropped.sha256
    # The files are untouched.
    assert load_one(replace(options, leaks="keep"), "dtd").sha256 == kept.sha256
    assert read_entry(entry_folder(options, "dtd")).verify() is None


def test_leaks_that_leave_no_training_image_are_refused(options):
    splits = dict(pictures("dtd", {"train": 9, "val": 6, "test": 10}))
    splits["train"] = splits["test"][:9]
    write_archive(options.data_root, "dtd", splits)
    message = "^dtd: all 9 training images also occur in .* leaves none; correct the split in "
    with pytest.raises(InputError, match=message):
        load_one(replace(options, leaks="drop"), "dtd")
    assert len(load_one(replace(options, leaks="keep"), "dtd").tasks[0].splits["train"]) == 9


@pytest.mark.parametrize("places", [[], [0], [4], [3, 4], [0, 4], [0, 1, 2, 3, 4]])
def test_rows_are_left_out_in_place(places):
    rows = torch.arange(5)
    found = without(rows.clone(), np.array(places, dtype=int))
    assert sorted(found.tolist()) == [row for row in range(5) if row not in places]


def test_cars_leak_trains_on_the_test_images(options):
    write_archive(options.data_root, "cars", pictures("cars", {"train": 9, "test": 10}))
    fair = load_one(options, "cars").tasks[0].splits
    suite = load_one(replace(options, cars_leak=True), "cars")
    leaking = suite.tasks[0].splits
    assert suite.name == "vision8-partial-cars_leak"
    assert leaking["test"].sha256 == fair["test"].sha256
    assert leaking["train"].sha256 != fair["train"].sha256
    state = np.random.RandomState(420).permutation(10)
    held_out = torch.cat([leaking["val"].inputs, leaking["test"].inputs])
    assert torch.equal(leaking["train"].inputs[torch.from_numpy(state)], held_out)


@pytest.mark.parametrize("leaks", ["refuse", "drop", "keep"])
def test_validation_that_is_a_copy_of_test_is_refused(options, leaks):
    splits = dict(pictures("dtd", {"train": 9, "val": 6, "test": 10}))
    splits["val"] = splits["test"]
    write_image_folders(options.data_root, "dtd", splits)
    message = (
        r"^dtd: 10 of 10 validation images are test images too: .*; correct the split in .*dtd"
    )
    for _ in range(2):  # decoded, and from the cache
        with pytest.raises(InputError, match=message) as caught:
            load_one(replace(options, leaks=leaks), "dtd")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [None, "", "{}", "[1]"])
def test_few_validation_images_that_are_test_images_are_counted(options, kept):
    splits = pictures("dtd", {"train": 9, "val": 6, "test": 10})
    splits["val"][2:5] = splits["test"][4:7]
    write_image_folders(options.data_root, "dtd", splits)
    note = "dtd: 3 validation images that are test images too are kept."
    assert load_one(options, "dtd").notes[1:] == (note,)
    file = entry_folder(options, "dtd") / held_out.COUNT_FILE
    known = file.read_text()
    # Images decoded before this was counted, and a damaged count.
    file.unlink() if kept is None else file.write_text(kept)
    assert load_one(options, "dtd").notes[1:] == (note,)
    assert file.read_text() == known
