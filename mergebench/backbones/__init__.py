"""Vision towers as named linear sites, their text heads, and the embedded checkpoints."""

from mergebench.backbones.attention import SplitAttention, split_attention
from mergebench.backbones.backbone import Backbone
from mergebench.backbones.heads import text_head
from mergebench.backbones.loading import BACKBONES, load_backbone
from mergebench.backbones.precision import Precision, autocast
from mergebench.backbones.stem import Body, StemOutputs

__all__ = [
    "BACKBONES",
    "Backbone",
    "Body",
    "Precision",
    "SplitAttention",
    "StemOutputs",
    "autocast",
    "load_backbone",
    "split_attention",
    "text_head",
]
