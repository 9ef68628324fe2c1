"""The general pretraining corpus: pictures of all kinds of things with their names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mergebench.provenance.suite.flags import COUNTRIES
from mergebench.provenance.suite.packages import PackageCache
from mergebench.provenance.suite.pins import pinned
from mergebench.provenance.suite.rendering import (
    Pixels,
    crop_to_ink,
    fit_square,
    iconify_svg,
    rasterise_svg,
)
from mergebench.provenance.suite.task_images import Source

#: Side of a corpus picture in px: larger than a task image, so that training can cut and shift.
SIDE = 40

# Icon sets in corpus order, with their licences. Flags are left out of all of them (`_SKIPPED`).
_ICON_SETS = (
    ("noto", "Apache-2.0"),
    ("noto-v1", "Apache-2.0"),
    ("emojione", "CC-BY-4.0"),
    ("emojione-v1", "CC-BY-SA-4.0"),
    ("fxemoji", "Apache-2.0"),
    ("fluent-emoji-flat", "MIT"),
    ("twemoji", "CC-BY-4.0"),
    ("openmoji", "CC-BY-SA-4.0"),
    ("streamline-emojis", "CC-BY-4.0"),
    ("flat-color-icons", "MIT"),
    ("flat-ui", "MIT"),
    ("meteocons", "MIT"),
    ("fluent-color", "MIT"),
    ("icon-park", "Apache-2.0"),
    ("streamline-kameleon-color", "CC-BY-4.0"),
    ("streamline-stickies-color", "CC-BY-4.0"),
    ("streamline-ultimate-color", "CC-BY-4.0"),
    ("streamline-plump-color", "CC-BY-4.0"),
)

# Country flags belong to the flags task; skin tones would repeat each person; kana have a task too.
_SKIPPED = re.compile(
    r"^flags?-|-flag$|flag-for-|skin-tone|regional-indicator|hiragana|katakana|-keycap$|^u\d"
    r"|-(light|medium|medium-light|medium-dark|dark)$"
)
# Trailing style and variant marks of the icon sets: "map-duo", "farmer-2", "mail-24".
_VARIANT = re.compile(r"(-(duo|flat|fill|filled|\d+|one|two|three))+$")
# A title shared by more clip-art files than this names a collection, not a picture.
_COLLECTION_SIZE = 12
# Icons of one set that may share a caption.
_USES_IN_A_SET = 3


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Images `(N, 4, 40, 40)` uint8 RGBA, one lower-case caption each, and their sources."""

    images: NDArray[np.uint8]
    captions: tuple[str, ...]
    sources: tuple[Source, ...]


def build_corpus(packages: PackageCache) -> Corpus:
    """Draw the corpus in a fixed order; pictures that repeat or cannot be drawn are left out."""
    images: dict[bytes, Pixels] = {}
    captions: dict[bytes, str] = {}
    for caption, image in _pictures(packages):
        key = image.tobytes()
        if key not in images:
            images[key] = image.transpose(2, 0, 1)
            captions[key] = caption
    return Corpus(
        images=np.stack(list(images.values())),
        captions=tuple(captions.values()),
        sources=_sources(),
    )


def _sources() -> tuple[Source, ...]:
    icons = [
        Source.of(pinned("npm", f"@iconify-json/{name}"), licence=licence, what="icons but flags")
        for name, licence in _ICON_SETS
    ]
    clip_art = Source.of(
        pinned("debian", "openclipart-svg"), licence="public domain", what="clip art but flags"
    )
    stamps = Source.of(
        pinned("debian", "tuxpaint-stamps-default"),
        licence="GPL-2+ and public domain",
        what="stamps: photos and drawings",
    )
    return (*icons, clip_art, stamps)


def _pictures(packages: PackageCache) -> Iterator[tuple[str, Pixels]]:
    vocabulary = _vocabulary(packages)
    for name, _ in _ICON_SETS:
        folder = packages.path(pinned("npm", f"@iconify-json/{name}")) / "package"
        yield from _icons(folder / "icons.json", vocabulary if name == "fxemoji" else None)
    stamps = packages.path(pinned("debian", "tuxpaint-stamps-default"))
    yield from _stamps(stamps / "usr/share/tuxpaint/stamps")
    yield from _clip_art(packages.path(pinned("debian", "openclipart-svg")) / "usr/share")


def _vocabulary(packages: PackageCache) -> frozenset[str]:
    """Words of the Noto emoji names, whose hyphens are reliable."""
    folder = packages.path(pinned("npm", "@iconify-json/noto")) / "package"
    names = json.loads((folder / "icons.json").read_text(encoding="utf-8"))["icons"]
    return frozenset(word for name in names for word in re.findall("[a-z]+", name)) | {"with", "up"}


