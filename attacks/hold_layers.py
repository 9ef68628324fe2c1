"""An update is held at its nominal scale in some layers, and merged in the others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from attacks.hold import UP_TO_THE_SUM
from mergebench.contracts import InformedMerger, Suspected
from mergebench.errors import check_range
from mergebench.updates import MergePath, Update


@dataclass(frozen=True, kw_only=True)
class HoldLayers(InformedMerger):
    """`W0 + τ_p + α f(τ_i, i ≠ p)` at the sites of a set `S`, `W0 + α f(all τ_i)` at the others.

    A skill may hang on few layers at their own scale. `share`: how many of the sites are in `S`,
    from the first on, or from the last where it is negative; they are in the order of their names,
    numbers in these by value, which is that of the blocks.
    """

    name: ClassVar[str] = "hold_layers"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (hold some layers)"
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"share": (1 / 3, 2 / 3, -1 / 3, -2 / 3)}
    more_alphas: ClassVar[tuple[float, ...]] = UP_TO_THE_SUM

    share: float = -1 / 3

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        check_range(f"attack {self.name}: share", self.share, -1, 1)

    def path(self, given: Suspected) -> MergePath:
        """Return the path; with all sites in `S` it is that of `hold`, with none the rule's own."""
        held = self.held(given.protected.sites)
        everywhere, without = given.merged(given.updates), given.merged(given.others)
        direction = {
            site: without.sites[site] if site in held else change
            for site, change in everywhere.sites.items()
        }
        fixed = {site: given.protected.sites[site] for site in held}
        return MergePath(
            direction=Update(sites=direction, label=everywhere.label), fixed=Update(sites=fixed)
        )

    def held(self, sites: Iterable[str]) -> list[str]:
        """Return the sites of `S` in their order."""
        ordered = sorted(sites, key=_by_name)
        count = round(abs(self.share) * len(ordered))
        return ordered[:count] if self.share > 0 else ordered[len(ordered) - count :]


@dataclass(frozen=True, kw_only=True)
class HoldAttentionOutputs(HoldLayers):
    """`hold_layers` with the output projections of attention as `S`, those among `share` of sites.

    A tower without them leaves nothing to hold: the attack is then the rule itself.
    """

    name: ClassVar[str] = "hold_attention_outputs"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (hold attention's outputs)"
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {}

    share: float = 1.0

    def held(self, sites: Iterable[str]) -> list[str]:
        """Return the sites of `S` in their order."""
        outputs = re.compile(r"(attn\.out_proj|attention\.output\.dense)(\.\w+)?$")
        return [site for site in super().held(sites) if outputs.search(site)]


def _by_name(site: str) -> list[int | str]:
    """Return a name as a key that puts `block.2` before `block.10`."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", site)]
