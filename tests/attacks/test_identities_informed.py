"""What informed attacks become at the ends of their hyper-parameters."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from informed import PLACE, RULES, difference, problem, updates
from synthetic import distance

from attacks.hold import Hold
from attacks.hold_layers import HoldAttentionOutputs, HoldLayers
from attacks.leave_out import LeaveOut
from attacks.leave_out_per_task import LeaveOutPerTask
from attacks.parts.singular_vectors import GAP
from attacks.per_task_coefficients import PerTaskCoefficients
from attacks.restore_norms import RestoreNorms
from attacks.smooth import Smooth
from attacks.spectral import Spectral, SpectralMerged
from attacks.task_arithmetic import TaskArithmetic
from attacks.ties import Ties
from mergebench.contracts import Space
from mergebench.errors import InputError
from mergebench.merging import InformedProblem, merge
from mergebench.registry import registry
from mergebench.updates import Dense, LowRank, Update


def full(rule, given: list[Update], **options) -> Update:
    return merge(rule, given, space=registry().get(Space, "full")(), **options)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("kept", [0, 100], ids=["none dropped", "all kept"])
def test_spectral_with_every_direction_is_holding_and_the_rule(rule, kept) -> None:
    given = updates(factors_only=rule.needs_factors)
    held = problem(given).path(Hold(rule=rule))
    filtered = problem(given).path(Spectral(rule=rule, kept=kept))
    assert difference(filtered.at(0.4), held.at(0.4)) < 1e-12
    merged = problem(given).path(SpectralMerged(rule=TaskArithmetic(), kept=kept))
    assert difference(merged.at(0.4), full(TaskArithmetic(), given).scaled(0.4)) < 1e-12


@pytest.mark.parametrize("dense", [False, True], ids=["factors", "dense"])
def test_a_filter_that_would_leave_nothing_leaves_everything(dense: bool) -> None:
    given = updates(factors_only=True)
    rank = max(change.rank for change in given[PLACE].sites.values())
    if dense:
        sites = {site: Dense(delta=own.dense()) for site, own in given[PLACE].sites.items()}
        given = [*given[:PLACE], Update(sites=sites), *given[PLACE + 1 :]]
    whole, rule = problem(given), TaskArithmetic()
    filtered = whole.path(Spectral(rule=rule, kept=-rank)).at(0.4)
    assert difference(filtered, whole.path(Hold(rule=rule)).at(0.4)) == 0
    assert GAP not in whole.notes(Spectral(rule=rule, kept=-rank))
    merged = whole.path(SpectralMerged(rule=rule, kept=-rank)).at(0.4)
    assert difference(merged, full(rule, given).scaled(0.4)) == 0
    kept = whole.path(Spectral(rule=rule, kept=1 - rank)).at(0.4)
    assert difference(kept, filtered) > 0.01


def test_spectral_parts_are_the_best_approximation_and_what_it_misses() -> None:
    given = updates(factors_only=False)
    best, rest = (
        problem(given).path(Spectral(rule=TaskArithmetic(), kept=kept)).at(0.0) for kept in (1, -1)
    )
    for site, change in given[PLACE].sites.items():
        own = change.dense()
        if own.ndim != 2:
            assert torch.equal(best.sites[site].dense(), own)
            continue
        left, values, right = torch.linalg.svd(own)
        first = values[0] * left[:, :1] @ right[:1]
        assert (best.sites[site].dense() - first).norm() < 1e-12 * own.norm()
        assert (rest.sites[site].dense() - (own - first)).norm() < 1e-12 * own.norm()


def test_spectral_of_factors_forms_no_dense_change(monkeypatch) -> None:
    monkeypatch.setattr(LowRank, "dense", lambda change: pytest.fail("dense"))
    given = updates()
    fixed = problem(given).path(Spectral(rule=TaskArithmetic(), kept=2)).fixed
    assert fixed is not None
    assert all(change.rank <= 2 for change in fixed.sites.values())


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if not rule.needs_factors], ids=lambda rule: rule.name
)
@pytest.mark.parametrize("samples", [1, 3])
def test_smooth_without_noise_is_the_rule(rule, samples) -> None:
    given = updates(factors_only=rule.needs_factors)
    path = problem(given).path(Smooth(rule=rule, sigma=0, samples=samples))
    assert path.fixed is None
    assert difference(path.at(0.7), full(rule, given).scaled(0.7)) < 1e-12


@pytest.mark.parametrize("noise", ["any", "orthogonal"])
def test_smooth_adds_noise_of_the_stated_length(noise) -> None:
    given = updates(factors_only=False)
    smooth = Smooth(rule=TaskArithmetic(), sigma=0.2, noise=noise)
    path, rule = problem(given).path(smooth), full(TaskArithmetic(), given)
    for site, change in given[PLACE].sites.items():
        added = path.direction.sites[site].dense() - rule.sites[site].dense()
        assert float(added.norm()) == pytest.approx(0.2 * float(change.dense().norm()), rel=1e-9)
        along = float((added * change.dense()).sum() / added.norm() / change.dense().norm())
        assert (abs(along) < 1e-9) == (noise == "orthogonal")


def test_noise_depends_on_seed_task_and_site_alone() -> None:
    given, space = updates(), registry().get(Space, "full")()

    def added(seed: int, place: int) -> Update:
        found = InformedProblem(given, place=place, space=space, seed=seed)
        return found.path(Smooth(rule=TaskArithmetic())).direction

    assert added(0, PLACE).sha256 == added(0, PLACE).sha256
    assert len({added(seed, place).sha256 for seed in (0, 1) for place in (0, 1)}) == 4


def test_the_average_of_noisy_sums_has_less_noise() -> None:
    given = updates()
    rule = full(TaskArithmetic(), given)
    few, many = (
        problem(given).path(Smooth(rule=TaskArithmetic(), sigma=0.5, samples=samples)).direction
        for samples in (1, 25)
    )
    assert difference(many, rule) < 0.3 * difference(few, rule)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("share", [1, -1])
def test_holding_all_layers_is_holding(rule, share) -> None:
    given = updates(factors_only=rule.needs_factors)
    layers = problem(given).path(HoldLayers(rule=rule, share=share))
    assert difference(layers.at(0.4), problem(given).path(Hold(rule=rule)).at(0.4)) == 0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_holding_no_layer_is_the_rule(rule) -> None:
    given = updates(factors_only=rule.needs_factors)
    path = problem(given).path(HoldLayers(rule=rule, share=0))
    assert difference(path.at(0.4), full(rule, given).scaled(0.4)) == 0
    outputs = problem(given).path(HoldAttentionOutputs(rule=rule))
    assert difference(outputs.at(0.4), path.at(0.4)) == 0  # these sites are none


def test_held_layers_are_those_at_an_end_by_number() -> None:
    sites = [f"block.{number}.{part}" for number in (10, 2, 0) for part in ("fc", "attn.out_proj")]
    rule = TaskArithmetic()
    first = ["block.0.attn.out_proj", "block.0.fc"]
    last = ["block.10.attn.out_proj", "block.10.fc"]
    assert HoldLayers(rule=rule, share=1 / 3).held(sites) == first
    assert HoldLayers(rule=rule, share=-1 / 3).held(sites) == last
    assert HoldLayers(rule=rule, share=-2 / 3).held(sites)[-2:] == last
    assert HoldAttentionOutputs(rule=rule).held(sites) == [
        f"block.{number}.attn.out_proj" for number in (0, 2, 10)
    ]


def test_a_held_layer_and_a_merged_one() -> None:
    given = updates()
    path = problem(given).path(HoldLayers(rule=Ties(), share=0.5))
    held = problem(given).path(Hold(rule=Ties())).at(0.3)
    assert path.fixed is not None
    assert list(path.fixed.sites) == ["tall"]  # before "wide"
    assert torch.equal(path.at(0.3).sites["tall"].dense(), held.sites["tall"].dense())
    merged = full(Ties(), given).scaled(0.3).sites["wide"]
    assert torch.equal(path.at(0.3).sites["wide"].dense(), merged.dense())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_equal_coefficients_are_the_rule_of_scaled_updates(rule) -> None:
    given = updates(factors_only=rule.needs_factors)
    attack = PerTaskCoefficients(rule=rule, value=0.3, coefficients=(0.3,) * len(given))
    expected = full(rule, given, coefficients=(0.3,) * len(given))
    assert difference(problem(given).path(attack).at(1.0), expected) < 1e-12


def test_every_update_has_its_own_coefficient() -> None:
    given = updates()
    attack = PerTaskCoefficients(
        rule=TaskArithmetic(), coefficients=(0.9, 0.1, 0.2, 0.3), moving=1, value=0.5
    )
    found = problem(given).path(attack).at(1.0)
    factors = (0.5, 0.2, 0.9, 0.3)  # the protected update is the third
    assert difference(found, full(TaskArithmetic(), given, coefficients=factors)) < 1e-15
    start = problem(given).path(PerTaskCoefficients(rule=TaskArithmetic())).at(1.0)
    held = problem(given).path(Hold(rule=TaskArithmetic())).at(0.3)
    assert difference(start, held) < 1e-15


@pytest.mark.parametrize(
    ("attack", "options", "message"),
    [
        (Smooth, {"sigma": -1.0}, "attack smooth: sigma is -1.0; give a number from 0"),
        (Smooth, {"samples": 0}, "attack smooth: samples is 0; give a number from 1"),
        (Smooth, {"noise": "x"}, "attack smooth: noise is 'x'; choose from: any, orthogonal"),
        (HoldLayers, {"share": 2.0}, "attack hold_layers: share is 2.0; give a number from -1"),
        (PerTaskCoefficients, {"rounds": 0}, "per_task_coefficients: rounds is 0; give a number"),
        (Spectral, {"kept": 10**9}, "attack spectral: kept is 1000000000; give a number"),
    ],
)
def test_wrong_options_are_refused(attack, options, message) -> None:
    with pytest.raises(InputError, match=message):
        attack(**options)


def test_more_coefficients_than_updates_are_refused() -> None:
    given = updates()
    attack = PerTaskCoefficients(rule=TaskArithmetic(), coefficients=(0.5,) * 9)
    message = (
        rf"{len(given)} updates have {len(given)} coefficients, and coefficients has 9 numbers"
    )
    with pytest.raises(InputError, match=message):
        problem(given).path(attack)


def test_the_others_alone_have_their_own_coefficients() -> None:
    given = updates()
    others = [update for place, update in enumerate(given) if place != PLACE]
    attack = LeaveOutPerTask(
        rule=TaskArithmetic(), coefficients=(0.9, 0.1, 0.2), moving=1, value=0.5
    )
    found = problem(given).path(attack).at(1.0)
    expected = full(TaskArithmetic(), others, coefficients=(0.9, 0.5, 0.2))
    assert difference(found, expected) < 1e-15
    start = problem(given).path(LeaveOutPerTask(rule=TaskArithmetic())).at(1.0)
    assert difference(start, problem(given).path(LeaveOut(rule=TaskArithmetic())).at(0.3)) < 1e-15
    with pytest.raises(InputError, match=r"4 updates have 3 coefficients, and .* moving is 3"):
        problem(given).path(replace(attack, moving=3))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_restored_norms_are_those_of_the_updates(rule) -> None:
    """Of four updates the lesser of the two norms in the middle; nothing else of a merge moves."""
    given = updates(factors_only=rule.needs_factors)
    merged, whole = full(rule, given), problem(given)
    for like, place in (("protected", None), ("median", 1)):
        found = whole.path(RestoreNorms(rule=rule, like=like)).at(1.0)
        for site, change in found.sites.items():
            norms = sorted(one.sites[site].dense().norm() for one in given)
            own = given[PLACE].sites[site].dense().norm() if place is None else norms[place]
            plain = merged.sites[site].dense()
            assert distance(change.dense(), plain * (own / plain.norm())) < 1e-12


def test_a_site_that_a_merge_leaves_stays_where_norms_are_restored() -> None:
    given = [update.scaled(0.0) for update in updates()]
    assert problem(given).path(RestoreNorms(rule=TaskArithmetic())).at(1.0).norm() == 0
    with pytest.raises(InputError, match="like is 'mean'; choose from: protected, median"):
        RestoreNorms(rule=TaskArithmetic(), like="mean")
