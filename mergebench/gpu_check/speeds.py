"""All speeds of one backbone: evaluation, and training with and without protection."""

from __future__ import annotations

from itertools import product

import torch

from mergebench.backbones import Backbone, Precision, load_backbone
from mergebench.experiment import get_setting
from mergebench.gpu_check.budget import Deadline
from mergebench.gpu_check.evaluation_speed import evaluation_speed, random_task
from mergebench.gpu_check.notebook import Notebook
from mergebench.gpu_check.sizes import Size
from mergebench.gpu_check.training_speed import training_speed
from mergebench.measure import UNPROTECTED
from mergebench.suites import Task

PART = "speeds"
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp32")
_PROTECTIONS = (UNPROTECTED, "trap2")


def measure_backbone(
    name: str, size: Size, device: torch.device, notebook: Notebook, deadline: Deadline
) -> None:
    """Measure a backbone of random weights; what there is no time for is taken down as missing."""
    if not notebook.in_time(deadline, PART, f"all speeds of {name}"):
        return
    with notebook.attempt(PART, f"all speeds of {name}"):
        backbone = load_backbone(name, device=device, weights="random")
        task = random_task(name, size.images_on(device.type, name))
        for precision in PRECISIONS:
            what = f"evaluation of {name} in {precision}"
            if notebook.in_time(deadline, PART, what):
                with notebook.attempt(PART, what):
                    notebook.add(evaluation_speed(backbone, task, precision, rounds=size.rounds))
        _measure_training(backbone, task, size, notebook, deadline)


def _measure_training(
    backbone: Backbone, task: Task, size: Size, notebook: Notebook, deadline: Deadline
) -> None:
    setting = get_setting(backbone.name)
    for precision, protection in product(PRECISIONS, _PROTECTIONS):
        what = f"training of {backbone.name}, {protection}, in {precision}"
        if notebook.in_time(deadline, PART, what):
            with notebook.attempt(PART, what):
                notebook.add(
                    training_speed(
                        backbone,
                        task,
                        setting,
                        protection,
                        precision,
                        steps=size.steps,
                        deadline=deadline,
                    )
                )
