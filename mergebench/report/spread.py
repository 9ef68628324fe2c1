"""Numbers over seeds: percentages from counts, their mean and standard deviation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

MISSING = "–"
NORMAL_95 = 1.96


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A mean over `seeds` and the sample standard deviation, None where there is a single seed."""

    mean: float
    std: float | None
    seeds: tuple[int, ...]

    def text(self, digits: int = 1, separator: str = " ") -> str:
        """Return the mean, with `± std` where there is one, to `digits` decimals."""
        mean = fixed(self.mean, digits)
        if self.std is None:
            return mean
        return f"{mean}{separator}±{separator}{fixed(self.std, digits)}"


def spread(by_seed: Mapping[int, float]) -> Spread | None:
    """Return mean and standard deviation of one value per seed; None without any."""
    if not by_seed:
        return None
    seeds = tuple(sorted(by_seed))
    values = [by_seed[seed] for seed in seeds]
    return Spread(mean=fmean(values), std=stdev(values) if len(values) > 1 else None, seeds=seeds)


def fixed(value: float | None, digits: int) -> str:
    """Return `value` with a fixed number of decimals, never `-0.0`; empty for None."""
    if value is None:
        return ""
    return f"{value:z.{digits}f}"


def cell_text(value: Spread | None, digits: int = 1, separator: str = " ") -> str:
    """Return a cell of a table that people read; a dash where nothing was measured."""
    return MISSING if value is None else value.text(digits, separator)


def percent(correct: int, size: int) -> float:
    """Return `correct` of `size` in percent."""
    return 100 * correct / size


def half_width_95(accuracies: Iterable[tuple[float, int]]) -> float:
    """Return half of the 95 % interval of a mean of accuracies, from the finite test sets.

    `accuracies`: percent and number of inputs, each on its own inputs. Normal approximation,
    in points; it says nothing about other seeds.
    """
    pairs = list(accuracies)
    variance = sum(value * (100 - value) / size for value, size in pairs)
    return NORMAL_95 * sqrt(variance) / len(pairs)
