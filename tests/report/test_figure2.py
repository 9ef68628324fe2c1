"""The figure of accuracy against scale, from known counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from report_data import (
    CONTEXT,
    TASKS,
)

from mergebench.measure.measurements import Measurements, ScaleCurve
from mergebench.report import (
    write_figure2,
)


def scale_curves(seed: int = 0) -> tuple[ScaleCurve, ...]:
    scales = (0.0, 0.5, 1.0, 2.0)
    shapes = {"trap2": (30, 5, 90, 5), "none": (30, 60, 88, 70)}
    return tuple(
        ScaleCurve(
            seed=seed, release=release, task=task, scales=scales, correct=correct, size=100 + seed
        )
        for release, correct in shapes.items()
        for task in TASKS
    )


def test_figure_bytes_are_equal_twice(tmp_path: Path) -> None:
    measurements = Measurements(context=CONTEXT, curves=scale_curves())
    first, second = (write_figure2(measurements, tmp_path / name) for name in ("a", "b"))
    assert [file.name for file in first] == ["figure2.png", "figure2.svg", "figure2.csv"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    svg = first[1].read_text()
    assert CONTEXT.command in svg
    assert "dc:date" not in svg


def test_figure_points_are_means_over_tasks_and_seeds(tmp_path: Path) -> None:
    curves = (*scale_curves(), *scale_curves(seed=100))
    files = write_figure2(Measurements(context=CONTEXT, curves=curves), tmp_path)
    points = pd.read_csv(files[-1]).set_index(["row", "task", "scale"])
    assert points.loc[("trap2", "average", 1.0)].accuracy == 67.5  # 90 and 45 %
    assert points.loc[("trap2", "kana", 1.0)].accuracy_std == pytest.approx(31.82)


def test_curves_on_different_scales_are_refused(tmp_path: Path) -> None:
    first, *others = scale_curves()
    odd = replace(first, scales=(0.0, 0.4, 1.0, 2.0))
    with pytest.raises(ValueError, match="one grid of scales, got 2"):
        write_figure2(Measurements(context=CONTEXT, curves=(odd, *others)), tmp_path)
