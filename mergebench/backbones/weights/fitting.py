"""Weights from files against the architecture that they are to fill."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from torch import Tensor, nn

from mergebench.backbones.sources import BackboneSource
from mergebench.errors import InputError, shape_text, shown
from mergebench.updates import all_finite

_COMPARED = 2000


def fill(model: nn.Module, state: Mapping[str, Tensor], file: Path, source: BackboneSource) -> None:
    """Copy the tensors of `file`, named as those of `model`, into it; InputError if they differ."""
    check_layout(file, state, model.state_dict(), source)
    for name, tensor in state.items():
        if not all_finite(tensor.float()):
            raise InputError(f"{file}: {name} holds a NaN or an infinity: fetch the file again")
    model.load_state_dict(state)


def check_layout(
    file: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: BackboneSource
) -> None:
    """Raise InputError unless the names and shapes in `file` are the expected ones."""
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
