"""CLIPs with random weights, small or of the paper's sizes, written in every format there is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from mergebench.backbones.architecture_facts import KNOWN
from mergebench.backbones.sources import BACKBONES, ClipSource
from mergebench.provenance.architecture_facts import built_facts

SMALL = "small_clip"
_WIDTH, _DIM = 64, 32
_VISION = {"image_size": 32, "layers": 2, "width": _WIDTH, "patch_size": 16, "head_width": 16}
_TEXT = {"context_length": 77, "vocab_size": 49408, "width": _WIDTH, "heads": 4, "layers": 1}


def add_small_backbone(folder: Path) -> ClipSource:
    """Make `small_clip` known to open_clip and mergebench: a ViT-B/32 of two narrow blocks."""
    config = folder / "small-clip-quickgelu.json"
    options = {"embed_dim": _DIM, "quick_gelu": True, "vision_cfg": _VISION, "text_cfg": _TEXT}
    config.write_text(json.dumps(options))
    open_clip.add_model_config(config)
    like = BACKBONES["vit_b32"]
    assert isinstance(like, ClipSource)
    source = replace(like, architecture=config.stem)
    KNOWN[config.stem] = built_facts(source)
    BACKBONES[SMALL] = source
    return source


def huggingface_clip(architecture: str) -> CLIPModel:
    """Return Hugging Face's CLIP of the sizes of an open_clip architecture, all weights random."""
    config = open_clip.get_model_config(architecture)
    vision, text, dim = config["vision_cfg"], config["text_cfg"], config["embed_dim"]
    head_width = vision.get("head_width", 64)
    model = CLIPModel(
        CLIPConfig(
            projection_dim=dim,
            vision_config={
                "hidden_size": vision["width"],
                "intermediate_size": 4 * vision["width"],
                "num_hidden_layers": vision["layers"],
                "num_attention_heads": vision["width"] // head_width,
                "image_size": vision["image_size"],
                "patch_size": vision["patch_size"],
                "projection_dim": dim,
            },
            text_config={
                "hidden_size": text["width"],
                "intermediate_size": 4 * text["width"],
                "num_hidden_layers": text["layers"],
                "num_attention_heads": text["heads"],
                "vocab_size": text["vocab_size"],
                "max_position_embeddings": text["context_length"],
                "projection_dim": dim,
                "eos_token_id": 2,  # as published: the text is read at the largest identifier
            },
        )
    )
    draws = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "norm" in name:  # these start as zeros and ones
                parameter.add_(torch.randn(parameter.shape, generator=draws), alpha=0.1)
    return model.eval()


def fused(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of a split model as open_clip's own: q, k and v in one tensor."""
    result: dict[str, Tensor] = {}
    for key, value in state.items():
        for part in "qkv":
            before, found, kind = key.partition(f"attn.{part}_proj.")
            if found:
                name = f"{before}attn.in_proj_{kind}"
                result[name] = torch.cat([result[name], value]) if name in result else value
                break
        else:
            result[key] = value
    return result


def write_every_format(state: Mapping[str, Tensor], folder: Path) -> list[Path]:
    """Write open_clip's state as safetensors, and as checkpoints bare, trained and parallel."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {key: value.contiguous() for key, value in state.items()}
    parallel = {f"module.{key}": value for key, value in contents.items()}
    numbers = {"input_resolution": torch.tensor(32), "vocab_size": torch.tensor(49408)}
    files = [folder / name for name in ("weights.safetensors", "bare.pt", "epoch.pt", "openai.bin")]
    save_file(contents, files[0])
    torch.save(contents, files[1])
    torch.save({"epoch": 3, "name": "run", "state_dict": parallel, "optimizer": {}}, files[2])
    torch.save({**contents, **numbers}, files[3])
    return files


def write_shards(state: Mapping[str, Tensor], folder: Path, count: int = 3) -> Path:
    """Write a state as `transformers` does in shards with their index; return the folder."""
    folder.mkdir()
    shards = [f"model-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]
    weight_map = {name: shards[place % count] for place, name in enumerate(state)}
    for shard in shards:
        own = {name: value for name, value in state.items() if weight_map[name] == shard}
        save_file(own, folder / shard)
    size = sum(value.nbytes for value in state.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder
