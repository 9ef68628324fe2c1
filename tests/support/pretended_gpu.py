"""A GPU that is not there: tensors that say they are on it, and must not meet those of the CPU.

All values are on the CPU and all sums are formed there. What PyTorch refuses on a machine with a
GPU is refused here too, and what asks where a tensor is gets the answer that it would get there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

DEVICE = torch.device("cuda", 0)

_INDEXING = ("__getitem__", "__setitem__", "index_put_")
_HERE_ALONE = ("numpy", "__array__")
_OPTIMIZER_CHECKS = {
    "_cuda_graph_capture_health_check",
    "_accelerator_graph_capture_health_check",
}
"""What an optimiser asks the driver, in some version of PyTorch."""
_LIBRARY: Mapping[str, Any] = {
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "device": lambda device: nullcontext(),
    "get_device_name": lambda device: "pretended GPU",
    "get_device_properties": lambda device: SimpleNamespace(total_memory=1 << 36),
    "current_stream": lambda device: device,
    "Event": lambda enable_timing=False: _Mark(),
    "mem_get_info": lambda device: (1 << 40, 1 << 40),
    "synchronize": lambda device=None: None,
    "empty_cache": lambda: None,
    "reset_peak_memory_stats": lambda device=None: None,
    "max_memory_allocated": lambda device=None: 0,
    "manual_seed": lambda seed: None,
    "get_rng_state": lambda device=None: torch.zeros(16, dtype=torch.uint8),
    "set_rng_state": lambda state, device=None: None,
    "is_current_stream_capturing": lambda: False,
}


class _Mark:
    """A point in time, as an event of CUDA has it."""

    def record(self, stream: torch.device) -> None:
        self.time = time.perf_counter()

    def elapsed_time(self, end: _Mark) -> float:
        return 1000 * (end.time - self.time)


@contextmanager
def pretended_gpu() -> Iterator[torch.device]:
    """Let there be a GPU inside the context; give it."""
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # moved weights are new ones
    on_cpu = partial(torch.autocast, "cpu")
    with ExitStack() as patches:
        patches.callback(torch.__future__.set_overwrite_module_params_on_conversion, overwrite)
        patches.enter_context(mock.patch.multiple(torch.cuda, **_LIBRARY))
        patches.enter_context(
            mock.patch.object(torch, "autocast", lambda kind, *how, **more: on_cpu(*how, **more))
        )
        for name in _OPTIMIZER_CHECKS & set(dir(torch.optim.Optimizer)):
            patches.enter_context(mock.patch.object(torch.optim.Optimizer, name, return_value=None))
        patches.enter_context(_Mode())
        yield DEVICE


class _There(Tensor):
    """A tensor on the pretended GPU."""


class _Mode(TorchFunctionMode):
    """Sees every call of PyTorch's, and on which device its tensors are."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name, given = getattr(func, "__name__", ""), dict(kwargs or {})
        if func in _GETTERS:
            return _GETTERS[func](isinstance(args[0], _There))
        tensors = [one for one in pytree.tree_leaves((args, given)) if isinstance(one, Tensor)]
        there = any(isinstance(one, _There) for one in tensors)
        if there and name in _HERE_ALONE:
            raise TypeError(f"{name} of a tensor on {DEVICE}: copy it to the CPU first")
        if func is torch._has_compatible_shallow_copy_type:
            return False  # weights on another device are other weights
        target, args, given = _asked_for(name, args, given)
        _check_together(name, args, tensors)
        _check_draws(name, given, there if target is None else target.type == "cuda")
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **given)
            known = {id(one) for one in tensors}
            place = there if target is None else target.type == "cuda"
            return pytree.tree_map(lambda one: _placed(one, known, place), result)


_GETTERS: Mapping[Any, Callable[[bool], Any]] = {
    Tensor.device.__get__: lambda there: DEVICE if there else torch.device("cpu"),  # type: ignore[attr-defined]
    Tensor.is_cuda.__get__: lambda there: there,  # type: ignore[attr-defined]
    Tensor.is_cpu.__get__: lambda there: not there,  # type: ignore[attr-defined]
}


def _placed(value: Any, known: set[int], there: bool) -> Any:
    """Return a result as a tensor of its device; what came in, changed in place, as it is."""
    if not isinstance(value, Tensor) or (id(value) in known and isinstance(value, _There) == there):
        return value
    kind = _There if there else Tensor
    if value.requires_grad and value.is_leaf:
        return value.detach().as_subclass(kind).requires_grad_()
    return value.as_subclass(kind)


def _check_together(name: str, args: tuple[Any, ...], tensors: list[Tensor]) -> None:
    """Raise unless all tensors but single numbers are on one device, or the call copies."""
    if name in ("to", "copy_", "cpu", "__set__") or (
        name in _INDEXING and isinstance(args[0], _There)
    ):
        return
    if len({isinstance(one, _There) for one in tensors if one.dim() > 0}) > 1:
        raise RuntimeError(f"{name}: expected all tensors on one device, found cpu and {DEVICE}")


def _check_draws(name: str, given: Mapping[str, Any], there: bool) -> None:
    """Raise if random numbers on the device are asked of a generator of the CPU."""
    if there and given.get("generator") is not None:
        raise RuntimeError(f"{name}: expected a generator on {DEVICE}, found one on the CPU")


def _asked_for(
    name: str, args: tuple[Any, ...], given: dict[str, Any]
) -> tuple[torch.device | None, tuple[Any, ...], dict[str, Any]]:
    """Return the device that a call asks for, if it does, and the same call on the CPU."""
    given.pop("pin_memory", None)
    target = None
    if given.get("device") is not None:
        target = torch.device(given["device"])
        given["device"] = "cpu"
    if name == "cpu":
        target = torch.device("cpu")
    if name == "to" and len(args) > 1 and isinstance(args[1], torch.device | str):
        target = torch.device(args[1])
        args = (args[0], "cpu", *args[2:])
    if name == "to" and len(args) > 1 and isinstance(args[1], Tensor):
        target = DEVICE if isinstance(args[1], _There) else torch.device("cpu")
    if name in ("copy_", "__setitem__", "__set__"):
        target = DEVICE if isinstance(args[0], _There) else torch.device("cpu")
    return target, args, given
