"""A BERT that embeds sentences as a backbone: texts and class prompts go through one encoder."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mergebench.backbones.backbone import Backbone
from mergebench.backbones.bert.parts import BertParts

PADDING = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class BertBackbone(Backbone):
    """An encoder of sentences that is merged and attacked; a frozen copy of it makes the heads.

    `model`: `(N, L)` token ids to mean embeddings; `scale`: the factor on cosine similarities
    that it was trained with.
    """

    scale: float
    _of_prompts: nn.Module = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_of_prompts", copy.deepcopy(self.model))

    @property
    def tower(self) -> nn.Module:
        """The encoder: `(N, L)` int64 token ids, padded with 0, to `(N, d)` embeddings."""
        return self.model

    @property
    def parts(self) -> BertParts:
        """The encoder as a sequence of parts."""
        return BertParts(self.model)

    @property
    def logit_scale(self) -> float:
        """The factor on cosine similarities that makes logits."""
        return self.scale

    def prepare(self, inputs: Tensor) -> Tensor:
        """Return `(N, L)` int32 token ids as int64, without the columns that are all padding.

        Raises ValueError for another dtype or shape.
        """
        if inputs.dtype != torch.int32 or inputs.ndim != 2:
            raise ValueError(
                f"{self.name} takes token ids, int32 of shape (N, L), "
                f"not {inputs.dtype} of shape {tuple(inputs.shape)}"
            )
        longest = int(self.lengths(inputs).max()) if len(inputs) else 1
        return inputs[:, :longest].to(self.device).long()

    def lengths(self, inputs: Tensor) -> Tensor:
        """Return the number of tokens of each text, `(N,)` int64."""
        return inputs.ne(PADDING).sum(1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Return the embeddings `(N, d)` of prompts, whatever the tower carries meanwhile."""
        embeddings: Tensor = self._of_prompts(self.prepare(tokens))
        return embeddings
