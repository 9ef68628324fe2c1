"""The search visits the points that the protocol names and keeps the best of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar

import pytest
import torch
from training import synthetic_task

from attacks.spaces.full import Full
from mergebench.backbones import load_backbone
from mergebench.contracts import MergeData, Merger, SweptMerger
from mergebench.measure.points import Point
from mergebench.measure.protocols import (
    CLEAN,
    CLEAN_EXHAUSTIVE,
    PAPER,
    PROTOCOLS,
    WIDE,
    get_protocol,
)
from mergebench.measure.search import Objective, best_point, search
from mergebench.merging.problem import MergeProblem
from mergebench.merging.with_data import DataMergeProblem
from mergebench.seeding import generator
from mergebench.updates.update import Dense, Update

SIZES = {"one": 1000, "two": 1000}
NORMS = {"one": 1.0, "two": 1.0}


@dataclass(frozen=True, kw_only=True)
class Scaled(Merger):
    """Multiplies the sum by a searched factor, so that the search's choices can be read off D."""

    name: ClassVar[str] = "scaled"
    paper: ClassVar[str] = "-"
    grid: ClassVar[dict[str, tuple[float, ...]]] = {"factor": (1.0, 2.0, 4.0, 8.0)}
    factor: float = 1.0
    merges: ClassVar[list[float]] = []

    def combine(self, stack, site):
        self.merges.append(self.factor)
        return stack.sum(0) * self.factor


class Landscape:
    """Stands for an evaluator: the counts are a given function of the deployed change."""

    def __init__(self, backbone, count) -> None:
        self.backbone, self.count, self.calls, self.looks = backbone, count, [], 0
        self.site = next(iter(backbone.sites))
        self.base = backbone.sites[self.site].weight[0, 0].item()

    def correct(self, split: str) -> dict[str, int]:
        assert split == "val"
        deployed = self.backbone.sites[self.site].weight[0, 0].item() - self.base
        self.calls.append(deployed)
        return {"one": self.count(deployed), "two": self.count(deployed)}

    def hits(self, split: str, ranks: range) -> dict[str, torch.Tensor]:
        """Return hits of which the first `count` in a fixed random order are true."""
        found = {}
        for task, count in self.correct(split).items():
            order = torch.randperm(SIZES[task], generator=generator(task))
            found[task] = (order < count)[ranks.start : ranks.stop]
            self.looks += len(found[task])
        return found

    def sizes(self, split: str) -> dict[str, int]:
        return dict(SIZES)


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("mini_vit", weights="random")


def problem_for(backbone) -> MergeProblem:
    name, site = next(iter(backbone.sites.items()))
    delta = torch.zeros_like(site.weight)
    delta[0, 0] = 1.0
    return MergeProblem([Update(sites={name: Dense(delta=delta)})], space=Full())


def peak_at(place: float):
    return lambda deployed: max(0, round(1000 - 200 * abs(deployed - place)))


def run(backbone, count, protocol, **extra: Any):
    landscape = Landscape(backbone, count)
    Scaled.merges.clear()
    found = search(problem_for(backbone), Scaled(), landscape, protocol, norms=NORMS, **extra)
    return found, landscape


def test_coordinate_search_finds_alpha_first_and_then_the_structure(backbone):
    found, _ = run(backbone, peak_at(1.2), PAPER)
    assert found.chosen.alpha == 1.2
    assert found.chosen.options == {"factor": 1.0}
    structures = [point.options["factor"] for point in found.points[-4:]]
    assert structures == [1.0, 2.0, 4.0, 8.0]
    assert all(point.alpha == 1.2 for point in found.points[-4:])


def test_the_sweep_stops_after_ten_values_without_improvement(backbone):
    found, _ = run(backbone, peak_at(0.5), PAPER)
    alphas = [point.alpha for point in found.points[:-4]]
    assert alphas == pytest.approx([step / 10 for step in range(1, 16)])


