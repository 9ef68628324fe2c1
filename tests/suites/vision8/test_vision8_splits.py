"""vision8: sizes, the order of the stored shuffles, and pixels as CLIP sees them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from vision8_data import (
    labels,
    pictures,
    write_archive,
    write_image_folders,
)
from vision8_loading import SIDE, load, sizes_of, state_of

from mergebench.counting import silently
from mergebench.errors import InputError
from mergebench.suites import SuiteOptions
from mergebench.suites.images import square
from mergebench.suites.vision8 import load_vision8
from mergebench.suites.vision8.splitting import parts_of, stored_shuffle
from mergebench.suites.vision8.tasks import TASKS, split_sizes

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
    both = torch.cat([loaded.splits["val"].inputs, loaded.splits["test"].inputs])
    assert np.array_equal(both.numpy(), expected)
    assert len(loaded.splits["val"]) == 4
    known = torch.cat([loaded.splits["val"].labels, loaded.splits["test"].labels])
    assert known.tolist() == labels(splits, "test")[order].tolist()


def test_numbers_of_files_need_no_zeros_before_them(tmp_path, options):
    splits = pictures("mnist", {"train": 13, "test": 40})
    write_archive(options.data_root, "mnist", splits)
    known = load("mnist", options)
    other = replace(options, data_root=tmp_path / "unpadded")
    write_image_folders(other.data_root, "mnist", splits)
    for file in other.data_root.rglob("*.png"):
        file.rename(file.with_name(f"{int(file.stem)}.png"))
    found = load("mnist", other)
    for name in ("val", "test"):
        assert found.splits[name].sha256 == known.splits[name].sha256


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


_GREY = [
    ("I;16", np.full((30, 30), 78 * 257, dtype=np.uint16), "png"),
    ("I;16", np.full((30, 30), 78 * 257, dtype=np.uint16), "tiff"),
    ("L", np.full((30, 30), 78, dtype=np.uint8), "png"),
]
_UNKNOWN = [
    ("I", np.full((30, 30), 20_000, dtype=np.int32), "tiff"),
    ("F", np.full((30, 30), 0.5, dtype=np.float32), "tiff"),
]


def _with_one(options: SuiteOptions, mode: str, pixels: np.ndarray, suffix: str) -> Path:
    """Write DTD with these pixels as a test image of class 0, the last of the files."""
    write_image_folders(options.data_root, "dtd", pictures("dtd", sizes_of("dtd")))
    file = options.data_root / "dtd" / "test" / "banded" / f"99999.{suffix}"
    Image.fromarray(pixels).save(file)
    assert Image.open(file).mode == mode
    return file


@pytest.mark.parametrize(("mode", "pixels", "suffix"), _GREY)
def test_sixteen_bits_of_grey_become_eight(options, mode, pixels, suffix):
    _with_one(options, mode, pixels, suffix)
    assert load("dtd", options).splits["test"].inputs[-1].unique().tolist() == [78]


@pytest.mark.parametrize(("mode", "pixels", "suffix"), _UNKNOWN)
def test_pixels_whose_white_is_not_known_are_refused(options, mode, pixels, suffix):
    file = _with_one(options, mode, pixels, suffix)
    message = rf"^{file}: cannot be decoded \(its pixels have 32 bits, [^\n]*\); replace it"
    with pytest.raises(InputError, match=message):
        load("dtd", options)
