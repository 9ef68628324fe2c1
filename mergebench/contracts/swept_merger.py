"""An attack that trains: what an attacker may try again, its best attempt counts."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from mergebench.contracts.data_merger import DataMerger, MergeData
from mergebench.errors import InputError, check_range
from mergebench.seeding import derived_seed

_SWEEP: Mapping[str, Any] = {
    "attempts": 1,
    "learning_rate_factors": (1.0,),
    "attempt": 0,
    "learning_rate_factor": 1.0,
}
"""The options of a sweep and their defaults: one attempt with the recipe's learning rate."""


@dataclass(frozen=True, kw_only=True)
class SweptMerger(DataMerger, ABC):
    """A `DataMerger` whose training may be tried with other seeds and learning rates.

    Each of `attempts` seeds and of `learning_rate_factors` is a hyper-parameter of the search: what
    validation prefers is taken, as it is with coefficients. `attempt` and `learning_rate_factor`
    are those at hand; attempt 0 has the seed of the experiment. All attempts see the same inputs.
    With one of each nothing is searched. Raises `InputError` for values outside their range, and
    for factors without 1.
    """

    left_out_at: ClassVar[Mapping[str, Any]] = _SWEEP

    attempts: int = 1
    learning_rate_factors: tuple[float, ...] = (1.0,)
    attempt: int = 0
    learning_rate_factor: float = 1.0

    def __post_init__(self) -> None:
        """Check the options of the sweep."""
        super().__post_init__()
        about = f"attack {self.name}"
        check_range(f"{about}: attempts", self.attempts, 1, 1000)
        check_range(f"{about}: attempt", self.attempt, 0, 1_000_000)
        for factor in (self.learning_rate_factor, *self.learning_rate_factors):
            check_range(f"{about}: learning_rate_factor", factor, 1e-6, 1e6)
        if 1 not in self.learning_rate_factors:
            raise InputError(
                f"{about}: learning_rate_factors are {self.learning_rate_factors}; "
                "1, the recipe's own learning rate, has to be among them"
            )

    @property
    def searched(self) -> Mapping[str, tuple[float, ...]]:
        """The hyper-parameters of the attack, then what is swept."""
        swept = {
            "attempt": tuple(range(self.attempts)),
            "learning_rate_factor": self.learning_rate_factors,
        }
        return {
            **super().searched,
            **{name: values for name, values in swept.items() if len(values) > 1},
        }

    def stated(self) -> Mapping[str, Any]:
        """Return the hyper-parameters for a caption, with what is swept if anything is."""
        told = {name: value for name, value in super().stated().items() if name not in _SWEEP}
        now = {name: getattr(self, name) for name in _SWEEP}
        return {**told, **{name: now[name] for name in _SWEEP if now[name] != _SWEEP[name]}}

    def attempted(self, given: MergeData) -> MergeData:
        """Return what is given with the seed of this attempt."""
        if self.attempt == 0:
            return given
        return replace(given, seed=derived_seed(given.seed, "attempt", self.attempt))
