"""The price of theft as a table and its files."""

from __future__ import annotations

import csv
import math
from dataclasses import replace

import pytest
from price_data import FREE, GAINS, INPUTS, MEASURED, TARGETS, YARDSTICKS

from mergebench.measure import FROM_BASE
from mergebench.report import write_price
from mergebench.report.price import price
from mergebench.report.price_text import cells, headings

TABLE = price(MEASURED, FREE, YARDSTICKS)


def test_curves_are_in_order_and_have_their_gains() -> None:
    assert [(one.data, one.protection) for one in TABLE.curves] == [
        *(("unlabelled", "none"), ("unlabelled", "trap2")),
        *(("labelled", FROM_BASE), ("labelled", "none"), ("labelled", "trap2")),
    ]
    for curve in TABLE.curves:
        expected = [gain or 0 for gain in GAINS[curve.data, curve.protection]]
        assert [gain.value for gain in curve.found.gains] == pytest.approx(expected)
    assert (TABLE.inputs, TABLE.targets, TABLE.picks) == (INPUTS, TARGETS, 3)


def test_what_an_update_is_worth_is_chosen_on_validation() -> None:
    worth = [one.found.worth.value for one in TABLE.curves]
    assert worth == pytest.approx([20] * len(TABLE.curves))


def test_prices() -> None:
    prices = [one.found.price for one in TABLE.curves]
    assert [one and one.value for one in prices] == [0, 256, math.inf, 0, 16]


def test_cells_say_where_there_is_no_mixture() -> None:
    assert headings(TABLE)[3:] == ("0", "16", "256")
    trapped = cells(TABLE, TABLE.curves[1])
    assert trapped[:2] == ("Trap²", "unlabelled")
    assert trapped[2].startswith("256 [")
    assert trapped[3] == "–"
    without = cells(TABLE, TABLE.curves[2])
    assert without[0] == "without the update"
    assert without[2].startswith("over 256 [")


def test_files(tmp_path) -> None:
    files = write_price(MEASURED, tmp_path, "price", free=FREE, yardsticks=YARDSTICKS)
    assert [one.name for one in files] == [
        f"price.{kind}" for kind in ("md", "csv", "tex", "png", "svg")
    ]
    with files[1].open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len(TABLE.curves) * len(INPUTS)
    last = rows[-1]
    assert (last["protection"], last["data"], last["inputs"]) == ("trap2", "labelled", "256")
    assert (last["gain_target"], last["price"], last["none"]) == ("24.00", "16", "0")
    assert [one["none"] for one in rows if one["protection"] == "from_base"] == ["3", "0", "0"]
    text = files[0].read_text()
    assert "| without the update | labelled | over 256" in text
    assert "smallest of these numbers" in text
    first = [one.read_bytes() for one in files]
    again = replace(MEASURED, thefts=MEASURED.thefts[::-1], merged=MEASURED.merged[::-1])
    write_price(again, tmp_path, "price", free=FREE, yardsticks=YARDSTICKS)
    assert [one.read_bytes() for one in files] == first


@pytest.mark.parametrize(
    "thefts", [(), MEASURED.thefts[1:], (*MEASURED.thefts, MEASURED.thefts[0])]
)
def test_incomplete_or_doubled_thefts_are_refused(thefts) -> None:
    with pytest.raises(ValueError, match=f"{len(thefts)} thefts are not all"):
        price(replace(MEASURED, thefts=thefts), FREE, YARDSTICKS)
