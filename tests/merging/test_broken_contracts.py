"""Plug-ins that break their contracts are named, with site and fault; nothing goes on with them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from training import synthetic_task

from mergebench.backbones import load_backbone
from mergebench.contracts import (
    DataMerger,
    Encoded,
    MergeData,
    Merger,
    Protection,
    Release,
    Site,
    Space,
)
from mergebench.errors import InputError, PluginError
from mergebench.merging import MergeProblem, merge
from mergebench.progress import Silent
from mergebench.registry import registry
from mergebench.updates import Dense, LowRank, Update


def quit_with_success(*_: object) -> None:
    sys.exit(0)


def fail(*_: object) -> None:
    raise KeyError("weight")


def updates(dtype: torch.dtype = torch.float32) -> list[Update]:
    draws = torch.Generator().manual_seed(0)

    def factor(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draws, dtype=dtype)

    return [Update(sites={"fc": LowRank(up=factor(6, 2), down=factor(2, 8))}) for _ in range(3)]


def find_space(name: str) -> Space:
    return registry().get(Space, name)()


@dataclass(frozen=True, kw_only=True)
class Rule(Merger):
    """A rule that does what it is told."""

    name: ClassVar[str] = "rule"
    paper: ClassVar[str] = "none: an example"
    spaces: ClassVar[tuple[str, ...]] = ("full", "core", "odd")

    does: Callable[..., Any]
    weighs: Callable[[int], Any] = lambda count: None

    def weights(self, count: int) -> Any:
        return self.weighs(count)

    def combine(self, stack: torch.Tensor, site: Site) -> Any:
        return self.does(stack)


@pytest.mark.parametrize(
    ("does", "fault"),
    [
        (fail, "KeyError: 'weight'"),
        (quit_with_success, "SystemExit: 0"),
        (lambda stack: None, "combine returned None; expected a tensor of shape 6×8"),
        (lambda stack: [stack[0]], "combine returned list; expected a tensor"),
        (lambda stack: stack, "combine returned shape 3×6×8; expected 6×8"),
        (lambda stack: stack[0].double(), "combine returned torch.float64 on cpu; expected"),
        (lambda stack: stack[0].to_sparse(), "combine returned a sparse tensor"),
        (lambda stack: stack[0].requires_grad_(), "combine returned a sparse tensor, or one with"),
        (lambda stack: stack.mul_(2).sum(0), "combine changed `stack` in place; work on stack.cl"),
        (lambda stack: stack[0].add_(stack[1]), "combine changed `stack` in place"),
    ],
    ids=range(10),
)
def test_a_rule(does: Callable[..., Any], fault: str) -> None:
    with pytest.raises(PluginError) as caught:
        merge(Rule(does=does), updates(), space=find_space("full"))
    line = str(caught.value)
    assert line.startswith(f"attack rule of {os.path.relpath(__file__)}: at site fc: {fault}")


def test_a_rule_may_return_a_view_and_merges_again() -> None:
    problem = MergeProblem(updates(), space=find_space("core"))
    rule = Rule(does=lambda stack: stack[0])
    first, second = (problem.merge(rule).sites["fc"].dense() for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("weighs", "fault"),
    [
        (fail, "KeyError: 'weight'"),
        (lambda count: [1.0], "weights(3) returned [1.0]; expected 3 numbers, or None"),
        (lambda count: [float("nan")] * 3, "weights(3) returned [nan, nan, nan]; expected 3"),
        (lambda count: ["a"] * 3, "ValueError: could not convert"),
    ],
    ids=range(4),
)
def test_the_weights_of_a_rule(weighs: Callable[[int], Any], fault: str) -> None:
    with pytest.raises(PluginError) as caught:
        merge(Rule(does=fail, weighs=weighs), updates(), space=find_space("full"))
    assert f": at site fc: {fault}" in str(caught.value)


@dataclass(frozen=True, kw_only=True)
class Odd(Space):
    """A space that encodes as it is told."""

    name: ClassVar[str] = "odd"
    paper: ClassVar[str] = "none: an example"

    encodes: Callable[..., Any]

    def encode(self, changes: Any, *, rotation_invariant: bool) -> Any:
        return self.encodes(torch.stack([change.dense() for change in changes]))


def encoded(stack: torch.Tensor, **parts: Any) -> Encoded:
    return Encoded(stack=stack, shape=(6, 8), **parts)


@pytest.mark.parametrize(
    ("encodes", "fault"),
    [
        (fail, "KeyError: 'weight'"),
        (lambda stack: stack, "encode returned Tensor; expected Encoded"),
        (lambda stack: encoded(stack[0]), "encode returned a stack that is no float tensor"),
        (lambda stack: encoded(stack[:2]), "encode returned a stack 2×6×8 with bases that do not"),
        (
            lambda stack: encoded(stack[:, :4]),
            "encode returned a stack 3×4×8 with bases that do not fit it and 3",
        ),
        (
            lambda stack: encoded(stack, left=torch.eye(6)[:, :5]),
            "encode returned a stack 3×6×8 with bases that do not fit",
        ),
    ],
    ids=range(6),
)
def test_a_space(encodes: Callable[..., Any], fault: str) -> None:
    with pytest.raises(PluginError, match=r"^space odd of ") as caught:
        merge(Rule(does=lambda stack: stack[0]), updates(), space=Odd(encodes=encodes))
    assert f": at site fc: {fault}" in str(caught.value)


def test_a_space_that_fits_is_used() -> None:
    space = Odd(encodes=lambda stack: encoded(stack[:, :, :3], right=torch.eye(8)[:3]))
    merged = merge(Rule(does=lambda stack: stack[0]), updates(), space=space)
    assert torch.equal(merged.sites["fc"].dense()[:, 3:], torch.zeros(6, 5))


@dataclass(frozen=True, kw_only=True)
class Looks(DataMerger):
    """An attack that does what it is told."""

    name: ClassVar[str] = "looks"
    paper: ClassVar[str] = "none: an example"

    does: Callable[[MergeData], Any]

    def merge(self, given: MergeData) -> Any:
        return self.does(given)


@dataclass(frozen=True, kw_only=True)
class Guards(Protection):
    """A protection that does what it is told."""

    name: ClassVar[str] = "guards"
    paper: ClassVar[str] = "none: an example"

    does: Callable[[Any], Any]

    def protect(self, backbone: Any, task: Any, *, seed: int, progress: Any) -> Any:
        return self.does(backbone)


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("mini_vit", weights="random")


@pytest.fixture
def given(backbone) -> MergeData:
    sites = {
        name: Dense(delta=torch.zeros(site.out_features, site.in_features))
        for name, site in backbone.sites.items()
    }
    return MergeData(backbone=backbone, updates=(Update(sites=sites),), tasks=(), seed=0)


def changing(backbone) -> torch.Tensor:
    return next(iter(backbone.tensors.values())).data


def changed(given: MergeData) -> Update:
    changing(given.backbone)[0] += 1e-3
    return given.updates[0]


def permuted(given: MergeData) -> Update:
    weight = given.backbone.sites[next(iter(given.backbone.sites))].weight.data
    weight.copy_(weight.flip(0))
    return given.updates[0]


def noted(given: MergeData) -> Update:
    given.notes["error"] = torch.tensor(1.0)  # type: ignore[assignment]
    return given.updates[0]


def without_first(given: MergeData) -> Update:
    return Update(sites=dict([*given.updates[0].sites.items()][1:]))


def with_another(given: MergeData) -> Update:
    return Update(sites={**given.updates[0].sites, "head.7": Dense(delta=torch.zeros(2))})


def doubled(given: MergeData) -> Update:
    sites = given.updates[0].sites
    return Update(sites={name: Dense(delta=one.dense().double()) for name, one in sites.items()})


@pytest.mark.parametrize(
    ("does", "fault"),
    [
        (fail, "KeyError: 'weight'"),
        (quit_with_success, "SystemExit: 0"),
        (lambda given: None, "returned None; expected an Update"),
        (without_first, "the result lacks 1 site of the updates, such as "),
        (with_another, "the result has a site head.7, which the backbone lacks"),
        (doubled, "the result has torch.float64 of shape "),
        (noted, "notes['error'] is tensor(1.); expected a finite number"),
        (changed, "changed 1 of the backbone's weights, such as visual."),
        (permuted, "changed 1 of the backbone's weights, such as "),
    ],
    ids=range(9),
)
def test_an_attack_that_looks_at_inputs(given, does, fault) -> None:
    kept = {name: one.clone() for name, one in given.backbone.model.state_dict().items()}
    with pytest.raises(PluginError, match=r"^attack looks of .*\.py: in merge: ") as caught:
        Looks(does=does)(given)
    given.backbone.model.load_state_dict(kept)
    assert f": in merge: {fault}" in str(caught.value)


def test_an_attack_that_keeps_its_contract(given) -> None:
    assert Looks(does=lambda given: given.updates[0])(given) is given.updates[0]


@pytest.mark.parametrize(
    ("does", "fault"),
    [
        (fail, "KeyError: 'weight'"),
        (lambda backbone: None, "protect returned None; expected a Release"),
        (
            lambda backbone: Release(update=Update(sites={}), record={}),
            "protect returned a record that is no mapping, or an update without sites",
        ),
        (
            lambda backbone: Release(
                update=Update(sites={"fc": Dense(delta=torch.zeros(2))}), record={}
            ),
            "the update has a site fc, which the backbone lacks",
        ),
        (lambda backbone: changing(backbone)[0].add_(1), "changed 1 of the backbone's weights"),
    ],
    ids=range(5),
)
def test_a_protection(backbone, does, fault) -> None:
    kept, task = changing(backbone).clone(), synthetic_task()
    with pytest.raises(PluginError, match=r"^protection guards of ") as caught:
        Guards(does=does)(backbone, task, seed=0, progress=Silent())
    changing(backbone).copy_(kept)
    assert f": on task {task.name}: {fault}" in str(caught.value)


def test_hyper_parameters_that_cannot_be_set() -> None:
    with pytest.raises(PluginError, match=r"attack rule of .*: made with no options: TypeError: "):
        Rule.configured()
    with pytest.raises(PluginError, match=r"attack rule of .*: made with speed: TypeError"):
        Rule(does=fail).with_options(speed=1)
    with pytest.raises(InputError, match=r"^attack ties: top_k is 0"):
        registry().get(Merger, "ties").configured(top_k=0)
