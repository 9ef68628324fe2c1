"""How much is measured: the paper's backbones on a data-centre GPU, or tiny ones anywhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mergebench.experiment import TABLE2, Setting
from mergebench.measure import PROTOCOLS, Protocol
from mergebench.suites import all_tasks


@dataclass(frozen=True, kw_only=True)
class TableSize:
    """What of the embedded table 2 is made. `processes`: as many as share the device."""

    setting: Setting
    protocol: Protocol
    attacks: tuple[str, ...] = TABLE2
    tasks: tuple[str, ...] | None = None
    processes: int = 1


@dataclass(frozen=True, kw_only=True)
class Size:
    """What is measured.

    By kind of device: `matrix_side` of the products that speeds are held against, and `merge_sites`
    that are timed of each shape (the others are taken to cost as much). `images`: by backbone, per
    evaluation on a GPU; on a CPU a part of them, `images_on`. `rounds`: of what is repeated;
    `steps`: of a training run. `merge_shapes`: the backbone whose sites are merged, `updates` of
    `rank`. `table`: what of table 2 is made, by its setting.
    """

    name: str
    matrix_side: Mapping[str, int]
    images: Mapping[str, int]
    rounds: int
    steps: int
    merge_shapes: str
    merge_sites: Mapping[str, int]
    updates: int
    rank: int
    table: Callable[[Setting], TableSize]

    def images_on(self, kind: str, backbone: str) -> int:
        """Return how many images of a backbone are evaluated at once on a kind of device."""
        count = self.images[backbone]
        return count if kind == "cuda" else max(16, count // 64)


def tiny_table(setting: Setting) -> TableSize:
    """Return one attack on two tasks of a setting, after a training of two steps."""
    few = replace(setting.recipe, steps=2, batch_size=8, evaluate_every=2, probe_inputs=4)
    return TableSize(
        setting=replace(setting, recipe=few, protections={}, search_per_task=8),
        protocol=replace(PROTOCOLS["paper"], alphas=(0.2, 0.5), patience=2),
        attacks=("ta@full",),
        tasks=all_tasks(setting.suite)[:2],
    )


def full_table(setting: Setting) -> TableSize:
    """Return the whole table of a setting, made by half of the processors, but by at most 8."""
    return TableSize(
        setting=setting,
        protocol=PROTOCOLS["paper"],
        processes=max(1, min(8, (os.cpu_count() or 1) // 2)),
    )


FULL = Size(
    name="full",
    matrix_side={"cuda": 8192, "cpu": 2048},
    # So many that stem outputs are not kept, as they are not on the paper's suite (KEPT_BYTES).
    images={"vit_b32": 4096, "vit_l14": 1024, "convnext": 1024},
    rounds=5,
    steps=10,
    merge_shapes="vit_l14",
    merge_sites={"cuda": 8, "cpu": 1},
    updates=8,
    rank=16,
    table=full_table,
)

TINY = Size(
    name="tiny",
    matrix_side={"cuda": 512, "cpu": 128},
    images={"mini_vit": 1024, "mini_convnext": 1024},
    rounds=2,
    steps=2,
    merge_shapes="mini_vit",
    merge_sites={"cuda": 1, "cpu": 1},
    updates=3,
    rank=4,
    table=tiny_table,
)

SIZES: Mapping[str, Size] = {size.name: size for size in (FULL, TINY)}
