"""Vision towers as named linear sites, their text heads, and the embedded checkpoints."""

from mergebench.backbones.attention import SplitAttention, split_attention
from mergebench.backbones.backbone import Backbone
from mergebench.backbones.heads import text_head
from mergebench.backbones.loading import BACKBONES, load_backbone

__all__ = [
    "BACKBONES",
    "Backbone",
    "SplitAttention",
    "load_backbone",
    "split_attention",
    "text_head",
]
