"""Names of Hugging Face's CLIP and of open_clip's with split attention, for the same modules.

Both have the same modules with the same weights; only the matrices that project the towers' outputs
are stored transposed. Source: `transformers.CLIPModel` and `open_clip.CLIP`.
"""

from __future__ import annotations

import re

_BLOCK = {
    **{f"self_attn.{part}_proj": f"attn.{part}_proj" for part in ("q", "k", "v", "out")},
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_TENSORS = {
    "logit_scale": "logit_scale",
    "visual_projection.weight": "visual.proj",
    "text_projection.weight": "text_projection",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    **{f"vision_model.pre_layrnorm.{part}": f"visual.ln_pre.{part}" for part in ("weight", "bias")},
    **{
        f"vision_model.post_layernorm.{part}": f"visual.ln_post.{part}"
        for part in ("weight", "bias")
    },
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    **{f"text_model.final_layer_norm.{part}": f"ln_final.{part}" for part in ("weight", "bias")},
}
HUGGINGFACE_TRANSPOSED = ("visual.proj", "text_projection")
"""Tensors, in open_clip's names, that Hugging Face stores transposed."""

HUGGINGFACE_BUFFERS = ("vision_model.embeddings.position_ids", "text_model.embeddings.position_ids")
"""Entries of older Hugging Face files that are no weights."""

_THEIR_BLOCK = re.compile(r"(vision|text)_model\.encoder\.layers\.(\d+)\.(.+)")
_OUR_SITE = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
_OUR_PARTS = {ours: theirs for theirs, ours in _BLOCK.items()}


def open_clip_tensor(name: str) -> str | None:
    """Return open_clip's name of a tensor of `CLIPModel`; None if it has no such tensor.

    >>> open_clip_tensor("vision_model.encoder.layers.3.self_attn.q_proj.bias")
    'visual.transformer.resblocks.3.attn.q_proj.bias'
    """
    if name in _TENSORS:
        return _TENSORS[name]
    module, _, kind = name.rpartition(".")
    block = _THEIR_BLOCK.fullmatch(module)
    if block is None or kind not in ("weight", "bias") or block[3] not in _BLOCK:
        return None
    tower = "visual." if block[1] == "vision" else ""
    return f"{tower}transformer.resblocks.{block[2]}.{_BLOCK[block[3]]}.{kind}"


def open_clip_site(module: str) -> str | None:
    """Return the site, a path in open_clip's vision tower, of a linear in the blocks of CLIP's.

    `module`: its path in a Hugging Face model, whatever comes before `vision_model` or, in a bare
    vision transformer, before `encoder`. None for every other path.

    >>> open_clip_site("model.vision_model.encoder.layers.3.mlp.fc1")
    'transformer.resblocks.3.mlp.c_fc'
    """
    inner = re.search(r"(?:^|\.)(?:vision_model\.)?encoder\.layers\.(\d+)\.(.+)$", module)
    if inner is None or "text_model." in module or inner[2] not in _BLOCK:
        return None
    return f"transformer.resblocks.{inner[1]}.{_BLOCK[inner[2]]}"


def huggingface_module(site: str) -> str | None:
    """Return the path in `CLIPModel` and `CLIPVisionModel` of a site; None for another one.

    >>> huggingface_module("transformer.resblocks.3.attn.out_proj")
    'vision_model.encoder.layers.3.self_attn.out_proj'
    """
    block = _OUR_SITE.fullmatch(site)
    if block is None or block[2] not in _OUR_PARTS:
        return None
    return f"vision_model.encoder.layers.{block[1]}.{_OUR_PARTS[block[2]]}"
