"""Vision towers as named linear sites, their text heads, and the embedded checkpoints."""

from mergebench.backbones.attention import SplitAttention, split_attention
from mergebench.backbones.backbone import Backbone
from mergebench.backbones.heads import text_head
from mergebench.backbones.images import Images
from mergebench.backbones.loading import (
    load_backbone,
    missing_weights,
    site_shapes,
    tensor_shapes,
)
from mergebench.backbones.precision import Precision, autocast
from mergebench.backbones.sources import BACKBONES, find_source
from mergebench.backbones.stem import Body, StemOutputs

__all__ = [
    "BACKBONES",
    "Backbone",
    "Body",
    "Images",
    "Precision",
    "SplitAttention",
    "StemOutputs",
    "autocast",
    "find_source",
    "load_backbone",
    "missing_weights",
    "site_shapes",
    "split_attention",
    "tensor_shapes",
    "text_head",
]
