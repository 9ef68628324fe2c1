"""Protections of full checkpoints in a table: from the unprotected update, raw and undone."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from miniature import FEW_IMAGES, PROTOCOL, SETTING, TASKS
from rich.console import Console

from mergebench.experiment import Experiment, levels
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_merges, measure_standalone
from mergebench.progress import Silent
from mergebench.report import write_table1
from mergebench.train import FullRecipe, Losses, ReleaseKind, Step
from mergebench.updates import Dense
from protections.none import Unprotected

ATTACKS = ("ta@full", "realign:ta@full")
FULL = FullRecipe(
    learning_rate=3e-4,
    steps=3,
    batch_size=8,
    warmup_steps=1,
    evaluate_every=3,
    probe_inputs=2,
    precision="fp32",
)


def experiment_in(store: Path, *, full: bool) -> Experiment:
    experiment_module._workbench.cache_clear()
    return Experiment(
        backbone="mini_vit",
        setting=replace(SETTING, recipe=FULL) if full else SETTING,
        protocol=replace(PROTOCOL, alphas=(0.2, 0.5)),
        seeds=(0,),
        store=store,
        command="mergebench table4",
        tasks=TASKS,
        attacks=ATTACKS,
        protections=("mergelock",),
        plugins=(FEW_IMAGES,),
    )


@pytest.mark.parametrize(
    "full", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["full", "lora"]
)
def test_undone_merges_are_those_of_unprotected_updates(tmp_path: Path, full: bool) -> None:
    experiment = experiment_in(tmp_path, full=full)
    monitor = Monitor(Console(file=StringIO(), width=200))
    alone = measure_standalone(experiment, monitor, processes=1)
    measured = measure_merges(experiment, monitor, processes=1)
    assert measured.stored == alone.stored  # flags of a leaderboard are about it
    found = {(row.attack, row.protection, row.target): row for row in measured.merged}
    for task in TASKS:
        plain = found["ta", "none", None]
        undone, raw = (found[name, "mergelock", task] for name in ("realign:ta", "ta"))
        assert raw.correct != plain.correct
        for own, count in undone.correct.items():
            assert abs(count - plain.correct[own]) <= 1
    counts = {(one.release, one.task): one for one in alone.standalone}
    for task in TASKS:
        assert counts["mergelock", task].correct == counts["none", task].correct
        assert not counts["mergelock", task].warnings
    stored = {(one.release, one.task, one.dtype): one.correct for one in alone.stored}
    assert len(stored) == 2 * len(TASKS) * 3
    for task in TASKS:
        for release in ("none", "mergelock"):
            assert stored[release, task, "fp32"] == counts[release, task].correct
    (table, *_, file) = write_table1(alone, tmp_path)
    assert "| MergeLock | " in table.read_text().partition("## By the dtype of the file")[2]
    assert len(file.read_text().splitlines()) == 1 + len(stored)
    bench = experiment.workbench()
    plain, locked = (bench.release(name, TASKS[0], 0, Silent()) for name in ("none", "mergelock"))
    assert set(plain.sites) <= set(locked.sites)
    assert all(isinstance(change, Dense) for change in locked.sites.values())
    known = bench.training_record("mergelock", TASKS[0], 0, Silent())
    assert known["protection"]["name"] == "mergelock"
    assert known["losses"] == bench.training_record("none", TASKS[0], 0, Silent())["losses"]
    assert locked.norm() > 2 * plain.norm()


def test_a_release_is_of_the_unprotected_update_that_the_store_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> dict[str, str]:
        bench = experiment_in(tmp_path, full=True).workbench()
        locked = bench.release("mergelock", TASKS[0], 0, Silent())
        record = bench.training_record("mergelock", TASKS[0], 0, Silent())
        plain = bench.release("none", TASKS[0], 0, Silent())
        assert record["plain_sha256"] == plain.sha256
        return {plain.sha256: locked.sha256}

    def ascending(self: Unprotected, step: Step) -> Losses:
        losses = plain_backward(self, step)
        for weight in step.classifier.tower.parameters:
            assert weight.grad is not None
            weight.grad.neg_()
        return losses

    before, plain_backward = made(), Unprotected.backward
    assert made() == before
    monkeypatch.setattr(Unprotected, "backward", ascending)
    monkeypatch.setattr(Unprotected, "version", Unprotected.version + 1)
    after = {**before, **made()}
    assert len(after) == len(set(after.values())) == 2


def test_full_checkpoints_are_realigned_by_the_standard_set() -> None:
    def informed(release: ReleaseKind, *, checkpoints: bool) -> set[str]:
        every = levels(release, checkpoints=checkpoints)
        return {name for level in every if level.knowledge == "informed" for name in level.attacks}

    realigned = {"realign:ta@full", "realign:tsv@full"}
    assert realigned <= informed("full", checkpoints=False)
    assert realigned <= informed("lora", checkpoints=True)
    assert not realigned & informed("lora", checkpoints=False)
