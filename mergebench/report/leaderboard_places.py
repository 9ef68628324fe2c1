"""Where the leaderboard's models stand: accuracy on the target against that on the other tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mergebench.measure import ZERO_SHOT, Level
from mergebench.report.leaderboard import Leaderboard

LEFT_OUT = "left_out"
TAKEN = "taken"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One model, mean test accuracies in percent over targets and seeds.

    `kind`: `zero_shot`; `left_out`, the merge without the update; `taken`, what an attacker at
    `level` takes of a protection; `theft_1` and so on, what he takes at bounded cost, where leaving
    the update out stands in for `none` of `picks`.
    """

    kind: str
    target: float
    others: float
    protection: str | None = None
    level: Level | None = None
    none: int = 0
    picks: int = 0


def places(board: Leaderboard) -> tuple[Place, ...]:
    """Return the reference models, then by protection and level what is taken.

    Thefts are left out where no target has one.
    """
    return (*_references(board), *_mixtures(board))


def _references(board: Leaderboard) -> Iterator[Place]:
    zero, left = board.alone.get(ZERO_SHOT), board.left_out
    if zero is not None:  # of every task in turn, the others are all but it
        yield Place(kind=ZERO_SHOT, target=zero, others=zero)
    yield Place(kind=LEFT_OUT, target=left.target, others=left.others)


def _mixtures(board: Leaderboard) -> Iterator[Place]:
    for one in board.standings:
        yield Place(
            kind=TAKEN,
            target=one.accuracies.target,
            others=one.accuracies.others,
            protection=one.protection,
            level=one.level,
            picks=len(one.picks),
        )
        for bound, found in one.bounded.items():
            if found.none < found.picks:
                yield Place(
                    kind=f"theft_{bound}",
                    target=found.target.value,
                    others=found.others.value,
                    protection=one.protection,
                    level=one.level,
                    none=found.none,
                    picks=found.picks,
                )
