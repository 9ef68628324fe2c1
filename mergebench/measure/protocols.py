"""Search protocols: which points of (structural hyper-parameters, alpha) are tried, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from mergebench.errors import InputError, unknown_name
from mergebench.measure.defects import NO_DEFECTS, Defects
from mergebench.measure.race import Race

Strategy = Literal["coordinate", "joint"]


def _steps(first: int, last: int, step: int, unit: int) -> tuple[float, ...]:
    return tuple(value / unit for value in range(first, last + 1, step))


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How the merging coefficient and the structural hyper-parameters of a merge are chosen.

    `coordinate` visits alpha first, then each structural hyper-parameter in the attack's order,
    from the attack's defaults, keeping what was chosen; `joint` tries every combination. `alphas`
    are visited in the given order, and a sweep stops after `patience` values without improvement
    (None: never). A later value that ties with the best so far wins if `later_wins`. The objective
    is the mean over tasks of validation accuracy, each divided by the task's standalone accuracy if
    `normalised`. `grids` overrides attacks' own grids by hyper-parameter name. With a `race` (joint
    strategy only), points that are clearly beaten on some validation inputs do not see the others.
    `defects` of the reference are those of data, recipes and attacks, no part of the search.
    """

    name: str
    strategy: Strategy
    alphas: tuple[float, ...]
    patience: int | None
    later_wins: bool
    normalised: bool
    grids: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    race: Race | None = None
    defects: Defects = NO_DEFECTS

    def record(self) -> dict[str, Any]:
        """Return the fields of the search, for the record of a cell.

        What `defects` change is among a cell's other inputs.
        """
        fields = asdict(self)
        del fields["defects"]
        return fields


PAPER = Protocol(
    name="paper",
    strategy="coordinate",
    alphas=_steps(1, 99, 1, 10),
    patience=10,
    later_wins=True,
    normalised=True,
)
"""The reference's search: alpha from 0.1 in steps of 0.1, coordinate order, patience 10.

Source: the public reference of Trap² (ml-postech/Trap2), vision scripts.
"""

CLEAN = Protocol(
    name="clean",
    strategy="joint",
    alphas=(
        *(0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
        *(0.6, 0.7, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0),
    ),
    patience=None,
    later_wins=False,
    normalised=True,
    grids={"top_k": (100, 50, 20, 10), "drop": (1e-5, 0.5, 0.9)},
    race=Race(),
)
"""The attacker that we would defend against: alpha may be 0 or small, and all is searched jointly.

An attacker who may choose alpha = 0 can always fall back on the unmerged model, so the objective, a
mean over tasks, is never below zero-shot on validation; a single task can be.
"""

CLEAN_EXHAUSTIVE = replace(CLEAN, name="clean-exhaustive", race=None)
"""`clean` without the race: every point sees every input. It is what racing is checked against."""

WIDE = replace(
    CLEAN,
    name="wide",
    alphas=(
        *CLEAN.alphas,
        *(0.01, 0.03, 0.04, 0.06, 0.07, 0.08, 0.09),
        *(-0.05, -0.1, -0.2, -0.3, -0.5, -0.7, -1.0, -1.5, -2.0),
        *(5.0, 7.0, 10.0),
    ),
)
"""`clean` with coefficients off every published grid: fine ones below 0.1, negative and large ones.

A trap is trained at some scales of its update; this attacker looks outside them. Of equals a
coefficient of `clean` wins, which come first.
"""

PAPER_EXACT = replace(PAPER, name="paper-exact", defects=Defects.all())
"""`paper` with every defect of the reference: for comparison with published numbers, no other use.
"""

PROTOCOLS = {
    protocol.name: protocol for protocol in (PAPER, CLEAN, CLEAN_EXHAUSTIVE, WIDE, PAPER_EXACT)
}


def get_protocol(name: str) -> Protocol:
    """Return the protocol called `name`; `InputError` with the nearest names otherwise."""
    if name not in PROTOCOLS:
        raise InputError(unknown_name("protocol", name, list(PROTOCOLS)))
    return PROTOCOLS[name]
