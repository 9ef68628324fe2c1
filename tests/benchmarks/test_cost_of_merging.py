"""Costs of merging, a further alpha, memory and evaluation; none of them gates a change."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from memory import RESET, peak_bytes
from pytest_benchmark.fixture import BenchmarkFixture
from subjects import SITES, Shape, Subject, compare
from summary import Evaluation, Ledger, Memory, Scaling, SiteCosts
from torch import nn

from mergebench.backbones import Backbone, load_backbone, stem
from mergebench.evaluate import Deployment, Evaluator
from mergebench.experiment import TABLE2
from mergebench.suites import load_suite
from mergebench.update import Dense, Update

pytestmark = pytest.mark.bench

COUNTS = (2, 4, 8, 16, 32)
RANKS = (4, 16, 64)


@pytest.mark.parametrize("column", TABLE2)
@pytest.mark.parametrize(
    ("backbone", "shape"),
    [(backbone, shape) for backbone, shapes in SITES.items() for shape in shapes],
    ids=lambda value: value if isinstance(value, str) else f"{value[0]}x{value[1]}",
)
def test_one_site(
    backbone: str, shape: Shape, column: str, benchmark: BenchmarkFixture, ledger: Ledger
) -> None:
    attack, space = column.split("@")
    subject = Subject(shape=shape, attack=attack, space=space)
    costs = compare(subject)
    ledger.sites.append(SiteCosts(backbone=backbone, shape=shape, column=column, costs=costs))
    problem = subject.problem()
    subject.fast_point(problem, {})
    benchmark.pedantic(subject.fast_point, args=(problem, {}), rounds=3)


@pytest.mark.parametrize("column", TABLE2)
@pytest.mark.parametrize(
    ("count", "rank"),
    [*((count, 16) for count in COUNTS), *((8, rank) for rank in RANKS if rank != 16)],
)
def test_scaling(count: int, rank: int, column: str, ledger: Ledger) -> None:
    attack, space = column.split("@")
    subject = Subject(shape=(768, 768), attack=attack, space=space, count=count, rank=rank)
    costs = compare(subject, most_rounds=3, enough=5)
    ledger.scaling.append(Scaling(column=column, count=count, rank=rank, costs=costs))


@pytest.mark.parametrize("backbone", SITES)
def test_a_further_alpha(backbone: str, benchmark: BenchmarkFixture, ledger: Ledger) -> None:
    shapes = [shape for shape, sites in SITES[backbone].items() for _ in range(sites)]
    layers = {f"s{i}": nn.Linear(shape[1], shape[0], bias=False) for i, shape in enumerate(shapes)}
    model = cast(Backbone, SimpleNamespace(visual=nn.ModuleDict(layers), name=backbone))
    change = {name: Dense(delta=torch.rand_like(layer.weight)) for name, layer in layers.items()}
    with Deployment(model, Update(sites=change)) as deployment:
        benchmark.pedantic(deployment.set, args=(0.3,), rounds=11, warmup_rounds=1)
    ledger.alphas[backbone] = float(cast(Any, benchmark.stats).stats.median)


@pytest.mark.skipif(not RESET.exists(), reason="the peak of a process can be reset on Linux only")
@pytest.mark.parametrize("attack", ["ta", "ties", "dare_ties", "tsv", "cart"])
def test_peak_memory_in_full_space(attack: str, ledger: Ledger) -> None:
    sites = 12
    dense, fast = (peak_bytes(way, attack, (768, 768), sites) for way in ("dense", "fast"))
    ledger.memory.append(Memory(attack=attack, sites=sites, dense=dense, fast=fast))
    assert 0 < fast < dense


@pytest.mark.parametrize("name", ["mini_vit", "mini_convnext"])
@pytest.mark.parametrize("kept", [True, False], ids=["stem kept", "stem recomputed"])
def test_images_per_second(
    name: str, kept: bool, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kept:
        monkeypatch.setattr(stem, "KEPT_BYTES", 0)
    start = time.perf_counter()
    suite = load_suite("mini8")
    images = sum(len(split.labels) for task in suite.tasks for split in task.splits.values())
    ledger.loading.append(images / (time.perf_counter() - start))
    evaluator = Evaluator(load_backbone(name), suite.tasks)
    counts = evaluator.correct("val")
    size, times = sum(evaluator.sizes("val").values()), []
    for _ in range(5):
        start = time.perf_counter()
        assert evaluator.correct("val") == counts
        times.append(time.perf_counter() - start)
    speed = size / float(np.median(times))
    ledger.evaluation.append(Evaluation(backbone=name, stem_kept=kept, images_per_second=speed))
