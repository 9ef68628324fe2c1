"""The cells of a store behind the rows of a table of counts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from mergebench.measure import FROM_BASE, UNPROTECTED, ZERO_SHOT, Cell, plain
from mergebench.report.results_page.words import Words

_SHARED = {"unprotected": UNPROTECTED, "fine_tuned": UNPROTECTED, FROM_BASE: UNPROTECTED}
_LONG = ("hits", "points")
_COUNT = "_correct"
_POINT = "point"
"""What the protocol of a merge is called that was tested at a coefficient chosen elsewhere."""
_NUMBERS = re.compile(r"\[\s+([^][{}]*?)\s+\]")

Key = tuple[str | None, str | None, str | None, str | None, int]
"""Protection, target, attack, space and seed; None where there is none."""


class Cells:
    """Cells by what rows say of them."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self._cells: dict[Key, list[Cell]] = {}
        for cell in cells:
            self._cells.setdefault(_key(cell), []).append(cell)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._cells)

    def of(self, row: Mapping[str, str], words: Words) -> Cell | None:
        """Return the cell whose counts a row states, measured on the caption's inputs.

        None where no cell has them; of several that have, the one measured last.
        """
        found = [
            cell
            for key in _keys(row)
            for cell in self._cells.get(key, ())
            if _is_of(cell, row) and _has_inputs(cell, words)
        ]
        return max(found, key=lambda cell: (cell.run.finished, cell.key), default=None)


def record_text(cell: Cell) -> str:
    """Return the record of a cell as JSON, without the points of its search and single inputs."""
    record = plain(cell)
    for name in _LONG:
        record["results"].pop(name, None)
    for name in [name for name, value in record["inputs"].items() if value in (None, {}, [])]:
        del record["inputs"][name]
    text = json.dumps(record, indent=2, ensure_ascii=False)
    return _NUMBERS.sub(lambda match: f"[{' '.join(match[1].split())}]", text)


def _key(cell: Cell) -> Key:
    inputs = cell.inputs
    method = (inputs.protection, inputs.attack, inputs.space)
    protection, attack, space = (one.name if one else None for one in method)
    return protection, inputs.target, attack, space, inputs.seed


def _keys(row: Mapping[str, str]) -> Iterator[Key]:
    """Yield what a cell of that row may be called: merges of the unprotected have no target."""
    seed = int(row["seed"]) if row["seed"].isdecimal() else 0
    if "attack" in row:
        name = _SHARED.get(row["protection"], row["protection"])
        for target in (row["target"], *([None] if name == UNPROTECTED else [])):
            yield name, target, row["attack"], row["space"], seed
    elif row["row"] == ZERO_SHOT:
        yield None, None, None, None, seed
    else:
        yield _SHARED.get(row["row"], row["row"]), row["task"], None, None, seed


def _is_of(cell: Cell, row: Mapping[str, str]) -> bool:
    """Whether the cell has all counts that the row states, under its protocol.

    Of a merge that was searched and then tested, that is the cell of its point.
    """
    stated = {
        column.removesuffix(_COUNT): text
        for column, text in row.items()
        if column.endswith(_COUNT) and text
    }
    stated[row.get("target") or row["task"]] = row["correct"]
    protocol = cell.inputs.protocol.get("name")
    fits = protocol == row["protocol"] if "protocol" in row else protocol in (None, "standalone")
    if protocol == _POINT and cell.results.alpha is not None:
        fits = row.get("alpha") == f"{cell.results.alpha:g}"
    correct = cell.results.correct
    return fits and all(str(correct.get(task)) == text for task, text in stated.items())


def _has_inputs(cell: Cell, words: Words) -> bool:
    """Whether backbone and suite are those of the table's caption."""
    here = {
        "Backbone": f"{cell.inputs.backbone} (sha256 {cell.inputs.backbone_sha256})",
        "Suite": f"{cell.inputs.suite} (sha256 {cell.inputs.suite_sha256})",
    }
    return all(words.fact(what) in ("", value) for what, value in here.items())
