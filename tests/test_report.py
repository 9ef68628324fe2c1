"""Tables and figures from known counts."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from mergebench.errors import InputError
from mergebench.measurements import Context, Measurements, Merged, ScaleCurve, Standalone
from mergebench.report import (
    print_table1,
    print_table2,
    write_figure2,
    write_table1,
    write_table2,
)
from mergebench.report.grid import Column, Grid, Row, markdown_table
from mergebench.report.latex import escape, latex_table, typewriter
from mergebench.report.spread import half_width_95, spread

TASKS = ("digits", "flags", "kana")
SIZES = {"digits": 200, "flags": 100, "kana": 50}
ZERO_SHOT = {"digits": 80, "flags": 30, "kana": 10}  # 40, 30, 20 %: mean 30
FINE_TUNED = {"digits": 180, "flags": 80, "kana": 35}  # 90, 80, 70 %: mean 80
TRAPPED = {"digits": 178, "flags": 79, "kana": 34}  # 89, 79, 68 %: mean 78.67
PAPER_TABLES = Path(__file__).parents[1] / "results" / "paper"
CONTEXT = Context(
    command="mergebench table2 --tasks digits",
    date="2026-03-01",
    backbone="mini_vit",
    backbone_sha256="a1" * 32,
    suite="mini8",
    suite_sha256="b2" * 32,
    tasks=TASKS,
    protocol="paper",
    seeds=(0,),
    precision="bf16",
    device="cpu",
    versions={"torch": "2.14.1", "mergebench": "0.1.0"},
    revisions=("0123456789ab",),
    notes=("Half of a note & 100 % of it.",),
)


def standalone(release: str, correct: dict[str, int], seed: int = 0) -> list[Standalone]:
    return [
        Standalone(seed=seed, release=release, task=task, correct=correct[task], size=SIZES[task])
        for task in correct
    ]


def merged(
    protection: str, target: str | None, correct: tuple[int, int, int], **changes: object
) -> Merged:
    merge = Merged(
        seed=0,
        protection=protection,
        target=target,
        attack="ta",
        space="full",
        alpha=0.1 if target else 0.3,
        options={},
        points=99,
        correct=dict(zip(TASKS, correct, strict=True)),
        sizes=SIZES,
    )
    return replace(merge, **changes)  # type: ignore[arg-type]


UNPROTECTED = merged("none", None, (100, 40, 15))  # 50, 40, 30 %: mean 40
TARGETED = (
    merged("trap2", "digits", (20, 40, 15)),  # target 10 %, others 40 and 30
    merged("trap2", "flags", (100, 8, 15)),  # target 8 %, others 50 and 30
    merged("trap2", "kana", (100, 40, 3)),  # target 6 %, others 50 and 40
)
MEASUREMENTS = Measurements(
    context=CONTEXT,
    standalone=(
        *standalone("trap2", TRAPPED),
        *standalone("none", FINE_TUNED),
        *standalone("zero_shot", ZERO_SHOT),
    ),
    merged=(*TARGETED, UNPROTECTED),
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


def cells(folder: Path, measurements: Measurements) -> pd.DataFrame:
    write_table2(measurements, folder)
    return pd.read_csv(folder / "table2.csv").set_index(["protection", "attack", "space"])


def printed(measurements: Measurements, *, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_table1(measurements, console)
    print_table2(measurements, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


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


def test_zero_shot_has_no_spread(tmp_path: Path) -> None:
    seeds = [row for seed in (0, 1) for row in standalone("zero_shot", ZERO_SHOT, seed=seed)]
    write_table1(Measurements(context=CONTEXT, standalone=tuple(seeds)), tmp_path)
    assert "| zero-shot | 40.0 | 30.0 | 20.0 | 30.0 |" in (tmp_path / "table1.md").read_text()


def test_every_merge_is_in_the_second_csv(tmp_path: Path) -> None:
    merge = replace(TARGETED[0], attack="dare_ties", options={"top_k": 20, "drop": 0.5})
    write_table2(replace(MEASUREMENTS, merged=(merge, UNPROTECTED)), tmp_path)
    table = pd.read_csv(tmp_path / "table2_targets.csv")
    row = table[table.protection == "trap2"].iloc[0]
    assert (row.target, row.alpha, row.options, row.points) == (
        "digits",
        0.1,
        "drop=0.5 top_k=20",
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


def test_captions_say_how_the_numbers_came_about(tmp_path: Path) -> None:
    files = write_table1(MEASUREMENTS, tmp_path) + write_table2(MEASUREMENTS, tmp_path)
    for file in (file for file in files if file.suffix in (".md", ".tex")):
        text = file.read_text()
        for fact in ("a1" * 32, "b2" * 32, CONTEXT.command, "bf16", "torch 2.14.1", "2026-03-01"):
            assert fact in text, (file.name, fact)


def test_equal_measurements_give_equal_bytes_in_any_order(tmp_path: Path) -> None:
    shuffled = replace(
        MEASUREMENTS,
        context=replace(CONTEXT, versions=dict(reversed(CONTEXT.versions.items()))),
        standalone=MEASUREMENTS.standalone[::-1],
        merged=MEASUREMENTS.merged[::-1],
    )
    for name, measurements in (("a", MEASUREMENTS), ("b", shuffled)):
        write_table1(measurements, tmp_path / name)
        write_table2(measurements, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 8
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    assert printed(MEASUREMENTS) == printed(shuffled)


def test_terminal_tables_fit(tmp_path: Path) -> None:
    lines = printed(MEASUREMENTS, width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert any("TA" in line and "40.0" in line and "-32.0" in line for line in lines)


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


def test_a_merge_measured_twice_is_refused(tmp_path: Path) -> None:
    twice = replace(MEASUREMENTS, merged=(*MEASUREMENTS.merged, TARGETED[0]))
    with pytest.raises(ValueError, match="two measurements of ta@full, trap2, target digits"):
        write_table2(twice, tmp_path)


def test_folder_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_table1(MEASUREMENTS, tmp_path / "file")


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("mini_vit & 100 %", r"mini\_vit \& 100 \%"),
        ("Trap²", r"Trap\textsuperscript{2}"),
        (r"a\b{c}", r"a\textbackslash{}b\{c\}"),
        ("~$#^", r"\textasciitilde{}\$\#\textasciicircum{}"),
        ("α ± 1", r"$\alpha$ $\pm$ 1"),
    ],
)
def test_latex_prints_text_as_it_is(text: str, latex: str) -> None:
    assert escape(text) == latex


def test_commands_keep_two_hyphens() -> None:
    assert typewriter("run --seed 0") == r"\texttt{run -{}-seed 0}"


def test_latex_rows_have_as_many_cells_as_the_header(tmp_path: Path) -> None:
    columns = (("ta", "full"), ("ties", "full"), ("ties", "knots"), ("ties", "core"))
    merges = [replace(UNPROTECTED, attack=attack, space=space) for attack, space in columns]
    write_table2(replace(MEASUREMENTS, merged=tuple(merges)), tmp_path)
    text = (tmp_path / "table2.tex").read_text()
    assert r"\begin{tabular}{lrrrr}" in text
    assert r" & \multicolumn{1}{c}{TA} & \multicolumn{3}{c}{TIES} \\" in text
    assert r"\cmidrule(lr){2-2}\cmidrule(lr){3-5}" in text
    assert " &  & F & K & C \\\\" in text
    assert "\nunprotected & 40.0 & 40.0 & 40.0 & 40.0 \\\\" in text


def test_rows_must_fit_the_columns() -> None:
    with pytest.raises(ValueError, match="row a: 0 values, 1 columns"):
        Grid(columns=(Column(name="b"),), rows=(Row(label="a", values=()),))


def test_missing_cells_and_pipes_in_tables() -> None:
    grid = Grid(columns=(Column(name="a|b"),), rows=(Row(label="x", values=(None,)),))
    assert markdown_table(grid) == "|  | a\\|b |\n| --- | ---: |\n| x | – |\n"
    assert r"x & -- \\" in latex_table(grid, caption="", label="t")


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
