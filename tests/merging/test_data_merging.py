"""Attacks that look at inputs: their budget, what they are given, and the cells they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from miniature import FEW_IMAGES, PROTOCOL, SHARP, TASKS
from rich.console import Console
from training import synthetic_task

from mergebench.contracts import DataMerger, MergeData
from mergebench.errors import InputError
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import Merges
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_merges
from mergebench.measure.cell import Cell
from mergebench.measure.evaluate import deployed
from mergebench.merging.sampling import within_budget
from mergebench.progress import Silent
from mergebench.report import write_table2
from mergebench.suites import Split, Task
from mergebench.updates.update import Dense, Update


@dataclass(frozen=True, kw_only=True)
class Looks(DataMerger):
    """An attack of which only the budget matters."""

    name: ClassVar[str] = "looks"
    paper: ClassVar[str] = "none: an example"

    def merge(self, given: MergeData) -> Update:
        return given.updates[0]


def task_of(labels: list[int], classes: int) -> Task:
    """Return a task whose validation images hold their own index as pixels."""
    own = torch.tensor(labels)
    pixels = torch.arange(len(own), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 32, 32)
    split = Split(inputs=pixels.contiguous(), labels=own)
    names = tuple(f"class {index}" for index in range(classes))
    splits = {"train": split, "val": split, "test": split}
    return Task(name="coins", classes=names, templates=("{}",), splits=splits)


def drawn(task: Task, attack: DataMerger, seed: int = 0) -> set[int]:
    return set(within_budget(task, attack, seed).splits["train"].inputs[:, 0, 0, 0].tolist())


def test_a_budget_per_task_is_spread_over_the_classes_and_grows():
    task = task_of([0] * 20 + [1] * 20 + [2] * 2, classes=3)
    few, more = (drawn(task, Looks(inputs_per_task=count)) for count in (7, 12))
    assert few < more
    counts = task.splits["val"].labels[sorted(more)].bincount().tolist()
    assert counts == [5, 5, 2]
    assert drawn(task, Looks(inputs_per_task=7)) == few
    assert drawn(task, Looks(inputs_per_task=7), seed=1) != few


def test_a_budget_per_class_takes_that_many_of_each():
    task = task_of([0, 1, 2] * 9, classes=3)
    chosen = drawn(task, Looks(inputs_per_class=4))
    assert task.splits["val"].labels[sorted(chosen)].bincount().tolist() == [4, 4, 4]
    assert drawn(task, Looks(inputs_per_class=2)) < chosen


def test_a_budget_is_told_in_the_words_of_the_suite():
    assert Looks().budget("texts") == "100 texts per task from split val, class-balanced"
    one, two = (Looks(inputs_per_class=count, split="train") for count in (1, 2))
    assert one.budget("texts") == "1 text per class from split train"
    assert two.budget("images") == "2 images per class from split train"


def test_test_images_are_not_given_and_validation_is_whole():
    given = within_budget(synthetic_task(), Looks(inputs_per_task=4, split="train"), seed=0)
    whole = synthetic_task()
    assert len(given.splits["test"]) == 0
    assert torch.equal(given.splits["val"].inputs, whole.splits["val"].inputs)
    pixels = {image.numpy().tobytes() for image in whole.splits["train"].inputs}
    assert all(image.numpy().tobytes() in pixels for image in given.splits["train"].inputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs_per_task": 11}, "wants 11 inputs of task coins, but split val has 10"),
        ({"inputs_per_class": 6}, "wants 6 inputs of class 'class 0' of task coins"),
        ({"inputs_per_task": 0}, "its budget is 0 inputs per task"),
    ],
)
def test_a_budget_that_cannot_be_met_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        within_budget(task_of([0, 1] * 5, classes=2), Looks(**options), seed=0)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> Experiment:
    experiment_module._workbench.cache_clear()
    return Experiment(
        backbone="mini_vit",
        setting=SHARP,
        protocol=PROTOCOL,
        seeds=(0,),
        store=tmp_path_factory.mktemp("store"),
        command="mergebench table5",
        tasks=TASKS,
        attacks=("ta@full", "brightened@full"),
        plugins=(FEW_IMAGES,),
    )


@pytest.fixture(scope="module")
def measured(experiment):
    experiment.workbench()  # makes the plug-in known
    return measure_merges(experiment, Monitor(Console(quiet=True)), processes=1)


def cell(experiment: Experiment, protection: str, target: str | None, attack: str) -> Cell:
    with experiment.workbench().recalling_only():
        return Merges(experiment, protection, target, 0).cell(attack, "full")


def test_a_targeted_attack_meets_every_target_also_unprotected(measured):
    rows = [(row.protection, row.target) for row in measured.merged if row.attack == "brightened"]
    assert rows == [(who, task) for who in ("none", "trap2") for task in TASKS]


@pytest.mark.parametrize("protection", ["none", "trap2"])
def test_it_starts_from_the_searched_merge(experiment, measured, protection):
    found = cell(experiment, protection, "fashion", "brightened")
    begun = cell(experiment, protection, None if protection == "none" else "fashion", "ta")
    assert found.inputs.protocol["start"] == begun.key
    assert found.results.alpha == 1
    assert [point.alpha for point in found.results.points] == [1]
    assert found.results.notes == {"images": 5}

    bench = experiment.workbench()
    sampled = within_budget(bench.suite.task("fashion"), Looks(inputs_per_task=5), seed=0)
    brightness = float(sampled.splits["train"].inputs.double().mean()) / 255
    with deployed(bench.backbone, total(experiment, protection), brightness * begun.results.alpha):
        assert bench.evaluator.correct("test") == found.results.correct


def total(experiment: Experiment, protection: str) -> Update:
    """Return the sum of the updates, of which the one of fashion is protected."""
    bench = experiment.workbench()
    whose = {"mnist": "none", "fashion": protection}
    updates = [bench.release(whose[task], task, 0, Silent()) for task in TASKS]
    return Update(
        sites={
            name: Dense(delta=torch.stack([each.sites[name].dense() for each in updates]).sum(0))
            for name in updates[0].sites
        }
    )


def test_a_table_of_it_is_written(measured, tmp_path):
    files = write_table2(measured, tmp_path, stem="table5")
    text = next(file for file in files if file.suffix == ".md").read_text()
    assert "brightened" in text
