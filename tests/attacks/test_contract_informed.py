"""What every informed attack must do with every rule, and the identities between them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from informed import PLACE, RULES, TASKS, difference, problem, updates
from synthetic import hashes

from attacks.hold import Hold
from attacks.leave_out import LeaveOut
from attacks.project import Project
from attacks.restore import Restore
from attacks.smooth import Smooth
from attacks.task_arithmetic import TaskArithmetic
from attacks.ties import Ties
from mergebench.contracts import Attack, InformedMerger, Merger, Space, Suspected
from mergebench.errors import InputError, PluginError, check_range
from mergebench.experiment import check_attack, get_setting
from mergebench.merging import merge
from mergebench.registry import registry
from mergebench.updates import Dense, LowRank, MergePath, Update

PAIRS = [
    pytest.param(found.plugin, rule, space, id=f"{found.plugin.name}:{rule.name}@{space}")
    for found in registry().all(InformedMerger)
    for rule in RULES
    for space in rule.spaces
    if space in found.plugin.spaces
    if found.plugin is not Smooth or not rule.needs_factors
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("attack", "rule", "space"), PAIRS)
def test_contract(attack, rule, space, dtype) -> None:
    needs_factors = rule.needs_factors or registry().get(Space, space).needs_factors
    given = updates(factors_only=needs_factors, dtype=dtype)
    before = hashes(given)
    merger = attack(rule=rule)
    merged = problem(given, space).path(merger).at(0.7)
    again = problem(given, space).path(merger).at(0.7)

    assert hashes(given) == before, "an input was changed"
    assert merged.sha256 == again.sha256, "two equal calls differ"
    for site, change in given[0].sites.items():
        assert merged.sites[site].shape == change.shape
        assert merged.sites[site].dtype == dtype


@pytest.mark.parametrize(("attack", "rule", "space"), PAIRS)
def test_every_searched_option_can_be_set(attack, rule, space) -> None:
    merger = attack(rule=rule)
    for name, values in merger.searched.items():
        for value in values:
            assert merger.with_options(**{name: value}).option(name) == value
    assert merger.label == f"{attack.name}:{rule.name}"


@pytest.mark.parametrize("attack", [Hold, Restore, Project])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_without_the_others_the_protected_model_is_left(attack, rule) -> None:
    given = updates(factors_only=rule.needs_factors)
    path = problem(given).path(attack(rule=rule))
    assert difference(path.at(0.0), given[PLACE]) == 0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_leave_out_is_the_merge_of_the_others(rule) -> None:
    given = updates(factors_only=rule.needs_factors)
    left = given[:PLACE] + given[PLACE + 1 :]
    expected = merge(rule, left, space=registry().get(Space, "full")())
    assert difference(problem(given).path(LeaveOut(rule=rule)).at(1.0), expected) == 0


def test_restoring_a_sum_of_orthogonal_updates_is_holding() -> None:
    given = [
        Update(sites={"site": Dense(delta=torch.eye(TASKS, dtype=torch.float64)[[task]])})
        for task in range(TASKS)
    ]
    for per in ("site", "model"):
        restored = problem(given).path(Restore(rule=TaskArithmetic(), per=per))
        held = problem(given).path(Hold(rule=TaskArithmetic()))
        assert difference(restored.at(0.4), held.at(0.4)) == 0


def test_restoring_a_sum_is_holding_but_for_what_the_others_have_along_it() -> None:
    given = updates(factors_only=False)
    restored = problem(given).path(Restore(rule=TaskArithmetic())).at(0.4)
    held = problem(given).path(Hold(rule=TaskArithmetic())).at(0.4)
    for site, change in given[PLACE].sites.items():
        own = change.dense()
        others = [one.sites[site].dense() for place, one in enumerate(given) if place != PLACE]
        along = float((sum(others) * own).sum()) / change.squared_norm()
        assert abs(along) > 1e-6
        expected = held.sites[site].dense() - 0.4 * along * own
        assert (restored.sites[site].dense() - expected).norm() < 1e-12 * expected.norm()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_projecting_what_does_not_interfere_is_holding(rule) -> None:
    """Each update has an input and an output of its own, so that the projectors change nothing."""
    units = torch.eye(TASKS, dtype=torch.float64)
    changes = [LowRank(up=unit[:, None], down=unit[None]) for unit in units]
    dense = not rule.needs_factors
    given = [
        Update(sites={"site": Dense(delta=change.dense()) if dense else change})
        for change in changes
    ]
    projected = problem(given).path(Project(rule=rule))
    held = problem(given).path(Hold(rule=rule))
    assert difference(projected.at(0.4), held.at(0.4)) < 1e-12
    assert float(held.at(0.4).sites["site"].dense()[PLACE, PLACE]) == 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("per", ["site", "model"])
def test_restoring_gives_the_nominal_component_back(rule, per) -> None:
    """At every coefficient the inner product with the protected update is that of itself."""
    given = updates(factors_only=rule.needs_factors)
    held = given[PLACE]
    path = problem(given).path(Restore(rule=rule, per=per))
    for alpha in (0.3, 1.7):
        inner = {
            site: float((change.dense() * held.sites[site].dense()).sum())
            for site, change in path.at(alpha).sites.items()
        }
        norms = {site: change.squared_norm() for site, change in held.sites.items()}
        if per == "site":
            assert inner == pytest.approx(norms, rel=1e-10)
        assert sum(inner.values()) == pytest.approx(sum(norms.values()), rel=1e-10)


@pytest.mark.parametrize("sides", ["both", "inputs"])
def test_projected_others_do_not_act_where_the_protected_one_does(sides) -> None:
    given = updates(factors_only=False)
    path = problem(given).path(Project(rule=TaskArithmetic(), sides=sides, rank=5))
    for site in ("wide", "tall", "dense"):
        held, moved = given[PLACE].sites[site].dense(), path.direction.sites[site].dense()
        left, values, right = torch.linalg.svd(held, full_matrices=False)
        rank = min(5, int((values > 1e-9).sum()))
        assert (moved @ right[:rank].T).norm() < 1e-12 * moved.norm()
        leaked = (left[:, :rank].T @ moved).norm()
        assert leaked < 1e-12 * moved.norm() if sides == "both" else leaked > 1e-3 * moved.norm()


def test_projecting_away_nothing_is_holding() -> None:
    """An update of rank 0 acts nowhere."""
    given = updates()
    given[PLACE] = given[PLACE].scaled(0.0)
    projected = problem(given).path(Project(rule=Ties()))
    held = problem(given).path(Hold(rule=Ties()))
    assert difference(projected.at(0.5), held.at(0.5)) < 1e-15


def test_holding_at_another_scale() -> None:
    given = updates()
    path = problem(given).path(Hold(rule=TaskArithmetic(), nominal=0.9))
    expected = merge(
        TaskArithmetic(),
        given,
        space=registry().get(Space, "full")(),
        coefficients=[0.5, 0.5, 0.9, 0.5],
    )
    assert difference(path.at(0.5), expected) < 1e-15


def test_noise_has_no_factors() -> None:
    smooth = Smooth(rule=registry().get(Merger, "peft_linear")())
    with pytest.raises(InputError, match="is dense, but attack peft_linear needs"):
        problem(updates()).path(smooth)


def test_names() -> None:
    assert check_attack("hold") == ("hold:ta", "full")
    assert check_attack("hold:tsv@core") == ("hold:tsv", "core")
    assert get_setting("mini_vit").attack("hold:tsv").label == "hold:tsv"
    with pytest.raises(InputError, match="attack ties is not built on a rule: leave out :ta"):
        check_attack("ties:ta")
    with pytest.raises(InputError, match="unknown attack 'tsw'"):
        check_attack("hold:tsw")
    with pytest.raises(InputError, match="unknown attack 'regmean'"):
        check_attack("hold:regmean")  # it looks at inputs


def test_a_rule_is_needed() -> None:
    with pytest.raises(InputError, match="attack hold is built on a rule"):
        problem(updates()).path(Hold())


def test_doubts_are_those_of_the_rule_and_its_own() -> None:
    class Doubtful(Hold):
        smallest = {"of its own": 0.5}  # noqa: RUF012

    rule = registry().get(Merger, "tsv")()
    assert rule.least_notes
    assert Doubtful(rule=rule).least_notes == {**rule.least_notes, "of its own": 0.5}
    assert Doubtful().least_notes == {"of its own": 0.5}


def test_an_attack_on_a_rule_is_checked_by_all_its_bases() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Odd(Attack):
        odd: int = 1

        def __post_init__(self) -> None:
            super().__post_init__()
            check_range("odd", self.odd, 1, 1)

    @dataclass(frozen=True, kw_only=True)
    class Both(Hold, Odd):
        name = "both"

    with pytest.raises(InputError, match="odd is 2; give a number"):
        Both(odd=2)


def test_broken_paths_are_named() -> None:
    class Elsewhere(Hold):
        def path(self, given):
            return MergePath(direction=Update(sites={"nowhere": Dense(delta=torch.ones(1))}))

    class Nothing(Hold):
        def path(self, given):
            return None

    for broken, fault in ((Elsewhere, "a site nowhere"), (Nothing, "returned NoneType")):
        with pytest.raises(PluginError, match=fault):
            problem(updates()).path(broken(rule=TaskArithmetic()))


def test_an_attack_is_not_told_where_updates_lie_and_errors_are(monkeypatch) -> None:
    files = [one.labelled(f"releases/{place}-trap2") for place, one in enumerate(updates())]
    seen: list[Suspected] = []
    monkeypatch.setattr(Hold, "path", lambda attack, given: seen.append(given) or _scaled(given))
    problem(files).path(Hold(rule=TaskArithmetic()))
    assert [one.label for one in seen[0].updates] == [f"update {place}" for place in range(TASKS)]
    assert "trap2" not in repr(seen[0])
    wide = files[0].sites["wide"].dense()
    files[0] = Update(sites={**files[0].sites, "wide": Dense(delta=wide)}, label="releases/0-trap2")
    with pytest.raises(InputError, match="releases/0-trap2: site wide is dense, but space core"):
        problem(files, "core").path(Hold(rule=TaskArithmetic()))


def _scaled(given: Suspected) -> MergePath:
    return MergePath(direction=given.merged([one.scaled(0.5) for one in given.updates]))
