"""The contrastive loss with several positives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def unified_contrastive_loss(
    images: Tensor, texts: Tensor, concepts: Tensor, scale: Tensor
) -> Tensor:
    """Return the bidirectional loss in which all pairs of one concept are positives.

    `images`, `texts`: `(N, d)` embeddings, not normalised; `concepts`: `(N,)` identifiers; `scale`:
    scalar factor on cosine similarities. Each direction is the cross-entropy against the uniform
    distribution over an anchor's positives. Source: UniCL (Yang et al., 2022), equations 2 and 3.
    """
    first = functional.normalize(images.float(), dim=-1)
    second = functional.normalize(texts.float(), dim=-1)
    logits = scale * first @ second.T
    positives = (concepts[:, None] == concepts[None, :]).float()
    targets = positives / positives.sum(1, keepdim=True)
    forward = functional.cross_entropy(logits, targets)
    backward = functional.cross_entropy(logits.T, targets)
    result: Tensor = torch.add(forward, backward) / 2
    return result
