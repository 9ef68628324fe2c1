"""Hours of tables from speeds, against the same sums by hand."""

from __future__ import annotations

import pytest
from gpu_record import record

from mergebench.experiment import sizes_of
from mergebench.gpu_check.prediction import Prediction, predictions, structural_points
from mergebench.gpu_check.record import EvaluationSpeed, MergeTime, TrainingSpeed
from mergebench.measure import PROTOCOLS

TESTED, SEARCHED = 59_576, 25_553  # images of the paper's suite (docs/performance.md)


def by_work(*without: type) -> dict[str, Prediction]:
    return {one.work: one for one in predictions(record(*without))}


def test_the_sizes_are_those_of_the_papers_suite() -> None:
    sizes = sizes_of("vision8").values()
    assert sum(size["test"] for size in sizes) == TESTED
    assert sum(size["val"] for size in sizes) == SEARCHED


def test_table_2_is_merges_times_images() -> None:
    merges = 13 * 9
    found = by_work()
    paper = merges * (21.9 * SEARCHED + TESTED) / 1000 / 3600
    raced = merges * (0.36 * 94.5 * SEARCHED + TESTED) / 1000 / 3600
    assert found["evaluation, protocol paper"].most == pytest.approx(paper)
    assert found["evaluation, protocol clean"].most == pytest.approx(raced)


def test_merging_is_first_merges_and_structural_points() -> None:
    """Of 13 columns 6 have a grid of TIES, 3 of them of DARE too, and 3 CART's."""
    found = by_work()
    points = 3 * 10 + 3 * (11 + 10) + 3 * 4
    hours = 9 * (13 * 4.0 + points * 1.0) / 3600
    work = "merging on one thread of the CPU, protocol paper"
    assert found[work].least == pytest.approx(hours)
    assert not any("merging on the GPU" in one for one in found)


def test_points_of_a_joint_search_are_products() -> None:
    clean, paper = PROTOCOLS["clean"], PROTOCOLS["paper"]
    assert structural_points(clean, "dare_ties@core") == 3 * 4
    assert structural_points(paper, "dare_ties@core") == 11 + 10
    assert structural_points(clean, "tsv@full") == 0


def test_training_costs_what_its_steps_cost() -> None:
    """Twelve thousand steps at least and a hundred thousand at most, eight updates of each kind."""
    table1 = by_work()["training in bf16"]
    steps = 8 * (0.1 + 0.25)
    assert table1.least > steps * 12_000 / 3600
    assert table1.least == pytest.approx(steps * 12_000 / 3600, rel=0.05)
    assert table1.most == pytest.approx(steps * 100_000 / 3600, rel=0.05)
    assert table1.table == 1


def test_nothing_is_predicted_from_what_is_not_there() -> None:
    assert predictions(record(EvaluationSpeed)) == []
    assert not any("training" in work for work in by_work(TrainingSpeed))
    assert not any("merging" in work for work in by_work(MergeTime))
