"""The 46 hiragana in Japanese fonts that differ between the pools."""

from __future__ import annotations

import re

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

HIRAGANA = (
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん"
)
NAMES = re.findall(
    r"\w+",
    "a i u e o ka ki ku ke ko sa shi su se so ta chi tsu te to na ni nu ne no "
    "ha hi fu he ho ma mi mu me mo ya yu yo ra ri ru re ro wa wo n",
)

# Fonts that derive from one another (M+; IPA; the brushes of Aoyagi) share a pool.
FONTS: FontFamilies = {
    "aoyagi-kouzan-t": "public domain",
    "aoyagi-soseki": "public domain",
    "dotgothic16": "OFL-1.1",
    "horai-umefont": "Ume font licence",
    "ipafont-gothic": "IPA-1.0",
    "ipafont-mincho": "IPA-1.0",
    "kiloji": "BSD-3-Clause",
    "klee": "OFL-1.1",
    "konatu": "MIT",
    "kouzan-mouhitsu": "public domain",
    "morisawa-bizud-gothic": "OFL-1.1",
    "morisawa-bizud-mincho": "OFL-1.1",
    "motoya-l-cedar": "Apache-2.0",
    "motoya-l-maruberi": "Apache-2.0",
    "mplus": "OFL-1.1",
    "oradano-mincho-gsrr": "custom free licence, see package",
    "reggae": "OFL-1.1",
    "rocknroll": "OFL-1.1",
    "sawarabi-gothic": "CC-BY-3.0",
    "sawarabi-mincho": "OFL-1.1",
    "seto": "OFL-1.1",
    "yozvox-yozfont-standard-kana": "OFL-1.1 and Expat",
    "yusei-magic": "OFL-1.1",
}
CAPTIONED_FONTS: FontFamilies = {
    "dejima-mincho": "MIT",
    "hanazono": "Hanazono font licence or OFL-1.1",
    "noto-cjk": "OFL-1.1",
    "rampart": "OFL-1.1",
    "stick": "OFL-1.1",
    "train": "OFL-1.1",
}
_HELD_OUT = (
    "klee konatu morisawa-bizud-gothic morisawa-bizud-mincho motoya-l-cedar motoya-l-maruberi "
    "rocknroll sawarabi-gothic yozvox-yozfont-standard-kana yusei-magic"
)
# The pools and the view of the first rendering, whose captioned images pretraining has seen.
_FIRST_HELD_OUT = (
    "klee morisawa-bizud-gothic morisawa-bizud-mincho motoya-l-cedar motoya-l-maruberi "
    "oradano-mincho-gsrr rocknroll sawarabi-gothic yozvox-yozfont-standard-kana yusei-magic"
)

_DISTURBANCE = Disturbance(
    extent=(0.75, 0.95),
    shift=0.03,
    corner_shift=0.04,
    rotation=6,
    light=0.3,
    blur=0.8,
    noise=5,
    inverted=0.5,
)
_FIRST_DISTURBANCE = Disturbance(
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
    pools = pools_of(FONTS, _HELD_OUT)
    drawn = {pool: drawings(packages, fonts, HIRAGANA) for pool, fonts in pools.items()}
    return TaskImages(
        name="kana",
        classes=tuple(f"hiragana {name}" for name in NAMES),
        templates=("the {}", "the japanese character {}", "{}"),
        sources=(*font_sources({**pools, "captioned": CAPTIONED_FONTS}), PHOTO_SOURCE),
        note="rendered; font packages and photos differ between train, val with test, "
        "and captioned; captioned images are under stronger disturbance.",
        rendered=True,
        splits={
            **render_splits(drawn, grounds, _DISTURBANCE, generator, LARGE_SIZES),
            "captioned": _first_captioned(packages, grounds),
        },
    )


def _first_captioned(packages: PackageCache, grounds: dict[str, Backdrop]) -> LabelledImages:
    """Repeat the first rendering for the images that pretraining has seen."""
    pools = {**pools_of(FONTS, _FIRST_HELD_OUT), "captioned": CAPTIONED_FONTS}
    drawn = {pool: drawings(packages, fonts, HIRAGANA) for pool, fonts in pools.items()}
    first = render_splits(drawn, grounds, _FIRST_DISTURBANCE, np.random.default_rng([0]))
    return first["captioned"]
