"""How the linears in a tower's blocks are called: as the sites, and in models of `transformers`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_BEFORE_NUMBER = re.compile(r"(.+?)\.\d+\.")


@dataclass(frozen=True, kw_only=True)
class BlockNames:
    """Names of the linears in the blocks of a kind of tower, here and in `transformers`.

    `ours`, `theirs`: path of the list of blocks; `before`: what is before it in their model;
    `parts`: paths in a block, theirs by ours; `twin`: whether the model has a second tower, which
    calls its blocks alike.
    """

    ours: str
    theirs: str
    before: str = ""
    parts: Mapping[str, str]
    twin: bool = False

    def module(self, site: str) -> str | None:
        """Return their path of a site, from the list of blocks on; None if they have no such."""
        return _renamed(site, self.ours, self.theirs, self.parts)

    def site(self, module: str) -> str | None:
        """Return the site of a module, whose path begins with the list of blocks; None if none."""
        ours_by_theirs = {theirs: ours for ours, theirs in self.parts.items()}
        return _renamed(module, self.theirs, self.ours, ours_by_theirs)


CLIP_BLOCKS = BlockNames(
    ours="transformer.resblocks",
    theirs="encoder.layers",
    before="vision_model.",
    parts=MappingProxyType(
        {
            **{f"attn.{part}_proj": f"self_attn.{part}_proj" for part in ("q", "k", "v", "out")},
            "mlp.c_fc": "mlp.fc1",
            "mlp.c_proj": "mlp.fc2",
        }
    ),
    twin=True,
)
"""The vision tower of a CLIP: open_clip's names with split attention, and `CLIPModel`'s."""

_BERT_PARTS = (
    *(f"attention.self.{part}" for part in ("query", "key", "value")),
    *("attention.output.dense", "intermediate.dense", "output.dense"),
)
BERT_BLOCKS = BlockNames(
    ours="encoder.layer",
    theirs="encoder.layer",
    parts=MappingProxyType({part: part for part in _BERT_PARTS}),
)
"""A BERT, whose sites have the names of `BertModel`."""


def block_names(sites: Collection[str]) -> BlockNames | None:
    """Return how the tower of these sites calls its blocks; None if `transformers` has none such.

    One site in the blocks is enough.
    """
    for names in (CLIP_BLOCKS, BERT_BLOCKS):
        if any(site.startswith(f"{names.ours}.") for site in sites):
            return names
    return None


def block_starts(lists: Iterable[str]) -> re.Pattern[str]:
    """Return what matches a module's path up to the first block; group 1 is what precedes the list.

    `lists`: paths of lists of blocks.

    >>> block_starts(["encoder.layer"]).match("encoder.encoder.layer.0.output.dense")[1]
    'encoder.'
    """
    either = "|".join(map(re.escape, dict.fromkeys(lists)))
    return re.compile(rf"(|.*?\.)(?:{either})(?:\.\d+\.|$)")


def lists_of_blocks(sites: Iterable[str]) -> list[str]:
    """Return the paths of the lists whose elements hold the sites; a site in none is its own.

    >>> lists_of_blocks(["blocks.2.mlp.fc1", "blocks.10.mlp.fc1", "head"])
    ['blocks', 'head']
    """
    found = ((_BEFORE_NUMBER.match(site), site) for site in sites)
    return list(dict.fromkeys(match[1] if match else site for match, site in found))


def _renamed(path: str, old: str, new: str, parts: Mapping[str, str]) -> str | None:
    block = re.fullmatch(rf"{re.escape(old)}\.(\d+)\.(.+)", path)
    if block is None or block[2] not in parts:
        return None
    return f"{new}.{block[1]}.{parts[block[2]]}"
