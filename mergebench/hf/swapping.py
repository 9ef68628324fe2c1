"""Other tensors in the place of a module's parameters and statistics for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


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


@contextmanager
def unaltered_statistics(model: nn.Module) -> Iterator[None]:
    """Let passes inside, which see another scale, average into copies of batch statistics.

    What a pass saved for its backward pass are the copies, so that it can come afterwards.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    before = [(norm._buffers, dict(norm._buffers)) for norm in norms]
    try:
        for buffers, own in before:
            buffers.update({name: b.clone() for name, b in own.items() if b is not None})
        yield
    finally:
        for buffers, own in before:
            buffers.update(own)
