"""The capitals A to Z in fonts that differ between the pools."""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase

import numpy as np

from mergebench.provenance.suite.backdrops import PHOTO_SOURCE, photo_backdrops
from mergebench.provenance.suite.glyphs import (
    FontFamilies,
    drawings,
    font_sources,
    paper,
    pools_of,
)
from mergebench.provenance.suite.packages import PackageCache
from mergebench.provenance.suite.scenes import LARGE_SIZES, Backdrop, Disturbance, render_splits
from mergebench.provenance.suite.task_images import LabelledImages, TaskImages

FONTS: FontFamilies = {
    "adf-gillius": "GPL-2+ with font exception",
    "adf-oldania": "GPL-2+ with font exception",
    "apropal": "OFL-1.1",
    "averia-serif-gwf": "OFL-1.1",
    "breip": "OFL-1.0",
    "cabin": "OFL-1.1",
    "cherrybomb": "OFL-1.1",
    "comic-neue": "OFL-1.1",
    "compagnon": "OFL-1.1",
    "courier-prime": "OFL-1.1",
    "dancingscript": "OFL-1.1",
    "dejavu-core": "Bitstream Vera",
    "ebgaramond": "OFL-1.1",
    "essays1743": "OFL-1.1 or LGPL-2.1",
    "eurofurence": "OFL-1.1",
    "fantasma": "WTFPL",
    "femkeklaver": "CC-BY-SA-3.0",
    "gnutypewriter": "OFL-1.1",
    "goudybookletter": "public domain",
    "humor-sans": "OFL-1.1",
    "junicode": "OFL-1.1",
    "kaushanscript": "OFL-1.1",
    "kristi": "OFL-1.1",
    "lato": "OFL-1.1",
    "league-spartan": "OFL-1.1",
    "lobster": "OFL-1.1",
    "okolaks": "OFL-1.1",
    "opendyslexic": "CC-BY-3.0 and Bitstream Vera",
    "play": "OFL-1.1",
    "quicksand": "OFL-1.1",
    "roboto-slab": "Apache-2.0",
    "rufscript": "GPL-3+ with font exception",
}
CAPTIONED_FONTS: FontFamilies = {
    "arapey": "OFL-1.1",
    "bwht": "OFL-1.1",
    "comfortaa": "OFL-1.1",
    "crosextra-caladea": "OFL-1.1",
    "karla": "OFL-1.1",
    "leckerli-one": "OFL-1.1",
    "prociono": "public domain",
}
_HELD_OUT = (
    "averia-serif-gwf cabin compagnon courier-prime eurofurence gnutypewriter goudybookletter "
    "lato opendyslexic play quicksand roboto-slab"
)
# The pools and the view of the first rendering, whose captioned images pretraining has seen.
_FIRST_HELD_OUT = (
    "averia-serif-gwf breip cherrybomb compagnon essays1743 femkeklaver gnutypewriter "
    "kaushanscript kristi opendyslexic play quicksand roboto-slab rufscript"
)

_DISTURBANCE = Disturbance(
    extent=(0.6, 0.92),
    shift=0.05,
    corner_shift=0.05,
    rotation=10,
    light=0.3,
    blur=1.2,
    noise=5,
    inverted=0.5,
)
_FIRST_DISTURBANCE = Disturbance(
    extent=(0.45, 0.9),
    shift=0.1,
    corner_shift=0.1,
    rotation=20,
    light=0.3,
    blur=2.0,
    noise=6,
    inverted=0.5,
)


def build(packages: PackageCache, generator: np.random.Generator) -> TaskImages:
    """Render capitals in random inks on paper or faded photos, half of them light on dark."""
    grounds = {pool: paper(photos) for pool, photos in photo_backdrops(packages).items()}
    pools = pools_of(FONTS, _HELD_OUT)
    capitals = {pool: drawings(packages, fonts, ascii_uppercase) for pool, fonts in pools.items()}
    return TaskImages(
        name="letters",
        classes=tuple(f"letter {letter}" for letter in ascii_lowercase),
        templates=("the {}", "a picture of the {}", "{}"),
        sources=(*font_sources({**pools, "captioned": CAPTIONED_FONTS}), PHOTO_SOURCE),
        note="rendered; capitals; font packages and photos differ between train, val with test, "
        "and captioned; captioned images show both cases under stronger disturbance.",
        rendered=True,
        splits={
            **render_splits(capitals, grounds, _DISTURBANCE, generator, LARGE_SIZES),
            "captioned": _first_captioned(packages, grounds),
        },
    )


def _first_captioned(packages: PackageCache, grounds: dict[str, Backdrop]) -> LabelledImages:
    """Repeat the first rendering, of both cases, for the images that pretraining has seen."""
    characters = [letter.upper() + letter for letter in ascii_lowercase]
    pools = {**pools_of(FONTS, _FIRST_HELD_OUT), "captioned": CAPTIONED_FONTS}
    drawn = {pool: drawings(packages, fonts, characters) for pool, fonts in pools.items()}
    first = render_splits(drawn, grounds, _FIRST_DISTURBANCE, np.random.default_rng([0]))
    return first["captioned"]
