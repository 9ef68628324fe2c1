"""What merges remember saves work, is bounded, and changes no result."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest
import torch
from synthetic import SITE, as_updates, attack, dense, low_rank, merge

from attacks import tsv
from attacks.parts import sparsification
from attacks.spaces.core import Core
from attacks.spaces.full import Full
from mergebench.contracts import Merger, Room, Site, Space
from mergebench.merging.memory import UpdateMemory
from mergebench.merging.problem import MergeProblem
from mergebench.registry import registry
from mergebench.seeding import generator
from mergebench.updates.update import LowRank, SiteUpdate

SHAPE = (37, 41)
DROPS = (0.1, 0.5, 0.9)


class Calls:
    """Counts the calls of a function of a module, `attacks.parts.sparsification` if not said."""

    def __init__(
        self, patch: pytest.MonkeyPatch, name: str, module: ModuleType = sparsification
    ) -> None:
        self.count = 0
        original = getattr(module, name)

        def counted(*arguments: Any) -> Any:
            self.count += 1
            return original(*arguments)

        patch.setattr(module, name, counted)


def changes() -> list[LowRank]:
    return low_rank(*SHAPE, [3] * 4, dtype=torch.float32)


def merge_all(
    sets: Sequence[Sequence[LowRank]], rules: Sequence[Merger], space: Space, **options: Any
) -> None:
    for chosen in sets:
        problem = MergeProblem(as_updates(chosen), space=space, **options)
        for rule in rules:
            problem.merge(rule)


def two_sets() -> tuple[list[LowRank], list[LowRank]]:
    """Return sets that differ in the last update."""
    common = changes()
    return common, [*common[:-1], common[-1].scaled(2)]


@pytest.mark.parametrize(
    ("space", "rows"),
    [pytest.param(Full(), 4 + 1, id="full"), pytest.param(Core(), 4 + 4, id="core")],
)
def test_an_update_is_ordered_once_for_all_sets_where_the_space_allows_it(
    monkeypatch: pytest.MonkeyPatch, space: Space, rows: int
) -> None:
    """One selection and one sort; in Core space a representative depends on the whole set."""
    calls = Calls(monkeypatch, "_at_places")
    rules = [attack("ties", top_k=top_k) for top_k in sparsification.TOP_K_GRID]
    merge_all(two_sets(), rules, space, known=UpdateMemory())
    assert calls.count == 2 * rows


def test_one_percentage_takes_no_sort(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch, "_at_places")
    merge_all(two_sets(), [attack("ties"), attack("ties")], Full())
    assert calls.count == 4 + 4, "without a common memory, each set selects its own"


@pytest.mark.parametrize(
    ("changes", "room", "decompositions"),
    [
        pytest.param(dense((9, 13), 5), Room(), 5, id="each matrix once"),
        pytest.param(dense((9, 13), 5), Room(0), 4 + 4, id="no room"),
        pytest.param(low_rank(9, 13, [3] * 5), Room(), 4 + 4, id="coordinates of a set"),
    ],
)
def test_a_dense_update_is_decomposed_once_for_all_sets(
    monkeypatch: pytest.MonkeyPatch,
    changes: Sequence[SiteUpdate],
    room: Room,
    decompositions: int,
) -> None:
    """And the merges are the same, bit for bit."""
    known, sets = UpdateMemory(), [changes[:4], [*changes[:3], changes[4]]]
    known.room = room
    apart = [MergeProblem(as_updates(one), space=Full()).merge(attack("tsv")) for one in sets]
    calls = Calls(monkeypatch, "leading_triples", tsv)
    for one, expected in zip(sets, apart, strict=True):
        found = MergeProblem(as_updates(one), space=Full(), known=known).merge(attack("tsv"))
        assert found.sha256 == expected.sha256
    assert calls.count == decompositions


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("drop", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_selection_finds_what_sorting_finds(size: int, drop: float) -> None:
    """Also where many values are zero, or equal."""
    rows = torch.randn(3, size, generator=generator(0, "rows")).round(decimals=1)
    rows[torch.rand(3, size, generator=generator(0, "drops")) < drop] = 0
    for top_k in (*sparsification.TOP_K_GRID, 33.3, 0.5):
        place = size - sparsification.kept_count(size, top_k) - 1
        ordered = rows.abs().sort(dim=1).values
        expected = ordered[:, place] if place >= 0 else torch.zeros(3)
        for others in ([], [55.0]):
            found = sparsification.trim_thresholds(rows, [top_k, *others])
            assert torch.equal(found[0], expected)


@pytest.mark.parametrize(
    ("room", "draws"), [(Room(), 1), (Room(0), len(DROPS))], ids=["room", "no room"]
)
def test_numbers_are_drawn_once_for_a_search_if_there_is_room(
    monkeypatch: pytest.MonkeyPatch, room: Room, draws: int
) -> None:
    calls = Calls(monkeypatch, "_uniform")
    merge_all([changes()], [attack("dare", drop=drop) for drop in DROPS], Full(), room=room)
    assert calls.count == draws


@pytest.mark.parametrize("shape", [(3, 5, 5), (3, 4, 5), (2, 400, 500)], ids=str)
@pytest.mark.parametrize("drop", sparsification.DROP_GRID)
def test_what_is_kept_of_the_draws_decides_like_the_draws(
    shape: tuple[int, ...], drop: float
) -> None:
    """Of odd sizes and of stacks that are dropped in several steps as well."""
    site = Site(name=SITE, shape=(shape[1], shape[2]))
    found = sparsification.drop_and_rescale(torch.ones(shape), drop, site)
    for task, dropped in enumerate(found):
        draws = torch.rand(shape[1:], generator=site.generator("dare", task))
        assert torch.equal(dropped > 0, draws > drop)


def test_a_drop_beside_the_grid_agrees_with_its_neighbours() -> None:
    kept = [merge(changes(), "dare", drop=drop) != 0 for drop in (0.5, 0.55, 0.6)]
    assert bool((kept[2] <= kept[1]).all())
    assert bool((kept[1] <= kept[0]).all())
    assert kept[0].sum() > kept[1].sum() > kept[2].sum()


RULES = [
    (found.plugin, space)
    for found in registry().all(Merger)
    for space in found.plugin.spaces
    if found.plugin.name != "wudi_iterated"  # its optimiser is left to the garbage collector
]


@pytest.mark.parametrize(
    ("rule", "space"), RULES, ids=lambda one: one if isinstance(one, str) else one.name
)
def test_a_problem_goes_with_who_holds_it(rule, space) -> None:
    """Attacks that change updates have many; what waited for cycles to be sought filled 24 GB."""
    problem = MergeProblem(as_updates(changes()), space=registry().get(Space, space)())
    merger = rule()
    gc.collect()
    gc.disable()
    try:
        problem.merge(merger)
        assert isinstance(problem.notes(merger), dict)
        left = weakref.ref(problem)
        del problem
        assert left() is None
    finally:
        gc.enable()
