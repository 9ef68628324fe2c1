"""Whether a weight in memory is rounded, whatever library rounded it."""

from __future__ import annotations

from torch import Tensor


def is_quantised(weight: Tensor) -> bool:
    """Return whether nothing can be added to `weight` exactly: its values are codes of others.

    Integers and floats of one byte (bitsandbytes); what is stored as another dtype and knows how to
    read it (`quant_state`); tensors that call themselves float32 and are dequantised in every
    product (torchao, optimum-quanto).
    """
    codes = not weight.is_floating_point() or weight.element_size() < 2
    disguised = type(weight).dequantize is not Tensor.dequantize
    return codes or disguised or hasattr(weight, "quant_state")