def test_equal_scores_prefer_the_later_value_and_refill_the_patience(backbone):
    found, _ = run(backbone, lambda deployed: 100, PAPER)
    assert found.chosen.alpha == 9.9
    assert found.chosen.options == {"factor": 8.0}
    assert len(found.points) == 99 + 4


def test_alpha_never_causes_a_second_merge(backbone):
    run(backbone, peak_at(1.2), PAPER)
    assert len(Scaled.merges) <= 1 + len(Scaled.grid["factor"])


def test_joint_search_tries_every_combination_and_zero_once(backbone):
    found, _ = run(backbone, peak_at(8.0), CLEAN_EXHAUSTIVE)
    zeros = [point for point in found.points if point.alpha == 0]
    assert len(zeros) == 1
    assert len(found.points) == 4 * (len(CLEAN.alphas) - 1) + 1
    assert found.chosen.alpha * found.chosen.options["factor"] == pytest.approx(8.0)


@pytest.mark.parametrize("place", [0.0, 1.0, 8.0])
def test_a_race_chooses_what_exhaustive_search_chooses_from_fewer_images(backbone, place):
    exhaustive, landscape = run(backbone, peak_at(place), CLEAN_EXHAUSTIVE)
    raced, short = run(backbone, peak_at(place), CLEAN)
    assert raced.chosen == exhaustive.chosen
    assert len(raced.points) == len(exhaustive.points)
    images = sum(sum(raced.sizes[point.stage].values()) for point in raced.points)
    assert images == short.looks < 0.4 * len(landscape.calls) * sum(SIZES.values())
    assert len(Scaled.merges) <= 1 + len(Scaled.grid["factor"])


@pytest.mark.parametrize("place", [-1.5, -0.05, 0.03, 10.0])
def test_wide_finds_coefficients_that_no_other_protocol_has(backbone, place):
    def peak(deployed):
        return max(0, round(1000 - 500 * abs(deployed - place)))

    found, _ = run(backbone, peak, WIDE)
    exhaustive, _ = run(backbone, peak, replace(WIDE, race=None))
    assert found.chosen == exhaustive.chosen
    deployed = found.chosen.alpha * found.chosen.options["factor"]
    assert deployed == pytest.approx(place)
    assert found.chosen.counts == SIZES


def test_wide_is_clean_with_more_coefficients():
    assert WIDE.alphas[: len(CLEAN.alphas)] == CLEAN.alphas
    assert len(set(WIDE.alphas)) == len(WIDE.alphas)
    assert set(WIDE.alphas) >= {value / 100 for value in range(11)}
    assert (min(WIDE.alphas), max(WIDE.alphas)) == (-2, 10)
    assert replace(WIDE, name=CLEAN.name, alphas=CLEAN.alphas) == CLEAN


def test_a_merge_that_only_hurts_is_refused_under_clean(backbone):
    found, _ = run(backbone, lambda d: 500 if d == 0 else 100, CLEAN)
    assert found.chosen.alpha == 0


def test_the_merged_update_belongs_to_the_chosen_structure(backbone):
    found, _ = run(backbone, peak_at(8.0), CLEAN_EXHAUSTIVE)
    change = next(iter(found.path.direction.sites.values())).dense()
    assert change[0, 0].item() == found.chosen.options["factor"]


def test_weights_are_untouched_by_a_search(backbone):
    before = [parameter.detach().clone() for parameter in backbone.tower.parameters()]
    run(backbone, peak_at(0.5), PAPER)
    for left, right in zip(before, backbone.tower.parameters(), strict=True):
        assert torch.equal(left, right)


def test_the_objective_divides_by_the_norms():
    score = Objective(sizes={"one": 100, "two": 50}, norms={"one": 0.5, "two": 0.8})
    assert score({"one": 25, "two": 20}) == pytest.approx((0.25 / 0.5 + 0.4 / 0.8) / 2)


def test_a_zero_norm_is_refused_by_name():
    with pytest.raises(ArithmeticError, match="two"):
        Objective(sizes=SIZES, norms={"one": 0.5, "two": 0.0})


