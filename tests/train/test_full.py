"""Full fine-tuning: what is trained, scaled, trapped, released and deployed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from narrow_towers import narrow_backbone
from torch import Tensor, nn
from torch.func import functional_call
from training import assert_unchanged, synthetic_task, weights_of

from mergebench.backbones import Backbone
from mergebench.errors import InputError
from mergebench.experiment.releases import load_release, save_release
from mergebench.measure.evaluate import Deployment, Evaluator, deployed
from mergebench.progress import Silent
from mergebench.suites import Task
from mergebench.train import Classifier, FullRecipe, FullTower, LoraTower, Step, train
from mergebench.updates import DENSE_NAME, load_update
from mergebench.updates.update import Dense, Update
from protections.none import Unprotected
from protections.trap2 import Trap2

TINY = FullRecipe(
    learning_rate=1e-3,
    steps=4,
    batch_size=8,
    warmup_steps=1,
    evaluate_every=4,
    probe_inputs=4,
    precision="fp32",
)
FROZEN = {"mini_vit": ["proj"], "mini_convnext": ["head.proj.weight"]}


@pytest.fixture(scope="module", params=["mini_vit", "mini_convnext"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return narrow_backbone(request.param)


@pytest.fixture(scope="module")
def task() -> Task:
    return synthetic_task()


def moved(backbone: Backbone, size: float = 0.05, recipe: FullRecipe = TINY) -> FullTower:
    """Return a tower whose every weight differs from the backbone's."""
    tower = FullTower(backbone, recipe)
    draws = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in tower.parameters:
            weight.add_(size * torch.randn(weight.shape, generator=draws))
    return tower


def pixels(backbone: Backbone, count: int = 5) -> Tensor:
    draws = torch.Generator().manual_seed(1)
    shape = (count, 3, 32, 32)
    return backbone.prepare(torch.randint(0, 256, shape, generator=draws, dtype=torch.uint8))


def test_everything_but_the_projection_is_trained(backbone: Backbone) -> None:
    paths = {path: parameter.shape for path, parameter in backbone.tower.named_parameters()}
    assert [path for path in paths if path not in backbone.tensor_paths.values()] == (
        FROZEN[backbone.name]
    )
    update = FullTower(backbone, TINY).update("x")
    assert list(update.sites) == list(backbone.tensor_paths)
    for name, change in update.sites.items():
        assert change.shape == tuple(paths[backbone.tensor_paths[name]])
    assert {len(change.shape) for change in update.sites.values()} == {1, 2, 4}
    assert set(backbone.sites) <= set(update.sites), "a site is called the same in every release"
    assert update.norm() == 0


def test_at_scale_zero_it_is_the_backbone_bit_for_bit(backbone: Backbone) -> None:
    hidden = pixels(backbone)
    with torch.no_grad():
        assert torch.equal(moved(backbone).embed(hidden, 0.0), backbone.tower(hidden))


@pytest.mark.parametrize("scale", [0.4, 1.0, 1.7])
def test_a_deployed_update_computes_what_was_trained(backbone: Backbone, scale: float) -> None:
    tower, hidden = moved(backbone), pixels(backbone)
    expected = tower.embed(hidden, scale).detach()
    before = weights_of(backbone)
    with torch.no_grad(), deployed(backbone, tower.update("x"), scale):
        found = backbone.tower(hidden)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert_unchanged(backbone, before)


def test_the_evaluator_sees_a_change_of_the_stem(backbone: Backbone, task: Task) -> None:
    """Its cached stem outputs would be those of the backbone."""
    tower = moved(backbone, size=0.3)
    classifier = Classifier(tower, task)
    examples = classifier.examples(task.splits["test"])
    evaluator = Evaluator(backbone, [task], precision="fp32")
    still = evaluator.correct("test")[task.name]
    found = []
    with Deployment(backbone, tower.update("x")) as deployment:
        for scale in (1.0, 0.5, 0.0):
            deployment.set(scale)
            found.append(evaluator.correct("test")[task.name])
    assert found == [classifier.correct(examples, scale) for scale in (1.0, 0.5, 0.0)]
    assert evaluator.correct("test")[task.name] == still


