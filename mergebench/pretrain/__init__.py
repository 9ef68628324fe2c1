"""Contrastive pretraining of the embedded backbones, done once and committed."""

from mergebench.pretrain.options import COMMITTED, PretrainOptions
from mergebench.pretrain.run import pretrain

__all__ = ["COMMITTED", "PretrainOptions", "pretrain"]
