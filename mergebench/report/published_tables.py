"""The paper's numbers by table, from the copies of `results/paper` that come with the package."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "paper"
_STANDALONE = "row"
"""The column that tables of standalone accuracies have, one task per column behind it."""


@cache
def published(number: int, backbone: str) -> Mapping[tuple[str, ...], float]:
    """Return the accuracies of Table `number` of one backbone, in percent; empty if it has none.

    Keys are `(release, task)` with `average` among the tasks where updates are measured alone
    (tables 1 and 3), `(protection, attack, space)` where they are merged; names are those of our
    CSV files.
    """
    file = _FOLDER / f"table{number}.csv"
    if not file.is_file():
        return {}
    found: dict[tuple[str, ...], float] = {}
    with file.open(newline="", encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            if line["backbone"] != backbone:
                continue
            if _STANDALONE in line:
                columns = [*line][[*line].index(_STANDALONE) + 1 :]
                found |= {(line[_STANDALONE], name): float(line[name]) for name in columns}
            else:
                place = (line["protection"], line["attack"], line["space"])
                found[place] = float(line["accuracy"])
    return found
