"""An audit in words: the verdict, and what has to be known to read its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mergebench.auditing.outcomes import LEAST_INPUTS
from mergebench.auditing.record import AuditedMerge, Outcome, PeerRecord
from mergebench.auditing.search import LEAST_SHARE
from mergebench.measure import Estimate

_KINDS = {"given": "", "suite": " of the suite", "synthetic": "synthetic "}
NO_INTERVAL = "no interval"
LEAST_TO_CHOOSE = 30
"""Validation inputs below which choices are luck: of a planted adapter of which the best merge
keeps 0.88, three of them found merges that keep 0.12 to 0.91, a hundred 0.86 to 0.92."""
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def verdict(
    task: str,
    gain_alone: Estimate,
    peers: Sequence[PeerRecord],
    blind: Outcome | None,
    informed: Outcome | None,
    held: Outcome | None,
    *,
    plain: bool = False,
) -> str:
    """Return what was found, in one sentence; `held`: what holding the adapter gives."""
    if blind is None or informed is None or held is None:
        return (
            f"Alone, this adapter gains {points(gain_alone)} on {task}; it was merged with nothing."
        )
    merged = f"Merged with {counted(peers)}"
    if blind.kept is None:
        return (
            f"{merged}, this adapter has nothing to lose: alone it is no better on {task} than "
            f"what is merged without it."
        )
    keeps = f"{merged}, this adapter keeps {share(blind.kept)} of what it gains alone over"
    beside = _beside_plain(blind, plain=plain)
    return f"{keeps} what is merged without it{beside}; {_informed(informed, held)}"


def notes(
    peers: Sequence[PeerRecord],
    merges: Sequence[AuditedMerge],
    outcomes: Sequence[Outcome],
    *,
    known: bool,
    plain: bool,
    gain_alone: Estimate,
    validation: int,
    test: int,
) -> Iterator[str]:
    """Yield what has to be known to read the numbers.

    `validation`, `test`: so many inputs has the task with fewest, and the adapter's.
    """
    if peers:
        yield from _of_peers(peers, merges, known=known, plain=plain)
        yield from _few_inputs(validation, test)
    yield from _without_value(outcomes, plain=plain, few=test < LEAST_INPUTS)
    yield from _doubtful(merges)
    if _undecided(gain_alone):
        yield (
            "The interval of what the adapter gains alone over the model itself holds 0: with so "
            "few inputs, or so small a gain, shares say little."
        )


def _of_peers(
    peers: Sequence[PeerRecord], merges: Sequence[AuditedMerge], *, known: bool, plain: bool
) -> Iterator[str]:
    """Yield what the peers are, and how a merger chose with what is known of them."""
    if any(one.kind == "synthetic" for one in peers):
        yield (
            "Synthetic peers have the adapter's sites, norms and spectra, and random singular "
            "vectors: they have no skill, and adapters of real tasks may collide with it more, or "
            "less."
        )
    if known:
        yield (
            "Coefficients are the best for the mean accuracy over all tasks, on validation inputs."
        )
    else:
        yield (
            "Of the peers no accuracy is known, so that nothing is said of what merging does to "
            "them; coefficients are the best for this adapter's task on validation inputs among "
            f"those at which the peers are in the merge with {LEAST_SHARE:g} of their scale or "
            "more, in the mean."
        )
        yield from _without_peers(merges)
    if not plain:
        yield (
            "No plain twin was given (--plain): denied is the share that merging does not keep of "
            "what the adapter gains alone over what is merged without it, and a plain adapter also "
            "loses some of it."
        )


def _few_inputs(validation: int, test: int) -> Iterator[str]:
    """Yield what so few inputs leave open."""
    if test < LEAST_INPUTS:
        yield (
            f"There are {test} test inputs: below {LEAST_INPUTS} differences and shares have no "
            "interval, and beside a plain twin it is not said what is denied."
        )
    if validation < LEAST_TO_CHOOSE:
        yield (
            f"There are {validation} validation inputs by which coefficients are chosen: with so "
            "few a merger may take a bad one by chance, and the adapter looks less mergeable than "
            "it is. No interval accounts for that."
        )


def _without_value(outcomes: Sequence[Outcome], *, plain: bool, few: bool) -> Iterator[str]:
    """Yield why shares have no interval or no value; `few`: test inputs alone are the reason."""
    shares = [one for each in outcomes for one in (each.kept, each.denied, each.denied_overall)]
    if not few and any(one is not None and one.interval is None for one in shares):
        yield (
            "A share has no interval where, with test inputs drawn again, there is often nothing "
            "that it could be a share of: it may be chance."
        )
    if not few and plain and any(one.denied is None for one in outcomes):
        yield (
            "What is denied has no value where merges of the plain twin gain nothing, nor where "
            "the adapter alone gains nothing beyond chance over what is merged without it: from "
            "an adapter without skill nothing can be taken, which is no protection."
        )


def counted(peers: Sequence[PeerRecord]) -> str:
    """Return how many peers of which kind.

    >>> counted([PeerRecord(label="a", kind="synthetic", sha256="", norm=1.0)])
    'one synthetic peer'
    """
    kind = peers[0].kind
    number = _NUMBERS[len(peers)] if len(peers) < len(_NUMBERS) else str(len(peers))
    word = "peer" if len(peers) == 1 else "peers"
    words = _KINDS[kind]
    before, after = (words, "") if kind == "synthetic" else ("", words)
    return f"{number} {before}{word}{after}"


def share(estimate: Estimate | None) -> str:
    """Return a share in percent with its interval, or that it has none."""
    if estimate is None:
        return "-"
    around = estimate.interval
    limits = (
        NO_INTERVAL if around is None else f"{100 * around.low:z.0f} to {100 * around.high:z.0f} %"
    )
    return f"{100 * estimate.value:z.0f} % ({limits})"


def points(estimate: Estimate | None) -> str:
    """Return a difference in points, with its interval."""
    if estimate is None:
        return "-"
    around = estimate.interval
    limits = "" if around is None else f" ({around.low:+z.1f} to {around.high:+z.1f})"
    return f"{estimate.value:+z.1f} points{limits}"


def _without_peers(merges: Sequence[AuditedMerge]) -> Iterator[str]:
    """Yield which merges have the peers in them with less than that share, at any coefficient."""
    few = [one for one in merges if one.peers_share is not None and one.peers_share < LEAST_SHARE]
    if few:
        yield (
            f"Merged by {', '.join(dict.fromkeys(one.attack for one in few))} the peers are in "
            f"with less at every coefficient, and the largest, {few[0].alpha:g}, is taken."
        )


def _doubtful(merges: Sequence[AuditedMerge]) -> Iterator[str]:
    """Yield by which attacks rounding has a part in the merge, and how that is known."""
    doubtful = [one for one in merges if one.doubts]
    if doubtful:
        yield (
            f"Merged by {', '.join(dict.fromkeys(one.attack for one in doubtful))}, updates have "
            "nearly dependent bases, or bases cut between equal values, and rounding decides which "
            f"directions are merged: {'; '.join(doubtful[0].doubts)}."
        )


def _beside_plain(blind: Outcome, *, plain: bool) -> str:
    if not plain:
        return ""
    if blind.denied is None:
        return ", and cannot be compared with its plain twin"
    if blind.denied.value <= 0:
        return f", and gains no less than its plain twin (denied: {share(blind.denied)})"
    return f", and gains {share(blind.denied)} less than its plain twin"


def _informed(informed: Outcome, held: Outcome) -> str:
    holding = f"holding it at its nominal scale gives {share(held.kept)}{_cost(held)}"
    if informed.attack == held.attack:
        return f"{holding}."
    by = "on its task" if informed.others is None else "over all tasks"
    return f"{holding}, which is no better than merging it blindly {by}."


def _cost(outcome: Outcome) -> str:
    return "" if outcome.others is None else f", for {points(outcome.others)} on the other tasks"


def _undecided(gain: Estimate) -> bool:
    return gain.interval is not None and 0.0 in gain.interval
