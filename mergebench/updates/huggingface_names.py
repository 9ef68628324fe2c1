"""Names of Hugging Face's models and ours, for the same modules.

CLIPs: `transformers.CLIPModel` and `open_clip.CLIP` with split attention have the same modules with
the same weights; only the matrices that project the towers' outputs are stored transposed. BERTs
are `transformers.BertModel` here too.
"""

from __future__ import annotations

import re

from mergebench.updates.block_names import CLIP_BLOCKS, block_names

_BLOCK = {
    **{theirs: ours for ours, theirs in CLIP_BLOCKS.parts.items()},
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
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


def huggingface_module(site: str) -> str | None:
    """Return the path of a site in the model of `transformers`; None if it has no such module.

    That is `CLIPModel` and `CLIPVisionModel`, or `BertModel`.

    >>> huggingface_module("transformer.resblocks.3.attn.out_proj")
    'vision_model.encoder.layers.3.self_attn.out_proj'
    >>> huggingface_module("encoder.layer.3.attention.output.dense")
    'encoder.layer.3.attention.output.dense'
    """
    names = block_names([site])
    theirs = names.module(site) if names else None
    return f"{names.before}{theirs}" if names and theirs else None
