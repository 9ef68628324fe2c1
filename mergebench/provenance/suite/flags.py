"""Flags of 43 countries over photographs; each pool of drawings comes from its own vendors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mergebench.provenance.suite.backdrops import PHOTO_SOURCE, photo_backdrops
from mergebench.provenance.suite.packages import PackageCache
from mergebench.provenance.suite.pins import pinned
from mergebench.provenance.suite.rendering import Pixels, crop_to_ink, iconify_svg, rasterise_svg
from mergebench.provenance.suite.scenes import Disturbance, Drawing, render_splits
from mergebench.provenance.suite.task_images import Source, TaskImages

#: ISO 3166 code -> display name, in class order.
COUNTRIES = {
    "ar": "argentina",
    "at": "austria",
    "au": "australia",
    "be": "belgium",
    "br": "brazil",
    "ca": "canada",
    "ch": "switzerland",
    "cl": "chile",
    "cn": "china",
    "co": "colombia",
    "cz": "czechia",
    "de": "germany",
    "dk": "denmark",
    "eg": "egypt",
    "es": "spain",
    "fi": "finland",
    "fr": "france",
    "gb": "united kingdom",
    "gr": "greece",
    "id": "indonesia",
    "ie": "ireland",
    "il": "israel",
    "in": "india",
    "is": "iceland",
    "it": "italy",
    "jm": "jamaica",
    "jp": "japan",
    "ke": "kenya",
    "kr": "south korea",
    "mx": "mexico",
    "ng": "nigeria",
    "nl": "netherlands",
    "no": "norway",
    "pk": "pakistan",
    "pl": "poland",
    "pt": "portugal",
    "ru": "russia",
    "se": "sweden",
    "tr": "turkey",
    "ua": "ukraine",
    "us": "united states",
    "vn": "vietnam",
    "za": "south africa",
}
# Pool -> icon set, licence, icon names with {code} or {name} (hyphenated country name).
_VENDORS = {
    "train": (
        ("flag", "MIT", ("{code}-1x1", "{code}-4x3")),
        ("circle-flags", "MIT", ("{code}",)),
        ("cif", "CC0-1.0", ("{code}",)),
    ),
    "held out": (
        ("twemoji", "CC-BY-4.0", ("flag-{name}",)),
        ("openmoji", "CC-BY-SA-4.0", ("flag-{name}",)),
    ),
    "captioned": (
        ("flagpack", "MIT", ("{code}",)),
        ("emojione", "CC-BY-4.0", ("flag-for-{name}",)),
    ),
}
# Icons under another name: the country's newer one, and in flagpack "gb" is the cross of England.
_RENAMED = {
    ("twemoji", "flag-turkey"): "flag-turkiye",
    ("openmoji", "flag-turkey"): "flag-turkiye",
    ("flagpack", "gb"): "gb-ukm",
}
_DRAWING_SIDE = 96

_DISTURBANCE = Disturbance(
    extent=(0.45, 0.95),
    shift=0.1,
    corner_shift=0.12,
    rotation=20,
    light=0.35,
    blur=2.5,
    noise=6,
)


def build(packages: PackageCache, generator: np.random.Generator) -> TaskImages:
    """Render the flags of each pool's vendors with perspective, light, blur and noise."""
    drawings = {
        pool: [variants(packages, pool, code, name) for code, name in COUNTRIES.items()]
        for pool in _VENDORS
    }
    return TaskImages(
        name="flags",
        classes=tuple(COUNTRIES.values()),
        templates=("the flag of {}", "a photo of the flag of {}", "flag {}"),
        sources=(*_sources(), PHOTO_SOURCE),
        note="rendered; vendors and photos differ between train, val with test, and captioned.",
        rendered=True,
        splits=render_splits(drawings, photo_backdrops(packages), _DISTURBANCE, generator),
    )


def _sources() -> tuple[Source, ...]:
    return tuple(
        Source.of(pinned("npm", f"@iconify-json/{icon_set}"), licence=licence, what=f"{pool} flags")
        for pool, vendors in _VENDORS.items()
        for icon_set, licence, _ in vendors
    )


def variants(packages: PackageCache, pool: str, code: str, name: str) -> list[Drawing]:
    """Return the drawings of a country's flag by every vendor of a pool."""
    drawings = []
    for icon_set, _, patterns in _VENDORS[pool]:
        folder = packages.path(pinned("npm", f"@iconify-json/{icon_set}")) / "package"
        icons, side = _icons(folder / "icons.json")
        for pattern in patterns:
            icon_name = pattern.format(code=code, name=name.replace(" ", "-"))
            icon = icons[_RENAMED.get((icon_set, icon_name), icon_name)]
            flag = crop_to_ink(rasterise_svg(iconify_svg(icon, side), _DRAWING_SIDE))
            drawings.append(_constant(flag))
    return drawings


def _icons(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    collection = json.loads(path.read_text(encoding="utf-8"))
    return collection["icons"], collection.get("height", 16)


def _constant(flag: Pixels) -> Drawing:
    return lambda generator: flag
