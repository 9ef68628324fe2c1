"""What a data-centre GPU is to reach, held against what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mergebench.gpu_check.prediction import predictions
from mergebench.gpu_check.record import AlphaTime, EvaluationSpeed, Record

BACKBONE = "vit_l14"

_SHARE = 50.0
_ALPHA_MS = 3.0
_HOURS = 6.0


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A number that is to be at least, or at most, `wanted`; `found` is what was measured."""

    what: str
    unit: str
    wanted: float
    found: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether what was measured is as good as what is wanted."""
        return self.found >= self.wanted if self.at_least else self.found <= self.wanted


def goals(record: Record) -> list[Goal]:
    """Return the goals of which everything was measured; none of them is of a CPU."""
    if record.machine.kind != "cuda":
        return []
    return [*_share(record), *_alpha(record), *_hours(record)]


def _share(record: Record) -> Iterator[Goal]:
    products = record.matrix_speed("bf16")
    for one in record.of(EvaluationSpeed):
        if (one.backbone, one.precision) == (BACKBONE, "bf16") and products is not None:
            yield Goal(
                what=f"evaluation of {BACKBONE} in bf16, share of matrix products",
                unit="%",
                wanted=_SHARE,
                found=100 * one.images_per_second * one.flop_per_image / products,
                at_least=True,
            )


def _alpha(record: Record) -> Iterator[Goal]:
    for one in record.of(AlphaTime):
        if (one.backbone, one.device) == (BACKBONE, "cuda"):
            yield Goal(
                what=f"a further alpha of {BACKBONE}",
                unit="ms",
                wanted=_ALPHA_MS,
                found=1000 * one.seconds,
            )


def _hours(record: Record) -> Iterator[Goal]:
    """Yield the goal of table 2 under `clean`: its evaluations, raced, and its merges."""
    works = ("evaluation, protocol clean", "merging on the GPU, protocol clean")
    own = {one.work: one.most for one in predictions(record) if one.backbone == BACKBONE}
    if all(work in own for work in works):
        yield Goal(
            what=f"table 2 of {BACKBONE}, protocol clean: evaluation and merging",
            unit="GPU hours",
            wanted=_HOURS,
            found=sum(own[work] for work in works),
        )
