"""What tables say of known counts: means, spreads, targets, protocols."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from report_data import (
    CONTEXT,
    MEASUREMENTS,
    SIZES,
    TARGETED,
    TASKS,
    UNPROTECTED,
    ZERO_SHOT,
    cells,
    merged,
    printed,
    standalone,
)
from repository import ROOT

from mergebench.measure import get_protocol
from mergebench.measure.measurements import Measurements
from mergebench.report import (
    write_table1,
    write_table2,
)
from mergebench.report.spread import half_width_95, spread

PAPER_TABLES = ROOT / "results" / "paper"


def test_table1_shows_exact_percentages(tmp_path: Path) -> None:
    write_table1(MEASUREMENTS, tmp_path)
    lines = (tmp_path / "table1.csv").read_text().splitlines()
    shown = [line.split(",")[2:7] for line in lines[1:]]
    assert shown == [
        ["zero_shot", "40.00", "30.00", "20.00", "30.00"],
        ["fine_tuned", "90.00", "80.00", "70.00", "80.00"],
        ["trap2", "89.00", "79.00", "68.00", "78.67"],
    ]
    markdown = (tmp_path / "table1.md").read_text()
    assert "| Trap² | 89.0 | 79.0 | 68.0 | 78.7 |" in markdown
    assert "Trap² minus fine-tuned, on average: -1.3 points." in markdown


@pytest.mark.parametrize(("table", "shared"), [("table1", 3), ("table2", 7)])
def test_csv_starts_with_the_columns_of_the_paper(tmp_path: Path, table: str, shared: int) -> None:
    write_table1(MEASUREMENTS, tmp_path)
    write_table2(MEASUREMENTS, tmp_path)
    published = (PAPER_TABLES / f"{table}.csv").read_text().splitlines()[0].split(",")
    ours = (tmp_path / f"{table}.csv").read_text().splitlines()[0].split(",")
    expected = published if table == "table2" else [*published[:shared], *TASKS, "average"]
    assert ours[: len(expected)] == expected


def test_accuracy_is_the_targets_and_not_the_mean_of_all_tasks(tmp_path: Path) -> None:
    trap = cells(tmp_path, MEASUREMENTS).loc[("trap2", "ta", "full")]
    assert trap.accuracy == 8.0  # (10 + 8 + 6) / 3
    assert trap.others_accuracy == 40.0  # (35 + 40 + 45) / 3
    assert trap.all_accuracy == pytest.approx(29.33)  # (80/3 + 88/3 + 96/3) / 3
    assert (trap.correct, trap.total) == (20 + 8 + 3, 350)
    assert (trap.alpha_mean, trap.targets, trap.zero_shot) == (0.1, 3, 30.0)


def test_readings_coincide_without_protection(tmp_path: Path) -> None:
    plain = cells(tmp_path, MEASUREMENTS).loc[("unprotected", "ta", "full")]
    assert (plain.accuracy, plain.others_accuracy, plain.all_accuracy) == (40.0, 40.0, 40.0)
    assert (plain.correct, plain.total) == (155, 350)


def test_rows_are_averaged_over_the_targets_that_were_measured(tmp_path: Path) -> None:
    partial = replace(MEASUREMENTS, merged=(UNPROTECTED, *TARGETED[:2]))
    table = cells(tmp_path, partial)
    assert table.loc[("trap2", "ta", "full")].accuracy == 9.0
    assert table.loc[("unprotected", "ta", "full")].accuracy == 45.0  # digits 50, flags 40
    assert table.loc[("unprotected", "ta", "full")].zero_shot == 35.0
    assert (
        "Only these of the 3 merged tasks are targets here: digits, flags."
        in (tmp_path / "table2.md").read_text()
    )


def test_tables_show_the_measured_tasks_and_columns_only(tmp_path: Path) -> None:
    context = replace(CONTEXT, tasks=("mnist", *TASKS, "letters"))
    write_table1(replace(MEASUREMENTS, context=context), tmp_path)
    assert list(pd.read_csv(tmp_path / "table1.csv").columns[3:7]) == [*TASKS, "average"]
    columns = [("cart", "core"), ("tsv", "knots"), ("other", "full"), ("tsv", "full")]
    merges = [replace(UNPROTECTED, attack=attack, space=space) for attack, space in columns]
    table = cells(tmp_path, replace(MEASUREMENTS, merged=tuple(merges)))
    shown = [(attack, space) for _, attack, space in table.index]
    assert shown == [("tsv", "full"), ("tsv", "knots"), ("cart", "core"), ("other", "full")]


def test_cell_without_all_targets_is_a_dash(tmp_path: Path) -> None:
    lonely = merged("trap2", "kana", (100, 40, 3), attack="tsv")
    table = cells(tmp_path, replace(MEASUREMENTS, merged=(*MEASUREMENTS.merged, lonely)))
    assert ("trap2", "tsv", "full") not in table.index
    markdown = (tmp_path / "table2.md").read_text()
    assert "| Trap² | 8.0 | – |" in markdown
    assert "– marks cells that were not measured for all targets." in markdown


def test_several_seeds_give_mean_and_sample_standard_deviation(tmp_path: Path) -> None:
    again = tuple(replace(merge, seed=1) for merge in TARGETED)
    better = replace(UNPROTECTED, seed=1, correct={"digits": 120, "flags": 46, "kana": 18})
    measured = replace(
        MEASUREMENTS,
        context=replace(CONTEXT, seeds=(0, 1)),
        standalone=(*MEASUREMENTS.standalone, *standalone("zero_shot", ZERO_SHOT, seed=1)),
        merged=(*MEASUREMENTS.merged, *again, better),
    )
    plain = cells(tmp_path, measured).loc[("unprotected", "ta", "full")]
    assert plain.accuracy == pytest.approx(43.67)  # 40 and 47.33
    assert plain.accuracy_std == pytest.approx(5.19)
    assert plain.seeds == "0 1"
    assert "| unprotected | 43.7 ± 5.2 |" in (tmp_path / "table2.md").read_text()
    assert r"$\pm$5.2" in (tmp_path / "table2.tex").read_text()
    assert "43.7 ± 5.2" in printed(measured)


def test_a_difference_is_of_the_seeds_that_both_cells_are_of(tmp_path: Path) -> None:
    """A seed of which one target was not measured counts in no cell."""
    one_target = replace(TARGETED[0], seed=1)
    plain = replace(UNPROTECTED, seed=1, correct={"digits": 120, "flags": 46, "kana": 18})
    measured = replace(
        MEASUREMENTS,
        context=replace(CONTEXT, seeds=(0, 1)),
        merged=(*MEASUREMENTS.merged, one_target, plain),
    )
    place = ("trap2", "ta", "full")
    row = cells(tmp_path, measured).loc[place]
    assert row.seeds == "0"
    assert row.difference == cells(tmp_path, MEASUREMENTS).loc[place].difference


def test_zero_shot_has_no_spread(tmp_path: Path) -> None:
    seeds = [row for seed in (0, 1) for row in standalone("zero_shot", ZERO_SHOT, seed=seed)]
    write_table1(Measurements(context=CONTEXT, standalone=tuple(seeds)), tmp_path)
    assert "| zero-shot | 40.0 | 30.0 | 20.0 | 30.0 |" in (tmp_path / "table1.md").read_text()


def test_every_merge_is_in_the_second_csv(tmp_path: Path) -> None:
    merge = replace(
        TARGETED[0], attack="dare_ties", options={"top_k": 20, "drop": 0.5, "of": [1, 0.3]}
    )
    write_table2(replace(MEASUREMENTS, merged=(merge, UNPROTECTED)), tmp_path)
    table = pd.read_csv(tmp_path / "table2_targets.csv")
    row = table[table.protection == "trap2"].iloc[0]
    assert (row.target, row.alpha, row.options, row.points) == (
        "digits",
        0.1,
        "drop=0.5 of=1,0.3 top_k=20",
        99,
    )
    assert (row.accuracy, row.correct, row.total, row.kana_correct) == (10.0, 20, 200, 15)


def test_protocols_say_what_the_numbers_claim(tmp_path: Path) -> None:
    write_table2(MEASUREMENTS, tmp_path)
    paper = (tmp_path / "table2.md").read_text()
    assert "α is at least 0.1 and cannot be 0" in paper
    assert (
        "The smallest α of the grid, 0.1, was chosen in 3 of 3 merges with a Trap² target" in paper
    )
    clean = replace(MEASUREMENTS, context=replace(CONTEXT, protocol="clean"))
    write_table2(clean, tmp_path, stem="table2_clean")
    assert "merging gains nothing over zero-shot" in (tmp_path / "table2_clean.md").read_text()


@pytest.mark.parametrize("protocol", ["paper", "clean"])
def test_what_a_protocol_means_is_not_said_of_attacks_with_their_own_coefficients(
    tmp_path: Path, protocol: str
) -> None:
    known = get_protocol(protocol).alphas
    held = [
        replace(merge, attack="hold:ta", alpha=known[0], alphas=(0.0, 0.1, 1.0))
        for merge in TARGETED
    ]
    plain = [replace(merge, alphas=known) for merge in TARGETED]
    context = replace(CONTEXT, protocol=protocol)
    both = replace(MEASUREMENTS, context=context, merged=(*held, *plain))
    write_table2(both, tmp_path)
    text = (tmp_path / "table2.md").read_text()
    assert "the merging coefficient α of attacks without coefficients of their own" in text
    assert "of attacks without coefficients of their own" in (tmp_path / "table2.tex").read_text()
    assert f"The smallest α of the grid, {known[0]:g}, was chosen in" in text
    assert "of 3 merges with a Trap² target" in text, "held ones are not counted"

    write_table2(replace(both, merged=tuple(held)), tmp_path, stem="held")
    alone = (tmp_path / "held.md").read_text()
    assert "the merging coefficient α" not in alone.replace("## The chosen merging coefficient", "")
    assert "The smallest α" not in alone


def test_alpha_may_not_be_0_is_not_said_of_coefficients_per_update(tmp_path: Path) -> None:
    """They may be, though alpha is always 1."""
    own = {"coefficients": [0.0, 0.3], "moving": 1, "value": 0.3}
    name = "per_task_coefficients:ta"
    each = [replace(one, attack=name, alpha=1.0, alphas=(1.0,), options=own) for one in TARGETED]
    write_table2(replace(MEASUREMENTS, merged=(*MEASUREMENTS.merged, *each)), tmp_path)
    text = (tmp_path / "table2.md").read_text()
    assert "α of attacks without coefficients of their own is at least 0.1 and cannot be 0" in text
    write_table2(replace(MEASUREMENTS, merged=tuple(each)), tmp_path, stem="alone")
    assert "cannot be 0" not in (tmp_path / "alone.md").read_text()


def test_a_single_coefficient_within_the_range_changes_no_sentence(tmp_path: Path) -> None:
    """Nor is it counted among those that might have been the smallest, however many points."""
    fixed = [replace(merge, attack="regmean", alpha=1.0, alphas=(1.0,)) for merge in TARGETED]
    write_table2(replace(MEASUREMENTS, merged=(*MEASUREMENTS.merged, *fixed)), tmp_path)
    text = (tmp_path / "table2.md").read_text()
    assert "coefficient α is at least 0.1 and cannot be 0" in text
    assert "0.1, was chosen in 3 of 3 merges with a Trap² target" in text


def test_a_merge_measured_twice_is_refused(tmp_path: Path) -> None:
    twice = replace(MEASUREMENTS, merged=(*MEASUREMENTS.merged, TARGETED[0]))
    with pytest.raises(ValueError, match="two measurements of ta@full, trap2, target digits"):
        write_table2(twice, tmp_path)


def test_interval_from_the_test_sets() -> None:
    assert half_width_95([(50.0, 100)]) == pytest.approx(9.8)
    assert half_width_95([(50.0, 100)] * 4) == pytest.approx(4.9)


def test_spread_of_nothing_is_none() -> None:
    assert spread({}) is None


@pytest.mark.parametrize(
    ("correct", "verdict"), [((60, 22, 7), "it does here"), ((100, 40, 14), "it does not here")]
)
def test_a_protection_is_held_against_the_same_attack_on_w0(
    tmp_path: Path, correct: tuple[int, int, int], verdict: str
) -> None:
    """From W0 the targets reach 40, 30 and 20 %."""
    rows = [
        merged(start, target, (80, 30, 10), attack="finetune", alpha=1.0, points=1)
        for start in ("from_base", "none")
        for target in TASKS
    ]
    rows += [
        merged("trap2", target, correct, attack="finetune", alpha=1.0, points=1) for target in TASKS
    ]
    write_table2(Measurements(context=CONTEXT, merged=tuple(rows)), tmp_path, number=5)
    text = (tmp_path / "table2.md").read_text()
    mean = sum(100 * n / SIZES[task] for n, task in zip(correct, TASKS, strict=True)) / 3
    assert f"Trap² {mean:.1f}, from W0 30.0 ({mean - 30:+.1f}, 95 % over targets" in text
    assert f": {verdict}." in text
    assert "from_base" in (tmp_path / "table2.csv").read_text()
