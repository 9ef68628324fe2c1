"""Stickers for pretraining: characters, chess pieces and flags that training lays over anything.

A baked image of a task shows its drawing once; a sticker has transparent surroundings, so that
every view of it in training has another ground, size, slant and colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from string import ascii_lowercase, digits

import numpy as np
from numpy.typing import NDArray

from mergebench.provenance.suite import chess, flags, kana, letters
from mergebench.provenance.suite.chess_sets import PIECES
from mergebench.provenance.suite.corpus import SIDE, Corpus
from mergebench.provenance.suite.glyphs import fonts_of, glyph, known_characters
from mergebench.provenance.suite.packages import PackageCache
from mergebench.provenance.suite.pins import pinned
from mergebench.provenance.suite.rendering import Pixels, fit_square
from mergebench.provenance.suite.sticker_fonts import JAPANESE, LATIN
from mergebench.provenance.suite.task_images import Source

_KATAKANA = (
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン"
)
# Greek and Cyrillic letters that do not look like a Latin one or like each other.
_GREEK = {
    "αβγδεζηθλμξπρστφχψω": "alpha beta gamma delta epsilon zeta eta theta lambda mu xi pi rho "
    "sigma tau phi chi psi omega",
    "ΓΔΘΛΞΠΣΦΨΩ": "gamma delta theta lambda xi pi sigma phi psi omega",
}
_CYRILLIC = {
    "бджзилфцчшщэюя": "be de zhe ze i el ef tse che sha shcha e yu ya",
    "БДЖЗИЛФЦЧШЩЭЮЯ": "be de zhe ze i el ef tse che sha shcha e yu ya",
}
# Margins in px of a sticker: the drawing fills between a half and all of the side.
_LARGEST_MARGIN = 10
# Kana fonts are fewer than Latin ones, and chess sets and vendors of flags fewer still.
_KANA_REPETITIONS = 2
_PICTURE_REPETITIONS = 8


def build_stickers(packages: PackageCache) -> Corpus:
    """Draw the stickers in a fixed order, without any font, set or vendor of a task's splits.

    Captions are the class names of the tasks, so that training knows both for one concept. The
    sources are those beyond the tasks' own. Raises `ValueError` when a font package has none of
    the characters wanted from it.
    """
    generator = np.random.default_rng([0, *b"stickers"])
    pairs = [*_characters(packages, generator), *_pictures(packages, generator)]
    return Corpus(
        images=np.stack([image.transpose(2, 0, 1) for _, image in pairs]),
        captions=tuple(caption for caption, _ in pairs),
        sources=tuple(
            Source.of(
                pinned("npm", f"@fontsource/{name}"), licence=licence, what="fonts of stickers"
            )
            for fonts in (LATIN, JAPANESE)
            for licence, names in fonts.items()
            for name in names.split()
        ),
    )


def _latin_and_digits() -> dict[str, str]:
    # Not told apart: their names are the classes of mnist, which is to be learnt by fine-tuning.
    numerals = dict.fromkeys(digits, "printed digit")
    lower = {letter: f"letter {letter}" for letter in ascii_lowercase}
    return {**lower, **{letter.upper(): name for letter, name in lower.items()}, **numerals}


def _other_alphabets(subset: str) -> dict[str, str]:
    """Captions of the characters in a subset of a web font."""
    tables = {"greek": _GREEK, "cyrillic": _CYRILLIC}[subset]
    return {
        character: f"{subset} letter {name}"
        for characters, names in tables.items()
        for character, name in zip(characters, names.split(), strict=True)
    }


def _kana() -> dict[str, str]:
    return {
        character: f"{script} {name}"
        for script, characters in (("hiragana", kana.HIRAGANA), ("katakana", _KATAKANA))
        for character, name in zip(characters, kana.NAMES, strict=True)
    }


def _characters(
    packages: PackageCache, generator: np.random.Generator
) -> Iterator[tuple[str, Pixels]]:
    """Draw every character of every font in a random ink and size."""
    latin, kana_captions = _latin_and_digits(), _kana()
    draw = partial(_glyphs, generator=generator)
    for name in letters.CAPTIONED_FONTS:
        for path in fonts_of(packages, name, "".join(latin)):
            yield from draw(path, latin)
    for name in kana.CAPTIONED_FONTS:
        for path in fonts_of(packages, name, kana.HIRAGANA):
            for _ in range(_KANA_REPETITIONS):
                yield from draw(path, kana_captions)
    for path in _web_fonts(packages, (LATIN, JAPANESE), "latin"):
        yield from draw(path, latin)
    for path in _web_fonts(packages, (JAPANESE,), "japanese"):
        for _ in range(_KANA_REPETITIONS):
            yield from draw(path, kana_captions)
    for subset in ("greek", "cyrillic"):
        for path in _web_fonts(packages, (LATIN, JAPANESE), subset):
            yield from draw(path, _other_alphabets(subset))


def _web_fonts(
    packages: PackageCache, fonts: Iterable[Mapping[str, str]], subset: str
) -> Iterator[Path]:
    """The regular face of each web font that has the subset."""
    for names in fonts:
        for name in " ".join(names.values()).split():
            files = packages.path(pinned("npm", f"@fontsource/{name}")) / "package" / "files"
            path = files / f"{name}-{subset}-400-normal.woff"
            if path.exists():
                yield path


def _glyphs(
    path: Path, captions: Mapping[str, str], *, generator: np.random.Generator
) -> Iterator[tuple[str, Pixels]]:
    """Draw the characters that the font has; the transparent pixels have the colour of the ink."""
    known = known_characters(path, "".join(captions))
    if not known:
        raise ValueError(f"{path.name}: has none of {''.join(captions)!r}")
    for character in known:
        margin = int(generator.integers(_LARGEST_MARGIN + 1))
        drawn = fit_square(glyph(path, character), SIDE, margin=margin)
        drawn[..., :3] = _ink(generator)
        yield captions[character], drawn


def _ink(generator: np.random.Generator) -> NDArray[np.int64]:
    """A dark colour, a light one or any, equally often."""
    low, high = ((0, 110), (150, 256), (0, 256))[int(generator.integers(3))]
    return generator.integers(low, high, size=3)


def _pictures(
    packages: PackageCache, generator: np.random.Generator
) -> Iterator[tuple[str, Pixels]]:
    """Draw the chess sets and flags of the captioned pools in random sizes."""
    pieces = chess.variants(packages, chess.SETS["captioned"])
    countries = [
        flags.variants(packages, "captioned", code, name) for code, name in flags.COUNTRIES.items()
    ]
    names = (*PIECES, *flags.COUNTRIES.values())
    for name, variants in zip(names, (*pieces, *countries), strict=True):
        for variant in variants:
            for _ in range(_PICTURE_REPETITIONS):
                margin = int(generator.integers(_LARGEST_MARGIN + 1))
                yield name, fit_square(variant(generator), SIDE, margin=margin)
