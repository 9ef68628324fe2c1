"""One merge of a set of updates, computed site by site and put aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mergebench.auditing.shelf import IN_MEMORY, Shelf
from mergebench.contracts import Attack, InformedMerger, Room, Space
from mergebench.measure import degenerate_bases
from mergebench.merging import InformedProblem, MergeProblem, Problem
from mergebench.updates import Dense, LowRank, SiteUpdate, Update, inner


class MergeBySite:
    """The path `F + alpha D` of an attack that looks at one site after the other.

    `updates`: that which may be protected first. `attack` must be a `Merger` or an
    `InformedMerger` that asks for nothing of the whole model. `room`: bytes of dense changes in
    memory; further ones go to disk until `close`. Errors as of `MergeProblem`.
    """

    def __init__(
        self,
        updates: Sequence[Update],
        attack: Attack,
        space: Space,
        *,
        seed: int = 0,
        room: int = IN_MEMORY,
    ) -> None:
        self._shelf = Shelf(room)
        self._fixed: dict[str, SiteUpdate] = {}
        self._directions: dict[str, Callable[[], SiteUpdate]] = {}
        self._along = [_Along() for _ in updates]
        self._notes: dict[str, float] = {}
        self._least_notes: dict[str, float] = {}
        for site in updates[0].sites:
            single = [replace(one, sites={site: one.sites[site]}) for one in updates]
            problem = _problem(single, attack, space, seed)
            path = problem.path(attack)
            self._note(problem, attack)
            direction = path.direction.sites[site]
            fixed = None if path.fixed is None else path.fixed.sites.get(site)
            for along, update in zip(self._along, updates, strict=True):
                along.add(update.sites[site], direction, fixed)
            if fixed is not None:
                self._fixed[site] = fixed
            self._directions[site] = self._kept(direction)

    def fixed(self, site: str) -> SiteUpdate | None:
        """Return `F` of a site; None for nothing."""
        return self._fixed.get(site)

    def direction(self, site: str) -> SiteUpdate:
        """Return `D` of a site."""
        return self._directions[site]()

    def carried(self, alpha: float) -> list[float]:
        """Return with which share of its scale each update is in the merge, in their order.

        `<F + alpha D, τ_i> / ‖τ_i‖²` over all sites: alpha, for the sum of orthogonal updates.
        """
        return [along.share(alpha) for along in self._along]

    @property
    def doubts(self) -> tuple[str, ...]:
        """What of the bases of the updates makes the merge doubtful, the worst over all sites."""
        return tuple(one.detail for one in degenerate_bases(self._notes, self._least_notes))

    def close(self) -> None:
        """Let go of what is on disk."""
        self._shelf.close()

    def _note(self, problem: Problem[Any], attack: Attack) -> None:
        self._least_notes = problem.least_notes(attack)
        for what, value in problem.notes(attack).items():
            self._notes[what] = min(value, self._notes.get(what, value))

    def _kept(self, change: SiteUpdate) -> Callable[[], SiteUpdate]:
        if isinstance(change, LowRank):
            return lambda: change
        read = self._shelf.put(change.delta)
        return lambda: Dense(delta=read())


class _Along:
    """What of a merge lies along one update, added up over the sites."""

    def __init__(self) -> None:
        self._squared = self._moved = self._held = 0.0

    def add(self, own: SiteUpdate, direction: SiteUpdate, fixed: SiteUpdate | None) -> None:
        self._squared += own.squared_norm()
        self._moved += inner(direction, own)
        self._held += 0.0 if fixed is None else inner(fixed, own)

    def share(self, alpha: float) -> float:
        if self._squared == 0:
            return 0.0
        return (self._held + alpha * self._moved) / self._squared


def _problem(updates: Sequence[Update], attack: Attack, space: Space, seed: int) -> Problem[Any]:
    if isinstance(attack, InformedMerger):
        return InformedProblem(updates, place=0, space=space, seed=seed)
    return MergeProblem(updates, space=space, seed=seed, room=Room(0))
