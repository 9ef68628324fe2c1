"""Costs of merging, a further alpha and memory; none of them gates a change."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from ledger import Ledger, Memory, Scaling, SiteCosts
from memory import RESET, peak_bytes
from pytest_benchmark.fixture import BenchmarkFixture
from subjects import SITES, Shape, Subject, adapters, compare, seconds
from torch import Tensor, nn

from mergebench.backbones import Backbone
from mergebench.contracts import Space
from mergebench.experiment.experiment import TABLE2
from mergebench.measure.evaluate import Deployment
from mergebench.merging.memory import UpdateMemory
from mergebench.merging.problem import MergeProblem
from mergebench.registry import registry
from mergebench.seeding import generator
from mergebench.updates.update import Dense, Update

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
    attributes = {"name": backbone, "tower": nn.ModuleDict(layers), "device": torch.device("cpu")}
    model = cast(Backbone, SimpleNamespace(**attributes))
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


@pytest.mark.parametrize("column", ["ties@full", "dare_ties@full"])
def test_the_next_target(column: str, ledger: Ledger) -> None:
    """The grid of a set of updates that differs in one from a set that was merged before."""
    attack, space = column.split("@")
    subject = Subject(shape=(768, 768), attack=attack, space=space)
    known, alone = [], []
    for _ in range(3):
        shared = UpdateMemory()
        grid(subject, shared, protected=False)
        known.append(seconds(grid, subject, shared))
        alone.append(seconds(grid, subject, UpdateMemory()))
    what = f"grid of {column} for the next target, 768 x 768: known updates shared, or not"
    ledger.compare(what, known, alone)


def grid(subject: Subject, known: UpdateMemory, *, protected: bool = True) -> None:
    """Merge at every structural point."""
    *others, last = adapters(subject.shape, subject.count, subject.rank)
    updates = [*others, last.scaled(0.9) if protected else last]
    problem = MergeProblem(updates, space=registry().get(Space, subject.space)(), known=known)
    for options in subject.structures:
        subject.fast_point(problem, options)


@pytest.mark.parametrize(
    ("what", "decompose", "shape"),
    [
        ("SVDs of 48 matrices of 128 x 128", torch.linalg.svd, (48, 128, 128)),
        ("QRs of 48 matrices of 768 x 128", torch.linalg.qr, (48, 768, 128)),
    ],
    ids=["svd", "qr"],
)
def test_decompositions_of_all_sites_at_once(
    what: str, decompose: Callable[[Tensor], object], shape: tuple[int, ...], ledger: Ledger
) -> None:
    stack = torch.randn(shape, generator=generator(0, what), dtype=torch.float64)

    def one_by_one() -> None:
        for matrix in stack:
            decompose(matrix)

    rounds = [(seconds(one_by_one), seconds(decompose, stack)) for _ in range(5)]
    alone, batched = zip(*rounds, strict=True)
    ledger.compare(f"{what}, float64: one by one, or in one batch", alone, batched)
