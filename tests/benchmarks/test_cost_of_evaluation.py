"""Costs of loading and evaluation, and what bf16 does to counts; none of them gates a change."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from ledger import Evaluation, Ledger, Precision
from repository import ROOT
from subjects import seconds

from mergebench.backbones import Backbone, load_backbone
from mergebench.backbones import stem_outputs as stem
from mergebench.contracts import Merger, Space
from mergebench.experiment.releases import load_release
from mergebench.measure.evaluate import Evaluator, deployed
from mergebench.merging.problem import merge
from mergebench.registry import registry
from mergebench.suites import load_suite
from mergebench.updates.update import Update

pytestmark = pytest.mark.bench

KEPT = ROOT / "results" / "baselines" / "mini_vit"
TASKS = ("mnist", "textures", "letters")


def keep_no_stem(evaluator: Evaluator, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stem, "KEPT_BYTES", 0)


def use_float32(evaluator: Evaluator, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(evaluator, "precision", "fp32")


def compile_tower(evaluator: Evaluator, patch: pytest.MonkeyPatch) -> None:
    if shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler")
    patch.setattr(evaluator, "_body", torch.compile(evaluator._body))


def leave_as_it_is(evaluator: Evaluator, patch: pytest.MonkeyPatch) -> None:
    """Change nothing."""


@pytest.mark.parametrize("name", ["mini_vit", "mini_convnext"])
@pytest.mark.parametrize(
    ("how", "change"),
    [
        ("bf16, stem kept", leave_as_it_is),
        ("bf16, stem recomputed", keep_no_stem),
        ("float32, stem kept", use_float32),
        ("bf16, stem kept, `torch.compile`", compile_tower),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_images_per_second(
    name: str,
    how: str,
    change: Callable[[Evaluator, pytest.MonkeyPatch], None],
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluator = Evaluator(load_backbone(name), load_suite("mini8").tasks)
    change(evaluator, monkeypatch)
    start = time.perf_counter()
    counts = evaluator.correct("val")
    first = time.perf_counter() - start
    times = [seconds(evaluator.correct, "val") for _ in range(5)]
    assert evaluator.correct("val") == counts
    if change is compile_tower:
        how = f"{how} (the first pass takes {first:.0f} s)"
    speed = sum(evaluator.sizes("val").values()) / float(np.median(times))
    ledger.evaluation.append(Evaluation(backbone=name, how=how, images_per_second=speed))


def test_loading(ledger: Ledger) -> None:
    for _ in range(3):
        start = time.perf_counter()
        suite = load_suite("mini8")
        images = sum(len(split.labels) for task in suite.tasks for split in task.splits.values())
        ledger.loading.append(images / (time.perf_counter() - start))


@pytest.mark.parametrize("name", ["mini_vit", "mini_convnext"])
def test_what_bf16_does_to_the_backbones_counts(name: str, ledger: Ledger) -> None:
    backbone = load_backbone(name)
    ledger.precision.append(compared(backbone, "zero-shot", Update(sites={}), alpha=0.0))


@pytest.mark.parametrize("protection", ["none", "trap2"])
@pytest.mark.parametrize(("attack", "space"), [("ta", "full"), ("ties", "core"), ("tsv", "full")])
def test_what_bf16_does_to_counts_of_merges(
    attack: str, space: str, protection: str, ledger: Ledger
) -> None:
    backbone = load_backbone("mini_vit")
    folders = [KEPT / f"{task}-{protection}" for task in TASKS]
    updates = [load_release(folder, backbone) for folder in folders]
    rule, where = registry().get(Merger, attack)(), registry().get(Space, space)()
    merged = merge(rule, updates, space=where)
    kind = "unprotected" if protection == "none" else f"only {protection}"
    what = f"{attack}@{space} at 0.3, {kind}"
    ledger.precision.append(compared(backbone, what, merged, alpha=0.3))


def compared(backbone: Backbone, what: str, update: Update, alpha: float) -> Precision:
    """Return the counts of one deployment in both precisions."""
    tasks = load_suite("mini8").tasks
    precisions: tuple[Any, ...] = ("bf16", "fp32")
    evaluators = [Evaluator(backbone, tasks, precision=one) for one in precisions]
    with deployed(backbone, update, alpha):
        bf16, fp32 = (evaluator.predictions("test") for evaluator in evaluators)
        counts = [sum(evaluator.correct("test").values()) for evaluator in evaluators]
    return Precision(
        backbone=backbone.name,
        update=what,
        images=sum(evaluators[0].sizes("test").values()),
        bf16=counts[0],
        fp32=counts[1],
        differing=sum(int((bf16[task] != fp32[task]).sum()) for task in bf16),
    )
