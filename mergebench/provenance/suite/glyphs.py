"""Characters drawn from the fonts of pinned Debian packages, in a random ink over plain grounds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

from mergebench.provenance.suite.packages import PackageCache
from mergebench.provenance.suite.pins import pinned
from mergebench.provenance.suite.rendering import Pixels, crop_to_ink
from mergebench.provenance.suite.scenes import SCENE_SIDE, Backdrop, Drawing
from mergebench.provenance.suite.task_images import Source

_FONT_SIZE = 80
#: Fonts used of one package: more would only repeat its weights and widths.
_FONTS_PER_PACKAGE = 4
_SUFFIXES = (".ttf", ".otf", ".ttc")

#: Debian font package without "fonts-" -> licence of the fonts in it.
FontFamilies = dict[str, str]


def font_sources(pools: dict[str, FontFamilies]) -> tuple[Source, ...]:
    """Describe the font packages of all pools."""
    return tuple(
        Source.of(pinned("debian", f"fonts-{name}"), licence=licence, what=f"{pool} fonts")
        for pool, families in pools.items()
        for name, licence in families.items()
    )


def pools_of(families: FontFamilies, held_out: str) -> dict[str, FontFamilies]:
    """Deal font families to the pools `train` and `held out`, which are the names listed."""
    names = held_out.split()
    return {
        "train": {name: licence for name, licence in families.items() if name not in names},
        "held out": {name: licence for name, licence in families.items() if name in names},
    }


def drawings(
    packages: PackageCache, families: FontFamilies, classes: Sequence[str]
) -> list[list[Drawing]]:
    """One drawing per class and package; `classes[label]` are the characters that stand for it.

    Each call of a drawing takes a random font of the package, character and ink. Raises
    `ValueError` when no font of a package has all characters.
    """
    fonts = [fonts_of(packages, name, "".join(classes)) for name in families]
    return [[_drawing(paths, characters) for paths in fonts] for characters in classes]


def fonts_of(packages: PackageCache, family: str, characters: str) -> list[Path]:
    """Return up to four fonts of a package, each with all `characters`; `ValueError` if none."""
    folder = packages.path(pinned("debian", f"fonts-{family}"))
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    complete = [
        path
        for path in paths
        if path.is_file()
        and not path.is_symlink()
        and known_characters(path, characters) == characters
    ]
    if not complete:
        raise ValueError(f"no font of package fonts-{family} has all of {characters!r}")
    steps = np.linspace(0, len(complete) - 1, min(_FONTS_PER_PACKAGE, len(complete)))
    return [complete[int(step)] for step in steps]


def known_characters(path: Path, characters: str) -> str:
    """Return those of `characters` that a font can draw."""
    with TTFont(path, fontNumber=0, lazy=True) as tables:
        table = tables.getBestCmap() or {}
    mapped = [character for character in characters if ord(character) in table]
    return "".join(character for character in mapped if _inked(_font(path), character))


def _inked(font: ImageFont.FreeTypeFont, character: str) -> bool:
    # Some fonts map characters to blank glyphs, and some have glyphs that FreeType rejects.
    try:
        return font.getmask(character).getbbox() is not None
    except OSError:
        return False


def _drawing(paths: Sequence[Path], characters: str) -> Drawing:
    def draw(generator: np.random.Generator) -> Pixels:
        path = paths[int(generator.integers(len(paths)))]
        character = characters[int(generator.integers(len(characters)))]
        drawn = glyph(path, character).copy()
        drawn[..., :3] = generator.integers(0, 110, size=3)
        return drawn

    return draw


@cache
def _font(path: Path) -> ImageFont.FreeTypeFont:
    # Basic layout, so that the result does not depend on an installed shaping library.
    return ImageFont.truetype(str(path), _FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)


@cache
def glyph(path: Path, character: str) -> Pixels:
    """Draw one character in black, cropped to its ink; `(h, w, 4)` uint8 RGBA, read only."""
    canvas = Image.new("L", (4 * _FONT_SIZE, 4 * _FONT_SIZE))
    ImageDraw.Draw(canvas).text((_FONT_SIZE, _FONT_SIZE), character, fill=255, font=_font(path))
    ink = np.asarray(canvas)
    drawn = crop_to_ink(np.dstack([np.zeros((*ink.shape, 3), dtype=np.uint8), ink]))
    drawn.setflags(write=False)
    return drawn


def paper(photos: Backdrop) -> Backdrop:
    """Light grounds for dark ink: a plain colour or a faded cut of a photo, half each."""

    def ground(generator: np.random.Generator) -> Pixels:
        if generator.random() < 0.5:
            colour = generator.integers(130, 256, size=3)
            return np.full((SCENE_SIDE, SCENE_SIDE, 3), colour, dtype=np.uint8)
        return (120 + photos(generator) * 0.5).astype(np.uint8)

    return ground
