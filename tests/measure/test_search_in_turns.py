"""An attack with many coefficients has them searched one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch

from attacks.hold import Hold
from attacks.leave_out_per_task import LeaveOutPerTask
from attacks.parts.coordinate_ascent import COEFFICIENTS
from attacks.per_task_coefficients import PerTaskCoefficients
from attacks.spaces.full import Full
from attacks.task_arithmetic import TaskArithmetic
from attacks.ties import Ties
from mergebench.backbones import Backbone, load_backbone
from mergebench.contracts import InformedMerger
from mergebench.errors import PluginError
from mergebench.measure.protocols import CLEAN, CLEAN_EXHAUSTIVE, PAPER, Protocol
from mergebench.measure.search import SearchResult, search
from mergebench.merging import InformedProblem
from mergebench.updates import Dense, MergePath, Update

SIZES = {"one": 1000}
PLACE = 1
BEST = (0.6, 0.8, 0.0)
"""The coefficients of three updates that score best, the second being the protected one."""
OWN = COEFFICIENTS[1:]
"""Of the protected update, which is not to be put out."""
PROTOCOLS = [PAPER, CLEAN, CLEAN_EXHAUSTIVE]


class Bowl:
    """Stands for an evaluator: the counts fall off with the distance from the best coefficients."""

    def __init__(
        self,
        backbone: Backbone,
        tilt: float = 0.0,
        best: tuple[float, ...] = BEST,
        steep: float = 300,
    ) -> None:
        self.backbone, self.tilt, self.best, self.steep = backbone, tilt, best, steep
        self.looks = 0
        self.weight = next(iter(backbone.sites.values())).weight
        self.base = self.weight[0, :3].clone()

    def correct(self, split: str) -> dict[str, int]:
        self.looks += 1
        away = (self.weight[0, :3] - self.base).double() - torch.tensor(self.best)
        slope = float(away.square().sum() + self.tilt * away[0] * away[1])
        return {"one": round(900 - self.steep * slope)}

    def hits(self, split: str, ranks: range) -> dict[str, torch.Tensor]:
        """Return hits that are spread evenly over the inputs."""
        count = self.correct(split)["one"]
        order = torch.randperm(SIZES["one"], generator=torch.Generator().manual_seed(0))
        return {"one": (order < count)[ranks.start : ranks.stop]}

    def sizes(self, split: str) -> dict[str, int]:
        return dict(SIZES)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone("mini_vit", weights="random")


def problem(backbone: Backbone) -> InformedProblem:
    name, site = next(iter(backbone.sites.items()))
    updates = []
    for place in range(3):
        delta = torch.zeros_like(site.weight)
        delta[0, place] = 1.0
        updates.append(Update(sites={name: Dense(delta=delta)}))
    return InformedProblem(updates, place=PLACE, space=Full())


def run(
    backbone: Backbone, attack: InformedMerger, protocol: Protocol, tilt: float = 0.0
) -> SearchResult:
    return search(problem(backbone), attack, Bowl(backbone, tilt), protocol, norms={"one": 1.0})


def coefficients(found: SearchResult, backbone: Backbone) -> tuple[float, ...]:
    change = found.path.at(found.chosen.alpha).sites[next(iter(backbone.sites))].dense()
    return tuple(round(float(value), 6) for value in change[0, :3])


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_one_round_finds_what_does_not_depend_on_the_others(backbone, protocol) -> None:
    found = run(backbone, PerTaskCoefficients(rule=TaskArithmetic(), rounds=1), protocol)
    assert coefficients(found, backbone) == BEST
    assert found.chosen.counts == {"one": 900}


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_later_rounds_never_lose(backbone, protocol) -> None:
    """Where the best of one coefficient depends on another's, a second round gains."""
    scores = []
    for rounds in (1, 2):
        attack = PerTaskCoefficients(rule=TaskArithmetic(), rounds=rounds)
        found = run(backbone, attack, protocol, tilt=0.8)
        complete = [point.counts["one"] for point in found.points if point.stage == "full"]
        assert found.chosen.counts["one"] == max(complete)
        scores.append(max(complete))
    assert scores[0] < scores[1]


def test_the_search_begins_at_one_for_the_protected_update(backbone) -> None:
    found = run(backbone, PerTaskCoefficients(rule=TaskArithmetic()), CLEAN_EXHAUSTIVE)
    assert len(found.points) == 2 * (len(OWN) + 2 * len(COEFFICIENTS))
    first = found.points[: len(OWN)]
    assert [point.options for point in first] == [{"value": value} for value in OWN]
    bowl = (0.3 - BEST[0]) ** 2 + (0.3 - BEST[2]) ** 2
    assert [point.counts["one"] for point in first] == [
        round(900 - 300 * (bowl + (value - BEST[1]) ** 2)) for value in OWN
    ]
    second = found.points[len(OWN)].options
    assert (second["coefficients"], second["moving"]) == ((0.8, 0.3, 0.3), 1)


