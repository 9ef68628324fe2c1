"""A model of which every weight is trained, deployed at any scale of its change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

from torch import Tensor, nn

from mergebench.errors import InputError, shape_text, shown
from mergebench.hf.checks import check_scale
from mergebench.hf.swapping import scaled, swapped, unaltered_statistics


def start_of(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the trainable parameters by name: W0, to be taken before training."""
    return {
        name: weight.detach().clone()
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


@contextmanager
def deployed_from(model: nn.Module, base: Mapping[str, Tensor], scale: float) -> Iterator[None]:
    """Make of `model`, which holds W, `W0 + scale (W - W0)`; afterwards it is W bit for bit.

    `base`: W0 by the names of `model.named_parameters()`, as `start_of` or the `state_dict()` of
    the base model has them; what it does not name stays as it is. A loss computed inside has the
    gradient of the scaled model with respect to W, factor `scale` included. With gradient
    checkpointing, call `backward` inside. Nested scales multiply. What batch normalisation averages
    is as with `deployed_at`: as before, unless the scale is 1.
    Raises `InputError` for a trainable parameter without W0, for another shape, and for a scale
    that is not finite.
    """
    check_scale(scale)
    names = _names_by_weight(model)
    tensors = {}
    for weight, places in names:
        start = next((base[name] for name in places if name in base), None)
        if start is None:
            if weight.requires_grad:
                raise InputError(
                    f"base: {shown(places[0])} is trained and has no weight there; "
                    "give the weights from before training (start_of)"
                )
            continue
        if start.shape != weight.shape:
            raise InputError(
                f"base: {shown(places[0])} is {shape_text(start.shape)}, "
                f"the model has {shape_text(weight.shape)}; give the weights of its own base"
            )
        tensors.update(dict.fromkeys(places, scaled(start, weight, scale)))
    with nullcontext() if scale == 1 else unaltered_statistics(model), swapped(model, tensors):
        yield


def _names_by_weight(model: nn.Module) -> list[tuple[Tensor, list[str]]]:
    """Return every parameter with all its names: tied weights have several."""
    found: dict[int, tuple[Tensor, list[str]]] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        found.setdefault(id(weight), (weight, []))[1].append(name)
    return list(found.values())
