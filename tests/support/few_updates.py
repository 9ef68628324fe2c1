"""Updates of a small random backbone and images, as an attack that looks at inputs gets them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from narrow_towers import narrow_backbone
from training import synthetic_task

from mergebench.backbones import Backbone
from mergebench.contracts import DataMerger, MergeData
from mergebench.merging.sampling import within_budget
from mergebench.suites import Split, Task
from mergebench.updates.update import Dense, LowRank, SiteUpdate, Update


def random_update(backbone: Backbone, seed: int, *, full: bool = False) -> Update:
    """Return a low-rank change of every site, or a dense one of every parameter."""
    draws = torch.Generator().manual_seed(seed)
    sites: dict[str, SiteUpdate] = {}
    if full:
        for name, value in backbone.tower.named_parameters():
            sites[name] = Dense(delta=0.02 * torch.randn(value.shape, generator=draws))
        return Update(sites=sites, label=f"full {seed}")
    for site, linear in backbone.sites.items():
        rows, columns = linear.weight.shape
        up = 0.1 * torch.randn(rows, 4, generator=draws)
        sites[site] = LowRank(up=up, down=0.1 * torch.randn(4, columns, generator=draws))
    return Update(sites=sites, label=f"update {seed}")


def noisy_task(name: str, seed: int) -> Task:
    """Return the task of stripes with images of its own."""
    task = synthetic_task(name)
    draws = torch.Generator().manual_seed(seed)
    splits = {}
    for split, own in task.splits.items():
        noise = torch.randint(0, 40, own.inputs.shape, generator=draws, dtype=torch.uint8)
        splits[split] = Split(inputs=own.inputs + noise, labels=own.labels)
    return replace(task, splits=splits)


def merge_data(
    attack: DataMerger, backbone: Backbone | None = None, *, tasks: int = 2, **parts: Any
) -> MergeData:
    """Return updates and images of so many tasks, within the attack's budget."""
    backbone = backbone or narrow_backbone()
    whole = [noisy_task(f"task {index}", index) for index in range(tasks)]
    given = {
        "updates": tuple(random_update(backbone, index) for index in range(tasks)),
        "tasks": tuple(within_budget(task, attack, 0) for task in whole),
        "seed": 0,
        "target": "task 0",
    }
    return MergeData(backbone=backbone, **(given | parts))
