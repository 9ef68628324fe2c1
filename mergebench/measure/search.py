"""The choice of alpha and of structural hyper-parameters for one merge, on validation inputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic

from mergebench.measure.counts import Counts
from mergebench.measure.evaluate import Deployment, Evaluator
from mergebench.measure.points import FULL, Objective, Options, Point, best_point
from mergebench.measure.protocols import Protocol
from mergebench.measure.race import Race
from mergebench.measure.racing import Entrant, Hits, Track
from mergebench.merging import AttackT, Problem
from mergebench.updates import MergePath


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchResult:
    """The chosen point, its path `F + alpha D`, and every point that was evaluated, in order."""

    chosen: Point
    path: MergePath
    points: tuple[Point, ...]
    sizes: Mapping[str, Counts]


def search(
    problem: Problem[AttackT],
    merger: AttackT,
    evaluator: Evaluator,
    protocol: Protocol,
    *,
    norms: Mapping[str, float],
) -> SearchResult:
    """Choose alpha and the structural hyper-parameters of `merger` as `protocol` says.

    Each structural point is merged once, whatever the number of alphas; an attack may ask for
    further searches from there (`Attack.turn`), each as the protocol says. `norms`: standalone
    validation accuracy by task (fractions), used if the protocol normalises. The backbone's weights
    are the same before and after.
    """
    run = _Search(problem, merger, evaluator, protocol, norms)
    chosen = run.chosen()
    for number in itertools.count(1):
        best = merger.with_options(**chosen.options)
        changed = best.turn(number, len(problem.updates))
        if changed is None:
            break
        run.turn({**chosen.options, **changed})
        chosen = run.best((chosen, run.chosen()))
    return SearchResult(
        chosen=chosen, path=run.path(chosen.options), points=tuple(run.points), sizes=run.sizes
    )


class _Search(Generic[AttackT]):
    """The state of one search: the path at hand and the points so far."""

    def __init__(
        self,
        problem: Problem[AttackT],
        merger: AttackT,
        evaluator: Evaluator,
        protocol: Protocol,
        norms: Mapping[str, float],
    ) -> None:
        self.problem = problem
        self.merger = merger
        self.base: Options = {}
        self.searched = merger.searched
        self.evaluator = evaluator
        self.protocol = protocol
        self.norms = norms if protocol.normalised else dict.fromkeys(norms, 1.0)
        self.points: list[Point] = []
        self.sizes: dict[str, Counts] = {FULL: evaluator.sizes("val")}
        self._last: tuple[Options, MergePath] | None = None
        self._counts: dict[tuple[float, str], Counts] = {}
        self._nothing: dict[str, bool] = {}

    @property
    def grid(self) -> dict[str, tuple[float, ...]]:
        return {
            name: tuple(self.protocol.grids.get(name, values))
            for name, values in self.searched.items()
        }

    def turn(self, options: Options) -> None:
        """Begin another search from these options, of the attack's own grid alone."""
        self.base, self.merger = options, self.merger.with_options(**options)
        self.searched = self.merger.visited

    def chosen(self) -> Point:
        """Search as the protocol says and return the best point."""
        if self.protocol.strategy == "coordinate":
            return self.coordinate()
        if self.protocol.race is not None:
            return self.race(self.protocol.race)
        return self.best(self.evaluate(self.joint_points()))

    def path(self, options: Options) -> MergePath:
        """Return the path for the options; the last one is remembered, and what was nothing."""
        if self._last is None or self._last[0] != options:
            path = self.problem.path(self.merger.with_options(**options))
            self._nothing[_key(options)] = path.fixed is None and path.direction.norm() == 0
            self._last = (options, path)
        return self._last[1]

    @property
    def objective(self) -> Objective:
        return Objective(sizes=self.sizes[FULL], norms=self.norms)

    def best(self, points: Iterable[Point]) -> Point:
        return best_point(points, self.objective, later_wins=self.protocol.later_wins)

    def evaluate(self, candidates: Iterable[tuple[Options, float]]) -> Iterator[Point]:
        """Yield the evaluated candidates in order; runs of equal options share one merge.

        One that was evaluated before, as the best so far is in each further sweep, has its counts.
        """
        for options, group in itertools.groupby(candidates, key=lambda candidate: candidate[0]):
            with Deployment(self.evaluator.backbone, self.path(options)) as deployment:
                for _, alpha in group:
                    key = alpha, _key(options)
                    if key not in self._counts:
                        deployment.set(alpha)
                        self._counts[key] = self.evaluator.correct("val")
                    point = Point(
                        options=options,
                        alpha=alpha,
                        counts=self._counts[key],
                        leaves_base=self._nothing[_key(options)],
                    )
                    self.points.append(point)
                    yield point

    def sweep(self, candidates: Sequence[tuple[Options, float]]) -> Point:
        """Evaluate candidates until `patience` of them in a row did not improve; the best one."""
        score, patience = self.objective, self.protocol.patience
        seen: list[Point] = []
        best_score, idle = Fraction(0), 0
        points = self.evaluate(candidates)
        for point in points:
            seen.append(point)
            value = score(point.counts)
            improved = value >= best_score if self.protocol.later_wins else value > best_score
            best_score, idle = (value, 0) if improved else (best_score, idle + 1)
            if patience is not None and idle >= patience:
                break
        points.close()  # type: ignore[attr-defined]  # restores the weights now
        return self.best(seen)

    def coordinate(self) -> Point:
        """Search alpha at the attack's defaults, then each hyper-parameter at the best so far."""
        defaults = {name: self.merger.option(name) for name in self.grid}
        options: dict[str, Any] = {**self.base, **defaults}
        swept = [
            self.sweep([(options, alpha) for alpha in alphas])
            for alphas in self.merger.sweeps(self.protocol.alphas)
        ]
        best = self.best(sorted(swept, key=lambda point: point.alpha))
        for name, values in self.grid.items():
            best = self.sweep([({**best.options, name: value}, best.alpha) for value in values])
        return best

    def joint_points(self) -> list[tuple[Options, float]]:
        """Return every combination; alpha = 0 only once where it undoes every merge.

        Where something stays at 0, every structure has another model there.
        """
        names, grids = list(self.grid), list(self.grid.values())
        structures = [
            {**self.base, **dict(zip(names, values, strict=True))}
            for values in itertools.product(*grids)
        ]
        return [
            (options, alpha)
            for index, options in enumerate(structures)
            for alpha in self.merger.all_alphas(self.protocol.alphas)
            if alpha != 0 or index == 0 or not self.merger.nothing_at_zero
        ]

    def race(self, rules: Race) -> Point:
        """Race the alphas of one structure after the other, also against those of earlier ones.

        Each structure is merged once. The chosen point is among those that saw all inputs.
        """
        track = Track(sizes=self.sizes[FULL], norms=self.norms, race=rules)
        earlier: list[Entrant] = []
        for options, group in itertools.groupby(self.joint_points(), key=lambda point: point[0]):
            entrants = [Entrant(options=options, alpha=alpha) for _, alpha in group]
            with Deployment(self.evaluator.backbone, self.path(options)) as deployment:

                def look(entrant: Entrant, ranks: range, to: Deployment = deployment) -> Hits:
                    to.set(entrant.alpha)
                    return self.evaluator.hits("val", ranks)

                track.run(entrants, earlier, look)
            earlier += entrants
        self.points += [self._raced(entrant) for entrant in earlier]
        return self.best(point for point in self.points if point.stage == FULL)

    def _raced(self, entrant: Entrant) -> Point:
        """Return the point of an entrant whose race is over; its stage says what it saw."""
        seen = {task: len(hits) for task, hits in entrant.hits.items()}
        stage = FULL if seen == self.sizes[FULL] else f"first {max(seen.values())}"
        self.sizes.setdefault(stage, seen)
        return Point(
            options=entrant.options,
            alpha=entrant.alpha,
            counts=entrant.counts,
            stage=stage,
            leaves_base=self._nothing[_key(entrant.options)],
        )


def _key(options: Options) -> str:
    return repr(sorted(options.items()))
