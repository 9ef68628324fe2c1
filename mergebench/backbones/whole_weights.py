"""Files of weights that are given as changes of them."""

from __future__ import annotations

import math

from mergebench.backbones.backbone import Backbone
from mergebench.errors import InputError
from mergebench.updates import Dense, Update

_PARALLEL = 0.9


def check_change(backbone: Backbone, update: Update) -> None:
    """Raise `InputError` if the dense changes of `update` are the weights themselves.

    Fine-tuned weights are nearly parallel to those that they began as, their change is not: over
    all tensors together the cosine is then above 0.9. Changes by PaRaMS and MergeLock, which move
    weights far, have cosines between -0.28 and 0.13 on `mini_vit`.
    """
    product = change = weight = 0.0
    for site, parameter in backbone.tensors.items():
        one = update.sites.get(site)
        if isinstance(one, Dense):
            before = parameter.detach().double().cpu()
            after = one.delta.double().cpu()
            product += float((before * after).sum())
            change += float(after.square().sum())
            weight += float(before.square().sum())
    if product > _PARALLEL * math.sqrt(change * weight) > 0:
        cosine = product / math.sqrt(change * weight)
        raise InputError(
            f"{update.label}: these are weights, not changes (cosine {cosine:.2f} to those of "
            f"{backbone.name}): subtract the backbone's weights from them (docs/adapters.md)"
        )
