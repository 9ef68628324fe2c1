"""Identities of the merging spaces, and of all data-free rules, in both precisions."""

from __future__ import annotations

import pytest
import torch
from small_updates import BOTH_PRECISIONS, RULES, SPACES, TOLERANCE, tasks, total
from synthetic import SITE, as_updates, attack, dense, distance, merge, problem
from torch import Tensor

from attacks.spaces.core import Core
from attacks.spaces.knots import KnOTS
from mergebench.contracts import Site
from mergebench.merging.problem import MergeProblem
from mergebench.merging.problem import merge as merge_updates
from mergebench.updates.update import Dense

pytestmark = BOTH_PRECISIONS


# Spaces


def test_task_arithmetic_is_the_same_sum_in_every_space(dtype: torch.dtype) -> None:
    changes = tasks(dtype)
    for space in SPACES:
        assert distance(merge(changes, "ta", space), total(changes)) < TOLERANCE[dtype]


def test_dense_and_low_rank_knots_agree_up_to_signs(dtype: torch.dtype) -> None:
    changes = tasks(dtype)
    products = [Dense(delta=change.dense()) for change in changes]
    fast = KnOTS().encode(changes, rotation_invariant=False)
    slow = KnOTS().encode(products, rotation_invariant=False)
    assert fast.shape == slow.shape == (16, 48)
    assert fast.left is not None
    assert slow.left is not None
    assert distance(fast.left.abs(), slow.left.abs()) < TOLERANCE[dtype]
    assert distance(fast.stack.abs(), slow.stack.abs()) < TOLERANCE[dtype]


@pytest.mark.parametrize("space", [KnOTS(), Core()], ids=["knots", "core"])
def test_ties_does_not_see_the_signs_of_basis_vectors(
    dtype: torch.dtype, space: KnOTS | Core
) -> None:
    encoded = space.encode(tasks(dtype), rotation_invariant=False)
    flips = torch.where(torch.arange(encoded.stack.shape[1]) % 3 == 0, -1, 1)[:, None]
    plain = attack("ties").combine(encoded.stack, Site(name="plain", shape=encoded.shape))
    flipped = attack("ties").combine(encoded.stack * flips, Site(name="f", shape=encoded.shape))
    assert torch.equal(flipped * flips, plain)


def test_core_ties_depends_on_the_basis(dtype: torch.dtype) -> None:
    encoded = Core().encode(tasks(dtype), rotation_invariant=False)
    rotation = torch.linalg.qr(dense((16, 16), 1)[0].delta)[0]
    plain = attack("ties").combine(encoded.stack, Site(name="plain", shape=encoded.shape))
    turned = attack("ties").combine(rotation @ encoded.stack, Site(name="t", shape=encoded.shape))
    assert distance(rotation.T @ turned, plain) > 0.1


def test_folding_singular_values_into_knots_changes_only_the_trimming(dtype: torch.dtype) -> None:
    given = as_updates(tasks(dtype))

    def merged(fold: bool, top_k: float) -> Tensor:
        space = KnOTS(fold_singular_values=fold)
        return merge_updates(attack("ties", top_k=top_k), given, space=space).sites[SITE].dense()

    assert distance(merged(True, 100.0), merged(False, 100.0)) < TOLERANCE[dtype]
    assert distance(merged(True, 30.0), merged(False, 30.0)) > 0.1


def test_the_absolute_knots_threshold_drops_tiny_updates(dtype: torch.dtype) -> None:
    tiny = as_updates([change.scaled(1e-8) for change in tasks(dtype)])
    absolute = merge_updates(attack("ta"), tiny, space=KnOTS())
    relative = merge_updates(attack("ta"), tiny, space=KnOTS(threshold=1e-6, relative=True))
    assert absolute.norm() == 0
    assert distance(relative.sites[SITE].dense(), total(tasks(dtype)) * 1e-8) < TOLERANCE[dtype]


# All rules


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", RULES)
def test_scaling_the_updates_scales_the_merge(dtype: torch.dtype, name: str, space: str) -> None:
    changes = tasks(dtype)
    scaled = merge([change.scaled(2.5) for change in changes], name, space)
    assert distance(scaled, 2.5 * merge(changes, name, space)) < TOLERANCE[dtype]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", ["ta", "ties", "tsv", "cart"])
def test_the_order_of_tasks_does_not_matter(dtype: torch.dtype, name: str, space: str) -> None:
    changes = tasks(dtype)
    shuffled = [changes[index] for index in (2, 0, 3, 1)]
    found = merge(shuffled, name, space)
    assert distance(found, merge(changes, name, space)) < TOLERANCE[dtype]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", RULES)
def test_equal_coefficients_scale_the_merge(dtype: torch.dtype, name: str, space: str) -> None:
    given = as_updates(tasks(dtype))
    kind = type(problem(tasks(dtype), space).space)()
    plain = merge_updates(attack(name), given, space=kind).sites[SITE].dense()
    halved = (
        merge_updates(attack(name), given, space=kind, coefficients=[0.5] * 4).sites[SITE].dense()
    )
    assert distance(halved, 0.5 * plain) < TOLERANCE[dtype]


def test_unequal_coefficients_act_before_the_rule(dtype: torch.dtype) -> None:
    changes, coefficients = tasks(dtype), [1.0, 0.5, 0.25, 2.0]
    weighted = [c.scaled(factor) for c, factor in zip(changes, coefficients, strict=True)]
    space = problem(changes).space
    for name in RULES:
        found = MergeProblem(as_updates(changes), space=space, coefficients=coefficients)
        merged = found.merge(attack(name)).sites[SITE].dense()
        assert distance(merged, merge(weighted, name)) < TOLERANCE[dtype]
