"""What undoing gives back: the function, whatever maps a protection drew, and a merge."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from informed import difference
from small_encoder import tiny_encoder, token_ids
from small_tower import full_updates, small_backbone, tasks_of
from torch import Tensor
from torch.func import functional_call

from attacks.hold import Hold
from attacks.hold_realigned import HoldRealigned
from attacks.realign import Realign
from attacks.task_arithmetic import TaskArithmetic
from attacks.ties import Ties
from mergebench.backbones import Backbone, load_backbone
from mergebench.contracts import InformedMerger, Space
from mergebench.errors import InputError
from mergebench.merging import InformedProblem
from mergebench.registry import registry
from mergebench.symmetries import Checkpoint, pair_paths
from mergebench.train import PostHoc
from mergebench.updates import Dense, Update
from protections.mergelock import MergeLock
from protections.params import Params

PROTECTIONS = [
    *(Params(attention=variant) for variant in ("none", "diagonal", "symmetric", "nonsymmetric")),
    *(MergeLock(kappa=kappa) for kappa in (2.0, 10.0)),
]
ATTENTION = PROTECTIONS[1:]
RULE = TaskArithmetic()


def _named(protection: PostHoc) -> str:
    own = {name: value for name, value in protection.options().items() if name != "recipe"}
    return f"{protection.name}-{'-'.join(map(str, own.values()))}"


def trained(backbone: Backbone, size: float = 0.2, seed: int = 0) -> Update:
    """Return a change of every trained tensor of that relative norm, float64."""
    draws, sites = torch.Generator().manual_seed(seed), {}
    for name, weight in backbone.tensors.items():
        noise = torch.randn(weight.shape, generator=draws, dtype=torch.float64)
        sites[name] = Dense(delta=size * float(weight.detach().norm()) * noise / noise.norm())
    return Update(sites=sites, label=f"trained {seed}")


def protected(protection: PostHoc, backbone: Backbone, update: Update, seed: int = 0) -> Update:
    return protection.changed(backbone, update, (protection.name, seed, "task"))


def realigned(backbone: Backbone, update: Update, method: str = "gauge") -> Update:
    return Realign(method=method).realigned(Checkpoint(backbone=backbone, update=update))


def embeddings(backbone: Backbone, update: Update) -> Tensor:
    """Return what the tower makes of some inputs in float64."""
    checkpoint = Checkpoint(backbone=backbone, update=update)
    weights = {path: checkpoint.released(path) for path in backbone.tensor_paths.values()}
    if backbone.name == "small":
        prepared = backbone.prepare(tasks_of(1)[0].splits["val"].inputs).double()
    else:
        prepared = backbone.prepare(token_ids(20))
    with torch.no_grad():
        found: Tensor = functional_call(copy.deepcopy(backbone.tower).double(), weights, prepared)
    return found


def distance(first: Tensor, second: Tensor) -> float:
    return float((first - second).norm() / second.norm())


@pytest.fixture(scope="module", params=["vit", "bert"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return small_backbone() if request.param == "vit" else tiny_encoder()


@pytest.mark.parametrize("protection", PROTECTIONS, ids=_named)
def test_undoing_keeps_the_function_and_forgets_the_seed(backbone, protection) -> None:
    update = trained(backbone)
    expected, plain = embeddings(backbone, update), realigned(backbone, update)
    assert distance(embeddings(backbone, plain), expected) < 1e-10
    for seed in (0, 1):
        hidden = protected(protection, backbone, update, seed)
        assert difference(hidden, update) > 0.1
        assert distance(embeddings(backbone, hidden), expected) < 1e-9
        undone = realigned(backbone, hidden)
        assert distance(embeddings(backbone, undone), expected) < 1e-9
        assert difference(undone, plain) < 1e-6, "it depends on what the protection drew"
    assert plain.norm() <= update.norm() * (1 + 1e-12)


def test_keys_are_put_back_where_a_release_keeps_their_biases(backbone) -> None:
    """Attention does not depend on them, so that a protection need not change them."""
    update, protection = trained(backbone), MergeLock(kappa=10.0)
    names = {path: name for name, path in backbone.tensor_paths.items()}
    keys = {names[f"{pair.right}.bias"] for pair, _ in pair_paths(backbone.parts)}

    def left_as_they_are(one: Update) -> Update:
        return replace(
            one, sites={name: own for name, own in one.sites.items() if name not in keys}
        )

    plain = realigned(backbone, left_as_they_are(update))
    for seed in (0, 1):
        hidden = left_as_they_are(protected(protection, backbone, update, seed))
        assert distance(embeddings(backbone, hidden), embeddings(backbone, update)) < 1e-9
        assert hidden.norm() > 2 * update.norm()
        undone = realigned(backbone, hidden)
        assert distance(embeddings(backbone, undone), embeddings(backbone, update)) < 1e-9
        assert undone.sites.keys() == hidden.sites.keys()
        assert difference(undone, plain) < 1e-6, "it depends on what the protection drew"


@pytest.mark.parametrize("protection", ATTENTION, ids=_named)
def test_aga_brings_the_weights_near_and_changes_the_function(backbone, protection) -> None:
    update = trained(backbone)
    hidden = protected(protection, backbone, update)
    expected = embeddings(backbone, update)
    errors = {}
    for method in ("permutation", "aga", "gauge"):
        undone = realigned(backbone, hidden, method)
        errors[method] = distance(embeddings(backbone, undone), expected)
        assert (undone.norm() < 1.01 * update.norm()) == (method != "permutation")
    assert errors["gauge"] < 1e-9 < errors["permutation"] * 1e9 < errors["aga"] * 1e9
    assert errors["aga"] > 1e-3


def test_permuted_units_are_put_back(backbone) -> None:
    update = trained(backbone)
    hidden = protected(Params(attention="none"), backbone, update)
    assert difference(hidden, update) > 0.1
    for method in ("permutation", "aga", "gauge"):
        undone = realigned(backbone, hidden, method)
        for mlp in backbone.parts.mlps():
            for path in (f"{mlp.first}.weight", f"{mlp.first}.bias", f"{mlp.second}.weight"):
                name = {path: name for name, path in backbone.tensor_paths.items()}[path]
                torch.testing.assert_close(
                    undone.sites[name].dense(), update.sites[name].dense(), rtol=0, atol=1e-14
                )


@pytest.mark.parametrize("size", [0.02, 0.2, 0.5])
def test_the_gauge_is_at_a_minimum(backbone, size) -> None:
    """No small map inside a head brings the pair nearer, and its product is unchanged."""
    update = trained(backbone, size)
    hidden = protected(MergeLock(kappa=10.0), backbone, update)
    undone = Checkpoint(backbone=backbone, update=realigned(backbone, hidden))
    draws = torch.Generator().manual_seed(2)
    for both in pair_paths(backbone.parts):
        for paths in both:
            base, pair = paths.read(undone.pretrained), paths.read(undone.released)
            before = paths.read(Checkpoint(backbone=backbone, update=update).released)
            assert distance(pair.product(), before.product()) < 1e-9
            identity = torch.eye(pair.left.shape[1], dtype=torch.float64)
            least = _objective(pair, base)
            for _ in range(5):
                noise = torch.randn(identity.shape, generator=draws, dtype=torch.float64)
                for step in (1e-4, -1e-4):
                    assert _objective(pair.mapped(identity + step * noise), base) > least


def _objective(pair, base) -> float:
    return float((pair.left - base.left).square().sum() + (pair.right - base.right).square().sum())


@pytest.mark.parametrize(
    ("method", "error", "function_error"), [("aga", 0.54, 0.55), ("gauge", 0.36, 0.0)]
)
def test_errors_on_a_pretrained_tower(method, error, function_error) -> None:
    """Of the change, and of what each head computes, as measured once for changes of 0.2 ‖W0‖."""
    backbone = load_backbone("mini_vit")
    attention = {name for name in backbone.tensors if ".attn." in name}
    update = trained(backbone)
    update = replace(update, sites={name: update.sites[name] for name in attention})
    hidden = protected(MergeLock(kappa=10.0), backbone, update)
    squares = torch.zeros(4, dtype=torch.float64)
    before, after = (
        Checkpoint(backbone=backbone, update=one)
        for one in (update, realigned(backbone, hidden, method))
    )
    for paths in (one for both in pair_paths(backbone.parts) for one in both):
        base, true, found = (
            paths.read(weights) for weights in (before.pretrained, before.released, after.released)
        )
        products = [pair.product() for pair in (base, true, found)]
        sides = [
            torch.cat([pair.left.flatten(), pair.right.flatten()]) for pair in (base, true, found)
        ]
        for place, (zero, one, other) in ((0, sides), (2, products)):
            squares[place] += (other - one).square().sum()
            squares[place + 1] += (one - zero).square().sum()
    errors = (squares[::2] / squares[1::2]).sqrt()
    assert float(errors[0]) == pytest.approx(error, abs=0.01)
    assert float(errors[1]) == pytest.approx(function_error, abs=0.01 if function_error else 1e-12)


def test_a_merge_with_a_protected_update_is_that_of_the_unprotected_one(backbone) -> None:
    updates = [trained(backbone, seed=seed) for seed in range(3)]
    hidden = protected(Params(attention="nonsymmetric"), backbone, updates[1])
    space = registry().get(Space, "full")()

    def merged(own: Update, base: Backbone | None = backbone) -> Update:
        given = [updates[0], own, updates[2]]
        load = None if base is None else lambda: base
        problem = InformedProblem(given, place=1, space=space, base=load)
        return problem.path(Realign(rule=RULE)).at(0.4)

    assert difference(merged(hidden), merged(updates[1])) < 1e-6
    problem = InformedProblem(
        [updates[0], hidden, updates[2]], place=1, space=space, base=lambda: backbone
    )
    first, own, last = problem.path(Realign(rule=RULE)).merged
    assert (first.norm(), last.norm()) == (updates[0].norm(), updates[2].norm())
    assert own.norm() < hidden.norm() / 2, "what was merged is not what was given"
    with pytest.raises(InputError, match="compares with the backbone, which it was not given"):
        merged(hidden, base=None)


@pytest.mark.parametrize("protection", [Params(attention="nonsymmetric"), MergeLock(kappa=2.0)])
@pytest.mark.parametrize("nominal", [0.9, 1.0])
def test_held_is_what_realigning_gives_back_however_it_was_rearranged(
    backbone, protection: PostHoc, nominal: float
) -> None:
    updates = [trained(backbone, seed=seed) for seed in range(3)]
    hidden = protected(protection, backbone, updates[1])
    space = registry().get(Space, "full")()

    def merged(attack: InformedMerger, own: Update) -> Update:
        given = [updates[0], own, updates[2]]
        problem = InformedProblem(given, place=1, space=space, base=lambda: backbone)
        return problem.path(attack).at(0.4)

    hold = Hold(rule=RULE, nominal=nominal)
    held = merged(hold, realigned(backbone, updates[1]))
    assert difference(merged(HoldRealigned(rule=RULE, nominal=nominal), hidden), held) < 1e-6
    assert difference(merged(hold, hidden), held) > 0.1


def test_it_is_realigned_once_for_all_points(monkeypatch) -> None:
    backbone, calls = small_backbone(), []
    monkeypatch.setattr(Realign, "realigned", lambda self, one: calls.append(self) or one.update)
    given = full_updates(3)
    space = registry().get(Space, "full")()
    problem = InformedProblem(given, place=1, space=space, base=lambda: backbone)
    for rule in (RULE, Ties(top_k=10), Ties(top_k=20)):
        problem.path(Realign(rule=rule))
    problem.path(HoldRealigned(rule=RULE))
    problem.path(Realign(rule=RULE, method="aga"))
    assert len(calls) == 2


def test_what_was_changed_in_part_was_not_rearranged() -> None:
    """An adapter has changes of weights alone, and keeps its factors."""
    backbone = small_backbone()
    update = trained(backbone)
    weights = {site: update.sites[site] for site in backbone.sites}
    some = replace(update, sites=weights)
    assert realigned(backbone, some) is some


def test_a_wrong_method_is_refused() -> None:
    with pytest.raises(InputError, match="attack realign: method is 'x'; choose from: permutation"):
        Realign(method="x")
