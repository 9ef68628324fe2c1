"""Distillation and flattening: what they are trained on, and what comes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from few_updates import merge_data, random_update
from torch import Tensor
from torch.nn import functional
from training import TINY, tiny_backbone

from attacks import distil as distil_module
from attacks.distil import Distil
from attacks.flatten import Flatten
from mergebench.backbones import Backbone, Body, text_head
from mergebench.errors import InputError
from mergebench.measure import deployed
from mergebench.suites import Split, Task
from mergebench.train import Losses
from mergebench.updates import Update

RECIPE = replace(TINY, learning_rate=1e-2, warmup_steps=0, logit_scale=10.0, precision="fp32")
DISTIL = Distil(steps=3, inputs_per_task=12, recipe=RECIPE)
FLATTEN = Flatten(steps=20, inputs_per_task=12, recipe=RECIPE)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_backbone("mini_vit")


@torch.no_grad()
def probabilities(backbone: Backbone, task: Task, update: Update, split: str = "val") -> Tensor:
    with deployed(backbone, update):
        features = backbone.tower(backbone.prepare(task.splits[split].inputs))
    head = text_head(backbone, task.classes, task.templates)
    return (10 * functional.normalize(features.float(), dim=-1) @ head.T).softmax(-1)


@pytest.mark.parametrize("tasks", ["target", "others"])
def test_a_student_predicts_what_its_teacher_does(backbone, tasks):
    """On inputs that it has not seen, of which W0 has half otherwise."""
    attack = DISTIL.with_options(steps=20, tasks=tasks)
    given = merge_data(attack, backbone, updates=(random_update(backbone, 12),) * 2)
    student = attack.stand_in(given)
    models = student.scaled(0.0), student, given.updates[0]
    base, own, its = (probabilities(backbone, given.tasks[0], one) for one in models)
    agreed = [int((one.argmax(1) == its.argmax(1)).sum()) for one in (base, own)]
    assert agreed[1] > agreed[0] + 2
    assert (own - its).abs().mean() < 0.5 * (base - its).abs().mean()
    assert given.notes == {"images": 12}
    assert {change.rank for change in student.sites.values()} == {4}


def test_the_loss_is_what_the_docstring_states(backbone, monkeypatch):
    """Cosines of embeddings and KL of logits on the target's head, the teacher at s = 1."""
    losses: list[tuple[float, Tensor]] = []
    original = distil_module.Matching.backward

    def record(objective, step):
        losses.append((original(objective, step).nominal, step.hidden.clone()))
        return Losses(nominal=losses[-1][0])

    monkeypatch.setattr(distil_module.Matching, "backward", record)
    attack = DISTIL.with_options(steps=1)
    given = merge_data(attack, backbone)
    attack.stand_in(given)
    ((loss, hidden),) = losses
    head = text_head(backbone, given.tasks[0].classes, given.tasks[0].templates)
    embeddings, logs = [], []
    for update in (given.updates[0].scaled(0.0), given.updates[0]):
        with deployed(backbone, update), torch.no_grad():
            embeddings.append(functional.normalize(Body(backbone.parts)(hidden).float(), dim=-1))
        logs.append((10 * embeddings[-1] @ head.T).log_softmax(-1))
    cosine = (embeddings[0] * embeddings[1]).sum(-1)
    divergence = (logs[1].exp() * (logs[1] - logs[0])).sum(-1)
    assert loss == pytest.approx(float((1 - cosine + divergence).mean()), rel=1e-4)


def test_flattening_helps_at_the_scales_that_merges_use(backbone):
    """Agreement with the pseudo-labels, on the inputs that were trained on, at scale 0.2."""
    given = merge_data(FLATTEN, backbone)
    trained, task = FLATTEN.stand_in(given), given.tasks[0]
    losses = []
    labels = probabilities(backbone, task, given.updates[0], "train").argmax(-1)
    for update in (given.updates[0], trained):
        guess = probabilities(backbone, task, update.scaled(0.2), "train")
        losses.append(float(-guess.gather(1, labels[:, None]).log().mean()))
    assert losses[1] < 0.8 * losses[0]


def test_only_the_inputs_of_the_chosen_tasks_are_read():
    for tasks, read in (("target", (0,)), ("others", (1, 2))):
        attack = DISTIL.with_options(tasks=tasks)
        given = merge_data(attack, tasks=3)
        plain = attack.stand_in(given)
        assert plain.norm() > 0
        assert given.notes["images"] == 12 * len(read)
        for place in range(3):
            dimmed = [
                with_darker(task) if index == place else task
                for index, task in enumerate(given.tasks)
            ]
            other = attack.stand_in(replace(given, tasks=tuple(dimmed)))
            assert (other.sha256 == plain.sha256) == (place not in read)


def with_darker(task: Task) -> Task:
    own = task.splits["train"]
    train = Split(inputs=own.inputs // 2, labels=own.labels)
    return replace(task, splits={**task.splits, "train": train})


def test_others_need_a_second_task(backbone):
    attack = DISTIL.with_options(tasks="others")
    with pytest.raises(InputError, match="needs a second task"):
        attack.stand_in(merge_data(attack, backbone, tasks=1))
