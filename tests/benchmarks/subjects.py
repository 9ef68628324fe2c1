"""What is timed: synthetic adapters of the paper's shapes, merged the fast and the dense way."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import oracle
import torch
from numpy.typing import NDArray
from synthetic import SITE, as_updates, attack, low_rank

from mergebench.contracts import Site, Space
from mergebench.merging.problem import MergeProblem
from mergebench.registry import registry
from mergebench.updates.update import Update

Shape = tuple[int, int]

SITES: Mapping[str, Mapping[Shape, int]] = {
    "vit_b32": {(768, 768): 48},
    "vit_l14": {(1024, 1024): 96},
    "convnext": {
        shape: blocks
        for width, blocks in {128: 3, 256: 3, 512: 27, 1024: 3}.items()
        for shape in ((4 * width, width), (width, 4 * width))
    },
}
"""Sites of the paper's backbones by shape: q, k, v and out of a ViT, fc1 and fc2 of a ConvNeXt."""

ALPHAS = 20
"""Coefficients of the grid that is timed as a whole."""

SHORT = 0.01
"""Seconds over which calls are repeated that take less, if they do the same each time."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Merging `count` updates of one site under one attack in one space."""

    shape: Shape
    attack: str
    space: str
    count: int = 8
    rank: int = 16

    @property
    def structures(self) -> list[Mapping[str, float]]:
        """The structural points of the protocol `paper`: one hyper-parameter at a time."""
        grid = attack(self.attack).grid
        return [{name: value} for name, values in grid.items() for value in values]

    def problem(self) -> MergeProblem:
        """Return the fast code's problem, nothing of it computed yet."""
        updates = adapters(self.shape, self.count, self.rank)
        return MergeProblem(updates, space=registry().get(Space, self.space)())

    def encode(self) -> tuple[float, tuple[NDArray[np.float64], oracle.Back]]:
        """Let the dense code compute the representatives; also return how many seconds it took.

        That is done once for all attacks, because a dense KnOTS takes up to minutes.
        """
        return _encode(self.shape, self.count, self.rank, self.space)

    def dense_point(self) -> NDArray[np.float64]:
        """Let the dense code merge once at the defaults, its representatives at hand.

        Other hyper-parameters cost the same.
        """
        _, (stack, back) = self.encode()
        site = Site(name=SITE, shape=(0, 0))

        def draw(task: int, shape: tuple[int, ...]) -> Any:
            return torch.rand(shape, generator=site.generator("dare", task)).numpy()

        return back(oracle.RULES[self.attack](stack, attack(self.attack).options(), draw))

    def fast_point(self, problem: MergeProblem, options: Mapping[str, Any]) -> Update:
        """Let the fast code merge once."""
        return problem.merge(attack(self.attack, **options))


@cache
def adapters(shape: Shape, count: int, rank: int) -> list[Update]:
    """Return float32 updates whose singular values fall geometrically to about a twentieth."""
    return as_updates(low_rank(*shape, [rank] * count, dtype=torch.float32, condition=0.05))


@cache
def _encode(
    shape: Shape, count: int, rank: int, space: str
) -> tuple[float, tuple[NDArray[np.float64], oracle.Back]]:
    changes = [update.sites[SITE] for update in adapters(shape, count, rank)]
    factors: Any = [[part.double().numpy() for part in change.tensors] for change in changes]
    start = time.perf_counter()
    representatives = oracle.SPACES[space](factors)
    return time.perf_counter() - start, representatives


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Medians in seconds for one site.

    `dense_encode`: the representatives; `dense_point`: one merge with them at hand; `fast_first`:
    representatives and one merge; `fast_point`: one more merge, the median over the structural
    points; `fast_points`: all of these; `structures`: how many there are.
    """

    dense_encode: float
    dense_point: float
    fast_first: float
    fast_point: float
    fast_points: float
    structures: int

    @property
    def dense_first(self) -> float:
        """Representatives and one merge."""
        return self.dense_encode + self.dense_point

    @property
    def dense_grid(self) -> float:
        """A merge at every alpha and at every structural point, as the reference does."""
        return self.dense_encode + (ALPHAS + self.structures) * self.dense_point

    @property
    def fast_grid(self) -> float:
        """One merge for all alphas and one at every structural point."""
        return self.fast_first + self.fast_points

    def times(self, sites: int) -> Costs:
        """Return the costs of so many sites."""
        return Costs(
            dense_encode=sites * self.dense_encode,
            dense_point=sites * self.dense_point,
            fast_first=sites * self.fast_first,
            fast_point=sites * self.fast_point,
            fast_points=sites * self.fast_points,
            structures=self.structures,
        )

    def plus(self, other: Costs) -> Costs:
        """Return the costs of both."""
        return Costs(
            dense_encode=self.dense_encode + other.dense_encode,
            dense_point=self.dense_point + other.dense_point,
            fast_first=self.fast_first + other.fast_first,
            fast_point=self.fast_point + other.fast_point,
            fast_points=self.fast_points + other.fast_points,
            structures=self.structures,
        )


def compare(subject: Subject, *, most_rounds: int = 5, enough: float = 10.0) -> Costs:
    """Time both ways in turns, `most_rounds` times or until `enough` seconds have passed."""
    dense_encode, _ = subject.encode()
    dense, first, further = [], [], []
    began = time.perf_counter()
    while len(dense) < most_rounds and (not dense or time.perf_counter() - began < enough):
        problem = subject.problem()
        first.append(seconds(subject.fast_point, problem, {}))
        dense.append(seconds(subject.dense_point, at_least=SHORT))
        # At a structural point a merge may remember something for the next one there, so it is
        # done once.
        repeated = 0.0 if subject.structures else SHORT
        further.append(
            [
                seconds(subject.fast_point, problem, options, at_least=repeated)
                for options in subject.structures or [{}]
            ]
        )
    points = [float(np.median(column)) for column in zip(*further, strict=True)]
    return Costs(
        dense_encode=dense_encode,
        dense_point=float(np.median(dense)),
        fast_first=float(np.median(first)),
        fast_point=float(np.median(points)),
        fast_points=sum(points) if subject.structures else 0.0,
        structures=len(subject.structures),
    )


def seconds(action: Callable[..., object], *arguments: object, at_least: float = 0.0) -> float:
    """Return how long one call takes: the mean of as many as take `at_least` so long."""
    start, calls, taken = time.perf_counter(), 0, 0.0
    while not calls or taken < at_least:
        action(*arguments)
        calls, taken = calls + 1, time.perf_counter() - start
    return taken / calls


def total(costs: Sequence[Costs]) -> Costs:
    """Return the sum over sites."""
    first, *others = costs
    for other in others:
        first = first.plus(other)
    return first
