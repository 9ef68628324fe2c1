"""Images per second of the evaluation that searches and tests are made of."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from mergebench.backbones import Backbone, Precision, find_source, resolution_of
from mergebench.gpu_check.record import EvaluationSpeed
from mergebench.gpu_check.stopwatch import median_seconds
from mergebench.measure import Evaluator
from mergebench.seeding import generator
from mergebench.suites import SPLIT_NAMES, Split, Task, load_suite

_DISTINCT = 64
_COUNTED = 16


def random_task(backbone: str, images: int) -> Task:
    """Return a task of random images at the size that the backbone takes.

    Its class names, which every backbone knows, are those of a task of the embedded suite.
    """
    side = resolution_of(find_source(backbone))
    assert side is not None, f"{backbone} takes no images"
    (like,) = load_suite("mini8", tasks=["mnist"]).tasks
    draws = generator(0, "random images")
    shape = (min(images, _DISTINCT), 3, side, side)
    distinct = torch.randint(0, 256, shape, generator=draws, dtype=torch.uint8)
    repeated = distinct.repeat(-(-images // len(distinct)), 1, 1, 1)[:images]
    labels = torch.arange(images) % len(like.classes)
    split = Split(inputs=repeated, labels=labels)
    splits: dict[str, Split] = dict.fromkeys(SPLIT_NAMES, split)
    return Task(name="random", classes=like.classes, templates=like.templates, splits=splits)


def evaluation_speed(
    backbone: Backbone, task: Task, precision: Precision, *, rounds: int
) -> EvaluationSpeed:
    """Return how fast `Evaluator` predicts the test images of `task`, all of them each time."""
    evaluator = Evaluator(backbone, [task], precision=precision)
    taken = median_seconds(lambda: evaluator.correct("test"), backbone.device, rounds=rounds)
    images = len(task.splits["test"])
    counted = min(images, _COUNTED)
    with FlopCounterMode(display=False) as counter:
        evaluator.predictions("test", ranks=range(counted))
    return EvaluationSpeed(
        backbone=backbone.name,
        precision=precision,
        images=images,
        images_per_second=images / taken,
        flop_per_image=counter.get_total_flops() / counted,
    )
