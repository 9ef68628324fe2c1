"""What merging costs: every attack in every space, and a further merging coefficient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import nn

from mergebench.backbones import Backbone, site_shapes
from mergebench.contracts import Merger, Space
from mergebench.experiment import TABLE2
from mergebench.gpu_check.record import AlphaTime, MergeTime
from mergebench.gpu_check.sizes import Size
from mergebench.gpu_check.stopwatch import median_seconds, seconds
from mergebench.measure import Deployment
from mergebench.merging import MergeProblem
from mergebench.registry import registry
from mergebench.seeding import generator
from mergebench.updates import Dense, LowRank, Update

_ROUNDS = 3
_ALPHA = 0.3

Shape = tuple[int, int]


def merge_columns() -> tuple[str, ...]:
    """Return every attack@space that looks at updates alone, those of table 2 first."""
    found = (one.plugin for one in registry().all(Merger))
    every = [f"{plugin.name}@{space}" for plugin in found for space in plugin.spaces]
    return tuple(dict.fromkeys((*TABLE2, *every)))


def merge_time(column: str, size: Size, device: torch.device) -> MergeTime:
    """Return what merges by `column` take, updates and result on `device`.

    Some sites of each shape are timed, and a shape counts as often as the backbone has it.
    """
    name, _, space = column.partition("@")
    subject = _Subject(
        merger=registry().get(Merger, name)(), space=registry().get(Space, space)(), device=device
    )
    shapes = Counter(site_shapes(size.merge_shapes).values())
    timed, first, further = 0, 0.0, 0.0
    for shape, count in shapes.items():
        sites = min(count, size.merge_sites[device.type])
        own = subject.times(random_adapters(shape, sites, size.updates, size.rank, device))
        timed += sites
        first += own[0] * count / sites
        further += own[1] * count / sites
    structures = len(subject.points)
    return MergeTime(
        backbone=size.merge_shapes,
        column=column,
        device=device.type,
        timed=timed,
        sites=shapes.total(),
        structures=structures,
        first=first,
        point=further / max(1, structures),
        grid=first + further if structures else first,
    )


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """One rule in one space on one device."""

    merger: Merger
    space: Space
    device: torch.device

    @property
    def points(self) -> list[Mapping[str, float]]:
        """The structural points of the protocol `paper`: one hyper-parameter at a time."""
        return [{name: value} for name, values in self.merger.searched.items() for value in values]

    def times(self, updates: Sequence[Update]) -> tuple[float, float]:
        """Return seconds of a first merge, the median of several, and of all points after it.

        Without structural points the latter are seconds of the same merge again.
        """
        self._first(updates)
        firsts = []
        for _ in range(_ROUNDS):
            problem = MergeProblem(updates, space=self.space)
            firsts.append(seconds(partial(problem.merge, self.merger), self.device))
        further = [
            seconds(partial(problem.merge, self.merger.with_options(**options)), self.device)
            for options in self.points or [{}]
        ]
        return median(firsts), sum(further)

    def _first(self, updates: Sequence[Update]) -> None:
        """Merge once, so that libraries are loaded and their buffers allocated."""
        MergeProblem(updates, space=self.space).merge(self.merger)


def random_adapters(
    shape: Shape, sites: int, count: int, rank: int, device: torch.device
) -> list[Update]:
    """Return `count` random low-rank updates, float32, of so many sites of one shape."""
    rows, columns = shape
    updates = []
    for number in range(count):
        draws = generator(0, "random adapters", number)
        changes = {
            f"blocks.{site}": LowRank(
                up=torch.randn(rows, rank, generator=draws).to(device),
                down=torch.randn(rank, columns, generator=draws).to(device),
            )
            for site in range(sites)
        }
        updates.append(Update(sites=changes, label=f"update {number}"))
    return updates


def alpha_time(size: Size, device: torch.device) -> AlphaTime:
    """Return what it takes to write `W0 + alpha D` for another alpha, all sites being dense."""
    shapes = [*site_shapes(size.merge_shapes).values()]
    draws = generator(0, "alpha")
    changes = [Dense(delta=torch.randn(shape, generator=draws).to(device)) for shape in shapes]
    update = Update(sites={str(number): change for number, change in enumerate(changes)})
    with Deployment(_bare_backbone(size.merge_shapes, shapes, device), update) as deployment:
        taken = median_seconds(partial(deployment.set, _ALPHA), device, rounds=11)
    return AlphaTime(
        backbone=size.merge_shapes,
        device=device.type,
        bytes=sum(change.delta.nbytes for change in changes),
        seconds=taken,
    )


def _bare_backbone(name: str, shapes: Sequence[Shape], device: torch.device) -> Backbone:
    """Return what `Deployment` asks of a backbone: linears of these shapes, by their number."""
    linears = [nn.Linear(shape[1], shape[0], bias=False, device=device) for shape in shapes]
    bare: Any = SimpleNamespace(name=name, tower=nn.Sequential(*linears), device=device)
    return cast(Backbone, bare)
