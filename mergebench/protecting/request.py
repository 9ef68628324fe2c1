"""What `protect` is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mergebench.device import AUTO
from mergebench.errors import InputError, check_range, unknown_name
from mergebench.measure import UNPROTECTED

Only = Literal["plain", "trap2"]
"""The one adapter that is made."""

MARGIN = 2.0
"""What protection may cost at nominal scale, in points of validation accuracy."""

PROTECTION = "trap2"
FOLDERS: Mapping[str, str] = {UNPROTECTED: "plain", PROTECTION: PROTECTION}
"""The folder below `out` of each release."""

_MOST_STRENGTHS = 20
_MOST_STEPS = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """The arguments of `protect`, which documents them; `InputError` for those that are wrong."""

    backbone: str
    out: Path
    data: Path | None = None
    task: str | None = None
    only: Only | None = None
    sweep: tuple[float, ...] = ()
    margin: float = MARGIN
    steps: int | None = None
    seed: int = 0
    names: Path | None = None
    templates: tuple[str, ...] = ()
    partial: bool = False
    licence: str = ""
    weights: str | None = None
    device: str = AUTO
    store: Path = Path("runs")
    cache: Path | None = None
    data_root: Path | None = None
    force: bool = False
    command: str = ""

    def __post_init__(self) -> None:
        """Check what can be checked without looking at data."""
        if (self.data is None) == (self.task is None):
            raise InputError(
                "protect trains on one task: give --data PATH, or --task NAME of the suite"
            )
        if self.task is not None and (self.names or self.templates):
            raise InputError("--names and --template say what classes of --data are called")
        if self.data is not None and self.data_root is not None:
            raise InputError("--data-root: --data says where the data are; leave it out")
        if self.only is not None and self.only not in FOLDERS.values():
            raise InputError(unknown_name("--only", self.only, [*FOLDERS.values()]))
        self._check_sweep()
        check_range("--margin", self.margin, 0, 100)
        if self.steps is not None:
            check_range("--steps", self.steps, 1, _MOST_STEPS)

    @property
    def releases(self) -> tuple[str, ...]:
        """The protections of the adapters that are written, the plain one first."""
        return tuple(
            release for release, name in FOLDERS.items() if self.only is None or self.only == name
        )

    def folder(self, release: str) -> Path:
        """Return where an adapter is written."""
        return self.out / FOLDERS[release]

    def _check_sweep(self) -> None:
        if self.only == FOLDERS[UNPROTECTED] and self.sweep:
            raise InputError("--sweep: a plain adapter has no λ; leave it out, or --only plain")
        for strength in self.sweep:
            if not (math.isfinite(strength) and 0 < strength <= 1_000_000):
                raise InputError(f"--sweep {strength:g}: give λ above 0, and at most 1000000")
        if len(set(self.sweep)) != len(self.sweep) or len(self.sweep) > _MOST_STRENGTHS:
            raise InputError(f"--sweep: give each λ once, and at most {_MOST_STRENGTHS}")
