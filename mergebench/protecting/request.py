"""What `protect` is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from mergebench.device import AUTO
from mergebench.errors import InputError, check_range, unknown_name
from mergebench.experiment import plain_name
from mergebench.measure import UNPROTECTED

MARGIN = 2.0
"""What protection may cost at nominal scale, in points of validation accuracy."""

PROTECTION = "trap2"
"""The protection where none is named."""

PLAIN = "plain"
"""What the adapter without protection is called, as its folder is."""

_MOST_STRENGTHS = 20
_MOST_STEPS = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """The arguments of `protect`, which documents them; `InputError` for those that are wrong."""

    backbone: str
    out: Path
    data: Path | None = None
    task: str | None = None
    protection: str = PROTECTION
    only: str | None = None
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
    plugins: tuple[Path, ...] = ()
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
        self._check_names()
        self._check_sweep()
        check_range("--margin", self.margin, 0, 100)
        if self.steps is not None:
            check_range("--steps", self.steps, 1, _MOST_STEPS)

    @property
    def releases(self) -> tuple[str, ...]:
        """The protections of the adapters that are written, the plain one first."""
        every = UNPROTECTED, self.protection
        return tuple(one for one in every if self.only is None or self.only == self.called(one))

    def called(self, release: str) -> str:
        """Return what an adapter is called: plain, or as its protection without its options."""
        return PLAIN if release == UNPROTECTED else plain_name(release)

    def folder(self, release: str) -> Path:
        """Return where an adapter is written."""
        return self.out / self.called(release)

    def _check_names(self) -> None:
        if self.only == PLAIN and self.protection != PROTECTION:
            raise InputError(
                "--protection: a plain adapter has none; leave it out, or --only plain"
            )
        if plain_name(self.protection) == PLAIN:
            raise InputError("--protection plain: the adapter without one is called so; rename it")
        names = [PLAIN, self.called(self.protection)]
        if self.only is not None and self.only not in names:
            raise InputError(unknown_name("--only", self.only, names))

    def _check_sweep(self) -> None:
        if self.only == PLAIN and self.sweep:
            raise InputError("--sweep: a plain adapter has no λ; leave it out, or --only plain")
        for strength in self.sweep:
            if not (math.isfinite(strength) and 0 < strength <= 1_000_000):
                raise InputError(f"--sweep {strength:g}: give λ above 0, and at most 1000000")
        if len(set(self.sweep)) != len(self.sweep) or len(self.sweep) > _MOST_STRENGTHS:
            raise InputError(f"--sweep: give each λ once, and at most {_MOST_STRENGTHS}")
