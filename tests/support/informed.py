"""Updates of which one may be protected, and the problem of merging them, for informed attacks."""

from __future__ import annotations

import torch
from few_steps import with_few_steps
from small_tower import small_backbone
from synthetic import dense, distance, low_rank

from mergebench.contracts import Merger, Space
from mergebench.merging import InformedProblem
from mergebench.registry import registry
from mergebench.updates import Update

TASKS, PLACE = 4, 2
RULES = [with_few_steps(found.plugin()) for found in registry().all(Merger)]


def updates(*, factors_only: bool = True, dtype: torch.dtype = torch.float64) -> list[Update]:
    """Return updates of two matrices, and of a dense one and a bias where that is allowed."""
    stacks = {
        "wide": list(low_rank(20, 24, [3, 1, 3, 2], dtype=dtype)),
        "tall": list(low_rank(30, 12, [2, 2, 2, 2], seed=1, dtype=dtype)),
    }
    if not factors_only:
        stacks["dense"] = list(dense((16, 12), TASKS, seed=2, dtype=dtype))
        stacks["bias"] = list(dense((17,), TASKS, seed=3, dtype=dtype))
    return [
        Update(sites={site: stack[task] for site, stack in stacks.items()}, label=f"task {task}")
        for task in range(TASKS)
    ]


def problem(given: list[Update], space: str = "full") -> InformedProblem:
    """Return the problem on a backbone that has none of these sites."""
    where = registry().get(Space, space)()
    return InformedProblem(given, place=PLACE, space=where, base=small_backbone)


def difference(first: Update, second: Update) -> float:
    assert first.sites.keys() == second.sites.keys()
    pairs = ((first.sites[site].dense(), second.sites[site].dense()) for site in first.sites)
    return max(distance(*pair) for pair in pairs)
