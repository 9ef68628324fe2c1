"""What makes a place on the leaderboard unreliable, counted over targets and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mergebench.measure import (
    REALIGN,
    UNFAITHFUL,
    UNPROTECTED,
    UTILITY_LOSS,
    Level,
    Measurements,
    Merged,
    Standalone,
    Stored,
)
from mergebench.report.clear_differences import clearly_better, merges_clearly_better
from mergebench.report.doubts import (
    DATA_NO_HELP,
    LARGE_UPDATE,
    NOTHING_TAKEN,
    REALIGNED,
    STORAGE,
    tally,
)
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
        self._with_data = {one: _with_data(levels, one) for one in levels}
        self._run_on = measurements.run_on
        self._undone = {_place(one) for one in _undone(measurements.merged)}
        self._rounded = {_place(one) for one in _rounded(measurements.stored)}

    def of(self, protection: str, level: Level, picks: Iterable[Pick]) -> dict[str, int]:
        """Return how often each kind of doubt occurs at a place, once per target and seed."""
        return tally(kind for one in picks for kind in set(self._kinds(protection, level, one)))

    def _kinds(self, protection: str, level: Level, pick: Pick) -> Iterator[str]:
        yield from (warning.kind for warning in pick.taken.warnings)
        if pick.taken.empty:
            yield NOTHING_TAKEN
        if self._data_no_help(protection, level, pick):
            yield DATA_NO_HELP
        if protection != UNPROTECTED:
            yield from self._of_update(protection, pick.target, pick.seed)

    def _of_update(self, protection: str, target: str, seed: int) -> Iterator[str]:
        """Yield the doubts about the protected update itself, whatever is merged of it."""
        place = protection, target, seed
        if place in self._undone:
            yield REALIGNED
        if place in self._rounded:
            yield STORAGE
        own, plain = self._alone.get(place), self._alone.get((UNPROTECTED, target, seed))
        if own is None:
            return
        yield from (one.kind for one in own.warnings if one.kind == UNFAITHFUL)
        if plain is not None and clearly_better(plain, own):
            yield UTILITY_LOSS
        if _far_above(own, plain):
            yield LARGE_UPDATE

    def _data_no_help(self, protection: str, level: Level, pick: Pick) -> bool:
        """Whether what is taken needs no data, and is better than all that look at data."""
        fitted = self._run_on(protection, self._with_data[level])
        if not fitted or pick.taken.name not in self._free:
            return False
        rivals = [value for name, value in pick.finalists.items() if name in fitted]
        return all(value < pick.finalists[pick.taken.name] for value in rivals)


def _with_data(levels: Iterable[Level], level: Level) -> list[str]:
    """Return the attacks that look at data, of those that who is at `level` can run."""
    allowed = (one for one in levels if one.data != "none" and level.allows(one))
    return [name for one in allowed for name in one.attacks]


def _far_above(own: Standalone, plain: Standalone | None) -> bool:
    """Whether an update is far larger than its unprotected one, where both norms are known."""
    if plain is None or own.norm is None or plain.norm is None:
        return False
    return own.norm > FAR_ABOVE * plain.norm


def _undone(merges: Iterable[Merged]) -> Iterator[Merged]:
    """Yield the merges of re-aligned updates that are clearly better than of them as released."""
    found = {(_place(one), one.name): one for one in merges}
    for (place, name), one in found.items():
        raw = found.get((place, name.removeprefix(REALIGN)))
        if name.startswith(REALIGN) and raw is not None and merges_clearly_better(one, raw):
            yield one


def _rounded(stored: Iterable[Stored]) -> Iterator[Stored]:
    """Yield the checkpoints that are clearly worse than the same ones in fp32."""
    found = {(_place(one), one.dtype): one for one in stored}
    for (place, _), one in found.items():
        exact = found.get((place, "fp32"))
        if exact is not None and clearly_better(exact, one):
            yield one


def _place(one: Merged | Stored) -> tuple[str, str | None, int]:
    """Return whose update it is: protection, task and seed."""
    if isinstance(one, Stored):
        return one.release, one.task, one.seed
    return one.protection, one.target, one.seed
