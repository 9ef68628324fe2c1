"""Weights from files against the encoder that they are to fill."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from mergebench.backbones.architecture_facts import facts_of
from mergebench.backbones.bert.configuration import check_configuration
from mergebench.backbones.bert.layouts import in_our_layout
from mergebench.backbones.sources import BertSource
from mergebench.backbones.weights import check_layout, fill, read_tensors


def check_weights(file: Path, source: BertSource) -> None:
    """Raise InputError unless `file` says that it holds the weights of `source`.

    As `load_weights`, but reads no values, so that a NaN among them is not found.
    """
    check_configuration(file, source)
    state = in_our_layout(file, read_tensors(file, values=False))
    shapes = facts_of(source.architecture).parameters
    expected = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    check_layout(file, state, expected, source)


def load_weights(model: nn.Module, file: Path, source: BertSource) -> None:
    """Fill `model`, an encoder without pooler, from `file`.

    `file`: the weights of `transformers`' BERT, alone or in a model around it, as safetensors,
    in shards or pickled (see `weights_file`). Half and double precision become float32. Raises
    InputError, naming the file, for one that is damaged, for a name, shape or dtype that is not the
    encoder's, and for a configuration beside it of another one.
    """
    check_configuration(file, source)
    fill(model, in_our_layout(file, read_tensors(file)), file, source)
