"""Adapters that PEFT trains on a BERT are updates of the same BERT here, and the reverse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_encoder import NAME, SOURCE, huggingface_bert, write_model
from torch import Tensor, nn
from transformers import AutoModel, BertForSequenceClassification, BertModel

from mergebench.backbones import BACKBONES, Backbone, BertSource, load_backbone, site_shapes
from mergebench.backbones.architecture_facts import KNOWN
from mergebench.errors import InputError
from mergebench.measure.evaluate import deployed
from mergebench.provenance.architecture_facts import built_facts
from mergebench.seeding import generator
from mergebench.updates.adapter_config import CONFIG_NAME
from mergebench.updates.adapters import WEIGHTS_NAME, load_update, save_adapter
from mergebench.updates.block_names import BERT_BLOCKS
from mergebench.updates.huggingface_names import huggingface_module
from mergebench.updates.update import LowRank, Update

ATTENTION = r".*attention\.(self\.(query|key|value)|output\.dense)"
TEXTS = ["a film review", "the negative question", "no", "where is my card?"]


@pytest.fixture(scope="module")
def source(request: pytest.FixtureRequest) -> BertSource:
    layers = getattr(request, "param", 2)
    return replace(SOURCE, architecture=f"tiny-bert-{layers}", layers=layers)


@pytest.fixture(scope="module")
def backbone(source: BertSource, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backbone]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KNOWN, source.architecture, built_facts(source))
        patch.setitem(BACKBONES, NAME, source)
        state = huggingface_bert(source).state_dict()
        yield load_backbone(NAME, weights=write_model(tmp_path_factory.mktemp("model"), state))


@pytest.fixture
def shapes(backbone: Backbone) -> dict[str, tuple[int, int]]:
    return site_shapes(NAME)


def classifier(source: BertSource) -> BertForSequenceClassification:
    bert = huggingface_bert(source)
    model = BertForSequenceClassification(bert.config)
    model.bert = bert
    return model.eval()


class AutoModelPart(nn.Module):
    """A part of a `SentenceTransformer`: the keys are those of `auto_model`."""

    def __init__(self, model: BertModel) -> None:
        super().__init__()
        self.auto_model = model


class Encoder(nn.Module):
    """A wrapper that calls the model as the model calls its layers."""

    def __init__(self, model: BertModel) -> None:
        super().__init__()
        self.encoder = model


def sentence_transformer(source: BertSource) -> nn.Module:
    return nn.Sequential(AutoModelPart(huggingface_bert(source)), nn.Identity())


def wrapped(source: BertSource) -> nn.Module:
    return Encoder(huggingface_bert(source))


def trained(model: nn.Module, folder: Path, **options: Any) -> peft.PeftModel:
    """Return `model` with an adapter that PEFT made and saved, all its factors random."""
    adapted = peft.get_peft_model(model, peft.LoraConfig(**{"r": 4, "lora_alpha": 8, **options}))
    draws = torch.Generator().manual_seed(3)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=draws)
    adapted.save_pretrained(folder)
    return adapted


def deltas(adapted: nn.Module, before: str) -> dict[str, Tensor]:
    """Return `BA` with its scaling, as PEFT adds it, by what follows `before` in the path."""
    return {
        path.removeprefix(f"base_model.model.{before}"): module.get_delta_weight("default")
        for path, module in adapted.named_modules()
        if isinstance(module, peft.tuners.lora.Linear)
    }


def random_update(shapes: dict[str, tuple[int, int]], ranks: tuple[int, ...] = (3,)) -> Update:
    sites = {}
    for index, (site, (rows, columns)) in enumerate(shapes.items()):
        draws, rank = generator("bert", site), ranks[index % len(ranks)]
        up = 0.1 * torch.randn(rows, rank, generator=draws)
        sites[site] = LowRank(up=up, down=torch.randn(rank, columns, generator=draws))
    return Update(sites=sites)


@torch.inference_mode()
def assert_same_embeddings(backbone: Backbone, update: Update, model: nn.Module) -> None:
    """Compare the backbone that carries `update` with the mean of the tokens that `model` makes."""
    ids = backbone.prepare(backbone.tokenize(TEXTS))
    mask = ids.ne(0)
    hidden = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    expected = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    assert (expected - backbone.tower(ids)).abs().max() > 0.1
    with deployed(backbone, update):
        torch.testing.assert_close(backbone.tower(ids), expected, rtol=1e-4, atol=1e-5)


# From 20 targets on PEFT abbreviates their names.
@pytest.mark.parametrize("source", [2, 6], indirect=True, ids=["8 sites", "24 sites"])
@pytest.mark.parametrize("ranks", [(3,), (1, 2, 2)])
def test_what_we_export_loads_there_and_comes_back(tmp_path, source, backbone, shapes, ranks):
    update = random_update(shapes, ranks)
    save_adapter(update, tmp_path, layout="huggingface")
    assert load_update(tmp_path, shapes, NAME).sha256 == update.sha256
    keys = {f"base_model.model.{site}.lora_{one}.weight" for site in shapes for one in "AB"}
    assert load_file(tmp_path / WEIGHTS_NAME).keys() == keys
    adapted = peft.PeftModel.from_pretrained(huggingface_bert(source), tmp_path).eval()
    found = deltas(adapted, "")
    assert found.keys() == shapes.keys()
    for site, change in update.sites.items():
        torch.testing.assert_close(found[site], change.dense())
    assert_same_embeddings(backbone, update, adapted)


def test_what_we_export_loads_into_an_automodel(tmp_path, source, backbone, shapes):
    update = random_update(shapes)
    huggingface_bert(source).save_pretrained(tmp_path / "base")
    save_adapter(update, tmp_path / "adapter", layout="huggingface")
    model = AutoModel.from_pretrained(tmp_path / "base")
    adapted = peft.PeftModel.from_pretrained(model, tmp_path / "adapter").eval()
    assert_same_embeddings(backbone, update, adapted)


@pytest.mark.parametrize(
    ("wrap", "before"),
    [
        (huggingface_bert, ""),
        (classifier, "bert."),
        (sentence_transformer, "0.auto_model."),
        (wrapped, "encoder."),
    ],
)
@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": ATTENTION},
        {"target_modules": ["query", "value"]},
        {"target_modules": ["attention.output.dense", "key"], "use_rslora": True},
        {
            "target_modules": ATTENTION,
            "rank_pattern": {"query": 2, r"layer\.1\.attention\.self\.value": 5},
            "alpha_pattern": {"attention.output.dense": 3},
        },
        {"target_modules": ["query"], "layers_to_transform": [1]},
        {"target_modules": ATTENTION, "exclude_modules": ["key"]},
    ],
    ids=["attention", "two", "rslora", "patterns", "a layer", "excluded"],
)
def test_what_peft_trains_there_is_an_update_here(
    tmp_path, source, backbone, shapes, wrap, before, options
):
    trained(wrap(source), tmp_path, **options)
    # PEFT sorts patterns as it saves, and the first match counts: only the file is the reference.
    adapted = peft.PeftModel.from_pretrained(wrap(source), tmp_path).eval()
    expected, update = deltas(adapted, before), load_update(tmp_path, shapes, NAME)
    assert list(update.sites) == [site for site in shapes if site in expected]
    assert len(update.sites) == len(expected) > 0
    for site, change in update.sites.items():
        torch.testing.assert_close(change.dense(), expected[site], rtol=1e-6, atol=1e-7)
    if wrap is huggingface_bert and options["target_modules"] == ATTENTION:
        assert_same_embeddings(backbone, update, adapted)


@pytest.mark.parametrize(
    ("options", "heads"),
    [
        ({}, []),
        ({"task_type": "SEQ_CLS"}, ["classifier"]),
        ({"modules_to_save": ["pooler", "classifier"]}, ["bert.pooler", "classifier"]),
    ],
    ids=["nothing", "by task", "by name"],
)
def test_a_head_that_was_saved_whole_is_left_out(tmp_path, source, shapes, options, heads):
    trained(classifier(source), tmp_path, target_modules=["query", "value"], **options)
    whole = [key for key in load_file(tmp_path / WEIGHTS_NAME) if "lora_" not in key]
    assert len(whole) == 2 * len(heads)
    update = load_update(tmp_path, shapes, NAME)
    assert sorted(update.left_out) == heads
    adapted = peft.PeftModel.from_pretrained(classifier(source), tmp_path)
    expected = deltas(adapted, "bert.")
    assert update.sites.keys() == expected.keys()
    for site, change in update.sites.items():
        torch.testing.assert_close(change.dense(), expected[site], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("saved", "key", "message"),
    [
        (["LayerNorm"], None, "modules_to_save is set: it also replaces whole modules"),
        (["classifier", "embeddings"], None, "modules_to_save is set"),
        (["pooler"], "bert.encoder.layer.0.attention.pooler.weight", "unknown key"),
        (["score"], "classifier.weight", "unknown key 'base_model.model.classifier.weight'"),
        (None, "classifier.weight", "unknown key"),
        (["classifier"], "classifier.lora_A.weight", "has no site 'classifier'"),
    ],
)
def test_what_is_no_head_is_refused(tmp_path, source, shapes, saved, key, message):
    trained(classifier(source), tmp_path, target_modules=["query"])
    config, file = tmp_path / CONFIG_NAME, tmp_path / WEIGHTS_NAME
    config.write_text(json.dumps(json.loads(config.read_text()) | {"modules_to_save": saved}))
    if key is not None:
        save_file(load_file(file) | {f"base_model.model.{key}": torch.ones(4, 16)}, file)
    with pytest.raises(InputError, match=message):
        load_update(tmp_path, shapes, NAME)


@pytest.mark.parametrize("name", ["text_encoder.", "language_model.", "text_model.", "xxx.yyyy."])
def test_nothing_is_asked_about_towers(tmp_path, shapes, name):
    """A BERT's prefix may say that it is of texts: that is what the backbone is of."""
    update = random_update(shapes)
    save_adapter(update, tmp_path)
    file, config = tmp_path / WEIGHTS_NAME, tmp_path / CONFIG_NAME
    old = "base_model.model."
    save_file({key.replace(old, old + name): one for key, one in load_file(file).items()}, file)
    options = json.loads(config.read_text())
    targets = [name + module for module in options["target_modules"]]
    config.write_text(json.dumps(options | {"target_modules": targets}))
    assert load_update(tmp_path, shapes, NAME).sha256 == update.sha256


