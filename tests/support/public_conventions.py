"""Our rules as the public code is compared with: on plain tensors, drawing the same numbers.

Where a package counts, breaks ties, weighs or rescales otherwise, its test says how, and either
gives our rule the input or the option that makes the two conventions one, or keeps to inputs on
which they coincide. PEFT is a dependency; mergekit and fusion-bench are the extra `parity`, because
they bring about 36 more packages (`docs/guards.md` says how they are run).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from synthetic import SITE, as_updates, attack, dense
from torch import Tensor

from attacks.parts.sparsification import TOP_K_GRID, trim_thresholds, trimming
from mergebench.contracts import Site, Space
from mergebench.merging.problem import MergeProblem
from mergebench.registry import registry
from mergebench.updates.update import Dense

SHAPE = (24, 30)
TRIMMED = TOP_K_GRID[1:]


def tensors(count: int = 5, seed: int = 0) -> list[Tensor]:
    """Return random float32 updates, in each of which all magnitudes are distinct."""
    found = [change.delta for change in dense(SHAPE, count, seed=seed, dtype=torch.float32)]
    assert all(len(each.abs().unique()) == each.numel() for each in found)
    return found


def ours(
    name: str, given: Sequence[Tensor], coefficients: Sequence[float] | None = None, **options: Any
) -> Tensor:
    """Return our merge of the tensors in Full space."""
    updates = as_updates([Dense(delta=each) for each in given])
    full = registry().get(Space, "full")()
    problem = MergeProblem(updates, space=full, coefficients=coefficients)
    return problem.merge(attack(name, **options)).sites[SITE].dense()


def trimmed(row: Tensor, top_k: float, *, inclusive: bool) -> Tensor:
    """Return our trimming of one tensor."""
    rows = row.reshape(1, -1)
    thresholds = trim_thresholds(rows, [top_k])[0]
    return trimming(thresholds, inclusive=inclusive)(rows).reshape(row.shape)


def small_integers(lean: int) -> list[Tensor]:
    """Return updates whose values cancel in many entries; `lean` moves the majority of signs."""
    draws = torch.Generator().manual_seed(3)
    values = torch.randint(-1, 2, (4, 1, 200), generator=draws).float()
    values[:, :, 150:] += 2 * lean
    return [*values]


def draw_our_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a package draw, task after task, the numbers that our DARE draws at `SITE`."""
    site, tasks = Site(name=SITE, shape=SHAPE), itertools.count()

    def uniform(like: Tensor, **_: Any) -> Tensor:
        return torch.rand(like.shape, generator=site.generator("dare", next(tasks)))

    def bernoulli(density: Tensor) -> Tensor:
        return (uniform(density) > 1 - density).to(density.dtype)

    monkeypatch.setattr(torch, "rand_like", uniform)
    monkeypatch.setattr(torch, "bernoulli", bernoulli)


def fusion(module: str) -> Any:
    """Return one module of fusion-bench's methods."""
    return pytest.importorskip(
        f"fusion_bench.method.{module}", reason="pip install mergebench[parity]"
    )
