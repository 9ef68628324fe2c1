"""What cells are made of: values of JSON, and packed bits."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mergebench.measure.cell import packed, sha256_of, unpacked


@pytest.mark.parametrize("value", [math.nan, math.inf, Path("x"), {1: 2}, {"a": {1, 2}}])
def test_what_json_cannot_hold_is_part_of_no_cell(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        sha256_of({"value": value})


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 1000])
def test_hits_survive_packing(size: int) -> None:
    hits = [index % 3 == 0 for index in range(size)]
    assert unpacked(packed(hits), size).tolist() == hits


def test_bits_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="16 bits do not pack 17 values"):
        unpacked(packed([True] * 9), 17)
