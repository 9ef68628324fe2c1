"""Files that are not those of the encoder: one line that names the file and the fix."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from small_encoder import NAME, SOURCE, bert_tensors, tokenizer, write_model
from tokenizers import Tokenizer

from mergebench.backbones import load_backbone, missing_weights
from mergebench.backbones.bert import files as files_module
from mergebench.errors import InputError

QUERY = "encoder.layer.1.attention.self.query.weight"


def refused(ask: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        ask()
    assert "\n" not in str(error.value)
    return str(error.value)


def of_two_encoders() -> dict[str, torch.Tensor]:
    state = bert_tensors()
    return {
        f"{side}.{name}": value.clone()
        for side in ("left", "right")
        for name, value in state.items()
    }


def changed(name: str, value: torch.Tensor) -> dict[str, torch.Tensor]:
    return bert_tensors() | {name: value}


def without(name: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in bert_tensors().items() if key != name}


def with_both_names() -> dict[str, torch.Tensor]:
    return changed("embeddings.LayerNorm.gamma", torch.ones(16))


UNSEEN = {
    "two encoders": (of_two_encoders, "holds 2 encoders of BERT's layout (tensor embeddings.word"),
    "no encoder": (lambda: {"x": torch.ones(2)}, "holds no encoders of BERT's layout"),
    "a tensor lacks": (lambda: without(QUERY), f"has no tensor {QUERY} (nearest: encoder.layer."),
    "an unknown one": (
        lambda: changed("encoder.layer.2.output.dense.bias", torch.ones(16)),
        "has an unknown tensor encoder.layer.2.output.dense.bias (nearest: encoder.layer.1.output",
    ),
    "a classifier": (
        lambda: changed("classifier.weight", torch.ones(3, 16)),
        "has an unknown tensor classifier.weight (nearest: ",
    ),
    "another shape": (
        lambda: changed(QUERY, torch.ones(16, 8)),
        f"{QUERY} has shape 16×8; tiny-bert expects 16×16: give weights of this architecture",
    ),
    "two names": (
        with_both_names,
        "has embeddings.LayerNorm.weight under two names, one of them embeddings.LayerNorm.",
    ),
    "integers": (
        lambda: changed(QUERY, torch.ones(16, 16, dtype=torch.int8)),
        f"{QUERY} has dtype I8: give unquantised weights",
    ),
}


@pytest.mark.parametrize("case", UNSEEN)
def test_another_model_is_refused_before_values_are_read(case, tmp_path):
    state, message = UNSEEN[case]
    folder = write_model(tmp_path / "model", state())
    line = refused(lambda: missing_weights(NAME, folder))
    assert line.startswith(str(folder / "model.safetensors"))
    assert message in line
    assert refused(lambda: load_backbone(NAME, weights=folder)) == line


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused(value, tmp_path):
    weight = bert_tensors()[QUERY].clone()
    weight[3, 4] = value
    folder = write_model(tmp_path / "model", changed(QUERY, weight))
    assert missing_weights(NAME, folder) is None
    line = refused(lambda: load_backbone(NAME, weights=folder))
    assert f"model.safetensors: {QUERY} holds a NaN or an infinity: fetch the file again" in line


def test_a_model_without_its_tokenizer_is_refused(tmp_path):
    folder = write_model(tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    for weights in (folder, folder / "model.safetensors"):
        line = refused(lambda weights=weights: missing_weights(NAME, weights))
        assert line == (
            f"no {folder / 'tokenizer.json'}: copy the tokenizer.json of nobody/tiny-bert there"
        )
        assert refused(lambda weights=weights: load_backbone(NAME, weights=weights)) == line


def _in_another_order(written: dict) -> None:
    words = written["model"]["vocab"]
    words["[PAD]"], words["good"] = words["good"], words["[PAD]"]
    written["added_tokens"] = []


def _sparse(written: dict) -> None:
    written["model"]["vocab"]["good"] = 5_000_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_in_another_order, "has 120 tokens and [PAD] is 48; tiny-bert expects 120 and 0: copy"),
        (_sparse, "has 5000001 tokens and [PAD] is 0; tiny-bert expects 120 and 0: copy the one"),
        (
            lambda written: written.update(post_processor=None),
            "puts '' around a text; tiny-bert expects [CLS] [SEP]: copy the one of nobody/tiny",
        ),
        (lambda written: written.update(model={"type": "x"}), "is truncated or not a tokenizer"),
        (lambda written: written.clear(), "is truncated or not a tokenizer.json ("),
    ],
)
def test_another_tokenizer_is_refused(tmp_path, change, message):
    folder = write_model(tmp_path / "model")
    file = folder / "tokenizer.json"
    written = json.loads(file.read_text())
    change(written)
    file.write_text(json.dumps(written))
    line = refused(lambda: load_backbone(NAME, weights=folder))
    assert line.startswith(str(file))
    assert message in line


def test_a_tokenizer_of_more_words_is_refused(tmp_path):
    folder = write_model(tmp_path / "model")
    longer: Tokenizer = tokenizer(replace(SOURCE, vocabulary=121))
    longer.save(str(folder / "tokenizer.json"))
    assert "has 121 tokens" in refused(lambda: load_backbone(NAME, weights=folder))


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ('{"num_attention_heads": 4}', "num_attention_heads is 4, but tiny-bert has 2: give"),
        ('{"hidden_act": "relu"}', "hidden_act is 'relu', but tiny-bert has 'gelu': give"),
        ('{"is_decoder": true}', "is_decoder is True, but tiny-bert has False: give the weights"),
        ('{"layer_norm_eps": 1e-5}', "layer_norm_eps is 1e-05, but tiny-bert has 1e-12: give"),
        ("[1]", "is not a JSON object: fetch it again"),
        ("{", "cannot be read as JSON ("),
    ],
)
def test_another_configuration_beside_the_weights_is_refused(tmp_path, stated, message):
    folder = write_model(tmp_path / "model")
    (folder / "config.json").write_text(stated)
    line = refused(lambda: missing_weights(NAME, folder))
    assert line.startswith(str(folder / "config.json"))
    assert message in line
    assert refused(lambda: load_backbone(NAME, weights=folder)) == line


def test_a_truncated_file_is_refused(tmp_path):
    folder = write_model(tmp_path / "model")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert "is truncated or not a safetensors file" in refused(
        lambda: missing_weights(NAME, folder)
    )


@pytest.mark.parametrize("path", ["nowhere", "empty"])
def test_a_path_without_weights_is_refused(tmp_path, path):
    (tmp_path / "empty").mkdir()
    assert "no weights" in refused(lambda: load_backbone(NAME, weights=tmp_path / path))


@pytest.mark.parametrize(
    ("absent", "named"),
    [
        (("tokenizers",), "tokenizers"),
        (("transformers", "tokenizers"), "transformers and tokenizers"),
    ],
)
def test_libraries_that_are_not_installed_are_named(monkeypatch, tmp_path, absent, named):
    monkeypatch.setattr(
        files_module, "find_spec", lambda name: None if name in absent else find_spec(name)
    )
    for weights in (None, "random", tmp_path):
        for ask in (missing_weights, lambda name, weights: load_backbone(name, weights=weights)):
            line = refused(lambda ask=ask, weights=weights: ask(NAME, weights))
            assert line == f"backbone {NAME} needs {named}: pip install 'mergebench[text]'"
