"""What a model card is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mergebench.measure import (
    UNPROTECTED,
    ZERO_SHOT,
    Measurements,
    OnValidation,
    ScaleCurve,
    Standalone,
)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """How a strength was chosen: all that were tried, which one was taken, and the plain update.

    `margin`: what the choice might cost at nominal scale, in points.
    """

    tried: tuple[OnValidation, ...]
    chosen: OnValidation
    plain: OnValidation
    margin: float


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """One released adapter: what it is of, and what was measured.

    `release`: its protection; `base_model`: as the hub calls it; `licence`: the hub's identifier,
    empty where the provider has to fill it in; `loading`: Python that loads it. `measurements`: of
    one task, the backbone itself and the other adapter among them if it is there. `strength`: λ;
    `method`: the protection's name and paper. `sizes`: inputs by split; `sha256`: hashes by what
    they are of.
    """

    release: str
    task: str
    classes: tuple[str, ...]
    backbone: str
    base_model: str
    licence: str
    loading: str
    rank: int
    measurements: Measurements
    method: str = ""
    strength: float | None = None
    sweep: Sweep | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_protected(self) -> bool:
        """Whether there is a protection."""
        return self.release != UNPROTECTED

    @property
    def zero_shot(self) -> Standalone:
        """The backbone itself on the test inputs."""
        return self._row(ZERO_SHOT)

    @property
    def alone(self) -> Standalone:
        """The adapter at nominal scale on the test inputs."""
        return self._row(self.release)

    @property
    def curve(self) -> ScaleCurve:
        """The adapter on the test inputs by scale."""
        return next(one for one in self.measurements.curves if one.release == self.release)

    @property
    def plain_curve(self) -> ScaleCurve | None:
        """The same of the plain adapter, where this one is protected and that was made too."""
        found = (one for one in self.measurements.curves if one.release == UNPROTECTED)
        return next(found, None) if self.is_protected else None

    def _row(self, release: str) -> Standalone:
        return next(one for one in self.measurements.standalone if one.release == release)
