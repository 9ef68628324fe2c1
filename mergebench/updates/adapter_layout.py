"""How an adapter's files name its modules, and which tower of a CLIP these are of.

Both towers of a CLIP have blocks of the same names, and the text tower of a larger one has the
sizes of a smaller one's vision tower: ViT-L/14's text has those of ViT-B/32's images.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mergebench.errors import InputError
from mergebench.updates.huggingface_names import huggingface_module, open_clip_site

LayoutName = Literal["open_clip", "huggingface"]
LAYOUTS: tuple[LayoutName, ...] = ("open_clip", "huggingface")

_THEIR_TOWER = "vision_model."
_PEFT = "base_model.model."
_THEIR_BLOCKS = re.compile(r"(.*?)encoder\.layers\.\d+\.")
_WHOLE_MODELS = ("CLIP", "CustomTextCLIP")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Names of modules in an adapter's files and configuration.

    `huggingface`: whether they are those of `transformers`' CLIP; `before`: what precedes the
    blocks there, or else the site, "visual." for one.
    """

    huggingface: bool = False
    before: str = ""

    def module(self, site: str) -> str:
        """Return the files' name of a site; the site's own if Hugging Face's CLIP has none."""
        theirs = huggingface_module(site) if self.huggingface else None
        if self.huggingface:
            return site if theirs is None else self.before + theirs.removeprefix(_THEIR_TOWER)
        return self.before + site


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of an adapter's towers beside its keys.

    `model_class`: what PEFT was put on; `vision`: whether keys that say nothing are the vision
    tower's, because the user or the sizes say so.
    """

    model_class: str = ""
    vision: bool = False

    @property
    def of_vision(self) -> bool:
        """Whether keys that name no tower are the vision tower's."""
        named = "Vision" in self.model_class and "Text" not in self.model_class
        return named or (self.vision and not self.of_text)

    @property
    def of_text(self) -> bool:
        """Whether keys that name no tower are the text tower's."""
        named = "Text" in self.model_class and "Vision" not in self.model_class
        return named or self.model_class in _WHOLE_MODELS


@dataclass(frozen=True, kw_only=True)
class _Place:
    module: str
    site: str
    layout: Layout

    @property
    def tower(self) -> str:
        """Name of the tower that the module's path says; empty if it says none."""
        vision, text = (
            re.search(rf"(^|[._])({words})", self.layout.before) is not None
            for words in ("vision|visual|image", "text|language")
        )
        return "" if vision == text else "vision" if vision else "text"

    @property
    def in_both(self) -> bool:
        """Whether the other tower has a module of this name too."""
        return self.layout.huggingface or self.site.startswith("transformer.")


def vision_layout(
    file: Path, modules: Collection[str], sites: Collection[str], evidence: Evidence
) -> tuple[Layout, dict[str, str]]:
    """Return how `file` names modules, and the site that each of them is, itself if it is none.

    `sites`: those of the backbone. Raises `InputError` for modules of the text tower, for modules
    that may be of either, and for names that do not all begin alike.
    """
    roots = {site.partition(".")[0] for site in sites}
    found = {module: _place(module, roots) for module in modules}
    places = [place for place in found.values() if place is not None]
    _refuse_text(file, places, evidence)
    layout = places[0].layout if places else Layout()
    for place in places:
        if place.layout != layout:
            raise InputError(
                f"{file}: {places[0].module} and {place.module} begin differently, so that they "
                "are of two towers or models: use an adapter of one vision tower"
            )
    # Our own layout is the site's bare name.
    unsaid = [one for one in places if layout != Layout() and one.in_both and not one.tower]
    if unsaid and not evidence.of_vision:
        raise InputError(
            f"{file}: {unsaid[0].module} may be of CLIP's vision or text tower: rename the keys to "
            "begin with vision_model. (in open_clip's names visual.), or insist with --vision-tower"
        )
    names = {module: module if place is None else place.site for module, place in found.items()}
    before = layout.before.rpartition(_PEFT)[2]
    return Layout(huggingface=layout.huggingface, before=before), names


def layout_to_write(name: LayoutName, sites: Iterable[str], label: str) -> Layout:
    """Return the layout called `name`; InputError if Hugging Face's CLIP lacks one of the sites."""
    if name == "open_clip":
        return Layout()
    for site in sites:
        if huggingface_module(site) is None:
            raise InputError(
                f"{label}: site {site} does not exist in Hugging Face's CLIP: "
                "that layout is for updates of a ViT"
            )
    return Layout(huggingface=True, before=_THEIR_TOWER)


def _place(module: str, roots: Collection[str]) -> _Place | None:
    """Return where a module is; None for one that is in the blocks of no tower."""
    theirs = _THEIR_BLOCKS.match(module)
    if theirs is not None:
        site = open_clip_site(_THEIR_TOWER + module[len(theirs[1]) :])
        layout = Layout(huggingface=True, before=theirs[1])
        return _Place(module=module, site=site or module, layout=layout)
    parts = module.split(".")
    first = next((index for index, part in enumerate(parts) if part in roots), None)
    if first is None:
        return None
    before = "".join(f"{part}." for part in parts[:first])
    return _Place(module=module, site=".".join(parts[first:]), layout=Layout(before=before))


def _refuse_text(file: Path, places: Collection[_Place], evidence: Evidence) -> None:
    text = [
        place
        for place in places
        if place.tower == "text" or (not place.tower and place.in_both and evidence.of_text)
    ]
    if text:
        raise InputError(
            f"{file}: {text[0].module} is of the text tower, as {len(text)} of {len(places)} "
            "modules are: use an adapter of the vision tower alone"
        )
