"""Tables of merges for readers: the grids that are shown, and in words how to read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from statistics import fmean

from mergebench.measure import FROM_BASE, PROTOCOLS, UNPROTECTED, MergeKey
from mergebench.plurals import how_many
from mergebench.report.doubts import NOT_SIGNIFICANT, legend, marks
from mergebench.report.grid import Column, Grid, Row
from mergebench.report.labels import attack_label, protection_label, space_label
from mergebench.report.merged_accuracies import AttackInSpace, MergedCell, Table2, is_protected
from mergebench.report.spread import Spread

SUBJECT = (
    "Test accuracy in percent on the target's task after merging the updates of all tasks, the "
    "target's protected and the others not, averaged over the choices of target. Unprotected: "
    "one merge of unprotected updates, mean over the same tasks. Zero-shot: the backbone without "
    "any update."
)


def columns(table: Table2) -> tuple[Column, ...]:
    """Return the columns grouped by attack; an attack in Full space only needs no space named."""
    shown = []
    for attack, members in groupby(table.columns, key=lambda column: column[0]):
        spaces = [space for _, space in members]
        for space in spaces:
            name = "" if spaces == ["full"] else space_label(space)
            short = name[0] if space in ("full", "knots", "core") and name else ""
            shown.append(Column(group=attack_label(attack), name=name, short=short))
    return tuple(shown)


def accuracy_grid(table: Table2) -> Grid:
    """Return the table as the paper lays it out: zero-shot, unprotected, each protection."""
    rows = []
    if table.zero_shot is not None:
        zero_shot = Spread(mean=table.zero_shot, std=None, seeds=())
        rows.append(Row(label="zero-shot", values=(zero_shot,) * len(table.columns)))
    rows += [
        replace(
            _row(table, protection, protection_label(protection), lambda cell: cell.target),
            marks=tuple(cell_marks(table, protection, column) for column in table.columns),
        )
        for protection in table.protections
    ]
    return Grid(columns=columns(table), rows=tuple(rows))


def cell_marks(table: Table2, protection: str, column: AttackInSpace) -> str:
    """Return what stands beside a number: `ns`, and the letters of its warnings."""
    cell = table.cells[protection, column]
    comparison = table.comparisons.get((protection, column))
    if cell is None:
        return ""
    return marks(cell.warnings, significant=comparison is None or comparison.significant)


def collateral_grid(table: Table2) -> Grid:
    """Return what merging leaves of the other tasks, and of all: what a merger gains or loses."""
    rows = []
    for protection in table.protections:
        label = protection_label(protection)
        if is_protected(protection):
            rows.append(_row(table, protection, f"{label}, other tasks", lambda cell: cell.others))
        rows.append(_row(table, protection, f"{label}, all tasks", lambda cell: cell.overall))
    return Grid(columns=columns(table), rows=tuple(rows))


def alpha_grid(table: Table2) -> Grid:
    """Return the chosen merging coefficients, mean over targets and seeds."""

    def alpha(cell: MergedCell) -> Spread:
        return Spread(mean=cell.alpha, std=None, seeds=cell.target.seeds)

    rows = (_row(table, name, protection_label(name), alpha) for name in table.protections)
    return Grid(columns=columns(table), rows=tuple(rows), digits=2)


def _row(
    table: Table2, protection: str, label: str, value: Callable[[MergedCell], Spread | None]
) -> Row:
    cells = [table.cells[protection, column] for column in table.columns]
    return Row(label=label, values=tuple(None if cell is None else value(cell) for cell in cells))


def reading(table: Table2, protocol: str) -> list[str]:
    """Return the sentences that say what the numbers are and are not, and sum them up."""
    return [
        sentence
        for sentences in (
            _what(table),
            coefficient(table, protocol),
            _floors(table, protocol),
            _summary(table),
            _recovery(table),
            mark_legend(table),
        )
        for sentence in sentences
    ]


def _what(table: Table2) -> Iterator[str]:
    yield SUBJECT
    if table.targets != table.tasks:
        names = ", ".join(table.targets)
        yield f"Only these of the {len(table.tasks)} merged tasks are targets here: {names}."
    cells = [cell for cell in table.cells.values() if cell is not None]
    if any(cell.target.std is not None for cell in cells):
        yield "± is the sample standard deviation over seeds."
    if cells:
        widest = max(cell.half_width for cell in cells)
        yield (
            f"The finite test sets leave a cell a 95 % interval of at most ±{widest:.1f} points "
            "(normal approximation)."
        )
    if len(cells) < len(table.cells):
        yield "– marks cells that were not measured for all targets."


def coefficient(table: Table2, protocol: str) -> Iterator[str]:
    """Yield what the range of α under a protocol means for the claim; nothing if it is unknown."""
    if protocol not in PROTOCOLS:
        return
    lowest, own = min(PROTOCOLS[protocol].alphas), _with_own_coefficients(table, protocol)
    if own == set(table.columns):
        return
    whose = " of attacks without coefficients of their own" if own else ""
    if lowest > 0:
        yield (
            f"Under the {protocol} protocol the merging coefficient α{whose} is at least "
            f"{lowest:g} and cannot be 0: the merger cannot walk back to the unmerged backbone, so "
            "a trapped merge can fall far below zero-shot."
        )
    else:
        yield (
            f"Under the {protocol} protocol the merging coefficient α{whose} can be 0, which gives "
            "the unmerged backbone back: the claim here is then that merging gains nothing over "
            "zero-shot, not that the merge collapses. α is chosen by validation accuracy over all "
            "tasks, so the target's accuracy can still lie below zero-shot."
        )


def _with_own_coefficients(table: Table2, protocol: str) -> set[AttackInSpace]:
    """Return the attacks of which what a protocol's own range means is not true."""
    known = PROTOCOLS[protocol].alphas
    return {
        (merged.attack, merged.space)
        for merged in (view.merged for view in table.views)
        if merged.multiplies_each_update or _chooses_beside(merged.alphas, known)
    }


