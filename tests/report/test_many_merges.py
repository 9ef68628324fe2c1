"""Tables of tens of thousands of merges take as long as their merges, not as their pairs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from many_merges import LEVELS, YARDSTICKS, many_merges

from mergebench.measure import Measurements
from mergebench.report import write_leaderboard, write_mergers, write_table2

pytestmark = pytest.mark.slow

FEW, MANY = 25, 100
"""Protections: 15,000 merges and 60,000."""

Writer = Callable[[Measurements, Path], list[Path]]
WRITERS: dict[str, Writer] = {
    "table2": write_table2,
    "mergers": partial(write_mergers, stem="mergers"),
    "leaderboard": partial(
        write_leaderboard, stem="leaderboard", levels=LEVELS, yardsticks=YARDSTICKS, version=2
    ),
}


@pytest.fixture(scope="module")
def measured() -> dict[int, Measurements]:
    return {count: many_merges(count) for count in (FEW, MANY)}


@pytest.mark.parametrize("name", WRITERS)
def test_the_time_grows_as_the_merges_do(
    name: str, measured: dict[int, Measurements], tmp_path: Path
) -> None:
    """Seconds of the processor, which other processes do not lengthen much."""
    took = {}
    for count, table in measured.items():
        start = time.process_time()
        WRITERS[name](table, tmp_path / str(count))
        took[count] = time.process_time() - start
        print(f"{name} of {len(table.merged)} merges: {took[count]:.1f} s")
    assert took[MANY] < 1.5 * MANY / FEW * took[FEW]
