"""How an adapter's files name its modules, and which tower of a model these are of.

Both towers of a CLIP have blocks of the same names, and the text tower of a larger one has the
sizes of a smaller one's vision tower: ViT-L/14's text has those of ViT-B/32's images. A BERT is one
tower, and nothing has to tell which.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mergebench.errors import InputError
from mergebench.updates.block_names import BlockNames, block_names, block_starts, lists_of_blocks

LayoutName = Literal["open_clip", "huggingface"]
LAYOUTS: tuple[LayoutName, ...] = ("open_clip", "huggingface")

_PEFT = "base_model.model."
_WHOLE_MODELS = ("CLIP", "CustomTextCLIP")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Names of modules in an adapter's files and configuration.

    `names`: those of a model of `transformers`; None for the sites' own. `before`: what precedes
    the blocks there, or else the site, "visual." for one.
    """

    names: BlockNames | None = None
    before: str = ""

    def module(self, site: str) -> str:
        """Return the files' name of a site; the site's own if their model has none."""
        if self.names is None:
            return self.before + site
        theirs = self.names.module(site)
        return site if theirs is None else self.before + theirs


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


def tower_layout(
    file: Path, modules: Collection[str], sites: Collection[str], evidence: Evidence
) -> tuple[Layout, dict[str, str]]:
    """Return how `file` names modules, and the site that each of them is, itself if it is none.

    `sites`: those of the backbone. Raises `InputError` for names that do not all begin alike, and,
    where the model has another tower with blocks of the same names, for modules of that one and
    for modules that may be of either.
    """
    names = block_names(sites)
    places = _places(modules, sites, names)
    layout = next((place.layout for place in places.values()), Layout())
    if names is not None and names.twin:
        _refuse_text(file, places.values(), evidence)
    for place in places.values():
        if place.layout != layout:
            first = next(iter(places))
            raise InputError(
                f"{file}: {first} and {place.module} begin differently, so that they "
                "are of two towers or models: use an adapter of one tower"
            )
    if names is not None and names.twin and not evidence.of_vision:
        _refuse_unsaid(file, places.values(), names)
    before = layout.before.rpartition(_PEFT)[2]
    found = {module: places[module].site if module in places else module for module in modules}
    return Layout(names=layout.names, before=before), found


def layout_to_write(name: LayoutName, sites: Collection[str], label: str) -> Layout:
    """Return the layout called `name`; InputError if `transformers` has no name for a site."""
    if name == "open_clip":
        return Layout()
    names = block_names(sites)
    for site in sites:
        if names is None or names.module(site) is None:
            raise InputError(
                f"{label}: site {site} does not exist in Hugging Face's models: "
                "that layout is for updates of a ViT or a BERT"
            )
    return Layout(names=names, before=names.before if names else "")


def _places(
    modules: Collection[str], sites: Collection[str], names: BlockNames | None
) -> dict[str, _Place]:
    """Return where each module is, without those that are in the blocks of no tower."""
    ways: list[tuple[re.Pattern[str], BlockNames | None]]
    ways = [] if names is None else [(block_starts([names.theirs]), names)]
    ways.append((block_starts(lists_of_blocks(sites)), None))
    places = {}
    for module in modules:
        for starts, theirs in ways:
            start = starts.match(module)
            if start is None:
                continue
            inner = module[start.end(1) :]
            site = inner if theirs is None else theirs.site(inner) or module
            layout = Layout(names=theirs, before=start[1])
            places[module] = _Place(module=module, site=site, layout=layout)
            break
    return places


def _refuse_text(file: Path, places: Collection[_Place], evidence: Evidence) -> None:
    text = [
        place for place in places if place.tower == "text" or (not place.tower and evidence.of_text)
    ]
    if text:
        raise InputError(
            f"{file}: {text[0].module} is of the text tower, as {len(text)} of {len(places)} "
            "modules are: use an adapter of the vision tower alone"
        )


def _refuse_unsaid(file: Path, places: Collection[_Place], names: BlockNames) -> None:
    # The bare names of sites are our own layout, which is of the vision tower.
    unsaid = [one for one in places if one.layout != Layout() and not one.tower]
    if unsaid:
        raise InputError(
            f"{file}: {unsaid[0].module} may be of CLIP's vision or text tower: rename the keys to "
            f"begin with {names.before} (in open_clip's names visual.), or insist with "
            "--vision-tower"
        )
