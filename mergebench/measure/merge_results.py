"""The results of one merge: its search, its test counts, and what makes them doubtful."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic

from torch import Tensor

from mergebench.backbones import NO_CLASS
from mergebench.measure.cell import CellResults, packed
from mergebench.measure.cell_warnings import (
    CellWarning,
    collapsed_predictions,
    degenerate_bases,
    edge_of_grid,
    norm_out_of_range,
    not_finite,
    validation_test_gap,
)
from mergebench.measure.counts import Counts, counted, on_host
from mergebench.measure.evaluate import Evaluator, deployed
from mergebench.measure.points import FULL, Point
from mergebench.measure.protocols import Protocol
from mergebench.measure.search import SearchResult, search
from mergebench.measure.selection_rules import OTHER_RULES
from mergebench.merging import AttackT, Problem


def results_on_test(evaluator: Evaluator) -> CellResults:
    """Return the test counts of the backbone as it stands."""
    labels = on_host(evaluator.labels("test"))
    predictions = on_host(evaluator.predictions("test"))
    hits = {task: own.eq(labels[task]) for task, own in predictions.items()}
    most_predicted, most_frequent = _most_frequent(predictions), _most_frequent(labels)
    sizes = evaluator.sizes("test")
    return CellResults(
        correct=counted(hits),
        sizes={"test": sizes},
        hits={task: packed(own.tolist()) for task, own in hits.items()},
        most_predicted=most_predicted,
        warnings=(
            *collapsed_predictions(most_predicted, most_frequent, sizes),
            *not_finite(_without_class(predictions), sizes),
        ),
    )


def warnings_on_test(
    of_search: Sequence[CellWarning],
    tested: CellResults,
    validated: Mapping[str, int],
    validation_sizes: Mapping[str, int],
) -> tuple[CellWarning, ...]:
    """Return what makes a merge doubtful, once the point that its search chose is tested."""
    seen, sizes = dict(validated), dict(validation_sizes)
    gap = validation_test_gap(seen, sizes, tested.correct, tested.sizes["test"])
    return (*tested.warnings, *gap, *of_search)


def _without_class(predictions: Mapping[str, Tensor]) -> Counts:
    """Return by task for how many inputs there is no prediction (`NO_CLASS`)."""
    return {task: int((own == NO_CLASS).sum()) for task, own in predictions.items()}


def _most_frequent(classes: Mapping[str, Tensor]) -> Counts:
    """Return by task how often its most frequent class occurs in `(N,)` int64, 0 without any."""
    found = {task: own[own != NO_CLASS] for task, own in classes.items()}
    return {task: int(own.bincount(minlength=1).max()) for task, own in found.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class MergeMeasurement(Generic[AttackT]):
    """One attack on one set of updates, searched as `protocol` says and tested.

    `norms`: standalone validation accuracy of the unprotected updates, by task. `target`: whose
    accuracy is asked for; None means every task's in turn.
    """

    problem: Problem[AttackT]
    merger: AttackT
    evaluator: Evaluator
    protocol: Protocol
    norms: Mapping[str, float]
    target: str | None

    def results(self) -> CellResults:
        """Search, test the chosen point on all tasks, and the points of other rules on targets."""
        found = self._search()
        return self._tested(self._searched(found), found)

    def searched(self) -> CellResults:
        """Search alone: no test input is looked at, and none is counted as correct."""
        return self._searched(self._search())

    def tested(self, searched: CellResults) -> CellResults:
        """Return what `results` would have been, of a search that `searched` returned."""
        chosen = searched.chosen
        assert chosen is not None
        path = self.problem.path(self.merger.with_options(**chosen.options))
        sizes = {stage: seen for stage, seen in searched.sizes.items() if stage != "test"}
        return self._tested(
            searched, SearchResult(chosen=chosen, path=path, points=searched.points, sizes=sizes)
        )

    def _search(self) -> SearchResult:
        return search(self.problem, self.merger, self.evaluator, self.protocol, norms=self.norms)

    def _searched(self, found: SearchResult) -> CellResults:
        notes = self.problem.notes(self.merger)
        merged = found.path.merged or self.problem.updates
        size = math.sqrt(sum(update.norm() ** 2 for update in merged))
        ratio = found.path.norm(found.chosen.alpha) / size if size else 0.0
        return CellResults(
            correct={},
            sizes={"test": self.evaluator.sizes("test"), **found.sizes},
            options=found.chosen.options,
            alpha=found.chosen.alpha,
            points=found.points,
            norm_ratio=ratio,
            notes=notes,
            warnings=tuple(self._warnings(found.chosen.alpha, ratio, notes)),
        )

    def _warnings(
        self, alpha: float, ratio: float, notes: Mapping[str, float]
    ) -> Iterator[CellWarning]:
        yield from edge_of_grid(alpha, self.merger.all_alphas(self.protocol.alphas))
        yield from norm_out_of_range(ratio, alpha)
        yield from degenerate_bases(notes, self.problem.least_notes(self.merger))

    def _tested(self, searched: CellResults, found: SearchResult) -> CellResults:
        with deployed(self.evaluator.backbone, found.path, found.chosen.alpha):
            tested = results_on_test(self.evaluator)
        return replace(
            searched,
            correct=tested.correct,
            hits=tested.hits,
            most_predicted=tested.most_predicted,
            points=self._tested_points(found, tested.correct),
            warnings=warnings_on_test(
                searched.warnings, tested, found.chosen.counts, found.sizes[FULL]
            ),
        )

    def _tested_points(self, found: SearchResult, chosen: Counts) -> tuple[Point, ...]:
        """Return the points; those that some selection rule picks with test counts of its target.

        A race leaves few points that saw all inputs, which says nothing about other rules.
        """
        points = [*found.points]
        place = self._place(found)
        points[place] = replace(points[place], tested=chosen)
        if self.protocol.race is not None:
            return tuple(points)
        for place, targets in self._picks(found).items():
            options, alpha = points[place].options, points[place].alpha
            path = self.problem.path(self.merger.with_options(**options))
            with deployed(self.evaluator.backbone, path, alpha):
                predictions = self.evaluator.predictions("test", tasks=targets)
            points[place] = replace(points[place], tested=self._correct(predictions))
        return tuple(points)

    def _place(self, found: SearchResult) -> int:
        """Return where the chosen point stands among the points, as rules find it.

        A search in turns looks at its best point again in every further sweep: of such equals the
        protocol says which wins.
        """
        own = found.chosen
        places = [
            place
            for place, point in enumerate(found.points)
            if (point.alpha, point.options, point.stage) == (own.alpha, own.options, own.stage)
        ]
        return places[-1 if self.protocol.later_wins else 0]

    def _picks(self, found: SearchResult) -> dict[int, list[str]]:
        """Return, by place among the points, for which targets a rule picks one not yet tested."""
        picks: dict[int, list[str]] = {}
        chosen = self._place(found)
        places = {id(point): place for place, point in enumerate(found.points)}
        for target in self.norms if self.target is None else (self.target,):
            for rule in OTHER_RULES:
                point = rule.choose(
                    found.points,
                    sizes=found.sizes[FULL],
                    norms=self.norms,
                    target=target,
                    later_wins=self.protocol.later_wins,
                )
                if point is None or places[id(point)] == chosen:
                    continue
                targets = picks.setdefault(places[id(point)], [])
                if target not in targets:
                    targets.append(target)
        return picks

    def _correct(self, predictions: Mapping[str, Tensor]) -> Counts:
        labels = self.evaluator.labels("test")
        return counted({task: own.eq(labels[task]) for task, own in predictions.items()})
