"""Which linears of a tower make one attention, or one MLP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AttentionPaths:
    """The module paths of the four linears, with biases, of an attention of `heads` heads."""

    query: str
    key: str
    value: str
    output: str
    heads: int


@dataclass(frozen=True, kw_only=True)
class MlpPaths:
    """The module paths of the two linears, with biases, of an MLP.

    What is between them acts on every hidden unit alone and on all of them alike, as GELU does.
    """

    first: str
    second: str
