"""The committed races chose what the committed exhaustive searches chose."""

from __future__ import annotations

import csv

import pytest
from repository import ROOT

RESULTS = ROOT / "results"
BACKBONES = [file.parent.name for file in sorted(RESULTS.glob("*/table2_clean-exhaustive.md"))]

Merge = tuple[str, ...]


def chosen(backbone: str, table: str, seed: str = "0") -> dict[Merge, Merge]:
    """Return the chosen point and the test count of each merge; unprotected ones have no target."""
    with (RESULTS / backbone / f"{table}_targets.csv").open() as lines:
        return {
            (row["attack"], row["space"], row["protection"], row["target"]): (
                *(row["alpha"], row["options"], row["correct"]),
            )
            for row in csv.DictReader(lines)
            if row["seed"] == seed
        }


def test_there_are_such_searches() -> None:
    assert BACKBONES


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_race_chooses_what_exhaustive_search_chooses(backbone: str) -> None:
    raced = chosen(backbone, "table2_clean")
    exhaustive = chosen(backbone, "table2_clean-exhaustive")
    assert raced.keys() == exhaustive.keys()
    other = {merge: (raced[merge], exhaustive[merge]) for merge in raced}
    assert not {merge: both for merge, both in other.items() if both[0] != both[1]}