def test_an_update_of_the_stem_alone_changes_what_the_evaluator_computes(
    backbone: Backbone, task: Task
) -> None:
    name = "conv1.0.weight" if backbone.name == "mini_vit" else "trunk.stem.0.weight"
    change = torch.randn(backbone.tensors[name].shape, generator=torch.Generator().manual_seed(2))
    evaluator = Evaluator(backbone, [task], precision="fp32")

    def features() -> Tensor:
        pool = evaluator._pool("test")
        with torch.inference_mode():
            return evaluator._features(pool.inputs.of(slice(4)))

    before = features()
    with deployed(backbone, Update(sites={name: Dense(delta=change)})):
        during = features()
    assert not torch.allclose(during, before, atol=1e-3)
    assert torch.equal(features(), before)


def independent_gradients(
    backbone: Backbone, tower: FullTower, step: Step, scale: float
) -> list[Tensor]:
    """Return the gradient of the mean loss at `W0 + scale (W - W0)` with respect to that point."""
    start = {name: weight.detach() for name, weight in backbone.tensors.items()}
    points = {
        name: (start[name] + scale * (weight.detach() - start[name])).requires_grad_()
        for name, weight in zip(start, tower.parameters, strict=True)
    }
    weights = {backbone.tensor_paths[name]: point for name, point in points.items()}
    embeddings = functional_call(backbone.tower, weights, (step.hidden,))
    logits = backbone.logit_scale * (
        nn.functional.normalize(embeddings, dim=-1) @ step.classifier._head.T
    )
    loss = nn.functional.cross_entropy(logits, step.labels)
    return list(torch.autograd.grad(loss, list(points.values())))


@pytest.mark.parametrize("weighting", ["inverse", "one"])
def test_gradients_of_both_terms(backbone: Backbone, task: Task, weighting: Any) -> None:
    """With weight 1/s the trap's gradient is that at the scaled point; with 1, s times that."""
    tower = moved(backbone)
    classifier = Classifier(tower, task)
    examples = classifier.examples(task.splits["train"])
    step = Step(
        classifier=classifier,
        hidden=examples.hidden.of(slice(6)),
        labels=examples.labels[:6],
        index=3,
        steps=10,
        key=(0, task.name),
    )
    trap = Trap2(strength=0.3, weighting=weighting, recipe=TINY)
    trap.backward(step)
    scale = trap.draw_scale(step.generator("scale"))
    factor = 0.3 * (1.0 if weighting == "inverse" else scale)
    nominal = independent_gradients(backbone, tower, step, 1.0)
    scaled = independent_gradients(backbone, tower, step, scale)
    for weight, at_one, at_scale in zip(tower.parameters, nominal, scaled, strict=True):
        assert weight.grad is not None
        expected = at_one - factor * at_scale
        size = float(expected.norm())
        torch.testing.assert_close(weight.grad, expected, rtol=1e-3, atol=1e-4 * size + 1e-7)


def test_one_graph_is_alive_at_a_time(backbone: Backbone, task: Task) -> None:
    """What the passes of Trap² save for their backward passes is freed before the next one."""
    alive, most = 0, 0

    class _Counted:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal alive, most
            self.tensor = tensor
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def saved(strength: float) -> int:
        nonlocal most
        most = 0
        classifier = Classifier(moved(backbone), task)
        examples = classifier.examples(task.splits["train"])
        step = Step(
            classifier=classifier,
            hidden=examples.hidden.of(slice(4)),
            labels=examples.labels[:4],
            index=0,
            steps=1,
        )
        with torch.autograd.graph.saved_tensors_hooks(_Counted, lambda packed: packed.tensor):
            Trap2(strength=strength, recipe=TINY).backward(step)
        assert alive == 0
        return most

    plain = saved(0.0)
    assert plain > 50
    assert plain <= saved(0.1) < 1.5 * plain