@pytest.mark.parametrize(
    ("module", "size", "message"),
    [
        ("bert.encoder.layer.0.intermediate.dense", 16, r"dense is none of its sites: tiny_bert"),
        ("bert.encoder.layer.9.attention.self.key", 16, "9.attention.self.key is none of its"),
        ("bert.pooler.dense", 16, "has no site 'bert.pooler.dense'"),
        ("text_model.encoder.layers.0.self_attn.q_proj", 16, "has no site 'text_model.encoder"),
        ("other.encoder.layer.0.attention.self.key", 16, "are of two towers or models"),
        ("bert.encoder.layer.0.attention.self.query", 7, "give an adapter for tiny_bert"),
    ],
)
def test_no_message_speaks_of_a_vision_tower(tmp_path, source, shapes, module, size, message):
    trained(classifier(source), tmp_path, target_modules=["query"])
    file = tmp_path / WEIGHTS_NAME
    key = f"base_model.model.{module}.lora_"
    extra = {f"{key}A.weight": torch.ones(4, size), f"{key}B.weight": torch.ones(16, 4)}
    save_file(load_file(file) | extra, file)
    with pytest.raises(InputError, match=message) as caught:
        load_update(tmp_path, shapes, NAME)
    assert "vision" not in str(caught.value)


def test_an_incomplete_adapter_is_refused(tmp_path, source, shapes):
    trained(sentence_transformer(source), tmp_path, target_modules=["query", "value"])
    file = tmp_path / WEIGHTS_NAME
    save_file({key: one for key, one in load_file(file).items() if "layer.1" not in key}, file)
    site = r"encoder\.layer\.1\.attention\.self\.query"
    with pytest.raises(InputError, match=rf"0\.auto_model\.{site} \(site {site}\).* is missing"):
        load_update(tmp_path, shapes, NAME)


def test_every_site_of_minilm_has_its_own_name_there():
    shapes = site_shapes("minilm")
    assert [huggingface_module(site) for site in shapes] == list(shapes)
    assert [BERT_BLOCKS.site(site) for site in shapes] == list(shapes)
    for module in ("encoder.layer.0.output.LayerNorm", "embeddings.LayerNorm", "pooler.dense"):
        assert huggingface_module(module) is None
