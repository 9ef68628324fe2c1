"""A BERT of random weights, the files that one is published as, and tasks of token ids."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing
from torch import Tensor
from transformers import BertConfig, BertModel

from mergebench.backbones import BACKBONES, BertBackbone, create_tower
from mergebench.backbones.architecture_facts import KNOWN
from mergebench.backbones.bert.token_ids import TokenIds
from mergebench.backbones.sources import BertSource
from mergebench.provenance.architecture_facts import built_facts
from mergebench.suites import Split, Task

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WORDS = (
    "a an the of or and about negative positive movie review description plot opinion film even "
    "odd question text train test validation world sports business science technology news tweet "
    "expressing anger joy optimism sadness abbreviation thing entity definition person group "
    "location number quantity good bad dull bright was is it this not very"
)
VOCABULARY = 120


def _tokens(count: int) -> list[str]:
    words = [*_WORDS.split(), *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    tokens = list(dict.fromkeys([*_SPECIAL, *words]))
    return tokens + [f"spare{number}" for number in range(count - len(tokens))]


NAME = "tiny_bert"
SOURCE = BertSource(
    architecture="tiny-bert",
    sites=BACKBONES["minilm"].sites,
    repository="nobody/tiny-bert",
    revision="0123456789abcdef0123456789abcdef01234567",
    megabytes=1,
    layers=2,
    width=16,
    heads=2,
    inner_width=32,
    positions=40,
    vocabulary=VOCABULARY,
    vocabulary_sha256=hashlib.sha256(
        "".join(f"{one}\n" for one in _tokens(VOCABULARY)).encode()
    ).hexdigest(),
    logit_scale=20.0,
    context=12,
)
LINEARS = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
SITES = tuple(f"encoder.layer.{n}.{linear}" for n in range(SOURCE.layers) for linear in LINEARS)
"""Every linear; the sites of the backbone are those of attention."""


def add_tiny_bert(monkeypatch: pytest.MonkeyPatch) -> BertSource:
    """Make `tiny_bert` known to mergebench."""
    monkeypatch.setitem(BACKBONES, NAME, SOURCE)
    monkeypatch.setitem(KNOWN, SOURCE.architecture, built_facts(SOURCE))
    return SOURCE


def huggingface_bert(source: BertSource = SOURCE) -> BertModel:
    """Return the BERT of `transformers`, with pooler; no norm or bias of it is trivial."""
    config = BertConfig(
        vocab_size=source.vocabulary,
        hidden_size=source.width,
        num_hidden_layers=source.layers,
        num_attention_heads=source.heads,
        intermediate_size=source.inner_width,
        max_position_embeddings=source.positions,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        model = BertModel(config)
        for name, parameter in model.named_parameters():
            if "LayerNorm.weight" in name:
                parameter.data.uniform_(0.5, 1.5)
            else:
                parameter.data.normal_(0, 0.3)
    return model.eval()


def bert_tensors(*, pooler: bool = False) -> dict[str, Tensor]:
    """Return the weights of `tiny_bert` by the names of `transformers`."""
    state = huggingface_bert().state_dict()
    return {name: value for name, value in state.items() if pooler or "pooler" not in name}


def tokenizer(source: BertSource = SOURCE) -> Tokenizer:
    """Return a WordPiece of few words and all letters, which pads as the published ones do."""
    vocabulary = {token: place for place, token in enumerate(_tokens(source.vocabulary))}
    result = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    result.add_special_tokens(_SPECIAL)
    result.normalizer = BertNormalizer()
    result.pre_tokenizer = BertPreTokenizer()
    result.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    result.enable_padding(length=20)
    result.enable_truncation(20)
    return result


def write_model(folder: Path, state: Mapping[str, Tensor] | None = None) -> Path:
    """Write `model.safetensors` of a state, and the tokenizer beside it; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    values = bert_tensors() if state is None else state
    contents = {name: value.contiguous() for name, value in values.items()}
    save_file(contents, folder / "model.safetensors")
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def tiny_encoder(source: BertSource = SOURCE) -> BertBackbone:
    """Return the backbone without any file."""
    tower = create_tower(source)
    tower.load_state_dict(bert_tensors())
    return BertBackbone(
        name=NAME,
        model=tower,
        scale=source.logit_scale,
        tokenize=TokenIds(tokenizer(source), source.context),
        sha256=NAME,
        site_pattern=source.sites,
        untrained_pattern=source.untrained,
    )


def token_ids(count: int, *, seed: int = 0, shortest: int = 3, label_of: int = 0) -> Tensor:
    """Return `(count, context)` int32 ids of texts of 3 to all tokens, padded with 0.

    The word behind the first token says which of two classes the text is of; they take turns.
    """
    draws = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, SOURCE.vocabulary, (count, SOURCE.context), generator=draws)
    lengths = torch.randint(shortest, SOURCE.context + 1, (count, 1), generator=draws)
    ids[:, 0] = 2
    ids[:, 1] = 20 + 2 * label_of + torch.arange(count) % 2
    ids[torch.arange(count), lengths[:, 0] - 1] = 3
    return ids.masked_fill(torch.arange(SOURCE.context) >= lengths, 0).to(torch.int32)


def token_tasks(count: int, *, texts: int = 40) -> tuple[Task, ...]:
    """Return tasks of two classes of token ids; each task has words of its own for them."""

    def split(task: int, number: int) -> Split:
        ids = token_ids(texts, seed=3 * task + number, shortest=4, label_of=task)
        return Split(inputs=ids, labels=torch.arange(texts) % 2)

    return tuple(
        Task(
            name=f"task {task}",
            classes=("even", "odd"),
            templates=("a {} number",),
            splits={name: split(task, n) for n, name in enumerate(("train", "val", "test"))},
        )
        for task in range(count)
    )


def widened(ids: Tensor, columns: int) -> Tensor:
    """Return `(N, L)` ids with `columns` of padding behind them."""
    return torch.nn.functional.pad(ids, (0, columns))
