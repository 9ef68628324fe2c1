"""Other tensors in the place of a module's parameters for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn


def scaled(start: Tensor, trained: Tensor, scale: float) -> Tensor:
    """Return `start + scale (trained - start)`: shape, dtype and device of `trained`.

    Its gradient with respect to `trained` carries the factor `scale`. At scale 1 it is `trained`.
    """
    if scale == 1:
        return trained
    return start.detach().to(trained).lerp(trained, scale)


@contextmanager
def swapped(model: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Put `tensors` in the place of the parameters of these names, which come back afterwards.

    A parameter keeps its identity, so it comes back bit for bit, whatever happens in between. The
    tensors are still there when a backward pass inside computes activations again.
    """
    places = {name: (model.get_submodule(name.rpartition(".")[0]), name) for name in tensors}
    owners = {
        name: (module._parameters, path.rpartition(".")[2])
        for name, (module, path) in places.items()
    }
    before = {name: owner[leaf] for name, (owner, leaf) in owners.items()}
    try:
        for name, (owner, leaf) in owners.items():
            owner[leaf] = tensors[name]  # type: ignore[assignment]
        yield
    finally:
        for name, (owner, leaf) in owners.items():
            owner[leaf] = before[name]
