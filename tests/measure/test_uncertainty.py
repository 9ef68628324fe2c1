"""Intervals, paired tests and warnings, against their formulas and on planted defects."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_data import MEASUREMENTS, TARGETED, TASKS, UNPROTECTED, cells
from repository import ROOT
from synthetic import SITE, attack, dense, problem

from mergebench.measure import resampling, uncertainty
from mergebench.measure.cell import packed
from mergebench.measure.cell_warnings import (
    COLLAPSED,
    DEGENERATE,
    EDGE,
    GAP,
    NORM,
    UNFAITHFUL,
    UTILITY_LOSS,
    CellWarning,
    collapsed_predictions,
    degenerate_bases,
    edge_of_grid,
    norm_out_of_range,
    not_reproduced,
    validation_test_gap,
)
from mergebench.measure.measurements import Measurements, Merged, Standalone
from mergebench.measure.protocols import PAPER
from mergebench.measure.uncertainty import (
    Interval,
    bootstrap,
    paired_test,
    unpaired_interval,
    wilson,
)
from mergebench.report.comparison import Comparison
from mergebench.report.table1 import table1


@pytest.mark.parametrize(("correct", "size"), [(0, 10), (3, 10), (500, 1000), (1000, 1000)])
def test_wilson_interval_solves_the_score_equation(correct: int, size: int) -> None:
    share, z = correct / size, 1.959963984540054
    centre = (share + z * z / (2 * size)) / (1 + z * z / size)
    half = z * math.sqrt(share * (1 - share) / size + z * z / (4 * size**2)) / (1 + z * z / size)
    found = wilson(correct, size)
    assert (found.low, found.high) == pytest.approx(
        (100 * max(0, centre - half), 100 * min(1, centre + half)), abs=1e-9
    )


def test_an_unpaired_interval_is_newcombes() -> None:
    """Of his 1998 paper, table II, 10: 56 of 70 less 48 of 80 has 0.0524 to 0.3339."""
    for size in (70, 80):
        one, other = wilson(56 * size // 70, size), wilson(48 * size // 80, size)
        found = unpaired_interval(80.0, 60.0, size)
        assert found.low == pytest.approx(20 - math.hypot(80 - one.low, other.high - 60))
        assert found.high == pytest.approx(20 + math.hypot(one.high - 80, 60 - other.low))
    wide, narrow = unpaired_interval(80.0, 60.0, 70), unpaired_interval(80.0, 60.0, 80)
    assert wide.low < 5.24 < narrow.low
    assert narrow.high < 33.39 < wide.high


def test_the_docs_state_how_often_is_drawn_again() -> None:
    text = (ROOT / "docs" / "reading_tables.md").read_text()
    for count in (uncertainty.RESAMPLES, resampling.RESAMPLES):
        assert f"{count:,} times" in text


@pytest.mark.parametrize(("first", "second"), [(100.0, 0.0), (0.0, 0.0), (50.5, 49.3)])
def test_an_unpaired_interval_stays_within_what_can_be(first: float, second: float) -> None:
    found, swapped = unpaired_interval(first, second, 20), unpaired_interval(second, first, 20)
    assert -100 <= found.low <= first - second <= found.high <= 100
    assert (swapped.low, swapped.high) == pytest.approx((-found.high, -found.low))


@pytest.mark.parametrize(("one", "other"), [(0, 0), (5, 0), (12, 3), (40, 41)])
def test_paired_test_is_an_exact_binomial_one(one: int, other: int) -> None:
    first = np.array([True] * (one + 7) + [False] * other)
    second = np.array([False] * one + [True] * (7 + other))
    found = paired_test(first, second)
    n, fewer = one + other, min(one, other)
    tail = sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n
    assert (found.only_first, found.only_second) == (one, other)
    assert found.p_value == pytest.approx(min(1.0, 2 * tail))


def test_paired_test_refuses_other_inputs() -> None:
    with pytest.raises(ValueError, match="3 inputs against 2"):
        paired_test(np.ones(3, bool), np.ones(2, bool))


def test_bootstrap_interval_is_that_of_all_resamples() -> None:
    values = (1.0, 2.0, 4.0, 9.0)
    means = sorted(np.mean(draw) for draw in itertools.product(values, repeat=4))
    low, high = np.percentile(means, [2.5, 97.5])
    found = bootstrap(values)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.51)
    assert found == bootstrap(values), "the same values give the same interval"
    assert bootstrap(values[:1]) is None


def hits(correct: dict[str, int], sizes: dict[str, int], first: bool = True) -> dict[str, str]:
    """The first (or the last) images are the correct ones."""
    order = {task: [place < correct[task] for place in range(size)] for task, size in sizes.items()}
    return {task: packed(own if first else own[::-1]) for task, own in order.items()}


def with_hits(merge: Merged, **changes: object) -> Merged:
    changed = replace(merge, **changes)  # type: ignore[arg-type]
    return replace(changed, hits=hits(dict(changed.correct), dict(changed.sizes)))


def test_differences_that_chance_explains_are_marked(tmp_path: Path) -> None:
    plain = with_hits(UNPROTECTED)
    same = tuple(with_hits(one, correct=dict(UNPROTECTED.correct)) for one in TARGETED)
    lower = tuple(with_hits(one, attack="tsv") for one in TARGETED)
    merged = (plain, replace(plain, attack="tsv"), *same, *lower)
    table = cells(tmp_path, replace(MEASUREMENTS, merged=merged))
    assert table.loc[("trap2", "ta", "full"), "significant"] == "no"
    assert table.loc[("trap2", "tsv", "full"), "significant"] == "yes"
    assert table.loc[("trap2", "tsv", "full"), "difference"] == -32
    markdown = (tmp_path / "table2.md").read_text()
    assert "| Trap² | 40.0<sup>ns</sup> | 8.0 |" in markdown
    assert "- ns: not significantly different" in markdown
    assert r"40.0\textsuperscript{\tiny ns}" in (tmp_path / "table2.tex").read_text()


def test_paired_images_of_every_merge_are_in_the_second_csv(tmp_path: Path) -> None:
    plain = with_hits(UNPROTECTED)
    guarded = with_hits(TARGETED[0])
    guarded = replace(guarded, hits=hits(dict(guarded.correct), dict(guarded.sizes), first=False))
    cells(tmp_path, replace(MEASUREMENTS, merged=(plain, guarded)))
    header, *rows = (tmp_path / "table2_targets.csv").read_text().splitlines()
    row = dict(zip(header.split(","), rows[-1].split(","), strict=True))
    assert row["target"] == TASKS[0]
    assert (row["only_unprotected"], row["only_protected"]) == ("100", "20")


def test_warnings_stand_beside_the_number_and_are_counted(tmp_path: Path) -> None:
    edge = CellWarning(kind=EDGE, detail="alpha 0.1 is the smallest of the grid")
    merged = (UNPROTECTED, replace(TARGETED[0], warnings=(edge,)), *TARGETED[1:])
    table = cells(tmp_path, Measurements(context=MEASUREMENTS.context, merged=merged))
    assert table.loc[("trap2", "ta", "full"), "warnings"] == EDGE
    markdown = (tmp_path / "table2.md").read_text()
    assert "| Trap² | 8.0<sup>e</sup> |" in markdown
    assert "- e: the best α is the smallest or largest of its grid: 1 of 3 merges" in markdown


def test_attack_weaker_than_task_arithmetic_is_marked(tmp_path: Path) -> None:
    weak = replace(UNPROTECTED, attack="ties", correct=dict.fromkeys(TASKS, 1))
    merged = (UNPROTECTED, weak, replace(UNPROTECTED, attack="tsv"))
    cells(tmp_path, Measurements(context=MEASUREMENTS.context, merged=merged))
    assert "| unprotected | 40.0 | 1.2<sup>w</sup> | 40.0 |" in (tmp_path / "table2.md").read_text()


def kinds(warnings: object) -> list[str]:
    return [warning.kind for warning in warnings]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("alpha", "warned"), [(0.1, True), (9.9, True), (0.3, False)])
def test_edge_of_the_grid(alpha: float, warned: bool) -> None:
    assert kinds(edge_of_grid(alpha, (0.1, 0.3, 9.9))) == [EDGE] * warned


def test_nothing_lies_beyond_the_unmerged_model() -> None:
    assert kinds(edge_of_grid(0.0, (0.0, 0.3, 4.0))) == []


@pytest.mark.parametrize(
    ("most", "most_true", "warned"),
    [(50, 10, False), (51, 10, True), (75, 50, False), (76, 50, True), (60, 90, False)],
)
def test_collapsed_predictions(most: int, most_true: int, warned: bool) -> None:
    """Of two classes of 50 inputs one is given for more than half unless they are given evenly."""
    sizes = {"a": 100, "b": 100}
    found = list(collapsed_predictions({"a": most, "b": 20}, {"a": most_true, "b": 5}, sizes))
    assert kinds(found) == [COLLAPSED] * warned
    assert not warned or f"a {most} %" in found[0].detail


@pytest.mark.parametrize(("seen", "warned"), [(50, False), (60, False), (70, True), (30, True)])
def test_gap_between_validation_and_test(seen: int, warned: bool) -> None:
    """One task of 100 and 10,000 images: the standard error is about five points."""
    found = validation_test_gap({"a": seen}, {"a": 100}, {"a": 5000}, {"a": 10_000})
    assert kinds(found) == [GAP] * warned


@pytest.mark.parametrize(
    ("ratio", "alpha", "warned"), [(1, 0.3, False), (0.001, 0.3, True), (7, 1, True), (0, 0, False)]
)
def test_norm_out_of_range(ratio: float, alpha: float, warned: bool) -> None:
    assert kinds(norm_out_of_range(ratio, alpha)) == [NORM] * warned


@pytest.mark.parametrize(("name", "scale", "warned"), [("ta", 1.0, False), ("cart", 1 / 8, True)])
def test_the_smallest_alpha_of_the_paper_grid_all_but_unmerges_with_cart(
    name: str, scale: float, warned: bool
) -> None:
    """Of eight nearly orthogonal updates CART leaves about an eighth of what TA's sum does."""
    updates = dense((64, 64), 8)
    size = math.sqrt(sum(float(one.delta.square().sum()) for one in updates))
    merged = problem(updates).merge(attack(name)).sites[SITE].dense()
    ratio = min(PAPER.alphas) * float(merged.norm()) / size
    assert ratio == pytest.approx(0.1 * scale, rel=0.2)
    assert kinds(norm_out_of_range(ratio, min(PAPER.alphas))) == [NORM] * warned


