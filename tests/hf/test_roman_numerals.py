"""The example of a real language model runs, from training to the audit, on a tiny random one."""

from __future__ import annotations

import importlib.util
import string
import sys
from pathlib import Path
from types import ModuleType

import pytest
from repository import ROOT
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import mergebench

EXAMPLE = ROOT / "examples" / "roman_numerals.py"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the example, whose model is a tiny random Llama that reads characters."""
    signs = ["<end>", *string.ascii_letters, *string.digits, *" :="]
    characters = Tokenizer(models.WordLevel({sign: n for n, sign in enumerate(signs)}, "<end>"))
    characters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=characters, eos_token="<end>").save_pretrained(
        tmp_path / "llama"
    )
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2}
    config = LlamaConfig(**sizes, num_hidden_layers=1, vocab_size=len(signs))
    LlamaForCausalLM(config).save_pretrained(tmp_path / "llama")
    monkeypatch.setenv("SMOLLM2", str(tmp_path / "llama"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    spec = importlib.util.spec_from_file_location("roman_numerals", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_numerals_are_roman(example: ModuleType) -> None:
    for number, written in ((4, "IV"), (48, "XLVIII"), (399, "CCCXCIX"), (944, "CMXLIV")):
        assert example.roman(number) == written


def test_only_the_answer_counts(example: ModuleType) -> None:
    (row,) = example.tokenised([("IV =", " 4")])
    space, four = example.tokenizer()(" 4")["input_ids"]
    assert row["labels"] == [-100] * 4 + [space, four]


def test_the_example_runs_from_training_to_the_audit(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = tmp_path / "adapters"
    monkeypatch.setattr(sys, "argv", ["roman_numerals.py", str(adapters), "--steps", "6"])
    example.main()
    audit = mergebench.audit(
        adapters / "trap2", task=EXAMPLE, plain=adapters / "plain", peers=[adapters / "larger"]
    )
    assert audit.tasks == ("roman_numerals",)
    assert audit.base["roman_numerals"].size == 160
