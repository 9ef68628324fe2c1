"""The 46 hiragana in Japanese fonts that differ between the pools."""

from __future__ import annotations

import re

import numpy as np

from mergebench.suites.build.backdrops import PHOTO_SOURCE, photo_backdrops
from mergebench.suites.build.glyphs import FontFamilies, drawings, font_sources, paper
from mergebench.suites.build.packages import PackageCache
from mergebench.suites.build.scenes import Disturbance, render_splits
from mergebench.suites.build.task_images import TaskImages

HIRAGANA = (
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん"
)
NAMES = re.findall(
    r"\w+",
    "a i u e o ka ki ku ke ko sa shi su se so ta chi tsu te to na ni nu ne no "
    "ha hi fu he ho ma mi mu me mo ya yu yo ra ri ru re ro wa wo n",
)

# Fonts that derive from one another (M+; IPA; the brushes of Aoyagi) share a pool.
FONTS: dict[str, FontFamilies] = {
    "train": {
        "aoyagi-kouzan-t": "public domain",
        "aoyagi-soseki": "public domain",
        "dotgothic16": "OFL-1.1",
        "horai-umefont": "Ume font licence",
        "ipafont-gothic": "IPA-1.0",
        "ipafont-mincho": "IPA-1.0",
        "kiloji": "BSD-3-Clause",
        "konatu": "MIT",
        "kouzan-mouhitsu": "public domain",
        "mplus": "OFL-1.1",
        "reggae": "OFL-1.1",
        "sawarabi-mincho": "OFL-1.1",
        "seto": "OFL-1.1",
    },
    "held out": {
        "klee": "OFL-1.1",
        "morisawa-bizud-gothic": "OFL-1.1",
        "morisawa-bizud-mincho": "OFL-1.1",
        "motoya-l-cedar": "Apache-2.0",
        "motoya-l-maruberi": "Apache-2.0",
        "oradano-mincho-gsrr": "custom free licence, see package",
        "rocknroll": "OFL-1.1",
        "sawarabi-gothic": "CC-BY-3.0",
        "yozvox-yozfont-standard-kana": "OFL-1.1 and Expat",
        "yusei-magic": "OFL-1.1",
    },
    "captioned": {
        "dejima-mincho": "MIT",
        "hanazono": "Hanazono font licence or OFL-1.1",
        "noto-cjk": "OFL-1.1",
        "rampart": "OFL-1.1",
        "stick": "OFL-1.1",
        "train": "OFL-1.1",
    },
}

_DISTURBANCE = Disturbance(
    extent=(0.6, 0.95),
    shift=0.08,
    corner_shift=0.08,
    rotation=12,
    light=0.3,
    blur=1.5,
    noise=5,
    inverted=0.5,
)


def build(packages: PackageCache, generator: np.random.Generator) -> TaskImages:
    """Render hiragana in random inks on paper or faded photos, half of them light on dark."""
    grounds = {pool: paper(photos) for pool, photos in photo_backdrops(packages).items()}
    pools = {pool: drawings(packages, fonts, HIRAGANA) for pool, fonts in FONTS.items()}
    return TaskImages(
        name="kana",
        classes=tuple(f"hiragana {name}" for name in NAMES),
        templates=("the {}", "the japanese character {}", "{}"),
        sources=(*font_sources(FONTS), PHOTO_SOURCE),
        note="rendered; font packages and photos differ between train, val with test, "
        "and captioned.",
        rendered=True,
        splits=render_splits(pools, grounds, _DISTURBANCE, generator),
    )
