"""PEFT's ways to merge: what a rank cuts, what cross terms are, and what has no factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from small_updates import BOTH_PRECISIONS, TOLERANCE, tasks, total
from synthetic import SITE, as_updates, attack, dense, distance, low_rank, merge, problem
from torch import Tensor

from attacks.peft_svd import PeftSVD
from attacks.spaces.full import Full
from mergebench.contracts import Merger, Site
from mergebench.errors import InputError, PluginError
from mergebench.merging.problem import MergeProblem
from mergebench.updates.update import Dense, LowRank


@BOTH_PRECISIONS
@pytest.mark.parametrize("rank", [1, 5, 16, 40])
def test_svd_is_the_best_approximation_of_the_sum(dtype: torch.dtype, rank: int) -> None:
    changes = tasks(dtype)
    left, values, right = torch.linalg.svd(total(changes), full_matrices=False)
    expected = left[:, :rank] * values[:rank] @ right[:rank]
    assert distance(merge(changes, "peft_svd", svd_rank=rank), expected) < TOLERANCE[dtype]


@BOTH_PRECISIONS
def test_svd_takes_the_largest_rank_of_an_update(dtype: torch.dtype) -> None:
    changes = low_rank(40, 48, [2, 5, 3], dtype=dtype)
    assert distance(merge(changes, "peft_svd"), merge(changes, "peft_svd", svd_rank=5)) == 0
    still = [change.scaled(0) for change in changes]
    assert float(merge(still, "peft_svd").norm()) == 0


@BOTH_PRECISIONS
def test_linear_has_cross_terms(dtype: torch.dtype) -> None:
    changes = low_rank(20, 24, [3, 3, 3], dtype=dtype)
    expected = sum(one.up.double() for one in changes) @ sum(one.down.double() for one in changes)
    assert distance(merge(changes, "peft_linear"), expected) < TOLERANCE[dtype]
    assert distance(merge(changes[:1], "peft_linear"), changes[0].dense()) < TOLERANCE[dtype]
    merged = problem(changes).merge(attack("peft_linear")).sites[SITE]
    assert isinstance(merged, LowRank)
    assert merged.rank == 3


def test_linear_divides_the_scaling_between_the_factors() -> None:
    """`up` holds s·B: PEFT weighs B and A by the root of |w s|, and one of them by its sign."""
    first, second = low_rank(20, 24, [3, 3])
    given = [
        LowRank(up=first.up * 4, down=first.down, scaling=4.0),
        LowRank(up=second.up * 0.25, down=second.down, scaling=0.25),
    ]
    updates = MergeProblem(as_updates(given), space=Full(), coefficients=[1.0, -4.0])
    found = updates.merge(attack("peft_linear")).sites[SITE].dense()
    expected = (2 * first.up + second.up) @ (2 * first.down - second.down)
    assert distance(found, expected) < 1e-12
    nothing = [LowRank(up=one.up * 0, down=one.down, scaling=0.0) for one in (first, second)]
    assert float(merge(nothing, "peft_linear").norm()) == 0
    assert distance(merge([given[0], nothing[1]], "peft_linear"), given[0].dense()) < 1e-12


def test_linear_of_different_ranks_lacks_factors() -> None:
    wide, narrow = low_rank(20, 24, [3, 2])
    up = wide.up + torch.cat([narrow.up, torch.zeros(20, 1)], dim=1)
    down = wide.down + torch.cat([narrow.down, torch.zeros(1, 24)])
    assert distance(merge([wide, narrow], "peft_linear"), up @ down) < 1e-12


@pytest.mark.parametrize("name", ["peft_svd", "peft_linear"])
def test_what_is_no_matrix_is_averaged(name: str) -> None:
    changes = dense((17,), 4)
    mean = torch.stack([change.delta for change in changes]).mean(dim=0)
    assert distance(merge(changes, name), mean) < 1e-12


def test_the_scaling_is_part_of_an_updates_identity_unless_it_is_one() -> None:
    (change,) = low_rank(6, 8, [2])
    plain, named, other = (
        as_updates([LowRank(up=change.up, down=change.down, **options)])[0].sha256
        for options in ({}, {"scaling": 1.0}, {"scaling": 2.0})
    )
    assert plain == named != other
    trained = LowRank(up=change.up, down=change.down, scaling=2.0)
    assert trained.scaled(3).scaling == trained.to("cpu").scaling == 2


@dataclass(frozen=True, kw_only=True)
class Wrong(Merger):
    """Returns factors of another shape."""

    name: ClassVar[str] = "wrong"
    paper: ClassVar[str] = "tests"

    def of_factors(self, changes, coefficients):
        return LowRank(up=changes[0].up[1:], down=changes[0].down)

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        return stack[0]


def test_factors_of_another_shape_are_refused() -> None:
    with pytest.raises(PluginError, match=r"wrong of .* of_factors gave .* 5×8; expected .* 6×8"):
        problem(low_rank(6, 8, [2, 2])).merge(Wrong())
    with pytest.raises(InputError, match="svd_rank is -1; give a number from 0"):
        PeftSVD(svd_rank=-1)
    assert isinstance(problem(dense((6, 8), 2)).merge(Wrong()).sites[SITE], Dense)
