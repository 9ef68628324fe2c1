"""Tables as text: captions, equal bytes, Markdown, LaTeX, the terminal."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_data import (
    CONTEXT,
    MEASUREMENTS,
    UNPROTECTED,
    printed,
)

from mergebench.errors import InputError
from mergebench.measure import UNFAITHFUL
from mergebench.measure.cell_warnings import EDGE, CellWarning
from mergebench.report import (
    write_table1,
    write_table2,
)
from mergebench.report.grid import Column, Grid, Row, markdown_table
from mergebench.report.latex import escape, latex_table, typewriter

RAISED = re.compile(r"\\textsuperscript\{\\tiny ([a-z,]+)\}")


def test_captions_say_how_the_numbers_came_about(tmp_path: Path) -> None:
    files = write_table1(MEASUREMENTS, tmp_path) + write_table2(MEASUREMENTS, tmp_path)
    for file in (file for file in files if file.suffix in (".md", ".tex")):
        text = file.read_text()
        for fact in ("a1" * 32, "b2" * 32, CONTEXT.command, "bf16", "torch 2.14.1", "2026-03-01"):
            assert fact in text, (file.name, fact)


def test_a_latex_caption_explains_every_mark_and_leaves_the_rest_to_comments(
    tmp_path: Path,
) -> None:
    merged = tuple(
        replace(one, warnings=(CellWarning(kind=EDGE, detail="0.1"),))
        for one in MEASUREMENTS.merged
    )
    write_table2(replace(MEASUREMENTS, merged=merged), tmp_path)
    lines = (tmp_path / "table2.tex").read_text().splitlines()
    caption = next(line for line in lines if line.startswith(r"\caption"))
    marks = {
        mark for line in lines for raised in RAISED.findall(line) for mark in raised.split(",")
    }
    assert "e" in marks
    for mark in marks:
        assert f" {mark}: " in caption, mark
    assert "sha256" not in caption
    assert any(line.startswith("% Suite: ") and "sha256" in line for line in lines)


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


def test_the_terminal_shows_what_makes_a_single_update_doubtful() -> None:
    standalone = tuple(
        replace(one, warnings=(CellWarning(kind=UNFAITHFUL, detail="off"),))
        if (one.release, one.task) == ("trap2", "flags")
        else one
        for one in MEASUREMENTS.standalone
    )
    shown = printed(replace(MEASUREMENTS, standalone=standalone))
    marked = [line for line in shown.splitlines() if "79.0 r" in line]
    assert len(marked) == 1
    assert "flags" in marked[0]
    assert "r: the update at scale 1 does not reproduce" in " ".join(shown.split())


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
