"""Rules by which a merger may pick a point of a search, to be replayed from stored counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from mergebench.errors import InputError, unknown_name
from mergebench.measure.counts import Counts
from mergebench.measure.points import FULL, Objective, Point, best_point

Scope = Literal["all", "others", "target"]


@dataclass(frozen=True, kw_only=True)
class SelectionRule:
    """What a merger wants: the best mean validation accuracy over the tasks in `scope`.

    `scope`: all tasks, all but the target, or the target alone. `normalised`: each accuracy divided
    by the task's standalone accuracy, as the protocols do.
    """

    name: str
    scope: Scope
    normalised: bool = False

    def tasks(self, tasks: Iterable[str], target: str) -> tuple[str, ...]:
        """Return those of `tasks` that the rule looks at; none if the target has no other."""
        if self.scope == "all":
            return tuple(tasks)
        return tuple(task for task in tasks if (task == target) == (self.scope == "target"))

    def choose(
        self,
        points: Iterable[Point],
        *,
        sizes: Counts,
        norms: Mapping[str, float],
        target: str,
        later_wins: bool,
    ) -> Point | None:
        """Return the best of the points that saw all inputs; None if the rule has no tasks.

        `sizes`: validation inputs by task; `norms`: standalone validation accuracy by task;
        `later_wins`: which of equals, as in the protocol.
        """
        tasks = self.tasks(sizes, target)
        if not tasks:
            return None
        objective = Objective(
            sizes={task: sizes[task] for task in tasks},
            norms={task: norms[task] if self.normalised else 1.0 for task in tasks},
        )
        complete = (point for point in points if point.stage == FULL)
        return best_point(complete, objective, later_wins=later_wins)


PROTOCOL_RULE = "paper"
"""The rule of all protocols, of whose choices a search keeps the one that it came to."""

RULES: Mapping[str, SelectionRule] = {
    rule.name: rule
    for rule in (
        SelectionRule(name=PROTOCOL_RULE, scope="all", normalised=True),
        SelectionRule(name="all_tasks", scope="all"),
        SelectionRule(name="others", scope="others"),
        SelectionRule(name="target", scope="target"),
    )
}

OTHER_RULES = tuple(rule for rule in RULES.values() if rule.name != PROTOCOL_RULE)

_FORMER = {"other_seven": "others"}
"""Names that commands of older captions state, of eight tasks."""


def get_rule(name: str) -> SelectionRule:
    """Return the rule called `name`; `InputError` with the nearest names otherwise."""
    name = _FORMER.get(name, name)
    if name not in RULES:
        raise InputError(unknown_name("selection rule", name, list(RULES)))
    return RULES[name]
