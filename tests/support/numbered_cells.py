"""Cells that tests of the store put into it: alike but for their seeds."""

from __future__ import annotations

from dataclasses import replace

import torch

from mergebench.measure.cell import Cell, CellInputs, CellResults, CellRun, Method
from mergebench.measure.search import Point

TASKS = ("mnist", "fashion")
SIZES = {"val": {"mnist": 100, "fashion": 100}, "test": {"mnist": 1000, "fashion": 1000}}
INPUTS = CellInputs(
    backbone="toy",
    backbone_sha256="a" * 64,
    suite="mini8",
    suite_sha256="b" * 64,
    tasks=TASKS,
    seed=0,
    precision="fp32",
    protection=Method(name="trap2", version=1, options={"strength": 0.1, "band": (0.9, 1.1)}),
    target="mnist",
    attack=Method(name="ties", version=1, options={"top_k": 20.0}),
    space=Method(name="full", version=1, options={}),
    protocol={"name": "paper", "alphas": (0.1, 0.2), "grids": {"top_k": (10, 20)}},
    updates=("c" * 64, "d" * 64),
)


def measured(inputs: CellInputs) -> Cell:
    points = tuple(
        Point(options={"top_k": 10.0}, alpha=alpha, counts=dict.fromkeys(TASKS, inputs.seed))
        for alpha in (0.1, 0.2)
    )
    results = CellResults(
        correct=dict.fromkeys(TASKS, inputs.seed),
        sizes=SIZES,
        options={"top_k": 10.0},
        alpha=0.2,
        points=points,
    )
    return Cell(inputs=inputs, results=results, run=CellRun.now(1.25, torch.device("cpu")))


def numbered(seed: int) -> CellInputs:
    return replace(INPUTS, seed=seed)
