"""The embedded architectures, narrow: what is tested on every kind of part takes a moment there."""

from __future__ import annotations

from functools import partial
from typing import Any

import open_clip
import pytest
from timm.models import ConvNeXt
from training import tiny_backbone

from mergebench.backbones import Backbone
from mergebench.backbones.clip import architectures

_VIT = {"image_size": 32, "patch_size": 8, "width": 64, "layers": 3, "head_width": 16}
_CONVNEXT: dict[str, Any] = {"dims": (12, 24, 48, 96), "depths": (1, 1, 2, 0)}


def narrow_backbone(name: str = "mini_vit") -> Backbone:
    """Return `tiny_backbone(name)` a quarter as wide.

    There are blocks of every kind, though none of a ConvNeXt's last stage.
    """
    create = open_clip.create_model
    with pytest.MonkeyPatch.context() as patch:
        if name == "mini_vit":
            patch.setattr(open_clip, "create_model", partial(create, vision_cfg=_VIT))
        patch.setattr(architectures, "ConvNeXt", lambda **shape: ConvNeXt(**shape | _CONVNEXT))
        return tiny_backbone(name)
