"""Which of the evaluated adapters is released, and when training stops early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from mergebench.train.recipe import TrainingRecipe
from mergebench.updates import Update


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """An adapter and its correct counts on validation.

    `correct`: at nominal scale, of all inputs; `probes`: by scale, of the probe inputs.
    """

    step: int
    update: Update
    correct: int
    probes: Mapping[float, int]


@dataclass(kw_only=True)
class Selection:
    """Keeps the candidate to release and says when training may stop.

    The most accurate candidate is kept, or, if the objective `seeks_failure`, the one with the
    widest margin: accuracy at nominal scale minus mean accuracy at the probe scales. The later one
    of equals wins. `size`, `probe_size`: number of validation inputs and of probe inputs.
    """

    recipe: TrainingRecipe
    size: int
    probe_size: int
    seeks_failure: bool
    _released: Candidate | None = None
    _reference: float = float("-inf")
    _stale: int = 0

    def offer(self, candidate: Candidate) -> None:
        """Consider one more candidate, later than all before."""
        if self._released is None or self._merit(candidate) >= self._merit(self._released):
            self._released = candidate
        improved = candidate.correct > self._reference + self.recipe.min_improvement * self.size
        self._stale = 0 if improved else self._stale + 1
        if improved:
            self._reference = candidate.correct

    @property
    def exhausted(self) -> bool:
        """Whether the recipe's patience has run out."""
        return self.recipe.patience is not None and self._stale >= self.recipe.patience

    @property
    def released(self) -> Candidate:
        """The candidate to release; `ValueError` before the first offer."""
        if self._released is None:
            raise ValueError("nothing was offered yet")
        return self._released

    def _merit(self, candidate: Candidate) -> Fraction:
        accuracy = Fraction(candidate.correct, self.size)
        if not self.seeks_failure or not candidate.probes:
            return accuracy
        probed = len(candidate.probes) * self.probe_size
        return accuracy - Fraction(sum(candidate.probes.values()), probed)
