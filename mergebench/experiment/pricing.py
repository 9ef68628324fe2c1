"""Measures the price of theft: what attacks reach by the inputs of the target's task they have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mergebench.contracts import DataMerger
from mergebench.experiment.attack_names import check_attack
from mergebench.experiment.bounded_theft import Wanted, chosen_thefts, of_a_race
from mergebench.experiment.context import context_of, described
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.price_set import MOST, PriceAttacks, price_attacks
from mergebench.experiment.runner import measure_merges_and_cells, merge_jobs
from mergebench.experiment.single_points import SinglePoints
from mergebench.experiment.stage import run_jobs
from mergebench.measure import (
    COST,
    FROM_BASE,
    UNPROTECTED,
    Cell,
    Choice,
    Choices,
    Measurements,
    Merged,
    Searched,
    Theft,
)


def measure_price(
    experiment: Experiment, budgets: Sequence[int], monitor: Monitor, *, processes: int
) -> Measurements:
    """Return the merges without inputs, and as thefts what every budget gives.

    What is missing is measured. Thefts cost at most `COST` points. Those of a protection, or of
    none, are chosen among the attacks of a level and of those that it allows, with at most so many
    inputs; those of `FROM_BASE` among the attacks with inputs that do not take the update.
    """
    attacks = price_attacks(experiment)
    free = tuple(one for one in experiment.attacks if one not in attacks.given_data)
    measured, cells = measure_merges_and_cells(
        replace(experiment, attacks=free), monitor, processes=processes
    )
    points = SinglePoints(experiment, monitor, processes=processes)
    finalists = {
        one.key: one
        for choice in _choices(experiment, attacks, measured)
        for one in choice.finalists
    }
    confirmed = {one.key: one for one in points.confirmed(finalists.values())}
    merged = tuple(confirmed.get(one.key, one) for one in measured.merged)
    measured = replace(measured, merged=merged)
    jobs = [
        (budget, job)
        for budget in budgets
        for job in merge_jobs(
            replace(experiment, attacks=attacks.affordable(budget)),
            tuple(_given(budget).items()),
        )
        if not job.from_base
    ]
    run_jobs([job for _, job in jobs], monitor, "merges by inputs", processes=processes)
    paid = [(budget, row, cell) for budget, job in jobs for row, cell in job.rows()]
    market = _Market(measured, cells, paid)
    thefts = chosen_thefts(experiment, market.wanted(experiment, attacks, budgets), points)
    every = [*cells, *points.cells, *(cell for *_, cell in paid)]
    context = context_of(replace(experiment, attacks=free), every)
    notes = (*context.notes, *_notes(experiment, attacks, budgets), *of_a_race(experiment))
    return replace(measured, context=replace(context, notes=notes), thefts=thefts)


def _choices(
    experiment: Experiment, attacks: PriceAttacks, measured: Measurements
) -> Iterator[Choice]:
    """Yield what thefts are compared with is chosen from, by target and seed."""
    choices = Choices(measured.merged)
    for seed in experiment.seeds:
        for target in experiment.target_names:
            yield choices.leaving_out(attacks.yardsticks, target, seed)
            yield choices.taking(UNPROTECTED, [attacks.levels[0].attacks], target, seed)


def _given(budget: int) -> dict[str, int]:
    """Return the options with which an attack looks at so many inputs of a task."""
    return {"inputs_per_task": budget, "inputs_per_class": 0}


class _Market:
    """All searches by what they are of, with their budgets."""

    def __init__(
        self,
        measured: Measurements,
        cells: Sequence[Cell],
        paid: Sequence[tuple[int, Merged, Cell]],
    ) -> None:
        self._choices = Choices(measured.merged)
        self._free = [
            Searched(merged=merged, points=cell.results.points)
            for merged, cell in zip(measured.merged, cells, strict=True)
        ]
        self._paid = [
            (
                budget,
                Searched(merged=merged, points=cell.results.points, given=_given(budget)),
            )
            for budget, merged, cell in paid
        ]

    def wanted(
        self, experiment: Experiment, attacks: PriceAttacks, budgets: Sequence[int]
    ) -> Iterator[Wanted]:
        """Yield a theft per curve, number of inputs, seed and target."""
        curves = [
            (protection, level, [one.attacks for one in attacks.levels if level.allows(one)])
            for level in attacks.levels[1:]
            for protection in (UNPROTECTED, *experiment.protections)
        ]
        if attacks.without.attacks:
            curves.append((FROM_BASE, attacks.without, [attacks.without.attacks]))
        for protection, level, names in curves:
            for inputs in (0, *budgets):
                for seed in experiment.seeds:
                    for target in experiment.target_names:
                        yield Wanted(
                            theft=Theft(
                                protection=protection,
                                target=target,
                                seed=seed,
                                level=level,
                                bound=COST,
                                inputs=inputs,
                            ),
                            searches=self._searches(protection, names, target, seed, inputs),
                            left_out=self._choices.leaving_out(
                                attacks.yardsticks, target, seed
                            ).best,
                        )

    def _searches(
        self, protection: str, levels: Sequence[Sequence[str]], target: str, seed: int, inputs: int
    ) -> list[list[Searched]]:
        """Return what an attacker with so many inputs may choose from, by level and budget.

        He may use fewer.
        """
        whose = UNPROTECTED if protection == FROM_BASE else protection
        affordable = {0: self._free}
        for budget, search in self._paid:
            if budget <= inputs:
                affordable.setdefault(budget, []).append(search)
        return [
            [
                one
                for one in searches
                if one.merged.name in names
                and (one.merged.protection, one.merged.seed) == (whose, seed)
                and one.merged.target in (target, None)
            ]
            for names in levels
            for searches in affordable.values()
        ]


def _notes(experiment: Experiment, attacks: PriceAttacks, budgets: Sequence[int]) -> Iterator[str]:
    """Yield what each attack looks at, at its largest budget, and what of it is not counted."""
    inputs, uncounted = experiment.workbench().suite.inputs, []
    for name in attacks.given_data:
        merger = experiment.setting.attack(check_attack(name)[0])
        assert isinstance(merger, DataMerger)
        most = max((one for one in budgets if name in attacks.affordable(one)), default=0)
        if most == 0:
            yield f"{name} is given no more than {MOST[name]} {inputs} per task, and was not run."
            continue
        yield described(merger.with_options(**_given(most)), inputs, experiment.trainable)
        if merger.looks_at_others:
            uncounted.append(merger.label)
    if uncounted:
        yield (
            f"The numbers of {inputs} are of the target's task. {', '.join(uncounted)} look at as "
            f"many of every other task as well, which are not counted."
        )
