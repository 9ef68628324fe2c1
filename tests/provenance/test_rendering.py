"""Drawing of rendered tasks: shapes, determinism under a seed, and captions."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("resvg_py", reason="needs the extra [build]")

from mergebench.provenance.suite import pins, rendering, scenes
from mergebench.provenance.suite.backdrops import board_squares
from mergebench.provenance.suite.chess_sets import PIECES, eboard_sheet
from mergebench.provenance.suite.corpus import clean_caption, split_words

WIDE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20" width="40" height="20">'
    '<rect width="40" height="20" fill="#ff0000"/></svg>'
)
DISTURBANCE = scenes.Disturbance(
    extent=(0.5, 0.9),
    shift=0.1,
    corner_shift=0.1,
    rotation=20,
    light=0.3,
    blur=2,
    noise=8,
    inverted=0.5,
)


def red_square() -> rendering.Pixels:
    square = np.zeros((10, 10, 4), dtype=np.uint8)
    square[2:8, 3:9] = (255, 0, 0, 255)
    return square


@pytest.mark.parametrize("turned", [False, True])
def test_svg_is_drawn_with_its_longer_side_as_asked(turned: bool) -> None:
    document = WIDE
    if turned:
        document = WIDE.replace(
            '0 0 40 20" width="40" height="20"', '0 0 20 40" width="20" height="40"'
        )
    drawn = rendering.rasterise_svg(document, 64)
    assert max(drawn.shape[:2]) == 64
    assert drawn.shape[2] == 4
    assert drawn.dtype == np.uint8


def test_undrawable_svg_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="root node"):
        rendering.rasterise_svg("<svg", 64)


def test_fitting_keeps_aspect_margin_and_colour() -> None:
    fitted = rendering.fit_square(rendering.rasterise_svg(WIDE, 64), 40, margin=4)
    inked = np.argwhere(fitted[..., 3] > 0)
    assert fitted.shape == (40, 40, 4)
    assert inked.min(axis=0).tolist() == [12, 4]
    assert inked.max(axis=0).tolist() == [27, 35]
    assert fitted[20, 20].tolist() == [255, 0, 0, 255]


def test_cropping_keeps_the_ink_only() -> None:
    assert rendering.crop_to_ink(red_square()).shape == (6, 6, 4)
    with pytest.raises(ValueError, match="fully transparent"):
        rendering.crop_to_ink(np.zeros((4, 4, 4), dtype=np.uint8))


def test_compositing_shows_the_background_where_transparent() -> None:
    background = np.full((10, 10, 3), 7, dtype=np.uint8)
    mixed = rendering.composite(red_square(), background)
    assert mixed[0, 0].tolist() == [7, 7, 7]
    assert mixed[5, 5].tolist() == [255, 0, 0]


def test_view_without_movement_leaves_the_image() -> None:
    image = rendering.fit_square(red_square(), 32)
    still = rendering.random_view(image, np.random.default_rng(0), corner_shift=0.0, rotation=0.0)
    assert np.array_equal(still[image[..., 3] == 255], image[image[..., 3] == 255])


def test_light_of_no_strength_leaves_the_image() -> None:
    image = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    lit = rendering.random_light(image, np.random.default_rng(0), strength=0.0)
    assert np.array_equal(lit, image)


def test_split_is_balanced_and_fixed_by_its_seed() -> None:
    drawings: list[list[scenes.Drawing]] = [[lambda generator: red_square()]] * 3

    def split(seed: int) -> tuple[bytes, list[int]]:
        made = scenes.render_split(
            drawings, board_squares, 12, DISTURBANCE, np.random.default_rng(seed)
        )
        assert made.images.shape == (12, 32, 32, 3)
        assert made.images.dtype == np.uint8
        assert made.labels.dtype == np.int64
        return made.images.tobytes(), np.bincount(made.labels).tolist()

    assert split(0) == split(0)
    assert split(0)[0] != split(1)[0]
    assert split(0)[1] == [4, 4, 4]


def test_eboard_sheet_gives_pieces_in_class_order(tmp_path: Path) -> None:
    sheet = np.full((20, 70, 3), (255, 255, 0), dtype=np.uint8)
    for row in range(2):
        for column in range(7):
            sheet[row * 10 + 2 : row * 10 + 8, column * 10 + 2 : column * 10 + 8] = (
                row,
                column,
                9,
            )
    Image.fromarray(sheet).save(tmp_path / "set.png")
    pieces = eboard_sheet(tmp_path / "set.png")
    assert len(pieces) == len(PIECES)
    # Sheet columns are rook, knight, bishop, queen, king, pawn.
    assert [piece[5, 5, :2].tolist() for piece in pieces[:6]] == [
        [0, column] for column in (4, 3, 0, 2, 1, 5)
    ]
    assert pieces[6][5, 5, 0] == 1
    assert pieces[0][0, 0, 3] == 0


@pytest.mark.parametrize(
    ("name", "caption"),
    [("Pine-tree_02", "pine tree"), ("keycap-3", "keycap 3"), ("woman’s hat", "woman hat")],
)
def test_captions_are_plain_words(name: str, caption: str) -> None:
    assert clean_caption(name) == caption


def test_unhyphenated_names_are_split_into_the_fewest_words() -> None:
    words = frozenset({"love", "letter", "let", "ter"})
    assert split_words("loveletter", words) == "love-letter"
    assert split_words("unknownthing", words) == "unknownthing"


def test_every_pin_is_a_whole_hash_and_unique() -> None:
    lines = pins._PINS.read_text(encoding="utf-8").splitlines()
    assert len({tuple(line.split()[:2]) for line in lines}) == len(lines)
    assert all(re.fullmatch(r"[0-9a-f]{64}", line.split()[3]) for line in lines)
