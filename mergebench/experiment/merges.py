"""The merges of one set of updates: their cells, one by one, with or without a search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from mergebench.contracts import Attack, DataMerger, InformedMerger, Merger, Space
from mergebench.errors import InputError
from mergebench.experiment.attack_names import check_attack
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.posed import Posed
from mergebench.experiment.single_models import held_scales, measured_point
from mergebench.measure import UNPROTECTED, Cell, Method
from mergebench.merging import (
    AttackT,
    DataMergeProblem,
    InformedProblem,
    MergeProblem,
    Problem,
)
from mergebench.progress import Progress, Silent
from mergebench.registry import registry
from mergebench.updates import MergePath, Truncated, Update


class Merges:
    """Cells of one set of updates; merges in one space share their problem.

    `progress`: is told how far merges are that learn from inputs; nobody by default.
    """

    def __init__(
        self,
        experiment: Experiment,
        protection: str,
        target: str | None,
        seed: int,
        progress: Progress | None = None,
    ) -> None:
        self._bench = experiment.workbench()
        self._protocol = experiment.protocol
        self._updates = protection, target, seed
        self._progress = progress or Silent()
        names = self._bench.suite.task_names
        self._norms = {task: self._bench.norm(task, seed, Silent()) for task in names}
        self._sha256s = self._bench.problems.sha256s(*self._updates, Silent())
        self._problems: dict[str, MergeProblem] = {}
        self._informed: dict[str, InformedProblem] = {}
        self._leading: dict[str, Truncated] = {}

    def cell(
        self,
        attack: str,
        space: str,
        options: Iterable[tuple[str, Any]] = (),
        *,
        from_base: bool = False,
        tested: bool = True,
    ) -> Cell:
        """Return the measured or recalled cell of one attack, some options being changed.

        `tested`: as of `Workbench.merged`; what learns from inputs is always tested at once, as it
        costs more to make again than to test.
        """
        merger = self._attack(attack).with_options(**dict(options))
        if isinstance(merger, DataMerger):
            tested, alone = True, merger.from_base() if from_base else merger
            assert alone is not None
            merger = alone
        posed, begun = self._posed(merger, space)
        return self._measured(merger, posed, begun, tested=tested)

    def point(
        self,
        attack: str,
        space: str,
        options: Mapping[str, Any],
        alpha: float,
        *,
        confirm: bool = False,
    ) -> Cell:
        """Return the measured or recalled cell of one attack at one point, without any search.

        On test inputs, or with `confirm` on all validation inputs.
        """
        merger = self._attack(attack).with_options(**options)
        posed, begun = self._posed(merger, space)
        return measured_point(self._bench, merger, posed, alpha, start=begun, confirm=confirm)

    def held(self, attack: str, space: str, options: Mapping[str, Any], alpha: float) -> Cell:
        """Return the cell of the scales at which a merge without data holds the updates."""
        merger = self._attack(attack).with_options(**options)
        posed, _ = self._posed(merger, space)
        return held_scales(self._bench, merger, posed, alpha, leading=self._leading)

    def path(self, attack: str, space: str, options: Mapping[str, Any]) -> MergePath | None:
        """Return one merge without any search; None for an attack that looks at inputs."""
        merger = self._attack(attack).with_options(**options)
        if isinstance(merger, InformedMerger):
            return self._informed_problem(space).path(merger)
        return self._problem(space).path(merger) if isinstance(merger, Merger) else None

    def _attack(self, name: str) -> Attack:
        """Return an attack with the options of the backbone and the protocol."""
        found = self._bench.setting.attack(name)
        defects = self._protocol.defects.attack_options(name.partition(":")[2] or name)
        return found.with_options(**defects)

    def _posed(self, merger: Attack, space: str) -> tuple[Posed[Any], Cell | None]:
        """Return what an attack merges, and the cell of the merge that it starts from, if any."""
        if isinstance(merger, InformedMerger):
            return self._of(space, lambda: self._informed_problem(space)), None
        if not isinstance(merger, DataMerger):
            return self._of(space, lambda: self._problem(space)), None
        begun, start = None, None
        if merger.starts_from is not None:
            begun, start = self._start(merger.name, merger.starts_from)

        def problem() -> DataMergeProblem:
            found = registry().get(Space, space)()
            return self._bench.problems.with_data(
                merger, found, *self._updates, self._progress, start=start
            )

        return self._of(space, problem), begun

    def _of(self, space: str, problem: Callable[[], Problem[AttackT]]) -> Posed[AttackT]:
        protection, target, seed = self._updates
        return Posed(
            protection=Method.of(self._bench.setting.protection(protection)),
            target=target,
            space=registry().get(Space, space)(),
            seed=seed,
            updates=self._sha256s,
            problem=problem,
        )

    def _start(self, attack: str, starts_from: str) -> tuple[Cell, Callable[[], Update]]:
        """Return the cell of the merge that `attack` starts from, and what makes that merge."""
        protection, target, _ = self._updates
        name, start_space = check_attack(starts_from)
        # Nothing is protected or asked for in the merge that all targets start from.
        from_where = None if protection == UNPROTECTED else target
        starter = self._attack(name)
        if not isinstance(starter, Merger):
            raise InputError(
                f"attack {attack} cannot start from {name}, which looks at inputs itself; "
                "start it from one that looks at none"
            )
        posed = replace(self._posed(starter, start_space)[0], target=from_where)
        begun = self._measured(starter, posed)
        alpha = begun.results.alpha
        assert alpha is not None

        def start() -> Update:
            chosen = starter.with_options(**begun.results.options)
            # Who merges with data is given updates as they were read.
            return self._problem(start_space).merge(chosen).scaled(alpha).to("cpu")

        return begun, start

    def _informed_problem(self, space: str) -> InformedProblem:
        if space not in self._informed:
            protection, target, seed = self._updates
            assert target is not None
            found = registry().get(Space, space)()
            self._informed[space] = self._bench.problems.informed(
                found, protection, target, seed, Silent()
            )
        return self._informed[space]

    def _problem(self, space: str) -> MergeProblem:
        if space not in self._problems:
            found = registry().get(Space, space)()
            self._problems[space] = self._bench.problems.blind(found, *self._updates, Silent())
        return self._problems[space]

    def _measured(
        self,
        attack: AttackT,
        posed: Posed[AttackT],
        start: Cell | None = None,
        *,
        tested: bool = True,
    ) -> Cell:
        return self._bench.merged(
            attack,
            posed,
            self._protocol,
            norms=self._norms,
            start=start,
            tested=tested,
        )
