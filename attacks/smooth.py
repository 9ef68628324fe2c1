"""Noise is added to the update that may be protected, so that it falls out of where it was put."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from mergebench.contracts import InformedMerger, Suspected
from mergebench.errors import check_choice, check_range
from mergebench.updates import Dense, MergePath, SiteUpdate, Update

Noise = Literal["any", "orthogonal"]


@dataclass(frozen=True, kw_only=True)
class Smooth(InformedMerger):
    """`W0 + α/n Σ_j f(τ_1, ..., τ_p + σ ‖τ_p‖ Z_j / ‖Z_j‖, ..., τ_T)`, `Z_j` Gaussian.

    A trap that is a narrow optimum does not survive a step in a random direction, which a skill
    does. `sigma`: σ, the noise of each site relative to the update there. `samples`: n, of how many
    perturbed merges the average is taken. `noise`: "orthogonal" takes from `Z` what lies along
    `τ_p`. Noise has full rank, hence no space that needs factors,
    and a rule that adds up factors finds none in it.
    """

    name: ClassVar[str] = "smooth"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (noise, smoothing)"
    spaces: ClassVar[tuple[str, ...]] = ("full", "knots")
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"sigma": (0.01, 0.05, 0.1, 0.2, 0.5)}

    sigma: float = 0.1
    samples: int = 1
    noise: Noise = "any"

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        check_range(f"attack {self.name}: sigma", self.sigma, 0, 1000)
        check_range(f"attack {self.name}: samples", self.samples, 1, 1000)
        check_choice(f"attack {self.name}: noise", self.noise, Noise)

    def path(self, given: Suspected) -> MergePath:
        """Return the average of the perturbed merges."""
        total = self._merged(given, 0)
        for sample in range(1, self.samples):
            total = MergePath(direction=self._merged(given, sample), fixed=total).at(1.0)
        return MergePath(direction=total if self.samples == 1 else total.scaled(1 / self.samples))

    def _merged(self, given: Suspected, sample: int) -> Update:
        sites = {
            site: self._perturbed(change, given.generator(f"smooth {sample}", site))
            for site, change in given.protected.sites.items()
        }
        perturbed = Update(sites=sites, label=given.protected.label)
        return given.merged(given.with_protected(perturbed))

    def _perturbed(self, change: SiteUpdate, draws: torch.Generator) -> SiteUpdate:
        own = change.dense().double()
        noise = torch.randn(own.shape, generator=draws, dtype=torch.float64).to(own.device)
        squared = own.square().sum()
        if self.noise == "orthogonal" and squared > 0:
            noise -= (noise * own).sum() / squared * own
        # A change of one entry has nothing orthogonal to it.
        length = self.sigma * squared.sqrt() / noise.norm().clamp(min=1e-9)
        return Dense(delta=(own + length * noise).to(change.dtype))
