"""The encoder of a BERT, taken apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from mergebench.backbones.block_paths import AttentionPaths, MlpPaths
from mergebench.backbones.tower_parts import TowerParts


class BertParts(TowerParts):
    """A BERT of `transformers` without its pooler, whose tokens are averaged.

    Streams are `(N, L, d)`; padding, which follows the last token of a text, is rows of zeros.
    Attention does not see it, and every part leaves it zero, so that moments and distances over a
    stream are those of real tokens.
    """

    keeps_stem_outputs = False  # a look-up in tables

    def stem(self, prepared: Tensor) -> Tensor:
        """Return the embeddings of `(N, L)` token ids: word, position, type and norm."""
        stream: Tensor = self.tower.embeddings(input_ids=prepared)
        return stream * prepared.ne(0)[..., None]

    def stem_parameters(self) -> Sequence[nn.Parameter]:
        """Return the tables and their norm."""
        return [*self.tower.embeddings.parameters()]

    def blocks(self) -> dict[str, nn.Module]:
        """Return the layers of the encoder."""
        layers = self.tower.encoder.layer
        return {f"encoder.layer.{index}": layer for index, layer in enumerate(layers)}

    def attentions(self) -> tuple[AttentionPaths, ...]:
        """Return the attention of every layer."""
        return tuple(
            AttentionPaths(
                query=f"{path}.attention.self.query",
                key=f"{path}.attention.self.key",
                value=f"{path}.attention.self.value",
                output=f"{path}.attention.output.dense",
                heads=self.tower.config.num_attention_heads,
            )
            for path in self.blocks()
        )

    def mlps(self) -> tuple[MlpPaths, ...]:
        """Return the MLP of every layer."""
        return tuple(
            MlpPaths(first=f"{path}.intermediate.dense", second=f"{path}.output.dense")
            for path in self.blocks()
        )

    def run(self, block: Callable[..., Tensor], stream: Tensor) -> Tensor:
        """Return the stream behind a layer, zero again where there is no token."""
        if not len(stream):
            return stream  # the layers of `transformers` do not take batches of none
        counted = self.counted(stream)
        after = block(stream, counted[:, None, None, :])
        return after * counted[..., None]

    def suffix(self, stream: Tensor) -> Tensor:
        """Return the mean over the tokens of each text."""
        return stream.sum(1) / self.counted(stream).sum(1, keepdim=True)

    def counted(self, stream: Tensor) -> Tensor:
        """Return where there is a token, `(N, L)` bool: a norm's output is never zero in all."""
        return stream.ne(0).any(-1)