def test_best_point_needs_points():
    with pytest.raises(ValueError, match="no point"):
        best_point([], lambda counts: 0.0, later_wins=True)


def test_the_paper_grid_is_the_reference_grid():
    assert len(PAPER.alphas) == 99
    assert (PAPER.alphas[0], PAPER.alphas[5], PAPER.alphas[-1]) == (0.1, 0.6, 9.9)
    assert 0 in CLEAN.alphas
    assert get_protocol("paper") is PROTOCOLS["paper"]


@dataclass(frozen=True, kw_only=True)
class Drawn(SweptMerger):
    """Multiplies its one update by what its attempt draws, and by the learning rate."""

    name: ClassVar[str] = "drawn"
    paper: ClassVar[str] = "-"

    def merge(self, given: MergeData) -> Update:
        drawn = torch.rand((), generator=generator(given.seed)).item()
        return given.updates[0].scaled(4 * drawn * self.learning_rate_factor)


@pytest.mark.parametrize("protocol", [CLEAN_EXHAUSTIVE, CLEAN, PAPER], ids=lambda one: one.name)
def test_of_attempts_and_learning_rates_validation_takes_the_best(backbone, protocol):
    """The counts peak at what one of the attempts draws, each in turn."""
    updates = problem_for(backbone).updates
    problem = DataMergeProblem(
        updates, backbone=backbone, tasks=[synthetic_task("one")], space=Full()
    )
    rule = Drawn(attempts=3, learning_rate_factors=(1.0, 3.0), inputs_per_task=4)
    (site,) = updates[0].sites
    at_one = replace(protocol, alphas=(1.0,))
    factors = (1.0,) if protocol is PAPER else (1.0, 3.0)  # it looks at attempts at 1 alone
    for attempt, factor in itertools.product(range(3), factors):
        options = {"attempt": attempt, "learning_rate_factor": factor}
        place = problem.merge(rule.with_options(**options)).sites[site].dense()[0, 0].item()
        landscape = Landscape(backbone, peak_at(place))
        found = search(problem, rule, landscape, at_one, norms=NORMS)
        assert found.chosen.options == options
        assert found.path.direction.sites[site].dense()[0, 0].item() == pytest.approx(place)


def test_equals_are_equal_in_whatever_order_tasks_are_summed() -> None:
    """In floats 0.3 + 0.5 + 0.4 and 0.4 + 0.5 + 0.3 differ, and 7 / 16 / 0.875 is 1 / 2 exactly."""
    sizes = {"one": 10, "two": 10, "three": 10}
    counts = [dict(zip(sizes, own, strict=True)) for own in ((3, 5, 4), (4, 5, 3))]
    score = Objective(sizes=sizes, norms=dict.fromkeys(sizes, 1.0))
    assert score(counts[0]) == score(counts[1]) == Fraction(4, 10)
    points = [Point(options={}, alpha=alpha, counts=own) for alpha, own in enumerate(counts)]
    for order in (sizes, reversed(sizes)):
        again = Objective(sizes=dict.fromkeys(order, 10), norms=dict.fromkeys(sizes, 0.7))
        assert best_point(points, again, later_wins=True) is points[1]
        assert best_point(points, again, later_wins=False) is points[0]
    assert Objective(sizes={"one": 16}, norms={"one": 7 / 12})({"one": 7}) == Fraction(3, 4)


@pytest.mark.parametrize("protocol", [PAPER, CLEAN])
def test_points_at_which_nothing_is_merged_are_marked(backbone, protocol) -> None:
    """As by a threshold above every entry; at 0 of a merge that is something they are not."""
    protocol = replace(protocol, grids={"factor": (0.0, 1.0)})
    found, _ = run(backbone, lambda deployed: 500, protocol)
    marked = {(point.options["factor"], point.leaves_base) for point in found.points}
    assert marked == {(0.0, True), (1.0, False)}
