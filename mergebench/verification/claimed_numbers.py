"""Whether what an entry claims follows from the counts that it states."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from statistics import fmean

from mergebench.measure import ROUNDING
from mergebench.report import Claim, ClaimedCase, ClaimedMerge, Entry, Number

TOLERATED = 1e-4
"""Entries state four digits."""


def contradictions(entry: Entry) -> Iterator[str]:
    """Yield the claims that the entry's own counts contradict; of intervals nothing is said."""
    for claim in entry.claims:
        for field, expected in following(claim, entry.sizes).items():
            stated: Number | None = getattr(claim, field)
            value = None if stated is None else stated.value
            if (value is None) != (expected is None) or (
                value is not None and expected is not None and abs(value - expected) > TOLERATED
            ):
                follows = "that it is not defined" if expected is None else f"{expected:.4f}"
                yield f"{claim.name}: {field} is {value}, but of its counts follows {follows}"


def following(claim: Claim, sizes: Mapping[str, int]) -> dict[str, float | None]:
    """Return what follows from the counts of a claim, as `gain_of_taking` has it, by field.

    Of a target with several seeds their mean counts; `sizes`: test inputs by task.
    """

    def gained(what: str, *, target: bool) -> float:
        by_target: dict[str, list[float]] = defaultdict(list)
        for case in claim.cases:
            merges = getattr(case, what), case.left_out
            taken, left = (_accuracy(one, case, sizes, target=target) for one in merges)
            by_target[case.target].append(taken - left)
        return fmean(map(fmean, by_target.values()))

    gain, own = (gained("taken", target=target) for target in (False, True))
    whole, worth = (gained("unprotected", target=target) for target in (False, True))
    return {
        "gain": gain,
        "gain_target": own,
        "denied": _denied(gain, whole),
        "denied_target": _denied(own, worth),
    }


def _accuracy(
    merge: ClaimedMerge, case: ClaimedCase, sizes: Mapping[str, int], *, target: bool
) -> float:
    """Return the accuracy on the target, or the mean over all tasks, in percent."""
    tasks = [case.target] if target else [*sizes]
    return fmean(100 * merge.correct[task] / sizes[task] for task in tasks)


def _denied(gained: float, unprotected: float) -> float | None:
    return 1 - max(0.0, gained) / unprotected if unprotected > ROUNDING else None
