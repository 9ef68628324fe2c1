"""Random updates of given shapes for tests of merging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mergebench.contracts import Merger, Space
from mergebench.merging.problem import MergeProblem
from mergebench.registry import registry
from mergebench.updates.update import Dense, LowRank, SiteUpdate, Update

SITE = "blocks.0.attn.q_proj"


def low_rank(
    rows: int,
    columns: int,
    ranks: Sequence[int],
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    condition: float = 1.0,
) -> list[LowRank]:
    """Return one update per rank; the factors' directions shrink geometrically to `condition`."""
    generator = torch.Generator().manual_seed(seed)
    updates = []
    for rank in ranks:
        up = torch.randn(rows, rank, generator=generator, dtype=torch.float64)
        down = torch.randn(rank, columns, generator=generator, dtype=torch.float64)
        decay = torch.logspace(0, torch.log10(torch.tensor(condition)).item(), rank)
        updates.append(LowRank(up=(up * decay).to(dtype), down=down.to(dtype)))
    return updates


def dense(
    shape: tuple[int, ...], count: int, *, seed: int = 0, dtype: torch.dtype = torch.float64
) -> list[Dense]:
    """Return `count` dense updates of full rank."""
    generator = torch.Generator().manual_seed(seed)
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(count)]
    return [Dense(delta=tensor.to(dtype)) for tensor in tensors]


def as_updates(changes: Sequence[SiteUpdate]) -> list[Update]:
    """Return updates of the one site `SITE`."""
    return [Update(sites={SITE: change}, label=f"task {i}") for i, change in enumerate(changes)]


def hashes(updates: Sequence[Update]) -> list[str]:
    """Return the hashes of what updates hold now; an update remembers its first one."""
    return [replace(update).sha256 for update in updates]


def problem(changes: Sequence[SiteUpdate], space: str = "full", seed: int = 0) -> MergeProblem:
    """Return the problem of merging changes of the one site `SITE`."""
    return MergeProblem(as_updates(changes), space=registry().get(Space, space)(), seed=seed)


def attack(name: str, **options: object) -> Merger:
    """Return the registered attack `name`."""
    return registry().get(Merger, name)(**options)


def merge(
    changes: Sequence[SiteUpdate], name: str, space: str = "full", **options: object
) -> Tensor:
    """Return the dense merged change of the one site `SITE`."""
    return problem(changes, space).merge(attack(name, **options)).sites[SITE].dense()


def distance(found: Tensor, expected: Tensor) -> float:
    """Return the Frobenius distance relative to `expected`, or absolute where that is zero."""
    error = float((found.double() - expected.double()).norm())
    scale = float(expected.double().norm())
    return error / scale if scale > 0 else error
