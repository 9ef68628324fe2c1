"""vision8: labels that are read as they are meant, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.io import loadmat, savemat
from vision8_data import labels, pictures, write_archive, write_parquet
from vision8_loading import load, sizes_of, state_of

from mergebench.suites import SuiteOptions
from mergebench.suites.vision8.prompts import prompts_of

NAMES = prompts_of("dtd").labels


def _labels_as(options: SuiteOptions, column) -> tuple[Path, np.ndarray]:
    """Write DTD with test labels as `column` makes them of the numbers; return file and numbers."""
    splits = pictures("dtd", sizes_of("dtd"))
    folder = options.data_root / "dtd"
    write_parquet(folder, "dtd", splits, named=False)
    file = folder / "test-00000-of-00001.parquet"
    table = pq.read_table(file)
    pq.write_table(table.set_column(1, "label", column(table["label"].to_pylist())), file)
    return file, labels(splits, "test")


def _texts(numbers: list[int]) -> list[str]:
    return [NAMES[number] for number in numbers]


@pytest.mark.parametrize(
    "column",
    [
        lambda numbers: pa.array(_texts(numbers)).dictionary_encode(),
        lambda numbers: pa.array(_texts(numbers), pa.large_string()),
        lambda numbers: pa.array(numbers, pa.uint8()),
        lambda numbers: pa.array(numbers).dictionary_encode(),
    ],
    ids=["categories", "large texts", "bytes", "categories of numbers"],
)
def test_labels_of_any_width_are_those_that_were_written(options, column):
    _, known = _labels_as(options, column)
    assert load("dtd", options).splits["test"].labels.tolist() == known.tolist()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (lambda numbers: pa.array([0.7 + n for n in numbers]), "is of the type double; expected"),
        (lambda numbers: pa.array([n > 0 for n in numbers]), "is of the type bool; expected whole"),
        (lambda numbers: pa.array([[n] for n in numbers]), "is of the type list<"),
        (lambda numbers: pa.nulls(len(numbers)), "is of the type null; expected whole numbers or"),
        (lambda numbers: pa.array([*numbers[:4], None, *numbers[5:]]), "row 4: 'label' is empty"),
        (lambda numbers: pa.array([None, *_texts(numbers[1:])]), "row 0: 'label' is empty"),
        (
            lambda numbers: pa.array([b"\xff"] * len(numbers)).view(pa.string()),
            "has a text that is not UTF-8; convert it",
        ),
        (lambda numbers: pa.array([2**63] * len(numbers), pa.uint64()), "cannot be read as Parq"),
    ],
)
def test_labels_that_are_no_classes_are_refused_by_name(options, column, message):
    file, _ = _labels_as(options, column)
    problem = state_of("dtd", options).problem
    assert problem.startswith(str(file))
    assert message in problem
    assert "\n" not in problem


@pytest.mark.parametrize("change", ["order", "none"])
def test_shards_with_other_class_names_are_refused(options, change):
    folder = options.data_root / "dtd"
    write_parquet(folder, "dtd", pictures("dtd", sizes_of("dtd")), shards=2)
    file = folder / "test-00001-of-00002.parquet"
    features = {"label": {"names": NAMES[::-1], "_type": "ClassLabel"}}
    noted = json.dumps({"info": {"features": features}}) if change == "order" else "{}"
    pq.write_table(pq.read_table(file).replace_schema_metadata({"huggingface": noted}), file)
    problem = state_of("dtd", options).problem
    assert problem == (
        f"{file}: 'label' has other class names than in test-00000-of-00002.parquet, or none; "
        "fetch both files again"
    )


def test_shards_of_two_copies_are_refused(options):
    folder = options.data_root / "dtd"
    write_parquet(folder, "dtd", pictures("dtd", sizes_of("dtd")), shards=2)
    second = folder / "train-00001-of-00002.parquet"
    second.rename(folder / "train-00001-of-00003.parquet")
    problem = state_of("dtd", options).problem
    assert "train-00000-of-00002.parquet and train-00001-of-00003.parquet are parts of" in problem


@pytest.mark.parametrize("number", [0, 4])
def test_class_of_cars_outside_the_list_is_refused(options, number):
    write_archive(options.data_root, "cars", pictures("cars", sizes_of("cars")))
    meta = options.data_root / "stanford_cars" / "devkit" / "cars_meta.mat"
    names = np.array([prompts_of("cars").labels[:3]], dtype=object)
    savemat(meta, {"class_names": names})
    file = meta.with_name("cars_train_annos.mat")
    rows = loadmat(file, squeeze_me=True)["annotations"]
    rows[2]["class"] = number
    savemat(file, {"annotations": rows})
    problem = state_of("cars", options).problem
    assert problem.startswith(f"{file}: not readable as annotations")
    assert f"00003.jpg has the class {number}, expected 1 to 3" in problem


@pytest.mark.parametrize("label", [-1, 11, 23, 1.5, np.nan])
def test_label_of_svhn_that_is_no_digit_is_refused(options, label):
    write_archive(options.data_root, "svhn", pictures("svhn", sizes_of("svhn")))
    file = options.data_root / "test_32x32.mat"
    found = loadmat(file)
    digits = found["y"].astype(float)
    digits[5] = label
    savemat(file, {"X": found["X"], "y": digits})
    assert f"{file}: y has the label {float(label)}, expected" in state_of("svhn", options).problem
