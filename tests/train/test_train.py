"""The fine-tuning loop: what it returns, what it leaves alone, and its schedule."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from narrow_towers import narrow_backbone
from torch import Tensor
from training import TINY, assert_unchanged, randomised, synthetic_task, weights_of

from mergebench.backbones import Backbone, load_backbone
from mergebench.errors import InputError
from mergebench.measure.evaluate import Evaluator
from mergebench.progress import Silent
from mergebench.suites import Split, Task, load_suite
from mergebench.train import (
    CURVE_SCALES,
    Classifier,
    FineTuned,
    LoraTower,
    Losses,
    Recipe,
    Step,
    train,
)
from mergebench.train.selection import Candidate, Selection
from mergebench.updates.update import LowRank, Update
from protections.none import Unprotected


@pytest.fixture(scope="module", params=["mini_vit", "mini_convnext"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return narrow_backbone(request.param)


@pytest.fixture(scope="module")
def task() -> Task:
    return synthetic_task()


class _Failing(FineTuned):
    name = "failing"
    paper = ""

    def backward(self, step: Step) -> Losses:
        if step.index == 1:
            raise RuntimeError("stop here")
        step.losses(1.0).mean().backward()
        return Losses(nominal=0.0)


class _Diverging(FineTuned):
    name = "diverging"
    paper = ""

    def backward(self, step: Step) -> Losses:
        return Losses(nominal=float("nan"))


def test_training_learns_and_leaves_the_backbone_as_it_was(backbone: Backbone, task: Task) -> None:
    before, state = weights_of(backbone), torch.get_rng_state()
    recipe = replace(TINY, steps=16, learning_rate=5e-3, evaluate_every=8)
    release = train(backbone, task, Unprotected(), recipe, 0, Silent())
    assert_unchanged(backbone, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert tuple(release.update.sites) == tuple(backbone.sites)
    losses = release.record["losses"]
    assert len(losses) == 16
    assert losses[-1] < losses[0]
    assert release.record["validation"]["correct"] == 10


def test_the_backbone_survives_an_exception(backbone: Backbone, task: Task) -> None:
    before = weights_of(backbone)
    with pytest.raises(RuntimeError, match="stop here"):
        train(backbone, task, _Failing(), TINY, 0, Silent())
    assert_unchanged(backbone, before)
    assert all(type(linear) is torch.nn.Linear for linear in backbone.sites.values())


def test_a_diverging_run_is_one_clear_error(backbone: Backbone, task: Task) -> None:
    with pytest.raises(InputError, match="loss is nan at step 1; lower the learning rate"):
        train(backbone, task, _Diverging(), TINY, 0, Silent())


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_equal_arguments_give_equal_bits(backbone: Backbone, task: Task, dropout: float) -> None:
    recipe = replace(TINY, dropout=dropout)
    first = train(backbone, task, Unprotected(), recipe, 3, Silent())
    torch.manual_seed(99)  # the global generator has no say
    second = train(backbone, task, Unprotected(), recipe, 3, Silent())
    other = train(backbone, task, Unprotected(), recipe, 4, Silent())
    assert first.update.sha256 == second.update.sha256
    assert first.update.sha256 != other.update.sha256
    assert first.record["losses"] == second.record["losses"]


@pytest.mark.parametrize("scale", [0.0, 0.4, 1.0, 1.7])
def test_summed_weights_compute_what_pefts_layers_compute(backbone: Backbone, scale: float) -> None:
    recipe = replace(TINY, precision="fp32", lora_alpha=6, dropout=1e-9)
    tower = randomised(LoraTower(backbone, recipe, seed=0, task="any"))
    pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    hidden = backbone.parts.stem(pixels)
    gradients = []
    outputs = []
    for output in (tower.embed(hidden, scale), tower.embed_training(hidden, scale, 0)):
        gradients.append(torch.autograd.grad(output.square().sum(), tower.parameters))
        outputs.append(output.detach())
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)
    for merged, layered in zip(*gradients, strict=True):
        torch.testing.assert_close(merged, layered, rtol=1e-3, atol=1e-4 * float(merged.norm()))


def test_the_released_update_deploys_to_the_trained_function(backbone: Backbone) -> None:
    recipe = replace(TINY, precision="fp32", lora_alpha=6)
    tower = randomised(LoraTower(backbone, recipe, seed=0, task="any"))
    pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    hidden = backbone.parts.stem(pixels)
    expected = tower.embed(hidden, 0.7).detach()
    weights = {
        f"{site}.weight": backbone.sites[site].weight + 0.7 * change.dense()
        for site, change in tower.update("x").sites.items()
    }
    deployed = torch.func.functional_call(backbone.tower, weights, (pixels,))
    torch.testing.assert_close(deployed, expected, rtol=1e-4, atol=1e-5)
    fresh = LoraTower(backbone, recipe, seed=1, task="any")
    fresh.load(tower.update("x"))
    torch.testing.assert_close(fresh.embed(hidden, 0.7).detach(), expected)


def test_the_trained_classifier_is_the_evaluated_one() -> None:
    """Class by class, so that a label map which only one of them has shows."""
    backbone, task = load_backbone("mini_vit"), load_suite("mini8", ("mnist",)).task("mnist")
    tower = LoraTower(backbone, replace(TINY, precision="fp32"), seed=0, task="mnist")
    classifier, split = Classifier(tower, task), task.splits["val"]
    hits = Evaluator(backbone, [task], precision="fp32").hits("val")["mnist"]
    assert int(hits.sum()) > len(hits) / 2
    for label in range(len(task.classes)):
        own = split.labels == label
        shown = Split(inputs=split.inputs[own], labels=split.labels[own])
        assert classifier.correct(classifier.examples(shown)) == int(hits[own].sum())


def test_what_overflows_is_of_no_class(backbone: Backbone, task: Task) -> None:
    classifier = Classifier(randomised(LoraTower(backbone, TINY, seed=0, task="any")), task)
    examples = classifier.examples(task.splits["val"])
    assert (examples.labels == 0).any()  # what the first of the classes would be right about
    assert classifier.correct(examples, 1e38) == 0
    assert classifier.predicted(examples).min() >= 0


def test_training_never_sees_the_test_images(task: Task) -> None:
    test = task.splits["test"]
    negatives = Split(inputs=255 - test.inputs, labels=test.labels)
    other = replace(task, splits={**task.splits, "test": negatives})
    first, second = (
        train(narrow_backbone(), each, Unprotected(), TINY, 0, Silent()) for each in (task, other)
    )
    assert first.update.sha256 == second.update.sha256
    assert first.record["losses"] == second.record["losses"]
    assert first.record["evaluations"] == second.record["evaluations"]


@pytest.mark.parametrize("shared", [True, False])
def test_initial_factors_are_shared_between_tasks_if_asked(shared: bool) -> None:
    backbone = narrow_backbone()
    recipe = replace(TINY, shared_init=shared)
    first, second = (LoraTower(backbone, recipe, seed=0, task=name).update("") for name in "ab")
    changes = zip(first.sites.values(), second.sites.values(), strict=True)
    assert all(torch.equal(one.tensors[1], two.tensors[1]) is shared for one, two in changes)
    assert first.norm() == 0


def test_initial_factors_are_kaiming_uniform() -> None:
    backbone = narrow_backbone()
    update = LoraTower(backbone, TINY, seed=0, task="a").update("")
    for change in update.sites.values():
        bound = change.shape[1] ** -0.5  # sqrt(6 / ((1 + 5) fan_in))
        assert isinstance(change, LowRank)
        assert 0.95 * bound < float(change.down.abs().max()) <= bound


class _Recorder(FineTuned):
    """Multiplies the gradient by a large factor, to be clipped."""

    name = "recorder"
    paper = ""

    def backward(self, step: Step) -> Losses:
        loss = 1e4 * step.losses(1.0).mean()
        loss.backward()
        return Losses(nominal=float(loss.detach()))


def test_the_gradient_is_clipped(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    step = torch.optim.AdamW.step

    def spy(self: torch.optim.AdamW) -> None:
        gradients = [p.grad for g in self.param_groups for p in g["params"] if p.grad is not None]
        norms.append(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))
        step(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    backbone = narrow_backbone()
    train(backbone, task, _Recorder(), replace(TINY, clip_norm=0.5), 0, Silent())
    assert norms == pytest.approx([0.5] * 6, rel=1e-4)
    norms.clear()
    train(backbone, task, _Recorder(), replace(TINY, clip_norm=None), 0, Silent())
    assert min(norms) > 1


def test_the_schedule_warms_up_linearly_and_ends_on_a_cosine() -> None:
    recipe = Recipe(learning_rate=1.0, warmup_steps=4, steps=24)
    rates = [recipe.learning_rate_at(step) for step in range(24)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[14] == pytest.approx(0.5)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert 0 < rates[-1] < 0.01


def test_the_logit_scale_is_the_backbones_unless_given(task: Task) -> None:
    backbone = narrow_backbone()

    def losses(scale: float | None) -> Tensor:
        recipe = replace(TINY, logit_scale=scale)
        classifier = Classifier(LoraTower(backbone, recipe, seed=0, task="a"), task)
        examples = classifier.examples(task.splits["val"])
        return classifier.losses(examples.hidden.of(slice(4)), examples.labels[:4], 1.0, 0).detach()

    assert torch.equal(losses(None), losses(backbone.logit_scale))
    assert not torch.equal(losses(None), losses(10_000.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank is 0"),
        ({"learning_rate": 0.0}, r"learning_rate is 0\.0"),
        ({"warmup_steps": -1}, "warmup_steps is -1"),
        ({"patience": 0}, "patience 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"precision": "fp16"}, "choose from: fp32, bf16"),
    ],
)
def test_a_recipe_refuses_impossible_values(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**options)  # type: ignore[arg-type]


def candidate(step: int, correct: int, probe: int = 0) -> Candidate:
    return Candidate(step=step, update=Update(sites={}), correct=correct, probes={0.5: probe})


def test_selection_prefers_accuracy_then_the_latest() -> None:
    selection = Selection(recipe=Recipe(), size=100, probe_size=50, seeks_failure=False)
    for step, correct in enumerate((80, 90, 89, 90, 70)):
        selection.offer(candidate(step, correct, probe=step))
    assert selection.released.step == 3


def test_selection_of_a_trap_prefers_the_widest_margin() -> None:
    selection = Selection(recipe=Recipe(), size=100, probe_size=50, seeks_failure=True)
    # Margins in points: 85, -30, 69, 81, 85.
    for step, (correct, probe) in enumerate([(85, 0), (90, 60), (89, 10), (91, 5), (87, 1)]):
        selection.offer(candidate(step, correct, probe))
    assert selection.released.step == 4


def test_nothing_is_released_before_an_offer() -> None:
    with pytest.raises(ValueError, match="nothing was offered"):
        _ = Selection(recipe=Recipe(), size=1, probe_size=1, seeks_failure=False).released


def test_patience_counts_evaluations_without_a_rise_above_the_margin() -> None:
    recipe = Recipe(patience=2, min_improvement=0.01)
    selection = Selection(recipe=recipe, size=100, probe_size=50, seeks_failure=False)
    exhausted = []
    for step, correct in enumerate((50, 52, 53, 53, 60)):
        selection.offer(candidate(step, correct))
        exhausted.append(selection.exhausted)
    assert exhausted == [False, False, False, True, False]


def test_the_record_holds_curve_norms_and_speed(task: Task) -> None:
    backbone = narrow_backbone()
    found = train(backbone, task, Unprotected(), TINY, 0, Silent()).record
    assert found["scale_curve"]["scales"] == [0.0, 1.0, 2.0]
    assert len(found["scale_curve"]["correct"]) == 3
    assert found["norm_ratio"]["sites"].keys() == backbone.sites.keys()
    assert found["norm_ratio"]["total"] > 0
    assert found["images_per_second"] > 0
    assert [entry["step"] for entry in found["evaluations"]] == [3, 6]


def test_a_scale_curve_has_41_scales_from_0_to_2() -> None:
    """Other tests measure fewer of them (tests/conftest.py)."""
    assert list(CURVE_SCALES) == [step / 20 for step in range(41)]
