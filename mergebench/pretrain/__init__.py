"""Contrastive pretraining of the embedded backbones, done once and committed."""

from mergebench.pretrain.options import PretrainOptions
from mergebench.pretrain.run import pretrain

__all__ = ["PretrainOptions", "pretrain"]
