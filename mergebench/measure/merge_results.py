"""The results of one merge: its search, its test counts, and what makes them doubtful."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Generic

from torch import Tensor

from mergebench.measure.cell import CellResults, packed
from mergebench.measure.cell_warnings import (
    CellWarning,
    collapsed_predictions,
    degenerate_bases,
    edge_of_grid,
    norm_out_of_range,
    validation_test_gap,
)
from mergebench.measure.counts import Counts, counted, on_host
from mergebench.measure.evaluate import Evaluator, deployed
from mergebench.measure.points import FULL, Point
from mergebench.measure.protocols import Protocol
from mergebench.measure.search import SearchResult, search
from mergebench.measure.selection_rules import RULES
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
        warnings=tuple(collapsed_predictions(most_predicted, most_frequent, sizes)),
    )


def _most_frequent(classes: Mapping[str, Tensor]) -> Counts:
    """Return by task how often its most frequent class occurs in `(N,)` int64."""
    return {task: int(own.bincount().max()) for task, own in classes.items()}


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
        found = search(self.problem, self.merger, self.evaluator, self.protocol, norms=self.norms)
        notes = self.problem.notes(self.merger)
        with deployed(self.evaluator.backbone, found.path, found.chosen.alpha):
            tested = results_on_test(self.evaluator)
        merged = found.path.merged or self.problem.updates
        size = math.sqrt(sum(update.norm() ** 2 for update in merged))
        ratio = found.path.norm(found.chosen.alpha) / size if size else 0.0
        return replace(
            tested,
            sizes={**tested.sizes, **found.sizes},
            options=found.chosen.options,
            alpha=found.chosen.alpha,
            points=self._tested_points(found, tested.correct),
            norm_ratio=ratio,
            notes=notes,
            warnings=(*tested.warnings, *self._warnings(found, tested, ratio, notes)),
        )

    def _warnings(
        self,
        found: SearchResult,
        tested: CellResults,
        ratio: float,
        notes: Mapping[str, float],
    ) -> Iterator[CellWarning]:
        alpha = found.chosen.alpha
        yield from edge_of_grid(alpha, self.merger.all_alphas(self.protocol.alphas))
        yield from validation_test_gap(
            found.chosen.counts, found.sizes[FULL], tested.correct, tested.sizes["test"]
        )
        yield from norm_out_of_range(ratio, alpha)
        yield from degenerate_bases(notes, self.merger.least_notes)

    def _tested_points(self, found: SearchResult, chosen: Counts) -> tuple[Point, ...]:
        """Return the points; those that some selection rule picks with test counts of its target.

        A race leaves few points that saw all inputs, which says nothing about other rules.
        """
        points = [
            replace(point, tested=chosen) if point is found.chosen else point
            for point in found.points
        ]
        if self.protocol.race is not None:
            return tuple(points)
        for place, targets in self._picks(found).items():
            options, alpha = points[place].options, points[place].alpha
            path = self.problem.path(self.merger.with_options(**options))
            with deployed(self.evaluator.backbone, path, alpha):
                predictions = self.evaluator.predictions("test", tasks=targets)
            points[place] = replace(points[place], tested=self._correct(predictions))
        return tuple(points)

    def _picks(self, found: SearchResult) -> dict[int, list[str]]:
        """Return, by place among the points, for which targets a rule picks one not yet tested."""
        picks: dict[int, list[str]] = {}
        places = {id(point): place for place, point in enumerate(found.points)}
        for target in self.norms if self.target is None else (self.target,):
            for rule in RULES.values():
                point = rule.choose(
                    found.points,
                    sizes=found.sizes[FULL],
                    norms=self.norms,
                    target=target,
                    later_wins=self.protocol.later_wins,
                )
                if point is None or point is found.chosen:
                    continue
                targets = picks.setdefault(places[id(point)], [])
                if target not in targets:
                    targets.append(target)
        return picks

    def _correct(self, predictions: Mapping[str, Tensor]) -> Counts:
        labels = self.evaluator.labels("test")
        return counted({task: own.eq(labels[task]) for task, own in predictions.items()})
