"""What one session of benchmarks measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from subjects import SITES, Costs, Shape, total

from mergebench.experiment.experiment import TABLE2


@dataclass(frozen=True, kw_only=True)
class SiteCosts:
    """Costs of one site of a backbone."""

    backbone: str
    shape: Shape
    column: str
    costs: Costs


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Costs of all sites of ViT-L/14; `difference`: of the results, see `Subject.difference`."""

    column: str
    costs: Costs
    difference: float


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Costs of one 768 x 768 site with `count` updates of `rank`."""

    column: str
    count: int
    rank: int
    costs: Costs


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peak bytes over the inputs while `sites` sites are merged in Full space."""

    attack: str
    sites: int
    dense: int
    fast: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Images per second of an evaluation on one thread; `how`: in which way it was done."""

    backbone: str
    how: str
    images_per_second: float


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Correct predictions of an update's deployment in bf16 and in float32.

    `differing`: images that are classified in another way.
    """

    backbone: str
    update: str
    images: int
    bf16: int
    fp32: int
    differing: int


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Median seconds of something as it is done, and as it could be done."""

    what: str
    done: float
    alternative: float


@dataclass(kw_only=True)
class Ledger:
    """What one session measured. `alphas`: seconds by backbone; `loading`: images per second."""

    sites: list[SiteCosts] = field(default_factory=list)
    others: list[Merged] = field(default_factory=list)
    scaling: list[Scaling] = field(default_factory=list)
    alphas: dict[str, float] = field(default_factory=dict)
    memory: list[Memory] = field(default_factory=list)
    evaluation: list[Evaluation] = field(default_factory=list)
    precision: list[Precision] = field(default_factory=list)
    alternatives: list[Alternative] = field(default_factory=list)
    loading: list[float] = field(default_factory=list)

    def compare(self, what: str, done: Sequence[float], alternative: Sequence[float]) -> None:
        """Note the medians of seconds of both ways."""
        medians = float(np.median(done)), float(np.median(alternative))
        self.alternatives.append(Alternative(what=what, done=medians[0], alternative=medians[1]))

    def backbones(self) -> list[str]:
        """Return the backbones of which every site and column was measured."""
        there = {(one.backbone, one.shape, one.column) for one in self.sites}
        return [
            backbone
            for backbone, shapes in SITES.items()
            if all((backbone, shape, column) in there for shape in shapes for column in TABLE2)
        ]

    def model(self, backbone: str, column: str) -> Costs:
        """Return the costs of all sites of a backbone, each shape of which must be there."""
        return total(
            [
                one.costs.times(SITES[backbone][one.shape])
                for one in self.sites
                if (one.backbone, one.column) == (backbone, column)
            ]
        )