def test_degenerate_bases_are_judged_by_the_attacks_limit() -> None:
    limits = {"smallest singular value": 1e-3}
    assert kinds(degenerate_bases({"smallest singular value": 1e-4}, limits)) == [DEGENERATE]
    assert kinds(degenerate_bases({"smallest singular value": 1e-2}, limits)) == []
    assert kinds(degenerate_bases({}, limits)) == []


@pytest.mark.parametrize(("found", "warned"), [(96, False), (90, True), (110, True)])
def test_update_that_is_not_what_training_saw(found: int, warned: bool) -> None:
    assert kinds(not_reproduced(found, 100, 320)) == [UNFAITHFUL] * warned


@pytest.mark.parametrize(("guarded", "flagged"), [(33, False), (28, False), (20, True)])
def test_a_loss_of_utility_is_beyond_chance_also_where_only_counts_are_known(
    guarded: int, flagged: bool
) -> None:
    """Of 50 inputs the unprotected update has 35 right."""
    rows = tuple(
        Standalone(seed=0, release=release, task="kana", correct=correct, size=50)
        for release, correct in (("none", 35), ("trap2", guarded))
    )
    (_, row) = table1(replace(MEASUREMENTS, standalone=rows)).rows
    assert row.warnings["kana"] == ({UTILITY_LOSS: 1} if flagged else {})


def test_nothing_to_tell_by_is_not_significant() -> None:
    """A single target, of which it is not known which inputs are right."""
    over = Interval(low=-9.0, high=-1.0)
    by = {(None, None): False, (None, 0.01): True, (over, None): True, (over, 0.2): False}
    for (interval, p_value), expected in by.items():
        found = Comparison(difference=-5.0, interval=interval, p_value=p_value)
        assert found.significant == expected
