"""The fast exact forms against the dense oracle, also at awkward shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
import torch
from pretended_gpu import pretended_gpu
from synthetic import SITE, attack, distance, low_rank, merge, problem
from torch import Tensor

from attacks.parts.consensus import COLUMNS_AT_ONCE
from mergebench.contracts import Site
from mergebench.seeding import generator
from mergebench.updates.update import LowRank

RULES: list[tuple[str, dict[str, Any]]] = [
    ("ta", {}),
    ("ties", {"top_k": 30.0}),
    ("ties", {"top_k": 70.0, "inclusive": False, "aggregation": "sum"}),
    ("dare", {"drop": 0.3}),
    ("dare_ties", {"drop": 0.3, "top_k": 40.0}),
    ("tsv", {}),
    ("cart", {"rank_fraction": 0.04}),
    ("cart", {"rank_fraction": 0.16, "form": "original", "lam": 0.7}),
]
SPACES = ("full", "knots", "core")
CASES = [
    pytest.param(name, options, space, id=f"{name}({_text})@{space}")
    for name, options in RULES
    for _text in [", ".join(f"{key}={value}" for key, value in options.items())]
    for space in SPACES
]


def with_copies(updates: list[LowRank]) -> list[LowRank]:
    return [*updates, updates[0], updates[1]]


def with_zeros(updates: list[LowRank]) -> list[LowRank]:
    still = updates[0]
    return [*updates, LowRank(up=torch.zeros_like(still.up), down=still.down), still.scaled(0)]


SHAPES = {
    "square": lambda dtype: low_rank(48, 48, [4] * 5, dtype=dtype),
    "more factors than inputs": lambda dtype: low_rank(60, 20, [6] * 5, dtype=dtype),
    "more factors than outputs": lambda dtype: low_rank(20, 60, [6] * 5, dtype=dtype),
    "more factors than either": lambda dtype: low_rank(24, 20, [6] * 5, dtype=dtype),
    "one update": lambda dtype: low_rank(30, 40, [5], dtype=dtype),
    "32 updates": lambda dtype: low_rank(40, 48, [3] * 32, dtype=dtype),
    "rank 1": lambda dtype: low_rank(40, 48, [1] * 8, dtype=dtype),
    "rank 64": lambda dtype: low_rank(72, 70, [64] * 2, dtype=dtype),
    "mixed ranks": lambda dtype: low_rank(50, 64, [1, 9, 4, 2], dtype=dtype),
    "copies": lambda dtype: with_copies(low_rank(40, 48, [4] * 4, dtype=dtype)),
    "zero updates": lambda dtype: with_zeros(low_rank(40, 48, [4] * 4, dtype=dtype)),
    "condition 1e-6": lambda dtype: low_rank(48, 64, [5] * 4, dtype=dtype, condition=1e-6),
    "as many factors as inputs": lambda dtype: low_rank(64, 16, [2] * 8, dtype=dtype),
}

# Where KnOTS keeps as many components as there are factors, the V_i of one rank have orthonormal
# rows: TSV is then unique only if it keeps all of them.
EQUAL_SINGULAR_VALUES = ("more factors than inputs", "mixed ranks", "zero updates")


def expected(updates: list[LowRank], name: str, options: dict[str, Any], space: str) -> Tensor:
    site = Site(name=SITE, shape=(0, 0))

    def draw(task: int, shape: tuple[int, ...]) -> Any:
        return torch.rand(shape, generator=site.generator("dare", task)).numpy()

    factors = [(u.up.double().numpy(), u.down.double().numpy()) for u in updates]
    rounded = np.float32 if updates[0].dtype == torch.float32 else np.float64
    rule = attack(name, **options)
    if rule.rotation_invariant:
        rounded = np.float64
    merged = oracle.merge(name, space, factors, rule.options(), draw, representatives=rounded)
    return torch.from_numpy(merged)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "options", "space"), CASES)
def test_float64_matches_the_oracle(
    name: str, options: dict[str, Any], space: str, shape: str
) -> None:
    if (name, shape) == ("tsv", "copies"):
        pytest.skip("the polar factor of copies is not unique")
    if (name, space) == ("tsv", "knots") and shape in EQUAL_SINGULAR_VALUES:
        pytest.skip("all singular values of V_i are 1, so the leading k are not unique")
    updates = SHAPES[shape](torch.float64)
    found = merge(updates, name, space, **options)
    # In KnOTS the smallest components, once whitened, carry the fewest digits.
    tolerance = 1e-8 if space == "knots" else 1e-9
    assert distance(found, expected(updates, name, options, space)) < tolerance


@pytest.mark.parametrize("shape", ["square", "more factors than inputs", "mixed ranks"])
@pytest.mark.parametrize(("name", "options", "space"), CASES)
def test_float32_matches_the_oracle(
    name: str, options: dict[str, Any], space: str, shape: str
) -> None:
    if (name, space) == ("tsv", "knots") and shape in EQUAL_SINGULAR_VALUES:
        pytest.skip("all singular values of V_i are 1, so the leading k are not unique")
    updates = SHAPES[shape](torch.float32)
    found = merge(updates, name, space, **options)
    tolerance = 1e-5 if space == "knots" else 1e-6
    assert found.dtype == torch.float32
    assert distance(found, expected(updates, name, options, space)) < tolerance


def plain_ties(rows: Tensor, top_k: float) -> Tensor:
    """TIES of `(T, d)` in the plainest torch: one k-th value per row, whole tensors."""
    if top_k < 100:
        position = rows.shape[1] - int(rows.shape[1] * (top_k / 100))
        rows = rows * (rows.abs() >= rows.abs().kthvalue(position, dim=1, keepdim=True).values)
    signs = torch.sign(rows.sum(dim=0))
    signs = torch.where(signs == 0, torch.sign(signs.sum()), signs)
    agreeing = rows * torch.where(signs > 0, rows > 0, rows < 0)
    return agreeing.sum(dim=0) / (agreeing != 0).sum(dim=0).float().clamp(min=1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("top_k", [100.0, 90.0, 30.0, 10.0])
@pytest.mark.parametrize("drop", [0.0, 1e-5, 0.5, 0.9])
def test_ties_in_full_space_is_equal_bit_for_bit(shape: str, top_k: float, drop: float) -> None:
    updates = SHAPES[shape](torch.float32)
    stack = torch.stack([update.dense() for update in updates])
    site = Site(name=SITE, shape=(0, 0))
    if drop > 0:
        draws = [
            torch.rand(each.shape, generator=site.generator("dare", task))
            for task, each in enumerate(stack)
        ]
        stack = stack * (torch.stack(draws) > drop) / (1 - drop)
        rule = attack("dare_ties", drop=drop, top_k=top_k)
    else:
        rule = attack("ties", top_k=top_k)
    found = problem(updates).merge(rule).sites[SITE].dense()
    assert torch.equal(found.flatten(), plain_ties(stack.flatten(start_dim=1), top_k))


def test_ties_in_full_space_is_equal_bit_for_bit_over_several_pieces() -> None:
    updates = low_rank(257, 301, [4] * 3, dtype=torch.float32)
    stack = torch.stack([update.dense() for update in updates])
    assert torch.equal(
        merge(updates, "ties", top_k=20.0).flatten(), plain_ties(stack.flatten(start_dim=1), 20.0)
    )


@pytest.mark.parametrize("lean", [-1, 1])
def test_values_that_cancel_follow_the_majority_of_all_pieces(lean: int) -> None:
    """Small integers cancel often, and the majority shows only in the last piece."""
    size = 2 * COLUMNS_AT_ONCE + 77
    rows = torch.randint(-1, 2, (4, size), generator=generator(0, "rows")).float()
    rows[:, -COLUMNS_AT_ONCE // 2 :] += lean
    stack = rows.reshape(4, 1, size)
    found = attack("ties", top_k=100.0).combine(stack, Site(name=SITE, shape=(1, size)))
    assert torch.equal(found.flatten(), plain_ties(rows, 100.0))


@pytest.mark.parametrize("lean", [-1, 0, 1])
def test_a_gpu_is_given_all_entries_in_one_piece(lean: int) -> None:
    """What it computes is held to the CPU's, without the GPU."""
    rows = torch.randint(-1, 2, (4, 301), generator=generator(0, "rows")).float() + lean
    rows[:, 0] = torch.tensor([1.0, -1.0, 0.0, 0.0])
    rule, site = attack("ties", top_k=60.0), Site(name=SITE, shape=(7, 43))
    here = rule.combine(rows.reshape(4, 7, 43), site)
    with pretended_gpu() as device:
        there = rule.combine(rows.reshape(4, 7, 43).to(device), Site(name=SITE, shape=(7, 43)))
        found = there.cpu()
    assert torch.equal(found, here)
