"""The ranking of mergers as cells of text, and how to read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mergebench.measure import UNPROTECTED
from mergebench.plurals import how_many
from mergebench.report.doubts import legend, marks, tally
from mergebench.report.estimates import estimate_text
from mergebench.report.labels import attack_label, protection_label, space_label
from mergebench.report.merged_accuracies import Table2
from mergebench.report.merger_ranking import RankedMerger
from mergebench.report.spread import MISSING, fixed


def headings(protections: Sequence[str]) -> tuple[str, ...]:
    """Return the headings of `cells`; `protections` without `none`."""
    labels = [protection_label(one) for one in protections]
    return (
        *("rank", "merger", "space", "all tasks, unprotected", "behind the first", "α"),
        *(
            text
            for label in labels
            for text in (f"rank, {label}", f"target, {label}", "− unprotected", "others")
        ),
    )


def cells(merger: RankedMerger) -> tuple[str, ...]:
    """Return one line of the table, below `headings`."""
    attack, space = merger.column
    behind = "" if merger.rank == 1 else estimate_text(merger.behind)
    tie = " ns" if merger.rank > 1 and merger.ties_with_first else ""
    doubts = marks(merger.warnings)
    return (
        *(str(merger.rank), attack_label(attack), space_label(space)),
        estimate_text(merger.kept) + (f" {doubts}" if doubts else ""),
        f"{behind}{tie}",
        fixed(merger.alpha, 2),
        *(text for protection in merger.protected for text in _guarded(merger, protection)),
    )


def sentences(table: Table2, ranked: Sequence[RankedMerger]) -> Iterator[str]:
    """Yield how to read the table and what it says of the mergers."""
    zero = "" if table.zero_shot is None else f" Zero-shot is {table.zero_shot:.1f}."
    yield (
        f"Mean test accuracy in percent over the {how_many(len(table.tasks), 'task')} after "
        "merging their unprotected updates, by which mergers are ranked; coefficients and "
        f"hyper-parameters are chosen on validation.{zero} In brackets 95 % intervals over other "
        "tasks like these; ns: that the first is better may be chance. α: the chosen coefficient."
    )
    guarded = [one for one in table.protections if one != UNPROTECTED]
    if guarded:
        yield (
            "Beside it, per protection, accuracy on the task whose update is protected, averaged "
            f"over {how_many(len(table.targets), 'choice')} of it, the rank by that, the "
            "difference to the unprotected merge on the same tasks, and the mean of the other "
            "tasks."
        )
    ties = sum(merger.ties_with_first for merger in ranked[1:])
    if len(ranked) > 1:
        yield f"{ties} of {how_many(len(ranked) - 1, 'merger')} cannot be told from the first."
    whole = how_many(len(ranked), "unprotected merge")
    warned = tally(kind for merger in ranked for kind in merger.warnings)
    yield from legend({whole: warned}, table.inputs)


def _guarded(merger: RankedMerger, protection: str) -> tuple[str, ...]:
    cell, against = merger.protected[protection], merger.comparisons[protection]
    if cell is None:
        return MISSING, MISSING, MISSING, MISSING
    difference = MISSING if against is None else estimate_text(against.estimate)
    chance = " ns" if against is not None and not against.significant else ""
    others = fixed(cell.others.mean, 1) if cell.others else MISSING
    rank = str(merger.places[protection])
    return rank, estimate_text(cell.estimate), difference + chance, others
