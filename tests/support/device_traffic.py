"""What a stretch of code asks of a GPU, counted on a pretended one.

Counted is the work that is handed to the device, and when the program cannot go on before the
device is done. How long any of it takes is not known here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
_ALLOCATIONS = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
_NO_WORK = _ALLOCATIONS | {"_unsafe_view", "lift_fresh", "detach", "alias", "resize_"}
_SCALARS = {"_local_scalar_dense", "is_nonzero"}
_SIZES_DEPEND_ON_VALUES = {"nonzero", "masked_select", "_unique2", "unique_dim", "bincount"}
_COMPARED = {"equal"}
_WAITING = _SCALARS | _SIZES_DEPEND_ON_VALUES | _COMPARED
_DECOMPOSITIONS = {
    "_linalg_svd",
    "_linalg_eigh",
    "linalg_qr",
    "linalg_cholesky_ex",
    "_linalg_eigvals",
}


@dataclass(kw_only=True)
class Traffic:
    """Counts of one stretch of code.

    `operations`: handed to the device, about one kernel each; `waits`: values that were read from
    it, for which the program stands still; `uploads`: copies to the device; `decompositions`: QR,
    SVD and the like, during some of which a program waits too, in PyTorch itself. `names`: how
    often which operation, wait or upload there was.
    """

    operations: int = 0
    waits: int = 0
    uploads: int = 0
    decompositions: int = 0
    names: Counter[str] = field(default_factory=Counter)


@contextmanager
def traffic() -> Iterator[Traffic]:
    """Count inside the context, which must be inside one of `pretended_gpu`."""
    counts = Traffic()
    calls = _Calls(counts)
    with calls, _Operations(counts, calls):
        yield counts


class _Calls(TorchFunctionMode):
    """Sees calls of PyTorch's as a program makes them: which are about the device, what moves."""

    def __init__(self, counts: Traffic) -> None:
        super().__init__()
        self._counts = counts
        self.on_device = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name, given = getattr(func, "__name__", ""), dict(kwargs or {})
        if name == "__get__":
            return func(*args, **given)
        tensors = [one for one in pytree.tree_leaves((args, given)) if isinstance(one, Tensor)]
        places = [one.is_cuda for one in tensors]
        before, self.on_device = self.on_device, any(places) or _asks_for_gpu(given)
        try:
            result = func(*args, **given)
        finally:
            self.on_device = before
        self._moved(name, tensors, places, result)
        return result

    def _moved(self, name: str, tensors: list[Tensor], places: list[bool], result: Any) -> None:
        """Count what was copied between the device and the host."""
        there = isinstance(result, Tensor) and result.is_cuda
        if name == "tolist" and any(places):
            self._wait(name)
        elif name in ("to", "cpu") and places[0] != there:
            self._upload(name) if there else self._wait(name)
        elif name in ("copy_", "__setitem__", "index_put_") and len(set(places)) > 1:
            moved = [one for one, place in zip(tensors, places, strict=True) if place != places[0]]
            if any(one.dim() > 0 for one in moved):
                self._upload(name) if places[0] else self._wait(name)
        elif name == "__getitem__" and len(set(places)) > 1:
            self._upload(f"{name} with an index of the host")
        elif name in ("tensor", "as_tensor", "new_tensor") and there:
            self._upload(name)

    def _wait(self, name: str) -> None:
        self._counts.waits += 1
        self._counts.names[f"wait: {name}"] += 1

    def _upload(self, name: str) -> None:
        self._counts.uploads += 1
        self._counts.names[f"upload: {name}"] += 1


class _Operations(TorchDispatchMode):
    """Sees what calls on the device come to, operation by operation."""

    def __init__(self, counts: Traffic, calls: _Calls) -> None:
        super().__init__()
        self._counts = counts
        self._calls = calls

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        with self:  # in inference mode what is composed of others comes here as a whole
            composed = func.decompose(*args, **given)
        if composed is not NotImplemented:
            return composed
        result = func(*args, **given)
        if self._calls.on_device:
            self._count(func, args)
        return result

    def _count(self, func: Any, args: tuple[Any, ...]) -> None:
        name = func.overloadpacket.__name__
        if name in _WAITING or _by_mask(name, args):
            self._counts.waits += 1
            self._counts.names[f"wait: {name}"] += 1
        if name in _NO_WORK | _SCALARS or _is_view(func):
            return
        self._counts.operations += 1
        self._counts.decompositions += name in _DECOMPOSITIONS
        self._counts.names[name] += 1


def _is_view(func: Any) -> bool:
    returned = [one.alias_info for one in func._schema.returns]
    return bool(returned) and all(one is not None and not one.is_write for one in returned)


def _by_mask(name: str, args: tuple[Any, ...]) -> bool:
    """Whether entries are picked by a mask, whose size only the device knows."""
    if name not in ("index", "index_put_", "_index_put_impl_"):
        return False
    masked = any(one is not None and one.dtype == torch.bool for one in args[1])
    return masked and (name == "index" or args[2].numel() > 1)


def _asks_for_gpu(given: Mapping[str, Any]) -> bool:
    device = given.get("device")
    return device is not None and torch.device(device).type == "cuda"
