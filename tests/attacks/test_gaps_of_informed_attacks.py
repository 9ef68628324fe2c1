"""Informed attacks that cut a spectrum say so as rules do, beside what their rule says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from informed import updates
from spectra import doubts, matrix
from synthetic import SITE, as_updates, attack, dense, distance

from attacks.hold import Hold
from attacks.parts.singular_vectors import GAP
from attacks.spaces.full import Full
from attacks.spaces.knots import KnOTS
from mergebench.backbones import Backbone, load_backbone
from mergebench.contracts import InformedMerger, Merger, Space
from mergebench.errors import PluginError
from mergebench.measure import DEGENERATE, MergeMeasurement
from mergebench.measure.protocols import CLEAN_EXHAUSTIVE
from mergebench.merging import InformedProblem, MergeProblem, Problem
from mergebench.registry import registry
from mergebench.updates import MergePath, Update
from mergebench.updates.update import Dense, LowRank, SiteUpdate


def informed(name: str, rule: str = "ta", **options: object) -> InformedMerger:
    return registry().get(InformedMerger, name)(rule=attack(rule), **options)


def of_informed(
    change: SiteUpdate, made: InformedMerger, beside: SiteUpdate | None = None
) -> tuple[MergePath, list[str]]:
    """Return the path of an attack on `change` among three others, and what is doubtful.

    `beside`: what it changes at a second site, as the others do.
    """
    others = dense((20, 30), 3, seed=5, dtype=change.dtype)
    every = as_updates([change, *others])
    if beside is not None:
        second = [beside, *dense((20, 30), 3, seed=6, dtype=beside.dtype)]
        every = [
            replace(one, sites={**one.sites, "second": own})
            for one, own in zip(every, second, strict=True)
        ]
    given = InformedProblem(every, place=0, space=registry().get(Space, "full")())
    return given.path(made), doubts(given, made)


def apart(first: MergePath, second: MergePath) -> float:
    """Return how far the merges at 1 are from each other."""
    return distance(*(path.at(1.0).sites[SITE].dense() for path in (first, second)))


EQUAL = [3.0, 1.0, 1.0, 1.0, 0.5]


@pytest.mark.parametrize("factors", [False, True])
@pytest.mark.parametrize("name", ["spectral", "spectral_merged"])
@pytest.mark.parametrize(
    ("kept", "warns"), [(1, False), (2, True), (4, False), (5, False), (-2, True), (-4, False)]
)
def test_a_filter_between_equal_values(name: str, factors: bool, kept: int, warns: bool) -> None:
    change: SiteUpdate = Dense(delta=matrix(EQUAL))
    if factors:
        left, values, right = torch.linalg.svd(change.dense(), full_matrices=False)
        change = LowRank(up=left[:, :5] * values[:5], down=right[:5])
    moved = Dense(delta=matrix(EQUAL) + 1e-7 * dense((20, 30), 1, seed=9)[0].delta)
    made = informed(name, kept=kept)
    path, warned = of_informed(change, made)
    again, _ = of_informed(moved, made)
    assert (apart(path, again) > 0.01) == (warned != []) == warns


def test_a_filter_that_leaves_rounding_alone() -> None:
    """TSV takes the directions of what is left for those of an update."""
    exact, (noise,) = matrix([1.0, 0.5]), dense((20, 30), 1, seed=9)
    made = informed("spectral_merged", "tsv", kept=-2)
    more = Dense(delta=matrix([1.0, 0.5, 0.2]).float())
    path, warned = of_informed(Dense(delta=exact.float()), made, more)
    again, _ = of_informed(Dense(delta=(exact * (1 + 6e-8 * noise.delta)).float()), made, more)
    assert len(warned) == 1
    assert apart(path, again) > 0.01, "the warning is about nothing"
    assert of_informed(Dense(delta=exact.float()), made)[1] == []  # nothing is left: all of it is
    for change in (LowRank(up=exact[:, :1], down=exact[:1]), Dense(delta=torch.zeros(20, 30))):
        assert of_informed(change, informed("spectral_merged", kept=-2))[1] == []


def test_a_projection_between_equal_values() -> None:
    left, values, right = torch.linalg.svd(matrix(EQUAL), full_matrices=False)
    factors = LowRank(up=left[:, :5] * values[:5], down=right[:5])
    for change, rank, warns in (
        (Dense(delta=matrix(EQUAL)), 2, True),
        (Dense(delta=matrix(EQUAL)), 4, False),
        (Dense(delta=matrix(EQUAL).float()), 5, False),
        (factors, 2, False),
    ):
        made = informed("project", rank=rank)
        path, warned = of_informed(change, made)
        noise = 1e-7 * dense((20, 30), 1, seed=9, dtype=change.dtype)[0].delta
        again, _ = of_informed(Dense(delta=change.dense() + noise), made)
        assert (warned != []) == warns
        if isinstance(change, Dense):
            assert (apart(path, again) > 0.01) == warns


@pytest.mark.parametrize("space", ["full", "knots"])
@pytest.mark.parametrize("name", ["spectral", "spectral_merged", "project"])
def test_no_warning_of_random_updates(name: str, space: str) -> None:
    given = InformedProblem(
        updates(factors_only=False), place=2, space=registry().get(Space, space)()
    )
    made = informed(name)
    given.path(made)
    assert GAP in given.notes(made)
    assert doubts(given, made) == []


def test_of_several_merges_the_most_doubtful_counts() -> None:
    """`hold_layers` merges all updates, which TSV cuts at 5 each, and then those without doubt."""
    equal = Dense(delta=matrix([1.0] * 8))
    assert len(of_informed(equal, informed("hold_layers", "tsv"))[1]) == 1
    assert of_informed(equal, informed("hold", "tsv"))[1] == []


def test_an_informed_attack_notes_numbers() -> None:
    class Noting(Hold):
        def path(self, given):
            for value in self.values:
                given.note("of its own", value)
            return super().path(given)

    class Some(Noting):
        values = (0.5, 0.2, 0.7)

    class Broken(Noting):
        values = (float("nan"),)

    given = InformedProblem(updates(), place=2, space=registry().get(Space, "full")())
    made, rule = Some(rule=attack("tsv")), attack("tsv")
    given.path(made)
    assert given.notes(made).keys() == {"of its own", *rule.least_notes}
    assert given.notes(made)["of its own"] == 0.2
    with pytest.raises(PluginError, match=r"notes\['of its own'\] is nan; expected a finite"):
        given.path(Broken(rule=rule))


class Even:
    """Stands for an evaluator to which all merges are alike."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone

    def correct(self, split: str) -> dict[str, int]:
        return {"one": 1}

    def sizes(self, split: str) -> dict[str, int]:
        return {"one": 2}


@pytest.mark.parametrize("space", ["full", "knots"])
def test_cells_have_the_warning(space: str) -> None:
    """Of an informed attack, and of a space under a rule that cuts nothing itself."""
    backbone = load_backbone("mini_vit", weights="random")
    name, site = next(iter(backbone.sites.items()))
    value = 1.0 if space == "full" else 1e-5 * (1 + 1e-8)
    equal = matrix([value] * min(site.weight.shape), tuple(site.weight.shape)).float()
    nothing = torch.zeros_like(equal)
    given = [Update(sites={name: Dense(delta=delta)}) for delta in (equal, nothing, nothing)]
    problems: dict[str, tuple[Problem, Merger | InformedMerger]] = {
        "full": (InformedProblem(given, place=0, space=Full()), informed("spectral")),
        "knots": (MergeProblem(given, space=KnOTS()), attack("ties")),
    }
    cell = MergeMeasurement(
        problem=problems[space][0],
        merger=problems[space][1],
        evaluator=Even(backbone),
        protocol=CLEAN_EXHAUSTIVE,
        norms={"one": 1.0},
        target=None,
    ).searched()
    assert cell.notes[GAP] < 1e-6
    assert DEGENERATE in {warning.kind for warning in cell.warnings}