def split_words(name: str, vocabulary: frozenset[str]) -> str:
    """Put hyphens into a name that lacks them, with as few words of `vocabulary` as possible.

    Returns the name itself where no such reading exists.

    >>> split_words("loveletter", frozenset({"love", "letter", "let"}))
    'love-letter'
    """
    if name in vocabulary:
        return name
    fewest: list[list[str] | None] = [[]]
    for end in range(1, len(name) + 1):
        readings = [
            [*head, name[start:end]]
            for start, head in enumerate(fewest)
            if head is not None and name[start:end] in vocabulary and end - start > 1
        ]
        fewest.append(min(readings, key=len) if readings else None)
    return "-".join(fewest[-1] or [name])


def clean_caption(name: str) -> str:
    """Turn a file or icon name into lower-case words of letters and digits.

    >>> clean_caption("Pine-tree_02")
    'pine tree'
    """
    words = re.findall(r"[a-z]+|\d+", re.sub(r"['’]s?\b", "", name.lower()))
    while words and words[-1].isdigit() and len(words) > 1 and words[0] not in {"keycap", "letter"}:
        words.pop()
    return " ".join(words)


def _icons(path: Path, vocabulary: frozenset[str] | None) -> Iterator[tuple[str, Pixels]]:
    collection = json.loads(path.read_text(encoding="utf-8"))
    side = collection.get("height", 16)
    uses: Counter[str] = Counter()
    for name, icon in sorted(collection["icons"].items()):
        caption = _icon_caption(split_words(name, vocabulary) if vocabulary else name)
        # The same icon in six sizes or five styles would only repeat itself.
        if not caption or uses[caption] == _USES_IN_A_SET:
            continue
        picture = _drawn(iconify_svg(icon, side))
        if picture is not None:
            uses[caption] += 1
            yield caption, picture


def _icon_caption(name: str) -> str:
    """Caption of an icon, or nothing for flags and for repetitions of a person."""
    if _SKIPPED.search(name):
        return ""
    kept = name if name.startswith("keycap") else _VARIANT.sub("", name)
    caption = clean_caption(kept)
    return "" if caption in COUNTRIES.values() else caption


def _drawn(svg: str) -> Pixels | None:
    """Draw at twice the size, crop and shrink; `None` for what is empty or not drawable."""
    try:
        return fit_square(crop_to_ink(rasterise_svg(svg, 2 * SIDE)), SIDE, margin=1)
    except ValueError:
        return None


def _stamps(folder: Path) -> Iterator[tuple[str, Pixels]]:
    for text in sorted(folder.rglob("*.txt")):
        sentence = text.read_text(encoding="utf-8").splitlines()[0]
        # "A Tamworth pig. (And more.)": the first sentence without its article is the name.
        caption = clean_caption(re.sub(r"^(an?|the|another) ", "", sentence.split(".")[0].lower()))
        if not caption or "flags" in text.parts:
            continue
        if text.with_suffix(".svg").exists():
            picture = _drawn(text.with_suffix(".svg").read_text(encoding="utf-8", errors="replace"))
        elif text.with_suffix(".png").exists():
            rgba = np.asarray(Image.open(text.with_suffix(".png")).convert("RGBA"))
            picture = fit_square(crop_to_ink(rgba), SIDE, margin=1)
        else:
            continue
        if picture is not None:
            yield caption, picture


def _clip_art(folder: Path) -> Iterator[tuple[str, Pixels]]:
    documents = {}
    for path in sorted(folder.rglob("*.svg")):
        if not {"flags", "gradients", "stars"} & set(path.parts):
            documents[path] = path.read_text(encoding="utf-8", errors="replace")
    titles = {path: _title(document) for path, document in documents.items()}
    uses = Counter(titles.values())
    for path, document in documents.items():
        title = titles[path]
        named = title and uses[title] <= _COLLECTION_SIZE
        caption = title if named else _without_author(path.stem, document)
        picture = _drawn(document) if 3 <= len(caption) <= 60 else None
        if picture is not None:
            yield caption, picture


def _title(document: str) -> str:
    match = re.search(r"<dc:title>([^<]*)", document)
    return clean_caption(match.group(1)) if match else ""


def _without_author(stem: str, document: str) -> str:
    """Clean a clip-art file name, whose end repeats its author ("cello_nicu_buculei_01")."""
    people = re.findall(r"<dc:title>([^<]*)", document)[1:]
    author_words = clean_caption(" ".join(people)).split()
    words = clean_caption(stem).split()
    while len(words) > 1 and any(word.startswith(words[-1]) for word in author_words):
        words.pop()
    return " ".join(words)
