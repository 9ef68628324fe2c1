"""Weights from files against the CLIP that they are to fill."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from mergebench.backbones.clip.activation import check_configuration
from mergebench.backbones.clip.layouts import in_our_layout
from mergebench.backbones.sources import ClipSource
from mergebench.backbones.weights import check_layout, fill, read_tensors


def check_weights(file: Path, source: ClipSource) -> None:
    """Raise InputError unless `file` says that it holds the weights of `source`.

    As `load_weights`, but reads no values, so that a NaN among them is not found.
    """
    from mergebench.backbones.clip.architectures import create_model

    check_configuration(file, source)
    state = in_our_layout(file, read_tensors(file, values=False), source)
    with torch.device("meta"):
        expected = create_model(source.architecture, device="meta").state_dict()
    check_layout(file, state, expected, source)


def load_weights(model: nn.Module, file: Path, source: ClipSource) -> None:
    """Fill `model`, an architecture of `source` with split attention, from `file`.

    `file`: open_clip's checkpoint (pickled, with or without a training state around it), the same
    weights as safetensors, or Hugging Face's `CLIPModel`, also in shards (see `weights_file`); a
    wrapper's prefix before all names does not matter. Half and double precision become float32.
    Raises InputError, naming the file, for one that is damaged or holds more than tensors, for a
    key, shape or dtype that is not the architecture's, for another activation than its own, and
    where a tower is missing.
    """
    check_configuration(file, source)
    fill(model, in_our_layout(file, read_tensors(file), source), file, source)
