"""How an adapter's files name its modules: as our sites, or as Hugging Face's CLIP."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mergebench.errors import InputError
from mergebench.updates.huggingface_names import huggingface_module, open_clip_site

LayoutName = Literal["open_clip", "huggingface"]
LAYOUTS: tuple[LayoutName, ...] = ("open_clip", "huggingface")

_THEIR_TOWER = "vision_model."
_BEFORE_BLOCKS = re.compile(r"(.*?)encoder\.layers\.\d+\.")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Names of modules in an adapter's files and configuration.

    `huggingface`: whether they are those of `transformers`' CLIP; `before_blocks`: what these then
    begin with, "vision_model." unless the adapter was trained on a part or a wrapper of it.
    """

    huggingface: bool = False
    before_blocks: str = _THEIR_TOWER

    def site(self, module: str) -> str:
        """Return the site that a module of the files is; the module's own name if it is none."""
        return (open_clip_site(module) if self.huggingface else None) or module

    def module(self, site: str) -> str:
        """Return the files' name of a site; the site's own if Hugging Face's CLIP has none."""
        theirs = huggingface_module(site) if self.huggingface else None
        return site if theirs is None else self.before_blocks + theirs.removeprefix(_THEIR_TOWER)


def layout_of(modules: Iterable[str]) -> Layout:
    """Return the layout of files that name these modules."""
    for module in modules:
        if open_clip_site(module) is not None:
            before = _BEFORE_BLOCKS.match(module)
            return Layout(huggingface=True, before_blocks=before[1] if before else _THEIR_TOWER)
    return Layout()


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
    return Layout(huggingface=True)
