"""The attacks and the numbers of inputs of the price of theft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from mergebench.contracts import DataUse
from mergebench.errors import InputError
from mergebench.experiment.attack_names import check_attack
from mergebench.experiment.experiment import Experiment
from mergebench.measure import Level

BUDGETS = (4, 16, 64, 256, 1000, 2000)
"""Inputs of the target's task, where its training split has so many."""

MOST: Mapping[str, int] = {
    "prodistill@full": 64,
    "regmean_weighted@full": 256,
    "chain_of_merges_outputs@full": 256,
}
"""Inputs per task that attacks are given at most whose cost grows with the inputs of all tasks.

Who has more uses fewer in them, as anybody may.
"""


@dataclass(frozen=True, kw_only=True)
class PriceAttacks:
    """Attacks by what they declare of themselves.

    `yardsticks`: of no data, without the update; `levels`: with it, by the data that they are
    given, no data first; `without`: of inputs alone, without the update.
    """

    yardsticks: tuple[str, ...]
    levels: tuple[Level, ...]
    without: Level

    @property
    def given_data(self) -> tuple[str, ...]:
        """All attacks that look at inputs."""
        return (*(name for one in self.levels[1:] for name in one.attacks), *self.without.attacks)

    def affordable(self, budget: int) -> tuple[str, ...]:
        """Return those of `given_data` that are given so many inputs (`MOST`)."""
        return tuple(name for name in self.given_data if budget <= MOST.get(name, budget))


def price_attacks(experiment: Experiment) -> PriceAttacks:
    """Return the attacks of `experiment` sorted; `InputError` where a curve would have none."""
    kinds, found = get_args(DataUse), dict[tuple[DataUse, bool], list[str]]()
    for name in experiment.attacks:
        attack = experiment.setting.attack(check_attack(name)[0])
        found.setdefault((attack.data, attack.takes_protected), []).append(name)
    for data, takes, lacking in (
        ("none", False, "leave_out:ta, what a merger has without the update"),
        ("none", True, "ta, which gives what an unprotected update is worth"),
    ):
        if (data, takes) not in found:
            raise InputError(f"--attacks: the price of theft needs an attack such as {lacking}")
    levels = tuple(
        Level(knowledge="informed", data=data, attacks=tuple(found[data, True]))
        for data in kinds
        if (data, True) in found
    )
    if len(levels) < 2:
        raise InputError("--attacks: the price of theft needs an attack that looks at inputs")
    without = [name for data in kinds[1:] for name in found.get((data, False), ())]
    return PriceAttacks(
        yardsticks=tuple(found["none", False]),
        levels=levels,
        without=Level(knowledge="blind", data="labelled", attacks=tuple(without)),
    )


def price_budgets(experiment: Experiment, wanted: Sequence[int] = ()) -> tuple[int, ...]:
    """Return the budgets, ascending: those `wanted`, or of `BUDGETS` those that every task has.

    Raises `InputError` for one that a task's training split has not.
    """
    sizes = {task.name: len(task.splits["train"]) for task in experiment.workbench().suite.tasks}
    fewest = min(sizes, key=lambda task: sizes[task])
    most = sizes[fewest]
    for budget in wanted:
        if budget > most:
            raise InputError(
                f"--budgets: {budget} inputs of every task are more than the {most} training "
                f"inputs of {fewest}; name at most {most}, or other --tasks"
            )
    return tuple(sorted(set(wanted))) or tuple(one for one in BUDGETS if one <= most)
