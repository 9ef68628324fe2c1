"""Names from outside in tables and figures: shown as they are, in every format."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from leaderboard_data import LEVELS, MEASURED, YARDSTICKS
from page_data import NAMES
from report_data import CONTEXT, MEASUREMENTS, printed
from repository import ROOT

from mergebench.measure.measurements import Measurements, Merged, ScaleCurve, Standalone
from mergebench.report import write_figure2, write_leaderboard, write_table1, write_table2
from mergebench.report.captions import stated_facts
from mergebench.report.latex import escape, typewriter
from mergebench.report.markdown import (
    code_span,
    markdown_text,
    stated_code,
    stated_text,
)
from mergebench.report.writing import csv_text, stated_csv_text

COMMITTED = sorted(
    file
    for folder in ("mini_vit", "mini_convnext")
    for file in (ROOT / "results" / folder).iterdir()
    if file.suffix in (".md", ".csv")
)
NASTY = "=<script>x</script>[a](http://b.c)|`*_d_\x1b[2J&lt;[bold]$\\x{%$[/]"


# --- one function per format ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>a</script>", r"\<script\>a\</script\>"),
        ("![a](b) | **c** `d`", r"!\[a\](b) \| \*\*c\*\* \`d\`"),
        ("magnitude_mean _a_ __b__", r"magnitude_mean \_a\_ \_\_b\_\_"),
        ("https://a.b www.c.d", r"https\://a.b www\.c.d"),
        ("a & b &amp; &#60;", r"a & b \&amp; \&#60;"),
        ("two\nlines\x1b", r"two lines\\x1b"),
        ("Trap², 3.0 ± 0.1 (95 %), a-b: c#d", "Trap², 3.0 ± 0.1 (95 %), a-b: c#d"),
    ],
)
def test_text_in_markdown(text: str, shown: str) -> None:
    assert markdown_text(text) == shown
    if "\n" not in text:
        assert stated_text(shown) == text


@pytest.mark.parametrize("text", ["a b", "`", "a`b", "`a``b` ", "''`", "<b>"])
def test_code_in_markdown(text: str) -> None:
    shown = code_span(text)
    assert stated_code(shown) == text
    fence = re.match("`+", shown)[0]  # type: ignore[index]
    assert shown.endswith(fence)
    assert fence not in re.findall("`+", shown[len(fence) : -len(fence)])


@pytest.mark.parametrize(
    "value", ["=1+1", "+cmd", "-x", "@sum", "\tx", "'=x", "＝x", "-1+1", "\rx"]
)
def test_formulas_in_csv(value: str) -> None:
    assert csv_text(value) == f"'{value}".replace("\r", r"\r")
    assert stated_csv_text(f"'{value}") == value


@pytest.mark.parametrize("value", ["-32.00", "+1", "-1e-05", "1e+20", "", "ta", "a=1", "'a", 3, -3])
def test_numbers_and_other_text_in_csv(value: object) -> None:
    assert csv_text(value) == value
    assert stated_csv_text(str(value)) == str(value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[a]*", "{[}a]{*}"),
        ("\x1b", r"\textbackslash{}x1b"),
        (r"\input{a}%$#&_~^", r"\textbackslash{}input\{a\}\%\$\#\&\_\textasciitilde{}"),
    ],
)
def test_text_in_latex(text: str, shown: str) -> None:
    assert escape(text).startswith(shown)


# --- whole files ----------------------------------------------------------------------------


@pytest.fixture
def nasty() -> Measurements:
    """The measurements with the name as attack, task and protection, and in the command."""

    def renamed(one: Merged) -> Merged:
        correct = dict(zip((NASTY, "flags", "kana"), one.correct.values(), strict=True))
        sizes = dict(zip((NASTY, "flags", "kana"), one.sizes.values(), strict=True))
        target = NASTY if one.target == "digits" else one.target
        protection = NASTY if one.protection == "trap2" else one.protection
        return replace(
            one,
            correct=correct,
            sizes=sizes,
            target=target,
            protection=protection,
            attack=NASTY,
            options={"key": NASTY},
        )

    alone = [
        replace(
            one,
            task=NASTY if one.task == "digits" else one.task,
            release=NASTY if one.release == "trap2" else one.release,
        )
        for one in MEASUREMENTS.standalone
    ]
    context = replace(
        CONTEXT, tasks=(NASTY, "flags", "kana"), command=f"mergebench {NASTY}", notes=(NASTY,)
    )
    return Measurements(
        context=context, standalone=(*alone,), merged=tuple(map(renamed, MEASUREMENTS.merged))
    )


def test_tables_show_the_name_and_nothing_else(tmp_path: Path, nasty: Measurements) -> None:
    files = write_table1(nasty, tmp_path) + write_table2(nasty, tmp_path)
    for file in files:
        text = file.read_text()
        assert "\x1b" not in text
        if file.suffix == ".md":
            outside_code = re.sub(r"^- Command: .*$", "", text, flags=re.MULTILINE)
            assert "<script" not in outside_code.replace(r"\<", "")
            assert "](" not in outside_code.replace(r"\](", "")
            rows = [line for line in text.splitlines() if line.startswith("| ")]
            assert all(len(re.findall(r"(?<!\\)\|", row)) > 2 for row in rows)
            assert stated_facts(text)["Command"] == f"mergebench {NASTY}".replace("\x1b", r"\x1b")
        if file.suffix == ".csv":
            cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
            assert not [cell for cell in cells if cell[:1] in ("=", "+", "@")]
            assert any(cell.startswith("'=<script>") for cell in cells)
        if file.suffix == ".tex":
            body = "".join(line for line in text.splitlines() if not line.startswith("%"))
            assert r"\x{" not in body
            assert "\n[" not in text


def renamed_board(name: str) -> Measurements:
    """Return the leaderboard's measurements with the name for a task and for the protection."""

    def one_of(one: Merged | Standalone) -> dict[str, object]:
        changes: dict[str, object] = {
            field.name: {name if key == "digits" else key: value for key, value in found.items()}
            for field in fields(one)
            if isinstance(found := getattr(one, field.name), dict) and "digits" in found
        }
        for field in ("target", "task"):
            if getattr(one, field, None) == "digits":
                changes[field] = name
        for field in ("protection", "release"):
            if getattr(one, field, None) == "trap2":
                changes[field] = name
        return changes

    tasks = tuple(name if task == "digits" else task for task in CONTEXT.tasks)
    context = replace(MEASURED.context, tasks=tasks, command=f"mergebench {name}", notes=(name,))
    return replace(
        MEASURED,
        context=context,
        standalone=tuple(replace(one, **one_of(one)) for one in MEASURED.standalone),  # type: ignore[arg-type]
        merged=tuple(replace(one, **one_of(one)) for one in MEASURED.merged),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_table_keeps_its_shape_and_the_name(tmp_path: Path, name: str) -> None:
    board = renamed_board(name)
    files = [
        *write_table1(board, tmp_path),
        *write_table2(board, tmp_path),
        *write_leaderboard(
            board, tmp_path, "leaderboard", levels=LEVELS, yardsticks=YARDSTICKS, version=1
        ),
    ]
    for file in (one for one in files if one.suffix in (".md", ".tex", ".csv")):
        text = file.read_text()
        if file.suffix == ".md":
            outside_code = re.sub(r"^- Command: .*$", "", text, flags=re.MULTILINE)
            assert "<script" not in outside_code.replace(r"\<", "")
            assert markdown_text(name) in outside_code
            for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
                assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1
        elif file.suffix == ".csv":
            cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
            assert not [cell for cell in cells if cell[:1] in ("=", "+", "@")]
            assert name in {stated_csv_text(cell).removesuffix("_correct") for cell in cells}
        else:
            shown = "".join(line for line in text.splitlines(True) if not line.startswith("%"))
            assert escape(name) in shown
            rest = shown.replace(escape(name), "").replace(escape(f"mergebench {name}"), "")
            assert not re.search(r"<|(?<!\\)%|x_y|\|b", rest)
            for block in re.findall(r"\\toprule\n(.*?)\\bottomrule", shown, flags=re.DOTALL):
                rows = [
                    row for row in block.split(r"\\") if "&" in row and "multicolumn" not in row
                ]
                assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1


def test_the_terminal_shows_the_name(nasty: Measurements) -> None:
    shown = printed(nasty, width=400)
    assert "\x1b" not in shown
    assert NASTY.replace("\x1b", r"\x1b") in shown


def test_figures_are_drawn_with_any_name(tmp_path: Path) -> None:
    for name in (NASTY, "_hidden", "$"):
        curves = tuple(
            ScaleCurve(seed=0, release=release, task=name, scales=(0, 1), correct=(1, 9), size=10)
            for release in ("none", name)
        )
        context = replace(CONTEXT, tasks=(name,), command=name, suite=name)
        files = write_figure2(Measurements(context=context, curves=curves), tmp_path)
        assert all(file.stat().st_size > 0 for file in files)
        assert b"\x1b" not in (tmp_path / "figure2.svg").read_bytes()


def test_negative_numbers_stay_numbers(tmp_path: Path) -> None:
    write_table2(MEASUREMENTS, tmp_path)
    lines = list(csv.DictReader((tmp_path / "table2.csv").open()))
    assert [line["difference"] for line in lines] == ["", "-32.00"]


# --- the committed tables -------------------------------------------------------------------


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_committed_files_are_as_they_would_be_written(file: Path) -> None:
    """Everything in them goes through the functions for text without a change."""
    text = file.read_text()
    if file.suffix == ".csv":
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert list(map(csv_text, cells)) == cells
        return
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = [line for line in lines if line.startswith("|")]
    commands = [line for line in lines if line.startswith("- Command: ")]
    for line in set(lines) - {*rows, *commands}:
        assert markdown_text(stated_text(line)) == line
    for row in rows:
        for cell in row.strip("| ").split(" | "):
            assert markdown_text(stated_text(re.sub("<sup>.*</sup>", "", cell))) in cell
    facts = stated_facts(text)
    assert commands == [f"- Command: {code_span(facts['Command'])}"]
    if file.stem.startswith("detection"):
        return  # it has no LaTeX
    latex = file.with_suffix(".tex").read_text()
    assert typewriter(facts["Command"]) in latex
    for what in ("Date", "Precision", "Versions", "Code"):
        assert f"% {what}: {facts[what]}\n" in latex
