"""The verb that rebuilds the embedded backbones."""

from __future__ import annotations

import argparse
from pathlib import Path

from mergebench.commands.experiments import DEFAULT_BACKBONE
from mergebench.commands.parser import Verbs
from mergebench.provenance.pretraining import COMMITTED, PretrainOptions, pretrain


def add_verbs(verbs: Verbs) -> None:
    """Add pretrain."""
    pretraining = verbs.add_parser("pretrain", help="pretrain an embedded backbone (resumable)")
    pretraining.add_argument("--backbone", default=DEFAULT_BACKBONE)
    pretraining.add_argument("--cache", type=Path, default=Path(".cache/mini8"), metavar="DIR")
    pretraining.add_argument("--out", type=Path, default=None, metavar="DIR")
    pretraining.set_defaults(run=_pretrain)


def _pretrain(options: argparse.Namespace) -> None:
    out = options.out or Path("runs") / "pretraining" / options.backbone
    committed = COMMITTED.get(options.backbone, {})
    print(
        pretrain(
            PretrainOptions(backbone=options.backbone, corpus=options.cache, out=out, **committed)
        )
    )
