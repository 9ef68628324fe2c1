"""The tower: `transformers`' BERT, called on token ids alone."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import BertConfig, BertModel

from mergebench.backbones.bert.parts import BertParts
from mergebench.backbones.sources import BertSource


class SentenceEncoder(BertModel):  # type: ignore[no-untyped-call]
    """A BERT without pooler: `(N, L)` int64 token ids, padded with 0, to mean embeddings `(N, d)`.

    They are not normalised.
    """

    def __init__(self, source: BertSource) -> None:
        config = BertConfig(
            vocab_size=source.vocabulary,
            hidden_size=source.width,
            num_hidden_layers=source.layers,
            num_attention_heads=source.heads,
            intermediate_size=source.inner_width,
            max_position_embeddings=source.positions,
        )
        config._attn_implementation = "sdpa"
        super().__init__(config, add_pooling_layer=False)

    def forward(self, prepared: Tensor) -> Tensor:
        """Return the mean of each text's last hidden states."""
        parts = BertParts(self)
        stream = parts.stem(prepared)
        for block in parts.blocks().values():
            stream = parts.run(block, stream)
        return parts.suffix(stream)


def create_tower(source: BertSource, device: str = "cpu") -> SentenceEncoder:
    """Return the tower of that shape on `device`, float32, always with the same weights."""
    # The library's initialisers draw from the global generator, so it is forked and put back.
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(0)
        return SentenceEncoder(source)
