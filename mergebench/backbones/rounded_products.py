"""Products of bfloat16 tensors on processors that have no units for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_PRODUCTS: frozenset[Callable[..., Any]] = frozenset(
    (
        *(functional.linear, functional.conv2d, functional.scaled_dot_product_attention),
        *(torch.matmul, torch.mm, torch.bmm, torch.addmm, torch.baddbmm),
        *(Tensor.matmul, Tensor.__matmul__, Tensor.__rmatmul__, Tensor.mm, Tensor.bmm),
    )
)
"""The products that autocast computes in bfloat16 and that towers are made of."""


class RoundedProducts(TorchFunctionMode):
    """Under autocast on a CPU, computes products in float32, of operands rounded to bfloat16.

    What bfloat16 units do as well: they add up in float32 and round the sum, so that results differ
    by the order of summation alone. Without units PyTorch multiplies number by number, tens of
    times slower. (Of fused attention they round the softmax too, which this does not.)
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Compute `func`; products as above, where autocast is on."""
        given = dict(kwargs or {})
        if func not in _PRODUCTS or not torch.is_autocast_enabled("cpu"):
            return func(*args, **given)
        with torch.autocast("cpu", enabled=False):
            rounded = func(
                *map(_rounded, args), **{name: _rounded(value) for name, value in given.items()}
            )
        return rounded.bfloat16()


@cache
def multiplies_bfloat16() -> bool:
    """Whether this processor has units for products of bfloat16 numbers that PyTorch uses.

    A build of PyTorch without oneDNN uses none.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    found: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return found


def _rounded(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.bfloat16().float()
    return value
