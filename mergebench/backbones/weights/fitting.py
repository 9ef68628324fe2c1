"""Weights from files against the architecture that they are to fill."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from mergebench.backbones.sources import BackboneSource
from mergebench.backbones.weights.activation import check_configuration
from mergebench.backbones.weights.layouts import in_our_layout
from mergebench.backbones.weights.reading import read_tensors
from mergebench.errors import InputError, shape_text, shown
from mergebench.updates import all_finite

_COMPARED = 2000


def check_weights(file: Path, source: BackboneSource) -> None:
    """Raise InputError unless `file` says that it holds the weights of `source`.

    As `load_weights`, but reads no values, so that a NaN among them is not found.
    """
    from mergebench.backbones.architectures import create_model

    check_configuration(file, source)
    state = in_our_layout(file, read_tensors(file, values=False), source)
    with torch.device("meta"):
        expected = create_model(source.architecture, device="meta").state_dict()
    _check_layout(file, state, expected, source)


def load_weights(model: nn.Module, file: Path, source: BackboneSource) -> None:
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


def fill(model: nn.Module, state: Mapping[str, Tensor], file: Path, source: BackboneSource) -> None:
    """Copy the tensors of `file`, named as those of `model`, into it; InputError if they differ."""
    _check_layout(file, state, model.state_dict(), source)
    for name, tensor in state.items():
        if not all_finite(tensor.float()):
            raise InputError(f"{file}: {name} holds a NaN or an infinity: fetch the file again")
    model.load_state_dict(state)


def _check_layout(
    file: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: BackboneSource
) -> None:
    for what, found, known in (
        ("has no tensor", expected, state),
        ("has an unknown tensor", state, expected),
    ):
        odd = [name for name in found if name not in known]
        if odd:
            names = [shown(name) for name in islice(known, _COMPARED)]
            near = difflib.get_close_matches(shown(odd[0]), names, n=1, cutoff=0)
            raise InputError(
                f"{file} {what} {shown(odd[0])} (nearest: {', '.join(near)}), and {len(odd) - 1} "
                f"more differ: give the weights of a whole {source.architecture}"
            )
    for name, tensor in expected.items():
        if state[name].shape != tensor.shape:
            raise InputError(
                f"{file}: {name} has shape {shape_text(state[name].shape) or 'of a scalar'}; "
                f"{source.architecture} expects {shape_text(tensor.shape) or 'a scalar'}: "
                "give weights of this architecture, or another --backbone"
            )
