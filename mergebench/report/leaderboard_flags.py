"""What makes a place on the leaderboard unreliable, counted over targets and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mergebench.measure import UNFAITHFUL, UNPROTECTED, Level, Measurements, Standalone
from mergebench.report.doubts import DATA_NO_HELP, LARGE_UPDATE, tally
from mergebench.report.leaderboard_picks import Pick

FAR_ABOVE = 2.0
"""How many times the norm of its unprotected one a protected update has from which it is flagged.

Norms are part of what merging rules weigh by: a large update spoils mixtures whatever it has
learned, and whoever scales it to the usual norm may undo the protection.
"""


class Flags:
    """What is known of single updates, to flag what is taken of them."""

    def __init__(self, measurements: Measurements, levels: Sequence[Level]) -> None:
        self._alone = {(one.release, one.task, one.seed): one for one in measurements.standalone}
        self._free = {name for one in levels if one.data == "none" for name in one.attacks}

    def of(self, protection: str, level: Level, picks: Iterable[Pick]) -> dict[str, int]:
        """Return how often each kind of doubt occurs at a place, once per target and seed."""
        return tally(kind for one in picks for kind in set(self._kinds(protection, level, one)))

    def _kinds(self, protection: str, level: Level, pick: Pick) -> Iterator[str]:
        yield from (warning.kind for warning in pick.taken.warnings)
        if level.data != "none" and pick.taken.name in self._free:
            yield DATA_NO_HELP
        own = self._alone.get((protection, pick.target, pick.seed))
        if own is None or protection == UNPROTECTED:
            return
        yield from (one.kind for one in own.warnings if one.kind == UNFAITHFUL)
        if _far_above(own, self._alone.get((UNPROTECTED, pick.target, pick.seed))):
            yield LARGE_UPDATE


def _far_above(own: Standalone, plain: Standalone | None) -> bool:
    """Whether an update is far larger than its unprotected one, where both norms are known."""
    if plain is None or own.norm is None or plain.norm is None:
        return False
    return own.norm > FAR_ABOVE * plain.norm
