"""What every attack and every space must do; a new one is tested by being registered."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from few_steps import with_few_steps
from synthetic import dense, distance, hashes, low_rank

from mergebench.contracts import MergePart, Merger, Site, Space
from mergebench.errors import InputError, PluginError
from mergebench.merging.memory import UpdateMemory
from mergebench.merging.problem import MergeProblem, merge
from mergebench.registry import registry
from mergebench.updates.update import Dense, LowRank, SiteUpdate, Update

TASKS = 4
ATTACKS = [found.plugin for found in registry().all(Merger)]
SPACES = [found.plugin for found in registry().all(Space)]


def title(attack: type[Merger]) -> str:
    options = ", ".join(f"{key}={value}" for key, value in attack().options().items())
    return f"{attack.name}({options})"


PAIRS = [
    pytest.param(attack, space, id=f"{title(attack)}@{space}")
    for attack in ATTACKS
    for space in attack.spaces
]


def sites(dtype: torch.dtype, *, factors_only: bool, tasks: int) -> dict[str, list[SiteUpdate]]:
    """Return one stack of changes per kind of site."""
    ranks = [3, 1, 3, 2][:tasks] or [3]
    wide: dict[str, list[SiteUpdate]] = {
        "low rank": list(low_rank(20, 24, ranks, dtype=dtype)),
        "more factors than inputs": list(low_rank(30, 6, ranks, seed=1, dtype=dtype)),
        "kernel": list(dense((6, 1, 3, 3), tasks, seed=2, dtype=dtype)),
        "bias": list(dense((17,), tasks, seed=3, dtype=dtype)),
    }
    if not factors_only:
        wide["dense"] = list(dense((16, 12), tasks, seed=4, dtype=dtype))
        wide["mixed"] = [*low_rank(14, 12, ranks, seed=5, dtype=dtype)]
        wide["mixed"][0] = dense((14, 12), 1, seed=6, dtype=dtype)[0]
    return wide


def updates(
    *parts: type[MergePart], tasks: int = TASKS, dtype: torch.dtype = torch.float32
) -> list[Update]:
    """Return updates that attack and space take."""
    stacks = sites(dtype, factors_only=any(part.needs_factors for part in parts), tasks=tasks)
    return [
        Update(sites={site: stack[task] for site, stack in stacks.items()}, label=f"task {task}")
        for task in range(tasks)
    ]


def find_space(name: str) -> type[Space]:
    return registry().get(Space, name)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("attack", "space"), PAIRS)
def test_contract(attack: type[Merger], space: str, dtype: torch.dtype) -> None:
    given = updates(attack, find_space(space), dtype=dtype)
    before = hashes(given)
    rule = with_few_steps(attack())
    merged = merge(rule, given, space=find_space(space)())
    again = merge(rule, given, space=find_space(space)())

    assert hashes(given) == before, "an input was changed"
    assert merged.sha256 == again.sha256, "two equal calls differ"
    for site, change in given[0].sites.items():
        found = merged.sites[site].dense()
        assert found.shape == change.shape
        assert found.dtype == dtype
        assert bool(torch.isfinite(found).all())


@pytest.mark.parametrize(("attack", "space"), PAIRS)
def test_grid(attack: type[Merger], space: str) -> None:
    """Every point of the grid gives, on a shared problem, what it gives alone."""
    given = updates(attack, find_space(space))
    shared = MergeProblem(given, space=find_space(space)())
    for name, values in attack.grid.items():
        for value in values:
            rule = with_few_steps(attack()).with_options(**{name: value})
            alone = merge(rule, given, space=find_space(space)())
            assert shared.merge(rule).sha256 == alone.sha256


@pytest.mark.parametrize(("attack", "space"), PAIRS)
def test_what_is_known_from_other_sets_changes_nothing(attack: type[Merger], space: str) -> None:
    """Merges that differ in one update, in the order, the coefficients or the seed."""
    given, known = updates(attack, find_space(space)), UpdateMemory()
    sets = [given, [*given[:-1], given[-1].scaled(2)], [*given[1:], given[0]]]
    variants: list[dict[str, Any]] = [{}, {"seed": 1}, {"coefficients": (1.0, 0.5, 2.0, 1.0)}]
    middle = [{name: values[len(values) // 2]} for name, values in attack.grid.items()]
    rules = [with_few_steps(attack()).with_options(**options) for options in [{}, *middle]]
    for chosen, options in itertools.product(sets, variants):
        problem = MergeProblem(chosen, space=find_space(space)(), known=known, **options)
        for rule in rules:
            alone = merge(rule, chosen, space=find_space(space)(), **options)
            assert problem.merge(rule).sha256 == alone.sha256


@pytest.mark.parametrize(("attack", "space"), PAIRS)
@pytest.mark.parametrize("tasks", [1, 2])
def test_few_updates(attack: type[Merger], space: str, tasks: int) -> None:
    given = updates(attack, find_space(space), tasks=tasks)
    merged = merge(with_few_steps(attack()), given, space=find_space(space)())
    assert merged.norm() > 0


@pytest.mark.parametrize(("attack", "space"), PAIRS)
def test_zero_updates(attack: type[Merger], space: str) -> None:
    """Updates that change nothing merge to an update that changes nothing."""
    still = [update.scaled(0.0) for update in updates(attack, find_space(space))]
    merged = merge(with_few_steps(attack()), still, space=find_space(space)())
    assert merged.norm() == 0


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_rotation_invariant_rules_commute_with_orthonormal_bases(attack: type[Merger]) -> None:
    rule = attack()
    if not rule.rotation_invariant:
        pytest.skip("does not claim it")
    stack = torch.stack([change.dense() for change in low_rank(12, 16, [3] * TASKS)])
    bases = dense((12, 12), 1, seed=7) + dense((16, 16), 1, seed=8)
    left, right = (torch.linalg.qr(basis.delta)[0] for basis in bases)
    plain = rule.combine(stack, Site(name="plain", shape=(12, 16)))
    turned = rule.combine(left @ stack @ right, Site(name="turned", shape=(12, 16)))
    assert distance(turned, left @ plain @ right) < 1e-10


@pytest.mark.parametrize("rotation_invariant", [False, True], ids=["as is", "any basis"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_space_is_lossless(
    space: type[Space], dtype: torch.dtype, rotation_invariant: bool
) -> None:
    for site, changes in sites(dtype, factors_only=space.needs_factors, tasks=TASKS).items():
        if len(changes[0].shape) != 2:
            continue
        changes.append(changes[1].scaled(0.0))
        encoded = space().encode(changes, rotation_invariant=rotation_invariant)
        for change, representative in zip(changes, encoded.stack, strict=True):
            back = encoded.decode(representative, torch.float64).dense()
            tolerance = 1e-12 if dtype == torch.float64 else 2e-6
            assert distance(back, change.dense()) < tolerance, site


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_refuses_a_space_in_which_it_is_not_defined(attack: type[Merger]) -> None:
    class Elsewhere(find_space("full")):  # type: ignore[misc]
        name = "elsewhere"

    with pytest.raises(InputError, match="not defined in space elsewhere"):
        merge(attack(), updates(attack, Elsewhere), space=Elsewhere())


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_is_documented(attack: type[Merger]) -> None:
    assert attack.__doc__
    assert "arxiv.org/abs/" in attack.paper
    assert set(attack.grid) <= set(attack().options())


@pytest.mark.parametrize(
    ("name", "space", "said"),
    [
        ("ties", "core", "space core needs low-rank factors; use space full"),
        ("peft_linear", "full", "attack peft_linear needs low-rank factors; use another attack"),
        ("peft_svd", "full", "attack peft_svd needs low-rank factors; use another attack"),
    ],
)
def test_dense_updates_are_refused_where_factors_are_needed(
    name: str, space: str, said: str
) -> None:
    changes: Sequence[SiteUpdate] = [*low_rank(6, 8, [2]), *dense((6, 8), 1)]
    given = [Update(sites={"fc1": change}, label="cars") for change in changes]
    with pytest.raises(InputError, match=f"cars: site fc1 is dense, but {said}"):
        merge(registry().get(Merger, name)(), given, space=find_space(space)())


@pytest.mark.parametrize("name", ["ta", "cart"])
@pytest.mark.parametrize(("rank", "kind"), [(2, LowRank), (16, Dense)])
def test_low_rank_results_stay_factors_where_that_is_smaller(
    name: str, rank: int, kind: type[SiteUpdate]
) -> None:
    given = [Update(sites={"fc1": change}) for change in low_rank(64, 64, [rank, rank])]
    merged = merge(registry().get(Merger, name)(), given, space=find_space("full")())
    assert isinstance(merged.sites["fc1"], kind)


def test_task_arithmetic_in_full_space_decomposes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [Update(sites={"fc1": change}) for change in low_rank(64, 64, [2, 2])]
    monkeypatch.delattr(torch.linalg, "qr")
    monkeypatch.delattr(torch.linalg, "svd")
    merge(registry().get(Merger, "ta")(), given, space=find_space("full")())
    with pytest.raises(PluginError, match=r"space full of .*full\.py: at site fc1: AttributeError"):
        merge(registry().get(Merger, "cart")(), given, space=find_space("full")())


@pytest.mark.parametrize("name", ["ta", "dare"])
def test_a_result_that_is_not_finite_is_an_error_that_names_the_site(name: str) -> None:
    huge = [
        Update(sites={"fc1": change.scaled(1e30)})
        for change in low_rank(64, 64, [2, 2], dtype=torch.float32)
    ]
    rule = registry().get(Merger, name)()
    with pytest.raises(ArithmeticError, match=f"{name} gave .* not finite at site fc1"):
        merge(rule, huge, space=find_space("full")(), coefficients=(1e300, 1e300))


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_a_linear_rule_gives_the_weighted_sum(attack: type[Merger]) -> None:
    """Its `combine`, which dense updates go through, says the same as its `weights`."""
    weights = attack().weights(TASKS)
    if weights is None:
        pytest.skip("not linear")
    for changes in sites(torch.float64, factors_only=True, tasks=TASKS).values():
        stack = torch.stack([change.dense() for change in changes])
        expected = torch.einsum("t,t...->...", torch.tensor(weights, dtype=stack.dtype), stack)
        flat = stack.reshape(TASKS, stack.shape[1], -1)
        combined = attack().combine(flat, Site(name="plain", shape=(0, 0)))
        assert distance(combined.reshape(expected.shape), expected) < 1e-12
        given = [Update(sites={"fc1": change}) for change in changes]
        for space in attack.spaces:
            merged = merge(attack(), given, space=find_space(space)()).sites["fc1"].dense()
            assert distance(merged, expected) < 1e-12
