"""Weights of an encoder in every layout that there is, and the embeddings of `transformers`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from clip_files import write_shards
from small_encoder import (
    NAME,
    bert_tensors,
    huggingface_bert,
    token_ids,
    tokenizer,
    write_model,
)
from torch import Tensor
from torch.nn import functional

from mergebench.backbones import (
    BertBackbone,
    find_source,
    load_backbone,
    missing_weights,
    resolution_of,
    site_shapes,
    tensor_shapes,
)

TEXTS = ("a dull film", "is this science or technology", "about the plot of a very good movie")


def published(ids: Tensor) -> Tensor:
    """Return what the library's own model gives: the normalised mean over real tokens."""
    mask = ids.ne(0)
    with torch.inference_mode():
        hidden = huggingface_bert()(ids.long(), mask.long()).last_hidden_state
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return functional.normalize(mean, dim=-1)


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in bert_tensors(pooler=True).items()}


def with_old_names() -> dict[str, Tensor]:
    names = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    found = {}
    for name, value in bert_tensors().items():
        for new, old in names.items():
            name = name.replace(new, old)
        found[name] = value
    assert sum(name.endswith(("gamma", "beta")) for name in found) == 10
    return found


def with_language_model_head() -> dict[str, Tensor]:
    head = {"cls.predictions.bias": torch.ones(120), "cls.seq_relationship.bias": torch.ones(2)}
    return {**prefixed("bert."), **head, "bert.embeddings.position_ids": torch.arange(40)[None]}


LAYOUTS = {
    "plain": bert_tensors,
    "with pooler": lambda: bert_tensors(pooler=True),
    "bert.": lambda: prefixed("bert."),
    "0.auto_model.": lambda: prefixed("0.auto_model."),
    "gamma and beta": with_old_names,
    "language model": with_language_model_head,
}


def loaded(weights: Path) -> BertBackbone:
    assert missing_weights(NAME, weights) is None
    backbone = load_backbone(NAME, weights=weights)
    assert isinstance(backbone, BertBackbone)
    return backbone


def test_embeddings_are_those_of_transformers(folder):
    ids = token_ids(30)
    backbone = loaded(folder)
    assert torch.allclose(backbone.features(ids), published(ids), rtol=0, atol=1e-5)
    tokens = backbone.tokenize(TEXTS)
    embedded = functional.normalize(backbone.embed_texts(TEXTS), dim=-1)
    assert torch.allclose(embedded, published(tokens), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_weights(layout, folder, tmp_path):
    found = loaded(write_model(tmp_path / "model", LAYOUTS[layout]()))
    assert found.sha256 == loaded(folder).sha256
    assert not any(parameter.requires_grad for parameter in found.model.parameters())


def test_a_file_is_as_good_as_its_folder(folder, tmp_path):
    expected = loaded(folder).sha256
    assert loaded(folder / "model.safetensors").sha256 == expected
    shutil.copy(folder / "tokenizer.json", tmp_path)
    torch.save(bert_tensors(), tmp_path / "pytorch_model.bin")
    assert loaded(tmp_path / "pytorch_model.bin").sha256 == expected


def test_shards_are_one_model(folder, tmp_path):
    shards = write_shards(prefixed("bert."), tmp_path / "shards")
    shutil.copy(folder / "tokenizer.json", shards)
    assert loaded(shards).sha256 == loaded(folder).sha256


def test_what_transformers_saves_is_read(folder, tmp_path):
    huggingface_bert().save_pretrained(tmp_path)
    shutil.copy(folder / "tokenizer.json", tmp_path)
    assert (tmp_path / "config.json").is_file()
    assert loaded(tmp_path).sha256 == loaded(folder).sha256


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(dtype, folder, tmp_path):
    state = {name: value.to(dtype) for name, value in bert_tensors().items()}
    found = loaded(write_model(tmp_path / "model", state)).model.state_dict()
    for name, value in loaded(folder).model.state_dict().items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], value.to(dtype).float())


def test_random_weights_are_the_same_each_time_and_leave_the_generator_alone():
    state = torch.get_rng_state()
    first, second = (load_backbone(NAME, weights="random") for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert missing_weights(NAME, "random") is None
    assert first.sha256 == "random"
    ids = first.tokenize(["ab, c", "de"])
    assert ids.dtype == torch.int32
    assert ids.shape == (2, 12)
    assert ids[0, 0] == 2
    assert ids.max() < 120
    assert torch.equal(first.features(ids), second.features(ids))


def test_facts_are_those_of_the_loaded_tower(folder):
    backbone = loaded(folder)
    assert resolution_of(find_source(NAME)) is None
    assert site_shapes(NAME) == {
        path: tuple(site.weight.shape) for path, site in backbone.sites.items()
    }
    assert tensor_shapes(NAME) == {
        name: tuple(value.shape) for name, value in backbone.tensors.items()
    }
    assert len(backbone.sites) == 8
    assert backbone.logit_scale == 20.0
    assert len(backbone.tensors) == 2 * 16
    assert not any(name.startswith("embeddings.") for name in backbone.tensors)


def test_the_tokenizer_cuts_and_pads_as_the_backbone_reads(folder):
    tokenize = loaded(folder).tokenize
    short, long, empty, brackets = tokenize(
        ["a film", "the plot " * 9, "", "a [PAD] film [SEP]"]
    ).tolist()
    words = tokenizer()
    number = words.token_to_id
    assert short[:5] == [2, number("a"), number("film"), 3, 0]
    assert long == [2, *[number("the"), number("plot")] * 5, 3]
    assert empty == [2, 3, *[0] * 10]
    ended = brackets.index(3)
    assert not any(brackets[ended + 1 :])
    assert all(brackets[:ended]), "a text in brackets is no padding"
