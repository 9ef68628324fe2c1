"""What is timed: synthetic adapters on the paper's shapes, merged by the fast and the dense code."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import oracle
import torch
from numpy.typing import NDArray
from synthetic import SITE, as_updates, attack, low_rank

from mergebench.contracts import Merger, Site, Space
from mergebench.merging import MergeProblem
from mergebench.registry import registry
from mergebench.update import Update

Shape = tuple[int, int]

SITES: Mapping[str, Mapping[Shape, int]] = {
    "vit_b32": {(768, 768): 48},
    "vit_l14": {(1024, 1024): 96},
    "convnext": {
        **{(4 * width, width): blocks for width, blocks in zip((128, 256), (3, 3), strict=True)},
        **{(width, 4 * width): blocks for width, blocks in zip((128, 256), (3, 3), strict=True)},
        (2048, 512): 27,
        (512, 2048): 27,
        (4096, 1024): 3,
        (1024, 4096): 3,
    },
}
"""Sites of the paper's backbones by shape: q, k, v and out of a ViT, fc1 and fc2 of a ConvNeXt."""

ALPHAS = 20
"""Coefficients of the grid that is timed as a whole."""


def adapters(shape: Shape, count: int, rank: int, seed: int = 0) -> list[Update]:
    """Return float32 updates whose singular values fall geometrically to about a twentieth."""
    changes = low_rank(*shape, [rank] * count, seed=seed, dtype=torch.float32, condition=0.05)
    return as_updates(changes)


def structures(merger: Merger) -> list[Mapping[str, float]]:
    """Return the structural points of the protocol `paper`: one hyper-parameter at a time."""
    return [{name: value} for name, values in merger.grid.items() for value in values]


def seconds(action: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Merging one site's updates under one attack in one space, both ways.

    The dense way keeps the space's components between merges, as the reference does.
    """

    updates: Sequence[Update]
    attack: str
    space: str

    @property
    def points(self) -> list[Mapping[str, float]]:
        """The default and then all structural points."""
        return [{}, *structures(attack(self.attack))]

    def problem(self) -> MergeProblem:
        """Return the fast code's problem, nothing of it computed yet."""
        return MergeProblem(self.updates, space=registry().get(Space, self.space)())

    @cached_property
    def representatives(self) -> tuple[NDArray[np.float64], oracle.Back]:
        """The dense code's representatives and way back."""
        return self.encode()

    def encode(self) -> tuple[NDArray[np.float64], oracle.Back]:
        """Let the dense code compute the representatives, from float64 factors."""
        changes = [update.sites[SITE] for update in self.updates]
        factors = [[factor.double().numpy() for factor in change.tensors] for change in changes]
        return oracle.SPACES[self.space](factors)

    def dense_point(self, options: Mapping[str, Any]) -> NDArray[np.float64]:
        """Let the dense code merge once, its components given."""
        stack, back = self.representatives
        site = Site(name=SITE, shape=(0, 0))

        def draw(task: int, shape: tuple[int, ...]) -> Any:
            return torch.rand(shape, generator=site.generator("dare", task)).numpy()

        rule = attack(self.attack, **options)
        return back(oracle.RULES[self.attack](stack, rule.options(), draw))

    def fast_point(self, problem: MergeProblem, options: Mapping[str, Any]) -> Update:
        """Let the fast code merge once."""
        return problem.merge(attack(self.attack, **options))


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Medians in seconds for one site; see the columns of the results."""

    dense_encode: float
    dense_point: float
    dense_grid: float
    fast_first: float
    fast_point: float
    fast_grid: float


def median(values: Sequence[float]) -> float:
    return float(np.median(values))


def compare(subject: Subject, rounds: int) -> Costs:
    """Time both ways in turns, the whole structural grid each time.

    The dense way merges again at every alpha; the fast way once, whatever the alphas.
    """
    dense_encode, first = [], []
    dense: list[list[float]] = []
    fast: list[list[float]] = []
    for _ in range(rounds):
        dense_encode.append(seconds(subject.encode))
        problem = subject.problem()
        first.append(seconds(lambda: subject.fast_point(problem, {})))
        _ = subject.representatives
        pairs = [
            (
                seconds(lambda: subject.dense_point(options)),
                seconds(lambda: subject.fast_point(problem, options)),
            )
            for options in subject.points
        ]
        dense.append([pair[0] for pair in pairs])
        fast.append([pair[1] for pair in pairs])
    dense_point = median([*itertools.chain(*dense)])
    fast_points = [median(column) for column in zip(*fast, strict=True)]
    return Costs(
        dense_encode=median(dense_encode),
        dense_point=dense_point,
        dense_grid=median(dense_encode)
        + ALPHAS * median([row[0] for row in dense])
        + sum(median(column) for column in list(zip(*dense, strict=True))[1:]),
        fast_first=median(first),
        fast_point=median(fast_points),
        fast_grid=median(first) + sum(fast_points[1:]),
    )
