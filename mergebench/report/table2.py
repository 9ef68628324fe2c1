"""Tables of merges (2, 4 and 5 of the paper): what is left of the target's task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from statistics import fmean

from mergebench.measure import (
    FROM_BASE,
    UNPROTECTED,
    WEAKER_THAN_TA,
    ZERO_SHOT,
    Measurements,
    Merged,
    bootstrap,
)
from mergebench.report.comparison import Comparison, Pair, compare
from mergebench.report.doubts import tally
from mergebench.report.labels import attack_order, release_order
from mergebench.report.merged_accuracies import (
    AttackInSpace,
    MergedCell,
    Table2,
    TargetView,
    ViewKey,
    ViewOrder,
    is_protected,
)
from mergebench.report.spread import Spread, half_width_95, percent, spread
from mergebench.report.standalone_accuracies import shown_tasks


def table2(measurements: Measurements) -> Table2:
    """Summarise the merges.

    The targets are the tasks of which a protected update was merged; the unprotected row and
    zero-shot are averaged over the same tasks, so that rows can be compared. Without a protected
    merge they are all tasks. A seed counts in a cell if all targets were measured with it. Raises
    `ValueError` if a merge was measured twice or merges are of different tasks.
    """
    merges = measurements.merged
    tasks = shown_tasks(measurements, (task for one in merges for task in one.correct))
    for one in merges:
        needed = set(tasks if one.target is None else (one.target,))
        if not needed <= set(one.correct) <= set(one.sizes) == set(tasks):
            raise ValueError(f"a merge by {one.attack}@{one.space} has counts of other tasks")
    protected = {one.target for one in merges if is_protected(one.protection)}
    targets = tuple(task for task in tasks if task in protected) or tasks
    columns = tuple(sorted({(one.attack, one.space) for one in merges}, key=attack_order))
    protections = tuple(sorted({one.protection for one in merges}, key=release_order))
    views = _views(merges, tasks, targets)
    by_place: dict[tuple[str, AttackInSpace], list[TargetView]] = {}
    for view in views:
        by_place.setdefault(_place(view.merged), []).append(view)
    cells = {
        (protection, column): _cell(by_place.get((protection, column), []), targets)
        for protection in protections
        for column in columns
    }
    pairs = pair_views(views)
    targeted = {
        _place(one)[1] for one in merges if one.protection == UNPROTECTED and one.target is not None
    }
    return Table2(
        tasks=tasks,
        inputs=measurements.context.inputs,
        targets=targets,
        columns=columns,
        protections=protections,
        cells=_with_weak_attacks(cells, targeted),
        views=views,
        zero_shot=_zero_shot(measurements, targets),
        comparisons=_comparisons(cells, pairs, UNPROTECTED),
        against_base=_comparisons(cells, pair_views(views, FROM_BASE), FROM_BASE),
    )


def pair_views(views: Iterable[TargetView], beside: str = UNPROTECTED) -> dict[ViewKey, Pair]:
    """Return protected views beside the one of row `beside` of the same attack, target and seed."""
    views = list(views)
    plain = {view_key(view)[1:]: view.merged for view in views if view_key(view)[0] == beside}
    return {
        view_key(view): Pair(
            target=view.target,
            seed=view.merged.seed,
            plain=plain[view_key(view)[1:]],
            guarded=view.merged,
        )
        for view in views
        if is_protected(view.merged.protection) and view_key(view)[1:] in plain
    }


def view_key(view: TargetView) -> ViewKey:
    """Return what a view is of."""
    return *_place(view.merged), view.target, view.merged.seed


def _comparisons(
    cells: Mapping[tuple[str, AttackInSpace], MergedCell | None],
    pairs: Mapping[ViewKey, Pair],
    beside: str,
) -> dict[tuple[str, AttackInSpace], Comparison]:
    found = {}
    members: dict[tuple[str, AttackInSpace], list[Pair]] = {}
    for (protection, column, _, _), pair in pairs.items():
        members.setdefault((protection, column), []).append(pair)
    for (protection, column), cell in cells.items():
        plain = cells.get((beside, column))
        if not is_protected(protection) or cell is None or plain is None:
            continue
        # The means of both cells are over complete seeds, so what they differ by is too.
        seeds = {*cell.target.seeds} & {*plain.target.seeds}
        both = [pair for pair in members.get((protection, column), []) if pair.seed in seeds]
        comparison = compare(both)
        if comparison is not None:
            found[protection, column] = comparison
    return found


def _with_weak_attacks(
    cells: Mapping[tuple[str, AttackInSpace], MergedCell | None], targeted: set[AttackInSpace]
) -> dict[tuple[str, AttackInSpace], MergedCell | None]:
    """Warn about attacks that leave the unprotected tasks less than task arithmetic does.

    Those that are about one target (`targeted`) are judged by what they leave of it.
    """
    simplest = cells.get((UNPROTECTED, ("ta", "full")))
    found = dict(cells)
    if simplest is None:
        return found
    for (protection, column), cell in cells.items():
        if cell is None or protection != UNPROTECTED:
            continue
        own, least = (
            (cell.target, simplest.target)
            if column in targeted
            else (cell.overall, simplest.overall)
        )
        if own is not None and least is not None and own.mean < least.mean:
            warnings = {**cell.warnings, WEAKER_THAN_TA: cell.merges}
            found[protection, column] = replace(cell, warnings=warnings)
    return found


def _views(
    merges: Iterable[Merged], tasks: tuple[str, ...], targets: tuple[str, ...]
) -> tuple[TargetView, ...]:
    views: dict[ViewOrder, TargetView] = {}
    for merged in merges:
        for target in targets if merged.target is None else (merged.target,):
            protection, column = _place(merged)
            order = release_order(protection), attack_order(column)
            place = (*order, tasks.index(target), merged.seed)
            if place in views:
                raise ValueError(
                    f"two measurements of {merged.attack}@{merged.space}, {protection}, "
                    f"target {target}, seed {merged.seed}"
                )
            views[place] = _view(merged, target, tasks)
    return tuple(views[place] for place in sorted(views))


def _view(merged: Merged, target: str, tasks: tuple[str, ...]) -> TargetView:
    accuracies = {
        task: percent(merged.correct[task], merged.sizes[task])
        for task in tasks
        if task in merged.correct
    }
    others = [value for task, value in accuracies.items() if task != target]
    complete = len(accuracies) == len(tasks)
    return TargetView(
        target=target,
        merged=merged,
        accuracy=accuracies[target],
        others=fmean(others) if others and complete else None,
        overall=fmean(accuracies.values()) if complete else None,
    )


def _cell(views: list[TargetView], targets: tuple[str, ...]) -> MergedCell | None:
    by_seed: dict[int, list[TargetView]] = {}
    for view in views:
        by_seed.setdefault(view.merged.seed, []).append(view)
    complete = {seed: seen for seed, seen in by_seed.items() if len(seen) == len(targets)}
    target = spread({s: fmean(v.accuracy for v in seen) for s, seen in complete.items()})
    if target is None:
        return None
    others = {s: [v.others for v in seen if v.others is not None] for s, seen in complete.items()}
    overall = {
        s: [v.overall for v in seen if v.overall is not None] for s, seen in complete.items()
    }
    counted = [view for seen in complete.values() for view in seen]
    return MergedCell(
        target=target,
        others=_complete_spread(others, len(targets)),
        overall=_complete_spread(overall, len(targets)),
        alpha=fmean(view.merged.alpha for view in counted),
        half_width=_half_width(counted, targets),
        correct=sum(view.correct for view in counted),
        total=sum(view.size for view in counted),
        interval=bootstrap(_by_target(counted, targets)),
        merges=len({view.merged.key for view in counted}),
        warnings=tally(
            warning.kind
            for merged in {view.merged.key: view.merged for view in counted}.values()
            for warning in merged.warnings
        ),
    )


def _complete_spread(by_seed: Mapping[int, list[float]], targets: int) -> Spread | None:
    """Return the spread over seeds; None unless every target has a value."""
    if any(len(values) < targets for values in by_seed.values()):
        return None
    return spread({seed: fmean(values) for seed, values in by_seed.items()})


def _by_target(views: list[TargetView], targets: tuple[str, ...]) -> list[float]:
    return [fmean(v.accuracy for v in views if v.target == target) for target in targets]


def _half_width(views: list[TargetView], targets: tuple[str, ...]) -> float:
    """All seeds are tested on the same inputs, so more seeds make the interval no smaller."""
    by_target = [[view for view in views if view.target == target] for target in targets]
    return half_width_95((fmean(v.accuracy for v in seen), seen[0].size) for seen in by_target)


def _zero_shot(measurements: Measurements, targets: tuple[str, ...]) -> float | None:
    zero_shot = [one for one in measurements.standalone if one.release == ZERO_SHOT]
    zero_shot.sort(key=lambda one: one.seed, reverse=True)
    accuracies = {one.task: percent(one.correct, one.size) for one in zero_shot}
    if not targets or any(target not in accuracies for target in targets):
        return None
    return fmean(accuracies[target] for target in targets)


def _place(merged: Merged) -> tuple[str, AttackInSpace]:
    return merged.protection, (merged.attack, merged.space)
