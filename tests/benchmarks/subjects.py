"""What is timed: synthetic adapters of the paper's shapes, merged the fast and the dense way."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import oracle
import torch
from dense_rules import OF_FACTORS, RULES
from numpy.typing import NDArray
from synthetic import SITE, as_updates, attack, low_rank

from mergebench.contracts import Attack, Site, Space
from mergebench.merging import MergeProblem
from mergebench.merging.problem import Problem
from mergebench.registry import registry
from mergebench.updates import LowRank, MergePath, Update

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

OTHERS_ON = "vit_l14"
"""The backbone on which attacks beyond table 2 are timed."""

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

    def merger(self, **options: Any) -> Attack:
        """Return the attack with some hyper-parameters."""
        return attack(self.attack, **options)

    @property
    def structures(self) -> list[Mapping[str, float]]:
        """The structural points of the protocol `paper`: one hyper-parameter at a time."""
        return [{name: one} for name, values in self.merger().searched.items() for one in values]

    @property
    def alphas(self) -> int:
        """How many coefficients a search visits: `ALPHAS`, or those that the attack has itself."""
        own = self.merger().alphas
        return ALPHAS if own is None else len(own)

    def problem(self, dtype: torch.dtype = torch.float32) -> Problem[Any]:
        """Return the fast code's problem, nothing of it computed yet."""
        updates = adapters(self.shape, self.count, self.rank, dtype)
        return MergeProblem(updates, space=registry().get(Space, self.space)())

    def encode(self) -> float:
        """Let the dense code compute the representatives; return how many seconds it took.

        That is done once for all attacks, because a dense KnOTS takes up to minutes. None are
        needed for a rule about factors.
        """
        if self.attack in OF_FACTORS:
            return 0.0
        return _encode(self.shape, self.count, self.rank, self.space)[0]

    def dense_point(self) -> NDArray[np.float64]:
        """Let the dense code merge once at the defaults, its representatives at hand.

        Other hyper-parameters cost the same.
        """
        if self.attack in OF_FACTORS:
            return OF_FACTORS[self.attack](factors(self.shape, self.count, self.rank))
        stack, back = _encode(self.shape, self.count, self.rank, self.space)[1]
        site, purpose = Site(name=SITE, shape=(0, 0)), "della" if self.attack == "della" else "dare"

        def draw(task: int, shape: tuple[int, ...]) -> Any:
            return torch.rand(shape, generator=site.generator(purpose, task)).numpy()

        return back(RULES[self.attack](stack, self.merger().options(), draw))

    def dense_updates(self) -> NDArray[np.float64]:
        """Return the updates as the dense code has them, `(T, m, n)`."""
        return _encode(self.shape, self.count, self.rank, "full")[1][0]

    def difference(self) -> float:
        """Return the largest difference between both results, as a share of the largest entry.

        Of the same adapters in float64, in which no entry lies at a threshold by rounding.
        """
        path = self.fast_point(self.problem(torch.float64), {})
        found = path.at(1.0).sites[SITE].dense().numpy()
        expected = self.dense_point()
        return float(np.abs(found - expected).max() / np.abs(expected).max())

    def fast_point(self, problem: Problem[Any], options: Mapping[str, Any]) -> MergePath:
        """Let the fast code merge once."""
        return problem.path(self.merger(**options))


@cache
def adapters(
    shape: Shape, count: int, rank: int, dtype: torch.dtype = torch.float32
) -> list[Update]:
    """Return updates whose singular values fall geometrically to about a twentieth.

    They are exact in float32, whatever their `dtype`.
    """
    changes = low_rank(*shape, [rank] * count, dtype=torch.float32, condition=0.05)
    return as_updates([LowRank(up=c.up.to(dtype), down=c.down.to(dtype)) for c in changes])


@cache
def factors(shape: Shape, count: int, rank: int) -> list[tuple[oracle.Matrix, oracle.Matrix]]:
    """Return the factors of the same updates for the dense code."""
    changes: Any = [update.sites[SITE] for update in adapters(shape, count, rank, torch.float64)]
    return [(change.up.numpy(), change.down.numpy()) for change in changes]


@cache
def _encode(
    shape: Shape, count: int, rank: int, space: str
) -> tuple[float, tuple[NDArray[np.float64], oracle.Back]]:
    given = factors(shape, count, rank)
    start = time.process_time()
    representatives = oracle.SPACES[space](given)
    return time.process_time() - start, representatives


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Medians in seconds for one site.

    `dense_encode`: the representatives; `dense_point`: one merge with them at hand; `fast_first`:
    representatives and one merge; `fast_point`: one more merge, the median over the structural
    points; `fast_points`: all of these; `structures`: how many there are; `alphas`: coefficients.
    """

    dense_encode: float
    dense_point: float
    fast_first: float
    fast_point: float
    fast_points: float
    structures: int
    alphas: int = ALPHAS

    @property
    def dense_first(self) -> float:
        """Representatives and one merge."""
        return self.dense_encode + self.dense_point

    @property
    def dense_grid(self) -> float:
        """A merge at every alpha and at every structural point, as the reference does."""
        return self.dense_encode + (self.alphas + self.structures) * self.dense_point

    @property
    def fast_grid(self) -> float:
        """One merge for all alphas and one at every structural point."""
        return self.fast_first + self.fast_points

    def times(self, sites: int) -> Costs:
        """Return the costs of so many sites."""
        return replace(self, **{name: sites * getattr(self, name) for name in _SECONDS})

    def plus(self, other: Costs) -> Costs:
        """Return the costs of both."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in _SECONDS}
        return replace(self, **sums)


_SECONDS = ("dense_encode", "dense_point", "fast_first", "fast_point", "fast_points")


def compare(subject: Subject, *, most_rounds: int = 5, enough: float = 10.0) -> Costs:
    """Time both ways in turns, `most_rounds` times or until `enough` seconds have passed."""
    dense_encode = subject.encode()
    dense, first, further = [], [], []
    began = time.process_time()
    while len(dense) < most_rounds and (not dense or time.process_time() - began < enough):
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
        alphas=subject.alphas,
    )


def seconds(action: Callable[..., object], *arguments: object, at_least: float = 0.0) -> float:
    """Return how long one call takes: the mean of as many as take `at_least` so long.

    By the processor's time of this process, which others at work beside it disturb less.
    """
    start, calls, taken = time.process_time(), 0, 0.0
    while not calls or taken < at_least:
        action(*arguments)
        calls, taken = calls + 1, time.process_time() - start
    return taken / calls


def total(costs: Sequence[Costs]) -> Costs:
    """Return the sum over sites."""
    first, *others = costs
    for other in others:
        first = first.plus(other)
    return first