def test_later_searches_leave_the_rule_as_it_is(backbone) -> None:
    found = run(backbone, PerTaskCoefficients(rule=Ties(), rounds=1), CLEAN_EXHAUSTIVE)
    first = len(OWN) * len(CLEAN.grids["top_k"])
    assert len(found.points) == first + 2 * len(COEFFICIENTS)
    assert len({point.options["top_k"] for point in found.points[first:]}) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_the_protected_update_is_never_put_out(backbone, protocol) -> None:
    """Even where the best mixture is the one without it, which the yardstick then finds."""
    best = (0.6, 0.0, 0.8)
    held, left_out = (
        search(problem(backbone), attack, Bowl(backbone, best=best), protocol, norms={"one": 1.0})
        for attack in (
            PerTaskCoefficients(rule=TaskArithmetic()),
            LeaveOutPerTask(rule=TaskArithmetic()),
        )
    )
    assert coefficients(held, backbone) == (0.6, 0.1, 0.8)
    assert coefficients(left_out, backbone) == best
    assert left_out.chosen.counts["one"] > held.chosen.counts["one"]
    assert {point.options.get("moving", 0) for point in left_out.points} == {0, 1}


def test_coefficients_at_the_ends_of_their_grids_are_told() -> None:
    attack = PerTaskCoefficients(rule=TaskArithmetic(), coefficients=(0.1, 0.3, 1.2), value=0.1)
    assert attack.at_edge() == {"coefficient 0": 0.1, "coefficient 2": 1.2}
    moved = replace(attack, moving=1, value=0.0)  # put out, and nothing lies beyond
    assert moved.at_edge() == {"coefficient 0": 0.1, "coefficient 2": 1.2}
    others = LeaveOutPerTask(rule=TaskArithmetic(), coefficients=(0.1, 0.3), value=0.1)
    assert others.at_edge() == {}
    assert Hold(rule=TaskArithmetic(), nominal=1.1).at_edge() == {"nominal": 1.1}
    assert Hold(rule=TaskArithmetic()).at_edge() == {}


def test_a_turn_of_options_that_are_not_there_is_named(backbone) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Turning(InformedMerger):
        name: ClassVar[str] = "turning"
        paper: ClassVar[str] = "tests"
        alphas: ClassVar[tuple[float, ...]] = (1.0,)

        def turn(self, number: int, count: int) -> Mapping[str, Any] | None:
            return {"wheel": 1}

        def path(self, given):
            return MergePath(direction=given.protected)

    with pytest.raises(PluginError, match=r"turning .*made with wheel"):
        run(backbone, Turning(rule=TaskArithmetic()), CLEAN)


def test_zero_is_another_model_for_every_structure_of_an_attack_with_its_own(backbone) -> None:
    """`hold` at 0 is the protected update at one of several scales."""
    found = run(backbone, Hold(rule=TaskArithmetic()), CLEAN_EXHAUSTIVE)
    zeros = [point.options["nominal"] for point in found.points if point.alpha == 0]
    assert zeros == [0.9, 1.0, 1.1]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
@pytest.mark.parametrize(("best", "alpha"), [(0.7, 0.35), (6.0, 3.0), (0.1, 0.05)])
def test_coefficients_of_the_others_are_fine_ones_and_those_of_the_rule(
    backbone, protocol, best, alpha
) -> None:
    """The best of `(α - best)² + α²` is half of `best`: small, between those of a rule, large."""
    landscape = Bowl(backbone, best=(best, 1.0, 0.0), steep=800 / (1 + best**2))
    found = search(
        problem(backbone), Hold(rule=TaskArithmetic()), landscape, protocol, norms={"one": 1.0}
    )
    assert found.chosen.alpha == alpha


def test_what_was_evaluated_is_not_evaluated_again(backbone) -> None:
    """Each search of a coefficient begins at what it is, which its grid has as well."""
    landscape, attack = Bowl(backbone), PerTaskCoefficients(rule=TaskArithmetic())
    found = search(problem(backbone), attack, landscape, PAPER, norms={"one": 1.0})
    visited = 2 * (len(OWN) + 2 * len(COEFFICIENTS))
    assert len(found.points) == 2 * 3 + visited
    assert landscape.looks == visited
    for point in found.points:
        twins = [one for one in found.points if one.options == point.options]
        assert all(one.counts == point.counts for one in twins)
