"""How a released adapter is named and loaded by others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mergebench.backbones import BertSource, find_source

_HERE = """\
from mergebench.backbones import load_backbone
from peft import PeftModel

tower = PeftModel.from_pretrained(load_backbone({backbone!r}).tower, {folder!r})"""

_THERE = """\
from peft import PeftModel
from transformers import {model}

model = PeftModel.from_pretrained({model}.from_pretrained({base!r}), {folder!r})"""


@dataclass(frozen=True, kw_only=True)
class Naming:
    """The base model of an adapter, the layout of its keys, and Python that loads it."""

    base_model: str
    layout: Literal["open_clip", "huggingface"]
    code: str


def naming_of(backbone: str, folder: str) -> Naming:
    """Return how an adapter of `backbone` is written: for `transformers` if its model is there.

    `folder`: what the code calls the adapter's folder.
    """
    source = find_source(backbone)
    if not source.huggingface:
        code = _HERE.format(backbone=backbone, folder=folder)
        return Naming(base_model=backbone, layout="open_clip", code=code)
    model = "AutoModel" if isinstance(source, BertSource) else "CLIPModel"
    code = _THERE.format(model=model, base=source.huggingface, folder=folder)
    return Naming(base_model=source.huggingface, layout="huggingface", code=code)
