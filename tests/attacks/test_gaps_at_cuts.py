"""What cuts a spectrum says how wide the gap at the cut is, and warns where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from informed import updates
from synthetic import SITE, as_updates, attack, dense, distance, low_rank, problem
from torch import Tensor

from attacks.hold import Hold
from attacks.parts.singular_vectors import GAP, GAPS, truncated_sums
from attacks.spaces.full import Full
from attacks.spaces.knots import KnOTS
from mergebench.backbones import Backbone, load_backbone
from mergebench.contracts import InformedMerger, Merger, Space
from mergebench.errors import PluginError
from mergebench.measure import CLEAN_EXHAUSTIVE, DEGENERATE, MergeMeasurement
from mergebench.measure.cell_warnings import degenerate_bases
from mergebench.merging import InformedProblem, MergeProblem, Problem
from mergebench.registry import registry
from mergebench.updates import MergePath, Update
from mergebench.updates.update import Dense, LowRank, SiteUpdate


def doubts(given: Problem, made: Merger | InformedMerger) -> list[str]:
    """Return the warnings of the last merge, as a cell and `merge` have them."""
    found = list(degenerate_bases(given.notes(made), given.least_notes(made)))
    assert {warning.kind for warning in found} <= {DEGENERATE}
    return [warning.detail for warning in found]


def warnings_of(changes: list[LowRank], name: str, space: str, **options: object) -> list[str]:
    rule, given = attack(name, **options), problem(changes, space)
    given.merge(rule)
    return doubts(given, rule)


def matrix(values: Sequence[float], shape: tuple[int, int] = (20, 30), seed: int = 0) -> Tensor:
    """Return a float64 matrix of these singular values, with random singular vectors."""
    rows, columns = (torch.linalg.qr(dense((n, n), 1, seed=seed)[0].delta)[0] for n in shape)
    return (
        rows[:, : len(values)]
        * torch.tensor(values, dtype=torch.float64)
        @ (columns[:, : len(values)].T)
    )


def test_tsv_where_all_singular_values_of_knots_are_one() -> None:
    """As many or more factors than inputs: `V_i` has orthonormal rows, of which k = n // T lead."""
    changes = low_rank(64, 16, [4] * 8)
    (warned,) = warnings_of(changes, "tsv", "knots")
    assert warned.startswith(GAP)
    assert warned.endswith("(below 1e-06)")
    moved = [LowRank(up=one.up + 1e-7 * torch.randn_like(one.up), down=one.down) for one in changes]
    merged = [problem(given, "knots").merge(attack("tsv")) for given in (changes, moved)]
    first, second = (one.sites["blocks.0.attn.q_proj"].dense() for one in merged)
    assert distance(first, second) > 0.5, "the warning is about nothing"


def test_tsv_that_keeps_null_vectors() -> None:
    changes = low_rank(40, 48, [4] * 4)
    assert len(warnings_of(changes, "tsv", "full", rank_mode="reference")) == 1


@pytest.mark.parametrize("name", ["tsv", "cart", "iso_c", "iso_cts"])
@pytest.mark.parametrize("space", ["full", "core"])
def test_no_warning_where_the_cut_is_clear(name: str, space: str) -> None:
    assert warnings_of(low_rank(40, 48, [4] * 4), name, space) == []


def test_cart_of_equal_singular_values() -> None:
    """Two updates, `±τ/2` about their mean, with τ's values 1: a cut after 5 of 8 is arbitrary."""
    left = torch.linalg.qr(dense((20, 8), 1)[0].delta)[0]
    right = torch.linalg.qr(dense((30, 8), 1, seed=1)[0].delta)[0].T
    changes = [LowRank(up=left, down=right), LowRank(up=torch.zeros_like(left), down=right)]
    assert warnings_of(changes, "cart", "full", rank_fraction=0.21) != []
    assert warnings_of(changes, "cart", "full", rank_fraction=0.4) == [], "nothing is cut"


@pytest.mark.parametrize("name", ["tsv", "iso_c", "iso_cts"])
def test_what_is_remembered_keeps_its_own_notes(name: str) -> None:
    """Rules that share a problem write to the same note; each is judged by its own."""
    rule, given = attack(name), problem(low_rank(40, 48, [4] * 4), "core")
    given.merge(rule)
    own = given.notes(rule)
    given.merge(attack("cart", rank_fraction=0.16))
    assert given.notes(rule) != own, "the other rule wrote nothing"
    given.merge(rule)
    assert given.notes(rule) == own


