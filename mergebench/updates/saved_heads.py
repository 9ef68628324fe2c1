"""Heads that PEFT saves whole beside an adapter: they read a tower's output and are no part of it.

A classifier trained with PEFT (`task_type` SEQ_CLS, TOKEN_CLS, QUESTION_ANS) has one. Here the
heads are made of class names, so such a head changes nothing that is merged.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from mergebench.updates.block_names import block_starts, lists_of_blocks

# As PEFT calls them, and the layer of a BERT between the encoder and its classifier.
_NAMES = ("classifier", "score", "qa_outputs", "pooler")
_HEAD = re.compile(rf"(?:base_model\.model\.)?((?:.+\.)?(?:{'|'.join(_NAMES)}))\.(?!.*lora_).+")


def beyond_heads(saved: object) -> object:
    """Return what a config's `modules_to_save` names beside heads; as it is if it is no list."""
    return [name for name in saved if name not in _NAMES] if isinstance(saved, list) else saved


def saved_heads(
    keys: Iterable[str], saved: Collection[str] | None, sites: Collection[str]
) -> dict[str, str]:
    """Return the module of each key of a file that is of a head which the config says was saved.

    `saved`: the config's `modules_to_save`. Nothing in the blocks that hold `sites` is a head.
    """
    starts = block_starts(lists_of_blocks(sites))
    found = {}
    for key in keys:
        head = _HEAD.fullmatch(key)
        if head and head[1].rpartition(".")[2] in (saved or ()) and not starts.match(head[1]):
            found[key] = head[1]
    return found
