"""The price of theft by protection and kind of inputs: the numbers of its table and figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mergebench.contracts import DataUse
from mergebench.measure import (
    UNPROTECTED,
    Bought,
    Choices,
    Level,
    Measurements,
    PriceOfTheft,
    Theft,
    mixture_of,
    price_of_theft,
)
from mergebench.report.labels import release_order

Curve = tuple[DataUse, str]
"""Which inputs, and which protection the target's update has, or `from_base`."""


@dataclass(frozen=True, kw_only=True)
class PriceCurve:
    """What inputs of one kind give to who has the target's update with `protection`, or has none.

    `protection` `from_base`: the update is not used. `found`: gains and price. `none`: by number of
    inputs, of how many targets and seeds every mixture costs too much.
    """

    protection: str
    data: DataUse
    found: PriceOfTheft
    none: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class PriceTable:
    """Curves over the numbers of inputs, ascending; `picks`: targets times seeds."""

    curves: tuple[PriceCurve, ...]
    inputs: tuple[int, ...]
    targets: tuple[str, ...]
    picks: int


def price(measurements: Measurements, free: Level, yardsticks: Sequence[str]) -> PriceTable:
    """Return the curves; `ValueError` naming what was not measured, or is incomplete.

    `free`: the attacks without inputs, the best of which with an unprotected update gives what that
    is worth; `yardsticks`: the merges without the update.
    """
    return _Market(measurements, free, yardsticks).table()


class _Market:
    """The thefts of `measurements` by what they are of, and what each is compared with."""

    def __init__(self, measurements: Measurements, free: Level, yardsticks: Sequence[str]) -> None:
        self._thefts = {_place(one): one for one in measurements.thefts}
        self.inputs = tuple(sorted({number for _, number, _, _ in self._thefts}))
        stolen = {one.target for one in measurements.thefts}
        self.targets = tuple(task for task in measurements.context.tasks if task in stolen)
        self._pairs = [(one, seed) for seed in measurements.context.seeds for one in self.targets]
        self._free, self._yardsticks = free, yardsticks
        self._choices = Choices(measurements.merged)
        self.curves = sorted({curve for curve, _, _, _ in self._thefts}, key=_order)
        places = len(self.curves) * len(self.inputs) * len(self._pairs)
        if not places or not places == len(self._thefts) == len(measurements.thefts):
            count = len(measurements.thefts)
            raise ValueError(f"{count} thefts are not all curves, inputs, targets and seeds")

    def table(self) -> PriceTable:
        """Return all curves."""
        return PriceTable(
            curves=tuple(self._curve(one) for one in self.curves),
            inputs=self.inputs,
            targets=self.targets,
            picks=len(self._pairs),
        )

    def _curve(self, curve: Curve) -> PriceCurve:
        data, protection = curve
        rows = [
            [self._thefts[curve, number, *pair] for number in self.inputs] for pair in self._pairs
        ]
        return PriceCurve(
            protection=protection,
            data=data,
            found=price_of_theft([self._case(row) for row in rows], self.inputs),
            none=tuple(
                sum(one.merged is None for one in column) for column in zip(*rows, strict=True)
            ),
        )

    def _case(self, row: Sequence[Theft]) -> Bought:
        target, seed = row[0].target, row[0].seed
        left_out = self._choices.leaving_out(self._yardsticks, target, seed).best
        unprotected = self._choices.taking(UNPROTECTED, [self._free.attacks], target, seed).best
        return Bought(
            target=target,
            seed=seed,
            taken=tuple(mixture_of(one.merged or left_out) for one in row),
            left_out=mixture_of(left_out),
            unprotected=mixture_of(unprotected),
        )


def _place(theft: Theft) -> tuple[Curve, int, str, int]:
    if theft.inputs is None:
        raise ValueError(f"a theft of {theft.target} whose number of inputs is not known")
    return (theft.level.data, theft.protection), theft.inputs, theft.target, theft.seed


def _order(curve: Curve) -> tuple[bool, tuple[int, str]]:
    """Return the sort key: unlabelled inputs first, then as releases are."""
    data, protection = curve
    return data != "unlabelled", release_order(protection)
