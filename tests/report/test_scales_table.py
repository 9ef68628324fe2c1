"""Scales of merged updates as a table: what merges keep, and updates alone at the same scale."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from report_data import MEASUREMENTS, TASKS, standalone

from mergebench.measure import Measurements, ScaleCurve
from mergebench.report import print_scales, write_scales
from mergebench.report.held_scales import held_scales
from mergebench.report.held_scales_drawing import draw_scales
from mergebench.terminal import make_console

SCALES = {"digits": 0.5, "flags": 0.25, "kana": 1.5}
LEADING = {f"{task} leading": scale / 2 for task, scale in SCALES.items()}


def curve(release: str, task: str, *correct: int) -> ScaleCurve:
    return ScaleCurve(
        seed=0, release=release, task=task, scales=(0, 1, 2), correct=correct, size=10
    )


CURVES = tuple(
    one for task in TASKS for one in (curve("none", task, 4, 9, 9), curve("trap2", task, 4, 8, 0))
)
HELD = replace(
    MEASUREMENTS,
    merged=tuple(replace(one, held={**SCALES, **LEADING}) for one in MEASUREMENTS.merged),
    curves=CURVES,
)


def written(measurements: Measurements, folder: Path) -> tuple[pd.DataFrame, str]:
    files = write_scales(measurements, folder, "scales")
    assert [file.suffix for file in files] == [".md", ".csv", ".png", ".svg"]
    found = pd.read_csv(folder / "scales.csv").set_index(["protection", "target"])
    return found, (folder / "scales.md").read_text()


def test_every_target_has_its_scale_and_what_is_kept(tmp_path: Path) -> None:
    """Of digits 40 % are zero-shot, 90 % fine-tuned; 10 % are left of the trapped update, 50 else.

    Its curve has 40, 80 and 0 % at 0, 1 and 2, the plain one 90 % at 1: 60 at 0.5 is 40 % of that.
    """
    found, _ = written(HELD, tmp_path)
    assert len(found) == 6
    trapped, plain = found.loc["trap2", "digits"], found.loc["unprotected", "digits"]
    assert (trapped["scale"], trapped["scale_leading"], trapped["accuracy"]) == (0.5, 0.25, 10)
    assert (trapped["kept"], plain["kept"]) == (-60, 20)
    assert (trapped["kept_alone"], plain["kept_alone"]) == (40, 50)
    assert found.loc[("trap2", "kana"), "kept_alone"] == 0  # 40 % between 80 and 0


def test_tables_have_the_means_over_targets(tmp_path: Path) -> None:
    found, text = written(HELD, tmp_path)
    for label in ("unprotected", "Trap²"):  # 0.5, 0.25 and 1.5; half of each
        assert f"| {label} | 0.75 |" in text
        assert f"| {label}, leading directions | 0.38 |" in text
    means = found.groupby("protection")[["kept", "kept_alone"]].mean()
    for name, label in (("trap2", "Trap²"), ("unprotected", "unprotected")):
        assert f"| {label} | {means.loc[name, 'kept']:.0f} |" in text
        alone = f"{means.loc[name, 'kept_alone']:.0f}"
        assert f"| {label}, the update alone at that scale | {alone} |" in text


def test_the_legend_names_what_only_a_later_panel_has() -> None:
    held = held_scales(HELD)
    first, second = held.table.protections
    curves = {first: (), second: held.curves[second]}
    drawn = draw_scales(replace(held, curves=curves), footer="")
    (legend,) = drawn.legends
    assert "the update alone, mean" in {text.get_text() for text in legend.get_texts()}


def test_leading_directions_that_end_between_equal_values_are_doubtful(tmp_path: Path) -> None:
    """Those of kana under the trap; gaps of others are there, or were not noted yet."""
    gaps = {"digits gap": 0.1, "kana gap": 1e-9}
    doubtful = replace(
        HELD,
        merged=tuple(
            replace(one, held={**one.held, **gaps}) if one.target == "kana" else one
            for one in HELD.merged
        ),
    )
    _, text = written(doubtful, tmp_path)
    assert "| Trap², leading directions | 0.38<sup>d</sup> |" in text
    assert "| Trap² | 0.75 |" in text
    assert "| unprotected, leading directions | 0.38 |" in text
    said = "d: bases of the updates are nearly dependent, or cut between equal values: 1 of 6 "
    assert said in text
    assert said not in written(HELD, tmp_path)[1]
    console = make_console(io.StringIO(), width=400)
    print_scales(doubtful, console)
    assert "0.38 d" in console.file.getvalue()
    assert said in console.file.getvalue()


def test_what_cannot_be_said_is_left_out(tmp_path: Path) -> None:
    """Flags gain nothing by fine-tuning; kana is held beyond its curve, and digits have none."""
    same = [one for one in HELD.standalone if (one.release, one.task) != ("none", "flags")]
    lacking = replace(
        HELD,
        standalone=(*same, *standalone("none", {"flags": 30})),
        merged=tuple(replace(one, held={**SCALES, **LEADING, "kana": 2.5}) for one in HELD.merged),
        curves=tuple(one for one in CURVES if one.task != "digits"),
    )
    found, text = written(lacking, tmp_path)
    trapped = found.loc["trap2"]
    assert pd.isna(trapped.loc["flags", "kept"])
    assert trapped.loc["flags", "kept_alone"] == pytest.approx(20)
    assert pd.isna(trapped.loc[["digits", "kana"], "kept_alone"]).all()
    assert "| Trap² | – |" in text
    assert "| Trap², the update alone at that scale | – |" in text


def test_merges_without_scales_are_no_table_of_scales(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ta@full has no scale for digits"):
        write_scales(MEASUREMENTS, tmp_path, "scales")


def test_the_terminal_shows_a_row_per_attack() -> None:
    console = make_console(io.StringIO(), width=100)
    print_scales(HELD, console)
    assert isinstance(console.file, io.StringIO)
    (row,) = [line for line in console.file.getvalue().splitlines() if "│ TA" in line]
    assert row.count("0.75") == 2
