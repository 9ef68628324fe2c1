"""A PEFT adapter deployed at another scale than it was trained for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import nn

from mergebench.hf.adapter import Adapter, active_adapter
from mergebench.hf.checks import check_scale
from mergebench.hf.swapping import scaled, swapped, unaltered_statistics


@contextmanager
def deployed_at(model: nn.Module, scale: float, adapter: str | None = None) -> Iterator[None]:
    """Make of `model`, a PEFT model, `W0 + scale ΔW` of one adapter for as long as this is open.

    `adapter`: its name, by default the active one; others that are active stay at scale 1. Modules
    that PEFT saves whole (`modules_to_save`) move from the base's to the trained ones, but heads
    (classifier, score, qa_outputs, pooler) stay as trained. A loss computed inside has the gradient
    of the scaled model; with gradient checkpointing, call `backward` inside. Nested scales
    multiply. Afterwards, whatever happens, everything is as before, bit for bit, with what batch
    normalisation has averaged; at scale 1, the model itself, it averages as ever. Not for several
    threads at once. Raises `InputError` as `active_adapter`, and for a scale that is not finite.
    """
    check_scale(scale)
    found = active_adapter(model, adapter)
    with (
        nullcontext() if scale == 1 else unaltered_statistics(model),
        adapter_at(model, found, scale),
    ):
        yield


@contextmanager
def adapter_at(model: nn.Module, adapter: Adapter, scale: float) -> Iterator[None]:
    """Deploy an adapter of `model` that was found before; see `deployed_at`."""
    name = adapter.name
    nominal = [layer.scaling[name] for layer in adapter.layers]
    tensors = {
        f"{path}.{parameter}": scaled(original.get_parameter(parameter), weight, scale)
        for path, (trained, original) in adapter.whole.items()
        for parameter, weight in trained.named_parameters()
    }
    with swapped(model, tensors):
        try:
            for layer, value in zip(adapter.layers, nominal, strict=True):
                layer.scaling[name] = scale * value
            yield
        finally:
            for layer, value in zip(adapter.layers, nominal, strict=True):
                layer.scaling[name] = value
