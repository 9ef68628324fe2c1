"""The price of theft as cells of text, and how to read it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mergebench.measure import COST, FROM_BASE, SHARE, Estimate
from mergebench.plurals import how_many
from mergebench.report.estimates import estimate_text
from mergebench.report.labels import protection_label
from mergebench.report.price import PriceCurve, PriceTable
from mergebench.report.spread import MISSING

WITHOUT = "without the update"


def headings(table: PriceTable) -> tuple[str, ...]:
    """Return what stands above the columns: one for each number of inputs."""
    return ("protection", "inputs", "price", *(f"{number:,}" for number in table.inputs))


def cells(table: PriceTable, curve: PriceCurve) -> tuple[str, ...]:
    """Return the cells of one line, below `headings`."""
    gains = zip(curve.found.gains, curve.none, strict=True)
    return (
        curve_label(curve),
        curve.data,
        price_text(curve.found.price, table.inputs),
        *(MISSING if none == table.picks else estimate_text(gain) for gain, none in gains),
    )


def curve_label(curve: PriceCurve) -> str:
    """Return whose update a line is about, or that it is about none."""
    return WITHOUT if curve.protection == FROM_BASE else protection_label(curve.protection)


def price_text(price: Estimate | None, inputs: tuple[int, ...]) -> str:
    """Return the price with its interval in brackets; a dash where there is nothing to steal."""
    if price is None:
        return MISSING
    interval = price.interval
    ends = (
        MISSING
        if interval is None
        else ", ".join(_inputs(end, inputs) for end in (interval.low, interval.high))
    )
    return f"{_inputs(price.value, inputs)} [{ends}]"


def sentences(table: PriceTable, inputs: str) -> Iterator[str]:
    """Yield how to read the table; `inputs`: as of `Context`."""
    worth, over = table.curves[0].found.worth, how_many(len(table.targets), "target")
    yield (
        f"Gain on the target in points, against the merge without its update, by how many {inputs} "
        f"of the target's task an attacker has: mean over {over}, with 95 % "
        f"intervals over other targets and test {inputs}. He takes what is best on the target "
        f"among the mixtures that cost the other tasks at most {COST} point on validation "
        f"{inputs}, of all attacks that his {inputs}, or fewer, allow; test accuracy is only "
        f"reported. {MISSING}: of no target there is such a mixture, and he leaves the update out."
    )
    yield (
        f"Price: the smallest of these numbers with which the gain is at least {100 * SHARE:.0f} % "
        f"of what an unprotected update gives without any {inputs}, {estimate_text(worth)} points, "
        "for the best merge by the mean over all tasks (as a leaderboard chooses it); one of the "
        "columns, not a number between."
    )
    if any(curve.protection == FROM_BASE for curve in table.curves):
        yield (
            f"{WITHOUT.capitalize()}: W0 fine-tuned on as many {inputs} with their labels, and "
            "merged with the updates of the other tasks."
        )


def _inputs(number: float, inputs: tuple[int, ...]) -> str:
    return f"over {inputs[-1]:,}" if math.isinf(number) else f"{number:,.0f}"