def test_without_strength_it_is_plain_training_bit_for_bit(backbone: Backbone, task: Task) -> None:
    before = weights_of(backbone)
    plain, none = (
        train(backbone, task, objective, TINY, 1, Silent())
        for objective in (Unprotected(recipe=TINY), Trap2(strength=0.0, recipe=TINY))
    )
    trapped = train(backbone, task, Trap2(strength=0.1, recipe=TINY), TINY, 1, Silent())
    assert none.record["losses"] == plain.record["losses"]
    assert none.update.sha256 == plain.update.sha256 != trapped.update.sha256
    assert_unchanged(backbone, before)
    assert plain.record["losses"][-1] < plain.record["losses"][0]


def test_the_record_has_costs_and_norms(backbone: Backbone, task: Task) -> None:
    trap = Trap2(strength=0.1, until=0.5, recipe=TINY)
    release = train(backbone, task, trap, TINY, 0, Silent())
    found = release.record
    steps = found["step_seconds"]
    assert min(steps.values()) > 0
    assert 4 * steps["mean"] <= found["seconds"]
    assert found["peak_memory_bytes"] > 2**26  # torch alone is larger
    assert found["init_drift"] is None
    changes = {name: float(one.dense().norm()) for name, one in release.update.sites.items()}
    weights = {name: float(one.norm()) for name, one in backbone.tensors.items()}
    for name, ratio in found["norm_ratio"]["sites"].items():
        assert (ratio is None) == (weights[name] == 0)
        assert ratio is None or ratio == pytest.approx(changes[name] / weights[name], rel=1e-5)
    total = sum(one**2 for one in changes.values()) / sum(one**2 for one in weights.values())
    assert found["norm_ratio"]["total"] == pytest.approx(total**0.5, rel=1e-5)


def test_a_release_is_read_back_bit_for_bit(tmp_path: Path, backbone: Backbone) -> None:
    tower = moved(backbone)
    update = tower.update("x")
    save_release(update, tmp_path, backbone)
    assert [file.name for file in tmp_path.iterdir()] == [DENSE_NAME]
    back = load_release(tmp_path, backbone)
    assert back.sha256 == update.sha256
    fresh = FullTower(backbone, TINY)
    fresh.load(back)
    for mine, theirs in zip(fresh.parameters, tower.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)


def test_a_low_rank_release_stays_an_adapter(tmp_path: Path, backbone: Backbone) -> None:
    recipe = Unprotected().recipe
    update = LoraTower(backbone, recipe, seed=0, task="a").update("x")  # type: ignore[arg-type]
    save_release(update, tmp_path, backbone)
    assert (tmp_path / "adapter_config.json").is_file()
    assert load_release(tmp_path, backbone).sha256 == update.sha256


def test_a_release_of_another_backbone_is_refused(tmp_path: Path, backbone: Backbone) -> None:
    save_release(FullTower(backbone, TINY).update("x"), tmp_path, backbone)
    other = "mini_convnext" if backbone.name == "mini_vit" else "mini_vit"
    with pytest.raises(InputError, match=f"backbone is '{backbone.name}', which is not {other}"):
        load_release(tmp_path, narrow_backbone(other))
    shapes = dict.fromkeys(backbone.tensors, (1,))
    with pytest.raises(InputError, match="has shape"):
        load_update(tmp_path / DENSE_NAME, shapes, backbone.name)


def test_groups_of_a_batch_add_up(backbone: Backbone, task: Task) -> None:
    """Several scales per step run for full fine-tuning too: there are no masks to repeat."""
    trap = Trap2(strength=0.1, scales_per_step=2, recipe=replace(TINY, steps=1, evaluate_every=1))
    release = train(backbone, task, trap, trap.recipe, 0, Silent())
    assert release.update.norm() > 0
