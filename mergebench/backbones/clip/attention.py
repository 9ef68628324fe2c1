"""Attention with separate query, key, value and output linears, equal to the fused module."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

EXPLICIT_TOKENS = 64
"""Up to this many tokens a CPU computes softmax(q k^T) v by batched products (see `_attend`)."""


class SplitAttention(nn.Module):
    """Multi-head self-attention whose four projections are plain `nn.Linear` sites.

    It computes the function of `nn.MultiheadAttention` with one input width and no dropout
    (Vaswani et al., 2017, section 3.2.2) and can be called like it; the second result, the
    attention weights, is always None. Adapters and per-site merging need `q_proj`, `k_proj` and
    `v_proj` as modules of their own, which the packed `in_proj_weight` does not offer.

    `width`: features per token; `heads`: number of heads, a divisor of `width`; `batch_first`:
    whether inputs are `(N, L, width)` rather than `(L, N, width)`.
    """

    def __init__(self, width: int, heads: int, *, batch_first: bool = True) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.heads = heads
        self.batch_first = batch_first
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    @classmethod
    def from_fused(cls, fused: nn.MultiheadAttention) -> SplitAttention:
        """Return the split module with the weights, biases, device and dtype of `fused`.

        Raises ValueError for the variants that have no four-linear form here: separate key or value
        widths, added key or value biases, no biases, and dropout.
        """
        plain = fused.in_proj_weight is not None and fused.in_proj_bias is not None
        if not plain or fused.bias_k is not None or fused.add_zero_attn or fused.dropout:
            raise ValueError(f"cannot split this attention into four linears: {fused}")
        split = cls(fused.embed_dim, fused.num_heads, batch_first=fused.batch_first)
        split.to(fused.in_proj_weight)
        with torch.no_grad():
            for linear, weight, bias in zip(
                (split.q_proj, split.k_proj, split.v_proj),
                fused.in_proj_weight.chunk(3),
                fused.in_proj_bias.chunk(3),
                strict=True,
            ):
                linear.weight.copy_(weight)
                linear.bias.copy_(bias)
            split.out_proj.weight.copy_(fused.out_proj.weight)
            split.out_proj.bias.copy_(fused.out_proj.bias)
        return split.train(fused.training)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        """Attend; `attn_mask` is added to the logits and broadcasts to `(N, heads, L, S)`."""
        if need_weights:
            raise ValueError("split attention returns no attention weights: need_weights=False")
        if not self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        heads = (self.heads, -1)
        q = self.q_proj(query).unflatten(-1, heads).transpose(1, 2)
        k = self.k_proj(key).unflatten(-1, heads).transpose(1, 2)
        v = self.v_proj(value).unflatten(-1, heads).transpose(1, 2)
        out = self.out_proj(_attend(q, k, v, attn_mask).transpose(1, 2).flatten(-2))
        return out if self.batch_first else out.transpose(0, 1), None


def split_attention(model: nn.Module) -> None:
    """Replace every `nn.MultiheadAttention` inside `model`, in place, by a `SplitAttention`."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.MultiheadAttention):
                setattr(parent, name, SplitAttention.from_fused(child))


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Return softmax(q k^T / sqrt(d) + mask) v, all `(N, heads, L, d)`.

    The CPU kernel behind `scaled_dot_product_attention` has a slow backward pass (40 % of a
    training step at 17 tokens), so short sequences on the CPU take the explicit products instead.
    """
    if q.device.type == "cpu" and k.shape[-2] <= EXPLICIT_TOKENS:
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        weights = (logits if mask is None else logits + mask).softmax(-1)
        return torch.matmul(weights.to(v.dtype), v)
    mask = None if mask is None else mask.to(q.dtype)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
