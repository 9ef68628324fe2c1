"""Images of a user's own: found by class, split once, and decoded as a viewer shows them."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from own_data import CLASSES, SIDE, load, options_of, picture, write_pictures
from PIL import Image

from mergebench.suites import load_suite
from mergebench.suites.images import as_shown

COUNTS = dict.fromkeys(CLASSES, 10)


@pytest.fixture
def shapes(tmp_path):
    return write_pictures(tmp_path / "shapes", COUNTS)


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def every_image(suite):
    (task,) = suite.tasks
    return torch.cat([split.inputs for split in task.splits.values()])


def keys(images):
    return [image.numpy().tobytes() for image in images]


# --- layouts and splits ---------------------------------------------------------------------


def test_folders_of_classes_are_split_by_class(tmp_path, shapes):
    suite = load(tmp_path, shapes)
    (task,) = suite.tasks
    assert (suite.name, suite.inputs, suite.size, task.name) == ("own", "images", SIDE, "shapes")
    assert task.classes == CLASSES
    assert task.templates == ("a photo of a {}.",)
    counts = {name: split.labels.bincount().tolist() for name, split in task.splits.items()}
    assert counts == {"train": [7] * 3, "val": [1] * 3, "test": [2] * 3}
    assert len(set(keys(every_image(suite)))) == 30


def test_labels_are_those_of_the_folders(tmp_path, shapes):
    (task,) = load(tmp_path, shapes).tasks
    label_of = {
        np.asarray(Image.open(file)).transpose(2, 0, 1).tobytes(): CLASSES.index(file.parent.name)
        for file in files_of(shapes)
    }
    for split in task.splits.values():
        assert [label_of[key] for key in keys(split.inputs)] == split.labels.tolist()


def test_splits_of_the_user_are_kept(tmp_path):
    for split, count in (("train", 4), ("Validation", 2), ("test", 3)):
        write_pictures(tmp_path / "data" / split, dict.fromkeys(CLASSES, count))
    (task,) = load(tmp_path, tmp_path / "data").tasks
    assert {name: len(split) for name, split in task.splits.items()} == {
        "train": 12,
        "val": 6,
        "test": 9,
    }


def test_without_a_test_folder_the_validation_folder_is_the_test_split(tmp_path):
    for split, count in (("train", 10), ("val", 3)):
        write_pictures(tmp_path / "data" / split, dict.fromkeys(CLASSES, count))
    suite = load(tmp_path, tmp_path / "data")
    assert [len(split) for split in suite.tasks[0].splits.values()] == [24, 6, 9]
    assert any("validation is held out of training" in note for note in suite.notes)


def test_the_splits_do_not_hang_on_the_resolution_nor_on_the_place(tmp_path, shapes):
    def of_sides(folder, side):
        options = replace(options_of(tmp_path, folder), resolution=side)
        (task,) = load_suite("own", options=options).tasks
        middle = side // 2
        return {
            name: split.inputs[:, :, middle, middle].tolist() if side == SIDE else split.labels
            for name, split in task.splits.items()
        }

    moved = tmp_path / "elsewhere" / "shapes"
    shutil.copytree(shapes, moved)
    assert of_sides(shapes, SIDE) == of_sides(moved, SIDE)
    small, large = of_sides(shapes, 4), of_sides(shapes, 16)
    assert all(torch.equal(small[name], large[name]) for name in small)


def test_equal_images_are_kept_once_and_counted(tmp_path, shapes):
    first = shapes / "circle" / "000.png"
    Image.open(first).save(shapes / "circle" / "copy.bmp")  # the same pixels in another file
    shutil.copy(first, shapes / "square" / "wrong.png")
    suite = load(tmp_path, shapes)
    assert len(every_image(suite)) == 30
    assert "shapes: duplicates left out: 2 within training; 1 with another label." in suite.notes


def test_an_image_of_two_splits_stays_in_the_one_that_is_held_out(tmp_path):
    for split in ("train", "val", "test"):
        write_pictures(tmp_path / "data" / split, dict.fromkeys(CLASSES, 3))
    for split in ("train", "val"):
        shutil.copy(
            tmp_path / "data" / "test" / "circle" / "000.png",
            tmp_path / "data" / split / "circle" / "leak.png",
        )
    suite = load(tmp_path, tmp_path / "data")
    assert len(set(keys(every_image(suite)))) == 27
    (note,) = [note for note in suite.notes if "duplicates" in note]
    assert "1 of training that test has too, 1 of validation that test has too" in note


def test_other_files_are_left_out_and_counted_but_hidden_ones_do_not_count(tmp_path, shapes):
    (shapes / "circle" / "notes.md").write_text("x")
    (shapes / "circle" / ".DS_Store").write_text("x")
    (shapes / "__MACOSX").mkdir()
    suite = load(tmp_path, shapes)
    assert suite.tasks[0].classes == CLASSES
    assert (
        "shapes: files that are no images are left out: 1, 'circle/notes.md' is one." in suite.notes
    )


def test_several_folders_are_one_suite_in_the_order_of_the_user(tmp_path, shapes):
    other = write_pictures(tmp_path / "my other", COUNTS)
    suite = load(tmp_path, other, shapes)
    assert suite.task_names == ("my-other", "shapes")
    chosen = load_suite("own", ["shapes"], options=options_of(tmp_path, other, shapes))
    assert chosen.task_names == ("shapes",)


# --- identity and cache ---------------------------------------------------------------------


def test_the_identity_is_that_of_the_contents(tmp_path, shapes):
    before = load(tmp_path, shapes).sha256
    assert load(tmp_path, shapes).sha256 == before
    assert load(tmp_path / "again", shapes).sha256 == before
    assert load(tmp_path, shapes, templates=("{}",)).sha256 != before
    file = shapes / "circle" / "000.png"
    state = file.stat()
    picture("another").save(file)
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert load(tmp_path, shapes).sha256 != before


def test_images_are_decoded_once(tmp_path, shapes, monkeypatch):
    load(tmp_path, shapes)
    monkeypatch.setattr(Image, "open", None)
    assert len(every_image(load(tmp_path, shapes))) == 30
    (folder,) = (
        path for path in (tmp_path / "cache" / "own" / "shapes").iterdir() if path.is_dir()
    )
    assert sorted(path.name for path in folder.iterdir()) == [
        *("labels.safetensors", "record.json", "test.pixels", "train.pixels", "val.pixels")
    ]


def test_what_is_decoded_is_opened_once_however_many_images_there_are(
    tmp_path, shapes, monkeypatch
):
    opened, memmap = [], np.memmap
    monkeypatch.setattr(np, "memmap", lambda *a, **k: opened.append(a) or memmap(*a, **k))
    load(tmp_path, shapes)
    assert len(opened) == 1


# --- what a file may hold -------------------------------------------------------------------


def test_mixed_sizes_and_modes_become_one_shape(tmp_path, shapes):
    for number, mode in enumerate(("L", "1", "P", "CMYK", "RGBA", "LA", "YCbCr")):
        odd = picture(mode, size=(9 + number, 31 - number)).convert(mode)
        suffix = {"CMYK": "jpg", "YCbCr": "jpg"}.get(mode, "png")
        odd.save(shapes / "circle" / f"{mode}.{suffix}")
    assert every_image(load(tmp_path, shapes)).shape == (37, 3, SIDE, SIDE)


def solid(mode, colour):
    return Image.new(mode, (4, 4), colour)


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (solid("L", 90), (90, 90, 90)),
        (solid("I;16", 90 * 257), (90, 90, 90)),
        (solid("CMYK", (0, 255, 255, 0)), (255, 0, 0)),
        (solid("RGBA", (9, 9, 9, 0)), (255, 255, 255)),
        (solid("RGBA", (9, 9, 9, 255)), (9, 9, 9)),
        (solid("LA", (0, 0)), (255, 255, 255)),
        (solid("1", 1), (255, 255, 255)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else "",
)
def test_an_image_is_what_a_viewer_shows(image, colour):
    assert as_shown(image).getpixel((0, 0)) == colour


def test_a_palette_may_have_a_transparent_colour():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.info["transparency"] = 1
    shown = as_shown(image)
    assert [shown.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize("most", [1023, 65535])
def test_a_pgm_of_16_bits_is_grey(tmp_path, most):
    values = np.array([0, most // 3, most], dtype=">u2")
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 %d\n" % most + values.tobytes())
    shown = np.asarray(as_shown(Image.open(tmp_path / "a.pgm")))
    assert shown.tolist() == [[[0] * 3, [85] * 3, [255] * 3]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_camera_noted(tmp_path, orientation):
    """Pillow's own turning is the reference."""
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    picture("turned", size=(5, 3)).save(tmp_path / "a.png", exif=exif)
    expected = ImageOps.exif_transpose(Image.open(tmp_path / "a.png"))
    assert np.array_equal(as_shown(Image.open(tmp_path / "a.png")), expected)


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (Image.new("I", (2, 2), 70_000), "32 bits"),
        (Image.new("F", (2, 2), 0.5), "32 bits"),
        (Image.new("L", (1, 101)), "more than 100 times the other"),
    ],
    ids=["32 bits", "float", "strip"],
)
def test_pixels_without_a_known_meaning_are_refused(image, why):
    with pytest.raises(ValueError, match=why):
        as_shown(image)
