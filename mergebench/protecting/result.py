"""What `protect` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mergebench.measure import Measurements
from mergebench.report import Sweep


@dataclass(frozen=True, kw_only=True)
class Written:
    """One adapter on disk. `release`: its protection, "none" if plain; `strength`: λ.

    `steps`: of its training; `usual_steps`: those of the recipe, before few inputs cut them.
    """

    release: str
    folder: Path
    steps: int
    usual_steps: int
    strength: float | None = None


@dataclass(frozen=True, kw_only=True)
class Protected:
    """What was trained, chosen, measured and written.

    `adapters`: the plain one first. `sweep`: how λ was chosen, None where one was given or none was
    needed. `measurements`: integer counts of correct test inputs, of the backbone itself, each
    adapter at scale 1, and by scale. `sizes`: inputs by split; `classes`: how many.
    """

    task: str
    backbone: str
    classes: int
    sizes: Mapping[str, int]
    adapters: tuple[Written, ...]
    sweep: Sweep | None
    measurements: Measurements

    @property
    def strength(self) -> float | None:
        """The λ of the protected adapter; None if only a plain one was made."""
        return next((one.strength for one in self.adapters if one.strength is not None), None)
