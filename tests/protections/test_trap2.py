"""Trap² against its formula, and its identities with plain fine-tuning."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from training import TINY, randomised, synthetic_task, tiny_backbone

from mergebench.backbones import Backbone
from mergebench.errors import InputError
from mergebench.progress import Silent
from mergebench.suites import Task
from mergebench.train import Classifier, LoraTower, Recipe, Step, train
from protections.none import Unprotected
from protections.trap2 import Trap2


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_backbone()


@pytest.fixture(scope="module")
def task() -> Task:
    return synthetic_task()


def step_of(backbone: Backbone, task: Task, recipe: Recipe) -> Step:
    tower = randomised(LoraTower(backbone, recipe, seed=0, task=task.name))
    classifier = Classifier(tower, task)
    examples = classifier.examples(task.splits["train"])
    return Step(
        classifier=classifier,
        hidden=examples.hidden.of(slice(8)),
        labels=examples.labels[:8],
        index=2,
        steps=10,
        key=(0, task.name),
    )


# A strength of 1e-30 runs both passes, but its gradients vanish in the sum: what is left of the
# second pass is what it consumes of the random generators.
@pytest.mark.parametrize("strength", [0.0, 1e-30])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_without_strength_it_is_plain_training_bit_for_bit(
    backbone: Backbone, task: Task, strength: float, dropout: float
) -> None:
    # One evaluation, because the two may prefer different ones.
    recipe = replace(TINY, dropout=dropout, steps=4, evaluate_every=4)
    plain = train(backbone, task, Unprotected(), recipe, 1, Silent())
    trapped = train(backbone, task, Trap2(strength=strength), recipe, 1, Silent())
    assert trapped.record["losses"] == plain.record["losses"]
    assert trapped.update.sha256 == plain.update.sha256


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_pass_at_scale_one_repeats_the_nominal_loss(
    backbone: Backbone, task: Task, precision: Any, dropout: float
) -> None:
    step = step_of(backbone, task, replace(TINY, dropout=dropout, precision=precision))
    nominal = step.losses(1.0)
    step.losses(0.3)
    assert torch.equal(step.losses(1.0), nominal)
    if dropout:
        other = replace(step, index=3)
        assert not torch.equal(other.losses(1.0), nominal)


def test_scales_avoid_the_band_and_cover_both_sides_in_proportion() -> None:
    generator = torch.Generator().manual_seed(0)
    scales = torch.tensor([Trap2().draw_scale(generator) for _ in range(20_000)])
    assert float(scales.min()) >= 0.05
    assert float(scales.max()) <= 2.0
    assert not bool(((scales > 0.95) & (scales < 1.05)).any())
    below = scales[scales < 1]
    assert len(below) / len(scales) == pytest.approx(0.90 / 1.85, abs=0.012)
    assert float(below.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(scales[scales > 1].mean()) == pytest.approx(1.525, abs=0.01)


@dataclass
class _Toy:
    """A two-parameter stand-in for a step: loss of image i is `(1 + i) (s b a)²`, `ΔW = b a`."""

    b: Tensor
    a: Tensor
    index: int = 0
    steps: int = 10
    labels: tuple[int, ...] = (0, 0, 0, 0)
    guessing_loss: float = 0.8

    def losses(self, scale: float, part: slice = slice(None)) -> Tensor:
        return (torch.arange(1.0, 5.0)[part]) * (scale * self.b * self.a) ** 2

    def generator(self, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(7)


@pytest.mark.parametrize("weighting", ["inverse", "inverse_sqrt", "one"])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("cap", [0.0, 0.5])
def test_the_gradient_is_that_of_the_formula(weighting: Any, groups: int, cap: float) -> None:
    trap = Trap2(strength=0.3, weighting=weighting, scales_per_step=groups, cap=cap)
    toy = _Toy(torch.tensor(0.8, requires_grad=True), torch.tensor(0.5, requires_grad=True))
    trap.backward(toy)  # type: ignore[arg-type]

    draws = toy.generator("scale")
    scales = [trap.draw_scale(draws) for _ in range(groups)]
    b, a = (torch.tensor(value, requires_grad=True) for value in (0.8, 0.5))
    value = torch.tensor(0.0)
    for image in range(4):
        s = scales[image * groups // 4]
        w = {"inverse": 1 / s, "inverse_sqrt": s**-0.5, "one": 1.0}[weighting]
        scaled = (1 + image) * (s * b * a) ** 2
        scaled = torch.minimum(scaled, torch.tensor(0.8 * cap)) if cap else scaled
        value = value + ((1 + image) * (b * a) ** 2 - 0.3 * w * scaled) / 4
    expected = torch.autograd.grad(value, (b, a))
    torch.testing.assert_close((toy.b.grad, toy.a.grad), expected)


def test_one_over_s_leaves_the_gradient_of_the_scaled_point(backbone: Backbone, task: Task) -> None:
    step = step_of(backbone, task, replace(TINY, precision="fp32"))
    tower, s = step.classifier.tower, 0.4
    ups, downs = tower.parameters[::2], tower.parameters[1::2]
    through_scale = torch.autograd.grad(step.losses(s).mean() / s, ups)
    with torch.no_grad():
        for up in ups:
            up.mul_(s)
    at_point = torch.autograd.grad(step.losses(1.0).mean(), ups)
    assert len(downs) == len(ups)
    for first, second in zip(through_scale, at_point, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-4 * float(second.norm()))


def test_guessing_loses_the_logarithm_of_the_number_of_classes(
    backbone: Backbone, task: Task
) -> None:
    step = step_of(backbone, task, TINY)
    assert step.guessing_loss == pytest.approx(math.log(len(task.classes)))


def test_strength_waits_and_rises() -> None:
    trap = Trap2(strength=0.2, delay=0.5, ramp=0.2)
    assert [trap.strength_at(done) for done in (0.0, 0.49, 0.5)] == [0.0, 0.0, 0.0]
    assert trap.strength_at(0.6) == pytest.approx(0.1)
    assert trap.strength_at(0.9) == 0.2
    assert Trap2(strength=0.2).strength_at(0.0) == 0.2


def test_strength_ends() -> None:
    trap = Trap2(strength=0.2, until=0.8)
    assert [trap.strength_at(done) for done in (0.79, 0.8, 0.99)] == [0.2, 0.0, 0.0]


def test_a_trap_raises_the_off_nominal_loss(backbone: Backbone, task: Task) -> None:
    def off_nominal_loss(strength: float) -> float:
        step = step_of(backbone, task, TINY)
        optimizer = torch.optim.Adam(step.classifier.tower.parameters, lr=3e-3)
        trap = Trap2(strength=strength, scales_per_step=2, cap=3.0)
        for index in range(12):
            trap.backward(replace(step, index=index))
            optimizer.step()
            optimizer.zero_grad()
        return sum(float(step.losses(scale).detach().mean()) for scale in (0.3, 0.6, 1.5))

    assert off_nominal_loss(0.5) > off_nominal_loss(0.0) + 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale_min": 0.0}, "leave no scale"),
        ({"scale_max": 1.0}, "leave no scale"),
        ({"weighting": "square"}, "weighting"),
        ({"scales_per_step": 0}, "scales_per_step is 0; give a number from 1 to 64"),
        ({"scales_per_step": 65}, "scales_per_step is 65; give a number from 1 to 64"),
        ({"scale_max": 1e9}, "scale_max is 1000000000.0; give a number from 1 to 1000"),
        ({"strength": -0.1}, "strength is -0.1; give a number from 0 to 1000000"),
        ({"cap": -1.0}, "cap is -1.0; give a number from 0 to 1000000"),
        ({"delay": 0.6, "until": 0.5}, "leave no step"),
        ({"until": 1.5}, "leave no step"),
        ({"scales_per_step": 2, "recipe": Recipe(dropout=0.1)}, r"needs recipe\.dropout 0"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Trap2(**options)
