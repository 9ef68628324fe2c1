"""The leaderboard as cells of text, and how to read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mergebench.measure import (
    BOUNDS,
    FINALISTS,
    LITTLE,
    THEFT_FINALISTS,
    UNPROTECTED,
    ZERO_SHOT,
    NotRun,
)
from mergebench.plurals import how_many
from mergebench.report.doubts import legend, marks
from mergebench.report.estimates import estimate_text
from mergebench.report.labels import attack_label, protection_label, space_label
from mergebench.report.leaderboard import Bounded, Leaderboard, Standing
from mergebench.report.spread import MISSING, fixed

HEADINGS = (
    *("protection", "knows, is given", "alone", "its cost", "target", "others", "all"),
    *("gain of taking it", "on the target", "damage", "denied", "of the target"),
    *("flags", "best attacks"),
)
ACCURACIES, GAINS = (slice(2, 7), slice(7, 13))
"""Columns that fit beside the first two where space is dear, which leaves out the long last one."""
BOUNDED_HEADINGS = (
    *("protection", "knows, is given"),
    *(text for bound in BOUNDS for text in (f"target within {bound}", "others", "none")),
)


def sentences(board: Leaderboard, inputs: str) -> Iterator[str]:
    """Yield how to read the table; `inputs`: as of `Context`."""
    left, zero = board.left_out, board.alone.get(ZERO_SHOT)
    over = how_many(len(board.targets), "target")
    yield (
        f"Mean test accuracy in percent over {over}: one update is the "
        "target's, protected or not, the others are unprotected. An attacker takes, per target, "
        "the attack with the best mean validation accuracy over all tasks among those that what "
        f"he knows and is given allows.{_stages(board, inputs)}"
    )
    yield (
        f"Whoever leaves the update out has {left.target:.1f} on the target, {left.others:.1f} on "
        f"the others and {left.overall:.1f} on all, by the merge of the others that is best on "
        "validation" + (f"; zero-shot is {zero:.1f}." if zero is not None else ".")
    )
    yield (
        "Alone: the update at its nominal scale on its own task; its cost: that minus an "
        "unprotected one, in points."
    )
    yield (
        "Gain of taking it: all tasks, with the update minus without it, in points; damage: the "
        "others alone, which with a blind merge is what an unaware merger loses. Denied: the "
        "share of what an unprotected update gains at the same level that the protected one does "
        f"not. In brackets 95 % intervals over other targets and test {inputs}, which are the same "
        "for all models."
    )
    stopped, undefined = (
        [
            f"{protection_label(one.protection)} ({one.level.name}): {_not_run(left_out)}"
            for one in board.standings
            for left_out in one.not_run
            if (left_out.after is None) == never
        ]
        for never in (False, True)
    )
    if undefined:
        yield (
            "A full checkpoint has no low-rank factors, which attacks in Core space, among others, "
            f"need. {'; '.join(undefined)}."
        )
    if stopped:
        yield (
            "Attacks are run cheap ones first, until nothing is denied, over all tasks and on the "
            f"target, with intervals that end at {LITTLE:g} at most. {'; '.join(stopped)}."
        )
    yield from legend({_group(one): one.flags for one in board.standings}, inputs)


def _stages(board: Leaderboard, inputs: str) -> str:
    """Return how the choice goes on where searches look at some of the validation inputs."""
    if not _in_stages(board):
        return ""
    return (
        f" Searches look at a part of the validation {inputs}; by these the best {FINALISTS} "
        f"attacks of every level are finalists, and he takes the best of his finalists on all "
        f"validation {inputs}. Whoever leaves the update out chooses likewise."
    )


def _in_stages(board: Leaderboard) -> bool:
    taken = board.standings[0].picks[0].taken
    return taken.confirmation_sizes != taken.validation_sizes


def cells(board: Leaderboard, standing: Standing) -> tuple[str, ...]:
    """Return the cells of one line, below `HEADINGS`."""
    own, gain = standing.accuracies, standing.gain
    plain = standing.protection == UNPROTECTED
    alone = board.alone.get(standing.protection)
    return (
        protection_label(standing.protection),
        standing.level.name,
        MISSING if alone is None else fixed(alone, 1),
        estimate_text(board.cost_alone.get(standing.protection)),
        *(fixed(value, 1) for value in (own.target, own.others, own.overall)),
        estimate_text(gain.overall),
        estimate_text(gain.target),
        estimate_text(gain.others),
        MISSING if plain else estimate_text(gain.denied, 2),
        MISSING if plain else estimate_text(gain.denied_target, 2),
        marks(standing.flags),
        "; ".join([_shares(standing.chosen), *map(_not_run, standing.not_run)]),
    )


def bounded_rows(board: Leaderboard) -> list[tuple[str, ...]]:
    """Return the lines below `BOUNDED_HEADINGS`; none where theft was not measured."""
    return [
        (
            protection_label(one.protection),
            one.level.name,
            *(text for bound in BOUNDS for text in _bounded(one.bounded[bound])),
        )
        for one in board.standings
        if len(one.bounded) == len(BOUNDS)
    ]


def bounded_sentence(board: Leaderboard) -> str:
    """Return how to read these lines."""
    chosen = "chosen on validation inputs"
    if _in_stages(board):
        chosen += (
            f" as above, the best {THEFT_FINALISTS} on the target of every level that cost so "
            "little being finalists too"
        )
    return (
        "Theft at bounded cost: of the mixtures with the update that cost the others at most "
        f"{' or '.join(map(str, BOUNDS))} points against leaving it out, the best on the target, "
        f"at any coefficient of any attack of the level; {chosen}, shown on test. None: of so "
        "many targets every mixture costs more; leaving the update out is then all that he has "
        f"({board.left_out.target:.1f} on the target, {board.left_out.others:.1f} on the others), "
        "and counts in the means."
    )


def _bounded(found: Bounded) -> tuple[str, str, str]:
    """Return target, others and how often there is none; no numbers where there never is one."""
    none = f"{found.none} of {found.picks}" if found.none else "0"
    if found.none == found.picks:
        return "none", MISSING, none
    return estimate_text(found.target), fixed(found.others.value, 1), none


def _group(standing: Standing) -> str:
    """Return which merges flags are counted of."""
    whose, level = protection_label(standing.protection), standing.level.name
    return f"{len(standing.picks)} ({whose}; {level})"


def _shares(chosen: Mapping[str, int]) -> str:
    """Return the attacks that were the best, the most frequent first."""
    shown = sorted(chosen.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{_attack(name)} {count}" for name, count in shown)


def _not_run(left_out: NotRun) -> str:
    """Return in words which attacks were left out, and why."""
    count = len(left_out.attacks)
    if left_out.after is None:
        return f"{count} not defined for a checkpoint"
    return f"{count} not run: nothing denied after {_attack(left_out.after)}"


def _attack(name: str) -> str:
    attack, _, space = name.partition("@")
    return attack_label(attack) + (f" {space_label(space)}" if space != "full" else "")
