"""Deploying an update changes what it should, and nothing afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mergebench.backbones import load_backbone, text_head
from mergebench.errors import InputError
from mergebench.measure import NOT_FINITE, results_on_test
from mergebench.measure.evaluate import Deployment, Evaluator, _ranks, class_balanced, deployed
from mergebench.suites import Split, Task, load_suite
from mergebench.updates.update import Dense, LowRank, Update


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("mini_vit", weights="random")


def make_task(name: str, classes: int, count: int) -> Task:
    draws = torch.Generator().manual_seed(len(name) + classes)
    splits = {
        split: Split(
            inputs=torch.randint(0, 256, (count, 3, 32, 32), generator=draws, dtype=torch.uint8),
            labels=torch.arange(count) % classes,
        )
        for split in ("train", "val", "test")
    }
    names = tuple(f"thing {index}" for index in range(classes))
    return Task(name=name, classes=names, templates=("a picture of {}",), splits=splits)


def make_update(backbone, kind: str, scale: float = 0.02) -> Update:
    draws = torch.Generator().manual_seed(7)
    sites = {}
    for name, site in backbone.sites.items():
        rows, columns = site.weight.shape
        if kind == "dense":
            sites[name] = Dense(delta=scale * torch.randn(rows, columns, generator=draws))
        else:
            sites[name] = LowRank(
                up=scale * torch.randn(rows, 4, generator=draws),
                down=torch.randn(4, columns, generator=draws),
            )
    return Update(sites=sites)


def weights_of(backbone) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in backbone.tower.parameters()]


@pytest.mark.parametrize("kind", ["low-rank", "dense"])
def test_set_writes_the_base_plus_alpha_times_the_update(backbone, kind):
    update, before = make_update(backbone, kind), weights_of(backbone)
    name, change = next(iter(update.sites.items()))
    base = backbone.sites[name].weight.detach().clone()
    with Deployment(backbone, update) as deployment:
        for alpha in (2.5, 0.3, 0.0):
            deployment.set(alpha)
            expected = base.double() + alpha * change.dense().double()
            torch.testing.assert_close(
                backbone.sites[name].weight.double(), expected, rtol=1e-6, atol=1e-7
            )
        torch.testing.assert_close(backbone.sites[name].weight, base, rtol=0, atol=0)
    for left, right in zip(before, weights_of(backbone), strict=True):
        assert torch.equal(left, right)


def test_weights_are_restored_bit_for_bit_after_an_exception(backbone):
    before = weights_of(backbone)
    with pytest.raises(RuntimeError, match="stop"), deployed(backbone, make_update(backbone, "x")):
        raise RuntimeError("stop")
    for left, right in zip(before, weights_of(backbone), strict=True):
        assert torch.equal(left, right)


def test_an_unknown_site_is_named(backbone):
    update = Update(sites={"blocks.9.attn.z": Dense(delta=torch.zeros(2, 2))}, label="x")
    with pytest.raises(InputError, match=r"mini_vit has no site blocks\.9\.attn\.z"):
        Deployment(backbone, update)


def test_a_wrong_shape_is_named(backbone):
    name = next(iter(backbone.sites))
    update = Update(sites={name: Dense(delta=torch.zeros(2, 2))}, label="x")
    with pytest.raises(InputError, match=r"shape \(2, 2\)"):
        Deployment(backbone, update)


def test_hits_equal_a_plain_loop_over_images():
    trained = load_backbone("mini_vit")
    tasks = [first_images(task, 40) for task in load_suite("mini8", ("mnist", "flags")).tasks]
    evaluator = Evaluator(trained, tasks, batch_size=7, precision="fp32")
    hits = evaluator.hits("test")
    for task in tasks:
        head, data = text_head(trained, task.classes, task.templates), task.splits["test"]
        for index, (image, label) in enumerate(zip(data.inputs, data.labels, strict=True)):
            with torch.inference_mode():
                scores = head @ trained.features(image[None])[0]
            assert bool(hits[task.name][index]) == bool(scores.argmax() == label)
        assert 0 < int(hits[task.name].sum()) < 40
    assert evaluator.sizes("test") == {"mnist": 40, "flags": 40}
    assert evaluator.correct("test") == {name: int(hit.sum()) for name, hit in hits.items()}


def first_images(task: Task, count: int) -> Task:
    splits = {
        name: Split(inputs=split.inputs[:count], labels=split.labels[:count])
        for name, split in task.splits.items()
    }
    return replace(task, splits=splits)


def test_inputs_without_a_finite_embedding_are_wrong_and_told() -> None:
    """An overflowing merge would be right wherever the first class is true."""
    backbone = load_backbone("mini_vit", weights="random")
    evaluator = Evaluator(backbone, [make_task("overflowing", 2, 12)], precision="fp32")
    with deployed(backbone, make_update(backbone, "dense"), 1e30):
        found = results_on_test(evaluator)
        assert evaluator.correct("val") == {"overflowing": 0}
    assert found.correct == found.most_predicted == {"overflowing": 0}
    assert [(one.kind, one.detail) for one in found.warnings] == [
        (NOT_FINITE, "no embedding for test inputs: overflowing 12 of 12")
    ]
    assert results_on_test(evaluator).correct["overflowing"] > 0


def test_a_subset_applies_to_its_split_only(backbone):
    evaluator = Evaluator(backbone, [make_task("one", 5, 23)], per_task={"val": 10})
    assert evaluator.sizes("val") == {"one": 10}
    assert evaluator.sizes("test") == {"one": 23}


def test_hits_by_rank_are_those_of_the_whole_split():
    trained = load_backbone("mini_vit")
    tasks = [first_images(task, 60) for task in load_suite("mini8", ("mnist", "flags")).tasks]
    evaluator = Evaluator(trained, tasks, batch_size=32)
    hits, parts = evaluator.hits("val"), [range(8), range(8, 27), range(27, 60)]
    for task in tasks:
        ranks = _ranks(task.splits["val"].labels)
        found = torch.empty_like(hits[task.name])
        for part in parts:
            shown = (ranks >= part.start) & (ranks < part.stop)
            found[shown] = evaluator.hits("val", part)[task.name]
        assert torch.equal(found, hits[task.name])


def test_class_balanced_subsets_are_balanced_nested_and_repeatable():
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 3)
    small, large = class_balanced(labels, 9), class_balanced(labels, 30)
    assert labels[small].bincount().tolist() == [3, 3, 3]
    assert labels[large].bincount().tolist() == [14, 13, 3]
    assert set(small.tolist()) <= set(large.tolist())
    assert torch.equal(class_balanced(labels, 1000), torch.arange(len(labels)))


@pytest.mark.parametrize("rare", [10, 50])
def test_the_first_that_a_race_shows_are_like_all(rare: int) -> None:
    """Equally frequent classes take turns; of uneven ones the rare are not shown ahead."""
    labels = torch.tensor([1] * rare + [0] * (100 - rare))
    first = labels[_ranks(labels) < 20]
    if rare == 50:
        assert int(first.sum()) == 10
    else:
        assert int(first.sum()) < 6
    assert _ranks(labels).sort().values.equal(torch.arange(100))
    assert _ranks(labels).equal(_ranks(labels))