def test_the_note_is_that_of_the_last_rank() -> None:
    changes = low_rank(40, 48, [4] * 4)
    given = problem(changes, "core")
    gaps = []
    for fraction in (0.04, 0.32, 1.0, 0.04):
        rule = attack("cart", rank_fraction=fraction)
        given.merge(rule)
        gaps.append(given.notes(rule)[GAP])
    mean = torch.stack([one.dense() for one in changes]).mean(dim=0)
    spectra = [torch.linalg.svdvals(one.dense() - mean) for one in changes]
    expected = [min(float(1 - own[k] / own[k - 1]) for own in spectra) for k in (1, 6)]
    assert gaps == pytest.approx([*expected, 1.0, expected[0]])


def test_an_informed_attack_passes_on_what_its_rule_says() -> None:
    rule = attack("iso_c", after="tsv")
    assert GAPS.items() <= rule.least_notes.items()
    assert len(rule.least_notes) > len(GAPS), "those of tsv too"
    hold = registry().get(InformedMerger, "hold")(rule=rule)
    assert hold.least_notes == rule.least_notes


def test_to_cut_what_is_rounding_is_no_cut() -> None:
    (change,) = low_rank(20, 30, [3])
    sums = truncated_sums(change.dense()[None], [2, 3, 7])
    assert sums[2].gap < 1
    assert sums[3].gap == sums[7].gap == 1
    assert distance(sums[7].total, change.dense()) < 1e-12


def of_knots(joint: Tensor, rule: str, **options: object) -> tuple[Tensor, list[str]]:
    """Return the merge of two updates that stand side by side in `joint`, and what is doubtful."""
    halves = [Dense(delta=half.clone()) for half in joint.chunk(2, dim=1)]
    given, made = MergeProblem(as_updates(halves), space=KnOTS(**options)), attack(rule)
    return given.merge(made).sites[SITE].dense(), doubts(given, made)


@pytest.mark.parametrize("rule", ["ties", "tsv"])
def test_a_singular_value_at_the_threshold_of_knots(rule: str) -> None:
    """Kept or not, it is rounding; with it the merge is another one, small as it is."""
    kept, warned = of_knots(matrix([1.0, 0.5, 0.2, 1e-5 * (1 + 1e-8)]), rule)
    cut, warned_too = of_knots(matrix([1.0, 0.5, 0.2, 1e-5 * (1 - 1e-8)]), rule)
    assert [detail.split(" 1e-08")[0] for detail in (*warned, *warned_too)] == [GAP, GAP]
    assert distance(kept, cut) > 0.01, "the warning is about nothing"
    relative = [1.0, 0.5, 0.1 * (1 + 1e-8)]
    assert len(of_knots(matrix(relative), rule, threshold=0.1, relative=True)[1]) == 1


@pytest.mark.parametrize(
    "values",
    [[1.0, 0.5, 0.2], [1.0, 0.5, 2e-5, 5e-6], [1e-6], [1.0, 1.0, 1.0], [0.0]],
    ids=["rank 3", "some left out", "all left out", "equal but kept", "nothing"],
)
def test_a_threshold_of_knots_that_is_clear(values: list[float]) -> None:
    assert of_knots(matrix(values), "ties")[1] == []


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("rule", ["ties", "tsv"])
def test_rounding_that_knots_keeps(rule: str, scale: float) -> None:
    """Of large dense updates of low rank it exceeds the threshold; small ones lose it there."""
    exact = scale * torch.cat([change.dense() for change in low_rank(64, 48, [4] * 2)], dim=1)
    noise = 1 + 6e-8 * torch.randn(exact.shape, generator=torch.Generator().manual_seed(0))
    found, warned = of_knots(exact.float(), rule)
    again, _ = of_knots((exact * noise).float(), rule)
    assert (distance(found, again) > 0.01) == (warned != []) == (scale == 100)


def informed(name: str, rule: str = "ta", **options: object) -> InformedMerger:
    return registry().get(InformedMerger, name)(rule=attack(rule), **options)


def of_informed(change: SiteUpdate, made: InformedMerger) -> tuple[MergePath, list[str]]:
    """Return the path of an attack on `change` among three others, and what is doubtful."""
    others = dense((20, 30), 3, seed=5, dtype=change.dtype)
    given = InformedProblem(
        as_updates([change, *others]), place=0, space=registry().get(Space, "full")()
    )
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
    path, warned = of_informed(Dense(delta=exact.float()), made)
    again, _ = of_informed(Dense(delta=(exact * (1 + 6e-8 * noise.delta)).float()), made)
    assert len(warned) == 1
    assert apart(path, again) > 0.01, "the warning is about nothing"
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
