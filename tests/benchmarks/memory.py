"""Peak memory of merging a whole model, measured in a process of its own (Linux only)."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import oracle
import torch
from subjects import Shape
from synthetic import attack, low_rank

from mergebench.contracts import Site, Space
from mergebench.merging.problem import merge
from mergebench.registry import registry
from mergebench.updates.update import Update

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")


def peak_bytes(way: str, name: str, shape: Shape, sites: int, count: int = 8) -> int:
    """Return by how much merging `sites` sites in Full space raised the resident memory.

    `way`: "fast" or "dense"; the inputs, low-rank float32 factors, are not counted.
    """
    ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    arguments = (theirs, way, name, shape, sites, count)
    process = multiprocessing.get_context("spawn").Process(target=_measure, args=arguments)
    process.start()
    theirs.close()
    peak: int = ours.recv()
    process.join()
    return peak


def _measure(result: Connection, way: str, name: str, shape: Shape, sites: int, count: int) -> None:
    torch.set_num_threads(1)
    names = [f"blocks.{index}" for index in range(sites)]
    per_site = [low_rank(*shape, [16] * count, dtype=torch.float32, seed=i) for i in range(sites)]
    updates = [
        Update(sites={site: changes[task] for site, changes in zip(names, per_site, strict=True)})
        for task in range(count)
    ]
    _run(way, name, updates[:], sites=1)  # libraries allocate their own buffers at first use
    RESET.write_text("5")  # sets the peak to what is resident now
    before = _resident("VmRSS")
    kept = _run(way, name, updates, sites=sites)
    result.send(_resident("VmHWM") - before)
    del kept


def _run(way: str, name: str, updates: list[Update], sites: int) -> Any:
    chosen = [*updates[0].sites][:sites]
    updates = [Update(sites={site: update.sites[site] for site in chosen}) for update in updates]
    if way == "fast":
        return merge(attack(name), updates, space=registry().get(Space, "full")())
    return _dense_model(name, updates)


def _dense_model(name: str, updates: list[Update]) -> Any:
    """Merge as public code does: every update as a dense model first, then one site at a time."""
    models = {
        site: oracle.full(
            [
                tuple(part.double().numpy() for part in update.sites[site].tensors)  # type: ignore[misc]
                for update in updates
            ]
        )[0]
        for site in updates[0].sites
    }

    def draw(task: int, shape: tuple[int, ...]) -> Any:
        return torch.rand(
            shape, generator=Site(name="x", shape=(0, 0)).generator("d", task)
        ).numpy()

    rule, options = oracle.RULES[name], attack(name).options()
    return {site: rule(stack, options, draw) for site, stack in models.items()}


def _resident(key: str) -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith(key + ":"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"{STATUS} has no {key}")
