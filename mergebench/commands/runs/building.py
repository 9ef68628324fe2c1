"""The verb that rebuilds the embedded backbones."""

from __future__ import annotations

import argparse
from pathlib import Path

from mergebench.provenance.pretraining import COMMITTED_OPTIONS, PretrainOptions, pretrain


def run_pretrain(options: argparse.Namespace) -> None:
    """Pretrain an embedded backbone."""
    out = options.out or Path("runs") / "pretraining" / options.backbone
    committed = COMMITTED_OPTIONS.get(options.backbone, {})
    print(
        pretrain(
            PretrainOptions(backbone=options.backbone, corpus=options.cache, out=out, **committed)
        )
    )
