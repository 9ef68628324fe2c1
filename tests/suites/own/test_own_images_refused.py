"""Images of a user's own that cannot be used: one line that says what to do."""

from __future__ import annotations

import shutil

import pytest
from own_data import CLASSES, load, options_of, write_pictures, write_texts
from PIL import Image

from mergebench.errors import InputError
from mergebench.suites import survey_suite

COUNTS = dict.fromkeys(CLASSES, 5)


@pytest.fixture
def shapes(tmp_path):
    return write_pictures(tmp_path / "shapes", COUNTS)


def refused(tmp_path, *paths, **options):
    with pytest.raises(InputError) as caught:
        load(tmp_path, *paths, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_folder(tmp_path):
    assert "nowhere: there is no such folder or file" in refused(tmp_path, tmp_path / "nowhere")


def test_nothing_in_the_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    message = refused(tmp_path, tmp_path / "empty")
    assert "has no images in folders of classes, and not a .jsonl, .csv, .parquet file" in message


def test_images_outside_of_folders(tmp_path, shapes):
    assert "has 5 images outside of folders" in refused(tmp_path, shapes / "circle")


@pytest.mark.parametrize("place", ["", "train", "test"])
def test_images_beside_folders_of_classes(tmp_path, place):
    data = tmp_path / "data"
    for split in ("train", "test") if place else ():
        write_pictures(data / split, COUNTS)
    for name in () if place else COUNTS:
        shutil.copytree(write_pictures(tmp_path / name, {name: 5}) / name, data / name)
    (data / place / "README.md").write_text("x")
    load(tmp_path, data)
    for name in ("one.GIF", ".hidden.png"):
        Image.new("L", (9, 9)).save(data / place / name)
    message = refused(tmp_path, data)
    assert f"{data / place}: has 1 image outside of class folders, 'one.GIF' is one" in message
    (data / place / "one.GIF").rename(data / "preview.pgm")
    assert f"{data}: has 1 image outside of class folders, 'preview.pgm'" in refused(tmp_path, data)


def test_one_class(tmp_path):
    only = write_pictures(tmp_path / "one", {"circle": 5})
    assert "one: has one class, 'circle'; at least two are needed" in refused(tmp_path, only)


def test_a_class_without_images(tmp_path, shapes):
    (shapes / "hexagon").mkdir()
    assert "class folder 'hexagon' has no images; add some" in refused(tmp_path, shapes)


@pytest.mark.parametrize("partial", [False, True])
def test_one_image_of_each_class(tmp_path, partial):
    message = refused(
        tmp_path, write_pictures(tmp_path / "few", dict.fromkeys(CLASSES, 1)), partial=partial
    )
    assert f"test has none of '{CLASSES[0]}', '{CLASSES[1]}'" in message
    assert message.endswith("add at least 3 different images of each")


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_images_of_a_class_unless_that_is_accepted(tmp_path, count):
    few = write_pictures(tmp_path / "few", {**COUNTS, "square": count})
    message = refused(tmp_path, few)
    assert "test has none of 'square'" in message or "val has none of 'square'" in message
    assert "add at least 3 different images of each, or accept it by --partial" in message
    suite = load(tmp_path, few, partial=True)
    assert suite.name == "own-partial"
    assert any("has none of 'square'" in note for note in suite.notes)


def test_copies_do_not_make_a_class_large_enough(tmp_path, shapes):
    for number in range(1, 5):
        shutil.copy(shapes / "square" / "000.png", shapes / "square" / f"00{number}.png")
    assert "has none of 'square'" in refused(tmp_path, shapes)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_image(tmp_path, shapes, content):
    (shapes / "circle" / "000.png").write_bytes(content)
    message = refused(tmp_path, shapes)
    assert "circle/000.png: not a readable image; replace it, or fetch it again" in message


def test_a_file_that_was_cut_off(tmp_path, shapes):
    file = shapes / "circle" / "000.png"
    file.write_bytes(file.read_bytes()[:-40])
    message = refused(tmp_path, shapes)
    assert "circle/000.png: cannot be decoded (" in message


def test_an_image_of_more_pixels_than_memory_should_be_given(tmp_path, shapes, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert "000.png: cannot be decoded (Image size (64 pixels) exceeds" in refused(tmp_path, shapes)


def test_a_check_names_all_files_that_cannot_be_decoded(tmp_path, shapes):
    for number in range(3):
        (shapes / "circle" / f"00{number}.png").write_bytes(b"no image")
    (state,) = survey_suite("own", None, options_of(tmp_path, shapes))
    with pytest.raises(InputError, match="3 of 15 images cannot be decoded") as caught:
        state.verify()
    assert all(f"circle/00{number}.png" in str(caught.value) for number in range(3))


def test_images_and_texts(tmp_path, shapes):
    write_texts(shapes / "captions.csv", [("a", "b")])
    message = refused(tmp_path, shapes)
    assert "has folders of images, and texts (captions.csv) beside them; keep one kind" in message


def test_a_suite_of_both_kinds(tmp_path, shapes):
    texts = [(f"{label} {n}", label) for label in "ab" for n in range(5)]
    file = write_texts(tmp_path / "reviews.csv", texts)
    message = refused(tmp_path, shapes, file)
    assert "reviews.csv has texts and" in message
    assert "shapes images; a suite has one kind" in message


def test_folders_inside_a_class(tmp_path, shapes):
    write_pictures(shapes / "circle" / "more", {"red": 1})
    assert "circle: has the folder 'more' inside; expected <class>/<image>" in refused(
        tmp_path, shapes
    )


def test_a_folder_beside_those_of_splits(tmp_path, shapes):
    shutil.copytree(shapes, tmp_path / "data" / "train")
    shutil.copytree(shapes / "circle", tmp_path / "data" / "extra")
    assert "has folders of splits, and 'extra' beside them" in refused(tmp_path, tmp_path / "data")


def test_a_split_that_is_there_twice(tmp_path, shapes):
    for name in ("val", "valid"):
        shutil.copytree(shapes, tmp_path / "data" / name)
    assert "has val and valid; keep one" in refused(tmp_path, tmp_path / "data")


def test_splits_without_folders_of_classes(tmp_path, shapes):
    for name in ("train", "test"):
        shutil.copytree(shapes / "circle", tmp_path / "data" / name)
    assert "test, train have no folders of classes" in refused(tmp_path, tmp_path / "data")


def test_splits_without_training_images(tmp_path, shapes):
    for name in ("val", "test"):
        shutil.copytree(shapes, tmp_path / "data" / name)
    assert "has the files test, val; expected train and test" in refused(
        tmp_path, tmp_path / "data"
    )


def test_two_tasks_of_one_name(tmp_path, shapes):
    shutil.copytree(shapes, tmp_path / "other" / "shapes")
    message = refused(tmp_path, shapes, tmp_path / "other" / "shapes")
    assert "task shapes is" in message
    assert "rename one of them" in message


def test_an_unknown_task(tmp_path, shapes):
    with pytest.raises(InputError, match="unknown task 'shape'; did you mean shapes"):
        survey_suite("own", ["shape"], options_of(tmp_path, shapes))


def test_a_cache_that_cannot_be_written(tmp_path, shapes):
    (tmp_path / "cache").write_text("a file")
    assert "choose another --cache" in refused(tmp_path, shapes)
