"""Letters a to z, upper and lower case, in fonts that differ between the pools."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np

from mergebench.suites.build.backdrops import PHOTO_SOURCE, photo_backdrops
from mergebench.suites.build.glyphs import FontFamilies, drawings, font_sources, paper
from mergebench.suites.build.packages import PackageCache
from mergebench.suites.build.scenes import Disturbance, render_splits
from mergebench.suites.build.task_images import TaskImages

FONTS: dict[str, FontFamilies] = {
    "train": {
        "adf-gillius": "GPL-2+ with font exception",
        "adf-oldania": "GPL-2+ with font exception",
        "apropal": "OFL-1.1",
        "cabin": "OFL-1.1",
        "comic-neue": "OFL-1.1",
        "courier-prime": "OFL-1.1",
        "dancingscript": "OFL-1.1",
        "dejavu-core": "Bitstream Vera",
        "ebgaramond": "OFL-1.1",
        "eurofurence": "OFL-1.1",
        "fantasma": "WTFPL",
        "goudybookletter": "public domain",
        "humor-sans": "OFL-1.1",
        "junicode": "OFL-1.1",
        "lato": "OFL-1.1",
        "league-spartan": "OFL-1.1",
        "lobster": "OFL-1.1",
        "okolaks": "OFL-1.1",
    },
    "held out": {
        "averia-serif-gwf": "OFL-1.1",
        "breip": "OFL-1.0",
        "cherrybomb": "OFL-1.1",
        "compagnon": "OFL-1.1",
        "essays1743": "OFL-1.1 or LGPL-2.1",
        "femkeklaver": "CC-BY-SA-3.0",
        "gnutypewriter": "OFL-1.1",
        "kaushanscript": "OFL-1.1",
        "kristi": "OFL-1.1",
        "opendyslexic": "CC-BY-3.0 and Bitstream Vera",
        "play": "OFL-1.1",
        "quicksand": "OFL-1.1",
        "roboto-slab": "Apache-2.0",
        "rufscript": "GPL-3+ with font exception",
    },
    "captioned": {
        "arapey": "OFL-1.1",
        "bwht": "OFL-1.1",
        "comfortaa": "OFL-1.1",
        "crosextra-caladea": "OFL-1.1",
        "karla": "OFL-1.1",
        "leckerli-one": "OFL-1.1",
        "prociono": "public domain",
    },
}

_DISTURBANCE = Disturbance(
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
    """Render letters in random inks on paper or faded photos, half of them light on dark."""
    characters = [letter.upper() + letter for letter in ascii_lowercase]
    grounds = {pool: paper(photos) for pool, photos in photo_backdrops(packages).items()}
    pools = {pool: drawings(packages, fonts, characters) for pool, fonts in FONTS.items()}
    return TaskImages(
        name="letters",
        classes=tuple(f"letter {letter}" for letter in ascii_lowercase),
        templates=("the {}", "a picture of the {}", "{}"),
        sources=(*font_sources(FONTS), PHOTO_SOURCE),
        note="rendered; both cases; font packages and photos differ between train, val with test, "
        "and captioned.",
        rendered=True,
        splits=render_splits(pools, grounds, _DISTURBANCE, generator),
    )