def _chooses_beside(alphas: tuple[float, ...], known: tuple[float, ...]) -> bool:
    """Return whether coefficients go beyond those of a protocol; none where they are not stated.

    Where these begin above 0, larger ones do not matter.
    """
    return alphas != () and (min(alphas) < min(known) if min(known) > 0 else alphas != known)


def _floors(table: Table2, protocol: str) -> Iterator[str]:
    if protocol not in PROTOCOLS:
        return
    lowest, own = min(PROTOCOLS[protocol].alphas), _with_own_coefficients(table, protocol)
    chosen: dict[str, dict[MergeKey, float]] = {}
    for merged in (view.merged for view in table.views):
        chooses = merged.points > 1 and len(merged.alphas) != 1
        if chooses and (merged.attack, merged.space) not in own:
            chosen.setdefault(merged.protection, {})[merged.key] = merged.alpha
    for protection in table.protections:
        merges = chosen.get(protection, {})
        if protection == FROM_BASE or not merges:
            continue
        floor = sum(alpha == lowest for alpha in merges.values())
        yield (
            f"The smallest α of the grid, {lowest:g}, was chosen in {floor} of "
            f"{_merges(len(merges), protection)}."
        )


def mark_legend(table: Table2) -> Iterator[str]:
    """Yield what the letters beside numbers mean, and how many merges have them."""
    if any(not one.significant for one in table.comparisons.values()):
        yield (
            f"{NOT_SIGNIFICANT}: not significantly different from unprotected: the 95 % interval "
            "of the difference, bootstrapped over targets, contains 0, or McNemar's exact test on "
            f"the targets' test {table.inputs} (5 %, every seed) does not reject."
        )
    groups = {}
    for protection in table.protections:
        cells = [table.cells[protection, column] for column in table.columns]
        measured = [cell for cell in cells if cell is not None]
        warned = Counter[str]()
        for cell in measured:
            warned.update(cell.warnings)
        merges = sum(cell.merges for cell in measured)
        groups[_merges(merges, protection)] = dict(warned)
    yield from legend(groups, table.inputs)


def _recovery(table: Table2) -> Iterator[str]:
    """Yield, for attacks that can do without a merge, whether it made a difference to them."""
    for (protection, column), found in table.against_base.items():
        attack, label = attack_label(column[0]), protection_label(protection)
        base, guarded = table.cells[FROM_BASE, column], table.cells[protection, column]
        if base is None or guarded is None:
            continue
        verdict = "it does here" if found.difference < 0 else "it does not here"
        if not found.significant:
            verdict = "here the difference may be chance"
        over = found.interval
        among = "" if over is None else f", 95 % over targets {over.low:+z.1f} to {over.high:+z.1f}"
        yield (
            f"A protection means something against {attack} only if {attack} from the protected "
            f"merge ends below {attack} from W0 with the same {table.inputs}, since a merger can "
            f"discard the merge: {label} {guarded.target.mean:.1f}, from W0 {base.target.mean:.1f} "
            f"({found.difference:+z.1f}{among}): {verdict}."
        )


def _merges(count: int, protection: str) -> str:
    label = protection_label(protection)
    if protection == FROM_BASE:
        return f"{how_many(count, 'attack')} on W0"
    if is_protected(protection):
        return f"{how_many(count, 'merge')} with a {label} target"
    return how_many(count, f"{label} merge")


def _summary(table: Table2) -> Iterator[str]:
    if UNPROTECTED not in table.protections:
        return
    for protection in filter(is_protected, table.protections):
        pairs = [
            (plain.target.mean, guarded.target.mean)
            for plain, guarded in (
                (table.cells[UNPROTECTED, column], table.cells[protection, column])
                for column in table.columns
            )
            if plain is not None and guarded is not None
        ]
        if not pairs:
            continue
        plain_mean, guarded_mean = (fmean(side) for side in zip(*pairs, strict=True))
        below = sum(guarded < plain for plain, guarded in pairs)
        zero_shot = "" if table.zero_shot is None else f"zero-shot {table.zero_shot:.1f}, "
        yield (
            f"Mean over columns: {zero_shot}unprotected {plain_mean:.1f}, "
            f"{protection_label(protection)} {guarded_mean:.1f} "
            f"({guarded_mean - plain_mean:+z.1f} against unprotected); "
            f"{protection_label(protection)} is below unprotected in {below} of "
            f"{how_many(len(pairs), 'column')}."
        )
