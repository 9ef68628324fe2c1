"""Every attack that is given no data merges where the updates are, and gives there what it gives
on the CPU; `tests/gpu/` asks the same of a real GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import informed
import pytest
import small_tower
import torch
from few_steps import with_few_steps
from pretended_gpu import pretended_gpu

from mergebench.contracts import Attack, InformedMerger, Merger, Space
from mergebench.merging import InformedProblem, MergeProblem, Problem, with_missing_as_zero
from mergebench.registry import registry
from mergebench.updates import MergePath, Update

CLOSE = 1e-4
"""Relative distance: on a GPU sums of float32 are formed in another order."""

BLOCK = "transformer.resblocks.0."
COLUMNS = [
    pytest.param(found.plugin, space, id=f"{found.plugin.name}@{space}")
    for found in registry().all(Merger)
    for space in found.plugin.spaces
]
INFORMED = [
    pytest.param(found.plugin, id=found.plugin.name) for found in registry().all(InformedMerger)
]


def points(attack: Attack) -> Iterator[dict[str, Any]]:
    """Yield the defaults, the last of what a search visits, and all other choices of options."""
    yield {}
    for name, values in attack.grid.items():
        yield {name: values[-1]}
    for name, kind in get_type_hints(type(attack)).items():
        if get_origin(kind) is Literal and name in attack.options():
            others = (value for value in get_args(kind) if value != getattr(attack, name))
            yield from ({name: value} for value in others)


def assert_alike(there: Update | None, here: Update | None) -> None:
    assert (there is None) == (here is None)
    if there is None or here is None:
        return
    assert tuple(there.sites) == tuple(here.sites)
    for site, change in there.sites.items():
        assert change.device.type == "cuda", site
        found, expected = change.to("cpu").dense(), here.sites[site].dense()
        assert float((found - expected).norm()) <= CLOSE * float(expected.norm()), site


def check(make: Callable[[torch.device | str], Problem[Any]], attack: Attack) -> None:
    """Hold the paths of an attack on the pretended GPU to those on the CPU, in all its variants."""
    here = make("cpu")
    attack = with_few_steps(attack)
    with pretended_gpu() as device:
        there = make(device)
        for options in points(attack):
            variant = attack.with_options(**options)
            found: MergePath = there.path(variant)
            expected: MergePath = here.path(variant)
            assert_alike(found.direction, expected.direction)
            assert_alike(found.fixed, expected.fixed)
            assert there.notes(variant) == pytest.approx(here.notes(variant), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(("rule", "space"), COLUMNS)
def test_rules(rule: type[Merger], space: str) -> None:
    where = registry().get(Space, space)()
    needs_factors = rule.needs_factors or where.needs_factors
    given = informed.updates(factors_only=needs_factors, dtype=torch.float32)
    check(lambda device: MergeProblem([one.to(device) for one in given], space=where), rule())


@pytest.mark.parametrize("attack", INFORMED)
@pytest.mark.parametrize("release", [small_tower.low_rank_updates, small_tower.full_updates])
def test_attacks_that_know_the_protected_update(
    attack: type[InformedMerger], release: Callable[[int], list[Update]]
) -> None:
    """Updates of one block of a tower; the rules have their own test."""
    given = [_of_one_block(update) for update in release(3)]

    def problem(device: torch.device | str) -> InformedProblem:
        backbone = small_tower.small_backbone()
        backbone.model.to(device)
        return InformedProblem(
            [one.to(device) for one in given],
            place=1,
            space=registry().get(Space, "full")(),
            base=lambda: backbone,
        )

    check(problem, attack(rule=registry().get(Merger, "ta")()))


def _of_one_block(update: Update) -> Update:
    sites = {site: change for site, change in update.sites.items() if site.startswith(BLOCK)}
    return Update(sites=sites, label=update.label)


def test_zeros_for_missing_sites_are_beside_the_others() -> None:
    with pretended_gpu() as device:
        whole, other = (one.to(device) for one in small_tower.low_rank_updates(2))
        part = Update(sites=dict([*other.sites.items()][:1]), label=other.label)
        for update in with_missing_as_zero([whole, part]):
            assert {change.device.type for change in update.sites.values()} == {"cuda"}
