"""One of anything is called by its singular, on pages and below tables."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from report_data import CONTEXT, MEASUREMENTS, UNPROTECTED, merged

from mergebench.measure import EDGE, Measurements, Merged
from mergebench.measure.cell_warnings import CellWarning
from mergebench.plurals import how_many
from mergebench.report import write_mergers, write_table1, write_table2
from mergebench.report.page import Number, Origin, Page, PageColumn, PageTable, Section, page_text

ONE_OF_MANY = re.compile(r"(?<![\d.,])1 (?:\w+ )?(?!is|was)[a-z]+s\b")
"""The number 1 and the plural of what there is one of, with a word between or none."""


def only_digits(one: Merged) -> Merged:
    warned = (CellWarning(kind=EDGE, detail="alpha 0.1"),)
    return replace(one, correct={"digits": 20}, sizes={"digits": 200}, warnings=warned)


ALONE = Measurements(
    context=replace(CONTEXT, tasks=("digits",)),
    standalone=tuple(
        replace(one, warnings=(CellWarning(kind=EDGE, detail="alpha 0.1"),))
        for one in MEASUREMENTS.standalone
        if one.task == "digits"
    ),
    merged=(only_digits(UNPROTECTED), only_digits(merged("trap2", "digits", (20, 40, 15)))),
)


def test_how_many() -> None:
    assert [how_many(count, "row") for count in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert how_many(1, "class", "classes") == "1 class"
    assert how_many(3, "class", "classes") == "3 classes"


def test_a_page_of_one_row_and_one_record() -> None:
    cell = Number(value=1.0, text="1.0", origin=Origin(title="o", command="c"))
    columns = (PageColumn(name="a"), PageColumn(name="b"))
    table = PageTable(caption="t", columns=columns, rows=(("x", cell),), folded=True)
    text = page_text(Page(title="p", sections=(Section(title="s", tables=(table,)),)))
    assert "<small>1 row</small>" in text
    assert "1 record and command</summary>" in text
    more = replace(table, rows=(("x", cell), ("y", replace(cell, origin=Origin(title="q")))))
    text = page_text(Page(title="p", sections=(Section(title="s", tables=(more,)),)))
    assert "<small>2 rows</small>" in text
    assert "2 records and commands</summary>" in text


def test_tables_of_one_task_and_one_attack(tmp_path: Path) -> None:
    write_table1(ALONE, tmp_path)
    write_table2(ALONE, tmp_path)
    write_mergers(ALONE, tmp_path, "mergers")
    said = []
    for file in sorted(tmp_path.glob("*.md")):
        text = " ".join(file.read_text().split())
        assert ONE_OF_MANY.findall(text) == [], file.name
        said.append(text)
    whole = "\n".join(said)
    for text in (
        "was chosen in 0 of 1 unprotected merge.",
        "was chosen in 1 of 1 merge with a Trap² target.",
        "1 of 1 unprotected merge, 1 of 1 merge with a Trap² target.",
        "1 of 1 Trap² measurement",
        "is below unprotected in 0 of 1 column.",
        "over the 1 task after merging",
        "averaged over 1 choice of it",
    ):
        assert text in whole, text
