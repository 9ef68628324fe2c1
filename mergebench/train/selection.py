"""Which of the evaluated adapters is released, and when training stops early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mergebench.train.recipe import Recipe
from mergebench.update import Update


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """An adapter and its correct counts on validation.

    `correct`: at nominal scale, of all images; `probes`: by scale, of the probe images.
    """

    step: int
    update: Update
    correct: int
    probes: Mapping[float, int]


@dataclass(kw_only=True)
class Selection:
    """Keeps the candidates that may still be released (see `Recipe` for the rule).

    Validation images are few, so accuracies within the tolerance are not told apart by accuracy
    first: a trap forms late, and the most accurate evaluation may well precede it. Accuracy after
    merging plays no part. `size`: number of validation images.
    """

    recipe: Recipe
    size: int
    seeks_failure: bool
    best_correct: int = -1
    _candidates: list[Candidate] = field(default_factory=list)
    _reference: float = float("-inf")
    _stale: int = 0

    def offer(self, candidate: Candidate) -> None:
        """Consider one more candidate, later than all before."""
        self.best_correct = max(self.best_correct, candidate.correct)
        floor = self.best_correct - self.recipe.tolerance * self.size
        kept = [one for one in (*self._candidates, candidate) if one.correct >= floor]
        self._candidates = kept
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
        """The candidate to release."""
        return max(self._candidates, key=self._preference)

    def _preference(self, candidate: Candidate) -> tuple[int, int, int]:
        failures = -sum(candidate.probes.values()) if self.seeks_failure else 0
        return failures, candidate.correct, candidate.step
