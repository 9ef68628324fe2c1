"""What a verification found, for a terminal."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mergebench.plurals import how_many
from mergebench.verification.entries import VerifiedEntry
from mergebench.verification.measuring import Comparison

_HEADINGS = ("cell", "task", "committed", "measured", "difference")


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was found: inputs that are not the tables', and the comparisons if none is."""

    other_inputs: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the inputs are the tables', and all counts within the tolerance."""
        return not self.other_inputs and all(one.passed for one in self.comparisons)

    @property
    def summary(self) -> str:
        """How many cells were compared and how many are not as committed, in one sentence."""
        if self.other_inputs:
            return "Nothing was measured: the numbers would be of other inputs."
        differences = [one for cell in self.comparisons for one in cell.differences.values()]
        other = sum(map(bool, differences))
        failed = sum(not one.passed for one in self.comparisons)
        return (
            f"{how_many(len(self.comparisons), 'cell')}, {how_many(len(differences), 'count')}: "
            f"{len(differences) - other} equal, {other} not; cells beyond the tolerance: {failed}."
        )


def print_verified(verified: Verified, console: Console) -> None:
    """Print a line per cell, at the task whose count differs the most, and the summary."""
    for sentence in verified.other_inputs:
        console.print(sentence, highlight=False, soft_wrap=True)
    if verified.comparisons:
        table = Table(header_style="")
        for place, heading in enumerate(_HEADINGS):
            table.add_column(heading, justify="right" if place > 1 else "left")
        for one in verified.comparisons:
            table.add_row(*_row(one))
        console.print(table)
    console.print(verified.summary, highlight=False, soft_wrap=True)


def print_verified_entry(verified: VerifiedEntry, console: Console) -> None:
    """Print a line per difference, and whether the entry is confirmed."""
    for text in verified.differences:
        mark = "" if text in verified.beyond else " (tolerated)"
        console.print(Text(f"{verified.name}: {text}{mark}"), soft_wrap=True)
    said = "confirmed" if verified.passed else f"not confirmed, {len(verified.beyond)} differ"
    console.print(Text(f"Entry {verified.name}: {said}."), soft_wrap=True)


def _row(one: Comparison) -> tuple[str, ...]:
    differences = one.differences
    task = max(differences, key=lambda name: (abs(differences[name]), name == one.stated.target))
    others = sum(map(bool, differences.values())) - bool(differences[task])
    more = f" (and {how_many(others, 'task')} more)" if others else ""
    sizes = one.measured.results.sizes["test"]
    committed = f"{one.stated.correct[task]}/{one.stated.sizes.get(task, sizes[task])}"
    measured = f"{one.measured.results.correct[task]}/{sizes[task]}"
    return one.stated.name, f"{task}{more}", committed, measured, f"{differences[task]:+d}"
