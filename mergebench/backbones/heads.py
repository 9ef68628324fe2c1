"""Zero-shot heads: frozen class embeddings made from the text tower."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional

from mergebench.backbones.backbone import Backbone
from mergebench.backbones.class_names import check_classes

NO_CLASS = -1
"""The class of an input whose embedding is not finite: whatever it is of, that is wrong."""

_Key = tuple[tuple[str, ...], tuple[str, ...]]
_made: WeakKeyDictionary[Backbone, dict[_Key, Tensor]] = WeakKeyDictionary()


def text_head(backbone: Backbone, classes: Sequence[str], templates: Sequence[str]) -> Tensor:
    """Return one unit row per class, `(len(classes), d)` float32 on the backbone's device.

    `templates` have one `{}` for the class name. Each filled template is embedded and normalised;
    their mean is normalised again (Radford et al., 2021, section 3.1.4). The logit scale is not
    applied. Made once per backbone, classes and templates, as no update changes the text tower: do
    not write to it. Raises ValueError without classes or templates, InputError for classes that
    the text tower cannot tell from others (see `check_classes`).
    """
    known, key = _made.setdefault(backbone, {}), (tuple(classes), tuple(templates))
    if key not in known:
        known[key] = _head(backbone, classes, templates)
    return known[key]


def _head(backbone: Backbone, classes: Sequence[str], templates: Sequence[str]) -> Tensor:
    if not classes or not templates:
        raise ValueError("a text head needs at least one class and one template")
    check_classes(backbone, classes, templates)
    texts = [template.format(name) for name in classes for template in templates]
    with torch.inference_mode():
        embeddings = functional.normalize(backbone.embed_texts(texts), dim=-1)
        means = embeddings.unflatten(0, (len(classes), len(templates))).mean(1)
        head = functional.normalize(means, dim=-1)
    return head.clone()  # a plain tensor: inference tensors cannot take part in training
