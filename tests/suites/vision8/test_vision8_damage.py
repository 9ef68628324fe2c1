"""vision8: damaged files are named in one line, whatever their readers come across."""

from __future__ import annotations

import struct
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.io import loadmat, savemat
from vision8_data import pictures, write_archive, write_image_folders, write_parquet
from vision8_loading import load, sizes_of, state_of

from mergebench.errors import InputError
from mergebench.suites import SuiteOptions
from mergebench.suites.images import files, pixel_writing
from mergebench.suites.images.opening import AT_ONCE


def _chunk(kind: bytes, content: bytes) -> bytes:
    both = kind + content
    return struct.pack(">I", len(content)) + both + struct.pack(">I", zlib.crc32(both))


def _huge() -> bytes:
    """Return a PNG of more pixels than Pillow opens, without the pixels."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", b"")


def _refused(task: str, options: SuiteOptions) -> str:
    with pytest.raises(InputError) as caught:
        load(task, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", ["folders", "parquet"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable image; replace it, or fetch it again"),
        (b"nothing", "not a readable image; replace it, or fetch it again"),
        (pictures("mnist", {"test": 1})["test"][0].content[:20], "not a readable image; replace"),
        (_huge(), "cannot be decoded (Image size (900000000 pixels) exceeds limit"),
    ],
    ids=["empty", "text", "cut", "huge"],
)
def test_damaged_picture_is_named(options, form, content, message):
    splits = pictures("mnist", sizes_of("mnist"))
    splits["test"][8] = replace(splits["test"][8], content=content)
    if form == "folders":
        write_image_folders(options.data_root, "mnist", splits)
        label = splits["test"][8].label
        place = f"{options.data_root}/mnist/test/{label}/00008.png"
    else:
        write_parquet(options.data_root / "mnist", "mnist", splits, shards=2)
        place = f"{options.data_root}/mnist/test-00001-of-00002.parquet, row 2"  # after six rows
    assert _refused("mnist", options).startswith(f"{place}: {message}")


def _zeroed(file: Path, column: str) -> Path:
    """Write zeros over the start of a column of a Parquet file."""
    group = pq.ParquetFile(file).metadata.row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    (found,) = (one for one in columns if one.path_in_schema == column)
    start = found.dictionary_page_offset or found.data_page_offset
    content = bytearray(file.read_bytes())
    content[start : start + 40] = bytes(40)
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("column", ["image.bytes", "label"])
def test_damaged_page_of_parquet_is_named(options, column):
    folder = options.data_root / "dtd"
    write_parquet(folder, "dtd", pictures("dtd", sizes_of("dtd")))
    file = _zeroed(folder / "test-00000-of-00001.parquet", column)
    problem = _refused("dtd", options)
    assert f"{file}: cannot be read as Parquet (" in problem
    assert "fetch it again" in problem


def test_rows_without_an_image_are_named(options):
    folder = options.data_root / "dtd"
    write_parquet(folder, "dtd", pictures("dtd", sizes_of("dtd")))
    file = folder / "val-00000-of-00001.parquet"
    (folder / "validation-00000-of-00001.parquet").rename(file)
    table = pq.read_table(file)
    rows = [None if row == 5 else one for row, one in enumerate(table["image"].to_pylist())]
    pq.write_table(table.set_column(0, "image", pa.array(rows, table["image"].type)), file)
    assert state_of("dtd", options).problem == ""
    assert _refused("dtd", options).startswith(f"{file}, row 5: `image` holds no bytes")


def test_few_files_are_open_at_a_time(monkeypatch, options):
    write_image_folders(
        options.data_root, "dtd", pictures("dtd", {**sizes_of("dtd"), "train": 150})
    )
    true_opened, true_square = files.opened, pixel_writing.square
    opened, decoded, most = [], [], []

    def counted(content, name):
        opened.append(name)
        return true_opened(content, name)

    def slow(image, side):
        time.sleep(0 if decoded else 0.3)
        most.append(len(opened) - len(decoded))
        decoded.append(1)
        return true_square(image, side)

    monkeypatch.setattr(files, "opened", counted)
    monkeypatch.setattr(pixel_writing, "square", slow)
    assert len(load("dtd", options).splits["train"]) == 150
    assert len(opened) == 150 + 7 + 9
    assert max(most) <= 2 * AT_ONCE < 150


def _svhn(options: SuiteOptions) -> Path:
    write_archive(options.data_root, "svhn", pictures("svhn", sizes_of("svhn")))
    return options.data_root / "test_32x32.mat"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda x: x / 255, "(32, 32, 3, 11) double"),
        (lambda x: x.transpose(2, 0, 1, 3), "(3, 32, 32, 11) uint8"),
        (lambda x: x[:, :, :1], "(32, 32, 1, 11) uint8"),
        (lambda x: x[:, :, 0], "(32, 32, 11) uint8"),
    ],
)
def test_pixels_of_svhn_of_another_form_are_refused(options, change, found):
    file = _svhn(options)
    content = loadmat(file)
    savemat(file, {"X": change(content["X"]), "y": content["y"]})
    problem = f"{file}: X is {found}, expected (32, 32, 3, N) uint8; fetch it again"
    assert state_of("svhn", options).problem == problem


def _newer(file: Path) -> None:
    """Write what a MATLAB file of version 7.3 starts with."""
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64 HDF5 schema 1.00 .".ljust(124)
    file.write_bytes(head + b"\x00\x02IM\x89HDF" + bytes(600))


def _overwritten(file: Path) -> None:
    """Write over the middle of a compressed file."""
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 6] = b"\xff" * 6
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [_newer, _overwritten])
@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("svhn", "test_32x32.mat"),
        ("cars", "stanford_cars/devkit/cars_train_annos.mat"),
        ("mnist", "MNIST/raw/t10k-labels-idx1-ubyte.gz"),
    ],
)
def test_files_that_their_reader_gives_up_on_are_named(options, damage, task, name):
    write_archive(options.data_root, task, pictures(task, sizes_of(task)))
    file = options.data_root / name
    if task == "cars":
        savemat(file, {"annotations": loadmat(file)["annotations"]}, do_compression=True)
    damage(file)
    problem = state_of(task, options).problem
    assert problem.startswith(f"{file}: ")
    assert problem.endswith("fetch it again")
    assert "\n" not in problem


def test_pixels_of_svhn_that_are_damaged_are_named_when_they_are_decoded(options):
    file = _svhn(options)
    state = state_of("svhn", options)
    content = bytearray(file.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 6] = b"\xff" * 6
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"^{file}: not a MATLAB file with X .*; fetch it again"):
        next(state.source.splits["test"].images(np.arange(1)))
