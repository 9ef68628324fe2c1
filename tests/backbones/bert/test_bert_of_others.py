"""What lies beside weights and changes every number: the tokenizer, and modules behind the encoder.

Most of it fits the same shapes, so that nothing but a look at it finds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_encoder import NAME, write_model
from tokenizers import AddedToken, Tokenizer
from tokenizers.normalizers import NFC, Lowercase, Sequence, StripAccents

from mergebench.backbones import load_backbone, missing_weights
from mergebench.errors import InputError

TRANSFORMER, POOLING, NORMALIZE, DENSE = (
    {"type": f"sentence_transformers.models.{kind}", "path": path}
    for kind, path in (
        ("Transformer", ""),
        ("Pooling", "1_Pooling"),
        ("Normalize", "2_Normalize"),
        ("Dense", "2_Dense"),
    )
)
MEAN: dict[str, Any] = {
    "word_embedding_dimension": 16,
    "pooling_mode_cls_token": False,
    "pooling_mode_mean_tokens": True,
}


@pytest.fixture
def model(tmp_path) -> Path:
    return write_model(tmp_path / "model")


def refused(model: Path) -> str:
    with pytest.raises(InputError) as error:
        load_backbone(NAME, weights=model)
    assert "\n" not in str(error.value)
    return str(error.value)


def rewrite(model: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = model / "tokenizer.json"
    written = json.loads(file.read_text())
    change(written)
    file.write_text(json.dumps(written))


def two_words_swapped(written: dict[str, Any]) -> None:
    words = written["model"]["vocab"]
    words["good"], words["bad"] = words["bad"], words["good"]


def added_word(written: dict[str, Any]) -> None:
    like = written["added_tokens"][0]
    number = written["model"]["vocab"]["good"]
    added = {**like, "id": number, "content": "good", "special": False}
    written["added_tokens"].append(added)


def set_in(part: str, **options: object) -> Callable[[dict[str, Any]], None]:
    return lambda written: written[part].update(options)


BEHAVIOURS = {
    "cased": set_in("normalizer", lowercase=False, strip_accents=True),
    "accents": set_in("normalizer", strip_accents=False),
    "Chinese": set_in("normalizer", handle_chinese_chars=False),
    "control characters": set_in("normalizer", clean_text=False),
    "no normaliser": lambda written: written.update(normalizer=None),
    "white space": lambda written: written.update(pre_tokenizer={"type": "WhitespaceSplit"}),
    "longer words": set_in("model", max_input_chars_per_word=200),
    "shorter words": set_in("model", max_input_chars_per_word=50),
    "pieces": set_in("model", continuing_subword_prefix="@@"),
    "an added word": added_word,
}


@pytest.mark.parametrize("case", BEHAVIOURS)
def test_a_tokenizer_that_splits_otherwise_is_refused(model, case):
    rewrite(model, BEHAVIOURS[case])
    line = refused(model)
    assert line.startswith(f"{model / 'tokenizer.json'} makes ")
    assert "as the uncased tiny-bert does not" in line
    assert line.endswith(": copy the one of nobody/tiny-bert")


def test_the_same_words_in_another_order_are_refused(model):
    rewrite(model, two_words_swapped)
    line = refused(model)
    assert line.startswith(
        f"{model / 'tokenizer.json'} has other tokens, or in another order, than"
    )


def test_a_tokenizer_that_means_the_same_is_taken(model):
    """As another version may write it: accents spelt out, and nothing of padding."""
    expected = load_backbone(NAME, weights=model).tokenize(["A Dull caf\u00e9", "good\u4e2dbad"])
    file = model / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True)])
    tokenizer.save(str(file), pretty=False)
    rewrite(model, set_in("normalizer", strip_accents=True))
    found = load_backbone(NAME, weights=model).tokenize(["A Dull caf\u00e9", "good\u4e2dbad"])
    assert found.equal(expected)


def test_other_normalisers_that_lower_are_told_apart(model):
    file = model / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.normalizer = Sequence([NFC(), Lowercase(), StripAccents()])
    tokenizer.save(str(file))
    assert "as the uncased tiny-bert does not" in refused(model)


def write_modules(model: Path, *modules: object, pooling: object = None) -> None:
    (model / "modules.json").write_text(json.dumps(modules))
    if pooling is not None:
        (model / "1_Pooling").mkdir()
        (model / "1_Pooling" / "config.json").write_text(json.dumps(pooling))


@pytest.mark.parametrize("more", [(), (NORMALIZE,)])
@pytest.mark.parametrize("pooling", [None, MEAN, {"pooling_mode": "mean"}])
def test_a_mean_is_taken(model, more, pooling):
    write_modules(model, TRANSFORMER, POOLING, *more, pooling=pooling)
    assert missing_weights(NAME, model) is None
    load_backbone(NAME, weights=model)


@pytest.mark.parametrize(
    ("pooling", "said"),
    [
        ({**MEAN, "pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "cls_token"),
        ({**MEAN, "pooling_mode_max_tokens": True}, "mean_tokens, max_tokens"),
        ({**MEAN, "pooling_mode_mean_tokens": False}, "none"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["mean", "max"]}, "['mean', 'max']"),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_another_pooling_is_refused(model, pooling, said, listed):
    write_modules(model, TRANSFORMER, POOLING, pooling=pooling)
    if not listed:
        (model / "modules.json").unlink()
    line = refused(model)
    assert line == (
        f"{model / '1_Pooling' / 'config.json'}: the pooling is {said}, but tiny-bert averages "
        "tokens: give the weights of this architecture"
    )


def test_modules_behind_the_mean_are_refused_also_around_the_folder_of_the_weights(model):
    write_modules(model, TRANSFORMER, POOLING, DENSE)
    line = refused(model)
    assert line.startswith(f"{model / 'modules.json'} lists Transformer, Pooling, Dense, but tiny")
    (model / "modules.json").unlink()
    around = model.parent / "modules.json"
    around.write_text(json.dumps([{**TRANSFORMER, "path": "model"}, POOLING, DENSE]))
    assert refused(model).startswith(f"{around} lists Transformer, Pooling, Dense")
    around.write_text(json.dumps([{**TRANSFORMER, "path": "other"}, POOLING, DENSE]))
    load_backbone(NAME, weights=model)


@pytest.mark.parametrize("modules", [{}, [1], []])
def test_damaged_modules_are_refused(model, modules):
    (model / "modules.json").write_text(json.dumps(modules))
    assert refused(model).startswith(str(model / "modules.json"))
